//! Terms of items: what tf-idf reads instead of a text about them.

use std::collections::BTreeMap;

use limpid_core::{Catalogue, Field};

use super::naming::plain;

/// Words of a title with fewer letters are no terms.
const SHORTEST: usize = 3;

/// The terms of every item: its metadata values, each as one term, and the words of its title.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    /// The terms, in the spelling that came first.
    pub names: Vec<String>,
    /// The terms of each item `(I)`, ascending, each once.
    pub of_items: Vec<Vec<u32>>,
    /// The metadata value that each term is: `(field, number of the term)`.
    pub values: Vec<(String, u32)>,
}

impl Terms {
    /// Of the items of a catalogue, with the values of some fields. Terms that differ in case, spaces and signs
    /// alone are the same.
    #[must_use]
    pub fn of(catalogue: &Catalogue, fields: &[&Field]) -> Self {
        let mut by_plain: BTreeMap<String, u32> = BTreeMap::new();
        let mut out = Self {
            of_items: vec![Vec::new(); catalogue.len()],
            ..Self::default()
        };
        let mut number = |name: &str, names: &mut Vec<String>| -> Option<u32> {
            let short = plain(name);
            if short.is_empty() {
                return None;
            }
            let next = names.len() as u32;
            let term = *by_plain.entry(short).or_insert(next);
            if term == next {
                names.push(name.to_owned());
            }
            Some(term)
        };
        for field in fields {
            let of_items = field.of_items.transpose();
            for value in 0..field.values.len() {
                let (items, _) = of_items.row(value);
                if items.is_empty() {
                    continue;
                }
                let Some(term) = number(field.values.name(value as u32), &mut out.names) else {
                    continue;
                };
                out.values.push((field.name.clone(), term));
                for &item in items {
                    out.of_items[item as usize].push(term);
                }
            }
        }
        for (item, own) in out.of_items.iter_mut().enumerate() {
            let title = catalogue.titles.get(item).map_or("", String::as_str);
            let words = title.split(|c: char| !c.is_alphanumeric());
            let long =
                |w: &&str| w.chars().count() >= SHORTEST && w.chars().any(char::is_alphabetic);
            own.extend(words.filter(long).filter_map(|w| number(w, &mut out.names)));
            own.sort_unstable();
            own.dedup();
        }
        out
    }

    /// Whether an item has a term.
    #[must_use]
    pub fn has(&self, item: u32, term: u32) -> bool {
        let own = self.of_items.get(item as usize);
        own.is_some_and(|own| own.binary_search(&term).is_ok())
    }

    /// Of the metadata values, the share that is among some terms: RecSAE's feature coverage.
    #[must_use]
    pub fn coverage(&self, terms: &[u32]) -> f64 {
        let covered = self.values.iter().filter(|(_, t)| terms.contains(t));
        covered.count() as f64 / self.values.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Csr, Ids};

    #[test]
    fn values_and_words_of_titles() {
        let ids = |names: &[&str]| {
            Ids::from_names(names.iter().map(|&n| n.to_owned()).collect()).unwrap()
        };
        let mut catalogue = Catalogue::of_items(ids(&["a", "b"]));
        catalogue.titles = vec!["The War of 1914".into(), "It".into()];
        let of_items = Csr::from_rows([vec![(1, 1.0)], vec![(0, 1.0), (1, 1.0)]], 2).unwrap();
        let genre = Field {
            name: "genre".into(),
            values: ids(&["Film-Noir", "War"]),
            of_items,
        };
        let terms = Terms::of(&catalogue, &[&genre]);
        // "War" of the title is the genre; "1914" has no letter, "of" and "It" are too short.
        assert_eq!(terms.names, ["Film-Noir", "War", "The"]);
        assert_eq!(terms.of_items, [vec![1, 2], vec![0, 1]]);
        assert!(terms.has(0, 2) && !terms.has(1, 2) && !terms.has(9, 2));
        assert_eq!(terms.coverage(&[1, 2]), 0.5);
    }
}
