//! A model of one behavior, on data of several: it is fitted on the target behavior alone, or on the union of
//! all, and shown the same of each user.
//!
//! Without it, a model that does not read behaviors is fitted on data that have lost the others, so that
//! nothing says which items a user has touched. Here the split keeps them: the model has the same split and
//! the same held-out items as models of chains, and can be compared with them user by user.

use limpid_core::{
    Artifact, Catalogue, Error, Event, Fit, Histories, History, ItemIdx, Ledger, Mat, OwnedHistory,
    Recommender, Result, Run, Tensors, Training,
};

use crate::hyper::{self, choices, hyper};
use crate::registry::{self, Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "one-behavior",
    aliases: &[],
    about: "another model on the target behavior, or the union, of data with several behaviors",
    paper: "a baseline of models of several behaviors",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// The model that is fitted.
    pub enum Of {
        /// EASE.
        Ease = "ease",
        /// EDLAE.
        Edlae = "edlae",
        /// SLIM.
        Slim = "slim",
        /// RuleSLIM.
        RuleSlim = "ruleslim",
        /// ItemKNN.
        ItemKnn = "itemknn",
        /// Implicit ALS.
        Ials = "ials",
        /// Popularity.
        Popularity = "popularity",
    }
}

choices! {
    /// What the model is shown.
    pub enum Input {
        /// The events of the target behavior.
        Target = "target",
        /// The events of all behaviors as if they were one.
        Union = "union",
    }
}

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// The model that is fitted, with its defaults.
        of: Of = Of::Ease;
        /// What it is shown.
        input: Input = Input::Target;
        /// Its L2 regularization; auto: its default.
        reg: Option<f64> = None, in above(0.0), tune [50, 200, 800];
    }
}

impl Config {
    fn inner(&self) -> Result<registry::Config> {
        let name = crate::hyper::Setting::to_value(&self.of);
        let config = registry::Config::named(name.as_str().unwrap_or_default())?;
        match self.reg {
            None => Ok(config),
            Some(reg) => config.set(&[format!("reg={reg}")]),
        }
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)?;
        self.inner()?.check()
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let seen = Seen {
            input: self.input,
            target: data.catalogue.target_behavior,
        };
        let histories = seen.rows(data.histories);
        let catalogue = Catalogue {
            behaviors: vec!["interaction".to_owned()],
            target_behavior: 0,
            train_counts: histories.item_counts(),
            ..data.catalogue.clone()
        };
        let inner = self.inner()?.fit(
            &Training {
                histories: &histories,
                catalogue: &catalogue,
            },
            &mut Run {
                // It would be shown histories of all behaviors.
                monitor: None,
                ..run.within()
            },
        )?;
        Ok(Model {
            inner: Box::new(inner),
            seen,
        })
    }
}

/// What of a history is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    input: Input,
    target: u8,
}

impl Seen {
    fn shows(self, event: &Event) -> bool {
        self.input == Input::Union || event.behavior == self.target
    }

    /// A history of one behavior.
    fn row(self, user: History<'_>) -> OwnedHistory {
        let events = user.events().filter(|e| self.shows(e));
        let events = events.map(|e| Event { behavior: 0, ..e });
        OwnedHistory::of_events(user.user, events.collect())
    }

    fn rows(self, users: &Histories) -> Histories {
        let rows: Vec<OwnedHistory> = users.rows().map(|row| self.row(row)).collect();
        Histories::from_histories(rows.iter().map(OwnedHistory::view), users.n_items())
            .unwrap_or_else(|_| unreachable!("a subset of checked events is valid"))
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    inner: Box<registry::Model>,
    seen: Seen,
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.inner.score(&self.seen.rows(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let mut ledger = self.inner.explain(self.seen.row(user).view(), item);
        // The events as they are in the history, with their behaviors.
        let events = user.by_item();
        for part in &mut ledger.parts {
            let mut items: Vec<ItemIdx> = part.cites.iter().map(|e| e.item).collect();
            items.dedup();
            let cited = items.iter().flat_map(|&item| events.of(item));
            part.cites = cited.filter(|e| self.seen.shows(e)).collect();
        }
        ledger
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/one-behavior";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        self.inner.save(out)?;
        let union = self.seen.input == Input::Union;
        out.put_meta(
            "one_behavior",
            &(self.inner.kind(), union, self.seen.target),
        )
    }

    fn without_users(&self) -> Option<Self> {
        let inner = self.inner.without_users()?;
        Some(Self {
            inner: Box::new(inner),
            seen: self.seen,
        })
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (kind, union, target): (String, bool, u8) = from.meta("one_behavior")?;
        if kind == Self::KIND {
            return Err(Error::Tensor {
                name: "one_behavior".to_owned(),
                why: "holds itself".to_owned(),
            });
        }
        Ok(Self {
            inner: Box::new(registry::Model::load(&kind, from)?),
            seen: Seen {
                input: if union { Input::Union } else { Input::Target },
                target,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::Ids;

    /// What is only viewed counts in the union alone.
    #[test]
    fn sees_the_target_or_the_union() {
        let event = |item: u32, behavior: u8| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let rows = [
            vec![event(0, 0), event(1, 0), event(2, 1)],
            vec![event(0, 0), event(1, 0), event(2, 1), event(2, 0)],
        ];
        let rows = rows.map(|events| OwnedHistory::of_events(None, events));
        let rows = Histories::from_histories(rows.iter().map(OwnedHistory::view), 3).unwrap();
        let names = ["a", "b", "c"].map(String::from).to_vec();
        let mut catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        catalogue.behaviors = vec!["view".into(), "buy".into()];
        catalogue.target_behavior = 1;
        let data = Training {
            histories: &rows,
            catalogue: &catalogue,
        };
        let fit = |input| {
            let config = Config {
                of: Of::Popularity,
                input,
                reg: None,
            };
            config.fit(&data, &mut Run::seeded(0)).unwrap()
        };
        let scores = |input| fit(input).score(&rows).row(0).to_vec();
        assert_eq!(scores(Input::Target), [0.0, 0.0, 2.0]);
        assert_eq!(scores(Input::Union), [2.0, 2.0, 2.0]);
        let ease = Config {
            input: Input::Union,
            reg: Some(1.0),
            ..Config::default()
        };
        let ease = ease.fit(&data, &mut Run::seeded(0)).unwrap();
        let ledger = ease.explain(rows.row(1), ItemIdx(0));
        let cited = ledger.parts.iter().find(|p| p.cites.len() == 2).unwrap();
        assert_eq!(cited.cites[0].item, ItemIdx(2));
        assert!(ledger.adds_up(1e-5));
        let wrong = Config {
            of: Of::Popularity,
            reg: Some(1.0),
            ..Config::default()
        };
        assert!(wrong.check().is_err(), "popularity has no reg");
    }
}
