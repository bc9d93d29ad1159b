//! Rows of `K = Σ_u ω_u φ(u) φ(u)ᵀ` over binary features, all of them if memory allows it, otherwise
//! on demand.
//!
//! Features are numbered by descending weight (see [`super::Ranking`]). The first rows are the most
//! expensive to compute and used by most targets; the last ones are nearly free. So a bounded
//! memory holds the first rows, and the others are computed on demand.

use limpid_tensor::wide_op;
use rayon::prelude::*;

use super::rows::Rows;

/// A row is scanned, rather than searched, while it has at most this many entries per wanted
/// column: sequential access is that much faster than random access.
const WALK: usize = 12;

/// Columns per word of a bit set.
const WORD: usize = u64::BITS as usize;

/// The columns of K that a target needs, with a position for each.
pub(super) struct Wanted<'a> {
    /// The columns, ascending.
    pub(super) columns: &'a [u32],
    /// `(P)`: column → its position among them, or [`NO_PLACE`].
    pub(super) places: &'a [u32],
    /// The columns as a bit set.
    pub(super) bits: &'a Bits,
}

/// A set of columns, one bit for each.
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// An empty set of columns below `n`.
    pub(super) fn new(n: usize) -> Self {
        Self(vec![0; n.div_ceil(WORD)])
    }

    /// Adds columns.
    pub(super) fn insert(&mut self, columns: &[u32]) {
        for &c in columns {
            self.0[c as usize / WORD] |= 1 << (c as usize % WORD);
        }
    }

    /// Removes columns, and with them those that share a word.
    pub(super) fn clear(&mut self, columns: &[u32]) {
        for &c in columns {
            self.0[c as usize / WORD] = 0;
        }
    }
}

/// A row is made dense if this many times its entries are at least the wanted columns.
const DENSE: usize = 4;

/// Marks a column that is not needed.
pub(super) const NO_PLACE: u32 = u32::MAX;

/// Rows that are transposed together, so that whole cache lines are accessed.
const BAND: usize = 64;

/// Users by feature and features by user; indices are ascending within a row.
pub(super) struct Incidence {
    offsets: Vec<usize>, // (U + 1)
    features: Vec<u32>,
    user_offsets: Vec<usize>, // (P + 1)
    users: Vec<u32>,
    weights: Vec<f64>, // (U)
}

impl Incidence {
    /// From the features of each user, ascending, and the users' weights.
    pub(super) fn new(rows: Vec<Vec<u32>>, weights: Vec<f64>, n_features: usize) -> Self {
        let mut offsets = vec![0];
        let mut user_offsets = vec![0; n_features + 1];
        for row in &rows {
            offsets.push(offsets[offsets.len() - 1] + row.len());
            for &f in row {
                user_offsets[f as usize + 1] += 1;
            }
        }
        for f in 0..n_features {
            user_offsets[f + 1] += user_offsets[f];
        }
        let features: Vec<u32> = rows.into_iter().flatten().collect();
        let mut users = vec![0; features.len()];
        let mut next = user_offsets.clone();
        for (u, range) in offsets.windows(2).enumerate() {
            for &f in &features[range[0]..range[1]] {
                users[next[f as usize]] = u as u32;
                next[f as usize] += 1;
            }
        }
        Self {
            offsets,
            features,
            user_offsets,
            users,
            weights,
        }
    }

    pub(super) fn n_features(&self) -> usize {
        self.user_offsets.len() - 1
    }

    /// The number of features of all users together.
    pub(super) fn size(&self) -> usize {
        self.features.len()
    }

    pub(super) fn n_users(&self) -> usize {
        self.weights.len()
    }

    /// The users who have a feature, ascending.
    pub(super) fn users(&self, feature: u32) -> &[u32] {
        let f = feature as usize;
        &self.users[self.user_offsets[f]..self.user_offsets[f + 1]]
    }

    /// The features of a user, ascending.
    pub(super) fn features(&self, user: u32) -> &[u32] {
        let u = user as usize;
        &self.features[self.offsets[u]..self.offsets[u + 1]]
    }

    pub(super) fn weight(&self, user: u32) -> f64 {
        self.weights[user as usize]
    }

