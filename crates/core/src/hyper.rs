//! Hyper-parameters, each declared once.
//!
//! A model file declares its parameters with `hyper!`:
//!
//! ```text
//! hyper! {
//!     /// Hyper-parameters of EDLAE.
//!     pub struct Config {
//!         /// Constant part of the L2 regularization; increase with the number of users.
//!         reg: f64 = 100.0, in above(0.0), tune [50, 100, 300];
//!         /// Users that a group needs for its rules; auto: users / 100.
//!         min_users: Option<usize> = None, in whole_from(1), alias "min_support";
//!         /// Whether weights may be negative.
//!         signed: bool = false;
//!         include training: TrainingLoop = { epochs: 200 };
//!     }
//!     preset signed = "true" { reg = 10, epochs = 5 }
//! }
//! ```
//!
//! This generates the struct with documented public fields, its `Default`, the settings as JSON
//! ([`values`], [`apply`]), the check of every range ([`check`]), `--set`, `--tune`, `limpid models`
//! and what a user interface needs. The doc comment is the line shown to users. A rule that involves
//! several parameters (`gsam` only with `mode=paper`) is written by hand in the model's `Fit::check`.
//!
//! - `Option<T>` is a parameter that the model can choose from the data: its default is `None`, written
//!   `auto`.
//! - A preset is a choice of one parameter that sets the defaults of others; explicit settings take
//!   precedence.
//! - An included group is one set of parameters that several models share. Its members are flat in
//!   settings (`epochs`), nested in Rust (`config.training.epochs`), and may get other defaults.
//! - An alias is a name of an older version. `null` is the default.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Error, Result};
use serde::Serialize;
use serde_json::Map;

/// The value of a setting, as JSON.
pub use serde_json::Value;

/// Settings by name.
pub type Values = Map<String, Value>;

/// The values that a parameter may have, as data: a user interface makes a slider, switch or list of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Range {
    /// A finite number.
    Number {
        /// The least value.
        low: f64,
        /// Whether the least value itself is excluded.
        open: bool,
        /// The largest value; none: no limit.
        high: Option<f64>,
    },
    /// A whole number.
    Whole {
        /// The least value.
        low: usize,
        /// The largest value; none: no limit.
        high: Option<usize>,
    },
    /// True or false.
    Switch,
    /// One of a few names.
    Choice {
        /// The names.
        choices: &'static [Choice],
    },
}

/// One value of a [`Range::Choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Choice {
    /// How it is written.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// The words for ranges in `hyper!`.
pub mod range {
    use super::Range;

    const fn number(low: f64, open: bool, high: Option<f64>) -> Range {
        Range::Number { low, open, high }
    }

    /// A number larger than `low`.
    #[must_use]
    pub const fn above(low: f64) -> Range {
        number(low, true, None)
    }

    /// A number larger than `low`, `high` at most.
    #[must_use]
    pub const fn above_to(low: f64, high: f64) -> Range {
        number(low, true, Some(high))
    }

    /// `low` or more.
    #[must_use]
    pub const fn at_least(low: f64) -> Range {
        number(low, false, None)
    }

    /// A number from `low` to `high`, both included.
    #[must_use]
    pub const fn between(low: f64, high: f64) -> Range {
        number(low, false, Some(high))
    }

    /// A whole number, `low` or more.
    #[must_use]
    pub const fn whole_from(low: usize) -> Range {
        Range::Whole { low, high: None }
    }

    /// A whole number from `low` to `high`, both included.
    #[must_use]
    pub const fn whole(low: usize, high: usize) -> Range {
        Range::Whole {
            low,
            high: Some(high),
        }
    }
}

impl Range {
    fn admits(&self, value: &Value) -> bool {
        match *self {
            Self::Number { low, open, high } => value.as_f64().is_some_and(|v| {
                let enough = if open { v > low } else { v >= low };
                enough && high.is_none_or(|high| v <= high)
            }),
            Self::Whole { low, high } => value
                .as_u64()
                .is_some_and(|v| v >= low as u64 && v <= high.unwrap_or(usize::MAX) as u64),
            Self::Switch => value.is_boolean(),
            Self::Choice { choices } => choices.iter().any(|c| value == c.name),
        }
    }
}

