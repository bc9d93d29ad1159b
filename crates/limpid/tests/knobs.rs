//! Dictionaries over saved models: the laws of their units, their folders, names and steering.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::OnceLock;

use limpid::concepts::Board;
use limpid::core::{
    Detail, Edits, Histories, ItemIdx, NoProgress, OwnedHistory, Recommender, UnitsOf,
};
use limpid::data::synthetic;
use limpid::models::Config;
use limpid::probe::{LabelOptions, ProbeOptions};
use limpid::steering::{Amount, SteerRequest};
use limpid::{
    Advisor, Error, Filter, MeasureOptions, Prepared, SplitFrom, TrainOptions, Who, train,
};

fn base(model: &str, settings: &[&str]) -> Advisor {
    let world = synthetic::Config {
        users: 400,
        items: 120,
        items_per_user: 20,
        ..synthetic::Config::default()
    };
    let split = SplitFrom::Spec("users:80/10/10,holdout=0.2@3".parse().unwrap());
    let prepared = Prepared::synthetic(&world, &split).unwrap();
    let config = Config::named(model).unwrap().set(settings).unwrap();
    train(prepared, &config, &TrainOptions::seeded(1), &NoProgress).unwrap()
}

fn options(more: &[&str]) -> ProbeOptions {
    let settings = ["threshold=0.4", "resamples=3", "fresh=2"];
    ProbeOptions {
        settings: settings
            .iter()
            .chain(more)
            .map(|s| (*s).to_owned())
            .collect(),
        labels: LabelOptions {
            least: 16,
            ..LabelOptions::default()
        },
        ..ProbeOptions::default()
    }
}

fn probed(model: &str, settings: &[&str], more: &[&str]) -> Advisor {
    base(model, settings)
        .probe(&options(more), &NoProgress)
        .unwrap()
        .0
}

/// Knobs over eigen, named by a table of themes: the items nearest to each of five knobs, and to no other.
fn eigen() -> &'static Advisor {
    static KNOBS: OnceLock<Advisor> = OnceLock::new();
    KNOBS.get_or_init(|| {
        let mut advisor = probed("eigen", &["embedding_size=24"], &[]);
        let nearness = advisor.model.knobs().unwrap().projections();
        let mut table = "item_id,theme\n".to_owned();
        for (item, row) in nearness.rows().into_iter().enumerate() {
            let best = (0..5).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            let id = advisor.catalogue.items.name(item as u32);
            table += &format!("{id},\"{}\"\n", THEMES[best].replace('"', "\"\""));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("themes.csv");
        std::fs::write(&path, table).unwrap();
        let labels = LabelOptions {
            metadata: vec![path.to_str().unwrap().parse().unwrap()],
            columns: vec!["themes".to_owned()],
            least: 16,
        };
        advisor.label(&labels).unwrap();
        advisor
    })
}

const THEMES: [&str; 5] = [
    "Quiet Noir",
    "Space Opera",
    "Rain, \"and\" more",
    "été",
    "Western",
];

fn some_users(advisor: &Advisor) -> Histories {
    let train = &advisor.split.as_ref().unwrap().train;
    let nobody = OwnedHistory::default();
    let one = OwnedHistory::of_items(vec![ItemIdx(3)]);
    let rows = (0..12)
        .map(|u| train.row(u))
        .chain([nobody.view(), one.view()]);
    Histories::from_histories(rows, advisor.catalogue.len()).unwrap()
}

