//! Settings: a flag over the environment over the file; what is not known is refused.

mod check;
mod error;
mod layer;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::ConfigHash;

pub use error::SettingsError;
pub use layer::{DirectoryLayer, ENV_CONFIG, ENV_PREFIX, Layer};

use crate::alarm::Hooks;

/// Settings of an auditor.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where keys, state and evidence are kept.
    pub data_dir: PathBuf,
    /// Where the HTTP routes are served.
    pub listen: SocketAddr,
    /// Name in the vkeys; kept from the first start on.
    pub name: Option<String>,
    /// Time between two looks at a directory's newest checkpoint.
    pub poll_interval: Duration,
    /// An unchanged head is signed again when the last signature is this old.
    pub refresh_interval: Duration,
    /// Longest audit proof that akd's verifier sees too, in bytes.
    pub second_opinion_max_bytes: u64,
    /// Most bytes of memory for audit proofs and their verification, for each followed directory.
    pub verify_memory_max_bytes: u64,
    /// `plain` or `json`.
    pub log_format: String,
    /// As in `tracing_subscriber::EnvFilter`.
    pub log_filter: String,
    /// How the owner is told of evidence.
    pub hooks: Hooks,
    /// The directories that are followed.
    pub directories: Vec<DirectorySettings>,
}

/// A followed directory.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectorySettings {
    /// Base URL.
    pub url: String,
    /// The log's key.
    pub log_vkey: VerifierKey,
    /// A configuration document that some leaf must name.
    pub config_sha256: Option<ConfigHash>,
    /// File with a trusted checkpoint to start from.
    pub from_checkpoint: Option<PathBuf>,
    /// Other auditors and witnesses of this log.
    pub peers: Vec<PeerSettings>,
}

/// Another auditor or witness.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerSettings {
    /// Verifies its cosignatures, so that it can be told what it signed last.
    pub key: Option<VerifierKey>,
    /// Prefix of its HTTP interface.
    pub url: String,
}
