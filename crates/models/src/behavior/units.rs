//! Units of models of chains: the events of each behavior on an item, and the patterns of open pairs.
//!
//! `link:296@view` is an event, `pattern:view+cart` what a model makes of pairs that were viewed and carted.
//! Without its pattern a pair counts as untouched. Muting an event equals fold-in without it.

use limpid_core::{
    Activations, Catalogue, Csr, Error, EventUnits, Histories, History, ItemIdx, OwnedHistory,
    Part, Result, Space, Unit, UnitInfo,
};

use super::chains::Behaviors;

/// The prefix of the id of a pattern.
const PATTERN: &str = "pattern:";

/// The id of the unit for the habits of a user.
const OF_USER: &str = "habits";

/// The index, within the space of patterns, of the unit for the habits of a user: that of the empty pattern.
pub(super) const HABITS: usize = 0;

/// The units: first events, then patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainUnits {
    behaviors: Behaviors,
    n_items: usize,
    events: EventUnits,
    /// Whether the habits of the user are a unit.
    habits: bool,
}

/// A history after edits of its units.
pub(super) struct Edited {
    /// The history, if its events were edited.
    pub(super) history: Option<OwnedHistory>,
    /// The patterns that are muted, as bits.
    pub(super) muted: u32,
}

/// Whether activations, in order, have none of a unit.
pub(super) fn is_muted(activations: &[(u32, f32)], index: u32) -> bool {
    let at = activations.binary_search_by_key(&index, |a| a.0);
    at.map_or(0.0, |at| activations[at].1) == 0.0
}

impl ChainUnits {
    pub(super) fn new(behaviors: Behaviors, n_items: usize, habits: bool) -> Self {
        Self {
            behaviors,
            n_items,
            events: EventUnits::new(n_items, behaviors.len(), behaviors.target()),
            habits: habits && behaviors.n_patterns() > 1,
        }
    }

    /// The unit of the events of a behavior on an item.
    pub(super) fn event(&self, item: u32, behavior: u8) -> Unit {
        let index = self.events.index(ItemIdx(item), behavior);
        self.events.unit(index.unwrap_or(0) as usize)
    }

    /// The parts of the values of events (behavior, item and value): one of each event of the history, which it
    /// cites, by ascending behavior and item.
    pub(super) fn parts(&self, user: History<'_>, mut values: Vec<(u8, u32, f64)>) -> Vec<Part> {
        values.sort_by_key(|v| (v.0, v.1));
        let events = user.by_item();
        let of_event = |values: &[(u8, u32, f64)]| {
            let (behavior, item, _) = values[0];
            let value: f64 = values.iter().map(|v| v.2).sum();
            let cites = events.of(ItemIdx(item)).filter(|e| e.behavior == behavior);
            let unit = self.event(item, behavior);
            Part::new(unit, 1.0, value as f32, cites.collect())
        };
        let same = |a: &(u8, u32, f64), b: &(u8, u32, f64)| (a.0, a.1) == (b.0, b.1);
        values.chunk_by(same).map(of_event).collect()
    }

    /// The unit of a pattern, or of the [`HABITS`].
    pub(super) fn pattern(pattern: usize) -> Unit {
        Unit::new(Space::Pattern, pattern as u32)
    }

    fn first_pattern(&self) -> usize {
        usize::from(!self.habits)
    }

    fn n_patterns(&self) -> usize {
        self.behaviors.n_patterns() - self.first_pattern()
    }

    pub(super) fn len(&self) -> usize {
        self.events.len() + self.n_patterns()
    }

    pub(super) fn unit(&self, index: usize) -> Unit {
        match index.checked_sub(self.events.len()) {
            None => self.events.unit(index),
            Some(at) => Self::pattern(at + self.first_pattern()),
        }
    }

    /// The index of a pattern.
    fn index(&self, pattern: usize) -> usize {
        self.events.len() + pattern - self.first_pattern()
    }

    pub(super) fn members(&self, unit: Unit) -> Vec<usize> {
        let pattern = unit.index as usize;
        match unit.space {
            Space::Pattern
                if pattern >= self.first_pattern() && pattern < self.behaviors.n_patterns() =>
            {
                vec![self.index(pattern)]
            }
            _ => self.events.members(unit),
        }
    }

