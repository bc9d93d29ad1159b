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
