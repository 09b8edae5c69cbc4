//! Own accounts: keys on this device, and what the directory says about them.

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::message::B64;
use keyglass_protocol::record::{
    AccountRecord, AliasRecord, Device, DeviceDhKey, DeviceSigningKey, DeviceUses,
};

use sha2::{Digest as _, Sha256};

use crate::exit::Exit;
use crate::report::Failure;
use crate::state::{Directory, Home, KeyFile, OwnAccount, OwnDevice, Purpose};

/// The own account with this id, or the only one.
pub(crate) fn choose<'d>(
    directory: &'d Directory,
    id: Option<&str>,
) -> Result<(String, &'d OwnAccount), Failure> {
    let mut accounts = directory.accounts.iter();
    let found = match id {
        Some(id) => directory
            .accounts
            .get_key_value(id.strip_prefix("account:").unwrap_or(id)),
        None => match (accounts.next(), accounts.next()) {
            (Some(_), Some(_)) => {
                return Err(
                    Failure::usage("account-ambiguous", "there are several accounts on this device")
                        .next("name one with --account ID; keyglass identity show lists them"),
                );
            }
            (one, _) => one,
        },
    };
    let (id, account) = found.ok_or_else(|| {
        Failure::missing("no-identity", "there is no such identity on this device")
            .next("keyglass identity new --account ID")
    })?;
    Ok((id.clone(), account))
}

/// The account's label.
pub(crate) fn label(id: &str) -> Result<Label, Failure> {
    AccountId::parse(id)
        .map(Label::Account)
        .map_err(|e| Failure::malformed(e.reason(), e.to_string()))
}

/// The directory shows another identity key for an own account than this device holds.
pub(crate) fn key_changed(record: &AccountRecord) -> Failure {
    Failure::new(
        Exit::Alarm,
        "own-key-changed",
        format!("the directory shows an identity key for {} that is not yours", record.label()),
    )
    .checked("the newest version of your account, in the log and authorised, against the key on this device")
    .meaning("you replaced it on another device, the platform recovered the account, or somebody took it over")
    .next("if it was not you: warn your contacts through another channel, and keep the output of keyglass history")
    .json("identity_key", record.identity.to_string())
    .json("version", record.version.get())
    .json("kind", record.kind.as_str())
}

/// Makes a device with new keys.
pub(crate) fn new_device(home: &Home, id: u32, uses: DeviceUses) -> Result<OwnDevice, Failure> {
    let dh = KeyFile::create(home, Purpose::Agreement)?;
    let signing = KeyFile::create(home, Purpose::Signing)?;
    Ok(OwnDevice {
        id,
        uses: uses.bits(),
        dh_key: dh.public.clone(),
        signing_key: signing.public.clone(),
        opaque: B64::default(),
        private: Some((dh, signing)),
    })
}

/// The devices as they stand in a record, ascending by id.
pub(crate) fn record_devices(devices: &[OwnDevice]) -> Result<Vec<Device>, Failure> {
    let bad =
        |e: keyglass_protocol::record::RecordError| Failure::malformed(e.reason(), format!("a device: {e}"));
    let mut out = Vec::new();
    // One that is not enrolled yet has no number.
    for device in devices.iter().filter(|d| d.id != 0) {
        out.push(Device {
            id: device.id,
            uses: DeviceUses::new(device.uses).map_err(bad)?,
            dh_key: device.dh_key.parse::<DeviceDhKey>().map_err(bad)?,
            signing_key: device.signing_key.parse::<DeviceSigningKey>().map_err(bad)?,
            opaque: device.opaque.0.clone(),
        });
    }
    out.sort_by_key(|d| d.id);
    Ok(out)
}

/// By which a record of this device is known again: SHA-256 of what is signed.
///
/// Not of all bytes: in a transfer or recovery the other side adds its signature.
pub(crate) fn mark(record: &[u8]) -> Option<String> {
    let signed = AccountRecord::decode(record)
        .and_then(|r| r.body().signed_bytes())
        .or_else(|_| AliasRecord::decode(record).and_then(|r| r.body().signed_bytes()));
    signed.ok().map(|bytes| hex::encode(Sha256::digest(bytes)))
}

/// Takes over what the log says about an own account; private keys stay with the devices that have them.
pub(crate) fn sync(own: &mut OwnAccount, record: &AccountRecord) {
    let devices = record.devices.iter().map(|d| {
        let (dh_key, signing_key) = (d.dh_key.to_string(), d.signing_key.to_string());
        let known = own
            .devices
            .iter()
            .find(|o| o.dh_key == dh_key && o.signing_key == signing_key);
        let private = known.and_then(|o| o.private.clone());
        OwnDevice {
            id: d.id,
            uses: d.uses.bits(),
            dh_key,
            signing_key,
            opaque: B64(d.opaque.clone()),
            private,
        }
    });
    let mut devices: Vec<OwnDevice> = devices.collect();
    let published = |d: &OwnDevice| devices.iter().any(|o| o.signing_key == d.signing_key);
    let waiting: Vec<OwnDevice> = own
        .devices
        .iter()
        .filter(|d| d.id == 0 && !published(d))
        .cloned()
        .collect();
    devices.extend(waiting);
    own.devices = devices;
    own.recovery_delay = record.recovery_delay;
    own.published = Some(record.version.get());
}
