//! One file per verb: its arguments, its call, its page.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod models;
pub(crate) mod quickstart;
pub(crate) mod recommend;
pub(crate) mod reproduce;
pub(crate) mod rules;
pub(crate) mod similar;
pub(crate) mod train;
pub(crate) mod verify;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Cli, Verb};
use crate::output::Output;

/// Runs a verb: exit code 0 for success, 1 for failure, 2 for wrong use.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let output = Output::new(&cli.global);
    let threads = limpid::set_threads(cli.global.threads).map_err(Into::into);
    match threads.and_then(|()| dispatch(cli.verb, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // An error message that cannot be written changes nothing.
            let _ = writeln!(std::io::stderr(), "error: {}", message(&error));
            let usage = error.chain().any(limpid::is_usage);
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn dispatch(verb: Verb, output: &Output) -> Result<()> {
    match verb {
        Verb::Quickstart(command) => command.run(output),
        Verb::Data(command) => command.run(output),
        Verb::Models(command) => command.run(output),
        Verb::Train(command) => command.run(output),
        Verb::Evaluate(command) => command.run(output),
        Verb::Compare(command) => command.run(output),
        Verb::Recommend(command) => command.run(output),
        Verb::Explain(command) => command.run(output),
        Verb::Reproduce(command) => command.run(output),
        Verb::Rules(command) => command.run(output),
        Verb::Similar(command) => command.run(output),
        Verb::Export(command) => command.run(output),
        Verb::Inspect(command) => command.run(output),
        Verb::Verify(command) => command.run(output),
        Verb::Doctor(command) => command.run(output),
        Verb::Completions(command) => command.run(),
    }
}

/// An error with its causes, each once: our own messages include their causes.
fn message(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (false, true) => text,
            (false, false) => format!("{text}: {cause}"),
        }
    })
}
