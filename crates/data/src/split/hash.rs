//! The hash of a split: what was held out from what, in external ids.

use limpid_core::{Catalogue, Histories};

use crate::log::sorted;

use super::{HeldOut, SplitSpec};

/// A BLAKE3 hash (64 hexadecimal digits) of the way of splitting and of the events of every subset.
///
/// Users, items and events are sorted by their external ids first, so neither indices nor the
/// order of lines, users or rows change it. Titles and metadata do not count.
pub(super) fn hash(
    spec: &SplitSpec,
    catalogue: &Catalogue,
    train: &Histories,
    validation: &HeldOut,
    test: &HeldOut,
) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"limpid split 1\n");
    put_text(&mut hasher, &spec.to_string());
    hasher.update(&(catalogue.behaviors.len() as u64).to_le_bytes());
    for behavior in &catalogue.behaviors {
        put_text(&mut hasher, behavior);
    }
    hasher.update(&[catalogue.target_behavior]);
    let (_, user_rank) = sorted(catalogue.users.names());
    let (_, item_rank) = sorted(catalogue.items.names());
    let subsets = [
        Some(train),
        validation.input.as_ref(),
        Some(&validation.target),
        test.input.as_ref(),
        Some(&test.target),
    ];
    for subset in subsets {
        hasher.update(&[u8::from(subset.is_some())]);
        if let Some(rows) = subset {
            put_rows(&mut hasher, catalogue, rows, &user_rank, &item_rank);
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Adds the rows that hold events.
fn put_rows(
    hasher: &mut blake3::Hasher,
    catalogue: &Catalogue,
    subset: &Histories,
    user_rank: &[u32],
    item_rank: &[u32],
) {
    let rank = |ranks: &[u32], index: u32| ranks.get(index as usize).copied().unwrap_or(u32::MAX);
    let mut rows: Vec<usize> = (0..subset.len())
        .filter(|&r| !subset.row(r).is_empty())
        .collect();
    rows.sort_by_key(|&r| subset.users()[r].map(|u| rank(user_rank, u.0)));
    hasher.update(&(rows.len() as u64).to_le_bytes());
    let mut bytes = Vec::new();
    for r in rows {
        let row = subset.row(r);
        let user = row.user.map_or("", |u| catalogue.users.name(u.0));
        put_text(hasher, user);
        let mut events: Vec<_> = row
            .events()
            .map(|e| {
                (
                    rank(item_rank, e.item.0),
                    e.behavior,
                    e.time,
                    e.value.to_bits(),
                    e.item,
                )
            })
            .collect();
        events.sort_unstable();
        bytes.clear();
        bytes.extend_from_slice(&(events.len() as u64).to_le_bytes());
        for (_, behavior, time, value, item) in events {
            let id = catalogue.id(item);
            bytes.extend_from_slice(&(id.len() as u64).to_le_bytes());
            bytes.extend_from_slice(id.as_bytes());
            bytes.extend_from_slice(&[behavior, u8::from(time.is_some())]);
            bytes.extend_from_slice(&time.unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        hasher.update(&bytes);
    }
}

/// Adds a text so that two texts in a row cannot be mistaken for another two.
fn put_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}
