//! Public data sets from their official addresses: downloaded to a temporary file, verified against
//! the SHA-256 that is recorded here, renamed and unpacked.
//!
//! Data sets are downloaded by name only. Without a network, the error says which file to download by
//! hand and where to put it; [`fetch`] then uses that file.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::{Error, Result};

/// Where GroupLens keeps the MovieLens archives.
const GROUPLENS: &str = "https://files.grouplens.org/datasets/movielens";

/// The largest archive in bytes, packed and unpacked: more than four times the largest set.
const MOST_BYTES: u64 = 8 << 30;

/// The largest number of files in an archive.
const MOST_FILES: usize = 10_000;

/// The terms that hold for every MovieLens set.
const TERMS: &str = "MovieLens data, GroupLens Research, University of Minnesota. For research; not for commercial or \
     revenue-bearing purposes without permission of GroupLens; use must be acknowledged in \
     publications (F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015); no \
     endorsement may be stated or implied; no warranty.";
const KEEP: &str = "Must not be redistributed without permission.";
const SHARE: &str = "May be redistributed under the same terms.";

/// A data set that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct KnownSet {
    /// The name; the archive is this and `.zip`.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// Size of the archive in megabytes, about.
    pub megabytes: u32,
    /// SHA-256 of the archive in hexadecimal digits; none for a set that changes over time.
    pub sha256: Option<&'static str>,
    /// What may be done with it, besides the terms that hold for all (see [`KnownSet::notice`]).
    pub redistribution: &'static str,
}

impl KnownSet {
    /// The licence notice, to be shown to the user who fetches the set.
    #[must_use]
    pub fn notice(&self) -> String {
        format!(
            "{TERMS} {} The full terms are in the README of the data set.",
            self.redistribution
        )
    }

    /// The official address of the archive.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{GROUPLENS}/{}.zip", self.name)
    }
}

const KNOWN: [KnownSet; 8] = [
    KnownSet {
        name: "ml-100k",
        about: "100,000 ratings, 943 users, 1,682 films (1998)",
        megabytes: 5,
        sha256: Some("50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"),
        redistribution: KEEP,
    },
    KnownSet {
        name: "ml-1m",
        about: "1,000,209 ratings, 6,040 users, 3,706 films (2003)",
        megabytes: 6,
        sha256: Some("a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"),
        redistribution: KEEP,
    },
    KnownSet {
        name: "ml-10m",
        about: "10,000,054 ratings, 95,580 tags, 69,878 users (2009)",
        megabytes: 63,
        sha256: Some("813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862"),
        redistribution: KEEP,
    },
    KnownSet {
        name: "ml-20m",
        about: "20,000,263 ratings, 465,564 tags, 138,493 users (2015)",
        megabytes: 199,
        sha256: Some("96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"),
        redistribution: KEEP,
    },
    KnownSet {
        name: "ml-25m",
        about: "25,000,095 ratings, 1,093,360 tags, 162,541 users (2019)",
        megabytes: 250,
        sha256: Some("8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa"),
        redistribution: SHARE,
    },
    KnownSet {
        name: "ml-32m",
        about: "32,000,204 ratings, 2,000,072 tags, 200,948 users (2023)",
        megabytes: 239,
        sha256: Some("e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee"),
        redistribution: SHARE,
    },
    KnownSet {
        name: "ml-latest-small",
        about: "100,836 ratings, 3,683 tags, 610 users (2018)",
        megabytes: 1,
        sha256: Some("696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"),
        redistribution: SHARE,
    },
    KnownSet {
        name: "ml-latest",
        about: "about 33,000,000 ratings, 2,000,000 tags, 330,000 users (2023); changes over time",
        megabytes: 335,
        sha256: None,
        redistribution: SHARE,
    },
];

/// The sets that can be fetched.
#[must_use]
pub fn known() -> &'static [KnownSet] {
    &KNOWN
}

