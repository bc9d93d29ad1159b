//! Ledgers, contrasts and counterfactuals as text, in one place: user interfaces only do the layout.
//!
//! Every number in a text is a number of the ledger.

use limpid_core::rules::{Operator, Rule};
use limpid_core::{Catalogue, Error, Event, ItemIdx, Ledger, Part, Result, Units};

/// The line of a ledger's base.
pub const BASE: &str = "baseline (same for every user)";

/// The line of a ledger's residual.
pub const UNEXPLAINED: &str = "unexplained (residual)";

/// The last line of a ledger.
pub const TOTAL: &str = "score (sum of all lines)";

/// Where a ledger has no parts.
pub const NO_EVIDENCE: &str = "nothing in this history supports or opposes it";

/// The heading of the ledger under a why-not.
pub const CURRENT: &str = "Current evidence";

/// The note on an item of the history, which has no rank.
pub const IN_HISTORY: &str =
    "the item is already in the history; only --include-seen recommends it again";

/// The note on a ledger unit by unit that is the same as the one of joined lines.
pub const RAW_IS_PLAIN: &str =
    "every line of this explanation is a single unit, so --raw shows the same lines";

/// The line that sums up the reasons that are not listed.
#[must_use]
pub fn weaker(n: usize) -> String {
    format!(
        "{n} weaker {} combined",
        if n == 1 { "reason" } else { "reasons" }
    )
}

/// How concise a ledger is.
#[must_use]
pub fn coverage(entries: usize, all: usize) -> String {
    match all {
        1 => "1 reason covers all of the supporting evidence".to_owned(),
        _ if entries == 1 => format!("1 of {all} reasons covers 80 % of the supporting evidence"),
        _ => format!("{entries} of {all} reasons cover 80 % of the supporting evidence"),
    }
}

/// The rank of an item; items of the history have none.
#[must_use]
pub fn rank(rank: Option<usize>) -> String {
    rank.map_or_else(
        || "already in history".to_owned(),
        |rank| format!("rank {rank}"),
    )
}

/// The owner of a history.
#[must_use]
pub fn owner(user: Option<&str>) -> String {
    user.map_or_else(|| "this history".to_owned(), |u| format!("user {u}"))
}

/// An item in a list: its title, id, score and rank.
#[must_use]
pub fn position(title: &str, id: &str, score: &str, at: Option<usize>) -> String {
    format!("{title} ({id}): score {score}, {}", rank(at))
}

/// The edits that a page shows the result of; nothing where there are none.
#[must_use]
pub fn edited(edits: &str) -> String {
    match edits {
        "" => String::new(),
        _ => format!("; edited by {edits}"),
    }
}

/// A change of a history: the titles of items to add and to remove.
#[must_use]
pub fn change(add: &[&str], remove: &[&str]) -> String {
    let step = |verb: &str, titles: &[&str]| {
        (!titles.is_empty()).then(|| format!("{verb} {}", titles.join(" + ")))
    };
    let steps = [step("add", add), step("remove", remove)];
    let steps: Vec<String> = steps.into_iter().flatten().collect();
    steps.join(", ")
}

/// The score to beat: that of the item at the last rank of the list.
#[must_use]
pub fn threshold(n: usize, last: Option<(&str, &str)>) -> String {
    match last {
        Some((title, threshold)) => format!("rank {n} is {title}: score {threshold}"),
        None => format!("the list has fewer than {n} items"),
    }
}

/// The heading of counterfactuals: their goal, and how they were searched.
#[must_use]
pub fn search(already: bool, n: usize, replayed: usize, exhaustive: bool) -> String {
    let goal = match already {
        true => format!("Changes of the history that move it out of the top {n}"),
        false => format!("Changes of the history that move it into the top {n}"),
    };
    let how = match exhaustive {
        true => "including all single changes",
        false => "only the most promising ones",
    };
    format!("{goal} (each replayed through the model; {replayed} tried, {how})")
}

/// The note if no change was found.
#[must_use]
pub fn no_change(already: bool, replayed: usize, max_edits: usize) -> String {
    let goal = match already {
        true => "moves it out",
        false => "moves it in",
    };
    format!(
        "no change of up to {max_edits} events {goal} ({replayed} edited histories tried); \
         --max-edits allows more"
    )
}

/// Texts about the evidence of a model.
#[derive(Clone, Copy)]
pub struct Wording<'a> {
    /// Titles and external ids.
    pub catalogue: &'a Catalogue,
    /// Names of units.
    pub units: &'a dyn Units,
}

