//! Chains of behaviors in numbers: how often events before the target end in it, by behavior and by pattern,
//! and whether a given split keeps such events of its held-out pairs.
//!
//! The *pattern* of a pair of a user and an item is the set of behaviors before the target that it has.

use limpid_core::{History, ItemIdx};
use serde::{Deserialize, Serialize};

use crate::log::{GivenSubset, Log};
use crate::{Split, Subset};

/// The most behaviors whose patterns are counted.
const MOST_BEHAVIORS: usize = 8;

/// Below this share of the pairs that train events have, held-out pairs count as without earlier events.
const REMOVED: f64 = 0.05;

/// The chains of a log with several behaviors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChainDescription {
    /// The behaviors before the target, by ascending conversion.
    pub by_conversion: Vec<Conversion>,
    /// Every pattern that some pair has, in the order of the chain; the last behavior weighs most.
    pub patterns: Vec<Conversion>,
    /// Target events of pairs without any earlier behavior.
    pub target_without_pattern: usize,
    /// Users with events before the target, but no target event.
    pub users_without_target: usize,
    /// Pairs whose first target event is before an event of an earlier behavior, where there are times.
    pub against_the_order: usize,
    /// The held-out pairs of a given split.
    pub held_out: Option<HeldOutPairs>,
}

/// Pairs of a user and an item, and those of them with a target event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Conversion {
    /// A behavior, or the behaviors of a pattern joined by `+`.
    pub name: String,
    /// Number of pairs that have it.
    pub pairs: usize,
    /// Number of these with a target event.
    pub converted: usize,
    /// `converted / pairs`.
    pub conversion: f64,
}

/// What a split leaves of the events before the target of its held-out pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldOutPairs {
    /// Number of held-out pairs.
    pub pairs: usize,
    /// Number of these with an earlier behavior in train.
    pub with_pattern: usize,
    /// The same by pattern.
    pub patterns: Vec<crate::describe::Count>,
    /// The share of train target pairs that have an earlier behavior, to compare with.
    pub share_in_train: f64,
    /// Whether the split keeps these events.
    pub evidence: EvidenceKept,
}

/// Whether a split keeps the events before the target of its held-out pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKept {
    /// About as many held-out pairs as train pairs have them.
    Kept,
    /// Held-out pairs have none, or hardly any, and train pairs have.
    Removed,
    /// Neither train nor held-out pairs have any.
    None,
}

impl EvidenceKept {
    /// By the shares of held-out and of train pairs with an earlier behavior.
    fn of(held_out: f64, train: f64) -> Self {
        match (held_out, train) {
            (0.0, 0.0) => Self::None,
            (held_out, train) if held_out < REMOVED * train => Self::Removed,
            _ => Self::Kept,
        }
    }

    /// What a metric over all items then measures.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Kept => {
                "kept: metrics over all items are mostly about items that the user has touched already \
                 (re-targeting); 'evaluate --regime discovery' counts only the others"
            }
            Self::Removed => {
                "removed: every held-out item is one that the user has not touched (discovery)"
            }
            Self::None => "none in the data: target events have no earlier behavior",
        }
    }
}

/// The behaviors of one pair.
#[derive(Clone, Copy)]
struct Pair {
    user: u32,
    /// Bit b: behavior b, among the train events.
    set: u8,
    held_out: bool,
    against: bool,
}

/// The pairs of the events, by user and item. Held-out events count only as held out.
fn pairs(log: &Log) -> Vec<Pair> {
    let Some(behavior) = &log.behavior else {
        return Vec::new();
    };
    let is_train = |e: usize| {
        log.given
            .as_ref()
            .is_none_or(|g| g[e] == GivenSubset::Train)
    };
    let mut order: Vec<u32> = (0..log.n_events() as u32).collect();
    let key = |e: u32| (log.user[e as usize], log.item[e as usize]);
    order.sort_unstable_by_key(|&e| (key(e), e));
    let times = log.time.as_deref();
    order
        .chunk_by(|&a, &b| key(a) == key(b))
        .map(|events| {
            let mut pair = Pair {
                user: log.user[events[0] as usize],
                set: 0,
                held_out: false,
                against: false,
            };
            let (mut first_target, mut last_before) = (i64::MAX, i64::MIN);
            for &e in events {
                let e = e as usize;
                let is_target = behavior[e] == log.target_behavior;
                match is_train(e) {
                    true => pair.set |= 1 << behavior[e],
                    false => pair.held_out |= is_target,
                }
                if let Some(times) = times {
                    match is_target {
                        true => first_target = first_target.min(times[e]),
                        false => last_before = last_before.max(times[e]),
                    }
                }
            }
            pair.against = first_target < last_before && times.is_some();
            pair
        })
        .collect()
}

