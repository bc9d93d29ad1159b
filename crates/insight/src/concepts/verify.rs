//! RecSAE's construct-and-verify, without a language model: Wang et al., Understanding Internal Representations of
//! Recommendation Models with Sparse Autoencoders, <https://arxiv.org/abs/2411.06112>.
//!
//! A *case* is a user with the activations of the units, the recommended item and the terms of the items around it.
//! The concept of a unit is the term with the largest tf-idf in its N most activated cases of one set of users, with the
//! units as documents. It is verified on other users: N activated cases should have the term, N inactive ones should not,
//!
//! ```text
//! confidence = (true positives + true negatives) / 2N         verified: 0.8 or more
//! ```
//!
//! Declared departures from the authors' code, each of which makes a concept harder to verify: the users of the two
//! steps are disjoint (there, both draw on the same ten cases, and a unit with few uses the same for both); a unit with
//! fewer than N strong cases in either set has insufficient evidence and no concept; histories are those of the users
//! (there, bases without order get one to eight random items). Beside the confidence there are a Wilson interval, since
//! N = 5 leaves 8 of 10 anywhere from 0.49 to 0.94, the confidence against *hard* negatives (inactive cases nearest to the
//! activated ones) and on activated cases of *all* strengths, and a null: the same with the concepts of the units
//! permuted, which keeps how common each concept is.

use std::collections::BTreeMap;

use limpid_core::Mat;
use limpid_tensor::Rng;
use serde::{Deserialize, Serialize};

use super::levels::LevelRule;
use super::tfidf::idf;

/// Cases of some users.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases {
    /// The activations above 0 of each case, `(unit, value)` by ascending unit.
    pub active: Vec<Vec<(u32, f32)>>,
    /// The first item of the list of each case.
    pub recommended: Vec<u32>,
    /// The terms of each case, with repetitions: those of the recommended item and of the last items of the history.
    pub terms: Vec<Vec<u32>>,
    /// The representation of each case `(cases, D)`.
    pub states: Mat,
}

impl Cases {
    /// Number of cases.
    #[must_use]
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The cases in which each unit is active, highest value first.
    #[must_use]
    pub fn by_unit(&self, n_units: usize) -> Vec<Vec<(u32, f32)>> {
        self.strong(n_units, LevelRule::Rank, 0)
    }

    /// The cases in which each unit has at least a level, highest value first.
    fn strong(&self, n_units: usize, rule: LevelRule, least: u8) -> Vec<Vec<(u32, f32)>> {
        let levels = rule.levels(&self.active, n_units);
        let mut out = vec![Vec::new(); n_units];
        for (case, (active, levels)) in (0u32..).zip(self.active.iter().zip(&levels)) {
            for (&(k, v), &level) in active.iter().zip(levels) {
                if level >= least {
                    out[k as usize].push((case, v));
                }
            }
        }
        for cases in &mut out {
            cases.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        out
    }

    fn matches(&self, case: u32, term: u32) -> bool {
        self.terms[case as usize].contains(&term)
    }
}

/// How concepts are constructed and verified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verification {
    /// Cases of each kind: N of the paper.
    pub cases: usize,
    /// How levels are cut.
    pub rule: LevelRule,
    /// The least level of a case that shows what a unit stands for.
    pub strong: u8,
    /// The least confidence of a verified concept.
    pub confidence: f64,
    /// Permutations of the null.
    pub permutations: usize,
    /// Seed of the inactive cases and of the permutations.
    pub seed: u64,
}

impl Default for Verification {
    /// The paper's values; its code takes cases from level 5 on.
    fn default() -> Self {
        Self {
            cases: 5,
            rule: LevelRule::Rank,
            strong: 5,
            confidence: 0.8,
            permutations: 20,
            seed: 1,
        }
    }
}

/// The concept of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verified {
    /// The unit.
    pub unit: u32,
    /// The term.
    pub term: u32,
    /// Confidence on the most activated and on random inactive cases.
    pub confidence: f64,
    /// Its 95 % interval (Wilson, J. American Statistical Association 1927).
    pub interval: [f64; 2],
    /// Confidence with the inactive cases nearest to the activated ones.
    pub hard: f64,
    /// Confidence on activated cases spread over all strengths.
    pub spread: f64,
}

/// The concepts of all units.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Constructed {
    /// Units with a concept, verified or not, ascending.
    pub concepts: Vec<Verified>,
    /// Units with too few cases in either set.
    pub insufficient: usize,
    /// Verified units with the concepts of other units, mean over permutations.
    pub null: f64,
    /// Distinct concepts among them.
    pub null_distinct: f64,
}

impl Constructed {
    /// The verified concepts.
    pub fn verified(&self, least: f64) -> impl Iterator<Item = &Verified> {
        self.concepts.iter().filter(move |c| c.confidence >= least)
    }
}

