//! Predictors of ratings: the baselines that a gain has to be a gain over.
//!
//! They predict the value of a pair, and do not rank a catalogue, so they are not recommenders of the registry.
//!
//! - [`Predictor::mean`]: μ, the mean of the training ratings.
//! - [`Predictor::user_bias`], [`Predictor::item_bias`], [`Predictor::biases`]: μ + b_u, μ + b_i, μ + b_u + b_i (Koren, Bell and
//!   Volinsky, "Matrix Factorization Techniques for Recommender Systems", 2009, equation 3), the
//!   minimum of `Σ (r − r̂)² + reg (Σ b_u² + Σ b_i²)`, by coordinate descent.
//! - [`Predictor::factors`]: μ + b_u + b_i + p_u·q_i (equation 4), of
//!   `Σ (r − r̂)² + reg (Σ b² + Σ ‖p_u‖² + Σ ‖q_i‖²)`, factor by factor by coordinate descent (CCD++: Yu et al.,
//!   "Scalable Coordinate Descent Approaches to Parallel Matrix Factorization for Recommender Systems", 2012).
//!
//! All sums are in double precision, in the order of the data, so a fit does not depend on threads.

use limpid_core::{Error, Histories, Result, UserIdx, traits::require};

/// Ratings of training: one entry per event.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings {
    n_users: usize,
    n_items: usize,
    user: Vec<u32>,
    item: Vec<u32>,
    value: Vec<f64>,
    /// The entries of each item: `by_item[starts[i]..starts[i + 1]]`.
    by_item: Vec<u32>,
    starts: Vec<usize>,
    /// The entries of each user, which are consecutive.
    of_user: Vec<std::ops::Range<usize>>,
}

impl Ratings {
    /// The ratings of histories, whose users are below `n_users`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the histories have no values, no events, or rows without a user.
    pub fn of(train: &Histories, n_users: usize) -> Result<Self> {
        let Some(values) = train.values().filter(|values| !values.is_empty()) else {
            return Err(Error::shape(
                "the ratings of training events",
                "a value for each event".to_owned(),
                "none; keep them with --weighted, and name their column with --value-column"
                    .to_owned(),
            ));
        };
        let n_items = train.n_items();
        let mut of_user = vec![0..0; n_users];
        let mut user = Vec::with_capacity(values.len());
        for (row, bounds) in train.users().iter().zip(train.offsets().windows(2)) {
            let known = row.filter(|u| (u.0 as usize) < n_users);
            let Some(known) = known else {
                return Err(Error::shape(
                    "the user of a row of ratings",
                    format!("below {n_users}"),
                    "unknown".to_owned(),
                ));
            };
            of_user[known.0 as usize] = bounds[0]..bounds[1];
            user.resize(bounds[1], known.0);
        }
        let item: Vec<u32> = train.items().iter().map(|i| i.0).collect();
        let mut starts = vec![0; n_items + 1];
        item.iter().for_each(|&i| starts[i as usize + 1] += 1);
        for i in 0..n_items {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut by_item = vec![0; item.len()];
        for (at, &i) in item.iter().enumerate() {
            by_item[next[i as usize]] = at as u32;
            next[i as usize] += 1;
        }
        Ok(Self {
            n_users,
            n_items,
            user,
            item,
            value: values.iter().map(|&v| f64::from(v)).collect(),
            by_item,
            starts,
            of_user,
        })
    }

    /// Number of ratings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    fn of_item(&self, item: usize) -> impl Iterator<Item = usize> {
        let entries = &self.by_item[self.starts[item]..self.starts[item + 1]];
        entries.iter().map(|&at| at as usize)
    }
}

/// The most passes over all biases or factors.
const PASSES: usize = 60;

/// Passes within one factor (CCD++ calls them inner iterations).
const INNER: usize = 2;

/// The fit ends when a pass changes the mean squared error by less than this share of it.
const TOLERANCE: f64 = 1e-5;

