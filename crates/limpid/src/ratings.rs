//! Rating prediction: the baselines, chosen on the validation set and measured on the test set.

use limpid_core::{ItemIdx, UserIdx};
use limpid_data::sources::{Texts, TrainText};
use limpid_data::split::HeldOut;
use limpid_eval::bootstrap::Bootstrap;
use limpid_eval::ratings::{Rated, rating_metrics};
use limpid_models::ratings::{Predictor, Ratings};
use limpid_models::text::profiles::{ProfilePredictor, Profiles, Review, vectors};
use limpid_models::text::tfidf::TextEmbedder;
use rayon::prelude::*;

use crate::answers::{RatingsAnswer, RatingsRow};
use crate::prepare::Prepared;
use crate::{Error, Result};

/// The number of dimensions of text vectors.
const WIDTH: usize = 32;

/// L2 regularization of the weights of profiles, from which the validation set chooses.
const TEXT_REG: [f64; 8] = [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// How rating prediction is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatingOptions {
    /// Ratings of this value or more are positive for the AUC.
    pub threshold: f64,
    /// Bootstrap resamples over users; 0 for no intervals.
    pub resamples: usize,
    /// Seed of the factors.
    pub seed: u64,
}

/// L2 regularization of biases and of factors, from which the validation set chooses.
const REG: [f64; 7] = [0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 20.0];

/// Numbers of factors, from which the validation set chooses.
const FACTORS: [usize; 4] = [1, 2, 5, 10];

/// A predictor with its name and settings.
struct Fitted {
    name: &'static str,
    settings: String,
    predict: Predict,
}

type Predict = Box<dyn Fn(UserIdx, ItemIdx) -> f64 + Send + Sync>;

/// The baseline that the others are compared with.
const BASELINE: &str = "user and item bias";

/// Fits the baselines of rating prediction and measures them on the test set: the global mean, biases of users,
/// of items and of both, and biased matrix factorization. Regularization and number of factors are
/// those of the lowest RMSE on the validation set. With `texts`, profiles of users and items made of the texts of
/// training events are added to the biases, and, as a control, the same texts shuffled across training events.
///
/// # Errors
/// [`Error::Usage`] if the data have no ratings, or the split has no validation or test events of training users.
pub fn measure_ratings(
    prepared: &Prepared,
    texts: Option<&Texts>,
    options: &RatingOptions,
) -> Result<RatingsAnswer> {
    let split = &prepared.split;
    let n_users = split.catalogue.users.len();
    if !options.threshold.is_finite() {
        return Err(Error::Usage(format!(
            "--threshold must be a rating, such as 4, but is {}",
            options.threshold
        )));
    }
    let train = Ratings::of(&split.train, n_users)?;
    let validation = known(&split.validation, "validation")?;
    let test = known(&split.test, "test")?;
    let mut fitted = fit(&train, &validation, options.seed)?;
    let reviews = texts.map_or_else(Vec::new, |texts| texts.of_training(&split.train));
    if !reviews.is_empty() {
        fitted.extend(profiles(
            &train,
            &reviews,
            &validation,
            prepared,
            options.seed,
        )?);
    }
    let baseline = fitted.iter().position(|f| f.name == BASELINE).unwrap_or(0);
    let rated: Vec<Rated> = test
        .iter()
        .map(|pair| Rated {
            user: pair.user.0,
            truth: pair.value,
            predicted: fitted
                .iter()
                .map(|f| (f.predict)(pair.user, pair.item))
                .collect(),
        })
        .collect();
    let how = Bootstrap {
        resamples: options.resamples,
        ..Bootstrap::default()
    };
    let metrics = rating_metrics(&rated, options.threshold, baseline, &how);
    let models = fitted
        .into_iter()
        .zip(metrics)
        .map(|(fitted, metrics)| RatingsRow {
            model: fitted.name,
            settings: fitted.settings,
            metrics,
        });
    Ok(RatingsAnswer {
        schema: "limpid.ratings/1",
        data: prepared.data.name.clone(),
        split: split.spec.to_string(),
        split_hash: split.hash.clone(),
        threshold: options.threshold,
        train: train.len(),
        validation: validation.len(),
        test: test.len(),
        texts: reviews.len(),
        baseline: BASELINE,
        models: models.collect(),
        notes: prepared.notes.clone(),
    })
}

/// A held-out rating of a training user.
struct Pair {
    user: UserIdx,
    item: ItemIdx,
    value: f64,
}

fn known(set: &HeldOut, name: &str) -> Result<Vec<Pair>> {
    if set.input.is_some() {
        return Err(Error::Usage(
            "rating prediction needs a split whose held-out ratings are of training users, such as \
             ratio:80/10/10@1"
                .to_owned(),
        ));
    }
    let mut pairs = Vec::with_capacity(set.target.n_events());
    for row in set.target.rows() {
        let Some(user) = row.user else { continue };
        pairs.extend(row.events().map(|event| Pair {
            user,
            item: event.item,
            value: f64::from(event.value),
        }));
    }
    match pairs.is_empty() {
        true => Err(Error::Usage(format!(
            "the split has no {name} ratings; use one with validation and test, such as ratio:80/10/10@1"
        ))),
        false => Ok(pairs),
    }
}