    /// `K_ff` of every feature.
    pub(super) fn diagonal(&self) -> Vec<f64> {
        (0..self.n_features() as u32)
            .map(|f| self.users(f).iter().map(|&u| self.weight(u)).sum())
            .collect()
    }

    /// Adds a weight to each feature of a user in `out` `(P)`; those that were 0 are appended to `met`.
    pub(super) fn add_features(&self, user: u32, weight: f64, out: &mut [f64], met: &mut Vec<u32>) {
        for &f in self.features(user) {
            let sum = &mut out[f as usize];
            if *sum == 0.0 {
                met.push(f);
            }
            *sum += weight;
        }
    }

    /// Adds row `feature` of K, from column `from` on, to `out` `(P)`.
    fn add_row(&self, feature: u32, from: u32, out: &mut [f64]) {
        for &u in self.users(feature) {
            let weight = self.weight(u);
            let row = self.features(u);
            let row = &row[row.partition_point(|&f| f < from)..];
            for &f in row {
                out[f as usize] += weight;
            }
        }
    }
}

/// The rows of K that are kept in memory.
pub(super) enum Gram {
    /// All rows, row-major `(P, P)`.
    Whole(Vec<f32>),
    /// The first rows; all others are computed on demand.
    Head(Vec<Row>),
}

/// The nonzero entries of a row, by ascending column.
pub(super) enum Row {
    /// As `(column, value)` pairs: a row with few of all columns.
    List(Vec<(u32, f32)>),
    /// As the set of their columns, and their values: a row with more, which takes less memory so. What a target needs
    /// of it is found a word at a time.
    Set(Bits, Vec<f32>),
}

impl Row {
    /// Row `feature` of K. `buffer` `(P)` is all zeros before and after.
    fn new(incidence: &Incidence, feature: u32, buffer: &mut [f64]) -> Self {
        let mut met = Vec::new();
        for &u in incidence.users(feature) {
            incidence.add_features(u, incidence.weight(u), buffer, &mut met);
        }
        let take = |v: &mut f64| std::mem::take(v) as f32;
        // A set takes a bit of every column, a list the 32 bits of a column for each entry.
        if 32 * met.len() < buffer.len() {
            met.sort_unstable();
            let entries = met.into_iter().map(|f| (f, take(&mut buffer[f as usize])));
            return Self::List(entries.collect());
        }
        let mut bits = Bits::new(buffer.len());
        bits.insert(&met);
        let nonzero = buffer.iter_mut().filter(|v| **v != 0.0);
        Self::Set(bits, nonzero.map(take).collect())
    }

    fn bytes(&self) -> usize {
        let own = size_of::<Self>();
        match self {
            Self::List(entries) => own + 8 * entries.len(),
            Self::Set(bits, values) => own + 8 * bits.0.len() + 4 * values.len(),
        }
    }

    /// Appends the wanted columns to `rows`.
    fn gather(&self, wanted: &Wanted<'_>, rows: &mut Rows) {
        let Wanted {
            columns,
            places,
            bits,
        } = *wanted;
        let placed = |&(column, value): &(u32, f32)| (places[column as usize], value);
        match self {
            Self::Set(own, values) => {
                let mut found = Vec::with_capacity(columns.len().min(values.len()));
                common(own, bits, |column, at| {
                    found.push((places[column as usize], at));
                });
                // Values lie far apart: in a loop of their own, memory delivers many at a time.
                let out = rows.push_dense();
                for (place, at) in found {
                    if let Some(o) = out.get_mut(place as usize) {
                        *o = values[at];
                    }
                }
            }
            // Most of a dense row may be zeros, and it is faster still.
            Self::List(row)
                if row.len() <= WALK * columns.len() && DENSE * row.len() >= columns.len() =>
            {
                let out = rows.push_dense();
                for (place, value) in row.iter().map(placed) {
                    if let Some(o) = out.get_mut(place as usize) {
                        *o = value;
                    }
                }
            }
            Self::List(row) if row.len() <= WALK * columns.len() => {
                rows.push_sparse(row.len(), row.iter().map(placed));
            }
            Self::List(row) => {
                // Both lists are ascending, so earlier entries are never needed again.
                let mut row = row.as_slice();
                let entries = columns.iter().map_while(|&f| {
                    row = &row[gallop(row, f)..];
                    let &(column, value) = row.first()?;
                    let value = if column == f { value } else { 0.0 };
                    Some((places[f as usize], value))
                });
                rows.push_sparse(columns.len(), entries);
            }
        }
    }

