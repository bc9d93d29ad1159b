//! Where dense products are computed.
//!
//! Everything sparse, the logic layer, the loss and Adam run on the processor: those are our own kernels,
//! which use that the rows of a batch are sparse. Dense products are what is left of a step, and
//! grow with users × items × rules; they can be given to a graphics processor. Devices other than `cpu`
//! come with the features `flex`, `vulkan`, `cuda` and `metal`, all by way of Burn.

use std::fmt;

use limpid_core::{Error, Result};

use crate::matmul::{Factor, product};

#[cfg(feature = "burn")]
mod burn;

/// Devices of this build beside the processor.
#[cfg(feature = "burn")]
const OTHERS: &[&str] = burn::NAMES;
#[cfg(not(feature = "burn"))]
const OTHERS: &[&str] = &[];

/// An open device.
#[derive(Clone, Default)]
pub enum Device {
    /// The processor, with all threads of the current pool.
    #[default]
    Cpu,
    /// One of Burn's.
    #[cfg(feature = "burn")]
    Burn(burn::Burn),
}

impl Device {
    /// The names of the devices of this build.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        [&["cpu"], OTHERS].concat()
    }

    /// Opens a device by its name, and tries it with a small product.
    ///
    /// # Errors
    /// [`Error::Parse`] for a name that this build does not know, with those that it does, and for a device
    /// that this machine does not have.
    pub fn open(name: &str) -> Result<Self> {
        let lower = name.to_ascii_lowercase();
        if lower == "cpu" {
            return Ok(Self::Cpu);
        }
        #[cfg(feature = "burn")]
        if OTHERS.contains(&lower.as_str()) {
            return burn::Burn::open(&lower).map(Self::Burn);
        }
        let known = ["flex", "vulkan", "cuda", "metal"].contains(&lower.as_str());
        Err(Error::Parse {
            what: "device",
            text: name.to_owned(),
            why: format!(
                "this build computes on {}{}",
                Self::names().join(", "),
                match known {
                    true => format!("; build with --features {lower} for this one"),
                    false => String::new(),
                }
            ),
        })
    }

    /// `out = a · b`, or `out += a · b` if `add`, as [`product`].
    ///
    /// A device that gives up in the middle leaves its work to the processor, so that no fit is lost.
    ///
    /// # Panics
    /// Where shapes disagree: callers lay out their own arrays.
    pub fn product(&self, out: &mut [f32], a: Factor<'_>, b: Factor<'_>, add: bool) {
        match self {
            Self::Cpu => product(out, a, b, add),
            #[cfg(feature = "burn")]
            Self::Burn(device) => {
                if !device.product(out, a, b, add) {
                    product(out, a, b, add);
                }
            }
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            #[cfg(feature = "burn")]
            Self::Burn(device) => write!(f, "{}", device.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named() {
        assert_eq!(Device::open("CPU").unwrap().to_string(), "cpu");
        assert_eq!(Device::default().to_string(), "cpu");
        let message = Device::open("tpu").unwrap_err().to_string();
        assert!(
            message.contains("tpu") && message.contains("cpu"),
            "{message}"
        );
        #[cfg(not(feature = "burn"))]
        {
            let message = Device::open("vulkan").unwrap_err().to_string();
            assert!(message.contains("--features vulkan"), "{message}");
        }
    }

    /// What every device of this build computes is what the processor computes.
    #[cfg(feature = "flex")]
    #[test]
    fn products_agree() {
        use crate::Draw;
        let device = Device::open("flex").unwrap();
        let mut draw = Draw::new(3, 0);
        for (m, k, n) in [(1, 1, 1), (7, 33, 5), (40, 3, 70), (0, 4, 2), (3, 0, 2)] {
            for bits in 0..8 {
                let (ta, tb, add) = (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4);
                let a = draw.uniforms(m * k, -1.0, 1.0);
                let b = draw.uniforms(k * n, -1.0, 1.0);
                let fa = match ta {
                    true => Factor::new(&a, k, m).t(),
                    false => Factor::new(&a, m, k),
                };
                let fb = match tb {
                    true => Factor::new(&b, n, k).t(),
                    false => Factor::new(&b, k, n),
                };
                let start = draw.uniforms(m * n, -1.0, 1.0);
                let (mut here, mut there) = (start.clone(), start);
                product(&mut here, fa, fb, add);
                device.product(&mut there, fa, fb, add);
                for (x, y) in here.iter().zip(&there) {
                    assert!((x - y).abs() < 1e-4, "{x} {y}");
                }
            }
        }
    }
}
