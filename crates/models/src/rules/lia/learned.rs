//! Short rules learned by gradients, the other source of rules for `plus`.
//!
//! The layer of the published forms with the logarithmic cost, one half AND and one half OR; what
//! is new is its initialization and what keeps rules short (`layer::Short`). Every rule starts from one item,
//! its seed: items that co-occur with the seed more often than by chance get small weights of either
//! sign, all others 0, so that both operators have a gradient (an OR gets a few dozen, an AND a few, plus
//! some that co-occur less); the rule starts with a small effect on the seed and on its strongest
//! co-occurrences. An L1 step sets weights back to exact zeros unless their gradients agree.

use limpid_core::rules::Rule;
use limpid_core::{Result, Run};
use limpid_tensor::Rng;
use limpid_tensor::sparse::logic::Cost;

use super::extract;
use super::layer::{Initial, Layer, Settings, Short};
use super::mine::Incidence;
use super::{Config, Gate};

/// Items with a nonzero initial weight.
const CANDIDATES: usize = 32;

/// The same for an AND: all of them must be present, so with many it would hold for no user.
const TOGETHER: usize = 6;

/// Items that co-occur with the seed less than by chance, which an AND may negate.
const APART: usize = 2;

/// Items with a nonzero initial effect, including the seed.
const CONSEQUENTS: usize = 8;

/// Largest initial weight.
const WEIGHT: f32 = 0.05;

/// Value of an initial effect.
const EFFECT: f32 = 0.1;

/// The rules after training.
pub(super) fn rules(config: &Config, data: &Incidence<'_>, run: &mut Run<'_>) -> Result<Vec<Rule>> {
    let (r, n_items) = (config.rules, data.n_items());
    let settings = Settings {
        n_rules: r,
        cost: Cost::Log,
        gate: Gate::Half,
        links: false,
        gsam: false,
        l1: config.rule_l1,
        outputs: config.outputs(n_items),
        short: Some(Short {
            holdout: config.holdout,
            max_literals: config.max_literals,
            effect_l1: config.effect_l1,
            nonnegative: config.nonnegative,
        }),
    };
    settings.afford(
        n_items,
        config.training.batch_size,
        run,
        format!("{r} rules over {n_items} items learned by gradients"),
        "rules_by=search",
    )?;
    let initial = initialize(data, r, config.min_support, run.seed);
    let layer = Layer::from_initial(data.rows, n_items, settings, initial, None);
    let layer = layer.learn(config, run)?;
    let mut rules = extract::rules(&layer.w.value, &layer.gates.value, r);
    rules.retain(|rule| !rule.literals.is_empty());
    Ok(rules)
}

/// Seeds by popularity, and around each the items that co-occur with it.
fn initialize(data: &Incidence<'_>, n_rules: usize, min_support: usize, seed: u64) -> Initial {
    let (users, n_items) = (&data.users, data.n_items());
    let mut rng = Rng::new(seed, 0);
    let eligible: Vec<u32> = (0..n_items as u32)
        .filter(|&i| users[i as usize].len() >= min_support)
        .collect();
    // Seeds in proportion to the square root of popularity: evenly spaced over the running sum.
    let mut sums = Vec::with_capacity(eligible.len());
    let mut total = 0f64;
    for &i in &eligible {
        total += (users[i as usize].len() as f64).sqrt();
        sums.push(total);
    }
    let mut w = vec![0f32; n_items * n_rules];
    let mut v = vec![0f32; n_items * n_rules];
    let mut together = vec![0u32; n_items];
    for rule in 0..n_rules {
        if eligible.is_empty() {
            break;
        }
        let place = f64::from(rng.unit()) * total;
        let at = sums.partition_point(|&s| s <= place);
        let seed = eligible[at.min(eligible.len() - 1)] as usize;
        let near = neighbors(seed, data, min_support, &mut together);
        let with = near.iter().take_while(|(_, z)| *z > 0.0).map(|(i, _)| *i);
        let apart = near.iter().rev().take_while(|(_, z)| *z < 0.0);
        let asked: Vec<u32> = match rule < n_rules / 2 {
            // The AND rules come first, as in the gates.
            true => {
                let apart = apart.map(|(i, _)| *i).take(APART);
                with.clone().take(TOGETHER).chain(apart).collect()
            }
            false => with.clone().take(CANDIDATES).collect(),
        };
        for item in asked {
            w[item as usize * n_rules + rule] = rng.uniform(-WEIGHT, WEIGHT);
        }
        v[seed * n_rules + rule] = EFFECT;
        for item in with.take(CONSEQUENTS - 1) {
            v[item as usize * n_rules + rule] = EFFECT;
        }
    }
    // Softmax gives every item its popularity if no rule holds.
    let b = users.iter().map(|u| (u.len() as f32 + 1.0).ln()).collect();
    Initial { w, v, b }
}

