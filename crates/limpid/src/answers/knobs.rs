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

/// A list that is steered toward a concept.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SteerAnswer {
    /// `limpid.steer/1`.
    pub schema: &'static str,
    /// The user; null for an ad-hoc history.
    pub user: Option<String>,
    /// The concept.
    pub toward: String,
    /// Items of the concept; 0 for a knob without a metadata value.
    pub items: usize,
    /// The knobs that are turned, with weights: the sum of weight × direction has length 1.
    pub knobs: Vec<KnobWeight>,
    /// The strength, in lengths of the user's vector; negative steers away.
    pub strength: f32,
    /// The share of the list that was asked for; null if a strength was given.
    pub asked: Option<f64>,
    /// The share of the list without steering.
    pub share_before: f64,
    /// The share of the list.
    pub share: f64,
    /// Whether the list is within one item of what was asked.
    pub reached: Option<bool>,
    /// The largest share that these knobs give (the smallest, if less was asked for than there is).
    pub reachable: Option<f64>,
    /// What methods without knobs give, where the knobs do not reach what was asked.
    pub others: Vec<Reach>,
    /// The list, as `limpid recommend` gives it with these edits.
    pub list: super::Recommendations,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// A knob that is turned.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct KnobWeight {
    /// Its id.
    pub unit: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its weight.
    pub weight: f32,
}

/// What another method gives.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Reach {
    /// The method.
    pub method: String,
    /// The share of the list.
    pub share: f64,
    /// Whether that is within one item of what was asked.
    pub reached: bool,
}
