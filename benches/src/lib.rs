//! What the benches share: worlds to measure on, and memory.

use anyhow::Result;
use limpid::data::synthetic;
use limpid::{DataSource, Prepared, SplitFrom};

/// The split of all benches.
pub const SPLIT: &str = "ratio:70/10/20@7";

/// ML-1M where `LIMPID_DATA` names the folder of the data sets, otherwise an invented world of about
/// a tenth of its size; with the name to print.
///
/// # Errors
/// What reading or splitting refuses.
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

/// The largest resident size of this process, where the system tells.
#[must_use]
pub fn peak_memory_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb / 1000)
}

/// Seconds that all threads of this process have computed, where the system tells, in hundredths; 0
/// elsewhere. Unlike the time on the wall it hardly depends on what else the machine does.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold spaces; user and system time follow it.
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
