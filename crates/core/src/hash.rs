//! Small, stable hashes: for tie-breaking and for fingerprints of rows. Not for checksums.
//!
//! The functions never change, because rankings depend on them: FNV-1a over the bytes,
//! followed by the finalizer of SplitMix64, which spreads entropy over all output bits.

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Mixes the bits of `x` (the finalizer of SplitMix64).
#[must_use]
pub fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A seeded hash of a text.
#[must_use]
pub fn text(seed: u64, text: &str) -> u64 {
    let mut h = FNV_OFFSET ^ mix(seed);
    for byte in text.bytes() {
        h = (h ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    mix(h)
}

/// A hash of a row of indices; equal rows have equal hashes.
#[must_use]
pub fn row(items: impl Iterator<Item = u32>) -> u64 {
    let mut h = FNV_OFFSET;
    for item in items {
        h = mix(h ^ u64::from(item));
    }
    h
}

/// A hash of several rows, each ended by a separator: of what a fit is trained on, for its fingerprint.
#[must_use]
pub fn rows<R: IntoIterator<Item = u32>>(rows: impl Iterator<Item = R>) -> u64 {
    row(rows.flat_map(|items| items.into_iter().chain([u32::MAX])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rankings of saved models depend on these values: they must never change.
    #[test]
    fn hashes_never_change() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(text(0, "296"), text(0, "296"));
        assert_ne!(text(0, "296"), text(1, "296"));
        assert_ne!(text(0, "296"), text(0, "297"));
        assert_ne!(row([1, 2].into_iter()), row([2, 1].into_iter()));
        let separated = row([1, u32::MAX, 2, 3, u32::MAX].into_iter());
        assert_eq!(rows([vec![1], vec![2, 3]].into_iter()), separated);
    }
}
