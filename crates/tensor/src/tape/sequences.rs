//! Operations of recurrent networks and of pooling over sequences.

use rayon::prelude::*;

use super::lanes::{add_scaled, dot};
use super::{Float, Shape, Var};
use crate::wide::wide;

/// Rows per task.
const ROWS: usize = 32;

impl<'t, T: Float> Var<'t, T> {
    /// One step of a gated recurrent unit (Cho et al., EMNLP 2014, in the form of PyTorch), for states h (this)
    /// `(n, w)`, given the linear maps of the inputs and of the states `(n, 3 w)`, with columns for r, z and n:
    ///
    /// ```text
    /// r = σ(x_r + h_r),   z = σ(x_z + h_z),   n = tanh(x_n + r h_n),   out = (1 − z) n + z h
    /// ```
    ///
    /// # Panics
    /// If the shapes disagree.
    #[must_use]
    pub fn gru(self, of_inputs: Self, of_states: Self) -> Self {
        let (h, x, s) = (self.value(), of_inputs.value(), of_states.value());
        let (shape, w) = (self.shape(), self.shape().width());
        assert!(
            of_inputs.shape() == of_states.shape()
                && of_inputs.shape().width() == 3 * w
                && of_inputs.shape().rows() == shape.rows(),
            "gru: states {shape:?} with maps {:?} and {:?}",
            of_inputs.shape(),
            of_states.shape()
        );
        let mut out = self.arena().take(h.len());
        // r, z and n of every row.
        let mut gates = self.arena().take(x.len());
        let task = (ROWS * w).max(1);
        out.par_chunks_mut(task)
            .zip(gates.par_chunks_mut(3 * task))
            .zip(h.par_chunks(task))
            .zip(x.par_chunks(3 * task).zip(s.par_chunks(3 * task)))
            .for_each(|(((out, gates), h), (x, s))| {
                wide(
                    #[inline(always)]
                    || {
                        let rows = out.chunks_exact_mut(w).zip(h.chunks_exact(w));
                        let maps = x.chunks_exact(3 * w).zip(s.chunks_exact(3 * w));
                        let rows = rows.zip(gates.chunks_exact_mut(3 * w)).zip(maps);
                        for (((out, h), gates), (x, s)) in rows {
                            let (rz, n) = gates.split_at_mut(2 * w);
                            for k in 0..2 * w {
                                rz[k] = Float::sigmoid(x[k] + s[k]);
                            }
                            let (r, z) = rz.split_at(w);
                            for k in 0..w {
                                n[k] = Float::tanh(x[2 * w + k] + r[k] * s[2 * w + k]);
                                out[k] = n[k] + z[k] * (h[k] - n[k]);
                            }
                        }
                    },
                );
            });
        let ids = [self.id, of_inputs.id, of_states.id];
        self.record(&[self, of_inputs, of_states], out, shape, move |g, sums| {
            let [mut dh, mut dx, mut ds] = [h.len(), x.len(), s.len()].map(|n| sums.take(n));
            dh.par_chunks_mut(task)
                .zip(dx.par_chunks_mut(3 * task).zip(ds.par_chunks_mut(3 * task)))
                .zip(g.par_chunks(task).zip(h.par_chunks(task)))
                .zip(gates.par_chunks(3 * task).zip(s.par_chunks(3 * task)))
                .for_each(|(((dh, (dx, ds)), (g, h)), (gates, s))| {
                    wide(
                        #[inline(always)]
                        || {
                            let rows = dh.chunks_exact_mut(w).enumerate();
                            for (at, dh) in rows {
                                let (one, three) = (at * w..(at + 1) * w, at * 3 * w);
                                let (g, h) = (&g[one.clone()], &h[one]);
                                let three = three..three + 3 * w;
                                let (dx, ds) = (&mut dx[three.clone()], &mut ds[three.clone()]);
                                let (gates, s) = (&gates[three.clone()], &s[three]);
                                for k in 0..w {
                                    let (r, z, n) = (gates[k], gates[w + k], gates[2 * w + k]);
                                    let of_n = g[k] * (T::ONE - z) * (T::ONE - n * n);
                                    let of_r = of_n * s[2 * w + k] * r * (T::ONE - r);
                                    let of_z = g[k] * (h[k] - n) * z * (T::ONE - z);
                                    dh[k] = g[k] * z;
                                    (dx[k], ds[k]) = (of_r, of_r);
                                    (dx[w + k], ds[w + k]) = (of_z, of_z);
                                    (dx[2 * w + k], ds[2 * w + k]) = (of_n, of_n * r);
                                }
                            }
                        },
                    );
                });
            for (id, back) in ids.into_iter().zip([dh, dx, ds]) {
                sums.give(id, back);
            }
            sums.recycle(gates);
            sums.recycle(g);
        })
    }

