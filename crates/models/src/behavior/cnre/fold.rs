//! Fold-in: the vectors of any history, propagated locally from its events over the layers of the items.
//!
//! The input of a user without a learned vector is `M` times the first propagated layer, with the matrix that best
//! fits the learned inputs. With the lengths of rows and the gains of projections taken as they are, the
//! target's vector is a sum over events, graphs and layers of a gain times a row of a layer; [`Folded`] keeps
//! the gains. (Without the projection, `without=prj`, the semantic vectors are not in that sum.)

use limpid_core::{Result, Tensors};

use super::encoder::{depths, gain, layer_weight, multiplicity, normalized};
use super::{Config, Without};
use crate::behavior::chains::Behaviors;
use crate::latent::fold_in::fit_map;
use crate::latent::score_of;

/// The tables of the items and the maps of users, after training; vectors are `(I, d)`, behaviors in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tables {
    pub(super) n_items: usize,
    /// The layers of every graph, without the last; that of all behaviors first.
    pub(super) layers: Vec<Vec<Vec<f32>>>,
    /// `1 / √degree` in every graph `(I)`, 0 without edges.
    pub(super) scales: Vec<Vec<f32>>,
    /// c.
    pub(super) collaborative: Vec<Vec<f32>>,
    /// s.
    pub(super) semantic: Vec<Vec<f32>>,
    /// e.
    pub(super) out: Vec<Vec<f32>>,
    /// A of users `(d, d)`; none without a hypergraph.
    pub(super) maps: Vec<Vec<f32>>,
    /// The biases of every graph and layer `(d)`; none without.
    pub(super) bias: Vec<Vec<Vec<f32>>>,
    /// M `(d, d)`.
    pub(super) input: Vec<f32>,
}

/// The vectors of a history.
pub(super) struct Folded {
    /// e of the behaviors in order `(behaviors · d)`.
    pub(super) out: Vec<f32>,
    /// What the target's vector has of the input, and of each graph and layer.
    gains: Vec<f32>,
}

/// A vector and its gains.
#[derive(Clone)]
struct Mixed {
    value: Vec<f32>,
    gains: Vec<f32>,
}

impl Mixed {
    fn add(&mut self, scale: f32, other: &Self) {
        let values = self.value.iter_mut().zip(&other.value);
        values.for_each(|(a, b)| *a += scale * b);
        let gains = self.gains.iter_mut().zip(&other.gains);
        gains.for_each(|(a, b)| *a += scale * b);
    }
}

/// The edges of a history in a graph: item and weight.
type Edges = Vec<(u32, f32)>;

impl Tables {
    /// The edges of a chain in every graph.
    fn edges(&self, config: &Config, behaviors: Behaviors, chain: &[(u32, u8)]) -> Vec<Edges> {
        let of = behaviors.in_order().map(Some);
        let kinds = [None].into_iter().chain(of).zip(&self.scales);
        kinds
            .map(|(kind, scales)| {
                let counted = chain
                    .iter()
                    .map(|&(item, set)| (item, multiplicity(config, set, kind)))
                    .filter(|&(_, times)| times > 0);
                let counted: Vec<(u32, usize)> = counted.collect();
                let degree: usize = counted.iter().map(|&(_, times)| times).sum();
                let own = 1.0 / (degree.max(1) as f32).sqrt();
                let edge = |(item, times): (u32, usize)| {
                    // An item without edges has this one.
                    let scale = match scales[item as usize] {
                        0.0 => 1.0,
                        scale => scale,
                    };
                    (item, times as f32 * own * scale)
                };
                counted.into_iter().map(edge).collect()
            })
            .collect()
    }

