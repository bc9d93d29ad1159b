//! `limpid explain`: why, why this rather than that, why not and what would change it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use limpid::answers::{ContrastAnswer, Explanation, ItemName, LedgerAnswer, WhyNot};
use limpid::insight::Search;
use limpid::plot;
use limpid::{Advisor, Error};

use crate::args::{EditArgs, FilterArgs, WhoArgs};
use crate::output::{Output, Section, Table, number, signed};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// A folder that 'limpid train' saved
    model: PathBuf,
    #[command(flatten)]
    who: WhoArgs,
    /// The item to explain, by id or title
    #[arg(long, value_name = "ITEM", conflicts_with = "why_not")]
    item: Option<String>,
    /// Why --item rather than this one
    #[arg(long, value_name = "ITEM", requires = "item")]
    instead_of: Option<String>,
    /// Why this item is not in the list, and the smallest edits of the history that bring it in
    #[arg(long, value_name = "ITEM")]
    why_not: Option<String>,
    /// Length of the list that --why-not asks about
    #[arg(short, long, default_value_t = 10, value_name = "N")]
    n: usize,
    /// Most events in one edit
    #[arg(long, default_value_t = 6, value_name = "N")]
    max_edits: usize,
    /// Every entry of the ledger instead of the fewest lines that say the same
    #[arg(long)]
    raw: bool,
    /// Draw the ledger as a waterfall into this SVG file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["why_not", "instead_of"])]
    plot: Option<PathBuf>,
    /// Print every line, not the strongest 15
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    edit: EditArgs,
}

/// Lines of a ledger that are printed unless --all.
const LINES: usize = 15;

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let advisor = Advisor::open(&self.model)?;
        let who = self.who.who()?;
        let edits = self.edit.edits(&advisor)?;
        let most = if self.all { usize::MAX } else { LINES };
        if let Some(item) = &self.why_not {
            let limits = Search {
                max_edits: self.max_edits,
                ..Search::default()
            };
            let filter = self.filter.filter(&advisor)?;
            let answer = advisor.why_not(&who, item, self.n, &filter, &edits, limits)?;
            let page = why_not_page(&answer, most);
            return output.answer(&answer, page);
        }
        let Some(item) = &self.item else {
            bail!(Error::Usage(
                "say which item: --item ITEM, or --why-not ITEM".to_owned()
            ));
        };
        if let Some(other) = &self.instead_of {
            let answer = advisor.explain_instead_of(&who, item, other, &edits)?;
            let page = contrast_page(&answer, most);
            return output.answer(&answer, page);
        }
        let answer = advisor.explain(&who, item, &edits, self.raw)?;
        if let Some(file) = &self.plot {
            output.picture(file, &plot::waterfall(&answer, most)?)?;
        }
        let page = explanation_page(&answer, most);
        output.answer(&answer, page)
    }
}

/// The page of one explanation; the quickstart prints it too.
pub(crate) fn explanation_page(answer: &Explanation, most: usize) -> Vec<Section> {
    let place = match answer.rank {
        Some(rank) => format!("place {rank}"),
        None => "already had".to_owned(),
    };
    let mut head = format!(
        "{} ({}) for {}: score {}, {place}",
        answer.item.title,
        answer.item.id,
        whom(answer.user.as_deref()),
        number(answer.ledger.score)
    );
    if !answer.edits.is_empty() {
        head += &format!(", with {}", answer.edits);
    }
    let mut page = vec![Section::Text(head)];
    page.extend(ledger_sections(&answer.ledger, most));
    if !answer.notes.is_empty() {
        page.push(Section::Text(answer.notes.join("\n")));
    }
    page
}

fn whom(user: Option<&str>) -> String {
    user.map_or_else(|| "this history".to_owned(), |u| format!("user {u}"))
}

fn ledger_sections(ledger: &LedgerAnswer, most: usize) -> Vec<Section> {
    if ledger.parts.is_empty() {
        return Vec::new();
    }
    let edited = ledger.parts.iter().any(|p| p.edited_by.is_some());
    let mut header = vec!["value", "reason", "unit"];
    if edited {
        header.push("edited");
    }
    let mut table = Table::new(header);
    for part in ledger.parts.iter().take(most) {
        let text = match &part.definition {
            Some(definition) => format!("{}   ({definition})", part.text),
            None => part.text.clone(),
        };
        let unit = match &part.named {
            Some(named) => format!("{} {named}", part.unit),
            None => part.unit.clone(),
        };
        let mut cells = vec![signed(part.value), text, unit];
        cells.extend(part.edited_by.clone().filter(|_| edited));
        table.row(cells);
    }
    let mut line = |value: String, text: String| table.row([value, text]);
    if ledger.parts.len() > most {
        let sum: f32 = ledger.parts.iter().skip(most).map(|p| p.value).sum();
        let n = ledger.parts.len() - most;
        line(signed(sum), format!("{n} weaker reasons together"));
    }
    if ledger.base != 0.0 {
        line(signed(ledger.base), "every user".to_owned());
    }
    if ledger.residual != 0.0 {
        line(signed(ledger.residual), "what cannot be named".to_owned());
    }
    line(
        number(ledger.score),
        "score: the sum of all lines".to_owned(),
    );
    let concision = format!(
        "{} of {} reasons make up 80 % of what speaks for it",
        ledger.entries_for_80_percent,
        ledger.parts.len()
    );
    vec![Section::Table(table), Section::Text(concision)]
}

