//! A log seen by a split: which events can be held out, and in an order that no file decides.

use std::ops::Range;

use crate::Log;
use crate::log::sorted;

/// The subset of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Trained on.
    Train,
    /// Held out for choosing settings.
    Validation,
    /// Held out for measuring.
    Test,
    /// The fold-in input of a validation user.
    ValidationInput,
    /// The fold-in input of a test user.
    TestInput,
    /// In no subset.
    Left,
}

impl Place {
    /// Whether the event is what a model must predict.
    pub(super) fn is_target(self) -> bool {
        matches!(self, Self::Validation | Self::Test)
    }
}

/// The events of a log, ready to be split.
pub(super) struct Events<'a> {
    /// The log.
    pub(super) log: &'a Log,
    /// Events of each user in the order of a history `(users)`.
    pub(super) rows: Vec<Vec<u32>>,
    /// The events that can be held out: those of the target behavior, one for each user and item,
    /// by external user id and external item id. This order is the canonical one: samples are taken
    /// from it, so that neither indices nor the order of lines decide a split.
    pub(super) targets: Vec<u32>,
    /// Users who have targets, by external id, with their range in `targets`.
    pub(super) users: Vec<(u32, Range<usize>)>,
    /// Earlier events of the target behavior on the same user and item, each with the target.
    pub(super) repeats: Vec<(u32, u32)>,
    /// Whether an event is among the targets `(events)`.
    pub(super) is_target: Vec<bool>,
}

impl<'a> Events<'a> {
    /// Sorts the events of a checked log.
    pub(super) fn of(log: &'a Log) -> Self {
        let (_, user_rank) = sorted(log.users.names());
        let (_, item_rank) = sorted(log.items.names());
        let n = log.user.len();
        let mut all: Vec<(u32, u32, u32)> = (0..n)
            .filter(|&e| behavior(log, e) == log.target_behavior)
            .map(|e| {
                let user = user_rank[log.user[e] as usize];
                (user, item_rank[log.item[e] as usize], e as u32)
            })
            .collect();
        let time = |e: u32| log.time.as_ref().map(|t| t[e as usize]);
        let value = |e: u32| log.value.as_ref().map_or(0, |v| v[e as usize].to_bits());
        all.sort_unstable_by(|a, b| {
            (a.0, a.1)
                .cmp(&(b.0, b.1))
                .then_with(|| (time(a.2), value(a.2), a.2).cmp(&(time(b.2), value(b.2), b.2)))
        });
        let mut targets = Vec::with_capacity(all.len());
        let mut repeats = Vec::new();
        for same in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            if let Some((last, earlier)) = same.split_last() {
                targets.push(last.2);
                repeats.extend(earlier.iter().map(|e| (e.2, last.2)));
            }
        }
        let mut users = Vec::new();
        let mut start = 0;
        for own in targets.chunk_by(|&a, &b| log.user[a as usize] == log.user[b as usize]) {
            users.push((log.user[own[0] as usize], start..start + own.len()));
            start += own.len();
        }
        let mut is_target = vec![false; n];
        for &event in &targets {
            is_target[event as usize] = true;
        }
        Self {
            log,
            rows: log.by_user(),
            targets,
            users,
            repeats,
            is_target,
        }
    }

    /// Everything in train.
    pub(super) fn all_train(&self) -> Vec<Place> {
        vec![Place::Train; self.log.user.len()]
    }
}

/// The behavior of an event.
pub(super) fn behavior(log: &Log, event: usize) -> u8 {
    log.behavior.as_ref().map_or(0, |b| b[event])
}
