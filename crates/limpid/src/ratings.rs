//! Rating prediction: the baselines, chosen on the validation set, and models, measured on the test set.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use limpid_core::{Fit, Histories, History, ItemIdx, Progress, Review, Run, Training, UserIdx};
use limpid_data::split::HeldOut;
use limpid_eval::bootstrap::{Bootstrap, Interval};
use limpid_eval::ratings::{Estimate, Rated, RatingMetrics, predicted, rating_metrics};
use limpid_models::hyper::written;
use limpid_models::ratings::{Predictor, Ratings};
use limpid_models::text::lr_recsys;
use limpid_models::text::profiles::{ProfilePredictor, Profiles, vectors};
use limpid_models::text::tfidf::TextEmbedder;
use limpid_models::{Config, Model, Reads};
use rayon::prelude::*;

use crate::answers::{RatingsAnswer, RatingsRow};
use crate::experiment::TextSource;
use crate::pipeline::names_of;
use crate::prepare::Prepared;
use crate::recipe::Summary;
use crate::{DataSource, Error, Result, SplitFrom, Subset, System, TrainOptions, space, train};

/// The number of dimensions of text vectors.
const WIDTH: usize = 32;

/// L2 regularization of the weights of profiles, from which the validation set chooses.
const TEXT_REG: [f64; 8] = [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// How rating prediction is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct RatingOptions {
    /// Ratings of this value or more are positive for the AUC.
    pub threshold: f64,
    /// Bootstrap resamples over users; 0 for no intervals.
    pub resamples: usize,
    /// Seed of the factors and of the model.
    pub seed: u64,
    /// Whether profiles of texts are added to the baselines.
    pub texts: bool,
    /// A model that predicts ratings, to measure beside the baselines.
    pub model: Option<Config>,
    /// The number of splits: that of the seed that is given, and of the next ones.
    pub splits: u64,
}

/// L2 regularization of biases and of factors, from which the validation set chooses.
const REG: [f64; 7] = [0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 20.0];

/// Regularization of link-weighted means, in units of the weight of links, from which the validation set chooses.
const LINK_REG: [f64; 6] = [0.05, 0.1, 0.2, 0.5, 1.0, 3.0];

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
/// of items and of both, biased matrix factorization, and RuleSLIM's links on ratings. Their settings are
/// those of the lowest RMSE on the validation set. With `texts`, profiles of users and items made of the texts of
/// training events are added to the biases, and, as a control, the same texts shuffled across training events.
///
/// # Errors
/// [`Error::Usage`] if the data have no ratings, or the split has no validation or test events of training users.
pub fn measure_ratings(
    source: &DataSource,
    split: &SplitFrom,
    options: &RatingOptions,
    progress: &dyn Progress,
) -> Result<RatingsAnswer> {
    let mut source = source.clone();
    source.filters.weighted = true;
    let model_reads = options.model.as_ref().map(|model| model.entry().reads);
    let model_reads = model_reads.is_some_and(|reads| reads.texts);
    let reads = Reads {
        values: true,
        texts: options.texts || model_reads,
        ..Reads::ITEMS
    };
    check_texts(&source.texts, reads.texts, model_reads)?;
    let asked = options.texts || !source.texts.columns.is_empty();
    let mut answers = Vec::new();
    for more in 0..options.splits.max(1) {
        let split = later(split, more)?;
        let prepared = Prepared::read_with_texts(&source, &split, reads, asked)?;
        answers.push(measure(&prepared, options, progress)?);
    }
    Ok(over_splits(answers))
}

/// Refuses options of texts that nothing would use: profiles read columns, in a space that is fitted to them.
fn check_texts(texts: &TextSource, read: bool, model_reads: bool) -> Result<()> {
    let models = || names_of(|entry| entry.reads.texts);
    let why = match (texts.columns.is_empty(), &texts.embedder) {
        (false, _) if !read => format!(
            "--text-column: no texts are read; add --texts, or --model with a model that reads texts: {}",
            models()
        ),
        (_, Some(_)) if !model_reads => format!(
            "--embedder: only a model that reads texts uses it; leave it out, or add --model with one: {}",
            models()
        ),
        _ => return space::check(texts),
    };
    Err(Error::Usage(why))
}

/// The split with a seed that many above its own.
fn later(split: &SplitFrom, more: u64) -> Result<SplitFrom> {
    let text = split.to_string();
    match text
        .rsplit_once('@')
        .map(|(kind, seed)| (kind, seed.parse::<u64>()))
    {
        _ if more == 0 => Ok(split.clone()),
        Some((kind, Ok(seed))) => format!("{kind}@{}", seed.saturating_add(more)).parse(),
        _ => Err(Error::Usage(format!(
            "--splits needs a split with a seed, such as ratio:80/10/10@1, but it is '{text}'"
        ))),
    }
}

