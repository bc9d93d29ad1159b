//! Parsing of values and times.

use jiff::civil::Time;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use super::lines::{Cell, Flaw};
use super::options::TimeUnit;

/// Seconds from 1970 to 2100: the range of valid times.
pub(super) const END_OF_TIME: i64 = 4_102_444_800;

/// Reads a rating or weight: a finite number.
pub(super) fn value(cell: Cell<'_>) -> Result<f32, Flaw> {
    let cell = cell.trim();
    if let [digit @ b'0'..=b'9'] = cell.text {
        return Ok(f32::from(digit - b'0'));
    }
    if cell.text.is_empty() {
        return Err(Flaw::new(cell.at, "empty value", "the value is empty"));
    }
    std::str::from_utf8(cell.text)
        .ok()
        .and_then(|text| text.parse::<f32>().ok())
        .filter(|value| value.is_finite())
        .ok_or_else(|| {
            let reason = format!(
                "the value must be a finite number, but is '{}'",
                cell.shown()
            );
            Flaw::new(cell.at, "bad value", reason)
        })
}

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Written {
    /// A number since 1970 in a unit that is not said.
    Number(i64),
    /// Seconds since 1970: a date, or a column with a known unit.
    Seconds(i64),
}

/// Reads a time: a number since 1970, with or without a fraction, or a date as in ISO 8601.
pub(super) fn time(cell: Cell<'_>) -> Result<Written, Flaw> {
    let cell = cell.trim();
    if let Some(number) = digits(cell.text) {
        return Ok(Written::Number(number));
    }
    if cell.text.is_empty() {
        return Err(Flaw::new(cell.at, "empty time", "the time is empty"));
    }
    let text = std::str::from_utf8(cell.text).unwrap_or_default();
    if let Some(seconds) = date(text) {
        return Ok(Written::Seconds(seconds));
    }
    match text.parse::<f64>() {
        // Fractions are dropped: histories count in seconds, and order within one is file order.
        Ok(number) if number.is_finite() && number.abs() < 9e18 => {
            Ok(Written::Number(number.floor() as i64))
        }
        _ => {
            let reason = format!(
                "the time must be a number since 1970 or a date such as 2001-02-03 or \
                 2001-02-03T04:05:06Z, but is '{}'",
                cell.shown()
            );
            Err(Flaw::new(cell.at, "bad time", reason))
        }
    }
}

/// Up to 18 digits and nothing else.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0i64, |number, &byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

/// The clock of a data set: detects the unit at the first number; all others must agree.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    unit: Option<TimeUnit>,
    given: bool,
}

impl Clock {
    /// A clock of a given unit, or one that detects it.
    pub(super) fn new(unit: Option<TimeUnit>) -> Self {
        Self {
            unit,
            given: unit.is_some(),
        }
    }

    /// The unit that was detected.
    pub(super) fn decided(&self) -> Option<TimeUnit> {
        self.unit.filter(|_| !self.given)
    }

    /// Seconds since 1970.
    ///
    /// A number below 4,102,444,800 (2100 in seconds) counts seconds, one below a thousand times
    /// that milliseconds, and so on: the ranges leave only the first seven weeks of 1970 of the
    /// finer units out.
    pub(super) fn seconds(&mut self, written: Written, at: usize) -> Result<i64, Flaw> {
        let out_of_range = |seconds: i64, number: i64| {
            let when = if seconds < 0 {
                "before 1970"
            } else {
                "after 2100"
            };
            Flaw::new(
                at,
                "time out of range",
                format!("the time {number} is {when}"),
            )
        };
        let number = match written {
            Written::Seconds(seconds) if (0..END_OF_TIME).contains(&seconds) => return Ok(seconds),
            Written::Seconds(seconds) => return Err(out_of_range(seconds, seconds)),
            Written::Number(number) => number,
        };
        if self.given {
            let per_second = self.unit.map_or(1, TimeUnit::per_second);
            let seconds = number.div_euclid(per_second);
            return if (0..END_OF_TIME).contains(&seconds) {
                Ok(seconds)
            } else {
                Err(out_of_range(seconds, number)
                    .hint("fix the line, or set the unit with --time-unit"))
            };
        }
        let unit = [
            TimeUnit::Seconds,
            TimeUnit::Milliseconds,
            TimeUnit::Microseconds,
            TimeUnit::Nanoseconds,
        ]
        .into_iter()
        .find(|unit| {
            number >= 0
                && i128::from(number) < i128::from(END_OF_TIME) * i128::from(unit.per_second())
        })
        .ok_or_else(|| out_of_range(number, number))?;
        let first = *self.unit.get_or_insert(unit);
        if first != unit {
            let reason = format!(
                "the time {number} looks like {unit}, but the times before it were {first}"
            );
            return Err(Flaw::new(at, "mixed time units", reason)
                .hint("fix the line, or set the unit with --time-unit"));
        }
        Ok(number / unit.per_second())
    }
}

