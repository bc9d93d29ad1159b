//! Ledgers of networks over sequences: path integrals over the inputs, from zeros to their values.

use limpid_core::attribution::mean_gradient;
use limpid_core::{History, ItemIdx, Ledger, Part, Unit};

/// Pieces of the integration path, each half as long as the previous one.
const PIECES: usize = 12;

/// Steps of the integral over one piece.
const STEPS: usize = 8;

/// The ledger of a score: the contribution of each of the last events of a history, whose inputs are the rows of
/// `inputs`; `base` is the score of inputs that are zeros, `gradient` that of the score.
pub(super) fn ledger(
    user: History<'_>,
    events: usize,
    inputs: &[f32],
    (base, score): (f32, f32),
    mut gradient: impl FnMut(&[f32]) -> Vec<f32>,
) -> Ledger {
    // Layer normalization changes fast where its input is small, so the path is halved
    // repeatedly towards its start, and every piece has the same number of steps.
    let mut slope = vec![0f64; inputs.len()];
    for piece in 0..PIECES {
        let end = 0.5f32.powi(piece as i32);
        let begin = if piece + 1 < PIECES { end / 2.0 } else { 0.0 };
        let at = |t: f32| inputs.iter().map(|x| t * x).collect::<Vec<f32>>();
        let mean = mean_gradient(&at(begin), &at(end), STEPS, &mut gradient);
        for (slope, mean) in slope.iter_mut().zip(mean) {
            *slope += f64::from(end - begin) * mean;
        }
    }
    // Events on the same item are one unit.
    let width = inputs.len() / events.max(1);
    let first = user.len() - events;
    let rows = inputs.chunks_exact(width.max(1));
    let mut effects: Vec<(ItemIdx, usize, f64)> = rows
        .zip(slope.chunks_exact(width.max(1)))
        .enumerate()
        .map(|(at, (x, slope))| {
            let effect = x.iter().zip(slope).map(|(&x, s)| f64::from(x) * s).sum();
            (user.items[first + at], first + at, effect)
        })
        .collect();
    effects.sort_by_key(|&(item, at, _)| (item, at));
    let parts = effects.chunk_by(|a, b| a.0 == b.0).map(|events| {
        let effect: f64 = events.iter().map(|(_, _, effect)| effect).sum();
        let cites = events.iter().map(|&(_, at, _)| user.event(at)).collect();
        Part::new(Unit::event(events[0].0), 1.0, effect as f32, cites)
    });
    Ledger::of_parts(base, parts.collect()).scored(score)
}
