//! Recipes: a table of a paper (or our own) as data, run by one verb.
//!
//! A recipe names a data set, a split with seeds, a protocol, and rows of models with their settings.
//! A row on a split is an [`Experiment`]. A row may carry a published value with its place in the paper
//! and a tolerance, or bounds that it must keep. Finished runs are kept by the hash of their inputs, so
//! that an interrupted table resumes. The outcome is published against ours, with an interval over
//! splits and a verdict.

mod report;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::experiment::{DataSource, Experiment, Settings};
use crate::{Error, MeasureOptions, Result, Subset};

pub use report::{Outcome, RowOutcome, Summary, markdown};
pub use run::{RunOptions, SplitResult, check, run};

/// A table as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the table shows.
    pub title: String,
    /// Where it was published, or whose it is.
    pub source: String,
    /// Folder of the data set below the data folder, or `synthetic`, `synthetic:planted`.
    pub data: String,
    /// What is kept of the data.
    #[serde(default)]
    pub filters: limpid_data::Filters,
    /// The split without its seed: `ratio:70/10/20`.
    pub split: String,
    /// Seeds of the split; none for splits that draw nothing.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// The metric of the table.
    pub metric: String,
    /// The part that is measured: the test part, or validation to choose settings on.
    #[serde(default)]
    pub on: Subset,
    /// Masks validation items at the test too.
    #[serde(default)]
    pub mask_validation: bool,
    /// Measures how short and how faithful the explanations are, too.
    #[serde(default)]
    pub explanations: bool,
    /// The row that the others are compared with, by name.
    #[serde(default)]
    pub baseline: Option<String>,
    /// The rows, in order.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// How it is called in the table.
    pub name: String,
    /// The model, by its name in the catalogue.
    pub model: String,
    /// Its hyper-parameters.
    #[serde(default)]
    pub settings: Settings,
    /// Seed of the model.
    #[serde(default = "one")]
    pub seed: u64,
    /// The published value of the metric.
    #[serde(default)]
    pub published: Option<f64>,
    /// How far ours may lie from it.
    #[serde(default)]
    pub tolerance: Option<f64>,
    /// Where in the paper the value stands.
    #[serde(default)]
    pub stands: Option<String>,
    /// What is asked of it, apart from the published value.
    #[serde(default)]
    pub asks: Asks,
    /// What a reader should know.
    #[serde(default)]
    pub note: Option<String>,
}

/// Bounds that a row must keep; none is asked by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asks {
    /// The least value of the metric.
    pub value: Option<f64>,
    /// The least difference from the baseline.
    pub difference: Option<f64>,
    /// Lines for 80 % of the positive evidence of the best item, at most: median, 90th percentile.
    pub lines: Option<[f64; 2]>,
    /// Entries for 80 % of its absolute evidence, at most: median.
    pub entries_absolute: Option<f64>,
    /// Literals of a line that is shown, at most: mean.
    pub literals: Option<f64>,
    /// Literals of a live rule, at most: mean.
    pub rule_literals: Option<f64>,
    /// Share of the live rules that join several literals by AND, at least.
    pub and: Option<f64>,
    /// Share of the literals of live rules that are negated, at least.
    pub negated: Option<f64>,
}

fn one() -> u64 {
    1
}

