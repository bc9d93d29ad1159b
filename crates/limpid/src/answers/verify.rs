//! `limpid verify`.

use serde::Serialize;

/// A saved model whose checksums all match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Verified {
    /// `limpid.verify/1`.
    pub schema: &'static str,
    /// Always true: a damaged folder is an error.
    pub ok: bool,
    /// The format of the folder.
    pub format: u32,
    /// Whether the manifest has a checksum too; formats 1 and 2 have none.
    pub manifest_checked: bool,
    /// Number of files, without the manifest.
    pub files: usize,
    /// Their length in bytes.
    pub bytes: u64,
}
