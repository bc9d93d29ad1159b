//! Published tables that cannot be true.
//!
//! With one held-out item per user, an item at rank r adds 1 to Hit and 1 / log₂(r + 1) to NDCG. What lies between
//! two lengths of the list therefore bounds what NDCG gains there.

// Tests fail by panicking, and print what they found.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::Path;

/// Half of the last digit of a printed value, twice: for a difference of two.
const ROUNDING: f64 = 1e-4;

/// What a hit at a rank, counted from 1, adds to NDCG.
fn gain(rank: u32) -> f64 {
    1.0 / (f64::from(rank) + 1.0).log2()
}

/// Whether hits and NDCG between two lengths of lists are possible.
fn possible(hits: f64, ndcg: f64, ranks: std::ops::RangeInclusive<u32>) -> bool {
    ndcg + ROUNDING >= gain(*ranks.end()) * (hits - ROUNDING)
        && ndcg - ROUNDING <= gain(*ranks.start()) * (hits + ROUNDING)
}

#[test]
fn bounds_by_hand() {
    // Hits at rank 1 and at rank 10 alone.
    assert!(possible(0.3, 0.3, 1..=10) && possible(0.3, 0.3 / 11f64.log2(), 1..=10));
    assert!(!possible(0.3, 0.31, 1..=10) && !possible(0.3, 0.08, 1..=10));
    assert!((gain(11) - 0.279).abs() < 1e-3 && (gain(50) - 0.176).abs() < 1e-3);
}

/// Table 3 of CNRE: the README lists exactly the blocks that are impossible.
#[test]
fn blocks_of_cnre() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../paper/cnre");
    let table = fs::read_to_string(folder.join("table3.csv")).unwrap();
    let mut lines = Vec::new();
    let mut blocks = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [h10, n10, h50, n50]: [f64; 4] = fields[2..]
            .iter()
            .map(|x| x.parse().unwrap())
            .collect::<Vec<f64>>()
            .try_into()
            .unwrap();
        blocks += 1;
        let ok = possible(h10, n10, 1..=10) && possible(h50 - h10, n50 - n10, 11..=50);
        if !ok {
            let share = (n50 - n10) / (h50 - h10);
            lines.push(format!("{} {} {share:.3}", fields[0], fields[1]));
        }
    }
    println!("{} of {blocks} blocks are impossible:", lines.len());
    lines.iter().for_each(|line| println!("{line}"));
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let listed = format!(
        "{} of {blocks} blocks are impossible:\n{}\n",
        lines.len(),
        lines.join("\n")
    );
    assert!(readme.contains(&listed), "the README must list:\n{listed}");
}
