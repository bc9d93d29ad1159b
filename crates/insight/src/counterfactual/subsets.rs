//! All sets of moves of one size that may reach the goal: exhaustive, pruned by bounds.
//!
//! A set reaches the goal only if it beats all but [`allowed`](Moves::allowed) competitors. A partial set
//! is abandoned if the best remaining gain against each competitor, each taken from another change if
//! need be, still leaves too many of them unbeaten. So no set of the size is missed, unless the budget of
//! checks runs out, which is said.

use std::collections::HashSet;

use limpid_core::Result;
use limpid_tensor::wide;

use super::HistoryEdit;
use super::moves::{DECIDED, Kind, Move, Moves, row};

/// Most checks of sets of one size.
const CHECKS: u64 = 5_000_000;

/// Most sets of a kind that are kept, the most plausible ones.
const KEPT: usize = 512;

/// Competitors per check, so that most sets fail after the first few.
const CHUNK: usize = 16;

/// Sets that may reach the goal, by kind, most plausible first.
pub(super) struct Promising {
    sets: [Vec<(f64, Vec<HistoryEdit>)>; 3],
    /// The plausibility that a set of each kind must have to be kept.
    least: [f64; 3],
    /// Whether every other set of the size misses the goal, for sure.
    pub(super) complete: bool,
    checks: u64,
}

impl Promising {
    fn none(complete: bool) -> Self {
        Self {
            sets: [Vec::new(), Vec::new(), Vec::new()],
            least: [f64::NEG_INFINITY; 3],
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
        let kind = Kind::of(moves.iter().flat_map(|m| &m.edits)) as usize;
        let odds: f64 = moves.iter().map(|m| m.odds).sum();
        if odds < self.least[kind] {
            self.complete = false;
            return;
        }
        let sets = &mut self.sets[kind];
        sets.push((odds, moves.iter().flat_map(|m| m.edits.clone()).collect()));
        if sets.len() >= 2 * KEPT {
            sort(sets);
            sets.truncate(KEPT);
            self.least[kind] = sets[KEPT - 1].0;
            self.complete = false;
        }
    }

    /// Counts checks; whether there were too many.
    fn spent(&mut self, checks: u64) -> bool {
        self.checks += checks;
        if self.checks > CHECKS {
            self.complete = false;
        }
        self.checks > CHECKS
    }
}

fn sort(sets: &mut [(f64, Vec<HistoryEdit>)]) {
    sets.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
}

/// The sets of `size` changes (1 to 3) of a list of single changes that may reach the goal; with `room`,
/// only those that add an item of the list.
///
/// # Errors
/// As scoring compound moves.
pub(super) fn promising(
    moves: &mut Moves<'_>,
    list: &[usize],
    size: usize,
    room: bool,
) -> Result<Promising> {
    let mut found = Promising::none(moves.exact);
    for compound in 2..=size {
        if moves.exact && !moves.join(compound)? {
            found.complete = false;
        }
    }
    let search = Subsets {
        moves,
        list,
        in_list: list.iter().copied().collect(),
        room,
    };
    match size {
        1 => search.singles(&mut found),
        2 => {
            search.wholes(2, &mut found);
            search.pairs(&mut found);
        }
        _ => {
            search.wholes(3, &mut found);
            search.compounds_and_singles(&mut found);
            search.triples(&mut found);
        }
    }
    Ok(found)
}

/// A search over sets of one size.
struct Subsets<'a, 'q> {
    moves: &'a Moves<'q>,
    list: &'a [usize],
    in_list: HashSet<usize>,
    room: bool,
}

impl Subsets<'_, '_> {
    fn single(&self, at: usize) -> &Move {
        &self.moves.singles.moves[at]
    }

    /// Single changes, and with `room` whether one may be the first of its set: those that make room are
    /// first in every list.
    fn may_begin(&self, at: usize) -> bool {
        !self.room || self.single(at).makes_room
    }

    fn singles(&self, found: &mut Promising) {
        let moves = self.moves;
        for &at in self.list.iter().filter(|&&at| self.may_begin(at)) {
            let single = self.single(at);
            let allowed = moves.allowed(single.removals());
            if reaches(moves, &moves.margins, moves.gain(at), allowed) {
                found.push(&[single]);
            }
        }
    }

    /// The compound moves of the list: their changes, the move and its gains.
    fn compounds(&self, size: usize) -> impl Iterator<Item = (&[usize], &Move, &[f32])> {
        let all = self.moves.compounds(size);
        let width = self.moves.width();
        all.sets.iter().enumerate().filter_map(move |(at, set)| {
            let inside = set.iter().all(|s| self.in_list.contains(s));
            let gains = || row(&all.joined.gains, at, width);
            inside.then(|| (&set[..], &all.joined.moves[at], gains()))
        })
    }

    /// Compound moves alone.
    fn wholes(&self, size: usize, found: &mut Promising) {
        let moves = self.moves;
        for (_, whole, gain) in self.compounds(size) {
            let allowed = moves.allowed(whole.removals());
            if (!self.room || whole.makes_room) && reaches(moves, &moves.margins, gain, allowed) {
                found.push(&[whole]);
            }
        }
    }

