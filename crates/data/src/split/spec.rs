//! How a split is written: `ratio:70/10/20@42`, `leave-one-out`, `users:80/10/10,holdout=0.2@42`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sources::{date, written_date};
use crate::{Error, Result};

use super::Shown;

/// Percentages of train, validation and test, which sum to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Percent of train; above 0.
    pub train: f64,
    /// Percent of validation.
    pub validation: f64,
    /// Percent of test.
    pub test: f64,
}

/// Which events are train and which are held out. Parsed by [`FromStr`], written by
/// [`fmt::Display`]; the two are inverse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SplitSpec {
    /// `ratio:70/10/20@SEED`: random events, and for every user at least one in each subset.
    Ratio {
        /// Percent of the events.
        shares: Shares,
        /// The seed of the sample.
        seed: u64,
    },
    /// `leave-one-out`: the last event of each user is test, the one before validation.
    LeaveOneOut,
    /// `leave-last:N`: the last N events of each user are test, the N before validation.
    LeaveLast {
        /// Events of each user in each held-out set; above 0.
        n: usize,
    },
    /// `temporal:0.8`: the first events are train, the rest validation and test, half each.
    Temporal {
        /// Share of train, between 0 and 1.
        train: f64,
    },
    /// `temporal:2000-10-01/2000-11-01`: events before the first date are train, those from the second
    /// on are test, those between are validation. Of `temporal:2000-10-01` the events from the date on
    /// are validation and test, half each.
    TemporalDates {
        /// The first second after train, since 1970.
        validation: i64,
        /// The first second of test, not before `validation`; `None`: half of the held-out events.
        test: Option<i64>,
    },
    /// `users:80/10/10,holdout=0.2@SEED`: held-out users, folded in from some of their events.
    Users {
        /// Percent of the users.
        shares: Shares,
        /// Share of a held-out user's events that is the target, between 0 and 1.
        holdout: f64,
        /// The seed of the sample.
        seed: u64,
    },
    /// `given`: the split that comes with the data set; `given:u1` where there are several.
    Given {
        /// Which of several.
        name: Option<String>,
    },
    /// `none`: all events are train.
    None,
    /// `given+stripped`: another split, without the events of other behaviors on held-out items of the same
    /// user, so that every held-out item is one that the user has not touched.
    Stripped(Box<SplitSpec>),
}

/// What follows a split without events of other behaviors on held-out items.
const STRIPPED: &str = "+stripped";

/// Every form with its kind, as an example.
const FORMS: [(&str, &str); 8] = [
    ("ratio", "ratio:70/10/20@42"),
    ("leave-one-out", "leave-one-out"),
    ("leave-last", "leave-last:5"),
    ("temporal", "temporal:0.8"),
    ("temporal", "temporal:2000-10-01/2000-11-01"),
    ("users", "users:80/10/10,holdout=0.2@42"),
    ("given", "given"),
    ("none", "none"),
];

/// What to write instead, quoted.
fn write(text: &str) -> String {
    format!("write '{text}'")
}

