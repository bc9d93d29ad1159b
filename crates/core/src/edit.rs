//! Edits: changes of the units of a model, and their syntax.
//!
//! ```text
//! edit = UNIT=off      mute: the activation becomes 0
//!      | UNIT=2x       scale: the activation is multiplied
//!      | UNIT=0.8      set: the activation becomes this value
//!      | UNIT+0.3      add: the activation is increased; UNIT+-0.3 decreases it
//!      | UNIT~0.3      blend: 30 % of the row's mass moves to the unit
//! ```
//!
//! UNIT is an id such as `link:296`, `g17.or` or `n12`, or a name such as `link:Alien (1979)`. It may hold
//! any character; a name that could be misread as part of an edit is quoted, with quotes inside
//! doubled: `'a=1e'+3`. Printed edits can be parsed again.
//!
//! Per unit the order is set, scale, add, mute; blends are last; the same operation twice on a unit is
//! refused. So the result does not depend on the order in which edits are written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Largest absolute number in an edit, so that edited activations stay finite.
const MOST: f32 = 1e6;

/// An operation on the activation of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The activation becomes this value (`=0.8`).
    Set(f32),
    /// The activation is multiplied (`=2x`).
    Scale(f32),
    /// The activation is increased (`+0.3`), or decreased (`+-0.3`).
    Add(f32),
    /// The activation becomes 0 (`=off`).
    Mute,
}

impl Op {
    /// The rank in the fixed order of application.
    #[must_use]
    pub fn order(self) -> u8 {
        match self {
            Self::Set(_) => 0,
            Self::Scale(_) => 1,
            Self::Add(_) => 2,
            Self::Mute => 3,
        }
    }

    /// The activation after the operation.
    #[must_use]
    pub fn apply(self, activation: f32) -> f32 {
        match self {
            Self::Set(v) => v,
            Self::Scale(f) => activation * f,
            Self::Add(d) => activation + d,
            Self::Mute => 0.0,
        }
    }
}

/// The syntax after the unit: `=off`, `=2x`, `=0.8`, `+0.3`.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(v) => write!(f, "={v}"),
            Self::Scale(x) => write!(f, "={x}x"),
            Self::Add(d) => write!(f, "+{d}"),
            Self::Mute => write!(f, "=off"),
        }
    }
}

/// One change of one unit; the unit is not resolved yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// An operation on a unit.
    Op {
        /// The unit's id or name.
        unit: String,
        /// The operation.
        op: Op,
    },
    /// Mass moved to a unit (From Knots to Knobs, the steering equation of its section 3, with the mass
    /// of the row kept): every activation is scaled by `1 − alpha`, and `alpha` times their sum goes to
    /// the unit, spread evenly over its members.
    Blend {
        /// The unit's id or name.
        unit: String,
        /// The share of mass that is moved, in `0..=1`.
        alpha: f32,
    },
}

impl Edit {
    /// The unit's id or name.
    #[must_use]
    pub fn unit(&self) -> &str {
        match self {
            Self::Op { unit, .. } | Self::Blend { unit, .. } => unit,
        }
    }

    /// The same edit with another name of the unit.
    #[must_use]
    pub fn on(&self, unit: impl Into<String>) -> Self {
        match *self {
            Self::Op { op, .. } => Self::Op {
                unit: unit.into(),
                op,
            },
            Self::Blend { alpha, .. } => Self::Blend {
                unit: unit.into(),
                alpha,
            },
        }
    }

    fn check(&self) -> Result<()> {
        let (ok, rule, value) = match *self {
            Self::Op {
                op: Op::Set(v) | Op::Scale(v) | Op::Add(v),
                ..
            } => (v.abs() <= MOST, "between -1000000 and 1000000", v),
            Self::Op { op: Op::Mute, .. } => (true, "", 0.0),
            Self::Blend { alpha, .. } => ((0.0..=1.0).contains(&alpha), "between 0 and 1", alpha),
        };
        match ok {
            true => Ok(()),
            false => Err(Error::range(
                format!("the value in the edit of '{}'", self.unit()),
                rule,
                value,
            )),
        }
    }

