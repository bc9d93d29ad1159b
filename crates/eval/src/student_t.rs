//! Student's t distribution, for intervals and tests of means over few splits.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// The quantile at `share`, in (0, 1), for `df` degrees of freedom; NaN for other shares and for 0
/// degrees of freedom.
///
/// Inverts the distribution function by bisection until the angle no longer changes, so it is as exact as `f64`
/// allows and needs no table. Takes time in proportion to `df`.
#[must_use]
pub fn quantile(share: f64, df: usize) -> f64 {
    if df == 0 || !(share > 0.0 && share < 1.0) {
        return f64::NAN;
    }
    let wanted = (2.0 * share - 1.0).abs();
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if within(middle, df) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    let t = (df as f64).sqrt() * low.tan();
    if share < 0.5 { -t } else { t }
}

/// The two-sided p-value of `t` for `df` degrees of freedom: the probability of `|T| > |t|`; NaN for 0 degrees
/// of freedom.
#[must_use]
pub fn two_sided(t: f64, df: usize) -> f64 {
    match df {
        0 => f64::NAN,
        _ => (1.0 - within((t.abs() / (df as f64).sqrt()).atan(), df)).clamp(0.0, 1.0),
    }
}

/// The probability of `|T| ≤ t`, with `angle = atan(t / √df)` in `[0, π/2]`.
///
/// The finite sums of Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 (odd
/// `df`) and 26.7.4 (even `df`), which are exact.
fn within(angle: f64, df: usize) -> f64 {
    let (sine, cosine) = angle.sin_cos();
    let is_odd = df % 2 == 1;
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = if df == 1 { 0.0 } else { term };
    // The next power of the cosine, up to df − 2.
    let mut power = if is_odd { 3 } else { 2 };
    while power + 2 <= df {
        term *= cosine * cosine * (power - 1) as f64 / power as f64;
        sum += term;
        power += 2;
    }
    if is_odd {
        FRAC_2_PI * (angle + sine * sum)
    } else {
        sine * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The p-value of a quantile is the share beyond it, on both sides.
    #[test]
    fn p_values_are_the_shares_beyond_quantiles() {
        for df in [1, 2, 5, 9, 30] {
            for p in [0.5, 0.05, 0.001] {
                let t = quantile(1.0 - p / 2.0, df);
                assert!((two_sided(t, df) - p).abs() < 1e-12, "{df} {p}");
                assert!((two_sided(-t, df) - p).abs() < 1e-12, "{df} {p}");
            }
            assert_eq!(two_sided(0.0, df), 1.0);
            assert_eq!(two_sided(f64::INFINITY, df), 0.0);
        }
        assert!(two_sided(1.0, 0).is_nan());
    }

    /// Two-sided 95 % and 99 % points of published tables (NIST/SEMATECH e-Handbook, 1.3.6.7.2).
    #[test]
    fn equals_published_tables() {
        let table = [
            (1, 12.706, 63.657),
            (2, 4.303, 9.925),
            (3, 3.182, 5.841),
            (4, 2.776, 4.604),
            (5, 2.571, 4.032),
            (10, 2.228, 3.169),
            (15, 2.131, 2.947),
            (20, 2.086, 2.845),
            (29, 2.045, 2.756),
            (30, 2.042, 2.750),
            (31, 2.040, 2.744),
            (32, 2.037, 2.738),
            (33, 2.035, 2.733),
            (40, 2.021, 2.704),
            (60, 2.000, 2.660),
            (100, 1.984, 2.626),
        ];
        for (df, p975, p995) in table {
            assert!((quantile(0.975, df) - p975).abs() <= 0.0005, "{df}");
            assert!((quantile(0.995, df) - p995).abs() <= 0.0005, "{df}");
        }
    }

    /// Closed forms: `tan(π (share − ½))` for one degree of freedom, `a √(2 / (1 − a²))` with
    /// `a = 2 share − 1` for two; the normal quantile in the limit.
    #[test]
    fn equals_closed_forms() {
        for share in [0.51, 0.6, 0.75, 0.9, 0.975, 0.9995] {
            let a: f64 = 2.0 * share - 1.0;
            let one = (FRAC_PI_2 * a).tan();
            let two = a * (2.0 / (1.0 - a * a)).sqrt();
            assert!((quantile(share, 1) / one - 1.0).abs() < 1e-9);
            assert!((quantile(share, 2) / two - 1.0).abs() < 1e-9);
            assert_eq!(quantile(1.0 - share, 7), -quantile(share, 7));
        }
        assert!((quantile(0.975, 1_000_000) - 1.959_963_985).abs() < 3e-6);
        assert_eq!(quantile(0.5, 3), 0.0);
        assert!(quantile(0.975, 0).is_nan() && quantile(1.0, 3).is_nan());
    }

    /// Falls with every degree of freedom, by ever smaller steps: no jump, at 31 or elsewhere.
    #[test]
    fn falls_without_a_jump() {
        let values: Vec<f64> = (1..200).map(|df| quantile(0.975, df)).collect();
        let steps: Vec<f64> = values.windows(2).map(|w| w[0] - w[1]).collect();
        assert!(steps.iter().all(|&step| step > 0.0));
        assert!(steps.windows(2).all(|w| w[1] < w[0]));
    }
}
