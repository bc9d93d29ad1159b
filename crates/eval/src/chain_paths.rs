//! Where hits come from: metrics by the *path* of a held-out item, which is the set of behaviors that the user
//! has on it already; and how well probabilities of models of chains are calibrated on each path.
//!
//! With several behaviors most hits are usually items that the user has viewed or carted (re-targeting), so a
//! metric over all items says little about discovery. The probability of an item is the softmax of the
//! scores over all items that may be recommended: the chance to be the next event of the target behavior.

use limpid_core::{Histories, ItemIdx, Mask, Progress, Recommender, Scale, top_k};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::evaluate::{block_rows, score_rows};
use crate::{Error, Protocol, Result};

/// Bins of equal size of the expected calibration error.
const BINS: usize = 15;

/// Bins of equal size that are shown.
const SHOWN: usize = 10;

/// The share of the most probable pairs that is shown apart.
const MOST: f64 = 0.004;

/// The most behaviors whose paths are told apart.
const MOST_BEHAVIORS: usize = 8;

/// Hits and calibration by path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChainPaths {
    /// Length of the lists.
    pub k: usize,
    /// The paths, those with most held-out items first.
    pub paths: Vec<Path>,
    /// Share of the hits that are items with an earlier behavior.
    pub retargeting: f64,
    /// Calibration, if it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Path {
    /// The behaviors before, joined by `+`; `none` for items without any.
    pub path: String,
    /// Held-out items on it.
    pub held_out: usize,
    /// The same as a share of all.
    pub share: f64,
    /// Expected number of hits among the first `k`.
    pub hits: f64,
    /// The same as a share of all hits.
    pub hit_share: f64,
    /// Hits per held-out item of the path.
    pub hit_rate: f64,
    /// Share of the places of all lists that have such an item.
    pub listed: f64,
}

/// How well probabilities match what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Calibration {
    /// Pairs with an earlier behavior that may be recommended, over all users.
    pub pairs: usize,
    /// Share of these that are held out.
    pub base_rate: f64,
    /// Expected calibration error: the mean over bins of equal size of |predicted − observed|.
    pub ece: f64,
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// The same for the base rate alone.
    pub brier_of_base_rate: f64,
    /// The same by path.
    pub paths: Vec<PathCalibration>,
    /// Ten bins of equal size, by ascending probability.
    pub bins: Vec<Bin>,
    /// The most probable 0.4 % of the pairs.
    pub most_probable: Bin,
    /// Mean predicted probability that the held-out item has no earlier behavior.
    pub untouched_predicted: f64,
    /// Share of the users whose held-out item has none.
    pub untouched_observed: f64,
}

/// The calibration of one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PathCalibration {
    /// The behaviors before, joined by `+`.
    pub path: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Mean probability.
    pub predicted: f64,
    /// Share that is held out.
    pub observed: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// Mean squared error.
    pub brier: f64,
}

/// Some pairs of similar probability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bin {
    /// Number of pairs.
    pub pairs: usize,
    /// Mean probability.
    pub predicted: f64,
    /// Share that is held out.
    pub observed: f64,
}

/// A pair with its probability, whether it is held out, and its path.
type Pair = (f32, bool, u8);

/// What one user adds.
#[derive(Default)]
struct OfUser {
    held_out: Vec<u8>,
    hits: Vec<(u8, f64)>,
    listed: Vec<u8>,
    pairs: Vec<Pair>,
    untouched: f64,
}

