//! A ledger as a waterfall chart: every bar starts where the previous one ends; the last is the score.

use limpid_insight::wording;
use plotters::prelude::*;

use super::{AGAINST, FAINT, FOR, INK, SUM, cut, failed, page};
use crate::Result;
use crate::answers::Explanation;

/// Height of a bar with its space, in pixels.
const ROW: i32 = 30;

/// Left end of the bars; names are to the left.
const LEFT: i32 = 400;

/// Right end of the bars; numbers are to the right.
const RIGHT: i32 = 780;

/// A bar of the waterfall.
struct Bar {
    text: String,
    from: f64,
    to: f64,
    color: RGBColor,
}

/// Plots the ledger of an explanation with its `most` strongest reasons; the weaker ones are one bar.
///
/// # Errors
/// Where the plot cannot be drawn.
pub fn waterfall(answer: &Explanation, most: usize) -> Result<String> {
    let bars = bars(answer, most);
    let low = bars.iter().map(|b| b.from.min(b.to)).fold(0.0, f64::min);
    let high = bars.iter().map(|b| b.from.max(b.to)).fold(0.0, f64::max);
    let span = (high - low).max(1e-9);
    let at = |value: f64| LEFT + ((value - low) / span * f64::from(RIGHT - LEFT)) as i32;
    let user = wording::owner(answer.user.as_deref());
    let title = format!("Why {} for {user}", cut(&answer.item.title, 60));
    let height = 76 + ROW * bars.len() as i32;
    page(&title, (860, height as u32), |area| {
        let text = |size: u32, color: &RGBColor| ("sans-serif", size).into_font().color(color);
        let zero = vec![(at(0.0), 0), (at(0.0), ROW * bars.len() as i32)];
        area.draw(&PathElement::new(zero, FAINT.stroke_width(1)))
            .map_err(failed)?;
        for (row, bar) in bars.iter().enumerate() {
            let y = ROW * row as i32;
            area.draw(&Text::new(cut(&bar.text, 56), (0, y + 7), text(13, &INK)))
                .map_err(failed)?;
            let (left, right) = (at(bar.from.min(bar.to)), at(bar.from.max(bar.to)));
            // A bar is at least one pixel wide.
            let corners = [(left, y + 4), (right.max(left + 1), y + ROW - 6)];
            area.draw(&Rectangle::new(corners, bar.color.filled()))
                .map_err(failed)?;
            let value = bar.to - bar.from;
            let sign = if row + 1 == bars.len() {
                ""
            } else if value < 0.0 {
                "−"
            } else {
                "+"
            };
            let number = match value.abs() {
                v if v < 0.0005 => format!("{sign}{v:.1e}"),
                v => format!("{sign}{v:.3}"),
            };
            area.draw(&Text::new(number, (right + 6, y + 7), text(13, &bar.color)))
                .map_err(failed)?;
        }
        Ok(())
    })
}

fn bars(answer: &Explanation, most: usize) -> Vec<Bar> {
    let ledger = &answer.ledger;
    let mut bars: Vec<Bar> = Vec::new();
    let mut sum = 0.0;
    let mut add = |text: String, value: f64, color: Option<RGBColor>| {
        let color = color.unwrap_or(if value < 0.0 { AGAINST } else { FOR });
        bars.push(Bar {
            text,
            from: sum,
            to: sum + value,
            color,
        });
        sum += value;
    };
    if ledger.base != 0.0 {
        add(wording::BASE.to_owned(), f64::from(ledger.base), Some(SUM));
    }
    for part in ledger.parts.iter().take(most) {
        add(part.text.clone(), f64::from(part.value), None);
    }
    if ledger.parts.len() > most {
        let rest: f64 = ledger
            .parts
            .iter()
            .skip(most)
            .map(|p| f64::from(p.value))
            .sum();
        let n = ledger.parts.len() - most;
        add(wording::weaker(n), rest, None);
    }
    if ledger.residual != 0.0 {
        add(
            wording::UNEXPLAINED.to_owned(),
            f64::from(ledger.residual),
            Some(SUM),
        );
    }
    bars.push(Bar {
        text: "score".to_owned(),
        from: 0.0,
        to: f64::from(ledger.score),
        color: INK,
    });
    bars
}
