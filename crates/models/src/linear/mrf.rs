//! MRF: EASE on a sparsity pattern, for catalogues whose dense weights do not fit.
//!
//! Harald Steck: Markov Random Fields for Collaborative Filtering (NeurIPS 2019),
//! <https://arxiv.org/abs/1910.09645>. The weights of a target j are those of EASE restricted to its most
//! similar items N(j), found from the inverse of a small matrix (section 3.2, with r = 0):
//! `B_Nj = (G_NN + reg I)⁻¹ G_Nj`, where `G = XᵀX`; all other weights are 0. Score: `x B`, as in EASE, to
//! which it is equal where N(j) has all items. Only items with a user in common with j can be neighbors.
//!
//! Departures from the paper: N(j) are the `neighbors` items of largest cosine similarity to j rather than those
//! above a threshold, so that the cost is bounded for any data; and columns are neither centered nor
//! rescaled, as in EASE.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{MatMut, Par};
use limpid_core::{Artifact, Csr, Error, Fit, Result, Run, Tensors, Training, hash};
use rayon::prelude::*;

use crate::hyper::{self, hyper};
use crate::linear::item_links::{ItemLinks, scores_by_item_links};
use crate::registry::{Entry, Reads};

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "mrf",
    aliases: &[],
    about: "EASE on a sparsity pattern: each target from its most similar items; for large catalogues",
    paper: "Steck, Markov Random Fields for Collaborative Filtering, NeurIPS 2019",
    reads: Reads::VALUES,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// L2 regularization (λ); increase with the number of users.
        reg: f64 = 500.0, in above(0.0), tune [20, 50, 100, 200, 500, 1000, 2000];
        /// Number of items whose weights on a target may be nonzero; auto: as many as 10¹¹ operations
        /// allow, between 50 and 1000 (144 for 100,000 items).
        neighbors: Option<usize> = None, in whole_from(1);
    }
}

/// Operations of all factorizations together, for `neighbors` = auto.
const OPERATIONS: f64 = 1e11;

/// A row of G is scanned, rather than searched, while it has at most this many entries per wanted column.
const WALK: usize = 12;

/// The place of an item that is not among the neighbors.
const ABSENT: u32 = u32::MAX;

impl Config {
    /// The number of neighbors for a number of items: a factorization takes a third of its cube.
    fn neighbors(&self, n_items: usize) -> usize {
        let affordable = (3.0 * OPERATIONS / n_items.max(1) as f64).cbrt();
        self.neighbors
            .unwrap_or((affordable as usize).clamp(50, 1000))
    }
}

impl Fit for Config {
    type Model = Model;

    fn check(&self) -> Result<()> {
        hyper::check(self)
    }

    fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
        self.check()?;
        let rows = data.histories.to_csr();
        let ranks = Ranks::new(&rows);
        let n = ranks.items.len();
        let k = self.neighbors(n);
        check_memory(&ranks.by_user, k, run.memory_budget)?;
        let gram = Gram::new(&ranks.by_user, k, run)?;
        let progress = run.progress;
        progress.start("weights", n as u64);
        let weights: Vec<Vec<(u32, f32)>> = (0..n)
            .into_par_iter()
            .map_init(
                || Solver::new(n),
                |solver, target| {
                    progress.step(1);
                    match progress.interrupted() {
                        true => Ok(Vec::new()),
                        false => solver.solve(&gram, target, self.reg),
                    }
                },
            )
            .collect::<Result<_>>()?;
        check_interrupt(run)?;
        // From ranks to items; computed per target, stored per item of the history, the order in which
        // scores are summed.
        let mut by_target = vec![Vec::new(); rows.n_columns()];
        for (target, weights) in ranks.items.iter().zip(weights) {
            let weights = weights.into_iter();
            by_target[*target as usize] = weights
                .map(|(rank, w)| (ranks.items[rank as usize], w))
                .collect();
        }
        let by_target = Csr::from_rows(by_target, rows.n_columns())?;
        Ok(Model {
            links: ItemLinks::sparse(by_target.transpose())?,
        })
    }
}

fn check_interrupt(run: &Run<'_>) -> Result<()> {
    match run.progress.interrupted() {
        true => Err(Error::Interrupted("no checkpoint was saved".to_owned())),
        false => Ok(()),
    }
}

