//! Metrics of predicted ratings, with intervals over users.
//!
//! A user with many ratings counts with all of them, as papers on rating prediction do; the bootstrap draws users, because the
//! ratings of one user are not independent of each other.

use limpid_core::quantile::interpolated;
use limpid_core::{Candidates, Histories, Recommender, Scale};
use rayon::prelude::*;
use serde::Serialize;

use crate::bootstrap::{Bootstrap, Interval, below, stream};

/// One rating with its predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Rated {
    /// A number for the user: ratings with the same number are drawn together.
    pub user: u32,
    /// The rating.
    pub truth: f64,
    /// The prediction of each model.
    pub predicted: Vec<f64>,
}

/// A value with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its interval; null without resamples.
    pub interval: Option<Interval>,
}

/// The metrics of one model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RatingMetrics {
    /// Root mean squared error.
    pub rmse: Estimate,
    /// Mean absolute error.
    pub mae: Estimate,
    /// The probability that a rating at or above the threshold is predicted higher than one below it, ties
    /// counting one half; null where all are on one side.
    pub auc: Option<Estimate>,
    /// `rmse` minus that of the baseline, paired by user; null for the baseline itself.
    pub difference: Option<Estimate>,
}

/// Ratings of this value or more are positive, where no other threshold is given.
pub const POSITIVE: f64 = 4.0;

/// The held-out ratings of `target` with the predictions of a model that is shown `input`; rows are users. `None` if the model
/// does not predict ratings, or the events have none.
///
/// Predictions are moved into the range of the ratings in `input`.
#[must_use]
pub fn predicted(
    model: &dyn Recommender,
    input: &Histories,
    target: &Histories,
) -> Option<Vec<Rated>> {
    let (shown, _) = (input.values()?, target.values()?);
    if model.scale() != Scale::Values {
        return None;
    }
    let lists: Vec<Vec<_>> = target.rows().map(|row| row.items.to_vec()).collect();
    let candidates = Candidates::new(&lists, input.n_items()).ok()?;
    let scores = model.score_items(input, &candidates);
    let low = shown.iter().copied().fold(f32::INFINITY, f32::min);
    let high = shown.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let events = target.rows().enumerate().flat_map(|(row, history)| {
        let events = history.events();
        events.map(move |event| (row as u32, event.value))
    });
    let rated = events.zip(scores).map(|((user, truth), score)| Rated {
        user,
        truth: f64::from(truth),
        predicted: vec![f64::from(score.max(low).min(high))],
    });
    Some(rated.collect())
}

/// The root mean squared error of the first prediction.
#[must_use]
pub fn rmse(ratings: &[Rated]) -> f64 {
    let errors = ratings.iter().map(|r| (r.predicted[0] - r.truth).powi(2));
    (errors.sum::<f64>() / ratings.len().max(1) as f64).sqrt()
}

/// Sums of one user for one model: squared errors, absolute errors, number.
type Sums = [f64; 3];

/// The metrics of every model; ratings of `threshold` or more are positive for `auc`, and `baseline` is the
/// index of the model that the others are compared with.
#[must_use]
pub fn rating_metrics(
    ratings: &[Rated],
    threshold: f64,
    baseline: usize,
    how: &Bootstrap,
) -> Vec<RatingMetrics> {
    let n_models = ratings.first().map_or(0, |r| r.predicted.len());
    let mut order: Vec<&Rated> = ratings.iter().collect();
    order.sort_by_key(|r| r.user);
    let users: Vec<&[&Rated]> = order.chunk_by(|a, b| a.user == b.user).collect();
    // (users, models)
    let sums: Vec<Vec<Sums>> = users
        .iter()
        .map(|own| {
            let of = |model: usize| {
                own.iter().fold([0.0; 3], |[square, size, n], r| {
                    let error = r.predicted[model] - r.truth;
                    [square + error * error, size + error.abs(), n + 1.0]
                })
            };
            (0..n_models).map(of).collect()
        })
        .collect();
    let once: Vec<u32> = vec![1; users.len()];
    let draws: Vec<Vec<u32>> = (0..how.resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let mut rng = stream(how.seed, resample);
            let mut times = vec![0; users.len()];
            (0..users.len()).for_each(|_| times[below(&mut rng, users.len())] += 1);
            times
        })
        .collect();
    let estimate = |of: &(dyn Fn(&[u32]) -> Option<f64> + Sync)| -> Option<Estimate> {
        let value = of(&once)?;
        let mut all: Vec<f64> = draws.par_iter().filter_map(|times| of(times)).collect();
        all.sort_by(f64::total_cmp);
        let tail = (1.0 - how.level) / 2.0;
        let interval = (!all.is_empty()).then(|| Interval {
            low: interpolated(&all, tail),
            high: interpolated(&all, 1.0 - tail),
        });
        Some(Estimate { value, interval })
    };
    let total = |times: &[u32], model: usize| -> Sums {
        let mut all = [0.0; 3];
        for (own, &times) in sums.iter().zip(times) {
            for (sum, one) in all.iter_mut().zip(own[model]) {
                *sum += one * f64::from(times);
            }
        }
        all
    };
    let rmse = |times: &[u32], model: usize| {
        let [square, _, n] = total(times, model);
        (n > 0.0).then(|| (square / n).sqrt())
    };
    (0..n_models)
        .filter_map(|model| {
            // Pairs of positives and negatives need an order of all ratings, made once per model.
            let ranked = Ranked::new(&users, model, threshold);
            let difference = (model != baseline)
                .then(|| estimate(&|t| Some(rmse(t, model)? - rmse(t, baseline)?)))
                .flatten();
            Some(RatingMetrics {
                rmse: estimate(&|times| rmse(times, model))?,
                mae: estimate(&|times| {
                    let [_, size, n] = total(times, model);
                    (n > 0.0).then(|| size / n)
                })?,
                auc: estimate(&|times| ranked.auc(times)),
                difference,
            })
        })
        .collect()
}

