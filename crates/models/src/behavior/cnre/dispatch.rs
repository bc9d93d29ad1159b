//! The dispatcher: which path the chain of a pair selects.

use super::{Config, Empty, Vectors, Without};
use crate::behavior::chains::Behaviors;

/// Places of behaviors in their order.
type Place = usize;

/// How a pair is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// The vectors of a behavior.
    Direct {
        /// Whose vectors.
        at: Place,
    },
    /// An operator over the vectors of a behavior, and the evidence of a behavior.
    Operator {
        /// Which.
        operator: Operator,
        /// Whose vectors of the user, and of the item where the evidence is another behavior's.
        at: Place,
        /// Whose retrieved vectors.
        evidence: Place,
    },
    /// The product of the target's vectors.
    Dot,
}

/// The operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// Of medium pairs.
    Conjunction,
    /// Of weak pairs.
    Disjunction,
    /// Of empty chains.
    Prior,
}

impl Operator {
    pub(super) const ALL: [Self; 3] = [Self::Conjunction, Self::Disjunction, Self::Prior];

    /// Whether it reads collaborative vectors, not semantic ones.
    pub(super) fn collaborative(self) -> bool {
        self == Self::Conjunction
    }
}

/// The chain of a pair: its pattern, and whether it has the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chain {
    /// As in [`Behaviors::pattern`]: bit k for the behavior at place k.
    pub(super) pattern: usize,
    /// Whether the pair has the target.
    pub(super) bought: bool,
}

impl Chain {
    pub(super) fn of(behaviors: Behaviors, set: u8) -> Self {
        Self {
            pattern: behaviors.pattern(set),
            bought: behaviors.bought(set),
        }
    }

    /// What comes before a behavior.
    pub(super) fn before(self, place: Place) -> Self {
        Self {
            pattern: self.pattern & ((1 << place) - 1),
            bought: false,
        }
    }
}

/// The rules.
pub(super) struct Dispatcher<'a> {
    pub(super) config: &'a Config,
    /// The place of the target.
    pub(super) target: Place,
    /// The threshold of medium pairs.
    pub(super) threshold: f32,
}

