//! Text of the data, made harmless for what shows it.
//!
//! Titles and ids come from strangers. A terminal runs escape sequences, a spreadsheet runs formulas,
//! a page renders tags, and some characters reorder or hide what stands beside them. Each function
//! here shows such text for one medium, so that a reader sees every character and nothing happens.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::{Error, Result};

/// Whether a character does something where it should only be read: control characters, line and
/// paragraph separators, directional marks, invisible characters and tags, and code points that are no
/// characters.
///
/// The joiners U+200C and U+200D are part of words and emoji, and are allowed.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
        // U+FFFE, U+FFFF and their like on every plane.
        || (c as u32) & 0xfffe == 0xfffe
}

/// One line: characters that act are written out, `␛` for an escape, `\u{202e}` for an override.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    shown(text, |_| false)
}

/// Several lines, as [`line()`]; line breaks stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    shown(text, |c| c == '\n')
}

fn shown(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && !stays(c)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if stays(c) || !acts(c) => out.push(c),
            // Control characters have pictures in Unicode.
            '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + c as u32)),
            '\x7f' => out.push('␡'),
            // Writing to a string cannot fail.
            c => drop(write!(out, "\\u{{{:x}}}", c as u32)),
        }
    }
    out.into()
}

/// A cell of CSV or TSV: one line, and no formula. A spreadsheet takes a cell that begins with `=`,
/// `+`, `-` or `@` for a formula unless it is a number; it gets an apostrophe, which [`uncelled`]
/// removes.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    let shown = line(text);
    match is_formula(&shown) {
        true => format!("'{shown}").into(),
        false => shown,
    }
}

/// The text of a [`cell`].
#[must_use]
pub fn uncelled(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

fn is_formula(text: &str) -> bool {
    // Full-width forms are formulas in some programs.
    text.trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        && text.parse::<f64>().is_err()
}

/// A line of Markdown, or a cell of its tables: everything is text, nothing is markup.
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = line(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '[' | ']' | '*' | '_' | '`' | '~' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // Addresses become links by themselves.
    let mut out = out.replace("//", "\\/\\/");
    for prefix in ["www.", "WWW."] {
        out = out.replace(prefix, &prefix.replace('.', "\\."));
    }
    let digits = out.chars().take_while(char::is_ascii_digit).count();
    if out.starts_with(['#', '+', '-', '=']) {
        out.insert(0, '\\');
    } else if digits > 0
        && out[digits..].starts_with(['.', ')'])
        && !out[digits + 1..].starts_with(|c: char| !c.is_whitespace())
    {
        out.insert(digits, '\\');
    }
    out
}

/// A finished picture: XML has no code for some characters, and others reorder its labels.
#[must_use]
pub fn xml(svg: &str) -> Cow<'_, str> {
    lines(svg)
}

/// JSON on one line, ASCII where characters act.
///
/// # Errors
/// [`Error::Usage`] if the value cannot be serialized.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serialized(value, Plain(CompactFormatter))
}

/// JSON over several lines, ASCII where characters act.
///
/// # Errors
/// As [`json`].
pub fn json_pretty<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serialized(value, Plain(PrettyFormatter::new()))
}

/// A string of JSON with its quotes.
#[must_use]
pub fn json_string(text: &str) -> String {
    // A string can be serialized.
    json(text).unwrap_or_default()
}

fn serialized<T: Serialize + ?Sized>(value: &T, format: impl Formatter) -> Result<String> {
    let mut out = Vec::new();
    let refuse = |why: String| Error::Usage(format!("cannot write JSON: {why}"));
    value
        .serialize(&mut Serializer::with_formatter(&mut out, format))
        .map_err(|e| refuse(e.to_string()))?;
    String::from_utf8(out).map_err(|e| refuse(e.to_string()))
}

/// Writes characters that act as `\u….`, which every reader of JSON turns back.
struct Plain<F>(F);

impl<F: Formatter> Formatter for Plain<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|&(_, c)| acts(c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_array(w)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_array(w)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(w, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_array_value(w)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object(w)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object(w)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(w, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.begin_object_value(w)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        self.0.end_object_value(w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_act_are_written_out() {
        assert_eq!(line("Alien (1979) 👩‍🚀 Amélie"), "Alien (1979) 👩‍🚀 Amélie");
        assert_eq!(line("a\x1b[31mb\nc\x7f"), "a␛[31mb␊c␡");
        assert_eq!(
            line("a\u{202e}b\u{85}\u{ffff}"),
            "a\\u{202e}b\\u{85}\\u{ffff}"
        );
        assert_eq!(lines("a\nb\r"), "a\nb␍");
    }

    #[test]
    fn cells_are_no_formulas_but_numbers_stay() {
        for harmless in ["-5", "+0.5", "-1e3", "Alien", "'tis", "x=1", ""] {
            assert_eq!(cell(harmless), harmless);
            assert_eq!(uncelled(&cell(harmless)), harmless);
        }
        for formula in [
            "=HYPERLINK(\"x\")",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            " =1",
            "＝1",
        ] {
            assert_eq!(cell(formula), format!("'{formula}"));
            assert_eq!(uncelled(&cell(formula)), formula);
        }
        assert_eq!(cell("\t=1"), "␉=1");
    }

    #[test]
    fn markdown_has_no_markup() {
        assert_eq!(
            markdown("<b>|[x](https://a.b)|*_`"),
            "&lt;b&gt;\\|\\[x\\](https:\\/\\/a.b)\\|\\*\\_\\`"
        );
        assert_eq!(markdown("# 1"), "\\# 1");
        assert_eq!(markdown("12. Mai"), "12\\. Mai");
        assert_eq!(markdown("0.125"), "0.125");
        assert_eq!(markdown("Tom & Jerry"), "Tom &amp; Jerry");
    }

    #[test]
    fn json_is_the_same_value_without_raw_controls() {
        let text = "a\u{202e}\u{9b}\"\\\n\u{e0041}é";
        let written = json_string(text);
        assert!(!written.chars().any(acts), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        let pretty = json_pretty(&vec![1, 2]).unwrap();
        assert_eq!(pretty, serde_json::to_string_pretty(&vec![1, 2]).unwrap());
    }
}
