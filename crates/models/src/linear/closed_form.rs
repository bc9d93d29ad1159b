//! Linear autoencoders in closed form: the block that EASE and EDLAE share.
//!
//! Both minimize `Σ_u ω_u ‖x_u − x_u B‖² + Σ_i reg_i ‖B_i·‖²` subject to `diag(B) = 0`. With
//! `P = (Xᵀ diag(ω) X + diag(reg))⁻¹` the solution is `B_ij = −P_ij / P_jj` off the diagonal (Steck,
//! WWW 2019, equation 8). P is found by inverting a matrix over items, or, where that is cheaper, one over
//! users ([`dual`]). Items without training events have neither weights nor a place in the solution.
//! Matrices are inverted in double precision; B is rounded to single. The targets of unseen items may be what a
//! teacher expects instead of 0 ([`taught`]).

mod dual;
mod taught;

use faer::linalg::cholesky::llt;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, MatMut, MatRef, Par};
use limpid_core::{Csr, Error, Histories, Result, Run};
use rayon::prelude::*;

use crate::linear::item_links::ItemLinks;

/// How faer divides its work. A constant, because it determines the order of sums, and a model must
/// not depend on the number of threads.
const PARTS: usize = 8;

/// Rows of B that are written together, so that reading a column of P uses whole cache lines.
const BAND: usize = 64;

/// Weights of users, `n_u^−exponent` scaled to a mean of 1 over the users with at least one item;
/// `n_u` is the number of distinct items. A user without items has the weight 0.
pub(crate) fn user_weights(rows: &Csr, exponent: f64) -> Vec<f64> {
    let n_items = |u: usize| rows.offsets()[u + 1] - rows.offsets()[u];
    let mut weights: Vec<f64> = (0..rows.n_rows())
        .map(|u| match n_items(u) {
            0 => 0.0,
            n => (n as f64).powf(-exponent),
        })
        .collect();
    let present = (0..rows.n_rows()).filter(|&u| n_items(u) > 0).count();
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        let scale = present as f64 / sum;
        weights.iter_mut().for_each(|w| *w *= scale);
    }
    weights
}

/// The lower triangle of `Xᵀ diag(ω) X` `(I, I)`, column-major, for `X` `(U, I)`; zero above the
/// diagonal. Its cost is the sum of squares of the row lengths.
pub(crate) fn gram_lower(rows: &Csr, weights: &[f64]) -> Vec<f64> {
    let n = rows.n_columns();
    let users = rows.transpose();
    let mut gram = vec![0.0; n * n];
    gram.par_chunks_mut(n.max(1))
        .enumerate()
        .for_each(|(item, column)| {
            let (users, values) = users.row(item);
            for (&u, &value) in users.iter().zip(values) {
                let weight = weights[u as usize] * f64::from(value);
                let (items, values) = rows.row(u as usize);
                let from = items.partition_point(|&i| (i as usize) < item);
                for (&i, &v) in items[from..].iter().zip(&values[from..]) {
                    column[i as usize] += weight * f64::from(v);
                }
            }
        });
    gram
}

/// What is minimized: see the head of this file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem {
    /// Weight of a user with n items: `n^−user_exponent`, scaled to a mean of 1.
    pub user_exponent: f64,
    /// Constant part of the L2 regularization of an item.
    pub reg: f64,
    /// L2 regularization in proportion to `G_ii`.
    pub rho: f64,
}

/// Fits dense item-to-item weights. `soft` `(I, U)` are the targets of unseen items; without it they are 0.
///
/// # Errors
/// [`Error::Memory`] if the matrices exceed the budget, [`Error::Numeric`] if the regularized Gram
/// matrix is not positive definite.
pub(crate) fn fit_links(
    histories: &Histories,
    problem: Problem,
    soft: Option<&Csr>,
    run: &Run<'_>,
) -> Result<ItemLinks> {
    let Problem { reg, rho, .. } = problem;
    let rows = histories.to_csr();
    let users = user_weights(&rows, problem.user_exponent);
    let (items, rows) = with_events(&rows);
    let size = Size::of(&rows);
    // Soft targets need the inverse over items itself.
    let is_dual = soft.is_none() && size.is_dual();
    check_memory(size, is_dual, run.memory_budget)?;
    let links = match is_dual {
        true => dual::fit(&rows, &users, |gram| reg + rho * gram, run)?,
        false => {
            run.progress.start("Gram matrix and inverse", 2);
            let n = rows.n_columns();
            let gram = gram_lower(&rows, &users);
            let l2: Vec<f64> = (0..n).map(|i| reg + rho * gram[i * n + i]).collect();
            run.progress.step(1);
            check_interrupt(run)?;
            let inverse = regularized_inverse(gram, &l2, n)?;
            let mut links = zero_diagonal_weights(&inverse, n);
            if let Some(soft) = soft {
                taught::add(
                    &mut links,
                    inverse,
                    &rows,
                    &users,
                    &taught::among(soft, &items),
                );
            }
            run.progress.step(1);
            links
        }
    };
    ItemLinks::dense_among(links, items, histories.n_items())
}

