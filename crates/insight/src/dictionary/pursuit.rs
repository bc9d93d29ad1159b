//! Codes of representations: non-negative orthogonal matching pursuit with a free mean atom.
//!
//! Pati, Rezaiifar and Krishnaprasad (Asilomar 1993), with non-negative coefficients (Bruckstein, Elad and
//! Zibulevsky, IEEE Trans. Information Theory 2008) and the unit mean of all users as an atom that is
//! always in the support and may have any sign, so that no knob becomes "popular items". There is no encoder
//! to train, and a code does not depend on the length of the representation.

use limpid_core::Mat;
use limpid_tensor::matmul::{Factor, product};

use super::space::{cholesky, solve};
use super::{Dictionary, dot, norm};
use crate::sae::{Encoder, Family};

/// Ridge of the least squares on the support.
const RIDGE: f64 = 1e-6;

/// Rounds in which negative coefficients are dropped.
const DROPS: usize = 6;

/// Correlations below this are rounding errors.
const ROUNDING: f64 = 1e-7;

/// The code of one representation x: `x = length (mean μ + Σ active w) + offset + rest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Code {
    /// |x|.
    pub length: f32,
    /// What is added to every dimension: not 0 for an encoder of standardized representations.
    pub offset: f32,
    /// Coefficients per value of the encoder, which is its scale over the length; 1 without an encoder.
    pub ratio: f32,
    /// The coefficient z₀ of the mean.
    pub mean: f32,
    /// `(atom, coefficient)` by ascending index, coefficients above 0.
    pub active: Vec<(u32, f32)>,
}

/// Atoms with their Gram matrix, ready to encode.
#[derive(Debug, Clone, PartialEq)]
pub struct Pursuit {
    atoms: Vec<f32>, // (K + 1, D): the mean last
    gram: Vec<f32>,  // (K + 1, K + 1)
    n: usize,
    width: usize,
    keep: usize,
    encoder: Option<Encoder>,
}

impl Code {
    /// The values of the encoder, `(unit, value)`: comparable over representations, where coefficients are shares of
    /// a length.
    #[must_use]
    pub fn values(&self) -> Vec<(u32, f32)> {
        let of = |&(k, z): &(u32, f32)| (k, z / self.ratio);
        self.active.iter().map(of).collect()
    }
}

impl Pursuit {
    /// For atoms `(K, D)` and the mean `(D)`, rows of length 1; at most `keep` atoms are active.
    #[must_use]
    pub fn new(atoms: &Mat, mean: &[f32], keep: usize) -> Self {
        let (n, width) = atoms.dim();
        let mut all: Vec<f32> = atoms.iter().copied().collect();
        all.extend(mean);
        let mut gram = vec![0f32; (n + 1) * (n + 1)];
        let factor = Factor::new(&all, n + 1, width);
        product(&mut gram, factor, factor.t(), false);
        Self {
            atoms: all,
            gram,
            n,
            width,
            keep,
            encoder: None,
        }
    }

    /// For a dictionary; that of an autoencoder is encoded by its encoder.
    #[must_use]
    pub fn of(dictionary: &Dictionary) -> Self {
        let mut pursuit = Self::new(&dictionary.atoms, &dictionary.mean, dictionary.keep);
        pursuit.encoder.clone_from(&dictionary.encoder);
        pursuit
    }

    /// An atom `(D)`; the mean has the index K.
    #[must_use]
    pub fn atom(&self, index: usize) -> &[f32] {
        &self.atoms[index * self.width..(index + 1) * self.width]
    }

    fn inner(&self, a: usize, b: usize) -> f64 {
        f64::from(self.gram[a * (self.n + 1) + b])
    }

    /// The code of a user's representation `(D)`; that of zero is empty.
    #[must_use]
    pub fn encode(&self, x: &[f32]) -> Code {
        self.encode_of(x, Family::Users)
    }

    /// The code of the direction of a single item `(D)`.
    #[must_use]
    pub fn encode_item(&self, x: &[f32]) -> Code {
        self.encode_of(x, Family::Items)
    }

    fn encode_of(&self, x: &[f32], family: Family) -> Code {
        let length = norm(x.iter().copied());
        if !(length > 0.0 && length.is_finite()) {
            return Code::default();
        }
        if let Some(encoder) = &self.encoder {
            let scaled = encoder.scaling.of(x);
            let ratio = (f64::from(scaled.scale) / length) as f32;
            let mut active = encoder.encode(&scaled.input, family);
            active.iter_mut().for_each(|(_, z)| *z *= ratio);
            return Code {
                length: length as f32,
                offset: scaled.offset,
                ratio,
                mean: encoder.mean() * ratio,
                active,
            };
        }
        let with = |k: usize| dot(self.atom(k), x) / length;
        let correlation: Vec<f64> = (0..=self.n).map(with).collect();
        let mut rest = correlation.clone();
        let mut support = vec![self.n];
        let mut coefficients = vec![correlation[self.n] / self.inner(self.n, self.n).max(RIDGE)];
        let mut used = vec![false; self.n];
        self.update(&mut rest, &correlation, &support, &coefficients);
        for _ in 0..self.keep.min(self.n) {
            let mut best: Option<usize> = None;
            for k in (0..self.n).filter(|&k| !used[k]) {
                if best.is_none_or(|b| rest[k] > rest[b]) {
                    best = Some(k);
                }
            }
            let Some(next) = best.filter(|&k| rest[k] > ROUNDING) else {
                break;
            };
            used[next] = true;
            support.push(next);
            coefficients = self.fitted(&support, &correlation);
            self.update(&mut rest, &correlation, &support, &coefficients);
        }
        let atoms = support.iter().zip(&coefficients).skip(1);
        let mut active: Vec<(u32, f32)> = atoms
            .map(|(&k, &c)| (k as u32, c as f32))
            .filter(|a| a.1 > 0.0)
            .collect();
        active.sort_by_key(|a| a.0);
        Code {
            length: length as f32,
            offset: 0.0,
            ratio: 1.0,
            mean: coefficients[0] as f32,
            active,
        }
    }