/// For every base with a linear decoder: unedited activations score as the model does, bit for bit; ledgers of
/// any activations sum to the scores of these; a batch is the same as one by one.
#[test]
fn laws_of_units() {
    for (model, settings, method) in [
        ("eigen", &["embedding_size=24"][..], "method=nmf"),
        ("eigen", &["embedding_size=24"], "method=topk"),
        ("eigen", &["embedding_size=24"], "method=batch-topk"),
        ("eigen", &["embedding_size=24"], "preset=recsae"),
        ("eigen", &["embedding_size=24"], "preset=knots"),
        ("ials", &["embedding_size=16", "epochs=3"], "method=nmf"),
        ("bcemf", &["embedding_size=16", "epochs=2"], "method=kmeans"),
    ] {
        let advisor = probed(model, settings, &["fresh=0", "epochs=5", "k=8", method]);
        let users = some_users(&advisor);
        let n_items = advisor.catalogue.len();
        let plain = advisor.model.model().score(&users);
        assert_eq!(advisor.model.score(&users), plain, "{model}");
        let units = UnitsOf::model(&advisor.model, &advisor.catalogue);
        let active = units.activate(&users);
        assert_eq!(units.score_activations(&users, &active), plain, "{model}");
        let edits = Edits::parse(&["n0=2x", "taste=off", "rest=0.5x", "n1+0.2"]).unwrap();
        let steered =
            limpid::insight::Steered::new(&advisor.model, &edits, &advisor.catalogue).unwrap();
        let scores = steered.score(&users);
        assert_ne!(scores, plain, "{model}");
        for (u, row) in users.rows().enumerate() {
            let alone = Histories::single(row, n_items);
            let one = steered.score(&alone);
            for item in (0..n_items).step_by(17) {
                let expected = scores[(u, item)];
                let size = expected.abs().max(1e-2);
                assert!((one[(0, item)] - expected).abs() < 1e-4 * size, "{model}");
                let item = ItemIdx(item as u32);
                for (ledger, score) in [
                    (advisor.model.explain(row, item), plain[(u, item.at())]),
                    (steered.explain(row, item), expected),
                    (
                        steered.ledger(row, &steered.row(row), item, Detail::Lines),
                        expected,
                    ),
                ] {
                    assert!(ledger.adds_up(1e-5), "{model}: {ledger:?}");
                    let apart = f64::from((ledger.score - score).abs());
                    assert!(
                        apart < 1e-4 * ledger.size(),
                        "{model}: {} {score}",
                        ledger.score
                    );
                }
            }
        }
        // Every unit of a ledger can be named in an edit.
        for index in 0..units.len() {
            let unit = units.unit(index);
            let id = units.info(unit, &advisor.catalogue).id;
            assert_eq!(units.resolve(&id, &advisor.catalogue).unwrap(), unit);
        }
    }
}

#[test]
fn the_same_knobs_for_any_number_of_threads() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let nmf = probed("eigen", &["embedding_size=24"], &[]);
            let kmeans = probed(
                "eigen",
                &["embedding_size=24"],
                &["method=kmeans", "fresh=0"],
            );
            [nmf, kmeans].map(|a| {
                (
                    a.model.knobs().unwrap().dictionary().clone(),
                    a.manifest.dictionary,
                )
            })
        })
    };
    let (one, three) = (with(1), with(3));
    for (a, b) in one.iter().zip(&three) {
        assert_eq!(a.0, b.0);
        let certificate =
            |m: &Option<limpid::artifact::DictionaryRecord>| m.clone().unwrap().certificate;
        assert_eq!(certificate(&a.1), certificate(&b.1));
    }
}

fn saved_pair(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (at_base, at_knobs) = (folder.join("base"), folder.join("knobs"));
    base("eigen", &["embedding_size=24"])
        .save(&at_base, true)
        .unwrap();
    let opened = Advisor::open(&at_base).unwrap();
    let (knobs, _) = opened.probe(&options(&["fresh=0"]), &NoProgress).unwrap();
    knobs.save_knobs(&at_knobs, &at_base).unwrap();
    (at_base, at_knobs)
}

