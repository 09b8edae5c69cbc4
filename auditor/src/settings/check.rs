//! From what is given to settings that can be used.

use std::time::Duration;

use keyglass_protocol::note::{KeyKind, VerifierKey};

use super::{DirectoryLayer, DirectorySettings, Layer, PeerSettings, Settings, SettingsError};
use crate::alarm::Hooks;
use crate::steps::{DEFAULT_MEMORY, Limits};

/// akd tells about every tree that it builds, which is one per epoch.
const DEFAULT_FILTER: &str = "info,akd=warn,actix_server=warn";

impl Layer {
    /// The settings, with defaults for what no layer says.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let directories = self.all_directories()?;
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:8602");
        let format = self.log_format.clone().unwrap_or_else(|| "plain".to_owned());
        if !matches!(format.as_str(), "plain" | "json") {
            return Err(SettingsError::value("log_format", &format, "plain or json"));
        }
        let poll = self.poll_interval_ms.unwrap_or(150);
        if !(1..=3_600_000).contains(&poll) {
            return Err(SettingsError::value(
                "poll_interval_ms",
                &poll.to_string(),
                "1 to 3600000",
            ));
        }
        if let Some(url) = &self.on_evidence_webhook {
            http_url("on_evidence_webhook", url)?;
        }
        let second_opinion_max_bytes = self.second_opinion_max_bytes.unwrap_or(16 << 20);
        let memory = self.verify_memory_max_bytes.unwrap_or(DEFAULT_MEMORY);
        if memory < Limits::least_memory(second_opinion_max_bytes) {
            return Err(SettingsError::value(
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
                .map_err(|_| SettingsError::value("listen", listen, "an address and port"))?,
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
        let bad_key = || SettingsError::value("log_vkey", &self.log_vkey, "an Ed25519 verifier key of a log");
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
                SettingsError::value(
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
            .ok_or_else(|| SettingsError::value("peer", key, "a verifier key for cosignatures"))
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
        Err(SettingsError::value(name, url, "an http or https URL"))
    }
}
