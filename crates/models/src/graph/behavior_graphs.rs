//! The frame of graph models of several behaviors: a graph of users and items per behavior, and one of all.
//!
//! A model says how the vectors of all nodes follow from its weights ([`GraphModel::nodes`]); sampling, early
//! stopping, fold-in and ledgers are those of [`learned_users`](crate::latent::learned_users). An edge is a
//! distinct pair of a user and an item; that of the union has any behavior.

use std::sync::{Arc, OnceLock};

use limpid_core::{Catalogue, Result, Run};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Csr, Tape, Var};

use super::one_graph::Pretraining;
use super::propagation::Bipartite;
use crate::behavior::chains::{Behaviors, Chains, with_behavior};
use crate::latent::learned_users::fit::{Batch, Purpose, Recipe, Sample, Weight};
use crate::latent::learned_users::{DotProduct, Format};

/// The graphs of training data.
pub(crate) struct Graphs {
    /// The behaviors.
    pub(crate) behaviors: Behaviors,
    /// Number of users.
    pub(crate) n_users: usize,
    /// Number of items.
    pub(crate) n_items: usize,
    /// By behavior and user, the items.
    pub(crate) rows: Vec<Vec<Vec<u32>>>,
    /// By behavior.
    pub(crate) of: Vec<Bipartite>,
    /// Of all behaviors.
    pub(crate) union: Bipartite,
    means: OnceLock<Vec<Means>>,
    pretrained: Option<[Vec<f32>; 2]>,
}

/// Means over the neighbors in one behavior.
pub(crate) struct Means {
    /// Over the items of each user `(U, I)`.
    pub(crate) of_items: Arc<Csr>,
    /// Over the users of each item `(I, U)`.
    pub(crate) of_users: Arc<Csr>,
}

impl Graphs {
    /// The graphs of chains.
    pub(crate) fn of(chains: &Chains) -> Self {
        let n = chains.n_items;
        let users = || (0..chains.len()).map(|u| chains.row(u));
        let rows: Vec<Vec<Vec<u32>>> = (0..chains.behaviors.len() as u8)
            .map(|b| users().map(|row| with_behavior(row, b).collect()).collect())
            .collect();
        let all: Vec<Vec<u32>> = users()
            .map(|row| row.iter().map(|e| e.0).collect())
            .collect();
        Self {
            behaviors: chains.behaviors,
            n_users: chains.len(),
            n_items: n,
            of: rows.iter().map(|rows| Bipartite::new(rows, n)).collect(),
            rows,
            union: Bipartite::new(&all, n),
            means: OnceLock::new(),
            pretrained: None,
        }
    }

    /// Means over neighbors, by behavior.
    pub(crate) fn means(&self) -> &[Means] {
        self.means.get_or_init(|| {
            let of_behavior = |rows: &Vec<Vec<u32>>| {
                let mut users = vec![Vec::new(); self.n_items];
                for (u, row) in rows.iter().enumerate() {
                    row.iter().for_each(|&i| users[i as usize].push(u as u32));
                }
                Means {
                    of_items: row_means(rows.iter().map(Vec::as_slice), self.n_items),
                    of_users: row_means(users.iter().map(Vec::as_slice), self.n_users),
                }
            };
            self.rows.iter().map(of_behavior).collect()
        })
    }

    /// The behaviors in the order of a chain, the target last.
    pub(crate) fn order(&self) -> Vec<usize> {
        self.behaviors.in_order().map(usize::from).collect()
    }

    /// The target behavior.
    pub(crate) fn target(&self) -> usize {
        usize::from(self.behaviors.target())
    }

    /// Vectors of all nodes `(U + I, w)`, users first.
    pub(crate) fn nodes<'t>(&self, all: Var<'t>) -> Nodes<'t> {
        Nodes {
            all,
            n_users: self.n_users,
        }
    }
}

/// Vectors of all nodes.
#[derive(Clone, Copy)]
pub(crate) struct Nodes<'t> {
    /// `(U + I, w)`, users first.
    pub(crate) all: Var<'t>,
    n_users: usize,
}

impl<'t> Nodes<'t> {
    /// Vectors of the items alone `(I, w)`.
    pub(crate) fn of_items_alone(all: Var<'t>) -> Self {
        Self { all, n_users: 0 }
    }

