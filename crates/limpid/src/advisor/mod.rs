//! The [`Advisor`]: a saved model that recommends and explains in external ids.

mod explain;
mod last;
mod recommend;
mod similar;
mod slates;
mod why_not;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use limpid_core::{
    Artifact, Catalogue, Edits, Event, Histories, History, ItemIdx, Ledger, Mask, OwnedHistory,
    Recommender, Tensors, UserIdx,
};
use limpid_data::Split;
use limpid_data::split::Recorded;
use limpid_insight::{Steered, Wording};
use limpid_models::Model;

use crate::answers::{AlternativeAnswer, CitedEvent, ItemName, LedgerAnswer, PartAnswer};
use crate::artifact::{self, Manifest};
use crate::probe::DICTIONARY;
use crate::training::checkpoint;
use crate::{Error, Result, System, lookup};

use last::Last;
pub use recommend::Filter;
pub(crate) use recommend::reasons;
pub use similar::SimilarBy;
pub(crate) use words::complete;

/// The seed of the hashes that break ties in lists: the hash of the split, so that all models of a split
/// break them alike.
fn tie_seed(split_hash: &str) -> u64 {
    limpid_core::hash::text(0, split_hash)
}

/// Refuses histories of a model that was imported without any.
pub(crate) fn no_fold_in() -> Error {
    Error::Usage(
        "this model was imported without histories, so it knows users by their states alone: ask for one with \
         --user, or import it again with --histories, from which others are folded in"
            .to_owned(),
    )
}

/// The user or history to recommend for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A user of the data, by external id.
    User {
        /// The id.
        id: String,
        /// Which of their events are used.
        events: Events,
    },
    /// An ad-hoc history: external ids or titles of items.
    Items(Vec<String>),
}

/// The events of a user that are used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Events {
    /// The training events (of held-out users, the fold-in events).
    #[default]
    Train,
    /// Validation and test events too.
    All,
    /// The training events, followed by these items, by external id or title.
    And(Vec<String>),
}

impl Who {
    /// A user with their training events.
    #[must_use]
    pub fn user(id: impl Into<String>) -> Self {
        Self::User {
            id: id.into(),
            events: Events::Train,
        }
    }

    fn name(&self) -> Option<String> {
        match self {
            Self::User { id, .. } => Some(id.clone()),
            Self::Items(_) => None,
        }
    }
}

/// The training or fold-in events of a user, with the held-out ones if `all`; none of a user without a
/// row.
pub(crate) fn user_history(split: &Split, user: UserIdx, all: bool) -> OwnedHistory {
    let Some(rows) = split.user(user) else {
        return OwnedHistory::of_events(Some(user), Vec::new());
    };
    if !all {
        return rows.input.to_owned();
    }
    let held_out = [rows.validation, rows.test].into_iter().flatten();
    let events = std::iter::once(rows.input).chain(held_out);
    OwnedHistory::of_events(Some(user), events.flat_map(|row| row.events()).collect())
}

/// A saved model with its catalogue and, unless saved without users, its histories.
#[derive(Debug)]
pub struct Advisor {
    /// The manifest.
    pub manifest: Manifest,
    /// The model, or a model with a dictionary over it. One that scores differently belongs into a new advisor,
    /// because this one remembers scores.
    pub model: System,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The histories, unless it was saved without users.
    pub split: Option<Split>,
    tie_breaks: Vec<u64>,
    /// The scores of the last question, which the next one about the same history needs again.
    last: Last,
    /// The checkpoint of its fit, kept until the model is saved.
    pub(crate) checkpoint: Option<PathBuf>,
}

impl Advisor {
    /// An advisor of these parts.
    #[must_use]
    pub fn new(
        manifest: Manifest,
        model: impl Into<System>,
        catalogue: Arc<Catalogue>,
        split: Option<Split>,
    ) -> Self {
        let tie_breaks = catalogue.tie_breaks(tie_seed(&manifest.split.hash));
        Self {
            manifest,
            model: model.into(),
            catalogue,
            split,
            tie_breaks,
            last: Last::default(),
            checkpoint: None,
        }
    }

