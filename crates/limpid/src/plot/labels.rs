//! Labels: how wide they are, and where they do not cover each other.

/// The width of the narrowest characters, as a share of the size.
const NARROWEST: f64 = 0.32;

/// The width of a text in pixels, estimated for a common sans-serif font; characters of wide scripts count twice.
pub(super) fn width(text: &str, size: u32) -> i32 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '\'' | '.' | ',' | ':' | ';' | '|' | '!' | ' ' => NARROWEST,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
        'A'..='Z' => 0.7,
        c if c < '\u{1100}' => 0.57,
        _ => 1.0,
    };
    (text.chars().map(of).sum::<f64>() * f64::from(size)).ceil() as i32
}

/// A text that is at most `most` pixels wide, with an ellipsis where it was cut.
pub(super) fn fitted(text: &str, size: u32, most: i32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    // More than these do not fit, whatever they are; the last one is taken off below.
    let fit = f64::from(most.max(0)) / (NARROWEST * f64::from(size).max(1.0));
    let mut kept: Vec<char> = text.chars().take(fit as usize + 2).collect();
    while !kept.is_empty() {
        kept.pop();
        let shorter: String = kept.iter().collect::<String>().trim_end().to_owned() + "…";
        if width(&shorter, size) <= most {
            return shorter;
        }
    }
    String::new()
}

/// A rectangle in pixels: left, top, right, bottom.
type Rect = (i32, i32, i32, i32);

/// Finds room for labels on an area, first come, first served.
pub(super) struct Placer {
    area: (i32, i32),
    taken: Vec<Rect>,
}

/// Pixels between a point and its label.
const GAP: i32 = 6;

impl Placer {
    /// For an area of some width and height.
    pub(super) fn new(area: (i32, i32)) -> Self {
        Self {
            area,
            taken: Vec::new(),
        }
    }

    /// Keeps labels off a point.
    pub(super) fn avoid(&mut self, (x, y): (i32, i32), radius: i32) {
        self.taken
            .push((x - radius, y - radius, x + radius, y + radius));
    }

    /// The left top corner of a label for a point: beside, above or below it, where there is room.
    pub(super) fn place(
        &mut self,
        (x, y): (i32, i32),
        text: &str,
        size: u32,
    ) -> Option<(i32, i32)> {
        let (w, h) = (width(text, size), size as i32 + 2);
        let corners = [
            (x + GAP, y - h / 2),
            (x - GAP - w, y - h / 2),
            (x - w / 2, y - GAP - h),
            (x - w / 2, y + GAP),
            (x + GAP, y - GAP - h),
            (x + GAP, y + GAP),
            (x - GAP - w, y - GAP - h),
            (x - GAP - w, y + GAP),
        ];
        let free = |&(left, top): &(i32, i32)| {
            let (right, bottom) = (left + w, top + h);
            let inside = left >= 0 && top >= 0 && right <= self.area.0 && bottom <= self.area.1;
            inside
                && !self
                    .taken
                    .iter()
                    .any(|t| left < t.2 && t.0 < right && top < t.3 && t.1 < bottom)
        };
        let (left, top) = corners.into_iter().find(free)?;
        self.taken.push((left, top, left + w, top + h));
        Some((left, top))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_to_their_room() {
        assert_eq!(fitted("short", 12, 100), "short");
        let cut = fitted(&"long ".repeat(50), 12, 100);
        assert!(cut.ends_with('…') && width(&cut, 12) <= 100, "{cut}");
        let wide = fitted("映画映画映画映画映画", 12, 60);
        assert_eq!(wide.chars().count(), 5, "{wide}");
        assert_eq!(fitted("W", 12, 1), "");
        assert_eq!(fitted("ab   cdefghij", 10, 22), "ab…");
    }

    /// The room is what counts, not the text: this takes minutes if every length is tried.
    #[test]
    fn very_long_texts_are_cut_at_once() {
        for (text, cut) in [("i", "iiii…"), (" i", " i i…"), ("映", "映…"), (" ", "…")] {
            assert_eq!(fitted(&text.repeat(100_000), 10, 23), cut, "{text}");
            assert_eq!(fitted(&text.repeat(100), 10, 23), cut, "{text}");
        }
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut placer = Placer::new((200, 100));
        let mut boxes: Vec<Rect> = Vec::new();
        for at in 0..40 {
            let point = (5 * at, 50);
            if let Some((left, top)) = placer.place(point, "label", 12) {
                let own = (left, top, left + width("label", 12), top + 14);
                assert!(own.0 >= 0 && own.2 <= 200 && own.1 >= 0 && own.3 <= 100);
                for b in &boxes {
                    let apart = own.2 <= b.0 || b.2 <= own.0 || own.3 <= b.1 || b.3 <= own.1;
                    assert!(apart, "{own:?} {b:?}");
                }
                boxes.push(own);
            }
        }
        // A line of 200 pixels has room for five.
        assert!(boxes.len() >= 5, "{}", boxes.len());
        placer.avoid((100, 90), 200);
        assert_eq!(placer.place((100, 90), "more", 12), None);
    }
}
