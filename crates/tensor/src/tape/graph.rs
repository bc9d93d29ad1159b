//! Propagation over a graph: products with its normalized adjacency.
//!
//! ```text
//! A = diag(s) B diag(s)        B symmetric and binary, s one scale per node
//! ```
//!
//! as in graph convolutions without weights, where s = 1/√degree. B needs no values, so an edge costs one
//! index. Rows are kept in slabs of a few columns: a slab of all nodes fits into the cache of a core where whole
//! rows do not, and a product is bound by the cache.

use std::sync::Arc;

use rayon::prelude::*;

use super::lanes::weighted_rows;
use super::{Float, Shape, Var};
use crate::wide::wide;

/// Columns of a slab: one cache line in single precision.
const SLAB: usize = 16;

/// Nodes per task.
const ROWS: usize = 256;

/// No row.
const NONE: u32 = u32::MAX;

/// An undirected graph with one scale per node: `A = diag(s) B diag(s)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph<T = f32> {
    offsets: Vec<usize>, // (N + 1)
    neighbors: Vec<u32>,
    scales: Vec<T>, // (N)
}

impl<T: Float> Graph<T> {
    /// Node v has the neighbors `offsets[v]..offsets[v + 1]`; every edge is listed at both of its ends.
    ///
    /// # Panics
    /// If the lengths of the arrays do not match, or a neighbor is not a node. Symmetry is not checked.
    #[must_use]
    pub fn new(offsets: Vec<usize>, neighbors: Vec<u32>, scales: Vec<T>) -> Self {
        assert!(
            offsets.first() == Some(&0)
                && offsets.last() == Some(&neighbors.len())
                && offsets.is_sorted()
                && offsets.len() == scales.len() + 1,
            "graph: offsets, neighbors and scales do not match"
        );
        let n = scales.len();
        assert!(
            neighbors.iter().all(|&v| (v as usize) < n),
            "graph: neighbors must be below {n}"
        );
        Self {
            offsets,
            neighbors,
            scales,
        }
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// The scale of each node.
    #[must_use]
    pub fn scales(&self) -> &[T] {
        &self.scales
    }

    /// Whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    fn of(&self, node: usize) -> &[u32] {
        &self.neighbors[self.offsets[node]..self.offsets[node + 1]]
    }

    /// B Y for Y in slabs: at all nodes, or at some; in slabs too.
    fn sums(&self, y: &[T], rows: Option<&[u32]>, out: &mut [T]) {
        let (n, m) = (self.len(), rows.map_or(self.len(), <[u32]>::len));
        if n == 0 || m == 0 {
            return;
        }
        out.par_chunks_mut(m * SLAB)
            .zip(y.par_chunks(n * SLAB))
            .for_each(|(out, y)| {
                out.par_chunks_mut(ROWS * SLAB)
                    .enumerate()
                    .for_each(|(block, out)| {
                        wide(
                            #[inline(always)]
                            || {
                                for (at, out) in out.chunks_exact_mut(SLAB).enumerate() {
                                    let at = block * ROWS + at;
                                    let node = rows.map_or(at, |rows| rows[at] as usize);
                                    let mut kept = [T::ZERO; SLAB];
                                    for &v in self.of(node) {
                                        let row = &y[v as usize * SLAB..][..SLAB];
                                        for k in 0..SLAB {
                                            kept[k] += row[k];
                                        }
                                    }
                                    out.copy_from_slice(&kept);
                                }
                            },
                        );
                    });
            });
    }

    /// Multiplies every row of Y in slabs: `y_v ← f(s_v) y_v`, in place.
    fn rescale(&self, y: &mut [T], f: impl Fn(T) -> T + Sync) {
        y.par_chunks_mut((self.len() * SLAB).max(1)).for_each(|y| {
            wide(
                #[inline(always)]
                || {
                    for (y, &s) in y.chunks_exact_mut(SLAB).zip(&self.scales) {
                        let s = f(s);
                        for y in y {
                            *y *= s;
                        }
                    }
                },
            );
        });
    }
}

/// Number of slabs of a width; the last one is filled with zeros.
fn slabs(width: usize) -> usize {
    width.div_ceil(SLAB)
}

/// Rows `(n, width)` to slabs, each row multiplied by its scale.
fn pack<T: Float>(x: &[T], scales: &[T], width: usize, out: &mut [T]) {
    let n = scales.len();
    out.par_chunks_mut((n * SLAB).max(1))
        .enumerate()
        .for_each(|(slab, out)| {
            let columns = slab * SLAB..((slab + 1) * SLAB).min(width);
            out.par_chunks_mut(ROWS * SLAB)
                .enumerate()
                .for_each(|(block, out)| {
                    wide(
                        #[inline(always)]
                        || {
                            for (at, out) in out.chunks_exact_mut(SLAB).enumerate() {
                                let node = block * ROWS + at;
                                let row = &x[node * width..][columns.clone()];
                                out[row.len()..].fill(T::ZERO);
                                let s = scales[node];
                                for (o, &x) in out.iter_mut().zip(row) {
                                    *o = s * x;
                                }
                            }
                        },
                    );
                });
        });
}

