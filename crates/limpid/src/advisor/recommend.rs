//! Lists for one user, an ad-hoc history, or all users.

use std::collections::BTreeMap;
use std::sync::Arc;

use limpid_core::{Detail, Edits, Histories, History, ItemIdx, Mask, Part, Scored, rank_of, top_k};
use limpid_insight::{Row, Steered, Wording};

use super::{Advisor, Who};
use crate::answers::{Before, Left, Moved, Reason, Recommendations, Recommended, Slate};
use crate::{Result, lookup};

/// Number of reasons that a line of a list shows.
const REASONS: usize = 2;

/// Which items may be recommended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Items to exclude.
    pub exclude: Vec<ItemIdx>,
    /// Items to recommend from; all others are excluded.
    pub only: Option<Vec<ItemIdx>>,
    /// Whether items of the history are included.
    pub include_seen: bool,
}

impl Advisor {
    /// A filter from texts: ids or titles to exclude and to allow, and [conditions](crate::condition) such
    /// as `genre=Drama`, all of which must hold.
    ///
    /// # Errors
    /// [`limpid_core::Error::Unknown`] with suggestions, and as [`lookup::items_where`].
    pub fn filter(
        &self,
        exclude: &[String],
        only: &[String],
        conditions: &[String],
        include_seen: bool,
    ) -> Result<Filter> {
        let mut allowed: Option<Vec<ItemIdx>> = match only {
            [] => None,
            texts => Some(lookup::item_lists(&self.catalogue, texts)?),
        };
        for condition in conditions {
            let holds = lookup::items_where(&self.catalogue, condition)?;
            allowed = Some(match allowed {
                None => holds,
                Some(before) => before
                    .into_iter()
                    .filter(|i| holds.binary_search(i).is_ok())
                    .collect(),
            });
        }
        Ok(Filter {
            exclude: lookup::item_lists(&self.catalogue, exclude)?,
            only: allowed,
            include_seen,
        })
    }

    /// The list of a user or history, each item with its strongest evidence.
    ///
    /// # Errors
    /// Where the user, an item or a unit does not exist.
    pub fn recommend(
        &self,
        who: &Who,
        n: usize,
        filter: &Filter,
        edits: &Edits,
    ) -> Result<Recommendations> {
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let mask = self.mask(view, filter);
        // Activations serve the scores and every ledger.
        let row = model.row(view);
        let of_row = |rows: &Histories| model.score_rows(rows, std::slice::from_ref(&row));
        let scores = self
            .last
            .scores(&model, view, self.catalogue.len(), of_row)?;
        let mut notes = Vec::new();
        let (list, evidence) = self.list(&scores, &mask, n, &mut notes);
        let steering = Steering::of(self, edits, view, &scores)?;
        if let Some(steering) = &steering {
            notes.extend(steering.without_effect());
        }
        let wording = self.wording(&model);
        let kinds = self.kinds(view, &mask);
        let chances = kinds.as_ref().and_then(|k| self.chances(k, &scores, &mask));
        let tell = |scored: &Scored| Recommended {
            rank: 0,
            item: self.item_name(scored.item),
            score: scored.score,
            probability: chances
                .as_ref()
                .and_then(|c| c.of(scored.item))
                .map(|p| p.value),
            before: steering
                .as_ref()
                .map(|s| s.before(self, &mask, scored.item)),
            moved_by: steering
                .as_ref()
                .map_or_else(Vec::new, |s| s.moved_by(scored.item)),
            because: match evidence {
                true => reasons(&model, &wording, view, &row, scored.item, REASONS),
                false => Vec::new(),
            },
        };
        // The items of the merged list lead the slates too; an item is told once.
        let mut told: BTreeMap<ItemIdx, Recommended> = BTreeMap::new();
        let mut ranked = |list: &[Scored]| -> Vec<Recommended> {
            let of = |(at, scored): (usize, &Scored)| Recommended {
                rank: at + 1,
                ..told
                    .entry(scored.item)
                    .or_insert_with(|| tell(scored))
                    .clone()
            };
            list.iter().enumerate().map(of).collect()
        };
        let items = ranked(&list);
        let slates = kinds
            .iter()
            .flat_map(|kinds| self.slates(kinds, &scores, n));
        let slates = slates.map(|(name, list)| Slate {
            name,
            items: ranked(&list),
        });
        let slates = slates.collect();
        let left = match &steering {
            Some(steering) => steering.left(self, &scores, &mask, n),
            None => Vec::new(),
        };
        Ok(Recommendations {
            schema: "limpid.recommend/1",
            user: who.name(),
            history: view.item_values().len(),
            asked: n,
            by: None,
            edits: model.written().join(", "),
            items,
            slates,
            left,
            notes,
        })
    }

