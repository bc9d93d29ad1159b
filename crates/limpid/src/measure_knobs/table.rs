//! The numbers of a dictionary by which tables can require bounds.

use limpid_eval::unit_faithfulness::UnitFaithfulness;
use limpid_insight::concepts::LevelRule;
use serde::{Deserialize, Serialize};

use super::{KnobsMeasured, NamesMeasured, RuleMeasured};
use crate::artifact::DictionaryRecord;
use crate::{Advisor, Result};

/// A dictionary with its measurements, for tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KnobsRow {
    /// Number of knobs.
    pub knobs: usize,
    /// Number of atoms, fillers included.
    pub atoms: usize,
    /// How it was fitted, and its certificate.
    pub record: DictionaryRecord,
    /// Its measurements.
    pub measured: KnobsMeasured,
}

/// A number of a dictionary by which tables can require bounds.
pub struct KnobsMetric {
    /// Its name in recipes.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its value; none where it was not measured.
    pub of: fn(&KnobsRow) -> Option<f64>,
}

/// The numbers of a dictionary; larger is better for all but `tuned_down` and `seconds`.
pub const KNOBS_METRICS: [KnobsMetric; 36] = [
    metric("knobs", "knobs", |r| Some(r.knobs as f64)),
    metric("retention", "nDCG@20 in pass-through / base", |r| {
        Some(r.measured.passing.retention)
    }),
    metric("retention_at_10", "nDCG@10 in pass-through / base", |r| {
        let kept = &r.measured.passing.kept;
        let at_10 = kept.iter().find(|k| k.metric.to_string() == "ndcg@10")?;
        Some(at_10.retention())
    }),
    metric("error_preserving", "nDCG@20 without edits / base", |r| {
        Some(r.measured.passing.error_preserving)
    }),
    metric(
        "cosine_items",
        "cosine of one-hot items with their codes",
        |r| Some(r.measured.passing.cosine_items),
    ),
    metric("alive", "atoms that some measured user activates", |r| {
        Some(1.0 - r.measured.passing.dead_users)
    }),
    metric(
        "alive_in_training",
        "units that were not dead at the end of training",
        |r| Some(1.0 - r.measured.passing.dead_training?),
    ),
    metric(
        "alive_on_items",
        "units that some single item activates",
        |r| Some(1.0 - r.measured.passing.dead_items),
    ),
    metric(
        "consensus",
        "knobs in a fresh consensus (cosine 0.7)",
        |r| Some(r.record.certificate.as_ref()?.consensus?.matched),
    ),
    metric(
        "consensus_in_base",
        "the same within the space of the base",
        |r| Some(r.record.certificate.as_ref()?.consensus?.matched_in_base),
    ),
    metric("single", "knobs in a single fit of fresh resamples", |r| {
        Some(r.record.certificate.as_ref()?.single)
    }),
    metric("halves", "knobs of disjoint halves that agree, raw", |r| {
        Some(r.record.certificate.as_ref()?.halves?.matched)
    }),
    metric(
        "halves_in_base",
        "the same within the space of the base",
        |r| Some(r.record.certificate.as_ref()?.halves?.matched_in_base),
    ),
    metric("named", "knobs with a confirmed name", |r| {
        Some(names(r)?.knobs.named)
    }),
    metric(
        "named_atoms",
        "atoms with a confirmed name, fillers included",
        |r| Some(names(r)?.atoms.named),
    ),
    metric(
        "named_over_raw",
        "named knobs / named raw dimensions",
        |r| ratio(names(r)?.knobs.named, names(r)?.raw.named),
    ),
    metric(
        "named_over_random",
        "named knobs / named random directions",
        |r| ratio(names(r)?.knobs.named, names(r)?.random.named),
    ),
    metric(
        "not_by_chance",
        "knobs without a name when tags are shuffled",
        |r| Some(1.0 - names(r)?.shuffled.named),
    ),
    metric("distinct", "distinct names", |r| {
        Some(names(r)?.knobs.distinct as f64)
    }),
    metric(
        "verified",
        "concepts verified on other users, distinct",
        |r| Some(by_rank(r)?.units.distinct as f64),
    ),
    metric(
        "verified_over_null",
        "verified units / verified with permuted concepts",
        |r| ratio(by_rank(r)?.units.verified as f64, by_rank(r)?.units.null),
    ),
    metric(
        "coverage",
        "metadata values that are verified concepts",
        |r| Some(by_rank(r)?.coverage),
    ),
    metric(
        "tuned_up",
        "lists with the concept when its unit is turned up tenfold",
        |r| at_scale(r, 10.0),
    ),
    metric(
        "tuned_down",
        "the same, times -10: smaller is better",
        |r| at_scale(r, -10.0),
    ),
    metric(
        "faithful",
        "top item leaves the top 20 without its 3 most cited units",
        |r| Some(faith(r)?.cited),
    ),
    metric(
        "faithful_over_random",
        "the same / 3 random active units",
        |r| ratio(faith(r)?.cited, faith(r)?.random),
    ),
    metric(
        "faithful_over_mass",
        "the same / random units of equal mass",
        |r| ratio(faith(r)?.cited, faith(r)?.equal_mass),
    ),
    metric(
        "oracle_over_single",
        "segment nDCG at 95 %, oracle tag: 10 knobs / 1 published unit",
        |r| over_single(r, "oracle", "10 knobs by score"),
    ),
    metric(
        "oracle_beyond_over_single",
        "10 knobs and what is beyond them (the lists of DiffMean) / 1 published unit, oracle tag",
        |r| over_single(r, "oracle", "DiffMean"),
    ),
    metric("random_over_single", "10 knobs, random tag", |r| {
        over_single(r, "random", "10 knobs by score")
    }),
    metric("oracle_20_over_single", "20 knobs, oracle tag", |r| {
        over_single(r, "oracle", "20 knobs by score")
    }),
    metric(
        "diffmean_over_knobs",
        "DiffMean / 10 knobs, oracle tag",
        |r| {
            ratio(
                at_95(r, "oracle", "DiffMean")?,
                at_95(r, "oracle", "10 knobs by score")?,
            )
        },
    ),
    metric(
        "boosting_over_knobs",
        "boosting / 10 knobs, oracle tag",
        |r| {
            let boosting = at_95(r, "oracle", "boosting tagged items")?;
            ratio(boosting, at_95(r, "oracle", "10 knobs by score")?)
        },
    ),
    metric(
        "shares_genre",
        "lists within one item of 10 to 50 % of a genre (least of five)",
        |r| least_share(r, "random genre", 0.5),
    ),
    metric("shares_tag", "the same, 10 and 20 % of any tag", |r| {
        least_share(r, "random", 0.2)
    }),
    metric(
        "seconds",
        "seconds of the fit, with names and certificate",
        |r| Some(r.record.fit_seconds),
    ),
];