/// A fitted predictor of ratings.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictor {
    mean: f64,
    lowest: f64,
    highest: f64,
    /// `(users)`, or empty.
    user_bias: Vec<f64>,
    /// `(items)`, or empty.
    item_bias: Vec<f64>,
    /// `(factors, users)`.
    user_factors: Vec<Vec<f64>>,
    /// `(factors, items)`.
    item_factors: Vec<Vec<f64>>,
}

impl Predictor {
    /// The mean for every pair.
    #[must_use]
    pub fn mean(ratings: &Ratings) -> Self {
        let values = &ratings.value;
        Self {
            mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
            lowest: values.iter().copied().fold(f64::INFINITY, f64::min),
            highest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            user_bias: Vec::new(),
            item_bias: Vec::new(),
            user_factors: Vec::new(),
            item_factors: Vec::new(),
        }
    }

    /// The mean and a bias per user.
    ///
    /// # Errors
    /// [`Error::Range`] unless `reg` is 0 or more.
    pub fn user_bias(ratings: &Ratings, reg: f64) -> Result<Self> {
        Self::biased(ratings, reg, [true, false])
    }

    /// The mean and a bias per item.
    ///
    /// # Errors
    /// As [`Self::user_bias`].
    pub fn item_bias(ratings: &Ratings, reg: f64) -> Result<Self> {
        Self::biased(ratings, reg, [false, true])
    }

    /// The mean and a bias per user and per item.
    ///
    /// # Errors
    /// As [`Self::user_bias`].
    pub fn biases(ratings: &Ratings, reg: f64) -> Result<Self> {
        Self::biased(ratings, reg, [true, true])
    }

    fn biased(ratings: &Ratings, reg: f64, [users, items]: [bool; 2]) -> Result<Self> {
        check(reg)?;
        let mut model = Self::mean(ratings);
        model.user_bias = vec![0.0; if users { ratings.n_users } else { 0 }];
        model.item_bias = vec![0.0; if items { ratings.n_items } else { 0 }];
        let mut rest: Vec<f64> = ratings.value.iter().map(|v| v - model.mean).collect();
        let mut before = f64::INFINITY;
        for _ in 0..PASSES {
            model.descend_biases(ratings, &mut rest, reg);
            if settled(&mut before, &rest) {
                break;
            }
        }
        Ok(model)
    }

    /// Biases and `n_factors` factors; `seed` draws the first values of the factors.
    ///
    /// # Errors
    /// As [`Self::user_bias`].
    pub fn factors(ratings: &Ratings, n_factors: usize, reg: f64, seed: u64) -> Result<Self> {
        let mut model = Self::biases(ratings, reg)?;
        let start = |n: usize, of: u64| -> Vec<Vec<f64>> {
            let one = |factor: usize, at: usize| {
                let word = limpid_core::hash::text(seed ^ of, &format!("{factor} {at}"));
                // Uniform in ±0.1: small beside a rating, and not 0, which is a saddle.
                (word >> 11) as f64 / (1u64 << 53) as f64 * 0.2 - 0.1
            };
            (0..n_factors)
                .map(|factor| (0..n).map(|at| one(factor, at)).collect())
                .collect()
        };
        model.user_factors = start(ratings.n_users, 1);
        model.item_factors = start(ratings.n_items, 2);
        let mut rest: Vec<f64> = (0..ratings.len())
            .map(|at| {
                ratings.value[at] - model.raw(ratings.user[at] as usize, ratings.item[at] as usize)
            })
            .collect();
        let mut before = f64::INFINITY;
        for _ in 0..PASSES {
            model.descend_biases(ratings, &mut rest, reg);
            for factor in 0..n_factors {
                model.descend_factor(ratings, &mut rest, reg, factor);
            }
            if settled(&mut before, &rest) {
                break;
            }
        }
        Ok(model)
    }

