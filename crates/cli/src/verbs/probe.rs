//! `limpid probe` and `limpid label`: a dictionary over a model, with names.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::answers::ProbeAnswer;
use limpid::artifact::{DictionaryRecord, Manifest, check_target};
use limpid::data::GivenSubset;
use limpid::data::SplitSpec;
use limpid::data::sources::{EventFile, MetadataSource};
use limpid::imported::Import;
use limpid::probe::{LabelOptions, ProbeOptions, parameters};
use limpid::{DataSource, SplitFrom};

use crate::output::{Output, Section, Table};
use crate::progress::Bars;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Command {
    /// Folder of a model with a linear decoder: eigen, elsa, ials, bprmf, bcemf, lightgcn, sasrec, timirec, multdae or multvae with one layer
    #[arg(required_unless_present_any = ["states", "parameters"], conflicts_with = "states")]
    base: Option<PathBuf>,
    /// Kind of dictionary; the same as --set method=KIND
    ///
    /// nmf (stable, well named), kmeans (faster), or a sparse autoencoder: basic, topk, batch-topk,
    /// matryoshka, jump-relu.
    #[arg(long, value_name = "KIND")]
    dictionary: Option<String>,
    /// Set a hyper-parameter, such as k=16 or width=2x (twice the dimension of the base); repeat for more
    ///
    /// 'limpid probe BASE --parameters' lists them.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// List the hyper-parameters of dictionaries and stop
    #[arg(long)]
    parameters: bool,
    /// Seed of the resamples of the users
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Folder to write; a saved model there is replaced
    #[arg(
        long,
        short,
        value_name = "FOLDER",
        required_unless_present = "parameters"
    )]
    output: Option<PathBuf>,
    /// Copy the base into the folder, instead of naming it by its path and hash
    #[arg(long)]
    bundle: bool,
    #[command(flatten)]
    import: ImportArgs,
    #[command(flatten)]
    labels: LabelArgs,
}

/// A model that was trained elsewhere.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "A model that was trained elsewhere")]
struct ImportArgs {
    /// States of its users, one per row, as .npy
    ///
    /// The score of an item is the product of a state and an item vector, plus the bias of the item.
    #[arg(long, value_name = "FILE", requires = "items")]
    states: Option<PathBuf>,
    /// Its item vectors, one per row, as .npy
    #[arg(long, value_name = "FILE", requires = "states")]
    items: Option<PathBuf>,
    /// Biases of the items, as .npy
    #[arg(long, value_name = "FILE", requires = "states")]
    bias: Option<PathBuf>,
    /// Ids of the users, in the order of the rows: one per line, or a table with a column id [default: STATES with
    /// the ending .rows.csv, if it exists; otherwise numbers from 0]
    #[arg(long, value_name = "FILE", requires = "states")]
    user_ids: Option<PathBuf>,
    /// Ids of the items; a column title gives their titles [default: as for the users]
    #[arg(long, value_name = "FILE", requires = "states")]
    item_ids: Option<PathBuf>,
    /// Events of the users: what they have seen, and what lets others be folded in
    #[arg(long, value_name = "PATH", requires = "states")]
    histories: Option<PathBuf>,
    /// Events that the model was not shown, to evaluate on; --histories is then a file too
    #[arg(
        long,
        value_name = "FILE",
        requires = "histories",
        conflicts_with = "split"
    )]
    held_out: Option<PathBuf>,
    /// Split of the histories; the states are those of its training events, and fold-in events of held-out users
    /// [default: none]
    #[arg(long, value_name = "SPLIT", requires = "histories")]
    split: Option<SplitFrom>,
}

impl ImportArgs {
    /// The model to import, if there is one.
    fn import(&self) -> Option<Import> {
        let (Some(states), Some(items)) = (&self.states, &self.items) else {
            return None;
        };
        let source = self.histories.clone().map(|path| {
            let mut source = DataSource {
                path: path.clone(),
                ..DataSource::default()
            };
            if let Some(held_out) = &self.held_out {
                let of = |path: PathBuf, subset| EventFile {
                    path,
                    behavior: None,
                    subset: Some(subset),
                };
                source.read.files = vec![
                    of(path, GivenSubset::Train),
                    of(held_out.clone(), GivenSubset::Test),
                ];
            }
            source
        });
        let given = self.held_out.as_ref();
        let given = given.map(|_| SplitFrom::Spec(SplitSpec::Given { name: None }));
        Some(Import {
            states: states.clone(),
            items: items.clone(),
            bias: self.bias.clone(),
            user_ids: self.user_ids.clone(),
            item_ids: self.item_ids.clone(),
            histories: source,
            split: self.split.clone().or(given),
        })
    }
}

const EXAMPLES: &str = "\
Examples:
  limpid train --model eigen --data ml-1m/ -o base/
  limpid probe base/ -o knobs/
  limpid probe base/ --dictionary kmeans --set k=24 -o knobs/
  limpid concepts knobs/
  limpid recommend knobs/ --user 42 --edit 'film noir~0.3'
  limpid probe --states users.npy --items items.npy --user-ids users.txt --item-ids items.csv \\
      --histories events.csv --metadata tags.csv -o knobs/";

