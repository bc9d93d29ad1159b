//! Steering toward a concept: knobs with weights, and the strength that fills a share of the list.

use std::sync::Arc;

use limpid_core::{Edit, Edits, Histories, Op, Unit, Units, lookup as names, top_k};
use limpid_insight::beyond::Split;
use limpid_insight::concepts::Tag;
use limpid_insight::concepts::naming::plain;
use limpid_insight::dictionary::Code;
use limpid_insight::toward::{Calibrated, Profiles, Weights, calibrate, effect, mean_direction};
use limpid_insight::{Probed, Steered};
use limpid_models::Model;

use crate::answers::{KnobWeight, Reach, SteerAnswer};
use crate::probe::no_dictionary;
use crate::{Advisor, Error, Filter, Result, Who};

/// How far to steer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// About this share of the list, 0 to 1, by bisection.
    Share(f64),
    /// This strength, in lengths of the user's vector.
    Strength(f32),
}

/// A request to steer.
#[derive(Debug, Clone, PartialEq)]
pub struct SteerRequest {
    /// A metadata value (`film noir`, `genre:Horror`), the name of a knob or its id.
    pub toward: String,
    /// How far.
    pub amount: Amount,
    /// Length of the list.
    pub n: usize,
    /// Most knobs that are turned.
    pub knobs: usize,
    /// Whether the remainder of the mean direction of its items is turned too: it steers further, with one line
    /// that is not of a knob. The knobs are then those of [`limpid_insight::beyond`].
    pub beyond: bool,
}

/// What is steered toward.
pub(crate) struct Goal {
    /// Its name.
    pub(crate) name: String,
    /// Its items, ascending; none for a knob without a tag.
    pub(crate) items: Vec<u32>,
    /// The knobs, if it is one or several of them.
    knobs: Vec<usize>,
    /// The metadata field and the value, if it is one.
    value: Option<(String, String)>,
}

/// Units with weights by which a list is steered.
type Turned = Vec<(Unit, f32)>;

