//! From what a person writes to an item or a user: exact id first, then title; otherwise
//! suggestions.

use limpid_core::{Catalogue, ItemIdx, UserIdx};

use crate::{Error, Result};

/// How many similar names are suggested.
const SUGGESTIONS: usize = 3;

/// Similarity (Jaro–Winkler) below which a name is not worth suggesting.
const SIMILAR: f64 = 0.8;

/// The item of a text: `id:…` and `title:…` force the reading; without a prefix the exact external id
/// comes first, then the exact title, then the title without regard to case.
///
/// # Errors
/// [`Error::Unknown`] with suggestions, [`Error::Ambiguous`] with the ids that share a title.
pub fn item(catalogue: &Catalogue, text: &str) -> Result<ItemIdx> {
    if let Some(id) = text.strip_prefix("id:") {
        return by_id(catalogue, id).ok_or_else(|| unknown_id(catalogue, id));
    }
    if let Some(title) = text.strip_prefix("title:") {
        return by_title(catalogue, title)?.ok_or_else(|| unknown_item(catalogue, title));
    }
    if let Some(item) = by_id(catalogue, text) {
        return Ok(item);
    }
    by_title(catalogue, text)?.ok_or_else(|| unknown_item(catalogue, text))
}

/// The items of several texts.
///
/// # Errors
/// As [`item`], for the first that is not found.
pub fn items<S: AsRef<str>>(catalogue: &Catalogue, texts: &[S]) -> Result<Vec<ItemIdx>> {
    texts.iter().map(|t| item(catalogue, t.as_ref())).collect()
}

