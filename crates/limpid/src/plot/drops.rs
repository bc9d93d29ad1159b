//! Faithfulness as curves: ranks lost by the number of deleted lines of an explanation.

use limpid_eval::faithfulness::{CurvePoint, Faithfulness};

use super::{Axis, Curve, Curves};

/// The curves of models that were measured on the same data: cited items, strong, and as many
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
        title: format!("Deletion test: ranks lost without cited items ({data})"),
        x: "strongest lines whose items are deleted".to_owned(),
        y: "ranks that the item at rank 1 loses (median)".to_owned(),
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
