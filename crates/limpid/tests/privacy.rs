//! A model that is saved without users gives nothing of single users away: every file of every model of
//! the catalogue is searched for ids, and histories are reconstructed from it as well as they can be.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use limpid::core::tensors::Values;
use limpid::core::{Histories, NoProgress, OwnedHistory, Recommender, Tensors, UserIdx};
use limpid::models::{Config, ENTRIES, Entry};
use limpid::{Advisor, DataSource, Prepared, SplitFrom, TrainOptions, artifact, train};
use rayon::prelude::*;

/// A prime, so that no other dimension has it by chance.
const USERS: usize = 139;
const ITEMS: usize = 60;

fn user(u: usize) -> String {
    format!("person-{:05x}", u * 7919 + 40_961)
}

/// Two tastes and some noise: enough for a model to learn a user by.
fn data(folder: &Path) -> DataSource {
    let mut text = "user,item\n".to_owned();
    for u in 0..USERS {
        for i in 0..ITEMS {
            let noise = (u * 31 + i * 17 + u * i * 7) % 10;
            if (i % 3 == u % 3 && noise < 7) || noise == 9 {
                text += &format!("{},item-{i}\n", user(u));
            }
        }
    }
    let path = folder.join("events.csv");
    fs::write(&path, text).unwrap();
    DataSource {
        path,
        ..DataSource::default()
    }
}

/// The same data with an attribute of the items, for models that need one.
fn with_attributes(source: &DataSource, folder: &Path) -> DataSource {
    let path = folder.join("items.csv");
    let rows = (0..ITEMS).map(|i| format!("item-{i},{}\n", i % 3));
    fs::write(&path, format!("item,kind\n{}", rows.collect::<String>())).unwrap();
    let mut source = source.clone();
    source.read.metadata = vec![path.display().to_string().parse().unwrap()];
    source
}

/// Mean over items of the probability that a user who had the item scores higher on it than one who
/// had not: popularity gives 0.5, knowledge of single users more.
fn auc(scores: &dyn Fn(usize, usize) -> f64, train: &Histories) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for i in 0..train.n_items() {
        let had = |&u: &usize| train.row(u).items.iter().any(|item| item.at() == i);
        let (with, without): (Vec<usize>, Vec<usize>) = (0..train.len()).partition(had);
        for &a in &with {
            for &b in &without {
                let (a, b) = (scores(a, i), scores(b, i));
                sum += if a > b {
                    1.0
                } else {
                    f64::from(u8::from(a == b)) / 2.0
                };
                n += 1.0;
            }
        }
    }
    sum / n
}

fn numbers(values: &Values) -> Vec<f64> {
    match values {
        Values::F32(v) => v.iter().map(|&v| f64::from(v)).collect(),
        Values::U32(v) => v.iter().map(|&v| f64::from(v)).collect(),
        Values::I64(v) => v.iter().map(|&v| v as f64).collect(),
        Values::U8(v) => v.iter().map(|&v| f64::from(v)).collect(),
    }
}

/// The best reconstruction of the training histories: every array that can be cut into one row per user is
/// taken as scores, or as vectors whose products with the rows of another array are scores.
fn reconstruction(files: &[&Tensors], train: &Histories) -> f64 {
    let arrays: Vec<Vec<f64>> = files
        .iter()
        .flat_map(|t| t.arrays())
        .map(|(_, t)| numbers(&t.values))
        .collect();
    let n_items = train.n_items();
    let mut best: f64 = 0.5;
    for of_users in &arrays {
        let d = of_users.len() / train.len();
        if d == 0 || !of_users.len().is_multiple_of(train.len()) {
            continue;
        }
        for of_items in arrays.iter().filter(|a| a.len() == n_items * d) {
            let score = |u: usize, i: usize| -> f64 {
                let p = &of_users[u * d..(u + 1) * d];
                p.iter().zip(&of_items[i * d..]).map(|(p, q)| p * q).sum()
            };
            best = best.max(auc(&score, train));
        }
        if d == n_items {
            best = best.max(auc(&|u, i| of_users[u * d + i], train));
        }
    }
    best
}

