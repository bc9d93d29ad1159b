//! Every format on small files whose right answer is known, and the words of every refusal.

// A test may fail by a panic, in its helper functions too.
#![allow(clippy::unwrap_used)]

use limpid_core::ItemIdx;
use limpid_data::log::{GivenSubset, Log};
use limpid_data::sources::{
    Column, Columns, EventFile, MetadataSource, OnError, Quote, ReadOptions, TimeUnit, read,
    read_bytes,
};
use limpid_data::{Error, Result};

fn try_read(files: &[(&str, &str)], options: &ReadOptions) -> Result<Log> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, t)| (*n, t.as_bytes())).collect();
    read_bytes("set", &files, options)
}

fn of(files: &[(&str, &str)]) -> Log {
    try_read(files, &ReadOptions::default()).unwrap()
}

fn refused(files: &[(&str, &str)]) -> String {
    try_read(files, &ReadOptions::default())
        .unwrap_err()
        .to_string()
}

/// Events as `user item value time`, in file order.
fn events(log: &Log) -> Vec<String> {
    (0..log.n_events())
        .map(|e| {
            let mut text = format!(
                "{} {}",
                log.users.name(log.user[e]),
                log.items.name(log.item[e])
            );
            if let Some(value) = &log.value {
                text += &format!(" {}", value[e]);
            }
            if let Some(time) = &log.time {
                text += &format!(" {}", time[e]);
            }
            if let Some(behavior) = &log.behavior {
                text += &format!(" {}", log.behaviors[behavior[e] as usize]);
            }
            text
        })
        .collect()
}

fn facts(log: &Log, field: &str, id: &str) -> Vec<(String, f32)> {
    let item = ItemIdx(log.items.get(id).unwrap());
    let field = log.fields.iter().find(|f| f.name == field);
    field.map_or_else(Vec::new, |f| {
        f.of(item).map(|(v, n)| (v.to_owned(), n)).collect()
    })
}

fn title<'l>(log: &'l Log, id: &str) -> &'l str {
    &log.titles[log.items.get(id).unwrap() as usize]
}

#[test]
fn movielens_100k() {
    let item = "1|Toy Story (1995)|01-Jan-1995||http://x|0|1|0\n9|Only Listed|||u|1|0|1\n";
    let genre = "unknown|0\nAnimation|1\nWar|2\n\n";
    let files = [
        (
            "u.data",
            "196\t1\t3\t881250949\r\n186\t2\t4.5\t891717742\r\n",
        ),
        ("u.item", item),
        ("u.genre", genre),
        ("u1.base", "196\t1\t3\t881250949\n"),
        ("u1.test", "186\t2\t4\t891717742\n"),
        ("u.user", "1|24|M|technician|85711"),
    ];
    let log = of(&files);
    assert_eq!(events(&log), ["196 1 3 881250949", "186 2 4.5 891717742"]);
    assert_eq!(log.name, "set");
    assert_eq!(log.report.files, ["u.data", "u.genre", "u.item"]);
    assert_eq!(facts(&log, "genre", "1"), [("Animation".into(), 1.0)]);
    assert_eq!(facts(&log, "genre", "9"), [("War".into(), 1.0)]);
    assert_eq!(facts(&log, "year", "1"), [("1995".into(), 1.0)]);
    assert_eq!(title(&log, "9"), "Only Listed");
    assert_eq!(log.items.len(), 3);
    let options = ReadOptions {
        given: Some("u1".into()),
        ..ReadOptions::default()
    };
    let log = try_read(&files, &options).unwrap();
    assert_eq!(log.given, Some(vec![GivenSubset::Train, GivenSubset::Test]));
    // A file alone is read without its neighbors.
    assert_eq!(of(&files[..1]).titles.len(), 0);
}

#[test]
fn movielens_dat() {
    let files = [
        (
            "ratings.dat",
            "1::1193::5::978300760\n1::661::3::978302109\n",
        ),
        (
            "movies.dat",
            "661::Poly::Title: The Return (1999)::Drama|War\n",
        ),
        (
            "tags.dat",
            "7::661::So::Good::5\n8::661::so::GOOD::9\n9::661:: ::9\n",
        ),
        ("movies_extrainfos.dat", "not read\n"),
    ];
    let log = of(&files);
    assert_eq!(events(&log), ["1 1193 5 978300760", "1 661 3 978302109"]);
    assert_eq!(title(&log, "661"), "Poly::Title: The Return (1999)");
    assert_eq!(facts(&log, "tag", "661"), [("so::good".into(), 2.0)]);
    assert_eq!(facts(&log, "genre", "661").len(), 2);

    let mut latin: Vec<(&str, &[u8])> = vec![("ratings.dat", b"1::73::5::978300760\n")];
    latin.push(("movies.dat", b"73::Mis\xe9rables, Les (1995)::Drama\n"));
    let log = read_bytes("set", &latin, &ReadOptions::default()).unwrap();
    assert_eq!(title(&log, "73"), "Misérables, Les (1995)");
}