    /// Writes all entries to `out` `(P)`.
    fn write(&self, out: &mut [f64]) {
        match self {
            Self::List(entries) => {
                for &(column, value) in entries {
                    out[column as usize] = f64::from(value);
                }
            }
            Self::Set(bits, values) => {
                common(bits, bits, |column, at| {
                    out[column as usize] = f64::from(values[at]);
                });
            }
        }
    }
}

/// Visits the columns of a set that are in another one too, each with its position in the first, ascending.
fn common(own: &Bits, others: &Bits, each: impl FnMut(u32, usize)) {
    wide_op(Common { own, others, each });
}

/// See [`common`]; wide, because bits are counted in hardware then.
struct Common<'a, F> {
    own: &'a Bits,
    others: &'a Bits,
    each: F,
}

impl<F: FnMut(u32, usize)> pulp::NullaryFnOnce for Common<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let mut before = 0;
        for (word, (&own, &other)) in self.own.0.iter().zip(&self.others.0).enumerate() {
            let mut both = own & other;
            while both != 0 {
                let bit = both.trailing_zeros();
                both &= both - 1;
                let below = own & ((1 << bit) - 1);
                (self.each)(
                    (word * WORD) as u32 + bit,
                    before + below.count_ones() as usize,
                );
            }
            before += own.count_ones() as usize;
        }
    }
}

impl Gram {
    /// Computes what fits into `budget` bytes.
    pub(super) fn new(incidence: &Incidence, budget: u64) -> Self {
        let p = incidence.n_features();
        // Half of the memory is for the upper triangle, from which the rest is mirrored.
        if 6 * (p as u64).pow(2) <= budget {
            return Self::Whole(whole(incidence));
        }
        let mut head = Vec::new();
        let mut left = budget;
        // Rows are computed in blocks, in parallel, until the memory is used.
        'fill: for start in (0..p).step_by(4 * BAND) {
            let block: Vec<Row> = (start..(start + 4 * BAND).min(p))
                .into_par_iter()
                .map_init(
                    || vec![0.0; p],
                    |buffer, f| Row::new(incidence, f as u32, buffer),
                )
                .collect();
            for row in block {
                let bytes = row.bytes() as u64;
                if bytes > left {
                    break 'fill;
                }
                left -= bytes;
                head.push(row);
            }
        }
        Self::Head(head)
    }

    /// Appends the wanted columns of row `feature` to `rows`. `buffer` `(P)` is all zeros before and after.
    pub(super) fn gather(
        &self,
        incidence: &Incidence,
        feature: u32,
        wanted: &Wanted<'_>,
        rows: &mut Rows,
        buffer: &mut [f64],
    ) {
        let head = match self {
            Self::Whole(k) => {
                let p = incidence.n_features();
                let row = &k[feature as usize * p..(feature as usize + 1) * p];
                for (o, &f) in rows.push_dense().iter_mut().zip(wanted.columns) {
                    *o = row[f as usize];
                }
                return;
            }
            Self::Head(head) => head,
        };
        match head.get(feature as usize) {
            Some(row) => row.gather(wanted, rows),
            None => {
                incidence.add_row(feature, 0, buffer);
                // The sums are complete: a column is taken where it is met first.
                let met = incidence.users(feature).iter();
                let met = met.flat_map(|&u| incidence.features(u));
                let entries = met.map(|&f| {
                    let value = std::mem::take(&mut buffer[f as usize]);
                    (wanted.places[f as usize], value as f32)
                });
                let users = incidence.users(feature).iter();
                let most = users.map(|&u| incidence.features(u).len()).sum();
                rows.push_sparse(most, entries);
            }
        }
    }

    /// Writes all columns of row `feature` to `out` `(P)`.
    pub(super) fn row(&self, incidence: &Incidence, feature: u32, out: &mut Vec<f64>) {
        out.clear();
        match self {
            Self::Whole(k) => {
                let p = incidence.n_features();
                let row = &k[feature as usize * p..(feature as usize + 1) * p];
                out.extend(row.iter().map(|&v| f64::from(v)));
            }
            Self::Head(head) => {
                out.resize(incidence.n_features(), 0.0);
                match head.get(feature as usize) {
                    Some(row) => row.write(out),
                    None => {
                        incidence.add_row(feature, 0, out);
                        // As a stored row would be.
                        out.iter_mut().for_each(|v| *v = f64::from(*v as f32));
                    }
                }
            }
        }
    }
}

