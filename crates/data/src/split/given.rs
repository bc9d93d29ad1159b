//! `given`, `given:u1`: the split that comes with the data set, or one of several.

use crate::log::GivenSubset;
use crate::{Error, Result};

use super::events::{Events, Place};

/// Uses the subsets as they are. Validation may be empty.
///
/// Held-out events of other behaviors than the target are left out: they are neither what is
/// measured nor what a model may see.
pub(super) fn assign(
    events: &Events<'_>,
    name: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let log = events.log;
    let spec = name.map_or_else(|| "given".to_owned(), |name| format!("given:{name}"));
    let refuse = |why: &str| {
        Error::option(
            "split",
            format!("'{spec}': '{}' {why}", log.name),
            "choose another split, such as 'ratio:70/10/20@42' or 'leave-one-out'",
        )
    };
    let given = match &log.given {
        Some(given) => given,
        None if log.report.given_splits.is_empty() => {
            return Err(refuse("has no files with a split of its own"));
        }
        None => {
            let splits = &log.report.given_splits;
            let forms: Vec<String> = splits.iter().map(|s| format!("'given:{s}'")).collect();
            return Err(Error::option(
                "split",
                format!(
                    "'{spec}': '{}' comes with {} splits",
                    log.name,
                    splits.len()
                ),
                format!("choose one: {}", forms.join(", ")),
            ));
        }
    };
    let mut left = 0;
    let places: Vec<Place> = given
        .iter()
        .zip(&events.is_target)
        .map(|(subset, is_target)| match subset {
            GivenSubset::Train => Place::Train,
            GivenSubset::Validation if *is_target => Place::Validation,
            GivenSubset::Test if *is_target => Place::Test,
            _ => {
                left += 1;
                Place::Left
            }
        })
        .collect();
    if !places.contains(&Place::Test) {
        let target = &log.behaviors[usize::from(log.target_behavior)];
        return Err(refuse(&format!(
            "has no test event of the target behavior '{target}'"
        )));
    }
    if !places.contains(&Place::Train) {
        return Err(refuse("has no train event"));
    }
    if left > 0 {
        notes.push(format!(
            "{left} held-out events of other behaviors than '{}', or repeated, are left out",
            log.behaviors[usize::from(log.target_behavior)]
        ));
    }
    Ok(places)
}
