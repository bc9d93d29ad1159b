//! How a split is written: `ratio:70/10/20@42`, `leave-one-out`, `users:80/10/10,holdout=0.2@42`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::did_you_mean;
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// `users:80/10/10,holdout=0.2@SEED`: held-out users, folded in from some of their events.
    Users {
        /// Percent of the users.
        shares: Shares,
        /// Share of a held-out user's events that is the target, between 0 and 1.
        holdout: f64,
        /// The seed of the sample.
        seed: u64,
    },
    /// `given`: the split that comes with the data set.
    Given,
    /// `none`: all events are train.
    None,
}

/// How every error about the grammar ends.
const HINT: &str = "write ratio:70/10/20@42, leave-one-out, leave-last:5, temporal:0.8, \
                    users:80/10/10,holdout=0.2@42, given or none";

/// The kinds, as they begin.
const KINDS: [&str; 7] = [
    "ratio",
    "leave-one-out",
    "leave-last",
    "temporal",
    "users",
    "given",
    "none",
];

impl FromStr for SplitSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: String| Error::option("split", format!("'{text}' {why}"), HINT);
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("leave-one-out", None) => Ok(Self::LeaveOneOut),
            ("given", None) => Ok(Self::Given),
            ("none", None) => Ok(Self::None),
            ("leave-last", Some(n)) => match n.parse() {
                Ok(n) if n > 0 => Ok(Self::LeaveLast { n }),
                _ => Err(refuse(format!(
                    "must leave a whole number of events above 0, not '{n}'"
                ))),
            },
            ("temporal", Some(share)) => Ok(Self::Temporal {
                train: fraction(share).ok_or_else(|| {
                    refuse(format!(
                        "must give the share of train between 0 and 1, not '{share}'"
                    ))
                })?,
            }),
            ("ratio", Some(rest)) => {
                let (shares, seed) = seeded(rest).map_err(refuse)?;
                Ok(Self::Ratio {
                    shares: percentages(shares).map_err(refuse)?,
                    seed,
                })
            }
            ("users", Some(rest)) => {
                let (rest, seed) = seeded(rest).map_err(refuse)?;
                let (shares, holdout) = rest
                    .split_once(",holdout=")
                    .ok_or_else(|| refuse("lacks ',holdout=0.2' before the seed".to_owned()))?;
                Ok(Self::Users {
                    shares: percentages(shares).map_err(refuse)?,
                    holdout: fraction(holdout).ok_or_else(|| {
                        refuse(format!(
                            "must hold out a share between 0 and 1, not '{holdout}'"
                        ))
                    })?,
                    seed,
                })
            }
            ("leave-one-out" | "given" | "none", Some(_)) => {
                Err(refuse(format!("takes nothing after '{kind}'")))
            }
            ("leave-last" | "temporal" | "ratio" | "users", None) => {
                Err(refuse(format!("lacks what follows '{kind}:'")))
            }
            _ => {
                let hint = did_you_mean(kind, KINDS);
                Err(Error::option(
                    "split",
                    format!("'{text}' is not a kind of split; {hint}"),
                    HINT,
                ))
            }
        }
    }
}

/// The text before the last `@`, and the seed after it.
fn seeded(text: &str) -> std::result::Result<(&str, u64), String> {
    let (rest, seed) = text
        .rsplit_once('@')
        .ok_or("lacks its own seed, such as '@42'")?;
    match seed.parse() {
        Ok(seed) => Ok((rest, seed)),
        Err(_) => Err(format!("needs a whole number as seed, not '{seed}'")),
    }
}

/// Three percentages.
fn percentages(text: &str) -> std::result::Result<Shares, String> {
    let rule = || format!("must give train/validation/test percentages, not '{text}'");
    let numbers: Vec<f64> = text
        .split('/')
        .map(|part| part.parse().map_err(|_| rule()))
        .collect::<std::result::Result<_, _>>()?;
    let &[train, validation, test] = numbers.as_slice() else {
        return Err(rule());
    };
    if numbers.iter().any(|&p| !(0.0..=100.0).contains(&p)) || train == 0.0 {
        return Err(format!(
            "must have percentages of 0 to 100 and train above 0, but has '{text}'"
        ));
    }
    let sum = train + validation + test;
    if (sum - 100.0).abs() > 1e-9 {
        return Err(format!(
            "must have percentages that sum to 100, not to {sum}"
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
            Self::LeaveOneOut | Self::LeaveLast { .. } | Self::Temporal { .. } => {
                Shown::TrainAndValidation
            }
            Self::Users { .. } => Shown::HeldOut,
            Self::Ratio { .. } | Self::Given | Self::None => Shown::Train,
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
            Self::Users {
                shares,
                holdout,
                seed,
            } => write!(f, "users:{shares},holdout={holdout}@{seed}"),
            Self::Given => f.write_str("given"),
            Self::None => f.write_str("none"),
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
            "users:80/10/10,holdout=0.2@7",
            "given",
            "none",
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
        for (text, why) in [
            (
                "",
                "is not a kind of split; choose from ratio, leave-one-out",
            ),
            ("random:0.2", "is not a kind of split"),
            ("ration:70/10/20@1", "did you mean 'ratio'?"),
            ("leave_one_out", "did you mean 'leave-one-out'?"),
            (
                "leave",
                "did you mean one of 'leave-one-out', 'leave-last'?",
            ),
            ("ratio", "lacks what follows 'ratio:'"),
            ("ratio:70/10/20", "lacks its own seed"),
            ("ratio:70/10/20@x", "needs a whole number as seed, not 'x'"),
            (
                "ratio:70/30@1",
                "must give train/validation/test percentages",
            ),
            ("ratio:70/10/10@1", "sum to 100, not to 90"),
            ("ratio:0/50/50@1", "train above 0"),
            ("ratio:120/-10/-10@1", "percentages of 0 to 100"),
            ("ratio:NaN/50/50@1", "percentages of 0 to 100"),
            ("leave-last:0", "above 0, not '0'"),
            ("leave-last:-1", "above 0, not '-1'"),
            ("temporal:80", "between 0 and 1, not '80'"),
            ("temporal:NaN", "between 0 and 1"),
            ("users:80/10/10@1", "lacks ',holdout=0.2'"),
            ("users:80/10/10,holdout=1@1", "between 0 and 1, not '1'"),
            ("leave-one-out:3", "takes nothing after"),
            ("none:", "takes nothing after"),
        ] {
            let error = text.parse::<SplitSpec>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains("ratio:70/10/20@42"), "{error}");
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
