//! Fitting a dictionary over a base: resamples, consensus, fillers, certificate; or a sparse autoencoder.

use limpid_core::hyper::{self, choices, hyper};
use limpid_core::{Csr, Error, Histories, Latent, Mat, Result, Run, Training};
use limpid_tensor::Rng;
use rayon::prelude::*;

use super::consensus::consensus;
use super::filler::{Shape, fill};
use super::space::Profiles;
use super::stability::{SAME, matched, share};
use super::{Certificate, Dictionary, Overlap, Refit, Space, kmeans, nmf, normalize};
use crate::sae::fit::Instances;
use crate::sae::{self, Initial, Objective, Report, Scaling, Settings, Variant};

choices! {
    /// The kind of dictionary.
    pub enum Method {
        /// Non-negative matrix factorization of the interactions.
        Nmf = "nmf",
        /// Spherical k-means of item vectors: faster, fewer knobs with names.
        KMeans = "kmeans",
        /// A sparse autoencoder with ReLU and an L1 penalty; seeds and users change its units.
        Basic = "basic",
        /// A sparse autoencoder with the k largest activations.
        TopK = "topk",
        /// The k largest per input of a whole batch, a threshold at inference.
        BatchTopK = "batch-topk",
        /// TopK whose prefixes reconstruct too.
        Matryoshka = "matryoshka",
        /// A learned threshold per unit; experimental.
        JumpRelu = "jump-relu",
    }
}

choices! {
    /// Settings of a sparse autoencoder, by paper.
    pub enum Preset {
        /// Ours.
        Ours = "ours",
        /// RecSAE, with its faults repaired.
        RecSae = "recsae",
        /// From Knots to Knobs, with its faults repaired.
        Knots = "knots",
    }
}

choices! {
    /// What stops the training of an autoencoder.
    pub enum StopBy {
        /// The reconstruction of every tenth user, which is held out.
        Reconstruction = "reconstruction",
        /// nDCG@5 of the reconstructed recommendations on the validation set, as in RecSAE.
        Recommendations = "recommendations",
    }
}

hyper! {
    /// Hyper-parameters of a dictionary.
    pub struct Config {
        /// Settings of a paper for an autoencoder: ours, recsae (16 units per dimension) or knots (8 units per dimension).
        preset: Preset = Preset::Ours;
        /// The kind: a consensus of nmf or kmeans, or a sparse autoencoder (basic, topk, batch-topk, matryoshka, jump-relu).
        method: Method = Method::Nmf;
        /// Factors or clusters of a single factorization; auto: 1.5 times the dimension of the base for nmf, 3 times for kmeans.
        factors: Option<usize> = None, in whole(1, 4096);
        /// Resamples of the users from which knobs are selected.
        resamples: usize = 5, in whole(1, 100);
        /// Fresh resamples of the certificate; 0 leaves it out.
        fresh: usize = 5, in whole(0, 100);
        /// Least cosine at which two profiles are the same knob; higher values give fewer knobs.
        threshold: f64 = 0.55, in between(0.0, 1.0);
        /// Resamples in which a knob must come back; auto: 3 of 5.
        quorum: Option<usize> = None, in whole(1, 100);
        /// Largest number of active atoms of a user.
        k: usize = 16, in whole(1, 1024);
        /// Atoms in all, fillers included; auto: twice the dimension of the base.
        width: Option<usize> = None, in whole(1, 16384);
        /// Rounds of a single nmf.
        rounds: usize = 8, in whole(1, 1000);
        /// Passes in which fillers are learned.
        sweeps: usize = 3, in whole(0, 100);
        /// Passes of an autoencoder over the users, at most.
        epochs: usize = 120, in whole(1, 100_000);
        /// Users per step of an autoencoder.
        batch_size: usize = 512, in whole_from(1);
        /// Learning rate of an autoencoder.
        learning_rate: f64 = 0.001, in above(0.0);
        /// Epochs without a better reconstruction of held-out users before an autoencoder stops; 0: never.
        patience: usize = 20;
        /// Single items per user in the training of an autoencoder: maps of concepts are read off them.
        one_hot: f64 = 0.2, in between(0.0, 10.0);
        /// Price of activations or (jump-relu) of active units of an autoencoder; auto: 0.003 for basic and jump-relu, else 0.
        l1: Option<f64> = None, in at_least(0.0);
        /// Weight of the loss that revives dead units of an autoencoder.
        aux: f64 = 0.03125, in at_least(0.0);
        /// How an autoencoder scales its inputs.
        scaling: Scaling = Scaling::Unit;
        /// Loss of an autoencoder.
        objective: Objective = Objective::Variance;
        /// Initial weights of an autoencoder.
        initial: Initial = Initial::Tied;
        /// What an autoencoder is trained on: one input per user, per event, or per prefix of a history (for models of sequences).
        instances: Instances = Instances::Users;
        /// What stops the training of an autoencoder.
        stop_by: StopBy = StopBy::Reconstruction;
        /// Decay of the second moment of Adam, for an autoencoder.
        beta2: f64 = 0.999, in between(0.0, 1.0);
        /// Whether the certificate compares disjoint halves of the users too, which doubles its time.
        halves: bool = false;
    }
    preset preset = "recsae" {
        method = "topk",
        k = 8,
        epochs = 50,
        batch_size = 32,
        learning_rate = 5e-5,
        patience = 10,
        one_hot = 0,
        scaling = "raw",
        objective = "batch-variance",
        initial = "linear",
        instances = "events",
        stop_by = "recommendations",
    }
    preset preset = "knots" {
        method = "topk",
        k = 16,
        epochs = 1000,
        batch_size = 1024,
        learning_rate = 1e-4,
        patience = 250,
        one_hot = 0,
        l1 = 3e-4,
        aux = 0,
        beta2 = 0.99,
        scaling = "standardized",
        objective = "l2",
        initial = "kaiming",
    }
}