    /// The correlations that are left after the support is subtracted.
    fn update(&self, rest: &mut [f64], all: &[f64], support: &[usize], coefficients: &[f64]) {
        rest.copy_from_slice(all);
        for (&k, &c) in support.iter().zip(coefficients).filter(|(_, c)| **c != 0.0) {
            let row = &self.gram[k * (self.n + 1)..(k + 1) * (self.n + 1)];
            rest.iter_mut()
                .zip(row)
                .for_each(|(r, &g)| *r -= c * f64::from(g));
        }
    }

    /// Least squares on the support, of which all but the first coefficient are at least 0.
    fn fitted(&self, support: &[usize], correlation: &[f64]) -> Vec<f64> {
        let mut out = vec![0f64; support.len()];
        let mut inside: Vec<usize> = (0..support.len()).collect();
        for _ in 0..DROPS {
            let m = inside.len();
            let mut a = vec![0f64; m * m];
            for (i, &p) in inside.iter().enumerate() {
                for (j, &q) in inside[..=i].iter().enumerate() {
                    a[i * m + j] = self.inner(support[p], support[q]);
                }
                a[i * m + i] += RIDGE;
            }
            let mut x: Vec<f64> = inside.iter().map(|&p| correlation[support[p]]).collect();
            if !cholesky(&mut a, m) {
                break;
            }
            solve(&a, &mut x, m);
            out.fill(0.0);
            inside.iter().zip(&x).for_each(|(&p, &c)| out[p] = c);
            let before = inside.len();
            inside.retain(|&p| p == 0 || out[p] >= 0.0);
            if inside.len() == before {
                break;
            }
        }
        out.iter_mut().skip(1).for_each(|c| *c = c.max(0.0));
        out
    }

    /// `x += length · coefficient · atom`.
    pub(crate) fn add(&self, x: &mut [f32], index: usize, amount: f32) {
        let atom = self.atom(index).iter();
        x.iter_mut().zip(atom).for_each(|(x, a)| *x += amount * a);
    }

    /// What a code expresses of its representation `(D)`.
    #[must_use]
    pub fn decode(&self, code: &Code) -> Vec<f32> {
        let mut x = vec![code.offset; self.width];
        self.add(&mut x, self.n, code.length * code.mean);
        for &(k, z) in &code.active {
            self.add(&mut x, k as usize, code.length * z);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// Orthogonal atoms: coefficients are the projections, negative ones are left out, the mean is free.
    #[test]
    fn by_hand() {
        let atoms = array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        let pursuit = Pursuit::new(&atoms, &[0.0, 0.0, 1.0], 2);
        let code = pursuit.encode(&[3.0, -4.0, -12.0]);
        assert_eq!(code.length, 13.0);
        assert_eq!(code.active.len(), 1);
        assert!((code.active[0].1 - 3.0 / 13.0).abs() < 1e-5);
        assert!((code.mean + 12.0 / 13.0).abs() < 1e-5);
        assert_eq!(pursuit.encode(&[0.0; 3]), Code::default());
    }

    proptest! {
        /// At most `keep` positive coefficients; what is left is not larger than x; scaling x by a power of
        /// two changes the length alone.
        #[test]
        fn laws_of_codes(
            values in proptest::collection::vec(-1f32..1.0, 12 * 5),
            mean in proptest::collection::vec(-1f32..1.0, 5),
            x in proptest::collection::vec(-1f32..1.0, 5),
            keep in 0usize..6,
        ) {
            let mut atoms = Mat::from_shape_vec((12, 5), values).unwrap();
            for mut row in atoms.rows_mut() {
                let length = norm(row.iter().copied()) as f32;
                prop_assume!(length > 0.1);
                row.mapv_inplace(|v| v / length);
            }
            let length = norm(mean.iter().copied()) as f32;
            prop_assume!(length > 0.1);
            let mean: Vec<f32> = mean.iter().map(|v| v / length).collect();
            let pursuit = Pursuit::new(&atoms, &mean, keep);
            let code = pursuit.encode(&x);
            prop_assert!(code.active.len() <= keep);
            prop_assert!(code.active.iter().all(|a| a.1 > 0.0));
            let left = pursuit.decode(&code).iter().zip(&x)
                .map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            prop_assert!(left <= norm(x.iter().copied()) + 1e-4);
            let double: Vec<f32> = x.iter().map(|v| 2.0 * v).collect();
            prop_assert_eq!(pursuit.encode(&double), Code { length: 2.0 * code.length, ..code });
        }
    }
}
