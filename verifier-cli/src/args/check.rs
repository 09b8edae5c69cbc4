//! Commands that look something up or check it: answers, histories, heads, evidence, receipts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
