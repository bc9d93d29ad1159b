//! Random draws that never change: splits and synthetic worlds are published by their seed, so the
//! numbers may not depend on the version of a library.
//!
//! Only the ChaCha stream, which is a specification, comes from outside; what is made of it is
//! written here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws, given by a seed and the number of the stream.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of a seed: the key is the seed in little-endian bytes, followed by zeros.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number in `0..n`, 0 for `n = 0`.
    ///
    /// The high half of a 64 × 64 bit product; for the sizes that occur its bias is below 2⁻³².
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// A number in `0..1`, a multiple of 2⁻⁵³.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Puts the first `n` places of a uniformly random order in front (Fisher and Yates).
    pub(crate) fn shuffle_front<T>(&mut self, values: &mut [T], n: usize) {
        for at in 0..n.min(values.len()) {
            let other = at + self.below(values.len() - at);
            values.swap(at, other);
        }
    }

    /// A uniformly random order.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        self.shuffle_front(values, values.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits are published by their seed: these values may never change. They were also computed
    /// by another program from the definition of ChaCha with 8 rounds (64-bit counter and stream).
    #[test]
    fn draws_are_fixed_for_ever() {
        let mut draw = Draw::new(42, 0);
        let first: Vec<usize> = (0..8).map(|_| draw.below(1000)).collect();
        assert_eq!(first, FIRST);
        let mut order: Vec<u8> = (0..10).collect();
        Draw::new(42, 1).shuffle(&mut order);
        assert_eq!(order, ORDER);
        assert_eq!(Draw::new(1, 0).below(0), 0);
    }

    const FIRST: [usize; 8] = [348, 285, 493, 367, 825, 67, 489, 266];
    const ORDER: [u8; 10] = [7, 2, 0, 3, 1, 4, 9, 8, 5, 6];

    #[test]
    fn draws_cover_their_range_evenly() {
        let mut draw = Draw::new(7, 0);
        let mut counts = [0u32; 10];
        for _ in 0..10_000 {
            counts[draw.below(10)] += 1;
        }
        assert!(
            counts.iter().all(|&c| (850..1150).contains(&c)),
            "{counts:?}"
        );
        assert!((0..1000).all(|_| (0.0..1.0).contains(&draw.unit())));
    }
}
