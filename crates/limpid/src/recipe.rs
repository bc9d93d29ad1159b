//! Recipes: a table of a paper (or our own) as data, run by one verb.
//!
//! A recipe names a data set, a split with seeds, a protocol, and rows of models with their settings.
//! A row on a split is an [`Experiment`]; with `tune = true` its settings are those of the best metric on the
//! validation set of each split, so that a baseline is compared at its best. A row may have a published value with its location in the
//! paper and a tolerance, or required bounds. Finished runs are saved by the hash of their inputs, so
//! that an interrupted table resumes. The outcome compares published values with ours, with a confidence
//! interval over splits and a verdict.

mod report;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use limpid_data::sources::{MetadataSource, ReadOptions};
use limpid_data::{Shown, SplitSpec};
use limpid_eval::MetricAt;
use serde::{Deserialize, Serialize};

use crate::experiment::{DataSource, Experiment, Settings};
use crate::measure::Regime;
use crate::measure_knobs::KNOBS_METRICS;
use crate::{Error, MeasureOptions, Result, Subset, small_file};

pub use report::{Outcome, RowOutcome, Summary, markdown};
pub use run::{RunOptions, SplitResult, check, run};

/// A table as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the table shows.
    pub title: String,
    /// Where it was published, or that it is our own.
    pub source: String,
    /// Folder of the data set below the data folder, or `synthetic`, `synthetic:planted`.
    pub data: String,
    /// Folders of item metadata below the data folder, joined by item id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
    /// Metadata fields whose values name knobs; all but years if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Filters of the data.
    #[serde(default)]
    pub filters: limpid_data::Filters,
    /// The split without its seed: `ratio:70/10/20`.
    pub split: String,
    /// Seeds of the split; none for splits without random choices.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// The metric of the table.
    pub metric: String,
    /// The held-out set: test, or validation to select settings on.
    #[serde(default)]
    pub on: Subset,
    /// Masks validation items at test too.
    #[serde(default)]
    pub mask_validation: bool,
    /// Which held-out items count, where there are several behaviors.
    #[serde(default)]
    pub regime: Regime,
    /// Measures readability and faithfulness of explanations too.
    #[serde(default)]
    pub explanations: bool,
    /// What is measured of dictionaries besides what their codes keep; names, faithfulness and steering if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knobs: Option<Vec<KnobsPart>>,
    /// The row that the others are compared with, by name.
    #[serde(default)]
    pub baseline: Option<String>,
    /// The rows, in order.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// A measurement of dictionaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KnobsPart {
    /// How many units have names, against controls.
    Concepts,
    /// RecSAE's concepts, constructed on some users and verified on others.
    Verification,
    /// Muting cited units.
    Faithfulness,
    /// Steering, against methods without knobs.
    Steering,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name in the table.
    pub name: String,
    /// The model, by its name in the catalogue.
    pub model: String,
    /// Its hyper-parameters.
    #[serde(default)]
    pub settings: Settings,
    /// Tunes the settings that the row does not name on the validation set of each split, over the values
    /// that the model declares.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tune: bool,
    /// Settings of a dictionary over the model, as for `limpid probe --set`; its knobs are measured too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<Vec<String>>,
    /// The value is that of what the codes of the dictionary express alone, as in papers on sparse autoencoders,
    /// instead of that of the base.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pass_through: bool,
    /// Seed of the model.
    #[serde(default = "one")]
    pub seed: u64,
    /// How many seeds of the model, from `seed` on: the value of a split is their mean. Explanations are those
    /// of the first.
    #[serde(default = "one")]
    pub model_seeds: u64,
    /// The published value of the metric.
    #[serde(default)]
    pub published: Option<f64>,
    /// Largest allowed difference between the published value and ours.
    #[serde(default)]
    pub tolerance: Option<f64>,
    /// Location of the published value in the paper; `where`, or `stands` in older recipes.
    #[serde(default, rename = "stands", alias = "where")]
    pub location: Option<String>,
    /// Required bounds, apart from the published value; `require`, or `asks` in older recipes.
    #[serde(default, rename = "asks", alias = "require")]
    pub require: Require,
    /// A note for the reader.
    #[serde(default)]
    pub note: Option<String>,
}

