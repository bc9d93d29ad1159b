//! Behavior chains as a user runs them: from the description of a split to slates, edits, why-not and regimes.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

fn limpid(at: &Path, args: &str, code: i32) -> (String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .current_dir(at)
        .args(args.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (page, err) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(code), "limpid {args}: {err}");
    assert!(!err.contains("panicked"), "{err}");
    (page, err)
}

fn json(at: &Path, args: &str) -> Value {
    serde_json::from_str(&limpid(at, &format!("{args} --format json"), 0).0).unwrap()
}

/// A world with views, carts and purchases, and two models of it.
fn shop() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let at = &folder;
        limpid(at, "data synthesize -o world", 0);
        // Some items are bought without a view or a cart before; such purchases are discoveries.
        let events = at.join("world/events.csv");
        let text = std::fs::read_to_string(&events).unwrap();
        let number = |cell: &str| -> usize {
            let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(0)
        };
        let stays = |line: &&str| {
            let cells: Vec<&str> = line.split(',').collect();
            !matches!(cells[3], "view" | "cart") || (number(cells[0]) + number(cells[1])) % 7 > 0
        };
        let kept: Vec<&str> = text.lines().filter(stays).collect();
        std::fs::write(&events, kept.join("\n") + "\n").unwrap();
        let train = "train --data world --split leave-one-out";
        limpid(at, &format!("{train} --model scorecard -o scorecard"), 0);
        limpid(at, &format!("{train} --model chain-prior -o prior"), 0);
        limpid(
            at,
            &format!("{train} --model one-behavior --set reg=100 -o ease"),
            0,
        );
        folder
    })
}

