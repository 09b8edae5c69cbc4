//! The command line.

mod call;
mod check;
mod own;
mod people;

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};

pub(crate) use call::*;
pub(crate) use check::*;
pub(crate) use own::*;
pub(crate) use people::*;

/// Find out whether a key is true: look it up, check every proof, compare safety numbers.
#[derive(Debug, Parser)]
#[command(
    name = "keyglass",
    version,
    after_help = "Examples, in the order of a first day:
  keyglass trust add https://keys.example.org --policy auditors.policy
  keyglass identity new --account 123
  keyglass identity publish
  keyglass lookup @alice
  keyglass contact add @alice --name Alice
  keyglass contact verify Alice --digits '30035 44776 92869 …'
  keyglass monitor

Exit codes:
  0 every check passed    1 invalid               2 usage
  3 no key to trust       4 policy not met        5 alarm
  65 malformed input      69 network              70 internal"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line, with the examples of every command first in its help.
pub(crate) fn command() -> clap::Command {
    examples_first(Cli::command())
}

fn examples_first(command: clap::Command) -> clap::Command {
    let command = command.mut_subcommands(examples_first);
    if command.get_after_help().is_none() {
        return command;
    }
    command.help_template("{about}{after-help}\n\n{usage-heading} {usage}\n\n{all-args}")
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Globals {
    /// Another address of a pinned directory; the pins stay.
    #[arg(long, global = true, value_name = "URL", env = "KEYGLASS_DIRECTORY")]
    pub(crate) directory: Option<String>,
    /// File with the bearer token of your session.
    #[arg(long, global = true, value_name = "FILE", env = "KEYGLASS_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the passphrase that seals private keys and exports.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "KEYGLASS_PASSPHRASE_FILE",
        hide_short_help = true
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Accept a directory that no auditor watches.
    #[arg(long, global = true, action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), env = "KEYGLASS_ALLOW_UNAUDITED")]
    pub(crate) allow_unaudited: bool,
    /// Never open a network connection.
    #[arg(long, global = true, action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), env = "KEYGLASS_OFFLINE")]
    pub(crate) offline: bool,
    /// Print exactly one JSON object.
    #[arg(long, global = true, action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(), env = "KEYGLASS_JSON")]
    pub(crate) json: bool,
    /// No remarks on stderr.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more of what was checked.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Settings file (TOML).
    #[arg(long, global = true, value_name = "FILE", env = "KEYGLASS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Oldest cosignature that counts, in seconds [default: 3600].
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "KEYGLASS_MAX_COSIGNATURE_AGE",
        hide_short_help = true
    )]
    pub(crate) max_cosignature_age: Option<u64>,
    /// Oldest heartbeat of the operator, in seconds [default: 300].
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "KEYGLASS_MAX_HEARTBEAT_AGE",
        hide_short_help = true
    )]
    pub(crate) max_heartbeat_age: Option<u64>,
    /// How far ahead of this clock signed times may be, in seconds [default: 60].
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "KEYGLASS_MAX_CLOCK_SKEW",
        hide_short_help = true
    )]
    pub(crate) max_clock_skew: Option<u64>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pin a directory: its log key, configuration and policy.
    #[command(subcommand)]
    Trust(Trust),
    /// Your own account and its identity key.
    #[command(subcommand)]
    Identity(Identity),
    /// The devices of your account.
    #[command(subcommand)]
    Device(Device),
    /// Handles that point to your account.
    #[command(subcommand)]
    Handle(Handle),
    /// Fetch a key and verify everything there is to verify.
    Lookup(Lookup),
    /// Verify a saved lookup, without network.
    Verify(VerifyFile),
    /// Show every version that a label ever had, verified.
    History(History),
    /// Watch your account, your names and your contacts for changes.
    Monitor(Monitor),
    /// People whose keys are remembered, compared and watched.
    #[command(subcommand)]
    Contact(Contact),
    /// The number that two people compare.
    SafetyNumber(SafetyNumber),
    /// The signed heads of the directory's log, and whether your friends see the same.
    #[command(subcommand)]
    Checkpoint(Checkpoint),
    /// The directory's promises to include your updates.
    #[command(subcommand)]
    Receipt(Receipt),
    /// Files that prove a lie of the directory to anybody.
    #[command(subcommand)]
    Evidence(Evidence),
    /// Vouch for the key of a call, and check the other's.
    #[command(subcommand)]
    Call(Call),
    /// Completions for your shell, on stdout.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page, on stdout.
    Man,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Pin a directory.
    ///
    /// Without the key and the hash they are taken from the directory itself: compare what is printed.
    #[command(after_help = "Examples:
  keyglass trust add http://127.0.0.1:8600
  keyglass trust add https://keys.example.org --log-vkey 'keys.example.org+1f…' --config-sha256 9c… --policy auditors.policy")]
    Add {
        /// Address of the directory.
        url: String,
        /// The log's verifier key, from somebody whom you trust.
        #[arg(long, value_name = "VKEY")]
        log_vkey: Option<String>,
        /// SHA-256 of the configuration document, 64 hex digits.
        #[arg(long, value_name = "HEX")]
        config_sha256: Option<String>,
        /// C2SP tlog-policy file: whose cosignatures you demand.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Show the pins, to compare them.
    Show,
    /// Follow the configuration to the newest one, accept its keys; or replace the policy.
    Update {
        /// New tlog-policy file.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
