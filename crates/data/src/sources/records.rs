//! Records of a table with a separator: quoted as in RFC 4180, where fields may hold separators, line ends
//! and doubled quotes, or not quoted at all. An open quote and text after a closing one are refused, or
//! belong to the text (see [`Quoting`]). Records know the place of every field.

use std::collections::VecDeque;

use super::lines::{Cell, Flaw, LONGEST_LINE, Lines};
use crate::Result;

/// Lines that a quoted field may span; beyond, its quote counts as open.
const MOST_LINES: usize = 1000;

/// What a quote at the start of a field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// It opens a quoted field, which must close.
    Strict,
    /// It opens a quoted field if that closes on the same line; else it belongs to the text.
    Lenient,
    /// It is a character like any other.
    None,
}

/// The records of a stream, one at a time.
pub(crate) struct Records<'r> {
    lines: Lines<'r>,
    separator: u8,
    quoting: Quoting,
    /// Fields that begin with a quote which belongs to the text.
    n_literal: usize,
    /// Lines that were read in search of a closing quote that never came.
    again: VecDeque<(u64, Vec<u8>)>,
    /// The raw text of the record, its lines joined by LF.
    text: Vec<u8>,
    /// The number of each of its lines, and where it begins in `text`.
    starts: Vec<(u64, usize)>,
    /// The fields without quotes, one after the other.
    data: Vec<u8>,
    /// The range of each field in `data` (from, to) and its start in `text`.
    fields: Vec<(usize, usize, usize)>,
}

impl<'r> Records<'r> {
    /// The records of a stream.
    pub(crate) fn new(lines: Lines<'r>, separator: u8, quoting: Quoting) -> Self {
        Self {
            lines,
            separator,
            quoting,
            n_literal: 0,
            again: VecDeque::new(),
            text: Vec::new(),
            starts: Vec::new(),
            data: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// What errors call the stream.
    pub(crate) fn label(&self) -> &'r str {
        self.lines.label()
    }

    /// Number of fields so far that begin with a quote which belongs to the text.
    pub(crate) fn n_literal(&self) -> usize {
        self.n_literal
    }

    /// The number of the line in which the record begins.
    pub(crate) fn line(&self) -> u64 {
        self.starts.first().map_or(self.lines.number(), |&(n, _)| n)
    }

    /// Number of fields of the record.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field of the record.
    pub(crate) fn cell(&self, index: usize) -> Option<Cell<'_>> {
        let &(from, to, at) = self.fields.get(index)?;
        Some(Cell {
            text: &self.data[from..to],
            at,
        })
    }

