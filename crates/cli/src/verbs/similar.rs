//! `limpid similar`: items similar to an item, which are the list of a history of this item alone.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;

use crate::args::{FilterArgs, OutArgs, length};
use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Item to compare with, by id or title
    #[arg(long, value_name = "ITEM")]
    item: String,
    /// Length of the list
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let advisor = Advisor::open(&self.model)?;
        let answer = advisor.similar(&self.item, self.n, &self.filter.filter(&advisor)?)?;
        let item = advisor.catalogue.find(&self.item)?;
        let head = format!(
            "Items similar to {} ({})",
            advisor.catalogue.title(item),
            advisor.catalogue.items.name(item.0)
        );
        let mut table = Table::new(["rank", "id", "title", "score"]);
        for item in &answer.items {
            table.row([
                item.rank.to_string(),
                item.item.id.clone(),
                item.item.title.clone(),
                number(item.score),
            ]);
        }
        let mut page = vec![Section::Text(head), Section::Table(table)];
        if !answer.notes.is_empty() {
            page.push(Section::Text(answer.notes.join("\n")));
        }
        output.answer(&answer, page)
    }
}
