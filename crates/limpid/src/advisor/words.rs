//! Reasons for and against an item, in words.

use limpid_core::{Detail, Edits, Error as CoreError, ItemIdx, Ledger};
use limpid_insight::narrate::{Evidence, Found, Ranked};
use limpid_insight::{Search, contrast};

use super::{Advisor, Filter, Who};
use crate::Result;
use crate::answers::WordsAnswer;
use crate::narrate::Narrator;

impl Advisor {
    /// Tells why an item has its score.
    ///
    /// # Errors
    /// As [`Advisor::explain`] and [`Narrator::tell`].
    pub fn words(
        &self,
        who: &Who,
        item: &str,
        edits: &Edits,
        narrator: &Narrator,
    ) -> Result<WordsAnswer> {
        let item = self.catalogue.find(item)?;
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let detail = narrator.detail();
        let ledger = complete(model.ledger(view, &model.row(view), item, detail))?;
        let scores = self.scores(&model, view)?;
        let at = Ranked {
            item,
            rank: self.rank(&scores, view, item),
        };
        let evidence = Evidence::why(&ledger, at, &self.wording(&model), narrator.reasons());
        self.told(who, item, None, model.written(), evidence, narrator)
    }

    /// Tells why one item scores higher or lower than another.
    ///
    /// # Errors
    /// As [`Advisor::words`].
    pub fn words_instead_of(
        &self,
        who: &Who,
        this: &str,
        that: &str,
        edits: &Edits,
        narrator: &Narrator,
    ) -> Result<WordsAnswer> {
        let this = self.catalogue.find(this)?;
        let that = self.catalogue.find(that)?;
        let history = self.history(who)?;
        let view = history.view();
        let model = self.steered(edits)?;
        let row = model.row(view);
        let ledger = |item| complete(model.ledger(view, &row, item, Detail::Lines));
        let scores = self.scores(&model, view)?;
        let ranked = |item| Ranked {
            item,
            rank: self.rank(&scores, view, item),
        };
        let evidence = Evidence::instead(
            &contrast(ledger(this)?, ledger(that)?),
            ranked(this),
            ranked(that),
            &self.wording(&model),
            narrator.reasons(),
        );
        self.told(who, this, Some(that), model.written(), evidence, narrator)
    }

    /// Tells why an item is not in the list, and what would move it in; if it is in the list, what would move
    /// it out.
    ///
    /// # Errors
    /// As [`Advisor::why_not`] and [`Narrator::tell`].
    #[expect(
        clippy::too_many_arguments,
        reason = "those of why_not, and who tells it"
    )]
    pub fn words_why_not(
        &self,
        who: &Who,
        item: &str,
        n: usize,
        filter: &Filter,
        edits: &Edits,
        limits: Search,
        narrator: &Narrator,
    ) -> Result<WordsAnswer> {
        let history = self.history(who)?;
        let model = self.steered(edits)?;
        let searched = self.searched(&model, history.view(), item, n, filter, limits)?;
        let ledger = complete(searched.ledger)?;
        let item = searched.item;
        let at = Ranked {
            item,
            rank: Some(searched.rank),
        };
        let found = Found {
            n,
            last: searched.list.get(n - 1).copied(),
            max_edits: limits.max_edits,
            verdict: &searched.verdict,
            lacking: &searched.lacking,
        };
        let wording = self.wording(&model);
        let evidence = Evidence::why_not(&ledger, at, &found, &wording, narrator.reasons());
        self.told(who, item, None, model.written(), evidence, narrator)
    }

    fn told(
        &self,
        who: &Who,
        item: ItemIdx,
        other: Option<ItemIdx>,
        edits: Vec<String>,
        evidence: Evidence,
        narrator: &Narrator,
    ) -> Result<WordsAnswer> {
        let narration = narrator.tell(&evidence)?;
        let mut notes = self.notes_on(item);
        notes.extend(narrator.notes());
        Ok(WordsAnswer {
            schema: "limpid.words/1",
            question: evidence.question,
            user: who.name(),
            item: self.item_name(item),
            other: other.map(|item| self.item_name(item)),
            edits: edits.join(", "),
            tone: narrator.tone().name(),
            language: narrator.language().to_owned(),
            by: narration.by,
            refused: narration.refused,
            favor: narration.told.favor,
            against: narration.told.against,
            change: narration.told.change,
            evidence: evidence.lines,
            notes,
        })
    }
}

/// A ledger that adds up: a text about another would not be true.
pub(crate) fn complete(ledger: Ledger) -> std::result::Result<Ledger, CoreError> {
    limpid_insight::wording::complete(&ledger)?;
    Ok(ledger)
}
