//! Settings: a flag over the environment over the file; what is not known is refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyglass_protocol::note::{KeyKind, VerifierKey};
use keyglass_protocol::quantity::ConfigHash;
use serde::Deserialize;
use thiserror::Error;

use crate::alarm::Hooks;
use crate::steps::{DEFAULT_MEMORY, Limits};

/// Prefix of every setting in the environment.
pub const ENV_PREFIX: &str = "KEYGLASS_";
/// Names the TOML file in the environment.
pub const ENV_CONFIG: &str = "KEYGLASS_CONFIG";

/// akd tells about every tree that it builds, which is one per epoch.
const DEFAULT_FILTER: &str = "info,akd=warn,actix_server=warn";

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

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// An environment variable of ours that means nothing.
    #[error("unknown setting {0} in the environment")]
    UnknownVariable(String),
    /// The file is not TOML, or has an unknown setting in it.
    #[error("settings file: {0}")]
    File(String),
    /// A value does not parse.
    #[error("{name}: {value:?} is not {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// No directory to follow.
    #[error("no directory: give --directory and --log-vkey, or [[directories]] in the settings file")]
    NoDirectory,
    /// A directory without its log's key.
    #[error("--directory and --log-vkey belong together")]
    NoLogKey,
    /// One log twice.
    #[error("the log {0} is named twice")]
    OriginTwice(String),
}

impl SettingsError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownVariable(_) => "unknown-variable",
            Self::File(_) => "settings-file",
            Self::Value { .. } => "bad-value",
            Self::NoDirectory => "no-directory",
            Self::NoLogKey => "no-log-key",
            Self::OriginTwice(_) => "origin-twice",
        }
    }
}

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

    /// The settings, with defaults for what no layer says.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let directories = self.all_directories()?;
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:8602");
        let format = self.log_format.clone().unwrap_or_else(|| "plain".to_owned());
        if !matches!(format.as_str(), "plain" | "json") {
            return Err(value("log_format", &format, "plain or json"));
        }
        let poll = self.poll_interval_ms.unwrap_or(150);
        if !(1..=3_600_000).contains(&poll) {
            return Err(value("poll_interval_ms", &poll.to_string(), "1 to 3600000"));
        }
        if let Some(url) = &self.on_evidence_webhook {
            http_url("on_evidence_webhook", url)?;
        }
        let second_opinion_max_bytes = self.second_opinion_max_bytes.unwrap_or(16 << 20);
        let memory = self.verify_memory_max_bytes.unwrap_or(DEFAULT_MEMORY);
        if memory < Limits::least_memory(second_opinion_max_bytes) {
            return Err(value(
                "verify_memory_max_bytes",
                &memory.to_string(),
                "enough for the longest proof: 260 MiB, or 4 MiB and 16 times second_opinion_max_bytes if that is more",
            ));
        }
        Ok(Settings {
            hooks: Hooks {
                webhook: self.on_evidence_webhook.clone(),
                command: self.on_evidence_command.clone(),
            },
            data_dir: self.data_dir(),
            listen: listen
                .parse()
                .map_err(|_| value("listen", listen, "an address and port"))?,
            name: self.name,
            poll_interval: Duration::from_millis(poll),
            refresh_interval: Duration::from_secs(self.refresh_interval_seconds.unwrap_or(60)),
            second_opinion_max_bytes,
            verify_memory_max_bytes: memory,
            log_format: format,
            log_filter: self.log_filter.unwrap_or_else(|| DEFAULT_FILTER.to_owned()),
            directories,
        })
    }

    fn all_directories(&self) -> Result<Vec<DirectorySettings>, SettingsError> {
        let single = match (&self.directory, &self.log_vkey) {
            (Some(directory), Some(log_vkey)) => Some(DirectoryLayer {
                directory: directory.clone(),
                log_vkey: log_vkey.clone(),
                config_sha256: self.config_sha256.clone(),
                from_checkpoint: self.from_checkpoint.clone(),
                peers: self.peers.clone().unwrap_or_default(),
            }),
            (None, None) => None,
            _ => return Err(SettingsError::NoLogKey),
        };
        let mut all: Vec<DirectorySettings> = Vec::new();
        for layer in single.iter().chain(&self.directories) {
            let new = layer.settings()?;
            if all
                .iter()
                .any(|known| known.log_vkey.name() == new.log_vkey.name())
            {
                return Err(SettingsError::OriginTwice(new.log_vkey.name().to_owned()));
            }
            all.push(new);
        }
        if all.is_empty() {
            Err(SettingsError::NoDirectory)
        } else {
            Ok(all)
        }
    }
}

