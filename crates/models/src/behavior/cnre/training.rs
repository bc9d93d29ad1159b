//! Training: the sampled pairs of a step, their paths, and the loss (equations 13 and 14).

use std::sync::Arc;

use limpid_core::{Histories, Monitor, Recommender, Result};
use limpid_tensor::tape::{Network, Tape, Var};
use limpid_tensor::{Parameter, Rng};

use super::dispatch::{Chain, Dispatcher, Route};
use super::encoder::{self, Encoded, EncoderWeights};
use super::fold::Tables;
use super::head::{self, Head, HeadWeights};
use super::model::{Known, Model};
use super::retrieval::Neighbors;
use super::{Config, Examples, Loss, Negatives, Regularized};
use crate::behavior::chains::{Behaviors, Chains, with_behavior};
use crate::graph::propagation::Bipartite;
use crate::negatives::sampled;

/// The threshold where there is no medium pair: any.
const NO_MEDIUM: f32 = 0.5;

/// A hash of histories and behaviors, for checkpoints.
pub(super) fn hash_of(histories: &Histories) -> u64 {
    let rows = histories.rows().map(super::model::hash_of_row);
    limpid_core::hash::row(rows.flat_map(|h| [h as u32, (h >> 32) as u32]))
}

/// A network in training.
pub(super) struct Trainer {
    config: Config,
    behaviors: Behaviors,
    /// The rows that it learns.
    known: Known,
    chains: Chains,
    graphs: Vec<Bipartite>,
    depths: Vec<usize>,
    /// The items of each behavior, in order, of each user.
    items: Vec<Vec<Vec<u32>>>,
    /// User and item of the examples; without an item, one of each behavior is sampled.
    examples: Vec<(u32, Option<u32>)>,
    /// Collaborative, and semantic neighbors by place; only of places that are evidence.
    neighbors: [Vec<Option<Neighbors>>; 2],
    /// What they stand for `(I, d)`.
    retrieved: [Vec<Arc<Vec<f32>>>; 2],
}

/// Sampled pairs of one behavior.
#[derive(Default)]
struct Triples {
    users: Vec<u32>,
    positives: Vec<u32>,
    negatives: Vec<u32>,
}

impl Trainer {
    pub(super) fn new(config: &Config, behaviors: Behaviors, histories: &Histories) -> Self {
        let chains = Chains::of(histories, behaviors);
        let n = behaviors.len();
        let of_behavior = |b: u8| {
            let users = 0..chains.len();
            users
                .map(|u| with_behavior(chains.row(u), b).collect())
                .collect()
        };
        let items: Vec<Vec<Vec<u32>>> = behaviors.in_order().map(of_behavior).collect();
        let users = 0..chains.len();
        let examples = match config.examples {
            Examples::Users => users.map(|u| (u as u32, None)).collect(),
            Examples::Purchases => users
                .flat_map(|u| items[n - 1][u].iter().map(move |&i| (u as u32, Some(i))))
                .collect(),
        };
        let empty = || vec![None; n];
        let nothing = || vec![Arc::default(); n];
        Self {
            config: config.clone(),
            behaviors,
            graphs: encoder::graphs(config, &chains),
            depths: encoder::depths(config, behaviors),
            known: Known::of(histories),
            chains,
            items,
            examples,
            neighbors: [empty(), empty()],
            retrieved: [nothing(), nothing()],
        }
    }

    fn target(&self) -> usize {
        self.behaviors.len() - 1
    }

    fn n_items(&self) -> usize {
        self.chains.n_items
    }

    fn arrays(&self) -> Vec<(String, Vec<usize>)> {
        let (config, n_users) = (&self.config, self.chains.len());
        let mut all = encoder::arrays(config, self.behaviors, n_users, self.n_items());
        all.extend(head::arrays(config));
        all
    }

