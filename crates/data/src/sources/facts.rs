//! Metadata of one name while it is read.

use super::interner::Interner;

/// Distinct values of a field of unknown meaning above this share of its items are taken for prose.
const MOST_DISTINCT: f64 = 0.5;

/// How many distinct values any field may have.
const FEW: usize = 20;

/// What kind of fact is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain fact of a field whose meaning is known.
    Plain,
    /// A plain fact of a field whose meaning is not known, which is kept only if it groups items.
    Guessed,
    /// One more of a value that is counted, such as a tag.
    Counted,
}

/// The values that items have, as they come.
#[derive(Debug, Default)]
pub(super) struct Facts {
    values: Interner,
    /// `(item, value, count)`.
    entries: Vec<(u32, u32, f32)>,
    /// Whether counts of the same item and value add up.
    counted: bool,
    /// Whether the field is kept whatever its values look like.
    known: bool,
}

/// A field before its items are shuffled; values are in the order of the alphabet, so that file order
/// leaves no trace.
#[derive(Debug, PartialEq)]
pub(super) struct Finished {
    pub(super) values: Vec<String>,
    /// `(value, count)` of each item.
    pub(super) rows: Vec<Vec<(u32, f32)>>,
}

impl Facts {
    /// Adds a value of an item; `times` matters where values are counted.
    pub(super) fn add(&mut self, item: u32, value: &str, times: f32, kind: Kind) {
        self.counted |= kind == Kind::Counted;
        self.known |= kind != Kind::Guessed;
        let value = self.values.intern(value);
        self.entries.push((item, value, times));
    }

    /// The field, or why it is left out.
    pub(super) fn finish(
        mut self,
        name: &str,
        n_items: usize,
    ) -> std::result::Result<Finished, String> {
        self.entries
            .sort_unstable_by_key(|&(item, value, _)| (item, value));
        self.entries.dedup_by(|later, first| {
            let same = (later.0, later.1) == (first.0, first.1);
            if same && self.counted {
                first.2 += later.2;
            }
            same
        });
        let covered = self.entries.chunk_by(|a, b| a.0 == b.0).count();
        let distinct = self.values.len();
        if !self.known && distinct > FEW && distinct as f64 > MOST_DISTINCT * covered as f64 {
            return Err(format!(
                "metadata '{name}' was left out: {distinct} different values on {covered} items say \
                 nothing about groups of items"
            ));
        }
        let mut values = self.values.into_names();
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| values[a as usize].cmp(&values[b as usize]));
        let mut rank = vec![0u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            rank[old as usize] = new as u32;
        }
        values.sort_unstable();
        let mut rows = vec![Vec::new(); n_items];
        for (item, value, count) in self.entries {
            rows[item as usize].push((rank[value as usize], count));
        }
        Ok(Finished { values, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(facts: &[(u32, &str)], kind: Kind) -> std::result::Result<Finished, String> {
        let mut all = Facts::default();
        for (item, value) in facts {
            all.add(*item, value, 1.0, kind);
        }
        all.finish("field", 3)
    }

    #[test]
    fn plain_facts_count_once_and_tags_add_up() {
        let facts = [(0, "b"), (0, "a"), (2, "b"), (0, "b")];
        let plain = finished(&facts, Kind::Plain).unwrap();
        assert_eq!(plain.values, ["a", "b"]);
        let mut first = plain.rows[0].clone();
        first.sort_by_key(|&(value, _)| value);
        assert_eq!(first, [(0, 1.0), (1, 1.0)]);
        assert_eq!(
            (plain.rows[1].len(), &plain.rows[2][..]),
            (0, &[(1, 1.0)][..])
        );
        let tags = finished(&facts, Kind::Counted).unwrap();
        assert!(tags.rows[0].contains(&(1, 2.0)));
    }

    #[test]
    fn prose_is_left_out_unless_its_meaning_is_known() {
        let texts: Vec<String> = (0..30).map(|i| format!("text {i}")).collect();
        let facts: Vec<(u32, &str)> = texts.iter().map(|t| (1, t.as_str())).collect();
        let note = finished(&facts, Kind::Guessed).unwrap_err();
        assert!(note.starts_with("metadata 'field' was left out: 30 different values on 1 items"));
        assert!(finished(&facts, Kind::Plain).is_ok());
        assert!(finished(&facts[..20], Kind::Guessed).is_ok());
    }
}
