//! The contract of every model in the catalogue: what a user may rely on, whichever he picks.
//! A new model joins by its line in the registry.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use limpid_core::{
    Catalogue, Event, Fit, Histories, History, Ids, ItemIdx, Ledger, Mask, OwnedHistory,
    Recommender, Run, Tensors, Training, top_k,
};
use limpid_models::{Config, ENTRIES, Model};
use proptest::prelude::*;

const N_USERS: u32 = 60;
const N_ITEMS: u32 = 40;

/// Users of even number like the even items, users of odd number the odd ones; user `u` has not seen
/// item `u mod 40`'s neighbor of the same color, which is what should be recommended to him.
fn checkerboard() -> (Histories, Catalogue) {
    let rows: Vec<Vec<u32>> = (0..N_USERS)
        .map(|u| {
            (0..N_ITEMS)
                .filter(|i| i % 2 == u % 2 && *i != held_out(u))
                .collect()
        })
        .collect();
    let ids = Ids::from_names((0..N_ITEMS).map(|i| format!("item {i}")).collect()).unwrap();
    let histories = Histories::from_rows(&rows, N_ITEMS as usize).unwrap();
    let mut catalogue = Catalogue::of_items(ids);
    catalogue.train_counts = histories.item_counts();
    catalogue.n_train_users = histories.len();
    (histories, catalogue)
}

fn held_out(u: u32) -> u32 {
    u % N_ITEMS
}

fn fit(config: &Config, histories: &Histories, catalogue: &Catalogue, seed: u64) -> Model {
    let data = Training {
        histories,
        catalogue,
    };
    config.fit(&data, &mut Run::seeded(seed)).unwrap()
}

/// Every model of the catalogue with its defaults, fitted on the checkerboard.
fn all() -> Vec<(&'static str, Model, Histories, Catalogue)> {
    ENTRIES
        .iter()
        .map(|entry| {
            let (histories, catalogue) = checkerboard();
            let model = fit(
                &Config::named(entry.name).unwrap(),
                &histories,
                &catalogue,
                1,
            );
            (entry.name, model, histories, catalogue)
        })
        .collect()
}

/// A few histories nobody trained on: empty, one item, repeated items, everything, rated.
fn strangers(n_items: usize) -> Histories {
    let items = |list: &[u32]| OwnedHistory::of_items(list.iter().map(|&i| ItemIdx(i)).collect());
    let rated = OwnedHistory::of_events(
        None,
        [(3, 1.0), (8, 5.0), (4, 2.5)]
            .map(|(i, value)| Event {
                value,
                ..Event::of(ItemIdx(i))
            })
            .to_vec(),
    );
    let all: Vec<u32> = (0..n_items as u32).collect();
    let rows = [
        items(&[]),
        items(&[7]),
        items(&[2, 2, 5]),
        items(&all),
        rated,
    ];
    Histories::from_histories(rows.iter().map(OwnedHistory::view), n_items).unwrap()
}

fn close(a: f32, b: f32, size: f32) -> bool {
    (a - b).abs() <= 1e-5 * size.max(1e-3)
}

#[test]
fn recovers_the_checkerboard() {
    for (name, model, histories, catalogue) in all() {
        if name == "popularity" {
            continue; // It does not look at the user, and says so in its docs.
        }
        let scores = model.score(&histories);
        let ties = catalogue.tie_breaks(0);
        for u in 0..N_USERS {
            let mut mask = Mask::none(N_ITEMS as usize);
            mask.hide(histories.row(u as usize).items.iter().copied());
            let list = top_k(scores.row(u as usize).as_slice().unwrap(), &mask, &ties, 1);
            assert_eq!(list[0].item.0 % 2, u % 2, "{name}: user {u}");
            if u % 2 == held_out(u) % 2 {
                assert_eq!(list[0].item.0, held_out(u), "{name}: user {u}");
            }
        }
    }
}

