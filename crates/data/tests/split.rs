//! What every split promises, on logs that proptest makes up and on small ones computed by hand.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use limpid_core::{Histories, Ids, ItemIdx, Tensors, UserIdx};
use limpid_data::log::GivenSubset;
use limpid_data::split::Recorded;
use limpid_data::split::split;
use limpid_data::{HeldOut, Log, Shown, Split, SplitSpec, Subset};
use proptest::prelude::*;

/// One line of a made-up log: user, item, time, behavior.
type Line = (u32, u32, i64, u8);

fn log_of(lines: &[Line], n_behaviors: usize) -> Log {
    let (mut users, mut items) = (Ids::new(), Ids::new());
    let user = lines
        .iter()
        .map(|l| users.intern(&format!("u{}", l.0)))
        .collect();
    let item = lines
        .iter()
        .map(|l| items.intern(&format!("i{}", l.1)))
        .collect();
    Log {
        name: "toy".into(),
        users,
        items,
        user,
        item,
        time: Some(lines.iter().map(|l| l.2).collect()),
        behavior: (n_behaviors > 1).then(|| lines.iter().map(|l| l.3).collect()),
        behaviors: ["view", "buy"][2 - n_behaviors..]
            .iter()
            .map(|b| (*b).to_owned())
            .collect(),
        target_behavior: n_behaviors as u8 - 1,
        ..Log::default()
    }
}

fn spec(text: &str) -> SplitSpec {
    text.parse().unwrap()
}

fn cut(log: &Log, text: &str) -> Split {
    split(log, &spec(text)).unwrap()
}

fn refused(log: &Log, text: &str) -> String {
    split(log, &spec(text)).unwrap_err().to_string()
}

/// The events of a part in external ids: user, item, time, behavior.
fn events(split: &Split, part: &Histories) -> Vec<(String, String, Option<i64>, u8)> {
    let mut out = Vec::new();
    for row in part.rows() {
        let user = split.catalogue.users.name(row.user.unwrap().0);
        for e in row.events() {
            let item = split.catalogue.id(e.item);
            out.push((user.to_owned(), item.to_owned(), e.time, e.behavior));
        }
    }
    out
}

fn parts(split: &Split) -> Vec<&Histories> {
    let held_out = [&split.validation, &split.test];
    let inputs = held_out.into_iter().filter_map(|set| set.input.as_ref());
    std::iter::once(&split.train)
        .chain(held_out.map(|set| &set.target))
        .chain(inputs)
        .collect()
}

/// Items of each part as text, for hand-made cases: `u0: i1 i2 | u1: i3`.
fn text(split: &Split, part: &Histories) -> String {
    let rows: Vec<String> = part
        .rows()
        .map(|row| {
            let items: Vec<&str> = row.items.iter().map(|&i| split.catalogue.id(i)).collect();
            let user = split.catalogue.users.name(row.user.unwrap().0);
            format!("{user}: {}", items.join(" "))
        })
        .collect();
    rows.join(" | ")
}

/// Users with 1 to 12 events each, unique pairs per behavior, unique times.
fn lines(n_behaviors: u8) -> impl Strategy<Value = Vec<Line>> {
    proptest::collection::btree_set((0u32..12, 0u32..15, 0..n_behaviors), 4..90)
        .prop_flat_map(|set| {
            let set: Vec<_> = set.into_iter().collect();
            let times: Vec<i64> = (0..set.len() as i64).collect();
            (Just(set).prop_shuffle(), Just(times).prop_shuffle())
        })
        .prop_map(|(set, times)| {
            set.into_iter()
                .zip(times)
                .map(|((u, i, b), t)| (u, i, 1000 + 7 * t, b))
                .collect()
        })
}

fn specs() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "ratio:70/10/20@3",
        "ratio:80/0/20@9",
        "ratio:10/45/45@1",
        "leave-one-out",
        "leave-last:2",
        "temporal:0.6",
        "temporal:1970-01-01T00:20:00Z",
        "temporal:1970-01-01T00:20:00Z/1970-01-01T00:22:00Z",
        "users:50/20/30,holdout=0.4@5",
        "none",
    ])
}

