//! Parquet files: any column of texts, integers, decimals, floats or timestamps, and lists of them in item
//! metadata; packed by snappy, gzip, zstd, lz4 or brotli. In error messages the line is the row (from 1)
//! and the column is the number of the column (from 1).

use std::fmt::Write as _;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::builder::{Builder, Draft, Moment};
use super::columns::Layout;
use super::lines::{Cell, Flaw};
use super::meaning::Meaning;
use super::metadata::ItemColumns;
use super::options::Columns;
use super::place::{Entry, Folder};
use super::{Source, the_table};
use crate::{Error, Result};

/// The most bytes of a packed Parquet file; plain ones are read in place.
const MOST_PACKED: u64 = 1 << 30;

/// Rows that are decoded at once.
const BATCH: usize = 8192;

pub(super) const SOURCE: Source = Source {
    name: "parquet",
    in_file: |entry| Ok(entry.extension() == "parquet"),
    read,
    columns: true,
    ..Source::DEFAULT
};

/// Reads the events of a Parquet file.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = the_table(folder)?;
    builder.report.format = "Parquet".to_owned();
    builder.file(&entry.stored);
    let columns = builder.options.columns.clone();
    guarded(entry, |table| {
        events(table, &entry.label, &columns, builder)
    })?;
    super::items_beside(folder, entry, builder)
}

/// Reads item metadata; `id` names the column of item ids.
pub(super) fn items(entry: &Entry<'_>, id: Option<&str>, builder: &mut Builder<'_>) -> Result<()> {
    guarded(entry, |table| read_items(table, &entry.label, id, builder))
}

/// Reads some columns of a table, in ascending order.
type OpenColumns = dyn FnOnce(&[usize]) -> Result<ParquetRecordBatchReader>;

/// A table that was opened.
struct Table {
    names: Vec<String>,
    columns: Box<OpenColumns>,
}

/// Opens a table and reads it; a panic of the decoder, which some damaged files cause, becomes an error.
fn guarded(entry: &Entry<'_>, read: impl FnOnce(Table) -> Result<()>) -> Result<()> {
    let label = &entry.label;
    let opened_and_read = || match entry.on_disk() {
        Some(path) => {
            let file = std::fs::File::open(path)
                .map_err(|e| Error::io(path, e, "check the name and the permissions"))?;
            read(open(file, label)?)
        }
        None => {
            let mut bytes = Vec::new();
            entry
                .open()?
                .take(MOST_PACKED)
                .read_to_end(&mut bytes)
                .map_err(|e| {
                    Error::io(
                        label,
                        e,
                        "it cannot be unpacked or read; download the file again",
                    )
                })?;
            read(open(bytes::Bytes::from(bytes), label)?)
        }
    };
    catch_unwind(AssertUnwindSafe(opened_and_read))
        .unwrap_or_else(|_| Err(damaged(label, "its decoder failed")))
}

fn damaged(label: &str, why: impl ToString) -> Error {
    Error::source(
        label,
        format!("cannot be read as Parquet: {}", why.to_string()),
        "write or download it again",
    )
}

fn open(source: impl ChunkReader + 'static, label: &str) -> Result<Table> {
    let open = ParquetRecordBatchReaderBuilder::try_new(source).map_err(|e| damaged(label, e))?;
    let fields = open.schema().fields().iter();
    let names = fields.map(|f| f.name().clone()).collect();
    let label = label.to_owned();
    let columns = move |wanted: &[usize]| {
        let mask = ProjectionMask::roots(open.parquet_schema(), wanted.iter().copied());
        open.with_projection(mask)
            .with_batch_size(BATCH)
            .build()
            .map_err(|e| damaged(&label, e))
    };
    Ok(Table {
        names,
        columns: Box::new(columns),
    })
}