fn check_interrupt(run: &Run<'_>) -> Result<()> {
    match run.progress.interrupted() {
        true => Err(Error::Interrupted(
            "no checkpoint was saved, because the solution in closed form has none".to_owned(),
        )),
        false => Ok(()),
    }
}

/// The items with events `(A)`, ascending, and the rows `(U, A)` over them alone.
fn with_events(rows: &Csr) -> (Vec<u32>, Csr) {
    const ABSENT: u32 = u32::MAX;
    let mut places = vec![ABSENT; rows.n_columns()];
    for &item in rows.columns() {
        places[item as usize] = 0;
    }
    let items = (0..rows.n_columns() as u32).filter(|&i| places[i as usize] != ABSENT);
    let items: Vec<u32> = items.collect();
    for (place, &item) in items.iter().enumerate() {
        places[item as usize] = place as u32;
    }
    let columns = rows.columns().iter().map(|&i| places[i as usize]);
    let (offsets, values) = (rows.offsets().to_vec(), rows.values().to_vec());
    let among = Csr::new(offsets, columns.collect(), values, items.len())
        .unwrap_or_else(|_| unreachable!("places ascend with the items"));
    (items, among)
}

/// The size of a problem, which decides how it is solved: nothing else does, so the same data give
/// the same model.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size {
    /// Items with events A.
    items: f64,
    /// Users with events U.
    users: f64,
    /// `Σ_u n_u²`: additions of the Gram matrix over items.
    item_pairs: f64,
    /// `Σ_i n_i²`: additions of the Gram matrix over users.
    user_pairs: f64,
}

impl Size {
    fn of(rows: &Csr) -> Self {
        let mut counts = vec![0u32; rows.n_columns()];
        rows.columns().iter().for_each(|&i| counts[i as usize] += 1);
        let lengths = rows.offsets().windows(2).map(|w| (w[1] - w[0]) as f64);
        Self {
            items: rows.n_columns() as f64,
            users: lengths.clone().filter(|&n| n > 0.0).count() as f64,
            item_pairs: lengths.map(|n| n * n).sum(),
            user_pairs: counts.iter().map(|&n| f64::from(n).powi(2)).sum(),
        }
    }

    /// Whether inverting a matrix over users takes fewer operations than inverting one over items.
    fn is_dual(self) -> bool {
        let Self { items, users, .. } = self;
        // Cholesky, triangular inverse and product of triangles: a third of A³ each.
        let primal = self.item_pairs + items.powi(3);
        // Cholesky and triangular inverse over users; half of a product (A, U) · (U, A).
        let dual = self.user_pairs + 2.0 / 3.0 * users.powi(3) + users * items.powi(2);
        dual < primal
    }

    /// Bytes of the matrices: two of A² doubles and B in single precision; or two of U² doubles, one of U · A with
    /// a copy in single precision, a band of A, and B.
    fn bytes(self, is_dual: bool) -> f64 {
        let Self { items, users, .. } = self;
        let b = 4.0 * items.powi(2);
        match is_dual {
            true => {
                let band = dual::BAND as f64 * items;
                b + 8.0 * (2.0 * users.powi(2) + 1.5 * users * items + band)
            }
            false => b + 16.0 * items.powi(2),
        }
    }
}

/// Refuses a catalogue whose dense matrices do not fit.
fn check_memory(size: Size, is_dual: bool, budget: u64) -> Result<()> {
    let needed = size.bytes(is_dual);
    if needed <= budget as f64 {
        return Ok(());
    }
    Err(Error::Memory {
        what: format!(
            "a dense item-to-item model of {} items with training events",
            size.items
        ),
        needed_mb: (needed / 1e6).ceil() as u64,
        budget_mb: budget / 1_000_000,
        hint:
            "increase --memory, remove rare items with --k-core, or use a model that stores only \
               some of the weights: --model mrf (EASE on a sparsity pattern), slim or ruleslim"
                .to_owned(),
    })
}