/// The cases on which the concept of one unit is tested.
struct Tests {
    top: Vec<u32>,
    spread: Vec<u32>,
    inactive: Vec<u32>,
    hard: Vec<u32>,
}

impl Tests {
    fn confidence(cases: &Cases, positive: &[u32], negative: &[u32], term: u32) -> f64 {
        let hits = positive.iter().filter(|&&c| cases.matches(c, term)).count();
        let misses = negative
            .iter()
            .filter(|&&c| !cases.matches(c, term))
            .count();
        (hits + misses) as f64 / (positive.len() + negative.len()).max(1) as f64
    }
}

/// Constructs concepts on the cases of some users and verifies them on those of others.
#[must_use]
pub fn construct(
    construction: &Cases,
    verification: &Cases,
    n_units: usize,
    how: &Verification,
) -> Constructed {
    let n = how.cases;
    let examples = construction.strong(n_units, how.rule, how.strong);
    let tested = verification.strong(n_units, how.rule, how.strong);
    let all = verification.by_unit(n_units);
    let mut rng = Rng::new(how.seed, 11);
    // Terms of each document, counted.
    let mut documents: BTreeMap<u32, BTreeMap<u32, usize>> = BTreeMap::new();
    let mut frequency: BTreeMap<u32, usize> = BTreeMap::new();
    let mut tests: BTreeMap<u32, Tests> = BTreeMap::new();
    let mut insufficient = 0;
    for unit in 0..n_units {
        let positive = |cases: &[(u32, f32)]| -> Vec<u32> { cases.iter().map(|c| c.0).collect() };
        let (own, other) = (positive(&examples[unit]), positive(&tested[unit]));
        let active = positive(&all[unit]);
        let sets = match own.len() < n || other.len() < n {
            true => None,
            false => inactive(verification, &active, &other[..n], n, &mut rng),
        };
        let Some((random, hard)) = sets else {
            insufficient += 1;
            continue;
        };
        let counted = documents.entry(unit as u32).or_default();
        for &case in &own[..n] {
            for &term in &construction.terms[case as usize] {
                *counted.entry(term).or_insert(0) += 1;
            }
        }
        counted
            .keys()
            .for_each(|&t| *frequency.entry(t).or_insert(0) += 1);
        let spread = (0..n).map(|at| active[(2 * at + 1) * active.len() / (2 * n)]);
        tests.insert(
            unit as u32,
            Tests {
                spread: spread.collect(),
                top: other[..n].to_vec(),
                inactive: random,
                hard,
            },
        );
    }
    let n_documents = documents.len() as f64;
    let term_of = |counted: &BTreeMap<u32, usize>| -> Option<u32> {
        let value = |t: u32, count: usize| count as f64 * idf(n_documents, frequency[&t] as f64);
        let mut best: Option<(u32, f64)> = None;
        for (&t, &count) in counted {
            let v = value(t, count);
            if best.is_none_or(|b| v > b.1) {
                best = Some((t, v));
            }
        }
        best.map(|b| b.0)
    };
    let concepts: Vec<Verified> = documents
        .iter()
        .filter_map(|(&unit, counted)| {
            let term = term_of(counted)?;
            let tests = tests.get(&unit)?;
            let of = |p: &[u32], q: &[u32]| Tests::confidence(verification, p, q, term);
            let confidence = of(&tests.top, &tests.inactive);
            Some(Verified {
                unit,
                term,
                confidence,
                interval: wilson(confidence, 2 * n),
                hard: of(&tests.top, &tests.hard),
                spread: of(&tests.spread, &tests.inactive),
            })
        })
        .collect();
    let (mut null, mut null_distinct) = (0.0, 0.0);
    for _ in 0..how.permutations {
        let mut terms: Vec<u32> = concepts.iter().map(|c| c.term).collect();
        rng.shuffle(&mut terms);
        let mut passed: Vec<u32> = Vec::new();
        for (concept, term) in concepts.iter().zip(terms) {
            let own = &tests[&concept.unit];
            let confidence = Tests::confidence(verification, &own.top, &own.inactive, term);
            if confidence >= how.confidence {
                passed.push(term);
            }
        }
        null += passed.len() as f64 / how.permutations as f64;
        passed.sort_unstable();
        passed.dedup();
        null_distinct += passed.len() as f64 / how.permutations as f64;
    }
    Constructed {
        concepts,
        insufficient,
        null,
        null_distinct,
    }
}