/// The share of the pairs with each behavior that have the target too `(behaviors)`, of the first `n`
/// behaviors.
pub(crate) fn conversions(pairs: impl Iterator<Item = u8>, n: usize, target: usize) -> Vec<f64> {
    let (mut all, mut both) = (vec![0usize; n], vec![0usize; n]);
    for set in pairs {
        for b in (0..n).filter(|&b| set >> b & 1 == 1) {
            all[b] += 1;
            both[b] += usize::from(set >> target & 1 == 1);
        }
    }
    let each = both.iter().zip(&all);
    each.map(|(&b, &a)| b as f64 / a.max(1) as f64).collect()
}

impl Split {
    /// Whether the split keeps the events of other behaviors on held-out items of the same user, by the share of
    /// such items that have any. Where nothing is held out, or there is one behavior, they count as kept.
    #[must_use]
    pub fn evidence(&self) -> EvidenceKept {
        let target = self.catalogue.target_behavior;
        if self.train.behaviors().is_none() || (self.validation.is_empty() && self.test.is_empty())
        {
            return EvidenceKept::Kept;
        }
        let mut held_out = Share::default();
        for subset in [Subset::Validation, Subset::Test] {
            let targets = self.held_out(subset).target.rows();
            for (shown, targets) in self.input(subset).rows().zip(targets) {
                held_out.add(shown, targets.items, target);
            }
        }
        let mut train = Share::default();
        for row in self.train.rows() {
            let bought = row.events().filter(|e| e.behavior == target);
            let bought: Vec<ItemIdx> = bought.map(|e| e.item).collect();
            train.add(row, &bought, target);
        }
        EvidenceKept::of(held_out.value(), train.value())
    }
}

/// Items with the target, and those of them that the same user has other events on.
#[derive(Default)]
struct Share {
    items: usize,
    with: usize,
}

impl Share {
    fn add(&mut self, shown: History<'_>, items: &[ItemIdx], target: u8) {
        let others = shown.events().filter(|e| e.behavior != target);
        let mut others: Vec<ItemIdx> = others.map(|e| e.item).collect();
        others.sort_unstable();
        let with = items.iter().filter(|i| others.binary_search(i).is_ok());
        self.items += items.len();
        self.with += with.count();
    }

    fn value(&self) -> f64 {
        self.with as f64 / self.items.max(1) as f64
    }
}

impl Log {
    /// The chains of the log; `None` with one behavior, or more than eight.
    #[must_use]
    pub fn describe_chains(&self) -> Option<ChainDescription> {
        let n = self.behaviors.len();
        if !(2..=MOST_BEHAVIORS).contains(&n) || self.behavior.is_none() {
            return None;
        }
        let target = usize::from(self.target_behavior);
        let pairs = pairs(self);
        let bought = |set: u8| set >> target & 1 == 1;
        let before = |set: u8| set & !(1 << target);
        let count = |name: String, has: &dyn Fn(u8) -> bool| {
            let with = pairs.iter().filter(|p| has(p.set));
            let (all, converted) = with.fold((0, 0), |(all, converted), p| {
                (all + 1, converted + usize::from(bought(p.set)))
            });
            Conversion {
                name,
                pairs: all,
                converted,
                conversion: converted as f64 / all.max(1) as f64,
            }
        };
        let mut by_conversion: Vec<Conversion> = (0..n)
            .filter(|&b| b != target)
            .map(|b| count(self.behaviors[b].clone(), &|set| set >> b & 1 == 1))
            .collect();
        by_conversion.sort_by(|a, b| a.conversion.total_cmp(&b.conversion));
        let mut found: Vec<u8> = pairs.iter().map(|p| before(p.set)).collect();
        found.sort_unstable();
        found.dedup();
        found.retain(|&set| set != 0);
        let patterns = found.iter();
        let patterns = patterns.map(|&set| count(self.pattern_name(set), &|s| before(s) == set));
        let patterns: Vec<Conversion> = patterns.collect();
        let users_without_target = pairs
            .chunk_by(|a, b| a.user == b.user)
            .filter(|of| {
                let any = |has: &dyn Fn(&Pair) -> bool| of.iter().any(has);
                any(&|p| before(p.set) != 0) && !any(&|p| bought(p.set) || p.held_out)
            })
            .count();
        Some(ChainDescription {
            target_without_pattern: pairs
                .iter()
                .filter(|p| bought(p.set) && before(p.set) == 0)
                .count(),
            users_without_target,
            against_the_order: pairs.iter().filter(|p| p.against).count(),
            held_out: self.held_out_pairs(&pairs, &found),
            by_conversion,
            patterns,
        })
    }

