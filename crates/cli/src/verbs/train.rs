//! `limpid train`: train a model and save it as a folder.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::answers::{TrainPlan, Trained};
use limpid::artifact::{Manifest, Target, check_target};
use limpid::data::SplitSpec;
use limpid::eval::MetricAt;
use limpid::eval::spread::Spread;
use limpid::experiment::TextSource;
use limpid::measure::short;
use limpid::models::Config;
use limpid::pipeline::{Checked, OnChange};
use limpid::teacher::TeacherSource;
use limpid::tune::{TuneOptions, Tuned};
use limpid::{DataSource, Experiment, SplitFrom};

use crate::args::ReadArgs;
use crate::output::{Output, Section, Table, size};
use crate::progress::Bars;

/// Trials within this of the best metric count as equally good.
const TOLERANCE: f64 = 0.001;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Model to train ('limpid models' lists them) [default: ruleslim]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Set a hyper-parameter, such as reg=500; repeat for more ('limpid models NAME' lists them)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A preset of the model, such as accurate; the same as --set preset=NAME
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Learn from a teacher too: a saved model of the same split, or a table of user, item and score
    ///
    /// The fit's target of an item that a user does not have is then what the teacher expects, times
    /// teacher_strength, instead of 0. Scores of a table are between 0 and 1, and every training user has
    /// some. For ruleslim, ease and edlae; the same as --set teacher=file with the file.
    #[arg(long, value_name = "PATH")]
    teacher: Option<PathBuf>,
    /// Run a recorded experiment: a run.toml, a manifest.json or a model folder
    ///
    /// The same data give the same model, bit for bit. Other options override the experiment.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data to train on: a file or folder, or 'synthetic' for generated data
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Split of the data [default: ratio:70/10/20@1]
    ///
    /// ratio:70/10/20@SEED, leave-one-out, leave-last:N, temporal:0.8, temporal:2000-10-01/2000-11-01 (the
    /// first dates of validation and test), users:80/10/10,holdout=0.2@SEED, given, given:NAME, none, or a
    /// folder written by 'limpid data split'. With --test it is 'given'.
    #[arg(long, value_name = "SPLIT")]
    split: Option<SplitFrom>,
    /// Seed of the model; the split has its own [default: 1]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Folder to write; a saved model there is replaced
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Check all options and print the plan; read no data, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Train even if the data changed since --config was recorded
    #[arg(long, requires = "config")]
    data_changed_ok: bool,
    /// Tune hyper-parameters on the validation set
    ///
    /// Tries every combination of the values that 'limpid models NAME' lists to tune; parameters given
    /// with --set are fixed. Of the combinations within 0.001 of the best metric, selects the one with
    /// the shortest explanations. Prints the Pareto frontier.
    #[arg(long)]
    tune: bool,
    /// Try at most N combinations, sampled at random, with --tune; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0, requires = "tune")]
    trials: usize,
    /// Metric to tune for, with --tune
    #[arg(
        long,
        value_name = "METRIC",
        default_value = "ndcg@20",
        requires = "tune"
    )]
    metric: MetricAt,
    /// Memory budget of the fit in gigabytes [default: 16]
    #[arg(long, value_name = "GB")]
    memory: Option<f64>,
    /// Device to compute on [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Save nothing of single users: no ids, no histories, no vectors learned for them
    ///
    /// 'limpid evaluate' and '--user' need them; '--history' does not. The checkpoint of an unfinished fit
    /// beside the folder is not meant by this; it is deleted when the model is saved.
    #[arg(long)]
    without_users: bool,
    #[command(flatten)]
    read: ReadArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let (experiment, on_change) = self.experiment()?;
        let checked = experiment.check()?;
        let fixed = self.keys();
        let how = self.tune.then_some(TuneOptions {
            metric: self.metric,
            tolerance: TOLERANCE,
            trials: self.trials,
        });
        let fits = match &how {
            Some(how) => checked.check_tuning(&fixed, how)?,
            None => 1,
        };
        let target = check_target(&self.output, checked.data_bytes)?;
        if self.dry_run {
            let plan = plan(checked, fits, target);
            let page = plan_page(&plan)?;
            return output.answer(&plan, page);
        }
        let prepared = checked.read(on_change)?;
        output.notes(&prepared.notes);
        let bars = Bars::new(output.is_quiet());
        let (checked, tuned) = match &how {
            Some(how) => {
                let (checked, tuned) = checked.tune(&prepared, &fixed, how, &bars)?;
                (checked, Some(tuned))
            }
            None => (checked, None),
        };
        let advisor = checked.fit(prepared, Some(self.checkpoint()), &bars)?;
        bars.check("the model was not saved")?;
        drop(bars);
        let manifest = advisor.save(&self.output, !self.without_users)?;
        let mut notes: Vec<String> = manifest.experiment.taught().into_iter().collect();
        if self.without_users && advisor.model.without_users().is_some() {
            notes.push(format!(
                "{} learns a vector for each user; the saved model has none, and no metrics measured with \
                 them: every user is represented by their history",
                advisor.model.name()
            ));
        }
        if manifest.holds_histories {
            notes.push(
                "the folder contains user histories and titles, which may be private or licensed; use \
                 --without-users to save it without histories"
                    .to_owned(),
            );
        }
        output.notes(&notes);
        let mut page: Vec<Section> = tuned.iter().flat_map(frontier).collect();
        let folder = self.output.display().to_string();
        page.push(Section::Lines(summary(
            &advisor.described(),
            &manifest,
            &folder,
        )));
        let answer = Trained {
            schema: "limpid.train/1",
            folder,
            manifest,
            tuned,
            notes,
        };
        output.answer(&answer, page)
    }

    /// The settings of --preset and --set.
    fn settings(&self) -> Vec<String> {
        let preset = self.preset.iter().map(|name| format!("preset={name}"));
        preset.chain(self.set.iter().cloned()).collect()
    }

    /// The keys of these settings.
    fn keys(&self) -> Vec<String> {
        let settings = self.settings();
        let keys = settings.iter().filter_map(|s| s.split_once('='));
        keys.map(|(key, _)| key.trim().to_owned()).collect()
    }

    /// The experiment of `--config`, or a new one, with the options applied; and what to do where the
    /// data are not the recorded ones.
    fn experiment(&self) -> Result<(Experiment, OnChange)> {
        let mut experiment = match &self.config {
            Some(path) => Experiment::read(path)?,
            None => Experiment::default(),
        };
        let mut config = experiment.config()?;
        if let Some(name) = &self.model {
            let named = Config::named(name)?;
            // Settings of another model do not apply to this one; some older names have settings.
            if named.name() != config.name() || !named.changes()?.is_empty() {
                config = named;
            }
        }
        config = config.set(&self.settings())?;
        let sets_teacher = self.keys().iter().any(|key| key == "teacher");
        if let Some(path) = &self.teacher {
            experiment.teacher = Some(TeacherSource::new(path));
            // Models without the setting are refused by the check, which names those that have it.
            if config.to_value()?.get("teacher").is_some() && !sets_teacher {
                config = config.set(&["teacher=file"])?;
            }
        } else if self.model.is_some() || sets_teacher {
            // A recorded teacher stays only where the settings still ask for it.
            let value = config.to_value()?;
            experiment.teacher = experiment.teacher.filter(|_| value["teacher"] == "file");
        }
        experiment = experiment.with_config(&config)?;
        if let Some(split) = &self.split {
            experiment.split = split.clone();
        } else if self.read.has_split() {
            experiment.split = SplitFrom::Spec(SplitSpec::Given { name: None });
        }
        experiment.seed = self.seed.unwrap_or(experiment.seed);
        experiment.memory_gb = self.memory.unwrap_or(experiment.memory_gb);
        if let Some(device) = &self.device {
            experiment.device.clone_from(device);
        }
        let filters = experiment.data.as_ref().map(|d| d.filters.clone());
        if self.data.is_some() || self.read.files().is_some() {
            let source = experiment.data.get_or_insert_with(DataSource::default);
            // Files that were named one by one are replaced as a whole.
            source.read.files.clear();
            source.path = self.data.clone().unwrap_or_default();
        }
        if let Some(source) = &mut experiment.data {
            // Recorded texts stay only for a model that reads them.
            if self.model.is_some() && !config.entry().reads.texts {
                source.texts = TextSource::default();
            }
            self.read.change(source);
        }
        // A manifest of format 1 does not record the path, reading options and filters of its data: the
        // options name them again, and must give the recorded data and split.
        let recorded = filters.is_some();
        let filters_changed = filters != experiment.data.as_ref().map(|d| d.filters.clone());
        if let Some(expected) = &mut experiment.expected
            && (self.split.is_some() || (recorded && filters_changed))
        {
            expected.split = None;
        }
        // Data that the user replaced are noted, not refused.
        let replaced = self.data.is_some() || self.read.files().is_some();
        let on_change = match self.data_changed_ok || (recorded && replaced) {
            true => OnChange::Note,
            false => OnChange::Refuse,
        };
        Ok((experiment, on_change))
    }

    /// A file next to the folder; an unfinished fit resumes from it.
    fn checkpoint(&self) -> PathBuf {
        let mut name = self.output.file_name().unwrap_or_default().to_owned();
        name.push(".checkpoint");
        self.output.with_file_name(name)
    }
}