impl Dispatcher<'_> {
    /// The behavior whose vectors tell the confidence in a medium pair; `None` if it does not matter. `loss` is
    /// the behavior that is predicted.
    pub(super) fn asks_confidence(&self, chain: Chain, loss: Place) -> Option<Place> {
        let all = matches!(
            self.config.without,
            Without::Rea | Without::Cnj | Without::Chains
        );
        let medium = chain.pattern.count_ones() >= 2 && !chain.bought;
        (medium && !all).then(|| self.at(chain, loss))
    }

    /// The behavior whose vectors a pair with behaviors before the target has.
    fn at(&self, chain: Chain, loss: Place) -> Place {
        match self.config.vectors {
            Vectors::Chain => chain
                .pattern
                .checked_ilog2()
                .map_or(self.target, |k| k as Place),
            Vectors::Preceding => loss,
        }
    }

    /// The route of a pair; `confidence` is that of [`asks_confidence`](Self::asks_confidence).
    pub(super) fn route(&self, chain: Chain, loss: Place, confidence: f32) -> Route {
        let without = self.config.without;
        // The released code tells everything by the behavior of the loss.
        let (strong, evidence_of_loss) = match self.config.vectors {
            Vectors::Chain => (self.target, None),
            Vectors::Preceding => (loss, Some(loss.saturating_sub(1))),
        };
        if without == Without::Rea {
            return Route::Direct { at: self.target };
        }
        if without == Without::Chains {
            return self.empty(strong, evidence_of_loss);
        }
        if chain.bought {
            return Route::Direct { at: strong };
        }
        let at = self.at(chain, loss);
        let evidence = evidence_of_loss.unwrap_or(at);
        match chain.pattern.count_ones() {
            0 => self.empty(strong, evidence_of_loss),
            1 if without == Without::Dsj => Route::Direct { at },
            1 => Route::Operator {
                operator: Operator::Disjunction,
                at,
                evidence,
            },
            _ if without == Without::Cnj || confidence >= self.threshold => Route::Direct { at },
            _ => Route::Operator {
                operator: Operator::Conjunction,
                at,
                evidence,
            },
        }
    }

    fn empty(&self, at: Place, evidence: Option<Place>) -> Route {
        let evidence = evidence.unwrap_or(at);
        let operator = match self.config.empty {
            Empty::Prior => Operator::Prior,
            Empty::Weak if self.config.without == Without::Dsj => return Route::Direct { at },
            Empty::Weak => Operator::Disjunction,
            Empty::Direct => return Route::Direct { at },
            Empty::Dot => return Route::Dot,
        };
        Route::Operator {
            operator,
            at,
            evidence,
        }
    }

    /// The places whose collaborative (else semantic) vectors may be retrieved.
    pub(super) fn evidence(&self, collaborative: bool) -> Vec<Place> {
        let mut places = Vec::new();
        for loss in 0..=self.target {
            for pattern in 0..1usize << self.target {
                let chain = Chain {
                    pattern,
                    bought: false,
                };
                if let Route::Operator {
                    operator, evidence, ..
                } = self.route(chain, loss, f32::NEG_INFINITY)
                    && operator.collaborative() == collaborative
                {
                    places.push(evidence);
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::cnre::Mode;
    use limpid_core::hyper;
    use serde_json::json;

    fn config(settings: serde_json::Value) -> Config {
        let mut config = Config::default();
        hyper::apply(&mut config, settings.as_object().unwrap()).unwrap();
        config
    }

    fn chain(pattern: usize, bought: bool) -> Chain {
        Chain { pattern, bought }
    }

    /// View, cart, buy.
    #[test]
    fn chains_select_paths() {
        let config = config(json!({}));
        let rules = Dispatcher {
            config: &config,
            target: 2,
            threshold: 0.5,
        };
        let operator = |operator, at| Route::Operator {
            operator,
            at,
            evidence: at,
        };
        let route =
            |pattern, bought, confidence| rules.route(chain(pattern, bought), 2, confidence);
        assert_eq!(route(0, true, 0.0), Route::Direct { at: 2 });
        assert_eq!(route(3, true, 0.0), Route::Direct { at: 2 });
        assert_eq!(route(3, false, 0.4), operator(Operator::Conjunction, 1));
        assert_eq!(route(3, false, 0.5), Route::Direct { at: 1 });
        assert_eq!(route(1, false, 0.9), operator(Operator::Disjunction, 0));
        assert_eq!(route(2, false, 0.9), operator(Operator::Disjunction, 1));
        assert_eq!(route(0, false, 0.9), operator(Operator::Prior, 2));
        assert_eq!(rules.asks_confidence(chain(3, false), 2), Some(1));
        assert_eq!(rules.asks_confidence(chain(1, false), 2), None);
        assert_eq!(rules.evidence(true), [1]);
        assert_eq!(rules.evidence(false), [0, 1, 2]);
        // A purchase is dispatched by what came before it.
        assert_eq!(chain(3, true).before(2), chain(3, false));
        assert_eq!(chain(3, true).before(1), chain(1, false));
        assert_eq!(chain(3, true).before(0), chain(0, false));
    }

    /// The released code: an empty chain is weak, a purchase is strong, the evidence is the preceding behavior's.
    #[test]
    fn released_paths() {
        let config = config(json!({"mode": "released"}));
        assert_eq!(config.mode, Mode::Released);
        let rules = Dispatcher {
            config: &config,
            target: 2,
            threshold: 0.43,
        };
        let weak = |at, evidence| Route::Operator {
            operator: Operator::Disjunction,
            at,
            evidence,
        };
        assert_eq!(rules.route(chain(0, false), 2, 0.0), weak(2, 1));
        assert_eq!(rules.route(chain(1, false), 0, 0.0), weak(0, 0));
        assert_eq!(rules.route(chain(3, true), 1, 0.0), Route::Direct { at: 1 });
        assert_eq!(rules.evidence(true), [0, 1]);
    }

    #[test]
    fn ablations_leave_paths_out() {
        for (without, pattern, expected) in [
            ("rea", 1, Route::Direct { at: 2 }),
            ("cnj", 3, Route::Direct { at: 1 }),
            ("dsj", 2, Route::Direct { at: 1 }),
        ] {
            let config = config(json!({"without": without}));
            let rules = Dispatcher {
                config: &config,
                target: 2,
                threshold: 0.5,
            };
            assert_eq!(rules.route(chain(pattern, false), 2, 0.0), expected);
        }
    }
}
