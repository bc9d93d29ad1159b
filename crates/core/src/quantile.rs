//! Quantiles of sorted values, by nearest rank and by linear interpolation.

/// The quantile at `share` in `0..=1` of values sorted ascending, by nearest rank: the smallest value
/// that at least this share of the values does not exceed. At ½ it is the lower median. `None` without
/// values.
#[must_use]
pub fn nearest_rank<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The quantile at `share` in `0..=1` of values sorted ascending, linear between neighbors, as NumPy's
/// `percentile`; NaN without values.
#[must_use]
pub fn interpolated(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank_is_a_value() {
        let at = |share| nearest_rank(&[1, 2, 3, 4], share);
        assert_eq!([at(0.0), at(0.25), at(0.26)], [Some(1), Some(1), Some(2)]);
        assert_eq!([at(0.5), at(0.9), at(1.0)], [Some(2), Some(4), Some(4)]);
        assert_eq!(nearest_rank(&[1, 2, 3], 0.5), Some(2));
        assert_eq!(nearest_rank::<u8>(&[], 0.5), None);
    }

    #[test]
    fn interpolated_as_numpy() {
        // np.percentile([1, 2, 4, 8], [50, 90]) == [3, 6.8]
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(interpolated(&values, 0.5), 3.0);
        assert!((interpolated(&values, 0.9) - 6.8).abs() < 1e-12);
        assert!(interpolated(&[], 0.5).is_nan());
        assert_eq!(interpolated(&[2.0], 0.3), 2.0);
    }
}