/// All items that are frequent enough, by the number of standard deviations by which their co-occurrence
/// with `seed` exceeds chance, largest first.
fn neighbors(
    seed: usize,
    data: &Incidence<'_>,
    min_support: usize,
    together: &mut [u32],
) -> Vec<(u32, f64)> {
    let (rows, users) = (data.rows, &data.users);
    for &u in &users[seed] {
        for &i in &rows[u as usize] {
            together[i as usize] += 1;
        }
    }
    let share = users[seed].len() as f64 / rows.len().max(1) as f64;
    let mut near: Vec<(u32, f64)> = Vec::new();
    for (i, count) in together.iter_mut().enumerate() {
        let count = std::mem::take(count);
        if i != seed && users[i].len() >= min_support {
            let expected = share * users[i].len() as f64;
            near.push((i as u32, (f64::from(count) - expected) / expected.sqrt()));
        }
    }
    near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initialize_on(rows: &[Vec<u32>], n_rules: usize, min_support: usize) -> Initial {
        let weights = vec![1.0; rows.len()];
        initialize(
            &Incidence::new(rows, 6, &weights).unwrap(),
            n_rules,
            min_support,
            3,
        )
    }

    #[test]
    fn a_rule_is_initialized_around_its_seed() {
        // Items 0 to 2 co-occur, and so do 3 to 5.
        let rows: Vec<Vec<u32>> = (0..40)
            .map(|u| {
                if u % 2 == 0 {
                    vec![0, 1, 2]
                } else {
                    vec![3, 4, 5]
                }
            })
            .collect();
        let start = initialize_on(&rows, 7, 5);
        for rule in 0..7 {
            let of = |array: &[f32]| -> Vec<u32> {
                (0..6)
                    .filter(|&i| array[i as usize * 7 + rule] != 0.0)
                    .collect()
            };
            let (asked, given) = (of(&start.w), of(&start.v));
            // The seed is no literal of its own rule; an OR has literals on items of its half, an AND on two
            // items of the other half as well.
            let (own, other): (Vec<u32>, Vec<u32>) = asked.iter().partition(|i| given.contains(i));
            assert_eq!(own.len(), 2);
            assert_eq!(other.len(), if rule < 3 { 2 } else { 0 });
            assert_eq!(given.len(), 3);
            assert!(given == [0, 1, 2] || given == [3, 4, 5]);
        }
        assert_eq!(initialize_on(&rows, 7, 5).w, start.w);
        // Equally popular items are seeds equally often: 500 of 3,000 times, within 20.
        let lonely: Vec<Vec<u32>> = (0..6).map(|i| vec![i]).collect();
        let seeds = initialize_on(&lonely, 3_000, 1);
        for i in 0..6 {
            let row = &seeds.v[i * 3_000..(i + 1) * 3_000];
            let n = row.iter().filter(|&&v| v != 0.0).count();
            assert!((400..600).contains(&n), "{n}");
        }
        assert!(initialize_on(&[], 7, 5).w.iter().all(|&w| w == 0.0));
    }
}
