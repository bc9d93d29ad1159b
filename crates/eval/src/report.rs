//! What a measurement says: plain data that can be written and read again.

use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Interval, breakdown::Breakdown, metrics::MetricAt};

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Users that were measured: those with something to be found.
    pub n_users: usize,
    /// Users that were skipped, since they have nothing to be found.
    pub n_skipped: usize,
    /// Items of the catalogue.
    pub n_items: usize,
    /// Items to be found, summed over users.
    pub n_targets: usize,
    /// Of these, how many nobody has in training, so that hardly any model can find them.
    pub n_untrained_targets: usize,
    /// Of these, how many are masked, so that no model can find them.
    pub n_masked_targets: usize,
    /// For lists that were made elsewhere: entries that were left out, since they are masked.
    pub n_masked_listed: usize,
    /// What was masked, in words.
    pub masks: String,
    /// How the intervals were made.
    pub bootstrap: Bootstrap,
    /// The metrics, in the order in which they were asked for.
    pub metrics: Vec<MetricReport>,
    /// Metrics that are not defined here, with the reason.
    pub absent: Vec<AbsentMetric>,
    /// The means in parts: by the activity of users, by the popularity of what is to be found.
    pub breakdowns: Vec<Breakdown>,
    /// The values of each user, for comparisons; not written with the report.
    #[serde(skip)]
    pub per_user: PerUser,
}

impl Report {
    /// The mean of a metric, if it was measured.
    #[must_use]
    pub fn mean(&self, metric: MetricAt) -> Option<f64> {
        self.metrics
            .iter()
            .find(|m| m.metric == metric)
            .map(|m| m.value)
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricReport {
    /// Which.
    pub metric: MetricAt,
    /// The mean over users; for metrics over lists, their value.
    pub value: f64,
    /// The bootstrap interval of the mean over users; none for metrics over lists.
    pub interval: Option<Interval>,
    /// Over how many users.
    pub n_users: usize,
}

/// A metric that is not defined on this data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentMetric {
    /// Which.
    pub metric: MetricAt,
    /// Why.
    pub why: String,
}

/// The values of each user. Users are named by their external ids, so that results of different
/// programs can be joined.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PerUser {
    /// The metrics that are per user, in order.
    pub metrics: Vec<MetricAt>,
    /// External ids of the measured users, `#row` where unknown.
    pub users: Vec<String>,
    /// Their rows in the histories.
    pub rows: Vec<u32>,
    /// `(users, metrics)` in row-major order.
    pub values: Vec<f64>,
}

impl PerUser {
    /// The metrics of one user, by position in `users`; nothing for a position that there is not.
    #[must_use]
    pub fn of(&self, at: usize) -> &[f64] {
        let n = self.metrics.len();
        self.values.get(at * n..(at + 1) * n).unwrap_or(&[])
    }

    /// The means, by fixed order of users.
    #[must_use]
    pub fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.metrics.len()];
        for at in 0..self.users.len() {
            for (sum, value) in sums.iter_mut().zip(self.of(at)) {
                *sum += value;
            }
        }
        let n = self.users.len().max(1) as f64;
        sums.iter_mut().for_each(|sum| *sum /= n);
        sums
    }
}
