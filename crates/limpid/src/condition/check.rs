//! Looks up the fields and values of a condition, and finds the items for which it holds.

use limpid_core::lookup::similar;
use limpid_core::{Catalogue, Field, ItemIdx};

use super::parse::finite;
use super::{Condition, Node, Test, Word};
use crate::{Error, Result};

impl Condition {
    /// Whether it holds, for each item of a catalogue `(items)`.
    ///
    /// # Errors
    /// [`Error::Condition`] with the place of a field or value that does not exist, with suggestions, or of
    /// a comparison that does not fit the field.
    pub fn items(&self, catalogue: &Catalogue) -> Result<Vec<bool>> {
        self.root
            .items(catalogue)
            .map_err(|Misfit { word, why }| Error::Condition {
                text: self.text.0.clone(),
                place: word.place,
                why,
            })
    }
}

/// A word that does not fit the catalogue.
struct Misfit {
    word: Word,
    why: String,
}

impl Node {
    fn items(&self, catalogue: &Catalogue) -> std::result::Result<Vec<bool>, Misfit> {
        let joined = |nodes: &[Node], join: fn(bool, bool) -> bool, start: bool| {
            nodes
                .iter()
                .try_fold(vec![start; catalogue.len()], |sum, node| {
                    let holds = node.items(catalogue)?;
                    Ok(sum
                        .into_iter()
                        .zip(holds)
                        .map(|(a, b)| join(a, b))
                        .collect())
                })
        };
        match self {
            Self::All(nodes) => joined(nodes, |a, b| a && b, true),
            Self::Any(nodes) => joined(nodes, |a, b| a || b, false),
            Self::Not(node) => Ok(node.items(catalogue)?.into_iter().map(|b| !b).collect()),
            Self::Test(field, test) => Values::of(field, catalogue)?.items(field, test),
        }
    }
}

