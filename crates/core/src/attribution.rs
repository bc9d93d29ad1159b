//! Attribution by path integrals: the contribution of each changed coordinate to a change
//! of a score.
//!
//! Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks (ICML 2017), equation 2: the
//! contribution of coordinate k on the path from `from` to `to` is `(to_k − from_k)` times the mean of
//! `∂ score / ∂ z_k` over the straight path. Contributions sum to the change of the score up to the
//! error of the numerical integration, which belongs in the residual of a ledger.

/// The mean gradient over the straight path from `from` to `to`, both `(D)`, by the midpoint rule with
/// `steps` steps; exact with one step where the score is linear. `gradient` maps a point `(D)` to the
/// gradient there `(D)`.
pub fn mean_gradient(
    from: &[f32],
    to: &[f32],
    steps: usize,
    mut gradient: impl FnMut(&[f32]) -> Vec<f32>,
) -> Vec<f64> {
    let steps = steps.max(1);
    let mut mean = vec![0f64; from.len().min(to.len())];
    let mut at = vec![0f32; mean.len()];
    for step in 0..steps {
        let t = (step as f32 + 0.5) / steps as f32;
        for ((at, from), to) in at.iter_mut().zip(from).zip(to) {
            *at = from + t * (to - from);
        }
        for (mean, d) in mean.iter_mut().zip(gradient(&at)) {
            *mean += f64::from(d) / steps as f64;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// score = z_0² + 3 z_1: from (0, 0) to (2, 1) the contributions are 4 and 3.
    #[test]
    fn contributions_add_up_to_the_change() {
        let gradient = |z: &[f32]| vec![2.0 * z[0], 3.0];
        let mean = mean_gradient(&[0.0, 0.0], &[2.0, 1.0], 8, gradient);
        assert!((mean[0] * 2.0 - 4.0).abs() < 1e-6 && (mean[1] - 3.0).abs() < 1e-6);
    }
}
