//! Errors of the facade; each message names the fix.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the facade.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Of limpid-core or a model.
    #[error(transparent)]
    Core(#[from] limpid_core::Error),
    /// Of reading data.
    #[error(transparent)]
    Data(#[from] limpid_data::Error),
    /// Of evaluation.
    #[error(transparent)]
    Eval(#[from] limpid_eval::Error),
    /// A file could not be read or written.
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        /// The failed action: `cannot read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A saved folder is damaged, foreign, or of another version.
    #[error("{path}: {why}", path = .path.display())]
    Artifact {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong, and the fix.
        why: String,
    },
    /// An experiment or a recipe that cannot be read, or that names something unknown.
    #[error("{path}: {why}", path = .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The place, the rule, and the fix.
        why: String,
    },
    /// The data or the split of an experiment are not those that it was recorded with.
    #[error(
        "the {what} changed since this experiment was recorded (hash {recorded} recorded, {found} found); \
         use the same data, reading options and filters, or accept the change with --data-changed-ok"
    )]
    Changed {
        /// What changed: `data`, `split`.
        what: &'static str,
        /// The first digits of the recorded hash.
        recorded: String,
        /// The first digits of the hash found.
        found: String,
    },
    /// A condition on items that cannot be parsed, or that does not fit the catalogue.
    #[error("{why}\n{}", crate::condition::with_carets(.text, .place))]
    Condition {
        /// What is wrong, and the names that exist.
        why: String,
        /// The condition, as written.
        text: String,
        /// The place in the text, in bytes.
        place: std::ops::Range<usize>,
    },
    /// A server of a language model that cannot be used.
    #[error("{address}: {why}")]
    Server {
        /// Its address.
        address: String,
        /// What it said, and the fix.
        why: String,
    },
    /// Wrong use: this model or these options do not support the operation.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Returns an [`Error::Io`].
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }

    /// Whether this is wrong use: an unknown name, a value out of range, incompatible options. The
    /// command line then exits with 2, and with 1 for other errors.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Core(e) => core_usage(e),
            Self::Data(e) => data_usage(e),
            Self::Eval(e) => eval_usage(e),
            Self::Config { .. } | Self::Condition { .. } | Self::Usage(_) => true,
            Self::Io { .. }
            | Self::Artifact { .. }
            | Self::Changed { .. }
            | Self::Server { .. } => false,
        }
    }

    /// Returns an [`Error::Config`].
    pub fn config(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Config {
            path: path.into(),
            why: why.into(),
        }
    }

    /// Returns an [`Error::Artifact`].
    pub fn artifact(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Artifact {
            path: path.into(),
            why: why.into(),
        }
    }
}

/// [`Error::is_usage`] of any error of the limpid libraries; false for other errors.
#[must_use]
pub fn is_usage(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(e) = error.downcast_ref::<Error>() {
        e.is_usage()
    } else if let Some(e) = error.downcast_ref() {
        core_usage(e)
    } else if let Some(e) = error.downcast_ref() {
        data_usage(e)
    } else if let Some(e) = error.downcast_ref() {
        eval_usage(e)
    } else {
        false
    }
}

/// Whether an error of the limpid libraries is an interruption by the user.
#[must_use]
pub fn is_interruption(error: &(dyn std::error::Error + 'static)) -> bool {
    use limpid_core::Error::Interrupted;
    let core = error.downcast_ref::<limpid_core::Error>();
    let eval = error.downcast_ref::<limpid_eval::Error>();
    let ours = error.downcast_ref::<Error>();
    matches!(core, Some(Interrupted(_)))
        || matches!(eval, Some(limpid_eval::Error::Core(Interrupted(_))))
        || matches!(
            ours,
            Some(
                Error::Core(Interrupted(_)) | Error::Eval(limpid_eval::Error::Core(Interrupted(_)))
            )
        )
}

fn core_usage(error: &limpid_core::Error) -> bool {
    use limpid_core::Error as E;
    // The other variants are about names, values and texts of the caller.
    !matches!(
        error,
        E::Shape { .. }
            | E::Duplicate { .. }
            | E::Memory { .. }
            | E::Tensor { .. }
            | E::Numeric { .. }
            | E::Checkpoint(_)
            | E::Interrupted(_)
    )
}

fn data_usage(error: &limpid_data::Error) -> bool {
    use limpid_data::Error as E;
    match error {
        E::Option { .. } | E::Unknown { .. } => true,
        E::Core(e) => core_usage(e),
        _ => false,
    }
}

fn eval_usage(error: &limpid_eval::Error) -> bool {
    use limpid_eval::Error as E;
    match error {
        E::UnknownMetric { .. } | E::UnknownField { .. } | E::Cutoff { .. } | E::NoMetric => true,
        E::Paths(_) => true,
        E::Core(e) => core_usage(e),
        _ => false,
    }
}
