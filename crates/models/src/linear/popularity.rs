//! Popularity: the items that most users have, the same for all users.
//!
//! The baseline of every comparison, and the fallback for a user without history. Its
//! ledger has only a base.

use limpid_core::{
    Artifact, Buffer, Error, Fit, Histories, History, ItemIdx, Ledger, Mat, Recommender, Result,
    Run, Tensors, Training,
};

use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "popularity",
    aliases: &[],
    about: "the most popular items, the same for all users; the baseline",
    paper: "folklore",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Exponent of the user count: 1 is the count itself, 0 makes all items equal.
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

    /// The whole score is base: the history has no influence.
    fn explain(&self, _: History<'_>, item: ItemIdx) -> Ledger {
        let score = self.scores.get(item.at()).copied().unwrap_or(0.0);
        Ledger::of_parts(score, Vec::new())
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
