//! A result in parts: each is complete or absent, so a run that was stopped can be continued.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::output::{Column, Destination, FileFormat, RowWriter, Sink};
use crate::{Error, Result};

/// The file with what the parts depend on.
const REQUEST: &str = "request.json";

/// The parts of a file that is not complete.
pub(super) struct Parts {
    folder: PathBuf,
    format: FileFormat,
    /// The complete parts: their files and numbers of rows.
    complete: Mutex<BTreeMap<usize, (PathBuf, usize)>>,
    /// The locked request: two runs must not write the same parts.
    lock: Option<File>,
}

/// What the parts depend on.
#[derive(serde::Serialize, serde::Deserialize)]
struct Request {
    schema: String,
    hash: String,
}

const SCHEMA: &str = "limpid.parts/1";

impl Parts {
    /// The parts of a file; those of an earlier run are kept if it is continued.
    pub(super) fn open(to: &Destination, request: &str, resume: bool) -> Result<Self> {
        let path = to.path().unwrap_or(Path::new("result"));
        let mut folder = OsString::from(path);
        folder.push(".parts");
        let folder = PathBuf::from(folder);
        let hash = blake3::hash(request.as_bytes()).to_hex().to_string();
        let mut parts = Self {
            folder,
            format: to.format(),
            complete: Mutex::default(),
            lock: None,
        };
        let earlier = parts.request()?;
        if earlier.is_some() {
            parts.lock()?;
        }
        match earlier {
            Some(earlier) if resume => {
                if earlier.schema != SCHEMA || earlier.hash != hash {
                    return Err(Error::Usage(format!(
                        "{} was begun with another model, users or options; give the same ones, or leave \
                         out --resume to begin again",
                        path.display()
                    )));
                }
                parts.find()?;
                return Ok(parts);
            }
            Some(_) => parts.remove()?,
            None if parts.folder.exists() => {
                return Err(Error::Usage(format!(
                    "cannot use {} for unfinished parts: it has other content; move it away",
                    parts.folder.display()
                )));
            }
            None => {}
        }
        parts.lock = None;
        fs::create_dir(&parts.folder).map_err(|e| Error::io("cannot create", &parts.folder, e))?;
        let request = Request {
            schema: SCHEMA.to_owned(),
            hash,
        };
        let text = serde_json::to_string(&request).map_err(|e| Error::Usage(e.to_string()))?;
        let at = parts.folder.join(REQUEST);
        Destination::new(&at, &[FileFormat::Json], FileFormat::Json)?.write(text.as_bytes())?;
        parts.lock()?;
        Ok(parts)
    }

