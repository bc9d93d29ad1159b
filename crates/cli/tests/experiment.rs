//! Experiments from end to end: a saved model trained again from its manifest, plans, and wrong use.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs the binary in a folder; exit code, standard output, standard error.
fn run(at: &Path, args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .current_dir(at)
        .args(args)
        .output()
        .unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    assert!(!err.contains("panicked"), "{err}");
    let text = String::from_utf8(out.stdout).unwrap();
    (out.status.code().unwrap(), text, err)
}

fn ok(at: &Path, args: &[&str]) -> String {
    let (code, out, err) = run(at, args);
    assert_eq!(code, 0, "limpid {}: {err}", args.join(" "));
    out
}

fn fails(at: &Path, args: &[&str], expected: i32) -> String {
    let (code, _, err) = run(at, args);
    assert_eq!(code, expected, "limpid {}: {err}", args.join(" "));
    err
}

fn manifest(model: &Path) -> Value {
    serde_json::from_slice(&fs::read(model.join("manifest.json")).unwrap()).unwrap()
}

/// A small shop: ratings, several behaviors, columns that cannot be detected, a few malformed lines.
fn shop(folder: &Path) -> PathBuf {
    let path = folder.join("shop.csv");
    let mut text = String::from("kind;who;what;stars;when\n");
    for user in 0..60u32 {
        for step in 0..14u32 {
            let item = (user * 7 + step * (1 + user % 5)) % 40;
            let kind = if (user + step) % 3 == 0 {
                "view"
            } else {
                "buy"
            };
            let stars = 1 + (user + 2 * step) % 5;
            text += &format!(
                "{kind};u{user};i{item};{stars};{}\n",
                1_000 + user * 20 + step
            );
        }
    }
    text += "buy;u1;i3;many;7\n";
    fs::write(&path, text).unwrap();
    path
}

const READING: &[&str] = &[
    "--separator",
    ";",
    "--user-column",
    "who",
    "--item-column",
    "3",
    "--value-column",
    "stars",
    "--time-column",
    "when",
    "--behavior-column",
    "kind",
    "--on-error",
    "skip",
    "--min-value",
    "2",
    "--k-core",
    "3,2",
];

/// Trains on the shop from inside its folder.
fn train(folder: &Path, more: &[&str]) {
    let args = [&["train", "--data", "shop.csv"][..], READING, more].concat();
    ok(folder, &args);
}

#[test]
fn a_saved_model_is_trained_again_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shop(at);
    let elsewhere = tempfile::tempdir().unwrap();
    for (model, set, split) in [
        ("ease", "reg=33.3", "ratio:70/10/20@5"),
        ("ruleslim", "rho_rule=0.3", "leave-one-out"),
        ("itemknn", "k=7", "temporal:0.8"),
    ] {
        let name = format!("{model}-model");
        train(
            at,
            &[
                "--model", model, "--set", set, "--split", split, "--seed", "9", "-o", &name,
            ],
        );
        let first = at.join(name);
        for config in ["manifest.json", "run.toml", ""] {
            let config = first.join(config);
            let again = elsewhere.path().join("again");
            let args = ["train", "--config", config.to_str().unwrap(), "-o", "again"];
            ok(elsewhere.path(), &args);
            for file in ["model", "catalogue", "histories"] {
                let file = format!("{file}.safetensors");
                assert_eq!(
                    fs::read(first.join(&file)).unwrap(),
                    fs::read(again.join(&file)).unwrap(),
                    "{file} of {}",
                    config.display()
                );
            }
            let (before, after) = (manifest(&first), manifest(&again));
            for same in ["experiment", "data", "split", "metrics", "files"] {
                assert_eq!(before[same], after[same], "{same} of {}", config.display());
            }
        }
        let experiment = &manifest(&first)["experiment"];
        assert!(Path::new(experiment["data"]["path"].as_str().unwrap()).is_absolute());
        assert_eq!(experiment["data"]["filters"]["behaviors"][0], "buy");
        assert_eq!(experiment["seed"], 9);
    }
}