/// Whether the archive was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// The archive has the recorded SHA-256, which is this.
    Verified(String),
    /// None is recorded, since the set changes over time; this is the SHA-256 of the archive. Its files
    /// were checked by the CRC of the zip format.
    NotRecorded(String),
    /// The folder was there already, without its archive.
    NotChecked,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FetchReport {
    /// The name of the set.
    pub name: String,
    /// The folder with its files.
    pub folder: PathBuf,
    /// The archive, which is kept.
    pub archive: PathBuf,
    /// Bytes that came over the network.
    pub bytes: u64,
    /// Whether the archive was checked.
    pub checksum: Checksum,
    /// The unpacked files.
    pub files: Vec<String>,
    /// Whether the folder was there already, so that nothing was done.
    pub already_there: bool,
    /// The licence notice, to be shown.
    pub notice: String,
}

/// Fetches a known set into the folder `into`; see [`KnownSet::fetch`].
///
/// # Errors
/// [`Error::Unknown`] for an unknown name, and as [`KnownSet::fetch`].
pub fn fetch(
    name: &str,
    into: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
    base_url: Option<&str>,
) -> Result<FetchReport> {
    KNOWN
        .iter()
        .find(|set| set.name == name)
        .ok_or_else(|| Error::unknown("data set", name, KNOWN.iter().map(|set| set.name)))?
        .fetch(into, progress, base_url)
}

impl KnownSet {
    /// Fetches the set into the folder `into`: the archive `into/NAME.zip` and the folder `into/NAME`.
    ///
    /// `progress` receives the bytes so far and the total, where the server states it. A broken or wrong
    /// download leaves no file behind. An archive that is already there, also one that was put there by
    /// hand, is verified like a download. `base_url` replaces the official address (a mirror).
    ///
    /// # Errors
    /// [`Error::Fetch`] where the server cannot be reached, refuses, breaks off, or sends something else
    /// than the recorded archive, with how to download by hand; [`Error::Io`] where the folder cannot be
    /// written; [`Error::Source`] for an archive that is not the recorded one, cannot be unpacked or
    /// would write outside its folder.
    pub fn fetch(
        &self,
        into: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
        base_url: Option<&str>,
    ) -> Result<FetchReport> {
        let name = self.name;
        let archive = into.join(format!("{name}.zip"));
        let mut report = FetchReport {
            name: name.to_owned(),
            folder: into.join(name),
            archive: archive.clone(),
            bytes: 0,
            checksum: Checksum::NotChecked,
            files: Vec::new(),
            already_there: false,
            notice: self.notice(),
        };
        let wrong = |why: String| {
            Error::source(&archive, why, "remove it, and its folder, and run it again")
        };
        if archive.exists() {
            report.checksum = self.verify(&archive)?.map_err(wrong)?;
        }
        if report.folder.exists() {
            report.already_there = true;
            return Ok(report);
        }
        fs::create_dir_all(into)
            .map_err(|e| Error::io(into, e, "choose a folder that can be written"))?;
        if !archive.exists() {
            let base = base_url.unwrap_or(GROUPLENS).trim_end_matches('/');
            let server = Server::new(format!("{base}/{name}.zip"), &archive);
            // Removed again unless it is whole and verified.
            let mut part = NamedTempFile::with_prefix_in(format!(".{name}.zip."), into)
                .map_err(|e| Error::io(into, e, "choose a folder that can be written"))?;
            report.bytes = server.download(&mut part, progress)?;
            report.checksum = self.verify(part.path())?.map_err(|why| server.error(why))?;
            part.persist(&archive)
                .map_err(|e| Error::io(&archive, e.error, "choose a folder that can be written"))?;
        }
        report.files = unpack(&archive, &report.folder, MOST_BYTES)?;
        Ok(report)
    }

    /// Compares a file with the recorded SHA-256; the inner error says how they differ.
    fn verify(&self, file: &Path) -> Result<std::result::Result<Checksum, String>> {
        let found = sha256_of(file)?;
        Ok(match self.sha256 {
            Some(recorded) if recorded == found => Ok(Checksum::Verified(found)),
            Some(recorded) => Err(format!(
                "the SHA-256 of the archive is {found}, but {recorded} is expected"
            )),
            None => Ok(Checksum::NotRecorded(found)),
        })
    }
}

/// One file of a server.
struct Server<'a> {
    agent: ureq::Agent,
    url: String,
    archive: &'a Path,
}

