//! Names of groups: what the items of a group have in common.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use limpid_core::{Catalogue, ItemIdx};

use super::groups::Groups;

/// The names of the groups of a fitted model, computed on first use. They are derived from the
/// catalogue, so they are neither fitted nor saved nor compared.
#[derive(Debug, Default)]
pub(crate) struct Names(OnceLock<Vec<Option<String>>>);

impl Names {
    fn all(&self, catalogue: &Catalogue, groups: &Groups) -> &[Option<String>] {
        self.0.get_or_init(|| names(catalogue, groups))
    }

    /// The name of a group.
    pub(crate) fn of(&self, catalogue: &Catalogue, groups: &Groups, group: u32) -> Option<String> {
        self.all(catalogue, groups).get(group as usize)?.clone()
    }

    /// The only group with this name.
    pub(crate) fn find(&self, catalogue: &Catalogue, groups: &Groups, name: &str) -> Option<u32> {
        let all = self.all(catalogue, groups).iter().zip(0u32..);
        let mut found = all
            .filter(|(n, _)| n.as_deref() == Some(name))
            .map(|(_, g)| g);
        found.next().filter(|_| found.next().is_none())
    }
}

impl Clone for Names {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Names {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A name for each group from its metadata: words shared by its titles, a maker, genres and a period, if
/// at least three quarters of the items have them; none where they share nothing. It is a label
/// and never an input to training.
fn names(catalogue: &Catalogue, groups: &Groups) -> Vec<Option<String>> {
    let frequencies: Vec<Vec<usize>> = catalogue
        .fields
        .iter()
        .map(|field| {
            let mut counts = vec![0; field.values.len()];
            for &value in field.of_items.columns() {
                counts[value as usize] += 1;
            }
            counts
        })
        .collect();
    let name = |members: &[ItemIdx]| {
        let most = (3 * members.len()).div_ceil(4).max(2);
        let mut facts = Vec::new();
        if let Some(series) = series(catalogue, members, most) {
            facts.push(format!("“{series}”"));
        }
        facts.extend(shared(catalogue, &frequencies, members, most));
        if let Some(period) = period(catalogue, members)
            && !facts.is_empty()
        {
            facts.push(period);
        }
        (!facts.is_empty()).then(|| facts.join(" · "))
    };
    groups.iter().map(name).collect()
}

/// Stop words of titles.
const EMPTY_WORDS: &[&str] = &[
    "the", "and", "for", "with", "from", "part", "this", "that", "your", "les", "der", "die",
    "das", "of", "in", "on", "to", "at", "by", "or", "an", "is", "it", "ii", "iii", "iv", "vi",
    "vii", "viii", "ix", "movie", "film", "story",
];

/// The longest run of words that occurs in at least `most` of the titles, without the year.
fn series(catalogue: &Catalogue, members: &[ItemIdx], most: usize) -> Option<String> {
    let titles: Vec<Vec<&str>> = members
        .iter()
        .map(|&i| {
            let title = catalogue.titles.get(i.at()).map_or("", String::as_str);
            // "Alien (1979)" and "Terminator, The (1984)" both end where the parenthesis opens.
            let bare = title.split(" (").next().unwrap_or("");
            bare.split(|c: char| !c.is_alphanumeric() && c != '\'')
                .filter(|w| !w.is_empty())
                .collect()
        })
        .collect();
    let fold = |words: &[&str]| -> Vec<String> { words.iter().map(|w| w.to_lowercase()).collect() };
    let tells = |w: &&str| {
        w.chars().count() >= 3
            && !EMPTY_WORDS.contains(&w.to_lowercase().as_str())
            && w.chars().any(char::is_alphabetic)
    };
    let mut best: Option<(usize, String)> = None;
    for title in &titles {
        for from in 0..title.len() {
            for to in from + 1..=title.len() {
                let run = &title[from..to];
                // A run neither begins nor ends with a stop word.
                if !(run.first().is_some_and(tells) && run.last().is_some_and(tells)) {
                    continue;
                }
                let folded = fold(run);
                let with = titles
                    .iter()
                    .filter(|t| fold(t).windows(run.len()).any(|w| w == folded))
                    .count();
                if with >= most && best.as_ref().is_none_or(|(len, _)| run.len() > *len) {
                    best = Some((run.len(), run.join(" ")));
                }
            }
        }
    }
    best.map(|(_, words)| words)
}

/// Values of fields that at least `most` of the items have: per field the rarest two in the
/// catalogue, which are the most specific. Years are handled by [`period`].
fn shared(
    catalogue: &Catalogue,
    frequencies: &[Vec<usize>],
    members: &[ItemIdx],
    most: usize,
) -> Vec<String> {
    let mut out = Vec::new();
    let fields = catalogue.fields.iter().zip(frequencies);
    for (field, frequencies) in fields.filter(|(f, _)| f.name != "year") {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for &item in members {
            for (value, _) in field.of(item) {
                *counts.entry(value).or_default() += 1;
            }
        }
        let frequency = |value: &str| {
            let column = field.values.get(value);
            column.map_or(0, |c| frequencies[c as usize])
        };
        let mut values: Vec<(usize, &str)> = counts
            .into_iter()
            .filter(|&(_, n)| n >= most)
            .map(|(value, _)| (frequency(value), value))
            .collect();
        values.sort_unstable();
        let two: Vec<&str> = values.into_iter().take(2).map(|(_, v)| v).collect();
        if !two.is_empty() {
            out.push(two.join(", "));
        }
    }
    out
}

/// "1990s" or "1977–1983", if all items have a year and the years span at most ten.
fn period(catalogue: &Catalogue, members: &[ItemIdx]) -> Option<String> {
    let years: Vec<i32> = members
        .iter()
        .map(|&i| year(catalogue, i))
        .collect::<Option<_>>()?;
    let (first, last) = (*years.iter().min()?, *years.iter().max()?);
    if first == last {
        Some(first.to_string())
    } else if first / 10 == last / 10 {
        Some(format!("{}s", first / 10 * 10))
    } else if last - first <= 10 {
        Some(format!("{first}–{last}"))
    } else {
        None
    }
}

/// The year of an item: from the field `year`, otherwise from the last parentheses of its title.
fn year(catalogue: &Catalogue, item: ItemIdx) -> Option<i32> {
    let stated = catalogue
        .field("year")
        .and_then(|f| f.of(item).next()?.0.parse().ok());
    stated.or_else(|| {
        let title = catalogue.titles.get(item.at())?;
        let (_, rest) = title.rsplit_once('(')?;
        let year: i32 = rest.strip_suffix(')')?.parse().ok()?;
        (1000..3000).contains(&year).then_some(year)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use limpid_core::{Csr, Field, Ids};

    pub(in crate::rules) fn catalogue(titles: &[&str]) -> Catalogue {
        let ids = (0..titles.len()).map(|i| format!("{i}")).collect();
        let mut c = Catalogue::of_items(Ids::from_names(ids).unwrap());
        c.titles = titles.iter().map(|t| (*t).to_owned()).collect();
        c
    }

    pub(in crate::rules) fn field(name: &str, of: &[&[&str]]) -> Field {
        let mut values = Ids::new();
        let rows: Vec<Vec<(u32, f32)>> = of
            .iter()
            .map(|vs| vs.iter().map(|v| (values.intern(v), 1.0)).collect())
            .collect();
        let of_items = Csr::from_rows(rows, values.len()).unwrap();
        Field {
            name: name.into(),
            values,
            of_items,
        }
    }

    #[test]
    fn names_are_made_of_shared_metadata() {
        let mut c = catalogue(&[
            "Star Wars (1977)",
            "Return of the Jedi: Star Wars (1983)",
            "STAR WARS: Episode V (1980)",
            "Alien (1979)",
        ]);
        let all: Vec<ItemIdx> = (0..4).map(ItemIdx).collect();
        let groups = Groups::new(vec![all], 4).unwrap();
        let name = |c: &Catalogue| names(c, &groups)[0].clone().unwrap_or_default();
        assert_eq!(name(&c), "“Star Wars” · 1977–1983");
        c.titles = ["Aladdin (1992)", "Bambi (1942)", "Cars", "Dumbo (1941)"]
            .map(String::from)
            .into();
        c.train_counts = vec![5, 3, 9, 1];
        assert_eq!(names(&c, &groups), [None]);
        c.fields = vec![
            field(
                "genre",
                &[
                    &["Drama", "War"],
                    &["War"],
                    &["War", "Drama"],
                    &["Drama", "War"],
                ],
            ),
            field("maker", &[&["A"], &["A"], &["B"], &["C"]]),
        ];
        assert_eq!(name(&c), "Drama, War");
        c.titles = vec![
            "a (1990)".into(),
            "b (1994)".into(),
            "c (1999)".into(),
            "d (1992)".into(),
        ];
        assert_eq!(name(&c), "Drama, War · 1990s");
    }
}
