//! `limpid train`: fit a model and save it as a folder.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use limpid::Subset;
use limpid::eval::MetricAt;
use limpid::eval::spread::Spread;
use limpid::measure::short;
use limpid::models::Config;
use limpid::tune::{TuneOptions, Tuned, tune};
use limpid::{
    Advisor, DataSource, MeasureOptions, Prepared, RunFile, SplitFrom, TrainOptions, train,
};
use serde::Serialize;

use crate::args::{ReadArgs, split_from};
use crate::output::{Output, Section, Table};
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
    /// Choose settings on the validation part: every combination of the values that 'limpid models'
    /// lists to try; those given with --set stay. Prints the frontier that was seen
    #[arg(long)]
    tune: bool,
    /// At most so many combinations, drawn at random; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0, requires = "tune")]
    trials: usize,
    /// What is tuned for
    #[arg(
        long,
        value_name = "METRIC",
        default_value = "ndcg@20",
        requires = "tune"
    )]
    metric: MetricAt,
    /// Gigabytes that the fit may take for its large arrays
    #[arg(long, value_name = "GB", default_value_t = 16)]
    memory: u64,
    /// Device to compute on; this build has cpu
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    tuned: Option<&'a Tuned>,
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
        let options = TrainOptions {
            seed,
            memory_budget: self.memory * 1_000_000_000,
            device: self.device.clone(),
            checkpoint: Some(self.checkpoint()),
        };
        let (config, tuned) = match self.tune {
            true => {
                let (config, tuned) = self.tuned(&prepared, &config, &options, &bars)?;
                (config, Some(tuned))
            }
            false => (config, None),
        };
        let mut advisor = train(prepared, &config, &options, &bars)?;
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
        let mut page: Vec<Section> = tuned.iter().flat_map(frontier).collect();
        page.push(Section::Text(lines.join("\n")));
        output.notes(&notes);
        output.answer(
            &Answer {
                schema: "limpid.train/1",
                folder,
                manifest: &manifest,
                tuned: tuned.as_ref(),
                notes,
            },
            page,
        )
    }

    fn tuned(
        &self,
        prepared: &Prepared,
        config: &Config,
        options: &TrainOptions,
        bars: &Bars,
    ) -> Result<(Config, Tuned)> {
        let named = self.set.iter().filter_map(|s| s.split_once('='));
        let fixed: Vec<String> = named.map(|(key, _)| key.trim().to_owned()).collect();
        let how = TuneOptions {
            metric: self.metric,
            tolerance: 0.001,
            trials: self.trials,
        };
        Ok(tune(prepared, config, &fixed, &how, options, bars)?)
    }

    /// Beside the folder: an unfinished fit goes on from it.
    fn checkpoint(&self) -> PathBuf {
        let mut name = self.output.file_name().unwrap_or_default().to_owned();
        name.push(".checkpoint");
        self.output.with_file_name(name)
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
            (Some(source), from) => Ok(Prepared::read(&source, from)?),
            (None, SplitFrom::Folder(folder)) => Ok(Prepared::of_folder(folder)?),
            (None, SplitFrom::Spec(_)) => bail!(limpid::Error::Usage(
                "say which data: --data PATH, or --data synthetic to try".to_owned()
            )),
        }
    }
}

/// The trials on the frontier, and the one that is taken.
fn frontier(tuned: &Tuned) -> Vec<Section> {
    let mut table = Table::new(["settings", &tuned.metric, "lines", "p90", "fit s", ""]);
    for (at, trial) in tuned.trials.iter().enumerate() {
        if !trial.on_frontier && at != tuned.chosen {
            continue;
        }
        let lines = |of: fn(&Spread) -> f64| {
            let lines = trial.lines.as_ref().map(of);
            lines.map_or_else(String::new, |n| format!("{n:.1}"))
        };
        table.row([
            trial.settings.join(" "),
            format!("{:.4}", trial.value),
            lines(|l| l.median),
            lines(|l| l.p90),
            format!("{:.1}", trial.fit_seconds),
            if at == tuned.chosen { "taken" } else { "" }.to_owned(),
        ]);
    }
    vec![
        Section::Table(table),
        Section::Text(format!(
            "{} of {} combinations tried on the validation part; shown: those that none beats in both \
             accuracy and lines; taken: the shortest within 0.001 of the best",
            tuned.trials.len(),
            tuned.grid
        )),
    ]
}

/// Keeps the validation metric in the manifest, where there is a validation part. The test part is
/// left alone: it is for 'limpid evaluate'.
fn measure_validation(advisor: &mut Advisor, bars: &Bars) -> Result<()> {
    let has_part = advisor
        .split
        .as_ref()
        .is_some_and(|p| !p.validation.is_empty());
    if !has_part {
        return Ok(());
    }
    let options = MeasureOptions {
        metrics: vec!["ndcg@20".parse()?],
        on: Subset::Validation,
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
