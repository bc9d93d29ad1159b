//! The logic layer: R soft and hard rules over binary rows, in the sparse form.
//!
//! Weights w `(I, R)` define the literals of a rule: w > ½ a literal, w < −½ a negated one. Gates
//! g `(R)` choose between AND (g > 0) and OR. For a row with the items N:
//!
//! ```text
//! C(w) = sign(w) c(|w|)                         the cost of a literal
//! D_r  = Σ_{i ∈ N} C(w_ir)
//! P_r  = Σ_i max(C(w_ir), 0),  M_r = Σ_i max(−C(w_ir), 0)
//! s∧   = P − D  (missing from an AND),  s∨ = M + D  (present in an OR)
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
//! ∂loss/∂C = Xᵀ(E − A) + [w > 0] Σ_u A − [w < 0] Σ_u E,   at w = 0 the slope of the side that descends, or 0
//! ∂loss/∂w = ∂loss/∂C · c'(|w|),   ∂loss/∂g = σ(g)(1 − σ(g)) Σ_u G (conj − disj)
//! ```
//!
//! P − D and Σ A − XᵀA subtract numbers that are nearly equal, so they are summed in double precision.

//!
//! All arrays of 64 rules form a contiguous tile: the rows of items are far apart in w, and a
//! user's are scattered, which would cause a TLB miss for nearly
//! every one. Tiles are independent, so they are also the unit of parallel work.

mod cost;

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::batch::Batch;
use super::rows;
use crate::wide::wide_op;
pub use cost::Cost;
use cost::power;

/// Rules per tile.
const TILE: usize = 64;

/// Items per task, for literals and gradients.
const ITEMS: usize = 64;

/// Users per task, for hard rules.
const USERS: usize = 32;

/// Weights beyond this are literals.
pub const THRESHOLD: f32 = 0.5;

/// The logic layer with its buffers, which are reused in every step.
#[derive(Debug, Clone)]
pub struct Logic {
    cost: Cost,
    n_rules: usize,
    tiles: Vec<Tile>,
    literals: Literals,
}

/// 64 rules; the last tile is padded with rules of weight 0.
#[derive(Debug, Clone)]
struct Tile {
    costs: Vec<f32>,       // (I, TILE): C(w)
    positive: [f64; TILE], // P
    negative: [f64; TILE], // M
    for_and: Vec<f32>,     // (U, TILE): ∂soft/∂s∧
    for_or: Vec<f32>,      // (U, TILE): ∂soft/∂s∨
    for_gate: Vec<f32>,    // (U, TILE): conj − disj
    pull: Vec<f64>,        // (U, TILE): E − A
    of_and: [f64; TILE],   // Σ_u A
    of_or: [f64; TILE],    // Σ_u E
    of_gate: [f64; TILE],  // Σ_u G (conj − disj)
}

/// The literals of all rules, by item.
#[derive(Debug, Clone, Default)]
struct Literals {
    of_items: Vec<(u32, i8)>,
    starts: Vec<usize>,        // (I + 1)
    positive_counts: Vec<i32>, // (R): literals that are not negated
    negative_counts: Vec<i32>, // (R): negated ones
}

impl Logic {
    /// A layer of `n_rules` rules.
    #[must_use]
    pub fn new(cost: Cost, n_rules: usize) -> Self {
        Self {
            cost,
            n_rules,
            tiles: vec![Tile::new(); n_rules.div_ceil(TILE)],
            literals: Literals::default(),
        }
    }