impl Recipe {
    /// Reads a recipe and checks that it can be run.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Config`] with the place of what is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
        let recipe: Self = toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))?;
        recipe.check().map_err(|why| Error::config(path, why))?;
        Ok(recipe)
    }

    /// The recipes at a path: a file, or every `.toml` of a folder in order of their names.
    ///
    /// # Errors
    /// As [`Recipe::read`]; [`Error::Config`] for a folder without recipes.
    pub fn read_all(path: &Path) -> Result<Vec<(String, Self)>> {
        let mut files: Vec<PathBuf> = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(|e| Error::io("cannot read", path, e))? {
                let file = entry.map_err(|e| Error::io("cannot read", path, e))?.path();
                if file.extension().is_some_and(|e| e == "toml") {
                    files.push(file);
                }
            }
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        if files.is_empty() {
            return Err(Error::config(path, "holds no recipe (a .toml file)"));
        }
        files
            .into_iter()
            .map(|file| {
                let name = file
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                Ok((name, Self::read(&file)?))
            })
            .collect()
    }

    /// Everything but the data, down to the ranges of the last row.
    fn check(&self) -> std::result::Result<(), String> {
        let told = |e: &dyn std::fmt::Display| e.to_string();
        let mut names = BTreeMap::new();
        for row in &self.rows {
            if names.insert(&row.name, ()).is_some() {
                return Err(format!("the row name '{}' appears twice", row.name));
            }
            for split in self.splits() {
                self.experiment(row, &split, None)
                    .and_then(|e| e.check_run())
                    .map_err(|e| format!("row '{}': {}", row.name, told(&e)))?;
            }
        }
        if let Some(baseline) = &self.baseline
            && !names.contains_key(baseline)
        {
            return Err(format!("the baseline '{baseline}' is not a row"));
        }
        Ok(())
    }

    /// One row on one split of the table. Without a folder of data sets it has no data, unless they are
    /// generated.
    ///
    /// # Errors
    /// Where the metric, the split, the model or a setting does not exist.
    pub fn experiment(&self, row: &Row, split: &str, folder: Option<&Path>) -> Result<Experiment> {
        let source = |path: PathBuf| DataSource {
            path,
            filters: self.filters.clone(),
            ..DataSource::default()
        };
        Ok(Experiment {
            model: row.model.clone(),
            seed: row.seed,
            split: split.parse()?,
            settings: row.settings.clone(),
            data: match folder {
                _ if self.data.starts_with("synthetic") => Some(source(self.data.clone().into())),
                folder => folder.map(|folder| source(folder.join(&self.data))),
            },
            measure: Some(MeasureOptions {
                metrics: vec![self.metric.parse()?],
                on: self.on,
                mask_validation: self.mask_validation,
                resamples: 0,
                readability: self.explanations,
                faithfulness: self.explanations,
                ..MeasureOptions::default()
            }),
            ..Experiment::default()
        })
    }

    /// The splits of the table, seeds included.
    #[must_use]
    pub fn splits(&self) -> Vec<String> {
        match self.seeds.as_slice() {
            [] => vec![self.split.clone()],
            seeds => seeds
                .iter()
                .map(|s| format!("{}@{s}", self.split))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
        title = "A table"
        source = "nobody"
        data = "synthetic"
        split = "ratio:70/10/20"
        seeds = [1, 2]
        metric = "ndcg@20"
        baseline = "POP"
        [[row]]
        name = "POP"
        model = "popularity"
        [[row]]
        name = "EASE"
        model = "ease"
        settings = { reg = 100.0 }
        asks = { difference = 0.01 }
    "#;

    #[test]
    fn recipes_are_checked_when_they_are_read() {
        let recipe: Recipe = toml::from_str(TABLE).unwrap();
        assert!(recipe.check().is_ok());
        assert_eq!(recipe.splits(), ["ratio:70/10/20@1", "ratio:70/10/20@2"]);
        for (from, to, expected) in [
            ("ndcg@20", "ndgc@20", "ndcg"),
            ("ratio:70/10/20", "ration", "ratio"),
            ("reg = 100.0", "rge = 1", "rge"),
            ("reg = 100.0", "reg = -1", "row 'EASE': reg must be"),
            ("baseline = \"POP\"", "baseline = \"TOP\"", "is not a row"),
            ("name = \"EASE\"", "name = \"POP\"", "appears twice"),
        ] {
            let recipe: Recipe = toml::from_str(&TABLE.replace(from, to)).unwrap();
            let why = recipe.check().unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert!(toml::from_str::<Recipe>(&TABLE.replace("difference", "distance")).is_err());
    }

    /// Every recipe of the repository can be run.
    #[test]
    fn the_recipes_of_the_repository_are_sound() {
        let papers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../paper");
        let mut read = 0;
        for paper in std::fs::read_dir(papers).unwrap() {
            read += Recipe::read_all(&paper.unwrap().path()).unwrap().len();
        }
        assert!(read > 0);
    }
}
