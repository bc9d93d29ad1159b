//! Conditions on items, as `--where` reads them:
//! `genre in (Drama, Crime) and year in 1990..1999 and not title ~ 'Part'`.
//!
//! | written | holds for an item if |
//! |---|---|
//! | `genre = Drama` | one of its genres is Drama; case does not matter |
//! | `genre != Drama` | none of its genres is Drama |
//! | `genre in (Drama, Crime)`, `genre not in (Drama, Crime)` | one of its genres is listed; none is |
//! | `title ~ 'star wars'`, `title !~ 'star wars'` | the text occurs in it; it does not |
//! | `year >= 1990`, also `>`, `<`, `<=` | one of its years is that large |
//! | `year in 1990..1999`, `year in 1990..`, `year in ..1999` | one of its years is between both, ends included |
//! | `not A`, `A and B`, `A or B`, `(A)` | as in logic; `not` binds tightest, then `and` |
//!
//! Fields are `id`, `title`, `popularity` (the number of training users) and the metadata of the catalogue.
//! An item without a value fulfills no test of the field, so it fulfills `not` of each. A value with one of
//! `( ) , = < > ~ !` at its start or any of `( ) , = < > ~` inside, or with the words `and` or `or`, is written
//! in quotes; a quote inside is doubled.

mod check;
mod parse;

use std::fmt;
use std::ops::Range;

/// A condition on items. [`Display`](fmt::Display) writes a text that parses to the same condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    root: Node,
    /// The text it was parsed from, for the place of errors.
    text: Text,
}

/// A text that does not matter for equality.
#[derive(Debug, Clone)]
struct Text(String);

impl PartialEq for Text {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A node of the tree of a condition; lists have two entries or more.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Word, Test),
}

/// What is required of a field.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    OneOf(Vec<Word>),
    Contains(Word),
    AtLeast(f64),
    MoreThan(f64),
    AtMost(f64),
    LessThan(f64),
    Between(f64, f64),
}

/// A name or a value with its place in the text, which does not matter for equality.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    place: Range<usize>,
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, nodes: &[Node], with: &str| {
            for (at, node) in nodes.iter().enumerate() {
                if at > 0 {
                    write!(f, " {with} ")?;
                }
                node.inner(f)?;
            }
            Ok(())
        };
        match self {
            Self::All(nodes) => joined(f, nodes, "and"),
            Self::Any(nodes) => joined(f, nodes, "or"),
            Self::Not(node) => {
                f.write_str("not ")?;
                node.inner(f)
            }
            Self::Test(field, test) => write!(f, "{field} {test}"),
        }
    }
}

impl Node {
    /// Writes a part of a larger node: in parentheses where it is a list.
    fn inner(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(_) | Self::Any(_) => write!(f, "({self})"),
            Self::Not(_) | Self::Test(..) => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(values) => match values.as_slice() {
                [one] => write!(f, "= {one}"),
                several => {
                    let texts: Vec<String> = several.iter().map(Word::to_string).collect();
                    write!(f, "in ({})", texts.join(", "))
                }
            },
            Self::Contains(text) => write!(f, "~ {text}"),
            Self::AtLeast(n) => write!(f, ">= {n}"),
            Self::MoreThan(n) => write!(f, "> {n}"),
            Self::AtMost(n) => write!(f, "<= {n}"),
            Self::LessThan(n) => write!(f, "< {n}"),
            Self::Between(low, high) => write!(f, "in {low}..{high}"),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match parse::is_bare(&self.text) {
            true => f.write_str(&self.text),
            false => write!(f, "'{}'", self.text.replace('\'', "''")),
        }
    }
}

/// A text with a line of carets under a place of it, as two lines; characters that would change the layout
/// are shown as spaces.
pub(crate) fn with_carets(text: &str, place: &Range<usize>) -> String {
    let shown = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    let cut = |at: usize| {
        let at = at.min(text.len());
        (0..=at)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0)
    };
    let (start, end) = (cut(place.start), cut(place.end));
    let width = |text: &str| text.chars().count();
    format!(
        "  {}\n  {}{}",
        shown(text),
        " ".repeat(width(&text[..start])),
        "^".repeat(width(&text[start..end.max(start)]).max(1))
    )
}
