//! Spherical k-means of item vectors, weighted by popularity: the cheap alternative to NMF.
//!
//! Dhillon and Modha, Concept Decompositions for Large Sparse Text Data Using Clustering (Machine Learning
//! 2001), started from the farthest items, weighted: without a seed.

use limpid_core::Csr;
use limpid_tensor::matmul::{Factor, product};
use rayon::prelude::*;

use super::nmf::transposed;
use super::{Space, dot, normalize};

/// Rounds of assignment and averaging.
const ROUNDS: usize = 30;

/// Items per task.
const BLOCK: usize = 256;

/// The profiles of `n` centers `(n, I)`: combinations of the eigenvectors.
pub(super) fn centers(rows: &Csr, space: &Space, width: usize, n: usize) -> Vec<f32> {
    let (n_items, width) = (space.n_items(), width.min(space.width()));
    let mut items = space.first(width); // (I, D)
    for row in items.chunks_exact_mut(width.max(1)) {
        normalize(row);
    }
    let mut counts = vec![0u32; n_items];
    rows.columns().iter().for_each(|&i| counts[i as usize] += 1);
    let weights: Vec<f32> = counts.iter().map(|&c| (c as f32).sqrt()).collect();
    let mut centers = farthest(&items, &weights, width, n, Vec::new());
    let n = centers.len() / width.max(1);
    let mut closeness = vec![0f32; BLOCK.min(n_items.max(1)) * n];
    for _ in 0..ROUNDS {
        let mut sums = vec![0f32; centers.len()];
        for (block, of_block) in items.chunks(BLOCK * width).enumerate() {
            let m = of_block.len() / width;
            let closeness = &mut closeness[..m * n];
            product(
                closeness,
                Factor::new(of_block, m, width),
                Factor::new(&centers, n, width).t(),
                false,
            );
            for at in 0..m {
                let nearest = largest(&closeness[at * n..(at + 1) * n]);
                let weight = weights[block * BLOCK + at];
                let sum = &mut sums[nearest * width..(nearest + 1) * width];
                let item = &of_block[at * width..(at + 1) * width];
                sum.iter_mut().zip(item).for_each(|(s, v)| *s += weight * v);
            }
        }
        let pairs = centers
            .chunks_exact_mut(width.max(1))
            .zip(sums.chunks_exact_mut(width.max(1)));
        for (center, sum) in pairs {
            // An empty cluster keeps its center.
            if normalize(sum) > 0.0 {
                center.copy_from_slice(sum);
            }
        }
    }
    let axes = space.first(width);
    let mut profiles = vec![0f32; n * n_items];
    let by_item = transposed(&axes, n_items, width);
    product(
        &mut profiles,
        Factor::new(&centers, n, width),
        Factor::new(&by_item, width, n_items),
        false,
    );
    profiles
}

/// `chosen` rows and further ones of the items `(I, D)`, up to `n`: each time the item of the largest
/// `weight · max(0, 1 − closest)²`.
pub(super) fn farthest(
    items: &[f32],
    weights: &[f32],
    width: usize,
    n: usize,
    mut chosen: Vec<f32>,
) -> Vec<f32> {
    let width = width.max(1);
    let item = |i: usize| &items[i * width..(i + 1) * width];
    let mut closest: Vec<f32> = weights
        .par_iter()
        .enumerate()
        .map(|(i, _)| {
            let to = chosen.chunks_exact(width).map(|c| dot(c, item(i)) as f32);
            to.fold(f32::NEG_INFINITY, f32::max)
        })
        .collect();
    while chosen.len() / width < n.min(weights.len()) {
        let far = |i: usize| match closest[i] == f32::NEG_INFINITY {
            true => weights[i],
            false => weights[i] * (1.0 - closest[i]).max(0.0).powi(2),
        };
        let distances: Vec<f32> = (0..weights.len()).map(far).collect();
        let next = largest(&distances);
        if distances.get(next).is_none_or(|&d| d <= 0.0) {
            break;
        }
        chosen.extend_from_slice(item(next));
        closest.par_iter_mut().enumerate().for_each(|(i, c)| {
            *c = c.max(dot(item(next), item(i)) as f32);
        });
    }
    chosen
}

/// The position of the largest value, the first of equal ones.
fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, &v) in values.iter().enumerate() {
        if v > values[best] {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two bundles of directions: the first center is the heaviest item, the second the farthest one.
    #[test]
    fn starts_from_the_farthest_items() {
        let items = [1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9];
        let chosen = farthest(&items, &[1.0, 2.0, 1.0, 1.0], 2, 2, Vec::new());
        assert_eq!(chosen, [0.9, 0.1, 0.0, 1.0]);
    }
}
