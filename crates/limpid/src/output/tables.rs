//! Answers as tidy tables: raw numbers, one named column each, ids in every row.
//!
//! The tables are made from the JSON of an answer, so they have its names and its values, and nothing
//! is truncated. An array of objects is a table; the objects within its rows add columns, and the arrays
//! of objects within its rows are tables of their own, which name the row that they belong to. All
//! other values of the answer are one row, the table [`ANSWER`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::ordered::{Fields, Json, get};
use super::{Cell, Column, Destination, Kind, RowWriter, text};
use crate::{Error, Result};

/// The table with the values of an answer that belong to no other table.
pub const ANSWER: &str = "answer";

/// Columns that identify a row for the tables below it, and an answer for its tables.
const KEYS: [&str; 13] = [
    "user", "item_id", "this_id", "that_id", "id", "rank", "unit", "model", "metric", "recipe",
    "by", "row_name", "name",
];

/// Objects whose keys are data: their tables have a column of keys.
const MAPS: [&str; 3] = ["settings", "metrics", "files"];

/// The table that matters most, where it is not the first one of the answer.
const MAIN: [(&str, &str); 7] = [
    ("limpid.why-not/", "counterfactuals"),
    ("limpid.quickstart/", "items"),
    ("limpid.evaluate/", "metrics"),
    ("limpid.reproduce/", "rows"),
    ("limpid.data-describe/", ANSWER),
    ("limpid.manifest/", ANSWER),
    ("limpid.train", ANSWER),
];

/// A table with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    /// Its name: the key of its array in the JSON.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, a cell for every column.
    pub rows: Vec<Vec<Cell<'static>>>,
}

impl DataTable {
    /// Writes the table as rows.
    ///
    /// # Errors
    /// As [`RowWriter`].
    pub fn write(&self, to: &Destination) -> Result<()> {
        let mut writer = RowWriter::create(to, self.columns.clone())?;
        self.rows.iter().try_for_each(|row| writer.row(row))?;
        writer.finish()
    }
}

/// The tables of an answer, the one that matters most first.
///
/// # Errors
/// [`Error::Usage`] if the answer is not a JSON object.
pub fn tables<T: Serialize + ?Sized>(answer: &T) -> Result<Vec<DataTable>> {
    // Through text, so that a 32-bit number keeps its shortest form.
    tables_of(&text::json(answer)?)
}

fn tables_of(json: &str) -> Result<Vec<DataTable>> {
    let mut value: Json = serde_json::from_str(json)
        .map_err(|e| Error::Usage(format!("cannot read the answer: {e}")))?;
    name_means(&mut value);
    let Json::Object(root) = value else {
        return Err(Error::Usage("an answer must be an object".to_owned()));
    };
    let mut found = Found::default();
    let (facts, below) = flat(&root);
    let keys: Fields = facts
        .iter()
        .filter(|(name, _)| KEYS.contains(&name.as_str()))
        .cloned()
        .collect();
    for (path, rows) in below {
        found.rows(&path, &rows, &keys);
    }
    found.row(ANSWER, facts);
    let main = match get(&root, "schema") {
        Some(Json::Text(schema)) => MAIN.iter().find(|(prefix, _)| schema.starts_with(prefix)),
        _ => None,
    };
    let mut tables: Vec<DataTable> = found.tables.into_iter().map(DataTable::from).collect();
    if let Some(at) = main.and_then(|(_, name)| tables.iter().position(|t| t.name == *name)) {
        let first = tables.remove(at);
        tables.insert(0, first);
    }
    Ok(tables)
}

