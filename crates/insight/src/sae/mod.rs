//! Sparse autoencoders over cached representations: RecSAE ("probing recommenders with sparse autoencoders"),
//! From Knots to Knobs, and the variants that they rest on.
//!
//! With representations x `(D)`, scaled to length 1 (so that users of any activity count alike) or by another
//! [`Scaling`]:
//!
//! ```text
//! a = (x − b_dec) W_enc + b_enc        z = activation(a)        x̂ = z W_dec + b_dec
//! ```
//!
//! | method | activation | loss besides the reconstruction |
//! |---|---|---|
//! | basic | ReLU | `l1 · mean Σ z` (rows of W_dec have length 1) |
//! | topk | the k largest of ReLU (Gao et al. 2406.04093) | AuxK |
//! | batch-topk | the k · B largest of a batch (Bussmann et al. 2412.06410); at inference a threshold | AuxK |
//! | matryoshka | topk; every prefix of the units reconstructs (Bussmann et al. 2503.17547) | AuxK |
//! | jump-relu | above a threshold per unit (Rajamanoharan et al. 2407.14435); experimental | `l1 · mean L0` |
//!
//! Departures from RecSAE's and Knots' code, each of which repairs a fault: AuxK has the
//! target `x − x̂`, detached, and no decoder bias; the gradient of W_dec is projected to the tangent of its
//! rows before the step, and the rows are renormalized after every step; the input is scaled into a new
//! buffer; a unit is dead if its *value* was 0 for an epoch and 10,000 samples; single items are mixed into
//! training, because concept maps are read off them; thresholds are calibrated per family of inputs.
//!
//! `preset=recsae` and `preset=knots` are the papers' settings, with these repairs and no others:
//!
//! | | RecSAE | From Knots to Knobs |
//! |---|---|---|
//! | input | as it is | standardized over its own dimensions |
//! | units, k | 16 per dimension, 8 | 8 per dimension, 16 |
//! | start | encoder uniform in ±1/√D, decoder its rows of length 1 | both uniform (Kaiming), independent |
//! | loss | fraction of the variance of the batch that is left, and AuxK | mean of squares or cosine, and `l1 · mean Σ z` |
//! | trained on | one input per event or prefix | one input per user |
//! | stops by | nDCG@5 of the reconstructed recommendations | the reconstruction |
//!
//! The decoder of RecSAE's code is renormalized once per epoch (row lengths between 0.47 and 1.07 were measured in a
//! checkpoint of it), here after every step. From Knots to Knobs compares a de-standardized output with a standardized
//! input, because its standardization overwrites the batch; here both are standardized.

pub(crate) mod fit;
mod objective;
mod train;

use limpid_core::hyper::{Setting, choices};
use limpid_core::{Error, Result, Tensors};
use limpid_tensor::wide;

pub use objective::Objective;
pub use train::{
    EpochReport, Initial, Leaves, Report, Sae, Seen, Settings, Trained, Variant, train,
};

use crate::dictionary::{dot, norm};

choices! {
    /// How a representation is scaled before it is encoded; always into a new buffer.
    pub enum Scaling {
        /// To length 1, so that users of any activity count alike.
        Unit = "unit",
        /// Not at all, as in RecSAE.
        Raw = "raw",
        /// Over its own dimensions to mean 0 and standard deviation 1, as in From Knots to Knobs.
        Standardized = "standardized",
    }
}

/// What [`Scaling`] makes of a representation: `x = scale · input + offset`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// What is encoded `(D)`.
    pub input: Vec<f32>,
    /// What it is multiplied with to give the representation again.
    pub scale: f32,
    /// What is then added to every dimension.
    pub offset: f32,
}

/// Added to standard deviations, as in the code of From Knots to Knobs.
const EPSILON: f64 = 1e-7;

impl Scaling {
    /// Scales a representation `(D)`; one of length 0 stays.
    #[must_use]
    pub fn of(self, x: &[f32]) -> Scaled {
        let (scale, offset) = match self {
            Self::Raw => (1.0, 0.0),
            Self::Unit => (norm(x.iter().copied()), 0.0),
            Self::Standardized => {
                let n = x.len() as f64;
                let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n.max(1.0);
                let apart = x.iter().map(|&v| (f64::from(v) - mean).powi(2));
                let deviation = (apart.sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
                (deviation + EPSILON, mean)
            }
        };
        let divisor = if scale > 0.0 { scale } else { 1.0 };
        Scaled {
            input: x
                .iter()
                .map(|&v| ((f64::from(v) - offset) / divisor) as f32)
                .collect(),
            scale: divisor as f32,
            offset: offset as f32,
        }
    }
}

/// How codes are computed from pre-activations.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// All above 0.
    Relu,
    /// The `k` largest above 0; ties go to the lower unit.
    TopK(usize),
    /// All above a threshold: one for users and one for single items.
    Above {
        /// Of users.
        users: f32,
        /// Of single items.
        items: f32,
    },
    /// All above a threshold of the unit `(K)`.
    Jump(Vec<f32>),
}

