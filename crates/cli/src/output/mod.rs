//! Printing: one answer for people (aligned text, Markdown) or for programs (JSON, CSV, TSV, JSON Lines,
//! Parquet). What a program reads is made from the answer alone, what people read from its page.

mod grid;
mod markdown;
mod plots;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use limpid::Error;
use limpid::artifact::check_folder;
use limpid::output::{ANSWER, DataTable, Destination, FileFormat, tables, text};
use serde::Serialize;

use crate::args::{Global, OutArgs, Printed};

pub(crate) use grid::Table;
pub(crate) use plots::Plots;

/// A piece of a page for people.
pub(crate) enum Section {
    /// Paragraphs, one per line; texts of the data belong into [`Section::Lines`], where they cannot
    /// begin a line.
    Text(String),
    /// Lines.
    Lines(Vec<String>),
    /// Lines to copy as they are: commands, files.
    Code(String),
    /// A table.
    Table(Table),
    /// A named entry with more than a row of a table holds.
    Entry {
        /// Its name.
        name: String,
        /// The line of its name goes on with this.
        head: String,
        /// Lines of text.
        lines: Vec<String>,
        /// Its table.
        table: Table,
    },
}

impl Section {
    /// Aligned text of at most `width` columns, as far as words and numbers allow.
    fn shown(&self, width: usize) -> String {
        let one = |line: &String| grid::wrapped(&text::line(line), width);
        match self {
            Self::Text(written) => grid::wrapped(&text::lines(written), width),
            Self::Lines(lines) => lines.iter().map(one).collect::<Vec<_>>().join("\n"),
            Self::Code(written) => text::lines(written).into_owned(),
            Self::Table(table) => table.text(width),
            Self::Entry {
                name,
                head,
                lines,
                table,
            } => {
                let mut all = vec![one(&format!("{name}  {head}").trim_end().to_owned())];
                all.extend(lines.iter().map(|line| one(&format!("  {line}"))));
                let table = table.text(width.saturating_sub(4));
                all.extend(table.lines().map(|line| format!("    {line}")));
                all.join("\n")
            }
        }
    }
}

/// How results are printed, and where.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The value of `--format`, if it was given.
    asked: Option<Printed>,
    quiet: bool,
    /// Where `-o` writes.
    target: Target,
    /// The value of `--table`.
    table: Option<String>,
}

