//! Why: the ledger of one item, and why this rather than that.

use limpid_core::{Edits, ItemIdx, Narrate, rank_of};
use limpid_insight::{Template, contrast};

use super::{Advisor, Filter, Who};
use crate::answers::{ContrastAnswer, ContrastLine, Explanation, Standing};
use crate::{Result, lookup};

impl Advisor {
    /// Why an item has its score for somebody. With `raw`, entry by entry; otherwise in the fewest
    /// lines that say the same.
    ///
    /// # Errors
    /// Where the user, the item or a unit does not exist, or the model cannot explain itself.
    pub fn explain(&self, who: &Who, item: &str, edits: &Edits, raw: bool) -> Result<Explanation> {
        let item = lookup::item(&self.catalogue, item)?;
        let history = self.history(who)?;
        let view = history.view();
        let voice = self.steered(edits)?;
        let ledger = voice.ledger(view, item, raw)?;
        let scores = self.scores(&voice, view)?;
        let mut notes = self.notes_on(item);
        if view.contains(item) {
            notes.push(
                "the item is in the history, so it is not recommended unless --include-seen"
                    .to_owned(),
            );
        }
        if ledger.parts.is_empty() {
            notes.push("nothing in this history speaks for or against it".to_owned());
        }
        Ok(Explanation {
            schema: "limpid.explain/1",
            user: who.name(),
            rank: self.rank(&scores, view, item),
            ledger: self.ledger_answer(&ledger, item),
            edits: voice.edits(),
            words: Template::default().narrate(&ledger, &self.catalogue)?,
            item: self.item_name(item),
            notes,
        })
    }

    /// Why one item rather than another: the difference of their ledgers.
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
        let this = lookup::item(&self.catalogue, this)?;
        let that = lookup::item(&self.catalogue, that)?;
        let history = self.history(who)?;
        let view = history.view();
        let voice = self.steered(edits)?;
        let scores = self.scores(&voice, view)?;
        let c = contrast(
            voice.ledger(view, this, false)?,
            voice.ledger(view, that, false)?,
        );
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
                let (part, of) = in_either
                    .zip(std::iter::repeat(this))
                    .find(|(part, _)| part.unit == p.unit)
                    .map_or((None, this), |(part, of)| (Some(part), of));
                ContrastLine {
                    unit: p.unit.text(&self.catalogue),
                    text: part.map_or_else(String::new, |part| self.part_text(part, of)),
                    this: p.this,
                    that: p.that,
                    difference: p.difference,
                }
            })
            .collect();
        let mut notes = self.notes_on(this);
        notes.extend(self.notes_on(that));
        Ok(ContrastAnswer {
            schema: "limpid.contrast/1",
            user: who.name(),
            this: standing(this),
            that: standing(that),
            difference: c.difference(),
            base: c.base,
            parts,
            residual: c.residual,
            notes,
        })
    }

    /// The place of an item in the list of somebody who has not seen it; none if he has.
    pub(super) fn rank(
        &self,
        scores: &[f32],
        history: limpid_core::History<'_>,
        item: ItemIdx,
    ) -> Option<usize> {
        let mask = self.mask(history, &Filter::default());
        (!mask.hides(item)).then(|| rank_of(scores, &mask, &self.tie_breaks, item))
    }

    /// What must be said about an item wherever it is explained.
    pub(super) fn notes_on(&self, item: ItemIdx) -> Vec<String> {
        match self.catalogue.is_trained(item) {
            true => Vec::new(),
            false => vec![format!(
                "nobody in the training data has '{}', so the model knows nothing about it",
                self.catalogue.title(item)
            )],
        }
    }
}
