//! `limpid models`: the models with their hyper-parameters, ranges and defaults.

use anyhow::Result;
use clap::Args;
use limpid::answers::{ModelAnswer, Models, ParameterAnswer};
use limpid::models::{Config, ENTRIES, Entry};

use crate::output::{Output, Section, Table};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Show one model
    name: Option<String>,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let entries: Vec<&Entry> = match &self.name {
            Some(name) => vec![Entry::named(name)?],
            None => ENTRIES.iter().collect(),
        };
        let mut answer = Models {
            schema: "limpid.models/1",
            models: Vec::new(),
        };
        let mut page = Vec::new();
        let mut all = Table::new(["model", "parameter", "default", "range", "what it does"]);
        for entry in entries {
            let defaults = Config::named(entry.name)?.to_value()?;
            let parameters: Vec<ParameterAnswer> = entry
                .parameters
                .iter()
                .map(|p| ParameterAnswer {
                    name: p.name,
                    default: defaults[p.name].clone(),
                    range: p.range,
                    tuned_over: p.tune,
                    about: p.doc,
                })
                .collect();
            for p in &parameters {
                all.row([
                    entry.name.to_owned(),
                    p.name.to_owned(),
                    p.default.to_string().trim_matches('"').to_owned(),
                    p.range.to_owned(),
                    p.about.to_owned(),
                ]);
            }
            page.push(Section::Text(format!(
                "{:<11} {}\n            {}",
                entry.name, entry.about, entry.paper
            )));
            answer.models.push(ModelAnswer {
                name: entry.name,
                about: entry.about,
                paper: entry.paper,
                parameters,
            });
        }
        page.push(Section::Table(all));
        page.push(Section::Text(
            "Set them with --model NAME --set PARAMETER=VALUE, or under [settings] of a run.toml (--config).".into(),
        ));
        output.answer(&answer, page)
    }
}
