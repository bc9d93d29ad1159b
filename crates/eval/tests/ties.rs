//! The expected value over ties is the mean over all orders of the ties, for every user metric.

use limpid_core::{ItemIdx, Mask, RankedWithTies, Truth};
use limpid_eval::metrics::{HitProfile, METRICS, Measure, Metric};
use proptest::prelude::*;

/// All orders of `0..n`.
fn permutations(n: usize) -> Vec<Vec<u32>> {
    let mut all = vec![vec![]];
    for next in 0..n as u32 {
        all = all
            .into_iter()
            .flat_map(|order| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, next);
                    longer
                })
            })
            .collect();
    }
    all
}

proptest! {
    #[test]
    fn equals_the_mean_over_all_orders(
        scores in proptest::collection::vec(0i8..3, 1..7),
        found in proptest::collection::vec(any::<bool>(), 7),
        elsewhere in 0u32..3,
        k in 1usize..8,
    ) {
        let n = scores.len();
        let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
        let items = (0..n as u32).filter(|&i| found[i as usize]);
        let truth: Vec<ItemIdx> =
            items.chain((0..elsewhere).map(|e| 100 + e)).map(ItemIdx).collect();
        let truth = Truth { items: &truth };
        // Every order of all items that respects the scores is equally likely.
        let orders: Vec<Vec<u32>> = permutations(n)
            .into_iter()
            .filter(|order| {
                order.windows(2).all(|w| scores[w[0] as usize] >= scores[w[1] as usize])
            })
            .collect();
        for metric in METRICS {
            let Measure::User(of) = metric.measure else { continue };
            let depth = if metric.has_cutoff { k } else { n };
            let ranked = RankedWithTies::new(&scores, &Mask::none(n), depth);
            let expected = of(&HitProfile::new(&ranked, &truth), k);
            let of_order = |order: &Vec<u32>| {
                let items = order.iter().map(|&i| ItemIdx(i)).collect();
                of(&HitProfile::new(&RankedWithTies::strict(items, n), &truth), k)
            };
            let mean = orders.iter().map(of_order).sum::<f64>() / orders.len() as f64;
            prop_assert!((expected - mean).abs() < 1e-12, "{metric}: {expected} is not {mean}");
            prop_assert!((0.0..=1.0).contains(&expected), "{metric}: {expected}");
        }
    }

    /// Swapping a hit with the miss above it never lowers a metric.
    #[test]
    fn better_rankings_are_not_worse(
        hits in proptest::collection::vec(any::<bool>(), 2..30),
        k in 1usize..30,
    ) {
        let value = |hits: &[bool], metric: &Metric| {
            let Measure::User(of) = metric.measure else { return 0.0 };
            let truth: Vec<ItemIdx> =
                (0..hits.len() as u32).filter(|&i| hits[i as usize]).map(ItemIdx).collect();
            let items = (0..hits.len() as u32).map(ItemIdx).collect();
            of(&HitProfile::new(&RankedWithTies::strict(items, hits.len()), &Truth { items: &truth }), k)
        };
        for at in 1..hits.len() {
            if hits[at] && !hits[at - 1] {
                let mut better = hits.clone();
                better.swap(at - 1, at);
                for metric in METRICS {
                    prop_assert!(
                        value(&better, metric) >= value(&hits, metric) - 1e-12, "{}", metric);
                }
            }
        }
    }
}
