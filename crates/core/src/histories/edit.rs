//! One history that can be edited, for counterfactuals.

use super::{Event, History};
use crate::quantile::nearest_rank;
use crate::{ItemIdx, UserIdx};

/// One row that can be edited, for counterfactuals.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnedHistory {
    pub(super) user: Option<UserIdx>,
    pub(super) items: Vec<ItemIdx>,
    pub(super) times: Option<Vec<i64>>,
    pub(super) values: Option<Vec<f32>>,
    pub(super) behaviors: Option<Vec<u8>>,
}

impl OwnedHistory {
    /// A history of implicit feedback, without a user.
    #[must_use]
    pub fn of_items(items: Vec<ItemIdx>) -> Self {
        Self {
            items,
            ..Self::default()
        }
    }

    /// A history from events. Times are kept if every event has one (and events are sorted then), values
    /// if one differs from 1, behaviors if one differs from 0.
    #[must_use]
    pub fn of_events(user: Option<UserIdx>, mut events: Vec<Event>) -> Self {
        let timed = !events.is_empty() && events.iter().all(|e| e.time.is_some());
        if timed {
            events.sort_by_key(|e| e.time);
        }
        Self {
            user,
            items: events.iter().map(|e| e.item).collect(),
            times: timed.then(|| events.iter().map(|e| e.time.unwrap_or(0)).collect()),
            values: events
                .iter()
                .any(|e| e.value != 1.0)
                .then(|| events.iter().map(|e| e.value).collect()),
            behaviors: events
                .iter()
                .any(|e| e.behavior != 0)
                .then(|| events.iter().map(|e| e.behavior).collect()),
        }
    }

    /// A view of it.
    #[must_use]
    pub fn view(&self) -> History<'_> {
        History {
            user: self.user,
            items: &self.items,
            times: self.times.as_deref(),
            values: self.values.as_deref(),
            behaviors: self.behaviors.as_deref(),
        }
    }

    /// The same events without a user: models that learn a vector per user fold it in, so
    /// that it can be compared with edited copies of it.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.user = None;
        self
    }

    /// Removes every event of an item; returns how many there were.
    ///
    /// The row is no training row afterwards, so the user is removed: models that learn a
    /// vector per user fold it in.
    pub fn remove(&mut self, item: ItemIdx) -> usize {
        self.retain(|e| e.item != item)
    }

    /// Removes the events of one behavior on an item; returns how many there were. The user is removed as by
    /// [`remove`](Self::remove).
    pub fn remove_of(&mut self, item: ItemIdx, behavior: u8) -> usize {
        self.retain(|e| e.item != item || e.behavior != behavior)
    }

    /// Keeps the events that `keep`; returns how many are removed.
    fn retain(&mut self, keep: impl Fn(Event) -> bool) -> usize {
        let keep: Vec<bool> = self.view().events().map(keep).collect();
        let before = self.items.len();
        retain(&mut self.items, &keep);
        if let Some(t) = &mut self.times {
            retain(t, &keep);
        }
        if let Some(v) = &mut self.values {
            retain(v, &keep);
        }
        if let Some(b) = &mut self.behaviors {
            retain(b, &keep);
        }
        let removed = before - self.items.len();
        if removed > 0 {
            self.user = None;
        }
        removed
    }

    /// Appends an event on an item: one second after the last, with the given behavior and
    /// the median of the user's values.
    pub fn add(&mut self, item: ItemIdx, behavior: u8) {
        self.items.push(item);
        if let Some(t) = &mut self.times {
            let next = t.last().map_or(0, |t| t.saturating_add(1));
            t.push(next);
        }
        if let Some(v) = &mut self.values {
            let median = median(v);
            v.push(median);
        }
        if let Some(b) = &mut self.behaviors {
            b.push(behavior);
        } else if behavior != 0 {
            let mut b = vec![0; self.items.len() - 1];
            b.push(behavior);
            self.behaviors = Some(b);
        }
        self.user = None;
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut at = 0;
    values.retain(|_| {
        at += 1;
        keep[at - 1]
    });
}

/// The lower median; 1 without values.
fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    nearest_rank(&sorted, 0.5).unwrap_or(1.0)
}
