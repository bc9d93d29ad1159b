//! The table of histories, checked when it is built.

use super::{Event, History, OwnedHistory};
use crate::{Csr, Error, ItemIdx, Result, UserIdx};

/// One row per user, events in time order (file order if there are no times).
///
/// Checked at construction, so that models cannot fail on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Histories {
    pub(super) offsets: Vec<usize>,
    pub(super) items: Vec<ItemIdx>,
    pub(super) times: Option<Vec<i64>>,
    pub(super) values: Option<Vec<f32>>,
    pub(super) behaviors: Option<Vec<u8>>,
    pub(super) users: Vec<Option<UserIdx>>,
    pub(super) n_items: usize,
}

/// The arrays of [`Histories`], not yet checked. Optional arrays have the length `(events)`.
#[derive(Debug, Clone, Default)]
pub struct HistoryArrays {
    /// Row offsets `(rows + 1)`.
    pub offsets: Vec<usize>,
    /// Items `(events)`.
    pub items: Vec<ItemIdx>,
    /// Unix times in seconds.
    pub times: Option<Vec<i64>>,
    /// Ratings or weights; `None` for implicit feedback, where each event counts 1.
    pub values: Option<Vec<f32>>,
    /// Behavior indices.
    pub behaviors: Option<Vec<u8>>,
    /// The user of each row `(rows)`, if known.
    pub users: Vec<Option<UserIdx>>,
    /// Number of items of the catalogue.
    pub n_items: usize,
}

impl Histories {
    /// Checks the arrays and takes ownership.
    ///
    /// # Errors
    /// [`Error::Shape`] if lengths disagree; [`Error::Range`] if an item is not in the
    /// catalogue, a value is not finite, or offsets or times within a row decrease.
    pub fn new(a: HistoryArrays) -> Result<Self> {
        let n = a.items.len();
        if a.offsets.first() != Some(&0) || a.offsets.last() != Some(&n) {
            return Err(Error::shape(
                "history offsets",
                format!("0 ..= {n}"),
                format!("{:?} ..= {:?}", a.offsets.first(), a.offsets.last()),
            ));
        }
        if let Some(w) = a.offsets.windows(2).find(|w| w[0] > w[1]) {
            return Err(Error::range(
                "history offsets",
                "ascending",
                format!("{w:?}"),
            ));
        }
        let rows = a.offsets.len() - 1;
        if a.users.len() != rows {
            return Err(Error::shape("users of histories", rows, a.users.len()));
        }
        for (name, len) in [
            ("times", a.times.as_ref().map(Vec::len)),
            ("values", a.values.as_ref().map(Vec::len)),
            ("behaviors", a.behaviors.as_ref().map(Vec::len)),
        ] {
            if let Some(len) = len.filter(|&l| l != n) {
                return Err(Error::shape(format!("{name} of histories"), n, len));
            }
        }
        if let Some(bad) = a.items.iter().find(|i| i.at() >= a.n_items) {
            return Err(Error::range(
                "an item index",
                format!("below {}", a.n_items),
                bad.0,
            ));
        }
        if let Some(bad) = a.values.iter().flatten().find(|v| !v.is_finite()) {
            return Err(Error::range("the value of an event", "finite", bad));
        }
        if let Some(times) = &a.times {
            for row in a.offsets.windows(2) {
                if times[row[0]..row[1]].windows(2).any(|w| w[0] > w[1]) {
                    return Err(Error::range("times within a history", "ascending", "not"));
                }
            }
        }
        Ok(Self {
            offsets: a.offsets,
            items: a.items,
            times: a.times,
            values: a.values,
            behaviors: a.behaviors,
            users: a.users,
            n_items: a.n_items,
        })
    }

    /// Histories of implicit feedback from rows of items; row `r` is user `r`.
    ///
    /// # Errors
    /// As [`Histories::new`].
    pub fn from_rows(rows: &[Vec<u32>], n_items: usize) -> Result<Self> {
        let mut offsets = vec![0];
        let mut items = Vec::new();
        for row in rows {
            items.extend(row.iter().map(|&i| ItemIdx(i)));
            offsets.push(items.len());
        }
        Self::new(HistoryArrays {
            offsets,
            items,
            users: (0..rows.len()).map(|u| Some(UserIdx(u as u32))).collect(),
            n_items,
            ..HistoryArrays::default()
        })
    }

