//! `limpid similar`: the list of a one-event history.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;

use super::recommend::page;
use crate::args::FilterArgs;
use crate::output::{Output, Section};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// A folder that 'limpid train' saved
    model: PathBuf,
    /// The item, by id or title
    #[arg(long, value_name = "ITEM")]
    item: String,
    /// Length of the list
    #[arg(short, long, default_value_t = 10, value_name = "N")]
    n: usize,
    #[command(flatten)]
    filter: FilterArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let advisor = Advisor::open(&self.model)?;
        let answer = advisor.similar(&self.item, self.n, &self.filter.filter(&advisor)?)?;
        let mut page = page(&answer);
        page[0] = Section::Text(format!(
            "For somebody who has nothing but {}",
            advisor.catalogue.title(advisor.catalogue.find(&self.item)?)
        ));
        output.answer(&answer, page)
    }
}
