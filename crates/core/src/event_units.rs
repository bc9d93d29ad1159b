//! Events as units: one per item or, where the data have several behaviors, one per item and behavior.
//!
//! With several behaviors `link:296@view` is the views of item 296, and `link:296` is all events on it, which
//! are edited together.

use crate::unit::EVENT;
use crate::{Catalogue, Error, History, ItemIdx, OwnedHistory, Result, Space, Unit, UnitInfo};

/// The units of the events on a catalogue's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventUnits {
    n_items: usize,
    n_behaviors: usize,
    target: u8,
}

impl EventUnits {
    /// The events on `n_items` items of `n_behaviors` behaviors (0 counts as 1); an item that is added
    /// without a behavior has the behavior `target`.
    #[must_use]
    pub fn new(n_items: usize, n_behaviors: usize, target: u8) -> Self {
        Self {
            n_items,
            n_behaviors: n_behaviors.max(1),
            target,
        }
    }

    /// The events on the items of a catalogue.
    #[must_use]
    pub fn of(catalogue: &Catalogue) -> Self {
        Self::new(
            catalogue.len(),
            catalogue.behaviors.len(),
            catalogue.target_behavior,
        )
    }

    /// Number of units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_items * self.n_behaviors
    }

    /// Whether there are no units.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index of the events of a behavior on an item; `None` if there are none such.
    #[must_use]
    pub fn index(&self, item: ItemIdx, behavior: u8) -> Option<u32> {
        let known = item.at() < self.n_items && usize::from(behavior) < self.n_behaviors;
        known.then(|| (usize::from(behavior) * self.n_items + item.at()) as u32)
    }

    /// The item and behavior of an index below [`len`](Self::len).
    #[must_use]
    pub fn event(&self, index: usize) -> (ItemIdx, u8) {
        let n = self.n_items.max(1);
        (ItemIdx((index % n) as u32), (index / n) as u8)
    }

    /// The unit at an index.
    #[must_use]
    pub fn unit(&self, index: usize) -> Unit {
        match self.n_behaviors {
            1 => Unit::event(ItemIdx(index as u32)),
            _ => Unit::new(Space::Behavior, index as u32),
        }
    }

    /// The indices of a unit; those of all behaviors for the events on an item.
    #[must_use]
    pub fn members(&self, unit: Unit) -> Vec<usize> {
        let index = unit.index as usize;
        match unit.space {
            Space::Event if index < self.n_items => (0..self.n_behaviors)
                .map(|b| b * self.n_items + index)
                .collect(),
            Space::Behavior if self.n_behaviors > 1 && index < self.len() => vec![index],
            _ => Vec::new(),
        }
    }

    /// The id and label of a unit.
    #[must_use]
    pub fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        if unit.space != Space::Behavior {
            return UnitInfo::event(ItemIdx(unit.index), catalogue);
        }
        let (item, behavior) = self.event(unit.index as usize);
        let name = catalogue.behaviors.get(usize::from(behavior));
        let name = name.map_or("", String::as_str);
        UnitInfo {
            id: format!("{EVENT}{}@{name}", catalogue.id(item)),
            label: Some(format!("{} ({name})", catalogue.title(item))),
            space: unit.space,
            rule: None,
            confidence: None,
        }
    }

    /// Parses `link:ITEM` and `link:ITEM@BEHAVIOR`; `None` if the text does not start with `link:`.
    ///
    /// # Errors
    /// As [`Catalogue::find`]; [`Error::Unknown`] for an unknown behavior of a known item.
    #[must_use]
    pub fn find(&self, text: &str, catalogue: &Catalogue) -> Option<Result<Unit>> {
        let text = text.strip_prefix(EVENT)?;
        let whole = catalogue.find(text).map(Unit::event);
        let (Err(_), true) = (&whole, self.n_behaviors > 1) else {
            return Some(whole);
        };
        let Some((item, behavior)) = text.rsplit_once('@') else {
            return Some(whole);
        };
        let Ok(item) = catalogue.find(item) else {
            return Some(whole);
        };
        let place = catalogue.behaviors.iter().position(|b| b == behavior);
        let index = place.and_then(|b| self.index(item, b as u8));
        Some(index.map(|k| self.unit(k as usize)).ok_or_else(|| {
            let known = catalogue.behaviors.iter().map(String::as_str);
            Error::unknown("behavior", behavior, known)
        }))
    }

    /// The units of a history, each once with activation 1, by ascending index.
    #[must_use]
    pub fn activate(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let indices = user.events().map(|e| match self.n_behaviors {
            1 => self.index(e.item, 0),
            _ => self.index(e.item, e.behavior),
        });
        let mut active: Vec<u32> = indices.flatten().collect();
        active.sort_unstable();
        active.dedup();
        active.into_iter().map(|k| (k, 1.0)).collect()
    }

    /// The history with exactly the events that are active (`activations` by ascending index; other units
    /// than events are ignored); `None` if it is unchanged.
    #[must_use]
    pub fn edited(
        &self,
        user: History<'_>,
        activations: impl Iterator<Item = (u32, f32)>,
    ) -> Option<OwnedHistory> {
        let own = self.activate(user);
        let has = |k: u32| own.binary_search_by_key(&k, |e| e.0).is_ok();
        let active: Vec<u32> = activations
            .filter(|a| a.1 != 0.0 && (a.0 as usize) < self.len())
            .map(|a| a.0)
            .collect();
        let mut edited: Option<OwnedHistory> = None;
        for &(index, _) in own.iter().filter(|e| active.binary_search(&e.0).is_err()) {
            let (item, behavior) = self.event(index as usize);
            let history = edited.get_or_insert_with(|| user.to_owned());
            match self.n_behaviors {
                1 => history.remove(item),
                _ => history.remove_of(item, behavior),
            };
        }
        for &index in active.iter().filter(|&&k| !has(k)) {
            let (item, behavior) = self.event(index as usize);
            let behavior = match self.n_behaviors {
                1 => self.target,
                _ => behavior,
            };
            let history = edited.get_or_insert_with(|| user.to_owned());
            history.add(item, behavior);
        }
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Ids};

    fn shop() -> Catalogue {
        let items = ["a", "b@view", "c"].map(String::from).to_vec();
        let mut catalogue = Catalogue::of_items(Ids::from_names(items).unwrap());
        catalogue.behaviors = ["view", "cart", "buy"].map(String::from).to_vec();
        catalogue.target_behavior = 2;
        catalogue
    }

    #[test]
    fn units_are_named_by_item_and_behavior() {
        let catalogue = shop();
        let units = EventUnits::of(&catalogue);
        assert_eq!(units.len(), 9);
        for index in 0..units.len() {
            let unit = units.unit(index);
            let id = units.info(unit, &catalogue).id;
            assert_eq!(units.find(&id, &catalogue).unwrap().unwrap(), unit, "{id}");
            assert_eq!(units.members(unit), [index]);
        }
        let find = |text: &str| units.find(text, &catalogue).unwrap();
        // The id of an item may look like a behavior's.
        assert_eq!(find("link:b@view").unwrap(), Unit::event(ItemIdx(1)));
        assert_eq!(units.members(find("link:a").unwrap()), [0, 3, 6]);
        let error = find("link:a@veiw").unwrap_err().to_string();
        assert!(
            error.contains("unknown behavior 'veiw'; did you mean 'view'"),
            "{error}"
        );
        assert!(find("link:zz@view").is_err());
        assert!(units.find("g1", &catalogue).is_none());
    }

    #[test]
    fn edits_are_of_single_behaviors() {
        let catalogue = shop();
        let units = EventUnits::of(&catalogue);
        let event = |item: u32, behavior: u8| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let row = OwnedHistory::of_events(None, vec![event(0, 0), event(0, 1), event(2, 2)]);
        let active = units.activate(row.view());
        assert_eq!(active, [(0, 1.0), (3, 1.0), (8, 1.0)]);
        assert!(units.edited(row.view(), active.into_iter()).is_none());
        let edited = units.edited(row.view(), [(3, 1.0), (5, 1.0), (8, 1.0)].into_iter());
        let edited = edited.unwrap();
        let left: Vec<(u32, u8)> = edited
            .view()
            .events()
            .map(|e| (e.item.0, e.behavior))
            .collect();
        assert_eq!(left, [(0, 1), (2, 2), (2, 1)]);
    }
}
