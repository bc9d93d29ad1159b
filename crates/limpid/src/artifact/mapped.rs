//! Memory mapping, in this file only: saved arrays are read when they are used.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use limpid_core::tensors::SharedBytes;

use crate::{Error, Result};

/// The bytes of a file, mapped read-only.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened or mapped.
#[allow(unsafe_code)]
pub(super) fn map(path: &Path) -> Result<SharedBytes> {
    let file = File::open(path).map_err(|e| Error::io("cannot open", path, e))?;
    let length = file
        .metadata()
        .map_err(|e| Error::io("cannot read", path, e))?
        .len();
    if length == 0 {
        return Ok(Arc::new(Vec::new()));
    }
    // SAFETY: the map is read-only and private to this process, and lives as long as it is
    // referenced. Saved folders are written once, under another name, and exchanged, so that limpid never
    // changes a file that it may have mapped; truncating one by hand while it is in use ends the
    // process with a bus error, a known limitation of mapped files.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io("cannot map", path, e))?;
    Ok(Arc::new(map))
}
