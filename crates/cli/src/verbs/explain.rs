//! `limpid explain`: the evidence for an item, the difference to another item, the changes of the history
//! that move an item into the list, and the ledgers of many users.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use limpid::answers::{
    ChangedItem, ContrastAnswer, ContrastLine, CounterfactualAnswer, Explanation, LedgerAnswer,
    MissingAnswer, PartAnswer, Standing, WhyNot,
};
use limpid::batch::{Batch, Content};
use limpid::core::{Detail, NoProgress};
use limpid::insight::{Search, wording};
use limpid::plot;
use limpid::{Advisor, Error};

use super::narrate::{WordsArgs, words_page};
use crate::args::{BatchArgs, EditArgs, FilterArgs, OutArgs, WhoArgs, edits, length};
use crate::output::{Output, Section, Table, number, signed};
use crate::verbs::recommend::percent;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    /// Item to explain, by id or title
    #[arg(
        long,
        value_name = "ITEM",
        conflicts_with_all = ["why_not", "users"],
        allow_negative_numbers = true
    )]
    item: Option<String>,
    /// Explain why --item scores higher or lower than this item
    #[arg(
        long,
        value_name = "ITEM",
        requires = "item",
        allow_negative_numbers = true
    )]
    instead_of: Option<String>,
    /// Explain why this item is not in the list, and search the smallest changes of the history that
    /// move it in
    #[arg(
        long,
        value_name = "ITEM",
        conflicts_with = "users",
        allow_negative_numbers = true
    )]
    why_not: Option<String>,
    /// Length of the list, for --why-not and --users
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
    /// Largest number of events in one change, for --why-not; all changes of up to 3 are searched
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = edits)]
    max_edits: usize,
    /// List every unit separately instead of joining units into lines
    #[arg(long)]
    raw: bool,
    /// Plot the ledger as a waterfall chart to an SVG file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["why_not", "instead_of", "users"])]
    plot: Option<PathBuf>,
    /// Print all lines instead of the strongest 15
    #[arg(long)]
    all: bool,
    /// Tell the evidence in words: what supports the item, what opposes it, and what would change that; every
    /// clause cites a line of the ledger
    #[arg(long, conflicts_with_all = ["raw", "plot", "users", "all"])]
    words: bool,
    #[command(flatten)]
    telling: WordsArgs,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    edit: EditArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// Lines of a ledger that are printed without --all.
const LINES: usize = 15;

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        if let (Some(users), Some(file)) = (&self.batch.users, &self.out.output) {
            return self.many(users, file, output);
        }
        if self.telling.any() && !self.words {
            bail!(Error::Usage(
                "--tone, --templates and --language belong to --words; add it".to_owned()
            ));
        }
        let output = &self.out.of(output)?;
        let narrator = match self.words {
            true => Some(self.telling.narrator(None)?),
            false => None,
        };
        let plot = self.plot.as_deref().map(Output::plot).transpose()?;
        let advisor = Advisor::open(&self.model)?;
        let who = self.who.who()?;
        let edits = self.edit.edits()?;
        let most = if self.all { usize::MAX } else { LINES };
        if let Some(item) = &self.why_not {
            let limits = Search {
                max_edits: self.max_edits,
                ..Search::default()
            };
            let filter = self.filter.filter(&advisor)?;
            if let Some(narrator) = &narrator {
                let n = self.n;
                let answer =
                    advisor.words_why_not(&who, item, n, &filter, &edits, limits, narrator)?;
                return output.answer(&answer, words_page(&answer));
            }
            let answer = advisor.why_not(&who, item, self.n, &filter, &edits, limits)?;
            let page = why_not_page(&answer, most);
            return output.answer(&answer, page);
        }
        let Some(item) = &self.item else {
            bail!(Error::Usage(
                "no item given; use --item ITEM or --why-not ITEM".to_owned()
            ));
        };
        if let Some(narrator) = &narrator {
            let answer = match &self.instead_of {
                Some(other) => advisor.words_instead_of(&who, item, other, &edits, narrator)?,
                None => advisor.words(&who, item, &edits, narrator)?,
            };
            return output.answer(&answer, words_page(&answer));
        }
        if let Some(other) = &self.instead_of {
            let answer = advisor.explain_instead_of(&who, item, other, &edits)?;
            let page = contrast_page(&answer, most);
            return output.answer(&answer, page);
        }
        let answer = advisor.explain(&who, item, &edits, self.raw)?;
        if let Some(file) = &plot {
            output.picture(file, &plot::waterfall(&answer, most)?)?;
        }
        let page = explanation_page(&answer, most, self.raw);
        output.answer(&answer, page)
    }

    fn many(&self, users: &str, file: &Path, output: &Output) -> Result<()> {
        let to = output.rows(file)?;
        let advisor = Advisor::open(&self.model)?;
        let batch = Batch {
            content: Content::Ledgers {
                detail: if self.raw { Detail::Raw } else { Detail::Lines },
            },
            n: self.n,
            filter: &self.filter.filter(&advisor)?,
            edits: &self.edit.edits()?,
            resume: false,
            progress: &NoProgress,
        };
        self.batch.write(users, &advisor, batch, &to, output)
    }
}

