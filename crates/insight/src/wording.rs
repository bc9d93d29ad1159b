//! Ledgers, contrasts and counterfactuals as text, in one place: user interfaces only do the layout.
//!
//! Every number in a text is a number of the ledger.

use std::collections::BTreeSet;

use limpid_core::rules::Operator;
use limpid_core::{Alternative, Catalogue, Error, ItemIdx, Ledger, Part, Result, Space, Units};

/// Smaller changes of a score are not worth a phrase, because they would be printed as 0.000.
const TOLD: f32 = 5e-4;

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

/// How concise a ledger is: `entries` of the `supporting` reasons cover 80 %, and some are `against`.
#[must_use]
pub fn coverage(entries: usize, supporting: usize, against: usize) -> String {
    let covered = match supporting {
        1 => "1 reason covers all of the supporting evidence".to_owned(),
        n if entries == 1 => format!("1 of {n} reasons covers 80 % of the supporting evidence"),
        n => format!("{entries} of {n} reasons cover 80 % of the supporting evidence"),
    };
    match against {
        0 => covered,
        1 => format!("{covered}; 1 reason speaks against"),
        n => format!("{covered}; {n} reasons speak against"),
    }
}

/// A reason beside its value: one that lowers the score says so.
#[must_use]
pub fn reason(text: &str, value: f32) -> String {
    match value < 0.0 {
        true => format!("against: {text}"),
        false => text.to_owned(),
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
        true => "all single changes compared",
        false => "only the most promising ones compared",
    };
    format!("{goal} (each replayed through the model; {replayed} replayed, {how})")
}

/// The note if no change was found; all of up to `ruled_out` events were searched.
#[must_use]
pub fn no_change(already: bool, ruled_out: usize, max_edits: usize) -> String {
    let goal = match already {
        true => "moves it out",
        false => "moves it in",
    };
    let events = |n: usize| if n == 1 { "event" } else { "events" };
    if ruled_out >= max_edits {
        return format!(
            "no change of up to {max_edits} {} {goal} (all of them were searched); --max-edits allows \
             more",
            events(max_edits)
        );
    }
    let proven = match ruled_out {
        0 => String::new(),
        n => format!(", and none of up to {n} {} exists", events(n)),
    };
    format!(
        "no change of up to {max_edits} {} was found that {goal}{proven}; --max-edits allows more",
        events(max_edits)
    )
}

/// The note on a model whose scores are the same for every history.
pub const UNRESPONSIVE: &str = "the scores of this model are the same for every history, so no change of \
    the history moves an item; it moves up only when items above it enter the history";

/// The note where changes add items of the list.
pub const MAKES_ROOM: &str = "no change raises the item far enough; these add items that are in the list \
    now, which leave it then and make room";

/// How far the item is from the list.
#[must_use]
pub fn gap(n: usize, gap: &str) -> String {
    format!("Missing to rank {n}: {gap}")
}

/// The heading of the evidence that an item lacks.
pub const LACKING: &str = "Reasons that listed items have and this one lacks (mean over the list)";

/// The heading of the single changes that come nearest.
pub const NEAREST: &str = "Single changes that come nearest";