/// What the documentation promises, checked on one split.
fn check_promises(log: &Log, split: &Split) {
    // Every event is in one part at most, and nothing is made up.
    let mut source: BTreeMap<_, usize> = BTreeMap::new();
    for e in 0..log.user.len() {
        let key = (
            log.users.name(log.user[e]).to_owned(),
            log.items.name(log.item[e]).to_owned(),
            log.time.as_ref().map(|t| t[e]),
            log.behavior.as_ref().map_or(0, |b| b[e]),
        );
        *source.entry(key).or_default() += 1;
    }
    let mut total = 0;
    for part in parts(split) {
        for event in events(split, part) {
            let left = source.get_mut(&event).expect("an event of the log");
            assert!(*left > 0, "{event:?} stands in two parts");
            *left -= 1;
            total += 1;
        }
    }
    let left_out = log.user.len() - total;
    assert!(
        left_out == 0 || !split.notes.is_empty(),
        "{left_out} events left without a note"
    );
    for subset in [Subset::Validation, Subset::Test] {
        let (input, set) = (split.input(subset), split.held_out(subset));
        assert_eq!(input.users(), set.target.users());
        for (known, target) in input.rows().zip(set.target.rows()) {
            assert!(!known.is_empty());
            for wanted in target.events() {
                assert_eq!(wanted.behavior, log.target_behavior);
                for e in known.events_of(wanted.item) {
                    assert_ne!(e.behavior, log.target_behavior);
                    assert!(e.time < wanted.time);
                }
            }
        }
    }
    assert_eq!(split.catalogue.train_counts, split.train.item_counts());
    assert_eq!(split.catalogue.n_train_users, split.train.len());
}

