//! What a text may tell: a ledger, a contrast or a why-not as numbered lines.
//!
//! Every line has an id (`E1`, `E2`, …), the titles that it names, and its numbers as they are in the ledger. A
//! text cites lines by their ids, and may say nothing else.

use limpid_core::{Catalogue, ItemIdx, Ledger, Part, Scored};
use serde::Serialize;

use crate::wording;
use crate::{Contrast, Counterfactual, HistoryEdit, Lacking, Verdict, Wording};

/// What a text answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Why an item has its score.
    Why,
    /// Why an item is not in the list, and what would move it in (or out, if it is in the list).
    WhyNot,
    /// Why one item scores higher or lower than another.
    Instead,
}

/// What a line of evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The score of the item (`value`) and its rank (`count`), where it has one.
    Score,
    /// The same of the other item.
    Other,
    /// The score of the item minus that of the other (`value`).
    Difference,
    /// How many reasons support the item (`count`) and how many oppose it (`of`).
    Reasons,
    /// A reason: its contribution is `value`. In a contrast, `value` is `here − there`.
    Reason,
    /// The sum (`value`) of `count` weaker reasons of one sign.
    Rest,
    /// The base of the score, the same for every user.
    Base,
    /// The residual, which no reason explains.
    Residual,
    /// The item has `count` of `of` training users; told where there are no reasons.
    Popularity,
    /// What having one more item would change (`value`).
    Alternative,
    /// The score (`value`) of the item at rank `count`, the last of the list.
    Threshold,
    /// The score minus the threshold (`value`, negative).
    Gap,
    /// A reason that items of the list have: its contribution there is `there` on average, and it supports `count` of
    /// them; here it is `here`. `value` is `here − there`.
    Lacking,
    /// A change of the history, replayed: items to `add` and to `remove`, the new rank (`count`) and score
    /// (`value`).
    Change,
    /// No change of up to `count` events moves the item.
    NoChange,
}

/// One line of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Line {
    /// `E1`, `E2`, …
    pub id: String,
    /// What it says.
    pub kind: Kind,
    /// The titles that it names: of a reason, every item of the history on which it rests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<String>,
    /// The behaviors of the cited events, where the data have several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behaviors: Vec<String>,
    /// The name of its unit, where it rests on no item of the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its unit, as written in edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its number; see [`Kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
    /// Its contribution to this item, where two are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<f32>,
    /// Its contribution to the other item or items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub there: Option<f32>,
    /// Its whole number; see [`Kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Its second whole number; see [`Kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// Titles that a change adds to the history.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Titles that a change removes from the history.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// The edits that changed it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_by: Option<String>,
}

impl Line {
    fn new(kind: Kind) -> Self {
        Self {
            id: String::new(),
            kind,
            titles: Vec::new(),
            behaviors: Vec::new(),
            label: None,
            unit: None,
            value: None,
            here: None,
            there: None,
            count: None,
            of: None,
            add: Vec::new(),
            remove: Vec::new(),
            edited_by: None,
        }
    }

    /// The direction in which it moves the item: of the sign of its value; `None` where it is no
    /// contribution (a score, a rank, a count), or none at all.
    #[must_use]
    pub fn sign(&self) -> Option<Sign> {
        let moves = matches!(
            self.kind,
            Kind::Difference
                | Kind::Reason
                | Kind::Rest
                | Kind::Base
                | Kind::Residual
                | Kind::Alternative
                | Kind::Gap
                | Kind::Lacking
        );
        match self.value.filter(|_| moves) {
            Some(v) if v > 0.0 => Some(Sign::For),
            Some(v) if v < 0.0 => Some(Sign::Against),
            _ => None,
        }
    }
}

