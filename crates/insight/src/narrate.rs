//! Ledgers to words, by template: every number that is said stands in the ledger.

use limpid_core::{Catalogue, Error, Ledger, Narrate, Part, PartKind, Result};

/// Tells a ledger in one sentence, strongest evidence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// How many parts are told one by one; the others are summed up.
    pub parts: usize,
}

impl Default for Template {
    fn default() -> Self {
        Self { parts: 3 }
    }
}

impl Narrate for Template {
    fn narrate(&self, why: &Ledger, catalogue: &Catalogue) -> Result<String> {
        if !why.adds_up(1e-4) {
            return Err(Error::Numeric {
                what: "narrating a ledger".to_owned(),
                why: format!(
                    "its parts miss the score by {:.2e}, so words about it would not be true",
                    why.additivity_error()
                ),
            });
        }
        if why.parts.is_empty() {
            return Ok("Nothing in this history speaks for or against it.".to_owned());
        }
        let told: Vec<String> = why
            .parts
            .iter()
            .take(self.parts)
            .map(|part| clause(part, catalogue))
            .collect();
        let rest = &why.parts[told.len()..];
        let mut text = format!("Score {:.3}: {}", why.score, told.join("; "));
        if !rest.is_empty() {
            let sum: f32 = rest.iter().map(|p| p.value).sum();
            text += &format!(
                "; {} weaker reason{} together {sum:+.3}",
                rest.len(),
                if rest.len() == 1 { "" } else { "s" }
            );
        }
        if why.base != 0.0 {
            text += &format!("; every user gives it {:+.3}", why.base);
        }
        if why.residual != 0.0 {
            text += &format!("; {:+.3} cannot be named", why.residual);
        }
        Ok(text + ".")
    }
}

fn clause(part: &Part, catalogue: &Catalogue) -> String {
    let direction = if part.value < 0.0 {
        "against it"
    } else {
        "for it"
    };
    let edited = if part.edited_by.is_some() {
        " (edited)"
    } else {
        ""
    };
    let reason = match part.kind {
        PartKind::Popularity => "how many people have it".to_owned(),
        _ if part.cites.is_empty() => match &part.rule {
            Some(rule) => format!("the rule '{}'", rule.text(catalogue)),
            None => part.unit.text(catalogue),
        },
        _ => {
            let mut titles: Vec<&str> = Vec::new();
            for event in &part.cites {
                let title = catalogue.title(event.item);
                if !titles.contains(&title) {
                    titles.push(title);
                }
            }
            titles.join(" and ")
        }
    };
    format!("{reason} speaks {direction} ({:+.3}){edited}", part.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Event, Ids, ItemIdx, Unit};

    #[test]
    fn says_what_the_ledger_says() {
        let catalogue =
            Catalogue::of_items(Ids::from_names(vec!["Alien".into(), "Heat".into()]).unwrap());
        let part = |i: u32, value: f32| Part {
            unit: Unit::Link(ItemIdx(i)),
            kind: PartKind::Link,
            rule: None,
            cites: vec![Event::of(ItemIdx(i))],
            activation: 1.0,
            effect: value,
            value,
            edited_by: None,
        };
        let ledger = Ledger::of_parts(0.0, vec![part(0, 0.5), part(1, -0.25)]);
        assert_eq!(
            Template { parts: 1 }.narrate(&ledger, &catalogue).unwrap(),
            "Score 0.250: Alien speaks for it (+0.500); 1 weaker reason together -0.250."
        );
        let false_one = Ledger {
            score: 9.0,
            ..ledger
        };
        assert!(Template::default().narrate(&false_one, &catalogue).is_err());
    }
}
