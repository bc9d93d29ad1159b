//! `limpid completions`: for bash, zsh, fish, elvish and PowerShell.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::args::Cli;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Shell to complete in
    shell: Shell,
}

impl Command {
    pub(crate) fn run(self) -> Result<()> {
        let mut text = Vec::new();
        generate(self.shell, &mut Cli::command(), "limpid", &mut text);
        crate::output::print(String::from_utf8_lossy(&text).trim_end())
    }
}
