//! `keyglass`: a person or a script finds out whether a key is true. The exit code is the answer.

mod accuse;
mod advice;
mod args;
mod clock;
mod commands;
mod comparison;
mod configs;
mod contacts;
mod context;
mod desk;
mod exit;
mod http;
mod label;
#[cfg(test)]
mod live_tests;
mod log_reader;
mod migration;
mod moved;
mod output;
mod own;
mod promise;
mod qr;
mod report;
mod resolve;
mod saved;
mod schedule;
mod sealed;
mod secret;
mod session;
mod settings;
mod source;
mod state;
mod submit;
mod together;

use std::process::ExitCode;

use clap::FromArgMatches as _;
use clap::error::ErrorKind;

use crate::args::Cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Style;
use crate::report::{Failure, Outcome};
use crate::settings::Settings;

fn main() -> ExitCode {
    // A bug must neither look like a verdict nor break the promise of one JSON object.
    let code = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        let failure = Failure::internal("panic", "keyglass failed: this is a bug");
        output::print(&Err(failure), fallback_style())
    });
    ExitCode::from(code)
}

fn run() -> u8 {
    let matches = args::command().try_get_matches();
    let cli = match matches.and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(error) => return refuse_command_line(&error),
    };
    let settings = match Settings::new(&cli.globals) {
        Ok(settings) => settings,
        Err(failure) => return output::print(&Err(failure), fallback_style()),
    };
    let style = Style {
        json: settings.json,
        quiet: settings.quiet,
        verbose: settings.verbose,
        color: wants_color(),
    };
    let context = Context { settings, style };
    let outcome: Outcome = commands::run(&context, &cli.command);
    if matches!(&outcome, Ok(report) if report.is_raw()) {
        return output::print_raw(&outcome);
    }
    output::print(&outcome, style)
}

/// `--help` and `--version` are answers; everything else that clap says is a usage error.
fn refuse_command_line(error: &clap::Error) -> u8 {
    let answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if answer || !fallback_style().json {
        let code = if answer { Exit::Verified } else { Exit::Usage };
        return if error.print().is_ok() {
            code.code()
        } else {
            Exit::Internal.code()
        };
    }
    let text = error.render().to_string();
    let first = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    output::print(
        &Err(Failure::usage("usage", first).next("keyglass --help")),
        fallback_style(),
    )
}

/// How to speak before the command line is understood.
fn fallback_style() -> Style {
    Style {
        json: std::env::args_os().any(|a| a == "--json"),
        quiet: false,
        verbose: false,
        color: wants_color(),
    }
}

fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
