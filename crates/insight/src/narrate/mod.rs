//! Reasons for and against, in words.
//!
//! [`Evidence`] is what may be told, as numbered lines; [`Words`] tells it by templates, a language model by the
//! [`prompt`]; and [`check`] refuses a text that says what the lines do not. Every clause cites the lines that it
//! tells. Nothing here changes a score.

mod check;
mod evidence;
mod lexicon;
pub mod prompt;
mod templates;

use std::str::FromStr;
use std::sync::OnceLock;

use limpid_core::{Error, Result};
use serde::Serialize;

pub use check::{Refusal, Rules, check};
pub use evidence::{Evidence, Found, Kind, Line, Question, Ranked, Sign};
pub use templates::Words;

use lexicon::Lexicon;

/// A language with built-in templates and a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its code: `en`, `de`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language with a code.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.code() == code)
    }

    /// Its name in English.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "German",
        }
    }

    /// Its templates, to be copied and edited.
    #[must_use]
    pub fn templates(self) -> &'static str {
        match self {
            Self::English => include_str!("en.jinja"),
            Self::German => include_str!("de.jinja"),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::English => include_str!("en.words"),
            Self::German => include_str!("de.words"),
        }
    }

    fn lexicon(self) -> &'static Lexicon {
        static ENGLISH: OnceLock<Lexicon> = OnceLock::new();
        static GERMAN: OnceLock<Lexicon> = OnceLock::new();
        let once = match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        };
        once.get_or_init(|| Lexicon::parse(self.words()))
    }

    /// The decimal separator.
    #[must_use]
    pub fn decimal(self) -> char {
        match self {
            Self::English => '.',
            Self::German => ',',
        }
    }

    /// The quotation marks.
    #[must_use]
    pub fn quotes(self) -> (char, char) {
        match self {
            Self::English => ('“', '”'),
            Self::German => ('„', '“'),
        }
    }
}

/// How long a text is, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// One line for a shelf.
    Label,
    /// A short paragraph on each side.
    #[default]
    Paragraph,
    /// Every line of the ledger, with units.
    Audit,
}

impl Tone {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Label, Self::Paragraph, Self::Audit];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Paragraph => "paragraph",
            Self::Audit => "audit",
        }
    }

    /// How many reasons of each sign are told one by one.
    #[must_use]
    pub fn reasons(self) -> usize {
        match self {
            Self::Label => 2,
            Self::Paragraph => 3,
            Self::Audit => usize::MAX,
        }
    }
}

impl FromStr for Tone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|tone| tone.name() == text);
        found.ok_or_else(|| Error::range("the tone", "label, paragraph or audit", text))
    }
}

/// A clause with the lines that it tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Clause {
    /// The words.
    pub text: String,
    /// The ids of the lines.
    pub cites: Vec<String>,
}

impl Clause {
    /// The clause with its citations, before the mark that ends it: `“Heat” supports it [E2].`
    #[must_use]
    pub fn cited(&self) -> String {
        let end = self.text.trim_end_matches(MARKS);
        let marks = &self.text[end.len()..];
        format!("{end} [{}]{marks}", self.cites.join(", "))
    }
}

/// A text in sections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Telling {
    /// What supports the item.
    #[serde(rename = "for")]
    pub favor: Vec<Clause>,
    /// What opposes it.
    pub against: Vec<Clause>,
    /// What would change it.
    pub change: Vec<Clause>,
}

impl Telling {
    /// All clauses, in order.
    pub fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.favor.iter().chain(&self.against).chain(&self.change)
    }
}

/// The clauses of a section as one paragraph, with or without citations.
#[must_use]
pub fn paragraph(clauses: &[Clause], cited: bool) -> String {
    let text = |c: &Clause| match cited {
        true => c.cited(),
        false => c.text.clone(),
    };
    clauses.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// The marks that end a clause.
const MARKS: [char; 4] = ['.', ',', ';', ':'];

/// Splits a text at its citations, `[E2]` or `[E2, E5]`, into clauses.
///
/// # Errors
/// [`Refusal::Uncited`] for words after the last citation.
pub fn clauses(text: &str) -> std::result::Result<Vec<Clause>, Refusal> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut rest = text;
    // A bracket that is no citation may be part of a title.
    let mut from = 0;
    while let Some(open) = rest[from..].find("[E").map(|at| at + from) {
        let Some((cites, length)) = citation(&rest[open..]) else {
            from = open + 2;
            continue;
        };
        let words = rest[..open].trim();
        let after = &rest[open + length..];
        let marks = &after[..after.len() - after.trim_start_matches(MARKS).len()];
        let clause = Clause {
            text: format!("{words}{marks}"),
            cites,
        };
        match clauses.last_mut() {
            // Two citations in a row belong to one clause.
            Some(last) if words.is_empty() => last.cites.extend(clause.cites),
            _ => clauses.push(clause),
        }
        rest = &after[marks.len()..];
        from = 0;
    }
    match rest.trim() {
        "" => Ok(clauses),
        words => Err(Refusal::Uncited(words.to_owned())),
    }
}

/// The ids of a citation at the beginning of a text, and its length.
fn citation(text: &str) -> Option<(Vec<String>, usize)> {
    let end = text.find(']')?;
    let ids = text[1..end].split(',').map(|id| {
        let id = id.trim();
        let digits = id.strip_prefix('E')?;
        let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        number.then(|| id.to_owned())
    });
    Some((ids.collect::<Option<_>>()?, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_its_citations() {
        let found = clauses("“A [E]” and [x] support it [E1]. Then “B” [E2, E3] [E4];").unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|c| (c.text.as_str(), c.cites.join("+")))
            .collect();
        assert_eq!(
            short,
            [
                ("“A [E]” and [x] support it.", "E1".to_owned()),
                ("Then “B”", "E2+E3+E4".to_owned())
            ]
        );
        assert_eq!(found[0].cited(), "“A [E]” and [x] support it [E1].");
        assert!(matches!(clauses("A [E1]. B."), Err(Refusal::Uncited(b)) if b == "B."));
        assert_eq!(clauses("  ").unwrap(), []);
        assert!("loud".parse::<Tone>().is_err());
        assert_eq!("audit".parse::<Tone>().unwrap(), Tone::Audit);
    }
}
