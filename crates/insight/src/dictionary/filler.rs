//! Fillers: atoms beside the knobs that raise the share of a representation that a code expresses.
//!
//! They start as the items farthest from the knobs, and are then learned by block coordinate descent (K-SVD's
//! update with fixed codes; Aharon, Elad and Bruckstein, IEEE Trans. Signal Processing 2006) on users and
//! single items together, because concept maps are read off single items. Knobs stay fixed.

use limpid_core::{Error, Mat, Progress, Result};
use rayon::prelude::*;

use super::kmeans::farthest;
use super::normalize;
use super::pursuit::{Code, Pursuit};

/// An atom that fewer rows use stays as it is.
const USERS: usize = 5;

/// Adds learned fillers to `knobs` `(K, D)`, up to `n` atoms. `rows` `(N, D)` are unit representations of
/// users and items, `items` `(I, D)` unit item vectors with their `weights` `(I)`.
pub(super) fn fill(
    knobs: Vec<f32>,
    rows: &[f32],
    items: &[f32],
    weights: &[f32],
    mean: &[f32],
    shape: Shape,
    progress: &dyn Progress,
) -> Result<Mat> {
    let width = shape.width;
    let fixed = knobs.len() / width.max(1);
    let flat = farthest(items, weights, width, shape.n.max(fixed), knobs);
    let n = flat.len() / width.max(1);
    let mut atoms = Mat::from_shape_vec((n, width), flat)
        .map_err(|_| Error::shape("atoms", "whole rows", "a part of one"))?;
    if n == fixed {
        return Ok(atoms);
    }
    for _ in 0..shape.sweeps {
        if progress.interrupted() {
            return Err(Error::Interrupted("no dictionary was fitted".to_owned()));
        }
        let pursuit = Pursuit::new(&atoms, mean, shape.keep);
        let codes: Vec<Code> = rows
            .par_chunks(width)
            .map(|row| pursuit.encode(row))
            .collect();
        let mut left: Vec<f32> = rows
            .par_chunks(width)
            .zip(&codes)
            .flat_map_iter(|(row, code)| {
                let expressed = pursuit.decode(code);
                row.iter()
                    .copied()
                    .zip(expressed)
                    .map(|(x, e)| x - e)
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut users_of: Vec<Vec<(u32, f32)>> = vec![Vec::new(); n];
        for (row, code) in codes.iter().enumerate() {
            for &(atom, z) in &code.active {
                users_of[atom as usize].push((row as u32, z));
            }
        }
        for (atom, users) in users_of.iter().enumerate().skip(fixed) {
            if users.len() < USERS {
                continue;
            }
            let before: Vec<f32> = atoms.row(atom).to_vec();
            let mut sum = vec![0f64; width];
            for &(row, z) in users {
                let rest = &left[row as usize * width..][..width];
                for ((s, r), b) in sum.iter_mut().zip(rest).zip(&before) {
                    *s += f64::from(z) * f64::from(r + z * b);
                }
            }
            let mut after: Vec<f32> = sum.into_iter().map(|v| v as f32).collect();
            if normalize(&mut after) == 0.0 {
                continue;
            }
            for &(row, z) in users {
                let rest = &mut left[row as usize * width..][..width];
                for ((r, b), a) in rest.iter_mut().zip(&before).zip(&after) {
                    *r += z * (b - a);
                }
            }
            atoms
                .row_mut(atom)
                .iter_mut()
                .zip(after)
                .for_each(|(o, v)| *o = v);
        }
        progress.step(1);
    }
    Ok(atoms)
}

/// The size of a dictionary with fillers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Dimension of the representation.
    pub(super) width: usize,
    /// Number of atoms, knobs included.
    pub(super) n: usize,
    /// Largest number of active atoms.
    pub(super) keep: usize,
    /// Passes over the rows.
    pub(super) sweeps: usize,
}