    /// One pass over the biases; `rest` is `r − r̂`, and stays so.
    fn descend_biases(&mut self, ratings: &Ratings, rest: &mut [f64], reg: f64) {
        for (user, bias) in self.user_bias.iter_mut().enumerate() {
            let entries = ratings.of_user[user].clone();
            let n = entries.len() as f64;
            let sum: f64 = rest[entries.clone()].iter().sum::<f64>() + n * *bias;
            let new = if n > 0.0 { sum / (n + reg) } else { 0.0 };
            rest[entries].iter_mut().for_each(|r| *r -= new - *bias);
            *bias = new;
        }
        for (item, bias) in self.item_bias.iter_mut().enumerate() {
            let (mut n, mut sum) = (0.0, 0.0);
            for at in ratings.of_item(item) {
                n += 1.0;
                sum += rest[at] + *bias;
            }
            let new = if n > 0.0 { sum / (n + reg) } else { 0.0 };
            for at in ratings.of_item(item) {
                rest[at] -= new - *bias;
            }
            *bias = new;
        }
    }

    /// The best values of one factor, the others fixed: `p_u = Σ (rest + p_u q_i) q_i / (reg + Σ q_i²)`.
    fn descend_factor(&mut self, ratings: &Ratings, rest: &mut [f64], reg: f64, factor: usize) {
        let p = &mut self.user_factors[factor];
        let q = &mut self.item_factors[factor];
        let pair = |at: usize| (ratings.user[at] as usize, ratings.item[at] as usize);
        // Without this factor.
        for (at, r) in rest.iter_mut().enumerate() {
            let (u, i) = pair(at);
            *r += p[u] * q[i];
        }
        for _ in 0..INNER {
            for (user, p) in p.iter_mut().enumerate() {
                let entries = ratings.of_user[user].clone();
                let (mut up, mut down) = (0.0, reg);
                for at in entries {
                    let q = q[ratings.item[at] as usize];
                    up += rest[at] * q;
                    down += q * q;
                }
                *p = if down > 0.0 { up / down } else { 0.0 };
            }
            for (item, q) in q.iter_mut().enumerate() {
                let (mut up, mut down) = (0.0, reg);
                for at in ratings.of_item(item) {
                    let p = p[ratings.user[at] as usize];
                    up += rest[at] * p;
                    down += p * p;
                }
                *q = if down > 0.0 { up / down } else { 0.0 };
            }
        }
        for (at, r) in rest.iter_mut().enumerate() {
            let (u, i) = pair(at);
            *r -= p[u] * q[i];
        }
    }

    fn raw(&self, user: usize, item: usize) -> f64 {
        let bias = |of: &[f64], at: usize| of.get(at).copied().unwrap_or(0.0);
        let factors = self.user_factors.iter().zip(&self.item_factors);
        let product: f64 = factors.map(|(p, q)| bias(p, user) * bias(q, item)).sum();
        self.mean + bias(&self.user_bias, user) + bias(&self.item_bias, item) + product
    }

    /// The predicted rating of a pair, within the range of the training ratings. What was not trained (a new
    /// user, a new item) has no bias and no factors.
    #[must_use]
    pub fn predict(&self, user: UserIdx, item: limpid_core::ItemIdx) -> f64 {
        self.within(self.raw(user.0 as usize, item.at()))
    }

    /// A prediction moved into the range of the training ratings.
    #[must_use]
    pub fn within(&self, rating: f64) -> f64 {
        rating.max(self.lowest).min(self.highest)
    }
}

fn check(reg: f64) -> Result<()> {
    require(reg >= 0.0 && reg.is_finite(), "reg", "0 or more", reg)
}

