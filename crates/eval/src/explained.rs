//! The explanations that are evaluated: the top-ranked item of each sampled user with its ledger, as the
//! model returns it and merged into lines.

use std::collections::BTreeMap;

use limpid_core::random::shuffle_front;
use limpid_core::rules::compile::{MAX_ITEMS, compile};
use limpid_core::{
    Detail, Event, Histories, History, ItemIdx, Ledger, Mask, Part, Progress, Recommender, Space,
    Unit, Units, UnitsOf,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::evaluate::{block_rows, score_rows};
use crate::{Error, Protocol, Result};

/// Which explanations are measured, and what counts as one line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explaining<'a> {
    /// Size of the random sample of users; 0 for all.
    pub users: usize,
    /// Seed of the sample of users and of the random deletions.
    pub seed: u64,
    /// The group of each item `(I)`: links from items of one group count as one line. `None` keeps
    /// the lines of the model.
    pub grouping: Option<&'a [u32]>,
}

impl Default for Explaining<'_> {
    fn default() -> Self {
        Self {
            users: 1000,
            seed: 1,
            grouping: None,
        }
    }
}

/// One user's top-ranked item and its explanation.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The user's row in the input.
    pub row: usize,
    /// The top-ranked item that is not masked; of ties, the lower index.
    pub item: ItemIdx,
    /// Its score.
    pub score: f32,
    /// The ledger as the model returns it.
    pub raw: Ledger,
    /// The ledger merged into lines.
    pub lines: Ledger,
}

/// Explains the top-ranked item of the users of a protocol, by ascending row. Held-out items are not
/// used.
///
/// # Errors
/// [`Error::Grouping`], and if the tables of the protocol do not match or the user interrupts.
pub fn explain_best(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    how: &Explaining<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Explained>> {
    protocol.check_tables()?;
    let n_items = protocol.catalogue.len();
    if let Some(grouping) = how.grouping
        && grouping.len() != n_items
    {
        return Err(Error::Grouping {
            expected: n_items,
            found: grouping.len(),
        });
    }
    let writer = Writer {
        units: UnitsOf::model(model, protocol.catalogue),
        grouping: how.grouping.map(Grouping::new),
    };
    let rows = sample(protocol.input, how.users, how.seed);
    if rows.is_empty() {
        return Err(Error::NobodyToMeasure {
            rows: protocol.input.len(),
            needed: "an event in the input",
        });
    }
    progress.start("explaining", rows.len() as u64);
    let mut all = Vec::with_capacity(rows.len());
    for block in rows.chunks(block_rows(n_items)) {
        if progress.interrupted() {
            return Err(limpid_core::Error::Interrupted("nothing was measured".to_owned()).into());
        }
        let scores = score_rows(model, protocol.input, block)?;
        let explained: Vec<Option<Explained>> = block
            .par_iter()
            .enumerate()
            .map_init(
                || Mask::none(n_items),
                |mask, (at, &row)| {
                    protocol.hide(mask, row);
                    let scores = scores.row(at);
                    let item = best(scores.iter().copied(), mask)?;
                    let (raw, lines) = writer.write(protocol.input.row(row), item);
                    Some(Explained {
                        row,
                        item,
                        score: scores[item.at()],
                        raw,
                        lines,
                    })
                },
            )
            .collect();
        all.extend(explained.into_iter().flatten());
        progress.step(block.len() as u64);
    }
    Ok(all)
}

/// Rows with at least one event, ascending; a random sample of `limit` if there are more.
pub(crate) fn sample(input: &Histories, limit: usize, seed: u64) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..input.len())
        .filter(|&row| !input.row(row).is_empty())
        .collect();
    if limit > 0 && limit < rows.len() {
        choose(&mut rows, limit, &mut ChaCha8Rng::seed_from_u64(seed));
        rows.sort_unstable();
    }
    rows
}

/// Keeps a random sample of `n` elements, in random order.
///
/// A remainder, unlike [`limpid_core::random::below`]: published samples of users depend on it. Its bias
/// is below 2⁻⁴⁰ for any list that fits in memory.
pub fn choose<T>(all: &mut Vec<T>, n: usize, rng: &mut ChaCha8Rng) {
    shuffle_front(all, n, |m| (rng.next_u64() % m as u64) as usize);
    all.truncate(n);
}

fn best(scores: impl Iterator<Item = f32>, mask: &Mask) -> Option<ItemIdx> {
    let mut best: Option<(ItemIdx, f32)> = None;
    for (at, score) in scores.enumerate() {
        let item = ItemIdx(at as u32);
        if !mask.hides(item) && best.is_none_or(|(_, s)| score > s) {
            best = Some((item, score));
        }
    }
    best.map(|(item, _)| item)
}

