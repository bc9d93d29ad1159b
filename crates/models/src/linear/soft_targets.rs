//! Soft targets: a linear model learns what a teacher expects of unseen items, beside what is seen.
//!
//! Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network (2015), for regressions on
//! implicit feedback: the target of a pair is 1 if the user has the item, otherwise
//! `strength · E_uj`, at least 0 and at most 1, where `E_uj` is the count that the teacher expects. Only the
//! targets of the fit change: a score is still the sum of the model's own evidence.

use limpid_core::{Csr, Error, Fit, Histories, Mat, Recommender, Result, Run, Scale, Training};
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
        /// A saved model of the same split, or a table of user, item and score: `--teacher PATH`.
        File = "file",
    }
}

/// Unseen items per user that have a target: those that the teacher expects most. It bounds the cost where
/// items are many.
pub const ITEMS_PER_USER: usize = 500;

/// Users that are scored together.
const BLOCK: usize = 512;

/// The targets `(I, U)` of unseen items, above 0; `None` without a teacher.
///
/// # Errors
/// As the teacher's [`Fit::fit`]; [`Error::Range`] where the expectations of a file are missing, and
/// [`Error::Shape`] where they are not those of the training rows.
pub(crate) fn soft_targets(
    teacher: Teacher,
    strength: f64,
    data: &Training<'_>,
    run: &Run<'_>,
) -> Result<Option<Csr>> {
    let histories = data.histories;
    let mut own = run.within();
    let taught_by = |model: &dyn Recommender| {
        // Without ids and values: a user is what they have.
        let rows: Vec<Vec<u32>> = histories
            .rows()
            .map(|u| u.items.iter().map(|i| i.0).collect())
            .collect();
        let rows = Histories::from_rows(&rows, histories.n_items())?;
        expectations(model, &rows)
    };
    let fitted = match teacher {
        Teacher::None => return Ok(None),
        Teacher::Eigen => {
            let model = eigen::Config::default().fit(data, &mut own)?;
            Some(taught_by(&model)?)
        }
        Teacher::Ials => {
            let model = ials::Config::default().fit(data, &mut own)?;
            Some(taught_by(&model)?)
        }
        Teacher::MultDae => {
            let model = multdae::Config::default().fit(data, &mut own)?;
            Some(taught_by(&model)?)
        }
        Teacher::File => None,
    };
    let Some(expected) = fitted.as_ref().or(run.expectations) else {
        let rule = "none or the name of a model, or come with --teacher PATH, which names a saved model or \
                    a table of user, item and score";
        return Err(Error::range("teacher", rule, "file"));
    };
    let shape = (histories.len(), histories.n_items());
    if (expected.n_rows(), expected.n_columns()) != shape {
        return Err(Error::shape(
            "expectations of the teacher",
            format!("{shape:?}"),
            format!("{:?}", (expected.n_rows(), expected.n_columns())),
        ));
    }
    let rows = (0..histories.len()).map(|u| {
        let (items, counts) = expected.row(u);
        let target = |&e: &f32| (strength * f64::from(e)).min(1.0) as f32;
        let targets = items.iter().copied().zip(counts.iter().map(target));
        let seen = histories.row(u).distinct_items();
        targets
            .filter(|&(i, e)| e > 0.0 && seen.binary_search(&i).is_err())
            .collect()
    });
    Ok(Some(Csr::from_rows(rows, histories.n_items())?.transpose()))
}

