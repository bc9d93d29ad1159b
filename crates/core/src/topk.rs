//! Ranking: masks, top-k with ties broken by hash, and lists with their ties.
//!
//! Scores are compared by value; if they are equal, recommendation lists are ordered by the
//! seeded hash of the external item id ([`Catalogue::tie_breaks`](crate::Catalogue::tie_breaks)),
//! and metrics see the whole group of ties ([`RankedWithTies`]) and take the expected value.

use crate::ItemIdx;

/// Items that must not be ranked: seen, excluded, not on an allow list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u64>,
    n_items: usize,
}

impl Mask {
    /// Nothing is masked.
    #[must_use]
    pub fn none(n_items: usize) -> Self {
        Self {
            words: vec![0; n_items.div_ceil(64)],
            n_items,
        }
    }

    /// Number of items of the catalogue, masked or not.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Masks items; those outside of the catalogue are ignored.
    pub fn hide(&mut self, items: impl IntoIterator<Item = ItemIdx>) {
        for item in items {
            if item.at() < self.n_items {
                self.words[item.at() / 64] |= 1 << (item.at() % 64);
            }
        }
    }

    /// Masks all other items; items masked before remain masked.
    pub fn only(&mut self, items: impl IntoIterator<Item = ItemIdx>) {
        let mut allowed = Self::none(self.n_items);
        allowed.hide(items);
        for (word, allowed) in self.words.iter_mut().zip(&allowed.words) {
            *word |= !allowed;
        }
    }

    /// Clears the mask, keeping the memory.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Whether an item is masked; items outside of the catalogue are.
    #[must_use]
    pub fn hides(&self, item: ItemIdx) -> bool {
        item.at() >= self.n_items || self.words[item.at() / 64] >> (item.at() % 64) & 1 == 1
    }

    /// The positions that are masked, ascending.
    fn hidden(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words
            .flat_map(|(at, &word)| {
                let rest = std::iter::successors(Some(word), |w| Some(w & w.wrapping_sub(1)));
                let set = rest.take_while(|&w| w != 0);
                set.map(move |w| at * 64 + w.trailing_zeros() as usize)
            })
            .take_while(|&at| at < self.n_items)
    }

    /// Number of items that may be ranked.
    #[must_use]
    pub fn n_candidates(&self) -> usize {
        let mut hidden: usize = self.words.iter().map(|w| w.count_ones() as usize).sum();
        let spare = self.words.len() * 64 - self.n_items;
        if spare > 0
            && let Some(last) = self.words.last()
        {
            hidden -= (last >> (64 - spare)).count_ones() as usize;
        }
        self.n_items - hidden
    }
}

/// An item with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The item.
    pub item: ItemIdx,
    /// Its score.
    pub score: f32,
}

/// The `k` best items that are not masked, best first; fewer if there are fewer.
///
/// Equal scores are ordered by `tie_breaks` `(items)`. NaN ranks last.
#[must_use]
pub fn top_k(scores: &[f32], mask: &Mask, tie_breaks: &[u64], k: usize) -> Vec<Scored> {
    let tie_break = |c: &Candidate| tie_breaks.get(c.at()).copied().unwrap_or(0);
    let mut best = candidates_above(scores, mask, k);
    best.sort_unstable_by_key(|c| (c.group(), tie_break(c), c.at()));
    best.truncate(k);
    best.into_iter()
        .map(|c| Scored {
            item: ItemIdx(c.at() as u32),
            score: scores[c.at()],
        })
        .collect()
}

/// The rank of an item among those that are not masked, 1 for the best, in the order of [`top_k`].
///
/// A masked item gets the rank that it would have if it were not masked. An item without a
/// score ranks after all others.
#[must_use]
pub fn rank_of(scores: &[f32], mask: &Mask, tie_breaks: &[u64], item: ItemIdx) -> usize {
    let Some(&own) = scores.get(item.at()) else {
        return mask.n_candidates() + 1;
    };
    let scores = &scores[..scores.len().min(mask.n_items)];
    let own = total(own);
    // Two counts over all items, which the compiler vectorizes, then less those that are masked.
    let (mut better, mut level) = (0, 0);
    for &score in scores {
        better += u32::from(score > own);
        level += u32::from(total(score) == own);
    }
    let mut better = better as usize;
    for hidden in mask.hidden().take_while(|&at| at < scores.len()) {
        better -= usize::from(scores[hidden] > own);
    }
    if level > 1 {
        let order = |at: usize| (tie_breaks.get(at).copied().unwrap_or(0), at);
        let before = |at: usize| total(scores[at]) == own && order(at) < order(item.at());
        better += (0..scores.len())
            .filter(|&at| before(at) && !mask.hides(ItemIdx(at as u32)))
            .count();
    }
    better + 1
}

/// NaN ranks last; −0 equals 0.
fn total(score: f32) -> f32 {
    if score.is_nan() {
        f32::NEG_INFINITY
    } else {
        score + 0.0
    }
}