/// Inactive cases, random ones and those nearest to the activated ones; none if there are too few.
fn inactive(
    cases: &Cases,
    active: &[u32],
    top: &[u32],
    n: usize,
    rng: &mut Rng,
) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut is_active = vec![false; cases.len()];
    active.iter().for_each(|&c| is_active[c as usize] = true);
    let silent: Vec<u32> = (0..cases.len() as u32)
        .filter(|&c| !is_active[c as usize])
        .collect();
    if silent.len() < n {
        return None;
    }
    let mut random: Vec<u32> = Vec::with_capacity(n);
    while random.len() < n {
        let case = silent[rng.below(silent.len())];
        if !random.contains(&case) {
            random.push(case);
        }
    }
    let width = cases.states.ncols();
    let mut center = vec![0f32; width];
    for &c in top {
        let row = cases.states.row(c as usize);
        center
            .iter_mut()
            .zip(row)
            .for_each(|(m, v)| *m += v / n as f32);
    }
    let mut near: Vec<(f32, u32)> = silent
        .into_iter()
        .map(|c| {
            let row = cases.states.row(c as usize);
            let apart = row.iter().zip(&center).map(|(a, b)| (a - b).powi(2));
            (apart.sum(), c)
        })
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    Some((random, near.into_iter().take(n).map(|c| c.1).collect()))
}

/// Wilson's 95 % interval of a share of `n`.
#[must_use]
pub fn wilson(share: f64, n: usize) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    let n = n.max(1) as f64;
    let center = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [(center - half) / scale, (center + half) / scale]
}

/// What was verified, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VerifiedCounts {
    /// Units with a concept.
    pub with_concept: usize,
    /// Units with too few cases for one.
    pub insufficient: usize,
    /// Units with a verified concept.
    pub verified: usize,
    /// Distinct verified concepts.
    pub distinct: usize,
    /// Verified units when the concepts are permuted, mean: what is verified by chance and common terms.
    pub null: f64,
    /// Distinct concepts among them.
    pub null_distinct: f64,
    /// Verified units whose interval is above 0.5.
    pub certain: usize,
    /// Units verified with hard negatives.
    pub hard: usize,
    /// Units verified on activated cases of all strengths.
    pub spread: usize,
    /// Mean confidence.
    pub confidence: f64,
}

impl VerifiedCounts {
    /// Counts concepts with a confidence of `least` or more.
    #[must_use]
    pub fn of(constructed: &Constructed, least: f64) -> Self {
        let all = &constructed.concepts;
        let count = |of: &dyn Fn(&Verified) -> bool| all.iter().filter(|c| of(c)).count();
        let mut terms: Vec<u32> = constructed.verified(least).map(|c| c.term).collect();
        terms.sort_unstable();
        terms.dedup();
        Self {
            with_concept: all.len(),
            insufficient: constructed.insufficient,
            verified: count(&|c| c.confidence >= least),
            distinct: terms.len(),
            null: constructed.null,
            null_distinct: constructed.null_distinct,
            certain: count(&|c| c.confidence >= least && c.interval[0] > 0.5),
            hard: count(&|c| c.hard >= least),
            spread: count(&|c| c.spread >= least),
            confidence: all.iter().map(|c| c.confidence).sum::<f64>() / all.len().max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units 0 to 3 are active for users of their theme, unit 4 at random; a case has the term of its theme and a
    /// common one. Term 4 is common, 5 and more are noise.
    fn planted(seed: u64, n: usize) -> Cases {
        let mut rng = Rng::new(seed, 0);
        let mut cases = Cases {
            active: Vec::new(),
            recommended: Vec::new(),
            terms: Vec::new(),
            states: Mat::zeros((n, 4)),
        };
        for case in 0..n {
            let theme = rng.below(4) as u32;
            let mut active = vec![(theme, 0.5 + rng.unit())];
            if rng.unit() < 0.3 {
                active.push((4, rng.unit() + 0.01));
            }
            cases.active.push(active);
            cases.recommended.push(theme);
            cases.terms.push(vec![theme, 4, 5 + rng.below(40) as u32]);
            cases.states[[case, theme as usize]] = 1.0;
        }
        cases
    }

    #[test]
    fn planted_concepts_are_verified_and_chance_is_not() {
        let (a, b) = (planted(1, 400), planted(2, 400));
        for rule in LevelRule::ALL {
            let how = Verification {
                rule,
                ..Verification::default()
            };
            let found = construct(&a, &b, 6, &how);
            // Unit 5 is never active.
            assert_eq!(found.insufficient, 1, "{rule:?}");
            for concept in &found.concepts[..4] {
                assert_eq!(concept.term, concept.unit, "{rule:?}");
                assert_eq!((concept.confidence, concept.spread), (1.0, 1.0));
                assert_eq!(concept.hard, 1.0);
            }
            let counts = VerifiedCounts::of(&found, how.confidence);
            assert_eq!((counts.verified, counts.distinct), (4, 4), "{found:?}");
            assert!(counts.null < 2.5, "{counts:?}");
            assert_eq!(found, construct(&a, &b, 6, &how));
        }
    }

    #[test]
    fn wilson_by_hand() {
        // statsmodels.stats.proportion.proportion_confint(8, 10, method="wilson")
        let [low, high] = wilson(0.8, 10);
        assert!(
            (low - 0.490_162).abs() < 1e-5 && (high - 0.943_318).abs() < 1e-5,
            "{low} {high}"
        );
    }
}
