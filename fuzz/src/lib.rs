//! Fuzzing of everything that reads bytes from outside: one target per reader.
//!
//! `cargo +nightly fuzz run table` (with [cargo-fuzz](https://github.com/rust-fuzz/cargo-fuzz)); the
//! targets also build on stable, `cargo check` in this folder.

use limpid_data::sources::{Format, OnError, ReadOptions, read_bytes};

/// Reads files of a format under both policies for malformed lines.
///
/// # Panics
/// If the format is unknown.
pub fn read(format: &str, files: &[(&str, &[u8])]) {
    check(Some(format.parse().expect("a known format")), files);
}

/// Detects the format of files and reads them under both policies.
pub fn detect(files: &[(&str, &[u8])]) {
    check(None, files);
}

fn check(format: Option<Format>, files: &[(&str, &[u8])]) {
    for on_error in [OnError::Fail, OnError::Skip] {
        let options = ReadOptions {
            format,
            on_error,
            ..ReadOptions::default()
        };
        if let Ok(log) = read_bytes("fuzz", files, &options) {
            assert_eq!(log.describe().events, log.n_events());
            assert_eq!(log.hash().len(), 64);
        }
    }
}
