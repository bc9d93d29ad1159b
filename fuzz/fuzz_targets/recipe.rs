//! Any text as a recipe and as an experiment: read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| limpid_fuzz::recipe(text));