/// A sort key: the score, best first, in the upper half, and the position in
/// the lower half. Comparing integers keeps the selection free of branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u64);

impl Candidate {
    fn new(score: f32, at: usize) -> Self {
        Self(u64::from(Self::place(score)) << 32 | at as u64)
    }

    /// The bits of a score as an integer that is smaller for better scores and equal for equal ones.
    fn place(score: f32) -> u32 {
        let bits = total(score).to_bits();
        if bits >> 31 == 1 {
            bits
        } else {
            !bits & (u32::MAX >> 1)
        }
    }

    /// The score of a key.
    fn score(place: u32) -> f32 {
        f32::from_bits(match place >> 31 == 1 {
            true => place,
            false => !place & (u32::MAX >> 1),
        })
    }

    /// Equal for candidates that tie.
    fn group(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn at(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

/// The unmasked positions whose score reaches the k-th best one, ties included, in no order.
///
/// The scores are arranged in rows of equal width, and the best of each column is found first: a loop
/// without branches, which the compiler vectorizes. The k-th best of these is a lower bound
/// that k items reach, so only the few columns that reach it are scanned again. Tall columns
/// are faster, short ones give a tighter bound if k is large.
fn candidates_above(scores: &[f32], mask: &Mask, k: usize) -> Vec<Candidate> {
    let scores = &scores[..scores.len().min(mask.n_items)];
    if k == 0 || scores.is_empty() {
        return Vec::new();
    }
    let height = [16, 4, 1].into_iter().find(|h| 4 * k * h <= scores.len());
    let width = scores.len().div_ceil(height.unwrap_or(1));
    let column = |first: usize| (first..scores.len()).step_by(width);
    // A copy without the masked scores, which are often the best ones, is faster than skipping them.
    let mut open = scores.to_vec();
    for hidden in mask.hidden().take_while(|&at| at < scores.len()) {
        open[hidden] = f32::NEG_INFINITY;
    }
    let mut bests = vec![f32::NEG_INFINITY; width];
    for row in open.chunks(width) {
        for (best, &score) in bests.iter_mut().zip(row) {
            *best = if score > *best { score } else { *best };
        }
    }
    let mut limit = k.saturating_mul(2).max(128);
    let mut kept: Vec<Candidate> = Vec::with_capacity(limit.min(scores.len()) + 16);
    let mut threshold = bound(&bests, k);
    for (first, &best) in bests.iter().enumerate() {
        if best < threshold {
            continue;
        }
        for at in column(first) {
            let score = total(open[at]);
            if score >= threshold && !mask.hides(ItemIdx(at as u32)) {
                kept.push(Candidate::new(score, at));
            }
        }
        if kept.len() >= limit {
            threshold = total(scores[cut(&mut kept, k).at()]);
            limit = kept.len().saturating_mul(2).max(limit);
        }
    }
    if kept.len() > k {
        cut(&mut kept, k);
    }
    kept
}

/// The k-th best of the scores of different items; −∞ if there are fewer than k.
fn bound(bests: &[f32], k: usize) -> f32 {
    if k > bests.len() {
        return f32::NEG_INFINITY;
    }
    let mut places: Vec<u32> = bests.iter().map(|&score| Candidate::place(score)).collect();
    let (_, &mut kth, _) = places.select_nth_unstable(k - 1);
    Candidate::score(kth)
}

/// Keeps the `k` best of `kept` and ties with the last of them, which it returns.
fn cut(kept: &mut Vec<Candidate>, k: usize) -> Candidate {
    let at = k.min(kept.len()) - 1;
    let (_, &mut kth, _) = kept.select_nth_unstable(at);
    // Better scores than the k-th are now before it; ties may be after it too.
    let behind = at + 1;
    let mut end = behind;
    for next in behind..kept.len() {
        if kept[next].group() == kth.group() {
            kept.swap(end, next);
            end += 1;
        }
    }
    kept.truncate(end);
    kth
}

/// The head of a ranking with its groups of equal scores, so that a metric can take the expected
/// value over the orders within a group instead of that of one arbitrary order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RankedWithTies {
    /// Items, best group first; the last group is complete, so there may be more than `k`.
    pub items: Vec<ItemIdx>,
    /// End offsets of the groups of equal scores in `items`, ascending.
    pub group_ends: Vec<u32>,
    /// Number of items that are not masked.
    pub n_candidates: usize,
}

impl RankedWithTies {
    /// The groups that contain the `k` best unmasked items.
    #[must_use]
    pub fn new(scores: &[f32], mask: &Mask, k: usize) -> Self {
        let mut best = candidates_above(scores, mask, k);
        best.sort_unstable();
        let mut group_ends = Vec::with_capacity(best.len());
        for at in 1..=best.len() {
            if best
                .get(at)
                .is_none_or(|next| next.group() != best[at - 1].group())
            {
                group_ends.push(at as u32);
            }
        }
        Self {
            items: best.into_iter().map(|c| ItemIdx(c.at() as u32)).collect(),
            group_ends,
            n_candidates: mask.n_candidates(),
        }
    }

    /// A list without ties, best first, such as an external ranking.
    #[must_use]
    pub fn strict(items: Vec<ItemIdx>, n_candidates: usize) -> Self {
        Self {
            group_ends: (1..=items.len() as u32).collect(),
            items,
            n_candidates,
        }
    }

    /// The groups as ranges of `items`.
    pub fn groups(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut start = 0;
        self.group_ends.iter().map(move |&end| {
            let range = start..end as usize;
            start = end as usize;
            range
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(list: &[Scored]) -> Vec<u32> {
        list.iter().map(|s| s.item.0).collect()
    }

    #[test]
    fn masks_count_their_candidates() {
        let mut mask = Mask::none(70);
        assert_eq!(mask.n_candidates(), 70);
        mask.hide([ItemIdx(0), ItemIdx(69), ItemIdx(500)]);
        assert_eq!(mask.n_candidates(), 68);
        mask.only([ItemIdx(0), ItemIdx(1), ItemIdx(68)]);
        assert_eq!(mask.n_candidates(), 2);
        assert!(mask.hides(ItemIdx(0)) && !mask.hides(ItemIdx(68)) && mask.hides(ItemIdx(70)));
        mask.clear();
        assert_eq!(mask.n_candidates(), 70);
    }

    #[test]
    fn ties_are_broken_by_hash_and_nan_is_last() {
        let scores = [1.0, 2.0, f32::NAN, 2.0, -0.0, 0.0];
        let mask = Mask::none(6);
        let list = top_k(&scores, &mask, &[0, 9, 0, 3, 8, 7], 6);
        assert_eq!(items(&list), [3, 1, 0, 5, 4, 2]);
        assert!(top_k(&scores, &mask, &[0; 6], 0).is_empty());
        let ranked = RankedWithTies::new(&scores, &mask, 1);
        assert_eq!(ranked.items, [ItemIdx(1), ItemIdx(3)]);
        assert!(ranked.groups().eq([0..2, 2..2].into_iter().take(1)));
    }

    proptest! {
        /// Infinite scores and NaN, masked or not, rank as defined.
        #[test]
        fn special_scores_rank_as_defined(
            picks in proptest::collection::vec(0usize..6, 0..200),
            hidden in proptest::collection::vec(0u32..200, 0..60),
            k in 1usize..12,
        ) {
            let values = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, -0.0, 0.0, 1.0];
            let scores: Vec<f32> = picks.iter().map(|&p| values[p]).collect();
            let mut mask = Mask::none(scores.len());
            mask.hide(hidden.iter().map(|&h| ItemIdx(h)));
            let mut all: Vec<f32> = (0..scores.len())
                .filter(|&i| !mask.hides(ItemIdx(i as u32)))
                .map(|i| total(scores[i]))
                .collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let list = top_k(&scores, &mask, &[], k);
            let found: Vec<f32> = list.iter().map(|s| total(s.score)).collect();
            prop_assert_eq!(&found[..], &all[..k.min(all.len())]);
            prop_assert!(list.iter().all(|s| !mask.hides(s.item)));
        }

        /// Equals the definition: sort all items, drop masked ones, take k.
        #[test]
        fn agrees_with_sorting_everything(
            scores in proptest::collection::vec(-3i8..4, 0..300),
            hidden in proptest::collection::vec(0u32..300, 0..80),
            k in 0usize..40,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let n = scores.len();
            let ties: Vec<u64> = (0..n as u64).map(crate::hash::mix).collect();
            let mut mask = Mask::none(n);
            mask.hide(hidden.iter().map(|&h| ItemIdx(h)));
            let mut all: Vec<usize> =
                (0..n).filter(|&i| !mask.hides(ItemIdx(i as u32))).collect();
            prop_assert_eq!(mask.n_candidates(), all.len());
            all.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(ties[a].cmp(&ties[b])));
            let list = top_k(&scores, &mask, &ties, k);
            let expected: Vec<u32> = all.iter().take(k).map(|&i| i as u32).collect();
            prop_assert_eq!(items(&list), expected);
            for (at, item) in list.iter().enumerate() {
                prop_assert_eq!(rank_of(&scores, &mask, &ties, item.item), at + 1);
            }

            let ranked = RankedWithTies::new(&scores, &mask, k);
            prop_assert!(ranked.items.iter().all(|&i| !mask.hides(i)));
            prop_assert!(ranked.items.len() >= k.min(all.len()));
            for group in ranked.groups() {
                let value = scores[ranked.items[group.start].at()];
                let whole = all.iter().filter(|&&i| scores[i] == value).count();
                prop_assert_eq!(group.len(), whole);
            }
        }
    }
}