/// The page of one explanation, with the full rules if it is `raw`; the quickstart prints it too.
pub(crate) fn explanation_page(answer: &Explanation, most: usize, raw: bool) -> Vec<Section> {
    let item = &answer.item;
    let head = vec![
        head(answer.user.as_deref(), &answer.edits),
        wording::position(
            &item.title,
            &item.id,
            &number(answer.ledger.score),
            answer.rank,
        ),
    ];
    let mut page = vec![Section::Lines(head)];
    page.extend(answer.probability.map(|p| {
        let kind = match p.kind {
            "continue" => "touched and not bought yet",
            _ => "not touched yet",
        };
        Section::Text(format!(
            "probability to be the next one: {}; mean of the {} items {kind}: {}",
            percent(p.value),
            p.items,
            percent(p.mean_of_kind)
        ))
    }));
    page.extend(ledger_sections(&answer.ledger, most, raw));
    page.extend(notes(&answer.notes));
    page
}

fn head(user: Option<&str>, edits: &str) -> String {
    format!("For {}{}", wording::owner(user), wording::edited(edits))
}

fn notes(notes: &[String]) -> Option<Section> {
    (!notes.is_empty()).then(|| Section::Lines(notes.to_vec()))
}

fn ledger_sections(ledger: &LedgerAnswer, most: usize, raw: bool) -> Vec<Section> {
    let edited = ledger.parts.iter().any(|p| p.edited_by.is_some());
    let mut header = vec!["value", "reason", "unit"];
    if edited {
        header.push("edited by");
    }
    let mut table = Table::new(header);
    // The strongest parts, and those that an edit set to 0.
    let silenced = |part: &PartAnswer| part.edited_by.is_some() && part.value == 0.0;
    let (shown, rest): (Vec<_>, Vec<_>) = ledger
        .parts
        .iter()
        .enumerate()
        .partition(|(at, part)| *at < most || silenced(part));
    for (_, part) in shown {
        let text = wording::reason(&part.text, part.value);
        let text = match (&part.definition, &part.rule) {
            (_, Some(rule)) if raw && *rule != part.text => format!("{text}   ({rule})"),
            (Some(definition), _) => format!("{text}   ({definition})"),
            (None, _) => text,
        };
        let unit = match &part.named {
            Some(named) => format!("{} {named}", part.unit),
            None => part.unit.clone(),
        };
        let mut cells = vec![signed(part.value), text, unit];
        if edited {
            cells.push(part.edited_by.clone().unwrap_or_default());
        }
        table.row(cells);
    }
    let mut line = |value: String, text: String| table.row([value, text]);
    if !rest.is_empty() {
        let sum: f32 = rest.iter().map(|(_, part)| part.value).sum();
        line(signed(sum), wording::weaker(rest.len()));
    }
    if ledger.base != 0.0 {
        line(signed(ledger.base), wording::BASE.to_owned());
    }
    if ledger.residual != 0.0 {
        line(signed(ledger.residual), wording::UNEXPLAINED.to_owned());
    }
    line(number(ledger.score), wording::TOTAL.to_owned());
    let mut sections = vec![Section::Table(table)];
    if ledger.entries_for_80_percent > 0 {
        let count = |of: fn(&PartAnswer) -> bool| ledger.parts.iter().filter(|p| of(p)).count();
        let coverage = wording::coverage(
            ledger.entries_for_80_percent,
            count(|p| p.value > 0.0),
            count(|p| p.value < 0.0),
        );
        sections.push(Section::Text(coverage));
    }
    sections
}

