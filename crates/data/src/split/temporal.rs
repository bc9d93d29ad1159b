//! `temporal:0.8`: one cut by time for all users, so that no model is trained on events later than a
//! test event.

use crate::{Error, Result};

use super::events::{Events, Place, behavior};

/// The first share of the events is train; of the rest the first half is validation, the second
/// half test (one more where they are odd).
///
/// Events of equal time are ordered by external user and item. Events of other behaviors at or
/// after the cut are left out, since a model of the past cannot know them.
pub(super) fn assign(
    events: &Events<'_>,
    train: f64,
    notes: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let log = events.log;
    let Some(time) = &log.time else {
        return Err(Error::option(
            "split",
            format!(
                "temporal:{train} needs times, but the events of '{}' have none",
                log.name
            ),
            "name the column of times with --time-column, or split by ratio:70/10/20@42 or leave-one-out",
        ));
    };
    let mut order = events.targets.clone();
    order.sort_by_key(|&e| time[e as usize]);
    let n_train = (train * order.len() as f64).floor() as usize;
    let held_out = &order[n_train.min(order.len())..];
    let (Some(first), true) = (held_out.first(), n_train > 0) else {
        return Err(Error::option(
            "split",
            format!(
                "temporal:{train} leaves {n_train} of {} events for train",
                order.len()
            ),
            "give a share that leaves events on both sides of the cut",
        ));
    };
    let mut places = events.all_train();
    for (at, &event) in held_out.iter().enumerate() {
        places[event as usize] = if at < held_out.len() / 2 {
            Place::Validation
        } else {
            Place::Test
        };
    }
    let cut = time[*first as usize];
    let mut later = 0;
    for (event, place) in places.iter_mut().enumerate() {
        if behavior(log, event) != log.target_behavior && time[event] >= cut {
            *place = Place::Left;
            later += 1;
        }
    }
    if later > 0 {
        notes.push(format!(
            "{later} events of other behaviors happened at or after the cut and are left out"
        ));
    }
    Ok(places)
}