#[test]
fn options_change_a_recorded_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shop(at);
    train(at, &["--model", "ease", "-o", "first"]);
    ok(
        at,
        &[
            "train",
            "--config",
            "first/run.toml",
            "--set",
            "reg=7",
            "--min-value",
            "4",
            "--behaviors",
            "all",
            "-o",
            "second",
        ],
    );
    let (first, second) = (manifest(&at.join("first")), manifest(&at.join("second")));
    assert_eq!(second["experiment"]["settings"]["reg"], 7.0);
    let source = &second["experiment"]["data"];
    assert_eq!(source["filters"]["min_value"], 4.0);
    // Everything else is unchanged.
    assert_eq!(
        source["filters"]["k_core"],
        first["experiment"]["data"]["filters"]["k_core"]
    );
    assert_eq!(source["read"], first["experiment"]["data"]["read"]);
    assert_eq!(second["data"]["hash"], first["data"]["hash"]);
    assert_ne!(second["split"]["hash"], first["split"]["hash"]);
    // Settings of one model do not apply to another.
    ok(
        at,
        &[
            "train", "--config", "first", "--model", "itemknn", "-o", "third",
        ],
    );
    assert_eq!(
        manifest(&at.join("third"))["experiment"]["settings"]["k"],
        100
    );
}

#[test]
fn changed_data_are_refused_without_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let shop = shop(at);
    train(at, &["--model", "popularity", "-o", "model"]);
    let more = fs::read_to_string(&shop).unwrap() + "buy;u1;i39;5;9999\n";
    fs::write(&shop, more).unwrap();
    let again = ["train", "--config", "model/manifest.json", "-o", "again"];
    let why = fails(at, &again, 1);
    assert!(
        why.contains("the data changed") && why.contains("--data-changed-ok"),
        "{why}"
    );
    assert!(!at.join("again").exists());
    let (code, _, err) = run(at, &[&again[..], &["--data-changed-ok"]].concat());
    assert!(code == 0 && err.contains("the data changed"), "{err}");
}

#[test]
fn a_model_of_format_1_needs_its_data_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let old =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../limpid/tests/formats/v1/ease/manifest.json");
    let config = ["train", "--config", old.to_str().unwrap(), "-o", "again"];
    assert!(fails(at, &config, 2).contains("--data"));
    // Nor does it record filters: data other than the recorded ones are refused.
    let other = [&config[..], &["--data", "synthetic"]].concat();
    assert!(fails(at, &other, 1).contains("the data changed"));
    let (code, _, err) = run(at, &[&other[..], &["--data-changed-ok"]].concat());
    assert!(code == 0 && err.contains("the data changed"), "{err}");
    assert_eq!(
        manifest(&at.join("again"))["experiment"]["settings"]["reg"],
        500.0
    );
}

#[test]
fn a_dry_run_checks_everything_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Reading this file would fail, so all reported faults are found before.
    fs::write(at.join("events.csv"), "not\u{0}a;table").unwrap();
    fs::create_dir(at.join("photos")).unwrap();
    fs::write(at.join("photos/cat.jpg"), "meow").unwrap();
    let plan = [
        "train",
        "--data",
        "events.csv",
        "--model",
        "ease",
        "--dry-run",
    ];
    let text = ok(
        at,
        &[&plan[..], &["-o", "model", "--format", "json"]].concat(),
    );
    let plan_json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(plan_json["schema"], "limpid.train-plan/1");
    assert_eq!(plan_json["experiment"]["settings"]["reg"], 500.0);
    assert_eq!(plan_json["data_bytes"], 11);
    assert_eq!(plan_json["fits"], 1);
    assert!(ok(at, &[&plan[..], &["-o", "model"]].concat()).contains("reg = 500.0"));
    let args = [
        "--model", "itemknn", "--tune", "--trials", "3", "-o", "model",
    ];
    let tuning = [&plan[..3], &args, &["--dry-run", "--format", "json"]].concat();
    let tuning: Value = serde_json::from_str(&ok(at, &tuning)).unwrap();
    assert_eq!(tuning["fits"], 4);
    for (args, code, expected) in [
        (&["--set", "reg=-1", "-o", "model"][..], 2, "reg must be"),
        (
            &["--device", "gpu", "-o", "model"],
            2,
            "unknown device 'gpu'; this build has cpu",
        ),
        (&["--seed", "x", "-o", "model"], 2, "--seed"),
        (&["--memory", "0", "-o", "model"], 2, "memory"),
        (&["--user-column", "0", "-o", "model"], 2, "from 1"),
        (&["--k-core", "many", "-o", "model"], 2, "--k-core"),
        (
            &["--metadata", "nowhere.csv", "-o", "model"],
            1,
            "nowhere.csv",
        ),
        (
            &["--tune", "--split", "none", "-o", "model"],
            2,
            "validation set",
        ),
        (&["-o", "photos"], 1, "is not a saved model"),
    ] {
        // The same faults are found without --dry-run, before the data are read.
        for args in [[&plan[..], args].concat(), [&plan[..5], args].concat()] {
            let why = fails(at, &args, code);
            assert!(why.contains(expected), "{args:?}: {why}");
        }
    }
    let missing = ["train", "--data", "nowhere", "--dry-run", "-o", "model"];
    assert!(fails(at, &missing, 1).contains("nowhere"));
    let names: Vec<_> = fs::read_dir(at)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