/// Slabs to rows: `out_v = f(v) + s_v y_v`, where f adds to a row.
fn unpack<T: Float>(
    y: &[T],
    scales: &[T],
    width: usize,
    out: &mut [T],
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let n = scales.len();
    out.par_chunks_mut((ROWS * width).max(1))
        .enumerate()
        .for_each(|(block, out)| {
            wide(
                #[inline(always)]
                || {
                    for (at, out) in out.chunks_exact_mut(width).enumerate() {
                        let node = block * ROWS + at;
                        let s = scales[node];
                        for (slab, out) in out.chunks_mut(SLAB).enumerate() {
                            let y = &y[(slab * n + node) * SLAB..][..SLAB];
                            for (o, &y) in out.iter_mut().zip(y) {
                                *o = s * y;
                            }
                        }
                        f(node, out);
                    }
                },
            );
        });
}

/// Some nodes, each once, and where they are in the order of the caller.
struct Places {
    /// The nodes, ascending.
    nodes: Vec<u32>,
    /// For each row of the caller its index in `nodes`.
    of: Vec<u32>,
    /// For each node of the graph its index in `nodes`, or `NONE`.
    index: Vec<u32>,
}

impl Places {
    fn new(at: &[u32], n: usize) -> Self {
        let mut index = vec![NONE; n];
        at.iter().for_each(|&v| index[v as usize] = 0);
        let mut nodes = Vec::new();
        for (v, index) in index.iter_mut().enumerate().filter(|(_, i)| **i != NONE) {
            *index = nodes.len() as u32;
            nodes.push(v as u32);
        }
        Self {
            of: at.iter().map(|&v| index[v as usize]).collect(),
            nodes,
            index,
        }
    }
}

impl<'t, T: Float> Var<'t, T> {
    fn check_nodes(self, graph: &Graph<T>) -> usize {
        let shape = self.shape();
        assert_eq!(
            shape.rows(),
            graph.len(),
            "graph: rows of {shape:?} and nodes differ"
        );
        shape.width()
    }

    /// A X for the adjacency of a graph: `(n, w) → (n, w)`. Every row is summed in the order of its neighbors.
    ///
    /// # Panics
    /// Unless X has one row per node.
    #[must_use]
    pub fn graph_matmul(self, graph: &Arc<Graph<T>>) -> Self {
        let (x, graph, width) = (self.value(), graph.clone(), self.check_nodes(graph));
        let times = move |x: &[T], [mut y, mut z, mut out]: [Vec<T>; 3]| {
            pack(x, &graph.scales, width, &mut y);
            graph.sums(&y, None, &mut z);
            unpack(&z, &graph.scales, width, &mut out, |_, _| {});
            [out, y, z]
        };
        let wide = self.shape().rows() * slabs(width) * SLAB;
        let sizes = [wide, wide, x.len()];
        let [out, y, z] = times(&x, sizes.map(|n| self.arena().take(n)));
        self.arena().give(y);
        self.arena().give(z);
        let id = self.id;
        self.record(&[self], out, self.shape(), move |g, sums| {
            let [back, y, z] = times(&g, sizes.map(|n| sums.take(n)));
            sums.give(id, back);
            [y, z, g]
                .into_iter()
                .for_each(|buffer| sums.recycle(buffer));
        })
    }

