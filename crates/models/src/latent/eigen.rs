//! Eigenvectors of the item-to-item matrix: a linear autoencoder of low rank in closed form.
//!
//! PureSVD (Cremonesi, Koren and Turrin, RecSys 2010) with popularity scaling of the items as in EigenRec
//! (Nikolakopoulos, Kalantzis, Gallopoulos and Garofalakis, KAIS 2019). With `c_i` the number of users of
//! item i and X the binary interactions:
//!
//! ```text
//! s_i = (c_i + 1)^−α / mean        S Xᵀ X S ≈ V Λ Vᵀ        z_u = Σ_{i ∈ u} s_i V_i        score_uj = z_u · V_j / s_j
//! ```
//!
//! There is no seed and no iteration count: the same data give the same model. A score is linear in the
//! history, so a ledger has one exact part per item: `s_i V_i · V_j / s_j`.

pub(crate) mod krylov;

use limpid_core::traits::require;
use limpid_core::{
    Artifact, Buffer, Csr, Error, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat,
    Recommender, Result, Run, Scale, Tensors, Training,
};
use limpid_tensor::sparse::batch::Batch;

use super::vectors::{decode, dot, encode, ledger};
use super::{MAX_WIDTH, item_vectors};
use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "eigen",
    aliases: &[],
    about: "eigenvectors of the popularity-scaled item-to-item matrix; closed form, no seed",
    paper: "Cremonesi, Koren and Turrin, RecSys 2010 (PureSVD); Nikolakopoulos et al., KAIS 2019 (EigenRec)",
    reads: Reads::ITEMS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Number of eigenvectors; auto: 1.6 times the square root of the number of users, at most 256 and a
        /// quarter of the items.
        embedding_size: Option<usize> = None, in whole(1, MAX_WIDTH), tune [32, 64, 128, 256];
        /// Exponent of popularity scaling (α): an item of c users is scaled by `(c + 1)^−alpha`.
        alpha: f64 = 0.25, in between(0.0, 1.0), tune [0.25, 0.5];
    }
}

impl Config {
    /// The number of eigenvectors for some data.
    fn width(&self, n_users: usize, n_items: usize) -> usize {
        let by_users = (1.6 * (n_users as f64).sqrt()).ceil() as usize;
        let auto = by_users.min(256).min(n_items / 4);
        self.embedding_size.unwrap_or(auto).clamp(1, n_items.max(1))
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        run.progress.start("eigenvectors", 1);
        let model = self.decompose(&data.histories.to_csr())?;
        run.progress.step(1);
        Ok(model)
    }
}

/// The largest eigenpairs of `S Xᵀ X S`.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenpairs {
    /// The scale s of each item `(I)`.
    pub scale: Vec<f32>,
    /// Eigenvalues `(D)`, descending.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors `(I, D)`, one per column, each with a sum of at least 0.
    pub vectors: Vec<f32>,
}

/// The `width` largest eigenpairs of rows `(U, I)`, whose values are not used, with popularity scaling by
/// the exponent `alpha`.
///
/// # Errors
/// [`Error::Numeric`] if the decomposition fails.
pub fn eigenpairs(rows: &Csr, alpha: f64, width: usize) -> Result<Eigenpairs> {
    let n_items = rows.n_columns();
    let mut counts = vec![0f64; n_items];
    rows.columns()
        .iter()
        .for_each(|&i| counts[i as usize] += 1.0);
    let mut scale: Vec<f64> = counts.iter().map(|c| (c + 1.0).powf(-alpha)).collect();
    let mean = scale.iter().sum::<f64>() / (n_items.max(1) as f64);
    scale.iter_mut().for_each(|s| *s /= mean);
    let scale: Vec<f32> = scale.into_iter().map(|s| s as f32).collect();
    let batch = Batch::new((0..rows.n_rows()).map(|u| rows.row(u).0), n_items);
    let by_scale = |x: &mut [f32], width: usize| {
        for (row, s) in x.chunks_exact_mut(width).zip(&scale) {
            row.iter_mut().for_each(|v| *v *= s);
        }
    };
    let pairs = krylov::largest(n_items, width, |x, width| {
        let mut x = x.to_vec();
        by_scale(&mut x, width);
        let mut users = vec![0.0; rows.n_rows() * width];
        batch.times(&x, width, &mut users);
        batch.transpose_times(&users, width, &mut x);
        by_scale(&mut x, width);
        x
    })?;
    let width = pairs.values.len().max(1);
    let mut vectors = vec![0f32; n_items * width]; // (I, D)
    for (k, vector) in pairs.vectors.chunks_exact(n_items.max(1)).enumerate() {
        let sign = match vector.iter().sum::<f64>() < 0.0 {
            true => -1.0,
            false => 1.0,
        };
        for (i, v) in vector.iter().enumerate() {
            vectors[i * width + k] = (sign * v) as f32;
        }
    }
    Ok(Eigenpairs {
        scale,
        values: pairs.values,
        vectors,
    })
}

