//! Sparse autoencoders over cached representations: RecSAE ("probing recommenders with sparse autoencoders"),
//! From Knots to Knobs, and the variants that they rest on.
//!
//! With unit representations x `(D)` (so that users of any activity count alike):
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

mod train;

use limpid_core::{Error, Result, Tensors};

pub use train::{EpochReport, Leaves, Report, Sae, Seen, Settings, Trained, Variant, train};

use crate::dictionary::norm;

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
}

impl Encoder {
    /// The code of a unit representation `(D)`: `(unit, value)` by ascending unit, values above 0.
    #[must_use]
    pub fn encode(&self, x: &[f32], family: Family) -> Vec<(u32, f32)> {
        let centered: Vec<f32> = x.iter().zip(&self.shift).map(|(x, b)| x - b).collect();
        let rows = self
            .weights
            .chunks_exact(centered.len().max(1))
            .zip(&self.bias);
        let values = rows.map(|(w, b)| crate::dictionary::dot(w, &centered) as f32 + b);
        let mut active: Vec<(u32, f32)> = (0u32..)
            .zip(values)
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
        if let Activation::TopK(k) = self.activation {
            active.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            active.truncate(k);
            active.sort_by_key(|a| a.0);
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
        }))
    }
}
