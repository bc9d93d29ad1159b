//! The control board: the knobs of a dictionary with names, evidence and top items.

use limpid_core::lookup::similar;
use limpid_core::{ItemIdx, Units};
use limpid_insight::Probed;
use limpid_insight::concepts::naming::plain;
use limpid_insight::concepts::{
    MapShape, Summary, Tag, TagUnits, concept_map, name_units, tag_units,
};
use limpid_models::Model;
use limpid_tensor::Rng;

use crate::answers::{Concept, Concepts};
use crate::measure_knobs::moved;
use crate::probe::{LabelOptions, no_dictionary};
use crate::{Advisor, Error, Result};

/// Items that show what a knob is.
const TOP: usize = 5;

/// Tags of the tf-idf maps that a knob shows, at most.
const MAPPED: usize = 5;

/// Users that are encoded at a time.
const BLOCK: usize = 1024;

/// Which knobs are listed, and in what order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Board {
    /// Only knobs with this text in a name, a runner-up or the title of a top item.
    pub search: Option<String>,
    /// The order.
    pub sort: BoardOrder,
    /// Knobs without a confirmed name too.
    pub all: bool,
    /// The fields and the least number of items of tags, for the two tf-idf maps.
    pub labels: LabelOptions,
}

/// The order of the board.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BoardOrder {
    /// Highest confidence first.
    #[default]
    Confidence,
    /// Highest stability first.
    Stability,
    /// Most users first.
    Support,
    /// By id.
    Unit,
    /// By name.
    Name,
}

impl Advisor {
    /// The board of the knobs.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a dictionary, or a search that matches nothing.
    pub fn concepts(&self, board: &Board) -> Result<Concepts> {
        let knobs = self.model.knobs().ok_or_else(no_dictionary)?;
        let dictionary = knobs.dictionary();
        let record = self.manifest.dictionary.as_ref();
        let tags = self.tags(&board.labels.columns, board.labels.least)?;
        let support = self.support(knobs)?;
        let map = concept_map(&knobs.item_codes(), &tags);
        let maps = tag_units(&map, 1);
        let measured = record.is_some_and(|r| r.certificate.is_some());
        let mapped = |knob: usize, of: fn(&TagUnits) -> &[u32]| {
            let own = tags
                .iter()
                .zip(&maps)
                .filter(|(_, m)| of(m) == [knob as u32]);
            own.take(MAPPED).map(|(t, _)| t.name.clone()).collect()
        };
        let mut concepts: Vec<Concept> = (0..dictionary.knobs)
            .map(|knob| {
                let name = dictionary.names[knob].as_ref();
                Concept {
                    unit: knobs.info(knobs.unit(knob), &self.catalogue).id,
                    name: name.map(|n| n.tag.clone()),
                    field: name.map(|n| n.field.clone()),
                    confirmed: name.is_some_and(|n| n.confirmed),
                    confidence: name.map(|n| n.auroc),
                    low: name.map(|n| n.low),
                    high: name.map(|n| n.high),
                    p: name.map(|n| n.p),
                    others: name.map_or_else(Vec::new, |n| n.others.clone()),
                    represents: mapped(knob, |m| &m.representative),
                    unique_to: mapped(knob, |m| &m.unique),
                    stability: measured.then(|| dictionary.stability[knob]),
                    support: support.as_ref().map(|s| s[knob]),
                    top: self.raised(knobs, knob),
                }
            })
            .collect();
        let summary = Summary::of(&dictionary.names);
        let named = concepts.iter().filter(|c| c.confirmed).count();
        let mut notes = Vec::new();
        if let Some(text) = &board.search {
            concepts.retain(|c| matches(c, text));
            if concepts.is_empty() {
                return Err(nothing_found(text, knobs));
            }
        } else if !board.all {
            let before = concepts.len();
            concepts.retain(|c| c.confirmed);
            if concepts.len() < before {
                notes.push(format!(
                    "{} knobs without a confirmed name are not shown; --all shows them",
                    before - concepts.len()
                ));
            }
        }
        sort(&mut concepts, board.sort);
        notes.extend(MapShape::of(&map).warning());
        Ok(Concepts {
            schema: "limpid.concepts/1",
            base: self.described(),
            knobs: dictionary.knobs,
            named,
            distinct: summary.distinct,
            named_by_chance: self.named_by_chance(knobs, &tags),
            certificate: record.and_then(|r| r.certificate.clone()),
            concepts,
            notes,
        })
    }

