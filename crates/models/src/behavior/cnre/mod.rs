//! CNRE: Causal Neuro-symbolic Reasoning for Explainable multi-behavior recommendation, WWW 2026,
//! <https://arxiv.org/abs/2601.21335>, with the code released for it,
//! <https://github.com/caiyuxuan19990915-lang/CNRE>.
//!
//! Behaviors b_1 … b_t are in order, the target last; x are users and items, A normalized adjacency matrices.
//!
//! ```text
//! e_0   = Σ_{l ≤ L} Aˡ x                                   the graph of all behaviors, equation 2
//! c_b   = Σ_{l ≤ L_b} (A_b)ˡ e_{b−1}                       each behavior from the one before, 6
//! s_b   = H Hᵀ c_b,  H = c_b W                             hypergraph of one side, 3 and 4
//! e_b   = e_{b−1} + c_b + α c_b,  α = (c_b · s_b) / |c_b|²   adaptive projection, 5 and 7
//! ```
//!
//! Since s_b = c_b A with `A = W Wᵀ (c_bᵀ c_b)`, α is a gain per node and the projection adds no direction.
//!
//! The *chain* of a pair, its behaviors before the target, selects a path with the behavior b* of the last of
//! them; S are item vectors retrieved for an item, a mean of its nearest:
//!
//! ```text
//! strong   the pair has the target                m = e_u ⊕ e_i                            the target's vectors
//! medium   two or more behaviors, σ(e_u · e_i) < τ   m = W₂ f(W₁ (e_u ⊕ c_i ⊕ S_c))          conjunction, 8 and 9
//! medium   otherwise                              m = e_u ⊕ e_i
//! weak     one behavior                           m = W₂ f(W₁ (e_u ⊕ s_i ⊕ S_s))          disjunction, 10 and 11
//! empty    none                                   as weak, with an operator of its own     not in the paper
//! score    MLP(m)                                                                          equation 12
//! ```
//!
//! The loss is the sum over behaviors of BPR (13 and 14).
//!
//! `mode=released` does what the released code does: it ranks by the product of e_t, which is in no loss; paths
//! and operators act in training alone. `mode=paper` follows the equations; where the paper is silent, a setting
//! says what is done. `mode=plus` repairs what keeps a model of chains from ranking: a training pair is
//! dispatched by what came *before* its behavior (with the purchase itself every positive is strong, and no
//! held-out item ever is), half of the negatives have the chain of their positive, BPR is on logits, and
//! operators see the target's vectors too.
//!
//! Departures: the confidence threshold `auto` is the median over open pairs of the training data, not of
//! validation; retrieved vectors are those of the beginning of the epoch, without gradient; the paper's mode
//! trains all paths by all behaviors, because otherwise its operators get no gradient at all. Where a run has
//! no validation set, one purchase of some users is hidden from training for early stopping; the vectors of the
//! fitted model are propagated over all events.
//!
//! A training row uses the vectors learned for its user. Any other history is folded in: propagated locally, from
//! its events, over the layers of the items. With the lengths of its rows and its gains taken as they are, a
//! folded-in vector is a sum over events, which divides a path integral among them: the collaborative lines
//! of a ledger. The line of a pattern is what the path makes of the pair instead of the empty chain, and each
//! retrieved neighbor has a line by path integral. What a learned vector adds to the folded-in one is the
//! residual.

mod dispatch;
mod encoder;
mod fold;
mod head;
mod ledger;
mod model;
mod retrieval;
#[cfg(test)]
mod tests;
mod training;

use limpid_core::traits::require;
use limpid_core::{Fit, Recommender, Result, Run, Training};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::tape::TapeLearner;
use limpid_tensor::{Schedule, train};

