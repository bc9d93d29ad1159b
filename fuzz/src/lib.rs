//! Fuzzing of everything that reads bytes from outside: one target per reader.
//!
//! `./run 60` runs every target for 60 seconds, with a stable compiler; `./run 60 table` only one.

// A target fails by panicking.
#![allow(clippy::expect_used)]

use std::sync::Arc;

use limpid::Experiment;
use limpid::artifact::{parse_manifest, parse_tensors};
use limpid::core::traits::Artifact;
use limpid::core::{Catalogue, Histories, OwnedHistory, Recommender};
use limpid::models::{ENTRIES, Model};
use limpid::recipe::Recipe;
use limpid_data::sources::{Format, OnError, ReadOptions, read_bytes};
use limpid_data::split::Recorded;

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

/// Reads a file of a saved folder as everything that a folder has.
///
/// # Panics
/// If a model that was accepted gives another number of scores than it has items.
pub fn tensors(data: &[u8]) {
    let Ok(tensors) = parse_tensors(Arc::new(data.to_vec())) else {
        return;
    };
    if let Ok(catalogue) = Catalogue::load(&tensors) {
        let recorded = Recorded {
            spec: "none".parse().expect("a split"),
            hash: String::new(),
            data_hash: String::new(),
        };
        let _ = limpid_data::Split::load(&tensors, Arc::new(catalogue), recorded);
    }
    for name in ENTRIES.iter().map(|entry| entry.name).chain(["imported"]) {
        let Ok(model) = Model::load(&format!("model/{name}"), &tensors) else {
            continue;
        };
        // As when a folder is opened: an empty history tells the number of items.
        let nobody = OwnedHistory::default();
        let row = Histories::from_histories([nobody.view()], 0).expect("an empty history");
        let n = model.score(&row).ncols();
        if n <= 4096 {
            let items = OwnedHistory::of_items((0..n as u32).map(limpid::core::ItemIdx).collect());
            let row = Histories::from_histories([items.view()], n).expect("items in range");
            assert_eq!(model.score(&row).ncols(), n, "{name}");
        }
    }
}

/// Reads a matrix, all of whose numbers are finite.
///
/// # Panics
/// If one that is not was accepted.
pub fn npy(data: &[u8]) {
    if let Ok(matrix) = limpid::npy::read_bytes("fuzz", data) {
        assert!(matrix.is_standard_layout() && matrix.iter().all(|v| v.is_finite()));
    }
}

/// Reads a manifest.
pub fn manifest(data: &[u8]) {
    if let Ok(manifest) = parse_manifest(data) {
        let again = manifest.again();
        let _ = (again.config(), again.to_toml());
    }
}

/// Reads a recipe and an experiment.
pub fn recipe(text: &str) {
    let _ = Recipe::of_text(text);
    if let Ok(experiment) = Experiment::of_text(text) {
        let _ = (experiment.config(), experiment.to_toml());
    }
}
