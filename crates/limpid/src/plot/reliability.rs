//! Reliability: how often what was given a probability happened.

use limpid_eval::chain_paths::{Bin, Calibration};

use super::{Axis, Curve, Curves};

/// The reliability of probabilities, in bins of equal size, beside perfect calibration.
#[must_use]
pub fn reliability(title: &str, calibration: &Calibration) -> Curves {
    let points = |y: fn(&Bin) -> f64| -> Vec<(f64, f64)> {
        let bins = calibration.bins.iter().chain([&calibration.most_probable]);
        bins.map(|bin| (bin.predicted, y(bin))).collect()
    };
    Curves {
        title: format!("Reliability of probabilities: {title}"),
        x: "predicted probability (bins of equal size, and the most probable 0.4 %)".to_owned(),
        y: "share that was held out".to_owned(),
        axes: Axis::Linear,
        curves: vec![
            Curve {
                name: "observed".to_owned(),
                points: points(|bin| bin.observed),
                pale: false,
            },
            Curve {
                name: "perfect calibration".to_owned(),
                points: points(|bin| bin.predicted),
                pale: true,
            },
        ],
    }
}
