//! Histories: what users did, row by row, in time order.

use crate::{Csr, Error, ItemIdx, Result, Tensors, UserIdx, hash};

/// One thing a user did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// The item.
    pub item: ItemIdx,
    /// Seconds since 1970, where the source has times.
    pub time: Option<i64>,
    /// Rating or weight; 1 for implicit feedback.
    pub value: f32,
    /// Index of the behavior (view, cart, buy …) in the catalogue; 0 where there is one only.
    pub behavior: u8,
}

impl Event {
    /// An event of implicit feedback without a time.
    #[must_use]
    pub fn of(item: ItemIdx) -> Self {
        Self {
            item,
            time: None,
            value: 1.0,
            behavior: 0,
        }
    }
}

/// Rows of one user each, events in time order (file order where there is no time).
///
/// Built once and checked then, so that models, which receive it, cannot fail on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Histories {
    offsets: Vec<usize>,
    items: Vec<ItemIdx>,
    times: Option<Vec<i64>>,
    values: Option<Vec<f32>>,
    behaviors: Option<Vec<u8>>,
    users: Vec<Option<UserIdx>>,
    n_items: usize,
}

/// The arrays of [`Histories`], before they are checked. Optional arrays are `(events)` long.
#[derive(Debug, Clone, Default)]
pub struct HistoryArrays {
    /// Row offsets `(rows + 1)`.
    pub offsets: Vec<usize>,
    /// Items `(events)`.
    pub items: Vec<ItemIdx>,
    /// Times in seconds since 1970.
    pub times: Option<Vec<i64>>,
    /// Ratings or weights; `None` is implicit feedback, where each event counts 1.
    pub values: Option<Vec<f32>>,
    /// Behavior indices.
    pub behaviors: Option<Vec<u8>>,
    /// The user of each row `(rows)`, where known.
    pub users: Vec<Option<UserIdx>>,
    /// Number of items of the catalogue.
    pub n_items: usize,
}

impl Histories {
    /// Checks the arrays and takes them.
    ///
    /// # Errors
    /// [`Error::Shape`] where lengths disagree; [`Error::Range`] where an item is not of the
    /// catalogue, a value is not finite, offsets fall, or times within a row fall.
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

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no row.
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

    /// Times of all events, where the source has them.
    #[must_use]
    pub fn times(&self) -> Option<&[i64]> {
        self.times.as_deref()
    }

    /// Values of all events; `None` for implicit feedback.
    #[must_use]
    pub fn values(&self) -> Option<&[f32]> {
        self.values.as_deref()
    }

    /// Behaviors of all events; `None` where there is one only.
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

    /// Rows `start..end` as histories of their own.
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

    /// The user × item matrix `(rows, items)`; an item that appears twice in a row counts with the
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

    /// Number of rows in which each item stands `(items)`.
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

/// The index that stands for an unknown user on disk.
const NOBODY: u32 = u32::MAX;

impl Histories {
    /// Writes them down under a name.
    pub fn save(&self, name: &str, out: &mut Tensors) {
        let offsets: Vec<i64> = self.offsets.iter().map(|&o| o as i64).collect();
        out.put_i64(&format!("{name}.offsets"), &[offsets.len()], offsets);
        let items: Vec<u32> = self.items.iter().map(|i| i.0).collect();
        out.put_u32(&format!("{name}.items"), &[items.len()], items);
        let users: Vec<u32> = self
            .users
            .iter()
            .map(|u| u.map_or(NOBODY, |u| u.0))
            .collect();
        out.put_u32(&format!("{name}.users"), &[users.len()], users);
        if let Some(times) = &self.times {
            out.put_i64(&format!("{name}.times"), &[times.len()], times.clone());
        }
        if let Some(values) = &self.values {
            out.put_f32(&format!("{name}.values"), &[values.len()], values.clone());
        }
        if let Some(behaviors) = &self.behaviors {
            out.put_u8(
                &format!("{name}.behaviors"),
                &[behaviors.len()],
                behaviors.clone(),
            );
        }
    }

