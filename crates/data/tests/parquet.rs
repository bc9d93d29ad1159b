//! Parquet files of every readable column type, and those that are refused.

// A test may fail by a panic, in its helper functions too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal64Array, Decimal128Array,
    DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt32Array,
};
use limpid_data::sources::{OnError, ReadOptions, read, read_bytes};
use limpid_data::{Log, Result};
use parquet::arrow::ArrowWriter;

/// A file of the given columns.
fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn of(bytes: &[u8], on_error: OnError) -> Result<Log> {
    let options = ReadOptions {
        on_error,
        ..ReadOptions::default()
    };
    read_bytes("set", &[("events.parquet", bytes)], &options)
}

fn users_and_items(log: &Log) -> Vec<(&str, &str)> {
    (0..log.n_events())
        .map(|e| (log.users.name(log.user[e]), log.items.name(log.item[e])))
        .collect()
}

#[test]
fn columns_of_every_type() {
    let ids: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["1", "2"])),
        Arc::new(LargeStringArray::from(vec!["1", "2"])),
        Arc::new(StringViewArray::from(vec!["1", "2"])),
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(Int8Array::from(vec![1, 2])),
        Arc::new(UInt32Array::from(vec![1, 2])),
        Arc::new(Float64Array::from(vec![1.0, 2.0])),
        Arc::new(DictionaryArray::<Int32Type>::from_iter(["1", "2"])),
    ];
    let times: Vec<(ArrayRef, i64)> = vec![
        (
            Arc::new(Int64Array::from(vec![981_158_400, 981_158_401])),
            981_158_401,
        ),
        (Arc::new(Float64Array::from(vec![5.0, 7.5])), 7),
        (
            Arc::new(StringArray::from(vec!["2001-02-03", "2001-02-04"])),
            981_244_800,
        ),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![1, 2_000_001])),
            2,
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1, 3_000_000_001])),
            3,
        ),
        (Arc::new(Date32Array::from(vec![0, 1])), 86_400),
    ];
    for user in &ids {
        for (time, last) in &times {
            let bytes = file(vec![
                ("note", Arc::new(StringArray::from(vec!["x", "y"]))),
                ("timestamp", Arc::clone(time)),
                ("item_id", Arc::new(StringArray::from(vec!["a", "b"]))),
                ("user_id", Arc::clone(user)),
                ("rating", Arc::new(Float32Array::from(vec![4.5, 3.0]))),
            ]);
            let log = of(&bytes, OnError::Fail).unwrap();
            assert_eq!(users_and_items(&log), [("1", "a"), ("2", "b")]);
            assert_eq!(log.value, Some(vec![4.5, 3.0]));
            assert_eq!(log.time.unwrap()[1], *last, "{:?}", time.data_type());
        }
    }
}

#[test]
fn nulls_and_other_types_are_refused() {
    let item: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let user = Int64Array::from(vec![Some(1), None, Some(3)]);
    let bytes = file(vec![("user", Arc::new(user)), ("item", Arc::clone(&item))]);
    let error = of(&bytes, OnError::Fail).unwrap_err().to_string();
    assert!(
        error.starts_with("events.parquet:2:1: the value is null; fix"),
        "{error}"
    );
    let log = of(&bytes, OnError::Skip).unwrap();
    assert_eq!(users_and_items(&log), [("1", "a"), ("3", "c")]);
    assert_eq!(log.report.skipped, [("missing field".to_owned(), 1)]);

    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1)]),
        Some(vec![]),
        None,
    ]);
    let bytes = file(vec![("user", Arc::new(lists)), ("item", Arc::clone(&item))]);
    let error = of(&bytes, OnError::Fail).unwrap_err().to_string();
    assert!(
        error.contains("column 'user' is of the type List"),
        "{error}"
    );

    let truths = BooleanArray::from(vec![true, false, true]);
    let bytes = file(vec![("user", Arc::new(truths)), ("item", item)]);
    assert_eq!(
        of(&bytes, OnError::Fail).unwrap().users.names(),
        ["true", "false"]
    );

    let bytes = file(vec![("a", Arc::new(Int64Array::from(vec![1])))]);
    let error = of(&bytes, OnError::Fail).unwrap_err().to_string();
    assert!(error.contains("no column of user ids among: a"), "{error}");
    let error = of(&bytes[..bytes.len() - 9], OnError::Fail)
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot be read as Parquet"), "{error}");
}

