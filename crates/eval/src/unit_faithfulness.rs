//! Faithfulness of cited units: muting them against random active units and units of equal mass.
//!
//! For the top-ranked item of each user, the units that support it most are muted and all items are scored
//! again. Controls: as many random active units, and random ones until their activation is as large. After
//! DeYoung et al., ERASER (ACL 2020); units that hold for everyone (see
//! [`Units::general`](limpid_core::Units::general)) are neither cited nor muted.

use limpid_core::{Csr, Detail, Histories, History, ItemIdx, Mask, Progress, Recommender, UnitsOf};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::evaluate::block_rows;
use crate::explained::{Explaining, choose, sample};
use crate::{Protocol, Result};

/// Length of the list that the item must leave.
pub const LIST: usize = 20;

/// Cited units that are muted.
pub const CITED: usize = 3;

/// Numbers of cited units of the deletion and insertion curves.
const CURVE: [usize; 5] = [1, 2, CITED, 5, 8];

/// Random draws of each control.
const DRAWS: usize = 3;

/// Shares of users whose top item leaves the top 20.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UnitFaithfulness {
    /// Users whose top item is supported by a unit.
    pub n_users: usize,
    /// When its three most cited units are muted.
    pub cited: f64,
    /// When three random active units are muted.
    pub random: f64,
    /// When random active units of at least the same sum of activations are muted.
    pub equal_mass: f64,
    /// Mean share of its score (above that without any unit) that is lost without the three most cited.
    pub comprehensiveness: f64,
    /// Mean share of it that is lost with these alone.
    pub sufficiency: f64,
    /// By number of units.
    pub curve: Vec<UnitPoint>,
}

/// Shares of users at a number of units.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UnitPoint {
    /// Number of units.
    pub units: usize,
    /// The top item leaves the top 20 when the most cited ones are muted (deletion).
    pub deleted: f64,
    /// The same for random active ones.
    pub random_deleted: f64,
    /// It is in the top 20 when only the most cited ones are kept (insertion).
    pub inserted: f64,
    /// The same for random active ones.
    pub random_inserted: f64,
}

/// An activation row after units were muted, and what is asked of it.
struct Case {
    user: usize,
    row: Vec<(u32, f32)>,
}

/// A user whose top item is cited.
struct User {
    row: usize,
    item: ItemIdx,
    score: f64,
}

/// Runs the test on the users of a protocol, blockwise.
///
/// # Errors
/// If the tables of the protocol do not match, nobody has events, or the user interrupts.
pub fn unit_faithfulness(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    how: &Explaining<'_>,
    progress: &dyn Progress,
) -> Result<UnitFaithfulness> {
    protocol.check_tables()?;
    let units = UnitsOf::model(model, protocol.catalogue);
    let n_items = protocol.catalogue.len();
    let rows = sample(protocol.input, how.users, how.seed);
    let mut rng = ChaCha8Rng::seed_from_u64(how.seed.wrapping_add(2));
    let mut sums = Sums::default();
    progress.start("muting units", rows.len() as u64);
    for block in rows.chunks(block_rows(n_items)) {
        if progress.interrupted() {
            return Err(limpid_core::Error::Interrupted("nothing was measured".to_owned()).into());
        }
        let histories: Vec<History<'_>> = block.iter().map(|&r| protocol.input.row(r)).collect();
        let users = Histories::from_histories(histories.iter().copied(), n_items)?;
        let active = units.activate(&users);
        let scores = units.score_activations(&users, &active);
        let mut cited_users = Vec::new();
        let mut cases = Vec::new();
        let mut mask = Mask::none(n_items);
        for (at, &row) in block.iter().enumerate() {
            protocol.hide(&mut mask, row);
            let own = scores.row(at);
            let best = (0..n_items)
                .filter(|&i| !mask.hides(ItemIdx(i as u32)))
                .max_by(|&a, &b| own[a].total_cmp(&own[b]).then(b.cmp(&a)));
            let Some(best) = best else { continue };
            let item = ItemIdx(best as u32);
            let (columns, values) = active.row(at);
            let all: Vec<(u32, f32)> = columns
                .iter()
                .copied()
                .zip(values.iter().copied())
                .collect();
            let eligible: Vec<(u32, f32)> = all
                .iter()
                .copied()
                .filter(|a| a.1 != 0.0 && !units.general(a.0 as usize))
                .collect();
            let ledger = units.ledger(histories[at], &all, item, Detail::Raw);
            let cited: Vec<u32> = ledger
                .parts
                .iter()
                .filter(|p| p.value > 0.0)
                .flat_map(|p| units.members(p.unit))
                .map(|k| k as u32)
                .filter(|k| eligible.iter().any(|e| e.0 == *k))
                .collect();
            if cited.is_empty() {
                continue;
            }
            let user = cited_users.len();
            cited_users.push(User {
                row,
                item,
                score: f64::from(own[best]),
            });
            let mass = |units: &[u32]| -> f32 {
                let own = eligible.iter().filter(|e| units.contains(&e.0));
                own.map(|e| e.1.abs()).sum()
            };
            let random = |n: usize, rng: &mut ChaCha8Rng| -> Vec<u32> {
                let mut some: Vec<u32> = eligible.iter().map(|e| e.0).collect();
                choose(&mut some, n, rng);
                some
            };
            let mut case = |muted: &dyn Fn(u32) -> bool| {
                let is_eligible = |k: u32| eligible.iter().any(|e| e.0 == k);
                let row = all.iter().map(|&(k, a)| match is_eligible(k) && muted(k) {
                    true => (k, 0.0),
                    false => (k, a),
                });
                cases.push(Case {
                    user,
                    row: row.collect(),
                });
            };
            case(&|_| true);
            for n in CURVE {
                let top: Vec<u32> = cited.iter().copied().take(n).collect();
                case(&|k| top.contains(&k));
                case(&|k| !top.contains(&k));
                for _ in 0..DRAWS {
                    let some = random(top.len(), &mut rng);
                    case(&|k| some.contains(&k));
                    case(&|k| !some.contains(&k));
                }
            }
            let top: Vec<u32> = cited.iter().copied().take(CITED).collect();
            let wanted = mass(&top);
            for _ in 0..DRAWS {
                let mut some = Vec::new();
                for k in random(eligible.len(), &mut rng) {
                    if mass(&some) >= wanted {
                        break;
                    }
                    some.push(k);
                }
                case(&|k| some.contains(&k));
            }
        }
        let outcomes = replay(&units, protocol, &cited_users, &cases)?;
        sums.add(&cited_users, &outcomes);
        progress.step(block.len() as u64);
    }
    Ok(sums.means())
}