proptest! {
    #[test]
    fn parts_are_disjoint_and_cover_everything(lines in lines(1), spec in specs()) {
        let log = log_of(&lines, 1);
        if let Ok(split) = split(&log, &spec.parse().unwrap()) {
            check_promises(&log, &split);
            let n: usize = parts(&split).iter().map(|p| p.n_events()).sum();
            if !spec.starts_with("temporal") {
                prop_assert_eq!(n, lines.len());
            }
        }
    }

    #[test]
    fn other_behaviors_give_nothing_away(lines in lines(2), spec in specs()) {
        let log = log_of(&lines, 2);
        if let Ok(split) = split(&log, &spec.parse().unwrap()) {
            check_promises(&log, &split);
        }
    }

    #[test]
    fn the_order_of_lines_does_not_matter(
        (lines, other) in lines(2).prop_flat_map(|l| (Just(l.clone()), Just(l).prop_shuffle())),
        spec in specs(),
    ) {
        let spec = spec.parse().unwrap();
        match (split(&log_of(&lines, 2), &spec), split(&log_of(&other, 2), &spec)) {
            (Ok(a), Ok(b)) => {
                prop_assert_eq!(&a.hash, &b.hash);
                prop_assert_eq!(&a.data_hash, &b.data_hash);
                let as_set = |s: &Split, p: &Histories| -> BTreeSet<_> {
                    events(s, p).into_iter().collect()
                };
                for (p, q) in parts(&a).into_iter().zip(parts(&b)) {
                    prop_assert_eq!(as_set(&a, p), as_set(&b, q));
                }
            }
            (Err(a), Err(b)) => prop_assert_eq!(a.to_string(), b.to_string()),
            _ => prop_assert!(false, "one order is split, the other refused"),
        }
    }

    #[test]
    fn item_indices_do_not_matter(lines in lines(1), spec in specs(), seed in 0u64..50) {
        let log = log_of(&lines, 1);
        let mut shuffled = log.clone();
        shuffled.shuffle_items(seed).unwrap();
        let spec = spec.parse().unwrap();
        if let Ok(a) = split(&log, &spec) {
            prop_assert_eq!(a.hash, split(&shuffled, &spec).unwrap().hash);
        }
    }

    #[test]
    fn every_user_keeps_a_train_event(lines in lines(1), seed in 0u64..1000) {
        let log = log_of(&lines, 1);
        for text in [format!("ratio:20/40/40@{seed}"), "leave-last:3".to_owned()] {
            let s = cut(&log, &text);
            prop_assert_eq!(s.train.len(), log.users.len());
            for r in 0..s.train.len() {
                let count = |part: &Histories| part.row(r).len();
                let (train, val, test) =
                    (count(&s.train), count(&s.validation.target), count(&s.test.target));
                prop_assert!(train >= 1);
                // Only users with too few events lack a part, and test goes first.
                prop_assert!(test >= 1 || train + val + test == 1);
                prop_assert!(val >= 1 || train + test <= 2 || text.starts_with("leave"));
                prop_assert_eq!(train + val + test, log.by_user()[r].len());
            }
        }
    }

    #[test]
    fn in_a_model_folder_it_is_the_same(lines in lines(2), spec in specs()) {
        let log = log_of(&lines, 2);
        if let Ok(split) = split(&log, &spec.parse().unwrap()) {
            let mut tensors = Tensors::new();
            split.save(&mut tensors).unwrap();
            let again = Split::load(&tensors, split.catalogue.clone(), recorded(&split)).unwrap();
            prop_assert_eq!(&again, &split);
            prop_assert_eq!(again.input(Subset::Test), split.input(Subset::Test));
        }
    }

    #[test]
    fn at_test_a_model_is_shown_what_the_protocol_says(lines in lines(2), spec in specs()) {
        let log = log_of(&lines, 2);
        if let Ok(s) = split(&log, &spec.parse().unwrap()) {
            let sorted = |mut all: Vec<_>| { all.sort(); all };
            let mut expected = match s.shown {
                Shown::HeldOut => events(&s, s.test.input.as_ref().unwrap()),
                _ => events(&s, &s.train),
            };
            if spec.starts_with("leave") || spec.starts_with("temporal") {
                prop_assert_eq!(s.shown, Shown::TrainAndValidation);
                expected.extend(events(&s, &s.validation.target));
            }
            prop_assert_eq!(sorted(events(&s, s.input(Subset::Test))), sorted(expected));
            for row in s.input(Subset::Test).rows() {
                prop_assert!(row.times.unwrap().is_sorted());
            }
            if s.validation.input.is_none() {
                prop_assert_eq!(s.input(Subset::Validation), &s.train);
            }
        }
    }

    #[test]
    fn users_are_found(lines in lines(1), spec in specs()) {
        let log = log_of(&lines, 1);
        if let Ok(s) = split(&log, &spec.parse().unwrap()) {
            for user in (0..log.users.len() as u32).map(UserIdx) {
                let scan = |rows: &Histories| {
                    let row = rows.users().iter().position(|&u| u == Some(user))?;
                    (!rows.row(row).is_empty()).then(|| rows.row(row).items.to_vec())
                };
                let found = s.user(user);
                let items = |row: Option<limpid_core::History<'_>>| -> Option<Vec<ItemIdx>> {
                    row.filter(|row| !row.is_empty()).map(|row| row.items.to_vec())
                };
                let input = scan(&s.train)
                    .or_else(|| scan(s.input(Subset::Validation)))
                    .or_else(|| scan(s.input(Subset::Test)));
                prop_assert_eq!(items(found.map(|f| f.input)), input);
                prop_assert_eq!(items(found.and_then(|f| f.validation)), scan(&s.validation.target));
                prop_assert_eq!(items(found.and_then(|f| f.test)), scan(&s.test.target));
            }
            prop_assert!(s.user(UserIdx(99)).is_none());
        }
    }

    #[test]
    fn saved_and_loaded_it_is_the_same(lines in lines(2), spec in specs()) {
        let log = log_of(&lines, 2);
        if let Ok(split) = split(&log, &spec.parse().unwrap()) {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("deep/split");
            split.write_folder(&dir).unwrap();
            prop_assert_eq!(&Split::read_folder(&dir, &log).unwrap(), &split);
            let alone = Split::read_folder_alone(&dir).unwrap();
            prop_assert_eq!(&alone.hash, &split.hash);
            prop_assert_eq!(alone.train.n_events(), split.train.n_events());
        }
    }
}

fn recorded(split: &Split) -> Recorded {
    Recorded {
        spec: split.spec.clone(),
        hash: split.hash.clone(),
        data_hash: split.data_hash.clone(),
    }
}

#[test]
fn model_folders_of_the_first_version_follow_the_protocol_of_their_spec() {
    let s = cut(&small(), "leave-one-out");
    let mut now = Tensors::new();
    s.save(&mut now).unwrap();
    let mut meta = now.all_meta().clone();
    meta.remove("split");
    let mut first = now.clone();
    first.set_all_meta(meta);
    let old = Split::load(&first, s.catalogue.clone(), recorded(&s)).unwrap();
    assert_eq!(old.shown, Shown::TrainAndValidation);
    assert_eq!(
        text(&old, old.input(Subset::Test)),
        text(&s, s.input(Subset::Test))
    );

    let other = Recorded {
        hash: "another".into(),
        ..recorded(&s)
    };
    let error = Split::load(&now, s.catalogue.clone(), other).unwrap_err();
    assert!(
        error.to_string().contains("that of the manifest, another"),
        "{error}"
    );
}

