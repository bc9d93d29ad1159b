//! TEASER: De Pauw, Ruymbeek and Goethals, Modelling Users with Item Metadata for Explainable and Interactive
//! Recommendation, <https://arxiv.org/abs/2207.00350>: EASE whose weights pass through the metadata of the items.
//!
//! ```text
//! min_E  ‖X − X B‖² + reg ‖B‖² + reg_encoder ‖E‖²        B = E Dᵀ − diag(E Dᵀ)
//! profile of a user = x E                                 scores = x E Dᵀ
//! ```
//!
//! D `(items, tags + 1)` has the tags of each item, and its popularity as one more column. A profile is over tags, so a
//! user can be steered by changing a number of it: the baseline of From Knots to Knobs that is trained with the tags.
//!
//! Declared departure: the paper's ADMM keeps `diag(E Dᵀ)` at least 0, approximately; here the objective is minimized
//! exactly without that bound, by conjugate gradients, preconditioned as if B had its diagonal. It needs the tags, so it
//! is not in the catalogue; steering is measured against it.

use limpid_core::{Csr, Error, Mat, Result};
use limpid_tensor::matmul::{Factor, product};

use super::closed_form::{gram_lower, regularized_inverse};

/// Hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// L2 regularization of the weights.
    pub reg: f64,
    /// L2 regularization of the encoder.
    pub reg_encoder: f64,
    /// Bytes that the matrices over items may take.
    pub memory_budget: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reg: 500.0,
            reg_encoder: 500.0,
            memory_budget: 4_000_000_000,
        }
    }
}

/// Steps of the conjugate gradients, which converge long before.
const STEPS: usize = 60;

/// The residual at which they stop, relative to the first.
const TOLERANCE: f64 = 1e-5;

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    encoder: Mat, // (I, T)
    items: Mat,   // (I, T): D
}

impl Model {
    /// Fits on interactions `(U, I)` and the tags of the items `(I, tags)`.
    ///
    /// # Errors
    /// [`Error::Memory`] if two matrices over items exceed the budget, [`Error::Numeric`] if the regularized Gram matrix
    /// is not positive definite, [`Error::Shape`] if the tags are those of other items.
    pub fn fit(rows: &Csr, tags: &Mat, config: &Config) -> Result<Self> {
        let n = rows.n_columns();
        if tags.nrows() != n {
            return Err(Error::shape("rows of tags", n, tags.nrows()));
        }
        // P, its inverse, and the factor that the inverse is made of.
        let needed = 3 * (n as u64).pow(2) * 8;
        if needed > config.memory_budget {
            return Err(Error::Memory {
                what: format!("TEASER over {n} items"),
                needed_mb: needed / 1_000_000,
                budget_mb: config.memory_budget / 1_000_000,
                hint: "leave it out, or filter items with --k-core".to_owned(),
            });
        }
        let lower = gram_lower(rows, &vec![1.0; rows.n_rows()]);
        let most = (0..n).map(|i| lower[i * n + i]).fold(1.0, f64::max);
        let t = tags.ncols() + 1;
        let mut d = vec![0f64; n * t];
        for (i, row) in d.chunks_exact_mut(t).enumerate() {
            let own = tags.row(i);
            row.iter_mut()
                .zip(own)
                .for_each(|(d, &v)| *d = f64::from(v));
            row[t - 1] = lower[i * n + i] / most;
        }
        let encoder = Normal::new(lower, &d, n, t, config)?.solve();
        let single = |m: Vec<f64>| {
            let m = m.into_iter().map(|v| v as f32).collect();
            Mat::from_shape_vec((n, t), m).map_err(|e| Error::shape("TEASER", n * t, e.to_string()))
        };
        Ok(Self {
            encoder: single(encoder)?,
            items: single(d)?,
        })
    }

    /// Profiles `(U, T)` of interactions `(U, I)`: tags in their order, then popularity.
    #[must_use]
    pub fn profiles(&self, rows: &Csr) -> Mat {
        let mut out = Mat::zeros((rows.n_rows(), self.encoder.ncols()));
        for (u, mut profile) in out.rows_mut().into_iter().enumerate() {
            let (items, values) = rows.row(u);
            for (&i, &v) in items.iter().zip(values) {
                profile.scaled_add(v, &self.encoder.row(i as usize));
            }
        }
        out
    }