impl Line {
    /// The line in a few words, for tables beside a text.
    #[must_use]
    pub fn described(&self) -> String {
        let count = self.count.unwrap_or(0);
        let of = self.of.unwrap_or(0);
        let names = || match &self.label {
            Some(label) => label.clone(),
            None => self.titles.join(" + "),
        };
        match self.kind {
            Kind::Score | Kind::Other => wording::rank(self.count),
            Kind::Difference => "difference of the scores".to_owned(),
            Kind::Reasons => format!("{count} reasons for it, {of} against it"),
            Kind::Reason => names(),
            Kind::Rest => wording::weaker(count),
            Kind::Base => wording::BASE.to_owned(),
            Kind::Residual => wording::UNEXPLAINED.to_owned(),
            Kind::Popularity => format!("{count} of {of} users have it"),
            Kind::Alternative => format!("with {} too", names()),
            Kind::Threshold => format!("rank {count}: {}", names()),
            Kind::Gap => format!("missing to rank {count}"),
            Kind::Lacking => format!("lacks {}", names()),
            Kind::Change => wording::change(&strs(&self.add), &strs(&self.remove)),
            Kind::NoChange => format!("no change of up to {count} events"),
        }
    }
}

fn strs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// The direction of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It supports the item.
    For,
    /// It opposes the item.
    Against,
}

/// The evidence for one text.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Evidence {
    /// What the text answers.
    pub question: Question,
    /// The title of the item.
    pub item: String,
    /// The title of the other item of a contrast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// The lines, by id.
    pub lines: Vec<Line>,
}

/// An item of a contrast with its rank, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranked {
    /// The item.
    pub item: ItemIdx,
    /// Its rank.
    pub rank: Option<usize>,
}

/// What was found for a why-not.
pub struct Found<'a> {
    /// Length of the list.
    pub n: usize,
    /// The item at the last rank of the list, with its score.
    pub last: Option<Scored>,
    /// The largest number of events in one change.
    pub max_edits: usize,
    /// The result of the search.
    pub verdict: &'a Verdict,
    /// The reasons that listed items have and this one lacks.
    pub lacking: &'a [Lacking],
}

impl Evidence {
    /// The evidence of a ledger: the strongest `most` reasons of each sign one by one, the others as sums. Its
    /// reasons, rests, base and residual add up to the score.
    #[must_use]
    pub fn why(ledger: &Ledger, at: Ranked, wording: &Wording<'_>, most: usize) -> Self {
        let mut all = Collected::new(wording, most);
        all.score(Kind::Score, at, ledger.score);
        all.reasons(ledger.parts.iter().map(Valued::own));
        all.sums(ledger.base, ledger.residual);
        if ledger.parts.is_empty() {
            let catalogue = wording.catalogue;
            let count = catalogue.train_counts.get(at.item.at()).copied();
            all.push(Line {
                count: Some(count.unwrap_or(0) as usize),
                of: Some(catalogue.n_train_users),
                ..Line::new(Kind::Popularity)
            });
        }
        all.alternatives(&ledger.parts);
        all.evidence(Question::Why, at.item, None)
    }

    /// The evidence of the difference of two ledgers.
    #[must_use]
    pub fn instead(
        contrast: &Contrast,
        this: Ranked,
        that: Ranked,
        wording: &Wording<'_>,
        most: usize,
    ) -> Self {
        let mut all = Collected::new(wording, most);
        all.score(Kind::Score, this, contrast.this.score);
        all.score(Kind::Other, that, contrast.that.score);
        all.push(Line {
            value: Some(contrast.difference()),
            ..Line::new(Kind::Difference)
        });
        let either = || contrast.this.parts.iter().chain(&contrast.that.parts);
        let parts = contrast.parts.iter().filter_map(|c| {
            let part = either().find(|p| p.unit == c.unit)?;
            Some(Valued {
                part,
                value: c.difference,
                compared: Some((c.this, c.that)),
            })
        });
        all.reasons(parts);
        all.sums(contrast.base, contrast.residual);
        all.evidence(Question::Instead, this.item, Some(that.item))
    }

