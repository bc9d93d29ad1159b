//! Files and standard output: checked before the work, complete or absent after it.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use limpid_data::staged::StagedFile;

use crate::{Error, Result};

/// The format of a result; a file's ending selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// One JSON object per line.
    Jsonl,
    /// One JSON object.
    Json,
    /// Markdown.
    Md,
    /// Apache Parquet.
    Parquet,
    /// An array of NumPy.
    Npy,
    /// A picture.
    Svg,
}

impl FileFormat {
    /// Formats of rows.
    pub const ROWS: &'static [Self] = &[Self::Csv, Self::Tsv, Self::Jsonl, Self::Parquet];
    /// Formats of the answer of a verb.
    pub const ANSWERS: &'static [Self] = &[
        Self::Csv,
        Self::Tsv,
        Self::Jsonl,
        Self::Json,
        Self::Md,
        Self::Parquet,
    ];
    /// Formats of plots.
    pub const PICTURES: &'static [Self] = &[Self::Svg];

    /// The ending of its files.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Md => "md",
            Self::Parquet => "parquet",
            Self::Npy => "npy",
            Self::Svg => "svg",
        }
    }

    /// The format of a file name, among some.
    ///
    /// # Errors
    /// [`Error::Usage`] with the list, for any other ending.
    pub fn of(path: &Path, among: &[Self]) -> Result<Self> {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        let found = among
            .iter()
            .find(|f| f.ending().eq_ignore_ascii_case(ending));
        found.copied().ok_or_else(|| {
            let endings: Vec<String> = among.iter().map(|f| format!(".{}", f.ending())).collect();
            let listed = match endings.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => endings.concat(),
            };
            Error::Usage(format!(
                "cannot write {}: the ending selects the format and must be {listed}",
                path.display()
            ))
        })
    }
}

/// Where a result goes: a file with a known ending, or a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    place: Place,
    format: FileFormat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Stdout,
    /// A pipe or a device, which cannot be replaced by renaming.
    Stream(PathBuf),
    File(PathBuf),
}

impl Destination {
    /// Standard output in a format.
    #[must_use]
    pub fn stdout(format: FileFormat) -> Self {
        Self {
            place: Place::Stdout,
            format,
        }
    }

    /// A path, or `-` for standard output. The ending selects one of the `formats`; a stream has the
    /// format `streamed`. Call this before the work: it checks that the file can be written.
    ///
    /// # Errors
    /// [`Error::Usage`] for another ending or a folder, [`Error::Io`] if the folder of the file does not
    /// exist or cannot be written, or if the file is read-only.
    pub fn new(path: &Path, formats: &[FileFormat], streamed: FileFormat) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::stdout(streamed));
        }
        let found = fs::metadata(path);
        match &found {
            Ok(at) if at.is_dir() => {
                let name = format!("result.{}", streamed.ending());
                return Err(Error::Usage(format!(
                    "cannot write {}: it is a folder; name a file, such as {}",
                    path.display(),
                    path.join(name).display()
                )));
            }
            Ok(at) if !at.is_file() => {
                return Ok(Self {
                    place: Place::Stream(path.to_owned()),
                    format: streamed,
                });
            }
            _ => {}
        }
        let format = FileFormat::of(path, formats)?;
        // A link stays a link: the file that it names is replaced.
        let path = match (path.is_symlink(), found.is_ok()) {
            (true, true) => {
                fs::canonicalize(path).map_err(|e| Error::io("cannot write", path, e))?
            }
            (true, false) => {
                let lost = io::Error::new(io::ErrorKind::NotFound, "it links to nothing");
                return Err(Error::io("cannot write", path, lost));
            }
            (false, _) => path.to_owned(),
        };
        if found.is_ok() {
            OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(|e| Error::io("cannot replace", &path, e))?;
        }
        drop(staged(&path)?);
        Ok(Self {
            place: Place::File(path),
            format,
        })
    }

    /// The format of the result.
    #[must_use]
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// The file; none for standard output.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Stdout => None,
            Place::Stream(path) | Place::File(path) => Some(path),
        }
    }

    /// Whether it is a file, which appears when it is complete, and no stream.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// How messages name it.
    #[must_use]
    pub fn described(&self) -> String {
        self.path()
            .map_or_else(|| "standard output".to_owned(), |p| p.display().to_string())
    }

    /// Starts writing. A file is a [`StagedFile`] until [`Sink::finish`]; a sink that is dropped before
    /// leaves no file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be created.
    pub fn create(&self) -> Result<Sink> {
        let opened = |path: &Path| {
            let file = OpenOptions::new().write(true).open(path);
            file.map_err(|e| Error::io("cannot write", path, e))
        };
        let (out, staged): (Box<dyn Write + Send>, _) = match &self.place {
            Place::Stdout => (Box::new(io::stdout()), None),
            Place::Stream(path) => (Box::new(opened(path)?), None),
            Place::File(path) => {
                let staged = staged(path)?;
                (Box::new(opened(staged.path())?), Some(staged))
            }
        };
        Ok(Sink {
            out: BufWriter::new(out),
            staged,
            place: self.described(),
        })
    }

    /// Writes a whole result.
    ///
    /// # Errors
    /// As [`Self::create`] and [`Sink::finish`].
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut sink = self.create()?;
        sink.write_all(bytes).map_err(|e| sink.failed(e))?;
        sink.finish()
    }
}

