//! A model with a dictionary over its representation: knobs are its units.
//!
//! The model's scores do not change: without an edit they are its own, bit for bit. An edit of knobs moves the
//! representation by the change of the code alone, `x′ = x + |x| Σ_j (z′_j − z_j) w_j`, so the rest, which
//! no knob expresses, is kept (error-preserving). The ledger of an item has one exact part per active knob,
//! because the decoder is linear, one for general taste, one for the unnamed remainder (the fillers), and
//! the rest as its residual.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use limpid_core::{
    Activations, Catalogue, Csr, Detail, Error, Event, Histories, History, ItemIdx, Latent, Ledger,
    Mat, OwnedHistory, Part, Recommender, Result, Scale, Space, Unit, UnitInfo, Units, lookup,
};
use rayon::prelude::*;

use crate::beyond::{Concepts, Split};
use crate::concepts::naming::plain;
use crate::concepts::{Name, Tag};
use crate::dictionary::fit::item_vectors;
use crate::dictionary::{Code, Dictionary, Pursuit, dot};
use crate::sae::Activation;

/// The id and the label of the coefficient of the mean.
const TASTE: (&str, &str) = ("taste", "general taste");

/// The id and the label of all fillers together.
const REST: (&str, &str) = ("rest", "unnamed remainder");

/// The ids of what knobs do not express of a concept: `beyond:FIELD:VALUE`.
const BEYOND: &str = "beyond:";

/// How a representation is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passing {
    /// What the code does not express is kept: without an edit, scores are those of the model.
    #[default]
    ErrorPreserving,
    /// Only what the code expresses is decoded, as in the papers on sparse autoencoders.
    PassThrough,
}

/// A model with a linear decoder and a dictionary.
///
/// Units: atom j is `n{j}`; general taste is `taste`; all fillers together are `rest`; all knobs with the same
/// name are one unit, resolved by that name. What knobs do not express of a metadata value is a unit that no history
/// activates, `beyond:FIELD:VALUE`, for steering.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed<M> {
    base: M,
    dictionary: Dictionary,
    pursuit: Pursuit,
    vectors: Mat,                    // (I, D)
    offset: Vec<f32>,                // (I): scores of a zero representation
    labels: Vec<Option<String>>,     // (knobs)
    groups: BTreeMap<String, Group>, // by plain name
    passing: Passing,
    concepts: Concepts,
    last: Last,
}

/// The last history that was encoded: the lines of a list ask for the same one again and again. It changes no
/// result, so copies begin without it and comparisons leave it out.
#[derive(Debug, Default)]
struct Last(Mutex<Option<Arc<State>>>);

/// A history, its representation `(D)`, its code as activations too, and its events, on all of which every part rests.
#[derive(Debug)]
struct State {
    history: OwnedHistory,
    x: Vec<f32>,
    code: Code,
    row: Vec<(u32, f32)>,
    events: Arc<[Event]>,
}

impl Clone for Last {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Last {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Knobs of one confirmed name.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    name: String,
    index: u32,
    knobs: Vec<usize>,
}

impl<M: Recommender> Probed<M> {
    /// A dictionary over a model.
    ///
    /// # Errors
    /// [`Error::Range`] if the model has no linear decoder, [`Error::Shape`] if the dimension of the atoms is
    /// not that of its representation, and as [`Dictionary::check`].
    pub fn new(base: M, dictionary: Dictionary) -> Result<Self> {
        dictionary.check()?;
        let Some(latent) = base.latent() else {
            return Err(Error::range(
                "the base of a dictionary",
                "a model with a vector of each user, such as eigen or ials",
                "one without",
            ));
        };
        let vectors = item_vectors(latent)?;
        let width = vectors.ncols();
        if dictionary.atoms.ncols() != width {
            return Err(Error::shape(
                "width of a dictionary",
                width,
                dictionary.atoms.ncols(),
            ));
        }
        let offset = latent.decode(&Mat::zeros((1, width))).row(0).to_vec();
        let pursuit = Pursuit::of(&dictionary);
        let mut probed = Self {
            base,
            dictionary,
            pursuit,
            vectors,
            offset,
            labels: Vec::new(),
            groups: BTreeMap::new(),
            passing: Passing::default(),
            concepts: Concepts::default(),
            last: Last::default(),
        };
        probed.index_names();
        Ok(probed)
    }

