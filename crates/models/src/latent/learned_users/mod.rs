//! Models that learn a vector for every training user, on data of one or several behaviors: what is stored,
//! how a history that was not trained on is folded in, and the ledger.
//!
//! A training row uses the vector learned for its user. Every other history is folded in by the linear map
//! that best fits the learned vectors,
//!
//! ```text
//! p = m_0 + Σ over behaviors b of M_b (mean of the keys of the items with b)
//! ```
//!
//! where the key of an item is the leading part of its vector. So an empty history has the base m_0, the
//! same for all users, and every event has a contribution: exact where scores are linear in p, a path
//! integral from m_0 otherwise. In the ledger of a training row the difference between the learned and the
//! folded vector is the residual. A model that is saved without users has the map only.
//!
//! A decoder may also read a history itself ([`Decoder::read`]), where no vector says what it needs. Where scores are
//! not smooth, the contribution of an event is its Shapley value over a few fixed orders: the mean change of the score
//! as the event joins those before it. These add up in every order.

pub(crate) mod fit;

use std::fmt::Debug;
use std::marker::PhantomData;

use limpid_core::attribution::mean_gradient;
use limpid_core::{
    Artifact, Buffer, Error, EventUnits, Histories, History, ItemIdx, Latent, Ledger, Mat, Part,
    Recommender, Result, Tensors, hash,
};
use limpid_tensor::matmul::{Factor, product};
use ndarray::Axis;
use rayon::prelude::*;

use super::ials::System;
use super::{MAX_WIDTH, item_vectors, score_of, scores_of};
use crate::behavior::chains::{Behaviors, Chains, with_behavior};
use crate::hyper::hyper;
use crate::training_loop::TrainingLoop;

hyper! {
    /// The two tables of models that learn a vector for every user.
    pub struct Tables {
        /// Dimension of the vectors that are learned for users and items.
        embedding_size: usize = 64, in whole(1, 128), tune [32, 64];
        /// L2 regularization of the vectors of a batch.
        reg: f32 = 1e-4, in at_least(0.0), tune [1e-5, 1e-4, 1e-3];
    }
}

/// How scores follow from the vector of a user.
pub trait Decoder: Debug + Clone + PartialEq + Send + Sync {
    /// Steps of the path integral of an explanation; 1 where scores are linear, 0 where they are not smooth enough for
    /// any: then vectors are not offered as a latent.
    const STEPS: usize;

    /// Number of items.
    fn n_items(&self) -> usize;

    /// The width D of user vectors.
    fn width(&self) -> usize;

    /// How many leading numbers of a user's vector are learned, and folded in; all by default.
    fn learned(&self) -> usize {
        self.width()
    }

    /// The numbers after the learned ones: what is read from a history, by its items. The same for every order.
    fn read(&self, _items: &[u32]) -> Vec<f32> {
        Vec::new()
    }

    /// How many leading numbers of vectors are saved as arrays of their own: those that belong together.
    fn lead(&self) -> usize;

    /// The key of an item, from which users are folded in; as long for every item.
    fn key(&self, item: u32) -> &[f32];

    /// The scores of all items.
    fn scores(&self, user: &[f32]) -> Vec<f32>;

    /// The score of one item, bit for bit that of [`scores`](Self::scores).
    fn score(&self, user: &[f32], item: u32) -> f32;

    /// The gradient of a score with respect to the user's vector `(D)`; not asked where there are no steps.
    fn gradient(&self, _user: &[f32], _item: u32) -> Vec<f32> {
        vec![0.0; self.width()]
    }

    /// Vectors `(I, D)` whose dot products are scores, if there are such.
    fn item_vectors(&self) -> Option<Mat> {
        None
    }

    /// Saves its arrays.
    ///
    /// # Errors
    /// If a value cannot be stored.
    fn save(&self, out: &mut Tensors) -> Result<()>;

    /// Loads its arrays.
    ///
    /// # Errors
    /// If an array is missing or has another shape.
    fn load(from: &Tensors) -> Result<Self>;
}

/// A score is the dot product of a user's and an item's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct DotProduct {
    items: Buffer<f32>, // (I, D)
    d: usize,
    key: usize,
}

impl DotProduct {
    /// Vectors `(I, D)`, whose first `key` numbers are the keys of the items.
    pub(crate) fn new(items: Vec<f32>, d: usize, key: usize) -> Self {
        Self {
            items: items.into(),
            d,
            key: key.min(d),
        }
    }

