//! What an item lacks beside the items of a list: evidence that they have and it has not.

use std::collections::BTreeMap;

use limpid_core::{Ledger, Part, Unit};

/// Evidence that items of a list have and another item lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Lacking {
    /// The strongest part of a listed item with this unit.
    pub part: Part,
    /// Its value for the item, 0 if it has none.
    pub here: f32,
    /// Its mean value over the items of the list.
    pub listed: f32,
    /// The number of items of the list that it supports.
    pub supports: usize,
}

/// The strongest evidence that the items of a list have and an item lacks, at most `most`, by the
/// difference of the mean over the list and the item's own value, largest first; differences of 0 or
/// less are left out.
#[must_use]
pub fn lacking(item: &Ledger, listed: &[Ledger], most: usize) -> Vec<Lacking> {
    let mut by_unit: BTreeMap<Unit, (Vec<&Part>, f64)> = BTreeMap::new();
    for part in listed.iter().flat_map(|l| &l.parts) {
        let (parts, sum) = by_unit.entry(part.unit).or_default();
        *sum += f64::from(part.value);
        parts.push(part);
    }
    let n = listed.len().max(1) as f64;
    let mut all: Vec<Lacking> = by_unit
        .into_iter()
        .filter_map(|(unit, (parts, sum))| {
            let own = item.parts.iter().filter(|p| p.unit == unit);
            let here: f32 = own.map(|p| p.value).sum();
            let strongest = parts.iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
            Some(Lacking {
                part: (*strongest).clone(),
                here,
                listed: (sum / n) as f32,
                supports: parts.iter().filter(|p| p.value > 0.0).count(),
            })
        })
        .filter(|l| l.listed > l.here)
        .collect();
    all.sort_by(|a, b| {
        let lacks = |l: &Lacking| l.listed - l.here;
        lacks(b)
            .total_cmp(&lacks(a))
            .then(a.part.unit.cmp(&b.part.unit))
    });
    all.truncate(most);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Event, ItemIdx};

    #[test]
    fn means_by_hand() {
        let ledger = |values: &[(u32, f32)]| {
            let part = |&(i, v): &(u32, f32)| {
                Part::new(
                    Unit::event(ItemIdx(i)),
                    1.0,
                    v,
                    [Event::of(ItemIdx(i))].into(),
                )
            };
            Ledger::of_parts(0.0, values.iter().map(part).collect())
        };
        let listed = [
            ledger(&[(0, 0.5), (1, 0.25)]),
            ledger(&[(0, 0.25), (2, 1.0)]),
        ];
        let found = lacking(&ledger(&[(1, 0.5), (2, 0.25)]), &listed, 5);
        let short: Vec<_> = found
            .iter()
            .map(|l| (l.part.unit.index, l.here, l.listed, l.supports))
            .collect();
        // Item 1 has more of its evidence than the list has.
        assert_eq!(short, [(0, 0.0, 0.375, 2), (2, 0.25, 0.5, 1)]);
        assert_eq!(found[0].part.value, 0.5);
    }
}
