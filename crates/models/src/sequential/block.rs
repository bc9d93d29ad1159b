//! What sequential models share: windows of histories, and the self-attention block of ReChorus (post-norm, no
//! output projection, positions counted from the last event).

use std::sync::Arc;

use limpid_core::{Histories, ItemIdx, Result, Scale, Tensors};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Spans, Var};

use super::sasrec::Loss;

/// Standard deviation of the initial weights.
const DEVIATION: f32 = 0.01;

/// ε of layer normalization.
const EPSILON: f64 = 1e-5;

/// Arrays of a block, in order; `w…` are matrices.
pub(super) const ARRAYS: [&str; 14] = [
    "wq", "bq", "wk", "bk", "wv", "bv", "gain1", "bias1", "w1", "b1", "w2", "b2", "gain2", "bias2",
];

/// Names and shapes of the arrays of a block of width d.
pub(super) fn arrays(block: &str, d: usize) -> impl Iterator<Item = (String, Vec<usize>)> {
    ARRAYS
        .map(|name| {
            let shape = match name.starts_with('w') {
                true => vec![d, d],
                false => vec![d],
            };
            (format!("{block}.{name}"), shape)
        })
        .into_iter()
}

/// Initial values of an array, by the last part of its name.
pub(super) fn start(name: &str, n: usize, rng: &mut Rng) -> Vec<f32> {
    match &name[name.find('.').map_or(0, |dot| dot + 1)..] {
        "gain1" | "gain2" => vec![1.0; n],
        "bias1" | "bias2" => vec![0.0; n],
        _ => (0..n).map(|_| DEVIATION * rng.normal()).collect(),
    }
}

/// The last events of a history.
pub(super) fn window(items: &[ItemIdx], length: usize) -> &[ItemIdx] {
    &items[items.len().saturating_sub(length)..]
}

/// Row and position of each event that has a predecessor in its row.
pub(super) fn next_events(rows: &Histories) -> Vec<(u32, u32)> {
    let of_row = |(row, n): (usize, usize)| (1..n).map(move |at| (row as u32, at as u32));
    rows.rows()
        .map(|r| r.len())
        .enumerate()
        .flat_map(of_row)
        .collect()
}

/// A hash of the order of events, for the fingerprint of a fit.
pub(super) fn hash(rows: &Histories) -> u64 {
    limpid_core::hash::rows(rows.rows().map(|row| row.items.iter().map(|i| i.0)))
}

/// The items of all events of some sequences.
pub(super) fn items(sequences: &[&[ItemIdx]]) -> Vec<u32> {
    sequences.iter().copied().flatten().map(|i| i.0).collect()
}

/// A batch of next events.
pub(super) struct Batch<'h> {
    /// The last events before each, at most the length of a window.
    pub(super) sequences: Vec<&'h [ItemIdx]>,
    /// The number of events in each sequence.
    pub(super) lengths: Vec<usize>,
    /// The item of each.
    pub(super) targets: Vec<u32>,
    /// A negative of each, for the pairwise loss.
    pub(super) negatives: Vec<u32>,
}

impl Loss {
    /// The pairwise loss leaves every score free up to what is added to all of them.
    pub(super) fn scale(self) -> Scale {
        match self {
            Self::Softmax => Scale::Logits,
            Self::Bpr => Scale::Order,
        }
    }
}

impl<'h> Batch<'h> {
    /// The batch of some events, given by row and position.
    pub(super) fn new(
        rows: &'h Histories,
        events: impl Iterator<Item = (u32, u32)>,
        length: usize,
        loss: Loss,
        mut negative: impl FnMut(usize) -> u32,
    ) -> Self {
        let mut batch = Self {
            sequences: Vec::new(),
            lengths: Vec::new(),
            targets: Vec::new(),
            negatives: Vec::new(),
        };
        for (row, at) in events {
            let items = rows.row(row as usize).items;
            let before = window(&items[..at as usize], length);
            batch.sequences.push(before);
            batch.lengths.push(before.len());
            batch.targets.push(items[at as usize].0);
            if loss == Loss::Bpr {
                batch.negatives.push(negative(row as usize));
            }
        }
        batch
    }

    /// The loss of representations `(sequences, d)`, over a table of items.
    pub(super) fn loss<'t>(self, z: Var<'t>, items: Var<'t>, loss: Loss) -> Var<'t> {
        match loss {
            Loss::Softmax => z.cross_entropy_over(items, self.targets),
            Loss::Bpr => {
                let score = |of: Vec<u32>| z.dot_rows(items.gather(of));
                score(self.targets).bpr(score(self.negatives))
            }
        }
    }
}

/// The saved arrays of a network, in the order of their names.
pub(super) fn load(
    from: &Tensors,
    arrays: Vec<(String, Vec<usize>)>,
) -> Result<Vec<Arc<Vec<f32>>>> {
    let of =
        |(name, shape): (String, Vec<usize>)| Ok(Arc::new(from.shaped(&name, &shape)?.to_vec()));
    arrays.into_iter().map(of).collect()
}

/// Embeddings of the events of sequences, none of them longer than the table of places.
pub(super) fn inputs<'t>(items: Var<'t>, places: Var<'t>, sequences: &[&[ItemIdx]]) -> Var<'t> {
    let of = |s: &&[ItemIdx]| (0..s.len() as u32).rev();
    let at: Vec<u32> = sequences.iter().flat_map(of).collect();
    items.gather(self::items(sequences)) + places.gather(at)
}

/// The outputs of a block with weights in the order of [`ARRAYS`], for the rows `of` of its inputs x. `drop` is applied
/// to the outputs of sublayers.
pub(super) fn block<'t>(
    w: &[Var<'t>],
    (x, of): (Var<'t>, Var<'t>),
    spans: Spans,
    heads: usize,
    mut drop: impl FnMut(Var<'t>) -> Var<'t>,
) -> Var<'t> {
    let &[wq, bq, wk, bk, wv, bv, g1, o1, w1, b1, w2, b2, g2, o2] = w else {
        unreachable!("a block has {} arrays", ARRAYS.len())
    };
    let (keys, values) = (x.linear(wk, bk), x.linear(wv, bv));
    let seen = of
        .linear(wq, bq)
        .attention(keys, values, &Arc::new(spans), heads);
    let x = (drop(seen) + of).layer_norm(g1, o1, EPSILON);
    let forward = x.linear(w1, b1).relu().linear(w2, b2);
    (drop(forward) + x).layer_norm(g2, o2, EPSILON)
}
