//! Sparse autoencoders: gradients against central differences, lengths of rows, planted dictionaries.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use limpid_core::Run;
use limpid_insight::dictionary::Pursuit;
use limpid_insight::sae::{
    Activation, Encoder, Family, Initial, Objective, Sae, Scaling, Settings, Variant, train,
};
use limpid_tensor::Rng;
use limpid_tensor::tape::Tape;

const D: usize = 5;
const K: usize = 12;
const B: usize = 7;

type Weights = [Vec<f64>; 5];

fn shapes() -> [Vec<usize>; 5] {
    [vec![K, D], vec![K], vec![K, D], vec![D], vec![K]]
}

fn random(rng: &mut Rng, n: usize, low: f32, high: f32) -> Vec<f64> {
    rng.uniforms(n, low, high)
        .into_iter()
        .map(f64::from)
        .collect()
}

fn weights(rng: &mut Rng) -> Weights {
    [
        random(rng, D * K, -1.0, 1.0),
        random(rng, K, -0.2, 0.2),
        random(rng, K * D, -1.0, 1.0),
        random(rng, D, -0.3, 0.3),
        random(rng, K, 0.05, 0.3),
    ]
}

fn sae(variant: Variant, aux: f64) -> Sae {
    Sae {
        variant,
        k: 3,
        objective: Objective::Variance,
        l1: 0.1,
        aux,
        variance: 1.3,
    }
}

/// The loss and its gradients.
fn gradients(sae: &Sae, weights: &Weights, x: &[f64], dead: &[bool]) -> (f64, Vec<Vec<f64>>) {
    let tape: Tape<f64> = Tape::default();
    let shapes = shapes();
    let leaf = |at: usize| tape.leaf(Arc::new(weights[at].clone()), &shapes[at]);
    let leaves = [leaf(0), leaf(1), leaf(2), leaf(3), leaf(4)];
    let input = tape.constant(x.to_vec(), &[B, D]);
    let (loss, _) = sae.loss(&tape, leaves, input, dead);
    let mut back = loss.backward();
    let all = leaves.iter().zip(weights);
    let all = all
        .map(|(&leaf, w)| back.take(leaf).dense(w.len()))
        .collect();
    (loss.scalar(), all)
}

/// Central differences of a function of the weights; thresholds are left out.
fn differences(weights: &Weights, of: impl Fn(&Weights) -> f64) -> Vec<Vec<f64>> {
    let h = 1e-6;
    (0..4)
        .map(|array| {
            (0..weights[array].len())
                .map(|at| {
                    let moved = |by: f64| {
                        let mut w = weights.clone();
                        w[array][at] += by;
                        of(&w)
                    };
                    (moved(h) - moved(-h)) / (2.0 * h)
                })
                .collect()
        })
        .collect()
}

