//! What the literals of the logic layer cost, and how that changes with their weights.

/// What a literal costs, as a function of its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cost {
    /// Novel logical activation functions.
    Nlaf {
        /// α, in 0..1.
        alpha: f32,
        /// β.
        beta: u32,
        /// γ.
        gamma: u32,
    },
    /// `−ln(1 − w)`, with γ = 1.
    Log,
}

/// Largest weight that the logarithmic cost sees.
const LOG_LIMIT: f32 = 1.0 - 1e-6;

impl Cost {
    pub(super) fn gamma(self) -> u32 {
        match self {
            Self::Nlaf { gamma, .. } => gamma,
            Self::Log => 1,
        }
    }

    /// `C(w)`, the cost with the sign of its weight.
    #[inline(always)]
    #[must_use]
    pub fn signed(self, w: f32) -> f32 {
        match self {
            Self::Nlaf { alpha, beta, .. } => {
                let a = power(alpha * w.abs(), beta);
                (unit(alpha, beta) * a / (1.0 - a)).copysign(w)
            }
            Self::Log if w == 0.0 => 0.0,
            Self::Log => (-(-w.abs().min(LOG_LIMIT)).ln_1p()).copysign(w),
        }
    }

    /// `c'(|w|)`.
    #[inline(always)]
    #[must_use]
    pub fn slope(self, w: f32) -> f32 {
        let w = w.abs();
        match self {
            Self::Nlaf { alpha, beta, .. } => {
                let below = power(alpha * w, beta.saturating_sub(1));
                let a = below * alpha * w;
                let b = beta as f32;
                unit(alpha, beta) * b * alpha * below / ((1.0 - a) * (1.0 - a))
            }
            Self::Log => 1.0 / (1.0 - w.min(LOG_LIMIT)),
        }
    }
}

/// K of the novel logical activation functions.
#[inline(always)]
fn unit(alpha: f32, beta: u32) -> f32 {
    let a = power(alpha, beta);
    a / (1.0 - a)
}

/// xⁿ by repeated squaring.
#[inline(always)]
pub(super) fn power(x: f32, n: u32) -> f32 {
    let (mut result, mut square, mut n) = (1.0, x, n);
    while n > 0 {
        if n & 1 == 1 {
            result *= square;
        }
        square *= square;
        n >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const NLAF: Cost = Cost::Nlaf {
        alpha: 0.999,
        beta: 8,
        gamma: 3,
    };

    #[test]
    fn costs_by_hand() {
        // (0.999 · 1)⁸ / (1 − 0.999⁸) = 124.44, squared 15,485.
        assert!((NLAF.signed(1.0) / 15_485.0 - 1.0).abs() < 1e-3);
        assert!((NLAF.signed(-0.5) + 0.484).abs() < 1e-3);
        assert_eq!(NLAF.signed(0.0), 0.0);
        assert!((Cost::Log.signed(-0.5) + 2f32.ln()).abs() < 1e-6);
        assert_eq!((Cost::Log.slope(0.0), Cost::Log.slope(-0.5)), (1.0, 2.0));
        for cost in [
            NLAF,
            Cost::Log,
            Cost::Nlaf {
                alpha: 0.9,
                beta: 3,
                gamma: 1,
            },
        ] {
            for w in [0.01f32, 0.3, 0.7, 0.95] {
                let h = 1e-3;
                let difference = (cost.signed(w + h) - cost.signed(w - h)) / (2.0 * h);
                let slope = cost.slope(w);
                assert!(
                    (difference - slope).abs() <= 2e-2 * slope + 1e-4,
                    "{cost:?} {w}"
                );
                assert_eq!(cost.slope(-w), slope);
            }
        }
    }
}
