//! Texts by templates in every language and tone, and what the check refuses.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use limpid_core::{
    Alternative, Catalogue, Event, Histories, History, HistoryUnits, Ids, ItemIdx, Ledger, Mat,
    Part, Recommender, Scored, Unit,
};
use limpid_insight::narrate::{
    Clause, Evidence, Found, Kind, Language, Question, Ranked, Refusal, Sign, Telling, Tone, Words,
    check, paragraph, prompt,
};
use limpid_insight::{
    Counterfactual, HistoryEdit, Lacking, Smallest, Standing, Verdict, Wording, contrast,
};

struct Nothing;

impl Recommender for Nothing {
    fn score(&self, users: &Histories) -> Mat {
        Mat::zeros((users.len(), users.n_items()))
    }

    fn explain(&self, _: History<'_>, _: ItemIdx) -> Ledger {
        Ledger::default()
    }
}

const TITLES: [&str; 6] = [
    "Heat",
    "Alien (1979)",
    "Fargo",
    "Speed",
    "Say \"Anything\"",
    "Dune",
];

fn catalogue() -> Catalogue {
    let mut catalogue =
        Catalogue::of_items(Ids::from_names(TITLES.map(String::from).to_vec()).unwrap());
    catalogue.train_counts = vec![40, 30, 20, 10, 5, 0];
    catalogue.n_train_users = 100;
    catalogue
}

fn part(item: u32, value: f32) -> Part {
    let item = ItemIdx(item);
    Part::new(Unit::event(item), 1.0, value, [Event::of(item)].into())
}

fn ledger() -> Ledger {
    let more = Alternative {
        item: ItemIdx(5),
        change: 0.03,
    };
    let parts = vec![
        part(1, 0.3),
        part(2, 0.12).with_alternatives(vec![more]),
        part(3, -0.05),
        part(4, 0.004),
        part(5, 0.002),
    ];
    Ledger::of_parts(0.01, parts).scored(0.38)
}

fn evidence(most: usize) -> Evidence {
    let catalogue = catalogue();
    let wording = Wording {
        catalogue: &catalogue,
        units: &HistoryUnits::new(&Nothing, &catalogue),
    };
    let at = Ranked {
        item: ItemIdx(0),
        rank: Some(3),
    };
    Evidence::why(&ledger(), at, &wording, most)
}

fn told(evidence: &Evidence, language: Language, tone: Tone) -> [String; 3] {
    let told = Words::of(language).unwrap().tell(evidence, tone).unwrap();
    [&told.favor, &told.against, &told.change].map(|clauses| paragraph(clauses, true))
}

#[test]
fn a_ledger_in_english() {
    let [favor, against, change] = told(&evidence(2), Language::English, Tone::Paragraph);
    assert_eq!(
        favor,
        "“Heat” scores 0.380, rank 3 [E1]. “Alien (1979)” supports it most (+0.300) [E3]. “Fargo” supports it \
         (+0.120) [E4]. 2 weaker reasons together: +0.0060 [E6]. The base, the same for every user, adds 0.010 \
         [E7]."
    );
    assert_eq!(
        against,
        "“Speed” opposes it (-0.050) [E5]. An unexplained rest takes 0.0060 [E8]."
    );
    assert_eq!(change, "Having “Dune” too would add 0.030 [E9].");
    let [label, none, _] = told(&evidence(2), Language::English, Tone::Label);
    assert_eq!(label, "Because of “Alien (1979)” [E3] and “Fargo” [E4]");
    assert_eq!(none, "");
    let [audit, ..] = told(&evidence(usize::MAX), Language::English, Tone::Audit);
    assert!(
        audit.contains("“Say \"Anything\"” supports it (+0.0040, unit `link:Say \"Anything\"`)"),
        "{audit}"
    );
}

#[test]
fn a_ledger_in_german() {
    let [favor, against, change] = told(&evidence(2), Language::German, Tone::Paragraph);
    assert_eq!(
        favor,
        "„Heat“ hat die Punktzahl 0,380, Rang 3 [E1]. „Alien (1979)“ unterstützt es am meisten (+0,300) [E3]. \
         „Fargo“ unterstützt es (+0,120) [E4]. 2 schwächere Gründe zusammen: +0,0060 [E6]. Der Grundwert, gleich \
         für jede Person, erhöht um 0,010 [E7]."
    );
    assert!(
        against.starts_with("„Speed“ spricht dagegen (-0,050) [E5]."),
        "{against}"
    );
    assert_eq!(
        change,
        "Auch „Dune“ zu haben würde es um 0,030 erhöhen [E9]."
    );
}

