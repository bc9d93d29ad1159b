//! The binary as a user runs it: every verb on a synthetic world, its JSON, errors and exit codes.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn limpid(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .args(args)
        .output()
        .unwrap()
}

fn ok(args: &[&str]) -> String {
    let out = limpid(args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "limpid {}: {err}", args.join(" "));
    String::from_utf8(out.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.extend(["--format", "json"]);
    serde_json::from_str(&ok(&all)).unwrap()
}

fn fails(args: &[&str], code: i32) -> String {
    let out = limpid(args);
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

/// A folder with two models of one split, made once.
fn models() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        for model in ["ease", "itemknn", "ruleslim"] {
            let path = folder.join(model);
            let args = [
                "train",
                "--data",
                "synthetic",
                "--split",
                "ratio:70/10/20@7",
            ];
            let more = ["--model", model, "-o", path.to_str().unwrap()];
            ok(&[&args[..], &more[..]].concat());
        }
        folder
    })
}

fn ease() -> String {
    models().join("ease").to_str().unwrap().to_owned()
}

/// A user of the saved world.
fn a_user() -> String {
    // Once: two runs that write one file would share its parts.
    static USER: OnceLock<String> = OnceLock::new();
    USER.get_or_init(|| {
        let file = models().join("all.csv");
        ok(&[
            "recommend",
            &ease(),
            "--users",
            "all",
            "-n",
            "1",
            "-o",
            file.to_str().unwrap(),
        ]);
        let text = std::fs::read_to_string(file).unwrap();
        let line = text.lines().nth(1).unwrap();
        line.split(',').next().unwrap().to_owned()
    })
    .clone()
}

#[test]
fn quickstart_runs() {
    let csv = ok(&["quickstart", "--format", "csv"]);
    assert!(csv.starts_with("rank,id,title,score"), "{csv}");
    let answer = json(&["quickstart"]);
    assert_eq!(answer["schema"], "limpid.quickstart/1");
    assert!(answer["evaluations"].as_array().unwrap().len() >= 3);
    assert!(!answer["list"]["items"].as_array().unwrap().is_empty());
    assert!(
        !answer["why_not"]["counterfactuals"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    // Every metric on the page has a name that `evaluate --metrics` accepts.
    let page = ok(&["quickstart"]);
    let words = page.split_whitespace();
    let names: Vec<&str> = words
        .filter(|w| w.contains('@') && !w.contains("ratio:"))
        .collect();
    assert!(names.len() >= 3, "{page}");
    for name in names {
        assert!(name.parse::<limpid::eval::MetricAt>().is_ok(), "{name}");
    }
}

#[test]
fn lists_explanations_and_contrasts_agree() {
    let (model, user) = (ease(), a_user());
    let list = json(&["recommend", &model, "--user", &user, "-n", "5"]);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    let (first, fifth) = (
        items[0]["id"].as_str().unwrap(),
        items[4]["id"].as_str().unwrap(),
    );
    let why = json(&["explain", &model, "--user", &user, "--item", first]);
    assert_eq!(why["rank"], 1);
    let sum: f64 = why["ledger"]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["value"].as_f64().unwrap())
        .sum();
    let score = items[0]["score"].as_f64().unwrap();
    assert!((sum - score).abs() < 1e-4, "{sum} and {score}");
    let contrast = json(&[
        "explain",
        &model,
        "--user",
        &user,
        "--item",
        first,
        "--instead-of",
        fifth,
    ]);
    let difference = score - items[4]["score"].as_f64().unwrap();
    assert!((contrast["difference"].as_f64().unwrap() - difference).abs() < 1e-5);
    let excluded = json(&[
        "recommend",
        &model,
        "--user",
        &user,
        "-n",
        "5",
        "--exclude",
        first,
    ]);
    assert_eq!(excluded["items"][0]["id"], items[1]["id"]);
    let only = json(&[
        "recommend",
        &model,
        "--user",
        &user,
        "-n",
        "5",
        "--only",
        first,
    ]);
    assert_eq!(only["items"].as_array().unwrap().len(), 1);
    assert!(only["notes"][0].as_str().unwrap().starts_with("1 of 5"));
}

#[test]
fn an_edit_is_seen_in_scores_and_explanations() {
    let (model, user) = (ease(), a_user());
    let list = json(&["recommend", &model, "--user", &user, "-n", "1"]);
    let item = list["items"][0]["id"].as_str().unwrap();
    let unit = list["items"][0]["because"][0]["unit"].as_str().unwrap();
    let edit = format!("{unit}=off");
    let args = ["explain", &model, "--user", &user, "--item", item];
    let (before, after) = (json(&args), json(&[&args[..], &["--edit", &edit]].concat()));
    assert!(after["ledger"]["score"].as_f64() < before["ledger"]["score"].as_f64());
    assert_eq!(after["edits"], edit.as_str());
}

#[test]
fn why_not_shows_replayed_edits() {
    let (model, user) = (ease(), a_user());
    let list = json(&["recommend", &model, "--user", &user, "-n", "12"]);
    let item = list["items"][11]["id"].as_str().unwrap();
    let answer = json(&[
        "explain",
        &model,
        "--user",
        &user,
        "--why-not",
        item,
        "-n",
        "5",
    ]);
    assert_eq!(answer["item"]["rank"], 12);
    for c in answer["counterfactuals"].as_array().unwrap() {
        assert!(c["rank"].as_u64().unwrap() <= 5);
    }
    // The change can be repeated by hand: the added items as additional events.
    let add: Vec<String> = answer["counterfactuals"][0]["add"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| format!("{user},{}", i["id"].as_str().unwrap()))
        .collect();
    if !add.is_empty() {
        let file = models().join("more.csv");
        std::fs::write(&file, format!("user_id,item_id\n{}\n", add.join("\n"))).unwrap();
        let file = file.to_str().unwrap();
        let list = json(&[
            "recommend",
            &model,
            "--user",
            &user,
            "--events",
            file,
            "-n",
            "5",
        ]);
        let ids: Vec<&str> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["id"].as_str().unwrap())
            .collect();
        assert!(ids.contains(&item), "{item} is not in {ids:?}");
    }
}