fn plan(checked: Checked, fits: usize, target: Target) -> TrainPlan {
    TrainPlan {
        schema: "limpid.train-plan/1",
        experiment: checked.experiment,
        data_bytes: checked.data_bytes,
        fits,
        folder: target.path.display().to_string(),
        replaces: target.replaces,
        free_bytes: target.free_bytes,
    }
}

fn plan_page(plan: &TrainPlan) -> Result<Vec<Section>> {
    let e = &plan.experiment;
    let mut table = Table::new(["step", "details"]);
    table.row(["read", &read_words(plan)]);
    table.row(["split", &e.split.to_string()]);
    let fits = match plan.fits {
        1 => "1 fit".to_owned(),
        n => format!("{n} fits (tuning)"),
    };
    table.row([
        "train",
        &format!("{}, seed {}, on {}, {fits}", e.model, e.seed, e.device),
    ]);
    table.row([
        "write",
        &format!(
            "{}{}{}",
            plan.folder,
            if plan.replaces {
                " (replaces a saved model)"
            } else {
                ""
            },
            plan.free_bytes
                .map_or_else(String::new, |bytes| format!(", {} free", size(bytes))),
        ),
    ]);
    Ok(vec![
        Section::Text("All checks passed; nothing was read or written. The experiment:".to_owned()),
        Section::Code(e.to_toml()?.trim_end().to_owned()),
        Section::Table(table),
    ])
}

