//! Any bytes as a file of the Netflix Prize: read or refused, and what is read can be described and hashed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    limpid_fuzz::read("netflix", &[("combined_data_1.txt", data)]);
});
