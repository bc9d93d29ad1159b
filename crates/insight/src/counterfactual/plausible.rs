//! How plausible an edit of a history is: whether people with such histories have the item.
//!
//! The share of an item c is estimated from the 100 training rows v with the most similar
//! histories, by the cosine `w_v = |u ∩ v| / √(|u| |v|)`, with the popularity of the item as the prior of
//! weight 1:
//!
//! ```text
//! p(c) = (Σ_v w_v [c ∈ v] + p₀(c)) / (Σ_v w_v + 1)      p₀(c) = (users of c + ½) / (users + 1)
//! ```
//!
//! The plausibility of an edit is the sum of log odds: `ln p/(1 − p)` of each added item, the negative of
//! it of each removed one. So it is plausible to add what such people have, and to remove what they do
//! not have.

use limpid_core::{Catalogue, Histories, History, ItemIdx};

use super::HistoryEdit;

/// Number of training rows that count as similar.
const NEIGHBORS: usize = 100;

/// The log odds that a user with such a history has each item.
#[derive(Debug, Clone, PartialEq)]
pub struct Plausible {
    odds: Vec<f64>, // (I)
}

impl Plausible {
    /// From the popularity of items alone, where there are no training rows.
    #[must_use]
    pub fn of_popularity(catalogue: &Catalogue) -> Self {
        Self::of_shares((0..catalogue.len()).map(|i| prior(catalogue, i)))
    }

    /// From the training rows with the most similar histories, without the user's own row. Items beyond
    /// the catalogue are ignored.
    #[must_use]
    pub fn of_neighbors(user: History<'_>, train: &Histories, catalogue: &Catalogue) -> Self {
        let n_items = catalogue.len();
        // The row in which an item was counted last, so that repeated items count once; own items begin
        // at 0, others at none.
        const OTHER: u32 = u32::MAX;
        let mut own = vec![false; n_items];
        let mut n_own = 0usize;
        for item in user.items {
            if let Some(own) = own.get_mut(item.at())
                && !*own
            {
                *own = true;
                n_own += 1;
            }
        }
        let mut last = vec![OTHER; n_items];
        let mut nearest: Vec<(f64, usize)> = Vec::new();
        for (at, row) in train.rows().enumerate() {
            if row.user.is_some() && row.user == user.user {
                continue;
            }
            let (mut n, mut shared) = (0usize, 0usize);
            for item in row.items {
                if let Some(last) = last.get_mut(item.at())
                    && *last != at as u32
                {
                    *last = at as u32;
                    n += 1;
                    shared += usize::from(own[item.at()]);
                }
            }
            if shared > 0 {
                nearest.push((shared as f64 / ((n * n_own) as f64).sqrt(), at));
            }
        }
        nearest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        nearest.truncate(NEIGHBORS);
        let mut shares: Vec<f64> = (0..n_items).map(|i| prior(catalogue, i)).collect();
        let total = 1.0 + nearest.iter().map(|n| n.0).sum::<f64>();
        for &(weight, at) in &nearest {
            for (item, _) in train.row(at).item_values() {
                if let Some(share) = shares.get_mut(item.at()) {
                    *share += weight;
                }
            }
        }
        Self::of_shares(shares.into_iter().map(|s| s / total))
    }

    fn of_shares(shares: impl Iterator<Item = f64>) -> Self {
        let odds = shares.map(|p| {
            let p = p.clamp(1e-9, 1.0 - 1e-9);
            (p / (1.0 - p)).ln()
        });
        Self {
            odds: odds.collect(),
        }
    }

    /// The log odds that such a user has an item; negative infinity for an item without a number.
    #[must_use]
    pub fn has(&self, item: ItemIdx) -> f64 {
        let odds = self.odds.get(item.at()).copied();
        odds.unwrap_or(f64::NEG_INFINITY)
    }

    /// The plausibility of one change.
    #[must_use]
    pub fn of(&self, edit: HistoryEdit) -> f64 {
        match edit.is_addition() {
            true => self.has(edit.item()),
            false => -self.has(edit.item()),
        }
    }
}

/// The share of all users who have an item, with half a user more.
fn prior(catalogue: &Catalogue, item: usize) -> f64 {
    let count = catalogue.train_counts.get(item).copied().unwrap_or(0);
    let users = catalogue.n_train_users.max(count as usize);
    (f64::from(count) + 0.5) / (users as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Ids, OwnedHistory, UserIdx};

    /// Two of the three neighbors of [0] have 1, with cosines 1/√2 and 1/√3; none has 3.
    #[test]
    fn neighbors_by_hand() {
        let rows = [vec![0, 1], vec![0, 1, 2, 2], vec![0], vec![3]];
        let train = Histories::from_rows(&rows, 4).unwrap();
        let names = (0..4).map(|i| i.to_string()).collect();
        let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        catalogue.train_counts = vec![3, 2, 1, 1];
        catalogue.n_train_users = 4;
        let user = OwnedHistory::of_items(vec![ItemIdx(0)]);
        let odds = Plausible::of_neighbors(user.view(), &train, &catalogue);
        let (two, three) = (0.5f64.sqrt(), (1f64 / 3.0).sqrt());
        let total = 1.0 + two + three + 1.0;
        let expected = |p: f64| (p / (1.0 - p)).ln();
        let share = (two + three + 0.5) / total;
        assert!((odds.has(ItemIdx(1)) - expected(share)).abs() < 1e-12);
        assert!((odds.has(ItemIdx(3)) - expected(0.3 / total)).abs() < 1e-12);
        let remove = odds.of(HistoryEdit::Remove(ItemIdx(1)));
        assert_eq!(remove, -odds.of(HistoryEdit::Add(ItemIdx(1))));
        // Without rows it is the popularity.
        let popular = Plausible::of_popularity(&catalogue);
        assert!((popular.has(ItemIdx(0)) - expected(0.7)).abs() < 1e-12);
        // The user's own row does not count.
        let own = History {
            user: Some(UserIdx(7)),
            ..train.row(3)
        };
        let mut owned = own.to_owned();
        owned.add(ItemIdx(0), 0);
        let mine = Histories::from_histories([own], 4).unwrap();
        let odds = Plausible::of_neighbors(own, &mine, &catalogue);
        assert_eq!(odds, popular);
    }
}
