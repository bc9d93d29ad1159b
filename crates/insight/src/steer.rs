//! Steering: an edit of units gives a new recommender.
//!
//! [`Steered`] wraps a model whose latent units are named ([`Additive`]) and is itself a
//! [`Recommender`]: it scores `decode(z + delta)`, where `delta` is what the edits do to the row of
//! activations. A row that no edit touches takes the base path, so no edit means no change, bit for
//! bit; and every explanation says which parts an edit changed.

use std::collections::BTreeSet;

use limpid_core::{
    Additive, Catalogue, Edits, Error, Explain, Histories, History, ItemIdx, Latent, Ledger, Mat,
    Recommender, Result, Unit,
};

/// A model with edits applied.
pub struct Steered<'a> {
    model: &'a dyn Additive,
    edits: Edits,
    written: String,
    edited: BTreeSet<usize>,
}

impl<'a> Steered<'a> {
    /// Applies edits to a model.
    ///
    /// # Errors
    /// [`Error::NotEditable`] if the model has no named units, [`Error::NoSuchUnit`] if it does not
    /// have one of those that are edited, [`Error::Edit`] if two edits change a unit in the same way.
    pub fn new(
        model: &'a dyn Recommender,
        name: &str,
        edits: Edits,
        catalogue: &Catalogue,
    ) -> Result<Self> {
        let model = model.additive().ok_or_else(|| Error::NotEditable {
            model: name.to_owned(),
            why: "has no units that could be edited; models with units are those whose \
                  'limpid explain' lists links or rules"
                .to_owned(),
        })?;
        let mut edited = BTreeSet::new();
        for unit in edits.units() {
            edited.extend(model.resolve(unit).map_err(|e| match e {
                Error::NoSuchUnit { hint, .. } => Error::NoSuchUnit {
                    unit: unit.text(catalogue),
                    hint,
                },
                other => other,
            })?);
        }
        // Conflicts do not depend on the row, so applying to an empty one finds them all.
        edits.apply(&[], &|unit| model.resolve(unit))?;
        let written = edits.written(catalogue).join(", ");
        Ok(Self {
            model,
            edits,
            written,
            edited,
        })
    }

    /// The edits, as written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The activations of a history after the edits.
    #[must_use]
    pub fn activations(&self, user: History<'_>) -> Vec<(usize, f32)> {
        self.apply(&self.model.features(user))
    }

    fn apply(&self, row: &[(usize, f32)]) -> Vec<(usize, f32)> {
        // Every unit was resolved and every conflict refused in `new`, so this cannot fail; if it
        // did, the row would stay as it is.
        self.edits
            .apply(row, &|unit| self.model.resolve(unit))
            .unwrap_or_else(|_| row.to_vec())
    }

    /// Marks the parts whose activation an edit changed. A blend changes every unit of the row.
    fn mark(&self, mut ledger: Ledger, before: &[(usize, f32)], after: &[(usize, f32)]) -> Ledger {
        let changed: BTreeSet<Unit> = after
            .iter()
            .filter(|&&(k, v)| {
                let was = before
                    .binary_search_by_key(&k, |e| e.0)
                    .map_or(0.0, |at| before[at].1);
                was != v || self.edited.contains(&k)
            })
            .map(|&(k, _)| self.model.unit(k))
            .collect();
        for part in &mut ledger.parts {
            let hit = changed.contains(&part.unit)
                || matches!(part.unit, Unit::Group(_))
                    && self
                        .model
                        .resolve(part.unit)
                        .is_ok_and(|units| units.iter().any(|k| self.edited.contains(k)));
            if hit {
                part.edited_by = Some(self.written.clone());
            }
        }
        ledger
    }

    /// The ledger of an item in compiled lines, with what was edited marked.
    #[must_use]
    pub fn lines(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let before = self.model.features(user);
        let after = self.apply(&before);
        self.mark(self.model.lines(&after, user, item), &before, &after)
    }
}

impl Recommender for Steered<'_> {
    fn score(&self, users: &Histories) -> Mat {
        if self.edits.is_empty() {
            return self.model.score(users);
        }
        let mut z = self.model.encode(users); // (U, K)
        for mut row in z.rows_mut() {
            let before: Vec<(usize, f32)> = row
                .iter()
                .copied()
                .enumerate()
                .filter(|&(_, v)| v != 0.0)
                .collect();
            for (k, v) in self.apply(&before) {
                row[k] = v;
            }
        }
        self.model.decode(&z)
    }

    fn latent(&self) -> Option<&dyn Latent> {
        None
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Explain for Steered<'_> {
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let before = self.model.features(user);
        let after = self.apply(&before);
        self.mark(self.model.ledger(&after, user, item), &before, &after)
    }
}
