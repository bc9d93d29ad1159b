//! Scaled dot-product attention over sequences of different lengths, without padding.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::lanes::{add_scaled, dot, exponentials};
use super::{Float, Var};
use crate::wide::wide;

/// Sequences in a flat list of rows: the query rows, and the key rows that they attend to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    queries: Vec<usize>, // (sequences + 1): query offsets
    keys: Vec<usize>,    // (sequences + 1)
    causal: bool,
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    offsets.extend(lengths.iter().scan(0, |end, n| {
        *end += n;
        Some(*end)
    }));
    offsets
}

impl Spans {
    /// Causal: every row attends to the rows of its own sequence up to itself.
    #[must_use]
    pub fn causal(lengths: &[usize]) -> Self {
        Self {
            queries: offsets(lengths),
            keys: offsets(lengths),
            causal: true,
        }
    }

    /// Every row attends to all rows of its own sequence.
    #[must_use]
    pub fn full(lengths: &[usize]) -> Self {
        Self {
            causal: false,
            ..Self::causal(lengths)
        }
    }

    /// One query per sequence, its last row, which attends to all of it. No sequence may be empty.
    #[must_use]
    pub fn last(lengths: &[usize]) -> Self {
        Self {
            queries: (0..=lengths.len()).collect(),
            keys: offsets(lengths),
            causal: false,
        }
    }

    /// The row index of the last row of every sequence.
    #[must_use]
    pub fn last_rows(&self) -> Vec<u32> {
        self.keys[1..].iter().map(|&end| end as u32 - 1).collect()
    }

    fn len(&self) -> usize {
        self.keys.len() - 1
    }

    fn queries_of(&self, s: usize) -> Range<usize> {
        self.queries[s]..self.queries[s + 1]
    }

    fn keys_of(&self, s: usize) -> Range<usize> {
        self.keys[s]..self.keys[s + 1]
    }

    /// Number of keys, of `n`, that query `i` of `m` attends to.
    fn seen(&self, i: usize, m: usize, n: usize) -> usize {
        match self.causal {
            true => n - (m - 1 - i),
            false => n,
        }
    }

    /// Pairs of queries and keys of each sequence.
    fn pairs(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|s| self.queries_of(s).len() * self.keys_of(s).len())
    }
}

/// A slice split into pieces of the given lengths.
fn cut<T>(mut whole: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    lengths
        .map(|n| {
            let (piece, rest) = std::mem::take(&mut whole).split_at_mut(n);
            whole = rest;
            piece
        })
        .collect()
}

/// One head of one sequence: rows of `width` numbers, of which `head` are this head's.
#[derive(Clone)]
struct Head {
    width: usize,
    head: Range<usize>,
}

