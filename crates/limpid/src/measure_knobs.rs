//! Measurements of a dictionary: what it keeps, what its knobs are named, whether they are faithful, and what
//! steering by them gains over methods without knobs.

use std::collections::BTreeMap;

use limpid_core::{Histories, ItemIdx, Latent, Mask, Mat, Progress, Recommender, hash, top_k};
use limpid_eval::explained::Explaining;
use limpid_eval::steering::{Front, LIST, Meter};
use limpid_eval::unit_faithfulness::{UnitFaithfulness, unit_faithfulness};
use limpid_eval::{Bootstrap, Protocol, evaluate};
use limpid_insight::concepts::{Naming, Summary, Tag, name_units, tag_units};
use limpid_insight::toward::{Profiles, calibrate, direction, effect, mean_direction};
use limpid_insight::{Passing, Probed};
use limpid_models::Model;
use limpid_tensor::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::artifact::DictionaryRecord;
use crate::probe::LabelOptions;
use crate::{Advisor, Error, MeasureOptions, Result};

/// The measurements of a dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KnobsMeasured {
    /// What the codes keep of the representations.
    pub passing: PassThrough,
    /// Names, against controls, if measured.
    pub concepts: Option<NamesMeasured>,
    /// Muting cited knobs, against random ones, if measured.
    pub faithfulness: Option<UnitFaithfulness>,
    /// Steering, against methods without knobs, if measured.
    pub steering: Option<SteeringMeasured>,
}

/// What the codes keep when only they are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Share of atoms that no measured user activates.
    pub dead_users: f64,
    /// Share of atoms that no single item activates.
    pub dead_items: f64,
}

/// How many units have names, with controls: raw dimensions and random directions may be named by their
/// opposite too, knobs may not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NamesMeasured {
    /// The knobs.
    pub knobs: Summary,
    /// All atoms, fillers included.
    pub atoms: Summary,
    /// The dimensions of the representation.
    pub raw: Summary,
    /// Random directions.
    pub random: Summary,
    /// The knobs, with the items of all tags shuffled.
    pub shuffled: Summary,
}

/// Steering by knobs and by other methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SteeringMeasured {
    /// Mean nDCG@20 of the held-out items without steering.
    pub unsteered: f64,
    /// Methods by target.
    pub methods: Vec<MethodMeasured>,
    /// The method with the best segment nDCG at 95 % personal nDCG, by target.
    pub best: BTreeMap<String, String>,
    /// Lists that are to have a share of a target.
    pub shares: Vec<ShareMeasured>,
}

/// A method on a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MethodMeasured {
    /// How the tag of a user is chosen: `oracle` (from the held-out items, as in the paper), `random`, or
    /// `hidden` (random; the method sees the tags of half of the items, and the other half counts).
    pub target: String,
    /// The method.
    pub method: String,
    /// Segment nDCG@20 at 95 % of the personal nDCG@20; null where no strength keeps as much.
    pub segment_at_95: Option<f64>,
    /// Mean segment nDCG@20 over 80 to 100 % of the personal nDCG@20.
    pub area: f64,
    /// The whole front.
    pub front: Front,
}

/// How often a share of the list was met, over the users who had fewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShareMeasured {
    /// How the tag of a user is chosen: `random genre` (the field with the fewest values), `random` or `oracle`.
    pub target: String,
    /// The share that was asked for.
    pub asked: f64,
    /// Users who had fewer.
    pub users: usize,
    /// Share of them whose list is within one item of what was asked.
    pub within_one: f64,
    /// Share of them for whom it cannot be reached, and is reported so.
    pub unreachable: f64,
}

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

