//! A file with the state of an unfinished fit.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use limpid_core::{Checkpoints, Tensors};

use crate::artifact::{parse_tensors, write_tensors};
use crate::{Error, Result};

/// One file; a new state is written under a temporary name and renamed, so that an interruption loses
/// only the new state.
pub(super) struct CheckpointFile {
    path: PathBuf,
    /// When the last state was written, and how long that took.
    written: Option<(Instant, Duration)>,
}

/// Writing states takes at most this fraction (1 / n) of the time of a fit.
const SHARE: u32 = 50;

impl CheckpointFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: None,
        }
    }

    /// Deletes the file after the fit.
    pub(super) fn delete(self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("cannot delete", &self.path, e))
            }
            _ => Ok(()),
        }
    }

    fn replace(&self, state: &Tensors) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::io("cannot create", folder, e))?;
        }
        let part = self.path.with_extension("part");
        write_tensors(state, &part)?;
        fs::rename(&part, &self.path).map_err(|e| Error::io("cannot write", &self.path, e))
    }
}

impl Checkpoints for CheckpointFile {
    /// A file that cannot be read is ignored: the fit starts from the beginning.
    fn last(&self) -> Option<Tensors> {
        parse_tensors(Arc::new(fs::read(&self.path).ok()?)).ok()
    }

    fn wanted(&self) -> bool {
        self.written
            .is_none_or(|(when, took)| when.elapsed() >= took * SHARE)
    }

    fn save(&mut self, state: &Tensors) -> limpid_core::Result<()> {
        let start = Instant::now();
        self.replace(state)
            .map_err(|e| limpid_core::Error::Tensor {
                name: "checkpoint".to_owned(),
                why: e.to_string(),
            })?;
        self.written = Some((Instant::now(), start.elapsed()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_state_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/model.checkpoint");
        let mut file = CheckpointFile::new(path.clone());
        assert!(file.last().is_none() && file.wanted());
        for epoch in [1, 2] {
            let mut state = Tensors::new();
            state.put_meta("epoch", &epoch).unwrap();
            state.put_f32("weights", &[2], vec![epoch as f32, 0.5]);
            file.save(&state).unwrap();
        }
        // Writing took one second, so the next state is due after fifty.
        file.written = Some((Instant::now(), Duration::from_secs(1)));
        assert!(!file.wanted());
        let last = CheckpointFile::new(path.clone()).last().unwrap();
        assert_eq!(last.meta::<i32>("epoch").unwrap(), 2);
        assert_eq!(last.f32("weights").unwrap().1.to_vec(), [2.0, 0.5]);
        fs::write(&path, b"no tensors").unwrap();
        assert!(file.last().is_none());
        file.delete().unwrap();
        assert!(!path.exists());
        CheckpointFile::new(path).delete().unwrap();
    }
}
