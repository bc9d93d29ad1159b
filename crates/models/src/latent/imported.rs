//! User states and item vectors of a model that was trained elsewhere: `score = p_u · q_i + b_i`.
//!
//! Any model whose last step is a linear decoder has this form: matrix factorizations, graph and two-tower
//! networks, sequential models at the state of a user. It is not trained here; [`Model::new`] takes its arrays.
//!
//! A user with the history that came with the arrays has the state that was given. Any other history is folded
//! in by the linear map from its pooled item vectors that best fits the given states, ridge regression of
//! states on `Σ_{i ∈ u} q_i / |u|^a`; of a = 0, 1/2 and 1, the one that fits best. Without histories there is
//! nothing to fit it on, and only users with a state can be scored; all others have the biases alone.

use limpid_core::{
    Artifact, Buffer, Error, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat, OwnedHistory,
    Recommender, Result, Run, Tensors, Training,
};

use super::fold_in::{FoldIn, fit_map, pooled};
use super::vectors::{decode, dot, encode, parts};
use super::{MAX_WIDTH, item_vectors, score_of};
use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "imported",
    aliases: &[],
    about: "user states and item vectors of a model that was trained elsewhere",
    paper: "none; the arrays are given to 'limpid probe --states'",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// It has no hyper-parameters.
    pub struct Config {}
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// It cannot be trained.
    fn fit(&self, _: &Training<'_>, _: &mut Run<'_>) -> Result<Model> {
        Err(Error::range(
            "the model",
            "one that is trained; 'imported' is read by 'limpid probe --states'",
            ENTRY.name,
        ))
    }
}

/// Exponents a of the number of items by which their sum is divided.
const POOLED: [f64; 3] = [0.0, 0.5, 1.0];

/// The arrays of a model that was trained elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    users: Buffer<f32>, // (U, D)
    items: Buffer<f32>, // (I, D)
    bias: Vec<f32>,     // (I), or none
    known: Vec<i64>,    // (U): hashes of the rows that came with the states
    d: usize,
    /// From pooled item vectors to the state of a history without a given one.
    fold_in: Option<FoldIn>,
}

/// How well the fold-in gives the states that are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldedIn {
    /// Mean cosine of given states with those that are folded in from the same histories.
    pub cosine: f64,
    /// Users on whom it was fitted.
    pub users: usize,
}

impl Model {
    /// From states `(U, D)` of users by their index, item vectors `(I, D)`, biases `(I)` or none, and the rows
    /// of users with events; says how well other histories can be folded in, if there are any rows.
    ///
    /// # Errors
    /// [`Error::Shape`] where the arrays do not fit, [`Error::Range`] for a value that is not finite or too wide
    /// vectors.
    pub fn new(
        users: &Mat,
        items: &Mat,
        bias: Vec<f32>,
        histories: &Histories,
    ) -> Result<(Self, Option<FoldedIn>)> {
        let (n_items, d) = items.dim();
        limpid_core::traits::require(
            (1..=MAX_WIDTH).contains(&d),
            "the width of item vectors",
            &format!("between 1 and {MAX_WIDTH}"),
            d,
        )?;
        if users.ncols() != d {
            return Err(Error::shape("columns of user states", d, users.ncols()));
        }
        if histories.n_items() != n_items {
            return Err(Error::shape(
                "items of the histories",
                n_items,
                histories.n_items(),
            ));
        }
        if !(bias.is_empty() || bias.len() == n_items) {
            return Err(Error::shape("item biases", n_items, bias.len()));
        }
        let named = [
            ("user states", users.iter()),
            ("item vectors", items.iter()),
        ];
        let bad = named.into_iter().find_map(|(name, mut values)| {
            let bad = values.find(|v| !v.is_finite())?;
            Some((name, *bad))
        });
        let of_bias = bias.iter().find(|v| !v.is_finite());
        if let Some((name, value)) = bad.or(of_bias.map(|v| ("item biases", *v))) {
            return Err(Error::range(name, "finite", value));
        }
        let nobody = OwnedHistory::default().view().hash() as i64;
        let mut known = vec![nobody; users.nrows()];
        for row in histories.rows() {
            let of = row.user.and_then(|u| known.get_mut(u.at()));
            of.into_iter().for_each(|k| *k = row.hash() as i64);
        }
        let mut model = Self {
            users: users.iter().copied().collect::<Vec<f32>>().into(),
            items: items.iter().copied().collect::<Vec<f32>>().into(),
            bias,
            known,
            d,
            fold_in: None,
        };
        let found = model.fit_fold_in(histories);
        Ok((model, found))
    }

