//! The JSON of a configuration document: every field stands exactly once, none is unknown.

use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentJson {
    pub(super) origin: String,
    pub(super) akd_configuration: String,
    pub(super) vrf_public_key: String,
    pub(super) log_vkey: String,
    pub(super) heartbeat_vkey: String,
    pub(super) receipt_vkey: String,
    #[serde(deserialize_with = "present")]
    pub(super) import_vkey: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) import_closed_after_epoch: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(super) recovery_vkey: Option<String>,
    pub(super) merge_delay_seconds: u64,
    pub(super) limits: LimitsJson,
    #[serde(deserialize_with = "present")]
    pub(super) previous_config_sha256: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) predecessor: Option<PredecessorJson>,
    #[serde(deserialize_with = "present")]
    pub(super) successor: Option<SuccessorJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsJson {
    pub(super) record_bytes: u64,
    pub(super) devices: u64,
    pub(super) owner_versions: u64,
    pub(super) versions: u64,
    pub(super) recovery_delay_seconds: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PredecessorJson {
    pub(super) origin: String,
    pub(super) log_vkey: String,
    pub(super) vrf_public_key: String,
    pub(super) size: u64,
    pub(super) log_root: String,
    pub(super) akd_root: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuccessorJson {
    pub(super) origin: String,
    pub(super) log_vkey: String,
}

/// Demands that an optional field stands there, be it as null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(d)
}

pub(super) fn read(bytes: &[u8]) -> Result<DocumentJson, ConfigError> {
    serde_json::from_slice(bytes).map_err(|e| classify(&e.to_string()))
}

pub(super) fn read_predecessor(bytes: &[u8]) -> Result<PredecessorJson, ConfigError> {
    serde_json::from_slice(bytes).map_err(|e| classify(&e.to_string()))
}

/// serde has no typed error for these cases; the wording is pinned by tests.
fn classify(message: &str) -> ConfigError {
    let field = message.split('`').nth(1).unwrap_or_default().to_owned();
    if message.starts_with("unknown field") {
        ConfigError::UnknownField(field)
    } else if message.starts_with("duplicate field") {
        ConfigError::DuplicateField(field)
    } else if message.starts_with("missing field") {
        ConfigError::MissingField(field)
    } else {
        ConfigError::Malformed(message.to_owned())
    }
}
