//! LIA: a logical-rule autoencoder for interpretable recommendations (Wei et al.), as published and
//! with rules that people can read.
//!
//! A row of items makes rules (AND, OR, with NOT) hold or not; each rule that holds adds its effect to
//! every item. Rules are units: they are shown in ledgers, muted and boosted like any other.
//!
//! | mode | what |
//! |---|---|
//! | `plus` (default) | short rules, found one by one where they explain most of what is left, with sparse effects |
//! | `paper` | rules and a bias, learned by gradient grafting; no rule is short, and no AND or NOT survives |
//! | `released` | the same with a full linear item-to-item part, as the authors' code has it by default |
//!
//! The rules of `plus` are found by search, or learned by gradients (`rules_by`), and weighed by a convex
//! fit.
//!
//! Departures from the authors' code: Adam without GSAM unless asked for, and a learning rate of 1e-3,
//! since with the released one (1e-4, 10 epochs) no weight can cross ½; rules that hold for all or
//! none of the training users are taken out of the model, not only of what is printed.

mod extract;
mod layer;
mod learned;
mod mine;
mod model;
mod plus;
mod published;
mod refit;

use limpid_core::traits::require;
use limpid_core::{Fit, Result, Run, Training};
use limpid_tensor::Schedule;
use serde::{Deserialize, Serialize};

use crate::registry::Parameter;
pub use model::Model;

/// Where the rules of `plus` come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A search that adds, target by target, the rule that explains most of what is left.
    #[default]
    Search,
    /// A layer of short rules, trained by gradients.
    Gradients,
}

/// Which form of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Short rules with sparse effects; ours.
    #[default]
    Plus,
    /// Rules and a bias, as in the paper.
    Paper,
    /// With a linear part, as in the authors' code.
    Released,
}

/// How a rule of the published forms comes to its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A learned number: AND above 0.
    #[default]
    Learned,
    /// One half AND, one half OR.
    Half,
    /// All OR.
    Or,
}

/// What a literal costs in the soft layer of the published forms, and with it how the layer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Novel logical activation functions (α 0.999, β 8, γ 3); weights begin in 0 to ½, so no weight
    /// becomes negative and no rule negates.
    #[default]
    Nlaf,
    /// The logarithm of the original rule layer; weights begin in ±0.05, and AND and NOT survive.
    Log,
}

