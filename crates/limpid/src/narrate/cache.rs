//! Answers of language models, kept in a file of JSON lines.
//!
//! A line is written at once when an answer arrives, so a run that is killed loses no answer; a line that was cut
//! off is ignored. A file of lines is enough: keys are hashes that are looked up in memory, and nothing is ever
//! changed. SQLite would add C code, 13 CPU seconds even without optimization, for the same lookups.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::output::text;
use crate::{Error, Result};

/// One answer.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    key: std::borrow::Cow<'a, str>,
    model: std::borrow::Cow<'a, str>,
    answer: std::borrow::Cow<'a, str>,
}

/// The answers of a file.
pub(super) struct Cache {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    answers: HashMap<String, String>,
    /// Why it is no longer written.
    failure: Option<String>,
}

impl Cache {
    /// Opens or creates the file, and locks it for this process.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |e| Error::io("cannot open", path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(failed)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Usage(format!(
                "another run is using the cache {}; wait for it, or give another with --cache",
                path.display()
            )));
        }
        let mut answers = HashMap::new();
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            match serde_json::from_slice::<Entry<'_>>(&line) {
                Ok(entry) => {
                    answers.insert(entry.key.into_owned(), entry.answer.into_owned());
                }
                // The first line tells whether it is a cache at all.
                Err(_) if answers.is_empty() && line.ends_with(b"\n") => {
                    return Err(Error::Usage(format!(
                        "{} is not a cache of answers; give another file with --cache",
                        path.display()
                    )));
                }
                Err(_) => {}
            }
            line.clear();
        }
        drop(reader);
        if file.metadata().map_err(failed)?.len() > 0 {
            file.seek(SeekFrom::End(-1)).map_err(failed)?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(failed)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(failed)?;
            }
        }
        let state = State {
            file,
            answers,
            failure: None,
        };
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question.
    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.state().answers.get(key).cloned()
    }

    /// Keeps an answer. A file that cannot be written is no reason to stop: it is left alone from then on.
    pub(super) fn put(&self, key: &str, model: &str, answer: &str) {
        let mut state = self.state();
        state.answers.insert(key.to_owned(), answer.to_owned());
        if state.failure.is_some() {
            return;
        }
        let entry = Entry {
            key: key.into(),
            model: model.into(),
            answer: answer.into(),
        };
        let written = text::json(&entry).map_err(|e| e.to_string());
        let written = written.and_then(|line| {
            let line = line + "\n";
            state
                .file
                .write_all(line.as_bytes())
                .map_err(|e| e.to_string())
        });
        if let Err(why) = written {
            state.failure = Some(format!(
                "the cache {} cannot be written, so later answers are not kept: {why}",
                self.path.display()
            ));
        }
    }

    /// Why answers are not kept, if they are not.
    pub(super) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_outlive_a_kill_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        let cache = Cache::open(&path).unwrap();
        assert!(
            Cache::open(&path)
                .err()
                .unwrap()
                .to_string()
                .contains("another run")
        );
        cache.put("a", "m", "one\ntwo \u{202e}");
        cache.put("b", "m", "three");
        drop(cache);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let cache = Cache::open(&path).unwrap();
        assert_eq!(cache.get("a").unwrap(), "one\ntwo \u{202e}");
        assert_eq!(cache.get("b"), None);
        cache.put("c", "m", "four");
        drop(cache);
        let cache = Cache::open(&path).unwrap();
        assert_eq!(cache.get("c").unwrap(), "four");
        std::fs::write(folder.path().join("mine"), "my notes\n").unwrap();
        let other = Cache::open(&folder.path().join("mine")).err().unwrap();
        assert!(other.to_string().contains("is not a cache"), "{other}");
    }
}
