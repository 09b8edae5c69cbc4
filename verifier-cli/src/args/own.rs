//! Commands about oneself: account, devices, handles.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
