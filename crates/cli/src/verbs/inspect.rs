//! `limpid inspect`: the settings, data and split of a saved model.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::artifact::read_manifest;
use limpid::data::Filters;
use limpid::measure::short;

use super::probe::certificate;
use crate::args::OutArgs;
use crate::output::{Output, Section, Table, print};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Print the experiment as a run.toml for 'limpid train --config'
    ///
    /// It goes to standard output: limpid inspect MODEL --run > run.toml
    #[arg(long, conflicts_with_all = ["output", "table"])]
    run: bool,
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let m = read_manifest(&self.model)?;
        if self.run {
            return print(m.again().to_toml()?.trim_end());
        }
        let e = &m.experiment;
        let mut facts = Table::new(["property", "value"]);
        facts.row([
            "model",
            &format!(
                "{} (format {}, limpid {})",
                m.experiment.model, m.format, m.limpid
            ),
        ]);
        for (key, value) in &e.settings {
            facts.row([format!("  {key}"), value.to_string()]);
        }
        facts.row(["seed", &e.seed.to_string()]);
        facts.row([
            "fit time",
            &format!("{:.2} s on {}", m.fit_seconds, e.device),
        ]);
        facts.row([
            "data",
            &match &m.data.hash {
                Some(hash) => format!("{} ({})", m.data.name, short(hash)),
                None => m.data.name.clone(),
            },
        ]);
        if let Some(source) = &e.data {
            facts.row(["  path", &source.path.display().to_string()]);
        }
        facts.row([
            "  size",
            &format!(
                "{} users, {} items, {} train events",
                m.data.users, m.data.items, m.data.train_events
            ),
        ]);
        match &e.data {
            Some(source) => facts.row(["  filters", &in_full(&source.filters)]),
            None => facts.row(["  filters", &m.data.filters]),
        }
        facts.row([
            "split",
            &format!("{} ({})", m.split.spec, short(&m.split.hash)),
        ]);
        for (name, value) in &m.metrics {
            facts.row([name.clone(), format!("{value:.4}")]);
        }
        facts.row([
            "user histories",
            if m.holds_histories {
                "saved"
            } else {
                "not saved"
            },
        ]);
        if let Some(record) = &m.dictionary {
            facts.row([
                "dictionary",
                &format!("{} over {}, seed {}", m.kind, record.base.kind, record.seed),
            ]);
            for (key, value) in &record.settings {
                facts.row([format!("  {key}"), value.to_string()]);
            }
            let base = record.base.path.as_ref();
            facts.row([
                "  base",
                &base.map_or_else(|| "in this folder".to_owned(), |p| p.display().to_string()),
            ]);
            facts.row(["  base hash", short(&record.base.hash)]);
            for line in certificate(record) {
                facts.row(["  certificate".to_owned(), line]);
            }
        }
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

/// Every filter, also those that keep everything.
fn in_full(filters: &Filters) -> String {
    let behaviors = match &filters.behaviors {
        Some(names) => format!("only {}", names.join(" and ")),
        None => "all behaviors that the model reads".to_owned(),
    };
    let values = match filters.min_value {
        Some(min) => format!("values of at least {min}"),
        None => "any value".to_owned(),
    };
    let core = match filters.k_core {
        Some((users, items)) => {
            format!("users with at least {users} items, items with at least {items} users")
        }
        None => "no k-core".to_owned(),
    };
    let weights = match filters.weighted {
        true => "weighted by values",
        false => "implicit (every event counts as 1)",
    };
    format!("{behaviors}; {values}; {core}; {weights}")
}
