//! The metrics: one file per family, and the registry that knows all of them by name.
//!
//! A [`UserMeasure`] is taken for every user and averaged; it sees a ranking only through its
//! [`HitProfile`], so ties are met by their expected value and nothing depends on the luck of an
//! order. A [`ListMeasure`] is taken once over the lists of all users. To add one: write the function
//! with its formula and a case by hand, then give it a name and a line in this file, where a
//! forgotten arm does not compile.

mod auc;
mod average_precision;
mod counts;
mod diversity;
mod ndcg;
mod popularity;
mod profile;
mod reciprocal;
mod spread_of_items;

use std::fmt;
use std::str::FromStr;

use limpid_core::{Catalogue, ListMetric, Lists, RankedWithTies, Truth, UserMetric};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub use auc::auc;
pub use average_precision::{map, map_capped};
pub use counts::{hit, precision, recall, recall_capped};
pub use diversity::intra_list_diversity;
pub use ndcg::ndcg;
pub use popularity::{average_popularity, novelty};
pub use profile::{HitGroup, HitProfile};
pub use reciprocal::mrr;
pub use spread_of_items::{entropy, gini_index, item_coverage};

/// What is measured for one user and averaged over users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserMeasure {
    /// [`ndcg`].
    Ndcg,
    /// [`recall`].
    Recall,
    /// [`recall_capped`].
    RecallCapped,
    /// [`precision`].
    Precision,
    /// [`hit`].
    Hit,
    /// [`map`].
    Map,
    /// [`map_capped`].
    MapCapped,
    /// [`mrr`].
    Mrr,
    /// [`auc`]; it has no cutoff.
    Auc,
}

impl UserMeasure {
    /// The measure of a ranking whose hits are known, at cutoff `k`.
    #[must_use]
    pub fn of(self, hits: &HitProfile, k: usize) -> f64 {
        match self {
            Self::Ndcg => ndcg(hits, k),
            Self::Recall => recall(hits, k),
            Self::RecallCapped => recall_capped(hits, k),
            Self::Precision => precision(hits, k),
            Self::Hit => hit(hits, k),
            Self::Map => map(hits, k),
            Self::MapCapped => map_capped(hits, k),
            Self::Mrr => mrr(hits, k),
            Self::Auc => auc(hits),
        }
    }
}

impl UserMetric for UserMeasure {
    /// `ranked` must hold the `k` best candidates with their ties; for [`auc`], all candidates.
    fn at(&self, ranked: &RankedWithTies, truth: &Truth<'_>, k: usize) -> f64 {
        self.of(&HitProfile::new(ranked, truth), k)
    }
}

/// What is measured once over the lists of all users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListMeasure {
    /// [`item_coverage`].
    ItemCoverage,
    /// [`gini_index`].
    GiniIndex,
    /// [`entropy`].
    Entropy,
    /// [`novelty`].
    Novelty,
    /// [`average_popularity`].
    AveragePopularity,
    /// [`intra_list_diversity`].
    IntraListDiversity,
}

impl ListMetric for ListMeasure {
    /// Not a number where the measure is not defined: nothing listed, no counts, no metadata.
    fn over(&self, lists: &Lists, catalogue: &Catalogue, k: usize) -> f64 {
        match self {
            Self::ItemCoverage => item_coverage(lists, catalogue, k),
            Self::GiniIndex => gini_index(lists, catalogue, k),
            Self::Entropy => entropy(lists, catalogue, k),
            Self::Novelty => novelty(lists, catalogue, k),
            Self::AveragePopularity => average_popularity(lists, catalogue, k),
            Self::IntraListDiversity => intra_list_diversity(lists, catalogue, k),
        }
    }
}

/// Any metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Per user.
    User(UserMeasure),
    /// Over all lists.
    Lists(ListMeasure),
}

