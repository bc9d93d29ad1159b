//! `limpid recommend`: lists for one user, an ad-hoc history, or many users.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::answers::Recommendations;
use limpid::batch::{Batch, Content};
use limpid::core::NoProgress;
use limpid::insight::wording;

use crate::args::{BatchArgs, EditArgs, FilterArgs, WhoArgs, length};
use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Length of the list
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
    /// Write to a file; its ending is the format: .csv, .tsv, .jsonl or .parquet for --users, otherwise
    /// .csv, .json or .md; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Number of reasons in the column 'because' of --users; 0 leaves it out, which is faster
    #[arg(long, default_value_t = 2, value_name = "N", requires = "users")]
    reasons: usize,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    edit: EditArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        if let (Some(users), Some(file)) = (&self.batch.users, &self.output) {
            return self.many(users, file, output);
        }
        let output = &output.to(self.output.as_deref())?;
        let advisor = Advisor::open(&self.model)?;
        let filter = self.filter.filter(&advisor)?;
        let edits = self.edit.edits()?;
        let answer = advisor.recommend(&self.who.who()?, self.n, &filter, &edits)?;
        let page = page(&answer);
        output.answer(&answer, page)
    }

    fn many(&self, users: &str, file: &Path, output: &Output) -> Result<()> {
        let to = output.rows(file)?;
        let advisor = Advisor::open(&self.model)?;
        let batch = Batch {
            content: Content::Lists {
                reasons: self.reasons,
            },
            n: self.n,
            filter: &self.filter.filter(&advisor)?,
            edits: &self.edit.edits()?,
            resume: false,
            progress: &NoProgress,
        };
        self.batch.write(users, &advisor, batch, &to, output)
    }
}

/// The page of a list; the quickstart prints it too.
pub(crate) fn page(answer: &Recommendations) -> Vec<Section> {
    let mut head = match &answer.user {
        Some(user) => format!("User {user}, {} items in the history", answer.history),
        None => format!("History of {} items", answer.history),
    };
    head += &wording::edited(&answer.edits);
    let mut table = Table::new(["rank", "id", "title", "score", "because of"]);
    for item in &answer.items {
        let because: Vec<&str> = item.because.iter().map(|r| r.text.as_str()).collect();
        table.row([
            item.rank.to_string(),
            item.item.id.clone(),
            item.item.title.clone(),
            number(item.score),
            because.join("; "),
        ]);
    }
    let mut page = vec![Section::Text(head), Section::Table(table)];
    if !answer.notes.is_empty() {
        page.push(Section::Text(answer.notes.join("\n")));
    }
    page
}
