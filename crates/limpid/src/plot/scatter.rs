//! Named points, such as accuracy against how much there is to read, with those that none beats joined.

use plotters::prelude::*;

use super::{COLORS, FAINT, INK, SIZE, SUM, failed, page};
use crate::Result;

/// A named point.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// What it is.
    pub name: String,
    /// To the right; less is better.
    pub x: f64,
    /// Upwards; more is better.
    pub y: f64,
    /// Half the width of its interval, upwards.
    pub half_width: Option<f64>,
}

/// A picture of named points.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// The title.
    pub title: String,
    /// Label of the x axis.
    pub x: String,
    /// Label of the y axis.
    pub y: String,
    /// The points.
    pub dots: Vec<Dot>,
}

/// Plots named points. The points of the Pareto frontier are joined by steps.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn scatter(scatter: &Scatter) -> Result<String> {
    let dots = &scatter.dots;
    let (x_low, x_high) = span(dots.iter().map(|d| d.x), 0.12);
    let half = |d: &Dot| d.half_width.unwrap_or(0.0);
    let ends = dots.iter().flat_map(|d| [d.y - half(d), d.y + half(d)]);
    let (y_low, y_high) = span(ends, 0.08);
    // Names are to the right of their points.
    let x_high = x_high + 0.22 * (x_high - x_low);
    page(&scatter.title, SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x_low.max(0.0)..x_high, y_low..y_high)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(SUM)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
            .x_desc(&scatter.x)
            .y_desc(&scatter.y)
            .draw()
            .map_err(failed)?;
        chart
            .draw_series([PathElement::new(
                steps(dots),
                COLORS[0].mix(0.45).stroke_width(2),
            )])
            .map_err(failed)?;
        let labels = spread_labels(dots, y_high - y_low);
        for (dot, label_y) in dots.iter().zip(labels) {
            let color = if is_best(dot, dots) { COLORS[0] } else { SUM };
            if let Some(half) = dot.half_width {
                let ends = vec![(dot.x, dot.y - half), (dot.x, dot.y + half)];
                let bar = PathElement::new(ends, color.mix(0.5).stroke_width(1));
                chart.draw_series([bar]).map_err(failed)?;
            }
            if label_y != dot.y {
                // A name that had to give way is tied to its point.
                let leader = vec![(dot.x, dot.y), (dot.x, label_y)];
                let leader = PathElement::new(leader, color.mix(0.35).stroke_width(1));
                chart.draw_series([leader]).map_err(failed)?;
            }
            let point = Circle::new((dot.x, dot.y), 5, color.filled());
            chart.draw_series([point]).map_err(failed)?;
            let style = ("sans-serif", 13).into_font().color(&INK);
            let text =
                EmptyElement::at((dot.x, label_y)) + Text::new(dot.name.clone(), (9, -7), style);
            chart.draw_series([text]).map_err(failed)?;
        }
        Ok(())
    })
}

/// The range of values, widened by a share of itself.
fn span(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
    if low > high {
        return (0.0, 1.0);
    }
    let room = margin * (high - low).max(0.02 * high.abs()).max(1e-6);
    (low - room, high + room)
}

fn is_best(dot: &Dot, dots: &[Dot]) -> bool {
    let beats = |d: &Dot| d.x <= dot.x && d.y >= dot.y && (d.x < dot.x || d.y > dot.y);
    !dots.iter().any(beats)
}

/// The outline of the points that none beats, from left to right.
fn steps(dots: &[Dot]) -> Vec<(f64, f64)> {
    let mut best: Vec<&Dot> = dots.iter().filter(|d| is_best(d, dots)).collect();
    best.sort_by(|a, b| a.x.total_cmp(&b.x));
    let mut outline: Vec<(f64, f64)> = Vec::new();
    for dot in best {
        if let Some(&(_, y)) = outline.last() {
            outline.push((dot.x, y));
        }
        outline.push((dot.x, dot.y));
    }
    outline
}

/// Heights for the names, so that names of near points do not cover each other.
fn spread_labels(dots: &[Dot], height: f64) -> Vec<f64> {
    let line = height * 17.0 / 420.0;
    let mut order: Vec<usize> = (0..dots.len()).collect();
    order.sort_by(|&a, &b| dots[b].y.total_cmp(&dots[a].y));
    let mut heights: Vec<f64> = dots.iter().map(|d| d.y).collect();
    let x_span = span(dots.iter().map(|d| d.x), 0.0);
    let near = 0.3 * (x_span.1 - x_span.0);
    for at in 1..order.len() {
        for before in 0..at {
            let (this, other) = (order[at], order[before]);
            let close = (dots[this].x - dots[other].x).abs() < near;
            if close && heights[other] - heights[this] < line {
                heights[this] = heights[other] - line;
            }
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(name: &str, x: f64, y: f64) -> Dot {
        Dot {
            name: name.to_owned(),
            x,
            y,
            half_width: Some(0.001),
        }
    }

    #[test]
    fn the_frontier_and_every_name_are_drawn() {
        let dots = vec![
            dot("short", 6.0, 0.36),
            dot("accurate", 8.0, 0.37),
            dot("worse < both", 9.0, 0.35),
        ];
        assert!(is_best(&dots[0], &dots) && is_best(&dots[1], &dots) && !is_best(&dots[2], &dots));
        assert_eq!(steps(&dots), [(6.0, 0.36), (8.0, 0.36), (8.0, 0.37)]);
        let picture = Scatter {
            title: "T".to_owned(),
            x: "lines".to_owned(),
            y: "ndcg@20".to_owned(),
            dots,
        };
        let svg = scatter(&picture).unwrap();
        for text in ["accurate", "short", "worse &lt; both", "lines", "ndcg@20"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(
            scatter(&Scatter {
                dots: vec![],
                ..picture
            })
            .is_ok()
        );
    }

    #[test]
    fn names_of_near_points_stand_apart() {
        let dots = vec![
            dot("a", 7.0, 0.3),
            dot("b", 7.1, 0.3001),
            dot("c", 20.0, 0.3),
        ];
        let heights = spread_labels(&dots, 0.1);
        assert!((heights[1] - heights[0]).abs() > 0.003);
        assert_eq!(heights[2], 0.3);
    }
}