/// Refuses data whose sparse Gram matrix may not fit: half of its entries, and the neighbors and weights of
/// every target.
fn check_memory(by_user: &Csr, k: usize, budget: u64) -> Result<()> {
    let n = by_user.n_columns() as f64;
    let lengths = by_user.offsets().windows(2).map(|w| (w[1] - w[0]) as f64);
    let pairs = lengths.map(|n| n * n / 2.0).sum::<f64>().min(n * n / 2.0);
    let needed = 8.0 * (pairs + 3.0 * n * (k as f64).min(n));
    if needed <= budget as f64 {
        return Ok(());
    }
    Err(Error::Memory {
        what: format!("the sparse Gram matrix of {n} items with training events"),
        needed_mb: (needed / 1e6).ceil() as u64,
        budget_mb: budget / 1_000_000,
        hint: "increase --memory, remove rare items with --k-core, use fewer neighbors, or use ruleslim or \
               slim, which keep less of this matrix"
            .to_owned(),
    })
}

/// Items with events, numbered by descending number of users. Of two items, the row of the rarer one is
/// the shorter, so G has its entry there.
struct Ranks {
    items: Vec<u32>, // (A): rank → item
    by_user: Csr,    // (U, A), columns are ranks
}

impl Ranks {
    fn new(rows: &Csr) -> Self {
        let mut counts = vec![0u32; rows.n_columns()];
        rows.columns().iter().for_each(|&i| counts[i as usize] += 1);
        let mut items: Vec<u32> = (0..counts.len() as u32)
            .filter(|&i| counts[i as usize] > 0)
            .collect();
        // Ties by the hash of the index, so the order of items has no influence.
        items.sort_unstable_by_key(|&i| {
            (
                std::cmp::Reverse(counts[i as usize]),
                hash::mix(u64::from(i)),
            )
        });
        let mut ranks = vec![0u32; counts.len()];
        for (rank, &item) in items.iter().enumerate() {
            ranks[item as usize] = rank as u32;
        }
        let by_user = (0..rows.n_rows()).map(|u| {
            let (columns, values) = rows.row(u);
            let ranked = columns.iter().map(|&i| ranks[i as usize]);
            ranked.zip(values.iter().copied()).collect()
        });
        let by_user = Csr::from_rows(by_user, items.len())
            .unwrap_or_else(|_| unreachable!("ranks of a checked matrix are valid"));
        Self { items, by_user }
    }
}

/// What the weights of all targets are computed from.
struct Gram {
    diagonal: Vec<f64>, // (A)
    /// `G_ab` of each a for b < a, by ascending b; zeros are left out.
    rows: Vec<Vec<(u32, f32)>>,
    /// The neighbors b of each target a by ascending b, with `G_ab`.
    similar: Vec<Vec<(u32, f32)>>,
}

impl Gram {
    fn new(by_user: &Csr, k: usize, run: &Run<'_>) -> Result<Self> {
        let by_item = by_user.transpose();
        let n = by_item.n_rows();
        let diagonal: Vec<f64> = (0..n)
            .map(|a| by_item.row(a).1.iter().map(|&v| f64::from(v).powi(2)).sum())
            .collect();
        let progress = run.progress;
        progress.start("Gram matrix", n as u64);
        let rows: Vec<_> = (0..n)
            .into_par_iter()
            .map_init(
                || (vec![0.0; n], Vec::new()),
                |(sums, touched), a| {
                    progress.step(1);
                    if progress.interrupted() {
                        return Default::default();
                    }
                    let row = row_of(a, by_user, &by_item, sums, touched);
                    let below = row.partition_point(|&(b, _)| (b as usize) < a);
                    (row[..below].to_vec(), neighbors(a, row, &diagonal, k))
                },
            )
            .collect();
        check_interrupt(run)?;
        let (rows, similar) = rows.into_iter().unzip();
        Ok(Self {
            diagonal,
            rows,
            similar,
        })
    }
}

/// The nonzero `G_ab` of an item, by ascending b.
fn row_of(
    a: usize,
    by_user: &Csr,
    by_item: &Csr,
    sums: &mut [f64],
    touched: &mut Vec<u32>,
) -> Vec<(u32, f32)> {
    let (users, values) = by_item.row(a);
    for (&u, &value) in users.iter().zip(values) {
        let (items, theirs) = by_user.row(u as usize);
        for (&b, &v) in items.iter().zip(theirs) {
            if sums[b as usize] == 0.0 {
                touched.push(b);
            }
            sums[b as usize] += f64::from(value) * f64::from(v);
        }
    }
    touched.sort_unstable();
    touched.dedup();
    let row = touched
        .drain(..)
        .map(|b| (b, std::mem::take(&mut sums[b as usize]) as f32));
    row.filter(|&(_, dot)| dot != 0.0).collect()
}