/// Measures a model, with lists of length `k`. Probabilities are measured if `calibration`.
///
/// # Errors
/// As [`evaluate`](crate::evaluate()); [`Error::Paths`] without several behaviors, or for probabilities of a model
/// whose scores are none.
pub fn chain_paths(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    k: usize,
    calibration: bool,
    progress: &dyn Progress,
) -> Result<ChainPaths> {
    let catalogue = protocol.catalogue;
    let n = catalogue.behaviors.len();
    if !(2..=MOST_BEHAVIORS).contains(&n) || protocol.input.behaviors().is_none() {
        return Err(Error::Paths(format!(
            "paths need the events of 2 to {MOST_BEHAVIORS} behaviors, and the model was fitted on {n}; train it \
             with --behaviors all"
        )));
    }
    if calibration && model.scale() != Scale::NextEvent {
        return Err(Error::Paths(
            "calibration needs scores that are log odds, and those of this model are not; use scorecard"
                .to_owned(),
        ));
    }
    protocol.check()?;
    let ties = catalogue.tie_breaks(protocol.bootstrap.seed);
    let rows: Vec<usize> = (0..protocol.target.len())
        .filter(|&row| protocol.has_truth(row))
        .collect();
    progress.start("paths", rows.len() as u64);
    let mut all: Vec<OfUser> = Vec::new();
    for block in rows.chunks(block_rows(catalogue.len())) {
        if progress.interrupted() {
            return Err(limpid_core::Error::Interrupted("nothing was measured".to_owned()).into());
        }
        let scores = score_rows(model, protocol.input, block)?;
        let of_users: Vec<OfUser> = (0..block.len())
            .into_par_iter()
            .map_init(
                || {
                    let none = || Mask::none(catalogue.len());
                    (none(), none(), Vec::new())
                },
                |(mask, wanted, truth), at| {
                    let row = block[at];
                    protocol.hide(mask, row);
                    protocol.truth(row, wanted, truth);
                    let scores = scores.row(at).to_vec();
                    let sets = sets(protocol, row);
                    of_user(&scores, mask, &ties, truth, &sets, k, calibration)
                },
            )
            .collect();
        all.extend(of_users);
        progress.step(block.len() as u64);
    }
    Ok(summary(&all, protocol, k, calibration))
}

/// The items of a row with their sets of behaviors before the target, ascending.
fn sets(protocol: &Protocol<'_>, row: usize) -> Vec<(u32, u8)> {
    let target = protocol.catalogue.target_behavior;
    let of = |histories: &Histories| -> Vec<(u32, u8)> {
        let events = histories.row(row).events();
        let events =
            events.filter(|e| e.behavior != target && usize::from(e.behavior) < MOST_BEHAVIORS);
        events.map(|e| (e.item.0, 1u8 << e.behavior)).collect()
    };
    let mut sets = of(protocol.input);
    sets.sort_unstable();
    sets.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 |= next.1;
        }
        same
    });
    sets
}

fn of_user(
    scores: &[f32],
    mask: &Mask,
    ties: &[u64],
    truth: &[ItemIdx],
    sets: &[(u32, u8)],
    k: usize,
    calibration: bool,
) -> OfUser {
    let set_of = |item: u32| {
        let at = sets.binary_search_by_key(&item, |s| s.0);
        at.map_or(0, |at| sets[at].1)
    };
    let mut user = OfUser::default();
    for item in truth {
        let path = set_of(item.0);
        user.held_out.push(path);
        if mask.hides(*item) {
            continue;
        }
        let own = scores[item.at()];
        let (mut above, mut equal) = (0usize, 0usize);
        for (i, &score) in scores.iter().enumerate() {
            if !mask.hides(ItemIdx(i as u32)) {
                above += usize::from(score > own);
                equal += usize::from(score == own);
            }
        }
        // The share of the orders of equal items in which it is among the first k.
        let places = k.saturating_sub(above) as f64 / equal.max(1) as f64;
        user.hits.push((path, places.min(1.0)));
    }
    let list = top_k(scores, mask, ties, k);
    user.listed = list.iter().map(|s| set_of(s.item.0)).collect();
    if calibration {
        let open = |i: usize| !mask.hides(ItemIdx(i as u32));
        let largest = (0..scores.len())
            .filter(|&i| open(i))
            .map(|i| scores[i])
            .fold(f32::NEG_INFINITY, f32::max);
        let weight = |i: usize| (f64::from(scores[i]) - f64::from(largest)).exp();
        let total: f64 = (0..scores.len()).filter(|&i| open(i)).map(weight).sum();
        let mut touched = 0.0;
        for &(item, set) in sets.iter().filter(|s| open(s.0 as usize)) {
            let p = weight(item as usize) / total;
            touched += p;
            user.pairs
                .push((p as f32, truth.contains(&ItemIdx(item)), set));
        }
        user.untouched = 1.0 - touched;
    }
    user
}