/// A folder with knobs scores as before it was saved, with its base beside it or in it; it moves with its base;
/// another base is refused by name.
#[test]
fn folders_of_knobs() {
    let folder = tempfile::tempdir().unwrap();
    let (at_base, at_knobs) = saved_pair(folder.path());
    let knobs = Advisor::open(&at_knobs).unwrap();
    limpid::artifact::verify(&at_knobs).unwrap();
    let dictionary = knobs.model.knobs().unwrap().dictionary().clone();
    assert!(dictionary.knobs > 0 && dictionary.atoms.nrows() > dictionary.knobs);
    let bundle = folder.path().join("bundle");
    knobs.save(&bundle, true).unwrap();
    let edits = Edits::parse(&["n0=2x"]).unwrap();
    let user = Who::user(knobs.catalogue.users.name(0));
    let list = |a: &Advisor| a.recommend(&user, 5, &Filter::default(), &edits).unwrap();
    let expected = list(&knobs);
    let bundled = Advisor::open(&bundle).unwrap();
    assert_eq!(bundled.model, knobs.model);
    assert_eq!(list(&bundled), expected);
    // Without users, histories still work.
    let reduced = folder.path().join("reduced");
    knobs.save(&reduced, false).unwrap();
    let who = Who::Items(vec![format!("id:{}", knobs.catalogue.items.name(0))]);
    let alone = Advisor::open(&reduced).unwrap();
    assert_eq!(
        alone
            .recommend(&who, 5, &Filter::default(), &edits)
            .unwrap()
            .items
            .len(),
        5
    );
    assert!(alone.split.is_none());

    let moved = folder.path().join("elsewhere");
    std::fs::create_dir(&moved).unwrap();
    std::fs::rename(&at_base, moved.join("base")).unwrap();
    let why = Advisor::open(&at_knobs).unwrap_err().to_string();
    assert!(
        why.contains("its base is not at") && why.contains("limpid probe"),
        "{why}"
    );
    std::fs::rename(&at_knobs, moved.join("knobs")).unwrap();
    assert_eq!(
        list(&Advisor::open(&moved.join("knobs")).unwrap()),
        expected
    );
    base("eigen", &["embedding_size=20"])
        .save(&moved.join("base"), true)
        .unwrap();
    let why = Advisor::open(&moved.join("knobs")).unwrap_err().to_string();
    assert!(why.contains("its hash differs"), "{why}");
}

/// Without edits, lists are those of the base; the names of knobs can be edited, and unknown ones suggest
/// similar ones.
#[test]
fn edits_by_name() {
    let knobs = eigen();
    let board = knobs
        .concepts(&Board {
            all: true,
            ..Board::default()
        })
        .unwrap();
    assert_eq!(board.concepts.len(), board.knobs);
    assert!(board.named > 0 && board.named_by_chance.unwrap() < 0.1);
    let named = board.concepts.iter().find(|c| c.confirmed).unwrap();
    let name = named.name.clone().unwrap();
    assert!(named.confidence.unwrap() >= 0.8 && named.low < named.high);
    assert!((0.0..=1.0).contains(&named.stability.unwrap()) && named.top.len() == 5);
    let user = Who::user(knobs.catalogue.users.name(1));
    let with = |edit: &str| {
        knobs.recommend(
            &user,
            10,
            &Filter::default(),
            &Edits::parse(&[edit]).unwrap(),
        )
    };
    let list = with(&format!("'{}'~0.5", name.to_lowercase())).unwrap();
    assert!(list.items.iter().any(|i| !i.moved_by.is_empty()));
    let mut wrong = name.clone();
    wrong.pop();
    let why = with(&format!("'{wrong}'=off")).unwrap_err().to_string();
    assert!(why.contains(&name), "{why}");
    assert!(
        knobs
            .concepts(&Board {
                search: Some("no such thing".into()),
                ..Board::default()
            })
            .is_err()
    );
    let some = Board {
        search: Some(name.clone()),
        ..Board::default()
    };
    assert!(
        knobs
            .concepts(&some)
            .unwrap()
            .concepts
            .iter()
            .any(|c| c.name.as_ref() == Some(&name))
    );
}

#[test]
fn explanations_and_counterfactuals_work_on_knobs() {
    let knobs = eigen();
    let user = Who::user(knobs.catalogue.users.name(2));
    let list = knobs
        .recommend(&user, 12, &Filter::default(), &Edits::none())
        .unwrap();
    let plain = knobs.model.model();
    let rows = Histories::from_histories(
        [knobs.history(&user).unwrap().view()],
        knobs.catalogue.len(),
    );
    let best = plain
        .score(&rows.unwrap())
        .row(0)
        .iter()
        .copied()
        .fold(f32::MIN, f32::max);
    assert!(list.items[0].score <= best);
    let why = knobs
        .explain(&user, &list.items[0].item.id, &Edits::none(), false)
        .unwrap();
    assert!(why.ledger.parts.iter().any(|p| p.unit == "taste"));
    let why_not = knobs
        .why_not(
            &user,
            &list.items[11].item.id,
            10,
            &Filter::default(),
            &Edits::none(),
            Default::default(),
        )
        .unwrap();
    assert!(!why_not.counterfactuals.is_empty() || why_not.missing.is_some());
}