    /// The written form without quotes.
    fn plain(&self) -> String {
        match self {
            Self::Op { unit, op } => format!("{unit}{op}"),
            Self::Blend { unit, alpha } => format!("{unit}~{alpha}"),
        }
    }
}

/// The written form; the unit is quoted if it would be misread otherwise.
impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.plain();
        if plain.parse::<Self>().is_ok_and(|read| read == *self) {
            return f.write_str(&plain);
        }
        let quoted = format!("'{}'", self.unit().replace('\'', "''"));
        f.write_str(&self.on(quoted).plain())
    }
}

impl FromStr for Edit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = match text.trim_start().strip_prefix('\'').and_then(unquote) {
            Some((unit, rest)) => change(unit, rest.trim_start()),
            // The unit ends before the first operator that is followed by a valid operand, so numbers may
            // contain signs (1e+3) and names operators ("a=b").
            None => text
                .char_indices()
                .filter(|&(_, c)| matches!(c, '=' | '+' | '~'))
                .find_map(|(at, _)| {
                    let unit = text[..at].trim_end();
                    let unit = unit.strip_suffix('=').unwrap_or(unit).trim();
                    change(unit.to_owned(), &text[at..])
                }),
        };
        let edit = read
            .filter(|e| !e.unit().is_empty())
            .ok_or_else(|| Error::Parse {
                what: "edit",
                text: text.to_owned(),
                why: "an edit is UNIT=off, UNIT=2x (scale), UNIT=0.8 (set), UNIT+0.3 (add) or UNIT~0.3 \
                      (blend), such as link:296=off"
                    .to_owned(),
            })?;
        edit.check()?;
        Ok(edit)
    }
}

/// The text up to the closing quote, with doubled quotes joined, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut unit = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('\'', Some((_, '\''))) => {
                unit.push('\'');
                chars.next();
            }
            ('\'', _) => return Some((unit, &text[at + 1..])),
            _ => unit.push(c),
        }
    }
    None
}

/// An edit of a unit from an operator with its operand.
fn change(unit: String, written: &str) -> Option<Edit> {
    let mut chars = written.chars();
    let operator = chars.next()?;
    let operand = chars.as_str().trim();
    let number = |text: &str| {
        let text = text.trim();
        let ok = text
            .chars()
            .all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
        text.parse::<f32>().ok().filter(|_| ok)
    };
    let op = |op| {
        Some(Edit::Op {
            unit: unit.clone(),
            op,
        })
    };
    match operator {
        '~' => number(operand).map(|alpha| Edit::Blend {
            unit: unit.clone(),
            alpha,
        }),
        '+' => number(operand).and_then(|d| op(Op::Add(d))),
        '=' if operand == "off" => op(Op::Mute),
        '=' => match (operand.strip_suffix(['x', '×']), operand.strip_prefix('+')) {
            (Some(factor), _) => number(factor).and_then(|f| op(Op::Scale(f))),
            // "UNIT=+0.3" is read as "UNIT+0.3".
            (None, Some(more)) => number(more).and_then(|d| op(Op::Add(d))),
            (None, None) => number(operand).and_then(|v| op(Op::Set(v))),
        },
        _ => None,
    }
}

