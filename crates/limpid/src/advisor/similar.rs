//! Items similar to an item: by scores, by vectors or by learned links.

use limpid_core::{
    Edits, Histories, ItemIdx, Mask, Mat, OwnedHistory, Recommender, Scored, Unit, Units, top_k,
};

use super::{Advisor, Filter, Who};
use crate::answers::{Recommendations, Recommended};
use crate::{Error, Result};

/// What similarity of items is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimilarBy {
    /// The scores of a history of the item alone. Every model has them.
    Scores,
    /// The cosine of the item vectors of a model with a linear decoder.
    Vectors,
    /// The learned weights from the item to others.
    Links,
}

impl SimilarBy {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Scores, Self::Vectors, Self::Links];

    /// Its name: `scores`, `vectors`, `links`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scores => "scores",
            Self::Vectors => "vectors",
            Self::Links => "links",
        }
    }

    /// What its numbers are: `score`, `cosine`, `weight`.
    #[must_use]
    pub fn measure(self) -> &'static str {
        match self {
            Self::Scores => "score",
            Self::Vectors => "cosine",
            Self::Links => "weight",
        }
    }
}

impl Advisor {
    /// Items similar to an item.
    ///
    /// # Errors
    /// [`Error::Usage`] with what the model supports, and where the item does not exist.
    pub fn similar(
        &self,
        item: &str,
        by: SimilarBy,
        n: usize,
        filter: &Filter,
    ) -> Result<Recommendations> {
        let of = self.catalogue.find(item)?;
        let similarities = self.similarities(by)?;
        if by == SimilarBy::Scores {
            let who = Who::Items(vec![format!("id:{}", self.catalogue.id(of))]);
            let answer = self.recommend(&who, n, filter, &Edits::none())?;
            return Ok(Recommendations {
                schema: "limpid.similar/1",
                by: Some(by.name()),
                ..answer
            });
        }
        let list = similarities.list(of, n, filter)?;
        let mut notes = self.notes_on(of);
        if list.len() < n {
            notes.push(format!("{} of {n} items; no other is similar", list.len()));
        }
        let items = list.iter().enumerate().map(|(at, scored)| Recommended {
            rank: at + 1,
            item: self.item_name(scored.item),
            score: scored.score,
            probability: None,
            before: None,
            moved_by: Vec::new(),
            because: Vec::new(),
        });
        Ok(Recommendations {
            schema: "limpid.similar/1",
            user: None,
            history: 1,
            asked: n,
            by: Some(by.name()),
            edits: String::new(),
            items: items.collect(),
            slates: Vec::new(),
            left: Vec::new(),
            notes,
        })
    }

    /// What [`similar`](Self::similar) supports for this model.
    #[must_use]
    pub fn similar_by(&self) -> Vec<SimilarBy> {
        let all = SimilarBy::ALL.into_iter();
        all.filter(|by| self.measure(*by).is_some()).collect()
    }

    /// The similarities of all items.
    pub(crate) fn similarities(&self, by: SimilarBy) -> Result<Similarities<'_>> {
        match self.measure(by) {
            Some(measure) => Ok(Similarities {
                advisor: self,
                measure,
            }),
            None => {
                let names: Vec<&str> = self.similar_by().iter().map(|by| by.name()).collect();
                Err(Error::Usage(format!(
                    "{} has no {} of items; it supports --by {}",
                    self.model.name(),
                    by.name(),
                    names.join(" and ")
                )))
            }
        }
    }

    fn measure(&self, by: SimilarBy) -> Option<Measure<'_>> {
        match by {
            SimilarBy::Scores => Some(Measure::Scores),
            SimilarBy::Vectors => {
                let mut vectors = self.model.latent()?.item_vectors()?;
                for mut row in vectors.rows_mut() {
                    let norm = row
                        .iter()
                        .map(|x| f64::from(*x).powi(2))
                        .sum::<f64>()
                        .sqrt();
                    let unit = if norm > 0.0 { (1.0 / norm) as f32 } else { 0.0 };
                    row.mapv_inplace(|x| x * unit);
                }
                Some(Measure::Vectors(vectors))
            }
            SimilarBy::Links => {
                let units = self.model.units()?;
                let first = *units.members(Unit::event(ItemIdx(0))).first()?;
                units.effect(first, ItemIdx(0))?;
                Some(Measure::Links(units))
            }
        }
    }
}

/// The similarities of all items to each.
pub(crate) struct Similarities<'a> {
    advisor: &'a Advisor,
    measure: Measure<'a>,
}

enum Measure<'a> {
    Scores,
    /// Vectors of length 1 `(I, D)`; of length 0 for items without training.
    Vectors(Mat),
    Links(&'a dyn Units),
}

impl Similarities<'_> {
    /// The most similar items, best first. Links and vectors that do not support an item are no
    /// similarity, so the list may be shorter.
    pub(crate) fn list(&self, of: ItemIdx, n: usize, filter: &Filter) -> Result<Vec<Scored>> {
        let catalogue = &self.advisor.catalogue;
        let scores: Vec<f32> = match &self.measure {
            Measure::Scores => {
                let mut alone = OwnedHistory::default();
                alone.add(of, catalogue.target_behavior);
                let alone = Histories::from_histories([alone.view()], catalogue.len())?;
                self.advisor.model.score(&alone).into_raw_vec_and_offset().0
            }
            Measure::Vectors(vectors) => vectors.dot(&vectors.row(of.at())).to_vec(),
            Measure::Links(units) => {
                let index = units.members(Unit::event(of)).first().copied();
                let weight = |to: u32| index.and_then(|k| units.effect(k, ItemIdx(to)));
                let items = 0..catalogue.len() as u32;
                items.map(|to| weight(to).unwrap_or(0.0)).collect()
            }
        };
        let mut mask = Mask::none(catalogue.len());
        if let Some(only) = &filter.only {
            mask.only(only.iter().copied());
        }
        mask.hide(filter.exclude.iter().copied());
        if !filter.include_seen {
            mask.hide([of]);
        }
        let mut list = top_k(&scores, &mask, self.advisor.tie_breaks(), n);
        if !matches!(self.measure, Measure::Scores) {
            list.retain(|scored| scored.score > 0.0);
        }
        Ok(list)
    }
}
