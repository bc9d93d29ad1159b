//! Edits: what a person changes about the units, and what that does to activations.
//!
//! Per unit the order is set, scale, add, mute; blends come last; the same operation twice on a
//! unit is refused. So the order in which edits are written does not matter.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Catalogue, Error, Result, Unit};

/// What is done to the activation of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Becomes this value (`=0.8`).
    Set(f32),
    /// Is multiplied (`2x`).
    Scale(f32),
    /// Is increased (`+0.3`).
    Add(f32),
    /// Becomes 0 (`off`).
    Mute,
}

impl Op {
    /// The place in the fixed order.
    fn order(self) -> u8 {
        match self {
            Self::Set(_) => 0,
            Self::Scale(_) => 1,
            Self::Add(_) => 2,
            Self::Mute => 3,
        }
    }

    fn apply(self, activation: f32) -> f32 {
        match self {
            Self::Set(v) => v,
            Self::Scale(f) => activation * f,
            Self::Add(d) => activation + d,
            Self::Mute => 0.0,
        }
    }

    fn written(self) -> String {
        match self {
            Self::Set(v) => format!("={v}"),
            Self::Scale(f) => format!("={f}x"),
            Self::Add(d) if d < 0.0 => format!("={d}"),
            Self::Add(d) => format!("+{d}"),
            Self::Mute => "=off".to_owned(),
        }
    }
}

/// One operation on one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// The unit.
    pub unit: Unit,
    /// What is done to it.
    pub op: Op,
}

/// Mass moved over units (From Knots to Knobs, the steering equation of its section 3, with the
/// mass of the row kept): every activation is scaled by `1 − alpha`, and `alpha` times their sum is
/// spread evenly over `units`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// The units that receive the mass.
    pub units: Vec<Unit>,
    /// The share of mass that is moved, in `0..=1`.
    pub alpha: f32,
}

/// Everything that a person changed, checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Edits {
    edits: Vec<Edit>,
    blends: Vec<Blend>,
}

/// An edit as written, before units are resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// An operation on a unit.
    Edit(Edit),
    /// Mass moved to a unit.
    Blend(Blend),
}

impl Edits {
    /// Nothing changed.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes edits and blends, in any order.
    ///
    /// # Errors
    /// [`Error::Edit`] where the same operation appears twice on a unit, [`Error::Range`] where a
    /// number is not finite or a blend's `alpha` is not in `0..=1`.
    pub fn new(mut edits: Vec<Edit>, blends: Vec<Blend>) -> Result<Self> {
        for edit in &edits {
            let value = match edit.op {
                Op::Set(v) | Op::Scale(v) | Op::Add(v) => v,
                Op::Mute => 0.0,
            };
            if !value.is_finite() {
                return Err(Error::range(
                    format!("the number of the edit of {}", edit.unit),
                    "finite",
                    value,
                ));
            }
        }
        for blend in &blends {
            if !(0.0..=1.0).contains(&blend.alpha) {
                return Err(Error::range(
                    "the share of a blend",
                    "between 0 and 1",
                    blend.alpha,
                ));
            }
        }
        edits.sort_by_key(|e| (e.unit, e.op.order()));
        if let Some(pair) = edits
            .windows(2)
            .find(|w| w[0].unit == w[1].unit && w[0].op.order() == w[1].op.order())
        {
            return Err(Error::Edit(format!(
                "the same operation appears twice on {}: '{}' and '{}'; write it once",
                pair[0].unit,
                pair[0].op.written(),
                pair[1].op.written()
            )));
        }
        Ok(Self { edits, blends })
    }

    /// Reads written edits: `g17=off`, `r4=2x`, `link:296=0.8`, `n12+0.3`, `n12~0.3`.
    ///
    /// # Errors
    /// [`Error::Parse`], [`Error::NoSuchUnit`], or as [`Edits::new`].
    pub fn parse<S: AsRef<str>>(texts: &[S], catalogue: &Catalogue) -> Result<Self> {
        let (mut edits, mut blends) = (Vec::new(), Vec::new());
        for text in texts {
            match parse_one(text.as_ref(), catalogue)? {
                Written::Edit(e) => edits.push(e),
                Written::Blend(b) => blends.push(b),
            }
        }
        Self::new(edits, blends)
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.blends.is_empty()
    }