    fn vector(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.d..][..self.d]
    }
}

impl Decoder for DotProduct {
    const STEPS: usize = 1;

    fn n_items(&self) -> usize {
        self.items.len() / self.d.max(1)
    }

    fn width(&self) -> usize {
        self.d
    }

    fn lead(&self) -> usize {
        self.key
    }

    fn key(&self, item: u32) -> &[f32] {
        &self.vector(item)[..self.key]
    }

    fn scores(&self, user: &[f32]) -> Vec<f32> {
        let mut out = vec![0f32; self.n_items()];
        scores_of(user, &self.items, &mut out);
        out
    }

    fn score(&self, user: &[f32], item: u32) -> f32 {
        score_of(user, self.vector(item))
    }

    fn gradient(&self, _: &[f32], item: u32) -> Vec<f32> {
        self.vector(item).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.n_items(), self.d), self.items.to_vec()).ok()
    }

    fn save(&self, out: &mut Tensors) -> Result<()> {
        put_vectors(out, "items", &self.items, self.d, self.key);
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, d, key) = vectors(from, "items")?;
        Ok(Self {
            items: items.into(),
            d,
            key,
        })
    }
}

/// Saves vectors of width `d` as `name`, and what is beyond their first `lead` numbers as `name.rest`.
pub(crate) fn put_vectors(out: &mut Tensors, name: &str, all: &[f32], d: usize, lead: usize) {
    let n = all.len() / d.max(1);
    let part = |columns: std::ops::Range<usize>| -> Vec<f32> {
        let rows = all.chunks_exact(d.max(1));
        rows.flat_map(|row| row[columns.clone()].to_vec()).collect()
    };
    out.put_f32(name, &[n, lead], part(0..lead));
    if lead < d {
        out.put_f32(&format!("{name}.rest"), &[n, d - lead], part(lead..d));
    }
}

/// Vectors as [`put_vectors`] saved them, with their width and that of their first part.
pub(crate) fn vectors(from: &Tensors, name: &str) -> Result<(Vec<f32>, usize, usize)> {
    let (first, n, lead) = item_vectors(from, name)?;
    let rest = format!("{name}.rest");
    if from.f32(&rest).is_err() {
        return Ok((first.to_vec(), lead, lead));
    }
    let (second, rows, width) = item_vectors(from, &rest)?;
    if rows != n {
        return Err(Error::shape(rest, n, rows));
    }
    let rows = first.chunks_exact(lead).zip(second.chunks_exact(width));
    let joined = rows.flat_map(|(a, b)| [a, b].concat()).collect();
    Ok((joined, lead + width, lead))
}

/// The hyper-parameters of such a model; implemented by `learned_model!`.
pub trait Format: Debug + Clone + PartialEq + Send + Sync {
    /// The name of its format on disk: `model/NAME`.
    const KIND: &'static str;

    /// The two tables.
    fn tables(&self) -> &Tables;

    /// Length and speed of training.
    fn training(&self) -> &TrainingLoop;
}

/// Declares the model of a file's `Config`, which includes [`Tables`] as `tables` and a [`TrainingLoop`] as
/// `training`: its format, its type and its fit.
macro_rules! learned_model {
    ($kind:literal) => {
        learned_model!($kind, crate::latent::learned_users::DotProduct);
    };
    ($kind:literal, $decoder:ty) => {
        /// The fitted model.
        pub type Model = crate::latent::learned_users::Model<Config, $decoder>;

        impl crate::latent::learned_users::Format for Config {
            const KIND: &'static str = $kind;

            fn tables(&self) -> &crate::latent::learned_users::Tables {
                &self.tables
            }

            fn training(&self) -> &crate::training_loop::TrainingLoop {
                &self.training
            }
        }

        impl limpid_core::Fit for Config {
            type Model = Model;

            fn check(&self) -> limpid_core::Result<()> {
                crate::hyper::check(self)
            }

            fn fit(
                &self,
                data: &limpid_core::Training<'_>,
                run: &mut limpid_core::Run<'_>,
            ) -> limpid_core::Result<Model> {
                limpid_core::Fit::check(self)?;
                crate::latent::learned_users::fit::fit(self, data, run)
            }
        }
    };
}

