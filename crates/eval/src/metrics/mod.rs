//! The metrics: one file per family, and [`METRICS`], the list from which names, aliases, suggestions,
//! documentation and tests follow.
//!
//! A metric is a constant of type [`Metric`] beside the function that computes it. Metrics per user
//! see a ranking only through its [`HitProfile`], so they take the expected value over ties; metrics
//! over lists are computed once, over the lists of all users, and those of ratings over all held-out events.

pub mod auc;
pub mod average_precision;
pub mod counts;
pub mod diversity;
pub mod f1;
pub mod ndcg;
pub mod popularity;
pub mod profile;
pub mod rating;
pub mod reciprocal;
pub mod spread_of_items;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use limpid_core::{Catalogue, Lists};
use serde::{Deserialize, Serialize};

use crate::ratings::{Estimate, RatingMetrics};
use crate::{Error, Result, Universe};

pub use profile::{HitGroup, HitProfile};

/// Every metric, in the order in which they are listed.
pub static METRICS: &[Metric] = &[
    ndcg::NDCG,
    counts::RECALL,
    counts::RECALL_CAPPED,
    counts::PRECISION,
    f1::F1,
    counts::HIT,
    average_precision::MAP,
    average_precision::MAP_CAPPED,
    reciprocal::MRR,
    auc::AUC,
    spread_of_items::ITEM_COVERAGE,
    spread_of_items::GINI_INDEX,
    spread_of_items::ENTROPY,
    popularity::NOVELTY,
    popularity::AVERAGE_POPULARITY,
    diversity::INTRA_LIST_DIVERSITY,
    rating::RMSE,
    rating::MAE,
    rating::RATING_AUC,
];

/// A metric: its names, one line of documentation and its function. Two metrics are equal if their
/// names are.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name, as written before the `@`: lower case, words joined by `-`.
    pub name: &'static str,
    /// Other names that are accepted; case, `-` and `_` do not matter in any name.
    pub aliases: &'static [&'static str],
    /// One line of documentation, without a full stop.
    pub doc: &'static str,
    /// Whether it takes a cutoff `k`; without one it needs the full ranking of the candidates.
    pub has_cutoff: bool,
    /// The function.
    pub measure: Measure,
}

/// What a metric is computed from.
#[derive(Clone, Copy)]
pub enum Measure {
    /// The hits in one user's ranking, at a cutoff; averaged over users.
    User(fn(&HitProfile, usize) -> f64),
    /// The lists of all users at once, at a cutoff.
    Lists {
        /// Not a number where the metric is undefined.
        of: fn(&Lists, &Catalogue, Universe, usize) -> f64,
        /// Why it can be undefined.
        undefined: &'static str,
    },
    /// The predicted and the true ratings of all held-out events, by a model that predicts ratings.
    Ratings {
        /// `None` where the metric is undefined.
        of: fn(&RatingMetrics) -> Option<Estimate>,
        /// Whether smaller is better.
        is_error: bool,
    },
}

