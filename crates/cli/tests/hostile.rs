//! Titles and ids written by strangers, through every output: nothing acts, nothing breaks a format,
//! and programs get the exact text.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use limpid::output::text::acts;
use serde_json::{Value, json};

/// The titles, from the fixture that every output is tested with.
fn titles() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../limpid/tests/hostile/titles.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The id of an item: every other one is as hostile as its title.
fn id(at: usize, title: &str) -> String {
    let plain = title.trim();
    match at % 2 == 1 && plain == title && !plain.is_empty() && plain.len() < 64 {
        true => title.to_owned(),
        false => format!("item {at}"),
    }
}

fn limpid(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .env("COLUMNS", "80")
        .current_dir(at())
        .args(args)
        .output()
        .unwrap()
}

/// The standard output and error of a command, neither of which holds a character that acts.
fn run(args: &[&str]) -> (String, String) {
    let out = limpid(args);
    let text = String::from_utf8(out.stdout).unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    for (name, printed) in [("output", &text), ("error", &err)] {
        let acting = printed.chars().find(|&c| acts(c) && !"\n\t".contains(c));
        assert_eq!(acting, None, "limpid {args:?}: {name}: {printed}");
    }
    (text, err)
}

fn ok(args: &[&str]) -> String {
    let (text, err) = run(args);
    assert!(!err.starts_with("error"), "limpid {args:?}: {err}");
    text
}

/// A folder with models of a catalogue of hostile titles, made once.
fn at() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let titles = titles();
        let ids: Vec<String> = titles.iter().enumerate().map(|(i, t)| id(i, t)).collect();
        let mut items = String::new();
        for (id, title) in ids.iter().zip(&titles) {
            items += &format!(
                "{}\n",
                json!({"item_id": id, "title": title, "genre": title})
            );
        }
        fs::write(folder.join("items.jsonl"), items).unwrap();
        let mut events = String::new();
        for user in 0..200 {
            // Users of one taste have neighboring items, so that models find links and rules.
            let name = &titles[user];
            let name = if name.trim() == name && name.len() < 64 && !name.is_empty() {
                name.clone()
            } else {
                format!("user {user}")
            };
            for step in 0..16 {
                let item = (user * 7 % titles.len() + step * (1 + user % 3)) % titles.len();
                events += &format!("{}\n", json!({"user_id": name, "item_id": ids[item]}));
            }
        }
        fs::write(folder.join("events.jsonl"), events).unwrap();
        for model in ["ease", "ruleslim", "eigen"] {
            let out = Command::new(env!("CARGO_BIN_EXE_limpid"))
                .current_dir(&folder)
                .args(
                    "train --data events.jsonl --metadata items.jsonl --split none --model"
                        .split(' '),
                )
                .args([model, "-o", model])
                .output()
                .unwrap();
            assert!(
                out.status.success(),
                "{}",
                String::from_utf8_lossy(&out.stderr)
            );
        }
        let probe =
            "probe eigen -o knobs --set threshold=0.3 --set fresh=1 --set width=2x --least 4";
        let out = Command::new(env!("CARGO_BIN_EXE_limpid"))
            .current_dir(&folder)
            .args(probe.split(' '))
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{err}");
        folder
    })
}

/// Commands whose answers hold titles, ids and user ids of the catalogue.
fn answers() -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for model in ["ease", "ruleslim"] {
        let lists = ok(&[
            "recommend",
            model,
            "--users",
            "all",
            "-n",
            "12",
            "-o",
            "-",
            "--format",
            "jsonl",
        ]);
        let rows: Vec<Value> = lists
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        // Users with hostile ids, and the items at the ends of their lists.
        for rows in rows.chunks(12).step_by(7).take(12) {
            let user = rows[0]["user_id"].as_str().unwrap();
            let user = format!("--user={user}");
            let item = |at: usize, flag: &str| {
                format!("{flag}=id:{}", rows[at]["item_id"].as_str().unwrap())
            };
            let mut ask = |args: &[String]| {
                all.push([&[args[0].clone(), model.to_owned()], &args[1..]].concat());
            };
            ask(&["recommend".into(), user.clone(), "-n".into(), "40".into()]);
            ask(&[
                "explain".into(),
                user.clone(),
                item(0, "--item"),
                "--all".into(),
            ]);
            ask(&[
                "explain".into(),
                user.clone(),
                item(0, "--item"),
                item(5, "--instead-of"),
            ]);
            ask(&[
                "explain".into(),
                user.clone(),
                item(11, "--why-not"),
                "-n".into(),
                "5".into(),
            ]);
            ask(&["similar".into(), item(2, "--item")]);
        }
        all.push(
            ["rules", model, "--links", "-n", "300"]
                .map(String::from)
                .to_vec(),
        );
        all.push(["inspect", model].map(String::from).to_vec());
    }
    all.push(["concepts", "knobs", "--all"].map(String::from).to_vec());
    let steer = [
        "steer",
        "knobs",
        "--user=user 70",
        "--toward=n0",
        "--strength=0.3",
    ];
    all.push(steer.map(String::from).to_vec());
    let describe = [
        "data",
        "describe",
        "events.jsonl",
        "--metadata",
        "items.jsonl",
    ];
    all.push(describe.map(String::from).to_vec());
    all
}

