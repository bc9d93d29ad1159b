//! One line per group: the links and rules of a group combined into one rule, exactly.
//!
//! For a target, the value of a group of m items is a table over the 2^m subsets a user may have:
//! `h(S) = Σ_{i ∈ S} v_i + v_or [|S| ≥ 1] + v_two [|S| ≥ 2]`. The user's line names all of their items on
//! which `h` rests, and its rule holds only if `h` has the user's value (see
//! [`limpid_core::rules::compile`]).
//!
//! NOT in a rule only separates cases. What an absent item would really change is an alternative of the
//! line: `h` of the user's subset with it, minus `h` without.

use limpid_core::rules::compile::{MAX_ITEMS, compile};
use limpid_core::{EventsByItem, History, ItemIdx, Ledger, Part, Space, Unit};

use super::{Model, cited};

/// Tolerance for sums of the same weights in another order.
const EQUAL: f64 = 1e-9;

/// The ledger of `item` with the parts of each group joined into one line. Groups whose activations are
/// not those of the user's items (they were edited) keep their parts, because a rule would
/// not hold for them.
pub(super) fn lines(
    model: &Model,
    features: &[(u32, f32)],
    user: History<'_>,
    item: ItemIdx,
) -> Ledger {
    let events = user.by_item();
    let raw = model.ledger_parts(features, &events, item);
    let mut parts: Vec<Part> = Vec::with_capacity(raw.len());
    let mut of_groups: Vec<(u32, Part)> = Vec::new();
    for (group, part) in raw {
        match group {
            None => parts.push(part),
            Some(g) => of_groups.push((g, part)),
        }
    }
    of_groups.sort_by_key(|(g, _)| *g);
    for run in of_groups.chunk_by(|a, b| a.0 == b.0) {
        match line(model, run[0].0, features, &events, item) {
            Some(line) => parts.push(line),
            None => parts.extend(run.iter().map(|(_, part)| part.clone())),
        }
    }
    Ledger::of_parts(model.base_of(item), parts)
}

/// The line of one group, if its activations are those of the user's items.
fn line(
    model: &Model,
    group: u32,
    features: &[(u32, f32)],
    events: &EventsByItem<'_>,
    item: ItemIdx,
) -> Option<Part> {
    let members = model.groups().members(group);
    let has = |i: &ItemIdx| events.has(*i);
    let own: Vec<u32> = members.iter().filter(|i| has(i)).map(|i| i.0).collect();
    let expected = model.features.active(&own);
    let (or, two) = (model.features.or_of(group), model.features.two_of(group));
    let all = members.iter().map(|i| i.0).chain(or).chain(two);
    for feature in all {
        let activation = features
            .binary_search_by_key(&feature, |&(f, _)| f)
            .map_or(0.0, |at| features[at].1);
        let wanted = if expected.contains(&feature) {
            1.0
        } else {
            0.0
        };
        if activation != wanted {
            return None;
        }
    }
    // Unless the user has the target, its literal is always false and is left out.
    let items: Vec<ItemIdx> = members
        .iter()
        .copied()
        .filter(|i| *i != item || has(i))
        .collect();
    if items.len() > MAX_ITEMS {
        return None;
    }
    let effect = |feature: u32| f64::from(model.weight(feature, item));
    let links: Vec<f64> = items.iter().map(|i| effect(i.0)).collect();
    let (or, two) = (or.map_or(0.0, effect), two.map_or(0.0, effect));
    let values: Vec<f64> = (0..1usize << items.len())
        .map(|subset| {
            let sum: f64 = (0..items.len())
                .filter(|b| subset >> b & 1 == 1)
                .map(|b| links[b])
                .sum();
            sum + if subset != 0 { or } else { 0.0 }
                + if subset.count_ones() > 1 { two } else { 0.0 }
        })
        .collect();
    let pattern = items
        .iter()
        .enumerate()
        .fold(0, |p, (b, i)| p | usize::from(has(i)) << b);
    let line = compile(&items, &values, pattern, EQUAL).ok()?;
    let value = values[pattern] as f32;
    let unit = Unit::new(Space::Group, group);
    let part = Part::new(unit, 1.0, value, cited(events, &line.named));
    Some(
        part.with_rule(Some(line.rule))
            .with_alternatives(line.alternatives),
    )
}