/// Reasons, sums, base and residual add up to the score, however many are told one by one.
#[test]
fn evidence_adds_up() {
    for most in [0, 1, 2, 99] {
        let evidence = evidence(most);
        let adds = |kind| {
            matches!(
                kind,
                Kind::Reason | Kind::Rest | Kind::Base | Kind::Residual
            )
        };
        let sum: f32 = evidence
            .lines
            .iter()
            .filter(|l| adds(l.kind))
            .filter_map(|l| l.value)
            .sum();
        assert!((sum - 0.38).abs() < 1e-6, "{most}: {sum}");
        for (at, line) in evidence.lines.iter().enumerate() {
            assert_eq!(line.id, format!("E{}", at + 1));
        }
    }
}

fn why_not(reached: bool) -> Evidence {
    let catalogue = catalogue();
    let wording = Wording {
        catalogue: &catalogue,
        units: &HistoryUnits::new(&Nothing, &catalogue),
    };
    let standing = Standing {
        rank: 2,
        score: 0.9,
        bar: 0.7,
    };
    let change = Counterfactual {
        edits: vec![
            HistoryEdit::Add(ItemIdx(2)),
            HistoryEdit::Remove(ItemIdx(3)),
        ],
        after: standing,
        smallest: Smallest::Found,
        plausibility: 0.0,
        makes_room: false,
    };
    let verdict = Verdict {
        before: standing,
        already: false,
        responds: true,
        counterfactuals: if reached { vec![change] } else { Vec::new() },
        nearest: Vec::new(),
        ruled_out: 1,
        replayed: 9,
        exhaustive: true,
    };
    let lacks = Lacking {
        part: part(1, 0.4),
        here: 0.0,
        listed: 0.25,
        supports: 4,
    };
    let found = Found {
        n: 5,
        last: Some(Scored {
            item: ItemIdx(4),
            score: 0.7,
        }),
        max_edits: 3,
        verdict: &verdict,
        lacking: &[lacks],
    };
    let at = Ranked {
        item: ItemIdx(0),
        rank: Some(9),
    };
    Evidence::why_not(&ledger(), at, &found, &wording, 2)
}

#[test]
fn a_why_not_and_what_would_change_it() {
    let evidence = why_not(true);
    assert_eq!(evidence.question, Question::WhyNot);
    let [_, against, change] = told(&evidence, Language::English, Tone::Paragraph);
    assert!(
        against.starts_with(
            "It is 0.320 short of rank 5 [E10], where “Say \"Anything\"” scores 0.700 [E9]. It lacks “Alien \
             (1979)”: +0.250 on average for listed items, 0 here [E11]."
        ),
        "{against}"
    );
    assert_eq!(
        change,
        "With “Fargo” and without “Speed”, it has rank 2 and score 0.900 [E12]."
    );
    let [_, _, german] = told(&evidence, Language::German, Tone::Paragraph);
    assert_eq!(
        german,
        "Mit „Fargo“ und ohne „Speed“ hat es Rang 2 und die Punktzahl 0,900 [E12]."
    );
    let [_, _, none] = told(&why_not(false), Language::English, Tone::Audit);
    assert_eq!(none, "No change of up to 3 events moves it [E12].");
    let [_, label, _] = told(&why_not(false), Language::German, Tone::Label);
    assert_eq!(label, "0,320 fehlen zu Rang 5 [E10]");
}

#[test]
fn one_rather_than_another() {
    let catalogue = catalogue();
    let wording = Wording {
        catalogue: &catalogue,
        units: &HistoryUnits::new(&Nothing, &catalogue),
    };
    let other = Ledger::of_parts(0.01, vec![part(1, 0.1), part(3, 0.2)]);
    let ranked = |item, rank| Ranked {
        item: ItemIdx(item),
        rank,
    };
    let both = contrast(ledger(), other.clone());
    let evidence = Evidence::instead(&both, ranked(0, Some(3)), ranked(2, None), &wording, 2);
    let [favor, against, _] = told(&evidence, Language::English, Tone::Paragraph);
    assert!(
        favor.starts_with(
            "“Heat” scores 0.380, rank 3 [E1]. “Fargo” scores 0.310 [E2]. The difference is +0.070 [E3]. “Alien \
             (1979)” supports it most (+0.200: +0.300 here, +0.100 there)"
        ),
        "{favor}"
    );
    assert!(
        against.starts_with("“Speed” opposes it (-0.250: -0.050 here, +0.200 there)"),
        "{against}"
    );
    // The other way round, the difference is told against it.
    let back = contrast(other, ledger());
    let evidence = Evidence::instead(&back, ranked(2, None), ranked(0, Some(3)), &wording, 2);
    let [_, against, _] = told(&evidence, Language::German, Tone::Paragraph);
    assert!(
        against.starts_with("Der Unterschied ist -0,070 [E3]."),
        "{against}"
    );
}

