//! Damaged files of every format.

use std::fs;
use std::io::Write;

use crate::child::limpid;
use crate::mutate::{Random, mutate};
use crate::table::{Row, run_all};

/// The files of a data set; the first one is damaged most often.
type Seed = Vec<(&'static str, Vec<u8>)>;

/// Small data sets, one for each format and packing.
fn seeds() -> Vec<Seed> {
    let lines = |line: &dyn Fn(usize, usize, usize, usize) -> String| -> Vec<u8> {
        let mut text = String::new();
        for user in 1..=12 {
            for k in 0..5 {
                let item = (user * 3 + k * 2) % 15 + 1;
                text += &line(
                    user,
                    item,
                    1 + (user + k) % 5,
                    978_300_760 + user * 86_400 + k,
                );
            }
        }
        text.into_bytes()
    };
    let table = |head: &str, separator: &str| -> Vec<u8> {
        let rows = lines(&|u, i, v, t| [u, i, v, t].map(|n| n.to_string()).join(separator) + "\n");
        [head.as_bytes(), b"\n", &rows].concat()
    };
    let movies = |separator: &str| -> Vec<u8> {
        let rows =
            (1..=15).map(|i| format!("{i}{separator}Film {i} (19{i:02}){separator}Drama|War\n"));
        rows.collect::<String>().into_bytes()
    };
    let csv = || table("user,item,value,time", ",");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&csv()).unwrap();
    let item = |i: usize| {
        format!(
            "{i}|Film {i}|01-Jan-1995||http://x|{}\n",
            ["0"; 19].join("|")
        )
    };
    let items: String = (1..=15).map(item).collect();
    vec![
        vec![("u.data", lines(&|u, i, v, t| format!("{u}\t{i}\t{v}\t{t}\n"))), ("u.item", items.into_bytes())],
        vec![("ratings.dat", lines(&|u, i, v, t| format!("{u}::{i}::{v}::{t}\n"))), ("movies.dat", movies("::"))],
        vec![
            ("ratings.csv", table("userId,movieId,rating,timestamp", ",")),
            ("movies.csv", [&b"movieId,title,genres\n"[..], &movies(",")].concat()),
        ],
        vec![("x.inter", table("user_id:token\titem_id:token\trating:float\ttimestamp:float", "\t"))],
        vec![
            ("train.csv", table("user_id\titem_id\trating\ttime", "\t")),
            ("dev.csv", table("user_id\titem_id\trating\ttime", "\t")),
            ("test.csv", table("user_id\titem_id\trating\ttime", "\t")),
        ],
        vec![("train.txt", lines(&|u, i, v, _| format!("{u} {i} {v}\n"))), ("test.txt", lines(&|u, i, _, _| format!("{u} {i}\n")))],
        vec![("reviews.json", lines(&|u, i, v, t| {
            format!("{{\"reviewerID\": \"A{u}\", \"asin\": \"B{i}\", \"overall\": {v}.0, \"unixReviewTime\": {t}}}\n")
        }))],
        vec![("events.jsonl", lines(&|u, i, v, t| {
            format!("{{\"user\": {u}, \"item\": \"é{i}\", \"rating\": {v}, \"time\": {t}}}\n")
        }))],
        vec![("events.csv", csv()), ("items.csv", [&b"item,title,genre\n"[..], &movies(",")].concat())],
        vec![("events.tsv", table("user\titem\tbehavior\ttime", "\t"))],
        vec![("combined_data_1.txt", b"1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n1488844,4,2005-09-07\n822109,1,2005-01-02\n".to_vec())],
        vec![("events.csv.gz", gz.finish().unwrap())],
        vec![("events.csv.zst", zstd::encode_all(&csv()[..], 1).unwrap())],
        vec![("events.parquet", parquet())],
    ]
}

/// A Parquet file, as limpid writes lists.
fn parquet() -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (data, model, lists) = (at("events.csv"), at("model"), at("lists.parquet"));
    let mut text = "user,item\n".to_owned();
    for u in 0..20 {
        for k in 0..6 {
            text += &format!("u{u},i{}\n", (u * 7 + k * 5) % 23);
        }
    }
    fs::write(&data, text).unwrap();
    let split = ["--split", "none", "--model", "popularity"];
    let trained = limpid(&[&["train", "--data", &data, "-o", &model], &split[..]].concat());
    assert!(trained.succeeded(), "{}", trained.words());
    let written = limpid(&[
        "recommend",
        &model,
        "--users",
        "all",
        "-n",
        "5",
        "-o",
        &lists,
    ]);
    assert!(written.succeeded(), "{}", written.words());
    fs::read(lists).unwrap()
}

pub(crate) fn run(cases: usize) -> Row {
    let seeds = seeds();
    run_all("inputs", cases, |case, row| {
        let mut random = Random::new(11, case);
        let place = tempfile::tempdir().unwrap();
        let mut seed = seeds[case % seeds.len()].clone();
        let damaged = if random.below(4) == 0 {
            random.below(seed.len())
        } else {
            0
        };
        mutate(&mut seed[damaged].1, &mut random);
        for (name, bytes) in &seed {
            fs::write(place.path().join(name), bytes).unwrap();
        }
        let data = place.path().to_str().unwrap().to_owned();
        let split = place.path().join("split").to_str().unwrap().to_owned();
        let skip = ["--on-error", "skip"];
        let outcome = match random.below(4) {
            0 => limpid(&["data", "describe", &data]),
            1 => limpid(&[&["data", "describe", &data, "--format", "json"], &skip[..]].concat()),
            2 => limpid(
                &[
                    &[
                        "data",
                        "split",
                        &data,
                        "--split",
                        "leave-one-out",
                        "-o",
                        &split,
                    ],
                    &skip[..],
                ]
                .concat(),
            ),
            _ => limpid(&[
                "data",
                "split",
                &data,
                "--split",
                "ratio:80/10/10@1",
                "-o",
                &split,
            ]),
        };
        row.check(&outcome);
    })
}
