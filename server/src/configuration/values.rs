//! The values that keys and settings make, and which changes of them are accepted.

use std::path::Path;

use keyglass_protocol::config::{
    ConfigChange, ConfigDocument, ConfigError, ConfigValues, Predecessor, Successor,
};
use keyglass_protocol::note::Origin;

use super::ConfigurationError;
use crate::keys::Keys;
use crate::settings::Settings;

/// Longest file of a predecessor's statement. 64 KiB.
const MAX_FILE: u64 = 64 * 1024;

/// The values of a log's first document.
pub(super) fn first(keys: &Keys, settings: &Settings) -> Result<ConfigValues, ConfigurationError> {
    if settings.configuration.successor.is_some() {
        // A log that has nothing in it has nothing to hand over.
        return Err(ConfigurationError::Successor);
    }
    let given = settings.configuration.predecessor.as_deref();
    let predecessor = given.map(read_predecessor).transpose()?;
    Ok(ConfigValues {
        predecessor,
        ..values(keys, settings)
    })
}

/// The values of the document after `current`. What was settled once and is not given again stays.
pub(super) fn next(
    keys: &Keys,
    settings: &Settings,
    current: &ConfigDocument,
) -> Result<ConfigValues, ConfigurationError> {
    let given = &settings.configuration;
    let predecessor = given.predecessor.as_deref().map(read_predecessor).transpose()?;
    let successor = given.successor.as_deref().map(read_successor).transpose()?;
    Ok(ConfigValues {
        previous_config_sha256: Some(current.hash()),
        predecessor: predecessor.or_else(|| current.predecessor.clone()),
        successor: successor.or_else(|| current.successor.clone()),
        ..values(keys, settings)
    })
}

/// What `next` changes; nothing if only the link differs.
pub(super) fn differences(
    current: &ConfigDocument,
    next: &ConfigDocument,
) -> Result<Vec<ConfigChange>, ConfigError> {
    let mut same = next.values().clone();
    same.previous_config_sha256 = current.previous_config_sha256;
    if same == *current.values() {
        return Ok(Vec::new());
    }
    current.check_successor(next)
}

/// Demands that whoever runs the server meant every change that alarms.
pub(super) fn accepted(changes: &[ConfigChange], settings: &Settings) -> Result<(), ConfigurationError> {
    let accepted = &settings.configuration.accepted;
    if let Some(unknown) = accepted
        .iter()
        .find(|a| !ConfigChange::ALL.iter().any(|c| c.as_str() == a.as_str()))
    {
        return Err(ConfigurationError::UnknownChange(unknown.clone()));
    }
    let refused: Vec<_> = changes
        .iter()
        .filter(|c| c.is_key_change())
        .map(|c| c.as_str())
        .filter(|name| !accepted.iter().any(|a| a == name))
        .collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(ConfigurationError::NotAccepted(refused.join(",")))
    }
}

fn values(keys: &Keys, settings: &Settings) -> ConfigValues {
    ConfigValues {
        origin: Origin::clone(keys.log.verifier().origin()),
        vrf_public_key: keys.vrf.public_key(),
        log_vkey: keys.log.verifier().clone(),
        heartbeat_vkey: keys.heartbeat.verifier().clone(),
        receipt_vkey: keys.receipt.verifier().clone(),
        import_vkey: keys.import.clone(),
        import_closed_after_epoch: settings.configuration.import_closed_after_epoch,
        recovery_vkey: keys.recovery.clone(),
        merge_delay_seconds: settings.merge_delay.as_secs(),
        limits: settings.configuration.limits,
        previous_config_sha256: None,
        predecessor: None,
        successor: None,
    }
}

fn read_successor(vkey: &str) -> Result<Successor, ConfigurationError> {
    let log_vkey: keyglass_protocol::note::VerifierKey =
        vkey.parse().map_err(|_| ConfigurationError::Successor)?;
    Ok(Successor {
        origin: log_vkey.origin().clone(),
        log_vkey,
    })
}

fn read_predecessor(path: &Path) -> Result<Predecessor, ConfigurationError> {
    let bad = |why: String| ConfigurationError::Predecessor {
        path: path.to_owned(),
        why,
    };
    let length = std::fs::metadata(path).map_err(|e| bad(e.to_string()))?.len();
    if length > MAX_FILE {
        return Err(bad("longer than 64 KiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    Predecessor::from_json(&bytes).map_err(|e| bad(e.to_string()))
}