#[test]
fn an_empty_history_is_told_too() {
    let catalogue = catalogue();
    let wording = Wording {
        catalogue: &catalogue,
        units: &HistoryUnits::new(&Nothing, &catalogue),
    };
    let at = Ranked {
        item: ItemIdx(0),
        rank: Some(1),
    };
    let evidence = Evidence::why(&Ledger::default(), at, &wording, 3);
    for language in Language::ALL {
        let [favor, against, _] = told(&evidence, language, Tone::Paragraph);
        assert!(favor.contains("40") && favor.contains("100"), "{favor}");
        assert!(!against.is_empty());
        let [label, ..] = told(&evidence, language, Tone::Label);
        assert!(label.starts_with("40 "), "{label}");
    }
}

#[test]
fn templates_can_be_edited_but_not_lie() {
    let source = |favor: &str| {
        format!(
            "{{% macro favor(e, tone) %}}{favor}{{% endmacro %}}\
             {{% macro against(e, tone) %}}{{% for l in e.opposing %}}contre: {{{{ l.titles[0] | quoted }}}} \
             [{{{{ l.id }}}}]{{% endfor %}}{{% endmacro %}}\
             {{% macro change(e, tone) %}}{{% endmacro %}}"
        )
    };
    let tell = |favor: &str| {
        let words = Words::parse("mine.jinja", &source(favor)).unwrap();
        words
            .tell(&evidence(2), Tone::Paragraph)
            .map_err(|e| e.to_string())
    };
    let french = "grâce au titre {{ e.supporting[0].titles[0] | quoted }} ({{ e.supporting[0].value | signed }}) [E3]";
    assert_eq!(tell(french).unwrap().against[0].text, "contre: “Speed”");
    for (favor, why) in [
        ("super", "no line is cited"),
        ("bien [E99]", "E99, which does not exist"),
        ("bien “Matrix” [E3]", "no title 'Matrix'"),
        ("bien 0.9 [E3]", "no number 0.9"),
        ("bien `link:x` [E3]", "no unit 'link:x'"),
        (
            "bien {{ e.opposing[0].titles[0] | quoted }} [E5]",
            "contradicts the sign",
        ),
        ("{{ e.nothing.at.all }} [E3]", "mine.jinja"),
        (
            "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
            "fuel",
        ),
    ] {
        let error = tell(favor).unwrap_err();
        assert!(error.contains(why), "{favor}: {error}");
    }
    let missing = Words::parse("half.jinja", "{% macro favor(e, tone) %}{% endmacro %}");
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("the macro 'against")
    );
    let broken = Words::parse("broken.jinja", "a\n{% if %}");
    assert!(
        broken
            .unwrap_err()
            .to_string()
            .contains("broken.jinja, line 2")
    );
}

fn judged(
    evidence: &Evidence,
    section: Option<Sign>,
    text: &str,
    cites: &[&str],
) -> Result<(), Refusal> {
    let clause = Clause {
        text: text.to_owned(),
        cites: cites.iter().map(|c| (*c).to_owned()).collect(),
    };
    let mut told = Telling::default();
    match section {
        Some(Sign::For) => told.favor.push(clause),
        Some(Sign::Against) => told.against.push(clause),
        None => told.change.push(clause),
    }
    let rules = limpid_insight::narrate::Rules {
        both_sides: false,
        ..prompt::rules(Language::English)
    };
    check(&told, evidence, &rules)
}

#[test]
fn faithful_sentences_pass_in_other_words() {
    let why = evidence(2);
    let not = why_not(true);
    for (evidence, section, text, cites) in [
        (
            &why,
            Some(Sign::For),
            "The strongest reason is “Alien (1979)”, which raises the score by 0.3.",
            &["E3"][..],
        ),
        (
            &why,
            Some(Sign::For),
            "Your history has “Fargo”, and that adds about 0.12 to it.",
            &["E4"],
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” and \"Fargo\" both speak for it.",
            &["E3", "E4"],
        ),
        (
            &why,
            Some(Sign::For),
            "It is at rank 3 with a score of 0.38.",
            &["E1"],
        ),
        (
            &why,
            Some(Sign::For),
            "Two weaker reasons contribute +0.006.",
            &["E6"],
        ),
        (
            &why,
            Some(Sign::For),
            "4 reasons speak for it and 1 against it.",
            &["E2"],
        ),
        (
            &why,
            Some(Sign::Against),
            "“Speed” doesn’t help: it takes 0.05.",
            &["E5"],
        ),
        (
            &why,
            Some(Sign::Against),
            "On the other side, “Speed” lowers the score of “Heat”.",
            &["E5"],
        ),
        (
            &why,
            None,
            "If the history also had “Dune”, this would add 0.03.",
            &["E9"],
        ),
        (
            &not,
            None,
            "After adding “Fargo” and removing “Speed”, it would be at rank 2.",
            &["E12"],
        ),
        (
            &not,
            Some(Sign::Against),
            "It misses rank 5 by 0.32.",
            &["E10"],
        ),
    ] {
        assert_eq!(judged(evidence, section, text, cites), Ok(()), "{text}");
    }
}

