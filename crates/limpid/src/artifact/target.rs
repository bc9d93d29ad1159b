//! Checks that a folder can be written, before any work is done.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::MANIFEST;
use crate::{Error, Result};

/// A folder that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The folder.
    pub path: PathBuf,
    /// Whether it is a saved model, which will be replaced.
    pub replaces: bool,
    /// Free bytes on its disk, where the system reports them.
    pub free_bytes: Option<u64>,
}

/// Checks that a model can be saved at a path: nothing else is there, its parent can be written,
/// and the disk has `needed` bytes.
///
/// # Errors
/// [`Error::Artifact`] or [`Error::Io`] with the reason.
pub fn check_target(path: &Path, needed: u64) -> Result<Target> {
    name(path)?;
    let target = check_folder(path, needed)?;
    Ok(Target {
        replaces: path.exists(),
        ..target
    })
}

/// Checks that files can be written below a path, which may exist.
///
/// # Errors
/// As [`check_target`].
pub fn check_folder(path: &Path, needed: u64) -> Result<Target> {
    // New folders will be created in the nearest ancestor that exists.
    let mut above = path.parent();
    while let Some(folder) = above.filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        above = folder.parent();
    }
    let existing = match above.filter(|f| !f.as_os_str().is_empty()) {
        Some(folder) => folder,
        None => Path::new("."),
    };
    let probe = existing.join(format!(".limpid-probe.{}", std::process::id()));
    fs::write(&probe, b"")
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|e| Error::io("cannot write to", existing, e))?;
    let free_bytes = free_bytes(existing);
    if let Some(free) = free_bytes.filter(|&free| free < needed) {
        return Err(Error::artifact(
            path,
            format!(
                "needs at least {} MB, but its disk has {} MB free; free some space, or choose \
                 another disk",
                needed / 1_000_000,
                free / 1_000_000
            ),
        ));
    }
    Ok(Target {
        path: path.to_owned(),
        replaces: false,
        free_bytes,
    })
}

/// The name of a folder that may be written: new, or a saved model.
pub(super) fn name(path: &Path) -> Result<&OsStr> {
    if path.exists() && !path.join(MANIFEST).is_file() {
        return Err(Error::artifact(
            path,
            "already exists and is not a saved model, so it is not replaced; choose another name",
        ));
    }
    path.file_name()
        .ok_or_else(|| Error::artifact(path, "does not name a folder"))
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}
