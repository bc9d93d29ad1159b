//! One target: an elastic net over its candidate features, by coordinate descent.
//!
//! Minimizes `½ wᵀKw − cᵀw + ½ Σ l2_s w_s² + Σ l1_s |w_s|` over `w ≥ 0`, or over all `w` if signed
//! (Friedman, Hastie, Tibshirani: Regularization Paths for Generalized Linear Models via Coordinate
//! Descent, 2010, covariance updates of section 2.2). K is never needed as a whole: the row of a
//! feature is fetched when its weight first becomes nonzero.
//!
//! Two loops: the outer one passes over all features, largest gain first, so that most of the
//! others have no gain left and never need a row; the inner one converges on the fetched features,
//! whose small matrix stays in the cache.

use limpid_tensor::wide_op;

use super::rows::Rows;

/// Convergence tolerance, relative to the largest `|w_s| √K_ss` seen.
const TOLERANCE: f64 = 1e-4;

/// Maximum number of passes over all features; three to six suffice in practice.
const PASSES: usize = 100;

/// Maximum number of passes over the nonzero weights per outer pass. Little L2 on nearly collinear
/// features takes hundreds; ten are typical.
const INNER_PASSES: usize = 2000;

/// Tolerance of the inner loop, as a share of the largest change of the preceding outer pass.
const COARSE: f64 = 0.1;

/// Features that may enter in one outer pass, or half as many as have entered if that is more. Once
/// the first ones have converged, fewer of the rest have any gain.
const ENTRANTS: usize = 32;

/// Per feature that may enter, how many are sorted: the others have too little gain to come first.
const CANDIDATES: usize = 4;

/// Marks a feature whose row was not fetched.
const UNFETCHED: u32 = u32::MAX;

/// The problem of one target; all slices have one entry per feature `(S)`.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    /// Evidence of each feature for the target.
    pub(super) c: &'a [f32],
    /// Diagonal of K.
    pub(super) diagonal: &'a [f32],
    /// L2 regularization of each weight.
    pub(super) l2: &'a [f32],
    /// L1 penalty of each weight.
    pub(super) l1: &'a [f32],
    /// Whether weights may be negative.
    pub(super) signed: bool,
}

impl Problem<'_> {
    /// The optimal weight of a feature whose partial residual correlation is `z`.
    fn best(&self, s: usize, z: f64, l1_scale: f64) -> f64 {
        let l1 = f64::from(self.l1[s]) * l1_scale;
        let numerator = if z > l1 {
            z - l1
        } else if self.signed && z < -l1 {
            z + l1
        } else {
            return 0.0;
        };
        numerator / (f64::from(self.diagonal[s]) + f64::from(self.l2[s]))
    }

    /// The largest power of two, at least 1, by which the penalty can be multiplied so that a weight is
    /// not zero.
    fn highest_scale(&self) -> f64 {
        let ratios = self.c.iter().zip(self.l1).map(|(&c, &l1)| {
            let c = if self.signed { c.abs() } else { c };
            f64::from(c) / f64::from(l1.max(f32::MIN_POSITIVE))
        });
        let largest = ratios.fold(1.0, f64::max);
        largest.log2().floor().clamp(0.0, 40.0).exp2()
    }

    /// The decrease of the objective if only this feature is set to its optimal weight.
    fn gain(&self, s: usize, g: f32, l1_scale: f32) -> f32 {
        let g = if self.signed { g.abs() } else { g };
        let over = (g - self.l1[s] * l1_scale).max(0.0);
        over * over / (self.diagonal[s] + self.l2[s]).max(f32::MIN_POSITIVE)
    }
}

/// Whether some features are as many as are wanted.
pub(super) type Enough<'a> = dyn Fn(&mut dyn Iterator<Item = u32>) -> bool + 'a;

