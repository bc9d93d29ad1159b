//! Parsing of users, lists of items and conditions on metadata.

use limpid_core::{Catalogue, ItemIdx, UserIdx};

use crate::Result;
use crate::condition::Condition;

/// The items of several texts.
///
/// # Errors
/// As [`Catalogue::find`], for the first that is not found.
pub fn items<S: AsRef<str>>(catalogue: &Catalogue, texts: &[S]) -> Result<Vec<ItemIdx>> {
    let items = texts.iter().map(|t| catalogue.find(t.as_ref()));
    Ok(items.collect::<limpid_core::Result<_>>()?)
}

/// The items of texts that may each be one item or several, separated by commas. A title may contain
/// commas, so a text is first read as one item.
///
/// # Errors
/// As [`Catalogue::find`], for the first that is not found.
pub fn item_lists<S: AsRef<str>>(catalogue: &Catalogue, texts: &[S]) -> Result<Vec<ItemIdx>> {
    let mut found = Vec::new();
    for text in texts {
        let text = text.as_ref();
        match catalogue.find(text) {
            Ok(one) => found.push(one),
            Err(_) if text.contains(',') => {
                for part in text.split(',') {
                    found.push(catalogue.find(part.trim())?);
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(found)
}

/// The user of an external id.
///
/// # Errors
/// [`limpid_core::Error::Unknown`] with suggestions.
pub fn user(catalogue: &Catalogue, id: &str) -> Result<UserIdx> {
    catalogue.users.get(id).map(UserIdx).ok_or_else(|| {
        let ids = catalogue.users.names().iter().map(String::as_str);
        limpid_core::Error::unknown("user", id, ids).into()
    })
}

/// The items for which a [condition](crate::condition) holds, ascending. `FIELD=VALUE` with a value of the
/// metadata needs no quotes, whatever the value contains.
///
/// # Errors
/// As [`Condition::parse`] and [`Condition::items`].
pub fn items_where(catalogue: &Catalogue, condition: &str) -> Result<Vec<ItemIdx>> {
    let holds = match plain_value(catalogue, condition) {
        Some(holds) => holds,
        None => Condition::parse(condition)?.items(catalogue)?,
    };
    let items = holds.iter().enumerate().filter(|(_, holds)| **holds);
    Ok(items.map(|(i, _)| ItemIdx(i as u32)).collect())
}

/// The items of `FIELD=VALUE` where the whole rest of the text is a value of the field.
fn plain_value(catalogue: &Catalogue, condition: &str) -> Option<Vec<bool>> {
    let (name, value) = condition.split_once('=')?;
    let field = catalogue.field(name.trim())?;
    let value = value.trim().to_lowercase();
    let mut values = field.values.names().iter();
    let column = values.position(|v| v.to_lowercase() == value)? as u32;
    let has = |i: usize| i < field.of_items.n_rows() && field.of_items.get(i, column) != 0.0;
    Some((0..catalogue.len()).map(has).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Csr, Field, Ids};

    fn catalogue() -> Catalogue {
        let ids = ["1", "2", "3", "4"].map(String::from).to_vec();
        let mut c = Catalogue::of_items(Ids::from_names(ids).unwrap());
        c.titles = ["Toy Story (1995)", "Alien (1979)", "Heat", "Heat"]
            .map(String::from)
            .to_vec();
        let values = Ids::from_names(vec!["Drama".into(), "Sci-Fi".into()]).unwrap();
        let of_items = Csr::from_rows([vec![], vec![(1, 1.0)], vec![(0, 1.0)], vec![]], 2).unwrap();
        c.fields.push(Field {
            name: "genre".into(),
            values,
            of_items,
        });
        c
    }

    #[test]
    fn lists_of_items_know_titles_with_commas() {
        let mut c = catalogue();
        c.titles[2] = "Matrix, The".into();
        let found = item_lists(&c, &["Matrix, The", "1, Alien (1979)", "4"]).unwrap();
        assert_eq!(found, [2, 0, 1, 3].map(ItemIdx));
        assert!(item_lists(&c, &["1,9"]).is_err());
        assert!(user(&c, "7").is_err());
    }

    #[test]
    fn a_value_of_the_metadata_needs_no_quotes() {
        let mut c = catalogue();
        c.fields[0].values =
            Ids::from_names(vec!["Lock, Stock and Barrel".into(), "a=b".into()]).unwrap();
        let found = |text: &str| items_where(&c, text).unwrap();
        assert_eq!(found("genre=lock, stock and barrel"), [ItemIdx(2)]);
        assert_eq!(found("genre = a=b"), [ItemIdx(1)]);
        assert_eq!(found("genre='a=b' or id=1"), [ItemIdx(0), ItemIdx(1)]);
        assert!(items_where(&c, "genre").is_err());
    }
}
