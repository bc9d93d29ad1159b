//! Every step of the pipeline, on ML-1M if `LIMPID_DATA` names the data, otherwise on
//! synthetic data: `cargo bench -p limpid-benches`.

// Benchmarks fail by panicking.
#![allow(missing_docs, clippy::expect_used)]

use std::sync::LazyLock;

use divan::{Bencher, black_box};
use limpid::core::{Edits, Histories, ItemIdx, Mask, NoProgress, Recommender, top_k};
use limpid::data::synthetic::{Config as World, World as Invented};
use limpid::models::{Config, Model};
use limpid::{Advisor, Filter, MeasureOptions, Prepared, TrainOptions, Who, train};
use limpid_benches::prepared;

static DATA: LazyLock<Prepared> = LazyLock::new(|| prepared().expect("the data can be read").1);

static EASE: LazyLock<Advisor> = LazyLock::new(|| fitted("ease"));

fn main() {
    divan::main();
}

fn fitted(model: &str) -> Advisor {
    let config = Config::named(model).expect("the model exists");
    train(DATA.clone(), &config, &TrainOptions::seeded(1), &NoProgress).expect("the model fits")
}

fn block() -> Histories {
    DATA.split.train.slice(0, DATA.split.train.len().min(256))
}

#[divan::bench(sample_count = 5)]
fn load_and_split() -> Prepared {
    prepared().expect("the data can be read").1
}

#[divan::bench(sample_count = 5)]
fn invent_a_world() -> Invented {
    Invented::generate(&World::default()).expect("the defaults are valid")
}

#[divan::bench(sample_count = 3, args = ["popularity", "itemknn", "ease", "slim", "ruleslim"])]
fn fit(model: &str) -> Advisor {
    fitted(model)
}

#[divan::bench(args = ["itemknn", "ease", "ruleslim"])]
fn score_a_block_of_256(bencher: Bencher<'_, '_>, model: &str) {
    let (model, block): (Model, Histories) = (fitted(model).model.into_model(), block());
    bencher.bench(|| model.score(black_box(&block)));
}

#[divan::bench]
fn top_20_of_a_row(bencher: Bencher<'_, '_>) {
    let scores = EASE.model.score(&block().slice(0, 1)).row(0).to_vec();
    let mask = Mask::none(scores.len());
    bencher.bench(|| top_k(black_box(&scores), &mask, EASE.tie_breaks(), 20));
}

#[divan::bench(sample_count = 5)]
fn evaluate_with_intervals() -> f64 {
    let measured = EASE.evaluate(&MeasureOptions::default(), &NoProgress);
    measured.expect("there is test data").report.metrics[0].value
}

#[divan::bench]
fn explain_one_item(bencher: Bencher<'_, '_>) {
    let rows = block();
    bencher.bench(|| EASE.model.explain(black_box(rows.row(0)), ItemIdx(0)));
}

#[divan::bench]
fn recommend_10_with_reasons(bencher: Bencher<'_, '_>) {
    let who = Who::user(EASE.catalogue.users.name(0));
    let filter = Filter::default();
    bencher.bench(|| {
        EASE.recommend(black_box(&who), 10, &filter, &Edits::none())
            .is_ok()
    });
}
