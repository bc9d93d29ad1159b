//! Fitting an autoencoder over a base, with its certificate.

use limpid_core::hyper::choices;
use limpid_core::{Error, Histories, History, Latent, Mat, Result, Run, Training};
use limpid_tensor::Rng;

use super::{Scaling, Settings, train};
use crate::dictionary::fit::{Config, Fitted, StopBy};
use crate::dictionary::stability::{SAME, matched};
use crate::dictionary::{Certificate, Dictionary, normalize};

choices! {
    /// What an autoencoder is trained on.
    pub enum Instances {
        /// The representation of each user, once.
        Users = "users",
        /// The representation of each user, once per event: active users weigh more, as in RecSAE's BPRMF.
        Events = "events",
        /// The representation of every prefix of each history, as in RecSAE's SASRec.
        Prefixes = "prefixes",
    }
}

/// Users on which an autoencoder is trained, at most, spread evenly.
const USERS: usize = 20_000;

/// Inputs per events or prefixes, at most, spread evenly.
const EVENTS: usize = 200_000;

/// Inputs that are encoded at a time.
const BLOCK: usize = 1024;

/// Trains a sparse autoencoder on the representations; its certificate trains it again on resampled inputs, with
/// other seeds, over the same base, which flatters it: the base is not refitted.
pub(crate) fn fit(
    base: &dyn Latent,
    data: &Training<'_>,
    vectors: &Mat,
    settings: &Settings,
    config: &Config,
    run: &mut Run<'_>,
) -> Result<Fitted> {
    let width = vectors.ncols();
    let states = inputs(base, data.histories, config.instances, settings.scaling)?;
    let n_inputs = states.len() / width.max(1);
    if n_inputs < 2 {
        return Err(Error::range(
            "the representations that an autoencoder is trained on",
            "at least 2 that are not 0; without events, set instances=users",
            n_inputs,
        ));
    }
    // Items without events have no direction that training has seen, if events are known.
    let known = data.histories.n_events() > 0;
    let rows = vectors.rows().into_iter().zip(data.histories.item_counts());
    let items: Vec<f32> = rows
        .filter(|(_, n)| *n > 0 || !known)
        .flat_map(|(row, _)| settings.scaling.of(&row.to_vec()).input)
        .collect();
    let by_lists = (config.stop_by == StopBy::Recommendations).then_some(base);
    let trained = train(&states, &items, width, settings, by_lists, run)?;
    let n = trained.atoms.nrows();
    let mut stability = vec![0f32; n];
    let own: Vec<f32> = trained.atoms.iter().copied().collect();
    for fresh in 0..config.fresh {
        let mut rng = Rng::new(run.seed, 1 << 32 | fresh as u64);
        let drawn: Vec<f32> = (0..n_inputs)
            .flat_map(|_| {
                let at = rng.below(n_inputs);
                states[at * width..(at + 1) * width].to_vec()
            })
            .collect();
        let mut again = Run {
            seed: run.seed.wrapping_add(1 + fresh as u64),
            ..run.within()
        };
        let other = train(&drawn, &items, width, settings, by_lists, &mut again)?;
        let other: Vec<f32> = other.atoms.iter().copied().collect();
        for (s, c) in stability.iter_mut().zip(matched(&own, &other, width)) {
            *s += f32::from(u8::from(c >= SAME)) / config.fresh as f32;
        }
    }
    let certificate = (config.fresh > 0).then(|| Certificate {
        resamples: config.fresh,
        single: stability.iter().map(|&s| f64::from(s)).sum::<f64>() / n.max(1) as f64,
        consensus: None,
        halves: None,
    });
    let mut mean = trained.encoder.shift.clone();
    normalize(&mut mean);
    let dictionary = Dictionary {
        atoms: trained.atoms,
        knobs: n,
        mean,
        keep: config.k,
        stability,
        names: vec![None; n],
        encoder: Some(trained.encoder),
    };
    dictionary.check()?;
    Ok(Fitted {
        dictionary,
        certificate,
        training: Some(trained.report),
    })
}

/// Scaled representations; those of length 0 are left out.
fn inputs(
    base: &dyn Latent,
    histories: &Histories,
    instances: Instances,
    scaling: Scaling,
) -> Result<Vec<f32>> {
    let n_users = histories.len();
    // Each input as a user and the number of their events that it has seen.
    let all: Vec<(usize, usize)> = match instances {
        Instances::Users => (0..n_users).map(|u| (u, histories.row(u).len())).collect(),
        Instances::Events => (0..n_users)
            .flat_map(|u| {
                let n = histories.row(u).len();
                std::iter::repeat_n((u, n), n)
            })
            .collect(),
        Instances::Prefixes => (0..n_users)
            .flat_map(|u| (1..=histories.row(u).len()).map(move |n| (u, n)))
            .collect(),
    };
    let most = match instances {
        Instances::Users => USERS,
        Instances::Events | Instances::Prefixes => EVENTS,
    };
    let every = all.len().div_ceil(most).max(1);
    let kept: Vec<(usize, usize)> = all.into_iter().step_by(every).collect();
    let mut out = Vec::new();
    let mut last: Option<((usize, usize), Vec<f32>)> = None;
    for block in kept.chunks(BLOCK) {
        // A user who is there several times is encoded once.
        let mut distinct = block.to_vec();
        distinct.dedup();
        let rows = distinct.iter().map(|&(u, n)| first(histories.row(u), n));
        let states = base.encode(&Histories::from_histories(rows, histories.n_items())?);
        let mut states = distinct.into_iter().zip(states.rows());
        for &input in block {
            if last.as_ref().is_none_or(|(of, _)| *of != input)
                && let Some((of, state)) = states.find(|(of, _)| *of == input)
            {
                last = Some((of, state.to_vec()));
            }
            if let Some((_, state)) = &last
                && state.iter().any(|&v| v != 0.0)
            {
                out.extend(scaling.of(state).input);
            }
        }
    }
    Ok(out)
}

/// The first events of a history.
fn first(row: History<'_>, n: usize) -> History<'_> {
    History {
        user: row.user,
        items: &row.items[..n],
        times: row.times.map(|t| &t[..n]),
        values: row.values.map(|v| &v[..n]),
        behaviors: row.behaviors.map(|b| &b[..n]),
    }
}
