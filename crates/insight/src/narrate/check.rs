//! Whether a text says only what its evidence holds. It shares nothing with what writes texts: it reads a text as
//! a stranger would, word by word.
//!
//! A clause is refused if it cites no line or one that does not exist; if a title, a unit or a number in it is
//! not one of the cited lines; if it claims another direction than they have; or, where the language has a vocabulary,
//! if it has any other word. So a title that is not in the evidence, another language, or a sentence that somebody
//! hid in a title cannot pass.

use std::fmt;

use super::evidence::{Evidence, Kind, Line, Sign};
use super::lexicon::{Entry, claims};
use super::{Clause, Language, Telling};

/// What a text must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The language of its words and numbers; `None`: the words are not checked, and numbers have a point or a comma.
    pub language: Option<Language>,
    /// The most words of a section, without titles; 0 for any number.
    pub most_words: usize,
    /// Whether each side that has evidence must be told.
    pub both_sides: bool,
}

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read as clauses with citations.
    Form(String),
    /// A clause without a citation.
    Uncited(String),
    /// A citation of a line that does not exist.
    Citation(String),
    /// A quoted title or name that no cited line has.
    Title(String),
    /// A unit that no cited line has.
    Unit(String),
    /// A number that no cited line has.
    Number(String),
    /// A claim against the sign of the cited line.
    Sign(String),
    /// A claim of strength, absence or change that the cited line does not support.
    Claim(String),
    /// A word outside of the vocabulary: another language, a name, an opinion, an instruction.
    Word(String),
    /// A character that explanations do not have.
    Symbol(char),
    /// Too many words.
    Length(usize),
    /// Evidence on this side, but no clause.
    Missing(&'static str),
}

impl Refusal {
    /// The kind of the refusal, to be counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Form(_) => "form",
            Self::Uncited(_) => "uncited",
            Self::Citation(_) => "citation",
            Self::Title(_) => "title",
            Self::Unit(_) => "unit",
            Self::Number(_) => "number",
            Self::Sign(_) => "sign",
            Self::Claim(_) => "claim",
            Self::Word(_) => "word",
            Self::Symbol(_) => "symbol",
            Self::Length(_) => "length",
            Self::Missing(_) => "missing",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(why) => write!(f, "it cannot be read: {why}"),
            Self::Uncited(text) => write!(f, "no line is cited for '{text}'"),
            Self::Citation(id) => write!(f, "it cites {id}, which does not exist"),
            Self::Title(title) => write!(f, "the cited lines have no title '{title}'"),
            Self::Unit(unit) => write!(f, "the cited lines have no unit '{unit}'"),
            Self::Number(number) => write!(f, "the cited lines have no number {number}"),
            Self::Sign(word) => write!(f, "'{word}' contradicts the sign of the cited lines"),
            Self::Claim(word) => write!(f, "the cited lines do not say '{word}'"),
            Self::Word(word) => write!(f, "'{word}' is not a word about evidence"),
            Self::Symbol(c) => write!(f, "the character '{c}' has no place in it"),
            Self::Length(n) => write!(f, "a section has {n} words, which is too long"),
            Self::Missing(side) => write!(f, "it leaves out the evidence {side} the item"),
        }
    }
}

/// Checks a text against its evidence; the first clause that is not supported refuses it.
///
/// # Errors
/// The [`Refusal`], with the word, number or title.
pub fn check(told: &Telling, evidence: &Evidence, rules: &Rules) -> Result<(), Refusal> {
    let sections = [
        (&told.favor, Some(Sign::For)),
        (&told.against, Some(Sign::Against)),
        (&told.change, None),
    ];
    for (clauses, side) in sections {
        let mut words = 0;
        for clause in clauses {
            words += Reader::new(clause, evidence, rules)?.check(side)?;
        }
        if rules.most_words > 0 && words > rules.most_words {
            return Err(Refusal::Length(words));
        }
    }
    if rules.both_sides {
        let has = |sign| {
            let mut reasons = evidence.of(Kind::Reason);
            reasons.any(|line| line.sign() == Some(sign))
        };
        if told.favor.is_empty() && has(Sign::For) {
            return Err(Refusal::Missing("for"));
        }
        if told.against.is_empty() && has(Sign::Against) {
            return Err(Refusal::Missing("against"));
        }
    }
    Ok(())
}

