//! Attributes of items as categories, for models that reason about them.

use limpid_core::{Catalogue, Error, ItemIdx, Result};

/// A field of the catalogue: the values of each item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Categories {
    /// Number of values.
    pub(super) n_values: usize,
    /// The values of each item, ascending.
    pub(super) of_items: Vec<Vec<u32>>, // (I)
}

/// The fields of a catalogue that have values, with at most `most` values each: the most frequent ones.
///
/// # Errors
/// [`Error::Range`] if no item has a value.
pub(super) fn categories(
    catalogue: &Catalogue,
    n_items: usize,
    most: usize,
    model: &str,
) -> Result<Vec<Categories>> {
    let of_field = |field: &limpid_core::Field| {
        let values = |i: usize| field.row(ItemIdx(i as u32)).map(|(value, _)| value);
        let mut counts = vec![0usize; field.values.len()];
        (0..n_items)
            .flat_map(values)
            .for_each(|v| counts[v as usize] += 1);
        let mut kept: Vec<usize> = (0..counts.len()).filter(|&v| counts[v] > 0).collect();
        kept.sort_by_key(|&v| std::cmp::Reverse(counts[v]));
        kept.truncate(most);
        kept.sort_unstable();
        let place = |v: u32| kept.binary_search(&(v as usize)).ok().map(|at| at as u32);
        Categories {
            n_values: kept.len(),
            of_items: (0..n_items)
                .map(|i| values(i).filter_map(place).collect())
                .collect(),
        }
    };
    let mut fields: Vec<Categories> = catalogue.fields.iter().map(of_field).collect();
    fields.retain(|field| field.n_values > 0);
    match fields.is_empty() {
        false => Ok(fields),
        true => Err(Error::range(
            "the number of item fields with values in the catalogue",
            format!(
                "at least 1 for {model}, whose rules are about attributes of items (join some with \
                 --metadata, or choose a model that reads events alone, such as neumf)"
            ),
            0,
        )),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use limpid_core::{Csr, Field, Fit, Histories, Ids, Recommender, Run, Training};

    const N_USERS: u32 = 60;
    const N_ITEMS: u32 = 60;
    /// Items that somebody has.
    const KNOWN: u32 = 45;

    /// Users like items of one of three colors, and have some of the first [`KNOWN`]; nobody has the others.
    pub(in crate::latent) fn colors() -> (Histories, Catalogue) {
        let likes = |u: u32, i: u32| i < KNOWN && i % 3 == u % 3 && (u * 7 + i * 5 + u * i) % 5 < 3;
        let row = |u: u32| (0..N_ITEMS).filter(|&i| likes(u, i)).collect();
        let rows: Vec<Vec<u32>> = (0..N_USERS).map(row).collect();
        let histories = Histories::from_rows(&rows, N_ITEMS as usize).unwrap();
        let names = |n: u32| Ids::from_names((0..n).map(|k| k.to_string()).collect()).unwrap();
        let mut catalogue = Catalogue::of_items(names(N_ITEMS));
        let field = |name: &str, of: fn(u32) -> u32, n: u32| Field {
            name: name.to_owned(),
            values: names(n),
            of_items: Csr::from_rows((0..N_ITEMS).map(|i| vec![(of(i), 1.0)]), n as usize).unwrap(),
        };
        catalogue.fields = vec![
            field("color", |i| i % 3, 3),
            field("shelf", |i| (i * 7 + i * i / 3) % 4, 4),
        ];
        catalogue.train_counts = histories.item_counts();
        catalogue.n_train_users = histories.len();
        (histories, catalogue)
    }

    /// The share of pairs of items that a user has not but others have, one of the user's color and one not, in which the
    /// first scores higher: 0.5 for popularity. For the training rows, and for the same histories of unknown users.
    fn by_color(model: &dyn Recommender, histories: &Histories) -> [f64; 2] {
        let rows: Vec<_> = histories.rows().map(|r| r.to_owned().anonymous()).collect();
        let rows = rows.iter().map(limpid_core::OwnedHistory::view);
        let unknown = Histories::from_histories(rows, histories.n_items()).unwrap();
        [histories, &unknown].map(|users| {
            let scores = model.score(users);
            let (mut higher, mut pairs) = (0.0, 0.0);
            for u in 0..N_USERS {
                let new = |i: &u32| !users.row(u as usize).contains(ItemIdx(*i));
                let (own, others): (Vec<u32>, Vec<u32>) =
                    (0..KNOWN).filter(new).partition(|i| i % 3 == u % 3);
                for a in &own {
                    for b in &others {
                        let [a, b] = [a, b].map(|&i| scores[[u as usize, i as usize]]);
                        higher += f64::from(u8::from(a > b)) + f64::from(u8::from(a == b)) / 2.0;
                        pairs += 1.0;
                    }
                }
            }
            higher / pairs
        })
    }

    /// Fits a model on [`colors`], of which it must know pairs that are new.
    pub(in crate::latent) fn learns_colors<C: Fit>(config: &C) {
        let (histories, catalogue) = colors();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let model = config.fit(&data, &mut Run::seeded(1)).unwrap();
        let shares = by_color(&model, &histories);
        assert!(shares.iter().all(|&s| s > 0.8), "{shares:?}");
        let popularity = crate::linear::popularity::Config::default();
        let popularity = popularity.fit(&data, &mut Run::seeded(1)).unwrap();
        let base = by_color(&popularity, &histories);
        assert!(base.iter().all(|&s| s < 0.6), "{base:?}");
    }

    /// What a model answers where no item has an attribute.
    pub(in crate::latent) fn refusal<C: Fit>(config: &C) -> String {
        let (histories, mut catalogue) = colors();
        catalogue.fields.clear();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let refused = config.fit(&data, &mut Run::seeded(1)).err();
        refused.map_or_else(String::new, |e| e.to_string())
    }

    fn catalogue() -> Catalogue {
        let names = |n: &[&str]| Ids::from_names(n.iter().map(|n| (*n).to_owned()).collect());
        let mut catalogue = Catalogue::of_items(names(&["a", "b", "c"]).unwrap());
        let rows = [vec![(0, 1.0), (2, 3.0)], vec![(2, 1.0)], vec![]];
        catalogue.fields = vec![Field {
            name: "genre".to_owned(),
            values: names(&["war", "love", "crime"]).unwrap(),
            of_items: Csr::from_rows(rows, 3).unwrap(),
        }];
        catalogue
    }

    #[test]
    fn the_most_frequent_values_are_kept() {
        let catalogue = catalogue();
        let all = categories(&catalogue, 3, 9, "fencr").unwrap();
        // Nothing has the second value.
        assert_eq!(all[0].n_values, 2);
        assert_eq!(all[0].of_items, [vec![0, 1], vec![1], vec![]]);
        let one = categories(&catalogue, 3, 1, "fencr").unwrap();
        assert_eq!(one[0].of_items, [vec![0], vec![0], vec![]]);
    }

    #[test]
    fn items_without_attributes_are_refused() {
        let mut catalogue = catalogue();
        catalogue.fields[0].of_items = Csr::from_rows([vec![], vec![], vec![]], 3).unwrap();
        let e = categories(&catalogue, 3, 9, "fencr").unwrap_err();
        assert_eq!(
            e.to_string(),
            "the number of item fields with values in the catalogue must be at least 1 for fencr, whose rules are \
             about attributes of items (join some with --metadata, or choose a model that reads events alone, such \
             as neumf), but is 0"
        );
    }
}
