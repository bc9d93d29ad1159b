//! What each change of a history does to the competition: the margins between the item and the items
//! that it competes with.
//!
//! For an affine model (score = base + Σ activation × effect, see
//! [`Units::effect`](limpid_core::Units::effect)) the change of every score by an edit is exact, and the
//! changes of edits that touch no unit in common add up; edits that do touch one are joined into a
//! compound move with its own changes. For any other model the changes are those of replayed single
//! edits, and their sums are estimates that only order what is replayed.

use std::collections::{BTreeMap, BTreeSet};

use limpid_core::{
    Activations, Csr, Histories, ItemIdx, OwnedHistory, Result, Units, UnitsOf, rank_of, top_k,
};

use super::{BATCH, Goal, HistoryEdit, Question, Replay, apply};

/// Competitors whose margins are followed: the best of the current ranking. The others cannot make a
/// condition false that holds, only an answer, and every answer is replayed.
const COMPETITORS: usize = 256;

/// Margin of a competitor that a move masks.
pub(super) const DECIDED: f32 = 1e30;

/// Most compound moves that are formed; with more, larger edits are estimates.
const COMPOUNDS: usize = 40_000;

/// The kind of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Additions,
    Removals,
    Mixed,
}

impl Kind {
    pub(super) fn of(edits: &[HistoryEdit]) -> Self {
        let added = |e: &HistoryEdit| matches!(e, HistoryEdit::Add(_));
        match (edits.iter().all(added), edits.iter().any(added)) {
            (true, _) => Self::Additions,
            (_, false) => Self::Removals,
            _ => Self::Mixed,
        }
    }
}

/// A change of one event, or of several that do not add up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Move {
    pub(super) edits: Vec<HistoryEdit>,
    /// Sum of log odds.
    pub(super) odds: f64,
    /// Whether it adds an item of the list, which makes room in it.
    pub(super) makes_room: bool,
}

impl Move {
    pub(super) fn removals(&self) -> usize {
        let removed = |e: &&HistoryEdit| matches!(e, HistoryEdit::Remove(_));
        self.edits.iter().filter(removed).count()
    }
}

/// Moves with their gains `(moves, C)`.
#[derive(Debug, Default)]
pub(super) struct Gains {
    pub(super) moves: Vec<Move>,
    pub(super) gains: Vec<f32>,
}

/// The competition and the single changes.
pub(super) struct Moves<'q> {
    q: &'q Question<'q>,
    base: OwnedHistory,
    /// The competitors, best first `(C)`.
    columns: Vec<ItemIdx>,
    /// How far each competitor is beaten now, in the direction of the goal `(C)`.
    pub(super) margins: Vec<f32>,
    /// Rounding errors of a margin.
    pub(super) tolerance: f32,
    /// The most competitors that may be unbeaten when the goal is reached.
    pub(super) allowed: usize,
    /// The single changes.
    pub(super) singles: Gains,
    /// Whether sums of gains are exact.
    pub(super) exact: bool,
    /// Single changes that share a unit, by index, ascending.
    neighbors: BTreeMap<u32, Vec<u32>>,
    listed: Vec<ItemIdx>,
    masks_added: bool,
}

