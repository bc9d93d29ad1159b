use limpid_core::hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use limpid_core::histories::HistoryArrays;
use limpid_core::rules::{Operator, Rule};
use limpid_core::{
    Alternative, Catalogue, Checkpoints, Ids, NoProgress, OwnedHistory, Progress, UserIdx,
};
use proptest::prelude::*;

use super::*;

fn fitted(histories: &Histories, config: &Config) -> Model {
    let catalogue = Catalogue::default();
    let data = Training {
        histories,
        catalogue: &catalogue,
    };
    config.fit(&data, &mut Run::seeded(0)).unwrap()
}

/// Small L1 penalties, so that twenty users suffice for nonzero weights.
fn keen() -> Config {
    Config {
        reg: 0.5,
        l1: 0.3,
        min_users: Some(2),
        ..Config::default()
    }
}

/// Users with four overlapping tastes, by a fixed rule.
fn users(n: u32) -> Histories {
    let rows: Vec<Vec<u32>> = (0..n)
        .map(|u| {
            let taste = u % 4;
            (0..24)
                .filter(|&i| {
                    let at_home = i / 6 == taste;
                    let luck = hash::mix(u64::from(u * 100 + i)) % 10;
                    luck < if at_home { 6 } else { 1 }
                })
                .collect()
        })
        .collect();
    Histories::from_rows(&rows, 24).unwrap()
}

/// The problem of one target by its definition, solved slowly: φ^(j) is recomputed with item j
/// removed from every row, and all features are candidates.
fn by_definition(
    model: &Model,
    rows: &Csr,
    soft: Option<&Csr>,
    settings: &Settings,
    target: u32,
) -> Vec<f64> {
    let features = &model.features;
    let (n, n_items) = (features.len(), features.n_items());
    let weights = user_weights(rows, 0.5);
    let mean = rows.values().iter().sum::<f32>() / rows.nnz() as f32;
    let phi: Vec<Vec<u32>> = (0..rows.n_rows())
        .map(|u| {
            let others = rows.row(u).0.iter().copied().filter(|&i| i != target);
            features.active(&others.collect::<Vec<_>>())
        })
        .collect();
    let mut k = vec![vec![0.0; n]; n];
    let mut c = vec![0.0; n];
    for (u, active) in phi.iter().enumerate() {
        let expected = soft.map_or(0.0, |s| s.get(target as usize, u as u32));
        let x = f64::from(rows.get(u, target) / mean + expected);
        for &f in active {
            c[f as usize] += weights[u] * x;
            for &g in active {
                k[f as usize][g as usize] += weights[u];
            }
        }
    }
    let mut v = vec![0.0; n];
    for _ in 0..3000 {
        for f in 0..n {
            let (l1, rho) = match f < n_items {
                true => (settings.l1.link, settings.rho.link),
                false => (settings.l1.rule, settings.rho.rule),
            };
            let rest: f64 = (0..n).filter(|&g| g != f).map(|g| k[f][g] * v[g]).sum();
            let denominator = k[f][f] + settings.reg + rho * k[f][f];
            let z = c[f] - rest;
            v[f] = match settings.signed {
                false => (z - l1).max(0.0) / denominator,
                true => z.signum() * (z.abs() - l1).max(0.0) / denominator,
            };
            if f == target as usize {
                v[f] = 0.0;
            }
        }
    }
    v
}