/// Buffers, reused for every target of a thread.
#[derive(Default)]
pub(super) struct Descent {
    rows: Rows,        // by slot
    slot_of: Vec<u32>, // (S): the slot of a fetched feature
    g: Vec<f32>,       // (S): c − K w
    gains: Vec<f32>,   // (S)
    order: Vec<u32>,
    fetched: Inner,
    kept: Inner,
}

impl Descent {
    /// Solves a problem; `fetch(s, rows)` appends row `s` of K `(S)`. Returns `(feature, weight)` of
    /// the nonzero weights by ascending feature.
    ///
    /// `enough(features)` says whether these features with nonzero weights are as many as are wanted. If it is
    /// given, the penalty is halved, from the largest power of two at which a weight is not zero, until they
    /// are enough or the problem's own penalty is reached; that penalty's problem is the one solved.
    pub(super) fn solve(
        &mut self,
        problem: Problem<'_>,
        fetch: &mut dyn FnMut(usize, &mut Rows),
        enough: Option<&Enough<'_>>,
    ) -> Vec<(u32, f64)> {
        let n = problem.c.len();
        self.rows.clear(n);
        self.fetched.clear();
        self.slot_of.clear();
        self.slot_of.resize(n, UNFETCHED);
        self.g.clear();
        self.g.extend_from_slice(problem.c);
        let mut l1_scale = match enough {
            None => 1.0,
            Some(_) => problem.highest_scale(),
        };
        let mut last = l1_scale == 1.0;
        let mut scale = 1e-12;
        let mut settled = false;
        for _ in 0..PASSES {
            let moved = self.pass(problem, l1_scale, fetch, &mut scale);
            // Features that enter later change the rest again, so high precision is needed only
            // when no more enter, plus one more pass for confirmation.
            let small = moved < TOLERANCE * scale;
            if small && !last {
                l1_scale *= 0.5;
                last = l1_scale == 1.0;
                continue;
            }
            if small && settled {
                break;
            }
            let entered = if small { 0.0 } else { moved };
            self.fetched.balance(problem, l1_scale, entered, &mut scale);
            settled = small;
            self.refresh(problem);
            last |= enough.is_some_and(|enough| enough(&mut self.fetched.entered()));
        }
        self.fetched.nonzero()
    }

    /// Solves again over those nonzero weights for which `keep` is true, all others fixed at zero,
    /// with the L1 penalty multiplied by `l1_scale`.
    pub(super) fn refit(
        &mut self,
        problem: Problem<'_>,
        l1_scale: f64,
        mut keep: impl FnMut(u32) -> bool,
    ) -> Vec<(u32, f64)> {
        let Self { fetched, kept, .. } = self;
        kept.restrict(fetched, problem, |slot| {
            fetched.w[slot] != 0.0 && keep(fetched.features[slot])
        });
        kept.balance(problem, l1_scale, 0.0, &mut 1e-12);
        kept.nonzero()
    }

    /// One pass over the features without a row, largest gain first; returns the largest change.
    fn pass(
        &mut self,
        problem: Problem<'_>,
        l1_scale: f64,
        fetch: &mut dyn FnMut(usize, &mut Rows),
        scale: &mut f64,
    ) -> f64 {
        let n = problem.c.len();
        self.gains.clear();
        self.gains
            .extend((0..n).map(|s| problem.gain(s, self.g[s], l1_scale as f32)));
        let (slot_of, gains) = (&self.slot_of, &self.gains);
        let descending = |a: &u32, b: &u32| {
            gains[*b as usize]
                .total_cmp(&gains[*a as usize])
                .then(a.cmp(b))
        };
        self.order.clear();
        self.order.extend(
            (0..n as u32).filter(|&s| gains[s as usize] > 0.0 && slot_of[s as usize] == UNFETCHED),
        );
        let most = ENTRANTS.max(self.fetched.features.len() / 2);
        if self.order.len() > CANDIDATES * most {
            self.order
                .select_nth_unstable_by(CANDIDATES * most, descending);
            self.order.truncate(CANDIDATES * most);
        }
        self.order.sort_unstable_by(descending);
        let (mut moved, mut entrants) = (0f64, 0);
        for at in 0..self.order.len() {
            let s = self.order[at] as usize;
            let w = problem.best(s, f64::from(self.g[s]), l1_scale);
            if w == 0.0 {
                continue;
            }
            let change = w.abs() * f64::from(problem.diagonal[s]).sqrt();
            moved = moved.max(change);
            *scale = scale.max(change);
            let slot = self.fetched.features.len();
            self.slot_of[s] = slot as u32;
            fetch(s, &mut self.rows);
            self.rows.subtract(slot, w as f32, &mut self.g);
            self.fetched.enter(problem, s, w, |features, out| {
                self.rows.scatter(slot, features, &self.slot_of, out);
            });
            entrants += 1;
            if entrants == most {
                break;
            }
        }
        moved
    }

