//! The certificate of a dictionary: how much of it comes back when the users are drawn again.
//!
//! Stability has several meanings, which differ by far, so each number says which one it is.
//! None of them uses the resamples from which the knobs were selected.

use limpid_tensor::matmul::{Factor, product};
use serde::{Deserialize, Serialize};

use super::assignment::assign;
use super::normalize;

/// Two profiles are the same knob from this cosine on.
pub const SAME: f32 = 0.7;

/// How much of a dictionary comes back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Certificate {
    /// Number of fresh resamples.
    pub resamples: usize,
    /// Mean share of knobs that a single fit on a fresh resample has at cosine 0.7 or more.
    pub single: f64,
    /// The knobs, and the consensus of as many fresh resamples; null for an autoencoder, which has none.
    pub consensus: Option<Overlap>,
    /// The consensus of one half of the users and that of the other; null if it was not measured.
    pub halves: Option<Overlap>,
}

/// How two dictionaries agree, knobs matched one to one by the sum of cosines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Overlap {
    /// Knobs of the first.
    pub knobs: usize,
    /// Knobs of the second.
    pub others: usize,
    /// Share of knobs (of the smaller dictionary, for halves) matched at cosine 0.7 or more, by item
    /// profiles as they are.
    pub matched: f64,
    /// The same, with all profiles projected into the space of the base.
    pub matched_in_base: f64,
}

/// The best cosine of each profile of `a` `(n, I)`, in a one-to-one matching with `b` `(m, I)`; −1 where it
/// has no partner. Profiles are scaled to length 1.
pub(crate) fn matched(a: &[f32], b: &[f32], n_items: usize) -> Vec<f32> {
    let unit = |x: &[f32]| -> Vec<f32> {
        let mut x = x.to_vec();
        for row in x.chunks_exact_mut(n_items.max(1)) {
            normalize(row);
        }
        x
    };
    let (a, b) = (unit(a), unit(b));
    let (n, m) = (a.len() / n_items.max(1), b.len() / n_items.max(1));
    let mut cosines = vec![0f32; n * m];
    product(
        &mut cosines,
        Factor::new(&a, n, n_items),
        Factor::new(&b, m, n_items).t(),
        false,
    );
    let partners = assign(&cosines, n, m).into_iter().enumerate();
    partners
        .map(|(at, partner)| partner.map_or(-1.0, |p| cosines[at * m + p]))
        .collect()
}

/// The share of `of` that is matched.
pub(super) fn share(cosines: &[f32], of: usize) -> f64 {
    let same = cosines.iter().filter(|&&c| c >= SAME).count();
    same as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_by_hand() {
        let a = [1.0, 0.0, 0.0, 2.0];
        let b = [0.0, 3.0, 0.5, 0.5];
        let found = matched(&a, &b, 2);
        assert!((found[0] - 0.5f32.sqrt()).abs() < 1e-6 && (found[1] - 1.0).abs() < 1e-6);
        assert_eq!(share(&found, 2), 1.0);
        assert_eq!(matched(&a, &[], 2), [-1.0, -1.0]);
    }
}
