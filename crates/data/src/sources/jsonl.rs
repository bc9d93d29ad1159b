//! Tables of one JSON object a line. Only the wanted values of a record are kept; the others, such
//! as review texts, are skipped without being parsed.

use std::fmt;
use std::io::BufRead;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::builder::{Builder, Draft, Moment};
use super::columns::Layout;
use super::lines::{Cell, Flaw, Lines, shown};
use super::options::Columns;
use super::place::Folder;
use super::{PEEK, Source, the_table};
use crate::Result;

pub(super) const SOURCE: Source = Source {
    name: "jsonl",
    in_file: |entry| Ok(entry.extension() != "parquet" && entry.first_line(PEEK)?.starts_with(b"{")),
    read,
    columns: true,
    ..Source::DEFAULT
};

/// Reads the events of a JSON Lines file.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let entry = the_table(folder)?;
    builder.report.format = "JSON Lines".to_owned();
    builder.file(&entry.stored);
    let columns = builder.options.columns.clone();
    events(&mut *entry.open()?, &entry.label, &columns, builder)?;
    super::items_beside(folder, entry, builder)
}

/// Reads the events of a stream of JSON objects; the keys of the first name the columns.
pub(super) fn events(
    reader: &mut dyn BufRead,
    label: &str,
    columns: &Columns,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    let mut wanted: Option<Wanted> = None;
    while lines.advance_to_text()? {
        let line = lines.current();
        let wanted = match &mut wanted {
            Some(wanted) => wanted,
            None => match keys(line) {
                Ok(keys) => {
                    let mut layout = Layout::of(&keys, columns, label)?;
                    let mut all = Wanted::new(&layout, &keys);
                    if all.fill(line).is_ok() {
                        layout.doubt(&keys, |at| all.scalar(&keys[at]), builder);
                    }
                    builder.columns(&layout, &keys);
                    wanted.insert(Wanted::new(&layout, &keys))
                }
                Err(flaw) => {
                    builder.settle(label, lines.number(), Err(flaw))?;
                    continue;
                }
            },
        };
        let outcome = wanted.fill(line).and_then(|()| wanted.event(line, builder));
        builder.settle(label, lines.number(), outcome)?;
    }
    Ok(())
}

/// The flaw of a line that is not a JSON object.
pub(super) fn no_json(line: &[u8], error: &serde_json::Error) -> Flaw {
    // serde_json appends the place, counted within the line, to its message.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let at = error.column().saturating_sub(1).min(line.len());
    Flaw::new(
        at,
        "bad JSON",
        format!("a line must be a JSON object: {message}"),
    )
}

/// The keys of an object in their order.
fn keys(line: &[u8]) -> std::result::Result<Vec<String>, Flaw> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(
            self,
            mut map: A,
        ) -> std::result::Result<Vec<String>, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    json.deserialize_map(Keys)
        .and_then(|keys| json.end().map(|()| keys))
        .map_err(|e| no_json(line, &e))
}

/// What a record holds at a wanted key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Found {
    #[default]
    Nothing,
    Null,
    Scalar,
    /// A list or an object.
    Compound,
}

/// A wanted key with the value of the record that was read last.
#[derive(Debug, Default)]
struct Slot {
    key: String,
    found: Found,
    text: String,
}

/// The wanted keys of a table: user, item, and what else it has of value, time and behavior.
struct Wanted {
    slots: Vec<Slot>,
    value: Option<usize>,
    time: Option<usize>,
    behavior: Option<usize>,
}

impl Wanted {
    fn new(layout: &Layout, keys: &[String]) -> Self {
        let mut slots = Vec::new();
        let mut add = |at: usize| {
            slots.push(Slot {
                key: keys[at].clone(),
                ..Slot::default()
            });
            slots.len() - 1
        };
        add(layout.user);
        add(layout.item);
        let [value, time, behavior] =
            [layout.value, layout.time, layout.behavior].map(|at| at.map(&mut add));
        Self {
            slots,
            value,
            time,
            behavior,
        }
    }

    /// Reads the wanted values of a record.
    fn fill(&mut self, line: &[u8]) -> std::result::Result<(), Flaw> {
        for slot in &mut self.slots {
            slot.found = Found::Nothing;
            slot.text.clear();
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        json.deserialize_map(Record(&mut self.slots))
            .and_then(|()| json.end())
            .map_err(|e| no_json(line, &e))
    }

    /// The text of a wanted key of the record, where it is a text or a number.
    fn scalar(&self, key: &str) -> Option<Cell<'_>> {
        let slot = self.slots.iter().find(|slot| slot.key == key)?;
        (slot.found == Found::Scalar).then_some(Cell {
            text: slot.text.as_bytes(),
            at: 0,
        })
    }

