//! Groups: a partition of the items into small sets that the same users have.
//!
//! A rule is readable if it is about a few items that belong together. The partition is
//! greedy: pairs of nearest neighbors, most similar first, join their groups while the union is small
//! enough and similar enough on average. It depends on the data only, not on the order of items,
//! threads or lines, up to exact ties.
//!
//! Similarity is the cosine of item columns; if a fit of links is given, it is mixed with the cosine of
//! their weights: items of a rule are alike in who has them and in what they speak for. With a `coherence`
//! above 0 it is lowered for items whose metadata have little in common, so that groups can be named;
//! that costs some accuracy and is off by default.

use limpid_core::{Catalogue, Csr, ItemIdx};
use rayon::prelude::*;

/// Minimum number of users for an item to join a group: the neighbors of rarer items are noise.
const MIN_SUPPORT: usize = 5;

/// Neighbors of an item that may start a group with it.
const NEIGHBORS: usize = 40;

/// Minimum cosine of the columns of a pair that joins its groups.
const MIN_COSINE: f64 = 0.05;

/// Minimum mean similarity between two groups, as a share of the similarity of the pair that joins them.
const MIN_LINK: f64 = 0.5;

/// Marks an item without a group.
const ALONE: u32 = u32::MAX;

/// A partition of the items; groups have at least two items, all other items have no group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    members: Vec<Vec<ItemIdx>>,
    of: Vec<u32>,
}

impl Groups {
    /// Groups from their members; an item may be in at most one of them.
    ///
    /// `None` if an item is in two groups, a group has fewer than two items, or an item is not below
    /// `n_items`.
    #[must_use]
    pub fn new(mut members: Vec<Vec<ItemIdx>>, n_items: usize) -> Option<Self> {
        let mut of = vec![ALONE; n_items];
        for (g, items) in members.iter_mut().enumerate() {
            items.sort_unstable();
            if items.len() < 2 {
                return None;
            }
            for item in items.iter() {
                let place = of.get_mut(item.at())?;
                if *place != ALONE {
                    return None;
                }
                *place = g as u32;
            }
        }
        Some(Self { members, of })
    }

    /// No groups.
    #[must_use]
    pub fn none(n_items: usize) -> Self {
        Self {
            members: Vec::new(),
            of: vec![ALONE; n_items],
        }
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Number of items of the catalogue.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.of.len()
    }

    /// The items of a group, ascending; empty for an unknown group.
    #[must_use]
    pub fn members(&self, group: u32) -> &[ItemIdx] {
        self.members.get(group as usize).map_or(&[], Vec::as_slice)
    }

    /// The group of an item, if it has one.
    #[must_use]
    pub fn of(&self, item: ItemIdx) -> Option<u32> {
        self.of.get(item.at()).copied().filter(|&g| g != ALONE)
    }

    /// All groups in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[ItemIdx]> {
        self.members.iter().map(Vec::as_slice)
    }
}

/// How items are grouped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping {
    /// Maximum number of items in a group.
    pub size: usize,
    /// Share of the similarity that is subtracted for items without common metadata, in `0..=1`.
    pub coherence: f64,
}

/// Weights by which items that speak for the same targets are similar.
#[derive(Debug, Clone, PartialEq)]
pub struct Links<'a> {
    weights: &'a Csr,  // (I, I)
    lengths: Vec<f64>, // (I)
    share: f64,
}

impl<'a> Links<'a> {
    /// Weights `(I, I)` from items to targets; their cosine has a `share` of the similarity, in `0..=1`, and users have
    /// the rest.
    #[must_use]
    pub fn new(weights: &'a Csr, share: f64) -> Self {
        let squares = |values: &[f32]| values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let length = |i| f64::sqrt(squares(weights.row(i).1));
        Self {
            weights,
            lengths: (0..weights.n_rows()).map(length).collect(),
            share,
        }
    }