/// The lower triangle of `P = (G + diag(l2))⁻¹` `(I, I)`, column-major, from that of a Gram matrix
/// (column-major, consumed) and the L2 regularization of each item `(I)`.
///
/// # Errors
/// [`Error::Numeric`] if Gram + L2 is not positive definite.
pub(crate) fn regularized_inverse(mut gram: Vec<f64>, l2: &[f64], n: usize) -> Result<Vec<f64>> {
    for (i, r) in l2.iter().enumerate() {
        gram[i * n + i] += r;
    }
    let par = Par::rayon(PARTS);
    cholesky(&mut gram, n, "item")?;
    let mut a = MatMut::from_column_major_slice_mut(&mut gram, n, n);
    // G = L Lᵀ, so P = L⁻ᵀ L⁻¹; the product overwrites L, which is not needed anymore.
    let mut inverse = vec![0.0; n * n];
    let mut l_inv = MatMut::from_column_major_slice_mut(&mut inverse, n, n);
    invert_lower_triangular(l_inv.as_mut(), a.as_ref(), par);
    let l_inv: MatRef<'_, f64> = l_inv.as_ref();
    triangular::matmul(
        a.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        l_inv.transpose(),
        BlockStructure::TriangularUpper,
        l_inv,
        BlockStructure::TriangularLower,
        1.0,
        par,
    );
    let diagonal = |i: usize| gram[i * n + i];
    match (0..n).find(|&i| !(diagonal(i).is_finite() && diagonal(i) > 0.0)) {
        None => Ok(gram),
        Some(bad) => Err(Error::Numeric {
            what: "inverse of the Gram matrix".to_owned(),
            why: format!(
                "its diagonal is {} at item #{bad}; use a larger reg",
                diagonal(bad)
            ),
        }),
    }
}

/// `B` `(I, I)`, row-major with a zero diagonal, from the lower triangle of `P` (column-major).
pub(crate) fn zero_diagonal_weights(inverse: &[f64], n: usize) -> Vec<f32> {
    let mut links = vec![0f32; n * n]; // (I, I)
    links
        .par_chunks_mut(BAND * n.max(1))
        .enumerate()
        .for_each(|(band, rows)| {
            let first = band * BAND;
            let height = rows.len() / n;
            for j in 0..n {
                let scale = -1.0 / inverse[j * n + j];
                for r in 0..height {
                    let i = first + r;
                    if i != j {
                        let (low, high) = (i.min(j), i.max(j));
                        rows[r * n + j] = (inverse[low * n + high] * scale) as f32;
                    }
                }
            }
        });
    links
}

