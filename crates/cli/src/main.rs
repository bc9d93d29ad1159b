//! The binary `limpid`: parses, calls the library, prints.

mod args;
mod output;
mod progress;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    verbs::run(args::parse())
}
