//! Models with a latent user representation.

pub mod bcemf;
pub mod bprmf;
pub mod eigen;
pub mod elsa;
pub mod fencr;
mod fields;
pub(crate) mod fold_in;
pub(crate) mod folded;
pub mod ials;
pub mod imported;
mod layer;
pub mod learned_users;
pub mod multdae;
pub mod multvae;
pub mod network;
pub mod neumf;
pub mod ns_icf;
pub(crate) mod vectors;

use limpid_core::{Buffer, Error, Result, Tensors};
use limpid_tensor::wide;

/// Largest dimension of user and item vectors. A saved model may claim any: a matrix of its square must
/// fit.
pub(crate) const MAX_WIDTH: usize = 2048;

/// A saved array of item vectors, with the number of items and their dimension.
fn item_vectors(from: &Tensors, name: &str) -> Result<(Buffer<f32>, usize, usize)> {
    let (shape, vectors) = from.f32(name)?;
    match *shape {
        [n, d] if (1..=MAX_WIDTH).contains(&d) => Ok((vectors, n, d)),
        _ => {
            let expected = format!("items × a width of at most {MAX_WIDTH}");
            Err(Error::shape(name, expected, format!("{shape:?}")))
        }
    }
}

/// The scores p · q of the rows q of a table, each as [`score_of`], bit for bit.
pub(crate) fn scores_of(p: &[f32], rows: &[f32], out: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (o, q) in out.iter_mut().zip(rows.chunks_exact(p.len().max(1))) {
                *o = score_of(p, q);
            }
        },
    );
}

/// p · q, in lanes: it vectorizes and the order of the sum is fixed.
#[inline(always)]
pub(crate) fn score_of(p: &[f32], q: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (p, q) = (p.chunks_exact(8), q.chunks_exact(8));
    let rest: f32 = p
        .remainder()
        .iter()
        .zip(q.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (p, q) in p.zip(q) {
        for ((l, a), b) in lanes.iter_mut().zip(p).zip(q) {
            *l += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
