//! Fits a model on prepared data, which gives an [`Advisor`].

pub(crate) mod checkpoint;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use limpid_core::{
    Checkpoints, Embedder, Fit, NoProgress, Progress, Recommender, Run, Training, TrainingTexts,
};
use limpid_data::chains::EvidenceKept;
use limpid_data::{Split, Subset};
use limpid_eval::ratings::{predicted, rmse};
use limpid_eval::{Bootstrap, Protocol, evaluate};
use limpid_models::Config;

use crate::artifact::{FORMAT, Manifest, SCHEMA, SplitRecord};
use crate::experiment::{DEVICES, Experiment};
use crate::{Advisor, Prepared, Result, space};

use checkpoint::CheckpointFile;

/// The metric of early stopping on the validation set; for models that predict ratings it is their RMSE.
const MONITORED: &str = "ndcg@20";

/// Options of a fit that are not hyper-parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// The seed of the model; the split has its own.
    pub seed: u64,
    /// Bytes that a fit may use for its large arrays.
    pub memory_budget: u64,
    /// Device to compute on; one of [`DEVICES`](crate::experiment::DEVICES).
    pub device: String,
    /// A file for the state of an unfinished fit, which the same fit resumes from. It is deleted when the
    /// model is saved.
    pub checkpoint: Option<PathBuf>,
}

impl TrainOptions {
    /// The defaults with a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// The options of an experiment, without a checkpoint.
    #[must_use]
    pub fn of(experiment: &Experiment) -> Self {
        Self {
            seed: experiment.seed,
            memory_budget: experiment.memory_budget(),
            device: experiment.device.clone(),
            checkpoint: None,
        }
    }
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            memory_budget: Run::seeded(1).memory_budget,
            device: DEVICES[0].to_owned(),
            checkpoint: None,
        }
    }
}

/// Fits a model. Models that are trained by gradients stop early on the validation set, if there is
/// one.
///
/// # Errors
/// Those of the model: settings out of range, too little memory, divergence.
pub fn train(
    prepared: Prepared,
    config: &Config,
    options: &TrainOptions,
    progress: &dyn Progress,
) -> Result<Advisor> {
    let mut experiment = Experiment {
        seed: options.seed,
        device: options.device.clone(),
        split: prepared.from,
        data: prepared.source,
        teacher: prepared.taught.as_ref().map(|t| t.source.clone()),
        ..Experiment::default()
    }
    .with_config(config)?;
    experiment.set_memory_budget(options.memory_budget);
    experiment.check_run()?;
    let (split, data) = (prepared.split, prepared.data);
    let texts = prepared.texts;
    let reviews = texts
        .as_ref()
        .map_or_else(Vec::new, |texts| texts.of_training(&split.train));
    let embedder = match &mut experiment.data {
        Some(source) if config.entry().reads.texts => space::open(&mut source.texts)?,
        _ => None,
    };
    let started = Instant::now();
    let protocol = validation(&split, MONITORED)?;
    let monitor = protocol.as_ref().map(monitor);
    let mut file = options.checkpoint.clone().map(CheckpointFile::new);
    let model = config.fit(
        &Training {
            histories: &split.train,
            catalogue: &split.catalogue,
        },
        &mut Run {
            seed: options.seed,
            memory_budget: options.memory_budget,
            progress,
            monitor: monitor
                .as_ref()
                .map(|m| m as &dyn Fn(&dyn Recommender) -> f64),
            stripped: config.entry().reads.behaviors && split.evidence() == EvidenceKept::Removed,
            checkpoints: file.as_mut().map(|f| f as &mut dyn Checkpoints),
            expectations: prepared.taught.as_ref().map(|t| &*t.expectations),
            texts: TrainingTexts {
                reviews: &reviews,
                embedder: embedder.as_deref().map(|e| e as &dyn Embedder),
            },
        },
    )?;
    drop(monitor);
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        format: FORMAT,
        limpid: env!("CARGO_PKG_VERSION").to_owned(),
        kind: model.kind().to_owned(),
        experiment,
        data,
        split: SplitRecord {
            spec: split.spec.to_string(),
            hash: split.hash.clone(),
        },
        fit_seconds: started.elapsed().as_secs_f64(),
        metrics: BTreeMap::new(),
        dictionary: None,
        holds_histories: true,
        files: BTreeMap::new(),
        checksum: String::new(),
    };
    let catalogue = Arc::clone(&split.catalogue);
    let mut advisor = Advisor::new(manifest, model, catalogue, Some(split));
    advisor.checkpoint.clone_from(&options.checkpoint);
    Ok(advisor)
}

/// The metric of a protocol, for a model in training.
pub(crate) fn monitor<'p>(protocol: &'p Protocol<'p>) -> impl Fn(&dyn Recommender) -> f64 + 'p {
    move |model| {
        if let Some(rated) = predicted(model, protocol.input, protocol.target) {
            return -rmse(&rated);
        }
        // A model that cannot be evaluated is never the best one.
        let report = evaluate(model, protocol, &NoProgress);
        let mean = report.ok().and_then(|r| r.mean(protocol.metrics[0]));
        mean.unwrap_or(f64::NEG_INFINITY)
    }
}

/// The evaluation during training by a metric; none without a validation set.
pub(crate) fn validation<'s>(split: &'s Split, metric: &str) -> Result<Option<Protocol<'s>>> {
    if split.validation.is_empty() {
        return Ok(None);
    }
    let input = split.input(Subset::Validation);
    let metrics = vec![metric.parse()?];
    Ok(Some(Protocol {
        breakdowns: false,
        bootstrap: Bootstrap {
            resamples: 0,
            ..Bootstrap::default()
        },
        ..Protocol::new(input, &split.validation.target, &split.catalogue, metrics)
    }))
}
