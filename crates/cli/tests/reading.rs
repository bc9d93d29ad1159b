//! Reading and measuring as a user runs them: files named one by one, given splits, options that are
//! refused, and the views of an evaluation.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn limpid(at: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .current_dir(at)
        .args(args.split_whitespace())
        .output()
        .unwrap()
}

/// The results and the notes of a command that succeeds.
fn run(at: &Path, args: &str) -> (String, String) {
    let out = limpid(at, args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "limpid {args}: {}", text(&out.stderr));
    (text(&out.stdout), text(&out.stderr))
}

fn json(at: &Path, args: &str) -> Value {
    serde_json::from_str(&run(at, &format!("{args} --format json")).0).unwrap()
}

/// The message of a command that is refused as wrong use.
fn refused(at: &Path, args: &str) -> String {
    let out = limpid(at, args);
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "limpid {args}: {err}");
    err
}

/// Events of 30 users on 16 items: up to eight items of each user, those that are `kept(user, step)`.
fn lines(separator: &str, kept: impl Fn(usize, usize) -> bool) -> String {
    let mut text = format!("user{separator}item\n");
    for user in 0..30 {
        for step in 0..8 {
            if kept(user, step) {
                writeln!(
                    text,
                    "u{user}{separator}i{}",
                    (user + step * (step + 1) / 2) % 16
                )
                .unwrap();
            }
        }
    }
    text
}

fn write(at: &Path, files: &[(&str, String)]) {
    for (name, text) in files {
        std::fs::write(at.join(name), text).unwrap();
    }
}

#[test]
fn weights_that_a_model_would_ignore_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[("e.csv", "user,item,rating\nann,x,5\n".to_owned())],
    );
    let error = refused(
        dir.path(),
        "train --data e.csv --model ials --weighted -o m",
    );
    assert!(
        error.contains(
            "--weighted: the model 'ials' does not read values, so it would ignore the weights"
        ),
        "{error}"
    );
    assert!(error.contains("ruleslim, ease"), "{error}");
    run(
        dir.path(),
        "train --data e.csv --split none --model ease --weighted -o m",
    );
}

#[test]
fn a_split_as_tables_and_a_file_of_each_behavior() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("train.csv", lines(",", |_, step| step < 5)),
        ("valid.csv", lines(",", |_, step| step == 5)),
        ("test.tsv", lines("\t", |_, step| step == 7)),
        ("views.csv", lines(",", |user, _| user % 2 == 0)),
    ];
    write(dir.path(), &files);
    let at = dir.path();
    let split = "--train train.csv --validation valid.csv --test test.tsv";
    let (page, _) = run(at, &format!("train {split} --model ease -o m"));
    assert!(page.contains("split given ("), "{page}");
    assert!(page.contains("validation ndcg@20"), "{page}");
    // The recorded experiment names the files, and runs again.
    run(at, "train --config m -o again");
    let described = json(at, &format!("data describe {split}"));
    assert_eq!(described["given"].as_array().unwrap().len(), 3);
    assert_eq!(described["report"]["files"][2], "test.tsv");
    let behaviors = "--behavior view=views.csv --behavior buy=train.csv";
    let described = json(at, &format!("data describe {behaviors}"));
    assert_eq!(described["target_behavior"], "buy");
    run(
        at,
        &format!("train {behaviors} --split leave-one-out --model popularity -o b"),
    );
    // Both at once, one file alone, and what cannot go together.
    let both = format!("{split} --behavior view=views.csv --target-behavior buy");
    let described = json(at, &format!("data describe {both}"));
    assert_eq!(described["behaviors"][1]["name"], "buy");
    run(
        at,
        "train --train train.csv --split none --model popularity -o one",
    );
    let error = refused(at, "train --data train.csv --train train.csv -o m2");
    assert!(error.contains("cannot be used with"), "{error}");
    assert!(refused(at, "train --test test.tsv -o m2").contains("--train"));
}

