//! The exponential in a form that the compiler vectorizes; `f32::exp` is a function call per element.

/// `eˣ` with a relative error below 3·10⁻⁷ for −87 ≤ x ≤ 88; clamped outside of this range.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    // 2ᶻ with z = n + f, |f| ≤ ½: the exponent bits are n, the rest is a polynomial. Adding and
    // subtracting 1.5·2²³ rounds to the nearest integer without a call.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let n = x * std::f32::consts::LOG2_E + ROUND - ROUND;
    // ln 2 in two parts, so that x − n ln 2 is exact enough.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    // Taylor coefficients up to r⁶/720 are enough for |r| ≤ ½ ln 2.
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = (p * r + 1.0) * r + 1.0;
    let bits = ((n as i32 + 127) << 23) as u32;
    f32::from_bits(bits) * p
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_definition(x in -86.9f32..87.9) {
            let truth = f64::from(x).exp();
            let relative = (f64::from(exp(x)) - truth).abs() / truth;
            prop_assert!(relative < 3e-7, "{} {}", x, relative);
        }
    }

    #[test]
    fn clamps_outside_of_its_range() {
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 2e-38);
        assert!(exp(-1e9) < 2e-38 && exp(1e9).is_finite());
    }
}
