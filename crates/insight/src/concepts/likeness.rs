//! How alike the cases of one unit are, and those of different units: RecSAE's intra- and inter-latent similarity.
//!
//! The paper compares the vectors of recommended items, its code those of users, both of the two most activated cases
//! whose recommended items differ. Units are directions of the space of users, so a high value of the second kind is
//! partly true by construction.

use limpid_core::Mat;
use serde::{Deserialize, Serialize};

use super::verify::Cases;
use crate::dictionary::{dot, norm};

/// Mean cosines.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Likeness {
    /// Units with two cases whose recommended items differ.
    pub units: usize,
    /// Of the recommended items of these two cases: the paper's definition.
    pub intra_item: f64,
    /// Of the representations of the two users: that of its code.
    pub intra_user: f64,
    /// Of the recommended items of the most activated cases of different units.
    pub inter_item: f64,
    /// Of the representations of the users of the most activated cases of different units.
    pub inter_user: f64,
}

/// The likeness of cases whose recommended items have vectors `(I, D)`.
#[must_use]
pub fn likeness(cases: &Cases, vectors: &Mat, n_units: usize) -> Likeness {
    let item = |case: u32| unit(vectors, cases.recommended[case as usize] as usize);
    let user = |case: u32| unit(&cases.states, case as usize);
    let (mut intra_item, mut intra_user) = (Vec::new(), Vec::new());
    let (mut items, mut users) = (Vec::new(), Vec::new());
    for own in cases.by_unit(n_units) {
        let Some(&(first, _)) = own.first() else {
            continue;
        };
        items.push(item(first));
        users.push(user(first));
        let of = |case: u32| cases.recommended[case as usize];
        if let Some(&(other, _)) = own.iter().find(|c| of(c.0) != of(first)) {
            intra_item.push(dot(&item(first), &item(other)));
            intra_user.push(dot(&user(first), &user(other)));
        }
    }
    Likeness {
        units: intra_item.len(),
        intra_item: mean(&intra_item),
        intra_user: mean(&intra_user),
        inter_item: pairwise(&items),
        inter_user: pairwise(&users),
    }
}

fn unit(rows: &Mat, at: usize) -> Vec<f32> {
    let mut row = rows.row(at).to_vec();
    crate::dictionary::normalize(&mut row);
    row
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The mean cosine of different unit rows: `(|Σ w|² − Σ |w|²) / n (n − 1)`.
fn pairwise(rows: &[Vec<f32>]) -> f64 {
    let (n, width) = (rows.len(), rows.first().map_or(0, Vec::len));
    if n < 2 {
        return 0.0;
    }
    let mut sum = vec![0f32; width];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
    let alone: f64 = rows.iter().map(|r| norm(r.iter().copied()).powi(2)).sum();
    (norm(sum.into_iter()).powi(2) - alone) / (n * (n - 1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Unit 0: cases 0 and 2 (case 1 has the item of case 0). Unit 1: case 3 alone. Item vectors (1, 0), (0, 1).
    #[test]
    fn likeness_by_hand() {
        let cases = Cases {
            active: vec![
                vec![(0, 3.0)],
                vec![(0, 2.0)],
                vec![(0, 1.0)],
                vec![(1, 1.0)],
            ],
            recommended: vec![0, 0, 1, 1],
            terms: vec![Vec::new(); 4],
            states: array![[2.0f32, 0.0], [0.0, 1.0], [3.0, 3.0], [0.0, 5.0]],
        };
        let found = likeness(&cases, &array![[1.0f32, 0.0], [0.0, 1.0]], 3);
        assert_eq!((found.units, found.intra_item), (1, 0.0));
        assert!((found.intra_user - 0.5f64.sqrt()).abs() < 1e-6);
        assert!(found.inter_item.abs() < 1e-6 && found.inter_user.abs() < 1e-6);
    }
}
