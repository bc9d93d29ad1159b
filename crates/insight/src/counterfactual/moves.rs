//! What each change of a history does to the competition: the margins between the item and the items
//! that it competes with.
//!
//! For an affine model (score = base + Σ activation × effect, see
//! [`Units::effect`](limpid_core::Units::effect)) the change of every score by an edit is exact, and the
//! changes of edits that touch no unit in common add up; edits that do touch one are joined into a
//! compound move with its own changes. For any other model the changes are those of replayed single
//! edits, and their sums are estimates that only order what is replayed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use limpid_core::{
    Activations, Csr, Histories, ItemIdx, OwnedHistory, Result, Units, UnitsOf, rank_of, top_k,
};
use limpid_tensor::wide;

use super::{BATCH, Goal, HistoryEdit, Question, Replay, apply};

/// Competitors whose margins are followed: the best of the current ranking. The others cannot make a
/// condition false that holds, only an answer, and every answer is replayed.
const COMPETITORS: usize = 256;

/// Margin of a competitor that a move masks.
pub(super) const DECIDED: f32 = 1e30;

/// Most compound moves that are formed; with more, larger edits are estimates.
const COMPOUNDS: usize = 20_000;

/// The kind of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Additions,
    Removals,
    Mixed,
}

impl Kind {
    pub(super) fn of<'a>(edits: impl IntoIterator<Item = &'a HistoryEdit>) -> Self {
        let (mut added, mut removed) = (false, false);
        for edit in edits {
            match edit.is_addition() {
                true => added = true,
                false => removed = true,
            }
        }
        match (added, removed) {
            (_, false) => Self::Additions,
            (false, true) => Self::Removals,
            (true, true) => Self::Mixed,
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
        self.edits.iter().filter(|e| !e.is_addition()).count()
    }
}

/// Moves with their gains `(moves, C)`.
#[derive(Debug, Default)]
pub(super) struct Gains {
    pub(super) moves: Vec<Move>,
    pub(super) gains: Vec<f32>,
}