    /// The share of knobs that are named when the items of all tags are shuffled.
    fn named_by_chance(&self, knobs: &Probed<Model>, tags: &[Tag]) -> Option<f64> {
        if tags.is_empty() {
            return None;
        }
        let naming = self.naming();
        let mut order: Vec<u32> = (0..self.catalogue.len() as u32).collect();
        Rng::new(naming.seed, 5).shuffle(&mut order);
        let shuffled: Vec<Tag> = tags.iter().map(|tag| moved(tag, &order)).collect();
        let counts = &self.catalogue.train_counts;
        let names = name_units(&knobs.projections(), &shuffled, counts, &naming);
        Some(Summary::of(&names).named)
    }

    /// The share of training users for whom each knob is active; `None` without histories.
    fn support(&self, knobs: &Probed<Model>) -> Result<Option<Vec<f64>>> {
        let Some(split) = &self.split else {
            return Ok(None);
        };
        let train = &split.train;
        let mut active = vec![0usize; knobs.len()];
        for start in (0..train.len()).step_by(BLOCK) {
            let users = train.slice(start, (start + BLOCK).min(train.len()));
            let codes = knobs.activate(&users);
            codes
                .columns()
                .iter()
                .for_each(|&k| active[k as usize] += 1);
        }
        let share = |n: usize| n as f64 / train.len().max(1) as f64;
        Ok(Some(active.into_iter().map(share).collect()))
    }

    /// The items whose scores a knob raises most.
    fn raised(&self, knobs: &Probed<Model>, knob: usize) -> Vec<crate::answers::ItemName> {
        let atom = knobs.dictionary().atoms.row(knob);
        let scores = knobs.vectors().dot(&atom);
        let mut items: Vec<u32> = (0..scores.len() as u32).collect();
        items.sort_by(|&a, &b| {
            let (a, b) = (a as usize, b as usize);
            scores[b]
                .total_cmp(&scores[a])
                .then(self.tie_breaks()[a].cmp(&self.tie_breaks()[b]))
        });
        items.truncate(TOP);
        items
            .into_iter()
            .map(|i| self.item_name(ItemIdx(i)))
            .collect()
    }
}

fn matches(concept: &Concept, text: &str) -> bool {
    let wanted = text.to_lowercase();
    let short = plain(text);
    let holds = |t: &str| {
        t.to_lowercase().contains(&wanted) || (!short.is_empty() && plain(t).contains(&short))
    };
    concept.unit == text
        || concept.name.as_deref().is_some_and(holds)
        || concept.others.iter().any(|o| holds(&o.tag))
        || concept
            .represents
            .iter()
            .chain(&concept.unique_to)
            .any(|t| holds(t))
        || concept.top.iter().any(|i| holds(&i.title))
}

fn nothing_found(text: &str, knobs: &Probed<Model>) -> Error {
    let near = similar(text, knobs.names());
    let hint = match near.as_slice() {
        [] => "list all with 'limpid concepts --all'".to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    };
    Error::Usage(format!("no knob matches '{text}'; {hint}"))
}

fn sort(concepts: &mut [Concept], by: BoardOrder) {
    let number = |c: &Concept| -> f64 {
        let least = f64::NEG_INFINITY;
        match by {
            BoardOrder::Confidence => c.confidence.map_or(least, f64::from),
            BoardOrder::Stability => c.stability.map_or(least, f64::from),
            BoardOrder::Support => c.support.unwrap_or(least),
            BoardOrder::Unit | BoardOrder::Name => 0.0,
        }
    };
    // The board is in order of ids, and the sort is stable.
    match by {
        BoardOrder::Unit => {}
        BoardOrder::Name => {
            concepts.sort_by_key(|c| c.name.clone().unwrap_or_default().to_lowercase())
        }
        _ => concepts.sort_by(|a, b| {
            b.confirmed
                .cmp(&a.confirmed)
                .then(number(b).total_cmp(&number(a)))
        }),
    }
}
