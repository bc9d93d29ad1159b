//! LIA: a logical-rule autoencoder for interpretable recommendations (Wei et al.), as published and
//! with rules that people can read.
//!
//! A row of items makes rules (AND, OR, with NOT) true or false; each rule that holds adds its effect to
//! every item. Rules are units: they are shown in ledgers, muted and boosted like any other.
//!
//! | mode | what |
//! |---|---|
//! | `plus` (default) | short rules, found one by one where they explain most of what is left, with sparse effects |
//! | `paper` | rules and a bias, learned by gradient grafting; no rule is short, and no AND or NOT survives |
//! | `released` | the same with a full linear item-to-item part, as the authors' code has it by default |
//!
//! The rules of `plus` are found by search and weighted by a convex fit. `rules_by=gradients` learns them
//! instead: it is less accurate and about sixteen times slower, and exists only for the study in
//! `paper/lia`, which compares the two.
//!
//! Departures from the authors' code: Adam without GSAM by default, and a learning rate of 1e-3, since
//! with the released one (1e-4, 10 epochs) no weight can cross ½; rules that hold for all or none of the
//! training users are removed from the model, not only from what is printed.

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

use crate::hyper::{self, choices, hyper};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;
pub use model::Model;

/// What the catalogue says about it.
pub(crate) const ENTRY: Entry = Entry {
    name: "lia",
    aliases: &[],
    about: "learned AND, OR and NOT rules over items: short ones (plus), or as published (paper, released)",
    paper: "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations; rules after RRL (Wang et al.)",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// Where the rules of `plus` come from.
    pub enum Source {
        /// A search that adds, target by target, the rule that explains most of what is left.
        Search = "search",
        /// A layer of short rules, trained by gradients; only for the study in `paper/lia`.
        Gradients = "gradients",
    }
}

choices! {
    /// Which form of the model.
    pub enum Mode {
        /// Short rules with sparse effects; ours.
        Plus = "plus",
        /// Rules and a bias, as in the paper.
        Paper = "paper",
        /// With a linear part, as in the authors' code.
        Released = "released",
    }
}

choices! {
    /// How a rule of the published forms gets its operator.
    pub enum Gate {
        /// A learned number: AND above 0.
        Learned = "learned",
        /// One half AND, one half OR.
        Half = "half",
        /// All OR.
        Or = "or",
    }
}

choices! {
    /// What a literal costs in the soft layer of the published forms, and with it how the layer begins.
    pub enum Activation {
        /// Novel logical activation functions (α 0.999, β 8, γ 3); weights begin in 0 to ½, so no weight
        /// becomes negative and no rule negates.
        Nlaf = "nlaf",
        /// The logarithm of the original rule layer; weights begin in ±0.05, and AND and NOT survive.
        Log = "log",
    }
}

hyper! {
    /// Hyper-parameters: those of `plus` by default. In Rust, `mode` alone does not change the others; a
    /// preset does so where settings are read.
    pub struct Config {
        /// Short rules (ours), or LIA as published, without or with its linear part.
        mode: Mode = Mode::Plus;
        /// Rules, at most.
        rules: usize = 4000, in whole(1, 100_000), tune [500, 1000, 2000];
        /// plus: search for rules one by one; gradients only for the study in `paper/lia`.
        rules_by: Source = Source::Search;
        /// plus: literals of a rule, at most.
        max_literals: usize = 4, in whole(1, 5);
        /// plus: rules searched per target.
        rules_per_target: usize = 12, in whole(1, 200);
        /// plus: users for whom a rule must hold, at least.
        min_support: usize = 5, in whole_from(1);
        /// plus: how much more a rule must explain per further literal; 0.1 is 10 %.
        literal_price: f64 = 0.05, in between(0.0, 10.0);
        /// plus: standard deviations above chance required of a rule and of each further literal; 0: no test.
        significance: f64 = 5.5, in at_least(0.0), tune [3, 5.5];
        /// plus: L2 regularization during the search; larger favors rules that hold for many.
        search_reg: f64 = 30.0, in above(0.0);
        /// plus: a user with n items has weight `n^−user_exponent`.
        user_exponent: f64 = 0.5, in between(0.0, 1.0);
        /// plus: L2 regularization of effects.
        reg: f64 = 100.0, in above(0.0), tune [50, 100, 200];
        /// plus: L1 penalty of effects; larger means fewer rules per recommendation.
        l1: f64 = 1.0, in at_least(0.0), tune [0.5, 1, 2];
        /// plus: only positive effects.
        nonnegative: bool = true;
        /// plus by gradients: share of a row that is predicted and not read, sampled in each step.
        holdout: f32 = 0.5, in between(0.0, 0.9);
        /// plus by gradients: L1 penalty of effects in training.
        effect_l1: f32 = 0.02, in at_least(0.0);
        /// gradients: items that a step scores; fewer are faster and less accurate. auto: all up to 20,000, else 4,096.
        outputs: Option<usize> = None, in whole_from(1);
        /// gradients: factor of the learning rate every `decay_every` epochs.
        decay: f32 = 0.6, in above_to(0.0, 1.0);
        /// gradients: epochs between two decays of the learning rate; 0: never.
        decay_every: usize = 20;
        /// gradients: epochs between two validation measurements.
        monitor_every: usize = 2, in whole_from(1);
        /// published: how a rule gets its operator.
        gate: Gate = Gate::Learned;
        /// published: the soft layer; with log (and a learning rate of 1e-2) AND and NOT survive.
        activation: Activation = Activation::Nlaf;
        /// published: sharpness-aware steps, as in the authors' code.
        gsam: bool = false;
        /// gradients: L1 penalty of rule weights; larger means shorter rules.
        rule_l1: f32 = 0.07, in at_least(0.0);
        include training: TrainingLoop = { batch_size: 128, learning_rate: 1e-2 };
    }
    preset rules_by = "gradients" { rules = 2000 }
    preset mode = "paper" { rules = 1000, rule_l1 = 0, batch_size = 512, learning_rate = 1e-3 }
    preset mode = "released" { rules = 1000, rule_l1 = 0, batch_size = 512, learning_rate = 1e-3 }
}

/// Items up to which every step scores them all.
const ALL_OUTPUTS: usize = 20_000;

/// Items that a step scores of more than that.
const SOME_OUTPUTS: usize = 4096;

impl Config {
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

    fn schedule(&self) -> Schedule {
        Schedule {
            decay: self.decay,
            decay_every: self.decay_every,
            monitor_every: self.monitor_every,
            ..self.training.schedule()
        }
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)?;
        require(
            !self.gsam || self.mode != Mode::Plus,
            "gsam",
            "false with mode=plus",
            self.gsam,
        )?;
        require(
            self.outputs.is_none() || (self.mode != Mode::Released && !self.gsam),
            "outputs",
            "auto with mode=released and with gsam, which score every item",
            self.outputs.unwrap_or_default(),
        )
    }

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
            rules: 30,
            rule_l1: 0.0,
            training: TrainingLoop {
                epochs: 60,
                batch_size: 512,
                ..Config::default().training
            },
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
            rules: 30,
            training: TrainingLoop {
                epochs: 150,
                batch_size: 30,
                ..Config::default().training
            },
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
    fn settings_that_contradict_each_other_are_refused() {
        for (bad, name) in [
            (
                Config {
                    gsam: true,
                    ..Config::default()
                },
                "gsam",
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
                    gsam: true,
                    outputs: Some(5),
                    ..published(Mode::Paper)
                },
                "outputs",
            ),
        ] {
            let e = bad.check().unwrap_err().to_string();
            assert!(e.starts_with(&format!("{name} must be")), "{e}");
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