    /// Opens a saved folder.
    ///
    /// # Errors
    /// As [`artifact::open`], and where the parts do not match.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = artifact::open(path)?;
        match folder.manifest.dictionary.clone() {
            Some(record) => Self::open_probed(path, folder, &record),
            None => Self::open_model(path, folder),
        }
    }

    /// Opens the model of a folder.
    pub(crate) fn open_model(path: &Path, folder: artifact::Folder) -> Result<Self> {
        let refuse = |e: limpid_core::Error| Error::artifact(path, e.to_string());
        let catalogue = Arc::new(Catalogue::load(folder.tensors("catalogue")?).map_err(refuse)?);
        let kind = match &folder.manifest.dictionary {
            Some(record) => &record.base.kind,
            None => &folder.manifest.kind,
        };
        let model = Model::load(kind, folder.tensors("model")?).map_err(refuse)?;
        let split = match folder.has("histories") {
            true => {
                let recorded = Recorded {
                    spec: folder.manifest.split.spec.parse()?,
                    hash: folder.manifest.split.hash.clone(),
                    data_hash: folder.manifest.data.hash.clone().unwrap_or_default(),
                };
                let tables = folder.tensors("histories")?;
                Some(Split::load(tables, Arc::clone(&catalogue), recorded)?)
            }
            false => None,
        };
        // One empty row shows whether model and catalogue match.
        let nobody = OwnedHistory::default();
        let row = Histories::from_histories([nobody.view()], catalogue.len())?;
        let scored = model.score(&row).ncols();
        if scored != catalogue.len() {
            return Err(Error::artifact(
                path,
                format!(
                    "the model scores {scored} items, but the catalogue has {}",
                    catalogue.len()
                ),
            ));
        }
        Ok(Self::new(folder.manifest, model, catalogue, split))
    }

    /// Saves the model as a folder; returns the manifest with its checksums. Without users, the folder has
    /// no ids, no histories, nothing that the model holds of single users (see
    /// [`Model::without_users`]), and no metrics that were measured with that.
    ///
    /// # Errors
    /// As [`artifact::write`].
    pub fn save(&self, path: &Path, with_users: bool) -> Result<Manifest> {
        let mut model = Tensors::new();
        let reduced = match with_users {
            true => None,
            false => self.model.without_users(),
        };
        reduced.as_ref().unwrap_or(&self.model).save(&mut model)?;
        let mut catalogue = Tensors::new();
        if with_users {
            self.catalogue.save(&mut catalogue)?;
        } else {
            let anonymous = Catalogue {
                users: limpid_core::Ids::new(),
                ..Catalogue::clone(&self.catalogue)
            };
            anonymous.save(&mut catalogue)?;
        }
        let mut histories = Tensors::new();
        let mut dictionary = Tensors::new();
        let mut files = vec![("model", &model), ("catalogue", &catalogue)];
        if let Some(knobs) = self.model.knobs() {
            knobs.dictionary().save(&mut dictionary)?;
            files.push((DICTIONARY, &dictionary));
        }
        let split = self.split.as_ref().filter(|_| with_users);
        if let Some(split) = split {
            split.save(&mut histories)?;
            files.push(("histories", &histories));
        }
        let mut manifest = Manifest {
            holds_histories: split.is_some(),
            ..self.manifest.clone()
        };
        if reduced.is_some() {
            manifest.metrics.clear();
        }
        if let Some(record) = &mut manifest.dictionary {
            // The folder has its base in it.
            record.base.path = None;
        }
        let manifest = artifact::write(path, manifest, &files)?;
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint::delete(checkpoint)?;
        }
        Ok(manifest)
    }

    /// The hashes that break ties in lists `(items)`.
    #[must_use]
    pub fn tie_breaks(&self) -> &[u64] {
        &self.tie_breaks
    }

    /// The split with the histories of a model that was saved with users.
    ///
    /// # Errors
    /// [`Error::Usage`] if it was saved `--without-users`.
    pub fn split(&self) -> Result<&Split> {
        self.split.as_ref().ok_or_else(|| {
            Error::Usage(
                "this model was saved without users; use --history, or train it again \
                 without --without-users"
                    .to_owned(),
            )
        })
    }

    /// The history of a user, or an ad-hoc history.
    ///
    /// # Errors
    /// [`limpid_core::Error::Unknown`] for a user or an item that does not exist, with suggestions.
    pub fn history(&self, who: &Who) -> Result<OwnedHistory> {
        let one_of_data =
            matches!(who, Who::User { events, .. } if !matches!(events, Events::And(_)));
        if !one_of_data && !self.folds_in() {
            return Err(no_fold_in());
        }
        match who {
            Who::Items(texts) => {
                let items = lookup::items(&self.catalogue, texts)?;
                let mut history = OwnedHistory::default();
                for item in items {
                    history.add(item, self.catalogue.target_behavior);
                }
                Ok(history)
            }
            Who::User { id, events } => {
                let split = self.split()?;
                let user = lookup::user(&self.catalogue, id)?;
                let mut history = user_history(split, user, *events == Events::All);
                if let Events::And(texts) = events {
                    for item in lookup::items(&self.catalogue, texts)? {
                        history.add(item, self.catalogue.target_behavior);
                    }
                }
                Ok(history)
            }
        }
    }

    /// Whether the model answers for any history, and not only for the users whose states were given.
    pub(crate) fn folds_in(&self) -> bool {
        match self.model.model() {
            Model::Imported(model) => model.folds_in(),
            _ => true,
        }
    }

    /// An item with its external id and title.
    #[must_use]
    pub fn item_name(&self, item: ItemIdx) -> ItemName {
        ItemName {
            id: self.catalogue.id(item).to_owned(),
            title: self.catalogue.title(item).to_owned(),
        }
    }

    /// The model with edits applied; without edits it scores like the model itself.
    pub(crate) fn steered(&self, edits: &Edits) -> Result<Steered<'_>> {
        Ok(Steered::new(&self.model, edits, &self.catalogue)?)
    }

    /// The wording of this model's evidence.
    pub(crate) fn wording<'a>(&'a self, model: &'a Steered<'_>) -> Wording<'a> {
        Wording {
            catalogue: &self.catalogue,
            units: &**model.units(),
        }
    }

    /// The items that may not be recommended for a history.
    pub(crate) fn mask(&self, history: History<'_>, filter: &Filter) -> Mask {
        let mut mask = Mask::none(self.catalogue.len());
        if let Some(only) = &filter.only {
            mask.only(only.iter().copied());
        }
        mask.hide(filter.exclude.iter().copied());
        if !filter.include_seen {
            // Where buys are predicted from views, a viewed item may still be recommended.
            let target = self.catalogue.target_behavior;
            let one = self.catalogue.behaviors.len() < 2;
            let had = history.events().filter(|e| one || e.behavior == target);
            mask.hide(had.map(|e| e.item));
        }
        mask
    }

    /// The scores `(I)` of a history.
    pub(crate) fn scores(&self, model: &Steered<'_>, history: History<'_>) -> Result<Arc<[f32]>> {
        self.last
            .scores(model, history, self.catalogue.len(), |rows| {
                model.score(rows)
            })
    }

    fn ledger_answer(&self, ledger: &Ledger, wording: &Wording<'_>) -> LedgerAnswer {
        // Parts that rest on the same events, such as knobs on the whole history, name them once.
        let (mut events, mut named) = (Arc::default(), Arc::default());
        let mut cited = |of: &Arc<[Event]>| -> Arc<[CitedEvent]> {
            if !Arc::ptr_eq(of, &events) {
                events = Arc::clone(of);
                named = of.iter().map(|e| self.cited(e)).collect();
            }
            Arc::clone(&named)
        };
        let parts = ledger.parts.iter().map(|part| {
            let info = wording.units.info(part.unit, &self.catalogue);
            PartAnswer {
                unit: info.id,
                kind: part.unit.space.kind(),
                text: wording.part(part),
                named: info
                    .label
                    .filter(|label| part.unit.item().is_none() && *label != wording.part(part)),
                rule: part.rule.as_ref().map(|r| r.text(&self.catalogue)),
                definition: wording.definition(part),
                alternatives: part
                    .alternatives
                    .iter()
                    .map(|a| AlternativeAnswer {
                        item: self.item_name(a.item),
                        change: a.change,
                    })
                    .collect(),
                cites: cited(&part.cites),
                activation: part.activation,
                effect: part.effect,
                value: part.value,
                edited_by: part.edited_by.clone(),
            }
        });
        LedgerAnswer {
            score: ledger.score,
            base: ledger.base,
            parts: parts.collect(),
            residual: ledger.residual,
            entries_for_80_percent: ledger.entries_for_positive(0.8),
        }
    }

    fn cited(&self, event: &Event) -> CitedEvent {
        let several = self.catalogue.behaviors.len() > 1;
        let behavior = self.catalogue.behaviors.get(usize::from(event.behavior));
        CitedEvent {
            item: self.item_name(event.item),
            behavior: behavior.filter(|_| several).cloned(),
            time: event.time,
        }
    }
}
