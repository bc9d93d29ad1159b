//! Checks that a folder can be written, before any work is done.

use std::fs;
use std::path::{Path, PathBuf};

use limpid_data::staged::{self, StagedFolder};

use super::{MANIFEST, RUN};
use crate::{Error, Result};

/// A file that the Finder of macOS adds to any folder.
pub(super) const FINDER: &str = ".DS_Store";

/// Bytes that are written to see whether a disk is full: a whole block.
const PROBE: usize = 4096;

/// A saved model and its checkpoint have at least so many bytes.
const LEAST: u64 = 1_000_000;

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

/// Checks that a model can be saved at a path: nothing but a saved model or an empty folder is there, a
/// folder can be written beside it, and the disk has `needed` bytes. Leftovers of dead processes are
/// removed, so that their space is free again.
///
/// # Errors
/// [`Error::Artifact`] or [`Error::Io`] with the reason.
pub fn check_target(path: &Path, needed: u64) -> Result<Target> {
    let replaces = check_replaceable(path)?;
    let resolved = staged::resolve(path)?;
    if above(&resolved).exists() {
        // The same steps as when the model is saved; dropping it removes it.
        drop(StagedFolder::create(&resolved)?);
    }
    let target = check_folder(&resolved, needed)?;
    Ok(Target {
        path: path.to_owned(),
        replaces,
        ..target
    })
}

fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Checks that files can be written below a path, which may exist.
///
/// # Errors
/// As [`check_target`].
pub fn check_folder(path: &Path, needed: u64) -> Result<Target> {
    let about = fs::metadata(path);
    if about.as_ref().is_ok_and(|about| !about.is_dir()) {
        return Err(Error::artifact(path, "is a file, not a folder"));
    }
    // New folders will be created in the nearest ancestor that exists.
    let mut existing = if about.is_ok() { path } else { above(path) };
    while !existing.exists() {
        existing = above(existing);
    }
    let probe = existing.join(format!(".limpid-probe.{}", std::process::id()));
    let written = fs::write(&probe, [0; PROBE]);
    let removed = fs::remove_file(&probe);
    written
        .and(removed)
        .map_err(|e| Error::io("cannot write to", existing, e))?;
    let free_bytes = free_bytes(existing);
    let needed = needed.max(LEAST);
    if let Some(free) = free_bytes.filter(|&free| free < needed) {
        return Err(Error::artifact(
            path,
            format!(
                "needs at least {} MB, but its disk has {} MB free; free some space, or choose \
                 another disk",
                needed.div_ceil(1_000_000),
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

/// Checks that nothing is at a path but a saved model, an empty folder, or a link to one of them;
/// returns whether it is a saved model.
pub(super) fn check_replaceable(path: &Path) -> Result<bool> {
    let refuse = |why: String| Err(Error::artifact(path, why));
    let Ok(about) = fs::metadata(path) else {
        return Ok(false);
    };
    if !about.is_dir() {
        return refuse(
            "already exists and is not a saved model, so it is not replaced; choose \
             another name"
                .to_owned(),
        );
    }
    if is_mount_point(path, &about) {
        return refuse(
            "is a mount point, which cannot be replaced; choose a folder in it".to_owned(),
        );
    }
    let cannot = |e| Error::io("cannot read", path, e);
    let mut empty = true;
    for entry in fs::read_dir(path).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let name = name.to_string_lossy();
        let ours = [MANIFEST, RUN, FINDER].contains(&&*name) || name.ends_with(".safetensors");
        if !ours || !path.join(MANIFEST).is_file() {
            return refuse(format!(
                "already exists and is not a saved model: it contains '{name}', so it is not \
                 replaced; choose another name"
            ));
        }
        empty = false;
    }
    Ok(!empty)
}

#[cfg(unix)]
fn is_mount_point(path: &Path, about: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let parent = fs::metadata(path.join(".."));
    parent.is_ok_and(|parent| parent.dev() != about.dev())
}

/// A mounted folder is noticed when it cannot be renamed.
#[cfg(not(unix))]
fn is_mount_point(_: &Path, _: &fs::Metadata) -> bool {
    false
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