pub(crate) use learned_model;

/// A fitted model of the format `F` with the decoder `D`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model<F, D = DotProduct> {
    format: PhantomData<F>,
    behaviors: Behaviors,
    users: Buffer<f32>, // (U, D)
    known: Vec<i64>,    // (U): hashes of the training rows
    map: Vec<f32>,      // (1 + B · key, D)
    decoder: D,
}

/// Orders of events, and as many reversed ones, over which contributions are averaged.
const ORDERS: u32 = 4;

/// A hash of the events of a chain.
fn fingerprint(chain: &[(u32, u8)]) -> i64 {
    hash::row(chain.iter().flat_map(|&(i, set)| [i, u32::from(set)])) as i64
}

/// The items of each behavior of a chain.
fn by_behavior(behaviors: Behaviors, chain: &[(u32, u8)]) -> Vec<Vec<u32>> {
    (0..behaviors.len() as u8)
        .map(|b| with_behavior(chain, b).collect())
        .collect()
}

/// What is folded in: 1, then the mean of the keys of the items with each behavior.
fn features<D: Decoder>(decoder: &D, behaviors: Behaviors, chain: &[(u32, u8)]) -> Vec<f32> {
    let mut out = vec![1.0];
    for items in by_behavior(behaviors, chain) {
        let mut mean = vec![0f64; key_width(decoder)];
        for &item in &items {
            let key = decoder.key(item).iter();
            mean.iter_mut()
                .zip(key)
                .for_each(|(m, &k)| *m += f64::from(k));
        }
        let n = items.len().max(1) as f64;
        out.extend(mean.iter().map(|&m| (m / n) as f32));
    }
    out
}

fn key_width<D: Decoder>(decoder: &D) -> usize {
    match decoder.n_items() {
        0 => 0,
        _ => decoder.key(0).len(),
    }
}

impl<F: Format, D: Decoder> Model<F, D> {
    /// From the vectors learned for the users of `chains`, row by row `(U, D)`.
    pub(crate) fn new(chains: &Chains, users: Vec<f32>, decoder: D) -> Self {
        let (behaviors, d) = (chains.behaviors, decoder.learned());
        let rows = (0..chains.len()).into_par_iter();
        let rows: Vec<Vec<f32>> = rows
            .map(|u| features(&decoder, behaviors, chains.row(u)))
            .collect();
        let width = 1 + behaviors.len() * key_width(&decoder);
        Self {
            format: PhantomData,
            behaviors,
            known: (0..chains.len())
                .map(|u| fingerprint(chains.row(u)))
                .collect(),
            map: least_squares(&rows.concat(), &users, [chains.len(), width, d]),
            users: users.into(),
            decoder,
        }
    }

    fn chain(&self, user: History<'_>) -> Vec<(u32, u8)> {
        self.behaviors.chain(user, self.decoder.n_items())
    }

    /// The vector of a history that was not trained on.
    pub(crate) fn fold_in(&self, chain: &[(u32, u8)]) -> Vec<f32> {
        let d = self.decoder.learned();
        let mut p = vec![0f64; d];
        let features = features(&self.decoder, self.behaviors, chain);
        for (x, row) in features.iter().zip(self.map.chunks_exact(d.max(1))) {
            let row = row.iter();
            p.iter_mut()
                .zip(row)
                .for_each(|(p, &m)| *p += f64::from(*x) * f64::from(m));
        }
        let p: Vec<f32> = p.into_iter().map(|p| p as f32).collect();
        self.with_reading(p, chain)
    }

    fn with_reading(&self, mut p: Vec<f32>, chain: &[(u32, u8)]) -> Vec<f32> {
        let items: Vec<u32> = chain.iter().map(|e| e.0).collect();
        p.extend(self.decoder.read(&items));
        p
    }

    fn vector(&self, user: History<'_>, chain: &[(u32, u8)]) -> Vec<f32> {
        let d = self.decoder.learned();
        match user.user {
            Some(u) if self.known.get(u.at()) == Some(&fingerprint(chain)) => {
                let learned = self.users[u.at() * d..(u.at() + 1) * d].to_vec();
                self.with_reading(learned, chain)
            }
            _ => self.fold_in(chain),
        }
    }

