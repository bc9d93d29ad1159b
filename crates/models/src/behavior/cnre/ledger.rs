//! Units and ledgers: events, patterns with their paths, and retrieved neighbors.
//!
//! `link:296@view` is an event; the sum of their lines is the collaborative term. `pattern:view+cart` is what the
//! path of such pairs makes of them instead of that of the empty chain, without what is retrieved.
//! `neighbor:296` is the item as it is retrieved for the user's open pairs: muted, it stands for nothing there.

use limpid_core::attribution::mean_gradient;
use limpid_core::{
    Activations, Catalogue, Csr, Detail, Error, Histories, History, ItemIdx, Ledger, Mat,
    OwnedHistory, Part, Recommender, Result, Space, Unit, UnitInfo,
};

use super::dispatch::Route;
use super::model::{Model, Retrieved};
use crate::behavior::chains::Behaviors;
use crate::behavior::units::{ChainUnits, Edited, is_muted};

/// The prefix of the id of a retrieved item.
const NEIGHBOR: &str = "neighbor:";

/// Steps of a path integral.
const STEPS: usize = 64;

/// The units: those of chains, then the items as neighbors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    chains: ChainUnits,
    behaviors: Behaviors,
    n_items: usize,
}

/// A history after edits of its units.
struct EditedRow {
    chains: Edited,
    neighbors: Vec<u32>,
}

impl Units {
    pub(super) fn new(behaviors: Behaviors, n_items: usize) -> Self {
        Self {
            chains: ChainUnits::new(behaviors, n_items, false),
            behaviors,
            n_items,
        }
    }

    /// The unit of a retrieved item: after the patterns in their space.
    fn neighbor(&self, item: u32) -> Unit {
        let index = self.behaviors.n_patterns() as u32 + item;
        Unit::new(Space::Pattern, index)
    }

    /// The item of a unit of a retrieved one.
    fn retrieved(&self, unit: Unit) -> Option<u32> {
        let item = unit.index.checked_sub(self.behaviors.n_patterns() as u32);
        item.filter(|&item| unit.space == Space::Pattern && (item as usize) < self.n_items)
    }
}

impl Model {
    /// The items that are retrieved for an item, whatever its chain.
    fn all_neighbors(&self, item: u32) -> impl Iterator<Item = u32> + '_ {
        let of = self.neighbors.iter().flatten().flatten();
        of.flat_map(move |neighbors| neighbors.row(item).map(|(other, _)| other))
    }

    /// The active units of a history: events, patterns, and what may be retrieved for its open pairs.
    fn active(&self, user: History<'_>) -> Vec<(u32, f32)> {
        let mut active = self.units.chains.active(user);
        let first = self.units.chains.len() as u32;
        let items = self.retrieved_for(user).into_iter();
        active.extend(items.map(|item| (first + item, 1.0)));
        active
    }

    /// The items that may be retrieved for the open pairs of a history.
    fn retrieved_for(&self, user: History<'_>) -> Vec<u32> {
        let chain = self.behaviors.chain(user, self.n_items());
        let open = chain.iter().filter(|e| self.behaviors.open(e.1).is_some());
        let mut items: Vec<u32> = open.flat_map(|e| self.all_neighbors(e.0)).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    fn edited(&self, user: History<'_>, activations: &[(u32, f32)]) -> EditedRow {
        let first = self.units.chains.len() as u32;
        let split = activations.partition_point(|a| a.0 < first);
        let (of_chains, of_neighbors) = activations.split_at(split);
        let neighbors = self.retrieved_for(user).into_iter();
        EditedRow {
            chains: self.units.chains.edited(user, of_chains),
            neighbors: neighbors
                .filter(|item| is_muted(of_neighbors, first + item))
                .collect(),
        }
    }

    /// The gradient of the score of an untouched item in the target's vector of the user `(d)`.
    fn untouched_gradient(&self, target: &[f32], item: usize) -> Vec<f32> {
        let d = self.config.embedding_size;
        let route = self.untouched_route();
        let Some(network) = self.network(route) else {
            return self.target_vector(item).to_vec();
        };
        // Untouched items read no vector of another behavior.
        let mut vectors = vec![0f32; self.behaviors.len() * d];
        let last = vectors.len() - d;
        vectors[last..].copy_from_slice(target);
        let gradient = network.gradient(&self.inputs(route, Some(&vectors), item, Retrieved::All));
        let mut of_user = gradient[..d].to_vec();
        if matches!(route, Route::Operator { .. }) && self.config.target_inputs {
            let again = of_user.iter_mut().zip(&gradient[3 * d..4 * d]);
            again.for_each(|(g, more)| *g += more);
        }
        of_user
    }

    fn target_vector(&self, item: usize) -> &[f32] {
        let d = self.config.embedding_size;
        &self.tables.out[self.behaviors.len() - 1][item * d..][..d]
    }

    /// The ledger of an item, with the patterns (as bits) and the retrieved items that are muted.
    fn ledger_of(&self, user: History<'_>, muted: u32, neighbors: &[u32], item: ItemIdx) -> Ledger {
        if item.at() >= self.n_items() {
            return Ledger::default();
        }
        let i = item.at();
        let chain = self.behaviors.chain(user, self.n_items());
        let vectors = self.vectors(user, &chain);
        let (folded, empty) = (self.fold(&chain), self.fold(&[]));
        let base = self.untouched_score(&empty.out, item);
        let along = mean_gradient(
            self.target_of(&empty.out),
            self.target_of(&folded.out),
            STEPS,
            |at| self.untouched_gradient(at, i),
        );
        let (config, behaviors) = (&self.config, self.behaviors);
        let mut lines = self
            .tables
            .shares(config, behaviors, &chain, &folded, &along);
        let mut parts = Vec::new();
        let set = chain
            .binary_search_by_key(&item.0, |e| e.0)
            .map_or(0, |at| chain[at].1);
        let untouched = self.untouched_score(&vectors, item);
        let mut score = untouched;
        if let Some(of) = self.touched(set, muted) {
            let route = self.route(&vectors, i, of);
            score = self.score_by(route, &vectors, i, Retrieved::Without(neighbors));
            let own = || user.events_of(item).collect();
            let mut by_path = score;
            if let Some((retrieved, table)) = self.neighbors_of(route) {
                let d = config.embedding_size;
                let none = vec![0f32; d];
                by_path = self.score_by(route, &vectors, i, Retrieved::Given(&none));
                let left: Vec<(u32, f32)> = retrieved
                    .row(item.0)
                    .filter(|(other, _)| !neighbors.contains(other))
                    .collect();
                let all = self.inputs(route, Some(&vectors), i, Retrieved::Without(neighbors));
                let network = self.network(route);
                let slope = mean_gradient(&none, &all[2 * d..3 * d], STEPS, |at| {
                    let x = self.inputs(route, Some(&vectors), i, Retrieved::Given(at));
                    network.map_or_else(Vec::new, |n| n.gradient(&x)[2 * d..3 * d].to_vec())
                });
                for (other, weight) in left {
                    let row = &table[other as usize * d..][..d];
                    let effect: f64 = row.iter().zip(&slope).map(|(&x, g)| f64::from(x) * g).sum();
                    let value = (f64::from(weight) * effect) as f32;
                    parts.push(Part::new(self.units.neighbor(other), 1.0, value, own()));
                }
            }
            let value = f64::from(by_path) - f64::from(untouched);
            match of.bought {
                // A purchase has no pattern; what it changes is the event's own.
                true => lines.push((self.behaviors.target(), item.0, value)),
                false => {
                    let unit = ChainUnits::pattern(of.pattern);
                    parts.push(Part::new(unit, 1.0, value as f32, own()));
                }
            }
        }
        parts.extend(self.units.chains.parts(user, lines));
        Ledger::of_parts(base, parts).scored(score)
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        let rows: Vec<_> = users.rows().map(|row| (row, 0, &[][..])).collect();
        self.score_rows(&rows)
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger_of(user, 0, &[], item)
    }

    fn units(&self) -> Option<&dyn limpid_core::Units> {
        Some(self)
    }
}

