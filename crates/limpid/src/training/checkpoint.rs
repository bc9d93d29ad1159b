//! A file with the state of an unfinished fit.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use limpid_core::{Checkpoints, Tensors};
use limpid_data::staged::{self, StagedFile};

use crate::artifact::{parse_tensors, write_tensors};
use crate::{Error, Result};

/// One file; a new state replaces the last one when it is complete, so that an interruption loses only
/// the new state.
pub(super) struct CheckpointFile {
    path: PathBuf,
    /// When the last state was written, and how long that took.
    written: Option<(Instant, Duration)>,
}

/// Writing states takes at most this fraction (1 / n) of the time of a fit.
const SHARE: u32 = 50;

/// Deletes the checkpoint of a fit, and what killed fits left of theirs.
pub(crate) fn delete(path: &Path) -> Result<()> {
    staged::sweep(path);
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot delete", path, e))
        }
        _ => Ok(()),
    }
}

impl CheckpointFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: None,
        }
    }

    fn replace(&self, state: &Tensors) -> Result<()> {
        let staged = StagedFile::create(&self.path)?;
        write_tensors(state, staged.path())?;
        Ok(staged.publish()?)
    }
}

impl Checkpoints for CheckpointFile {
    /// A file that cannot be read is ignored: the fit starts from the beginning.
    fn last(&self) -> Option<Tensors> {
        let is_file = fs::metadata(&self.path).is_ok_and(|about| about.is_file());
        let bytes = is_file.then(|| fs::read(&self.path).ok())??;
        parse_tensors(Arc::new(bytes)).ok()
    }

    fn wanted(&self) -> bool {
        self.written
            .is_none_or(|(when, took)| when.elapsed() >= took * SHARE)
    }

    fn save(&mut self, state: &Tensors) -> limpid_core::Result<()> {
        let start = Instant::now();
        let saved = self.replace(state);
        self.written = Some((Instant::now(), start.elapsed()));
        saved.map_err(|e| limpid_core::Error::Checkpoint(e.to_string()))
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
        delete(&path).unwrap();
        assert!(!path.exists());
        delete(&path).unwrap();
        // A state that cannot be written is an error here, and a warning in a fit.
        fs::write(folder.path().join("file"), "").unwrap();
        let mut nowhere = CheckpointFile::new(folder.path().join("file/model.checkpoint"));
        let why = nowhere.save(&Tensors::new()).unwrap_err().to_string();
        assert!(why.contains("cannot save a checkpoint"), "{why}");
    }
}