/// One piece of a clause.
#[derive(Debug, PartialEq)]
enum Token<'t> {
    /// A quoted title or name.
    Title(&'t str),
    /// A number: as written, its value, its decimals (`None` where it has an exponent).
    Number {
        written: &'t str,
        value: f64,
        step: f64,
        signed: bool,
    },
    Word(&'t str),
}

struct Reader<'t> {
    text: &'t str,
    cited: Vec<&'t Line>,
    evidence: &'t Evidence,
    rules: &'t Rules,
}

/// Pairs of quotation marks.
const QUOTES: [(char, char); 5] = [('“', '”'), ('„', '“'), ('"', '"'), ('«', '»'), ('»', '«')];

impl<'t> Reader<'t> {
    fn new(clause: &'t Clause, evidence: &'t Evidence, rules: &'t Rules) -> Result<Self, Refusal> {
        if clause.cites.is_empty() {
            return Err(Refusal::Uncited(clause.text.clone()));
        }
        let line = |id: &String| {
            let found = evidence.line(id);
            found.ok_or_else(|| Refusal::Citation(id.clone()))
        };
        let cited: Vec<&Line> = clause.cites.iter().map(line).collect::<Result<_, _>>()?;
        Ok(Self {
            text: &clause.text,
            cited,
            evidence,
            rules,
        })
    }