/// As in error messages: `a number above 0`, `a whole number from 1 to 6`, `tanh or linear`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Number { low, open, high } => match (open, high) {
                (true, None) => write!(f, "a number above {low}"),
                (true, Some(high)) => write!(f, "a number above {low}, at most {high}"),
                (false, None) => write!(f, "a number, {low} or more"),
                (false, Some(high)) => write!(f, "a number between {low} and {high}"),
            },
            Self::Whole { low, high: None } => write!(f, "a whole number from {low}"),
            Self::Whole {
                low,
                high: Some(high),
            } => write!(f, "a whole number from {low} to {high}"),
            Self::Switch => write!(f, "true or false"),
            Self::Choice { choices } => {
                for (at, choice) in choices.iter().enumerate() {
                    let before = match at {
                        0 => "",
                        _ if at + 1 == choices.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}{}", choice.name)?;
                }
                Ok(())
            }
        }
    }
}

/// One hyper-parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in settings and after `--set`.
    pub name: &'static str,
    /// Its names in older versions, still accepted.
    pub aliases: &'static [&'static str],
    /// Its range.
    pub range: Range,
    /// Whether it may be `auto`: chosen by the model from the data.
    pub auto: bool,
    /// Its default.
    pub default: Value,
    /// Values that `--tune` tries; empty if it is not tuned.
    pub tune: &'static [&'static str],
    /// What it does, in one line.
    pub doc: &'static str,
}

/// The written value of a parameter that the model chooses from the data.
const AUTO: &str = "auto";

impl Parameter {
    /// Whether `name` is the name of this parameter or one of its aliases.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The range in words: `a number above 0`.
    #[must_use]
    pub fn rule(&self) -> String {
        match self.auto {
            true => format!("{}, or {AUTO}", self.range),
            false => self.range.to_string(),
        }
    }

    fn check(&self, value: &Value) -> Result<()> {
        if self.range.admits(value) || (self.auto && value == AUTO) {
            return Ok(());
        }
        Err(Error::range(self.name, self.rule(), written(value)))
    }
}

/// A choice of one parameter that sets the defaults of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name of that parameter: `preset`, `mode`.
    pub parameter: &'static str,
    /// The choice: `lia`.
    pub choice: &'static str,
    /// Names of other parameters and their new defaults, written as for `--set`.
    pub sets: &'static [(&'static str, &'static str)],
}

/// Parses a value as written for `--set`: JSON, otherwise a string.
#[must_use]
pub fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Writes a value as for `--set`: 500, not 500.0.
#[must_use]
pub fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map_or_else(|| number.to_string(), |number| number.to_string()),
        other => other.to_string(),
    }
}

/// A type of parameter.
pub trait Setting: Sized {
    /// Whether it has the value `auto`.
    const AUTO: bool = false;

    /// As JSON; a number that JSON does not have (NaN) becomes a string, which no range admits.
    fn to_value(&self) -> Value;

    /// From JSON; `None` if it is of another type.
    fn from_value(value: &Value) -> Option<Self>;
}

/// A type whose values need no declared range. Numbers with a fraction always need one.
pub trait Natural: Setting {
    /// All its values.
    const RANGE: Range;
}

impl Natural for usize {
    const RANGE: Range = range::whole_from(0);
}

impl Natural for bool {
    const RANGE: Range = Range::Switch;
}

