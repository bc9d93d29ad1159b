//! Tunes settings on the validation set, and returns the Pareto frontier of accuracy and brevity.
//!
//! The grid is the product of the values that a model declares for its parameters. Of the trials whose
//! metric is within a tolerance of the best, the one with the fewest lines is selected, because validation is
//! too noisy to distinguish them. With a tolerance of 0 the best metric is selected, and explanations are not
//! measured. The test set is not used.
//!
//! ```
//! use limpid::core::NoProgress;
//! use limpid::models::Config;
//! use limpid::tune::{TuneOptions, tune};
//! use limpid::{Prepared, SplitFrom, TrainOptions};
//!
//! # fn main() -> limpid::Result<()> {
//! let world = limpid::data::synthetic::Config::default();
//! let prepared = Prepared::synthetic(&world, &SplitFrom::Spec("ratio:70/10/20@7".parse()?))?;
//! let how = TuneOptions { metric: "ndcg@20".parse()?, tolerance: 0.001, trials: 4 };
//! let model = Config::named("itemknn")?;
//! let (chosen, tuned) = tune(&prepared, &model, &[], &how, &TrainOptions::default(), &NoProgress)?;
//! println!("{:?}: {:.4}", tuned.trials[tuned.chosen].settings, tuned.trials[tuned.chosen].value);
//! assert_eq!(chosen.name(), "itemknn");
//! # Ok(()) }
//! ```

use limpid_core::Progress;
use limpid_eval::MetricAt;
use limpid_eval::explained::choose as sample;
use limpid_eval::spread::Spread;
use limpid_models::{Config, Entry};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use crate::{Error, MeasureOptions, Prepared, Result, Subset, TrainOptions, train};

/// Options of tuning.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneOptions {
    /// The metric on the validation set.
    pub metric: MetricAt,
    /// Trials within this of the best metric count as equally good.
    pub tolerance: f64,
    /// Largest number of trials, sampled at random from the grid; 0 for all.
    pub trials: usize,
}

/// One point of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Trial {
    /// The settings, as `key=value`.
    pub settings: Vec<String>,
    /// The metric on the validation set.
    pub value: f64,
    /// Lines for 80 % of the supporting evidence, where measured.
    pub lines: Option<Spread>,
    /// Seconds of the fit.
    pub fit_seconds: f64,
    /// Whether no other trial is at least as good in the metric and in lines, and better in one.
    pub on_frontier: bool,
}

/// All trials and the selected one.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Tuned {
    /// The metric.
    pub metric: String,
    /// Every trial, best metric first.
    pub trials: Vec<Trial>,
    /// Index of the selected trial.
    pub chosen: usize,
    /// Number of points of the grid.
    pub grid: usize,
}

/// Tries the grid of a model on the validation set and selects one point. Parameters in `fixed` keep the
/// value that they have in `config`.
///
/// # Errors
/// [`Error::Usage`] if the model declares no values to try or there is no validation set; as [`train`].
pub fn tune(
    prepared: &Prepared,
    config: &Config,
    fixed: &[String],
    how: &TuneOptions,
    training: &TrainOptions,
    progress: &dyn Progress,
) -> Result<(Config, Tuned)> {
    if prepared.split.validation.is_empty() {
        return Err(Error::Usage(
            "tuning requires a validation set, and this split has none; use a split with one, \
             such as --split ratio:70/10/20@7"
                .to_owned(),
        ));
    }
    let mut points = points(config, fixed)?;
    let whole = points.len();
    if how.trials > 0 && how.trials < whole {
        let mut rng = ChaCha8Rng::seed_from_u64(training.seed);
        sample(&mut points, how.trials, &mut rng);
    }
    let options = TrainOptions {
        checkpoint: None,
        ..training.clone()
    };
    let mut trials = Vec::with_capacity(points.len());
    for (at, settings) in points.into_iter().enumerate() {
        progress.note(&format!("trial {} {}", at + 1, settings.join(" ")));
        let advisor = train(
            prepared.clone(),
            &config.set(&settings)?,
            &options,
            progress,
        )?;
        let measured = advisor.evaluate(
            &MeasureOptions {
                metrics: vec![how.metric],
                on: Subset::Validation,
                resamples: 0,
                readability: how.tolerance > 0.0,
                ..MeasureOptions::default()
            },
            progress,
        )?;
        trials.push(Trial {
            settings,
            value: measured.report.mean(how.metric).unwrap_or(f64::NAN),
            lines: measured.readability.map(|r| r.lines),
            fit_seconds: advisor.manifest.fit_seconds,
            on_frontier: false,
        });
    }
    let sign = if how.metric.metric.is_error() {
        -1.0
    } else {
        1.0
    };
    trials.sort_by(|a, b| (sign * b.value).total_cmp(&(sign * a.value)));
    mark_frontier(&mut trials, sign);
    let chosen = choose(&trials, how.tolerance, sign);
    let settled = config.set(&trials[chosen].settings)?;
    let tuned = Tuned {
        metric: how.metric.to_string(),
        trials,
        chosen,
        grid: whole,
    };
    Ok((settled, tuned))
}

