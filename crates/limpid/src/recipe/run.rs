//! Running the rows of a recipe, each once: results are saved by the hash of their inputs.

use std::fs;
use std::path::{Path, PathBuf};

use limpid_core::Progress;
use limpid_eval::Report;
use limpid_eval::faithfulness::Faithfulness;
use limpid_eval::readability::Readability;
use limpid_models::registry::Reads;
use serde::{Deserialize, Serialize};

use super::{Outcome, Recipe, Row, report};
use crate::answers::RecipePlan;
use crate::measure_knobs::KnobsRow;
use crate::pipeline::{Checked, OnChange};
use crate::probe::{LabelOptions, ProbeOptions};
use crate::rules::RuleSummary;
use crate::tune::TuneOptions;
use crate::{Advisor, Error, Experiment, MeasureOptions, Prepared, Result, TrainOptions, train};

/// Options of a run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The folder with the data sets.
    pub data: Option<PathBuf>,
    /// Where finished runs are saved.
    pub cache: Option<PathBuf>,
    /// Identifies this build: results of other builds are not reused.
    pub program: String,
    /// Largest number of seeds per table.
    pub seeds: Option<usize>,
    /// Only the first seed, to check that a table runs.
    pub quick: bool,
}

/// One row on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SplitResult {
    /// The split, with its seed.
    pub split: String,
    /// BLAKE3 hash of the split.
    pub split_hash: String,
    /// The metric on the held-out set; a mean where the row has several seeds of the model.
    pub value: f64,
    /// The settings selected on the validation set, as `key=value`; none for a row that is not tuned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuned: Vec<String>,
    /// Seconds of the fit, without tuning.
    pub fit_seconds: f64,
    /// Readability of explanations, where measured.
    pub readability: Option<Readability>,
    /// Faithfulness of explanations, where measured.
    pub faithfulness: Option<Faithfulness>,
    /// Summary of its rules, if it has any.
    pub rules: Option<RuleSummary>,
    /// Its dictionary, if the row has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knobs: Option<KnobsRow>,
}

/// Checks every row on every split before any data are read, and returns the plan.
///
/// # Errors
/// As [`Experiment::check`], with the row; [`Error::Usage`] where the folder of data sets is not named.
pub fn check(name: &str, recipe: &Recipe, options: &RunOptions) -> Result<RecipePlan> {
    let table = checked(recipe, options)?;
    let first = table.first().and_then(|(_, rows)| rows.first());
    let mut runs = 0;
    for (_, rows) in &table {
        for (row, checked) in recipe.rows.iter().zip(rows) {
            runs += match row.tune {
                true => checked.check_tuning(&named(row), &tuning(recipe)?)?,
                false => 1,
            };
        }
    }
    Ok(RecipePlan {
        recipe: name.to_owned(),
        title: recipe.title.clone(),
        data: first
            .and_then(|c| c.experiment.data.as_ref())
            .map_or_else(String::new, |d| d.path.display().to_string()),
        data_bytes: first.map_or(0, |c| c.data_bytes),
        splits: table.iter().map(|(split, _)| split.clone()).collect(),
        rows: recipe.rows.iter().map(|row| row.name.clone()).collect(),
        runs,
    })
}

/// The experiments of a table: for each split, one per row.
fn checked(recipe: &Recipe, options: &RunOptions) -> Result<Vec<(String, Vec<Checked>)>> {
    if options.data.is_none() && !recipe.data.starts_with("synthetic") {
        return Err(Error::Usage(format!(
            "'{}' needs the data set {}: name the folder that holds it with --data or LIMPID_DATA; \
             download public sets with 'limpid data fetch'",
            recipe.title, recipe.data
        )));
    }
    let mut splits = recipe.splits();
    let most = match options.quick {
        true => Some(1),
        false => options.seeds,
    };
    splits.truncate(most.unwrap_or(usize::MAX).max(1));
    let folder = options.data.as_deref();
    splits
        .into_iter()
        .map(|split| {
            let rows = recipe
                .rows
                .iter()
                .map(|row| {
                    let checked = recipe.experiment(row, &split, folder)?.check()?;
                    if row.tune {
                        checked.check_tuning(&named(row), &tuning(recipe)?)?;
                    }
                    Ok(checked)
                })
                .collect::<Result<_>>()?;
            Ok((split, rows))
        })
        .collect()
}