    /// The contributions of events by a path integral along the vector: exact where scores are linear in it.
    fn along_the_path(&self, chain: &[(u32, u8)], item: u32) -> Vec<((u32, u8), f32)> {
        let d = self.decoder.learned().max(1);
        let (from, to) = (&self.map[..self.decoder.learned()], self.fold_in(chain));
        let slope = mean_gradient(from, &to, D::STEPS, |z| self.decoder.gradient(z, item));
        let key = key_width(&self.decoder);
        let mut values = Vec::new();
        for (b, items) in by_behavior(self.behaviors, chain).into_iter().enumerate() {
            // What a key of this behavior contributes.
            let rows = self.map[(1 + b * key) * d..].chunks_exact(d).take(key);
            let of_key = |row: &[f32]| -> f64 {
                let numbers = row.iter().zip(&slope);
                numbers.map(|(&m, s)| f64::from(m) * s).sum()
            };
            let towards: Vec<f64> = rows.map(of_key).collect();
            for &i in &items {
                let numbers = self.decoder.key(i).iter().zip(&towards);
                let effect: f64 = numbers.map(|(&k, t)| f64::from(k) * t).sum();
                values.push(((i, b as u8), (effect / items.len() as f64) as f32));
            }
        }
        values
    }

    /// The contributions of events by what each changes as it joins those before it, from the score of an empty
    /// history, over some orders and their reverses.
    fn by_joining(&self, chain: &[(u32, u8)], item: u32, base: f32) -> Vec<((u32, u8), f32)> {
        let mut events: Vec<(u32, u8)> = Vec::new();
        for (b, items) in by_behavior(self.behaviors, chain).into_iter().enumerate() {
            events.extend(items.into_iter().map(|i| (i, b as u8)));
        }
        let mut sums = vec![0f64; events.len()];
        for order in 0..ORDERS {
            let mut places: Vec<usize> = (0..events.len()).collect();
            places.sort_by_key(|&at| {
                hash::row([order, events[at].0, events[at].1.into()].into_iter())
            });
            for reversed in [false, true] {
                if reversed {
                    places.reverse();
                }
                let (mut joined, mut before) = (Vec::<(u32, u8)>::new(), f64::from(base));
                for &at in &places {
                    let (i, b) = events[at];
                    match joined.binary_search_by_key(&i, |e| e.0) {
                        Ok(known) => joined[known].1 |= 1 << b,
                        Err(place) => joined.insert(place, (i, 1 << b)),
                    }
                    let after = f64::from(self.decoder.score(&self.fold_in(&joined), item));
                    sums[at] += after - before;
                    before = after;
                }
            }
        }
        let means = sums.iter().map(|s| (s / f64::from(2 * ORDERS)) as f32);
        events.into_iter().zip(means).collect()
    }
}

impl<F: Format> Model<F> {
    /// The learned vectors of users `(U, D)`, those of items `(I, D)`, and D.
    pub(crate) fn vectors(&self) -> (Vec<f32>, Vec<f32>, usize) {
        let items = self.decoder.items.to_vec();
        (self.users.to_vec(), items, self.decoder.d)
    }
}

/// W `(n, m)` that minimizes ‖X W − Y‖² for X `(rows, n)` and Y `(rows, m)`, with L2 regularization in
/// proportion to the data.
fn least_squares(x: &[f32], y: &[f32], [rows, n, m]: [usize; 3]) -> Vec<f32> {
    let (mut gram, mut cross) = (vec![0f32; n * n], vec![0f32; n * m]);
    let (x, y) = (Factor::new(x, rows, n), Factor::new(y, rows, m));
    product(&mut gram, x.t(), x, false);
    product(&mut cross, x.t(), y, false);
    let gram: Vec<f64> = gram.into_iter().map(f64::from).collect();
    let trace: f64 = (0..n).map(|k| gram[k * n + k]).sum();
    let ridge = 1e-3 * trace / n.max(1) as f64 + 1e-9;
    let system = System::new(&gram, &[], n, &[], (0.0, ridge));
    let mut out = vec![0f32; n * m];
    for c in 0..m {
        let mut column: Vec<f64> = (0..n).map(|r| f64::from(cross[r * m + c])).collect();
        system.solve(&mut column);
        for (r, value) in column.into_iter().enumerate() {
            out[r * m + c] = value as f32;
        }
    }
    out
}

