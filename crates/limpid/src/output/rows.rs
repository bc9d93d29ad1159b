//! Rows of named columns, written one by one as CSV, TSV, JSON Lines or Parquet.
//!
//! Parquet and JSON Lines have the text exactly as it is in the data. CSV and TSV are opened by
//! spreadsheets and shown by terminals: their text passes [`text::cell`].

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float32Builder, Float64Builder, Int64Builder, ListBuilder,
    StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Destination, FileFormat, Sink, text};
use crate::{Error, Result};

/// Rows that are collected before they are passed to the Parquet writer.
const BATCH: usize = 1 << 14;

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Several texts: a list in Parquet and JSON, a JSON array in CSV.
    Texts,
    /// A 64-bit integer.
    Integer,
    /// A 32-bit number, such as a score.
    Single,
    /// A 64-bit number, such as a metric.
    Double,
    /// True or false.
    Flag,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its cells hold; every cell may be empty.
    pub kind: Kind,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }
}

/// One cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Empty,
    /// Of [`Kind::Text`].
    Text(Cow<'a, str>),
    /// Of [`Kind::Texts`].
    Texts(Vec<Cow<'a, str>>),
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Single`]; without a value if it is not finite.
    Single(f32),
    /// Of [`Kind::Double`]; without a value if it is not finite.
    Double(f64),
    /// Of [`Kind::Flag`].
    Flag(bool),
}

impl Cell<'_> {
    /// The same cell with its own text.
    #[must_use]
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Empty => Cell::Empty,
            Self::Text(text) => Cell::Text(text.into_owned().into()),
            Self::Texts(all) => {
                Cell::Texts(all.into_iter().map(|t| t.into_owned().into()).collect())
            }
            Self::Integer(v) => Cell::Integer(v),
            Self::Single(v) => Cell::Single(v),
            Self::Double(v) => Cell::Double(v),
            Self::Flag(v) => Cell::Flag(v),
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<f32> for Cell<'_> {
    fn from(value: f32) -> Self {
        Self::Single(value)
    }
}

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<u32> for Cell<'_> {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<usize> for Cell<'_> {
    fn from(value: usize) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// Writes rows to a destination, block by block; memory does not grow with their number.
pub struct RowWriter {
    columns: Vec<Column>,
    place: String,
    rows: usize,
    form: Form,
}

enum Form {
    Separated(Box<csv::Writer<Sink>>),
    Lines(Sink),
    Parquet(Box<Batches>),
}

impl RowWriter {
    /// Starts a file with these columns.
    ///
    /// # Errors
    /// [`Error::Usage`] for a format that has no rows, [`Error::Io`] if the file cannot be created.
    pub fn create(to: &Destination, columns: Vec<Column>) -> Result<Self> {
        let place = to.described();
        let form = match to.format() {
            format @ (FileFormat::Csv | FileFormat::Tsv) => {
                let separator = if format == FileFormat::Csv {
                    b','
                } else {
                    b'\t'
                };
                let mut writer = csv::WriterBuilder::new()
                    .delimiter(separator)
                    .from_writer(to.create()?);
                writer
                    .write_record(columns.iter().map(|c| text::cell(&c.name).into_owned()))
                    .map_err(|e| unwritten(&place, e))?;
                Form::Separated(Box::new(writer))
            }
            FileFormat::Jsonl => Form::Lines(to.create()?),
            FileFormat::Parquet => {
                Form::Parquet(Box::new(Batches::create(&columns, to.create()?, &place)?))
            }
            format @ (FileFormat::Json | FileFormat::Md | FileFormat::Npy | FileFormat::Svg) => {
                return Err(Error::Usage(format!(
                    "cannot write rows to {place} as {}",
                    format.ending()
                )));
            }
        };
        Ok(Self {
            columns,
            place,
            rows: 0,
            form,
        })
    }

    /// Number of rows written.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes one row: a cell for every column, of its kind or empty.
    ///
    /// # Errors
    /// [`Error::Io`] with the error of the file system, [`Error::Artifact`] for cells that do not fit
    /// the columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        if cells.len() != self.columns.len() {
            let why = format!(
                "a row has {} cells, not {}",
                cells.len(),
                self.columns.len()
            );
            return Err(Error::artifact(&self.place, why));
        }
        for (column, cell) in self.columns.iter().zip(cells) {
            if !fits(column.kind, cell) {
                let why = format!("the column '{}' cannot hold {cell:?}", column.name);
                return Err(Error::artifact(&self.place, why));
            }
        }
        self.rows += 1;
        match &mut self.form {
            Form::Separated(writer) => {
                for cell in cells {
                    let written = separated(cell);
                    writer
                        .write_field(&*written)
                        .map_err(|e| unwritten(&self.place, e))?;
                }
                writer
                    .write_record(None::<&[u8]>)
                    .map_err(|e| unwritten(&self.place, e))
            }
            Form::Lines(sink) => {
                let mut line = String::from("{");
                for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
                    if at > 0 {
                        line.push(',');
                    }
                    line += &text::json_string(&column.name);
                    line.push(':');
                    line += &json(cell);
                }
                line += "}\n";
                let written = sink.write_all(line.as_bytes());
                written.map_err(|e| sink.failed(e))
            }
            Form::Parquet(batches) => batches.row(cells, &self.place),
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    /// [`Error::Io`] with the error of the file system.
    pub fn finish(self) -> Result<()> {
        match self.form {
            Form::Separated(writer) => match writer.into_inner() {
                Ok(sink) => sink.finish(),
                Err(e) => Err(Error::io("cannot write", self.place, e.into_error())),
            },
            Form::Lines(sink) => sink.finish(),
            Form::Parquet(batches) => batches.finish(&self.place),
        }
    }
}

fn fits(kind: Kind, cell: &Cell<'_>) -> bool {
    match cell {
        Cell::Empty => true,
        Cell::Text(_) => kind == Kind::Text,
        Cell::Texts(_) => kind == Kind::Texts,
        Cell::Integer(_) => kind == Kind::Integer,
        Cell::Single(_) => kind == Kind::Single,
        Cell::Double(_) => kind == Kind::Double,
        Cell::Flag(_) => kind == Kind::Flag,
    }
}

fn unwritten(place: &str, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(e) => Error::io("cannot write", place, e),
        other => Error::artifact(place, format!("{other:?}")),
    }
}

/// A cell as text without a value for numbers that are not finite.
fn separated<'a>(cell: &'a Cell<'_>) -> Cow<'a, str> {
    match cell {
        Cell::Text(written) => text::cell(written),
        Cell::Texts(_) => Cow::Owned(text::cell(&json(cell)).into_owned()),
        Cell::Single(v) if v.is_finite() => v.to_string().into(),
        Cell::Double(v) if v.is_finite() => v.to_string().into(),
        Cell::Integer(v) => v.to_string().into(),
        Cell::Flag(v) => v.to_string().into(),
        Cell::Empty | Cell::Single(_) | Cell::Double(_) => "".into(),
    }
}

fn json(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Text(written) => text::json_string(written),
        Cell::Texts(all) => {
            let all: Vec<String> = all.iter().map(|t| text::json_string(t)).collect();
            format!("[{}]", all.join(","))
        }
        Cell::Single(v) if v.is_finite() => v.to_string(),
        Cell::Double(v) if v.is_finite() => v.to_string(),
        Cell::Integer(v) => v.to_string(),
        Cell::Flag(v) => v.to_string(),
        Cell::Empty | Cell::Single(_) | Cell::Double(_) => "null".to_owned(),
    }
}

/// Rows on their way to a Parquet file.
struct Batches {
    schema: SchemaRef,
    builders: Vec<Builder>,
    pending: usize,
    writer: ArrowWriter<Shared>,
    sink: Shared,
}

enum Builder {
    Text(StringBuilder),
    Texts(ListBuilder<StringBuilder>),
    Integer(Int64Builder),
    Single(Float32Builder),
    Double(Float64Builder),
    Flag(BooleanBuilder),
}

/// The sink behind a writer that does not give it back before it has written the footer.
#[derive(Clone)]
struct Shared(Arc<std::sync::Mutex<Option<Sink>>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Sink) -> std::io::Result<T>) -> std::io::Result<T> {
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        match held.as_mut() {
            Some(sink) => act(sink),
            None => Err(std::io::Error::other("the file is already complete")),
        }
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.with(|sink| sink.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.with(Write::flush)
    }
}

impl Batches {
    fn create(columns: &[Column], sink: Sink, place: &str) -> Result<Self> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|c| Field::new(&c.name, data_type(c.kind), true))
            .collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let sink = Shared(Arc::new(std::sync::Mutex::new(Some(sink))));
        let writer = ArrowWriter::try_new(sink.clone(), schema.clone(), Some(properties))
            .map_err(|e| Error::artifact(place, e.to_string()))?;
        Ok(Self {
            schema,
            builders: columns.iter().map(|c| builder(c.kind)).collect(),
            pending: 0,
            writer,
            sink,
        })
    }

    fn row(&mut self, cells: &[Cell<'_>], place: &str) -> Result<()> {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            builder.push(cell);
        }
        self.pending += 1;
        match self.pending {
            BATCH => self.write(place),
            _ => Ok(()),
        }
    }

    fn write(&mut self, place: &str) -> Result<()> {
        let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::array).collect();
        self.pending = 0;
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|e| Error::artifact(place, e.to_string()))
            .and_then(|batch| {
                let written = self.writer.write(&batch);
                written.map_err(|e| Error::artifact(place, e.to_string()))
            })
    }

    fn finish(mut self: Box<Self>, place: &str) -> Result<()> {
        self.write(place)?;
        let Self { writer, sink, .. } = *self;
        writer
            .close()
            .map_err(|e| Error::artifact(place, e.to_string()))?;
        let sink = sink.0.lock().unwrap_or_else(|e| e.into_inner()).take();
        sink.map_or(Ok(()), Sink::finish)
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        Kind::Integer => DataType::Int64,
        Kind::Single => DataType::Float32,
        Kind::Double => DataType::Float64,
        Kind::Flag => DataType::Boolean,
    }
}

fn builder(kind: Kind) -> Builder {
    match kind {
        Kind::Text => Builder::Text(StringBuilder::new()),
        Kind::Texts => Builder::Texts(ListBuilder::new(StringBuilder::new())),
        Kind::Integer => Builder::Integer(Int64Builder::new()),
        Kind::Single => Builder::Single(Float32Builder::new()),
        Kind::Double => Builder::Double(Float64Builder::new()),
        Kind::Flag => Builder::Flag(BooleanBuilder::new()),
    }
}

impl Builder {
    /// Appends a cell; one of another kind, which [`fits`] excludes, would be empty.
    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Text(to), Cell::Text(v)) => to.append_value(v),
            (Self::Text(to), _) => to.append_null(),
            (Self::Texts(to), Cell::Texts(all)) => to.append_value(all.iter().map(Some)),
            (Self::Texts(to), _) => to.append_null(),
            (Self::Integer(to), Cell::Integer(v)) => to.append_value(*v),
            (Self::Integer(to), _) => to.append_null(),
            (Self::Single(to), Cell::Single(v)) if v.is_finite() => to.append_value(*v),
            (Self::Single(to), _) => to.append_null(),
            (Self::Double(to), Cell::Double(v)) if v.is_finite() => to.append_value(*v),
            (Self::Double(to), _) => to.append_null(),
            (Self::Flag(to), Cell::Flag(v)) => to.append_value(*v),
            (Self::Flag(to), _) => to.append_null(),
        }
    }

    fn array(&mut self) -> ArrayRef {
        let builder: &mut dyn ArrayBuilder = match self {
            Self::Text(to) => to,
            Self::Texts(to) => to,
            Self::Integer(to) => to,
            Self::Single(to) => to,
            Self::Double(to) => to,
            Self::Flag(to) => to,
        };
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int64Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("id", Kind::Text),
            Column::new("rank", Kind::Integer),
            Column::new("score", Kind::Single),
            Column::new("cites", Kind::Texts),
        ]
    }

    fn written(path: &Path) {
        let to = Destination::new(path, FileFormat::ROWS, FileFormat::Csv).unwrap();
        let mut writer = RowWriter::create(&to, columns()).unwrap();
        let cites = Cell::Texts(vec!["a".into(), "b,c".into()]);
        writer
            .row(&["-5".into(), 1_usize.into(), 0.1_f32.into(), cites])
            .unwrap();
        writer
            .row(&[
                "=1+1\u{1b}".into(),
                2_usize.into(),
                f32::NAN.into(),
                Cell::Empty,
            ])
            .unwrap();
        assert!(writer.row(&["-5".into()]).is_err());
        let wrong = ["a".into(), "b".into(), Cell::Empty, Cell::Empty];
        assert!(
            writer
                .row(&wrong)
                .unwrap_err()
                .to_string()
                .contains("'rank'")
        );
        assert_eq!(writer.rows(), 2);
        assert!(!path.exists());
        writer.finish().unwrap();
    }

    #[test]
    fn text_formats_have_raw_numbers_and_harmless_text() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| {
            let path = folder.path().join(name);
            written(&path);
            fs::read_to_string(path).unwrap()
        };
        assert_eq!(
            read("a.csv"),
            "id,rank,score,cites\n-5,1,0.1,\"[\"\"a\"\",\"\"b,c\"\"]\"\n'=1+1␛,2,,\n"
        );
        assert!(read("a.tsv").starts_with("id\trank\tscore\tcites\n-5\t1\t0.1\t"));
        assert_eq!(
            read("a.jsonl"),
            "{\"id\":\"-5\",\"rank\":1,\"score\":0.1,\"cites\":[\"a\",\"b,c\"]}\n\
             {\"id\":\"=1+1\\u001b\",\"rank\":2,\"score\":null,\"cites\":null}\n"
        );
    }

    #[test]
    fn parquet_keeps_types_and_exact_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        written(&path);
        let file = File::open(&path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let batch = reader.build().unwrap().next().unwrap().unwrap();
        assert_eq!(batch.num_rows(), 2);
        assert_eq!(batch.column(0).as_string::<i32>().value(1), "=1+1\u{1b}");
        assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(1), 2);
        assert_eq!(batch.column(2).as_primitive::<Float32Type>().value(0), 0.1);
        assert!(batch.column(2).is_null(1) && batch.column(3).is_null(1));
        let cites = batch.column(3).as_list::<i32>().value(0);
        assert_eq!(cites.as_string::<i32>().value(1), "b,c");
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.csv", "a.jsonl", "a.parquet"] {
            let to = Destination::new(&folder.path().join(name), FileFormat::ROWS, FileFormat::Csv);
            let mut writer = RowWriter::create(&to.unwrap(), columns()).unwrap();
            writer
                .row(&["a".into(), Cell::Empty, Cell::Empty, Cell::Empty])
                .unwrap();
            drop(writer);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
