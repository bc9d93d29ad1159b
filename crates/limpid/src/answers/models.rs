//! `limpid models`.

use std::collections::BTreeMap;

use limpid_models::hyper::Range;
use limpid_models::{Entry, Parameter, Preset};
use serde::Serialize;

/// The catalogue of models.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Models {
    /// `limpid.models/1`.
    pub schema: &'static str,
    /// The models, in the order in which they are shown.
    pub models: Vec<ModelAnswer>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ModelAnswer {
    /// Its name after `--model`.
    pub name: &'static str,
    /// Aliases: older names.
    pub aliases: Vec<&'static str>,
    /// Description in one line.
    pub about: &'static str,
    /// The paper.
    pub paper: &'static str,
    /// The fields of the data that it reads: `items`, `order`, `behaviors`, `values`, `texts`, `attributes`.
    pub reads: Vec<&'static str>,
    /// Its hyper-parameters.
    pub parameters: Vec<ParameterAnswer>,
    /// Choices of one parameter that set several others.
    pub presets: Vec<PresetAnswer>,
}

/// One hyper-parameter.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ParameterAnswer {
    /// Its name after `--set`.
    pub name: &'static str,
    /// Aliases: older names.
    pub aliases: &'static [&'static str],
    /// Its default.
    pub default: serde_json::Value,
    /// Its range, in words.
    pub range: String,
    /// Its range as data.
    pub values: Range,
    /// The values that `--tune` tries; empty where it is not tuned.
    pub tuned_over: &'static [&'static str],
    /// Description.
    pub about: String,
}

/// A choice of one parameter that sets several others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PresetAnswer {
    /// The parameter.
    pub parameter: &'static str,
    /// Its value.
    pub choice: &'static str,
    /// The settings, by name.
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