use super::chains::{Behaviors, Chains};
use super::held_out::HeldOut;
use crate::hyper::{self, choices, hyper};
use crate::latent::MAX_WIDTH;
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;
pub use model::Model;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "cnre",
    aliases: &[],
    about: "chains of behaviors select a path of reasoning over cascaded graphs; plus, paper and released",
    paper: "Causal Neuro-symbolic Reasoning for Explainable Multi-behavior Recommendation, WWW 2026",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// Whose CNRE.
    pub enum Mode {
        /// Ours: what makes it rank.
        Plus = "plus",
        /// The equations.
        Paper = "paper",
        /// The released code.
        Released = "released",
    }
}

choices! {
    /// How the layers of a graph are combined.
    pub enum Norm {
        /// Their sum, as published.
        None = "none",
        /// The sum of the input and of propagated layers with rows of length one.
        Rows = "rows",
        /// As rows, but layer l is divided by l, as released.
        Divided = "divided",
        /// Their mean.
        Mean = "mean",
    }
}

choices! {
    /// A component that is left out: the ablations of the paper, and our own.
    pub enum Without {
        /// None.
        Nothing = "nothing",
        /// The cascade, hypergraph and projection (HPP): each behavior by itself, from the tables.
        Hpp = "hpp",
        /// The hypergraph and its projection (PAR).
        Par = "par",
        /// The projection (PRJ): the semantic vector itself is added.
        Prj = "prj",
        /// The reasoning (REA): every pair is direct, with the target's vectors.
        Rea = "rea",
        /// The conjunction (CNJ): medium pairs are direct.
        Cnj = "cnj",
        /// The disjunction (DSJ): weak pairs are direct.
        Dsj = "dsj",
        /// The chains: every pair is empty.
        Chains = "chains",
    }
}

choices! {
    /// What an empty chain is.
    pub enum Empty {
        /// A path of its own, with an operator of its own.
        Prior = "prior",
        /// Weak, with the target's vectors, as released.
        Weak = "weak",
        /// Direct, with the target's vectors.
        Direct = "direct",
        /// The product of the target's vectors.
        Dot = "dot",
    }
}

choices! {
    /// Whose vectors a pair has.
    pub enum Vectors {
        /// Those of the last behavior of its chain.
        Chain = "chain",
        /// Those of the behavior of the loss, with the evidence of the one before, as released.
        Preceding = "preceding",
    }
}

choices! {
    /// The activation of operators and of the prediction.
    pub enum Activation {
        /// max(x, 0.01 x).
        Leaky = "leaky",
        /// 1 / (1 + e⁻ˣ), the letter of the paper.
        Sigmoid = "sigmoid",
    }
}

choices! {
    /// The items that a purchase is compared with.
    pub enum Negatives {
        /// Items without the behavior.
        Unbought = "unbought",
        /// Items without any behavior of the user.
        Untouched = "untouched",
    }
}

choices! {
    /// What an epoch goes through.
    pub enum Examples {
        /// Every purchase, with a sampled event of each other behavior of its user.
        Purchases = "purchases",
        /// Every user, with one sampled event of each behavior.
        Users = "users",
    }
}

choices! {
    /// What BPR compares.
    pub enum Loss {
        /// Logits.
        Logits = "logits",
        /// Their sigmoids, the letter of equation 13.
        Probabilities = "probabilities",
    }
}

choices! {
    /// What items are ranked by.
    pub enum Ranking {
        /// The path of the pair.
        Reasoning = "reasoning",
        /// The product of the target's vectors, as released.
        Dot = "dot",
    }
}

