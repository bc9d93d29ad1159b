//! LIA: a logical-rule autoencoder for interpretable recommendations (Wei et al.), as published and
//! with short, readable rules.
//!
//! Rules (AND, OR, with NOT) are evaluated on a row of items; each rule that holds adds its effect to
//! every item. Rules are units: they are shown in ledgers and can be muted and boosted.
//!
//! | mode | description |
//! |---|---|
//! | `plus` (default) | short rules, found by greedy search on the residual, with sparse effects |
//! | `paper` | rules and a bias, learned by gradient grafting; rules are long, and no AND or NOT remains |
//! | `released` | the same with dense item-to-item weights, the default of the authors' code |
//!
//! The rules of `plus` are found by search and weighted by a convex fit. `rules_by=gradients` learns them
//! instead: it is less accurate and about sixteen times slower, and exists only for the study in
//! `paper/lia`, which compares the two.
//!
//! Departures from the authors' code: Adam without GSAM by default, and a learning rate of 1e-3, since
//! with the released one (1e-4, 10 epochs) no weight can cross ½; rules that hold for all or none of the
//! training users are removed from the model, not only from the printed rules.

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

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "lia",
    aliases: &[],
    about: "AND, OR and NOT rules over items: short ones (plus), or as published (paper, released)",
    paper: "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations; rules as in RRL",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

choices! {
    /// Where the rules of `plus` come from.
    pub enum Source {
        /// A greedy search that adds, for each target, the rule that explains most of the residual.
        Search = "search",
        /// A layer of short rules, trained by gradients; only for the study in `paper/lia`.
        Gradients = "gradients",
    }
}

choices! {
    /// The form of the model.
    pub enum Mode {
        /// Short rules with sparse effects; ours.
        Plus = "plus",
        /// Rules and a bias, as in the paper.
        Paper = "paper",
        /// With item-to-item weights, as in the authors' code.
        Released = "released",
    }
}

choices! {
    /// How a rule of the published forms gets its operator.
    pub enum Gate {
        /// A learned gate: AND above 0.
        Learned = "learned",
        /// One half AND, one half OR.
        Half = "half",
        /// All OR.
        Or = "or",
    }
}

choices! {
    /// The activation of the soft rule layer of the published forms, and its initialization.
    pub enum Activation {
        /// Novel logical activation functions (α 0.999, β 8, γ 3); initial weights in 0 to ½, so no weight
        /// becomes negative and no rule has a NOT.
        Nlaf = "nlaf",
        /// The logarithm of the original rule layer; initial weights in ±0.05, and AND and NOT remain.
        Log = "log",
    }
}

hyper! {
    /// Hyper-parameters; the defaults are those of `plus`. In Rust, assigning `mode` does not change the
    /// others; presets are applied when settings are read.
    pub struct Config {
        /// Short rules (plus), LIA as published (paper), or with item-to-item weights (released).
        mode: Mode = Mode::Plus;
        /// Maximum number of rules.
        rules: usize = 4000, in whole(1, 100_000), tune [500, 1000, 2000];
        /// plus: source of the rules: greedy search, or gradients (only for the study in `paper/lia`).
        rules_by: Source = Source::Search;
        /// plus: maximum number of literals per rule.
        max_literals: usize = 4, in whole(1, 5);
        /// plus: rules searched per target item.
        rules_per_target: usize = 12, in whole(1, 200);
        /// plus: minimum support (number of users) of a rule.
        min_support: usize = 5, in whole_from(1);
        /// plus: required relative gain per additional literal; 0.1 is 10 %.
        literal_penalty: f64 = 0.05, in between(0.0, 10.0), alias "literal_price";
        /// plus: z-score required of a rule and of each additional literal; 0: no test.
        significance: f64 = 5.5, in at_least(0.0), tune [3, 5.5];
        /// plus: L2 regularization in the search; larger favors rules with high support.
        search_reg: f64 = 30.0, in above(0.0);
        /// plus: weight of a user with n items: `n^−user_exponent`; 0 weights all users equally.
        user_exponent: f64 = 0.5, in between(0.0, 1.0);
        /// plus: L2 regularization of rule effects.
        reg: f64 = 100.0, in above(0.0), tune [50, 100, 200];
        /// plus: L1 penalty of rule effects; larger: fewer rules per recommendation.
        l1: f64 = 1.0, in at_least(0.0), tune [0.5, 1, 2];
        /// plus: whether effects are restricted to non-negative values.
        nonnegative: bool = true;
        /// plus by gradients: share of a row's items held out as targets, resampled in each step.
        holdout: f32 = 0.5, in between(0.0, 0.9);
        /// plus by gradients: L1 penalty of rule effects in training.
        effect_l1: f32 = 0.02, in at_least(0.0);
        /// gradients: items scored per step (sampled softmax); auto: all up to 20,000 items, else 4,096.
        outputs: Option<usize> = None, in whole_from(1);
        /// gradients: factor by which the learning rate decays every `decay_every` epochs.
        decay: f32 = 0.6, in above_to(0.0, 1.0);
        /// gradients: epochs between decays of the learning rate; 0: no decay.
        decay_every: usize = 20;
        /// gradients: epochs between evaluations on validation data.
        monitor_every: usize = 2, in whole_from(1);
        /// published: how rules get their operator: learned, half AND and half OR, or all OR.
        gate: Gate = Gate::Learned;
        /// published: activation of the soft layer; for AND and NOT rules use log with learning_rate=1e-2.
        activation: Activation = Activation::Nlaf;
        /// published: sharpness-aware minimization (GSAM), as in the authors' code.
        gsam: bool = false;
        /// gradients: L1 penalty of rule weights; larger: shorter rules.
        rule_l1: f32 = 0.07, in at_least(0.0);
        include training: TrainingLoop = { batch_size: 128, learning_rate: 1e-2 };
    }
    preset rules_by = "gradients" { rules = 2000 }
    preset mode = "paper" { rules = 1000, rule_l1 = 0, batch_size = 512, learning_rate = 1e-3 }
    preset mode = "released" { rules = 1000, rule_l1 = 0, batch_size = 512, learning_rate = 1e-3 }
}

/// Catalogue size up to which every step scores all items.
const ALL_OUTPUTS: usize = 20_000;

/// Items scored per step above that size.
const SOME_OUTPUTS: usize = 4096;

impl Config {
    /// Number of items scored per step, if not all.
    fn outputs(&self, n_items: usize) -> Option<usize> {
        // Item-to-item weights need all items, and the second gradient of GSAM must be of the same loss.
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
    use limpid_tensor::Rng;

    /// Two overlapping tastes: 90 users, 14 items.
    fn data() -> (Histories, Catalogue) {
        let mut rng = Rng::new(8, 0);
        let rows: Vec<Vec<u32>> = (0..90u32)
            .map(|u| {
                let own = |i: &u32| i % 2 == u % 2;
                (0..14)
                    .filter(|i| rng.unit() < if own(i) { 0.7 } else { 0.1 })
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

    /// Every remaining rule holds for some training users but not for all.
    #[test]
    fn constant_rules_are_removed() {
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
    fn plus_rules_are_short_with_non_negative_effects() {
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
    fn gsam_and_fixed_gates_train() {
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
