//! Small data and the models trained on them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::child::limpid;

/// A folder with data and saved models.
pub(crate) struct Samples {
    place: TempDir,
}

impl Samples {
    /// Writes data and trains models.
    pub(crate) fn new(models: &[String]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let samples = Self { place };
        let mut text = "user,item,value,time\n".to_owned();
        for u in 0..60usize {
            for i in 0..40usize {
                let noise = (u * 31 + i * 17 + u * i * 7) % 10;
                if (i % 3 == u % 3 && noise < 7) || noise == 9 {
                    text += &format!("u{u},i{i},{},{}\n", 1 + noise % 5, 1_000_000 + u * 1000 + i);
                }
            }
        }
        fs::write(samples.data(), text).unwrap();
        for model in models {
            let trained = samples.train(model, &samples.model(model));
            assert!(trained.succeeded(), "{}", trained.words());
        }
        samples
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.place.path().join("events.csv")
    }

    pub(crate) fn model(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The arguments that train a model.
    pub(crate) fn arguments(&self, model: &str, to: &Path) -> Vec<String> {
        let words = [
            "train",
            "--model",
            model,
            "--split",
            "ratio:70/10/20@7",
            "--data",
        ];
        let mut all: Vec<String> = words.map(str::to_owned).into();
        all.extend([text(&self.data()), "-o".to_owned(), text(to)]);
        all
    }

    fn train(&self, model: &str, to: &Path) -> crate::child::Outcome {
        let all = self.arguments(model, to);
        limpid(&all.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Copies a folder of files.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
