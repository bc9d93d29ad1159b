//! Models with a latent user representation.

pub mod bcemf;
pub mod eigen;
pub mod ials;
pub mod multdae;
pub mod multvae;
pub mod network;

/// p · q, in lanes: it vectorizes and the order of the sum is fixed.
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
