//! Every model of the catalogue in words: what is told is in the ledger, read again from the explanation.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use limpid::answers::{Explanation, WordsAnswer};
use limpid::core::{Edits, NoProgress};
use limpid::data::synthetic;
use limpid::insight::narrate::{Evidence, Kind, Language, Line, Tone, Words};
use limpid::models::{Config, ENTRIES, Entry};
use limpid::{
    Advisor, DataSource, Filter, Narrator, Prepared, SplitFrom, TrainOptions, Who, train,
};
use rayon::prelude::*;

fn advisor(model: &str) -> Advisor {
    let split = SplitFrom::Spec("ratio:70/10/20@7".parse().unwrap());
    let config = synthetic::Config {
        users: 300,
        ..synthetic::Config::default()
    };
    let prepared = Prepared::synthetic(&config, &split).unwrap();
    quickly(model, prepared)
}

/// A model with few epochs: its ledgers are as complete as those of a good one.
fn quickly(model: &str, prepared: Prepared) -> Advisor {
    let mut quick = Config::named(model).unwrap();
    let parameters = Entry::named(model).unwrap().parameters();
    if parameters.iter().any(|p| p.name == "epochs") {
        quick = quick.set(&["epochs=2"]).unwrap();
    }
    train(prepared, &quick, &TrainOptions::seeded(1), &NoProgress).unwrap()
}

/// The numbers of a text outside of quoted titles and units, as written. This reads texts on its own: nothing of
/// the library's checker or templates is used.
fn numbers(text: &str, decimal: char) -> Vec<String> {
    let mut outside = String::new();
    let mut close = None;
    for c in text.chars() {
        match (close, c) {
            (Some(end), c) if c == end => close = None,
            (Some(_), _) => {}
            (None, '“') => close = Some('”'),
            (None, '„') => close = Some('“'),
            (None, '`') => close = Some('`'),
            (None, c) => outside.push(c),
        }
    }
    let kept = |c: char| c.is_ascii_digit() || c == decimal || matches!(c, '+' | '-' | 'e');
    let words = outside.split(|c| !kept(c));
    let words = words.map(|w| w.trim_end_matches(decimal).replace(decimal, "."));
    words
        .filter(|w| w.chars().any(|c| c.is_ascii_digit()))
        .collect()
}

/// Whether a written number is one of these, rounded.
fn is_one_of(written: &str, all: &[f64]) -> bool {
    let value: f64 = written.parse().unwrap_or_else(|_| panic!("{written}"));
    let near = |v: f64| (value - v).abs() <= 0.06 * v.abs();
    let signed = written.starts_with(['+', '-']);
    all.iter().any(|&v| near(v) || (!signed && near(v.abs())))
}

