//! Printing: one answer as aligned tables, JSON, CSV or Markdown.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Result, bail};
use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, Width, presets,
};
use limpid::Error;
use limpid::output::{Destination, FileFormat};
use serde::Serialize;

use crate::args::{Global, Printed};

/// A table; numeric columns are aligned to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
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

    fn text(&self, width: usize) -> String {
        let widths = self.widths(width);
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
        let rule = "─".repeat(lines.iter().map(|l| l.chars().count()).max().unwrap_or(0));
        // A heading of several words may take several lines.
        lines.insert(grid(&[]).len().min(lines.len()), rule);
        lines.join("\n")
    }

    fn is_numeric(&self, column: usize) -> bool {
        self.rows.iter().all(|row| {
            row.get(column).is_none_or(|cell| {
                cell.is_empty()
                    || cell
                        .trim_start_matches(['+', '−', '-', '.'])
                        .starts_with(|c: char| c.is_ascii_digit())
            })
        })
    }

    /// The widths of the columns on a page: numbers are never broken, and what they leave goes to the
    /// texts that need the most lines.
    fn widths(&self, page: usize) -> Vec<usize> {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let length = |text: &str| text.chars().count();
        let word = |text: &str| longest(&mut text.split_whitespace().map(length));
        let columns = 0..self.header.len();
        let natural: Vec<usize> = columns
            .clone()
            .map(|c| {
                let cells = self.rows.iter().filter_map(|row| row.get(c));
                longest(&mut cells.chain([&self.header[c]]).map(|cell| length(cell)))
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
                    true => longest(&mut cells.map(|cell| length(cell))),
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

/// Columns of space between two columns of a table.
const GAP: usize = 2;

/// Longer words are broken where a table has to be narrower than its texts.
const MAX_WORD: usize = 14;

/// Texts up to this length are short.
const MAX_SHORT: usize = 20;

/// Lines of at most `width` columns, broken between words.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        if paragraph.chars().count() <= width {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let long = line.chars().count() + 1 + word.chars().count() > width;
            if !line.is_empty() && long {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// A piece of a page for people.
pub(crate) enum Section {
    /// Paragraphs, one per line.
    Text(String),
    /// Lines to copy as they are: commands, files.
    Code(String),
    /// A table; the first one is what CSV prints.
    Table(Table),
}

/// How results are printed, and where.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The value of `--format`, if it was given.
    asked: Option<Printed>,
    quiet: bool,
    /// The file of `-o`.
    file: Option<Destination>,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            asked: global.format,
            quiet: global.quiet,
            file: None,
        }
    }

    /// The output with the file of `-o`, which is checked now, before the work.
    pub(crate) fn to(&self, file: Option<&Path>) -> Result<Self> {
        let streamed = self.format().file();
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            return Ok(self.clone());
        };
        let to = Destination::new(path, ANSWERS, streamed)?;
        self.agrees(&to)?;
        Ok(Self {
            file: Some(to),
            ..self.clone()
        })
    }

    /// The file of `-o` for rows, which is checked now, before the work.
    pub(crate) fn rows(&self, file: &Path) -> Result<Destination> {
        let streamed = match self.format() {
            Printed::Json => FileFormat::Jsonl,
            Printed::Table | Printed::Csv => FileFormat::Csv,
            Printed::Md => FileFormat::Md,
        };
        let to = Destination::new(file, FileFormat::ROWS, streamed)?;
        if to.format() == FileFormat::Md {
            bail!(Error::Usage(
                "rows are not printed as Markdown; use --format csv or json".to_owned()
            ));
        }
        Ok(to)
    }

    /// The file of a plot, which is checked now, before the work.
    pub(crate) fn plot(file: &Path) -> Result<Destination> {
        if file == Path::new("-") {
            bail!(Error::Usage(
                "a plot is written to a file; name one, such as plot.svg".to_owned()
            ));
        }
        Ok(Destination::new(
            file,
            FileFormat::PICTURES,
            FileFormat::Svg,
        )?)
    }

    /// A format that was asked for must be that of the file.
    fn agrees(&self, to: &Destination) -> Result<()> {
        match self.asked {
            Some(asked) if asked != Printed::Table && asked.file() != to.format() => {
                bail!(Error::Usage(format!(
                    "--format {} differs from the ending of {}; give one of them",
                    asked.file().ending(),
                    to.described()
                )))
            }
            _ => Ok(()),
        }
    }

    fn format(&self) -> Printed {
        self.asked.unwrap_or(Printed::Table)
    }

    /// Prints an answer in the chosen format, or writes it to the file of `-o`.
    pub(crate) fn answer<T: Serialize>(&self, answer: &T, page: Vec<Section>) -> Result<()> {
        let text = |format: FileFormat| -> Result<String> {
            Ok(match format {
                FileFormat::Json => serde_json::to_string_pretty(answer)?,
                FileFormat::Csv => csv_of(&page),
                FileFormat::Md => markdown_of(&page),
                other => bail!(Error::Usage(format!(
                    "this answer cannot be written as {}",
                    other.ending()
                ))),
            })
        };
        if let Some(to) = &self.file {
            to.write((text(to.format())? + "\n").as_bytes())?;
            self.note(format!("written to {}", to.described()));
            return Ok(());
        }
        let text = match self.format() {
            Printed::Table => page
                .iter()
                .map(|section| match section {
                    Section::Text(text) => wrapped(text, width()),
                    Section::Code(text) => text.clone(),
                    Section::Table(table) => table.text(width()),
                })
                .collect::<Vec<_>>()
                .join("\n\n"),
            other => text(other.file())?,
        };
        print(&text)
    }

    /// Says that rows were written: as the answer, or as a note where the rows are on standard output.
    pub(crate) fn written<T: Serialize>(
        &self,
        to: &Destination,
        answer: &T,
        text: String,
    ) -> Result<()> {
        match to.path() {
            Some(_) => self.answer(answer, vec![Section::Text(text)]),
            None => {
                self.note(text);
                Ok(())
            }
        }
    }

    /// Writes a plot.
    pub(crate) fn picture(&self, to: &Destination, svg: &str) -> Result<()> {
        to.write(svg.as_bytes())?;
        self.note(format!("plot written to {}", to.described()));
        Ok(())
    }

    /// Prints a note to standard error, apart from the results.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            // A note that cannot be printed is no reason to fail.
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    pub(crate) fn notes(&self, notes: &[String]) {
        for note in notes {
            self.note(format!("note: {note}"));
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// Writes text to standard output; a closed pipe (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Formats of an answer in a file.
const ANSWERS: &[FileFormat] = &[FileFormat::Csv, FileFormat::Json, FileFormat::Md];

fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.unwrap_or(if std::io::stdout().is_terminal() {
        110
    } else {
        140
    })
}

fn csv_of(page: &[Section]) -> String {
    let table = page.iter().find_map(|section| match section {
        Section::Table(table) => Some(table),
        Section::Text(_) | Section::Code(_) => None,
    });
    let Some(table) = table else {
        return String::new();
    };
    let quoted = |cell: &String| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    std::iter::once(&table.header)
        .chain(&table.rows)
        .map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(","))
        .collect::<Vec<_>>()
        .join("\n")
}

fn markdown_of(page: &[Section]) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let sections: Vec<String> = page
        .iter()
        .map(|section| match section {
            Section::Text(text) => text.replace('\n', "  \n"),
            Section::Code(text) => format!("```\n{text}\n```"),
            Section::Table(table) => {
                let rule = format!("|{}", "---|".repeat(table.header.len()));
                let head = [row(&table.header), rule];
                let rows = table.rows.iter().map(|cells| row(cells));
                head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
            }
        })
        .collect();
    sections.join("\n\n")
}

/// A number of bytes with a unit.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// A score or weight with four significant digits or more.
pub(crate) fn number(value: f32) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if size >= 1000.0 {
        format!("{value:.0}")
    } else if size >= 100.0 {
        format!("{value:.1}")
    } else if size >= 0.001 {
        format!("{value:.4}")
    } else {
        format!("{value:.1e}")
    }
}

/// The same with its sign.
pub(crate) fn signed(value: f32) -> String {
    if value > 0.0 {
        format!("+{}", number(value))
    } else {
        number(value)
    }
}
