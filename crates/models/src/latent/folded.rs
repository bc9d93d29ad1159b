//! Vectors learned for users and items, with a linear fold-in for everybody else.
//!
//! A training row uses the vector learned for its user. Any other row is folded in from its items,
//!
//! ```text
//! m_u = Σ_{i ∈ u} sources_i / n_u^p        z_u = M m_u        score = z_u · items_j
//! ```
//!
//! with the map M that best fits the learned vectors. A ledger has the contributions of that map; the difference
//! to the learned vector is the residual. Saved without users, a model has the map only.

use limpid_core::{Buffer, Histories, History, ItemIdx, Ledger, Mat, Result, Tensors};

use super::fold_in::{FoldIn, fit_map, pooled};
use super::item_vectors;
use super::vectors::{decode, encode, ledger};

/// Learned vectors and the fold-in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded {
    users: Buffer<f32>, // (U, D)
    known: Vec<i64>,    // (U): hashes of the training rows
    items: Buffer<f32>, // (I, D)
    /// What an item adds to m `(I, D)`; `None`: its vector.
    sources: Option<Buffer<f32>>,
    fold_in: FoldIn,
    d: usize,
}

/// What a model has learned.
pub(crate) struct Learned {
    pub(crate) users: Vec<f32>, // (U, D)
    pub(crate) items: Vec<f32>, // (I, D)
    /// As in [`Folded`]. With sources of its own, z is m itself up to a part that the map has to fit; otherwise the map
    /// has to fit all of z.
    pub(crate) sources: Option<Vec<f32>>,
    /// 1: m is a mean; 0.5: a sum over √n.
    pub(crate) power: f64,
}

impl Folded {
    /// Fits the map. `histories` and `rows` are the training data, the latter as distinct items.
    pub(crate) fn new(histories: &Histories, rows: &[Vec<u32>], d: usize, of: Learned) -> Self {
        let known = histories.rows().map(|r| r.hash() as i64).collect();
        let states = rows.iter().zip(of.users.chunks_exact(d));
        let sources = of.sources.as_deref().unwrap_or(&of.items);
        let pairs = states.map(|(row, p)| (pooled(sources, d, row, of.power), p));
        let map = fit_map(pairs, d, of.sources.is_some());
        Self {
            users: of.users.into(),
            known,
            items: of.items.into(),
            sources: of.sources.map(Buffer::from),
            fold_in: FoldIn {
                map,
                power: of.power,
                d,
            },
            d,
        }
    }

    fn n_items(&self) -> usize {
        self.items.len() / self.d.max(1)
    }

    fn item(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.d..][..self.d]
    }

    fn sources(&self) -> &[f32] {
        self.sources.as_ref().unwrap_or(&self.items)
    }

    fn vector(&self, user: History<'_>) -> Vec<f64> {
        let d = self.d;
        if let Some(u) = user.user
            && self.known.get(u.at()) == Some(&(user.hash() as i64))
        {
            let learned = &self.users[u.at() * d..(u.at() + 1) * d];
            return learned.iter().map(|&p| f64::from(p)).collect();
        }
        self.fold_in.vector(self.sources(), &user.distinct_items())
    }

    pub(crate) fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    pub(crate) fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let q = self.item(item.0);
        let items = user.distinct_items();
        let effects = self.fold_in.effects(self.sources(), &items, q);
        ledger(user, &effects, &self.vector(user), q)
    }

    pub(crate) fn encode(&self, users: &Histories) -> Mat {
        encode(users, self.d, |user| self.vector(user))
    }

    pub(crate) fn decode(&self, z: &Mat) -> Mat {
        decode(z, &self.items, self.n_items())
    }

    pub(crate) fn decode_gradient(&self, item: ItemIdx) -> Vec<f32> {
        self.item(item.0).to_vec()
    }

    pub(crate) fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.n_items(), self.d), self.items.to_vec()).ok()
    }

    pub(crate) fn save(&self, out: &mut Tensors) {
        let (n_items, d) = (self.n_items(), self.d);
        out.put_f32("users", &[self.known.len(), d], self.users.clone());
        out.put_f32("items", &[n_items, d], self.items.clone());
        if let Some(sources) = &self.sources {
            out.put_f32("sources", &[n_items, d], sources.clone());
        }
        out.put_i64("known", &[self.known.len()], self.known.clone());
        out.put_f32("map", &[d, d], self.fold_in.map.clone());
    }

    /// Without the learned vectors, which give the histories away, everyone is folded in.
    pub(crate) fn without_users(&self) -> Self {
        Self {
            users: Vec::new().into(),
            known: Vec::new(),
            ..self.clone()
        }
    }

    /// Loads what [`save`](Self::save) wrote; `own_sources`: whether it has sources of its own.
    ///
    /// # Errors
    /// If an array is missing or of another shape.
    pub(crate) fn load(from: &Tensors, power: f64, own_sources: bool) -> Result<Self> {
        let (items, n_items, d) = item_vectors(from, "items")?;
        let (_, known) = from.i64("known")?;
        let users = from.shaped("users", &[known.len(), d])?;
        let map = from.shaped("map", &[d, d])?;
        let sources = match own_sources {
            true => Some(from.shaped("sources", &[n_items, d])?),
            false => None,
        };
        Ok(Self {
            users,
            known: known.to_vec(),
            items,
            sources,
            fold_in: FoldIn {
                map: map.to_vec(),
                power,
                d,
            },
            d,
        })
    }
}

