//! Saved folders: `manifest.json`, `run.toml` and safetensors files, written once, checked when
//! opened.
//!
//! `run.toml` is the experiment of the manifest in a form to read and edit; only `limpid train --config`
//! reads it.
//!
//! A folder is written under a temporary name and renamed, so that there are no incomplete folders.
//! Opening checks the format, the header and the length of every file, and the full
//! checksum where all files together are below [`CHECKED_AT_OPEN`]; [`verify`] always checks it.

mod manifest;
mod manifest_v1;
mod mapped;
mod target;
mod tensor_file;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use limpid_core::Tensors;

pub use manifest::{DataRecord, FORMAT, FileRecord, Manifest, SCHEMA, SplitRecord};
pub use target::{Target, check_folder, check_target};
pub use tensor_file::parse as parse_tensors;
pub(crate) use tensor_file::write as write_tensors;

use crate::{Error, Result};

/// Folders below this size, in bytes, are checked in full whenever they are opened.
pub const CHECKED_AT_OPEN: u64 = 256 << 20;

/// Largest manifest that is read.
const MAX_MANIFEST: u64 = 16 << 20;

const MANIFEST: &str = "manifest.json";

const RUN: &str = "run.toml";

/// A folder that was opened: its manifest, and its files by name without extension.
#[derive(Debug)]
pub struct Folder {
    /// Its path.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    tensors: BTreeMap<String, Tensors>,
}

impl Folder {
    /// The arrays of one file: `model`, `catalogue`, `histories`.
    ///
    /// # Errors
    /// [`Error::Artifact`] if the folder does not have it.
    pub fn tensors(&self, name: &str) -> Result<&Tensors> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::artifact(&self.path, format!("has no file '{name}.safetensors'")))
    }

    /// Whether the folder has a file.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}

/// Writes a folder. An existing folder at `path` is replaced only if it is a saved model.
///
/// # Errors
/// [`Error::Io`], or [`Error::Artifact`] if something else is at `path`.
pub fn write(path: &Path, mut manifest: Manifest, files: &[(&str, &Tensors)]) -> Result<Manifest> {
    let name = target::name(path)?.to_string_lossy();
    let sibling =
        |kind: &str| path.with_file_name(format!(".{name}.{kind}.{}", std::process::id()));
    let temporary = sibling("new");
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|e| Error::io("cannot create", parent, e))?;
    }
    if temporary.exists() {
        fs::remove_dir_all(&temporary).map_err(|e| Error::io("cannot remove", &temporary, e))?;
    }
    fs::create_dir(&temporary).map_err(|e| Error::io("cannot create", &temporary, e))?;
    let written = fill(&temporary, &mut manifest, files).and_then(|()| {
        let old = sibling("old");
        if path.exists() {
            fs::rename(path, &old).map_err(|e| Error::io("cannot replace", path, e))?;
        }
        fs::rename(&temporary, path).map_err(|e| Error::io("cannot write", path, e))?;
        if old.exists() {
            fs::remove_dir_all(&old).map_err(|e| Error::io("cannot remove", &old, e))?;
        }
        Ok(())
    });
    if written.is_err() {
        // The returned error matters more than a temporary folder that was not removed.
        let _ = fs::remove_dir_all(&temporary);
    }
    written.map(|()| manifest)
}

fn fill(folder: &Path, manifest: &mut Manifest, files: &[(&str, &Tensors)]) -> Result<()> {
    manifest.files.clear();
    for (name, tensors) in files {
        let file = format!("{name}.safetensors");
        let path = folder.join(&file);
        tensor_file::write(tensors, &path)?;
        manifest.files.insert(file, record(&path)?);
    }
    let json = serde_json::to_string_pretty(manifest)
        .map_err(|e| Error::artifact(folder, e.to_string()))?;
    let path = folder.join(MANIFEST);
    fs::write(&path, json + "\n").map_err(|e| Error::io("cannot write", path, e))?;
    let path = folder.join(RUN);
    let again = manifest.again();
    let data = match again.data {
        Some(_) => "",
        None => " --data PATH",
    };
    let text = again.to_toml()?;
    let head = format!("# Train this model again: limpid train --config run.toml{data} -o FOLDER");
    fs::write(&path, format!("{head}\n{text}")).map_err(|e| Error::io("cannot write", path, e))
}

