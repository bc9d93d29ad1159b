//! Fronts: what several methods gain against what they cost, in panels beside each other.

use plotters::prelude::*;

use super::labels::{fitted, width};
use super::{FAINT, INK, SUM, color, failed, page};
use crate::Result;

/// Width of the picture in pixels.
const WIDTH: i32 = 860;

/// Height of the panels.
const HEIGHT: i32 = 320;

/// Height of a line of the legend.
const LINE: i32 = 18;

/// Columns of the legend.
const COLUMNS: usize = 2;

/// Least share of personal accuracy that is shown.
const LEAST: f64 = 0.8;

/// Methods under one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The condition.
    pub title: String,
    /// Methods, the same and in the same order in every panel: name and points of (share kept, gain).
    pub methods: Vec<(String, Vec<(f64, f64)>)>,
}

/// Plots fronts: to the right what is kept, from 80 %, upwards what is gained, by powers.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn fronts(title: &str, x: &str, y: &str, panels: &[Panel]) -> Result<String> {
    let names: Vec<&str> = panels
        .first()
        .map_or(&[][..], |p| &p.methods)
        .iter()
        .map(|m| m.0.as_str())
        .collect();
    let rows = names.len().div_ceil(COLUMNS) as i32;
    let size = (WIDTH as u32, (HEIGHT + 150 + LINE * rows) as u32);
    let shown = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let inside = points.iter().filter(|p| p.0 >= LEAST && p.1 > 0.0);
        let mut points: Vec<(f64, f64)> = inside.copied().collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let all: Vec<(f64, f64)> = panels
        .iter()
        .flat_map(|p| p.methods.iter().flat_map(|m| shown(&m.1)))
        .collect();
    let most = |of: fn(&(f64, f64)) -> f64, least: f64| all.iter().map(of).fold(least, f64::max);
    let right = most(|p| p.0, 1.0) + 0.005;
    let high = 1.15 * most(|p| p.1, 1e-3);
    let low = all.iter().map(|p| p.1).fold(high, f64::min) * 0.85;
    let n = panels.len().max(1) as i32;
    let (left, gap) = (52, 18);
    let inner = (WIDTH - 50 - left - gap * (n - 1)) / n;
    page(title, size, |area| {
        let font = |size: u32, color: &RGBColor| ("sans-serif", size).into_font().color(color);
        let text = |text: &str, at: (i32, i32), size: u32, ink: &RGBColor| {
            area.draw(&Text::new(text.to_owned(), at, font(size, ink)))
                .map_err(failed)
        };
        let line = |points: Vec<(i32, i32)>, style: ShapeStyle| {
            area.draw(&PathElement::new(points, style)).map_err(failed)
        };
        text(&fitted(y, 13, WIDTH - 40), (0, 0), 13, &INK)?;
        let top = 44;
        for (at, panel) in (0i32..).zip(panels) {
            let from = left + at * (inner + gap);
            let place = |p: (f64, f64)| -> (i32, i32) {
                let across = (p.0 - LEAST) / (right - LEAST);
                let up = (p.1.max(1e-12) / low).ln() / (high / low).ln();
                (
                    from + (across * f64::from(inner)) as i32,
                    top + HEIGHT - (up * f64::from(HEIGHT)) as i32,
                )
            };
            text(&fitted(&panel.title, 13, inner), (from, top - 20), 13, &INK)?;
            for value in ticks(low, high) {
                let y = place((LEAST, value)).1;
                line(vec![(from, y), (from + inner, y)], FAINT.stroke_width(1))?;
                if at == 0 {
                    let label = format!("{value}");
                    text(&label, (left - 8 - width(&label, 12), y - 6), 12, &INK)?;
                }
            }
            for share in [0.8, 0.85, 0.9, 0.95, 1.0] {
                let x = place((share, low)).0;
                line(vec![(x, top), (x, top + HEIGHT)], FAINT.stroke_width(1))?;
                let label = format!("{:.0} %", 100.0 * share);
                if inner >= 200 || [0.8, 0.9, 1.0].contains(&share) {
                    text(
                        &label,
                        (x - width(&label, 12) / 2, top + HEIGHT + 6),
                        12,
                        &INK,
                    )?;
                }
            }
            for (m, (_, points)) in panel.methods.iter().enumerate() {
                let points: Vec<(i32, i32)> = shown(points).into_iter().map(place).collect();
                for piece in pieces(&points, m) {
                    line(piece, color(m).stroke_width(2))?;
                }
                for &point in &points {
                    area.draw(&Circle::new(point, 2, color(m).filled()))
                        .map_err(failed)?;
                }
            }
        }
        let below = top + HEIGHT + 26;
        text(&fitted(x, 13, WIDTH - 40), (left, below), 13, &INK)?;
        let column = (WIDTH - 40) / COLUMNS as i32;
        for (m, name) in names.iter().enumerate() {
            let (x, y) = (
                column * (m % COLUMNS) as i32,
                below + 28 + LINE * (m / COLUMNS) as i32,
            );
            for piece in pieces(&[(x, y + 6), (x + 26, y + 6)], m) {
                line(piece, color(m).stroke_width(2))?;
            }
            text(&fitted(name, 12, column - 40), (x + 32, y), 12, &INK)?;
        }
        if all.is_empty() {
            text("no method keeps as much", (left + 8, top + 8), 13, &SUM)?;
        }
        Ok(())
    })
}

