//! The error type: each variant names the rule, the value and the fix.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a value of this crate's types cannot be built, found or computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Lengths or shapes of arrays do not match.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What was being built.
        what: String,
        /// The required shape or length.
        expected: String,
        /// The actual shape or length.
        found: String,
    },
    /// A value lies outside of its range.
    #[error("{what} must be {rule}, but is {found}")]
    Range {
        /// The name of the value.
        what: String,
        /// The range, in words.
        rule: String,
        /// The offending value.
        found: String,
    },
    /// A name that must be unique appears twice.
    #[error("{what} '{name}' appears twice; each must be unique")]
    Duplicate {
        /// The kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A text cannot be parsed.
    #[error("cannot read {what} '{text}': {why}")]
    Parse {
        /// What was expected.
        what: &'static str,
        /// What was written.
        text: String,
        /// The rule, with an example.
        why: String,
    },
    /// Unknown name.
    #[error("unknown {what} '{name}'{}", suggestions(.similar))]
    Unknown {
        /// What was looked for: `item`, `user`, `model`.
        what: &'static str,
        /// What was written.
        name: String,
        /// Similar names.
        similar: Vec<String>,
    },
    /// An ambiguous name.
    #[error("{what} '{name}' is ambiguous: it may be {}; write id:… to choose", .candidates.join(", "))]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// What was written.
        name: String,
        /// The candidates.
        candidates: Vec<String>,
    },
    /// A unit is not part of the model.
    #[error("this model has no unit '{unit}'; {hint}")]
    NoSuchUnit {
        /// The unit, as written.
        unit: String,
        /// The units that exist.
        hint: String,
    },
    /// Edits that contradict each other, or that a model's units do not support.
    #[error("{0}")]
    Edit(String),
    /// The computation does not fit in memory.
    #[error(
        "{what} needs {needed_mb} MB of memory, more than the budget of {budget_mb} MB; {hint}"
    )]
    Memory {
        /// The computation.
        what: String,
        /// Memory needed, in megabytes (10⁶ bytes).
        needed_mb: u64,
        /// Memory budget, in megabytes.
        budget_mb: u64,
        /// How to fix it.
        hint: String,
    },
    /// The state of an unfinished fit cannot be saved.
    #[error("cannot save a checkpoint: {0}")]
    Checkpoint(String),
    /// An array of an artifact is missing or invalid.
    #[error("tensor '{name}': {why}")]
    Tensor {
        /// Its name in the artifact.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A computation failed or gave numbers that are not finite.
    #[error("{what}: {why}")]
    Numeric {
        /// The computation.
        what: String,
        /// What went wrong, and the fix.
        why: String,
    },
    /// Interrupted by the user (Ctrl-C).
    #[error("interrupted; {0}")]
    Interrupted(String),
}

fn suggestions(similar: &[String]) -> String {
    match similar {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        several => format!("; did you mean one of {}?", several.join(", ")),
    }
}

impl Error {
    /// Builds an [`Error::Shape`].
    pub fn shape(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Shape {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// Builds an [`Error::Range`].
    pub fn range(what: impl Into<String>, rule: impl Into<String>, found: impl ToString) -> Self {
        Self::Range {
            what: what.into(),
            rule: rule.into(),
            found: found.to_string(),
        }
    }
}
