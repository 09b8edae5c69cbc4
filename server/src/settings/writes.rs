//! What may be written: limits and successor of the log, handles that nobody can claim.

use std::path::PathBuf;

use keyglass_protocol::label::Handle;
use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::record::{
    Limits, MAX_DEVICES, MAX_OWNER_VERSIONS, MAX_RECORD_BYTES, MAX_RECOVERY_DELAY, MAX_VERSIONS,
};

use super::{Layer, SettingsError, value};

/// Most entries with which an epoch is filled up.
pub(super) const MAX_PADDING: usize = 100_000;

/// What the configuration document says beside the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigurationSettings {
    /// Limits on records.
    pub limits: Limits,
    /// Last epoch in which imported records count.
    pub import_closed_after_epoch: Option<Epoch>,
    /// The log that continues this one: its verifier key.
    pub successor: Option<String>,
    /// The file that states the log that this one continues.
    pub predecessor: Option<PathBuf>,
    /// Names of the changes that are meant.
    pub accepted: Vec<String>,
}

/// Which handles can be claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandleSettings {
    /// Reserved beside the built-in list.
    pub reserved: Vec<Handle>,
    /// Whether a handle that looks like another's may be claimed.
    pub allow_confusable: bool,
}

impl ConfigurationSettings {
    pub(super) fn resolve(given: &Layer) -> Result<Self, SettingsError> {
        Ok(Self {
            limits: limits(given)?,
            import_closed_after_epoch: given.import_closed_after_epoch.map(Epoch::new),
            successor: given.successor.clone(),
            predecessor: given.predecessor.clone(),
            accepted: given.accept_config_change.clone().unwrap_or_default(),
        })
    }
}

impl HandleSettings {
    pub(super) fn resolve(given: &Layer) -> Result<Self, SettingsError> {
        let reserved =
            given.reserved_handle.iter().flatten().map(|name| {
                Handle::parse(name).map_err(|e| value("reserved_handle", format!("{name:?}: {e}")))
            });
        let allow_confusable = match given.confusable_handles.as_deref() {
            None | Some("refuse") => false,
            Some("allow") => true,
            Some(_) => return Err(value("confusable_handles", "must be refuse or allow".to_owned())),
        };
        Ok(Self {
            reserved: reserved.collect::<Result<_, _>>()?,
            allow_confusable,
        })
    }
}

fn limits(given: &Layer) -> Result<Limits, SettingsError> {
    let max = Limits::default();
    let delay = given.limit_recovery_delay.map(|p| p.0);
    if delay.is_some_and(|d| d.subsec_nanos() != 0) {
        return Err(value("limit_recovery_delay", "must be whole seconds".to_owned()));
    }
    let delay = delay.map(|d| u32::try_from(d.as_secs()).unwrap_or(u32::MAX));
    let found = Limits {
        record_bytes: given.limit_record_bytes.unwrap_or(max.record_bytes),
        devices: given.limit_devices.unwrap_or(max.devices),
        owner_versions: given.limit_owner_versions.unwrap_or(max.owner_versions),
        versions: given.limit_versions.unwrap_or(max.versions),
        recovery_delay: delay.unwrap_or(max.recovery_delay),
    };
    within("limit_record_bytes", found.record_bytes, 1, MAX_RECORD_BYTES)?;
    within("limit_devices", found.devices, 1, MAX_DEVICES)?;
    within(
        "limit_owner_versions",
        found.owner_versions,
        1,
        MAX_OWNER_VERSIONS,
    )?;
    within(
        "limit_versions",
        found.versions,
        found.owner_versions,
        MAX_VERSIONS,
    )?;
    within(
        "limit_recovery_delay",
        found.recovery_delay,
        0,
        MAX_RECOVERY_DELAY,
    )?;
    Ok(found)
}

fn within<T: PartialOrd + core::fmt::Display>(
    name: &'static str,
    found: T,
    min: T,
    max: T,
) -> Result<(), SettingsError> {
    if (min..=max).contains(&found) {
        Ok(())
    } else {
        Err(value(name, "is outside what the protocol allows".to_owned()))
    }
}