/// The ratings of a model by ascending prediction, in groups of ties: the user and whether it is positive.
struct Ranked {
    groups: Vec<Vec<(u32, bool)>>,
}

impl Ranked {
    fn new(users: &[&[&Rated]], model: usize, threshold: f64) -> Self {
        let mut all: Vec<(f64, u32, bool)> = Vec::new();
        for (user, own) in users.iter().enumerate() {
            let one = |r: &&Rated| (r.predicted[model], user as u32, r.truth >= threshold);
            all.extend(own.iter().map(one));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let groups = all.chunk_by(|a, b| a.0 == b.0);
        Self {
            groups: groups
                .map(|tied| {
                    tied.iter()
                        .map(|&(_, user, positive)| (user, positive))
                        .collect()
                })
                .collect(),
        }
    }

    /// The Mann–Whitney statistic, each user counted as often as they were drawn.
    fn auc(&self, times: &[u32]) -> Option<f64> {
        let (mut below, mut positives, mut won) = (0.0, 0.0, 0.0);
        for group in &self.groups {
            let (mut up, mut down) = (0.0, 0.0);
            for &(user, positive) in group {
                let n = f64::from(times[user as usize]);
                *(if positive { &mut up } else { &mut down }) += n;
            }
            won += up * (below + 0.5 * down);
            below += down;
            positives += up;
        }
        (positives > 0.0 && below > 0.0).then(|| won / (positives * below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_models_by_hand() {
        let rated = |user, truth, a, b| Rated {
            user,
            truth,
            predicted: vec![a, b],
        };
        let all = [
            rated(0, 5.0, 4.0, 5.0),
            rated(0, 1.0, 2.0, 1.0),
            rated(1, 4.0, 2.0, 3.0),
        ];
        let how = Bootstrap {
            resamples: 200,
            ..Bootstrap::default()
        };
        let found = rating_metrics(&all, 4.0, 0, &how);
        // Errors of the first: 1, 1, 2; of the second: 0, 0, 1.
        assert!((found[0].rmse.value - 2f64.sqrt()).abs() < 1e-12);
        assert!((found[0].mae.value - 4.0 / 3.0).abs() < 1e-12);
        // Positives 4.0 and 2.0 against the negative 2.0: one won, one tied.
        assert_eq!(found[0].auc.unwrap().value, 0.75);
        assert_eq!(found[1].auc.unwrap().value, 1.0);
        assert!(found[0].difference.is_none());
        let less = found[1].difference.unwrap();
        assert!((less.value - ((1.0f64 / 3.0).sqrt() - 2f64.sqrt())).abs() < 1e-12);
        let interval = less.interval.unwrap();
        // Each user alone: −1 for both, so every resample is between the pooled values.
        assert!(interval.low <= less.value && less.value <= interval.high && interval.high < -0.8);
        let same = rating_metrics(&all, 9.0, 0, &how);
        assert!(same[0].auc.is_none());
        assert!(rating_metrics(&[], 4.0, 0, &how).is_empty());
    }
}
