//! Counterfactuals: the smallest edits of a history that move an item into the recommendation list, or
//! out of it.
//!
//! Every counterfactual is replayed: the edit is applied to the history, the model scores
//! the edited history, the same filters mask it, and the item is ranked again. Both sides are scored
//! as histories of unknown users, so a model that learns a vector per user compares fold-in with
//! fold-in.
//!
//! Edits add items, remove items, or mix both where that takes fewer events. Of edits of one size the most
//! [plausible](Plausible) are returned. For an affine model (item-to-item weights, rule ledgers) all
//! edits of up to three events are searched, pruned by exact bounds, so that the smallest is proven to
//! be; for other models all single edits are replayed, and larger ones in the order of the sums of their
//! effects. Adding an item of the list itself only makes room in it, so such edits are returned only if
//! no others exist.

mod lacking;
mod moves;
mod plausible;
mod subsets;

use limpid_core::{
    Catalogue, Histories, History, ItemIdx, Mask, Mat, OwnedHistory, Recommender, Result, Space,
    UnitsOf, rank_of, top_k,
};

pub use lacking::{Lacking, lacking};
pub use plausible::Plausible;

use moves::{Kind, Moves};

/// Edited histories per scoring batch.
const BATCH: usize = 128;

/// Edits that are replayed at once, most plausible first.
const REPLAYS: usize = 16;

/// Most replays of edits of one size and kind where their effects are estimates.
const ESTIMATES: usize = 128;

/// The largest size of which all edits are searched; larger ones are built change by change.
const SEARCHED: usize = 3;

/// Single edits that come nearest, of which the best are returned.
const NEAREST: usize = 12;

/// One change of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryEdit {
    /// Add an event on this item, as the last event.
    Add(ItemIdx),
    /// Remove all events on this item.
    Remove(ItemIdx),
    /// Add an event of this behavior, which is not the target, on this item.
    AddOf(ItemIdx, u8),
    /// Remove the events of this behavior on this item.
    RemoveOf(ItemIdx, u8),
}

impl HistoryEdit {
    /// The item.
    #[must_use]
    pub fn item(self) -> ItemIdx {
        match self {
            Self::Add(item)
            | Self::Remove(item)
            | Self::AddOf(item, _)
            | Self::RemoveOf(item, _) => item,
        }
    }

    /// Whether it adds an event.
    #[must_use]
    pub fn is_addition(self) -> bool {
        matches!(self, Self::Add(_) | Self::AddOf(..))
    }

    /// The behavior, if only events of one are added or removed.
    #[must_use]
    pub fn behavior(self) -> Option<u8> {
        match self {
            Self::Add(_) | Self::Remove(_) => None,
            Self::AddOf(_, behavior) | Self::RemoveOf(_, behavior) => Some(behavior),
        }
    }

    /// Makes the change; an event without a behavior has the behavior `target`.
    pub fn apply(self, history: &mut OwnedHistory, target: u8) {
        match self {
            Self::Add(item) => history.add(item, target),
            Self::AddOf(item, behavior) => history.add(item, behavior),
            Self::Remove(item) => {
                history.remove(item);
            }
            Self::RemoveOf(item, behavior) => {
                history.remove_of(item, behavior);
            }
        }
    }
}

/// The position of an item for a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Its rank among the items that may be recommended, from 1.
    pub rank: usize,
    /// Its score.
    pub score: f32,
    /// The threshold: the n-th best score of the others; `−∞` if there are fewer.
    pub bar: f32,
}

/// Whether an edit is proven to be the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smallest {
    /// No smaller edit reaches the goal, of those that do not only [make room](Counterfactual::makes_room).
    Proven,
    /// No smaller edit of its kind (additions only, removals only) reaches it, but one of another kind
    /// does.
    OfItsKind,
    /// The smallest that the search found.
    Found,
}

/// An edit that reaches the goal, replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterfactual {
    /// The changes.
    pub edits: Vec<HistoryEdit>,
    /// The position of the item after the edit.
    pub after: Standing,
    /// Whether it is proven to be the smallest.
    pub smallest: Smallest,
    /// The sum of the log odds of its changes; see [`Plausible`].
    pub plausibility: f64,
    /// Whether it adds an item of the list, which leaves the list, because the user has it then.
    pub makes_room: bool,
}

/// The goal of the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Move the item into the top n.
    Enter,
    /// Move the item out of the top n.
    Leave,
}

impl Goal {
    /// 1 where a higher score comes nearer to it, −1 where a lower one does.
    fn sign(self) -> f32 {
        match self {
            Self::Enter => 1.0,
            Self::Leave => -1.0,
        }
    }
}

