//! `limpid similar`: items similar to an item, by scores, vectors or learned links.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use limpid::{Advisor, SimilarBy};

use crate::args::{FilterArgs, OutArgs, length};
use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Item to compare with, by id or title
    #[arg(long, value_name = "ITEM", allow_negative_numbers = true)]
    item: String,
    /// Similarity of items; what a model supports depends on it
    #[arg(long, value_enum, value_name = "KIND", default_value_t = By::Scores)]
    by: By,
    /// Length of the list
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// A similarity of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The scores of a history of the item alone
    Scores,
    /// The cosine of item vectors
    Vectors,
    /// The learned weights from the item to others
    Links,
}

impl By {
    pub(crate) fn similarity(self) -> SimilarBy {
        match self {
            Self::Scores => SimilarBy::Scores,
            Self::Vectors => SimilarBy::Vectors,
            Self::Links => SimilarBy::Links,
        }
    }
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let advisor = Advisor::open(&self.model)?;
        let filter = self.filter.filter(&advisor)?;
        let by = self.by.similarity();
        let answer = advisor.similar(&self.item, by, self.n, &filter)?;
        let item = advisor.catalogue.find(&self.item)?;
        let head = format!(
            "Items similar to {} ({}), by {}",
            advisor.catalogue.title(item),
            advisor.catalogue.items.name(item.0),
            by.name()
        );
        let mut table = Table::new(["rank", "id", "title", by.measure()]);
        for item in &answer.items {
            table.row([
                item.rank.to_string(),
                item.item.id.clone(),
                item.item.title.clone(),
                number(item.score),
            ]);
        }
        let mut page = vec![Section::Lines(vec![head]), Section::Table(table)];
        if !answer.notes.is_empty() {
            page.push(Section::Lines(answer.notes.clone()));
        }
        output.answer(&answer, page)
    }
}