/// The values of a field.
enum Values<'a> {
    Ids(&'a Catalogue),
    Titles(&'a Catalogue),
    Popularity(&'a Catalogue),
    Metadata(&'a Catalogue, &'a Field),
}

/// The fields that every catalogue has.
const FIELDS: [&str; 3] = ["id", "title", "popularity"];

impl<'a> Values<'a> {
    fn of(field: &Word, catalogue: &'a Catalogue) -> std::result::Result<Self, Misfit> {
        let lower = field.text.to_lowercase();
        let exact = catalogue.field(&field.text);
        let fields = || catalogue.fields.iter();
        if let Some(found) = exact.or_else(|| fields().find(|f| f.name.to_lowercase() == lower)) {
            return Ok(Self::Metadata(catalogue, found));
        }
        match lower.as_str() {
            "id" => Ok(Self::Ids(catalogue)),
            "title" => Ok(Self::Titles(catalogue)),
            "popularity" => Ok(Self::Popularity(catalogue)),
            _ => {
                let names = || FIELDS.into_iter().chain(fields().map(|f| f.name.as_str()));
                let hint = match did_you_mean(&similar(&field.text, names())) {
                    none if none.is_empty() => "; the".to_owned(),
                    near => near + " The",
                };
                let all: Vec<&str> = names().collect();
                let why = format!(
                    "unknown field '{}'{hint} fields are {}",
                    field.text,
                    all.join(", ")
                );
                Err(Misfit {
                    word: field.clone(),
                    why,
                })
            }
        }
    }

    fn items(&self, field: &Word, test: &Test) -> std::result::Result<Vec<bool>, Misfit> {
        match self {
            Self::Ids(c) => {
                let texts: Vec<&str> = c.items.names().iter().map(String::as_str).collect();
                matching(field, &texts, test, Equality::OfIds)
            }
            Self::Titles(c) => {
                let texts: Vec<&str> = (0..c.len() as u32).map(|i| c.title(ItemIdx(i))).collect();
                matching(field, &texts, test, Equality::OfTexts)
            }
            Self::Popularity(c) => {
                let texts: Vec<String> = c.train_counts.iter().map(u32::to_string).collect();
                matching(field, &texts, test, Equality::OfTexts)
            }
            Self::Metadata(c, of) => {
                let chosen = matching(field, of.values.names(), test, Equality::OfTexts)?;
                let holds = |i: u32| {
                    let mut values = of.row(ItemIdx(i));
                    values.any(|(v, count)| count != 0.0 && chosen[v as usize])
                };
                Ok((0..c.len() as u32).map(holds).collect())
            }
        }
    }
}

/// Values that an error lists if none of them is near.
const LISTED: usize = 20;

/// When a value is the wanted one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Equality {
    /// Letter by letter.
    OfIds,
    /// As numbers where the field has only numbers, otherwise without regard to case.
    OfTexts,
}

/// Which of the values a test holds for.
fn matching<S: AsRef<str>>(
    field: &Word,
    values: &[S],
    test: &Test,
    equality: Equality,
) -> std::result::Result<Vec<bool>, Misfit> {
    let numbers = || -> std::result::Result<Vec<f64>, Misfit> {
        let numbers = values.iter().map(|v| {
            finite(v.as_ref().trim()).ok_or_else(|| Misfit {
                word: field.clone(),
                why: format!(
                    "'{}' has values that are not numbers, such as '{}'; use =, in (…) or ~",
                    field.text,
                    v.as_ref()
                ),
            })
        });
        numbers.collect()
    };
    let in_range = |holds: &dyn Fn(f64) -> bool| Ok(numbers()?.into_iter().map(holds).collect());
    match test {
        Test::OneOf(wanted) => {
            let numbers = numbers().ok().filter(|_| equality == Equality::OfTexts);
            let mut chosen = vec![false; values.len()];
            for word in wanted {
                let number = finite(word.text.trim());
                let mut found = false;
                for (at, value) in values.iter().enumerate() {
                    let equal = match (number, &numbers) {
                        (Some(number), Some(numbers)) => numbers[at] == number,
                        _ if equality == Equality::OfIds => value.as_ref() == word.text,
                        _ => value.as_ref().to_lowercase() == word.text.to_lowercase(),
                    };
                    found |= equal;
                    chosen[at] |= equal;
                }
                // A number that no item has is an empty result; a text is more likely mistyped.
                if !found && (number.is_none() || numbers.is_none()) {
                    let all = || values.iter().map(AsRef::as_ref);
                    let hint = match did_you_mean(&similar(&word.text, all())) {
                        none if none.is_empty() && values.len() <= LISTED => {
                            format!("; there are {}", all().collect::<Vec<_>>().join(", "))
                        }
                        near => near,
                    };
                    return Err(Misfit {
                        word: word.clone(),
                        why: format!("no item has the {} '{}'{hint}", field.text, word.text),
                    });
                }
            }
            Ok(chosen)
        }
        Test::Contains(part) => {
            let part = part.text.to_lowercase();
            let holds = |v: &S| v.as_ref().to_lowercase().contains(&part);
            Ok(values.iter().map(holds).collect())
        }
        &Test::AtLeast(n) => in_range(&|v| v >= n),
        &Test::MoreThan(n) => in_range(&|v| v > n),
        &Test::AtMost(n) => in_range(&|v| v <= n),
        &Test::LessThan(n) => in_range(&|v| v < n),
        &Test::Between(low, high) => in_range(&|v| low <= v && v <= high),
    }
}

fn did_you_mean(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("; did you mean '{one}'?"),
        several => format!("; did you mean one of '{}'?", several.join("', '")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Csr, Ids};

    fn catalogue() -> Catalogue {
        let names = |names: &[&str]| {
            Ids::from_names(names.iter().map(|&n| n.to_owned()).collect()).unwrap()
        };
        let mut c = Catalogue::of_items(names(&["1", "2", "3", "4"]));
        c.titles = ["Toy Story (1995)", "Alien (1979)", "Heat", "Heat"]
            .map(String::from)
            .to_vec();
        c.train_counts = vec![10, 7, 3, 0];
        let mut field = |name: &str, values: &[&str], rows: [Vec<(u32, f32)>; 4]| {
            c.fields.push(Field {
                name: name.to_owned(),
                values: names(values),
                of_items: Csr::from_rows(rows, values.len()).unwrap(),
            });
        };
        field(
            "genre",
            &["Comedy", "Sci-Fi", "Crime"],
            [
                vec![(0, 1.0)],
                vec![(1, 1.0), (2, 1.0)],
                vec![(2, 1.0)],
                vec![],
            ],
        );
        field(
            "year",
            &["1995", "1979"],
            [vec![(0, 1.0)], vec![(1, 1.0)], vec![(0, 1.0)], vec![]],
        );
        c
    }

    fn found(text: &str) -> Vec<usize> {
        let holds = Condition::parse(text).unwrap().items(&catalogue()).unwrap();
        (0..4).filter(|&i| holds[i]).collect()
    }

    #[test]
    fn tests_of_fields_and_their_combinations() {
        assert_eq!(found("genre = crime"), [1, 2]);
        assert_eq!(found("genre = Crime and not genre = Sci-Fi"), [2]);
        assert_eq!(found("genre in (Comedy, sci-fi)"), [0, 1]);
        assert_eq!(found("genre not in (Comedy, sci-fi)"), [2, 3]);
        assert_eq!(found("year >= 1990"), [0, 2]);
        assert_eq!(found("year < 1990 or title ~ STORY"), [0, 1]);
        assert_eq!(found("year in 1970..1979"), [1]);
        assert_eq!(found("year = 1995.0"), [0, 2]);
        assert_eq!(found("year = 1996"), [0; 0]);
        assert_eq!(found("not year > 0"), [3]);
        assert_eq!(found("popularity > 3"), [0, 1]);
        assert_eq!(found("id in (2, 4)"), [1, 3]);
        assert_eq!(found("title = heat"), [2, 3]);
        assert_eq!(found("Title ~ '(19'"), [0, 1]);
    }

    #[test]
    fn errors_name_the_place_and_near_names() {
        let error = |text: &str| {
            let condition = Condition::parse(text).unwrap();
            condition.items(&catalogue()).unwrap_err().to_string()
        };
        assert_eq!(
            error("year > 1990 and gnere = Crime"),
            "unknown field 'gnere'; did you mean 'genre'? The fields are id, title, popularity, genre, year\n  \
             year > 1990 and gnere = Crime\n                  ^^^^^"
        );
        assert!(
            error("genre in (Crime, Comdy)")
                .starts_with("no item has the genre 'Comdy'; did you mean 'Comedy'?\n")
        );
        assert!(
            error("genre > 3")
                .starts_with("'genre' has values that are not numbers, such as 'Comedy'")
        );
        assert!(
            error("genre = x")
                .starts_with("no item has the genre 'x'; there are Comedy, Sci-Fi, Crime\n")
        );
        assert!(error("id = 9").starts_with("no item has the id '9'"));
        assert!(error("title > 9").contains("not numbers"));
    }
}