/// The query of a counterfactual.
pub struct Question<'a> {
    /// The model.
    pub model: &'a dyn Recommender,
    /// The history to edit.
    pub user: History<'a>,
    /// The item.
    pub item: ItemIdx,
    /// Length of the list.
    pub n: usize,
    /// Enter or leave the list.
    pub goal: Goal,
    /// Names, behaviors and training counts.
    pub catalogue: &'a Catalogue,
    /// Tie-breaks, as for the list.
    pub tie_breaks: &'a [u64],
    /// Items that must not be recommended for a history: seen items and active filters.
    pub mask: &'a dyn Fn(History<'_>) -> Mask,
    /// How plausible changes of this history are.
    pub plausible: &'a Plausible,
}

/// Limits of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Maximum number of events in an edit.
    pub max_edits: usize,
    /// Maximum number of single events that are replayed; with more items, the most promising ones. Where
    /// effects are known without a replay (affine models), eight times as many are compared.
    pub max_singles: usize,
    /// Maximum number of counterfactuals of each kind (additions, removals, both).
    pub shown: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            max_edits: 3,
            max_singles: 6_000,
            shown: 3,
        }
    }
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The current position of the item.
    pub before: Standing,
    /// Whether the goal is met already.
    pub already: bool,
    /// Whether scores depend on the history at all; if not, nothing is searched.
    pub responds: bool,
    /// Edits that reach the goal, fewest events first, then the most plausible.
    pub counterfactuals: Vec<Counterfactual>,
    /// If there are none: the single edits that come nearest, nearest first.
    pub nearest: Vec<Counterfactual>,
    /// No edit of up to this many events reaches the goal, except those that only make room.
    pub ruled_out: usize,
    /// How many edited histories were scored.
    pub replayed: usize,
    /// Whether every single event was compared.
    pub exhaustive: bool,
}

/// Searches for the smallest edits that reach the goal.
///
/// # Errors
/// As building an edited history.
pub fn search(q: &Question<'_>, limits: Search) -> Result<Verdict> {
    let base = q.user.to_owned().anonymous();
    let mut replay = Replay { q, scored: 0 };
    let before = replay.standings(std::slice::from_ref(&base))?[0];
    let mut verdict = Verdict {
        before,
        already: replay.reached(&before),
        responds: true,
        counterfactuals: Vec::new(),
        nearest: Vec::new(),
        ruled_out: 0,
        replayed: 0,
        exhaustive: true,
    };
    if verdict.already {
        return Ok(verdict);
    }
    let (candidates, exhaustive) = candidates(q, &base, limits.max_singles);
    verdict.exhaustive = exhaustive;
    verdict.responds = replay.responds(&base, &candidates)?;
    if verdict.responds {
        let (moves, standings) = Moves::new(&mut replay, &base, &candidates)?;
        let mut hunt = Hunt {
            base: &base,
            moves,
            standings,
            limits,
            exhaustive,
            replay,
            ruled_out: 0,
        };
        verdict.counterfactuals = hunt.smallest(false)?;
        verdict.ruled_out = hunt.ruled_out;
        if verdict.counterfactuals.is_empty() {
            verdict.nearest = hunt.nearest()?;
            if hunt.moves.singles.moves.iter().any(|m| m.makes_room) {
                verdict.counterfactuals = hunt.smallest(true)?;
            }
        }
        replay = hunt.replay;
    }
    verdict.replayed = replay.scored;
    Ok(verdict)
}

