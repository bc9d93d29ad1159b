//! External ids (the user's own strings) and the dense indices used inside.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The dense index of a user, `0..n_users`. Internal, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserIdx(pub u32);

/// The dense index of an item, `0..n_items`. Internal, never shown.
///
/// Indices are assigned by a seeded shuffle at import, so that the order of ids cannot leak into a
/// ranking or a metric.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    bytemuck::Pod,
    bytemuck::Zeroable,
)]
#[serde(transparent)]
#[repr(transparent)]
pub struct ItemIdx(pub u32);

impl UserIdx {
    /// The index as an array position.
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl ItemIdx {
    /// The index as an array position.
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A bijection between external ids and `0..len`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    names: Vec<String>,
    index: HashMap<String, u32>,
}

impl Ids {
    /// No ids.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ids in the order of their indices.
    ///
    /// # Errors
    /// [`Error::Duplicate`] where a name appears twice, [`Error::Range`] above `u32::MAX` names.
    pub fn from_names(names: Vec<String>) -> Result<Self> {
        let mut index = HashMap::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let i = u32::try_from(i)
                .map_err(|_| Error::range("the number of ids", "below 2³²", names.len()))?;
            if index.insert(name.clone(), i).is_some() {
                return Err(Error::Duplicate {
                    what: "id",
                    name: name.clone(),
                });
            }
        }
        Ok(Self { names, index })
    }

    /// The index of `name`, which is added at the end if it is new.
    pub fn intern(&mut self, name: &str) -> u32 {
        if let Some(&i) = self.index.get(name) {
            return i;
        }
        // More than 2³² ids would need over 100 GB of names: memory runs out first.
        let i = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), i);
        i
    }

    /// The index of `name`, if it is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// The external id at an index; empty for an unknown index.
    #[must_use]
    pub fn name(&self, index: u32) -> &str {
        self.names.get(index as usize).map_or("", String::as_str)
    }

    /// All names in the order of their indices.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no ids.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interning_is_a_bijection() {
        let mut ids = Ids::new();
        assert_eq!(ids.intern("b"), 0);
        assert_eq!(ids.intern("a"), 1);
        assert_eq!(ids.intern("b"), 0);
        assert_eq!(ids.name(1), "a");
        assert_eq!(ids.get("a"), Some(1));
        assert_eq!(ids.get("c"), None);
        assert_eq!(ids.name(9), "");
        assert_eq!(Ids::from_names(ids.names().to_vec()).unwrap(), ids);
        assert!(Ids::from_names(vec!["x".into(), "x".into()]).is_err());
    }
}