impl Config {
    /// Checks the ranges of all values.
    ///
    /// # Errors
    /// [`Error::Range`] with the first that is out of range.
    pub fn check(&self) -> Result<()> {
        hyper::check(self)?;
        match self.quorum {
            Some(quorum) if quorum > self.resamples => Err(Error::range(
                "quorum",
                format!("at most the {} resamples", self.resamples),
                quorum,
            )),
            _ => Ok(()),
        }
    }

    /// The autoencoder of these settings, if it is one.
    fn autoencoder(&self, width: usize) -> Option<Settings> {
        let variant = match self.method {
            Method::Nmf | Method::KMeans => return None,
            Method::Basic => Variant::Basic,
            Method::TopK => Variant::TopK,
            Method::BatchTopK => Variant::BatchTopK,
            Method::Matryoshka => Variant::Matryoshka,
            Method::JumpRelu => Variant::JumpRelu,
        };
        let per_dimension = match self.preset {
            Preset::Ours => 2,
            Preset::RecSae => 16,
            Preset::Knots => 8,
        };
        let l1 = match variant {
            Variant::Basic | Variant::JumpRelu => 0.003,
            Variant::TopK | Variant::BatchTopK | Variant::Matryoshka => 0.0,
        };
        Some(Settings {
            variant,
            units: self.width.unwrap_or(per_dimension * width),
            k: self.k,
            scaling: self.scaling,
            objective: self.objective,
            initial: self.initial,
            l1: self.l1.unwrap_or(l1) as f32,
            aux: self.aux as f32,
            one_hot: self.one_hot as f32,
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate as f32,
            beta2: self.beta2 as f32,
            patience: self.patience,
        })
    }

    /// Resamples in which a knob must come back, of `n`.
    fn quorum(&self, n: usize) -> usize {
        self.quorum
            .unwrap_or((3 * n).div_ceil(5))
            .clamp(1, n.max(1))
    }

    fn factors(&self, width: usize) -> usize {
        let auto = match self.method {
            Method::KMeans => 3 * width,
            _ => (3 * width).div_ceil(2),
        };
        self.factors.unwrap_or(auto)
    }
}

/// A fitted dictionary with its certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The dictionary, without names.
    pub dictionary: Dictionary,
    /// How much of it comes back; `None` without fresh resamples.
    pub certificate: Option<Certificate>,
    /// How an autoencoder was trained.
    pub training: Option<Report>,
}

/// Rows of users on which fillers are learned, at most.
const FILLED: usize = 20_000;

/// Users that are encoded at a time.
const BLOCK: usize = 1024;

/// Resamples of each half of the users.
const OF_HALF: usize = 4;

