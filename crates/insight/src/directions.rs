//! Units over a latent representation: a dictionary of directions.
//!
//! A representation z is decomposed as `z = Σ_k a_k d_k + rest`. Activations changed from a to a′ move it to
//! `z + Σ_k (a′_k − a_k) d_k`, so the rest, which no unit expresses, is kept, and unedited activations
//! score as the model does, bit for bit. The ledger of an item attributes the change of its score from the
//! state without any unit, `z′ − Σ_k a′_k d_k`, by a path integral; the score there is the base (that of an
//! empty representation) and the residual.

use limpid_core::attribution::mean_gradient;
use limpid_core::{
    Activations, Catalogue, Csr, Detail, Error, FitUnits, Histories, History, ItemIdx, Latent,
    Ledger, Mat, Part, Result, Run, Space, Training, Unit, UnitInfo, Units, hash,
};

/// Steps of the path integral of a ledger.
const STEPS: usize = 16;

/// Directions in a representation space with their activations: the non-negative projections of z on
/// the directions, the `keep` largest of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Directions {
    atoms: Mat, // (K, D), rows of length 1
    keep: usize,
}

impl Directions {
    /// Directions `(K, D)`, scaled to length 1, at most `keep` of them active.
    ///
    /// # Errors
    /// [`Error::Range`] for a direction that is zero or not finite.
    pub fn new(mut atoms: Mat, keep: usize) -> Result<Self> {
        for (k, mut row) in atoms.rows_mut().into_iter().enumerate() {
            let length = row
                .iter()
                .map(|&v| f64::from(v).powi(2))
                .sum::<f64>()
                .sqrt();
            if !(length > 0.0 && length.is_finite()) {
                let what = format!("the length of direction {k}");
                return Err(Error::range(what, "finite and above 0", length));
            }
            row.mapv_inplace(|v| (f64::from(v) / length) as f32);
        }
        Ok(Self { atoms, keep })
    }

    /// Activations of a representation `(D)`: `(direction, activation)` by ascending index.
    fn encode(&self, z: &[f32]) -> Vec<(u32, f32)> {
        let mut active: Vec<(u32, f32)> = self
            .atoms
            .rows()
            .into_iter()
            .zip(0u32..)
            .map(|(atom, k)| (k, atom.iter().zip(z).map(|(a, z)| a * z).sum::<f32>()))
            .filter(|&(_, a)| a > 0.0)
            .collect();
        active.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        active.truncate(self.keep);
        active.sort_by_key(|a| a.0);
        active
    }

    /// `z + Σ_k change_k d_k`.
    fn shift(&self, z: &mut [f32], changes: impl Iterator<Item = (u32, f32)>) {
        for (k, change) in changes {
            let atom = self.atoms.row(k as usize);
            z.iter_mut().zip(atom).for_each(|(z, a)| *z += change * a);
        }
    }
}

/// Random directions: the control for any dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomDirections {
    /// Number of directions.
    pub n: usize,
    /// Maximum number of active directions.
    pub keep: usize,
}

impl FitUnits for RandomDirections {
    type Units<'a> = OverLatent<'a>;

    fn fit<'a>(
        &self,
        base: &'a dyn Latent,
        data: &Training<'_>,
        run: &mut Run<'_>,
    ) -> Result<OverLatent<'a>> {
        let states = base.encode(&data.histories.slice(0, 0)); // (0, D)
        let seed = run.seed;
        let uniform = |k: usize, d: usize| {
            let bits = hash::mix(hash::mix(seed ^ (k as u64) << 32) ^ d as u64);
            (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let atoms = Mat::from_shape_fn((self.n, states.ncols()), |(k, d)| uniform(k, d));
        OverLatent::new(base, Directions::new(atoms, self.keep)?)
    }
}

/// A model with a dictionary over its representation.
pub struct OverLatent<'a> {
    base: &'a dyn Latent,
    directions: Directions,
}

impl<'a> OverLatent<'a> {
    /// Units over a model.
    ///
    /// # Errors
    /// [`Error::Shape`] if the dimension of the directions is not that of the representation.
    pub fn new(base: &'a dyn Latent, directions: Directions) -> Result<Self> {
        let nobody = Histories::from_rows(&[], 0)?;
        let expected = base.encode(&nobody).ncols();
        match directions.atoms.ncols() == expected {
            true => Ok(Self { base, directions }),
            false => Err(Error::shape(
                "width of a dictionary",
                expected,
                directions.atoms.ncols(),
            )),
        }
    }
}

