//! Statistics of a log, for a first look at a data set.

use limpid_core::ItemIdx;
use limpid_core::quantile::nearest_rank;
use serde::{Deserialize, Serialize};

use crate::chains::ChainDescription;
use crate::log::{Log, ReadReport};

/// Different values up to which each has its own line in the histogram.
const MOST_VALUES: usize = 20;

/// Titles that are shown.
const SHOWN_TITLES: usize = 5;

/// Statistics of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Description {
    /// What the data set is called.
    pub name: String,
    /// Number of users.
    pub users: usize,
    /// Number of items, with and without events.
    pub items: usize,
    /// Number of items that are in the catalogue only.
    pub items_without_events: usize,
    /// Number of events.
    pub events: usize,
    /// Share of the pairs of users and items with events that have one (of any behavior).
    pub density: f64,
    /// Number of events of each behavior, in the order of their chain.
    pub behaviors: Vec<Count>,
    /// The target behavior, the one to recommend for.
    pub target_behavior: String,
    /// The chains of behaviors, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chains: Option<ChainDescription>,
    /// Number of events of each subset of a given split.
    pub given: Vec<Count>,
    /// Number of events of each value, ascending; in ten bins of equal width where there are more
    /// than twenty values; empty without values.
    pub values: Vec<ValueCount>,
    /// The first and last time in seconds since 1970.
    pub time_range: Option<(i64, i64)>,
    /// How many events a user has.
    pub events_per_user: Quantiles,
    /// How many events an item has that has any.
    pub events_per_item: Quantiles,
    /// How unequally events are spread over the items that have any: 0 evenly, 1 all on one (Gini).
    pub popularity_gini: f64,
    /// Metadata.
    pub fields: Vec<FieldDescription>,
    /// Number of items with a title.
    pub titled_items: usize,
    /// Titles of the items with the most events.
    pub titles: Vec<String>,
    /// What was read and what was left out.
    pub report: ReadReport,
}

/// A name and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Count {
    /// What is counted.
    pub name: String,
    /// How often it occurs.
    pub events: usize,
}

/// A range of values and how many events have one of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ValueCount {
    /// The smallest value of the range.
    pub from: f32,
    /// The largest value; equal to `from` where the line is of one value.
    pub to: f32,
    /// Number of events.
    pub events: usize,
}

/// How a count is spread: the smallest, quarters, the largest and the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quantiles {
    /// The smallest.
    pub min: usize,
    /// A quarter has at most this (nearest rank).
    pub q25: usize,
    /// Half have at most this.
    pub median: usize,
    /// Three quarters have at most this.
    pub q75: usize,
    /// Nine tenths have at most this.
    pub q90: usize,
    /// The largest.
    pub max: usize,
    /// The mean.
    pub mean: f64,
}

/// A field of metadata in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FieldDescription {
    /// Its name.
    pub name: String,
    /// Number of different values.
    pub values: usize,
    /// Number of items that have one.
    pub items: usize,
    /// Share of the items with events that have one.
    pub coverage: f64,
    /// The values that most items have.
    pub most_frequent: Vec<String>,
}

