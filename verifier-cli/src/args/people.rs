//! Commands about others: contacts, watching them, safety numbers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Which;

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
