//! `limpid verify`.

use serde::Serialize;

/// A saved model whose checksums all match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Verified {
    /// `limpid.verify/1`.
    pub schema: &'static str,
    /// Always true: a damaged folder is an error.
    pub ok: bool,
    /// Number of files, without the manifest.
    pub files: usize,
    /// Their length in bytes.
    pub bytes: u64,
}
