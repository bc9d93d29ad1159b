//! Filters: which events of a log are kept.
//!
//! They run in a fixed order: behaviors, smallest value, k-core, and last the values are dropped
//! unless feedback is weighted. An event with a negative value (a return, a dislike) is no interaction:
//! it is dropped, unless a smallest value is given.

use std::collections::VecDeque;
use std::fmt;

use limpid_core::{Csr, Field, Ids, ItemIdx};
use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::{Error, Log, Result};

/// What is kept of a log. The default keeps every event and drops the values (implicit feedback).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Drops events whose value is below this; without it, those whose value is below 0.
    pub min_value: Option<f32>,
    /// k-core: keeps the largest subset of the events in which every user has at least so many different items
    /// (first number) and every item so many different users (second number), over all behaviors
    /// that are kept.
    pub k_core: Option<(usize, usize)>,
    /// Whether values are kept as weights. If not, every event that is left counts 1.
    pub weighted: bool,
    /// Keeps these behaviors only, by name. The chain keeps its order; if the target behavior is dropped,
    /// the last one that is kept becomes the target.
    pub behaviors: Option<Vec<String>>,
}

/// What the filters removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterReport {
    /// Users, items and events before.
    pub before: Size,
    /// Users, items and events after.
    pub after: Size,
    /// Events of other behaviors.
    pub other_behaviors: usize,
    /// Events with a negative value, dropped where no smallest value is given.
    pub negative: usize,
    /// Events below the smallest value.
    pub below_min_value: usize,
    /// Events outside of the k-core.
    pub outside_core: usize,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// How large a log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Users.
    pub users: usize,
    /// Items, with and without events.
    pub items: usize,
    /// Events.
    pub events: usize,
}

impl Size {
    fn of(log: &Log) -> Self {
        Self {
            users: log.users.len(),
            items: log.items.len(),
            events: log.user.len(),
        }
    }
}

impl Filters {
    /// Applies the filters.
    ///
    /// Users and items without a remaining event are removed, and so are items that never had one
    /// (known from metadata only); without a filter, all stay. The order of users, of
    /// items and of events stays.
    ///
    /// # Errors
    /// [`Error::Option`] where a filter does not fit the log (no values, no such behavior), or
    /// leaves nothing; the message names the filter.
    pub fn apply(&self, mut log: Log) -> Result<(Log, FilterReport)> {
        check(&log)?;
        log.read_hash = Some(log.data_hash());
        let mut report = FilterReport {
            before: Size::of(&log),
            ..FilterReport::default()
        };
        let mut keep = vec![true; log.user.len()];
        if let Some(names) = &self.behaviors {
            report.other_behaviors = keep_behaviors(&mut log, names, &mut keep, &mut report.notes)?;
        }
        match self.min_value {
            Some(min) => report.below_min_value = keep_values(&log, min, &mut keep)?,
            None => report.negative = drop_negative(&log, &mut keep, &mut report.notes)?,
        }
        if let Some((users, items)) = self.k_core {
            report.outside_core = keep_core(&log, users, items, &mut keep)?;
        }
        if self.is_selective() || report.negative > 0 {
            log = select(log, &keep)?;
        }
        if !self.weighted {
            log.value = None;
        } else if log.value.is_none() {
            report
                .notes
                .push("the log has no values, so every event has weight 1".to_owned());
        }
        report.after = Size::of(&log);
        Ok((log, report))
    }

    /// Whether a given filter can drop events.
    fn is_selective(&self) -> bool {
        self.behaviors.is_some() || self.min_value.is_some() || self.k_core.is_some()
    }
}

/// For reports: `only cart and buy; values of at least 4; users with at least 5 items, items with at
/// least 5 users; implicit`.
impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(names) = &self.behaviors {
            write!(f, "only {}; ", names.join(" and "))?;
        }
        if let Some(min) = self.min_value {
            write!(f, "values of at least {min}; ")?;
        }
        if let Some((users, items)) = self.k_core {
            write!(
                f,
                "users with at least {users} items, items with at least {items} users; "
            )?;
        }
        f.write_str(if self.weighted {
            "weighted"
        } else {
            "implicit"
        })
    }
}