fn summary(all: &[OfUser], protocol: &Protocol<'_>, k: usize, calibration: bool) -> ChainPaths {
    let mut found: Vec<u8> = all
        .iter()
        .flat_map(|u| u.held_out.iter().chain(&u.listed))
        .copied()
        .collect();
    found.sort_unstable();
    found.dedup();
    let n_held_out: usize = all.iter().map(|u| u.held_out.len()).sum();
    let n_hits: f64 = all.iter().flat_map(|u| &u.hits).map(|h| h.1).sum();
    let n_listed: usize = all.iter().map(|u| u.listed.len()).sum();
    let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
    let mut paths: Vec<Path> = found
        .into_iter()
        .map(|path| {
            let count = |of: fn(&OfUser) -> &Vec<u8>| {
                all.iter().flat_map(of).filter(|&&p| p == path).count()
            };
            let held_out = count(|u| &u.held_out);
            let hits = all.iter().flat_map(|u| &u.hits).filter(|h| h.0 == path);
            // A sum of nothing is −0.
            let hits = hits.map(|h| h.1).sum::<f64>() + 0.0;
            Path {
                path: name(path, protocol),
                held_out,
                share: share(held_out as f64, n_held_out as f64),
                hits,
                hit_share: share(hits, n_hits),
                hit_rate: share(hits, held_out as f64),
                listed: share(count(|u| &u.listed) as f64, n_listed as f64),
            }
        })
        .collect();
    paths.sort_by(|a, b| b.held_out.cmp(&a.held_out).then(a.path.cmp(&b.path)));
    let untouched = name(0, protocol);
    let retargeting = paths
        .iter()
        .filter(|p| p.path != untouched)
        .map(|p| p.hit_share)
        .sum::<f64>()
        + 0.0;
    ChainPaths {
        k,
        paths,
        retargeting,
        calibration: calibration.then(|| calibrated(all, protocol)),
    }
}

