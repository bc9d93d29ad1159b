//! Paired comparison of two results on the same users.
//!
//! Differences are computed per user, which removes the variance between users and so detects
//! differences that two separate intervals would hide. The interval is a paired bootstrap; the p-value
//! comes from the sign-flip permutation test: under the null hypothesis the sign of each user's
//! difference is arbitrary (Smucker, Allan and Carterette, "A comparison of statistical
//! significance tests for information retrieval evaluation", CIKM 2007).

use std::collections::HashMap;

use rand_chacha::rand_core::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Bootstrap, Error, Interval, PerUser, Result,
    bootstrap::{intervals, stream},
    metrics::MetricAt,
};

/// Settings of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparing {
    /// Settings of the interval of the difference.
    pub bootstrap: Bootstrap,
    /// Number of permutations; the smallest p-value is 1 / (permutations + 1). Defaults to 10,000.
    pub permutations: usize,
}

impl Default for Comparing {
    fn default() -> Self {
        Self {
            bootstrap: Bootstrap::default(),
            permutations: 10_000,
        }
    }
}

/// The comparison of result a with result b.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparison {
    /// Users in both results.
    pub n_users: usize,
    /// Users only in a, which are left out.
    pub only_a: usize,
    /// Users only in b, which are left out.
    pub only_b: usize,
    /// Its settings.
    pub how: Comparing,
    /// One entry per metric of both results.
    pub metrics: Vec<Difference>,
}

/// The paired difference of one metric, a minus b.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Difference {
    /// Which metric.
    pub metric: MetricAt,
    /// Mean of a over the shared users.
    pub mean_a: f64,
    /// Mean of b over the shared users.
    pub mean_b: f64,
    /// Mean of a − b; above 0, a is larger.
    pub difference: f64,
    /// The paired bootstrap interval of it.
    pub interval: Option<Interval>,
    /// Two-sided p-value of the sign-flip permutation test.
    pub p: f64,
    /// The p-value corrected by Holm's method for all comparisons that are reported together.
    pub p_holm: f64,
    /// Share of users for whom a is larger.
    pub a_larger: f64,
    /// Share of users for whom b is larger.
    pub b_larger: f64,
}

/// Compares two results, joined by the external ids of users.
///
/// # Errors
/// If the values of a result do not fit its users and metrics, a user appears twice in it, or the
/// results share no user or no metric.
pub fn compare(a: &PerUser, b: &PerUser, how: &Comparing) -> Result<Comparison> {
    how.bootstrap.check()?;
    let in_b = positions(b, 'b')?;
    positions(a, 'a')?;
    let shared: Vec<(usize, usize)> = a
        .users
        .iter()
        .enumerate()
        .filter_map(|(at, user)| in_b.get(user.as_str()).map(|&b| (at, b)))
        .collect();
    if shared.is_empty() {
        return Err(Error::NothingShared {
            what: "user",
            hint: "evaluate both on the same split, so that external user ids agree".to_owned(),
        });
    }
    let columns: Vec<(usize, usize)> = a
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(at, m)| b.metrics.iter().position(|n| n == m).map(|b| (at, b)))
        .collect();
    if columns.is_empty() {
        let names = |of: &PerUser| -> String {
            let names: Vec<String> = of.metrics.iter().map(MetricAt::to_string).collect();
            names.join(", ")
        };
        return Err(Error::NothingShared {
            what: "metric per user",
            hint: format!("a has {}; b has {}", names(a), names(b)),
        });
    }
    // (users, metrics)
    let mut differences = Vec::with_capacity(shared.len() * columns.len());
    for &(in_a, in_b) in &shared {
        let (of_a, of_b) = (a.of(in_a), b.of(in_b));
        differences.extend(columns.iter().map(|&(ca, cb)| of_a[ca] - of_b[cb]));
    }
    let n = shared.len() as f64;
    let intervals = intervals(&differences, columns.len(), &how.bootstrap);
    let mut metrics: Vec<Difference> = columns
        .iter()
        .enumerate()
        .map(|(column, &(ca, cb))| {
            let of_column: Vec<f64> = differences
                .iter()
                .skip(column)
                .step_by(columns.len())
                .copied()
                .collect();
            let share = |wanted: fn(f64) -> bool| {
                of_column.iter().filter(|&&d| wanted(d)).count() as f64 / n
            };
            Difference {
                metric: a.metrics[ca],
                mean_a: shared.iter().map(|&(u, _)| a.of(u)[ca]).sum::<f64>() / n,
                mean_b: shared.iter().map(|&(_, u)| b.of(u)[cb]).sum::<f64>() / n,
                difference: of_column.iter().sum::<f64>() / n,
                interval: intervals.as_ref().map(|i| i[column]),
                p: sign_flip_p(&of_column, how.permutations, how.bootstrap.seed),
                p_holm: f64::NAN,
                a_larger: share(|d| d > 0.0),
                b_larger: share(|d| d < 0.0),
            }
        })
        .collect();
    holm(metrics.iter_mut().collect());
    Ok(Comparison {
        n_users: shared.len(),
        only_a: a.users.len() - shared.len(),
        only_b: b.users.len() - shared.len(),
        how: *how,
        metrics,
    })
}

