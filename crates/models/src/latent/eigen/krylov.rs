//! The largest eigenpairs of a large symmetric positive semi-definite operator.
//!
//! Block Lanczos with full orthogonalization and thick restarts (Saad, Numerical Methods for Large
//! Eigenvalue Problems, 2011, sections 6.4 and 7.5; Wu and Simon, SIAM J. Matrix Anal. Appl. 2000). The start
//! is fixed and every sum has a fixed order, so the result depends neither on a seed nor on the number of
//! threads.

use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::{Col, Mat, MatRef, Par};
use limpid_core::{Error, Result};
use limpid_tensor::Rng;
use limpid_tensor::matmul::{Factor, product};

/// Vectors that the operator is applied to at a time.
const BLOCK: usize = 16;

/// Blocks of the basis beyond twice the wanted number.
const SPARE_BLOCKS: usize = 4;

/// Restarts; a handful suffice where eigenvalues are separated at all.
const RESTARTS: usize = 40;

/// A pair is accepted with a residual below this share of its eigenvalue.
const TOLERANCE: f64 = 1e-4;

/// Eigenvalues below this share of the largest one need no more precision than it has: products are
/// computed in single precision.
const NEGLIGIBLE: f64 = 1e-2;

/// Remainders below this share of the operator's norm are rounding errors of single precision.
const ROUNDING: f64 = 1e-6;

/// The largest eigenpairs, in descending order.
pub(crate) struct Pairs {
    /// Eigenvalues `(d)`.
    pub(crate) values: Vec<f64>,
    /// Unit eigenvectors `(d, n)`, one per row.
    pub(crate) vectors: Vec<f64>,
}

/// The `count` largest eigenpairs (fewer if `n` is smaller) of an operator on vectors of length `n`.
///
/// `apply(x, width)` returns the operator's product `(n, width)` with the array `x` `(n, width)`, both
/// row-major.
///
/// # Errors
/// [`Error::Numeric`] if a value is not finite.
pub(crate) fn largest(
    n: usize,
    count: usize,
    mut apply: impl FnMut(&[f32], usize) -> Vec<f32>,
) -> Result<Pairs> {
    let count = count.min(n);
    if count == 0 {
        return Ok(Pairs {
            values: Vec::new(),
            vectors: Vec::new(),
        });
    }
    let capacity = (2 * count + SPARE_BLOCKS * BLOCK).min(n);
    let mut basis = Basis::new(n);
    let mut block = basis.fresh(BLOCK.min(capacity));
    for restart in 0.. {
        // Remainders of the last block: the part of its product that lies outside the basis.
        let mut remainder = Vec::new();
        while !block.is_empty() {
            let width = block.len() / n;
            let image = transposed(&apply(&transposed(&block, width, n), width), n, width);
            if image.iter().any(|v| !v.is_finite()) {
                return Err(Error::Numeric {
                    what: "eigenvectors".to_owned(),
                    why: "a product with the data is not finite".to_owned(),
                });
            }
            remainder = image.iter().map(|&v| f64::from(v)).collect();
            basis.append(&block, &mut remainder);
            block = basis.next(&remainder, capacity);
        }
        let (values, vectors) = basis.ritz_pairs()?;
        let last = remainder.len() / n;
        let converged = (0..count).all(|k| {
            let scale = values[k].max(NEGLIGIBLE * values[0]);
            residual(&vectors[k], &remainder, n, last) <= TOLERANCE * scale
        });
        if converged || basis.len() == n || restart == RESTARTS {
            let vectors = basis.combine(&vectors[..count]);
            return Ok(Pairs {
                values: values[..count].to_vec(),
                vectors,
            });
        }
        // The remainder continues the Krylov space of the kept vectors too.
        let keep = (count + (capacity - count) / 2).min(capacity.saturating_sub(BLOCK));
        basis.restart(&values[..keep], &vectors[..keep]);
        block = basis.next(&remainder, capacity);
    }
    unreachable!("the loop ends after its restarts")
}

/// The norm of the remainder of a Ritz pair: only the last block has one.
fn residual(vector: &[f64], remainder: &[f64], n: usize, last: usize) -> f64 {
    let weights = &vector[vector.len() - last..];
    let mut sum = vec![0.0; n];
    for (&w, row) in weights.iter().zip(remainder.chunks_exact(n)) {
        sum.iter_mut().zip(row).for_each(|(s, r)| *s += w * r);
    }
    sum.iter().map(|s| s * s).sum::<f64>().sqrt()
}

/// Orthonormal vectors, with the operator restricted to them.
struct Basis {
    n: usize,
    vectors: Vec<f64>, // (m, n)
    t: Vec<Vec<f64>>,  // (m, m): the operator in this basis
    starts: u64,
    norm: f64, // the largest norm of an image so far
}

impl Basis {
    fn new(n: usize) -> Self {
        Self {
            n,
            vectors: Vec::new(),
            t: Vec::new(),
            starts: 0,
            norm: 0.0,
        }
    }