/// The groups whose links are merged.
struct Grouping<'a> {
    /// The group of each item `(I)`.
    of: &'a [u32],
    /// The items of each group, ascending.
    members: BTreeMap<u32, Vec<ItemIdx>>,
}

impl<'a> Grouping<'a> {
    fn new(of: &'a [u32]) -> Self {
        let mut members: BTreeMap<u32, Vec<ItemIdx>> = BTreeMap::new();
        for (item, &group) in of.iter().enumerate() {
            members.entry(group).or_default().push(ItemIdx(item as u32));
        }
        Self { of, members }
    }
}

/// Makes the ledgers of a model.
struct Writer<'a> {
    units: UnitsOf<'a>,
    grouping: Option<Grouping<'a>>,
}

impl Writer<'_> {
    /// The ledger, raw and in lines.
    fn write(&self, user: History<'_>, item: ItemIdx) -> (Ledger, Ledger) {
        let active = self.units.activations(user);
        let raw = self.units.ledger(user, &active, item, Detail::Raw);
        let lines = self.units.ledger(user, &active, item, Detail::Lines);
        let lines = match &self.grouping {
            Some(grouping) => join_links(&*self.units, grouping, lines, user, item),
            None => lines,
        };
        (raw, lines)
    }
}

/// Merges the links from items of one group into one line: their values add up, and the line names the
/// items of the user on which the value rests.
fn join_links(
    units: &dyn Units,
    grouping: &Grouping<'_>,
    ledger: Ledger,
    user: History<'_>,
    item: ItemIdx,
) -> Ledger {
    let mut kept: Vec<Part> = Vec::with_capacity(ledger.parts.len());
    let mut joined: BTreeMap<u32, Vec<Part>> = BTreeMap::new();
    for part in ledger.parts {
        let group = part.unit.item().and_then(|from| grouping.of.get(from.at()));
        match group {
            Some(&group) => joined.entry(group).or_default().push(part),
            None => kept.push(part),
        }
    }
    for (group, parts) in joined {
        match join(units, &grouping.members[&group], group, &parts, user, item) {
            Some(line) => kept.push(line),
            None => kept.extend(parts),
        }
    }
    Ledger {
        residual: ledger.residual,
        score: ledger.score,
        ..Ledger::of_parts(ledger.base, kept)
    }
}

/// The line of one group; `None` if the group has a single item, or a link is not simply present or
/// absent (its activation is neither 0 nor 1), or its effect depends on the history, so that no rule
/// would be true of it.
fn join(
    units: &dyn Units,
    members: &[ItemIdx],
    group: u32,
    parts: &[Part],
    user: History<'_>,
    item: ItemIdx,
) -> Option<Part> {
    let items: Vec<ItemIdx> = members.iter().copied().filter(|&i| i != item).collect();
    if items.len() < 2 || items.len() > MAX_ITEMS || parts.iter().any(|p| p.activation != 1.0) {
        return None;
    }
    let effects = items.iter().map(|&from| {
        let members = units.members(Unit::event(from)).into_iter();
        let effects = members.map(|k| units.effect(k, item).map(f64::from));
        effects.sum::<Option<f64>>()
    });
    let effects: Vec<f64> = effects.collect::<Option<_>>()?;
    let values: Vec<f64> = (0..1usize << items.len())
        .map(|subset| {
            let has = (0..items.len()).filter(|b| subset >> b & 1 == 1);
            has.map(|b| effects[b]).sum()
        })
        .collect();
    let pattern = items.iter().enumerate().fold(0, |pattern, (bit, &from)| {
        pattern | usize::from(user.contains(from)) << bit
    });
    let value: f64 = parts.iter().map(|p| f64::from(p.value)).sum();
    // A model may weight an item otherwise than by its effect (a rating); then the table does not apply.
    if (values[pattern] - value).abs() > 1e-5 * value.abs().max(1e-3) {
        return None;
    }
    let line = compile(&items, &values, pattern, 1e-9).ok()?;
    let named = |e: &Event| line.named.contains(&e.item);
    let cites = user.events().filter(named).collect();
    let unit = Unit::new(Space::Group, group);
    let part = Part::new(unit, 1.0, value as f32, cites);
    Some(
        part.with_rule(Some(line.rule))
            .with_alternatives(line.alternatives),
    )
}

/// The strongest supporting lines, at most `n`.
pub(crate) fn strongest(lines: &Ledger, n: usize) -> impl Iterator<Item = &Part> {
    lines.parts.iter().filter(|p| p.value > 0.0).take(n)
}
