//! Real data sets, read from the folder that the environment variable `LIMPID_DATA` names; without
//! it these tests say that they were skipped. The expected counts are those of the sets' authors.

// A test may fail by a panic, in its helper functions too.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use limpid_core::ItemIdx;
use limpid_data::log::{GivenSubset, Log};
use limpid_data::sources::{MetadataSource, ReadOptions, read};

/// The folder of a set, where it is there.
fn set(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("LIMPID_DATA") else {
        eprintln!("skipped: LIMPID_DATA does not name a folder with data sets");
        return None;
    };
    let path = Path::new(&root).join(name);
    if path.exists() {
        Some(path)
    } else {
        eprintln!("skipped: {} is not there", path.display());
        None
    }
}

fn load(path: &Path) -> Log {
    read(path, &ReadOptions::default()).unwrap()
}

/// Users, items, events, and items with events.
fn sizes(log: &Log) -> (usize, usize, usize, usize) {
    let d = log.describe();
    (d.users, d.items, d.events, d.items - d.items_without_events)
}

fn values(log: &Log) -> Vec<(f32, usize)> {
    log.describe()
        .values
        .iter()
        .map(|v| (v.from, v.events))
        .collect()
}

fn parts(log: &Log) -> [usize; 3] {
    let given = log.given.as_ref().unwrap();
    [
        GivenSubset::Train,
        GivenSubset::Validation,
        GivenSubset::Test,
    ]
    .map(|part| given.iter().filter(|&&g| g == part).count())
}

fn values_of(log: &Log, field: &str, id: &str) -> Vec<String> {
    let item = ItemIdx(log.items.get(id).unwrap());
    let field = log.fields.iter().find(|f| f.name == field).unwrap();
    field.of(item).map(|(v, _)| v.to_owned()).collect()
}

fn title<'l>(log: &'l Log, id: &str) -> &'l str {
    &log.titles[log.items.get(id).unwrap() as usize]
}

fn field_names(log: &Log) -> Vec<&str> {
    log.fields.iter().map(|f| f.name.as_str()).collect()
}

#[test]
fn movielens_100k() {
    let Some(path) = set("ml-100k") else { return };
    let log = load(&path);
    assert_eq!(sizes(&log), (943, 1682, 100_000, 1682));
    assert_eq!(
        values(&log),
        [
            (1.0, 6110),
            (2.0, 11_370),
            (3.0, 27_145),
            (4.0, 34_174),
            (5.0, 21_201)
        ]
    );
    assert_eq!(log.describe().time_range, Some((874_724_710, 893_286_638)));
    assert_eq!(log.report.duplicates, 0);
    assert_eq!(field_names(&log), ["genre", "year"]);
    let genre = &log.fields[0];
    assert_eq!(genre.values.len(), 18);
    assert_eq!(
        values_of(&log, "genre", "1"),
        ["Animation", "Children's", "Comedy"]
    );
    assert_eq!(values_of(&log, "year", "1"), ["1995"]);
    assert_eq!(title(&log, "1"), "Toy Story (1995)");
    assert_eq!(title(&log, "543"), "Misérables, Les (1995)");
    for (given, train, test) in [
        ("u1", 80_000, 20_000),
        ("u5", 80_000, 20_000),
        ("ua", 90_570, 9430),
    ] {
        let options = ReadOptions {
            given: Some(given.into()),
            ..ReadOptions::default()
        };
        let log = read(&path, &options).unwrap();
        assert_eq!(parts(&log), [train, 0, test], "{given}");
    }
    let options = ReadOptions {
        given: Some("u9".into()),
        ..ReadOptions::default()
    };
    let error = read(&path, &options).unwrap_err().to_string();
    assert!(
        error.contains("unknown given split 'u9'; did you mean one of 'u1', 'u2', 'u3'"),
        "{error}"
    );
}