    fn len(&self) -> usize {
        self.t.len()
    }

    /// Up to `width` new orthonormal vectors outside the basis.
    fn fresh(&mut self, width: usize) -> Vec<f64> {
        let uniform = Rng::new(0, self.starts).uniforms(width * self.n, -1.0, 1.0);
        self.starts += 1;
        let mut block: Vec<f64> = uniform.into_iter().map(f64::from).collect();
        self.project_out(&mut block);
        self.outside(&block, width)
    }

    /// At most `most` orthonormal vectors that span the rows `(b, n)`, which lie outside the basis up to
    /// rounding; rows that rounding alone would explain are left out.
    fn outside(&self, rows: &[f64], most: usize) -> Vec<f64> {
        let mut block = orthonormal(rows, self.n, most, ROUNDING * self.norm);
        self.project_out(&mut block);
        orthonormal(&block, self.n, most, 0.5)
    }

    /// The block that continues the Krylov space, from the remainders of the last one; empty if a whole one does not
    /// fit into `capacity`. A block that is cut to fit makes all that follow as narrow, so that restarts gain next to
    /// nothing and converged pairs need not be the largest.
    fn next(&mut self, remainder: &[f64], capacity: usize) -> Vec<f64> {
        let room = (capacity - self.len()).min(BLOCK);
        if room < BLOCK && capacity < self.n {
            return Vec::new();
        }
        let block = self.outside(remainder, room);
        match block.is_empty() {
            // An invariant subspace, for example of items that share no user with the rest.
            true => self.fresh(room),
            false => block,
        }
    }

    /// Subtracts the part of each vector `(b, n)` that lies in the basis; returns the coefficients `(b, m)`.
    fn project_out(&self, block: &mut [f64]) -> Vec<f64> {
        let (width, m) = (block.len() / self.n, self.len());
        let mut coefficients = vec![0.0; width * m];
        if m == 0 {
            return coefficients;
        }
        let basis = Factor::new(&self.vectors, m, self.n);
        let vectors = Factor::new(block, width, self.n);
        product(&mut coefficients, vectors, basis.t(), false);
        let negative: Vec<f64> = coefficients.iter().map(|c| -c).collect();
        product(block, Factor::new(&negative, width, m), basis, true);
        coefficients
    }

    /// Appends an orthonormal block whose image is `image`, which becomes its part outside the basis.
    fn append(&mut self, block: &[f64], image: &mut [f64]) {
        let before = self.len();
        self.vectors.extend_from_slice(block);
        let width = block.len() / self.n;
        self.t
            .iter_mut()
            .for_each(|row| row.resize(before + width, 0.0));
        self.t.resize(before + width, vec![0.0; before + width]);
        let largest = image.chunks_exact(self.n).map(norm).fold(0.0, f64::max);
        self.norm = self.norm.max(largest);
        let coefficients = self.project_out(image);
        self.project_out(image);
        for (k, row) in coefficients.chunks_exact(before + width).enumerate() {
            for (other, &c) in row.iter().enumerate() {
                self.t[before + k][other] = c;
                self.t[other][before + k] = c;
            }
        }
    }

    /// Eigenvalues, descending, and eigenvectors `(m, m)` of the restricted operator, one per row.
    fn ritz_pairs(&self) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
        let m = self.len();
        let t = Mat::from_fn(m, m, |a, b| 0.5 * (self.t[a][b] + self.t[b][a]));
        let (values, vectors) = eigen_decomposition(t.as_ref())?;
        let order = (0..m).rev();
        Ok((
            order.clone().map(|k| values[k]).collect(),
            order
                .map(|k| (0..m).map(|row| vectors[(row, k)]).collect())
                .collect(),
        ))
    }

    /// Combinations `(k, n)` of the basis.
    fn combine(&self, coefficients: &[Vec<f64>]) -> Vec<f64> {
        let flat: Vec<f64> = coefficients.iter().flatten().copied().collect();
        let mut out = vec![0.0; coefficients.len() * self.n];
        product(
            &mut out,
            Factor::new(&flat, coefficients.len(), self.len()),
            Factor::new(&self.vectors, self.len(), self.n),
            false,
        );
        out
    }

    /// Continues from some Ritz pairs.
    fn restart(&mut self, values: &[f64], vectors: &[Vec<f64>]) {
        self.vectors = self.combine(vectors);
        self.t = vec![vec![0.0; values.len()]; values.len()];
        for (k, &value) in values.iter().enumerate() {
            self.t[k][k] = value;
        }
    }
}