/// Each line of evidence is a line of the explanation of the same item, and the text has nothing else.
fn verify(answer: &WordsAnswer, why: &Explanation, language: Language) -> usize {
    let ledger = &why.ledger;
    let part = |line: &Line| {
        let unit = line.unit.as_deref().unwrap();
        let part = ledger.parts.iter().find(|p| p.unit == unit);
        part.unwrap_or_else(|| panic!("{unit} is not in the ledger"))
    };
    for line in &answer.evidence {
        match line.kind {
            Kind::Score => assert_eq!((line.value, line.count), (Some(ledger.score), why.rank)),
            Kind::Base => assert_eq!(line.value, Some(ledger.base)),
            Kind::Residual => assert_eq!(line.value, Some(ledger.residual)),
            Kind::Reason => {
                let part = part(line);
                assert_eq!(line.value, Some(part.value), "{line:?} {part:?}");
                if part.kind == "text" {
                    assert_eq!(line.label.as_ref(), Some(&part.text));
                } else {
                    for event in part.cites.iter() {
                        assert!(line.titles.contains(&event.item.title));
                    }
                }
            }
            Kind::Alternative => {
                let part = part(line);
                // Titles are not unique in every data set.
                let told = |a: &limpid::answers::AlternativeAnswer| {
                    a.item.title == line.titles[0] && line.value == Some(a.change)
                };
                assert!(part.alternatives.iter().any(told), "{line:?}");
            }
            Kind::Reasons => {
                let n = |of: fn(f32) -> bool| ledger.parts.iter().filter(|p| of(p.value)).count();
                assert_eq!(
                    (line.count, line.of),
                    (Some(n(|v| v > 0.0)), Some(n(|v| v < 0.0)))
                );
            }
            Kind::Rest => assert!(line.count.unwrap() > 0 && line.value != Some(0.0)),
            Kind::Popularity => assert!(ledger.parts.is_empty()),
            other => panic!("{other:?} in a why"),
        }
    }
    let mut told = 0;
    for (clauses, sign) in [
        (&answer.favor, 1.0),
        (&answer.against, -1.0),
        (&answer.change, 0.0),
    ] {
        for clause in clauses {
            told += 1;
            assert!(!clause.cites.is_empty());
            let mut all: Vec<f64> = Vec::new();
            for id in &clause.cites {
                let line = answer.evidence.iter().find(|l| l.id == *id).unwrap();
                all.extend(
                    [line.count, line.of]
                        .into_iter()
                        .flatten()
                        .map(|n| n as f64),
                );
                all.extend(line.value.map(f64::from));
                let moves = matches!(
                    line.kind,
                    Kind::Reason | Kind::Rest | Kind::Base | Kind::Residual
                );
                if moves && sign != 0.0 {
                    assert!(f64::from(line.value.unwrap()) * sign >= 0.0, "{clause:?}");
                }
                for title in &line.titles {
                    assert!(clause.text.contains(title.as_str()), "{clause:?}");
                }
            }
            for number in numbers(&clause.text, language.decimal()) {
                assert!(is_one_of(&number, &all), "{number} in {clause:?}: {all:?}");
            }
        }
    }
    told
}

/// Every model, language and tone: nothing is told that the ledger does not hold, the same twice.
#[test]
fn every_model_is_told_truly() {
    ENTRIES.par_iter().for_each(|entry| {
        let advisor = advisor(entry.name);
        let (none, all) = (Edits::none(), Filter::default());
        let users = advisor.catalogue.users.names();
        for (at, user) in users.iter().step_by(users.len() / 8).enumerate() {
            let who = Who::user(user.as_str());
            let list = advisor.recommend(&who, 3, &all, &none).unwrap();
            for item in &list.items {
                let id = format!("id:{}", item.item.id);
                for tone in Tone::ALL {
                    let language = Language::ALL[at % 2];
                    let narrator = Narrator::new(Words::of(language).unwrap(), tone);
                    let answer = advisor.words(&who, &id, &none, &narrator).unwrap();
                    let raw = tone == Tone::Audit;
                    let why = advisor.explain(&who, &id, &none, raw).unwrap();
                    assert!(verify(&answer, &why, language) > 0, "{}", entry.name);
                    assert_eq!(answer, advisor.words(&who, &id, &none, &narrator).unwrap());
                }
            }
        }
    });
}