/// A share is met or said to be out of reach; the edits of the answer give its list again; no strength gives
/// the list of the base.
#[test]
fn steering_toward_a_genre() {
    let knobs = eigen();
    let genre = knobs.catalogue.field("genre").unwrap();
    let user = Who::user(knobs.catalogue.users.name(4));
    let steer = |toward: &str, amount: Amount| {
        let request = SteerRequest {
            toward: toward.to_owned(),
            amount,
            n: 10,
            knobs: 10,
            beyond: false,
        };
        knobs.steer(&user, &request, &Filter::default())
    };
    let mut met = 0;
    for name in genre.values.names() {
        let answer = steer(&format!("genre:{name}"), Amount::Share(0.3)).unwrap();
        let apart = (answer.share - 0.3).abs();
        assert_eq!(answer.reached.unwrap(), apart < 0.1 + 1e-9);
        met += usize::from(answer.reached.unwrap());
        assert!(answer.reached.unwrap() || answer.notes[0].contains("cannot be reached"));
        assert!(answer.knobs.iter().all(|k| k.weight > 0.0) && answer.knobs.len() <= 10);
        let edits: Vec<&str> = answer
            .list
            .edits
            .split(", ")
            .filter(|e| !e.is_empty())
            .collect();
        let again = knobs.recommend(
            &user,
            10,
            &Filter::default(),
            &Edits::parse(&edits).unwrap(),
        );
        assert_eq!(again.unwrap().items, answer.list.items);
    }
    assert!(met * 2 > genre.values.len(), "{met}");
    let plain = knobs
        .recommend(&user, 10, &Filter::default(), &Edits::none())
        .unwrap();
    let none = steer(&genre.values.names()[0], Amount::Strength(0.0)).unwrap();
    assert_eq!(none.list, plain);
    let away = steer(&genre.values.names()[0], Amount::Share(0.0)).unwrap();
    assert!(away.strength <= 0.0 && away.share <= away.share_before);
    for (toward, amount) in [
        ("Dramma", Amount::Share(0.3)),
        ("Drama", Amount::Share(1.5)),
        ("Drama", Amount::Strength(f32::NAN)),
        ("Drama", Amount::Strength(9.0)),
    ] {
        let refused = steer(toward, amount).unwrap_err();
        assert!(refused.is_usage(), "{refused}");
    }
    assert!(
        steer("Dramma", Amount::Share(0.3))
            .unwrap_err()
            .to_string()
            .contains("Drama")
    );
}