impl DirectoryLayer {
    fn settings(&self) -> Result<DirectorySettings, SettingsError> {
        let url = &self.directory;
        http_url("directory", url)?;
        let bad_key = || value("log_vkey", &self.log_vkey, "an Ed25519 verifier key of a log");
        let log_vkey: VerifierKey = self.log_vkey.parse().map_err(|_| bad_key())?;
        if log_vkey.kind() != KeyKind::Ed25519 {
            return Err(bad_key());
        }
        let hash = self.config_sha256.as_deref();
        let config_sha256 = hash.map(str::parse).transpose();
        Ok(DirectorySettings {
            url: url.clone(),
            log_vkey,
            config_sha256: config_sha256.map_err(|_| {
                value(
                    "config_sha256",
                    hash.unwrap_or_default(),
                    "64 lower-case hex digits",
                )
            })?,
            from_checkpoint: self.from_checkpoint.clone(),
            peers: self
                .peers
                .iter()
                .map(|text| peer(text))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// `[VKEY] URL`.
fn peer(text: &str) -> Result<PeerSettings, SettingsError> {
    let (key, url) = match text.trim().split_once(' ') {
        Some((key, url)) => (Some(key), url.trim()),
        None => (None, text.trim()),
    };
    http_url("peer", url)?;
    let key = key.map(|key| {
        let parsed: Option<VerifierKey> = key.parse().ok();
        parsed
            .filter(|key| key.kind().cosigns())
            .ok_or_else(|| value("peer", key, "a verifier key for cosignatures"))
    });
    Ok(PeerSettings {
        key: key.transpose()?,
        url: url.to_owned(),
    })
}

fn http_url(name: &'static str, url: &str) -> Result<(), SettingsError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(())
    } else {
        Err(value(name, url, "an http or https URL"))
    }
}

fn number(name: &'static str, text: &str) -> Result<u64, SettingsError> {
    text.parse().map_err(|_| value(name, text, "a whole number"))
}

fn value(name: &'static str, value: &str, expected: &'static str) -> SettingsError {
    SettingsError::Value {
        name,
        value: value.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn log_vkey(name: &str) -> String {
        let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]).verifying_key();
        VerifierKey::new_ed25519(name, key.as_bytes())
            .unwrap()
            .to_string()
    }

    fn file() -> Layer {
        let vkey = log_vkey("a.example");
        Layer::of_toml(&format!(
            "directory = \"http://file\"\nlog_vkey = \"{vkey}\"\nname = \"file\"\n"
        ))
        .unwrap()
    }

    fn env(variables: &[(&str, &str)]) -> Result<Layer, SettingsError> {
        Layer::of_env(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn a_flag_is_over_the_environment_is_over_the_file() {
        let layer = env(&[
            ("KEYGLASS_NAME", "env"),
            ("KEYGLASS_LISTEN", "127.0.0.1:1"),
            ("PATH", "/x"),
        ])
        .unwrap();
        let flags = Layer {
            listen: Some("127.0.0.1:2".to_owned()),
            ..Layer::default()
        };
        let settings = flags.over(layer).over(file()).settings().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
        assert_eq!(settings.name.as_deref(), Some("env"));
        assert_eq!(settings.directories[0].url, "http://file");
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let settings = file().settings().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8602");
        assert!(settings.poll_interval <= Duration::from_millis(200));
        assert_eq!(settings.refresh_interval, Duration::from_secs(60));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(
            env(&[("KEYGLASS_LISTNE", "x")]).unwrap_err().reason(),
            "unknown-variable"
        );
        assert!(env(&[("KEYGLASS_HOME", "x"), ("KEYGLASS_CONFIG", "y")]).is_ok());
        for text in ["listne = 1", "listen = 1", "[[directories]]\nurl = \"x\""] {
            assert_eq!(
                Layer::of_toml(text).unwrap_err().reason(),
                "settings-file",
                "{text}"
            );
        }
    }

    #[test]
    fn values_are_checked() {
        let change = |change: fn(&mut Layer)| {
            let mut layer = file();
            change(&mut layer);
            layer.settings().unwrap_err().reason()
        };
        assert_eq!(change(|l| l.listen = Some("x".to_owned())), "bad-value");
        assert_eq!(change(|l| l.config_sha256 = Some("AB".repeat(32))), "bad-value");
        assert_eq!(change(|l| l.directory = Some("ftp://x".to_owned())), "bad-value");
        assert_eq!(change(|l| l.log_format = Some("xml".to_owned())), "bad-value");
        assert_eq!(change(|l| l.poll_interval_ms = Some(0)), "bad-value");
        assert_eq!(
            change(|l| l.verify_memory_max_bytes = Some(100 << 20)),
            "bad-value"
        );
        assert_eq!(
            change(|l| l.second_opinion_max_bytes = Some(u64::MAX)),
            "bad-value"
        );
        for peer in ["x.example", "nonsense http://x.example", ""] {
            let mut layer = file();
            layer.peers = Some(vec![peer.to_owned()]);
            assert_eq!(layer.settings().unwrap_err().reason(), "bad-value", "{peer}");
        }
        // A log's key does not cosign.
        let mut layer = file();
        layer.peers = Some(vec![format!("{} http://x.example", log_vkey("x"))]);
        assert_eq!(layer.settings().unwrap_err().reason(), "bad-value");
        assert_eq!(
            change(|l| l.on_evidence_webhook = Some("file:///x".to_owned())),
            "bad-value"
        );
        assert_eq!(change(|l| l.log_vkey = None), "no-log-key");
        assert_eq!(Layer::default().settings().unwrap_err().reason(), "no-directory");
        assert_eq!(
            env(&[("KEYGLASS_POLL_INTERVAL_MS", "x")]).unwrap_err().reason(),
            "bad-value"
        );
    }

    #[test]
    fn several_directories_stand_in_the_file() {
        let (a, b) = (log_vkey("a.example"), log_vkey("b.example"));
        let table =
            |vkey: &str| format!("[[directories]]\ndirectory = \"http://x\"\nlog_vkey = \"{vkey}\"\n");
        let two = Layer::of_toml(&(table(&a) + &table(&b)))
            .unwrap()
            .settings()
            .unwrap();
        assert_eq!(two.directories.len(), 2);
        let twice = Layer::of_toml(&(table(&a) + &table(&a))).unwrap();
        assert_eq!(twice.settings().unwrap_err().reason(), "origin-twice");
    }
}