impl Metric {
    /// The metric of a name or an alias, written without a cutoff.
    ///
    /// # Errors
    /// [`Error::UnknownMetric`], with the most similar name.
    pub fn named(text: &str) -> Result<&'static Self> {
        let folded = fold(text);
        let known = |m: &&Metric| m.names().any(|name| fold(name) == folded);
        METRICS
            .iter()
            .find(known)
            .ok_or_else(|| Error::UnknownMetric {
                name: text.to_owned(),
                suggestion: most_similar(&folded),
                known: METRICS
                    .iter()
                    .map(|m| m.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// This metric at several cutoffs; once if it has none.
    #[must_use]
    pub fn at_each(&'static self, ks: &[usize]) -> Vec<MetricAt> {
        let ks = if self.has_cutoff { ks } else { &[0] };
        ks.iter().map(|&k| MetricAt { metric: self, k }).collect()
    }

    /// Whether smaller values are better.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self.measure, Measure::Ratings { is_error: true, .. })
    }

    /// Whether it is averaged over users.
    #[must_use]
    pub fn is_per_user(&self) -> bool {
        matches!(self.measure, Measure::User(_))
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Metric {}

impl Hash for Metric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metric").field(&self.name).finish()
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A name without what does not matter in it: case, `-` and `_`.
fn fold(name: &str) -> String {
    let kept = name.chars().filter(|c| !matches!(c, '-' | '_'));
    kept.flat_map(char::to_lowercase).collect()
}

/// The name that a folded name was probably meant to be.
fn most_similar(folded: &str) -> Option<&'static str> {
    METRICS
        .iter()
        .flat_map(Metric::names)
        .map(|name| (strsim::damerau_levenshtein(folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= name.len() / 4 + usize::from(name.len() > 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A metric with its cutoff, written `ndcg@20`; the `k` of a metric without a cutoff is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(into = "String", try_from = "String")]
pub struct MetricAt {
    /// The metric.
    pub metric: &'static Metric,
    /// The number of ranks that count.
    pub k: usize,
}

impl fmt::Display for MetricAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.metric.has_cutoff {
            write!(f, "{}@{}", self.metric, self.k)
        } else {
            self.metric.fmt(f)
        }
    }
}

impl FromStr for MetricAt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, cutoff) = match text.trim().split_once('@') {
            Some((name, cutoff)) => (name, Some(cutoff)),
            None => (text.trim(), None),
        };
        let metric = Metric::named(name)?;
        let error = |rule| Error::Cutoff {
            text: text.to_owned(),
            rule,
            example: Self { metric, k: 20 }.to_string(),
        };
        let k = match (metric.has_cutoff, cutoff) {
            (false, None) => 0,
            (false, Some(_)) => {
                return Err(error("it needs the full ranking and has no cutoff"));
            }
            (true, None) => return Err(error("it needs a cutoff")),
            (true, Some(k)) => match k.parse::<u32>() {
                Ok(k) if k > 0 => k as usize,
                _ => return Err(error("its cutoff must be an integer above 0")),
            },
        };
        Ok(Self { metric, k })
    }
}

impl From<MetricAt> for String {
    fn from(metric: MetricAt) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for MetricAt {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Small rankings and lists for the hand-computed cases.

    use super::HitProfile;
    use limpid_core::{Catalogue, Ids, ItemIdx, Lists, RankedWithTies, Scored, Truth};

    /// A ranking without ties, given which ranks hold a hit; it contains all candidates.
    pub(crate) fn strict(hits: &[bool], n_truth: usize) -> HitProfile {
        let items = (0..hits.len() as u32).map(ItemIdx).collect();
        let found = (0..hits.len() as u32).filter(|&i| hits[i as usize]);
        let missing = n_truth - hits.iter().filter(|&&h| h).count();
        let truth: Vec<ItemIdx> = found
            .chain((0..missing as u32).map(|m| 1000 + m))
            .map(ItemIdx)
            .collect();
        HitProfile::new(
            &RankedWithTies::strict(items, hits.len()),
            &Truth { items: &truth },
        )
    }

    /// `n` items without names or counts.
    pub(crate) fn catalogue(n: usize) -> Catalogue {
        Catalogue::of_items(Ids::from_names((0..n).map(|i| i.to_string()).collect()).unwrap())
    }

    /// Lists of item indices.
    pub(crate) fn lists(lists: &[&[u32]]) -> Lists {
        let scored = |&item: &u32| Scored {
            item: ItemIdx(item),
            score: 0.0,
        };
        Lists {
            lists: lists
                .iter()
                .map(|l| l.iter().map(scored).collect())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_parsed() {
        for metric in METRICS {
            for at in metric.at_each(&[1, 20]) {
                assert_eq!(at.to_string().parse::<MetricAt>().unwrap(), at);
                let json = serde_json::to_string(&at).unwrap();
                assert_eq!(serde_json::from_str::<MetricAt>(&json).unwrap(), at);
            }
        }
        assert_eq!(" nDCG@5".parse::<MetricAt>().unwrap().to_string(), "ndcg@5");
    }

    #[test]
    fn every_name_and_alias_belongs_to_one_metric() {
        let mut folded = std::collections::BTreeSet::new();
        for metric in METRICS {
            for name in metric.names() {
                assert_eq!(Metric::named(name).unwrap(), metric);
                assert!(folded.insert(fold(name)), "{name}");
            }
            assert!(!metric.doc.is_empty() && !metric.doc.ends_with('.'));
        }
    }

    /// The names that RecBole, ranx, LensKit and trec_eval use.
    #[test]
    fn names_of_other_libraries() {
        for (theirs, ours) in [
            ("HR@10", "hit@10"),
            ("hit@10", "hit@10"),
            ("hit_rate@10", "hit@10"),
            ("Hit@10", "hit@10"),
            ("success@5", "hit@5"),
            ("NDCG@10", "ndcg@10"),
            ("RecipRank@10", "mrr@10"),
            ("AveragePrecision@10", "map@10"),
            ("P@5", "precision@5"),
            ("coverage@20", "itemcoverage@20"),
            ("item_coverage@20", "itemcoverage@20"),
            ("ItemCoverage@20", "itemcoverage@20"),
            ("gini@20", "giniindex@20"),
            ("ShannonEntropy@20", "entropy@20"),
            ("average_popularity@20", "averagepopularity@20"),
            ("recall_capped@20", "recall-capped@20"),
            ("ild@20", "intralistdiversity@20"),
        ] {
            assert_eq!(theirs.parse::<MetricAt>().unwrap().to_string(), ours);
        }
    }

    #[test]
    fn errors_say_how_to_write_it() {
        let error = |text: &str| text.parse::<MetricAt>().unwrap_err().to_string();
        assert!(error("ncdg@20").starts_with("unknown metric 'ncdg'; did you mean 'ndcg'?"));
        assert!(error("giny@20").contains("did you mean 'gini'?"));
        assert!(error("recal@5").contains("did you mean 'recall'?"));
        assert!(!error("happiness@5").contains("did you mean"));
        assert!(error("ndcg").ends_with("it needs a cutoff; write 'ndcg@20'"));
        assert!(error("ndcg@0").contains("above 0"));
        assert!(error("auc@5").ends_with("has no cutoff; write 'auc'"));
    }
}
