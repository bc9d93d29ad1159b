//! Fitting: prepared data and a recipe become an [`Advisor`].

use std::collections::BTreeMap;
use std::time::Instant;

use limpid_core::{Fit, Progress, Run, Training};
use limpid_models::Config;

use crate::artifact::{FORMAT, Manifest, RunRecord, SCHEMA, SplitRecord};
use crate::{Advisor, Prepared, Result};

/// Fits a model.
///
/// # Errors
/// What the model refuses: settings out of range, memory, numbers that run away.
pub fn train(
    prepared: Prepared,
    config: &Config,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Advisor> {
    let Prepared { split, data, .. } = prepared;
    let started = Instant::now();
    let model = config.fit(
        &Training {
            histories: &split.train,
            catalogue: &split.catalogue,
        },
        &mut Run {
            progress,
            ..Run::seeded(seed)
        },
    )?;
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        format: FORMAT,
        limpid: env!("CARGO_PKG_VERSION").to_owned(),
        kind: model.kind().to_owned(),
        run: RunRecord {
            model: config.name().to_owned(),
            settings: config.to_value()?,
            seed,
            fit_seconds: started.elapsed().as_secs_f64(),
        },
        data,
        split: SplitRecord {
            spec: split.spec.to_string(),
            hash: split.hash.clone(),
        },
        metrics: BTreeMap::new(),
        holds_histories: true,
        files: BTreeMap::new(),
    };
    let catalogue = split.catalogue.clone();
    Ok(Advisor::new(manifest, model, catalogue, Some(split.into())))
}