/// Means over splits, with intervals (Student's t over splits); one answer as it is.
fn over_splits(answers: Vec<RatingsAnswer>) -> RatingsAnswer {
    let of = |estimates: Vec<Option<Estimate>>| -> Option<Estimate> {
        let values: Option<Vec<f64>> = estimates.iter().map(|e| e.map(|e| e.value)).collect();
        let summary = Summary::of(&values?);
        Some(Estimate {
            value: summary.mean,
            interval: summary.half_width.map(|half| Interval {
                low: summary.mean - half,
                high: summary.mean + half,
            }),
        })
    };
    let Some(mut all) = answers.first().cloned() else {
        unreachable!("there is at least one split")
    };
    if answers.len() == 1 {
        return all;
    }
    all.splits = answers.iter().map(|a| a.split.clone()).collect();
    all.notes = answers.iter().flat_map(|a| a.notes.clone()).collect();
    let mut told = HashSet::new();
    all.notes.retain(|note| told.insert(note.clone()));
    for (at, row) in all.models.iter_mut().enumerate() {
        let rows: Vec<&RatingsRow> = answers.iter().map(|a| &a.models[at]).collect();
        let each = |metric: &dyn Fn(&RatingMetrics) -> Option<Estimate>| {
            of(rows.iter().map(|row| metric(&row.metrics)).collect())
        };
        row.metrics = RatingMetrics {
            rmse: each(&|m| Some(m.rmse)).unwrap_or(row.metrics.rmse),
            mae: each(&|m| Some(m.mae)).unwrap_or(row.metrics.mae),
            auc: each(&|m| m.auc),
            difference: each(&|m| m.difference),
        };
        let mut settings: Vec<String> = rows.iter().map(|row| row.settings.clone()).collect();
        settings.dedup();
        row.settings = settings.join(" | ");
    }
    all
}

/// Measures on one split.
fn measure(
    prepared: &Prepared,
    options: &RatingOptions,
    progress: &dyn Progress,
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
    fitted.push(links(prepared, &train, &validation, options.seed)?);
    let texts = prepared.texts.as_ref();
    let reviews = texts.map_or_else(Vec::new, |texts| texts.of_training(&split.train));
    if options.texts && !reviews.is_empty() {
        fitted.extend(profiles(
            &train,
            &reviews,
            &validation,
            prepared,
            options.seed,
        )?);
    }
    let mut notes = prepared.notes.clone();
    if let Some(config) = &options.model {
        let (model, signs) = model(prepared, config, options, progress)?;
        notes.extend(signs);
        fitted.push(model);
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
        splits: vec![split.spec.to_string()],
        threshold: options.threshold,
        train: train.len(),
        validation: validation.len(),
        test: test.len(),
        texts: reviews.len(),
        baseline: BASELINE,
        models: models.collect(),
        notes,
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
    reviews: &[Review<'_>],
    validation: &[Pair],
    prepared: &Prepared,
    seed: u64,
) -> Result<Vec<Fitted>> {
    let catalogue = &prepared.split.catalogue;
    let all: Vec<&str> = reviews.iter().map(|r| r.text).collect();
    let embedder = TextEmbedder::fit(&all, WIDTH)?;
    let own = vectors(&embedder, reviews)?;
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
            let profiles = Profiles::of(reviews, &vectors, WIDTH, n_users, n_items);
            let grid: Vec<(f64, f64)> = REG
                .iter()
                .flat_map(|&bias| TEXT_REG.iter().map(move |&reg| (bias, reg)))
                .collect();
            chosen(name, &grid, validation, |&(bias, reg)| {
                let biases = Predictor::biases(train, bias)?;
                let fitted = ProfilePredictor::fit(&biases, reviews, &vectors, &profiles, reg)?;
                let predict: Predict = Box::new(move |user, item| fitted.predict(user, item));
                Ok((format!("reg={bias} text_reg={reg}"), predict))
            })
        })
        .collect()
}

