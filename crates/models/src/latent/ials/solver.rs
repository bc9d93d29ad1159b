//! One half of an alternation: the vectors of all rows, given those of the other side.
//!
//! For a row with the items S, both solve equation 4 of Hu, Koren and Volinsky,
//!
//! ```text
//! A p = b,   A = QᵀQ + α Σ_{i ∈ S} q_i q_iᵀ + reg I,   b = (1 + α) Σ_{i ∈ S} q_i
//! ```
//!
//! - [`Solver::Cg`] takes a few steps of conjugate gradients from the vector of the previous epoch and
//!   never forms A: `O(|S| D)` for a step instead of `O(|S| D² + D³)`. Takács, Pilászy and Tikk,
//!   Applications of the conjugate gradient method for implicit feedback collaborative filtering,
//!   RecSys 2011; three steps, as in the reference implementation
//!   (<https://github.com/benfred/implicit/blob/v0.7.2/implicit/cpu/_als.pyx>).
//! - [`Solver::Cholesky`] is exact. A fitted model folds users in with the same [`System`], whichever
//!   solver trained it.
//!
//! Every row is solved on its own and `QᵀQ` is summed in fixed pieces, so the number of threads does not
//! change the result.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{
    LltRegularization, cholesky_in_place, cholesky_in_place_scratch,
};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Accum, MatMut, MatRef, Par};
use limpid_core::Csr;
use limpid_tensor::matmul::{Factor, product};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Solver;

/// Conjugate gradient steps per row and epoch.
const STEPS: usize = 3;

/// Squared residual at which a row counts as solved (as in the reference implementation).
const SOLVED: f32 = 1e-20;

/// Vectors are padded with zeros to a multiple of this, the widest vector of single precision, so
/// that the kernels have no remainders.
const LANES: usize = 16;

/// Rows per task.
const GRAIN: usize = 16;

/// Vectors of one side `(n, D)`, padded to `(n, width)`.
pub(super) struct Side {
    padded: Vec<f32>,
    width: usize,
    d: usize,
}

impl Side {
    /// From vectors `(n, D)`.
    pub(super) fn new(vectors: &[f32], d: usize) -> Self {
        let width = d.next_multiple_of(LANES);
        let mut padded = vec![0f32; vectors.len() / d * width];
        for (to, from) in padded.chunks_exact_mut(width).zip(vectors.chunks_exact(d)) {
            to[..d].copy_from_slice(from);
        }
        Self { padded, width, d }
    }

    /// `n` vectors of zeros.
    pub(super) fn zeros(n: usize, d: usize) -> Self {
        let width = d.next_multiple_of(LANES);
        Self {
            padded: vec![0f32; n * width],
            width,
            d,
        }
    }

    fn vector(&self, at: u32) -> &[f32] {
        let start = at as usize * self.width;
        &self.padded[start..start + self.width]
    }

    /// The vectors `(n, D)`.
    pub(super) fn to_vectors(&self) -> Vec<f32> {
        let rows = self.padded.chunks_exact(self.width);
        rows.flat_map(|row| &row[..self.d]).copied().collect()
    }

    /// Solves every row of `rows` `(n, m)` for this side, given the other side `(m, D)`.
    pub(super) fn solve(
        &mut self,
        other: &Self,
        rows: &Csr,
        (alpha, reg): (f64, f64),
        solver: Solver,
    ) {
        match solver {
            Solver::Cg => self.descend(other, rows, alpha as f32, reg as f32),
            Solver::Cholesky => self.solve_exactly(other, rows, (alpha, reg)),
        }
    }

    fn descend(&mut self, other: &Self, rows: &Csr, alpha: f32, reg: f32) {
        let width = self.width;
        let q = Factor::new(&other.padded, rows.n_columns(), width);
        let mut gram = vec![0f32; width * width];
        product(&mut gram, q.t(), q, false);
        for k in 0..width {
            gram[k * width + k] += reg;
        }
        self.padded
            .par_chunks_mut(width)
            .enumerate()
            .with_min_len(GRAIN)
            .for_each_init(
                || vec![0f32; 3 * width],
                |memory, (row, vector)| {
                    Arch::new().dispatch(Descent {
                        gram: &gram,
                        other,
                        row: rows.row(row).0,
                        alpha,
                        vector,
                        memory,
                    });
                },
            );
    }

