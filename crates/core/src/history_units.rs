//! History units: the events of a history as units, for any model.
//!
//! A unit is the events on one item. Muting it equals fold-in of the history without them, setting it to 1
//! equals fold-in with an added event; the ledger is the model's own ledger of the edited
//! history. Fractions of an event are undefined, so a unit is only present or absent.

use std::ops::Deref;

use crate::unit::resolve_event;
use crate::{
    Activations, Catalogue, Csr, Detail, Histories, History, ItemIdx, Ledger, Mat, OwnedHistory,
    Recommender, Result, Unit, UnitInfo, Units,
};

/// The events of the history as units of a model.
pub struct HistoryUnits<'a> {
    model: &'a dyn Recommender,
    n_items: usize,
    behavior: u8,
}

impl<'a> HistoryUnits<'a> {
    /// History units of a model; added events have the catalogue's target behavior.
    #[must_use]
    pub fn new(model: &'a dyn Recommender, catalogue: &Catalogue) -> Self {
        Self {
            model,
            n_items: catalogue.len(),
            behavior: catalogue.target_behavior,
        }
    }

    /// The history with exactly the active items; `None` if it is unchanged.
    fn edited(
        &self,
        user: History<'_>,
        activations: impl Iterator<Item = (u32, f32)>,
    ) -> Option<OwnedHistory> {
        let own = user.item_values();
        let has = |item: ItemIdx| own.binary_search_by_key(&item, |e| e.0).is_ok();
        let active: Vec<u32> = activations.filter(|a| a.1 != 0.0).map(|a| a.0).collect();
        let mut edited: Option<OwnedHistory> = None;
        for &(item, _) in own.iter().filter(|e| active.binary_search(&e.0.0).is_err()) {
            edited.get_or_insert_with(|| user.to_owned()).remove(item);
        }
        let added = active.iter().map(|&i| ItemIdx(i));
        for item in added.filter(|&i| i.at() < self.n_items && !has(i)) {
            let history = edited.get_or_insert_with(|| user.to_owned());
            history.add(item, self.behavior);
        }
        edited
    }
}

impl Units for HistoryUnits<'_> {
    fn len(&self) -> usize {
        self.n_items
    }

    fn unit(&self, index: usize) -> Unit {
        Unit::event(ItemIdx(index as u32))
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let item = unit.item().filter(|i| i.at() < self.n_items);
        item.map(ItemIdx::at).into_iter().collect()
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        UnitInfo::event(ItemIdx(unit.index), catalogue)
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        resolve_event(text, catalogue)
    }

    fn graded(&self) -> bool {
        false
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows = users.rows().map(|row| {
            let items = row.item_values().into_iter();
            items.map(|(i, _)| (i.0, 1.0)).collect()
        });
        // Items of checked histories are below the number of items.
        Csr::from_rows(rows, self.n_items)
            .unwrap_or_else(|_| unreachable!("checked histories give a valid matrix"))
    }

    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat {
        let edited: Vec<Option<OwnedHistory>> = users
            .rows()
            .enumerate()
            .map(|(u, row)| {
                let (columns, values) = activations.row(u);
                self.edited(row, columns.iter().copied().zip(values.iter().copied()))
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
        match self.edited(user, activations.iter().copied()) {
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
