//! The command line.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};

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
    Publish(PublishAccount),
    /// Replace the identity key by a new one, signed by both.
    Rotate(Publish),
    /// Get a lost account back with a new key and the platform's recovery desk.
    ///
    /// The owner runs it without options: it makes a new key and a request for the desk, and after the desk has acted it
    /// finishes. The desk runs it with --grant and the recovery key.
    #[command(after_help = "Examples:
  keyglass identity recover --account 123 --request 123.recovery     # the owner, on a new device
  keyglass identity recover --grant 123.recovery --recovery-key recovery.key     # the platform's desk
  keyglass identity recover --account 123     # the owner again")]
    Recover(Recover),
    /// Close the account: it has no devices and no key to trust any more.
    #[command(after_help = "Examples:
  keyglass identity close --yes")]
    Close {
        /// Yes, close it.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        publish: Publish,
    },
    /// Write the account with its private keys to a file; sealed with --passphrase-file.
    #[command(after_help = "Examples:
  keyglass identity export alice.keyglass --passphrase-file words.txt")]
    Export {
        /// The file to write; it must not exist.
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Read an exported account, with its private keys.
    #[command(after_help = "Examples:
  keyglass identity import alice.keyglass --passphrase-file words.txt")]
    Import {
        /// A file that `keyglass identity export` wrote.
        file: PathBuf,
    },
}

/// Options of `identity publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishAccount {
    /// Stop a recovery that the platform announced: this device still has the key.
    #[arg(long)]
    pub(crate) cancel_recovery: bool,
    #[command(flatten)]
    pub(crate) publish: Publish,
}

/// Options of `identity recover`.
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// The owner: file for the request to the recovery desk; otherwise it is printed.
    #[arg(long, value_name = "FILE", conflicts_with = "grant")]
    pub(crate) request: Option<PathBuf>,
    /// The desk: the owner's request.
    #[arg(long, value_name = "FILE", requires = "recovery_key")]
    pub(crate) grant: Option<PathBuf>,
    /// The desk: the directory's recovery key (the server's recovery.key, or 64 hex digits).
    #[arg(long, value_name = "FILE", requires = "grant")]
    pub(crate) recovery_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) publish: Publish,
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
        /// The line that `keyglass device enrol` printed on the other device, or a file with it.
        #[arg(long, value_name = "LINE|FILE", conflicts_with_all = ["dh_key", "signing_key"])]
        request: Option<String>,
        #[command(flatten)]
        publish: Publish,
    },
    /// Make this machine another device of an account whose identity key lies elsewhere.
    ///
    /// Prints a line for the first device, which adds it with `keyglass device add --request`; then run this again.
    #[command(after_help = "Examples:
  keyglass device enrol --account 123     # here: prints a line
  keyglass device add --request 'keyglass-device …'     # on the first device
  keyglass device enrol --account 123     # here again: enrolled")]
    Enrol {
        /// The account's stable id on the platform.
        #[arg(long, value_name = "ID")]
        account: String,
        /// What it is for.
        #[arg(long = "use", value_enum, value_delimiter = ',', default_values = ["dm", "call"])]
        uses: Vec<DeviceUse>,
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
    /// Hand a handle over: its holder offers it, the new holder accepts.
    #[command(after_help = "Examples:
  keyglass handle transfer @band --to account:456 --offer band.transfer     # the holder
  keyglass handle transfer --accept band.transfer     # the new holder")]
    Transfer {
        /// The handle, with or without @.
        #[arg(
            required_unless_present = "accept",
            conflicts_with = "accept",
            requires = "to"
        )]
        handle: Option<String>,
        /// Who gets it: an account or a name that leads to one.
        #[arg(long, value_name = "LABEL")]
        to: Option<String>,
        /// File for the offer; otherwise it is printed.
        #[arg(long, value_name = "FILE", conflicts_with = "accept")]
        offer: Option<PathBuf>,
        /// Accept an offer.
        #[arg(long, value_name = "FILE")]
        accept: Option<PathBuf>,
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
    /// List the contacts: who was compared, when and how.
    List,
    /// Compare the safety number with what the other person's program or voice says.
    ///
    /// At a terminal without options it asks for what the other person reads aloud.
    #[command(after_help = "Examples:
  keyglass contact verify Alice --scan photo.jpg
  keyglass contact verify Alice --digits '30035 44776 92869 …'
  keyglass contact verify Alice --sentence 'the quiet baker admired the rusty violin …'")]
    Verify(VerifyContact),
    /// Take the newest key unseen: nothing was compared.
    Unverify {
        /// The contact's name or label.
        name: String,
    },
    /// Remove a contact; what was seen stays remembered.
    Remove {
        /// The contact's name or label.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct VerifyContact {
    /// The contact's name, or a label.
    pub(crate) name: String,
    /// A picture (PNG, JPEG) of the other person's QR code.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) scan: Option<PathBuf>,
    /// Their `keyglass safety-number --json`, their digits in a text file, or the bytes of their code.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scan"])]
    pub(crate) file: Option<PathBuf>,
    /// Their sixty digits, in quotes.
    #[arg(long, value_name = "DIGITS", conflicts_with_all = ["scan", "file"])]
    pub(crate) digits: Option<String>,
    /// The four lines of words that they read aloud, in quotes.
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["scan", "file", "digits"])]
    pub(crate) sentence: Option<String>,
    #[command(flatten)]
    pub(crate) which: Which,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  keyglass monitor
  keyglass monitor --quiet     # for cron: prints only what you should know
  keyglass monitor --watch --json     # one object on a line for every round
  keyglass monitor --accept     # the changes of your own account were you")]
