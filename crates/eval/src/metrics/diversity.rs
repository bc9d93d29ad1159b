//! Diversity within a list.

use limpid_core::{Catalogue, Field, Lists, Scored};
use rayon::prelude::*;

use super::{Measure, Metric};
use crate::Universe;

/// [`intra_list_diversity`] in the list of metrics.
pub const INTRA_LIST_DIVERSITY: Metric = Metric {
    name: "intralistdiversity",
    aliases: &["ild", "diversity"],
    doc: "1 - mean cosine of the metadata of pairs of items in a list; needs metadata",
    has_cutoff: true,
    measure: Measure::Lists {
        of: intra_list_diversity,
        undefined: "no two items of a list share a metadata field, such as genre",
    },
};

/// `intralistdiversity@k = 1 − mean cosine of the pairs of items in a list`, over all metadata of the
/// catalogue; in `[0, 1]`, larger is more diverse. Mean over lists.
///
/// Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005. The
/// similarity of two items is the mean over the fields (genre, tag, brand …) in which both have a
/// value, of the cosine of their counts of values, so that a field with many values does not dominate
/// one with few. Pairs without a common field are left out, as are lists without a pair. Undefined (NaN)
/// without metadata: a similarity from the interactions would evaluate the model with its own data.
#[must_use]
pub fn intra_list_diversity(lists: &Lists, catalogue: &Catalogue, _: Universe, k: usize) -> f64 {
    let of_lists: Vec<Option<f64>> = lists
        .lists
        .par_iter()
        .map(|list| diversity(&list[..k.min(list.len())], catalogue))
        .collect();
    let (sum, n) = of_lists
        .into_iter()
        .flatten()
        .fold((0.0, 0usize), |(sum, n), d| (sum + d, n + 1));
    sum / n as f64
}

/// One list; `None` if no pair can be compared.
fn diversity(list: &[Scored], catalogue: &Catalogue) -> Option<f64> {
    let (mut similar, mut pairs) = (0.0, 0usize);
    for (at, a) in list.iter().enumerate() {
        for b in &list[..at] {
            if let Some(s) = similarity(catalogue, a.item.at(), b.item.at()) {
                similar += s;
                pairs += 1;
            }
        }
    }
    (pairs > 0).then(|| 1.0 - similar / pairs as f64)
}

fn similarity(catalogue: &Catalogue, a: usize, b: usize) -> Option<f64> {
    let (sum, n) = catalogue
        .fields
        .iter()
        .filter_map(|field| cosine(field, a, b))
        .fold((0.0, 0usize), |(sum, n), s| (sum + s, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// The cosine of two rows of a field; `None` if either is empty.
fn cosine(field: &Field, a: usize, b: usize) -> Option<f64> {
    let rows = field.of_items.n_rows();
    if a >= rows || b >= rows {
        return None;
    }
    let (a_columns, a_values) = field.of_items.row(a);
    let (b_columns, b_values) = field.of_items.row(b);
    let norm = |values: &[f32]| -> f64 {
        values
            .iter()
            .map(|&v| f64::from(v) * f64::from(v))
            .sum::<f64>()
            .sqrt()
    };
    let norms = norm(a_values) * norm(b_values);
    if norms <= 0.0 {
        return None;
    }
    let (mut i, mut j, mut dot) = (0, 0, 0.0);
    while i < a_columns.len() && j < b_columns.len() {
        match a_columns[i].cmp(&b_columns[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                dot += f64::from(a_values[i]) * f64::from(b_values[j]);
                i += 1;
                j += 1;
            }
        }
    }
    Some((dot / norms).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::{catalogue, lists};
    use limpid_core::{Csr, Ids};

    /// Items 0 and 1 share one of their two genres (cosine 1/2), item 2 shares none of them, and
    /// item 3 has no genre.
    #[test]
    fn by_hand() {
        let mut c = catalogue(4);
        let rows = [
            vec![(0, 1.0), (1, 1.0)],
            vec![(1, 1.0), (2, 1.0)],
            vec![(3, 1.0)],
            vec![],
        ];
        c.fields = vec![Field {
            name: "genre".into(),
            values: Ids::from_names(["a", "b", "c", "d"].map(String::from).to_vec()).unwrap(),
            of_items: Csr::from_rows(rows, 4).unwrap(),
        }];
        let close = |l: &[&[u32]], wanted: f64| {
            assert!(
                (intra_list_diversity(&lists(l), &c, Universe::Catalogue, 10) - wanted).abs()
                    < 1e-12
            );
        };
        close(&[&[0, 1]], 0.5);
        close(&[&[0, 1, 2]], 5.0 / 6.0);
        close(&[&[0, 1, 3], &[0, 2], &[3]], 0.75);
        assert!(intra_list_diversity(&lists(&[&[0, 3]]), &c, Universe::Catalogue, 10).is_nan());
        assert!(
            intra_list_diversity(&lists(&[&[0, 1]]), &catalogue(4), Universe::Catalogue, 10)
                .is_nan()
        );
    }
}
