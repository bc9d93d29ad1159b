//! One history, as a view.

use super::{Event, OwnedHistory};
use crate::{ItemIdx, UserIdx, hash};

/// One row: a view of a user's events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History<'a> {
    /// The user, if known.
    pub user: Option<UserIdx>,
    /// Items in time order.
    pub items: &'a [ItemIdx],
    /// Times, as long as `items`.
    pub times: Option<&'a [i64]>,
    /// Values, as long as `items`.
    pub values: Option<&'a [f32]>,
    /// Behaviors, as long as `items`.
    pub behaviors: Option<&'a [u8]>,
}

impl<'a> History<'a> {
    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The event at a position.
    #[must_use]
    pub fn event(&self, at: usize) -> Event {
        Event {
            item: self.items[at],
            time: self.times.map(|t| t[at]),
            value: self.values.map_or(1.0, |v| v[at]),
            behavior: self.behaviors.map_or(0, |b| b[at]),
        }
    }

    /// All events in order.
    pub fn events(self) -> impl ExactSizeIterator<Item = Event> + 'a {
        (0..self.len()).map(move |at| self.event(at))
    }

    /// The distinct items in ascending order, each with the largest of its values.
    #[must_use]
    pub fn item_values(&self) -> Vec<(ItemIdx, f32)> {
        let Some(values) = self.values else {
            let mut items = self.items.to_vec();
            items.sort_unstable();
            items.dedup();
            return items.into_iter().map(|i| (i, 1.0)).collect();
        };
        let items = self.items.iter().copied();
        let mut row: Vec<(ItemIdx, f32)> = items.zip(values.iter().copied()).collect();
        row.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        row.dedup_by_key(|e| e.0);
        row
    }

    /// The indices of the distinct items, ascending.
    #[must_use]
    pub fn distinct_items(&self) -> Vec<u32> {
        let mut items: Vec<u32> = self.items.iter().map(|i| i.0).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    /// The events on one item.
    pub fn events_of(self, item: ItemIdx) -> impl Iterator<Item = Event> + 'a {
        self.events().filter(move |e| e.item == item)
    }

    /// The same events, sorted once for many lookups by item.
    #[must_use]
    pub fn by_item(self) -> EventsByItem<'a> {
        let places = self.items.iter().enumerate();
        let mut keys: Vec<(ItemIdx, u32)> = places.map(|(at, &i)| (i, at as u32)).collect();
        // Integer keys compare without a branch.
        keys.sort_unstable_by_key(|&(item, at)| u64::from(item.0) << 32 | u64::from(at));
        EventsByItem {
            history: self,
            keys,
        }
    }

    /// Whether it has an event on the item.
    #[must_use]
    pub fn contains(&self, item: ItemIdx) -> bool {
        self.items.contains(&item)
    }

    /// A hash of the row, to detect whether a model was trained on it.
    #[must_use]
    pub fn hash(&self) -> u64 {
        hash::row(self.items.iter().map(|i| i.0))
    }

    /// A copy that can be edited.
    #[must_use]
    pub fn to_owned(&self) -> OwnedHistory {
        OwnedHistory {
            user: self.user,
            items: self.items.to_vec(),
            times: self.times.map(<[i64]>::to_vec),
            values: self.values.map(<[f32]>::to_vec),
            behaviors: self.behaviors.map(<[u8]>::to_vec),
        }
    }
}

/// The events of a history by item: one binary search per lookup.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsByItem<'a> {
    history: History<'a>,
    /// Items with the positions of their events, ascending.
    keys: Vec<(ItemIdx, u32)>,
}

impl EventsByItem<'_> {
    fn keys_of(&self, item: ItemIdx) -> &[(ItemIdx, u32)] {
        let start = self.keys.partition_point(|k| k.0 < item);
        let n = self.keys[start..]
            .iter()
            .take_while(|k| k.0 == item)
            .count();
        &self.keys[start..start + n]
    }

    /// The events on one item, in order.
    pub fn of(&self, item: ItemIdx) -> impl Iterator<Item = Event> {
        let keys = self.keys_of(item).iter();
        keys.map(|&(_, at)| self.history.event(at as usize))
    }

    /// Whether the history has an event on the item.
    #[must_use]
    pub fn has(&self, item: ItemIdx) -> bool {
        !self.keys_of(item).is_empty()
    }
}