/// The Cholesky factor, in the lower triangle of a column-major matrix `(n, n)`.
///
/// # Errors
/// [`Error::Numeric`] unless the matrix is positive definite.
fn cholesky(matrix: &mut [f64], n: usize, axis: &str) -> Result<()> {
    let par = Par::rayon(PARTS);
    let mut memory = faer::dyn_stack::MemBuffer::try_new(llt::factor::cholesky_in_place_scratch::<
        f64,
    >(n, par, faer::Spec::default()))
    .map_err(|_| Error::Numeric {
        what: "Cholesky factorization".to_owned(),
        why: "not enough memory for its workspace; use a sparse model such as mrf or slim"
            .to_owned(),
    })?;
    llt::factor::cholesky_in_place(
        MatMut::from_column_major_slice_mut(matrix, n, n),
        Default::default(),
        par,
        faer::dyn_stack::MemStack::new(&mut memory),
        faer::Spec::default(),
    )
    .map(|_| ())
    .map_err(
        |llt::factor::LltError::NonPositivePivot { index }| Error::Numeric {
            what: "Cholesky factorization".to_owned(),
            why: format!(
                "the regularized Gram matrix is not positive definite at {axis} #{index}; use a \
                 larger reg"
            ),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(rows: &[Vec<u32>], n: usize) -> Csr {
        Histories::from_rows(rows, n).unwrap().to_csr()
    }

    fn solve(gram: Vec<f64>, l2: &[f64], n: usize) -> Result<Vec<f32>> {
        Ok(zero_diagonal_weights(&regularized_inverse(gram, l2, n)?, n))
    }

    #[test]
    fn user_weights_have_mean_one() {
        let w = user_weights(&rows(&[vec![0, 1, 2, 3], vec![0], vec![]], 4), 0.5);
        // n^-½ is 0.5 and 1; their mean is 0.75.
        assert!((w[0] - 0.5 / 0.75).abs() < 1e-12 && (w[1] - 1.0 / 0.75).abs() < 1e-12);
        assert_eq!(w[2], 0.0);
        assert_eq!(
            user_weights(&rows(&[vec![0], vec![0, 1]], 2), 0.0),
            [1.0, 1.0]
        );
    }

    /// Two items, G = [[2, 1], [1, 1]], reg 1: P = [[3, 1], [1, 2]]⁻¹ = [[2, −1], [−1, 3]] / 5, so
    /// B_01 = 1/3 and B_10 = 1/2.
    #[test]
    fn two_items_by_hand() {
        let gram = gram_lower(&rows(&[vec![0, 1], vec![0]], 2), &[1.0, 1.0]);
        assert_eq!(gram, [2.0, 1.0, 0.0, 1.0]);
        let b = solve(gram, &[1.0, 1.0], 2).unwrap();
        assert_eq!(b, [0.0, 1.0 / 3.0, 0.5, 0.0]);
        assert!(solve(vec![0.0; 4], &[0.0; 2], 2).is_err());
        assert!(solve(vec![f64::NAN; 4], &[1.0; 2], 2).is_err());
        assert!(solve(vec![], &[], 0).unwrap().is_empty());
    }

    fn size(items: f64, users: f64) -> Size {
        Size {
            items,
            users,
            item_pairs: 0.0,
            user_pairs: 0.0,
        }
    }

    #[test]
    fn a_catalogue_beyond_the_memory_budget_is_refused() {
        assert!(check_memory(size(1000.0, 1e6), false, 20_000_000).is_ok());
        let message = check_memory(size(1001.0, 1e6), false, 20_000_000)
            .unwrap_err()
            .to_string();
        for word in ["1001 items", "21 MB", "--memory", "--k-core", "--model mrf"] {
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn few_users_are_inverted_instead_of_many_items() {
        assert!(size(17_600.0, 1900.0).is_dual() && !size(3706.0, 6040.0).is_dual());
        // Dense histories make the Gram matrix of the users the more expensive one.
        let dense = Size {
            user_pairs: 1e12,
            ..size(1000.0, 500.0)
        };
        assert!(size(1000.0, 500.0).is_dual() && !dense.is_dual());
    }

    #[test]
    fn items_without_events_are_dropped() {
        let (items, among) = with_events(&rows(&[vec![4, 1], vec![], vec![1]], 6));
        assert_eq!(items, [1, 4]);
        assert_eq!(among, rows(&[vec![1, 0], vec![], vec![0]], 2));
    }

    proptest! {
        /// Both ways give the same weights, with and without user weights, proportional L2 and values.
        #[test]
        fn primal_and_dual_agree(
            data in proptest::collection::vec(
                proptest::collection::btree_map(0u32..70, 1u8..5, 0..20), 1..12),
            exponent in 0f64..1.0,
            rho in 0f64..2.0,
            reg in prop_oneof![0.01f64..0.5, 0.5f64..50.0],
        ) {
            let data = data.into_iter().map(|row| {
                row.into_iter().map(|(i, v)| (i, f32::from(v))).collect()
            });
            let (_, rows) = with_events(&Csr::from_rows(data, 70).unwrap());
            let n = rows.n_columns();
            let users = user_weights(&rows, exponent);
            let gram = gram_lower(&rows, &users);
            let l2: Vec<f64> = (0..n).map(|i| reg + rho * gram[i * n + i]).collect();
            let primal = solve(gram, &l2, n).unwrap();
            let run = Run::seeded(0);
            let dual = dual::fit(&rows, &users, |gram| reg + rho * gram, &run).unwrap();
            for (p, d) in primal.iter().zip(&dual) {
                prop_assert!((p - d).abs() <= 2e-6, "{p} {d}");
            }
        }

        /// The optimality condition: off the diagonal, `(G + R) B` is zero in column j at every
        /// row but j.
        #[test]
        fn solves_the_normal_equations(
            data in proptest::collection::vec(proptest::collection::btree_set(0u32..9, 0..6), 1..20),
            reg in 0.1f64..5.0,
        ) {
            let n = 9;
            let rows = rows(&data.into_iter().map(|r| r.into_iter().collect()).collect::<Vec<_>>(), n);
            let weights = user_weights(&rows, 0.5);
            let gram = gram_lower(&rows, &weights);
            let at = |i: usize, j: usize| gram[i.min(j) * n + i.max(j)];
            let b = solve(gram.clone(), &vec![reg; n], n).unwrap();
            for j in 0..n {
                prop_assert_eq!(b[j * n + j], 0.0);
                for i in (0..n).filter(|&i| i != j) {
                    let fit: f64 = (0..n)
                        .map(|k| (at(i, k) + if i == k { reg } else { 0.0 }) * f64::from(b[k * n + j]))
                        .sum();
                    prop_assert!((fit - at(i, j)).abs() < 1e-4, "{} {}", fit, at(i, j));
                }
            }
        }
    }
}
