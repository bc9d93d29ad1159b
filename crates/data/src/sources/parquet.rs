//! Parquet files: any column of texts, integers, floats or timestamps. In error messages the line is
//! the row (from 1) and the column is the number of the column (from 1).

use std::fmt::Write as _;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::builder::{Builder, Draft, Moment};
use super::columns::Layout;
use super::lines::{Cell, Flaw};
use super::options::Columns;
use super::place::Folder;
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
    ..Source::DEFAULT
};

/// Reads the events of a Parquet file.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = the_table(folder)?;
    builder.report.format = "Parquet".to_owned();
    builder.file(&entry.stored);
    let columns = builder.options.columns.clone();
    match entry.on_disk() {
        Some(path) => {
            let file = std::fs::File::open(path)
                .map_err(|e| Error::io(path, e, "check the name and the permissions"))?;
            guarded(file, &entry.label, &columns, builder)?;
        }
        None => {
            let mut bytes = Vec::new();
            entry
                .open()?
                .take(MOST_PACKED)
                .read_to_end(&mut bytes)
                .map_err(|e| {
                    Error::io(
                        &entry.label,
                        e,
                        "it cannot be unpacked or read; download the file again",
                    )
                })?;
            guarded(bytes::Bytes::from(bytes), &entry.label, &columns, builder)?;
        }
    }
    super::items_beside(folder, entry, builder)
}

/// Reads events; a panic of the decoder, which some damaged files cause, becomes an error.
fn guarded(
    source: impl ChunkReader + 'static,
    label: &str,
    columns: &Columns,
    builder: &mut Builder<'_>,
) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| events(source, label, columns, builder)))
        .unwrap_or_else(|_| Err(damaged(label, "its decoder failed")))
}

fn damaged(label: &str, why: impl ToString) -> Error {
    Error::source(
        label,
        format!("cannot be read as Parquet: {}", why.to_string()),
        "write or download it again",
    )
}

fn events(
    source: impl ChunkReader + 'static,
    label: &str,
    columns: &Columns,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let open = ParquetRecordBatchReaderBuilder::try_new(source).map_err(|e| damaged(label, e))?;
    let names: Vec<String> = open
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let layout = Layout::of(&names, columns, label)?;
    let mut wanted = vec![layout.user, layout.item];
    wanted.extend(
        [layout.value, layout.time, layout.behavior]
            .into_iter()
            .flatten(),
    );
    wanted.sort_unstable();
    wanted.dedup();
    let mask = ProjectionMask::roots(open.parquet_schema(), wanted.iter().copied());
    let batches = open
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()
        .map_err(|e| damaged(label, e))?;
    let mut row = 0u64;
    for batch in batches {
        let batch = batch.map_err(|e| damaged(label, e))?;
        // Projected columns keep their order, so a column is found by its rank.
        let column = |at: usize| -> Result<Column<'_>> {
            let rank = wanted.binary_search(&at);
            let rank = rank.map_err(|_| damaged(label, format!("column {at} is missing")))?;
            Column::new(&batch, rank, at, &names[at], label)
        };
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

/// A column of a batch.
struct Column<'b> {
    array: &'b dyn Array,
    /// The position of each row of a dictionary column among its values.
    keys: Option<Vec<usize>>,
    number: usize,
    scratch: String,
}

impl<'b> Column<'b> {
    fn new(
        batch: &'b RecordBatch,
        rank: usize,
        number: usize,
        name: &str,
        label: &str,
    ) -> Result<Self> {
        let outer: &dyn Array = batch
            .columns()
            .get(rank)
            .ok_or_else(|| damaged(label, format!("column '{name}' is missing")))?
            .as_ref();
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
                | DataType::Boolean
        ) || array.is_empty()
            || array.null_count() == array.len();
        if !readable {
            return Err(Error::source(
                label,
                format!("column '{name}' is of the type {}", array.data_type()),
                "columns must hold texts, integers, floats or timestamps",
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
                let days = array
                    .as_primitive::<arrow_array::types::Date32Type>()
                    .value(at);
                i64::from(days) * 86_400
            }
            _ => return Ok(Moment::Text(self.cell(row)?)),
        };
        Ok(Moment::Seconds(seconds, self.number))
    }
}

fn text(text: &str, number: usize) -> Cell<'_> {
    Cell {
        text: text.as_bytes(),
        at: number,
    }
}
