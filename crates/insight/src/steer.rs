//! Steering: an edit of units gives a new recommender.
//!
//! [`Steered`] wraps a model and is itself a [`Recommender`]: it scores the edited activations of the
//! model's units. Units and conflicts are resolved once, at construction. A history without edited units
//! keeps its activations and its scores, bit for bit; and every part of a ledger names the edit that
//! changed it.

use std::collections::BTreeMap;

use limpid_core::{
    Catalogue, Csr, Detail, Edit, Edits, Error, Histories, History, ItemIdx, Ledger, Mat, Op, Part,
    Recommender, Result, Unit, Units, UnitsOf,
};

/// A model with edits applied.
pub struct Steered<'a> {
    model: &'a dyn Recommender,
    units: UnitsOf<'a>,
    edits: Vec<Resolved>,
    /// Operations by unit index, in their fixed order, with the edit of each.
    by_index: BTreeMap<u32, Vec<(Op, usize)>>,
}

/// The activations of one history, before and after the edits.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    before: Vec<(u32, f32)>,
    /// `None` where the edits change nothing.
    edited: Option<Vec<(u32, f32)>>,
}

impl Row {
    fn after(&self) -> &[(u32, f32)] {
        self.edited.as_deref().unwrap_or(&self.before)
    }
}

/// An edit with its resolved unit.
struct Resolved {
    edit: Edit,
    unit: Unit,
    members: Vec<u32>,
}

impl<'a> Steered<'a> {
    /// Applies edits to a model.
    ///
    /// # Errors
    /// [`Error::NoSuchUnit`] or [`Error::Unknown`] for a unit that the model does not have,
    /// [`Error::Edit`] if two edits change a unit in the same way, or the model's units do not support
    /// an operation.
    pub fn new(model: &'a dyn Recommender, edits: &Edits, catalogue: &Catalogue) -> Result<Self> {
        let units = UnitsOf::model(model, catalogue);
        let resolved = edits.all().iter().map(|edit| {
            let unit = resolve(&units, edit.unit(), catalogue)?;
            // Printed edits name units by their ids, which can be parsed.
            let edit = edit.on(units.info(unit, catalogue).id);
            if !units.graded() {
                check_present_or_absent(&edit)?;
            }
            let members = units.members(unit).into_iter().map(|k| k as u32).collect();
            Ok(Resolved {
                edit,
                unit,
                members,
            })
        });
        let edits: Vec<Resolved> = resolved.collect::<Result<_>>()?;
        let mut by_index: BTreeMap<u32, Vec<(Op, usize)>> = BTreeMap::new();
        for (at, resolved) in edits.iter().enumerate() {
            let Edit::Op { op, .. } = resolved.edit else {
                continue;
            };
            for &index in &resolved.members {
                let ops = by_index.entry(index).or_default();
                if let Some((_, other)) = ops.iter().find(|(o, _)| o.order() == op.order()) {
                    return Err(Error::Edit(format!(
                        "'{}' and '{}' change the same unit in the same way; keep one of them",
                        edits[*other].edit, resolved.edit
                    )));
                }
                ops.push((op, at));
            }
        }
        for ops in by_index.values_mut() {
            ops.sort_by_key(|(op, _)| op.order());
        }
        Ok(Self {
            model,
            units,
            edits,
            by_index,
        })
    }