#[test]
fn every_format_shows_hostile_text_harmlessly() {
    let names: BTreeMap<String, String> = titles()
        .into_iter()
        .enumerate()
        .map(|(i, t)| (id(i, &t), t))
        .collect();
    let mut seen = 0;
    for args in answers() {
        let with = |format: &str| {
            let more = ["--format", format].map(String::from);
            let args: Vec<&str> = args.iter().chain(&more).map(String::as_str).collect();
            ok(&args)
        };
        with("table");
        check_markdown(&with("md"));
        for (format, separator) in [("csv", b','), ("tsv", b'\t')] {
            let text = with(format);
            let mut rows = csv::ReaderBuilder::new()
                .delimiter(separator)
                .from_reader(text.as_bytes());
            for row in rows.records() {
                for cell in &row.unwrap() {
                    let formula = cell.trim_start().starts_with(['=', '+', '-', '@']);
                    assert!(!formula || cell.parse::<f64>().is_ok(), "{args:?}: {cell}");
                }
            }
        }
        for line in with("jsonl").lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
        let answer: Value = serde_json::from_str(&with("json")).unwrap();
        seen += check_titles(&answer, &names);
    }
    assert!(seen > 1000, "{seen}");
}

/// Every item of an answer has the exact title of the catalogue.
fn check_titles(value: &Value, names: &BTreeMap<String, String>) -> usize {
    match value {
        Value::Array(all) => all.iter().map(|v| check_titles(v, names)).sum(),
        Value::Object(fields) => {
            let own = match (fields.get("id"), fields.get("title")) {
                (Some(Value::String(id)), Some(Value::String(title))) => {
                    let expected = names.get(id).map(|t| t.trim());
                    // A blank title is no title; the id takes its place.
                    let expected = expected.filter(|t| !t.is_empty()).unwrap_or(id);
                    assert_eq!(title.trim(), expected, "{id:?}");
                    1
                }
                _ => 0,
            };
            own + fields
                .values()
                .map(|v| check_titles(v, names))
                .sum::<usize>()
        }
        _ => 0,
    }
}

/// No markup but that of the page: tables have as many cells as their head, and nothing is a tag or a
/// link.
fn check_markdown(page: &str) {
    let mut cells = None;
    let mut code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            code = !code;
            continue;
        }
        if code {
            continue;
        }
        assert!(!line.contains(['<', '>']), "{line}");
        let mut bare = String::new();
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => drop(chars.next()),
                c => bare.push(c),
            }
        }
        assert!(
            !bare.contains(['[', ']', '`']) && !bare.contains("://"),
            "{line}"
        );
        match line.starts_with("| ") || line.starts_with("|-") {
            true => {
                let bars = bare.matches('|').count();
                assert_eq!(*cells.get_or_insert(bars), bars, "{line}");
            }
            false => cells = None,
        }
    }
    assert!(!code, "{page}");
}

#[test]
fn plots_are_well_formed() {
    let explained = answers();
    let explained = explained.iter().filter(|a| a.contains(&"--all".to_owned()));
    let mut drawn = 0;
    for args in explained {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        ok(&[&args[..], &["--plot", "why.svg"]].concat());
        let svg = fs::read_to_string(at().join("why.svg")).unwrap();
        assert!(!svg.chars().any(|c| acts(c) && c != '\n'), "{args:?}");
        let parsed = roxmltree::Document::parse(&svg);
        let root = parsed.unwrap_or_else(|e| panic!("{args:?}: {e}"));
        assert_eq!(root.root_element().tag_name().name(), "svg");
        assert!(!root.descendants().any(|n| n.tag_name().name() == "script"));
        drawn += 1;
    }
    ok(&["concepts", "knobs", "--plot", "board/"]);
    for name in ["map", "distributions"] {
        let svg = fs::read_to_string(at().join("board").join(format!("{name}.svg"))).unwrap();
        assert!(!svg.chars().any(|c| acts(c) && c != '\n'), "{name}");
        let parsed = roxmltree::Document::parse(&svg);
        let root = parsed.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!root.descendants().any(|n| n.tag_name().name() == "script"));
        drawn += 1;
    }
    assert!(drawn >= 22, "{drawn}");
}

#[test]
fn errors_show_hostile_names_harmlessly() {
    let titles = titles();
    let user = format!("--user={}", "x\u{1b}[2J");
    let mut wrong = 0;
    for title in titles.iter().filter(|t| !t.contains('\0')) {
        let mangled = format!("{title}\u{202e}?");
        for args in [
            vec![
                "explain",
                "ease",
                "--user=user 70",
                "--item",
                &format!("title:{mangled}"),
            ],
            vec!["recommend", "ease", "--history", &format!("id:{mangled}")],
            vec![
                "recommend",
                "ease",
                "--user=user 70",
                "--edit",
                &format!("link:{mangled}=off"),
            ],
        ] {
            let (_, err) = run(&args);
            assert!(err.starts_with("error: "), "{args:?}: {err}");
            // No text of the data begins a line.
            assert!(err.lines().skip(1).all(|l| l.starts_with("  ")), "{err}");
            wrong += 1;
        }
        if wrong > 120 {
            break;
        }
    }
    let (_, err) = run(&["recommend", "ease", &user]);
    assert!(err.contains("unknown user 'x␛[2J'"), "{err}");
}