/// Ascending eigenvalues and eigenvectors (columns) of a symmetric matrix, on one thread.
fn eigen_decomposition(t: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let failed = |why: &str| Error::Numeric {
        what: "eigenvectors".to_owned(),
        why: why.to_owned(),
    };
    let m = t.nrows();
    let scratch = evd::self_adjoint_evd_scratch::<f64>(
        m,
        ComputeEigenvectors::Yes,
        Par::Seq,
        faer::Spec::default(),
    );
    let mut memory = faer::dyn_stack::MemBuffer::try_new(scratch)
        .map_err(|_| failed("not enough memory for the workspace"))?;
    let mut values = Col::zeros(m);
    let mut vectors = Mat::zeros(m, m);
    evd::self_adjoint_evd(
        t,
        values.as_mut().as_diagonal_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        faer::dyn_stack::MemStack::new(&mut memory),
        faer::Spec::default(),
    )
    .map_err(|_| failed("the decomposition did not converge"))?;
    Ok((values.iter().copied().collect(), vectors))
}

/// At most `most` orthonormal vectors that span the rows `(b, n)`, by Gram-Schmidt with a second pass;
/// rows of which less than `floor` is left are left out.
fn orthonormal(rows: &[f64], n: usize, most: usize, floor: f64) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::new();
    for row in rows.chunks_exact(n) {
        if out.len() >= most * n {
            break;
        }
        let mut v = row.to_vec();
        for _ in 0..2 {
            for q in out.chunks_exact(n) {
                let c: f64 = q.iter().zip(&v).map(|(q, v)| q * v).sum();
                v.iter_mut().zip(q).for_each(|(v, q)| *v -= c * q);
            }
        }
        let length = norm(&v);
        if length > floor && length > 0.0 {
            out.extend(v.iter().map(|x| x / length));
        }
    }
    out
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The transpose, `(columns, rows)`, of a row-major `(rows, columns)`.
fn transposed<T: Copy + Into<f64>>(data: &[T], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0f32; data.len()];
    for (r, row) in data.chunks_exact(columns.max(1)).enumerate() {
        for (c, &v) in row.iter().enumerate() {
            let v: f64 = v.into();
            out[c * rows + r] = v as f32;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A diagonal operator, with a repeated eigenvalue and a null space.
    #[test]
    fn finds_known_eigenvalues() {
        let diagonal: Vec<f32> = (0..300)
            .map(|i| ((i / 2) as f32).max(100.0) - 100.0)
            .collect();
        let pairs = largest(300, 20, |x, width| {
            x.iter()
                .enumerate()
                .map(|(at, v)| diagonal[at / width] * v)
                .collect()
        })
        .unwrap();
        for (k, value) in pairs.values.iter().enumerate() {
            assert!(
                (value - f64::from(49 - k as u32 / 2)).abs() < 1e-3,
                "{k} {value}"
            );
        }
    }

    /// A dense spectrum, with a basis that is no multiple of a block: no pair is missed, in a few restarts.
    #[test]
    fn dense_spectrum_in_few_restarts() {
        let (n, count) = (2_000, 100);
        let mut applied = 0;
        let pairs = largest(n, count, |x, width| {
            applied += width;
            let of = |at: usize| (1 + at / width) as f32;
            x.iter().enumerate().map(|(at, v)| of(at) * v).collect()
        })
        .unwrap();
        for (k, value) in pairs.values.iter().enumerate() {
            let expected = (n - k) as f64;
            assert!(
                (value - expected).abs() < 1e-2,
                "{k}: {value}, not {expected}"
            );
        }
        assert!(applied < 3_000, "{applied} products");
    }

    proptest! {
        /// Pairs of XᵀX meet their definition and are orthonormal, for every rank and number of pairs.
        #[test]
        fn pairs_of_a_gram_matrix(
            x in proptest::collection::vec(proptest::collection::vec(0u8..2, 37), 1..40),
            count in 1usize..37,
        ) {
            let n = 37;
            let entry = |a: usize, b: usize| x.iter().map(|r| f32::from(r[a] * r[b])).sum::<f32>();
            let apply = |v: &[f32], width: usize| {
                let mut out = vec![0.0; n * width];
                for a in 0..n {
                    for b in 0..n {
                        for w in 0..width {
                            out[a * width + w] += entry(a, b) * v[b * width + w];
                        }
                    }
                }
                out
            };
            let pairs = largest(n, count, apply).unwrap();
            let scale = pairs.values[0].abs().max(1.0);
            for (k, v) in pairs.vectors.chunks_exact(n).enumerate() {
                for a in 0..n {
                    let image: f64 = (0..n).map(|b| f64::from(entry(a, b)) * v[b]).sum();
                    prop_assert!((image - pairs.values[k] * v[a]).abs() < 1e-3 * scale);
                }
                for (j, w) in pairs.vectors.chunks_exact(n).enumerate() {
                    let dot: f64 = v.iter().zip(w).map(|(a, b)| a * b).sum();
                    prop_assert!((dot - f64::from(u8::from(j == k))).abs() < 1e-6);
                }
            }
            // They are the largest: their sum is that of the trace if all are asked for.
            if count == n {
                let trace: f64 = (0..n).map(|a| f64::from(entry(a, a))).sum();
                prop_assert!((pairs.values.iter().sum::<f64>() - trace).abs() < 1e-3 * scale);
            }
        }
    }
}
