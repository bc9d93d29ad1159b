//! Means by activity of users and by popularity of held-out items.

use limpid_core::Catalogue;
use serde::{Deserialize, Serialize};

use crate::ItemGroups;
use crate::metrics::MetricAt;

/// What the means are broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakdownBy {
    /// Quartiles of users by the number of their input events. Users with equally many events are in the
    /// same quartile, so the four are only about equal in size.
    UserActivity,
    /// Head, middle and tail of the held-out items, by training counts. Each holds about one third of the
    /// training events; items with equal counts are in the same third. The lists are the same; only
    /// held-out items of the third are relevant, and users without one are left out.
    ItemPopularity,
    /// A metadata field of the held-out items, such as genre; [`Breakdown::field`] names it. The lists are
    /// the same; only held-out items of the group are relevant, and users without one are left out.
    ItemField,
    /// Held-out items by the number of their training users.
    ColdItems,
    /// Users by the number of items that the model is shown.
    ColdUsers,
}

/// A table of means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Breakdown {
    /// What the means are broken down by.
    pub by: BreakdownBy,
    /// The metadata field, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The columns of `means`.
    pub metrics: Vec<MetricAt>,
    /// The groups; those without users are left out.
    pub rows: Vec<BreakdownRow>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BreakdownRow {
    /// `head`, `middle`, `tail`; `quartile 1` (least active) to `quartile 4`; a value of the field; a range
    /// of numbers of events.
    pub name: String,
    /// Fewest events (of a user, or of an item in training).
    pub low: u32,
    /// Most events.
    pub high: u32,
    /// Number of users.
    pub n_users: usize,
    /// Their held-out items in this group.
    pub n_targets: usize,
    /// The mean of each metric.
    pub means: Vec<f64>,
}

/// Names of the groups by popularity, in order.
pub(crate) const THIRDS: [&str; 3] = ["head", "middle", "tail"];

/// The third of each item `(items)`: 0 head, 1 middle, 2 tail. `None` without training counts.
pub(crate) fn thirds(catalogue: &Catalogue) -> Option<Vec<u8>> {
    let counts = &catalogue.train_counts;
    let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
    if total == 0 {
        return None;
    }
    let mut sorted = counts.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    // An item belongs to the third in which the first event of the items with its count falls.
    let (mut above, mut at) = (0u64, 0);
    let mut starts = Vec::new();
    while at < sorted.len() {
        let equals = sorted[at..].partition_point(|&c| c == sorted[at]);
        let third = if sorted[at] == 0 {
            2
        } else {
            (3 * above / total).min(2) as u8
        };
        starts.push((sorted[at], third));
        above += equals as u64 * u64::from(sorted[at]);
        at += equals;
    }
    let third_of = |count: u32| {
        starts
            .binary_search_by(|&(c, _)| count.cmp(&c))
            .map_or(2, |at| starts[at].1)
    };
    let mut of_items: Vec<u8> = counts.iter().map(|&c| third_of(c)).collect();
    of_items.resize(catalogue.len(), 2);
    Some(of_items)
}

/// The quartile of each of the lengths: 0 the shortest to 3 the longest.
pub(crate) fn quartiles(lengths: &[u32]) -> Vec<u8> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let edge = |q: usize| sorted[(q * sorted.len()).div_ceil(4).saturating_sub(1)];
    lengths
        .iter()
        .map(|&length| (1..4).filter(|&q| edge(q) < length).count() as u8)
        .collect()
}

/// Sums of one group while users are added in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartSums {
    low: Option<u32>,
    high: u32,
    n_users: usize,
    n_targets: usize,
    sums: Vec<f64>,
}

impl PartSums {
    pub(crate) fn add(&mut self, n_targets: usize, values: &[f64]) {
        self.n_users += 1;
        self.n_targets += n_targets;
        self.sums.resize(values.len(), 0.0);
        for (sum, value) in self.sums.iter_mut().zip(values) {
            *sum += value;
        }
    }

    /// Widens the reported range of the group.
    pub(crate) fn covers(&mut self, events: u32) {
        self.low = Some(self.low.map_or(events, |low| low.min(events)));
        self.high = self.high.max(events);
    }

    pub(crate) fn row(self, name: String) -> Option<BreakdownRow> {
        let n = self.n_users as f64;
        (self.n_users > 0).then(|| BreakdownRow {
            name,
            low: self.low.unwrap_or(0),
            high: self.high,
            n_users: self.n_users,
            n_targets: self.n_targets,
            means: self.sums.into_iter().map(|sum| sum / n).collect(),
        })
    }
}

/// The range of training counts of each group.
pub(crate) fn cover_items(sums: &mut [PartSums], groups: &ItemGroups, catalogue: &Catalogue) {
    for (item, own) in groups.of_items.iter().enumerate() {
        let count = catalogue.train_counts.get(item).copied().unwrap_or(0);
        for &group in own {
            if let Some(part) = sums.get_mut(usize::from(group)) {
                part.covers(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::catalogue;

    #[test]
    fn each_third_holds_a_third_of_the_events() {
        let mut c = catalogue(8);
        // 30 events: 10 | 5 5 | 3 3 3 1 0.
        c.train_counts = vec![3, 10, 5, 0, 3, 5, 1, 3];
        assert_eq!(thirds(&c).unwrap(), [2, 0, 1, 2, 2, 1, 2, 2]);
        // Equal counts are in the same third.
        c.train_counts = vec![4; 8];
        assert_eq!(thirds(&c).unwrap(), [0; 8]);
        c.train_counts = vec![0; 8];
        assert_eq!(thirds(&c), None);
    }

    #[test]
    fn equal_lengths_are_in_one_quartile() {
        assert_eq!(
            quartiles(&[1, 2, 3, 4, 5, 6, 7, 8]),
            [0, 0, 1, 1, 2, 2, 3, 3]
        );
        assert_eq!(quartiles(&[5, 5, 5, 9]), [0, 0, 0, 3]);
        assert_eq!(quartiles(&[2]), [0]);
        assert_eq!(quartiles(&[]), Vec::<u8>::new());
    }

    #[test]
    fn groups_without_users_are_left_out() {
        let mut part = PartSums::default();
        assert!(part.clone().row("tail".into()).is_none());
        part.covers(4);
        part.covers(2);
        part.add(3, &[1.0, 0.0]);
        part.add(1, &[0.0, 0.5]);
        let row = part.row("head".into()).unwrap();
        assert_eq!(
            (row.low, row.high, row.n_users, row.n_targets),
            (2, 4, 2, 4)
        );
        assert_eq!(row.means, [0.5, 0.25]);
    }
}