    /// The best items, and whether there is evidence for any of them. Without evidence, the list is the
    /// most popular items, and a note is added.
    pub(crate) fn list(
        &self,
        scores: &[f32],
        mask: &Mask,
        n: usize,
        notes: &mut Vec<String>,
    ) -> (Vec<Scored>, bool) {
        let mut list = top_k(scores, mask, &self.tie_breaks, n);
        let mut evidence = true;
        if let Some(best) = list.first() {
            let lowest = (0..scores.len())
                .filter(|&i| !mask.hides(ItemIdx(i as u32)))
                .map(|i| scores[i])
                .fold(f32::INFINITY, f32::min);
            if best.score == lowest && mask.n_candidates() > 1 {
                evidence = false;
                let counts: Vec<f32> = self
                    .catalogue
                    .train_counts
                    .iter()
                    .map(|&c| c as f32)
                    .collect();
                list = top_k(&counts, mask, &self.tie_breaks, n);
                for entry in &mut list {
                    entry.score = scores[entry.item.at()];
                }
                notes.push(
                    "no evidence in this history; the list is the most popular items".to_owned(),
                );
            }
        }
        if list.len() < n {
            notes.push(format!(
                "{} of {n} items; the filters allow no more",
                list.len()
            ));
        }
        let untrained: Vec<&str> = list
            .iter()
            .filter(|s| !self.catalogue.is_trained(s.item))
            .map(|s| self.catalogue.title(s.item))
            .collect();
        if !untrained.is_empty() {
            notes.push(format!(
                "cold-start items (no training events), ranked without evidence: {}",
                untrained.join(", ")
            ));
        }
        (list, evidence)
    }
}

/// The scores of a history without edits and with each edit alone, to say what moved and why.
struct Steering {
    plain: Arc<[f32]>,
    alone: Vec<(String, Arc<[f32]>)>,
}

impl Steering {
    /// `scores` are those with all edits; `None` without edits.
    fn of(
        advisor: &Advisor,
        edits: &Edits,
        user: History<'_>,
        scores: &Arc<[f32]>,
    ) -> Result<Option<Self>> {
        if edits.is_empty() {
            return Ok(None);
        }
        let plain = advisor.scores(&advisor.steered(&Edits::none())?, user)?;
        let mut alone = Vec::with_capacity(edits.all().len());
        for edit in edits.all() {
            let model = advisor.steered(&Edits::new(vec![edit.clone()])?)?;
            let own = match edits.all() {
                [_] => Arc::clone(scores),
                _ => advisor.scores(&model, user)?,
            };
            alone.push((model.written().concat(), own));
        }
        Ok(Some(Self { plain, alone }))
    }

    /// Notes on the edits that change no score.
    fn without_effect(&self) -> impl Iterator<Item = String> {
        let idle = self.alone.iter().filter(|(_, own)| *own == self.plain);
        idle.map(|(edit, _)| {
            format!("{edit} has no effect: no score of this history depends on its unit")
        })
    }

    fn before(&self, advisor: &Advisor, mask: &Mask, item: ItemIdx) -> Before {
        Before {
            rank: rank_of(&self.plain, mask, &advisor.tie_breaks, item),
            score: self.plain[item.at()],
        }
    }

    fn moved_by(&self, item: ItemIdx) -> Vec<Moved> {
        let changes = self.alone.iter().map(|(edit, own)| Moved {
            edit: edit.clone(),
            change: own[item.at()] - self.plain[item.at()],
        });
        changes.filter(|m| m.change != 0.0).collect()
    }

    /// The items of the list without edits that are not in the list of `scores`.
    fn left(&self, advisor: &Advisor, scores: &[f32], mask: &Mask, n: usize) -> Vec<Left> {
        let list = top_k(&self.plain, mask, &advisor.tie_breaks, n);
        let standing = list.iter().map(|s| Left {
            item: advisor.item_name(s.item),
            rank: rank_of(scores, mask, &advisor.tie_breaks, s.item),
            score: scores[s.item.at()],
            before: self.before(advisor, mask, s.item),
            moved_by: self.moved_by(s.item),
        });
        standing.filter(|left| left.rank > n).collect()
    }
}

/// The strongest reasons, at most `most`; the popularity of an item whose score is only base.
pub(crate) fn reasons(
    model: &Steered<'_>,
    wording: &Wording<'_>,
    user: History<'_>,
    row: &Row,
    item: ItemIdx,
    most: usize,
) -> Vec<Reason> {
    let parts = match model.strongest(user, row, item, most) {
        Some(parts) => parts,
        None => {
            let ledger = model.edited_ledger(user, row, item, Detail::Lines);
            if ledger.parts.is_empty() && ledger.base != 0.0 {
                return vec![Reason {
                    unit: "base".to_owned(),
                    text: wording.popularity(item),
                    value: ledger.base,
                }];
            }
            let supporting = ledger.parts.into_iter().filter(|p| p.value > 0.0);
            supporting.take(most).collect()
        }
    };
    let parts = parts.iter();
    parts
        .map(|part: &Part| Reason {
            unit: wording.units.info(part.unit, wording.catalogue).id,
            text: wording.part(part),
            value: part.value,
        })
        .collect()
}
