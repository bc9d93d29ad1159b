//! The logic layer: R soft and hard rules over binary rows, in the sparse form.
//!
//! Weights w `(I, R)` say which items a rule asks for: w > ½ a literal, w < −½ a negated one. Gates
//! g `(R)` choose between AND (g > 0) and OR. For a row with the items N:
//!
//! ```text
//! C(w) = sign(w) c(|w|)                         the cost of a literal
//! D_r  = Σ_{i ∈ N} C(w_ir)
//! P_r  = Σ_i max(C(w_ir), 0),  M_r = Σ_i max(−C(w_ir), 0)
//! s∧   = P − D  (what an AND lacks),  s∨ = M + D  (what an OR has)
//! conj = (1 + s∧)^−γ,  disj = 1 − (1 + s∨)^−γ
//! soft = σ(g) conj + (1 − σ(g)) disj
//! hard: the same over B = [w > ½] − [w < −½]: AND if nothing fails, OR if anything holds
//! ```
//!
//! c is that of the novel logical activation functions of RRL (Wang et al., Learning Interpretable
//! Rules for Scalable Data Representation and Classification, TPAMI 2024),
//! `c(w) = K (αw)^β / (1 − (αw)^β)` with `K = α^β / (1 − α^β)`, or that of the original layer (Wang et
//! al., Scalable Rule-Based Representation Learning, NeurIPS 2021), `c(w) = −ln(1 − w)` with γ = 1: for
//! binary rows both are one layer. The dense form visits all I · R pairs for every user, this one only
//! the user's items; it gives the same numbers.
//!
//! The value is hard, the gradient is that of the soft layer at the same point ("gradient grafting").
//! With G = ∂loss/∂value:
//!
//! ```text
//! A = ∂loss/∂s∧ = −γ σ(g) G (1 + s∧)^(−γ−1)
//! E = ∂loss/∂s∨ = +γ (1 − σ(g)) G (1 + s∨)^(−γ−1)
//! ∂loss/∂C = Xᵀ(E − A) + [w > 0] Σ_u A − [w < 0] Σ_u E
//! ∂loss/∂w = ∂loss/∂C · c'(|w|),   ∂loss/∂g = σ(g)(1 − σ(g)) Σ_u G (conj − disj)
//! ```
//!
//! P − D and Σ A − XᵀA subtract numbers that are nearly equal, so they are summed in double precision.

use rayon::prelude::*;

use super::batch::Batch;
use super::wide;

/// Items that one task works on; sums over items are taken block by block.
const ITEMS: usize = 64;

/// Users that one task works on.
const USERS: usize = 32;

/// Rules that a pass works on.
const TILE: usize = 256;

/// Weights beyond this are literals.
pub const THRESHOLD: f32 = 0.5;

/// What a literal costs, as a function of its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cost {
    /// Novel logical activation functions.
    Nlaf {
        /// α, in 0..1.
        alpha: f32,
        /// β.
        beta: u32,
        /// γ.
        gamma: u32,
    },
    /// `−ln(1 − w)`, with γ = 1.
    Log,
}

/// Largest weight that the logarithmic cost sees.
const LOG_LIMIT: f32 = 1.0 - 1e-6;

impl Cost {
    fn gamma(self) -> u32 {
        match self {
            Self::Nlaf { gamma, .. } => gamma,
            Self::Log => 1,
        }
    }

    /// `C(w)`, the cost with the sign of its weight.
    #[inline(always)]
    #[must_use]
    pub fn signed(self, w: f32) -> f32 {
        match self {
            Self::Nlaf { alpha, beta, .. } => {
                let a = power(alpha * w.abs(), beta);
                (unit(alpha, beta) * a / (1.0 - a)).copysign(w)
            }
            Self::Log if w == 0.0 => 0.0,
            Self::Log => (-(-w.abs().min(LOG_LIMIT)).ln_1p()).copysign(w),
        }
    }

    /// `c'(|w|)`.
    #[inline(always)]
    #[must_use]
    pub fn slope(self, w: f32) -> f32 {
        let w = w.abs();
        match self {
            Self::Nlaf { alpha, beta, .. } => {
                let below = power(alpha * w, beta.saturating_sub(1));
                let a = below * alpha * w;
                let b = beta as f32;
                unit(alpha, beta) * b * alpha * below / ((1.0 - a) * (1.0 - a))
            }
            Self::Log => 1.0 / (1.0 - w.min(LOG_LIMIT)),
        }
    }
}

