//! The ledger of one item, and the difference of two.

use limpid_core::{Detail, Edits, ItemIdx, rank_of};
use limpid_insight::{contrast, wording};

use super::{Advisor, Filter, Who};
use crate::Result;
use crate::answers::{ContrastAnswer, ContrastLine, Explanation, Standing};

/// Parts that a sentence lists one by one.
const PARTS: usize = 3;

impl Advisor {
    /// Explains the score of an item: with `raw`, unit by unit; otherwise with units joined into lines.
    ///
    /// # Errors
    /// Where the user, the item or a unit does not exist, or an edit cannot be applied.
    pub fn explain(&self, who: &Who, item: &str, edits: &Edits, raw: bool) -> Result<Explanation> {
        let item = self.catalogue.find(item)?;
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let detail = if raw { Detail::Raw } else { Detail::Lines };
        let ledger = model.ledger(view, &model.row(view), item, detail);
        let scores = self.scores(&model, view)?;
        let wording = self.wording(&model);
        let mut notes = self.notes_on(item);
        let mask = self.mask(view, &Filter::default());
        if mask.hides(item) {
            notes.push(wording::IN_HISTORY.to_owned());
        }
        let kinds = self.kinds(view, &mask);
        if raw && !ledger.parts.is_empty() {
            let joined = model.ledger(view, &model.row(view), item, Detail::Lines);
            if joined.parts == ledger.parts {
                notes.push(wording::RAW_IS_PLAIN.to_owned());
            }
        }
        if ledger.parts.is_empty() {
            let popularity = wording.popularity(item);
            notes.push(format!("{}; {popularity}", wording::NO_EVIDENCE));
        }
        notes.extend(self.manifest.experiment.taught());
        Ok(Explanation {
            schema: "limpid.explain/1",
            user: who.name(),
            rank: self.rank(&scores, view, item),
            probability: kinds
                .as_ref()
                .and_then(|k| self.chances(k, &scores, &mask)?.of(item)),
            ledger: self.ledger_answer(&ledger, &wording),
            edits: model.written().join(", "),
            words: wording.sentence(&ledger, PARTS)?,
            item: self.item_name(item),
            notes,
        })
    }

    /// Explains why one item scores higher or lower than another: the difference of their ledgers.
    ///
    /// # Errors
    /// As [`Advisor::explain`].
    pub fn explain_instead_of(
        &self,
        who: &Who,
        this: &str,
        that: &str,
        edits: &Edits,
    ) -> Result<ContrastAnswer> {
        let this = self.catalogue.find(this)?;
        let that = self.catalogue.find(that)?;
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let scores = self.scores(&model, view)?;
        let wording = self.wording(&model);
        let row = model.row(view);
        let ledger = |item| model.ledger(view, &row, item, Detail::Lines);
        let c = contrast(ledger(this), ledger(that));
        let standing = |item: ItemIdx| Standing {
            item: self.item_name(item),
            score: scores[item.at()],
            rank: self.rank(&scores, view, item),
        };
        let parts = c
            .parts
            .iter()
            .map(|p| {
                let in_either = c.this.parts.iter().chain(&c.that.parts);
                let part = in_either.into_iter().find(|part| part.unit == p.unit);
                ContrastLine {
                    unit: wording.units.info(p.unit, &self.catalogue).id,
                    text: part.map_or_else(String::new, |part| wording.part(part)),
                    this: p.this,
                    that: p.that,
                    difference: p.difference,
                    edited_by: part.and_then(|part| part.edited_by.clone()),
                }
            })
            .collect();
        let mut notes = self.notes_on(this);
        notes.extend(self.notes_on(that));
        notes.extend(self.manifest.experiment.taught());
        Ok(ContrastAnswer {
            schema: "limpid.contrast/1",
            user: who.name(),
            this: standing(this),
            that: standing(that),
            edits: model.written().join(", "),
            difference: c.difference(),
            base: c.base,
            this_base: c.this.base,
            that_base: c.that.base,
            parts,
            residual: c.residual,
            this_residual: c.this.residual,
            that_residual: c.that.residual,
            notes,
        })
    }

    /// The rank of an item in the list of a history; `None` if the history has it.
    pub(super) fn rank(
        &self,
        scores: &[f32],
        history: limpid_core::History<'_>,
        item: ItemIdx,
    ) -> Option<usize> {
        let mask = self.mask(history, &Filter::default());
        (!mask.hides(item)).then(|| rank_of(scores, &mask, &self.tie_breaks, item))
    }

    /// Notes on an item that is explained.
    pub(super) fn notes_on(&self, item: ItemIdx) -> Vec<String> {
        match self.catalogue.is_trained(item) {
            true => Vec::new(),
            false => vec![format!(
                "'{}' is a cold-start item: it has no training events",
                self.catalogue.title(item)
            )],
        }
    }
}
