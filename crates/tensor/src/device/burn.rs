//! Devices of Burn: dense products on graphics processors.

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use burn_tensor::{Device, Tensor, TensorData};
use limpid_core::{Error, Result};

use crate::matmul::Factor;

/// Devices of this build.
pub(super) const NAMES: &[&str] = &[
    #[cfg(feature = "flex")]
    "flex",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "metal")]
    "metal",
];

/// One probe at a time: it silences panics, and the hook belongs to all threads.
static PROBING: Mutex<()> = Mutex::new(());

/// An open device of Burn.
#[derive(Clone)]
pub struct Burn {
    name: &'static str,
    device: Device,
    /// Set when it failed once: it is not asked again.
    gone: Arc<AtomicBool>,
}

impl Burn {
    pub(super) fn open(name: &str) -> Result<Self> {
        let missing = || Error::Parse {
            what: "device",
            text: name.to_owned(),
            why: "this machine has none that works; leave the device out, or write cpu".to_owned(),
        };
        // A device that is not there is found out by panics inside of Burn, on threads of its own. They
        // are the answer to a question, so nobody shall read their traces.
        let _alone = PROBING.lock();
        let before = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let opened = Self::probe(name);
        panic::set_hook(before);
        opened.ok_or_else(missing)
    }

    /// A device, if it exists and computes a small product right.
    fn probe(name: &str) -> Option<Self> {
        let opened = catch_unwind(|| match name {
            #[cfg(feature = "flex")]
            "flex" => Some(("flex", Device::flex())),
            #[cfg(feature = "vulkan")]
            "vulkan" => Some(("vulkan", Device::vulkan(Default::default()))),
            #[cfg(feature = "cuda")]
            "cuda" => Some(("cuda", Device::cuda(0usize))),
            #[cfg(feature = "metal")]
            "metal" => Some(("metal", Device::metal(Default::default()))),
            _ => None,
        });
        let (name, device) = opened.ok().flatten()?;
        let this = Self {
            name,
            device,
            gone: Arc::default(),
        };
        let mut out = [0f32];
        let works = this.product(
            &mut out,
            Factor::new(&[2.0, 3.0], 1, 2),
            Factor::new(&[5.0, 7.0], 2, 1),
            false,
        );
        (works && (out[0] - 31.0).abs() < 1e-3).then_some(this)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The product, and whether it could be computed; `out` is as it was if not.
    pub(super) fn product(&self, out: &mut [f32], a: Factor<'_>, b: Factor<'_>, add: bool) -> bool {
        let ((m, k), (k_b, n)) = (a.shape(), b.shape());
        assert_eq!(k, k_b, "inner dimensions of a product");
        if m == 0 || n == 0 || k == 0 || self.gone.load(Ordering::Relaxed) {
            return false;
        }
        let computed = catch_unwind(AssertUnwindSafe(|| {
            let product = self.tensor(a).matmul(self.tensor(b));
            product.try_into_vec_as::<f32>().ok()
        }));
        let Some(values) = computed.ok().flatten().filter(|v| v.len() == m * n) else {
            self.gone.store(true, Ordering::Relaxed);
            return false;
        };
        for (o, v) in out.iter_mut().zip(values) {
            *o = if add { *o + v } else { v };
        }
        true
    }

    fn tensor(&self, factor: Factor<'_>) -> Tensor<2> {
        let (data, [rows, columns], transposed) = factor.stored();
        let data = TensorData::new(data.to_vec(), [rows, columns]);
        let tensor = Tensor::from_data(data, &self.device);
        match transposed {
            true => tensor.transpose(),
            false => tensor,
        }
    }
}
