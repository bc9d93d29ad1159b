//! The graph of users and items, and propagation over it, as every graph model here uses it.
//!
//! Nodes are the users in the order of their rows, then the items. Without self-loops, and symmetrically
//! normalized by degree (Kipf and Welling, ICLR 2017, without weights):
//!
//! ```text
//! Â_ui = 1 / √(d_u d_i)   for every pair (u, i) of the data        E⁰ = X,   Eˡ⁺¹ = Â Eˡ
//! ```
//!
//! A node without edges has zeros from layer 1 on.

use std::sync::Arc;

use limpid_tensor::tape::{Graph, Tape, Var};

/// The normalized graph of users and items.
#[derive(Debug, Clone)]
pub(crate) struct Bipartite {
    n_users: usize,
    graph: Arc<Graph>,
}

impl Bipartite {
    /// The graph of rows of distinct items, each below `n_items`.
    pub(crate) fn new(rows: &[Vec<u32>], n_items: usize) -> Self {
        let n_users = rows.len();
        let mut offsets = vec![0usize; n_users + n_items + 1];
        for (u, row) in rows.iter().enumerate() {
            offsets[u + 1] = row.len();
            row.iter()
                .for_each(|&i| offsets[n_users + i as usize + 1] += 1);
        }
        let scales: Vec<f32> = offsets[1..]
            .iter()
            .map(|&degree| match degree {
                0 => 0.0,
                degree => 1.0 / (degree as f32).sqrt(),
            })
            .collect();
        for v in 0..n_users + n_items {
            offsets[v + 1] += offsets[v];
        }
        let mut neighbors = Vec::with_capacity(offsets[n_users + n_items]);
        for row in rows {
            neighbors.extend(row.iter().map(|&i| n_users as u32 + i));
        }
        neighbors.resize(offsets[n_users + n_items], 0);
        let mut next = offsets[n_users..].to_vec();
        for (u, row) in rows.iter().enumerate() {
            for &i in row {
                let at = &mut next[i as usize];
                neighbors[*at] = u as u32;
                *at += 1;
            }
        }
        Self {
            n_users,
            graph: Arc::new(Graph::new(offsets, neighbors, scales)),
        }
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.graph.len()
    }

    /// The node of an item.
    pub(crate) fn item(&self, item: u32) -> u32 {
        self.n_users as u32 + item
    }

    /// 1 / √degree of each item `(I)`; 0 without edges.
    pub(crate) fn item_scales(&self) -> &[f32] {
        &self.graph.scales()[self.n_users..]
    }

    /// Embeddings of all nodes after 0, 1, …, n layers: `n + 1` times `(U + I, w)`.
    pub(crate) fn layers<'t>(&self, x: Var<'t>, n: usize) -> Vec<Var<'t>> {
        let next = |x: &Var<'t>| Some(x.graph_matmul(&self.graph));
        std::iter::successors(Some(x), next).take(n + 1).collect()
    }

    /// Rows `at` of the mean of layers 0 to n: `(at.len(), w)`. It costs less than [`layers`](Self::layers).
    pub(crate) fn mean_at<'t>(&self, x: Var<'t>, n: usize, at: &[u32]) -> Var<'t> {
        x.propagate(&self.graph, n, at)
    }

    /// The values of [`layers`](Self::layers) for fixed embeddings `(U + I, w)`.
    pub(crate) fn layer_values(&self, x: &[f32], n: usize) -> Vec<Arc<Vec<f32>>> {
        let tape = Tape::default();
        let width = x.len() / self.len().max(1);
        let x = tape.constant(x.to_vec(), &[self.len(), width]);
        self.layers(x, n).iter().map(|x| x.value()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User 0 has items 0 and 1, user 1 has item 1; item 2 has no users. Degrees 2, 1, 1, 2, 0.
    #[test]
    fn two_users_by_hand() {
        let graph = Bipartite::new(&[vec![0, 1], vec![1]], 3);
        let layers = graph.layer_values(&[1.0, 2.0, 3.0, 4.0, 5.0], 2);
        let root = 0.5f32.sqrt();
        let one = [
            root * 3.0 + 0.5 * 4.0,
            root * 4.0,
            root * 1.0,
            0.5 * 1.0 + root * 2.0,
            0.0,
        ];
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&layers[1], &one), "{:?}", layers[1]);
        let first = root * one[2] + 0.5 * one[3];
        assert!((layers[2][0] - first).abs() < 1e-6);
        let tape = Tape::default();
        let x = tape.constant(vec![1.0, 2.0, 3.0, 4.0, 5.0], &[5, 1]);
        let mean = graph.mean_at(x, 1, &[graph.item(1), 0]).value();
        assert!(close(&mean, &[(4.0 + one[3]) / 2.0, (1.0 + one[0]) / 2.0]));
    }
}