    /// The vectors of all users `(U, w)`.
    pub(crate) fn users(self) -> Var<'t> {
        self.all.rows(0..self.n_users)
    }

    /// The vectors of all items `(I, w)`.
    pub(crate) fn items(self) -> Var<'t> {
        self.all.rows(self.n_users..self.all.shape().rows())
    }

    /// The vectors of some users.
    pub(crate) fn of_users(self, users: &Arc<Vec<u32>>) -> Var<'t> {
        self.all.gather(users.clone())
    }

    /// The vectors of some items.
    pub(crate) fn of_items(self, items: &[u32]) -> Var<'t> {
        let first = self.n_users as u32;
        let at: Vec<u32> = items.iter().map(|&i| first + i).collect();
        self.all.gather(at)
    }

    /// The vectors of users, and the decoder of those of items, whose leading `key` numbers are their keys.
    pub(crate) fn dot_product(self, key: usize) -> (Vec<f32>, DotProduct) {
        let (users, items) = (self.users(), self.items());
        let d = items.shape().width();
        let items = DotProduct::new(items.value().to_vec(), d, key);
        (users.value().to_vec(), items)
    }

    /// BPR of the dot products of a sample with one negative each; 0 of an empty one.
    pub(crate) fn bpr(self, sample: &Sample) -> Var<'t> {
        let users = self.of_users(&sample.users);
        let score = |items: &[u32]| users.dot_rows(self.of_items(items));
        score(&sample.positives).bpr(score(&sample.negatives))
    }
}

/// InfoNCE of two views `(n, w)` of the same nodes: each node of the first is to be found among all of the
/// second, by cosine over a temperature.
fn info_nce<'t>(a: Var<'t>, b: Var<'t>, temperature: f64) -> Var<'t> {
    let own: Vec<u32> = (0..a.shape().rows() as u32).collect();
    let a = a.normalize_rows().scale(1.0 / temperature);
    a.cross_entropy_over(b.normalize_rows(), own)
}

/// Some users and items of a batch, by whose vectors two views of all nodes are contrasted.
pub(crate) struct Contrast {
    users: Arc<Vec<u32>>,
    items: Arc<Vec<u32>>,
    temperature: f64,
}

impl Contrast {
    /// `n` users and `n` items of the target's sample.
    pub(crate) fn draw(batch: &Batch, n: usize, temperature: f32, rng: &mut Rng) -> Self {
        Self {
            users: some_of(&batch.target().users, n, rng),
            items: some_of(&batch.target().positives, n, rng),
            temperature: f64::from(temperature),
        }
    }

    /// The sum of InfoNCE over users and over items.
    pub(crate) fn of<'t>(&self, a: Nodes<'t>, b: Nodes<'t>) -> Var<'t> {
        let (users, items) = (&self.users, &self.items);
        let of_users = info_nce(a.of_users(users), b.of_users(users), self.temperature);
        of_users + info_nce(a.of_items(items), b.of_items(items), self.temperature)
    }
}

/// `n` distinct numbers of a list; all if there are fewer.
fn some_of(list: &[u32], n: usize, rng: &mut Rng) -> Arc<Vec<u32>> {
    let mut distinct = list.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let chosen = rng.distinct(n, distinct.len()).into_iter();
    Arc::new(chosen.map(|k| distinct[k as usize]).collect())
}

/// The mean of some values of one shape.
///
/// # Panics
/// If there are none.
pub(crate) fn mean_of(values: Vec<Var<'_>>) -> Var<'_> {
    let n = values.len();
    let sum = values.into_iter().reduce(|a, b| a + b);
    sum.unwrap_or_else(|| panic!("the mean of no values"))
        .scale(1.0 / n as f64)
}

/// Σ_b of the share of b of x_b, by rows; `shares` `(n, B)`.
///
/// # Panics
/// If there are no x.
pub(crate) fn mixed<'t>(all: &[Var<'t>], shares: Var<'t>) -> Var<'t> {
    let weighted = all.iter().enumerate();
    let weighted = weighted.map(|(b, x)| x.scale_rows(shares.columns(b..b + 1)));
    let sum = weighted.reduce(|a, b| a + b);
    sum.unwrap_or_else(|| panic!("a mixture of no values"))
}

/// As [`mixed`], by the softmax of a logit `(n, 1)` of each x.
///
/// # Panics
/// If there are no x.
pub(crate) fn attended<'t>(all: &[Var<'t>], logit: impl Fn(Var<'t>) -> Var<'t>) -> Var<'t> {
    let logits = all.iter().map(|&x| logit(x)).reduce(Var::concat);
    let logits = logits.unwrap_or_else(|| panic!("attention to no values"));
    mixed(all, logits.softmax())
}

