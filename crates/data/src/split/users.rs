//! `users:80/10/10,holdout=0.2@SEED`: held-out users, whom the model was not trained on, are folded in
//! from some of their events and measured on the rest (strong generalization, as in the protocol of
//! Liang et al., *Variational Autoencoders for Collaborative Filtering*, WWW 2018, section 4.1).

use crate::sampling::Sampler;
use crate::{Error, Result};

use super::events::{Events, Place};
use super::spec::Shares;

/// Samples the held-out users, and for each of them the held-out events: the share `holdout` of
/// theirs, rounded down, but at least one and never all.
///
/// A user with a single event cannot be both folded in and measured, so such users always train;
/// the percentages count them.
pub(super) fn assign(
    events: &Events<'_>,
    shares: Shares,
    holdout: f64,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let mut sampled: Vec<usize> = (0..events.users.len())
        .filter(|&u| events.users[u].1.len() > 1)
        .collect();
    let (n_validation, n_test) = shares.held_out(events.users.len());
    let n_held_out = n_validation + n_test;
    if sampled.len() < n_held_out {
        return Err(Error::option(
            "split",
            format!(
                "users:{shares} holds out {n_held_out} users, but only {} have two events or more",
                sampled.len()
            ),
            "hold out fewer users, or filter users with a k-core first",
        ));
    }
    let single = events.users.len() - sampled.len();
    if single > 0 {
        notes.push(format!(
            "{single} users with a single event are train users: they cannot be both folded in and \
             measured"
        ));
    }
    Sampler::new(seed, 0).shuffle_front(&mut sampled, n_held_out);
    let mut places = events.all_train();
    let mut rng = Sampler::new(seed, 1);
    for (at, &place) in sampled.iter().take(n_held_out).enumerate() {
        let (input, target) = if at < n_validation {
            (Place::ValidationInput, Place::Validation)
        } else {
            (Place::TestInput, Place::Test)
        };
        let (user, range) = &events.users[place];
        for &event in &events.rows[*user as usize] {
            places[event as usize] = input;
        }
        let mut own = events.targets[range.clone()].to_vec();
        let wanted = (holdout * own.len() as f64).floor() as usize;
        let wanted = wanted.clamp(1, own.len() - 1);
        rng.shuffle_front(&mut own, wanted);
        for &event in &own[..wanted] {
            places[event as usize] = target;
        }
    }
    Ok(places)
}