    fn pattern_name(&self, set: u8) -> String {
        let names = self.behaviors.iter().enumerate();
        let names = names.filter(|(b, _)| set >> b & 1 == 1);
        let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
        names.join("+")
    }

    fn held_out_pairs(&self, pairs: &[Pair], patterns: &[u8]) -> Option<HeldOutPairs> {
        self.given.as_ref()?;
        let target = 1u8 << self.target_behavior;
        let held_out: Vec<u8> = pairs
            .iter()
            .filter(|p| p.held_out)
            .map(|p| p.set & !target)
            .collect();
        let bought: Vec<u8> = pairs
            .iter()
            .filter(|p| p.set & target != 0)
            .map(|p| p.set & !target)
            .collect();
        let share = |sets: &[u8]| {
            sets.iter().filter(|&&set| set != 0).count() as f64 / sets.len().max(1) as f64
        };
        let in_train = share(&bought);
        Some(HeldOutPairs {
            pairs: held_out.len(),
            with_pattern: held_out.iter().filter(|&&set| set != 0).count(),
            patterns: patterns
                .iter()
                .map(|&pattern| crate::describe::Count {
                    name: self.pattern_name(pattern),
                    events: held_out.iter().filter(|&&set| set == pattern).count(),
                })
                .collect(),
            share_in_train: in_train,
            evidence: EvidenceKept::of(share(&held_out), in_train),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{ReadOptions, read_bytes};

    fn log(text: &[u8]) -> Log {
        read_bytes("shop", &[("events.csv", text)], &ReadOptions::default()).unwrap()
    }

    /// u viewed a and b and bought a; v viewed and carted a and bought it, and bought c; w viewed c.
    #[test]
    fn conversions_by_hand() {
        let text =
            b"user,item,behavior,time\nu,a,view,1\nu,a,buy,2\nu,b,view,3\nv,a,view,1\nv,a,cart,5\n\
            v,a,buy,4\nv,c,buy,6\nw,c,view,7\n";
        let d = log(text).describe_chains().unwrap();
        let of = |list: &[Conversion]| -> Vec<(String, usize, usize)> {
            list.iter()
                .map(|c| (c.name.clone(), c.pairs, c.converted))
                .collect()
        };
        assert_eq!(
            of(&d.by_conversion),
            [("view".into(), 4, 2), ("cart".into(), 1, 1)]
        );
        assert_eq!(
            of(&d.patterns),
            [("view".into(), 3, 1), ("view+cart".into(), 1, 1)]
        );
        assert_eq!(d.by_conversion[0].conversion, 0.5);
        assert_eq!((d.target_without_pattern, d.users_without_target), (1, 1));
        // v carted a after buying it.
        assert_eq!(d.against_the_order, 1);
        assert!(d.held_out.is_none());
        assert!(log(b"user,item\nu,a\n").describe_chains().is_none());
    }

    #[test]
    fn a_split_keeps_or_removes_the_evidence() {
        let describe = |test: &[u8]| {
            let files: [(&str, &[u8]); 3] = [
                ("view/train.txt", b"1 1 2\n2 1 3\n"),
                ("buy/train.txt", b"1 1\n2 3\n"),
                ("buy/test.txt", test),
            ];
            let log = read_bytes("shop", &files, &ReadOptions::default()).unwrap();
            log.describe_chains().unwrap().held_out.unwrap()
        };
        let kept = describe(b"1 2\n2 1\n");
        assert_eq!(
            (kept.pairs, kept.with_pattern, kept.share_in_train),
            (2, 2, 1.0)
        );
        assert_eq!(kept.evidence, EvidenceKept::Kept);
        assert_eq!(
            (kept.patterns[0].name.as_str(), kept.patterns[0].events),
            ("view", 2)
        );
        let split = |test: &[u8], spec: &str| {
            let files: [(&str, &[u8]); 3] = [
                ("view/train.txt", b"1 1 2\n2 1 3\n"),
                ("buy/train.txt", b"1 1\n2 3\n"),
                ("buy/test.txt", test),
            ];
            let log = read_bytes("shop", &files, &ReadOptions::default()).unwrap();
            crate::split::split(&log, &spec.parse().unwrap())
                .unwrap()
                .evidence()
        };
        assert_eq!(split(b"1 2\n2 1\n", "given"), EvidenceKept::Kept);
        assert_eq!(
            split(b"1 2\n2 1\n", "given+stripped"),
            EvidenceKept::Removed
        );
        assert_eq!(split(b"1 3\n2 2\n", "given"), EvidenceKept::Removed);
        assert_eq!(split(b"1 2\n2 1\n", "none"), EvidenceKept::Kept);
        let removed = describe(b"1 3\n2 2\n");
        assert_eq!(
            (removed.with_pattern, removed.evidence),
            (0, EvidenceKept::Removed)
        );
    }
}
