//! The concept map: items and knobs of a dictionary on the two directions in which items differ most.

use plotters::prelude::*;

use super::labels::{Placer, fitted};
use super::{COLORS, FAINT, INK, SUM, failed, page};
use crate::Result;

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 726);

/// Width and height of the map on it.
const AREA: (i32, i32) = (820, 620);

/// The widest label in pixels.
const LABEL: i32 = 150;

/// A point of the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// What it is; empty for one without a label.
    pub label: String,
    /// Position.
    pub x: f64,
    /// Position.
    pub y: f64,
}

/// Items and knobs, each in the order in which their labels are placed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConceptMap {
    /// The title.
    pub title: String,
    /// Shares of the variance of items that the two directions have.
    pub explained: (f64, f64),
    /// Items.
    pub items: Vec<Place>,
    /// Knobs; those with a label have a confirmed name.
    pub knobs: Vec<Place>,
}

/// Plots a concept map. Labels that would cover others are left out.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn concept_map(map: &ConceptMap) -> Result<String> {
    let points = || map.items.iter().chain(&map.knobs);
    let (x, y) = (span(points().map(|p| p.x)), span(points().map(|p| p.y)));
    let (width, height) = AREA;
    let at = |p: &Place| -> (i32, i32) {
        let share = |v: f64, (low, high): (f64, f64)| (v - low) / (high - low);
        (
            (share(p.x, x) * f64::from(width)) as i32,
            height - (share(p.y, y) * f64::from(height)) as i32,
        )
    };
    page(&map.title, SIZE, |area| {
        let frame = Rectangle::new([(0, 0), AREA], FAINT.stroke_width(1));
        area.draw(&frame).map_err(failed)?;
        for item in &map.items {
            area.draw(&Circle::new(at(item), 2, SUM.mix(0.3).filled()))
                .map_err(failed)?;
        }
        let mut placer = Placer::new(AREA);
        for knob in &map.knobs {
            placer.avoid(at(knob), 4);
        }
        let mut left_out = 0;
        for knob in &map.knobs {
            let color = match knob.label.is_empty() {
                true => COLORS[0].mix(0.35),
                false => COLORS[0].mix(1.0),
            };
            area.draw(&Circle::new(at(knob), 4, color.filled()))
                .map_err(failed)?;
        }
        for (places, size, color) in [(&map.knobs, 13, INK), (&map.items, 10, SUM)] {
            for place in places.iter().filter(|p| !p.label.is_empty()) {
                let text = fitted(&place.label, size, LABEL);
                let Some(corner) = placer.place(at(place), &text, size) else {
                    left_out += usize::from(size == 13);
                    continue;
                };
                let style = ("sans-serif", size).into_font().color(&color);
                area.draw(&Text::new(text, corner, style)).map_err(failed)?;
            }
        }
        let named = map.knobs.iter().filter(|k| !k.label.is_empty()).count();
        let no_room = match left_out {
            0 => String::new(),
            n => format!("; {n} names have no room"),
        };
        let lines = [
            format!(
                "blue: knobs ({named} of {} named; pale: unnamed{no_room}); grey: items",
                map.knobs.len()
            ),
            format!(
                "directions: the two in which items differ most ({:.0} % and {:.0} % of the variance)",
                100.0 * map.explained.0,
                100.0 * map.explained.1
            ),
        ];
        for (line, y) in lines.iter().zip([height + 8, height + 25]) {
            let style = ("sans-serif", 12).into_font().color(&SUM);
            area.draw(&Text::new(fitted(line, 12, width), (0, y), style))
                .map_err(failed)?;
        }
        Ok(())
    })
}

/// The range of values, a little wider.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let room = 0.04 * (high - low).max(1e-6);
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(label: &str, x: f64, y: f64) -> Place {
        Place {
            label: label.to_owned(),
            x,
            y,
        }
    }

    #[test]
    fn hostile_titles_and_few_points() {
        let map = ConceptMap {
            title: "Concept map of <b>everything</b> \u{202e}and more".repeat(9),
            explained: (0.1, 0.05),
            items: vec![place("</svg><script>", 0.0, 0.0), place("", f64::NAN, 1.0)],
            knobs: vec![place("noir & \u{0}co", 1.0, 1.0), place("", 1.0, 1.0)],
        };
        let svg = concept_map(&map).unwrap();
        assert!(!svg.contains("<script") && !svg.contains('\u{202e}') && !svg.contains('\0'));
        assert!(svg.contains("noir &amp; ") && svg.contains("1 of 2 named"));
        assert!(concept_map(&ConceptMap::default()).is_ok());
    }

    /// Of many knobs in one place only some names have room, and the picture says how many do not.
    #[test]
    fn crowded_names_are_left_out() {
        let knobs = (0..50).map(|k| place(&format!("name {k}"), 0.5, 0.5 + 1e-9 * f64::from(k)));
        let map = ConceptMap {
            knobs: knobs.chain([place("alone", 0.0, 0.0)]).collect(),
            ..ConceptMap::default()
        };
        let svg = concept_map(&map).unwrap();
        assert!(
            svg.contains("names have no room") && svg.contains("alone"),
            "{svg}"
        );
    }
}