    fn solve_exactly(&mut self, other: &Self, rows: &Csr, weights: (f64, f64)) {
        let (d, vectors) = (self.d, other.to_vectors());
        let gram = gram(&vectors, d);
        self.padded
            .par_chunks_mut(self.width)
            .enumerate()
            .for_each(|(row, out)| {
                let row = rows.row(row).0;
                let mut solution = weighted_sum(&vectors, d, row, weights.0);
                System::new(&gram, &vectors, d, row, weights).solve(&mut solution);
                for (o, &s) in out.iter_mut().zip(&solution) {
                    *o = s as f32;
                }
            });
    }
}

/// `b = (1 + α) Σ q` `(D)` over the items of a row.
pub(super) fn weighted_sum(vectors: &[f32], d: usize, row: &[u32], alpha: f64) -> Vec<f64> {
    let mut sum = vec![0f64; d];
    for &i in row {
        let q = &vectors[i as usize * d..(i as usize + 1) * d];
        for (s, &q) in sum.iter_mut().zip(q) {
            *s += (1.0 + alpha) * f64::from(q);
        }
    }
    sum
}

/// Conjugate gradients for one row.
struct Descent<'a> {
    gram: &'a [f32], // (width, width): QᵀQ + reg I
    other: &'a Side,
    row: &'a [u32],
    alpha: f32,
    vector: &'a mut [f32], // (width): the start, then the solution
    memory: &'a mut [f32], // (3, width): residual, direction, A · direction
}

impl WithSimd for Descent<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gram,
            other,
            row,
            alpha,
            vector,
            memory,
        } = self;
        if row.is_empty() {
            vector.fill(0.0);
            return;
        }
        let width = vector.len();
        let (residual, rest) = memory.split_at_mut(width);
        let (direction, image) = rest.split_at_mut(width);
        // b − A p = Σ (1 + α − α (q · p)) q − (QᵀQ + reg I) p
        gram_product(simd, gram, vector, residual);
        for r in residual.iter_mut() {
            *r = -*r;
        }
        add_row(simd, other, row, vector, residual, 1.0 + alpha, -alpha);
        direction.copy_from_slice(residual);
        let mut squared = dot(simd, residual, residual);
        for _ in 0..STEPS {
            if squared < SOLVED {
                break;
            }
            gram_product(simd, gram, direction, image);
            add_row(simd, other, row, direction, image, 0.0, alpha);
            let length = squared / dot(simd, direction, image);
            for k in 0..width {
                vector[k] += length * direction[k];
                residual[k] -= length * image[k];
            }
            let before = squared;
            squared = dot(simd, residual, residual);
            for (p, &r) in direction.iter_mut().zip(&*residual) {
                *p = r + squared / before * *p;
            }
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = simd.splat_f32s(0.0);
    for (&a, &b) in S::as_simd_f32s(a).0.iter().zip(S::as_simd_f32s(b).0) {
        sum = simd.mul_add_f32s(a, b, sum);
    }
    simd.reduce_sum_f32s(sum)
}

/// `out = M p` for a symmetric M `(width, width)`.
#[inline(always)]
fn gram_product<S: Simd>(simd: S, gram: &[f32], p: &[f32], out: &mut [f32]) {
    let width = p.len();
    out.fill(0.0);
    for (rows, p) in gram.chunks_exact(4 * width).zip(p.as_chunks::<4>().0) {
        let (a, rest) = rows.split_at(width);
        let (b, rest) = rest.split_at(width);
        let (c, d) = rest.split_at(width);
        add_four(simd, [a, b, c, d], *p, out);
    }
}

