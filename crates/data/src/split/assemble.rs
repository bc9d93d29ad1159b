//! From the place of each event to a split: close leaks, build rows, count what was left out.

use std::sync::Arc;

use limpid_core::histories::HistoryArrays;
use limpid_core::{Catalogue, Histories, ItemIdx, UserIdx};

use crate::{Log, Result};

use super::events::{Events, Place, behavior};
use super::hash::hash;
use super::shown::Merged;
use super::{HeldOut, Split, SplitSpec};

/// Builds the split of a log from the place of each event.
pub(super) fn assemble(
    events: &Events<'_>,
    spec: &SplitSpec,
    mut places: Vec<Place>,
    mut notes: Vec<String>,
) -> Result<Split> {
    let log = events.log;
    place_repeats(events, &mut places, &mut notes);
    match spec {
        SplitSpec::Stripped(_) => strip(events, &mut places, &mut notes),
        _ => close_leaks(events, &mut places, &mut notes),
    }
    let trained = users_with(events, &places, Place::Train);
    let (validation, test) = if matches!(spec.base(), SplitSpec::Users { .. }) {
        (
            folded_in(events, &places, Place::ValidationInput, Place::Validation)?,
            folded_in(events, &places, Place::TestInput, Place::Test)?,
        )
    } else {
        drop_cold_start(events, &trained, &mut places, &mut notes);
        (
            HeldOut::of_train(rows(events, &trained, Place::Validation, &places)?),
            HeldOut::of_train(rows(events, &trained, Place::Test, &places)?),
        )
    };
    let train = rows(events, &trained, Place::Train, &places)?;
    finish(log, spec.clone(), train, validation, test, notes)
}

/// An empty training row for every user of a log.
pub(super) fn without_events(log: &Log) -> Result<Split> {
    let n = log.users.len();
    let rows = Histories::new(HistoryArrays {
        offsets: vec![0; n + 1],
        users: (0..n as u32).map(|u| Some(UserIdx(u))).collect(),
        n_items: log.items.len(),
        ..HistoryArrays::default()
    })?;
    let nothing = || HeldOut::of_train(rows.clone());
    let (validation, test) = (nothing(), nothing());
    finish(log, SplitSpec::None, rows, validation, test, Vec::new())
}

/// Puts a split together: counts, hashes, notes.
fn finish(
    log: &Log,
    spec: SplitSpec,
    train: Histories,
    validation: HeldOut,
    test: HeldOut,
    mut notes: Vec<String>,
) -> Result<Split> {
    let catalogue = catalogue(log, &train);
    let unknown = test
        .target
        .items()
        .iter()
        .filter(|&&item| !catalogue.is_trained(item))
        .count();
    if unknown > 0 {
        notes.push(format!(
            "{unknown} of {} test events are of items without train events",
            test.target.n_events()
        ));
    }
    Ok(Split {
        hash: hash(&spec, &catalogue, &train, &validation, &test),
        data_hash: log.data_hash(),
        filtered_hash: log.hash(),
        shown: spec.shown(),
        spec,
        train,
        validation,
        test,
        catalogue: Arc::new(catalogue),
        notes,
        merged: Merged::default(),
    })
}

/// The catalogue of a log, with the counts of the training rows.
pub(super) fn catalogue(log: &Log, train: &Histories) -> Catalogue {
    Catalogue {
        items: log.items.clone(),
        users: log.users.clone(),
        titles: log.titles.clone(),
        fields: log.fields.clone(),
        behaviors: log.behaviors.clone(),
        target_behavior: log.target_behavior,
        train_counts: train.item_counts(),
        n_train_users: train.len(),
    }
}

/// Earlier events on the same user and item follow the last one, unless it is held out.
fn place_repeats(events: &Events<'_>, places: &mut [Place], notes: &mut Vec<String>) {
    let mut left = 0;
    for &(repeat, last) in &events.repeats {
        let place = places[last as usize];
        places[repeat as usize] = if place.is_target() || place == Place::Left {
            left += 1;
            Place::Left
        } else {
            place
        };
    }
    if left > 0 {
        notes.push(format!(
            "{left} earlier events of the same user and item as a held-out one are left out"
        ));
    }
}

