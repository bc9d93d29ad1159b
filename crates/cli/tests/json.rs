//! Every schema that the binary prints has an example with the same keys in `docs/json.md`, and conforms
//! to the JSON Schema in `docs/schema`.
//!
//! To rewrite the examples and the schemas after a field was added: `LIMPID_WRITE_DOCS=1 cargo test -p limpid-cli --test
//! json`.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Objects whose keys are data: settings, metrics, files.
const OPEN: [&str; 3] = ["settings", "metrics", "files"];

/// The paths of all keys; elements of an array count together.
fn keys(value: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                let open = OPEN.iter().any(|name| path.ends_with(&format!(".{name}")));
                for (key, inner) in fields.iter().filter(|_| !open) {
                    let path = format!("{path}.{key}");
                    walk(inner, &path, into);
                    into.insert(path);
                }
            }
            Value::Array(all) => all.iter().for_each(|one| walk(one, path, into)),
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    walk(value, "", &mut all);
    all
}

/// The value with its arrays cut to the first element and those with a new key.
fn trimmed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(k, v)| (k.clone(), trimmed(v)));
            Value::Object(fields.collect())
        }
        Value::Array(all) => {
            let mut seen = BTreeSet::new();
            let numbers = all.iter().all(Value::is_number);
            let kept = all.iter().enumerate().filter(|(at, one)| {
                let before = seen.len();
                seen.extend(keys(one));
                seen.len() > before || *at < if numbers { 2 } else { 1 }
            });
            Value::Array(kept.map(|(_, one)| trimmed(one)).collect())
        }
        other => other.clone(),
    }
}

/// The answer of a command, under its schema.
fn answer(at: &Path, args: &[&str], into: &mut BTreeMap<String, Value>) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .current_dir(at)
        .args(args)
        .args(["--format", "json", "--quiet"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "limpid {}: {err}", args.join(" "));
    let value: Value = serde_json::from_slice(&out.stdout).unwrap();
    let schema = value["schema"].as_str().unwrap().to_owned();
    // Of several answers, the example is the one with the most keys.
    let known = into.get(&schema).map_or(0, |before| keys(before).len());
    if keys(&value).len() > known {
        into.insert(schema, value.clone());
    }
    value
}