    /// The hard rules `(U, R)` of a batch, 0 or 1, for weights `(I, R)` and gates `(R)`; the values that the
    /// backward pass needs are stored.
    pub fn forward(&mut self, w: &[f32], gates: &[f32], batch: &Batch, hard: &mut [f32]) {
        let (r, cost) = (self.n_rules, self.cost);
        if r == 0 {
            return;
        }
        self.tiles
            .par_iter_mut()
            .enumerate()
            .for_each(|(at, tile)| {
                tile.forward(cost, at * TILE, w, gates, batch);
            });
        self.literals.read(w, r);
        let literals = &self.literals;
        hard[..batch.len() * r]
            .par_chunks_mut(USERS * r)
            .enumerate()
            .for_each(|(block, hard)| {
                let mut count = vec![0i32; r];
                for (at, hard) in hard.chunks_exact_mut(r).enumerate() {
                    literals.harden(gates, batch.row(block * USERS + at), &mut count, hard);
                }
            });
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
        self.backward_of_gates(gates, batch, value, for_gates);
        for_weights
            .par_chunks_mut(ITEMS * r)
            .zip(w.par_chunks(ITEMS * r))
            .enumerate()
            .for_each(|(block, (out, w))| {
                let rows = out.chunks_exact_mut(r).zip(w.chunks_exact(r));
                for (at, (out, w)) in rows.enumerate() {
                    self.backward_of_row(batch, block * ITEMS + at, 0, w, out);
                }
            });
    }

    /// The first part of [`backward`](Self::backward): the gradient `(R)` of the gates, and what
    /// [`backward_of_row`](Self::backward_of_row) needs.
    pub fn backward_of_gates(
        &mut self,
        gates: &[f32],
        batch: &Batch,
        value: &[f32],
        for_gates: &mut [f32],
    ) {
        let r = self.n_rules;
        self.tiles
            .par_iter_mut()
            .zip(for_gates.par_chunks_mut(TILE))
            .zip(gates.par_chunks(TILE))
            .enumerate()
            .for_each(|(at, ((tile, out), gates))| {
                tile.pull(batch.len(), r, at * TILE, value);
                for ((out, &sum), &g) in out.iter_mut().zip(&tile.of_gate).zip(gates) {
                    let s = f64::from(sigmoid(g));
                    *out = (s * (1.0 - s) * sum) as f32;
                }
            });
    }

    /// The second part of [`backward`](Self::backward): the gradient of the rules from `start` on, a
    /// multiple of 64, in the row of one item, for their weights `w`.
    #[inline]
    pub fn backward_of_row(
        &self,
        batch: &Batch,
        item: usize,
        start: usize,
        w: &[f32],
        out: &mut [f32],
    ) {
        let pieces = w.chunks(TILE).zip(out.chunks_mut(TILE));
        for (tile, (w, out)) in self.tiles[start / TILE..].iter().zip(pieces) {
            let mut sum = [0f64; TILE];
            let users = batch.rows_of(item).iter();
            rows::sum_of_doubles(
                &mut sum,
                users.map(|&u| &tile.pull[u as usize * TILE..][..TILE]),
            );
            wide_op(Weights {
                cost: self.cost,
                w,
                sum: &sum,
                of_and: &tile.of_and,
                of_or: &tile.of_or,
                out,
            });
        }
    }
}

impl Tile {
    fn new() -> Self {
        Self {
            costs: Vec::new(),
            positive: [0.0; TILE],
            negative: [0.0; TILE],
            for_and: Vec::new(),
            for_or: Vec::new(),
            for_gate: Vec::new(),
            pull: Vec::new(),
            of_and: [0.0; TILE],
            of_or: [0.0; TILE],
            of_gate: [0.0; TILE],
        }
    }

    /// Costs and their sums over items, then the derivatives of the soft layer.
    fn forward(&mut self, cost: Cost, start: usize, w: &[f32], gates: &[f32], batch: &Batch) {
        self.costs.resize(batch.n_items() * TILE, 0.0);
        self.positive.fill(0.0);
        self.negative.fill(0.0);
        wide_op(Weigh {
            cost,
            w,
            n_rules: gates.len(),
            start,
            costs: &mut self.costs,
            positive: &mut self.positive,
            negative: &mut self.negative,
        });
        let mut chosen = [0f32; TILE];
        for (s, &g) in chosen.iter_mut().zip(&gates[start..]) {
            *s = sigmoid(g);
        }
        let size = batch.len() * TILE;
        for kept in [&mut self.for_and, &mut self.for_or, &mut self.for_gate] {
            kept.resize(size, 0.0);
        }
        let kept = self
            .for_and
            .chunks_exact_mut(TILE)
            .zip(self.for_or.chunks_exact_mut(TILE))
            .zip(self.for_gate.chunks_exact_mut(TILE));
        for (u, ((and, or), gate)) in kept.enumerate() {
            let mut d = [0f64; TILE];
            let items = batch.row(u).iter();
            let costs = items.map(|&i| &self.costs[i as usize * TILE..][..TILE]);
            rows::sum_in_double(&mut d, costs);
            wide_op(Soften {
                gamma: cost.gamma(),
                d: &d,
                positive: &self.positive,
                negative: &self.negative,
                chosen: &chosen,
                and,
                or,
                gate,
            });
        }
    }