impl<'a> Server<'a> {
    fn new(url: String, archive: &'a Path) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .user_agent(concat!("limpid/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self {
            agent,
            url,
            archive,
        }
    }

    /// The error of a download, with how to download by hand.
    fn error(&self, reason: impl Into<String>) -> Error {
        Error::Fetch {
            url: self.url.clone(),
            reason: reason.into(),
            hint: format!(
                "try again later, or download that address by hand, put the file at {} and run it \
                 again",
                self.archive.display()
            ),
        }
    }

    fn get(&self, url: &str) -> Result<ureq::http::Response<ureq::Body>> {
        self.agent
            .get(url)
            .call()
            .map_err(|e| self.error(format!("the server cannot be reached ({e})")))
    }

    /// Downloads to `part`; returns the number of bytes.
    fn download(
        &self,
        part: &mut NamedTempFile,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<u64> {
        let response = self.get(&self.url)?;
        if response.status() != 200 {
            return Err(self.error(format!("the server answers {}", response.status())));
        }
        let total = response.body().content_length();
        let too_large = || self.error(format!("the file is larger than {MOST_BYTES} bytes"));
        if total.is_some_and(|n| n > MOST_BYTES) {
            return Err(too_large());
        }
        let path = part.path().to_owned();
        let cannot_write = |e| Error::io(&path, e, "free some space, or choose another folder");
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0u8; 1 << 16];
        let mut done = 0;
        progress(done, total);
        loop {
            let n = body.read(&mut buffer).map_err(|error| {
                self.error(format!("the connection broke after {done} bytes ({error})"))
            })?;
            if n == 0 {
                break;
            }
            part.write_all(&buffer[..n]).map_err(cannot_write)?;
            done += n as u64;
            if done > MOST_BYTES {
                return Err(too_large());
            }
            progress(done, total);
        }
        match total {
            Some(total) if total != done => Err(self.error(format!(
                "the connection broke after {done} of {total} bytes"
            ))),
            _ => Ok(done),
        }
    }
}

/// The SHA-256 of a file in hexadecimal digits.
fn sha256_of(path: &Path) -> Result<String> {
    let cannot_read = |e| Error::io(path, e, "check the disk, and run it again");
    let mut file = File::open(path).map_err(cannot_read)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let n = file.read(&mut buffer).map_err(cannot_read)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Unpacks an archive into a new folder; returns the files.
///
/// A single folder at the top of the archive is left out (`ml-10M100K/`). The files are first written
/// beside the folder, which gets its name when all are complete.
fn unpack(archive: &Path, folder: &Path, most: u64) -> Result<Vec<String>> {
    let mut beside = folder.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let cannot_write = |e| Error::io(&beside, e, "free some space, or choose another folder");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(cannot_write)?;
    }
    let file = File::open(archive).map_err(|e| {
        Error::io(
            archive,
            e,
            "check its permissions, or remove it and run it again",
        )
    })?;
    let unpacked = extract(BufReader::new(file), archive, &beside, most);
    match unpacked {
        Ok(files) => {
            fs::rename(&beside, folder).map_err(cannot_write)?;
            Ok(files)
        }
        Err(error) => {
            // The first error is the one to report, not that of the cleanup.
            let _ = fs::remove_dir_all(&beside);
            Err(error)
        }
    }
}