    /// Reads them again, for a catalogue of `n_items`.
    ///
    /// # Errors
    /// [`Error::Tensor`] where an array is missing, and as [`Histories::new`].
    pub fn load(name: &str, from: &Tensors, n_items: usize) -> Result<Self> {
        let key = |part: &str| format!("{name}.{part}");
        let offsets = from
            .i64(&key("offsets"))?
            .1
            .iter()
            .map(|&o| usize::try_from(o))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|_| Error::range("history offsets", "0 or more", "negative"))?;
        let users = from.u32(&key("users"))?.1;
        let times = key("times");
        let values = key("values");
        let behaviors = key("behaviors");
        Self::new(HistoryArrays {
            offsets,
            items: from
                .u32(&key("items"))?
                .1
                .iter()
                .map(|&i| ItemIdx(i))
                .collect(),
            users: users
                .iter()
                .map(|&u| (u != NOBODY).then_some(UserIdx(u)))
                .collect(),
            times: match from.has(&times) {
                true => Some(from.i64(&times)?.1.to_vec()),
                false => None,
            },
            values: match from.has(&values) {
                true => Some(from.f32(&values)?.1.to_vec()),
                false => None,
            },
            behaviors: match from.has(&behaviors) {
                true => Some(from.u8(&behaviors)?.1.to_vec()),
                false => None,
            },
            n_items,
        })
    }
}

/// One row: a view of a user's events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History<'a> {
    /// The user, where known.
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

    /// Whether there is no event.
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

    /// The events that concern one item.
    pub fn events_of(self, item: ItemIdx) -> impl Iterator<Item = Event> + 'a {
        self.events().filter(move |e| e.item == item)
    }

    /// The same events, sorted once for many questions about items.
    #[must_use]
    pub fn by_item(self) -> EventsByItem<'a> {
        let places = self.items.iter().enumerate();
        let mut keys: Vec<(ItemIdx, u32)> = places.map(|(at, &i)| (i, at as u32)).collect();
        // Keys of one whole number compare without a branch.
        keys.sort_unstable_by_key(|&(item, at)| u64::from(item.0) << 32 | u64::from(at));
        EventsByItem {
            history: self,
            keys,
        }
    }

    /// Whether the item stands in it.
    #[must_use]
    pub fn contains(&self, item: ItemIdx) -> bool {
        self.items.contains(&item)
    }

    /// A hash of the row, to tell whether it is the one a model was trained on.
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

/// The events of a history by item: one search by halves for each question, however long the history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsByItem<'a> {
    history: History<'a>,
    /// Items with the places of their events, ascending.
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

    /// The events that concern one item, in their order.
    pub fn of(&self, item: ItemIdx) -> impl Iterator<Item = Event> {
        let keys = self.keys_of(item).iter();
        keys.map(|&(_, at)| self.history.event(at as usize))
    }

    /// Whether the item stands in the history.
    #[must_use]
    pub fn has(&self, item: ItemIdx) -> bool {
        !self.keys_of(item).is_empty()
    }
}

/// One row that can be edited: the subject of a counterfactual.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnedHistory {
    user: Option<UserIdx>,
    items: Vec<ItemIdx>,
    times: Option<Vec<i64>>,
    values: Option<Vec<f32>>,
    behaviors: Option<Vec<u8>>,
}

impl OwnedHistory {
    /// A history of implicit feedback, of nobody in particular.
    #[must_use]
    pub fn of_items(items: Vec<ItemIdx>) -> Self {
        Self {
            items,
            ..Self::default()
        }
    }

    /// A history from events. Times are kept if every event has one (and are sorted then), values
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

    /// The view of it.
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