/// x + Σ_l weight(l) y_l, with y_l the rows of Â y_{l-1} at length 1 and y_0 = x.
pub(crate) fn convolved<'t>(
    graph: &Bipartite,
    x: Var<'t>,
    layers: usize,
    weight: impl Fn(f64) -> f64,
) -> Var<'t> {
    let (mut y, mut sum) = (x, x);
    for l in 1..=layers {
        y = graph.layers(y, 1)[1].normalize_rows();
        sum = sum + y.scale(weight(l as f64));
    }
    sum
}

/// The mean over the columns of each row `(rows, n_columns)`; 0 of an empty one.
pub(crate) fn row_means<'a>(rows: impl Iterator<Item = &'a [u32]>, n_columns: usize) -> Arc<Csr> {
    let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in rows {
        columns.extend_from_slice(row);
        values.resize(columns.len(), 1.0 / row.len() as f32);
        offsets.push(columns.len());
    }
    Arc::new(Csr::new(offsets, columns, values, n_columns))
}

/// A graph model of several behaviors whose scores are dot products.
pub(crate) trait GraphModel: Format {
    /// Whether a negative may have events of other behaviors than the target.
    const TOUCHED_NEGATIVES: bool = false;

    /// What the tables begin with, if they are not drawn.
    fn pretraining(&self, _behaviors: Behaviors) -> Option<Pretraining> {
        None
    }

    /// Weights besides the two tables.
    fn weights(&self, _graphs: &Graphs) -> Vec<Weight> {
        Vec::new()
    }

    /// Vectors of all nodes, one or several; the leading `embedding_size` numbers of an item's last vector are
    /// its key. `x` are the two tables, stacked, `w` the other weights; with `rng` it is a training step.
    fn nodes<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        x: Var<'t>,
        w: &[Var<'t>],
        rng: Option<&mut Rng>,
    ) -> Vec<Nodes<'t>>;

    /// The loss of a batch. By default BPR: the last nodes are those of the target, those before them are of the
    /// behaviors before it.
    fn loss<'t>(
        &self,
        graphs: &Graphs,
        _tape: &'t Tape,
        nodes: &[Nodes<'t>],
        _w: &[Var<'t>],
        batch: &Batch,
        _rng: &mut Rng,
    ) -> Var<'t> {
        bpr_of_all(graphs, nodes, batch)
    }

    /// The vectors that score, from the nodes.
    fn vectors<'t>(
        &self,
        _graphs: &Graphs,
        _tape: &'t Tape,
        nodes: &[Nodes<'t>],
        _w: &[Var<'t>],
    ) -> Nodes<'t> {
        nodes[nodes.len() - 1]
    }
}

/// Σ of BPR: the last nodes are those of the target, those before them are of the behaviors before it.
pub(crate) fn bpr_of_all<'t>(graphs: &Graphs, nodes: &[Nodes<'t>], batch: &Batch) -> Var<'t> {
    let order = graphs.order();
    let target = nodes[nodes.len() - 1].bpr(batch.target());
    let pairs = nodes.iter().rev().zip(order.iter().rev()).skip(1);
    pairs.fold(target, |sum, (nodes, &b)| sum + nodes.bpr(&batch.of[b]))
}

impl<M: GraphModel> Recipe for M {
    type Decoder = DotProduct;
    type Data = Graphs;
    const TOUCHED_NEGATIVES: bool = <M as GraphModel>::TOUCHED_NEGATIVES;

    fn prepare(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        purpose: Purpose,
        run: &Run<'_>,
    ) -> Result<Graphs> {
        let mut graphs = Graphs::of(chains);
        if purpose == Purpose::Losses
            && let Some(first) = self.pretraining(chains.behaviors)
        {
            graphs.pretrained = Some(first.tables(chains, catalogue, run)?);
        }
        Ok(graphs)
    }

    fn pretrained<'a>(&self, graphs: &'a Graphs) -> Option<&'a [Vec<f32>; 2]> {
        graphs.pretrained.as_ref()
    }

    fn weights(&self, graphs: &Graphs) -> Vec<Weight> {
        GraphModel::weights(self, graphs)
    }

    fn loss<'t>(
        &self,
        graphs: &Graphs,
        tape: &'t Tape,
        w: &[Var<'t>],
        batch: &Batch,
        rng: &mut Rng,
    ) -> Var<'t> {
        let nodes = self.nodes(graphs, tape, w[0].stack(w[1]), &w[2..], Some(rng));
        GraphModel::loss(self, graphs, tape, &nodes, &w[2..], batch, rng)
    }

    fn finish<'t>(&self, graphs: &Graphs, tape: &'t Tape, w: &[Var<'t>]) -> (Vec<f32>, DotProduct) {
        let nodes = self.nodes(graphs, tape, w[0].stack(w[1]), &w[2..], None);
        let nodes = self.vectors(graphs, tape, &nodes, &w[2..]);
        nodes.dot_product(self.tables().embedding_size)
    }
}