/// The unfinished file of a path, whose folder must exist.
fn staged(path: &Path) -> Result<StagedFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.exists() {
        let why = format!(
            "the folder {} does not exist; create it first",
            folder.display()
        );
        let lost = io::Error::new(io::ErrorKind::NotFound, why);
        return Err(Error::io("cannot write", path, lost));
    }
    StagedFile::create(path).map_err(|e| match e {
        limpid_data::Error::Io { source, .. } => {
            Error::io("cannot write to the folder", folder, source)
        }
        e => e.into(),
    })
}

/// A result while it is written.
pub struct Sink {
    // Dropped before `staged`, so that the file is closed before it is removed.
    out: BufWriter<Box<dyn Write + Send>>,
    staged: Option<StagedFile>,
    place: String,
}

impl Sink {
    /// Completes the result: the file appears under its name.
    ///
    /// # Errors
    /// [`Error::Io`] with the error of the file system.
    pub fn finish(mut self) -> Result<()> {
        let flushed = self.out.flush();
        flushed.map_err(|e| self.failed(e))?;
        match self.staged.take().map(StagedFile::publish) {
            Some(Err(limpid_data::Error::Io { source, .. })) => Err(self.failed(source)),
            published => Ok(published.transpose().map(|_| ())?),
        }
    }

    /// An error of writing, with the place.
    #[must_use]
    pub fn failed(&self, error: io::Error) -> Error {
        Error::io("cannot write", &self.place, error)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(path: &Path) -> Result<Destination> {
        Destination::new(path, FileFormat::ROWS, FileFormat::Csv)
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.CSV");
        fs::write(&path, "before").unwrap();
        let to = rows(&path).unwrap();
        assert_eq!(to.format(), FileFormat::Csv);
        let mut sink = to.create().unwrap();
        sink.write_all(b"half").unwrap();
        drop(sink);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        to.write(b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_refused_first() {
        let folder = tempfile::tempdir().unwrap();
        let message = |name: &str| {
            let refused = rows(&folder.path().join(name)).unwrap_err();
            (refused.is_usage(), refused.to_string())
        };
        let (usage, text) = message("a.txt");
        assert!(usage && text.ends_with("must be .csv, .tsv, .jsonl or .parquet"));
        let (usage, text) = message("");
        assert!(usage && text.contains("it is a folder; name a file, such as"));
        let (usage, text) = message("new/a.csv");
        assert!(!usage && text.contains("does not exist; create it first"));
        fs::create_dir(folder.path().join("b.csv")).unwrap();
        assert!(message("b.csv").1.contains("it is a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_streams_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.csv"), folder.path().join("link.csv"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(
            rows(&link)
                .unwrap_err()
                .to_string()
                .contains("links to nothing")
        );
        fs::write(&file, "before").unwrap();
        rows(&link).unwrap().write(b"after").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        let stream = rows(Path::new("/dev/null")).unwrap();
        assert_eq!(stream.format(), FileFormat::Csv);
        stream.write(b"gone").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
