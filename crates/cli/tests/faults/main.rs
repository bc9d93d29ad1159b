//! Faults on purpose: damaged inputs, damaged and hostile models, kills, full and read-only disks, hostile
//! texts. Each case runs the binary as a user would, within 20 seconds and 4 GB.
//!
//! The tests here are a short form. The long form takes about a quarter of an hour; it prints the table of
//! `docs/reliability.md`, and writes it there with `LIMPID_WRITE_DOCS=1`:
//!
//! ```text
//! cargo test -p limpid-cli --test faults -- --ignored --nocapture
//! ```
//!
//! `LIMPID_PROGRAM=path/to/limpid` runs another version.

// Tests fail by panicking; limits, signals and mounts are those of Unix.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![cfg(unix)]

mod child;
mod disks;
mod folders;
mod inputs;
mod kills;
mod mutate;
mod samples;
mod table;
mod texts;

use table::Row;

fn assert_clean(row: &Row) {
    assert!(row.cases > 0, "{}: no case was run", row.family);
    assert!(row.is_clean(), "{}", row.details());
}

#[test]
fn damaged_inputs() {
    assert_clean(&inputs::run(150));
}

#[test]
fn damaged_folders() {
    assert_clean(&folders::run_damaged(&folders::FEW, 60));
}

#[test]
fn hostile_folders() {
    assert_clean(&folders::run_hostile(&folders::FEW, 60));
}

#[test]
fn kills() {
    assert_clean(&kills::run(8));
}

#[test]
fn disks() {
    assert_clean(&disks::run(10));
}

#[test]
#[ignore = "control characters are not yet shown harmlessly everywhere"]
fn texts() {
    assert_clean(&texts::run(20));
}

/// Everything, many times.
#[test]
#[ignore = "takes a quarter of an hour"]
fn long() {
    let all = folders::all_models();
    let rows = [
        inputs::run(10_000),
        folders::run_damaged(&all, 2_000),
        folders::run_hostile(&all, 1_000),
        kills::run(500),
        disks::run(100),
        texts::run(200),
    ];
    let page = table::page(&rows);
    println!("{page}");
    if std::env::var_os("LIMPID_WRITE_DOCS").is_some() {
        table::write(&page);
    }
    rows.iter().for_each(assert_clean);
}
