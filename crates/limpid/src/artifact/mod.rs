//! Saved folders: `manifest.json`, `run.toml` and safetensors files, written once, checked when
//! opened.
//!
//! `run.toml` is the experiment of the manifest in a form to read and edit; only `limpid train --config`
//! reads it.
//!
//! A folder is complete or absent: [`limpid_data::staged`] says how it is written, what happens to links
//! and leftovers, and which modes files have. Opening checks the format, the checksum of the manifest, the
//! header and the length of every file, and checksums and values where all files together are below
//! [`CHECKED_AT_OPEN`]; [`verify`] always checks them.

mod manifest;
mod manifest_v1;
mod mapped;
mod target;
mod tensor_file;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use limpid_core::Tensors;
use limpid_data::staged::StagedFolder;
use limpid_models::Entry;

pub use manifest::{
    BaseRecord, DataRecord, DictionaryRecord, FORMAT, FileRecord, Manifest, SCHEMA, SplitRecord,
};
pub use target::{Target, check_folder, check_target};
pub use tensor_file::parse as parse_tensors;
pub(crate) use tensor_file::{bytes_of, write as write_tensors};

use crate::{Error, Result, small_file};

/// Folders below this size, in bytes, are checked in full whenever they are opened.
pub const CHECKED_AT_OPEN: u64 = 256 << 20;

/// The first format whose manifest has a checksum and whose files name their folder.
const CHECKSUMMED: u64 = 3;

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

/// Writes a folder. An existing folder at `path` is replaced only if it is empty or a saved model.
///
/// # Errors
/// [`Error::Io`], or [`Error::Artifact`] if something else is at `path` or a value is not finite.
pub fn write(path: &Path, manifest: Manifest, files: &[(&str, &Tensors)]) -> Result<Manifest> {
    target::check_replaceable(path)?;
    let staged = StagedFolder::create(path)?;
    let manifest = fill(staged.path(), manifest, files)?;
    staged.publish()?;
    Ok(manifest)
}

fn fill(folder: &Path, mut manifest: Manifest, files: &[(&str, &Tensors)]) -> Result<Manifest> {
    manifest.files.clear();
    for (name, tensors) in files {
        let file = format!("{name}.safetensors");
        let path = folder.join(&file);
        tensor_file::write_sealed(tensors, Some(&manifest.seal_of(name)), &path)?;
        manifest.files.insert(file, record(&path)?);
    }
    let path = folder.join(RUN);
    let again = manifest.again();
    let data = match again.data {
        Some(_) => "",
        None => " --data PATH",
    };
    let text = again.to_toml()?;
    let head = format!("# Train this model again: limpid train --config run.toml{data} -o FOLDER");
    fs::write(&path, format!("{head}\n{text}")).map_err(|e| Error::io("cannot write", &path, e))?;
    manifest.files.insert(RUN.to_owned(), record(&path)?);
    let (manifest, text) = manifest
        .sealed()
        .map_err(|e| Error::artifact(folder, e.to_string()))?;
    let path = folder.join(MANIFEST);
    fs::write(&path, text).map_err(|e| Error::io("cannot write", path, e))?;
    Ok(manifest)
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
    if !file.is_file() {
        return Err(Error::artifact(
            path,
            "is not a saved model: it has no manifest.json; save one with 'limpid train … -o FOLDER'",
        ));
    }
    read_manifest_file(&file)
}

/// Reads a manifest by the path of its file.
pub(crate) fn read_manifest_file(file: &Path) -> Result<Manifest> {
    parse_manifest(&small_file::bytes(file)?).map_err(|why| Error::artifact(file, why))
}

/// The manifest in the bytes of a `manifest.json` of any format.
///
/// # Errors
/// What is wrong with it, and the fix.
pub fn parse_manifest(json: &[u8]) -> std::result::Result<Manifest, String> {
    let damaged = |e: &dyn std::fmt::Display| format!("is damaged: {e}");
    let value: serde_json::Value = serde_json::from_slice(json).map_err(|e| damaged(&e))?;
    let format = match value.get("format").map(serde_json::Value::as_u64) {
        Some(Some(format)) if format > 0 => format,
        _ => return Err("is not a limpid manifest: it has no format".to_owned()),
    };
    if format > u64::from(FORMAT) {
        return Err(format!(
            "has format {format}, written by limpid {}; this limpid reads up to format {FORMAT}, so \
             update limpid",
            value.get("limpid").and_then(|v| v.as_str()).unwrap_or("?")
        ));
    }
    if format >= CHECKSUMMED {
        let recorded = value.get("checksum").and_then(serde_json::Value::as_str);
        if recorded != Some(&manifest::checksum(&value)) {
            return Err(
                "does not match its own checksum: it was changed after it was written; copy the \
                 folder again or train anew (to change an experiment, edit run.toml)"
                    .to_owned(),
            );
        }
    }
    let manifest: Manifest = match format {
        1 => serde_json::from_value::<manifest_v1::ManifestV1>(value)
            .map_err(|e| damaged(&e))?
            .into_manifest()
            .map_err(|e| damaged(&e))?,
        _ => serde_json::from_value(value).map_err(|e| damaged(&e))?,
    };
    check_kind(&manifest)?;
    Ok(manifest)
}

