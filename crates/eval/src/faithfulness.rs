//! Faithfulness: deletion test of explanations against random deletions.
//!
//! For the top-ranked item of each user, the history items cited by its five strongest lines are deleted
//! and all items are scored again; as a control, as many random items are deleted. The original history
//! stays masked, so that only other candidates can rank higher. After DeYoung et al., ERASER (ACL 2020):
//! comprehensiveness is the loss of score without the cited items, sufficiency the loss with them alone;
//! both as shares of the score above that of an empty history.

use limpid_core::{Histories, History, ItemIdx, Ledger, Mask, OwnedHistory, Progress, Recommender};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::evaluate::block_rows;
use crate::explained::{Explained, Explaining, choose, strongest};
use crate::readability::STRONGEST;
use crate::spread::Spread;
use crate::{Protocol, Result};

/// Faithfulness of a model's explanations, as distributions over users.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Faithfulness {
    /// Users whose explanation cites items of the history; the others are left out.
    pub n_users: usize,
    /// Number of deleted items.
    pub deleted: Spread,
    /// Ranks that the item drops when the cited items are deleted.
    pub drop: Spread,
    /// Ranks that it drops when as many random items of the history are deleted.
    pub random_drop: Spread,
    /// Share of its score (above that of an empty history) lost without the cited items; higher is
    /// better, and 1 means that nothing else supports it.
    pub comprehensiveness: Spread,
    /// The same for as many random items.
    pub random_comprehensiveness: Spread,
    /// Share of its score lost with the cited items alone; lower is better.
    pub sufficiency: Spread,
    /// The same for as many random items.
    pub random_sufficiency: Spread,
    /// Ranks that the item drops (median over users) by the number of strongest lines whose items are
    /// deleted.
    pub curve: Vec<CurvePoint>,
    /// The largest |score − sum of the ledger|, over all ledgers, as a share of their size.
    pub additivity_error: f64,
}

/// The drop of the item when the items of this many strongest lines are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CurvePoint {
    /// Number of lines whose items are deleted.
    pub lines: usize,
    /// Median drop in ranks.
    pub cited: f64,
    /// The same for as many random items.
    pub random: f64,
}

/// The points of the curve.
const CURVE: [usize; 6] = [1, 2, 3, STRONGEST, 8, 13];

/// One user's top-ranked item after a change of the history.
struct Case<'a> {
    of: &'a Explained,
    history: OwnedHistory,
}

/// Its drop.
#[derive(Debug, Clone, Copy)]
struct Fall {
    places: f64,
    score: f64,
}