    /// E − A of the users, and the sums over them.
    fn pull(&mut self, n_users: usize, n_rules: usize, start: usize, value: &[f32]) {
        self.pull.resize(n_users * TILE, 0.0);
        for sums in [&mut self.of_and, &mut self.of_or, &mut self.of_gate] {
            sums.fill(0.0);
        }
        wide_op(Pulls {
            tile: self,
            n_users,
            n_rules,
            start,
            value,
        });
    }
}

impl Literals {
    /// The literals of weights `(I, R)`.
    fn read(&mut self, w: &[f32], n_rules: usize) {
        let blocks: Vec<Self> = w
            .par_chunks(ITEMS * n_rules)
            .map(|w| {
                let mut block = Self {
                    positive_counts: vec![0; n_rules],
                    negative_counts: vec![0; n_rules],
                    ..Self::default()
                };
                for w in w.chunks_exact(n_rules) {
                    block.push_item(w);
                }
                block
            })
            .collect();
        self.of_items.clear();
        self.starts.clear();
        self.starts.push(0);
        for sums in [&mut self.positive_counts, &mut self.negative_counts] {
            sums.clear();
            sums.resize(n_rules, 0);
        }
        for block in blocks {
            let before = self.of_items.len();
            self.of_items.extend(block.of_items);
            self.starts.extend(block.starts.iter().map(|s| before + s));
            for (sums, part) in [
                (&mut self.positive_counts, &block.positive_counts),
                (&mut self.negative_counts, &block.negative_counts),
            ] {
                sums.iter_mut().zip(part).for_each(|(s, p)| *s += p);
            }
        }
    }

    fn push_item(&mut self, w: &[f32]) {
        for (at, w) in w.chunks(TILE).enumerate() {
            // Most weights are no literals: whole tiles are skipped without a branch per weight.
            if !w.iter().fold(false, |any, w| any | (w.abs() > THRESHOLD)) {
                continue;
            }
            for (k, &w) in w.iter().enumerate().filter(|(_, w)| w.abs() > THRESHOLD) {
                let rule = at * TILE + k;
                if w > 0.0 {
                    self.positive_counts[rule] += 1;
                    self.of_items.push((rule as u32, 1));
                } else {
                    self.negative_counts[rule] += 1;
                    self.of_items.push((rule as u32, -1));
                }
            }
        }
        self.starts.push(self.of_items.len());
    }

    /// The hard rules `(R)` of a row of items.
    fn harden(&self, gates: &[f32], items: &[u32], count: &mut [i32], hard: &mut [f32]) {
        count.fill(0);
        for &i in items {
            let range = self.starts[i as usize]..self.starts[i as usize + 1];
            for &(rule, sign) in &self.of_items[range] {
                count[rule as usize] += i32::from(sign);
            }
        }
        let rules = gates
            .iter()
            .zip(&self.positive_counts)
            .zip(&self.negative_counts);
        for ((hard, &count), ((&gate, &positive), &negative)) in
            hard.iter_mut().zip(&*count).zip(rules)
        {
            let holds = if gate > 0.0 {
                positive == count
            } else {
                negative + count > 0
            };
            *hard = f32::from(u8::from(holds));
        }
    }
}

/// An operation on many weights with one cost function.
trait OfCost {
    fn with(self, cost: Cost);
}