/// Corrects the p-values of all comparisons of a table, as [`holm_of`].
pub fn holm(comparisons: Vec<&mut Difference>) {
    let p: Vec<f64> = comparisons.iter().map(|c| c.p).collect();
    for (comparison, p) in comparisons.into_iter().zip(holm_of(&p)) {
        comparison.p_holm = p;
    }
}

/// Corrects p-values for being several by the method of Holm, "A simple sequentially rejective multiple
/// test procedure", Scandinavian Journal of Statistics 1979: with the m values in ascending order, the i-th is
/// multiplied by m − i + 1 and is at least its predecessor. Where those below 0.05 are called significant, the
/// chance of one false finding or more is below 0.05.
#[must_use]
pub fn holm_of(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut before = 0f64;
    for (at, &i) in order.iter().enumerate() {
        before = before.max((p[i] * (p.len() - at) as f64).min(1.0));
        corrected[i] = before;
    }
    corrected
}

fn positions(result: &PerUser, side: char) -> Result<HashMap<&str, usize>> {
    if result.values.len() != result.users.len() * result.metrics.len() {
        return Err(limpid_core::Error::shape(
            format!("values of result {side}"),
            format!(
                "{} users x {} metrics",
                result.users.len(),
                result.metrics.len()
            ),
            result.values.len(),
        )
        .into());
    }
    let mut positions = HashMap::with_capacity(result.users.len());
    for (at, user) in result.users.iter().enumerate() {
        if positions.insert(user.as_str(), at).is_some() {
            return Err(Error::TwiceTheUser {
                user: user.clone(),
                side,
            });
        }
    }
    Ok(positions)
}