/// K of the novel logical activation functions.
#[inline(always)]
fn unit(alpha: f32, beta: u32) -> f32 {
    let a = power(alpha, beta);
    a / (1.0 - a)
}

/// xⁿ by repeated squaring.
#[inline(always)]
fn power(x: f32, n: u32) -> f32 {
    let (mut result, mut square, mut n) = (1.0, x, n);
    while n > 0 {
        if n & 1 == 1 {
            result *= square;
        }
        square *= square;
        n >>= 1;
    }
    result
}

/// The logic layer with the memory of a step, which is used again for the next one.
#[derive(Debug, Clone)]
pub struct Logic {
    cost: Cost,
    n_rules: usize,
    costs: Vec<f32>,          // (I, R): C(w)
    literals: Vec<(u32, i8)>, // of all items, by item
    starts: Vec<usize>,       // (I + 1)
    positive: Vec<f64>,       // (R): P
    negative: Vec<f64>,       // (R): M
    asked: Vec<i32>,          // (R): literals
    refused: Vec<i32>,        // (R): negated literals
    for_and: Vec<f32>,        // (U, R): ∂soft/∂s∧
    for_or: Vec<f32>,         // (U, R): ∂soft/∂s∨
    for_gate: Vec<f32>,       // (U, R): conj − disj
    pull: Vec<f64>,           // (U, R): E − A
}

/// Sums over a block of items.
struct Sums {
    positive: Vec<f64>,
    negative: Vec<f64>,
    asked: Vec<i32>,
    refused: Vec<i32>,
    literals: Vec<(u32, i8)>,
    lengths: Vec<usize>,
}

impl Logic {
    /// A layer of `n_rules` rules.
    #[must_use]
    pub fn new(cost: Cost, n_rules: usize) -> Self {
        Self {
            cost,
            n_rules,
            costs: Vec::new(),
            literals: Vec::new(),
            starts: Vec::new(),
            positive: Vec::new(),
            negative: Vec::new(),
            asked: Vec::new(),
            refused: Vec::new(),
            for_and: Vec::new(),
            for_or: Vec::new(),
            for_gate: Vec::new(),
            pull: Vec::new(),
        }
    }

    /// The hard rules `(U, R)` of a batch, 0 or 1, for weights `(I, R)` and gates `(R)`; what the
    /// backward pass needs is kept.
    pub fn forward(&mut self, w: &[f32], gates: &[f32], batch: &Batch, hard: &mut [f32]) {
        let r = self.n_rules;
        if r == 0 {
            return;
        }
        self.weigh(w);
        let size = batch.len() * r;
        for kept in [&mut self.for_and, &mut self.for_or, &mut self.for_gate] {
            kept.resize(size, 0.0);
        }
        let this = Layer {
            n_rules: r,
            gamma: self.cost.gamma(),
            costs: &self.costs,
            literals: &self.literals,
            starts: &self.starts,
            positive: &self.positive,
            negative: &self.negative,
            asked: &self.asked,
            refused: &self.refused,
            gates,
        };
        hard[..size]
            .par_chunks_mut(USERS * r)
            .zip(self.for_and.par_chunks_mut(USERS * r))
            .zip(self.for_or.par_chunks_mut(USERS * r))
            .zip(self.for_gate.par_chunks_mut(USERS * r))
            .enumerate()
            .for_each(|(block, (((hard, and), or), gate))| {
                let mut d = vec![0f64; USERS * r];
                this.sums(batch, block * USERS, &mut d);
                let rows = hard
                    .chunks_exact_mut(r)
                    .zip(and.chunks_exact_mut(r))
                    .zip(or.chunks_exact_mut(r))
                    .zip(gate.chunks_exact_mut(r))
                    .zip(d.chunks_exact(r))
                    .enumerate();
                let mut count = vec![0i32; r];
                for (at, ((((hard, and), or), gate), d)) in rows {
                    this.harden(batch.row(block * USERS + at), &mut count, hard);
                    wide(|| this.soften(d, and, or, gate));
                }
            });
    }

