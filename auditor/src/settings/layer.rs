//! Settings as they are given, one layer over the other.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::SettingsError;

/// Prefix of every setting in the environment.
pub const ENV_PREFIX: &str = "KEYGLASS_";
/// Names the TOML file in the environment.
pub const ENV_CONFIG: &str = "KEYGLASS_CONFIG";

/// One layer of settings, as given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Base URL of the directory.
    #[arg(long, value_name = "URL")]
    pub directory: Option<String>,
    /// Verifier key of its log.
    #[arg(long, value_name = "VKEY")]
    pub log_vkey: Option<String>,
    /// SHA-256 of a configuration document that the log must name.
    #[arg(long, value_name = "HEX")]
    pub config_sha256: Option<String>,
    /// Trusted checkpoint to start behind, instead of epoch 0.
    #[arg(long, value_name = "FILE")]
    pub from_checkpoint: Option<PathBuf>,
    /// Another auditor or witness of this log, '[VKEY] URL', whose heads are compared; repeatable.
    #[arg(long = "peer", value_name = "PEER")]
    pub peers: Option<Vec<String>>,
    /// Directory for keys, state and evidence [default: ./keyglass-auditor-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the HTTP routes [default: 127.0.0.1:8602].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Name in the vkeys [default: keyglass-auditor].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Time between two looks at the newest checkpoint, in ms [default: 150].
    #[arg(long, value_name = "MS")]
    pub poll_interval_ms: Option<u64>,
    /// Age at which a signature on an unchanged head is renewed, in s [default: 60].
    #[arg(long, value_name = "SECONDS")]
    pub refresh_interval_seconds: Option<u64>,
    /// Longest audit proof that akd's verifier sees too, in bytes [default: 16777216].
    #[arg(long, value_name = "BYTES")]
    pub second_opinion_max_bytes: Option<u64>,
    /// Most memory for audit proofs and their verification, per directory, in bytes [default: 1073741824].
    #[arg(long, value_name = "BYTES")]
    pub verify_memory_max_bytes: Option<u64>,
    /// URL that gets a JSON message by POST when evidence is found.
    #[arg(long, value_name = "URL")]
    pub on_evidence_webhook: Option<String>,
    /// Program that is run when evidence is found: message on its stdin, path of the file as its argument.
    #[arg(long, value_name = "PROGRAM")]
    pub on_evidence_command: Option<PathBuf>,
    /// Format of log lines, plain or json [default: plain].
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Filter of log lines, such as warn,keyglass_auditor=debug [default: info, of akd and actix warnings only].
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Directories to follow beside `directory`; in the file only.
    #[arg(skip)]
    #[serde(default)]
    pub directories: Vec<DirectoryLayer>,
}

/// A directory in the settings file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryLayer {
    /// Base URL.
    pub directory: String,
    /// Verifier key of its log.
    pub log_vkey: String,
    /// SHA-256 of a configuration document that the log must name.
    pub config_sha256: Option<String>,
    /// Trusted checkpoint to start behind.
    pub from_checkpoint: Option<PathBuf>,
    /// Other auditors and witnesses of this log: `[VKEY] URL`.
    #[serde(default)]
    pub peers: Vec<String>,
}

impl Layer {
    /// The layer in a TOML file.
    ///
    /// # Errors
    /// [`SettingsError::File`].
    pub fn of_toml(text: &str) -> Result<Self, SettingsError> {
        toml::from_str(text).map_err(|e| SettingsError::File(e.to_string()))
    }

    /// The layer in the environment. Variables without our prefix are no business of ours.
    ///
    /// # Errors
    /// [`SettingsError::UnknownVariable`], [`SettingsError::Value`].
    pub fn of_env(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let mut layer = Self::default();
        for (name, value) in variables {
            // KEYGLASS_HOME is where the command line `keyglass` keeps its state.
            if let Some(setting) = name.strip_prefix(ENV_PREFIX)
                && !matches!(setting, "CONFIG" | "HOME")
            {
                layer.set(setting, value)?;
            }
        }
        Ok(layer)
    }

