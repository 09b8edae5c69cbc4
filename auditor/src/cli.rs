//! Flags and sub-commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use keyglass_auditor::layout::NamedEpoch;
use keyglass_auditor::settings::Layer;

/// Verifies every epoch of a Keyglass directory, and cosigns only what it verified.
#[derive(Debug, Parser)]
#[command(name = "keyglass-auditor", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Settings file (TOML).
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the two cosignature keys, unless they are there, and print their verifier keys.
    Keygen(Keygen),
    /// Follow, check, cosign, until told to stop.
    Run(Box<Layer>),
    /// Check settings and keys, change nothing.
    CheckConfig(Box<Layer>),
    /// Verify one step of the tree, offline.
    AuditFile(AuditFile),
    /// Verify a range of epochs of a directory, or a directory of proofs, once.
    Audit(Audit),
    /// Contradictions that keep the auditor from signing.
    #[command(subcommand)]
    Latch(Latch),
    /// Evidence files.
    #[command(subcommand)]
    Evidence(Evidence),
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Directory for the key.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Name in the vkey, such as auditor.example.org.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditFile {
    /// The audit proof.
    pub(crate) file: PathBuf,
    /// What the proof is about, as <epoch>/<previous root>/<root>; without it and the three below: the end of the
    /// file's path.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["epoch", "previous_root", "root"])]
    pub(crate) name: Option<String>,
    /// Epoch that the step leads into.
    #[arg(long, value_name = "N", requires = "previous_root", requires = "root")]
    pub(crate) epoch: Option<u64>,
    /// akd root before.
    #[arg(long, value_name = "HEX", requires = "epoch")]
    pub(crate) previous_root: Option<String>,
    /// akd root after.
    #[arg(long, value_name = "HEX", requires = "epoch")]
    pub(crate) root: Option<String>,
    #[command(flatten)]
    pub(crate) naming: Naming,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Naming {
    /// Which epoch a name states: the one that the step starts from, or the one that it leads into.
    #[arg(long, value_name = "start|end", default_value = "end")]
    pub(crate) name_epoch: NamedEpoch,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Base URL of the directory.
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "proofs",
        requires = "log_vkey",
        requires = "from",
        requires = "to"
    )]
    pub(crate) directory: Option<String>,
    /// Verifier key of its log.
    #[arg(long, value_name = "VKEY", requires = "directory")]
    pub(crate) log_vkey: Option<String>,
    /// First epoch to verify.
    #[arg(long, value_name = "A", requires = "directory")]
    pub(crate) from: Option<u64>,
    /// Last epoch to verify.
    #[arg(long, value_name = "B", requires = "directory")]
    pub(crate) to: Option<u64>,
    /// Where evidence is written, if there is a reason for any.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) evidence_dir: PathBuf,
    /// Directory of audit proofs, <epoch>/<previous root>/<root>, to verify instead, with the links between them.
    #[arg(long, value_name = "DIR", conflicts_with = "directory")]
    pub(crate) proofs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) naming: Naming,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Longest proof that akd's verifier sees too, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    pub(crate) second_opinion_max_bytes: u64,
    /// One JSON object on stdout.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress on stderr.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Latch {
    /// List them.
    Show(LatchShow),
    /// Clear those of one log, or of all.
    Clear(LatchClear),
}

#[derive(Debug, Args)]
pub(crate) struct LatchShow {
    /// Directory with the auditor's state.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LatchClear {
    /// Directory with the auditor's state.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Why signing may go on. Kept.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The log; without it, all logs.
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Evidence {
    /// Check an evidence file, offline.
    Verify(EvidenceVerify),
}

#[derive(Debug, Args)]
pub(crate) struct EvidenceVerify {
    /// The evidence file.
    pub(crate) file: PathBuf,
    /// Verifier key of the log; without it nothing can be verified.
    #[arg(long, value_name = "VKEY")]
    pub(crate) log_vkey: Option<String>,
    /// One JSON object on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}
