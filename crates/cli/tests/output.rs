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
    assert!(csv.starts_with("user,by,rank,id,title,score\n"), "{csv}");
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
            .any(|name| name.to_string_lossy().starts_with(".all."))
    );
}

/// The best item of a user, the unit of its strongest reason, and the user.
fn a_reason() -> (String, String, String) {
    // Once: two runs may not write one file.
    static FOUND: OnceLock<(String, String, String)> = OnceLock::new();
    FOUND.get_or_init(found_reason).clone()
}

fn found_reason() -> (String, String, String) {
    ok(
        at(),
        &[
            "recommend",
            "model",
            "--users",
            "all",
            "-n",
            "1",
            "-o",
            "one.jsonl",
        ],
    );
    let rows = fs::read_to_string(at().join("one.jsonl")).unwrap();
    let row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    let user = row["user_id"].as_str().unwrap().to_owned();
    let list = [
        "recommend",
        "model",
        "--user",
        &user,
        "-n",
        "5",
        "--format",
        "json",
    ];
    let list: Value = serde_json::from_str(&ok(at(), &list)).unwrap();
    let first = &list["items"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&first["id"]), text(&first["because"][0]["unit"]), user)
}

#[test]
fn csv_is_tidy_and_has_every_table() {
    let (item, _, user) = a_reason();
    let explain = ["explain", "model", "--user", &user, "--item", &item];
    let with = |more: &[&str]| ok(at(), &[&explain[..], more].concat());
    let answer: Value = serde_json::from_str(&with(&["--format", "json"])).unwrap();
    let csv = with(&["--format", "csv", "--quiet"]);
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let header = rows.headers().unwrap().clone();
    assert!(
        header
            .iter()
            .take(4)
            .eq(["user", "item_id", "rank", "unit"]),
        "{header:?}"
    );
    let value = header.iter().position(|h| h == "value").unwrap();
    let parts = answer["ledger"]["parts"].as_array().unwrap();
    let mut n = 0;
    for (row, part) in rows.records().zip(parts) {
        let row = row.unwrap();
        assert_eq!((&row[0], &row[1]), (&*user, &*item));
        assert_eq!(row[3], *part["unit"].as_str().unwrap());
        // The number is that of the JSON, not a rounded one.
        let exact: f64 = row[value].parse().unwrap();
        assert_eq!(exact as f32, part["value"].as_f64().unwrap() as f32);
        n += 1;
    }
    assert_eq!(n, parts.len());
    with(&["-o", "why/"]);
    for name in ["parts", "cites", "answer"] {
        let file = at().join("why").join(format!("{name}.csv"));
        assert!(
            fs::read_to_string(file).unwrap().lines().count() > 1,
            "{name}"
        );
    }
    assert_eq!(fs::read_to_string(at().join("why/parts.csv")).unwrap(), csv);
    let cites = with(&["--format", "tsv", "--table", "cites"]);
    assert!(
        cites.starts_with("user\titem_id\trank\tpart_unit\tid\ttitle"),
        "{cites}"
    );
    with(&["-o", "parts.parquet"]);
    assert!(
        fs::read(at().join("parts.parquet"))
            .unwrap()
            .starts_with(b"PAR1")
    );
    let missing = fails(
        at(),
        &[&explain[..], &["--format", "csv", "--table", "x"]].concat(),
        2,
    );
    assert!(missing.contains("it has parts, cites, answer"), "{missing}");
    let useless = fails(at(), &[&explain[..], &["--table", "parts"]].concat(), 2);
    assert!(useless.contains("--table selects a table of"), "{useless}");
}

#[test]
fn steering_shows_what_moved_and_which_edit() {
    let (item, unit, user) = a_reason();
    let edit = format!("{unit}=off");
    let list = |more: &[&str]| -> Value {
        let args = [
            "recommend",
            "model",
            "--user",
            &user,
            "-n",
            "5",
            "--format",
            "json",
        ];
        serde_json::from_str(&ok(at(), &[&args[..], more].concat())).unwrap()
    };
    let (plain, edited) = (list(&[]), list(&["--edit", &edit]));
    assert!(plain["items"][0].get("before").is_none());
    let rank = |id: &Value| {
        let found = plain["items"]
            .as_array()
            .unwrap()
            .iter()
            .position(|i| i["id"] == *id);
        found.map(|at| at as u64 + 1)
    };
    for place in edited["items"].as_array().unwrap() {
        let before = place["before"]["rank"].as_u64().unwrap();
        assert_eq!(rank(&place["id"]).unwrap_or(before), before);
        let change: f64 = place["moved_by"]
            .as_array()
            .map_or(0.0, |m| m[0]["change"].as_f64().unwrap());
        let score = |v: &Value| v["score"].as_f64().unwrap();
        assert!((score(place) - score(&place["before"]) - change).abs() < 1e-6);
    }
    // The item that the unit spoke for falls.
    let everywhere = edited["items"].as_array().unwrap().iter();
    let left = edited["left"].as_array().into_iter().flatten();
    let found = everywhere.chain(left).find(|i| i["id"] == *item).unwrap();
    assert_eq!(found["before"]["rank"], 1);
    assert_eq!(found["moved_by"][0]["edit"], edit.as_str());
    let text = ok(
        at(),
        &["recommend", "model", "--user", &user, "--edit", &edit],
    );
    assert!(
        text.contains("before") && text.contains("moved by"),
        "{text}"
    );
}