    /// Recomputes `g = c − K w`, so that rounding errors do not accumulate.
    fn refresh(&mut self, problem: Problem<'_>) {
        self.g.copy_from_slice(problem.c);
        for (slot, &w) in self.fetched.w.iter().enumerate() {
            if w != 0.0 {
                self.rows.subtract(slot, w as f32, &mut self.g);
            }
        }
    }
}

/// Some features with their own part of K; all by slot, in the order of entry `(n)`.
#[derive(Default)]
struct Inner {
    features: Vec<u32>,
    w: Vec<f64>,
    h: Vec<f64>, // c − K w
    k: Vec<f32>, // (stride, stride), the first n of each
    stride: usize,
}

impl Inner {
    fn clear(&mut self) {
        self.features.clear();
        self.w.clear();
        self.h.clear();
    }

    /// Appends feature `s` with weight `w`; `row(features, out)` writes its entries of K with all features,
    /// itself included, where they are not 0.
    fn enter(
        &mut self,
        problem: Problem<'_>,
        s: usize,
        w: f64,
        row: impl FnOnce(&[u32], &mut [f32]),
    ) {
        let slot = self.features.len();
        self.features.push(s as u32);
        if slot == self.stride {
            let stride = (2 * self.stride).max(2 * ENTRANTS);
            let mut k = vec![0.0; stride * stride];
            for (old, new) in self
                .k
                .chunks_exact(slot.max(1))
                .zip(k.chunks_exact_mut(stride))
            {
                new[..slot].copy_from_slice(old);
            }
            (self.k, self.stride) = (k, stride);
        }
        let stride = self.stride;
        let new = &mut self.k[slot * stride..slot * stride + slot + 1];
        new.fill(0.0);
        row(&self.features, new);
        for other in 0..slot {
            self.k[other * stride + slot] = self.k[slot * stride + other];
        }
        let new = &self.k[slot * stride..slot * stride + slot + 1];
        let known: f64 = new
            .iter()
            .zip(&self.w)
            .map(|(&k, w)| f64::from(k) * w)
            .sum();
        self.w.push(w);
        self.h.push(f64::from(problem.c[s]) - known);
        subtract_scaled(&mut self.h, w, new);
    }

    /// Becomes the part of `all` whose slots are kept.
    fn restrict(&mut self, all: &Self, problem: Problem<'_>, mut keep: impl FnMut(usize) -> bool) {
        self.clear();
        let slots: Vec<usize> = (0..all.features.len()).filter(|&slot| keep(slot)).collect();
        self.stride = slots.len();
        self.k.clear();
        for &a in &slots {
            let row = &all.k[a * all.stride..(a + 1) * all.stride];
            self.k.extend(slots.iter().map(|&b| row[b]));
            self.features.push(all.features[a]);
            self.w.push(all.w[a]);
        }
        let c = self
            .features
            .iter()
            .map(|&s| f64::from(problem.c[s as usize]));
        self.h.extend(c);
        for (row, &w) in self.k.chunks_exact(slots.len().max(1)).zip(&self.w) {
            subtract_scaled(&mut self.h, w, row);
        }
    }

