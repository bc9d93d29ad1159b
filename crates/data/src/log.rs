//! A log: every event of a data set in file order, with its item metadata.

use limpid_core::{Csr, Field, Ids, ItemIdx};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::sampling::Sampler;

/// The seed of the shuffle that every reader applies, fixed: item indices are a function
/// of the set of external ids alone.
pub const IMPORT_SEED: u64 = 0x6c69_6d70_6964;

/// Every event of a data set, column by column, in file order.
///
/// Item indices are assigned by a seeded shuffle of the external ids (see [`Log::shuffle_items`]),
/// user indices in order of first appearance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// What the data set is called (the folder or file it came from).
    pub name: String,
    /// External user ids.
    pub users: Ids,
    /// External item ids: those with events, then those with metadata only, shuffled together.
    pub items: Ids,
    /// User of each event `(events)`.
    pub user: Vec<u32>,
    /// Item of each event `(events)`.
    pub item: Vec<u32>,
    /// Rating or weight of each event, where the source has one.
    pub value: Option<Vec<f32>>,
    /// Time of each event in seconds since 1970, where the source has one.
    pub time: Option<Vec<i64>>,
    /// Behavior of each event, where there are several.
    pub behavior: Option<Vec<u8>>,
    /// Names of the behaviors in the order of their chain (view, cart, buy); one at least.
    pub behaviors: Vec<String>,
    /// Index of the target behavior, the one to recommend for.
    pub target_behavior: u8,
    /// The subset of each event, where the data set comes with a split.
    pub given: Option<Vec<GivenSubset>>,
    /// Titles by item index; empty where the source has none.
    pub titles: Vec<String>,
    /// Item metadata; `of_items` has a row per item.
    pub fields: Vec<Field>,
    /// What was read and what was left out.
    pub report: ReadReport,
    /// [`Log::hash`] before the first filter, once a filter was applied.
    pub read_hash: Option<String>,
}

/// A subset of a given split.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GivenSubset {
    /// For training.
    Train,
    /// For choosing settings.
    Validation,
    /// For measuring.
    Test,
}

/// What was read and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReadReport {
    /// The format: `MovieLens 1M`.
    pub format: String,
    /// The files that were read.
    pub files: Vec<String>,
    /// Records with an event, before duplicates were merged (each item of an adjacency line is one).
    pub rows: usize,
    /// Malformed lines that were skipped, by reason.
    pub skipped: Vec<(String, usize)>,
    /// Duplicate events (same user, item and behavior) that were merged or dropped.
    pub duplicates: usize,
    /// The columns that were read, where the data set has named ones.
    #[serde(default)]
    pub columns: Vec<ReadColumn>,
    /// Names of columns that were not read.
    #[serde(default)]
    pub unused_columns: Vec<String>,
    /// Names of the splits that the data set comes with, where there are several and none was read.
    #[serde(default)]
    pub given_splits: Vec<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// A column that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReadColumn {
    /// Its meaning: `user`, `item`, `value`, `time` or `behavior`.
    pub meaning: String,
    /// Its name in the data.
    pub name: String,
}

impl Log {
    /// Number of events.
    #[must_use]
    pub fn n_events(&self) -> usize {
        self.item.len()
    }