#[test]
fn movielens_1m() {
    let Some(path) = set("ml-1m") else { return };
    let log = load(&path);
    assert_eq!(sizes(&log), (6040, 3883, 1_000_209, 3706));
    assert_eq!(
        values(&log),
        [
            (1.0, 56_174),
            (2.0, 107_557),
            (3.0, 261_197),
            (4.0, 348_971),
            (5.0, 226_310)
        ]
    );
    assert_eq!(
        log.describe().time_range,
        Some((956_703_932, 1_046_454_590))
    );
    assert_eq!(log.report.files, ["ratings.dat.gz", "movies.dat"]);
    assert_eq!(log.fields[0].values.len(), 18);
    assert_eq!(title(&log, "73"), "Misérables, Les (1995)");
}

#[test]
fn movielens_1m_with_metadata_from_elsewhere() {
    let (Some(path), Some(tags)) = (set("ml-1m"), set("ml-10m-tags")) else {
        return;
    };
    let source = |path: PathBuf, column: Option<&str>| MetadataSource {
        path,
        column: column.map(str::to_owned),
    };
    let options = ReadOptions {
        metadata: vec![
            source(tags.clone(), None),
            source(path.join("movies_extrainfos.dat.gz"), None),
            source(
                path.join("rechorus-topk/item_meta_all_info.csv.gz"),
                Some("movieId"),
            ),
        ],
        ..ReadOptions::default()
    };
    let log = read(&path, &options).unwrap();
    assert_eq!(sizes(&log), (6040, 3883, 1_000_209, 3706));
    assert_eq!(
        field_names(&log),
        ["actor", "genre", "maker", "tag", "year"]
    );
    // Of the 7,601 tagged films 2,805 are in ML-1M.
    let tag = log.fields.iter().find(|f| f.name == "tag").unwrap();
    let tagged = (0..log.items.len()).filter(|&i| tag.of(ItemIdx(i as u32)).next().is_some());
    assert_eq!(tagged.count(), 2805);
    let rows: f32 = tag.of_items.values().iter().sum();
    // Of 44,818 rows one is blank (a no-break space).
    assert_eq!(rows, 44_817.0);
    assert_eq!(values_of(&log, "maker", "1"), ["John Lasseter"]);
    assert!(values_of(&log, "actor", "2").contains(&"Robin Williams".to_owned()));
    assert!(
        log.report
            .notes
            .iter()
            .any(|n| n.contains("not in the data")),
        "{:?}",
        log.report.notes
    );

    let error = read(&tags, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("holds item metadata (movies.dat.gz, tags.dat.gz) but no events"),
        "{error}"
    );
    let options = ReadOptions {
        metadata: vec![source(
            path.join("rechorus-topk/item_meta_all_info.csv.gz"),
            None,
        )],
        ..ReadOptions::default()
    };
    let error = read(&path, &options).unwrap_err().to_string();
    assert!(
        error.contains("several columns may hold item ids: movieId, item_id"),
        "{error}"
    );
    let error = read(&path.join("rechorus-topk"), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("has no train.csv"), "{error}");
    let dev = load(&path.join("rechorus-topk/dev.csv.gz"));
    assert_eq!((dev.n_events(), dev.users.len()), (2562, 214));
    let test = load(&path.join("rechorus-topk/test.csv.gz"));
    assert_eq!((test.n_events(), test.users.len()), (2874, 226));
}

#[test]
fn movielens_latest() {
    let Some(path) = set("ml-latest-small") else {
        return;
    };
    let log = load(&path);
    assert_eq!(sizes(&log), (610, 9742, 100_836, 9724));
    assert_eq!(
        log.describe().time_range,
        Some((828_124_615, 1_537_799_250))
    );
    assert_eq!(field_names(&log), ["genre", "tag", "year"]);
    let tag = &log.fields[1];
    assert_eq!(tag.of_items.values().iter().sum::<f32>(), 3683.0);
    let tagged = (0..log.items.len()).filter(|&i| tag.of(ItemIdx(i as u32)).next().is_some());
    assert_eq!(tagged.count(), 1572);
    assert_eq!(values_of(&log, "genre", "1").len(), 5);

    let Some(path) = set("ml-latest-2k") else {
        return;
    };
    let log = load(&path);
    let (users, items, events, rated) = sizes(&log);
    assert_eq!((users, events, rated), (2148, 206_423, 13_049));
    assert!(items >= 86_537);
    let tag = log.fields.iter().find(|f| f.name == "tag").unwrap();
    // Of 60,368 rows one is blank (a no-break space); 10,804 tags ignoring case become 10,737 when
    // spaces at their ends are ignored too.
    assert_eq!(tag.of_items.values().iter().sum::<f32>(), 60_367.0);
    assert_eq!(tag.values.len(), 10_737);
}

