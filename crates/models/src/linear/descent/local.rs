//! One target: an elastic net over its candidate features, by coordinate descent.
//!
//! Minimizes `½ wᵀKw − cᵀw + ½ Σ l2_s w_s² + Σ l1_s |w_s|` over `w ≥ 0`, or over all `w` if signed
//! (Friedman, Hastie, Tibshirani: Regularization Paths for Generalized Linear Models via Coordinate
//! Descent, 2010, covariance updates of section 2.2). K is never needed as a whole: the row of a
//! feature is fetched when its weight first becomes nonzero.
//!
//! Two loops: the outer one passes over all features, largest gain first, so that most of the
//! others have no gain left and never need a row; the inner one converges on the nonzero
//! weights, whose small matrix stays in the cache.

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

/// Marks a row that was not fetched.
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

    /// The decrease of the objective if only this feature is set to its optimal weight.
    fn gain(&self, s: usize, g: f32) -> f32 {
        let g = if self.signed { g.abs() } else { g };
        let over = (g - self.l1[s]).max(0.0);
        over * over / (self.diagonal[s] + self.l2[s]).max(f32::MIN_POSITIVE)
    }
}

/// Buffers, reused for every target of a thread.
#[derive(Default)]
pub(super) struct Descent {
    rows: Vec<f32>,    // (fetched, S)
    fetched: Vec<u32>, // feature of each row
    row_of: Vec<u32>,  // (S)
    w: Vec<f64>,       // (S)
    g: Vec<f32>,       // (S): c − K w
    order: Vec<u32>,
    gains: Vec<f32>, // (S)
    inner: Inner,
}

/// The nonzero weights and their own matrix.
#[derive(Default)]
struct Inner {
    features: Vec<u32>, // (n)
    k: Vec<f32>,        // (n, n)
    h: Vec<f64>,        // (n): c − K w
}