const TABLE: &str = r#"
title = "A small table"
source = "nobody"
data = "synthetic"
split = "ratio:70/10/20"
seeds = [1, 2, 3]
metric = "ndcg@10"
[[row]]
name = "POP"
model = "popularity"
[[row]]
name = "EASE"
model = "ease"
settings = { reg = 10.0 }
"#;

#[test]
fn the_last_row_of_a_recipe_is_checked_before_the_first_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.toml"), TABLE).unwrap();
    let plan = [
        "reproduce",
        "a.toml",
        "--seeds",
        "2",
        "--dry-run",
        "--format",
        "json",
    ];
    let plan: Value = serde_json::from_str(&ok(at, &plan)).unwrap();
    assert_eq!(
        (&plan["runs"], &plan["recipes"][0]["splits"][1]),
        (&4.into(), &"ratio:70/10/20@2".into())
    );
    for (from, to, expected) in [
        ("reg = 10.0", "reg = -1", "row 'EASE': reg must be"),
        ("reg = 10.0", "rge = 1", "rge"),
        ("\"ease\"", "\"eaze\"", "ease"),
        ("ndcg@10", "ndgc@10", "ndcg"),
        ("\"synthetic\"", "\"synthetic:other\"", "synthetic:planted"),
    ] {
        fs::write(at.join("b.toml"), TABLE.replace(from, to)).unwrap();
        for more in [&["--dry-run"][..], &[]] {
            let why = fails(at, &[&["reproduce", "."][..], more].concat(), 2);
            assert!(why.contains(expected), "{why}");
        }
    }
    let elsewhere = TABLE.replace("\"synthetic\"", "\"ml-1m\"");
    fs::write(at.join("b.toml"), elsewhere).unwrap();
    assert!(fails(at, &["reproduce", "."], 2).contains("--data"));
    assert!(fails(at, &["reproduce", "b.toml", "--data", "sets"], 1).contains("sets/ml-1m"));
    // A folder of recipes is run without those whose data are not at hand, which are named.
    let plan = "reproduce . --data sets --dry-run --format json";
    let plan: Vec<&str> = plan.split(' ').collect();
    let plan: Value = serde_json::from_str(&ok(at, &plan)).unwrap();
    assert_eq!(plan["recipes"].as_array().unwrap().len(), 1);
    assert_eq!(
        plan["not_run"],
        serde_json::json!([{"recipe": "b", "missing": ["ml-1m"]}])
    );
    fs::remove_file(at.join("a.toml")).unwrap();
    assert!(fails(at, &["reproduce", ".", "--data", "sets"], 1).contains("sets/ml-1m"));
    assert!(!at.join("reproduced").exists());
}