/// The single events to try, and whether these are all.
fn candidates(q: &Question<'_>, base: &OwnedHistory, most: usize) -> (Vec<HistoryEdit>, bool) {
    let units = UnitsOf::model(q.model, q.catalogue);
    if !units.is_empty() && units.unit(0).space == Space::Behavior {
        return candidates_of_behaviors(q, base, most);
    }
    let own = base.view().item_values();
    let has = |i: ItemIdx| own.binary_search_by_key(&i, |e| e.0).is_ok();
    let mut singles: Vec<HistoryEdit> = own
        .iter()
        .map(|&(i, _)| i)
        .filter(|&i| i != q.item)
        .map(HistoryEdit::Remove)
        .collect();
    // An item without training users has no evidence; adding it has no effect.
    let mut additions: Vec<ItemIdx> = (0..q.catalogue.len() as u32)
        .map(ItemIdx)
        .filter(|&i| i != q.item && !has(i) && q.catalogue.is_trained(i))
        .collect();
    let affine = !units.is_empty() && units.effect(0, q.item).is_some();
    let room = if affine { 8 * most } else { most }.saturating_sub(singles.len());
    let exhaustive = additions.len() <= room;
    if !exhaustive {
        // Weights of units are known before anything is scored; without them the most popular items
        // are tried.
        let before = units.activations(base.view());
        let sign = q.goal.sign();
        let promise = |i: ItemIdx| -> f32 {
            let popularity = q.catalogue.train_counts[i.at()] as f32;
            if !affine {
                return popularity;
            }
            let mut one = OwnedHistory::of_items(base.view().items.to_vec());
            one.add(i, q.catalogue.target_behavior);
            let new = units.activations(one.view()).into_iter();
            let new = new.filter(|f| before.binary_search_by_key(&f.0, |b| b.0).is_err());
            let effects: Option<Vec<f32>> = new
                .map(|(k, v)| Some(v * units.effect(k as usize, q.item)?))
                .collect();
            effects.map_or(popularity, |e| sign * e.iter().sum::<f32>())
        };
        let mut ranked: Vec<(f32, ItemIdx)> = additions.iter().map(|&i| (promise(i), i)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        additions = ranked.into_iter().take(room).map(|(_, i)| i).collect();
    }
    singles.extend(additions.into_iter().map(HistoryEdit::Add));
    (singles, exhaustive)
}

/// The same for a model that tells behaviors apart: every event of the history, the missing events of other
/// behaviors on the item itself, and events of any behavior on other items, the most popular first.
fn candidates_of_behaviors(
    q: &Question<'_>,
    base: &OwnedHistory,
    most: usize,
) -> (Vec<HistoryEdit>, bool) {
    let target = q.catalogue.target_behavior;
    let mut own: Vec<(ItemIdx, u8)> = base.view().events().map(|e| (e.item, e.behavior)).collect();
    own.sort_unstable();
    own.dedup();
    let has = |item: ItemIdx, behavior: u8| own.binary_search(&(item, behavior)).is_ok();
    let auxiliary = || (0..q.catalogue.behaviors.len() as u8).filter(|&b| b != target);
    let removals = own.iter().map(|&(item, b)| HistoryEdit::RemoveOf(item, b));
    let mut singles: Vec<HistoryEdit> = removals.collect();
    let missing = auxiliary().filter(|&b| !has(q.item, b));
    singles.extend(missing.map(|b| HistoryEdit::AddOf(q.item, b)));
    let mut items: Vec<ItemIdx> = (0..q.catalogue.len() as u32)
        .map(ItemIdx)
        .filter(|&i| i != q.item && q.catalogue.is_trained(i))
        .collect();
    let popularity = |i: &ItemIdx| std::cmp::Reverse(q.catalogue.train_counts[i.at()]);
    items.sort_by_key(|i| (popularity(i), *i));
    let mut additions = items.into_iter().flat_map(|item| {
        let bought = (!has(item, target)).then_some(HistoryEdit::Add(item));
        let others = auxiliary().filter(move |&b| !has(item, b));
        bought
            .into_iter()
            .chain(others.map(move |b| HistoryEdit::AddOf(item, b)))
    });
    let room = most.saturating_sub(singles.len());
    singles.extend(additions.by_ref().take(room));
    (singles, additions.next().is_none())
}

fn apply(history: &OwnedHistory, edits: &[HistoryEdit], behavior: u8) -> OwnedHistory {
    let mut edited = history.clone();
    for edit in edits {
        edit.apply(&mut edited, behavior);
    }
    edited
}

/// The search over sizes and kinds.
struct Hunt<'q> {
    base: &'q OwnedHistory,
    moves: Moves<'q>,
    /// The positions after the single changes, where they were replayed.
    standings: Vec<Standing>,
    limits: Search,
    exhaustive: bool,
    replay: Replay<'q>,
    ruled_out: usize,
}

