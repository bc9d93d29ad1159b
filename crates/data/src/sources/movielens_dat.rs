//! MovieLens 1M and 10M (GroupLens, 2003 and 2009): fields split by `::`, no header.
//! `ratings.dat` (user, item, rating, seconds), `movies.dat` (item, title, genres split by `|`;
//! ISO-8859-1 in 1M, UTF-8 in 10M), `tags.dat` (user, item, tag, seconds; 10M only).
//!
//! Also the film facts that MeLU (KDD 2019) published for MovieLens 1M: `movies_extrainfos.dat` with
//! eleven fields. It is read as additional metadata only, never as a file of the data set.

use std::io::BufRead;

use super::builder::{Builder, Draft, Moment};
use super::lines::{Cell, Flaw, Lines, split, text, wrong_count};
use super::meaning::{Meaning, year_of_title};
use super::place::Folder;
use super::{PEEK, Source};
use crate::{Error, Result};

/// Fields of a line of `movies_extrainfos.dat`: id, title, year, age rating, release date, genres,
/// directors, writers, actors, plot, poster.
pub(super) const EXTRA_FIELDS: usize = 11;

pub(super) const SOURCE: Source = Source {
    name: "movielens-dat",
    in_folder: |folder, _| Ok(folder.get("ratings.dat").is_some()),
    in_file: |entry| {
        let is_dat = entry.extension() == "dat";
        Ok(is_dat && split::<9>(&entry.first_line(PEEK)?, b"::").1 == 4)
    },
    read,
    metadata: &["movies.dat", "tags.dat", "movies_extrainfos.dat"],
    ..Source::DEFAULT
};

/// Reads the set.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = folder.single().or_else(|| folder.get("ratings.dat"));
    let entry = entry.ok_or_else(|| {
        Error::source(
            &folder.path,
            format!("has no ratings.dat; found {}", folder.found()),
            "unpack the whole archive",
        )
    })?;
    builder.report.format = "MovieLens, fields split by ::".to_owned();
    builder.file(&entry.stored);
    events(&mut *entry.open()?, &entry.label, builder)?;
    items(folder, builder)
}

/// Whether a line has fields split by `::`; other data sets have tables of the same names.
pub(super) fn is_dat(line: &[u8]) -> bool {
    line.windows(2).any(|w| w == b"::")
}

/// Reads `movies.dat` and `tags.dat`, if present.
pub(super) fn items(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let has = |name: &str| -> Result<_> {
        match folder.get(name) {
            Some(entry) if is_dat(&entry.first_line(PEEK)?) => Ok(Some(entry)),
            _ => Ok(None),
        }
    };
    if let Some(movies) = has("movies.dat")? {
        builder.file(&movies.stored);
        read_movies(&mut *movies.open()?, &movies.label, builder)?;
    }
    if let Some(tags) = has("tags.dat")? {
        builder.file(&tags.stored);
        read_tags(&mut *tags.open()?, &tags.label, builder)?;
    }
    Ok(())
}

/// Reads events from a stream: `user::item::rating::seconds`.
pub(super) fn events(
    reader: &mut dyn BufRead,
    label: &str,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<5>(lines.current(), b"::");
        let outcome = if n == 4 {
            builder.event(&Draft {
                user: cells[0],
                item: cells[1],
                value: Some(cells[2]),
                time: Some(Moment::Text(cells[3])),
                behavior: 0,
                part: None,
            })
        } else {
            let expected = "user, item, rating and time split by '::'";
            Err(wrong_count(&cells[..n], expected, n > 4))
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// The last field of a line that may hold the separator earlier: `(before, last)`.
fn last_field(line: Cell<'_>) -> Option<(Cell<'_>, Cell<'_>)> {
    let at = line.text.windows(2).rposition(|w| w == b"::")?;
    let (before, last) = (&line.text[..at], &line.text[at + 2..]);
    Some((
        Cell {
            text: before,
            at: line.at,
        },
        Cell {
            text: last,
            at: line.at + at + 2,
        },
    ))
}

/// Reads `item::title::genre|genre` lines; a title may hold `::`.
pub(super) fn read_movies(
    reader: &mut dyn BufRead,
    label: &str,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<2>(lines.current(), b"::");
        let outcome = match last_field(cells[1]).filter(|_| n == 2) {
            Some((title, genres)) => movie(cells[0], title, genres, builder),
            None => Err(wrong_count(
                &cells[..n],
                "item, title and genres split by '::'",
                false,
            )),
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

fn movie(
    id: Cell<'_>,
    title: Cell<'_>,
    genres: Cell<'_>,
    builder: &mut Builder<'_>,
) -> std::result::Result<(), Flaw> {
    let (title, genres) = (text(title, true)?, text(genres, true)?);
    let Some(item) = builder.item(id)? else {
        return Ok(());
    };
    builder.title(item, &title);
    if let Some(year) = year_of_title(&title) {
        builder.fact("year", item, year);
    }
    Meaning::of("genres").give_list(builder, item, &genres);
    Ok(())
}

/// Reads `user::item::tag::seconds` lines; a tag may hold `::`. Tags are counted without case.
pub(super) fn read_tags(
    reader: &mut dyn BufRead,
    label: &str,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<3>(lines.current(), b"::");
        let outcome = match last_field(cells[2]).filter(|_| n == 3) {
            Some((tag, _)) => text(tag, false).and_then(|tag| {
                if let Some(item) = builder.item(cells[1])? {
                    builder.count("tag", item, &tag.to_lowercase());
                }
                Ok(())
            }),
            None => Err(wrong_count(
                &cells[..n],
                "user, item, tag and time split by '::'",
                false,
            )),
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// Reads the lines of `movies_extrainfos.dat`: title, year, genres, directors (`maker`) and actors.
pub(super) fn read_extra(
    reader: &mut dyn BufRead,
    label: &str,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<EXTRA_FIELDS>(lines.current(), b"::");
        let outcome = if n == EXTRA_FIELDS {
            extra(&cells, builder)
        } else {
            let words = format!("{EXTRA_FIELDS} fields split by '::'");
            Err(wrong_count(&cells[..n], &words, false))
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

fn extra(
    cells: &[Cell<'_>; EXTRA_FIELDS],
    builder: &mut Builder<'_>,
) -> std::result::Result<(), Flaw> {
    let Some(item) = builder.item(cells[0])? else {
        return Ok(());
    };
    let (title, year) = (text(cells[1], false)?, text(cells[2], false)?);
    builder.title(item, &format!("{} ({})", title.trim(), year.trim()));
    Meaning::Year.give(builder, item, &year);
    for (field, at) in [("genre", 5), ("director", 6), ("actor", 8)] {
        let meaning = Meaning::of(field);
        for value in text(cells[at], false)?.split(", ") {
            meaning.give(builder, item, value);
        }
    }
    Ok(())
}
