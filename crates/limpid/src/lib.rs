//! A recommender that people can read, question and steer.
//!
//! Every score is an exact sum of named evidence, a [ledger](limpid_core::Ledger). The ledger gives
//! explanations, counterfactuals, steering and checks for every model. This crate composes the others:
//! the [`pipeline`] runs an [`Experiment`], and the [`Advisor`] recommends and explains in the external
//! ids of the data. The steps can be called one by one:
//!
//! ```
//! use limpid::{Advisor, Filter, Prepared, SplitFrom, TrainOptions, Who, train};
//! use limpid::core::{Edits, NoProgress};
//! use limpid::models::Config;
//!
//! # fn main() -> limpid::Result<()> {
//! let prepared = Prepared::synthetic(&limpid::data::synthetic::Config::default(),
//!     &SplitFrom::Spec("ratio:70/10/20@7".parse()?))?;
//! let config = Config::named("ease")?.set(&["reg=200"])?;
//! let advisor = train(prepared, &config, &TrainOptions::seeded(1), &NoProgress)?;
//!
//! let user = advisor.catalogue.users.name(0).to_owned();
//! let list = advisor.recommend(&Who::user(&user), 5, &Filter::default(), &Edits::none())?;
//! let why = advisor.explain(&Who::user(&user), &list.items[0].item.id, &Edits::none(), false)?;
//! let sum: f32 = why.ledger.base + why.ledger.parts.iter().map(|p| p.value).sum::<f32>();
//! assert!((sum - why.ledger.score).abs() < 1e-4);
//! # Ok(()) }
//! ```

mod advisor;
pub mod answers;
pub mod artifact;
pub mod batch;
pub mod concepts;
pub mod condition;
mod error;
pub mod experiment;
pub mod export;
pub mod imported;
pub mod lists;
pub mod lookup;
pub mod measure;
pub mod measure_knobs;
pub mod narrate;
pub mod npy;
pub mod output;
pub mod pipeline;
pub mod planted;
pub mod plot;
mod prepare;
pub mod probe;
pub mod ratings;
pub mod recipe;
pub mod rules;
mod small_file;
pub mod space;
pub mod steering;
mod system;
pub mod teacher;
mod training;
pub mod tune;

pub use advisor::{Advisor, Events, Filter, SimilarBy, Who};
pub use error::{Error, Result, is_interruption, is_usage};
pub use experiment::{DataSource, Experiment, SplitFrom};
pub use limpid_data::Subset;
pub use measure::MeasureOptions;
pub use narrate::Narrator;
pub use prepare::Prepared;
pub use system::System;
pub use training::{TrainOptions, train};

/// Threads per CPU that are started at most; more of them only wait for each other.
const THREADS_PER_CPU: usize = 4;

/// Sets the number of threads, 0 for that of `RAYON_NUM_THREADS` or else one per CPU, and returns it: at
/// most four per CPU. Results do not depend on it.
///
/// # Errors
/// [`Error::Usage`] if work has already started with another number.
pub fn set_threads(threads: usize) -> Result<usize> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let most = THREADS_PER_CPU * cpus;
    if threads == 0 {
        let of_environment = std::env::var("RAYON_NUM_THREADS");
        let threads = of_environment.ok().and_then(|n| n.parse().ok());
        let threads = threads.filter(|&n| n > 0).unwrap_or(cpus);
        if threads <= most {
            return Ok(threads);
        }
    }
    let threads = if threads == 0 {
        most
    } else {
        threads.min(most)
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Error::Usage(format!("cannot use {threads} threads: {e}")))?;
    Ok(threads)
}

/// The vocabulary.
pub use limpid_core as core;
/// Reading, filtering, splitting and generating data.
pub use limpid_data as data;
/// Metrics.
pub use limpid_eval as eval;
/// Steering and counterfactuals.
pub use limpid_insight as insight;
/// The catalogue of models.
pub use limpid_models as models;