impl limpid_core::Units for Model {
    fn len(&self) -> usize {
        self.units.chains.len() + self.n_items()
    }

    fn unit(&self, index: usize) -> Unit {
        match index.checked_sub(self.units.chains.len()) {
            None => self.units.chains.unit(index),
            Some(item) => self.units.neighbor(item as u32),
        }
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        match self.units.retrieved(unit) {
            Some(item) => vec![self.units.chains.len() + item as usize],
            None => self.units.chains.members(unit),
        }
    }

    fn info(&self, unit: Unit, catalogue: &Catalogue) -> UnitInfo {
        let Some(item) = self.units.retrieved(unit) else {
            return self.units.chains.info(unit, catalogue);
        };
        let item = ItemIdx(item);
        UnitInfo {
            id: format!("{NEIGHBOR}{}", catalogue.id(item)),
            label: Some(format!("retrieved as alike: {}", catalogue.title(item))),
            space: unit.space,
            rule: None,
            confidence: None,
        }
    }

    fn resolve(&self, text: &str, catalogue: &Catalogue) -> Result<Unit> {
        if let Some(item) = text.strip_prefix(NEIGHBOR) {
            return catalogue.find(item).map(|item| self.units.neighbor(item.0));
        }
        self.units
            .chains
            .resolve(text, catalogue)
            .map_err(|e| match e {
                Error::NoSuchUnit { unit, hint } => Error::NoSuchUnit {
                    unit,
                    hint: format!("{hint}, {NEIGHBOR}ITEM"),
                },
                other => other,
            })
    }

    fn graded(&self) -> bool {
        false
    }

    fn activate(&self, users: &Histories) -> Activations {
        let rows = users.rows().map(|row| self.active(row));
        Csr::from_rows(rows, limpid_core::Units::len(self))
            .unwrap_or_else(|_| unreachable!("active units are units of the model"))
    }

    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat {
        let edited: Vec<EditedRow> = users
            .rows()
            .enumerate()
            .map(|(u, row)| {
                let (columns, values) = activations.row(u);
                let pairs = columns.iter().copied().zip(values.iter().copied());
                self.edited(row, &pairs.collect::<Vec<_>>())
            })
            .collect();
        let rows: Vec<_> = users
            .rows()
            .zip(&edited)
            .map(|(row, edited)| {
                let history = edited.chains.history.as_ref();
                (
                    history.map_or(row, OwnedHistory::view),
                    edited.chains.muted,
                    edited.neighbors.as_slice(),
                )
            })
            .collect();
        self.score_rows(&rows)
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        let edited = self.edited(user, activations);
        let history = edited.chains.history.as_ref();
        let user = history.map_or(user, OwnedHistory::view);
        self.ledger_of(user, edited.chains.muted, &edited.neighbors, item)
    }

    fn touched(&self, item: ItemIdx) -> Option<Vec<usize>> {
        let mut touched = self.units.chains.touched(item);
        let first = self.units.chains.len();
        let neighbors = self.all_neighbors(item.0);
        touched.extend(neighbors.map(|other| first + other as usize));
        touched.sort_unstable();
        touched.dedup();
        Some(touched)
    }
}