/// Marks events of other behaviors as dropped and renumbers those that stay; returns how many
/// events go.
fn keep_behaviors(
    log: &mut Log,
    names: &[String],
    keep: &mut [bool],
    notes: &mut Vec<String>,
) -> Result<usize> {
    for name in names {
        if !log.behaviors.contains(name) {
            let known = log.behaviors.iter().map(String::as_str);
            return Err(Error::unknown("behavior", name, known));
        }
    }
    let mut new_index = vec![None; log.behaviors.len()];
    let mut kept = Vec::new();
    for (old, name) in log.behaviors.iter().enumerate() {
        if names.contains(name) {
            new_index[old] = u8::try_from(kept.len()).ok();
            kept.push(name.clone());
        }
    }
    let Some(last) = kept.len().checked_sub(1) else {
        return Err(Error::option(
            "--behaviors",
            "must name at least one, but is empty",
            format!("choose from {}", log.behaviors.join(", ")),
        ));
    };
    log.target_behavior = match new_index.get(usize::from(log.target_behavior)) {
        Some(Some(target)) => *target,
        _ => {
            notes.push(format!(
                "the target behavior was left out by the filter; the target is now '{}'",
                kept[last]
            ));
            // A log has at most 256 behaviors, of which these are some.
            last as u8
        }
    };
    log.behaviors = kept;
    let mut dropped = 0;
    if let Some(behavior) = &mut log.behavior {
        for (b, keep) in behavior.iter_mut().zip(keep.iter_mut()) {
            match new_index.get(usize::from(*b)) {
                Some(Some(new)) => *b = *new,
                _ => {
                    *keep = false;
                    dropped += 1;
                }
            }
        }
    }
    if !keep.contains(&true) {
        return Err(nothing_left(
            "--behaviors",
            format!("no event is a {}", log.behaviors.join(" or a ")),
        ));
    }
    Ok(dropped)
}

/// Marks events with a negative value as dropped; returns how many more go.
fn drop_negative(log: &Log, keep: &mut [bool], notes: &mut Vec<String>) -> Result<usize> {
    let mut dropped = 0;
    for (value, keep) in log.value.iter().flatten().zip(keep.iter_mut()) {
        if *keep && *value < 0.0 {
            *keep = false;
            dropped += 1;
        }
    }
    if dropped > 0 && !keep.contains(&true) {
        return Err(Error::option(
            "--min-value",
            "is not given, and all events have a negative value, which is no interaction"
                .to_owned(),
            "give the smallest value to keep, such as --min-value=-10",
        ));
    }
    if dropped > 0 {
        notes.push(format!(
            "{dropped} events with a negative value were dropped (returns, dislikes); --min-value=VALUE \
             keeps those of at least VALUE, --duplicates sum adds up the values of a user and item first"
        ));
    }
    Ok(dropped)
}

/// Marks events below `min` as dropped; returns how many more go.
fn keep_values(log: &Log, min: f32, keep: &mut [bool]) -> Result<usize> {
    if !min.is_finite() {
        return Err(Error::option(
            "--min-value",
            format!("must be finite, but is {min}"),
            "give a number such as 4",
        ));
    }
    let Some(values) = &log.value else {
        return Err(Error::option(
            "--min-value",
            format!("is {min}, but the events of {} have no values", log.name),
            "leave the filter out, or name the column of ratings with --value-column",
        ));
    };
    let mut dropped = 0;
    for (value, keep) in values.iter().zip(keep.iter_mut()) {
        if *keep && *value < min {
            *keep = false;
            dropped += 1;
        }
    }
    if !keep.contains(&true) {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        return Err(nothing_left(
            "--min-value",
            format!("no event has a value of at least {min}, the largest is {largest}"),
        ));
    }
    Ok(dropped)
}