choices! {
    /// What the L2 regularization is of.
    pub enum Regularized {
        /// The embeddings of a batch: their squares, per example.
        Batch = "batch",
        /// The tables: their norm divided by their rows, as released.
        Tables = "tables",
    }
}

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Whose CNRE: ours, the equations of the paper, or the released code.
        mode: Mode = Mode::Plus;
        /// Dimension of user and item vectors.
        embedding_size: usize = 64, in whole(1, MAX_WIDTH);
        /// Hyperedges of each side and behavior.
        hyperedges: usize = 32, in whole(1, MAX_WIDTH);
        /// Graph layers of all behaviors together.
        unified_layers: usize = 2, in whole(1, 8);
        /// Graph layers of each behavior before the target.
        first_layers: usize = 1, in whole(1, 8);
        /// Graph layers of the target behavior.
        target_layers: usize = 3, in whole(1, 8);
        /// How the layers of a graph are combined.
        norm: Norm = Norm::Rows;
        /// Whether each graph layer has an additive bias.
        bias: bool = false;
        /// Whether a pair counts once per behavior, not once, in the graph of all behaviors.
        count_pairs: bool = false;
        /// Whether the hypergraph has its raw scale and gradient, not that of a mean with rows of length one.
        hyper_literal: bool = false;
        /// Dropout rate of the hypergraph in training.
        hyper_dropout: f32 = 0.1, in between(0.0, 0.95);
        /// A component that is left out.
        without: Without = Without::Nothing;
        /// Confidence from which a medium pair is direct; auto: the median over open pairs.
        threshold: Option<f32> = None, in between(0.0, 1.0);
        /// What an empty chain is.
        empty: Empty = Empty::Prior;
        /// Whose vectors a pair has.
        vectors: Vectors = Vectors::Chain;
        /// Whether operators see the target's vectors too.
        target_inputs: bool = true;
        /// Whether a direct pair is its item vector alone.
        item_mediator: bool = false;
        /// Nearest items that are retrieved for an item.
        neighbors: usize = 5, in whole(1, 1000);
        /// Temperature of the softmax over cosines that weighs them.
        temperature: f32 = 0.1, in above(0.0);
        /// Width of the hidden layer of operators.
        hidden: usize = 128, in whole(1, MAX_WIDTH);
        /// Activation of operators and of the prediction.
        activation: Activation = Activation::Leaky;
        /// Whether a training pair has only what comes before its behavior in its chain.
        leave_target_out: bool = true;
        /// Share of negatives with the chain of their positive, where the user has such an item.
        matched: f32 = 0.5, in between(0.0, 1.0);
        /// The other negatives.
        negatives: Negatives = Negatives::Unbought;
        /// Whether the losses of all behaviors are of paths; otherwise of products of their vectors.
        reason_all: bool = false;
        /// What an epoch goes through.
        examples: Examples = Examples::Purchases;
        /// What BPR compares.
        loss: Loss = Loss::Logits;
        /// What items are ranked by.
        ranking: Ranking = Ranking::Reasoning;
        /// L2 regularization in the loss.
        reg: f32 = 1e-4, in at_least(0.0);
        /// What it is of.
        regularized: Regularized = Regularized::Batch;
        /// L2 regularization of all matrices in the gradient.
        weight_decay: f32 = 0.0, in at_least(0.0);
        /// Share of the users with several purchases of whom one is hidden for early stopping, without a validation set.
        held_out: f32 = 0.1, in between(0.0, 1.0);
        /// Epochs between evaluations.
        evaluate_every: usize = 1, in whole_from(1);
        include training: TrainingLoop = { epochs: 200, batch_size: 1024 };
    }
    preset mode = "paper" {
        target_inputs = false, leave_target_out = false, matched = 0, negatives = "untouched",
        reason_all = true, loss = "probabilities", evaluate_every = 5,
    }
    preset mode = "released" {
        norm = "divided", bias = true, count_pairs = true, hyper_literal = true, threshold = 0.43,
        empty = "weak", vectors = "preceding", target_inputs = false, item_mediator = true, neighbors = 1,
        hidden = 64, leave_target_out = false, matched = 0, negatives = "untouched", reason_all = true,
        examples = "users", ranking = "dot", regularized = "tables", weight_decay = 1e-4, epochs = 500,
        evaluate_every = 5,
    }
}

impl Config {
    /// Whether the hypergraph is used.
    fn hypergraph(&self) -> bool {
        !matches!(self.without, Without::Hpp | Without::Par)
    }

    /// Whether each behavior starts from the one before it.
    fn cascade(&self) -> bool {
        self.without != Without::Hpp
    }