impl Setting for f64 {
    fn to_value(&self) -> Value {
        serde_json::Number::from_f64(*self)
            .map_or_else(|| Value::String(self.to_string()), Value::Number)
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

/// With the digits of an `f32`: 0.6, not 0.6000000238418579.
impl Setting for f32 {
    fn to_value(&self) -> Value {
        let short = self.to_string();
        match short.parse::<f64>() {
            Ok(value) => value.to_value(),
            Err(_) => Value::String(short),
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_f64().map(|v| v as Self)
    }
}

impl Setting for usize {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_u64().and_then(|v| Self::try_from(v).ok())
    }
}

impl Setting for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl<T: Setting> Setting for Option<T> {
    const AUTO: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or_else(|| Value::from(AUTO), T::to_value)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if text == AUTO => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// Declared hyper-parameters; implemented by `hyper!`.
pub trait Hyper {
    /// Every parameter in the order of its declaration, with the values of `self` as defaults.
    fn parameters(&self) -> Vec<Parameter>;

    /// The presets in the order in which they are applied, those of included groups first.
    fn presets(&self) -> Vec<Preset>;

    /// Sets a parameter; false if there is none of this name or the value is of another
    /// type.
    fn put(&mut self, name: &str, value: &Value) -> bool;
}

/// The defaults of declared hyper-parameters.
#[must_use]
pub fn defaults<C: Hyper + Default + 'static>() -> Box<dyn Hyper> {
    Box::new(C::default())
}

/// All values, by name.
#[must_use]
pub fn values(config: &dyn Hyper) -> Map<String, Value> {
    let parameters = config.parameters().into_iter();
    parameters.map(|p| (p.name.to_owned(), p.default)).collect()
}

/// Checks that every value is in its range.
///
/// # Errors
/// [`Error::Range`] with the name, the rule and the value of the first that is not.
pub fn check(config: &dyn Hyper) -> Result<()> {
    let parameters = config.parameters();
    parameters.iter().try_for_each(|p| p.check(&p.default))
}

/// Applies settings to defaults: first the presets that they (or the defaults) choose, then the
/// settings themselves.
///
/// # Errors
/// [`Error::Unknown`] for a name that no parameter has, [`Error::Range`] for a value out of its range,
/// [`Error::Duplicate`] for a parameter that is given under two names.
pub fn apply(config: &mut dyn Hyper, settings: &Map<String, Value>) -> Result<()> {
    let parameters = config.parameters();
    let mut given: BTreeMap<&str, &Value> = BTreeMap::new();
    for (key, value) in settings.iter().filter(|(_, v)| !v.is_null()) {
        let parameter = named(&parameters, key)?;
        parameter.check(value)?;
        if given.insert(parameter.name, value).is_some() {
            return Err(Error::Duplicate {
                what: "setting",
                name: parameter.name.to_owned(),
            });
        }
    }
    for preset in config.presets() {
        let chosen = match given.get(preset.parameter) {
            Some(value) => *value,
            None => &named(&parameters, preset.parameter)?.default,
        };
        if written(chosen) == preset.choice {
            for (name, text) in preset.sets {
                put(config, &parameters, name, &read(text))?;
            }
        }
    }
    for (name, value) in given {
        put(config, &parameters, name, value)?;
    }
    Ok(())
}

/// The settings with which [`apply`] turns `defaults` into `config`: choices that differ from
/// the defaults, and values that differ from the presets that they choose.
///
/// # Errors
/// As [`apply`], where `config` holds values out of range.
pub fn changes(config: &dyn Hyper, defaults: &mut dyn Hyper) -> Result<Map<String, Value>> {
    let chooses = |p: &Parameter| config.presets().iter().any(|s| s.parameter == p.name);
    let differing = |from: &dyn Hyper, only: &dyn Fn(&Parameter) -> bool| -> Map<String, Value> {
        let pairs = config.parameters().into_iter().zip(from.parameters());
        pairs
            .filter(|(mine, theirs)| mine.default != theirs.default && only(mine))
            .map(|(mine, _)| (mine.name.to_owned(), mine.default))
            .collect()
    };
    let mut changes = differing(defaults, &chooses);
    apply(defaults, &changes)?;
    changes.extend(differing(defaults, &|_| true));
    Ok(changes)
}

/// The parameter with a name or alias.
///
/// # Errors
/// [`Error::Unknown`] with similar names.
pub fn named<'a>(parameters: &'a [Parameter], name: &str) -> Result<&'a Parameter> {
    parameters
        .iter()
        .find(|p| p.is_named(name))
        .ok_or_else(|| Error::unknown("setting", name, parameters.iter().map(|p| p.name)))
}