/// Fits a dictionary over a base with a linear decoder, on the histories that the base was trained on.
///
/// # Errors
/// [`Error::Range`] for a setting out of range or a base without a linear decoder, or where nothing comes back
/// in enough resamples; as `refit`; [`Error::Interrupted`].
pub fn fit(
    base: &dyn Latent,
    data: &Training<'_>,
    refit: &Refit<'_>,
    config: &Config,
    run: &mut Run<'_>,
) -> Result<Fitted> {
    config.check()?;
    let vectors = item_vectors(base)?;
    let (n_items, width) = vectors.dim();
    let rows = data.histories.to_csr();
    let settings = config.autoencoder(width);
    // An autoencoder is trained on representations, which may be known without events.
    if rows.n_rows() < 2 || (rows.nnz() == 0 && settings.is_none()) {
        return Err(Error::range(
            "the users that a dictionary is fitted on",
            "at least 2, with events",
            rows.n_rows(),
        ));
    }
    if let Some(settings) = settings {
        return sae::fit::fit(base, data, &vectors, &settings, config, run);
    }
    let n_fits = config.resamples + config.fresh + if config.halves { 2 * OF_HALF } else { 0 };
    let progress = run.progress;
    progress.start("dictionary", (n_fits + config.sweeps) as u64);
    let fitter = Fitter {
        rows: &rows,
        refit,
        config,
        width,
        seed: run.seed,
    };
    let everyone: Vec<u32> = (0..rows.n_rows() as u32).collect();
    let single = |users: &[u32], stream: u64| {
        if progress.interrupted() {
            return Err(Error::Interrupted("no dictionary was fitted".to_owned()));
        }
        let profiles = fitter.resample(users, stream);
        progress.step(1);
        profiles
    };
    let several = |users: &[u32], streams: std::ops::Range<usize>| -> Result<Vec<Vec<f32>>> {
        let streams: Vec<usize> = streams.collect();
        let all = streams.par_iter();
        all.map(|&stream| single(users, stream as u64)).collect()
    };
    let agree = |resamples: &[Vec<f32>]| {
        let quorum = config.quorum(resamples.len());
        consensus(resamples, n_items, config.threshold as f32, quorum)
    };
    let space = refit(&rows, width)?;
    let means = agree(&several(&everyone, 0..config.resamples)?);
    let profiles = Profiles::new(&vectors, &space.scale)?;
    let knobs = profiles.directions(&means);
    let n_knobs = knobs.len() / width.max(1);
    if n_knobs == 0 {
        return Err(Error::Numeric {
            what: "the consensus of resamples".to_owned(),
            why: format!(
                "nothing comes back in {} of {} resamples at cosine {}; there are too few users, or lower \
                 'threshold'",
                config.quorum(config.resamples),
                config.resamples,
                config.threshold
            ),
        });
    }
    let mut stability = vec![0f32; n_knobs];
    let certificate = match config.fresh {
        0 => None,
        n => {
            let own = profiles.of(&knobs);
            let fresh = several(&everyone, config.resamples..config.resamples + n)?;
            for single in &fresh {
                let cosines = matched(&own, single, n_items);
                for (s, c) in stability.iter_mut().zip(cosines) {
                    *s += f32::from(u8::from(c >= SAME)) / n as f32;
                }
            }
            let overlap = |a: &[f32], b: &[f32], of: Option<usize>| {
                let inside = |x: &[f32]| profiles.of(&profiles.directions(x));
                let (n_a, n_b) = (a.len() / n_items, b.len() / n_items);
                let of = of.unwrap_or(n_a.min(n_b));
                Overlap {
                    knobs: n_a,
                    others: n_b,
                    matched: share(&matched(a, b, n_items), of),
                    matched_in_base: share(&matched(&inside(a), &inside(b), n_items), of),
                }
            };
            let halves = match config.halves {
                false => None,
                true => {
                    let mut users = everyone.clone();
                    Rng::new(run.seed, u64::MAX).shuffle(&mut users);
                    let (a, b) = users.split_at(users.len() / 2);
                    let start = config.resamples + n;
                    let a = agree(&several(a, start..start + OF_HALF)?);
                    let b = agree(&several(b, start + OF_HALF..start + 2 * OF_HALF)?);
                    Some(overlap(&a, &b, None))
                }
            };
            Some(Certificate {
                resamples: n,
                single: stability.iter().map(|&s| f64::from(s)).sum::<f64>() / n_knobs as f64,
                consensus: Some(overlap(&means, &agree(&fresh), Some(n_knobs))),
                halves,
            })
        }
    };
    let (users, mean) = unit_states(base, data.histories, width);
    let mut items: Vec<f32> = vectors.iter().copied().collect();
    for row in items.chunks_exact_mut(width) {
        normalize(row);
    }
    let counts = data.histories.item_counts();
    let weights: Vec<f32> = counts.iter().map(|&c| (c as f32).sqrt()).collect();
    let shape = Shape {
        width,
        n: config.width.unwrap_or(2 * width),
        keep: config.k,
        sweeps: config.sweeps,
    };
    let learned_on = [&users[..], &items].concat();
    let atoms = fill(knobs, &learned_on, &items, &weights, &mean, shape, progress)?;
    let dictionary = Dictionary {
        atoms,
        knobs: n_knobs,
        mean,
        keep: config.k,
        stability,
        names: vec![None; n_knobs],
        encoder: None,
    };
    dictionary.check()?;
    Ok(Fitted {
        dictionary,
        certificate,
        training: None,
    })
}

