//! The contract of every model in the catalogue.
//! A new model is included by its line in the registry.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

mod attributes;

use std::sync::OnceLock;

use limpid_core::{
    Candidates, Catalogue, Csr, Detail, Edits, Event, Fit, FitUnits, Histories, History,
    HistoryUnits, Ids, ItemIdx, Ledger, Mask, Mat, OwnedHistory, Recommender, Run, Tensors,
    Training, Units, UnitsOf, top_k,
};
use limpid_insight::directions::RandomDirections;
use limpid_insight::{Goal, Plausible, Question, Search, Steered, search};
use limpid_models::{Config, ENTRIES, Entry, Model};
use proptest::prelude::*;
use rayon::prelude::*;

use attributes::known;

const N_USERS: u32 = 60;
const N_ITEMS: u32 = 40;

/// Even users like the even items, odd users the odd ones; user `u` has not seen
/// the neighbor of the same parity of item `u mod 40`, which should be recommended to them.
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

/// A model of the catalogue with its defaults, fitted on the checkerboard.
type Fitted = (&'static str, Model, Histories, Catalogue);

/// Every model of the catalogue, fitted once for all tests.
fn all() -> &'static [Fitted] {
    static ALL: OnceLock<Vec<Fitted>> = OnceLock::new();
    ALL.get_or_init(|| {
        let fitted = |entry: &Entry| {
            let (histories, catalogue) = checkerboard();
            let catalogue = known(entry, &catalogue);
            let config = Config::named(entry.name).unwrap();
            let model = fit(&config, &histories, &catalogue, 1);
            (entry.name, model, histories, catalogue)
        };
        ENTRIES.par_iter().map(fitted).collect()
    })
}