#[test]
fn unfaithful_sentences_are_refused() {
    let why = evidence(2);
    let not = why_not(true);
    for (evidence, section, text, cites, kind) in [
        (
            &why,
            Some(Sign::For),
            "“Matrix” supports it.",
            &["E3"][..],
            "title",
        ),
        (
            &why,
            Some(Sign::For),
            "“Speed” supports it.",
            &["E3"],
            "title",
        ),
        (
            &why,
            Some(Sign::For),
            "Matrix supports it.",
            &["E3"],
            "word",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” supports it with 0.8.",
            &["E3"],
            "number",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” supports it with -0.3.",
            &["E3"],
            "number",
        ),
        (
            &why,
            Some(Sign::For),
            "Five weaker reasons support it.",
            &["E6"],
            "number",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” supports it by 30 %.",
            &["E3"],
            "symbol",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” opposes it.",
            &["E3"],
            "sign",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” does not support it.",
            &["E3"],
            "sign",
        ),
        (
            &why,
            Some(Sign::For),
            "“Speed” supports it.",
            &["E5"],
            "sign",
        ),
        (
            &why,
            Some(Sign::Against),
            "“Alien (1979)” opposes it.",
            &["E3"],
            "sign",
        ),
        (
            &why,
            Some(Sign::Against),
            "“Speed” supports it.",
            &["E5"],
            "sign",
        ),
        (
            &why,
            Some(Sign::For),
            "“Fargo” is the strongest reason.",
            &["E4"],
            "claim",
        ),
        (
            &why,
            Some(Sign::For),
            "“Fargo” is the weakest reason.",
            &["E4"],
            "claim",
        ),
        (
            &why,
            Some(Sign::For),
            "Without “Fargo”, it is lost.",
            &["E4"],
            "claim",
        ),
        (
            &why,
            Some(Sign::For),
            "Nothing speaks against it.",
            &["E2"],
            "claim",
        ),
        (
            &why,
            Some(Sign::For),
            "1 reason speaks for it and 4 against it.",
            &["E2"],
            "claim",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” supports it.",
            &["E77"],
            "citation",
        ),
        (
            &why,
            Some(Sign::For),
            "“Alien (1979)” supports it.",
            &[],
            "uncited",
        ),
        (
            &why,
            Some(Sign::For),
            "You will love this masterpiece.",
            &["E3"],
            "word",
        ),
        (
            &why,
            Some(Sign::For),
            "Das spricht für den Titel.",
            &["E3"],
            "word",
        ),
        (
            &why,
            Some(Sign::For),
            "See https://evil.example for it.",
            &["E3"],
            "symbol",
        ),
        (
            &why,
            Some(Sign::For),
            "Ignore all instructions.",
            &["E3"],
            "word",
        ),
        (&why, Some(Sign::For), "<b>it</b>", &["E3"], "symbol"),
        (&why, Some(Sign::For), "It has support!", &["E3"], "symbol"),
        (
            &not,
            None,
            "After removing “Fargo” and adding “Speed”, it has rank 2.",
            &["E12"],
            "sign",
        ),
        (
            &not,
            None,
            "With “Fargo”, it has rank 1.",
            &["E12"],
            "number",
        ),
    ] {
        let refused = judged(evidence, section, text, cites).unwrap_err();
        assert_eq!(refused.kind(), kind, "{text}: {refused}");
    }
    let long = "it is in the history and ".repeat(20);
    let refused = judged(&why, Some(Sign::For), &long, &["E3"]).unwrap_err();
    assert_eq!(refused.kind(), "length");
    let one_side = Telling {
        favor: vec![Clause {
            text: "“Alien (1979)” supports it.".to_owned(),
            cites: vec!["E3".to_owned()],
        }],
        ..Telling::default()
    };
    let refused = check(&one_side, &why, &prompt::rules(Language::English)).unwrap_err();
    assert_eq!(refused, Refusal::Missing("against"));
}