/// Ratings of the events that RuleSLIM links to an item: what biases leave of them, weighted by the links, is what the biases
/// will leave of the item.
fn links(prepared: &Prepared, train: &Ratings, validation: &[Pair], seed: u64) -> Result<Fitted> {
    let split = &prepared.split;
    let rows = split.train.rows().map(|row| History {
        values: None,
        ..row
    });
    let events = Histories::from_histories(rows, split.train.n_items())?;
    let training = Training {
        histories: &events,
        catalogue: &split.catalogue,
    };
    let config = limpid_models::rules::ruleslim::Config {
        group_size: 1,
        ..Default::default()
    };
    let weights = config.fit(&training, &mut Run::seeded(seed))?;
    let weights = Arc::new(weights.weights().transpose()); // (I, I): target → sources
    let mut of_user: Vec<Vec<(ItemIdx, f32)>> = vec![Vec::new(); split.catalogue.users.len()];
    for row in split.train.rows() {
        if let Some(events) = row.user.and_then(|u| of_user.get_mut(u.0 as usize)) {
            *events = row.item_values();
        }
    }
    let of_user = Arc::new(of_user);
    let grid: Vec<(f64, f64)> = REG
        .iter()
        .flat_map(|&bias| LINK_REG.iter().map(move |&reg| (bias, reg)))
        .collect();
    chosen(
        "RuleSLIM links on ratings",
        &grid,
        validation,
        |&(bias, reg)| {
            let biases = Predictor::biases(train, bias)?;
            let (weights, of_user) = (weights.clone(), of_user.clone());
            let predict: Predict = Box::new(move |user, item| {
                let (sources, strengths) = weights.row(item.at());
                let (mut sum, mut all) = (0.0, reg);
                for &(other, value) in of_user.get(user.0 as usize).into_iter().flatten() {
                    if let Ok(at) = sources.binary_search(&other.0) {
                        let strength = f64::from(strengths[at]);
                        sum += strength * (f64::from(value) - biases.predict(user, other));
                        all += strength;
                    }
                }
                biases.within(biases.predict(user, item) + sum / all)
            });
            Ok((format!("reg={bias} link_reg={reg}"), predict))
        },
    )
}

/// A model of the catalogue, which is stopped early on the validation set where it is trained by gradients; and how its
/// explanations agree with the ratings, where it reads any.
fn model(
    prepared: &Prepared,
    config: &Config,
    options: &RatingOptions,
    progress: &dyn Progress,
) -> Result<(Fitted, Option<String>)> {
    let how = TrainOptions::seeded(options.seed);
    let advisor = train(prepared.clone(), config, &how, progress)?;
    let split = &prepared.split;
    let target = &split.test.target;
    let rated = predicted(&advisor.model, split.input(Subset::Test), target).ok_or_else(|| {
        Error::Usage(format!(
            "{} does not predict ratings; choose a model that does, such as lr-recsys",
            config.name()
        ))
    })?;
    let events = target.rows().flat_map(|row| {
        let user = row.user;
        row.items.iter().map(move |&item| (user, item))
    });
    let known: HashMap<(Option<UserIdx>, ItemIdx), f64> = events
        .zip(rated)
        .map(|(pair, rated)| (pair, rated.predicted[0]))
        .collect();
    let mut settings = Vec::new();
    for (key, value) in config.changes()? {
        settings.push(format!("{key}={}", written(&value)));
    }
    let fitted = Fitted {
        name: config.name(),
        settings: settings.join(" "),
        predict: Box::new(move |user, item| {
            known.get(&(Some(user), item)).copied().unwrap_or(f64::NAN)
        }),
    };
    let signs = match &advisor.model {
        System::Model(Model::LrRecsys(model)) => Some(consistency(
            model,
            split.input(Subset::Test),
            target,
            options.threshold,
        )),
        _ => None,
    };
    Ok((fitted, signs))
}

/// How often the explanation for an item outweighs the one against it, by the rating of held-out events, and how well the
/// difference tells high ratings from low ones.
fn consistency(
    model: &lr_recsys::Model,
    input: &Histories,
    target: &Histories,
    threshold: f64,
) -> String {
    let mut rated = Vec::new();
    for (user, held_out) in input.rows().zip(target.rows()) {
        for event in held_out.events() {
            rated.push(Rated {
                user: 0,
                truth: f64::from(event.value),
                predicted: vec![f64::from(model.contrast(user, event.item))],
            });
        }
    }
    let share = |high: bool| {
        let own = rated.iter().filter(|r| (r.truth >= threshold) == high);
        let (n, pro) = own.fold((0, 0), |(n, pro), r| {
            (n + 1, pro + usize::from(r.predicted[0] > 0.0))
        });
        100.0 * pro as f64 / f64::from(n).max(1.0)
    };
    let how = Bootstrap {
        resamples: 0,
        ..Bootstrap::default()
    };
    let auc = rating_metrics(&rated, threshold, 0, &how);
    let auc = auc
        .first()
        .and_then(|m| m.auc)
        .map_or(f64::NAN, |e| e.value);
    format!(
        "sign consistency: the explanation for outweighs the one against in {:.1} % of the test ratings of {threshold} or \
         more and in {:.1} % of lower ones; AUC of the difference {auc:.3}",
        share(true),
        share(false)
    )
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