    /// Scores `(U, I)` of profiles `(U, T)`.
    #[must_use]
    pub fn scores(&self, profiles: &Mat) -> Mat {
        profiles.dot(&self.items.t())
    }
}

/// The normal equations of the encoder, `(n, t)` row-major.
struct Normal<'a> {
    p: Vec<f64>,       // (n, n): XᵀX + reg
    inverse: Vec<f64>, // (n, n)
    d: &'a [f64],
    dd: Vec<f64>,       // (t, t): DᵀD
    dd_solve: Vec<f64>, // (t, t): (DᵀD + reg_encoder / mean diagonal of P)⁻¹
    reg_encoder: f64,
    n: usize,
    t: usize,
}

impl<'a> Normal<'a> {
    fn new(lower: Vec<f64>, d: &'a [f64], n: usize, t: usize, config: &Config) -> Result<Self> {
        let mut p = symmetric(&lower, n);
        let inverse = symmetric(&regularized_inverse(lower, &vec![config.reg; n], n)?, n);
        (0..n).for_each(|i| p[i * n + i] += config.reg);
        let mut dd = vec![0f64; t * t];
        product(
            &mut dd,
            Factor::new(d, n, t).t(),
            Factor::new(d, n, t),
            false,
        );
        let diagonal = (0..n).map(|i| p[i * n + i]).sum::<f64>() / n.max(1) as f64;
        let ridge = vec![config.reg_encoder / diagonal.max(f64::MIN_POSITIVE); t];
        let dd_solve = symmetric(&regularized_inverse(dd.clone(), &ridge, t)?, t);
        Ok(Self {
            p,
            inverse,
            d,
            dd,
            dd_solve,
            reg_encoder: config.reg_encoder,
            n,
            t,
        })
    }

    /// `a · b` of `(n, k)` and `(k, t)`.
    fn times(&self, a: &[f64], k: usize, b: &[f64]) -> Vec<f64> {
        let mut out = vec![0f64; self.n * self.t];
        product(
            &mut out,
            Factor::new(a, self.n, k),
            Factor::new(b, k, self.t),
            false,
        );
        out
    }

    /// D with its rows scaled.
    fn scaled_items(&self, by: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut out = self.d.to_vec();
        for (i, row) in out.chunks_exact_mut(self.t).enumerate() {
            let s = by(i);
            row.iter_mut().for_each(|v| *v *= s);
        }
        out
    }

    fn row_dots(&self, a: &[f64]) -> Vec<f64> {
        let rows = a.chunks_exact(self.t).zip(self.d.chunks_exact(self.t));
        rows.map(|(a, d)| inner(a, d)).collect()
    }

    /// Half the gradient of the quadratic part, `(P B without its diagonal) D + reg_encoder E`, from E and P E.
    fn apply(&self, e: &[f64], pe: &[f64]) -> Vec<f64> {
        let (n, t) = (self.n, self.t);
        let beta = self.row_dots(e);
        let moved = self.times(&self.p, n, &self.scaled_items(|i| beta[i]));
        let own = self.row_dots(pe);
        let diagonal = self.scaled_items(|i| own[i] - self.p[i * n + i] * beta[i]);
        let mut out = self.times(pe, t, &self.dd);
        for (at, v) in out.iter_mut().enumerate() {
            *v += self.reg_encoder * e[at] - moved[at] - diagonal[at];
        }
        out
    }

    /// The preconditioned residual, and P times it.
    fn precondition(&self, r: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let pz = self.times(r, self.t, &self.dd_solve);
        (self.times(&self.inverse, self.n, &pz), pz)
    }

    fn solve(&self) -> Vec<f64> {
        let n = self.n;
        let diagonal = self.scaled_items(|i| self.p[i * n + i]);
        let mut r = self.times(&self.p, n, self.d);
        r.iter_mut().zip(diagonal).for_each(|(r, v)| *r -= v);
        let mut e = vec![0f64; r.len()];
        let first = inner(&r, &r);
        let (mut along, mut p_along) = self.precondition(&r);
        let mut rz = inner(&r, &along);
        for _ in 0..STEPS {
            if inner(&r, &r) <= TOLERANCE.powi(2) * first || rz <= 0.0 {
                break;
            }
            let h = self.apply(&along, &p_along);
            let step = rz / inner(&along, &h);
            add(&mut e, step, &along);
            add(&mut r, -step, &h);
            let (z, pz) = self.precondition(&r);
            let next = inner(&r, &z);
            for (along, z) in [(&mut along, z), (&mut p_along, pz)] {
                along
                    .iter_mut()
                    .zip(z)
                    .for_each(|(a, z)| *a = z + next / rz * *a);
            }
            rz = next;
        }
        e
    }
}