    /// The evidence of a why-not: the ledger of the item, what it lacks, and the changes that move it.
    #[must_use]
    pub fn why_not(
        ledger: &Ledger,
        at: Ranked,
        found: &Found<'_>,
        wording: &Wording<'_>,
        most: usize,
    ) -> Self {
        let Verdict {
            counterfactuals,
            responds,
            ..
        } = found.verdict;
        let listed = at.rank.is_some_and(|rank| rank <= found.n);
        let mut all = Collected::new(wording, most);
        all.score(Kind::Score, at, ledger.score);
        all.reasons(ledger.parts.iter().map(Valued::own));
        all.sums(ledger.base, ledger.residual);
        if let Some(last) = found.last.filter(|_| !listed) {
            all.push(Line {
                titles: vec![wording.catalogue.title(last.item).to_owned()],
                value: Some(last.score),
                count: Some(found.n),
                ..Line::new(Kind::Threshold)
            });
            all.push(Line {
                value: Some(ledger.score - last.score),
                count: Some(found.n),
                ..Line::new(Kind::Gap)
            });
            let lacking = found.lacking.iter().take(most);
            lacking.for_each(|l| all.lacking(l));
        }
        let changes = counterfactuals.iter().take(most.max(1));
        changes.for_each(|c| all.change(c));
        if *responds && counterfactuals.is_empty() {
            all.push(Line {
                count: Some(found.max_edits),
                ..Line::new(Kind::NoChange)
            });
        }
        all.evidence(Question::WhyNot, at.item, None)
    }

    /// The line with an id.
    #[must_use]
    pub fn line(&self, id: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// The lines of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.kind == kind)
    }
}

/// A part with the value that is told.
struct Valued<'p> {
    part: &'p Part,
    value: f32,
    compared: Option<(f32, f32)>,
}

impl<'p> Valued<'p> {
    fn own(part: &'p Part) -> Self {
        Self {
            part,
            value: part.value,
            compared: None,
        }
    }
}

struct Collected<'a> {
    wording: &'a Wording<'a>,
    most: usize,
    lines: Vec<Line>,
}

impl<'a> Collected<'a> {
    fn new(wording: &'a Wording<'a>, most: usize) -> Self {
        Self {
            wording,
            most,
            lines: Vec::new(),
        }
    }

    fn evidence(self, question: Question, item: ItemIdx, other: Option<ItemIdx>) -> Evidence {
        let title = |item| self.wording.catalogue.title(item).to_owned();
        Evidence {
            question,
            item: title(item),
            other: other.map(title),
            lines: self.lines,
        }
    }

    fn push(&mut self, line: Line) {
        self.lines.push(Line {
            id: format!("E{}", self.lines.len() + 1),
            ..line
        });
    }

    fn score(&mut self, kind: Kind, at: Ranked, score: f32) {
        self.push(Line {
            titles: vec![self.wording.catalogue.title(at.item).to_owned()],
            value: Some(score),
            count: at.rank,
            ..Line::new(kind)
        });
    }

