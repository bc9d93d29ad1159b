//! Groups of items by their metadata or by their training events, for breakdowns.

use limpid_core::{Catalogue, ItemIdx};

use crate::{Error, Result};

/// Groups of a field beyond which the rarest are joined.
const MOST_GROUPS: usize = 20;

/// What the joined groups are called.
const OTHER: &str = "other";

/// Groups of items; an item may be in several, or in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemGroups {
    /// What the items are grouped by: the name of a field.
    pub by: String,
    /// The names of the groups, in the order in which they are reported.
    pub names: Vec<String>,
    /// The groups of each item `(items)`, ascending.
    pub of_items: Vec<Vec<u8>>,
}

/// Numbers of training users that begin a group of the cold-start report.
const STARTS: [u32; 5] = [0, 1, 5, 20, 100];

impl ItemGroups {
    /// Groups by the values of a metadata field, such as `genre`; `decade` is that of the year. Of more
    /// than 20 values the rarest, by items with training events, are joined as `other`. Years and decades
    /// are in their order, other values by number of items.
    ///
    /// # Errors
    /// [`Error::UnknownField`].
    pub fn of_field(catalogue: &Catalogue, name: &str) -> Result<Self> {
        let own = catalogue.field(name);
        let field = match name {
            "decade" => own.or_else(|| catalogue.field("year")),
            _ => own,
        };
        let field = field.ok_or_else(|| Error::UnknownField {
            name: name.to_owned(),
            known: {
                let mut known: Vec<String> =
                    catalogue.fields.iter().map(|f| f.name.clone()).collect();
                if catalogue.field("year").is_some() && catalogue.field("decade").is_none() {
                    known.push("decade".to_owned());
                }
                known
            },
        })?;
        let is_decade = name == "decade" && own.is_none();
        let value = |text: &str| match text.parse::<u32>() {
            Ok(year) if is_decade => format!("{}s", year / 10 * 10),
            _ => text.to_owned(),
        };
        // Every value with its number of items, and the values of each item.
        let mut names: Vec<String> = Vec::new();
        let mut number = std::collections::HashMap::new();
        let mut counts: Vec<usize> = Vec::new();
        let mut of_items: Vec<Vec<usize>> = Vec::with_capacity(catalogue.len());
        for item in (0..catalogue.len() as u32).map(ItemIdx) {
            let mut own: Vec<usize> = field
                .of(item)
                .map(|(text, _)| {
                    let text = value(text);
                    *number.entry(text.clone()).or_insert_with(|| {
                        names.push(text);
                        counts.push(0);
                        names.len() - 1
                    })
                })
                .collect();
            own.sort_unstable();
            own.dedup();
            for &at in &own {
                counts[at] += usize::from(catalogue.is_trained(item));
            }
            of_items.push(own);
        }
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then(names[a].cmp(&names[b])));
        let joins = order.len() > MOST_GROUPS;
        let mut kept = order[..order.len().min(MOST_GROUPS - usize::from(joins))].to_vec();
        let in_order = name == "year" || name == "decade";
        if in_order {
            kept.sort_by(|&a, &b| names[a].cmp(&names[b]));
        }
        let other = kept.len() as u8;
        let mut group = vec![other; names.len()];
        for (new, &old) in kept.iter().enumerate() {
            group[old] = new as u8;
        }
        let of_items = of_items
            .into_iter()
            .map(|own| {
                let mut own: Vec<u8> = own.into_iter().map(|at| group[at]).collect();
                own.sort_unstable();
                own.dedup();
                own
            })
            .collect();
        let mut kept: Vec<String> = kept.into_iter().map(|at| names[at].clone()).collect();
        if joins {
            kept.push(OTHER.to_owned());
        }
        Ok(Self {
            by: name.to_owned(),
            names: kept,
            of_items,
        })
    }

    /// Groups by the number of training users, for the cold-start report.
    #[must_use]
    pub fn of_train_counts(catalogue: &Catalogue) -> Self {
        let of = |count: u32| (STARTS.iter().filter(|&&start| start <= count).count() - 1) as u8;
        Self {
            by: "training users of the item".to_owned(),
            names: ranges(),
            of_items: (0..catalogue.len())
                .map(|item| vec![of(catalogue.train_counts.get(item).copied().unwrap_or(0))])
                .collect(),
        }
    }
}