/// Refuses a folder whose kind is not that of the model of its experiment.
fn check_kind(manifest: &Manifest) -> std::result::Result<(), String> {
    let name = |name: &str| Entry::named(name).ok().map(|entry| entry.name);
    let kind = manifest.kind.strip_prefix("model/").and_then(name);
    let model = name(&manifest.experiment.model);
    // An unknown kind is refused with its own message where the model is loaded.
    match kind.is_some() && kind != model {
        true => Err(format!(
            "contradicts itself: its kind is '{}', but its experiment trains '{}'",
            manifest.kind, manifest.experiment.model
        )),
        false => Ok(()),
    }
}

/// What is checked besides lengths and headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Nothing.
    Headers,
    /// The checksums of the arrays, and that their values are finite.
    Arrays,
    /// The same for every file of the folder, and that no others are there.
    Folder,
}

/// Opens a folder: lengths always, checksums and values below [`CHECKED_AT_OPEN`].
///
/// # Errors
/// [`Error::Artifact`] with the name of the file that is missing, truncated, changed or foreign.
pub fn open(path: &Path) -> Result<Folder> {
    loop {
        let version = version(path);
        let manifest = read_manifest(path)?;
        let bytes = manifest.files.values().map(|f| f.bytes);
        let depth = match bytes.fold(0, u64::saturating_add) < CHECKED_AT_OPEN {
            true => Depth::Arrays,
            false => Depth::Headers,
        };
        let folder = check(path, manifest, depth);
        // The folder may be exchanged between two of its files; then the new one is opened.
        if version == self::version(path) {
            return folder;
        }
    }
}

/// When the manifest of a folder was written, which tells one folder from the next.
fn version(path: &Path) -> Option<SystemTime> {
    let about = fs::metadata(path.join(MANIFEST));
    about.and_then(|about| about.modified()).ok()
}

/// Checks the whole folder: the checksum of the manifest and of every file, that every array can be read
/// and has only finite values, that all files belong to this model, and that there are no others.
/// Formats 1 and 2 have no checksum of the manifest and of `run.toml`.
///
/// # Errors
/// As [`open`].
pub fn verify(path: &Path) -> Result<Manifest> {
    check(path, read_manifest(path)?, Depth::Folder).map(|folder| folder.manifest)
}

fn check(path: &Path, manifest: Manifest, depth: Depth) -> Result<Folder> {
    let sealed = u64::from(manifest.format) >= CHECKSUMMED;
    let mut tensors = BTreeMap::new();
    for (name, expected) in &manifest.files {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Error::artifact(
                path.join(MANIFEST),
                format!("names the file '{name}' outside its folder"),
            ));
        }
        let file = path.join(name);
        let stem = name.strip_suffix(".safetensors");
        // An edited run.toml does not change the model.
        if stem.is_some() || depth == Depth::Folder {
            check_file(&file, expected, depth != Depth::Headers)?;
        }
        if let Some(stem) = stem {
            let seal = sealed.then(|| manifest.seal_of(stem));
            let arrays = tensor_file::open(&file, seal.as_ref())?;
            if depth != Depth::Headers {
                tensor_file::check_finite(&arrays).map_err(|why| Error::artifact(&file, why))?;
            }
            tensors.insert(stem.to_owned(), arrays);
        }
    }
    if depth == Depth::Folder {
        check_others(path, &manifest)?;
    }
    Ok(Folder {
        path: path.to_owned(),
        manifest,
        tensors,
    })
}

fn check_file(file: &Path, expected: &FileRecord, full: bool) -> Result<()> {
    let about = fs::metadata(file).map_err(|e| Error::io("cannot read", file, e))?;
    if !about.is_file() {
        return Err(Error::artifact(file, "is not a file"));
    }
    if about.len() != expected.bytes {
        return Err(Error::artifact(
            file,
            format!(
                "has {} bytes, but the manifest records {}: it is truncated or was \
                 replaced; copy the folder again or train anew",
                about.len(),
                expected.bytes
            ),
        ));
    }
    if full && record(file)?.blake3 != expected.blake3 {
        return Err(Error::artifact(
            file,
            "does not match its checksum: its content was changed after it was written; copy \
             the folder again or train anew",
        ));
    }
    Ok(())
}

/// Refuses files that do not belong to a saved model.
fn check_others(path: &Path, manifest: &Manifest) -> Result<()> {
    for entry in fs::read_dir(path).map_err(|e| Error::io("cannot read", path, e))? {
        let entry = entry.map_err(|e| Error::io("cannot read", path, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = [MANIFEST, RUN, target::FINDER].contains(&name.as_str());
        if !known && !manifest.files.contains_key(&name) {
            return Err(Error::artifact(
                entry.path(),
                "is not part of the saved model; move it out of the folder",
            ));
        }
    }
    Ok(())
}
