//! Soft targets: a linear model learns what a teacher expects of unseen items, beside what is seen.
//!
//! Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network (2015), for regressions on
//! implicit feedback: the target of a pair is 1 if the user has the item, otherwise
//! `strength · E_uj`, at least 0 and at most 1, where `E_uj` is the count that the teacher expects. Only the
//! targets of the fit change: a score is still the sum of the model's own evidence.

use limpid_core::{Csr, Fit, Histories, Mat, Recommender, Result, Run, Training};
use rayon::prelude::*;

use crate::hyper::choices;
use crate::latent::{eigen, ials, multdae};

choices! {
    /// The model whose expectations are the targets of unseen items.
    pub enum Teacher {
        /// No teacher: unseen items have the target 0.
        None = "none",
        /// Eigenvectors of the item-to-item matrix (`eigen`), without a seed.
        Eigen = "eigen",
        /// Matrix factorization (`ials`), with its default settings.
        Ials = "ials",
        /// A denoising autoencoder (`multdae`), with its default settings.
        MultDae = "multdae",
    }
}

/// Unseen items per user that have a target: those that the teacher expects most. It bounds the cost where
/// items are many.
const ITEMS_PER_USER: usize = 500;

/// Users that are scored together.
const BLOCK: usize = 512;

/// The targets `(I, U)` of unseen items, above 0; `None` without a teacher.
///
/// # Errors
/// As the teacher's [`Fit::fit`].
pub(crate) fn soft_targets(
    teacher: Teacher,
    strength: f64,
    data: &Training<'_>,
    run: &Run<'_>,
) -> Result<Option<Csr>> {
    let mut own = run.within();
    let model: Box<dyn Recommender> = match teacher {
        Teacher::None => return Ok(None),
        Teacher::Eigen => Box::new(eigen::Config::default().fit(data, &mut own)?),
        Teacher::Ials => Box::new(ials::Config::default().fit(data, &mut own)?),
        Teacher::MultDae => Box::new(multdae::Config::default().fit(data, &mut own)?),
    };
    // A network predicts shares of a user's events, the others the events themselves.
    let shares = teacher == Teacher::MultDae;
    let histories = data.histories;
    let mut rows: Vec<Vec<(u32, f32)>> = Vec::with_capacity(histories.len());
    for start in (0..histories.len()).step_by(BLOCK) {
        let users = (start..(start + BLOCK).min(histories.len())).map(|u| histories.row(u));
        let items: Vec<Vec<u32>> = users
            .map(|u| u.items.iter().map(|i| i.0).collect())
            .collect();
        let block = Histories::from_rows(&items, histories.n_items())?;
        let mut scores = model.score(&block);
        if shares {
            to_counts(&mut scores, &block);
        }
        let expected = (0..block.len()).into_par_iter().map(|u| {
            let mut scores = scores.row(u).to_vec();
            for item in block.row(u).items {
                scores[item.at()] = 0.0;
            }
            let mut row: Vec<(u32, f32)> = (0u32..)
                .zip(scores)
                .map(|(i, e)| (i, (strength * f64::from(e)).min(1.0) as f32))
                .filter(|&(_, e)| e > 0.0)
                .collect();
            if row.len() > ITEMS_PER_USER {
                row.select_nth_unstable_by(ITEMS_PER_USER, |a, b| {
                    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
                });
                row.truncate(ITEMS_PER_USER);
                row.shrink_to_fit(); // room for all items, for each user, would be a dense matrix
                row.sort_unstable_by_key(|&(i, _)| i);
            }
            row
        });
        rows.extend(expected.collect::<Vec<_>>());
    }
    Ok(Some(Csr::from_rows(rows, histories.n_items())?.transpose()))
}

/// Turns logits into expected counts: the softmax times the number of the user's items.
fn to_counts(scores: &mut Mat, users: &Histories) {
    for (mut row, user) in scores.rows_mut().into_iter().zip(users.rows()) {
        let n_items = user.item_values().len() as f64;
        let largest = row.iter().fold(f32::NEG_INFINITY, |m, &v| m.max(v));
        let total: f64 = row.iter().map(|&v| f64::from(v - largest).exp()).sum();
        row.mapv_inplace(|v| (n_items * f64::from(v - largest).exp() / total) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::Catalogue;

    /// Targets of every teacher are of unseen items only, between 0 and 1; there is none without a teacher.
    #[test]
    fn only_unseen_items_have_soft_targets() {
        let rows: Vec<Vec<u32>> = (0..30u32)
            .map(|u| (0..12).filter(|i| (u * 5 + i * i * 3) % 7 < 3).collect())
            .collect();
        let histories = Histories::from_rows(&rows, 12).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let run = Run::seeded(1);
        for teacher in [Teacher::Eigen, Teacher::Ials, Teacher::MultDae] {
            let soft = soft_targets(teacher, 0.5, &data, &run).unwrap().unwrap();
            assert_eq!((soft.n_rows(), soft.n_columns()), (12, 30));
            assert!(soft.nnz() > 30, "{teacher:?}: {}", soft.nnz());
            assert!(soft.values().iter().all(|&v| v > 0.0 && v <= 1.0));
            for item in 0..12 {
                let seen = |u: &u32| rows[*u as usize].contains(&(item as u32));
                assert!(!soft.row(item).0.iter().any(seen));
            }
        }
        assert!(
            soft_targets(Teacher::None, 0.5, &data, &run)
                .unwrap()
                .is_none()
        );
    }

    /// Two users, two items: logits (0, 0) are half of each user's events.
    #[test]
    fn shares_become_counts() {
        let users = Histories::from_rows(&[vec![0], vec![0, 1]], 2).unwrap();
        let mut scores = Mat::zeros((2, 2));
        to_counts(&mut scores, &users);
        assert_eq!(scores.row(0).to_vec(), [0.5, 0.5]);
        assert_eq!(scores.row(1).to_vec(), [1.0, 1.0]);
    }
}
