//! The graphs of behaviors, and the encoder over them: equations 2 to 7.

use limpid_tensor::matmul::{Factor, product};
use limpid_tensor::tape::{Tape, Var};
use limpid_tensor::{Parameter, Rng};

use super::{Config, Norm, Without};
use crate::behavior::chains::{Behaviors, Chains};
use crate::graph::propagation::Bipartite;

/// Added to |c|² before the division of the projection.
const EPSILON: f32 = 1e-8;

/// How often a pair counts in a graph: in that of all behaviors (`None`), or of one.
pub(super) fn multiplicity(config: &Config, set: u8, behavior: Option<u8>) -> usize {
    match behavior {
        None if config.count_pairs => set.count_ones() as usize,
        None => 1,
        Some(b) => usize::from(set >> b & 1),
    }
}

/// The graphs: that of all behaviors, then those of the behaviors in order.
pub(super) fn graphs(config: &Config, chains: &Chains) -> Vec<Bipartite> {
    let of = chains.behaviors.in_order().map(Some);
    let kinds = [None].into_iter().chain(of);
    let graph = |kind: Option<u8>| {
        // A pair that counts several times has as many edges.
        let edges =
            |&(item, set): &(u32, u8)| std::iter::repeat_n(item, multiplicity(config, set, kind));
        let rows: Vec<Vec<u32>> = (0..chains.len())
            .map(|u| chains.row(u).iter().flat_map(edges).collect())
            .collect();
        Bipartite::new(&rows, chains.n_items)
    };
    kinds.map(graph).collect()
}

/// The weights of the encoder on a tape.
pub(super) struct EncoderWeights<'t> {
    pub(super) users: Var<'t>, // (U, d)
    pub(super) items: Var<'t>, // (I, d)
    /// W of users and of items, by behavior `(d, K)`.
    hyper: Vec<[Var<'t>; 2]>,
    /// Biases by graph and layer `(d)`; empty without.
    bias: Vec<Vec<Var<'t>>>,
}

/// Number of layers of every graph.
pub(super) fn depths(config: &Config, behaviors: Behaviors) -> Vec<usize> {
    let of = (0..behaviors.len()).map(|place| config.layers(place, behaviors));
    [config.unified_layers].into_iter().chain(of).collect()
}

/// Names and shapes of the weights of the encoder, in order.
pub(super) fn arrays(
    config: &Config,
    behaviors: Behaviors,
    n_users: usize,
    n_items: usize,
) -> Vec<(String, Vec<usize>)> {
    let d = config.embedding_size;
    let mut all = vec![
        ("users".to_owned(), vec![n_users, d]),
        ("items".to_owned(), vec![n_items, d]),
    ];
    if config.hypergraph() {
        for place in 0..behaviors.len() {
            for side in ["users", "items"] {
                all.push((format!("hyper.{place}.{side}"), vec![d, config.hyperedges]));
            }
        }
    }
    if config.bias {
        for (graph, depth) in depths(config, behaviors).into_iter().enumerate() {
            all.extend((1..=depth).map(|l| (format!("bias.{graph}.{l}"), vec![d])));
        }
    }
    all
}

impl<'t> EncoderWeights<'t> {
    /// Reads them in the order of [`arrays`].
    pub(super) fn read(
        config: &Config,
        behaviors: Behaviors,
        weights: &mut impl Iterator<Item = Var<'t>>,
    ) -> Self {
        let mut next = || {
            weights
                .next()
                .unwrap_or_else(|| unreachable!("there is a weight for every array"))
        };
        let (users, items) = (next(), next());
        let hyper = match config.hypergraph() {
            true => (0..behaviors.len()).map(|_| [next(), next()]).collect(),
            false => Vec::new(),
        };
        let bias = match config.bias {
            true => depths(config, behaviors)
                .into_iter()
                .map(|depth| (0..depth).map(|_| next()).collect())
                .collect(),
            false => Vec::new(),
        };
        Self {
            users,
            items,
            hyper,
            bias,
        }
    }
}