/// Where an answer is written.
#[derive(Debug, Clone)]
enum Target {
    Stdout,
    File(Destination),
    /// A folder with a file for every table.
    Folder(PathBuf, FileFormat),
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            asked: global.format,
            quiet: global.quiet,
            target: Target::Stdout,
            table: None,
        }
    }

    /// The output with the options of a verb; the file is checked now, before the work.
    pub(crate) fn with(&self, args: &OutArgs) -> Result<Self> {
        let mut output = self.to(args.output.as_deref())?;
        output.table.clone_from(&args.table);
        let format = match &output.target {
            Target::File(to) => to.format(),
            Target::Folder(_, format) => *format,
            Target::Stdout => output.format().file(),
        };
        if args.table.is_some() && !FileFormat::ROWS.contains(&format) {
            bail!(Error::Usage(
                "--table selects a table of --format csv, tsv or jsonl, or of a file with rows; other \
                 formats have them all"
                    .to_owned()
            ));
        }
        Ok(output)
    }

    /// The output to a file or a folder, which is checked now, before the work.
    fn to(&self, file: Option<&Path>) -> Result<Self> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            return Ok(self.clone());
        };
        let target = match path
            .to_string_lossy()
            .ends_with(['/', std::path::MAIN_SEPARATOR])
        {
            true => {
                let format = match self.asked {
                    None => FileFormat::Csv,
                    Some(asked) => asked.file(),
                };
                if !FileFormat::ROWS.contains(&format) {
                    bail!(Error::Usage(format!(
                        "{} is a folder for tables; use --format csv, tsv or jsonl, or name a file",
                        path.display()
                    )));
                }
                check_folder(&path.join("tables"), 0)?;
                Target::Folder(path.to_owned(), format)
            }
            false => {
                let to = Destination::new(path, FileFormat::ANSWERS, self.format().file())?;
                self.agrees(&to)?;
                Target::File(to)
            }
        };
        Ok(Self {
            target,
            ..self.clone()
        })
    }

    /// The file of `-o` for rows, which is checked now, before the work.
    pub(crate) fn rows(&self, file: &Path) -> Result<Destination> {
        let streamed = match self.format() {
            Printed::Json | Printed::Jsonl => FileFormat::Jsonl,
            Printed::Table | Printed::Csv => FileFormat::Csv,
            Printed::Tsv => FileFormat::Tsv,
            Printed::Md => FileFormat::Md,
        };
        let to = Destination::new(file, FileFormat::ROWS, streamed)?;
        if to.format() == FileFormat::Md {
            bail!(Error::Usage(
                "rows are not printed as Markdown; use --format csv, tsv or jsonl".to_owned()
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

    /// Prints an answer in the chosen format, or writes it where `-o` says.
    pub(crate) fn answer<T: Serialize>(&self, answer: &T, page: Vec<Section>) -> Result<()> {
        match &self.target {
            Target::Stdout => match self.format() {
                Printed::Table => {
                    let width = width();
                    let shown: Vec<String> = page.iter().map(|s| s.shown(width)).collect();
                    print(&shown.join("\n\n"))
                }
                other => self.file(&Destination::stdout(other.file()), answer, &page),
            },
            Target::File(to) => {
                self.file(to, answer, &page)?;
                self.note(format!("written to {}", to.described()));
                Ok(())
            }
            Target::Folder(folder, format) => {
                fs::create_dir_all(folder)
                    .map_err(|e| Error::io("cannot create the folder", folder, e))?;
                for table in self.tables(answer)? {
                    let file = folder.join(format!("{}.{}", table.name, format.ending()));
                    table.write(&Destination::new(&file, FileFormat::ROWS, *format)?)?;
                    self.note(format!("written to {}", file.display()));
                }
                Ok(())
            }
        }
    }

    /// Prints a page that is for people alone.
    pub(crate) fn page(&self, page: Vec<Section>) -> Result<()> {
        let width = width();
        let shown: Vec<String> = page.iter().map(|s| s.shown(width)).collect();
        print(&shown.join("\n\n"))
    }

    fn file<T: Serialize>(&self, to: &Destination, answer: &T, page: &[Section]) -> Result<()> {
        match to.format() {
            FileFormat::Json => to.write((text::json_pretty(answer)? + "\n").as_bytes())?,
            FileFormat::Md => to.write((markdown::page(page) + "\n").as_bytes())?,
            _ => {
                let tables = self.tables(answer)?;
                let Some((first, others)) = tables.split_first() else {
                    return Ok(());
                };
                first.write(to)?;
                if self.table.is_none() && !others.is_empty() {
                    self.note(format!(
                        "the table '{}'; --table NAME selects another: {}; -o FOLDER/ writes all",
                        first.name,
                        names(others)
                    ));
                }
            }
        }
        Ok(())
    }

    /// The tables of an answer that were asked for, the one that matters most first.
    fn tables<T: Serialize>(&self, answer: &T) -> Result<Vec<DataTable>> {
        let mut all = tables(answer)?;
        let Some(name) = &self.table else {
            // The values around the tables are of little use if they are the schema alone.
            all.retain(|t| t.name != ANSWER || t.columns.len() > 1);
            return Ok(all);
        };
        match all.iter().position(|t| t.name == *name) {
            Some(at) => Ok(vec![all.swap_remove(at)]),
            None => bail!(Error::Usage(format!(
                "--table {name}: this answer has no such table; it has {}",
                names(&all)
            ))),
        }
    }

    /// Says that rows were written: as the answer, or as a note where the rows are on standard output.
    pub(crate) fn written<T: Serialize>(
        &self,
        to: &Destination,
        answer: &T,
        text: String,
    ) -> Result<()> {
        match to.path() {
            Some(_) => self.answer(answer, vec![Section::Lines(vec![text])]),
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
            let _ = writeln!(std::io::stderr(), "{}", message(text.as_ref()));
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

/// A message for standard error: every character is shown, and only its first line begins at the margin,
/// so that no text of the data can pass for another message.
pub(crate) fn message(written: &str) -> String {
    text::lines(written.trim_end()).replace('\n', "\n  ")
}

fn names(tables: &[DataTable]) -> String {
    let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
    names.join(", ")
}

/// The columns of a page: those of COLUMNS or of the terminal, where that is not wider than is easy to read.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let of_terminal = || {
        let (columns, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(columns.0).clamp(40, WIDEST))
    };
    columns.or_else(of_terminal).unwrap_or(WIDEST)
}

/// Columns of a page that goes to a file or a wide terminal.
const WIDEST: usize = 140;

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
