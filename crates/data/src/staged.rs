//! Folders and files that are complete or absent.
//!
//! What is written has a name of its own beside its target until it is complete: `.NAME.new-PID-N` for
//! a folder, `.NAME.part-PID-N` for a file. Then it is flushed to the disk and takes the target's name in
//! one step; where a folder is replaced and the system can exchange two names (Linux, macOS), the target
//! exists at every moment. Elsewhere the old folder is `.NAME.old-PID-N` for a moment, and gets its name
//! back if the new one cannot have it.
//!
//! - **Leftovers**: what a process that was killed left behind is removed when the same target is next
//!   written. What belongs to a process that is still running is left alone.
//! - **Links**: a target that is a symbolic link is followed; the link stays, and what it names is
//!   replaced. A link to nothing is refused.
//! - **Modes**: files and folders have the modes of the umask, like any other new file, also where they
//!   replace something.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

const CHOOSE: &str = "choose another place, or make this one writable";

/// A folder that is being written; dropping it unpublished removes it.
#[derive(Debug)]
pub struct StagedFolder {
    target: PathBuf,
    temporary: PathBuf,
    keep: bool,
    /// Held while the folder is written, so that no other process takes it for a leftover.
    _lock: Option<File>,
}

impl StagedFolder {
    /// Creates an empty folder beside its target, with the folders above it, and removes leftovers.
    ///
    /// # Errors
    /// [`Error::Io`] where nothing can be written, [`Error::Source`] where the path names no folder.
    pub fn create(target: &Path) -> Result<Self> {
        let target = resolve(target)?;
        create_above(&target)?;
        sweep(&target);
        let temporary = sibling(&target, "new");
        fs::create_dir(&temporary).map_err(|e| Error::io(&temporary, e, CHOOSE))?;
        Ok(Self {
            _lock: lock(&temporary),
            target,
            temporary,
            keep: false,
        })
    }

    /// The folder to write into.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Flushes the folder to the disk and gives it its name; what had the name is removed.
    ///
    /// # Errors
    /// [`Error::Io`]. What had the name still has it then, and the error says where the new folder is.
    pub fn publish(mut self) -> Result<()> {
        sync_all(&self.temporary).map_err(|e| Error::io(&self.temporary, e, "free some space"))?;
        let replaced = replace(&self.temporary, &self.target).map_err(|e| self.rescue(e))?;
        self.keep = true;
        sync_folder(above(&self.target));
        if let Some(old) = replaced {
            remove_folder(&old).map_err(|e| {
                let hint = format!("{} is saved; remove this one", self.target.display());
                Error::io(&old, e, hint)
            })?;
        }
        Ok(())
    }

