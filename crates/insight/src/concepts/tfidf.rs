//! The two concept maps of From Knots to Knobs (section 3.2): which unit stands for a tag.
//!
//! With `M = P Z` `(tags, units)`, where P is the share of each item in the counts of a tag and Z the codes of
//! single items, tf-idf has two orientations. With units as documents, the largest value of a tag's row is the
//! unit that is *unique* to it; with tags as documents, the unit *representative* of it. (The paper prints the
//! two the wrong way round in one place.)

use limpid_core::Csr;
use serde::{Deserialize, Serialize};

use super::Tag;

/// The units of a tag by both maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagUnits {
    /// The most representative units, best first; none if no item of the tag activates any.
    pub representative: Vec<u32>,
    /// The most unique units.
    pub unique: Vec<u32>,
}

/// M `(tags, units)`: the mean code of the items of each tag, from the codes of single items `(I, units)`.
#[must_use]
pub fn concept_map(codes: &Csr, tags: &[Tag]) -> Vec<Vec<f64>> {
    let rows = tags.iter().map(|tag| {
        let mut row = vec![0f64; codes.n_columns()];
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
    });
    rows.collect()
}

/// The `n` best units of every tag of a [map](concept_map). Units without any active item are
/// excluded, because no item speaks for them.
#[must_use]
pub fn tag_units(map: &[Vec<f64>], n: usize) -> Vec<TagUnits> {
    let n_units = map.first().map_or(0, Vec::len);
    let flipped: Vec<Vec<f64>> = (0..n_units)
        .map(|k| map.iter().map(|row| row[k]).collect())
        .collect();
    let unique = tf_idf(map);
    let representative = tf_idf(&flipped);
    (0..map.len())
        .map(|t| TagUnits {
            unique: largest(unique[t].iter().copied(), n),
            representative: largest(representative.iter().map(|row| row[t]), n),
        })
        .collect()
}

/// Added to rows of a map before the divergence of the paper is taken.
const KL_EPSILON: f64 = 1e-9;

/// How a map spreads tags over units.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MapShape {
    /// Tags with an active unit.
    pub tags: usize,
    /// Distinct units among the most representative ones of all tags.
    pub representative: usize,
    /// Share of tags that the unit which represents most of them serves: near 1, the map is degenerate.
    pub most_served: f64,
    /// Distinct units among the most unique ones.
    pub unique: usize,
    /// Distinct tags among the most characteristic ones of all units (the unique map read by unit).
    pub characteristic: usize,
    /// Entropy of the mean of all rows, in nats.
    pub entropy_of_mean: f64,
    /// Mean entropy of rows.
    pub entropy: f64,
    /// Mean number of units that a tag spreads over: e to the entropy of its row.
    pub effective_units: f64,
    /// Mean relative decrease of entropy against that of the mean.
    pub decrease: f64,
    /// Mean Jensen–Shannon divergence of a row and the mean, in nats: at most ln 2.
    pub divergence: f64,
    /// Mean of the paper's Kullback–Leibler divergence of the mean from a row with 1e-9 added, which measures how much
    /// of the mean lies outside of the units of the tag, rather than the shape.
    pub kl: f64,
}

impl MapShape {
    /// Of a [map](concept_map).
    #[must_use]
    pub fn of(map: &[Vec<f64>]) -> Self {
        let rows: Vec<&Vec<f64>> = map.iter().filter(|r| r.iter().sum::<f64>() > 0.0).collect();
        let n_units = map.first().map_or(0, Vec::len);
        if rows.is_empty() {
            return Self::default();
        }
        let shares = |row: &[f64]| -> Vec<f64> {
            let sum: f64 = row.iter().sum();
            row.iter().map(|v| v / sum).collect()
        };
        // As in the paper's code, the mean is that of the rows as they are.
        let sums: Vec<f64> = (0..n_units)
            .map(|k| rows.iter().map(|r| r[k]).sum())
            .collect();
        let mean = shares(&sums);
        let of_mean = entropy(&mean);
        let units = tag_units(map, 1);
        let first = |of: fn(&TagUnits) -> &[u32]| -> Vec<u32> {
            units
                .iter()
                .filter_map(|u| of(u).first().copied())
                .collect()
        };
        let representative = first(|u| &u.representative);
        let by_unit = tf_idf(map);
        let characteristic: Vec<u32> = (0..n_units)
            .filter_map(|k| {
                largest(by_unit.iter().map(|row| row[k]), 1)
                    .first()
                    .copied()
            })
            .collect();
        let n = rows.len() as f64;
        let average = |of: &dyn Fn(&[f64]) -> f64| rows.iter().map(|r| of(r)).sum::<f64>() / n;
        let h = |row: &[f64]| entropy(&shares(row));
        Self {
            tags: rows.len(),
            most_served: most_frequent(&representative) as f64 / n,
            representative: distinct(representative),
            unique: distinct(first(|u| &u.unique)),
            characteristic: distinct(characteristic),
            entropy_of_mean: of_mean,
            entropy: average(&h),
            effective_units: average(&|row| h(row).exp()),
            decrease: average(&|row| (of_mean - h(row)) / of_mean.max(f64::MIN_POSITIVE)),
            divergence: average(&|row| {
                let p = shares(row);
                let middle: Vec<f64> = p.iter().zip(&mean).map(|(a, b)| (a + b) / 2.0).collect();
                entropy(&middle) - (entropy(&p) + of_mean) / 2.0
            }),
            kl: average(&|row| {
                let with: Vec<f64> = row.iter().map(|v| v + KL_EPSILON).collect();
                let terms = mean.iter().zip(shares(&with)).filter(|(p, _)| **p > 0.0);
                terms.map(|(p, q)| p * (p / q).ln()).sum()
            }),
        }
    }

