//! Models whose score is the product of a vector of the user and one of the item: vectors of many users, their scores,
//! and the ledger where a user's vector is a sum over the items of the history.

use limpid_core::{Histories, History, ItemIdx, Ledger, Mat, Part, Unit};
use ndarray::Axis;
use rayon::prelude::*;

use super::{score_of, scores_of};

/// Vectors `(U, D)` of users, each by itself.
pub(super) fn encode(
    users: &Histories,
    width: usize,
    vector: impl Fn(History<'_>) -> Vec<f64> + Sync,
) -> Mat {
    let mut z = Mat::zeros((users.len(), width));
    z.axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .for_each(|(u, mut row)| {
            let p = vector(users.row(u));
            row.iter_mut().zip(p).for_each(|(o, p)| *o = p as f32);
        });
    z
}

/// Scores `(U, I)` of user vectors `(U, D)`. A score does not depend on the other users of the batch and
/// is bit for bit the one in the ledger, because rounding errors are large relative to scores near 0.
pub(crate) fn decode(z: &Mat, items: &[f32], n_items: usize) -> Mat {
    let mut out = vec![0f32; z.nrows() * n_items];
    out.par_chunks_mut(n_items.max(1))
        .zip(z.axis_iter(Axis(0)).into_par_iter())
        .for_each(|(out, p)| scores_of(&p.to_vec(), items, out));
    Mat::from_shape_vec((z.nrows(), n_items), out)
        .unwrap_or_else(|_| unreachable!("there is a score for every item of every row"))
}

/// A ledger with one part per item, whose score is that of the vectors `p` and `q`.
pub(super) fn ledger(user: History<'_>, effects: &[(u32, f64)], p: &[f64], q: &[f32]) -> Ledger {
    let p: Vec<f32> = p.iter().map(|&p| p as f32).collect();
    Ledger::of_parts(0.0, parts(user, effects)).scored(score_of(&p, q))
}

/// One part per item of a history, which cites its events.
pub(super) fn parts(user: History<'_>, effects: &[(u32, f64)]) -> Vec<Part> {
    let events = user.by_item();
    let part = |&(i, effect): &(u32, f64)| {
        let of = ItemIdx(i);
        Part::new(Unit::event(of), 1.0, effect as f32, events.of(of).collect())
    };
    effects.iter().map(part).collect()
}

pub(super) fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum()
}