/// Columns in ascending order, each once.
fn ascending(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// A column of a batch by its number in the table.
fn column_of<'b>(
    batch: &'b RecordBatch,
    wanted: &[usize],
    at: usize,
    names: &[String],
    label: &str,
) -> Result<Column<'b>> {
    // Projected columns keep their order, so a column is found by its rank.
    let rank = wanted.binary_search(&at);
    let rank = rank.map_err(|_| damaged(label, format!("column {at} is missing")))?;
    let array = batch
        .columns()
        .get(rank)
        .ok_or_else(|| damaged(label, format!("column '{}' is missing", names[at])))?;
    Column::new(array, at, &names[at], label)
}

fn events(table: Table, label: &str, columns: &Columns, builder: &mut Builder<'_>) -> Result<()> {
    let names = table.names;
    let mut layout = Layout::of(&names, columns, label)?;
    let read = layout.meanings().into_iter().filter_map(|(_, at)| at);
    let wanted = ascending(read.collect());
    let mut row = 0u64;
    for batch in (table.columns)(&wanted)? {
        let batch = batch.map_err(|e| damaged(label, e))?;
        let column = |at: usize| column_of(&batch, &wanted, at, &names, label);
        if row == 0 {
            // Guessed columns of texts are read only if their first value can be.
            let first = |at: usize| column(at).ok()?.text_at(0);
            let firsts: Vec<Option<String>> = (0..names.len()).map(first).collect();
            let cell = |at: usize| firsts[at].as_deref().map(|value| text(value, at));
            layout.doubt(&names, cell, builder);
            builder.columns(&layout, &names);
        }
        let mut user = column(layout.user)?;
        let mut item = column(layout.item)?;
        let mut value = layout.value.map(column).transpose()?;
        let mut time = layout.time.map(column).transpose()?;
        let mut behavior = layout.behavior.map(column).transpose()?;
        for at in 0..batch.num_rows() {
            row += 1;
            let outcome = (|| {
                let behavior = match &mut behavior {
                    None => 0,
                    Some(column) => {
                        let cell = column.cell(at)?;
                        builder.behavior(&String::from_utf8_lossy(cell.text))?
                    }
                };
                let time = time.as_mut().map(|t| t.moment(at)).transpose()?;
                let value = value.as_mut().map(|v| v.cell(at)).transpose()?;
                builder.event(&Draft {
                    user: user.cell(at)?,
                    item: item.cell(at)?,
                    value,
                    time,
                    behavior,
                    part: None,
                })
            })();
            builder.settle(label, row, outcome)?;
        }
    }
    Ok(())
}

/// Reads the rows of a table of items; a null says nothing, a list holds several values.
fn read_items(
    table: Table,
    label: &str,
    id: Option<&str>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let names = table.names;
    let columns = ItemColumns::of(&names, id, label)?;
    let mut wanted: Vec<usize> = columns.columns.iter().map(|(at, _)| *at).collect();
    wanted.push(columns.id);
    let wanted = ascending(wanted);
    let mut row = 0u64;
    for batch in (table.columns)(&wanted)? {
        let batch = batch.map_err(|e| damaged(label, e))?;
        let mut ids = column_of(&batch, &wanted, columns.id, &names, label)?;
        // Columns of types that hold no texts or numbers, such as maps, say nothing about an item.
        let mut read: Vec<(Values<'_>, &Meaning)> = columns
            .columns
            .iter()
            .filter_map(|(at, meaning)| {
                let rank = wanted.binary_search(at).ok()?;
                let values = Values::new(batch.columns().get(rank)?, *at, &names[*at], label)?;
                Some((values, meaning))
            })
            .collect();
        for at in 0..batch.num_rows() {
            row += 1;
            let outcome = ids.cell(at).and_then(|cell| builder.item(cell));
            let item = match outcome {
                Ok(item) => item,
                Err(flaw) => {
                    builder.settle(label, row, Err(flaw))?;
                    continue;
                }
            };
            let Some(item) = item else { continue };
            for (values, meaning) in &mut read {
                values.each(at, &mut |value| columns.give(meaning, value, item, builder));
            }
        }
    }
    Ok(())
}

/// The values of a column of items: one in a row, or a list.
enum Values<'b> {
    One(Column<'b>),
    Lists {
        array: &'b dyn Array,
        number: usize,
        name: String,
        label: String,
    },
}

impl<'b> Values<'b> {
    /// `None` for a type that holds no texts or numbers.
    fn new(array: &'b dyn Array, number: usize, name: &str, label: &str) -> Option<Self> {
        match array.data_type() {
            DataType::List(_) | DataType::LargeList(_) => Some(Self::Lists {
                array,
                number,
                name: name.to_owned(),
                label: label.to_owned(),
            }),
            _ => Column::new(array, number, name, label).ok().map(Self::One),
        }
    }

    fn each(&mut self, row: usize, give: &mut dyn FnMut(&str)) {
        match self {
            Self::One(column) => {
                if let Some(text) = column.text_at(row) {
                    give(&text);
                }
            }
            Self::Lists {
                array,
                number,
                name,
                label,
            } => {
                if array.is_null(row) {
                    return;
                }
                let list = match array.data_type() {
                    DataType::LargeList(_) => array.as_list::<i64>().value(row),
                    _ => array.as_list::<i32>().value(row),
                };
                if let Ok(mut column) = Column::new(&list, *number, name, label) {
                    for at in 0..list.len() {
                        if let Some(text) = column.text_at(at) {
                            give(&text);
                        }
                    }
                }
            }
        }
    }
}

/// A column of a batch.
struct Column<'b> {
    array: &'b dyn Array,
    /// The position of each row of a dictionary column among its values.
    keys: Option<Vec<usize>>,
    number: usize,
    scratch: String,
}