/// Compound moves.
#[derive(Debug, Default)]
pub(super) struct Compounds {
    formed: bool,
    /// Whether these are all; none are kept if they are too many.
    whole: bool,
    /// The single changes of each, ascending.
    pub(super) sets: Vec<Vec<usize>>,
    pub(super) joined: Gains,
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
    /// The units of an affine model whose gains are known, and their rows in `of_units`.
    places: HashMap<u32, usize>,
    /// The gains of units, per unit of activation `(units, C)`.
    of_units: Vec<f32>,
    /// Single changes that share a unit, by index, ascending.
    neighbors: BTreeMap<u32, Vec<u32>>,
    /// The items of the history by the units that they touch.
    own_items: BTreeMap<usize, Vec<ItemIdx>>,
    /// Compound moves of two and of three single changes.
    compounds: [Compounds; 2],
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
        let affine = !units.is_empty() && units.effect(0, q.item).is_some();
        let scores = replay.scores(std::slice::from_ref(base))?;
        let scores = scores.row(0).to_vec(); // (I)
        let mut mask = (q.mask)(base.view());
        let rank = rank_of(&scores, &mask, q.tie_breaks, q.item);
        let list = top_k(&scores, &mask, q.tie_breaks, q.n);
        mask.hide([q.item]);
        let best = top_k(&scores, &mask, q.tie_breaks, COMPETITORS.max(2 * q.n));
        let own = scores[q.item.at()];
        let sign = q.goal.sign();
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
            places: HashMap::new(),
            of_units: Vec::new(),
            neighbors: BTreeMap::new(),
            own_items: BTreeMap::new(),
            compounds: [Compounds::default(), Compounds::default()],
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
            moves.exact &= moves.connect(&*units);
            moves.singles.gains = moves.affine_gains(&*units, &of_singles)?;
            return Ok((moves, Vec::new()));
        }
        let mut standings = Vec::with_capacity(candidates.len());
        let mut gains = Vec::with_capacity(candidates.len() * moves.columns.len());
        for batch in of_singles.chunks(BATCH) {
            let behavior = q.catalogue.target_behavior;
            let edited = batch.iter().map(|e| apply(base, e, behavior));
            let edited: Vec<OwnedHistory> = edited.collect();
            let after = replay.scores(&edited)?; // (batch, I)
            for ((edits, edited), row) in batch.iter().zip(&edited).zip(after.rows()) {
                let row = row.to_vec();
                standings.push(replay.standing(edited.view(), &row));
                let start = gains.len();
                gains.extend(moves.moved(|i| row[i.at()] - scores[i.at()]));
                moves.decide(edits, &mut gains[start..]);
            }
        }
        moves.singles.gains = gains;
        Ok((moves, standings))
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

    /// What a change of the scores does to the margins `(C)`.
    fn moved(&self, change: impl Fn(ItemIdx) -> f32) -> Vec<f32> {
        let (own, sign) = (change(self.q.item), self.q.goal.sign());
        let columns = self.columns.iter();
        columns.map(|&j| sign * (own - change(j))).collect()
    }

    /// Gives the competitors that an edit masks a gain `(C)` that decides.
    fn decide(&self, edits: &[HistoryEdit], gains: &mut [f32]) {
        for edit in edits.iter().filter(|_| self.masks_added) {
            if let HistoryEdit::Add(item) = edit
                && let Some(column) = self.columns.iter().position(|j| j == item)
            {
                gains[column] = self.q.goal.sign() * DECIDED;
            }
        }
    }

    /// The gains of edits of an affine model, from the changes of their activations.
    fn affine_gains(&mut self, units: &dyn Units, edits: &[Vec<HistoryEdit>]) -> Result<Vec<f32>> {
        let behavior = self.q.catalogue.target_behavior;
        let width = self.width();
        let mut gains = Vec::with_capacity(edits.len() * width);
        for batch in edits.chunks(BATCH) {
            let before: Vec<OwnedHistory> = batch.iter().map(|e| self.around(units, e)).collect();
            let edited = before.iter().zip(batch);
            let edited: Vec<OwnedHistory> = edited.map(|(h, e)| apply(h, e, behavior)).collect();
            let activate = |histories: &[OwnedHistory]| -> Result<Activations> {
                let rows = histories.iter().map(OwnedHistory::view);
                let rows = Histories::from_histories(rows, self.q.catalogue.len())?;
                Ok(units.activate(&rows))
            };
            let (before, after) = (activate(&before)?, activate(&edited)?);
            let changed: Vec<Vec<(u32, f32)>> = (0..batch.len())
                .map(|u| difference(before.row(u), after.row(u)))
                .collect();
            self.learn_units(units, changed.iter().flatten().map(|c| c.0))?;
            for (edits, changed) in batch.iter().zip(&changed) {
                let start = gains.len();
                gains.resize(start + width, 0.0);
                let out = &mut gains[start..];
                for &(unit, change) in changed {
                    let of_unit = row(&self.of_units, self.places[&unit], width);
                    out.iter_mut()
                        .zip(of_unit)
                        .for_each(|(g, w)| *g += change * w);
                }
                self.decide(edits, out);
            }
        }
        Ok(gains)
    }

    /// Computes the gains of units that are not known yet, per unit of activation.
    fn learn_units(&mut self, units: &dyn Units, of: impl Iterator<Item = u32>) -> Result<()> {
        let new: BTreeSet<u32> = of.filter(|unit| !self.places.contains_key(unit)).collect();
        let new: Vec<u32> = new.into_iter().collect();
        for batch in new.chunks(BATCH) {
            // The last row has no activation.
            let rows = batch.iter().map(|&unit| vec![(unit, 1.0)]).chain([vec![]]);
            let activations = Csr::from_rows(rows, units.len())?;
            let nobody = OwnedHistory::default();
            let nobody = (0..=batch.len()).map(|_| nobody.view());
            let nobody = Histories::from_histories(nobody, self.q.catalogue.len())?;
            let scores = units.score_activations(&nobody, &activations); // (batch + 1, I)
            let nothing = scores.row(batch.len());
            for (&unit, scores) in batch.iter().zip(scores.rows()) {
                self.places.insert(unit, self.places.len());
                let of_unit = self.moved(|i| scores[i.at()] - nothing[i.at()]);
                self.of_units.extend(of_unit);
            }
        }
        Ok(())
    }

    /// The part of the history that shares a unit with edits: what an edit changes depends on nothing
    /// else, where sums are exact; otherwise the whole history.
    fn around(&self, units: &dyn Units, edits: &[HistoryEdit]) -> OwnedHistory {
        if !self.exact {
            return self.base.clone();
        }
        let mut near: Vec<ItemIdx> = Vec::new();
        for edit in edits {
            let item = edit.item();
            near.push(item);
            for unit in units.touched(item).unwrap_or_default() {
                near.extend(self.own_items.get(&unit).into_iter().flatten());
            }
        }
        let events = self.base.view().events();
        OwnedHistory::of_events(None, events.filter(|e| near.contains(&e.item)).collect())
    }

    /// Finds the single changes that share a unit; false if that is not known or they are too many.
    fn connect(&mut self, units: &dyn Units) -> bool {
        let mut by_unit: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (at, single) in self.singles.moves.iter().enumerate() {
            let Some(touched) = units.touched(single.edits[0].item()) else {
                return false;
            };
            for unit in touched {
                by_unit.entry(unit).or_default().push(at as u32);
            }
        }
        for (item, _) in self.base.view().item_values() {
            for unit in units.touched(item).unwrap_or_default() {
                self.own_items.entry(unit).or_default().push(item);
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

    /// Forms the compound moves of `size` (2 or 3) single changes that hang together by shared units, if
    /// not done before; false if there are too many.
    pub(super) fn join(&mut self, size: usize) -> Result<bool> {
        if !self.compounds[size - 2].formed {
            self.compounds[size - 2] = self.formed(size)?;
        }
        Ok(self.compounds[size - 2].whole)
    }

    /// The compound moves that were joined.
    pub(super) fn compounds(&self, size: usize) -> &Compounds {
        &self.compounds[size - 2]
    }

    fn formed(&mut self, size: usize) -> Result<Compounds> {
        let mut formed = Compounds {
            formed: true,
            whole: true,
            ..Compounds::default()
        };
        let mut sets: BTreeSet<Vec<usize>> = BTreeSet::new();
        for (&a, neighbors) in &self.neighbors {
            for &b in neighbors.iter().filter(|&&b| size == 3 || a < b) {
                let mut pair = vec![a as usize, b as usize];
                if size == 2 {
                    sets.insert(pair);
                    continue;
                }
                pair.sort_unstable();
                let thirds = neighbors.iter().filter(|&&c| c > b);
                for &c in thirds {
                    let mut three = pair.clone();
                    three.push(c as usize);
                    three.sort_unstable();
                    sets.insert(three);
                }
            }
            if sets.len() > COMPOUNDS {
                formed.whole = false;
                return Ok(formed);
            }
        }
        let singles = &self.singles.moves;
        formed.joined.moves = sets
            .iter()
            .map(|set| {
                let edits = set.iter().map(|&s| singles[s].edits[0]).collect();
                self.joined(edits, set.iter().map(|&s| singles[s].odds).sum())
            })
            .collect();
        let edits: Vec<Vec<HistoryEdit>> = formed
            .joined
            .moves
            .iter()
            .map(|m| m.edits.clone())
            .collect();
        let q = self.q;
        let units = UnitsOf::model(q.model, q.catalogue);
        formed.joined.gains = self.affine_gains(&*units, &edits)?;
        formed.sets = sets.into_iter().collect();
        Ok(formed)
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

    /// The smallest and the largest gains of `list` by competitor `(C)`, 0 among them, without those of masked
    /// competitors.
    pub(super) fn extremes(&self, list: impl Iterator<Item = usize>) -> (Vec<f32>, Vec<f32>) {
        let (mut worst, mut best) = (vec![0f32; self.width()], vec![0f32; self.width()]);
        for at in list {
            let gains = self.gain(at);
            wide(
                #[inline(always)]
                || {
                    // Without branches, so that the loop is vectorized.
                    for ((worst, best), &gain) in worst.iter_mut().zip(&mut best).zip(gains) {
                        let gain = if gain < DECIDED { gain } else { 0.0 };
                        *best = if gain > *best { gain } else { *best };
                        *worst = if gain < *worst { gain } else { *worst };
                    }
                },
            );
        }
        (worst, best)
    }

    /// The margin at the last place of the list after a single change: negative if it is missing, and
    /// larger is nearer to the goal.
    pub(super) fn nearness(&self, single: usize) -> f32 {
        let gains = self.gain(single).iter();
        let mut after: Vec<f32> = self.margins.iter().zip(gains).map(|(m, g)| m + g).collect();
        self.missing(&mut after, self.singles.moves[single].removals(), 0)
    }

    /// The smallest of these margins that has to be reached after some removals, if some competitors are
    /// masked besides; reorders them.
    pub(super) fn missing(&self, margins: &mut [f32], removals: usize, masked: usize) -> f32 {
        let at = self.allowed(removals) + masked;
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
fn difference(before: (&[u32], &[f32]), after: (&[u32], &[f32])) -> Vec<(u32, f32)> {
    let entries = |row: (&[u32], &[f32]), sign: f32| {
        let values = row.1.iter().map(|v| sign * v);
        row.0.iter().copied().zip(values).collect::<Vec<_>>()
    };
    let mut changes = [entries(before, -1.0), entries(after, 1.0)].concat();
    changes.sort_by_key(|c| c.0);
    changes.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    changes.retain(|c| c.1 != 0.0);
    changes
}