    /// The units that the edits change.
    #[must_use]
    pub fn units(&self) -> &UnitsOf<'a> {
        &self.units
    }

    /// The edits with the ids of their units, as [`Edits::parse`] reads them.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        self.edits.iter().map(|e| e.edit.to_string()).collect()
    }

    /// The activations of one history, before and after the edits, for its ledgers.
    #[must_use]
    pub fn row(&self, user: History<'_>) -> Row {
        self.edited_row(self.units.activations(user))
    }

    /// The rows of several histories.
    #[must_use]
    pub fn rows(&self, users: &Histories) -> Vec<Row> {
        let activations = self.units.activate(users);
        let rows = (0..users.len()).map(|u| {
            let (columns, values) = activations.row(u);
            columns
                .iter()
                .copied()
                .zip(values.iter().copied())
                .collect()
        });
        rows.map(|row| self.edited_row(row)).collect()
    }

    fn edited_row(&self, before: Vec<(u32, f32)>) -> Row {
        let edited = (!self.edits.is_empty()).then(|| self.apply(&before));
        let edited = edited.filter(|after| *after != before);
        Row { before, edited }
    }

    /// Scores `(U, I)` of histories whose [rows](Self::rows) are known, as [`Recommender::score`] gives
    /// them.
    #[must_use]
    pub fn score_rows(&self, users: &Histories, rows: &[Row]) -> Mat {
        let after = rows.iter().map(|row| row.after().to_vec());
        // Indices are the units' own, and the numbers of edits are bounded when they are read.
        let after = Csr::from_rows(after, self.units.len())
            .unwrap_or_else(|_| unreachable!("edited activations are a valid matrix"));
        self.units.score_activations(users, &after)
    }

    /// The row after the edits, including zeros set by edits.
    fn apply(&self, row: &[(u32, f32)]) -> Vec<(u32, f32)> {
        let mut out: BTreeMap<u32, f32> = row.iter().copied().collect();
        for (&index, ops) in &self.by_index {
            let before = out.get(&index).copied().unwrap_or(0.0);
            let after = ops.iter().fold(before, |a, (op, _)| op.apply(a));
            if after != before {
                out.insert(index, after);
            }
        }
        for resolved in &self.edits {
            let Edit::Blend { alpha, .. } = resolved.edit else {
                continue;
            };
            let mass: f32 = out.values().sum();
            out.values_mut().for_each(|v| *v *= 1.0 - alpha);
            let share = alpha * mass / resolved.members.len().max(1) as f32;
            for &index in &resolved.members {
                *out.entry(index).or_insert(0.0) += share;
            }
        }
        out.into_iter().collect()
    }

    /// The ledger of an item with the edits that changed each part; `row` is the [row](Self::row) of
    /// the user. A muted part remains, with value 0.
    #[must_use]
    pub fn ledger(&self, user: History<'_>, row: &Row, item: ItemIdx, detail: Detail) -> Ledger {
        let (before, after) = (&row.before, row.after());
        let mut ledger = self.edited_ledger(user, row, item, detail);
        if row.edited.is_none() {
            return ledger;
        }
        for part in &mut ledger.parts {
            part.edited_by = self.edited_by(part.unit, before, after);
        }
        let unedited = self.units.ledger(user, before, item, Detail::Raw);
        let shown: Vec<u32> = self.members_of(ledger.parts.iter().map(|p| p.unit));
        for part in unedited.parts {
            let Some(edit) = self.edited_by(part.unit, before, after) else {
                continue;
            };
            let members = self.members_of([part.unit]);
            if members.iter().any(|m| shown.contains(m)) {
                continue;
            }
            let activation = match members.as_slice() {
                [one] => at(after, *one),
                _ => 0.0,
            };
            ledger.parts.push(Part {
                activation,
                effect: 0.0,
                value: 0.0,
                edited_by: Some(edit),
                ..part
            });
        }
        ledger
    }

    /// The ledger of an item after the edits: not which of them changed a part, and nothing of the parts that they mute.
    #[must_use]
    pub fn edited_ledger(
        &self,
        user: History<'_>,
        row: &Row,
        item: ItemIdx,
        detail: Detail,
    ) -> Ledger {
        let mut ledger = self.units.ledger(user, row.after(), item, detail);
        if row.edited.is_some() {
            // They are computed for the units of the history, not for edited ones.
            ledger.parts.iter_mut().for_each(|p| p.alternatives.clear());
        }
        ledger
    }

    /// The parts that support an item most, at most `n`, where they are known without the rest of the
    /// [ledger](Self::ledger) and no edit changes the row.
    #[must_use]
    pub fn strongest(
        &self,
        user: History<'_>,
        row: &Row,
        item: ItemIdx,
        n: usize,
    ) -> Option<Vec<Part>> {
        match row.edited {
            None => self.units.strongest(user, &row.before, item, n),
            Some(_) => None,
        }
    }

    fn members_of(&self, units: impl IntoIterator<Item = Unit>) -> Vec<u32> {
        let members = units.into_iter().flat_map(|u| self.units.members(u));
        members.map(|k| k as u32).collect()
    }

    /// The edits that changed the activation of a unit, as written; `None` if none did.
    fn edited_by(&self, unit: Unit, before: &[(u32, f32)], after: &[(u32, f32)]) -> Option<String> {
        let members = self.members_of([unit]);
        let changed = |k: &u32| at(before, *k) != at(after, *k);
        let changed: Vec<u32> = members.into_iter().filter(changed).collect();
        let touches = |resolved: &&Resolved| match resolved.edit {
            // A blend changes every activation of the row.
            Edit::Blend { .. } => !changed.is_empty(),
            Edit::Op { .. } => {
                resolved.unit == unit && !changed.is_empty()
                    || resolved.members.iter().any(|m| changed.contains(m))
            }
        };
        let written: Vec<String> = self
            .edits
            .iter()
            .filter(touches)
            .map(|e| e.edit.to_string())
            .collect();
        (!written.is_empty()).then(|| written.join(", "))
    }
}

/// The unit of a text; an error suggests the event that the text may mean.
fn resolve(units: &UnitsOf<'_>, text: &str, catalogue: &Catalogue) -> Result<Unit> {
    let missing = match units.resolve(text, catalogue) {
        Err(Error::NoSuchUnit { unit, hint }) => (unit, hint),
        other => return other,
    };
    let (unit, hint) = missing;
    // An item without "link:", or with a misspelled one.
    let item = text.split_once(':').map_or(text, |(_, item)| item);
    let event = format!("link:{item}");
    let hint = match units.resolve(&event, catalogue) {
        Ok(_) => format!("did you mean '{event}'? {hint}"),
        Err(_) => hint,
    };
    Err(Error::NoSuchUnit { unit, hint })
}

/// The activation of a unit in a sparse row.
fn at(row: &[(u32, f32)], index: u32) -> f32 {
    row.binary_search_by_key(&index, |e| e.0)
        .map_or(0.0, |at| row[at].1)
}

/// Refuses an edit with an activation other than 0 or 1.
fn check_present_or_absent(edit: &Edit) -> Result<()> {
    match edit {
        Edit::Op {
            op: Op::Mute | Op::Set(0.0 | 1.0),
            ..
        } => Ok(()),
        other => Err(Error::Edit(format!(
            "cannot apply '{other}': the events of this model's history are either present or absent; \
             remove one with '{0}=off', add one with '{0}=1'",
            other.unit()
        ))),
    }
}

impl Recommender for Steered<'_> {
    fn score(&self, users: &Histories) -> Mat {
        if self.edits.is_empty() {
            return self.model.score(users);
        }
        self.score_rows(users, &self.rows(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger(user, &self.row(user), item, Detail::Raw)
    }

    /// The units of the model, if there are no edits; edited activations are not theirs.
    fn units(&self) -> Option<&dyn Units> {
        self.model.units().filter(|_| self.edits.is_empty())
    }
}