#[test]
fn the_hash_of_the_data_is_that_of_the_log_as_read() {
    let log = Log {
        value: Some(vec![1.0, 5.0, 5.0, 1.0, 5.0, 5.0, 5.0, 5.0]),
        ..small()
    };
    let filters = limpid_data::Filters {
        min_value: Some(4.0),
        ..limpid_data::Filters::default()
    };
    let (filtered, _) = filters.apply(log.clone()).unwrap();
    let twice = filtered.clone();
    let (again, _) = limpid_data::Filters::default().apply(twice).unwrap();
    let s = cut(&filtered, "leave-one-out");
    assert_eq!(s.data_hash, log.hash());
    assert_eq!(s.filtered_hash, filtered.hash());
    assert_ne!(s.data_hash, s.filtered_hash);
    assert_eq!(again.data_hash(), log.hash());

    let dir = tempfile::tempdir().unwrap();
    s.write_folder(dir.path()).unwrap();
    assert_eq!(
        Split::read_folder_alone(dir.path()).unwrap().data_hash,
        log.hash()
    );
    let error = Split::read_folder(dir.path(), &log)
        .unwrap_err()
        .to_string();
    assert!(error.contains("same data with other filters"), "{error}");

    // The first version recorded the hash after filters only, under the name of the other.
    let head = dir.path().join("split.json");
    let mut old: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&head).unwrap()).unwrap();
    old["schema"] = "limpid.split/1".into();
    old["data_hash"] = old["filtered_hash"].take();
    old.as_object_mut().unwrap().remove("filtered_hash");
    std::fs::write(&head, old.to_string()).unwrap();
    assert_eq!(Split::read_folder(dir.path(), &filtered).unwrap(), s);
    assert_eq!(Split::read_folder_alone(dir.path()).unwrap().data_hash, "");
}

/// Three users with 4, 3 and 1 events; time runs against the order of the file.
fn small() -> Log {
    log_of(
        &[
            (0, 3, 40, 0),
            (0, 2, 30, 0),
            (1, 5, 35, 0),
            (0, 1, 20, 0),
            (1, 4, 25, 0),
            (0, 0, 10, 0),
            (1, 0, 15, 0),
            (2, 6, 45, 0),
        ],
        1,
    )
}

#[test]
fn leave_one_out_by_hand() {
    let s = cut(&small(), "leave-one-out");
    assert_eq!(text(&s, &s.train), "u0: i0 i1 | u1: i0 | u2: i6");
    assert_eq!(text(&s, &s.validation.target), "u0: i2 | u1: i4 | u2: ");
    assert_eq!(text(&s, &s.test.target), "u0: i3 | u1: i5 | u2: ");
    assert_eq!(s.test.n_users(), 2);
    assert!(
        s.notes[0].starts_with("1 users have too few events"),
        "{:?}",
        s.notes
    );
    assert!(
        s.notes[1].starts_with("2 of 2 test events are of items"),
        "{:?}",
        s.notes
    );
    let s = cut(&small(), "leave-last:2");
    assert_eq!(text(&s, &s.train), "u0: i0 | u1: i0 | u2: i6");
    assert_eq!(text(&s, &s.validation.target), "u0: i1 | u1:  | u2: ");
    assert_eq!(text(&s, &s.test.target), "u0: i2 i3 | u1: i4 i5 | u2: ");
}

#[test]
fn without_times_the_last_is_the_last_in_the_file() {
    let log = Log {
        time: None,
        ..small()
    };
    let s = cut(&log, "leave-one-out");
    assert_eq!(text(&s, &s.test.target), "u0: i0 | u1: i0 | u2: ");
    assert!(s.notes[0].contains("no times"));
    let error = refused(&log, "temporal:0.5");
    assert!(
        error.contains("needs times") && error.contains("ratio:70/10/20@42"),
        "{error}"
    );
}

