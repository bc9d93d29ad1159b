//! Any bytes as a file of a saved model: read or refused, and what loads as a model scores.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| limpid_fuzz::tensors(data));