    /// Keeps a complete folder that could not have its name.
    fn rescue(&mut self, why: io::Error) -> Error {
        self.keep = true;
        let mut name = self.target.file_name().unwrap_or_default().to_owned();
        name.push(".unsaved");
        let kept = self.target.with_file_name(name);
        let free = !exists(&kept) && fs::rename(&self.temporary, &kept).is_ok();
        let at = if free { &kept } else { &self.temporary };
        let hint = format!("what was to be saved is complete in {}", at.display());
        Error::io(&self.target, why, hint)
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        if !self.keep {
            // The error that led here matters more than a folder that the next write removes.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// A file that is being written; dropping it unpublished removes it.
#[derive(Debug)]
pub struct StagedFile {
    target: PathBuf,
    temporary: PathBuf,
    keep: bool,
}

impl StagedFile {
    /// Creates an empty file beside its target, with the folders above it, and removes leftovers.
    ///
    /// # Errors
    /// As [`StagedFolder::create`].
    pub fn create(target: &Path) -> Result<Self> {
        let target = resolve(target)?;
        create_above(&target)?;
        sweep(&target);
        let temporary = sibling(&target, "part");
        let file = File::create_new(&temporary).map_err(|e| Error::io(&temporary, e, CHOOSE))?;
        drop(file);
        Ok(Self {
            target,
            temporary,
            keep: false,
        })
    }

    /// The file to write to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Flushes the file to the disk and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`]; what had the name still has it then.
    pub fn publish(mut self) -> Result<()> {
        sync_all(&self.temporary)
            .and_then(|()| fs::rename(&self.temporary, &self.target))
            .map_err(|e| Error::io(&self.target, e, "free some space, or choose another place"))?;
        self.keep = true;
        sync_folder(above(&self.target));
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.keep {
            // As for folders.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The path that is written for a target: that of a symbolic link where there is one.
///
/// # Errors
/// [`Error::Io`] for a link to nothing, [`Error::Source`] for a path without a name.
pub fn resolve(target: &Path) -> Result<PathBuf> {
    let is_link = fs::symlink_metadata(target).is_ok_and(|about| about.is_symlink());
    let path = match is_link {
        true => fs::canonicalize(target).map_err(|e| {
            Error::io(
                target,
                e,
                "this is a link that leads nowhere; remove it, or create what it names",
            )
        })?,
        false => target.to_owned(),
    };
    match path.file_name() {
        Some(_) => Ok(path),
        None => Err(Error::source(
            target,
            "a path that ends with '..' or '/' names nothing that can be written",
            "add a name, such as models/ease",
        )),
    }
}

fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn create_above(target: &Path) -> Result<()> {
    let folder = above(target);
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e, CHOOSE))
}

/// Whether something has this name, a link to nothing included.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A new name beside a target.
fn sibling(target: &Path, kind: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = prefix(target);
    name.push(format!("{kind}-{}-{n}", std::process::id()));
    target.with_file_name(name)
}

fn prefix(target: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name
}

/// Puts a folder at `target`; returns the name that what was there has now.
fn replace(new: &Path, target: &Path) -> io::Result<Option<PathBuf>> {
    // Another process may write or remove the target between two attempts.
    for _ in 0..8 {
        if !exists(target) {
            match fs::rename(new, target) {
                Err(_) if exists(target) => continue,
                done => return done.map(|()| None),
            }
        }
        match exchange(new, target) {
            Ok(true) => return Ok(Some(new.to_owned())),
            Ok(false) => return replace_in_two_steps(new, target).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound && exists(new) => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("another process keeps writing it"))
}

/// Exchanges two names at once; false where the system cannot.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Renames the old folder away and the new one to its place; the old one returns if that fails.
fn replace_in_two_steps(new: &Path, target: &Path) -> io::Result<PathBuf> {
    let old = sibling(target, "old");
    fs::rename(target, &old)?;
    match fs::rename(new, target) {
        Ok(()) => Ok(old),
        Err(e) => match fs::rename(&old, target) {
            Ok(()) => Err(e),
            Err(again) => Err(io::Error::other(format!(
                "{e}; and what was there is now {} ({again})",
                old.display()
            ))),
        },
    }
}

/// Removes what dead processes left behind beside a target. A folder that was renamed away gets its
/// name back if nothing has it.
pub fn sweep(target: &Path) {
    let prefix = prefix(target);
    let Ok(entries) = fs::read_dir(above(target)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((kind, pid)) = leftover(&name, &prefix) else {
            continue;
        };
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let own = pid == std::process::id();
        // A process may have the number of one that died; then the lock decides.
        let in_use = match (kind, own) {
            (Kind::Part, true) => true,
            (Kind::Part, false) => is_running(pid, &path),
            (_, true) => lock(&path).is_none(),
            (_, false) => is_running(pid, &path) || lock(&path).is_none(),
        };
        if in_use || is_folder == (kind == Kind::Part) {
            continue;
        }
        // A leftover that cannot be removed does not keep anyone from writing.
        let _ = match kind {
            Kind::Old if !exists(target) => fs::rename(&path, target),
            Kind::Old | Kind::New => remove_folder(&path),
            Kind::Part => fs::remove_file(&path),
        };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Old,
    Part,
}

/// The kind and the process of a leftover, by its name: `.NAME.new-PID-N`, and `.NAME.new.PID` of
/// earlier versions.
fn leftover(name: &OsStr, prefix: &OsStr) -> Option<(Kind, u32)> {
    let rest = name
        .as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes())?;
    let rest = std::str::from_utf8(rest).ok()?;
    let mut words = rest.split(['-', '.']);
    let kind = match words.next()? {
        "new" => Kind::New,
        "old" => Kind::Old,
        "part" => Kind::Part,
        _ => return None,
    };
    let pid = words.next()?.parse().ok()?;
    let number = words.next().is_none_or(|n| n.parse::<u64>().is_ok());
    (number && words.next().is_none()).then_some((kind, pid))
}

#[cfg(unix)]
fn is_running(pid: u32, _: &Path) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Without a way to ask, what is younger than a day belongs to a process that runs.
#[cfg(not(unix))]
fn is_running(_: u32, path: &Path) -> bool {
    const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
    let modified = fs::metadata(path).and_then(|about| about.modified());
    modified.is_ok_and(|when| when.elapsed().is_ok_and(|age| age < DAY))
}

/// A lock on a folder that ends with the process; `None` if another one holds it, or where folders
/// cannot be locked.
#[cfg(unix)]
fn lock(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

/// Folders cannot be opened like files here.
#[cfg(not(unix))]
fn lock(_: &Path) -> Option<File> {
    None
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        // Another process may sweep at the same time.
        Err(e) if e.kind() == io::ErrorKind::NotFound && !exists(path) => Ok(()),
        done => done,
    }
}

/// Flushes a file, or a folder with its files.
#[cfg(unix)]
fn sync_all(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// Here only writers can flush, and the system does it when they close their files.
#[cfg(not(unix))]
fn sync_all(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Flushes the names in a folder. Not all file systems can, and the files themselves are on the disk.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    let _ = File::open(path).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn write(target: &Path, text: &str) -> Result<()> {
        let staged = StagedFolder::create(target)?;
        fs::write(staged.path().join("file"), text).unwrap();
        staged.publish()
    }

    fn read(target: &Path) -> String {
        fs::read_to_string(target.join("file")).unwrap()
    }

    #[test]
    fn folders_are_replaced_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("above/model");
        for text in ["one", "two"] {
            write(&target, text).unwrap();
            assert_eq!(read(&target), text);
            assert_eq!(names(&place.path().join("above")), ["model"]);
        }
        drop(StagedFolder::create(&target).unwrap());
        assert_eq!(names(&place.path().join("above")), ["model"]);
        assert!(StagedFolder::create(&place.path().join("..")).is_err());
    }

    /// A reader finds the folder at every moment while it is replaced.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_folder_exists_at_every_moment() {
        use std::sync::atomic::AtomicBool;
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        write(&target, "0").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut missing = 0;
                while !done.load(Ordering::Relaxed) {
                    missing += usize::from(!exists(&target.join("file")));
                }
                missing
            });
            for n in 0..200 {
                write(&target, &n.to_string()).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(reader.join().unwrap(), 0);
        });
    }

    #[test]
    fn a_failed_second_rename_restores_the_first() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        write(&target, "old").unwrap();
        assert!(replace_in_two_steps(&place.path().join("missing"), &target).is_err());
        assert_eq!(read(&target), "old");
        assert_eq!(names(place.path()), ["model"]);
        let new = place.path().join("new");
        write(&new, "new").unwrap();
        let old = replace_in_two_steps(&new, &target).unwrap();
        assert_eq!((read(&target), read(&old)), ("new".into(), "old".into()));
    }

