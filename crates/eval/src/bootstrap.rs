//! Bootstrap intervals over users.
//!
//! Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: users are resampled with
//! replacement, the mean is computed for each resample, and the interval holds the middle `level` of the
//! means (percentile interval). It covers the choice of users, not of the split or of the model's seed.

use limpid_core::quantile::interpolated;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Settings of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bootstrap {
    /// Number of bootstrap resamples over users; 0 for no intervals. Defaults to 1000.
    pub resamples: usize,
    /// Seed of the resamples, and of the hash that breaks ties in the lists of list metrics. Defaults to 0.
    pub seed: u64,
    /// Confidence level, in (0, 1). Defaults to 0.95.
    pub level: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 1000,
            seed: 0,
            level: 0.95,
        }
    }
}

impl Bootstrap {
    /// The most resamples: the ends of an interval of 95 % do not change visibly beyond.
    pub const MOST: usize = 100_000;

    /// Checks the number of resamples and the level.
    ///
    /// # Errors
    /// [`limpid_core::Error::Range`].
    pub(crate) fn check(&self) -> limpid_core::Result<()> {
        limpid_core::traits::require(
            self.resamples <= Self::MOST,
            "the number of resamples",
            &format!("at most {}", Self::MOST),
            self.resamples,
        )?;
        limpid_core::traits::require(
            self.level > 0.0 && self.level < 1.0,
            "the confidence level",
            "above 0 and below 1, such as 0.95",
            self.level,
        )
    }
}

/// From `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A stream of random numbers for each resample, so that the numbers do not depend on the threads.
pub(crate) fn stream(seed: u64, at: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(at);
    rng
}

/// A number in `0..n`, from 32 bits: one resample takes as many as there are users. Its bias is below
/// n / 2³².
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}

/// The interval of each of `columns` means; `values` is `(users, columns)` in row-major order.
/// `None` without users or resamples.
pub(crate) fn intervals(values: &[f64], columns: usize, how: &Bootstrap) -> Option<Vec<Interval>> {
    let users = values.len().checked_div(columns)?;
    if users == 0 || how.resamples == 0 {
        return None;
    }
    let means: Vec<Vec<f64>> = (0..how.resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let mut rng = stream(how.seed, resample);
            let mut sums = vec![0.0; columns];
            for _ in 0..users {
                let at = below(&mut rng, users) * columns;
                for (sum, value) in sums.iter_mut().zip(&values[at..at + columns]) {
                    *sum += value;
                }
            }
            sums.iter_mut().for_each(|sum| *sum /= users as f64);
            sums
        })
        .collect();
    let tail = (1.0 - how.level) / 2.0;
    Some(
        (0..columns)
            .map(|column| {
                let mut sorted: Vec<f64> = means.iter().map(|m| m[column]).collect();
                sorted.sort_by(f64::total_cmp);
                Interval {
                    low: interpolated(&sorted, tail),
                    high: interpolated(&sorted, 1.0 - tail),
                }
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For many users the interval is the mean ± 1.96 standard errors.
    #[test]
    fn agrees_with_the_normal_interval() {
        let n = 2000;
        let values: Vec<f64> = (0..n).flat_map(|u| [f64::from(u % 2), 3.0]).collect();
        let found = intervals(&values, 2, &Bootstrap::default()).unwrap();
        let half = 1.96 * 0.5 / f64::from(n).sqrt();
        assert!((found[0].low - (0.5 - half)).abs() < 0.15 * half);
        assert!((found[0].high - (0.5 + half)).abs() < 0.15 * half);
        assert_eq!((found[1].low, found[1].high), (3.0, 3.0));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let values: Vec<f64> = (0..300).map(|u| f64::from(u) * 0.37 % 1.0).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| intervals(&values, 3, &Bootstrap::default()))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn no_users_or_no_resamples() {
        assert_eq!(intervals(&[], 2, &Bootstrap::default()), None);
        assert_eq!(intervals(&[], 0, &Bootstrap::default()), None);
        let none = Bootstrap {
            resamples: 0,
            ..Bootstrap::default()
        };
        assert_eq!(intervals(&[1.0], 1, &none), None);
        let bad = Bootstrap { level: 1.0, ..none };
        assert!(bad.check().is_err() && none.check().is_ok());
    }
}
