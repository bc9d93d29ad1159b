//! `leave-one-out` and `leave-last:N`: the last events of each user are held out.

use crate::Result;

use super::events::{Events, Place};

/// Holds out the last `n` events of each user as test and the `n` before them as validation.
///
/// Last means by time; file order decides between equal times and where there are none. A user
/// with too few events keeps one for train and gives the rest to test before validation.
pub(super) fn assign(events: &Events<'_>, n: usize, notes: &mut Vec<String>) -> Result<Vec<Place>> {
    let mut places = events.all_train();
    let mut short = 0;
    for row in &events.rows {
        let own: Vec<u32> = row
            .iter()
            .copied()
            .filter(|&e| events.is_target[e as usize])
            .collect();
        let Some(spare) = own.len().checked_sub(1) else {
            continue;
        };
        let test = n.min(spare);
        let validation = n.min(spare - test);
        short += usize::from(validation < n);
        for (back, &event) in own.iter().rev().take(test + validation).enumerate() {
            places[event as usize] = if back < test {
                Place::Test
            } else {
                Place::Validation
            };
        }
    }
    if events.log.time.is_none() {
        notes.push("the log has no times: the last events are the last in the file".to_owned());
    }
    if short > 0 {
        notes.push(format!(
            "{short} users have too few events for all subsets; they keep one train event, and test \
             goes before validation"
        ));
    }
    Ok(places)
}