impl<F: Format, D: Decoder> Recommender for Model<F, D> {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let n_items = self.decoder.n_items();
        if item.at() >= n_items {
            return Ledger::default();
        }
        let chain = self.chain(user);
        let base = self.decoder.score(&self.fold_in(&[]), item.0);
        let values = match D::STEPS {
            0 => self.by_joining(&chain, item.0, base),
            _ => self.along_the_path(&chain, item.0),
        };
        let units = EventUnits::new(n_items, self.behaviors.len(), self.behaviors.target());
        let events = user.by_item();
        let part = |((i, b), effect): ((u32, u8), f32)| {
            let cites = events.of(ItemIdx(i)).filter(|e| e.behavior == b).collect();
            let unit = units.index(ItemIdx(i), b).unwrap_or(0);
            Part::new(units.unit(unit as usize), 1.0, effect, cites)
        };
        let parts = values.into_iter().map(part).collect();
        let score = self.decoder.score(&self.vector(user, &chain), item.0);
        Ledger::of_parts(base, parts).scored(score)
    }

    fn latent(&self) -> Option<&dyn Latent> {
        (D::STEPS > 0).then_some(self as &dyn Latent)
    }
}

impl<F: Format, D: Decoder> Latent for Model<F, D> {
    fn encode(&self, users: &Histories) -> Mat {
        let mut z = Mat::zeros((users.len(), self.decoder.width()));
        z.axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .for_each(|(u, mut row)| {
                let user = users.row(u);
                let p = self.vector(user, &self.chain(user));
                row.iter_mut().zip(p).for_each(|(o, p)| *o = p);
            });
        z
    }

    fn decode(&self, z: &Mat) -> Mat {
        let mut out = Mat::zeros((z.nrows(), self.decoder.n_items()));
        out.axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(z.axis_iter(Axis(0)).into_par_iter())
            .for_each(|(mut out, z)| {
                let scores = self.decoder.scores(&z.to_vec());
                out.iter_mut().zip(scores).for_each(|(o, s)| *o = s);
            });
        out
    }

    fn decode_gradient(&self, z: &[f32], item: ItemIdx) -> Vec<f32> {
        self.decoder.gradient(z, item.0)
    }

    fn item_vectors(&self) -> Option<Mat> {
        self.decoder.item_vectors()
    }
}