    /// Weighted means of the rows of each sequence (these values `(rows, w)`), several per sequence: with logits
    /// `(rows, k)`, whose softmax over the rows of a sequence are the weights,
    ///
    /// ```text
    /// out_s,k = Σ_j p_jk v_j,   p_·k = softmax over the rows j of s of logits_jk          (sequences · k, w)
    /// ```
    ///
    /// # Panics
    /// If the shapes disagree, or the lengths are not those of all rows.
    #[must_use]
    pub fn pool(self, logits: Self, lengths: &[usize]) -> Self {
        let (v, x) = (self.value(), logits.value());
        let (w, k) = (self.shape().width(), logits.shape().width());
        let rows = self.shape().rows();
        assert!(
            logits.shape().rows() == rows && lengths.iter().sum::<usize>() == rows,
            "pool: {:?} with logits {:?} of {} sequences",
            self.shape(),
            logits.shape(),
            lengths.len()
        );
        let mut ends = 0;
        let spans: Vec<(usize, usize)> = lengths
            .iter()
            .map(|&n| {
                ends += n;
                (ends - n, ends)
            })
            .collect();
        let mut out = self.arena().take(spans.len() * k * w);
        let mut shares = self.arena().take(x.len());
        shares.copy_from_slice(&x);
        // Sequences are short: their pieces are cut one after another.
        let mut rest = shares.as_mut_slice();
        for (&(start, end), out) in spans.iter().zip(out.chunks_exact_mut((k * w).max(1))) {
            let (p, after) = rest.split_at_mut((end - start) * k);
            rest = after;
            wide(
                #[inline(always)]
                || {
                    for (c, out) in out.chunks_exact_mut(w.max(1)).enumerate() {
                        let column = || p.iter().skip(c).step_by(k);
                        let m = column().fold(T::NEG_INFINITY, |m, &x| m.larger(x));
                        let mut mass = T::ZERO;
                        for x in p.iter_mut().skip(c).step_by(k) {
                            *x = Float::exp(*x - m);
                            mass += *x;
                        }
                        out.fill(T::ZERO);
                        for (j, x) in p.iter_mut().skip(c).step_by(k).enumerate() {
                            *x /= mass;
                            add_scaled(out, *x, &v[(start + j) * w..][..w]);
                        }
                    }
                },
            );
        }
        let (i, j) = (self.id, logits.id);
        let shape = Shape::new(&[spans.len() * k, w]);
        self.record(&[self, logits], out, shape, move |g, sums| {
            let mut dv = sums.take(v.len());
            dv.fill(T::ZERO);
            let mut dx = sums.take(shares.len());
            for (&(start, end), g) in spans.iter().zip(g.chunks_exact((k * w).max(1))) {
                wide(
                    #[inline(always)]
                    || {
                        for (c, g) in g.chunks_exact(w.max(1)).enumerate() {
                            let mut mean = T::ZERO;
                            for row in start..end {
                                let p = shares[row * k + c];
                                let slope = dot(g, &v[row * w..][..w]);
                                add_scaled(&mut dv[row * w..][..w], p, g);
                                dx[row * k + c] = slope;
                                mean += p * slope;
                            }
                            for row in start..end {
                                let at = row * k + c;
                                dx[at] = shares[at] * (dx[at] - mean);
                            }
                        }
                    },
                );
            }
            sums.give(i, dv);
            sums.give(j, dx);
            sums.recycle(shares);
            sums.recycle(g);
        })
    }
}