impl FromStr for SplitSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(of) = text.strip_suffix(STRIPPED) {
            return match of.parse()? {
                Self::Stripped(_) | Self::None => Err(Error::option(
                    "split",
                    format!("'{text}' cannot strip '{of}', which has nothing to strip"),
                    "write 'given+stripped' or 'leave-one-out+stripped'",
                )),
                of => Ok(Self::Stripped(Box::new(of))),
            };
        }
        let refuse = |(why, hint): Refusal| Error::option("split", format!("'{text}' {why}"), hint);
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("leave-one-out", None) => Ok(Self::LeaveOneOut),
            ("given", None) => Ok(Self::Given { name: None }),
            ("given", Some(name)) if !name.trim().is_empty() => Ok(Self::Given {
                name: Some(name.to_owned()),
            }),
            ("none", None) => Ok(Self::None),
            ("leave-last", Some(n)) => match n.parse() {
                Ok(n) if n > 0 => Ok(Self::LeaveLast { n }),
                _ => Err(refuse((
                    format!("must give a whole number of events above 0, not '{n}'"),
                    write("leave-last:5"),
                ))),
            },
            ("temporal", Some(rest)) => temporal(rest).map_err(refuse),
            ("ratio", Some(rest)) => {
                let (shares, seed) = seeded(kind, rest).map_err(refuse)?;
                Ok(Self::Ratio {
                    shares: percentages(shares).map_err(refuse)?,
                    seed,
                })
            }
            ("users", Some(rest)) => {
                let (rest, seed) = seeded(kind, rest).map_err(refuse)?;
                let (shares, holdout) = rest.split_once(",holdout=").ok_or_else(|| {
                    refuse((
                        "does not say which share of a held-out user's events is held out"
                            .to_owned(),
                        write(&format!("users:{rest},holdout=0.2@{seed}")),
                    ))
                })?;
                Ok(Self::Users {
                    shares: percentages(shares).map_err(refuse)?,
                    holdout: fraction(holdout).ok_or_else(|| {
                        refuse((
                            format!("must hold out a share between 0 and 1, not '{holdout}'"),
                            write(&format!("users:{shares},holdout=0.2@{seed}")),
                        ))
                    })?,
                    seed,
                })
            }
            ("leave-one-out" | "none", Some(_)) => Err(refuse((
                format!("has more after '{kind}', which takes no values"),
                write(kind),
            ))),
            ("leave-last" | "temporal" | "ratio" | "users", None) | ("given", Some(_)) => {
                Err(refuse((
                    format!("has no values after '{kind}'"),
                    match kind {
                        "given" => write("given:u1"),
                        _ => write(example(kind)),
                    },
                )))
            }
            _ => Err(Error::Unknown {
                what: "split",
                value: text.to_owned(),
                hint: similar(kind, rest),
            }),
        }
    }
}

/// Why a text is not a split, and what to do about it.
type Refusal = (String, String);

/// The first example of a kind.
fn example(kind: &str) -> &'static str {
    let found = FORMS.iter().find(|(known, _)| *known == kind);
    found.map_or("leave-one-out", |(_, example)| example)
}

/// What an unknown kind may have been meant to be: the same text with the nearest kind, with a seed
/// where it lacks one, else an example of the kind; all examples where no kind is near.
fn similar(kind: &str, rest: Option<&str>) -> String {
    let lower = kind.to_lowercase();
    let near = |known: &str| {
        let begins = lower.len() > 2 && known.starts_with(&lower);
        let distance = strsim::damerau_levenshtein(&lower, known);
        let most = lower.chars().count().max(3) / 3;
        (begins || distance <= most).then_some(if begins { 0 } else { distance })
    };
    let best = FORMS.iter().filter_map(|(known, _)| near(known)).min();
    let mut meant: Vec<String> = Vec::new();
    for (known, example) in FORMS {
        if best.is_none() || near(known) != best {
            continue;
        }
        let own = rest.map(|rest| format!("{known}:{rest}"));
        let mut forms = own
            .into_iter()
            .flat_map(|own| [own.clone(), format!("{own}@42")]);
        let text = forms
            .find(|text| text.parse::<SplitSpec>().is_ok())
            .unwrap_or_else(|| example.to_owned());
        if !meant.contains(&text) {
            meant.push(text);
        }
    }
    let quoted = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
        texts.join(", ")
    };
    match meant.as_slice() {
        [] => {
            let all: Vec<String> = FORMS.iter().map(|form| form.1.to_owned()).collect();
            format!("choose from {}", quoted(&all))
        }
        [one] => format!("did you mean '{one}'?"),
        several => format!("did you mean one of {}?", quoted(several)),
    }
}

/// A share of train, a date, or two.
fn temporal(rest: &str) -> std::result::Result<SplitSpec, Refusal> {
    if let Some(train) = fraction(rest) {
        return Ok(SplitSpec::Temporal { train });
    }
    let (first, second) = match rest.split_once('/') {
        Some((first, second)) => (first, Some(second)),
        None => (rest, None),
    };
    let read = |text: &str| {
        date(text.trim()).ok_or_else(|| {
            (
                format!(
                    "must give the share of train between 0 and 1, or a date such as 2000-10-01, \
                     not '{text}'"
                ),
                "write 'temporal:0.8', 'temporal:2000-10-01', or the first dates of validation and \
                 test, 'temporal:2000-10-01/2000-11-01'"
                    .to_owned(),
            )
        })
    };
    let validation = read(first)?;
    let test = second.map(read).transpose()?;
    if test.is_some_and(|test| test < validation) {
        return Err((
            "has a first date of test before that of validation".to_owned(),
            write(&format!("temporal:{}/{first}", second.unwrap_or_default())),
        ));
    }
    Ok(SplitSpec::TemporalDates { validation, test })
}

