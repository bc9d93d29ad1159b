//! Distribution of all recommendations over the items: coverage, Gini index, entropy. Coverage and the
//! Gini index are taken over a [`Universe`] of items.

use limpid_core::{Catalogue, Lists};

use super::{Measure, Metric};
use crate::Universe;

/// [`item_coverage`] in the list of metrics.
pub const ITEM_COVERAGE: Metric = Metric {
    name: "itemcoverage",
    aliases: &["coverage", "catalog-coverage"],
    doc: "share of the items with training events that appear in at least one list",
    has_cutoff: true,
    measure: Measure::Lists {
        of: item_coverage,
        undefined: "there are no items",
    },
};

/// [`gini_index`] in the list of metrics.
pub const GINI_INDEX: Metric = Metric {
    name: "giniindex",
    aliases: &["gini", "list-gini"],
    doc: "inequality of how often items are listed: 0 all equally often, near 1 few items take all",
    has_cutoff: true,
    measure: Measure::Lists {
        of: gini_index,
        undefined: "no list holds an item with training events",
    },
};

/// [`entropy`] in the list of metrics.
pub const ENTROPY: Metric = Metric {
    name: "entropy",
    aliases: &["shannon-entropy"],
    doc: "Shannon entropy of how often items are listed, in bits",
    has_cutoff: true,
    measure: Measure::Lists {
        of: entropy,
        undefined: "no list holds an item",
    },
};

/// How often each item is within the first `k` of a list `(items)`.
fn exposures(lists: &Lists, catalogue: &Catalogue, k: usize) -> Vec<u64> {
    let mut counts = vec![0u64; catalogue.len()];
    for list in &lists.lists {
        for scored in list.iter().take(k) {
            if let Some(count) = counts.get_mut(scored.item.at()) {
                *count += 1;
            }
        }
    }
    counts
}

/// How often each item of a universe is within the first `k` of a list.
fn exposures_within(
    lists: &Lists,
    catalogue: &Catalogue,
    universe: Universe,
    k: usize,
) -> Vec<u64> {
    let counts = exposures(lists, catalogue, k);
    let members = universe.members(catalogue);
    let pairs = counts.into_iter().zip(members);
    pairs.filter(|&(_, is)| is).map(|(n, _)| n).collect()
}

/// `itemcoverage@k = items in at least one list ÷ items`, over the items of the universe; in `[0, 1]`.
/// Undefined (NaN) without items.
#[must_use]
pub fn item_coverage(lists: &Lists, catalogue: &Catalogue, universe: Universe, k: usize) -> f64 {
    let counts = exposures_within(lists, catalogue, universe, k);
    let shown = counts.iter().filter(|&&n| n > 0).count();
    shown as f64 / counts.len() as f64
}

/// `giniindex@k = Σ_i (2i − n − 1) c_i ÷ (n Σ_i c_i)`, with c_1 ≤ … ≤ c_n how often each of the n
/// items of the universe is listed; in `[0, 1)`. 0: all items equally often; near 1: few items take
/// all. Undefined (NaN) without listed items.
#[must_use]
pub fn gini_index(lists: &Lists, catalogue: &Catalogue, universe: Universe, k: usize) -> f64 {
    gini(exposures_within(lists, catalogue, universe, k))
}

/// The Gini index of counts in any order; NaN without a count above 0.
pub(crate) fn gini(mut counts: Vec<u64>) -> f64 {
    counts.sort_unstable();
    let n = counts.len() as f64;
    let total: f64 = counts.iter().map(|&c| c as f64).sum();
    let weighted: f64 = counts
        .iter()
        .enumerate()
        .map(|(at, &c)| (2.0 * (at as f64 + 1.0) - n - 1.0) * c as f64)
        .sum();
    weighted / (n * total)
}

/// `entropy@k = −Σ_i p_i log₂ p_i` in bits, with p_i the share of item i in all list entries (the Shannon
/// entropy); in `[0, log₂ n]`, larger is more diverse. Undefined (NaN) without listed items.
#[must_use]
pub fn entropy(lists: &Lists, catalogue: &Catalogue, _: Universe, k: usize) -> f64 {
    let counts = exposures(lists, catalogue, k);
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return f64::NAN;
    }
    let bits: f64 = counts
        .iter()
        .filter(|&&c| c > 0)
        .map(|&c| {
            let p = c as f64 / total as f64;
            -p * p.log2()
        })
        .sum();
    // One item alone gives −0.
    bits.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::{catalogue, lists};

    const ALL: Universe = Universe::Catalogue;

    /// Four items; item 0 is listed twice, item 1 once, item 2 once.
    #[test]
    fn by_hand() {
        let c = catalogue(4);
        let l = lists(&[&[0, 1], &[0, 2]]);
        assert_eq!(item_coverage(&l, &c, ALL, 2), 0.75);
        assert_eq!(item_coverage(&l, &c, ALL, 1), 0.25);
        // Counts 0 1 1 2: (−3·0 − 1·1 + 1·1 + 3·2) / (4 · 4).
        assert_eq!(gini_index(&l, &c, ALL, 2), 0.375);
        assert_eq!(entropy(&l, &c, ALL, 2), 1.5);
        assert_eq!(entropy(&l, &c, ALL, 1), 0.0);
        let even = lists(&[&[0, 1], &[2, 3]]);
        assert_eq!(gini_index(&even, &c, ALL, 2), 0.0);
        assert_eq!(entropy(&even, &c, ALL, 2), 2.0);
    }

    /// The same lists; item 3 has no training events, and item 4 is listed without having any.
    #[test]
    fn items_without_training_events_do_not_count() {
        let mut c = catalogue(5);
        c.train_counts = vec![3, 2, 1, 0, 0];
        let l = lists(&[&[0, 1], &[0, 2]]);
        let trained = Universe::Trained;
        assert_eq!(item_coverage(&l, &c, trained, 2), 1.0);
        assert_eq!(item_coverage(&l, &c, ALL, 2), 0.6);
        // Counts 1 1 2: (−2·1 + 0·1 + 2·2) / (3 · 4).
        assert!((gini_index(&l, &c, trained, 2) - 1.0 / 6.0).abs() < 1e-12);
        let untrained = lists(&[&[0, 4], &[1, 2]]);
        assert_eq!(item_coverage(&untrained, &c, trained, 2), 1.0);
        assert_eq!(gini_index(&untrained, &c, trained, 2), 0.0);
        // Without any training counts all items count.
        assert_eq!(item_coverage(&l, &catalogue(5), trained, 2), 0.6);
        assert_eq!((trained.len(&c), ALL.len(&c)), (3, 5));
    }

    #[test]
    fn undefined_without_listed_items() {
        let (c, l) = (catalogue(2), lists(&[&[]]));
        assert_eq!(item_coverage(&l, &c, ALL, 3), 0.0);
        assert!(gini_index(&l, &c, ALL, 3).is_nan() && entropy(&l, &c, ALL, 3).is_nan());
    }
}
