//! Item-to-item weights as an additive model: the block that EASE, EDLAE, SLIM and ItemKNN share.
//!
//! Every item of the history is a unit, and `score(u, j) = Σ_{i ∈ u} x_ui B_ij`. Nothing else enters a
//! score, so a ledger is a row of products and has no residual.

use limpid_core::unit::resolve_event;
use limpid_core::{
    Activations, Buffer, Catalogue, Csr, Detail, Error, Histories, History, ItemIdx, Ledger, Mat,
    Part, Recommender, Result, Tensors, Unit, UnitInfo, Units,
};
use ndarray::parallel::prelude::*;
use ndarray::{ArrayViewMut1, Axis};
use rayon::slice::ParallelSliceMut;

/// Columns of a dense matrix per tile: these columns of all rows stay in the
/// second-level cache while a block of users is scored.
const TILE: usize = 128;

/// Users that are scored together on one tile.
const BLOCK: usize = 64;

/// Columns that a thread scores for a single user: enough for rows of weights to be read sequentially,
/// few enough for the sums to stay in the first-level cache.
const STRIP: usize = 1024;

/// The place of an item without dense weights.
const ABSENT: u32 = u32::MAX;

/// Weights from the items of a history to all items `(I, I)`: row = item of the history, column =
/// target.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemLinks {
    /// Every pair of the items with training events has a weight.
    Dense(DenseLinks),
    /// Only some pairs have a weight.
    Sparse(Csr),
}

/// Dense weights among some of the items; all others have none.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLinks {
    weights: Buffer<f32>, // (A, A), row-major
    items: Vec<u32>,      // (A), ascending
    places: Vec<u32>,     // (I): the position in `items`, or ABSENT
}

impl DenseLinks {
    /// Weights, row-major `(A, A)`, among `items` `(A)` of a catalogue of `n_items`.
    fn new(weights: Buffer<f32>, items: Vec<u32>, n_items: usize) -> Result<Self> {
        if weights.len() != items.len() * items.len() {
            let expected = items.len() * items.len();
            return Err(Error::shape(
                "item-to-item weights",
                expected,
                weights.len(),
            ));
        }
        let ascending = items.windows(2).all(|w| w[0] < w[1]);
        if !ascending || items.last().is_some_and(|&i| i as usize >= n_items) {
            return Err(Error::range(
                "items with weights",
                format!("ascending and below {n_items}"),
                "not",
            ));
        }
        let mut places = vec![ABSENT; n_items];
        for (place, &item) in items.iter().enumerate() {
            places[item as usize] = place as u32;
        }
        Ok(Self {
            weights,
            items,
            places,
        })
    }

    /// Whether every item has weights, so that items and places are the same.
    fn is_whole(&self) -> bool {
        self.items.len() == self.places.len()
    }

    fn weight(&self, from: usize, to: ItemIdx) -> f32 {
        match (self.places[from], self.places[to.at()]) {
            (ABSENT, _) | (_, ABSENT) => 0.0,
            (from, to) => self.weights[from as usize * self.items.len() + to as usize],
        }
    }

    /// Scores `(U, I)` of activations `(U, I)`.
    fn score(&self, activations: &Csr) -> Mat {
        if self.is_whole() {
            return self.score_places(activations);
        }
        let rows = (0..activations.n_rows()).map(|u| {
            let (items, values) = activations.row(u);
            let places = items.iter().map(|&i| self.places[i as usize]);
            let placed = places.zip(values.iter().copied());
            placed.filter(|&(place, _)| place != ABSENT).collect()
        });
        let placed = Csr::from_rows(rows, self.items.len())
            .unwrap_or_else(|_| unreachable!("places are below the number of items with weights"));
        let narrow = self.score_places(&placed); // (U, A)
        let mut scores = Mat::zeros((activations.n_rows(), self.places.len())); // (U, I)
        for (mut row, narrow) in scores.rows_mut().into_iter().zip(narrow.rows()) {
            for (&item, &score) in self.items.iter().zip(narrow) {
                row[item as usize] = score;
            }
        }
        scores
    }

    /// Scores `(U, A)` of activations `(U, A)`.
    fn score_places(&self, activations: &Csr) -> Mat {
        let width = self.items.len();
        let mut scores = Mat::zeros((activations.n_rows(), width)); // (U, A)
        if activations.n_rows() == 1 {
            let row = activations.row(0);
            if let Some(scores) = scores.as_slice_mut() {
                let strips = scores.par_chunks_mut(STRIP).enumerate();
                strips.for_each(|(at, out)| add_dense(&self.weights, width, at * STRIP, row, out));
            }
            return scores;
        }
        scores
            .axis_chunks_iter_mut(Axis(0), BLOCK)
            .into_par_iter()
            .enumerate()
            .for_each(|(block, mut scores)| {
                for start in (0..width).step_by(TILE) {
                    let end = (start + TILE).min(width);
                    for (at, mut out) in scores.rows_mut().into_iter().enumerate() {
                        if let Some(out) = out.as_slice_mut() {
                            let row = activations.row(block * BLOCK + at);
                            add_dense(&self.weights, width, start, row, &mut out[start..end]);
                        }
                    }
                }
            });
        scores
    }
}