impl Wording<'_> {
    /// The reason of a part: the items of the history that it cites, or else its unit.
    #[must_use]
    pub fn part(&self, part: &Part) -> String {
        let cited = self.cited(&part.cites);
        if cited.is_empty() {
            let info = || self.units.info(part.unit, self.catalogue);
            return match &part.rule {
                Some(rule) => rule.text(self.catalogue),
                None => {
                    let info = info();
                    info.label.unwrap_or(info.id)
                }
            };
        }
        // A conjunction names the items that it needs; other items of its group change nothing. Negated
        // literals are in the definition.
        let titles: Vec<&str> = match &part.rule {
            Some(rule) if rule.operator == Operator::And => {
                let positive = rule.literals.iter().filter(|l| !l.negated);
                positive.map(|l| self.catalogue.title(l.item)).collect()
            }
            _ => cited,
        };
        titles.join(" + ")
    }

    fn cited(&self, events: &[Event]) -> Vec<&str> {
        let mut items: Vec<ItemIdx> = Vec::new();
        for event in events {
            if !items.contains(&event.item) {
                items.push(event.item);
            }
        }
        items.into_iter().map(|i| self.catalogue.title(i)).collect()
    }

    /// What a rule requires beyond the items of the history.
    #[must_use]
    pub fn definition(&self, rule: &Rule) -> Option<String> {
        match rule.operator {
            Operator::And => {
                let absent: Vec<&str> = rule
                    .literals
                    .iter()
                    .filter(|l| l.negated)
                    .map(|l| self.catalogue.title(l.item))
                    .collect();
                (!absent.is_empty()).then(|| format!("and not {}", absent.join(", not ")))
            }
            Operator::Or | Operator::AtLeast(_) if rule.literals.len() > 1 => {
                Some(rule.text(self.catalogue))
            }
            _ => None,
        }
    }

    /// A base that is a count of users.
    #[must_use]
    pub fn popularity(&self, item: ItemIdx) -> String {
        let count = self.catalogue.train_counts.get(item.at()).unwrap_or(&0);
        let users = self.catalogue.n_train_users;
        format!("{count} of {users} users have it")
    }

    /// A ledger in one sentence, the strongest `most` parts one by one.
    ///
    /// # Errors
    /// [`Error::Numeric`] if the ledger does not add up: a text about it would not be true.
    pub fn sentence(&self, why: &Ledger, most: usize) -> Result<String> {
        if !why.adds_up(1e-4) {
            return Err(Error::Numeric {
                what: "wording of a ledger".to_owned(),
                why: format!(
                    "its parts differ from the score by {:.2e}, so a text about it would not be true",
                    why.additivity_error()
                ),
            });
        }
        let mut clauses: Vec<String> = why
            .parts
            .iter()
            .take(most)
            .map(|p| self.clause(p))
            .collect();
        let rest = &why.parts[clauses.len()..];
        if why.parts.is_empty() {
            clauses.push(NO_EVIDENCE.to_owned());
        }
        if !rest.is_empty() {
            let sum: f32 = rest.iter().map(|p| p.value).sum();
            clauses.push(format!("{} ({sum:+.3})", weaker(rest.len())));
        }
        if why.base != 0.0 {
            clauses.push(format!("{BASE} {:+.3}", why.base));
        }
        if why.residual != 0.0 {
            clauses.push(format!("{UNEXPLAINED} {:+.3}", why.residual));
        }
        Ok(format!("Score {:.3}: {}.", why.score, clauses.join("; ")))
    }

    fn clause(&self, part: &Part) -> String {
        let verb = match part.value < 0.0 {
            true => "opposes",
            false => "supports",
        };
        let edited = match &part.edited_by {
            Some(edit) => format!(", edited by {edit}"),
            None => String::new(),
        };
        format!("{} {verb} it ({:+.3}{edited})", self.part(part), part.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Histories, History, HistoryUnits, Ids, Mat, Recommender, Unit};

    struct Nothing;

    impl Recommender for Nothing {
        fn score(&self, users: &Histories) -> Mat {
            Mat::zeros((users.len(), users.n_items()))
        }

        fn explain(&self, _: History<'_>, _: ItemIdx) -> Ledger {
            Ledger::default()
        }
    }

    #[test]
    fn a_sentence_has_the_numbers_of_the_ledger() {
        let catalogue =
            Catalogue::of_items(Ids::from_names(vec!["Alien".into(), "Heat".into()]).unwrap());
        let part = |i: u32, value: f32| {
            let item = ItemIdx(i);
            Part::new(Unit::event(item), 1.0, value, vec![Event::of(item)])
        };
        let wording = Wording {
            catalogue: &catalogue,
            units: &HistoryUnits::new(&Nothing, &catalogue),
        };
        let ledger = Ledger::of_parts(0.0, vec![part(0, 0.5), part(1, -0.25)]);
        assert_eq!(
            wording.sentence(&ledger, 1).unwrap(),
            "Score 0.250: Alien supports it (+0.500); 1 weaker reason combined (-0.250)."
        );
        let wrong = Ledger {
            score: 9.0,
            ..ledger
        };
        assert!(wording.sentence(&wrong, 3).is_err());
        assert_eq!(change(&["A", "B"], &["C"]), "add A + B, remove C");
        assert_eq!(
            coverage(1, 2),
            "1 of 2 reasons covers 80 % of the supporting evidence"
        );
    }
}
