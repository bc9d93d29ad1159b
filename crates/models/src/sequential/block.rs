//! What sequential models share: windows of histories, and the self-attention block of ReChorus (post-norm, no
//! output projection, positions counted from the last event).

use std::sync::Arc;

use limpid_core::{Histories, ItemIdx, Mat};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Spans, Var};
use ndarray::Axis;
use rayon::prelude::*;

/// Standard deviation of the initial weights.
const DEVIATION: f32 = 0.01;

/// ε of layer normalization.
const EPSILON: f64 = 1e-5;

/// Arrays of a block, in order; `w…` are matrices.
pub(super) const ARRAYS: [&str; 14] = [
    "wq", "bq", "wk", "bk", "wv", "bv", "gain1", "bias1", "w1", "b1", "w2", "b2", "gain2", "bias2",
];

/// Names and shapes of the arrays of a block of width d.
pub(super) fn arrays(block: &str, d: usize) -> impl Iterator<Item = (String, Vec<usize>)> {
    ARRAYS
        .map(|name| {
            let shape = match name.starts_with('w') {
                true => vec![d, d],
                false => vec![d],
            };
            (format!("{block}.{name}"), shape)
        })
        .into_iter()
}

/// Initial values of an array, by the last part of its name.
pub(super) fn start(name: &str, n: usize, rng: &mut Rng) -> Vec<f32> {
    match &name[name.find('.').map_or(0, |dot| dot + 1)..] {
        "gain1" | "gain2" => vec![1.0; n],
        "bias1" | "bias2" => vec![0.0; n],
        _ => (0..n).map(|_| DEVIATION * rng.normal()).collect(),
    }
}

/// The last events of a history.
pub(super) fn window(items: &[ItemIdx], length: usize) -> &[ItemIdx] {
    &items[items.len().saturating_sub(length)..]
}

/// Row and position of each event that has a predecessor in its row.
pub(super) fn next_events(rows: &Histories) -> Vec<(u32, u32)> {
    let of_row = |(row, n): (usize, usize)| (1..n).map(move |at| (row as u32, at as u32));
    rows.rows()
        .map(|r| r.len())
        .enumerate()
        .flat_map(of_row)
        .collect()
}

/// A hash of the order of events, for the fingerprint of a fit.
pub(super) fn hash(rows: &Histories) -> u64 {
    let items = rows.rows().flat_map(|row| {
        let items = row.items.iter().map(|i| i.0);
        items.chain([u32::MAX]).collect::<Vec<_>>()
    });
    limpid_core::hash::row(items)
}

/// The items of all events of some sequences.
pub(super) fn items(sequences: &[&[ItemIdx]]) -> Vec<u32> {
    sequences.iter().copied().flatten().map(|i| i.0).collect()
}

/// Embeddings of the events of sequences, none of them longer than the table of places.
pub(super) fn inputs<'t>(items: Var<'t>, places: Var<'t>, sequences: &[&[ItemIdx]]) -> Var<'t> {
    let of = |s: &&[ItemIdx]| (0..s.len() as u32).rev();
    let at: Vec<u32> = sequences.iter().flat_map(of).collect();
    items.gather(self::items(sequences)) + places.gather(at)
}

/// The outputs of a block with weights in the order of [`ARRAYS`], for the rows `of` of its inputs x. `drop` is applied
/// to the outputs of sublayers.
pub(super) fn block<'t>(
    w: &[Var<'t>],
    (x, of): (Var<'t>, Var<'t>),
    spans: Spans,
    heads: usize,
    mut drop: impl FnMut(Var<'t>) -> Var<'t>,
) -> Var<'t> {
    let &[wq, bq, wk, bk, wv, bv, g1, o1, w1, b1, w2, b2, g2, o2] = w else {
        unreachable!("a block has {} arrays", ARRAYS.len())
    };
    let (keys, values) = (x.linear(wk, bk), x.linear(wv, bv));
    let seen = of
        .linear(wq, bq)
        .attention(keys, values, &Arc::new(spans), heads);
    let x = (drop(seen) + of).layer_norm(g1, o1, EPSILON);
    let forward = x.linear(w1, b1).relu().linear(w2, b2);
    (drop(forward) + x).layer_norm(g2, o2, EPSILON)
}

/// Scores `(U, I)` of representations `(U, D)`: products with a table of items.
pub(super) fn decode(z: &Mat, items: &[f32], n_items: usize) -> Mat {
    let d = z.ncols().max(1);
    let mut out = Mat::zeros((z.nrows(), n_items));
    out.axis_iter_mut(Axis(0))
        .into_par_iter()
        .zip(z.axis_iter(Axis(0)).into_par_iter())
        .for_each(|(mut scores, z)| {
            let z = z.to_vec();
            let pairs = scores.iter_mut().zip(items.chunks_exact(d));
            pairs.for_each(|(s, item)| *s = crate::latent::score_of(&z, item));
        });
    out
}
