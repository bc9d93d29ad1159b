//! Names that look like what was written.

use crate::Error;

/// How many similar names are suggested.
const SUGGESTIONS: usize = 3;

/// Similarity (Jaro–Winkler) below which a name is not suggested.
const SIMILAR: f64 = 0.8;

/// The names most like a text, best first, three at most: those that contain it, are alike letter by
/// letter, or one typing error away.
pub fn similar<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let text = text.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(|name| {
            let lower = name.to_lowercase();
            let long = text.chars().count() >= 3;
            let contained = long && lower.contains(&text);
            // Jaro–Winkler is blind to transpositions in short names such as 'rge'.
            let mistyped = long && strsim::damerau_levenshtein(&text, &lower) == 1;
            let alike = match mistyped {
                true => strsim::jaro_winkler(&text, &lower).max(SIMILAR),
                false => strsim::jaro_winkler(&text, &lower),
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

impl Error {
    /// An [`Error::Unknown`] with the names that are most like what was written.
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