/// The form that was meant with another seed; an example of the kind where that is no split either.
fn reseeded(kind: &str, rest: &str) -> String {
    let own = format!("{kind}:{rest}@42");
    match own.parse::<SplitSpec>() {
        Ok(_) => write(&own),
        Err(_) => write(example(kind)),
    }
}

/// The text before the last `@`, and the seed after it.
fn seeded<'a>(kind: &str, text: &'a str) -> std::result::Result<(&'a str, u64), Refusal> {
    let (rest, seed) = text
        .rsplit_once('@')
        .ok_or_else(|| ("has no seed".to_owned(), reseeded(kind, text)))?;
    match seed.parse() {
        Ok(seed) => Ok((rest, seed)),
        Err(_) => Err((
            format!("must end with a whole number as seed, not '{seed}'"),
            reseeded(kind, rest),
        )),
    }
}

/// Three percentages.
fn percentages(text: &str) -> std::result::Result<Shares, Refusal> {
    let hint = || "write percentages such as '70/10/20'".to_owned();
    let rule = || {
        let why = format!("must give train/validation/test percentages, not '{text}'");
        (why, hint())
    };
    let numbers: Vec<f64> = text
        .split('/')
        .map(|part| part.parse().map_err(|_| rule()))
        .collect::<std::result::Result<_, _>>()?;
    let &[train, validation, test] = numbers.as_slice() else {
        return Err(rule());
    };
    if numbers.iter().any(|&p| !(0.0..=100.0).contains(&p)) || train == 0.0 {
        return Err((
            format!("must have percentages of 0 to 100 and train above 0, but has '{text}'"),
            hint(),
        ));
    }
    let sum = train + validation + test;
    if (sum - 100.0).abs() > 1e-9 {
        return Err((
            format!("must have percentages that sum to 100, not to {sum}"),
            hint(),
        ));
    }
    Ok(Shares {
        train,
        validation,
        test,
    })
}

/// A number strictly between 0 and 1.
fn fraction(text: &str) -> Option<f64> {
    text.parse().ok().filter(|&f: &f64| f > 0.0 && f < 1.0)
}

impl SplitSpec {
    /// What a model is shown of each user at test, by the kind of split.
    ///
    /// Protocols that hold out the last events show everything before them: what is validation is
    /// known by the time of the test event (Kang and McAuley, *Self-Attentive Sequential
    /// Recommendation*, ICDM 2018, section IV-A). Random ones show train alone, as in Liang et al.
    #[must_use]
    pub fn shown(&self) -> Shown {
        match self {
            Self::LeaveOneOut
            | Self::LeaveLast { .. }
            | Self::Temporal { .. }
            | Self::TemporalDates { .. } => Shown::TrainAndValidation,
            Self::Users { .. } => Shown::HeldOut,
            Self::Ratio { .. } | Self::Given { .. } | Self::None => Shown::Train,
            Self::Stripped(of) => of.shown(),
        }
    }

    /// The split without what is stripped of it.
    #[must_use]
    pub fn base(&self) -> &Self {
        match self {
            Self::Stripped(of) => of,
            other => other,
        }
    }
}

impl Shares {
    /// How many of `n` are validation and test, rounded down.
    #[must_use]
    pub fn held_out(self, n: usize) -> (usize, usize) {
        let of = |percent: f64| (percent * n as f64 / 100.0).floor() as usize;
        (of(self.validation), of(self.test))
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.train, self.validation, self.test)
    }
}

impl fmt::Display for SplitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio { shares, seed } => write!(f, "ratio:{shares}@{seed}"),
            Self::LeaveOneOut => f.write_str("leave-one-out"),
            Self::LeaveLast { n } => write!(f, "leave-last:{n}"),
            Self::Temporal { train } => write!(f, "temporal:{train}"),
            Self::TemporalDates { validation, test } => {
                write!(f, "temporal:{}", written_date(*validation))?;
                match test {
                    Some(test) => write!(f, "/{}", written_date(*test)),
                    None => Ok(()),
                }
            }
            Self::Users {
                shares,
                holdout,
                seed,
            } => write!(f, "users:{shares},holdout={holdout}@{seed}"),
            Self::Given { name: None } => f.write_str("given"),
            Self::Given { name: Some(name) } => write!(f, "given:{name}"),
            Self::None => f.write_str("none"),
            Self::Stripped(of) => write!(f, "{of}{STRIPPED}"),
        }
    }
}

