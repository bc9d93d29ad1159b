//! Dictionaries of behaviors: `view_dict.txt`, `cart_dict.txt`, `buy_dict.txt`, each a JSON object of a user and
//! their list of items, beside `validation_dict.txt` and `test_dict.txt` of the target behavior.
//!
//! The layout of CRGCN (Yan et al., 2023), HEC-GCN and BCIPM. Ids are from 1; an item 0 is padding. `all_dict.txt`
//! and the pair lists beside them (`buy.txt`) hold the same events again and are not read.

use std::fmt;
use std::io::Read as _;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::Source;
use super::builder::{Builder, Draft};
use super::chain;
use super::lines::{Cell, Flaw};
use super::place::{Entry, Folder};
use crate::log::GivenSubset;
use crate::{Error, Result};

/// What follows the name of a behavior.
const SUFFIX: &str = "_dict.txt";

const VALIDATION: &str = "validation_dict.txt";
const TEST: &str = "test_dict.txt";

pub(super) const SOURCE: Source = Source {
    name: "dicts",
    in_folder: |folder, _| Ok(folder.get(TEST).is_some() && !behaviors(folder).is_empty()),
    read,
    ..Source::DEFAULT
};

/// The files of behaviors with their names.
fn behaviors<'f, 'a>(folder: &'f Folder<'a>) -> Vec<(&'f Entry<'a>, String)> {
    let known = |e: &'f Entry<'a>| {
        let name = e.name.strip_suffix(SUFFIX)?;
        let behavior = !["all", "test", "validation"].contains(&name);
        behavior.then(|| (e, name.to_owned()))
    };
    folder.top().filter_map(known).collect()
}

fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "dictionaries of behaviors".to_owned();
    let files = behaviors(folder);
    let target = match &builder.options.target_behavior {
        Some(target) => target.clone(),
        None => {
            let last = files.iter().map(|(_, name)| name);
            let last = last.max_by_key(|name| (chain::place(name), (*name).clone()));
            let Some(last) = last else {
                return Err(Error::source(
                    &folder.path,
                    format!("has no file such as buy_dict.txt; found {}", folder.found()),
                    "name a folder with a dictionary of each behavior",
                ));
            };
            last.clone()
        }
    };
    if !files.iter().any(|(_, name)| *name == target) {
        let names: Vec<&str> = files.iter().map(|(_, name)| name.as_str()).collect();
        return Err(Error::option(
            "--target-behavior",
            format!(
                "'{target}' is not a dictionary of {}",
                folder.path.display()
            ),
            format!("choose from {}", names.join(", ")),
        ));
    }
    let number = |builder: &mut Builder<'_>, name: &str| {
        let refuse =
            |flaw: Flaw| Error::source(&folder.path, flaw.reason, "drop some of its files");
        builder.behavior(name).map_err(refuse)
    };
    let held_out = folder.get(TEST).map(Lists::of).transpose()?;
    let given = |part| held_out.as_ref().map(|_| part);
    for (file, name) in &files {
        let behavior = number(builder, name)?;
        Lists::of(file)?.add(file, behavior, given(GivenSubset::Train), builder)?;
    }
    let behavior = number(builder, &target)?;
    let (Some(test), Some(file)) = (held_out, folder.get(TEST)) else {
        return Ok(());
    };
    if let Some(file) = folder.get(VALIDATION) {
        let validation = Lists::of(file)?;
        match validation == test {
            true => builder.note(format!(
                "{} left out: it equals {TEST}, and settings must not be chosen on the test set",
                file.stored
            )),
            false => validation.add(file, behavior, Some(GivenSubset::Validation), builder)?,
        }
    }
    test.add(file, behavior, Some(GivenSubset::Test), builder)
}

/// An id.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The users of a file with their items, in its order.
#[derive(Debug, PartialEq)]
struct Lists(Vec<(String, Vec<Id>)>);

impl Lists {
    fn of(entry: &Entry<'_>) -> Result<Self> {
        let mut text = Vec::new();
        let mut reader = entry.open()?;
        reader
            .read_to_end(&mut text)
            .map_err(|e| Error::source(entry.label.as_str(), e.to_string(), "check the file"))?;
        serde_json::from_slice(&text).map_err(|e| Error::Line {
            file: entry.label.clone(),
            line: e.line() as u64,
            column: e.column() as u64,
            reason: format!("must be a JSON object of users and lists of items: {e}"),
            hint: "write it as {\"1\": [3, 5], \"2\": [4]}".to_owned(),
        })
    }

    fn add(
        &self,
        entry: &Entry<'_>,
        behavior: u8,
        part: Option<GivenSubset>,
        builder: &mut Builder<'_>,
    ) -> Result<()> {
        builder.file(&entry.stored);
        let mut padding = 0usize;
        for (user, items) in &self.0 {
            for item in items {
                if *item == Id::Number(0) {
                    padding += 1;
                    continue;
                }
                let item = item.to_string();
                let outcome = builder.event(&Draft {
                    user: Cell {
                        text: user.as_bytes(),
                        at: 0,
                    },
                    item: Cell {
                        text: item.as_bytes(),
                        at: 0,
                    },
                    value: None,
                    time: None,
                    behavior,
                    part,
                });
                builder.settle(&entry.label, 1, outcome)?;
            }
        }
        if padding > 0 {
            builder.note(format!(
                "{}: {padding} items 0 are padding and left out",
                entry.label
            ));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Lists {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Lists;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of users and lists of items")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Lists, A::Error> {
                let mut lists = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    lists.push(entry);
                }
                Ok(Lists(lists))
            }
        }

        from.deserialize_map(InOrder)
    }
}