    /// A process number that no process has.
    fn dead() -> u32 {
        (1 << 30) - 7
    }

    #[cfg(unix)]
    #[test]
    fn leftovers_of_dead_processes_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: String| place.path().join(name);
        let target = at("model".into());
        let (dead, alive) = (dead(), std::os::unix::process::parent_id());
        for name in [
            format!(".model.new-{dead}-3"),
            format!(".model.new.{dead}"),
            format!(".model.old-{dead}"),
            format!(".model.new-{}-4000000", std::process::id()),
        ] {
            fs::create_dir(at(name.clone())).unwrap();
            fs::write(at(name).join("histories"), "private").unwrap();
        }
        fs::write(at(format!(".model.part-{dead}-0")), "private").unwrap();
        let kept = [
            format!(".model.new-{alive}-0"),
            ".model.new-".into(),
            ".model.new-1x".into(),
            format!(".other.new-{dead}-0"),
        ];
        for name in &kept {
            fs::create_dir(at(name.clone())).unwrap();
        }
        write(&target, "saved").unwrap();
        let mut expected: Vec<String> = kept.into_iter().chain(["model".into()]).collect();
        expected.sort();
        assert_eq!(names(place.path()), expected);
        // Two writers in one process leave each other alone.
        let (one, two) = (
            StagedFolder::create(&target).unwrap(),
            StagedFolder::create(&target).unwrap(),
        );
        assert!(exists(one.path()) && exists(two.path()));
    }

    #[test]
    fn a_folder_that_was_renamed_away_gets_its_name_back() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        write(
            &place.path().join(format!(".model.old-{}-0", dead())),
            "only copy",
        )
        .unwrap();
        drop(StagedFolder::create(&target).unwrap());
        assert_eq!(read(&target), "only copy");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_stay() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().unwrap();
        let (target, link) = (place.path().join("v1"), place.path().join("latest"));
        write(&target, "one").unwrap();
        symlink("v1", &link).unwrap();
        write(&link, "two").unwrap();
        assert_eq!(read(&target), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let nowhere = place.path().join("nowhere");
        symlink("v2", &nowhere).unwrap();
        let refused = write(&nowhere, "three").unwrap_err().to_string();
        assert!(refused.contains("leads nowhere"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn modes_follow_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::write(place.path().join("plain"), "").unwrap();
        let target = place.path().join("file");
        let staged = StagedFile::create(&target).unwrap();
        fs::write(staged.path(), "text").unwrap();
        staged.publish().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "text");
        assert_eq!(mode(&target), mode(&place.path().join("plain")));
        drop(StagedFile::create(&target).unwrap());
        assert_eq!(names(place.path()), ["file", "plain"]);
    }
}