impl<'b> Column<'b> {
    fn new(outer: &'b dyn Array, number: usize, name: &str, label: &str) -> Result<Self> {
        let (array, keys) = match outer.as_any_dictionary_opt() {
            // A dictionary without values has nulls only.
            Some(dictionary) if dictionary.values().is_empty() => (outer, None),
            Some(dictionary) => (
                dictionary.values().as_ref(),
                Some(
                    dictionary
                        .normalized_keys()
                        .into_iter()
                        .enumerate()
                        .map(|(row, key)| if outer.is_null(row) { usize::MAX } else { key })
                        .collect(),
                ),
            ),
            None => (outer, None),
        };
        let readable = matches!(
            array.data_type(),
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::UInt8
                | DataType::UInt16
                | DataType::UInt32
                | DataType::UInt64
                | DataType::Float32
                | DataType::Float64
                | DataType::Timestamp(..)
                | DataType::Date32
                | DataType::Date64
                | DataType::Boolean
        ) || array.is_empty()
            || array.null_count() == array.len();
        if !readable {
            return Err(Error::source(
                label,
                format!("column '{name}' is of the type {}", array.data_type()),
                "columns must hold texts, integers, decimals, floats or timestamps",
            ));
        }
        Ok(Self {
            array,
            keys,
            number,
            scratch: String::new(),
        })
    }

    /// The place of a row among the values; a flaw where it is null.
    fn place(&self, row: usize) -> std::result::Result<usize, Flaw> {
        let at = match &self.keys {
            Some(keys) => keys[row],
            None => row,
        };
        if at < self.array.len() && !self.array.is_null(at) {
            Ok(at)
        } else {
            Err(Flaw::new(self.number, "missing field", "the value is null"))
        }
    }

