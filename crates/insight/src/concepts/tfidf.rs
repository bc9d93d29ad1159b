//! The two concept maps of From Knots to Knobs (section 3.2): which unit stands for a tag.
//!
//! With `M = P Z` `(tags, units)`, where P is the share of each item in the counts of a tag and Z the codes of
//! single items, tf-idf has two orientations. With units as documents, the largest value of a tag's row is the
//! unit that is *unique* to it; with tags as documents, the unit *representative* of it. (The paper prints the
//! two the wrong way round in one place.)

use limpid_core::Csr;

use super::Tag;

/// The units of a tag by both maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagUnits {
    /// The most representative units, best first; none if no item of the tag activates any.
    pub representative: Vec<u32>,
    /// The most unique units.
    pub unique: Vec<u32>,
}

/// The `n` best units of every tag, from the codes of single items `(I, units)`. Units without any active item are
/// excluded, because no item speaks for them.
#[must_use]
pub fn tag_units(codes: &Csr, tags: &[Tag], n: usize) -> Vec<TagUnits> {
    let n_units = codes.n_columns();
    let map: Vec<Vec<f64>> = tags
        .iter()
        .map(|tag| {
            let mut row = vec![0f64; n_units];
            let sum: f64 = tag.items.iter().map(|&(_, n)| f64::from(n)).sum();
            for &(item, count) in &tag.items {
                if item as usize >= codes.n_rows() {
                    continue;
                }
                let (units, values) = codes.row(item as usize);
                for (&k, &z) in units.iter().zip(values) {
                    row[k as usize] += f64::from(count) / sum.max(f64::MIN_POSITIVE) * f64::from(z);
                }
            }
            row
        })
        .collect();
    let flipped: Vec<Vec<f64>> = (0..n_units)
        .map(|k| map.iter().map(|row| row[k]).collect())
        .collect();
    let unique = tf_idf(&map);
    let representative = tf_idf(&flipped);
    (0..tags.len())
        .map(|t| TagUnits {
            unique: largest(unique[t].iter().copied(), n),
            representative: largest(representative.iter().map(|row| row[t]), n),
        })
        .collect()
}

/// `tf · idf` of a matrix of terms and documents: `tf = x / Σ of its column`, `idf = ln((N + 1) / (df + 1)) + 1`.
fn tf_idf(terms: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n_documents = terms.first().map_or(0, Vec::len);
    let sums: Vec<f64> = (0..n_documents)
        .map(|d| terms.iter().map(|row| row[d]).sum())
        .collect();
    terms
        .iter()
        .map(|row| {
            let df = row.iter().filter(|&&v| v != 0.0).count() as f64;
            let idf = ((n_documents as f64 + 1.0) / (df + 1.0)).ln() + 1.0;
            let tf = row.iter().zip(&sums);
            tf.map(|(&v, &sum)| if sum > 0.0 { v / sum * idf } else { 0.0 })
                .collect()
        })
        .collect()
}

/// The positions of the `n` largest values above 0.
fn largest(values: impl Iterator<Item = f64>, n: usize) -> Vec<u32> {
    let mut all: Vec<(u32, f64)> = (0..).zip(values).filter(|v| v.1 > 0.0).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.into_iter().take(n).map(|v| v.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(items: &[u32]) -> Tag {
        Tag {
            field: "tag".into(),
            name: "t".into(),
            items: items.iter().map(|&i| (i, 1.0)).collect(),
        }
    }

    /// Unit 0 fires for all items, unit 1 for item 2 alone. M = [[1, 0], [1, 0.5]] for the tags {0, 1} and
    /// {1, 2}. Unique: tag 1 is the only one of unit 1, so its share of that document is 1. Representative:
    /// within tag 1, unit 0 has 2/3 of the mass at idf ln(4/3) + 1 = 1.29, unit 1 has 1/3 at idf ln 2 + 1 = 1.69.
    #[test]
    fn both_orientations_by_hand() {
        let codes = Csr::from_rows(
            [vec![(0, 1.0)], vec![(0, 1.0)], vec![(0, 1.0), (1, 1.0)]],
            3,
        )
        .unwrap();
        let found = tag_units(&codes, &[tag(&[0, 1]), tag(&[1, 2]), tag(&[])], 1);
        let of = |representative: &[u32], unique: &[u32]| TagUnits {
            representative: representative.to_vec(),
            unique: unique.to_vec(),
        };
        assert_eq!(found[0], of(&[0], &[0]));
        assert_eq!(found[1], of(&[0], &[1]));
        assert_eq!(found[2], of(&[], &[]));
    }
}
