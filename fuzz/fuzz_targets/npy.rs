//! Any bytes as a matrix of NumPy: read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| limpid_fuzz::npy(data));
