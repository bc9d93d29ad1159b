//! Seeded random numbers: streams of ChaCha8, so that a seed always gives the same model.

use limpid_core::random;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A random number generator, determined by a seed and a stream number.
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A generator for a seed and a stream.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::from_seed(random::key(seed));
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number in `0..n`, 0 for `n = 0`.
    pub fn below(&mut self, n: usize) -> usize {
        random::below(self.0.next_u64(), n)
    }

    /// A number in `0..1`, a multiple of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A number in `low..high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A normal number of mean 0 and variance 1 (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// `n` uniform numbers in `low..high`.
    pub fn uniforms(&mut self, n: usize, low: f32, high: f32) -> Vec<f32> {
        (0..n).map(|_| self.uniform(low, high)).collect()
    }

    /// Shuffles uniformly (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        random::shuffle_front(values, values.len(), |m| self.below(m));
    }

    /// `n` distinct numbers below `of`, ascending; all of them if `n >= of`.
    pub fn distinct(&mut self, n: usize, of: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..of as u32).collect();
        random::shuffle_front(&mut all, n, |m| self.below(m));
        all.truncate(n);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_ranges() {
        let mut rng = Rng::new(3, 1);
        let normals: Vec<f32> = (0..20_000).map(|_| rng.normal()).collect();
        let mean = normals.iter().sum::<f32>() / 20_000.0;
        let variance = normals.iter().map(|x| x * x).sum::<f32>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04,
            "{mean} {variance}"
        );
        assert!(
            rng.uniforms(1000, -1.0, 2.0)
                .iter()
                .all(|x| (-1.0..2.0).contains(x))
        );
        let mut order: Vec<usize> = (0..50).collect();
        rng.shuffle(&mut order);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert_eq!(Rng::new(1, 0).below(0), 0);
        let some = rng.distinct(20, 50);
        assert!(some.len() == 20 && some.windows(2).all(|w| w[0] < w[1]) && some[19] < 50);
        assert_eq!(rng.distinct(9, 3), [0, 1, 2]);
    }
}