    /// The same with another way to score.
    #[must_use]
    pub fn passing(mut self, passing: Passing) -> Self {
        self.passing = passing;
        self
    }

    /// Sets the metadata values toward whose mean direction it can be steered beyond what knobs express.
    pub fn set_concepts(&mut self, tags: Vec<Tag>) {
        self.concepts = Concepts::new(tags);
    }

    /// These metadata values.
    pub fn concepts(&self) -> &[Tag] {
        self.concepts.tags()
    }

    /// The direction of a metadata value in parts, and the unit of what knobs do not express of it.
    pub fn beyond(&self, field: &str, value: &str) -> Option<(Unit, Arc<Split>)> {
        let tags = self.concepts.tags();
        let at = tags
            .iter()
            .position(|t| t.field == field && t.name == value)?;
        Some((self.neuron(self.first_concept() + at), self.split(at)))
    }

    fn split(&self, at: usize) -> Arc<Split> {
        self.concepts.split(at, &self.dictionary, &self.vectors)
    }

    /// The index of the first concept, after the atoms, the mean and the fillers together.
    fn first_concept(&self) -> usize {
        self.n_atoms() + 2
    }

    /// The same with at most `keep` active atoms in a code; `None` for an autoencoder that is not asked for a number
    /// of them.
    #[must_use]
    pub fn keeping(&self, keep: usize) -> Option<Self>
    where
        M: Clone,
    {
        let mut same = self.clone();
        same.dictionary.keep = keep;
        if let Some(encoder) = &mut same.dictionary.encoder {
            match &mut encoder.activation {
                Activation::TopK(k) => *k = keep,
                _ => return None,
            }
        }
        same.pursuit = Pursuit::of(&same.dictionary);
        Some(same)
    }

    /// The model.
    pub fn base(&self) -> &M {
        &self.base
    }

    /// The dictionary.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Renames the knobs `(knobs)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if their number differs.
    pub fn rename(&mut self, names: Vec<Option<Name>>) -> Result<()> {
        if names.len() != self.dictionary.knobs {
            return Err(Error::shape(
                "names of knobs",
                self.dictionary.knobs,
                names.len(),
            ));
        }
        self.dictionary.names = names;
        self.index_names();
        Ok(())
    }

    /// The model and the dictionary.
    pub fn into_parts(self) -> (M, Dictionary) {
        (self.base, self.dictionary)
    }

    /// The item vectors `(I, D)` of the model.
    pub fn vectors(&self) -> &Mat {
        &self.vectors
    }

    /// The atoms, ready to encode.
    pub fn pursuit(&self) -> &Pursuit {
        &self.pursuit
    }

    /// The label of a knob: its name, with a runner-up where several knobs have the same.
    pub fn label(&self, knob: usize) -> Option<&str> {
        self.labels.get(knob)?.as_deref()
    }

    /// Names of knobs, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.values().map(|g| g.name.as_str())
    }

    /// The cosine of every item with every knob `(I, knobs)`: the activation by projection that names rest on.
    pub fn projections(&self) -> Mat {
        let atoms: Vec<f32> = self.dictionary.atoms.iter().copied().collect();
        let (n, width) = (self.dictionary.knobs, self.vectors.ncols());
        let mut out = Mat::zeros((self.vectors.nrows(), n));
        out.axis_iter_mut(ndarray::Axis(0))
            .into_par_iter()
            .zip(self.vectors.axis_iter(ndarray::Axis(0)))
            .for_each(|(mut out, item)| {
                let item = item.to_vec();
                let length = dot(&item, &item).sqrt();
                for (k, out) in out.iter_mut().enumerate() {
                    let cosine = dot(&item, &atoms[k * width..(k + 1) * width]) / length.max(1e-12);
                    *out = cosine as f32;
                }
            });
        out
    }

    /// The codes of single items `(I, K)`: their direction, without length and mean.
    pub fn item_codes(&self) -> Csr {
        let rows: Vec<Vec<(u32, f32)>> = (0..self.vectors.nrows())
            .into_par_iter()
            .map(|i| {
                let code = self.pursuit.encode_item(&self.vectors.row(i).to_vec());
                code.values()
            })
            .collect();
        self.sparse(rows, self.n_atoms())
    }