impl Head {
    #[inline(always)]
    fn row<'a, T>(&self, x: &'a [T], row: usize) -> &'a [T] {
        &x[row * self.width..][self.head.clone()]
    }

    #[inline(always)]
    fn row_mut<'a, T>(&self, x: &'a mut [T], row: usize) -> &'a mut [T] {
        &mut x[row * self.width..][self.head.clone()]
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// Attention of queries (this) `(Q, w)` over keys and values `(K, w)`, in `heads` heads of d = w / h
    /// columns each (Vaswani et al., Attention Is All You Need, 2017, equation 1):
    ///
    /// ```text
    /// out_i = Σ_j p_ij v_j,   p_i = softmax_j(q_i · k_j / √d)    over the keys j that i attends to
    /// ```
    ///
    /// # Panics
    /// If shapes and spans disagree.
    #[must_use]
    pub fn attention(self, keys: Self, values: Self, spans: &Arc<Spans>, heads: usize) -> Self {
        let (q, k, v) = (self.value(), keys.value(), values.value());
        let (shape, width) = (self.shape(), self.shape().width());
        let spans = spans.clone();
        assert!(
            shape.rows() == spans.queries[spans.len()]
                && keys.shape().rows() == spans.keys[spans.len()]
                && keys.shape() == values.shape()
                && keys.shape().width() == width,
            "attention: spans do not match queries {shape:?}, keys {:?} and values {:?}",
            keys.shape(),
            values.shape()
        );
        assert_eq!(
            width % heads.max(1),
            0,
            "attention: the width of {shape:?} is not a multiple of {heads} heads"
        );
        let d = width / heads;
        let scale = T::of(1.0 / (d as f64).sqrt());
        let head = move |h: usize| Head {
            width,
            head: h * d..(h + 1) * d,
        };
        let mut out = self.arena().take(q.len());
        // p of every sequence: (heads, queries, keys).
        let mut shares = self.arena().take(spans.pairs().sum::<usize>() * heads);
        let outs = cut(
            &mut out,
            (0..spans.len()).map(|s| spans.queries_of(s).len() * width),
        );
        let pieces = cut(&mut shares, spans.pairs().map(|n| n * heads));
        outs.into_par_iter()
            .zip(pieces)
            .enumerate()
            .with_min_len(4)
            .for_each(|(s, (out, shares))| {
                let (rows, seen) = (spans.queries_of(s), spans.keys_of(s));
                let (m, n) = (rows.len(), seen.len());
                let (q, k, v) = (
                    &q[rows.start * width..],
                    &k[seen.start * width..],
                    &v[seen.start * width..],
                );
                wide(
                    #[inline(always)]
                    || {
                        out.fill(T::ZERO);
                        for (h, shares) in shares.chunks_exact_mut((m * n).max(1)).enumerate() {
                            let head = head(h);
                            for (i, p) in shares.chunks_exact_mut(n).enumerate() {
                                let (p, hidden) = p.split_at_mut(spans.seen(i, m, n));
                                hidden.fill(T::ZERO);
                                let q = head.row(q, i);
                                for (j, p) in p.iter_mut().enumerate() {
                                    *p = scale * dot(q, head.row(k, j));
                                }
                                let (_, mass) = exponentials(p);
                                let share = T::ONE / mass;
                                let out = head.row_mut(out, i);
                                for (j, p) in p.iter_mut().enumerate() {
                                    *p *= share;
                                    add_scaled(out, *p, head.row(v, j));
                                }
                            }
                        }
                    },
                );
            });
        let ids = [self.id, keys.id, values.id];
        self.record(&[self, keys, values], out, shape, move |g, sums| {
            let mut back = [q.len(), k.len(), v.len()].map(|n| sums.take(n));
            let [dq, dk, dv] = &mut back;
            let queries = |s| spans.queries_of(s).len() * width;
            let keys = |s| spans.keys_of(s).len() * width;
            let of_queries = cut(dq, (0..spans.len()).map(queries));
            let of_keys = cut(dk, (0..spans.len()).map(keys));
            let of_values = cut(dv, (0..spans.len()).map(keys));
            let pieces = cut(&mut shares, spans.pairs().map(|n| n * heads));
            of_queries
                .into_par_iter()
                .zip(of_keys)
                .zip(of_values)
                .zip(pieces)
                .enumerate()
                .with_min_len(4)
                .for_each(|(s, (((dq, dk), dv), shares))| {
                    let (rows, seen) = (spans.queries_of(s), spans.keys_of(s));
                    let (m, n) = (rows.len(), seen.len());
                    let (q, g) = (&q[rows.start * width..], &g[rows.start * width..]);
                    let (k, v) = (&k[seen.start * width..], &v[seen.start * width..]);
                    wide(
                        #[inline(always)]
                        || {
                            dq.fill(T::ZERO);
                            dk.fill(T::ZERO);
                            dv.fill(T::ZERO);
                            let mut slopes = vec![T::ZERO; n];
                            for (h, shares) in shares.chunks_exact((m * n).max(1)).enumerate() {
                                let head = head(h);
                                for (i, p) in shares.chunks_exact(n).enumerate() {
                                    let p = &p[..spans.seen(i, m, n)];
                                    let slopes = &mut slopes[..p.len()];
                                    let (q, g) = (head.row(q, i), head.row(g, i));
                                    for (j, (slope, &p)) in slopes.iter_mut().zip(p).enumerate() {
                                        *slope = dot(g, head.row(v, j));
                                        add_scaled(head.row_mut(dv, j), p, g);
                                    }
                                    let mean = dot(slopes, p);
                                    let dq = head.row_mut(dq, i);
                                    for (j, (&slope, &p)) in slopes.iter().zip(p).enumerate() {
                                        let slope = scale * p * (slope - mean);
                                        add_scaled(dq, slope, head.row(k, j));
                                        add_scaled(head.row_mut(dk, j), slope, q);
                                    }
                                }
                            }
                        },
                    );
                });
            for (id, back) in ids.into_iter().zip(back) {
                sums.give(id, back);
            }
            sums.recycle(shares);
            sums.recycle(g);
        })
    }
}