/// `out += Σ_{i ∈ row} (constant + slope (q_i · p)) q_i`.
#[inline(always)]
fn add_row<S: Simd>(
    simd: S,
    other: &Side,
    row: &[u32],
    p: &[f32],
    out: &mut [f32],
    constant: f32,
    slope: f32,
) {
    let (fours, rest) = row.as_chunks::<4>();
    let p = S::as_simd_f32s(p).0;
    for &[a, b, c, d] in fours {
        let vectors = [
            other.vector(a),
            other.vector(b),
            other.vector(c),
            other.vector(d),
        ];
        let a = &S::as_simd_f32s(vectors[0]).0[..p.len()];
        let b = &S::as_simd_f32s(vectors[1]).0[..p.len()];
        let c = &S::as_simd_f32s(vectors[2]).0[..p.len()];
        let d = &S::as_simd_f32s(vectors[3]).0[..p.len()];
        let zero = simd.splat_f32s(0.0);
        let (mut in_a, mut in_b, mut in_c, mut in_d) = (zero, zero, zero, zero);
        for k in 0..p.len() {
            in_a = simd.mul_add_f32s(a[k], p[k], in_a);
            in_b = simd.mul_add_f32s(b[k], p[k], in_b);
            in_c = simd.mul_add_f32s(c[k], p[k], in_c);
            in_d = simd.mul_add_f32s(d[k], p[k], in_d);
        }
        let scales = [
            constant + slope * simd.reduce_sum_f32s(in_a),
            constant + slope * simd.reduce_sum_f32s(in_b),
            constant + slope * simd.reduce_sum_f32s(in_c),
            constant + slope * simd.reduce_sum_f32s(in_d),
        ];
        add_four(simd, vectors, scales, out);
    }
    for &i in rest {
        let vector = S::as_simd_f32s(other.vector(i)).0;
        let mut sum = simd.splat_f32s(0.0);
        for (&q, &p) in vector.iter().zip(p) {
            sum = simd.mul_add_f32s(q, p, sum);
        }
        let scale = simd.splat_f32s(constant + slope * simd.reduce_sum_f32s(sum));
        for (o, &q) in S::as_mut_simd_f32s(out).0.iter_mut().zip(vector) {
            *o = simd.mul_add_f32s(scale, q, *o);
        }
    }
}

/// `out += Σ scale · vector` of four vectors. Here and above no closures: what they call would not be
/// compiled for wide vectors.
#[inline(always)]
fn add_four<S: Simd>(simd: S, vectors: [&[f32]; 4], scales: [f32; 4], out: &mut [f32]) {
    let out = S::as_mut_simd_f32s(out).0;
    let a = &S::as_simd_f32s(vectors[0]).0[..out.len()];
    let b = &S::as_simd_f32s(vectors[1]).0[..out.len()];
    let c = &S::as_simd_f32s(vectors[2]).0[..out.len()];
    let d = &S::as_simd_f32s(vectors[3]).0[..out.len()];
    let (for_a, for_b) = (simd.splat_f32s(scales[0]), simd.splat_f32s(scales[1]));
    let (for_c, for_d) = (simd.splat_f32s(scales[2]), simd.splat_f32s(scales[3]));
    for k in 0..out.len() {
        let mut sum = simd.mul_add_f32s(for_a, a[k], out[k]);
        sum = simd.mul_add_f32s(for_b, b[k], sum);
        sum = simd.mul_add_f32s(for_c, c[k], sum);
        out[k] = simd.mul_add_f32s(for_d, d[k], sum);
    }
}

/// `Σ v vᵀ` over vectors `(n, D)`, in double precision `(D, D)`.
pub(super) fn gram(vectors: &[f32], d: usize) -> Vec<f64> {
    let mut out = vec![0f64; d * d];
    out.par_chunks_mut(d.max(1))
        .enumerate()
        .for_each(|(r, row)| {
            Arch::new().dispatch(|| {
                for v in vectors.chunks_exact(d) {
                    let a = f64::from(v[r]);
                    for (o, &b) in row.iter_mut().zip(v) {
                        *o += a * f64::from(b);
                    }
                }
            });
        });
    out
}

/// `A = QᵀQ + α Σ_{i ∈ row} q qᵀ + reg I`, as its Cholesky factor.
pub(crate) struct System {
    lower: Vec<f64>, // (D, D), column-major; what is above the diagonal is not read
    d: usize,
}

