//! The fitted model: vectors of histories, and the exact score of every item.
//!
//! An item that the user has not touched goes the way of the empty chain. The first layer of that path is a sum
//! of a part of the user and a part of the item, which is computed once, so that all items are scored exactly;
//! the few pairs with a chain are then scored by their own paths.

use limpid_core::{
    Artifact, Buffer, Error, Histories, History, ItemIdx, Mat, Result, Tensors, hyper,
};
use ndarray::Axis;
use ndarray::parallel::prelude::*;

use super::dispatch::{Chain, Dispatcher, Route};
use super::fold::{Folded, Tables};
use super::head::{Head, Mlp};
use super::ledger::Units;
use super::retrieval::Neighbors;
use super::training::confidence;
use super::{Config, Ranking};
use crate::behavior::chains::Behaviors;
use crate::latent::{score_of, scores_of};

/// Items that are scored together.
const BLOCK: usize = 512;

/// A hash of the events of a row, with their behaviors.
pub(super) fn hash_of_row(row: History<'_>) -> u64 {
    let events = row.events();
    limpid_core::hash::row(events.flat_map(|e| [e.item.0, u32::from(e.behavior)]))
}

/// Hashes of the training rows, by user.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Known(Vec<i64>);

impl Known {
    pub(super) fn of(histories: &Histories) -> Self {
        Self(histories.rows().map(|r| hash_of_row(r) as i64).collect())
    }

    fn place(&self, row: History<'_>) -> Option<usize> {
        let u = row.user?.at();
        (self.0.get(u) == Some(&(hash_of_row(row) as i64))).then_some(u)
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(super) config: Config,
    pub(super) behaviors: Behaviors,
    pub(super) tables: Tables,
    pub(super) head: Head,
    /// By place: collaborative, semantic.
    pub(super) neighbors: [Vec<Option<Neighbors>>; 2],
    threshold: f32,
    users: Buffer<f32>, // (U, behaviors · d)
    known: Known,
    pub(super) units: Units,
    /// Retrieved vectors, as [`neighbors`](Self::neighbors).
    retrieved: [Vec<Vec<f32>>; 2],
    untouched: Untouched,
}

/// What does not depend on the user in the scores of untouched items.
#[derive(Debug, Clone, PartialEq)]
enum Untouched {
    /// The score is the product of the target's vectors.
    Dot,
    /// The part of the items in the first layer of the network `(I, h)`.
    Network(Vec<f32>),
}

/// What the retrieved vectors of a pair are.
#[derive(Clone, Copy)]
pub(super) enum Retrieved<'a> {
    /// Those of the item.
    All,
    /// Without some items.
    Without(&'a [u32]),
    /// This vector.
    Given(&'a [f32]),
}

impl Model {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        config: Config,
        behaviors: Behaviors,
        tables: Tables,
        head: Head,
        neighbors: [Vec<Option<Neighbors>>; 2],
        threshold: f32,
        users: impl Into<Buffer<f32>>,
        known: Known,
    ) -> Self {
        let d = config.embedding_size;
        let of = |kind: usize, tables: &[Vec<f32>]| -> Vec<Vec<f32>> {
            let pairs = neighbors[kind].iter().zip(tables);
            pairs
                .map(|(neighbors, vectors)| {
                    neighbors
                        .as_ref()
                        .map_or_else(Vec::new, |n| n.retrieved(vectors, d))
                })
                .collect()
        };
        let retrieved = [of(0, &tables.collaborative), of(1, &tables.semantic)];
        let mut model = Self {
            units: Units::new(behaviors, tables.n_items),
            config,
            behaviors,
            tables,
            head,
            neighbors,
            threshold,
            users: users.into(),
            known,
            retrieved,
            untouched: Untouched::Dot,
        };
        model.untouched = model.untouched_parts();
        model
    }

    /// Number of items.
    pub(super) fn n_items(&self) -> usize {
        self.tables.n_items
    }

    fn target(&self) -> usize {
        self.behaviors.len() - 1
    }

    fn dispatcher(&self) -> Dispatcher<'_> {
        Dispatcher {
            config: &self.config,
            target: self.target(),
            threshold: self.threshold,
        }
    }