#[test]
fn movielens_csv() {
    let files = [
        (
            "ratings.csv",
            "userId,movieId,rating,timestamp\r\n1,1,4.0,964982703\r\n",
        ),
        (
            "movies.csv",
            "movieId,title,genres\r\n1,\"American President, The (1995)\",Comedy|Drama\r\n\
             2,Untitled,(no genres listed)\r\n",
        ),
        (
            "tags.csv",
            "userId,movieId,tag,timestamp\r\n2,1,Funny,1\r\n3,1,funny,2\r\n3,1,\"a, b\",2\r\n",
        ),
        ("links.csv", "movieId,imdbId,tmdbId\r\n1,0114709,862\r\n"),
    ];
    let log = of(&files);
    assert_eq!(events(&log), ["1 1 4 964982703"]);
    assert_eq!(title(&log, "1"), "American President, The (1995)");
    assert_eq!(
        facts(&log, "tag", "1"),
        [("a, b".into(), 1.0), ("funny".into(), 2.0)]
    );
    assert_eq!(facts(&log, "year", "1"), [("1995".into(), 1.0)]);
    assert!(facts(&log, "genre", "2").is_empty());
    assert_eq!(log.fields.len(), 3);
    assert_eq!(of(&files[..1]).report.format, "MovieLens, CSV");
}

#[test]
fn recbole() {
    let inter = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n";
    let files = [
        (
            "x.inter",
            &*format!("{inter}u\ta\t3\t881250949.0\nu\tb\t2\t881250950\n"),
        ),
        (
            "x.item",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tprice:float\n\
             a\tToy \"Story\t1995\tAnimation Comedy\t3.5\n",
        ),
        ("x.user", "user_id:token\tage:token\nu\t24\n"),
    ];
    let log = of(&files);
    assert_eq!(events(&log), ["u a 3 881250949", "u b 2 881250950"]);
    assert_eq!(title(&log, "a"), "Toy \"Story");
    assert_eq!(facts(&log, "genre", "a").len(), 2);
    assert_eq!(facts(&log, "year", "a"), [("1995".into(), 1.0)]);
    assert_eq!(log.fields.len(), 2);

    let log = of(&[
        ("x.train.inter", &format!("{inter}u\ta\t3\t1\n")),
        ("x.test.inter", &format!("{inter}u\tb\t3\t2\n")),
        ("x.valid.inter", &format!("{inter}u\tc\t3\t3\n")),
    ]);
    let parts = log.given.clone().unwrap();
    let mut seen: Vec<_> = events(&log).into_iter().zip(parts).collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            ("u a 3 1".to_owned(), GivenSubset::Train),
            ("u b 3 2".to_owned(), GivenSubset::Test),
            ("u c 3 3".to_owned(), GivenSubset::Validation)
        ]
    );
    let error = refused(&[("x.inter", "user_id\titem_id\n1\t2\n")]);
    assert!(
        error.starts_with("x.inter:1:1: the first line of an atomic file"),
        "{error}"
    );
    let error = refused(&[("x.inter", &format!("{inter}u\ta\t3\n"))]);
    assert!(
        error.starts_with("x.inter:2:6: expected 4 fields, found 3"),
        "{error}"
    );
}

#[test]
fn rechorus() {
    let head = "user_id\titem_id\ttime\tneg_items\n";
    let log = of(&[
        ("train.csv", "user_id\titem_id\ttime\n1\t5\t965779200\n"),
        ("dev.csv", &format!("{head}1\t6\t965779201.0\t[7, 8]\n")),
        ("test.csv", &format!("{head}1\t7\t965779202\t[6]\n")),
        (
            "item_meta.csv",
            "item_id\ti_category\tr_complement\n5\t0\t[6, 7]\n6\t1\t[]\n",
        ),
    ]);
    assert_eq!(
        events(&log),
        ["1 5 965779200", "1 6 965779201", "1 7 965779202"]
    );
    use GivenSubset::{Test, Train, Validation};
    assert_eq!(log.given, Some(vec![Train, Validation, Test]));
    assert_eq!(facts(&log, "complement", "5").len(), 2);
    assert_eq!(facts(&log, "category", "6"), [("1".into(), 1.0)]);
    let error = refused(&[("dev.csv", head), ("test.csv", head)]);
    assert!(
        error.contains("has no train.csv; found dev.csv, test.csv"),
        "{error}"
    );
}

