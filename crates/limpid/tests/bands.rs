//! The slow tier: accuracy on real data, in two-sided bands around measured runs, with their seeds.
//!
//! Protocol of all bands but those of SASRec and of behavior chains: ndcg@20, every rating counts as 1, global 70/10/20 split, train items masked
//! and validation items not, mean over all users. `LIMPID_DATA` names the folder of the data sets, which
//! may not be redistributed; without it these tests print that they were skipped.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use limpid::core::{ItemIdx, NoProgress, Recommender, Scale};
use limpid::measure::Regime;
use limpid::models::Config;
use limpid::{Advisor, DataSource, MeasureOptions, Prepared, SplitFrom, TrainOptions, train};

fn data(set: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("LIMPID_DATA") else {
        eprintln!("skipped: LIMPID_DATA names no folder with {set}");
        return None;
    };
    Some(PathBuf::from(folder).join(set))
}

/// A model, fitted with seed 1 on a split.
fn fitted(set: &Path, split: &str, model: &str, settings: &[&str]) -> Advisor {
    let config = Config::named(model).unwrap().set(settings).unwrap();
    let source = DataSource {
        path: set.to_owned(),
        ..DataSource::default()
    };
    let split = SplitFrom::Spec(split.parse().unwrap());
    let prepared = Prepared::read_for(&source, &split, config.entry().reads).unwrap();
    train(prepared, &config, &TrainOptions::seeded(1), &NoProgress).unwrap()
}

/// Test ndcg@20 of a model on a split.
fn ndcg_on(set: &Path, split: &str, model: &str, settings: &[&str]) -> f64 {
    let options = MeasureOptions {
        metrics: vec!["ndcg@20".parse().unwrap()],
        resamples: 0,
        ..MeasureOptions::default()
    };
    let advisor = fitted(set, split, model, settings);
    let measured = advisor.evaluate(&options, &NoProgress).unwrap();
    measured.report.metrics[0].value
}

/// Mean test ndcg@20 of a model over split seeds.
fn ndcg(set: &Path, seeds: std::ops::RangeInclusive<u64>, model: &str, settings: &[&str]) -> f64 {
    let n = seeds.clone().count() as f64;
    let of_seed = |seed| ndcg_on(set, &format!("ratio:70/10/20@{seed}"), model, settings);
    seeds.map(of_seed).sum::<f64>() / n
}

fn check(name: &str, found: f64, expected: f64, tolerance: f64) {
    eprintln!("{name}: {found:.4}, band {expected} ± {tolerance}");
    assert!(
        (found - expected).abs() <= tolerance,
        "{name}: {found:.4} is outside of {expected} ± {tolerance}"
    );
}

#[test]
fn ml_100k() {
    let Some(set) = data("ml-100k") else { return };
    let mean = |model: &str, settings: &[&str]| ndcg(&set, 1..=5, model, settings);
    let ease = mean("ease", &["reg=500"]);
    check("ease, 5 splits", ease, 0.366, 0.005);
    check(
        "itemknn, 5 splits",
        mean("itemknn", &["k=100"]),
        0.3339,
        0.002,
    );
    check(
        "popularity, 5 splits",
        mean("popularity", &[]),
        0.191,
        0.006,
    );
    check("mrf, 5 splits", mean("mrf", &["reg=500"]), 0.3625, 0.002);
    check("edlae, 5 splits", mean("edlae", &[]), 0.3663, 0.002);
    check("slim, 5 splits", mean("slim", &[]), 0.3641, 0.002);
    // On the same splits, differences from EASE vary less than the values.
    for (preset, expected, least) in [
        ("accurate", 0.3746, 0.008),
        ("balanced", 0.3709, 0.005),
        ("short", 0.3690, 0.003),
    ] {
        let found = mean("ruleslim", &[&format!("preset={preset}")]);
        check(
            &format!("ruleslim {preset}, 5 splits"),
            found,
            expected,
            0.002,
        );
        assert!(found - ease >= least, "{preset}: {:+.4}", found - ease);
    }
}

#[test]
fn lia_on_ml_100k() {
    let Some(set) = data("ml-100k") else { return };
    check("lia, 2 splits", ndcg(&set, 1..=2, "lia", &[]), 0.362, 0.005);
    // Fewer rules and epochs than by default, to finish in seconds.
    let few = ["rules_by=gradients", "rules=500", "epochs=40"];
    check(
        "lia by gradients, 500 rules, split 1",
        ndcg(&set, 1..=1, "lia", &few),
        0.340,
        0.006,
    );
}