impl ItemLinks {
    /// Dense weights, row-major `(I, I)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are I² of them.
    pub fn dense(weights: impl Into<Buffer<f32>>, n_items: usize) -> Result<Self> {
        Self::dense_among(weights, (0..n_items as u32).collect(), n_items)
    }

    /// Dense weights, row-major `(A, A)`, among `items` `(A)`, ascending, of a catalogue of `n_items`;
    /// all other weights are 0.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are A² of them, [`Error::Range`] if the items are not ascending or not
    /// in the catalogue.
    pub fn dense_among(
        weights: impl Into<Buffer<f32>>,
        items: Vec<u32>,
        n_items: usize,
    ) -> Result<Self> {
        DenseLinks::new(weights.into(), items, n_items).map(Self::Dense)
    }

    /// Sparse weights `(I, I)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the matrix is square.
    pub fn sparse(weights: Csr) -> Result<Self> {
        if weights.n_rows() != weights.n_columns() {
            return Err(Error::shape(
                "item-to-item weights",
                "a square matrix",
                format!("{} × {}", weights.n_rows(), weights.n_columns()),
            ));
        }
        Ok(Self::Sparse(weights))
    }

    /// Number of items I.
    #[must_use]
    pub fn n_items(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.places.len(),
            Self::Sparse(csr) => csr.n_rows(),
        }
    }

    /// The weight from an item of the history to a target.
    #[must_use]
    pub fn weight(&self, from: usize, to: ItemIdx) -> f32 {
        match self {
            Self::Dense(dense) => dense.weight(from, to),
            Self::Sparse(csr) => csr.get(from, to.0),
        }
    }

    /// Activations `(U, I)` of histories: the value of each item, where it is not 0.
    #[must_use]
    pub fn activate(&self, users: &Histories) -> Csr {
        let rows = users.rows().map(|row| self.features(row));
        Csr::from_rows(rows, self.n_items())
            .unwrap_or_else(|_| unreachable!("checked histories give a valid matrix"))
    }

    /// Scores `(U, I)` of activations `(U, I)`, in time proportional to the entries.
    #[must_use]
    pub fn score_rows(&self, activations: &Csr) -> Mat {
        match self {
            Self::Dense(dense) => dense.score(activations),
            Self::Sparse(csr) => {
                let mut scores = Mat::zeros((activations.n_rows(), csr.n_rows())); // (U, I)
                scores
                    .axis_iter_mut(Axis(0))
                    .into_par_iter()
                    .enumerate()
                    .for_each(|(u, out)| add_sparse(csr, activations.row(u), out));
                scores
            }
        }
    }

    /// The items of a history with their values: `(item index, value)`, ascending.
    fn features(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let items = user.item_values().into_iter();
        items
            .filter(|i| i.1 != 0.0)
            .map(|(i, v)| (i.0, v))
            .collect()
    }

    /// The contributions of activations to the score of an item, largest absolute value first: index,
    /// activation and weight of those that are not 0.
    fn contributions(&self, activations: &[(u32, f32)], item: ItemIdx) -> Vec<(u32, f32, f32)> {
        // Small numbers are sorted rather than whole parts.
        let mut weighted: Vec<(u32, u32, f32, f32)> = activations
            .iter()
            .filter_map(|&(index, activation)| {
                let effect = self.weight(index as usize, item);
                let value = activation * effect;
                (value != 0.0).then(|| (!value.abs().to_bits(), index, activation, effect))
            })
            .collect();
        weighted.sort_unstable_by_key(|&(place, index, ..)| (place, index));
        let weighted = weighted.into_iter();
        weighted
            .map(|(_, index, activation, effect)| (index, activation, effect))
            .collect()
    }

    /// The ledger of given activations: one part per item with a weight on the target.
    #[must_use]
    pub fn ledger(&self, activations: &[(u32, f32)], user: History<'_>, item: ItemIdx) -> Ledger {
        // Sorted once, so that a long history is not searched for every part.
        let events = user.by_item();
        let contributions = self.contributions(activations, item).into_iter();
        let parts = contributions.map(|(index, activation, effect)| {
            let from = ItemIdx(index);
            let cites = events.of(from).collect();
            Part::new(Unit::event(from), activation, effect, cites)
        });
        Ledger::of_parts(0.0, parts.collect())
    }

    /// Saves the weights.
    pub fn save(&self, out: &mut Tensors) {
        match self {
            Self::Dense(dense) => {
                let n = dense.items.len();
                out.put_f32("weights", &[n, n], dense.weights.clone());
                if !dense.is_whole() {
                    let places = dense.places.clone();
                    out.put_u32("places", &[places.len()], places);
                }
            }
            Self::Sparse(csr) => {
                out.put_csr("weights", csr);
            }
        }
    }

    /// Loads the weights.
    ///
    /// # Errors
    /// If they are missing or not square, or if the items among which they are do not match them.
    pub fn load(from: &Tensors) -> Result<Self> {
        if from.has("weights") {
            let (shape, weights) = from.f32("weights")?;
            let n = match shape {
                &[rows, columns] if rows == columns => rows,
                other => {
                    return Err(Error::shape(
                        "weights",
                        "a square matrix",
                        format!("{other:?}"),
                    ));
                }
            };
            if !from.has("places") {
                return Self::dense(weights, n);
            }
            let (_, places) = from.u32("places")?;
            let here = places.iter().enumerate().filter(|&(_, &p)| p != ABSENT);
            let items: Vec<u32> = here.map(|(item, _)| item as u32).collect();
            let dense = DenseLinks::new(weights, items, places.len())?;
            if dense.places != *places {
                return Err(Error::Tensor {
                    name: "places".to_owned(),
                    why: "must number the items with weights from 0, in their order".to_owned(),
                });
            }
            return Ok(Self::Dense(dense));
        }
        let (shape, _) = from.i64("weights.offsets")?;
        let rows = shape.first().copied().unwrap_or(0).saturating_sub(1);
        Self::sparse(from.csr("weights", rows)?)
    }
}

