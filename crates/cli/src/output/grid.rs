//! Tables for a terminal: numbers stay on one line, texts share the rest of the width.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, Width, presets,
};
use limpid::output::text;
use unicode_width::UnicodeWidthStr;

/// A table; numeric columns are aligned to the right. Its cells are text of the data or of this program,
/// in one line each.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self {
            header: header.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table on a page of some columns; every character is shown, none acts.
    pub(super) fn text(&self, page: usize) -> String {
        let shown = |cells: &Vec<String>| -> Vec<String> {
            cells.iter().map(|c| text::line(c).into_owned()).collect()
        };
        let harmless = Self {
            header: shown(&self.header),
            rows: self.rows.iter().map(shown).collect(),
        };
        harmless.laid_out(page)
    }

    fn laid_out(&self, page: usize) -> String {
        let widths = self.widths(page);
        let grid = |rows: &[Vec<String>]| -> Vec<String> {
            let mut grid = Grid::new();
            grid.load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::MAX);
            grid.set_header(self.header.iter().map(Cell::new));
            for row in rows {
                grid.add_row(row.iter().map(Cell::new));
            }
            for (at, width) in widths.iter().enumerate() {
                if let Some(column) = grid.column_mut(at) {
                    let width = u16::try_from(width + GAP).unwrap_or(u16::MAX);
                    column
                        .set_padding((0, GAP as u16))
                        .set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
                    if self.is_numeric(at) {
                        column.set_cell_alignment(CellAlignment::Right);
                    }
                }
            }
            grid.lines().map(|l| l.trim_end().to_owned()).collect()
        };
        let mut lines = grid(&self.rows);
        let rule = "─".repeat(lines.iter().map(|l| l.width()).max().unwrap_or(0));
        // A heading of several words may take several lines.
        lines.insert(grid(&[]).len().min(lines.len()), rule);
        lines.join("\n")
    }

    fn is_numeric(&self, column: usize) -> bool {
        self.rows
            .iter()
            .all(|row| row.get(column).is_none_or(|cell| is_number(cell)))
    }

    /// The widths of the columns on a page: numbers are never broken, and what they leave goes to the
    /// texts that need the most lines.
    fn widths(&self, page: usize) -> Vec<usize> {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let word = |text: &str| longest(&mut text.split_whitespace().map(|word| word.width()));
        let columns = 0..self.header.len();
        let natural: Vec<usize> = columns
            .clone()
            .map(|c| {
                let cells = self.rows.iter().filter_map(|row| row.get(c));
                longest(&mut cells.chain([&self.header[c]]).map(|cell| cell.width()))
            })
            .collect();
        let page = page.saturating_sub(GAP * self.header.len().saturating_sub(1));
        if natural.iter().sum::<usize>() <= page {
            return natural;
        }
        // Short texts stay on one line where that leaves room for the others.
        let least = |short: usize| -> Vec<usize> {
            let of = |c: usize| {
                let cells = self.rows.iter().filter_map(|row| row.get(c));
                let body = match self.is_numeric(c) {
                    true => longest(&mut cells.map(|cell| cell.width())),
                    false => longest(&mut cells.map(|cell| word(cell))).min(MAX_WORD),
                };
                match natural[c] {
                    all if all <= short => all,
                    _ => body.max(word(&self.header[c])),
                }
            };
            columns.clone().map(of).collect()
        };
        let mut widths = least(MAX_SHORT);
        if widths.iter().sum::<usize>() > page {
            widths = least(0);
        }
        while widths.iter().sum::<usize>() < page {
            let lines = |c: usize| natural[c] as f64 / widths[c].max(1) as f64;
            let neediest = columns
                .clone()
                .max_by(|&a, &b| lines(a).total_cmp(&lines(b)));
            let Some(c) = neediest else { break };
            widths[c] += 1;
        }
        widths
    }
}

/// Whether a cell is a number, a range of numbers or a number with a unit. A title such as "12 Angry
/// Men" is not.
fn is_number(cell: &str) -> bool {
    let unit = |word: &str| matches!(word, "%" | "–" | "to" | "s" | "bytes" | "kB" | "MB" | "GB");
    let number = |word: &str| {
        let digits = word.trim_start_matches(['+', '−', '-', '.', '(']);
        digits.starts_with(|c: char| c.is_ascii_digit())
            && word
                .chars()
                .all(|c| c.is_ascii_digit() || "+−-.,()e%∞".contains(c))
    };
    cell.split_whitespace()
        .all(|word| number(word) || unit(word) || matches!(word, "NaN" | "inf" | "-inf"))
}

/// Columns of space between two columns of a table.
const GAP: usize = 2;

/// Longer words are broken where a table has to be narrower than its texts.
const MAX_WORD: usize = 14;

/// Texts up to this length are short.
const MAX_SHORT: usize = 20;

/// Lines of at most `width` columns, broken between words; the further lines of a paragraph have the
/// indent of its first.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        if paragraph.width() <= width {
            lines.push(paragraph.to_owned());
            continue;
        }
        let indent = " ".repeat(paragraph.len() - paragraph.trim_start_matches(' ').len());
        let mut line = indent.clone();
        for word in paragraph.split_whitespace() {
            let begun = line.len() > indent.len();
            if begun && line.width() + 1 + word.width() > width {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            }
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_titles() {
        for number in [
            "",
            "12",
            "-0.5",
            "+1.2e-5",
            "67 %",
            "0.34 – 0.37",
            "8 – 23",
            "1.20 s",
            "3 (2.5)",
        ] {
            assert!(is_number(number), "{number}");
        }
        for text in ["12 Angry Men (1957)", "ease", "2001: A Space Odyssey", "1a"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn numbers_stay_whole_and_texts_share_the_width() {
        let mut table = Table::new(["score", "a long title", "why"]);
        table.row([
            "1234.5678",
            "One Flew Over the Cuckoo's Nest (1975)",
            "because of many things",
        ]);
        table.row(["0.5", "映画の題名はとても長い", "\u{1b}[2J\u{202e}x"]);
        for page in [40, 60, 80] {
            let text = table.text(page);
            assert!(text.lines().all(|l| l.width() <= page), "{page}:\n{text}");
            assert!(text.contains("1234.5678"));
            assert!(text.contains("␛[2J"), "{text}");
        }
    }

    #[test]
    fn further_lines_keep_the_indent() {
        assert_eq!(wrapped("  one two three", 9), "  one two\n  three");
        assert_eq!(wrapped("a\n\nb", 9), "a\n\nb");
    }
}