/// One answer of every verb.
fn answers(at: &Path) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut ask = |args: &[&str]| answer(at, args, &mut all);
    ask(&["data", "synthesize", "-o", "world"]);
    ask(&["data", "describe", "world"]);
    ask(&["data", "fetch"]);
    let split = "ratio:70/10/20@7";
    ask(&["data", "split", "world", "--split", split, "-o", "split"]);
    let train = ["train", "--data", "world", "--split", split, "-o", "model"];
    ask(&[&train[..], &["--dry-run"]].concat());
    let tuned = ["--model", "itemknn", "--tune", "--trials", "2"];
    ask(&[&train[..], &tuned].concat());
    ask(&[&train[..6], &["knn", "--model", "itemknn"]].concat());
    ask(&train);
    ask(&["inspect", "model"]);
    ask(&["verify", "model"]);
    ask(&["models", "ease"]);
    ask(&["doctor"]);
    ask(&[
        "evaluate",
        "model",
        "--by",
        "activity,era,cold-start",
        "--popularity-bias=10",
        "--candidates",
        "50",
        "--readability",
        "--faithfulness",
        "--explained-users",
        "50",
    ]);
    // Several behaviors: paths, calibration, slates and probabilities.
    let chains = ["train", "--data", "world", "--split", "leave-one-out"];
    ask(&[&chains[..], &["--model", "scorecard", "-o", "chains"]].concat());
    ask(&[
        "evaluate",
        "chains",
        "--calibration",
        "--by",
        "activity,era,cold-start,path",
        "--popularity-bias=10",
        "--candidates",
        "50",
        "--readability",
        "--faithfulness",
        "--explained-users",
        "50",
    ]);
    ask(&["compare", "model", "knn"]);
    ask(&["compare", "model", "knn", "knn"]);
    ask(&[
        "recommend",
        "model",
        "--users",
        "all",
        "-n",
        "2",
        "-o",
        "lists.csv",
    ]);
    let lists = fs::read_to_string(at.join("lists.csv")).unwrap();
    let user = lists.lines().nth(1).unwrap().split(',').next().unwrap();
    let list = ask(&["recommend", "model", "--user", user, "-n", "12"]);
    let item = |rank: usize| list["items"][rank - 1]["id"].as_str().unwrap().to_owned();
    let unit = list["items"][0]["because"][0]["unit"].as_str().unwrap();
    let edit = format!("{unit}=off");
    let steered = [
        "recommend",
        "model",
        "--user",
        user,
        "-n",
        "12",
        "--edit",
        &edit,
    ];
    ask(&steered);
    let list = ask(&["recommend", "chains", "--user", user, "-n", "3"]);
    let unit = list["items"][0]["because"][0]["unit"].as_str().unwrap();
    let edit = format!("{unit}=off");
    ask(&[
        "recommend",
        "chains",
        "--user",
        user,
        "-n",
        "3",
        "--edit",
        &edit,
    ]);
    let first = list["items"][0]["id"].as_str().unwrap();
    ask(&["explain", "chains", "--user", user, "--item", first]);
    let why = ["explain", "model", "--user", user];
    ask(&[&why[..], &["--item", &item(1)]].concat());
    ask(&[&why[..], &["--item", &item(1), "--instead-of", &item(5)]].concat());
    ask(&[&why[..], &["--why-not", &item(12), "-n", "5"]].concat());
    ask(&[&why[..], &["--item", &item(1), "--words"]].concat());
    ask(&["narrate", "model", "-n", "2", "-o", "reasons.jsonl"]);
    ask(&[
        "explain",
        "model",
        "--users",
        "all",
        "-n",
        "1",
        "-o",
        "why.parquet",
    ]);
    ask(&[
        "similar",
        "model",
        "--item",
        &item(1),
        "--by",
        "links",
        "-n",
        "2",
    ]);
    ask(&["export", "model", "rules", "-o", "rules.csv"]);
    ask(&["rules", "model"]);
    ask(&["rules", "model", "--planted", "world"]);
    fs::write(
        at.join("truth.csv"),
        format!("user_id,item_id\n{user},{}\n", item(1)),
    )
    .unwrap();
    ask(&[
        "evaluate",
        "--lists",
        "lists.csv",
        "--truth",
        "truth.csv",
        "--metrics",
        "ndcg@2",
    ]);
    let recipe = r#"
        title = "A small table"
        source = "this page"
        data = "synthetic"
        split = "ratio:70/10/20"
        seeds = [1, 2]
        metric = "ndcg@10"
        explanations = true
        baseline = "POP"
        [[row]]
        name = "POP"
        model = "popularity"
        published = 0.1
        [[row]]
        name = "RuleSLIM"
        model = "ruleslim"
        require = { difference = 0.01 }
    "#;
    fs::write(at.join("small.toml"), recipe).unwrap();
    ask(&["reproduce", "small.toml", "--dry-run"]);
    ask(&["reproduce", "small.toml"]);
    let knobs = [
        "--set",
        "threshold=0.4",
        "--set",
        "resamples=2",
        "--set",
        "fresh=2",
    ];
    ask(&[
        "train", "--data", "world", "--split", split, "--model", "eigen", "-o", "base",
    ]);
    ask(&[
        &["probe", "base", "-o", "knobs", "--set", "halves=true"],
        &knobs[..],
    ]
    .concat());
    ask(&["inspect", "knobs"]);
    ask(&["concepts", "knobs", "--all"]);
    ask(&[
        "steer",
        "knobs",
        "--user",
        user,
        "--toward",
        "genre:Drama",
        "--share",
        "100%",
        "-n",
        "5",
    ]);
    let measured = [
        "evaluate",
        "knobs",
        "--concepts",
        "--verify-concepts",
        "--steering",
        "--sparsity",
        "--faithfulness",
    ];
    ask(&[
        &measured[..],
        &["--columns", "genre", "--explained-users", "20"],
    ]
    .concat());
    let ratings = (0..400).map(|n| {
        let (user, item) = (n % 20, n / 20);
        format!(
            "u{user},i{item},{}\n",
            1 + (user * 7 + item * 3 + user * item) % 5
        )
    });
    let table = "user_id,item_id,rating\n".to_owned() + &ratings.collect::<String>();
    fs::write(at.join("ratings.csv"), table).unwrap();
    ask(&["ratings", "--data", "ratings.csv", "--resamples", "50"]);
    ask(&["quickstart"]);
    // A data set that is already there is not downloaded.
    fs::create_dir_all(at.join("data/ml-100k")).unwrap();
    ask(&["data", "fetch", "ml-100k"]);
    all
}

/// The published schema of an answer.
fn published(schema: &str) -> PathBuf {
    let name = schema.trim_start_matches("limpid.").replace('/', ".");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema");
    folder.join(format!("{name}.json"))
}

