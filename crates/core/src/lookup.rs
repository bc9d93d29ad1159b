//! Finds items by id or title: exact id first, then title; otherwise suggestions.

use crate::{Catalogue, Error, ItemIdx, Result};

/// Maximum number of suggestions.
const SUGGESTIONS: usize = 3;

/// Similarity (Jaro–Winkler) below which a name is not suggested.
const SIMILAR: f64 = 0.8;

/// The names most similar to a text, best first, at most three: those that contain it, are similar by
/// Jaro–Winkler, or are one typing error away.
pub fn similar<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let text = text.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(|name| {
            let lower = name.to_lowercase();
            // A year at the end of a title is rarely written.
            let lower = match year_of(&text) {
                None => lower
                    .strip_suffix(year_of(&lower).unwrap_or(""))
                    .unwrap_or(&lower)
                    .trim_end(),
                Some(_) => &lower,
            };
            let long = text.chars().count() >= 3;
            let contained = long && lower.contains(&text);
            // Jaro–Winkler misses transpositions in short names such as 'rge'.
            let mistyped = long && strsim::damerau_levenshtein(&text, lower) == 1;
            let alike = match mistyped {
                true => strsim::jaro_winkler(&text, lower).max(SIMILAR),
                false => strsim::jaro_winkler(&text, lower),
            };
            let score = match contained {
                true => alike.max(SIMILAR) + 1.0,
                false => alike,
            };
            (score, name)
        })
        .filter(|&(s, _)| s >= SIMILAR)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.truncate(SUGGESTIONS);
    scored.into_iter().map(|(_, name)| name).collect()
}

/// The year at the end of a title: `(1979)`.
fn year_of(title: &str) -> Option<&str> {
    let (at, _) = title.char_indices().rev().nth(5)?;
    let year = title[at..].strip_prefix('(')?.strip_suffix(')')?;
    year.chars()
        .all(|c| c.is_ascii_digit())
        .then(|| &title[at..])
}

impl Error {
    /// An [`Error::Unknown`] with the most similar names.
    pub fn unknown<'a>(
        what: &'static str,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Unknown {
            what,
            name: name.to_owned(),
            similar: similar(name, names)
                .into_iter()
                .map(|n| format!("'{n}'"))
                .collect(),
        }
    }
}

impl Catalogue {
    /// The item of a text: `id:…` and `title:…` are explicit; without a prefix the exact external
    /// id comes first, then the exact title, then the title without regard to case.
    ///
    /// # Errors
    /// [`Error::Unknown`] with suggestions, [`Error::Ambiguous`] with the ids that share a title.
    pub fn find(&self, text: &str) -> Result<ItemIdx> {
        if let Some(id) = text.strip_prefix("id:") {
            return self.with_id(id).ok_or_else(|| self.unknown_id(id));
        }
        if let Some(title) = text.strip_prefix("title:") {
            return self
                .with_title(title)?
                .ok_or_else(|| self.unknown_item(title));
        }
        match self.with_id(text) {
            Some(item) => Ok(item),
            None => self
                .with_title(text)?
                .ok_or_else(|| self.unknown_item(text)),
        }
    }

    fn with_id(&self, id: &str) -> Option<ItemIdx> {
        self.items.get(id).map(ItemIdx)
    }

    fn with_title(&self, title: &str) -> Result<Option<ItemIdx>> {
        let of = |same: &dyn Fn(&str) -> bool| -> Vec<ItemIdx> {
            (0..self.titles.len())
                .filter(|&i| !self.titles[i].is_empty() && same(&self.titles[i]))
                .map(|i| ItemIdx(i as u32))
                .collect()
        };
        let mut found = of(&|t| t == title);
        if found.is_empty() {
            let lower = title.to_lowercase();
            found = of(&|t| t.to_lowercase() == lower);
        }
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            several => Err(Error::Ambiguous {
                what: "title",
                name: title.to_owned(),
                candidates: several
                    .iter()
                    .map(|&i| format!("id:{} ({})", self.id(i), self.title(i)))
                    .collect(),
            }),
        }
    }

    fn unknown_id(&self, id: &str) -> Error {
        let ids = self.items.names().iter().map(String::as_str);
        Error::Unknown {
            what: "item with the id",
            name: id.to_owned(),
            similar: similar(id, ids)
                .into_iter()
                .map(|name| self.described(name))
                .collect(),
        }
    }

    fn unknown_item(&self, text: &str) -> Error {
        let titles = similar(text, self.titles.iter().map(String::as_str));
        let mut names: Vec<String> = titles.into_iter().map(|t| format!("'{t}'")).collect();
        if names.is_empty() {
            let ids = self.items.names().iter().map(String::as_str);
            let ids = similar(text, ids).into_iter();
            names = ids.map(|name| self.described(name)).collect();
        }
        Error::Unknown {
            what: "item",
            name: text.to_owned(),
            similar: names,
        }
    }

    fn described(&self, id: &str) -> String {
        match self.with_id(id) {
            Some(item) if self.title(item) != id => format!("id:{id} ({})", self.title(item)),
            _ => format!("id:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ids;

    fn catalogue() -> Catalogue {
        let ids = ["1", "2", "3", "4"].map(String::from).to_vec();
        let mut c = Catalogue::of_items(Ids::from_names(ids).unwrap());
        c.titles = ["Toy Story (1995)", "Alien (1979)", "Heat", "Heat"]
            .map(String::from)
            .to_vec();
        c
    }

    #[test]
    fn ids_come_before_titles() {
        let c = catalogue();
        assert_eq!(c.find("2").unwrap(), ItemIdx(1));
        assert_eq!(c.find("id:2").unwrap(), ItemIdx(1));
        assert_eq!(c.find("alien (1979)").unwrap(), ItemIdx(1));
        assert_eq!(c.find("title:Toy Story (1995)").unwrap(), ItemIdx(0));
    }

    #[test]
    fn errors_about_unknown_items_suggest_similar_ones() {
        let c = catalogue();
        let message = |text: &str| c.find(text).unwrap_err().to_string();
        assert!(message("Toy Stroy (1995)").contains("did you mean 'Toy Story (1995)'?"));
        assert!(message("Alein").contains("did you mean 'Alien (1979)'?"));
        assert!(message("Heat").contains("id:3 (Heat), id:4 (Heat)"));
        assert!(message("title:2").starts_with("unknown item '2'"));
        assert!(message("id:22").contains("id:2 (Alien (1979))"));
    }
}