#[test]
fn adjacency_lists() {
    let log = of(&[
        ("buy/train.txt", "0\t7\t2\n1\t3\n"),
        ("buy/test.txt", "0\t5\n"),
        ("view/train.txt", "0\t5\n2\n"),
        ("view/test.txt", "0\t7\n"),
        ("dict/count.txt", "{}"),
    ]);
    assert_eq!(log.behaviors, ["view", "buy"]);
    assert_eq!(
        events(&log),
        ["0 7 buy", "0 2 buy", "1 3 buy", "0 5 buy", "0 5 view"]
    );
    let given = log.given.unwrap();
    assert_eq!(given.iter().filter(|&&g| g == GivenSubset::Test).count(), 1);
    assert_eq!(log.users.names(), ["0", "1"]);
    let notes = &log.report.notes;
    assert!(
        notes
            .iter()
            .any(|n| n.starts_with("view/test.txt left out: only buy")),
        "{notes:?}"
    );
    assert!(
        notes.iter().any(|n| n.contains("1 users have no item")),
        "{notes:?}"
    );

    let log = of(&[
        ("train.txt", "0 7 2 \n1 3\n"),
        ("test.txt", "0 5\n"),
        ("cart.txt", "1 7\n"),
        ("item_list.txt", "org_id remap_id\n"),
    ]);
    assert_eq!(log.behaviors, ["cart", "buy"]);
    assert_eq!(
        events(&log),
        ["0 7 buy", "0 2 buy", "1 3 buy", "0 5 buy", "1 7 cart"]
    );
    let log = of(&[("train.txt", "0 7 2\n"), ("test.txt", "0 5\n")]);
    assert_eq!(log.behaviors, ["interaction"]);
    assert_eq!(log.target_behavior, 0);

    let options = ReadOptions {
        format: Some("adjacency".parse().unwrap()),
        ..ReadOptions::default()
    };
    let log = try_read(&[("lists.txt", "a b c\n")], &options).unwrap();
    assert_eq!(
        (events(&log), log.given),
        (vec!["a b".into(), "a c".into()], None)
    );
}

#[test]
fn amazon_reviews() {
    let line = "{\"reviewerID\": \"A2\", \"asin\": \"138\", \"helpful\": [0, 0], \"reviewText\": \"Not \
                \\\"much\\\"\", \"overall\": 5.0, \"unixReviewTime\": 1393545600}\n";
    let log = of(&[("Music_5.json", line)]);
    assert_eq!(log.report.format, "Amazon reviews");
    assert_eq!(events(&log), ["A2 138 5 1393545600"]);
    assert_eq!(log.name, "set");
}

#[test]
fn tables() {
    let log = of(&[("a.tsv", "item\tuser\tscore\nx\tu\t2.5\n")]);
    assert_eq!(events(&log), ["u x 2.5"]);
    let log = of(&[(
        "a.csv",
        "\u{feff}customer_id;product_id;date\n1;\"a;b\";2001-02-03\n",
    )]);
    assert_eq!(events(&log), ["1 a;b 981158400"]);
    let log = of(&[(
        "log.csv",
        "visitorid,event,itemid\n1,view,7\n1,addtocart,7\n1,view,8\n",
    )]);
    assert_eq!(log.behaviors, ["view", "addtocart"]);
    let log = of(&[(
        "a.csv",
        "user,item,time\n1,2,981173106000\n1,3,981173107000\n",
    )]);
    assert_eq!(events(&log), ["1 2 981173106", "1 3 981173107"]);
    assert_eq!(
        log.report.notes,
        ["times are in milliseconds and were converted to seconds"]
    );

    let options = ReadOptions {
        columns: Columns {
            user: Some(Column::Number(1)),
            ..Columns::default()
        },
        ..ReadOptions::default()
    };
    let log = try_read(&[("a.csv", "1,2,5,100\n1,3,4,200\n")], &options).unwrap();
    assert_eq!(events(&log), ["1 2 5 100", "1 3 4 200"]);
    let options = ReadOptions {
        separator: Some('/'),
        time_unit: Some(TimeUnit::Milliseconds),
        ..ReadOptions::default()
    };
    let log = try_read(&[("a.csv", "user/item/time\n1/2/5000\n")], &options).unwrap();
    assert_eq!(events(&log), ["1 2 5"]);
}

#[test]
fn a_folder_of_tables() {
    let log = of(&[
        ("events.csv", "user,item\nu,a\nu,b\n"),
        (
            "items.csv",
            "item_id,title,mood,blurb\na,A,calm,x\nc,C,calm,y\n",
        ),
        ("truth.json", "{}"),
    ]);
    assert_eq!(events(&log), ["u a", "u b"]);
    assert_eq!((log.items.len(), title(&log, "c")), (3, "C"));
    assert_eq!(facts(&log, "mood", "a"), [("calm".into(), 1.0)]);
}

#[test]
fn titles_with_stray_quotes_do_not_refuse_a_file() {
    let text = "user\titem\nann\t\"x\" 1\nbob\t\"open\nann\t12\"\n";
    let log = of(&[("events.tsv", text)]);
    assert_eq!(events(&log), ["ann \"x\" 1", "bob \"open", "ann 12\""]);
    assert_eq!(
        log.report.notes,
        [
            "events.tsv: 2 fields begin with a quote that does not close; it was read as text (--quote \
          double refuses it)"
        ]
    );
    let strict = ReadOptions {
        quote: Some(Quote::Double),
        ..ReadOptions::default()
    };
    let error = try_read(&[("events.tsv", text)], &strict)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("events.tsv:2:8: text follows a closing quote"),
        "{error}"
    );
    // Between commas a quoted field may hold line ends; the error names the option.
    let commas = "user,item\nann,\"open\nbob,b\n";
    let error = refused(&[("events.csv", commas)]);
    assert!(
        error.contains("read the table without quoting with --quote none"),
        "{error}"
    );
    let none = ReadOptions {
        quote: Some(Quote::None),
        ..ReadOptions::default()
    };
    let log = try_read(&[("events.csv", commas)], &none).unwrap();
    assert_eq!(events(&log), ["ann \"open", "bob b"]);
    // Item metadata too: every title is read.
    let titles: String = (0..50).map(|i| format!("i{i}\t\"Title\" {i}\n")).collect();
    let items = format!("item_id\ttitle\n{titles}");
    let log = of(&[("events.csv", "user,item\nann,i7\n"), ("items.tsv", &items)]);
    assert_eq!(title(&log, "i7"), "\"Title\" 7");
}

