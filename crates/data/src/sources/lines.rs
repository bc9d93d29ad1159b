//! Numbered lines of a stream, and their flaws.

use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::path::PathBuf;

use crate::{Error, Result};

/// The longest line that is read. An adjacency line of a million items is shorter.
pub(super) const LONGEST_LINE: usize = 1 << 24;

/// A piece of a line, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell<'a> {
    /// Its bytes.
    pub(crate) text: &'a [u8],
    /// The place of its first byte in the line, from 0.
    pub(crate) at: usize,
}

impl<'a> Cell<'a> {
    /// Without spaces and tabs at both ends.
    pub(crate) fn trim(self) -> Self {
        let start = self.text.trim_ascii_start();
        Self {
            at: self.at + self.text.len() - start.len(),
            text: start.trim_ascii_end(),
        }
    }

    /// The bytes as an error message shows them: short, and without control characters.
    pub(crate) fn shown(&self) -> String {
        shown(self.text)
    }
}

/// Bytes as an error message shows them: at most 40 characters, none of them a control character.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MOST)]);
    let mut out: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() || bytes.len() > 4 * MOST {
        out.push('…');
    }
    out
}

/// What is wrong with a line: the reason under which it is counted, and the words for its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The place in the line, from 0.
    pub(crate) at: usize,
    /// The reason in general, for counting.
    pub(crate) kind: &'static str,
    /// The rule and the offending value.
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) hint: Cow<'static, str>,
}

/// The general fix.
pub(super) const FIX_LINE: &str = "fix the line, or skip malformed lines with --on-error skip";

impl Flaw {
    /// A flaw whose fix is to fix the line.
    pub(crate) fn new(at: usize, kind: &'static str, reason: impl Into<String>) -> Self {
        Self {
            at,
            kind,
            reason: reason.into(),
            hint: Cow::Borrowed(FIX_LINE),
        }
    }

    /// With another fix.
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The error of it.
    pub(crate) fn into_error(self, file: &str, line: u64) -> Error {
        Error::Line {
            file: file.to_owned(),
            line,
            column: self.at as u64 + 1,
            reason: self.reason,
            hint: self.hint.into_owned(),
        }
    }
}

/// The lines of a stream, numbered from 1, without line ends (LF or CRLF) and byte-order mark.
pub(crate) struct Lines<'r> {
    reader: &'r mut dyn BufRead,
    label: &'r str,
    number: u64,
    line: Vec<u8>,
    /// Bytes of the byte-order mark before the first line.
    shift: usize,
}

impl<'r> Lines<'r> {
    /// The lines of a stream that errors call `label`.
    pub(crate) fn new(reader: &'r mut dyn BufRead, label: &'r str) -> Self {
        Self {
            reader,
            label,
            number: 0,
            line: Vec::new(),
            shift: 0,
        }
    }

    /// What errors call the stream.
    pub(crate) fn label(&self) -> &'r str {
        self.label
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The line that was read last.
    pub(crate) fn current(&self) -> &[u8] {
        &self.line[self.shift.min(self.line.len())..]
    }

