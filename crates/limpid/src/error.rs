//! What can go wrong when the pieces are put together; each message says how to fix it.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the facade.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From the vocabulary or a model.
    #[error(transparent)]
    Core(#[from] limpid_core::Error),
    /// From reading data.
    #[error(transparent)]
    Data(#[from] limpid_data::Error),
    /// From measuring.
    #[error(transparent)]
    Eval(#[from] limpid_eval::Error),
    /// A file could not be read or written.
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried: `cannot read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A saved folder is not what it should be.
    #[error("{path}: {why}", path = .path.display())]
    Artifact {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong, and the fix.
        why: String,
    },
    /// An experiment or a recipe that cannot be read, or asks for what does not exist.
    #[error("{path}: {why}", path = .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The place, the rule, and the fix.
        why: String,
    },
    /// The data or the split of an experiment are not those that it was recorded with.
    #[error(
        "the {what} changed since this experiment was recorded (hash {recorded} then, {found} now); \
         give the same data, read options and filters, or accept the change with --data-changed-ok"
    )]
    Changed {
        /// What changed: `data`, `split`.
        what: &'static str,
        /// The head of the recorded hash.
        recorded: String,
        /// The head of the hash found.
        found: String,
    },
    /// The question cannot be asked of this model or with these options.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// An [`Error::Io`], written short.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }

    /// Whether the caller asked for what does not exist or cannot be done: an unknown name, a value
    /// out of range, options that do not go together. The command line then exits with 2, and with 1
    /// for work that failed.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Core(e) => core_usage(e),
            Self::Data(e) => data_usage(e),
            Self::Eval(e) => eval_usage(e),
            Self::Config { .. } | Self::Usage(_) => true,
            Self::Io { .. } | Self::Artifact { .. } | Self::Changed { .. } => false,
        }
    }

    /// An [`Error::Config`], written short.
    pub fn config(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Config {
            path: path.into(),
            why: why.into(),
        }
    }

    /// An [`Error::Artifact`], written short.
    pub fn artifact(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Artifact {
            path: path.into(),
            why: why.into(),
        }
    }
}

/// [`Error::is_usage`] of any error of the limpid libraries; false for errors of others.
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

fn core_usage(error: &limpid_core::Error) -> bool {
    use limpid_core::Error as E;
    // What is left are names, values and texts that the caller wrote.
    !matches!(
        error,
        E::Shape { .. }
            | E::Duplicate { .. }
            | E::Memory { .. }
            | E::Tensor { .. }
            | E::Numeric { .. }
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
        E::UnknownMetric { .. } | E::Cutoff { .. } | E::NoMetric => true,
        E::Core(e) => core_usage(e),
        _ => false,
    }
}