/// Runs every row on every split. Finished runs are read from the cache.
///
/// # Errors
/// As [`check`], before any row is run; where a row cannot be fitted.
pub fn run(recipe: &Recipe, options: &RunOptions, progress: &dyn Progress) -> Result<Outcome> {
    let mut results: Vec<Vec<SplitResult>> = vec![Vec::new(); recipe.rows.len()];
    for (split, rows) in checked(recipe, options)? {
        // Rows that name the same data, of which their models read the same fields, share them.
        let mut read: Vec<(&Checked, Prepared)> = Vec::new();
        let mut last = None;
        for ((row, checked), results) in recipe.rows.iter().zip(&rows).zip(&mut results) {
            let same = |(other, _): &(&Checked, Prepared)| shares_data(other, checked);
            let at = match read.iter().position(same) {
                Some(at) => at,
                None => {
                    read.push((checked, checked.read(OnChange::Refuse)?));
                    read.len() - 1
                }
            };
            let prepared = &read[at].1;
            let kept = kept_at(row, checked, prepared, options)?;
            if let Some(result) = kept.as_deref().and_then(read_kept) {
                results.push(result);
                continue;
            }
            progress.note(&format!("{} on {split}", row.name));
            let result = match row.tune {
                false => measure(recipe, row, checked, prepared, &mut last, progress)?,
                true => {
                    let how = tuning(recipe)?;
                    let (best, tuned) =
                        checked
                            .clone()
                            .tune(prepared, &named(row), &how, progress)?;
                    SplitResult {
                        tuned: tuned.trials[tuned.chosen].settings.clone(),
                        ..measure(recipe, row, &best, prepared, &mut last, progress)?
                    }
                }
            };
            if let Some(path) = &kept {
                keep(path, &result)?;
            }
            results.push(result);
        }
    }
    Ok(report::outcome(recipe, results))
}

/// Whether two rows read the same. Values are kept or not by the filters, which are part of the data, and attributes
/// are read with the items.
fn shares_data(one: &Checked, other: &Checked) -> bool {
    let reads = |row: &Checked| {
        let Reads {
            order,
            behaviors,
            texts,
            values: _,
            attributes: _,
        } = row.config.entry().reads;
        (order, behaviors, texts)
    };
    reads(one) == reads(other) && one.experiment.data == other.experiment.data
}

/// How the rows of a table are tuned: for its metric, over the whole grid, without preference for short
/// explanations.
fn tuning(recipe: &Recipe) -> Result<TuneOptions> {
    Ok(TuneOptions {
        metric: recipe.metric.parse()?,
        tolerance: 0.0,
        trials: 0,
    })
}

/// The settings that a row names, which are not tuned.
fn named(row: &Row) -> Vec<String> {
    row.settings.keys().cloned().collect()
}

/// The last fit of a split. The next row has it too if it differs by its dictionary only.
struct LastFit {
    /// The experiment, without what it measures.
    experiment: Experiment,
    advisor: Advisor,
}

