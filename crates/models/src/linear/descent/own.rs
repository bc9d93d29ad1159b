//! The rules of the target's own group, with the literal on the target left out.
//!
//! "At least one of g without j" equals "at least one of g" except for the users who have j and no other
//! item of g; "at least two" likewise except for those who have j and exactly one other. So their rows
//! of K are the stored ones minus a sum over few users, and no copies of rules are stored.

use super::gram::NO_PLACE;
use super::rows::Rows;
use super::{Engine, UNRANKED};

/// One of the two rules, for the current target.
pub(super) struct OwnRule {
    /// Its index among the candidate features.
    pub(super) rank: u32,
    /// Its position among the features selected for the target, if it was selected.
    pub(super) place: Option<usize>,
    /// Its `c_f`.
    pub(super) evidence: f32,
    /// Its `K_ff`.
    pub(super) diagonal: f64,
    row: Vec<f64>, // (P): its row of K
}

/// The rules of the target's own group.
pub(super) struct Own {
    rules: Vec<OwnRule>,
    spare: Vec<Vec<f64>>,
    others: Vec<u8>, // (U): how many other items of the group a user has; zeros between uses
}

impl Own {
    pub(super) fn new(n_users: usize) -> Self {
        Self {
            rules: Vec::new(),
            spare: Vec::new(),
            others: vec![0; n_users],
        }
    }

    pub(super) fn rules(&self) -> &[OwnRule] {
        &self.rules
    }

    /// Computes the rules' rows for a target.
    pub(super) fn prepare(&mut self, engine: &Engine<'_>, target: u32) {
        self.spare.extend(self.rules.drain(..).map(|r| r.row));
        let (items, ranks) = engine.own_rules(target);
        if ranks == [None; 2] {
            return;
        }
        let incidence = &engine.incidence;
        let users_of = |item: u32| engine.targets.users.row(item as usize);
        for &item in &items {
            for &u in users_of(item).0 {
                self.others[u as usize] = self.others[u as usize].saturating_add(1);
            }
        }
        for (needed, rank) in ranks.iter().enumerate() {
            let &Some(rank) = rank else { continue };
            let mut row = self.spare.pop().unwrap_or_default();
            engine.gram.row(incidence, rank, &mut row);
            let mut evidence = 0.0;
            let (users, values) = users_of(target);
            for (&u, &x) in users.iter().zip(values) {
                let weight = incidence.weight(u);
                let others = usize::from(self.others[u as usize]);
                if others == needed {
                    // The rule holds for this user only because of the target.
                    for &f in incidence.features(u) {
                        row[f as usize] -= weight;
                    }
                } else if others > needed {
                    evidence += weight * f64::from(x);
                }
            }
            if let Some(soft) = &engine.targets.soft {
                let (users, values) = soft.row(target as usize);
                for (&u, &x) in users.iter().zip(values) {
                    if usize::from(self.others[u as usize]) > needed {
                        evidence += incidence.weight(u) * f64::from(x);
                    }
                }
            }
            // Sums in f32 and corrections in f64 do not cancel exactly.
            row.iter_mut().for_each(|v| *v = v.max(0.0));
            self.rules.push(OwnRule {
                rank,
                place: None,
                evidence: evidence as f32,
                diagonal: row[rank as usize],
                row,
            });
        }
        for &item in &items {
            for &u in users_of(item).0 {
                self.others[u as usize] = 0;
            }
        }
        // "At least two" implies "at least one": their common entry is the diagonal of the former.
        if let [or, two] = self.rules.as_mut_slice() {
            or.row[two.rank as usize] = two.diagonal;
            two.row[or.rank as usize] = two.diagonal;
        }
    }

    /// Finds the rules among the selected features, and takes them out of `places` `(P)`: their entries are
    /// not those that are stored.
    pub(super) fn locate(&mut self, chosen: &[u32], places: &mut [u32]) {
        for rule in &mut self.rules {
            debug_assert_ne!(rule.rank, UNRANKED);
            rule.place = chosen.binary_search(&rule.rank).ok();
            places[rule.rank as usize] = NO_PLACE;
        }
    }

    /// Appends the row of the selected feature `s` if it is one of the rules.
    pub(super) fn fetch(&self, s: usize, chosen: &[u32], rows: &mut Rows) -> bool {
        let Some(rule) = self.rules.iter().find(|r| r.place == Some(s)) else {
            return false;
        };
        for (o, &f) in rows.push_dense().iter_mut().zip(chosen) {
            *o = rule.row[f as usize] as f32;
        }
        true
    }

    /// Writes the entries of the rules into the row of another feature, the last one fetched.
    pub(super) fn correct(&self, feature: u32, rows: &mut Rows) {
        for rule in &self.rules {
            if let Some(place) = rule.place {
                rows.set(place as u32, rule.row[feature as usize] as f32);
            }
        }
    }
}