#[test]
fn a_batch_agrees_with_one_by_one() {
    for (name, model, histories, _) in all() {
        let together = model.score(&histories);
        for u in 0..histories.len() {
            let alone = model.score(&histories.slice(u, u + 1));
            let size = together.row(u).iter().fold(0f32, |m, v| m.max(v.abs()));
            for (a, b) in together.row(u).iter().zip(alone.row(0)) {
                assert!(close(*a, *b, size), "{name}: user {u}: {a} and {b}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_scores_whatever_the_thread_count() {
    for (name, model, histories, catalogue) in all() {
        let config = Config::named(name).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let again = pool.install(|| fit(&config, &histories, &catalogue, 1));
            assert_eq!(model.score(&histories), again.score(&histories), "{name}");
        }
    }
}

#[test]
fn scores_are_finite_for_any_history() {
    for (name, model, histories, _) in all() {
        let scores = model.score(&strangers(N_ITEMS as usize));
        assert_eq!(scores.dim(), (5, N_ITEMS as usize), "{name}");
        assert!(scores.iter().all(|s| s.is_finite()), "{name}");
        let nobody = histories.slice(0, 0);
        assert_eq!(model.score(&nobody).dim(), (0, N_ITEMS as usize), "{name}");
    }
}

#[test]
fn saved_and_loaded_it_scores_the_same_bit_for_bit() {
    for (name, model, histories, _) in all() {
        let mut tensors = Tensors::new();
        model.save(&mut tensors).unwrap();
        let loaded = Model::load(model.kind(), &tensors).unwrap();
        assert_eq!(loaded, model, "{name}");
        for rows in [&histories, &strangers(N_ITEMS as usize)] {
            assert_eq!(loaded.score(rows), model.score(rows), "{name}");
        }
        assert!(
            Model::load(model.kind(), &Tensors::new()).is_err(),
            "{name}"
        );
        assert!(Model::load("model/of nobody", &tensors).is_err());
    }
}

#[test]
fn a_copy_scores_the_same() {
    for (name, model, histories, _) in all() {
        assert_eq!(
            model.clone().score(&histories),
            model.score(&histories),
            "{name}"
        );
    }
}

#[test]
fn training_on_nothing_is_no_panic() {
    for entry in ENTRIES {
        let histories = Histories::from_rows(&[vec![], vec![]], 3).unwrap();
        let names = (0..3).map(|i| i.to_string()).collect();
        let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        catalogue.n_train_users = 2;
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        if let Ok(model) = Config::named(entry.name)
            .unwrap()
            .fit(&data, &mut Run::seeded(1))
        {
            let scores = model.score(&histories);
            assert!(scores.iter().all(|s| s.is_finite()), "{}", entry.name);
        }
    }
}

fn size_of(ledger: &Ledger) -> f32 {
    ledger
        .parts
        .iter()
        .map(|p| p.value.abs())
        .sum::<f32>()
        .max(ledger.score.abs())
}

/// The ledger's law, against the score of the model and not only against itself.
fn check_ledgers(name: &str, model: &Model, histories: &Histories) {
    let explainer = model
        .explainer()
        .unwrap_or_else(|| panic!("{name} does not explain itself"));
    let scores = model.score(histories);
    for (u, row) in histories.rows().enumerate() {
        for item in 0..histories.n_items() as u32 {
            let ledger = explainer.explain(row, ItemIdx(item));
            assert!(
                ledger.adds_up(1e-5),
                "{name}: user {u}, item {item}: {ledger:?}"
            );
            let score = scores[[u, item as usize]];
            assert!(
                close(ledger.score, score, size_of(&ledger)),
                "{name}: user {u}, item {item}: ledger {} and score {score}",
                ledger.score
            );
            check_citations(name, &ledger, row);
        }
    }
}

/// What is cited stands in the history, and parts come largest first.
fn check_citations(name: &str, ledger: &Ledger, row: History<'_>) {
    for part in &ledger.parts {
        assert!(part.cites.iter().all(|e| row.contains(e.item)), "{name}");
        assert!(part.edited_by.is_none(), "{name}");
    }
    assert!(
        ledger
            .parts
            .windows(2)
            .all(|w| w[0].value.abs() >= w[1].value.abs()),
        "{name}"
    );
}

#[test]
fn ledgers_add_up_to_the_score() {
    for (name, model, histories, _) in all() {
        check_ledgers(name, &model, &histories.slice(0, 6));
        check_ledgers(name, &model, &strangers(N_ITEMS as usize));
    }
}

#[test]
fn lines_say_what_the_parts_say() {
    for (name, model, histories, _) in all() {
        let Some(additive) = model.additive() else {
            continue;
        };
        for row in histories
            .slice(0, 6)
            .rows()
            .chain(strangers(N_ITEMS as usize).rows())
        {
            let features = additive.features(row);
            for item in (0..N_ITEMS).map(ItemIdx).filter(|&i| !row.contains(i)) {
                let (parts, lines) = (
                    additive.ledger(&features, row, item),
                    additive.lines(&features, row, item),
                );
                assert!(lines.adds_up(1e-5), "{name}: {lines:?}");
                assert!(close(parts.score, lines.score, size_of(&parts)), "{name}");
                assert!(lines.parts.len() <= parts.parts.len(), "{name}");
                for line in &lines.parts {
                    if let Some(rule) = &line.rule {
                        assert!(rule.holds(|i| row.contains(i)), "{name}: {rule:?}");
                    }
                }
            }
        }
    }
}

/// The latent law, and what `Additive` promises about it.
#[test]
fn score_is_decode_of_encode_and_units_add_up() {
    for (name, model, histories, _) in all() {
        let Some(latent) = model.latent() else {
            continue;
        };
        for rows in [&histories, &strangers(N_ITEMS as usize)] {
            let z = latent.encode(rows);
            assert_eq!(latent.decode(&z), model.score(rows), "{name}");
            let Some(additive) = model.additive() else {
                continue;
            };
            assert_eq!(z.ncols(), additive.n_units(), "{name}");
            for (u, row) in rows.rows().enumerate() {
                let features = additive.features(row);
                let dense: Vec<(usize, f32)> = z
                    .row(u)
                    .iter()
                    .copied()
                    .enumerate()
                    .filter(|&(_, v)| v != 0.0)
                    .collect();
                assert_eq!(features, dense, "{name}: user {u}");
                let item = ItemIdx(u as u32 % N_ITEMS);
                let sum: f64 = features
                    .iter()
                    .map(|&(k, v)| f64::from(v) * f64::from(additive.effect(k, item)))
                    .sum::<f64>()
                    + f64::from(additive.base(item));
                let ledger = additive.ledger(&features, row, item);
                assert!(close(sum as f32, ledger.score, size_of(&ledger)), "{name}");
            }
        }
    }
}

#[test]
fn units_are_found_by_their_names() {
    for (name, model, _, catalogue) in all() {
        let Some(additive) = model.additive() else {
            continue;
        };
        for index in 0..additive.n_units() {
            let unit = additive.unit(index);
            let text = unit.text(&catalogue);
            let read = limpid_core::Unit::parse(&text, &catalogue).unwrap();
            assert_eq!(
                additive.resolve(read).unwrap(),
                vec![index],
                "{name}: {text}"
            );
        }
        assert!(
            additive.resolve(limpid_core::Unit::Neuron(0)).is_err(),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// On any data, with and without values: ledgers add up, nothing is infinite.
    #[test]
    fn any_data_is_additive(
        rows in proptest::collection::vec(
            proptest::collection::vec((0u32..12, 1u8..6), 0..9), 1..14),
        weighted in any::<bool>(),
    ) {
        let owned: Vec<OwnedHistory> = rows
            .iter()
            .map(|row| {
                let event = |&(i, v): &(u32, u8)| Event {
                    value: if weighted { f32::from(v) } else { 1.0 },
                    ..Event::of(ItemIdx(i))
                };
                OwnedHistory::of_events(None, row.iter().map(event).collect())
            })
            .collect();
        let histories =
            Histories::from_histories(owned.iter().map(OwnedHistory::view), 12).unwrap();
        let names = (0..12).map(|i| i.to_string()).collect();
        let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        catalogue.train_counts = histories.item_counts();
        catalogue.n_train_users = histories.len();
        for entry in ENTRIES {
            let model = fit(&Config::named(entry.name).unwrap(), &histories, &catalogue, 3);
            prop_assert!(model.score(&histories).iter().all(|s| s.is_finite()));
            check_ledgers(entry.name, &model, &histories);
        }
    }
}
