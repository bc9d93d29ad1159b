//! A model that reads texts, from a file to an explanation; and the spaces in which its texts are vectors.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use limpid::core::{Edits, NoProgress};
use limpid::experiment::TextSource;
use limpid::models::Model;
use limpid::pipeline::OnChange;
use limpid::ratings::{RatingOptions, measure_ratings};
use limpid::recipe;
use limpid::{Advisor, DataSource, Experiment, MeasureOptions, System, Who};

/// Reviews as Yelp has them: users like one kind of two, and texts name the kind.
fn reviews(folder: &Path) {
    let mut text = String::new();
    for u in 0..30 {
        for i in (0..12).filter(|i| (u * 5 + i * 7) % 4 != 0) {
            let (likes, kind) = (u % 2 == i % 2, ["strings", "pedals"][i % 2]);
            let (stars, word) = if likes { (5, "lovely") } else { (2, "dull") };
            text += &format!(
                "{{\"user_id\": \"u{u}\", \"business_id\": \"b{i}\", \"stars\": {stars}, \"text\": \"{word} {kind}\"}}\n"
            );
        }
    }
    fs::write(folder.join("review.json"), text).unwrap();
}

/// Static embeddings of a few words.
fn space(folder: &Path, first: f32) {
    fs::create_dir_all(folder).unwrap();
    let tokenizer = r#"{"normalizer": {"type": "Lowercase"}, "model": {"type": "WordPiece",
        "vocab": {"[UNK]": 0, "strings": 1, "pedals": 2, "lovely": 3, "dull": 4, "like": 5, "not": 6}}}"#;
    fs::write(folder.join("tokenizer.json"), tokenizer).unwrap();
    let mut numbers: Vec<f32> = (0..21).map(|x| ((x * 5 % 7) as f32) - 3.0).collect();
    numbers[0] = first;
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let shape = vec![7, 3];
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &bytes).unwrap();
    let file = safetensors::serialize([("embeddings", view)], None).unwrap();
    fs::write(folder.join("model.safetensors"), file).unwrap();
}

fn experiment(folder: &Path, texts: TextSource) -> Experiment {
    let settings = [
        ("task", "ratings".into()),
        ("embedding", "hashed".into()),
        ("epochs", 3.into()),
        ("hidden", 8.into()),
    ];
    Experiment {
        model: "lr-recsys".to_owned(),
        split: "ratio:70/15/15@1".parse().unwrap(),
        settings: settings
            .map(|(k, v): (&str, serde_json::Value)| (k.to_owned(), v))
            .into_iter()
            .collect(),
        data: Some(DataSource {
            path: folder.join("review.json"),
            texts,
            ..DataSource::default()
        }),
        ..Experiment::default()
    }
}

#[test]
fn ratings_are_predicted_and_explained_from_texts() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let trained = experiment(folder.path(), TextSource::default())
        .run(&NoProgress)
        .unwrap();
    assert!(
        trained
            .manifest
            .metrics
            .keys()
            .any(|name| name.ends_with("rmse"))
    );
    let out = folder.path().join("model");
    trained.save(&out, true).unwrap();
    let advisor = Advisor::open(&out).unwrap();
    let options = MeasureOptions {
        metrics: ["rmse", "mae", "rating-auc", "ndcg@10"]
            .map(|m| m.parse().unwrap())
            .to_vec(),
        resamples: 20,
        ..MeasureOptions::default()
    };
    let report = advisor.evaluate(&options, &NoProgress).unwrap().report;
    assert_eq!(report.metrics.len(), 4, "{:?}", report.absent);
    let rmse = report.metrics[0];
    assert!(
        rmse.value > 0.1 && rmse.value < 2.0 && rmse.interval.is_some(),
        "{rmse:?}"
    );
    // Other models do not predict ratings, and say so.
    let other = Experiment {
        model: "popularity".to_owned(),
        settings: limpid::experiment::Settings::new(),
        ..experiment(folder.path(), TextSource::default())
    };
    let report = other
        .run(&NoProgress)
        .unwrap()
        .evaluate(&options, &NoProgress)
        .unwrap()
        .report;
    assert_eq!((report.metrics.len(), report.absent.len()), (1, 3));

    let who = Who::user("u3");
    let why = advisor.explain(&who, "b0", &Edits::none(), false).unwrap();
    let text = |unit: &str| {
        let part = why.ledger.parts.iter().find(|p| p.unit == unit);
        part.map(|p| (p.kind, p.text.clone())).unwrap()
    };
    let (kind, pro) = text("text:for");
    assert!(kind == "text" && pro.contains("they like"), "{pro}");
    let (_, con) = text("text:against");
    assert!(con.contains("others criticize"), "{con}");
    let off = Edits::parse(&["text:against=off"]).unwrap();
    let without = advisor.explain(&who, "b0", &off, false).unwrap();
    assert_ne!(without.ledger.score, why.ledger.score);
}