impl Log {
    /// The statistics of the log.
    #[must_use]
    pub fn describe(&self) -> Description {
        let mut per_user = vec![0usize; self.users.len()];
        let mut per_item = vec![0usize; self.items.len()];
        for (&user, &item) in self.user.iter().zip(&self.item) {
            if let Some(n) = per_user.get_mut(user as usize) {
                *n += 1;
            }
            if let Some(n) = per_item.get_mut(item as usize) {
                *n += 1;
            }
        }
        let has_events: Vec<bool> = per_item.iter().map(|&n| n > 0).collect();
        let mut by_popularity: Vec<u32> = (0..self.items.len() as u32).collect();
        by_popularity
            .sort_by_key(|&i| (std::cmp::Reverse(per_item[i as usize]), self.items.name(i)));
        let titles = by_popularity
            .iter()
            .filter_map(|&i| self.titles.get(i as usize))
            .filter(|t| !t.is_empty())
            .take(SHOWN_TITLES)
            .cloned()
            .collect();
        let users = per_user.iter().filter(|&&n| n > 0).count();
        per_item.retain(|&n| n > 0);
        let pairs = (users * per_item.len()).max(1);
        let time = self.time.as_ref();
        Description {
            name: self.name.clone(),
            users: self.users.len(),
            items: self.items.len(),
            items_without_events: self.items.len() - per_item.len(),
            events: self.n_events(),
            density: self.distinct_pairs() as f64 / pairs as f64,
            behaviors: self.count_behaviors(),
            target_behavior: self
                .behaviors
                .get(self.target_behavior as usize)
                .cloned()
                .unwrap_or_default(),
            chains: self.describe_chains(),
            given: self.count_given(),
            values: self.value.as_deref().map(histogram).unwrap_or_default(),
            time_range: time.and_then(|t| Some((*t.iter().min()?, *t.iter().max()?))),
            events_per_user: quantiles(per_user),
            popularity_gini: gini(&per_item),
            events_per_item: quantiles(per_item),
            fields: self.describe_fields(&has_events),
            titled_items: self.titles.iter().filter(|t| !t.is_empty()).count(),
            titles,
            report: self.report.clone(),
        }
    }

    /// Number of different pairs of a user and an item.
    fn distinct_pairs(&self) -> usize {
        let mut items = Vec::new();
        self.by_user()
            .iter()
            .map(|row| {
                items.clear();
                items.extend(row.iter().map(|&event| self.item[event as usize]));
                items.sort_unstable();
                items.dedup();
                items.len()
            })
            .sum()
    }

    fn count_behaviors(&self) -> Vec<Count> {
        let mut counts = vec![0usize; self.behaviors.len()];
        match &self.behavior {
            None => {
                if let Some(n) = counts.get_mut(self.target_behavior as usize) {
                    *n = self.n_events();
                }
            }
            Some(behavior) => {
                for &b in behavior {
                    if let Some(n) = counts.get_mut(b as usize) {
                        *n += 1;
                    }
                }
            }
        }
        self.behaviors
            .iter()
            .zip(counts)
            .map(|(name, events)| Count {
                name: name.clone(),
                events,
            })
            .collect()
    }

    fn count_given(&self) -> Vec<Count> {
        use crate::log::GivenSubset::{Test, Train, Validation};
        let Some(given) = &self.given else {
            return Vec::new();
        };
        [(Train, "train"), (Validation, "validation"), (Test, "test")]
            .into_iter()
            .map(|(subset, name)| Count {
                name: name.to_owned(),
                events: given.iter().filter(|&&g| g == subset).count(),
            })
            .collect()
    }

    fn describe_fields(&self, has_events: &[bool]) -> Vec<FieldDescription> {
        let with_events = has_events.iter().filter(|&&has| has).count().max(1);
        self.fields
            .iter()
            .map(|field| {
                let mut counts = vec![0usize; field.values.len()];
                for &value in field.of_items.columns() {
                    counts[value as usize] += 1;
                }
                let mut order: Vec<u32> = (0..counts.len() as u32).collect();
                order.sort_by_key(|&v| std::cmp::Reverse(counts[v as usize]));
                let has = |item: usize| field.of(ItemIdx(item as u32)).next().is_some();
                let covered = (0..has_events.len()).filter(|&i| has_events[i] && has(i));
                FieldDescription {
                    name: field.name.clone(),
                    values: field.values.len(),
                    items: (0..has_events.len()).filter(|&i| has(i)).count(),
                    coverage: covered.count() as f64 / with_events as f64,
                    most_frequent: order
                        .iter()
                        .take(SHOWN_TITLES)
                        .map(|&v| field.values.name(v).to_owned())
                        .collect(),
                }
            })
            .collect()
    }
}

/// Counts of values, or of ten bins of equal width where there are many.
fn histogram(values: &[f32]) -> Vec<ValueCount> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let exact: Vec<ValueCount> = sorted
        .chunk_by(|a, b| a == b)
        .take(MOST_VALUES + 1)
        .map(|run| ValueCount {
            from: run[0],
            to: run[0],
            events: run.len(),
        })
        .collect();
    let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
        return exact;
    };
    if exact.len() <= MOST_VALUES {
        return exact;
    }
    const BINS: usize = 10;
    let (low, width) = (
        f64::from(min),
        (f64::from(max) - f64::from(min)) / BINS as f64,
    );
    let mut bins: Vec<ValueCount> = (0..BINS)
        .map(|bin| ValueCount {
            from: (low + bin as f64 * width) as f32,
            to: (low + (bin + 1) as f64 * width) as f32,
            events: 0,
        })
        .collect();
    for &value in values {
        let bin = ((f64::from(value) - low) / width) as usize;
        bins[bin.min(BINS - 1)].events += 1;
    }
    bins
}