    fn index_names(&mut self) {
        let names = &self.dictionary.names;
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for (knob, name) in names.iter().enumerate() {
            let Some(name) = name.as_ref().filter(|n| n.confirmed) else {
                continue;
            };
            let group = groups.entry(plain(&name.tag)).or_insert_with(|| Group {
                name: name.tag.clone(),
                index: 0,
                knobs: Vec::new(),
            });
            group.knobs.push(knob);
        }
        for (group, index) in groups.values_mut().zip(0u32..) {
            group.index = index;
        }
        let label = |(knob, name): (usize, &Option<Name>)| {
            let name = name.as_ref().filter(|n| n.confirmed)?;
            let alone = groups
                .get(&plain(&name.tag))
                .is_some_and(|g| g.knobs.len() == 1);
            Some(match (alone, name.others.first()) {
                (true, _) => name.tag.clone(),
                (false, Some(other)) => format!("{} (n{knob}: {})", name.tag, other.tag),
                (false, None) => format!("{} (n{knob})", name.tag),
            })
        };
        self.labels = names.iter().enumerate().map(label).collect();
        self.groups = groups;
    }

    fn n_atoms(&self) -> usize {
        self.dictionary.atoms.nrows()
    }

    fn latent(&self) -> &dyn Latent {
        self.base
            .latent()
            .unwrap_or_else(|| unreachable!("it had a representation when it was built"))
    }

    /// A history, encoded.
    fn state(&self, user: History<'_>) -> Arc<State> {
        // A thread that does not get the lock computes instead of waiting.
        if let Ok(last) = self.last.0.try_lock()
            && let Some(state) = &*last
            && state.history.view() == user
        {
            return Arc::clone(state);
        }
        let alone = Histories::single(user, self.vectors.nrows());
        let x = self.latent().encode(&alone).row(0).to_vec();
        let code = self.pursuit.encode(&x);
        let state = Arc::new(State {
            history: user.to_owned(),
            row: self.row(&code),
            events: user.events().collect(),
            x,
            code,
        });
        if let Ok(mut last) = self.last.0.try_lock() {
            *last = Some(Arc::clone(&state));
        }
        state
    }

    /// The representations of histories `(U, D)` and their codes.
    fn states(&self, users: &Histories) -> (Mat, Vec<Code>) {
        if users.len() == 1 {
            let state = self.state(users.row(0));
            let x = Mat::from_shape_vec((1, state.x.len()), state.x.clone())
                .unwrap_or_else(|_| unreachable!("one row of its own length"));
            return (x, vec![state.code.clone()]);
        }
        let x = self.latent().encode(users);
        let codes = self.codes(&x);
        (x, codes)
    }

    /// The codes of representations `(U, D)`.
    pub fn codes(&self, states: &Mat) -> Vec<Code> {
        (0..states.nrows())
            .into_par_iter()
            .map(|u| self.pursuit.encode(&states.row(u).to_vec()))
            .collect()
    }

    /// What codes express: representations `(U, D)`.
    pub fn expressed(&self, codes: &[Code]) -> Mat {
        let mut out = Mat::zeros((codes.len(), self.vectors.ncols()));
        for (mut row, code) in out.rows_mut().into_iter().zip(codes) {
            let x = self.pursuit.decode(code);
            row.iter_mut().zip(x).for_each(|(o, v)| *o = v);
        }
        out
    }

    /// A code as activations: atoms, and the mean at index K.
    fn row(&self, code: &Code) -> Vec<(u32, f32)> {
        let mut row = code.active.clone();
        if code.mean != 0.0 {
            row.push((self.n_atoms() as u32, code.mean));
        }
        row
    }

    fn sparse(&self, rows: Vec<Vec<(u32, f32)>>, n: usize) -> Csr {
        Csr::from_rows(rows, n).unwrap_or_else(|_| unreachable!("codes are finite and in range"))
    }

    /// Moves a representation by the change of its activations. One without length has no scale, and stays.
    fn shift(&self, x: &mut [f32], code: &Code, after: &[(u32, f32)]) {
        if self.passing == Passing::PassThrough {
            let expressed = Code {
                length: code.length,
                offset: code.offset,
                ..Code::default()
            };
            x.copy_from_slice(&self.pursuit.decode(&expressed));
            for &(k, z) in after {
                self.add(x, k as usize, code.length * z);
            }
            return;
        }
        let mut change: BTreeMap<u32, f32> = after.iter().copied().collect();
        for (k, z) in self.row(code) {
            *change.entry(k).or_insert(0.0) -= z;
        }
        for (k, change) in change {
            if change != 0.0 {
                self.add(x, k as usize, code.length * change);
            }
        }
    }