/// `out += Σ v · weights[k, start..]`, in the order of the row for any width of `out`: four rows
/// of weights at a time, so that a sum is loaded and stored once for four additions.
fn add_dense(
    weights: &[f32],
    n_items: usize,
    start: usize,
    (items, values): (&[u32], &[f32]),
    out: &mut [f32],
) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = out.len();
            let of = |k: u32| &weights[k as usize * n_items + start..][..width];
            let (fours, rest) = items.as_chunks::<4>();
            let (four_values, rest_values) = values.as_chunks::<4>();
            for (&[a, b, c, d], &[va, vb, vc, vd]) in fours.iter().zip(four_values) {
                let (a, b, c, d) = (of(a), of(b), of(c), of(d));
                for (at, o) in out.iter_mut().enumerate() {
                    *o = *o + va * a[at] + vb * b[at] + vc * c[at] + vd * d[at];
                }
            }
            for (&k, &v) in rest.iter().zip(rest_values) {
                for (o, w) in out.iter_mut().zip(of(k)) {
                    *o += v * w;
                }
            }
        },
    );
}

fn add_sparse(csr: &Csr, (items, values): (&[u32], &[f32]), mut out: ArrayViewMut1<'_, f32>) {
    for (&k, &v) in items.iter().zip(values) {
        let (columns, weights) = csr.row(k as usize);
        for (&c, &w) in columns.iter().zip(weights) {
            out[c as usize] += v * w;
        }
    }
}

