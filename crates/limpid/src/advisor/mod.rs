//! The [`Advisor`]: a saved model that answers questions in the user's own ids.

mod explain;
mod recommend;
mod why_not;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use limpid_core::rules::{Operator, Rule};
use limpid_core::{
    Artifact, Catalogue, Edits, Explain, Histories, History, ItemIdx, Ledger, Mask, OwnedHistory,
    Recommender, Tensors, Unit, UserIdx,
};
use limpid_data::Split;
use limpid_data::split::Recorded;
use limpid_insight::Steered;
use limpid_models::{Model, rules::groups};

use crate::answers::{ItemName, LedgerAnswer, PartAnswer};
use crate::artifact::{self, Manifest};
use crate::{Error, Result, lookup};

pub use recommend::{Filter, ListRow};

/// The seed of the hashes that break ties in lists: the split's own hash, so that every model of a
/// split breaks them in the same way.
fn tie_seed(split_hash: &str) -> u64 {
    limpid_core::hash::text(0, split_hash)
}

/// Whose list it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A user of the data, by external id.
    User {
        /// The id.
        id: String,
        /// Which of his events count.
        events: Events,
    },
    /// Anybody, by what he had: external ids or titles.
    Items(Vec<String>),
}

/// Which events of a user count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Events {
    /// Those that the model was trained on (or, for held-out users, folded in).
    #[default]
    Train,
    /// Validation and test events too.
    All,
    /// The training events and these items after them, by external id or title.
    And(Vec<String>),
}