    /// Costs, literals and their sums over items.
    fn weigh(&mut self, w: &[f32]) {
        let r = self.n_rules;
        self.costs.resize(w.len(), 0.0);
        let cost = self.cost;
        let blocks: Vec<Sums> = self
            .costs
            .par_chunks_mut(ITEMS * r)
            .zip(w.par_chunks(ITEMS * r))
            .map(|(costs, w)| {
                let mut sums = Sums {
                    positive: vec![0.0; r],
                    negative: vec![0.0; r],
                    asked: vec![0; r],
                    refused: vec![0; r],
                    literals: Vec::new(),
                    lengths: Vec::with_capacity(ITEMS),
                };
                for (costs, w) in costs.chunks_exact_mut(r).zip(w.chunks_exact(r)) {
                    wide(|| signed_costs(cost, w, costs));
                    wide(|| add_parts(costs, &mut sums.positive, &mut sums.negative));
                    sums.take_literals(w);
                }
                sums
            })
            .collect();
        for sum in [&mut self.positive, &mut self.negative] {
            sum.clear();
            sum.resize(r, 0.0);
        }
        for sum in [&mut self.asked, &mut self.refused] {
            sum.clear();
            sum.resize(r, 0);
        }
        self.literals.clear();
        self.starts.clear();
        self.starts.push(0);
        for block in blocks {
            for rule in 0..r {
                self.positive[rule] += block.positive[rule];
                self.negative[rule] += block.negative[rule];
                self.asked[rule] += block.asked[rule];
                self.refused[rule] += block.refused[rule];
            }
            let mut start = self.literals.len();
            for length in block.lengths {
                start += length;
                self.starts.push(start);
            }
            self.literals.extend(block.literals);
        }
    }

    /// The gradients `(I, R)` of the weights and `(R)` of the gates, for the gradient `(U, R)` of the
    /// values of the last [`forward`](Self::forward) with the same arguments.
    pub fn backward(
        &mut self,
        w: &[f32],
        gates: &[f32],
        batch: &Batch,
        value: &[f32],
        for_weights: &mut [f32],
        for_gates: &mut [f32],
    ) {
        let r = self.n_rules;
        if r == 0 {
            return;
        }
        self.pull.resize(batch.len() * r, 0.0);
        let chunk = USERS * r;
        let blocks: Vec<[Vec<f64>; 3]> = self
            .pull
            .par_chunks_mut(chunk)
            .zip(value[..batch.len() * r].par_chunks(chunk))
            .zip(self.for_and.par_chunks(chunk))
            .zip(self.for_or.par_chunks(chunk))
            .zip(self.for_gate.par_chunks(chunk))
            .map(|((((pull, value), and), or), gate)| {
                let mut sums = [vec![0f64; r], vec![0f64; r], vec![0f64; r]];
                wide(|| pulls(pull, value, and, or, gate, &mut sums));
                sums
            })
            .collect();
        let mut sums = [vec![0f64; r], vec![0f64; r], vec![0f64; r]];
        for block in &blocks {
            for (sum, part) in sums.iter_mut().zip(block) {
                for (s, p) in sum.iter_mut().zip(part) {
                    *s += p;
                }
            }
        }
        let [of_and, of_or, of_gate] = sums;
        for ((out, &sum), &g) in for_gates.iter_mut().zip(&of_gate).zip(gates) {
            let s = f64::from(sigmoid(g));
            *out = (s * (1.0 - s) * sum) as f32;
        }
        let (pull, cost) = (&self.pull, self.cost);
        for_weights
            .par_chunks_mut(ITEMS / 4 * r)
            .zip(w.par_chunks(ITEMS / 4 * r))
            .enumerate()
            .for_each(|(block, (out, w))| {
                let mut sum = [0f64; TILE];
                for start in (0..r).step_by(TILE) {
                    let end = (start + TILE).min(r);
                    let rows = out.chunks_exact_mut(r).zip(w.chunks_exact(r)).enumerate();
                    for (at, (out, w)) in rows {
                        let users = batch.rows_of(block * (ITEMS / 4) + at).iter();
                        let pulls = users.map(|&u| &pull[u as usize * r + start..][..end - start]);
                        wide(|| {
                            let sum = &mut sum[..end - start];
                            add_all(sum, pulls);
                            weights(
                                cost,
                                &w[start..end],
                                sum,
                                &of_and[start..end],
                                &of_or[start..end],
                                &mut out[start..end],
                            );
                        });
                    }
                }
            });
    }
}

