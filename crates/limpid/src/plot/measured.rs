//! The pictures of what was measured of a dictionary: fronts of steering, and what codes keep.

use super::{Axis, Curve, Curves, Panel, curves, fronts};
use crate::Result;
use crate::measure_knobs::{KnobsMeasured, SteeringMeasured};

/// The pictures of measurements, by name: `fronts` with steering, `sparsity` with retention by sparsity.
///
/// # Errors
/// Where a plot cannot be drawn.
pub fn measured(title: &str, knobs: &KnobsMeasured) -> Result<Vec<(&'static str, String)>> {
    let mut pictures = Vec::new();
    if let Some(steering) = &knobs.steering {
        pictures.push(("fronts", steering_fronts(title, steering)?));
    }
    if let Some(kept) = knobs.sparsity.as_ref().filter(|kept| !kept.is_empty()) {
        let picture = Curves {
            title: format!("What codes keep: {title}"),
            x: "active atoms of a user, at most".to_owned(),
            y: "nDCG@20 in pass-through / base".to_owned(),
            axes: Axis::Linear,
            curves: vec![Curve {
                name: "pass-through".to_owned(),
                points: kept.iter().map(|p| (p.k as f64, p.retention)).collect(),
                pale: false,
            }],
        };
        pictures.push(("sparsity", curves(&picture)?));
    }
    Ok(pictures)
}

fn steering_fronts(title: &str, steering: &SteeringMeasured) -> Result<String> {
    let mut panels: Vec<Panel> = Vec::new();
    let unsteered = steering.unsteered.max(f64::MIN_POSITIVE);
    for method in &steering.methods {
        let title = match method.target.as_str() {
            "oracle" => "tag of the held-out items",
            "random" => "random tag",
            "hidden" => "random tag, half of its items known",
            other => other,
        };
        let points = method.front.points.iter();
        let points = points
            .map(|p| (p.personal / unsteered, p.segment))
            .collect();
        let own = (method.method.clone(), points);
        match panels.iter_mut().find(|p| p.title == title) {
            Some(panel) => panel.methods.push(own),
            None => panels.push(Panel {
                title: title.to_owned(),
                methods: vec![own],
            }),
        }
    }
    fronts(
        &format!("Steering: {title}"),
        "personal nDCG@20 kept (of the unsteered one)",
        "nDCG@20 of the items of the tag",
        &panels,
    )
}
