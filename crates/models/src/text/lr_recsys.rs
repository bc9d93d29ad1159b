//! LR-Recsys: explanations for and against an item as inputs of the prediction. Wang, Li and Chen, "The Blessing of
//! Reasoning: LLM-Based Contrastive Explanations in Black-Box Recommender Systems", 2025,
//! <https://arxiv.org/abs/2502.16759v1>.
//!
//! ```text
//! t₊, t₋          the vectors of the two explanations of a pair, of length one
//! z = tanh(t W + b),   t' = z W' + b'                                shared autoencoder
//! (a₊, a₋) = softmax(MLP[e_u; e_i])                                  attention
//! score = bias + e_u · e_i + MLP[e_u; e_i; e_u e_i; context; a₊ z₊; a₋ z₋]
//! L = L_prediction + 0.1 (1 − cos(t, t') + 0.1 MSE(t, t'))
//! ```
//!
//! The autoencoder is trained alone for 20 epochs first. The prediction is that of ratings (squared error) or a
//! ranking (one sampled item per event, BPR or binary cross-entropy).
//!
//! The text of the paper was not at hand, only its abstract and summaries; what they leave open follows a
//! specification of our own. Departures, all of them for a reason:
//!
//! - Explanations are written by a template from the ledgers of RuleSLIM, links only
//!   (`explanations.rs`), not by a language model, so that every pair of a catalogue has them. A training pair sees those of a
//!   provider (words, links) that was fitted without its fold of the events; only the space of vectors, which is fitted to
//!   the explanations themselves, has seen all training texts.
//! - e_u is a sum over the events of the history, with what the rating leaves of the biases (as in SVD++), not a vector per user:
//!   so any history has one. In training it is without the fold of the event that is predicted, and so are the biases of
//!   user and item. No layer reads these biases, because a network that knows the item could tell the rating r from
//!   its bias without r, `(S − r) / (n − 1)`: errors in training near 0, and a model that is best before it has learned anything.
//! - The biases and e_u · e_i are added to the network, so that without texts and hidden layers it is a biased matrix
//!   factorization; and the MLP sees the product e_u e_i.
//! - `reg` is small: Adam normalizes gradients, so that a larger one takes the hidden layers to 0 before the last layer,
//!   which starts at 0, passes any gradient to them.
//!
//! Its units are the two explanations. A ledger has the change of the score by each of them, averaged over both orders of
//! adding them (Shapley values of two players, exact); the base is the score of an unknown user; what the vectors of
//! user and item add without any text is the residual.

mod explanations;
mod model;
mod network;

use std::sync::Arc;

use limpid_core::{
    Catalogue, Csr, Embedder, Error, Event, Fit, Histories, History, ItemIdx, OwnedHistory, Result,
    Review, Run, Training, hash,
};
use limpid_tensor::optim::adam::Adam;
use limpid_tensor::tape::TapeLearner;
use limpid_tensor::{Parameter, Rng, Schedule, train};

use crate::hyper::{self, choices, hyper};
use crate::negatives::Negatives;
use crate::registry::{Entry, Reads};
use crate::rules::ruleslim;
use crate::text::tfidf::TextEmbedder;
use crate::training_loop::TrainingLoop;
use explanations::{Reader, Source, Words};
use model::Kit;
use network::{AUTOENCODER, Bank, Biases, Example, Form, Joint, Pretraining};

pub use model::Model;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "lr-recsys",
    aliases: &[],
    about: "ratings or rankings from explanations for and against, as texts, beside vectors of user and item",
    paper: "Wang, Li and Chen, The Blessing of Reasoning, 2025 (arXiv 2502.16759v1)",
    reads: Reads::TEXTS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// What is predicted.
    pub enum Task {
        /// Ratings, if the training events have different values; otherwise a ranking.
        Auto = "auto",
        /// The value of an event.
        Ratings = "ratings",
        /// Which item is next.
        Ranking = "ranking",
    }
}

choices! {
    /// The loss of a ranking.
    pub enum Loss {
        /// Bayesian personalized ranking against one sampled item.
        Bpr = "bpr",
        /// Binary cross-entropy of the event and one sampled item.
        Bce = "bce",
    }
}

choices! {
    /// Which explanations are read; all but `both` are controls.
    pub enum Explanations {
        /// Those for and those against.
        Both = "both",
        /// Neither.
        None = "none",
        /// Those for.
        Positive = "positive",
        /// Those against.
        Negative = "negative",
        /// Both, but when the model scores, each in the place of the other.
        Swapped = "swapped",
        /// Both, but those of random other pairs.
        Shuffled = "shuffled",
        /// The mean vectors of the texts about the items of the user, and about the item, instead of explanations.
        Profile = "profile",
        /// The words of both, without sentences.
        Aspects = "aspects",
    }
}