/// Bounds that are required of a row; none by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Require {
    /// Smallest value of the metric.
    pub value: Option<f64>,
    /// Smallest difference from the baseline.
    pub difference: Option<f64>,
    /// Largest number of lines for 80 % of the supporting evidence at rank 1: median, 90th percentile.
    pub lines: Option<[f64; 2]>,
    /// Largest number of entries for 80 % of the absolute evidence at rank 1: median.
    pub entries_absolute: Option<f64>,
    /// Largest mean number of literals of a line that is shown.
    pub literals: Option<f64>,
    /// Largest mean number of literals of a live rule.
    pub rule_literals: Option<f64>,
    /// Smallest share of live rules that join several literals by AND.
    pub and: Option<f64>,
    /// Smallest share of negated literals among those of live rules.
    pub negated: Option<f64>,
    /// Smallest values of numbers of a dictionary, by the names of
    /// [`KNOBS_METRICS`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub knobs: BTreeMap<String, f64>,
}

fn one() -> u64 {
    1
}

impl Recipe {
    /// Reads a recipe and checks that it can run.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Config`] with the place of the fault.
    pub fn read(path: &Path) -> Result<Self> {
        let text = small_file::text(path)?;
        Self::of_text(&text).map_err(|why| Error::config(path, why))
    }