/// The group of a user of the cold-start report, by the number of items that the model is shown.
pub(crate) fn group_of_length(n_events: usize) -> usize {
    let starts = STARTS.iter().filter(|&&start| start as usize <= n_events);
    starts.count() - 1
}

/// `0`, `1 – 4`, …, `100 and more`.
pub(crate) fn ranges() -> Vec<String> {
    let mut names: Vec<String> = STARTS
        .windows(2)
        .map(|pair| match pair[1] - pair[0] {
            1 => pair[0].to_string(),
            _ => format!("{} – {}", pair[0], pair[1] - 1),
        })
        .collect();
    names.extend(STARTS.last().map(|last| format!("{last} and more")));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::catalogue;
    use limpid_core::{Csr, Field, Ids};

    fn with_field(name: &str, values: &[&str], rows: Vec<Vec<(u32, f32)>>) -> Catalogue {
        let mut c = catalogue(rows.len());
        c.train_counts = vec![1; rows.len()];
        c.fields = vec![Field {
            name: name.into(),
            values: Ids::from_names(values.iter().map(|&v| v.to_owned()).collect()).unwrap(),
            of_items: Csr::from_rows(rows, values.len()).unwrap(),
        }];
        c
    }

    #[test]
    fn values_are_ordered_by_items_and_years_by_time() {
        let rows = vec![vec![(0, 1.0), (1, 1.0)], vec![(1, 1.0)], vec![]];
        let groups = ItemGroups::of_field(&with_field("genre", &["crime", "drama"], rows), "genre");
        let groups = groups.unwrap();
        assert_eq!(groups.names, ["drama", "crime"]);
        assert_eq!(groups.of_items, [vec![0, 1], vec![0], vec![]]);
        let years = with_field(
            "year",
            &["1994", "1977", "1999"],
            vec![vec![(0, 1.0)], vec![(1, 1.0)], vec![(2, 1.0)]],
        );
        let groups = ItemGroups::of_field(&years, "decade").unwrap();
        assert_eq!(groups.names, ["1970s", "1990s"]);
        assert_eq!(groups.of_items, [vec![1], vec![0], vec![1]]);
        let groups = ItemGroups::of_field(&years, "year").unwrap();
        assert_eq!(groups.names, ["1977", "1994", "1999"]);
        let error = ItemGroups::of_field(&years, "yaer")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the items have no metadata field 'yaer'; did you mean 'year'? The fields are year, decade"
        );
    }

    #[test]
    fn rare_values_are_joined() {
        let names: Vec<String> = (0..30).map(|i| format!("v{i:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows = (0..31).map(|i| vec![(i % 30, 1.0)]).collect();
        let groups = ItemGroups::of_field(&with_field("tag", &names, rows), "tag").unwrap();
        assert_eq!(groups.names.len(), MOST_GROUPS);
        assert_eq!(groups.names[0], "v00");
        assert_eq!(groups.names.last().unwrap(), OTHER);
        assert_eq!(groups.of_items[29], [19]);
    }

    #[test]
    fn cold_items_are_grouped_by_their_training_users() {
        let mut c = catalogue(4);
        c.train_counts = vec![0, 1, 19, 100];
        let groups = ItemGroups::of_train_counts(&c);
        assert_eq!(
            groups.names,
            ["0", "1 – 4", "5 – 19", "20 – 99", "100 and more"]
        );
        assert_eq!(groups.of_items, [[0], [1], [2], [4]]);
        assert_eq!(
            (group_of_length(0), group_of_length(4), group_of_length(500)),
            (0, 1, 4)
        );
    }
}