    /// All fields of the record.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.len()).filter_map(|i| self.cell(i))
    }

    /// A flaw of the record with its line; its place is counted from the start of that line.
    pub(crate) fn place(&self, mut flaw: Flaw) -> (u64, Flaw) {
        let start = self.starts.iter().rev().find(|&&(_, at)| at <= flaw.at);
        let &(line, at) = start.unwrap_or(&(self.lines.number(), 0));
        flaw.at -= at.min(flaw.at);
        (line, flaw)
    }

    /// Reads the next record: `None` at the end, a flaw where its quotes do not close.
    pub(crate) fn advance(&mut self) -> Result<Option<std::result::Result<(), Flaw>>> {
        self.text.clear();
        self.starts.clear();
        self.data.clear();
        self.fields.clear();
        loop {
            if !self.take_line()? {
                return Ok(None);
            }
            if !self.text.trim_ascii().is_empty() {
                break;
            }
            self.text.clear();
            self.starts.clear();
        }
        if self.quoting == Quoting::None || !self.text.contains(&b'"') {
            self.data.extend_from_slice(&self.text);
            let mut from = 0;
            for cell in self.text.split(|&b| b == self.separator) {
                self.fields.push((from, from + cell.len(), from));
                from += cell.len() + 1;
            }
            return Ok(Some(Ok(())));
        }
        let mut at = 0;
        loop {
            let from = self.data.len();
            let began = at;
            let opens = self.text.get(at) == Some(&b'"');
            let literal = opens && self.quoting == Quoting::Lenient && !self.closes(at);
            self.n_literal += usize::from(literal);
            if opens && !literal {
                match self.quoted(at)? {
                    Ok(after) => at = after,
                    Err(flaw) => return Ok(Some(Err(flaw))),
                }
            } else {
                let rest = &self.text[at..];
                let end = rest.iter().position(|&b| b == self.separator);
                let cell = &rest[..end.unwrap_or(rest.len())];
                self.data.extend_from_slice(cell);
                at += cell.len();
            }
            self.fields.push((from, self.data.len(), began));
            match self.text.get(at) {
                None => return Ok(Some(Ok(()))),
                Some(&b) if b == self.separator => at += 1,
                Some(_) => {
                    let flaw = Flaw::new(at, "bad quote", "text follows a closing quote")
                        .hint("double the quotes inside a quoted field, or read the table without quoting with --quote none");
                    return Ok(Some(Err(flaw)));
                }
            }
        }
    }

    /// Whether the quoted field that opens at `open` closes within the text of the record, at a separator
    /// or the end.
    fn closes(&self, open: usize) -> bool {
        let mut at = open + 1;
        while let Some(quote) = self.text[at..].iter().position(|&b| b == b'"') {
            at += quote + 1;
            match self.text.get(at) {
                Some(b'"') => at += 1,
                Some(&b) => return b == self.separator,
                None => return true,
            }
        }
        false
    }

    /// Copies a quoted field that opens at `open`; gives the place after its closing quote.
    fn quoted(&mut self, open: usize) -> Result<std::result::Result<usize, Flaw>> {
        let mut at = open + 1;
        loop {
            let rest = &self.text[at..];
            let Some(quote) = rest.iter().position(|&b| b == b'"') else {
                self.data.extend_from_slice(rest);
                self.data.push(b'\n');
                at = self.text.len() + 1;
                let more = self.starts.len() < MOST_LINES && self.text.len() < LONGEST_LINE;
                if more && self.take_line()? {
                    continue;
                }
                self.give_back();
                return Ok(Err(Flaw::new(
                    open,
                    "open quote",
                    format!("the quote that opens here does not close within {MOST_LINES} lines"),
                )
                .hint(
                    "close it, double it inside a quoted field, or read the table without quoting with \
                     --quote none",
                )));
            };
            self.data.extend_from_slice(&rest[..quote]);
            at += quote + 1;
            if self.text.get(at) == Some(&b'"') {
                self.data.push(b'"');
                at += 1;
            } else {
                return Ok(Ok(at));
            }
        }
    }

    /// Adds the next line to the text of the record.
    fn take_line(&mut self) -> Result<bool> {
        if !self.starts.is_empty() {
            self.text.push(b'\n');
        }
        if let Some((number, line)) = self.again.pop_front() {
            self.starts.push((number, self.text.len()));
            self.text.extend_from_slice(&line);
        } else if self.lines.advance()? {
            self.starts.push((self.lines.number(), self.text.len()));
            self.text.extend_from_slice(self.lines.current());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Keeps all lines of the record but the first, to read them again as records of their own.
    fn give_back(&mut self) {
        let mut end = self.text.len();
        for &(number, start) in self.starts.iter().skip(1).rev() {
            let line = &self.text[start..end];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            self.again.push_front((number, line.to_vec()));
            end = start;
        }
        self.starts.truncate(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a record, or the line, place and kind of its flaw.
    type Outcome = std::result::Result<Vec<String>, (u64, usize, &'static str)>;

    /// Every record as its fields, or as the place and kind of its flaw.
    fn read(text: &str) -> Vec<Outcome> {
        read_as(text, Quoting::Strict)
    }

    fn read_as(text: &str, quoting: Quoting) -> Vec<Outcome> {
        let mut reader = text.as_bytes();
        let mut records = Records::new(Lines::new(&mut reader, "f"), b',', quoting);
        let mut out = Vec::new();
        while let Some(record) = records.advance().unwrap() {
            out.push(match record {
                Ok(()) => Ok(records
                    .cells()
                    .map(|c| String::from_utf8_lossy(c.text).into_owned())
                    .collect()),
                Err(flaw) => {
                    let (line, flaw) = records.place(flaw);
                    Err((line, flaw.at, flaw.kind))
                }
            });
        }
        out
    }

    fn row(cells: &[&str]) -> Outcome {
        Ok(cells.iter().map(|&c| c.to_owned()).collect())
    }

    #[test]
    fn fields_with_and_without_quotes() {
        assert_eq!(
            read("a,b,\r\n\n1,\"x, \"\"y\"\"\",\"\"\n2,say \"hi\",3"),
            [
                row(&["a", "b", ""]),
                row(&["1", "x, \"y\"", ""]),
                row(&["2", "say \"hi\"", "3"])
            ]
        );
        assert_eq!(
            read("1,\"two\nlines\",3\n4,5,6"),
            [row(&["1", "two\nlines", "3"]), row(&["4", "5", "6"])]
        );
    }

    #[test]
    fn an_open_quote_costs_its_line_only() {
        assert_eq!(
            read("1,\"open\n2,b\n\n3,c\n"),
            [
                Err((1, 2, "open quote")),
                row(&["2", "b"]),
                row(&["3", "c"])
            ]
        );
        assert_eq!(
            read("1,\"a\"b\n2,c"),
            [Err((1, 5, "bad quote")), row(&["2", "c"])]
        );
        let long = format!("1,\"open\n{}", "x,y\n".repeat(2 * MOST_LINES));
        let records = read(&long);
        assert_eq!(records.len(), 1 + 2 * MOST_LINES);
        assert_eq!(records[0], Err((1, 2, "open quote")));
    }

    #[test]
    fn quotes_of_texts_are_kept() {
        let text = "1,\"Weird Al\" live\n2,\"open\n3,\"a, \"\"b\"\"\"\n4,12\"";
        assert_eq!(
            read_as(text, Quoting::Lenient),
            [
                row(&["1", "\"Weird Al\" live"]),
                row(&["2", "\"open"]),
                row(&["3", "a, \"b\""]),
                row(&["4", "12\""]),
            ]
        );
        assert_eq!(
            read_as("1,\"a\"\n2,\"b", Quoting::None),
            [row(&["1", "\"a\""]), row(&["2", "\"b"])]
        );
        // A line that ends with a quote does not close the open quote of an earlier line.
        let text = "1,\"open\n2,b\n3,c\"";
        assert_eq!(read_as(text, Quoting::Lenient).len(), 3);
    }

    #[test]
    fn places_in_later_lines() {
        let mut reader = "1,\"two\nlines\",x".as_bytes();
        let mut records = Records::new(Lines::new(&mut reader, "f"), b',', Quoting::Strict);
        records.advance().unwrap().unwrap().unwrap();
        let at = records.cell(2).unwrap().at;
        let (line, flaw) = records.place(Flaw::new(at, "k", "r"));
        assert_eq!((line, flaw.at), (2, 7));
    }
}