/// The vectors of one behavior; pairs are of users and items.
pub(super) struct Cascaded<'t> {
    /// The layers of the graph, from the input on `(U + I, d)`.
    pub(super) layers: Vec<Var<'t>>,
    /// c: collaborative.
    pub(super) collaborative: [Var<'t>; 2],
    /// s: semantic; c without a hypergraph.
    pub(super) semantic: [Var<'t>; 2],
    /// e: after the projection.
    pub(super) out: [Var<'t>; 2],
}

/// All vectors of a step.
pub(super) struct Encoded<'t> {
    /// The layers of the graph of all behaviors `(U + I, d)`.
    pub(super) unified: Vec<Var<'t>>,
    /// The behaviors in order.
    pub(super) behaviors: Vec<Cascaded<'t>>,
}

/// The weight of layer l in the combination of `depth` propagated layers.
pub(super) fn layer_weight(norm: Norm, l: usize, depth: usize) -> f32 {
    match norm {
        Norm::None | Norm::Rows => 1.0,
        Norm::Divided => 1.0 / l.max(1) as f32,
        Norm::Mean => 1.0 / (depth + 1) as f32,
    }
}

/// Whether propagated layers have rows of length one.
pub(super) fn normalized(norm: Norm) -> bool {
    matches!(norm, Norm::Rows | Norm::Divided)
}

/// The layers of a graph, from the input on, and their combination.
fn propagate<'t>(
    norm: Norm,
    x: Var<'t>,
    graph: &Bipartite,
    depth: usize,
    bias: &[Var<'t>],
) -> (Vec<Var<'t>>, Var<'t>) {
    let mut layers = vec![x];
    let mut sum = x;
    if norm == Norm::Mean {
        sum = sum.scale(f64::from(layer_weight(norm, 0, depth)));
    }
    for l in 1..=depth {
        let mut next = graph.layers(layers[l - 1], 1)[1];
        if let Some(&b) = bias.get(l - 1) {
            next = next.add_rows(b);
        }
        if normalized(norm) {
            next = next.normalize_rows();
        }
        layers.push(next);
        let weight = layer_weight(norm, l, depth);
        sum = sum
            + if weight == 1.0 {
                next
            } else {
                next.scale(f64::from(weight))
            };
    }
    (layers, sum)
}

/// `cᵀ c` of vectors `(n, d)`; their mean outer product unless `literal`.
pub(super) fn gram(c: &[f32], d: usize, literal: bool) -> Vec<f32> {
    let n = c.len() / d.max(1);
    let mut out = vec![0f32; d * d];
    let c = Factor::new(c, n, d);
    product(&mut out, c.t(), c, false);
    if !literal {
        out.iter_mut().for_each(|x| *x /= n.max(1) as f32);
    }
    out
}

/// s = H Hᵀ c with H = c W (equations 3 and 4), by `Hᵀ c = Wᵀ (cᵀ c)`; the second factor is a constant unless
/// literal.
fn semantic<'t>(
    tape: &'t Tape,
    config: &Config,
    c: Var<'t>,
    w: Var<'t>,
    rng: &mut Option<&mut Rng>,
) -> Var<'t> {
    let mut h = c.matmul(w);
    if let Some(rng) = rng {
        h = h.dropout(config.hyper_dropout, rng);
    }
    if config.hyper_literal {
        return h.matmul(h.transpose().matmul(c));
    }
    let d = config.embedding_size;
    let gram = tape.constant(gram(&c.value(), d, false), &[d, d]);
    h.matmul(w.transpose().matmul(gram)).normalize_rows()
}

/// Equations 2 to 7; `rng` is for dropout in training.
pub(super) fn encode<'t>(
    tape: &'t Tape,
    config: &Config,
    graphs: &[Bipartite],
    weights: &EncoderWeights<'t>,
    depths: &[usize],
    mut rng: Option<&mut Rng>,
) -> Encoded<'t> {
    let n_users = weights.users.shape().rows();
    let n = n_users + weights.items.shape().rows();
    let bias = |graph: usize| weights.bias.get(graph).map_or(&[][..], Vec::as_slice);
    let tables = weights.users.stack(weights.items);
    let (unified, mut before) = match config.cascade() {
        true => propagate(config.norm, tables, &graphs[0], depths[0], bias(0)),
        false => (vec![tables], tables),
    };
    let sides = |x: Var<'t>| [x.rows(0..n_users), x.rows(n_users..n)];
    let mut behaviors = Vec::with_capacity(depths.len() - 1);
    for (graph, &depth) in depths.iter().enumerate().skip(1) {
        let (layers, c) = propagate(config.norm, before, &graphs[graph], depth, bias(graph));
        let collaborative = sides(c);
        let (semantic, out) = match weights.hyper.get(graph - 1) {
            None if config.cascade() => (collaborative, before + c),
            None => (collaborative, c),
            Some(&[of_users, of_items]) => {
                let [users, items] = collaborative;
                let users = semantic(tape, config, users, of_users, &mut rng);
                let items = semantic(tape, config, items, of_items, &mut rng);
                let s = users.stack(items);
                let added = match config.without {
                    Without::Prj => s,
                    _ => {
                        // α = (c · s) / (|c|² + ε).
                        let tiny = tape.constant(vec![EPSILON; n], &[n]);
                        let inverse = (c.dot_rows(c) + tiny).log().scale(-1.0).exp();
                        c.scale_rows(c.dot_rows(s) * inverse)
                    }
                };
                ([users, items], before + c + added)
            }
        };
        // Without a cascade, every behavior starts from the tables.
        if config.cascade() {
            before = out;
        }
        behaviors.push(Cascaded {
            layers,
            collaborative,
            semantic,
            out: sides(out),
        });
    }
    Encoded { unified, behaviors }
}

/// The gain α of the projection for a row, as in [`encode`].
pub(super) fn gain(c: &[f32], s: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    dot(c, s) / (dot(c, c) + EPSILON)
}

/// `W Wᵀ (cᵀ c)` `(d, d)`: a row c has the semantic vector c A.
pub(super) fn semantic_map(config: &Config, c: &[f32], w: &Parameter) -> Vec<f32> {
    let (d, k) = (config.embedding_size, config.hyperedges);
    let gram = gram(c, d, config.hyper_literal);
    let (mut wg, mut out) = (vec![0f32; k * d], vec![0f32; d * d]);
    let w = Factor::new(&w.value, d, k);
    product(&mut wg, w.t(), Factor::new(&gram, d, d), false);
    product(&mut out, w, Factor::new(&wg, k, d), false);
    out
}