#[test]
fn ml_1m() {
    let Some(set) = data("ml-1m") else { return };
    check(
        "ease, split 1",
        ndcg(&set, 1..=1, "ease", &["reg=1000"]),
        0.343,
        0.004,
    );
    check(
        "itemknn, split 1",
        ndcg(&set, 1..=1, "itemknn", &["k=100"]),
        0.296,
        0.002,
    );
    check(
        "mrf, split 1",
        ndcg(&set, 1..=1, "mrf", &["reg=1000"]),
        0.3391,
        0.002,
    );
    let ease = ndcg(&set, 1..=1, "ease", &["reg=1000"]);
    let found = ndcg(&set, 1..=1, "ruleslim", &[]);
    check("ruleslim, split 1", found, 0.346, 0.004);
    assert!(found - ease >= 0.003, "{:+.4}", found - ease);
    check(
        "popularity, split 1",
        ndcg(&set, 1..=1, "popularity", &[]),
        0.173,
        0.004,
    );
}

/// Train and validation items are shown and masked at test, as in the paper's protocol. Three epochs of the
/// softmax loss, to finish in a minute; `loss=bpr` is measured in `paper/sasrec`.
#[test]
fn sasrec_on_amazon_grocery() {
    let Some(set) = data("amazon-grocery") else {
        return;
    };
    let found = ndcg_on(&set, "leave-one-out", "sasrec", &["epochs=3"]);
    check("sasrec, 3 epochs", found, 0.0629, 0.003);
}

/// Split as given, one held-out purchase per user, all items are candidates, train purchases masked. Ledgers of
/// 1,000 pairs add up to their scores within 1e-5.
#[test]
fn behavior_chains_on_tmall() {
    let Some(set) = data("tmall-mb") else { return };
    let measured = |advisor: &Advisor, regime: Regime| -> Vec<f64> {
        let options = MeasureOptions {
            metrics: ["hit@10", "ndcg@10"].map(|m| m.parse().unwrap()).to_vec(),
            regime,
            calibration: regime == Regime::Legacy && advisor.model.scale() == Scale::NextEvent,
            resamples: 0,
            ..MeasureOptions::default()
        };
        let measured = advisor.evaluate(&options, &NoProgress).unwrap();
        let metrics = measured.report.metrics.iter().map(|m| m.value);
        let calibration = measured.paths.and_then(|p| p.calibration);
        let calibration =
            calibration.map(|c| [c.ece, c.untouched_predicted - c.untouched_observed]);
        metrics.chain(calibration.into_iter().flatten()).collect()
    };
    let prior = fitted(&set, "given", "chain-prior", &[]);
    let prior = measured(&prior, Regime::Legacy);
    check("chain-prior hit@10", prior[0], 0.3541, 0.002);
    check("chain-prior ndcg@10", prior[1], 0.1789, 0.002);

    let scorecard = fitted(&set, "given", "scorecard", &[]);
    let legacy = measured(&scorecard, Regime::Legacy);
    check("scorecard hit@10", legacy[0], 0.3985, 0.002);
    check("scorecard ndcg@10", legacy[1], 0.2031, 0.002);
    assert!(legacy[2] <= 0.0015, "ECE {}", legacy[2]);
    assert!(legacy[3].abs() <= 0.02, "untouched items {:+}", legacy[3]);
    let discovery = measured(&scorecard, Regime::Discovery);
    check("scorecard discovery hit@10", discovery[0], 0.1036, 0.003);

    // Half of the pairs have an item that the user has touched.
    let rows = &scorecard.split().unwrap().train;
    let mut rng = limpid_tensor::Rng::new(1, 0);
    for pair in 0..1000 {
        let u = rng.below(rows.len());
        let (row, one) = (rows.row(u), rows.slice(u, u + 1));
        let item = match pair % 2 {
            0 => row.items[rng.below(row.items.len())],
            _ => ItemIdx(rng.below(rows.n_items()) as u32),
        };
        let score = scorecard.model.score(&one)[[0, item.at()]];
        let ledger = scorecard.model.explain(row, item);
        let sum: f64 = ledger.parts.iter().map(|p| f64::from(p.value)).sum();
        let error = (f64::from(ledger.base) + sum - f64::from(score)).abs();
        assert!(error <= 1e-5, "{u} {item:?}: {error}");
    }
}
