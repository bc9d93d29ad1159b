//! `temporal:0.8` and `temporal:2000-10-01/2000-11-01`: one cut by time for all users, so that no model
//! is trained on events later than a test event.

use crate::sources::written_date;
use crate::{Error, Result};

use super::events::{Events, Place, behavior};
use super::spec::SplitSpec;

/// Where the held-out events begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    /// After this share of the events.
    Share(f64),
    /// At these seconds since 1970: validation, and test where it has a date of its own.
    Dates(i64, Option<i64>),
}

/// Events before the cut are train. Of the rest those from the date of test on are test; without such
/// a date the first half is validation, the second half test (one more where they are odd).
///
/// Events of equal time are ordered by external user and item. Events of other behaviors at or
/// after the cut are left out, since a model of the past cannot know them.
pub(super) fn assign(
    events: &Events<'_>,
    spec: &SplitSpec,
    cut: Cut,
    notes: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let log = events.log;
    let Some(time) = &log.time else {
        return Err(Error::option(
            "split",
            format!(
                "'{spec}' needs times, but the events of '{}' have none",
                log.name
            ),
            "name the column of times with --time-column, or split by 'ratio:70/10/20@42' or \
             'leave-one-out'",
        ));
    };
    let mut order = events.targets.clone();
    order.sort_by_key(|&e| time[e as usize]);
    let before = |at: i64| order.partition_point(|&e| time[e as usize] < at);
    let n_train = match cut {
        Cut::Share(train) => (train * order.len() as f64).floor() as usize,
        Cut::Dates(validation, _) => before(validation),
    };
    let n_train = n_train.min(order.len());
    let n_validation = match cut {
        Cut::Dates(_, Some(test)) => before(test) - n_train,
        _ => (order.len() - n_train) / 2,
    };
    let held_out = &order[n_train..];
    let (Some(first), true) = (held_out.get(n_validation), n_train > 0) else {
        let all = match (order.first(), order.last()) {
            (Some(&first), Some(&last)) => format!(
                "; the events are of {} to {}",
                written_date(time[first as usize]),
                written_date(time[last as usize])
            ),
            _ => String::new(),
        };
        return Err(Error::option(
            "split",
            format!(
                "'{spec}' leaves {n_train} of {} events for train and {} for test{all}",
                order.len(),
                held_out.len() - n_validation.min(held_out.len()),
            ),
            "choose a cut that leaves events on both sides",
        ));
    };
    let mut places = events.all_train();
    for (at, &event) in held_out.iter().enumerate() {
        places[event as usize] = if at < n_validation {
            Place::Validation
        } else {
            Place::Test
        };
    }
    let begins = |event: u32| written_date(time[event as usize]);
    notes.push(match n_validation {
        0 => format!("test begins at {}", begins(*first)),
        _ => format!(
            "validation begins at {}, test at {}",
            begins(held_out[0]),
            begins(*first)
        ),
    });
    let cut = match cut {
        Cut::Share(_) => time[held_out[0] as usize],
        Cut::Dates(validation, _) => validation,
    };
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