    /// The recipe in a text, checked.
    ///
    /// # Errors
    /// The place of the fault, the rule, and the fix.
    pub fn of_text(text: &str) -> std::result::Result<Self, String> {
        let recipe: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        recipe.check()?;
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
            return Err(Error::config(path, "contains no recipe (a .toml file)"));
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

    /// The names of its data sets that a folder does not hold.
    #[must_use]
    pub fn missing_data(&self, folder: &Path) -> Vec<String> {
        let generated = self.data.starts_with("synthetic");
        let events = (!generated).then_some(&self.data);
        let names = events.into_iter().chain(&self.metadata);
        names
            .filter(|name| !folder.join(name).exists())
            .cloned()
            .collect()
    }

    /// Checks everything but the data, including the ranges of all rows.
    fn check(&self) -> std::result::Result<(), String> {
        let metric: MetricAt = self.metric.parse().map_err(|e| format!("metric: {e}"))?;
        let mut names = BTreeMap::new();
        for row in &self.rows {
            if names.insert(&row.name, ()).is_some() {
                return Err(format!("row name '{}' appears twice", row.name));
            }
            for split in self.splits() {
                self.experiment(row, &split, None)
                    .and_then(|e| e.check_run())
                    .map_err(|e| format!("row '{}': {}", row.name, e))?;
            }
            if let Some(settings) = &row.dictionary {
                crate::probe::config(settings, 1)
                    .map_err(|e| format!("row '{}': {}", row.name, e))?;
            }
            if row.pass_through && row.dictionary.is_none() {
                return Err(format!(
                    "row '{}': pass_through is the value of a dictionary; add dictionary = [] for its defaults",
                    row.name
                ));
            }
            if row.pass_through && row.model_seeds > 1 {
                return Err(format!(
                    "row '{}': pass_through is the value of a dictionary over one seed of the model; leave model_seeds out",
                    row.name
                ));
            }
            if row.pass_through && !metric.metric.is_per_user() {
                return Err(format!(
                    "row '{}': pass_through is measured by metrics of single users, such as ndcg@20, but the metric of \
                     the table is {metric}",
                    row.name
                ));
            }
            for name in row.require.knobs.keys() {
                let known = || KNOBS_METRICS.iter().map(|m| m.name);
                if !known().any(|n| n == name) {
                    let e = limpid_core::Error::unknown("number of a dictionary", name, known());
                    return Err(format!("row '{}': {e}", row.name));
                }
            }
            if !(1..=100).contains(&row.model_seeds) {
                return Err(format!(
                    "row '{}': model_seeds is {}, must be a whole number from 1 to 100",
                    row.name, row.model_seeds
                ));
            }
            if row.tune && self.on == Subset::Validation {
                return Err(format!(
                    "row '{}': tune selects settings on the validation set, so the table must be measured \
                     on = \"test\"",
                    row.name
                ));
            }
        }
        if let Some(baseline) = &self.baseline
            && !names.contains_key(baseline)
        {
            return Err(format!("baseline '{baseline}' is not a row"));
        }
        Ok(())
    }

    /// The experiment of a row on a split. Without a folder of data sets it has no data, unless they are
    /// synthetic.
    ///
    /// # Errors
    /// Where the metric, the split, the model or a setting does not exist.
    pub fn experiment(&self, row: &Row, split: &str, folder: Option<&Path>) -> Result<Experiment> {
        let metadata = |folder: &Path| {
            let paths = self.metadata.iter().map(|name| folder.join(name));
            paths
                .map(|path| MetadataSource { path, column: None })
                .collect()
        };
        let source = |path: PathBuf| DataSource {
            path,
            filters: self.filters.clone(),
            read: ReadOptions {
                metadata: folder.map_or_else(Vec::new, metadata),
                ..ReadOptions::default()
            },
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
                regime: self.regime,
                resamples: 0,
                readability: self.explanations,
                faithfulness: self.explanations || self.measures(row, KnobsPart::Faithfulness),
                concepts: self.measures(row, KnobsPart::Concepts),
                verification: self.measures(row, KnobsPart::Verification),
                steering: self.measures(row, KnobsPart::Steering),
                labels: self.labels.clone(),
                ..MeasureOptions::default()
            }),
            ..Experiment::default()
        })
    }

    fn measures(&self, row: &Row, part: KnobsPart) -> bool {
        let usual = part != KnobsPart::Verification;
        let asked = self
            .knobs
            .as_ref()
            .map_or(usual, |parts| parts.contains(&part));
        row.dictionary.is_some() && asked
    }

    /// Whether models are shown validation events at test.
    pub(crate) fn shows_validation(&self) -> bool {
        let spec = self
            .splits()
            .first()
            .and_then(|s| s.parse::<SplitSpec>().ok());
        self.on == Subset::Test && spec.is_some_and(|s| s.shown() == Shown::TrainAndValidation)
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
        require = { difference = 0.01 }
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
            (
                "model = \"popularity\"",
                "model = \"popularity\"\npass_through = true",
                "row 'POP': pass_through is the value of a dictionary",
            ),
            (
                "metric = \"ndcg@20\"",
                "metric = \"ndcg@20\"\non = \"validation\"",
                "row 'EASE': tune selects",
            ),
        ] {
            let table = TABLE.replace("require =", "tune = true\n        require =");
            let recipe: Recipe = toml::from_str(&table.replace(from, to)).unwrap();
            let why = recipe.check().unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert!(toml::from_str::<Recipe>(&TABLE.replace("difference", "distance")).is_err());
    }

    #[test]
    fn what_pass_through_cannot_measure_is_refused() {
        let probed = "model = \"ease\"\ndictionary = []\npass_through = true";
        let table = TABLE.replace("model = \"ease\"", probed);
        assert!(Recipe::of_text(&table).is_ok());
        for (from, to, expected) in [
            (
                "pass_through = true",
                "pass_through = true\nmodel_seeds = 2",
                "leave model_seeds out",
            ),
            ("ndcg@20", "itemcoverage@20", "metrics of single users"),
        ] {
            let why = Recipe::of_text(&table.replace(from, to)).unwrap_err();
            assert!(
                why.contains("row 'EASE'") && why.contains(expected),
                "{why}"
            );
        }
    }

    #[test]
    fn older_keys_of_rows_are_read() {
        let row = "name = \"EASE\"\nmodel = \"ease\"\n";
        let of = |text: &str| toml::from_str::<Row>(&format!("{row}{text}")).unwrap();
        let new = of("where = \"Table 2\"\nrequire = { value = 0.3 }");
        assert_eq!(of("stands = \"Table 2\"\nasks = { value = 0.3 }"), new);
        assert_eq!(new.location.as_deref(), Some("Table 2"));
        assert_eq!(new.require.value, Some(0.3));
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