impl Hunt<'_> {
    /// The smallest edits of additions, of removals, and of both where that takes fewer events; with
    /// `room`, edits too that add items of the list.
    fn smallest(&mut self, room: bool) -> Result<Vec<Counterfactual>> {
        self.ruled_out = 0;
        let all = self.list(room, None);
        let mut found: Vec<Counterfactual> = Vec::new();
        // The sizes up to which additions and removals are ruled out.
        let mut out = [0usize; 2];
        let least = match self.moves.add_up() && self.exhaustive {
            true => subsets::at_least(&self.moves, &all, self.limits.max_edits),
            false => 1,
        };
        self.ruled_out = least.saturating_sub(1).min(self.limits.max_edits);
        out.fill(self.ruled_out);
        for size in least.max(1)..=self.limits.max_edits.min(SEARCHED) {
            let open: Vec<Kind> = [Kind::Additions, Kind::Removals]
                .into_iter()
                .filter(|&kind| found.iter().all(|c| Kind::of(&c.edits) != kind))
                .collect();
            let smaller = found.iter().map(|c| c.edits.len()).min();
            // Once there are additions or removals, the other kind may take one event more.
            if smaller.is_some_and(|s| open.len() != 1 || size > s + 1) {
                break;
            }
            let list = match smaller {
                None => all.clone(),
                Some(_) => self.list(room, Some(open[0])),
            };
            let mut sets = self.promising(&list, size, room)?;
            let mut complete = sets.complete && self.exhaustive;
            let mut of_size = Vec::new();
            for kind in open {
                let (winners, tried) = self.winners(sets.of(kind))?;
                if winners.is_empty() && complete && tried && out[kind as usize] + 1 == size {
                    out[kind as usize] = size;
                }
                complete &= tried;
                of_size.extend(winners);
            }
            if smaller.is_none() && of_size.is_empty() {
                let (winners, tried) = self.winners(sets.of(Kind::Mixed))?;
                complete &= tried;
                of_size.extend(winners);
            }
            if smaller.is_none() && of_size.is_empty() && complete && self.ruled_out + 1 == size {
                self.ruled_out = size;
            }
            found.extend(of_size);
        }
        if found.is_empty() && self.limits.max_edits > SEARCHED {
            found.extend(self.grown(&all)?);
        }
        for c in &mut found {
            let size = c.edits.len();
            let of_kind = match Kind::of(&c.edits) {
                Kind::Mixed => false,
                kind => size == out[kind as usize] + 1,
            };
            c.smallest = match size == self.ruled_out + 1 {
                true => Smallest::Proven,
                false if of_kind => Smallest::OfItsKind,
                false => Smallest::Found,
            };
        }
        found.sort_by(|a, b| {
            let size = a.edits.len().cmp(&b.edits.len());
            size.then(b.plausibility.total_cmp(&a.plausibility))
                .then_with(|| a.edits.cmp(&b.edits))
        });
        Ok(found)
    }

    /// The single changes to combine.
    fn list(&self, room: bool, kind: Option<Kind>) -> Vec<usize> {
        let moves = self.moves.singles.moves.iter().enumerate();
        moves
            .filter(|(_, m)| room || !m.makes_room)
            .filter(|(_, m)| kind.is_none_or(|kind| Kind::of(&m.edits) == kind))
            .map(|(at, _)| at)
            .collect()
    }

    /// The sets of changes that may reach the goal; of single changes that were replayed, those that do.
    fn promising(&mut self, list: &[usize], size: usize, room: bool) -> Result<subsets::Promising> {
        if size == 1 && !self.standings.is_empty() {
            let reach = |at: &usize| self.replay.reached(&self.standings[*at]);
            let reach: Vec<usize> = list.iter().copied().filter(reach).collect();
            return Ok(subsets::Promising::singles(&self.moves, &reach));
        }
        subsets::promising(&mut self.moves, list, size, room)
    }

    /// The first edits that reach the goal when they are replayed, at most as many as are shown, and
    /// whether all were tried if there are none.
    fn winners(&mut self, sets: Vec<Vec<HistoryEdit>>) -> Result<(Vec<Counterfactual>, bool)> {
        let mut winners = Vec::new();
        let most = match self.moves.exact {
            true => sets.len(),
            false => sets.len().min(ESTIMATES),
        };
        for batch in sets[..most].chunks(REPLAYS) {
            winners.extend(self.replayed(batch)?.into_iter().filter(|(_, ok)| *ok));
            if winners.len() >= self.limits.shown {
                break;
            }
        }
        winners.truncate(self.limits.shown);
        let winners = winners.into_iter().map(|(c, _)| c).collect();
        Ok((winners, most == sets.len()))
    }

    /// Edits with the position of the item after them, and whether they reach the goal.
    fn replayed(&mut self, sets: &[Vec<HistoryEdit>]) -> Result<Vec<(Counterfactual, bool)>> {
        let q = self.replay.q;
        let behavior = q.catalogue.target_behavior;
        let edited: Vec<OwnedHistory> =
            sets.iter().map(|e| apply(self.base, e, behavior)).collect();
        let after = self.replay.standings(&edited)?;
        let of = |(edits, after): (&Vec<HistoryEdit>, Standing)| {
            let c = Counterfactual {
                edits: edits.clone(),
                after,
                smallest: Smallest::Found,
                plausibility: edits.iter().map(|&e| q.plausible.of(e)).sum(),
                makes_room: self.moves.make_room(edits),
            };
            (c, self.replay.reached(&after))
        };
        Ok(sets.iter().zip(after).map(of).collect())
    }

    /// An edit of more events than are searched, without the changes that it does not need.
    fn grown(&mut self, list: &[usize]) -> Result<Option<Counterfactual>> {
        let most = self.limits.max_edits;
        let Some(edits) = subsets::one_by_one(&self.moves, list, most) else {
            return Ok(None);
        };
        let mut best = self.replayed(std::slice::from_ref(&edits))?.remove(0);
        if !best.1 {
            return Ok(None);
        }
        let mut at = 0;
        while at < best.0.edits.len() {
            let mut fewer = best.0.edits.clone();
            fewer.remove(at);
            let replayed = self.replayed(&[fewer])?.remove(0);
            match replayed.1 {
                true => best = replayed,
                false => at += 1,
            }
        }
        Ok(Some(best.0))
    }

    /// The single changes that come nearest to the goal.
    fn nearest(&mut self) -> Result<Vec<Counterfactual>> {
        let list = self.list(false, None);
        let mut ranked: Vec<(f32, usize)> = list
            .into_iter()
            .map(|at| (self.moves.nearness(at), at))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let sets: Vec<Vec<HistoryEdit>> = ranked
            .into_iter()
            .take(NEAREST)
            .map(|(_, at)| self.moves.singles.moves[at].edits.clone())
            .collect();
        let mut near = self.replayed(&sets)?;
        near.sort_by(|a, b| {
            let gain = |c: &Counterfactual| self.replay.gain(&c.after);
            gain(&b.0).total_cmp(&gain(&a.0))
        });
        near.truncate(self.limits.shown);
        Ok(near.into_iter().map(|(c, _)| c).collect())
    }
}

