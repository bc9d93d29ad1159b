//! The binary `limpid`: parses, calls the library, prints.

mod args;
mod output;
mod progress;
mod verbs;

use std::process::ExitCode;

/// Keeps freed memory for the next training step; the system allocator returns large arrays to the
/// kernel and maps them again, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    verbs::run(args::parse())
}
