//! Dense products of row-major arrays.

use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par};

/// How a product is divided. A constant, because it determines the order of sums, and a model must not
/// depend on the number of threads.
const PARTS: usize = 8;

/// Multiplications of a product below which it is not divided: some 50 µs, a few times what handing work to
/// another thread costs, and less than waiting for one that is busy. (The library's own limit is 16,384.)
const UNDIVIDED: usize = 1 << 21;

/// A row-major array as a factor.
#[derive(Clone, Copy)]
pub struct Factor<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a, T> Factor<'a, T> {
    /// The array `(rows, columns)`, not transposed. Only its first `rows · columns` elements are used.
    #[must_use]
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            transposed: false,
        }
    }

    /// Its transpose.
    #[must_use]
    pub fn t(mut self) -> Self {
        self.transposed = !self.transposed;
        self
    }

    /// Rows and columns of the factor.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        match self.transposed {
            true => (self.columns, self.rows),
            false => (self.rows, self.columns),
        }
    }

    fn view(&self) -> MatRef<'a, T> {
        let data = &self.data[..self.rows * self.columns];
        let view = MatRef::from_row_major_slice(data, self.rows, self.columns);
        match self.transposed {
            true => view.transpose(),
            false => view,
        }
    }
}

/// `out = a · b`, or `out += a · b` if `add`; `out` is row-major.
///
/// # Panics
/// If shapes disagree: callers are responsible for the layout of their arrays.
pub fn product<T: RealField + Copy>(out: &mut [T], a: Factor<'_, T>, b: Factor<'_, T>, add: bool) {
    let ((m, k), (_, n)) = (a.shape(), b.shape());
    let par = match m.saturating_mul(n).saturating_mul(k) < UNDIVIDED {
        true => Par::Seq,
        false => Par::rayon(PARTS),
    };
    multiply(out, a, b, add, par);
}

/// The same on the current thread, for small products that run in parallel with each other.
pub fn product_here<T: RealField + Copy>(
    out: &mut [T],
    a: Factor<'_, T>,
    b: Factor<'_, T>,
    add: bool,
) {
    multiply(out, a, b, add, Par::Seq);
}

fn multiply<T: RealField + Copy>(
    out: &mut [T],
    a: Factor<'_, T>,
    b: Factor<'_, T>,
    add: bool,
    par: Par,
) {
    let ((m, k), (k_b, n)) = (a.shape(), b.shape());
    assert_eq!(k, k_b, "matrix product: inner dimensions differ");
    let out = &mut out[..m * n];
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            out.fill(T::zero_impl());
        }
        return;
    }
    let accum = if add { Accum::Add } else { Accum::Replace };
    faer::linalg::matmul::matmul(
        MatMut::from_row_major_slice_mut(out, m, n),
        accum,
        a.view(),
        b.view(),
        T::one_impl(),
        par,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use proptest::prelude::*;

    fn random(rng: &mut Rng, n: usize) -> Vec<f32> {
        rng.uniforms(n, -1.0, 1.0)
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            m in 0usize..40, n in 0usize..40, k in 0usize..40,
            ta: bool, tb: bool, add: bool, seed: u64,
        ) {
            let mut rng = Rng::new(seed, 0);
            let (a, b, c) = (random(&mut rng, m * k), random(&mut rng, k * n), random(&mut rng, m * n));
            let fa = if ta { Factor::new(&a, k, m).t() } else { Factor::new(&a, m, k) };
            let fb = if tb { Factor::new(&b, n, k).t() } else { Factor::new(&b, k, n) };
            let mut out = c.clone();
            product(&mut out, fa, fb, add);
            for i in 0..m {
                for j in 0..n {
                    let sum: f64 = (0..k).map(|l| {
                        let x = if ta { a[l * m + i] } else { a[i * k + l] };
                        let y = if tb { b[j * k + l] } else { b[l * n + j] };
                        f64::from(x) * f64::from(y)
                    }).sum();
                    let sum = sum + if add { f64::from(c[i * n + j]) } else { 0.0 };
                    prop_assert!((f64::from(out[i * n + j]) - sum).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn result_does_not_depend_on_the_number_of_threads() {
        let mut rng = Rng::new(1, 0);
        let (a, b) = (random(&mut rng, 130 * 700), random(&mut rng, 700 * 311));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut out = vec![0.0; 130 * 311];
            pool.install(|| {
                product(
                    &mut out,
                    Factor::new(&a, 130, 700),
                    Factor::new(&b, 700, 311),
                    false,
                );
            });
            out
        };
        assert_eq!(with(1), with(3));
        assert_eq!(with(1), with(2));
    }
}
