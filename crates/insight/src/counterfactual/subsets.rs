//! All sets of moves of one size that may reach the goal: exhaustive, pruned by bounds.
//!
//! A set reaches the goal only if it beats all but [`allowed`](Moves::allowed) competitors. A partial set
//! is abandoned if the best remaining gain against each competitor, each taken from another change if
//! need be, still leaves too many of them unbeaten. So no set of the size is missed, unless the budget of
//! checks runs out, which is said.

use limpid_core::Result;

use super::HistoryEdit;
use super::moves::{Gains, Kind, Move, Moves, row};

/// Most checks of sets of one size.
const CHECKS: u64 = 12_000_000;

/// Most sets of a kind that are kept, the most plausible ones.
const KEPT: usize = 512;

/// Competitors per check, so that most sets fail after the first few.
const CHUNK: usize = 32;

/// Sets that may reach the goal, by kind, most plausible first.
pub(super) struct Promising {
    sets: [Vec<(f64, Vec<HistoryEdit>)>; 3],
    /// Whether every other set of the size misses the goal, for sure.
    pub(super) complete: bool,
    checks: u64,
}

impl Promising {
    fn none(complete: bool) -> Self {
        Self {
            sets: [Vec::new(), Vec::new(), Vec::new()],
            complete,
            checks: 0,
        }
    }

    /// Single changes that reach the goal, all others being known to miss it.
    pub(super) fn singles(moves: &Moves<'_>, list: &[usize]) -> Self {
        let mut found = Self::none(true);
        for &at in list {
            found.push(&[&moves.singles.moves[at]]);
        }
        found
    }

    /// The sets of a kind, most plausible first.
    pub(super) fn of(&mut self, kind: Kind) -> Vec<Vec<HistoryEdit>> {
        let sets = &mut self.sets[kind as usize];
        sort(sets);
        std::mem::take(sets).into_iter().map(|(_, e)| e).collect()
    }

    fn push(&mut self, moves: &[&Move]) {
        let edits: Vec<HistoryEdit> = moves.iter().flat_map(|m| m.edits.clone()).collect();
        let sets = &mut self.sets[Kind::of(&edits) as usize];
        sets.push((moves.iter().map(|m| m.odds).sum(), edits));
        if sets.len() >= 2 * KEPT {
            sort(sets);
            sets.truncate(KEPT);
            self.complete = false;
        }
    }

    fn spent(&mut self) -> bool {
        self.checks += 1;
        if self.checks > CHECKS {
            self.complete = false;
        }
        self.checks > CHECKS
    }
}

fn sort(sets: &mut [(f64, Vec<HistoryEdit>)]) {
    sets.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
}

/// The sets of `size` changes (1 to 3) of a list of single changes that may reach the goal.
///
/// # Errors
/// As scoring compound moves.
pub(super) fn promising(moves: &Moves<'_>, list: &[usize], size: usize) -> Result<Promising> {
    let mut found = Promising::none(moves.exact);
    let mut in_list = vec![false; moves.singles.moves.len()];
    for &at in list {
        in_list[at] = true;
    }
    let compounds = |size: usize, found: &mut Promising| -> Result<(Vec<Vec<usize>>, Gains)> {
        let compounds = match moves.exact {
            true => moves.compounds(size, &|at| in_list[at])?,
            false => Some(Default::default()),
        };
        found.complete &= compounds.is_some();
        Ok(compounds.unwrap_or_default())
    };
    match size {
        1 => singles(moves, list, &mut found),
        2 => {
            let (_, whole) = compounds(2, &mut found)?;
            wholes(moves, &whole, &mut found);
            pairs(moves, list, &mut found);
        }
        _ => {
            let (_, whole) = compounds(3, &mut found)?;
            wholes(moves, &whole, &mut found);
            let (sets, two) = compounds(2, &mut found)?;
            compounds_and_singles(moves, list, &sets, &two, &mut found);
            triples(moves, list, &mut found);
        }
    }
    Ok(found)
}

fn singles(moves: &Moves<'_>, list: &[usize], found: &mut Promising) {
    for &at in list {
        let single = &moves.singles.moves[at];
        let allowed = moves.allowed(single.removals());
        if reaches(moves, &moves.margins, moves.gain(at), allowed) {
            found.push(&[single]);
        }
    }
}