/// The slow tier: 10,000 ledgers of real data, by all models.
#[test]
fn real_ledgers_are_told_truly() {
    let Some(folder) = std::env::var_os("LIMPID_DATA").map(std::path::PathBuf::from) else {
        eprintln!("skipped: LIMPID_DATA names no folder of data sets");
        return;
    };
    // The set that all models are trained on has no attributes of items.
    let every = ENTRIES.iter().filter(|e| !e.reads.attributes);
    let every: Vec<&str> = every.map(|e| e.name).collect();
    let some = vec!["ruleslim", "ease", "itemknn", "ials", "popularity"];
    let sets = [
        ("ml-100k", &some, 60),
        ("ml-latest-small", &some, 60),
        ("amazon-reviews-small", &every, 40),
        ("ml-1m", &some, 60),
        ("amazon-grocery", &some, 60),
        ("tmall-mb", &some, 60),
    ];
    let (mut ledgers, mut clauses, mut seconds) = (0, 0, 0.0);
    for (set, models, n) in sets {
        let source = DataSource {
            path: folder.join(set),
            ..DataSource::default()
        };
        let told = models.par_iter().map(|model| {
            let (mut ledgers, mut clauses, mut seconds) = (0, 0, 0.0);
            let split = SplitFrom::Spec("ratio:70/10/20@7".parse().unwrap());
            let prepared = Prepared::read(&source, &split).unwrap();
            let advisor = quickly(model, prepared);
            let (none, all) = (Edits::none(), Filter::default());
            let users = advisor.catalogue.users.names();
            for (at, user) in users.iter().step_by(users.len() / n).take(n).enumerate() {
                let language = Language::ALL[at % 2];
                let who = Who::user(user.as_str());
                let narrator = Narrator::new(Words::of(language).unwrap(), Tone::Paragraph);
                for item in &advisor.recommend(&who, 4, &all, &none).unwrap().items {
                    let id = format!("id:{}", item.item.id);
                    let why = advisor.explain(&who, &id, &none, false).unwrap();
                    let answer = advisor.words(&who, &id, &none, &narrator).unwrap();
                    clauses += verify(&answer, &why, language);
                    let evidence = Evidence {
                        question: answer.question,
                        item: answer.item.title.clone(),
                        other: None,
                        lines: answer.evidence.clone(),
                    };
                    let from = std::time::Instant::now();
                    let again = narrator.tell(&evidence).unwrap();
                    seconds += from.elapsed().as_secs_f64();
                    assert_eq!(again.told.favor, answer.favor);
                    ledgers += 1;
                }
            }
            (ledgers, clauses, seconds)
        });
        for (of_ledgers, of_clauses, of_seconds) in told.collect::<Vec<_>>() {
            ledgers += of_ledgers;
            clauses += of_clauses;
            seconds += of_seconds;
        }
        eprintln!(
            "{set}: {ledgers} ledgers, {clauses} clauses, {:.3} ms each",
            1000.0 * seconds / f64::from(ledgers)
        );
    }
    assert!(ledgers >= 10_000, "{ledgers}");
}

/// Contrasts, why-nots and edits are told without an error, in both languages.
#[test]
fn questions_and_edits_are_told() {
    for model in ["ruleslim", "ease", "ials"] {
        let advisor = advisor(model);
        let all = Filter::default();
        for user in advisor.catalogue.users.names().iter().take(5) {
            let who = Who::user(user.as_str());
            let list = advisor.recommend(&who, 12, &all, &Edits::none()).unwrap();
            let id = |at: usize| format!("id:{}", list.items[at].item.id);
            let unit = &list.items[0].because[0].unit;
            let off = Edits::parse(&[format!("{unit}=off")]).unwrap();
            for language in Language::ALL {
                let narrator = Narrator::new(Words::of(language).unwrap(), Tone::Paragraph);
                let audit = Narrator::new(Words::of(language).unwrap(), Tone::Audit);
                let none = Edits::none();
                let instead = advisor.words_instead_of(&who, &id(1), &id(4), &none, &narrator);
                assert!(!instead.unwrap().favor.is_empty());
                let limits = limpid::insight::Search {
                    max_edits: 1,
                    ..limpid::insight::Search::default()
                };
                for at in [2, 11] {
                    let not = advisor
                        .words_why_not(&who, &id(at), 5, &all, &none, limits, &narrator)
                        .unwrap();
                    assert!(!not.change.is_empty(), "{model}: {not:?}");
                }
                let edited = advisor.words(&who, &id(0), &off, &audit).unwrap();
                let says = |c: &limpid::insight::narrate::Clause| {
                    c.text.contains(&format!("`{unit}=off`"))
                };
                assert!(edited.favor.iter().any(says), "{model}: {edited:?}");
            }
        }
    }
}