/// Selects the cost function outside of the loop of `work`, with the default β as a constant.
#[inline(always)]
fn specialized(cost: Cost, work: impl OfCost) {
    match cost {
        Cost::Nlaf {
            alpha,
            beta: 8,
            gamma,
        } => work.with(Cost::Nlaf {
            alpha,
            beta: 8,
            gamma,
        }),
        cost => work.with(cost),
    }
}

/// C of the weights of a tile, and P and M.
struct Weigh<'a> {
    cost: Cost,
    w: &'a [f32],
    n_rules: usize,
    start: usize,
    costs: &'a mut [f32],
    positive: &'a mut [f64; TILE],
    negative: &'a mut [f64; TILE],
}

impl NullaryFnOnce for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        specialized(self.cost, self);
    }
}

impl OfCost for Weigh<'_> {
    #[inline(always)]
    fn with(self, cost: Cost) {
        let end = (self.start + TILE).min(self.n_rules);
        let (mut positive, mut negative) = ([0f64; TILE], [0f64; TILE]);
        let rows = self.w.chunks_exact(self.n_rules);
        for (out, w) in self.costs.chunks_exact_mut(TILE).zip(rows) {
            for (o, &w) in out.iter_mut().zip(&w[self.start..end]) {
                *o = cost.signed(w);
            }
            for k in 0..TILE {
                positive[k] += f64::from(out[k].max(0.0));
                negative[k] += f64::from((-out[k]).max(0.0));
            }
        }
        *self.positive = positive;
        *self.negative = negative;
    }
}

/// The derivatives of the soft layer of a tile for one user, given their D.
struct Soften<'a> {
    gamma: u32,
    d: &'a [f64; TILE],
    positive: &'a [f64; TILE],
    negative: &'a [f64; TILE],
    chosen: &'a [f32; TILE], // σ of the gates
    and: &'a mut [f32],
    or: &'a mut [f32],
    gate: &'a mut [f32],
}

impl NullaryFnOnce for Soften<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.gamma {
            // The default exponents are constants in the loop.
            1 => self.with(1),
            3 => self.with(3),
            gamma => self.with(gamma),
        }
    }
}

impl Soften<'_> {
    #[inline(always)]
    fn with(self, n: u32) {
        let gamma = n as f32;
        let sums = self.d.iter().zip(self.positive).zip(self.negative);
        let outs = self.and.iter_mut().zip(self.or).zip(self.gate);
        for ((((&d, &p), &m), &s), ((and, or), gate)) in sums.zip(self.chosen).zip(outs) {
            let lacks = 1.0 / (1.0 + (p - d).max(0.0) as f32);
            let has = 1.0 / (1.0 + (m + d).max(0.0) as f32);
            let (conj, rest) = (power(lacks, n), power(has, n));
            *and = -gamma * s * conj * lacks;
            *or = gamma * (1.0 - s) * rest * has;
            *gate = conj - (1.0 - rest);
        }
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + crate::exponential::exp(-x))
}

/// E − A of the users of a tile, and the sums over them of A, E and the slope of the gates.
struct Pulls<'a> {
    tile: &'a mut Tile,
    n_users: usize,
    n_rules: usize,
    start: usize,
    value: &'a [f32],
}

impl NullaryFnOnce for Pulls<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let tile = self.tile;
        let end = (self.start + TILE).min(self.n_rules);
        let kept = tile
            .pull
            .chunks_exact_mut(TILE)
            .zip(tile.for_and.chunks_exact(TILE))
            .zip(tile.for_or.chunks_exact(TILE))
            .zip(tile.for_gate.chunks_exact(TILE));
        let values = self.value.chunks_exact(self.n_rules).take(self.n_users);
        let mut value = [0f32; TILE];
        for ((((pull, and), or), gate), of_user) in kept.zip(values) {
            value[..end - self.start].copy_from_slice(&of_user[self.start..end]);
            for k in 0..TILE {
                // The products are computed in single precision once, so that the sums here and
                // by item are over the same numbers.
                let a = f64::from(value[k] * and[k]);
                let e = f64::from(value[k] * or[k]);
                pull[k] = e - a;
                tile.of_and[k] += a;
                tile.of_or[k] += e;
                tile.of_gate[k] += f64::from(value[k] * gate[k]);
            }
        }
    }
}

