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
            files: manifest.files.len(),
            bytes: manifest.files.values().map(|f| f.bytes).sum(),
        };
        let text = format!(
            "{}: {} files, {} bytes, all checksums match",
            self.model.display(),
            answer.files,
            answer.bytes
        );
        output.answer(&answer, vec![Section::Text(text)])
    }
}
