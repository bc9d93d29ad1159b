//! `limpid recommend`: lists for one user, an ad-hoc history, or all users.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use limpid::answers::{RecommendAll, Recommendations};
use limpid::insight::wording;
use limpid::lists::list_columns;
use limpid::output::RowWriter;
use limpid::{Advisor, Error};

use crate::args::{EditArgs, FilterArgs, WhoArgs, length};
use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Recommend for all users
    #[arg(long, value_name = "all", conflicts_with_all = ["user", "history"], requires = "output")]
    users: Option<String>,
    /// Length of the list
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
    /// Write to a file; its ending is the format: .csv, .tsv, .jsonl or .parquet for --users all, otherwise
    /// .csv, .json or .md; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    edit: EditArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        if let Some(users) = &self.users {
            if users != "all" {
                bail!(Error::Usage(format!(
                    "--users {users}: the only value is all; for one user, use --user ID"
                )));
            }
            let Some(file) = &self.output else {
                bail!(Error::Usage(
                    "--users all requires a file, such as -o recs.csv or -o recs.parquet".into()
                ));
            };
            return self.all(file, output);
        }
        let output = &output.to(self.output.as_deref())?;
        let advisor = Advisor::open(&self.model)?;
        let filter = self.filter.filter(&advisor)?;
        let edits = self.edit.edits()?;
        let answer = advisor.recommend(&self.who.who()?, self.n, &filter, &edits)?;
        let page = page(&answer);
        output.answer(&answer, page)
    }

    fn all(&self, file: &Path, output: &Output) -> Result<()> {
        let to = output.rows(file)?;
        let advisor = Advisor::open(&self.model)?;
        let filter = self.filter.filter(&advisor)?;
        let edits = self.edit.edits()?;
        let mut writer = RowWriter::create(&to, list_columns())?;
        advisor.recommend_all(self.n, &filter, &edits, &mut |block| {
            block.iter().try_for_each(|row| writer.row(&row.cells()))
        })?;
        let rows = writer.rows();
        writer.finish()?;
        let written = RecommendAll {
            schema: "limpid.recommend-all/1",
            file: to.described(),
            users: advisor.split()?.train.len(),
            rows,
        };
        let text = format!(
            "{} rows for {} users written to {}",
            rows, written.users, written.file
        );
        output.written(&to, &written, text)
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