    /// Initial weights: tables uniform and matrices normal, both by Xavier's rule; biases are 0.
    pub(super) fn weights(&self, seed: u64) -> Vec<Parameter> {
        let mut rng = Rng::new(seed, 0);
        let arrays = self.arrays().into_iter();
        let weights = arrays.map(|(name, shape)| {
            let n: usize = shape.iter().product();
            let value = match shape[..] {
                [rows, columns] => {
                    let fans = (rows + columns) as f32;
                    match name.as_str() {
                        "users" | "items" => {
                            let bound = (6.0 / fans).sqrt();
                            rng.uniforms(n, -bound, bound)
                        }
                        _ => {
                            let deviation = (2.0 / fans).sqrt();
                            (0..n).map(|_| deviation * rng.normal()).collect()
                        }
                    }
                }
                _ => vec![0.0; n],
            };
            Parameter::shaped(name, shape, value)
        });
        weights.collect()
    }

    fn dispatcher(&self, threshold: f32) -> Dispatcher<'_> {
        Dispatcher {
            config: &self.config,
            target: self.target(),
            threshold,
        }
    }

    /// The vectors without dropout.
    fn encoded<'t>(&self, tape: &'t Tape, weights: &[Parameter]) -> Encoded<'t> {
        let leaves = weights
            .iter()
            .map(|p| tape.constant(p.value.clone(), &p.shape));
        let weights = EncoderWeights::read(&self.config, self.behaviors, &mut leaves.into_iter());
        encoder::encode(
            tape,
            &self.config,
            &self.graphs,
            &weights,
            &self.depths,
            None,
        )
    }

    fn find_neighbors(&mut self, encoded: &Encoded<'_>) {
        let d = self.config.embedding_size;
        for kind in [0, 1] {
            for place in self.dispatcher(NO_MEDIUM).evidence(kind == 0) {
                let vectors = evidence_of(encoded, kind, place).value();
                let found = Neighbors::of(
                    &vectors,
                    d,
                    self.graphs[place + 1].item_scales(),
                    self.config.neighbors,
                    self.config.temperature,
                );
                self.retrieved[kind][place] = Arc::new(found.retrieved(&vectors, d));
                self.neighbors[kind][place] = Some(found);
            }
        }
    }

    /// The chain of a pair.
    fn chain(&self, user: u32, item: u32) -> Chain {
        let row = self.chains.row(user as usize);
        let at = row.binary_search_by_key(&item, |e| e.0);
        Chain::of(self.behaviors, at.map_or(0, |at| row[at].1))
    }

    /// The chain of a pair that is dispatched for the loss of a behavior.
    fn dispatched(&self, user: u32, item: u32, place: usize) -> Chain {
        let chain = self.chain(user, item);
        match self.config.leave_target_out {
            true => chain.before(place),
            false => chain,
        }
    }

    fn sample(&self, place: usize, examples: &[u32], rng: &mut Rng) -> Triples {
        let mut triples = Triples::default();
        for &example in examples {
            let (user, item) = self.examples[example as usize];
            let own = &self.items[place][user as usize];
            let positive = match item {
                Some(item) if place == self.target() => item,
                _ => match own.get(rng.below(own.len())) {
                    Some(&item) => item,
                    None => continue,
                },
            };
            triples.users.push(user);
            triples.positives.push(positive);
            triples
                .negatives
                .push(self.negative(place, user, positive, rng));
        }
        triples
    }

    fn negative(&self, place: usize, user: u32, positive: u32, rng: &mut Rng) -> u32 {
        let has = |item: u32| {
            let chain = self.chain(user, item);
            match place == self.target() {
                true => chain.bought,
                false => chain.pattern >> place & 1 == 1,
            }
        };
        if self.config.matched > 0.0 && rng.unit() < self.config.matched {
            let like = self.chain(user, positive).before(place);
            if like != Chain::default() {
                let row = self.chains.row(user as usize).iter().map(|e| e.0);
                let same = |&item: &u32| !has(item) && self.chain(user, item).before(place) == like;
                let same: Vec<u32> = row.filter(same).collect();
                if let Some(&item) = same.get(rng.below(same.len())) {
                    return item;
                }
            }
        }
        let excluded = |item: u32| match self.config.negatives {
            Negatives::Unbought => has(item),
            Negatives::Untouched => self.chain(user, item) != Chain::default(),
        };
        sampled(self.n_items(), rng, |&item| !excluded(item))
    }

    /// Logits of pairs, in their order; `place` is the behavior of the loss.
    fn logits<'t>(
        &self,
        tape: &'t Tape,
        head: &HeadWeights<'t>,
        encoded: &Encoded<'t>,
        pairs: &[(u32, u32, Chain)],
        place: usize,
    ) -> Var<'t> {
        let routes = self.routes(encoded, pairs, place);
        let (mut order, mut mediators, mut products) = (Vec::new(), None, None);
        // Products come last, because they are logits already.
        let (dots, reasoned): (Vec<_>, Vec<_>) =
            routes.iter().partition(|(route, _)| *route == Route::Dot);
        for (route, members) in reasoned {
            order.extend_from_slice(members);
            let mediator = self.mediators(tape, head, encoded, *route, pairs, members);
            mediators = Some(match mediators {
                Some(before) => Var::stack(before, mediator),
                None => mediator,
            });
        }
        for (_, members) in dots {
            order.extend_from_slice(members);
            let of = &encoded.behaviors[self.target()].out;
            let users = members.iter().map(|&at| pairs[at].0).collect::<Vec<_>>();
            let items = members.iter().map(|&at| pairs[at].1).collect::<Vec<_>>();
            let product = of[0].gather(users).dot_rows(of[1].gather(items));
            products = Some(product.reshape(&[members.len(), 1]));
        }
        let reasoned = mediators.map(|m| head.predict(&self.config, m));
        let all = reasoned.into_iter().chain(products).reduce(Var::stack);
        let all = all.unwrap_or_else(|| tape.constant(Vec::new(), &[0, 1]));
        let mut place_of = vec![0u32; order.len()];
        for (at, &pair) in order.iter().enumerate() {
            place_of[pair] = at as u32;
        }
        all.gather(place_of).reshape(&[pairs.len()])
    }

    /// The routes of pairs, each with the indices of its pairs.
    fn routes(
        &self,
        encoded: &Encoded<'_>,
        pairs: &[(u32, u32, Chain)],
        place: usize,
    ) -> Vec<(Route, Vec<usize>)> {
        let d = self.config.embedding_size;
        let asked = self.dispatcher(NO_MEDIUM);
        let vectors: Vec<_> = encoded
            .behaviors
            .iter()
            .map(|b| b.out.map(|side| side.value()))
            .collect();
        let sure: Vec<Option<f32>> = pairs
            .iter()
            .map(|&(user, item, chain)| {
                let [users, items] = &vectors[asked.asks_confidence(chain, place)?];
                let row = |at: u32| at as usize * d..(at as usize + 1) * d;
                Some(confidence(&users[row(user)], &items[row(item)]))
            })
            .collect();
        let threshold = self.config.threshold.unwrap_or_else(|| {
            median(sure.iter().copied().flatten().collect()).unwrap_or(NO_MEDIUM)
        });
        let rules = self.dispatcher(threshold);
        let mut routes: Vec<(Route, Vec<usize>)> = Vec::new();
        for (at, &(_, _, chain)) in pairs.iter().enumerate() {
            let route = rules.route(chain, place, sure[at].unwrap_or(0.0));
            match routes.iter_mut().find(|(known, _)| *known == route) {
                Some((_, members)) => members.push(at),
                None => routes.push((route, vec![at])),
            }
        }
        routes
    }

    /// The mediators of the pairs of a route.
    fn mediators<'t>(
        &self,
        tape: &'t Tape,
        head: &HeadWeights<'t>,
        encoded: &Encoded<'t>,
        route: Route,
        pairs: &[(u32, u32, Chain)],
        members: &[usize],
    ) -> Var<'t> {
        let users: Arc<Vec<u32>> = Arc::new(members.iter().map(|&at| pairs[at].0).collect());
        let items: Arc<Vec<u32>> = Arc::new(members.iter().map(|&at| pairs[at].1).collect());
        let of = |place: usize| &encoded.behaviors[place];
        let user = |place: usize| of(place).out[0].gather(users.clone());
        let item = |table: Var<'t>| table.gather(items.clone());
        match route {
            Route::Direct { at } if self.config.item_mediator => item(of(at).out[1]),
            Route::Operator {
                operator,
                at,
                evidence,
            } => {
                let kind = usize::from(!operator.collaborative());
                let own = match (operator.collaborative(), self.config.reads_final()) {
                    (true, _) => of(evidence).collaborative[1],
                    (false, true) => of(at).out[1],
                    (false, false) => of(evidence).semantic[1],
                };
                let shape = [self.n_items(), self.config.embedding_size];
                let retrieved = tape.constant(self.retrieved[kind][evidence].clone(), &shape);
                let mut x = user(at).concat(item(own)).concat(item(retrieved));
                if self.config.target_inputs {
                    let target = self.target();
                    x = x.concat(user(target)).concat(item(of(target).out[1]));
                }
                head.mediate(&self.config, operator, x)
            }
            Route::Direct { at } => user(at).concat(item(of(at).out[1])),
            Route::Dot => unreachable!("products have no mediators"),
        }
    }

    /// The fitted model of weights.
    fn model(&self, weights: &[Parameter], encoded: &Encoded<'_>) -> Model {
        let config = &self.config;
        let (d, t) = (config.embedding_size, self.behaviors.len());
        let n_users = self.chains.len();
        let items_of = |x: &Var<'_>| x.value()[n_users * d..].to_vec();
        let value = |x: Var<'_>| x.value().to_vec();
        let graphs = [&encoded.unified]
            .into_iter()
            .chain(encoded.behaviors.iter().map(|b| &b.layers));
        let layers = graphs.map(|layers| {
            let kept = (layers.len() - 1).max(1);
            layers[..kept].iter().map(items_of).collect()
        });
        let named = |name: &str| weights.iter().find(|p| p.name == name);
        let maps = (0..t).filter_map(|place| {
            let w = named(&format!("hyper.{place}.users"))?;
            let [c, _] = encoded.behaviors[place].collaborative;
            Some(encoder::semantic_map(config, &c.value(), w))
        });
        let bias = (0..self.depths.len()).map(|graph| {
            (1..=self.depths[graph])
                .filter_map(|l| named(&format!("bias.{graph}.{l}")).map(|p| p.value.clone()))
                .collect()
        });
        let scales = self.graphs.iter().map(|g| g.item_scales().to_vec());
        let mut tables = Tables {
            n_items: self.n_items(),
            layers: layers.collect(),
            scales: scales.collect(),
            collaborative: encoded
                .behaviors
                .iter()
                .map(|b| value(b.collaborative[1]))
                .collect(),
            semantic: encoded
                .behaviors
                .iter()
                .map(|b| value(b.semantic[1]))
                .collect(),
            out: encoded.behaviors.iter().map(|b| value(b.out[1])).collect(),
            maps: maps.collect(),
            bias: bias.collect(),
            input: Vec::new(),
        };
        let rows = (0..n_users).map(|u| self.chains.row(u));
        let inputs = weights.first().map_or(&[][..], |p| p.value.as_slice());
        tables.fit_input(config, self.behaviors, rows, inputs);
        let of_users: Vec<_> = encoded.behaviors.iter().map(|b| b.out[0].value()).collect();
        let mut users = Vec::with_capacity(n_users * t * d);
        for u in 0..n_users {
            for of in &of_users {
                users.extend_from_slice(&of[u * d..][..d]);
            }
        }
        let threshold = config
            .threshold
            .unwrap_or_else(|| self.median_confidence(&users, &tables).unwrap_or(NO_MEDIUM));
        let first = self.arrays().len() - head::arrays(config).len();
        let head = weights[first..].iter().map(|p| p.value.clone()).collect();
        Model::new(
            config.clone(),
            self.behaviors,
            tables,
            Head::new(config, head),
            self.neighbors.clone(),
            threshold,
            users,
            self.known.clone(),
        )
    }

    /// The median confidence in the open medium pairs of the training data.
    fn median_confidence(&self, users: &[f32], tables: &Tables) -> Option<f32> {
        let (d, t) = (self.config.embedding_size, self.behaviors.len());
        let rules = self.dispatcher(NO_MEDIUM);
        let mut all = Vec::new();
        for u in 0..self.chains.len() {
            for &(item, set) in self.chains.row(u) {
                let chain = Chain::of(self.behaviors, set);
                if let Some(at) = rules.asks_confidence(chain, self.target()) {
                    let user = &users[(u * t + at) * d..][..d];
                    let item = &tables.out[at][item as usize * d..][..d];
                    all.push(confidence(user, item));
                }
            }
        }
        median(all)
    }

    /// The model after training, for the training rows.
    pub(super) fn finished(mut self, weights: &[Parameter]) -> Model {
        let tape = Tape::default();
        let encoded = self.encoded(&tape, weights);
        self.find_neighbors(&encoded);
        self.model(weights, &encoded)
    }
}

