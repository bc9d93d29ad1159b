//! Pictures as SVG: accuracy against brevity, a ledger as a waterfall, curves, and those of dictionaries.
//!
//! Nothing depends on fonts or a display: a picture is text.

mod board;
mod concept_map;
mod curves;
mod drops;
mod fronts;
mod heat;
mod histogram;
mod labels;
mod measured;
mod reliability;
mod scatter;
mod waterfall;

pub use concept_map::{ConceptMap, Place, concept_map};
pub use curves::{Axis, Curve, Curves, curves};
pub use drops::drop_curves;
pub use fronts::{Panel, fronts};
pub use heat::{Heat, heat};
pub use histogram::{Histogram, histograms};
pub use measured::measured;
pub use reliability::reliability;
pub use scatter::{Dot, Scatter, scatter};
pub use waterfall::waterfall;

use plotters::prelude::*;

use crate::output::text;
use crate::{Error, Result};

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 540);

/// Dark enough for text on white.
const INK: RGBColor = RGBColor(38, 42, 48);
/// Grids and axes.
const FAINT: RGBColor = RGBColor(222, 226, 230);
/// Supporting evidence.
const FOR: RGBColor = RGBColor(31, 119, 140);
/// Opposing evidence.
const AGAINST: RGBColor = RGBColor(196, 84, 56);
/// Sums and bases.
const SUM: RGBColor = RGBColor(120, 128, 138);

/// Colors that stay apart for color-blind readers too (Okabe and Ito), dark ones first.
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(120, 128, 138),
    RGBColor(0, 0, 0),
];

fn color(at: usize) -> RGBColor {
    COLORS[at % COLORS.len()]
}

fn failed(e: impl std::fmt::Display) -> Error {
    Error::Usage(format!("cannot draw the plot: {e}"))
}

/// Text truncated to a number of characters, with an ellipsis.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text
            .chars()
            .take(most.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// Draws on a white page with a title; returns the SVG.
fn page(
    title: &str,
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let style = ("sans-serif", 18).into_font().color(&INK);
        let title = labels::fitted(title, 18, size.0 as i32 - 40);
        root.draw(&Text::new(title, (20, 14), style))
            .map_err(failed)?;
        draw(&root.margin(44, 12, 16, 20))?;
        root.present().map_err(failed)?;
    }
    // Some characters of titles have no place in XML, and others reorder what stands beside them.
    Ok(text::xml(&svg).into_owned())
}