fn record(path: &Path) -> Result<FileRecord> {
    let bytes = mapped::map(path)?;
    let bytes: &[u8] = (*bytes).as_ref();
    Ok(FileRecord {
        bytes: bytes.len() as u64,
        blake3: blake3::hash(bytes).to_hex().to_string(),
    })
}

/// Reads the manifest of a folder and checks that this version can read the rest.
///
/// # Errors
/// [`Error::Io`], or [`Error::Artifact`] if it is not a saved model, or of a newer format.
pub fn read_manifest(path: &Path) -> Result<Manifest> {
    let file = path.join(MANIFEST);
    if fs::exists(&file).is_ok_and(|exists| !exists) {
        return Err(Error::artifact(
            path,
            "is not a saved model: it has no manifest.json; save one with 'limpid train … -o FOLDER'",
        ));
    }
    read_manifest_file(&file)
}

/// Reads a manifest by the path of its file.
pub(crate) fn read_manifest_file(file: &Path) -> Result<Manifest> {
    let length = fs::metadata(file)
        .map_err(|e| Error::io("cannot read", file, e))?
        .len();
    if length > MAX_MANIFEST {
        return Err(Error::artifact(
            file,
            format!("has {length} bytes; a manifest has at most {MAX_MANIFEST}"),
        ));
    }
    let json = fs::read(file).map_err(|e| Error::io("cannot read", file, e))?;
    let damaged = |e: &dyn std::fmt::Display| Error::artifact(file, format!("is damaged: {e}"));
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(|e| damaged(&e))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(1) => {
            let old: manifest_v1::ManifestV1 =
                serde_json::from_value(value).map_err(|e| damaged(&e))?;
            old.into_manifest().map_err(|e| damaged(&e))
        }
        Some(format) if format > u64::from(FORMAT) => Err(Error::artifact(
            file,
            format!(
                "has format {format}, written by limpid {}; this limpid reads up to format \
                     {FORMAT}, so update limpid",
                value.get("limpid").and_then(|v| v.as_str()).unwrap_or("?")
            ),
        )),
        Some(_) => serde_json::from_value(value).map_err(|e| damaged(&e)),
        None => Err(Error::artifact(
            file,
            "is not a limpid manifest: it has no format",
        )),
    }
}

/// Opens a folder: lengths always, checksums below [`CHECKED_AT_OPEN`].
///
/// # Errors
/// [`Error::Artifact`] with the name of the file that is missing, truncated, changed or foreign.
pub fn open(path: &Path) -> Result<Folder> {
    let manifest = read_manifest(path)?;
    let total: u64 = manifest.files.values().map(|f| f.bytes).sum();
    check(path, &manifest, total < CHECKED_AT_OPEN)?;
    let mut tensors = BTreeMap::new();
    for name in manifest.files.keys() {
        if let Some(stem) = name.strip_suffix(".safetensors") {
            tensors.insert(stem.to_owned(), tensor_file::open(&path.join(name))?);
        }
    }
    Ok(Folder {
        path: path.to_owned(),
        manifest,
        tensors,
    })
}

/// Checks the length and the checksum of every file, and that every array can be read.
///
/// # Errors
/// As [`open`].
pub fn verify(path: &Path) -> Result<Manifest> {
    let manifest = read_manifest(path)?;
    check(path, &manifest, true)?;
    open(path).map(|folder| folder.manifest)
}

fn check(path: &Path, manifest: &Manifest, full: bool) -> Result<()> {
    for (name, expected) in &manifest.files {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Error::artifact(
                path.join(MANIFEST),
                format!("names the file '{name}' outside its folder"),
            ));
        }
        let file = path.join(name);
        let length = fs::metadata(&file)
            .map_err(|e| Error::io("cannot read", &file, e))?
            .len();
        if length != expected.bytes {
            return Err(Error::artifact(
                &file,
                format!(
                    "has {length} bytes, but the manifest records {}: it is truncated or was \
                     replaced; copy the folder again or train anew",
                    expected.bytes
                ),
            ));
        }
        if full && record(&file)?.blake3 != expected.blake3 {
            return Err(Error::artifact(
                &file,
                "does not match its checksum: its content was changed after it was written; copy \
                 the folder again or train anew",
            ));
        }
    }
    Ok(())
}