/// The items of texts that may each be one item or several with commas between. A title may hold
/// commas itself, so a text is read as one item first.
///
/// # Errors
/// As [`item`], for the first that is not found.
pub fn item_lists<S: AsRef<str>>(catalogue: &Catalogue, texts: &[S]) -> Result<Vec<ItemIdx>> {
    let mut found = Vec::new();
    for text in texts {
        let text = text.as_ref();
        match item(catalogue, text) {
            Ok(one) => found.push(one),
            Err(_) if text.contains(',') => {
                for part in text.split(',') {
                    found.push(item(catalogue, part.trim())?);
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

/// The user of an external id.
///
/// # Errors
/// [`Error::Unknown`] with suggestions.
pub fn user(catalogue: &Catalogue, id: &str) -> Result<UserIdx> {
    catalogue
        .users
        .get(id)
        .map(UserIdx)
        .ok_or_else(|| Error::Unknown {
            what: "user",
            name: id.to_owned(),
            similar: similar(id, catalogue.users.names().iter().map(String::as_str))
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
}

/// The items for which `field=value` holds, such as `genre=Drama`; case does not matter.
///
/// # Errors
/// [`Error::Usage`] where the text is no condition, [`Error::Unknown`] where the field or the value
/// does not exist.
pub fn items_where(catalogue: &Catalogue, condition: &str) -> Result<Vec<ItemIdx>> {
    let (name, value) = condition.split_once('=').ok_or_else(|| {
        Error::Usage(format!(
            "cannot read the condition '{condition}': it is FIELD=VALUE, such as genre=Drama"
        ))
    })?;
    let field = catalogue.field(name.trim()).ok_or_else(|| Error::Unknown {
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
        .ok_or_else(|| Error::Unknown {
            what: "value of this field",
            name: value.to_owned(),
            similar: similar(value, field.values.names().iter().map(String::as_str))
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })?;
    Ok((0..catalogue.len())
        .filter(|&i| field.of_items.get(i, column as u32) != 0.0)
        .map(|i| ItemIdx(i as u32))
        .collect())
}

fn by_id(catalogue: &Catalogue, id: &str) -> Option<ItemIdx> {
    catalogue.items.get(id).map(ItemIdx)
}

fn by_title(catalogue: &Catalogue, title: &str) -> Result<Option<ItemIdx>> {
    let of = |same: &dyn Fn(&str) -> bool| -> Vec<ItemIdx> {
        (0..catalogue.titles.len())
            .filter(|&i| !catalogue.titles[i].is_empty() && same(&catalogue.titles[i]))
            .map(|i| ItemIdx(i as u32))
            .collect()
    };
    let mut found = of(&|t| t == title);
    if found.is_empty() {
        let lower = title.to_lowercase();
        found = of(&|t| t.to_lowercase() == lower);
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(Error::Ambiguous {
            what: "title",
            name: title.to_owned(),
            candidates: several
                .iter()
                .map(|&i| format!("id:{} ({})", catalogue.id(i), catalogue.title(i)))
                .collect(),
        }),
    }
}

fn unknown_id(catalogue: &Catalogue, id: &str) -> Error {
    Error::Unknown {
        what: "item with the id",
        name: id.to_owned(),
        similar: similar(id, catalogue.items.names().iter().map(String::as_str))
            .into_iter()
            .map(|name| described(catalogue, name))
            .collect(),
    }
}

fn unknown_item(catalogue: &Catalogue, text: &str) -> Error {
    let titles = catalogue.titles.iter().map(String::as_str);
    let mut names: Vec<String> = similar(text, titles)
        .into_iter()
        .map(|t| format!("'{t}'"))
        .collect();
    if names.is_empty() {
        names = similar(text, catalogue.items.names().iter().map(String::as_str))
            .into_iter()
            .map(|name| described(catalogue, name))
            .collect();
    }
    Error::Unknown {
        what: "item",
        name: text.to_owned(),
        similar: names,
    }
}

fn described(catalogue: &Catalogue, id: &str) -> String {
    match by_id(catalogue, id) {
        Some(item) if catalogue.title(item) != id => format!("id:{id} ({})", catalogue.title(item)),
        _ => format!("id:{id}"),
    }
}

/// The names most like a text, best first: those that contain it, or are alike letter by letter.
fn similar<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let text = text.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let lower = name.to_lowercase();
            let contained = text.chars().count() >= 3 && lower.contains(&text);
            let alike = strsim::jaro_winkler(&text, &lower);
            (
                if contained {
                    alike.max(SIMILAR) + 1.0
                } else {
                    alike
                },
                name,
            )
        })
        .filter(|&(s, _)| s >= SIMILAR)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.truncate(SUGGESTIONS);
    scored.into_iter().map(|(_, name)| name).collect()
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
    fn ids_come_before_titles() {
        let c = catalogue();
        assert_eq!(item(&c, "2").unwrap(), ItemIdx(1));
        assert_eq!(item(&c, "id:2").unwrap(), ItemIdx(1));
        assert_eq!(item(&c, "alien (1979)").unwrap(), ItemIdx(1));
        assert_eq!(item(&c, "title:Toy Story (1995)").unwrap(), ItemIdx(0));
    }

    #[test]
    fn what_is_not_found_is_answered_with_what_is_near() {
        let c = catalogue();
        let message = |text: &str| item(&c, text).unwrap_err().to_string();
        assert!(message("Toy Stroy (1995)").contains("did you mean 'Toy Story (1995)'?"));
        assert!(message("Heat").contains("id:3 (Heat), id:4 (Heat)"));
        assert!(message("title:2").starts_with("unknown item '2'"));
        assert!(message("id:22").contains("id:2 (Alien (1979))"));
        assert!(user(&c, "7").is_err());
    }

    #[test]
    fn lists_of_items_know_titles_with_commas() {
        let mut c = catalogue();
        c.titles[2] = "Matrix, The".into();
        let found = item_lists(&c, &["Matrix, The", "1, Alien (1979)", "4"]).unwrap();
        assert_eq!(found, [2, 0, 1, 3].map(ItemIdx));
        assert!(item_lists(&c, &["1,9"]).is_err());
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
