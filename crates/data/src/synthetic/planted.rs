//! The rules that users of a world follow.

use limpid_core::ItemIdx;
use limpid_core::rules::{Literal, Operator, Rule};

use super::Config;
use super::catalogue::Catalogue;
use crate::sampling::Sampler;

/// A rule that users follow, and the users who meet it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedRule {
    /// The condition on what a user has.
    pub rule: Rule,
    /// What such a user has too.
    pub targets: Vec<ItemIdx>,
    /// What the literals share, if they were chosen for it: `maker: Ada Brandt`.
    pub concept: Option<String>,
    /// The users who met the condition, by index.
    pub followers: Vec<u32>,
}

impl PlantedRule {
    /// The same rule over other item indices; none if an item has no place there.
    pub(super) fn moved(
        self,
        place: &dyn Fn(ItemIdx) -> Option<ItemIdx>,
        followers: Vec<u32>,
    ) -> Option<Self> {
        let mut literals = Vec::new();
        for l in &self.rule.literals {
            literals.push(Literal {
                item: place(l.item)?,
                negated: l.negated,
            });
        }
        Some(Self {
            rule: Rule {
                operator: self.rule.operator,
                literals,
            },
            targets: self.targets.into_iter().map(place).collect::<Option<_>>()?,
            concept: self.concept,
            followers,
        })
    }

    /// The literals that a follower has, for a follower who is made one on purpose.
    pub(super) fn satisfying(&self, rng: &mut Sampler) -> Vec<ItemIdx> {
        let mut positive: Vec<ItemIdx> = self
            .rule
            .literals
            .iter()
            .filter(|l| !l.negated)
            .map(|l| l.item)
            .collect();
        let wanted = match self.rule.operator {
            Operator::And => positive.len(),
            Operator::Or => 1,
            Operator::AtLeast(k) => k as usize,
        };
        rng.shuffle_front(&mut positive, wanted);
        positive.truncate(wanted);
        positive
    }
}

/// Plants rules of every kind in turn. No item is in two rules, so that each rule can be found alone
/// and none implies another.
pub(super) fn plant(config: &Config, catalogue: &Catalogue) -> Vec<PlantedRule> {
    let mut rng = Sampler::new(config.seed, 101);
    let mut free: Vec<u32> = (0..config.items as u32).collect();
    rng.shuffle(&mut free);
    let mut rules = Vec::new();
    while rules.len() < config.rules {
        // Most of the catalogue stays outside of the rules, where the fillers come from.
        if free.len() * 4 < config.items + 60 {
            break;
        }
        let kind = rules.len() % if config.at_least { 4 } else { 3 };
        let n = match kind {
            0 => 2 + rng.below(2),
            1 => 2 + rng.below(3),
            2 => 2,
            _ => 3 + rng.below(2),
        };
        let by_concept = rng.chance(0.4);
        let (literals, concept) = take(&mut free, n, by_concept, catalogue);
        let n_targets = 1 + rng.below(2);
        let (targets, _) = take(&mut free, n_targets, false, catalogue);
        let items = literals.iter().copied();
        let rule = match kind {
            0 => Rule::all(items),
            1 => Rule::any(items),
            2 => Rule::all(literals[..1].iter().copied()).and_not(literals[1..].iter().copied()),
            _ => Rule::at_least(2, items),
        };
        rules.push(PlantedRule {
            rule,
            targets,
            concept,
            followers: Vec::new(),
        });
    }
    rules
}

/// Takes items out of those that are free: `n` that share a maker, or a genre and an era, if that is
/// wanted and there are so many.
fn take(
    free: &mut Vec<u32>,
    n: usize,
    by_concept: bool,
    catalogue: &Catalogue,
) -> (Vec<ItemIdx>, Option<String>) {
    let mut chosen: Option<(Vec<usize>, String)> = None;
    if by_concept {
        for &first in free.iter().take(20) {
            let of_maker = catalogue.maker[first as usize];
            let (genre, era) = (
                catalogue.genre[first as usize],
                catalogue.era[first as usize],
            );
            let same_maker = |i: &u32| catalogue.maker[*i as usize] == of_maker;
            let same_kind = |i: &u32| {
                catalogue.genre[*i as usize] == genre && catalogue.era[*i as usize] == era
            };
            let places = |same: &dyn Fn(&u32) -> bool| -> Vec<usize> {
                (0..free.len())
                    .filter(|&at| same(&free[at]))
                    .take(n)
                    .collect()
            };
            let (maker, kind) = (places(&same_maker), places(&same_kind));
            if kind.len() == n {
                chosen = Some((kind, catalogue.concept_of_genre_and_era(genre, era)));
                break;
            }
            if maker.len() == n {
                chosen = Some((maker, catalogue.concept_of_maker(of_maker)));
                break;
            }
        }
    }
    let (places, concept) = match chosen {
        Some((places, concept)) => (places, Some(concept)),
        None => ((0..n.min(free.len())).collect(), None),
    };
    let items = places.iter().map(|&at| ItemIdx(free[at])).collect();
    for &at in places.iter().rev() {
        free.remove(at);
    }
    (items, concept)
}