    /// Fits the fold-in with each pooling, and keeps the one whose squared error is the smallest share of the
    /// states.
    fn fit_fold_in(&mut self, histories: &Histories) -> Option<FoldedIn> {
        let d = self.d;
        let (mut rows, mut states) = (Vec::new(), Vec::new());
        for row in histories.rows().filter(|row| !row.is_empty()) {
            let Some(state) = row.user.and_then(|u| self.state(u.at())) else {
                continue;
            };
            states.extend_from_slice(state);
            rows.push(row.distinct_items());
        }
        if rows.is_empty() {
            return None;
        }
        let mut best: Option<(f64, FoldIn, f64)> = None;
        for power in POOLED {
            let pooled = rows.iter().map(|row| pooled(&self.items, d, row, power));
            let map = fit_map(pooled.zip(states.chunks_exact(d)), d, false);
            let fold_in = FoldIn { map, power, d };
            let (mut error, mut cosine) = (0f64, 0f64);
            for (row, state) in rows.iter().zip(states.chunks_exact(d)) {
                let found = fold_in.vector(&self.items, row);
                error += found
                    .iter()
                    .zip(state)
                    .map(|(a, &b)| (a - f64::from(b)).powi(2))
                    .sum::<f64>();
                let length = |x: f64, y: f64| (x * y).sqrt().max(f64::MIN_POSITIVE);
                let own: f64 = state.iter().map(|&v| f64::from(v).powi(2)).sum();
                let other: f64 = found.iter().map(|v| v * v).sum();
                cosine += dot(&found, state) / length(own, other) / rows.len() as f64;
            }
            if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                best = Some((error, fold_in, cosine));
            }
        }
        let (_, fold_in, cosine) = best?;
        self.fold_in = Some(fold_in);
        Some(FoldedIn {
            cosine,
            users: rows.len(),
        })
    }

    /// Whether histories without a given state can be scored.
    #[must_use]
    pub fn folds_in(&self) -> bool {
        self.fold_in.is_some()
    }

    fn n_items(&self) -> usize {
        self.items.len() / self.d.max(1)
    }

    fn state(&self, user: usize) -> Option<&[f32]> {
        self.users.get(user * self.d..(user + 1) * self.d)
    }

    fn item(&self, item: u32) -> &[f32] {
        let at = item as usize * self.d;
        &self.items[at..at + self.d]
    }

    fn bias_of(&self, item: usize) -> f32 {
        self.bias.get(item).copied().unwrap_or(0.0)
    }

    /// The state of a history: the given one, or else folded in, or else zero.
    fn vector(&self, user: History<'_>) -> Vec<f32> {
        let given = user
            .user
            .filter(|u| self.known.get(u.at()) == Some(&(user.hash() as i64)))
            .and_then(|u| self.state(u.at()));
        match (given, &self.fold_in) {
            (Some(state), _) => state.to_vec(),
            (None, Some(fold_in)) => {
                let found = fold_in.vector(&self.items, &user.distinct_items());
                found.into_iter().map(|v| v as f32).collect()
            }
            (None, None) => vec![0.0; self.d],
        }
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    /// One part per item of the history by the fold-in; what the given state has beyond it is the residual.
    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let (state, q) = (self.vector(user), self.item(item.0));
        let bias = self.bias_of(item.at());
        let score = score_of(&state, q) + bias;
        let Some(fold_in) = &self.fold_in else {
            return Ledger::of_parts(bias, Vec::new()).scored(score);
        };
        let effects = fold_in.effects(&self.items, &user.distinct_items(), q);
        Ledger::of_parts(bias, parts(user, &effects)).scored(score)
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        encode(users, self.d, |user| {
            let state = self.vector(user).into_iter();
            state.map(f64::from).collect()
        })
    }

    fn decode(&self, z: &Mat) -> Mat {
        let mut scores = decode(z, &self.items, self.n_items());
        if !self.bias.is_empty() {
            for mut row in scores.rows_mut() {
                row.iter_mut().zip(&self.bias).for_each(|(s, b)| *s += b);
            }
        }
        scores
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        self.item(item.0).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.n_items(), self.d), self.items.to_vec()).ok()
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/imported";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let d = self.d;
        out.put_f32("users", &[self.known.len(), d], self.users.clone());
        out.put_f32("items", &[self.n_items(), d], self.items.clone());
        out.put_f32("bias", &[self.bias.len()], self.bias.clone());
        out.put_i64("known", &[self.known.len()], self.known.clone());
        let map = self.fold_in.as_ref().map_or(&[][..], |f| &f.map);
        out.put_f32("map", &[map.len()], map.to_vec());
        out.put_meta("exponent", &self.fold_in.as_ref().map(|f| f.power))
    }

    /// Without the states, which are of single users, everyone is folded in.
    fn without_users(&self) -> Option<Self> {
        Some(Self {
            users: Vec::new().into(),
            known: Vec::new(),
            ..self.clone()
        })
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, n_items, d) = item_vectors(from, "items")?;
        let (_, known) = from.i64("known")?;
        let users = from.shaped("users", &[known.len(), d])?;
        let bias = from.f32("bias")?.1.to_vec();
        if !(bias.is_empty() || bias.len() == n_items) {
            return Err(Error::shape("bias", n_items, bias.len()));
        }
        let power: Option<f64> = from.meta("exponent")?;
        let fold_in = match power {
            None => None,
            Some(power) if !POOLED.contains(&power) => {
                return Err(Error::range("exponent", "0, 0.5 or 1", power));
            }
            Some(power) => {
                let map = from.shaped("map", &[d * d])?.to_vec();
                Some(FoldIn { map, power, d })
            }
        };
        Ok(Self {
            users,
            items,
            bias,
            known: known.to_vec(),
            d,
            fold_in,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Event, UserIdx};
    use ndarray::array;

    fn rows(items: &[&[u32]]) -> Histories {
        let owned: Vec<OwnedHistory> = (0u32..)
            .zip(items)
            .map(|(u, items)| {
                let events = items.iter().map(|&i| Event::of(ItemIdx(i)));
                OwnedHistory::of_events(Some(UserIdx(u)), events.collect())
            })
            .collect();
        Histories::from_histories(owned.iter().map(OwnedHistory::view), 3).unwrap()
    }

    /// States are sums of twice the item vectors, so the fold-in is twice their sum, by hand: items 0 and 2 of
    /// vectors (1, 0) and (1, 1) give (4, 2), and item 1 of vector (0, 1) and bias .5 scores 2.5.
    #[test]
    fn fold_in_by_hand() {
        let items = array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        let users = array![[2.0, 0.0], [2.0, 2.0], [4.0, 4.0], [9.0, 9.0]];
        let trained = rows(&[&[0], &[0, 1], &[0, 1, 2]]);
        let (model, found) = Model::new(&users, &items, vec![0.0, 0.5, 0.0], &trained).unwrap();
        let found = found.unwrap();
        assert!(found.users == 3 && found.cosine > 0.999, "{found:?}");
        assert_eq!(model.fold_in.as_ref().unwrap().power, 0.0);
        let someone = OwnedHistory::of_items(vec![ItemIdx(0), ItemIdx(2)]);
        let ledger = model.explain(someone.view(), ItemIdx(1));
        assert!((ledger.score - 2.5).abs() < 0.02, "{ledger:?}");
        assert!(ledger.base == 0.5 && !ledger.parts.is_empty() && ledger.adds_up(1e-6));
        // A known row has the state that was given, whatever the fold-in says; a user without a row too.
        let scores = model.score(&trained);
        assert_eq!(scores.row(2).to_vec(), [4.0, 4.5, 8.0]);
        let fourth = OwnedHistory::of_events(Some(UserIdx(3)), Vec::new());
        let one = Histories::single(fourth.view(), 3);
        assert_eq!(model.score(&one).row(0).to_vec(), [9.0, 9.5, 18.0]);
    }

    #[test]
    fn without_histories_only_given_states_count() {
        let items = array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        let none = rows(&[&[], &[]]);
        let (model, found) =
            Model::new(&array![[1.0, 2.0], [3.0, 4.0]], &items, vec![], &none).unwrap();
        assert!(found.is_none() && !model.folds_in());
        assert_eq!(model.score(&none).row(1).to_vec(), [3.0, 4.0, 7.0]);
        let someone = OwnedHistory::of_items(vec![ItemIdx(0)]);
        let ledger = model.explain(someone.view(), ItemIdx(2));
        assert!(ledger.score == 0.0 && ledger.parts.is_empty());
        let reduced = model.without_users().unwrap();
        assert_eq!(reduced.score(&none).row(1).to_vec(), [0.0; 3]);
        let mut saved = Tensors::new();
        model.save(&mut saved).unwrap();
        assert_eq!(Model::load(&saved).unwrap(), model);
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let items = array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        let none = rows(&[&[]]);
        let refused = |users: &Mat, bias: Vec<f32>| {
            let e = Model::new(users, &items, bias, &none).unwrap_err();
            e.to_string()
        };
        assert!(refused(&array![[1.0]], vec![]).contains("columns of user states"));
        assert!(refused(&array![[1.0, 2.0]], vec![1.0]).contains("item biases"));
        assert!(refused(&array![[f32::NAN, 2.0]], vec![]).contains("finite"));
    }
}
