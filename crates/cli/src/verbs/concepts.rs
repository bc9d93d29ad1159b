//! `limpid concepts`: the control board of a dictionary.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use limpid::Advisor;
use limpid::answers::Concepts;
use limpid::concepts::{Board, BoardOrder};
use limpid::probe::LabelOptions;

use crate::args::OutArgs;
use crate::output::{Output, Plots, Section, Table};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Command {
    /// Folder written by 'limpid probe'
    knobs: PathBuf,
    /// Only knobs with this text in a name, a runner-up or the title of a top item
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Order of the knobs
    #[arg(long, value_enum, value_name = "KEY", default_value_t = By::Confidence)]
    sort: By,
    /// Show knobs without a confirmed name too
    #[arg(long)]
    all: bool,
    /// Plot the concept map to an SVG file; with a / at the end, to a folder with more: the distributions of
    /// confidence and stability, tags by knobs, and the training of an autoencoder
    #[arg(long, value_name = "FILE|FOLDER/")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

const EXAMPLES: &str = "\
Examples:
  limpid concepts knobs/
  limpid concepts knobs/ --search tarantino --plot map.svg
  limpid concepts knobs/ --sort stability --format md -o board.md";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// AUROC of the name on held-out items
    Confidence,
    /// Share of fresh resamples in which the knob comes back
    Stability,
    /// Share of users for whom it is active
    Support,
    /// Id
    Unit,
    /// Name
    Name,
}

impl By {
    fn order(self) -> BoardOrder {
        match self {
            Self::Confidence => BoardOrder::Confidence,
            Self::Stability => BoardOrder::Stability,
            Self::Support => BoardOrder::Support,
            Self::Unit => BoardOrder::Unit,
            Self::Name => BoardOrder::Name,
        }
    }
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let plots = self.plot.as_deref().map(Plots::new).transpose()?;
        let advisor = Advisor::open(&self.knobs)?;
        let board = Board {
            search: self.search.clone(),
            sort: self.sort.order(),
            all: self.all,
            labels: LabelOptions::default(),
        };
        let answer = advisor.concepts(&board)?;
        let page = page(&answer);
        if let Some(plots) = &plots {
            plots.write(&advisor.board_pictures()?, output)?;
        }
        output.answer(&answer, page)
    }
}

fn page(answer: &Concepts) -> Vec<Section> {
    let mut table = Table::new([
        "knob",
        "name",
        "AUROC",
        "stable",
        "users",
        "also",
        "top items",
    ]);
    for c in &answer.concepts {
        let name = c.name.clone().unwrap_or_default();
        let percent = |v: f64| format!("{:.0} %", 100.0 * v);
        let others: Vec<&str> = c.others.iter().take(2).map(|o| o.tag.as_str()).collect();
        let top: Vec<&str> = c.top.iter().take(3).map(|i| i.title.as_str()).collect();
        table.row([
            c.unit.clone(),
            if c.confirmed {
                name
            } else {
                format!("({name}?)")
            },
            c.confidence.map_or_else(String::new, |v| format!("{v:.2}")),
            c.stability
                .map_or_else(String::new, |v| percent(f64::from(v))),
            c.support.map_or_else(String::new, percent),
            others.join(", "),
            top.join("; "),
        ]);
    }
    let mut head = vec![format!(
        "{} knobs over {}; {} with a confirmed name, {} distinct names",
        answer.knobs, answer.base, answer.named, answer.distinct
    )];
    if let Some(chance) = answer.named_by_chance {
        head.push(format!(
            "with shuffled tags, {:.0} % of the knobs would get a name",
            100.0 * chance
        ));
    }
    let mut page = vec![Section::Lines(head), Section::Table(table)];
    if !answer.notes.is_empty() {
        page.push(Section::Lines(answer.notes.clone()));
    }
    page
}