#[test]
fn temporal_by_calendar_date() {
    // Days 1 to 8 of 1970 for items 0 to 7 of two users.
    let day = 86_400;
    let log = log_of(
        &(0..8)
            .map(|d| (d % 2, d, i64::from(d) * day, 0))
            .collect::<Vec<_>>(),
        1,
    );
    let s = cut(&log, "temporal:1970-01-05/1970-01-07");
    assert_eq!(text(&s, &s.train), "u0: i0 i2 | u1: i1 i3");
    assert_eq!(text(&s, &s.validation.target), "u0: i4 | u1: i5");
    assert_eq!(text(&s, &s.test.target), "u0: i6 | u1: i7");
    assert_eq!(s.shown, Shown::TrainAndValidation);
    assert_eq!(
        s.notes[0],
        "validation begins at 1970-01-05, test at 1970-01-07"
    );
    // One date: half of the events from it on are validation.
    let half = cut(&log, "temporal:1970-01-05");
    assert_eq!(text(&half, &half.validation.target), "u0: i4 | u1: i5");
    assert_ne!(half.hash, s.hash);
    // Twice the same date: no validation.
    let none = cut(&log, "temporal:1970-01-07/1970-01-07");
    assert!(none.validation.is_empty());
    assert_eq!(text(&none, &none.test.target), "u0: i6 | u1: i7");
    let error = refused(&log, "temporal:1971-01-01");
    assert_eq!(
        error,
        "split 'temporal:1971-01-01' leaves 8 of 8 events for train and 0 for test; the events are of \
         1970-01-01 to 1970-01-08; choose a cut that leaves events on both sides"
    );
    assert!(refused(&log, "temporal:1970-01-01").contains("leaves 0 of 8 events for train"));
}

#[test]
fn several_given_splits_are_listed() {
    let mut log = small();
    log.report.given_splits = vec!["u1".into(), "ua".into()];
    assert!(
        refused(&log, "given").ends_with("comes with 2 splits; choose one: 'given:u1', 'given:ua'"),
        "{}",
        refused(&log, "given")
    );
}

#[test]
fn temporal_by_hand() {
    // Times 10 15 20 25 | 30 35 | 40 45; user u2 comes after the cut.
    let s = cut(&small(), "temporal:0.5");
    assert_eq!(text(&s, &s.train), "u0: i0 i1 | u1: i0 i4");
    assert_eq!(text(&s, &s.validation.target), "u0: i2 | u1: i5");
    assert_eq!(text(&s, &s.test.target), "u0: i3 | u1: ");
    let untrained = "1 users have no train event; their 1 held-out events";
    assert!(s.notes.iter().any(|n| n.contains(untrained)));
    assert!(refused(&small(), "temporal:0.01").contains("leaves 0 of 8 events for train"));
}

#[test]
fn views_after_the_cut_or_the_purchase_are_left_out() {
    let log = log_of(
        &[
            (0, 0, 10, 0), // view of i0, before its purchase
            (0, 0, 20, 1),
            (0, 1, 30, 1),
            (0, 1, 31, 0), // view of i1, after its purchase
            (0, 2, 5, 0),  // view of i2, before its purchase
            (0, 2, 40, 1),
            (0, 3, 50, 0), // view of another item, after everything
        ],
        2,
    );
    let s = cut(&log, "leave-one-out");
    assert_eq!(text(&s, &s.train), "u0: i2 i0 i0 i3");
    assert_eq!(text(&s, &s.validation.target), "u0: i1");
    assert_eq!(text(&s, &s.test.target), "u0: i2");
    assert_eq!(s.train.row(0).behaviors.unwrap(), [0, 0, 1, 0]);
    let s = cut(&log, "temporal:0.4");
    assert_eq!(text(&s, &s.train), "u0: i2 i0 i0");
    assert!(
        s.notes
            .iter()
            .any(|n| n.starts_with("2 events of other behaviors")),
        "{:?}",
        s.notes
    );
    let untimed = Log { time: None, ..log };
    let s = cut(&untimed, "leave-one-out");
    assert_eq!(s.train.n_events(), 5);
    assert!(
        s.notes
            .iter()
            .any(|n| n.contains("no times: events of other behaviors"))
    );
}