fn contrast_page(answer: &ContrastAnswer, most: usize) -> Vec<Section> {
    let standing = |s: &limpid::answers::Standing| {
        let place = s
            .rank
            .map_or_else(|| "already had".to_owned(), |r| format!("place {r}"));
        format!(
            "{} ({}), score {}, {place}",
            s.item.title,
            s.item.id,
            number(s.score)
        )
    };
    let head = format!(
        "For {}: {}\nrather than {}",
        whom(answer.user.as_deref()),
        standing(&answer.this),
        standing(&answer.that)
    );
    let mut table = Table::new(["difference", "this", "that", "reason", "unit"]);
    for line in answer.parts.iter().take(most) {
        table.row([
            signed(line.difference),
            signed(line.this),
            signed(line.that),
            line.text.clone(),
            line.unit.clone(),
        ]);
    }
    if answer.parts.len() > most {
        let sum: f32 = answer.parts.iter().skip(most).map(|p| p.difference).sum();
        let text = format!("{} weaker differences together", answer.parts.len() - most);
        table.row([
            signed(sum),
            String::new(),
            String::new(),
            text,
            String::new(),
        ]);
    }
    table.row([
        signed(answer.difference),
        number(answer.this.score),
        number(answer.that.score),
        "sum".to_owned(),
        String::new(),
    ]);
    let mut page = vec![Section::Text(head), Section::Table(table)];
    if !answer.notes.is_empty() {
        page.push(Section::Text(answer.notes.join("\n")));
    }
    page
}

/// The page of a why-not; the quickstart prints it too.
pub(crate) fn why_not_page(answer: &WhyNot, most: usize) -> Vec<Section> {
    let item = &answer.item;
    let mut head = format!(
        "{} ({}) is at place {} for {}, ",
        item.item.title,
        item.item.id,
        item.rank.unwrap_or(0),
        whom(answer.user.as_deref())
    );
    head += &match (&answer.last, answer.already) {
        (_, true) => format!("within the first {}", answer.n),
        (Some(last), false) => format!(
            "with a score of {}; the first {} end with {} at {}",
            number(item.score),
            answer.n,
            last.item.title,
            number(last.score)
        ),
        (None, false) => format!("not within the first {}", answer.n),
    };
    let mut table = Table::new(["if the history", "then place", "score", "to beat", ""]);
    for c in &answer.counterfactuals {
        let titles = |items: &[ItemName]| {
            items
                .iter()
                .map(|i| i.title.as_str())
                .collect::<Vec<_>>()
                .join(" + ")
        };
        let mut parts = Vec::new();
        if !c.add.is_empty() {
            parts.push(format!("also had {}", titles(&c.add)));
        }
        if !c.remove.is_empty() {
            parts.push(format!("lacked {}", titles(&c.remove)));
        }
        table.row([
            parts.join(" and "),
            c.rank.to_string(),
            number(c.score),
            c.bar.map_or_else(String::new, number),
            c.smallest.to_owned(),
        ]);
    }
    let mut page = vec![Section::Text(head)];
    if !table.is_empty() {
        let goal = if answer.already {
            "What would push it out"
        } else {
            "What would bring it in"
        };
        page.push(Section::Text(format!(
            "{goal} (each edit was replayed through the model; {} edited histories tried, {})",
            answer.replayed,
            if answer.exhaustive {
                "every single event among them"
            } else {
                "the most promising ones"
            },
        )));
        page.push(Section::Table(table));
    }
    page.push(Section::Text("What speaks for it now".to_owned()));
    let sections = ledger_sections(&answer.ledger, most.min(5));
    if sections.is_empty() {
        page.push(Section::Text("nothing in this history".to_owned()));
    }
    page.extend(sections);
    if !answer.notes.is_empty() {
        page.push(Section::Text(answer.notes.join("\n")));
    }
    page
}
