//! `limpid models`.

use std::collections::BTreeMap;

use limpid_models::hyper::Range;
use limpid_models::{Entry, Parameter, Preset};
use serde::Serialize;
use serde_json::Value;

/// The catalogue of models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Models {
    /// `limpid.models/1`.
    pub schema: &'static str,
    /// The models, in the order in which they are shown.
    pub models: Vec<ModelAnswer>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelAnswer {
    /// Its name after `--model`.
    pub name: &'static str,
    /// Other names that are accepted.
    pub aliases: Vec<&'static str>,
    /// What it is, in one line.
    pub about: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// What it reads of a history besides the items: order, behaviors, values, texts.
    pub reads: Vec<&'static str>,
    /// Its hyper-parameters.
    pub parameters: Vec<ParameterAnswer>,
    /// Its presets.
    pub presets: Vec<PresetAnswer>,
}

/// One hyper-parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterAnswer {
    /// Its name after `--set`.
    pub name: &'static str,
    /// Other names that are accepted.
    pub aliases: &'static [&'static str],
    /// Its default.
    pub default: Value,
    /// Its range, in words.
    pub range: String,
    /// Its range, as data.
    pub values: Range,
    /// The values that `--tune` tries; none where it is not tuned.
    pub tuned_over: &'static [&'static str],
    /// What it does.
    pub about: String,
}

/// The settings that a choice of a parameter changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresetAnswer {
    /// The parameter.
    pub parameter: &'static str,
    /// Its choice.
    pub choice: &'static str,
    /// The values that other parameters then default to.
    pub sets: BTreeMap<&'static str, String>,
}

impl From<Parameter> for ParameterAnswer {
    fn from(p: Parameter) -> Self {
        Self {
            name: p.name,
            aliases: p.aliases,
            range: p.rule(),
            values: p.range,
            tuned_over: p.tune,
            about: p.doc.trim_end_matches('.').replace('`', ""),
            default: p.default,
        }
    }
}

impl From<&Entry> for ModelAnswer {
    fn from(entry: &Entry) -> Self {
        Self {
            name: entry.name,
            aliases: entry.aliases.iter().map(|a| a.name).collect(),
            about: entry.about,
            paper: entry.paper,
            reads: entry.reads.names(),
            parameters: entry.parameters().into_iter().map(Into::into).collect(),
            presets: presets(&entry.presets()),
        }
    }
}

/// Presets of one choice, as one.
fn presets(presets: &[Preset]) -> Vec<PresetAnswer> {
    let mut joined: Vec<PresetAnswer> = Vec::new();
    for preset in presets {
        let same = |p: &PresetAnswer| p.parameter == preset.parameter && p.choice == preset.choice;
        let at = joined.iter().position(same).unwrap_or_else(|| {
            joined.push(PresetAnswer {
                parameter: preset.parameter,
                choice: preset.choice,
                sets: BTreeMap::new(),
            });
            joined.len() - 1
        });
        let sets = preset.sets.iter();
        joined[at]
            .sets
            .extend(sets.map(|&(name, text)| (name, text.trim_matches('"').to_owned())));
    }
    joined
}