impl LastFit {
    /// The fit of a row: the last one again, or a new one in its place.
    fn of<'l>(
        last: &'l mut Option<Self>,
        checked: &Checked,
        prepared: &Prepared,
        progress: &dyn Progress,
    ) -> Result<&'l Self> {
        let experiment = Experiment {
            measure: None,
            ..checked.experiment.clone()
        };
        let options = TrainOptions::of(&experiment);
        let fit = match last.take().filter(|fit| fit.experiment == experiment) {
            Some(fit) => fit,
            None => Self {
                experiment,
                advisor: train(prepared.clone(), &checked.config, &options, progress)?,
            },
        };
        Ok(last.insert(fit))
    }

    /// A base for a dictionary.
    fn copy(&self) -> Advisor {
        let Advisor {
            manifest,
            model,
            catalogue,
            split,
            ..
        } = &self.advisor;
        let (manifest, model) = (manifest.clone(), model.clone());
        Advisor::new(manifest, model, catalogue.clone(), split.clone())
    }
}

fn measure(
    recipe: &Recipe,
    row: &Row,
    checked: &Checked,
    prepared: &Prepared,
    last: &mut Option<LastFit>,
    progress: &dyn Progress,
) -> Result<SplitResult> {
    let options = TrainOptions::of(&checked.experiment);
    let mut others = Vec::new();
    for more in 1..row.model_seeds {
        let options = TrainOptions {
            seed: options.seed + more,
            ..options.clone()
        };
        let advisor = train(prepared.clone(), &checked.config, &options, progress)?;
        let measure = MeasureOptions {
            metrics: vec![recipe.metric.parse()?],
            readability: false,
            faithfulness: false,
            // Only the first has a dictionary.
            concepts: false,
            verification: false,
            steering: false,
            ..checked.experiment.measure.clone().unwrap_or_default()
        };
        others.push(first_metric(&advisor.evaluate(&measure, progress)?.report));
    }
    let fit = LastFit::of(last, checked, prepared, progress)?;
    let mut probed = None;
    if let Some(settings) = &row.dictionary {
        let options = ProbeOptions {
            settings: settings.clone(),
            seed: row.seed,
            labels: LabelOptions {
                columns: recipe.labels.clone(),
                ..LabelOptions::default()
            },
        };
        probed = Some(fit.copy().probe(&options, progress)?.0);
    }
    let advisor = probed.as_ref().unwrap_or(&fit.advisor);
    let options = checked.experiment.measure.clone().unwrap_or_default();
    let measured = advisor.evaluate(&options, progress)?;
    let passed = measured.knobs.as_ref().filter(|_| row.pass_through);
    let passed = passed.and_then(|k| {
        k.passing
            .kept
            .iter()
            .find(|m| Some(&m.metric) == options.metrics.first())
    });
    let value = passed.map_or_else(|| first_metric(&measured.report), |kept| kept.passed);
    Ok(SplitResult {
        split: advisor.manifest.split.spec.clone(),
        split_hash: advisor.manifest.split.hash.clone(),
        value: (value + others.iter().sum::<f64>()) / (1 + others.len()) as f64,
        tuned: Vec::new(),
        fit_seconds: advisor.manifest.fit_seconds,
        readability: measured.readability,
        faithfulness: measured.faithfulness,
        rules: match options.readability {
            true => advisor.rule_summary(),
            false => None,
        },
        knobs: match measured.knobs {
            Some(knobs) => Some(advisor.knobs_row(knobs)?),
            None => None,
        },
    })
}

fn first_metric(report: &Report) -> f64 {
    report.metrics.first().map_or(f64::NAN, |m| m.value)
}

/// The file of a result, named by a hash of everything that the result depends on. The hash of the split
/// covers the data.
fn kept_at(
    row: &Row,
    checked: &Checked,
    prepared: &Prepared,
    options: &RunOptions,
) -> Result<Option<PathBuf>> {
    let Some(cache) = &options.cache else {
        return Ok(None);
    };
    let mut inputs = serde_json::json!({
        "program": options.program,
        "split": prepared.split.hash,
        "experiment": Experiment { data: None, ..checked.experiment.clone() },
    });
    if let Some(settings) = &row.dictionary {
        inputs["dictionary"] = settings.clone().into();
        inputs["pass through"] = row.pass_through.into();
    }
    if row.model_seeds > 1 {
        inputs["model seeds"] = row.model_seeds.into();
    }
    if row.tune {
        inputs["tuned except"] = named(row).into();
    }
    let hash = blake3::hash(inputs.to_string().as_bytes()).to_hex();
    Ok(Some(cache.join(format!("{}.json", &hash[..32]))))
}