/// Whether the squared error no longer changes.
fn settled(before: &mut f64, rest: &[f64]) -> bool {
    let now = rest.iter().map(|r| r * r).sum::<f64>();
    let done = (*before - now).abs() <= TOLERANCE * now.max(1e-12);
    *before = now;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::{Event, ItemIdx, OwnedHistory};

    fn ratings(rows: &[&[(u32, f32)]], n_items: usize) -> Ratings {
        let rows: Vec<OwnedHistory> = rows
            .iter()
            .enumerate()
            .map(|(u, row)| {
                let event = |&(i, value): &(u32, f32)| Event {
                    value,
                    ..Event::of(ItemIdx(i))
                };
                OwnedHistory::of_events(Some(UserIdx(u as u32)), row.iter().map(event).collect())
            })
            .collect();
        let table = Histories::from_histories(rows.iter().map(|r| r.view()), n_items).unwrap();
        Ratings::of(&table, rows.len()).unwrap()
    }

    /// Two users, two items; with reg = 1 the minimum of Σ (r − μ − b_u)² + Σ b_u² is b_u = Σ (r − μ) / (n + 1).
    #[test]
    fn biases_by_hand() {
        let data = ratings(&[&[(0, 5.0), (1, 4.0)], &[(0, 2.0), (1, 1.0)]], 2);
        let mean = Predictor::mean(&data);
        assert_eq!(mean.predict(UserIdx(0), ItemIdx(1)), 3.0);
        let users = Predictor::user_bias(&data, 1.0).unwrap();
        assert!((users.predict(UserIdx(0), ItemIdx(0)) - 4.0).abs() < 1e-9);
        assert!((users.predict(UserIdx(1), ItemIdx(0)) - 2.0).abs() < 1e-9);
        // New users have the mean; predictions stay in the range of ratings.
        assert_eq!(users.predict(UserIdx(9), ItemIdx(0)), 3.0);
        let both = Predictor::biases(&data, 0.0).unwrap();
        for (u, i, r) in [(0, 0, 5.0), (0, 1, 4.0), (1, 0, 2.0), (1, 1, 1.0)] {
            assert!((both.predict(UserIdx(u), ItemIdx(i)) - r).abs() < 1e-6);
        }
        assert!(Predictor::biases(&data, -1.0).is_err());
        let implicit = Histories::from_rows(&[vec![0]], 1).unwrap();
        assert!(Ratings::of(&implicit, 1).is_err());
    }

    /// A checkerboard of likes and dislikes has no biases, but one factor.
    #[test]
    fn a_factor_finds_what_biases_cannot() {
        let rows: Vec<Vec<(u32, f32)>> = (0..20)
            .map(|u| {
                let all = (0..20).filter(|i| (u * 7 + i * 3) % 5 != 0);
                all.map(|i| (i, if (u + i) % 2 == 0 { 5.0 } else { 1.0 }))
                    .collect()
            })
            .collect();
        let rows: Vec<&[(u32, f32)]> = rows.iter().map(Vec::as_slice).collect();
        let data = ratings(&rows, 20);
        let error = |model: &Predictor| -> f64 {
            let held_out = (0..20u32).flat_map(|u| (0..20u32).map(move |i| (u, i)));
            let held_out = held_out.filter(|(u, i)| (u * 7 + i * 3) % 5 == 0);
            let errors: Vec<f64> = held_out
                .map(|(u, i)| {
                    let truth = if (u + i) % 2 == 0 { 5.0 } else { 1.0 };
                    (model.predict(UserIdx(u), ItemIdx(i)) - truth).powi(2)
                })
                .collect();
            (errors.iter().sum::<f64>() / errors.len() as f64).sqrt()
        };
        let biases = Predictor::biases(&data, 1.0).unwrap();
        let factors = Predictor::factors(&data, 2, 0.5, 1).unwrap();
        assert!(error(&biases) > 1.5, "{}", error(&biases));
        assert!(error(&factors) < 0.3, "{}", error(&factors));
        assert_eq!(factors, Predictor::factors(&data, 2, 0.5, 1).unwrap());
    }
}