/// Leaves out events of other behaviors that give a held-out event away: those of the same user
/// and item that happen at or after it.
fn close_leaks(events: &Events<'_>, places: &mut [Place], notes: &mut Vec<String>) {
    let log = events.log;
    if log.behavior.is_none() {
        return;
    }
    let Some(time) = &log.time else {
        if places.iter().any(|p| p.is_target()) {
            notes.push(
                "the log has no times: events of other behaviors on held-out items stay in train, \
                 even those that may have come later"
                    .to_owned(),
            );
        }
        return;
    };
    let mut left = 0;
    for row in &events.rows {
        let mut held_out: Vec<(u32, i64)> = row
            .iter()
            .map(|&e| e as usize)
            .filter(|&e| places[e].is_target())
            .map(|e| (log.item[e], time[e]))
            .collect();
        held_out.sort_unstable();
        for event in row.iter().map(|&e| e as usize) {
            if behavior(log, event) == log.target_behavior || places[event] == Place::Left {
                continue;
            }
            let gives_away = held_out
                .binary_search_by_key(&log.item[event], |h| h.0)
                .is_ok_and(|at| time[event] >= held_out[at].1);
            if gives_away {
                places[event] = Place::Left;
                left += 1;
            }
        }
    }
    if left > 0 {
        notes.push(format!(
            "{left} events of other behaviors happened at or after the held-out event of the same \
             user and item and are left out"
        ));
    }
}

/// Leaves out all events of other behaviors on the held-out items of the same user.
fn strip(events: &Events<'_>, places: &mut [Place], notes: &mut Vec<String>) {
    let log = events.log;
    let mut left = 0;
    for row in &events.rows {
        let row = || row.iter().map(|&e| e as usize);
        let held_out = row()
            .filter(|&e| places[e].is_target())
            .map(|e| log.item[e]);
        let mut held_out: Vec<u32> = held_out.collect();
        held_out.sort_unstable();
        for event in row() {
            let other = behavior(log, event) != log.target_behavior;
            if other
                && places[event] != Place::Left
                && held_out.binary_search(&log.item[event]).is_ok()
            {
                places[event] = Place::Left;
                left += 1;
            }
        }
    }
    notes.push(format!(
        "stripped: {left} events of other behaviors on held-out items of the same user are left out"
    ));
}

/// Leaves out held-out events of cold-start users: those without a train event.
fn drop_cold_start(
    events: &Events<'_>,
    trained: &[u32],
    places: &mut [Place],
    notes: &mut Vec<String>,
) {
    let mut known = vec![false; events.log.users.len()];
    for &user in trained {
        known[user as usize] = true;
    }
    let (mut users, mut left) = (0, 0);
    for (_, row) in events.rows.iter().enumerate().filter(|(u, _)| !known[*u]) {
        let before = left;
        for &event in row {
            let place = &mut places[event as usize];
            if place.is_target() {
                *place = Place::Left;
                left += 1;
            }
        }
        users += usize::from(left > before);
    }
    if left > 0 {
        notes.push(format!(
            "{users} users have no train event; their {left} held-out events are left out"
        ));
    }
}

/// The users with an event in a place, by index.
fn users_with(events: &Events<'_>, places: &[Place], place: Place) -> Vec<u32> {
    (0u32..)
        .zip(&events.rows)
        .filter(|(_, row)| row.iter().any(|&e| places[e as usize] == place))
        .map(|(user, _)| user)
        .collect()
}

/// A held-out set of users of its own.
fn folded_in(
    events: &Events<'_>,
    places: &[Place],
    input: Place,
    target: Place,
) -> Result<HeldOut> {
    let users = users_with(events, places, target);
    Ok(HeldOut {
        input: Some(rows(events, &users, input, places)?),
        target: rows(events, &users, target, places)?,
    })
}

/// The events of one place, one row for each of the given users.
fn rows(events: &Events<'_>, users: &[u32], place: Place, places: &[Place]) -> Result<Histories> {
    let log = events.log;
    let mut chosen: Vec<usize> = Vec::new();
    let mut offsets = vec![0];
    for &user in users {
        let row = events.rows[user as usize].iter().map(|&e| e as usize);
        chosen.extend(row.filter(|&e| places[e] == place));
        offsets.push(chosen.len());
    }
    Ok(Histories::new(HistoryArrays {
        offsets,
        items: chosen.iter().map(|&e| ItemIdx(log.item[e])).collect(),
        times: log
            .time
            .as_ref()
            .map(|t| chosen.iter().map(|&e| t[e]).collect()),
        values: log
            .value
            .as_ref()
            .map(|v| chosen.iter().map(|&e| v[e]).collect()),
        behaviors: log
            .behavior
            .as_ref()
            .map(|b| chosen.iter().map(|&e| b[e]).collect()),
        users: users.iter().map(|&u| Some(UserIdx(u))).collect(),
        n_items: log.items.len(),
    })?)
}
