//! The measurements of a dictionary on the page of an evaluation.

use limpid::insight::concepts::levels::LEVELS;
use limpid::insight::concepts::{LevelRule, MapShape};
use limpid::measure_knobs::{KnobsMeasured, SteeringMeasured, VerificationMeasured};

use crate::output::{Section, Table};

/// The measurements of a dictionary.
pub(super) fn knobs(k: &KnobsMeasured) -> Vec<Section> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut table = Table::new(["dictionary", "value"]);
    let p = &k.passing;
    for (name, value) in [
        ("nDCG@20 kept in pass-through", percent(p.retention)),
        ("nDCG@20 kept without edits", percent(p.error_preserving)),
        (
            "cosine of users with their codes",
            format!("{:.3}", p.cosine_users),
        ),
        (
            "cosine of single items with their codes",
            format!("{:.3}", p.cosine_items),
        ),
        ("active atoms per user", format!("{:.1}", p.active)),
        (
            "atoms that were dead at the end of training",
            p.dead_training.map_or_else(|| "–".to_owned(), percent),
        ),
        (
            "atoms that no measured user activates",
            percent(p.dead_users),
        ),
        ("atoms that no single item activates", percent(p.dead_items)),
    ] {
        table.row([name.to_owned(), value]);
    }
    for kept in p.kept.iter().filter(|k| k.metric.to_string() != "ndcg@20") {
        table.row([
            format!("{} kept in pass-through", kept.metric),
            format!(
                "{} ({:.4} of {:.4})",
                percent(kept.retention()),
                kept.passed,
                kept.base
            ),
        ]);
    }
    let mut page = vec![Section::Table(table)];
    if let Some(kept) = &k.sparsity {
        let mut table = Table::new(["active atoms, at most", "nDCG@20 kept"]);
        for at in kept {
            table.row([at.k.to_string(), percent(at.retention)]);
        }
        page.push(Section::Table(table));
    }
    if let Some(c) = &k.concepts {
        let mut table = Table::new(["names", "units", "named", "distinct"]);
        for (name, s) in [
            ("knobs", c.knobs),
            ("all atoms", c.atoms),
            ("raw dimensions, either sign", c.raw),
            ("random directions, either sign", c.random),
            ("knobs, shuffled tags", c.shuffled),
        ] {
            let cells = [
                s.units.to_string(),
                percent(s.named),
                s.distinct.to_string(),
            ];
            table.row(std::iter::once(name.to_owned()).chain(cells));
        }
        page.push(Section::Table(table));
        page.extend(maps(&c.maps));
    }
    page.extend(k.verification.iter().flat_map(verification));
    if let Some(f) = &k.faithfulness {
        let mut table = Table::new(["muting test", "top item leaves the top 20"]);
        table.row(["3 most cited units", &percent(f.cited)]);
        table.row(["3 random active units", &percent(f.random)]);
        table.row(["random units of equal mass", &percent(f.equal_mass)]);
        page.push(Section::Table(table));
        page.push(Section::Text(format!(
            "{} users; share of the score lost without the 3 units {:.2}, with them alone {:.2}",
            f.n_users, f.comprehensiveness, f.sufficiency
        )));
    }
    page.extend(k.steering.iter().flat_map(steering));
    page
}

/// The tf-idf maps of tags and units.
fn maps(m: &MapShape) -> Vec<Section> {
    if m.tags == 0 {
        return Vec::new();
    }
    let text = format!(
        "tf-idf maps of {} tags: {} distinct representative units, {} unique ones, {} characteristic tags of units; a tag \
         spreads over {:.1} units (entropy {:.2}, {:.0} % below that of the mean; Jensen–Shannon divergence from it {:.3}, \
         Kullback–Leibler {:.2})",
        m.tags,
        m.representative,
        m.unique,
        m.characteristic,
        m.effective_units,
        m.entropy,
        100.0 * m.decrease,
        m.divergence,
        m.kl
    );
    let mut page = vec![Section::Text(text)];
    page.extend(m.warning().map(Section::Text));
    page
}