#[test]
fn repeated_events_never_stand_on_both_sides() {
    let log = log_of(
        &[
            (0, 0, 1, 0),
            (0, 1, 2, 0),
            (0, 1, 3, 0),
            (0, 2, 4, 0),
            (0, 1, 5, 0),
        ],
        1,
    );
    let s = cut(&log, "leave-one-out");
    assert_eq!(text(&s, &s.train), "u0: i0");
    assert_eq!(text(&s, &s.validation.target), "u0: i2");
    assert_eq!(text(&s, &s.test.target), "u0: i1");
    assert!(s.notes[0].starts_with("2 earlier events"), "{:?}", s.notes);
    assert_eq!(cut(&log, "none").train.n_events(), 5);
}

/// A log of `users` × `items` events, all at different times.
fn grid(users: u32, items: u32) -> Log {
    let lines: Vec<Line> = (0..users * items)
        .map(|e| (e / items, e % items, i64::from(e), 0))
        .collect();
    log_of(&lines, 1)
}

#[test]
fn ratios_are_global_and_exact_where_users_are_rich() {
    let log = grid(50, 100);
    let s = cut(&log, "ratio:70/10/20@1");
    // 5,000 events and all users have all subsets: the sample is not corrected.
    assert_eq!(s.validation.target.n_events(), 500);
    assert_eq!(s.test.target.n_events(), 1000);
    let sizes: BTreeSet<usize> = s.test.target.rows().map(|row| row.len()).collect();
    assert!(
        sizes.len() > 3,
        "a global draw gives users different sizes: {sizes:?}"
    );
    assert!(s.notes.is_empty(), "{:?}", s.notes);
    let again = cut(&log, "ratio:70/10/20@1");
    assert_eq!(s, again);
    let other = cut(&log, "ratio:70/10/20@2");
    assert_ne!(s.hash, other.hash);
    assert_ne!(s.test, other.test);
}

/// Published numbers name a split by its hash: it may never change.
#[test]
fn splits_are_fixed_for_ever() {
    let log = grid(12, 9);
    let first: Vec<String> = [
        "ratio:70/10/20@1",
        "leave-one-out",
        "users:50/25/25,holdout=0.3@2",
    ]
    .iter()
    .map(|text| cut(&log, text).hash[..16].to_owned())
    .collect();
    assert_eq!(
        first,
        ["1af89ac84e4d0616", "639d95deb244a7b6", "dcfd6d34dfc2ddfb"]
    );
}

#[test]
fn held_out_users_are_folded_in() {
    let log = grid(20, 10);
    let s = cut(&log, "users:80/10/10,holdout=0.25@4");
    assert_eq!(
        (
            s.train.len(),
            s.validation.target.len(),
            s.test.target.len()
        ),
        (16, 2, 2)
    );
    assert!(s.train.rows().all(|row| row.len() == 10));
    for subset in [Subset::Validation, Subset::Test] {
        let set = s.held_out(subset);
        assert_eq!(s.shown_for(subset), Shown::HeldOut);
        assert!(set.target.rows().all(|row| row.len() == 2));
        assert!(s.input(subset).rows().all(|row| row.len() == 8));
        let held_out: BTreeSet<_> = set.target.users().iter().collect();
        assert!(s.train.users().iter().all(|u| !held_out.contains(u)));
    }
    assert_ne!(s.hash, cut(&log, "users:80/10/10,holdout=0.25@5").hash);
    let error = refused(&grid(4, 1), "users:50/25/25,holdout=0.2@1");
    assert!(error.contains("only 0 have two events or more"), "{error}");
}

#[test]
fn given_parts_are_taken_as_they_are() {
    use GivenSubset::{Test, Train, Validation};
    let log = Log {
        given: Some(vec![
            Test, Validation, Train, Train, Train, Train, Test, Test,
        ]),
        ..small()
    };
    let s = cut(&log, "given");
    assert_eq!(text(&s, &s.train), "u0: i0 i1 | u1: i4 i5");
    assert_eq!(text(&s, &s.validation.target), "u0: i2 | u1: ");
    assert_eq!(text(&s, &s.test.target), "u0: i3 | u1: i0");
    assert!(
        s.notes[0].contains("1 users have no train event"),
        "{:?}",
        s.notes
    );
    assert!(refused(&small(), "given").contains("has no files with a split of its own"));
    let all_train = Log {
        given: Some(vec![Train; 8]),
        ..small()
    };
    assert!(refused(&all_train, "given").contains("no test event"));
}