/// `(1 + flips whose |sum| reaches the observed one) / (1 + permutations)`.
fn sign_flip_p(differences: &[f64], permutations: usize, seed: u64) -> f64 {
    // Differences of 0 keep their value whatever the sign.
    let moving: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    let size: f64 = moving.iter().map(|d| d.abs()).sum();
    // Equal sums in another order of rounding must count as equal.
    let observed = moving.iter().sum::<f64>().abs() - 1e-12 * size;
    let reached = (0..permutations as u64)
        .into_par_iter()
        .filter(|&permutation| {
            let mut rng = stream(seed, permutation);
            // Four independent sums, since each addition depends on the one before.
            let mut sums = [0.0f64; 4];
            for chunk in moving.chunks(64) {
                let signs = rng.next_u64();
                for (at, d) in chunk.iter().enumerate() {
                    let sign = (signs >> at & 1) << 63;
                    sums[at % 4] += f64::from_bits(d.to_bits() ^ sign);
                }
            }
            sums.iter().sum::<f64>().abs() >= observed
        })
        .count();
    (1 + reached) as f64 / (1 + permutations) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result(users: &[&str], metrics: &[&str], values: &[f64]) -> PerUser {
        PerUser {
            metrics: metrics.iter().map(|m| m.parse().unwrap()).collect(),
            users: users.iter().map(|&u| u.to_owned()).collect(),
            rows: (0..users.len() as u32).collect(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn joined_by_id_and_metric() {
        let a = result(
            &["x", "y", "z"],
            &["ndcg@5", "recall@5"],
            &[0.5, 1.0, 0.2, 0.0, 0.0, 0.0],
        );
        let b = result(&["w", "y", "x"], &["recall@5"], &[9.0, 0.5, 0.25]);
        let c = compare(&a, &b, &Comparing::default()).unwrap();
        assert_eq!((c.n_users, c.only_a, c.only_b), (2, 1, 1));
        let [d] = c.metrics[..] else { panic!() };
        assert_eq!((d.mean_a, d.mean_b, d.difference), (0.5, 0.375, 0.125));
        assert_eq!((d.a_larger, d.b_larger), (0.5, 0.5));
        let swapped = compare(&b, &a, &Comparing::default()).unwrap();
        assert_eq!(swapped.metrics[0].difference, -0.125);
        assert_eq!(swapped.metrics[0].p, d.p);
    }

    /// With n differences of 1 only the two flips of all signs reach the sum: p = 2 / 2ⁿ.
    #[test]
    fn p_is_that_of_the_exact_test() {
        let p = sign_flip_p(&[1.0; 6], 100_000, 3);
        assert!((p - 2.0 / 64.0).abs() < 0.002, "{p}");
        // Sums of 1, 2, 3: eight flips, of which ±6 reach 6.
        let p = sign_flip_p(&[1.0, 2.0, 3.0], 100_000, 3);
        assert!((p - 0.25).abs() < 0.005, "{p}");
        assert_eq!(sign_flip_p(&[], 10, 0), 1.0);
    }

    #[test]
    fn many_comparisons_are_corrected() {
        let a = result(&["x", "y"], &["ndcg@5"], &[0.5, 0.25]);
        let one = compare(&a, &a, &Comparing::default()).unwrap().metrics[0];
        assert_eq!(one.p_holm, one.p);
        let mut all: Vec<Difference> = [0.04, 0.01, 0.03, 0.9]
            .map(|p| Difference { p, ..one })
            .to_vec();
        holm(all.iter_mut().collect());
        // R: p.adjust(c(0.04, 0.01, 0.03, 0.9), "holm")
        let corrected: Vec<f64> = all.iter().map(|d| (d.p_holm * 1e9).round() / 1e9).collect();
        assert_eq!(corrected, [0.09, 0.04, 0.09, 0.9]);
    }

    #[test]
    fn results_that_cannot_be_joined_are_refused() {
        let a = result(&["x"], &["ndcg@5"], &[0.5]);
        let how = Comparing::default();
        let error = |a: &PerUser, b: &PerUser| compare(a, b, &how).unwrap_err().to_string();
        let other = result(&["y"], &["ndcg@5"], &[0.5]);
        assert!(error(&a, &other).contains("share no user"));
        let other = result(&["x"], &["mrr@5"], &[0.5]);
        assert!(error(&a, &other).contains("a has ndcg@5; b has mrr@5"));
        let twice = result(&["x", "x"], &["ndcg@5"], &[0.5, 0.5]);
        let short = result(&["x"], &["ndcg@5"], &[]);
        assert!(error(&short, &a).contains("1 users x 1 metrics, found 0"));
        assert!(error(&a, &twice).contains("user 'x' appears twice in result b"));
    }

    proptest! {
        #[test]
        fn a_result_equals_itself(values in proptest::collection::vec(0f64..1.0, 1..40)) {
            let users: Vec<String> = (0..values.len()).map(|u| u.to_string()).collect();
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            let a = result(&users, &["ndcg@5"], &values);
            let how = Comparing { permutations: 50, ..Comparing::default() };
            let d = compare(&a, &a, &how).unwrap().metrics[0];
            prop_assert_eq!((d.difference, d.p, d.a_larger, d.b_larger), (0.0, 1.0, 0.0, 0.0));
            prop_assert_eq!(d.interval, Some(Interval { low: 0.0, high: 0.0 }));
        }
    }
}