    fn row<'a>(&self, table: &'a [f32], item: u32) -> &'a [f32] {
        let d = table.len() / self.n_items.max(1);
        &table[item as usize * d..][..d]
    }

    fn sum(&self, table: &[f32], edges: &Edges, d: usize) -> Vec<f32> {
        let mut sum = vec![0f32; d];
        for &(item, weight) in edges {
            let row = self.row(table, item);
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += weight * x);
        }
        sum
    }

    /// The vectors of a chain.
    pub(super) fn fold(
        &self,
        config: &Config,
        behaviors: Behaviors,
        chain: &[(u32, u8)],
    ) -> Folded {
        let d = config.embedding_size;
        let edges = self.edges(config, behaviors, chain);
        let first = self.sum(&self.layers[0][0], &edges[0], d);
        let rows = self.input.chunks_exact(d);
        let input = rows.map(|row| score_of(row, &first)).collect();
        self.propagated(config, behaviors, &edges, input)
    }

    /// The vectors of a chain with these edges and this input.
    fn propagated(
        &self,
        config: &Config,
        behaviors: Behaviors,
        edges: &[Edges],
        input: Vec<f32>,
    ) -> Folded {
        let d = config.embedding_size;
        let depths = depths(config, behaviors);
        let starts: Vec<usize> = depths
            .iter()
            .scan(1, |next, depth| {
                let start = *next;
                *next += depth;
                Some(start)
            })
            .collect();
        let n_gains = 1 + depths.iter().sum::<usize>();
        let zero = || Mixed {
            value: vec![0.0; d],
            gains: vec![0.0; n_gains],
        };
        let mut input = Mixed {
            value: input,
            ..zero()
        };
        input.gains[0] = 1.0;
        // Input, and what the layers of a graph add to it.
        let propagate = |graph: usize, input: &Mixed| {
            let mut sum = zero();
            sum.add(layer_weight(config.norm, 0, depths[graph]), input);
            for l in 1..=depths[graph] {
                let mut next = zero();
                next.value = self.sum(&self.layers[graph][l - 1], &edges[graph], d);
                if let Some(bias) = self.bias.get(graph).and_then(|of| of.get(l - 1)) {
                    let values = next.value.iter_mut().zip(bias);
                    values.for_each(|(x, b)| *x += b);
                }
                let mut scale = layer_weight(config.norm, l, depths[graph]);
                next.gains[starts[graph] + l - 1] = 1.0;
                if normalized(config.norm) {
                    scale *= inverse_length(&next.value);
                }
                sum.add(scale, &next);
            }
            sum
        };
        let mut before = match config.cascade() {
            true => propagate(0, &input),
            false => input,
        };
        let (mut out, mut gains) = (Vec::with_capacity(behaviors.len() * d), Vec::new());
        for place in 0..behaviors.len() {
            let c = propagate(place + 1, &before);
            let mut e = match config.cascade() {
                true => before.clone(),
                false => zero(),
            };
            e.add(1.0, &c);
            if let Some(map) = self.maps.get(place) {
                let mut s = vec![0f32; d];
                for (&x, row) in c.value.iter().zip(map.chunks_exact(d)) {
                    s.iter_mut().zip(row).for_each(|(s, a)| *s += x * a);
                }
                if !config.hyper_literal {
                    let scale = inverse_length(&s);
                    s.iter_mut().for_each(|s| *s *= scale);
                }
                match config.without {
                    Without::Prj => e.value.iter_mut().zip(&s).for_each(|(e, s)| *e += s),
                    _ => e.add(gain(&c.value, &s), &c),
                }
            }
            out.extend_from_slice(&e.value);
            gains.clone_from(&e.gains);
            if config.cascade() {
                before = e;
            }
        }
        Folded { out, gains }
    }

    /// What each event of a chain adds to the product of the target's vector with `along` `(d)`: behavior, item
    /// and value. An edge of the graph of all behaviors is divided equally among the behaviors of its pair.
    pub(super) fn shares(
        &self,
        config: &Config,
        behaviors: Behaviors,
        chain: &[(u32, u8)],
        folded: &Folded,
        along: &[f64],
    ) -> Vec<(u8, u32, f64)> {
        let d = config.embedding_size;
        let edges = self.edges(config, behaviors, chain);
        // Mᵀ g: the input reads the first layer of all behaviors.
        let mut of_input = vec![0f64; d];
        for (row, &g) in self.input.chunks_exact(d).zip(along) {
            let row = of_input.iter_mut().zip(row);
            row.for_each(|(o, &m)| *o += g * f64::from(m));
        }
        let dot =
            |g: &[f64], x: &[f32]| -> f64 { g.iter().zip(x).map(|(g, &x)| g * f64::from(x)).sum() };
        let order: Vec<u8> = behaviors.in_order().collect();
        let mut shares = Vec::new();
        let mut next = 1;
        for (graph, depth) in depths(config, behaviors).into_iter().enumerate() {
            for &(item, weight) in &edges[graph] {
                let mut value = 0.0;
                if graph == 0 {
                    let row = self.row(&self.layers[0][0], item);
                    value += f64::from(folded.gains[0]) * dot(&of_input, row);
                }
                for l in 0..depth {
                    let gain = f64::from(folded.gains[next + l]);
                    if gain != 0.0 {
                        value += gain * dot(along, self.row(&self.layers[graph][l], item));
                    }
                }
                value *= f64::from(weight);
                let at = chain.binary_search_by_key(&item, |e| e.0);
                let set = at.map_or(0, |at| chain[at].1);
                let of: Vec<u8> = match graph {
                    0 => (0..behaviors.len() as u8)
                        .filter(|b| set >> b & 1 == 1)
                        .collect(),
                    _ => vec![order[graph - 1]],
                };
                let share = value / of.len().max(1) as f64;
                shares.extend(of.into_iter().map(|b| (b, item, share)));
            }
            next += depth;
        }
        shares
    }

    /// Fits M to the learned inputs `users` `(U, d)`.
    pub(super) fn fit_input<'c>(
        &mut self,
        config: &Config,
        behaviors: Behaviors,
        chains: impl Iterator<Item = &'c [(u32, u8)]>,
        users: &[f32],
    ) {
        let d = config.embedding_size;
        let first = |chain: &[(u32, u8)]| -> Vec<f64> {
            let edges = self.edges(config, behaviors, chain);
            let m = self.sum(&self.layers[0][0], &edges[0], d);
            m.into_iter().map(f64::from).collect()
        };
        let pairs = chains.map(first).zip(users.chunks_exact(d));
        self.input = fit_map(pairs, d, false);
    }

    /// Names, shapes and values of all arrays.
    fn arrays(&self, d: usize) -> Vec<(String, Vec<usize>, &Vec<f32>)> {
        let mut all = Vec::new();
        let items = vec![self.n_items, d];
        for (graph, layers) in self.layers.iter().enumerate() {
            for (l, layer) in layers.iter().enumerate() {
                all.push((format!("layers.{graph}.{l}"), items.clone(), layer));
            }
            all.push((
                format!("scales.{graph}"),
                vec![self.n_items],
                &self.scales[graph],
            ));
        }
        for (name, tables, shape) in [
            ("collaborative", &self.collaborative, &items),
            ("semantic", &self.semantic, &items),
            ("out", &self.out, &items),
            ("map", &self.maps, &vec![d, d]),
        ] {
            let of = tables.iter().enumerate();
            all.extend(of.map(|(at, table)| (format!("{name}.{at}"), shape.clone(), table)));
        }
        for (graph, of) in self.bias.iter().enumerate() {
            let of = of.iter().enumerate();
            all.extend(of.map(|(l, bias)| (format!("bias.{graph}.{l}"), vec![d], bias)));
        }
        all.push(("input".to_owned(), vec![d, d], &self.input));
        all
    }

    pub(super) fn save(&self, d: usize, out: &mut Tensors) {
        for (name, shape, values) in self.arrays(d) {
            out.put_f32(&name, &shape, values.clone());
        }
    }

    pub(super) fn load(
        from: &Tensors,
        config: &Config,
        behaviors: Behaviors,
        n_items: usize,
    ) -> Result<Self> {
        let d = config.embedding_size;
        let each = |n: usize, name: &str, shape: &[usize]| -> Result<Vec<Vec<f32>>> {
            (0..n)
                .map(|at| Ok(from.shaped(&format!("{name}.{at}"), shape)?.to_vec()))
                .collect()
        };
        let (t, items) = (behaviors.len(), [n_items, d]);
        let depths = depths(config, behaviors);
        let stored = |(graph, &depth): (usize, &usize)| match graph == 0 && !config.cascade() {
            true => 1,
            false => depth,
        };
        let layers = depths.iter().enumerate().map(|(graph, depth)| {
            let n = stored((graph, depth));
            each(n, &format!("layers.{graph}"), &items)
        });
        let bias = depths.iter().enumerate().map(|(graph, &depth)| {
            let n = if config.bias { depth } else { 0 };
            each(n, &format!("bias.{graph}"), &[d])
        });
        Ok(Self {
            n_items,
            layers: layers.collect::<Result<_>>()?,
            scales: each(depths.len(), "scales", &[n_items])?,
            collaborative: each(t, "collaborative", &items)?,
            semantic: each(t, "semantic", &items)?,
            out: each(t, "out", &items)?,
            maps: each(if config.hypergraph() { t } else { 0 }, "map", &[d, d])?,
            bias: bias.collect::<Result<_>>()?,
            input: from.shaped("input", &[d, d])?.to_vec(),
        })
    }
}

/// 1 / |x|; 0 for zeros.
fn inverse_length(x: &[f32]) -> f32 {
    match score_of(x, x).sqrt() {
        0.0 => 0.0,
        length => 1.0 / length.max(1e-12),
    }
}

#[cfg(test)]
impl Tables {
    /// The vectors of a chain with a learned input.
    pub(super) fn with_input(
        &self,
        config: &Config,
        behaviors: Behaviors,
        chain: &[(u32, u8)],
        input: &[f32],
    ) -> Vec<f32> {
        let edges = self.edges(config, behaviors, chain);
        self.propagated(config, behaviors, &edges, input.to_vec())
            .out
    }
}