/// Compound moves alone.
fn wholes(moves: &Moves<'_>, whole: &Gains, found: &mut Promising) {
    for (at, one) in whole.moves.iter().enumerate() {
        let gain = row(&whole.gains, at, moves.width());
        if reaches(moves, &moves.margins, gain, moves.allowed(one.removals())) {
            found.push(&[one]);
        }
    }
}

fn pairs(moves: &Moves<'_>, list: &[usize], found: &mut Promising) {
    let list = useful(moves, list, &moves.margins, 1);
    let best = moves.best(&list);
    let mut sum = vec![0f32; moves.width()];
    for (place, &a) in list.iter().enumerate() {
        add(&mut sum, &moves.margins, moves.gain(a));
        let first = &moves.singles.moves[a];
        if !may_reach(moves, &sum, &best, 1, first.removals()) {
            continue;
        }
        for &b in &list[place + 1..] {
            if found.spent() {
                return;
            }
            let second = &moves.singles.moves[b];
            let allowed = moves.allowed(first.removals() + second.removals());
            if reaches(moves, &sum, moves.gain(b), allowed) && !moves.touch(a, b) {
                found.push(&[first, second]);
            }
        }
    }
}

/// Two changes that touch, and a third that touches neither.
fn compounds_and_singles(
    moves: &Moves<'_>,
    list: &[usize],
    sets: &[Vec<usize>],
    two: &Gains,
    found: &mut Promising,
) {
    let best = moves.best(list);
    let mut sum = vec![0f32; moves.width()];
    for (at, (set, pair)) in sets.iter().zip(&two.moves).enumerate() {
        add(&mut sum, &moves.margins, row(&two.gains, at, moves.width()));
        if !may_reach(moves, &sum, &best, 1, pair.removals()) {
            continue;
        }
        for &c in list {
            if found.spent() {
                return;
            }
            let third = &moves.singles.moves[c];
            let allowed = moves.allowed(pair.removals() + third.removals());
            let apart = || set.iter().all(|&s| s != c && !moves.touch(s, c));
            if reaches(moves, &sum, moves.gain(c), allowed) && apart() {
                found.push(&[pair, third]);
            }
        }
    }
}

fn triples(moves: &Moves<'_>, list: &[usize], found: &mut Promising) {
    let list = useful(moves, list, &moves.margins, 2);
    let best = moves.best(&list);
    let (mut one, mut two) = (vec![0f32; moves.width()], vec![0f32; moves.width()]);
    for (place, &a) in list.iter().enumerate() {
        add(&mut one, &moves.margins, moves.gain(a));
        let first = &moves.singles.moves[a];
        if !may_reach(moves, &one, &best, 2, first.removals()) {
            continue;
        }
        let rest = useful(moves, &list[place + 1..], &one, 1);
        let best = moves.best(&rest);
        for (place, &b) in rest.iter().enumerate() {
            let second = &moves.singles.moves[b];
            add(&mut two, &one, moves.gain(b));
            let removals = first.removals() + second.removals();
            if !may_reach(moves, &two, &best, 1, removals) || moves.touch(a, b) {
                continue;
            }
            for &c in &rest[place + 1..] {
                if found.spent() {
                    return;
                }
                let third = &moves.singles.moves[c];
                let allowed = moves.allowed(removals + third.removals());
                let apart = || !moves.touch(a, c) && !moves.touch(b, c);
                if reaches(moves, &two, moves.gain(c), allowed) && apart() {
                    found.push(&[first, second, third]);
                }
            }
        }
    }
}

/// The changes of a list that may be part of a set that reaches the goal, with `others` more besides;
/// strongest first, so that a search that is cut off has seen the best.
fn useful(moves: &Moves<'_>, list: &[usize], sum: &[f32], others: usize) -> Vec<usize> {
    let mut list = list.to_vec();
    let mut with = vec![0f32; moves.width()];
    loop {
        let best = moves.best(&list);
        let before = list.len();
        list.retain(|&at| {
            add(&mut with, sum, moves.gain(at));
            let removals = moves.singles.moves[at].removals();
            may_reach(moves, &with, &best, others, removals)
        });
        if list.len() == before {
            break;
        }
    }
    let strength = |at: usize| -> f32 {
        let capped = moves.gain(at).iter().map(|g| g.clamp(-1e3, 1e3));
        capped.take(CHUNK).sum()
    };
    list.sort_by_cached_key(|&at| std::cmp::Reverse(ordered(strength(at))));
    list
}

