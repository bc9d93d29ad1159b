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

use limpid_core::{Catalogue, Histories, History, ItemIdx, OwnedHistory, Progress, hash};
use limpid_data::{Shown, SplitSpec, Subset};
use limpid_eval::chain_paths::chain_paths;
use limpid_eval::explained::{Explaining, explain_best};
use limpid_eval::faithfulness::{Faithfulness, faithfulness};
use limpid_eval::readability::Readability;
use limpid_eval::{
    Bootstrap, Comparing, ItemGroups, MaskName, MetricAt, PerUser, Protocol, SampledCandidates,
    Universe, compare, evaluate, holm,
};
use limpid_models::Model;
use limpid_models::hyper::written;
use limpid_models::rules::groups::{Grouping, partition};
use serde::{Deserialize, Serialize};

use crate::answers::{Compared, ComparedMany, ComparedModel, Measured};
use crate::artifact::SplitRecord;
use crate::{Advisor, Error, Result, System, lookup};

/// What to measure, and the protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureOptions {
    /// The metrics.
    pub metrics: Vec<MetricAt>,
    /// The held-out set.
    pub on: Subset,
    /// Which held-out items count, where there are several behaviors.
    #[serde(skip_serializing_if = "is_default")]
    pub regime: Regime,
    /// Whether hits are told apart by the behaviors before; done without asking where all held-out items count.
    #[serde(skip_serializing_if = "is_default")]
    pub paths: bool,
    /// Whether the calibration of probabilities is measured.
    #[serde(skip_serializing_if = "is_default")]
    pub calibration: bool,
    /// Whether validation items are masked at test too.
    pub mask_validation: bool,
    /// Whether metrics are broken down by activity and popularity.
    pub breakdowns: bool,
    /// Metadata fields of the held-out items by which metrics are broken down, such as `genre`; `decade`
    /// is that of the year.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// [Conditions](crate::condition) on the held-out items by which metrics are broken down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// Whether metrics are broken down by how few events users and held-out items have.
    #[serde(skip_serializing_if = "is_default")]
    pub cold_start: bool,
    /// Length of the lists whose popularity bias is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub popularity_bias: Option<usize>,
    /// The items over which coverage and the Gini index are taken.
    #[serde(skip_serializing_if = "is_default")]
    pub universe: Universe,
    /// SampledCandidates of each user, if held-out items are not ranked among all items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<SampledCandidates>,
    /// Bootstrap resamples over users; 0 for no intervals.
    pub resamples: usize,
    /// Whether explanation length is measured.
    pub readability: bool,
    /// Whether the deletion test of explanations is run.
    pub faithfulness: bool,
    /// Whether the names of the knobs of a dictionary are compared with those of controls.
    #[serde(skip_serializing_if = "is_default")]
    pub concepts: bool,
    /// Whether RecSAE's concepts are constructed on some users and verified on others.
    #[serde(skip_serializing_if = "is_default")]
    pub verification: bool,
    /// Metadata fields whose values are tags for `concepts`, `verification` and `steering`; all but years if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Whether steering by the knobs of a dictionary is compared with methods without knobs.
    #[serde(skip_serializing_if = "is_default")]
    pub steering: bool,
    /// Whether what a dictionary keeps is measured by the number of active atoms.
    #[serde(skip_serializing_if = "is_default")]
    pub sparsity: bool,
    /// Number of users, sampled at random, whose explanations are measured; 0 for all.
    pub explained_users: usize,
}

/// Which held-out items count, where there are several behaviors.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// All of them, as in the literature, those that the user has touched before too.
    #[default]
    Legacy,
    /// Those that the user has not touched, among the items that they have not touched.
    Discovery,
    /// All of them, after the events before the target on held-out items were deleted from the input. The
    /// model was fitted with these events, unless its split is stripped too (`given+stripped`).
    Stripped,
    /// All of them, of a split by time.
    Temporal,
}

/// Length of the lists whose hits are told apart by path.
const PATHS_AT: usize = 10;

