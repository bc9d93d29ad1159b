//! The protocol: what the model is shown of each user, what is masked, what is held out.

use limpid_core::{Catalogue, Histories, History, ItemIdx, Mask};
use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Error, ItemGroups, Result, SampledCandidates, Universe, metrics::MetricAt};

/// The items of a user that are masked, for the report. Papers differ in it, and numbers with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaskName {
    /// The input items: those of fold-in events, or the train items on validation.
    Input,
    /// The train items, on test; validation items are not masked and count as negatives.
    Train,
    /// The train and the validation items, on test.
    TrainAndValidation,
}

/// Which held-out items count, where there are several behaviors.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// All of them, as in the literature: items that the user has touched before count too.
    #[default]
    Legacy,
    /// Those that the user has not touched: every item with an event of any behavior in the input is masked,
    /// and users whose held-out items all are masked are skipped.
    Discovery,
}

/// What to evaluate. Row r of `input`, `target` and `mask` is the same user.
///
/// An item is masked if the user has it in `input` or `mask` with the catalogue's target behavior; it is
/// held out (relevant) if the user has it in `target` with the target behavior. So when purchases are
/// predicted from views, a viewed item can still be recommended. Rows of `target` without such an event
/// are skipped and counted.
#[derive(Clone)]
pub struct Protocol<'a> {
    /// What the model is shown of each user.
    pub input: &'a Histories,
    /// The held-out events.
    pub target: &'a Histories,
    /// Events that the model is not shown but whose items are masked.
    pub mask: Option<&'a Histories>,
    /// Which items `input` and `mask` together are, for the report.
    pub mask_name: MaskName,
    /// The items, with their training counts and metadata.
    pub catalogue: &'a Catalogue,
    /// Which held-out items count.
    pub regime: Regime,
    /// The metrics.
    pub metrics: Vec<MetricAt>,
    /// Whether to also compute means by activity of users and by popularity of held-out items.
    pub breakdowns: bool,
    /// Groups of held-out items to compute means by.
    pub groups: Vec<ItemGroups>,
    /// Whether to compute means by how few events users and held-out items have.
    pub cold_start: bool,
    /// Length of the lists whose popularity bias is measured.
    pub popularity_bias: Option<usize>,
    /// The items over which coverage and the Gini index are taken.
    pub universe: Universe,
    /// SampledCandidates of each user, if not all items.
    pub candidates: Option<SampledCandidates>,
    /// Settings of the intervals.
    pub bootstrap: Bootstrap,
}

impl<'a> Protocol<'a> {
    /// A protocol that masks the input alone, with breakdowns and default intervals.
    #[must_use]
    pub fn new(
        input: &'a Histories,
        target: &'a Histories,
        catalogue: &'a Catalogue,
        metrics: Vec<MetricAt>,
    ) -> Self {
        Self {
            input,
            target,
            mask: None,
            mask_name: MaskName::Input,
            catalogue,
            regime: Regime::Legacy,
            metrics,
            breakdowns: true,
            groups: Vec::new(),
            cold_start: false,
            popularity_bias: None,
            universe: Universe::default(),
            candidates: None,
            bootstrap: Bootstrap::default(),
        }
    }

    /// Refuses what cannot be evaluated.
    pub(crate) fn check(&self) -> Result<()> {
        if self.metrics.is_empty() {
            return Err(Error::NoMetric);
        }
        self.bootstrap.check()?;
        self.check_tables()
    }

