//! The protocol: who is measured on what, and what may not be recommended to them.

use limpid_core::{Catalogue, Histories, History, ItemIdx, Mask};
use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Error, Result, metrics::MetricAt};

/// What the masks are called, since papers differ in it and numbers differ with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskName {
    /// The items of the input, on rows that are no part of a three-way split (fold-in, or the
    /// validation part itself).
    Input,
    /// The training items; what a user has in the validation part may be recommended, and is a miss.
    Train,
    /// The training and the validation items.
    TrainAndValidation,
}

/// What to measure. Row r of `input`, `target` and `mask` is the same user.
///
/// An item is masked if the user has it in `input` or `mask` with the catalogue's target behavior;
/// it is to be found if the user has it in `target` with the target behavior. So where buys are
/// predicted from views, a viewed item can still be recommended. Rows of `target` without such an
/// event are skipped and counted.
#[derive(Clone)]
pub struct Protocol<'a> {
    /// What the model sees of each user.
    pub input: &'a Histories,
    /// What is to be found.
    pub target: &'a Histories,
    /// Events that the model does not see, but whose items are masked (validation, at the test).
    pub mask: Option<&'a Histories>,
    /// What the masks are called.
    pub mask_name: MaskName,
    /// The items, with their training counts and metadata.
    pub catalogue: &'a Catalogue,
    /// What is measured.
    pub metrics: Vec<MetricAt>,
    /// Whether the means are also given by the activity of users and by the popularity of what is to
    /// be found.
    pub breakdowns: bool,
    /// How intervals are made.
    pub bootstrap: Bootstrap,
}

impl<'a> Protocol<'a> {
    /// A protocol that masks the input alone, with breakdowns and the default intervals.
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
            metrics,
            breakdowns: true,
            bootstrap: Bootstrap::default(),
        }
    }

    /// Refuses what cannot be measured.
    pub(crate) fn check(&self) -> Result<()> {
        if self.metrics.is_empty() {
            return Err(Error::NoMetric);
        }
        self.bootstrap.check()?;
        self.check_tables()
    }

    /// Refuses tables that do not belong together.
    pub(crate) fn check_tables(&self) -> Result<()> {
        same_rows("target", self.input, self.target)?;
        if let Some(mask) = self.mask {
            same_rows("mask", self.input, mask)?;
        }
        let expected = self.catalogue.len();
        for (what, histories) in [("input", self.input), ("target", self.target)]
            .into_iter()
            .chain(self.mask.map(|m| ("mask", m)))
        {
            if histories.n_items() != expected {
                return Err(Error::Items {
                    what,
                    expected,
                    found: histories.n_items(),
                });
            }
        }
        Ok(())
    }

    /// What is masked, in words.
    #[must_use]
    pub fn masks_in_words(&self) -> String {
        let what = match self.mask_name {
            MaskName::Input => "masked: items of the input",
            MaskName::Train => "masked: train items; validation items stay in as distractors",
            MaskName::TrainAndValidation => "masked: train and validation items",
        };
        let behavior = self
            .catalogue
            .behaviors
            .get(usize::from(self.catalogue.target_behavior))
            .filter(|_| self.input.behaviors().is_some());
        match behavior {
            Some(name) => format!("{what}; only events of the behavior '{name}' count as having"),
            None => what.to_owned(),
        }
    }

    /// Masks what the user of a row may not be recommended.
    pub(crate) fn hide(&self, mask: &mut Mask, row: usize) {
        hide(mask, self.input, self.mask, self.catalogue, row);
    }

    /// Whether the user of a row has something to be found.
    pub(crate) fn has_truth(&self, row: usize) -> bool {
        having(self.target.row(row), self.catalogue)
            .next()
            .is_some()
    }

    /// What is to be found for the user of a row: each item once, as a set and as a list.
    pub(crate) fn truth(&self, row: usize, wanted: &mut Mask, items: &mut Vec<ItemIdx>) {
        wanted.clear();
        items.clear();
        for item in having(self.target.row(row), self.catalogue) {
            if !wanted.hides(item) {
                wanted.hide([item]);
                items.push(item);
            }
        }
    }

    /// The name under which results are joined: the external user id, or `#row` where unknown.
    pub(crate) fn key(&self, row: usize) -> String {
        let user = self.input.users()[row].or(self.target.users()[row]);
        match user.map(|u| self.catalogue.users.name(u.0)) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("#{row}"),
        }
    }
}

/// Clears the mask and hides what the user has in `input` or `more`.
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

/// The items of the events of the target behavior; of all events where there is one behavior only.
fn having<'a>(row: History<'a>, catalogue: &Catalogue) -> impl Iterator<Item = ItemIdx> + 'a {
    let target = catalogue.target_behavior;
    row.items
        .iter()
        .enumerate()
        .filter(move |(at, _)| row.behaviors.is_none_or(|b| b[*at] == target))
        .map(|(_, &item)| item)
}

/// Refuses rows of different users under the same number.
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
    use limpid_core::{Ids, UserIdx, histories::HistoryArrays};

    fn rows(items: &[Vec<u32>]) -> Histories {
        Histories::from_rows(items, 4).unwrap()
    }

    #[test]
    fn tables_must_belong_together() {
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
            ..good
        };
        assert!(matches!(found.check(), Err(Error::Items { .. })));
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
        assert_eq!(p.key(0), "ann");
        assert!(p.masks_in_words().contains("'buy'"));
        let plain = rows(&[vec![0]]);
        let p = Protocol {
            input: &plain,
            mask_name: MaskName::Train,
            ..p
        };
        assert_eq!(
            p.masks_in_words(),
            "masked: train items; validation items stay in as distractors"
        );
    }
}
