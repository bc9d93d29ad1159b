//! What programs read: conditions, lists and ledgers of many users, and exports.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

fn limpid(args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn ok_with(args: &[&str], stdin: &str) -> String {
    let out = limpid(args, stdin);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "limpid {}: {err}", args.join(" "));
    String::from_utf8(out.stdout).unwrap()
}

fn ok(args: &[&str]) -> String {
    ok_with(args, "")
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(&[args, &["--format", "json"]].concat())).unwrap()
}

fn fails(args: &[&str], stdin: &str, code: i32) -> String {
    let out = limpid(args, stdin);
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(
        out.status.code(),
        Some(code),
        "limpid {}: {err}",
        args.join(" ")
    );
    assert!(!err.contains("panicked"), "{err}");
    err
}

/// Models of one synthetic world, made once.
fn model(name: &str) -> String {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let split = "ratio:70/10/20@7";
        let train = [
            "train",
            "--data",
            "synthetic",
            "--split",
            split,
            "--quiet",
            "--model",
        ];
        for model in ["ease", "ruleslim", "ials", "popularity"] {
            let path = folder.join(model);
            ok(&[&train[..], &[model, "-o", path.to_str().unwrap()]].concat());
        }
        let path = folder.join("anonymous");
        ok(&[
            &train[..],
            &["ease", "--without-users", "-o", path.to_str().unwrap()],
        ]
        .concat());
        folder
    });
    folder.join(name).to_str().unwrap().to_owned()
}

/// Rows of JSON Lines.
fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column]
        .as_str()
        .unwrap_or_else(|| panic!("{column} of {row}"))
}

fn ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|i| text(i, "id").to_owned()).collect()
}

#[test]
fn conditions_filter_lists_and_rules() {
    let model = model("ruleslim");
    let all = ["recommend", &model, "--history", "i300", "-n", "1000"];
    let count = |condition: &str| json(&[&all[..], &["--where", condition]].concat());
    let n = |condition: &str| ids(&count(condition)).len();
    let every = n("popularity >= 0");
    assert_eq!(n("genre = Drama") + n("genre != drama"), every);
    assert_eq!(
        n("genre in (Drama, Comedy)") + n("genre not in (Drama, Comedy)"),
        every
    );
    assert_eq!(
        n("not (title ~ the and popularity > 20)"),
        every - n("title ~ THE and popularity > 20")
    );
    assert_eq!(
        n("popularity in 10..19") + n("popularity < 10 or popularity > 19"),
        every
    );
    assert_eq!(ids(&count("id in (i045, i033)")).len(), 2);
    // As before: several conditions, all of which must hold.
    let two = [
        &all[..],
        &["--where", "genre=Drama", "--where", "genre=Comedy"],
    ]
    .concat();
    assert_eq!(
        ids(&json(&two)).len(),
        n("genre = Drama and genre = Comedy")
    );

    let refused = |condition: &str| fails(&[&all[..], &["--where", condition]].concat(), "", 2);
    let error = refused("genre = Drama and yaer > 1990");
    assert!(error.contains("unknown field 'yaer'"), "{error}");
    assert!(
        error.contains("    genre = Drama and yaer > 1990\n                      ^^^^\n"),
        "{error}"
    );
    assert!(refused("genre = Dramma").contains("did you mean 'Drama'?"));
    assert!(refused("genre > 1").contains("has values that are not numbers"));
    assert!(refused("genre = Drama and").contains("expected a field"));

    let rules = json(&["rules", &model, "-n", "1000"]);
    let some = json(&["rules", &model, "-n", "1000", "--where", "genre = Drama"]);
    let (rules, some) = (
        rules["rules"].as_array().unwrap(),
        some["rules"].as_array().unwrap(),
    );
    assert!(!some.is_empty() && some.len() <= rules.len());
    let dramas: BTreeSet<String> = ids(&count("genre = Drama")).into_iter().collect();
    for target in some.iter().flat_map(|r| r["targets"].as_array().unwrap()) {
        assert!(dramas.contains(text(target, "id")) || text(target, "id") == "i300");
    }
}

