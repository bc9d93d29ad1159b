//! A heat map, such as how well each knob tells the items of each tag.

use plotters::prelude::*;
use plotters::style::FontTransform;

use super::labels::{fitted, width};
use super::{FAINT, INK, failed, page};
use crate::Result;

/// Width of the picture in pixels.
const WIDTH: i32 = 860;

/// Left end of the cells; names of rows are to the left.
const LEFT: i32 = 170;

/// Height of the names of columns.
const HEADS: i32 = 90;

/// The largest cell.
const CELL: i32 = 26;

/// A matrix with names.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// The title.
    pub title: String,
    /// What the values are.
    pub about: String,
    /// The value that is white.
    pub middle: f64,
    /// The value of the darkest blue; as far below the middle is the darkest orange.
    pub most: f64,
    /// Names of rows.
    pub rows: Vec<String>,
    /// Names of columns.
    pub columns: Vec<String>,
    /// Values by row.
    pub values: Vec<Vec<f64>>,
}

/// Plots a heat map.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn heat(picture: &Heat) -> Result<String> {
    let n = picture.columns.len().max(1) as i32;
    let cell = ((WIDTH - 40 - LEFT) / n).clamp(8, CELL);
    let rows = picture.rows.len() as i32;
    let height = 44 + HEADS + rows * cell + 70;
    page(&picture.title, (WIDTH as u32, height as u32), |area| {
        let text = |text: &str, at: (i32, i32), turned: bool| {
            let mut font = ("sans-serif", 12).into_font();
            if turned {
                font = font.transform(FontTransform::Rotate270);
            }
            area.draw(&Text::new(text.to_owned(), at, font.color(&INK)))
                .map_err(failed)
        };
        for (c, name) in (0i32..).zip(&picture.columns) {
            let x = LEFT + c * cell + (cell - 12) / 2;
            text(&fitted(name, 12, HEADS - 8), (x, HEADS - 4), true)?;
        }
        for (r, (name, values)) in (0i32..).zip(picture.rows.iter().zip(&picture.values)) {
            let y = HEADS + r * cell;
            let name = fitted(name, 12, LEFT - 12);
            text(
                &name,
                (LEFT - 8 - width(&name, 12), y + (cell - 12) / 2),
                false,
            )?;
            for (c, &value) in (0i32..).zip(values) {
                let corners = [
                    (LEFT + c * cell, y),
                    (LEFT + (c + 1) * cell - 1, y + cell - 1),
                ];
                let color = shade((value - picture.middle) / (picture.most - picture.middle));
                area.draw(&Rectangle::new(corners, color.filled()))
                    .map_err(failed)?;
            }
        }
        // The scale below.
        let y = HEADS + rows * cell + 16;
        let reach = picture.most - picture.middle;
        for step in 0..=40 {
            let share = f64::from(step) / 20.0 - 1.0;
            let x = LEFT + step * 6;
            let corners = [(x, y), (x + 6, y + 12)];
            area.draw(&Rectangle::new(corners, shade(share).filled()))
                .map_err(failed)?;
            if step % 20 == 0 {
                let label = format!("{:.2}", picture.middle + share * reach);
                text(&label, (x - width(&label, 12) / 2 + 3, y + 16), false)?;
            }
        }
        let frame = [(LEFT, y), (LEFT + 246, y + 12)];
        area.draw(&Rectangle::new(frame, FAINT.stroke_width(1)))
            .map_err(failed)?;
        let about = fitted(&picture.about, 12, WIDTH - 40 - LEFT - 270);
        text(&about, (LEFT + 262, y), false)
    })
}

/// From orange (−1) over white to blue (1).
fn shade(share: f64) -> RGBColor {
    let share = if share.is_finite() {
        share.clamp(-1.0, 1.0)
    } else {
        0.0
    };
    let end = match share > 0.0 {
        true => (0.0, 90.0, 160.0),
        false => (213.0, 94.0, 0.0),
    };
    let mix = |end: f64| (255.0 + (end - 255.0) * share.abs()) as u8;
    RGBColor(mix(end.0), mix(end.1), mix(end.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_and_name_is_drawn() {
        let picture = Heat {
            title: "T".to_owned(),
            about: "AUROC".to_owned(),
            middle: 0.5,
            most: 1.0,
            rows: vec![
                "noir <1>".to_owned(),
                "a very long tag that has no room ".repeat(3),
            ],
            columns: vec!["n1".to_owned(), "n2".to_owned(), "n3".to_owned()],
            values: vec![vec![1.0, 0.5, 0.0], vec![f64::NAN, 0.7, 0.9]],
        };
        let svg = heat(&picture).unwrap();
        assert!(svg.contains("noir &lt;1&gt;") && svg.contains('…') && svg.contains("n3"));
        assert_eq!(shade(0.0), RGBColor(255, 255, 255));
        assert_eq!((shade(1.0).2, shade(-1.0).0), (160, 213));
        let none = Heat {
            rows: vec![],
            columns: vec![],
            values: vec![],
            ..picture
        };
        assert!(heat(&none).is_ok());
    }
}