/// RecSAE's concepts.
fn verification(v: &VerificationMeasured) -> Vec<Section> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut counts = Table::new([
        "levels by",
        "units",
        "with concept",
        "verified",
        "by chance",
        "distinct",
        "by chance",
        "hard negatives",
        "all strengths",
        "coverage",
    ]);
    for rule in &v.rules {
        let name = match rule.rule {
            LevelRule::Rank => "rank",
            LevelRule::Global => "all units",
            LevelRule::Value => "value",
        };
        for (units, c, coverage) in [
            ("dictionary", &rule.units, rule.coverage),
            ("dimensions", &rule.base, rule.base_coverage),
        ] {
            counts.row([
                name.to_owned(),
                units.to_owned(),
                c.with_concept.to_string(),
                c.verified.to_string(),
                format!("{:.1}", c.null),
                c.distinct.to_string(),
                format!("{:.1}", c.null_distinct),
                c.hard.to_string(),
                c.spread.to_string(),
                percent(coverage),
            ]);
        }
    }
    let mut hits = Table::new(
        std::iter::once("hits by level".to_owned())
            .chain((0..=LEVELS).map(|l| l.to_string()))
            .chain(["all".to_owned()]),
    );
    for rule in &v.rules {
        let name = serde_json::to_value(rule.rule).ok();
        let name = name.and_then(|n| n.as_str().map(str::to_owned));
        let cells = rule.hits.by_level.iter();
        let cells = cells.map(|h| h.map_or_else(|| "–".to_owned(), |h| format!("{h:.3}")));
        let average = [format!("{:.3}", rule.hits.average)];
        hits.row(
            std::iter::once(name.unwrap_or_default())
                .chain(cells)
                .chain(average),
        );
    }
    let mut alike = Table::new([
        "mean cosine",
        "intra item",
        "intra user",
        "inter item",
        "inter user",
    ]);
    for (name, l) in [
        ("dictionary", &v.likeness),
        ("dimensions", &v.base_likeness),
    ] {
        let cells = [l.intra_item, l.intra_user, l.inter_item, l.inter_user];
        let cells = cells.map(|c| format!("{c:.3}"));
        alike.row(std::iter::once(name.to_owned()).chain(cells));
    }
    let mut tuned = Table::new([
        "activation times",
        "lists with the concept",
        "with another one",
    ]);
    for p in &v.tuning {
        tuned.row([
            format!("{}", p.scale),
            percent(p.presence),
            percent(p.others),
        ]);
    }
    let mut concepts = Table::new([
        "unit",
        "concept",
        "confidence",
        "95 % interval",
        "hard",
        "all strengths",
    ]);
    for c in v.concepts.iter().take(10) {
        concepts.row([
            c.unit.clone(),
            c.concept.clone(),
            format!("{:.2}", c.confidence),
            format!("{:.2} – {:.2}", c.low, c.high),
            format!("{:.2}", c.hard),
            format!("{:.2}", c.spread),
        ]);
    }
    vec![
        Section::Text(format!(
            "Concepts of {} users, verified on {} others: 5 most activated and 5 inactive cases, 8 of 10 told right",
            v.constructed_on, v.verified_on
        )),
        Section::Table(counts),
        Section::Table(hits),
        Section::Table(alike),
        Section::Text(format!(
            "{} of the users have the first item of the base in pass-through; lists of ten when verified units are turned:",
            percent(v.agreement)
        )),
        Section::Table(tuned),
        Section::Table(concepts),
    ]
}

/// Steering against methods without knobs.
fn steering(s: &SteeringMeasured) -> Vec<Section> {
    let mut table = Table::new(["method", "target tag", "at 95 %", "area", "unsteered"]);
    for m in &s.methods {
        let unsteered = m.front.points.first().map_or(0.0, |p| p.segment);
        table.row([
            m.method.clone(),
            m.target.clone(),
            m.segment_at_95
                .map_or_else(|| "below 95 %".to_owned(), |v| format!("{v:.3}")),
            format!("{:.3}", m.area),
            format!("{unsteered:.3}"),
        ]);
    }
    let best = s
        .best
        .iter()
        .map(|(target, method)| format!("{target}: {method}"));
    let mut shares = Table::new([
        "target",
        "asked",
        "users with fewer",
        "within one item",
        "reported as unreachable",
    ]);
    for row in &s.shares {
        shares.row([
            row.target.clone(),
            format!("{:.0} %", 100.0 * row.asked),
            row.users.to_string(),
            format!("{:.1} %", 100.0 * row.within_one),
            format!("{:.1} %", 100.0 * row.unreachable),
        ]);
    }
    vec![
        Section::Text(
            "Segment nDCG@20 where personal nDCG@20 is 95 % of the unsteered one; area: its mean over 80 to \
             100 %"
                .to_owned(),
        ),
        Section::Table(table),
        Section::Lines(vec![format!("best: {}", best.collect::<Vec<_>>().join("; "))]),
        Section::Table(shares),
        Section::Lines(s.notes.clone()),
    ]
}