#[test]
fn metrics_are_broken_down_by_conditions() {
    let model = model("ease");
    let condition = "genre = Drama and popularity > 10";
    let args = [
        "evaluate",
        &model,
        "--metrics",
        "recall@20",
        "--resamples",
        "0",
    ];
    let answer = json(&[&args[..], &["--where", condition]].concat());
    let breakdown = &answer["breakdowns"][0];
    assert_eq!(breakdown["field"], condition);
    let names: Vec<&str> = breakdown["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| text(r, "name"))
        .collect();
    assert_eq!(names, ["holds", "does not hold"]);
    assert!(ok(&[&args[..], &["--where", condition]].concat()).contains("does not hold"));
    assert!(
        fails(&[&args[..], &["--where", "genre = Dramma"]].concat(), "", 2)
            .contains("did you mean 'Drama'?")
    );
}

#[test]
fn lists_of_many_users_are_those_of_each() {
    let model = model("ruleslim");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.jsonl");
    let file = file.to_str().unwrap();
    let said = ok(&["recommend", &model, "--users", "all", "-n", "3", "-o", file]);
    let written = rows(&fs::read_to_string(file).unwrap());
    let users: Vec<&str> = written
        .iter()
        .step_by(3)
        .map(|r| text(r, "user_id"))
        .collect();
    assert!(
        said.contains(&format!("{} rows for {} users", written.len(), users.len())),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    for user in [users[0], users[users.len() / 2], users[users.len() - 1]] {
        let alone = json(&["recommend", &model, "--user", user, "-n", "3"]);
        let together: Vec<&Value> = written
            .iter()
            .filter(|r| text(r, "user_id") == user)
            .collect();
        assert_eq!(together.len(), 3);
        for (row, item) in together.iter().zip(alone["items"].as_array().unwrap()) {
            assert_eq!(
                (&row["item_id"], &row["score"], &row["rank"]),
                (&item["id"], &item["score"], &item["rank"])
            );
            let because = item["because"]
                .as_array()
                .unwrap()
                .iter()
                .map(|b| &b["text"]);
            assert!(because.eq(row["because"].as_array().unwrap()), "{row}");
        }
    }
    // Ids in a file, with a heading, and on standard input; standard output.
    let some = format!("user_id\n{}\n{}\n", users[7], users[2]);
    let list = folder.path().join("ids.txt");
    fs::write(&list, &some).unwrap();
    let args = [
        "recommend",
        &model,
        "-n",
        "3",
        "-o",
        "-",
        "--format",
        "json",
        "--users",
    ];
    let from_file = ok(&[&args[..], &[list.to_str().unwrap()]].concat());
    assert_eq!(from_file, ok_with(&[&args[..], &["-"]].concat(), &some));
    let mut expected = Vec::new();
    for user in [users[7], users[2]] {
        expected.extend(
            written
                .iter()
                .filter(|r| text(r, "user_id") == user)
                .cloned(),
        );
    }
    assert_eq!(rows(&from_file), expected);
    let csv = ok(&[
        "recommend",
        &model,
        "-n",
        "1",
        "-o",
        "-",
        "--users",
        list.to_str().unwrap(),
        "--reasons",
        "0",
    ]);
    assert_eq!(csv.lines().next(), Some("user_id,rank,item_id,score,title"));
    assert_eq!(csv.lines().count(), 3);
}

#[test]
fn histories_need_no_users_in_the_model() {
    let model = model("anonymous");
    let table = "user_id,item_id\nann,i300\nbob,i045\nann,i033\nbob,nothing\n";
    let args = [
        "recommend",
        &model,
        "-n",
        "4",
        "-o",
        "-",
        "--format",
        "json",
        "--users",
        "-",
    ];
    let written = rows(&ok_with(&args, table));
    let alone = json(&[
        "recommend",
        &model,
        "--history",
        "i300",
        "--history",
        "i033",
        "-n",
        "4",
    ]);
    let together: Vec<&str> = written
        .iter()
        .filter(|r| r["user_id"] == "ann")
        .map(|r| text(r, "item_id"))
        .collect();
    assert_eq!(together, ids(&alone));
    assert_eq!(written.len(), 8);
    let noted = limpid(&args, table).stderr;
    assert!(
        String::from_utf8_lossy(&noted)
            .contains("1 items of the histories are not in the catalogue")
    );
    assert!(fails(&args, "user_id,item_id\nann,x\n", 2).contains("none of the 1 items"));
    assert!(fails(&args, "u1\n", 2).contains("saved without users"));
}

#[test]
fn unknown_users_and_missing_files_are_refused() {
    let model = model("ease");
    let args = ["recommend", &model, "-o", "-", "--users", "-"];
    let user = rows(&ok(&[
        "recommend",
        &model,
        "--users",
        "all",
        "-n",
        "1",
        "-o",
        "-",
        "--format",
        "json",
    ]));
    let user = text(&user[0], "user_id");
    let error = fails(&args, &format!("{user}\n\nnobody at all\n"), 2);
    assert!(
        error.contains("standard input:3: unknown user 'nobody at all'"),
        "{error}"
    );
    assert!(fails(&args, "", 2).contains("has no users"));
    assert!(fails(&["recommend", &model, "--users", "all"], "", 2).contains("--output"));
    assert!(
        fails(
            &["recommend", &model, "--users", "nowhere.txt", "-o", "-"],
            "",
            1
        )
        .contains("nowhere.txt")
    );
    assert!(fails(&["recommend", &model, "--resume", "--user", user], "", 2).contains("--users"));
}

#[test]
fn ledgers_of_many_users_add_up() {
    for name in ["ruleslim", "ease", "ials"] {
        let model = model(name);
        let written = ok(&[
            "explain", &model, "--users", "all", "-n", "2", "-o", "-", "--format", "json",
        ]);
        let written = rows(&written);
        let mut sums: BTreeMap<(&str, &str), (f64, f64, f64)> = BTreeMap::new();
        for row in &written {
            let value = row["value"].as_f64().unwrap();
            let sum = sums
                .entry((text(row, "user_id"), text(row, "item_id")))
                .or_default();
            *sum = (
                sum.0 + value,
                sum.1 + value.abs(),
                row["score"].as_f64().unwrap(),
            );
        }
        for (of, (sum, size, score)) in &sums {
            assert!(
                (sum - score).abs() < 1e-4 * size.max(1e-3),
                "{name} {of:?}: {sum} and {score}"
            );
        }
        // As `explain` shows it.
        let (user, item) = (text(&written[0], "user_id"), text(&written[0], "item_id"));
        let alone = json(&["explain", &model, "--user", user, "--item", item]);
        let parts = alone["ledger"]["parts"].as_array().unwrap();
        let lines: Vec<&Value> = written
            .iter()
            .filter(|r| {
                text(r, "user_id") == user && text(r, "item_id") == item && !r["unit"].is_null()
            })
            .collect();
        assert_eq!(lines.len(), parts.len(), "{name}");
        for (line, part) in lines.iter().zip(parts) {
            for key in ["unit", "kind", "text", "rule"] {
                assert_eq!(line[key], part[key], "{name} {key}");
            }
            for key in ["value", "activation", "effect"] {
                assert_eq!(line[key].as_f64(), part[key].as_f64(), "{name} {key}");
            }
            let cites = part["cites"].as_array().unwrap().iter().map(|c| &c["id"]);
            assert!(cites.eq(line["cites"].as_array().unwrap()), "{name}");
        }
    }
}

/// A run is killed at several moments; the run that continues it gives the bytes of a run that was not.
#[test]
fn a_killed_run_is_continued() {
    let model = model("ruleslim");
    let folder = tempfile::tempdir().unwrap();
    for ending in ["jsonl", "parquet", "csv"] {
        let whole = folder.path().join(format!("whole.{ending}"));
        let args = [
            "explain", &model, "--users", "all", "-n", "5", "--quiet", "-o",
        ];
        ok(&[&args[..], &[whole.to_str().unwrap()]].concat());
        let file = folder.path().join(format!("killed.{ending}"));
        let args = [&args[..], &[file.to_str().unwrap(), "--resume"]].concat();
        let mut resumed = 0;
        for milliseconds in [20, 60, 150, 250] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_limpid"))
                .args(&args)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            child.kill().unwrap();
            child.wait().unwrap();
            resumed += usize::from(parts(&file) > 0);
        }
        ok(&args);
        assert_eq!(parts(&file), 0);
        assert!(
            fs::read(&whole).unwrap() == fs::read(&file).unwrap(),
            "{ending}, {resumed} resumed"
        );
    }
    // Another request is not mixed in.
    let file = folder.path().join("other.csv");
    let unfinished = folder.path().join("other.csv.parts");
    fs::create_dir(&unfinished).unwrap();
    fs::write(
        unfinished.join("request.json"),
        r#"{"schema":"limpid.parts/1","hash":"0"}"#,
    )
    .unwrap();
    let args = [
        "recommend",
        &model,
        "--users",
        "all",
        "-o",
        file.to_str().unwrap(),
    ];
    let error = fails(&[&args[..], &["--resume"]].concat(), "", 2);
    assert!(
        error.contains("begun with another model, users or options"),
        "{error}"
    );
    ok(&args);
    assert!(file.exists() && !unfinished.exists());
}

/// Complete parts of an unfinished file.
fn parts(file: &Path) -> usize {
    let folder = PathBuf::from(format!("{}.parts", file.display()));
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter(|e| {
            e.as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains('-')
        })
        .count()
}

#[test]
fn similar_items_by_scores_vectors_and_links() {
    let by = |name: &str, by: &str| {
        let model = model(name);
        json(&["similar", &model, "--item", "i300", "-n", "5", "--by", by])
    };
    // EASE scores a history of one item by its weights alone.
    assert_eq!(ids(&by("ease", "scores")), ids(&by("ease", "links")));
    let vectors = by("ials", "vectors");
    assert_eq!(vectors["by"], "vectors");
    let scores: Vec<f64> = vectors["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["score"].as_f64().unwrap())
        .collect();
    assert_eq!(scores.len(), 5);
    assert!(
        scores.is_sorted_by(|a, b| a >= b) && scores[0] <= 1.0 + 1e-6,
        "{scores:?}"
    );
    assert!(!ids(&vectors).contains(&"i300".to_owned()));
    let refused = |name: &str, by: &str| {
        let model = model(name);
        fails(&["similar", &model, "--item", "i300", "--by", by], "", 2)
    };
    assert!(refused("ease", "vectors").contains("it supports --by scores and links"));
    assert!(refused("ials", "links").contains("it supports --by scores and vectors"));
    assert!(refused("popularity", "links").contains("it supports --by scores"));
}

#[test]
fn exports_are_what_the_model_has() {
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str, what: &str, file: &str| {
        let file = folder.path().join(file);
        let answer = json(&["export", &model(name), what, "-o", file.to_str().unwrap()]);
        assert_eq!(answer["schema"], "limpid.export/1");
        (answer, fs::read(file).unwrap())
    };
    let lines = |bytes: Vec<u8>| rows(&String::from_utf8(bytes).unwrap());
    // The weights of EASE as rows and as an array are the same numbers.
    let (answer, bytes) = export("ease", "weights", "weights.jsonl");
    let weights = lines(bytes);
    assert_eq!(answer["rows"], weights.len());
    let (answer, array) = export("ease", "weights", "weights.npy");
    let n = answer["columns"].as_u64().unwrap() as usize;
    assert_eq!(
        (answer["rows"].as_u64().unwrap() as usize, array.len()),
        (n, 128 + 4 * n * n)
    );
    let names = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        text.lines()
            .skip(1)
            .map(|l| l.split(',').nth(1).unwrap().to_owned())
            .collect()
    };
    let (units, items) = (names("weights.rows.csv"), names("weights.columns.csv"));
    assert_eq!(units[3], format!("link:{}", items[3]));
    let at = |from: usize, to: usize| {
        let start = 128 + 4 * (from * n + to);
        f32::from_le_bytes(array[start..start + 4].try_into().unwrap())
    };
    for row in weights.iter().step_by(997) {
        let from = items
            .iter()
            .position(|i| i == text(row, "from_item_id"))
            .unwrap();
        let to = items
            .iter()
            .position(|i| i == text(row, "item_id"))
            .unwrap();
        assert_eq!(at(from, to), row["weight"].as_f64().unwrap() as f32);
    }
    let (_, rules) = export("ruleslim", "rules", "rules.jsonl");
    let rules = lines(rules);
    let listed = json(&["rules", &model("ruleslim"), "-n", "1"]);
    let (rule, target) = (&listed["rules"][0], &listed["rules"][0]["targets"][0]);
    let row = rules
        .iter()
        .find(|r| r["unit"] == rule["unit"] && r["item_id"] == target["id"])
        .unwrap();
    for key in ["weight", "confidence", "lift"] {
        assert_eq!(row[key], target[key]);
    }
    assert_eq!(
        (&row["rule"], &row["support"]),
        (&rule["text"], &rule["support"])
    );
    let of_rule = rules.iter().filter(|r| r["unit"] == rule["unit"]).count();
    assert_eq!(rule["n_targets"], of_rule);

    let (answer, vectors) = export("ials", "embeddings", "items.npy");
    let (rows, d) = (
        answer["rows"].as_u64().unwrap(),
        answer["columns"].as_u64().unwrap(),
    );
    assert_eq!(vectors.len() as u64, 128 + 4 * rows * d);
    let (answer, _) = export("ials", "users", "users.parquet");
    assert_eq!(answer["columns"], d + 1);
    let (_, similar) = export("ials", "similar", "similar.jsonl");
    let similar = lines(similar);
    let of: Vec<&str> = similar
        .iter()
        .filter(|r| r["item_id"] == "i300")
        .map(|r| text(r, "similar_id"))
        .take(5)
        .collect();
    assert_eq!(
        of,
        ids(&json(&[
            "similar",
            &model("ials"),
            "--item",
            "i300",
            "-n",
            "5"
        ]))
    );

    let refused = |name: &str, what: &str, file: &str| {
        let file = folder.path().join(file);
        fails(
            &["export", &model(name), what, "-o", file.to_str().unwrap()],
            "",
            2,
        )
    };
    assert!(
        refused("ease", "embeddings", "a.npy")
            .contains("ease has no embeddings to export; it has weights, similar")
    );
    assert!(refused("ials", "rules", "a.csv").contains("it has embeddings, users, similar"));
    assert!(
        refused("ruleslim", "rules", "a.npy").contains("must be .csv, .tsv, .jsonl or .parquet")
    );
    assert!(!folder.path().join("a.npy").exists());
}