#[test]
fn none_learns_from_everything() {
    let s = cut(&small(), "none");
    assert_eq!(s.train.n_events(), 8);
    assert!(s.validation.is_empty() && s.test.is_empty());
    assert_eq!(s.test.target.len(), s.train.len());
}

#[test]
fn logs_that_do_not_agree_are_refused() {
    for bad in [
        Log {
            item: vec![0],
            ..small()
        },
        Log {
            time: Some(vec![]),
            ..small()
        },
        Log {
            item: vec![99; 8],
            ..small()
        },
        Log {
            behaviors: vec![],
            ..small()
        },
        Log {
            titles: vec!["A".into()],
            ..small()
        },
        Log {
            value: Some(vec![f32::NAN; 8]),
            ..small()
        },
        Log {
            behavior: Some(vec![1; 8]),
            ..small()
        },
        Log {
            given: Some(vec![]),
            ..small()
        },
    ] {
        assert!(split(&bad, &SplitSpec::LeaveOneOut).is_err());
        assert!(limpid_data::Filters::default().apply(bad).is_err());
    }
    let empty = Log {
        behaviors: vec!["interaction".into()],
        ..Log::default()
    };
    assert!(
        split(&empty, &SplitSpec::None)
            .unwrap_err()
            .to_string()
            .contains("has no events")
    );
}

#[test]
fn folders_of_other_data_or_changed_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("split");
    let log = small();
    let s = cut(&log, "leave-one-out");
    s.write_folder(&path).unwrap();
    // Saving again replaces it, and nothing is left beside it.
    s.write_folder(&path).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let error = Split::read_folder(&path, &grid(3, 3))
        .unwrap_err()
        .to_string();
    assert!(error.contains("made from other data"), "{error}");

    let test = path.join("test.tsv");
    let good = std::fs::read_to_string(&test).unwrap();
    let refuses = |content: &str, why: &str| {
        std::fs::write(&test, content).unwrap();
        for result in [
            Split::read_folder(&path, &log),
            Split::read_folder_alone(&path),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    };
    refuses(&good.replace("i3", "i2"), "the tables were changed");
    refuses(
        &good.replace("40", "soon"),
        "test.tsv:2:1: the time must be in seconds, but is 'soon'",
    );
    refuses(&good.replace("user\t", "who\t"), "the header must be");
    refuses(
        &good.replace("i3\t\t40", "i3\t40"),
        "expected 5 fields, found 4",
    );
    std::fs::write(&test, good.replace("i3", "i9")).unwrap();
    let error = Split::read_folder(&path, &log).unwrap_err().to_string();
    assert!(
        error.contains("test.tsv:2:1: the data have no item 'i9'"),
        "{error}"
    );
    std::fs::write(&test, good).unwrap();

    let head = path.join("split.json");
    let good = std::fs::read_to_string(&head).unwrap();
    std::fs::write(&head, good.replace("limpid.split/2", "limpid.split/9")).unwrap();
    let error = Split::read_folder(&path, &log).unwrap_err().to_string();
    assert!(
        error.contains("must be limpid.split/2, but is limpid.split/9"),
        "{error}"
    );
    std::fs::write(&head, "{}").unwrap();
    assert!(Split::read_folder(&path, &log).is_err());

    std::fs::remove_file(&head).unwrap();
    let error = s.write_folder(&path).unwrap_err().to_string();
    assert!(error.contains("holds no split"), "{error}");
    assert!(Split::read_folder_alone(&dir.path().join("nowhere")).is_err());
}

#[test]
fn odd_ids_survive_the_folder() {
    let mut log = small();
    log.users =
        Ids::from_names(vec!["a\tb".into(), "say \"hi\"".into(), "line\nend".into()]).unwrap();
    log.value = Some((0..8).map(|e| 0.1 + e as f32).collect());
    let s = cut(&log, "ratio:60/20/20@8");
    let dir = tempfile::tempdir().unwrap();
    s.write_folder(dir.path()).unwrap();
    assert_eq!(Split::read_folder(dir.path(), &log).unwrap(), s);
    let alone = Split::read_folder_alone(dir.path()).unwrap();
    let held_out: &HeldOut = &alone.test;
    assert_eq!(
        held_out.target.values().unwrap().len(),
        s.test.target.n_events()
    );
    assert_eq!(alone.hash, s.hash);
}
