//! Evaluation: metrics with intervals, of ranked lists and of ledgers.
//!
//! The same code evaluates any [`Recommender`](limpid_core::Recommender), any matrix of scores and any
//! lists of other programs; explanations are measured by their length, their faithfulness and the error
//! of their sums. No model is named and no file is opened; the results are plain data.
//!
//! | module | what |
//! |---|---|
//! | [`metrics`] | the metrics, one file per family, and the list of them; [`MetricAt`] parses `ndcg@20` |
//! | [`protocol`] | [`Protocol`]: inputs, held-out items, what is shown and what is masked |
//! | [`evaluate`](mod@evaluate) | [`evaluate()`], [`evaluate_scores`], [`evaluate_lists`] |
//! | [`report`] | [`Report`] and [`PerUser`] |
//! | [`breakdown`] | means by activity of users and popularity of held-out items |
//! | [`candidates`] | [`SampledCandidates`]: sampled metrics |
//! | [`groups`] | [`ItemGroups`]: items by metadata or training events |
//! | [`popularity_bias`] | [`PopularityBias`]: lists beside users' own taste |
//! | [`universe`] | [`Universe`]: the items over which coverage and the Gini index are taken |
//! | [`bootstrap`] | [`Bootstrap`], [`Interval`] |
//! | [`chain_paths`] | [`ChainPaths`](chain_paths::ChainPaths): hits and calibration by the behaviors before |
//! | [`compare`](mod@compare) | [`compare()`]: two results on the same users; [`holm`]: many comparisons |
//! | [`explained`] | [`explain_best`](explained::explain_best): the best item of each user with its ledger |
//! | [`readability`] | [`Readability`](readability::Readability): explanation length |
//! | [`faithfulness`](mod@faithfulness) | [`faithfulness()`](faithfulness::faithfulness): deletion test against random deletions |
//! | [`planted`] | [`recovery`](planted::recovery): how many planted rules were found |
//! | [`spread`] | [`Spread`](spread::Spread): mean, median and 90th percentile |
//! | [`student_t`] | quantiles of Student's t |

pub mod bootstrap;
pub mod breakdown;
pub mod candidates;
pub mod chain_paths;
pub mod compare;
pub mod error;
pub mod evaluate;
pub mod explained;
pub mod faithfulness;
pub mod groups;
pub mod metrics;
pub mod planted;
pub mod popularity_bias;
pub mod protocol;
pub mod ratings;
pub mod readability;
pub mod report;
pub mod spread;
pub mod steering;
pub mod student_t;
pub mod unit_faithfulness;
pub mod universe;

pub use bootstrap::{Bootstrap, Interval};
pub use candidates::SampledCandidates;
pub use compare::{Comparing, Comparison, Difference, compare, holm, holm_of};
pub use error::{Error, Result};
pub use evaluate::{evaluate, evaluate_lists, evaluate_scores};
pub use groups::ItemGroups;
pub use metrics::{METRICS, Metric, MetricAt};
pub use popularity_bias::PopularityBias;
pub use protocol::{MaskName, Protocol, Regime};
pub use report::{AbsentMetric, MetricReport, PerUser, Report};
pub use universe::Universe;
