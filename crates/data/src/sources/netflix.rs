//! Netflix Prize (2006): `combined_data_1.txt` … `combined_data_4.txt`, blocks of one line `movie:`
//! and lines `customer,rating,date`. `movie_titles.csv` holds `movie,year,title` without header and
//! quotes, in ISO-8859-1; titles may contain commas.

use std::io::BufRead;

use super::Source;
use super::builder::{Builder, Draft, Moment};
use super::lines::{Cell, Flaw, Lines, split, text, wrong_count};
use super::place::{Entry, Folder};
use crate::{Error, Result};

pub(super) const SOURCE: Source = Source {
    name: "netflix",
    in_folder: |folder, _| Ok(folder.top().any(is_events)),
    in_file: |entry| Ok(is_events(entry)),
    read,
    metadata: &["movie_titles.csv"],
    ..Source::DEFAULT
};

fn is_events(entry: &Entry<'_>) -> bool {
    entry.name.starts_with("combined_data_") && entry.extension() == "txt"
}

/// Reads the data set, or one of its files.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "Netflix Prize".to_owned();
    let files: Vec<&Entry<'_>> = match folder.single() {
        Some(one) => vec![one],
        None => folder.top().filter(|e| is_events(e)).collect(),
    };
    if files.is_empty() {
        return Err(Error::source(
            &folder.path,
            format!("has no combined_data_1.txt; found {}", folder.found()),
            "unpack the whole archive",
        ));
    }
    for entry in files {
        builder.file(&entry.stored);
        events(&mut *entry.open()?, &entry.label, builder)?;
    }
    if let Some(titles) = folder.get("movie_titles.csv") {
        builder.file(&titles.stored);
        movies(&mut *titles.open()?, &titles.label, builder)?;
    }
    Ok(())
}

/// Reads blocks of `movie:` and `customer,rating,date` lines.
fn events(reader: &mut dyn BufRead, label: &str, builder: &mut Builder<'_>) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    let mut movie: Option<Vec<u8>> = None;
    while lines.advance_to_text()? {
        let line = lines.current();
        if let Some(id) = line.trim_ascii_end().strip_suffix(b":") {
            movie = Some(id.to_vec());
            continue;
        }
        let (cells, n) = split::<4>(line, b",");
        let outcome = match &movie {
            Some(movie) if n == 3 => builder.event(&Draft {
                user: cells[0],
                item: Cell { text: movie, at: 0 },
                value: Some(cells[1]),
                time: Some(Moment::Text(cells[2])),
                behavior: 0,
                part: None,
            }),
            Some(_) => {
                let expected = "customer, rating and date split by commas";
                Err(wrong_count(&cells[..n], expected, n > 3))
            }
            None => {
                let rule = "a rating must follow a line with its movie, such as '1:'";
                Err(Flaw::new(0, "missing movie", rule))
            }
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// Reads `movie,year,title` lines.
fn movies(reader: &mut dyn BufRead, label: &str, builder: &mut Builder<'_>) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    while lines.advance_to_text()? {
        let (cells, n) = split::<3>(lines.current(), b",");
        let outcome = match n {
            3 => movie(cells, builder),
            _ => Err(wrong_count(&cells[..n], "movie, year and title", false)),
        };
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

fn movie(
    [id, year, title]: [Cell<'_>; 3],
    builder: &mut Builder<'_>,
) -> std::result::Result<(), Flaw> {
    let (year, title) = (text(year, false)?, text(title, true)?);
    if let Some(item) = builder.item(id)? {
        builder.title(item, &title);
        if &*year != "NULL" {
            builder.fact("year", item, &year);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::sources::{ReadOptions, read_bytes};

    #[test]
    fn blocks_of_a_movie_and_its_titles() {
        let events = b"1:\n7,3,2005-09-06\n9,5,2005-05-13\n2:\n7,1,2005-09-07\n";
        let titles = b"1,2003,Caf\xe9, the Movie\n2,NULL,Other\n";
        let log = read_bytes(
            "netflix",
            &[
                ("combined_data_1.txt", events.as_slice()),
                ("movie_titles.csv", titles.as_slice()),
            ],
            &ReadOptions::default(),
        )
        .unwrap();
        assert_eq!(log.report.format, "Netflix Prize");
        assert_eq!(log.value, Some(vec![3.0, 5.0, 1.0]));
        assert_eq!(log.time.unwrap()[0], 1_125_964_800);
        let first = log.items.get("1").unwrap();
        assert_eq!(log.titles[first as usize], "Café, the Movie");
        assert_eq!(log.fields[0].values.names(), ["2003"]);

        let error = read_bytes(
            "netflix",
            &[("combined_data_1.txt", b"7,3,2005-09-06\n".as_slice())],
            &ReadOptions::default(),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "combined_data_1.txt:1:1: a rating must follow a line with its movie, such as '1:'; \
             fix the line, or skip malformed lines with --on-error skip"
        );
    }
}