/// Scores edited histories and counts them.
struct Replay<'q> {
    q: &'q Question<'q>,
    scored: usize,
}

impl Replay<'_> {
    fn reached(&self, s: &Standing) -> bool {
        match self.q.goal {
            Goal::Enter => s.rank <= self.q.n,
            Goal::Leave => s.rank > self.q.n,
        }
    }

    /// How far the item is beyond the threshold, in the direction of the goal.
    fn gain(&self, s: &Standing) -> f32 {
        self.q.goal.sign() * (s.score - s.bar)
    }

    /// Whether the scores of some edited histories differ from those of the history.
    fn responds(&mut self, base: &OwnedHistory, candidates: &[HistoryEdit]) -> Result<bool> {
        let units = UnitsOf::model(self.q.model, self.q.catalogue);
        if !units.is_empty() && units.effect(0, self.q.item).is_some() {
            return Ok(true);
        }
        let mut probes = vec![base.clone(), OwnedHistory::default()];
        let behavior = self.q.catalogue.target_behavior;
        let ends = candidates
            .iter()
            .take(2)
            .chain(candidates.iter().rev().take(4));
        probes.extend(ends.map(|&e| apply(base, &[e], behavior)));
        let scores = self.scores(&probes)?;
        let own = scores.row(0);
        Ok(scores.rows().into_iter().any(|row| row != own))
    }

    /// Scores `(histories, I)`.
    fn scores(&mut self, histories: &[OwnedHistory]) -> Result<Mat> {
        let rows = histories.iter().map(OwnedHistory::view);
        let rows = Histories::from_histories(rows, self.q.catalogue.len())?;
        self.scored += histories.len();
        Ok(self.q.model.score(&rows))
    }

    /// The position of the item in the scores `(I)` of a history.
    fn standing(&self, history: History<'_>, scores: &[f32]) -> Standing {
        let q = self.q;
        let mut mask = (q.mask)(history);
        let rank = rank_of(scores, &mask, q.tie_breaks, q.item);
        mask.hide([q.item]);
        let others = top_k(scores, &mask, q.tie_breaks, q.n);
        let last = others.get(q.n.saturating_sub(1));
        Standing {
            rank,
            score: scores[q.item.at()],
            bar: last.map_or(f32::NEG_INFINITY, |s| s.score),
        }
    }

    fn standings(&mut self, histories: &[OwnedHistory]) -> Result<Vec<Standing>> {
        let mut out = Vec::with_capacity(histories.len());
        for batch in histories.chunks(BATCH) {
            let scores = self.scores(batch)?; // (batch, I)
            for (history, scores) in batch.iter().zip(scores.rows()) {
                out.push(self.standing(history.view(), &scores.to_vec()));
            }
        }
        Ok(out)
    }
}