fn extract(
    packed: impl Read + Seek,
    archive: &Path,
    into: &Path,
    most: u64,
) -> Result<Vec<String>> {
    let bad =
        |reason: String| Error::source(archive, reason, "remove the archive and run it again");
    let cannot_write = |e| Error::io(into, e, "free some space, or choose another folder");
    let mut zip = zip::ZipArchive::new(packed)
        .map_err(|e| bad(format!("is not a readable zip archive ({e})")))?;
    if zip.len() > MOST_FILES {
        return Err(bad(format!("holds more than {MOST_FILES} files")));
    }
    let mut names: Vec<PathBuf> = Vec::new();
    for index in 0..zip.len() {
        let entry = zip
            .by_index(index)
            .map_err(|e| bad(format!("its file {index} cannot be read ({e})")))?;
        let shown = || String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.is_symlink() {
            return Err(bad(format!("holds a link, '{}'", shown())));
        }
        // None where the name leads out of the folder.
        names.push(
            entry
                .enclosed_name()
                .ok_or_else(|| bad(format!("holds a file outside of its folder, '{}'", shown())))?,
        );
    }
    let top = names.iter().find_map(|n| n.components().next());
    let top = top
        .map(|c| PathBuf::from(c.as_os_str()))
        .filter(|top| names.iter().all(|n| n.starts_with(top)) && names.iter().any(|n| n != top));
    fs::create_dir_all(into).map_err(cannot_write)?;
    let (mut files, mut total) = (Vec::new(), 0u64);
    for (index, name) in names.iter().enumerate() {
        let entry = zip
            .by_index(index)
            .map_err(|e| bad(format!("its file {index} cannot be read ({e})")))?;
        if entry.is_dir() {
            continue;
        }
        let name = match &top {
            Some(top) => name.strip_prefix(top).unwrap_or(name),
            None => name,
        };
        let path = into.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(cannot_write)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(cannot_write)?;
        // The declared size cannot be trusted: count the bytes.
        let room = most - total;
        let n = std::io::copy(&mut entry.take(room + 1), &mut file)
            .map_err(|e| bad(format!("'{}' cannot be unpacked ({e})", name.display())))?;
        if n > room {
            return Err(bad(format!("unpacks to more than {most} bytes")));
        }
        total += n;
        files.push(name.to_string_lossy().replace('\\', "/"));
    }
    if files.is_empty() {
        return Err(bad("holds no files".to_owned()));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use zip::write::SimpleFileOptions;

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn unpacked(bytes: &[u8], most: u64) -> (tempfile::TempDir, Result<Vec<String>>) {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("a.zip");
        fs::write(&archive, bytes).unwrap();
        let files = unpack(&archive, &dir.path().join("a"), most);
        (dir, files)
    }

    #[test]
    fn the_top_folder_is_left_out() {
        let (dir, files) = unpacked(&zipped(&[("top/b", b"2"), ("top/sub/a", b"1")]), 100);
        assert_eq!(files.unwrap(), ["b", "sub/a"]);
        assert_eq!(fs::read(dir.path().join("a/sub/a")).unwrap(), b"1");
        assert!(!dir.path().join("a.part").exists());
        let (_dir, files) = unpacked(&zipped(&[("x", b"2"), ("top/a", b"1")]), 100);
        assert_eq!(files.unwrap(), ["top/a", "x"]);
    }

    #[test]
    fn malicious_archives_are_refused() {
        let (dir, files) = unpacked(&zipped(&[("../evil", b"x")]), 100);
        assert!(
            files
                .unwrap_err()
                .to_string()
                .contains("outside of its folder, '../evil'")
        );
        assert!(!dir.path().join("evil").exists() && !dir.path().join("a").exists());
        let bomb = zipped(&[("a", &[0; 60]), ("b", &[0; 60])]);
        let (dir, files) = unpacked(&bomb, 100);
        assert!(
            files
                .unwrap_err()
                .to_string()
                .contains("more than 100 bytes")
        );
        assert!(!dir.path().join("a").exists() && !dir.path().join("a.part").exists());
        let (_dir, files) = unpacked(&bomb, 120);
        assert_eq!(files.unwrap().len(), 2);
        let (_dir, files) = unpacked(b"no zip", 100);
        assert!(
            files
                .unwrap_err()
                .to_string()
                .contains("not a readable zip archive")
        );
        let mut links = zip::ZipWriter::new(Cursor::new(Vec::new()));
        links
            .add_symlink("a", "/etc", SimpleFileOptions::default())
            .unwrap();
        let (_dir, files) = unpacked(&links.finish().unwrap().into_inner(), 100);
        assert!(files.unwrap_err().to_string().contains("holds a link"));
    }

    #[test]
    fn known_sets_have_addresses_and_terms() {
        for set in known() {
            assert!(set.url().ends_with(&format!("/{}.zip", set.name)));
            assert!(set.notice().contains("redistributed"));
            let is_sum = |sum: &str| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(set.sha256.is_none_or(is_sum));
            assert_eq!(
                set.sha256.is_none(),
                set.about.contains("changes over time")
            );
        }
        let error = fetch("ml-2m", Path::new("."), &mut |_, _| (), None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("unknown data set 'ml-2m'; did you mean one of 'ml-1m'")
        );
    }
}
