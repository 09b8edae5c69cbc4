//! `keyglass-server`: the directory.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