impl Advisor {
    /// The tag of a text: `FIELD:VALUE`, or a value of any field, without regard to case and signs.
    fn tag_of<'k>(&self, knobs: &'k Probed<Model>, text: &str) -> Option<&'k Tag> {
        let (field, value) = match text.split_once(':') {
            Some((field, value)) if self.catalogue.field(field).is_some() => (Some(field), value),
            _ => (None, text),
        };
        let wanted = plain(value);
        let own = knobs.concepts().iter().filter(|t| {
            field.is_none_or(|f| t.field == f)
                && (t.name == value || (!wanted.is_empty() && plain(&t.name) == wanted))
        });
        // Of equal names in several fields, the one with the most items.
        own.max_by_key(|t| t.items.len())
    }

    /// What a text means: a metadata value, or a knob.
    pub(crate) fn goal(&self, knobs: &Probed<Model>, text: &str) -> Result<Goal> {
        if let Some(tag) = self.tag_of(knobs, text) {
            return Ok(Goal {
                name: tag.name.clone(),
                items: tag.ids(),
                knobs: Vec::new(),
                value: Some((tag.field.clone(), tag.name.clone())),
            });
        }
        let unit = match knobs.resolve(text, &self.catalogue) {
            Ok(unit) => unit,
            Err(_) => {
                let values = knobs.concepts().iter().map(|t| t.name.as_str());
                let known = knobs.names().chain(values);
                let mut near = names::similar(text, known);
                near.dedup();
                return Err(limpid_core::Error::Unknown {
                    what: "concept",
                    name: text.to_owned(),
                    similar: near.into_iter().map(str::to_owned).collect(),
                }
                .into());
            }
        };
        let members = knobs.members(unit);
        let info = knobs.info(unit, &self.catalogue);
        let tag = info.label.as_ref().and_then(|l| self.tag_of(knobs, l));
        Ok(Goal {
            name: info.label.unwrap_or(info.id),
            items: tag.map_or_else(Vec::new, Tag::ids),
            knobs: members,
            value: None,
        })
    }

    /// The weights of a goal: least squares on its items, or the knobs that it names.
    fn knobs_toward(&self, knobs: &Probed<Model>, goal: &Goal, n: usize) -> Weights {
        let dictionary = knobs.dictionary();
        if !goal.knobs.is_empty() {
            let direction = limpid_insight::toward::direction(
                &dictionary.atoms,
                &goal
                    .knobs
                    .iter()
                    .map(|&k| (k as u32, 1.0))
                    .collect::<Vec<_>>(),
            );
            let length = direction
                .iter()
                .map(|v| v * v)
                .sum::<f32>()
                .sqrt()
                .max(f32::MIN_POSITIVE);
            return goal
                .knobs
                .iter()
                .map(|&k| (k as u32, 1.0 / length))
                .collect();
        }
        let profiles = Profiles::new(knobs.vectors());
        profiles.toward(&dictionary.exposed(), knobs.vectors(), &goal.items, n)
    }

    /// Additions to units at a strength.
    fn edits(&self, knobs: &Probed<Model>, turned: &Turned, strength: f32) -> Result<Edits> {
        let all = turned.iter().map(|&(unit, weight)| Edit::Op {
            unit: knobs.info(unit, &self.catalogue).id,
            op: Op::Add(strength * weight),
        });
        let all = all.filter(|_| strength != 0.0);
        Ok(Edits::new(all.collect())?)
    }

    /// The list of a user steered toward a concept, with the edits that give it again.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a dictionary, a share out of range, or a goal that no knob raises;
    /// [`limpid_core::Error::Unknown`] for an unknown concept, with similar ones.
    pub fn steer(&self, who: &Who, request: &SteerRequest, filter: &Filter) -> Result<SteerAnswer> {
        let knobs = self.model.knobs().ok_or_else(no_dictionary)?;
        let n = request.n;
        match request.amount {
            Amount::Share(share) if !(0.0..=1.0).contains(&share) => {
                let rule = "between 0 % and 100 %";
                return Err(limpid_core::Error::range("--share", rule, share).into());
            }
            Amount::Strength(s) if s.is_nan() || s.abs() > limpid_insight::toward::STRONGEST => {
                let rule = format!("between -{0} and {0}", limpid_insight::toward::STRONGEST);
                return Err(limpid_core::Error::range("--strength", rule, s).into());
            }
            _ => {}
        }
        let goal = self.goal(knobs, &request.toward)?;
        if goal.items.is_empty() && matches!(request.amount, Amount::Share(_)) {
            return Err(Error::Usage(format!(
                "'{}' is no metadata value, so its share of a list is not defined; use --strength",
                goal.name
            )));
        }
        let mut notes = Vec::new();
        let turned: Turned = match request.beyond {
            false => {
                let weights = self.knobs_toward(knobs, &goal, request.knobs.max(1));
                of_units(knobs, &weights)
            }
            true => {
                let (unit, split) = beyond(knobs, &goal)?;
                notes.push(format!(
                    "the knobs are {:.0} % of the direction (squared length); the rest is the line '{}'",
                    100.0 * split.expressed,
                    knobs.info(unit, &self.catalogue).id
                ));
                let rest = std::iter::once((unit, 1.0));
                of_units(knobs, &split.weights)
                    .into_iter()
                    .chain(rest)
                    .collect()
            }
        };
        if turned.is_empty() {
            return Err(Error::Usage(format!(
                "no knob raises the items of '{}'; 'limpid concepts --search' lists knobs near it",
                goal.name
            )));
        }
        let history = self.history(who)?;
        let view = history.view();
        let users = Histories::from_histories([view], self.catalogue.len())?;
        let mask = self.mask(view, filter);
        let inside = |scores: &[f32]| -> usize {
            let list = top_k(scores, &mask, self.tie_breaks(), n);
            let of_goal = list
                .iter()
                .filter(|s| goal.items.binary_search(&s.item.0).is_ok());
            of_goal.count()
        };
        let written = |strength: f32| self.edits(knobs, &turned, strength);
        let steered = |strength: f32| -> Result<Arc<[f32]>> {
            let model = Steered::new(&self.model, &written(strength)?, &self.catalogue)?;
            self.scores(&model, view)
        };
        let without = inside(&steered(0.0)?);
        let (strength, asked, calibrated) = match request.amount {
            Amount::Strength(strength) => (strength, None, None),
            Amount::Share(share) => {
                let asked = (share * n as f64).round() as usize;
                let mut failed = None;
                let found = calibrate(asked, |s| match steered(s) {
                    Ok(scores) => inside(&scores),
                    Err(e) => {
                        failed = Some(e);
                        0
                    }
                });
                if let Some(e) = failed {
                    return Err(e);
                }
                (found.strength, Some(share), Some(found))
            }
        };
        let edits = written(strength)?;
        let list = self.recommend(who, n, filter, &edits)?;
        let count = inside(&steered(strength)?);
        let share = |count: usize| count as f64 / n.max(1) as f64;
        let mut others = Vec::new();
        if let Some(found) = calibrated.filter(|c| !c.reached) {
            others = self.other_reach(knobs, &users, &goal, request, inside)?;
            notes.push(unreached(
                &goal,
                &found,
                n,
                asked.unwrap_or_default(),
                &others,
            ));
        }
        Ok(SteerAnswer {
            schema: "limpid.steer/1",
            user: list.user.clone(),
            toward: goal.name.clone(),
            items: goal.items.len(),
            knobs: turned
                .iter()
                .map(|&(unit, weight)| {
                    let info = knobs.info(unit, &self.catalogue);
                    KnobWeight {
                        unit: info.id,
                        name: info.label,
                        weight,
                    }
                })
                .collect(),
            strength,
            asked,
            share_before: share(without),
            share: share(count),
            reached: calibrated.map(|c| c.reached),
            reachable: calibrated.map(|c| share(c.most)),
            others,
            list,
            notes,
        })
    }

    /// What methods without knobs reach, for a goal that knobs do not reach.
    fn other_reach(
        &self,
        knobs: &Probed<Model>,
        users: &Histories,
        goal: &Goal,
        request: &SteerRequest,
        inside: impl Fn(&[f32]) -> usize,
    ) -> Result<Vec<Reach>> {
        let Amount::Share(asked) = request.amount else {
            return Ok(Vec::new());
        };
        let asked = (asked * request.n as f64).round() as usize;
        let base = limpid_core::Recommender::score(&self.model, users);
        let base = base.row(0).to_vec();
        let Some(latent) = limpid_core::Recommender::latent(&self.model) else {
            return Ok(Vec::new());
        };
        let code: Code = knobs
            .pursuit()
            .encode(&latent.encode(users).row(0).to_vec());
        let mean = effect(
            knobs.vectors(),
            &mean_direction(knobs.vectors(), &goal.items),
        );
        let along = |s: f32| -> Vec<f32> {
            base.iter()
                .zip(&mean)
                .map(|(b, e)| b + s * code.length * e)
                .collect()
        };
        let found = calibrate(asked, |s| inside(&along(s)));
        Ok(vec![Reach {
            method: "the mean direction of its items, without knobs".to_owned(),
            share: found.count as f64 / request.n.max(1) as f64,
            reached: found.reached,
        }])
    }
}

/// The units of knobs with weights.
fn of_units(knobs: &Probed<Model>, weights: &Weights) -> Turned {
    let all = weights.iter();
    all.map(|&(k, weight)| (knobs.unit(k as usize), weight))
        .collect()
}

/// What is beyond the knobs of a goal that is a metadata value.
fn beyond(knobs: &Probed<Model>, goal: &Goal) -> Result<(Unit, Arc<Split>)> {
    let value = goal.value.as_ref();
    let found = value.and_then(|(field, value)| knobs.beyond(field, value));
    found.ok_or_else(|| {
        Error::Usage(format!(
            "'{}' is no metadata value, so it has no mean direction; leave --beyond out",
            goal.name
        ))
    })
}

fn unreached(goal: &Goal, found: &Calibrated, n: usize, asked: f64, others: &[Reach]) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut text = format!(
        "{} of '{}' cannot be reached: {} of {n} items is the most that these knobs give",
        percent(asked),
        goal.name,
        found.most
    );
    for other in others {
        text += &format!("; {} gives {}", other.method, percent(other.share));
    }
    text
}
