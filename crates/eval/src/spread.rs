//! Quantiles, and the three numbers that tell how a quantity spreads over users.

use serde::{Deserialize, Serialize};

/// The quantile at `share` of values that are sorted ascending, linear between neighbors (as NumPy's
/// `percentile` has it); NaN without values.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// How a quantity spreads over users; zeros where there is no user.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The 90th percentile.
    pub p90: f64,
}

impl Spread {
    /// The spread of values in any order.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        values.sort_by(f64::total_cmp);
        Self {
            mean: values.iter().sum::<f64>() / values.len() as f64,
            median: quantile(&values, 0.5),
            p90: quantile(&values, 0.9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_numpy_has_them() {
        // np.percentile([1, 2, 4, 8], [50, 90]) == [3, 6.8]
        let spread = Spread::of(vec![8.0, 1.0, 4.0, 2.0]);
        assert_eq!((spread.mean, spread.median), (3.75, 3.0));
        assert!((spread.p90 - 6.8).abs() < 1e-12);
        assert_eq!(Spread::of(vec![]), Spread::default());
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(quantile(&[2.0], 0.3), 2.0);
    }
}
