//! What review texts add to the biases of rating prediction: a ridge regression on profiles.
//!
//! The profile of a user or an item is the mean vector of their training texts. The prediction of a pair is
//! `μ + b_u + b_i + w · x`, where x are the vector of the user, that of the item, and their product by dimension. It is
//! the control "profile only" of LR-Recsys (arXiv 2502.16759): text without anybody's explanation.
//!
//! A review is written with its rating, so a model that sees the review of the pair it predicts learns to read it. A
//! training pair therefore sees both profiles without its own text, as a held-out pair does.

use limpid_core::{Embedder, ItemIdx, Result, Review, UserIdx, traits::require};

use crate::ratings::Predictor;

/// The sum of vectors, and their number.
#[derive(Debug, Clone, PartialEq)]
struct Sum {
    vector: Vec<f64>,
    n: f64,
}

/// Profiles of users and items over a space of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiles {
    users: Vec<Sum>,
    items: Vec<Sum>,
    width: usize,
}

impl Profiles {
    /// Profiles from training reviews, with the vector of each of them.
    #[must_use]
    pub fn of(
        reviews: &[Review<'_>],
        vectors: &[Vec<f32>],
        width: usize,
        n_users: usize,
        n_items: usize,
    ) -> Self {
        let empty = Sum {
            vector: vec![0.0; width],
            n: 0.0,
        };
        let mut profiles = Self {
            users: vec![empty.clone(); n_users],
            items: vec![empty; n_items],
            width,
        };
        for (review, vector) in reviews.iter().zip(vectors) {
            let user = profiles.users.get_mut(review.user.0 as usize);
            let item = profiles.items.get_mut(review.item.at());
            for sum in [user, item].into_iter().flatten() {
                sum.n += 1.0;
                for (total, &x) in sum.vector.iter_mut().zip(vector) {
                    *total += f64::from(x);
                }
            }
        }
        profiles
    }

    /// The features of a pair `(3 width)`; `own` is the vector of its own text, where it is a training pair.
    fn features(&self, user: UserIdx, item: ItemIdx, own: Option<&[f32]>) -> Vec<f64> {
        let mean = |sum: Option<&Sum>| -> Vec<f64> {
            let Some(sum) = sum else {
                return vec![0.0; self.width];
            };
            let without = if own.is_some() { 1.0 } else { 0.0 };
            let n = sum.n - without;
            let each = (0..self.width).map(|d| {
                let own = own.map_or(0.0, |own| f64::from(own[d]));
                if n > 0.0 {
                    (sum.vector[d] - own) / n
                } else {
                    0.0
                }
            });
            each.collect()
        };
        let user = mean(self.users.get(user.0 as usize));
        let item = mean(self.items.get(item.at()));
        let product = user
            .iter()
            .zip(&item)
            .map(|(a, b)| a * b * self.width as f64);
        let product: Vec<f64> = product.collect();
        [user, item, product].concat()
    }
}

/// Biases and profiles.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfilePredictor {
    biases: Predictor,
    profiles: Profiles,
    weights: Vec<f64>,
}