/// Seconds since 1970 of `2001-02-03`, `2001-02-03T04:05`, `2001-02-03 04:05:06.7+01:00`; without a
/// zone it is UTC. Fractions are dropped.
pub(crate) fn date(text: &str) -> Option<i64> {
    // Only the extended form of ISO 8601: without separators, a date is a number like any other.
    let bytes = text.as_bytes();
    let is = |at: usize, wanted: u8| bytes.get(at) == Some(&wanted);
    if !(is(4, b'-') && is(7, b'-') && (bytes.len() == 10 || is(13, b':'))) {
        return None;
    }
    let pieces = Pieces::parse(text).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let time = pieces.time().unwrap_or(Time::midnight());
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    let moment = offset.to_timestamp(pieces.date().to_datetime(time)).ok()?;
    Some(moment.as_second())
}

/// Seconds since 1970 as a date: `2001-02-03` at midnight UTC, else `2001-02-03T04:05:06Z`.
#[must_use]
pub fn written_date(seconds: i64) -> String {
    let text = jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.to_string());
    match text.strip_suffix("T00:00:00Z") {
        Some(day) => day.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(text: &str) -> Cell<'_> {
        Cell {
            text: text.as_bytes(),
            at: 3,
        }
    }

    #[test]
    fn values_are_finite_numbers() {
        for (text, expected) in [("5", 5.0), (" 3.5 ", 3.5), ("-1", -1.0), ("1e2", 100.0)] {
            assert_eq!(value(cell(text)).unwrap(), expected);
        }
        for bad in [
            "",
            "NaN",
            "inf",
            "-infinity",
            "five",
            "1e99",
            "1,5",
            "\u{661}",
        ] {
            assert!(value(cell(bad)).is_err(), "{bad}");
        }
        assert_eq!(
            value(cell(" nan")).unwrap_err().reason,
            "the value must be a finite number, but is 'nan'"
        );
        assert_eq!(value(cell(" nan")).unwrap_err().at, 4);
    }

    #[test]
    fn times_in_all_their_forms() {
        let read = |text: &str| {
            let written = time(cell(text))?;
            Clock::default().seconds(written, 0)
        };
        // date -u -d '2001-02-03 04:05:06' +%s
        for text in [
            "981173106",
            "981173106.0",
            "981173106.9",
            "9.81173106e8",
            "981173106000",
            "981173106999",
            "981173106000000",
            "981173106000000000",
            "2001-02-03T04:05:06Z",
            "2001-02-03 04:05:06",
            "2001-02-03T04:05:06.789Z",
            "2001-02-03T05:05:06+01:00",
            "2001-02-03T02:35:06-0130",
        ] {
            assert_eq!(read(text).unwrap(), 981_173_106, "{text}");
        }
        assert_eq!(read("1970-01-01").unwrap(), 0);
        assert_eq!(read("2000-02-29").unwrap(), 951_782_400);
        for bad in [
            "",
            "-1",
            "nan",
            "inf",
            "1e300",
            "2001-02-29",
            "2001-13-01",
            "1969-12-31",
            "2100-01-01",
            "2001-02-03T",
            "2001-02-03T04",
            "2001-02-03T24:00",
            "2001-02-03Q04:05",
            "2001-02-03T04:05:06+1",
            "99999999999999999999",
            "yesterday",
            "2001-02-03T04:05:06.",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_clock_holds_all_times_to_one_unit() {
        let mut clock = Clock::default();
        assert_eq!(
            clock.seconds(Written::Number(981_173_106_000), 0).unwrap(),
            981_173_106
        );
        assert_eq!(clock.decided(), Some(TimeUnit::Milliseconds));
        let flaw = clock.seconds(Written::Number(981_173_106), 5).unwrap_err();
        assert_eq!((flaw.at, flaw.kind), (5, "mixed time units"));
        let mut clock = Clock::new(Some(TimeUnit::Milliseconds));
        assert_eq!(
            clock.seconds(Written::Number(981_173_106), 0).unwrap(),
            981_173
        );
        let mut clock = Clock::new(Some(TimeUnit::Seconds));
        assert!(clock.seconds(Written::Number(981_173_106_000), 0).is_err());
    }

    proptest! {
        /// Days follow each other, and the year has 365 of them, or 366.
        #[test]
        fn dates_are_those_of_the_calendar(year in 1970i64..2099, month in 1i64..13, day in 1i64..28) {
            let at = |y: i64, m: i64, d: i64| date(&format!("{y:04}-{m:02}-{d:02}")).unwrap();
            prop_assert_eq!(at(year, month, day) + 86_400, at(year, month, day + 1));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = if leap { 366 } else { 365 };
            prop_assert_eq!(at(year + 1, 1, 1) - at(year, 1, 1), days * 86_400);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}", number in any::<i64>()) {
            let _ = value(cell(&text));
            if let Ok(written) = time(cell(&text)) {
                let _ = Clock::default().seconds(written, 0);
            }
            let seconds = Clock::default().seconds(Written::Number(number), 0);
            prop_assert!(seconds.is_err() || (0..END_OF_TIME).contains(&seconds.unwrap()));
        }
    }
}