    pub(super) fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        if unit.space != Space::Pattern {
            return self.events.info(unit, catalogue);
        }
        let pattern = unit.index as usize;
        let name = self.behaviors.pattern_name(pattern, catalogue);
        let (id, label) = match pattern {
            HABITS => (OF_USER.to_owned(), "how this user shops".to_owned()),
            _ => {
                let words = name.replace('+', " and ");
                let target = catalogue
                    .behaviors
                    .get(usize::from(self.behaviors.target()));
                let target = target.map_or("target", String::as_str);
                (
                    format!("{PATTERN}{name}"),
                    format!("record of this item after {words}, without {target} yet"),
                )
            }
        };
        UnitInfo {
            id,
            label: Some(label),
            space: unit.space,
            rule: None,
            confidence: None,
        }
    }

    pub(super) fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        if let Some(found) = self.events.find(text, catalogue) {
            return found;
        }
        if text == OF_USER && self.habits {
            return Ok(Self::pattern(HABITS));
        }
        let Some(names) = text.strip_prefix(PATTERN) else {
            return Err(self.unknown(text, catalogue));
        };
        let mut set = 0u8;
        for name in names.split('+') {
            let auxiliary = || {
                let of = self.behaviors.auxiliary();
                of.filter_map(|b| Some((b, catalogue.behaviors.get(usize::from(b))?.as_str())))
            };
            let Some((behavior, _)) = auxiliary().find(|(_, known)| *known == name) else {
                let known = auxiliary().map(|(_, name)| name);
                return Err(Error::unknown("behavior of a pattern", name, known));
            };
            if set >> behavior & 1 == 1 {
                return Err(Error::Parse {
                    what: "pattern",
                    text: text.to_owned(),
                    why: format!("'{name}' appears twice; name each behavior once"),
                });
            }
            set |= 1 << behavior;
        }
        Ok(Self::pattern(self.behaviors.pattern(set)))
    }

    fn unknown(&self, text: &str, catalogue: &Catalogue) -> Error {
        let patterns = (1..self.behaviors.n_patterns())
            .map(|p| format!("{PATTERN}{}", self.behaviors.pattern_name(p, catalogue)));
        let mut known: Vec<String> = patterns.collect();
        known.extend(self.habits.then(|| OF_USER.to_owned()));
        let several = match self.behaviors.len() {
            1 => "link:ITEM_ID or link:TITLE",
            _ => "link:ITEM or link:ITEM@BEHAVIOR",
        };
        Error::NoSuchUnit {
            unit: text.to_owned(),
            hint: match known.is_empty() {
                true => format!("its units are the items of the history: {several}"),
                false => format!("its units are {several}, {}", known.join(", ")),
            },
        }
    }

    /// The active units of a history: its events, and the patterns of its open pairs.
    pub(super) fn active(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let mut active = self.events.activate(user);
        let patterns = self.active_patterns(user).into_iter();
        active.extend(patterns.map(|pattern| (self.index(pattern) as u32, 1.0)));
        active
    }

    /// The patterns of the open pairs of a history, and its [`HABITS`].
    fn active_patterns(&self, user: History<'_>) -> Vec<usize> {
        let chain = self.behaviors.chain(user, self.n_items);
        let mut seen = 0u32;
        for (_, set) in chain {
            seen |= self.behaviors.open(set).map_or(0, |pattern| 1 << pattern);
        }
        if self.habits && seen != 0 {
            seen |= 1 << HABITS;
        }
        (self.first_pattern()..self.behaviors.n_patterns())
            .filter(|pattern| seen >> pattern & 1 == 1)
            .collect()
    }

    pub(super) fn activate(&self, users: &Histories) -> Activations {
        let rows = users.rows().map(|row| self.active(row));
        Csr::from_rows(rows, self.len())
            .unwrap_or_else(|_| unreachable!("active units are units of the model"))
    }

    /// What activations make of a history. A pattern is muted if the history has it and its activation is 0;
    /// one that only edited events give it is not.
    pub(super) fn edited(&self, user: History<'_>, activations: &[(u32, f32)]) -> Edited {
        let patterns = self.active_patterns(user).into_iter();
        let muted = patterns.filter(|&pattern| is_muted(activations, self.index(pattern) as u32));
        Edited {
            history: self.events.edited(user, activations.iter().copied()),
            muted: muted.fold(0, |muted, pattern| muted | 1 << pattern),
        }
    }

    /// As [`Units::touched`](limpid_core::Units::touched): the events on an item, and every pattern.
    pub(super) fn touched(&self, item: ItemIdx) -> Vec<usize> {
        let mut touched = self.events.members(Unit::event(item));
        touched.extend(self.events.len()..self.len());
        touched
    }
}