/// Every combination of the values that the model declares.
pub(crate) fn points(config: &Config, fixed: &[String]) -> Result<Vec<Vec<String>>> {
    let tuned: Vec<_> = Entry::named(config.name())?
        .parameters()
        .into_iter()
        .filter(|p| !p.tune.is_empty() && !fixed.iter().any(|f| p.is_named(f)))
        .collect();
    if tuned.is_empty() {
        return Err(Error::Usage(format!(
            "{} has no parameter left to tune; 'limpid models {}' lists its parameters",
            config.name(),
            config.name()
        )));
    }
    let mut points = vec![Vec::new()];
    for parameter in tuned {
        points = points
            .iter()
            .flat_map(|point: &Vec<String>| {
                parameter.tune.iter().map(move |value| {
                    let mut longer = point.clone();
                    longer.push(format!("{}={value}", parameter.name));
                    longer
                })
            })
            .collect();
    }
    Ok(points)
}

/// The cost of a trial: median lines, then their 90th percentile; without lines, seconds.
fn price(trial: &Trial) -> (f64, f64) {
    trial
        .lines
        .map_or((0.0, trial.fit_seconds), |l| (l.median, l.p90))
}

/// Marks what no trial beats; `sign` is −1 where smaller values are better.
fn mark_frontier(trials: &mut [Trial], sign: f64) {
    let points: Vec<(f64, (f64, f64))> =
        trials.iter().map(|t| (sign * t.value, price(t))).collect();
    for (at, trial) in trials.iter_mut().enumerate() {
        let (value, paid) = points[at];
        trial.on_frontier = !points
            .iter()
            .any(|&(v, p)| v >= value && p <= paid && (v > value || p < paid));
    }
}

/// The cheapest of the trials that are as good as the best one, which is the first.
fn choose(trials: &[Trial], tolerance: f64, sign: f64) -> usize {
    let enough = trials
        .first()
        .map_or(0.0, |best| sign * best.value - tolerance);
    let good = trials
        .iter()
        .enumerate()
        .filter(|(_, t)| sign * t.value >= enough);
    good.min_by(|(_, a), (_, b)| {
        let (a, b) = (price(a), price(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
    .map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitFrom;
    use limpid_core::NoProgress;
    use limpid_data::synthetic;

    fn trial(value: f64, lines: f64) -> Trial {
        Trial {
            settings: Vec::new(),
            value,
            lines: Some(Spread {
                median: lines,
                ..Spread::default()
            }),
            fit_seconds: 1.0,
            on_frontier: false,
        }
    }

    #[test]
    fn the_shortest_of_the_good_ones() {
        let points = [(0.372, 9.0), (0.3715, 7.0), (0.37, 8.0), (0.36, 5.0)];
        let mut trials = points.map(|(value, lines)| trial(value, lines));
        mark_frontier(&mut trials, 1.0);
        let frontier = trials.each_ref().map(|t| t.on_frontier);
        assert_eq!(frontier, [true, true, false, true]);
        assert_eq!(choose(&trials, 0.001, 1.0), 1);
        assert_eq!(choose(&trials, 0.0, 1.0), 0);
        // Of errors the smallest is the best.
        let errors = [(0.36, 9.0), (0.3605, 5.0), (0.37, 3.0)];
        let errors = errors.map(|(value, lines)| trial(value, lines));
        assert_eq!(choose(&errors, 0.001, -1.0), 1);
        assert_eq!(choose(&errors, 0.0, -1.0), 0);
    }

    #[test]
    fn a_grid_is_tried_and_what_is_named_stays() {
        let split = SplitFrom::Spec("ratio:70/10/20@1".parse().unwrap());
        let prepared = Prepared::synthetic(&synthetic::Config::default(), &split).unwrap();
        let how = TuneOptions {
            metric: "ndcg@20".parse().unwrap(),
            tolerance: 0.001,
            trials: 3,
        };
        let config = Config::named("itemknn").unwrap();
        let config = config.set(&["shrink=7"]).unwrap();
        let run = |fixed: &[String]| {
            let training = TrainOptions::default();
            tune(&prepared, &config, fixed, &how, &training, &NoProgress)
        };
        let (chosen, tuned) = run(&["shrink".to_owned()]).unwrap();
        assert_eq!(chosen.to_value().unwrap()["shrink"], 7.0);
        assert_eq!((tuned.grid, tuned.trials.len()), (4, 3));
        assert!(tuned.trials.is_sorted_by(|a, b| a.value >= b.value));
        let all = ["k", "shrink"].map(str::to_owned);
        let why = run(&all).unwrap_err().to_string();
        assert!(why.contains("limpid models"), "{why}");
    }
}
