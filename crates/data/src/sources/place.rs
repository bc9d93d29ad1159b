//! Where the bytes are: files on disk or in memory, plain, `.gz` or `.zst`, under one face.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::error::did_you_mean;
use crate::{Error, Result};

/// Bytes that are read at once from a file.
const BUFFER: usize = 1 << 17;

/// Entries of a folder beyond which it is not taken for a data set.
const MOST_ENTRIES: usize = 100_000;

/// How a file is packed, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// The name without its packing: `ratings.dat` of `ratings.dat.gz`.
fn unpacked(name: &str) -> (&str, Packing) {
    if let Some(name) = name.strip_suffix(".gz") {
        (name, Packing::Gzip)
    } else if let Some(name) = name.strip_suffix(".zst") {
        (name, Packing::Zstd)
    } else {
        (name, Packing::Plain)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bytes<'a> {
    Disk(PathBuf),
    Memory(&'a [u8]),
}

/// A file of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry<'a> {
    /// The name within the folder, without the packing, subfolders split by `/`.
    pub(super) name: String,
    packing: Packing,
    /// The stored name within the folder.
    pub(super) stored: String,
    /// What errors call it.
    pub(super) label: String,
    bytes: Bytes<'a>,
}

impl<'a> Entry<'a> {
    fn new(stored: String, label: String, bytes: Bytes<'a>) -> Self {
        let (name, packing) = unpacked(&stored);
        Self {
            name: name.to_owned(),
            packing,
            stored,
            label,
            bytes,
        }
    }

    /// The end of the name after the last dot, in lower case.
    pub(super) fn extension(&self) -> String {
        let base = self.name.rsplit('/').next().unwrap_or_default();
        match base.rsplit_once('.') {
            Some((_, extension)) => extension.to_ascii_lowercase(),
            None => String::new(),
        }
    }

    /// Opens it, unpacked.
    pub(super) fn open(&self) -> Result<Box<dyn BufRead + 'a>> {
        let raw: Box<dyn BufRead + 'a> = match &self.bytes {
            Bytes::Disk(path) => Box::new(BufReader::with_capacity(
                BUFFER,
                File::open(path)
                    .map_err(|e| Error::io(path, e, "check the name and the permissions"))?,
            )),
            Bytes::Memory(bytes) => Box::new(*bytes),
        };
        Ok(match self.packing {
            Packing::Plain => raw,
            Packing::Gzip => Box::new(BufReader::with_capacity(
                BUFFER,
                flate2::bufread::MultiGzDecoder::new(raw),
            )),
            Packing::Zstd => Box::new(BufReader::with_capacity(
                BUFFER,
                zstd::stream::read::Decoder::with_buffer(raw)
                    .map_err(|e| Error::io(&self.label, e, "the archive cannot be unpacked"))?,
            )),
        })
    }

    /// The file itself for formats with random access, if it is not packed.
    pub(super) fn on_disk(&self) -> Option<&Path> {
        match &self.bytes {
            Bytes::Disk(path) if self.packing == Packing::Plain => Some(path),
            _ => None,
        }
    }

    /// The first line without its end, at most `most` bytes of it; empty where the file is.
    pub(super) fn first_line(&self, most: usize) -> Result<Vec<u8>> {
        use std::io::Read;
        let mut line = Vec::new();
        self.open()?
            .take(most as u64)
            .read_until(b'\n', &mut line)
            .map_err(|e| {
                Error::io(
                    &self.label,
                    e,
                    "it cannot be unpacked or read; download the file again",
                )
            })?;
        while line.last().is_some_and(|&b| b == b'\n' || b == b'\r') {
            line.pop();
        }
        Ok(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).to_vec())
    }
}

/// The files of a data set: a folder with its direct subfolders, or one file.
#[derive(Debug, Clone)]
pub(super) struct Folder<'a> {
    /// The path as it was given.
    pub(super) path: PathBuf,
    /// The last part of its path.
    pub(super) name: String,
    entries: Vec<Entry<'a>>,
    /// The file that was named, where it was no folder.
    single: Option<String>,
}

