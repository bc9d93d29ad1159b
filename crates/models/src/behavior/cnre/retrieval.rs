//! Retrieval: the nearest items of each item, and the vectors that they stand for (equations 8 and 10).

use limpid_core::{Error, Result, Tensors};
use limpid_tensor::matmul::{Factor, product_here};
use rayon::prelude::*;

use crate::latent::score_of;

/// Items whose neighbors are searched together.
const BLOCK: usize = 128;

/// The nearest items of every item by cosine, with the weights of a softmax over them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Neighbors {
    n: usize,
    /// `(I, n)`; an item with fewer has itself, with weight 0.
    ids: Vec<u32>,
    weights: Vec<f32>,
}

impl Neighbors {
    /// Of vectors `(I, d)`; only items that are `candidates` are retrieved, and never the item itself. The vectors
    /// are searched exactly.
    pub(super) fn of(
        vectors: &[f32],
        d: usize,
        candidates: &[f32],
        n: usize,
        temperature: f32,
    ) -> Self {
        let n_items = candidates.len();
        let unit: Vec<f32> = vectors
            .chunks_exact(d)
            .flat_map(|x| {
                let length = score_of(x, x).sqrt().max(1e-12);
                x.iter().map(move |x| x / length)
            })
            .collect();
        let (mut ids, mut weights) = (vec![0u32; n_items * n], vec![0f32; n_items * n]);
        ids.par_chunks_mut(BLOCK * n)
            .zip(weights.par_chunks_mut(BLOCK * n))
            .enumerate()
            .for_each_init(
                || (vec![0f32; BLOCK * n_items], Vec::new()),
                |(cosines, nearest), (block, (ids, weights))| {
                    let rows = ids.len() / n;
                    let own = Factor::new(&unit[block * BLOCK * d..], rows, d);
                    let all = Factor::new(&unit, n_items, d);
                    product_here(cosines, own, all.t(), false);
                    let of_rows = ids.chunks_exact_mut(n).zip(weights.chunks_exact_mut(n));
                    for (row, (ids, weights)) in of_rows.enumerate() {
                        let item = block * BLOCK + row;
                        let cosines = &cosines[row * n_items..][..n_items];
                        select(cosines, item, candidates, n, nearest);
                        let best = nearest.first().map_or(0.0, |&(c, _)| c);
                        let mass = |c: f32| ((c - best) / temperature).exp();
                        let total: f32 = nearest.iter().map(|&(c, _)| mass(c)).sum();
                        ids.fill(item as u32);
                        for (at, &(cosine, other)) in nearest.iter().enumerate() {
                            ids[at] = other;
                            weights[at] = mass(cosine) / total;
                        }
                    }
                },
            );
        Self { n, ids, weights }
    }

    /// The neighbors of an item with their weights.
    pub(super) fn row(&self, item: u32) -> impl Iterator<Item = (u32, f32)> + '_ {
        let at = item as usize * self.n..(item as usize + 1) * self.n;
        let pairs = self.ids[at.clone()].iter().copied();
        pairs
            .zip(self.weights[at].iter().copied())
            .filter(|&(_, weight)| weight > 0.0)
    }

    /// The retrieved vectors `(I, d)`: weighted means of `vectors`.
    pub(super) fn retrieved(&self, vectors: &[f32], d: usize) -> Vec<f32> {
        let n_items = self.ids.len() / self.n.max(1);
        let mut out = vec![0f32; n_items * d];
        for (item, out) in out.chunks_exact_mut(d).enumerate() {
            for (other, weight) in self.row(item as u32) {
                let row = &vectors[other as usize * d..][..d];
                out.iter_mut().zip(row).for_each(|(o, x)| *o += weight * x);
            }
        }
        out
    }

    pub(super) fn save(&self, name: &str, out: &mut Tensors) {
        let shape = [self.ids.len() / self.n.max(1), self.n];
        out.put_u32(&format!("{name}.ids"), &shape, self.ids.clone());
        out.put_f32(&format!("{name}.weights"), &shape, self.weights.clone());
    }

    pub(super) fn load(name: &str, from: &Tensors, n_items: usize, n: usize) -> Result<Self> {
        let (ids, weights) = (format!("{name}.ids"), format!("{name}.weights"));
        let (shape, of) = from.u32(&ids)?;
        if shape != [n_items, n] || of.iter().any(|&id| id as usize >= n_items) {
            let expected = format!("[{n_items}, {n}], of items");
            return Err(Error::shape(ids, expected, format!("{shape:?}")));
        }
        let values = from.shaped(&weights, &[n_items, n])?;
        Ok(Self {
            n,
            ids: of.to_vec(),
            weights: values.to_vec(),
        })
    }
}

/// The `n` largest cosines of other candidates, largest first; ties go to the lower index.
fn select(
    cosines: &[f32],
    item: usize,
    candidates: &[f32],
    n: usize,
    nearest: &mut Vec<(f32, u32)>,
) {
    nearest.clear();
    let mut least = f32::NEG_INFINITY;
    for (other, &cosine) in cosines.iter().enumerate() {
        // Most are not near enough, which one comparison tells.
        if cosine <= least || other == item || candidates[other] == 0.0 {
            continue;
        }
        let at = nearest.partition_point(|&(c, _)| c >= cosine);
        nearest.insert(at, (cosine, other as u32));
        nearest.truncate(n);
        if nearest.len() == n {
            least = nearest[n - 1].0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four items on a circle; the third is no candidate.
    #[test]
    fn nearest_by_hand() {
        let at = |degrees: f32| [degrees.to_radians().cos(), 3.0 * degrees.to_radians().sin()];
        let vectors: Vec<f32> = [0.0, 90.0, 10.0, 180.0].into_iter().flat_map(at).collect();
        let neighbors = Neighbors::of(&vectors, 2, &[1.0, 0.5, 0.0, 1.0], 2, 0.1);
        let row: Vec<(u32, f32)> = neighbors.row(2).collect();
        assert_eq!(row.iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1]);
        assert!((row.iter().map(|r| r.1).sum::<f32>() - 1.0).abs() < 1e-6 && row[0].1 > row[1].1);
        // Items 1 and 3 are the only others for item 0; 1 is nearer.
        let row: Vec<(u32, f32)> = neighbors.row(0).collect();
        assert_eq!(row.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 3]);
        assert!((row[1].1 / row[0].1 - (-1.0f32 / 0.1).exp()).abs() < 1e-5);
        let retrieved = neighbors.retrieved(&vectors, 2);
        assert!((retrieved[0] + row[1].1).abs() < 1e-5);
        let none = Neighbors::of(&vectors, 2, &[0.0; 4], 2, 0.1);
        assert_eq!(none.row(0).count(), 0);
        assert_eq!(none.retrieved(&vectors, 2), [0.0; 8]);
    }
}
