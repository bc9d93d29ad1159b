//! `ratio:70/10/20@SEED`: events at random over all users, as in LIA's protocol.
//!
//! One global draw takes the validation and test events, so heavy users give more of them. Then
//! every user without a test (validation) event gets one moved out of train, so every user with
//! three events or more has all parts.

use crate::Result;
use crate::draw::Draw;

use super::events::{Events, Place};
use super::spec::Shares;

/// Draws the parts.
///
/// Every user keeps at least one train event: a user whose events were all held out gets one back
/// from the larger part (from validation if they are equal). Where train has a single
/// event left, a lacking part takes one of the other held-out part instead, if that has two. A user
/// with too few events for all parts gets test before validation.
pub(super) fn assign(
    events: &Events<'_>,
    shares: Shares,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let mut places = events.all_train();
    let (n_validation, n_test) = shares.held_out(events.targets.len());
    let mut drawn = events.targets.clone();
    Draw::new(seed, 0).shuffle_front(&mut drawn, n_validation + n_test);
    for (at, &event) in drawn.iter().take(n_validation + n_test).enumerate() {
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
    let mut draw = Draw::new(seed, 1);
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
            move_one(own, larger, Place::Train, &mut places, &mut draw);
        }
        let mut lacks = false;
        for &part in &wanted {
            if own.iter().any(|&e| places[e as usize] == part) {
                continue;
            }
            let count = |place| own.iter().filter(|&&e| places[e as usize] == place).count();
            let from = [Place::Train, Place::Test, Place::Validation]
                .into_iter()
                .find(|&place| count(place) > 1);
            match from {
                Some(from) => move_one(own, from, part, &mut places, &mut draw),
                // Test goes before validation: its only event is taken then.
                None if part == Place::Test && count(Place::Validation) == 1 => {
                    move_one(own, Place::Validation, part, &mut places, &mut draw);
                }
                None => lacks = true,
            }
        }
        short += usize::from(lacks);
    }
    if short > 0 {
        notes.push(format!(
            "{short} users have too few events for all parts; they keep one train event, and test \
             goes before validation"
        ));
    }
    Ok(places)
}

/// Moves a random one of a user's events from one part to another.
fn move_one(own: &[u32], from: Place, to: Place, places: &mut [Place], draw: &mut Draw) {
    let candidates: Vec<u32> = own
        .iter()
        .copied()
        .filter(|&e| places[e as usize] == from)
        .collect();
    if let Some(&event) = candidates.get(draw.below(candidates.len())) {
        places[event as usize] = to;
    }
}