/// With what is beyond the knobs, a list moves along the mean direction of the items: knobs and the remainder are
/// units of it, its edits give it again, and ledgers sum to its scores.
#[test]
fn steering_beyond_the_knobs() {
    let knobs = eigen();
    let user = Who::user(knobs.catalogue.users.name(4));
    let steer = |toward: &str, amount: Amount| {
        let request = SteerRequest {
            toward: toward.to_owned(),
            amount,
            n: 10,
            knobs: 10,
            beyond: true,
        };
        knobs.steer(&user, &request, &Filter::default())
    };
    let genre = &knobs.catalogue.field("genre").unwrap().values.names()[0];
    let answer = steer(&format!("genre:{genre}"), Amount::Strength(0.5)).unwrap();
    let last = answer.knobs.last().unwrap();
    assert_eq!(last.unit, format!("beyond:genre:{genre}"));
    assert!(
        answer.notes[0].contains("of the direction"),
        "{:?}",
        answer.notes
    );
    let edits: Vec<&str> = answer.list.edits.split(", ").collect();
    let edits = Edits::parse(&edits).unwrap();
    let again = knobs
        .recommend(&user, 10, &Filter::default(), &edits)
        .unwrap();
    assert_eq!(again.items, answer.list.items);
    // The scores move by strength · |x| · (mean direction) · item, as they do without a dictionary.
    let probed = knobs.model.knobs().unwrap();
    let tag = knobs.tags(&[], 1).unwrap();
    let tag = tag
        .iter()
        .find(|t| t.field == "genre" && t.name == *genre)
        .unwrap();
    let items: Vec<u32> = tag.items.iter().map(|i| i.0).collect();
    let along = limpid::insight::toward::mean_direction(probed.vectors(), &items);
    let along = limpid::insight::toward::effect(probed.vectors(), &along);
    let history = knobs.history(&user).unwrap();
    let rows = Histories::from_histories([history.view()], knobs.catalogue.len()).unwrap();
    let plain = knobs.model.score(&rows);
    let length = probed
        .pursuit()
        .encode(
            &limpid::core::Recommender::latent(&knobs.model)
                .unwrap()
                .encode(&rows)
                .row(0)
                .to_vec(),
        )
        .length;
    let steered = limpid::insight::Steered::new(&knobs.model, &edits, &knobs.catalogue).unwrap();
    let scores = steered.score(&rows);
    for item in (0..knobs.catalogue.len()).step_by(7) {
        let expected = plain[(0, item)] + 0.5 * length * along[item];
        assert!(
            (scores[(0, item)] - expected).abs() < 1e-3 * length,
            "{item}"
        );
        let row = steered.row(history.view());
        let ledger = steered.ledger(history.view(), &row, ItemIdx(item as u32), Detail::Lines);
        assert!(ledger.adds_up(1e-5));
        assert!((ledger.score - scores[(0, item)]).abs() < 1e-4 * ledger.size() as f32);
    }
    assert!(steer("n0", Amount::Strength(0.5)).unwrap_err().is_usage());
    let wrong = Edits::parse(&["beyond:genre:Dramma+0.2"]).unwrap();
    let why = knobs
        .recommend(&user, 5, &Filter::default(), &wrong)
        .unwrap_err();
    assert!(why.to_string().contains("FIELD:VALUE"), "{why}");
}

/// Hostile titles and tags stay text in every picture of the board.
#[test]
fn pictures_of_the_board() {
    let pictures = eigen().board_pictures().unwrap();
    let names: Vec<&str> = pictures.iter().map(|p| p.0).collect();
    assert_eq!(names, ["map", "distributions", "tags"]);
    for (name, svg) in &pictures {
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
    }
    assert!(pictures[0].1.contains("named") && pictures[1].1.contains("confidence"));
}

#[test]
fn measurements_of_a_dictionary() {
    let options = MeasureOptions {
        concepts: true,
        steering: true,
        faithfulness: true,
        resamples: 0,
        ..MeasureOptions::default()
    };
    let measured = eigen().evaluate(&options, &NoProgress).unwrap();
    let knobs = measured.knobs.unwrap();
    assert_eq!(knobs.passing.error_preserving, 1.0);
    assert!(knobs.passing.retention > 0.8 && knobs.passing.active <= 16.0);
    let faithful = knobs.faithfulness.unwrap();
    assert!(faithful.n_users > 20 && faithful.cited > faithful.random);
    assert!(faithful.comprehensiveness > 0.0 && faithful.curve.len() == 5);
    let names = knobs.concepts.unwrap();
    assert!(names.knobs.named > names.shuffled.named);
    let steering = knobs.steering.unwrap();
    let at_95 = |method: &str| {
        let of = steering
            .methods
            .iter()
            .find(|m| m.target == "oracle" && m.method == method);
        of.unwrap_or_else(|| panic!("no {method}"))
            .segment_at_95
            .unwrap()
    };
    assert!(at_95("10 knobs by score") > at_95("random direction"));
    assert!(at_95("boosting tagged items") > at_95("random direction"));
    assert_eq!(steering.shares.len(), 15);
    // It keeps less than 95 % of the base's personal nDCG on these data, but it does steer.
    let teaser = steering.methods.iter();
    let teaser = teaser
        .filter(|m| m.target == "oracle" && m.method == "TEASER")
        .map(|m| &m.front.points);
    let teaser: Vec<_> = teaser.flatten().collect();
    assert!(teaser.last().unwrap().segment > teaser[0].segment);
    assert!(names.maps.tags > 0 && names.maps.divergence < 2f64.ln());
    let kept = &knobs.passing.kept;
    assert!(kept.iter().any(|k| k.metric.to_string() == "ndcg@10"));
}