#[test]
fn weights_equal_the_definition() {
    let plain = users(30);
    let values = (0..plain.n_events())
        .map(|e| 1.0 + (e % 3) as f32)
        .collect();
    let weighted = Histories::new(HistoryArrays {
        offsets: plain.offsets().to_vec(),
        items: plain.items().to_vec(),
        values: Some(values),
        users: (0..30).map(|u| Some(UserIdx(u))).collect(),
        n_items: 24,
        ..HistoryArrays::default()
    })
    .unwrap();
    let config = Config {
        rho_rule: 1.0,
        groups: 0,
        refit: 1.0,
        ..keen()
    };
    let signed = Config {
        signed: true,
        ..config.clone()
    };
    let taught = Config {
        teacher: Teacher::Eigen,
        ..signed.clone()
    };
    let cases = [
        (&plain, &config),
        (&weighted, &config),
        (&plain, &signed),
        (&plain, &taught),
    ];
    for (histories, config) in cases {
        let rows = histories.to_csr();
        let model = fitted(histories, config);
        let catalogue = Catalogue::default();
        let data = Training {
            histories,
            catalogue: &catalogue,
        };
        let run = Run::seeded(0);
        let soft = soft_targets(config.teacher, config.teacher_strength, &data, &run).unwrap();
        assert_eq!(soft.is_some(), config.teacher != Teacher::None);
        assert!(model.groups().iter().any(|g| g.len() > 2));
        let settings = config.settings(1.0);
        let (mut rules, mut against) = (0, 0);
        for target in 0..24 {
            let v = by_definition(&model, &rows, soft.as_ref(), &settings, target);
            for (f, expected) in v.iter().enumerate() {
                let found = f64::from(model.weights.get(f, target));
                assert!(
                    (found - expected).abs() < 2e-3,
                    "{f} → {target}: {found} instead of {expected}"
                );
                rules += usize::from(f >= 24 && *expected > 0.0);
                against += usize::from(*expected < 0.0);
            }
        }
        assert!(rules > 10, "only {rules} rules have a weight");
        assert_eq!(
            against > 10,
            config.signed,
            "{against} weights are negative"
        );
    }
}

