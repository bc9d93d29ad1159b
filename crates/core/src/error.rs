//! The error type of the vocabulary: each variant names the rule, the value and the fix.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with a value before it becomes one of this crate's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arrays that must agree in length or shape do not.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What was being built.
        what: String,
        /// The shape or length that the rule asks for.
        expected: String,
        /// The shape or length that was given.
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
    /// The same name appears twice where it must be unique.
    #[error("{what} '{name}' appears twice; each must be unique")]
    Duplicate {
        /// What kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A text does not follow its grammar.
    #[error("cannot read {what} '{text}': {why}")]
    Parse {
        /// What was expected.
        what: &'static str,
        /// What was written.
        text: String,
        /// The rule, and an example that follows it.
        why: String,
    },
    /// Nothing has this name.
    #[error("unknown {what} '{name}'{}", suggestions(.similar))]
    Unknown {
        /// What was looked for: `item`, `user`, `model`.
        what: &'static str,
        /// What was written.
        name: String,
        /// Names that look like it.
        similar: Vec<String>,
    },
    /// Several things have this name.
    #[error("{what} '{name}' is ambiguous: it may be {}; write id:… to choose", .candidates.join(", "))]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// What was written.
        name: String,
        /// What it may be.
        candidates: Vec<String>,
    },
    /// A unit is not part of the model.
    #[error("this model has no unit '{unit}'; {hint}")]
    NoSuchUnit {
        /// The unit, as written.
        unit: String,
        /// The units that it has.
        hint: String,
    },
    /// Edits that contradict each other, or that a model's units cannot carry out.
    #[error("{0}")]
    Edit(String),
    /// The work would not fit in memory.
    #[error(
        "{what} needs {needed_mb} MB of memory, more than the budget of {budget_mb} MB; {hint}"
    )]
    Memory {
        /// What was to be computed.
        what: String,
        /// Memory needed, in megabytes (10⁶ bytes).
        needed_mb: u64,
        /// Memory allowed, in megabytes.
        budget_mb: u64,
        /// What to do instead.
        hint: String,
    },
    /// An array of an artifact is missing or of another kind than expected.
    #[error("tensor '{name}': {why}")]
    Tensor {
        /// Its name in the artifact.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A computation did not give finite numbers or could not be carried out.
    #[error("{what}: {why}")]
    Numeric {
        /// The computation.
        what: String,
        /// What went wrong, and the fix.
        why: String,
    },
    /// The caller asked to stop (Ctrl-C).
    #[error("stopped on request; {0}")]
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
    /// A [`Error::Shape`], written short.
    pub fn shape(what: impl Into<String>, expected: impl ToString, found: impl ToString) -> Self {
        Self::Shape {
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// A [`Error::Range`], written short.
    pub fn range(what: impl Into<String>, rule: impl Into<String>, found: impl ToString) -> Self {
        Self::Range {
            what: what.into(),
            rule: rule.into(),
            found: found.to_string(),
        }
    }
}
