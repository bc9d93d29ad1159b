//! Adam with Nesterov momentum: Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop 2016, algorithm 2,
//! with the schedule of momentum of PyTorch:
//!
//! ```text
//! μ_t = β₁ (1 − 0.96^(t ψ) / 2),   ψ = 0.004
//! m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
//! w ← w − rate · (μ_{t+1} m / (1 − Π_{i ≤ t+1} μ_i) + (1 − μ_t) g / (1 − Π_{i ≤ t} μ_i)) / (√(v / (1 − β₂ᵗ)) + ε)
//! ```

use rayon::prelude::*;

use crate::wide::wide;

/// Elements per task.
const CHUNK: usize = 16_384;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// μ_t.
fn momentum(t: u64) -> f64 {
    BETA1 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * 0.004))
}

/// Π μ_i for i from 1 to t. Every factor is at most β₁, so later ones do not change `1 − Π` in single precision.
fn product(t: u64) -> f64 {
    (1..=t.min(400)).map(momentum).product()
}

/// Step number `t` (from 1) of one array; all slices have one length.
pub fn step(
    rate: f32,
    t: u64,
    value: &mut [f32],
    gradient: &[f32],
    [first, second]: [&mut [f32]; 2],
) {
    let rate = f64::from(rate);
    let ahead = (rate * momentum(t + 1) / (1.0 - product(t + 1))) as f32;
    let now = (rate * (1.0 - momentum(t)) / (1.0 - product(t))) as f32;
    let root = (1.0 / (1.0 - BETA2.powf(t as f64))).sqrt() as f32;
    let (b1, b2) = (BETA1 as f32, BETA2 as f32);
    // 1 − β₂ in single precision would be off by a twenty-thousandth.
    let (rest1, rest2) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
    value
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .for_each(|(((w, g), m), v)| {
            wide(
                #[inline(always)]
                || {
                    for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut())
                    {
                        *m = b1 * *m + rest1 * g;
                        *v = b2 * *v + rest2 * g * g;
                        *w -= (ahead * *m + now * g) / (v.sqrt() * root + EPSILON);
                    }
                },
            );
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    /* Equivalent python code:
    import torch
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    o = torch.optim.NAdam([w], lr=0.1)
    for g in ([0.5, 1.0], [-1.0, 1.0], [0.25, 0.0]):
        w.grad = torch.tensor(g); o.step()
    print(w)   # 0.96388304, -2.19385052
    */
    #[test]
    fn works_like_pytorch() {
        let (mut w, mut m, mut v) = ([1.0f32, -2.0], [0f32; 2], [0f32; 2]);
        for (t, g) in [[0.5f32, 1.0], [-1.0, 1.0], [0.25, 0.0]].iter().enumerate() {
            step(0.1, t as u64 + 1, &mut w, g, [&mut m, &mut v]);
        }
        let expected = [0.963_883_04_f32, -2.193_850_5];
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(w.iter().zip(&expected).all(close), "{w:?}");
    }
}
