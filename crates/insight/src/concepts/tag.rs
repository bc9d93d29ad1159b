//! Tags: sets of items with a name, from the metadata of a catalogue.

use limpid_core::{Catalogue, Error, Field, Result};

/// A tag with its items.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// The metadata field: `genre`, `tag`.
    pub field: String,
    /// The value.
    pub name: String,
    /// Its items, ascending, each with the number of times that it was given.
    pub items: Vec<(u32, f32)>,
}

impl Tag {
    /// Its items, ascending.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.items.iter().map(|i| i.0).collect()
    }

    /// The indicator of its items `(I)`: 1 or 0.
    #[must_use]
    pub fn indicator(&self, n_items: usize) -> Vec<f32> {
        let mut out = vec![0f32; n_items];
        for &(item, _) in &self.items {
            if let Some(v) = out.get_mut(item as usize) {
                *v = 1.0;
            }
        }
        out
    }
}

/// Fields that name a time rather than a theme; they count only if they are asked for.
const TIMES: [&str; 3] = ["year", "decade", "date"];

/// Some fields; all but years if none are named. A field may be written in the plural.
///
/// # Errors
/// [`Error::Unknown`] for a field that the catalogue does not have, with similar names.
pub fn fields_of<'c>(catalogue: &'c Catalogue, columns: &[String]) -> Result<Vec<&'c Field>> {
    let mut fields: Vec<&Field> = Vec::new();
    for column in columns {
        let singular = column.strip_suffix('s').unwrap_or(column);
        let found = catalogue
            .field(column)
            .or_else(|| catalogue.field(singular));
        let names = || catalogue.fields.iter().map(|f| f.name.as_str());
        fields.push(found.ok_or_else(|| Error::unknown("metadata field", column, names()))?);
    }
    if columns.is_empty() {
        let themes = catalogue.fields.iter();
        fields.extend(themes.filter(|f| !TIMES.contains(&f.name.as_str())));
    }
    Ok(fields)
}

/// The values with at least `least` items of some [fields](fields_of).
///
/// # Errors
/// As [`fields_of`].
pub fn tags_of(catalogue: &Catalogue, columns: &[String], least: usize) -> Result<Vec<Tag>> {
    let fields = fields_of(catalogue, columns)?;
    let tags = fields.into_iter().flat_map(|field| {
        let by_value = field.of_items.transpose();
        (0..field.values.len()).filter_map(move |value| {
            let (items, counts) = by_value.row(value);
            (items.len() >= least).then(|| Tag {
                field: field.name.clone(),
                name: field.values.name(value as u32).to_owned(),
                items: items.iter().copied().zip(counts.iter().copied()).collect(),
            })
        })
    });
    Ok(tags.collect())
}