/// Implements [`Units`](limpid_core::Units) and [`Recommender`](limpid_core::Recommender) for a model of
/// chains that has `SCALE`, `units: ChainUnits`, `score_rows(&[(History, u32)]) -> Mat` (histories with the patterns that
/// are muted) and `ledger_of(History, u32, ItemIdx) -> Ledger`.
macro_rules! scores_by_chains {
    ($model:ty) => {
        impl limpid_core::Recommender for $model {
            fn score(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                let rows: Vec<_> = users.rows().map(|row| (row, 0)).collect();
                self.score_rows(&rows)
            }

            fn explain(
                &self,
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.ledger_of(user, 0, item)
            }

            fn units(&self) -> Option<&dyn limpid_core::Units> {
                Some(self)
            }

            fn scale(&self) -> limpid_core::Scale {
                <$model>::SCALE
            }
        }

        impl limpid_core::Units for $model {
            fn len(&self) -> usize {
                self.units.len()
            }

            fn unit(&self, index: usize) -> limpid_core::Unit {
                self.units.unit(index)
            }

            fn members(&self, unit: limpid_core::Unit) -> Vec<usize> {
                self.units.members(unit)
            }

            fn info(
                &self,
                unit: limpid_core::Unit,
                catalogue: &limpid_core::Catalogue,
            ) -> limpid_core::UnitInfo {
                self.units.info(unit, catalogue)
            }

            fn resolve(
                &self,
                text: &str,
                catalogue: &limpid_core::Catalogue,
            ) -> limpid_core::Result<limpid_core::Unit> {
                self.units.resolve(text, catalogue)
            }

            fn graded(&self) -> bool {
                false
            }

            fn activate(&self, users: &limpid_core::Histories) -> limpid_core::Activations {
                self.units.activate(users)
            }

            fn score_activations(
                &self,
                users: &limpid_core::Histories,
                activations: &limpid_core::Activations,
            ) -> limpid_core::Mat {
                let edited: Vec<_> = users
                    .rows()
                    .enumerate()
                    .map(|(u, row)| {
                        let (columns, values) = activations.row(u);
                        let pairs: Vec<(u32, f32)> = columns
                            .iter()
                            .copied()
                            .zip(values.iter().copied())
                            .collect();
                        self.units.edited(row, &pairs)
                    })
                    .collect();
                let rows: Vec<_> = users
                    .rows()
                    .zip(&edited)
                    .map(|(row, edited)| {
                        let history = edited.history.as_ref();
                        (
                            history.map_or(row, limpid_core::OwnedHistory::view),
                            edited.muted,
                        )
                    })
                    .collect();
                self.score_rows(&rows)
            }

            fn ledger(
                &self,
                user: limpid_core::History<'_>,
                activations: &[(u32, f32)],
                item: limpid_core::ItemIdx,
                _: limpid_core::Detail,
            ) -> limpid_core::Ledger {
                let edited = self.units.edited(user, activations);
                let history = edited.history.as_ref();
                let user = history.map_or(user, limpid_core::OwnedHistory::view);
                self.ledger_of(user, edited.muted, item)
            }

            fn touched(&self, item: limpid_core::ItemIdx) -> Option<Vec<usize>> {
                Some(self.units.touched(item))
            }
        }
    };
}

pub(crate) use scores_by_chains;
