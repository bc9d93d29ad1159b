//! `ratio:70/10/20@SEED`: events at random over all users, as in LIA's protocol.
//!
//! One global sample gives the validation and test events, so heavy users have more of them. Then
//! for every user without a test (validation) event one is moved out of train, so every user with
//! three events or more has all subsets.

use crate::Result;
use crate::sampling::Sampler;

use super::events::{Events, Place};
use super::spec::Shares;

/// Samples the subsets.
///
/// Every user keeps at least one train event: a user whose events were all held out gets one back
/// from the larger set (from validation if they are equal). Where train has a single event left, a
/// missing held-out event is taken from the other held-out set, if that has two. A user with too few
/// events for all subsets gets test before validation.
pub(super) fn assign(
    events: &Events<'_>,
    shares: Shares,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let mut places = events.all_train();
    let (n_validation, n_test) = shares.held_out(events.targets.len());
    let mut sampled = events.targets.clone();
    Sampler::new(seed, 0).shuffle_front(&mut sampled, n_validation + n_test);
    for (at, &event) in sampled.iter().take(n_validation + n_test).enumerate() {
        places[event as usize] = if at < n_validation {
            Place::Validation
        } else {
            Place::Test
        };
    }
    let wanted: Vec<Place> = [
        (shares.test, Place::Test),
        (shares.validation, Place::Validation),
    ]
    .into_iter()
    .filter(|(share, _)| *share > 0.0)
    .map(|(_, place)| place)
    .collect();
    let mut rng = Sampler::new(seed, 1);
    let mut short = 0;
    for (_, range) in &events.users {
        let own = &events.targets[range.clone()];
        if !own.iter().any(|&e| places[e as usize] == Place::Train) {
            let count = |place| own.iter().filter(|&&e| places[e as usize] == place).count();
            let larger = if count(Place::Test) > count(Place::Validation) {
                Place::Test
            } else {
                Place::Validation
            };
            move_one(own, larger, Place::Train, &mut places, &mut rng);
        }
        let mut lacks = false;
        for &subset in &wanted {
            if own.iter().any(|&e| places[e as usize] == subset) {
                continue;
            }
            let count = |place| own.iter().filter(|&&e| places[e as usize] == place).count();
            let from = [Place::Train, Place::Test, Place::Validation]
                .into_iter()
                .find(|&place| count(place) > 1);
            match from {
                Some(from) => move_one(own, from, subset, &mut places, &mut rng),
                // Test goes before validation: its only event is taken then.
                None if subset == Place::Test && count(Place::Validation) == 1 => {
                    move_one(own, Place::Validation, subset, &mut places, &mut rng);
                }
                None => lacks = true,
            }
        }
        short += usize::from(lacks);
    }
    if short > 0 {
        notes.push(format!(
            "{short} users have too few events for all subsets; they keep one train event, and test \
             goes before validation"
        ));
    }
    Ok(places)
}

/// Moves a random event of a user from one subset to another.
fn move_one(own: &[u32], from: Place, to: Place, places: &mut [Place], rng: &mut Sampler) {
    let candidates: Vec<u32> = own
        .iter()
        .copied()
        .filter(|&e| places[e as usize] == from)
        .collect();
    if let Some(&event) = candidates.get(rng.below(candidates.len())) {
        places[event as usize] = to;
    }
}
