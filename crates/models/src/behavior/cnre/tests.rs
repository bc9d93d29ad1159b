use limpid_core::{
    Artifact, Catalogue, Detail, Edits, Event, Fit, Histories, Ids, ItemIdx, Mask, OwnedHistory,
    Recommender, Run, Tensors, Training, Units, UserIdx, hyper,
};
use limpid_insight::{Goal, Plausible, Question, Search, Steered, search};
use serde_json::{Value, json};

use super::*;

const USERS: u32 = 90;
const ITEMS: u32 = 24;

/// Users touch items of their own half; carted items are bought often, viewed ones seldom.
fn shop() -> (Histories, Catalogue) {
    let rows: Vec<OwnedHistory> = (0..USERS)
        .map(|u| {
            let mut events = Vec::new();
            for item in (0..ITEMS).filter(|i| i % 2 == u % 2) {
                let percent = |what: u64| {
                    let key = u64::from(u) << 32 | u64::from(item) << 8 | what;
                    limpid_core::hash::mix(key) % 100
                };
                let viewed = percent(0) < 55;
                let carted = percent(1) < if viewed { 50 } else { 10 };
                let bought = percent(2) < if carted { 60 } else { 10 };
                for (behavior, has) in [viewed, carted, bought].into_iter().enumerate() {
                    if has {
                        events.push(Event {
                            behavior: behavior as u8,
                            ..Event::of(ItemIdx(item))
                        });
                    }
                }
            }
            OwnedHistory::of_events(Some(UserIdx(u)), events)
        })
        .collect();
    let rows = Histories::from_histories(rows.iter().map(OwnedHistory::view), ITEMS as usize);
    let names = (0..ITEMS).map(|i| format!("item {i}")).collect();
    let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
    catalogue.behaviors = ["view", "cart", "buy"].map(String::from).to_vec();
    catalogue.target_behavior = 2;
    let rows = rows.unwrap();
    catalogue.train_counts = rows.item_counts();
    catalogue.n_train_users = rows.len();
    (rows, catalogue)
}

/// A small config with these settings.
fn config(settings: Value) -> Config {
    let mut all = json!({"embedding_size": 16, "hyperedges": 6, "hidden": 16, "neighbors": 2,
        "epochs": 12, "batch_size": 128, "learning_rate": 0.01, "patience": 0});
    let more = settings.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    let mut config = Config::default();
    hyper::apply(&mut config, all.as_object().unwrap()).unwrap();
    config
}

fn fitted(settings: Value) -> (Model, Histories, Catalogue) {
    let (histories, catalogue) = shop();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let model = config(settings).fit(&data, &mut Run::seeded(3)).unwrap();
    (model, histories, catalogue)
}

fn anonymous(histories: &Histories, users: std::ops::Range<usize>) -> Histories {
    let rows: Vec<OwnedHistory> = users
        .map(|u| histories.row(u).to_owned().anonymous())
        .collect();
    Histories::from_histories(rows.iter().map(OwnedHistory::view), ITEMS as usize).unwrap()
}

/// Modes and ablations: (settings, whether patterns matter in the ranking).
fn variants() -> Vec<(Value, bool)> {
    let mut all = vec![
        (json!({}), true),
        (json!({"mode": "paper"}), true),
        (
            json!({"mode": "released", "hyper_literal": false, "neighbors": 2, "epochs": 12,
            "hidden": 16}),
            false,
        ),
        (json!({"norm": "none", "hyper_dropout": 0}), true),
        (
            json!({"norm": "mean", "empty": "dot", "without": "prj"}),
            true,
        ),
        (
            json!({"empty": "direct", "activation": "sigmoid", "reason_all": true}),
            true,
        ),
        (json!({"without": "chains"}), false),
    ];
    for (without, chains) in [("hpp", true), ("par", true), ("rea", false)] {
        all.push((json!({"without": without, "epochs": 2}), chains));
    }
    all
}