    /// The cosine of the weights of two items; 0 without any.
    fn cosine(&self, a: u32, b: u32) -> f64 {
        let (a, b) = (a as usize, b as usize);
        let lengths = self.lengths[a] * self.lengths[b];
        if lengths == 0.0 {
            return 0.0;
        }
        let ((mut x, mut v), (mut y, mut w)) = (self.weights.row(a), self.weights.row(b));
        let mut sum = 0.0;
        while let (Some(i), Some(j)) = (x.first(), y.first()) {
            if i == j {
                sum += f64::from(v[0]) * f64::from(w[0]);
            }
            let (left, right) = (usize::from(i <= j), usize::from(j <= i));
            (x, v) = (&x[left..], &v[left..]);
            (y, w) = (&y[right..], &w[right..]);
        }
        sum / lengths
    }
}

/// Groups the items of `rows` `(U, I)`, ignoring values. Groups are numbered by descending support (summed over
/// their items).
///
/// # Panics
/// If `links` are of fewer items.
#[must_use]
pub fn partition(
    rows: &Csr,
    links: Option<Links<'_>>,
    grouping: Grouping,
    catalogue: &Catalogue,
) -> Groups {
    let n_items = rows.n_columns();
    let similarities = Similarities {
        rows,
        users: &rows.transpose(),
        links,
        coherence: grouping.coherence,
        catalogue,
    };
    let pairs = similarities.near_pairs();
    let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
    order.par_sort_unstable_by(|&x, &y| {
        let similarity = |p: u32| pairs[p as usize].similarity;
        similarity(y).total_cmp(&similarity(x)).then(x.cmp(&y))
    });
    let similarity = |a: u32, b: u32| {
        pairs
            .binary_search_by_key(&(a, b), |p| (p.a, p.b))
            .map_or_else(|_| similarities.of(a, b), |at| pairs[at].similarity)
    };
    let mut group_of: Vec<u32> = (0..n_items as u32).collect();
    let mut members: Vec<Vec<u32>> = (0..n_items as u32).map(|i| vec![i]).collect();
    for pair in order.iter().map(|&p| &pairs[p as usize]) {
        let (x, y) = (group_of[pair.a as usize], group_of[pair.b as usize]);
        if x == y || members[x as usize].len() + members[y as usize].len() > grouping.size {
            continue;
        }
        let (mut sum, mut n) = (0.0, 0.0);
        for &a in &members[x as usize] {
            for &b in &members[y as usize] {
                sum += similarity(a.min(b), a.max(b));
                n += 1.0;
            }
        }
        if sum < MIN_LINK * pair.similarity * n {
            continue;
        }
        let joined = std::mem::take(&mut members[y as usize]);
        for &item in &joined {
            group_of[item as usize] = x;
        }
        members[x as usize].extend(joined);
    }
    let support = |items: &[u32]| -> usize {
        items
            .iter()
            .map(|&i| similarities.users.row(i as usize).0.len())
            .sum()
    };
    members.retain(|m| m.len() > 1);
    members.iter_mut().for_each(|m| m.sort_unstable());
    members.sort_by_cached_key(|m| (std::cmp::Reverse(support(m)), m.clone()));
    let mut of = vec![ALONE; n_items];
    for (g, items) in members.iter().enumerate() {
        for &item in items {
            of[item as usize] = g as u32;
        }
    }
    Groups {
        members: members
            .into_iter()
            .map(|m| m.into_iter().map(ItemIdx).collect())
            .collect(),
        of,
    }
}

struct Pair {
    a: u32,
    b: u32,
    similarity: f64,
}

struct Similarities<'a> {
    rows: &'a Csr,  // (U, I)
    users: &'a Csr, // (I, U)
    links: Option<Links<'a>>,
    coherence: f64,
    catalogue: &'a Catalogue,
}