const fn metric(
    name: &'static str,
    about: &'static str,
    of: fn(&KnobsRow) -> Option<f64>,
) -> KnobsMetric {
    KnobsMetric { name, about, of }
}

fn names(row: &KnobsRow) -> Option<&NamesMeasured> {
    row.measured.concepts.as_ref()
}

fn faith(row: &KnobsRow) -> Option<&UnitFaithfulness> {
    row.measured.faithfulness.as_ref()
}

/// RecSAE's concepts by levels of rank.
fn by_rank(row: &KnobsRow) -> Option<&RuleMeasured> {
    let rules = &row.measured.verification.as_ref()?.rules;
    rules.iter().find(|r| r.rule == LevelRule::Rank)
}

fn at_scale(row: &KnobsRow, scale: f32) -> Option<f64> {
    let tuning = &row.measured.verification.as_ref()?.tuning;
    let at = tuning.iter().find(|p| p.scale.total_cmp(&scale).is_eq())?;
    Some(at.presence)
}

fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

fn at_95(row: &KnobsRow, target: &str, method: &str) -> Option<f64> {
    let methods = &row.measured.steering.as_ref()?.methods;
    let of = methods
        .iter()
        .find(|m| m.target == target && m.method == method);
    of?.segment_at_95
}

/// Against the better form of the published single unit. Pass-through begins below 95 %, so it is measured
/// against its own unsteered lists.
fn over_single(row: &KnobsRow, target: &str, method: &str) -> Option<f64> {
    let methods = &row.measured.steering.as_ref()?.methods;
    let single = |passing: &str| {
        let name = format!("1 representative unit, {passing}");
        let of = methods
            .iter()
            .find(|m| m.target == target && m.method == name)?;
        of.front.segment_at(0.95, of.front.points.first()?.personal)
    };
    let best = [single("pass-through"), single("error-preserving")];
    let best = best.into_iter().flatten().fold(f64::NAN, f64::max);
    ratio(at_95(row, target, method)?, best)
}

fn least_share(row: &KnobsRow, target: &str, most: f64) -> Option<f64> {
    let shares = &row.measured.steering.as_ref()?.shares;
    let own = shares
        .iter()
        .filter(|s| s.target == target && s.asked <= most + 1e-9);
    own.map(|s| s.within_one).reduce(f64::min)
}

impl Advisor {
    /// The dictionary of this model with its measurements, for a table.
    ///
    /// # Errors
    /// As [`Advisor::evaluate`]; [`Error::Usage`] for a model without a dictionary.
    pub(crate) fn knobs_row(&self, measured: KnobsMeasured) -> Result<KnobsRow> {
        let (Some(knobs), Some(record)) = (self.model.knobs(), &self.manifest.dictionary) else {
            return Err(crate::probe::no_dictionary());
        };
        Ok(KnobsRow {
            knobs: knobs.dictionary().knobs,
            atoms: knobs.dictionary().atoms.nrows(),
            record: record.clone(),
            measured,
        })
    }
}