#[test]
fn decimals_and_texts_in_bytes() {
    let rating = Decimal128Array::from(vec![35, -5])
        .with_precision_and_scale(5, 1)
        .unwrap();
    let price = Decimal64Array::from(vec![7, 8])
        .with_precision_and_scale(9, 0)
        .unwrap();
    let bytes = file(vec![
        (
            "user",
            Arc::new(BinaryArray::from_iter_values([b"ann", b"bob"])),
        ),
        ("item", Arc::new(price)),
        ("rating", Arc::new(rating)),
        ("time", Arc::new(Date64Array::from(vec![86_400_000, 0]))),
        ("note", Arc::new(StringArray::from(vec!["x", "y"]))),
    ]);
    let log = of(&bytes, OnError::Fail).unwrap();
    assert_eq!(users_and_items(&log), [("ann", "7"), ("bob", "8")]);
    assert_eq!(log.value, Some(vec![3.5, -0.5]));
    assert_eq!(log.time, Some(vec![86_400, 0]));
    assert_eq!(log.report.unused_columns, ["note"]);
}

#[test]
fn every_compression_is_read() {
    use parquet::basic::Compression;
    use parquet::file::properties::WriterProperties;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user", Arc::new(Int64Array::from_iter_values(0..500))),
        (
            "item",
            Arc::new(Int64Array::from_iter_values((0..500).map(|i| i % 9))),
        ),
    ];
    for compression in [
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::ZSTD(Default::default()),
    ] {
        let batch = RecordBatch::try_from_iter(columns.clone()).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .build();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(
            of(&bytes, OnError::Fail).unwrap().n_events(),
            500,
            "{compression:?}"
        );
    }
}

#[test]
fn item_metadata_with_lists() {
    let mut genres = ListBuilder::new(StringBuilder::new());
    genres.append_value([Some("Drama"), Some("Crime")]);
    genres.append_null();
    let items = file(vec![
        ("item_id", Arc::new(Int64Array::from(vec![7, 9]))),
        (
            "title",
            Arc::new(StringArray::from(vec![Some("Seven (1995)"), None])),
        ),
        ("genres", Arc::new(genres.finish())),
    ]);
    let events = file(vec![
        ("user", Arc::new(Int64Array::from(vec![1, 2]))),
        ("item", Arc::new(Int64Array::from(vec![7, 9]))),
    ]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("events.parquet"), &events).unwrap();
    std::fs::write(dir.path().join("films.parquet"), &items).unwrap();
    let path = dir.path().join("events.parquet");
    let options = ReadOptions {
        metadata: vec![limpid_data::sources::MetadataSource {
            path: dir.path().join("films.parquet"),
            column: None,
        }],
        ..ReadOptions::default()
    };
    let given = read(&path, &options).unwrap();
    std::fs::rename(
        dir.path().join("films.parquet"),
        dir.path().join("items.parquet"),
    )
    .unwrap();
    let beside = read(dir.path(), &ReadOptions::default()).unwrap();
    for log in [given, beside] {
        let seven = log.items.get("7").unwrap();
        assert_eq!(log.titles[seven as usize], "Seven (1995)");
        let values = |field: &str| {
            let field = log.fields.iter().find(|f| f.name == field).unwrap();
            let of = field.of(limpid_core::ItemIdx(seven));
            of.map(|(v, _)| v.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(values("genre"), ["Crime", "Drama"]);
        assert_eq!(values("year"), ["1995"]);
    }
}

/// Damage anywhere is an error or does not matter; it never brings the program down.
#[test]
fn damaged_files_are_refused() {
    let users: Vec<i64> = (0..200).collect();
    let items: Vec<String> = users.iter().map(|u| format!("item {}", u % 7)).collect();
    let bytes = file(vec![
        ("user", Arc::new(Int64Array::from(users))),
        ("item", Arc::new(StringArray::from(items))),
    ]);
    for at in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let _ = of(&damaged, OnError::Skip);
    }
}

#[test]
fn files_on_disk_and_packed_ones() {
    let bytes = file(vec![
        ("user", Arc::new(Int64Array::from(vec![1, 1]))),
        ("item", Arc::new(Int64Array::from(vec![7, 8]))),
    ]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("events.parquet"), &bytes).unwrap();
    std::fs::write(dir.path().join("items.csv"), "item_id,title\n7,Seven\n").unwrap();
    let log = read(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(users_and_items(&log), [("1", "7"), ("1", "8")]);
    assert_eq!(log.titles.iter().filter(|t| *t == "Seven").count(), 1);
    let packed = zstd::encode_all(&bytes[..], 1).unwrap();
    let log = read_bytes(
        "set",
        &[("a.parquet.zst", &packed)],
        &ReadOptions::default(),
    )
    .unwrap();
    assert_eq!(log.n_events(), 2);
}
