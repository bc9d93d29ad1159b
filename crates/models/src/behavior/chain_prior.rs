//! ChainPrior: what was viewed or carted and not bought yet, by how often such pairs are bought.
//!
//! A rule without learning that any model of several behaviors has to beat. An open pair of item i with
//! pattern m scores the smoothed conversion `(bought_im + s rate_m) / (pairs_im + s)`, every other item
//! `10⁻⁶` times its number of buyers, so open pairs come first and popular items follow. All counts are of
//! the training rows.

use limpid_core::{
    Artifact, Fit, History, ItemIdx, Ledger, Mat, Part, Result, Run, Scale, Tensors, Training,
};
use ndarray::Axis;
use ndarray::parallel::prelude::*;

use super::chains::{Behaviors, Chains, Records};
use super::units::{ChainUnits, scores_by_chains};
use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "chain-prior",
    aliases: &[],
    about: "viewed or carted items by how often such pairs are bought; the baseline of chains",
    paper: "limpid's own; a rule without learning",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

/// The score of a buyer of an item that the user has not touched: below every conversion.
const BUYER: f64 = 1e-6;

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Pairs of the pattern's conversion rate that are added to an item's own.
        smoothing: f64 = 10.0, in above(0.0), tune [3, 10, 30];
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, _: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let behaviors = Behaviors::of(data)?;
        let records = Records::of(&Chains::of(data.histories, behaviors));
        let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        let buyers = &records.users[usize::from(behaviors.target())];
        Ok(Model::new(
            behaviors,
            buyers
                .iter()
                .map(|&n| (BUYER * f64::from(n)) as f32)
                .collect(),
            (1..behaviors.n_patterns())
                .map(|m| narrow(records.conversion(m, records.rate(m), self.smoothing)))
                .collect(),
        ))
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    behaviors: Behaviors,
    base: Vec<f32>, // (I): the score of an item that the user has not touched
    conversion: Vec<Vec<f32>>, // (patterns − 1, I)
    units: ChainUnits,
}

impl Model {
    /// Its scores are conversions, not logits of one distribution over items.
    const SCALE: Scale = Scale::Order;

    fn new(behaviors: Behaviors, base: Vec<f32>, conversion: Vec<Vec<f32>>) -> Self {
        Self {
            units: ChainUnits::new(behaviors, base.len(), false),
            behaviors,
            base,
            conversion,
        }
    }

    /// The pattern of an open pair that is not muted.
    fn pattern(&self, set: u8, muted: u32) -> Option<usize> {
        let pattern = self.behaviors.open(set)?;
        (muted >> pattern & 1 == 0).then_some(pattern)
    }

    fn score_rows(&self, rows: &[(History<'_>, u32)]) -> Mat {
        let mut scores = Mat::zeros((rows.len(), self.base.len())); // (U, I)
        let out = scores.axis_iter_mut(Axis(0)).into_par_iter();
        out.zip(rows).for_each(|(mut out, &(user, muted))| {
            for (o, &base) in out.iter_mut().zip(&self.base) {
                *o = base;
            }
            for (item, set) in self.behaviors.chain(user, self.base.len()) {
                if let Some(pattern) = self.pattern(set, muted) {
                    out[item as usize] = self.conversion[pattern - 1][item as usize];
                }
            }
        });
        scores
    }

    fn ledger_of(&self, user: History<'_>, muted: u32, item: ItemIdx) -> Ledger {
        let Some(&base) = self.base.get(item.at()) else {
            return Ledger::default();
        };
        let chain = self.behaviors.chain(user, self.base.len());
        let at = chain.binary_search_by_key(&item.0, |e| e.0);
        let pattern = at.ok().and_then(|at| self.pattern(chain[at].1, muted));
        let Some(pattern) = pattern else {
            return Ledger::of_parts(base, Vec::new());
        };
        let score = self.conversion[pattern - 1][item.at()];
        let cites = user.events_of(item).collect();
        let part = Part::new(ChainUnits::pattern(pattern), 1.0, score - base, cites);
        Ledger::of_parts(base, vec![part])
    }
}

scores_by_chains!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/chain-prior";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        out.put_meta(
            "behaviors",
            &(self.behaviors.len(), self.behaviors.target()),
        )?;
        out.put_f32("base", &[self.base.len()], self.base.clone());
        let shape = [self.conversion.len(), self.base.len()];
        out.put_f32("conversion", &shape, self.conversion.concat());
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (n, target) = from.meta("behaviors")?;
        let behaviors = Behaviors::new(n, target)?;
        let base = from.f32("base")?.1.to_vec();
        let n_patterns = behaviors.n_patterns() - 1;
        let values = from.shaped("conversion", &[n_patterns, base.len()])?;
        let conversion = match base.is_empty() {
            true => vec![Vec::new(); n_patterns],
            false => values.chunks(base.len()).map(<[f32]>::to_vec).collect(),
        };
        Ok(Self::new(behaviors, base, conversion))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Catalogue, Event, Histories, Ids, OwnedHistory, Recommender, Units};

    /// Of three users, two viewed a and one of them bought it; the third only viewed it.
    #[test]
    fn open_pairs_come_first_by_conversion() {
        let event = |item: u32, behavior: u8| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let rows = [
            vec![event(0, 0), event(0, 1)],
            vec![event(0, 0), event(1, 1)],
            vec![event(1, 1)],
        ];
        let rows = rows.map(|events| OwnedHistory::of_events(None, events));
        let rows = Histories::from_histories(rows.iter().map(OwnedHistory::view), 3).unwrap();
        let ids = ["a", "b", "c"].map(String::from).to_vec();
        let mut catalogue = Catalogue::of_items(Ids::from_names(ids).unwrap());
        catalogue.behaviors = vec!["view".into(), "buy".into()];
        catalogue.target_behavior = 1;
        let data = Training {
            histories: &rows,
            catalogue: &catalogue,
        };
        let config = Config { smoothing: 2.0 };
        let model = config.fit(&data, &mut Run::seeded(0)).unwrap();
        let scores = model.score(&rows);
        // (1 + 2 · ½) / (2 + 2) for the open view; buyers otherwise.
        assert_eq!(scores.row(1).to_vec(), [0.5, 2e-6, 0.0]);
        assert_eq!(scores.row(2).to_vec(), [1e-6, 2e-6, 0.0]);
        assert_eq!(scores[[0, 0]], 1e-6, "a bought pair is not open");
        let ledger = model.explain(rows.row(1), ItemIdx(0));
        assert_eq!((ledger.parts.len(), ledger.score), (1, 0.5));
        let id = model.info(ledger.parts[0].unit, &catalogue).id;
        assert_eq!(id, "pattern:view");
        assert_eq!(
            model.resolve(&id, &catalogue).unwrap(),
            ledger.parts[0].unit
        );
        let error = model.resolve("pattern:veiw", &catalogue).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("behavior of a pattern 'veiw'; did you mean 'view'"),
            "{error}"
        );
        assert!(model.resolve("pattern:buy", &catalogue).is_err());
        assert!(model.resolve("pattern:view+view", &catalogue).is_err());
    }
}
