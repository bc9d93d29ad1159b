//! `limpid probe`, `limpid label` and `limpid concepts`.

use limpid_insight::concepts::Other;
use limpid_insight::dictionary::Certificate;
use serde::Serialize;

use super::ItemName;
use crate::artifact::Manifest;

/// A dictionary that was fitted or named.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ProbeAnswer {
    /// `limpid.probe/1`.
    pub schema: &'static str,
    /// The folder.
    pub folder: String,
    /// Number of knobs.
    pub knobs: usize,
    /// Number of fillers, which are not exposed.
    pub fillers: usize,
    /// The manifest, with the settings, the certificate and the base of the dictionary.
    pub manifest: Manifest,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// The control board: every knob with its name.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Concepts {
    /// `limpid.concepts/1`.
    pub schema: &'static str,
    /// The base.
    pub base: String,
    /// Number of knobs, of which `concepts` are listed.
    pub knobs: usize,
    /// Number of knobs with a confirmed name.
    pub named: usize,
    /// Number of distinct confirmed names.
    pub distinct: usize,
    /// Share of the named knobs if the tags are shuffled over the items: what chance gives; null without
    /// tags.
    pub named_by_chance: Option<f64>,
    /// How much of the dictionary comes back when users are resampled; null if that was not measured.
    pub certificate: Option<Certificate>,
    /// The knobs.
    pub concepts: Vec<Concept>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// A knob of the board.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Concept {
    /// Its id, as written in edits.
    pub unit: String,
    /// Its best tag, which is its name if it is confirmed; null without tags.
    pub name: Option<String>,
    /// The metadata field of the tag.
    pub field: Option<String>,
    /// Whether the name passes the tests; otherwise it is a guess.
    pub confirmed: bool,
    /// AUROC of the tag on items that did not choose it.
    pub confidence: Option<f32>,
    /// Lower end of its 95 % interval.
    pub low: Option<f32>,
    /// Upper end.
    pub high: Option<f32>,
    /// P-value against the popularity-controlled null.
    pub p: Option<f32>,
    /// Runner-up names with their AUROC.
    pub others: Vec<Other>,
    /// Tags of which it is the representative unit (tf-idf with tags as documents).
    pub represents: Vec<String>,
    /// Tags of which it is the unique unit (tf-idf with units as documents).
    pub unique_to: Vec<String>,
    /// Share of fresh resamples of the users in which it comes back; null if that was not measured.
    pub stability: Option<f32>,
    /// Share of training users for whom it is active; null without histories.
    pub support: Option<f64>,
    /// The items whose scores it raises most.
    pub top: Vec<ItemName>,
}