    /// Reads the next line; `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.line.clear();
        self.shift = 0;
        let read = (&mut *self.reader)
            .take(LONGEST_LINE as u64 + 1)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| Error::Io {
                path: PathBuf::from(self.label),
                source,
                hint: format!(
                    "it cannot be unpacked or read after line {}; download the file again",
                    self.number
                ),
            })?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read > LONGEST_LINE {
            let reason = format!("the line is longer than {LONGEST_LINE} bytes");
            return Err(Flaw::new(LONGEST_LINE, "line too long", reason)
                .hint("check that it is a text file, or name its format with --data-format")
                .into_error(self.label, self.number));
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if self.number == 1 {
            if self.line.starts_with(b"\xff\xfe") || self.line.starts_with(b"\xfe\xff") {
                return Err(Flaw::new(0, "encoding", "the file is in UTF-16")
                    .hint("save it in UTF-8")
                    .into_error(self.label, 1));
            }
            if self.line.starts_with(b"\xef\xbb\xbf") {
                self.shift = 3;
            }
        }
        Ok(true)
    }

    /// Reads the next line that is not blank; `false` at the end.
    pub(crate) fn advance_to_text(&mut self) -> Result<bool> {
        while self.advance()? {
            if !self.current().trim_ascii().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The cells of a line between separators of one or two bytes, with no quoting, and how many there
/// are; at most `N`, the last of which holds the rest of the line.
pub(super) fn split<'a, const N: usize>(
    line: &'a [u8],
    separator: &[u8],
) -> ([Cell<'a>; N], usize) {
    let mut cells = [Cell { text: b"", at: 0 }; N];
    let (mut n, mut at) = (0, 0);
    while n + 1 < N {
        let rest = &line[at..];
        let end = match separator {
            [one] => rest.iter().position(|b| b == one),
            _ => rest.windows(separator.len()).position(|w| w == separator),
        };
        let Some(end) = end else { break };
        cells[n] = Cell {
            text: &rest[..end],
            at,
        };
        n += 1;
        at += end + separator.len();
    }
    cells[n] = Cell {
        text: &line[at..],
        at,
    };
    (cells, n + 1)
}

/// The flaw of a line with too few or too many fields.
pub(super) fn wrong_count(cells: &[Cell<'_>], expected: &str, more: bool) -> Flaw {
    let end = cells.last().map_or(0, |c| c.at + c.text.len());
    let (kind, at) = if more {
        ("extra field", cells.last().map_or(0, |c| c.at))
    } else {
        ("missing field", end)
    };
    let n = cells.len();
    let s = if n == 1 { "" } else { "s" };
    Flaw::new(at, kind, format!("expected {expected}, found {n} field{s}"))
}

/// A cell as text: UTF-8, or else ISO-8859-1 where the format was published so.
pub(crate) fn text<'a>(cell: Cell<'a>, latin1: bool) -> std::result::Result<Cow<'a, str>, Flaw> {
    match std::str::from_utf8(cell.text) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        // Every byte of ISO-8859-1 is the character of the same number.
        Err(_) if latin1 => Ok(Cow::Owned(cell.text.iter().map(|&b| b as char).collect())),
        Err(error) => {
            let byte = cell.text.get(error.valid_up_to()).copied().unwrap_or(0);
            let reason = format!("the byte 0x{byte:02x} is not UTF-8");
            Err(Flaw::new(cell.at + error.valid_up_to(), "encoding", reason)
                .hint("convert the file to UTF-8, for example with iconv -f latin1 -t utf8"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut reader = bytes;
        let mut lines = Lines::new(&mut reader, "f");
        let mut out = Vec::new();
        while lines.advance_to_text().unwrap() {
            out.push((lines.number(), shown(lines.current())));
        }
        out
    }

    #[test]
    fn lines_are_numbered_and_blank_ones_passed_over() {
        assert_eq!(
            all(b"\xef\xbb\xbfa\r\n\n \t\nb\nc"),
            [(1, "a".into()), (4, "b".into()), (5, "c".into())]
        );
        assert_eq!(all(b""), []);
        let mut utf16: &[u8] = b"\xff\xfea\0";
        let error = Lines::new(&mut utf16, "f").advance().unwrap_err();
        assert_eq!(
            error.to_string(),
            "f:1:1: the file is in UTF-16; save it in UTF-8"
        );
    }

    #[test]
    fn endless_lines_are_refused() {
        let mut endless = std::io::BufReader::new(std::io::repeat(b'x'));
        let error = Lines::new(&mut endless, "f").advance().unwrap_err();
        assert!(
            error.to_string().contains("longer than 16777216"),
            "{error}"
        );
    }

    #[test]
    fn cells_know_their_place() {
        let (cells, n) = split::<9>(b"1:: 1193 ::5", b"::");
        let seen: Vec<_> = cells[..n]
            .iter()
            .map(|c| (c.trim().shown(), c.trim().at))
            .collect();
        assert_eq!(
            seen,
            [("1".into(), 0), ("1193".into(), 4), ("5".into(), 11)]
        );
        assert_eq!(split::<9>(b"1:::2", b"::").0[1].text, b":2");
        assert_eq!(split::<2>(b"a\tb\tc", b"\t").0[1].text, b"b\tc");
        assert_eq!(split::<2>(b"", b"\t").1, 1);
    }

    #[test]
    fn encodings() {
        let cell = Cell {
            text: b"Caf\xe9",
            at: 7,
        };
        assert_eq!(text(cell, true).unwrap(), "Café");
        let flaw = text(cell, false).unwrap_err();
        assert_eq!((flaw.at, flaw.kind), (10, "encoding"));
        assert!(flaw.reason.contains("0xe9"));
    }
}
