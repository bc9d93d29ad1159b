//! Running the rows of a recipe, each once: results are kept by the hash of their inputs.

use std::fs;
use std::path::{Path, PathBuf};

use limpid_core::Progress;
use limpid_eval::MetricAt;
use limpid_eval::faithfulness::Faithfulness;
use limpid_eval::readability::Readability;
use serde::{Deserialize, Serialize};

use super::{Outcome, Recipe, Row, report};
use crate::rules::RuleSummary;
use crate::{DataSource, Error, MeasureOptions, Prepared, Result, SplitFrom, TrainOptions, train};

/// How a recipe is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The folder with the data sets.
    pub data: Option<PathBuf>,
    /// Where finished runs are kept.
    pub cache: Option<PathBuf>,
    /// What tells this program from another: results of other programs are not taken for its own.
    pub program: String,
    /// At most so many seeds of each table.
    pub seeds: Option<usize>,
    /// The first seed only: to see that a table runs.
    pub quick: bool,
}

/// One row on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitResult {
    /// The split, with its seed.
    pub split: String,
    /// blake3 of its parts.
    pub split_hash: String,
    /// The metric on the test part.
    pub value: f64,
    /// Seconds of the fit.
    pub fit_seconds: f64,
    /// How short the explanations are, if that was asked for and the model explains itself.
    pub readability: Option<Readability>,
    /// How faithful they are.
    pub faithfulness: Option<Faithfulness>,
    /// What its rules are, if it has any.
    pub rules: Option<RuleSummary>,
}

/// Runs every row on every split. Finished ones are read from the cache.
///
/// # Errors
/// Where data are missing (with what to do), or a row cannot be fitted.
pub fn run(recipe: &Recipe, options: &RunOptions, progress: &dyn Progress) -> Result<Outcome> {
    let mut splits = recipe.splits();
    let most = match options.quick {
        true => Some(1),
        false => options.seeds,
    };
    splits.truncate(most.unwrap_or(usize::MAX).max(1));
    let metric: MetricAt = recipe.metric.parse()?;
    let mut results: Vec<Vec<SplitResult>> = vec![Vec::new(); recipe.rows.len()];
    for split in &splits {
        let prepared = prepare(recipe, split, options)?;
        for (row, results) in recipe.rows.iter().zip(&mut results) {
            let kept = kept_at(recipe, row, &prepared, options)?;
            if let Some(result) = kept.as_deref().and_then(read_kept) {
                results.push(result);
                continue;
            }
            progress.note(&format!("{} on {split}", row.name));
            let result = measure(recipe, row, &prepared, metric, progress)?;
            if let Some(path) = &kept {
                keep(path, &result)?;
            }
            results.push(result);
        }
    }
    Ok(report::outcome(recipe, results))
}

fn measure(
    recipe: &Recipe,
    row: &Row,
    prepared: &Prepared,
    metric: MetricAt,
    progress: &dyn Progress,
) -> Result<SplitResult> {
    let options = TrainOptions::seeded(row.seed);
    let advisor = train(prepared.clone(), &row.config()?, &options, progress)?;
    let explains = recipe.explanations;
    let measured = advisor.evaluate(
        &MeasureOptions {
            metrics: vec![metric],
            on: recipe.on,
            mask_validation: recipe.mask_validation,
            resamples: 0,
            readability: explains,
            faithfulness: explains,
            ..MeasureOptions::default()
        },
        progress,
    )?;
    Ok(SplitResult {
        split: advisor.manifest.split.spec.clone(),
        split_hash: advisor.manifest.split.hash.clone(),
        value: measured.report.mean(metric).unwrap_or(f64::NAN),
        fit_seconds: advisor.manifest.run.fit_seconds,
        readability: measured.readability,
        faithfulness: measured.faithfulness,
        rules: match recipe.explanations {
            true => advisor.rule_summary(),
            false => None,
        },
    })
}

fn prepare(recipe: &Recipe, split: &str, options: &RunOptions) -> Result<Prepared> {
    let path = match (&recipe.data, &options.data) {
        (name, _) if name.starts_with("synthetic") => PathBuf::from(name),
        (name, Some(folder)) => folder.join(name),
        (name, None) => {
            return Err(Error::Usage(format!(
                "'{}' needs the data set {name}: name the folder that holds it with --data, or in \
                 LIMPID_DATA; 'limpid data fetch' downloads public sets",
                recipe.title
            )));
        }
    };
    let source = DataSource {
        path,
        filters: recipe.filters.clone(),
        ..DataSource::default()
    };
    Prepared::read(&source, &SplitFrom::Spec(split.parse()?))
}

/// Where the result of a row on a split is kept: named by a hash of everything it depends on.
fn kept_at(
    recipe: &Recipe,
    row: &Row,
    prepared: &Prepared,
    options: &RunOptions,
) -> Result<Option<PathBuf>> {
    let Some(cache) = &options.cache else {
        return Ok(None);
    };
    let inputs = serde_json::json!({
        "program": options.program,
        "split": prepared.split.hash,
        "metric": recipe.metric,
        "on": recipe.on,
        "mask_validation": recipe.mask_validation,
        "explanations": recipe.explanations,
        "model": row.model,
        "settings": row.config()?.to_value()?,
        "seed": row.seed,
    });
    let hash = blake3::hash(inputs.to_string().as_bytes()).to_hex();
    Ok(Some(cache.join(format!("{}.json", &hash[..32]))))
}

/// A kept result; one that cannot be read is made again.
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