#[test]
fn edits_without_effect_and_misspelled_units_are_said() {
    let (item, unit, user) = a_reason();
    let args = "train --data synthetic --split ratio:70/10/20@7 --model popularity -o popular";
    ok(at(), &args.split(' ').collect::<Vec<_>>());
    let edit = format!("{unit}=off");
    let text = ok(
        at(),
        &["recommend", "popular", "--user", &user, "--edit", &edit],
    );
    assert!(text.contains(&format!("{edit} has no effect")), "{text}");
    let wrong = format!("lnk:{item}=off");
    let err = fails(
        at(),
        &["recommend", "model", "--user", &user, "--edit", &wrong],
        2,
    );
    assert!(
        err.contains(&format!("did you mean 'link:{item}'?")),
        "{err}"
    );
}

#[test]
fn names_and_separators_are_read_as_they_are_typed() {
    let rows = "u\ti\tn\nu1\t-5\t1\nu1\t7\t1\nu2\t-5\t1\nu2\t8\t1\nu3\t7\t1\nu3\t8\t1\n";
    fs::write(at().join("negative.txt"), rows).unwrap();
    for separator in ["\\t", "tab", "\t"] {
        let args = ["data", "describe", "negative.txt", "--data-format", "table"];
        let more = [
            "--separator",
            separator,
            "--user-column",
            "u",
            "--item-column",
            "i",
        ];
        let text = ok(at(), &[&args[..], &more].concat());
        assert!(text.contains("users"), "{text}");
    }
    let train = [
        "train",
        "--data",
        "negative.txt",
        "--user-column",
        "1",
        "--item-column",
        "2",
    ];
    let more = ["--split", "none", "--model", "ease", "-o", "negative"];
    ok(at(), &[&train[..], &more].concat());
    let near = ok(at(), &["similar", "negative", "--item", "-5"]);
    assert!(near.starts_with("Items similar to -5"), "{near}");
    ok(at(), &["recommend", "negative", "--history", "-5"]);
    let err = fails(
        at(),
        &[
            "data",
            "describe",
            "negative.txt",
            "--user-column",
            "who",
            "--item-column",
            "i",
        ],
        2,
    );
    assert!(err.contains("who"), "{err}");
    let same = [
        "data",
        "describe",
        "negative.txt",
        "--user-column",
        "i",
        "--item-column",
        "i",
    ];
    let err = fails(at(), &same, 2);
    assert!(
        err.starts_with("error: --user-column must not be the column of items"),
        "{err}"
    );
}

#[test]
fn rules_fit_eighty_columns() {
    let train = "train --data synthetic --split ratio:70/10/20@7 --model ruleslim -o rules";
    ok(at(), &train.split(' ').collect::<Vec<_>>());
    let out = Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env("COLUMNS", "80")
        .current_dir(at())
        .args(["rules", "rules", "-n", "10"])
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let wide = text.lines().find(|l| l.chars().count() > 80);
    assert_eq!(wide, None, "{text}");
    // A rule of any length takes a few whole lines: none is a column of single words.
    let entries = text.split("\n\n").skip(1);
    assert!(entries.clone().count() >= 10);
    for entry in entries {
        assert!(entry.lines().count() <= 12, "{entry}");
    }
}

#[test]
fn an_unknown_given_split_is_wrong_use_with_suggestions() {
    let folder = at().join("ml");
    fs::create_dir_all(&folder).unwrap();
    for name in ["u.data", "u1.base", "u1.test", "u2.base", "u2.test"] {
        fs::write(folder.join(name), "1\t1\t5\t1\n1\t2\t4\t2\n2\t1\t3\t3\n").unwrap();
    }
    let err = fails(at(), &["data", "describe", "ml", "--given", "u9"], 2);
    assert!(
        err.contains("unknown given split 'u9'; did you mean"),
        "{err}"
    );
}
