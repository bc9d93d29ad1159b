//! A stable dictionary over a representation: knobs that come back when the users are resampled.
//!
//! Our own method. A representation x of a user is written as
//!
//! ```text
//! x = |x| (z₀ μ + Σ_j z_j w_j) + rest        z_j ≥ 0, at most `keep` of them
//! ```
//!
//! with unit atoms `w_j` and the unit mean `μ` of all users, whose coefficient `z₀` is free: *general taste*.
//! The first atoms are *knobs*, the consensus of single factorizations of resampled users; the others are
//! learned *fillers*, which are not exposed, but joined in one line of a ledger, the *unnamed remainder*.
//!
//! | module | step |
//! |---|---|
//! | [`space`] | the representation space of a resample: closed form, no seed |
//! | `nmf`, `kmeans` | a single factorization: item profiles |
//! | `consensus` | profiles that come back in most resamples, averaged |
//! | [`pursuit`] | codes: non-negative orthogonal matching pursuit with a free mean |
//! | `filler` | fillers that raise the share of a representation that is expressed |
//! | [`stability`] | the certificate: how much of it comes back in fresh resamples |
//! | [`mod@fit`] | all of it |
//!
//! Every step is deterministic, whatever the number of threads.

pub(crate) mod assignment;
mod consensus;
mod filler;
pub mod fit;
mod kmeans;
mod nmf;
pub mod pursuit;
pub mod space;
pub mod stability;

use limpid_core::{Artifact, Error, Mat, Result, Tensors};

pub use fit::{Config, Fitted, Method, fit};
pub use pursuit::{Code, Pursuit};
pub use space::{Refit, Space};
pub use stability::{Certificate, Overlap};

use crate::concepts::Name;
use crate::sae::Encoder;

/// Atoms over a representation, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct Dictionary {
    /// The atoms `(K, D)`, rows of length 1; knobs first.
    pub atoms: Mat,
    /// Number of knobs; the other atoms are fillers.
    pub knobs: usize,
    /// The mean of all unit representations, scaled to length 1 `(D)`.
    pub mean: Vec<f32>,
    /// Largest number of active atoms of a user.
    pub keep: usize,
    /// Share of fresh resamples in which each knob comes back `(knobs)`, 0 to 1.
    pub stability: Vec<f32>,
    /// The name of each knob `(knobs)`, where it was named.
    pub names: Vec<Option<Name>>,
    /// The encoder of a sparse autoencoder; without one, codes are computed by pursuit.
    pub encoder: Option<Encoder>,
}

impl Dictionary {
    /// The atoms of the knobs `(knobs, D)`.
    #[must_use]
    pub fn exposed(&self) -> Mat {
        self.atoms.slice(ndarray::s![..self.knobs, ..]).to_owned()
    }

    /// Checks lengths and values.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Range`] with what does not fit.
    pub fn check(&self) -> Result<()> {
        let (n, width) = self.atoms.dim();
        if self.mean.len() != width {
            return Err(Error::shape(
                "the mean of a dictionary",
                width,
                self.mean.len(),
            ));
        }
        if self.knobs > n {
            return Err(Error::range(
                "the number of knobs",
                format!("at most the {n} atoms"),
                self.knobs,
            ));
        }
        for (what, len) in [
            ("stabilities of knobs", self.stability.len()),
            ("names of knobs", self.names.len()),
        ] {
            if len != self.knobs {
                return Err(Error::shape(what, self.knobs, len));
            }
        }
        if let Some(encoder) = &self.encoder {
            encoder.check(n, width)?;
        }
        for (k, row) in self.atoms.rows().into_iter().enumerate() {
            check_unit(&format!("atom {k}"), row.iter().copied())?;
        }
        // Users without any representation have no mean.
        match self.mean.iter().all(|&v| v == 0.0) {
            true => Ok(()),
            false => check_unit("the mean of a dictionary", self.mean.iter().copied()),
        }
    }
}

fn check_unit(what: &str, row: impl Iterator<Item = f32>) -> Result<()> {
    let length = norm(row);
    match (length - 1.0).abs() < 1e-3 {
        true => Ok(()),
        false => Err(Error::range(
            format!("the length of {what}"),
            "1",
            format!("{length:.4}"),
        )),
    }
}

impl Artifact for Dictionary {
    const KIND: &'static str = "dictionary";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let (n, width) = self.atoms.dim();
        out.put_f32(
            "atoms",
            &[n, width],
            self.atoms.iter().copied().collect::<Vec<f32>>(),
        );
        out.put_f32("mean", &[width], self.mean.clone());
        out.put_f32("stability", &[self.knobs], self.stability.clone());
        out.put_meta("keep", &self.keep)?;
        if let Some(encoder) = &self.encoder {
            encoder.save(out)?;
        }
        out.put_meta("names", &self.names)
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (shape, atoms) = from.f32("atoms")?;
        let &[n, width] = shape else {
            return Err(Error::shape("atoms", "atoms × width", format!("{shape:?}")));
        };
        let atoms = Mat::from_shape_vec((n, width), atoms.to_vec())
            .map_err(|_| Error::shape("atoms", n * width, atoms.len()))?;
        let stability = from.f32("stability")?.1.to_vec();
        let dictionary = Self {
            atoms,
            knobs: stability.len(),
            mean: from.f32("mean")?.1.to_vec(),
            keep: from.meta("keep")?,
            stability,
            names: from.meta("names")?,
            encoder: Encoder::load(from)?,
        };
        dictionary.check()?;
        Ok(dictionary)
    }
}

/// The Euclidean length, in double precision.
pub(crate) fn norm(row: impl Iterator<Item = f32>) -> f64 {
    row.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// Scales to length 1; leaves zero alone. Returns the length before.
#[inline(always)]
pub(crate) fn normalize(row: &mut [f32]) -> f64 {
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        let scale = 1.0 / length;
        for v in row {
            *v = (f64::from(*v) * scale) as f32;
        }
    }
    length
}

/// The dot product, in double precision.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8; // sums that the processor adds side by side
    let mut lanes = [0f64; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    for (a, b) in a.zip(b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f64::from(a) * f64::from(b);
        }
    }
    lanes.iter().sum::<f64>() + rest
}
