//! Counterfactuals: the smallest edits of a history that move an item into the recommendation list, or
//! out of it.
//!
//! Every counterfactual is replayed: the edit is applied to the history, the model scores
//! the edited history, the same filters mask it, and the item is ranked again. Both sides are scored
//! as histories of unknown users, so a model that learns a vector per user compares fold-in with
//! fold-in.

use limpid_core::{
    Catalogue, Histories, History, ItemIdx, Mask, OwnedHistory, Recommender, Result, UnitsOf,
    rank_of, top_k,
};

/// Edited histories per scoring batch.
const BATCH: usize = 128;

/// Single edits that are tried at every step of the search for larger edits.
const BEAM: usize = 64;

/// One change of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryEdit {
    /// Add an event on this item, as the last event.
    Add(ItemIdx),
    /// Remove all events on this item.
    Remove(ItemIdx),
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
    /// No smaller edit reaches the goal: it is a single event, or every single event was tried
    /// and none sufficed, and the edit has two events.
    Proven,
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
}

/// The goal of the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Move the item into the top n.
    Enter,
    /// Move the item out of the top n.
    Leave,
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
}

/// Limits of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Maximum number of events in an edit.
    pub max_edits: usize,
    /// Maximum number of single events that are tried; with more items, the most promising ones.
    pub max_singles: usize,
    /// Maximum number of counterfactuals of each kind (additions, removals).
    pub shown: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            max_edits: 6,
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
    /// Edits that reach the goal, fewest events first.
    pub counterfactuals: Vec<Counterfactual>,
    /// How many edited histories were scored.
    pub replayed: usize,
    /// Whether every single event was tried.
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
        counterfactuals: Vec::new(),
        replayed: 0,
        exhaustive: true,
    };
    if verdict.already {
        return Ok(verdict);
    }
    let (singles, exhaustive) = candidates(q, &base, limits.max_singles);
    verdict.exhaustive = exhaustive;
    let tried = replay.tried(&base, &[], &singles)?;
    for adds in [true, false] {
        let of_kind = |e: &HistoryEdit| matches!(e, HistoryEdit::Add(_)) == adds;
        let mut kind: Vec<(HistoryEdit, Standing)> =
            tried.iter().filter(|(e, _)| of_kind(e)).copied().collect();
        kind.sort_by(|a, b| {
            replay
                .gain(&b.1)
                .total_cmp(&replay.gain(&a.1))
                .then(a.0.cmp(&b.0))
        });
        let winners = kind
            .iter()
            .filter(|(_, s)| replay.reached(s))
            .take(limits.shown);
        let found: Vec<Counterfactual> = winners
            .map(|&(edit, after)| Counterfactual {
                edits: vec![edit],
                after,
                smallest: Smallest::Proven,
            })
            .collect();
        if found.is_empty() {
            let beam: Vec<HistoryEdit> = kind.iter().take(BEAM).map(|&(e, _)| e).collect();
            verdict
                .counterfactuals
                .extend(replay.grow(&base, &beam, limits.max_edits)?);
        } else {
            verdict.counterfactuals.extend(found);
        }
    }
    let single = verdict.counterfactuals.iter().any(|c| c.edits.len() == 1);
    for c in &mut verdict.counterfactuals {
        if c.edits.len() == 2 && exhaustive && !single {
            c.smallest = Smallest::Proven;
        }
    }
    verdict.counterfactuals.sort_by_key(|c| c.edits.len());
    verdict.replayed = replay.scored;
    Ok(verdict)
}

