//! How a quantity is distributed over users, in three numbers.

use limpid_core::quantile::interpolated;
use serde::{Deserialize, Serialize};

/// The distribution of a quantity over users; zeros without users.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The 90th percentile.
    pub p90: f64,
}

impl Spread {
    /// The distribution of values in any order.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        values.sort_by(f64::total_cmp);
        Self {
            mean: values.iter().sum::<f64>() / values.len() as f64,
            median: interpolated(&values, 0.5),
            p90: interpolated(&values, 0.9),
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
    }
}
