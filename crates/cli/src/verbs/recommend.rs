//! `limpid recommend`: lists for one user, an ad-hoc history, or many users.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::answers::{Moved, Recommendations, Recommended};
use limpid::batch::{Batch, Content};
use limpid::core::NoProgress;
use limpid::insight::wording;

use crate::args::{BatchArgs, EditArgs, FilterArgs, OutArgs, WhoArgs, length};
use crate::output::{Output, Section, Table, number, signed};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Length of the list
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
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
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        if let (Some(users), Some(file)) = (&self.batch.users, &self.out.output) {
            return self.many(users, file, output);
        }
        let output = &self.out.of(output)?;
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
    let edited = answer.items.iter().any(|item| item.before.is_some());
    let mut page = vec![
        Section::Lines(vec![head]),
        list(&answer.items, edited, None),
    ];
    for slate in &answer.slates {
        page.push(list(&slate.items, edited, Some(slate.name)));
    }
    if !answer.left.is_empty() {
        let mut table = Table::new(["rank", "before", "id", "left the list", "score", "moved by"]);
        for item in &answer.left {
            table.row([
                item.rank.to_string(),
                item.before.rank.to_string(),
                item.item.id.clone(),
                item.item.title.clone(),
                number(item.score),
                moved_by(&item.moved_by),
            ]);
        }
        page.push(Section::Table(table));
    }
    if !answer.notes.is_empty() {
        page.push(Section::Lines(answer.notes.clone()));
    }
    page
}

/// A list; where units were edited, what moved is the question, and 'limpid explain' has the evidence.
fn list(items: &[Recommended], edited: bool, slate: Option<&str>) -> Section {
    let likely = items.iter().any(|item| item.probability.is_some());
    let mut header = vec![slate.unwrap_or("rank"), "id", "title", "score"];
    if likely {
        header.push("probability");
    }
    if edited {
        header.insert(1, "before");
    }
    header.push(if edited { "moved by" } else { "because of" });
    let mut table = Table::new(header);
    for item in items {
        let because: Vec<&str> = item.because.iter().map(|r| r.text.as_str()).collect();
        let mut cells = vec![
            item.rank.to_string(),
            item.item.id.clone(),
            item.item.title.clone(),
            number(item.score),
        ];
        if likely {
            cells.push(item.probability.map_or_else(String::new, percent));
        }
        match item.before.filter(|_| edited) {
            Some(before) => {
                cells.insert(1, before.rank.to_string());
                cells.push(moved_by(&item.moved_by));
            }
            None => cells.push(because.join("; ")),
        }
        table.row(cells);
    }
    Section::Table(table)
}

/// A probability as a share of 100.
pub(crate) fn percent(p: f64) -> String {
    let percent = 100.0 * p;
    // Two digits of small ones: the mean of ten thousand items is not 0.
    let decimals = match percent > 0.0 {
        true => (1.0 - percent.log10().floor()).clamp(2.0, 9.0) as usize,
        false => 2,
    };
    format!("{percent:.decimals$} %")
}

/// The edits that change a score, and by how much.
fn moved_by(moved: &[Moved]) -> String {
    let each = moved
        .iter()
        .map(|m| format!("{} ({})", m.edit, signed(m.change)));
    each.collect::<Vec<_>>().join("; ")
}