    /// Assigns the item indices anew: external ids are sorted by their bytes, then shuffled
    /// (Fisher–Yates, ChaCha8 keyed by `seed`), so that neither the order of lines nor that of ids
    /// can leak into a ranking or a metric. Events, titles and fields follow.
    ///
    /// # Errors
    /// Where the log was built by hand and its arrays do not fit its items.
    pub fn shuffle_items(&mut self, seed: u64) -> Result<()> {
        let order = shuffled(self.items.names(), seed);
        let mut place = vec![0u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        for item in &mut self.item {
            *item = *place.get(*item as usize).ok_or_else(|| {
                limpid_core::Error::range(
                    "an item index of the log",
                    format!("below {}", order.len()),
                    *item,
                )
            })?;
        }
        self.items = Ids::from_names(
            order
                .iter()
                .map(|&old| self.items.name(old).to_owned())
                .collect(),
        )?;
        if !self.titles.is_empty() {
            self.titles = order
                .iter()
                .map(|&old| self.titles.get(old as usize).cloned().unwrap_or_default())
                .collect();
        }
        for field in &mut self.fields {
            let rows = order.iter().map(|&old| field.row(ItemIdx(old)).collect());
            field.of_items = Csr::from_rows(rows, field.of_items.n_columns())?;
        }
        Ok(())
    }

    /// The events of these users on these items, whose indices are those of `users` and `items`; some may have no
    /// event. Returns the number of events that were left out.
    ///
    /// # Errors
    /// Where the log was built by hand and its arrays do not fit each other.
    pub fn restricted(self, users: Ids, items: Ids) -> Result<(Self, usize)> {
        crate::check::check(&self)?;
        let place = |own: &Ids, of: &Ids| -> Vec<Option<u32>> {
            own.names().iter().map(|id| of.get(id)).collect()
        };
        let (user_place, item_place) = (place(&self.users, &users), place(&self.items, &items));
        let kept: Vec<(usize, u32, u32)> = self
            .user
            .iter()
            .zip(&self.item)
            .enumerate()
            .filter_map(|(event, (&user, &item))| {
                Some((
                    event,
                    user_place[user as usize]?,
                    item_place[item as usize]?,
                ))
            })
            .collect();
        let left_out = self.user.len() - kept.len();
        fn chosen<T: Copy>(values: &[T], kept: &[(usize, u32, u32)]) -> Vec<T> {
            kept.iter().map(|&(event, ..)| values[event]).collect()
        }
        let former: Vec<Option<u32>> = place(&items, &self.items);
        let titles = match self.titles.is_empty() {
            true => Vec::new(),
            false => former
                .iter()
                .map(|old| {
                    let title = old.and_then(|old| self.titles.get(old as usize));
                    title.cloned().unwrap_or_default()
                })
                .collect(),
        };
        let fields = self.fields.iter().map(|field| {
            let rows = former.iter().map(|&old| match old {
                None => Vec::new(),
                Some(old) => field.row(ItemIdx(old)).collect(),
            });
            Ok(Field {
                of_items: Csr::from_rows(rows, field.values.len())?,
                ..field.clone()
            })
        });
        let fields = fields.collect::<Result<Vec<Field>>>()?;
        let log = Self {
            user: kept.iter().map(|&(_, user, _)| user).collect(),
            item: kept.iter().map(|&(.., item)| item).collect(),
            value: self.value.as_ref().map(|v| chosen(v, &kept)),
            time: self.time.as_ref().map(|t| chosen(t, &kept)),
            behavior: self.behavior.as_ref().map(|b| chosen(b, &kept)),
            given: self.given.as_ref().map(|g| chosen(g, &kept)),
            read_hash: Some(self.data_hash()),
            titles,
            fields,
            users,
            items,
            ..self
        };
        Ok((log, left_out))
    }

    /// The positions of the events of each user in the order of a history: by time where there are
    /// times, by file order where there are none or times are equal. `(users)` rows.
    #[must_use]
    pub fn by_user(&self) -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::new(); self.users.len()];
        for (event, &user) in self.user.iter().enumerate() {
            if let Some(row) = rows.get_mut(user as usize) {
                row.push(event as u32);
            }
        }
        if let Some(time) = &self.time {
            for row in &mut rows {
                row.sort_by_key(|&event| time[event as usize]);
            }
        }
        rows
    }

    /// The hash of the log as it was read, before filters: what identifies the data of a model.
    #[must_use]
    pub fn data_hash(&self) -> String {
        self.read_hash.clone().unwrap_or_else(|| self.hash())
    }

    /// A BLAKE3 hash (64 hexadecimal digits) of what a model can see: the external ids, and the
    /// events of each user in the order of a history. It does not change with item indices, with
    /// the order of users in a file, nor with titles and metadata.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"limpid log 1\n");
        let (users, _) = sorted(self.users.names());
        let (items, item_rank) = sorted(self.items.names());
        for (ids, order) in [(&self.users, &users), (&self.items, &items)] {
            hasher.update(&(order.len() as u64).to_le_bytes());
            for &i in order.iter() {
                hash_text(&mut hasher, ids.name(i));
            }
        }
        hasher.update(&(self.behaviors.len() as u64).to_le_bytes());
        for behavior in &self.behaviors {
            hash_text(&mut hasher, behavior);
        }
        hasher.update(&[
            self.target_behavior,
            u8::from(self.value.is_some()),
            u8::from(self.time.is_some()),
            u8::from(self.behavior.is_some()),
            u8::from(self.given.is_some()),
        ]);
        let rows = self.by_user();
        let mut bytes = Vec::new();
        for &user in &users {
            let row = &rows[user as usize];
            bytes.clear();
            bytes.extend_from_slice(&(row.len() as u64).to_le_bytes());
            for &event in row {
                let event = event as usize;
                let rank = item_rank.get(self.item[event] as usize).copied();
                bytes.extend_from_slice(&rank.unwrap_or(u32::MAX).to_le_bytes());
                if let Some(value) = &self.value {
                    bytes.extend_from_slice(&value[event].to_bits().to_le_bytes());
                }
                if let Some(time) = &self.time {
                    bytes.extend_from_slice(&time[event].to_le_bytes());
                }
                if let Some(behavior) = &self.behavior {
                    bytes.push(behavior[event]);
                }
                if let Some(given) = &self.given {
                    bytes.push(given[event] as u8);
                }
            }
            hasher.update(&bytes);
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Writes a text so that two texts in a row cannot be mistaken for another two.
fn hash_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// The indices in the order of their names, and the rank of each index.
pub(crate) fn sorted(names: &[String]) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<u32> = (0..names.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| names[a as usize].cmp(&names[b as usize]));
    let mut rank = vec![0; order.len()];
    for (r, &i) in order.iter().enumerate() {
        rank[i as usize] = r as u32;
    }
    (order, rank)
}

