//! Any bytes as MovieLens 1M events: read or refused, and what is read can be described and hashed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    limpid_fuzz::read("movielens-dat", &[("ratings.dat", data)]);
});
