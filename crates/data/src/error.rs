//! What can be wrong with data: where, the rule, and how to fix it.

use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with data on its way from files to histories.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A malformed line or record.
    #[error("{file}:{line}:{column}: {reason}; {hint}")]
    Line {
        /// The file, as it was named.
        file: String,
        /// The line or record, from 1, in the unpacked text.
        line: u64,
        /// The byte column, from 1, in the unpacked text.
        column: u64,
        /// The rule and the offending value.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}; {hint}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
        /// What to do about it.
        hint: String,
    },
    /// A file or folder is in no known format.
    #[error("{}: unknown format; found {found}; tried {tried}; {hint}", path.display())]
    UnknownFormat {
        /// The file or folder.
        path: PathBuf,
        /// The files that were found.
        found: String,
        /// The formats that were tried.
        tried: String,
        /// What to do about it.
        hint: String,
    },
    /// A data set lacks something, or its files contradict each other.
    #[error("{}: {reason}; {hint}", path.display())]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// The rule and what was found.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// An option does not fit the data, or is itself wrong.
    #[error("{option} {reason}; {hint}")]
    Option {
        /// The name of the option.
        option: &'static str,
        /// The rule and the offending value.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A name that is not known: of a format, a column, a behavior, a split, a world, a data set.
    #[error("unknown {what} '{value}'; {hint}")]
    Unknown {
        /// What it would name.
        what: &'static str,
        /// The name.
        value: String,
        /// Similar names, or all of them.
        hint: String,
    },
    /// A download failed.
    #[error("{url}: {reason}; {hint}")]
    Fetch {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
        /// How to get the data otherwise.
        hint: String,
    },
    /// A value could not become one of core's words.
    #[error(transparent)]
    Core(#[from] limpid_core::Error),
}

impl Error {
    /// An [`Error::Io`], written short.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error, hint: impl Into<String>) -> Self {
        Self::Io {
            path: path.as_ref().to_path_buf(),
            source,
            hint: hint.into(),
        }
    }

    /// An [`Error::Source`], written short.
    pub fn source(
        path: impl AsRef<Path>,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Source {
            path: path.as_ref().to_path_buf(),
            reason: reason.into(),
            hint: hint.into(),
        }
    }

    /// An [`Error::Unknown`] with the known names that are most like it.
    pub fn unknown<'a>(
        what: &'static str,
        value: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Unknown {
            what,
            value: value.to_owned(),
            hint: did_you_mean(value, known),
        }
    }

    /// An [`Error::Option`], written short.
    pub fn option(
        option: &'static str,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Option {
            option,
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

/// The known names that are most like a text, else all of them.
pub(crate) fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let lower = text.to_lowercase();
    // A third of the letters may be wrong; a beginning of three letters or more is enough.
    let distance = |name: &str| {
        let name = name.to_lowercase();
        if lower.len() > 2 && name.starts_with(&lower) {
            return Some(0);
        }
        let distance = strsim::damerau_levenshtein(&lower, &name);
        (3 * distance <= lower.chars().count().max(3)).then_some(distance)
    };
    let best = known.iter().filter_map(|name| distance(name)).min();
    let quoted = |names: Vec<&str>| {
        let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        quoted.join(", ")
    };
    let closest: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| best.is_some() && distance(name) == best)
        .collect();
    match closest.as_slice() {
        [] => format!("choose from {}", known.join(", ")),
        [one] => format!("did you mean '{one}'?"),
        _ => format!("did you mean one of {}?", quoted(closest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_alike_are_suggested() {
        let known = ["view", "cart", "buy", "movielens-dat", "movielens-csv"];
        let hint = |text: &str| did_you_mean(text, known);
        assert_eq!(hint("crat"), "did you mean 'cart'?");
        assert_eq!(hint("Buy"), "did you mean 'buy'?");
        assert_eq!(
            hint("movielens"),
            "did you mean one of 'movielens-dat', 'movielens-csv'?"
        );
        assert_eq!(
            hint("sale"),
            "choose from view, cart, buy, movielens-dat, movielens-csv"
        );
        assert_eq!(hint(""), hint("sale"));
        let error = Error::unknown("behavior", "crat", known);
        assert_eq!(
            error.to_string(),
            "unknown behavior 'crat'; did you mean 'cart'?"
        );
    }
}