    /// What to tell the reader of a map in which one unit stands for most tags.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (self.tags > 10 && self.most_served > 0.5).then(|| {
            format!(
                "the tf-idf map is degenerate: one unit is the most representative of {:.0} % of {} tags",
                100.0 * self.most_served,
                self.tags
            )
        })
    }
}

fn entropy(p: &[f64]) -> f64 {
    p.iter().filter(|v| **v > 0.0).map(|v| -v * v.ln()).sum()
}

fn distinct(mut all: Vec<u32>) -> usize {
    all.sort_unstable();
    all.dedup();
    all.len()
}

fn most_frequent(all: &[u32]) -> usize {
    let mut all = all.to_vec();
    all.sort_unstable();
    let runs = all.chunk_by(|a, b| a == b);
    runs.map(<[u32]>::len).max().unwrap_or(0)
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
            let idf = idf(n_documents as f64, df);
            let tf = row.iter().zip(&sums);
            tf.map(|(&v, &sum)| if sum > 0.0 { v / sum * idf } else { 0.0 })
                .collect()
        })
        .collect()
}

/// The inverse document frequency of a term that `df` of `n` documents have, smoothed.
pub(super) fn idf(n: f64, df: f64) -> f64 {
    ((n + 1.0) / (df + 1.0)).ln() + 1.0
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
        let map = concept_map(&codes, &[tag(&[0, 1]), tag(&[1, 2]), tag(&[])]);
        let found = tag_units(&map, 1);
        let of = |representative: &[u32], unique: &[u32]| TagUnits {
            representative: representative.to_vec(),
            unique: unique.to_vec(),
        };
        assert_eq!(found[0], of(&[0], &[0]));
        assert_eq!(found[1], of(&[0], &[1]));
        assert_eq!(found[2], of(&[], &[]));
    }

    /// Rows (1, 0) and (1/2, 1/2): the mean of the rows as they are is (3/4, 1/4).
    #[test]
    fn shape_of_a_map_by_hand() {
        let map = vec![vec![1.0, 0.0], vec![0.5, 0.5], vec![0.0, 0.0]];
        let found = MapShape::of(&map);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        assert_eq!((found.tags, found.representative, found.unique), (2, 2, 2));
        assert_eq!(found.characteristic, 2);
        near(found.most_served, 0.5);
        let of_mean = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        near(found.entropy_of_mean, of_mean);
        near(found.entropy, 2f64.ln() / 2.0);
        near(found.effective_units, 1.5);
        let js = |middle: f64, h: f64| -> f64 {
            let rest = 1.0 - middle;
            -(middle * middle.ln() + rest * rest.ln()) - (h + of_mean) / 2.0
        };
        near(
            found.divergence,
            (js(0.875, 0.0) + js(0.625, 2f64.ln())) / 2.0,
        );
        let far =
            0.25 * (0.25 / (1e-9 / (1.0 + 2e-9f64))).ln() + 0.75 * (0.75 * (1.0 + 2e-9f64)).ln();
        let close = 0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln();
        assert!(
            (found.kl - (far + close) / 2.0).abs() < 1e-6,
            "{}",
            found.kl
        );
        assert_eq!(found.warning(), None);
        let one: Vec<Vec<f64>> = (0..12).map(|_| vec![1.0, 0.0]).collect();
        assert!(
            MapShape::of(&one)
                .warning()
                .unwrap()
                .contains("100 % of 12 tags")
        );
        assert_eq!(MapShape::of(&[]), MapShape::default());
    }
}
