//! Shared code of the benchmarks: data, peak memory and CPU time.

pub mod refusals;

use anyhow::Result;
use limpid::data::synthetic;
use limpid::{DataSource, Prepared, SplitFrom};

/// The split of all benchmarks.
pub const SPLIT: &str = "ratio:70/10/20@7";

/// ML-1M if `LIMPID_DATA` names the folder of the data sets, otherwise synthetic data of about
/// a tenth of its size; with the name to print.
///
/// # Errors
/// As reading and splitting.
pub fn prepared() -> Result<(&'static str, Prepared)> {
    let split = SplitFrom::Spec(SPLIT.parse()?);
    match std::env::var_os("LIMPID_DATA") {
        Some(folder) => {
            let source = DataSource {
                path: std::path::PathBuf::from(folder).join("ml-1m"),
                ..DataSource::default()
            };
            Ok(("ml-1m", Prepared::read(&source, &split)?))
        }
        None => Ok((
            "synthetic",
            Prepared::synthetic(&synthetic::Config::default(), &split)?,
        )),
    }
}

/// Peak resident memory of this process, if the system reports it.
#[must_use]
pub fn peak_memory_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb / 1000)
}

/// CPU time of all threads of this process in seconds, with a resolution of 0.01, if the system reports it; 0
/// otherwise. Unlike wall-clock time it hardly depends on other load of the machine.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may contain spaces; user and system time follow it.
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