/// An integer that orders as the number does.
fn ordered(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

fn add(sum: &mut [f32], a: &[f32], b: &[f32]) {
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        *sum = a + b;
    }
}

/// Whether margins with a gain leave no more than `allowed` competitors unbeaten.
fn reaches(moves: &Moves<'_>, sum: &[f32], gain: &[f32], allowed: usize) -> bool {
    let least = -moves.tolerance;
    let mut unbeaten = 0usize;
    for (sum, gain) in sum.chunks(CHUNK).zip(gain.chunks(CHUNK)) {
        let short = sum.iter().zip(gain).map(|(s, g)| u32::from(s + g < least));
        unbeaten += short.sum::<u32>() as usize;
        if unbeaten > allowed {
            return false;
        }
    }
    true
}

/// Whether margins may still leave few enough competitors unbeaten after `others` more changes, of which
/// each may mask a competitor.
fn may_reach(moves: &Moves<'_>, sum: &[f32], best: &[f32], others: usize, removals: usize) -> bool {
    let allowed = moves.allowed(removals + others) + others;
    let (least, times) = (-moves.tolerance, others as f32);
    let mut unbeaten = 0usize;
    for (sum, best) in sum.chunks(CHUNK).zip(best.chunks(CHUNK)) {
        let short = sum
            .iter()
            .zip(best)
            .map(|(s, b)| u32::from(s + times * b < least));
        unbeaten += short.sum::<u32>() as usize;
        if unbeaten > allowed {
            return false;
        }
    }
    true
}

/// A lower bound of the number of changes that reach the goal, at most `most + 1`, where changes add up:
/// the largest gains against one competitor, summed until it is beaten, are the exact answer for this
/// competitor alone; enough competitors must be beaten or masked.
pub(super) fn at_least(moves: &Moves<'_>, list: &[usize], most: usize) -> usize {
    let width = moves.width();
    let mut largest = vec![0f32; width * most]; // (C, most), largest first
    for &at in list {
        for (largest, &gain) in largest.chunks_exact_mut(most.max(1)).zip(moves.gain(at)) {
            if largest.last().is_some_and(|&last| gain > last) && gain < super::moves::DECIDED {
                let place = largest.partition_point(|&g| g >= gain);
                largest[place..].rotate_right(1);
                largest[place] = gain;
            }
        }
    }
    let needed: Vec<usize> = (0..width)
        .map(|j| {
            let mut margin = moves.margins[j];
            let mut n = 0;
            while margin < -moves.tolerance && n < most {
                margin += largest[j * most + n];
                n += 1;
            }
            if margin < -moves.tolerance {
                most + 1
            } else {
                n
            }
        })
        .collect();
    let unbeaten = |size: usize| needed.iter().filter(|&&n| n > size).count();
    (0..=most)
        .find(|&size| unbeaten(size) <= moves.allowed(size) + size)
        .unwrap_or(most + 1)
}

/// Changes chosen one by one, each the one that comes nearest to the goal, until it may be reached; `None`
/// if `most` of them do not suffice.
pub(super) fn one_by_one(
    moves: &Moves<'_>,
    list: &[usize],
    most: usize,
) -> Option<Vec<HistoryEdit>> {
    let mut sum = moves.margins.clone();
    let mut with = sum.clone();
    let (mut chosen, mut removals) = (Vec::new(), 0);
    while chosen.len() < most {
        let left = list.iter().copied().filter(|at| {
            chosen
                .iter()
                .all(|&c: &usize| c != *at && !moves.touch(c, *at))
        });
        let next = left
            .map(|at| {
                add(&mut with, &sum, moves.gain(at));
                let removals = removals + moves.singles.moves[at].removals();
                (moves.missing(&mut with, removals), at)
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
        let at = next.1;
        removals += moves.singles.moves[at].removals();
        chosen.push(at);
        let before = std::mem::take(&mut sum);
        sum = vec![0.0; before.len()];
        add(&mut sum, &before, moves.gain(at));
        if next.0 >= -moves.tolerance {
            let edits = chosen.iter().map(|&at| moves.singles.moves[at].edits[0]);
            return Some(edits.collect());
        }
    }
    None
}