/// Marks events outside of the core as dropped; returns how many more go.
///
/// The core is unique: users and items below their minimum are removed until none is left, and the
/// order of removals does not matter, since a removal only lowers other counts.
fn keep_core(log: &Log, min_items: usize, min_users: usize, keep: &mut [bool]) -> Result<usize> {
    let (n_users, n_items) = (log.users.len(), log.items.len());
    let mut pairs: Vec<(u32, u32)> = (0..keep.len())
        .filter(|&e| keep[e])
        .map(|e| (log.user[e], log.item[e]))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    // Users are nodes 0..n_users, items follow them.
    let node_of_item = |item: u32| n_users + item as usize;
    let mut degree = vec![0usize; n_users + n_items];
    for &(user, item) in &pairs {
        degree[user as usize] += 1;
        degree[node_of_item(item)] += 1;
    }
    let mut starts = vec![0usize; degree.len() + 1];
    for (node, &d) in degree.iter().enumerate() {
        starts[node + 1] = starts[node] + d;
    }
    let mut next = starts.clone();
    let mut neighbors = vec![0usize; 2 * pairs.len()];
    for &(user, item) in &pairs {
        for (from, to) in [
            (user as usize, node_of_item(item)),
            (node_of_item(item), user as usize),
        ] {
            neighbors[next[from]] = to;
            next[from] += 1;
        }
    }
    let too_small =
        |node: usize, degree: usize| degree < if node < n_users { min_items } else { min_users };
    let mut gone: Vec<bool> = degree
        .iter()
        .enumerate()
        .map(|(node, &d)| too_small(node, d))
        .collect();
    let mut queue: VecDeque<usize> = (0..gone.len()).filter(|&node| gone[node]).collect();
    while let Some(node) = queue.pop_front() {
        for &other in &neighbors[starts[node]..starts[node + 1]] {
            degree[other] -= 1;
            if !gone[other] && too_small(other, degree[other]) {
                gone[other] = true;
                queue.push_back(other);
            }
        }
    }
    let mut dropped = 0;
    for (event, keep) in keep.iter_mut().enumerate() {
        if *keep && (gone[log.user[event] as usize] || gone[node_of_item(log.item[event])]) {
            *keep = false;
            dropped += 1;
        }
    }
    if !keep.contains(&true) {
        return Err(nothing_left(
            "--k-core",
            format!(
                "no subset of the events has {min_items} items for every user and {min_users} users \
                 for every item"
            ),
        ));
    }
    Ok(dropped)
}

fn nothing_left(filter: &'static str, why: String) -> Error {
    Error::option(
        filter,
        format!("leaves no events: {why}"),
        "lower it or leave it out",
    )
}

/// The log of the events that are kept, with the users and items that still have one.
fn select(log: Log, keep: &[bool]) -> Result<Log> {
    let mut user_stays = vec![false; log.users.len()];
    let mut item_stays = vec![false; log.items.len()];
    for (event, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
        user_stays[log.user[event] as usize] = true;
        item_stays[log.item[event] as usize] = true;
    }
    let (users, new_user) = renumbered(&log.users, &user_stays)?;
    let (items, new_item) = renumbered(&log.items, &item_stays)?;
    let single = log.behaviors.len() == 1;
    Ok(Log {
        user: chosen(&log.user, keep)
            .into_iter()
            .map(|u| new_user[u as usize])
            .collect(),
        item: chosen(&log.item, keep)
            .into_iter()
            .map(|i| new_item[i as usize])
            .collect(),
        value: log.value.map(|v| chosen(&v, keep)),
        time: log.time.map(|t| chosen(&t, keep)),
        behavior: log.behavior.filter(|_| !single).map(|b| chosen(&b, keep)),
        given: log.given.map(|g| chosen(&g, keep)),
        titles: chosen(&log.titles, &item_stays),
        fields: log
            .fields
            .iter()
            .map(|field| field_of(field, &item_stays))
            .collect::<Result<_>>()?,
        users,
        items,
        ..log
    })
}

/// The values at which `keep` is true.
fn chosen<T: Clone>(values: &[T], keep: &[bool]) -> Vec<T> {
    values
        .iter()
        .zip(keep)
        .filter(|(_, keep)| **keep)
        .map(|(value, _)| value.clone())
        .collect()
}

/// The ids that stay, in order, and the new index of each old one.
fn renumbered(ids: &Ids, stays: &[bool]) -> Result<(Ids, Vec<u32>)> {
    let mut new_index = vec![u32::MAX; ids.len()];
    let mut names = Vec::new();
    for (old, name) in ids.names().iter().enumerate() {
        if stays[old] {
            new_index[old] = names.len() as u32;
            names.push(name.clone());
        }
    }
    Ok((Ids::from_names(names)?, new_index))
}

