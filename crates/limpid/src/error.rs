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

    /// An [`Error::Artifact`], written short.
    pub fn artifact(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Artifact {
            path: path.into(),
            why: why.into(),
        }
    }
}
