//! Agreement with trec_eval, through `pytrec_eval`; `benches/peers/golden_metrics.py` writes
//! `golden.json`.

use std::collections::BTreeMap;

use limpid_core::{ItemIdx, Mask, RankedWithTies, Truth};
use limpid_eval::MetricAt;
use limpid_eval::metrics::{HitProfile, Measure};

#[derive(serde::Deserialize)]
struct Case {
    scores: Vec<f32>,
    truth: Vec<u32>,
    values: BTreeMap<String, f64>,
}

#[test]
fn equals_trec_eval() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(cases.len() >= 40);
    let mut compared = 0;
    for case in &cases {
        let truth: Vec<ItemIdx> = case.truth.iter().map(|&i| ItemIdx(i)).collect();
        let mask = Mask::none(case.scores.len());
        for (name, expected) in &case.values {
            let at: MetricAt = name.parse().unwrap();
            let Measure::User(metric) = at.metric.measure else {
                panic!("{name} is not a metric per user")
            };
            let ranked = RankedWithTies::new(&case.scores, &mask, at.k);
            let found = metric(&HitProfile::new(&ranked, &Truth { items: &truth }), at.k);
            assert!(
                (found - expected).abs() < 1e-9,
                "{name}: {found}, not {expected}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, cases.len() * 30);
}
