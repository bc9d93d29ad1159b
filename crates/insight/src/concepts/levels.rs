//! Levels of activation: 0 for an inactive unit, 1 to 10 for an active one.
//!
//! RecSAE cuts activations in ten bins. Its paper says that they have equal frequency, its code cuts the
//! activations of all units together, and a reader of a level thinks of a share of the largest value: three rules,
//! which give other levels to the same activation.

use limpid_core::quantile::interpolated;
use serde::{Deserialize, Serialize};

/// Levels of active units.
pub const LEVELS: usize = 10;

/// How levels are cut.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LevelRule {
    /// Ten bins of equal frequency of each unit: what the paper says.
    Rank,
    /// Ten bins of equal frequency of the activations of all units together: what its code does.
    Global,
    /// Tenths of the largest value of each unit.
    Value,
}

impl LevelRule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Rank, Self::Global, Self::Value];

    /// The level of every activation, in the order of the activations `(unit, value)` of every case; values are
    /// above 0.
    #[must_use]
    pub fn levels(self, cases: &[Vec<(u32, f32)>], n_units: usize) -> Vec<Vec<u8>> {
        match self {
            Self::Rank => by_rank(cases, n_units),
            Self::Global => {
                let all = cases.iter().flatten();
                let mut all: Vec<f64> = all.map(|a| f64::from(a.1)).collect();
                all.sort_by(f64::total_cmp);
                let edges: Vec<f64> = (1..LEVELS)
                    .map(|q| interpolated(&all, q as f64 / LEVELS as f64))
                    .collect();
                each(cases, |_, v| {
                    1 + edges.iter().filter(|e| f64::from(v) > **e).count()
                })
            }
            Self::Value => {
                let mut largest = vec![0f32; n_units];
                for &(k, v) in cases.iter().flatten() {
                    let most = &mut largest[k as usize];
                    *most = most.max(v);
                }
                each(cases, |k, v| {
                    let share = f64::from(v) / f64::from(largest[k as usize]);
                    ((share * LEVELS as f64).ceil() as usize).clamp(1, LEVELS)
                })
            }
        }
    }
}

fn each(cases: &[Vec<(u32, f32)>], level: impl Fn(u32, f32) -> usize) -> Vec<Vec<u8>> {
    let of = |case: &Vec<(u32, f32)>| case.iter().map(|&(k, v)| level(k, v) as u8).collect();
    cases.iter().map(of).collect()
}

fn by_rank(cases: &[Vec<(u32, f32)>], n_units: usize) -> Vec<Vec<u8>> {
    let mut of_unit: Vec<Vec<(f32, usize, usize)>> = vec![Vec::new(); n_units];
    for (case, active) in cases.iter().enumerate() {
        for (at, &(k, v)) in active.iter().enumerate() {
            of_unit[k as usize].push((v, case, at));
        }
    }
    let mut out: Vec<Vec<u8>> = cases.iter().map(|c| vec![0; c.len()]).collect();
    for mut all in of_unit {
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let n = all.len();
        for (rank, (_, case, at)) in all.into_iter().enumerate() {
            out[case][at] = (1 + rank * LEVELS / n) as u8;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit 0 has the values 1 to 10, unit 1 the values 100 and 50.
    #[test]
    fn three_rules_by_hand() {
        let mut cases: Vec<Vec<(u32, f32)>> = (1..=10).map(|v| vec![(0, v as f32)]).collect();
        cases[0].push((1, 100.0));
        cases[1].push((1, 50.0));
        let of = |rule: LevelRule| {
            let levels = rule.levels(&cases, 2);
            let first: Vec<u8> = levels.iter().map(|l| l[0]).collect();
            (first, [levels[0][1], levels[1][1]])
        };
        let ten: Vec<u8> = (1..=10).collect();
        assert_eq!(of(LevelRule::Rank), (ten.clone(), [6, 1]));
        assert_eq!(of(LevelRule::Value), (ten, [10, 5]));
        // Of all twelve values, numpy.quantile gives the edges 2.1, 3.2, …, 9.8, 46.
        let (first, others) = of(LevelRule::Global);
        assert_eq!(first, [1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(others, [10, 10]);
        assert_eq!(LevelRule::Global.levels(&[vec![]], 2), [Vec::<u8>::new()]);
    }
}
