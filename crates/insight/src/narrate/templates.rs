//! Evidence told by templates, which are files that anyone can edit or translate.
//!
//! A template file is a [minijinja](https://docs.rs/minijinja) file with three macros, `favor`, `against` and
//! `change`, each with the arguments `(e, tone)`: the evidence and `label`, `paragraph` or `audit`. A macro writes clauses,
//! each followed by the ids of the lines that it tells, in brackets. `{% set language = "en" %}` selects the
//! vocabulary, the decimal separator and the quotation marks.

use std::fmt;

use limpid_core::{Error, Result};
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::evidence::{Evidence, Kind, Line, Question, Sign};
use super::{Language, Rules, Telling, Tone, check, clauses};

/// The name of the template in its environment.
const NAME: &str = "words";

/// The most steps of one text; a template that takes more does not end.
const STEPS: u64 = 2_000_000;

/// Templates of a language.
pub struct Words {
    environment: Environment<'static>,
    language: Option<Language>,
    name: String,
    source: String,
    built_in: bool,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("name", &self.name).finish()
    }
}

impl Words {
    /// The built-in templates of a language.
    ///
    /// # Errors
    /// If they cannot be parsed, which a test excludes.
    pub fn of(language: Language) -> Result<Self> {
        let mut words = Self::parse(language.code(), language.templates())?;
        words.built_in = true;
        Ok(words)
    }

    /// Templates from the text of a file; `name` is for messages.
    ///
    /// # Errors
    /// [`Error::Parse`] with the line, if it is no template, has no macro of the three, or names an unknown
    /// language.
    pub fn parse(name: &str, source: &str) -> Result<Self> {
        let refuse = |e: &minijinja::Error| template_error(name, e);
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(STEPS));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|e| refuse(&e))?;
        let language = {
            let template = environment.get_template(NAME).map_err(|e| refuse(&e))?;
            let captured = template.render_captured(()).map_err(|e| refuse(&e))?;
            let state = captured.state();
            for part in SECTIONS {
                let is_macro =
                    |v: Value| v.kind() == ValueKind::Plain || v.kind() != ValueKind::Undefined;
                if !state.lookup(part).is_some_and(is_macro) {
                    return Err(Error::Parse {
                        what: "the templates",
                        text: name.to_owned(),
                        why: format!("the macro '{part}(e, tone)', as in the built-in templates"),
                    });
                }
            }
            let code = state
                .lookup("language")
                .filter(|v| v.kind() == ValueKind::String);
            match code.map(|v| v.to_string()) {
                None => None,
                Some(code) => Language::of(&code),
            }
        };
        let mut words = Self {
            environment,
            language,
            name: name.to_owned(),
            source: source.to_owned(),
            built_in: false,
        };
        let style = language.unwrap_or(Language::English);
        words.add_filters(style);
        Ok(words)
    }

    fn add_filters(&mut self, style: Language) {
        let (open, close) = style.quotes();
        let environment = &mut self.environment;
        environment.add_filter("quoted", move |title: &str| format!("{open}{title}{close}"));
        environment.add_filter("unit", |unit: &str| format!("`{unit}`"));
        environment.add_filter("number", move |x: f64| number(x, style));
        environment.add_filter("size", move |x: f64| number(x.abs(), style));
        environment.add_filter("signed", move |x: f64| match x > 0.0 {
            true => format!("+{}", number(x, style)),
            false => number(x, style),
        });
    }

    /// The language, where it is one with a vocabulary.
    #[must_use]
    pub fn language(&self) -> Option<Language> {
        self.language
    }

    /// The name: a language, or a file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of the templates.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Tells evidence, and checks what was told.
    ///
    /// # Errors
    /// [`Error::Parse`] with the line of the template that fails, or with the clause that says what the
    /// evidence does not.
    pub fn tell(&self, evidence: &Evidence, tone: Tone) -> Result<Telling> {
        let refuse = |e: &minijinja::Error| template_error(&self.name, e);
        let view = Value::from(Serde(View::of(evidence)));
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|e| refuse(&e))?;
        let mut captured = template.render_captured(()).map_err(|e| refuse(&e))?;
        let mut sections = Vec::with_capacity(SECTIONS.len());
        for section in SECTIONS {
            let arguments = [view.clone(), Value::from(tone.name())];
            let text = captured
                .with_state_mut(|state| state.call_macro(section, &arguments))
                .map_err(|e| refuse(&e))?;
            sections.push(clauses(&text).map_err(|r| self.refused(&r.to_string()))?);
        }
        let mut sections = sections.into_iter();
        let mut next = || sections.next().unwrap_or_default();
        let told = Telling {
            favor: next(),
            against: next(),
            change: next(),
        };
        let rules = Rules {
            // An edited file may use any words; what they cite is checked all the same.
            language: self.language.filter(|_| self.built_in),
            most_words: 0,
            both_sides: tone != Tone::Label,
        };
        match check(&told, evidence, &rules) {
            Ok(()) => Ok(told),
            Err(refusal) => Err(self.refused(&refusal.to_string())),
        }
    }

    fn refused(&self, why: &str) -> Error {
        Error::Parse {
            what: "a text of the templates",
            text: self.name.clone(),
            why: format!("what the ledger says; {why}"),
        }
    }
}

