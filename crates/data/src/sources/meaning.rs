//! What a column of item metadata means, by its name.

use super::builder::Builder;
use super::columns::{is_item_id, plain};

/// What to do with the values of a metadata column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The title of the item.
    Title,
    /// The year of the item, or a date with it.
    Year,
    /// A field; `known` where the name is a usual one.
    Field {
        /// Its name, singular and lower case.
        name: String,
        /// Whether the field is kept whatever its values look like.
        known: bool,
    },
    /// Other ids, prose, links, pictures.
    Nothing,
}

/// Usual names of fields, and the one that they get here.
const FIELDS: [(&str, &[&str]); 6] = [
    ("genre", &["genre", "class"]),
    (
        "category",
        &["category", "maincategory", "maincat", "categoryid"],
    ),
    ("tag", &["tag", "keyword", "label"]),
    (
        "maker",
        &[
            "maker",
            "director",
            "brand",
            "artist",
            "author",
            "bookauthor",
            "manufacturer",
            "studio",
        ],
    ),
    ("actor", &["actor", "cast", "star"]),
    ("language", &["language", "originallanguage", "lang"]),
];

/// Names that hold prose or links.
const NOTHING: &[&str] = &[
    "description",
    "plot",
    "overview",
    "summary",
    "text",
    "abstract",
    "body",
    "content",
    "feature",
    "url",
    "uri",
    "link",
    "image",
    "imageurl",
    "imurl",
    "picture",
    "poster",
    "posterurl",
    "imdburl",
    "homepage",
    "video",
    "detail",
];

impl Meaning {
    /// The meaning of a column. ReChorus's marks (`i_` for items, `r_` for relations, `_c` for
    /// codes) are skipped.
    pub(super) fn of(column: &str) -> Self {
        let name = column
            .split(':')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase();
        let base = bare(&name);
        let plain = plain(base);
        // A code replaces a title or a set of genres; only texts can be shown.
        let coded = is_code(&name);
        if plain.is_empty() || is_item_id(base) {
            return Self::Nothing;
        }
        if plain.contains("title") || ["name", "itemname", "productname"].contains(&plain.as_str())
        {
            return if coded { Self::Nothing } else { Self::Title };
        }
        if plain.contains("year") || plain == "releasedate" || plain == "publicationdate" {
            return if coded { Self::Nothing } else { Self::Year };
        }
        let one = singular(&plain);
        if NOTHING.contains(&one.as_str()) {
            return Self::Nothing;
        }
        for (field, names) in FIELDS {
            if names.contains(&one.as_str()) {
                return Self::Field {
                    name: field.to_owned(),
                    known: true,
                };
            }
        }
        Self::Field {
            name: singular(base),
            known: name.starts_with("r_"),
        }
    }

    /// Gives an item the value of such a column.
    pub(super) fn give(&self, builder: &mut Builder<'_>, item: u32, value: &str) {
        let value = value.trim();
        // What a user wrote as a tag is a tag, even "unknown".
        let is_tag = matches!(self, Self::Field { name, .. } if name == "tag");
        if !is_tag && is_empty(value) {
            return;
        }
        match self {
            Self::Title => builder.title(item, value),
            Self::Year => {
                if let Some(year) = year(value) {
                    builder.fact("year", item, year);
                }
            }
            Self::Field { name, known: true } if name == "tag" => {
                builder.count(name, item, &value.to_lowercase());
            }
            Self::Field { name, known: true } => builder.fact(name, item, value),
            Self::Field { name, known: false } => {
                // Measurements such as prices and mean ratings group no items.
                let measured = value.contains('.') && value.parse::<f64>().is_ok();
                if !measured {
                    builder.guess(name, item, value);
                }
            }
            Self::Nothing => {}
        }
    }

    /// Gives an item the values of a cell that may hold a list: `[a, b]`, `a|b`, and for fields of
    /// a usual name `a;b`.
    pub(super) fn give_list(&self, builder: &mut Builder<'_>, item: u32, cell: &str) {
        let cell = cell.trim();
        let Self::Field { known, .. } = self else {
            return self.give(builder, item, cell);
        };
        if let Some(inner) = cell.strip_prefix('[').and_then(|c| c.strip_suffix(']')) {
            bracketed(inner, &mut |value| self.give(builder, item, value));
        } else if *known && !cell.contains('|') && cell.contains(';') {
            cell.split(';')
                .for_each(|value| self.give(builder, item, value));
        } else {
            cell.split('|')
                .for_each(|value| self.give(builder, item, value));
        }
    }
}