impl Config {
    /// Fits rows `(U, I)`, whose values are not used.
    pub(crate) fn decompose(&self, rows: &Csr) -> Result<Model> {
        let n_users = (0..rows.n_rows())
            .filter(|&u| !rows.row(u).0.is_empty())
            .count();
        let width = self.width(n_users, rows.n_columns());
        let pairs = eigenpairs(rows, self.alpha, width)?;
        let width = pairs.values.len().max(1);
        Ok(Model::new(pairs.vectors.into(), pairs.scale.into(), width))
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    vectors: Buffer<f32>, // (I, D): V
    scale: Buffer<f32>,   // (I): s
    outputs: Vec<f32>,    // (I, D): V_j / s_j
    width: usize,
}

impl Model {
    fn new(vectors: Buffer<f32>, scale: Buffer<f32>, width: usize) -> Self {
        let mut outputs = vectors.to_vec();
        for (row, s) in outputs.chunks_exact_mut(width).zip(scale.iter()) {
            row.iter_mut().for_each(|v| *v /= s);
        }
        Self {
            vectors,
            scale,
            outputs,
            width,
        }
    }

    fn output(&self, item: u32) -> &[f32] {
        let at = item as usize * self.width;
        &self.outputs[at..at + self.width]
    }

    fn input(&self, item: u32) -> (&[f32], f64) {
        let at = item as usize * self.width;
        let scale = f64::from(self.scale[item as usize]);
        (&self.vectors[at..at + self.width], scale)
    }

    /// `z = Σ s_i V_i` of a user's items.
    fn vector(&self, items: &[u32]) -> Vec<f64> {
        let mut z = vec![0f64; self.width];
        for &i in items {
            let (vector, scale) = self.input(i);
            z.iter_mut()
                .zip(vector)
                .for_each(|(z, &v)| *z += scale * f64::from(v));
        }
        z
    }
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.decode(&self.encode(users))
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        let items = user.distinct_items();
        let towards: Vec<f64> = self.output(item.0).iter().map(|&v| f64::from(v)).collect();
        let effect = |i: u32| {
            let (vector, scale) = self.input(i);
            scale * dot(&towards, vector)
        };
        let effects: Vec<(u32, f64)> = items.iter().map(|&i| (i, effect(i))).collect();
        ledger(user, &effects, &self.vector(&items), self.output(item.0))
    }

    fn scale(&self) -> Scale {
        Scale::Counts
    }

    fn latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }
}

impl Latent for Model {
    fn encode(&self, users: &Histories) -> Mat {
        encode(users, self.width, |user| {
            self.vector(&user.distinct_items())
        })
    }

    fn decode(&self, z: &Mat) -> Mat {
        decode(z, &self.outputs, self.scale.len())
    }

    fn decode_gradient(&self, _: &[f32], item: ItemIdx) -> Vec<f32> {
        self.output(item.0).to_vec()
    }

    fn item_vectors(&self) -> Option<Mat> {
        Mat::from_shape_vec((self.scale.len(), self.width), self.outputs.clone()).ok()
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/eigen";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        out.put_f32(
            "vectors",
            &[self.scale.len(), self.width],
            self.vectors.clone(),
        );
        out.put_f32("scale", &[self.scale.len()], self.scale.clone());
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (vectors, n_items, width) = item_vectors(from, "vectors")?;
        let scale = from.f32("scale")?.1;
        if scale.len() != n_items {
            return Err(Error::shape("scale", n_items, scale.len()));
        }
        let bad = scale.iter().find(|s| !(s.is_finite() && **s > 0.0));
        require(
            bad.is_none(),
            "scale",
            "above 0",
            bad.copied().unwrap_or(0.0),
        )?;
        Ok(Self::new(vectors, scale, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_core::Catalogue;

    fn fit(rows: &[Vec<u32>], n: usize, config: &Config) -> Model {
        let histories = Histories::from_rows(rows, n).unwrap();
        let catalogue = Catalogue::default();
        let data = Training {
            histories: &histories,
            catalogue: &catalogue,
        };
        config.fit(&data, &mut Run::seeded(0)).unwrap()
    }

    /// Two items that two users share, and one that a third user has: without scaling,
    /// XᵀX = [[2, 2, 0], [2, 2, 0], [0, 0, 1]] has (1, 1, 0)/√2 as its first eigenvector.
    #[test]
    fn first_eigenvector_by_hand() {
        let config = Config {
            embedding_size: Some(1),
            alpha: 0.0,
        };
        let model = fit(&[vec![0, 1], vec![0, 1], vec![2]], 3, &config);
        let one = Histories::from_rows(&[vec![0], vec![2]], 3).unwrap();
        let scores = model.score(&one);
        for (found, expected) in scores.iter().zip([0.5, 0.5, 0.0, 0.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-5, "{scores}");
        }
    }

    /// With all eigenvectors, VVᵀ = 1: a user's scores are their own items.
    #[test]
    fn all_eigenvectors_reproduce_the_input() {
        let rows: Vec<Vec<u32>> = (0..9u32)
            .map(|u| (0..9).filter(|i| (u * 7 + i * i) % 3 != 0).collect())
            .collect();
        let config = Config {
            embedding_size: Some(9),
            ..Config::default()
        };
        let model = fit(&rows, 9, &config);
        let histories = Histories::from_rows(&rows, 9).unwrap();
        let scores = model.score(&histories);
        for (u, row) in rows.iter().enumerate() {
            for i in 0..9u32 {
                let expected = f32::from(u8::from(row.contains(&i)));
                assert!((scores[(u, i as usize)] - expected).abs() < 1e-4);
            }
        }
    }
}