/// A sparse row as pairs.
fn pairs<'a>((columns, values): (&'a [u32], &'a [f32])) -> impl Iterator<Item = (u32, f32)> + 'a {
    columns.iter().copied().zip(values.iter().copied())
}

/// The differences between two sparse rows; empty if they are equal.
fn changes(before: &[(u32, f32)], after: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let mut all: std::collections::BTreeMap<u32, f32> = after.iter().copied().collect();
    for &(k, a) in before {
        *all.entry(k).or_insert(0.0) -= a;
    }
    all.into_iter().filter(|c| c.1 != 0.0).collect()
}

impl Units for OverLatent<'_> {
    fn len(&self) -> usize {
        self.directions.atoms.nrows()
    }

    fn unit(&self, index: usize) -> Unit {
        Unit::new(Space::Neuron, index as u32)
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let index = unit.index as usize;
        let own = unit.space == Space::Neuron && index < self.len();
        own.then_some(index).into_iter().collect()
    }

    fn info(&self, unit: Unit, _: &Catalogue) -> UnitInfo {
        UnitInfo {
            id: format!("n{}", unit.index),
            label: None,
            space: Space::Neuron,
            rule: None,
            confidence: None,
        }
    }

    fn resolve(&self, text: &str, _: &Catalogue) -> Result<Unit> {
        let index = text.strip_prefix('n').and_then(|n| n.parse::<u32>().ok());
        let unit = index.map(|index| Unit::new(Space::Neuron, index));
        unit.filter(|&u| !self.members(u).is_empty())
            .ok_or_else(|| Error::NoSuchUnit {
                unit: text.to_owned(),
                hint: format!("its units are n0 to n{}", self.len().saturating_sub(1)),
            })
    }

    fn activate(&self, users: &Histories) -> Activations {
        let z = self.base.encode(users);
        let rows = z
            .rows()
            .into_iter()
            .map(|row| self.directions.encode(&row.to_vec()));
        Csr::from_rows(rows, self.len())
            .unwrap_or_else(|_| unreachable!("a dictionary activates its own units"))
    }

    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat {
        let mut z = self.base.encode(users); // (U, D)
        for (u, mut row) in z.rows_mut().into_iter().enumerate() {
            let mut state = row.to_vec();
            let before = self.directions.encode(&state);
            let after: Vec<(u32, f32)> = pairs(activations.row(u)).collect();
            let changes = changes(&before, &after);
            self.directions.shift(&mut state, changes.into_iter());
            row.iter_mut().zip(state).for_each(|(z, s)| *z = s);
        }
        self.base.decode(&z)
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        let nobody = Mat::zeros((1, self.directions.atoms.ncols()));
        let base = self.base.decode(&nobody);
        let n_items = base.ncols();
        if item.at() >= n_items {
            return Ledger::default();
        }
        let alone = Histories::single(user, n_items);
        let mut state = self.base.encode(&alone).row(0).to_vec();
        let before = self.directions.encode(&state);
        let edits = changes(&before, activations);
        self.directions.shift(&mut state, edits.into_iter());
        let mut muted = state.clone();
        let removed = activations.iter().map(|&(k, a)| (k, -a));
        self.directions.shift(&mut muted, removed);
        let slope = mean_gradient(&muted, &state, STEPS, |z| {
            self.base.decode_gradient(z, item)
        });
        let parts = activations.iter().filter(|a| a.1 != 0.0).map(|&(k, a)| {
            let atom = self.directions.atoms.row(k as usize);
            let effect: f64 = atom
                .iter()
                .zip(&slope)
                .map(|(&d, s)| f64::from(d) * s)
                .sum();
            Part::new(
                self.unit(k as usize),
                a,
                effect as f32,
                user.events().collect(),
            )
        });
        let state = Mat::from_shape_vec((1, state.len()), state)
            .unwrap_or_else(|_| unreachable!("one row"));
        let score = self.base.decode(&state)[[0, item.at()]];
        Ledger::of_parts(base[[0, item.at()]], parts.collect()).scored(score)
    }
}
