//! What a model is shown of a user when it is validated or tested.

use std::fmt;
use std::sync::OnceLock;

use limpid_core::histories::HistoryArrays;
use limpid_core::{Histories, History, UserIdx};
use serde::{Deserialize, Serialize};

use super::{HeldOut, Split};

/// A held-out set of a split, by name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Subset {
    /// The validation set.
    Validation,
    /// The test set.
    #[default]
    Test,
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// The events of a user that a model is shown when it is scored. They are seen items and masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The train events.
    Train,
    /// The train and the validation events, in time order.
    TrainAndValidation,
    /// The fold-in inputs of held-out users, whom the model was not trained on.
    HeldOut,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::TrainAndValidation => "train and validation",
            Self::HeldOut => "fold-in inputs of held-out users",
        })
    }
}

/// Everything that a split holds of one user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UserRows<'a> {
    /// The train events, or the fold-in input of a held-out user.
    pub input: History<'a>,
    /// The held-out validation events.
    pub validation: Option<History<'a>>,
    /// The held-out test events.
    pub test: Option<History<'a>>,
}

impl Split {
    /// A held-out set.
    #[must_use]
    pub fn held_out(&self, subset: Subset) -> &HeldOut {
        match subset {
            Subset::Validation => &self.validation,
            Subset::Test => &self.test,
        }
    }

    /// What a model is shown of the users of a held-out set, row by row with its target.
    ///
    /// At test, [`Shown::TrainAndValidation`] merges the rows when they are first asked for and
    /// keeps them.
    #[must_use]
    pub fn input(&self, subset: Subset) -> &Histories {
        if let Some(input) = &self.held_out(subset).input {
            return input;
        }
        if self.shown_for(subset) == Shown::TrainAndValidation && !self.validation.is_empty() {
            return self
                .merged
                .0
                .get_or_init(|| merge(&self.train, &self.validation.target));
        }
        &self.train
    }

    /// What [`Split::input`] gives: at validation never the validation events themselves.
    #[must_use]
    pub fn shown_for(&self, subset: Subset) -> Shown {
        match subset {
            _ if self.held_out(subset).input.is_some() => Shown::HeldOut,
            Subset::Validation => Shown::Train,
            Subset::Test => self.shown,
        }
    }

    /// The rows of a user. Every table is sorted by user, so this is a binary search.
    #[must_use]
    pub fn user(&self, user: UserIdx) -> Option<UserRows<'_>> {
        if let Some(row) = find(&self.train, user).filter(|&row| !self.train.row(row).is_empty()) {
            let of_train = |set: &'_ HeldOut| set.input.is_none();
            let target = |set| of_train(set).then(|| set.target.row(row));
            return Some(UserRows {
                input: self.train.row(row),
                validation: target(&self.validation),
                test: target(&self.test),
            });
        }
        [Subset::Validation, Subset::Test]
            .into_iter()
            .find_map(|subset| {
                let set = self.held_out(subset);
                let input = set.input.as_ref()?;
                let row = find(input, user)?;
                let target = |of: Subset| (of == subset).then(|| set.target.row(row));
                Some(UserRows {
                    input: input.row(row),
                    validation: target(Subset::Validation),
                    test: target(Subset::Test),
                })
            })
    }
}

/// The row of a user in a table that is sorted by user.
fn find(rows: &Histories, user: UserIdx) -> Option<usize> {
    rows.users().binary_search(&Some(user)).ok()
}

/// Merged inputs, made when they are first needed. They follow from the rest of the split, so two
/// splits are equal whether or not they have been made.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged(OnceLock<Histories>);

impl PartialEq for Merged {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Row by row the events of both tables, by time; at equal times, and where there are none, those of
/// `first` come first. Both tables have the same users and columns.
fn merge(first: &Histories, second: &Histories) -> Histories {
    let n = first.n_events() + second.n_events();
    // Where each event of the merged table comes from: the table and the position in it.
    let mut from: Vec<(bool, usize)> = Vec::with_capacity(n);
    let mut offsets = vec![0];
    for row in 0..first.len() {
        let a = first.offsets()[row]..first.offsets()[row + 1];
        let b = second.offsets()[row]..second.offsets()[row + 1];
        let start = from.len();
        from.extend(a.map(|at| (false, at)).chain(b.map(|at| (true, at))));
        if let (Some(a), Some(b)) = (first.times(), second.times()) {
            from[start..].sort_by_key(|&(late, at)| if late { b[at] } else { a[at] });
        }
        offsets.push(from.len());
    }
    fn pick<T: Copy>(from: &[(bool, usize)], first: &[T], second: &[T]) -> Vec<T> {
        let of = |&(late, at): &(bool, usize)| if late { second[at] } else { first[at] };
        from.iter().map(of).collect()
    }
    let column = |a: Option<&[i64]>, b: Option<&[i64]>| Some(pick(&from, a?, b?));
    let merged = Histories::new(HistoryArrays {
        items: pick(&from, first.items(), second.items()),
        times: column(first.times(), second.times()),
        values: first
            .values()
            .zip(second.values())
            .map(|(a, b)| pick(&from, a, b)),
        behaviors: first
            .behaviors()
            .zip(second.behaviors())
            .map(|(a, b)| pick(&from, a, b)),
        users: first.users().to_vec(),
        n_items: first.n_items(),
        offsets,
    });
    merged.unwrap_or_else(|_| unreachable!("two checked tables of the same users can be merged"))
}