impl<F: Format, D: Decoder> Artifact for Model<F, D> {
    const KIND: &'static str = F::KIND;

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let d = self.decoder.learned();
        let behaviors = (self.behaviors.len(), self.behaviors.target());
        out.put_meta("behaviors", &behaviors)?;
        put_vectors(out, "users", &self.users, d, self.decoder.lead());
        out.put_i64("known", &[self.known.len()], self.known.clone());
        out.put_f32("map", &[self.map.len() / d.max(1), d], self.map.clone());
        self.decoder.save(out)
    }

    /// Without the learned vectors, which give the histories away, everyone is folded in.
    fn without_users(&self) -> Option<Self> {
        Some(Self {
            users: Vec::new().into(),
            known: Vec::new(),
            ..self.clone()
        })
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (n, target) = from.meta("behaviors")?;
        let behaviors = Behaviors::new(n, target)?;
        let decoder = D::load(from)?;
        let d = decoder.learned();
        if d == 0 || d > MAX_WIDTH {
            let expected = format!("from 1 to {MAX_WIDTH}");
            return Err(Error::shape("the width of user vectors", expected, d));
        }
        let (users, ..) = vectors(from, "users")?;
        let (_, known) = from.i64("known")?;
        let (_, map) = from.f32("map")?;
        let rows = 1 + n * key_width(&decoder);
        for (name, found, expected) in [
            ("users", users.len(), known.len() * d),
            ("map", map.len(), rows * d),
        ] {
            if found != expected {
                return Err(Error::shape(name, expected, found));
            }
        }
        Ok(Self {
            format: PhantomData,
            behaviors,
            users: users.into(),
            known: known.to_vec(),
            map: map.to_vec(),
            decoder,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Event, OwnedHistory};

    #[derive(Debug, Clone, PartialEq)]
    struct Test {
        tables: Tables,
        training: TrainingLoop,
    }

    impl Format for Test {
        const KIND: &'static str = "model/test";

        fn tables(&self) -> &Tables {
            &self.tables
        }

        fn training(&self) -> &TrainingLoop {
            &self.training
        }
    }

    /// Item vectors 2 and 4; m_0 = 1, a mean view counts 0.5, a mean purchase 2. Views of both items and a
    /// purchase of the second give p = 1 + 0.5 · 3 + 2 · 4 = 10.5.
    #[test]
    fn behaviors_fold_in_with_their_own_maps() {
        let model = Model::<Test> {
            format: PhantomData,
            behaviors: Behaviors::new(2, 1).unwrap(),
            users: Vec::new().into(),
            known: Vec::new(),
            map: vec![1.0, 0.5, 2.0],
            decoder: DotProduct::new(vec![2.0, 4.0], 1, 1),
        };
        let event = |item: u32, behavior: u8| Event {
            behavior,
            ..Event::of(ItemIdx(item))
        };
        let row = OwnedHistory::of_events(None, vec![event(0, 0), event(1, 0), event(1, 1)]);
        let ledger = model.explain(row.view(), ItemIdx(0));
        assert_eq!(
            (ledger.base, ledger.score, ledger.residual),
            (2.0, 21.0, 0.0)
        );
        let parts: Vec<(f32, u8)> = ledger
            .parts
            .iter()
            .map(|p| (p.value, p.cites[0].behavior))
            .collect();
        assert_eq!(parts, [(16.0, 1), (2.0, 0), (1.0, 0)]);
        let nobody = OwnedHistory::of_items(Vec::new());
        assert_eq!(model.explain(nobody.view(), ItemIdx(1)).score, 4.0);
    }

    /// Reads whether there are any items.
    #[derive(Debug, Clone, PartialEq)]
    struct Any;

    impl Decoder for Any {
        const STEPS: usize = 0;

        fn n_items(&self) -> usize {
            2
        }

        fn width(&self) -> usize {
            2
        }

        fn learned(&self) -> usize {
            1
        }

        fn read(&self, items: &[u32]) -> Vec<f32> {
            vec![f32::from(u8::from(!items.is_empty()))]
        }

        fn lead(&self) -> usize {
            1
        }

        fn key(&self, _: u32) -> &[f32] {
            &[1.0]
        }

        fn scores(&self, user: &[f32]) -> Vec<f32> {
            vec![user[0] + 6.0 * user[1]; 2]
        }

        fn score(&self, user: &[f32], _: u32) -> f32 {
            self.scores(user)[0]
        }

        fn save(&self, _: &mut Tensors) -> Result<()> {
            Ok(())
        }

        fn load(_: &Tensors) -> Result<Self> {
            Ok(Self)
        }
    }

    /// m_0 = 1, a mean view counts 2 and any item 6: the first of two views to join brings 8, the other nothing.
    #[test]
    fn what_is_read_is_shared_over_orders() {
        let model = Model::<Test, Any> {
            format: PhantomData,
            behaviors: Behaviors::new(1, 0).unwrap(),
            users: Vec::new().into(),
            known: Vec::new(),
            map: vec![1.0, 2.0],
            decoder: Any,
        };
        let row = OwnedHistory::of_items(vec![ItemIdx(0), ItemIdx(1)]);
        let ledger = model.explain(row.view(), ItemIdx(0));
        assert_eq!(
            (ledger.base, ledger.score, ledger.residual),
            (1.0, 9.0, 0.0)
        );
        let parts: Vec<f32> = ledger.parts.iter().map(|p| p.value).collect();
        assert_eq!(parts, [4.0, 4.0]);
        assert!(model.latent().is_none());
        let rows = limpid_core::Histories::single(row.view(), 2);
        assert_eq!(model.encode(&rows).row(0).to_vec(), [3.0, 1.0]);
    }

    /// y = 3 x_0 − x_1 + 2.
    #[test]
    fn maps_are_least_squares() {
        let mut rng = limpid_tensor::Rng::new(4, 0);
        let rows: Vec<[f32; 3]> = (0..50).map(|_| [1.0, rng.normal(), rng.normal()]).collect();
        let y: Vec<f32> = rows
            .iter()
            .map(|x| 2.0 * x[0] + 3.0 * x[1] - x[2])
            .collect();
        let found = least_squares(&rows.concat(), &y, [50, 3, 1]);
        for (found, expected) in found.iter().zip([2.0, 3.0, -1.0]) {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
    }
}
