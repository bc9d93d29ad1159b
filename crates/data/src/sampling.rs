//! Random sampling that never changes: splits and synthetic worlds are published by their seed, so
//! the numbers must not depend on the version of a library. Only the ChaCha stream, which is a
//! specification, comes from one; the samples are defined in [`limpid_core::random`].

use limpid_core::random;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers, given by a seed and the number of the stream.
pub(crate) struct Sampler(ChaCha8Rng);

impl Sampler {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::from_seed(random::key(seed));
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number in `0..n`, 0 for `n = 0`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        random::below(self.0.next_u64(), n)
    }

    /// A number in `0..1`, a multiple of 2⁻⁵³.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Moves a random sample of `n` values to the front, in random order.
    pub(crate) fn shuffle_front<T>(&mut self, values: &mut [T], n: usize) {
        random::shuffle_front(values, n, |m| self.below(m));
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
    fn samples_are_fixed_for_ever() {
        let mut rng = Sampler::new(42, 0);
        let first: Vec<usize> = (0..8).map(|_| rng.below(1000)).collect();
        assert_eq!(first, FIRST);
        let mut order: Vec<u8> = (0..10).collect();
        Sampler::new(42, 1).shuffle(&mut order);
        assert_eq!(order, ORDER);
        assert_eq!(Sampler::new(1, 0).below(0), 0);
    }

    const FIRST: [usize; 8] = [348, 285, 493, 367, 825, 67, 489, 266];
    const ORDER: [u8; 10] = [7, 2, 0, 3, 1, 4, 9, 8, 5, 6];

    #[test]
    fn samples_cover_their_range_evenly() {
        let mut rng = Sampler::new(7, 0);
        let mut counts = [0u32; 10];
        for _ in 0..10_000 {
            counts[rng.below(10)] += 1;
        }
        assert!(
            counts.iter().all(|&c| (850..1150).contains(&c)),
            "{counts:?}"
        );
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.unit())));
    }
}
