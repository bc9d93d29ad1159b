//! Results as files: `-o` of the verbs, formats by ending, and text of the data in every format.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn limpid(at: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .current_dir(at)
        .args(args)
        .output()
        .unwrap()
}

fn ok(at: &Path, args: &[&str]) -> String {
    let out = limpid(at, args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "limpid {}: {err}", args.join(" "));
    String::from_utf8(out.stdout).unwrap()
}

fn fails(at: &Path, args: &[&str], code: i32) -> String {
    let out = limpid(at, args);
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "limpid {args:?}: {err}");
    err
}

/// A folder with a small model, made once.
fn at() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let train = "train --data synthetic --split ratio:70/10/20@7 --model ease -o model";
        ok(&folder, &train.split(' ').collect::<Vec<_>>());
        folder
    })
}

#[test]
fn an_answer_is_written_in_the_format_of_the_ending() {
    ok(
        at(),
        &["recommend", "model", "--users", "all", "-o", "some.csv"],
    );
    let rows = fs::read_to_string(at().join("some.csv")).unwrap();
    let item = rows.lines().nth(1).unwrap().split(',').nth(2).unwrap();
    let item = format!("id:{item}");
    let similar = |more: &[&'static str]| -> Vec<String> {
        let args = ["similar", "model", "--item", &item].into_iter();
        args.chain(more.iter().copied()).map(String::from).collect()
    };
    let run = |more| {
        let args = similar(more);
        ok(at(), &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(run(&["-o", "near.json"]), "");
    let answer: Value = serde_json::from_slice(&fs::read(at().join("near.json")).unwrap()).unwrap();
    assert_eq!(answer["schema"], "limpid.similar/1");
    run(&["-o", "near.md"]);
    assert!(
        fs::read_to_string(at().join("near.md"))
            .unwrap()
            .contains("|---|")
    );
    let csv = run(&["-o", "-", "--format", "csv"]);
    assert!(csv.starts_with("rank,"), "{csv}");
    let args = similar(&["-o", "near.json", "--format", "csv"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let differs = fails(at(), &args, 2);
    assert!(differs.contains("differs from the ending"), "{differs}");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_the_work() {
    // The model does not exist: the file is looked at first.
    let verbs = [
        vec!["recommend", "nowhere", "--user", "1"],
        vec!["recommend", "nowhere", "--users", "all"],
        vec!["explain", "nowhere", "--user", "1", "--item", "1"],
        vec!["rules", "nowhere"],
        vec!["similar", "nowhere", "--item", "1"],
        vec!["evaluate", "nowhere"],
        vec!["compare", "nowhere", "nowhere"],
        vec!["inspect", "nowhere"],
        vec!["verify", "nowhere"],
        vec!["data", "describe", "nowhere"],
        vec!["doctor"],
        vec!["models"],
    ];
    for verb in verbs {
        let with = |file: &'static str| [&verb[..], &["-o", file]].concat();
        let err = fails(at(), &with("list.txt"), 2);
        assert!(err.contains("the ending selects the format"), "{err}");
        let err = fails(at(), &with("no/such/list.csv"), 1);
        assert!(err.contains("does not exist; create it first"), "{err}");
        let err = fails(at(), &with("model"), 2);
        assert!(err.contains("it is a folder"), "{err}");
    }
    let plot = ["explain", "nowhere", "--user", "1", "--item", "1", "--plot"];
    let err = fails(at(), &[&plot[..], &["why.png"]].concat(), 2);
    assert!(err.contains("must be .svg"), "{err}");
}

#[test]
fn lists_of_all_users_are_rows_in_every_format() {
    let rows = |file: &str| {
        [
            "recommend",
            "model",
            "--users",
            "all",
            "-n",
            "2",
            "--reasons",
            "0",
            "-o",
            file,
        ]
        .map(String::from)
    };
    let run = |file: &str, more: &[&str]| {
        let args = rows(file);
        let args: Vec<&str> = args
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        ok(at(), &args)
    };
    run("all.csv", &[]);
    run("all.tsv", &[]);
    run("all.jsonl", &[]);
    run("all.parquet", &[]);
    let csv = fs::read_to_string(at().join("all.csv")).unwrap();
    let tsv = fs::read_to_string(at().join("all.tsv")).unwrap();
    assert!(csv.starts_with("user_id,rank,item_id,score,title\n"));
    assert_eq!(csv.replace(',', "\t"), tsv);
    let lines = fs::read_to_string(at().join("all.jsonl")).unwrap();
    assert_eq!(lines.lines().count() + 1, csv.lines().count());
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let cells: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(first["user_id"], cells[0]);
    assert_eq!(first["score"].to_string(), cells[3]);
    assert!(
        fs::read(at().join("all.parquet"))
            .unwrap()
            .starts_with(b"PAR1")
    );
    // On standard output, the rows are all that is printed.
    assert_eq!(run("-", &[]), csv);
    assert_eq!(run("-", &["--format", "json"]), lines);
    let left = fs::read_dir(at()).unwrap().map(|e| e.unwrap().file_name());
    assert!(
        !left
            .into_iter()
            .any(|name| name.to_string_lossy().contains(".new."))
    );
}
