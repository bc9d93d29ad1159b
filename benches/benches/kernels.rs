//! The kernels of gradient-based models, on a batch of MovieLens 1M's shape: 512 users with 116 items each of
//! 3,706, 1,000 rules.
//!
//! `cargo bench -p limpid-benches --bench kernels`

#![allow(missing_docs)]

use divan::Bencher;
use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::sparse::batch::Batch;
use limpid_tensor::sparse::logic::{Cost, Logic};
use limpid_tensor::sparse::multinomial::loss_and_gradient;
use limpid_tensor::{Parameter, Rng};

const USERS: usize = 512;
const ITEMS: usize = 3706;
const OF_A_USER: usize = 116;
const RULES: usize = 1000;

fn main() {
    divan::main();
}

fn batch() -> Batch {
    let mut rng = Rng::new(1, 0);
    let rows: Vec<Vec<u32>> = (0..USERS).map(|_| rng.distinct(OF_A_USER, ITEMS)).collect();
    Batch::new(rows.iter().map(Vec::as_slice), ITEMS)
}

fn numbers(n: usize) -> Vec<f32> {
    Rng::new(2, 0).uniforms(n, -0.5, 0.5)
}

/// X W, for an item-to-item part.
#[divan::bench(sample_count = 20)]
fn sparse_times_dense(bencher: Bencher<'_, '_>) {
    let (batch, w) = (batch(), numbers(ITEMS * ITEMS));
    let mut y = vec![0f32; USERS * ITEMS];
    bencher.bench_local(|| batch.times(&w, ITEMS, &mut y));
}

/// Xᵀ D.
#[divan::bench(sample_count = 20)]
fn transposed_sparse_times_dense(bencher: Bencher<'_, '_>) {
    let (batch, d) = (batch(), numbers(USERS * ITEMS));
    let mut g = vec![0f32; ITEMS * ITEMS];
    bencher.bench_local(|| batch.transpose_times(&d, ITEMS, &mut g));
}

/// Xᵀ D with the step of Adam in the same pass.
#[divan::bench(sample_count = 20)]
fn transposed_and_adam(bencher: Bencher<'_, '_>) {
    let (batch, d) = (batch(), numbers(USERS * ITEMS));
    let mut w = Parameter::new("w", numbers(ITEMS * ITEMS));
    bencher.bench_local(|| {
        w.step_by_rows(&Adam::new(1e-3), ITEMS, |item, start, _, out| {
            batch.transpose_times_row(&d, ITEMS, item, start, out);
        });
    });
}

fn logic() -> (Logic, Vec<f32>, Vec<f32>) {
    let cost = Cost::Nlaf {
        alpha: 0.999,
        beta: 8,
        gamma: 3,
    };
    let w = Rng::new(3, 0).uniforms(ITEMS * RULES, 0.0, 0.52);
    (Logic::new(cost, RULES), w, vec![0.0; RULES])
}

#[divan::bench(sample_count = 20)]
fn logic_forward(bencher: Bencher<'_, '_>) {
    let (batch, (mut layer, w, gates)) = (batch(), logic());
    let mut hard = vec![0f32; USERS * RULES];
    bencher.bench_local(|| layer.forward(&w, &gates, &batch, &mut hard));
}

#[divan::bench(sample_count = 20)]
fn logic_backward(bencher: Bencher<'_, '_>) {
    let (batch, (mut layer, w, gates)) = (batch(), logic());
    let mut hard = vec![0f32; USERS * RULES];
    layer.forward(&w, &gates, &batch, &mut hard);
    let value = numbers(USERS * RULES);
    let (mut for_w, mut for_gates) = (vec![0f32; ITEMS * RULES], vec![0f32; RULES]);
    bencher.bench_local(|| {
        layer.backward(&w, &gates, &batch, &value, &mut for_w, &mut for_gates);
    });
}

#[divan::bench(sample_count = 50)]
fn multinomial_loss_and_gradient(bencher: Bencher<'_, '_>) {
    let (batch, logits) = (batch(), numbers(USERS * ITEMS));
    bencher
        .with_inputs(|| logits.clone())
        .bench_local_values(|mut y| loss_and_gradient(&mut y, &batch, 1.0 / USERS as f32));
}

/// Adam alone, on an array of the size of the rule weights.
#[divan::bench(sample_count = 50)]
fn adam(bencher: Bencher<'_, '_>) {
    let mut w = Parameter::new("w", numbers(ITEMS * RULES));
    w.gradient = numbers(ITEMS * RULES);
    bencher.bench_local(|| w.step(&Adam::new(1e-3)));
}

/// The product of the output layer.
#[divan::bench(sample_count = 20)]
fn dense_product(bencher: Bencher<'_, '_>) {
    let (hard, v) = (numbers(USERS * RULES), numbers(RULES * ITEMS));
    let mut y = vec![0f32; USERS * ITEMS];
    bencher.bench_local(|| {
        let (a, b) = (
            Factor::new(&hard, USERS, RULES),
            Factor::new(&v, RULES, ITEMS),
        );
        product(&mut y, a, b, false);
    });
}