/// σ(u · i).
pub(super) fn confidence(u: &[f32], i: &[f32]) -> f32 {
    1.0 / (1.0 + (-crate::latent::score_of(u, i)).exp())
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// The item vectors whose neighbors are retrieved: collaborative (0) or semantic (1).
fn evidence_of<'t>(encoded: &Encoded<'t>, kind: usize, place: usize) -> Var<'t> {
    let of = &encoded.behaviors[place];
    match kind {
        0 => of.collaborative[1],
        _ => of.semantic[1],
    }
}

impl Network for Trainer {
    fn refresh(&mut self, weights: &[Parameter]) {
        let tape = Tape::default();
        let encoded = self.encoded(&tape, weights);
        self.find_neighbors(&encoded);
    }

    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        self.examples.len()
    }

    fn loss<'t>(&self, tape: &'t Tape, w: &[Var<'t>], examples: &[u32], rng: &mut Rng) -> Var<'t> {
        let config = &self.config;
        let mut weights = w.iter().copied();
        let of_encoder = EncoderWeights::read(config, self.behaviors, &mut weights);
        let head = HeadWeights::read(config, &mut weights);
        let encoded = encoder::encode(
            tape,
            config,
            &self.graphs,
            &of_encoder,
            &self.depths,
            Some(rng),
        );
        let mut loss = tape.constant(vec![0.0], &[]);
        let (mut users, mut items) = (Vec::new(), Vec::new());
        for (place, vectors) in encoded.behaviors.iter().enumerate() {
            let triples = self.sample(place, examples, rng);
            let pairs = triples.users.len();
            if pairs == 0 {
                continue;
            }
            let of_loss = if config.reason_all || place == self.target() {
                let with = |items: &[u32]| -> Vec<(u32, u32, Chain)> {
                    let pairs = triples.users.iter().zip(items);
                    pairs
                        .map(|(&u, &i)| (u, i, self.dispatched(u, i, place)))
                        .collect()
                };
                let both = [with(&triples.positives), with(&triples.negatives)].concat();
                let logits = self.logits(tape, &head, &encoded, &both, place);
                let scores = match config.loss {
                    Loss::Logits => logits,
                    Loss::Probabilities => logits.sigmoid(),
                };
                let scores = scores.reshape(&[2 * pairs, 1]);
                let half = |range| scores.rows(range).reshape(&[pairs]);
                half(0..pairs).bpr(half(pairs..2 * pairs))
            } else {
                let user = vectors.out[0].gather(triples.users.clone());
                let score = |items: &[u32]| user.dot_rows(vectors.out[1].gather(items.to_vec()));
                score(&triples.positives).bpr(score(&triples.negatives))
            };
            loss = loss + of_loss;
            users.extend(triples.users);
            items.extend(triples.positives.into_iter().chain(triples.negatives));
        }
        if config.reg > 0.0 {
            let (of_users, of_items) = (of_encoder.users, of_encoder.items);
            let penalty = match config.regularized {
                Regularized::Batch => {
                    let squares = of_users.gather(users).sum_of_squares()
                        + of_items.gather(items).sum_of_squares();
                    squares.scale(1.0 / examples.len().max(1) as f64)
                }
                Regularized::Tables => {
                    let length = |table: Var<'t>| {
                        let rows = table.shape().rows().max(1) as f64;
                        table
                            .sum_of_squares()
                            .log()
                            .scale(0.5)
                            .exp()
                            .scale(1.0 / rows)
                    };
                    length(of_users) + length(of_items)
                }
            };
            loss = loss + penalty.scale(f64::from(config.reg));
        }
        loss
    }

    fn measure(&self, weights: &[Parameter], monitor: &Monitor<'_>) -> Result<Option<f64>> {
        let tape = Tape::default();
        let encoded = self.encoded(&tape, weights);
        let model = self.model(weights, &encoded);
        Ok(Some(monitor(&model as &dyn Recommender)))
    }
}