impl Explanations {
    /// How much of each explanation is read.
    fn gates(self) -> [f32; 2] {
        match self {
            Self::None => [0.0, 0.0],
            Self::Positive => [1.0, 0.0],
            Self::Negative => [0.0, 1.0],
            _ => [1.0, 1.0],
        }
    }
}

choices! {
    /// Which events of the history an explanation tells first.
    pub enum Evidence {
        /// Those with the strongest links to the item.
        Links = "links",
        /// Those with the highest and the lowest ratings.
        Ratings = "ratings",
        /// The last ones.
        Recent = "recent",
    }
}

choices! {
    /// How the autoencoder is trained.
    pub enum Autoencoder {
        /// Alone at first, then with the prediction.
        Joint = "joint",
        /// Alone.
        Frozen = "frozen",
    }
}

choices! {
    /// The vectors of texts, where no space of vectors is given.
    pub enum Embedding {
        /// TF-IDF with a truncated singular value decomposition, fitted to the training texts.
        Svd = "svd",
        /// Random projections of hashed features, without any fit.
        Hashed = "hashed",
    }
}

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// What is predicted; auto: ratings if the training events have different values (--weighted), else a ranking.
        task: Task = Task::Auto;
        /// The loss of a ranking; ratings have the squared error.
        loss: Loss = Loss::Bpr;
        /// The explanations that are read; all but `both` are controls.
        explanations: Explanations = Explanations::Both;
        /// The events that an explanation tells first.
        evidence: Evidence = Evidence::Links;
        /// Whether the autoencoder is trained with the prediction too.
        autoencoder: Autoencoder = Autoencoder::Joint;
        /// The vectors of texts, where no space is given and the data have texts.
        embedding: Embedding = Embedding::Svd;
        /// Dimension of vectors of texts that are fitted.
        text_size: usize = 32, in whole(1, 512);
        /// Dimension of the codes of texts.
        code_size: usize = 32, in whole(1, 2048);
        /// Dimension of the vectors of items and users.
        embedding_size: usize = 16, in whole(1, 2048);
        /// Units of the first hidden layer; the next ones have a half and a quarter.
        hidden: usize = 64, in whole(4, 8192);
        /// Folds of the events; explanations of a fold are written without it.
        folds: usize = 5, in whole(2, 50);
        /// Epochs of the autoencoder alone.
        pretraining: usize = 20, in whole(0, 10_000);
        /// Share of the training events that it learns from, for learning curves; histories are whole when it scores.
        train_share: f64 = 1.0, in above_to(0.0, 1.0);
        /// Ratings of the mean that are added to those of a user or an item in their bias.
        bias_reg: f32 = 8.0, in above(0.0), tune [4, 8, 16];
        /// L2 regularization (weight decay in the gradient).
        reg: f32 = 1e-5, in at_least(0.0), tune [1e-6, 1e-5, 1e-4];
        /// Dropout rate of the hidden layers in training.
        dropout: f32 = 0.0, in between(0.0, 0.95);
        include training: TrainingLoop = { epochs: 30, batch_size: 128, learning_rate: 2e-3 };
    }
}

/// Makes the sample of the learning curve another one than the folds.
const SAMPLED: u64 = 0x5EED;

/// Texts of the control `shuffled`.
const BANKED: usize = 256;

/// The distinct items of a history with their values.
fn events_of(row: History<'_>) -> Vec<(ItemIdx, f32)> {
    row.item_values()
}

impl Config {
    fn rates(&self, rows: &Histories) -> bool {
        let several = || {
            let values = rows.values().unwrap_or_default();
            values.windows(2).any(|v| v[0] != v[1])
        };
        match self.task {
            Task::Auto => several(),
            Task::Ratings => true,
            Task::Ranking => false,
        }
    }

    /// Whether an event is in the share that is learned from.
    fn samples(&self, seed: u64, user: u32, item: ItemIdx) -> bool {
        let key = u64::from(user) << 32 | u64::from(item.0);
        let place = hash::mix(hash::mix(seed ^ SAMPLED) ^ key) >> 11;
        (place as f64) < self.train_share * (1u64 << 53) as f64
    }

    fn sample(&self, rows: &Histories, seed: u64) -> Result<Histories> {
        let kept: Vec<OwnedHistory> = rows
            .rows()
            .enumerate()
            .map(|(at, row)| {
                let user = row.user.map_or(at as u32, |user| user.0);
                let events = row.events().filter(|e| self.samples(seed, user, e.item));
                OwnedHistory::of_events(row.user, events.collect())
            })
            .collect();
        Histories::from_histories(kept.iter().map(OwnedHistory::view), rows.n_items())
    }