/// The numbers of a dictionary; larger is better for all but `seconds`.
pub const KNOBS_METRICS: [KnobsMetric; 27] = [
    metric("knobs", "knobs", |r| Some(r.knobs as f64)),
    metric("retention", "nDCG@20 in pass-through / base", |r| {
        Some(r.measured.passing.retention)
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
    metric("random_over_single", "the same, random tag", |r| {
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

/// Strengths of directions, in lengths of the user's vector.
const STRENGTHS: [f32; 11] = [0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2];

/// Shares of mass that a blend moves.
const BLENDS: [f32; 9] = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

/// Standard deviations of the scores that boosting adds.
const BOOSTS: [f32; 10] = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0];

/// Knobs of a tag.
const TURNED: [usize; 4] = [1, 5, 10, 20];

/// Units of a tag in the published way: the most representative ones.
const REPRESENTATIVE: [usize; 3] = [1, 5, 10];

/// Ridge of the ridge direction.
const RIDGE: f64 = 0.1;

/// Shares that are asked for.
const SHARES: [f64; 5] = [0.1, 0.2, 0.3, 0.4, 0.5];

impl Advisor {
    /// Measures the dictionary, as far as the options require it; `None` for a model without one.
    pub(crate) fn measure_knobs(
        &self,
        protocol: &Protocol<'_>,
        options: &MeasureOptions,
        progress: &dyn Progress,
    ) -> Result<Option<KnobsMeasured>> {
        let Some(knobs) = self.model.knobs() else {
            return match options.concepts || options.steering {
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
        Ok(Some(KnobsMeasured {
            passing: self.pass_through(knobs, protocol, progress)?,
            concepts: options.concepts.then(|| self.names_measured(knobs, &tags)),
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

    fn pass_through(
        &self,
        knobs: &Probed<Model>,
        protocol: &Protocol<'_>,
        progress: &dyn Progress,
    ) -> Result<PassThrough> {
        let metric = "ndcg@20".parse()?;
        let plain = Protocol {
            metrics: vec![metric],
            breakdowns: false,
            groups: Vec::new(),
            cold_start: false,
            popularity_bias: None,
            bootstrap: Bootstrap {
                resamples: 0,
                ..Bootstrap::default()
            },
            ..protocol.clone()
        };
        let value = |model: &dyn Recommender| -> Result<f64> {
            let report = evaluate(model, &plain, progress)?;
            Ok(report.mean(metric).unwrap_or(f64::NAN))
        };
        let base = value(knobs.base())?;
        let kept = value(knobs)?;
        let passed = value(&knobs.clone().passing(Passing::PassThrough))?;
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
            error_preserving: ratio(kept),
            cosine_users,
            cosine_items,
            active,
            dead_users,
            dead_items,
        })
    }

    fn names_measured(&self, knobs: &Probed<Model>, tags: &[Tag]) -> NamesMeasured {
        let naming = self.naming();
        let either = Naming {
            either_sign: true,
            ..naming
        };
        let vectors = unit_rows(knobs.vectors());
        let width = vectors.ncols();
        let counts = &self.catalogue.train_counts;
        let named = |directions: &Mat, tags: &[Tag], how: &Naming| {
            Summary::of(&name_units(
                &vectors.dot(&directions.t()),
                tags,
                counts,
                how,
            ))
        };
        let atoms = &knobs.dictionary().atoms;
        let exposed = atoms
            .slice(ndarray::s![..knobs.dictionary().knobs, ..])
            .to_owned();
        let mut rng = Rng::new(naming.seed, 5);
        let random = unit_rows(&Mat::from_shape_fn((2 * width, width), |_| rng.normal()));
        let mut order: Vec<u32> = (0..self.catalogue.len() as u32).collect();
        rng.shuffle(&mut order);
        let shuffled: Vec<Tag> = tags.iter().map(|tag| moved(tag, &order)).collect();
        NamesMeasured {
            knobs: named(&exposed, tags, &naming),
            atoms: named(atoms, tags, &naming),
            raw: named(&Mat::eye(width), tags, &either),
            random: named(&random, tags, &either),
            shuffled: named(&exposed, &shuffled, &naming),
        }
    }

    fn steering_measured(
        &self,
        knobs: &Probed<Model>,
        protocol: &Protocol<'_>,
        tags: &[Tag],
    ) -> Result<SteeringMeasured> {
        if tags.is_empty() {
            return Err(Error::Usage(
                "steering is measured on metadata values, and there are none with enough items; add some \
                 with 'limpid label --metadata PATH'"
                    .to_owned(),
            ));
        }
        let users = Measured::of(knobs, protocol)?;
        let mut rng = Rng::new(3, 0);
        let random: Vec<usize> = users.rows.iter().map(|_| rng.below(tags.len())).collect();
        let oracle: Vec<usize> = users
            .rows
            .iter()
            .map(|&r| oracle(protocol, r, tags))
            .collect();
        let hidden: Vec<bool> = (0..self.catalogue.len())
            .map(|_| rng.unit() < 0.5)
            .collect();
        let half = |of_hidden: bool| -> Vec<Tag> {
            let keep = |i: &(u32, f32)| hidden[i.0 as usize] == of_hidden;
            tags.iter()
                .map(|tag| Tag {
                    items: tag.items.iter().copied().filter(keep).collect(),
                    ..tag.clone()
                })
                .collect()
        };
        let (visible, counted) = (half(false), half(true));
        let mut methods = Vec::new();
        let mut unsteered = 0.0;
        for (target, chosen, seen, segment) in [
            ("oracle", &oracle, tags, tags),
            ("random", &random, tags, tags),
            ("hidden", &random, &visible[..], &counted[..]),
        ] {
            let fronts = self.fronts(knobs, &users, protocol, chosen, seen, segment);
            unsteered = fronts.first().map_or(0.0, |f| f.1.points[0].personal);
            methods.extend(fronts.into_iter().map(|(method, front)| MethodMeasured {
                target: target.to_owned(),
                segment_at_95: front.segment_at(0.95, unsteered),
                area: front.area(unsteered),
                method,
                front,
            }));
        }
        let mut best: BTreeMap<String, (String, f64)> = BTreeMap::new();
        for m in &methods {
            let value = m.segment_at_95.unwrap_or(0.0);
            let before = best.get(&m.target).map_or(f64::NEG_INFINITY, |b| b.1);
            if value > before {
                best.insert(m.target.clone(), (m.method.clone(), value));
            }
        }
        let shares = self.shares(knobs, &users, protocol, tags, &oracle, &random);
        Ok(SteeringMeasured {
            unsteered,
            methods,
            best: best.into_iter().map(|(t, (m, _))| (t, m)).collect(),
            shares,
        })
    }

    /// The fronts of all methods, for a tag of each user: a method sees the items of `seen`, those of `segment`
    /// count.
    fn fronts(
        &self,
        knobs: &Probed<Model>,
        users: &Measured,
        protocol: &Protocol<'_>,
        chosen: &[usize],
        seen: &[Tag],
        segment: &[Tag],
    ) -> Vec<(String, Front)> {
        let n_items = self.catalogue.len();
        let dictionary = knobs.dictionary();
        let (atoms, vectors) = (&dictionary.atoms, knobs.vectors());
        let exposed = atoms.slice(ndarray::s![..dictionary.knobs, ..]).to_owned();
        let profiles = Profiles::new(vectors);
        let maps = tag_units(&knobs.item_codes(), seen, REPRESENTATIVE[2]);
        let mut used = chosen.to_vec();
        used.sort_unstable();
        used.dedup();
        // What each method adds to the scores of all items, per tag that some user has.
        let per_tag = |of: &(dyn Fn(usize) -> Vec<f32> + Sync)| -> BTreeMap<usize, Vec<f32>> {
            used.par_iter().map(|&t| (t, of(t))).collect()
        };
        let items = |t: usize| -> Vec<u32> { seen[t].items.iter().map(|i| i.0).collect() };
        let atom_effects: Vec<Vec<f32>> = (0..atoms.nrows())
            .into_par_iter()
            .map(|k| effect(vectors, &atoms.row(k).to_vec()))
            .collect();
        let mut methods: Vec<Method> = Vec::new();
        for n in TURNED {
            let effects = per_tag(&|t| {
                let weights = profiles.toward(&exposed, vectors, &items(t), n);
                effect(vectors, &direction(atoms, &weights))
            });
            methods.push(Method::along(
                format!("{n} knob{} by score", if n == 1 { "" } else { "s" }),
                effects,
            ));
        }
        let mean = per_tag(&|t| effect(vectors, &mean_direction(vectors, &items(t))));
        methods.push(Method::along("DiffMean".to_owned(), mean));
        let ridge = per_tag(&|t| {
            effect(
                vectors,
                &profiles.ridge_direction(vectors, &items(t), RIDGE),
            )
        });
        methods.push(Method::along("ridge direction".to_owned(), ridge));
        let random = per_tag(&|t| {
            let mut rng = Rng::new(9, t as u64);
            let d = Mat::from_shape_fn((1, vectors.ncols()), |_| rng.normal());
            effect(vectors, &unit_rows(&d).row(0).to_vec())
        });
        methods.push(Method::along("random direction".to_owned(), random));
        methods.push(Method {
            name: "boosting tagged items".to_owned(),
            strengths: BOOSTS.to_vec(),
            kind: Kind::Boost,
            effects: per_tag(&|t| seen[t].indicator(n_items)),
            units: BTreeMap::new(),
        });
        for passing in [Passing::PassThrough, Passing::ErrorPreserving] {
            for n in REPRESENTATIVE {
                let units = used.iter().map(|&t| {
                    let best = maps[t].representative.iter().take(n);
                    (t, best.copied().collect())
                });
                methods.push(Method::blend(n, "representative", passing, units.collect()));
            }
            let units = used
                .iter()
                .map(|&t| (t, maps[t].unique.iter().take(1).copied().collect()));
            methods.push(Method::blend(1, "unique", passing, units.collect()));
        }
        let indicators = per_tag(&|t| segment[t].indicator(n_items));
        methods
            .par_iter()
            .map(|method| {
                let mut meter = Meter::new(method.strengths.clone());
                let mut mask = Mask::none(n_items);
                for (at, &row) in users.rows.iter().enumerate() {
                    let tag = chosen[at];
                    protocol.hide(&mut mask, row);
                    let (from, effect) = method.of_user(users, at, tag, &atom_effects);
                    let mut scores = |s: f32| -> Vec<f32> {
                        from.iter().zip(&effect).map(|(b, e)| b + s * e).collect()
                    };
                    meter.add(
                        &mut scores,
                        &mask,
                        self.tie_breaks(),
                        &protocol.held_out(row),
                        &indicators[&tag],
                    );
                }
                (method.name.clone(), meter.front())
            })
            .collect()
    }

    /// How often shares of a list of 20 are met by ten knobs.
    fn shares(
        &self,
        knobs: &Probed<Model>,
        users: &Measured,
        protocol: &Protocol<'_>,
        tags: &[Tag],
        oracle: &[usize],
        random: &[usize],
    ) -> Vec<ShareMeasured> {
        let n_items = self.catalogue.len();
        let dictionary = knobs.dictionary();
        let exposed = dictionary
            .atoms
            .slice(ndarray::s![..dictionary.knobs, ..])
            .to_owned();
        let profiles = Profiles::new(knobs.vectors());
        let few = fewest(tags);
        let mut rng = Rng::new(4, 0);
        let genres: Vec<usize> = users
            .rows
            .iter()
            .map(|_| few[rng.below(few.len())])
            .collect();
        let mut out = Vec::new();
        for (target, chosen) in [
            ("random genre", &genres[..]),
            ("random", random),
            ("oracle", oracle),
        ] {
            let mut used = chosen.to_vec();
            used.sort_unstable();
            used.dedup();
            let effects: BTreeMap<usize, (Vec<f32>, Vec<f32>)> = used
                .par_iter()
                .map(|&t| {
                    let items: Vec<u32> = tags[t].items.iter().map(|i| i.0).collect();
                    let weights = profiles.toward(&exposed, knobs.vectors(), &items, TURNED[2]);
                    let d = direction(&dictionary.atoms, &weights);
                    (t, (effect(knobs.vectors(), &d), tags[t].indicator(n_items)))
                })
                .collect();
            for asked in SHARES {
                let wanted = (asked * LIST as f64).round() as usize;
                let outcomes: Vec<Option<bool>> = (0..users.rows.len())
                    .into_par_iter()
                    .map(|at| {
                        let (along, inside) = effects.get(&chosen[at])?;
                        let mut mask = Mask::none(n_items);
                        protocol.hide(&mut mask, users.rows[at]);
                        let count = |s: f32| {
                            let scale = s * users.lengths[at];
                            let scores: Vec<f32> = users.base[at]
                                .iter()
                                .zip(along)
                                .map(|(b, e)| b + scale * e)
                                .collect();
                            let list = top_k(&scores, &mask, self.tie_breaks(), LIST);
                            list.iter().filter(|i| inside[i.item.at()] > 0.0).count()
                        };
                        (count(0.0) < wanted).then(|| calibrate(wanted, count).reached)
                    })
                    .collect();
                let needed = outcomes.iter().flatten().count();
                let met = outcomes.iter().flatten().filter(|r| **r).count() as f64;
                let share = |n: f64| n / needed.max(1) as f64;
                out.push(ShareMeasured {
                    target: target.to_owned(),
                    asked,
                    users: needed,
                    within_one: share(met),
                    unreachable: share(needed as f64 - met),
                });
            }
        }
        out
    }
}

/// The users of a protocol with held-out items, and what steering needs of each.
struct Measured {
    rows: Vec<usize>,
    base: Vec<Vec<f32>>,   // (U, I)
    passed: Vec<Vec<f32>>, // (U, I): only what the code expresses
    lengths: Vec<f32>,
    codes: Vec<Vec<(u32, f32)>>,
}

/// Users that are measured, at most: their scores are held at once.
const USERS: usize = 2000;

impl Measured {
    fn of(knobs: &Probed<Model>, protocol: &Protocol<'_>) -> Result<Self> {
        let held = (0..protocol.input.len())
            .filter(|&r| !protocol.held_out(r).is_empty() && !protocol.input.row(r).is_empty());
        let rows: Vec<usize> = held.take(USERS).collect();
        let n_items = protocol.catalogue.len();
        let histories = rows.iter().map(|&r| protocol.input.row(r));
        let users = Histories::from_histories(histories, n_items)?;
        let latent = latent_of(knobs)?;
        let states = latent.encode(&users);
        let codes: Vec<_> = (0..rows.len())
            .into_par_iter()
            .map(|u| knobs.pursuit().encode(&states.row(u).to_vec()))
            .collect();
        let mut expressed = Mat::zeros(states.dim());
        for (mut row, code) in expressed.rows_mut().into_iter().zip(&codes) {
            let x = knobs.pursuit().decode(code);
            row.iter_mut().zip(x).for_each(|(o, v)| *o = v);
        }
        let lists =
            |m: Mat| -> Vec<Vec<f32>> { m.rows().into_iter().map(|r| r.to_vec()).collect() };
        Ok(Self {
            base: lists(knobs.base().score(&users)),
            passed: lists(latent.decode(&expressed)),
            lengths: codes.iter().map(|c| c.length).collect(),
            codes: codes.into_iter().map(|c| c.active).collect(),
            rows,
        })
    }
}

/// A way to steer: scores that are affine in the strength.
struct Method {
    name: String,
    strengths: Vec<f32>,
    kind: Kind,
    /// What it adds to all items, by tag.
    effects: BTreeMap<usize, Vec<f32>>,
    /// The units to which a blend moves mass, by tag.
    units: BTreeMap<usize, Vec<u32>>,
}

enum Kind {
    /// Along a direction, in lengths of the user's vector.
    Direction,
    /// In standard deviations of the user's scores.
    Boost,
    /// From Knots to Knobs: mass moved to units, with or without what the code does not express.
    Blend(Passing),
}

impl Method {
    fn along(name: String, effects: BTreeMap<usize, Vec<f32>>) -> Self {
        Self {
            name,
            strengths: STRENGTHS.to_vec(),
            kind: Kind::Direction,
            effects,
            units: BTreeMap::new(),
        }
    }

    fn blend(n: usize, map: &str, passing: Passing, units: BTreeMap<usize, Vec<u32>>) -> Self {
        let form = match passing {
            Passing::PassThrough => "pass-through",
            Passing::ErrorPreserving => "error-preserving",
        };
        let units_word = if n == 1 { "unit" } else { "units" };
        Self {
            name: format!("{n} {map} {units_word}, {form}"),
            strengths: BLENDS.to_vec(),
            kind: Kind::Blend(passing),
            effects: BTreeMap::new(),
            units,
        }
    }

    /// The scores of a user at strength 0, and what a unit of strength adds.
    fn of_user(
        &self,
        users: &Measured,
        at: usize,
        tag: usize,
        atoms: &[Vec<f32>],
    ) -> (Vec<f32>, Vec<f32>) {
        let base = &users.base[at];
        let scaled = |by: f32| -> Vec<f32> {
            let effect = self.effects.get(&tag);
            effect.map_or_else(
                || vec![0.0; base.len()],
                |e| e.iter().map(|v| v * by).collect(),
            )
        };
        match self.kind {
            Kind::Direction => (base.clone(), scaled(users.lengths[at])),
            Kind::Boost => {
                let n = base.len().max(1) as f32;
                let mean = base.iter().sum::<f32>() / n;
                let variance = base.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
                (base.clone(), scaled(variance.sqrt()))
            }
            Kind::Blend(passing) => {
                let from = match passing {
                    Passing::PassThrough => &users.passed[at],
                    Passing::ErrorPreserving => base,
                };
                let mut effect = vec![0f32; base.len()];
                let mut add = |unit: u32, amount: f32| {
                    let of_unit = &atoms[unit as usize];
                    effect
                        .iter_mut()
                        .zip(of_unit)
                        .for_each(|(e, v)| *e += amount * v);
                };
                let length = users.lengths[at];
                let units = self.units.get(&tag).map_or(&[][..], Vec::as_slice);
                let mass: f32 = users.codes[at].iter().map(|a| a.1).sum();
                if !units.is_empty() {
                    for &(k, z) in &users.codes[at] {
                        add(k, -length * z);
                    }
                    for &k in units {
                        add(k, length * mass / units.len() as f32);
                    }
                }
                (from.clone(), effect)
            }
        }
    }
}

/// The tag that a user's held-out items have more often than their input, as in From Knots to Knobs.
fn oracle(protocol: &Protocol<'_>, row: usize, tags: &[Tag]) -> usize {
    let held_out = protocol.held_out(row);
    let input = protocol.input.row(row);
    let input: Vec<u32> = input.item_values().into_iter().map(|i| i.0.0).collect();
    let count = |tag: &Tag| {
        let held = tag
            .items
            .iter()
            .filter(|i| held_out.binary_search(&ItemIdx(i.0)).is_ok());
        let own = tag
            .items
            .iter()
            .filter(|i| input.binary_search(&i.0).is_ok());
        held.count() as i64 - own.count() as i64
    };
    let mut best = (0, i64::MIN);
    for (t, tag) in tags.iter().enumerate() {
        let value = count(tag);
        if value > best.1 {
            best = (t, value);
        }
    }
    best.0
}

/// The tags of the field with the fewest values: genres rather than free tags.
fn fewest(tags: &[Tag]) -> Vec<usize> {
    let mut by_field: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (t, tag) in tags.iter().enumerate() {
        by_field.entry(&tag.field).or_default().push(t);
    }
    let fields = by_field.into_values();
    fields.min_by_key(Vec::len).unwrap_or_default()
}

/// A tag with its items moved by a permutation.
pub(crate) fn moved(tag: &Tag, to: &[u32]) -> Tag {
    let mut items: Vec<(u32, f32)> = tag
        .items
        .iter()
        .map(|&(i, n)| (to[i as usize], n))
        .collect();
    items.sort_by_key(|i| i.0);
    Tag {
        items,
        ..tag.clone()
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