impl ProfilePredictor {
    /// Fits the weights to what the biases leave of the ratings of reviews, with L2 regularization `reg`.
    ///
    /// # Errors
    /// [`limpid_core::Error::Range`] unless `reg` is above 0.
    pub fn fit(
        biases: &Predictor,
        reviews: &[Review<'_>],
        vectors: &[Vec<f32>],
        profiles: &Profiles,
        reg: f64,
    ) -> Result<Self> {
        require(reg > 0.0 && reg.is_finite(), "reg", "above 0", reg)?;
        let k = 3 * profiles.width;
        let mut gram = vec![0.0; k * k];
        let mut right = vec![0.0; k];
        for (review, own) in reviews.iter().zip(vectors) {
            let x = profiles.features(review.user, review.item, Some(own));
            let rest = f64::from(review.value) - biases.predict(review.user, review.item);
            for (a, &xa) in x.iter().enumerate() {
                right[a] += xa * rest;
                for (b, &xb) in x[..=a].iter().enumerate() {
                    gram[a * k + b] += xa * xb;
                }
            }
        }
        for a in 0..k {
            gram[a * k + a] += reg;
            for b in 0..a {
                gram[b * k + a] = gram[a * k + b];
            }
        }
        Ok(Self {
            biases: biases.clone(),
            profiles: profiles.clone(),
            weights: conjugate_gradients(&gram, &right),
        })
    }

    /// The predicted rating of a pair, within the range of the training ratings.
    #[must_use]
    pub fn predict(&self, user: UserIdx, item: ItemIdx) -> f64 {
        let x = self.profiles.features(user, item, None);
        let text: f64 = x.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        self.biases.within(self.biases.predict(user, item) + text)
    }
}

/// The solution of a positive definite system, to single precision.
fn conjugate_gradients(gram: &[f64], right: &[f64]) -> Vec<f64> {
    let k = right.len();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut x = vec![0.0; k];
    let mut rest = right.to_vec();
    let mut step = rest.clone();
    let mut size = dot(&rest, &rest);
    let enough = 1e-14 * size;
    for _ in 0..4 * k {
        if size <= enough {
            break;
        }
        let image: Vec<f64> = gram.chunks_exact(k).map(|row| dot(row, &step)).collect();
        let length = size / dot(&step, &image);
        for a in 0..k {
            x[a] += length * step[a];
            rest[a] -= length * image[a];
        }
        let next = dot(&rest, &rest);
        for a in 0..k {
            step[a] = rest[a] + next / size * step[a];
        }
        size = next;
    }
    x
}

/// The vectors of reviews.
///
/// # Errors
/// As [`Embedder::embed`].
pub fn vectors(embedder: &dyn Embedder, reviews: &[Review<'_>]) -> Result<Vec<Vec<f32>>> {
    let texts: Vec<&str> = reviews.iter().map(|r| r.text).collect();
    embedder.embed(&texts)
}

#[cfg(test)]
mod tests {
    use super::super::tfidf::TextEmbedder;
    use super::*;
    use crate::ratings::Ratings;
    use limpid_core::{Event, Histories, OwnedHistory};

    /// Whether a pair is held out.
    fn is_held_out(u: u32, i: u32) -> bool {
        (u + 3 * i) % 4 == 1
    }

    /// A world in which texts tell what users like: half of the items are strings, half are pedals, users like one kind
    /// and rate few of the other, and every review names the kind of its item. `own` writes the review of the
    /// pair (0, 0).
    type Written = (UserIdx, ItemIdx, f32, String);

    fn world(own: &str) -> (Vec<OwnedHistory>, Vec<Written>) {
        let (mut rows, mut reviews) = (Vec::new(), Vec::new());
        for u in 0..30u32 {
            let mut events = Vec::new();
            for i in 0..12u32 {
                let likes = u % 2 == i % 2;
                if is_held_out(u, i) || (!likes && (u + i) % 5 != 0) {
                    continue;
                }
                let text = match (u, i) {
                    (0, 0) => own.to_owned(),
                    (_, i) if i % 2 == 0 => "bright guitar strings".to_owned(),
                    _ => "a loud distortion pedal".to_owned(),
                };
                let value = if likes { 5.0 } else { 1.0 };
                events.push(Event {
                    value,
                    ..Event::of(ItemIdx(i))
                });
                reviews.push((UserIdx(u), ItemIdx(i), value, text));
            }
            rows.push(OwnedHistory::of_events(Some(UserIdx(u)), events));
        }
        (rows, reviews)
    }

    fn fitted(own: &str) -> (ProfilePredictor, Predictor, Vec<f64>) {
        let (rows, reviews) = world(own);
        let table = Histories::from_histories(rows.iter().map(|r| r.view()), 12).unwrap();
        let ratings = Ratings::of(&table, 30).unwrap();
        let biases = Predictor::biases(&ratings, 1.0).unwrap();
        let reviews: Vec<Review<'_>> = reviews
            .iter()
            .map(|(user, item, value, text)| Review {
                user: *user,
                item: *item,
                value: *value,
                text,
            })
            .collect();
        // The space is that of the other texts, so that only the profiles could pass the own text on.
        let texts: Vec<&str> = reviews.iter().skip(1).map(|r| r.text).collect();
        let embedder = TextEmbedder::fit(&texts, 4).unwrap();
        let vectors = vectors(&embedder, &reviews).unwrap();
        let profiles = Profiles::of(&reviews, &vectors, 4, 30, 12);
        let own = profiles.features(UserIdx(0), ItemIdx(0), Some(&vectors[0]));
        let model = ProfilePredictor::fit(&biases, &reviews, &vectors, &profiles, 0.1).unwrap();
        (model, biases, own)
    }

    #[test]
    fn profiles_add_what_biases_cannot_know() {
        let (model, biases, _) = fitted("bright guitar strings");
        let held_out = (0..30u32).flat_map(|u| (0..12u32).map(move |i| (u, i)));
        let held_out: Vec<(u32, u32)> = held_out.filter(|&(u, i)| is_held_out(u, i)).collect();
        let rmse = |of: &dyn Fn(UserIdx, ItemIdx) -> f64| {
            let errors = held_out.iter().map(|&(u, i)| {
                let truth = if u % 2 == i % 2 { 5.0 } else { 1.0 };
                (of(UserIdx(u), ItemIdx(i)) - truth).powi(2)
            });
            (errors.sum::<f64>() / held_out.len() as f64).sqrt()
        };
        let (with, without) = (
            rmse(&|u, i| model.predict(u, i)),
            rmse(&|u, i| biases.predict(u, i)),
        );
        assert!(with < 0.8 * without, "{with} {without}");
    }

    /// The text of a training pair does not enter the features of that pair, whatever it says.
    #[test]
    fn a_pair_never_sees_its_own_review() {
        let (_, _, good) = fitted("bright guitar strings");
        let (_, _, bad) = fitted("terrible distortion pedal, returned it, never again");
        let differ = good.iter().zip(&bad).any(|(a, b)| (a - b).abs() > 1e-6);
        assert!(!differ, "{good:?} {bad:?}");
    }
}
