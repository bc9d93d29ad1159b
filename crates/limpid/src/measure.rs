//! Evaluation of a saved model on its split, and comparison of two models.
//!
//! ```
//! use limpid::core::NoProgress;
//! use limpid::models::Config;
//! use limpid::{MeasureOptions, Prepared, SplitFrom, TrainOptions, train};
//!
//! # fn main() -> limpid::Result<()> {
//! let world = limpid::data::synthetic::Config::default();
//! let prepared = Prepared::synthetic(&world, &SplitFrom::Spec("ratio:70/10/20@7".parse()?))?;
//! let model = Config::named("ruleslim")?;
//! let advisor = train(prepared, &model, &TrainOptions::seeded(1), &NoProgress)?;
//! let options = MeasureOptions { readability: true, faithfulness: true, ..MeasureOptions::default() };
//! let measured = advisor.evaluate(&options, &NoProgress)?;
//! if let (Some(short), Some(faithful)) = (measured.readability, measured.faithfulness) {
//!     println!("{} lines; {} ranks lost without them", short.lines.median, faithful.drop.median);
//!     assert!(faithful.drop.mean > faithful.random_drop.mean);
//! }
//! # Ok(()) }
//! ```

use limpid_core::{Catalogue, Histories, ItemIdx, Progress, hash};
use limpid_data::{Shown, Subset};
use limpid_eval::explained::{Explaining, explain_best};
use limpid_eval::faithfulness::{Faithfulness, faithfulness};
use limpid_eval::readability::Readability;
use limpid_eval::{Bootstrap, Comparing, MaskName, MetricAt, Protocol, compare, evaluate};
use limpid_models::Model;
use limpid_models::hyper::written;
use limpid_models::rules::groups::{Grouping, partition};
use serde::{Deserialize, Serialize};

use crate::answers::{Compared, Measured};
use crate::{Advisor, Error, Result};

/// What to measure, and the protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureOptions {
    /// The metrics.
    pub metrics: Vec<MetricAt>,
    /// The held-out set.
    pub on: Subset,
    /// Whether validation items are masked at test too.
    pub mask_validation: bool,
    /// Whether metrics are broken down by activity and popularity.
    pub breakdowns: bool,
    /// Bootstrap resamples over users; 0 for no intervals.
    pub resamples: usize,
    /// Whether explanation length is measured.
    pub readability: bool,
    /// Whether the deletion test of explanations is run.
    pub faithfulness: bool,
    /// Number of users, sampled at random, whose explanations are measured; 0 for all.
    pub explained_users: usize,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self {
            metrics: default_metrics(),
            on: Subset::Test,
            mask_validation: false,
            breakdowns: false,
            resamples: 1000,
            readability: false,
            faithfulness: false,
            explained_users: 1000,
        }
    }
}

/// The default metrics.
#[must_use]
pub fn default_metrics() -> Vec<MetricAt> {
    [
        "ndcg@10",
        "ndcg@20",
        "recall@20",
        "hit@10",
        "mrr@20",
        "itemcoverage@20",
        "giniindex@20",
        "novelty@20",
    ]
    .iter()
    .filter_map(|m| m.parse().ok())
    .collect()
}

impl Advisor {
    /// Random choices that depend on the split only, so that they are the same for all of its models.
    fn bootstrap(&self, resamples: usize) -> Bootstrap {
        Bootstrap {
            resamples,
            seed: hash::text(1, &self.manifest.split.hash),
            ..Bootstrap::default()
        }
    }

