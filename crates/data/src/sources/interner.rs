//! External ids to dense numbers while a file is read.

use std::collections::HashMap;

/// Numbers below this have a place in a table; 16 MiB at most.
const TABLE: usize = 1 << 22;

/// Numbers each id by its first appearance. Most data sets count their users and items, so ids that
/// are small plain numbers are looked up in a table instead of being hashed.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// One more than the number of a small id, 0 where it has none.
    table: Vec<u32>,
    map: HashMap<Box<str>, u32>,
    names: Vec<String>,
}

impl Interner {
    /// The number of an id, new or known.
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(small) = small(name.as_bytes()) {
            if small >= self.table.len() {
                self.table.resize((small + 1).next_power_of_two(), 0);
            }
            if self.table[small] == 0 {
                self.names.push(name.to_owned());
                self.table[small] = self.names.len() as u32;
            }
            return self.table[small] - 1;
        }
        if let Some(&number) = self.map.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.map.insert(name.into(), number);
        number
    }

    /// The number of a known id.
    pub(super) fn get(&self, name: &str) -> Option<u32> {
        match small(name.as_bytes()) {
            Some(small) => self.table.get(small).and_then(|n| n.checked_sub(1)),
            None => self.map.get(name).copied(),
        }
    }

    /// The id of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }

    /// All ids in the order of their numbers.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// As [`names`](Self::names), owned.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// A number below the size of the table, written without leading zeros (which make another id).
fn small(name: &[u8]) -> Option<usize> {
    if name.is_empty() || name.len() > 7 || (name[0] == b'0' && name.len() > 1) {
        return None;
    }
    let number = name.iter().try_fold(0usize, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + usize::from(byte - b'0'))
    })?;
    (number < TABLE).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain interner of core.
        #[test]
        fn agrees_with_hashing(names in proptest::collection::vec("0{0,2}[0-9]{1,8}|[a-c]{0,2}", 0..60)) {
            let mut fast = Interner::default();
            let mut plain = limpid_core::Ids::new();
            for name in &names {
                prop_assert_eq!(fast.get(name), plain.get(name));
                prop_assert_eq!(fast.intern(name), plain.intern(name));
            }
            prop_assert_eq!(fast.len(), plain.len());
            for number in 0..fast.len() as u32 {
                prop_assert_eq!(fast.name(number), plain.name(number));
            }
            prop_assert_eq!(&fast.into_names()[..], plain.names());
        }
    }
}
