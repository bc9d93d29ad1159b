//! Histograms beside each other, such as the confidence and the stability of knobs.

use plotters::prelude::*;

use super::labels::{fitted, width};
use super::{COLORS, FAINT, INK, SUM, failed, page};
use crate::Result;

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 400);

/// Height of the bars at most.
const HEIGHT: i32 = 250;

/// Bars of a histogram.
const BINS: usize = 20;

/// Values that are counted in bins of equal width, in two classes on top of each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// What the values are.
    pub x: String,
    /// The range.
    pub range: (f64, f64),
    /// The names of the classes; the second may be empty.
    pub classes: [String; 2],
    /// The values of each class; those outside of the range count at its ends.
    pub values: [Vec<f64>; 2],
}

impl Histogram {
    fn counts(&self, class: usize) -> [usize; BINS] {
        let (low, high) = self.range;
        let mut counts = [0; BINS];
        for &value in self.values[class].iter().filter(|v| v.is_finite()) {
            let share = (value - low) / (high - low).max(1e-12);
            let bin = (share * BINS as f64).floor().clamp(0.0, BINS as f64 - 1.0);
            counts[bin as usize] += 1;
        }
        counts
    }
}

/// Plots histograms beside each other.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn histograms(title: &str, all: &[Histogram]) -> Result<String> {
    let n = all.len().max(1) as i32;
    let (left, gap) = (44, 56);
    let inner = (SIZE.0 as i32 - 50 - left - gap * (n - 1)) / n;
    page(title, SIZE, |area| {
        let text = |text: &str, at: (i32, i32), size: u32, ink: &RGBColor| {
            let style = ("sans-serif", size).into_font().color(ink);
            area.draw(&Text::new(text.to_owned(), at, style))
                .map_err(failed)
        };
        let top = 40;
        for (at, histogram) in (0i32..).zip(all) {
            let from = left + at * (inner + gap);
            let counts = [histogram.counts(0), histogram.counts(1)];
            let sums = counts[0].iter().zip(&counts[1]).map(|(a, b)| a + b);
            let most = sums.max().unwrap_or(0).max(1);
            let y = |count: usize| top + HEIGHT - HEIGHT * count as i32 / most as i32;
            let step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000]
                .into_iter()
                .find(|step| most / step <= 6)
                .unwrap_or(most);
            for count in (0..=most).step_by(step) {
                let level = y(count);
                let grid = PathElement::new(vec![(from, level), (from + inner, level)], FAINT);
                area.draw(&grid).map_err(failed)?;
                let label = count.to_string();
                text(&label, (from - 6 - width(&label, 12), level - 6), 12, &INK)?;
            }
            let edge = |bin: usize| from + inner * bin as i32 / BINS as i32;
            let pairs = counts[0].iter().zip(&counts[1]);
            for (bin, (&first, &second)) in pairs.enumerate() {
                for (low, high, color) in [
                    (0, first, COLORS[0].mix(1.0)),
                    (first, first + second, SUM.mix(0.45)),
                ] {
                    if high > low {
                        let corners = [(edge(bin) + 1, y(high)), (edge(bin + 1) - 1, y(low))];
                        area.draw(&Rectangle::new(corners, color.filled()))
                            .map_err(failed)?;
                    }
                }
            }
            for quarter in 0..=4 {
                let (low, high) = histogram.range;
                let value = low + (high - low) * f64::from(quarter) / 4.0;
                let label = format!("{value:.3}");
                let label = label.trim_end_matches('0').trim_end_matches('.');
                let x = from + inner * quarter / 4 - width(label, 12) / 2;
                text(label, (x, top + HEIGHT + 6), 12, &INK)?;
            }
            text(
                &fitted(&histogram.x, 13, inner),
                (from, top + HEIGHT + 26),
                13,
                &INK,
            )?;
            let mut x = from;
            let colors = [COLORS[0].mix(1.0), SUM.mix(0.45)];
            for (class, (name, color)) in histogram.classes.iter().zip(colors).enumerate() {
                if name.is_empty() {
                    continue;
                }
                let label = format!("{name}: {}", histogram.values[class].len());
                let label = fitted(&label, 12, inner / 2 - 18);
                let square = [(x, top - 22), (x + 10, top - 12)];
                area.draw(&Rectangle::new(square, color.filled()))
                    .map_err(failed)?;
                text(&label, (x + 15, top - 23), 12, &INK)?;
                x += 27 + width(&label, 12);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_in_bins() {
        let histogram = Histogram {
            x: "confidence".to_owned(),
            range: (0.5, 1.0),
            classes: ["named".to_owned(), "guess".to_owned()],
            values: [vec![0.5, 0.51, 1.0, 2.0, f64::NAN], vec![0.1]],
        };
        let counts = histogram.counts(0);
        assert_eq!((counts[0], counts[BINS - 1]), (2, 2));
        assert_eq!(histogram.counts(1)[0], 1);
        let svg = histograms("T", &[histogram.clone(), histogram]).unwrap();
        assert!(svg.contains("named: 5") && svg.contains("0.625"), "{svg}");
        assert!(histograms("T", &[]).is_ok());
    }
}
