//! The command line.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, Parser, Subcommand};

/// Find out whether a key is true: look it up, check every proof, compare safety numbers.
#[derive(Debug, Parser)]
#[command(
    name = "keyglass",
    version,
    after_help = "Examples:
  keyglass trust add https://keys.example.org --policy auditors.policy
  keyglass identity new --account 123 && keyglass identity publish
  keyglass lookup @alice
  keyglass safety-number @alice

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
    /// People whose keys are remembered.
    #[command(subcommand)]
    Contact(Contact),
    /// The number that two people compare.
    SafetyNumber(SafetyNumber),
    /// The newest signed head of the directory's log.
    #[command(subcommand)]
    Checkpoint(Checkpoint),
    /// The directory's promises to include your updates.
    #[command(subcommand)]
    Receipt(Receipt),
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

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Make an identity key and a first device for an account.
    New {
        /// The account's stable id on the platform.
        #[arg(long, value_name = "ID")]
        account: String,
        /// How long a recovery must be announced ahead, in seconds: 0 to 2592000 (30 days).
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        recovery_delay: u32,
    },
    /// Show the identity, its devices and what is published.
    Show(Which),
    /// Publish the account, or changes that are not published yet.
    Publish(Publish),
    /// Replace the identity key by a new one, signed by both.
    Rotate(Publish),
}

/// Which own account.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The account's id; needed if there are several on this device.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
}

/// Options of commands that write to the directory.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Return with the receipt; do not wait until the change is in the log.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Add a device, with new keys on this machine or with the public keys of another.
    Add {
        /// What it is for.
        #[arg(long = "use", value_enum, value_delimiter = ',', default_values = ["dm", "call"])]
        uses: Vec<DeviceUse>,
        /// The other device's X25519 key, 64 hex digits.
        #[arg(long, value_name = "HEX", requires = "signing_key")]
        dh_key: Option<String>,
        /// The other device's Ed25519 key, 64 hex digits.
        #[arg(long, value_name = "HEX", requires = "dh_key")]
        signing_key: Option<String>,
        #[command(flatten)]
        publish: Publish,
    },
    /// Remove a device.
    Remove {
        /// Its number, as `identity show` prints it.
        id: u32,
        #[command(flatten)]
        publish: Publish,
    },
}

/// What a device is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DeviceUse {
    /// Direct messages.
    Dm,
    /// Calls.
    Call,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Handle {
    /// Take a handle that nobody holds.
    Claim {
        /// The handle, with or without @.
        handle: String,
        #[command(flatten)]
        publish: Publish,
    },
    /// Give a handle up.
    Release {
        /// The handle, with or without @.
        handle: String,
        #[command(flatten)]
        publish: Publish,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  keyglass lookup @alice
  keyglass lookup account:123 --json
  keyglass lookup +14155550100 --save alice.tlog
  keyglass lookup --batch contacts.txt")]
pub(crate) struct Lookup {
    /// @alice, account:123 or +14155550100.
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    pub(crate) label: Option<String>,
    /// Keep the whole proof in a file that `keyglass verify` reads.
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    pub(crate) save: Option<PathBuf>,
    /// Look up every label of a file, one per line; the gravest answer is the exit code.
    #[arg(long, value_name = "FILE")]
    pub(crate) batch: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyFile {
    /// A file that `keyglass lookup --save` wrote.
    pub(crate) file: PathBuf,
    /// Judge freshness by the newest signed time in the file instead of this device's clock: "was true then".
    #[arg(long)]
    pub(crate) as_of_then: bool,
    /// Judge freshness as of this time, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", conflicts_with = "as_of_then")]
    pub(crate) at: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// @alice, account:123 or +14155550100.
    pub(crate) label: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Contact {
    /// Look somebody up and remember the key under a name.
    Add {
        /// @alice, account:123 or +14155550100.
        label: String,
        /// What you call them; otherwise the label.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the contacts and what is remembered of each.
    List,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  keyglass safety-number @alice
  keyglass safety-number --offline --id +14152222222 --key 0506863b… --id +14153333333 --key 05f781b6…")]
pub(crate) struct SafetyNumber {
    /// A contact's name or label.
    #[arg(required_unless_present = "id", conflicts_with_all = ["id", "key"])]
    pub(crate) contact: Option<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// With --offline: the stable id of a side, given twice.
    #[arg(long, value_name = "ID", requires = "key")]
    pub(crate) id: Vec<String>,
    /// With --offline: the X25519 identity key of the side, hex of 32 bytes or of 33 with type byte 05.
    #[arg(long, value_name = "HEX", requires = "id")]
    pub(crate) key: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    /// Fetch the newest head, verify it and compare it with the remembered one.
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// Check the kept receipts, or one file, against the log.
    Check {
        /// A receipt as the directory gave it (JSON).
        file: Option<PathBuf>,
    },
}