/// Every variant: its ledgers add up, without much of a residual where the vectors are folded in; what is saved is
/// what is loaded; muting an event is folding in without it, for each single behavior of a pair.
#[test]
fn every_variant_explains_and_replays() {
    for (settings, chains) in variants() {
        let (model, histories, catalogue) = fitted(settings.clone());
        let mut tensors = Tensors::new();
        model.save(&mut tensors).unwrap();
        let loaded = Model::load(&tensors).unwrap();
        assert!(loaded == model, "{settings}");
        let rows = anonymous(&histories, 0..4);
        let scores = model.score(&rows);
        assert_eq!(loaded.score(&rows), scores);
        let (mut patterns, mut neighbors) = (0, 0);
        let (mut residual, mut size) = (0.0, 0.0);
        for (u, row) in rows.rows().enumerate() {
            let active = model.activate(&rows.slice(u, u + 1));
            let (indices, _) = active.row(0);
            for item in (0..ITEMS).map(ItemIdx) {
                let ledger = model.explain(row, item);
                assert!(ledger.adds_up(1e-5), "{settings}: {ledger:?}");
                let score = scores[[u, item.at()]];
                assert!((ledger.score - score).abs() < 1e-6 * (1.0 + score.abs()));
                residual += f64::from(ledger.residual.abs());
                size += ledger.size();
                for part in &ledger.parts {
                    let id = model.info(part.unit, &catalogue).id;
                    assert_eq!(model.resolve(&id, &catalogue).unwrap(), part.unit);
                    patterns += usize::from(id.starts_with("pattern:"));
                    neighbors += usize::from(id.starts_with("neighbor:"));
                }
            }
            // Each event of the history, off by itself.
            for &index in indices.iter().take(8) {
                let unit = model.unit(index as usize);
                let id = model.info(unit, &catalogue).id;
                let Some((item, behavior)) =
                    id.strip_prefix("link:").and_then(|id| id.rsplit_once('@'))
                else {
                    continue;
                };
                let behavior = catalogue.behaviors.iter().position(|b| b == behavior);
                let mut without = row.to_owned();
                without.remove_of(catalogue.find(item).unwrap(), behavior.unwrap() as u8);
                let edits = Edits::parse(&[&format!("{id}=off")]).unwrap();
                let steered = Steered::new(&model, &edits, &catalogue).unwrap();
                let replayed = Histories::single(without.view(), ITEMS as usize);
                assert_eq!(
                    steered.score(&rows.slice(u, u + 1)),
                    model.score(&replayed),
                    "{settings}: {id}"
                );
            }
        }
        // Semantic vectors without the projection, and biases, are no event's.
        let unexplained = settings["without"] == "prj" || settings["mode"] == "released";
        let share = residual / size;
        assert!(share < 0.05 || unexplained, "{settings}: residual {share}");
        assert_eq!(patterns > 0, chains, "{settings}: {patterns} patterns");
        assert_eq!(neighbors > 0, chains, "{settings}: {neighbors} neighbors");
    }
}

/// With the learned input, the local propagation of a training row gives the learned vectors: a counterfactual of
/// an edge differs from the whole graph only by what the row itself has put into the items.
#[test]
fn local_propagation_is_that_of_the_graph() {
    for (settings, _) in variants() {
        let config = config(settings.clone());
        let (histories, catalogue) = shop();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let behaviors = Behaviors::of(&data).unwrap();
        let trainer = training::Trainer::new(&config, behaviors, &histories);
        let weights = trainer.weights(5);
        let model = trainer.finished(&weights);
        let d = config.embedding_size;
        for u in [0, 7, 30] {
            let row = histories.row(u);
            let chain = behaviors.chain(row, ITEMS as usize);
            let learned = model.vectors(row, &chain);
            let input = &weights[0].value[u * d..][..d];
            let local = model.tables.with_input(&config, behaviors, &chain, input);
            let size = learned.iter().fold(0f32, |m, x| m.max(x.abs()));
            for (a, b) in learned.iter().zip(&local) {
                assert!((a - b).abs() < 1e-4 * size, "{settings}: {a} and {b}");
            }
        }
    }
}

/// The folded first layers rank all items by the path of the empty chain.
#[test]
fn full_ranking_is_exact() {
    let (model, histories, _) = fitted(json!({}));
    let rows = anonymous(&histories, 0..3);
    let scores = model.score(&rows);
    for (u, row) in rows.rows().enumerate() {
        let chain = model.behaviors.chain(row, ITEMS as usize);
        let vectors = model.vectors(row, &chain);
        let untouched = (0..ITEMS).filter(|&i| chain.iter().all(|e| e.0 != i));
        for item in untouched {
            let route = model.untouched_route();
            let one = model.score_by(route, &vectors, item as usize, model::Retrieved::All);
            assert!((one - scores[[u, item as usize]]).abs() < 1e-5);
        }
    }
}

/// What is carted is bought more often than what is viewed, and that more than what is not touched in the
/// other half.
#[test]
fn plus_ranks_by_chains() {
    let (model, histories, _) = fitted(json!({"epochs": 60}));
    let scores = model.score(&histories);
    let mut means = [(0.0, 0); 3];
    for (u, row) in histories.rows().enumerate() {
        let chain = model.behaviors.chain(row, ITEMS as usize);
        for item in 0..ITEMS {
            let set = chain.iter().find(|e| e.0 == item).map_or(0, |e| e.1);
            let kind = match set {
                0 if item % 2 != u as u32 % 2 => 0,
                1 => 1,
                2 | 3 => 2,
                _ => continue,
            };
            means[kind].0 += f64::from(scores[[u, item as usize]]);
            means[kind].1 += 1;
        }
    }
    let [other, viewed, carted] = means.map(|(sum, n)| sum / f64::from(n));
    assert!(
        carted > viewed + 0.5 && viewed > other,
        "{carted} {viewed} {other}"
    );
}