/// The pieces of a line: one; for methods beyond the number of colors dashes, then dots.
fn pieces(points: &[(i32, i32)], method: usize) -> Vec<Vec<(i32, i32)>> {
    let dash = match method / super::COLORS.len() {
        0 => return vec![points.to_vec()],
        1 => 6.0,
        _ => 2.0,
    };
    let mut out = Vec::new();
    let mut walked = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy).max(1e-9);
        let at = |d: f64| {
            let share = d / length;
            (
                from.0 + (dx * share).round() as i32,
                from.1 + (dy * share).round() as i32,
            )
        };
        let mut d = 0.0;
        while d < length {
            let phase = (walked + d) % (2.0 * dash);
            let rest = if phase < dash {
                dash - phase
            } else {
                2.0 * dash - phase
            };
            let end = (d + rest).min(length);
            if phase < dash {
                out.push(vec![at(d), at(end)]);
            }
            d = end + 1e-6;
        }
        walked += length;
    }
    out
}

/// Round numbers from `low` to `high`, a few per power of ten.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let first = low.max(1e-9).log10().floor() as i32;
    let last = high.max(1e-9).log10().ceil() as i32;
    let all = (first..=last).flat_map(|power| {
        [1.0, 2.0, 5.0].map(|v: f64| {
            // Read back from text, so that 0.3 is not 0.30000000000000004.
            format!("{v}e{power}").parse().unwrap_or(v)
        })
    });
    all.filter(|v| (low..=high).contains(v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_named_once_and_few_points_are_drawn() {
        let method = |m: usize| {
            let points = vec![(1.0, 0.08), (0.95, 0.1 + 0.02 * m as f64), (0.3, 0.9)];
            (format!("method <{m}>"), points)
        };
        let panel = |title: &str| Panel {
            title: title.to_owned(),
            methods: (0..14).map(method).collect(),
        };
        let svg = fronts("T", "kept", "gain", &[panel("oracle"), panel("random")]).unwrap();
        for m in 0..14 {
            assert_eq!(svg.matches(&format!("method &lt;{m}&gt;")).count(), 1);
        }
        assert!(svg.contains("oracle") && svg.contains("100 %"));
        let none = Panel {
            title: "x".repeat(400),
            methods: vec![("alone".to_owned(), vec![(0.5, 0.2)])],
        };
        assert!(
            fronts("T", "x", "y", &[none])
                .unwrap()
                .contains("no method keeps")
        );
        assert!(fronts("T", "x", "y", &[]).is_ok());
    }

    #[test]
    fn ticks_are_round_and_lines_differ() {
        assert_eq!(ticks(0.04, 0.6), [0.05, 0.1, 0.2, 0.5]);
        let n_pieces = |method| pieces(&[(0, 0), (100, 0)], method).len();
        assert_eq!([n_pieces(1), n_pieces(9), n_pieces(17)], [1, 9, 25]);
    }
}
