//! `limpid verify`: the checksums of a saved model.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::answers::Verified;

use crate::args::OutArgs;
use crate::output::{Output, Section};

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    model: PathBuf,
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let manifest = limpid::artifact::verify(&self.model)?;
        // Checksums show that nothing changed; opening shows that the model can be used.
        Advisor::open(&self.model)?;
        let answer = Verified {
            schema: "limpid.verify/1",
            ok: true,
            format: manifest.format,
            manifest_checked: !manifest.checksum.is_empty(),
            files: manifest.files.len(),
            bytes: manifest.files.values().map(|f| f.bytes).sum(),
        };
        let mut text = vec![format!(
            "{} is intact: {} files, {} bytes, all checksums match, all values are finite",
            self.model.display(),
            answer.files,
            answer.bytes
        )];
        if !answer.manifest_checked {
            text.push(format!(
                "the manifest has format {} and no checksum of its own: changes of settings, metrics or \
                 seeds in it are not found; models that are trained now have one",
                answer.format
            ));
        }
        output.answer(&answer, vec![Section::Lines(text)])
    }
}
