//! Any bytes are read or refused, and what is written in a text format is read back as it was.

// A test may fail by a panic, in its helper functions too.
#![allow(clippy::unwrap_used)]

use limpid_data::log::Log;
use limpid_data::sources::{Duplicates, Format, OnError, ReadOptions, read_bytes};
use proptest::prelude::*;

/// Names that make the reader of each format look at the bytes.
const FILES: [&str; 19] = [
    "u.data",
    "u.item",
    "u.genre",
    "ratings.dat",
    "movies.dat",
    "tags.dat",
    "ratings.csv",
    "movies.csv",
    "tags.csv",
    "x.inter",
    "x.item",
    "train.csv",
    "dev.csv",
    "item_meta.csv",
    "train.txt",
    "test_dict.txt",
    "combined_data_1.txt",
    "movie_titles.csv",
    "events.parquet",
];

/// Headers and lines after which arbitrary bytes get further than the first check.
const STARTS: [&str; 10] = [
    "",
    "1\t2\t3\t4\n",
    "1::2::3::4\n",
    "userId,movieId,rating,timestamp\n1,2,3,4\n",
    "user_id:token\titem_id:token\trating:float\n1\t2\t3\n",
    "user_id\titem_id\ttime\n1\t2\t3\n",
    "{\"user\": 1, \"item\": 2, \"rating\": 3}\n",
    "{\"reviewerID\": \"a\", \"asin\": \"b\", \"overall\": 1, \"unixReviewTime\": 5}\n",
    "item_id,title,genres\n1,A (1999),x|y\n",
    "PAR1",
];

/// Bytes in which the characters of the formats are frequent.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => prop::sample::select(b"0123456789\t\n\r,;:|\"'{}[] .-eEnaN".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..200)
}

fn formats() -> impl Strategy<Value = Option<Format>> {
    prop_oneof![
        1 => Just(None),
        2 => prop::sample::select(Format::all().collect::<Vec<_>>()).prop_map(Some),
    ]
}

/// An event: user, item, value in halves, time.
type Row = (String, String, u8, i64);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let id = "[a-zA-Z0-9é_-]{1,6}";
    prop::collection::vec((id, id, 0u8..11, 0i64..4_102_444_800), 1..40)
}

/// The events of a log as they were written.
fn events(log: &Log) -> Vec<Row> {
    (0..log.n_events())
        .map(|e| {
            (
                log.users.name(log.user[e]).to_owned(),
                log.items.name(log.item[e]).to_owned(),
                log.value.as_ref().map_or(0, |v| (v[e] * 2.0) as u8),
                log.time.as_ref().map_or(0, |t| t[e]),
            )
        })
        .collect()
}

