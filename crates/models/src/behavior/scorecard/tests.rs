use limpid_core::{Catalogue, Edits, Histories, Ids, OwnedHistory, Recommender, Units};

use super::*;

const USERS: u32 = 80;
const ITEMS: u32 = 30;

/// Users view some items of their own third, cart some of these, and buy half of what they cart.
fn shop() -> (Histories, Catalogue) {
    let rows: Vec<OwnedHistory> = (0..USERS)
        .map(|u| {
            let mut events = Vec::new();
            let mut add = |item: u32, behavior: u8| {
                events.push(Event {
                    behavior,
                    ..Event::of(ItemIdx(item))
                });
            };
            for k in 0..10 {
                let item = 3 * k + u % 3;
                let percent = |what: u64| {
                    let key = u64::from(u) << 32 | u64::from(k) << 8 | what;
                    limpid_core::hash::mix(key) % 100
                };
                let viewed = percent(0) < 60;
                let carted = percent(1) < if viewed { 40 } else { 5 };
                let bought = percent(2) < if carted { 50 } else { 8 };
                for (behavior, has) in [viewed, carted, bought].into_iter().enumerate() {
                    if has {
                        add(item, behavior as u8);
                    }
                }
            }
            OwnedHistory::of_events(Some(limpid_core::UserIdx(u)), events)
        })
        .collect();
    let rows = Histories::from_histories(rows.iter().map(OwnedHistory::view), ITEMS as usize);
    let names = (0..ITEMS).map(|i| format!("item {i}")).collect();
    let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
    catalogue.behaviors = ["view", "cart", "buy"].map(String::from).to_vec();
    catalogue.target_behavior = 2;
    (rows.unwrap(), catalogue)
}

fn fitted(config: &Config) -> (Model, Histories, Catalogue) {
    let (histories, catalogue) = shop();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let model = config.fit(&data, &mut Run::seeded(3)).unwrap();
    (model, histories, catalogue)
}

/// Carted pairs are bought far more often than viewed ones, and the points say so.
#[test]
fn patterns_have_their_points() {
    let (model, histories, catalogue) = fitted(&Config::default());
    let scores = model.score(&histories);
    let (mut carted, mut viewed, mut untouched) = (Vec::new(), Vec::new(), Vec::new());
    for (u, row) in histories.rows().enumerate() {
        let chain = model.facts.behaviors.chain(row, ITEMS as usize);
        for item in 0..ITEMS {
            let set = chain.iter().find(|e| e.0 == item).map_or(0, |e| e.1);
            let score = scores[[u, item as usize]];
            match set {
                0b011 => carted.push(score),
                0b001 => viewed.push(score),
                0 => untouched.push(score),
                _ => {}
            }
        }
    }
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
    assert!(
        mean(&carted) > mean(&viewed) + 0.5,
        "{} {}",
        mean(&carted),
        mean(&viewed)
    );
    assert!(
        mean(&viewed) > mean(&untouched),
        "{} {}",
        mean(&viewed),
        mean(&untouched)
    );
    let resolve = |text: &str| model.resolve(text, &catalogue);
    assert_eq!(
        resolve("pattern:cart+view").unwrap(),
        resolve("pattern:view+cart").unwrap()
    );
    assert!(resolve("habits").is_ok());
    let error = resolve("pattern:veiw").unwrap_err().to_string();
    assert!(error.contains("did you mean 'view'"), "{error}");
}

/// Ledgers of open, bought and untouched pairs add up to the score, with and without edits; a muted pattern
/// makes the pair untouched.
#[test]
fn ledgers_add_up_for_every_pair_and_edit() {
    let (model, histories, catalogue) = fitted(&Config::default());
    let users = histories.slice(0, 12);
    let unit = |text: &str| model.members(model.resolve(text, &catalogue).unwrap())[0] as u32;
    let view_and_cart = unit("pattern:view+cart");
    let edits = [
        None,
        Some(view_and_cart),
        Some(unit("habits")),
        Some(unit("link:item 3@view")),
    ];
    for edit in edits {
        let active = model.activate(&users);
        let rows: Vec<Vec<(u32, f32)>> = (0..users.len())
            .map(|u| {
                let (columns, values) = active.row(u);
                let value = |(&k, &v): (&u32, &f32)| (k, if Some(k) == edit { 0.0 } else { v });
                columns.iter().zip(values).map(value).collect()
            })
            .collect();
        let edited = Csr::from_rows(rows.clone(), model.len()).unwrap();
        let scores = model.score_activations(&users, &edited);
        for (u, row) in users.rows().enumerate() {
            for item in (0..ITEMS).map(ItemIdx) {
                let ledger = model.ledger(row, &rows[u], item, limpid_core::Detail::Raw);
                let error = (ledger.score - scores[[u, item.at()]]).abs();
                assert!(
                    error <= 1e-5 * ledger.size() as f32,
                    "{edit:?} {u} {item:?}: {error}"
                );
                assert!(ledger.adds_up(1e-5));
                assert!(
                    edit != Some(view_and_cart)
                        || ledger.parts.iter().all(|p| {
                            p.unit != model.resolve("pattern:view+cart", &catalogue).unwrap()
                        })
                );
            }
        }
    }
    assert!(Edits::parse(&["pattern:view+cart=off", "link:item 3@view=off"]).is_ok());
}