#[test]
fn rules_are_listed_and_can_be_switched() {
    let model = models().join("ruleslim");
    let model = model.to_str().unwrap();
    let all = json(&["rules", model, "-n", "1000"]);
    assert_eq!(all["schema"], "limpid.rules/1");
    let rules = all["rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    for rule in rules {
        assert!(rule["literals"].as_u64().unwrap() >= 2);
        assert!(rule["support"].as_u64().unwrap() > 0);
        assert!(rule["targets"][0]["weight"].as_f64().unwrap() > 0.0);
    }
    let target = rules[0]["targets"][0]["id"].as_str().unwrap();
    let about = json(&[
        "rules",
        model,
        "--supports",
        target,
        "--sort",
        "lift",
        "--links",
    ]);
    for rule in about["rules"].as_array().unwrap() {
        assert_eq!(rule["targets"][0]["id"], target);
    }
    let user = a_user();
    let list = json(&["recommend", model, "--user", &user, "-n", "1"]);
    let item = list["items"][0]["id"].as_str().unwrap();
    let args = ["explain", model, "--user", &user, "--item", item];
    let before = json(&args);
    let unit = before["ledger"]["parts"][0]["unit"].as_str().unwrap();
    let value = before["ledger"]["parts"][0]["value"].as_f64().unwrap();
    let edit = format!("{unit}=off");
    let after = json(&[&args[..], &["--rule", &edit]].concat());
    let fall =
        before["ledger"]["score"].as_f64().unwrap() - after["ledger"]["score"].as_f64().unwrap();
    assert!((fall - value).abs() < 1e-5, "{fall} and {value}");
}

#[test]
fn measuring_and_comparing() {
    let (a, b) = (ease(), models().join("itemknn"));
    let metrics = [
        "--metrics",
        "ndcg@20,recall@20,itemcoverage@20,giniindex@20",
    ];
    let by = ["--by", "activity,popularity"];
    let args = [&["evaluate", a.as_str()][..], &metrics, &by].concat();
    let measured = json(&args);
    assert_eq!(measured["schema"], "limpid.evaluate/1");
    assert_eq!(measured["metrics"].as_array().unwrap().len(), 4);
    assert!(
        measured["masks"]
            .as_str()
            .unwrap()
            .contains("validation items are not masked")
    );
    let masked = json(&[&args[..], &["--mask", "train+validation"]].concat());
    assert!(masked["metrics"][0]["value"].as_f64() > measured["metrics"][0]["value"].as_f64());
    let compared = json(&["compare", &a, b.to_str().unwrap(), "--metrics", "ndcg@20"]);
    let d = &compared["metrics"][0];
    let by_hand = d["mean_a"].as_f64().unwrap() - d["mean_b"].as_f64().unwrap();
    assert!((d["difference"].as_f64().unwrap() - by_hand).abs() < 1e-9);
    let csv = ok(&["evaluate", &a, "--metrics", "ndcg@20", "--format", "csv"]);
    assert!(csv.starts_with("model,metric,value,"), "{csv}");
}