#[test]
fn headers_of_shops_are_guessed_and_unused_columns_named() {
    let text = "purchased_at,client_id,sku,price,qty,channel\n2001-02-03,ann,x,9.5,2,web\n";
    let log = of(&[("sales.csv", text)]);
    assert_eq!(events(&log), ["ann x 2 981158400"]);
    assert_eq!(log.report.unused_columns, ["price", "channel"]);
    let columns: Vec<String> = log
        .report
        .columns
        .iter()
        .map(|c| format!("{}={}", c.meaning, c.name))
        .collect();
    assert_eq!(
        columns,
        [
            "user=client_id",
            "item=sku",
            "value=qty",
            "time=purchased_at"
        ]
    );
    let json = "{\"buyer\": \"ann\", \"article\": 7, \"quantity\": 3, \"shop\": 1}\n";
    let log = of(&[("sales.jsonl", json)]);
    assert_eq!(events(&log), ["ann 7 3"]);
    assert_eq!(log.report.unused_columns, ["shop"]);
    // A guessed column that cannot be read does not refuse the file; a sure one does.
    let retail = "InvoiceDate,StockCode,Quantity,CustomerID\n12/1/2010 8:26,x,6,ann\n";
    let log = of(&[("retail.csv", retail)]);
    assert_eq!(events(&log), ["ann x 6"]);
    assert_eq!(
        log.report.notes,
        [
            "column 'InvoiceDate' was not read as the time: its first value is '12/1/2010 8:26'; name a \
          column with --time-column"
        ]
    );
    assert!(
        refused(&[("a.csv", "user,item,timestamp\nann,x,12/1/2010\n")])
            .contains("the time must be")
    );
    // Names that may be titles are not ids of item metadata.
    let items = "product_id,product,colour\nx,Lamp,red\n";
    let log = of(&[("events.csv", "user,item\nann,x\n"), ("items.csv", items)]);
    assert_eq!(facts(&log, "colour", "x"), [("red".to_owned(), 1.0)]);
}

#[test]
fn columns_of_fixed_formats_are_refused_or_honored() {
    let named = |user: &str| ReadOptions {
        columns: Columns {
            user: Some(Column::Name(user.into())),
            ..Columns::default()
        },
        ..ReadOptions::default()
    };
    let error = try_read(&[("ratings.dat", "1::2::5::978300760\n")], &named("x"));
    assert_eq!(
        error.unwrap_err().to_string(),
        "--user-column does not apply: the format movielens-dat has fixed columns; leave it out, or read \
         the file as a table with --data-format table"
    );
    let separator = ReadOptions {
        separator: Some(';'),
        ..ReadOptions::default()
    };
    let error = try_read(&[("u.data", "1\t2\t5\t978300760\n")], &separator).unwrap_err();
    assert!(
        error.to_string().starts_with("--separator does not apply"),
        "{error}"
    );
    let csv = "userId,movieId,rating,timestamp,household\n1,2,5,978300760,h9\n";
    let log = try_read(&[("ratings.csv", csv)], &named("household")).unwrap();
    assert_eq!(events(&log), ["h9 2 5 978300760"]);
}

/// Writes files into a folder of their own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn a_file_of_each_subset_and_of_each_behavior() {
    let dir = folder(&[
        ("train.csv", "user,item\nann,x\nbob,y\n"),
        ("test.tsv", "user\titem\nann\ty\n"),
        ("views.jsonl", "{\"user\": \"ann\", \"item\": \"z\"}\n"),
    ]);
    let file = |name: &str, behavior: Option<&str>, subset| EventFile {
        path: dir.path().join(name),
        behavior: behavior.map(str::to_owned),
        subset,
    };
    let (train, test) = (GivenSubset::Train, GivenSubset::Test);
    let options = |files: Vec<EventFile>| ReadOptions {
        files,
        ..ReadOptions::default()
    };
    let split = vec![
        file("train.csv", None, Some(train)),
        file("test.tsv", None, Some(test)),
    ];
    let log = read(dir.path(), &options(split.clone())).unwrap();
    assert_eq!(log.given, Some(vec![train, train, test]));
    assert_eq!(events(&log), ["ann x", "bob y", "ann y"]);
    let path = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(log.report.files, [path("train.csv"), path("test.tsv")]);

    let behaviors = vec![
        file("train.csv", Some("buy"), None),
        file("views.jsonl", Some("view"), None),
    ];
    let log = read(dir.path(), &options(behaviors)).unwrap();
    assert_eq!(log.behaviors, ["view", "buy"]);
    assert_eq!(events(&log), ["ann x buy", "bob y buy", "ann z view"]);

    // Both: the files of the split are of the target behavior.
    let mut both = options(split);
    both.files.push(file("views.jsonl", Some("view"), None));
    let error = read(dir.path(), &both).unwrap_err().to_string();
    assert!(error.contains("name it with --target-behavior"), "{error}");
    both.target_behavior = Some("buy".to_owned());
    let log = read(dir.path(), &both).unwrap();
    assert_eq!(
        events(&log),
        ["ann x buy", "bob y buy", "ann y buy", "ann z view"]
    );
    assert_eq!(log.given, Some(vec![train, train, test, train]));

    let missing = read(
        dir.path(),
        &options(vec![file("tset.tsv", None, Some(test))]),
    );
    let error = missing.unwrap_err().to_string();
    assert!(error.ends_with("did you mean 'test.tsv'?"), "{error}");
}