impl Similarities<'_> {
    fn support(&self, item: u32) -> usize {
        self.users.row(item as usize).0.len()
    }

    /// The cosine of the columns of two items, with `both` users in common.
    fn cosine(&self, a: u32, b: u32, both: u32) -> f64 {
        f64::from(both) / ((self.support(a) * self.support(b)) as f64).sqrt()
    }

    /// The similarity of two items, from the cosine of their columns.
    fn similarity(&self, a: u32, b: u32, cosine: f64) -> f64 {
        let similarity = match &self.links {
            Some(links) => (1.0 - links.share) * cosine + links.share * links.cosine(a, b),
            None => cosine,
        };
        if self.coherence == 0.0 {
            return similarity;
        }
        let apart = 1.0 - agreement(self.catalogue, ItemIdx(a), ItemIdx(b));
        similarity * (1.0 - self.coherence * apart)
    }

    /// The similarity of two items, by intersecting their users.
    fn of(&self, a: u32, b: u32) -> f64 {
        let (mut x, mut y) = (self.users.row(a as usize).0, self.users.row(b as usize).0);
        if x.len() > y.len() {
            std::mem::swap(&mut x, &mut y);
        }
        let mut both = 0;
        for u in x {
            // The rest of the longer list shrinks with every match, and the search with it.
            let at = y.partition_point(|v| v < u);
            y = &y[at..];
            both += u32::from(y.first() == Some(u));
        }
        self.similarity(a, b, self.cosine(a, b, both))
    }

    /// All pairs `a < b` where one is among the nearest neighbors of the other, ascending.
    fn near_pairs(&self) -> Vec<Pair> {
        let n_items = self.rows.n_columns();
        let mut pairs: Vec<(u32, u32, f64)> = (0..n_items as u32)
            .into_par_iter()
            .filter(|&a| self.support(a) >= MIN_SUPPORT)
            .map_init(
                || (vec![0u32; n_items], Vec::new()),
                |(both, touched), a| {
                    for &u in self.users.row(a as usize).0 {
                        for &b in self.rows.row(u as usize).0 {
                            if both[b as usize] == 0 {
                                touched.push(b);
                            }
                            both[b as usize] += 1;
                        }
                    }
                    let mut near: Vec<(u32, f64)> = touched
                        .iter()
                        .filter(|&&b| b != a && self.support(b) >= MIN_SUPPORT)
                        .map(|&b| (b, self.cosine(a, b, both[b as usize])))
                        .filter(|&(_, cosine)| cosine > MIN_COSINE)
                        .map(|(b, cosine)| (b, self.similarity(a, b, cosine)))
                        .filter(|&(_, similarity)| similarity > 0.0)
                        .collect();
                    for b in touched.drain(..) {
                        both[b as usize] = 0;
                    }
                    let order =
                        |x: &(u32, f64), y: &(u32, f64)| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0));
                    if near.len() > NEIGHBORS {
                        near.select_nth_unstable_by(NEIGHBORS - 1, order);
                        near.truncate(NEIGHBORS);
                    }
                    near.into_iter()
                        .map(|(b, s)| (a.min(b), a.max(b), s))
                        .collect::<Vec<_>>()
                },
            )
            .flatten_iter()
            .collect();
        pairs.par_sort_unstable_by_key(|&(a, b, _)| (a, b));
        pairs.dedup_by_key(|&mut (a, b, _)| (a, b));
        pairs
            .into_iter()
            .map(|(a, b, similarity)| Pair { a, b, similarity })
            .collect()
    }
}