/// The item vectors of a base with a linear decoder.
///
/// # Errors
/// [`Error::Range`] if its decoder is not linear.
pub(crate) fn item_vectors(base: &dyn Latent) -> Result<Mat> {
    base.item_vectors().ok_or_else(|| {
        Error::range(
            "the decoder of the base",
            "linear, as those of eigen, elsa, ials, bprmf, lightgcn, sasrec and of multdae and multvae \
             with one layer are",
            "not",
        )
    })
}

/// What single factorizations have in common.
struct Fitter<'a> {
    rows: &'a Csr,
    refit: &'a Refit<'a>,
    config: &'a Config,
    width: usize,
    seed: u64,
}

impl Fitter<'_> {
    /// The unit profiles `(n, I)` of a factorization of as many of the users, drawn with replacement.
    fn resample(&self, users: &[u32], stream: u64) -> Result<Vec<f32>> {
        let mut rng = Rng::new(self.seed, stream);
        let draws = (0..users.len()).map(|_| users[rng.below(users.len())] as usize);
        let drawn = draws.map(|u| {
            let (items, values) = self.rows.row(u);
            items.iter().copied().zip(values.iter().copied()).collect()
        });
        let rows = Csr::from_rows(drawn, self.rows.n_columns())?;
        let n = self.config.factors(self.width).min(self.rows.n_columns());
        let pairs = match self.config.method {
            Method::KMeans => self.width,
            _ => n.max(self.width),
        };
        let space = (self.refit)(&rows, pairs)?;
        let profiles = match self.config.method {
            Method::KMeans => kmeans::centers(&rows, &space, self.width, n),
            _ => {
                let space = truncated(&space, n);
                nmf::factors(&rows, &space, self.config.rounds)
            }
        };
        let mut profiles = space.project(&profiles, self.width);
        // Factors outside of the space have no profile.
        let n_items = space.n_items().max(1);
        let inside = |row: &[f32]| row.iter().any(|&v| v != 0.0);
        if !profiles.chunks_exact(n_items).all(inside) {
            let rows = profiles.chunks_exact(n_items).filter(|row| inside(row));
            profiles = rows.flatten().copied().collect();
        }
        Ok(profiles)
    }
}

/// The first `n` pairs.
fn truncated(space: &Space, n: usize) -> Space {
    let n = n.min(space.width());
    Space {
        scale: space.scale.clone(),
        values: space.values[..n].to_vec(),
        vectors: space.first(n),
    }
}

/// Unit representations of users with events, at most [`FILLED`] of them spread evenly, and the unit mean of
/// all.
fn unit_states(base: &dyn Latent, histories: &Histories, width: usize) -> (Vec<f32>, Vec<f32>) {
    let every = histories.len().div_ceil(FILLED).max(1);
    let mut mean = vec![0f64; width];
    let mut kept = Vec::new();
    for start in (0..histories.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(histories.len());
        let states = base.encode(&histories.slice(start, end));
        for (at, row) in states.rows().into_iter().enumerate() {
            let mut row = row.to_vec();
            if normalize(&mut row) == 0.0 {
                continue;
            }
            mean.iter_mut()
                .zip(&row)
                .for_each(|(m, &v)| *m += f64::from(v));
            if (start + at).is_multiple_of(every) {
                kept.extend(row);
            }
        }
    }
    let mut mean: Vec<f32> = mean
        .into_iter()
        .map(|v| (v / histories.len().max(1) as f64) as f32)
        .collect();
    normalize(&mut mean);
    (kept, mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A price that was asked for counts, whatever the kind.
    #[test]
    fn the_price_of_activations() {
        for (settings, l1) in [
            (&[("method", "basic")][..], 0.003),
            (&[("method", "jump-relu")], 0.003),
            (&[("method", "topk")], 0.0),
            (&[("method", "topk"), ("l1", "0.01")], 0.01),
            (&[("preset", "recsae")], 0.0),
            (&[("preset", "recsae"), ("method", "basic")], 0.003),
            (&[("preset", "knots")], 3e-4),
            (&[("preset", "knots"), ("method", "basic")], 3e-4),
            (&[("preset", "knots"), ("l1", "0.01")], 0.01),
        ] {
            let mut config = Config::default();
            let given = settings.iter();
            let given = given.map(|&(key, text)| (key.to_owned(), hyper::read(text)));
            hyper::apply(&mut config, &given.collect()).unwrap();
            assert_eq!(config.autoencoder(8).unwrap().l1, l1, "{settings:?}");
        }
    }
}
