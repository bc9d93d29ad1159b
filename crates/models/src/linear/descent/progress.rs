//! The finished targets of a fit, and their checkpoints.

use std::ops::Range;
use std::time::{Duration, Instant};

use limpid_core::{Csr, Result, Run, Tensors};

/// Time between checkpoints.
const INTERVAL: Duration = Duration::from_secs(10);

/// Targets between two checks of the clock.
const BLOCK: usize = 1024;

/// The finished targets, in order.
pub(super) struct Done {
    rows: Vec<Vec<(u32, f32)>>,
    n_items: usize,
    fingerprint: String,
    saved_at: Instant,
    saved_rows: usize,
}

impl Done {
    /// Resumes from the last checkpoint if it is of the same fit; otherwise starts over.
    pub(super) fn resume(n_items: usize, fingerprint: &str, run: &Run<'_>) -> Self {
        let last = run.checkpoints.as_ref().and_then(|c| c.last());
        let rows = last
            .and_then(|state| read(&state, fingerprint).ok())
            .filter(|rows| rows.len() <= n_items)
            .unwrap_or_default();
        Self {
            saved_rows: rows.len(),
            rows,
            n_items,
            fingerprint: fingerprint.to_owned(),
            saved_at: Instant::now(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The next targets: all at once without checkpoints.
    pub(super) fn next_block(&self, checkpoints: bool) -> Range<usize> {
        let from = self.rows.len();
        match checkpoints {
            true => from..(from + BLOCK).min(self.n_items),
            false => from..self.n_items,
        }
    }

    pub(super) fn extend(&mut self, rows: Vec<Vec<(u32, f32)>>) {
        self.rows.extend(rows);
    }

    pub(super) fn save_if_due(&mut self, run: &mut Run<'_>) -> Result<()> {
        if self.saved_at.elapsed() < INTERVAL {
            return Ok(());
        }
        self.save(run)
    }

    pub(super) fn save(&mut self, run: &mut Run<'_>) -> Result<()> {
        if run.checkpoints.is_none() {
            return Ok(());
        }
        if self.rows.len() > self.saved_rows
            && run.checkpoint(&write(&self.rows, &self.fingerprint)?)
        {
            self.saved_rows = self.rows.len();
        }
        self.saved_at = Instant::now();
        Ok(())
    }

    /// The state of an interrupted fit, in words.
    pub(super) fn summary(&self, n_items: usize, run: &Run<'_>) -> String {
        match run.checkpoints {
            Some(_) if self.saved_rows == 0 => "no target was saved".to_owned(),
            Some(_) => format!(
                "{} of {n_items} targets saved; rerun to resume",
                self.saved_rows
            ),
            None => "no checkpoint was saved, because the run has no checkpoints".to_owned(),
        }
    }

    pub(super) fn into_rows(self) -> Vec<Vec<(u32, f32)>> {
        self.rows
    }
}

fn write(rows: &[Vec<(u32, f32)>], fingerprint: &str) -> Result<Tensors> {
    let n_features = rows.iter().flatten().map(|e| e.0 as usize + 1).max();
    let mut state = Tensors::new();
    state.put_meta("fingerprint", &fingerprint)?;
    state.put_meta("features", &n_features.unwrap_or(0))?;
    let csr = Csr::from_rows(rows.iter().cloned(), n_features.unwrap_or(0))?;
    state.put_csr("weights", &csr);
    Ok(state)
}

fn read(state: &Tensors, fingerprint: &str) -> Result<Vec<Vec<(u32, f32)>>> {
    let found: String = state.meta("fingerprint")?;
    if found != fingerprint {
        return Ok(Vec::new());
    }
    let csr = state.csr("weights", state.meta("features")?)?;
    Ok((0..csr.n_rows())
        .map(|target| {
            let (features, weights) = csr.row(target);
            features
                .iter()
                .copied()
                .zip(weights.iter().copied())
                .collect()
        })
        .collect())
}
