//! Metadata of one name while it is read.

use std::collections::BTreeMap;

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
        if !self.counted {
            self.join_possessives();
        }
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
        let mut used = vec![false; self.values.len()];
        self.entries.iter().for_each(|e| used[e.1 as usize] = true);
        let distinct = used.iter().filter(|used| **used).count();
        if !self.known && distinct > FEW && distinct as f64 > MOST_DISTINCT * covered as f64 {
            return Err(format!(
                "metadata '{name}' was left out: {distinct} different values on {covered} items say \
                 nothing about groups of items"
            ));
        }
        let names = self.values.into_names();
        let mut order: Vec<u32> = (0..names.len() as u32)
            .filter(|&value| used[value as usize])
            .collect();
        order.sort_unstable_by(|&a, &b| names[a as usize].cmp(&names[b as usize]));
        let mut rank = vec![0u32; names.len()];
        for (new, &old) in order.iter().enumerate() {
            rank[old as usize] = new as u32;
        }
        let values: Vec<String> = order.iter().map(|&v| names[v as usize].clone()).collect();
        let mut rows = vec![Vec::new(); n_items];
        for (item, value, count) in self.entries {
            rows[item as usize].push((rank[value as usize], count));
        }
        Ok(Finished { values, rows })
    }

    /// Values that differ by a possessive alone are one, by the name that more items have: MovieLens 1M has the
    /// genre "Children's" that MovieLens 10M calls "Children", and a catalogue may be joined from both.
    fn join_possessives(&mut self) {
        let names = self.values.names();
        if !names.iter().any(|name| name.contains(['\'', '’'])) {
            return;
        }
        let mut same: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (value, name) in (0u32..).zip(names) {
            let stem = name.replace('’', "'").replace("'s", "");
            same.entry(stem).or_default().push(value);
        }
        let mut uses = vec![0usize; names.len()];
        self.entries.iter().for_each(|e| uses[e.1 as usize] += 1);
        let mut to: Vec<u32> = (0..names.len() as u32).collect();
        for group in same.values().filter(|group| group.len() > 1) {
            let key = |&v: &u32| {
                let at = v as usize;
                (uses[at], std::cmp::Reverse(&names[at]))
            };
            if let Some(&best) = group.iter().max_by_key(|v| key(v)) {
                group.iter().for_each(|&v| to[v as usize] = best);
            }
        }
        self.entries.iter_mut().for_each(|e| e.1 = to[e.1 as usize]);
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

    /// A genre that two sources write with and without a possessive is one, by its more frequent name; counted
    /// tags are as users wrote them.
    #[test]
    fn possessives_are_joined() {
        let facts = [
            (0, "Children's"),
            (1, "Children’s"),
            (1, "Children"),
            (2, "Children"),
            (2, "Drama"),
        ];
        let plain = finished(&facts, Kind::Plain).unwrap();
        assert_eq!(plain.values, ["Children", "Drama"]);
        assert_eq!(plain.rows[0], [(0, 1.0)]);
        assert_eq!(plain.rows[1], [(0, 1.0)]);
        let tags = finished(&facts, Kind::Counted).unwrap();
        assert_eq!(tags.values.len(), 4);
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