#[test]
fn tags_by_id_get_their_names() {
    let names = "tagID\ttagValue\n1\tNoir\n2\tspace\n";
    let dir = folder(&[
        ("tags.dat", names),
        (
            "user_taggedmovies.dat",
            "userID\tmovieID\ttagID\n9\t7\t1\n9\t7\t2\n8\t7\t1\n",
        ),
        ("movie_tags.dat", "movieID\ttagID\ttagWeight\n7\t2\t5\n"),
    ]);
    let read_with = |paths: &[&str]| {
        let metadata = paths
            .iter()
            .map(|path| MetadataSource {
                path: dir.path().join(path),
                column: None,
            })
            .collect();
        let options = ReadOptions {
            metadata,
            ..ReadOptions::default()
        };
        try_read(&[("events.csv", "user,item\nann,7\n")], &options).unwrap()
    };
    let tag = |name: &str, n: f32| (name.to_owned(), n);
    // The table of names is found beside the file, or given in any order.
    let log = read_with(&["user_taggedmovies.dat"]);
    assert_eq!(
        facts(&log, "tag", "7"),
        [tag("noir", 2.0), tag("space", 1.0)]
    );
    let log = read_with(&["movie_tags.dat", "tags.dat"]);
    assert_eq!(facts(&log, "tag", "7"), [tag("space", 5.0)]);
    std::fs::remove_file(dir.path().join("tags.dat")).unwrap();
    let log = read_with(&["movie_tags.dat"]);
    assert_eq!(facts(&log, "tag", "7"), [tag("2", 5.0)]);
    assert!(
        log.report
            .notes
            .iter()
            .any(|n| n.contains("tags are ids without names")),
        "{:?}",
        log.report.notes
    );
}

#[test]
fn refusals_name_place_rule_and_mend() {
    let hint = "fix the line, or skip malformed lines with --on-error skip";
    for (name, text, expected) in [
        (
            "ratings.dat",
            "1::2::5::978300760\n1::2::5\n",
            "ratings.dat:2:8: expected user, item, rating and time split by '::', found 3 fields",
        ),
        (
            "u.data",
            "1\t2\t5\t978300760\textra\n",
            "u.data:1:17: expected user, item, rating and time split by tabs, found 5 fields",
        ),
        (
            "u.data",
            "1\t2\tNaN\t978300760\n",
            "u.data:1:5: the value must be a finite number, but is 'NaN'",
        ),
        (
            "u.data",
            "1\t2\t5\t-4\n",
            "u.data:1:7: the time -4 is before 1970",
        ),
        ("u.data", "1\t\t5\t4\n", "u.data:1:3: the item id is empty"),
        (
            "a.csv",
            "user,item\n1,2\n1\n",
            "a.csv:3:2: expected 2 fields, found 1",
        ),
        (
            "a.csv",
            "user,item\n1,2,3\n",
            "a.csv:2:5: expected 2 fields, found 3",
        ),
        (
            "a.csv",
            "user,item\n1,2000-01-01,\n",
            "a.csv:2:14: expected 2 fields, found 3",
        ),
        (
            "a.csv",
            "user,item\n1,\"2\n3,4\n",
            "a.csv:2:3: the quote that opens here does not close within 1000 lines; close it",
        ),
        (
            "a.csv",
            "user,item,time\n1,2,4102444800\n1,2,7\n",
            "a.csv:3:5: the time 7 looks like seconds",
        ),
        (
            "a.csv",
            "a,b\n1,2\n",
            "a.csv: no column of user ids among: a, b; name it with --user-column",
        ),
        (
            "a.csv",
            "user,item\n",
            "set: holds no events; choose a file",
        ),
        ("a.csv", "", "set: holds no events; choose a file"),
    ] {
        let error = refused(&[(name, text)]);
        assert!(error.starts_with(expected), "{error}\nexpected {expected}");
        let has_hint = error.contains("; ");
        assert!(has_hint, "{error}");
    }
    let error = refused(&[("u.data", "1\t2\tx\t4\n")]);
    assert!(error.ends_with(hint), "{error}");
    let bytes: [(&str, &[u8]); 1] = [("a.csv", b"user,item\nu,caf\xe9\n")];
    let error = read_bytes("set", &bytes, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("a.csv:2:6: the byte 0xe9 is not UTF-8; convert"),
        "{error}"
    );
}