    fn set(&mut self, setting: &str, value: String) -> Result<(), SettingsError> {
        match setting {
            "DIRECTORY" => self.directory = Some(value),
            "LOG_VKEY" => self.log_vkey = Some(value),
            "CONFIG_SHA256" => self.config_sha256 = Some(value),
            "FROM_CHECKPOINT" => self.from_checkpoint = Some(value.into()),
            "PEERS" => self.peers = Some(value.split(',').map(|peer| peer.trim().to_owned()).collect()),
            "ON_EVIDENCE_WEBHOOK" => self.on_evidence_webhook = Some(value),
            "ON_EVIDENCE_COMMAND" => self.on_evidence_command = Some(value.into()),
            "DATA_DIR" => self.data_dir = Some(value.into()),
            "LISTEN" => self.listen = Some(value),
            "NAME" => self.name = Some(value),
            "POLL_INTERVAL_MS" => self.poll_interval_ms = Some(number("poll_interval_ms", &value)?),
            "REFRESH_INTERVAL_SECONDS" => {
                self.refresh_interval_seconds = Some(number("refresh_interval_seconds", &value)?);
            }
            "SECOND_OPINION_MAX_BYTES" => {
                self.second_opinion_max_bytes = Some(number("second_opinion_max_bytes", &value)?);
            }
            "VERIFY_MEMORY_MAX_BYTES" => {
                self.verify_memory_max_bytes = Some(number("verify_memory_max_bytes", &value)?);
            }
            "LOG_FORMAT" => self.log_format = Some(value),
            "LOG_FILTER" => self.log_filter = Some(value),
            other => return Err(SettingsError::UnknownVariable(format!("{ENV_PREFIX}{other}"))),
        }
        Ok(())
    }

    /// This layer, and below it another for what this one leaves open.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        // Address and key of a directory belong together: they come from the same layer.
        let (directory, log_vkey, config_sha256, from_checkpoint, peers) =
            if self.directory.is_some() && self.log_vkey.is_some() {
                (
                    self.directory,
                    self.log_vkey,
                    self.config_sha256,
                    self.from_checkpoint,
                    self.peers,
                )
            } else {
                (
                    self.directory.or(below.directory),
                    self.log_vkey.or(below.log_vkey),
                    self.config_sha256.or(below.config_sha256),
                    self.from_checkpoint.or(below.from_checkpoint),
                    self.peers.or(below.peers),
                )
            };
        Self {
            directory,
            log_vkey,
            config_sha256,
            from_checkpoint,
            peers,
            on_evidence_webhook: self.on_evidence_webhook.or(below.on_evidence_webhook),
            on_evidence_command: self.on_evidence_command.or(below.on_evidence_command),
            data_dir: self.data_dir.or(below.data_dir),
            listen: self.listen.or(below.listen),
            name: self.name.or(below.name),
            poll_interval_ms: self.poll_interval_ms.or(below.poll_interval_ms),
            refresh_interval_seconds: self.refresh_interval_seconds.or(below.refresh_interval_seconds),
            second_opinion_max_bytes: self.second_opinion_max_bytes.or(below.second_opinion_max_bytes),
            verify_memory_max_bytes: self.verify_memory_max_bytes.or(below.verify_memory_max_bytes),
            log_format: self.log_format.or(below.log_format),
            log_filter: self.log_filter.or(below.log_filter),
            directories: if self.directories.is_empty() {
                below.directories
            } else {
                self.directories
            },
        }
    }

    /// The data directory, also where no other setting is needed.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir
            .clone()
            .unwrap_or_else(|| Path::new("keyglass-auditor-data").to_owned())
    }
}

fn number(name: &'static str, text: &str) -> Result<u64, SettingsError> {
    text.parse()
        .map_err(|_| SettingsError::value(name, text, "a whole number"))
}