/// A saved result; one that cannot be read is computed again.
fn read_kept(path: &Path) -> Option<SplitResult> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn keep(path: &Path, result: &SplitResult) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| Error::io("cannot create", folder, e))?;
    }
    let json =
        serde_json::to_vec_pretty(result).map_err(|e| Error::artifact(path, e.to_string()))?;
    let temporary = path.with_extension("part");
    fs::write(&temporary, json).map_err(|e| Error::io("cannot write", &temporary, e))?;
    fs::rename(&temporary, path).map_err(|e| Error::io("cannot write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::markdown;
    use limpid_core::NoProgress;

    /// The value of a row with several seeds of the model is the mean of theirs, and differences over splits
    /// are tested, corrected for the number of rows.
    #[test]
    fn seeds_of_a_model_are_averaged_and_differences_are_tested() {
        let row = |name: &str, seeds: &str| {
            format!(
                "[[row]]\nname = \"{name}\"\nmodel = \"bcemf\"\nsettings = {{ epochs = 1 }}\n{seeds}\n"
            )
        };
        let table = format!(
            r#"
            title = "A table"
            source = "nobody"
            data = "synthetic"
            split = "ratio:70/10/20"
            seeds = [1, 2, 3]
            metric = "ndcg@20"
            baseline = "third"
            {}{}{}{}"#,
            row("both", "seed = 4\nmodel_seeds = 2"),
            row("first", "seed = 4"),
            row("second", "seed = 5"),
            row("third", "seed = 6"),
        );
        let recipe: Recipe = toml::from_str(&table).unwrap();
        recipe.check().unwrap();
        let outcome = run(&recipe, &RunOptions::default(), &NoProgress).unwrap();
        let value = |row: usize, split: usize| outcome.rows[row].results[split].value;
        for split in 0..3 {
            assert_ne!(value(1, split), value(2, split));
            let mean = (value(1, split) + value(2, split)) / 2.0;
            assert!((value(0, split) - mean).abs() < 1e-12);
        }
        let p: Vec<Option<f64>> = outcome.rows.iter().map(|r| r.p_holm).collect();
        assert_eq!(p[3], None);
        assert!(
            p[..3]
                .iter()
                .all(|p| p.is_some_and(|p| (0.0..=1.0).contains(&p)))
        );
        assert!(markdown(&[("t".to_owned(), outcome)]).contains("| p (Holm) |"));
        let none = table.replace("model_seeds = 2", "model_seeds = 0");
        let none: Recipe = toml::from_str(&none).unwrap();
        assert!(none.check().unwrap_err().contains("model_seeds"));
    }

    /// A tuned row has the best settings of its grid on validation; a named setting stays, and a
    /// second run reads the first.
    #[test]
    fn rows_are_tuned_on_validation_per_split() {
        let table = r#"
            title = "A table"
            source = "nobody"
            data = "synthetic"
            split = "ratio:70/10/20"
            seeds = [1]
            metric = "ndcg@20"
            [[row]]
            name = "tuned"
            model = "itemknn"
            settings = { k = 50 }
            tune = true
            [[row]]
            name = "fixed"
            model = "itemknn"
            settings = { k = 50 }
        "#;
        let recipe: Recipe = toml::from_str(table).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = RunOptions {
            cache: Some(folder.path().to_owned()),
            ..RunOptions::default()
        };
        let shrinks = limpid_models::Entry::named("itemknn").unwrap().parameters()[1].tune;
        let runs = check("table", &recipe, &options).unwrap().runs;
        assert_eq!(runs, 1 + shrinks.len() + 1);
        let outcome = run(&recipe, &options, &NoProgress).unwrap();
        assert_eq!(run(&recipe, &options, &NoProgress).unwrap(), outcome);
        let selected = &outcome.rows[0].results[0].tuned;
        assert!(outcome.rows[1].results[0].tuned.is_empty());
        let report = markdown(&[("table".to_owned(), outcome.clone())]);
        assert!(report.contains(&format!("tuned: tuned per split: {}", selected[0])));

        // The same by hand: validation selects, test is measured.
        let by_hand = |on: &str, setting: &str| {
            let settings = format!("settings = {{ k = 50, {} }}", setting.replace('=', " = "));
            let metric = format!("metric = \"ndcg@20\"\non = \"{on}\"");
            let table = table
                .replace("tune = true", "")
                .replace("settings = { k = 50 }", &settings)
                .replace("metric = \"ndcg@20\"", &metric);
            let recipe: Recipe = toml::from_str(&table).unwrap();
            let outcome = run(&recipe, &RunOptions::default(), &NoProgress).unwrap();
            outcome.rows[0].results[0].value
        };
        let settings: Vec<String> = shrinks.iter().map(|s| format!("shrink={s}")).collect();
        let values = settings.iter().map(|s| by_hand("validation", s));
        let values: Vec<f64> = values.collect();
        let best = (0..values.len()).fold(0, |b, i| if values[i] > values[b] { i } else { b });
        assert_eq!(selected, &[settings[best].clone()]);
        assert_eq!(
            by_hand("test", &settings[best]),
            outcome.rows[0].results[0].value
        );
    }

    /// Rows that differ by their dictionary share the fit, which a row without one, before or after, has too.
    #[test]
    fn rows_with_one_base_fit_it_once() {
        let row = |name: &str, more: &str| {
            format!("[[row]]\nname = \"{name}\"\nmodel = \"eigen\"\n{more}\n")
        };
        let table = format!(
            r#"
            title = "A table"
            source = "nobody"
            data = "synthetic"
            split = "ratio:70/10/20"
            seeds = [1, 2]
            metric = "ndcg@20"
            {}{}{}{}"#,
            row("base", "settings = { embedding_size = 8 }"),
            row(
                "probed",
                "settings = { embedding_size = 8 }\ndictionary = [\"method=topk\", \"epochs=1\", \"fresh=0\"]"
            ),
            row("again", "settings = { embedding_size = 8 }"),
            row("another", "settings = { embedding_size = 9 }"),
        );
        let recipe: Recipe = toml::from_str(&table).unwrap();
        let outcome = run(&recipe, &RunOptions::default(), &NoProgress).unwrap();
        let of = |row: usize, split: usize| &outcome.rows[row].results[split];
        for split in 0..2 {
            // A duration of a fit tells it from any other fit.
            assert_eq!(of(0, split).fit_seconds, of(1, split).fit_seconds);
            assert_eq!(of(0, split).fit_seconds, of(2, split).fit_seconds);
            assert_ne!(of(0, split).fit_seconds, of(3, split).fit_seconds);
            assert!(of(0, split).knobs.is_none() && of(2, split).knobs.is_none());
            assert_eq!(of(0, split).value, of(2, split).value);
        }
        assert_ne!(of(0, 0).fit_seconds, of(0, 1).fit_seconds);
    }

    #[test]
    fn a_tuned_row_needs_a_validation_set() {
        let table = r#"
            title = "A table"
            source = "nobody"
            data = "synthetic"
            split = "ratio:80/0/20@1"
            metric = "ndcg@20"
            [[row]]
            name = "EASE"
            model = "ease"
            tune = true
        "#;
        let recipe: Recipe = toml::from_str(table).unwrap();
        let why = check("table", &recipe, &RunOptions::default()).unwrap_err();
        assert!(
            why.is_usage() && why.to_string().contains("validation set"),
            "{why}"
        );
    }
}