    /// The edits, ordered by unit and then set, scale, add, mute.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// The blends.
    #[must_use]
    pub fn blends(&self) -> &[Blend] {
        &self.blends
    }

    /// All units that are named, once each.
    #[must_use]
    pub fn units(&self) -> BTreeSet<Unit> {
        self.edits
            .iter()
            .map(|e| e.unit)
            .chain(self.blends.iter().flat_map(|b| b.units.iter().copied()))
            .collect()
    }

    /// How they are written.
    #[must_use]
    pub fn written(&self, catalogue: &Catalogue) -> Vec<String> {
        let edits = self
            .edits
            .iter()
            .map(|e| format!("{}{}", e.unit.text(catalogue), e.op.written()));
        let blends = self.blends.iter().map(|b| {
            let units: Vec<String> = b.units.iter().map(|u| u.text(catalogue)).collect();
            format!("{}~{}", units.join(","), b.alpha)
        });
        edits.chain(blends).collect()
    }

    /// Applies them to a sparse row of `(unit index, activation)`, ascending; `resolve` gives the
    /// indices of a unit (a group has several).
    ///
    /// # Errors
    /// What `resolve` refuses; [`Error::Edit`] where two edits reach the same index with the same
    /// operation through different units.
    pub fn apply(
        &self,
        row: &[(usize, f32)],
        resolve: &dyn Fn(Unit) -> Result<Vec<usize>>,
    ) -> Result<Vec<(usize, f32)>> {
        let mut resolved: Vec<(usize, Op, Unit)> = Vec::new();
        for edit in &self.edits {
            for index in resolve(edit.unit)? {
                resolved.push((index, edit.op, edit.unit));
            }
        }
        resolved.sort_by_key(|&(index, op, _)| (index, op.order()));
        for pair in resolved.windows(2) {
            if pair[0].0 == pair[1].0 && pair[0].1.order() == pair[1].1.order() {
                return Err(Error::Edit(format!(
                    "'{}{}' and '{}{}' change the same unit in the same way; keep one of them",
                    pair[0].2,
                    pair[0].1.written(),
                    pair[1].2,
                    pair[1].1.written()
                )));
            }
        }
        let mut out: std::collections::BTreeMap<usize, f32> = row.iter().copied().collect();
        for (index, op, _) in resolved {
            let activation = out.entry(index).or_insert(0.0);
            *activation = op.apply(*activation);
        }
        for blend in &self.blends {
            let mut targets = Vec::new();
            for &unit in &blend.units {
                targets.extend(resolve(unit)?);
            }
            let mass: f32 = out.values().sum();
            for value in out.values_mut() {
                *value *= 1.0 - blend.alpha;
            }
            for &index in &targets {
                *out.entry(index).or_insert(0.0) += blend.alpha * mass / targets.len() as f32;
            }
        }
        Ok(out.into_iter().collect())
    }
}

