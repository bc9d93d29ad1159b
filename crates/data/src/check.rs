//! The fields of a log are public, so they are checked before a computation relies on them.

use limpid_core::Error;

use crate::{Log, Result};

/// Checks that all columns of a log are as long as it has events and that every index is known.
///
/// # Errors
/// [`limpid_core::Error::Shape`] or [`limpid_core::Error::Range`].
pub(crate) fn check(log: &Log) -> Result<()> {
    let n = log.user.len();
    let lengths = [
        ("items", Some(log.item.len())),
        ("values", log.value.as_ref().map(Vec::len)),
        ("times", log.time.as_ref().map(Vec::len)),
        ("behaviors", log.behavior.as_ref().map(Vec::len)),
        ("given subsets", log.given.as_ref().map(Vec::len)),
    ];
    for (what, len) in lengths {
        if let Some(len) = len.filter(|&len| len != n) {
            return Err(Error::shape(format!("{what} of the log's events"), n, len).into());
        }
    }
    if !log.titles.is_empty() && log.titles.len() != log.items.len() {
        return Err(Error::shape("titles of the log", log.items.len(), log.titles.len()).into());
    }
    u32::try_from(n).map_err(|_| Error::range("the number of events", "below 2³²", n))?;
    let known = |what: &str, indices: &[u32], len: usize| match indices
        .iter()
        .find(|&&index| index as usize >= len)
    {
        Some(bad) => Err(Error::range(
            format!("{what} index of the log"),
            format!("below {len}"),
            bad,
        )),
        None => Ok(()),
    };
    known("a user", &log.user, log.users.len())?;
    known("an item", &log.item, log.items.len())?;
    let n_behaviors = log.behaviors.len();
    let all = log.behavior.iter().flatten().chain([&log.target_behavior]);
    if let Some(bad) = all.into_iter().find(|&&b| usize::from(b) >= n_behaviors) {
        return Err(Error::range(
            "a behavior index of the log",
            format!("below {n_behaviors}, the number of behavior names"),
            bad,
        )
        .into());
    }
    if let Some(bad) = log.value.iter().flatten().find(|v| !v.is_finite()) {
        return Err(Error::range("the value of an event", "finite", bad).into());
    }
    Ok(())
}