/// The metadata that give names.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct LabelArgs {
    /// Join further item metadata by item id: FILE, DIR or FILE:COLUMN; repeat for more
    #[arg(long, value_name = "PATH[:COLUMN]")]
    metadata: Vec<MetadataSource>,
    /// Fields whose values may be names, such as genres,tags [default: all but years]
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Items that a value needs to be a name; half of them choose it, the others test it
    #[arg(long, value_name = "N", default_value_t = 20)]
    least: usize,
}

impl LabelArgs {
    pub(crate) fn options(&self) -> LabelOptions {
        LabelOptions {
            metadata: self.metadata.clone(),
            columns: self.columns.clone(),
            least: self.least,
        }
    }
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let Some(folder) = self.output.as_ref().filter(|_| !self.parameters) else {
            return list_parameters(output);
        };
        check_target(folder, 0)?;
        let (base, mut notes) = match (self.import.import(), &self.base) {
            (None, Some(folder)) => (Advisor::open(folder)?, Vec::new()),
            (import, _) => Advisor::import(&import.unwrap_or_default())?,
        };
        let method = self.dictionary.iter().map(|kind| format!("method={kind}"));
        let options = ProbeOptions {
            settings: method.chain(self.set.iter().cloned()).collect(),
            seed: self.seed,
            labels: self.labels.options(),
        };
        let bars = Bars::new(output.is_quiet());
        let (knobs, more) = base.probe(&options, &bars)?;
        notes.extend(more);
        bars.check("the dictionary was not saved")?;
        drop(bars);
        let manifest = match &self.base {
            Some(base) if !self.bundle => knobs.save_knobs(folder, base)?,
            // An imported base has no folder of its own.
            _ => knobs.save(folder, true)?,
        };
        output.notes(&notes);
        finish(
            &knobs,
            manifest,
            folder.display().to_string(),
            notes,
            output,
        )
    }
}

fn list_parameters(output: &Output) -> Result<()> {
    let mut table = Table::new(["name", "default", "range", "meaning"]);
    for p in parameters() {
        let default = limpid::models::hyper::written(&p.default);
        table.row([p.name.to_owned(), default, p.rule(), p.doc.to_owned()]);
    }
    output.page(vec![Section::Table(table)])
}

/// Prints what was written.
fn finish(
    knobs: &Advisor,
    manifest: Manifest,
    folder: String,
    notes: Vec<String>,
    output: &Output,
) -> Result<()> {
    let (exposed, atoms) = match knobs.model.knobs() {
        Some(probed) => (probed.dictionary().knobs, probed.dictionary().atoms.nrows()),
        None => (0, 0),
    };
    let mut lines = vec![format!(
        "{exposed} knobs and {} fillers over {}",
        atoms - exposed,
        knobs.described()
    )];
    if let Some(record) = &manifest.dictionary {
        lines.extend(certificate(record));
    }
    lines.push(format!("saved to {folder}"));
    let answer = ProbeAnswer {
        schema: "limpid.probe/1",
        folder,
        knobs: exposed,
        fillers: atoms - exposed,
        manifest,
        notes,
    };
    output.answer(&answer, vec![Section::Lines(lines)])
}

/// What a dictionary certifies, in words.
pub(crate) fn certificate(record: &DictionaryRecord) -> Vec<String> {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut lines = Vec::new();
    if let Some(names) = &record.names {
        lines.push(format!(
            "named: {} of the knobs (AUROC 0.8 or more on held-out items, false discovery rate 5 %), {} \
             distinct names",
            percent(names.named),
            names.distinct
        ));
    }
    if let Some(c) = &record.certificate {
        let fresh = match &c.consensus {
            Some(o) => format!(
                "{} of the knobs come back in a fresh consensus ({} within the space of the base), ",
                percent(o.matched),
                percent(o.matched_in_base)
            ),
            None => String::new(),
        };
        lines.push(format!(
            "stability over {} fresh resamples of the users (cosine 0.7): {fresh}{} in a single fit",
            c.resamples,
            percent(c.single)
        ));
        if let Some(h) = &c.halves {
            lines.push(format!(
                "disjoint halves of the users: {} of {} and {} knobs agree ({} within the space of the base)",
                percent(h.matched),
                h.knobs,
                h.others,
                percent(h.matched_in_base)
            ));
        }
    }
    lines
}

/// `limpid label`.
#[derive(Debug, Args)]
pub(crate) struct Label {
    /// Folder written by 'limpid probe'; it is replaced
    knobs: PathBuf,
    #[command(flatten)]
    labels: LabelArgs,
}

impl Label {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let mut knobs = Advisor::open(&self.knobs)?;
        let notes = knobs.label(&self.labels.options())?;
        let manifest = knobs.save_again(&self.knobs)?;
        output.notes(&notes);
        finish(
            &knobs,
            manifest,
            self.knobs.display().to_string(),
            notes,
            output,
        )
    }
}