    /// Adds an atom, the mean, or what is beyond the knobs of a concept.
    fn add(&self, x: &mut [f32], index: usize, amount: f32) {
        match index.checked_sub(self.first_concept()) {
            None => self.pursuit.add(x, index, amount),
            Some(at) => {
                let split = self.split(at);
                let way = x.iter_mut().zip(&split.remainder);
                way.for_each(|(x, r)| *x += amount * r);
            }
        }
    }

    /// What an atom, the mean at index K, or what is beyond the knobs of a concept adds to the score of an item per
    /// unit of the representation.
    fn effect_on(&self, index: usize, item: &[f32]) -> f64 {
        match index.checked_sub(self.first_concept()) {
            None => dot(self.pursuit.atom(index), item),
            Some(at) => dot(&self.split(at).remainder, item),
        }
    }

    /// A unit by its index in activations.
    fn neuron(&self, index: usize) -> Unit {
        Unit::new(Space::Neuron, index as u32)
    }

    /// The unit of all fillers together.
    fn rest(&self) -> Unit {
        self.neuron(self.n_atoms() + 1)
    }
}

impl<M: Recommender> Recommender for Probed<M> {
    fn score(&self, users: &Histories) -> Mat {
        match self.passing {
            Passing::ErrorPreserving => self.base.score(users),
            Passing::PassThrough => self.score_activations(users, &self.activate(users)),
        }
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger(user, &self.state(user).row, item, Detail::Raw)
    }

    fn scale(&self) -> Scale {
        match self.passing {
            Passing::ErrorPreserving => self.base.scale(),
            Passing::PassThrough => Scale::Order,
        }
    }