/// Quantiles by nearest rank.
fn quantiles(mut counts: Vec<usize>) -> Quantiles {
    counts.sort_unstable();
    let n = counts.len();
    let at = |share| nearest_rank(&counts, share).unwrap_or(0);
    Quantiles {
        min: at(0.0),
        q25: at(0.25),
        median: at(0.5),
        q75: at(0.75),
        q90: at(0.9),
        max: at(1.0),
        mean: counts.iter().sum::<usize>() as f64 / n.max(1) as f64,
    }
}

/// The Gini coefficient of counts: `Σ (2i − n − 1) xᵢ / (n Σ xᵢ)` over ascending `xᵢ`, `i` from 1.
fn gini(counts: &[usize]) -> f64 {
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    let n = counts.len() as f64;
    let total = counts.iter().sum::<usize>() as f64;
    if total == 0.0 {
        return 0.0;
    }
    let weighted: f64 = counts
        .iter()
        .enumerate()
        .map(|(i, &x)| (2.0 * (i as f64 + 1.0) - n - 1.0) * x as f64)
        .sum();
    weighted / (n * total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{ReadOptions, read_bytes};

    #[test]
    fn a_small_log_in_numbers() {
        let events = b"user,item,rating,time\nu,a,5,10\nu,b,3,20\nv,a,3,5\n";
        let items = b"item_id,title,genres\na,Alien (1979),Horror|Sci-Fi\nc,Cube (1997),Horror\n";
        let files: [(&str, &[u8]); 2] = [("events.csv", events), ("items.csv", items)];
        let d = read_bytes("tiny", &files, &ReadOptions::default())
            .unwrap()
            .describe();
        assert_eq!(
            (d.users, d.items, d.items_without_events, d.events),
            (2, 3, 1, 3)
        );
        assert_eq!(d.density, 0.75);
        assert_eq!(d.time_range, Some((5, 20)));
        let values: Vec<_> = d.values.iter().map(|v| (v.from, v.to, v.events)).collect();
        assert_eq!(values, [(3.0, 3.0, 2), (5.0, 5.0, 1)]);
        assert_eq!((d.events_per_user.min, d.events_per_user.max), (1, 2));
        assert_eq!(d.events_per_user.mean, 1.5);
        assert_eq!(d.titles, ["Alien (1979)", "Cube (1997)"]);
        let genre = &d.fields[0];
        assert_eq!(
            (genre.name.as_str(), genre.values, genre.items),
            ("genre", 2, 2)
        );
        assert_eq!(genre.coverage, 0.5);
        assert_eq!(genre.most_frequent, ["Horror", "Sci-Fi"]);
        assert_eq!(d.behaviors[0].events, 3);
        let text = serde_json::to_string(&d).unwrap();
        assert_eq!(serde_json::from_str::<Description>(&text).unwrap(), d);
    }

    #[test]
    fn spread() {
        let q = quantiles(vec![4, 1, 3, 2]);
        assert_eq!(
            (q.min, q.q25, q.median, q.q75, q.q90, q.max),
            (1, 1, 2, 3, 4, 4)
        );
        assert_eq!(quantiles(vec![]), Quantiles::default());
        // By hand: (−1·1 + 1·3) / (2 · 4).
        assert_eq!(gini(&[3, 1]), 0.25);
        assert_eq!(gini(&[2, 2, 2]), 0.0);
        assert_eq!(gini(&[]), 0.0);
        let many: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let bins = histogram(&many);
        assert_eq!(bins.len(), 10);
        assert_eq!(bins.iter().map(|b| b.events).sum::<usize>(), 100);
        assert!(histogram(&[]).is_empty());
    }
}