/// Why-not answers name single behaviors, and their replay through fold-in reaches the goal.
#[test]
fn why_not_replays_single_behaviors() {
    let (model, histories, catalogue) = fitted(json!({"epochs": 40}));
    let ties = catalogue.tie_breaks(0);
    let bought = |h: limpid_core::History<'_>| {
        let mut mask = Mask::none(ITEMS as usize);
        mask.hide(h.events().filter(|e| e.behavior == 2).map(|e| e.item));
        mask
    };
    let limits = Search {
        max_edits: 2,
        ..Search::default()
    };
    let mut found = 0;
    for u in 0..6 {
        let row = histories.row(u);
        let list = |h: limpid_core::History<'_>| {
            let scores = model.score(&Histories::single(h, ITEMS as usize));
            limpid_core::top_k(scores.row(0).as_slice().unwrap(), &bought(h), &ties, 3)
        };
        let anonymous = row.to_owned().anonymous();
        let here = list(anonymous.view());
        let item = (0..ITEMS).map(ItemIdx).find(|&i| {
            let own = row.events_of(i).next().is_some();
            own && row.events_of(i).all(|e| e.behavior == 0) && here.iter().all(|s| s.item != i)
        });
        let Some(item) = item else { continue };
        let plausible = Plausible::of_neighbors(row, &histories, &catalogue);
        let question = Question {
            model: &model,
            user: row,
            item,
            n: 3,
            goal: Goal::Enter,
            catalogue: &catalogue,
            tie_breaks: &ties,
            mask: &bought,
            plausible: &plausible,
        };
        for c in search(&question, limits).unwrap().counterfactuals {
            let mut edited = row.to_owned();
            for edit in &c.edits {
                edit.apply(&mut edited, catalogue.target_behavior);
            }
            let after = list(edited.view());
            assert!(after.iter().any(|s| s.item == item), "{c:?}");
            found += 1;
        }
    }
    assert!(found > 0);
}

/// A muted neighbor is no evidence of open pairs, and its line is gone.
#[test]
fn neighbors_can_be_muted() {
    let (model, histories, catalogue) = fitted(json!({}));
    let rows = anonymous(&histories, 0..1);
    let row = rows.row(0);
    let of_neighbor = |ledger: &limpid_core::Ledger| {
        let parts = ledger
            .parts
            .iter()
            .map(|p| (model.info(p.unit, &catalogue).id, p.value));
        parts.clone().find(|p| p.0.starts_with("neighbor:"))
    };
    let item = (0..ITEMS).map(ItemIdx).find(|&i| {
        let ledger = model.explain(row, i);
        of_neighbor(&ledger).is_some_and(|n| n.1 != 0.0)
    });
    let item = item.unwrap();
    let before = model.explain(row, item);
    let (id, _) = of_neighbor(&before).unwrap();
    let edits = Edits::parse(&[&format!("{id}=off")]).unwrap();
    let steered = Steered::new(&model, &edits, &catalogue).unwrap();
    let after = steered.explain(row, item);
    assert!(after.adds_up(1e-5) && after.score != before.score);
    let score = steered.score(&rows)[[0, item.at()]];
    assert!((after.score - score).abs() < 1e-5 * (1.0 + score.abs()));
    let active = model.activate(&rows);
    let (indices, values) = active.row(0);
    let pairs: Vec<(u32, f32)> = indices
        .iter()
        .copied()
        .zip(values.iter().copied())
        .collect();
    let raw = model.ledger(row, &pairs, item, Detail::Raw);
    assert_eq!(raw, before);
}

/// Without users, everyone is folded in.
#[test]
fn without_users_everyone_is_folded_in() {
    let (model, histories, _) = fitted(json!({}));
    let dropped = model.without_users().unwrap();
    let known = histories.slice(0, 3);
    assert_ne!(model.score(&known), dropped.score(&known));
    assert_eq!(
        model.score(&anonymous(&histories, 0..3)),
        dropped.score(&known)
    );
}

/// A direct pair without the vector of its user would rank and explain untouched items alike for all.
#[test]
fn untouched_items_have_a_user() {
    for (settings, refused) in [
        (json!({"empty": "direct"}), true),
        (json!({"without": "rea"}), true),
        (json!({"without": "rea", "empty": "dot"}), true),
        (json!({"without": "dsj", "empty": "weak"}), true),
        (json!({"without": "dsj"}), false),
        (json!({"empty": "weak"}), false),
        (json!({"without": "chains"}), false),
    ] {
        let plain = config(settings.clone());
        let rules = dispatch::Dispatcher {
            config: &plain,
            target: 2,
            threshold: 0.5,
        };
        let route = rules.route(dispatch::Chain::default(), 2, 0.0);
        let direct = matches!(route, dispatch::Route::Direct { .. });
        assert_eq!(direct, refused, "{settings}");
        plain.check().unwrap();
        let items_alone = Config {
            item_mediator: true,
            ..plain
        };
        assert_eq!(items_alone.check().is_err(), refused, "{settings}");
        let by_product = Config {
            ranking: Ranking::Dot,
            ..items_alone
        };
        by_product.check().unwrap();
    }
}