    /// The vector of one behavior among those of all.
    fn part<'a>(&self, vectors: &'a [f32], place: usize) -> &'a [f32] {
        let d = self.config.embedding_size;
        &vectors[place * d..][..d]
    }

    fn row<'a>(&self, table: &'a [f32], item: usize) -> &'a [f32] {
        let d = self.config.embedding_size;
        &table[item * d..][..d]
    }

    /// The target's vector among those of all behaviors.
    pub(super) fn target_of<'a>(&self, vectors: &'a [f32]) -> &'a [f32] {
        self.part(vectors, self.target())
    }

    /// The vectors of a chain, folded in.
    pub(super) fn fold(&self, chain: &[(u32, u8)]) -> Folded {
        self.tables.fold(&self.config, self.behaviors, chain)
    }

    /// The vectors of a history `(behaviors · d)`: learned for a training row, otherwise folded in.
    pub(super) fn vectors(&self, user: History<'_>, chain: &[(u32, u8)]) -> Vec<f32> {
        let width = self.behaviors.len() * self.config.embedding_size;
        match self.known.place(user) {
            Some(u) => self.users[u * width..][..width].to_vec(),
            None => self.fold(chain).out,
        }
    }

    /// The route of a pair.
    pub(super) fn route(&self, vectors: &[f32], item: usize, chain: Chain) -> Route {
        if self.config.ranking == Ranking::Dot {
            return Route::Dot;
        }
        let rules = self.dispatcher();
        let sure = rules
            .asks_confidence(chain, self.target())
            .map_or(0.0, |at| {
                let item = self.row(&self.tables.out[at], item);
                confidence(self.part(vectors, at), item)
            });
        rules.route(chain, self.target(), sure)
    }

    /// The network of a route; `None` for products.
    pub(super) fn network(&self, route: Route) -> Option<&Mlp> {
        match route {
            Route::Dot => None,
            Route::Direct { .. } => Some(&self.head.direct),
            Route::Operator { operator, .. } => Some(self.head.operator(operator)),
        }
    }

    /// The neighbors that a route retrieves.
    pub(super) fn neighbors_of(&self, route: Route) -> Option<(&Neighbors, &[f32])> {
        let Route::Operator {
            operator, evidence, ..
        } = route
        else {
            return None;
        };
        let (kind, tables) = match operator.collaborative() {
            true => (0, &self.tables.collaborative),
            false => (1, &self.tables.semantic),
        };
        let neighbors = self.neighbors[kind].get(evidence)?.as_ref()?;
        Some((neighbors, &tables[evidence]))
    }

    /// The inputs of the network of a route, with zeros for the user if there is none.
    pub(super) fn inputs(
        &self,
        route: Route,
        vectors: Option<&[f32]>,
        item: usize,
        retrieved: Retrieved<'_>,
    ) -> Vec<f32> {
        let d = self.config.embedding_size;
        let zeros = vec![0f32; d];
        let user = |at: usize| vectors.map_or(zeros.as_slice(), |v| self.part(v, at));
        let final_of = |at: usize| self.row(&self.tables.out[at], item);
        let mut x = Vec::with_capacity(self.config.operator_inputs());
        match route {
            Route::Dot => {}
            Route::Direct { at } if self.config.item_mediator => x.extend_from_slice(final_of(at)),
            Route::Direct { at } => {
                x.extend_from_slice(user(at));
                x.extend_from_slice(final_of(at));
            }
            Route::Operator {
                operator,
                at,
                evidence,
            } => {
                let collaborative = operator.collaborative();
                x.extend_from_slice(user(at));
                x.extend_from_slice(match (collaborative, self.config.reads_final()) {
                    (true, _) => self.row(&self.tables.collaborative[evidence], item),
                    (false, true) => final_of(at),
                    (false, false) => self.row(&self.tables.semantic[evidence], item),
                });
                let kind = usize::from(!collaborative);
                match retrieved {
                    Retrieved::Given(vector) => x.extend_from_slice(vector),
                    Retrieved::All => {
                        x.extend_from_slice(self.row(&self.retrieved[kind][evidence], item));
                    }
                    Retrieved::Without(muted) => {
                        let from = x.len();
                        x.extend_from_slice(self.row(&self.retrieved[kind][evidence], item));
                        if let Some((neighbors, table)) = self.neighbors_of(route) {
                            let of = neighbors.row(item as u32);
                            for (other, weight) in of.filter(|n| muted.contains(&n.0)) {
                                let row = self.row(table, other as usize);
                                let x = x[from..].iter_mut().zip(row);
                                x.for_each(|(x, v)| *x -= weight * v);
                            }
                        }
                    }
                }
                if self.config.target_inputs {
                    x.extend_from_slice(user(self.target()));
                    x.extend_from_slice(final_of(self.target()));
                }
            }
        }
        x
    }

    /// The score of a pair by a route.
    pub(super) fn score_by(
        &self,
        route: Route,
        vectors: &[f32],
        item: usize,
        retrieved: Retrieved<'_>,
    ) -> f32 {
        match self.network(route) {
            Some(network) => network.forward(&self.inputs(route, Some(vectors), item, retrieved)),
            None => {
                let target = self.target();
                let item = self.row(&self.tables.out[target], item);
                score_of(self.part(vectors, target), item)
            }
        }
    }

    /// The route of untouched items.
    pub(super) fn untouched_route(&self) -> Route {
        self.route(&[], 0, Chain::default())
    }

    fn untouched_parts(&self) -> Untouched {
        let route = self.untouched_route();
        let Some(network) = self.network(route) else {
            return Untouched::Dot;
        };
        let items = 0..self.n_items();
        let inputs: Vec<f32> = items
            .flat_map(|item| self.inputs(route, None, item, Retrieved::All))
            .collect();
        Untouched::Network(network.first(&inputs))
    }

    /// The scores of untouched items from `start` on, for the vectors of a history; `start` is a multiple of
    /// [`BLOCK`], so that a score does not depend on what else is scored.
    fn score_untouched(&self, vectors: &[f32], start: usize, out: &mut [f32]) {
        let target = self.target();
        let route = self.untouched_route();
        match (&self.untouched, self.network(route)) {
            (Untouched::Network(items), Some(network)) => {
                // The user's part: inputs without the item's.
                let mut user = self.inputs(route, Some(vectors), 0, Retrieved::All);
                let none = self.inputs(route, None, 0, Retrieved::All);
                user.iter_mut().zip(none).for_each(|(u, n)| *u -= n);
                let user = network.first_of(&user);
                let h = user.len();
                let mut buffers = [Vec::new(), Vec::new()];
                for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                    let from = start + block * BLOCK;
                    let rows = &items[from * h..(from + out.len()) * h];
                    network.rest(rows, &user, &mut buffers, out);
                }
            }
            _ => {
                let rows = &self.tables.out[target][start * self.config.embedding_size..];
                scores_of(self.part(vectors, target), rows, out);
            }
        }
    }

    /// The scores of histories, with the patterns (as bits) and the retrieved items that are muted.
    pub(super) fn score_rows(&self, rows: &[(History<'_>, u32, &[u32])]) -> Mat {
        let mut scores = Mat::zeros((rows.len(), self.n_items())); // (U, I)
        let out = scores.axis_iter_mut(Axis(0)).into_par_iter();
        out.zip(rows)
            .for_each(|(mut out, &(user, muted, neighbors))| {
                let chain = self.behaviors.chain(user, self.n_items());
                let vectors = self.vectors(user, &chain);
                let mut row = vec![0f32; self.n_items()];
                self.score_untouched(&vectors, 0, &mut row);
                out.iter_mut().zip(row).for_each(|(o, s)| *o = s);
                for &(item, set) in &chain {
                    if let Some(of) = self.touched(set, muted) {
                        let item = item as usize;
                        let route = self.route(&vectors, item, of);
                        let retrieved = Retrieved::Without(neighbors);
                        out[item] = self.score_by(route, &vectors, item, retrieved);
                    }
                }
            });
        scores
    }

    /// The chain of a pair whose path is not that of untouched items.
    pub(super) fn touched(&self, set: u8, muted: u32) -> Option<Chain> {
        let chain = Chain::of(self.behaviors, set);
        let open = chain.pattern > 0 && !chain.bought;
        let counts = open && muted >> chain.pattern & 1 == 0 || chain.bought;
        (counts && self.config.reasons()).then_some(chain)
    }

    /// The score of one untouched item, as in [`score_rows`](Self::score_rows) bit for bit.
    pub(super) fn untouched_score(&self, vectors: &[f32], item: ItemIdx) -> f32 {
        let start = item.at() / BLOCK * BLOCK;
        let mut out = vec![0f32; BLOCK.min(self.n_items() - start)];
        self.score_untouched(vectors, start, &mut out);
        out[item.at() - start]
    }
}

/// The names of collaborative and semantic neighbors in saved models.
const KINDS: [&str; 2] = ["neighbors.collaborative", "neighbors.semantic"];

impl Artifact for Model {
    const KIND: &'static str = "model/cnre";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let (d, t) = (self.config.embedding_size, self.behaviors.len());
        out.put_meta("settings", &hyper::values(&self.config))?;
        out.put_meta("behaviors", &(t, self.behaviors.target()))?;
        out.put_meta("items", &self.n_items())?;
        out.put_f32("threshold", &[1], vec![self.threshold]);
        self.tables.save(d, out);
        self.head.save(&self.config, out);
        for (kind, neighbors) in KINDS.iter().zip(&self.neighbors) {
            for (place, neighbors) in neighbors.iter().enumerate() {
                if let Some(neighbors) = neighbors {
                    neighbors.save(&format!("{kind}.{place}"), out);
                }
            }
        }
        out.put_f32("users", &[self.known.0.len(), t * d], self.users.clone());
        out.put_i64("known", &[self.known.0.len()], self.known.0.clone());
        Ok(())
    }

    /// Without the learned vectors, which give the histories away, everyone is folded in.
    fn without_users(&self) -> Option<Self> {
        Some(Self {
            users: Vec::new().into(),
            known: Known::default(),
            ..self.clone()
        })
    }

    fn load(from: &Tensors) -> Result<Self> {
        let mut config = Config::default();
        hyper::apply(&mut config, &from.meta::<hyper::Values>("settings")?)?;
        let (n, target) = from.meta("behaviors")?;
        let behaviors = Behaviors::new(n, target)?;
        let n_items: usize = from.meta("items")?;
        let tables = Tables::load(from, &config, behaviors, n_items)?;
        let head = Head::load(from, &config)?;
        let threshold = from.f32("threshold")?.1.first().copied();
        let threshold = threshold.ok_or_else(|| Error::shape("threshold", 1, 0))?;
        let rules = Dispatcher {
            config: &config,
            target: behaviors.len() - 1,
            threshold,
        };
        let mut neighbors = [vec![None; behaviors.len()], vec![None; behaviors.len()]];
        for (kind, name) in KINDS.iter().enumerate() {
            for place in rules.evidence(kind == 0) {
                let name = format!("{name}.{place}");
                let of = Neighbors::load(&name, from, n_items, config.neighbors)?;
                neighbors[kind][place] = Some(of);
            }
        }
        let (_, users) = from.f32("users")?;
        let (_, known) = from.i64("known")?;
        let width = behaviors.len() * config.embedding_size;
        if users.len() != known.len() * width {
            return Err(Error::shape("users", known.len() * width, users.len()));
        }
        let known = Known(known.to_vec());
        Ok(Self::new(
            config, behaviors, tables, head, neighbors, threshold, users, known,
        ))
    }
}