fn rmse(predict: &Predict, pairs: &[Pair]) -> f64 {
    let errors = pairs
        .iter()
        .map(|p| (predict(p.user, p.item) - p.value).powi(2));
    (errors.sum::<f64>() / pairs.len().max(1) as f64).sqrt()
}

/// Fits every candidate, and keeps the one of the lowest validation error; of equal ones the first.
fn chosen<T: Sync>(
    name: &'static str,
    candidates: &[T],
    validation: &[Pair],
    fit: impl Fn(&T) -> limpid_core::Result<(String, Predict)> + Sync,
) -> Result<Fitted> {
    let fitted: Vec<(f64, Fitted)> = candidates
        .par_iter()
        .map(|candidate| {
            let (settings, predict) = fit(candidate)?;
            let error = rmse(&predict, validation);
            let fitted = Fitted {
                name,
                settings,
                predict,
            };
            Ok((error, fitted))
        })
        .collect::<limpid_core::Result<_>>()?;
    let best = fitted.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let none = || Error::Usage(format!("{name} has no candidates"));
    best.map(|(_, fitted)| fitted).ok_or_else(none)
}

fn boxed(predictor: Predictor) -> Predict {
    Box::new(move |user, item| predictor.predict(user, item))
}

/// Biases with profiles of texts, and with profiles of the same texts shuffled.
fn profiles(
    train: &Ratings,
    texts: &[TrainText<'_>],
    validation: &[Pair],
    prepared: &Prepared,
    seed: u64,
) -> Result<Vec<Fitted>> {
    let catalogue = &prepared.split.catalogue;
    let reviews: Vec<Review<'_>> = texts
        .iter()
        .map(|t| Review {
            user: t.user,
            item: t.item,
            value: t.value,
            text: t.text,
        })
        .collect();
    let all: Vec<&str> = reviews.iter().map(|r| r.text).collect();
    let embedder = TextEmbedder::fit(&all, WIDTH)?;
    let own = vectors(&embedder, &reviews);
    let mut shuffled: Vec<(u64, Vec<f32>)> = own
        .iter()
        .enumerate()
        .map(|(at, v)| {
            (
                limpid_core::hash::mix(seed ^ ((at as u64) << 20)),
                v.clone(),
            )
        })
        .collect();
    shuffled.sort_by_key(|s| s.0);
    let shuffled: Vec<Vec<f32>> = shuffled.into_iter().map(|s| s.1).collect();
    let sets = [
        ("biases + profile texts", own),
        ("biases + shuffled texts", shuffled),
    ];
    sets.into_iter()
        .map(|(name, vectors)| {
            let (n_users, n_items) = (catalogue.users.len(), catalogue.len());
            let profiles = Profiles::of(&reviews, &vectors, WIDTH, n_users, n_items);
            let grid: Vec<(f64, f64)> = REG
                .iter()
                .flat_map(|&bias| TEXT_REG.iter().map(move |&reg| (bias, reg)))
                .collect();
            chosen(name, &grid, validation, |&(bias, reg)| {
                let biases = Predictor::biases(train, bias)?;
                let fitted = ProfilePredictor::fit(&biases, &reviews, &vectors, &profiles, reg)?;
                let predict: Predict = Box::new(move |user, item| fitted.predict(user, item));
                Ok((format!("reg={bias} text_reg={reg}"), predict))
            })
        })
        .collect()
}

fn fit(train: &Ratings, validation: &[Pair], seed: u64) -> Result<Vec<Fitted>> {
    type Biased = fn(&Ratings, f64) -> limpid_core::Result<Predictor>;
    let biased = |name, of: Biased| {
        chosen(name, &REG, validation, |&reg| {
            Ok((format!("reg={reg}"), boxed(of(train, reg)?)))
        })
    };
    let grid: Vec<(usize, f64)> = FACTORS
        .iter()
        .flat_map(|&n| REG.iter().map(move |&reg| (n, reg)))
        .collect();
    let factors = chosen(
        "biased matrix factorization",
        &grid,
        validation,
        |&(n, reg)| {
            let predictor = Predictor::factors(train, n, reg, seed)?;
            Ok((format!("embedding_size={n} reg={reg}"), boxed(predictor)))
        },
    )?;
    Ok(vec![
        Fitted {
            name: "global mean",
            settings: String::new(),
            predict: boxed(Predictor::mean(train)),
        },
        biased("user bias", Predictor::user_bias)?,
        biased("item bias", Predictor::item_bias)?,
        biased(BASELINE, Predictor::biases)?,
        factors,
    ])
}
