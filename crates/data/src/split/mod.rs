//! Splits: train, validation and test.
//!
//! One file per kind; [`SplitSpec`] is how they are written. All kinds follow the same rules:
//!
//! - **The order of lines does not matter.** Random samples are taken from the events sorted by
//!   external user id and external item id. Only "the last events" of a log without times, or with
//!   equal times, are the last in the file.
//! - **Rows** are in time order, file order where there is no time, and sorted by user index. Train
//!   has a row for every user with a train event; the rows of a held-out set are aligned with its
//!   input (see [`HeldOut`]).
//! - **Only events of the target behavior are held out.** With several behaviors, the others stay
//!   in train, except those of the same user and item as a held-out event that happen at or after
//!   it: they would leak it. Without times they cannot be told apart and stay. A *stripped* split leaves
//!   all of them out.
//! - **An item that is held out for a user is not in that user's train events** of the target
//!   behavior: earlier events of the same user and item are left out.
//! - Users with too few events keep one for train and give the rest to test before validation.
//! - [`Split::notes`] says what was left out, and why.
//! - [`Split::shown`] says what a model is shown of each user at test.

mod assemble;
mod events;
mod folder;
mod given;
mod hash;
mod leave_last;
mod ratio;
mod saved;
mod shown;
mod spec;
mod temporal;
mod users;

use std::sync::Arc;

use limpid_core::{Catalogue, Histories};

use crate::check::check;
use crate::{Error, Log, Result};

pub use saved::Recorded;
pub use shown::{Shown, Subset, UserRows};
pub use spec::{Shares, SplitSpec};
use temporal::Cut;

/// A log that was split.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// How it was split.
    pub spec: SplitSpec,
    /// What models are trained on: a row for every user with a train event, sorted by user index,
    /// all behaviors.
    pub train: Histories,
    /// For choosing settings and early stopping; always scored from train (or its own input).
    pub validation: HeldOut,
    /// For measuring.
    pub test: HeldOut,
    /// What a model is shown of each user at test.
    pub shown: Shown,
    /// The items and their metadata, with the counts of the training rows (all behaviors).
    pub catalogue: Arc<Catalogue>,
    /// BLAKE3 (hexadecimal) of the spec and the events of each subset in external ids; the order of
    /// lines and indices do not change it. Bootstrap and tie hashes derive from it.
    pub hash: String,
    /// [`Log::data_hash`]: the hash of the log as it was read, before filters. Empty where it is not
    /// recorded (a split folder of an older version, read without its data).
    pub data_hash: String,
    /// [`Log::hash`] of the log after filters, the one that was split. Empty where it is not
    /// recorded (a model folder of an older version).
    pub filtered_hash: String,
    /// What was left out and what else is worth knowing, one sentence each.
    pub notes: Vec<String>,
    /// The input at test, where it had to be merged.
    merged: shown::Merged,
}

/// A held-out set: validation or test.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// Fold-in inputs of held-out users; `None`: the users are those of the training rows.
    pub input: Option<Histories>,
    /// The held-out events, of the target behavior only: row `r` is the user of row `r` of the
    /// input. Users without a held-out event have an empty row.
    pub target: Histories,
}

impl HeldOut {
    /// A held-out set of the training users.
    fn of_train(target: Histories) -> Self {
        Self {
            input: None,
            target,
        }
    }

    /// Whether nothing is held out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.target.n_events() == 0
    }

    /// Number of users with at least one held-out event.
    #[must_use]
    pub fn n_users(&self) -> usize {
        self.target.rows().filter(|row| !row.is_empty()).count()
    }
}

impl Split {
    /// Every table with its name.
    fn tables(&self) -> impl Iterator<Item = (&'static str, &Histories)> {
        [
            ("train", Some(&self.train)),
            ("validation", Some(&self.validation.target)),
            ("test", Some(&self.test.target)),
            ("validation_input", self.validation.input.as_ref()),
            ("test_input", self.test.input.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, rows)| Some((name, rows?)))
    }
}

/// The split of users whose events are not known: an empty training row for each.
///
/// # Errors
/// [`Error::Core`] where the log was put together by hand and its columns disagree.
pub fn without_events(log: &Log) -> Result<Split> {
    check(log)?;
    assemble::without_events(log)
}

/// Splits a log.
///
/// # Errors
/// [`Error::Option`] where the log lacks what the spec needs (times, files of its own, events);
/// [`Error::Core`] where the log was put together by hand and its columns disagree.
pub fn split(log: &Log, spec: &SplitSpec) -> Result<Split> {
    check(log)?;
    if log.user.is_empty() {
        return Err(Error::option(
            "split",
            format!("{spec}: '{}' has no events", log.name),
            "choose a data set with events, or loosen the filters",
        ));
    }
    let events = events::Events::of(log);
    let mut notes = Vec::new();
    if matches!(spec, SplitSpec::Stripped(_)) && log.behavior.is_none() {
        return Err(Error::option(
            "split",
            format!(
                "{spec}: '{}' has one behavior only, so nothing can be stripped",
                log.name
            ),
            format!(
                "write '{}', or keep more behaviors with --behaviors",
                spec.base()
            ),
        ));
    }
    let places = match *spec.base() {
        SplitSpec::Ratio { shares, seed } => ratio::assign(&events, shares, seed, &mut notes)?,
        SplitSpec::LeaveOneOut => leave_last::assign(&events, 1, &mut notes)?,
        SplitSpec::LeaveLast { n } => leave_last::assign(&events, n, &mut notes)?,
        SplitSpec::Temporal { train } => {
            temporal::assign(&events, spec, Cut::Share(train), &mut notes)?
        }
        SplitSpec::TemporalDates { validation, test } => {
            temporal::assign(&events, spec, Cut::Dates(validation, test), &mut notes)?
        }
        SplitSpec::Users {
            shares,
            holdout,
            seed,
        } => users::assign(&events, shares, holdout, seed, &mut notes)?,
        SplitSpec::Given { ref name } => given::assign(&events, name.as_deref(), &mut notes)?,
        // A stripped split has a base that is not.
        SplitSpec::None | SplitSpec::Stripped(_) => events.all_train(),
    };
    assemble::assemble(&events, spec, places, notes)
}