    /// Converges on these features, to a small share of `entered`, the last outer change.
    fn balance(&mut self, problem: Problem<'_>, l1_scale: f64, entered: f64, scale: &mut f64) {
        wide_op(Balance {
            inner: self,
            problem,
            l1_scale,
            entered,
            scale,
        });
    }

    /// The features with a nonzero weight.
    fn entered(&self) -> impl Iterator<Item = u32> {
        let all = self.features.iter().zip(&self.w);
        all.filter(|&(_, &w)| w != 0.0).map(|(&s, _)| s)
    }

    /// The nonzero weights, by ascending feature.
    fn nonzero(&self) -> Vec<(u32, f64)> {
        let all = self.features.iter().copied().zip(self.w.iter().copied());
        let mut nonzero: Vec<(u32, f64)> = all.filter(|&(_, w)| w != 0.0).collect();
        nonzero.sort_unstable_by_key(|&(s, _)| s);
        nonzero
    }
}

/// See [`Inner::balance`].
struct Balance<'a, 'p> {
    inner: &'a mut Inner,
    problem: Problem<'p>,
    l1_scale: f64,
    entered: f64,
    scale: &'a mut f64,
}

impl pulp::NullaryFnOnce for Balance<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Inner {
            features,
            w: weights,
            h,
            k,
            stride,
        } = self.inner;
        let n = features.len();
        for _ in 0..INNER_PASSES {
            let mut moved = 0f64;
            for (slot, &s) in features.iter().enumerate() {
                let s = s as usize;
                let diagonal = f64::from(self.problem.diagonal[s]);
                let w = self
                    .problem
                    .best(s, h[slot] + diagonal * weights[slot], self.l1_scale);
                let change = w - weights[slot];
                if change != 0.0 {
                    let root = diagonal.sqrt();
                    moved = moved.max(change.abs() * root);
                    *self.scale = self.scale.max(w.abs() * root);
                    subtract_scaled(h, change, &k[slot * *stride..slot * *stride + n]);
                    weights[slot] = w;
                }
            }
            // The inner loop is stricter than the outer one, so that the outer one measures its own
            // changes and not the remaining error of the inner one.
            if moved < (0.1 * TOLERANCE * *self.scale).max(COARSE * self.entered) {
                break;
            }
        }
    }
}

