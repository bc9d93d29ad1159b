//! Why an item is not in a list, and the changes of the history that move it in.

use limpid_core::{Detail, Edits, History, Mask, top_k};
use limpid_insight::{
    Counterfactual, Goal, HistoryEdit, Question, Search, Smallest, search, wording,
};

use super::{Advisor, Filter, Who};
use crate::answers::{CounterfactualAnswer, ItemName, Standing, WhyNot};
use crate::{Error, Result};

impl Advisor {
    /// Explains why an item is not in the top `n` of a user or history, and searches the smallest changes
    /// of the history that move it in; if it is already in the list, those that move it out. Every
    /// change is replayed through the model before it is shown.
    ///
    /// # Errors
    /// As [`Advisor::explain`]; [`Error::Usage`] if the item is in the history or excluded by the filter,
    /// because then no change of the history can move it in.
    pub fn why_not(
        &self,
        who: &Who,
        item: &str,
        n: usize,
        filter: &Filter,
        edits: &Edits,
        limits: Search,
    ) -> Result<WhyNot> {
        let item = self.catalogue.find(item)?;
        if n == 0 {
            return Err(Error::Usage(
                "the length of the list must be 1 or more, such as -n 10".to_owned(),
            ));
        }
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let mask_of = |h: History<'_>| -> Mask { self.mask(h, filter) };
        let mask = mask_of(view);
        if mask.hides(item) {
            let why = match view.contains(item) {
                true => {
                    "is already in the history, so it is not recommended; use --include-seen to rank \
                     items of the history too"
                }
                false => "is excluded by the filters (--exclude, --only, --where)",
            };
            return Err(Error::Usage(format!(
                "'{}' {why}",
                self.catalogue.title(item)
            )));
        }
        let scores = self.scores(&model, view)?;
        let rank = self.rank_under(&scores, &mask, item);
        let already = rank <= n;
        let verdict = search(
            &Question {
                model: &model,
                user: view,
                item,
                n,
                goal: if already { Goal::Leave } else { Goal::Enter },
                catalogue: &self.catalogue,
                tie_breaks: &self.tie_breaks,
                mask: &mask_of,
            },
            limits,
        )?;
        let last = top_k(&scores, &mask, &self.tie_breaks, n)
            .get(n - 1)
            .map(|s| Standing {
                item: self.item_name(s.item),
                score: s.score,
                rank: Some(n),
            });
        let mut notes = self.notes_on(item);
        if verdict.counterfactuals.is_empty() {
            notes.push(wording::no_change(
                already,
                verdict.replayed,
                limits.max_edits,
            ));
        }
        let ledger = model.ledger(view, &model.row(view), item, Detail::Lines);
        Ok(WhyNot {
            schema: "limpid.why-not/1",
            user: who.name(),
            item: Standing {
                item: self.item_name(item),
                score: scores[item.at()],
                rank: Some(rank),
            },
            n,
            already,
            edits: model.written().join(", "),
            bar: finite(verdict.before.bar),
            last,
            ledger: self.ledger_answer(&ledger, &self.wording(&model)),
            counterfactuals: verdict
                .counterfactuals
                .iter()
                .map(|c| self.counterfactual_answer(c))
                .collect(),
            replayed: verdict.replayed,
            exhaustive: verdict.exhaustive,
            notes,
        })
    }

    fn rank_under(&self, scores: &[f32], mask: &Mask, item: limpid_core::ItemIdx) -> usize {
        limpid_core::rank_of(scores, mask, &self.tie_breaks, item)
    }

    fn counterfactual_answer(&self, c: &Counterfactual) -> CounterfactualAnswer {
        let names = |wanted: fn(&HistoryEdit) -> Option<limpid_core::ItemIdx>| -> Vec<ItemName> {
            c.edits
                .iter()
                .filter_map(wanted)
                .map(|i| self.item_name(i))
                .collect()
        };
        CounterfactualAnswer {
            add: names(|e| match e {
                HistoryEdit::Add(i) => Some(*i),
                HistoryEdit::Remove(_) => None,
            }),
            remove: names(|e| match e {
                HistoryEdit::Remove(i) => Some(*i),
                HistoryEdit::Add(_) => None,
            }),
            rank: c.after.rank,
            score: c.after.score,
            bar: finite(c.after.bar),
            smallest: match c.smallest {
                Smallest::Proven => "proven smallest",
                Smallest::Found => "smallest found",
            },
        }
    }
}

fn finite(x: f32) -> Option<f32> {
    x.is_finite().then_some(x)
}
