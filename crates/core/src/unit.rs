//! Units: what has a name that a person can understand and switch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Catalogue, Error, ItemIdx, Result};

/// A part of a model that can be named, cited in a ledger and edited.
///
/// The written form is part of the command line (see [`Unit::parse`] and [`Unit::text`]): `g17` is
/// a group of items with its OR, its at-least-k and its links; `g17.or` and `g17.two` are rules of
/// it; `link:296` is the item with the external id 296; `r17` is a learned rule; `n12` a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The links of one item of the history to all targets.
    Link(ItemIdx),
    /// A group of items with all its links and rules.
    Group(u32),
    /// "At least one of the group."
    GroupOr(u32),
    /// "At least two of the group."
    GroupTwo(u32),
    /// A learned rule.
    Rule(u32),
    /// A neuron of a sparse dictionary.
    Neuron(u32),
    /// The popularity of the target; it has no switch.
    Popularity,
}

impl Unit {
    /// The written form, with the user's own item ids.
    #[must_use]
    pub fn text(self, catalogue: &Catalogue) -> String {
        match self {
            Self::Link(item) => format!("link:{}", catalogue.id(item)),
            other => other.to_string(),
        }
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// [`Error::Parse`] where the text is no unit, [`Error::NoSuchUnit`] where a link names an item
    /// that the catalogue does not have.
    pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Self> {
        match text.strip_prefix("link:") {
            Some(id) => catalogue
                .items
                .get(id)
                .map(|i| Self::Link(ItemIdx(i)))
                .ok_or_else(|| Error::NoSuchUnit {
                    unit: text.to_owned(),
                    hint: format!("the catalogue has no item with the id '{id}'"),
                }),
            None => text.parse(),
        }
    }
}

/// The written form; a link shows its index, since no catalogue is at hand (see [`Unit::text`]).
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(item) => write!(f, "link:#{}", item.0),
            Self::Group(g) => write!(f, "g{g}"),
            Self::GroupOr(g) => write!(f, "g{g}.or"),
            Self::GroupTwo(g) => write!(f, "g{g}.two"),
            Self::Rule(r) => write!(f, "r{r}"),
            Self::Neuron(n) => write!(f, "n{n}"),
            Self::Popularity => write!(f, "popularity"),
        }
    }
}

impl FromStr for Unit {
    type Err = Error;

    /// Reads every written form that needs no catalogue.
    fn from_str(text: &str) -> Result<Self> {
        let error = || Error::Parse {
            what: "unit",
            text: text.to_owned(),
            why: "a unit is link:ITEM_ID, gN, gN.or, gN.two, rN or nN, such as link:296 or g17.or"
                .to_owned(),
        };
        if text == "popularity" {
            return Ok(Self::Popularity);
        }
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| error());
        if let Some(rest) = text.strip_prefix('g') {
            return match rest.split_once('.') {
                None => Ok(Self::Group(number(rest)?)),
                Some((g, "or")) => Ok(Self::GroupOr(number(g)?)),
                Some((g, "two")) => Ok(Self::GroupTwo(number(g)?)),
                Some(_) => Err(error()),
            };
        }
        if let Some(rest) = text.strip_prefix('r') {
            return Ok(Self::Rule(number(rest)?));
        }
        if let Some(rest) = text.strip_prefix('n') {
            return Ok(Self::Neuron(number(rest)?));
        }
        Err(error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ids;

    #[test]
    fn written_and_read_again() {
        let c = Catalogue::of_items(Ids::from_names(vec!["a".into(), "b:2".into()]).unwrap());
        for unit in [
            Unit::Link(ItemIdx(1)),
            Unit::Group(17),
            Unit::GroupOr(0),
            Unit::GroupTwo(3),
            Unit::Rule(9),
            Unit::Neuron(12),
            Unit::Popularity,
        ] {
            assert_eq!(Unit::parse(&unit.text(&c), &c).unwrap(), unit);
        }
        for bad in ["", "g", "g1.and", "x3", "link:c", "r-1", "gg"] {
            assert!(Unit::parse(bad, &c).is_err(), "{bad}");
        }
    }
}