impl Default for MeasureOptions {
    fn default() -> Self {
        Self {
            metrics: default_metrics(),
            on: Subset::Test,
            regime: Regime::Legacy,
            paths: false,
            calibration: false,
            mask_validation: false,
            breakdowns: false,
            fields: Vec::new(),
            conditions: Vec::new(),
            cold_start: false,
            popularity_bias: None,
            universe: Universe::default(),
            candidates: None,
            resamples: 1000,
            readability: false,
            faithfulness: false,
            concepts: false,
            verification: false,
            labels: Vec::new(),
            steering: false,
            sparsity: false,
            explained_users: 1000,
        }
    }
}

/// Whether a setting has its default, so that a saved experiment need not name it.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
            regime: match options.regime {
                Regime::Discovery => limpid_eval::Regime::Discovery,
                Regime::Legacy | Regime::Stripped | Regime::Temporal => limpid_eval::Regime::Legacy,
            },
            breakdowns: options.breakdowns,
            groups: self.groups(options)?,
            cold_start: options.cold_start,
            popularity_bias: options.popularity_bias,
            universe: options.universe,
            candidates: options.candidates,
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
        let mut protocol = self.protocol(options)?;
        self.check_regime(options.regime)?;
        let stripped;
        if options.regime == Regime::Stripped {
            stripped = without_held_out(&protocol)?;
            protocol.input = &stripped;
        }
        let report = evaluate(&self.model, &protocol, progress)?;
        let (readability, faithfulness) = self.explanations(&protocol, options, progress)?;
        let knobs = self.measure_knobs(&protocol, options, progress)?;
        let several = self.catalogue.behaviors.len() > 1 && protocol.input.behaviors().is_some();
        let unasked = several && options.on == Subset::Test && options.regime == Regime::Legacy;
        let paths = (options.paths || options.calibration || unasked)
            .then(|| {
                chain_paths(
                    &self.model,
                    &protocol,
                    PATHS_AT,
                    options.calibration,
                    progress,
                )
            })
            .transpose()?;
        Ok(Measured {
            schema: "limpid.evaluate/1",
            model: self.manifest.experiment.model.clone(),
            settings: serde_json::Value::Object(self.manifest.experiment.settings.clone()),
            seed: self.manifest.experiment.seed,
            data: self.manifest.data.name.clone(),
            split: self.manifest.split.clone(),
            on: options.on,
            regime: options.regime,
            shown: self.split()?.shown_for(options.on),
            report,
            paths,
            readability,
            faithfulness,
            knobs,
        })
    }

    /// Refuses a regime that the split does not have.
    fn check_regime(&self, regime: Regime) -> Result<()> {
        let split = self.split()?;
        let several = self.catalogue.behaviors.len() > 1 && split.train.behaviors().is_some();
        match regime {
            Regime::Discovery | Regime::Stripped if !several => Err(Error::Usage(format!(
                "--regime {} needs the events of several behaviors, and this model was fitted on '{}' alone; \
                 train it with --behaviors all",
                match regime {
                    Regime::Discovery => "discovery",
                    _ => "stripped",
                },
                self.catalogue.behaviors.join(", ")
            ))),
            Regime::Temporal
                if !matches!(
                    split.spec.base(),
                    SplitSpec::Temporal { .. } | SplitSpec::TemporalDates { .. }
                ) =>
            {
                Err(Error::Usage(format!(
                    "--regime temporal needs a split by time, and this model's is '{}'; train it with --split \
                     temporal:0.8",
                    split.spec
                )))
            }
            _ => Ok(()),
        }
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
        let deletes = options.faithfulness && self.model.knobs().is_none();
        if !options.readability && !deletes {
            return Ok((None, None));
        }
        let groups = match &self.model {
            System::Model(Model::RuleSlim(_)) | System::Probed(_) => None,
            System::Model(_) => Some(group_of_items(&self.split()?.train, &self.catalogue)),
        };
        let how = Explaining {
            users: options.explained_users,
            seed: hash::text(2, &self.manifest.split.hash),
            grouping: groups.as_deref(),
        };
        let explained = explain_best(&self.model, protocol, &how, progress)?;
        // A knob rests on the whole history, so its test mutes units instead of deleting events.
        let faithful = deletes
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
        let mine = self.same_split(other)?;
        let a = self.evaluate(options, progress)?;
        let b = other.evaluate(options, progress)?;
        let how = self.comparing(options);
        Ok(Compared {
            schema: "limpid.compare/1",
            a: self.described(),
            b: other.described(),
            split: mine.clone(),
            shown: a.shown,
            masks: a.report.masks.clone(),
            candidates: options.candidates,
            comparison: compare(&a.report.per_user, &b.report.per_user, &how)?,
        })
    }

    /// Compares models of one split with this one, user by user. P-values are corrected for all
    /// comparisons, of every model and metric.
    ///
    /// # Errors
    /// [`Error::Usage`] if their splits differ.
    pub fn compare_many(
        &self,
        others: &[Self],
        options: &MeasureOptions,
        progress: &dyn Progress,
    ) -> Result<ComparedMany> {
        for other in others {
            self.same_split(other)?;
        }
        let how = self.comparing(options);
        let baseline = self.evaluate(options, progress)?;
        let mut models = Vec::new();
        for other in others {
            let measured = other.evaluate(options, progress)?;
            let per_user: &PerUser = &measured.report.per_user;
            models.push(ComparedModel {
                model: other.described(),
                comparison: compare(per_user, &baseline.report.per_user, &how)?,
            });
        }
        let all = models
            .iter_mut()
            .flat_map(|m| m.comparison.metrics.iter_mut());
        holm(all.collect());
        Ok(ComparedMany {
            schema: "limpid.compare-many/1",
            baseline: self.described(),
            split: self.manifest.split.clone(),
            shown: baseline.shown,
            masks: baseline.report.masks.clone(),
            candidates: options.candidates,
            models,
        })
    }

    /// The groups of items of the fields and conditions.
    fn groups(&self, options: &MeasureOptions) -> Result<Vec<ItemGroups>> {
        let fields = options.fields.iter();
        let fields = fields.map(|field| Ok(ItemGroups::of_field(&self.catalogue, field)?));
        let conditions = options.conditions.iter().map(|condition| {
            let holds = lookup::items_where(&self.catalogue, condition)?;
            let mut of_items = vec![vec![1]; self.catalogue.len()];
            holds.iter().for_each(|item| of_items[item.at()] = vec![0]);
            Ok(ItemGroups {
                by: condition.clone(),
                names: vec!["holds".to_owned(), "does not hold".to_owned()],
                of_items,
            })
        });
        fields.chain(conditions).collect()
    }

    fn comparing(&self, options: &MeasureOptions) -> Comparing {
        Comparing {
            bootstrap: self.bootstrap(options.resamples),
            ..Comparing::default()
        }
    }

    /// The split of two models; refuses two that were fitted on different ones.
    fn same_split(&self, other: &Self) -> Result<&SplitRecord> {
        let (mine, theirs) = (&self.manifest.split, &other.manifest.split);
        if mine.hash == theirs.hash {
            return Ok(mine);
        }
        Err(Error::Usage(format!(
            "these models were fitted on different splits, so their numbers cannot be \
             compared: {} ({}) and {} ({}); train both with the same --split and filters",
            mine.spec,
            short(&mine.hash),
            theirs.spec,
            short(&theirs.hash)
        )))
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

/// The input of a protocol without the events of other behaviors on held-out items of the same user.
fn without_held_out(protocol: &Protocol<'_>) -> Result<Histories> {
    let target = protocol.catalogue.target_behavior;
    let rows = protocol.input.rows().zip(protocol.target.rows());
    let rows: Vec<OwnedHistory> = rows
        .map(|(row, held_out)| {
            let mut row = row.to_owned();
            for item in held_out.items {
                for behavior in
                    (0..protocol.catalogue.behaviors.len() as u8).filter(|&b| b != target)
                {
                    row.remove_of(*item, behavior);
                }
            }
            row
        })
        .collect();
    let users = protocol.input.users().iter();
    let rows = rows
        .iter()
        .zip(users)
        .map(|(row, &user)| History { user, ..row.view() });
    Ok(Histories::from_histories(rows, protocol.input.n_items())?)
}

/// The group of each item, by users alone; a single item is a group of its own.
fn group_of_items(train: &Histories, catalogue: &Catalogue) -> Vec<u32> {
    let grouping = Grouping {
        size: 4,
        coherence: 0.0,
    };
    let groups = partition(&train.to_csr(), None, grouping, catalogue);
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