#[test]
fn wrong_use_exits_2_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shop(at);
    train(at, &["--model", "ease", "-o", "model"]);
    let synthetic = ["train", "--data", "synthetic", "-o", "x"];
    let u1 = ["explain", "model", "--user", "u1", "--item", "i1"];
    for (args, expected) in [
        ([&synthetic[..], &["--model", "eaze"]].concat(), "ease"),
        ([&synthetic[..], &["--set", "rge=1"]].concat(), "reg"),
        ([&synthetic[..], &["--set", "reg"]].concat(), "reg=500"),
        (
            [&synthetic[..], &["--split", "ratio:1/2"]].concat(),
            "ratio:70/10/20",
        ),
        (
            [&synthetic[..], &["--split", "ratoi:70/10/20@1"]].concat(),
            "unknown split 'ratoi:70/10/20@1'; did you mean 'ratio:70/10/20@1'?",
        ),
        (
            [&synthetic[..], &["--split", "no/folder"]].concat(),
            "limpid data split",
        ),
        (
            [&synthetic[..], &["--device", "gpu"]].concat(),
            "this build has cpu",
        ),
        ([&synthetic[..], &["--on-error", "ignore"]].concat(), "skip"),
        (
            [&synthetic[..], &["--data-format", "movielens"]].concat(),
            "movielens-100k",
        ),
        (vec!["train", "-o", "x"], "--data"),
        (
            vec!["train", "--data", "synthetic:plantd", "-o", "x"],
            "synthetic:planted",
        ),
        (vec!["evaluate", "model", "--metrics", "ndgc@20"], "ndcg"),
        (vec!["evaluate", "model", "--metrics", "ndcg"], "ndcg@"),
        (vec!["recommend", "model"], "--user"),
        (
            vec!["recommend", "model", "--user", "u1 "],
            "unknown user 'u1 '; did you mean",
        ),
        (
            vec!["explain", "model", "--user", "u1", "--item", "i41"],
            "unknown item 'i41'; did you mean",
        ),
        ([&u1[..], &["--edit", "link:i3"]].concat(), "link:i3"),
        ([&u1[..], &["--edit", "g9=off"]].concat(), "g9"),
        (
            vec!["similar", "model", "--item", "i3", "--where", "genre=x"],
            "genre",
        ),
        (vec!["models", "eaze"], "ease"),
        (
            vec!["data", "describe", "synthetic:x"],
            "did you mean 'synthetic",
        ),
        (vec!["trian"], "train"),
        (vec!["train", "--modle", "ease"], "--model"),
    ] {
        let why = fails(at, &args, 2);
        assert!(why.contains(expected), "{args:?}: {why}");
    }
    // A failure, not wrong use.
    assert!(fails(at, &["inspect", "nowhere"], 1).contains("limpid train"));
    assert!(fails(at, &["train", "--data", "nowhere", "-o", "x"], 1).contains("nowhere"));
    assert!(fails(at, &["data", "describe", "shop.csv"], 1).contains("shop.csv"));
    assert!(!at.join("x").exists());
}

#[test]
fn generated_data_are_described_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(ok(at, &["data", "describe", "synthetic"]).contains("users"));
    let args = [
        "train",
        "--data",
        "synthetic",
        "--model",
        "popularity",
        "-o",
    ];
    ok(at, &[&args[..], &["all"]].concat());
    ok(at, &[&args[..], &["wide", "--behaviors", "all"]].concat());
    let events = |model: &str| {
        manifest(&at.join(model))["data"]["train_events"]
            .as_u64()
            .unwrap()
    };
    let (wide, all) = (events("wide"), events("all"));
    assert!(wide > all, "{wide} and {all}");
}

#[test]
fn a_preset_is_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |how: &[&str]| {
        let train = ["train", "--data", "synthetic", "-o", "model"];
        let args = [&train, how, &["--dry-run", "--format", "json"]].concat();
        serde_json::from_str::<Value>(&ok(folder.path(), &args)).unwrap()["experiment"].clone()
    };
    let short = plan(&["--preset", "short"]);
    assert_eq!(short, plan(&["--set", "preset=short"]));
    assert_ne!(short, plan(&[]));
    let unknown = [
        "train",
        "--data",
        "synthetic",
        "--preset",
        "shrot",
        "-o",
        "model",
    ];
    let error = fails(folder.path(), &unknown, 2);
    let rule = "preset must be accurate, balanced or short, but is shrot";
    assert!(error.contains(rule), "{error}");
}

/// Scores of every user for two items, with one line changed.
fn scores(at: &Path, line: usize, text: &str) {
    let mut lines = vec!["user,item,score".to_owned()];
    for user in 0..60 {
        lines.push(format!("u{user},i{},0.25", user % 40));
        lines.push(format!("u{user},i{},0.5", (user + 9) % 40));
    }
    lines[line] = text.to_owned();
    lines.retain(|l| !l.is_empty());
    fs::write(at.join("scores.csv"), lines.join("\n")).unwrap();
}