/// Where a value differs from a schema; `None` if it conforms. Objects have no other keys than those of
/// their schema.
fn differs(value: &Value, schema: &Value, root: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = root.pointer(name.trim_start_matches('#')).unwrap();
        return differs(value, found, root, at);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(all) = schema[key].as_array() {
            let every: Option<Vec<_>> = all.iter().map(|s| differs(value, s, root, at)).collect();
            if let Some(why) = every {
                return Some(why.join(" | "));
            }
        }
    }
    if let Some(all) = schema["enum"].as_array()
        && !all.contains(value)
    {
        return Some(format!("{at}: {value} is not in {all:?}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |t: &Value| t == kind || (t == "number" && kind == "integer");
    match &schema["type"] {
        Value::Array(types) if !types.iter().any(fits) => {
            return Some(format!("{at}: {kind}, not {types:?}"));
        }
        one @ Value::String(_) if !fits(one) => return Some(format!("{at}: {kind}, not {one}")),
        _ => {}
    }
    match value {
        Value::Array(all) => {
            let each = |(i, v): (usize, &Value)| match &schema["prefixItems"][i] {
                Value::Null => match &schema["items"] {
                    items @ Value::Object(_) => differs(v, items, root, &format!("{at}[{i}]")),
                    _ => None,
                },
                item => differs(v, item, root, &format!("{at}[{i}]")),
            };
            all.iter().enumerate().find_map(each)
        }
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            for name in required {
                if !fields.contains_key(name.as_str().unwrap()) {
                    return Some(format!("{at}: has no {name}"));
                }
            }
            let Some(known) = schema["properties"].as_object() else {
                return match &schema["additionalProperties"] {
                    each @ Value::Object(_) => fields
                        .iter()
                        .find_map(|(k, v)| differs(v, each, root, &format!("{at}.{k}"))),
                    _ => None,
                };
            };
            fields.iter().find_map(|(k, v)| match known.get(k) {
                Some(field) => differs(v, field, root, &format!("{at}.{k}")),
                None if schema.get("oneOf").is_some() => None,
                None => Some(format!("{at}: the key {k} is not in the schema")),
            })
        }
        _ => None,
    }
}

#[test]
fn published_schemas_are_those_of_the_types() {
    let renew = std::env::var_os("LIMPID_WRITE_DOCS").is_some();
    for (name, schema) in limpid::answers::schemas() {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let file = published(name);
        if renew {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let known = fs::read_to_string(&file).unwrap();
        assert_eq!(known, text, "docs/schema is not up to date: {name}");
    }
}

/// The page in pieces: text and the content of its JSON blocks, in turn.
fn pieces(page: &str) -> Vec<&str> {
    page.split("```json\n")
        .flat_map(|piece| piece.split("\n```"))
        .collect()
}

#[test]
fn the_documented_examples_have_the_keys_of_real_answers() {
    let folder = tempfile::tempdir().unwrap();
    let answers = answers(folder.path());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json.md");
    let page = fs::read_to_string(&file).unwrap();
    let renew = std::env::var_os("LIMPID_WRITE_DOCS").is_some();
    let mut documented = BTreeMap::new();
    let mut renewed = String::new();
    for (at, piece) in pieces(&page).into_iter().enumerate() {
        if at % 2 == 0 {
            renewed += piece;
            continue;
        }
        let example: Value = serde_json::from_str(piece).unwrap();
        let schema = example["schema"].as_str().unwrap().to_owned();
        let real = answers.get(&schema).map_or(&example, |real| real);
        let text = serde_json::to_string_pretty(&trimmed(real)).unwrap();
        let text = text.replace(
            &*folder.path().canonicalize().unwrap().to_string_lossy(),
            "/home/me",
        );
        renewed += &format!("```json\n{text}\n```");
        documented.insert(schema, example);
    }
    if renew {
        fs::write(&file, renewed).unwrap();
        return;
    }
    let names = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&answers));
    for (schema, real) in &answers {
        let rules: Value =
            serde_json::from_str(&fs::read_to_string(published(schema)).unwrap()).unwrap();
        assert_eq!(differs(real, &rules, &rules, schema), None);
        let (real, example) = (keys(real), keys(&documented[schema]));
        let missing: Vec<_> = real.difference(&example).collect();
        let extra: Vec<_> = example.difference(&real).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{schema}: not in docs/json.md: {missing:?}; only there: {extra:?}"
        );
    }
}