/// The family of inputs that a threshold was calibrated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Representations of users.
    Users,
    /// Directions of single items.
    Items,
}

/// A trained encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder {
    /// W_enc, by unit `(K, D)`.
    pub weights: Vec<f32>,
    /// b_enc `(K)`.
    pub bias: Vec<f32>,
    /// b_dec `(D)`.
    pub shift: Vec<f32>,
    /// The activation.
    pub activation: Activation,
    /// How representations are scaled before.
    pub scaling: Scaling,
}

impl Encoder {
    /// The code of a scaled representation `(D)`: `(unit, value)` by ascending unit, values above 0.
    #[must_use]
    pub fn encode(&self, x: &[f32], family: Family) -> Vec<(u32, f32)> {
        let centered: Vec<f32> = x.iter().zip(&self.shift).map(|(x, b)| x - b).collect();
        let mut values = self.bias.clone();
        wide(
            #[inline(always)]
            || {
                let rows = self.weights.chunks_exact(centered.len().max(1));
                for (value, w) in values.iter_mut().zip(rows) {
                    *value += dot(w, &centered) as f32;
                }
            },
        );
        self.code(&values, family)
    }

    /// The code of pre-activations `(K)`.
    pub(crate) fn code(&self, values: &[f32], family: Family) -> Vec<(u32, f32)> {
        let mut active: Vec<(u32, f32)> = (0u32..)
            .zip(values.iter().copied())
            .filter(|&(k, v)| match &self.activation {
                Activation::Relu | Activation::TopK(_) => v > 0.0,
                Activation::Above { users, items } => {
                    let least = if family == Family::Users {
                        users
                    } else {
                        items
                    };
                    v > least.max(0.0)
                }
                Activation::Jump(least) => v > least[k as usize].max(0.0),
            })
            .collect();
        if let Activation::TopK(k) = self.activation
            && k < active.len()
        {
            active.select_nth_unstable_by(k, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            active.truncate(k);
            active.sort_unstable_by_key(|a| a.0);
        }
        active
    }

    /// Length of `shift`: the coefficient of the mean atom.
    #[must_use]
    pub fn mean(&self) -> f32 {
        norm(self.shift.iter().copied()) as f32
    }

    pub(crate) fn check(&self, units: usize, width: usize) -> Result<()> {
        for (what, expected, found) in [
            ("encoder weights", units * width, self.weights.len()),
            ("encoder biases", units, self.bias.len()),
            ("the shift of an encoder", width, self.shift.len()),
        ] {
            if expected != found {
                return Err(Error::shape(what, expected, found));
            }
        }
        match &self.activation {
            Activation::Jump(least) if least.len() != units => {
                Err(Error::shape("thresholds", units, least.len()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn save(&self, out: &mut Tensors) -> Result<()> {
        let units = self.bias.len();
        let width = self.shift.len();
        out.put_f32("encoder.weights", &[units, width], self.weights.clone());
        out.put_f32("encoder.bias", &[units], self.bias.clone());
        out.put_f32("encoder.shift", &[width], self.shift.clone());
        let (name, values) = match &self.activation {
            Activation::Relu => ("relu", Vec::new()),
            Activation::TopK(k) => ("topk", vec![*k as f32]),
            Activation::Above { users, items } => ("above", vec![*users, *items]),
            Activation::Jump(least) => ("jump", least.clone()),
        };
        out.put_f32("encoder.activation", &[values.len()], values);
        if self.scaling != Scaling::Unit {
            out.put_meta("scaling", &self.scaling.to_value())?;
        }
        out.put_meta("activation", &name)
    }

    pub(crate) fn load(from: &Tensors) -> Result<Option<Self>> {
        if !from.has("encoder.weights") {
            return Ok(None);
        }
        let values = from.f32("encoder.activation")?.1.to_vec();
        let name: String = from.meta("activation")?;
        let activation = match (name.as_str(), values.as_slice()) {
            ("relu", []) => Activation::Relu,
            ("topk", &[k]) => Activation::TopK(k as usize),
            ("above", &[users, items]) => Activation::Above { users, items },
            ("jump", _) => Activation::Jump(values),
            (other, _) => {
                return Err(Error::Tensor {
                    name: "activation".to_owned(),
                    why: format!("unknown activation '{other}' with {} values", values.len()),
                });
            }
        };
        Ok(Some(Self {
            weights: from.f32("encoder.weights")?.1.to_vec(),
            bias: from.f32("encoder.bias")?.1.to_vec(),
            shift: from.f32("encoder.shift")?.1.to_vec(),
            activation,
            scaling: match from.all_meta().get("scaling") {
                None => Scaling::Unit,
                Some(value) => Scaling::from_value(value).ok_or_else(|| Error::Tensor {
                    name: "scaling".to_owned(),
                    why: format!("unknown scaling {value}"),
                })?,
            },
        }))
    }
}