/// The old index at each new index: sorted by name, then shuffled by `seed`.
pub(crate) fn shuffled(names: &[String], seed: u64) -> Vec<u32> {
    let (mut order, _) = sorted(names);
    Sampler::new(seed, 0).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        let ids = |names: &[&str]| {
            Ids::from_names(names.iter().map(|&n| n.to_owned()).collect()).unwrap()
        };
        Log {
            users: ids(&["u", "v"]),
            items: ids(&["a", "b", "c"]),
            user: vec![0, 1, 0],
            item: vec![2, 0, 1],
            time: Some(vec![20, 5, 10]),
            behaviors: vec!["interaction".into()],
            titles: vec!["A".into(), "B".into(), "C".into()],
            fields: vec![Field {
                name: "genre".into(),
                values: ids(&["x"]),
                of_items: Csr::from_rows([vec![(0, 2.0)], vec![], vec![]], 1).unwrap(),
            }],
            ..Log::default()
        }
    }

    #[test]
    fn shuffling_moves_everything_along_and_keeps_the_hash() {
        let before = log();
        for seed in 0..20 {
            let mut after = before.clone();
            after.shuffle_items(seed).unwrap();
            assert_eq!(after.hash(), before.hash());
            for event in 0..3 {
                let name = before.items.name(before.item[event]);
                assert_eq!(after.items.name(after.item[event]), name);
                let index = after.items.get(name).unwrap();
                assert_eq!(after.titles[index as usize], name.to_uppercase());
                let has = after.fields[0].of(ItemIdx(index)).count();
                assert_eq!(has, usize::from(name == "a"));
            }
        }
    }

    /// Fields are public: one may have rows of the first items alone, and the others have no values then.
    #[test]
    fn fields_may_end_early() {
        let mut before = log();
        before.fields[0].of_items = Csr::from_rows([vec![(0, 2.0)]], 1).unwrap();
        let (users, items) = (before.users.clone(), before.items.clone());
        let (after, left_out) = before.restricted(users, items).unwrap();
        assert_eq!(left_out, 0);
        let counts = [0, 1, 2].map(|i| after.fields[0].row(ItemIdx(i)).count());
        assert_eq!(counts, [1, 0, 0]);
    }

    /// Item indices of saved models depend on this order: it may never change.
    #[test]
    fn the_import_order_is_fixed() {
        let names: Vec<String> = (0..8).map(|i| i.to_string()).collect();
        assert_eq!(shuffled(&names, IMPORT_SEED), FIXED);
        let mut other = names.clone();
        other.reverse();
        let by_name: Vec<u32> = shuffled(&other, IMPORT_SEED)
            .iter()
            .map(|&i| 7 - i)
            .collect();
        assert_eq!(by_name, FIXED);
    }
    const FIXED: [u32; 8] = [2, 0, 1, 3, 6, 7, 4, 5];

    #[test]
    fn the_hash_sees_events_and_not_their_interleaving() {
        let a = log();
        let mut b = log();
        // The rows of two users may be interleaved in any way.
        b.user.swap(0, 1);
        b.item.swap(0, 1);
        b.time.as_mut().unwrap().swap(0, 1);
        assert_eq!(a.hash(), b.hash());
        let mut c = log();
        c.time.as_mut().unwrap()[0] = 21;
        assert_ne!(a.hash(), c.hash());
        let mut d = log();
        d.item[0] = 0;
        assert_ne!(a.hash(), d.hash());
        assert_eq!(a.by_user(), vec![vec![2, 0], vec![1]]);
    }
}
