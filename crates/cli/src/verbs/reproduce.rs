//! `limpid reproduce`: tables of papers, and our own, run from recipes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use limpid::plot;
use limpid::recipe::{Outcome, Recipe, RunOptions, markdown, run};
use serde::Serialize;

use crate::output::{Output, Section, Table};
use crate::progress::Bars;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// A recipe (paper/ruleslim/ml-100k.toml), or a folder of them (paper/ruleslim)
    recipe: PathBuf,
    /// The folder that holds the data sets
    #[arg(long, value_name = "FOLDER", env = "LIMPID_DATA")]
    data: Option<PathBuf>,
    /// The first seed of every table only
    #[arg(long)]
    quick: bool,
    /// At most so many seeds of every table
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// The folder for report.md, report.json, the plots, and the finished runs (in runs/), which are
    /// not made again
    #[arg(long, short, value_name = "FOLDER", default_value = "reproduced")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    tables: Vec<Named>,
    report: String,
}

#[derive(Serialize)]
struct Named {
    recipe: String,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let options = RunOptions {
            data: self.data.clone(),
            cache: Some(self.output.join("runs")),
            program: program(),
            seeds: self.seeds,
            quick: self.quick,
        };
        let recipes = Recipe::read_all(&self.recipe)?;
        let mut outcomes = Vec::with_capacity(recipes.len());
        for (name, recipe) in recipes {
            output.note(format!("{name}: {}", recipe.title));
            let bars = Bars::new(output.is_quiet());
            outcomes.push((name, run(&recipe, &options, &bars)?));
        }
        fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot create {}", self.output.display()))?;
        let report = self.output.join("report.md");
        write(&report, &markdown(&outcomes))?;
        let mut page = Vec::new();
        for (name, outcome) in &outcomes {
            if let Some(frontier) = outcome.frontier() {
                let file = self.output.join(format!("{name}-frontier.svg"));
                output.picture(&file, &plot::scatter(&frontier)?)?;
            }
            if let Some(drops) = outcome.drops() {
                let file = self.output.join(format!("{name}-drops.svg"));
                output.picture(&file, &plot::curves(&drops)?)?;
            }
            page.push(Section::Text(format!(
                "{}\n{}",
                outcome.title, outcome.protocol
            )));
            let mut table = Table::new(outcome.header());
            for cells in outcome.cells() {
                table.row(cells);
            }
            page.push(Section::Table(table));
        }
        page.push(Section::Text(format!("written to {}", report.display())));
        let answer = Answer {
            schema: "limpid.reproduce/1",
            tables: outcomes
                .into_iter()
                .map(|(recipe, outcome)| Named { recipe, outcome })
                .collect(),
            report: report.display().to_string(),
        };
        write(
            &self.output.join("report.json"),
            &serde_json::to_string_pretty(&answer)?,
        )?;
        output.answer(&answer, page)
    }
}

/// The size and age of this program, so that results of an older build are not taken for its own.
fn program() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    let age = file.as_ref().ok().and_then(|f| f.modified().ok());
    let size = file.as_ref().map_or(0, fs::Metadata::len);
    format!("{} {size} {age:?}", env!("CARGO_PKG_VERSION"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
