//! The scores of the last question: a list, the reasons of its items and a why-not are often asked about one
//! history one after the other, and each needs the scores of all items.

use std::sync::{Arc, Mutex, PoisonError};

use limpid_core::{Histories, History, Mat, OwnedHistory};
use limpid_insight::Steered;

use crate::Result;

/// The last scores; none at first.
#[derive(Debug, Default)]
pub(super) struct Last(Mutex<Option<Scored>>);

/// Scores `(I)` of one history, with the edits of each.
#[derive(Debug)]
struct Scored {
    history: OwnedHistory,
    by_edits: Vec<(Vec<String>, Arc<[f32]>)>,
}

/// Edits of one history whose scores are kept: those of a list, without any, and each of a few alone.
const KEPT: usize = 8;

impl Last {
    /// The last scores, if they are of this history and of a model with the same edits; otherwise new ones.
    pub(super) fn scores(
        &self,
        model: &Steered<'_>,
        history: History<'_>,
        n_items: usize,
        score: impl FnOnce(&Histories) -> Mat,
    ) -> Result<Arc<[f32]>> {
        let (owned, edits) = (history.to_owned(), model.written());
        // A question that failed leaves whole scores or none.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*lock()
            && last.history == owned
            && let Some((_, scores)) = last.by_edits.iter().find(|(e, _)| *e == edits)
        {
            return Ok(Arc::clone(scores));
        }
        let rows = Histories::from_histories([history], n_items)?;
        let scores: Arc<[f32]> = score(&rows).into_raw_vec_and_offset().0.into();
        let own = (edits, Arc::clone(&scores));
        match &mut *lock() {
            Some(last) if last.history == owned => {
                last.by_edits.truncate(KEPT - 1);
                last.by_edits.insert(0, own);
            }
            other => {
                *other = Some(Scored {
                    history: owned,
                    by_edits: vec![own],
                });
            }
        }
        Ok(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prepared, TrainOptions, train};
    use limpid_core::{Edits, NoProgress, Recommender};

    /// A history is scored once under each edit until another one is asked about.
    #[test]
    fn the_same_question_is_scored_once() {
        let world = limpid_data::synthetic::Config::default();
        let split = "ratio:70/10/20@1".parse().unwrap();
        let prepared = Prepared::synthetic(&world, &split).unwrap();
        let ease = limpid_models::Config::named("ease").unwrap();
        let options = TrainOptions::default();
        let advisor = train(prepared, &ease, &options, &NoProgress).unwrap();
        let rows = &advisor.split().unwrap().train;
        let item = advisor.catalogue.id(rows.row(0).items[0]).to_owned();
        let off = Edits::parse(&[format!("link:{item}=off")]).unwrap();
        let plain = advisor.steered(&Edits::none()).unwrap();
        let edited = advisor.steered(&off).unwrap();
        let mut calls = 0;
        let last = Last::default();
        for (model, row, expected) in [
            (&plain, 0, 1),
            (&plain, 0, 1),
            (&edited, 0, 2),
            (&plain, 0, 2),
            (&edited, 0, 2),
            (&plain, 1, 3),
            (&plain, 0, 4),
        ] {
            let score = |rows: &Histories| {
                calls += 1;
                model.score(rows)
            };
            let history = rows.row(row);
            let scores = last.scores(model, history, rows.n_items(), score);
            let fresh = model.score(&rows.slice(row, row + 1));
            assert_eq!(scores.unwrap().to_vec(), fresh.row(0).to_vec());
            assert_eq!(calls, expected);
        }
    }
}