/// The scores of all lines of a ledger add up, and the probability stands beside the mean of its kind.
#[test]
fn lists_ledgers_and_edits() {
    let at = shop();
    let users = std::fs::read_to_string(at.join("world/events.csv")).unwrap_or_default();
    let user = users
        .lines()
        .nth(1)
        .and_then(|line| line.split(',').next())
        .unwrap_or("1")
        .to_owned();
    let list = json(at, &format!("recommend scorecard --user {user} -n 5"));
    let slates = list["slates"].as_array().unwrap();
    assert_eq!(
        (&slates[0]["name"], &slates[1]["name"]),
        (&"continue".into(), &"discover".into())
    );
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    let discover: Vec<String> = slates[1]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(id)
        .collect();
    let touched: Vec<String> = slates[0]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(id)
        .collect();
    assert!(!discover.is_empty() && touched.iter().all(|i| !discover.contains(i)));
    let (page, _) = limpid(at, &format!("recommend scorecard --user {user} -n 5"), 0);
    assert!(
        page.contains("discover") && page.contains("probability"),
        "{page}"
    );

    let item = touched.first().unwrap_or(&discover[0]);
    let why = json(
        at,
        &format!("explain scorecard --user {user} --item {item}"),
    );
    let parts = why["ledger"]["parts"].as_array().unwrap();
    let sum: f64 = parts.iter().map(|p| p["value"].as_f64().unwrap()).sum();
    let total = sum + why["ledger"]["base"].as_f64().unwrap();
    assert!(
        (total - why["ledger"]["score"].as_f64().unwrap()).abs() < 1e-4,
        "{why}"
    );
    let probability = why["probability"]["value"].as_f64().unwrap();
    assert!(probability > 0.0 && probability < 1.0);
    if let Some(pattern) = parts
        .iter()
        .find(|p| p["unit"].as_str().unwrap().starts_with("pattern:"))
    {
        let unit = pattern["unit"].as_str().unwrap();
        let edited = json(
            at,
            &format!("recommend scorecard --user {user} --edit {unit}=off"),
        );
        assert_eq!(edited["edits"], format!("{unit}=off"));
        let after = json(
            at,
            &format!("explain scorecard --user {user} --item {item} --edit {unit}=off"),
        );
        assert_ne!(after["ledger"]["score"], why["ledger"]["score"]);
    }
    let event = parts
        .iter()
        .find(|p| p["unit"].as_str().unwrap().starts_with("link:"))
        .unwrap();
    let unit = event["unit"].as_str().unwrap();
    assert!(unit.contains('@'), "{unit}");
    json(
        at,
        &format!("recommend scorecard --user {user} --edit {unit}=off"),
    );
    let (_, error) = limpid(
        at,
        &format!("recommend scorecard --user {user} --edit pattern:veiw=off"),
        2,
    );
    assert!(error.contains("did you mean 'view'"), "{error}");
    let not = json(
        at,
        &format!(
            "explain scorecard --user {user} --why-not {} -n 1",
            discover.last().unwrap()
        ),
    );
    assert!(not["replayed"].as_u64().unwrap() > 0);
    let changes = not["counterfactuals"].as_array().unwrap();
    let with_behavior = |c: &Value| {
        let edits = c["add"]
            .as_array()
            .unwrap()
            .iter()
            .chain(c["remove"].as_array().unwrap());
        edits.into_iter().any(|e| e["behavior"].is_string())
    };
    let near = not["missing"]["nearest"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(changes.iter().chain(&near).any(with_behavior), "{not}");
}

#[test]
fn regimes_paths_and_calibration() {
    let at = shop();
    let metrics = "--metrics hit@10,ndcg@10 --resamples 0";
    let legacy = json(
        at,
        &format!("evaluate scorecard {metrics} --calibration --plot r.svg"),
    );
    let paths = legacy["paths"]["paths"].as_array().unwrap();
    let share: f64 = paths.iter().map(|p| p["share"].as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9);
    let hits: f64 = paths.iter().map(|p| p["hits"].as_f64().unwrap()).sum();
    let users = legacy["n_users"].as_f64().unwrap();
    let hit = legacy["metrics"][0]["value"].as_f64().unwrap();
    assert!(
        (hits / users - hit).abs() < 1e-6,
        "{hits} of {users} are {hit}"
    );
    let ece = legacy["paths"]["calibration"]["ece"].as_f64().unwrap();
    assert!(ece > 0.0 && ece < 0.05, "{ece}");
    assert!(
        std::fs::read_to_string(at.join("r.svg"))
            .unwrap()
            .contains("Reliability")
    );
    let (page, _) = limpid(at, &format!("evaluate scorecard {metrics} --by path"), 0);
    assert!(page.contains("re-targeting"), "{page}");

    let discovery = json(
        at,
        &format!("evaluate scorecard {metrics} --regime discovery"),
    );
    assert!(discovery["n_users"].as_u64() < legacy["n_users"].as_u64());
    assert!(discovery["paths"].is_null());
    let stripped = json(
        at,
        &format!("evaluate scorecard {metrics} --regime stripped"),
    );
    assert_eq!(stripped["n_users"], legacy["n_users"]);
    let compared = json(
        at,
        &format!("compare scorecard ease {metrics} --regime discovery"),
    );
    assert_eq!(compared["schema"], "limpid.compare/1");

    let (_, error) = limpid(at, "evaluate scorecard --regime temporal", 2);
    assert!(error.contains("needs a split by time"), "{error}");
    let (_, error) = limpid(at, "evaluate prior --calibration", 2);
    assert!(error.contains("log odds"), "{error}");
    limpid(
        at,
        "train --data world --split leave-one-out --model popularity -o pop",
        0,
    );
    let (_, error) = limpid(at, "evaluate pop --regime discovery", 2);
    assert!(
        error.contains("several behaviors") && error.contains("--behaviors all"),
        "{error}"
    );
    let (_, error) = limpid(at, "evaluate scorecard --plot x.svg", 2);
    assert!(error.contains("--faithfulness or --calibration"), "{error}");
}

/// A stripped split has no events of other behaviors on held-out items, and the points notice.
#[test]
fn a_split_without_evidence() {
    let at = shop();
    let (_, notes) = limpid(
        at,
        "train --data world --split leave-one-out+stripped --model scorecard -o stripped",
        0,
    );
    assert!(
        notes.contains("stripped:") && notes.contains("evidence=stripped"),
        "{notes}"
    );
    let measured = json(at, "evaluate stripped --metrics hit@10 --resamples 0");
    let paths = measured["paths"]["paths"].as_array().unwrap();
    let with = |p: &&Value| p["path"] != "none" && p["held_out"].as_u64() > Some(0);
    assert_eq!(paths.iter().filter(with).count(), 0, "{paths:?}");
    let (_, error) = limpid(
        at,
        "train --data world --behaviors buy --split leave-one-out+stripped --model ease -o x",
        2,
    );
    assert!(error.contains("nothing can be stripped"), "{error}");
}

#[test]
fn the_order_and_the_patterns_of_behaviors() {
    let at = shop();
    let described = json(at, "data describe world --behavior-order conversion");
    let chains = &described["chains"];
    let conversions: Vec<f64> = chains["by_conversion"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["conversion"].as_f64().unwrap())
        .collect();
    assert!(conversions.windows(2).all(|w| w[0] <= w[1]) && conversions.len() == 2);
    let (page, _) = limpid(at, "data describe world", 0);
    assert!(
        page.contains("order by conversion") && page.contains("pattern view"),
        "{page}"
    );
    let (_, error) = limpid(at, "data describe world --behavior-order view,buy,view", 2);
    assert!(error.contains("names 'view' twice"), "{error}");
    let (_, error) = limpid(at, "data describe world --behavior-order view,kart,buy", 2);
    assert!(error.contains("'kart'; did you mean 'cart'"), "{error}");
}

/// What a shop's own table may have wrong is refused with the fix, or counted; nobody is lost.
#[test]
fn a_table_that_contradicts_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Ann bought the lamp before she viewed it, Ben bought nothing.
    let table = "user,item,behavior,time\nann,lamp,buy,1\nann,lamp,view,5\nann,chair,view,6\n\
                 ann,chair,cart,7\nann,chair,buy,8\nben,lamp,view,2\nben,desk,cart,3\ncid,lamp,view,1\n\
                 cid,lamp,buy,3\ncid,desk,view,4\ncid,chair,buy,9\n";
    std::fs::write(at.join("shop.csv"), table).unwrap();
    let chains = &json(at, "data describe shop.csv")["chains"];
    assert_eq!(chains["against_the_order"], 1);
    assert_eq!(chains["users_without_target"], 1);
    let (page, _) = limpid(at, "data describe shop.csv", 0);
    assert!(page.contains("kept for their other events"), "{page}");

    let train = "train --data shop.csv --model scorecard";
    let (_, error) = limpid(
        at,
        &format!("{train} --split none --behaviors view,byu -o x"),
        2,
    );
    assert!(error.contains("'byu'; did you mean 'buy'"), "{error}");
    limpid(at, &format!("{train} --split none -o model"), 0);
    let list = json(at, "recommend model --user ben");
    assert_eq!(list["slates"][0]["items"].as_array().unwrap().len(), 2);

    for (behavior, file) in [
        ("view", "test.txt"),
        ("view", "train.txt"),
        ("buy", "train.txt"),
    ] {
        let folder = at.join("files").join(behavior);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), "1 1 2\n2 1\n").unwrap();
    }
    let (_, error) = limpid(
        at,
        "train --data files --split given --model scorecard -o x",
        2,
    );
    assert!(
        error.contains("no test event of the target behavior 'buy'")
            && error.contains("choose another split"),
        "{error}"
    );
}