/// A small case for the forward passes of the models.
#[cfg(test)]
pub(crate) mod small {
    use super::*;
    use limpid_core::{Event, Histories, ItemIdx, OwnedHistory};

    /// The chains of the (item, behavior) of each user; the last behavior is the target.
    pub(crate) fn chains_of(users: &[&[(u32, u8)]], n_items: usize, n_behaviors: usize) -> Chains {
        let event = |&(item, behavior): &(u32, u8)| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let row = |events: &&[(u32, u8)]| {
            OwnedHistory::of_events(None, events.iter().map(event).collect())
        };
        let rows: Vec<OwnedHistory> = users.iter().map(row).collect();
        let rows = rows.iter().map(OwnedHistory::view);
        let rows = Histories::from_histories(rows, n_items).unwrap();
        let behaviors = Behaviors::new(n_behaviors, n_behaviors as u8 - 1).unwrap();
        Chains::of(&rows, behaviors)
    }

    /// Their graphs.
    pub(crate) fn graphs_of(users: &[&[(u32, u8)]], n_items: usize, n_behaviors: usize) -> Graphs {
        Graphs::of(&chains_of(users, n_items, n_behaviors))
    }

    /// One user u, who viewed item 0 and bought items 0 and 1.
    pub(crate) fn graphs() -> Graphs {
        graphs_of(&[&[(0, 0), (0, 1), (1, 1)]], 2, 2)
    }

    /// The tables for it: u = (3, 4), item 0 = (0, 2), item 1 = (3, 2). The items sum up to (3, 4) too, so that most
    /// rows have length 1 as (0.6, 0.8).
    pub(crate) fn tables(tape: &Tape) -> Var<'_> {
        tape.constant(vec![3.0, 4.0, 0.0, 2.0, 3.0, 2.0], &[3, 2])
    }

    #[track_caller]
    pub(crate) fn assert_close(found: Var<'_>, expected: &[f32]) {
        let found = found.value();
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (a - b).abs() < 1e-5 * b.abs().max(1.0),
                "{found:?} {expected:?}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User 0 viewed items 0 and 1 and bought 1, user 1 viewed item 1; item 2 has no users.
    #[test]
    fn graphs_by_hand() {
        let graphs = small::graphs_of(&[&[(0, 0), (1, 0), (1, 1)], &[(1, 0)]], 3, 2);
        assert_eq!(graphs.order(), [0, 1]);
        assert_eq!(graphs.rows[1], [vec![1], vec![]]);
        let tape = Tape::default();
        let items = tape.constant(vec![2.0, 4.0, 8.0], &[3, 1]);
        let users = tape.constant(vec![10.0, 20.0], &[2, 1]);
        let views = &graphs.means()[0];
        assert_eq!(*items.sparse_matmul(&views.of_items).value(), [3.0, 4.0]);
        assert_eq!(
            *users.sparse_matmul(&views.of_users).value(),
            [10.0, 15.0, 0.0]
        );
        // One edge of purchases: its ends exchange their vectors, at length 1.
        let nodes = graphs.nodes(users.stack(items));
        let x = convolved(&graphs.of[1], nodes.all, 1, |_| 0.5);
        assert_eq!(*x.value(), [10.5, 20.0, 2.0, 4.5, 8.0]);
        assert_eq!(*nodes.of_items(&[2, 0]).value(), [8.0, 2.0]);
    }

    /// Products with (ln 3, 0) are ln 3 and 0, so the shares are 3/4 and 1/4.
    #[test]
    fn attention_by_hand() {
        let tape = Tape::default();
        let vectors = [[1.0, 2.0], [0.0, 6.0]].map(|x| tape.constant(x.to_vec(), &[1, 2]));
        let a = tape.constant(vec![3f32.ln(), 0.0], &[2, 1]);
        small::assert_close(attended(&vectors, |x| x.matmul(a)), &[0.75, 3.0]);
    }

    /// Two nodes whose views are equal: −ln of e^(1/τ) over e^(1/τ) + e⁰.
    #[test]
    fn contrasts_by_hand() {
        let tape = Tape::default();
        let x = tape.constant(vec![3.0, 0.0, 0.0, 5.0], &[2, 2]);
        let expected = (1.0 + (-2f32).exp()).ln();
        assert!((info_nce(x, x, 0.5).scalar() - expected).abs() < 1e-6);
    }
}