    /// The links of RuleSLIM `(I, I)`, target → sources, fitted without the events of a fold.
    fn links(
        rows: &Histories,
        data: &Training<'_>,
        keep: &dyn Fn(History<'_>, ItemIdx) -> bool,
        run: &mut Run<'_>,
    ) -> Result<Csr> {
        let kept: Vec<OwnedHistory> = rows
            .rows()
            .map(|row| {
                let events = row.events().filter(|e| keep(row, e.item));
                let events = events.map(|e| Event {
                    value: 1.0,
                    behavior: 0,
                    ..e
                });
                OwnedHistory::of_events(row.user, events.collect())
            })
            .collect();
        let kept = Histories::from_histories(kept.iter().map(OwnedHistory::view), rows.n_items())?;
        let catalogue = Catalogue {
            train_counts: kept.item_counts(),
            ..data.catalogue.clone()
        };
        let config = ruleslim::Config {
            group_size: 1,
            ..ruleslim::Config::default()
        };
        let training = Training {
            histories: &kept,
            catalogue: &catalogue,
        };
        let mut within = Run {
            monitor: None,
            ..run.within()
        };
        Ok(config.fit(&training, &mut within)?.weights().transpose())
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let sample;
        let rows = match self.train_share < 1.0 {
            true => {
                sample = self.sample(data.histories, run.seed)?;
                &sample
            }
            false => data.histories,
        };
        let rates = self.rates(rows);
        if rates && rows.values().is_none() {
            return Err(Error::shape(
                "the ratings of training events",
                "a value for each event".to_owned(),
                "none; keep them with --weighted, or predict a ranking with task=ranking"
                    .to_owned(),
            ));
        }
        let n_items = rows.n_items();
        let seed = run.seed;
        let fold = |user: u32, item: ItemIdx| {
            let key = u64::from(user) << 32 | u64::from(item.0);
            (hash::mix(hash::mix(seed) ^ key) % self.folds as u64) as u32
        };
        let owner = |row: usize| rows.users()[row].map_or(row as u32, |user| user.0);
        let reads = self.explanations != Explanations::None;

        // One provider for each fold, which has not seen it, and one of all events.
        let learned = |user: u32, item: ItemIdx| self.samples(seed, user, item);
        let reviews = run.texts.reviews.iter().copied().filter(|_| reads);
        let reviews: Vec<Review<'_>> = reviews.filter(|r| learned(r.user.0, r.item)).collect();
        let reviews = &reviews[..];
        let words = Words::new(reviews);
        let mut source = Source {
            reviews,
            words: &words,
            catalogue: data.catalogue,
            n_items,
            evidence: self.evidence,
            bare: self.explanations == Explanations::Aspects,
            profiles: None,
        };
        let profiled = self.explanations == Explanations::Profile && !reviews.is_empty();
        let fitted = match run.texts.embedder {
            Some(_) => None,
            None if reviews.is_empty() || self.embedding == Embedding::Hashed => {
                Some(TextEmbedder::hashed(self.text_size)?)
            }
            // On the texts that are embedded.
            None if profiled => {
                let texts: Vec<&str> = reviews.iter().map(|r| r.text).collect();
                Some(TextEmbedder::fit(&texts, self.text_size)?)
            }
            None => {
                let mut sentences = source.sentences(&source.words(&|_| true));
                sentences.sort();
                sentences.dedup();
                let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
                Some(TextEmbedder::fit(&texts, self.text_size)?)
            }
        };
        let embedder: &dyn Embedder = match (run.texts.embedder, &fitted) {
            (Some(given), _) => given,
            (None, Some(fitted)) => fitted,
            (None, None) => unreachable!("a space is given or fitted"),
        };
        let profiles = match profiled {
            true => Some(super::profiles::vectors(embedder, reviews)?),
            false => None,
        };
        source.profiles = profiles.as_deref();
        let mut providers = Vec::with_capacity(self.folds + 1);
        let owners: Vec<u32> = (0..rows.len()).map(owner).collect();
        for left_out in (0..=self.folds as u32).filter(|_| reads) {
            let keep = |user: u32, item: ItemIdx| fold(user, item) != left_out;
            let links = match self.explanations == Explanations::Profile {
                true => Csr::from_rows(vec![Vec::new(); n_items], n_items)?,
                false => {
                    let place = |row: History<'_>| row.user.map(|user| user.0);
                    let by_row = |row: History<'_>, item: ItemIdx| match place(row) {
                        Some(user) => keep(user, item),
                        None => true,
                    };
                    Self::links(&named(rows, &owners)?, data, &by_row, run)?
                }
            };
            let keep = |review: &Review<'_>| keep(review.user.0, review.item);
            providers.push(source.provider(&keep, links, embedder)?);
        }

        let fold = |row: u32, item: ItemIdx| fold(owners[row as usize], item);
        let mut examples = Vec::new();
        for (row, history) in (0u32..).zip(rows.rows()) {
            examples.extend(events_of(history).into_iter().map(|(item, value)| Example {
                row,
                item,
                value,
                fold: fold(row, item),
            }));
        }
        let sum: f64 = examples.iter().map(|e| f64::from(e.value)).sum();
        let mean = match rates {
            true => (sum / examples.len().max(1) as f64) as f32,
            false => 0.0,
        };
        let none = Biases::new(mean, self.bias_reg, n_items);
        let (biases, whole) = none.by_fold(&examples, self.folds, rates);
        let width = if reads { embedder.width() } else { 1 };
        let form = Form {
            n_items,
            d: self.embedding_size,
            width,
            code: if reads { self.code_size } else { 1 },
            hidden: self.hidden,
        };
        let mut rng = Rng::new(seed, 0);
        let mut weights = form.initial(&mut rng);
        let mut texts = Vec::new();
        for example in examples.iter().filter(|_| reads) {
            let history = rows.row(example.row as usize);
            let reader = Reader::new(history, Some(example.item));
            let at = texts.len();
            texts.resize(at + 2 * width, 0.0);
            let (pro, con) = texts[at..].split_at_mut(width);
            providers[example.fold as usize].vectors(&reader, example.item, [pro, con]);
        }
        let mut bank = Bank::default();
        if self.explanations == Explanations::Shuffled {
            for at in Rng::new(seed, 1).distinct(BANKED, examples.len()) {
                let at = at as usize * 2 * width;
                bank.texts.extend_from_slice(&texts[at..at + 2 * width]);
            }
        }
        if reads && self.pretraining > 0 && !texts.is_empty() {
            let own = weights.drain(AUTOENCODER).collect();
            let adam = Adam::new(self.training.learning_rate);
            let mut learner = TapeLearner::new(Pretraining { width, texts }, own, adam);
            let schedule = Schedule {
                epochs: self.pretraining,
                ..self.training.schedule()
            };
            let mut within = Run {
                monitor: None,
                ..run.within()
            };
            train(&mut learner, &schedule, "autoencoder", &mut within)?;
            let trained = learner.into_weights().into_iter();
            // Adam starts anew with the rest of the network.
            let trained = trained.map(|p| Parameter::shaped(p.name, p.shape, p.value));
            weights.splice(AUTOENCODER.start..AUTOENCODER.start, trained);
        }

        let kit = Arc::new(Kit {
            provider: providers.last().cloned(),
            biases: whole,
            explanations: match self.explanations {
                Explanations::Swapped => Explanations::Both,
                other => other,
            },
            rates,
            space: if reads {
                embedder.space()
            } else {
                String::new()
            },
            bank: bank.clone(),
        });
        let of_weights = |weights: &[Parameter]| Model {
            form,
            weights: weights.iter().map(|p| Arc::new(p.value.clone())).collect(),
            kit: kit.clone(),
        };
        let frozen = reads && self.autoencoder == Autoencoder::Frozen;
        let network = Joint {
            form,
            loss: self.loss,
            rates,
            dropout: self.dropout,
            explanations: self.explanations,
            rows,
            negatives: Negatives::new(rows),
            examples,
            providers: &providers,
            bank: &bank,
            biases: &biases,
            fold,
            frozen: frozen.then(|| weights[AUTOENCODER].to_vec()),
            measure: |weights: &[Parameter], monitor: &limpid_core::Monitor<'_>| {
                Ok(Some(monitor(&of_weights(weights))))
            },
        };
        let events = rows.rows();
        let events = events.map(|row| row.events().flat_map(|e| [e.item.0, e.value.to_bits()]));
        let texts = reviews
            .iter()
            .fold(hash::text(0, &kit.space), |seed, review| {
                hash::text(seed, review.text)
            });
        let fingerprint = format!(
            "lr-recsys {self:?} on {:016x} {texts:016x}",
            hash::rows(events)
        );
        let adam = Adam {
            decay: self.reg,
            ..Adam::new(self.training.learning_rate)
        };
        let mut learner = TapeLearner::new(network, weights, adam);
        train(&mut learner, &self.training.schedule(), &fingerprint, run)?;
        let mut model = of_weights(learner.weights());
        model.kit = Arc::new(Kit {
            explanations: self.explanations,
            ..Kit::clone(&kit)
        });
        Ok(model)
    }
}

/// The same rows, each with a user.
fn named(rows: &Histories, owners: &[u32]) -> Result<Histories> {
    let named = rows.rows().zip(owners).map(|(row, &owner)| History {
        user: Some(limpid_core::UserIdx(owner)),
        ..row
    });
    Histories::from_histories(named, rows.n_items())
}

#[cfg(test)]
mod tests;