    /// A value as text.
    fn cell(&mut self, row: usize) -> std::result::Result<Cell<'_>, Flaw> {
        let at = self.place(row)?;
        let array = self.array;
        self.scratch.clear();
        let out = &mut self.scratch;
        // Writing to a text cannot fail.
        let _ = match array.data_type() {
            DataType::Utf8 => return Ok(text(array.as_string::<i32>().value(at), self.number)),
            DataType::LargeUtf8 => {
                return Ok(text(array.as_string::<i64>().value(at), self.number));
            }
            DataType::Utf8View => return Ok(text(array.as_string_view().value(at), self.number)),
            // Some writers store texts without saying that they are.
            DataType::Binary => return Ok(raw(array.as_binary::<i32>().value(at), self.number)),
            DataType::LargeBinary => {
                return Ok(raw(array.as_binary::<i64>().value(at), self.number));
            }
            DataType::BinaryView => return Ok(raw(array.as_binary_view().value(at), self.number)),
            DataType::Decimal32(..) => {
                write!(
                    out,
                    "{}",
                    array.as_primitive::<Decimal32Type>().value_as_string(at)
                )
            }
            DataType::Decimal64(..) => {
                write!(
                    out,
                    "{}",
                    array.as_primitive::<Decimal64Type>().value_as_string(at)
                )
            }
            DataType::Decimal128(..) => {
                write!(
                    out,
                    "{}",
                    array.as_primitive::<Decimal128Type>().value_as_string(at)
                )
            }
            DataType::Decimal256(..) => {
                write!(
                    out,
                    "{}",
                    array.as_primitive::<Decimal256Type>().value_as_string(at)
                )
            }
            DataType::Int8 => write!(out, "{}", array.as_primitive::<Int8Type>().value(at)),
            DataType::Int16 => write!(out, "{}", array.as_primitive::<Int16Type>().value(at)),
            DataType::Int32 => write!(out, "{}", array.as_primitive::<Int32Type>().value(at)),
            DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(at)),
            DataType::UInt8 => write!(out, "{}", array.as_primitive::<UInt8Type>().value(at)),
            DataType::UInt16 => write!(out, "{}", array.as_primitive::<UInt16Type>().value(at)),
            DataType::UInt32 => write!(out, "{}", array.as_primitive::<UInt32Type>().value(at)),
            DataType::UInt64 => write!(out, "{}", array.as_primitive::<UInt64Type>().value(at)),
            DataType::Float32 => write!(out, "{}", array.as_primitive::<Float32Type>().value(at)),
            DataType::Float64 => write!(out, "{}", array.as_primitive::<Float64Type>().value(at)),
            DataType::Boolean => write!(out, "{}", array.as_boolean().value(at)),
            _ => {
                return Err(Flaw::new(
                    self.number,
                    "bad value",
                    "a date or time was found where an id or a number is expected",
                ));
            }
        };
        Ok(text(&self.scratch, self.number))
    }

    /// A value as text, where it is one or a number.
    fn text_at(&mut self, row: usize) -> Option<String> {
        let rows = self.keys.as_ref().map_or(self.array.len(), Vec::len);
        if row >= rows {
            return None;
        }
        let cell = self.cell(row).ok()?;
        Some(String::from_utf8_lossy(cell.text).into_owned())
    }

    /// A value as a time: timestamps and dates have their unit, numbers and texts are read.
    fn moment(&mut self, row: usize) -> std::result::Result<Moment<'_>, Flaw> {
        let at = self.place(row)?;
        let array = self.array;
        let seconds = match array.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => {
                array.as_primitive::<TimestampSecondType>().value(at)
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => array
                .as_primitive::<TimestampMillisecondType>()
                .value(at)
                .div_euclid(1_000),
            DataType::Timestamp(TimeUnit::Microsecond, _) => array
                .as_primitive::<TimestampMicrosecondType>()
                .value(at)
                .div_euclid(1_000_000),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => array
                .as_primitive::<TimestampNanosecondType>()
                .value(at)
                .div_euclid(1_000_000_000),
            DataType::Date32 => {
                let days = array.as_primitive::<Date32Type>().value(at);
                i64::from(days) * 86_400
            }
            DataType::Date64 => array
                .as_primitive::<Date64Type>()
                .value(at)
                .div_euclid(1_000),
            _ => return Ok(Moment::Text(self.cell(row)?)),
        };
        Ok(Moment::Seconds(seconds, self.number))
    }
}

fn text(text: &str, number: usize) -> Cell<'_> {
    raw(text.as_bytes(), number)
}

fn raw(text: &[u8], number: usize) -> Cell<'_> {
    Cell { text, at: number }
}