#[test]
fn one_of_several_given_splits_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    for user in 1..20 {
        for item in 0..6 {
            events.push(format!(
                "{user}\t{}\t4\t{}",
                (user * 7 + item * item) % 30,
                874_724_710 + item
            ));
        }
    }
    let part = |kept: &dyn Fn(usize) -> bool| {
        let own = events.iter().enumerate().filter(|(at, _)| kept(*at));
        own.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let files = [
        ("u.data", part(&|_| true)),
        ("u1.base", part(&|at| at % 5 > 0)),
        ("u1.test", part(&|at| at % 5 == 0)),
        ("ua.base", part(&|at| at % 6 > 0)),
        ("ua.test", part(&|at| at % 6 == 0)),
    ];
    let at = dir.path();
    std::fs::create_dir(at.join("ml")).unwrap();
    write(&at.join("ml"), &files);
    let error = refused(at, "train --data ml --split given --model popularity -o m");
    assert!(
        error.contains("comes with 2 splits; choose one: 'given:u1', 'given:ua'"),
        "{error}"
    );
    let (page, _) = run(
        at,
        "train --data ml --split given:ua --model popularity -o m",
    );
    assert!(page.contains("split given:ua ("), "{page}");
    let (page, _) = run(at, "data describe ml");
    assert!(page.contains("given:u1, given:ua"), "{page}");
    let error = refused(
        at,
        "train --data ml --split given:u1 --given ua --model popularity -o m",
    );
    assert!(error.contains("name two splits of the data"), "{error}");
    let dated = "train --data ml --split temporal:1997-09-20 --model popularity -o m";
    let error = refused(at, dated);
    assert!(error.contains("the events are of 1997-09-20T"), "{error}");
}

#[test]
fn mistakes_are_named_in_the_readers_words() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    std::fs::create_dir(at.join("ml-100k-mine")).unwrap();
    for (args, words) in [
        (
            "train --data x --split ratio:70/10/20 -o m",
            "has no seed; write 'ratio:70/10/20@42'",
        ),
        (
            "train --data x --split ration:70/10/20 -o m",
            "did you mean 'ratio:70/10/20@42'?",
        ),
        (
            "train --data x --split random -o m",
            "choose from 'ratio:70/10/20@42', 'leave-one-out'",
        ),
        (
            "train --data x --time-unit days -o m",
            "unknown time unit 'days'; choose from seconds",
        ),
        (
            "data fetch ml-100",
            "unknown data set 'ml-100'; did you mean",
        ),
    ] {
        let error = refused(at, args);
        assert!(error.contains(words), "limpid {args}: {error}");
    }
    let failed = |args: &str| {
        let out = limpid(at, args);
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    for verb in [
        "data describe ml-100k-mien",
        "train -o m --data ml-100k-mien",
    ] {
        let error = failed(verb);
        assert!(error.contains("did you mean 'ml-100k-mine'?"), "{error}");
    }
    let error = failed("data describe ml-1m");
    assert!(
        error.contains("download it with 'limpid data fetch ml-1m'"),
        "{error}"
    );
}

/// A folder with three models of one split of a generated world, made once.
fn models() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        for model in ["ease", "itemknn", "popularity"] {
            let args = "train --data synthetic --split ratio:70/10/20@7 -o";
            run(&folder, &format!("{args} {model} --model {model}"));
        }
        folder
    })
}

#[test]
fn metrics_by_metadata_cold_start_and_popularity() {
    let at = models();
    let by = "evaluate ease --metrics ndcg@10,itemcoverage@10 --resamples 20";
    let page = run(at, &format!("{by} --by era,cold-start,popularity")).0;
    for words in [
        "era",
        "1960s",
        "history of the user",
        "train users of the item",
        "head",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("quartile"), "{page}");
    assert!(page.contains("of 400 items with training events"), "{page}");
    let answer = json(at, &format!("{by} --by era"));
    let breakdown = &answer["breakdowns"][0];
    assert_eq!(
        (&breakdown["by"], &breakdown["field"]),
        (&"item_field".into(), &"era".into())
    );
    // Every item has one era, so the groups hold every held-out item once.
    let rows = breakdown["rows"].as_array().unwrap();
    let held_out: u64 = rows
        .iter()
        .map(|row| row["n_targets"].as_u64().unwrap())
        .sum();
    assert_eq!(held_out, answer["n_targets"].as_u64().unwrap());
    let error = refused(at, &format!("{by} --by eras"));
    assert!(
        error.contains("no metadata field 'eras'; did you mean 'era'?"),
        "{error}"
    );
    assert!(
        run(at, &format!("{by} --universe catalogue"))
            .0
            .contains("over all 400 items")
    );
}

