//! Any bytes as a Parquet file: read or refused, and what is read can be described and hashed.
//!
//! The reader turns a panic of the decoder into an error; libFuzzer still stops at any panic,
//! so a finding of this target may be a bug of the decoder.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    limpid_fuzz::read("parquet", &[("events.parquet", data)]);
});