impl Sums {
    fn take_literals(&mut self, w: &[f32]) {
        let before = self.literals.len();
        for (rule, &w) in w.iter().enumerate() {
            if w > THRESHOLD {
                self.asked[rule] += 1;
                self.literals.push((rule as u32, 1));
            } else if w < -THRESHOLD {
                self.refused[rule] += 1;
                self.literals.push((rule as u32, -1));
            }
        }
        self.lengths.push(self.literals.len() - before);
    }
}

/// What the users of a batch share.
#[derive(Clone, Copy)]
struct Layer<'a> {
    n_rules: usize,
    gamma: u32,
    costs: &'a [f32],
    literals: &'a [(u32, i8)],
    starts: &'a [usize],
    positive: &'a [f64],
    negative: &'a [f64],
    asked: &'a [i32],
    refused: &'a [i32],
    gates: &'a [f32],
}

impl Layer<'_> {
    /// D of the users from `first` on.
    fn sums(&self, batch: &Batch, first: usize, d: &mut [f64]) {
        let r = self.n_rules;
        for start in (0..r).step_by(TILE) {
            let end = (start + TILE).min(r);
            for (at, d) in d.chunks_exact_mut(r).enumerate() {
                if first + at == batch.len() {
                    break;
                }
                let items = batch.row(first + at).iter();
                let rows = items.map(|&i| &self.costs[i as usize * r + start..][..end - start]);
                wide(|| add_singles(&mut d[start..end], rows));
            }
        }
    }

    fn harden(&self, items: &[u32], count: &mut [i32], hard: &mut [f32]) {
        count.fill(0);
        for &i in items {
            for &(rule, sign) in
                &self.literals[self.starts[i as usize]..self.starts[i as usize + 1]]
            {
                count[rule as usize] += i32::from(sign);
            }
        }
        for (rule, hard) in hard.iter_mut().enumerate() {
            let holds = if self.gates[rule] > 0.0 {
                self.asked[rule] == count[rule]
            } else {
                self.refused[rule] + count[rule] > 0
            };
            *hard = f32::from(u8::from(holds));
        }
    }

    #[inline(always)]
    fn soften(&self, d: &[f64], and: &mut [f32], or: &mut [f32], gate: &mut [f32]) {
        let gamma = self.gamma as f32;
        let columns = d
            .iter()
            .zip(self.positive)
            .zip(self.negative)
            .zip(self.gates);
        let outs = and.iter_mut().zip(or).zip(gate);
        for ((((&d, &p), &m), &g), ((and, or), gate)) in columns.zip(outs) {
            let lacks = 1.0 / (1.0 + (p - d).max(0.0) as f32);
            let has = 1.0 / (1.0 + (m + d).max(0.0) as f32);
            let (conj, rest) = (power(lacks, self.gamma), power(has, self.gamma));
            let s = sigmoid(g);
            *and = -gamma * s * conj * lacks;
            *or = gamma * (1.0 - s) * rest * has;
            *gate = conj - (1.0 - rest);
        }
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + super::exponential::exp(-x))
}

#[inline(always)]
fn signed_costs(cost: Cost, w: &[f32], out: &mut [f32]) {
    // The case is decided outside of the loop, and the usual β is a constant in it.
    match cost {
        Cost::Nlaf {
            alpha,
            beta: 8,
            gamma,
        } => {
            let cost = Cost::Nlaf {
                alpha,
                beta: 8,
                gamma,
            };
            out.iter_mut()
                .zip(w)
                .for_each(|(o, &w)| *o = cost.signed(w));
        }
        cost => out
            .iter_mut()
            .zip(w)
            .for_each(|(o, &w)| *o = cost.signed(w)),
    }
}

#[inline(always)]
fn add_parts(costs: &[f32], positive: &mut [f64], negative: &mut [f64]) {
    for ((&c, p), m) in costs.iter().zip(positive).zip(negative) {
        *p += f64::from(c.max(0.0));
        *m += f64::from((-c).max(0.0));
    }
}

#[inline(always)]
fn add_singles<'a>(out: &mut [f64], rows: impl Iterator<Item = &'a [f32]>) {
    for row in rows {
        for (o, &c) in out.iter_mut().zip(row) {
            *o += f64::from(c);
        }
    }
}

#[inline(always)]
fn add_all<'a>(sum: &mut [f64], rows: impl Iterator<Item = &'a [f64]>) {
    sum.fill(0.0);
    for row in rows {
        for (s, &p) in sum.iter_mut().zip(row) {
            *s += p;
        }
    }
}