/// The field of the items that stay; values that no item has any more are left out.
fn field_of(field: &Field, item_stays: &[bool]) -> Result<Field> {
    let rows: Vec<Vec<(u32, f32)>> = (0..item_stays.len())
        .filter(|&item| item_stays[item])
        .map(|item| field.row(ItemIdx(item as u32)).collect())
        .collect();
    let mut value_stays = vec![false; field.values.len()];
    for &(value, _) in rows.iter().flatten() {
        value_stays[value as usize] = true;
    }
    let (values, new_value) = renumbered(&field.values, &value_stays)?;
    let rows = rows.into_iter().map(|row| {
        row.into_iter()
            .map(|(value, count)| (new_value[value as usize], count))
            .collect()
    });
    Ok(Field {
        name: field.name.clone(),
        of_items: Csr::from_rows(rows, values.len())?,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A log of `(user, item, value, behavior)`; item `i9` never has an event and is a drama.
    fn log(events: &[(u32, u32, f32, u8)]) -> Log {
        let mut users = Ids::new();
        let user = events
            .iter()
            .map(|e| users.intern(&format!("u{}", e.0)))
            .collect();
        let items = Ids::from_names((0..10).map(|i| format!("i{i}")).collect()).unwrap();
        let genre = Field {
            name: "genre".into(),
            values: Ids::from_names(vec!["comedy".into(), "drama".into()]).unwrap(),
            of_items: Csr::from_rows((0..10).map(|i| vec![(u32::from(i == 9), 1.0)]), 2).unwrap(),
        };
        Log {
            name: "toy".into(),
            titles: items.names().iter().map(|n| n.to_uppercase()).collect(),
            users,
            items,
            user,
            item: events.iter().map(|e| e.1).collect(),
            value: Some(events.iter().map(|e| e.2).collect()),
            time: Some((0..events.len() as i64).collect()),
            behavior: Some(events.iter().map(|e| e.3).collect()),
            behaviors: vec!["view".into(), "cart".into(), "buy".into()],
            target_behavior: 2,
            fields: vec![genre],
            ..Log::default()
        }
    }

    fn core(users: usize, items: usize) -> Filters {
        Filters {
            k_core: Some((users, items)),
            ..Filters::default()
        }
    }

    fn pairs(log: &Log) -> BTreeSet<(String, String)> {
        log.user
            .iter()
            .zip(&log.item)
            .map(|(&u, &i)| (log.users.name(u).to_owned(), log.items.name(i).to_owned()))
            .collect()
    }

    #[test]
    fn without_filters_only_the_values_go() {
        let before = log(&[(0, 1, 5.0, 2), (0, 2, 1.0, 0)]);
        let (after, report) = Filters::default().apply(before.clone()).unwrap();
        assert_eq!(
            after,
            Log {
                value: None,
                read_hash: Some(before.hash()),
                ..before.clone()
            }
        );
        assert_eq!(report.before, report.after);
        let weighted = Filters {
            weighted: true,
            ..Filters::default()
        };
        let (after, _) = weighted.apply(before.clone()).unwrap();
        assert_eq!(
            after,
            Log {
                read_hash: Some(before.hash()),
                ..before
            }
        );
    }

    #[test]
    fn small_values_go_with_their_users_and_items() {
        let filters = Filters {
            min_value: Some(4.0),
            weighted: true,
            ..Filters::default()
        };
        let (after, report) = filters
            .apply(log(&[
                (0, 1, 5.0, 2),
                (0, 2, 3.5, 2),
                (1, 2, 1.0, 2),
                (2, 3, 4.0, 2),
            ]))
            .unwrap();
        assert_eq!(report.below_min_value, 2);
        assert_eq!(after.users.names(), ["u0", "u2"]);
        assert_eq!(after.items.names(), ["i1", "i3"]);
        assert_eq!(after.titles, ["I1", "I3"]);
        assert_eq!(after.value, Some(vec![5.0, 4.0]));
        assert_eq!(after.time, Some(vec![0, 3]));
        assert_eq!(after.fields[0].values.names(), ["comedy"]);
        assert_eq!(after.fields[0].of_items.n_rows(), 2);
        assert_eq!(
            report.after,
            Size {
                users: 2,
                items: 2,
                events: 2
            }
        );
    }

    #[test]
    fn negative_values_are_no_interactions() {
        let events = [
            (0, 1, 5.0, 2),
            (0, 2, -3.0, 2),
            (1, 2, -1.0, 2),
            (2, 3, 0.0, 2),
        ];
        for weighted in [false, true] {
            let none = Filters {
                weighted,
                ..Filters::default()
            };
            let (after, report) = none.apply(log(&events)).unwrap();
            assert_eq!(report.negative, 2);
            assert_eq!(after.users.names(), ["u0", "u2"]);
            assert!(
                report.notes[0].starts_with("2 events with a negative value were dropped"),
                "{:?}",
                report.notes
            );
        }
        // A given smallest value decides alone.
        let all = Filters {
            min_value: Some(-10.0),
            ..Filters::default()
        };
        let (after, report) = all.apply(log(&events)).unwrap();
        assert_eq!((after.item.len(), report.negative), (4, 0));
        assert!(report.notes.is_empty());
        let error = Filters::default()
            .apply(log(&events[1..3]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("give the smallest value to keep"), "{error}");
    }

    #[test]
    fn behaviors_keep_the_order_of_the_chain() {
        let events = [(0, 1, 1.0, 2), (0, 2, 1.0, 0), (1, 2, 1.0, 1)];
        let only = |names: &[&str]| Filters {
            behaviors: Some(names.iter().map(|n| (*n).to_owned()).collect()),
            ..Filters::default()
        };
        let (after, report) = only(&["buy", "view"]).apply(log(&events)).unwrap();
        assert_eq!(after.behaviors, ["view", "buy"]);
        assert_eq!(after.behavior, Some(vec![1, 0]));
        assert_eq!((after.target_behavior, report.other_behaviors), (1, 1));
        assert!(report.notes.is_empty());
        let (after, report) = only(&["cart"]).apply(log(&events)).unwrap();
        assert_eq!((after.behavior, after.target_behavior), (None, 0));
        assert!(report.notes[0].contains("the target is now 'cart'"));
        let error = only(&["sale"]).apply(log(&events)).unwrap_err().to_string();
        assert!(
            error.contains("'sale'") && error.contains("view, cart, buy"),
            "{error}"
        );
        assert!(only(&[]).apply(log(&events)).is_err());
        assert!(only(&["cart"]).apply(log(&events[..2])).is_err());
    }

    #[test]
    fn errors_name_the_filter_that_leaves_nothing() {
        let events = [(0, 1, 1.0, 0), (1, 2, 3.0, 0)];
        let high = Filters {
            min_value: Some(4.0),
            ..Filters::default()
        };
        assert_eq!(
            high.apply(log(&events)).unwrap_err().to_string(),
            "--min-value leaves no events: no event has a value of at least 4, the largest \
             is 3; lower it or leave it out"
        );
        let error = core(2, 1).apply(log(&events)).unwrap_err().to_string();
        assert!(error.starts_with("--k-core leaves no events"), "{error}");
        let implicit = Log {
            value: None,
            ..log(&events)
        };
        assert!(
            high.apply(implicit)
                .unwrap_err()
                .to_string()
                .contains("no values")
        );
        let nan = Filters {
            min_value: Some(f32::NAN),
            ..Filters::default()
        };
        assert!(nan.apply(log(&events)).is_err());
    }

    #[test]
    fn filters_are_written_in_words_and_as_json() {
        let filters = Filters {
            min_value: Some(4.0),
            k_core: Some((10, 5)),
            weighted: true,
            behaviors: Some(vec!["buy".into()]),
        };
        assert_eq!(
            filters.to_string(),
            "only buy; values of at least 4; users with at least 10 items, items with at least 5 \
             users; weighted"
        );
        assert_eq!(Filters::default().to_string(), "implicit");
        let json = serde_json::to_string(&filters).unwrap();
        assert_eq!(serde_json::from_str::<Filters>(&json).unwrap(), filters);
        assert_eq!(
            serde_json::from_str::<Filters>("{}").unwrap(),
            Filters::default()
        );
        assert!(serde_json::from_str::<Filters>(r#"{"kcore":[5,5]}"#).is_err());
    }

    /// Removes users and items below their minimum repeatedly, as the core is defined.
    fn core_by_definition(
        mut pairs: BTreeSet<(String, String)>,
        users: usize,
        items: usize,
    ) -> BTreeSet<(String, String)> {
        loop {
            let kept: BTreeSet<_> = pairs
                .iter()
                .filter(|(u, i)| {
                    pairs.iter().filter(|p| p.0 == *u).count() >= users
                        && pairs.iter().filter(|p| p.1 == *i).count() >= items
                })
                .cloned()
                .collect();
            if kept.len() == pairs.len() {
                return kept;
            }
            pairs = kept;
        }
    }

    proptest! {
        #[test]
        fn the_core_is_the_largest_one_and_stable(
            events in proptest::collection::vec((0u32..8, 0u32..9, 1f32..5.0, 0u8..3), 1..60),
            users in 0usize..4,
            items in 0usize..4,
        ) {
            let before = log(&events);
            let expected = core_by_definition(pairs(&before), users, items);
            match core(users, items).apply(before) {
                Ok((after, report)) => {
                    prop_assert_eq!(pairs(&after), expected);
                    prop_assert_eq!(report.after.events + report.outside_core, events.len());
                    let (again, second) = core(users, items).apply(after.clone()).unwrap();
                    prop_assert_eq!(again, after);
                    prop_assert_eq!(second.outside_core, 0);
                }
                Err(_) => prop_assert!(expected.is_empty()),
            }
        }
    }
}
