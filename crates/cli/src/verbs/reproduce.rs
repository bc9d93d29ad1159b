//! `limpid reproduce`: run tables of papers, and our own, from recipes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use limpid::answers::{NotRun, ReproducePlan, Reproduced, ReproducedTable};
use limpid::artifact::{Target, check_folder};
use limpid::plot;
use limpid::recipe::{Recipe, RunOptions, check, markdown, run};

use crate::output::{Output, Section, Table, size};
use crate::progress::Bars;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Recipe to run (paper/ruleslim/ml-100k.toml), or a folder of them (paper/ruleslim)
    ///
    /// Recipes of a folder are left out if their data sets are not at hand.
    recipe: PathBuf,
    /// Folder of the data sets
    #[arg(long, value_name = "FOLDER", env = "LIMPID_DATA")]
    data: Option<PathBuf>,
    /// Run only the first seed of each table
    #[arg(long)]
    quick: bool,
    /// Run at most N seeds of each table
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// Check every row and print the plan; read no data, run nothing
    #[arg(long)]
    dry_run: bool,
    /// Folder for report.md, report.json, plots and finished runs
    ///
    /// Finished runs are saved in runs/ and reused; rerun to resume an interrupted table.
    #[arg(long, short, value_name = "FOLDER", default_value = "reproduced")]
    output: PathBuf,
}

/// A recipe with the name of its file, without `.toml`.
type Named = (String, Recipe);

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let options = RunOptions {
            data: self.data.clone(),
            cache: Some(self.output.join("runs")),
            program: program(),
            seeds: self.seeds,
            quick: self.quick,
        };
        let (recipes, not_run) = self.recipes()?;
        for recipe in &not_run {
            output.note(recipe.to_string());
        }
        // Every row of every recipe is checked before the first one is run.
        let checked = recipes
            .iter()
            .map(|(name, recipe)| check(name, recipe, &options))
            .collect::<limpid::Result<Vec<_>>>()?;
        let target = check_folder(&self.output, 0)?;
        if self.dry_run {
            let plan = plan(checked, not_run, target);
            let page = plan_page(&plan);
            return output.answer(&plan, page);
        }
        let mut outcomes = Vec::with_capacity(recipes.len());
        for (name, recipe) in recipes {
            output.note(format!("{name}: {}", recipe.title));
            let bars = Bars::new(output.is_quiet());
            outcomes.push((name, run(&recipe, &options, &bars)?));
        }
        fs::create_dir_all(&self.output)
            .with_context(|| format!("cannot create {}", self.output.display()))?;
        let report = self.output.join("report.md");
        let left_out: String = not_run.iter().map(|r| format!("\n{r}.\n")).collect();
        write(&report, &(markdown(&outcomes) + &left_out))?;
        let mut page = Vec::new();
        for (name, outcome) in &outcomes {
            if let Some(frontier) = outcome.frontier() {
                let file = self.output.join(format!("{name}-frontier.svg"));
                output.picture(&Output::plot(&file)?, &plot::scatter(&frontier)?)?;
            }
            if let Some(drops) = outcome.drops() {
                let file = self.output.join(format!("{name}-drops.svg"));
                output.picture(&Output::plot(&file)?, &plot::curves(&drops)?)?;
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
            if let Some((header, rows)) = outcome.knobs() {
                let mut table = Table::new(header);
                rows.into_iter().for_each(|row| table.row(row));
                page.push(Section::Table(table));
            }
            page.extend(outcome.tuned().into_iter().map(Section::Text));
        }
        page.push(Section::Text(format!(
            "report written to {}",
            report.display()
        )));
        let answer = Reproduced {
            schema: "limpid.reproduce/1",
            tables: outcomes
                .into_iter()
                .map(|(recipe, outcome)| ReproducedTable { recipe, outcome })
                .collect(),
            not_run,
            report: report.display().to_string(),
        };
        write(
            &self.output.join("report.json"),
            &serde_json::to_string_pretty(&answer)?,
        )?;
        output.answer(&answer, page)
    }

    /// The recipes, and those of a folder whose data are not at hand. If none of them has its data, the error is
    /// that of the first.
    fn recipes(&self) -> Result<(Vec<Named>, Vec<NotRun>)> {
        let recipes = Recipe::read_all(&self.recipe)?;
        let missing = |recipe: &Recipe| match &self.data {
            Some(folder) => recipe.missing_data(folder),
            None => Vec::new(),
        };
        let missing: Vec<Vec<String>> = recipes.iter().map(|r| missing(&r.1)).collect();
        if missing.iter().all(|missing| !missing.is_empty()) {
            return Ok((recipes, Vec::new()));
        }
        let (mut run, mut not_run) = (Vec::new(), Vec::new());
        for ((recipe, content), missing) in recipes.into_iter().zip(missing) {
            match missing.is_empty() {
                true => run.push((recipe, content)),
                false => not_run.push(NotRun { recipe, missing }),
            }
        }
        Ok((run, not_run))
    }
}

fn plan(
    recipes: Vec<limpid::answers::RecipePlan>,
    not_run: Vec<NotRun>,
    target: Target,
) -> ReproducePlan {
    ReproducePlan {
        schema: "limpid.reproduce-plan/1",
        runs: recipes.iter().map(|r| r.runs).sum(),
        recipes,
        not_run,
        folder: target.path.display().to_string(),
        free_bytes: target.free_bytes,
    }
}

/// The name of a data set: the last part of its path, which the JSON has in full.
fn folder_name(data: &str) -> String {
    let name = Path::new(data).file_name().and_then(|name| name.to_str());
    name.unwrap_or(data).to_owned()
}

fn plan_page(plan: &ReproducePlan) -> Vec<Section> {
    let mut table = Table::new(["recipe", "data", "size", "splits", "rows", "runs"]);
    for r in &plan.recipes {
        table.row([
            r.recipe.clone(),
            folder_name(&r.data),
            size(r.data_bytes),
            r.splits.len().to_string(),
            r.rows.len().to_string(),
            r.runs.to_string(),
        ]);
    }
    let free = plan
        .free_bytes
        .map_or_else(String::new, |bytes| format!(" ({} free)", size(bytes)));
    vec![
        Section::Text("All rows passed the checks; nothing was read or run.".to_owned()),
        Section::Table(table),
        Section::Text(format!(
            "{} runs at most; finished runs in {}/runs are reused{free}",
            plan.runs, plan.folder
        )),
    ]
}

/// Version, size and modification time of this program: results of another build are not reused.
fn program() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    let age = file.as_ref().ok().and_then(|f| f.modified().ok());
    let size = file.as_ref().map_or(0, fs::Metadata::len);
    format!("{} {size} {age:?}", env!("CARGO_PKG_VERSION"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
