//! What can be wrong with data: where it stands, what the rule is and how to fix it.

use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with data on its way from files to histories.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line or record does not follow its format.
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
    #[error("{}: no known format; found {found}; tried {tried}; {hint}", path.display())]
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
    /// A data set lacks something, or holds what does not go together.
    #[error("{}: {reason}; {hint}", path.display())]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// The rule and what was found.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// An option does not go with the data, or is itself wrong.
    #[error("{option} {reason}; {hint}")]
    Option {
        /// The name of the option.
        option: &'static str,
        /// The rule and the offending value.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// A download failed.
    #[error("{url}: {reason}; {hint}")]
    Fetch {
        /// Where it was asked for.
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