#[test]
fn recbole() {
    let Some(path) = set("recbole-ml-100k") else {
        return;
    };
    let log = load(&path);
    assert_eq!(sizes(&log), (943, 1682, 100_000, 1682));
    assert_eq!(field_names(&log), ["genre", "year"]);
    assert_eq!(title(&log, "1"), "Toy Story");
    assert_eq!(
        values_of(&log, "genre", "2"),
        ["Action", "Adventure", "Thriller"]
    );
    let options = ReadOptions {
        metadata: vec![MetadataSource {
            path: path.clone(),
            column: None,
        }],
        ..ReadOptions::default()
    };
    let with_facts = read(&path, &options).unwrap();
    assert_eq!(with_facts.hash(), log.hash());
    for field in ["actor", "producer", "genre"] {
        assert!(
            field_names(&with_facts).contains(&field),
            "{:?}",
            field_names(&with_facts)
        );
    }

    let Some(original) = set("ml-100k") else {
        return;
    };
    // The same events in another format, in the same order: the same log.
    assert_eq!(log.hash(), load(&original).hash());
}

#[test]
fn rechorus() {
    let Some(path) = set("amazon-grocery") else {
        return;
    };
    let log = load(&path);
    assert_eq!(sizes(&log), (14_681, 8713, 151_254, 8713));
    assert_eq!(parts(&log), [121_892, 14_681, 14_681]);
    assert_eq!(log.report.duplicates, 0);
    assert_eq!(
        log.describe().time_range,
        Some((965_779_200, 1_406_073_600))
    );
    assert_eq!(field_names(&log), ["category", "complement", "substitute"]);
    assert_eq!(log.fields[0].values.len(), 57);
    assert!(values_of(&log, "complement", "1").contains(&"6285".to_owned()));
}

#[test]
fn adjacency() {
    let Some(path) = set("tmall-mb") else { return };
    let log = load(&path);
    assert_eq!(log.behaviors, ["view", "cart", "buy"]);
    assert_eq!(log.target_behavior, 2);
    let d = log.describe();
    assert_eq!((d.users, d.items), (15_449, 11_953));
    assert_eq!(d.report.rows, 858_505 + 180_027 + 92_180 + 15_449);
    let counts: Vec<usize> = d.behaviors.iter().map(|b| b.events).collect();
    assert_eq!(counts, [858_505, 180_027, 92_180 + 15_449]);
    assert_eq!(parts(&log)[2], 15_449);
    assert!(log.report.notes[0].starts_with("cart/test.txt.gz, view/test.txt.gz left out"));

    let Some(path) = set("beibei-partial") else {
        return;
    };
    let log = load(&path);
    assert_eq!(log.behaviors, ["cart", "buy"]);
    let d = log.describe();
    assert_eq!((d.users, d.items), (21_716, 7977));
    let counts: Vec<usize> = d.behaviors.iter().map(|b| b.events).collect();
    assert_eq!(counts, [642_622, 282_860 + 21_716]);
    assert_eq!(parts(&log)[2], 21_716);

    let Some(path) = set("taobao-partial") else {
        return;
    };
    let d = load(&path).describe();
    assert_eq!((d.users, d.items), (48_749, 39_493));
    let counts: Vec<usize> = d.behaviors.iter().map(|b| b.events).collect();
    assert_eq!(counts, [193_747, 211_022 + 48_749]);
}

#[test]
fn amazon_reviews() {
    let Some(path) = set("amazon-reviews-small") else {
        return;
    };
    let log = load(&path);
    assert_eq!(log.report.format, "Amazon reviews");
    assert_eq!(sizes(&log), (1429, 900, 10_261, 900));
    assert_eq!(
        values(&log),
        [(1.0, 217), (2.0, 250), (3.0, 772), (4.0, 2084), (5.0, 6938)]
    );
    assert_eq!(
        log.describe().time_range,
        Some((1_095_465_600, 1_405_987_200))
    );
}