/// The presets of the papers: sizes, starts, what stops them; in pass-through a list is that of the reconstruction.
#[test]
fn published_autoencoders_are_verified() {
    let base = base("eigen", &["embedding_size=24"]);
    let more = &[
        "preset=recsae",
        "epochs=4",
        "learning_rate=0.003",
        "fresh=0",
    ];
    let (knobs, notes) = base.probe(&options(more), &NoProgress).unwrap();
    assert!(notes.iter().all(|n| !n.contains("validation")), "{notes:?}");
    let record = knobs.manifest.dictionary.as_ref().unwrap();
    let training = record.training.clone().unwrap();
    assert!(training.epochs <= 4 && training.best_epoch >= 1);
    let probed = knobs.model.knobs().unwrap();
    assert_eq!(probed.dictionary().atoms.nrows(), 16 * 24);
    let users = some_users(&knobs);
    let latent = probed.base().latent().unwrap();
    let x = latent.encode(&users);
    let mut expressed = x.clone();
    for (u, mut row) in expressed.rows_mut().into_iter().enumerate() {
        let code = probed.pursuit().encode(&x.row(u).to_vec());
        assert!(code.active.len() <= 8);
        let decoded = probed.pursuit().decode(&code);
        row.iter_mut().zip(decoded).for_each(|(r, d)| *r = d);
    }
    let passed = probed
        .clone()
        .passing(limpid::insight::Passing::PassThrough);
    let (found, expected) = (passed.score(&users), latent.decode(&expressed));
    for (f, e) in found.iter().zip(&expected) {
        assert!((f - e).abs() < 1e-4 * e.abs().max(1e-2), "{f} {e}");
    }
    let measure = MeasureOptions {
        verification: true,
        resamples: 0,
        ..MeasureOptions::default()
    };
    let measured = knobs
        .evaluate(&measure, &NoProgress)
        .unwrap()
        .knobs
        .unwrap();
    let verified = measured.verification.unwrap();
    assert_eq!(verified.rules.len(), 3);
    assert!(verified.constructed_on > 20 && verified.verified_on > 20);
    for rule in &verified.rules {
        assert_eq!(rule.hits.by_level.len(), 11);
        assert_eq!(rule.units.with_concept + rule.units.insufficient, 16 * 24);
        assert!(rule.units.distinct <= rule.units.verified);
    }
    assert!((-1.0..=1.0).contains(&verified.likeness.intra_item));
    assert_eq!(verified.tuning.len(), 8);
    assert!(measured.passing.dead_training.is_some());
}

#[test]
fn what_cannot_be_probed_is_refused() {
    let refused = |model: &str, more: &[&str]| -> Error {
        base(model, &[])
            .probe(&options(more), &NoProgress)
            .map(|_| ())
            .unwrap_err()
    };
    assert!(
        refused("ease", &[])
            .to_string()
            .contains("no linear decoder")
    );
    let why = refused("eigen", &["treshold=0.5"]).to_string();
    assert!(why.contains("threshold"), "{why}");
    assert!(refused("eigen", &["k=0"]).is_usage());
    assert!(refused("eigen", &["quorum=9"]).is_usage());
    let why = refused("eigen", &["threshold=1"]).to_string();
    assert!(why.contains("lower 'threshold'"), "{why}");
    assert!(
        base("eigen", &[])
            .concepts(&Board::default())
            .unwrap_err()
            .is_usage()
    );
    let knobs = probed("eigen", &["embedding_size=24"], &["fresh=0"]);
    assert!(
        knobs
            .probe(&options(&[]), &NoProgress)
            .unwrap_err()
            .is_usage()
    );
}