/// A whole symmetric matrix from its lower triangle, column-major.
fn symmetric(lower: &[f64], n: usize) -> Vec<f64> {
    let mut out = lower.to_vec();
    for j in 0..n {
        for i in j + 1..n {
            out[i * n + j] = lower[j * n + i];
        }
    }
    out
}

fn add(x: &mut [f64], by: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += by * y);
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::Histories;
    use limpid_tensor::Rng;

    /// The objective of an encoder, as it is written above.
    fn objective(x: &Csr, model: &Model, e: &Mat, config: &Config) -> f64 {
        let n = x.n_columns();
        let mut b = e.dot(&model.items.t());
        (0..n).for_each(|i| b[[i, i]] = 0.0);
        let square = |m: &Mat| m.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let mut left = 0.0;
        for u in 0..x.n_rows() {
            let (items, _) = x.row(u);
            for j in 0..n {
                let found: f64 = items.iter().map(|&i| f64::from(b[[i as usize, j]])).sum();
                let wanted = f64::from(u8::from(items.contains(&(j as u32))));
                left += (wanted - found).powi(2);
            }
        }
        left + config.reg * square(&b) + config.reg_encoder * square(e)
    }

    /// No change of any weight of the encoder lowers the objective.
    #[test]
    fn the_encoder_is_the_minimum() {
        let mut rng = Rng::new(5, 0);
        let rows: Vec<Vec<u32>> = (0..40)
            .map(|_| (0..8u32).filter(|_| rng.unit() < 0.4).collect())
            .collect();
        let x = Histories::from_rows(&rows, 8).unwrap().to_csr();
        let tags = Mat::from_shape_fn((8, 3), |(i, t)| f32::from(u8::from((i + t) % 3 == 0)));
        let config = Config {
            reg: 2.0,
            reg_encoder: 0.7,
            ..Config::default()
        };
        let model = Model::fit(&x, &tags, &config).unwrap();
        let least = objective(&x, &model, &model.encoder, &config);
        for at in 0..model.encoder.len() {
            for by in [-0.02f32, 0.02] {
                let mut moved = model.encoder.clone();
                moved.as_slice_mut().unwrap()[at] += by;
                assert!(objective(&x, &model, &moved, &config) > least, "{at} {by}");
            }
        }
    }

    /// Users like one of two genres; raising a tag of a profile raises the items of the tag.
    #[test]
    fn profiles_are_read_and_turned() {
        let rows: Vec<Vec<u32>> = (0..60u32)
            .map(|u| {
                (0..10)
                    .filter(|i| i % 2 == u % 2 && (i + u) % 3 != 0)
                    .collect()
            })
            .collect();
        let x = Histories::from_rows(&rows, 10).unwrap().to_csr();
        let tags = Mat::from_shape_fn((10, 2), |(i, t)| f32::from(u8::from(i % 2 == t)));
        let config = Config {
            reg: 5.0,
            reg_encoder: 1.0,
            ..Config::default()
        };
        let model = Model::fit(&x, &tags, &config).unwrap();
        let mut profiles = model.profiles(&x);
        assert!(profiles[[0, 0]] > profiles[[0, 1]] && profiles[[1, 1]] > profiles[[1, 0]]);
        let before = model.scores(&profiles);
        profiles[[0, 1]] += 1.0;
        let after = model.scores(&profiles);
        for i in 0..10 {
            let risen = after[[0, i]] - before[[0, i]];
            assert!((risen - f32::from(u8::from(i % 2 == 1))).abs() < 1e-6);
        }
        assert!(Model::fit(&x, &Mat::zeros((3, 2)), &config).is_err());
        let little = Config {
            memory_budget: 100,
            ..config
        };
        assert!(Model::fit(&x, &tags, &little).is_err());
    }
}
