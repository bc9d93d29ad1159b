//! Why an item is not in a list, and the changes of the history that move it in.

use limpid_core::{Detail, Edits, History, ItemIdx, Ledger, Mask, Scored, rank_of, top_k};
use limpid_insight::{
    Counterfactual, Goal, Lacking, Plausible, Question, Search, Smallest, Steered, Verdict,
    lacking, search, wording,
};

use super::{Advisor, Filter, Who, no_fold_in};
use crate::answers::{
    ChangedItem, CounterfactualAnswer, LackingAnswer, MissingAnswer, Standing, WhyNot,
};
use crate::{Error, Result};

/// Reasons of listed items that a why-not shows as lacking.
const LACKING: usize = 5;

/// The most listed items whose reasons are compared, the best ones.
const COMPARED: usize = 20;

/// What a why-not found, in dense indices.
pub(super) struct Searched {
    pub(super) item: ItemIdx,
    pub(super) score: f32,
    pub(super) rank: usize,
    /// The current list.
    pub(super) list: Vec<Scored>,
    pub(super) verdict: Verdict,
    pub(super) ledger: Ledger,
    /// Reasons that it lacks; none where it is in the list or a change moves it in.
    pub(super) lacking: Vec<Lacking>,
}

impl Advisor {
    /// Explains why an item is not in the top `n` of a user or history, and searches the smallest changes
    /// of the history that move it in; if it is already in the list, those that move it out. Every
    /// change is replayed through the model before it is shown. Of changes of one size, those that are
    /// most plausible are shown (see [`Plausible`]); where none of up to
    /// [`max_edits`](Search::max_edits) events exists, the answer says what is missing.
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
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let Searched {
            item,
            score,
            rank,
            list,
            verdict,
            ledger,
            lacking,
        } = self.searched(&model, view, item, n, filter, limits)?;
        let already = rank <= n;
        let last = list.get(n - 1).map(|s| Standing {
            item: self.item_name(s.item),
            score: s.score,
            rank: Some(n),
        });
        let mut notes = self.notes_on(item);
        if !verdict.responds {
            notes.push(wording::UNRESPONSIVE.to_owned());
        } else if verdict.counterfactuals.is_empty() {
            notes.push(wording::no_change(
                already,
                verdict.ruled_out,
                limits.max_edits,
            ));
        } else if verdict.counterfactuals.iter().any(|c| c.makes_room) {
            notes.push(wording::MAKES_ROOM.to_owned());
        }
        let reached = verdict.counterfactuals.iter().any(|c| !c.makes_room);
        let missing = (!already && !reached).then(|| MissingAnswer {
            gap: finite(verdict.before.bar - verdict.before.score),
            lacking: self.lacking_answers(&model, lacking),
            nearest: verdict
                .nearest
                .iter()
                .map(|c| self.counterfactual_answer(c))
                .collect(),
        });
        Ok(WhyNot {
            schema: "limpid.why-not/1",
            user: who.name(),
            item: Standing {
                item: self.item_name(item),
                score,
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
            missing,
            responds: verdict.responds,
            max_edits: limits.max_edits,
            ruled_out: verdict.ruled_out,
            replayed: verdict.replayed,
            exhaustive: verdict.exhaustive,
            notes,
        })
    }

    /// Searches the changes that move an item into the list, or out of it.
    pub(super) fn searched(
        &self,
        model: &Steered<'_>,
        view: History<'_>,
        item: &str,
        n: usize,
        filter: &Filter,
        limits: Search,
    ) -> Result<Searched> {
        if !self.folds_in() {
            return Err(no_fold_in());
        }
        let item = self.catalogue.find(item)?;
        if n == 0 {
            return Err(Error::Usage(
                "the length of the list must be 1 or more, such as -n 10".to_owned(),
            ));
        }
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
        let scores = self.scores(model, view)?;
        let rank = rank_of(&scores, &mask, &self.tie_breaks, item);
        let plausible = self.plausible(view);
        let verdict = search(
            &Question {
                model,
                user: view,
                item,
                n,
                goal: if rank <= n { Goal::Leave } else { Goal::Enter },
                catalogue: &self.catalogue,
                tie_breaks: &self.tie_breaks,
                mask: &mask_of,
                plausible: &plausible,
            },
            limits,
        )?;
        let list = top_k(&scores, &mask, &self.tie_breaks, n);
        let ledger = model.ledger(view, &model.row(view), item, Detail::Lines);
        let reached = verdict.counterfactuals.iter().any(|c| !c.makes_room);
        let lacking = match rank <= n || reached {
            true => Vec::new(),
            false => self.lacking(model, view, &ledger, &list),
        };
        Ok(Searched {
            item,
            score: scores[item.at()],
            rank,
            list,
            verdict,
            ledger,
            lacking,
        })
    }

    /// How plausible changes of a history are: from the training rows, or without them from popularity.
    fn plausible(&self, history: History<'_>) -> Plausible {
        match &self.split {
            Some(split) => Plausible::of_neighbors(history, &split.train, &self.catalogue),
            None => Plausible::of_popularity(&self.catalogue),
        }
    }

    /// The strongest reasons that the items of a list have and an item lacks.
    fn lacking(
        &self,
        model: &Steered<'_>,
        history: History<'_>,
        own: &Ledger,
        list: &[Scored],
    ) -> Vec<Lacking> {
        let row = model.row(history);
        let listed: Vec<Ledger> = list
            .iter()
            .take(COMPARED)
            .map(|s| model.ledger(history, &row, s.item, Detail::Lines))
            .collect();
        lacking(own, &listed, LACKING)
    }

    fn lacking_answers(&self, model: &Steered<'_>, all: Vec<Lacking>) -> Vec<LackingAnswer> {
        let wording = self.wording(model);
        let answer = |l: Lacking| {
            let info = wording.units.info(l.part.unit, &self.catalogue);
            LackingAnswer {
                unit: info.id,
                text: wording.part(&l.part),
                this: l.here,
                listed: l.listed,
                supports: l.supports,
            }
        };
        all.into_iter().map(answer).collect()
    }

    fn counterfactual_answer(&self, c: &Counterfactual) -> CounterfactualAnswer {
        let changes = |additions: bool| -> Vec<ChangedItem> {
            let of_kind = c.edits.iter().filter(|e| e.is_addition() == additions);
            let name = |behavior: u8| self.catalogue.behaviors.get(usize::from(behavior)).cloned();
            of_kind
                .map(|e| ChangedItem {
                    item: self.item_name(e.item()),
                    behavior: e.behavior().and_then(name),
                })
                .collect()
        };
        CounterfactualAnswer {
            add: changes(true),
            remove: changes(false),
            rank: c.after.rank,
            score: c.after.score,
            bar: finite(c.after.bar),
            smallest: match c.smallest {
                Smallest::Proven => "proven smallest",
                Smallest::OfItsKind => "smallest of its kind",
                Smallest::Found => "smallest found",
            },
            plausibility: c.plausibility,
            makes_room: c.makes_room,
        }
    }
}

fn finite(x: f32) -> Option<f32> {
    x.is_finite().then_some(x)
}
