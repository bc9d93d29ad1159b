//! Printing: one answer as tables for people, JSON for programs, CSV for spreadsheets.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table as Grid, presets};
use serde::Serialize;

use crate::args::{Global, Printed};

/// A table with numbers on the right.
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

    fn drawn(&self, width: u16) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
        grid.set_header(self.header.iter().map(Cell::new));
        for row in &self.rows {
            grid.add_row(row.iter().map(Cell::new));
        }
        for column in 0..self.header.len() {
            let numeric = self.rows.iter().all(|row| {
                row.get(column).is_none_or(|cell| {
                    cell.is_empty()
                        || cell
                            .trim_start_matches(['+', '−', '-', '.'])
                            .starts_with(|c: char| c.is_ascii_digit())
                })
            });
            if let Some(column) = grid.column_mut(column) {
                column.set_padding((0, 2));
                if numeric {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let lines: Vec<String> = grid.lines().map(|l| l.trim_end().to_owned()).collect();
        let rule: String = "─".repeat(lines.iter().map(|l| l.chars().count()).max().unwrap_or(0));
        let mut out = lines;
        if out.len() > 1 {
            out.insert(1, rule);
        }
        out.join("\n")
    }
}

/// A piece of a page for people.
pub(crate) enum Section {
    /// A line or paragraph.
    Text(String),
    /// A table; the first one is what CSV prints.
    Table(Table),
}

/// Where and how results are printed.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    format: Printed,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            format: global.format,
            quiet: global.quiet,
        }
    }

    /// Prints an answer in the chosen format.
    pub(crate) fn answer<T: Serialize>(&self, answer: &T, page: Vec<Section>) -> Result<()> {
        let text = match self.format {
            Printed::Json => serde_json::to_string_pretty(answer)?,
            Printed::Csv => csv_of(&page),
            Printed::Md => markdown_of(&page),
            Printed::Table => page
                .iter()
                .map(|section| match section {
                    Section::Text(text) => text.clone(),
                    Section::Table(table) => table.drawn(width()),
                })
                .collect::<Vec<_>>()
                .join("\n\n"),
        };
        print(&text)
    }

    /// Writes a picture.
    pub(crate) fn picture(&self, file: &Path, svg: &str) -> Result<()> {
        std::fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))?;
        self.note(format!("drawn to {}", file.display()));
        Ok(())
    }

    /// Says something to the person at the terminal, beside the results.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            // A note that cannot be shown is no reason to fail.
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

/// Writes text to standard output; a reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

fn width() -> u16 {
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
        Section::Text(_) => None,
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

/// A number of bytes, as people read it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// A score or weight, with enough digits to tell neighbors apart.
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