/// The counts `(U, I)` above 0 that a model expects of the unseen items of histories, of each at most
/// [`ITEMS_PER_USER`]. Scores that are neither counts nor logits are taken for counts up to a factor, which is
/// that of the regression of events on scores, `Σ x s / Σ s²`.
///
/// # Errors
/// [`Error::Numeric`] where a score is not finite.
pub fn expectations(model: &dyn Recommender, histories: &Histories) -> Result<Csr> {
    let scale = model.scale();
    let mut rows: Vec<Vec<(u32, f32)>> = Vec::with_capacity(histories.len());
    let (mut cross, mut square) = (0f64, 0f64);
    for start in (0..histories.len()).step_by(BLOCK) {
        let block = histories.slice(start, (start + BLOCK).min(histories.len()));
        let mut scores = model.score(&block);
        if let Some(bad) = scores.iter().find(|s| !s.is_finite()) {
            return Err(Error::Numeric {
                what: "scores of the teacher".to_owned(),
                why: format!("one of them is {bad}"),
            });
        }
        match scale {
            Scale::Counts => {}
            Scale::Logits | Scale::NextEvent => to_counts(&mut scores, &block),
            Scale::Order | Scale::Values => {
                for (u, row) in block.rows().enumerate() {
                    let seen = row.item_values();
                    cross += seen
                        .iter()
                        .map(|e| f64::from(scores[[u, e.0.at()]]))
                        .sum::<f64>();
                    square += scores
                        .row(u)
                        .iter()
                        .map(|&s| f64::from(s).powi(2))
                        .sum::<f64>();
                }
            }
        }
        let expected = (0..block.len()).into_par_iter().map(|u| {
            let mut scores = scores.row(u).to_vec();
            for item in block.row(u).items {
                scores[item.at()] = 0.0;
            }
            let mut row: Vec<(u32, f32)> = (0u32..).zip(scores).filter(|&(_, e)| e > 0.0).collect();
            largest(&mut row);
            row
        });
        rows.extend(expected.collect::<Vec<_>>());
    }
    if matches!(scale, Scale::Order | Scale::Values) {
        // Scores that oppose the events expect nothing.
        let factor = if square > 0.0 {
            (cross / square).max(0.0)
        } else {
            0.0
        };
        for (_, count) in rows.iter_mut().flatten() {
            *count = (factor * f64::from(*count)) as f32;
        }
    }
    Csr::from_rows(rows, histories.n_items())
}

/// Keeps the largest values of a row, at most [`ITEMS_PER_USER`].
pub fn largest(row: &mut Vec<(u32, f32)>) {
    if row.len() > ITEMS_PER_USER {
        row.select_nth_unstable_by(ITEMS_PER_USER, |a, b| {
            b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
        });
        row.truncate(ITEMS_PER_USER);
        row.shrink_to_fit(); // room for all items, for each user, would be a dense matrix
        row.sort_unstable_by_key(|&(i, _)| i);
    }
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

    /// A file gives the targets that its expectations are, without those of seen items; they must be there, and
    /// of the same rows.
    #[test]
    fn expectations_of_a_file_are_targets() {
        let histories = Histories::from_rows(&[vec![0], vec![1]], 3).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        let of = |rows: Vec<Vec<(u32, f32)>>| {
            let expected = Csr::from_rows(rows, 3).unwrap();
            let run = Run {
                expectations: Some(&expected),
                ..Run::seeded(1)
            };
            soft_targets(Teacher::File, 0.5, &data, &run)
        };
        let soft = of(vec![vec![(0, 0.9), (2, 0.5)], vec![(2, 4.0)]]);
        let soft = soft.unwrap().unwrap();
        assert_eq!(soft.row(2), (&[0, 1][..], &[0.25, 1.0][..]));
        assert_eq!(soft.nnz(), 2);
        assert!(of(vec![vec![]]).unwrap_err().to_string().contains("(1, 3)"));
        let missing = soft_targets(Teacher::File, 0.5, &data, &Run::seeded(1));
        assert!(missing.unwrap_err().to_string().contains("--teacher PATH"));
    }

    /// EASE of two users with both of two items (`reg` 1) scores the other item 2/3. Of a user with both and
    /// one with one of them, `Σ x s = 2 · 2/3 = 4/3` and `Σ s² = 3 · 4/9 = 4/3`: the factor is 1. Of two users
    /// with one each it is 0, because neither has what is expected.
    #[test]
    fn scores_are_scaled_to_events() {
        let both = Histories::from_rows(&[vec![0, 1], vec![0, 1]], 2).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &both,
            catalogue: &catalogue,
        };
        let config = crate::linear::ease::Config {
            reg: 1.0,
            ..Default::default()
        };
        let model = config.fit(&data, &mut Run::seeded(0)).unwrap();
        let rows = Histories::from_rows(&[vec![0, 1], vec![0]], 2).unwrap();
        assert_eq!(model.scale(), Scale::Order);
        let scaled = expectations(&model, &rows).unwrap();
        assert!((scaled.get(1, 1) - 2.0 / 3.0).abs() < 1e-6);
        let apart = Histories::from_rows(&[vec![0], vec![1]], 2).unwrap();
        let nothing = expectations(&model, &apart).unwrap();
        assert!(nothing.values().iter().all(|&v| v == 0.0));
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