/// Hyper-parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The form.
    pub mode: Mode,
    /// Rules at most. Default: 4000 for plus, 2000 of them if learned by gradients, 1000 for the
    /// published forms.
    pub rules: Option<usize>,
    /// Plus: where rules come from.
    pub rules_by: Source,
    /// Plus: literals of a rule at most.
    pub max_literals: usize,
    /// Plus: rules that are looked for per target.
    pub rules_per_target: usize,
    /// Plus: users for whom a rule must hold.
    pub min_support: usize,
    /// Plus: how much more a longer rule must explain than a shorter one, per literal.
    pub literal_price: f64,
    /// Plus: how many standard deviations above chance every literal after the first must stand, and the
    /// rule with it (a rule of one item: three). 0 takes rules as they come: most of their AND and NOT
    /// is then chance.
    pub significance: f64,
    /// Plus: ridge of effects while rules are looked for.
    pub search_reg: f64,
    /// Plus: users weigh the number of their items to the power of minus this.
    pub user_exponent: f64,
    /// Plus: ridge of effects.
    pub reg: f64,
    /// Plus: price of an effect (L1).
    pub l1: f64,
    /// Plus: whether effects may only be positive.
    pub nonnegative: bool,
    /// Plus, rules by gradients: share of a row that is predicted and not read, drawn anew each step.
    pub holdout: f32,
    /// Plus, rules by gradients: L1 of effects while rules are learned, as a proximal step.
    pub effect_l1: f32,
    /// Gradients: passes over the users.
    pub epochs: usize,
    /// Gradients: users of one step. Default: 512 for the published forms, 128 for plus.
    pub batch_size: Option<usize>,
    /// Gradients: learning rate of Adam. Default: 1e-3 for the published forms, 1e-2 for plus.
    pub learning_rate: Option<f32>,
    /// Gradients: factor of the rate …
    pub decay: f32,
    /// … every so many epochs.
    pub decay_every: usize,
    /// Gradients: measurements without a new best before it stops; 0: never.
    pub patience: usize,
    /// Gradients: epochs between measurements.
    pub monitor_every: usize,
    /// Gradients: items that a step scores, drawn anew each step. Default: all up to 20,000 items, 4,096 of
    /// more; always all with links (mode released) and with gsam.
    pub outputs: Option<usize>,
    /// Published forms: how operators are chosen.
    pub gate: Gate,
    /// Published forms: the soft layer.
    pub activation: Activation,
    /// Published forms: sharpness-aware steps, as in the authors' code.
    pub gsam: bool,
    /// Gradients: L1 of rule weights, as a proximal step. Default: 0 for the published forms, 0.07 for
    /// plus.
    pub rule_l1: Option<f32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Plus,
            rules: None,
            rules_by: Source::Search,
            max_literals: 4,
            rules_per_target: 12,
            min_support: 5,
            literal_price: 0.05,
            significance: 5.5,
            search_reg: 30.0,
            user_exponent: 0.5,
            reg: 100.0,
            l1: 1.0,
            nonnegative: true,
            holdout: 0.5,
            effect_l1: 0.02,
            epochs: 100,
            batch_size: None,
            learning_rate: None,
            decay: 0.6,
            decay_every: 20,
            patience: 10,
            monitor_every: 2,
            outputs: None,
            gate: Gate::Learned,
            activation: Activation::Nlaf,
            gsam: false,
            rule_l1: None,
        }
    }
}

/// Items up to which every step scores them all.
const ALL_OUTPUTS: usize = 20_000;

/// Items that a step scores of more than that.
const SOME_OUTPUTS: usize = 4096;

/// A parameter of the catalogue, written short.
const fn parameter(
    name: &'static str,
    range: &'static str,
    tune: &'static [&'static str],
    doc: &'static str,
) -> Parameter {
    Parameter {
        name,
        range,
        tune,
        doc,
    }
}