/// The metadata similarity of two items: the mean, over the fields that describe both, of the
/// Jaccard index of their values; 0 if no field does.
fn agreement(catalogue: &Catalogue, a: ItemIdx, b: ItemIdx) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for field in &catalogue.fields {
        let of = |item| -> Vec<&str> { field.of(item).map(|(v, _)| v).collect() };
        let (x, y) = (of(a), of(b));
        if x.is_empty() || y.is_empty() {
            continue;
        }
        let both = x.iter().filter(|v| y.contains(v)).count();
        sum += both as f64 / (x.len() + y.len() - both) as f64;
        n += 1.0;
    }
    if n == 0.0 { 0.0 } else { sum / n }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::group_names::tests::{catalogue, field};
    use limpid_core::Histories;
    use proptest::prelude::*;

    const PLAIN: Grouping = Grouping {
        size: 4,
        coherence: 0.0,
    };

    fn rows(rows: &[Vec<u32>], n: usize) -> Csr {
        Histories::from_rows(rows, n).unwrap().to_csr()
    }

    #[test]
    fn items_of_the_same_users_form_a_group() {
        // Six users have 0, 1, 2; five have 3, 4; all have 5; one user has 6.
        let mut data = vec![vec![0, 1, 2, 5]; 6];
        data.extend(vec![vec![3, 4, 5]; 5]);
        data[0].push(6);
        let groups = partition(&rows(&data, 8), None, PLAIN, &Catalogue::default());
        assert_eq!(groups.of(ItemIdx(0)), groups.of(ItemIdx(2)));
        assert_eq!(groups.of(ItemIdx(3)), groups.of(ItemIdx(4)));
        assert_ne!(groups.of(ItemIdx(0)), groups.of(ItemIdx(3)));
        assert_eq!(groups.of(ItemIdx(6)), None, "one user is too few");
        assert_eq!(groups.of(ItemIdx(7)), None);
        assert!(groups.iter().all(|g| (2..=4).contains(&g.len())));
        let smaller = partition(
            &rows(&data, 8),
            None,
            Grouping { size: 1, ..PLAIN },
            &Catalogue::default(),
        );
        assert!(smaller.is_empty());
    }

    #[test]
    fn coherence_separates_items_with_different_metadata() {
        let data = vec![vec![0, 1, 2, 3]; 9];
        let mut c = catalogue(&["a", "b", "c", "d"]);
        let by_data = partition(&rows(&data, 4), None, PLAIN, &c);
        assert_eq!(by_data.len(), 1);
        c.fields = vec![field("genre", &[&["war"], &["love"], &["war"], &["love"]])];
        let coherent = Grouping {
            coherence: 1.0,
            ..PLAIN
        };
        let groups = partition(&rows(&data, 4), None, coherent, &c);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups.of(ItemIdx(0)), groups.of(ItemIdx(2)));
    }

    /// All items have the same users; 0 and 2 have weights for item 4, 1 and 3 for item 5.
    #[test]
    fn items_with_weights_for_the_same_targets_form_a_group() {
        let data = vec![vec![0, 1, 2, 3]; 9];
        let weights = [
            vec![(4, 0.2)],
            vec![(5, 0.3)],
            vec![(4, 0.1)],
            vec![(5, 0.9)],
        ];
        let weights = weights.into_iter().chain([vec![], vec![]]);
        let links = Csr::from_rows(weights, 6).unwrap();
        let apart = Grouping { size: 2, ..PLAIN };
        let links = Links::new(&links, 0.3);
        let mixed = Some(links.clone());
        let groups = partition(&rows(&data, 6), mixed, apart, &Catalogue::default());
        assert_eq!(groups.len(), 2);
        assert_eq!(groups.of(ItemIdx(0)), groups.of(ItemIdx(2)));
        assert_eq!(groups.of(ItemIdx(1)), groups.of(ItemIdx(3)));
        assert!((links.cosine(1, 3) - 1.0).abs() < 1e-12);
        assert_eq!((links.cosine(0, 1), links.cosine(0, 4)), (0.0, 0.0));
    }

    #[test]
    fn overlapping_groups_are_refused() {
        let (a, b, c) = (ItemIdx(0), ItemIdx(1), ItemIdx(2));
        assert!(Groups::new(vec![vec![b, a]], 3).is_some());
        assert!(Groups::new(vec![vec![a, b], vec![b, c]], 3).is_none());
        assert!(Groups::new(vec![vec![a]], 3).is_none());
        assert!(Groups::new(vec![vec![a, c]], 2).is_none());
    }

    proptest! {
        /// Renumbered items give the same groups, if there are no ties.
        #[test]
        fn is_a_partition_for_any_threads(
            data in proptest::collection::vec(proptest::collection::btree_set(0u32..20, 0..12), 0..60),
            size in 2usize..6,
        ) {
            let data: Vec<Vec<u32>> = data.into_iter().map(|r| r.into_iter().collect()).collect();
            let rows = rows(&data, 20);
            let grouping = Grouping { size, ..PLAIN };
            let links = rows.transpose();
            let links = || Some(Links::new(&links, 0.3));
            let partition = || partition(&rows, links(), grouping, &Catalogue::default());
            let groups = partition();
            prop_assert!(groups.iter().all(|g| (2..=size).contains(&g.len())));
            let members: Vec<Vec<ItemIdx>> = groups.iter().map(<[ItemIdx]>::to_vec).collect();
            prop_assert_eq!(&Groups::new(members, 20).unwrap(), &groups);
            let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            prop_assert_eq!(one.install(partition), groups);
        }
    }
}