#[test]
fn models_of_different_splits_are_not_compared() {
    let other = models().join("other-split");
    let path = other.to_str().unwrap();
    ok(&[
        "train",
        "--data",
        "synthetic",
        "--split",
        "ratio:70/10/20@8",
        "-o",
        path,
    ]);
    assert!(fails(&["compare", &ease(), path], 2).contains("different splits"));
}

#[test]
fn a_saved_split_gives_the_same_model() {
    let folder = models().join("split");
    let split = folder.to_str().unwrap();
    ok(&[
        "data",
        "split",
        "synthetic",
        "--split",
        "ratio:70/10/20@7",
        "-o",
        split,
    ]);
    let path = models().join("from-folder");
    let path = path.to_str().unwrap();
    ok(&["train", "--data", "synthetic", "--split", split, "-o", path]);
    let hash = |p: &str| json(&["inspect", p])["split"]["hash"].clone();
    assert_eq!(hash(path), hash(&ease()));
}

#[test]
fn lists_of_other_tools_are_evaluated() {
    let folder = models();
    let (recs, truth) = (folder.join("recs.csv"), folder.join("truth.csv"));
    std::fs::write(
        &recs,
        "user_id,item_id,score\na,1,0.9\na,2,0.8\nb,3,0.7\nb,1,0.1\n",
    )
    .unwrap();
    std::fs::write(&truth, "user_id,item_id\na,1\nb,1\n").unwrap();
    let args = [
        "--lists",
        recs.to_str().unwrap(),
        "--truth",
        truth.to_str().unwrap(),
    ];
    let answer = json(&[&["evaluate"][..], &args, &["--metrics", "mrr@2,hit@1"]].concat());
    assert_eq!(answer["metrics"][0]["value"], 0.75);
    assert_eq!(answer["metrics"][1]["value"], 0.5);
}

#[test]
fn parquet_lists_have_a_row_per_rank() {
    let file = models().join("recs.parquet");
    let path = file.to_str().unwrap();
    let answer = json(&[
        "recommend",
        &ease(),
        "--users",
        "all",
        "-n",
        "3",
        "-o",
        path,
    ]);
    let (users, rows) = (
        answer["users"].as_u64().unwrap(),
        answer["rows"].as_u64().unwrap(),
    );
    assert_eq!(rows, 3 * users);
    let described = json(&["data", "describe", path]);
    assert_eq!(described["events"].as_u64().unwrap(), rows);
}

#[test]
fn small_verbs() {
    let model = ease();
    assert!(ok(&["models"]).contains("ruleslim"));
    assert_eq!(
        json(&["models", "ease"])["models"][0]["parameters"][0]["name"],
        "reg"
    );
    assert!(ok(&["verify", &model]).contains("all checksums match"));
    assert_eq!(json(&["inspect", &model])["schema"], "limpid.manifest/3");
    assert!(ok(&["completions", "bash"]).contains("_limpid"));
    assert_eq!(json(&["doctor"])["schema"], "limpid.doctor/1");
    let item = json(&["recommend", &model, "--user", &a_user(), "-n", "1"]);
    let id = item["items"][0]["id"].as_str().unwrap().to_owned();
    let similar = json(&["similar", &model, "--item", &id, "-n", "3"]);
    assert_eq!(similar["items"].as_array().unwrap().len(), 3);
    assert!(ok(&["data", "fetch"]).contains("ml-100k"));
}

