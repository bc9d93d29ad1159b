//! The result of an evaluation: plain data that can be written and read.

use serde::{Deserialize, Serialize};

use crate::{
    Bootstrap, Interval, PopularityBias, SampledCandidates, Universe, breakdown::Breakdown,
    metrics::MetricAt,
};

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// Evaluated users: those with held-out items.
    pub n_users: usize,
    /// Users without held-out items, which are skipped.
    pub n_skipped: usize,
    /// Items of the catalogue.
    pub n_items: usize,
    /// Held-out (relevant) items, summed over users.
    pub n_targets: usize,
    /// Of these, how many have no training events, so that hardly any model can recommend them.
    pub n_untrained_targets: usize,
    /// Of these, how many are masked, so that no model can recommend them.
    pub n_masked_targets: usize,
    /// For lists of other programs: masked entries, which are removed.
    pub n_masked_listed: usize,
    /// What was masked.
    pub masks: String,
    /// The items over which coverage and the Gini index are taken.
    pub universe: Universe,
    /// Number of these items.
    pub n_universe: usize,
    /// The sampled candidates, if metrics are sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<SampledCandidates>,
    /// Settings of the intervals.
    pub bootstrap: Bootstrap,
    /// The metrics, in the order of the protocol.
    pub metrics: Vec<MetricReport>,
    /// Metrics that are undefined on this data, with the reason.
    pub absent: Vec<AbsentMetric>,
    /// Means by groups of users and of held-out items.
    pub breakdowns: Vec<Breakdown>,
    /// Popularity bias, if measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub popularity_bias: Option<PopularityBias>,
    /// The values of each user, for comparisons; not serialized with the report.
    #[serde(skip)]
    pub per_user: PerUser,
}

impl Report {
    /// The items over which coverage and the Gini index are taken, in words; `None` where no such metric
    /// was computed.
    #[must_use]
    pub fn universe_words(&self) -> Option<String> {
        let of_universe =
            |m: &MetricReport| ["itemcoverage", "giniindex"].contains(&m.metric.metric.name);
        if !self.metrics.iter().any(of_universe) && self.popularity_bias.is_none() {
            return None;
        }
        Some(match self.universe {
            Universe::Trained => format!(
                "item coverage and Gini index: over the {} of {} items with training events",
                self.n_universe, self.n_items
            ),
            Universe::Catalogue => format!(
                "item coverage and Gini index: over all {} items of the catalogue",
                self.n_universe
            ),
        })
    }

    /// The value of a metric, if it was computed.
    #[must_use]
    pub fn mean(&self, metric: MetricAt) -> Option<f64> {
        self.metrics
            .iter()
            .find(|m| m.metric == metric)
            .map(|m| m.value)
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MetricReport {
    /// Which.
    pub metric: MetricAt,
    /// The mean over users; for metrics over lists, the value.
    pub value: f64,
    /// The bootstrap interval of the mean over users; none for metrics over lists.
    pub interval: Option<Interval>,
    /// Number of users.
    pub n_users: usize,
}

/// A metric that is undefined on this data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AbsentMetric {
    /// Which.
    pub metric: MetricAt,
    /// Why.
    pub why: String,
}

/// The values of each user, by external id, so that results of different programs can be joined.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PerUser {
    /// The metrics that are per user, in order.
    pub metrics: Vec<MetricAt>,
    /// External ids of the evaluated users, `#row` if unknown.
    pub users: Vec<String>,
    /// Their rows in the histories.
    pub rows: Vec<u32>,
    /// `(users, metrics)` in row-major order.
    pub values: Vec<f64>,
}

impl PerUser {
    /// The metrics of one user, by position in `users`; empty for a position out of range.
    #[must_use]
    pub fn of(&self, at: usize) -> &[f64] {
        let n = self.metrics.len();
        self.values.get(at * n..(at + 1) * n).unwrap_or(&[])
    }

    /// The means, summed in the order of users.
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
