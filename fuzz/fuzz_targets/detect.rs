//! Any bytes under various file names: the format is detected, then the bytes are read or refused.
//!
//! The first byte selects the name.

#![no_main]

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 12] = [
    "u.data",
    "ratings.dat",
    "ratings.csv",
    "x.inter",
    "a.csv",
    "a.tsv",
    "a.json",
    "a.csv.gz",
    "a.csv.zst",
    "train.txt",
    "items.csv",
    "a",
];

fuzz_target!(|data: &[u8]| {
    if let [first, data @ ..] = data {
        let name = NAMES[usize::from(*first) % NAMES.len()];
        limpid_fuzz::detect(&[(name, data)]);
    }
});
