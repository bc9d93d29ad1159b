//! A world as files: `events.csv`, `items.csv`, and `truth.json` beside them.

use std::fs;
use std::path::Path;

use limpid_core::rules::{Literal, Operator};
use serde::Serialize;

use super::World;
use crate::{Error, Result};

#[derive(Serialize)]
struct Truth<'a> {
    schema: &'static str,
    rules: Vec<TruthRule<'a>>,
}

#[derive(Serialize)]
struct TruthRule<'a> {
    operator: Operator,
    has: Vec<&'a str>,
    has_not: Vec<&'a str>,
    targets: Vec<&'a str>,
    concept: Option<&'a str>,
    followers: usize,
}

impl World {
    /// Writes the world into a folder, which is created: the events and items as tables that the
    /// table reader knows, and the planted rules in external ids.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let hint = "choose a folder that can be written";
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e, hint))?;
        for (name, text) in [
            ("events.csv", self.events()),
            ("items.csv", self.items()),
            ("truth.json", self.truth_json()?),
        ] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| Error::io(&path, e, hint))?;
        }
        Ok(())
    }

    fn events(&self) -> String {
        let log = &self.log;
        let mut text = String::from("user_id,item_id,timestamp,behavior\n");
        for event in 0..log.n_events() {
            let behavior = log.behavior.as_ref().map_or(0, |b| usize::from(b[event]));
            text += log.users.name(log.user[event]);
            text += ",";
            text += log.items.name(log.item[event]);
            text += &format!(
                ",{},{}\n",
                log.time.as_ref().map_or(0, |t| t[event]),
                log.behaviors[behavior]
            );
        }
        text
    }

    fn items(&self) -> String {
        let log = &self.log;
        let mut text = String::from("item_id,title");
        for field in &log.fields {
            text += ",";
            text += &field.name;
        }
        text += "\n";
        for item in 0..log.items.len() as u32 {
            text += &format!("{},\"{}\"", log.items.name(item), log.titles[item as usize]);
            for field in &log.fields {
                let values: Vec<&str> = field
                    .of(limpid_core::ItemIdx(item))
                    .map(|(value, _)| value)
                    .collect();
                text += &format!(",{}", values.join("|"));
            }
            text += "\n";
        }
        text
    }

    fn truth_json(&self) -> Result<String> {
        let name = |i: limpid_core::ItemIdx| self.log.items.name(i.0);
        let rules = self.truth.rules.iter().map(|r| {
            let literals = |negated: bool| {
                let of = r
                    .rule
                    .literals
                    .iter()
                    .filter(move |l: &&Literal| l.negated == negated);
                of.map(|l| name(l.item)).collect()
            };
            TruthRule {
                operator: r.rule.operator,
                has: literals(false),
                has_not: literals(true),
                targets: r.targets.iter().map(|&t| name(t)).collect(),
                concept: r.concept.as_deref(),
                followers: r.followers.len(),
            }
        });
        let truth = Truth {
            schema: "limpid.truth/1",
            rules: rules.collect(),
        };
        serde_json::to_string_pretty(&truth)
            .map_err(|e| Error::source("truth.json", e.to_string(), "report this as a bug"))
    }
}