/// The name without the marks of ReChorus.
pub(super) fn bare(name: &str) -> &str {
    let name = name
        .strip_prefix("i_")
        .or_else(|| name.strip_prefix("r_"))
        .unwrap_or(name);
    ["_c", "_f", "_s"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name)
}

/// Whether a column of ReChorus holds codes.
pub(super) fn is_code(name: &str) -> bool {
    name.starts_with("i_") && name.ends_with("_c")
}

/// Whether a value says that there is none.
fn is_empty(value: &str) -> bool {
    value.is_empty()
        || ["n/a", "nan", "null", "unknown", "(no genres listed)"]
            .iter()
            .any(|none| value.eq_ignore_ascii_case(none))
}

/// The values of a list such as `'a', "b, c", 3`.
fn bracketed(inner: &str, each: &mut impl FnMut(&str)) {
    let mut rest = inner.trim_start();
    while let Some(first) = rest.chars().next() {
        let quote = (first == '"' || first == '\'').then_some(first);
        let body = if quote.is_some() { &rest[1..] } else { rest };
        let end = body.find(quote.unwrap_or(',')).unwrap_or(body.len());
        each(&body[..end]);
        let after = &body[end..];
        rest = match after.find(',') {
            Some(comma) => after[comma + 1..].trim_start(),
            None => "",
        };
    }
}

/// An English noun in the singular, as far as a rule of thumb goes.
fn singular(noun: &str) -> String {
    if let Some(stem) = noun
        .strip_suffix("ies")
        .filter(|s| s.len() > 1 && *s != "ser")
    {
        return format!("{stem}y");
    }
    let plural = noun.len() > 3
        && noun.ends_with('s')
        && !["ss", "us", "is", "series"]
            .iter()
            .any(|end| noun.ends_with(end));
    noun[..noun.len() - usize::from(plural)].to_owned()
}

/// The first run of exactly four digits between 1000 and 2100.
fn year(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_digit())
        .find(|run| run.len() == 4 && (1000..2100).contains(&run.parse::<u32>().unwrap_or(0)))
}

/// The year in parentheses at the end of a title: 1995 of `Toy Story (1995)`.
pub(super) fn year_of_title(title: &str) -> Option<&str> {
    let inner = title.trim_end().strip_suffix(')')?;
    let (_, digits) = inner.rsplit_once('(')?;
    year(digits).filter(|y| *y == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, known: bool) -> Meaning {
        Meaning::Field {
            name: name.into(),
            known,
        }
    }

    #[test]
    fn columns_have_meanings() {
        for (column, meaning) in [
            ("movie_title:token_seq", Meaning::Title),
            ("Name", Meaning::Title),
            ("release_year:token", Meaning::Year),
            ("class:token_seq", field("genre", true)),
            ("genres", field("genre", true)),
            ("categories", field("category", true)),
            ("i_category", field("category", true)),
            ("Directors", field("maker", true)),
            ("r_complement", field("complement", true)),
            ("i_title_c", Meaning::Nothing),
            ("i_price_level", field("price_level", false)),
            ("movieId", Meaning::Nothing),
            ("description", Meaning::Nothing),
            ("mood", field("mood", false)),
            ("series", field("series", false)),
            ("", Meaning::Nothing),
        ] {
            assert_eq!(Meaning::of(column), meaning, "{column}");
        }
    }

    #[test]
    fn lists_in_brackets() {
        let read = |inner: &str| {
            let mut out = Vec::new();
            bracketed(inner, &mut |v| out.push(v.trim().to_owned()));
            out
        };
        assert_eq!(read("6285, 194"), ["6285", "194"]);
        assert_eq!(read("'a', \"b, c\",d"), ["a", "b, c", "d"]);
        assert!(read("").is_empty());
        assert_eq!(read("'open, x"), ["open, x"]);
    }

    #[test]
    fn years() {
        assert_eq!(year_of_title("Toy Story (1995)"), Some("1995"));
        assert_eq!(year_of_title("2001: A Space Odyssey (1968) "), Some("1968"));
        assert_eq!(year_of_title("Babylon 5"), None);
        assert_eq!(year_of_title("Series (1995-1997)"), None);
        assert_eq!(year("22 Nov 1995"), Some("1995"));
        assert_eq!(year("19955"), None);
    }
}