    /// The protocol of a measurement of this model.
    ///
    /// # Errors
    /// [`Error::Usage`] if the held-out set is empty or the model was saved without users.
    pub fn protocol(&self, options: &MeasureOptions) -> Result<Protocol<'_>> {
        let split = self.split()?;
        let held_out = split.held_out(options.on);
        if held_out.is_empty() {
            return Err(Error::Usage(format!(
                "the split '{}' has no {} set to measure on; split with one, such as \
                 --split ratio:70/10/20@7",
                self.manifest.split.spec, options.on
            )));
        }
        let shown = split.shown_for(options.on);
        // Events that were shown are always masked.
        let train_at_test = options.on == Subset::Test && shown == Shown::Train;
        let mask_validation = train_at_test && options.mask_validation;
        Ok(Protocol {
            mask: mask_validation.then_some(&split.validation.target),
            mask_name: match shown {
                Shown::TrainAndValidation => MaskName::TrainAndValidation,
                Shown::Train if mask_validation => MaskName::TrainAndValidation,
                Shown::Train if train_at_test => MaskName::Train,
                Shown::Train | Shown::HeldOut => MaskName::Input,
            },
            breakdowns: options.breakdowns,
            bootstrap: self.bootstrap(options.resamples),
            ..Protocol::new(
                split.input(options.on),
                &held_out.target,
                &self.catalogue,
                options.metrics.clone(),
            )
        })
    }

    /// Measures the model.
    ///
    /// # Errors
    /// As [`Advisor::protocol`]; [`limpid_core::Error::Interrupted`] after Ctrl-C.
    pub fn evaluate(&self, options: &MeasureOptions, progress: &dyn Progress) -> Result<Measured> {
        let protocol = self.protocol(options)?;
        let report = evaluate(&self.model, &protocol, progress)?;
        let (readability, faithfulness) = self.explanations(&protocol, options, progress)?;
        Ok(Measured {
            schema: "limpid.evaluate/1",
            model: self.manifest.experiment.model.clone(),
            settings: serde_json::Value::Object(self.manifest.experiment.settings.clone()),
            seed: self.manifest.experiment.seed,
            data: self.manifest.data.name.clone(),
            split: self.manifest.split.clone(),
            on: options.on,
            shown: self.split()?.shown_for(options.on),
            report,
            readability,
            faithfulness,
        })
    }

    /// Measures the explanations at rank 1, as far as the options require it.
    ///
    /// RuleSLIM has lines of its own; the links of every other model are joined by the same groups of
    /// items, so that line counts are comparable.
    fn explanations(
        &self,
        protocol: &Protocol<'_>,
        options: &MeasureOptions,
        progress: &dyn Progress,
    ) -> Result<(Option<Readability>, Option<Faithfulness>)> {
        if !options.readability && !options.faithfulness {
            return Ok((None, None));
        }
        let groups = match &self.model {
            Model::RuleSlim(_) => None,
            _ => Some(group_of_items(&self.split()?.train, &self.catalogue)),
        };
        let how = Explaining {
            users: options.explained_users,
            seed: hash::text(2, &self.manifest.split.hash),
            grouping: groups.as_deref(),
        };
        let explained = explain_best(&self.model, protocol, &how, progress)?;
        let faithful = options
            .faithfulness
            .then(|| faithfulness(&self.model, protocol, &explained, &how, progress))
            .transpose()?;
        let readable = options.readability.then(|| Readability::of(&explained));
        Ok((readable, faithful))
    }

    /// Compares two models of one split, user by user.
    ///
    /// # Errors
    /// [`Error::Usage`] if their splits differ.
    pub fn compare(
        &self,
        other: &Self,
        options: &MeasureOptions,
        progress: &dyn Progress,
    ) -> Result<Compared> {
        let (mine, theirs) = (&self.manifest.split, &other.manifest.split);
        if mine.hash != theirs.hash {
            return Err(Error::Usage(format!(
                "these models were fitted on different splits, so their numbers cannot be \
                 compared: {} ({}) and {} ({}); train both with the same --split and filters",
                mine.spec,
                short(&mine.hash),
                theirs.spec,
                short(&theirs.hash)
            )));
        }
        let a = self.evaluate(options, progress)?;
        let b = other.evaluate(options, progress)?;
        let how = Comparing {
            bootstrap: self.bootstrap(options.resamples),
            ..Comparing::default()
        };
        Ok(Compared {
            schema: "limpid.compare/1",
            a: self.described(),
            b: other.described(),
            split: mine.clone(),
            shown: a.shown,
            masks: a.report.masks.clone(),
            comparison: compare(&a.report.per_user, &b.report.per_user, &how)?,
        })
    }

    /// The model with its non-default settings, in one line.
    #[must_use]
    pub fn described(&self) -> String {
        let run = &self.manifest.experiment;
        let config = run.config();
        let name = config.as_ref().map_or(run.model.as_str(), |c| c.name());
        let changes = config.as_ref().ok().and_then(|c| c.changes().ok());
        let changed: Vec<String> = changes
            .iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", written(value)))
            .collect();
        format!("{name} {}", changed.join(" "))
            .trim_end()
            .to_owned()
    }
}

/// The group of each item by the default of RuleSLIM; a single item is a group of its own.
fn group_of_items(train: &Histories, catalogue: &Catalogue) -> Vec<u32> {
    let grouping = Grouping {
        size: 4,
        coherence: 0.0,
    };
    let groups = partition(&train.to_csr(), grouping, catalogue);
    let alone = |item: u32| groups.len() as u32 + item;
    (0..catalogue.len() as u32)
        .map(|item| groups.of(ItemIdx(item)).unwrap_or_else(|| alone(item)))
        .collect()
}

/// The first digits of a hash, as printed.
#[must_use]
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
