//! The laws of steering, contrasts and counterfactuals, on a small readable model: item-to-item
//! integer weights, defined here so that the tests rely only on the traits of core.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use limpid_core::unit::find_event;
use limpid_core::{
    Activations, Catalogue, Csr, Detail, Edits, Error, Histories, History, Ids, ItemIdx, Ledger,
    Mask, Mat, OwnedHistory, Part, Recommender, Result, Unit, UnitInfo, Units,
};
use limpid_insight::{
    Counterfactual, Goal, HistoryEdit, Plausible, Question, Search, Smallest, Steered, Verdict,
    contrast, search,
};
use proptest::prelude::*;

/// `score(u, j) = Σ_{i ∈ u} weights[i][j]`.
#[derive(Debug)]
struct Links {
    weights: Vec<Vec<f32>>,
}

impl Links {
    fn row(&self, user: History<'_>) -> Vec<(u32, f32)> {
        user.item_values()
            .into_iter()
            .map(|(i, v)| (i.0, v))
            .collect()
    }
}

impl Recommender for Links {
    fn score(&self, users: &Histories) -> Mat {
        self.score_activations(users, &self.activate(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger(user, &self.row(user), item, Detail::Raw)
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for Links {
    fn len(&self) -> usize {
        self.weights.len()
    }

    fn unit(&self, index: usize) -> Unit {
        Unit::event(ItemIdx(index as u32))
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        unit.item().map(ItemIdx::at).into_iter().collect()
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        UnitInfo::event(ItemIdx(unit.index), catalogue)
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        find_event(text, catalogue).unwrap_or_else(|| {
            Err(Error::NoSuchUnit {
                unit: text.to_owned(),
                hint: "links only".into(),
            })
        })
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows = users.rows().map(|row| self.row(row));
        Csr::from_rows(rows, self.weights.len()).unwrap()
    }

    fn score_activations(&self, _: &Histories, activations: &Activations) -> Mat {
        let n = self.weights.len();
        Mat::from_shape_fn((activations.n_rows(), n), |(u, j)| {
            (0..n)
                .map(|i| activations.get(u, i as u32) * self.weights[i][j])
                .sum()
        })
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        let parts = activations.iter().map(|&(k, activation)| {
            let effect = self.weights[k as usize][item.at()];
            let cites = user.events_of(ItemIdx(k)).collect();
            Part::new(self.unit(k as usize), activation, effect, cites)
        });
        Ledger::of_parts(0.0, parts.collect())
    }

    fn effect(&self, index: usize, item: ItemIdx) -> Option<f32> {
        Some(self.weights[index][item.at()])
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        Some(vec![item.at()])
    }
}

/// Links, and rules "both of two items" with weights: edits of the two do not add up.
#[derive(Debug)]
struct Paired {
    links: Links,
    pairs: Vec<([u32; 2], Vec<f32>)>,
}

impl Recommender for Paired {
    fn score(&self, users: &Histories) -> Mat {
        self.score_activations(users, &self.activate(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.links.explain(user, item)
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for Paired {
    fn len(&self) -> usize {
        self.links.len() + self.pairs.len()
    }

    fn unit(&self, index: usize) -> Unit {
        self.links.unit(index)
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        self.links.members(unit)
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        self.links.info(unit, catalogue)
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        self.links.resolve(text, catalogue)
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows = users.rows().map(|row| {
            let mut active = self.links.row(row);
            let pairs = self.pairs.iter().enumerate();
            let both = pairs.filter(|(_, (p, _))| p.iter().all(|&i| row.contains(ItemIdx(i))));
            active.extend(both.map(|(at, _)| ((self.links.len() + at) as u32, 1.0)));
            active
        });
        Csr::from_rows(rows, self.len()).unwrap()
    }

    fn score_activations(&self, _: &Histories, activations: &Activations) -> Mat {
        Mat::from_shape_fn((activations.n_rows(), self.links.len()), |(u, j)| {
            let effect = |k| self.effect(k, ItemIdx(j as u32)).unwrap();
            (0..self.len())
                .map(|k| activations.get(u, k as u32) * effect(k))
                .sum()
        })
    }

    fn ledger(&self, _: History<'_>, _: &[(u32, f32)], _: ItemIdx, _: Detail) -> Ledger {
        Ledger::default()
    }

    fn effect(&self, index: usize, item: ItemIdx) -> Option<f32> {
        match index.checked_sub(self.links.len()) {
            None => self.links.effect(index, item),
            Some(pair) => Some(self.pairs[pair].1[item.at()]),
        }
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        let pairs = self.pairs.iter().enumerate();
        let with = pairs.filter(|(_, (p, _))| p.contains(&item.0));
        let with = with.map(|(at, _)| self.links.len() + at);
        Some([item.at()].into_iter().chain(with).collect())
    }
}

fn catalogue(n: usize) -> Catalogue {
    let mut c =
        Catalogue::of_items(Ids::from_names((0..n).map(|i| i.to_string()).collect()).unwrap());
    c.train_counts = vec![1; n];
    c.n_train_users = 1;
    c
}

fn history(items: &[u32]) -> OwnedHistory {
    OwnedHistory::of_items(items.iter().map(|&i| ItemIdx(i)).collect())
}

fn ask(model: &dyn Recommender, items: &[u32], item: u32, n: usize, goal: Goal) -> Verdict {
    let catalogue = catalogue(model.score(&Histories::from_rows(&[], 7).unwrap()).ncols());
    let user = history(items);
    let ties = catalogue.tie_breaks(0);
    let mask = |h: History<'_>| {
        let mut mask = Mask::none(catalogue.len());
        mask.hide(h.items.iter().copied());
        mask
    };
    let question = Question {
        model,
        user: user.view(),
        item: ItemIdx(item),
        n,
        goal,
        catalogue: &catalogue,
        tie_breaks: &ties,
        mask: &mask,
        plausible: &Plausible::of_popularity(&catalogue),
    };
    let limits = Search {
        shown: 64,
        ..Search::default()
    };
    search(&question, limits).unwrap()
}

/// Items 0–5; the user has 0. 0 → 1 weighs 3, 2 → 3 weighs 5, 4 → 3 and 5 → 3 weigh 2.
fn small() -> Links {
    let mut weights = vec![vec![0.0; 6]; 6];
    weights[0][1] = 3.0;
    weights[2][3] = 5.0;
    weights[4][3] = 2.0;
    weights[5][3] = 2.0;
    Links { weights }
}

#[test]
fn one_event_is_proven_smallest() {
    let v = ask(&small(), &[0], 3, 1, Goal::Enter);
    assert!(!v.already && v.exhaustive);
    let first = &v.counterfactuals[0];
    assert_eq!(first.edits, [HistoryEdit::Add(ItemIdx(2))]);
    assert_eq!(first.smallest, Smallest::Proven);
    assert_eq!((first.after.rank, first.after.score), (1, 5.0));
    // Adding the item at the last rank would mask it, which moves 3 in only by a tie.
    for c in &v.counterfactuals {
        assert!(c.after.rank <= 1);
    }
}

#[test]
fn two_events_are_found_and_proven_if_no_single_one_suffices() {
    let mut model = small();
    model.weights[2][3] = 2.0;
    // 1 stays ahead unless 3 gets more than 3; removing 0 or adding 1 leaves only ties.
    for j in [2, 4, 5] {
        model.weights[0][j] = 2.5;
        model.weights[1][j] = 1.0;
    }
    let v = ask(&model, &[0], 3, 1, Goal::Enter);
    assert!(v.exhaustive && !v.counterfactuals.is_empty());
    let c = &v.counterfactuals[0];
    assert_eq!((c.edits.len(), c.after.rank), (2, 1));
    let single = v.counterfactuals.iter().any(|c| c.edits.len() == 1);
    assert_eq!(c.smallest == Smallest::Proven, !single);
}

#[test]
fn a_removal_moves_an_item_out_of_the_list() {
    let mut model = small();
    model.weights[4][2] = 1.0;
    let v = ask(&model, &[0, 4], 1, 1, Goal::Leave);
    let removal = v
        .counterfactuals
        .iter()
        .find(|c| c.edits == [HistoryEdit::Remove(ItemIdx(0))])
        .unwrap();
    assert!(removal.after.rank > 1);
    assert!(ask(&model, &[0], 1, 1, Goal::Enter).already);
}

/// A model without units of its own: an item scores the number of smaller items of the history.
struct Counts;

impl Recommender for Counts {
    fn score(&self, users: &Histories) -> Mat {
        let mut scores = Mat::zeros((users.len(), users.n_items()));
        for ((u, j), score) in scores.indexed_iter_mut() {
            *score = self.explain(users.row(u), ItemIdx(j as u32)).score;
        }
        scores
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let items = user.item_values().into_iter().map(|e| e.0);
        let parts = items.filter(|&i| i < item).map(|i| {
            let cites = user.events_of(i).collect();
            Part::new(Unit::event(i), 1.0, 1.0, cites)
        });
        Ledger::of_parts(0.0, parts.collect())
    }
}

fn steered<'a>(model: &'a dyn Recommender, edits: &[&str], c: &Catalogue) -> Result<Steered<'a>> {
    Steered::new(model, &Edits::parse(edits)?, c)
}

#[test]
fn every_model_has_the_events_of_its_history_as_units() {
    let c = catalogue(4);
    let rows = |items: &[u32]| Histories::from_histories([history(items).view()], 4).unwrap();
    let edited = steered(&Counts, &["link:0=off", "link:1=1"], &c).unwrap();
    assert_eq!(
        edited.score(&rows(&[0, 2])),
        Counts.score(&rows(&[2, 1])),
        "removed and added"
    );
    assert_eq!(edited.written(), ["link:0=off", "link:1=1"]);
    let ledger = edited.explain(history(&[0, 2]).view(), ItemIdx(3));
    let of: Vec<_> = ledger
        .parts
        .iter()
        .map(|p| (p.unit.index, p.value, p.edited_by.as_deref()))
        .collect();
    assert_eq!(
        of,
        [
            (1, 1.0, Some("link:1=1")),
            (2, 1.0, None),
            (0, 0.0, Some("link:0=off"))
        ]
    );
    for half in ["link:0=2x", "link:0+0.5", "link:0=0.5", "link:0~0.3"] {
        let message = steered(&Counts, &[half], &c).err().unwrap().to_string();
        assert!(message.contains("present or absent"), "{message}");
    }
}

#[test]
fn unknown_units_and_conflicts_are_refused() {
    let c = catalogue(6);
    let message = |edits: &[&str]| steered(&small(), edits, &c).err().unwrap().to_string();
    assert!(message(&["r0=off"]).contains("no unit 'r0'"));
    assert!(message(&["link:9=off"]).contains("unknown item '9'"));
    // The id and the title of one item.
    let mut named = catalogue(6);
    named.titles = (0..6).map(|i| format!("title {i}")).collect();
    let model = small();
    let twice = steered(&model, &["link:0=2x", "link:title 0=3x"], &named);
    assert!(twice.err().unwrap().to_string().contains("keep one"));
}

#[test]
fn blends_keep_the_mass() {
    let model = small();
    let c = catalogue(6);
    let edited = steered(&model, &["link:5~0.5", "link:0=off"], &c).unwrap();
    let user = history(&[0, 1, 2]);
    let ledger = edited.explain(user.view(), ItemIdx(3));
    let value = |k: u32| {
        ledger
            .parts
            .iter()
            .find(|p| p.unit.index == k)
            .unwrap()
            .activation
    };
    // 1 and 2 keep half of their activation; half of the mass of 2 goes to 5.
    assert_eq!((value(2), value(5)), (0.5, 1.0));
    assert!(ledger.parts.iter().all(|p| p.edited_by.is_some()));
}

fn any_model() -> impl Strategy<Value = Links> {
    proptest::collection::vec(proptest::collection::vec(-3i8..4, 7), 7).prop_map(|w| Links {
        weights: w
            .into_iter()
            .map(|row| row.into_iter().map(f32::from).collect())
            .collect(),
    })
}

fn any_paired() -> impl Strategy<Value = Paired> {
    let pair = (0u32..7, 1u32..7, proptest::collection::vec(-3i8..6, 7));
    (any_model(), proptest::collection::vec(pair, 0..4)).prop_map(|(links, pairs)| Paired {
        links,
        pairs: pairs
            .into_iter()
            .map(|(a, step, w)| ([a, (a + step) % 7], w.into_iter().map(f32::from).collect()))
            .collect(),
    })
}

/// Of all edits that reach the goal without items of the list, by kind (additions, removals, both): the fewest
/// events, and how many edits have as few; by trying all subsets.
fn by_trying_all(
    model: &Paired,
    items: &[u32],
    item: u32,
    n: usize,
) -> [Option<(usize, usize)>; 3] {
    let c = catalogue(7);
    let ties = c.tie_breaks(0);
    let ranked = |has: &[u32]| -> Vec<u32> {
        let row = Histories::from_histories([history(has).view()], 7).unwrap();
        let scores = model.score(&row).into_raw_vec_and_offset().0;
        let mut mask = Mask::none(7);
        mask.hide(has.iter().map(|&i| ItemIdx(i)));
        let list = limpid_core::top_k(&scores, &mask, &ties, n);
        list.iter().map(|s| s.item.0).collect()
    };
    let list = ranked(items);
    let others: Vec<u32> = (0..7).filter(|&i| i != item).collect();
    let mut best: [Option<(usize, usize)>; 3] = [None; 3];
    for subset in 1usize..1 << others.len() {
        let changed = |i: &u32| {
            others
                .iter()
                .position(|o| o == i)
                .is_some_and(|b| subset >> b & 1 == 1)
        };
        let added: Vec<u32> = others
            .iter()
            .copied()
            .filter(|i| changed(i) && !items.contains(i))
            .collect();
        if added.iter().any(|i| list.contains(i)) {
            continue;
        }
        let mut has: Vec<u32> = items.iter().copied().filter(|i| !changed(i)).collect();
        let removed = items.len() - has.len();
        has.extend(&added);
        let size = subset.count_ones() as usize;
        let kind = match (added.is_empty(), removed) {
            (false, 0) => 0,
            (true, _) => 1,
            _ => 2,
        };
        if ranked(&has).contains(&item) {
            best[kind] = match best[kind] {
                Some((fewest, n)) if fewest == size => Some((size, n + 1)),
                Some((fewest, n)) if fewest < size => Some((fewest, n)),
                _ => Some((size, 1)),
            };
        }
    }
    best
}

#[test]
fn a_model_that_ignores_the_history_says_so() {
    struct Fixed;
    impl Recommender for Fixed {
        fn score(&self, users: &Histories) -> Mat {
            Mat::from_shape_fn((users.len(), 7), |(_, j)| j as f32)
        }
        fn explain(&self, _: History<'_>, _: ItemIdx) -> Ledger {
            Ledger::default()
        }
    }
    let v = ask(&Fixed, &[0], 2, 2, Goal::Enter);
    assert!(!v.responds && !v.already && v.counterfactuals.is_empty());
    assert!(v.replayed < 10, "{}", v.replayed);
    assert!(ask(&Counts, &[0], 1, 1, Goal::Enter).responds);
}

/// What similar users have is preferred among edits of one size, and what is missing is shown where
/// nothing reaches the list.
#[test]
fn plausible_edits_come_first_and_failures_show_what_comes_nearest() {
    let mut model = small();
    model.weights[4][3] = 5.0;
    model.weights[5][3] = 5.0;
    let train = Histories::from_rows(&[vec![0, 5], vec![0, 5, 4], vec![2, 1]], 6).unwrap();
    let mut c = catalogue(6);
    c.train_counts = train.item_counts();
    c.n_train_users = 3;
    c.train_counts[3] = 1;
    let user = history(&[0]);
    let ties = c.tie_breaks(0);
    let mask = |h: History<'_>| {
        let mut mask = Mask::none(6);
        mask.hide(h.items.iter().copied());
        mask
    };
    let question = |model| Question {
        model,
        user: user.view(),
        item: ItemIdx(3),
        n: 1,
        goal: Goal::Enter,
        catalogue: &c,
        tie_breaks: &ties,
        mask: &mask,
        plausible: Box::leak(Box::new(Plausible::of_neighbors(user.view(), &train, &c))),
    };
    let v = search(&question(&model), Search::default()).unwrap();
    let first: Vec<_> = v
        .counterfactuals
        .iter()
        .take(3)
        .map(|c| &c.edits[0])
        .collect();
    let add = |i| HistoryEdit::Add(ItemIdx(i));
    assert_eq!(first, [&add(5), &add(4), &add(2)]);
    // Nothing supports item 3 any more; removing 0 would leave ties, so its effect is made negative.
    let mut hopeless = small();
    for from in 0..6 {
        hopeless.weights[from][3] = -9.0;
        hopeless.weights[from][1] = 3.0;
        hopeless.weights[from][2] = 3.0;
        hopeless.weights[from][4] = 1.0;
    }
    let limits = Search {
        max_edits: 1,
        ..Search::default()
    };
    let both = history(&[0, 5]);
    let asked = Question {
        user: both.view(),
        ..question(&hopeless)
    };
    let v = search(&asked, limits).unwrap();
    assert!(v.counterfactuals.is_empty() && v.ruled_out == 1, "{v:?}");
    assert_eq!(v.nearest[0].after.score, -9.0, "{v:?}");
}

proptest! {
    /// Sizes, numbers and proofs equal those of trying every subset, with rules over pairs of items too.
    #[test]
    fn the_smallest_edits_are_smallest(
        model in any_paired(),
        items in proptest::collection::btree_set(0u32..7, 0..5),
        item in 0u32..7,
        n in 1usize..4,
    ) {
        prop_assume!(!items.contains(&item));
        let items: Vec<u32> = items.into_iter().collect();
        let v = ask(&model, &items, item, n, Goal::Enter);
        if !v.already {
            let best = by_trying_all(&model, &items, item, n);
            let fewest = best.into_iter().flatten().map(|b| b.0).min().filter(|&s| s <= 3);
            let found: Vec<_> = v.counterfactuals.iter().filter(|c| !c.makes_room).collect();
            prop_assert_eq!(found.first().map(|c| c.edits.len()), fewest, "{:?}", v);
            prop_assert_eq!(v.ruled_out, fewest.map_or(3, |s| s - 1), "{:?}", v);
            let kind = |c: &Counterfactual| {
                let adds = c.edits.iter().filter(|e| matches!(e, HistoryEdit::Add(_))).count();
                match (adds, c.edits.len() - adds) {
                    (_, 0) => 0,
                    (0, _) => 1,
                    _ => 2,
                }
            };
            for c in &found {
                let of_kind = found.iter().filter(|o| kind(o) == kind(c)).count();
                prop_assert_eq!(Some((c.edits.len(), of_kind)), best[kind(c)], "{:?} {:?}", c, best);
                let expected = match Some(c.edits.len()) == fewest {
                    true => Smallest::Proven,
                    false => Smallest::OfItsKind,
                };
                prop_assert_eq!(c.smallest, expected);
            }
        }
    }

    #[test]
    fn no_edit_is_no_change_bit_for_bit(model in any_model(), items in proptest::collection::vec(0u32..7, 0..6)) {
        let c = catalogue(7);
        let rows = Histories::from_histories([history(&items).view()], 7).unwrap();
        let none = steered(&model, &[], &c).unwrap();
        prop_assert_eq!(none.score(&rows), model.score(&rows));
        // An edit that changes nothing for this row keeps its scores.
        let absent = (0..7u32).find(|i| !items.contains(i)).unwrap();
        let idle = steered(&model, &[&format!("link:{absent}=off")], &c).unwrap();
        prop_assert_eq!(idle.score(&rows), model.score(&rows));
    }

    #[test]
    fn steered_ledgers_add_up_and_say_what_was_edited(
        model in any_model(),
        items in proptest::collection::vec(0u32..7, 1..6),
        factor in -2i8..3,
    ) {
        let c = catalogue(7);
        let user = history(&items);
        let rows = Histories::from_histories([user.view()], 7).unwrap();
        let text = format!("link:{}={factor}x", items[0]);
        let steered = steered(&model, &[&text], &c).unwrap();
        let scores = steered.score(&rows);
        for item in (0..7).map(ItemIdx) {
            let ledger = steered.explain(user.view(), item);
            prop_assert!(ledger.adds_up(1e-5));
            prop_assert!((ledger.score - scores[[0, item.at()]]).abs() < 1e-4);
            for part in &ledger.parts {
                let edited = part.unit == Unit::event(ItemIdx(items[0])) && factor != 1;
                prop_assert_eq!(part.edited_by.as_ref(), edited.then_some(&text));
            }
        }
    }

    /// Muting a unit equals removing the item from the history.
    #[test]
    fn muting_is_ignoring(model in any_model(), items in proptest::collection::vec(0u32..7, 1..6)) {
        let c = catalogue(7);
        let text = format!("link:{}=off", items[0]);
        let steered = steered(&model, &[&text], &c).unwrap();
        let mut without = history(&items);
        without.remove(ItemIdx(items[0]));
        let row = |h: &OwnedHistory| Histories::from_histories([h.view()], 7).unwrap();
        prop_assert_eq!(steered.score(&row(&history(&items))), model.score(&row(&without)));
    }

    #[test]
    fn contrasts_add_up(model in any_model(), items in proptest::collection::vec(0u32..7, 0..6), a in 0u32..7, b in 0u32..7) {
        let user = history(&items);
        let c = contrast(
            model.explain(user.view(), ItemIdx(a)),
            model.explain(user.view(), ItemIdx(b)),
        );
        let sum: f32 = c.base + c.residual + c.parts.iter().map(|p| p.difference).sum::<f32>();
        prop_assert!((sum - c.difference()).abs() < 1e-4);
    }

    /// Every counterfactual reaches its goal: replayed here without the code of the search.
    #[test]
    fn every_counterfactual_is_true(
        model in any_model(),
        items in proptest::collection::btree_set(0u32..7, 0..4),
        item in 0u32..7,
        n in 1usize..4,
    ) {
        prop_assume!(!items.contains(&item));
        let items: Vec<u32> = items.into_iter().collect();
        let ties = catalogue(7).tie_breaks(0);
        for goal in [Goal::Enter, Goal::Leave] {
            let v = ask(&model, &items, item, n, goal);
            for c in &v.counterfactuals {
                prop_assert!(!v.already);
                let mut has: Vec<u32> = items.clone();
                for edit in &c.edits {
                    match *edit {
                        HistoryEdit::Add(i) => has.push(i.0),
                        HistoryEdit::Remove(i) => has.retain(|&h| h != i.0),
                        HistoryEdit::AddOf(..) | HistoryEdit::RemoveOf(..) => {
                            prop_assert!(false, "a model of one behavior has no edits of behaviors");
                        }
                    }
                }
                let score = |j: u32| -> f32 {
                    has.iter().map(|&i| model.weights[i as usize][j as usize]).sum()
                };
                let ahead = (0..7u32)
                    .filter(|j| *j != item && !has.contains(j))
                    .filter(|&j| {
                        score(j) > score(item)
                            || score(j) == score(item) && ties[j as usize] < ties[item as usize]
                    })
                    .count();
                prop_assert_eq!(ahead + 1, c.after.rank);
                prop_assert_eq!(goal == Goal::Enter, c.after.rank <= n);
                prop_assert_eq!(c.edits.len() == 1, c.smallest == Smallest::Proven && c.edits.len() < 2);
            }
        }
    }
}