#[test]
fn few_groups_are_kept_and_their_weights_grow() {
    let histories = users(60);
    let all = fitted(
        &histories,
        &Config {
            rho_rule: 1.0,
            groups: 0,
            refit: 1.0,
            ..keen()
        },
    );
    let few = fitted(
        &histories,
        &Config {
            groups: 2,
            ..keen()
        },
    );
    let groups = |model: &Model, target: u32| {
        let kept = (0..model.len()).filter(|&f| model.weights.get(f, target) > 0.0);
        let mut groups: Vec<Option<u32>> = kept.map(|f| model.features.group_of(f)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    };
    assert!((0..24).all(|t| groups(&few, t) <= 2));
    assert!((0..24).any(|t| groups(&all, t) > 2));
    let points = fitted(
        &histories,
        &Config {
            points: 0.05,
            ..keen()
        },
    );
    assert!(points.weights.nnz() > 0);
    for w in points.weights.values() {
        let steps = w / 0.05;
        assert!((steps - steps.round()).abs() < 1e-4 && *w > 0.0);
    }
}

fn features_of(model: &Model, user: History<'_>) -> Vec<(u32, f32)> {
    model.active(user).into_iter().map(|f| (f, 1.0)).collect()
}

fn lines_of(model: &Model, user: History<'_>, item: ItemIdx) -> Ledger {
    model.ledger(user, &features_of(model, user), item, Detail::Lines)
}

#[test]
fn rules_without_the_target_and_lines_by_hand() {
    // One group {0, 1, 2}; the weights on target 3 and on target 0 are set by hand.
    let group = vec![ItemIdx(0), ItemIdx(1), ItemIdx(2)];
    let features = Features::new(Groups::new(vec![group.clone()], 5).unwrap(), |_| true);
    let weights = Csr::from_rows(
        [
            vec![(3, 0.5)],
            vec![(0, 0.25)],
            vec![],
            vec![],
            vec![(3, 1.0)],
            vec![(0, 0.5), (3, 0.125)], // at least one
            vec![(3, 2.0)],             // at least two
        ],
        5,
    )
    .unwrap();
    let model = Model {
        features,
        by_target: weights.transpose(),
        weights,
        base: vec![0.0, 0.0, 0.0, 0.0625, 0.0],
        names: Names::default(),
    };
    let of = |items: &[u32]| OwnedHistory::of_items(items.iter().map(|&i| ItemIdx(i)).collect());
    let line = |items: &[u32], target: u32| {
        let history = of(items);
        lines_of(&model, history.view(), ItemIdx(target))
    };
    // Items 0 and 1: 0.5 + 0.125 + 2; adding item 2 would change nothing.
    let both = line(&[4, 1, 0], 3);
    assert_eq!((both.score, both.base), (3.6875, 0.0625));
    assert_eq!(both.parts.len(), 2);
    assert_eq!(both.parts[0].value, 2.625);
    assert_eq!(both.parts[0].unit, Unit::new(Space::Group, 0));
    assert_eq!(
        both.parts[0].rule,
        Some(Rule::all([ItemIdx(0), ItemIdx(1)]))
    );
    assert_eq!(both.parts[0].cites.len(), 2);
    assert_eq!(
        (both.parts[1].unit, both.parts[1].value),
        (Unit::event(ItemIdx(4)), 1.0)
    );
    // Item 1 alone: 0.125 only if the others are absent.
    let one = line(&[1], 3);
    assert_eq!(
        one.parts[0].rule,
        Some(Rule::all([ItemIdx(1)]).and_not([ItemIdx(0), ItemIdx(2)]))
    );
    let change = |item, change| Alternative {
        item: ItemIdx(item),
        change,
    };
    assert_eq!(one.parts[0].alternatives, [change(0, 2.5), change(2, 2.0)]);
    // For target 0 its own literal is left out: 1 gives 0.25 + 0.5. Without 1, 2 would give 0.5, so both
    // are named.
    let own = line(&[1, 2], 0);
    assert_eq!(own.parts[0].value, 0.75);
    let both = Rule::all([ItemIdx(1), ItemIdx(2)]);
    assert_eq!(own.parts[0].rule, Some(both));
    assert!(own.parts[0].alternatives.is_empty());
    // Unless the user has it already.
    let seen = line(&[0, 1], 0);
    let both = Rule::all([ItemIdx(0), ItemIdx(1)]);
    assert_eq!(seen.parts[0].rule, Some(both));
    assert_eq!(seen.score, 0.75);
    assert!(line(&[3], 3).parts.is_empty());

    // An edited group keeps its parts; the part without a group is unchanged.
    let history = of(&[0, 1, 4]);
    let two = model.features.two_of(0).unwrap();
    let mut edited = features_of(&model, history.view());
    edited.retain(|&(f, _)| f != two);
    let ledger = model.ledger(history.view(), &edited, ItemIdx(3), Detail::Lines);
    assert_eq!(ledger.score, 1.6875);
    let units: Vec<Unit> = ledger.parts.iter().map(|p| p.unit).collect();
    assert_eq!(
        units,
        [
            Unit::event(ItemIdx(4)),
            Unit::event(ItemIdx(0)),
            Unit::new(Space::Rule, 0)
        ]
    );
    let raw = model.ledger(history.view(), &edited, ItemIdx(3), Detail::Raw);
    assert_eq!(ledger, raw);
}

#[test]
fn groups_have_their_links_and_rules_as_members() {
    let model = fitted(&users(60), &keen());
    let c = Catalogue::of_items(Ids::from_names((0..24).map(|i| i.to_string()).collect()).unwrap());
    let g = (0..model.groups().len() as u32)
        .find(|&g| model.features.two_of(g).is_some())
        .unwrap();
    let whole = model.members(model.resolve(&format!("g{g}"), &c).unwrap());
    assert_eq!(whole.len(), model.groups().members(g).len() + 2);
    for bad in ["g99", "g99.two", "r0", "n0"] {
        let message = model.resolve(bad, &c).unwrap_err().to_string();
        assert!(message.contains("gN.or"), "{message}");
    }
    assert!(model.resolve("link:24", &c).is_err());
    assert_eq!(model.effect(model.len(), ItemIdx(0)), Some(0.0));
}

#[test]
fn save_and_load_round_trip() {
    let model = fitted(&users(60), &keen());
    let mut t = Tensors::new();
    model.save(&mut t).unwrap();
    assert_eq!(Model::load(&t).unwrap(), model);
    type Breakage = fn(&mut Tensors);
    let breakages: [Breakage; 5] = [
        |t| t.put_u32("groups.items", &[1], vec![0]),
        |t| t.put_f32("base", &[1], vec![0.0]),
        |t| t.put_u8("weights.targets", &[0, 3], vec![]),
        |t| t.put_i64("weights.offsets", &[1], vec![0]),
        |t| t.put_u8("groups.rules", &[0], vec![]),
    ];
    for (at, break_it) in breakages.into_iter().enumerate() {
        let mut broken = t.clone();
        break_it(&mut broken);
        assert!(Model::load(&broken).is_err(), "{at}");
    }
}

#[test]
fn result_does_not_depend_on_the_number_of_threads() {
    let histories = users(90);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| fitted(&histories, &keen()))
    };
    assert_eq!(with(1), with(3));
    // Nor on how much of K fits in memory: without memory its rows are computed on demand.
    let catalogue = Catalogue::default();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let mut poor = Run {
        memory_budget: 2000,
        ..Run::seeded(0)
    };
    assert_eq!(keen().fit(&data, &mut poor).unwrap(), with(1));
}