    fn pairs(&self, found: &mut Promising) {
        let moves = self.moves;
        let list = self.useful(self.list, &moves.margins, 1);
        let (_, best) = moves.extremes(list.iter().map(|c| c.at));
        let mut sum = vec![0f32; moves.width()];
        for (place, a) in list.iter().enumerate() {
            if !self.may_begin(a.at) {
                break;
            }
            add(&mut sum, &moves.margins, moves.gain(a.at));
            let first = self.single(a.at);
            if may_reach(moves, &sum, &best, 1, first.removals()) {
                let rest = &list[place + 1..];
                self.last(&sum, &[(&[a.at], first)], rest, found);
            }
            if found.spent(0) {
                return;
            }
        }
    }

    /// Two changes that touch, and a third that touches neither.
    fn compounds_and_singles(&self, found: &mut Promising) {
        let moves = self.moves;
        let list = self.useful(self.list, &moves.margins, 2);
        let (_, best) = moves.extremes(list.iter().map(|c| c.at));
        let mut sum = vec![0f32; moves.width()];
        for (set, pair, gain) in self.compounds(2) {
            add(&mut sum, &moves.margins, gain);
            if may_reach(moves, &sum, &best, 1, pair.removals()) {
                let begun = !self.room || pair.makes_room;
                let end = match begun {
                    true => list.len(),
                    false => list.partition_point(|c| self.may_begin(c.at)),
                };
                self.last(&sum, &[(set, pair)], &list[..end], found);
            }
            if found.spent(0) {
                return;
            }
        }
    }

    fn triples(&self, found: &mut Promising) {
        let moves = self.moves;
        let list = self.useful(self.list, &moves.margins, 2);
        let (worst, best) = moves.extremes(list.iter().map(|c| c.at));
        let (mut one, mut two) = (vec![0f32; moves.width()], vec![0f32; moves.width()]);
        // Of three changes, the first is the strongest; but those that make room are first, strong or not.
        let third = match self.room {
            true => f32::MIN,
            false => needed(moves, &moves.margins, 0, 3) / 3.0,
        };
        for (place, a) in strong(&list, third).iter().enumerate() {
            if !self.may_begin(a.at) {
                break;
            }
            add(&mut one, &moves.margins, moves.gain(a.at));
            let first = self.single(a.at);
            if !may_reach(moves, &one, &best, 2, first.removals()) {
                continue;
            }
            // Competitors behind these are beaten whatever the next change is.
            let open = |&j: &usize| one[j] + worst[j] + best[j] < -moves.tolerance;
            let end = (0..one.len()).rev().find(open).map_or(0, |j| j + 1);
            // Of two more changes, the first is the stronger one, with half of what is needed.
            let half = needed(moves, &one, first.removals(), 2) / 2.0;
            let rest = &list[place + 1..];
            let (room, others) = self.by_room(rest);
            let seconds = [(0, room), (room.len(), strong(others, half))];
            for (start, seconds) in seconds {
                let next = self.next(seconds, &one[..end], &best[..end], 1, first.removals());
                for place in next.into_iter().map(|place| start + place) {
                    let b = rest[place].at;
                    if !moves.touch(a.at, b) {
                        add(&mut two, &one, moves.gain(b));
                        let parts: [(&[usize], &Move); 2] =
                            [(&[a.at], first), (&[b], self.single(b))];
                        self.last(&two, &parts, &rest[place + 1..], found);
                    }
                    if found.spent(0) {
                        return;
                    }
                }
                if found.spent(seconds.len() as u64) {
                    return;
                }
            }
        }
    }

    /// The places in a list of the changes that may be the next of a set that reaches the goal, with `others` more
    /// besides.
    fn next(
        &self,
        list: &[Candidate],
        sum: &[f32],
        best: &[f32],
        others: usize,
        removals: usize,
    ) -> Vec<usize> {
        let mut places = Vec::new();
        wide(
            #[inline(always)]
            || {
                for (place, c) in list.iter().enumerate() {
                    let removals = removals + self.single(c.at).removals();
                    if may_reach_with(
                        self.moves,
                        sum,
                        self.moves.gain(c.at),
                        best,
                        others,
                        removals,
                    ) {
                        places.push(place);
                    }
                }
            },
        );
        places
    }

    /// The changes of a list that make room, if that is asked for, and the others; both are strongest first.
    fn by_room<'l>(&self, list: &'l [Candidate]) -> (&'l [Candidate], &'l [Candidate]) {
        list.split_at(list.partition_point(|c| self.room && self.may_begin(c.at)))
    }

