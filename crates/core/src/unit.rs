//! Units: named evidence that is cited in a ledger and changed by an edit.

use serde::{Deserialize, Serialize};

use crate::rules::Rule;
use crate::{Catalogue, Error, ItemIdx, Result};

/// The kind of evidence of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Events of the history on one item.
    Event,
    /// Events of one behavior on one item, where the data have several behaviors.
    Behavior,
    /// Several units that are shown and edited together.
    Group,
    /// A learned rule over items.
    Rule,
    /// A neuron of a dictionary.
    Neuron,
    /// A pattern of behaviors.
    Pattern,
    /// A text.
    Text,
}

impl Space {
    /// The name of the kind in JSON output.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Event | Self::Behavior => "link",
            Self::Group | Self::Rule => "rule",
            Self::Neuron => "neuron",
            Self::Pattern => "pattern",
            Self::Text => "text",
        }
    }
}

/// A piece of named evidence.
///
/// What an index means is up to the [`Units`](crate::Units) that define it; by convention the index
/// of an [event](Space::Event) is the index of its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unit {
    /// The kind of evidence.
    pub space: Space,
    /// Its number within the space.
    pub index: u32,
}

impl Unit {
    /// A unit of a space.
    #[must_use]
    pub fn new(space: Space, index: u32) -> Self {
        Self { space, index }
    }

    /// The events on an item.
    #[must_use]
    pub fn event(item: ItemIdx) -> Self {
        Self::new(Space::Event, item.0)
    }

    /// The item of an [event](Unit::event) unit; `None` for every other space.
    #[must_use]
    pub fn item(self) -> Option<ItemIdx> {
        (self.space == Space::Event).then_some(ItemIdx(self.index))
    }
}

/// Description of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitInfo {
    /// The id, such as `link:296`, `g17.or` or `n12`. Law: [`Units::resolve`](crate::Units::resolve)
    /// parses it.
    pub id: String,
    /// A readable label: a title, a concept, the common metadata of a group.
    pub label: Option<String>,
    /// The kind of evidence.
    pub space: Space,
    /// The rule, if the unit is one.
    pub rule: Option<Rule>,
    /// Confidence in the label, 0 to 1, if it was tested.
    pub confidence: Option<f32>,
}

/// The prefix of the id of an event unit.
pub(crate) const EVENT: &str = "link:";

impl UnitInfo {
    /// The events on an item: `link:` and the external id, labeled with the title.
    #[must_use]
    pub fn event(item: ItemIdx, catalogue: &Catalogue) -> Self {
        Self {
            id: format!("{EVENT}{}", catalogue.id(item)),
            label: Some(catalogue.title(item).to_owned()),
            space: Space::Event,
            rule: Some(Rule::all([item])),
            confidence: None,
        }
    }
}

/// Parses `link:ITEM`, where ITEM is an external id or a title; `None` if the text does not start with
/// `link:`.
///
/// # Errors
/// As [`Catalogue::find`].
pub fn find_event(text: &str, catalogue: &Catalogue) -> Option<Result<Unit>> {
    let item = text.strip_prefix(EVENT)?;
    Some(catalogue.find(item).map(Unit::event))
}

/// The unit of a text for a model whose units are events alone.
///
/// # Errors
/// [`Error::NoSuchUnit`] for a text that does not begin with `link:`, and as [`Catalogue::find`].
pub fn resolve_event(text: &str, catalogue: &Catalogue) -> Result<Unit> {
    find_event(text, catalogue).unwrap_or_else(|| {
        Err(Error::NoSuchUnit {
            unit: text.to_owned(),
            hint: "its units are the items of the history: link:ITEM_ID or link:TITLE".to_owned(),
        })
    })
}