    /// Whether the chain of a pair matters to its score.
    fn reasons(&self) -> bool {
        let all_alike = matches!(self.without, Without::Rea | Without::Chains);
        self.ranking == Ranking::Reasoning && !all_alike
    }

    /// The settings that make the path of untouched items direct, if they do: as
    /// [`Dispatcher::route`](dispatch::Dispatcher::route) sends an empty chain.
    fn untouched_is_direct(&self) -> Option<&'static str> {
        match (self.without, self.empty) {
            (Without::Rea, _) => Some("without=rea"),
            (_, Empty::Direct) => Some("empty=direct"),
            (Without::Dsj, Empty::Weak) => Some("empty=weak and without=dsj"),
            _ => None,
        }
    }

    /// Whether the disjunction reads the final vectors of items, not the semantic ones.
    fn reads_final(&self) -> bool {
        self.vectors == Vectors::Preceding
    }

    /// Graph layers of a behavior, by its place in the order.
    fn layers(&self, place: usize, behaviors: Behaviors) -> usize {
        match place + 1 == behaviors.len() {
            true => self.target_layers,
            false => self.first_layers,
        }
    }

    /// The width of mediators.
    fn mediator(&self) -> usize {
        match self.item_mediator {
            true => self.embedding_size,
            false => 2 * self.embedding_size,
        }
    }

    /// The width of the inputs of operators.
    fn operator_inputs(&self) -> usize {
        let blocks = if self.target_inputs { 5 } else { 3 };
        blocks * self.embedding_size
    }

    /// The widths of the prediction, from the mediator to 1.
    fn prediction(&self) -> Vec<usize> {
        let m = self.mediator();
        let mut widths = vec![m, m.div_ceil(2)];
        if !self.item_mediator {
            widths.push(m.div_ceil(4));
        }
        widths.push(1);
        widths
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)?;
        // A direct pair without the vector of its user is scored and explained as if it had one.
        let untouched = self.untouched_is_direct();
        require(
            !self.item_mediator || untouched.is_none() || self.ranking == Ranking::Dot,
            "item_mediator",
            &format!(
                "false with {}, where untouched items would be direct pairs and so the same for all users",
                untouched.unwrap_or_default()
            ),
            self.item_mediator,
        )
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let behaviors = Behaviors::of(data)?;
        // Without a validation set, purchases are hidden for early stopping.
        let stopping = run.monitor.is_none() && self.training.patience > 0;
        let share = if stopping { self.held_out } else { 0.0 };
        let number = |n: usize| (f64::from(share) * n as f64).round() as usize;
        let chains = Chains::of(data.histories, behaviors);
        let held_out = HeldOut::draw(&chains, data.histories, number, run.seed);
        let visible = held_out.as_ref().map(|h| h.visible(data.histories));
        let trainer =
            training::Trainer::new(self, behaviors, visible.as_ref().unwrap_or(data.histories));
        let weights = trainer.weights(run.seed);
        let adam = Adam {
            decay: self.weight_decay,
            ..Adam::new(self.training.learning_rate)
        };
        let mut learner = TapeLearner::new(trainer, weights, adam);
        let schedule = Schedule {
            monitor_every: self.evaluate_every,
            ..self.training.schedule()
        };
        let fingerprint = format!(
            "cnre {self:?} on {:016x}",
            training::hash_of(data.histories)
        );
        let Some(held_out) = held_out else {
            train(&mut learner, &schedule, &fingerprint, run)?;
            let (trainer, weights) = learner.into_parts();
            return Ok(trainer.finished(&weights));
        };
        let monitor = |model: &dyn Recommender| held_out.ndcg(model);
        train(
            &mut learner,
            &schedule,
            &fingerprint,
            &mut run.monitored(&monitor),
        )?;
        // What was hidden is in the graphs of the fitted model.
        let (_, weights) = learner.into_parts();
        let trainer = training::Trainer::new(self, behaviors, data.histories);
        Ok(trainer.finished(&weights))
    }
}