#[inline(always)]
fn subtract_scaled(out: &mut [f64], factor: f64, row: &[f32]) {
    for (o, &r) in out.iter_mut().zip(row) {
        *o -= factor * f64::from(r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn solve(k: &[Vec<f32>], c: &[f32], l2: f32, l1: f32, signed: bool) -> Vec<f64> {
        let n = c.len();
        let diagonal: Vec<f32> = (0..n).map(|i| k[i][i]).collect();
        let problem = Problem {
            c,
            diagonal: &diagonal,
            l2: &vec![l2; n],
            l1: &vec![l1; n],
            signed,
        };
        let mut descent = Descent::default();
        let sparse = descent.solve(
            problem,
            &mut |s, rows: &mut Rows| rows.push_dense().copy_from_slice(&k[s]),
            None,
        );
        let mut w = vec![0.0; n];
        for (s, v) in sparse {
            w[s as usize] = v;
        }
        w
    }

    /// One feature: w = (c − l1) / (K + l2).
    #[test]
    fn one_feature_by_hand() {
        assert_eq!(solve(&[vec![3.0]], &[2.0], 1.0, 1.0, false), [0.25]);
        assert_eq!(solve(&[vec![3.0]], &[0.5], 1.0, 1.0, false), [0.0]);
        assert_eq!(solve(&[vec![3.0]], &[-2.0], 1.0, 1.0, false), [0.0]);
        assert_eq!(solve(&[vec![3.0]], &[-2.0], 1.0, 1.0, true), [-0.25]);
        assert!(solve(&[], &[], 1.0, 1.0, true).is_empty());
    }

    #[test]
    fn refitting_is_restricted_to_kept_features() {
        let k = [vec![2.0, 1.0], vec![1.0, 2.0]];
        let ones = [1.0f32; 2];
        let problem = Problem {
            c: &[3.0, 3.0],
            diagonal: &[2.0, 2.0],
            l2: &[0.0, 0.0],
            l1: &ones,
            signed: false,
        };
        let mut descent = Descent::default();
        let both = descent.solve(
            problem,
            &mut |s, rows: &mut Rows| rows.push_dense().copy_from_slice(&k[s]),
            None,
        );
        // 2w + w = 3 − 1 in both coordinates.
        assert!(both.iter().all(|(_, w)| (w - 2.0 / 3.0).abs() < 1e-4));
        let one = descent.refit(problem, 0.5, |s| s == 1);
        assert_eq!(one, [(1, 1.25)]);
    }

    /// With an identity K, weights enter one by one as the penalty falls: those above 1, 2, 4, … times l1.
    #[test]
    fn a_path_ends_at_the_first_penalty_with_enough_features() {
        let c: Vec<f32> = (1..=20).map(|v| v as f32).collect();
        let ones = [1.0f32; 20];
        let problem = Problem {
            c: &c,
            diagonal: &ones,
            l2: &[0.0; 20],
            l1: &ones,
            signed: false,
        };
        let mut descent = Descent::default();
        let mut solve = |most: usize| {
            descent.solve(
                problem,
                &mut |s, rows: &mut Rows| rows.push_dense()[s] = 1.0,
                Some(&|features| features.count() >= most),
            )
        };
        // 16, 8, 4, 2, 1 times l1 leave 4, 12, 16, 18, 19 of them.
        for (most, penalty) in [(1, 16.0), (4, 16.0), (5, 8.0), (17, 2.0), (30, 1.0)] {
            let weights = solve(most);
            let above = c.iter().filter(|&&c| f64::from(c) > penalty);
            assert_eq!(weights.len(), above.count());
            for (s, w) in weights {
                assert_eq!(w, f64::from(c[s as usize]) - penalty);
            }
        }
    }

    proptest! {
        /// The optimality conditions hold: the gradient is −l1·sign(w) where w is not zero, and within
        /// ±l1 (below it, for w ≥ 0) where it is.
        #[test]
        fn meets_the_optimality_conditions(
            x in proptest::collection::vec(proptest::collection::vec(0u8..2, 60), 1..90),
            y in proptest::collection::vec(0u8..2, 90),
            l1 in 0.0f32..3.0,
            l2 in 0.5f32..5.0,
            signed: bool,
        ) {
            let n = 60;
            let dot = |f: &dyn Fn(usize) -> f32, g: &dyn Fn(usize) -> f32| -> f32 {
                (0..x.len()).map(|u| f(u) * g(u)).sum()
            };
            let k: Vec<Vec<f32>> = (0..n)
                .map(|a| (0..n).map(|b| dot(&|u| f32::from(x[u][a]), &|u| f32::from(x[u][b]))).collect())
                .collect();
            let c: Vec<f32> = (0..n).map(|a| dot(&|u| f32::from(x[u][a]), &|u| f32::from(y[u]))).collect();
            let w = solve(&k, &c, l2, l1, signed);
            let size = c.iter().fold(1f32, |m, v| m.max(v.abs()));
            for s in 0..n {
                let kw: f64 = (0..n).map(|t| f64::from(k[s][t]) * w[t]).sum();
                let g = f64::from(c[s]) - kw - f64::from(l2) * w[s];
                let l1 = f64::from(l1);
                let slack = 2e-3 * f64::from(size);
                if w[s] > 0.0 {
                    prop_assert!((g - l1).abs() < slack, "{} {}", g, l1);
                } else if w[s] < 0.0 {
                    prop_assert!(signed && (g + l1).abs() < slack);
                } else {
                    prop_assert!(g < l1 + slack && (!signed || g > -l1 - slack));
                }
            }
        }
    }
}