#[test]
fn popularity_bias_is_one_view() {
    let bias = |model: &str| {
        let args =
            format!("evaluate {model} --metrics ndcg@10 --resamples 50 --popularity-bias=10");
        json(models(), &args)["popularity_bias"].clone()
    };
    let (ease, most_popular) = (bias("ease"), bias("popularity"));
    assert_eq!(ease["k"], 10);
    let number = |bias: &Value, key: &str| bias[key].as_f64().unwrap();
    assert!(number(&most_popular, "lift") > number(&ease, "lift"));
    let interval = &most_popular["interval"];
    assert!(number(interval, "low") < number(&most_popular, "lift"));
    assert!(number(interval, "high") > number(&most_popular, "lift"));
    assert_eq!(ease["histories"], most_popular["histories"]);
    let page = run(
        models(),
        "evaluate ease --metrics ndcg@10 --popularity-bias",
    )
    .0;
    assert!(page.contains("popularity bias, 20 items"), "{page}");
    assert!(page.contains("lift over users' own taste:"), "{page}");
}

#[test]
fn sampled_metrics_say_so() {
    let value = |args: &str| {
        let args = format!("evaluate ease --metrics ndcg@10 --resamples 0 {args}");
        json(models(), &args)["metrics"][0]["value"]
            .as_f64()
            .unwrap()
    };
    let (full, sampled) = (value(""), value("--candidates 50"));
    assert!(sampled > full + 0.1, "{sampled} {full}");
    assert_eq!(sampled, value("--candidates 50@1"));
    assert_ne!(sampled, value("--candidates 50@2"));
    // A sample of all items is the full ranking.
    assert_eq!(value("--candidates 100000"), full);
    let page = run(
        models(),
        "evaluate ease --metrics ndcg@10 --candidates 50@2",
    )
    .0;
    assert!(page.contains("SAMPLED METRICS"), "{page}");
    assert!(page.contains("sampled value"), "{page}");
    assert!(
        run(models(), "compare ease itemknn --candidates 50")
            .0
            .contains("SAMPLED METRICS")
    );
    assert!(refused(models(), "evaluate ease --candidates 0").contains("such as 100 or 100@7"));
}

#[test]
fn many_models_are_one_table() {
    let args = "compare ease itemknn popularity --metrics ndcg@10,recall@10 --resamples 50";
    let page = run(models(), args).0;
    assert!(
        page.contains("corrected for all 4 comparisons of the table by Holm's method"),
        "{page}"
    );
    assert!(page.contains("ease: ease (baseline)"), "{page}");
    let answer = json(models(), args);
    assert_eq!(answer["schema"], "limpid.compare-many/1");
    let of = |model: usize| &answer["models"][model]["metrics"][0];
    assert!(of(1)["difference"].as_f64().unwrap() < 0.0);
    let (p, corrected) = (
        of(1)["p"].as_f64().unwrap(),
        of(1)["p_holm"].as_f64().unwrap(),
    );
    assert!(corrected >= 2.0 * p, "{p} {corrected}");
    // The pair alone has the same difference, and the opposite sign: a − b.
    let pair = json(models(), &args.replace(" itemknn", ""));
    let one = pair["metrics"][0]["difference"].as_f64().unwrap();
    assert_eq!(one, -of(1)["difference"].as_f64().unwrap());
}