impl<'q> Moves<'q> {
    /// The single changes of a history with their gains; for a model that is not affine, and for the goal
    /// to leave the list, with the positions after them, replayed.
    pub(super) fn new(
        replay: &mut Replay<'q>,
        base: &OwnedHistory,
        candidates: &[HistoryEdit],
    ) -> Result<(Self, Vec<super::Standing>)> {
        let q = replay.q;
        let units = UnitsOf::model(q.model, q.catalogue);
        let affine = units.len() > 0 && units.effect(0, q.item).is_some();
        let scores = replay.scores(std::slice::from_ref(base))?;
        let scores = scores.row(0).to_vec(); // (I)
        let mut mask = (q.mask)(base.view());
        let rank = rank_of(&scores, &mask, q.tie_breaks, q.item);
        let list = top_k(&scores, &mask, q.tie_breaks, q.n);
        mask.hide([q.item]);
        let best = top_k(&scores, &mask, q.tie_breaks, COMPETITORS.max(2 * q.n));
        let own = scores[q.item.at()];
        let sign = if q.goal == Goal::Enter { 1.0 } else { -1.0 };
        let size = best.iter().fold(own.abs(), |m, s| m.max(s.score.abs()));
        let first = list.iter().map(|s| s.item).find(|&i| i != q.item);
        let masks_added = first.is_some_and(|first| {
            let mut added = base.clone();
            added.add(first, q.catalogue.target_behavior);
            (q.mask)(added.view()).hides(first)
        });
        let plausible = q.plausible;
        let mut moves = Self {
            q,
            base: base.clone(),
            margins: best.iter().map(|s| sign * (own - s.score)).collect(),
            tolerance: 1e-5 * size.max(1e-6),
            allowed: match q.goal {
                Goal::Enter => q.n - 1,
                Goal::Leave => best.len().saturating_sub(q.n),
            },
            columns: best.iter().map(|s| s.item).collect(),
            singles: Gains::default(),
            exact: affine && q.goal == Goal::Enter && base.view().values.is_none(),
            neighbors: BTreeMap::new(),
            listed: match rank > q.n {
                true => list.iter().map(|s| s.item).collect(),
                false => Vec::new(),
            },
            masks_added,
        };
        moves.singles.moves = candidates
            .iter()
            .map(|&e| moves.joined(vec![e], plausible.of(e)))
            .collect();
        let of_singles: Vec<Vec<HistoryEdit>> = candidates.iter().map(|&e| vec![e]).collect();
        if affine && q.goal == Goal::Enter {
            moves.singles.gains = moves.affine_gains(&*units, &of_singles)?;
            moves.exact &= moves.connect(&*units);
            return Ok((moves, Vec::new()));
        }
        let mut standings = Vec::with_capacity(candidates.len());
        let mut gains = Vec::with_capacity(candidates.len() * moves.columns.len());
        for batch in of_singles.chunks(BATCH) {
            let edited: Vec<OwnedHistory> = batch.iter().map(|e| moves.edited(e)).collect();
            let after = replay.scores(&edited)?; // (batch, I)
            for ((edits, edited), row) in batch.iter().zip(&edited).zip(after.rows()) {
                let row = row.to_vec();
                standings.push(replay.standing(edited.view(), &row));
                let change = |i: ItemIdx| row[i.at()] - scores[i.at()];
                gains.extend(moves.gains_of(edits, &change));
            }
        }
        moves.singles.gains = gains;
        Ok((moves, standings))
    }

    fn edited(&self, edits: &[HistoryEdit]) -> OwnedHistory {
        apply(&self.base, edits, self.q.catalogue.target_behavior)
    }

    fn joined(&self, edits: Vec<HistoryEdit>, odds: f64) -> Move {
        Move {
            makes_room: self.make_room(&edits),
            edits,
            odds,
        }
    }

    /// Whether edits add an item of the list, which leaves it then.
    pub(super) fn make_room(&self, edits: &[HistoryEdit]) -> bool {
        let listed = |e: &HistoryEdit| matches!(e, HistoryEdit::Add(i) if self.listed.contains(i));
        self.masks_added && edits.iter().any(listed)
    }

