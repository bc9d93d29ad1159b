//! Any bytes as a Parquet file: read or refused, and what is read can be described and hashed.
//!
//! The reader turns a panic of the decoder into an error, so such a panic is no finding: the hook of
//! libFuzzer, which aborts at any panic, is replaced. A panic that leaves the reader still aborts.

#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;

static HOOK: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| ())));
    limpid_fuzz::read("parquet", &[("events.parquet", data)]);
});