fn contrast_page(answer: &ContrastAnswer, most: usize) -> Vec<Section> {
    let position =
        |s: &Standing| wording::position(&s.item.title, &s.item.id, &number(s.score), s.rank);
    let head = vec![
        head(answer.user.as_deref(), &answer.edits),
        format!("this: {}", position(&answer.this)),
        format!("that: {}", position(&answer.that)),
    ];
    let edited = answer.parts.iter().any(|p| p.edited_by.is_some());
    let mut header = vec!["difference", "this", "that", "reason", "unit"];
    if edited {
        header.push("edited by");
    }
    let mut table = Table::new(header);
    for line in answer.parts.iter().take(most) {
        let mut cells = vec![
            signed(line.difference),
            signed(line.this),
            signed(line.that),
            line.text.clone(),
            line.unit.clone(),
        ];
        if edited {
            cells.push(line.edited_by.clone().unwrap_or_default());
        }
        table.row(cells);
    }
    let rest = answer.parts.get(most..).unwrap_or_default();
    let mut line = |[difference, this, that]: [f32; 3], text: String| {
        table.row([signed(difference), signed(this), signed(that), text]);
    };
    if !rest.is_empty() {
        let sum = |of: fn(&ContrastLine) -> f32| rest.iter().map(of).sum::<f32>();
        let sums = [sum(|l| l.difference), sum(|l| l.this), sum(|l| l.that)];
        line(sums, wording::weaker(rest.len()));
    }
    for (difference, this, that, text) in [
        (
            answer.base,
            answer.this_base,
            answer.that_base,
            wording::BASE,
        ),
        (
            answer.residual,
            answer.this_residual,
            answer.that_residual,
            wording::UNEXPLAINED,
        ),
    ] {
        if (this, that) != (0.0, 0.0) {
            line([difference, this, that], text.to_owned());
        }
    }
    table.row([
        signed(answer.difference),
        number(answer.this.score),
        number(answer.that.score),
        wording::TOTAL.to_owned(),
    ]);
    let mut page = vec![Section::Lines(head), Section::Table(table)];
    page.extend(notes(&answer.notes));
    page
}

/// The page of a why-not; the quickstart prints it too.
pub(crate) fn why_not_page(answer: &WhyNot, most: usize) -> Vec<Section> {
    let item = &answer.item;
    let threshold = answer.last.as_ref().map(|last| number(last.score));
    let last = answer.last.as_ref().zip(threshold.as_deref());
    let head = vec![
        head(answer.user.as_deref(), &answer.edits),
        wording::position(
            &item.item.title,
            &item.item.id,
            &number(item.score),
            item.rank,
        ),
        wording::threshold(
            answer.n,
            last.map(|(last, score)| (last.item.title.as_str(), score)),
        ),
    ];
    let table = changes(&answer.counterfactuals, true);
    let mut page = vec![Section::Lines(head)];
    if !table.is_empty() {
        page.push(Section::Text(wording::search(
            answer.already,
            answer.n,
            answer.replayed,
            answer.exhaustive,
        )));
        page.push(Section::Table(table));
    }
    page.extend(notes(&answer.notes));
    if let Some(missing) = answer.missing.as_ref().filter(|_| answer.responds) {
        page.extend(missing_sections(answer.n, missing));
    }
    page.push(Section::Text(wording::CURRENT.to_owned()));
    page.extend(ledger_sections(&answer.ledger, most.min(5), false));
    page
}

/// The changes of a history, one per row, with how they were found.
fn changes(counterfactuals: &[CounterfactualAnswer], search: bool) -> Table {
    let mut header = vec!["change", "new rank", "score", "threshold"];
    if search {
        header.push("search");
    }
    let mut table = Table::new(header);
    for c in counterfactuals {
        let changed = |items: &[ChangedItem]| -> Vec<String> {
            items.iter().map(ChangedItem::text).collect()
        };
        let (add, remove) = (changed(&c.add), changed(&c.remove));
        let add: Vec<&str> = add.iter().map(String::as_str).collect();
        let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
        let mut cells = vec![
            wording::change(&add, &remove),
            c.rank.to_string(),
            number(c.score),
            c.bar.map_or_else(String::new, number),
        ];
        if search {
            cells.push(c.smallest.to_owned());
        }
        table.row(cells);
    }
    table
}

/// What is missing to the list.
fn missing_sections(n: usize, missing: &MissingAnswer) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(gap) = missing.gap {
        sections.push(Section::Text(wording::gap(n, &number(gap))));
    }
    if !missing.lacking.is_empty() {
        let mut table = Table::new(["listed", "this", "reason", "unit", "supports"]);
        for lacking in &missing.lacking {
            table.row([
                signed(lacking.listed),
                signed(lacking.this),
                lacking.text.clone(),
                lacking.unit.clone(),
                lacking.supports.to_string(),
            ]);
        }
        sections.push(Section::Text(wording::LACKING.to_owned()));
        sections.push(Section::Table(table));
    }
    if !missing.nearest.is_empty() {
        sections.push(Section::Text(wording::NEAREST.to_owned()));
        sections.push(Section::Table(changes(&missing.nearest, false)));
    }
    sections
}
