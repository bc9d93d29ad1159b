//! Any bytes as MovieLens 100K events: read or refused, and what is read can be described and hashed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use limpid_data::sources::Format;

fuzz_target!(|data: &[u8]| {
    limpid_fuzz::read(Format::MovieLens100k, &[("u.data", data)]);
});
