//! `limpid inspect`: what made a saved model.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::artifact::read_manifest;
use limpid::measure::short;
use limpid::run_file::RunFile;

use crate::output::{Output, Section, Table, print};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// A folder that 'limpid train' saved
    model: PathBuf,
    /// Print the run as a run.toml that 'limpid train --config' takes
    #[arg(long)]
    run: bool,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let m = read_manifest(&self.model)?;
        if self.run {
            let run = RunFile::of(&m)?;
            return print(run.written()?.trim_end());
        }
        let mut facts = Table::new(["", ""]);
        facts.row([
            "model",
            &format!("{} (format {} of limpid {})", m.kind, m.format, m.limpid),
        ]);
        for (key, value) in m.run.settings.as_object().into_iter().flatten() {
            facts.row([format!("  {key}"), value.to_string()]);
        }
        facts.row(["seed", &m.run.seed.to_string()]);
        facts.row(["fitted in", &format!("{:.2} s", m.run.fit_seconds)]);
        facts.row([
            "data",
            &format!("{} ({})", m.data.name, short(&m.data.hash)),
        ]);
        facts.row([
            "  size",
            &format!(
                "{} users, {} items, {} train events",
                m.data.users, m.data.items, m.data.train_events
            ),
        ]);
        facts.row(["  filters", &m.data.filters]);
        facts.row([
            "split",
            &format!("{} ({})", m.split.spec, short(&m.split.hash)),
        ]);
        for (name, value) in &m.metrics {
            facts.row([name.clone(), format!("{value:.4}")]);
        }
        facts.row([
            "histories",
            if m.holds_histories {
                "saved with it"
            } else {
                "left out"
            },
        ]);
        let mut files = Table::new(["file", "bytes", "blake3"]);
        for (name, file) in &m.files {
            files.row([
                name.clone(),
                file.bytes.to_string(),
                short(&file.blake3).to_owned(),
            ]);
        }
        output.answer(&m, vec![Section::Table(facts), Section::Table(files)])
    }
}