    /// Rows `at` of the mean of X, A X, …, Aˡ X for the adjacency of a graph: `(n, w) → (at.len(), w)`, as in
    /// LightGCN. The last power is computed at those rows only, and the gradient is propagated from them.
    ///
    /// # Panics
    /// Unless X has one row per node, or if a row of `at` is not a node.
    #[must_use]
    pub fn propagate(self, graph: &Arc<Graph<T>>, layers: usize, at: &[u32]) -> Self {
        let (x, graph, width) = (self.value(), graph.clone(), self.check_nodes(graph));
        let n = graph.len();
        let places = Places::new(at, n);
        let share = T::of(1.0 / (layers + 1) as f64);
        let m = places.nodes.len();
        let padded = slabs(width) * SLAB;
        // The sum of all powers at the chosen nodes.
        let mut chosen = self.arena().take(m * width);
        for (sum, &v) in chosen.chunks_exact_mut(width.max(1)).zip(&places.nodes) {
            sum.copy_from_slice(&x[v as usize * width..][..width]);
        }
        let mut add = |y: &[T], rows: usize, row_of: &dyn Fn(usize) -> usize| {
            let sums = chosen.chunks_exact_mut(width.max(1)).zip(&places.nodes);
            for (k, (sum, &v)) in sums.enumerate() {
                let s = graph.scales[v as usize];
                for (slab, sum) in sum.chunks_mut(SLAB).enumerate() {
                    let y = &y[(slab * rows + row_of(k)) * SLAB..][..SLAB];
                    sum.iter_mut().zip(y).for_each(|(sum, &y)| *sum += s * y);
                }
            }
        };
        if layers > 0 {
            let mut y = self.arena().take(n * padded); // diag(s) times the power, in slabs
            let mut z = self.arena().take(n * padded); // B y
            pack(&x, &graph.scales, width, &mut y);
            for _ in 1..layers {
                graph.sums(&y, None, &mut z);
                add(&z, n, &|k| places.nodes[k] as usize);
                graph.rescale(&mut z, |s| s * s);
                std::mem::swap(&mut y, &mut z);
            }
            graph.sums(&y, Some(&places.nodes), &mut z[..m * padded]);
            add(&z, m, &|k| k);
            self.arena().give(y);
            self.arena().give(z);
        }
        let mut out = self.arena().take(at.len() * width);
        for (out, &k) in out.chunks_exact_mut(width.max(1)).zip(&places.of) {
            let sum = &chosen[k as usize * width..][..width];
            out.iter_mut().zip(sum).for_each(|(o, &x)| *o = share * x);
        }
        self.arena().give(chosen);
        let (id, shape) = (self.id, Shape::new(&[at.len(), width]));
        self.record(&[self], out, shape, move |g, sums| {
            // c: the gradient of the mean at the chosen nodes. The gradient of X is
            // c + A c + … + Aˡ c = c + A (c + A (…)), and the innermost product has few nonzero rows.
            let mut c = sums.take(m * width);
            c.fill(T::ZERO);
            for (g, &k) in g.chunks_exact(width.max(1)).zip(&places.of) {
                let c = &mut c[k as usize * width..][..width];
                c.iter_mut().zip(g).for_each(|(c, &g)| *c += share * g);
            }
            let chosen = |node: usize, out: &mut [T], s: T| {
                let k = places.index[node];
                if k != NONE {
                    let c = &c[k as usize * width..][..width];
                    out.iter_mut().zip(c).for_each(|(o, &c)| *o += s * c);
                }
            };
            let mut back = sums.take(n * width);
            if layers == 0 {
                back.fill(T::ZERO);
                let rows = back.chunks_exact_mut(width.max(1)).enumerate();
                rows.for_each(|(v, row)| chosen(v, row, T::ONE));
            } else {
                graph.sparse_times(&places, &c, width, &mut back);
                let rows = back.par_chunks_mut(width.max(1)).with_min_len(ROWS);
                rows.enumerate().for_each(|(v, row)| chosen(v, row, T::ONE));
                let mut y = sums.take(n * padded);
                let mut z = sums.take(n * padded);
                for _ in 1..layers {
                    pack(&back, &graph.scales, width, &mut y);
                    graph.sums(&y, None, &mut z);
                    unpack(&z, &graph.scales, width, &mut back, |v, row| {
                        chosen(v, row, T::ONE);
                    });
                }
                sums.recycle(y);
                sums.recycle(z);
            }
            sums.give(id, back);
            sums.recycle(c);
            sums.recycle(g);
        })
    }
}

impl<T: Float> Graph<T> {
    /// A C for a C `(n, w)` of which only the chosen rows `(m, w)` are not zero.
    fn sparse_times(&self, places: &Places, c: &[T], width: usize, out: &mut [T]) {
        out.par_chunks_mut((ROWS * width).max(1))
            .enumerate()
            .for_each(|(block, out)| {
                wide(
                    #[inline(always)]
                    || {
                        let mut found: Vec<(u32, T)> = Vec::new();
                        for (at, out) in out.chunks_exact_mut(width).enumerate() {
                            let node = block * ROWS + at;
                            let neighbors = self.of(node);
                            found.resize(neighbors.len(), (0, T::ZERO));
                            let mut n = 0;
                            for &v in neighbors {
                                // Without a branch, which could not be predicted.
                                found[n] = (places.index[v as usize], self.scales[v as usize]);
                                n += usize::from(found[n].0 != NONE);
                            }
                            let s = self.scales[node];
                            let pairs = found[..n].iter().map(|&(k, scale)| (scale, k));
                            weighted_rows(out, c, pairs);
                            for o in out {
                                *o *= s;
                            }
                        }
                    },
                );
            });
    }
}
