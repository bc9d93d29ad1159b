//! What codes keep of representations.

use limpid_core::{Mat, Progress, Recommender};
use limpid_eval::{Bootstrap, MetricAt, Protocol, evaluate};
use limpid_insight::{Passing, Probed};
use limpid_models::Model;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::latent_of;
use crate::{Advisor, Result};

/// What the codes keep when only they are decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PassThrough {
    /// nDCG@20 of the base.
    pub base: f64,
    /// nDCG@20 when only what the code expresses is decoded.
    pub passed: f64,
    /// Their ratio.
    pub retention: f64,
    /// nDCG@20 of the error-preserving form without edits over that of the base: 1.
    pub error_preserving: f64,
    /// Mean cosine of users' representations with what their codes express.
    pub cosine_users: f64,
    /// The same of single items.
    pub cosine_items: f64,
    /// Mean number of active atoms of a user.
    pub active: f64,
    /// Share of atoms that were dead at the end of training: without a value above 0 for an epoch and 10,000 inputs;
    /// null for a dictionary that is no autoencoder.
    #[serde(default)]
    pub dead_training: Option<f64>,
    /// Share of atoms that no measured user activates.
    pub dead_users: f64,
    /// Share of atoms that no single item activates.
    pub dead_items: f64,
    /// The same for every metric of the report that ranks held-out items.
    #[serde(default)]
    pub kept: Vec<Kept>,
}

/// What the codes keep of a metric when only they are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Kept {
    /// The metric.
    pub metric: MetricAt,
    /// Its value for the base.
    pub base: f64,
    /// Its value when only what the code expresses is decoded.
    pub passed: f64,
}

impl Kept {
    /// The share that is kept.
    #[must_use]
    pub fn retention(&self) -> f64 {
        self.passed / self.base.max(f64::MIN_POSITIVE)
    }
}

/// What codes of a number of atoms keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeptAt {
    /// Largest number of active atoms.
    pub k: usize,
    /// nDCG@20 in pass-through over that of the base.
    pub retention: f64,
}

/// Numbers of active atoms at which retention is measured.
const SPARSITIES: [usize; 8] = [1, 2, 4, 8, 16, 24, 32, 64];

/// A protocol of some metrics alone, without intervals.
fn means_of<'a>(metrics: &[MetricAt], protocol: &Protocol<'a>) -> Protocol<'a> {
    Protocol {
        metrics: metrics.to_vec(),
        breakdowns: false,
        groups: Vec::new(),
        cold_start: false,
        popularity_bias: None,
        bootstrap: Bootstrap {
            resamples: 0,
            ..Bootstrap::default()
        },
        ..protocol.clone()
    }
}

/// The means of the metrics of a protocol.
fn means(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    progress: &dyn Progress,
) -> Result<Vec<f64>> {
    let report = evaluate(model, protocol, progress)?;
    let mean = |m: &MetricAt| report.mean(*m).unwrap_or(f64::NAN);
    Ok(protocol.metrics.iter().map(mean).collect())
}

impl Advisor {
    /// What is kept in pass-through by the number of active atoms; that of the dictionary, which was measured, is
    /// among them. Empty for an autoencoder that is not asked for a number of them.
    pub(super) fn kept_by_sparsity(
        &self,
        knobs: &Probed<Model>,
        own: &PassThrough,
        protocol: &Protocol<'_>,
        progress: &dyn Progress,
    ) -> Result<Vec<KeptAt>> {
        let plain = means_of(&["ndcg@20".parse()?], protocol);
        let mut numbers = SPARSITIES.to_vec();
        numbers.push(knobs.dictionary().keep);
        numbers.sort_unstable();
        numbers.dedup();
        let mut all = Vec::new();
        for k in numbers {
            let Some(other) = knobs.keeping(k) else {
                break;
            };
            let passed = match k == knobs.dictionary().keep {
                true => own.passed,
                false => means(&other.passing(Passing::PassThrough), &plain, progress)?[0],
            };
            all.push(KeptAt {
                k,
                retention: passed / own.base.max(f64::MIN_POSITIVE),
            });
        }
        Ok(all)
    }

    pub(super) fn pass_through(
        &self,
        knobs: &Probed<Model>,
        protocol: &Protocol<'_>,
        progress: &dyn Progress,
    ) -> Result<PassThrough> {
        let metric: MetricAt = "ndcg@20".parse()?;
        let mut metrics = vec![metric];
        let ranks = |m: &&MetricAt| m.metric.is_per_user() && **m != metric;
        metrics.extend(protocol.metrics.iter().filter(ranks));
        let plain = means_of(&metrics, protocol);
        let values = |model: &dyn Recommender| means(model, &plain, progress);
        let bases = values(knobs.base())?;
        let unedited = values(knobs)?;
        let through = values(&knobs.clone().passing(Passing::PassThrough))?;
        let (base, passed) = (bases[0], through[0]);
        let all = metrics.iter().zip(bases.iter().zip(&through));
        let kept = all.map(|(&metric, (&base, &passed))| Kept {
            metric,
            base,
            passed,
        });
        let kept = kept.collect();
        let n_atoms = knobs.dictionary().atoms.nrows();
        let cosine = |x: &[f32], is_item: bool| {
            let code = match is_item {
                true => knobs.pursuit().encode_item(x),
                false => knobs.pursuit().encode(x),
            };
            let expressed = knobs.pursuit().decode(&code);
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
            };
            let lengths = (dot(x, x) * dot(&expressed, &expressed)).sqrt();
            let active: Vec<u32> = code.active.iter().map(|a| a.0).collect();
            (dot(x, &expressed) / lengths.max(f64::MIN_POSITIVE), active)
        };
        let latent = latent_of(knobs)?;
        let states = latent.encode(protocol.input);
        let over = |rows: &Mat, is_item: bool| {
            let all: Vec<(f64, Vec<u32>)> = (0..rows.nrows())
                .into_par_iter()
                .filter(|&r| rows.row(r).iter().any(|&v| v != 0.0))
                .map(|r| cosine(&rows.row(r).to_vec(), is_item))
                .collect();
            let n = all.len().max(1) as f64;
            let mut alive = vec![false; n_atoms];
            let mut active = 0;
            for (_, units) in &all {
                active += units.len();
                units.iter().for_each(|&k| alive[k as usize] = true);
            }
            let dead = alive.iter().filter(|a| !**a).count() as f64 / n_atoms.max(1) as f64;
            let cosines: f64 = all.iter().map(|a| a.0).sum();
            (cosines / n, active as f64 / n, dead)
        };
        let (cosine_users, active, dead_users) = over(&states, false);
        let (cosine_items, _, dead_items) = over(knobs.vectors(), true);
        let ratio = |value: f64| value / base.max(f64::MIN_POSITIVE);
        Ok(PassThrough {
            base,
            passed,
            retention: ratio(passed),
            error_preserving: ratio(unedited[0]),
            cosine_users,
            cosine_items,
            active,
            dead_training: self
                .manifest
                .dictionary
                .as_ref()
                .and_then(|d| Some(d.training.as_ref()?.dead)),
            dead_users,
            dead_items,
            kept,
        })
    }
}
