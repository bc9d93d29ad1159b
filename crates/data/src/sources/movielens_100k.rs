//! MovieLens 100K (GroupLens, 1998): `u.data` (user, item, rating, seconds; tabs), `u.item` (fields
//! split by `|`, ISO-8859-1, 19 genre flags), `u.genre`, and the official splits `u1.base`/`u1.test` …
//! `u5`, `ua`, `ub`.

use std::io::BufRead;

use super::Source;
use super::builder::{Builder, Draft, Moment};
use super::lines::{Lines, split, text, wrong_count};
use super::meaning::year_of_title;
use super::place::{Entry, Folder};
use crate::log::GivenSubset;
use crate::{Error, Result};

/// Fields of a line of `u.item` before the genre flags: id, title, two dates, address.
const BEFORE_GENRES: usize = 5;

/// The most genre flags that are read.
const MOST_GENRES: usize = 59;

/// The genres in the order of their flags, for copies without `u.genre`.
const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

pub(super) const SOURCE: Source = Source {
    name: "movielens-100k",
    in_folder: |folder, options| Ok(is_here(folder, options.given.as_deref())),
    in_file: |entry| Ok(entry.name == "u.data"),
    read,
    metadata: &["u.item"],
    named_splits: true,
    ..Source::DEFAULT
};

/// Whether the folder holds this set or one of its splits.
fn is_here(folder: &Folder<'_>, given: Option<&str>) -> bool {
    folder.get("u.data").is_some()
        || given.is_some_and(|g| folder.get(&format!("{g}.base")).is_some())
}

/// Reads the set, or one of its splits.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "MovieLens 100K".to_owned();
    match builder.options.given.clone() {
        None => {
            let entry = folder.single().or_else(|| folder.get("u.data"));
            let entry = entry.ok_or_else(|| missing(folder, "u.data"))?;
            read_events(entry, None, builder)?;
            if folder.single().is_none() {
                builder.report.given_splits = splits(folder);
            }
        }
        Some(given) => {
            for (end, part) in [("base", GivenSubset::Train), ("test", GivenSubset::Test)] {
                let name = format!("{given}.{end}");
                let entry = folder.get(&name).ok_or_else(|| missing(folder, &name))?;
                read_events(entry, Some(part), builder)?;
            }
        }
    }
    items(folder, builder)
}

/// The names of the splits that the set comes with.
fn splits(folder: &Folder<'_>) -> Vec<String> {
    folder
        .top()
        .filter_map(|e| e.name.strip_suffix(".base"))
        .filter(|name| folder.get(&format!("{name}.test")).is_some())
        .map(str::to_owned)
        .collect()
}

fn missing(folder: &Folder<'_>, name: &str) -> Error {
    let splits = splits(folder);
    let hint = if splits.is_empty() {
        "unpack all of ml-100k.zip".to_owned()
    } else {
        format!("its splits are {}", splits.join(", "))
    };
    Error::source(
        &folder.path,
        format!("has no {name}; found {}", folder.found()),
        hint,
    )
}

fn read_events(
    entry: &Entry<'_>,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    builder.file(&entry.stored);
    events(&mut *entry.open()?, &entry.label, part, builder)
}

/// Reads events from a stream: `user item rating seconds`, split by tabs.
pub(super) fn events(
    reader: &mut dyn BufRead,
    label: &str,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<5>(lines.current(), b"\t");
        let outcome = if n == 4 {
            builder.event(&Draft {
                user: cells[0],
                item: cells[1],
                value: Some(cells[2]),
                time: Some(Moment::Text(cells[3])),
                behavior: 0,
                part,
            })
        } else {
            let expected = "user, item, rating and time split by tabs";
            Err(wrong_count(&cells[..n], expected, n > 4))
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// Reads `u.genre` and `u.item`, if present.
pub(super) fn items(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let Some(entry) = folder.get("u.item") else {
        return Ok(());
    };
    let genres = match folder.get("u.genre") {
        Some(genre) => {
            builder.file(&genre.stored);
            read_genres(&mut *genre.open()?, &genre.label, builder)?
        }
        None => GENRES.map(str::to_owned).to_vec(),
    };
    builder.file(&entry.stored);
    read_items(&mut *entry.open()?, &entry.label, &genres, builder)
}

/// Reads `name|index` lines; the names by their index.
fn read_genres(
    reader: &mut dyn BufRead,
    label: &str,
    builder: &mut Builder<'_>,
) -> Result<Vec<String>> {
    let mut lines = Lines::new(reader, label);
    let mut genres = Vec::new();
    while lines.advance_to_text()? {
        let (cells, n) = split::<3>(lines.current(), b"|");
        let index = std::str::from_utf8(cells[1].trim().text)
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|&index| n == 2 && index < MOST_GENRES);
        let outcome = match index {
            Some(index) => text(cells[0].trim(), true).map(|name| {
                if genres.len() <= index {
                    genres.resize(index + 1, String::new());
                }
                genres[index] = name.into_owned();
            }),
            None => Err(wrong_count(
                &cells[..n],
                "a genre and its number below 59 split by '|'",
                n > 2,
            )),
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(genres)
}

/// Reads `id|title|date|video date|address|flags …` lines.
fn read_items(
    reader: &mut dyn BufRead,
    label: &str,
    genres: &[String],
    builder: &mut Builder<'_>,
) -> Result<()> {
    let expected = BEFORE_GENRES + genres.len();
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<{ BEFORE_GENRES + MOST_GENRES + 1 }>(lines.current(), b"|");
        let outcome = if n == expected {
            builder.item(cells[0]).and_then(|item| {
                let Some(item) = item else { return Ok(()) };
                let title = text(cells[1], true)?;
                builder.title(item, &title);
                if let Some(year) = year_of_title(&title) {
                    builder.fact("year", item, year);
                }
                for (genre, flag) in genres.iter().zip(&cells[BEFORE_GENRES..]) {
                    if flag.trim().text == b"1" && genre != "unknown" {
                        builder.fact("genre", item, genre);
                    }
                }
                Ok(())
            })
        } else {
            let words = format!("{expected} fields split by '|' ({} genres)", genres.len());
            Err(wrong_count(&cells[..n], &words, n > expected))
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}
