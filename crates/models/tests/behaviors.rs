//! Every model of the catalogue that reads behaviors, on a small shop with views, carts and purchases: what the
//! contract cannot see on one behavior.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

mod attributes;

use std::sync::OnceLock;

use limpid_core::{
    Catalogue, Detail, Event, Fit, Histories, HistoryUnits, Ids, ItemIdx, OwnedHistory,
    Recommender, Run, Tensors, Training, Units,
};
use limpid_models::{Config, ENTRIES, Model};

use attributes::known;

const N_USERS: u32 = 48;
const N_ITEMS: u32 = 20;

/// Users buy items of their own parity, and view and cart more of them.
fn shop() -> (Histories, Catalogue) {
    let row = |u: u32| {
        let mut events = Vec::new();
        for item in (0..N_ITEMS).filter(|i| i % 2 == u % 2) {
            let draw = (u * 7 + item * 5 + u * item * 3) % 10;
            for behavior in [
                (draw < 8).then_some(0),
                draw.is_multiple_of(3).then_some(1),
                (draw < 4).then_some(2),
            ] {
                events.extend(behavior.map(|behavior| Event {
                    behavior,
                    ..Event::of(ItemIdx(item))
                }));
            }
        }
        OwnedHistory::of_events(Some(limpid_core::UserIdx(u)), events)
    };
    let rows: Vec<OwnedHistory> = (0..N_USERS).map(row).collect();
    let rows = rows.iter().map(OwnedHistory::view);
    let histories = Histories::from_histories(rows, N_ITEMS as usize).unwrap();
    let ids = Ids::from_names((0..N_ITEMS).map(|i| format!("item {i}")).collect()).unwrap();
    let mut catalogue = Catalogue::of_items(ids);
    catalogue.behaviors = ["view", "cart", "buy"].map(String::from).to_vec();
    catalogue.target_behavior = 2;
    catalogue.train_counts = histories.item_counts();
    catalogue.n_train_users = histories.len();
    (histories, catalogue)
}

type Fitted = (&'static str, Model);

/// All models that read behaviors, with the shop.
fn all() -> &'static (Vec<Fitted>, Histories, Catalogue) {
    static ALL: OnceLock<(Vec<Fitted>, Histories, Catalogue)> = OnceLock::new();
    ALL.get_or_init(|| {
        let (histories, catalogue) = shop();
        let entries = ENTRIES.iter().filter(|e| e.reads.behaviors);
        let fitted = entries.map(|entry| {
            let config = Config::named(entry.name).unwrap();
            let data = Training {
                histories: &histories,
                catalogue: &known(entry, &catalogue),
            };
            (entry.name, config.fit(&data, &mut Run::seeded(1)).unwrap())
        });
        let fitted = fitted.collect();
        (fitted, histories, catalogue)
    })
}

/// Somebody who only viewed three even items.
fn viewer() -> OwnedHistory {
    let event = |item: u32| Event::of(ItemIdx(item));
    OwnedHistory::of_events(None, [0, 4, 8].map(event).to_vec())
}

#[test]
fn ledgers_add_up_and_cite_events_of_their_behavior() {
    let (models, histories, _) = all();
    for (name, model) in models {
        let viewer = viewer();
        let rows = (0..4).map(|u| histories.row(u)).chain([viewer.view()]);
        for row in rows {
            let users = Histories::single(row, N_ITEMS as usize);
            let scores = model.score(&users);
            for item in 0..N_ITEMS {
                let ledger = model.explain(row, ItemIdx(item));
                assert!(ledger.adds_up(1e-5), "{name}: {ledger:?}");
                let score = scores[[0, item as usize]];
                let error = f64::from((ledger.score - score).abs());
                assert!(error <= 1e-5 * ledger.size(), "{name}: {ledger:?}");
                for part in &ledger.parts {
                    let known = |e: &Event| row.events().any(|own| own == *e);
                    assert!(part.cites.iter().all(known), "{name}: {part:?}");
                }
            }
        }
    }
}

/// Views alone say what else somebody might buy.
#[test]
fn views_alone_are_evidence() {
    let (models, ..) = all();
    for (name, model) in models {
        // They rank by records or popularity, or are trained on purchases alone.
        if ["chain-prior", "one-behavior", "dccf", "neumf", "fencr"].contains(name) {
            continue;
        }
        let viewer = viewer();
        let users = Histories::single(viewer.view(), N_ITEMS as usize);
        let scores = model.score(&users).row(0).to_vec();
        let mean = |parity: u32| {
            let items = (parity..N_ITEMS).step_by(2).map(ItemIdx);
            let new: Vec<ItemIdx> = items.filter(|&i| !viewer.view().contains(i)).collect();
            new.iter().map(|i| scores[i.at()]).sum::<f32>() / new.len() as f32
        };
        assert!(mean(0) > mean(1), "{name}: {scores:?}");
    }
}

#[test]
fn events_of_one_behavior_can_be_muted() {
    let (models, histories, catalogue) = all();
    for (name, model) in models {
        let units = HistoryUnits::new(model, catalogue);
        let row = histories.row(0);
        let mut active = units.activate(&histories.slice(0, 1)).row(0).0.to_vec();
        let muted = active.remove(0);
        let unit = units.unit(muted as usize);
        let (item, behavior) = (ItemIdx(muted % N_ITEMS), (muted / N_ITEMS) as u8);
        let mut without = row.to_owned();
        assert_eq!(without.remove_of(item, behavior), 1);
        let kept: Vec<(u32, f32)> = active.iter().map(|&k| (k, 1.0)).collect();
        let ledger = units.ledger(row, &kept, ItemIdx(3), Detail::Raw);
        assert_eq!(ledger, model.explain(without.view(), ItemIdx(3)), "{name}");
        assert!(ledger.parts.iter().all(|p| p.unit != unit), "{name}");
    }
}

#[test]
fn saved_and_loaded_models_score_the_same() {
    let (models, histories, _) = all();
    for (name, model) in models {
        let mut tensors = Tensors::new();
        model.save(&mut tensors).unwrap();
        let loaded = Model::load(model.kind(), &tensors).unwrap();
        assert_eq!(&loaded, model, "{name}");
        assert_eq!(loaded.score(histories), model.score(histories), "{name}");
    }
}
