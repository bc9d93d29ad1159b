//! Popularity: recommends the items that most users have, to every user.
//!
//! The baseline of every comparison, and the fallback for a user without a history. It has no latent: there is nothing to edit, and an explanation is one line.

use limpid_core::{
    Artifact, Buffer, Error, Explain, Fit, Histories, History, ItemIdx, Ledger, Mat, Part,
    PartKind, Recommender, Result, Run, Tensors, Training, Unit,
};

use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};

/// What the catalogue says about it.
pub(crate) const ENTRY: Entry = Entry {
    name: "popularity",
    aliases: &[],
    about: "the items that most users have; the baseline",
    paper: "folklore",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Power of the count: 1 is the plain count, 0 makes all items equal.
        exponent: f32 = 1.0, in between(0.0, 4.0);
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, _: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let counts = data.histories.item_counts();
        let scores: Vec<f32> = counts
            .iter()
            .map(|&n| {
                if n == 0 {
                    0.0
                } else {
                    (n as f32).powf(self.exponent)
                }
            })
            .collect();
        Ok(Model {
            scores: scores.into(),
        })
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    scores: Buffer<f32>, // (I)
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        let mut out = Mat::zeros((users.len(), self.scores.len())); // (U, I)
        for mut row in out.rows_mut() {
            for (o, &s) in row.iter_mut().zip(self.scores.iter()) {
                *o = s;
            }
        }
        out
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

impl Explain for Model {
    fn explain(&self, _: History<'_>, item: ItemIdx) -> Ledger {
        let value = self.scores.get(item.at()).copied().unwrap_or(0.0);
        Ledger::of_parts(
            0.0,
            vec![Part {
                unit: Unit::Popularity,
                kind: PartKind::Popularity,
                rule: None,
                cites: Vec::new(),
                activation: 1.0,
                effect: value,
                value,
                edited_by: None,
            }],
        )
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/popularity";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        out.put_f32("scores", &[self.scores.len()], self.scores.clone());
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (shape, scores) = from.f32("scores")?;
        if shape.len() != 1 {
            return Err(Error::shape("scores", "one row", format!("{shape:?}")));
        }
        Ok(Self { scores })
    }
}
