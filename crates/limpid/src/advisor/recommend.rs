//! Lists for one user, an ad-hoc history, or all users.

use limpid_core::{Detail, Edits, Histories, ItemIdx, Mask, Recommender, Scored, top_k};
use limpid_insight::Wording;

use super::{Advisor, Who};
use crate::answers::{Reason, Recommendations, Recommended};
use crate::{Result, lookup};

/// Number of reasons that a line of a list shows.
const REASONS: usize = 2;

/// Number of rows that are scored at once for the lists of all users.
const BATCH: usize = 256;

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

/// One row of the lists for all users.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRow<'a> {
    /// External id of the user.
    pub user: &'a str,
    /// Rank in their list, from 1.
    pub rank: u32,
    /// External id of the item.
    pub item: &'a str,
    /// Its score.
    pub score: f32,
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
        let scores = self.scores(&model, view)?;
        let mut notes = Vec::new();
        let (list, evidence) = self.list(&scores, &mask, n, &mut notes);
        let mut items = Vec::with_capacity(list.len());
        let row = model.row(view);
        let wording = self.wording(&model);
        for (at, scored) in list.iter().enumerate() {
            let because = match evidence {
                true => {
                    let ledger = model.ledger(view, &row, scored.item, Detail::Lines);
                    reasons(&wording, &ledger, scored.item)
                }
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
            edits: model.written().join(", "),
            items,
            notes,
        })
    }

    /// The best items, and whether there is evidence for any of them. Without evidence, the list is the
    /// most popular items, and a note is added.
    fn list(
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

    /// Items similar to an item: the list of a history of one event.
    ///
    /// # Errors
    /// Where the item does not exist.
    pub fn similar(&self, item: &str, n: usize, filter: &Filter) -> Result<Recommendations> {
        let mut answer = self.recommend(
            &Who::Items(vec![item.to_owned()]),
            n,
            filter,
            &Edits::none(),
        )?;
        answer.schema = "limpid.similar/1";
        Ok(answer)
    }

    /// Lists for every user of the training set, in the order of the data, passed to `write` block by
    /// block.
    ///
    /// # Errors
    /// Where the model was saved without users, a unit does not exist, or `write` fails.
    pub fn recommend_all(
        &self,
        n: usize,
        filter: &Filter,
        edits: &Edits,
        write: &mut dyn FnMut(&[ListRow<'_>]) -> Result<()>,
    ) -> Result<()> {
        use rayon::prelude::*;
        let train = &self.split()?.train;
        let model = self.steered(edits)?;
        for start in (0..train.len()).step_by(BATCH) {
            let block: Histories = train.slice(start, (start + BATCH).min(train.len()));
            let scores = model.score(&block); // (block, I)
            let lists: Vec<Vec<Scored>> = (0..block.len())
                .into_par_iter()
                .map(|row| {
                    let mask = self.mask(block.row(row), filter);
                    top_k(&scores.row(row).to_vec(), &mask, &self.tie_breaks, n)
                })
                .collect();
            let mut rows = Vec::with_capacity(block.len() * n);
            for (row, list) in lists.iter().enumerate() {
                let Some(user) = block.users()[row] else {
                    continue;
                };
                rows.extend(list.iter().enumerate().map(|(at, s)| ListRow {
                    user: self.catalogue.users.name(user.0),
                    rank: at as u32 + 1,
                    item: self.catalogue.id(s.item),
                    score: s.score,
                }));
            }
            write(&rows)?;
        }
        Ok(())
    }
}

/// The strongest reasons; the popularity of an item whose score is only base.
fn reasons(wording: &Wording<'_>, ledger: &limpid_core::Ledger, item: ItemIdx) -> Vec<Reason> {
    if ledger.parts.is_empty() && ledger.base != 0.0 {
        return vec![Reason {
            unit: "base".to_owned(),
            text: wording.popularity(item),
            value: ledger.base,
        }];
    }
    let supporting = ledger.parts.iter().filter(|p| p.value > 0.0);
    supporting
        .take(REASONS)
        .map(|part| Reason {
            unit: wording.units.info(part.unit, wording.catalogue).id,
            text: wording.part(part),
            value: part.value,
        })
        .collect()
}
