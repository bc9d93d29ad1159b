//! A split inside a model folder: `histories.safetensors`, with dense indices and without metadata.

use std::sync::Arc;

use limpid_core::{Catalogue, Histories, Tensors};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

use super::shown::Merged;
use super::{HeldOut, Shown, Split, SplitSpec};

/// What the manifest of a model folder records of the split beside the tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// How it was split.
    pub spec: SplitSpec,
    /// [`Split::hash`].
    pub hash: String,
    /// [`Split::data_hash`].
    pub data_hash: String,
}

/// What is saved with the tables. Folders of version 0.1.0 lack it.
#[derive(Serialize, Deserialize)]
struct Head {
    hash: String,
    shown: Shown,
    filtered_hash: String,
    notes: Vec<String>,
}

impl Split {
    /// Puts the rows of every subset into `out`. The catalogue is saved apart, and spec and hashes
    /// in the manifest.
    ///
    /// # Errors
    /// [`Error::Core`] where the metadata cannot be written as JSON.
    pub fn save(&self, out: &mut Tensors) -> Result<()> {
        let tables = self
            .tables()
            .map(|(name, rows)| (name.replace('_', "."), rows));
        let tables: Vec<(String, &Histories)> = tables.collect();
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        out.put_meta("parts", &names)?;
        out.put_meta(
            "split",
            &Head {
                hash: self.hash.clone(),
                shown: self.shown,
                filtered_hash: self.filtered_hash.clone(),
                notes: self.notes.clone(),
            },
        )?;
        for (name, rows) in tables {
            rows.save(&name, out);
        }
        Ok(())
    }

    /// Reads what [`Split::save`] wrote. Folders of version 0.1.0 do not say what is shown at test;
    /// it follows from the spec, so leave-one-out, leave-last and temporal splits show train and
    /// validation now.
    ///
    /// # Errors
    /// [`Error::Core`] where tables are missing, do not fit the catalogue or each other, or belong
    /// to another split than the recorded one.
    pub fn load(from: &Tensors, catalogue: Arc<Catalogue>, recorded: Recorded) -> Result<Self> {
        let names: Vec<String> = from.meta("parts")?;
        let n_items = catalogue.len();
        let table = |name: &str| -> Result<Histories> {
            let rows = Histories::load(name, from, n_items)?;
            let users = rows.users();
            if users.iter().any(Option::is_none) || !users.is_sorted() {
                return Err(refuse(name, "sorted by user, one row each", "not"));
            }
            let known = catalogue.users.len();
            if let Some(&Some(last)) = users.last()
                && last.at() >= known
            {
                return Err(refuse(
                    name,
                    &format!("the {known} users of the catalogue"),
                    "others",
                ));
            }
            let behaviors = catalogue.behaviors.len();
            let of_rows = rows.behaviors().unwrap_or_default();
            if of_rows.iter().any(|&b| usize::from(b) >= behaviors) {
                let expected = format!("the {behaviors} behaviors of the catalogue");
                return Err(refuse(name, &expected, "others"));
            }
            Ok(rows)
        };
        let head = match from.all_meta().contains_key("split") {
            true => from.meta("split")?,
            false => Head {
                hash: recorded.hash.clone(),
                shown: recorded.spec.shown(),
                filtered_hash: String::new(),
                notes: Vec::new(),
            },
        };
        if head.hash != recorded.hash {
            return Err(refuse(
                "the split",
                &format!("that of the manifest, {}", recorded.hash),
                &head.hash,
            ));
        }
        let train = table("train")?;
        let held_out = |name: &str| -> Result<HeldOut> {
            let input_name = format!("{name}.input");
            let input = names
                .contains(&input_name)
                .then(|| table(&input_name))
                .transpose()?;
            let target = table(name)?;
            let of = input.as_ref().unwrap_or(&train);
            if target.users() != of.users() {
                return Err(refuse(name, "the users of its input", "others"));
            }
            Ok(HeldOut { input, target })
        };
        Ok(Self {
            validation: held_out("validation")?,
            test: held_out("test")?,
            spec: recorded.spec,
            train,
            shown: head.shown,
            catalogue,
            hash: recorded.hash,
            data_hash: recorded.data_hash,
            filtered_hash: head.filtered_hash,
            notes: head.notes,
            merged: Merged::default(),
        })
    }
}

fn refuse(what: &str, rule: &str, value: &str) -> Error {
    limpid_core::Error::range(format!("{what} of the saved histories"), rule, value).into()
}