/// Reads one written edit.
fn parse_one(text: &str, catalogue: &Catalogue) -> Result<Written> {
    let error = |why: &str| Error::Parse {
        what: "edit",
        text: text.to_owned(),
        why: format!(
            "{why}; an edit is UNIT=off, UNIT=2x (scale), UNIT=0.8 (set), UNIT+0.3 (add) or \
             UNIT~0.3 (blend), such as link:296=off"
        ),
    };
    // The unit may hold any character of an item id, so the operation is looked for from the end.
    let at = text
        .rfind(['=', '~', '+'])
        .ok_or_else(|| error("it names no operation"))?;
    let (mut unit, rest) = text.split_at(at);
    // "UNIT==0.8" and "UNIT=+0.3" are read as "UNIT=0.8" and "UNIT+0.3".
    unit = unit.strip_suffix('=').unwrap_or(unit);
    let unit = Unit::parse(unit.trim().trim_matches('\''), catalogue)?;
    let mut chars = rest.chars();
    let sign = chars.next();
    let value = chars.as_str().trim();
    let number = |digits: &str| {
        digits
            .parse::<f32>()
            .ok()
            .filter(|v| v.is_finite())
            .ok_or_else(|| error(&format!("'{digits}' is not a number")))
    };
    Ok(match sign {
        Some('~') => Written::Blend(Blend {
            units: vec![unit],
            alpha: number(value)?,
        }),
        Some('+') => Written::Edit(Edit {
            unit,
            op: Op::Add(number(value)?),
        }),
        _ if value == "off" => Written::Edit(Edit { unit, op: Op::Mute }),
        _ => match value.strip_suffix(['x', '×']) {
            Some(factor) => Written::Edit(Edit {
                unit,
                op: Op::Scale(number(factor)?),
            }),
            None => Written::Edit(Edit {
                unit,
                op: Op::Set(number(value)?),
            }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ids;
    use proptest::prelude::*;

    fn catalogue() -> Catalogue {
        Catalogue::of_items(Ids::from_names(vec!["296".into(), "a=b".into()]).unwrap())
    }

    fn rules(unit: Unit) -> Result<Vec<usize>> {
        match unit {
            Unit::Rule(r) => Ok(vec![r as usize]),
            Unit::Group(_) => Ok(vec![0, 1]),
            _ => Err(Error::NoSuchUnit {
                unit: unit.to_string(),
                hint: "rules only".into(),
            }),
        }
    }

    #[test]
    fn grammar() {
        let c = catalogue();
        let e = Edits::parse(
            &["link:296=off", "g17.or=2x", "r1=0.8", "n12+0.3", "g2~0.3"],
            &c,
        )
        .unwrap();
        assert_eq!(e.edits().len(), 4);
        assert_eq!(e.blends().len(), 1);
        assert_eq!(
            e.written(&c),
            ["link:296=off", "g17.or=2x", "r1=0.8", "n12+0.3", "g2~0.3"]
        );
        let odd = Edits::parse(&["link:a=b=off", "r1==0.8", "r2=+0.5"], &c).unwrap();
        assert_eq!(odd.written(&c), ["link:a=b=off", "r1=0.8", "r2+0.5"]);
        for bad in [
            "",
            "r1",
            "r1=",
            "r1=on",
            "r1=NaN",
            "link:7=off",
            "r1~2",
            "=off",
        ] {
            assert!(Edits::parse(&[bad], &c).is_err(), "{bad}");
        }
        assert!(Edits::parse(&["r1=2x", "r1=3x"], &c).is_err());
    }

    #[test]
    fn two_ways_to_the_same_unit_are_refused() {
        let e = Edits::parse(&["g0=2x", "r1=3x"], &catalogue()).unwrap();
        assert!(e.apply(&[(0, 1.0)], &rules).is_err());
        let e = Edits::parse(&["link:296=off"], &catalogue()).unwrap();
        assert!(e.apply(&[(0, 1.0)], &rules).is_err());
    }

    #[test]
    fn blends_keep_the_mass() {
        let e = Edits::parse(&["r7~0.5", "r0=off"], &catalogue()).unwrap();
        let row = e.apply(&[(0, 9.0), (1, 2.0), (2, 4.0)], &rules).unwrap();
        assert_eq!(row, [(0, 0.0), (1, 1.0), (2, 2.0), (7, 3.0)]);
    }

    proptest! {
        #[test]
        fn the_order_of_writing_does_not_matter(order in Just(vec![0usize,1,2,3,4,5]).prop_shuffle()) {
            let all = ["r0=2x", "r0=0.5", "r0+1", "r1=off", "r2=3x", "r2+1"];
            let c = catalogue();
            let row = [(0, 1.0), (1, 1.0), (2, 1.0)];
            let written: Vec<&str> = order.iter().map(|&i| all[i]).collect();
            let out = Edits::parse(&written, &c).unwrap().apply(&row, &rules).unwrap();
            prop_assert_eq!(out, vec![(0, 2.0), (1, 0.0), (2, 4.0)]);
        }
    }
}
