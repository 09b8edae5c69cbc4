//! `keyglass-server`: the directory.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Not the system's: docs/design/memory.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