/// A set of edits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// No edits.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Edits in any order.
    ///
    /// # Errors
    /// [`Error::Edit`] if the same operation appears twice on a unit, [`Error::Range`] if a number
    /// exceeds a million in absolute value or the share of a blend is not in `0..=1`.
    pub fn new(mut edits: Vec<Edit>) -> Result<Self> {
        edits.iter().try_for_each(Edit::check)?;
        let key = |e: &Edit| {
            let order = match e {
                Edit::Op { op, .. } => op.order(),
                Edit::Blend { .. } => u8::MAX,
            };
            (order == u8::MAX, e.unit().to_owned(), order)
        };
        edits.sort_by_cached_key(key);
        match edits.windows(2).find(|w| key(&w[0]) == key(&w[1])) {
            None => Ok(Self(edits)),
            Some(pair) => Err(Error::Edit(format!(
                "the same operation appears twice on '{}': '{}' and '{}'; keep one of them",
                pair[0].unit(),
                pair[0],
                pair[1]
            ))),
        }
    }

    /// Parses edits: `g17=off`, `r4=2x`, `link:296=0.8`, `n12+0.3`, `'film noir'~0.3`.
    ///
    /// # Errors
    /// [`Error::Parse`], or as [`Edits::new`].
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self> {
        let edits = texts.iter().map(|t| t.as_ref().parse());
        Self::new(edits.collect::<Result<_>>()?)
    }

    /// Whether there are no edits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The edits, ordered by unit and then set, scale, add, mute; blends last.
    #[must_use]
    pub fn all(&self) -> &[Edit] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(texts: &[&str]) -> Vec<String> {
        let edits = Edits::parse(texts).unwrap();
        edits.all().iter().map(Edit::to_string).collect()
    }

    #[test]
    fn grammar() {
        assert_eq!(
            written(&["link:296=off", "g17.or=2x", "r1=0.8", "n12+0.3", "g2~0.3"]),
            ["g17.or=2x", "link:296=off", "n12+0.3", "r1=0.8", "g2~0.3"]
        );
        for (text, printed) in [
            ("link:a=b=off", "link:a=b=off"),
            ("r1==0.8", "r1=0.8"),
            ("r2=+0.5", "r2+0.5"),
            ("r2+-0.3", "r2+-0.3"),
            ("r2=-0.3", "r2=-0.3"),
            ("r2=1e+3", "r2=1000"),
            ("r2+1e-3", "r2+0.001"),
            ("link:Alien (1979)=off", "link:Alien (1979)=off"),
            ("'film noir'~0.3", "film noir~0.3"),
            ("'a=1e'+3", "'a=1e'+3"),
            ("link:2+2=5 (1999) = 2x", "link:2+2=5 (1999)=2x"),
        ] {
            assert_eq!(written(&[text]), [printed], "{text}");
        }
        for bad in [
            "", "r1", "r1=", "r1=on", "r1=NaN", "r1=inf", "r1~2", "=off", "r1=1e99",
        ] {
            assert!(Edits::parse(&[bad]).is_err(), "{bad}");
        }
        assert!(Edits::parse(&["r1=2x", "r1=3x"]).is_err());
    }

    fn any_op() -> impl Strategy<Value = Op> {
        let number = (proptest::num::f32::NORMAL | proptest::num::f32::ZERO)
            .prop_map(|v| v.clamp(-MOST, MOST));
        (0..4, number).prop_map(|(kind, v)| match kind {
            0 => Op::Set(v),
            1 => Op::Scale(v),
            2 => Op::Add(v),
            _ => Op::Mute,
        })
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        // Names made of the characters of the grammar.
        let unit = "[a1e=+~x'. \\-éß]{0,8}[a1'+é]".prop_map(|t| t.trim().to_owned());
        (unit, any_op(), proptest::option::of(0f32..=1.0)).prop_map(|(unit, op, alpha)| match alpha
        {
            Some(alpha) => Edit::Blend { unit, alpha },
            None => Edit::Op { unit, op },
        })
    }

    proptest! {
        #[test]
        fn printed_edits_parse_back(edit in any_edit()) {
            let text = edit.to_string();
            prop_assert_eq!(text.parse::<Edit>().unwrap(), edit, "{}", text);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<Edit>();
        }

        #[test]
        fn the_order_of_writing_does_not_matter(order in Just(vec![0usize,1,2,3,4,5]).prop_shuffle()) {
            let all = ["r0=2x", "r0=0.5", "r0+1", "r1=off", "r2=3x", "r2~0.1"];
            let shuffled: Vec<&str> = order.iter().map(|&i| all[i]).collect();
            prop_assert_eq!(written(&shuffled), written(&all));
        }
    }
}
