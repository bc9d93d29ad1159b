//! Uniformly sampled negatives: items that a user does not have.

use limpid_core::{Histories, hash};
use limpid_tensor::Rng;

/// Attempts to sample an item that fits.
const ATTEMPTS: usize = 100;

/// The distinct items of each row, and samples of the others.
pub(crate) struct Negatives {
    rows: Vec<Vec<u32>>,
    n_items: usize,
}

impl Negatives {
    pub(crate) fn new(data: &Histories) -> Self {
        Self {
            rows: data.rows().map(|row| row.distinct_items()).collect(),
            n_items: data.n_items(),
        }
    }

    /// The distinct items of all rows, each ascending.
    pub(crate) fn rows(&self) -> &[Vec<u32>] {
        &self.rows
    }

    /// A hash of the rows, for the fingerprint of a fit.
    pub(crate) fn hash(&self) -> u64 {
        hash::rows(self.rows.iter().map(|r| r.iter().copied()))
    }

    /// An item that is not in a row, if one is found; otherwise any.
    pub(crate) fn sample(&self, row: usize, rng: &mut Rng) -> u32 {
        let row = &self.rows[row];
        sampled(self.n_items, rng, |item| row.binary_search(item).is_err())
    }
}

/// A uniformly sampled item that fits, if one is found; otherwise any.
pub(crate) fn sampled(n_items: usize, rng: &mut Rng, fits: impl FnMut(&u32) -> bool) -> u32 {
    let mut sample = || rng.below(n_items) as u32;
    let mut candidates = std::iter::repeat_with(&mut sample).take(ATTEMPTS);
    candidates.find(fits).unwrap_or_else(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_are_not_in_the_row() {
        let data = Histories::from_rows(&[vec![0, 2, 2, 3], vec![0, 1, 2, 3]], 4).unwrap();
        let negatives = Negatives::new(&data);
        let mut rng = Rng::new(1, 0);
        assert_eq!(negatives.rows()[0], [0, 2, 3]);
        assert!((0..50).all(|_| negatives.sample(0, &mut rng) == 1));
        assert!(negatives.sample(1, &mut rng) < 4);
    }
}