/// The means of a breakdown by their metrics: `means: [0.1]` beside `metrics: ["ndcg@10"]` becomes
/// `means: {"ndcg@10": 0.1}`, so that each has a column.
fn name_means(value: &mut Json) {
    match value {
        Json::Array(all) => all.iter_mut().for_each(name_means),
        Json::Object(fields) => {
            let metrics: Option<Vec<String>> = match get(fields, "metrics") {
                Some(Json::Array(all)) => all
                    .iter()
                    .map(|m| match m {
                        Json::Text(name) => Some(name.clone()),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            };
            let rows = fields.iter_mut().find(|(key, _)| key == "rows");
            if let (Some(metrics), Some((_, Json::Array(rows)))) = (metrics, rows) {
                for row in rows {
                    let Json::Object(row) = row else { continue };
                    let means = row.iter_mut().find(|(key, _)| key == "means");
                    if let Some((_, means)) = means
                        && let Json::Array(values) = means
                    {
                        let values = std::mem::take(values);
                        *means = Json::Object(metrics.iter().cloned().zip(values).collect());
                    }
                }
                fields.retain(|(key, _)| key != "metrics");
            }
            fields.iter_mut().for_each(|(_, v)| name_means(v));
        }
        _ => {}
    }
}

/// An array of objects within an object.
struct Below {
    key: String,
    path: String,
    rows: Vec<Json>,
}

/// The values of an object by column, and the arrays of objects below it by name.
fn flat(object: &Fields) -> (Fields, Vec<(String, Vec<Json>)>) {
    fn walk(object: &Fields, prefix: &str, facts: &mut Fields, below: &mut Vec<Below>) {
        for (key, value) in object {
            let path = match prefix {
                "" => key.clone(),
                _ => format!("{prefix}_{key}"),
            };
            let mut table = |rows| {
                below.push(Below {
                    key: key.clone(),
                    path: path.clone(),
                    rows,
                });
            };
            match value {
                Json::Object(map) if MAPS.contains(&key.as_str()) => {
                    let rows = map.iter().map(|(name, value)| {
                        let mut row = vec![("name".to_owned(), Json::Text(name.clone()))];
                        match value {
                            Json::Object(fields) => row.extend(fields.clone()),
                            other => row.push(("value".to_owned(), other.clone())),
                        }
                        Json::Object(row)
                    });
                    table(rows.collect());
                }
                Json::Object(inner) => walk(inner, &path, facts, below),
                Json::Array(all) if all.iter().any(Json::is_object) => table(all.clone()),
                // Whether the rows of an empty array would be texts or objects is not known.
                Json::Array(all) if all.is_empty() => {}
                other => facts.push((path, other.clone())),
            }
        }
    }
    let (mut facts, mut below) = (Vec::new(), Vec::new());
    walk(object, "", &mut facts, &mut below);
    // Two tables of one name, such as the ledgers of two explanations, have their whole paths.
    let keys: Vec<String> = below.iter().map(|b| b.key.clone()).collect();
    let unique = |key: &String| keys.iter().filter(|k| *k == key).count() == 1;
    let named = below.into_iter().map(|b| match unique(&b.key) {
        true => (b.key, b.rows),
        false => (b.path, b.rows),
    });
    (facts, named.collect())
}

/// Tables while their rows are collected, in the order in which they are met.
#[derive(Default)]
struct Found {
    tables: Vec<Collected>,
}

struct Collected {
    name: String,
    names: Vec<String>,
    rows: Vec<BTreeMap<String, Json>>,
}

impl Found {
    fn table(&mut self, name: &str) -> &mut Collected {
        let at = match self.tables.iter().position(|t| t.name == name) {
            Some(at) => at,
            None => {
                self.tables.push(Collected {
                    name: name.to_owned(),
                    names: Vec::new(),
                    rows: Vec::new(),
                });
                self.tables.len() - 1
            }
        };
        &mut self.tables[at]
    }

    fn row(&mut self, table: &str, fields: Fields) {
        let table = self.table(table);
        for (name, _) in &fields {
            if !table.names.contains(name) {
                table.names.push(name.clone());
            }
        }
        table.rows.push(fields.into_iter().collect());
    }

    /// The rows of a table, and the tables below them; `keys` identify the row above.
    fn rows(&mut self, name: &str, rows: &[Json], keys: &Fields) {
        let singular = name.strip_suffix('s').unwrap_or(name);
        self.table(name);
        for (at, row) in rows.iter().enumerate() {
            let row = match row {
                Json::Object(row) => row.clone(),
                other => vec![("value".to_owned(), other.clone())],
            };
            let (own, below) = flat(&row);
            let mut fields = keys.clone();
            for (column, value) in &own {
                // A key of the row above keeps its name; the row's own is told apart by the table.
                let column = match fields.iter().any(|(name, _)| name == column) {
                    true => format!("{singular}_{column}"),
                    false => column.clone(),
                };
                fields.push((column, value.clone()));
            }
            if !below.is_empty() {
                let mut keys = keys.clone();
                let identify = own.iter().filter(|(c, _)| KEYS.contains(&c.as_str()));
                let named = identify.map(|(c, v)| (format!("{singular}_{c}"), v.clone()));
                let before = keys.len();
                keys.extend(named);
                if keys.len() == before {
                    let number = (singular.to_owned(), Json::Integer(at as i64 + 1));
                    fields.insert(0, number.clone());
                    keys.push(number);
                }
                for (path, rows) in below {
                    self.rows(&path, &rows, &keys);
                }
            }
            self.row(name, fields);
        }
    }
}

impl From<Collected> for DataTable {
    fn from(from: Collected) -> Self {
        let kinds: Vec<Kind> = from
            .names
            .iter()
            .map(|name| kind(from.rows.iter().filter_map(|row| row.get(name))))
            .collect();
        let rows = from.rows.iter().map(|row| {
            let of = |(name, &kind)| row.get(name).map_or(Cell::Empty, |v| cell(v, kind));
            from.names.iter().zip(&kinds).map(of).collect()
        });
        Self {
            rows: rows.collect(),
            columns: from
                .names
                .iter()
                .zip(&kinds)
                .map(|(name, &kind)| Column::new(name, kind))
                .collect(),
            name: from.name,
        }
    }
}

/// The narrowest kind of column that holds all values.
fn kind<'a>(values: impl Iterator<Item = &'a Json>) -> Kind {
    let of = |value: &Json| match value {
        Json::Flag(_) => Some(Kind::Flag),
        Json::Integer(_) => Some(Kind::Integer),
        Json::Number(_) => Some(Kind::Double),
        Json::Array(all)
            if !all
                .iter()
                .any(|v| matches!(v, Json::Array(_) | Json::Object(_))) =>
        {
            Some(Kind::Texts)
        }
        Json::Text(_) | Json::Array(_) | Json::Object(_) => Some(Kind::Text),
        Json::Null => None,
    };
    let joined = values.filter_map(of).reduce(|a, b| match (a, b) {
        (a, b) if a == b => a,
        (Kind::Integer, Kind::Double) | (Kind::Double, Kind::Integer) => Kind::Double,
        _ => Kind::Text,
    });
    joined.unwrap_or(Kind::Text)
}

fn cell(value: &Json, kind: Kind) -> Cell<'static> {
    let plain = |value: &Json| match value {
        Json::Text(text) => text.clone(),
        other => other.to_string(),
    };
    match (kind, value) {
        (_, Json::Null) => Cell::Empty,
        (Kind::Flag, Json::Flag(flag)) => Cell::Flag(*flag),
        (Kind::Integer, Json::Integer(n)) => Cell::Integer(*n),
        (Kind::Double, Json::Integer(n)) => Cell::Double(*n as f64),
        (Kind::Double, Json::Number(n)) => Cell::Double(*n),
        (Kind::Texts, Json::Array(all)) => {
            Cell::Texts(all.iter().map(|v| plain(v).into()).collect())
        }
        (_, other) => Cell::Text(plain(other).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::FileFormat;

    fn csv(table: &DataTable) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let to = Destination::new(&path, FileFormat::ROWS, FileFormat::Csv).unwrap();
        table.write(&to).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn rows_name_what_they_belong_to() {
        let answer = r#"{
            "schema": "limpid.recommend/1",
            "user": "u1",
            "items": [
                {"rank": 1, "id": "7", "score": 0.1, "of": {"x": 1}, "because": [
                    {"unit": "link:3", "value": 1}, {"unit": "g.or", "value": 0.5}]},
                {"rank": 2, "id": "8", "score": 2, "of": {"x": null}, "because": []}
            ],
            "settings": {"reg": 5, "preset": "small"},
            "notes": ["a", "b"]
        }"#;
        let tables = tables_of(answer).unwrap();
        let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["items", "because", "settings", ANSWER]);
        assert_eq!(
            csv(&tables[0]),
            "user,rank,id,score,of_x\nu1,1,7,0.1,1\nu1,2,8,2,\n"
        );
        assert_eq!(
            csv(&tables[1]),
            "user,item_rank,item_id,unit,value\nu1,1,7,link:3,1\nu1,1,7,g.or,0.5\n"
        );
        assert_eq!(
            csv(&tables[2]),
            "user,name,value\nu1,reg,5\nu1,preset,small\n"
        );
        assert_eq!(
            csv(&tables[3]),
            "schema,user,notes\nlimpid.recommend/1,u1,\"[\"\"a\"\",\"\"b\"\"]\"\n"
        );
    }

    #[test]
    fn means_have_a_column_for_each_metric() {
        let answer = r#"{"schema": "limpid.evaluate/1", "model": "ease", "metrics": [],
            "breakdowns": [{"by": "popularity", "metrics": ["ndcg@5", "hit@5"],
                "rows": [{"name": "head", "means": [0.5, 0.25]}]}]}"#;
        let tables = tables_of(answer).unwrap();
        let rows = tables.iter().find(|t| t.name == "rows").unwrap();
        assert_eq!(
            csv(rows),
            "model,breakdown_by,name,means_ndcg@5,means_hit@5\nease,popularity,head,0.5,0.25\n"
        );
    }

    #[test]
    fn tables_of_one_name_have_their_paths() {
        let answer = r#"{"schema": "limpid.quickstart/1",
            "why": {"ledger": {"parts": [{"unit": "a"}]}},
            "why_not": {"ledger": {"parts": [{"unit": "a"}]}}}"#;
        let tables = tables_of(answer).unwrap();
        let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["why_ledger_parts", "why_not_ledger_parts", ANSWER]);
    }

    #[test]
    fn rows_without_a_name_are_numbered() {
        let answer = r#"{"schema": "limpid.why-not/1",
            "ledger": {"parts": [{"unit": "a", "value": 1}]},
            "counterfactuals": [{"score": 1.5, "add": [{"id": "3"}], "remove": []}]}"#;
        let tables = tables_of(answer).unwrap();
        assert_eq!(tables[0].name, "counterfactuals");
        assert_eq!(csv(&tables[0]), "counterfactual,score\n1,1.5\n");
        let add = tables.iter().find(|t| t.name == "add").unwrap();
        assert_eq!(csv(add), "counterfactual,id\n1,3\n");
    }
}