impl TryFrom<String> for SplitSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SplitSpec> for String {
    fn from(spec: SplitSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_and_read_again() {
        for text in [
            "ratio:70/10/20@42",
            "ratio:33.5/33.5/33@0",
            "ratio:90/0/10@18446744073709551615",
            "leave-one-out",
            "leave-last:5",
            "temporal:0.8",
            "temporal:2000-10-01",
            "temporal:2000-10-01/2000-11-01",
            "temporal:2000-10-01T12:30:00Z/2000-11-01",
            "users:80/10/10,holdout=0.2@7",
            "given",
            "given:u1",
            "none",
            "given+stripped",
            "ratio:70/10/20@42+stripped",
        ] {
            let spec: SplitSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<SplitSpec>(&json).unwrap(), spec);
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_show_examples() {
        let all =
            "choose from 'ratio:70/10/20@42', 'leave-one-out', 'leave-last:5', 'temporal:0.8', ";
        for (text, why) in [
            ("", all),
            ("random:0.2", all),
            (
                "ration:70/10/20@1",
                "unknown split 'ration:70/10/20@1'; did you mean 'ratio:70/10/20@1'?",
            ),
            // The suggestion can be used as it is: with a seed.
            ("ration:70/10/20", "did you mean 'ratio:70/10/20@42'?"),
            ("Ratio:nonsense", "did you mean 'ratio:70/10/20@42'?"),
            ("leave_one_out", "did you mean 'leave-one-out'?"),
            (
                "leave",
                "did you mean one of 'leave-one-out', 'leave-last:5'?",
            ),
            (
                "ratio",
                "split 'ratio' has no values after 'ratio'; write 'ratio:70/10/20@42'",
            ),
            (
                "ratio:80/10/10",
                "split 'ratio:80/10/10' has no seed; write 'ratio:80/10/10@42'",
            ),
            ("ratio:1/2", "has no seed; write 'ratio:70/10/20@42'"),
            (
                "ratio:70/10/20@x",
                "must end with a whole number as seed, not 'x'; write 'ratio:70/10/20@42'",
            ),
            (
                "ratio:70/30@1",
                "must give train/validation/test percentages, not '70/30'; write percentages such as \
                 '70/10/20'",
            ),
            ("ratio:70/10/10@1", "sum to 100, not to 90"),
            ("ratio:0/50/50@1", "train above 0"),
            ("ratio:120/-10/-10@1", "percentages of 0 to 100"),
            ("ratio:NaN/50/50@1", "percentages of 0 to 100"),
            ("leave-last:0", "above 0, not '0'; write 'leave-last:5'"),
            ("leave-last:-1", "above 0, not '-1'"),
            (
                "temporal:80",
                "between 0 and 1, or a date such as 2000-10-01, not '80'",
            ),
            ("temporal:NaN", "between 0 and 1"),
            (
                "temporal:2000-13-01",
                "a date such as 2000-10-01, not '2000-13-01'",
            ),
            (
                "temporal:2000-11-01/2000-10-01",
                "before that of validation; write 'temporal:2000-10-01/2000-11-01'",
            ),
            (
                "users:80/10/10@1",
                "which share of a held-out user's events is held out; write \
                 'users:80/10/10,holdout=0.2@1'",
            ),
            ("users:80/10/10,holdout=1@1", "between 0 and 1, not '1'"),
            ("leave-one-out:3", "takes no values; write 'leave-one-out'"),
            ("given:", "has no values after 'given'; write 'given:u1'"),
            ("none:", "takes no values; write 'none'"),
            ("none+stripped", "cannot strip 'none'"),
            ("given+stripped+stripped", "write 'given+stripped'"),
        ] {
            let error = text.parse::<SplitSpec>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn shares_round_down() {
        let shares = |text: &str| percentages(text).unwrap();
        assert_eq!(shares("70/10/20").held_out(1000), (100, 200));
        assert_eq!(shares("70/10/20").held_out(19), (1, 3));
        assert_eq!(shares("80/10/10").held_out(0), (0, 0));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Ok(spec) = text.parse::<SplitSpec>() {
                prop_assert_eq!(spec.to_string().parse::<SplitSpec>().unwrap(), spec);
            }
        }
    }
}
