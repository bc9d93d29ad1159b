//! Where the arithmetic runs.

use std::fmt;
use std::str::FromStr;

use limpid_core::{Error, Result};

/// A device of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, with all threads of the current pool.
    #[default]
    Cpu,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `cpu`.
    ///
    /// # Errors
    /// [`Error::Parse`] for every other device, with the ones that there are.
    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "cpu" => Ok(Self::Cpu),
            _ => Err(Error::Parse {
                what: "device",
                text: text.to_owned(),
                why: "this build computes on cpu only; leave the device out, or write cpu"
                    .to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named() {
        assert_eq!("CPU".parse::<Device>().unwrap(), Device::Cpu);
        assert_eq!(Device::default().to_string(), "cpu");
        let message = "vulkan".parse::<Device>().unwrap_err().to_string();
        assert!(
            message.contains("vulkan") && message.contains("cpu"),
            "{message}"
        );
    }
}