impl<'a> Folder<'a> {
    /// The files at a path; for a single file with its neighbors, for their metadata.
    pub(super) fn on_disk(path: &Path) -> Result<Folder<'static>> {
        check_path(path)?;
        let kind = std::fs::metadata(path)
            .map_err(|e| Error::io(path, e, "check the path and its permissions"))?;
        let mut entries = Vec::new();
        let mut single = None;
        if kind.is_dir() {
            list(path, "", &mut entries)?;
            for sub in folders(path)? {
                let name = sub.file_name().map(|n| n.to_string_lossy().into_owned());
                list(
                    &sub,
                    &format!("{}/", name.unwrap_or_default()),
                    &mut entries,
                )?;
            }
        } else {
            let parent = path.parent().unwrap_or(Path::new(""));
            let stored = path.file_name().map(|n| n.to_string_lossy().into_owned());
            let stored = stored.unwrap_or_default();
            let here = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            // A folder that cannot be listed must not keep its file from being read.
            if list(here, "", &mut entries).is_err() {
                entries.clear();
            }
            let name = unpacked(&stored).0.to_owned();
            entries.retain(|e| e.name != name);
            entries.push(Entry::new(
                stored,
                path.display().to_string(),
                Bytes::Disk(path.to_path_buf()),
            ));
            single = Some(name);
        }
        Ok(Folder::of(path, entries, single))
    }

    /// One file without its neighbors.
    pub(super) fn alone(path: &Path) -> Result<Folder<'static>> {
        check_path(path)?;
        if path.is_dir() {
            return Err(Error::source(
                path,
                "is a folder, but a file is needed",
                "name the file with the events",
            ));
        }
        let stored = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let entry = Entry::new(
            stored.unwrap_or_default(),
            path.display().to_string(),
            Bytes::Disk(path.to_path_buf()),
        );
        let name = entry.name.clone();
        Ok(Folder::of(path, vec![entry], Some(name)))
    }

    /// Files in memory; one alone is a single file.
    pub(super) fn in_memory(name: &str, files: &[(&str, &'a [u8])]) -> Self {
        let entries: Vec<_> = files
            .iter()
            .map(|&(file, bytes)| {
                Entry::new(file.to_owned(), file.to_owned(), Bytes::Memory(bytes))
            })
            .collect();
        let single = match &entries[..] {
            [one] if !one.name.contains('/') => Some(one.name.clone()),
            _ => None,
        };
        Self::of(Path::new(name), entries, single)
    }

    fn of(path: &Path, mut entries: Vec<Entry<'a>>, single: Option<String>) -> Self {
        // Of a packed and a plain copy, the plain one is read.
        entries.sort();
        entries.dedup_by(|later, first| later.name == first.name);
        Self {
            name: name_of(path),
            path: path.to_path_buf(),
            entries,
            single,
        }
    }

    /// The file of a name, without its packing.
    pub(super) fn get(&self, name: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// All files, ordered by name.
    pub(super) fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// The files of the folder itself.
    pub(super) fn top(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|e| !e.name.contains('/'))
    }

    /// The file that was named, where it was no folder.
    pub(super) fn single(&self) -> Option<&Entry<'a>> {
        self.single.as_deref().and_then(|name| self.get(name))
    }

    /// The names of the files for an error message.
    pub(super) fn found(&self) -> String {
        const SHOWN: usize = 12;
        if let Some(one) = self.single() {
            return one.stored.clone();
        }
        if self.entries.is_empty() {
            return "no files".to_owned();
        }
        let mut text = self
            .entries
            .iter()
            .take(SHOWN)
            .map(|e| e.stored.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        if self.entries.len() > SHOWN {
            text += &format!(" and {} more", self.entries.len() - SHOWN);
        }
        text
    }
}

/// What a data set at a path is called: the last part of the path.
pub(super) fn name_of(path: &Path) -> String {
    let shown = path.canonicalize().ok();
    let name = shown.as_deref().unwrap_or(path).file_name();
    let name = name.map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    unpacked(&name).0.to_owned()
}

/// Refuses a path at which there is nothing, with similar names beside it.
///
/// # Errors
/// [`Error::Io`], with what may have been meant.
pub fn check_path(path: &Path) -> Result<()> {
    let Err(error) = std::fs::metadata(path) else {
        return Ok(());
    };
    let hint = similar_paths(path)
        .unwrap_or_else(|| "check the path; it names a file or folder of a data set".to_owned());
    Err(Error::io(path, error, hint))
}

/// The neighbors whose names are most like that of a path where there is nothing; a public data set of
/// the name.
fn similar_paths(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    if crate::fetch::known().iter().any(|set| set.name == name) {
        return Some(format!("download it with 'limpid data fetch {name}'"));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let beside: Vec<String> = children(parent.unwrap_or(Path::new(".")))
        .ok()?
        .iter()
        .filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let sets = crate::fetch::known().iter().map(|set| set.name);
    let meant = |names: &mut dyn Iterator<Item = &str>| {
        let names: Vec<&str> = names.collect();
        let hint = did_you_mean(&name, names);
        hint.starts_with("did you mean").then_some(hint)
    };
    meant(&mut beside.iter().map(String::as_str)).or_else(|| {
        let hint = meant(&mut sets.clone())?;
        Some(format!("{hint} Download it with 'limpid data fetch'"))
    })
}

/// Adds the files of a folder.
fn list(folder: &Path, prefix: &str, entries: &mut Vec<Entry<'_>>) -> Result<()> {
    for path in children(folder)? {
        if path.is_file() {
            let Some(name) = path.file_name() else {
                continue;
            };
            let stored = format!("{prefix}{}", name.to_string_lossy());
            entries.push(Entry::new(
                stored,
                path.display().to_string(),
                Bytes::Disk(path.clone()),
            ));
        }
    }
    Ok(())
}

/// The direct subfolders, ordered by name.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<_> = children(folder)?
        .into_iter()
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let hint = "check the permissions of the folder";
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e, hint))? {
        let path = entry.map_err(|e| Error::io(folder, e, hint))?.path();
        let hidden = path
            .file_name()
            .is_none_or(|n| n.to_string_lossy().starts_with('.'));
        if !hidden {
            paths.push(path);
        }
        if paths.len() > MOST_ENTRIES {
            return Err(Error::source(
                folder,
                format!("holds more than {MOST_ENTRIES} files"),
                "name the folder of one data set",
            ));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn packed_and_plain_files_have_one_name() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"\xef\xbb\xbfone\r\ntwo\n").unwrap();
        let gz = gz.finish().unwrap();
        let zst = zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap();
        let folder = Folder::in_memory(
            "set",
            &[("a.csv.gz", &gz), ("b.csv.zst", &zst), ("c.CSV", b"one")],
        );
        for name in ["a.csv", "b.csv", "c.CSV"] {
            let entry = folder.get(name).unwrap();
            assert_eq!(entry.first_line(100).unwrap(), b"one", "{name}");
            assert_eq!(entry.extension(), "csv");
        }
        assert_eq!(folder.found(), "a.csv.gz, b.csv.zst, c.CSV");
        assert!(folder.single().is_none());
    }

    #[test]
    fn a_plain_file_comes_before_its_packed_copy() {
        let folder = Folder::in_memory("set", &[("a.csv.gz", b"no gzip"), ("a.csv", b"plain")]);
        assert_eq!(folder.entries().len(), 1);
        assert_eq!(
            folder.get("a.csv").unwrap().first_line(9).unwrap(),
            b"plain"
        );
    }

    #[test]
    fn what_is_not_there_says_so() {
        let error = Folder::on_disk(Path::new("no/such/set")).unwrap_err();
        assert!(error.to_string().contains("check the path"), "{error}");
        let parent = tempfile::tempdir().unwrap();
        std::fs::create_dir(parent.path().join("ml-100k-copy")).unwrap();
        let error = |name: &str| {
            check_path(&parent.path().join(name))
                .unwrap_err()
                .to_string()
        };
        let near = error("ml-100k-cpy");
        assert!(near.ends_with("; did you mean 'ml-100k-copy'?"), "{near}");
        let known = error("ml-1m");
        assert!(
            known.ends_with("; download it with 'limpid data fetch ml-1m'"),
            "{known}"
        );
        let like = error("ml-2m");
        assert!(like.contains("did you mean one of 'ml-1m', "), "{like}");
        let folder = Folder::in_memory("set", &[("a.csv.gz", b"no gzip at all")]);
        let error = folder.get("a.csv").unwrap().first_line(9).unwrap_err();
        assert!(error.to_string().starts_with("a.csv.gz: "), "{error}");
    }
}