impl Descent {
    /// Solves a problem; `fetch(s, row)` writes row `s` of K `(S)`. Returns `(feature, weight)` of
    /// the nonzero weights by ascending feature.
    pub(super) fn solve(
        &mut self,
        problem: Problem<'_>,
        fetch: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Vec<(u32, f64)> {
        let n = problem.c.len();
        self.rows.clear();
        self.fetched.clear();
        self.row_of.clear();
        self.row_of.resize(n, UNFETCHED);
        self.w.clear();
        self.w.resize(n, 0.0);
        self.g.clear();
        self.g.extend_from_slice(problem.c);
        let mut scale = 1e-12;
        let mut settled = false;
        for _ in 0..PASSES {
            let moved = self.pass(problem, fetch, &mut scale);
            // Features that enter later change the rest again, so high precision is needed only
            // when no more enter, plus one more pass for confirmation.
            let small = moved < TOLERANCE * scale;
            self.balance(problem, 1.0, if small { 0.0 } else { moved }, &mut scale);
            if small && settled {
                break;
            }
            settled = small;
            self.refresh(problem);
        }
        self.nonzero()
    }

    /// Solves again over those nonzero weights for which `keep` is true, all others fixed at zero,
    /// with the L1 penalty multiplied by `l1_scale`.
    pub(super) fn refit(
        &mut self,
        problem: Problem<'_>,
        l1_scale: f64,
        mut keep: impl FnMut(u32) -> bool,
    ) -> Vec<(u32, f64)> {
        for s in 0..self.w.len() {
            if self.w[s] != 0.0 && !keep(s as u32) {
                self.w[s] = 0.0;
            }
        }
        let mut scale = 1e-12;
        self.balance(problem, l1_scale, 0.0, &mut scale);
        self.nonzero()
    }

    fn nonzero(&self) -> Vec<(u32, f64)> {
        self.w
            .iter()
            .enumerate()
            .filter(|&(_, &w)| w != 0.0)
            .map(|(s, &w)| (s as u32, w))
            .collect()
    }

    /// One pass over all features, largest gain first; returns the largest change.
    fn pass(
        &mut self,
        problem: Problem<'_>,
        fetch: &mut dyn FnMut(usize, &mut [f32]),
        scale: &mut f64,
    ) -> f64 {
        let n = problem.c.len();
        self.gains.clear();
        self.gains
            .extend((0..n).map(|s| problem.gain(s, self.g[s])));
        self.order.clear();
        let (w, gains) = (&self.w, &self.gains);
        self.order
            .extend((0..n as u32).filter(|&s| w[s as usize] == 0.0 && gains[s as usize] > 0.0));
        self.order.sort_unstable_by(|&a, &b| {
            gains[b as usize]
                .total_cmp(&gains[a as usize])
                .then(a.cmp(&b))
        });
        let (mut moved, mut entrants) = (0f64, 0);
        let most = ENTRANTS.max(self.fetched.len() / 2);
        for at in 0..self.order.len() {
            let s = self.order[at] as usize;
            let w = problem.best(s, f64::from(self.g[s]), 1.0);
            if w == 0.0 {
                continue;
            }
            let change = w.abs() * f64::from(problem.diagonal[s]).sqrt();
            moved = moved.max(change);
            *scale = scale.max(change);
            if self.row_of[s] == UNFETCHED {
                self.row_of[s] = self.fetched.len() as u32;
                self.fetched.push(s as u32);
                let start = self.rows.len();
                self.rows.resize(start + n, 0.0);
                fetch(s, &mut self.rows[start..]);
            }
            let start = self.row_of[s] as usize * n;
            add_scaled(&mut self.g, -w as f32, &self.rows[start..start + n]);
            self.w[s] = w;
            entrants += 1;
            if entrants == most {
                break;
            }
        }
        moved
    }

    /// Converges on the nonzero weights, to a small share of `entered`, the last outer change.
    fn balance(&mut self, problem: Problem<'_>, l1_scale: f64, entered: f64, scale: &mut f64) {
        let n = problem.c.len();
        let Inner { features, k, h } = &mut self.inner;
        features.clear();
        features.extend((0..n as u32).filter(|&s| self.w[s as usize] != 0.0));
        k.clear();
        for &a in features.iter() {
            let start = self.row_of[a as usize] as usize * n;
            let row = &self.rows[start..start + n];
            k.extend(features.iter().map(|&b| row[b as usize]));
        }
        let m = features.len();
        h.clear();
        h.extend(features.iter().map(|&s| f64::from(problem.c[s as usize])));
        for (i, &s) in features.iter().enumerate() {
            subtract_scaled(h, self.w[s as usize], &k[i * m..(i + 1) * m]);
        }
        for _ in 0..INNER_PASSES {
            let mut moved = 0f64;
            for (i, &s) in features.iter().enumerate() {
                let s = s as usize;
                let diagonal = f64::from(problem.diagonal[s]);
                let w = problem.best(s, h[i] + diagonal * self.w[s], l1_scale);
                let change = w - self.w[s];
                if change != 0.0 {
                    let root = diagonal.sqrt();
                    moved = moved.max(change.abs() * root);
                    *scale = scale.max(w.abs() * root);
                    subtract_scaled(h, change, &k[i * m..(i + 1) * m]);
                    self.w[s] = w;
                }
            }
            // The inner loop is stricter than the outer one, so that the outer one measures its own
            // changes and not the remaining error of the inner one.
            if moved < (0.1 * TOLERANCE * *scale).max(COARSE * entered) {
                break;
            }
        }
    }

    /// Recomputes `g = c − K w`, so that rounding errors do not accumulate.
    fn refresh(&mut self, problem: Problem<'_>) {
        let n = problem.c.len();
        self.g.copy_from_slice(problem.c);
        for (row, &s) in self.rows.chunks_exact(n.max(1)).zip(&self.fetched) {
            let w = self.w[s as usize];
            if w != 0.0 {
                add_scaled(&mut self.g, -w as f32, row);
            }
        }
    }
}

fn add_scaled(out: &mut [f32], factor: f32, row: &[f32]) {
    for (o, r) in out.iter_mut().zip(row) {
        *o += factor * r;
    }
}

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
        let sparse = descent.solve(problem, &mut |s, row| row.copy_from_slice(&k[s]));
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
        let both = descent.solve(problem, &mut |s, row| row.copy_from_slice(&k[s]));
        // 2w + w = 3 − 1 in both coordinates.
        assert!(both.iter().all(|(_, w)| (w - 2.0 / 3.0).abs() < 1e-4));
        let one = descent.refit(problem, 0.5, |s| s == 1);
        assert_eq!(one, [(1, 1.25)]);
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