#[test]
fn explanations_are_measured_and_plotted() {
    let model = models().join("ruleslim").to_str().unwrap().to_owned();
    let drawn = models().join("drops.svg");
    let answer = json(&[
        "evaluate",
        &model,
        "--readability",
        "--faithfulness",
        "--plot",
        drawn.to_str().unwrap(),
    ]);
    assert!(answer["readability"]["lines"]["median"].as_f64().unwrap() >= 1.0);
    let drop = |of: &str| answer["faithfulness"][of]["mean"].as_f64().unwrap();
    assert!(drop("drop") > drop("random_drop"));
    assert!(std::fs::read_to_string(drawn).unwrap().starts_with("<svg"));
    let waterfall = models().join("waterfall.svg");
    let (user, file) = (a_user(), waterfall.to_str().unwrap());
    let list = json(&["recommend", &model, "--user", &user, "-n", "1"]);
    let item = list["items"][0]["id"].as_str().unwrap();
    ok(&[
        "explain", &model, "--user", &user, "--item", item, "--plot", file,
    ]);
    assert!(std::fs::read_to_string(file).unwrap().contains("score"));
}

#[test]
fn settings_are_tuned_on_validation() {
    let out = models().join("tuned");
    let answer = json(&[
        "train",
        "--tune",
        "--trials",
        "3",
        "--model",
        "itemknn",
        "--set",
        "shrink=5",
        "--data",
        "synthetic",
        "--split",
        "ratio:70/10/20@7",
        "-o",
        out.to_str().unwrap(),
    ]);
    let trials = answer["tuned"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 3);
    assert_eq!(answer["manifest"]["experiment"]["settings"]["shrink"], 5.0);
    assert!(trials.iter().any(|t| t["on_frontier"] == true));
    let why = fails(
        &[
            "train",
            "--tune",
            "--data",
            "synthetic",
            "--split",
            "none",
            "-o",
            out.to_str().unwrap(),
        ],
        2,
    );
    assert!(why.contains("validation set"), "{why}");
}

#[test]
fn planted_rules_are_compared() {
    let world = models().join("world");
    let (folder, model) = (world.to_str().unwrap(), models().join("lia"));
    ok(&["data", "synthesize", "-o", folder]);
    ok(&[
        "train",
        "--model",
        "lia",
        "--data",
        folder,
        "--split",
        "none",
        "-o",
        model.to_str().unwrap(),
    ]);
    let answer = json(&["rules", model.to_str().unwrap(), "--planted", folder]);
    assert_eq!(answer["schema"], "limpid.planted/1");
    assert!(answer["recall"].as_f64().unwrap() > 0.3, "{answer}");
    let and = json(&["rules", model.to_str().unwrap(), "--operator", "and"]);
    assert!(
        and["rules"]
            .as_array()
            .unwrap()
            .iter()
            .all(|r| r["operator"] == "and")
    );
    let text = ok(&["rules", model.to_str().unwrap(), "--format", "md"]);
    assert!(
        text.contains("| weight | confidence | lift | id | supports |"),
        "{text}"
    );
}

#[test]
fn a_recipe_is_run_once() {
    let folder = models().join("recipes");
    std::fs::create_dir_all(&folder).unwrap();
    let recipe = folder.join("small.toml");
    let table = r#"
        title = "A small table"
        source = "nobody"
        data = "synthetic"
        split = "ratio:70/10/20"
        seeds = [1, 2]
        metric = "ndcg@10"
        explanations = true
        baseline = "POP"
        [[row]]
        name = "POP"
        model = "popularity"
        [[row]]
        name = "KNN"
        model = "itemknn"
        asks = { difference = 0.01, lines = [0.5, 0.5] }
    "#;
    std::fs::write(&recipe, table).unwrap();
    let out = folder.join("out");
    let args = [
        "reproduce",
        folder.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ];
    let first = json(&args);
    let knn = &first["tables"][0]["rows"][1];
    assert!(knn["difference"]["mean"].as_f64().unwrap() > 0.01);
    assert!(knn["verdict"].as_str().unwrap().contains("FAIL"), "{knn}");
    let report = std::fs::read_to_string(out.join("report.md")).unwrap();
    assert!(
        report.contains("| KNN |") && report.contains("small-frontier.svg"),
        "{report}"
    );
    assert!(out.join("small-frontier.svg").exists() && out.join("small-drops.svg").exists());
    assert_eq!(std::fs::read_dir(out.join("runs")).unwrap().count(), 4);
    // Finished runs are reused: the second run gives the same report, including seconds of fits.
    ok(&args);
    assert_eq!(
        std::fs::read_to_string(out.join("report.md")).unwrap(),
        report
    );
    let why = fails(&["reproduce", out.to_str().unwrap()], 2);
    assert!(why.contains("no recipe"), "{why}");
}
