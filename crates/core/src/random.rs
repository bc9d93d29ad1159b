//! Random integers and samples: pure functions of the caller's random generator. This crate generates no
//! random numbers itself.

/// The key of a ChaCha stream for a seed: the seed in little-endian bytes, followed by zeros.
#[must_use]
pub fn key(seed: u64) -> [u8; 32] {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}

/// A uniformly random word as a number in `0..n`, 0 for `n = 0`: the high half of a 64 × 64 bit
/// product, whose bias is below `n` / 2⁶⁴.
#[must_use]
pub fn below(word: u64, n: usize) -> usize {
    ((u128::from(word) * n as u128) >> 64) as usize
}

/// Moves a uniformly random sample of `n` values to the front, in random order (Fisher and Yates);
/// `below(m)` is a random number in `0..m`.
pub fn shuffle_front<T>(values: &mut [T], n: usize, mut below: impl FnMut(usize) -> usize) {
    for at in 0..n.min(values.len()) {
        values.swap(at, at + below(values.len() - at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_the_range() {
        assert_eq!((below(0, 10), below(u64::MAX, 10)), (0, 9));
        assert_eq!(below(1 << 63, 10), 5);
        assert_eq!(below(u64::MAX, 0), 0);
        assert_eq!(key(0x0102)[..3], [2, 1, 0]);
    }

    #[test]
    fn the_generator_determines_the_order() {
        let mut values = [1, 2, 3, 4];
        shuffle_front(&mut values, 2, |m| m - 1);
        assert_eq!(values, [4, 1, 3, 2]);
        shuffle_front(&mut values, 9, |_| 0);
        assert_eq!(values, [4, 1, 3, 2]);
    }
}