/// The first position of `row` whose column is not below `column`, by galloping search: it is
/// usually close.
fn gallop(row: &[(u32, f32)], column: u32) -> usize {
    let mut step = 1;
    while step < row.len() && row[step].0 < column {
        step *= 2;
    }
    let (from, to) = (step / 2, (step + 1).min(row.len()));
    from + row[from..to].partition_point(|&(c, _)| c < column)
}

/// All of K. Only the upper triangle is summed; the lower one is its mirror image.
fn whole(incidence: &Incidence) -> Vec<f32> {
    let p = incidence.n_features();
    let upper: Vec<Vec<f32>> = (0..p)
        .into_par_iter()
        .map_init(
            || vec![0.0; p],
            |buffer, f| {
                incidence.add_row(f as u32, f as u32, buffer);
                let row = buffer[f..].iter().map(|&v| v as f32).collect();
                buffer[f..].fill(0.0);
                row
            },
        )
        .collect();
    let mut k = vec![0.0; p * p];
    k.par_chunks_mut(BAND * p.max(1))
        .enumerate()
        .for_each(|(band, rows)| {
            let first = band * BAND;
            for (r, row) in rows.chunks_exact_mut(p).enumerate() {
                row[first + r..].copy_from_slice(&upper[first + r]);
            }
            let height = rows.len() / p;
            for q in 0..first + height {
                let from = first.max(q + 1);
                for i in from..first + height {
                    rows[(i - first) * p + q] = upper[q][i - q];
                }
            }
        });
    k
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// With any memory budget, the rows equal the definition.
        #[test]
        fn every_budget_gives_the_same_rows(
            rows in proptest::collection::vec(proptest::collection::btree_set(0u32..70, 0..9), 0..20),
            budget in prop_oneof![Just(0u64), Just(900), Just(1_000_000)],
            wanted in proptest::collection::btree_set(0u32..70, 0..70),
        ) {
            let rows: Vec<Vec<u32>> = rows.into_iter().map(|r| r.into_iter().collect()).collect();
            let weights: Vec<f64> = (0..rows.len()).map(|u| 0.5 + u as f64).collect();
            let incidence = Incidence::new(rows.clone(), weights.clone(), 70);
            let gram = Gram::new(&incidence, budget);
            let wanted: Vec<u32> = wanted.into_iter().collect();
            let mut places = vec![NO_PLACE; 70];
            for (place, &f) in wanted.iter().enumerate() {
                places[f as usize] = place as u32;
            }
            let mut bits = Bits::new(70);
            bits.insert(&wanted);
            let mut buffer = vec![0.0; 70];
            for f in 0..70u32 {
                let these = Wanted {
                    columns: &wanted,
                    places: &places,
                    bits: &bits,
                };
                let mut fetched = Rows::default();
                fetched.clear(wanted.len());
                gram.gather(&incidence, f, &these, &mut fetched, &mut buffer);
                let mut out = vec![0.0; wanted.len()];
                fetched.subtract(0, -1.0, &mut out);
                let mut all = Vec::new();
                gram.row(&incidence, f, &mut all);
                for (&q, &value) in wanted.iter().zip(&out) {
                    let expected: f64 = rows
                        .iter()
                        .zip(&weights)
                        .filter(|(r, _)| r.contains(&f) && r.contains(&q))
                        .map(|(_, w)| w)
                        .sum();
                    prop_assert_eq!(f64::from(value), expected);
                    prop_assert_eq!(all[q as usize], expected);
                }
                prop_assert!(buffer.iter().all(|&v| v == 0.0));
            }
        }
    }
}