    /// Completes a set by each change of a list that touches none of its changes.
    fn last(
        &self,
        sum: &[f32],
        parts: &[(&[usize], &Move)],
        list: &[Candidate],
        found: &mut Promising,
    ) {
        let moves = self.moves;
        let removals: usize = parts.iter().map(|(_, m)| m.removals()).sum();
        let needed = needed(moves, sum, removals, 1);
        let (room, others) = self.by_room(list);
        let (room, others) = (strong(room, needed), strong(others, needed));
        let mut reach: Vec<usize> = Vec::new();
        wide(
            #[inline(always)]
            || {
                for list in [room, others] {
                    for c in list {
                        let allowed = moves.allowed(removals + self.single(c.at).removals());
                        if reaches(moves, sum, moves.gain(c.at), allowed) {
                            reach.push(c.at);
                        }
                    }
                }
            },
        );
        for at in reach {
            let mut singles = parts.iter().flat_map(|(set, _)| set.iter());
            if singles.all(|&s| s != at && !moves.touch(s, at)) {
                let mut set: Vec<&Move> = parts.iter().map(|(_, m)| *m).collect();
                set.push(self.single(at));
                found.push(&set);
            }
        }
        found.spent((room.len() + others.len()) as u64);
    }

    /// The changes of a list that may be part of a set that reaches the goal, with `others` more besides:
    /// those that make room first, if that is asked for, then strongest first.
    fn useful(&self, list: &[usize], sum: &[f32], others: usize) -> Vec<Candidate> {
        let moves = self.moves;
        let most = |at: usize| {
            let gains = moves.gain(at).iter().copied();
            gains.filter(|&g| g < DECIDED).fold(f32::MIN, f32::max)
        };
        let list = list.iter();
        let mut list: Vec<Candidate> = list.map(|&at| Candidate { at, most: most(at) }).collect();
        loop {
            let (_, best) = moves.extremes(list.iter().map(|c| c.at));
            let useful = self.next(&list, sum, &best, others, 0);
            if useful.len() == list.len() {
                break;
            }
            list = useful.into_iter().map(|place| list[place]).collect();
        }
        list.sort_by(|a, b| {
            let later = |c: &Candidate| self.room && !self.may_begin(c.at);
            let strongest = b.most.total_cmp(&a.most).then(a.at.cmp(&b.at));
            later(a).cmp(&later(b)).then(strongest)
        });
        list
    }
}

/// A single change with its largest gain against any competitor that it does not mask.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    at: usize,
    most: f32,
}

/// The changes of a list, strongest first, with a largest gain of at least `least`.
fn strong(list: &[Candidate], least: f32) -> &[Candidate] {
    &list[..list.partition_point(|c| c.most >= least)]
}

/// The least that the largest gains of `others` more changes must add up to: they have to beat all but the
/// allowed competitors, so at least the one whose deficit is the smallest of those that may not all be left.
fn needed(moves: &Moves<'_>, sum: &[f32], removals: usize, others: usize) -> f32 {
    let mut sum = sum.to_vec();
    // Each may remove an item, and mask a competitor.
    let margin = moves.missing(&mut sum, removals + others, others);
    -margin - moves.tolerance
}

fn add(sum: &mut [f32], a: &[f32], b: &[f32]) {
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        *sum = a + b;
    }
}

/// Whether margins with a gain leave no more than `allowed` competitors unbeaten.
#[inline(always)]
fn reaches(moves: &Moves<'_>, sum: &[f32], gain: &[f32], allowed: usize) -> bool {
    let least = -moves.tolerance;
    let mut unbeaten = 0usize;
    for (sum, gain) in sum.chunks(CHUNK).zip(gain.chunks(CHUNK)) {
        let mut short = 0u32;
        for (s, g) in sum.iter().zip(gain) {
            short += u32::from(s + g < least);
        }
        unbeaten += short as usize;
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
    let short = sum.iter().zip(best).filter(|&(s, b)| s + times * b < least);
    short.count() <= allowed
}

/// A lower bound of the number of changes that reach the goal, at most `most + 1`, where changes add up:
/// the largest gains against one competitor, summed until it is beaten, are the exact answer for this
/// competitor alone; enough competitors must be beaten or masked.
pub(super) fn at_least(moves: &Moves<'_>, list: &[usize], most: usize) -> usize {
    let width = moves.width();
    let mut largest = vec![0f32; width * most]; // (C, most), largest first
    for &at in list {
        for (largest, &gain) in largest.chunks_exact_mut(most.max(1)).zip(moves.gain(at)) {
            if largest.last().is_some_and(|&last| gain > last) && gain < DECIDED {
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
                (moves.missing(&mut with, removals, 0), at)
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

/// Whether margins with a gain may still leave few enough competitors unbeaten after `others` more changes, of
/// which each may mask a competitor.
#[inline(always)]
fn may_reach_with(
    moves: &Moves<'_>,
    sum: &[f32],
    gain: &[f32],
    best: &[f32],
    others: usize,
    removals: usize,
) -> bool {
    let allowed = moves.allowed(removals + others) + others;
    let (least, times) = (-moves.tolerance, others as f32);
    let mut unbeaten = 0usize;
    let chunks = sum.chunks(CHUNK).zip(gain.chunks(CHUNK));
    for ((sum, gain), best) in chunks.zip(best.chunks(CHUNK)) {
        let mut short = 0u32;
        for ((s, g), b) in sum.iter().zip(gain).zip(best) {
            short += u32::from(s + g + times * b < least);
        }
        unbeaten += short as usize;
        if unbeaten > allowed {
            return false;
        }
    }
    true
}