/// Keeps warnings.
#[derive(Default)]
struct Warnings(std::sync::Mutex<Vec<String>>);

impl Progress for Warnings {
    fn start(&self, _: &str, _: u64) {}

    fn step(&self, _: u64) {}

    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Warnings {
    fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Points fitted without evidence rank open pairs last, because none was bought.
#[test]
fn stripped_points_rank_untouched_items_first() {
    let config = Config {
        evidence: Evidence::Stripped,
        ..Config::default()
    };
    let (model, histories, _) = fitted(&config);
    let scores = model.score(&histories);
    let chain = model
        .facts
        .behaviors
        .chain(histories.row(1), ITEMS as usize);
    let best = |keep: &dyn Fn(u8) -> bool| {
        let set = |i: u32| chain.iter().find(|e| e.0 == i).map_or(0, |e| e.1);
        let items = (0..ITEMS).filter(|&i| keep(set(i)));
        items
            .map(|i| scores[[1, i as usize]])
            .fold(f32::NEG_INFINITY, f32::max)
    };
    assert!(best(&|set| set == 0) > best(&|set| model.facts.behaviors.open(set).is_some()));
}

/// What is known of the split decides without a validation set.
#[test]
fn a_split_without_evidence_has_points_without() {
    let (histories, catalogue) = shop();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let config = |evidence| Config {
        evidence,
        ..Config::default()
    };
    let warnings = Warnings::default();
    let fit = |evidence, stripped| {
        let mut run = Run {
            stripped,
            progress: &warnings,
            ..Run::seeded(3)
        };
        config(evidence).fit(&data, &mut run).unwrap()
    };
    let (kept, stripped) = (fit(Evidence::Kept, true), fit(Evidence::Stripped, false));
    assert_ne!(kept, stripped);
    assert!(warnings.texts().is_empty());
    assert_eq!(fit(Evidence::Auto, true), stripped);
    assert_eq!(
        warnings.texts(),
        [
            "the held-out items of this split have no events before the target: points are fitted without such \
             events (evidence=stripped)"
        ]
    );
    assert_eq!(fit(Evidence::Auto, false), kept);
}

/// The hidden item is the chosen row; rows of untouched items stand for all of them.
#[test]
fn examples_stand_for_all_items() {
    let (histories, _) = shop();
    let behaviors = Behaviors::new(3, 2).unwrap();
    let chains = Chains::of(&histories, behaviors);
    let hidden = hide(&chains, 5);
    for whole in [false, true] {
        let visible = chains.without(&hidden, whole);
        let alike = facts::alike(&visible, 10).unwrap();
        let links = links(&visible, &Config::default(), &Run::seeded(0)).unwrap();
        let facts = Facts::new(&visible, &Config::default(), &alike, links);
        let sampling = Sampling { top: 3, uniform: 4 };
        let all = examples(&facts, &visible, &hidden, sampling, 1, &|s: &[f64]| {
            s.to_vec()
        });
        let users = (0..chains.len()).filter(|&u| hidden[u].is_some());
        assert_eq!(all.len(), users.clone().count());
        for (choice, u) in all.iter().zip(users) {
            let row = visible.row(u);
            let open = row.iter().filter(|e| behaviors.open(e.1).is_some()).count();
            let untouched: Vec<usize> = (open..choice.block.len()).collect();
            assert!(untouched.iter().all(|&r| choice.block[r] == 3));
            let hidden_is_open = choice.chosen < open;
            let own = row.iter().find(|e| Some(e.0) == hidden[u]);
            assert_eq!(hidden_is_open, own.is_some());
            assert!(!(whole && hidden_is_open));
            let stand_for: f32 = untouched.iter().map(|&r| choice.offset[r].exp()).sum();
            let expected = ITEMS as usize - row.len();
            assert!(
                (stand_for - expected as f32).abs() < 1e-3,
                "{stand_for} {expected}"
            );
        }
    }
}

/// With `auto`, the validation decides.
#[test]
fn the_validation_set_decides_on_the_evidence() {
    let (histories, catalogue) = shop();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let kept = Config {
        evidence: Evidence::Kept,
        ..Config::default()
    };
    let stripped = Config {
        evidence: Evidence::Stripped,
        ..Config::default()
    };
    let usual = kept.fit(&data, &mut Run::seeded(3)).unwrap();
    let other = stripped.fit(&data, &mut Run::seeded(3)).unwrap();
    let usual_scores = usual.score(&histories);
    let prefers = |usual_wins: bool| {
        let usual_scores = usual_scores.clone();
        let histories = histories.clone();
        move |model: &dyn Recommender| {
            let same = model.score(&histories) == usual_scores;
            f64::from(u8::from(same == usual_wins))
        }
    };
    for (wins, expected) in [(true, &usual), (false, &other)] {
        let monitor = prefers(wins);
        let warnings = Warnings::default();
        let mut run = Run {
            monitor: Some(&monitor),
            progress: &warnings,
            ..Run::seeded(3)
        };
        let model = Config::default().fit(&data, &mut run).unwrap();
        assert_eq!(&model, expected);
        let warning = "purchases hidden from the training set have events before them, those of the validation \
                       set do not: points fitted with such events reach 0.0000 there, points fitted without \
                       1.0000, so the latter are used (evidence=stripped)";
        let expected: &[&str] = if wins { &[] } else { &[warning] };
        assert_eq!(warnings.texts(), expected);
    }
}