    fn latent(&self) -> Option<&dyn Latent> {
        self.base.latent()
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl<M: Recommender> Units for Probed<M> {
    fn len(&self) -> usize {
        self.first_concept() + self.concepts.tags().len()
    }

    fn unit(&self, index: usize) -> Unit {
        self.neuron(index)
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let index = unit.index as usize;
        match unit.space {
            Space::Neuron if unit == self.rest() => {
                (self.dictionary.knobs..self.n_atoms()).collect()
            }
            Space::Neuron if index < self.len() => vec![index],
            Space::Group => {
                let group = self.groups.values().find(|g| g.index == unit.index);
                group.map_or_else(Vec::new, |g| g.knobs.clone())
            }
            _ => Vec::new(),
        }
    }

    fn info(&self, unit: Unit, _: &Catalogue) -> UnitInfo {
        let index = unit.index as usize;
        let info = |id: String, label: Option<String>, confidence| UnitInfo {
            id,
            label,
            space: unit.space,
            rule: None,
            confidence,
        };
        if unit.space == Space::Group {
            let group = self.groups.values().find(|g| g.index == unit.index);
            let name = group.map_or_else(String::new, |g| g.name.clone());
            return info(name.clone(), Some(name), None);
        }
        if index == self.n_atoms() {
            return info(TASTE.0.to_owned(), Some(TASTE.1.to_owned()), None);
        }
        if unit == self.rest() {
            return info(REST.0.to_owned(), Some(REST.1.to_owned()), None);
        }
        let concept = index.checked_sub(self.first_concept());
        if let Some(tag) = concept.and_then(|at| self.concepts.tags().get(at)) {
            let label = format!("{}, beyond its knobs", tag.name);
            return info(
                format!("{BEYOND}{}:{}", tag.field, tag.name),
                Some(label),
                None,
            );
        }
        let name = self.dictionary.names.get(index).and_then(Option::as_ref);
        let confidence = name.filter(|n| n.confirmed).map(|n| n.auroc);
        let label = match index < self.dictionary.knobs {
            true => self.label(index).map(str::to_owned),
            false => Some(REST.1.to_owned()),
        };
        info(format!("n{index}"), label, confidence)
    }

    fn resolve(&self, text: &str, _: &Catalogue) -> Result<Unit> {
        if text == TASTE.0 {
            return Ok(self.neuron(self.n_atoms()));
        }
        if text == REST.0 {
            return Ok(self.rest());
        }
        if let Some(concept) = text.strip_prefix(BEYOND) {
            let found = concept.split_once(':');
            let unit = found.and_then(|(field, value)| self.beyond(field, value));
            return unit.map(|(unit, _)| unit).ok_or_else(|| Error::NoSuchUnit {
                unit: text.to_owned(),
                hint: format!("write {BEYOND}FIELD:VALUE with a metadata value of the catalogue"),
            });
        }
        let index = text.strip_prefix('n').and_then(|n| n.parse::<usize>().ok());
        if let Some(index) = index.filter(|&k| k < self.n_atoms()) {
            return Ok(self.neuron(index));
        }
        if let Some(knob) = self.labels.iter().position(|l| l.as_deref() == Some(text)) {
            return Ok(self.neuron(knob));
        }
        if let Some(group) = self
            .groups
            .get(&plain(text))
            .filter(|g| g.name == text || !plain(text).is_empty())
        {
            return Ok(Unit::new(Space::Group, group.index));
        }
        let similar = lookup::similar(text, self.names());
        let hint = match similar.as_slice() {
            [] => format!(
                "its units are n0 to n{}, {}, {} and the names that 'limpid concepts' lists",
                self.n_atoms().saturating_sub(1),
                TASTE.0,
                REST.0
            ),
            names => format!(
                "did you mean {}? 'limpid concepts' lists all names",
                quoted(names)
            ),
        };
        Err(Error::NoSuchUnit {
            unit: text.to_owned(),
            hint,
        })
    }

    fn activate(&self, users: &Histories) -> Activations {
        let (_, codes) = self.states(users);
        let rows = codes.iter().map(|code| self.row(code)).collect();
        self.sparse(rows, self.len())
    }

    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat {
        let (mut x, codes) = self.states(users); // (U, D)
        let moved: Vec<Option<Vec<f32>>> = (0..x.nrows())
            .into_par_iter()
            .map(|u| {
                let code = &codes[u];
                let (columns, values) = activations.row(u);
                let after: Vec<(u32, f32)> = columns
                    .iter()
                    .copied()
                    .zip(values.iter().copied())
                    .collect();
                let kept = self.passing == Passing::ErrorPreserving && after == self.row(code);
                (!kept).then(|| {
                    let mut state = x.row(u).to_vec();
                    self.shift(&mut state, code, &after);
                    state
                })
            })
            .collect();
        for (mut row, state) in x.rows_mut().into_iter().zip(moved) {
            if let Some(state) = state {
                row.iter_mut().zip(state).for_each(|(x, s)| *x = s);
            }
        }
        self.latent().decode(&x)
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        detail: Detail,
    ) -> Ledger {
        if item.at() >= self.vectors.nrows() {
            return Ledger::default();
        }
        let state = self.state(user);
        let length = f64::from(state.code.length);
        let mut x = Cow::Borrowed(&state.x);
        if activations != state.row || self.passing == Passing::PassThrough {
            self.shift(x.to_mut(), &state.code, activations);
        }
        let vector = self.vectors.row(item.at()).to_vec();
        let base = self.offset[item.at()];
        let score = (f64::from(base) + dot(&x, &vector)) as f32;
        let (mut parts, mut fillers) = (Vec::new(), 0f64);
        let mut n_fillers = 0;
        for &(k, z) in activations.iter().filter(|a| a.1 != 0.0) {
            let effect = length * self.effect_on(k as usize, &vector);
            let is_filler = (self.dictionary.knobs..self.n_atoms()).contains(&(k as usize));
            if is_filler && detail == Detail::Lines {
                fillers += f64::from(z) * effect;
                n_fillers += 1;
                continue;
            }
            let unit = self.neuron(k as usize);
            parts.push(Part::new(unit, z, effect as f32, Arc::clone(&state.events)));
        }
        if n_fillers > 0 {
            let cites = Arc::clone(&state.events);
            parts.push(Part::new(self.rest(), 1.0, fillers as f32, cites));
        }
        Ledger::of_parts(base, parts).scored(score)
    }

    fn general(&self, index: usize) -> bool {
        index >= self.n_atoms()
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|n| format!("'{n}'")).collect();
    names.join(" or ")
}
