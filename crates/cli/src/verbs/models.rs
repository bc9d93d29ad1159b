//! `limpid models`: the catalogue; with a name, one model with its parameters and presets.

use anyhow::Result;
use clap::Args;
use limpid::answers::{ModelAnswer, Models};
use limpid::models::hyper::written;
use limpid::models::{ENTRIES, Entry};

use crate::args::OutArgs;
use crate::output::{Output, Section, Table};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Show the parameters and presets of this model
    name: Option<String>,
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let models: Vec<ModelAnswer> = match &self.name {
            Some(name) => vec![Entry::named(name)?.into()],
            None => ENTRIES.iter().map(Into::into).collect(),
        };
        let page = match (&self.name, models.first()) {
            (Some(_), Some(model)) => detail(model),
            _ => list(&models),
        };
        let answer = Models {
            schema: "limpid.models/1",
            models,
        };
        output.answer(&answer, page)
    }
}

fn list(models: &[ModelAnswer]) -> Vec<Section> {
    let mut table = Table::new(["model", "description", "aliases"]);
    for model in models {
        table.row([
            model.name.to_owned(),
            model.about.to_owned(),
            model.aliases.join(", "),
        ]);
    }
    vec![
        Section::Table(table),
        Section::Text("'limpid models NAME' shows a model's parameters and presets.".to_owned()),
    ]
}

fn detail(model: &ModelAnswer) -> Vec<Section> {
    let mut table = Table::new(["parameter", "default", "values", "description"]);
    for p in &model.parameters {
        let mut values = p.range.trim_start_matches("a ").to_owned();
        for (what, list) in [("tune", p.tuned_over), ("alias", p.aliases)] {
            if !list.is_empty() {
                values.push_str(&format!("; {what}: {}", list.join(", ")));
            }
        }
        table.row([
            p.name.to_owned(),
            written(&p.default),
            values,
            p.about.clone(),
        ]);
    }
    let mut page = vec![
        Section::Text(
            [
                format!("{}: {}", model.name, model.about),
                model.paper.to_owned(),
                format!("reads: {}", model.reads.join(", ")),
            ]
            .join("\n"),
        ),
        Section::Table(table),
    ];
    if !model.presets.is_empty() {
        let mut table = Table::new(["preset", "sets"]);
        for preset in &model.presets {
            let sets = preset
                .sets
                .iter()
                .map(|(name, text)| format!("{name}={text}"));
            table.row([
                format!("{}={}", preset.parameter, preset.choice),
                sets.collect::<Vec<_>>().join(" "),
            ]);
        }
        page.push(Section::Table(table));
    }
    page.push(Section::Text(
        "Set with --set PARAMETER=VALUE or in a run.toml; explicit settings override those of a preset.".to_owned(),
    ));
    page
}
