//! Whether recommendations carry the concept of a unit: by the level of its activation, and when it is turned.
//!
//! RecSAE's hit ratio per level and its targeted tuning,
//!
//! ```text
//! presence(scale) = Σ 1[unit active and concept in the list at z · scale] / Σ 1[unit active]
//! ```
//!
//! over the cases in which the unit is active, so tuning strengthens or weakens a concept and never introduces one. The
//! authors' code lacks this part; the edit, the decoding and the ranking of all items are our reading.

use limpid_tensor::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::levels::{LEVELS, LevelRule};
use super::terms::Terms;
use super::verify::Cases;

/// Hit ratios by level.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HitRatios {
    /// For the levels 0 to 10, the share of cases whose recommended item has the concept of the unit; null without
    /// cases.
    pub by_level: Vec<Option<f64>>,
    /// The share over all cases, whatever their level.
    pub average: f64,
}

/// The hit ratio per level of units with a concept, `(unit, term)`.
#[must_use]
pub fn hit_ratios(
    cases: &Cases,
    terms: &Terms,
    n_units: usize,
    concepts: &[(u32, u32)],
    rule: LevelRule,
) -> HitRatios {
    let levels = rule.levels(&cases.active, n_units);
    let mut counts = [(0usize, 0usize); LEVELS + 1];
    for (case, active) in cases.active.iter().enumerate() {
        let item = cases.recommended[case];
        for &(unit, term) in concepts {
            let at = active.binary_search_by_key(&unit, |a| a.0);
            let level = at.map_or(0, |at| levels[case][at] as usize);
            counts[level].0 += usize::from(terms.has(item, term));
            counts[level].1 += 1;
        }
    }
    let share = |(hits, all): (usize, usize)| (all > 0).then(|| hits as f64 / all as f64);
    let (hits, all) = counts
        .iter()
        .fold((0, 0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
    HitRatios {
        by_level: counts.into_iter().map(share).collect(),
        average: share((hits, all)).unwrap_or(0.0),
    }
}

/// The presence of concepts at one scale.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Presence {
    /// What activations are multiplied with.
    pub scale: f32,
    /// Share of lists with an item of the concept of the unit.
    pub presence: f64,
    /// Share of lists with an item of the concept of another unit, chosen at random.
    pub others: f64,
}

/// Cases in which a unit is turned, at most, spread evenly over its activations.
const CASES: usize = 100;

/// The presence of the concepts of units, `(unit, term)`, at every scale; `lists` gives the items that a case is
/// recommended when the activation of a unit is scaled, by scale.
#[must_use]
pub fn tuning(
    cases: &Cases,
    terms: &Terms,
    n_units: usize,
    concepts: &[(u32, u32)],
    scales: &[f32],
    lists: &(dyn Fn(u32, u32) -> Vec<Vec<u32>> + Sync),
) -> Vec<Presence> {
    let by_unit = cases.by_unit(n_units);
    let mut rng = Rng::new(7, 0);
    let other_of = |term: u32, rng: &mut Rng| -> Option<u32> {
        let others: Vec<u32> = concepts
            .iter()
            .map(|c| c.1)
            .filter(|&t| t != term)
            .collect();
        (!others.is_empty()).then(|| others[rng.below(others.len())])
    };
    let turned: Vec<(u32, u32, u32, Option<u32>)> = concepts
        .iter()
        .flat_map(|&(unit, term)| {
            let own = &by_unit[unit as usize];
            let every = own.len().div_ceil(CASES).max(1);
            let own = own.iter().step_by(every);
            let all = own.map(|&(case, _)| (unit, term, case, other_of(term, &mut rng)));
            all.collect::<Vec<_>>()
        })
        .collect();
    let found: Vec<Vec<(bool, bool)>> = turned
        .par_iter()
        .map(|&(unit, term, case, other)| {
            let has = |items: &[u32], t: u32| items.iter().any(|&i| terms.has(i, t));
            let lists = lists(case, unit);
            let both = lists.iter().map(|items| {
                let of_other = other.is_some_and(|t| has(items, t));
                (has(items, term), of_other)
            });
            both.collect()
        })
        .collect();
    let n = turned.len().max(1) as f64;
    let at_scale = |(at, &scale): (usize, &f32)| {
        let share =
            |of: fn(&(bool, bool)) -> bool| found.iter().filter(|f| of(&f[at])).count() as f64 / n;
        Presence {
            scale,
            presence: share(|f| f.0),
            others: share(|f| f.1),
        }
    };
    scales.iter().enumerate().map(at_scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::Mat;

    fn world() -> (Cases, Terms) {
        let terms = Terms {
            names: vec!["a".into(), "b".into()],
            of_items: vec![vec![0], vec![1]],
            values: Vec::new(),
        };
        let cases = Cases {
            active: vec![vec![(0, 1.0)], vec![(0, 2.0)], vec![(1, 1.0)], vec![]],
            recommended: vec![1, 0, 1, 0],
            terms: vec![Vec::new(); 4],
            states: Mat::zeros((4, 1)),
        };
        (cases, terms)
    }

    /// Unit 0 stands for "a": of its two cases the stronger one is recommended item 0; of the two without it, one.
    #[test]
    fn hit_ratios_by_hand() {
        let (cases, terms) = world();
        let found = hit_ratios(&cases, &terms, 2, &[(0, 0)], LevelRule::Rank);
        assert_eq!(found.by_level[0], Some(0.5));
        assert_eq!(
            (found.by_level[1], found.by_level[6]),
            (Some(0.0), Some(1.0))
        );
        assert_eq!((found.by_level[2], found.average), (None, 0.5));
    }

    #[test]
    fn a_turned_unit_brings_its_concept() {
        let (cases, terms) = world();
        let lists = |_: u32, unit: u32| vec![vec![1 - unit], vec![unit]];
        let found = tuning(&cases, &terms, 2, &[(0, 0), (1, 1)], &[-1.0, 1.0], &lists);
        let of = |p: &Presence| (p.presence, p.others);
        assert_eq!(
            found.iter().map(of).collect::<Vec<_>>(),
            [(0.0, 1.0), (1.0, 0.0)]
        );
        assert_eq!(
            tuning(&cases, &terms, 2, &[], &[1.0], &lists)[0].presence,
            0.0
        );
    }
}