    /// Reasons, strongest first: those of each sign that are told one by one, and the sums of the others.
    fn reasons<'p>(&mut self, all: impl Iterator<Item = Valued<'p>>) {
        let mut told = Vec::new();
        // Number, sum: of all reasons that support and that oppose, and of those that are not told.
        let mut counts = [0usize; 2];
        let mut rest = [(0usize, 0f64); 2];
        for reason in all {
            if reason.value == 0.0 {
                if reason.part.edited_by.is_some() {
                    told.push(reason);
                }
                continue;
            }
            let side = usize::from(reason.value < 0.0);
            counts[side] += 1;
            if counts[side] <= self.most {
                told.push(reason);
            } else {
                rest[side].0 += 1;
                rest[side].1 += f64::from(reason.value);
            }
        }
        self.push(Line {
            count: Some(counts[0]),
            of: Some(counts[1]),
            ..Line::new(Kind::Reasons)
        });
        for reason in told {
            let line = self.reason(&reason);
            self.push(line);
        }
        for (count, sum) in rest.into_iter().filter(|r| r.0 > 0) {
            self.push(Line {
                value: Some(sum as f32),
                count: Some(count),
                ..Line::new(Kind::Rest)
            });
        }
    }

    fn reason(&self, reason: &Valued<'_>) -> Line {
        let part = reason.part;
        let Named {
            titles,
            behaviors,
            label,
        } = named(part, self.wording);
        Line {
            titles,
            behaviors,
            label,
            unit: Some(self.unit(part)),
            value: Some(reason.value),
            here: reason.compared.map(|c| c.0),
            there: reason.compared.map(|c| c.1),
            edited_by: part.edited_by.clone(),
            ..Line::new(Kind::Reason)
        }
    }

    fn unit(&self, part: &Part) -> String {
        let wording = self.wording;
        wording.units.info(part.unit, wording.catalogue).id
    }

    fn sums(&mut self, base: f32, residual: f32) {
        for (kind, value) in [(Kind::Base, base), (Kind::Residual, residual)] {
            if value != 0.0 {
                self.push(Line {
                    value: Some(value),
                    ..Line::new(kind)
                });
            }
        }
    }

    /// The strongest changes that one more item would make.
    fn alternatives(&mut self, parts: &[Part]) {
        let mut all: Vec<(f32, &Part, ItemIdx)> = parts
            .iter()
            .flat_map(|p| p.alternatives.iter().map(move |a| (a.change, p, a.item)))
            .collect();
        all.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then(a.2.cmp(&b.2)));
        for (change, part, item) in all.into_iter().take(self.most) {
            let unit = self.unit(part);
            self.push(Line {
                titles: vec![self.wording.catalogue.title(item).to_owned()],
                unit: Some(unit),
                value: Some(change),
                ..Line::new(Kind::Alternative)
            });
        }
    }

    fn lacking(&mut self, lacking: &Lacking) {
        let Named {
            titles,
            behaviors,
            label,
        } = named(&lacking.part, self.wording);
        let unit = self.unit(&lacking.part);
        self.push(Line {
            titles,
            behaviors,
            label,
            unit: Some(unit),
            value: Some(lacking.here - lacking.listed),
            here: Some(lacking.here),
            there: Some(lacking.listed),
            count: Some(lacking.supports),
            ..Line::new(Kind::Lacking)
        });
    }

    fn change(&mut self, change: &Counterfactual) {
        let catalogue = self.wording.catalogue;
        let title = |edit: &HistoryEdit| {
            let title = catalogue.title(edit.item());
            let behavior = edit.behavior().map(usize::from);
            match behavior.and_then(|b| catalogue.behaviors.get(b)) {
                Some(behavior) => format!("{title} ({behavior})"),
                None => title.to_owned(),
            }
        };
        let titles = |additions: bool| -> Vec<String> {
            let edits = change.edits.iter();
            let wanted = edits.filter(|e| e.is_addition() == additions);
            wanted.map(title).collect()
        };
        self.push(Line {
            value: Some(change.after.score),
            count: Some(change.after.rank),
            add: titles(true),
            remove: titles(false),
            ..Line::new(Kind::Change)
        });
    }
}

struct Named {
    titles: Vec<String>,
    behaviors: Vec<String>,
    label: Option<String>,
}

/// What a part says, if it is a text; every item of the history on which it rests, or else the name of its unit.
fn named(part: &Part, wording: &Wording<'_>) -> Named {
    let catalogue: &Catalogue = wording.catalogue;
    if let Some(text) = &part.text {
        return Named {
            titles: Vec::new(),
            behaviors: Vec::new(),
            label: Some(text.clone()),
        };
    }
    let mut titles: Vec<String> = Vec::new();
    let mut behaviors: Vec<String> = Vec::new();
    let mut items: Vec<ItemIdx> = Vec::new();
    for event in part.cites.iter() {
        if !items.contains(&event.item) {
            items.push(event.item);
            titles.push(catalogue.title(event.item).to_owned());
        }
        let several = catalogue.behaviors.len() > 1;
        let behavior = catalogue.behaviors.get(usize::from(event.behavior));
        if let Some(behavior) = behavior.filter(|b| several && !behaviors.contains(b)) {
            behaviors.push(behavior.clone());
        }
    }
    let label = titles.is_empty().then(|| wording.part(part));
    Named {
        titles,
        behaviors,
        label,
    }
}
