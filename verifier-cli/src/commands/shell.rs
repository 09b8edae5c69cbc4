//! Completions and the manual page, made from the command line's own description.

use crate::args;
use crate::report::{Failure, Outcome, Report};

/// Completions for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "keyglass", &mut out);
    text(out)
}

/// The manual page, with a section for every command.
pub(super) fn man() -> Outcome {
    let mut out = Vec::new();
    let mut command = args::command();
    command.build();
    render(&command, &mut out)
        .map_err(|e| Failure::internal("man", format!("the manual page cannot be made: {e}")))?;
    text(out)
}

fn render(command: &clap::Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(out)?;
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        render(sub, out)?;
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> Outcome {
    String::from_utf8(bytes)
        .map(Report::raw)
        .map_err(|_| Failure::internal("not-utf8", "the text is not UTF-8"))
}