fn put(config: &mut dyn Hyper, parameters: &[Parameter], name: &str, value: &Value) -> Result<()> {
    match config.put(name, value) {
        true => Ok(()),
        false => Err(Error::range(
            name,
            named(parameters, name)?.rule(),
            written(value),
        )),
    }
}

/// The declared range, or that of the type.
#[doc(hidden)]
#[macro_export]
macro_rules! range_of {
    ($type:ty) => {
        <$type as $crate::hyper::Natural>::RANGE
    };
    ($type:ty, $range:expr) => {
        $range
    };
}

/// Declares hyper-parameters; see the [module](self).
#[macro_export]
macro_rules! hyper {
    (
        $(#[doc = $about:literal])+
        pub struct $config:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident : $type:ty = $default:expr
                $(, in $range:expr)?
                $(, tune [$($tune:literal),+])?
                $(, alias $alias:literal)?
                ;
            )*
            $(include $group:ident : $shared:ident = { $($member:ident : $value:expr),* };)*
        }
        $(preset $chooser:ident = $choice:literal { $($target:ident = $set:literal),+ $(,)? })*
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $config {
            $($(#[doc = $doc])+ pub $field: $type,)*
            $(
                #[doc = concat!("Shared parameters, flat in settings: see [`", stringify!($shared), "`].")]
                pub $group: $shared,
            )*
        }

        impl Default for $config {
            // A model may set every member of a shared group.
            #[allow(clippy::needless_update)]
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    $($group: $shared { $($member: $value,)* ..Default::default() },)*
                }
            }
        }

        impl $crate::hyper::Hyper for $config {
            fn parameters(&self) -> Vec<$crate::hyper::Parameter> {
                #[allow(unused_imports)]
                use $crate::hyper::range::*;
                let own = vec![$($crate::hyper::Parameter {
                    name: stringify!($field),
                    aliases: &[$($alias)?],
                    range: $crate::hyper::range_of!($type $(, $range)?),
                    auto: <$type as $crate::hyper::Setting>::AUTO,
                    default: $crate::hyper::Setting::to_value(&self.$field),
                    tune: &[$($(stringify!($tune)),+)?],
                    doc: concat!($($doc),+).trim_ascii(),
                }),*];
                own.into_iter()$(.chain(self.$group.parameters()))*.collect()
            }

            fn presets(&self) -> Vec<$crate::hyper::Preset> {
                let own = vec![$($crate::hyper::Preset {
                    parameter: stringify!($chooser),
                    choice: $choice,
                    sets: &[$((stringify!($target), stringify!($set))),+],
                }),*];
                std::iter::empty()$(.chain(self.$group.presets()))*.chain(own).collect()
            }

            fn put(&mut self, name: &str, value: &$crate::hyper::Value) -> bool {
                $(
                    if name == stringify!($field) {
                        let read = <$type as $crate::hyper::Setting>::from_value(value);
                        return read.map(|v| self.$field = v).is_some();
                    }
                )*
                false $(|| self.$group.put(name, value))*
            }
        }
    };
}

/// Declares the choices of a parameter: an enum with the name of each variant in settings.
#[macro_export]
macro_rules! choices {
    (
        $(#[doc = $about:literal])+
        pub enum $choices:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $choices {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $crate::hyper::Natural for $choices {
            const RANGE: $crate::hyper::Range = $crate::hyper::Range::Choice {
                choices: &[
                    $($crate::hyper::Choice {
                        name: $name,
                        doc: concat!($($doc),+).trim_ascii(),
                    },)+
                ],
            };
        }

        impl $crate::hyper::Setting for $choices {
            fn to_value(&self) -> $crate::hyper::Value {
                match self {
                    $(Self::$variant => $name.into(),)+
                }
            }

            fn from_value(value: &$crate::hyper::Value) -> Option<Self> {
                match value.as_str()? {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub use {choices, hyper, range_of};