/// Scores of users of whom only the number is known.
fn by_number(advisor: &Advisor, n: usize) -> Vec<Vec<f32>> {
    let rows: Vec<OwnedHistory> = (0..n)
        .map(|u| OwnedHistory::of_events(Some(UserIdx(u as u32)), Vec::new()))
        .collect();
    let rows = rows.iter().map(OwnedHistory::view);
    let rows = Histories::from_histories(rows, advisor.catalogue.len()).unwrap();
    let scores = advisor.model.score(&rows);
    scores.rows().into_iter().map(|row| row.to_vec()).collect()
}

#[test]
fn nothing_of_single_users_is_saved() {
    let place = tempfile::tempdir().unwrap();
    let source = data(place.path());
    let with_attributes = with_attributes(&source, place.path());
    let split = SplitFrom::Spec("ratio:80/10/10@3".parse().unwrap());
    let attack = |entry: &Entry| {
        let name = entry.name;
        let source = match entry.reads.attributes {
            true => &with_attributes,
            false => &source,
        };
        let prepared = Prepared::read_for(source, &split, entry.reads).unwrap();
        let seed = TrainOptions::seeded(1);
        let before = train(prepared, &Config::named(name).unwrap(), &seed, &NoProgress).unwrap();
        let train = &before.split().unwrap().train;
        assert_eq!(train.len(), USERS);
        let path = place.path().join(name);
        let manifest = before.save(&path, false).unwrap();
        assert!(!manifest.holds_histories, "{name}");

        for file in fs::read_dir(&path).unwrap() {
            let file = file.unwrap().path();
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("person-"), "{name}: {}", file.display());
            for u in 0..USERS {
                assert!(!text.contains(&user(u)), "{name}: {}", file.display());
            }
        }

        let folder = artifact::open(&path).unwrap();
        let files = ["model", "catalogue"].map(|file| folder.tensors(file).unwrap());
        for (array, tensor) in files.iter().flat_map(|t| t.arrays()) {
            assert!(
                !tensor.shape.contains(&USERS),
                "{name}: '{array}' of shape {:?} has one entry per user",
                tensor.shape
            );
        }
        let found = reconstruction(&files, train);
        assert!(
            (found - 0.5).abs() < 0.1,
            "{name}: histories come back with AUC {found}"
        );

        let after = Advisor::open(&path).unwrap();
        let scores = by_number(&after, USERS);
        assert!(scores.iter().all(|row| row == &scores[0]), "{name}");
        // A row scores the same whether or not the user is known.
        let anonymous: Vec<OwnedHistory> = train
            .rows()
            .map(|row| OwnedHistory::of_items(row.items.to_vec()))
            .collect();
        let anonymous = anonymous.iter().map(OwnedHistory::view);
        let anonymous = Histories::from_histories(anonymous, train.n_items()).unwrap();
        assert_eq!(
            after.model.score(train),
            after.model.score(&anonymous),
            "{name}"
        );

        // Scores by rules over attributes are not products of vectors, so the attack learns little from those.
        if before.model.without_users().is_some() && !entry.reads.attributes {
            // The attack is able: with users, histories come back, and it says so.
            let mut whole = Tensors::new();
            before.model.save(&mut whole).unwrap();
            return Some((name, reconstruction(&[&whole], train)));
        }
        None
    };
    let attacks: Vec<_> = ENTRIES.par_iter().filter_map(attack).collect();
    // What comes back depends on how closely a model fits its training rows: graph models that stop early do
    // so less than factorizations. Chance is 0.5 ± 0.1, as above.
    assert!(attacks.iter().all(|a| a.1 > 0.8), "{attacks:?}");
    assert!(attacks.iter().any(|a| a.1 > 0.95), "{attacks:?}");
}
