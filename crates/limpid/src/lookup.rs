//! Parsing of users, lists of items and conditions on metadata.

use limpid_core::{Catalogue, ItemIdx, UserIdx};

use crate::{Error, Result};

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

/// The items for which `field=value` holds, such as `genre=Drama`; case does not matter.
///
/// # Errors
/// [`Error::Usage`] where the text is not a condition, [`limpid_core::Error::Unknown`] where the field or the value
/// does not exist.
pub fn items_where(catalogue: &Catalogue, condition: &str) -> Result<Vec<ItemIdx>> {
    let (name, value) = condition.split_once('=').ok_or_else(|| {
        Error::Usage(format!(
            "cannot parse condition '{condition}'; write FIELD=VALUE, such as genre=Drama"
        ))
    })?;
    let field = catalogue
        .field(name.trim())
        .ok_or_else(|| limpid_core::Error::Unknown {
            what: "metadata field",
            name: name.trim().to_owned(),
            similar: catalogue.fields.iter().map(|f| f.name.clone()).collect(),
        })?;
    let value = value.trim();
    let column = field
        .values
        .names()
        .iter()
        .position(|v| v.to_lowercase() == value.to_lowercase())
        .ok_or_else(|| {
            let values = field.values.names().iter().map(String::as_str);
            limpid_core::Error::unknown("metadata value", value, values)
        })?;
    Ok((0..catalogue.len())
        .filter(|&i| field.of_items.get(i, column as u32) != 0.0)
        .map(|i| ItemIdx(i as u32))
        .collect())
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
    fn conditions_on_metadata() {
        let c = catalogue();
        assert_eq!(items_where(&c, "genre=sci-fi").unwrap(), [ItemIdx(1)]);
        assert!(items_where(&c, "genre").is_err());
        assert!(
            items_where(&c, "maker=x")
                .unwrap_err()
                .to_string()
                .contains("genre")
        );
        assert!(
            items_where(&c, "genre=Dramma")
                .unwrap_err()
                .to_string()
                .contains("Drama")
        );
    }
}