fn read_words(plan: &TrainPlan) -> String {
    match &plan.experiment.data {
        Some(source) => format!(
            "{}, {}; {}",
            match source.read.files.as_slice() {
                [] => source.path.display().to_string(),
                files => {
                    let files = files.iter().map(|file| file.path.display().to_string());
                    files.collect::<Vec<_>>().join(", ")
                }
            },
            size(plan.data_bytes),
            source.filters
        ),
        None => "the split folder only".to_owned(),
    }
}

fn summary(described: &str, manifest: &Manifest, folder: &str) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{described} trained in {:.2} s on {} ({} users, {} items, {} train events)",
            manifest.fit_seconds,
            manifest.data.name,
            manifest.data.users,
            manifest.data.items,
            manifest.data.train_events,
        ),
        format!(
            "split {} ({})",
            manifest.split.spec,
            short(&manifest.split.hash)
        ),
    ];
    for (name, value) in &manifest.metrics {
        lines.push(format!("{name} {value:.4}"));
    }
    lines.push(format!("saved to {folder}"));
    lines
}

/// The trials on the frontier, and the selected one.
fn frontier(tuned: &Tuned) -> Vec<Section> {
    let mut table = Table::new(["settings", &tuned.metric, "lines", "p90", "fit s", "choice"]);
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
            if at == tuned.chosen { "selected" } else { "" }.to_owned(),
        ]);
    }
    vec![
        Section::Table(table),
        Section::Text(format!(
            "{} of {} combinations tried on the validation set; shown: the Pareto frontier of {} and lines \
             (median and p90 per explanation); selected: the fewest lines within {TOLERANCE} of the best",
            tuned.trials.len(),
            tuned.grid,
            tuned.metric
        )),
    ]
}