/// The single events to try, and whether these are all.
fn candidates(q: &Question<'_>, base: &OwnedHistory, most: usize) -> (Vec<HistoryEdit>, bool) {
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
    let room = most.saturating_sub(singles.len());
    let exhaustive = additions.len() <= room;
    if !exhaustive {
        // Weights of units are known before anything is scored; without them the most popular items
        // are tried.
        let units = UnitsOf::model(q.model, q.catalogue);
        let before = units.activations(base.view());
        let sign = if q.goal == Goal::Enter { 1.0 } else { -1.0 };
        let promise = |i: ItemIdx| -> f32 {
            let popularity = q.catalogue.train_counts[i.at()] as f32;
            if !units.graded() {
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

fn apply(history: &OwnedHistory, edits: &[HistoryEdit], behavior: u8) -> OwnedHistory {
    let mut edited = history.clone();
    for edit in edits {
        match *edit {
            HistoryEdit::Add(item) => edited.add(item, behavior),
            HistoryEdit::Remove(item) => {
                edited.remove(item);
            }
        }
    }
    edited
}

/// Scores edited histories and counts them.
struct Replay<'q, 'a> {
    q: &'q Question<'a>,
    scored: usize,
}

impl Replay<'_, '_> {
    fn reached(&self, s: &Standing) -> bool {
        match self.q.goal {
            Goal::Enter => s.rank <= self.q.n,
            Goal::Leave => s.rank > self.q.n,
        }
    }

    /// How far the item is beyond the threshold, in the direction of the goal.
    fn gain(&self, s: &Standing) -> f32 {
        let margin = s.score - s.bar;
        match self.q.goal {
            Goal::Enter => margin,
            Goal::Leave => -margin,
        }
    }

    fn standings(&mut self, histories: &[OwnedHistory]) -> Result<Vec<Standing>> {
        let q = self.q;
        let mut out = Vec::with_capacity(histories.len());
        for batch in histories.chunks(BATCH) {
            let rows = batch.iter().map(OwnedHistory::view);
            let rows = Histories::from_histories(rows, q.catalogue.len())?;
            let scores = q.model.score(&rows); // (batch, I)
            for (history, scores) in rows.rows().zip(scores.rows()) {
                let scores = scores.to_vec();
                let mut mask = (q.mask)(history);
                let rank = rank_of(&scores, &mask, q.tie_breaks, q.item);
                mask.hide([q.item]);
                let others = top_k(&scores, &mask, q.tie_breaks, q.n);
                let bar = others
                    .get(q.n.saturating_sub(1))
                    .map_or(f32::NEG_INFINITY, |s| s.score);
                out.push(Standing {
                    rank,
                    score: scores[q.item.at()],
                    bar,
                });
            }
        }
        self.scored += histories.len();
        Ok(out)
    }

    /// Each candidate added to `chosen`, with the resulting position of the item.
    fn tried(
        &mut self,
        base: &OwnedHistory,
        chosen: &[HistoryEdit],
        candidates: &[HistoryEdit],
    ) -> Result<Vec<(HistoryEdit, Standing)>> {
        let behavior = self.q.catalogue.target_behavior;
        let start = apply(base, chosen, behavior);
        let mut out = Vec::with_capacity(candidates.len());
        for batch in candidates.chunks(BATCH) {
            let edited: Vec<OwnedHistory> = batch
                .iter()
                .map(|&e| apply(&start, &[e], behavior))
                .collect();
            out.extend(batch.iter().copied().zip(self.standings(&edited)?));
        }
        Ok(out)
    }

    /// Greedily adds the best event until the goal is reached, then drops every event that
    /// is not needed.
    fn grow(
        &mut self,
        base: &OwnedHistory,
        beam: &[HistoryEdit],
        most: usize,
    ) -> Result<Option<Counterfactual>> {
        let mut chosen: Vec<HistoryEdit> = Vec::new();
        let mut reached = None;
        while chosen.len() < most && reached.is_none() {
            let left: Vec<HistoryEdit> = beam
                .iter()
                .copied()
                .filter(|e| !chosen.contains(e))
                .collect();
            let tried = self.tried(base, &chosen, &left)?;
            let best = tried.into_iter().max_by(|a, b| {
                self.gain(&a.1)
                    .total_cmp(&self.gain(&b.1))
                    .then(b.0.cmp(&a.0))
            });
            let Some((edit, standing)) = best else { break };
            chosen.push(edit);
            if self.reached(&standing) {
                reached = Some(standing);
            }
        }
        let Some(mut after) = reached else {
            return Ok(None);
        };
        let behavior = self.q.catalogue.target_behavior;
        let mut at = 0;
        while chosen.len() > 1 && at < chosen.len() {
            let mut fewer = chosen.clone();
            fewer.remove(at);
            let standing = self.standings(&[apply(base, &fewer, behavior)])?[0];
            if self.reached(&standing) {
                chosen = fewer;
                after = standing;
            } else {
                at += 1;
            }
        }
        Ok(Some(Counterfactual {
            edits: chosen,
            after,
            smallest: Smallest::Found,
        }))
    }
}