#[test]
fn an_empty_history_gets_popular_items() {
    let model = fitted(&users(60), &keen());
    let nobody = Histories::from_rows(&[vec![]], 24).unwrap();
    let scores = model.score(&nobody);
    let counts = users(60).item_counts();
    for (score, count) in scores.row(0).iter().zip(counts) {
        assert!((score - 1e-3 * count as f32 / 60.0).abs() < 1e-8);
    }
    assert!(
        fitted(&Histories::from_rows(&[], 3).unwrap(), &keen())
            .weights
            .nnz()
            == 0
    );
    assert!(fitted(&Histories::from_rows(&[vec![]], 0).unwrap(), &keen()).is_empty());
}

/// Interrupts the fit after some number of steps.
#[derive(Default)]
struct Interrupter {
    after: u64,
    steps: AtomicU64,
}

impl Progress for Interrupter {
    fn start(&self, _: &str, _: u64) {}

    fn step(&self, n: u64) {
        self.steps.fetch_add(n, Ordering::Relaxed);
    }

    fn interrupted(&self) -> bool {
        self.steps.load(Ordering::Relaxed) >= self.after
    }
}

#[derive(Default)]
struct InMemory(Mutex<Option<Tensors>>);

impl Checkpoints for InMemory {
    fn last(&self) -> Option<Tensors> {
        self.0.lock().unwrap().clone()
    }

    fn save(&mut self, state: &Tensors) -> Result<()> {
        *self.0.lock().unwrap() = Some(state.clone());
        Ok(())
    }
}

#[test]
fn an_interrupted_fit_resumes() {
    // More targets than one block, most of them without users.
    let rows: Vec<Vec<u32>> = users(60)
        .rows()
        .map(|r| r.items.iter().map(|i| i.0 * 90).collect())
        .collect();
    let histories = Histories::from_rows(&rows, 24 * 90).unwrap();
    let catalogue = Catalogue::default();
    let data = Training {
        histories: &histories,
        catalogue: &catalogue,
    };
    let mut saved = InMemory::default();
    let mut interrupted = |after| {
        let stop = Interrupter {
            after,
            ..Interrupter::default()
        };
        let mut run = Run {
            progress: &stop,
            checkpoints: Some(&mut saved),
            ..Run::seeded(0)
        };
        keen().fit(&data, &mut run).unwrap_err().to_string()
    };
    // While items are grouped, and in the second block after that.
    let error = interrupted(100);
    assert!(error.contains("no target was saved"), "{error}");
    let error = interrupted(2160 + 1500);
    assert!(error.contains("1024 of 2160 targets"), "{error}");
    let mut run = Run {
        progress: &NoProgress,
        checkpoints: Some(&mut saved),
        ..Run::seeded(0)
    };
    let whole = keen().fit(&data, &mut Run::seeded(0)).unwrap();
    assert_eq!(keen().fit(&data, &mut run).unwrap(), whole);
    // A checkpoint of other settings is ignored.
    let other = Config { l1: 0.75, ..keen() };
    let mut run = Run {
        checkpoints: Some(&mut saved),
        ..Run::seeded(0)
    };
    let fresh = other.fit(&data, &mut Run::seeded(0)).unwrap();
    assert_eq!(other.fit(&data, &mut run).unwrap(), fresh);
    assert_ne!(fresh, whole);
}

