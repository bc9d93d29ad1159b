//! Measurements of a dictionary: what it keeps, what its knobs are named, whether they are faithful, and what
//! steering by them gains over methods without knobs.

mod methods;
mod names;
mod passing;
mod shares;
mod steering;
mod table;
mod verification;

use limpid_core::{Latent, Mat, Progress, Recommender, hash};
use limpid_eval::Protocol;
use limpid_eval::explained::Explaining;
use limpid_eval::unit_faithfulness::{UnitFaithfulness, unit_faithfulness};
use limpid_insight::Probed;
use limpid_models::Model;
use serde::{Deserialize, Serialize};

pub use names::NamesMeasured;
pub(crate) use names::moved;
pub use passing::{Kept, KeptAt, PassThrough};
pub use shares::ShareMeasured;
pub use steering::{MethodMeasured, SteeringMeasured};
pub use table::{KNOBS_METRICS, KnobsMetric, KnobsRow};
pub use verification::{ConceptVerified, RuleMeasured, VerificationMeasured};

use crate::probe::LabelOptions;
use crate::{Advisor, Error, MeasureOptions, Result};

/// The measurements of a dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KnobsMeasured {
    /// What the codes keep of the representations.
    pub passing: PassThrough,
    /// What they keep by the number of active atoms, if measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<Vec<KeptAt>>,
    /// Names, against controls, if measured.
    pub concepts: Option<NamesMeasured>,
    /// RecSAE's concepts, constructed on some users and verified on others, if measured.
    #[serde(default)]
    pub verification: Option<VerificationMeasured>,
    /// Muting cited knobs, against random ones, if measured.
    pub faithfulness: Option<UnitFaithfulness>,
    /// Steering, against methods without knobs, if measured.
    pub steering: Option<SteeringMeasured>,
}

impl Advisor {
    /// Measures the dictionary, as far as the options require it; `None` for a model without one.
    pub(crate) fn measure_knobs(
        &self,
        protocol: &Protocol<'_>,
        options: &MeasureOptions,
        progress: &dyn Progress,
    ) -> Result<Option<KnobsMeasured>> {
        let Some(knobs) = self.model.knobs() else {
            return match options.concepts
                || options.verification
                || options.steering
                || options.sparsity
            {
                true => Err(crate::probe::no_dictionary()),
                false => Ok(None),
            };
        };
        let tags = self.tags(&options.labels, LabelOptions::default().least)?;
        let how = Explaining {
            users: options.explained_users,
            seed: hash::text(2, &self.manifest.split.hash),
            grouping: None,
        };
        let passing = self.pass_through(knobs, protocol, progress)?;
        Ok(Some(KnobsMeasured {
            sparsity: options
                .sparsity
                .then(|| self.kept_by_sparsity(knobs, &passing, protocol, progress))
                .transpose()?,
            passing,
            concepts: options.concepts.then(|| self.names_measured(knobs, &tags)),
            verification: options
                .verification
                .then(|| self.verification(knobs, protocol, options.on, &options.labels))
                .transpose()?,
            faithfulness: options
                .faithfulness
                .then(|| unit_faithfulness(knobs, protocol, &how, progress))
                .transpose()?,
            steering: options
                .steering
                .then(|| self.steering_measured(knobs, protocol, &tags))
                .transpose()?,
        }))
    }
}

fn latent_of(knobs: &Probed<Model>) -> Result<&dyn Latent> {
    knobs
        .base()
        .latent()
        .ok_or_else(|| Error::Usage(format!("{} has no vector of a user", knobs.base().name())))
}

/// Rows scaled to length 1.
fn unit_rows(m: &Mat) -> Mat {
    let mut m = m.clone();
    for mut row in m.rows_mut() {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            row.mapv_inplace(|v| v / length);
        }
    }
    m
}