impl Config {
    /// What `limpid models` prints.
    pub(crate) const PARAMETERS: &'static [Parameter] = &[
        parameter(
            "mode",
            "plus, paper or released",
            &[],
            "short rules (ours), or LIA as published without and with its linear part",
        ),
        parameter(
            "rules",
            "1 to 100000, or null for 4000 (plus), 2000 (plus by gradients) and 1000 (published)",
            &["500", "1000", "2000"],
            "rules at most",
        ),
        parameter(
            "max_literals",
            "1 to 5",
            &[],
            "plus: literals of a rule at most",
        ),
        parameter(
            "rules_by",
            "search or gradients",
            &[],
            "plus: rules are searched for one by one, or learned by gradients",
        ),
        parameter(
            "rules_per_target",
            "1 to 200",
            &[],
            "plus: rules that are looked for per target",
        ),
        parameter(
            "min_support",
            "1 or more",
            &[],
            "plus: users for whom a rule must hold",
        ),
        parameter(
            "literal_price",
            "0 to 10",
            &[],
            "plus: how much more a rule must explain per further literal; 0.1 is 10 %",
        ),
        parameter(
            "significance",
            "0 or more",
            &["3", "5.5"],
            "plus: standard deviations above chance that each further literal must stand; 0: no test",
        ),
        parameter(
            "search_reg",
            "above 0",
            &[],
            "plus: ridge while rules are looked for; larger favors rules that hold for many",
        ),
        parameter(
            "user_exponent",
            "0 to 1",
            &[],
            "plus: users weigh the number of their items to the power of minus this",
        ),
        parameter(
            "reg",
            "above 0",
            &["50", "100", "200"],
            "plus: ridge of effects",
        ),
        parameter(
            "l1",
            "0 or more",
            &["0.5", "1", "2"],
            "plus: price of an effect; larger means fewer rules per recommendation",
        ),
        parameter(
            "nonnegative",
            "true or false",
            &[],
            "plus: rules only speak for items, never against",
        ),
        parameter(
            "holdout",
            "0 to 0.9",
            &[],
            "plus by gradients: share of a row that is predicted and not read",
        ),
        parameter(
            "effect_l1",
            "0 or more",
            &[],
            "plus by gradients: L1 of effects while rules are learned",
        ),
        parameter(
            "outputs",
            "1 or more, or null for all up to 20,000 items and 4,096 of more",
            &[],
            "gradients: items that a step scores; fewer cost less time and some accuracy",
        ),
        parameter(
            "epochs",
            "1 or more",
            &[],
            "gradients: passes over the users",
        ),
        parameter(
            "batch_size",
            "1 or more, or null for 512 (published) and 128 (plus)",
            &[],
            "gradients: users of one step",
        ),
        parameter(
            "learning_rate",
            "above 0, or null for 1e-3 (published) and 1e-2 (plus)",
            &["1e-3", "3e-3"],
            "gradients: learning rate of Adam",
        ),
        parameter(
            "decay",
            "above 0, at most 1",
            &[],
            "gradients: factor of the learning rate every decay_every epochs",
        ),
        parameter(
            "decay_every",
            "0 (never) or more",
            &[],
            "gradients: epochs between two falls of the learning rate",
        ),
        parameter(
            "patience",
            "0 (never) or more",
            &[],
            "gradients: measurements without a new best before it stops",
        ),
        parameter(
            "monitor_every",
            "1 or more",
            &[],
            "gradients: epochs between two measurements",
        ),
        parameter(
            "gate",
            "learned, half or or",
            &[],
            "published forms: how a rule comes to its operator",
        ),
        parameter(
            "activation",
            "nlaf or log",
            &[],
            "published forms: the soft layer; with log (and a learning rate of 1e-2) AND and NOT survive",
        ),
        parameter(
            "gsam",
            "true or false",
            &[],
            "published forms: sharpness-aware steps (the authors' code has them, the paper not)",
        ),
        parameter(
            "rule_l1",
            "0 or more, or null for 0 (published) and 0.07 (plus)",
            &[],
            "gradients: L1 of rule weights; larger means shorter rules",
        ),
    ];

    fn n_rules(&self) -> usize {
        self.rules.unwrap_or(match (self.mode, self.rules_by) {
            (Mode::Plus, Source::Search) => 4000,
            (Mode::Plus, Source::Gradients) => 2000,
            (Mode::Paper | Mode::Released, _) => 1000,
        })
    }

    fn batch_size(&self) -> usize {
        self.batch_size.unwrap_or(match self.mode {
            Mode::Plus => 128,
            Mode::Paper | Mode::Released => 512,
        })
    }

    fn learning_rate(&self) -> f32 {
        self.learning_rate.unwrap_or(match self.mode {
            Mode::Plus => 1e-2,
            Mode::Paper | Mode::Released => 1e-3,
        })
    }

    fn rule_l1(&self) -> f32 {
        self.rule_l1.unwrap_or(match self.mode {
            Mode::Plus => 0.07,
            Mode::Paper | Mode::Released => 0.0,
        })
    }

    /// Items that a step scores; none: all.
    fn outputs(&self, n_items: usize) -> Option<usize> {
        // Links are of all items with all, and a second gradient must be of the same loss.
        if self.mode == Mode::Released || self.gsam {
            return None;
        }
        let chosen = self
            .outputs
            .or((n_items > ALL_OUTPUTS).then_some(SOME_OUTPUTS));
        chosen.filter(|&n| n < n_items)
    }

    fn check(&self) -> Result<()> {
        require(
            (1..=100_000).contains(&self.n_rules()),
            "rules",
            "between 1 and 100000",
            self.n_rules(),
        )?;
        require(
            (1..=5).contains(&self.max_literals),
            "max_literals",
            "between 1 and 5",
            self.max_literals,
        )?;
        require(
            (1..=200).contains(&self.rules_per_target),
            "rules_per_target",
            "between 1 and 200",
            self.rules_per_target,
        )?;
        require(
            self.min_support > 0,
            "min_support",
            "above 0",
            self.min_support,
        )?;
        require(
            (0.0..=10.0).contains(&self.literal_price),
            "literal_price",
            "between 0 and 10",
            self.literal_price,
        )?;
        require(
            self.significance >= 0.0 && self.significance.is_finite(),
            "significance",
            "0 or more",
            self.significance,
        )?;
        require(
            self.search_reg > 0.0 && self.search_reg.is_finite(),
            "search_reg",
            "above 0",
            self.search_reg,
        )?;
        require(
            (0.0..=1.0).contains(&self.user_exponent),
            "user_exponent",
            "between 0 and 1",
            self.user_exponent,
        )?;
        require(
            self.reg > 0.0 && self.reg.is_finite(),
            "reg",
            "above 0",
            self.reg,
        )?;
        require(
            self.l1 >= 0.0 && self.l1.is_finite(),
            "l1",
            "0 or more",
            self.l1,
        )?;
        require(self.epochs > 0, "epochs", "above 0", self.epochs)?;
        require(
            self.rule_l1() >= 0.0 && self.rule_l1().is_finite(),
            "rule_l1",
            "0 or more",
            self.rule_l1(),
        )?;
        require(
            (0.0..=0.9).contains(&self.holdout),
            "holdout",
            "between 0 and 0.9",
            self.holdout,
        )?;
        require(
            self.effect_l1 >= 0.0 && self.effect_l1.is_finite(),
            "effect_l1",
            "0 or more",
            self.effect_l1,
        )?;
        require(
            !self.gsam || self.mode != Mode::Plus,
            "gsam",
            "false with mode=plus",
            self.gsam,
        )?;
        let outputs = self.outputs.unwrap_or(1);
        require(outputs > 0, "outputs", "above 0", outputs)?;
        require(
            self.outputs.is_none() || (self.mode != Mode::Released && !self.gsam),
            "outputs",
            "left out with mode=released and with gsam, which score every item",
            outputs,
        )
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size(),
            learning_rate: self.learning_rate(),
            decay: self.decay,
            decay_every: self.decay_every,
            patience: self.patience,
            monitor_every: self.monitor_every,
            warm_up: 0,
        }
    }
}