/// Rank and score of an item after units were muted.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    left: bool,
    score: f64,
}

/// Cases of a user: the one without units, those of the curve, and those of equal mass.
const PER_USER: usize = 1 + CURVE.len() * 2 * (1 + DRAWS) + DRAWS;

fn replay(
    units: &UnitsOf<'_>,
    protocol: &Protocol<'_>,
    users: &[User],
    cases: &[Case],
) -> Result<Vec<Outcome>> {
    let n_items = protocol.catalogue.len();
    let mut out = Vec::with_capacity(cases.len());
    for block in cases.chunks(block_rows(n_items)) {
        let rows = block.iter().map(|c| protocol.input.row(users[c.user].row));
        let histories = Histories::from_histories(rows, n_items)?;
        let activations = Csr::from_rows(block.iter().map(|c| c.row.clone()), units.len())?;
        let scores = units.score_activations(&histories, &activations);
        let of_block: Vec<Outcome> = block
            .par_iter()
            .enumerate()
            .map_init(
                || Mask::none(n_items),
                |mask, (at, case)| {
                    let user = &users[case.user];
                    protocol.hide(mask, user.row);
                    let row = scores.row(at);
                    let score = row[user.item.at()];
                    let above = row.iter().enumerate().filter(|&(item, &other)| {
                        other > score && !mask.hides(ItemIdx(item as u32))
                    });
                    Outcome {
                        left: above.count() >= LIST,
                        score: f64::from(score),
                    }
                },
            )
            .collect();
        out.extend(of_block);
    }
    Ok(out)
}

/// Sums over users.
#[derive(Default)]
struct Sums {
    n_users: usize,
    equal_mass: f64,
    lost: f64,
    lost_alone: f64,
    scored: usize,
    points: [UnitPoint; CURVE.len()],
}

impl Sums {
    fn add(&mut self, users: &[User], outcomes: &[Outcome]) {
        for (user, of_user) in users.iter().zip(outcomes.chunks_exact(PER_USER)) {
            self.n_users += 1;
            let none = of_user[0].score;
            let mut at = 1;
            for (point, n) in self.points.iter_mut().zip(CURVE) {
                let share = |outcomes: &[Outcome], left: bool| {
                    let hits = outcomes.iter().filter(|o| o.left == left).count();
                    hits as f64 / outcomes.len() as f64
                };
                let (cited, random) = (&of_user[at..at + 2], &of_user[at + 2..at + 2 + 2 * DRAWS]);
                let deleted: Vec<Outcome> = random.iter().copied().step_by(2).collect();
                let kept: Vec<Outcome> = random.iter().copied().skip(1).step_by(2).collect();
                point.units = n;
                point.deleted += f64::from(u8::from(cited[0].left));
                point.inserted += f64::from(u8::from(!cited[1].left));
                point.random_deleted += share(&deleted, true);
                point.random_inserted += share(&kept, false);
                if n == CITED && user.score > none {
                    self.scored += 1;
                    self.lost += (user.score - cited[0].score) / (user.score - none);
                    self.lost_alone += (user.score - cited[1].score) / (user.score - none);
                }
                at += 2 * (1 + DRAWS);
            }
            let left = of_user[at..].iter().filter(|o| o.left).count();
            self.equal_mass += left as f64 / DRAWS as f64;
        }
    }

    fn means(self) -> UnitFaithfulness {
        let n = self.n_users.max(1) as f64;
        let scored = self.scored.max(1) as f64;
        let curve: Vec<UnitPoint> = self
            .points
            .iter()
            .map(|p| UnitPoint {
                units: p.units,
                deleted: p.deleted / n,
                random_deleted: p.random_deleted / n,
                inserted: p.inserted / n,
                random_inserted: p.random_inserted / n,
            })
            .collect();
        let three = curve.iter().find(|p| p.units == CITED).copied();
        let three = three.unwrap_or_default();
        UnitFaithfulness {
            n_users: self.n_users,
            cited: three.deleted,
            random: three.random_deleted,
            equal_mass: self.equal_mass / n,
            comprehensiveness: self.lost / scored,
            sufficiency: self.lost_alone / scored,
            curve,
        }
    }
}
