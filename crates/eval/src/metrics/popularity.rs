//! Popularity of the recommended items: novelty and average popularity.

use limpid_core::{Catalogue, Lists};

use super::{Measure, Metric};
use crate::Universe;

/// [`novelty`] in the list of metrics.
pub const NOVELTY: Metric = Metric {
    name: "novelty",
    aliases: &["self-information"],
    doc: "mean self-information of listed items, -log2(share of training users), in bits",
    has_cutoff: true,
    measure: Measure::Lists {
        of: novelty,
        undefined: "the catalogue has no training counts, or no list holds an item",
    },
};

/// [`average_popularity`] in the list of metrics.
pub const AVERAGE_POPULARITY: Metric = Metric {
    name: "averagepopularity",
    aliases: &["popularity", "arp"],
    doc: "mean number of training users of listed items",
    has_cutoff: true,
    measure: Measure::Lists {
        of: average_popularity,
        undefined: "the catalogue has no training counts, or no list holds an item",
    },
};

/// `novelty@k`: the mean self-information `−log₂(c_i / U)` of the listed items in bits, with c_i the
/// number of training users of item i and U of all training users; mean within each list, then over
/// non-empty lists.
///
/// Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010.
/// An item without training users counts as if it had one. Undefined (NaN) without training counts or
/// without listed items.
#[must_use]
pub fn novelty(lists: &Lists, catalogue: &Catalogue, _: Universe, k: usize) -> f64 {
    let users = catalogue.n_train_users as f64;
    if catalogue.train_counts.iter().all(|&c| c == 0) || catalogue.n_train_users == 0 {
        return f64::NAN;
    }
    mean_of_lists(lists, k, |item| {
        let count = catalogue.train_counts.get(item).copied().unwrap_or(0);
        -(f64::from(count.max(1)) / users).log2()
    })
}

/// `averagepopularity@k`: the mean number of training users of the listed items, within each list, then
/// over non-empty lists. Unit: users. Undefined (NaN) without training counts or without listed items.
#[must_use]
pub fn average_popularity(lists: &Lists, catalogue: &Catalogue, _: Universe, k: usize) -> f64 {
    if catalogue.train_counts.iter().all(|&c| c == 0) {
        return f64::NAN;
    }
    mean_of_lists(lists, k, |item| {
        f64::from(catalogue.train_counts.get(item).copied().unwrap_or(0))
    })
}

fn mean_of_lists(lists: &Lists, k: usize, value: impl Fn(usize) -> f64) -> f64 {
    let (mut sum, mut n) = (0.0, 0usize);
    for list in &lists.lists {
        let head = &list[..k.min(list.len())];
        if !head.is_empty() {
            let total: f64 = head.iter().map(|s| value(s.item.at())).sum();
            sum += total / head.len() as f64;
            n += 1;
        }
    }
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::{catalogue, lists};

    const ALL: Universe = Universe::Catalogue;

    #[test]
    fn by_hand() {
        let mut c = catalogue(3);
        c.train_counts = vec![8, 2, 0];
        c.n_train_users = 8;
        let l = lists(&[&[0, 1], &[2], &[]]);
        // (0 + 2) / 2 bits and 3 bits; (8 + 2) / 2 users and 0.
        assert_eq!(novelty(&l, &c, ALL, 2), 2.0);
        assert_eq!(novelty(&l, &c, ALL, 1), 1.5);
        assert_eq!(average_popularity(&l, &c, ALL, 2), 2.5);
        assert!(novelty(&lists(&[&[]]), &c, ALL, 2).is_nan());
        assert!(average_popularity(&l, &catalogue(3), ALL, 2).is_nan());
    }
}