impl System {
    /// From the Gram matrix `(D, D)` and the vectors `(n, D)` of the other side, the items of a row, and
    /// (α, reg).
    pub(crate) fn new(
        gram: &[f64],
        other: &[f32],
        d: usize,
        row: &[u32],
        (alpha, reg): (f64, f64),
    ) -> Self {
        let mut lower = gram.to_vec();
        let mut a = MatMut::from_column_major_slice_mut(&mut lower, d, d);
        if !row.is_empty() {
            let vectors = row.iter().map(|&i| i as usize * d);
            let vectors: Vec<f64> = vectors
                .flat_map(|at| other[at..at + d].iter().map(|&q| f64::from(q)))
                .collect();
            let q = MatRef::from_row_major_slice(&vectors, row.len(), d);
            triangular::matmul(
                a.as_mut(),
                BlockStructure::TriangularLower,
                Accum::Add,
                q.transpose(),
                BlockStructure::Rectangular,
                q,
                BlockStructure::Rectangular,
                alpha,
                Par::Seq,
            );
        }
        for k in 0..d {
            a[(k, k)] += reg;
        }
        // With reg > 0 the pivots are positive up to rounding, hence the lower bound. Values that are
        // not finite remain so, and training reports them.
        let floor = reg * 1e-9;
        let regularization = LltRegularization {
            dynamic_regularization_delta: floor,
            dynamic_regularization_epsilon: floor,
        };
        let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(
            d,
            Par::Seq,
            faer::Spec::default(),
        ));
        let factored = cholesky_in_place(
            a.as_mut(),
            regularization,
            Par::Seq,
            MemStack::new(&mut memory),
            faer::Spec::default(),
        );
        if factored.is_err() {
            lower.fill(f64::NAN);
        }
        Self { lower, d }
    }

    /// `b ← A⁻¹ b`.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        let lower = MatRef::from_column_major_slice(&self.lower, self.d, self.d);
        let mut b = MatMut::from_column_major_slice_mut(b, self.d, 1);
        solve_lower_triangular_in_place(lower, b.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(lower.transpose(), b, Par::Seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_tensor::Rng;

    #[test]
    fn systems_are_solved() {
        for d in [1, 4, 19, 64] {
            let other = Rng::new(1, 0).uniforms(6 * d, -1.0, 1.0);
            let system = System::new(&gram(&other, d), &other, d, &[1, 4], (2.0, 0.5));
            let b: Vec<f64> = (0..d).map(|k| f64::from(k as u32) - 3.5).collect();
            let mut x = b.clone();
            system.solve(&mut x);
            for r in 0..d {
                let mut sum = 0.5 * x[r];
                for (i, q) in other.chunks(d).enumerate() {
                    let weight = if i == 1 || i == 4 { 3.0 } else { 1.0 };
                    let along: f64 = q.iter().zip(&x).map(|(&q, x)| f64::from(q) * x).sum();
                    sum += weight * f64::from(q[r]) * along;
                }
                assert!((sum - b[r]).abs() < 1e-9, "{sum} {}", b[r]);
            }
        }
    }

    fn rows(n: u32, m: u32) -> Csr {
        let of = |u: u32| {
            (0..m)
                .filter(move |i| (u * 7 + i * 5).is_multiple_of(3))
                .map(|i| (i, 1.0))
        };
        let rows = (0..n).map(|u| match u {
            2 => Vec::new(),
            u => of(u).collect(),
        });
        Csr::from_rows(rows, m as usize).unwrap()
    }

    /// Conjugate gradients converge to the exact solution from any start, given enough steps:
    /// here epoch after epoch on one side.
    #[test]
    fn conjugate_gradients_converge_to_the_exact_solution() {
        for d in [1, 5, 16, 40] {
            let rows = rows(9, 23);
            let other = Side::new(&Rng::new(3, 0).uniforms(23 * d, -1.0, 1.0), d);
            let weights = (2.0, 0.5);
            let mut exact = Side::zeros(9, d);
            exact.solve(&other, &rows, weights, Solver::Cholesky);
            let mut steps = Side::new(&Rng::new(4, 0).uniforms(9 * d, -1.0, 1.0), d);
            for _ in 0..400 {
                steps.solve(&other, &rows, weights, Solver::Cg);
            }
            for (a, b) in steps.to_vectors().iter().zip(exact.to_vectors()) {
                assert!((a - b).abs() < 1e-4, "{a} {b} at width {d}");
            }
            assert_eq!(&steps.to_vectors()[2 * d..3 * d], &vec![0.0; d]);
        }
    }

    #[test]
    fn result_does_not_depend_on_the_number_of_threads() {
        let (d, rows) = (24, rows(70, 31));
        let other = Side::new(&Rng::new(5, 0).uniforms(31 * d, -1.0, 1.0), d);
        let with = |threads, solver| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut side = Side::zeros(70, d);
            pool.install(|| side.solve(&other, &rows, (3.0, 2.0), solver));
            side.to_vectors()
        };
        for solver in [Solver::Cg, Solver::Cholesky] {
            assert_eq!(with(1, solver), with(3, solver));
        }
    }
}
