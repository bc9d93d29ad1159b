//! Curves, such as the ranks that an item loses by the number of deleted lines of its explanation.

use plotters::coord::combinators::IntoLogRange;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::{FAINT, INK, SIZE, SUM, color, failed, page};
use crate::Result;

/// How numbers lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Evenly.
    Linear,
    /// By powers; both axes are.
    Log,
}

/// Points that are joined.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// Thin and pale: a baseline for the others.
    pub pale: bool,
}

/// A picture of curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// The title.
    pub title: String,
    /// Label of the x axis.
    pub x: String,
    /// Label of the y axis.
    pub y: String,
    /// How numbers lie on the axes.
    pub axes: Axis,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// Plots curves. A pale curve has the color of the previous one.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn curves(picture: &Curves) -> Result<String> {
    let points = || picture.curves.iter().flat_map(|c| &c.points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::NEG_INFINITY, f64::max);
    let least = |of: fn(&(f64, f64)) -> f64| {
        let above_0 = points().map(of).filter(|&v| v > 0.0);
        above_0.fold(f64::INFINITY, f64::min)
    };
    let (x_most, y_most) = (most(|p| p.0).max(1e-9), most(|p| p.1).max(1e-9));
    page(&picture.title, SIZE, |area| {
        let mut builder = ChartBuilder::on(area);
        builder.x_label_area_size(44).y_label_area_size(64);
        match picture.axes {
            Axis::Linear => {
                let chart = builder
                    .build_cartesian_2d(0.0..1.03 * x_most, 0.0..1.05 * y_most)
                    .map_err(failed)?;
                draw(chart, picture, &|v| plain(*v))
            }
            Axis::Log => {
                let x = (0.8 * least(|p| p.0).min(x_most)..1.25 * x_most).log_scale();
                let y = (0.6 * least(|p| p.1).min(y_most)..1.7 * y_most).log_scale();
                let chart = builder.build_cartesian_2d(x, y).map_err(failed)?;
                draw(chart, picture, &|v| plain(*v))
            }
        }
    })
}

/// A number as short as it can be said.
fn plain(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{} M", value / 1e6),
        v if v >= 1e4 => format!("{} k", value / 1e3),
        v if v >= 10.0 => format!("{value:.0}"),
        _ => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

fn draw<'a, X, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    picture: &Curves,
    label: &dyn Fn(&f64) -> String,
) -> Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(SUM)
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
        .x_label_formatter(label)
        .y_label_formatter(label)
        .x_desc(&picture.x)
        .y_desc(&picture.y)
        .draw()
        .map_err(failed)?;
    let mut n_strong = 0;
    for (at, curve) in picture.curves.iter().enumerate() {
        n_strong += usize::from(!curve.pale);
        let hue = color(n_strong.max(1) - 1);
        let (style, radius) = match curve.pale {
            true => (hue.mix(0.4).stroke_width(1), 2),
            false => (hue.stroke_width(2), 4),
        };
        let dots = curve.points.iter();
        let dots = dots.map(|&p| Circle::new(p, radius, style.color.filled()));
        chart.draw_series(dots).map_err(failed)?;
        let line = PathElement::new(curve.points.clone(), style);
        let drawn = chart.draw_series([line]).map_err(failed)?;
        // Pale curves of one name are named once.
        let is_named = |c: &Curve| c.pale && c.name == curve.name;
        if !(curve.pale && picture.curves[..at].iter().any(is_named)) {
            drawn
                .label(curve.name.clone())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        }
    }
    // The legend is where the first curve is not.
    let first = picture.curves.first().map_or(&[][..], |c| &c.points);
    let ends = first.first().zip(first.last());
    let falls = ends.is_some_and(|(start, end)| end.1 < start.1);
    chart
        .configure_series_labels()
        .position(match picture.axes {
            Axis::Linear if falls => SeriesLabelPosition::UpperRight,
            Axis::Linear => SeriesLabelPosition::UpperLeft,
            Axis::Log => SeriesLabelPosition::LowerRight,
        })
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font(("sans-serif", 13).into_font().color(&INK))
        .draw()
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_scales_name_every_curve() {
        let curve = |name: &str, pale| Curve {
            name: name.to_owned(),
            points: vec![(1.0, 2.0), (10.0, 30.0), (1e6, 400.0)],
            pale,
        };
        for axes in [Axis::Linear, Axis::Log] {
            let svg = curves(&Curves {
                title: "T".to_owned(),
                x: "events".to_owned(),
                y: "seconds".to_owned(),
                axes,
                curves: vec![curve("one", false), curve("two", true)],
            })
            .unwrap();
            assert!(
                ["one", "two", "events", "seconds"]
                    .iter()
                    .all(|t| svg.contains(t))
            );
        }
    }

    #[test]
    fn short_numbers() {
        assert_eq!(plain(2_000_000.0), "2 M");
        assert_eq!(plain(20_000.0), "20 k");
        assert_eq!(
            (plain(0.25), plain(12.0), plain(0.0)),
            ("0.25".into(), "12".into(), "0".into())
        );
    }
}