impl Recommender for ItemLinks {
    fn score(&self, users: &Histories) -> Mat {
        self.score_rows(&Self::activate(self, users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        Self::ledger(self, &self.features(user), user, item)
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for ItemLinks {
    fn len(&self) -> usize {
        self.n_items()
    }

    fn unit(&self, index: usize) -> Unit {
        Unit::event(ItemIdx(index as u32))
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let item = unit.item().filter(|i| i.at() < self.n_items());
        item.map(ItemIdx::at).into_iter().collect()
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        UnitInfo::event(ItemIdx(unit.index), catalogue)
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        resolve_event(text, catalogue)
    }

    fn activate(&self, users: &Histories) -> Activations {
        Self::activate(self, users)
    }

    fn score_activations(&self, _: &Histories, activations: &Activations) -> Mat {
        self.score_rows(activations)
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        Self::ledger(self, activations, user, item)
    }

    fn strongest(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        n: usize,
    ) -> Option<Vec<Part>> {
        let contributions = self.contributions(activations, item).into_iter();
        let supporting = contributions.filter(|(_, activation, effect)| activation * effect > 0.0);
        let parts = supporting.take(n).map(|(index, activation, effect)| {
            let from = ItemIdx(index);
            let cites = user.events_of(from).collect();
            Part::new(Unit::event(from), activation, effect, cites)
        });
        Some(parts.collect())
    }

    fn effect(&self, index: usize, item: ItemIdx) -> Option<f32> {
        Some(self.weight(index, item))
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        Some(self.members(Unit::event(item)))
    }
}

/// Implements the traits of a model whose field `links` is an [`ItemLinks`].
macro_rules! scores_by_item_links {
    ($model:ty) => {
        impl limpid_core::Recommender for $model {
            fn score(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                limpid_core::Recommender::score(&self.links, users)
            }

            fn explain(
                &self,
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.links.explain(user, item)
            }

            fn units(&self) -> Option<&dyn limpid_core::Units> {
                Some(&self.links)
            }
        }
    };
}

pub(crate) use scores_by_item_links;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_sparse_agree() {
        let n = 150;
        let dense: Vec<f32> = (0..n * n)
            .map(|k| {
                if k % 3 == 0 {
                    (k % 17) as f32 - 8.0
                } else {
                    0.0
                }
            })
            .collect();
        let rows = dense.chunks(n).map(|row| {
            row.iter()
                .enumerate()
                .filter(|&(_, &w)| w != 0.0)
                .map(|(c, &w)| (c as u32, w))
                .collect::<Vec<_>>()
        });
        let sparse = ItemLinks::sparse(Csr::from_rows(rows, n).unwrap()).unwrap();
        let dense = ItemLinks::dense(dense, n).unwrap();
        let users: Vec<Vec<u32>> = (0..130u32).map(|u| vec![u % 7, u, (u * 3) % 150]).collect();
        let users = Histories::from_rows(&users, n).unwrap();
        assert_eq!(dense.score(&users), sparse.score(&users));
        let mut t = Tensors::new();
        sparse.save(&mut t);
        assert_eq!(ItemLinks::load(&t).unwrap(), sparse);
        assert!(ItemLinks::dense(vec![0.0; 3], 2).is_err());
        assert!(ItemLinks::dense_among(vec![0.0; 4], vec![1, 0], 3).is_err());
        assert!(ItemLinks::dense_among(vec![0.0; 4], vec![0, 3], 3).is_err());
        assert!(Units::resolve(&sparse, "r0", &Catalogue::default()).is_err());
    }
    /// Three of five items have weights: the others neither contribute nor get a score.
    #[test]
    fn weights_among_some_items_equal_zeros_elsewhere() {
        let (n, items) = (5, [0u32, 2, 3]);
        let among: Vec<f32> = (1..=9).map(|w| w as f32).collect();
        let mut all = vec![0.0; n * n];
        for (r, &i) in items.iter().enumerate() {
            for (c, &j) in items.iter().enumerate() {
                all[i as usize * n + j as usize] = among[r * 3 + c];
            }
        }
        let all = ItemLinks::dense(all, n).unwrap();
        let some = ItemLinks::dense_among(among, items.to_vec(), n).unwrap();
        let rows = [vec![0, 1, 2], vec![4], vec![], vec![0, 2, 3]];
        let users = Histories::from_rows(&rows, n).unwrap();
        assert_eq!(some.score(&users), all.score(&users));
        for u in 0..users.len() {
            let alone = users.slice(u, u + 1);
            assert_eq!(some.score(&alone), all.score(&alone));
            for item in (0..n as u32).map(ItemIdx) {
                let row = users.row(u);
                assert_eq!(some.explain(row, item), all.explain(row, item));
            }
        }
        let mut t = Tensors::new();
        some.save(&mut t);
        assert_eq!(ItemLinks::load(&t).unwrap(), some);
        for places in [
            vec![0, ABSENT, 1, 5, ABSENT],
            vec![1, ABSENT, 0, 2, ABSENT],
            vec![0, 1],
        ] {
            t.put_u32("places", &[places.len()], places);
            assert!(ItemLinks::load(&t).is_err());
        }
    }

    /// The parts that a list shows are the first supporting parts of the ledger.
    #[test]
    fn the_strongest_parts_are_those_of_the_ledger() {
        let n = 40;
        let weights: Vec<f32> = (0..n * n).map(|k| ((k * 37) % 11) as f32 - 4.0).collect();
        let links = ItemLinks::dense(weights, n).unwrap();
        let users = Histories::from_rows(&[vec![3, 1, 7, 3, 20, 21, 33], vec![]], n).unwrap();
        for row in users.rows() {
            let active = links.features(row);
            for item in (0..n as u32).map(ItemIdx) {
                let ledger = links.explain(row, item);
                let supporting = ledger.parts.into_iter().filter(|p| p.value > 0.0);
                let strongest = links.strongest(row, &active, item, 2).unwrap();
                assert_eq!(strongest, supporting.take(2).collect::<Vec<_>>());
            }
        }
    }
}