    /// The gains `(C)` of an edit that changes the scores by `change`.
    fn gains_of<'a>(
        &'a self,
        edits: &'a [HistoryEdit],
        change: &'a impl Fn(ItemIdx) -> f32,
    ) -> impl Iterator<Item = f32> + 'a {
        let (sign, decided) = match self.q.goal {
            Goal::Enter => (1.0, DECIDED),
            Goal::Leave => (-1.0, -DECIDED),
        };
        let own = change(self.q.item);
        self.columns.iter().map(move |&j| {
            match self.masks_added && edits.contains(&HistoryEdit::Add(j)) {
                true => decided,
                false => sign * (own - change(j)),
            }
        })
    }

    /// The gains of edits of an affine model, from the changes of their activations.
    fn affine_gains(&self, units: &dyn Units, edits: &[Vec<HistoryEdit>]) -> Result<Vec<f32>> {
        let n_items = self.q.catalogue.len();
        let row = |activations: &Activations, u: usize| -> Vec<(u32, f32)> {
            let (units, values) = activations.row(u);
            units.iter().copied().zip(values.iter().copied()).collect()
        };
        let nobody = Histories::single(OwnedHistory::default().view(), n_items);
        let nothing = units.score_activations(&nobody, &Csr::from_rows([vec![]], units.len())?);
        let before = units.activate(&Histories::single(self.base.view(), n_items));
        let before = row(&before, 0);
        let mut gains = Vec::with_capacity(edits.len() * self.columns.len());
        for batch in edits.chunks(BATCH) {
            let edited: Vec<OwnedHistory> = batch.iter().map(|e| self.edited(e)).collect();
            let rows = edited.iter().map(OwnedHistory::view);
            let rows = Histories::from_histories(rows, n_items)?;
            let after = units.activate(&rows);
            let changed = (0..batch.len()).map(|u| difference(&before, &row(&after, u)));
            let changed = Csr::from_rows(changed, units.len())?;
            let scores = units.score_activations(&rows, &changed); // (batch, I)
            for (edits, scores) in batch.iter().zip(scores.rows()) {
                let change = |i: ItemIdx| scores[i.at()] - nothing[[0, i.at()]];
                gains.extend(self.gains_of(edits, &change));
            }
        }
        Ok(gains)
    }

    /// Finds the single changes that share a unit; false if that is not known or they are too many.
    fn connect(&mut self, units: &dyn Units) -> bool {
        let mut by_unit: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (at, single) in self.singles.moves.iter().enumerate() {
            let (HistoryEdit::Add(item) | HistoryEdit::Remove(item)) = single.edits[0];
            let Some(touched) = units.touched(item) else {
                return false;
            };
            for unit in touched {
                by_unit.entry(unit).or_default().push(at as u32);
            }
        }
        by_unit.retain(|_, at| at.len() > 1);
        let pairs: usize = by_unit.values().map(|at| at.len() * at.len() / 2).sum();
        if pairs > 4 * COMPOUNDS {
            return false;
        }
        let mut neighbors: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for at in by_unit.values() {
            for &a in at {
                let others = at.iter().filter(|&&b| b != a);
                neighbors.entry(a).or_default().extend(others);
            }
        }
        let sorted = |(a, all): (u32, BTreeSet<u32>)| (a, all.into_iter().collect());
        self.neighbors = neighbors.into_iter().map(sorted).collect();
        true
    }

    /// Whether two single changes share a unit, so that their gains do not add up.
    pub(super) fn touch(&self, a: usize, b: usize) -> bool {
        let neighbors = self.neighbors.get(&(a as u32));
        neighbors.is_some_and(|n| n.binary_search(&(b as u32)).is_ok())
    }

    /// The compound moves of `size` single changes that hang together by shared units, each as the indices
    /// of its changes, with their gains; `None` if there are too many.
    pub(super) fn compounds(
        &self,
        size: usize,
        may: &dyn Fn(usize) -> bool,
    ) -> Result<Option<(Vec<Vec<usize>>, Gains)>> {
        let mut sets: BTreeSet<Vec<usize>> = BTreeSet::new();
        for (&a, neighbors) in &self.neighbors {
            for &b in neighbors
                .iter()
                .filter(|&&b| may(a as usize) && may(b as usize))
            {
                let mut pair = vec![a as usize, b as usize];
                pair.sort_unstable();
                if size == 2 {
                    sets.insert(pair);
                    continue;
                }
                let thirds = neighbors
                    .iter()
                    .chain(self.neighbors.get(&b).into_iter().flatten());
                for &c in thirds.filter(|&&c| c != a && c != b && may(c as usize)) {
                    let mut three = pair.clone();
                    three.push(c as usize);
                    three.sort_unstable();
                    sets.insert(three);
                }
                if sets.len() > COMPOUNDS {
                    return Ok(None);
                }
            }
        }
        let sets: Vec<Vec<usize>> = sets.into_iter().collect();
        let singles = &self.singles.moves;
        let moves: Vec<Move> = sets
            .iter()
            .map(|set| {
                let edits = set.iter().map(|&s| singles[s].edits[0]).collect();
                self.joined(edits, set.iter().map(|&s| singles[s].odds).sum())
            })
            .collect();
        let units = UnitsOf::model(self.q.model, self.q.catalogue);
        let edits: Vec<Vec<HistoryEdit>> = moves.iter().map(|m| m.edits.clone()).collect();
        let gains = self.affine_gains(&*units, &edits)?;
        Ok(Some((sets, Gains { moves, gains })))
    }

    /// Number of competitors C.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The gains `(C)` of a single change.
    pub(super) fn gain(&self, single: usize) -> &[f32] {
        row(&self.singles.gains, single, self.width())
    }

    /// The most competitors that may be unbeaten after an edit with these removals: a removed item may be
    /// recommended again, which helps only to leave the list.
    pub(super) fn allowed(&self, removals: usize) -> usize {
        match self.q.goal {
            Goal::Enter => self.allowed,
            Goal::Leave => self.allowed + removals,
        }
    }

    /// The largest gains of `list` by competitor `(C)`, without those of masked competitors.
    pub(super) fn best(&self, list: &[usize]) -> Vec<f32> {
        let mut best = vec![0f32; self.width()];
        for &at in list {
            for (best, &gain) in best.iter_mut().zip(self.gain(at)) {
                if gain > *best && gain < DECIDED {
                    *best = gain;
                }
            }
        }
        best
    }

    /// The margin at the last place of the list after a single change: negative if it is missing, and
    /// larger is nearer to the goal.
    pub(super) fn nearness(&self, single: usize) -> f32 {
        let gains = self.gain(single).iter();
        let mut after: Vec<f32> = self.margins.iter().zip(gains).map(|(m, g)| m + g).collect();
        self.missing(&mut after, self.singles.moves[single].removals())
    }

    /// The smallest of these margins that has to be reached; reorders them.
    pub(super) fn missing(&self, margins: &mut [f32], removals: usize) -> f32 {
        let at = self.allowed(removals);
        match at < margins.len() {
            true => *margins.select_nth_unstable_by(at, f32::total_cmp).1,
            false => f32::INFINITY,
        }
    }

    /// Whether all changes add up.
    pub(super) fn add_up(&self) -> bool {
        self.exact && self.neighbors.is_empty()
    }
}

/// One row of gains.
pub(super) fn row(gains: &[f32], at: usize, width: usize) -> &[f32] {
    &gains[at * width..(at + 1) * width]
}

/// `after − before`, of sparse rows by ascending unit.
fn difference(before: &[(u32, f32)], after: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let (mut b, mut a) = (before.iter().peekable(), after.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let change = match (b.peek(), a.peek()) {
            (None, None) => return changes,
            (Some(&&(i, v)), Some(&&(j, w))) if i == j => {
                b.next();
                a.next();
                (i, w - v)
            }
            (Some(&&(i, v)), other) if other.is_none_or(|&&(j, _)| i < j) => {
                b.next();
                (i, -v)
            }
            (_, Some(&&(j, w))) => {
                a.next();
                (j, w)
            }
            (Some(_), None) => unreachable!("the rest of the first row is taken above"),
        };
        if change.1 != 0.0 {
            changes.push(change);
        }
    }
}