#[test]
fn negative_values_are_refused() {
    let negative = Histories::new(HistoryArrays {
        offsets: vec![0, 2],
        items: vec![ItemIdx(0), ItemIdx(1)],
        values: Some(vec![1.0, -2.0]),
        users: vec![None],
        n_items: 2,
        ..HistoryArrays::default()
    })
    .unwrap();
    let data = Training {
        histories: &negative,
        catalogue: &Catalogue::default(),
    };
    let message = keen()
        .fit(&data, &mut Run::seeded(0))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("-2") && message.contains("above 0"),
        "{message}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// For any data and history: score = base + parts = base + lines; every
    /// line holds for the user and has at most the literals of its group; the units of a line sum to it.
    #[test]
    fn every_score_is_the_sum_of_its_lines(
        data in proptest::collection::vec(proptest::collection::btree_set(0u32..16, 0..9), 8..40),
        history in proptest::collection::btree_set(0u32..16, 0..12),
        signed: bool,
    ) {
        let rows: Vec<Vec<u32>> = data.into_iter().map(|r| r.into_iter().collect()).collect();
        let config = Config { signed, ..keen() };
        let model = fitted(&Histories::from_rows(&rows, 16).unwrap(), &config);
        let row: Vec<u32> = history.iter().copied().collect();
        let users = Histories::from_rows(&[row], 16).unwrap();
        let user = users.row(0);
        let scores = model.score(&users);
        let features = features_of(&model, user);
        for item in (0..16).map(ItemIdx) {
            let score = f64::from(scores[[0, item.at()]]);
            let ledger = model.explain(user, item);
            let lines = lines_of(&model, user, item);
            for told in [&ledger, &lines] {
                let sum = told.parts.iter().map(|p| f64::from(p.value)).sum::<f64>();
                prop_assert!((score - f64::from(told.base) - sum).abs() < 1e-6);
            }
            prop_assert!(lines.parts.len() <= ledger.parts.len());
            for part in &lines.parts {
                let Some(rule) = &part.rule else { continue };
                prop_assert!(rule.holds(|i| history.contains(&i.0)));
                prop_assert!(rule.literals.len() <= 4);
                prop_assert!(!rule.literals.iter().any(|l| l.item == item && !history.contains(&item.0)));
                // The line names the user's items of its rule, and nothing is left without them.
                let named: Vec<ItemIdx> = part.cites.iter().map(|e| e.item).collect();
                prop_assert!(!named.is_empty());
                if rule.operator == Operator::And {
                    let positive = rule.literals.iter().filter(|l| !l.negated);
                    prop_assert!(positive.map(|l| l.item).eq(named.iter().copied()));
                }
                let mut without = user.to_owned();
                for &item in &named {
                    without.remove(item);
                }
                let left = lines_of(&model, without.view(), item);
                let same = left.parts.iter().find(|p| p.unit == part.unit);
                prop_assert!(same.is_none_or(|p| p.value.abs() < 1e-9));
                // Muting the unit of a line removes exactly its value.
                let muted = model.members(part.unit);
                let left = features.iter().copied().filter(|(f, _)| !muted.contains(&(*f as usize)));
                let left: Vec<(u32, f32)> = left.collect();
                let without = f64::from(model.ledger(user, &left, item, Detail::Raw).score);
                prop_assert!((score - without - f64::from(part.value)).abs() < 1e-6);
            }
        }
    }

    /// A line is true of all users: every user who fulfills its rule has the same value of the group.
    #[test]
    fn lines_are_true_of_all_users(
        data in proptest::collection::vec(proptest::collection::btree_set(0u32..8, 0..7), 12..30),
        subset in 1usize..256,
        other in 1usize..256,
    ) {
        let rows: Vec<Vec<u32>> = data.into_iter().map(|r| r.into_iter().collect()).collect();
        let model = fitted(&Histories::from_rows(&rows, 8).unwrap(), &keen());
        let user = |subset: usize, without: ItemIdx| {
            let items = (0..8).filter(|i| subset >> i & 1 == 1).map(ItemIdx);
            OwnedHistory::of_items(items.filter(|&i| i != without).collect())
        };
        for item in (0..8).map(ItemIdx) {
            let (a, b) = (user(subset, item), user(other, item));
            let lines = |h: &OwnedHistory| lines_of(&model, h.view(), item);
            let of_b = lines(&b);
            for line in lines(&a).parts {
                let (Some(rule), Space::Group) = (&line.rule, line.unit.space) else { continue };
                prop_assert!(rule.operator != Operator::AtLeast(0));
                if rule.holds(|i| b.view().contains(i)) {
                    let value = of_b.parts.iter().find(|p| p.unit == line.unit).map_or(0.0, |p| p.value);
                    prop_assert!((value - line.value).abs() < 1e-6);
                }
            }
        }
    }
}