/// The rows that the policy "last" keeps.
fn last(rows: &[Row]) -> Vec<Row> {
    let beaten = |at: usize| {
        let row = &rows[at];
        rows.iter()
            .enumerate()
            .any(|(other, r)| (&r.0, &r.1) == (&row.0, &row.1) && (r.3, other) > (row.3, at))
    };
    (0..rows.len())
        .filter(|&at| !beaten(at))
        .map(|at| rows[at].clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// One file of arbitrary bytes, read in every way.
    #[test]
    fn any_bytes_are_read_or_refused(
        name in prop::sample::select(FILES.to_vec()),
        start in prop::sample::select(STARTS.to_vec()),
        rest in bytes(),
        format in formats(),
        skip in any::<bool>(),
    ) {
        let mut text = start.as_bytes().to_vec();
        text.extend(rest);
        let options = ReadOptions {
            format,
            on_error: if skip { OnError::Skip } else { OnError::Fail },
            ..ReadOptions::default()
        };
        if let Ok(log) = read_bytes("set", &[(name, &text)], &options) {
            prop_assert!(log.n_events() > 0);
            let d = log.describe();
            prop_assert_eq!(d.events, log.n_events());
            prop_assert_eq!(log.hash().len(), 64);
        }
    }

    /// Arbitrary item files beside good events.
    #[test]
    fn any_metadata_is_read_or_refused(start in prop::sample::select(STARTS.to_vec()), rest in bytes()) {
        let mut text = start.as_bytes().to_vec();
        text.extend(rest);
        let sets: [&[(&str, &[u8])]; 5] = [
            &[("u.data", b"1\t2\t3\t4\n"), ("u.item", &text), ("u.genre", &text)],
            &[("ratings.dat", b"1::2::3::4\n"), ("movies.dat", &text), ("tags.dat", &text)],
            &[("x.inter", b"user_id:token\titem_id:token\n1\t2\n"), ("x.item", &text)],
            &[("events.csv", b"user,item\n1,2\n"), ("items.csv", &text)],
            &[("events.csv", b"user,item\n1,2\n"), ("items.jsonl", &text)],
        ];
        for files in sets {
            for on_error in [OnError::Fail, OnError::Skip] {
                let options = ReadOptions { on_error, ..ReadOptions::default() };
                if let Ok(log) = read_bytes("set", files, &options) {
                    prop_assert_eq!(log.n_events(), 1);
                }
            }
        }
    }

    /// Packed bytes that are no archive, and archives of arbitrary bytes.
    #[test]
    fn any_archive_is_read_or_refused(text in bytes()) {
        for name in ["u.data.gz", "u.data.zst", "a.csv.gz", "a.parquet", "a.parquet.gz"] {
            let _ = read_bytes("set", &[(name, &text)], &ReadOptions::default());
        }
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        let plain = read_bytes("set", &[("u.data", &text)], &ReadOptions::default());
        let packed = read_bytes("set", &[("u.data.zst", &zst)], &ReadOptions::default());
        prop_assert_eq!(plain.is_ok(), packed.is_ok());
    }

    /// What is written is read back, in every text format with values and times.
    #[test]
    fn written_logs_are_read_back(rows in rows(), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        let expected = last(&rows);
        let mut hashes = Vec::new();
        for (name, header, separator) in [
            ("u.data", None, "\t"),
            ("ratings.dat", None, "::"),
            ("ratings.csv", Some("userId,movieId,rating,timestamp"), ","),
            ("x.inter", Some("user_id:token\titem_id:token\trating:float\ttimestamp:float"), "\t"),
            ("table.tsv", Some("user\titem\tvalue\ttime"), "\t"),
            ("quoted.csv", Some("\"user\",\"item\",\"value\",\"time\""), "\",\""),
            ("lines.jsonl", None, "json"),
        ] {
            let mut text = header.map_or_else(String::new, |h| format!("{h}{end}"));
            for (user, item, half, time) in &rows {
                let value = f32::from(*half) / 2.0;
                let line = match separator {
                    "json" => format!(
                        "{{\"user\": \"{user}\", \"rating\": {value}, \"item\": \"{item}\", \"time\": {time}}}"
                    ),
                    "\",\"" => format!("\"{user}\",\"{item}\",\"{value}\",\"{time}\""),
                    s => [user.as_str(), item, &value.to_string(), &time.to_string()].join(s),
                };
                text += &line;
                text += end;
            }
            let log = read_bytes("set", &[(name, text.as_bytes())], &ReadOptions::default());
            let log = log.unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
            prop_assert_eq!(events(&log), expected.clone(), "{}", name);
            prop_assert_eq!(log.report.rows, rows.len());
            prop_assert_eq!(log.report.duplicates, rows.len() - expected.len());
            hashes.push(log.hash());
        }
        hashes.dedup();
        prop_assert_eq!(hashes.len(), 1, "one log, one hash");
    }

    /// Adjacency lists hold users and items in order.
    #[test]
    fn written_lists_are_read_back(rows in rows()) {
        let mut text = String::new();
        let mut expected: Vec<(String, String)> = Vec::new();
        for (user, item, ..) in &rows {
            text += &format!("{user} {item} \n");
            expected.push((user.clone(), item.clone()));
        }
        let mut kept = Vec::new();
        for (at, pair) in expected.iter().enumerate() {
            if !expected[at + 1..].contains(pair) {
                kept.push(pair.clone());
            }
        }
        let options = ReadOptions {
            format: Some("adjacency".parse().unwrap()),
            ..ReadOptions::default()
        };
        let log = read_bytes("set", &[("lists.txt", text.as_bytes())], &options).unwrap();
        let read: Vec<_> = events(&log).into_iter().map(|(u, i, ..)| (u, i)).collect();
        prop_assert_eq!(read, kept);
    }

    /// No policy loses a pair, and sums keep the mass.
    #[test]
    fn duplicate_policies_keep_every_pair(rows in rows()) {
        let mut text = String::from("user,item,value,time\n");
        for (user, item, half, time) in &rows {
            text += &format!("{user},{item},{half},{time}\n");
        }
        let mut pairs: Vec<_> = rows.iter().map(|r| (&r.0, &r.1)).collect();
        pairs.sort();
        pairs.dedup();
        for duplicates in [Duplicates::Last, Duplicates::Sum, Duplicates::Max] {
            let options = ReadOptions { duplicates, ..ReadOptions::default() };
            let log = read_bytes("set", &[("a.csv", text.as_bytes())], &options).unwrap();
            prop_assert_eq!(log.n_events(), pairs.len());
            let mass: f32 = log.value.as_ref().unwrap().iter().sum();
            let all: f32 = rows.iter().map(|r| f32::from(r.2)).sum();
            prop_assert!(mass <= all);
            prop_assert!(duplicates != Duplicates::Sum || mass == all);
        }
        let options = ReadOptions { duplicates: Duplicates::Error, ..ReadOptions::default() };
        let read = read_bytes("set", &[("a.csv", text.as_bytes())], &options);
        prop_assert_eq!(read.is_ok(), pairs.len() == rows.len());
    }
}