/// Runs the deletion test.
///
/// # Errors
/// If the user interrupts, or rows cannot be scored.
pub fn faithfulness(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    explained: &[Explained],
    how: &Explaining<'_>,
    progress: &dyn Progress,
) -> Result<Faithfulness> {
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed.wrapping_add(1));
    let explained_by_items: Vec<&Explained> = explained
        .iter()
        .filter(|e| !cited(e, STRONGEST).is_empty())
        .collect();
    let mut deleted = Vec::with_capacity(explained_by_items.len());
    let mut cases = Vec::new();
    for &of in &explained_by_items {
        let user = protocol.input.row(of.row);
        let mut case = |items: &[ItemIdx], keep: bool| {
            let events = user.events();
            let left = events.filter(|e| items.binary_search(&e.item).is_ok() == keep);
            // Without the user id: no model may look up the original history.
            let history = OwnedHistory::of_events(None, left.collect());
            cases.push(Case { of, history });
        };
        for lines in CURVE {
            let chosen = cited(of, lines);
            let random = random_items(user, chosen.len(), &mut rng);
            case(&chosen, false);
            case(&random, false);
            if lines == STRONGEST {
                case(&chosen, true);
                case(&random, true);
                deleted.push(chosen.len() as f64);
            }
        }
    }
    let falls = replay(model, protocol, &cases, progress)?;
    let n_items = protocol.catalogue.len();
    let nobody = OwnedHistory::default();
    let empty = model.score(&Histories::from_histories([nobody.view()], n_items)?); // (1, I)
    // The cases of a user, in the order above: two of each point, and two more after the strongest.
    let per_user = 2 * CURVE.len() + 2;
    let strongest_at = 2 * CURVE.iter().take_while(|&&k| k != STRONGEST).count();
    let places = |at: usize| {
        let of_users = falls.chunks_exact(per_user);
        Spread::of(of_users.map(|f| f[at].places).collect())
    };
    let lost = |at: usize| {
        let users = explained_by_items.iter().zip(falls.chunks_exact(per_user));
        let shares = users.filter_map(|(e, f)| {
            let (full, none) = (f64::from(e.score), f64::from(empty[(0, e.item.at())]));
            (full > none).then(|| (full - f[at].score) / (full - none))
        });
        Spread::of(shares.collect())
    };
    let curve = CURVE.iter().enumerate().map(|(point, &lines)| {
        let at = 2 * point + if lines > STRONGEST { 2 } else { 0 };
        CurvePoint {
            lines,
            cited: places(at).median,
            random: places(at + 1).median,
        }
    });
    Ok(Faithfulness {
        n_users: explained_by_items.len(),
        deleted: Spread::of(deleted),
        drop: places(strongest_at),
        random_drop: places(strongest_at + 1),
        comprehensiveness: lost(strongest_at),
        random_comprehensiveness: lost(strongest_at + 1),
        sufficiency: lost(strongest_at + 2),
        random_sufficiency: lost(strongest_at + 3),
        curve: curve.collect(),
        additivity_error: explained
            .iter()
            .flat_map(|e| [(e.score, &e.raw), (e.score, &e.lines)])
            .map(|(score, ledger)| additivity_error(score, ledger))
            .fold(0.0, f64::max),
    })
}

/// The history items cited by the strongest lines, ascending.
fn cited(e: &Explained, lines: usize) -> Vec<ItemIdx> {
    let mut items: Vec<ItemIdx> = strongest(&e.lines, lines)
        .flat_map(|line| line.cites.iter().map(|event| event.item))
        .collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// `n` random items of a history, ascending.
fn random_items(user: History<'_>, n: usize, rng: &mut ChaCha8Rng) -> Vec<ItemIdx> {
    let mut items = user.items.to_vec();
    items.sort_unstable();
    items.dedup();
    choose(&mut items, n, rng);
    items.sort_unstable();
    items
}

/// Scores every case, in blocks.
fn replay(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    cases: &[Case<'_>],
    progress: &dyn Progress,
) -> Result<Vec<Fall>> {
    let n_items = protocol.catalogue.len();
    progress.start("deleting", cases.len() as u64);
    let mut falls = Vec::with_capacity(cases.len());
    for block in cases.chunks(block_rows(n_items)) {
        if progress.interrupted() {
            return Err(limpid_core::Error::Interrupted("nothing was measured".to_owned()).into());
        }
        let rows = block.iter().map(|case| case.history.view());
        let scores = model.score(&Histories::from_histories(rows, n_items)?); // (cases, I)
        let of_block: Vec<Fall> = block
            .par_iter()
            .enumerate()
            .map_init(
                || Mask::none(n_items),
                |mask, (at, case)| {
                    protocol.hide(mask, case.of.row);
                    let row = scores.row(at);
                    let score = row[case.of.item.at()];
                    let above = row.iter().enumerate().filter(|&(item, &other)| {
                        other > score && !mask.hides(ItemIdx(item as u32))
                    });
                    Fall {
                        places: above.count() as f64,
                        score: f64::from(score),
                    }
                },
            )
            .collect();
        falls.extend(of_block);
        progress.step(block.len() as u64);
    }
    Ok(falls)
}

/// |score − sum of the ledger| as a share of the ledger's size.
fn additivity_error(score: f32, ledger: &Ledger) -> f64 {
    let apart = f64::from(score) - f64::from(ledger.score);
    (apart + ledger.additivity_error()).abs() / ledger.size()
}
