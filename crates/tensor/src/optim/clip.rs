//! Clipping by the norm of all gradients together (Pascanu, Mikolov and Bengio, On the difficulty of
//! training recurrent neural networks, ICML 2013, algorithm 1).

use crate::tape::lanes::dot;
use crate::wide::wide;

/// Scales gradients down so that their Euclidean norm, over all of them, is at most `norm`.
pub fn to_norm<'a>(gradients: impl Iterator<Item = &'a mut [f32]>, norm: f32) {
    let gradients: Vec<&mut [f32]> = gradients.collect();
    // Sums of 4,096 squares in single precision, and of those in double.
    let parts = gradients.iter().flat_map(|g| g.chunks(4096));
    let squares = parts.map(|part| {
        let sum = wide(
            #[inline(always)]
            || dot(part, part),
        );
        f64::from(sum)
    });
    let found = squares.sum::<f64>().sqrt();
    if found <= f64::from(norm) {
        return;
    }
    let scale = (f64::from(norm) / found) as f32;
    for gradient in gradients {
        gradient.iter_mut().for_each(|g| *g *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_gradients_are_scaled() {
        let (mut a, mut b) = (vec![3.0f32, 0.0], vec![4.0f32]);
        to_norm([&mut a[..], &mut b[..]].into_iter(), 6.0);
        assert_eq!((a[0], b[0]), (3.0, 4.0));
        to_norm([&mut a[..], &mut b[..]].into_iter(), 1.0);
        assert!((a[0] - 0.6).abs() < 1e-6 && (b[0] - 0.8).abs() < 1e-6 && a[1] == 0.0);
    }
}