    /// Locks the request; the lock ends with the process.
    fn lock(&mut self) -> Result<()> {
        let at = self.folder.join(REQUEST);
        let file = File::open(&at).map_err(|e| Error::io("cannot open", &at, e))?;
        // Where files cannot be locked, two runs are not kept apart.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Usage(format!(
                "another run is writing {}; wait for it, or choose another file",
                self.folder.display()
            )));
        }
        self.lock = Some(file);
        Ok(())
    }

    fn request(&self) -> Result<Option<Request>> {
        let at = self.folder.join(REQUEST);
        match fs::read(&at) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            // A run that was stopped before its first part leaves no request.
            Err(_) if has_no_content(&self.folder) => {
                self.remove()?;
                Ok(None)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("cannot read", at, e)),
        }
    }

    /// Finds the complete parts of an earlier run: `NUMBER-ROWS.ENDING`.
    fn find(&mut self) -> Result<()> {
        let failed = |e| Error::io("cannot read", &self.folder, e);
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let ending = path.extension().and_then(|e| e.to_str());
            let numbers = path.file_stem().and_then(|s| s.to_str()?.split_once('-'));
            if ending == Some(self.format.ending())
                && let Some((part, rows)) = numbers
                && let (Ok(part), Ok(rows)) = (part.parse(), rows.parse())
            {
                found.insert(part, (path, rows));
            }
        }
        self.complete = Mutex::new(found);
        Ok(())
    }

    fn completed(&self) -> MutexGuard<'_, BTreeMap<usize, (PathBuf, usize)>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a part is complete.
    pub(super) fn has(&self, part: usize) -> bool {
        self.completed().contains_key(&part)
    }

    /// Where a part is written.
    pub(super) fn part(&self, part: usize) -> Result<Destination> {
        let path = self
            .folder
            .join(format!("{part:06}.{}", self.format.ending()));
        Destination::new(&path, &[self.format], self.format)
    }

    /// Completes a part, which gets its number of rows into its name.
    pub(super) fn complete(&self, part: usize, at: &Destination, writer: RowWriter) -> Result<()> {
        let rows = writer.rows();
        writer.finish()?;
        let from = at.path().unwrap_or(&self.folder);
        let path = self
            .folder
            .join(format!("{part:06}-{rows}.{}", self.format.ending()));
        fs::rename(from, &path).map_err(|e| Error::io("cannot rename", from, e))?;
        self.completed().insert(part, (path, rows));
        Ok(())
    }

    /// Joins all parts to the file and removes them; returns the number of rows.
    pub(super) fn join(self, to: &Destination, columns: Vec<Column>) -> Result<usize> {
        let complete: Vec<(PathBuf, usize)> = self.completed().values().cloned().collect();
        let paths: Vec<&Path> = complete.iter().map(|(path, _)| path.as_path()).collect();
        match (paths.as_slice(), self.format) {
            ([], _) => RowWriter::create(to, columns)?.finish()?,
            (_, FileFormat::Parquet) => join_row_groups(&paths, to)?,
            _ => join_lines(&paths, to, self.format != FileFormat::Jsonl)?,
        }
        self.remove()?;
        Ok(complete.iter().map(|(_, rows)| rows).sum())
    }

    fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(|e| Error::io("cannot remove", &self.folder, e))
    }
}

/// Whether a folder is empty but for unfinished requests.
fn has_no_content(folder: &Path) -> bool {
    let unfinished = format!(".{REQUEST}.");
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.into_iter().all(|entry| {
            entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with(&unfinished))
        })
    })
}

/// Joins texts; a header is written once.
fn join_lines(parts: &[&Path], to: &Destination, header: bool) -> Result<()> {
    let mut sink = to.create()?;
    for (at, part) in parts.iter().enumerate() {
        let failed = |e| Error::io("cannot read", *part, e);
        let mut reader = BufReader::new(File::open(part).map_err(failed)?);
        if header && at > 0 {
            reader.skip_until(b'\n').map_err(failed)?;
        }
        std::io::copy(&mut reader, &mut sink).map_err(|e| sink.failed(e))?;
    }
    sink.finish()
}

