//! Any bytes as a ReChorus train file: read or refused, and what is read can be described and hashed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    limpid_fuzz::read("rechorus", &[("train.csv", data), ("test.csv", data)]);
});