/// The `k` items of largest absolute cosine similarity to `a`, by ascending rank; ties go to the item with
/// more users.
fn neighbors(a: usize, mut row: Vec<(u32, f32)>, diagonal: &[f64], k: usize) -> Vec<(u32, f32)> {
    row.retain(|&(b, _)| b as usize != a);
    if row.len() > k {
        let similarity = |&(b, dot): &(u32, f32)| f64::from(dot).powi(2) / diagonal[b as usize];
        row.select_nth_unstable_by(k, |x, y| {
            similarity(y).total_cmp(&similarity(x)).then(x.0.cmp(&y.0))
        });
        row.truncate(k);
        row.sort_unstable_by_key(|&(b, _)| b);
    }
    row
}

/// Buffers, reused for every target of a thread.
struct Solver {
    places: Vec<u32>, // (A): rank → place among the neighbors, or ABSENT
    matrix: Vec<f64>, // (m, m), column-major, lower triangle
}

impl Solver {
    fn new(n_items: usize) -> Self {
        Self {
            places: vec![ABSENT; n_items],
            matrix: Vec::new(),
        }
    }

    /// The weights on a target, as ranks with weights.
    fn solve(&mut self, gram: &Gram, target: usize, reg: f64) -> Result<Vec<(u32, f32)>> {
        let similar = &gram.similar[target];
        let m = similar.len();
        if m == 0 {
            return Ok(Vec::new());
        }
        self.gather(gram, similar, reg);
        let mut memory = faer::dyn_stack::MemBuffer::new(cholesky_in_place_scratch::<f64>(
            m,
            Par::Seq,
            faer::Spec::default(),
        ));
        let mut matrix = MatMut::from_column_major_slice_mut(&mut self.matrix, m, m);
        cholesky_in_place(
            matrix.as_mut(),
            Default::default(),
            Par::Seq,
            faer::dyn_stack::MemStack::new(&mut memory),
            faer::Spec::default(),
        )
        .map_err(|_| Error::Numeric {
            what: "Cholesky factorization".to_owned(),
            why: "the Gram matrix of similar items is not positive definite; use a larger reg"
                .to_owned(),
        })?;
        let mut weights: Vec<f64> = similar.iter().map(|&(_, dot)| f64::from(dot)).collect();
        let mut solution = MatMut::from_column_major_slice_mut(&mut weights, m, 1);
        let lower = matrix.as_ref();
        solve_lower_triangular_in_place(lower, solution.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(lower.transpose(), solution, Par::Seq);
        let ranks = similar.iter().map(|&(b, _)| b);
        Ok(ranks.zip(weights.into_iter().map(|w| w as f32)).collect())
    }

    /// The regularized Gram matrix of the neighbors.
    fn gather(&mut self, gram: &Gram, similar: &[(u32, f32)], reg: f64) {
        let m = similar.len();
        self.matrix.clear();
        self.matrix.resize(m * m, 0.0);
        for (place, &(b, _)) in similar.iter().enumerate() {
            self.places[b as usize] = place as u32;
        }
        for (place, &(b, _)) in similar.iter().enumerate() {
            self.matrix[place * m + place] = gram.diagonal[b as usize] + reg;
            let row = &gram.rows[b as usize];
            if row.len() <= WALK * place {
                for &(other, dot) in row {
                    if self.places[other as usize] != ABSENT {
                        self.matrix[self.places[other as usize] as usize * m + place] =
                            f64::from(dot);
                    }
                }
            } else {
                for (before, &(other, _)) in similar[..place].iter().enumerate() {
                    if let Ok(at) = row.binary_search_by_key(&other, |e| e.0) {
                        self.matrix[before * m + place] = f64::from(row[at].1);
                    }
                }
            }
        }
        for &(b, _) in similar {
            self.places[b as usize] = ABSENT;
        }
    }
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    links: ItemLinks, // (I, I), sparse, zero diagonal
}

scores_by_item_links!(Model);

impl Artifact for Model {
    const KIND: &'static str = "model/mrf";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        self.links.save(out);
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        Ok(Self {
            links: ItemLinks::load(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::ease;
    use limpid_core::{Catalogue, Histories, ItemIdx, Recommender};
    use limpid_tensor::Rng;

    fn fit<C: Fit>(config: &C, histories: &Histories) -> Result<C::Model> {
        let data = Training {
            histories,
            catalogue: &Catalogue::default(),
        };
        config.fit(&data, &mut Run::seeded(0))
    }

    fn config(reg: f64, neighbors: usize) -> Config {
        Config {
            reg,
            neighbors: Some(neighbors),
        }
    }

    /// 40 users of 5 to 15 of 30 items, the first ones more often, and one of all but the last item, which has
    /// no events.
    fn histories() -> Histories {
        let mut rng = Rng::new(3, 0);
        let rows = (0..40)
            .map(|_| {
                let draws = rng.uniforms(15, 0.0, 1.0).into_iter();
                draws.map(|x| (x * x * 28.9) as u32).collect()
            })
            .chain([(0..29).collect()]);
        Histories::from_rows(&rows.collect::<Vec<Vec<u32>>>(), 30).unwrap()
    }

    /// Users {0, 1}, {0, 1}, {0, 2}: item 1 is nearest to 0 (2/√6 against 1/√3), and item 0 to both others.
    /// With one neighbor `B_ij = G_ij / (G_ii + 1)`.
    #[test]
    fn one_neighbor_by_hand() {
        let rows = [vec![0, 1], vec![0, 1], vec![0, 2]];
        let model = fit(&config(1.0, 1), &Histories::from_rows(&rows, 3).unwrap()).unwrap();
        let weight = |i: usize, j| model.links.weight(i, ItemIdx(j));
        assert_eq!([weight(1, 0), weight(2, 0)], [2.0 / 3.0, 0.0]);
        assert_eq!([weight(0, 1), weight(0, 2)], [0.5, 0.25]);
        assert_eq!([weight(2, 1), weight(1, 2), weight(0, 0)], [0.0; 3]);
    }

    #[test]
    fn all_items_as_neighbors_is_ease() {
        let histories = histories();
        let dense = fit(
            &ease::Config {
                reg: 3.0,
                ..ease::Config::default()
            },
            &histories,
        )
        .unwrap();
        let sparse = fit(&config(3.0, 30), &histories).unwrap();
        let (dense, sparse) = (dense.score(&histories), sparse.score(&histories));
        for (a, b) in dense.iter().zip(&sparse) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    /// Every target has its `k` weights, and they solve the normal equations of its neighbors.
    #[test]
    fn weights_are_optimal_on_their_pattern() {
        let (histories, k, reg) = (histories(), 6, 2.0);
        let model = fit(&config(reg, k), &histories).unwrap();
        let x = histories.to_csr().transpose();
        let dot = |i: usize, j: usize| -> f64 {
            let (users, _) = x.row(i);
            users.iter().filter(|&&u| x.get(j, u) != 0.0).count() as f64
        };
        for j in 0..29 {
            let weight = |i: usize| f64::from(model.links.weight(i, ItemIdx(j as u32)));
            let pattern: Vec<usize> = (0..30).filter(|&i| weight(i) != 0.0).collect();
            assert_eq!(pattern.len(), k, "{j}");
            for &i in &pattern {
                let fitted: f64 = pattern.iter().map(|&s| dot(i, s) * weight(s)).sum();
                assert!(
                    (fitted + reg * weight(i) - dot(i, j)).abs() < 1e-4,
                    "{i} {j}"
                );
            }
        }
    }

    #[test]
    fn neighbors_follow_from_the_number_of_items_and_memory_is_bounded() {
        let auto = Config::default();
        assert_eq!(
            [10, 3700, 100_000, 10_000_000].map(|n| auto.neighbors(n)),
            [1000, 432, 144, 50]
        );
        let histories = histories();
        let data = Training {
            histories: &histories,
            catalogue: &Catalogue::default(),
        };
        let mut run = Run {
            memory_budget: 1000,
            ..Run::seeded(0)
        };
        let why = auto.fit(&data, &mut run).unwrap_err().to_string();
        for word in ["29 items", "--memory", "--k-core", "neighbors"] {
            assert!(why.contains(word), "{why}");
        }
    }
}
