//! `limpid models`.

use serde::Serialize;

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
    /// What it is, in one line.
    pub about: &'static str,
    /// Where it comes from.
    pub paper: &'static str,
    /// Its hyper-parameters.
    pub parameters: Vec<ParameterAnswer>,
}

/// One hyper-parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterAnswer {
    /// Its name after `--set`.
    pub name: &'static str,
    /// Its default.
    pub default: serde_json::Value,
    /// Its range, in words.
    pub range: &'static str,
    /// The values that `--tune` tries; none where it is not tuned.
    pub tuned_over: &'static [&'static str],
    /// What it does.
    pub about: &'static str,
}