/// Joins Parquet files by copying their row groups as they are.
fn join_row_groups(parts: &[&Path], to: &Destination) -> Result<()> {
    let mut writer: Option<SerializedFileWriter<Sink>> = None;
    for part in parts {
        let failed = |e: ParquetError| Error::artifact(*part, e.to_string());
        let file = File::open(part).map_err(|e| Error::io("cannot read", *part, e))?;
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .parse_and_finish(&file)
            .map_err(failed)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => {
                let of_file = metadata.file_metadata();
                let properties = WriterProperties::builder()
                    .set_key_value_metadata(of_file.key_value_metadata().cloned())
                    .build();
                let schema = of_file.schema_descr().root_schema_ptr();
                let created = SerializedFileWriter::new(to.create()?, schema, properties.into());
                none.insert(created.map_err(failed)?)
            }
        };
        let index = metadata.page_index();
        for (at, group) in metadata.row_groups().iter().enumerate() {
            let mut copy = writer.next_row_group().map_err(failed)?;
            for (column_at, column) in group.columns().iter().enumerate() {
                let close = ColumnCloseResult {
                    bytes_written: column.compressed_size() as u64,
                    rows_written: group.num_rows() as u64,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: index.and_then(|i| i.column_index(at, column_at)).cloned(),
                    offset_index: index.and_then(|i| i.offset_index(at, column_at)).cloned(),
                };
                copy.append_column(&file, close).map_err(failed)?;
            }
            copy.close().map_err(failed)?;
        }
    }
    match writer {
        Some(writer) => {
            let sink = writer.into_inner();
            sink.map_err(|e| Error::artifact(to.described(), e.to_string()))?
                .finish()
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Cell, Kind};

    const FORMATS: [&str; 4] = ["csv", "tsv", "jsonl", "parquet"];

    fn columns() -> Vec<Column> {
        vec![
            Column::new("id", Kind::Text),
            Column::new("cites", Kind::Texts),
        ]
    }

    fn write(parts: &Parts, part: usize, ids: &[&str]) {
        let at = parts.part(part).unwrap();
        let mut writer = RowWriter::create(&at, columns()).unwrap();
        for id in ids {
            writer
                .row(&[(*id).into(), Cell::Texts(vec![(*id).into()])])
                .unwrap();
        }
        parts.complete(part, &at, writer).unwrap();
    }

    #[test]
    fn two_runs_do_not_write_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.jsonl");
        let to = Destination::new(&to, &[FileFormat::Jsonl], FileFormat::Jsonl).unwrap();
        let first = Parts::open(&to, "request", false).unwrap();
        for resume in [false, true] {
            let second = Parts::open(&to, "request", resume)
                .err()
                .unwrap()
                .to_string();
            assert!(second.starts_with("another run is writing "), "{second}");
        }
        drop(first);
        Parts::open(&to, "request", true).unwrap();
    }

    /// The result of parts that are written in one run, and in two with a stop in the middle of a part.
    fn joined(ending: &str, stopped: bool) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("a.{ending}"));
        let to = Destination::new(&path, FileFormat::ROWS, FileFormat::Csv).unwrap();
        let mut parts = Parts::open(&to, "request", false).unwrap();
        write(&parts, 1, &["c"]);
        if stopped {
            let mut half = RowWriter::create(&parts.part(0).unwrap(), columns()).unwrap();
            half.row(&["lost".into(), Cell::Empty]).unwrap();
            std::mem::forget(half);
            drop(parts);
            let other = Parts::open(&to, "another request", true).err().unwrap();
            assert!(
                other.to_string().contains("begun with another model"),
                "{other}"
            );
            parts = Parts::open(&to, "request", true).unwrap();
            assert!(parts.has(1) && !parts.has(0));
        }
        write(&parts, 0, &["a", "b\nb"]);
        assert!(!path.exists());
        assert_eq!(parts.join(&to, columns()).unwrap(), 3);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::read(path).unwrap()
    }

    #[test]
    fn a_run_that_was_stopped_gives_the_same_bytes() {
        for ending in FORMATS {
            assert_eq!(joined(ending, true), joined(ending, false), "{ending}");
        }
        let text = String::from_utf8(joined("csv", true)).unwrap();
        assert_eq!(text.matches("id,cites").count(), 1);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), joined("parquet", true)).unwrap();
        let reader = File::open(file.path()).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(reader);
        let batches: Vec<_> = reader
            .unwrap()
            .build()
            .unwrap()
            .map(|b| b.unwrap())
            .collect();
        assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 3);
    }

    #[test]
    fn a_run_that_was_stopped_before_its_first_part_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::create_dir(folder.path().join("a.csv.parts")).unwrap();
        fs::write(folder.path().join("a.csv.parts/.request.json.new.7"), "").unwrap();
        let to = Destination::new(&path, FileFormat::ROWS, FileFormat::Csv).unwrap();
        let parts = Parts::open(&to, "request", true).unwrap();
        assert_eq!(parts.join(&to, columns()).unwrap(), 0);
        assert_eq!(fs::read_to_string(path).unwrap(), "id,cites\n");
    }

    #[test]
    fn a_folder_with_other_content_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::create_dir(folder.path().join("a.csv.parts")).unwrap();
        fs::write(folder.path().join("a.csv.parts/mine.txt"), "mine").unwrap();
        let to = Destination::new(&path, FileFormat::ROWS, FileFormat::Csv).unwrap();
        let refused = Parts::open(&to, "request", false).err().unwrap();
        assert!(
            refused.to_string().contains("it has other content"),
            "{refused}"
        );
        assert!(folder.path().join("a.csv.parts/mine.txt").exists());
    }
}