/// The macros of a template file.
const SECTIONS: [&str; 3] = ["favor", "against", "change"];

fn template_error(name: &str, error: &minijinja::Error) -> Error {
    let line = error
        .line()
        .map_or(String::new(), |line| format!(", line {line}"));
    Error::Parse {
        what: "the templates",
        text: format!("{name}{line}"),
        why: format!("a template of minijinja; {error}"),
    }
}

/// A number with two to four significant digits.
fn number(x: f64, style: Language) -> String {
    let size = x.abs();
    let text = if x == 0.0 {
        "0".to_owned()
    } else if x.fract() == 0.0 || size >= 1000.0 {
        format!("{x:.0}")
    } else if size >= 100.0 {
        format!("{x:.1}")
    } else if size >= 10.0 {
        format!("{x:.2}")
    } else if size >= 0.009_95 {
        format!("{x:.3}")
    } else if size >= 0.001 {
        format!("{x:.4}")
    } else {
        format!("{x:.1e}")
    };
    match style.decimal() {
        '.' => text,
        other => text.replace('.', &other.to_string()),
    }
}

/// The evidence as templates see it: its lines, sorted by what they say.
#[derive(Serialize)]
struct View<'a> {
    question: Question,
    item: &'a str,
    other: Option<&'a str>,
    score: Option<&'a Line>,
    other_score: Option<&'a Line>,
    difference: Option<&'a Line>,
    reasons: Option<&'a Line>,
    supporting: Vec<&'a Line>,
    opposing: Vec<&'a Line>,
    muted: Vec<&'a Line>,
    more_supporting: Option<&'a Line>,
    more_opposing: Option<&'a Line>,
    base: Option<&'a Line>,
    residual: Option<&'a Line>,
    popularity: Option<&'a Line>,
    alternatives: Vec<&'a Line>,
    threshold: Option<&'a Line>,
    gap: Option<&'a Line>,
    lacking: Vec<&'a Line>,
    changes: Vec<&'a Line>,
    no_change: Option<&'a Line>,
}

impl<'a> View<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let one = |kind| evidence.of(kind).next();
        let all = |kind| evidence.of(kind).collect();
        let signed = |kind, sign| evidence.of(kind).filter(move |l: &&Line| l.sign() == sign);
        Self {
            question: evidence.question,
            item: &evidence.item,
            other: evidence.other.as_deref(),
            score: one(Kind::Score),
            other_score: one(Kind::Other),
            difference: one(Kind::Difference),
            reasons: one(Kind::Reasons),
            supporting: signed(Kind::Reason, Some(Sign::For)).collect(),
            opposing: signed(Kind::Reason, Some(Sign::Against)).collect(),
            muted: signed(Kind::Reason, None).collect(),
            more_supporting: signed(Kind::Rest, Some(Sign::For)).next(),
            more_opposing: signed(Kind::Rest, Some(Sign::Against)).next(),
            base: one(Kind::Base),
            residual: one(Kind::Residual),
            popularity: one(Kind::Popularity),
            alternatives: all(Kind::Alternative),
            threshold: one(Kind::Threshold),
            gap: one(Kind::Gap),
            lacking: all(Kind::Lacking),
            changes: all(Kind::Change),
            no_change: one(Kind::NoChange),
        }
    }
}
