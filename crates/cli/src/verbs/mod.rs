//! One file per verb: its arguments, its call, its page.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod concepts;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod models;
pub(crate) mod narrate;
pub(crate) mod probe;
pub(crate) mod quickstart;
pub(crate) mod ratings;
pub(crate) mod recommend;
pub(crate) mod reproduce;
pub(crate) mod rules;
pub(crate) mod similar;
pub(crate) mod steer;
pub(crate) mod train;
pub(crate) mod verify;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Cli, Verb};
use crate::output::{self, Output};

/// Exit code after Ctrl-C: 128 and the number of the signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// Runs a verb: exit code 0 for success, 1 for failure, 2 for wrong use, 130 after Ctrl-C.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let output = Output::new(&cli.global);
    let threads = set_threads(cli.global.threads, &output);
    match threads.and_then(|()| dispatch(cli.verb, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // An error message that cannot be written changes nothing.
            let _ = writeln!(
                std::io::stderr(),
                "error: {}",
                output::message(&message(&error))
            );
            if error.chain().any(limpid::is_interruption) {
                return ExitCode::from(INTERRUPTED);
            }
            let usage = error.chain().any(limpid::is_usage);
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn set_threads(threads: usize, output: &Output) -> Result<()> {
    let used = limpid::set_threads(threads)?;
    if used < threads {
        output.note(format!(
            "note: {used} threads are used, the most that help on this machine, not {threads}"
        ));
    }
    Ok(())
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
        Verb::Narrate(command) => command.run(output),
        Verb::Ratings(command) => command.run(output),
        Verb::Reproduce(command) => command.run(output),
        Verb::Rules(command) => command.run(output),
        Verb::Similar(command) => command.run(output),
        Verb::Probe(command) => command.run(output),
        Verb::Label(command) => command.run(output),
        Verb::Concepts(command) => command.run(output),
        Verb::Steer(command) => command.run(output),
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

/// Whether a reader of standard output went away (`| head`), which is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
