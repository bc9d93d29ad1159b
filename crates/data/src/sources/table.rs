//! Tables with a separator: CSV, TSV and their like, with quoting as in RFC 4180.
//!
//! Columns are taken by option, else by the names of the header. A table without a header is read
//! where a column is given by number; with two to four columns the others follow in the order user,
//! item, value, time.

use std::io::BufRead;

use super::builder::{Builder, Draft, Moment};
use super::columns::{Layout, wrong_fields};
use super::lines::{Cell, Lines, text};
use super::options::{Columns, Quote, ReadOptions};
use super::place::{Entry, Folder};
use super::records::{Quoting, Records};
use super::{PEEK, Source, the_table};
use crate::log::GivenSubset;
use crate::{Error, Result};

/// Separators that are looked for, where one counts as often as another in this order.
const SEPARATORS: [u8; 4] = *b"\t,;|";

/// The last of the list: any file that no other format recognizes is taken for a table.
pub(super) const SOURCE: Source = Source {
    name: "table",
    in_file: |_| Ok(true),
    read,
    columns: true,
    separator: true,
    ..Source::DEFAULT
};

/// Reads the one table of a folder, or `events` beside `items`.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = the_table(folder)?;
    let separator = separator(entry, builder.options.separator)?;
    builder.report.format = format!("table separated by {}", named(separator));
    builder.file(&entry.stored);
    let columns = builder.options.columns.clone();
    events(
        &mut *entry.open()?,
        &entry.label,
        separator,
        &columns,
        None,
        builder,
    )?;
    super::items_beside(folder, entry, builder)
}

/// What a separator is called.
fn named(separator: u8) -> String {
    match separator {
        b'\t' => "tabs".to_owned(),
        b' ' => "spaces".to_owned(),
        other => format!("'{}'", char::from(other)),
    }
}

/// The separator of a table: the one given, else the one that its first line holds most often.
pub(super) fn separator(entry: &Entry<'_>, given: Option<char>) -> Result<u8> {
    if let Some(given) = given {
        return u8::try_from(given)
            .ok()
            .filter(|b| b.is_ascii() && !matches!(b, b'"' | b'\n' | b'\r'))
            .ok_or_else(|| {
                Error::option(
                    "--separator",
                    format!("must be one ASCII character and not a quote, but is {given:?}"),
                    "use a comma, a semicolon, a tab or '|'",
                )
            });
    }
    Ok(sniff(&entry.first_line(PEEK)?))
}

/// The separator that a line holds most often outside of quotes; a space where there is none.
fn sniff(line: &[u8]) -> u8 {
    let mut counts = [0usize; SEPARATORS.len()];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some(at) = SEPARATORS
            .iter()
            .position(|s| s == byte)
            .filter(|_| !quoted)
        {
            counts[at] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    match counts.iter().position(|&n| n == most && n > 0) {
        Some(at) => SEPARATORS[at],
        None if line.contains(&b' ') => b' ',
        None => b',',
    }
}

/// What a quote means in a table: as the options say, else strict, and lenient between tabs, since tools
/// that write tabs often do not quote.
pub(super) fn quoting(separator: u8, options: &ReadOptions) -> Quoting {
    match options.quote {
        Some(Quote::Double) => Quoting::Strict,
        Some(Quote::None) => Quoting::None,
        None if separator == b'\t' => Quoting::Lenient,
        None => Quoting::Strict,
    }
}

/// Notes the quotes that were read as text.
pub(super) fn note_literal(records: &Records<'_>, builder: &mut Builder<'_>) {
    let n = records.n_literal();
    if n > 0 {
        builder.note(format!(
            "{}: {n} fields begin with a quote that does not close; it was read as text (--quote double \
             refuses it)",
            records.label()
        ));
    }
}

/// Reads the events of a table from a stream.
pub(super) fn events(
    reader: &mut dyn BufRead,
    label: &str,
    separator: u8,
    columns: &Columns,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let quoting = quoting(separator, builder.options);
    let mut records = Records::new(Lines::new(reader, label), separator, quoting);
    let Some(first) = header(&mut records)? else {
        return Ok(());
    };
    let mut layout = Layout::of(&first, columns, records.label())?;
    // The first record is an event itself if it is not a header.
    let mut outcome = (!layout.has_header).then_some(Ok(()));
    let mut is_first = true;
    loop {
        let record = match outcome.take() {
            Some(first) => first,
            None => match records.advance()? {
                Some(record) => record,
                None => break,
            },
        };
        if std::mem::take(&mut is_first) {
            if record.is_ok() && records.len() == layout.n_fields {
                layout.doubt(&first, |at| records.cell(at), builder);
            }
            builder.columns(&layout, &first);
        }
        let settled = record.and_then(|()| event(&records, &layout, part, builder));
        match settled {
            Ok(()) => builder.settle(label, records.line(), Ok(()))?,
            Err(flaw) => {
                let (line, flaw) = records.place(flaw);
                builder.settle(label, line, Err(flaw))?;
            }
        }
    }
    note_literal(&records, builder);
    Ok(())
}

/// The first record as text; `None` where the stream is empty.
pub(super) fn header(records: &mut Records<'_>) -> Result<Option<Vec<String>>> {
    let Some(first) = records.advance()? else {
        return Ok(None);
    };
    let names = first.and_then(|()| {
        records
            .cells()
            .map(|cell| Ok(text(cell.trim(), false)?.into_owned()))
            .collect::<std::result::Result<Vec<_>, _>>()
    });
    names.map(Some).map_err(|flaw| {
        let (line, flaw) = records.place(flaw);
        flaw.into_error(records.label(), line)
    })
}

/// Adds the event of a record.
fn event(
    records: &Records<'_>,
    layout: &Layout,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> std::result::Result<(), super::lines::Flaw> {
    if records.len() != layout.n_fields {
        let last = records.cell(records.len().saturating_sub(1));
        return Err(wrong_fields(records.len(), layout.n_fields, last));
    }
    let cell = |at: usize| records.cell(at).unwrap_or(Cell { text: b"", at: 0 });
    let behavior = match layout.behavior {
        None => 0,
        Some(at) => {
            let name = text(cell(at).trim(), false)?;
            if name.is_empty() {
                let flaw =
                    super::lines::Flaw::new(cell(at).at, "empty behavior", "the behavior is empty");
                return Err(flaw);
            }
            builder.behavior(&name).map_err(|mut flaw| {
                flaw.at = cell(at).at;
                flaw
            })?
        }
    };
    builder.event(&Draft {
        user: cell(layout.user),
        item: cell(layout.item),
        value: layout.value.map(cell),
        time: layout.time.map(|at| Moment::Text(cell(at))),
        behavior,
        part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_found_outside_of_quotes() {
        assert_eq!(sniff(b"a,b;c,d"), b',');
        assert_eq!(sniff(b"a\tb,c"), b'\t');
        assert_eq!(sniff(b"\"a,b,c\";d"), b';');
        assert_eq!(sniff(b"a b"), b' ');
        assert_eq!(sniff(b"a"), b',');
        assert_eq!(sniff(b""), b',');
    }
}