/// ∂loss/∂w of one row, for `sum` = Xᵀ(E − A).
struct Weights<'a> {
    cost: Cost,
    w: &'a [f32],
    sum: &'a [f64],
    of_and: &'a [f64],
    of_or: &'a [f64],
    out: &'a mut [f32],
}

impl NullaryFnOnce for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        specialized(self.cost, self);
    }
}

impl OfCost for Weights<'_> {
    #[inline(always)]
    fn with(self, cost: Cost) {
        let columns = self.w.iter().zip(self.sum).zip(self.of_and).zip(self.of_or);
        for ((((&w, &sum), &a), &e), out) in columns.zip(self.out) {
            let (right, left) = (sum + a, sum - e);
            // Not differentiable at 0: use the slope of the side where the loss decreases, if any.
            let (falls, rises) = ((-right).max(0.0), left.max(0.0));
            let corner = if rises > falls { rises } else { -falls };
            let side = if w > 0.0 { right } else { left };
            *out = (if w == 0.0 { corner } else { side }) as f32 * cost.slope(w);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn equals_the_dense_definition(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..7, 0..7), 0..40),
            few in 0usize..5,
            beyond_a_tile: bool,
            seed: u64,
            log: bool,
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
            let cost = if log { Cost::Log } else { NLAF };
            let r = if beyond_a_tile { TILE + few } else { few };
            let mut rng = Rng::new(seed, 0);
            let w = rng.uniforms(7 * r, -0.85, 0.85);
            let gates = rng.uniforms(r, -1.0, 1.0);
            let value = rng.uniforms(rows.len() * r, -1.0, 1.0);
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
                // At 0 the function is not differentiable.
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

    /// At weight 0 the gradient is the slope of the side that descends: for an AND whose value should grow
    /// for the user with the item and decrease for the other, the right side; if no side descends, 0.
    #[test]
    fn at_zero_a_step_decreases_the_loss() {
        let batch = Batch::new([&[0u32][..], &[]], 1);
        let mut layer = Logic::new(Cost::Log, 2);
        let (w, gates) = ([0.0, 0.0], [40.0, -40.0]);
        let mut hard = [0.0; 4];
        layer.forward(&w, &gates, &batch, &mut hard);
        let mut slopes = |value: [f32; 4]| {
            let (mut for_w, mut for_gates) = ([7.0; 2], [7.0; 2]);
            layer.backward(&w, &gates, &batch, &value, &mut for_w, &mut for_gates);
            for_w
        };
        // ∂loss/∂value of (AND, OR) for the user with the item, then for the one without.
        let [and, or] = slopes([-1.0, -1.0, 1.0, 1.0]);
        assert!(and < 0.0 && or < 0.0, "{and} {or}");
        let [and, or] = slopes([1.0, 1.0, -1.0, -1.0]);
        assert!(and > 0.0 && or > 0.0, "{and} {or}");
        // Both users should fulfill the AND, as an empty one does, and neither the OR.
        assert_eq!(slopes([-1.0, 1.0, -1.0, 1.0]), [0.0, 0.0]);
    }

    /// For a satisfied AND of strong literals s∧ is exactly zero, in any order of sums.
    #[test]
    fn a_satisfied_and_has_exactly_zero_deficit() {
        let n = 300u32;
        let w: Vec<f32> = (0..n).map(|i| 0.6 + 0.001 * (i % 300) as f32).collect();
        let row: Vec<u32> = (0..n).collect();
        let batch = Batch::new([row.as_slice()], n as usize);
        let mut layer = Logic::new(NLAF, 1);
        let mut hard = [0.0];
        layer.forward(&w, &[1.0], &batch, &mut hard);
        assert_eq!(hard, [1.0]);
        assert!(
            (layer.tiles[0].for_gate[0] - (1.0 - 1.0)).abs() < 1e-3,
            "{}",
            layer.tiles[0].for_gate[0]
        );
    }
}