fn agree(what: &str, found: &[Vec<f64>], expected: &[Vec<f64>]) {
    for (array, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (f, e) in found.iter().zip(expected) {
            assert!(
                (f - e).abs() < 1e-5 * e.abs().max(1e-2),
                "{what}, array {array}: {f} {e}"
            );
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for variant in [
        Variant::Basic,
        Variant::TopK,
        Variant::BatchTopK,
        Variant::Matryoshka,
        Variant::JumpRelu,
    ] {
        let mut rng = Rng::new(3, 0);
        let (w, x) = (weights(&mut rng), random(&mut rng, B * D, -1.0, 1.0));
        let sae = sae(variant, 0.0);
        let (_, found) = gradients(&sae, &w, &x, &[false; K]);
        let expected = differences(&w, |w| gradients(&sae, w, &x, &[false; K]).0);
        agree(&format!("{variant:?}"), &found[..4], &expected);
    }
}

/// The losses of the papers, and that the standardized ones do not depend on what they should not.
#[test]
fn gradients_of_the_published_losses() {
    for objective in [
        Objective::BatchVariance,
        Objective::Squares,
        Objective::Cosine,
    ] {
        let mut rng = Rng::new(4, 0);
        let (w, x) = (weights(&mut rng), random(&mut rng, B * D, -1.0, 1.0));
        let sae = Sae {
            objective,
            ..sae(Variant::TopK, 0.0)
        };
        let (value, found) = gradients(&sae, &w, &x, &[false; K]);
        let expected = differences(&w, |w| gradients(&sae, w, &x, &[false; K]).0);
        agree(&format!("{objective:?}"), &found[..4], &expected);
        // The variance of all users is used by our own loss alone.
        let other = Sae {
            variance: 9.0,
            ..sae
        };
        assert_eq!(gradients(&other, &w, &x, &[false; K]).0, value);
    }
}

/// One input, one unit: a = 2, x̂ = 2 (0.6, 0.8), x = (1, 2).
#[test]
fn published_losses_by_hand() {
    let tape: Tape<f64> = Tape::default();
    let leaf = |v: &[f64], shape: &[usize]| tape.leaf(Arc::new(v.to_vec()), shape);
    let leaves = [
        leaf(&[0.0, 1.0], &[1, 2]),
        leaf(&[0.0], &[1]),
        leaf(&[0.6, 0.8], &[1, 2]),
        leaf(&[0.0, 0.0], &[2]),
        leaf(&[0.0], &[1]),
    ];
    let of = |objective, l1| {
        let sae = Sae {
            variant: Variant::TopK,
            k: 1,
            objective,
            l1,
            aux: 0.0,
            variance: 1.0,
        };
        let x = tape.constant(vec![1.0, 2.0], &[1, 2]);
        sae.loss(&tape, leaves, x, &[false]).0.scalar()
    };
    // Left: (0.2, −0.4).
    assert!((of(Objective::Squares, 0.0) - 0.1).abs() < 1e-12);
    assert!((of(Objective::Squares, 0.5) - 1.1).abs() < 1e-12);
    let cosine = (0.6 + 1.6) / 5f64.sqrt();
    assert!((of(Objective::Cosine, 0.0) - (1.0 - cosine)).abs() < 1e-9);
}

/// Standardizing gives mean 0 and deviation 1 in a new buffer, and can be taken back.
#[test]
fn scaling_can_be_taken_back() {
    let x = [3.0f32, -1.0, 2.5, 0.5];
    for scaling in [Scaling::Unit, Scaling::Raw, Scaling::Standardized] {
        let before = x;
        let scaled = scaling.of(&x);
        assert_eq!(x, before);
        for (v, x) in scaled.input.iter().zip(x) {
            assert!(
                (v * scaled.scale + scaled.offset - x).abs() < 1e-6,
                "{scaling:?}"
            );
        }
    }
    let input = Scaling::Standardized.of(&x).input;
    let mean: f32 = input.iter().sum::<f32>() / 4.0;
    let variance = input.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 3.0;
    assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
    assert_eq!(Scaling::Raw.of(&x).input, x);
    assert_eq!(Scaling::Standardized.of(&[2.0, 2.0]).input, [0.0, 0.0]);
}

/// The settings of the papers train: their starts, losses and scalings.
#[test]
fn published_settings_train() {
    let mut rng = Rng::new(6, 0);
    let width = 10;
    let low: Vec<f32> = (0..3 * width).map(|_| rng.normal()).collect();
    let rows: Vec<f32> = (0..600)
        .flat_map(|_| {
            let z: Vec<f32> = (0..3).map(|_| rng.unit()).collect();
            (0..width)
                .map(|d| (0..3).map(|j| z[j] * low[j * width + d]).sum::<f32>())
                .collect::<Vec<f32>>()
        })
        .collect();
    for (initial, objective, beta2) in [
        (Initial::Linear, Objective::BatchVariance, 0.999),
        (Initial::Kaiming, Objective::Squares, 0.99),
        (Initial::Kaiming, Objective::Cosine, 0.99),
    ] {
        let how = Settings {
            initial,
            objective,
            beta2,
            scaling: Scaling::Standardized,
            ..settings(Variant::TopK, 40, 4, 60)
        };
        let inputs: Vec<f32> = rows
            .chunks_exact(width)
            .flat_map(|x| how.scaling.of(x).input)
            .collect();
        let trained = train(&inputs, &[], width, &how, None, &mut Run::seeded(1)).unwrap();
        assert_eq!(trained.encoder.scaling, Scaling::Standardized);
        assert!(trained.report.dead <= 1.0 && trained.report.best_epoch >= 1);
        // A cosine leaves lengths free.
        if objective != Objective::Cosine {
            assert!(
                trained.report.unexplained < 0.5,
                "{objective:?} {:?}",
                trained.report
            );
        }
        let dictionary = limpid_insight::Dictionary {
            knobs: 40,
            mean: {
                let length = trained
                    .encoder
                    .shift
                    .iter()
                    .map(|v| v * v)
                    .sum::<f32>()
                    .sqrt();
                trained.encoder.shift.iter().map(|v| v / length).collect()
            },
            keep: 4,
            stability: vec![0.0; 40],
            names: vec![None; 40],
            atoms: trained.atoms,
            encoder: Some(trained.encoder),
        };
        let pursuit = Pursuit::of(&dictionary);
        let x = &rows[..width];
        let code = pursuit.encode(x);
        // What a code decodes to is the reconstruction at the scale of the representation.
        let encoder = dictionary.encoder.as_ref().unwrap();
        let scaled = encoder.scaling.of(x);
        let mut expected = encoder.shift.clone();
        for (k, z) in encoder.encode(&scaled.input, Family::Users) {
            let atom = dictionary.atoms.row(k as usize);
            expected.iter_mut().zip(atom).for_each(|(e, w)| *e += z * w);
        }
        for (found, e) in pursuit.decode(&code).iter().zip(expected) {
            assert!((found - (e * scaled.scale + scaled.offset)).abs() < 1e-4);
        }
        for ((k, v), (j, z)) in code
            .values()
            .iter()
            .zip(encoder.encode(&scaled.input, Family::Users))
        {
            assert!(*k == j && (v - z).abs() < 1e-5);
        }
        let mut saved = limpid_core::Tensors::new();
        limpid_core::Artifact::save(&dictionary, &mut saved).unwrap();
        let loaded: limpid_insight::Dictionary = limpid_core::Artifact::load(&saved).unwrap();
        assert_eq!(loaded, dictionary);
    }
}

/// The straight-through gradient of thresholds, by hand: one unit, one input with a = 0.31 and θ = 0.30, kernel of
/// width 0.05. The decoder is 1 and b_dec 0, so x̂ = a and dL/dz = 2 (a − x); dL/dθ = −(θ/ε) dL/dz − λ/ε.
#[test]
fn gradient_of_thresholds_by_hand() {
    let tape: Tape<f64> = Tape::default();
    let leaf = |v: f64, shape: &[usize]| tape.leaf(Arc::new(vec![v]), shape);
    let leaves = [
        leaf(1.0, &[1, 1]),
        leaf(0.01, &[1]),
        leaf(1.0, &[1, 1]),
        leaf(0.0, &[1]),
        leaf(0.30, &[1]),
    ];
    let sae = Sae {
        variant: Variant::JumpRelu,
        k: 1,
        objective: Objective::Variance,
        l1: 0.2,
        aux: 0.0,
        variance: 1.0,
    };
    let (loss, _) = sae.loss(&tape, leaves, tape.constant(vec![0.3], &[1, 1]), &[false]);
    assert!((loss.scalar() - (0.01f64.powi(2) + 0.2)).abs() < 1e-12);
    let found = loss.backward().take(leaves[4]).dense(1)[0];
    let expected = -(0.30 / 0.05) * 2.0 * 0.01 - 0.2 / 0.05;
    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
}

/// AuxK: what it adds to the gradients is that of `aux · Σ |z_dead W_dec − e|² / Σ |e − mean e|²` with the
/// remainder e = x − x̂ held fixed: the right sign, detached, and without the decoder bias.
#[test]
fn aux_k_moves_dead_units_toward_the_remainder() {
    let mut rng = Rng::new(5, 0);
    let (w, x) = (weights(&mut rng), random(&mut rng, B * D, -1.0, 1.0));
    let dead: Vec<bool> = (0..K).map(|k| k >= 9).collect();
    let pre = |w: &Weights, row: usize, k: usize| -> f64 {
        let inner = |d: usize| (x[row * D + d] - w[3][d]) * w[0][k * D + d];
        (0..D).map(inner).sum::<f64>() + w[1][k]
    };
    // The remainder of the plain code at the start.
    let mut e = vec![0f64; B * D];
    for row in 0..B {
        let mut order: Vec<usize> = (0..K).collect();
        order.sort_by(|&a, &b| pre(&w, row, b).total_cmp(&pre(&w, row, a)));
        for d in 0..D {
            let parts = order[..3]
                .iter()
                .map(|&k| pre(&w, row, k).max(0.0) * w[2][k * D + d]);
            e[row * D + d] = x[row * D + d] - w[3][d] - parts.sum::<f64>();
        }
    }
    let mean = |d: usize| (0..B).map(|r| e[r * D + d]).sum::<f64>() / B as f64;
    let spread: f64 = (0..B * D).map(|at| (e[at] - mean(at % D)).powi(2)).sum();
    let aux = |w: &Weights| -> f64 {
        let mut sum = 0.0;
        for row in 0..B {
            let mut order: Vec<usize> = (9..K).collect();
            order.sort_by(|&a, &b| pre(w, row, b).total_cmp(&pre(w, row, a)));
            for d in 0..D {
                let parts = order[..2]
                    .iter()
                    .map(|&k| pre(w, row, k).max(0.0) * w[2][k * D + d]);
                sum += (parts.sum::<f64>() - e[row * D + d]).powi(2);
            }
        }
        0.5 * sum / spread
    };
    let with = gradients(&sae(Variant::TopK, 0.5), &w, &x, &dead);
    let without = gradients(&sae(Variant::TopK, 0.0), &w, &x, &dead);
    assert!((with.0 - without.0 - aux(&w)).abs() < 1e-9);
    let added: Vec<Vec<f64>> = with.1[..4]
        .iter()
        .zip(&without.1)
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect())
        .collect();
    agree("AuxK", &added, &differences(&w, aux));
}

fn settings(variant: Variant, units: usize, k: usize, epochs: usize) -> Settings {
    Settings {
        variant,
        units,
        k,
        scaling: Scaling::Unit,
        objective: Objective::Variance,
        initial: Initial::Tied,
        l1: match variant {
            Variant::Basic | Variant::JumpRelu => 0.002,
            _ => 0.0,
        },
        aux: 1.0 / 32.0,
        one_hot: 0.0,
        epochs,
        batch_size: 256,
        learning_rate: 3e-3,
        beta2: 0.999,
        patience: 0,
    }
}

/// Sparse combinations of known unit directions are taken apart again.
#[test]
fn a_planted_dictionary_is_recovered() {
    let (width, n_atoms, k, n) = (24, 32, 3, 6000);
    let mut rng = Rng::new(11, 0);
    let mut atoms: Vec<Vec<f32>> = Vec::new();
    for _ in 0..n_atoms {
        let row: Vec<f32> = (0..width).map(|_| rng.normal()).collect();
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        atoms.push(row.into_iter().map(|v| v / length).collect());
    }
    let mut rows = Vec::with_capacity(n * width);
    for _ in 0..n {
        let mut x = vec![0f32; width];
        for _ in 0..k {
            let (atom, z) = (&atoms[rng.below(n_atoms)], rng.uniform(0.5, 1.5));
            x.iter_mut().zip(atom).for_each(|(x, a)| *x += z * a);
        }
        rows.extend(x);
    }
    let trained = train(
        &rows,
        &[],
        width,
        &settings(Variant::TopK, 2 * n_atoms, k, 40),
        None,
        &mut Run::seeded(1),
    )
    .unwrap();
    let best = |atom: &Vec<f32>| {
        let rows = trained.atoms.rows().into_iter();
        rows.map(|r| r.iter().zip(atom).map(|(a, b)| a * b).sum::<f32>())
            .fold(-1.0, f32::max)
    };
    let mean = atoms.iter().map(best).sum::<f32>() / n_atoms as f32;
    assert!(mean >= 0.95, "mean of the largest cosines {mean}");
}

/// Every variant trains: rows of length 1, the same bits again, at most k active units of an input (on average,
/// for thresholds), and a reconstruction that explains something.
#[test]
fn laws_of_trained_autoencoders() {
    let mut rng = Rng::new(2, 0);
    let (width, n) = (12, 900);
    let low: Vec<Vec<f32>> = (0..4)
        .map(|_| (0..width).map(|_| rng.normal()).collect())
        .collect();
    let mut rows = Vec::new();
    for _ in 0..n {
        let mut x = vec![0f32; width];
        for direction in &low {
            let z = rng.unit();
            x.iter_mut().zip(direction).for_each(|(x, d)| *x += z * d);
        }
        let length = x.iter().map(|v| v * v).sum::<f32>().sqrt();
        rows.extend(x.into_iter().map(|v| v / length));
    }
    let items = rows[..50 * width].to_vec();
    for variant in [
        Variant::Basic,
        Variant::TopK,
        Variant::BatchTopK,
        Variant::Matryoshka,
        Variant::JumpRelu,
    ] {
        let how = Settings {
            one_hot: 0.2,
            ..settings(variant, 32, 4, 30)
        };
        let fit = || train(&rows, &items, width, &how, None, &mut Run::seeded(4)).unwrap();
        let trained = fit();
        assert_eq!(trained, fit(), "{variant:?}");
        for row in trained.atoms.rows() {
            let length = row
                .iter()
                .map(|&v| f64::from(v).powi(2))
                .sum::<f64>()
                .sqrt();
            assert!((length - 1.0).abs() < 1e-6, "{variant:?} {length}");
        }
        assert!(
            trained.report.unexplained < 0.5,
            "{variant:?} {:?}",
            trained.report
        );
        let before = rows.clone();
        let codes: Vec<_> = rows
            .chunks_exact(width)
            .map(|x| trained.encoder.encode(x, Family::Users))
            .collect();
        assert_eq!(rows, before);
        let active = codes.iter().map(Vec::len).sum::<usize>() as f64 / codes.len() as f64;
        match variant {
            Variant::TopK | Variant::Matryoshka => assert!(codes.iter().all(|c| c.len() <= 4)),
            Variant::BatchTopK => {
                assert!((2.0..6.0).contains(&active), "{active}");
                let of_items = items.chunks_exact(width);
                let of_items = of_items.map(|x| trained.encoder.encode(x, Family::Items).len());
                let mean = of_items.sum::<usize>() as f64 / 50.0;
                assert!((3.0..=4.0).contains(&mean), "{mean}");
            }
            _ => {}
        }
        assert!(codes.iter().flatten().all(|z| z.1 > 0.0));
    }
}

#[test]
fn codes_by_hand() {
    let encoder = |activation| Encoder {
        weights: vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0],
        bias: vec![0.0, 0.5, 0.0],
        shift: vec![0.1, 0.0],
        activation,
        scaling: Scaling::Unit,
    };
    // Pre-activations 0.5, 0.3, 0.5: the tie goes to the lower unit.
    let x = [0.6, -0.2];
    let of = |activation| {
        let code = encoder(activation).encode(&x, Family::Users);
        code.into_iter().map(|c| c.0).collect::<Vec<_>>()
    };
    assert_eq!(of(Activation::Relu), [0, 1, 2]);
    assert_eq!(of(Activation::TopK(1)), [0]);
    assert_eq!(of(Activation::TopK(2)), [0, 2]);
    assert_eq!(
        of(Activation::Above {
            users: 0.4,
            items: 0.0
        }),
        [0, 2]
    );
    assert_eq!(of(Activation::Jump(vec![0.6, 0.2, 0.6])), [1]);
    // Pursuit of the same atoms needs no encoder.
    let atoms = limpid_core::Mat::from_shape_vec((2, 2), vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    assert_eq!(
        Pursuit::new(&atoms, &[0.6, 0.8], 1)
            .encode(&[0.0, 0.0])
            .active,
        []
    );
}