    /// One history from views or owned rows; the user of each is kept.
    ///
    /// Times are kept only if every event has one, values unless all are 1 and no row has values.
    ///
    /// # Errors
    /// As [`Histories::new`].
    pub fn from_histories<'a>(
        rows: impl IntoIterator<Item = History<'a>>,
        n_items: usize,
    ) -> Result<Self> {
        let mut a = HistoryArrays {
            offsets: vec![0],
            n_items,
            ..HistoryArrays::default()
        };
        let (mut times, mut values, mut behaviors) = (Vec::new(), Vec::new(), Vec::new());
        let (mut all_times, mut any_values, mut any_behaviors) = (true, false, false);
        for row in rows {
            all_times &= row.times.is_some() || row.is_empty();
            any_values |= row.values.is_some();
            any_behaviors |= row.behaviors.is_some();
            for e in row.events() {
                a.items.push(e.item);
                times.push(e.time.unwrap_or(0));
                values.push(e.value);
                behaviors.push(e.behavior);
            }
            a.offsets.push(a.items.len());
            a.users.push(row.user);
        }
        a.times = all_times.then_some(times);
        a.values = any_values.then_some(values);
        a.behaviors = any_behaviors.then_some(behaviors);
        Self::new(a)
    }

    /// One row. Invalid events (items that are not in the catalogue, values that
    /// are not finite) are dropped.
    #[must_use]
    pub fn single(row: History<'_>, n_items: usize) -> Self {
        Self::from_histories([row], n_items).unwrap_or_else(|_| {
            let valid = |e: &Event| e.item.at() < n_items && e.value.is_finite();
            let events = row.events().filter(valid).collect();
            let row = OwnedHistory::of_events(row.user, events);
            Self::from_histories([row.view()], n_items)
                .unwrap_or_else(|_| unreachable!("valid events make a valid history"))
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Number of items of the catalogue, with and without events.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Number of events.
    #[must_use]
    pub fn n_events(&self) -> usize {
        self.items.len()
    }

    /// Row offsets `(rows + 1)`.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Items of all events `(events)`.
    #[must_use]
    pub fn items(&self) -> &[ItemIdx] {
        &self.items
    }

    /// Times of all events, if the source has them.
    #[must_use]
    pub fn times(&self) -> Option<&[i64]> {
        self.times.as_deref()
    }

    /// Values of all events; `None` for implicit feedback.
    #[must_use]
    pub fn values(&self) -> Option<&[f32]> {
        self.values.as_deref()
    }

    /// Behaviors of all events; `None` if there is only one.
    #[must_use]
    pub fn behaviors(&self) -> Option<&[u8]> {
        self.behaviors.as_deref()
    }

    /// The user of each row.
    #[must_use]
    pub fn users(&self) -> &[Option<UserIdx>] {
        &self.users
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> History<'_> {
        let range = self.offsets[row]..self.offsets[row + 1];
        History {
            user: self.users[row],
            items: &self.items[range.clone()],
            times: self.times.as_ref().map(|t| &t[range.clone()]),
            values: self.values.as_ref().map(|v| &v[range.clone()]),
            behaviors: self.behaviors.as_ref().map(|b| &b[range]),
        }
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = History<'_>> {
        (0..self.len()).map(|r| self.row(r))
    }

    /// Rows `start..end` as new histories.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let range = self.offsets[start]..self.offsets[end];
        Self {
            offsets: self.offsets[start..=end]
                .iter()
                .map(|o| o - range.start)
                .collect(),
            items: self.items[range.clone()].to_vec(),
            times: self.times.as_ref().map(|t| t[range.clone()].to_vec()),
            values: self.values.as_ref().map(|v| v[range.clone()].to_vec()),
            behaviors: self.behaviors.as_ref().map(|b| b[range].to_vec()),
            users: self.users[start..end].to_vec(),
            n_items: self.n_items,
        }
    }

    /// The user × item matrix `(rows, items)`; an item that appears twice in a row has the
    /// largest of its values.
    #[must_use]
    pub fn to_csr(&self) -> Csr {
        let mut offsets = vec![0];
        let mut columns = Vec::with_capacity(self.n_events());
        let mut values = Vec::with_capacity(self.n_events());
        for row in self.rows() {
            for (item, value) in row.item_values() {
                columns.push(item.0);
                values.push(value);
            }
            offsets.push(columns.len());
        }
        // The rows were checked when `self` was built and `item_values` sorts them.
        Csr::new(offsets, columns, values, self.n_items)
            .unwrap_or_else(|_| unreachable!("checked histories give a valid matrix"))
    }

    /// The user × item matrix `(rows, items)` of one behavior; of all events if there is only one.
    #[must_use]
    pub fn to_csr_of(&self, behavior: u8) -> Csr {
        let rows = self.rows().map(|row| {
            let events = row.events().filter(|e| e.behavior == behavior);
            OwnedHistory::of_events(row.user, events.collect())
        });
        let rows: Vec<OwnedHistory> = rows.collect();
        Self::from_histories(rows.iter().map(OwnedHistory::view), self.n_items)
            .unwrap_or_else(|_| unreachable!("a subset of checked events is valid"))
            .to_csr()
    }

    /// Number of rows that have each item `(items)`.
    #[must_use]
    pub fn item_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.n_items];
        for row in self.rows() {
            for (item, _) in row.item_values() {
                counts[item.at()] += 1;
            }
        }
        counts
    }
}
