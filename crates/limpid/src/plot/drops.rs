//! Faithfulness as curves: how far items fall by how much of their explanation is deleted.

use limpid_eval::faithfulness::{CurvePoint, Faithfulness};

use super::{Axis, Curve, Curves};

/// The curves of models that were measured on the same data: what explanations cite, strong, and as many
/// random items, pale.
#[must_use]
pub fn drop_curves(data: &str, models: &[(String, &Faithfulness)]) -> Curves {
    let curve = |name: String, of: &Faithfulness, pale: bool, y: fn(&CurvePoint) -> f64| Curve {
        name,
        points: std::iter::once((0.0, 0.0))
            .chain(of.curve.iter().map(|p| (p.lines as f64, y(p))))
            .collect(),
        pale,
    };
    Curves {
        title: format!("Do items fall without what their explanations cite? ({data})"),
        x: "strongest lines whose items are deleted".to_owned(),
        y: "places that the best item falls (median)".to_owned(),
        axes: Axis::Linear,
        curves: models
            .iter()
            .flat_map(|(name, of)| {
                [
                    curve(name.clone(), of, false, |p| p.cited),
                    curve("as many random items".to_owned(), of, true, |p| p.random),
                ]
            })
            .collect(),
    }
}
