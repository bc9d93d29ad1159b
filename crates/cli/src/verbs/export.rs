//! `limpid export`: what a model has learned, as tables and arrays for other programs.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use limpid::Advisor;
use limpid::export::Export;
use limpid::output::{Destination, FileFormat};

use super::similar::By;
use crate::args::length;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// What to export
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    /// File to write; its ending is the format: .csv, .tsv, .jsonl, .parquet or, for weights and vectors,
    /// .npy; - prints CSV
    ///
    /// An array as .npy has the ids of its rows and columns in NAME.rows.csv and NAME.columns.csv.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Similarity of 'similar'
    #[arg(long, value_enum, value_name = "KIND", default_value_t = By::Scores)]
    by: By,
    /// Length of each list of 'similar'
    #[arg(short, long, default_value_t = 20, value_name = "N", value_parser = length)]
    n: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The effect of each item or rule of a history on each item
    Weights,
    /// Item vectors
    Embeddings,
    /// User vectors
    Users,
    /// Rules with the items that they support
    Rules,
    /// The most similar items of each item
    Similar,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let what = match self.what {
            What::Weights => Export::Weights,
            What::Embeddings => Export::Embeddings,
            What::Users => Export::Users,
            What::Rules => Export::Rules,
            What::Similar => Export::Similar {
                by: self.by.similarity(),
                n: self.n,
            },
        };
        let to = Destination::new(&self.output, what.formats(), FileFormat::Csv)?;
        let answer = Advisor::open(&self.model)?.export(what, &to)?;
        let files = match answer.files.is_empty() {
            true => to.described(),
            false => answer.files.join(", "),
        };
        let text = format!(
            "{} of {}: {} rows, {} columns; written to {files}",
            answer.what, answer.model, answer.rows, answer.columns
        );
        output.written(&to, &answer, text)
    }
}