/// Declares a model that is a [`Folded`], with its traits: its format, the exponent p, and whether it has sources of
/// its own.
macro_rules! folded_model {
    ($kind:literal, $power:expr, $own_sources:literal) => {
        /// The fitted model.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Model {
            vectors: crate::latent::folded::Folded,
        }

        impl limpid_core::Recommender for Model {
            fn score(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                self.vectors.score(users)
            }

            fn explain(
                &self,
                user: limpid_core::History<'_>,
                item: limpid_core::ItemIdx,
            ) -> limpid_core::Ledger {
                self.vectors.explain(user, item)
            }

            fn latent(&self) -> Option<&dyn limpid_core::Latent> {
                Some(self)
            }
        }

        impl limpid_core::Latent for Model {
            fn encode(&self, users: &limpid_core::Histories) -> limpid_core::Mat {
                self.vectors.encode(users)
            }

            fn decode(&self, z: &limpid_core::Mat) -> limpid_core::Mat {
                self.vectors.decode(z)
            }

            fn decode_gradient(&self, _: &[f32], item: limpid_core::ItemIdx) -> Vec<f32> {
                self.vectors.decode_gradient(item)
            }

            fn item_vectors(&self) -> Option<limpid_core::Mat> {
                self.vectors.item_vectors()
            }
        }

        impl limpid_core::Artifact for Model {
            const KIND: &'static str = $kind;

            fn save(&self, out: &mut limpid_core::Tensors) -> limpid_core::Result<()> {
                self.vectors.save(out);
                Ok(())
            }

            fn without_users(&self) -> Option<Self> {
                Some(Self {
                    vectors: self.vectors.without_users(),
                })
            }

            fn load(from: &limpid_core::Tensors) -> limpid_core::Result<Self> {
                let vectors = crate::latent::folded::Folded::load(from, $power, $own_sources)?;
                Ok(Self { vectors })
            }
        }
    };
}

pub(crate) use folded_model;

#[cfg(test)]
mod tests {
    use super::*;

    /// Item vectors 2 and 4, users (0) and (0, 1) with the learned vectors 1 and 1.5: m = 2 and 3, so M = 0.5.
    #[test]
    fn one_dimension_by_hand() {
        let rows = [vec![0u32], vec![0, 1]];
        let histories = Histories::from_rows(&rows, 2).unwrap();
        let learned = Learned {
            users: vec![1.0, 1.5],
            items: vec![2.0, 4.0],
            sources: None,
            power: 1.0,
        };
        let folded = Folded::new(&histories, &rows, 1, learned);
        assert!(
            (folded.fold_in.map[0] - 0.5).abs() < 1e-3,
            "{:?}",
            folded.fold_in.map
        );
        let other = Histories::from_rows(&[vec![1]], 2).unwrap();
        let ledger = folded.explain(other.row(0), ItemIdx(0));
        assert!((ledger.score - 4.0).abs() < 1e-2 && ledger.residual.abs() < 1e-5);
    }
}