fn calibrated(all: &[OfUser], protocol: &Protocol<'_>) -> Calibration {
    let mut pairs: Vec<Pair> = all.iter().flat_map(|u| u.pairs.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found: Vec<u8> = pairs.iter().map(|p| p.2).collect();
    found.sort_unstable();
    found.dedup();
    let whole = bin(&pairs);
    let most = ((pairs.len() as f64 * MOST).ceil() as usize).min(pairs.len());
    let users = all.len().max(1) as f64;
    let untouched = |u: &&OfUser| u.held_out.iter().all(|&path| path == 0);
    Calibration {
        pairs: pairs.len(),
        base_rate: whole.observed,
        ece: ece(&pairs),
        brier: brier(&pairs),
        brier_of_base_rate: whole.observed * (1.0 - whole.observed),
        paths: found
            .into_iter()
            .map(|path| {
                let own: Vec<Pair> = pairs.iter().copied().filter(|p| p.2 == path).collect();
                let whole = bin(&own);
                PathCalibration {
                    path: name(path, protocol),
                    pairs: own.len(),
                    predicted: whole.predicted,
                    observed: whole.observed,
                    ece: ece(&own),
                    brier: brier(&own),
                }
            })
            .collect(),
        bins: parts(&pairs, SHOWN).map(bin).collect(),
        most_probable: bin(&pairs[pairs.len() - most..]),
        untouched_predicted: all.iter().map(|u| u.untouched).sum::<f64>() / users,
        untouched_observed: all.iter().filter(untouched).count() as f64 / users,
    }
}

/// The name of a path: `none` without behaviors.
fn name(path: u8, protocol: &Protocol<'_>) -> String {
    if path == 0 {
        return "none".to_owned();
    }
    let names = protocol.catalogue.behaviors.iter().enumerate();
    let names = names.filter(|(b, _)| path >> b & 1 == 1);
    let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
    names.join("+")
}

fn bin(pairs: &[Pair]) -> Bin {
    let n = pairs.len().max(1) as f64;
    Bin {
        pairs: pairs.len(),
        predicted: pairs.iter().map(|p| f64::from(p.0)).sum::<f64>() / n,
        observed: pairs.iter().filter(|p| p.1).count() as f64 / n,
    }
}

fn brier(pairs: &[Pair]) -> f64 {
    let error = |p: &Pair| (f64::from(p.0) - f64::from(u8::from(p.1))).powi(2);
    pairs.iter().map(error).sum::<f64>() / pairs.len().max(1) as f64
}

/// Sorted pairs in at most `n` parts whose sizes differ by one at most.
fn parts(pairs: &[Pair], n: usize) -> impl Iterator<Item = &[Pair]> {
    let n = n.min(pairs.len());
    (0..n).map(move |at| &pairs[at * pairs.len() / n..(at + 1) * pairs.len() / n])
}

fn ece(pairs: &[Pair]) -> f64 {
    let n = pairs.len().max(1) as f64;
    let error = |part: &[Pair]| {
        let bin = bin(part);
        part.len() as f64 / n * (bin.predicted - bin.observed).abs()
    };
    parts(pairs, BINS).map(error).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::catalogue;
    use limpid_core::{Event, History, Ledger, Mat, NoProgress, OwnedHistory};

    /// The same scores for everybody: item 0 first.
    struct Same;

    impl Recommender for Same {
        fn score(&self, users: &Histories) -> Mat {
            Mat::from_shape_fn((users.len(), users.n_items()), |(_, i)| -(i as f32))
        }

        fn explain(&self, _: History<'_>, _: ItemIdx) -> Ledger {
            Ledger::default()
        }

        fn scale(&self) -> Scale {
            Scale::NextEvent
        }
    }

    fn rows(rows: &[&[(u32, u8)]]) -> Histories {
        let row = |events: &&[(u32, u8)]| {
            let event = |&(item, behavior): &(u32, u8)| Event {
                behavior,
                ..Event::of(ItemIdx(item))
            };
            OwnedHistory::of_events(None, events.iter().map(event).collect())
        };
        let rows: Vec<OwnedHistory> = rows.iter().map(row).collect();
        Histories::from_histories(rows.iter().map(OwnedHistory::view), 4).unwrap()
    }

    /// Two users, lists of one item. The first viewed item 0 and buys it; the second viewed nothing that it
    /// may be recommended, and buys item 2.
    #[test]
    fn hits_and_probabilities_by_hand() {
        let mut c = catalogue(4);
        c.behaviors = vec!["view".into(), "buy".into()];
        c.target_behavior = 1;
        let input = rows(&[&[(0, 0), (3, 1)], &[(3, 1), (3, 0)]]);
        let target = rows(&[&[(0, 1)], &[(2, 1)]]);
        let protocol = Protocol::new(&input, &target, &c, vec!["hit@1".parse().unwrap()]);
        let measured = chain_paths(&Same, &protocol, 1, true, &NoProgress).unwrap();
        let of = |path: &str| measured.paths.iter().find(|p| p.path == path).unwrap();
        let view = of("view");
        assert_eq!(
            (view.held_out, view.hits, view.hit_rate, view.listed),
            (1, 1.0, 1.0, 0.5)
        );
        assert_eq!((of("none").held_out, of("none").hits), (1, 0.0));
        assert_eq!(measured.retargeting, 1.0);
        let calibration = measured.calibration.unwrap();
        // Softmax of 0, −1, −2 for the only open pair.
        let p = 1.0 / (1.0 + (-1f64).exp() + (-2f64).exp());
        assert_eq!((calibration.pairs, calibration.base_rate), (1, 1.0));
        assert!((calibration.ece - (1.0 - p)).abs() < 1e-6);
        assert!((calibration.brier - (1.0 - p).powi(2)).abs() < 1e-6);
        assert!((calibration.untouched_predicted - (1.0 + (1.0 - p)) / 2.0).abs() < 1e-9);
        assert_eq!(calibration.untouched_observed, 0.5);
        // A path in the lists without a held-out item has 0 hits, not −0.
        let untouched = rows(&[&[(2, 1)], &[(2, 1)]]);
        let protocol = Protocol::new(&input, &untouched, &c, vec!["hit@1".parse().unwrap()]);
        let measured = chain_paths(&Same, &protocol, 1, false, &NoProgress).unwrap();
        let view = measured.paths.iter().find(|p| p.path == "view").unwrap();
        assert!(view.hits.is_sign_positive() && measured.retargeting.is_sign_positive());
        let plain = Histories::from_rows(&[vec![0]], 4).unwrap();
        let one = Protocol::new(&plain, &plain, &c, vec!["hit@1".parse().unwrap()]);
        assert!(chain_paths(&Same, &one, 1, false, &NoProgress).is_err());
    }

    #[test]
    fn parts_have_equal_sizes() {
        let pairs: Vec<Pair> = (0..7).map(|i| (i as f32 / 10.0, i % 2 == 0, 1)).collect();
        let sizes: Vec<usize> = parts(&pairs, 3).map(<[Pair]>::len).collect();
        assert_eq!(sizes, [2, 2, 3]);
        assert_eq!(parts(&pairs[..2], 15).count(), 2);
        assert_eq!(ece(&[]), 0.0);
    }
}
