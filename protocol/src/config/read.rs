//! From JSON to values: every key of its kind, every number within its limits.

use super::json::{DocumentJson, LimitsJson, PredecessorJson, SuccessorJson};
use super::{AKD_CONFIGURATION, ConfigError, ConfigValues, MAX_MERGE_DELAY, Predecessor, Successor};
use crate::codec::base64_decode;
use crate::note::{KeyKind, Origin, VerifierKey};
use crate::quantity::{ConfigHash, Epoch, LogHash, LogSize, RootHash};
use crate::record::{
    Limits, MAX_DEVICES, MAX_OWNER_VERSIONS, MAX_RECORD_BYTES, MAX_RECOVERY_DELAY, MAX_VERSIONS,
    check_ed25519,
};

pub(super) fn values(json: DocumentJson) -> Result<ConfigValues, ConfigError> {
    if json.akd_configuration != AKD_CONFIGURATION {
        return Err(ConfigError::AkdConfiguration);
    }
    if !(1..=MAX_MERGE_DELAY).contains(&json.merge_delay_seconds) {
        return Err(ConfigError::MergeDelay(json.merge_delay_seconds));
    }
    let origin = origin(&json.origin)?;
    let optional = |text: Option<String>, name| text.map(|t| key(&t, name, KeyKind::Ed25519)).transpose();
    let values = ConfigValues {
        log_vkey: log_key(&json.log_vkey, &origin, "log_vkey")?,
        origin,
        vrf_public_key: vrf_key(&json.vrf_public_key, "vrf_public_key")?,
        heartbeat_vkey: key(&json.heartbeat_vkey, "heartbeat_vkey", KeyKind::CosignatureV1)?,
        receipt_vkey: key(&json.receipt_vkey, "receipt_vkey", KeyKind::Ed25519)?,
        import_vkey: optional(json.import_vkey, "import_vkey")?,
        import_closed_after_epoch: json.import_closed_after_epoch.map(Epoch::new),
        recovery_vkey: optional(json.recovery_vkey, "recovery_vkey")?,
        merge_delay_seconds: json.merge_delay_seconds,
        limits: limits(&json.limits)?,
        previous_config_sha256: json
            .previous_config_sha256
            .map(|t| bytes32(&t, "previous_config_sha256").map(ConfigHash::new))
            .transpose()?,
        predecessor: json.predecessor.map(predecessor).transpose()?,
        successor: json.successor.map(successor).transpose()?,
    };
    check_one_key_per_role(&values)?;
    Ok(values)
}

fn origin(text: &str) -> Result<Origin, ConfigError> {
    text.parse().map_err(|_| ConfigError::Origin)
}

fn key(text: &str, name: &'static str, kind: KeyKind) -> Result<VerifierKey, ConfigError> {
    let key: VerifierKey = text.parse().map_err(|_| ConfigError::VerifierKey(name))?;
    if key.kind() == kind {
        Ok(key)
    } else {
        Err(ConfigError::KeyKind(name))
    }
}

/// A log key has the name of its origin.
fn log_key(text: &str, origin: &Origin, name: &'static str) -> Result<VerifierKey, ConfigError> {
    let key = key(text, name, KeyKind::Ed25519)?;
    if key.name() == origin.as_str() {
        Ok(key)
    } else {
        Err(ConfigError::LogKeyName(name))
    }
}

fn bytes32(text: &str, name: &'static str) -> Result<[u8; 32], ConfigError> {
    base64_decode(text)
        .ok()
        .and_then(|b| b.try_into().ok())
        .ok_or(ConfigError::Bytes32(name))
}

fn vrf_key(text: &str, name: &'static str) -> Result<[u8; 32], ConfigError> {
    let bytes = bytes32(text, name)?;
    check_ed25519(&bytes).map_err(ConfigError::VrfKey)?;
    Ok(bytes)
}

/// A key in two roles could be made to sign for one what it means for the other.
fn check_one_key_per_role(v: &ConfigValues) -> Result<(), ConfigError> {
    let keys = [
        ("log_vkey", Some(&v.log_vkey)),
        ("heartbeat_vkey", Some(&v.heartbeat_vkey)),
        ("receipt_vkey", Some(&v.receipt_vkey)),
        ("import_vkey", v.import_vkey.as_ref()),
        ("recovery_vkey", v.recovery_vkey.as_ref()),
    ];
    let mut seen: Vec<&[u8]> = vec![&v.vrf_public_key];
    for (name, key) in keys {
        let Some(key) = key else { continue };
        if seen.contains(&key.public_key()) {
            return Err(ConfigError::KeyTwice(name));
        }
        seen.push(key.public_key());
    }
    Ok(())
}

fn limits(json: &LimitsJson) -> Result<Limits, ConfigError> {
    Ok(Limits {
        record_bytes: limit(json.record_bytes, 1, MAX_RECORD_BYTES, "record_bytes")?,
        devices: limit(json.devices, 1, MAX_DEVICES, "devices")?,
        owner_versions: limit(json.owner_versions, 1, MAX_OWNER_VERSIONS, "owner_versions")?,
        versions: limit(json.versions, json.owner_versions, MAX_VERSIONS, "versions")?,
        recovery_delay: limit(
            json.recovery_delay_seconds,
            0,
            MAX_RECOVERY_DELAY,
            "recovery_delay_seconds",
        )?,
    })
}

fn limit<T: TryFrom<u64> + PartialOrd>(
    found: u64,
    min: u64,
    max: T,
    name: &'static str,
) -> Result<T, ConfigError> {
    let value = T::try_from(found).map_err(|_| ConfigError::Limit(name))?;
    if found >= min && value <= max {
        Ok(value)
    } else {
        Err(ConfigError::Limit(name))
    }
}

pub(super) fn predecessor(json: PredecessorJson) -> Result<Predecessor, ConfigError> {
    if json.size == 0 {
        return Err(ConfigError::PredecessorEmpty);
    }
    let origin = origin(&json.origin)?;
    Ok(Predecessor {
        log_vkey: log_key(&json.log_vkey, &origin, "predecessor.log_vkey")?,
        origin,
        vrf_public_key: vrf_key(&json.vrf_public_key, "predecessor.vrf_public_key")?,
        size: LogSize::new(json.size),
        log_root: LogHash::new(bytes32(&json.log_root, "predecessor.log_root")?),
        akd_root: RootHash::new(bytes32(&json.akd_root, "predecessor.akd_root")?),
    })
}

fn successor(json: SuccessorJson) -> Result<Successor, ConfigError> {
    let origin = origin(&json.origin)?;
    Ok(Successor {
        log_vkey: log_key(&json.log_vkey, &origin, "successor.log_vkey")?,
        origin,
    })
}