pub(crate) struct Monitor {
    /// Look again and again, for ever.
    #[arg(long, conflicts_with = "accept")]
    pub(crate) watch: bool,
    /// With --watch: seconds between two rounds, about.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// The changes of your own account and names were you: do not alarm about them again.
    #[arg(long)]
    pub(crate) accept: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  keyglass safety-number Alice
  keyglass safety-number Alice --qr
  keyglass safety-number Alice --scan photo.jpg
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
    /// Show the code that the other person scans.
    #[arg(long, conflicts_with_all = ["scan", "compare"])]
    pub(crate) qr: bool,
    /// Write the code as a picture: a name that ends with .png or .svg.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scan", "compare"])]
    pub(crate) qr_file: Option<PathBuf>,
    /// Compare with a picture (PNG, JPEG) of the other person's code.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) scan: Option<PathBuf>,
    /// Compare with the other person's sixty digits.
    #[arg(long, value_name = "DIGITS", conflicts_with = "scan")]
    pub(crate) compare: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    /// Fetch the newest head, verify it and compare it with the remembered one.
    Show,
    /// Write the head that you saw last, for a friend to compare.
    Export {
        /// The file to write; otherwise it is printed.
        file: Option<PathBuf>,
    },
    /// Compare a friend's head with what you saw: do you see the same log?
    #[command(after_help = "Examples:
  keyglass checkpoint export mine.head     # you
  keyglass checkpoint compare mine.head     # your friend")]
    Compare {
        /// A file of `keyglass checkpoint export`, or a checkpoint as the log signed it.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Evidence {
    /// Show what a file claims, and what is in it.
    Show {
        /// An evidence file.
        file: PathBuf,
    },
    /// Check every signature and proof in a file against the log's key.
    Verify {
        /// An evidence file.
        file: PathBuf,
        /// The log's key, if the directory is not pinned here.
        #[arg(long, value_name = "VKEY")]
        log_vkey: Option<String>,
    },
}

/// What a call binding is about.
#[derive(Debug, Args)]
pub(crate) struct CallTerms {
    /// Whom the call is with: a contact's name or a label.
    pub(crate) contact: String,
    /// The call: 32 hex digits that the caller chose at random.
    #[arg(long, value_name = "HEX")]
    pub(crate) call_id: String,
    /// Whether the signer called, or was called.
    #[arg(long, value_enum)]
    pub(crate) direction: CallDirection,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Which way a call binding travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CallDirection {
    /// From the caller.
    Offer,
    /// From the one who was called.
    Answer,
}

/// The key of a call, as the media layer knows it.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct CallKeys {
    /// SHA-256 fingerprint of the DTLS certificate, 64 hex digits; colons may stand between.
    #[arg(long, value_name = "HEX")]
    pub(crate) dtls: Option<String>,
    /// X25519 public key, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) x25519: Option<String>,
    /// MLS epoch authenticator, 2 to 128 hex digits.
    #[arg(long, value_name = "HEX")]
    pub(crate) mls: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Call {
    /// Sign this device's key of a call; prints the binding, base64.
    #[command(after_help = "Examples:
  keyglass call sign Bob --call-id 00112233445566778899aabbccddeeff --direction offer --dtls 3b:17:…")]
    Sign {
        #[command(flatten)]
        terms: CallTerms,
        #[command(flatten)]
        keys: CallKeys,
        /// The other's device, if there are several for calls.
        #[arg(long, value_name = "ID")]
        device: Option<u32>,
        /// How long it may be used, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        valid: u64,
        /// Write the binding to a file too.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the other's binding against the newest verified devices of both.
    #[command(after_help = "Examples:
  keyglass call verify Alice binding.b64 --call-id 00112233445566778899aabbccddeeff --direction offer --dtls 3b:17:…")]
    Verify {
        #[command(flatten)]
        terms: CallTerms,
        /// File with the binding, base64.
        file: PathBuf,
        #[command(flatten)]
        keys: CallKeys,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// Check the kept receipts, or one file, against the log.
    #[command(after_help = "Examples:
  keyglass receipt check
  keyglass receipt check receipt.json")]
    Check {
        /// A receipt as the directory gave it (JSON).
        file: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
