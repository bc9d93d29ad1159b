//! The catalogue: every item's external id, title and metadata, as plain data.

use crate::traits::Artifact;
use crate::{Csr, Error, Ids, ItemIdx, Result, Tensors, hash};

/// A multi-valued property of items: genres, tags with counts, makers.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name, singular and lower case: `genre`, `tag`, `maker`.
    pub name: String,
    /// Its values, in the order of their indices.
    pub values: Ids,
    /// `(items, values)`: how often each value was given to each item (1 where it is a plain fact).
    pub of_items: Csr,
}

impl Field {
    /// The indices of the values of one item, ascending, with their counts; none of an item beyond the rows.
    pub fn row(&self, item: ItemIdx) -> impl Iterator<Item = (u32, f32)> {
        let known = item.at() < self.of_items.n_rows();
        let row = known.then(|| self.of_items.row(item.at()));
        let (columns, counts) = row.unwrap_or_default();
        columns.iter().copied().zip(counts.iter().copied())
    }

    /// The values of one item with their counts, in the order of their indices.
    pub fn of(&self, item: ItemIdx) -> impl Iterator<Item = (&str, f32)> {
        self.row(item).map(|(c, n)| (self.values.name(c), n))
    }
}

/// All items with their metadata, and the ids and names that histories refer to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// External item ids.
    pub items: Ids,
    /// External user ids.
    pub users: Ids,
    /// Titles `(items)`, empty where unknown; no titles at all where the source has none.
    pub titles: Vec<String>,
    /// Metadata, one field each.
    pub fields: Vec<Field>,
    /// Names of the behaviors in funnel order (view, cart, buy); at least one.
    pub behaviors: Vec<String>,
    /// Index of the target behavior: the one to predict and evaluate.
    pub target_behavior: u8,
    /// Number of training users of each item `(items)`.
    pub train_counts: Vec<u32>,
    /// Number of training users.
    pub n_train_users: usize,
}

impl Catalogue {
    /// A catalogue of items without metadata.
    #[must_use]
    pub fn of_items(items: Ids) -> Self {
        Self {
            train_counts: vec![0; items.len()],
            items,
            behaviors: vec!["interaction".to_owned()],
            ..Self::default()
        }
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The external id of an item.
    #[must_use]
    pub fn id(&self, item: ItemIdx) -> &str {
        self.items.name(item.0)
    }

    /// The title of an item; its external id where it has none.
    #[must_use]
    pub fn title(&self, item: ItemIdx) -> &str {
        self.titles
            .get(item.at())
            .filter(|t| !t.is_empty())
            .map_or_else(|| self.id(item), String::as_str)
    }

    /// The field with a name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Whether an item has training events.
    #[must_use]
    pub fn is_trained(&self, item: ItemIdx) -> bool {
        self.train_counts.get(item.at()).is_some_and(|&n| n > 0)
    }

    /// One number per item that breaks ties between equal scores: a seeded hash of the external
    /// id, so that rankings do not depend on the order of ids or of lines in a file.
    #[must_use]
    pub fn tie_breaks(&self, seed: u64) -> Vec<u64> {
        self.items
            .names()
            .iter()
            .map(|id| hash::text(seed, id))
            .collect()
    }
}

impl Artifact for Catalogue {
    const KIND: &'static str = "catalogue";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        out.put_ids("items", &self.items);
        out.put_ids("users", &self.users);
        out.put_texts("titles", &self.titles);
        out.put_texts("behaviors", &self.behaviors);
        out.put_u32(
            "train_counts",
            &[self.train_counts.len()],
            self.train_counts.clone(),
        );
        out.put_meta("target_behavior", &self.target_behavior)?;
        out.put_meta("n_train_users", &self.n_train_users)?;
        let names: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
        out.put_meta("fields", &names)?;
        for (at, field) in self.fields.iter().enumerate() {
            out.put_ids(&format!("field.{at}.values"), &field.values);
            out.put_csr(&format!("field.{at}.of_items"), &field.of_items);
        }
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let names: Vec<String> = from.meta("fields")?;
        let mut fields = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            let values = from.ids(&format!("field.{at}.values"))?;
            let of_items = from.csr(&format!("field.{at}.of_items"), values.len())?;
            fields.push(Field {
                name,
                values,
                of_items,
            });
        }
        let catalogue = Self {
            items: from.ids("items")?,
            users: from.ids("users")?,
            titles: from.texts("titles")?,
            fields,
            behaviors: from.texts("behaviors")?,
            target_behavior: from.meta("target_behavior")?,
            train_counts: from.u32("train_counts")?.1.to_vec(),
            n_train_users: from.meta("n_train_users")?,
        };
        let n = catalogue.items.len();
        let of_items = |len: usize, what: &str| match len == n {
            true => Ok(()),
            false => Err(Error::shape(what, n, len)),
        };
        of_items(catalogue.train_counts.len(), "train counts")?;
        if !catalogue.titles.is_empty() {
            of_items(catalogue.titles.len(), "titles")?;
        }
        for field in &catalogue.fields {
            of_items(field.of_items.n_rows(), &field.name)?;
        }
        if usize::from(catalogue.target_behavior) >= catalogue.behaviors.len() {
            return Err(Error::range(
                "the target behavior",
                format!("below {}", catalogue.behaviors.len()),
                catalogue.target_behavior,
            ));
        }
        Ok(catalogue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_fall_back_to_ids() {
        let items = Ids::from_names(vec!["a".into(), "b".into()]).unwrap();
        let mut c = Catalogue::of_items(items);
        assert_eq!(c.title(ItemIdx(0)), "a");
        c.titles = vec!["Alien (1979)".into(), String::new()];
        assert_eq!(c.title(ItemIdx(0)), "Alien (1979)");
        assert_eq!(c.title(ItemIdx(1)), "b");
        assert_ne!(c.tie_breaks(1), c.tie_breaks(2));
        assert!(!c.is_trained(ItemIdx(0)));
    }

    #[test]
    fn save_and_load_round_trip() {
        let mut c = Catalogue::of_items(Ids::from_names(vec!["a".into(), "b".into()]).unwrap());
        c.users = Ids::from_names(vec!["u".into()]).unwrap();
        c.titles = vec!["Alien (1979)".into(), String::new()];
        c.train_counts = vec![3, 0];
        c.n_train_users = 4;
        let values = Ids::from_names(vec!["Horror".into()]).unwrap();
        let of_items = Csr::from_rows([vec![(0, 1.0)], vec![]], 1).unwrap();
        c.fields.push(Field {
            name: "genre".into(),
            values,
            of_items,
        });
        let mut t = Tensors::new();
        c.save(&mut t).unwrap();
        assert_eq!(Catalogue::load(&t).unwrap(), c);
        t.put_u32("train_counts", &[1], vec![3]);
        assert!(Catalogue::load(&t).is_err());
    }

    #[test]
    fn fields_list_values_of_items() {
        let mut values = Ids::new();
        values.intern("Drama");
        values.intern("War");
        let genre = Field {
            name: "genre".into(),
            values,
            of_items: Csr::from_rows([vec![(1, 1.0), (0, 2.0)], vec![]], 2).unwrap(),
        };
        let of: Vec<_> = genre.of(ItemIdx(0)).collect();
        assert_eq!(of, vec![("Drama", 2.0), ("War", 1.0)]);
        assert_eq!(genre.of(ItemIdx(7)).count(), 0);
    }
}