#[test]
fn the_space_is_recorded_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let place = folder.path().join("space");
    space(&place, 0.0);
    let texts = |embedder: &str| TextSource {
        embedder: Some(embedder.to_owned()),
        ..TextSource::default()
    };
    let trained = experiment(folder.path(), texts(place.to_str().unwrap()));
    let trained = trained.run(&NoProgress).unwrap();
    let System::Model(Model::LrRecsys(model)) = &trained.model else {
        panic!("another model")
    };
    assert!(model.space().starts_with("static-3-"), "{}", model.space());
    assert_eq!(model.text_size(), 3);
    // The experiment gives the same model again, but not in another space.
    let again = trained.manifest.again();
    let recorded = again.data.as_ref().and_then(|d| d.texts.space.clone());
    assert_eq!(recorded.as_deref(), Some(model.space()));
    assert_eq!(again.clone().run(&NoProgress).unwrap().model, trained.model);
    space(&place, 1.0);
    let why = again.run(&NoProgress).unwrap_err().to_string();
    assert!(why.contains("space of the texts"), "{why}");
    // Where changes are accepted, the new space is noted and recorded.
    let checked = again.check().unwrap();
    let prepared = checked.read(OnChange::Note).unwrap();
    let said = prepared.notes.join("; ");
    assert!(said.contains("space of the texts changed"), "{said}");
    let other = checked.fit(prepared, None, &NoProgress).unwrap();
    let now = other.manifest.experiment.data.unwrap().texts;
    assert!(now.space.is_some() && now.space != recorded, "{now:?}");

    let remote = experiment(folder.path(), texts("http://192.0.2.1:9"));
    let why = remote.run(&NoProgress).unwrap_err();
    assert!(
        why.is_usage() && why.to_string().contains("--allow-remote"),
        "{why}"
    );
    let missing = experiment(folder.path(), texts("no/such/folder"));
    assert!(missing.check().is_err());
}

/// What would be ignored, or cannot be opened, is refused before anything is read.
#[test]
fn options_of_texts_without_use_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let place = folder.path().join("space");
    space(&place, 0.0);
    let place = place.to_str().unwrap().to_owned();
    let refused = |model: &str, texts: TextSource, expected: &str| {
        let experiment = Experiment {
            model: model.to_owned(),
            settings: limpid::experiment::Settings::new(),
            ..experiment(folder.path(), texts)
        };
        let why = experiment.check().unwrap_err();
        assert!(
            why.is_usage() && why.to_string().contains(expected),
            "{why}"
        );
    };
    let columns = TextSource {
        columns: vec!["text".to_owned()],
        ..TextSource::default()
    };
    let embedded = |embedder: &str, model: Option<&str>| TextSource {
        embedder: Some(embedder.to_owned()),
        embedder_model: model.map(str::to_owned),
        ..TextSource::default()
    };
    refused("ease", columns.clone(), "'ease' does not read texts");
    refused(
        "ease",
        embedded(&place, None),
        "a model that reads texts: lr-recsys",
    );
    refused(
        "lr-recsys",
        embedded("http://127.0.0.1:9", None),
        "--embedder-model NAME",
    );
    refused(
        "lr-recsys",
        embedded(&place, Some("m")),
        "--embedder names no server",
    );

    let source = |texts: TextSource| DataSource {
        path: folder.path().join("review.json"),
        texts,
        ..DataSource::default()
    };
    let ratings = |texts: TextSource, profiles: bool| {
        let options = RatingOptions {
            threshold: 4.0,
            resamples: 0,
            seed: 1,
            texts: profiles,
            model: None,
            splits: 1,
        };
        let split = "ratio:70/15/15@1".parse().unwrap();
        measure_ratings(&source(texts), &split, &options, &NoProgress)
    };
    for (texts, profiles, expected) in [
        (columns.clone(), false, "add --texts"),
        (embedded(&place, None), true, "--embedder: only a model"),
    ] {
        let why = ratings(texts, profiles).unwrap_err();
        assert!(
            why.is_usage() && why.to_string().contains(expected),
            "{why}"
        );
    }
    assert!(ratings(columns, true).is_ok());
}