impl Who {
    /// A user with his training events.
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

/// The events of a user that the model was trained on (or folds in), with the held-out ones if
/// wanted; none of a user without a row.
fn user_history(split: &Split, user: UserIdx, all: bool) -> OwnedHistory {
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

/// A saved model with its catalogue and, unless they were left out, its histories.
#[derive(Debug)]
pub struct Advisor {
    /// What made it.
    pub manifest: Manifest,
    /// The model.
    pub model: Model,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The histories, unless it was saved without users.
    pub split: Option<Split>,
    tie_breaks: Vec<u64>,
    /// Names of the groups of items, once somebody asks.
    group_names: OnceLock<Vec<Option<String>>>,
}

impl Advisor {
    /// Puts one together.
    #[must_use]
    pub fn new(
        manifest: Manifest,
        model: Model,
        catalogue: Arc<Catalogue>,
        split: Option<Split>,
    ) -> Self {
        let tie_breaks = catalogue.tie_breaks(tie_seed(&manifest.split.hash));
        Self {
            manifest,
            model,
            catalogue,
            split,
            tie_breaks,
            group_names: OnceLock::new(),
        }
    }

    /// Opens a saved folder.
    ///
    /// # Errors
    /// As [`artifact::open`], and where the parts do not fit each other.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = artifact::open(path)?;
        let refuse = |e: limpid_core::Error| Error::artifact(path, e.to_string());
        let catalogue = Arc::new(Catalogue::load(folder.tensors("catalogue")?).map_err(refuse)?);
        let model = Model::load(&folder.manifest.kind, folder.tensors("model")?).map_err(refuse)?;
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
        // One row with no event is enough to see that model and catalogue belong together.
        let nobody = OwnedHistory::default();
        let row = Histories::from_histories([nobody.view()], catalogue.len())?;
        let scored = model.score(&row).ncols();
        if scored != catalogue.len() {
            return Err(Error::artifact(
                path,
                format!(
                    "the model scores {scored} items, the catalogue has {}",
                    catalogue.len()
                ),
            ));
        }
        Ok(Self::new(folder.manifest, model, catalogue, split))
    }

    /// Saves it as a folder; returns the manifest with its checksums.
    ///
    /// # Errors
    /// As [`artifact::write`].
    pub fn save(&self, path: &Path, with_users: bool) -> Result<Manifest> {
        let mut model = Tensors::new();
        self.model.save(&mut model)?;
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
        let mut files = vec![("model", &model), ("catalogue", &catalogue)];
        let split = self.split.as_ref().filter(|_| with_users);
        if let Some(split) = split {
            split.save(&mut histories)?;
            files.push(("histories", &histories));
        }
        let manifest = Manifest {
            holds_histories: split.is_some(),
            ..self.manifest.clone()
        };
        artifact::write(path, manifest, &files)
    }

    /// The numbers that break ties in lists `(items)`.
    #[must_use]
    pub fn tie_breaks(&self) -> &[u64] {
        &self.tie_breaks
    }

    /// The histories of a model that was saved with them.
    ///
    /// # Errors
    /// [`Error::Usage`] if it was saved `--without-users`.
    pub fn split(&self) -> Result<&Split> {
        self.split.as_ref().ok_or_else(|| {
            Error::Usage(
                "this model was saved without users; ask with --history, or train it again \
                 without --without-users"
                    .to_owned(),
            )
        })
    }

    /// The history of somebody.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a user or an item that does not exist, with suggestions.
    pub fn history(&self, who: &Who) -> Result<OwnedHistory> {
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

    /// An item as people know it.
    #[must_use]
    pub fn item_name(&self, item: ItemIdx) -> ItemName {
        ItemName {
            id: self.catalogue.id(item).to_owned(),
            title: self.catalogue.title(item).to_owned(),
        }
    }

    /// The model with edits applied; without edits it is the model itself.
    fn steered(&self, edits: &Edits) -> Result<Voice<'_>> {
        if edits.is_empty() {
            return Ok(Voice::Plain(&self.model));
        }
        let name = self.model.name();
        Ok(Voice::Steered(Steered::new(
            &self.model,
            name,
            edits.clone(),
            &self.catalogue,
        )?))
    }

    /// What may not be recommended to the owner of a history.
    fn mask(&self, history: History<'_>, filter: &Filter) -> Mask {
        let mut mask = Mask::none(self.catalogue.len());
        if let Some(only) = &filter.only {
            mask.only(only.iter().copied());
        }
        mask.hide(filter.exclude.iter().copied());
        if !filter.include_seen {
            // Where buys are predicted from views, a viewed item may still be recommended.
            let target = self.catalogue.target_behavior;
            let had = history
                .events()
                .filter(|e| history.behaviors.is_none() || e.behavior == target);
            mask.hide(had.map(|e| e.item));
        }
        mask
    }

    fn scores(&self, voice: &Voice<'_>, history: History<'_>) -> Result<Vec<f32>> {
        let row = Histories::from_histories([history], self.catalogue.len())?;
        Ok(voice.recommender().score(&row).into_raw_vec_and_offset().0)
    }

    /// What the items of a group have in common, where a unit is one and they have something.
    pub(crate) fn unit_name(&self, unit: Unit) -> Option<String> {
        let (Unit::Group(group) | Unit::GroupOr(group) | Unit::GroupTwo(group)) = unit else {
            return None;
        };
        let names = self.group_names.get_or_init(|| match &self.model {
            Model::RuleSlim(model) => groups::names(&self.catalogue, model.groups()),
            _ => Vec::new(),
        });
        names.get(group as usize)?.clone()
    }

    fn ledger_answer(&self, ledger: &Ledger, item: ItemIdx) -> LedgerAnswer {
        let parts = ledger
            .parts
            .iter()
            .map(|part| PartAnswer {
                unit: part.unit.text(&self.catalogue),
                named: self.unit_name(part.unit),
                kind: part.kind,
                text: self.part_text(part, item),
                rule: part.rule.as_ref().map(|r| r.text(&self.catalogue)),
                definition: part.rule.as_ref().and_then(|r| self.definition(r)),
                cites: distinct(part.cites.iter().map(|e| e.item))
                    .into_iter()
                    .map(|i| self.item_name(i))
                    .collect(),
                activation: part.activation,
                effect: part.effect,
                value: part.value,
                edited_by: part.edited_by.clone(),
            })
            .collect();
        LedgerAnswer {
            score: ledger.score,
            base: ledger.base,
            parts,
            residual: ledger.residual,
            entries_for_80_percent: ledger.entries_for_positive(0.8),
        }
    }

    /// What a rule says beyond the items that the user has.
    fn definition(&self, rule: &Rule) -> Option<String> {
        match rule.operator {
            Operator::And => {
                let lacking: Vec<&str> = rule
                    .literals
                    .iter()
                    .filter(|l| l.negated)
                    .map(|l| self.catalogue.title(l.item))
                    .collect();
                (!lacking.is_empty()).then(|| format!("and not {}", lacking.join(", not ")))
            }
            Operator::Or | Operator::AtLeast(_) if rule.literals.len() > 1 => {
                Some(rule.text(&self.catalogue))
            }
            _ => None,
        }
    }

    /// How a part reads: the items that the user has are the reason; the rule is its definition.
    fn part_text(&self, part: &limpid_core::Part, item: ItemIdx) -> String {
        if part.kind == limpid_core::PartKind::Popularity {
            let count = self
                .catalogue
                .train_counts
                .get(item.at())
                .copied()
                .unwrap_or(0);
            return format!("{count} of {} users have it", self.catalogue.n_train_users);
        }
        let cited = distinct(part.cites.iter().map(|e| e.item));
        if cited.is_empty() {
            return match (&part.rule, part.unit) {
                (Some(rule), _) => rule.text(&self.catalogue),
                (None, Unit::Link(from)) => self.catalogue.title(from).to_owned(),
                (None, unit) => unit.text(&self.catalogue),
            };
        }
        // A conjunction names what it needs of the user; what else he has of its group changes
        // nothing. NOT parts only tell cases apart: they are the definition, not the reason.
        let needed: Vec<ItemIdx> = match &part.rule {
            Some(rule) if rule.operator == Operator::And => {
                let positive = rule.literals.iter().filter(|l| !l.negated);
                positive.map(|l| l.item).collect()
            }
            _ => cited,
        };
        let titles: Vec<&str> = needed.iter().map(|&i| self.catalogue.title(i)).collect();
        titles.join(" + ")
    }
}

fn distinct(items: impl Iterator<Item = ItemIdx>) -> Vec<ItemIdx> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

/// The model as it is, or as it was edited.
enum Voice<'a> {
    Plain(&'a Model),
    Steered(Steered<'a>),
}

impl Voice<'_> {
    fn recommender(&self) -> &dyn Recommender {
        match self {
            Self::Plain(model) => *model,
            Self::Steered(steered) => steered,
        }
    }

    fn edits(&self) -> String {
        match self {
            Self::Plain(_) => String::new(),
            Self::Steered(steered) => steered.written().to_owned(),
        }
    }

    /// The ledger in the fewest lines, or entry by entry.
    fn ledger(&self, history: History<'_>, item: ItemIdx, raw: bool) -> Result<Ledger> {
        match self {
            Self::Steered(steered) if raw => Ok(steered.explain(history, item)),
            Self::Steered(steered) => Ok(steered.lines(history, item)),
            Self::Plain(model) => {
                if let Some(additive) = model.additive().filter(|_| !raw) {
                    let features = additive.features(history);
                    return Ok(additive.lines(&features, history, item));
                }
                let explainer = model.explainer().ok_or_else(|| {
                    Error::Usage(format!("{} does not explain itself", model.name()))
                })?;
                Ok(explainer.explain(history, item))
            }
        }
    }
}