#[test]
fn places_are_those_of_the_unpacked_text() {
    use std::io::Write;
    let mut text = String::from("user,item,rating\n");
    for i in 0..5000 {
        text += &format!("{i},{i},3\n");
    }
    text += "7,8,bad\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let zst = zstd::encode_all(text.as_bytes(), 3).unwrap();
    for (name, bytes) in [("a.csv.gz", &gz), ("a.csv.zst", &zst)] {
        let read = |bytes: &[u8]| {
            read_bytes("set", &[(name, bytes)], &ReadOptions::default())
                .unwrap_err()
                .to_string()
        };
        let error = read(bytes);
        assert!(
            error.starts_with(&format!("{name}:5002:5: the value")),
            "{error}"
        );
        let error = read(&bytes[..bytes.len() / 2]);
        assert!(error.contains("cannot be unpacked or read"), "{error}");
    }
}

#[test]
fn bad_lines_can_be_skipped_and_are_counted() {
    let options = ReadOptions {
        on_error: OnError::Skip,
        ..ReadOptions::default()
    };
    let text = "user,item,rating\n1,2,3\n1,3\n1,4,x\n1,5,inf\n,6,1\n1,\"7,2\n1,8,1\n";
    let log = try_read(&[("a.csv", text)], &options).unwrap();
    assert_eq!(events(&log), ["1 2 3", "1 8 1"]);
    let expected = [
        ("bad value", 2),
        ("empty id", 1),
        ("missing field", 1),
        ("open quote", 1),
    ];
    let skipped: Vec<(&str, usize)> = log
        .report
        .skipped
        .iter()
        .map(|(r, n)| (r.as_str(), *n))
        .collect();
    assert_eq!(skipped, expected);
    assert_eq!(log.report.rows, 2);
}