    /// Refuses tables that do not match.
    pub(crate) fn check_tables(&self) -> Result<()> {
        same_rows("target", self.input, self.target)?;
        if let Some(mask) = self.mask {
            same_rows("mask", self.input, mask)?;
        }
        let expected = self.catalogue.len();
        let tables = [
            ("input", self.input.n_items()),
            ("target", self.target.n_items()),
            (
                "table of training counts",
                self.catalogue.train_counts.len(),
            ),
        ];
        let mask = self.mask.map(|mask| ("mask", mask.n_items()));
        let fields = self.catalogue.fields.iter();
        let fields = fields.map(|field| ("metadata field", field.of_items.n_rows()));
        let groups = self.groups.iter();
        let groups = groups.map(|groups| ("table of item groups", groups.of_items.len()));
        for (what, found) in tables.into_iter().chain(mask).chain(fields).chain(groups) {
            if found != expected {
                return Err(Error::Items {
                    what,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }

    /// What is masked, as reports say it.
    #[must_use]
    pub fn masks(&self) -> String {
        let what = match self.mask_name {
            MaskName::Input => "masked: input items",
            MaskName::Train => {
                "masked: train items; validation items are not masked (count as negatives)"
            }
            MaskName::TrainAndValidation => "masked: train and validation items",
        };
        let behavior = self
            .catalogue
            .behaviors
            .get(usize::from(self.catalogue.target_behavior))
            .filter(|_| self.input.behaviors().is_some());
        match (behavior, self.regime) {
            (_, Regime::Discovery) => {
                format!("{what}, and every item with an event of any behavior (discovery)")
            }
            (Some(name), _) => format!("{what}; only events of behavior '{name}' count"),
            (None, _) => what.to_owned(),
        }
    }

    /// Masks what must not be recommended to the user of a row.
    pub fn hide(&self, mask: &mut Mask, row: usize) {
        hide(mask, self.input, self.mask, self.catalogue, row);
        if self.regime == Regime::Discovery {
            mask.hide(self.touched(row));
        }
    }

    /// The items with an event of any behavior in a row of `input` and `mask`.
    fn touched(&self, row: usize) -> impl Iterator<Item = ItemIdx> {
        let rows = [Some(self.input), self.mask].into_iter().flatten();
        rows.flat_map(move |histories| histories.row(row).items.iter().copied())
    }

    /// Whether the user of a row has held-out items.
    pub(crate) fn has_truth(&self, row: usize) -> bool {
        let mut items = having(self.target.row(row), self.catalogue);
        match self.regime {
            Regime::Legacy => items.next().is_some(),
            Regime::Discovery => items.any(|item| !self.touched(row).any(|i| i == item)),
        }
    }

    /// The held-out items of the user of a row: each once, as a set and as a list.
    pub(crate) fn truth(&self, row: usize, wanted: &mut Mask, items: &mut Vec<ItemIdx>) {
        wanted.clear();
        items.clear();
        let discovery = self.regime == Regime::Discovery;
        for item in having(self.target.row(row), self.catalogue) {
            if discovery && self.touched(row).any(|i| i == item) {
                continue;
            }
            if !wanted.hides(item) {
                wanted.hide([item]);
                items.push(item);
            }
        }
    }

    /// The held-out items of the user of a row, ascending, each once.
    #[must_use]
    pub fn held_out(&self, row: usize) -> Vec<ItemIdx> {
        let mut items: Vec<ItemIdx> = having(self.target.row(row), self.catalogue).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    /// The items of a row of the input that count as the user's taste: those of the target behavior.
    pub(crate) fn history(&self, row: usize) -> Vec<ItemIdx> {
        having(self.input.row(row), self.catalogue).collect()
    }

    /// The key by which results are joined: the external user id, or `#row` if unknown.
    pub(crate) fn key(&self, row: usize) -> String {
        let user = self.input.users()[row].or(self.target.users()[row]);
        match user.map(|u| self.catalogue.users.name(u.0)) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("#{row}"),
        }
    }
}

/// Clears the mask and hides the items of the user in `input` and `more`.
pub(crate) fn hide(
    mask: &mut Mask,
    input: &Histories,
    more: Option<&Histories>,
    catalogue: &Catalogue,
    row: usize,
) {
    mask.clear();
    mask.hide(having(input.row(row), catalogue));
    if let Some(more) = more {
        mask.hide(having(more.row(row), catalogue));
    }
}

/// The items of the events of the target behavior; of all events if there is only one behavior.
fn having<'a>(row: History<'a>, catalogue: &Catalogue) -> impl Iterator<Item = ItemIdx> + 'a {
    let target = catalogue.target_behavior;
    row.items
        .iter()
        .enumerate()
        .filter(move |(at, _)| row.behaviors.is_none_or(|b| b[*at] == target))
        .map(|(_, &item)| item)
}

/// Refuses tables in which the same row is of different users.
pub(crate) fn same_rows(what: &'static str, input: &Histories, other: &Histories) -> Result<()> {
    if input.len() != other.len() {
        return Err(Error::Rows {
            what,
            expected: input.len(),
            found: other.len(),
        });
    }
    for (row, users) in input.users().iter().zip(other.users()).enumerate() {
        if let (Some(expected), Some(found)) = users
            && expected != found
        {
            return Err(Error::Users {
                what,
                row,
                expected: expected.0,
                found: found.0,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::catalogue;
    use limpid_core::{Csr, Field, Ids, UserIdx, histories::HistoryArrays};

    fn rows(items: &[Vec<u32>]) -> Histories {
        Histories::from_rows(items, 4).unwrap()
    }

    #[test]
    fn tables_must_match() {
        let c = catalogue(4);
        let metrics = vec!["ndcg@2".parse().unwrap()];
        let (input, target) = (rows(&[vec![0], vec![1]]), rows(&[vec![2], vec![3]]));
        let good = Protocol::new(&input, &target, &c, metrics);
        assert!(good.check().is_ok());
        let short = rows(&[vec![2]]);
        let found = Protocol {
            target: &short,
            ..good.clone()
        };
        let message = found.check().unwrap_err().to_string();
        assert!(message.contains("the target has 1 rows"), "{message}");
        let swapped = Histories::new(HistoryArrays {
            offsets: vec![0, 0, 0],
            users: vec![Some(UserIdx(1)), Some(UserIdx(0))],
            n_items: 4,
            ..HistoryArrays::default()
        })
        .unwrap();
        let found = Protocol {
            mask: Some(&swapped),
            ..good.clone()
        };
        assert!(matches!(
            found.check(),
            Err(Error::Users { what: "mask", .. })
        ));
        let none = Protocol {
            metrics: vec![],
            ..good.clone()
        };
        assert!(matches!(none.check(), Err(Error::NoMetric)));
        let other = catalogue(5);
        let found = Protocol {
            catalogue: &other,
            ..good.clone()
        };
        assert!(matches!(found.check(), Err(Error::Items { .. })));
        let mut short = catalogue(4);
        short.train_counts.pop();
        let found = Protocol {
            catalogue: &short,
            ..good.clone()
        };
        let message = found.check().unwrap_err().to_string();
        assert!(
            message.contains("table of training counts has 3 items"),
            "{message}"
        );
        let mut short = catalogue(4);
        short.fields.push(Field {
            name: "genre".into(),
            values: Ids::from_names(vec!["drama".into()]).unwrap(),
            of_items: Csr::from_rows(vec![vec![(0, 1.0)]; 3], 1).unwrap(),
        });
        let found = Protocol {
            catalogue: &short,
            ..good
        };
        let message = found.check().unwrap_err().to_string();
        assert!(message.contains("has 3 items"), "{message}");
    }

    #[test]
    fn only_the_target_behavior_is_masked_and_found() {
        let two = |items: Vec<u32>, behaviors: Vec<u8>| {
            Histories::new(HistoryArrays {
                offsets: vec![0, items.len()],
                items: items.into_iter().map(ItemIdx).collect(),
                behaviors: Some(behaviors),
                users: vec![Some(UserIdx(0))],
                n_items: 4,
                ..HistoryArrays::default()
            })
            .unwrap()
        };
        let mut c = catalogue(4);
        c.behaviors = vec!["view".into(), "buy".into()];
        c.target_behavior = 1;
        c.users = Ids::from_names(vec!["ann".into()]).unwrap();
        let (input, target) = (
            two(vec![0, 1], vec![0, 1]),
            two(vec![3, 2, 3], vec![1, 0, 1]),
        );
        let p = Protocol::new(&input, &target, &c, vec![]);
        let mut mask = Mask::none(4);
        p.hide(&mut mask, 0);
        assert!(mask.hides(ItemIdx(1)) && !mask.hides(ItemIdx(0)));
        let mut truth = Vec::new();
        p.truth(0, &mut mask, &mut truth);
        assert_eq!(truth, [ItemIdx(3)]);
        assert!(mask.hides(ItemIdx(3)) && !mask.hides(ItemIdx(1)));
        let discovery = Protocol {
            regime: Regime::Discovery,
            ..p.clone()
        };
        discovery.hide(&mut mask, 0);
        assert!(mask.hides(ItemIdx(0)) && !mask.hides(ItemIdx(3)));
        let viewed = two(vec![3], vec![0]);
        let touched = Protocol {
            input: &viewed,
            ..discovery
        };
        assert!(!touched.has_truth(0), "the only held-out item was viewed");
        touched.truth(0, &mut mask, &mut truth);
        assert!(truth.is_empty());
        p.truth(0, &mut mask, &mut truth);
        assert_eq!(p.key(0), "ann");
        assert!(p.masks().contains("'buy'"));
        let plain = rows(&[vec![0]]);
        let p = Protocol {
            input: &plain,
            mask_name: MaskName::Train,
            ..p
        };
        assert_eq!(
            p.masks(),
            "masked: train items; validation items are not masked (count as negatives)"
        );
    }
}