    /// The same events of nobody in particular: models that learn a vector per user fold it in, so
    /// that it can be compared with edited copies of it.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.user = None;
        self
    }

    /// Removes every event of an item; returns how many there were.
    ///
    /// The row is nobody's training row afterwards, so the user is forgotten: models that learn a
    /// vector per user fold it in.
    pub fn remove(&mut self, item: ItemIdx) -> usize {
        let keep: Vec<bool> = self.items.iter().map(|&i| i != item).collect();
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

    /// Adds an event of an item at the end: one second after the last, with the given behavior and
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

/// The lower median; 1 for no values.
fn median(values: &[f32]) -> f32 {
    if values.is_empty() {
        return 1.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rated() -> Histories {
        Histories::new(HistoryArrays {
            offsets: vec![0, 3, 3],
            items: vec![ItemIdx(2), ItemIdx(0), ItemIdx(2)],
            times: Some(vec![10, 20, 30]),
            values: Some(vec![4.0, 1.0, 5.0]),
            behaviors: None,
            users: vec![Some(UserIdx(0)), Some(UserIdx(1))],
            n_items: 3,
        })
        .unwrap()
    }

    #[test]
    fn refuses_what_a_model_could_not_read() {
        let good = HistoryArrays {
            offsets: vec![0, 1],
            items: vec![ItemIdx(0)],
            users: vec![None],
            n_items: 1,
            ..HistoryArrays::default()
        };
        assert!(Histories::new(good.clone()).is_ok());
        for bad in [
            HistoryArrays {
                n_items: 0,
                ..good.clone()
            },
            HistoryArrays {
                users: vec![],
                ..good.clone()
            },
            HistoryArrays {
                offsets: vec![0, 2],
                ..good.clone()
            },
            HistoryArrays {
                offsets: vec![],
                ..good.clone()
            },
            HistoryArrays {
                values: Some(vec![f32::INFINITY]),
                ..good.clone()
            },
            HistoryArrays {
                times: Some(vec![]),
                ..good.clone()
            },
        ] {
            assert!(Histories::new(bad).is_err());
        }
        let falling = HistoryArrays {
            offsets: vec![0, 2],
            items: vec![ItemIdx(0); 2],
            times: Some(vec![2, 1]),
            ..good
        };
        assert!(Histories::new(falling).is_err());
    }

    #[test]
    fn repeated_items_count_once_with_their_largest_value() {
        let h = rated();
        assert_eq!(
            h.row(0).item_values(),
            vec![(ItemIdx(0), 1.0), (ItemIdx(2), 5.0)]
        );
        assert_eq!(h.item_counts(), vec![1, 0, 1]);
        let csr = h.to_csr();
        assert_eq!(csr.row(0), (&[0, 2][..], &[1.0, 5.0][..]));
        assert_eq!(csr.row(1), (&[][..], &[][..]));
    }

    #[test]
    fn edits_follow_the_rule_for_added_events() {
        let h = rated();
        let mut row = h.row(0).to_owned();
        row.add(ItemIdx(1), 0);
        let last = row.view().event(3);
        assert_eq!((last.time, last.value), (Some(31), 4.0));
        assert_eq!(row.view().user, None);
        assert_eq!(row.remove(ItemIdx(2)), 2);
        assert_eq!(row.view().items, &[ItemIdx(0), ItemIdx(1)]);
        let back = Histories::from_histories([row.view(), h.row(1)], 3).unwrap();
        assert_eq!(back.row(0), row.view());
        assert_eq!(back.len(), 2);
    }

    #[test]
    fn saved_and_loaded_they_are_the_same() {
        let h = rated();
        let mut t = Tensors::new();
        h.save("train", &mut t);
        assert_eq!(Histories::load("train", &t, 3).unwrap(), h);
        assert!(Histories::load("train", &t, 2).is_err());
        assert!(Histories::load("test", &t, 3).is_err());
    }

    #[test]
    fn slices_are_rows() {
        let h = rated();
        assert_eq!(h.slice(0, 1).row(0), h.row(0));
        assert_eq!(h.slice(1, 2).n_events(), 0);
        assert_eq!(h.slice(0, 2), h);
    }
}
