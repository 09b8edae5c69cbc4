//! One file per command.

mod batch;
mod call;
mod checkpoint;
mod close;
mod contact;
mod device;
mod enrol;
mod evidence;
mod gossip;
mod handle;
mod history;
mod identity;
mod lookup;
mod monitor;
mod receipt;
mod recover;
mod safety_number;
mod shell;
mod transfer;
mod transport;
mod trust;
mod watched;
mod watched_alias;
mod words;

use crate::args::Command;
use crate::context::Context;
use crate::report::Outcome;

/// Runs one command.
pub(crate) fn run(context: &Context, command: &Command) -> Outcome {
    match command {
        Command::Trust(what) => trust::run(context, what),
        Command::Identity(what) => identity::run(context, what),
        Command::Device(what) => device::run(context, what),
        Command::Handle(what) => handle::run(context, what),
        Command::Lookup(what) => lookup::run(context, what),
        Command::Verify(what) => lookup::verify(context, what),
        Command::History(what) => history::run(context, what),
        Command::Monitor(what) => monitor::run(context, what),
        Command::Evidence(what) => evidence::run(context, what),
        Command::Call(what) => call::run(context, what),
        Command::Contact(what) => contact::run(context, what),
        Command::SafetyNumber(what) => safety_number::run(context, what),
        Command::Checkpoint(what) => checkpoint::run(context, what),
        Command::Receipt(what) => receipt::run(context, what),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man => shell::man(),
    }
}