#[test]
fn a_saved_model_or_a_table_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shop(at);
    let split = ["--split", "ratio:70/10/20@5"];
    train(
        at,
        &[&split[..], &["--model", "itemknn", "-o", "base"]].concat(),
    );
    scores(at, 1, "u0,i0,1");
    for (model, teacher, by) in [
        ("ease", "base", "taught by the model itemknn in base"),
        ("edlae", "base", "taught by the model itemknn in base"),
        ("ruleslim", "base", "taught by the model itemknn in base"),
        (
            "ruleslim",
            "scores.csv",
            "taught by the scores in scores.csv",
        ),
    ] {
        let plain = [&split[..], &["--model", model, "-o", "plain"]].concat();
        train(at, &plain);
        let pupil = [
            &split[..],
            &["--model", model, "--teacher", teacher, "-o", "pupil"],
        ]
        .concat();
        train(at, &pupil);
        let weights = |name: &str| fs::read(at.join(name).join("model.safetensors")).unwrap();
        assert_ne!(weights("plain"), weights("pupil"), "{model} {teacher}");
        let why = ["explain", "pupil", "--user", "u7", "--item", "id:i3"];
        assert!(ok(at, &why).contains(by), "{model} {teacher}");
        ok(at, &["train", "--config", "pupil", "-o", "again"]);
        assert_eq!(weights("again"), weights("pupil"), "{model} {teacher}");
    }
    // The teacher is part of the experiment.
    scores(at, 1, "u0,i0,0.9");
    let again = ["train", "--config", "pupil", "-o", "again"];
    let error = fails(at, &again, 1);
    assert!(error.contains("the teacher changed"), "{error}");
    ok(at, &[&again[..], &["--data-changed-ok"]].concat());
    // White space before the equals sign is no part of the name.
    for none in ["teacher=none", "teacher =none"] {
        ok(at, &[&again[..], &["--set", none]].concat());
    }
}

#[test]
fn a_teacher_that_cannot_teach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shop(at);
    let refused = |more: &[&str], expected: i32, words: &[&str]| {
        let args = ["train", "--data", "shop.csv", "-o", "pupil"];
        let error = fails(at, &[&args, READING, more].concat(), expected);
        for word in words {
            assert!(error.contains(word), "{more:?}: {error}");
        }
    };
    let table: &[&str] = &["--teacher", "scores.csv"];
    for (line, text, words) in [
        (3, "u99,i1,0.5", &["1 users that are not in", "u99"][..]),
        (3, "u1,i99,0.5", &["1 items that are not in", "i99"]),
        (
            3,
            "u1,i1,1.5",
            &["user u1, item i1: the score is 1.5", "rescale"],
        ),
        (3, "u1,i1,-0.5", &["the score is -0.5"]),
        (3, "u1,i1,NaN", &["scores.csv:4:7"]),
        (3, "u0,i9,0.5", &["user 'u0' and item 'i9' appears twice"]),
    ] {
        scores(at, line, text);
        refused(table, 1, words);
    }
    let some: Vec<String> = (0..57).map(|u| format!("u{u},i{},0.5", u % 40)).collect();
    fs::write(
        at.join("scores.csv"),
        format!("user,item,score\n{}", some.join("\n")),
    )
    .unwrap();
    refused(
        table,
        1,
        &["no scores for 3 of 60 training users: u57, u58, u59;"],
    );
    fs::write(at.join("scores.csv"), "user,item\nu1,i1\n").unwrap();
    refused(table, 1, &["no column 'score'"]);
    refused(&["--teacher", "nothing"], 1, &["cannot read", "nothing"]);

    train(
        at,
        &[
            "--model",
            "ease",
            "--split",
            "ratio:70/10/20@6",
            "-o",
            "base",
        ],
    );
    let teacher = ["--teacher", "base"];
    refused(
        &teacher,
        1,
        &["trained on split ratio:70/10/20@6", "held-out events"],
    );
    let same = ["--split", "ratio:70/10/20@6"];
    let private = ["--model", "ease", "--without-users", "-o", "base"];
    train(at, &[&same[..], &private].concat());
    refused(&[&same[..], &teacher].concat(), 1, &["without users"]);
    refused(
        &["--model", "slim", "--teacher", "base"],
        2,
        &["'slim' learns from no teacher", "ruleslim, ease, edlae"],
    );
    refused(&["--set", "teacher=file"], 2, &["--teacher PATH"]);
    for ials in ["teacher=ials", "teacher =ials"] {
        refused(
            &["--set", ials, "--teacher", "base"],
            2,
            &["teacher=ials and --teacher base"],
        );
    }
}
