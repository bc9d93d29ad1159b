//! Lists for one user, an ad-hoc history, or all users.

use limpid_core::{Detail, Edits, Histories, History, ItemIdx, Mask, Part, Scored, top_k};
use limpid_insight::{Row, Steered, Wording};

use super::{Advisor, Who};
use crate::answers::{Reason, Recommendations, Recommended};
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
        let users = Histories::from_histories([view], self.catalogue.len())?;
        let scores = model.score_rows(&users, std::slice::from_ref(&row));
        let scores = scores.into_raw_vec_and_offset().0;
        let mut notes = Vec::new();
        let (list, evidence) = self.list(&scores, &mask, n, &mut notes);
        let mut items = Vec::with_capacity(list.len());
        let wording = self.wording(&model);
        for (at, scored) in list.iter().enumerate() {
            let because = match evidence {
                true => reasons(&model, &wording, view, &row, scored.item, REASONS),
                false => Vec::new(),
            };
            items.push(Recommended {
                rank: at + 1,
                item: self.item_name(scored.item),
                score: scored.score,
                because,
            });
        }
        Ok(Recommendations {
            schema: "limpid.recommend/1",
            user: who.name(),
            history: view.item_values().len(),
            asked: n,
            by: None,
            edits: model.written().join(", "),
            items,
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
            let ledger = model.ledger(user, row, item, Detail::Lines);
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