    /// Adds the event of the record.
    fn event(&self, line: &[u8], builder: &mut Builder<'_>) -> std::result::Result<(), Flaw> {
        let cell = |at: usize| {
            let slot = &self.slots[at];
            let place = place_of(line, &slot.key);
            let key = shown(slot.key.as_bytes());
            match slot.found {
                Found::Scalar => Ok(Cell {
                    text: slot.text.as_bytes(),
                    at: place,
                }),
                Found::Nothing => Err(Flaw::new(
                    place,
                    "missing field",
                    format!("the record has no '{key}'"),
                )),
                Found::Null => Err(Flaw::new(
                    place,
                    "missing field",
                    format!("'{key}' is null"),
                )),
                Found::Compound => Err(Flaw::new(
                    place,
                    "bad value",
                    format!("'{key}' must be a text or a number, but is a list or an object"),
                )),
            }
        };
        let behavior = match self.behavior {
            None => 0,
            Some(at) => {
                let name = cell(at)?;
                builder
                    .behavior(self.slots[at].text.trim())
                    .map_err(|mut flaw| {
                        flaw.at = name.at;
                        flaw
                    })?
            }
        };
        builder.event(&Draft {
            user: cell(0)?,
            item: cell(1)?,
            value: self.value.map(cell).transpose()?,
            time: self.time.map(cell).transpose()?.map(Moment::Text),
            behavior,
            part: None,
        })
    }
}

/// The position of a key in a line; 0 if it is not found.
fn place_of(line: &[u8], key: &str) -> usize {
    let quoted = format!("\"{key}\"");
    line.windows(quoted.len())
        .position(|w| w == quoted.as_bytes())
        .unwrap_or(0)
}

/// Reads an object into slots.
struct Record<'s>(&'s mut [Slot]);

impl<'de> Visitor<'de> for Record<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(at) = map.next_key_seed(Key(self.0))? {
            match at {
                Some(at) => map.next_value_seed(&mut self.0[at])?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Finds the slot of a key without keeping the key.
struct Key<'s>(&'s [Slot]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        d: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> std::result::Result<Self::Value, E> {
        Ok(self.0.iter().position(|slot| slot.key == key))
    }
}

impl<'de> DeserializeSeed<'de> for &mut Slot {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Slot {
    fn put(&mut self, text: &str) {
        self.found = Found::Scalar;
        self.text.clear();
        self.text.push_str(text);
    }
}

impl<'de> Visitor<'de> for &mut Slot {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<(), E> {
        self.put(text);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<(), E> {
        self.put(&number.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<(), E> {
        self.put(&number.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<(), E> {
        self.put(&number.to_string());
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> std::result::Result<(), E> {
        self.put(if truth { "true" } else { "false" });
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        self.found = Found::Null;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        self.found = Found::Compound;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        self.found = Found::Compound;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::options::ReadOptions;

    fn read(text: &str) -> Result<crate::Log> {
        let options = ReadOptions::default();
        let mut builder = Builder::new(&options);
        events(&mut text.as_bytes(), "f", &options.columns, &mut builder)?;
        builder.finish(std::path::Path::new("f"))
    }

    #[test]
    fn objects_are_records() {
        let log = read(
            "{\"user\": \"u\", \"text\": {\"a\": [1]}, \"item\": 7, \"rating\": 4.5}\n\n\
             {\"item\": 8, \"user\": \"v\\u00e9\", \"rating\": 1}\n",
        )
        .unwrap();
        assert_eq!(log.users.names(), ["u", "vé"]);
        assert_eq!(log.value, Some(vec![4.5, 1.0]));
        assert_eq!(log.items.name(log.item[1]), "8");
    }

    #[test]
    fn bad_objects_name_their_place() {
        let head = "{\"user\": 1, \"item\": 7, \"rating\": 4.5}\n";
        for (line, expected) in [
            (
                "{\"user\": 2, \"item\": 7}",
                "f:2:1: the record has no 'rating'",
            ),
            (
                "{\"user\": 2, \"item\": null, \"rating\": 1}",
                "f:2:13: 'item' is null",
            ),
            (
                "{\"user\": 2, \"item\": [1], \"rating\": 1}",
                "f:2:13: 'item' must be a text",
            ),
            (
                "{\"user\": 2, \"item\": 1, \"rating\": \"x\"}",
                "f:2:24: the value must be a finite",
            ),
            (
                "{\"user\": 2, \"item\"",
                "f:2:18: a line must be a JSON object: EOF while",
            ),
            ("[1]", "f:2:1: a line must be a JSON object: invalid type"),
            (
                "{} x",
                "f:2:4: a line must be a JSON object: trailing characters",
            ),
        ] {
            let error = read(&format!("{head}{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