/// Refuses a ledger that does not add up.
///
/// # Errors
/// [`Error::Numeric`]: a text about it would not be true.
pub fn complete(why: &Ledger) -> Result<()> {
    if why.adds_up(1e-4) {
        return Ok(());
    }
    Err(Error::Numeric {
        what: "wording of a ledger".to_owned(),
        why: format!(
            "its parts differ from the score by {:.2e}, so a text about it would not be true",
            why.additivity_error()
        ),
    })
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
    /// The reason of a part: its text, or every item of the history on which its value rests, or else its unit. A knob rests
    /// on the whole history, so its name is the reason.
    #[must_use]
    pub fn part(&self, part: &Part) -> String {
        if let Some(text) = &part.text {
            return text.clone();
        }
        if matches!(
            part.unit.space,
            Space::Neuron | Space::Behavior | Space::Pattern
        ) {
            let info = self.units.info(part.unit, self.catalogue);
            return info.label.unwrap_or(info.id);
        }
        let mut items: Vec<ItemIdx> = Vec::new();
        for event in part.cites.iter() {
            if !items.contains(&event.item) {
                items.push(event.item);
            }
        }
        if items.is_empty() {
            let info = || self.units.info(part.unit, self.catalogue);
            return match &part.rule {
                Some(rule) => rule.text(self.catalogue),
                None => {
                    let info = info();
                    info.label.unwrap_or(info.id)
                }
            };
        }
        let titles: Vec<&str> = items.iter().map(|&i| self.catalogue.title(i)).collect();
        titles.join(" + ")
    }

    /// What further items of its group or rule would do: "2 of these 3; Fargo too would add 0.030". An
    /// absent item is a "not" only where having it would lower the score; the full condition, with every
    /// negation, is the rule itself.
    #[must_use]
    pub fn definition(&self, part: &Part) -> Option<String> {
        let named = part.cites.iter().map(|e| e.item).collect::<BTreeSet<_>>();
        let mut phrases = Vec::new();
        match part.rule.as_ref().map(|r| (r.operator, r.literals.len())) {
            Some((Operator::Or, n)) if n > 1 => phrases.push(format!("any 1 of {n} is enough")),
            Some((Operator::AtLeast(k), n)) if n > 1 => {
                phrases.push(format!("any {k} of {n} are enough"));
            }
            _ => {
                let known = named.len() + part.alternatives.len();
                if !named.is_empty() && known > named.len() {
                    phrases.push(format!("{} of these {known}", named.len()));
                }
            }
        }
        let told = part.alternatives.iter().filter(|a| a.change.abs() >= TOLD);
        let (more, less): (Vec<_>, Vec<_>) = told.partition(|a| a.change > 0.0);
        let title = |a: &Alternative| self.catalogue.title(a.item);
        if let Some(a) = less.first() {
            phrases.push(format!("not {}: would take {:.3}", title(a), -a.change));
        }
        if let Some(a) = more.first() {
            phrases.push(format!("{} too would add {:.3}", title(a), a.change));
        }
        (!phrases.is_empty()).then(|| phrases.join("; "))
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
    /// As [`complete`].
    pub fn sentence(&self, why: &Ledger, most: usize) -> Result<String> {
        complete(why)?;
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
    use limpid_core::rules::Rule;
    use limpid_core::{Event, Histories, History, HistoryUnits, Ids, Mat, Recommender, Unit};

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
            Part::new(Unit::event(item), 1.0, value, [Event::of(item)].into())
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
        let none = no_change(false, 3, 3);
        assert!(none.contains("all of them were searched"), "{none}");
        let some = no_change(false, 1, 3);
        assert!(some.contains("none of up to 1 event exists"), "{some}");
        assert_eq!(
            coverage(1, 2, 0),
            "1 of 2 reasons covers 80 % of the supporting evidence"
        );
        assert_eq!(
            coverage(2, 3, 1),
            "2 of 3 reasons cover 80 % of the supporting evidence; 1 reason speaks against"
        );
    }

    /// Every cited item is in the words; NOT is, only where having the item would lower the score.
    #[test]
    fn a_line_says_what_its_table_computes() {
        let names = ["Heat", "Alien", "Fargo", "Speed"]
            .map(String::from)
            .to_vec();
        let catalogue = Catalogue::of_items(Ids::from_names(names).unwrap());
        let wording = Wording {
            catalogue: &catalogue,
            units: &HistoryUnits::new(&Nothing, &catalogue),
        };
        let items = |n: u32| (0..n).map(ItemIdx);
        let line = |rule, change: [f32; 2]| {
            let alternatives = items(4)
                .skip(2)
                .zip(change)
                .map(|(item, change)| Alternative { item, change });
            let alternatives = alternatives.filter(|a| a.change != 0.0).collect();
            Part::new(
                Unit::new(Space::Group, 0),
                1.0,
                0.5,
                items(2).map(Event::of).collect(),
            )
            .with_rule(Some(rule))
            .with_alternatives(alternatives)
        };
        let both = || Rule::all(items(2));
        let more = line(both().and_not([ItemIdx(2)]), [0.03, 0.0]);
        assert_eq!(wording.part(&more), "Heat + Alien");
        assert_eq!(
            wording.definition(&more).unwrap(),
            "2 of these 3; Fargo too would add 0.030"
        );
        let less = line(both().and_not([ItemIdx(2), ItemIdx(3)]), [-0.25, 0.03]);
        assert_eq!(
            wording.definition(&less).unwrap(),
            "2 of these 4; not Fargo: would take 0.250; Speed too would add 0.030"
        );
        let any = line(Rule::any(items(4)), [0.0, 0.0]);
        assert_eq!(wording.definition(&any).unwrap(), "any 1 of 4 is enough");
        assert_eq!(wording.definition(&line(both(), [0.0, 0.0])), None);
        assert_eq!(reason("Heat", -0.1), "against: Heat");
    }
}