    /// Checks the clause in a section; returns its number of words.
    fn check(&self, side: Option<Sign>) -> Result<usize, Refusal> {
        let tokens = self.tokens()?;
        let sign = self.sign(side)?;
        self.numbers(&tokens, sign)?;
        let Some(language) = self.rules.language else {
            return Ok(tokens.len());
        };
        let mut words: Vec<(usize, &str, Entry)> = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if let Token::Word(word) = token {
                if self
                    .cited
                    .iter()
                    .any(|l| l.behaviors.iter().any(|b| b == word))
                {
                    continue;
                }
                let entry = language.lexicon().get(word);
                let entry = entry.ok_or_else(|| Refusal::Word((*word).to_owned()))?;
                words.push((at, word, entry));
            }
        }
        self.number_words(&words)?;
        self.strength(&words)?;
        if self.cites(Kind::Change) {
            self.changes(&tokens, &words)?;
        } else if self.cites(Kind::Reasons) {
            self.counts(&tokens, &words)?;
        } else {
            self.direction(&words, sign)?;
        }
        Ok(tokens
            .iter()
            .filter(|t| !matches!(t, Token::Title(_)))
            .count())
    }

    fn cites(&self, kind: Kind) -> bool {
        self.cited.iter().any(|line| line.kind == kind)
    }

    /// The common direction of the cited lines, which must be that of the section.
    fn sign(&self, side: Option<Sign>) -> Result<Option<Sign>, Refusal> {
        let mut common = None;
        for line in &self.cited {
            let Some(sign) = line.sign() else { continue };
            if common.is_some_and(|c| c != sign) || side.is_some_and(|s| s != sign) {
                return Err(Refusal::Sign(line.id.clone()));
            }
            common = Some(sign);
        }
        Ok(common)
    }

    fn tokens(&self) -> Result<Vec<Token<'t>>, Refusal> {
        let mut tokens = Vec::new();
        let mut rest = self.text;
        // Quotation marks of two languages share a character: what opens is known from what follows.
        while let Some(c) = rest.chars().next() {
            if c == '`' {
                let inner = &rest[1..];
                let unit = self.unit(inner)?;
                rest = &inner[unit.len() + 1..];
            } else if QUOTES.iter().any(|(open, _)| *open == c) {
                let inner = &rest[c.len_utf8()..];
                let (title, close) = self.title(c, inner)?;
                tokens.push(Token::Title(title));
                rest = &inner[title.len() + close..];
            } else if let Some((token, length)) = self.number(rest) {
                tokens.push(token);
                rest = &rest[length..];
            } else if c.is_alphabetic() {
                let end = rest
                    .char_indices()
                    .find(|&(at, c)| !(c.is_alphanumeric() || is_apostrophe(rest, at, c)))
                    .map_or(rest.len(), |(at, _)| at);
                tokens.push(Token::Word(&rest[..end]));
                rest = &rest[end..];
            } else if c == ' '
                || matches!(
                    c,
                    '.' | ',' | ';' | ':' | '(' | ')' | '-' | '–' | '—' | '+' | '='
                )
            {
                rest = &rest[c.len_utf8()..];
            } else {
                return Err(Refusal::Symbol(c));
            }
        }
        Ok(tokens)
    }

    /// The title or name of the evidence that begins a quoted text, and the length of the closing quotation mark.
    fn title(&self, open: char, text: &'t str) -> Result<(&'t str, usize), Refusal> {
        let closing = |rest: &str| {
            let close = rest.chars().next()?;
            let pair = QUOTES.iter().any(|&(o, c)| o == open && c == close);
            pair.then_some(close.len_utf8())
        };
        let evidence = self.evidence;
        let own = self.cited.iter().flat_map(|line| {
            let names = line.titles.iter().chain(&line.add).chain(&line.remove);
            names.chain(&line.label)
        });
        let known = own.chain([&evidence.item]).chain(&evidence.other);
        let longest = known
            .filter(|name| text.starts_with(name.as_str()))
            .filter_map(|name| Some((name.len(), closing(&text[name.len()..])?)))
            .max();
        let Some((length, close)) = longest else {
            let end = QUOTES.iter().filter(|(o, _)| *o == open);
            let end = end.filter_map(|(_, close)| text.find(*close)).min();
            return Err(Refusal::Title(text[..end.unwrap_or(text.len())].to_owned()));
        };
        Ok((&text[..length], close))
    }

    /// The unit or edit of a cited line that begins a text between backquotes.
    fn unit(&self, text: &'t str) -> Result<&'t str, Refusal> {
        let known = self
            .cited
            .iter()
            .flat_map(|l| l.unit.iter().chain(&l.edited_by));
        let longest = known
            .filter(|unit| text.starts_with(unit.as_str()) && text[unit.len()..].starts_with('`'))
            .map(String::len)
            .max();
        match longest {
            Some(length) => Ok(&text[..length]),
            None => {
                let end = text.find('`').unwrap_or(text.len());
                Err(Refusal::Unit(text[..end].to_owned()))
            }
        }
    }

    /// A number at the beginning of a text, with its length.
    fn number(&self, text: &'t str) -> Option<(Token<'t>, usize)> {
        let bytes = text.as_bytes();
        let mut at = 0;
        let sign = ["+", "-", "−"].into_iter().find(|s| text.starts_with(s));
        at += sign.map_or(0, str::len);
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let whole = digits(at);
        if whole == 0 {
            return None;
        }
        at += whole;
        let is_point = |b: u8| match self.rules.language {
            Some(language) => b as char == language.decimal(),
            None => b == b'.' || b == b',',
        };
        let mut decimals = 0;
        if at < bytes.len() && is_point(bytes[at]) {
            decimals = digits(at + 1);
            at += if decimals > 0 { decimals + 1 } else { 0 };
        }
        let mut exponent = 0i32;
        if bytes.get(at).is_some_and(|b| matches!(b, b'e' | b'E')) {
            let minus = usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
            let length = digits((at + 1 + minus).min(bytes.len()));
            if (1..=3).contains(&length) {
                exponent = text[at + 1..at + 1 + minus + length].parse().unwrap_or(0);
                at += 1 + minus + length;
            }
        }
        // A number that goes on with letters is a word: it is refused as one.
        let written = &text[..at];
        let mantissa: String = written
            .trim_start_matches(['+', '-', '−'])
            .split(['e', 'E'])
            .next()
            .unwrap_or_default()
            .replace(',', ".");
        let size: f64 = mantissa.parse().ok()?;
        let scale = 10f64.powi(exponent);
        let negative = matches!(sign, Some("-" | "−"));
        let token = Token::Number {
            written,
            value: if negative { -size } else { size } * scale,
            step: 10f64.powi(-(decimals as i32)) * scale,
            signed: sign.is_some(),
        };
        Some((token, at))
    }

    /// Every number is one of a cited line: the same whole number, or the value rounded to the written digits.
    fn numbers(&self, tokens: &[Token<'_>], sign: Option<Sign>) -> Result<(), Refusal> {
        for token in tokens {
            let Token::Number {
                written,
                value,
                step,
                signed,
            } = token
            else {
                continue;
            };
            let counts = self.cited.iter().flat_map(|l| [l.count, l.of]).flatten();
            let whole = !signed && *step == 1.0;
            if whole && counts.into_iter().any(|n| n as f64 == *value) {
                continue;
            }
            let values = self.cited.iter().flat_map(|l| {
                let is_signed = l.sign().is_some();
                let all = [l.value, l.here, l.there].into_iter().flatten();
                all.map(move |v| (f64::from(v), is_signed))
            });
            let held = values.into_iter().any(|(v, is_signed)| {
                let is = |v: f64| {
                    let error = (value - v).abs();
                    error <= 0.5001 * step + 1e-6 * v.abs() && error <= 0.06 * v.abs()
                };
                // Without a sign, it is the size of a contribution whose direction the clause tells.
                is(v) || (!signed && is_signed && sign.is_some() && is(v.abs()))
            });
            if !held {
                return Err(Refusal::Number((*written).to_owned()));
            }
        }
        Ok(())
    }

    fn number_words(&self, words: &[(usize, &str, Entry)]) -> Result<(), Refusal> {
        for (_, word, entry) in words {
            let Some(number) = entry.number.filter(|&n| n > 1) else {
                continue;
            };
            let mut counts = self.cited.iter().flat_map(|l| [l.count, l.of]).flatten();
            if !counts.any(|n| n == number as usize) {
                return Err(Refusal::Number((*word).to_owned()));
            }
        }
        Ok(())
    }

    /// The strongest is the first reason of its sign; that something is the weakest is not told by a ledger that
    /// sums weaker reasons up.
    fn strength(&self, words: &[(usize, &str, Entry)]) -> Result<(), Refusal> {
        let refuse = |word: &str| Err(Refusal::Claim(word.to_owned()));
        for (_, word, entry) in words {
            if entry.has(claims::WEAKEST) {
                return refuse(word);
            }
            if !entry.has(claims::STRONGEST) {
                continue;
            }
            let first = |line: &&Line| {
                let mut same = self.evidence.of(line.kind);
                let first = same.find(|other| other.sign() == line.sign());
                line.sign().is_some() && first.is_some_and(|f| f.id == line.id)
            };
            if !self.cited.iter().any(first) {
                return refuse(word);
            }
        }
        Ok(())
    }

    /// Words of direction agree with the sign of the cited lines.
    fn direction(&self, words: &[(usize, &str, Entry)], sign: Option<Sign>) -> Result<(), Refusal> {
        let differs = self.cites(Kind::Difference);
        let mut negation: Option<(usize, &str)> = None;
        for (at, (_, word, entry)) in words.iter().enumerate() {
            if entry.has(claims::REMOVE) || (entry.has(claims::NOTHING) && self.has_reasons()) {
                return Err(Refusal::Claim((*word).to_owned()));
            }
            if entry.has(claims::NEGATION | claims::NOTHING) {
                negation = Some((at, word));
                continue;
            }
            let moves = self.has_reasons();
            let moved = if moves && entry.has(claims::UP) {
                Some(Sign::For)
            } else if moves && entry.has(claims::DOWN) {
                Some(Sign::Against)
            } else {
                claimed(words, at, differs)
            };
            let Some(mut claimed) = moved else {
                continue;
            };
            if negation
                .take_if(|(from, _)| at - *from <= NEGATED)
                .is_some()
            {
                claimed = opposite(claimed);
            }
            if sign != Some(claimed) {
                return Err(Refusal::Sign((*word).to_owned()));
            }
        }
        match negation {
            Some((_, word)) if self.has_reasons() || self.cites(Kind::Score) => {
                Err(Refusal::Claim(word.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn has_reasons(&self) -> bool {
        self.cited.iter().any(|line| line.sign().is_some())
    }

    /// Numbers of reasons belong to their sides, and "nothing" to a side without any.
    fn counts(&self, tokens: &[Token<'_>], words: &[(usize, &str, Entry)]) -> Result<(), Refusal> {
        let line = self.cited.iter().find(|line| line.kind == Kind::Reasons);
        let Some((count, of)) = line.and_then(|l| l.count.zip(l.of)) else {
            return Ok(());
        };
        let none = words
            .iter()
            .any(|w| w.2.has(claims::NOTHING | claims::NEGATION));
        let sides =
            (0..words.len()).filter_map(|at| Some((words[at].1, claimed(words, at, false)?)));
        let sides: Vec<(&str, Sign)> = sides.collect();
        let numbers = tokens.iter().filter_map(|t| match t {
            Token::Number { value, written, .. } => Some((*value, *written)),
            _ => None,
        });
        let numbers: Vec<(f64, &str)> = numbers.collect();
        if numbers.len() > sides.len() {
            return Err(Refusal::Claim(numbers[sides.len()].1.to_owned()));
        }
        for (at, (word, side)) in sides.iter().enumerate() {
            let n = if *side == Sign::For { count } else { of };
            let right = match numbers.get(at) {
                Some((number, _)) => *number == n as f64,
                None => none == (n == 0),
            };
            if !right {
                return Err(Refusal::Claim((*word).to_owned()));
            }
        }
        match (none, sides.is_empty()) {
            (true, true) => Err(Refusal::Claim(words[0].1.to_owned())),
            _ => Ok(()),
        }
    }

    /// A change adds what it adds and removes what it removes.
    fn changes(&self, tokens: &[Token<'_>], words: &[(usize, &str, Entry)]) -> Result<(), Refusal> {
        let mut role = None;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Word(word) => {
                    let Some((_, _, entry)) = words.iter().find(|w| w.0 == at) else {
                        continue;
                    };
                    if entry.has(claims::NEGATION | claims::NOTHING) {
                        return Err(Refusal::Claim((*word).to_owned()));
                    }
                    if entry.has(claims::ADD) && self.cited.iter().any(|l| !l.add.is_empty()) {
                        role = Some(Sign::For);
                    } else if entry.has(claims::REMOVE) {
                        if self.cited.iter().all(|l| l.remove.is_empty()) {
                            return Err(Refusal::Sign((*word).to_owned()));
                        }
                        role = Some(Sign::Against);
                    } else if entry.has(claims::POSITIVE | claims::NEGATIVE) {
                        return Err(Refusal::Sign((*word).to_owned()));
                    }
                }
                Token::Title(title) if *title != self.evidence.item => {
                    let is = |of: fn(&Line) -> &Vec<String>| {
                        self.cited.iter().any(|l| of(l).iter().any(|t| t == title))
                    };
                    let right = match role {
                        Some(Sign::For) => is(|l| &l.add),
                        Some(Sign::Against) => is(|l| &l.remove),
                        None => false,
                    };
                    if !right {
                        return Err(Refusal::Sign((*title).to_owned()));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A negation reverses a word of direction at most this many words later.
const NEGATED: usize = 4;

/// The direction that a word claims.
fn claimed(words: &[(usize, &str, Entry)], at: usize, differs: bool) -> Option<Sign> {
    let entry = words[at].2;
    let speaks = || at > 0 && words[at - 1].2.has(claims::SPEAKS);
    if entry.has(claims::POSITIVE)
        || (entry.has(claims::FOR) && speaks())
        || (differs && entry.has(claims::MORE))
    {
        Some(Sign::For)
    } else if entry.has(claims::NEGATIVE) || (differs && entry.has(claims::LESS)) {
        Some(Sign::Against)
    } else {
        None
    }
}

fn opposite(sign: Sign) -> Sign {
    match sign {
        Sign::For => Sign::Against,
        Sign::Against => Sign::For,
    }
}

/// Whether a character is an apostrophe within a word.
fn is_apostrophe(text: &str, at: usize, c: char) -> bool {
    let next = text[at + c.len_utf8()..].chars().next();
    matches!(c, '\'' | '’') && next.is_some_and(char::is_alphabetic)
}