#[inline(always)]
fn pulls(
    pull: &mut [f64],
    value: &[f32],
    and: &[f32],
    or: &[f32],
    gate: &[f32],
    sums: &mut [Vec<f64>; 3],
) {
    let [of_and, of_or, of_gate] = sums;
    let r = of_and.len();
    let rows = pull
        .chunks_exact_mut(r)
        .zip(value.chunks_exact(r))
        .zip(and.chunks_exact(r))
        .zip(or.chunks_exact(r))
        .zip(gate.chunks_exact(r));
    for ((((pull, value), and), or), gate) in rows {
        for k in 0..r {
            // The products are taken in single precision once, so that what is summed here and by
            // item are the same numbers.
            let a = f64::from(value[k] * and[k]);
            let e = f64::from(value[k] * or[k]);
            pull[k] = e - a;
            of_and[k] += a;
            of_or[k] += e;
            of_gate[k] += f64::from(value[k] * gate[k]);
        }
    }
}

#[inline(always)]
fn weights(cost: Cost, w: &[f32], sum: &[f64], of_and: &[f64], of_or: &[f64], out: &mut [f32]) {
    let one = |cost: Cost, w: f32, sum: f64, a: f64, e: f64| {
        let a = if w > 0.0 { a } else { 0.0 };
        let e = if w < 0.0 { e } else { 0.0 };
        (sum + a - e) as f32 * cost.slope(w)
    };
    let columns = w.iter().zip(sum).zip(of_and).zip(of_or).zip(out);
    match cost {
        Cost::Nlaf {
            alpha,
            beta: 8,
            gamma,
        } => {
            let cost = Cost::Nlaf {
                alpha,
                beta: 8,
                gamma,
            };
            columns.for_each(|((((&w, &s), &a), &e), o)| *o = one(cost, w, s, a, e));
        }
        cost => columns.for_each(|((((&w, &s), &a), &e), o)| *o = one(cost, w, s, a, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draw;
    use proptest::prelude::*;

    const NLAF: Cost = Cost::Nlaf {
        alpha: 0.999,
        beta: 8,
        gamma: 3,
    };

    /// The dense definition in double precision, over all items.
    struct Dense {
        n_rules: usize,
        cost: Cost,
    }

    impl Dense {
        fn cost(&self, w: f64) -> f64 {
            match self.cost {
                Cost::Log => -(1.0 - w.min(1.0 - 1e-6)).ln(),
                Cost::Nlaf { alpha, beta, .. } => {
                    let h = |x: f64| {
                        let a = (f64::from(alpha) * x).powi(beta as i32);
                        a / (1.0 - a)
                    };
                    h(1.0) * h(w)
                }
            }
        }

        fn soft(&self, w: &[f64], gates: &[f64], row: &[u32]) -> Vec<f64> {
            let r = self.n_rules;
            let gamma = f64::from(self.cost.gamma());
            (0..r)
                .map(|k| {
                    let (mut lacks, mut has) = (0.0, 0.0);
                    for i in 0..w.len() / r {
                        let w = w[i * r + k];
                        let x = f64::from(u8::from(row.contains(&(i as u32))));
                        let (p, n) = (self.cost(w.max(0.0)), self.cost((-w).max(0.0)));
                        lacks += (1.0 - x) * p + x * n;
                        has += x * p + (1.0 - x) * n;
                    }
                    let s = 1.0 / (1.0 + (-gates[k]).exp());
                    s * (1.0 + lacks).powf(-gamma) + (1.0 - s) * (1.0 - (1.0 + has).powf(-gamma))
                })
                .collect()
        }

        fn hard(&self, w: &[f32], gates: &[f32], row: &[u32], k: usize) -> f32 {
            let r = self.n_rules;
            let truths: Vec<bool> = (0..w.len() / r)
                .filter(|i| w[i * r + k].abs() > 0.5)
                .map(|i| row.contains(&(i as u32)) == (w[i * r + k] > 0.0))
                .collect();
            let holds = match gates[k] > 0.0 {
                true => truths.iter().all(|&t| t),
                false => truths.iter().any(|&t| t),
            };
            f32::from(u8::from(holds))
        }
    }

    #[test]
    fn costs_by_hand() {
        // (0.999 · 1)⁸ / (1 − 0.999⁸) = 124.44, squared 15,485.
        assert!((NLAF.signed(1.0) / 15_485.0 - 1.0).abs() < 1e-3);
        assert!((NLAF.signed(-0.5) + 0.484).abs() < 1e-3);
        assert_eq!(NLAF.signed(0.0), 0.0);
        assert!((Cost::Log.signed(-0.5) + 2f32.ln()).abs() < 1e-6);
        assert_eq!((Cost::Log.slope(0.0), Cost::Log.slope(-0.5)), (1.0, 2.0));
        for cost in [
            NLAF,
            Cost::Log,
            Cost::Nlaf {
                alpha: 0.9,
                beta: 3,
                gamma: 1,
            },
        ] {
            for w in [0.01f32, 0.3, 0.7, 0.95] {
                let h = 1e-3;
                let difference = (cost.signed(w + h) - cost.signed(w - h)) / (2.0 * h);
                let slope = cost.slope(w);
                assert!(
                    (difference - slope).abs() <= 2e-2 * slope + 1e-4,
                    "{cost:?} {w}"
                );
                assert_eq!(cost.slope(-w), slope);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn equals_the_dense_definition(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..7, 0..7), 0..40),
            r in 0usize..5,
            seed: u64,
            log: bool,
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
            let cost = if log { Cost::Log } else { NLAF };
            let mut draw = Draw::new(seed, 0);
            let w = draw.uniforms(7 * r, -0.85, 0.85);
            let gates = draw.uniforms(r, -1.0, 1.0);
            let value = draw.uniforms(rows.len() * r, -1.0, 1.0);
            let batch = Batch::new(rows.iter().map(Vec::as_slice), 7);
            let mut layer = Logic::new(cost, r);
            let mut hard = vec![0.0; rows.len() * r];
            layer.forward(&w, &gates, &batch, &mut hard);
            let (mut dw, mut dg) = (vec![0.0; 7 * r], vec![0.0; r]);
            layer.backward(&w, &gates, &batch, &value, &mut dw, &mut dg);
            let dense = Dense { n_rules: r, cost };
            for (u, row) in rows.iter().enumerate() {
                for k in 0..r {
                    prop_assert_eq!(hard[u * r + k], dense.hard(&w, &gates, row, k));
                }
            }
            let to_f64 = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
            let loss = |w: &[f64], gates: &[f64]| -> f64 {
                rows.iter().enumerate().flat_map(|(u, row)| {
                    let value = &value[u * r..(u + 1) * r];
                    dense.soft(w, gates, row).into_iter().zip(value).map(|(s, &v)| s * f64::from(v)).collect::<Vec<_>>()
                }).sum()
            };
            let (w64, g64) = (to_f64(&w), to_f64(&gates));
            let h = 1e-6;
            for at in 0..w.len() {
                let (mut up, mut down) = (w64.clone(), w64.clone());
                up[at] += h;
                down[at] -= h;
                // At 0 the function has a corner.
                if w64[at].abs() < 10.0 * h { continue; }
                let slope = (loss(&up, &g64) - loss(&down, &g64)) / (2.0 * h);
                prop_assert!((f64::from(dw[at]) - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{} {} {}", at, dw[at], slope);
            }
            for at in 0..r {
                let (mut up, mut down) = (g64.clone(), g64.clone());
                up[at] += h;
                down[at] -= h;
                let slope = (loss(&w64, &up) - loss(&w64, &down)) / (2.0 * h);
                prop_assert!((f64::from(dg[at]) - slope).abs() < 1e-3 * (1.0 + slope.abs()));
            }
        }
    }

    /// A satisfied AND of strong literals: what it lacks is exactly zero, whatever the order of sums.
    #[test]
    fn a_satisfied_conjunction_lacks_nothing() {
        let n = 300u32;
        let w: Vec<f32> = (0..n).map(|i| 0.6 + 0.001 * (i % 300) as f32).collect();
        let row: Vec<u32> = (0..n).collect();
        let batch = Batch::new([row.as_slice()], n as usize);
        let mut layer = Logic::new(NLAF, 1);
        let mut hard = [0.0];
        layer.forward(&w, &[1.0], &batch, &mut hard);
        assert_eq!(hard, [1.0]);
        assert!(
            (layer.for_gate[0] - (1.0 - 1.0)).abs() < 1e-3,
            "{}",
            layer.for_gate[0]
        );
    }
}