/// Histories that are not in the training data: empty, one item, repeated items, all items, with ratings.
fn unseen_histories(n_items: usize) -> Histories {
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

/// Models of sets find the held-out item; popularity is not personalized, nor is the prior of chains where
/// there is one behavior, and sequential models have [`recovers_the_order_of_events`].
#[test]
fn recovers_the_checkerboard() {
    let mut failed = Vec::new();
    for (name, model, histories, catalogue) in all() {
        let sequential = Entry::named(name).unwrap().reads.order;
        if ["popularity", "chain-prior"].contains(name) || sequential {
            continue;
        }
        let scores = model.score(histories);
        let ties = catalogue.tie_breaks(0);
        let wrong = (0..N_USERS).filter(|&u| {
            let mut mask = Mask::none(N_ITEMS as usize);
            mask.hide(histories.row(u as usize).items.iter().copied());
            let list = top_k(scores.row(u as usize).as_slice().unwrap(), &mask, &ties, 1);
            let first = list[0].item.0;
            first % 2 != u % 2 || (u % 2 == held_out(u) % 2 && first != held_out(u))
        });
        let wrong: Vec<u32> = wrong.collect();
        if !wrong.is_empty() {
            failed.push((*name, wrong));
        }
    }
    assert!(failed.is_empty(), "models and users: {failed:?}");
}

/// Users move around a circle of 12 items; the next item depends only on the last one.
#[test]
fn recovers_the_order_of_events() {
    let row = |start: u32| (0..6 + start % 3).map(|k| (start + k) % 12).collect();
    let rows: Vec<Vec<u32>> = (0..96).map(row).collect();
    let histories = Histories::from_rows(&rows, 12).unwrap();
    let names = (0..12).map(|i| i.to_string()).collect();
    let catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
    for entry in ENTRIES.iter().filter(|e| e.reads.order) {
        let config = Config::named(entry.name).unwrap();
        let model = fit(&config, &histories, &catalogue, 1);
        for last in 0..12u32 {
            let row = vec![(last + 10) % 12, (last + 11) % 12, last];
            let users = Histories::from_rows(&[row], 12).unwrap();
            let scores = model.score(&users);
            let best = (0..12).max_by(|&a, &b| scores[[0, a]].total_cmp(&scores[[0, b]]));
            assert_eq!(best, Some((last as usize + 1) % 12), "{}", entry.name);
        }
    }
}

#[test]
fn batch_scores_equal_single_scores() {
    for (name, model, histories, _) in all() {
        let together = model.score(histories);
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
fn scores_are_reproducible_for_any_number_of_threads() {
    all()
        .par_iter()
        .for_each(|(name, model, histories, catalogue)| {
            let config = Config::named(name).unwrap();
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                let again = pool.install(|| fit(&config, histories, catalogue, 1));
                assert_eq!(model.score(histories), again.score(histories), "{name}");
            }
        });
}

#[test]
fn scores_are_finite_for_any_history() {
    for (name, model, histories, _) in all() {
        let scores = model.score(&unseen_histories(N_ITEMS as usize));
        assert_eq!(scores.dim(), (5, N_ITEMS as usize), "{name}");
        assert!(scores.iter().all(|s| s.is_finite()), "{name}");
        let none = histories.slice(0, 0);
        assert_eq!(model.score(&none).dim(), (0, N_ITEMS as usize), "{name}");
    }
}

#[test]
fn saved_and_loaded_models_score_bit_for_bit_the_same() {
    for (name, model, histories, _) in all() {
        let mut tensors = Tensors::new();
        model.save(&mut tensors).unwrap();
        let loaded = Model::load(model.kind(), &tensors).unwrap();
        assert_eq!(&loaded, model, "{name}");
        for rows in [histories, &unseen_histories(N_ITEMS as usize)] {
            assert_eq!(loaded.score(rows), model.score(rows), "{name}");
        }
        assert!(
            Model::load(model.kind(), &Tensors::new()).is_err(),
            "{name}"
        );
        assert!(Model::load("model/unknown", &tensors).is_err());
    }
}

#[test]
fn a_copy_scores_the_same() {
    for (name, model, histories, _) in all() {
        assert_eq!(
            model.clone().score(histories),
            model.score(histories),
            "{name}"
        );
    }
}

/// Models that need attributes say so where there are none, and how to add some.
#[test]
fn missing_attributes_are_refused() {
    let (histories, catalogue) = checkerboard();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let entries = ENTRIES.iter().filter(|e| e.reads.attributes);
    assert!(entries.clone().count() >= 2);
    for entry in entries {
        let config = Config::named(entry.name).unwrap();
        let refused = config.fit(&data, &mut Run::seeded(1)).unwrap_err();
        let refused = refused.to_string();
        let told = [entry.name, "at least 1", "--metadata", "is 0"];
        assert!(told.iter().all(|t| refused.contains(t)), "{refused}");
    }
}

#[test]
fn training_on_empty_data_does_not_panic() {
    for entry in ENTRIES {
        let histories = Histories::from_rows(&[vec![], vec![]], 3).unwrap();
        let names = (0..3).map(|i| i.to_string()).collect();
        let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        catalogue.n_train_users = 2;
        let data = Training {
            histories: &histories,
            catalogue: &known(entry, &catalogue),
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

/// The law of ledgers, checked against the score of the model and not only the ledger's own.
fn check_ledgers(name: &str, model: &Model, histories: &Histories) {
    let scores = model.score(histories);
    for (u, row) in histories.rows().enumerate() {
        for item in 0..histories.n_items() as u32 {
            let ledger = model.explain(row, ItemIdx(item));
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

/// Cited events are in the history, and parts are sorted largest first.
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
        for rows in some(histories) {
            check_ledgers(name, model, &rows);
        }
    }
}

/// Some training histories, and some others.
fn some(histories: &Histories) -> [Histories; 2] {
    [histories.slice(0, 6), unseen_histories(N_ITEMS as usize)]
}

#[test]
fn lines_and_parts_agree() {
    for (name, model, histories, catalogue) in all() {
        let units = UnitsOf::model(model, catalogue);
        for rows in some(histories) {
            for row in rows.rows() {
                let active = units.activations(row);
                for item in (0..N_ITEMS).map(ItemIdx).filter(|&i| !row.contains(i)) {
                    let parts = units.ledger(row, &active, item, Detail::Raw);
                    let lines = units.ledger(row, &active, item, Detail::Lines);
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
}

/// A line names every event on which its value rests: without the events on the named items, its value
/// is 0. And what a further item would change is what it changes when the model scores it.
#[test]
fn lines_name_all_that_counts() {
    let mut with_groups = 0;
    for (name, model, histories, catalogue) in all() {
        let units = UnitsOf::model(model, catalogue);
        let score = |history: &OwnedHistory, item: ItemIdx| {
            model.score(&Histories::single(history.view(), N_ITEMS as usize))[[0, item.at()]]
        };
        for rows in some(histories) {
            // Rows of the training data are scored like those of unknown users after an edit.
            let rows: Vec<OwnedHistory> = rows.rows().map(|r| r.to_owned().anonymous()).collect();
            for row in &rows {
                let active = units.activations(row.view());
                let items = (0..N_ITEMS).step_by(7).map(ItemIdx);
                for item in items.filter(|&i| !row.view().contains(i)) {
                    for detail in [Detail::Raw, Detail::Lines] {
                        let ledger = units.ledger(row.view(), &active, item, detail);
                        for line in ledger.parts.iter().filter(|p| !p.cites.is_empty()) {
                            let mut left = row.clone();
                            for event in line.cites.iter() {
                                left.remove(event.item);
                            }
                            let active = units.activations(left.view());
                            let after = units.ledger(left.view(), &active, item, detail);
                            let same = after.parts.iter().find(|p| p.unit == line.unit);
                            let value = same.map_or(0.0, |p| p.value);
                            assert!(
                                close(value, 0.0, size_of(&ledger)),
                                "{name}: {value} is left of {line:?}"
                            );
                        }
                        for line in &ledger.parts {
                            with_groups += usize::from(line.unit.item().is_none());
                            for more in &line.alternatives {
                                let mut with = row.clone();
                                with.add(more.item, catalogue.target_behavior);
                                let change = score(&with, item) - score(row, item);
                                assert!(
                                    close(change, more.change, size_of(&ledger).max(change.abs())),
                                    "{name}: {more:?} changes {change}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(with_groups >= 40, "{with_groups}");
}

/// `score == decode(encode)`, and the gradient of the decoder equals central differences.
#[test]
fn laws_of_latent() {
    for (name, model, histories, _) in all() {
        let Some(latent) = model.latent() else {
            continue;
        };
        for rows in some(histories) {
            let z = latent.encode(&rows);
            assert_eq!(latent.decode(&z), model.score(&rows), "{name}");
            let item = ItemIdx(3);
            let z = z.row(0).to_vec();
            if let Some(vectors) = latent.item_vectors() {
                let at = |z: Vec<f32>| Mat::from_shape_vec((1, z.len()), z).unwrap();
                let constant = latent.decode(&at(vec![0.0; z.len()]));
                let linear = at(z.clone()).dot(&vectors.t()) + &constant;
                let decoded = latent.decode(&at(z.clone()));
                for (a, b) in linear.iter().zip(&decoded) {
                    assert!(
                        (a - b).abs() < 1e-4 * (1.0 + b.abs()),
                        "{name}: {a} and {b}"
                    );
                }
            }
            let gradient = latent.decode_gradient(&z, item);
            assert_eq!(gradient.len(), z.len(), "{name}");
            let score = |z: Vec<f32>| {
                let z = Mat::from_shape_vec((1, z.len()), z).unwrap();
                f64::from(latent.decode(&z)[[0, item.at()]])
            };
            for k in (0..z.len()).step_by(z.len().div_ceil(7)) {
                const STEP: f32 = 1e-2;
                let moved = |by: f32| {
                    let mut z = z.clone();
                    z[k] += by;
                    score(z)
                };
                let slope = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
                let d = f64::from(gradient[k]);
                assert!(
                    (slope - d).abs() < 2e-3 * (1.0 + d.abs()),
                    "{name}: coordinate {k}: slope {slope} and gradient {d}"
                );
            }
        }
    }
}

/// The laws of `Units`, for any units over any model.
fn check_units(
    name: &str,
    model: &dyn Recommender,
    units: &dyn Units,
    histories: &Histories,
    catalogue: &Catalogue,
) {
    for index in (0..units.len()).step_by(units.len().div_ceil(50).max(1)) {
        let unit = units.unit(index);
        let id = units.info(unit, catalogue).id;
        assert_eq!(units.resolve(&id, catalogue).unwrap(), unit, "{name}: {id}");
        assert_eq!(units.members(unit), [index], "{name}: {id}");
    }
    for unknown in ["", "link:no such item", "g99999", "zz", "n-1"] {
        assert!(
            units.resolve(unknown, catalogue).is_err(),
            "{name}: {unknown}"
        );
    }
    for rows in some(histories) {
        check_touched(name, units, &rows, catalogue);
        let active = units.activate(&rows);
        assert_eq!(active.n_columns(), units.len(), "{name}");
        let scores = model.score(&rows);
        assert_eq!(units.score_activations(&rows, &active), scores, "{name}");
        // Every second active unit is switched off, and one graded unit is doubled.
        let edited: Vec<Vec<(u32, f32)>> = (0..rows.len())
            .map(|u| {
                let (columns, values) = active.row(u);
                let edit = |(at, (&k, &a)): (usize, (&u32, &f32))| match at % 4 {
                    0 | 2 => (k, 0.0),
                    1 if units.graded() => (k, 2.0 * a),
                    _ => (k, a),
                };
                columns.iter().zip(values).enumerate().map(edit).collect()
            })
            .collect();
        let after = Csr::from_rows(edited.clone(), units.len()).unwrap();
        let scores = units.score_activations(&rows, &after);
        for (u, row) in rows.rows().enumerate() {
            for item in (0..N_ITEMS).step_by(3).map(ItemIdx) {
                let ledger = units.ledger(row, &edited[u], item, Detail::Lines);
                assert!(ledger.adds_up(1e-5), "{name}: {ledger:?}");
                let score = scores[[u, item.at()]];
                let size = size_of(&ledger).max(score.abs());
                assert!(
                    close(ledger.score, score, size),
                    "{name}: user {u}, item {item:?}: ledger {} and score {score}",
                    ledger.score
                );
            }
        }
    }
}

/// Adding or removing an item changes no activation but those of the units that it touches.
fn check_touched(name: &str, units: &dyn Units, rows: &Histories, catalogue: &Catalogue) {
    let row_of = |history: &OwnedHistory| {
        let active = units.activate(&Histories::single(history.view(), N_ITEMS as usize));
        let (columns, values) = active.row(0);
        let pairs = columns.iter().copied().zip(values.iter().copied());
        pairs.collect::<std::collections::BTreeMap<u32, f32>>()
    };
    for row in rows.rows() {
        let history = row.to_owned().anonymous();
        let before = row_of(&history);
        for item in (0..N_ITEMS).step_by(7).map(ItemIdx) {
            let Some(touched) = units.touched(item) else {
                continue;
            };
            let mut edited = history.clone();
            if edited.remove(item) == 0 {
                edited.add(item, catalogue.target_behavior);
            }
            let after = row_of(&edited);
            for unit in before.keys().chain(after.keys()) {
                let same = before.get(unit) == after.get(unit);
                assert!(
                    same || touched.contains(&(*unit as usize)),
                    "{name}: {item:?} changes unit {unit}, not one of {touched:?}"
                );
            }
        }
    }
}

#[test]
fn laws_of_units() {
    for (name, model, histories, catalogue) in all() {
        let units = UnitsOf::model(model, catalogue);
        check_units(name, model, &*units, histories, catalogue);
        let events = HistoryUnits::new(model, catalogue);
        check_units(name, model, &events, histories, catalogue);
    }
}

/// Random directions obey the laws of `Units` over every model with a latent representation.
#[test]
fn random_directions_obey_the_laws_of_units() {
    let mut latents = 0;
    for (name, model, histories, catalogue) in all() {
        let Some(latent) = model.latent() else {
            continue;
        };
        let data = Training {
            histories,
            catalogue,
        };
        let recipe = RandomDirections { n: 50, keep: 8 };
        let units = recipe.fit(latent, &data, &mut Run::seeded(7)).unwrap();
        check_units(name, model, &units, histories, catalogue);
        latents += 1;
    }
    assert!(latents >= 4);
}

/// Muting a history unit equals fold-in without the event; adding one equals fold-in with it.
#[test]
fn history_units_equal_fold_in() {
    for (name, model, histories, catalogue) in all() {
        let units = HistoryUnits::new(model, catalogue);
        let rows = histories.slice(0, 4);
        let muted = |u: usize| rows.row(u).items[1];
        let absent = ItemIdx(39);
        let edited = (0..rows.len()).map(|u| {
            let mut row: Vec<(u32, f32)> = rows.row(u).items.iter().map(|i| (i.0, 1.0)).collect();
            row.retain(|&(i, _)| i != muted(u).0);
            if !rows.row(u).contains(absent) {
                row.push((absent.0, 1.0));
            }
            row
        });
        let edited = Csr::from_rows(edited, N_ITEMS as usize).unwrap();
        let by_hand: Vec<OwnedHistory> = (0..rows.len())
            .map(|u| {
                let mut row = rows.row(u).to_owned();
                row.remove(muted(u));
                if !rows.row(u).contains(absent) {
                    row.add(absent, catalogue.target_behavior);
                }
                row
            })
            .collect();
        let by_hand = by_hand.iter().map(OwnedHistory::view);
        let by_hand = Histories::from_histories(by_hand, N_ITEMS as usize).unwrap();
        let scores = units.score_activations(&rows, &edited);
        assert_eq!(scores, model.score(&by_hand), "{name}");
    }
}

/// Edits by name: the ledger sums to the steered score, and names the edit of every part that changed.
#[test]
fn every_model_can_be_steered() {
    for (name, model, histories, catalogue) in all() {
        let row = histories.row(1);
        let users = histories.slice(1, 2);
        let muted = UnitsOf::model(model, catalogue);
        let muted = muted.activations(row).first().map(|a| a.0 as usize);
        let units = UnitsOf::model(model, catalogue);
        let Some(unit) = muted.map(|k| units.unit(k)) else {
            panic!("{name}: no unit is active");
        };
        let text = format!("{}=off", units.info(unit, catalogue).id);
        let edits = Edits::parse(&[&text]).unwrap();
        let steered = Steered::new(model, &edits, catalogue).unwrap();
        assert_eq!(steered.written(), std::slice::from_ref(&text), "{name}");
        let scores = steered.score(&users);
        for item in (0..N_ITEMS).map(ItemIdx) {
            let ledger = steered.explain(row, item);
            assert!(ledger.adds_up(1e-5), "{name}");
            let score = scores[[0, item.at()]];
            let size = size_of(&ledger).max(score.abs());
            assert!(close(ledger.score, score, size), "{name}");
            for part in &ledger.parts {
                let edited = part.unit == unit;
                assert_eq!(part.edited_by.is_some(), edited, "{name}: {part:?}");
            }
        }
        let none = Steered::new(model, &Edits::none(), catalogue).unwrap();
        assert_eq!(none.score(histories), model.score(histories), "{name}");
    }
}

/// Every counterfactual of every model reaches its goal, replayed here independently.
#[test]
fn counterfactuals_are_true() {
    for (name, model, histories, catalogue) in all() {
        let row = histories.row(1);
        let ties = catalogue.tie_breaks(0);
        let mask = |h: History<'_>| {
            let mut mask = Mask::none(N_ITEMS as usize);
            mask.hide(h.items.iter().copied());
            mask
        };
        let plausible = Plausible::of_neighbors(row, histories, catalogue);
        let question = Question {
            model,
            user: row,
            item: ItemIdx(2),
            n: 5,
            goal: Goal::Enter,
            catalogue,
            tie_breaks: &ties,
            mask: &mask,
            plausible: &plausible,
        };
        let limits = Search {
            max_edits: 2,
            ..Search::default()
        };
        for c in search(&question, limits).unwrap().counterfactuals {
            let mut edited = row.to_owned();
            for edit in &c.edits {
                let before = edited.view().len();
                edit.apply(&mut edited, catalogue.target_behavior);
                assert_ne!(edited.view().len(), before);
            }
            let rows = Histories::single(edited.view(), N_ITEMS as usize);
            let scores = model.score(&rows).into_raw_vec_and_offset().0;
            let list = top_k(&scores, &mask(edited.view()), &ties, 5);
            assert!(list.iter().any(|s| s.item == ItemIdx(2)), "{name}: {c:?}");
        }
    }
}

#[test]
fn candidates_have_the_scores_of_all_items() {
    for (name, model, histories, _) in all() {
        for rows in some(histories) {
            let lists: Vec<Vec<ItemIdx>> = (0..rows.len() as u32)
                .map(|u| {
                    (0..u % 4)
                        .map(|k| ItemIdx((u * 7 + k * 5) % N_ITEMS))
                        .collect()
                })
                .collect();
            let candidates = Candidates::new(&lists, N_ITEMS as usize).unwrap();
            let picked = model.score_items(&rows, &candidates);
            assert_eq!(picked, candidates.pick(&model.score(&rows)), "{name}");
            assert_eq!(picked.len(), lists.iter().map(Vec::len).sum::<usize>());
        }
    }
    assert!(Candidates::new(&[vec![ItemIdx(9)]], 9).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// On any data, with and without values: ledgers add up and all numbers are finite.
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
            let config = Config::named(entry.name).unwrap();
            let model = fit(&config, &histories, &known(entry, &catalogue), 3);
            prop_assert!(model.score(&histories).iter().all(|s| s.is_finite()));
            check_ledgers(entry.name, &model, &histories);
        }
    }
}