#[test]
fn unknown_folders_list_what_was_found_and_tried() {
    let error = refused(&[("a.xyz", "1"), ("b.xyz", "2")]);
    assert_eq!(
        error,
        "set: unknown format; found a.xyz, b.xyz; tried movielens-100k, movielens-dat, \
         movielens-csv, recbole, rechorus, netflix, dicts, adjacency, amazon, jsonl, parquet, table; name \
         the file with the events, and its format with --data-format"
    );
    let error = refused(&[("a.csv", "1"), ("b.csv", "2")]);
    assert!(error.contains("found a.csv, b.csv"), "{error}");
    let error = refused(&[("movies.dat", "1::a::b"), ("tags.dat", "1::2::x::1")]);
    assert!(
        error.contains("holds item metadata (movies.dat, tags.dat) but no events"),
        "{error}"
    );
    let options = ReadOptions {
        given: Some("u1".into()),
        ..ReadOptions::default()
    };
    let error = try_read(&[("a.csv", "user,item\n1,2\n")], &options).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Option {
                option: "--given",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn metadata_is_joined_by_item_id() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let events_file = write("log.csv", "user,item\nu,a\nu,b\n");
    let join = |path: &std::path::Path, column: Option<&str>| {
        let options = ReadOptions {
            metadata: vec![MetadataSource {
                path: path.to_path_buf(),
                column: column.map(str::to_owned),
            }],
            ..ReadOptions::default()
        };
        read(&events_file, &options)
    };
    let csv = write(
        "facts.csv",
        "asin,title,categories\na,A (1999),x|y\nz,Z,x\nz2,Z,x\n",
    );
    let log = join(&csv, None).unwrap();
    assert_eq!(log.items.len(), 2);
    assert_eq!((title(&log, "a"), title(&log, "b")), ("A (1999)", ""));
    assert_eq!(facts(&log, "category", "a").len(), 2);
    assert!(log.report.notes[0].ends_with("facts.csv: 2 ids are not in the data and were ignored"));

    let json = write(
        "meta.jsonl",
        "{\"asin\": \"b\", \"title\": \"B\", \"category\": [[\"x\", \"y\"], [\"x\"]], \"brand\": \"M\"}\n",
    );
    let log = join(&json, None).unwrap();
    assert_eq!(facts(&log, "category", "b").len(), 2);
    assert_eq!(facts(&log, "maker", "b"), [("M".into(), 1.0)]);

    let plain = write("plain.csv", "id,genre\nb,War\n");
    assert_eq!(facts(&join(&plain, None).unwrap(), "genre", "b").len(), 1);
    let odd = write("odd.csv", "key,genre\nb,War\n");
    assert!(
        join(&odd, None)
            .unwrap_err()
            .to_string()
            .contains("no column of item ids")
    );
    assert_eq!(
        facts(&join(&odd, Some("key")).unwrap(), "genre", "b").len(),
        1
    );
    let other = write("strange.csv", "item,genre\nq,War\n");
    let error = join(&other, None).unwrap_err().to_string();
    assert!(
        error.contains("matches none of the items of the data (1 other ids)"),
        "{error}"
    );
    let extra = write(
        "movies_extrainfos.dat",
        "a::Alien::1979::R::25 May 1979::Horror, Sci-Fi::Ridley Scott::Dan O'Bannon::Sigourney Weaver, \
         Tom Skerritt::In space: no::N/A\n",
    );
    let log = join(&extra, None).unwrap();
    assert_eq!(title(&log, "a"), "Alien (1979)");
    assert_eq!(facts(&log, "actor", "a").len(), 2);
    assert_eq!(facts(&log, "maker", "a"), [("Ridley Scott".into(), 1.0)]);
    let log = join(dir.path(), None);
    assert!(log.is_ok(), "{log:?}");
}

#[test]
fn item_indices_do_not_depend_on_the_order_of_lines() {
    let a = of(&[("a.csv", "user,item\nu,a\nv,b\nu,c\n")]);
    let b = of(&[("a.csv", "user,item\nv,b\nu,a\nu,c\n")]);
    assert_eq!(a.items, b.items);
    assert_eq!(a.hash(), b.hash());
    assert_ne!(a.users, b.users);
}

#[test]
fn wrong_columns_are_refused_with_a_suggestion() {
    let refused = |columns: Columns| {
        let options = ReadOptions {
            columns,
            ..ReadOptions::default()
        };
        let files = [("a.csv", "customer,item,stars\n1,2,3\n")];
        try_read(&files, &options).unwrap_err().to_string()
    };
    let name = |name: &str| Some(Column::Name(name.into()));
    assert_eq!(
        refused(Columns {
            user: name("custmer"),
            ..Columns::default()
        }),
        "--user-column 'custmer' is not a column of the table; did you mean 'customer'?"
    );
    assert_eq!(
        refused(Columns {
            value: name("price"),
            ..Columns::default()
        }),
        "--value-column 'price' is not a column of the table; choose from customer, item, stars"
    );
    for n in [0, 4] {
        let error = refused(Columns {
            user: name("customer"),
            value: Some(Column::Number(n)),
            ..Columns::default()
        });
        assert_eq!(
            error,
            format!("--value-column must be one of 1 to 3, but is {n}; columns are counted from 1")
        );
        let by_number = refused(Columns {
            user: Some(Column::Number(1)),
            value: Some(Column::Number(n)),
            ..Columns::default()
        });
        assert!(by_number.contains("must be one of 1 to 3"), "{by_number}");
    }
}

/// The four layouts in which data sets of several behaviors are published hold the same events here.
#[test]
fn the_layouts_of_several_behaviors() {
    let mb_cgcn: [(&str, &[u8]); 4] = [
        ("view/train.txt", b"1\t2\t3\n2\t3\n"),
        ("view/test.txt", b"1\t4\n"),
        ("buy/train.txt", b"1\t2\n2\t3\n"),
        ("buy/test.txt", b"1\t3\n2\t2\n"),
    ];
    let mbssl: [(&str, &[u8]); 3] = [
        ("pv.txt", b"1 2 3\n2 3\n"),
        ("train.txt", b"1 2\n2 3\n"),
        ("test.txt", b"1 3\n2 2\n"),
    ];
    let mbgcn: [(&str, &[u8]); 4] = [
        ("data_size.txt", b"2 4\n"),
        ("click.txt", b"1 2\n1 3\n2 3\n"),
        ("train.txt", b"1 2\n2 3\n"),
        ("test.txt", b"1 3\n2 2\n"),
    ];
    let crgcn: [(&str, &[u8]); 7] = [
        ("count.txt", b"{\"user\": 2, \"item\": 4}"),
        ("click_dict.txt", b"{\"1\": [2, 3, 0], \"2\": [3]}"),
        ("buy_dict.txt", b"{\"1\": [2], \"2\": [3]}"),
        ("all_dict.txt", b"{\"1\": [2, 3], \"2\": [3]}"),
        ("buy.txt", b"1 2\n2 3\n"),
        ("validation_dict.txt", b"{\"1\": [3], \"2\": [2]}"),
        ("test_dict.txt", b"{\"1\": [3], \"2\": [2]}"),
    ];
    let sets: [&[(&str, &[u8])]; 4] = [&mb_cgcn, &mbssl, &mbgcn, &crgcn];
    for files in sets {
        let log = read_bytes("shop", files, &ReadOptions::default()).unwrap();
        let name = files[0].0;
        assert_eq!(
            log.behaviors.last().map(String::as_str),
            Some("buy"),
            "{name}"
        );
        assert_eq!(log.behaviors.len(), 2, "{name}");
        let chains = log.describe_chains().unwrap();
        assert_eq!(chains.by_conversion[0].pairs, 3, "{name}");
        assert_eq!(chains.by_conversion[0].converted, 2, "{name}");
        let held_out = chains.held_out.unwrap();
        assert_eq!((held_out.pairs, held_out.with_pattern), (2, 1), "{name}");
    }
    let log = read_bytes("shop", &crgcn, &ReadOptions::default()).unwrap();
    let notes = log.report.notes.join("; ");
    assert!(notes.contains("it equals test_dict.txt"), "{notes}");
    assert!(notes.contains("1 items 0 are padding"), "{notes}");
    let broken: [(&str, &[u8]); 2] = [("buy_dict.txt", b"{\"1\": 2}"), ("test_dict.txt", b"{}")];
    let error = read_bytes("shop", &broken, &ReadOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("buy_dict.txt:1:"), "{error}");
}

/// Texts of Amazon's and Yelp's form and of a table, by user and item of the catalogue.
#[test]
fn texts_are_read_beside_events() {
    use limpid_data::sources::Texts;

    let amazon = "{\"reviewerID\": \"ann\", \"asin\": \"b1\", \"overall\": 5.0, \"summary\": \"good\", \"reviewText\": \
                  \"Clear sound.\", \"unixReviewTime\": 1393545600}\n\
                  {\"reviewerID\": \"bob\", \"asin\": \"b1\", \"overall\": 2.0, \"summary\": \"\", \"reviewText\": \
                  \"Broke.\", \"unixReviewTime\": 1393545601}\n";
    let yelp = "{\"user_id\": \"ann\", \"business_id\": \"b1\", \"stars\": 5.0, \"text\": \"Great tacos\", \"date\": \
                \"2014-02-28 10:00:00\"}\n";
    let table = "user_id\titem_id\trating\tremark\nann\tb1\t4\tIt, works\nbob\tb1\t1\t\n";
    let read = |name: &str, content: &str, columns: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let options = ReadOptions::default();
        let log = limpid_data::read(&path, &options).unwrap();
        let split = limpid_data::split::split(&log, &"none".parse().unwrap()).unwrap();
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let texts = Texts::read(
            &path,
            &options,
            &log.report.columns,
            &columns,
            &split.catalogue,
        )?;
        let training = texts.of_training(&split.train);
        let all = training.iter().map(|t| {
            let user = split.catalogue.users.name(t.user.0);
            format!("{user}: {}", t.text)
        });
        Ok::<_, limpid_data::Error>(all.collect::<Vec<_>>())
    };
    let found = read("reviews.jsonl", amazon, &[]).unwrap();
    assert_eq!(found, ["ann: good\nClear sound.", "bob: Broke."]);
    let found = read("reviews.jsonl", amazon, &["reviewText"]).unwrap();
    assert_eq!(found, ["ann: Clear sound.", "bob: Broke."]);
    assert_eq!(read("yelp.jsonl", yelp, &[]).unwrap(), ["ann: Great tacos"]);
    assert_eq!(
        read("table.tsv", table, &["remark"]).unwrap(),
        ["ann: It, works"]
    );
    let none = read("table.tsv", table, &[]).unwrap_err().to_string();
    assert!(none.contains("user_id, item_id, rating, remark"), "{none}");
    let near = read("table.tsv", table, &["remarks"])
        .unwrap_err()
        .to_string();
    assert!(near.contains("remark"), "{near}");
}

