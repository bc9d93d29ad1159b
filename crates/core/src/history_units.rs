//! History units: the events of a history as units, for any model.
//!
//! A unit is the events on one item, or those of one behavior on it (see [`EventUnits`]). Muting it equals
//! fold-in of the history without them, setting it to 1 equals fold-in with an added event; the ledger is the
//! model's own ledger of the edited history. Fractions of an event are undefined, so a unit is only present
//! or absent.

use std::ops::Deref;

use crate::{
    Activations, Catalogue, Csr, Detail, Error, EventUnits, Histories, History, ItemIdx, Ledger,
    Mat, OwnedHistory, Recommender, Result, Unit, UnitInfo, Units,
};

/// The events of the history as units of a model.
pub struct HistoryUnits<'a> {
    model: &'a dyn Recommender,
    n_items: usize,
    events: EventUnits,
}

impl<'a> HistoryUnits<'a> {
    /// History units of a model; an added event has the catalogue's target behavior, unless the unit names
    /// another.
    #[must_use]
    pub fn new(model: &'a dyn Recommender, catalogue: &Catalogue) -> Self {
        Self {
            model,
            n_items: catalogue.len(),
            events: EventUnits::of(catalogue),
        }
    }
}

impl Units for HistoryUnits<'_> {
    fn len(&self) -> usize {
        self.events.len()
    }

    fn unit(&self, index: usize) -> Unit {
        self.events.unit(index)
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        self.events.members(unit)
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        self.events.info(unit, catalogue)
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        self.events.find(text, catalogue).unwrap_or_else(|| {
            Err(Error::NoSuchUnit {
                unit: text.to_owned(),
                hint: "its units are the items of the history: link:ITEM_ID or link:TITLE"
                    .to_owned(),
            })
        })
    }

    fn graded(&self) -> bool {
        false
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows = users.rows().map(|row| self.events.activate(row));
        // Items of checked histories are below the number of items.
        Csr::from_rows(rows, self.len())
            .unwrap_or_else(|_| unreachable!("checked histories give a valid matrix"))
    }

    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat {
        let edited: Vec<Option<OwnedHistory>> = users
            .rows()
            .enumerate()
            .map(|(u, row)| {
                let (columns, values) = activations.row(u);
                let pairs = columns.iter().copied().zip(values.iter().copied());
                self.events.edited(row, pairs)
            })
            .collect();
        if edited.iter().all(Option::is_none) {
            return self.model.score(users);
        }
        let rows = users
            .rows()
            .zip(&edited)
            .map(|(row, edited)| edited.as_ref().map_or(row, OwnedHistory::view));
        // Removing events, and adding items below the number of items, keeps a history valid.
        let rows = Histories::from_histories(rows, self.n_items)
            .unwrap_or_else(|_| unreachable!("edits keep a history valid"));
        self.model.score(&rows)
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        match self.events.edited(user, activations.iter().copied()) {
            None => self.model.explain(user, item),
            Some(edited) => self.model.explain(edited.view(), item),
        }
    }
}

/// The units of any model: its own, or [`HistoryUnits`] if it has none.
pub struct UnitsOf<'a> {
    units: Either<'a>,
    n_items: usize,
}

enum Either<'a> {
    Own(&'a dyn Units),
    History(HistoryUnits<'a>),
}

impl<'a> UnitsOf<'a> {
    /// The units of a model.
    #[must_use]
    pub fn model(model: &'a dyn Recommender, catalogue: &Catalogue) -> Self {
        let units = match model.units() {
            Some(own) => Either::Own(own),
            None => Either::History(HistoryUnits::new(model, catalogue)),
        };
        Self {
            units,
            n_items: catalogue.len(),
        }
    }

    /// The activations of one history, by ascending index.
    #[must_use]
    pub fn activations(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let activations = self.activate(&Histories::single(user, self.n_items));
        let (columns, values) = activations.row(0);
        columns
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect()
    }
}

impl<'a> Deref for UnitsOf<'a> {
    type Target = dyn Units + 'a;

    fn deref(&self) -> &Self::Target {
        match &self.units {
            Either::Own(units) => *units,
            Either::History(units) => units,
        }
    }
}
