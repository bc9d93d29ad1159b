//! Splits: what is learned from, what settings are chosen with, and what is measured on.
//!
//! One file for each kind; [`SplitSpec`] is how they are written. What holds for all of them:
//!
//! - **The order of lines does not matter.** Draws are made over the events sorted by external
//!   user id and external item id. Only "the last events" of a log without times, or of equal
//!   times, are the last in the file.
//! - **Rows** are in time order, file order where there is no time. Train has a row for every user
//!   with a train event; a held-out part has its rows aligned with its input (see [`Fold`]).
//! - **Only events of the target behavior are held out.** Where there are several behaviors, the
//!   others stay in train, except those of the same user and item as a held-out event that happen
//!   at or after it, which would give it away. Without times they cannot be told apart and stay.
//! - **An item that is held out for a user is not in that user's train events** of the target
//!   behavior: earlier events of the same user and item are left out.
//! - Users with too few events keep one for train and give the rest to test before validation.
//! - What was left out, and why, stands in [`Split::notes`].

mod assemble;
mod events;
mod folder;
mod given;
mod hash;
mod leave_last;
mod ratio;
mod spec;
mod temporal;
mod users;

use limpid_core::{Catalogue, Histories};

use crate::check::check;
use crate::{Error, Log, Result};

pub use spec::{Shares, SplitSpec};

/// A log that was split.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// How it was split.
    pub spec: SplitSpec,
    /// What models learn from: a row for every user with a train event, in the order of user
    /// indices, all behaviors.
    pub train: Histories,
    /// What settings are chosen with.
    pub validation: Fold,
    /// What is measured on.
    pub test: Fold,
    /// The items and their metadata, with the counts of the training rows (all behaviors).
    pub catalogue: Catalogue,
    /// BLAKE3 (hexadecimal) of the spec and the parts in external ids; the order of lines and
    /// indices do not change it. Bootstrap and tie hashes derive from it.
    pub hash: String,
    /// The hash of the log that was split, [`Log::hash`].
    pub data_hash: String,
    /// What was left out and what else is worth knowing, one sentence each.
    pub notes: Vec<String>,
}

/// A held-out part.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// What a model is shown of each user; `None`: the training rows.
    pub input: Option<Histories>,
    /// What it must predict, of the target behavior only: row `r` is the user of row `r` of the
    /// input. Users without a target have an empty row.
    pub target: Histories,
}

impl Fold {
    /// A part whose users are the training users.
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

    /// Number of users with at least one event to predict.
    #[must_use]
    pub fn n_users(&self) -> usize {
        self.target.rows().filter(|row| !row.is_empty()).count()
    }
}

impl Split {
    /// What a model is shown of the users of a part, row by row with `fold.target`.
    #[must_use]
    pub fn input<'a>(&'a self, fold: &'a Fold) -> &'a Histories {
        fold.input.as_ref().unwrap_or(&self.train)
    }
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
            "read a log that has some",
        ));
    }
    let events = events::Events::of(log);
    let mut notes = Vec::new();
    let places = match *spec {
        SplitSpec::Ratio { shares, seed } => ratio::assign(&events, shares, seed, &mut notes)?,
        SplitSpec::LeaveOneOut => leave_last::assign(&events, 1, &mut notes)?,
        SplitSpec::LeaveLast { n } => leave_last::assign(&events, n, &mut notes)?,
        SplitSpec::Temporal { train } => temporal::assign(&events, train, &mut notes)?,
        SplitSpec::Users {
            shares,
            holdout,
            seed,
        } => users::assign(&events, shares, holdout, seed, &mut notes)?,
        SplitSpec::Given => given::assign(&events, &mut notes)?,
        SplitSpec::None => events.all_train(),
    };
    assemble::assemble(&events, spec, places, notes)
}