impl Metric {
    /// Every metric there is, in the order in which they are listed to people.
    pub const ALL: [Self; 15] = [
        Self::User(UserMeasure::Ndcg),
        Self::User(UserMeasure::Recall),
        Self::User(UserMeasure::RecallCapped),
        Self::User(UserMeasure::Precision),
        Self::User(UserMeasure::Hit),
        Self::User(UserMeasure::Map),
        Self::User(UserMeasure::MapCapped),
        Self::User(UserMeasure::Mrr),
        Self::User(UserMeasure::Auc),
        Self::Lists(ListMeasure::ItemCoverage),
        Self::Lists(ListMeasure::GiniIndex),
        Self::Lists(ListMeasure::Entropy),
        Self::Lists(ListMeasure::Novelty),
        Self::Lists(ListMeasure::AveragePopularity),
        Self::Lists(ListMeasure::IntraListDiversity),
    ];

    /// Its name, as it is written before the `@`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User(UserMeasure::Ndcg) => "ndcg",
            Self::User(UserMeasure::Recall) => "recall",
            Self::User(UserMeasure::RecallCapped) => "recall-capped",
            Self::User(UserMeasure::Precision) => "precision",
            Self::User(UserMeasure::Hit) => "hit",
            Self::User(UserMeasure::Map) => "map",
            Self::User(UserMeasure::MapCapped) => "map-capped",
            Self::User(UserMeasure::Mrr) => "mrr",
            Self::User(UserMeasure::Auc) => "auc",
            Self::Lists(ListMeasure::ItemCoverage) => "itemcoverage",
            Self::Lists(ListMeasure::GiniIndex) => "giniindex",
            Self::Lists(ListMeasure::Entropy) => "entropy",
            Self::Lists(ListMeasure::Novelty) => "novelty",
            Self::Lists(ListMeasure::AveragePopularity) => "averagepopularity",
            Self::Lists(ListMeasure::IntraListDiversity) => "intralistdiversity",
        }
    }

    /// What it says, in one line.
    #[must_use]
    pub fn doc(self) -> &'static str {
        match self {
            Self::User(UserMeasure::Ndcg) => {
                "discounted gain of the hits, 1/log2(rank + 1) each, over the best possible"
            }
            Self::User(UserMeasure::Recall) => "hits within k over all items to be found",
            Self::User(UserMeasure::RecallCapped) => {
                "hits within k over min(k, items to be found): 1 is always within reach"
            }
            Self::User(UserMeasure::Precision) => "hits within k over k",
            Self::User(UserMeasure::Hit) => "share of users with at least one hit within k",
            Self::User(UserMeasure::Map) => {
                "mean average precision over all items to be found, as trec_eval has it"
            }
            Self::User(UserMeasure::MapCapped) => {
                "mean average precision over min(k, items to be found)"
            }
            Self::User(UserMeasure::Mrr) => "one over the rank of the first hit, 0 below k",
            Self::User(UserMeasure::Auc) => {
                "probability that an item to be found ranks above another; all candidates, no cutoff"
            }
            Self::Lists(ListMeasure::ItemCoverage) => {
                "share of the catalogue that stands in somebody's list"
            }
            Self::Lists(ListMeasure::GiniIndex) => {
                "inequality of how often items are listed: 0 all alike, near 1 few get everything"
            }
            Self::Lists(ListMeasure::Entropy) => {
                "Shannon entropy of how often items are listed, in bits"
            }
            Self::Lists(ListMeasure::Novelty) => {
                "mean self-information of listed items, -log2(share of users who have it), in bits"
            }
            Self::Lists(ListMeasure::AveragePopularity) => {
                "mean number of training users of listed items"
            }
            Self::Lists(ListMeasure::IntraListDiversity) => {
                "1 - mean cosine of the metadata of pairs of items in a list; needs metadata"
            }
        }
    }

    /// Whether it has a cutoff; only [`auc`] looks at the complete ranking.
    #[must_use]
    pub fn has_cutoff(self) -> bool {
        self != Self::User(UserMeasure::Auc)
    }

    /// This metric at several cutoffs; once where it has none.
    #[must_use]
    pub fn at_each(self, ks: &[usize]) -> Vec<MetricAt> {
        if self.has_cutoff() {
            ks.iter().map(|&k| MetricAt { metric: self, k }).collect()
        } else {
            vec![MetricAt { metric: self, k: 0 }]
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names by which other libraries call our metrics.
const ALSO_CALLED: [(&str, &str); 12] = [
    ("hr", "hit"),
    ("hitrate", "hit"),
    ("hit-rate", "hit"),
    ("success", "hit"),
    ("coverage", "itemcoverage"),
    ("gini", "giniindex"),
    ("shannonentropy", "entropy"),
    ("ild", "intralistdiversity"),
    ("diversity", "intralistdiversity"),
    ("popularity", "averagepopularity"),
    ("ap", "map"),
    ("reciprocal-rank", "mrr"),
];

impl FromStr for Metric {
    type Err = Error;

    /// Reads a name without a cutoff; upper and lower case are the same.
    fn from_str(text: &str) -> Result<Self> {
        let name = text.to_ascii_lowercase();
        if let Some(metric) = Self::ALL.into_iter().find(|m| m.name() == name) {
            return Ok(metric);
        }
        Err(Error::UnknownMetric {
            name: text.to_owned(),
            suggestion: closest(&name)
                .map(|s| format!("; did you mean '{s}'?"))
                .unwrap_or_default(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// The name that was probably meant: another library's name for it, or one a few keys away.
fn closest(name: &str) -> Option<&'static str> {
    if let Some((_, ours)) = ALSO_CALLED.iter().find(|(other, _)| *other == name) {
        return Some(ours);
    }
    Metric::ALL
        .into_iter()
        .map(|m| (strsim::damerau_levenshtein(name, m.name()), m.name()))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A metric with its cutoff, written `ndcg@20`; `auc` has no cutoff, and its `k` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MetricAt {
    /// The metric.
    pub metric: Metric,
    /// How many of the best items count.
    pub k: usize,
}

impl fmt::Display for MetricAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.metric.has_cutoff() {
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
        let metric: Metric = name.parse()?;
        let error = |rule| Error::Cutoff {
            text: text.to_owned(),
            rule,
            example: Self { metric, k: 20 }.to_string(),
        };
        let k = match (metric.has_cutoff(), cutoff) {
            (false, None) => 0,
            (false, Some(_)) => {
                return Err(error("it looks at the whole ranking and has no cutoff"));
            }
            (true, None) => return Err(error("it needs a cutoff")),
            (true, Some(k)) => match k.parse::<u32>() {
                Ok(k) if k > 0 => k as usize,
                _ => return Err(error("its cutoff must be a whole number above 0")),
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
    //! Small rankings and lists for the cases by hand.

    use super::HitProfile;
    use limpid_core::{Catalogue, Ids, ItemIdx, Lists, RankedWithTies, Scored, Truth};

    /// A ranking without ties that shows whether each place holds a hit; all candidates are in it.
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
    fn every_metric_is_read_as_it_is_written() {
        for metric in Metric::ALL {
            for at in metric.at_each(&[1, 20]) {
                assert_eq!(at.to_string().parse::<MetricAt>().unwrap(), at);
            }
            assert_eq!(metric.name().parse::<Metric>().unwrap(), metric);
            assert!(!metric.doc().is_empty() && !metric.doc().ends_with('.'));
            let namesakes = Metric::ALL
                .iter()
                .filter(|m| m.name() == metric.name())
                .count();
            assert_eq!(namesakes, 1);
        }
        assert_eq!(" NDCG@5".parse::<MetricAt>().unwrap().to_string(), "ndcg@5");
        for (_, ours) in ALSO_CALLED {
            assert!(ours.parse::<Metric>().is_ok());
        }
    }

    #[test]
    fn errors_say_how_to_write_it() {
        let error = |text: &str| text.parse::<MetricAt>().unwrap_err().to_string();
        assert!(error("ncdg@20").contains("did you mean 'ndcg'?"));
        assert!(error("gini@20").contains("did you mean 'giniindex'?"));
        assert!(error("recal@5").contains("did you mean 'recall'?"));
        assert!(!error("happiness@5").contains("did you mean"));
        assert!(error("ndcg").ends_with("it needs a cutoff; write 'ndcg@20'"));
        assert!(error("ndcg@0").contains("above 0"));
        assert!(error("auc@5").ends_with("has no cutoff; write 'auc'"));
    }
}