/// Rows of a table share data only where they keep the same of them: ratings have values, a ranking has none.
#[test]
fn rows_of_ratings_do_not_share_data_with_rows_of_events() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let row = |task: &str| {
        format!(
            "[[row]]\nname = \"{task}\"\nmodel = \"lr-recsys\"\n[row.settings]\ntask = \"{task}\"\nembedding = \
             \"hashed\"\nepochs = 3\nhidden = 8\n"
        )
    };
    let value = |rows: &[&str], name: &str| {
        let text: String = rows.iter().map(|task| row(task)).collect();
        let table = format!(
            "title = \"Tasks\"\nsource = \"ours\"\ndata = \"review.json\"\nsplit = \"ratio:70/15/15\"\n\
             seeds = [1]\nmetric = \"ndcg@10\"\n{text}"
        );
        let options = recipe::RunOptions {
            data: Some(folder.path().to_owned()),
            ..recipe::RunOptions::default()
        };
        let recipe = recipe::Recipe::of_text(&table).unwrap();
        let outcome = recipe::run(&recipe, &options, &NoProgress).unwrap();
        let at = rows.iter().position(|task| *task == name).unwrap();
        outcome.rows[at].results[0].value
    };
    for (first, second) in [("ratings", "ranking"), ("ranking", "ratings")] {
        assert_eq!(value(&[first, second], second), value(&[second], second));
    }
}

/// A fault of the texts ends the run, while data without texts are a note, unless texts are asked for.
#[test]
fn faults_of_texts_are_not_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    let split = "none".parse().unwrap();
    let model = limpid::models::Entry::named("lr-recsys").unwrap();
    let read = |table: &[u8], columns: &[&str]| {
        fs::write(&path, table).unwrap();
        let source = DataSource {
            path: path.clone(),
            texts: TextSource {
                columns: columns.iter().map(|&c| c.to_owned()).collect(),
                ..TextSource::default()
            },
            ..DataSource::default()
        };
        limpid::Prepared::read_for(&source, &split, model.reads)
    };
    let table = b"user_id,item_id,rating,text,place\nann,b1,4,good,here\nbob,b1,3,odd,there\n";
    let prepared = read(table, &[]).unwrap();
    assert_eq!(prepared.texts.unwrap().columns, ["text"]);
    // The note on what was not read leaves out what was read as text.
    let unread = |notes: &[String]| {
        let note = notes.iter().find(|n| n.starts_with("columns not read:"));
        note.map(|n| n.split(';').next().unwrap().to_owned())
    };
    assert_eq!(unread(&prepared.notes).unwrap(), "columns not read: place");
    let other = read(table, &["place"]).unwrap();
    assert_eq!(unread(&other.notes).unwrap(), "columns not read: text");

    let none = b"user_id,item_id,rating\nann,b1,4\nbob,b1,3\n";
    let prepared = read(none, &[]).unwrap();
    let said = prepared.notes.join("; ");
    assert!(
        prepared.texts.is_none() && said.contains("no texts were read"),
        "{said}"
    );
    assert!(read(none, &["text"]).unwrap_err().is_usage());

    let broken = b"user_id,item_id,rating,text\nann,b1,4,good\nbob,b1,3,\xff\n";
    let why = read(broken, &[]).unwrap_err().to_string();
    assert!(
        why.contains("events.csv:3:10: the byte 0xff is not UTF-8"),
        "{why}"
    );
}
