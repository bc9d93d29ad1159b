//! `limpid train`: fit a model and save it as a folder.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use limpid::measure::{Fold, short};
use limpid::models::Config;
use limpid::{Advisor, DataSource, MeasureOptions, Prepared, RunFile, SplitFrom, train};
use serde::Serialize;

use crate::args::{ReadArgs, prepare, split_from};
use crate::output::{Output, Section};
use crate::progress::Bars;

/// The model that is trained when nobody names one.
pub(crate) const DEFAULT_MODEL: &str = "ruleslim";

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Name in the catalogue ('limpid models'); ruleslim if not given
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Change a parameter, such as reg=500; repeat it for more
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A run as a file ('limpid inspect model/ --run' prints one); options given here change it
    #[arg(long, value_name = "RUN.TOML")]
    config: Option<PathBuf>,
    /// The data: a file or folder, or synthetic
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// ratio:70/10/20@SEED, leave-one-out, leave-last:N, temporal:0.8,
    /// users:80/10/10,holdout=0.2@SEED, given, none, or a folder of 'limpid data split'
    #[arg(long, value_name = "SPLIT")]
    split: Option<String>,
    /// The seed of the model (the split has its own)
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// The folder to save to
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Leave the histories out of the saved folder
    #[arg(long)]
    without_users: bool,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    folder: String,
    manifest: &'a limpid::artifact::Manifest,
    notes: Vec<String>,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let file = self.config.as_deref().map(RunFile::read).transpose()?;
        let config = self.recipe(file.as_ref())?;
        let seed = self.seed.or(file.as_ref().map(|f| f.seed)).unwrap_or(1);
        let prepared = self.prepared(file.as_ref())?;
        output.notes(&prepared.notes);
        let bars = Bars::new(output.is_quiet());
        let mut advisor = train(prepared, &config, seed, &bars)?;
        measure_validation(&mut advisor, &bars)?;
        drop(bars);
        let manifest = advisor.save(&self.output, !self.without_users)?;
        let mut notes = Vec::new();
        if manifest.holds_histories {
            notes.push(
                "the folder holds personal histories and the titles of the data set, which may be \
                 licensed; --without-users leaves the histories out"
                    .to_owned(),
            );
        }
        let folder = self.output.display().to_string();
        let mut lines = vec![format!(
            "{} fitted in {:.2} s on {} ({} users, {} items, {} train events)",
            advisor.described(),
            manifest.run.fit_seconds,
            manifest.data.name,
            manifest.data.users,
            manifest.data.items,
            manifest.data.train_events,
        )];
        lines.push(format!(
            "split {} ({})",
            manifest.split.spec,
            short(&manifest.split.hash)
        ));
        for (name, value) in &manifest.metrics {
            lines.push(format!("{name} {value:.4}"));
        }
        lines.push(format!("saved to {folder}"));
        output.notes(&notes);
        output.answer(
            &Answer {
                schema: "limpid.train/1",
                folder,
                manifest: &manifest,
                notes,
            },
            vec![Section::Text(lines.join("\n"))],
        )
    }

    fn recipe(&self, file: Option<&RunFile>) -> Result<Config> {
        let base = match (&self.model, file) {
            (Some(name), Some(file)) if *name == file.model => file.config()?,
            (Some(name), _) => Config::named(name)?,
            (None, Some(file)) => file.config()?,
            (None, None) => Config::named(DEFAULT_MODEL)?,
        };
        Ok(base.set(&self.set)?)
    }

    fn prepared(&self, file: Option<&RunFile>) -> Result<Prepared> {
        let split = self
            .split
            .as_deref()
            .or(file.and_then(|f| f.split.as_deref()));
        let table = file.and_then(|f| f.data.as_ref());
        let source = match (&self.data, table) {
            (Some(path), _) => Some(self.read.source(path.clone())?),
            (None, Some(table)) => Some(DataSource {
                path: table.path.clone(),
                read: table.read.clone(),
                filters: table.filters.clone(),
            }),
            (None, None) => None,
        };
        let from = split_from(split.unwrap_or("ratio:70/10/20@1"))?;
        match (source, &from) {
            (Some(source), from) => prepare(source, from),
            (None, SplitFrom::Folder(folder)) => Ok(Prepared::of_folder(folder)?),
            (None, SplitFrom::Spec(_)) => bail!(limpid::Error::Usage(
                "say which data: --data PATH, or --data synthetic to try".to_owned()
            )),
        }
    }
}

/// Keeps the validation metric in the manifest, where there is a validation part. The test part is
/// left alone: it is for 'limpid evaluate'.
fn measure_validation(advisor: &mut Advisor, bars: &Bars) -> Result<()> {
    let has_part = advisor
        .parts
        .as_ref()
        .is_some_and(|p| !p.validation.is_empty());
    if !has_part {
        return Ok(());
    }
    let options = MeasureOptions {
        metrics: vec!["ndcg@20".parse()?],
        fold: Fold::Validation,
        resamples: 0,
        ..MeasureOptions::default()
    };
    let measured = advisor.evaluate(&options, bars)?;
    for metric in &measured.report.metrics {
        advisor
            .manifest
            .metrics
            .insert(format!("validation {}", metric.metric), metric.value);
    }
    Ok(())
}
