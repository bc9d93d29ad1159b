//! Models that were trained elsewhere: from arrays to lists, and what is refused.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use limpid::core::{Edits, NoProgress, Recommender};
use limpid::data::synthetic;
use limpid::export::{Export, MATRICES};
use limpid::imported::Import;
use limpid::models::Config;
use limpid::output::{Destination, FileFormat};
use limpid::probe::ProbeOptions;
use limpid::{
    Advisor, DataSource, Filter, MeasureOptions, Prepared, SplitFrom, TrainOptions, Who, train,
};

/// An `.npy` file of 64-bit numbers in C order.
fn npy(path: &Path, rows: &[Vec<f64>]) {
    let columns = rows.first().map_or(0, Vec::len);
    array(
        path,
        &format!("({}, {columns})", rows.len()),
        &rows.concat(),
    );
}

fn array(path: &Path, shape: &str, numbers: &[f64]) {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(numbers.iter().flat_map(|v| v.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

/// A folder with a model of limpid, its vectors as arrays, and its events as a table.
fn exported() -> (tempfile::TempDir, Advisor) {
    let world = synthetic::Config {
        users: 300,
        items: 90,
        items_per_user: 18,
        ..synthetic::Config::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let log = synthetic::World::generate(&world).unwrap().log;
    let mut table = "user_id,item_id\n".to_owned();
    for (user, item) in log.user.iter().zip(&log.item) {
        table += &format!("{},{}\n", log.users.name(*user), log.items.name(*item));
    }
    fs::write(at("events.csv"), table).unwrap();
    let source = DataSource {
        path: at("events.csv"),
        ..DataSource::default()
    };
    let prepared = Prepared::read(&source, &split()).unwrap();
    let config = Config::named("eigen")
        .unwrap()
        .set(&["embedding_size=16"])
        .unwrap();
    let base = train(prepared, &config, &TrainOptions::seeded(1), &NoProgress).unwrap();
    for (what, file) in [
        (Export::Users, "users.npy"),
        (Export::Embeddings, "items.npy"),
    ] {
        let to = Destination::new(&at(file), MATRICES, FileFormat::Npy).unwrap();
        base.export(what, &to).unwrap();
    }
    (folder, base)
}

fn split() -> SplitFrom {
    SplitFrom::Spec("ratio:70/10/20@7".parse().unwrap())
}

fn import(folder: &Path) -> Import {
    Import {
        states: folder.join("users.npy"),
        items: folder.join("items.npy"),
        histories: Some(DataSource {
            path: folder.join("events.csv"),
            ..DataSource::default()
        }),
        split: Some(split()),
        ..Import::default()
    }
}

fn options(more: &[&str]) -> ProbeOptions {
    let settings = ["threshold=0.4", "resamples=3", "fresh=2", "epochs=5"];
    ProbeOptions {
        settings: settings
            .iter()
            .chain(more)
            .map(|s| (*s).to_owned())
            .collect(),
        ..ProbeOptions::default()
    }
}

fn list(advisor: &Advisor, who: &Who) -> Vec<(String, f32)> {
    let list = advisor.recommend(who, 10, &Filter::default(), &Edits::none());
    let items = list.unwrap().items.into_iter();
    items.map(|i| (i.item.id, i.score)).collect()
}

/// The vectors of limpid's own model, exported and imported, give the lists of that model, with a dictionary and
/// after saving; metrics are the same; other histories are folded in.
#[test]
fn there_and_back() {
    let (folder, base) = exported();
    let (imported, notes) = Advisor::import(&import(folder.path())).unwrap();
    assert!(
        notes.iter().any(|n| n.contains("folded in by ridge")),
        "{notes:?}"
    );
    assert_eq!(imported.manifest.split.hash, base.manifest.split.hash);
    let (knobs, _) = imported.probe(&options(&[]), &NoProgress).unwrap();
    let saved = folder.path().join("knobs");
    knobs.save(&saved, true).unwrap();
    limpid::artifact::verify(&saved).unwrap();
    let opened = Advisor::open(&saved).unwrap();
    assert_eq!(opened.model, knobs.model);
    for user in 0..20 {
        let who = Who::user(base.catalogue.users.name(user));
        assert_eq!(list(&base, &who), list(&opened, &who));
    }
    let measure = MeasureOptions {
        faithfulness: true,
        resamples: 0,
        ..MeasureOptions::default()
    };
    let plain = MeasureOptions {
        resamples: 0,
        ..MeasureOptions::default()
    };
    let own = base.evaluate(&plain, &NoProgress).unwrap().report;
    let other = opened.evaluate(&measure, &NoProgress).unwrap();
    for (a, b) in own.metrics.iter().zip(&other.report.metrics) {
        assert!((a.value - b.value).abs() < 1e-12, "{} {}", a.value, b.value);
    }
    assert_eq!(other.knobs.unwrap().passing.error_preserving, 1.0);

    // Someone else is folded in, and near to what the model itself gives them.
    let items: Vec<String> = (0..6)
        .map(|i| format!("id:{}", base.catalogue.items.name(i)))
        .collect();
    let who = Who::Items(items);
    let (ours, theirs) = (list(&opened, &who), list(&base, &who));
    let shared = ours
        .iter()
        .filter(|(id, _)| theirs.iter().any(|(other, _)| other == id));
    assert!(shared.count() >= 5, "{ours:?} {theirs:?}");
    let why = opened
        .explain(&who, &ours[0].0, &Edits::none(), false)
        .unwrap();
    assert!(!why.ledger.parts.is_empty());
    let why_not = opened.why_not(
        &Who::user(base.catalogue.users.name(0)),
        &list(&opened, &Who::user(base.catalogue.users.name(0)))[9].0,
        5,
        &Filter::default(),
        &Edits::none(),
        Default::default(),
    );
    assert!(why_not.is_ok());
    // Without users there are no states, and everyone is folded in.
    let reduced = folder.path().join("reduced");
    opened.save(&reduced, false).unwrap();
    let anonymous = Advisor::open(&reduced).unwrap();
    let (again, before) = (list(&anonymous, &who), list(&opened, &who));
    assert_eq!(again, before);
    assert!(anonymous.catalogue.users.is_empty());
}

/// Biases, ids in other orders and files, and no histories: users are asked for by id, others are refused, and the
/// default dictionary is one that needs no events.
#[test]
fn states_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let state = |u: usize| vec![(u % 7) as f64 - 3.0, (u % 5) as f64, 1.0, (u % 3) as f64];
    let users: Vec<Vec<f64>> = (0..60).map(state).collect();
    let vector = |i: usize| vec![(i % 4) as f64, (i % 3) as f64 - 1.0, 0.1 * i as f64, 1.0];
    let items: Vec<Vec<f64>> = (0..30).map(vector).collect();
    npy(&at("p.npy"), &users);
    npy(&at("q.npy"), &items);
    npy(
        &at("b.npy"),
        &(0..30)
            .map(|i| vec![0.5 * f64::from(i % 6)])
            .collect::<Vec<_>>(),
    );
    let ids: Vec<String> = (0..60).map(|u| format!("user {}", 59 - u)).collect();
    fs::write(at("users.txt"), format!("userId\n{}\n", ids.join("\n"))).unwrap();
    // The heading of MovieLens.
    let mut table = "title,movieId\n".to_owned();
    for i in 0..30 {
        table += &format!("\"Film, {i}\",i{}\n", 29 - i);
    }
    fs::write(at("items.csv"), table).unwrap();
    let options_of_import = Import {
        states: at("p.npy"),
        items: at("q.npy"),
        bias: Some(at("b.npy")),
        user_ids: Some(at("users.txt")),
        item_ids: Some(at("items.csv")),
        ..Import::default()
    };
    let (base, notes) = Advisor::import(&options_of_import).unwrap();
    assert!(notes[0].contains("--histories"), "{notes:?}");
    let refused = |method: &str| {
        let (base, _) = Advisor::import(&options_of_import).unwrap();
        let e = base
            .probe(&options(&[method]), &NoProgress)
            .map(|_| ())
            .unwrap_err();
        assert!(e.is_usage());
        e.to_string()
    };
    assert!(refused("method=nmf").contains("nmf keeps the knobs"));
    assert!(refused("method=kmeans").contains("--dictionary topk"));
    // A preset that trains on events has none, and one that names an autoencoder is no choice of ours.
    assert!(refused("preset=recsae").contains("set instances=users"));
    let (own, _) = Advisor::import(&options_of_import).unwrap();
    let recsae = options(&["preset=recsae", "instances=users", "fresh=0"]);
    let (own, notes) = own.probe(&recsae, &NoProgress).unwrap();
    assert_eq!(own.manifest.kind, "dictionary/topk");
    assert!(
        notes.iter().all(|n| !n.contains("the default")),
        "{notes:?}"
    );
    let (knobs, notes) = base
        .probe(&options(&["fresh=0", "k=3"]), &NoProgress)
        .unwrap();
    assert!(notes[0].contains("TopK autoencoder"), "{notes:?}");
    let saved = at("knobs");
    knobs.save(&saved, true).unwrap();
    let knobs = Advisor::open(&saved).unwrap();
    // Row 3 is user 56; its best item by hand.
    let who = Who::user("user 56");
    let found = knobs
        .recommend(&who, 3, &Filter::default(), &Edits::none())
        .unwrap();
    let score = |i: usize| -> f64 {
        let product = users[3]
            .iter()
            .zip(&items[i])
            .map(|(a, b)| a * b)
            .sum::<f64>();
        product + 0.5 * (i % 6) as f64
    };
    let best = (0..30)
        .max_by(|&a, &b| score(a).total_cmp(&score(b)))
        .unwrap();
    assert_eq!(found.items[0].item.id, format!("i{}", 29 - best));
    assert_eq!(found.items[0].item.title, format!("Film, {best}"));
    assert!((f64::from(found.items[0].score) - score(best)).abs() < 1e-4);
    knobs
        .explain(&who, &found.items[0].item.id, &Edits::none(), false)
        .unwrap();
    let steered = knobs.recommend(
        &who,
        3,
        &Filter::default(),
        &Edits::parse(&["n0+0.5"]).unwrap(),
    );
    assert_eq!(steered.unwrap().items.len(), 3);
    let someone = Who::Items(vec!["id:i3".to_owned()]);
    let why = knobs
        .recommend(&someone, 3, &Filter::default(), &Edits::none())
        .unwrap_err();
    assert!(
        why.to_string().contains("--histories") && why.is_usage(),
        "{why}"
    );
    let why = knobs.why_not(
        &who,
        "i3",
        1,
        &Filter::default(),
        &Edits::none(),
        Default::default(),
    );
    assert!(
        why.unwrap_err()
            .to_string()
            .contains("imported without histories")
    );
    assert!(
        knobs
            .evaluate(&MeasureOptions::default(), &NoProgress)
            .unwrap_err()
            .is_usage()
    );
    let again = knobs
        .manifest
        .again()
        .run(&NoProgress)
        .unwrap_err()
        .to_string();
    assert!(again.contains("not trained here"), "{again}");
    assert_eq!(knobs.model.name(), "imported");
    assert_eq!(knobs.model.score(&knobs.split.unwrap().train).nrows(), 60);
}

/// What does not fit is refused with the file, the rule, the value and the fix.
#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let matrix = |rows: usize, columns: usize| vec![vec![1.0; columns]; rows];
    npy(&at("users.npy"), &matrix(3, 2));
    npy(&at("items.npy"), &matrix(4, 2));
    npy(&at("wide.npy"), &matrix(4, 3));
    npy(&at("bias.npy"), &matrix(3, 1));
    // Without columns there are no numbers, so a few bytes have any number of rows.
    array(&at("vast.npy"), "(1000000000000000000, 0)", &[]);
    let long = fs::File::create(at("long.txt")).unwrap();
    long.set_len((4 << 30) + 1).unwrap();
    npy(&at("nan.npy"), &[vec![0.0, f64::NAN], vec![1.0, 1.0]]);
    fs::write(at("two.txt"), "a\nb\n").unwrap();
    fs::write(at("twice.txt"), "a\nb\na\n").unwrap();
    fs::write(at("blank.txt"), "a\n\nc\n").unwrap();
    fs::write(at("none.csv"), "what,else\n1,2\n").unwrap();
    fs::write(at("events.csv"), "user_id,item_id\nx,y\nx,z\n").unwrap();
    let import = || Import {
        states: at("users.npy"),
        items: at("items.npy"),
        ..Import::default()
    };
    let ids = |file: &str| Import {
        user_ids: Some(at(file)),
        ..import()
    };
    let source = |path: PathBuf| {
        Some(DataSource {
            path,
            ..DataSource::default()
        })
    };
    for (import, says) in [
        (
            Import {
                items: at("wide.npy"),
                ..import()
            },
            "users.npy: has 2 columns",
        ),
        (
            Import {
                states: at("vast.npy"),
                items: at("vast.npy"),
                ..import()
            },
            "vast.npy: has no columns",
        ),
        (ids("long.txt"), "has more than 4294967296 bytes"),
        (
            Import {
                states: at("nan.npy"),
                ..import()
            },
            "nan.npy: row 0, column 1",
        ),
        (
            Import {
                states: at("absent.npy"),
                ..import()
            },
            "absent.npy",
        ),
        (
            Import {
                states: at("none.csv"),
                ..import()
            },
            "not an .npy file",
        ),
        (
            Import {
                bias: Some(at("bias.npy")),
                ..import()
            },
            "one bias per item",
        ),
        (ids("two.txt"), "has 2 ids, but"),
        (ids("twice.txt"), "twice.txt: "),
        (ids("blank.txt"), "the id of row 1 (from 0) is empty"),
        (ids("none.csv"), "has no column 'id'; it has what, else"),
        (
            Import {
                histories: source(at("events.csv")),
                ..import()
            },
            "users such as 'x'",
        ),
        (
            Import {
                histories: source(at("no.csv")),
                ..import()
            },
            "no.csv",
        ),
        (
            Import {
                split: Some(split()),
                ..import()
            },
            "--split needs --histories",
        ),
    ] {
        let e = Advisor::import(&import)
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(e.contains(says), "{e}");
    }
}