/// Records of which the events were skipped have no texts; where none may be skipped, a fault of the file is not taken for
/// data without texts.
#[test]
fn faults_of_texts_differ_from_data_without_texts() {
    use limpid_data::Error;
    use limpid_data::sources::{OnError, Texts};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let table = b"user_id,item_id,rating,text\nann,b1,4,good\nbob,b\xff1,3,odd\ncid,b1,2,late\n";
    std::fs::write(&path, table).unwrap();
    let skip = ReadOptions {
        on_error: OnError::Skip,
        ..ReadOptions::default()
    };
    let log = limpid_data::read(&path, &skip).unwrap();
    let split = limpid_data::split::split(&log, &"none".parse().unwrap()).unwrap();
    let read = |path: &std::path::Path, options: &ReadOptions, columns: &[String]| {
        let columns = columns.to_vec();
        Texts::read(
            path,
            options,
            &log.report.columns,
            &columns,
            &split.catalogue,
        )
    };
    assert_eq!(read(&path, &skip, &[]).unwrap().len(), 2);
    let fault = read(&path, &ReadOptions::default(), &[]).unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("table.csv:3:6: the byte 0xff is not UTF-8"),
        "{fault}"
    );
    let unknown = read(&path, &skip, &["txt".to_owned()]).unwrap_err();
    assert!(matches!(unknown, Error::Unknown { .. }), "{unknown}");

    // A quote that does not close is text between tabs, for texts as for events.
    let tabs = folder.path().join("table.tsv");
    let table = "user_id\titem_id\trating\ttext\nann\tb1\t4\t\"good\ncid\tb1\t2\tlate\n";
    std::fs::write(&tabs, table).unwrap();
    let texts = read(&tabs, &ReadOptions::default(), &[]).unwrap();
    let of = |user: &str| {
        let user = split.catalogue.users.get(user).unwrap();
        texts.get(limpid_core::UserIdx(user), limpid_core::ItemIdx(0))
    };
    assert_eq!((of("ann"), of("cid")), (Some("\"good"), Some("late")));

    // Data without texts that can be read.
    let named = ReadOptions {
        files: vec![format!("view={}", path.display()).parse().unwrap()],
        ..ReadOptions::default()
    };
    for (path, options, expected) in [
        (folder.path(), &named, "one by one"),
        ("synthetic".as_ref(), &skip, "generated"),
    ] {
        let none = read(path, options, &[]).unwrap_err();
        assert!(matches!(none, Error::Option { .. }), "{none}");
        assert!(none.to_string().contains(expected), "{none}");
    }
}