impl Fit for Config {
    type Model = Model;

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        match self.mode {
            Mode::Plus => plus::fit(self, data, run),
            Mode::Paper | Mode::Released => published::fit(self, data, run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Artifact, Catalogue, Histories, Ids, ItemIdx, Recommender, Tensors, Units};
    use limpid_tensor::Draw;

    /// Two tastes with a bridge: 90 users, 14 items.
    fn data() -> (Histories, Catalogue) {
        let mut draw = Draw::new(8, 0);
        let rows: Vec<Vec<u32>> = (0..90u32)
            .map(|u| {
                let own = |i: &u32| i % 2 == u % 2;
                (0..14)
                    .filter(|i| draw.unit() < if own(i) { 0.7 } else { 0.1 })
                    .collect()
            })
            .collect();
        let names = (0..14).map(|i| i.to_string()).collect();
        let histories = Histories::from_rows(&rows, 14).unwrap();
        (
            histories,
            Catalogue::of_items(Ids::from_names(names).unwrap()),
        )
    }

    fn fit(config: &Config) -> (Model, Histories) {
        let (histories, catalogue) = data();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        (config.fit(&data, &mut Run::seeded(3)).unwrap(), histories)
    }

    fn published(mode: Mode) -> Config {
        Config {
            mode,
            rules: Some(30),
            epochs: 60,
            learning_rate: Some(1e-2),
            ..Config::default()
        }
    }

    #[test]
    fn every_mode_keeps_the_laws() {
        let plus = Config {
            reg: 5.0,
            l1: 0.1,
            significance: 1.0,
            ..Config::default()
        };
        let by_gradients = Config {
            rules_by: Source::Gradients,
            rules: Some(30),
            epochs: 150,
            batch_size: Some(30),
            reg: 5.0,
            l1: 0.1,
            outputs: Some(12),
            ..Config::default()
        };
        for config in [
            plus,
            by_gradients,
            published(Mode::Paper),
            published(Mode::Released),
        ] {
            let (model, histories) = fit(&config);
            assert!(!model.rules().is_empty(), "{config:?}");
            let scores = model.score(&histories);
            for (u, row) in histories.rows().enumerate() {
                for item in (0..14).map(ItemIdx) {
                    let ledger = model.explain(row, item);
                    let score = scores[[u, item.at()]];
                    assert!(ledger.adds_up(1e-5));
                    assert!((ledger.score - score).abs() < 1e-4 * (1.0 + score.abs()));
                    for part in &ledger.parts {
                        let holds = part
                            .rule
                            .as_ref()
                            .is_none_or(|r| r.holds(|i| row.contains(i)));
                        assert!(holds && part.activation == 1.0);
                    }
                }
            }
            let mut tensors = Tensors::new();
            model.save(&mut tensors).unwrap();
            assert_eq!(Model::load(&tensors).unwrap(), model);
        }
    }

    /// Every rule that is left speaks for some training user and not for all.
    #[test]
    fn rules_that_never_speak_are_gone() {
        for config in [Config::default(), published(Mode::Paper)] {
            let (model, histories) = fit(&config);
            let mut support = vec![0; model.len()];
            for row in histories.rows() {
                let alone = Histories::single(row, histories.n_items());
                let active = model.activate(&alone);
                active
                    .columns()
                    .iter()
                    .for_each(|&k| support[k as usize] += 1);
            }
            assert!(support.iter().all(|&s| s > 0 && s < histories.len()));
        }
    }

    #[test]
    fn plus_rules_are_short_and_speak_for_items_only() {
        let (model, histories) = fit(&Config {
            max_literals: 3,
            ..Config::default()
        });
        assert!(
            model
                .rules()
                .iter()
                .all(|r| (1..=3).contains(&r.literals.len()))
        );
        for k in 0..model.len() {
            for item in (0..histories.n_items() as u32).map(ItemIdx) {
                assert!(model.effect(k, item).unwrap() >= 0.0);
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (bad, name) in [
            (
                Config {
                    rules: Some(0),
                    ..Config::default()
                },
                "rules",
            ),
            (
                Config {
                    reg: 0.0,
                    ..Config::default()
                },
                "reg",
            ),
            (
                Config {
                    max_literals: 9,
                    ..Config::default()
                },
                "max_literals",
            ),
            (
                Config {
                    outputs: Some(5),
                    ..published(Mode::Released)
                },
                "outputs",
            ),
            (
                Config {
                    holdout: 1.0,
                    ..Config::default()
                },
                "holdout",
            ),
            (
                Config {
                    batch_size: Some(0),
                    ..published(Mode::Paper)
                },
                "batch_size",
            ),
        ] {
            let (histories, catalogue) = data();
            let data = Training {
                histories: &histories,
                catalogue: &catalogue,
            };
            let e = bad.fit(&data, &mut Run::seeded(1)).unwrap_err().to_string();
            assert!(e.contains(name), "{e}");
        }
    }

    #[test]
    fn sharpness_aware_steps_and_fixed_gates_learn_too() {
        for (gate, activation) in [(Gate::Half, Activation::Nlaf), (Gate::Or, Activation::Log)] {
            let config = Config {
                gsam: true,
                gate,
                activation,
                ..published(Mode::Released)
            };
            let (model, histories) = fit(&config);
            assert!(model.score(&histories).iter().all(|s| s.is_finite()));
        }
    }
}
