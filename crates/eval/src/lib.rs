//! How well: metrics with intervals, on ranked lists and on ledgers.
//!
//! Measures any [`Recommender`](limpid_core::Recommender), any matrix of scores and any lists made
//! elsewhere by the same code, and any model that explains itself by how short, how faithful and how
//! exact its ledgers are. It names no model and opens no file; what comes out is plain data.
//!
//! | module | what |
//! |---|---|
//! | [`metrics`] | the metrics, one file per family, and their registry: [`MetricAt`] reads `ndcg@20` |
//! | [`protocol`] | [`Protocol`]: who is measured on what, and what is masked |
//! | [`evaluate`](mod@evaluate) | [`evaluate()`], [`evaluate_scores`], [`evaluate_lists`] |
//! | [`report`] | [`Report`] and [`PerUser`] |
//! | [`breakdown`] | the means by activity of users and popularity of targets |
//! | [`bootstrap`] | [`Bootstrap`], [`Interval`] |
//! | [`compare`](mod@compare) | [`compare()`]: two results on the same users |
//! | [`explained`] | [`explain_best`](explained::explain_best): the best item of each user with its ledger |
//! | [`readability`] | [`Readability`](readability::Readability): how much there is to read |
//! | [`faithfulness`](mod@faithfulness) | [`faithfulness()`](faithfulness::faithfulness): what is lost when the cited items are deleted |
//! | [`planted`] | [`recovery`](planted::recovery): what was found of rules that are known |
//! | [`spread`] | [`Spread`](spread::Spread): mean, median and 90th percentile |
//! | [`student_t`] | quantiles of Student's t |

pub mod bootstrap;
pub mod breakdown;
pub mod compare;
pub mod error;
pub mod evaluate;
pub mod explained;
pub mod faithfulness;
pub mod metrics;
pub mod planted;
pub mod protocol;
pub mod readability;
pub mod report;
pub mod spread;
pub mod student_t;

pub use bootstrap::{Bootstrap, Interval};
pub use compare::{Comparing, Comparison, Difference, compare};
pub use error::{Error, Result};
pub use evaluate::{evaluate, evaluate_lists, evaluate_scores};
pub use metrics::{METRICS, Metric, MetricAt};
pub use protocol::{MaskName, Protocol};
pub use report::{AbsentMetric, MetricReport, PerUser, Report};
