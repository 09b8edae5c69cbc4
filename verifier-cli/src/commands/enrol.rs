//! `device enrol`: this machine becomes another device of an account whose identity key lies elsewhere.
//!
//! It makes its own keys; the first device publishes them; nothing secret travels.

use std::path::Path;

use keyglass_protocol::message::B64;
use keyglass_protocol::record::{AccountRecord, AccountState, DeviceDhKey, DeviceSigningKey, DeviceUses};
use sha2::{Digest as _, Sha256};

use super::lookup;
use crate::clock;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Depth;
use crate::saved::read_capped;
use crate::state::{KeyFile, OwnAccount, OwnDevice};

const HEADER: &str = "keyglass-device";
/// Longest file with a request in bytes.
const MAX_REQUEST: usize = 4096;

/// What another device asks the first one to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    origin: String,
    account: String,
    pub(super) uses: DeviceUses,
    pub(super) dh: DeviceDhKey,
    pub(super) signing: DeviceSigningKey,
}

impl Request {
    fn of(origin: &str, account: &str, device: &OwnDevice) -> Result<Self, Failure> {
        let bad =
            |e: keyglass_protocol::record::RecordError| Failure::internal("state-damaged", e.to_string());
        Ok(Self {
            origin: origin.to_owned(),
            account: account.to_owned(),
            uses: DeviceUses::new(device.uses).map_err(bad)?,
            dh: device.dh_key.parse().map_err(bad)?,
            signing: device.signing_key.parse().map_err(bad)?,
        })
    }

    /// One line.
    fn to_line(&self) -> String {
        let (uses, dh, signing) = (self.uses.bits(), &self.dh, &self.signing);
        format!(
            "{HEADER} {} account:{} {uses} {dh} {signing}",
            self.origin, self.account
        )
    }

    /// A line, or a file with it.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let bad = || {
            Failure::malformed("device-request", "this is no request of another device")
                .next("keyglass device enrol --account ID prints one on the other device")
        };
        let file;
        let line = if text.starts_with(HEADER) {
            text
        } else {
            let bytes = read_capped(Path::new(text), MAX_REQUEST)?;
            file = String::from_utf8(bytes).map_err(|_| bad())?;
            file.as_str()
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let [HEADER, origin, account, uses, dh, signing] = words.as_slice() else {
            return Err(bad());
        };
        Ok(Self {
            origin: (*origin).to_owned(),
            account: account.strip_prefix("account:").ok_or_else(bad)?.to_owned(),
            uses: uses
                .parse()
                .ok()
                .and_then(|n| DeviceUses::new(n).ok())
                .ok_or_else(bad)?,
            dh: dh.parse().map_err(|_| bad())?,
            signing: signing.parse().map_err(|_| bad())?,
        })
    }

    /// Ten digits that both devices show: nobody put another line in between.
    pub(super) fn check_digits(&self) -> String {
        let hash = Sha256::digest(self.to_line());
        let number = hash.iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(*b)) % 10_000_000_000;
        let digits = format!("{number:010}");
        let (a, b) = digits.split_at(5);
        format!("{a} {b}")
    }

    /// Demands that it is about this account of this directory.
    pub(super) fn demand(&self, origin: &str, account: &str) -> Result<(), Failure> {
        if self.origin == origin && self.account == account {
            return Ok(());
        }
        Err(Failure::usage(
            "device-request-other",
            "the request is about another account or directory",
        )
        .next("run keyglass device enrol on the other device with this account's id"))
    }
}

/// Makes keys and a request, or takes note that the first device has published them.
pub(super) fn enrol(context: &Context, account: &str, uses: DeviceUses) -> Outcome {
    let label = own::label(account.strip_prefix("account:").unwrap_or(account))?;
    let id = label.name().to_owned();
    let mut desk = Desk::open(context)?;
    let (known, vouched) = desk.know(PolicyIs::Demanded, &label, Depth::Whole)?;
    lookup::pin(&mut desk.memory, &label, &known, &vouched)?;
    let live = known
        .account()
        .filter(|a| a.chain().state() == AccountState::Live);
    let Some(record) = live.map(|a| a.newest().clone()) else {
        desk.memory.save()?;
        return Ok(vouched.describe(desk.memory.directory()?, lookup::describe(&label, &known)));
    };
    let own = desk.memory.directory()?.accounts.get(&id).cloned();
    if own.as_ref().is_some_and(|o| o.identity.is_here()) {
        return Err(Failure::usage(
            "identity-here",
            format!("the identity key of {label} is on this device"),
        )
        .next("keyglass device add makes another device"));
    }
    let mut own = own.unwrap_or_else(|| enrolling(&record));
    if own.identity.public != record.identity.to_string() {
        return Err(own::key_changed(&record));
    }
    own::sync(&mut own, &record);
    if !own.devices.iter().any(|d| d.private.is_some()) {
        own.devices.push(own::new_device(&desk.memory.home, 0, uses)?);
    }
    let mine = own.devices.iter().find(|d| d.private.is_some()).cloned();
    if mine.as_ref().is_some_and(|d| d.id != 0) {
        own.walked = record.version.get();
    }
    desk.memory.directory_mut()?.accounts.insert(id.clone(), own);
    desk.memory.save()?;
    let directory = desk.memory.directory()?;
    let mine = mine.ok_or_else(|| Failure::internal("state-damaged", "the device vanished"))?;
    let report = if mine.id == 0 {
        waiting(&Request::of(&directory.origin, &id, &mine)?, label.as_str())
    } else {
        Report::new(
            "enrolled",
            format!("VERIFIED: this machine is device {} of {label}", mine.id),
        )
        .json("device", mine.id)
    };
    let report = report
        .line("identity", record.identity.to_string())
        .json("account", label.as_str())
        .json("identity_key", record.identity.to_string());
    Ok(vouched.describe(directory, report))
}

fn waiting(request: &Request, label: &str) -> Report {
    let line = request.to_line();
    Report::new(
        "not-enrolled-yet",
        format!("NOT ENROLLED YET: the first device of {label} must add this one"),
    )
    .exit(Exit::Unverifiable)
    .line("there", format!("keyglass device add --request '{line}'"))
    .line(
        "check",
        format!(
            "{} (the first device shows the same digits)",
            request.check_digits()
        ),
    )
    .line("then here", "keyglass device enrol again")
    .json("request", line)
    .json("check", request.check_digits())
}

fn enrolling(record: &AccountRecord) -> OwnAccount {
    OwnAccount {
        identity: KeyFile::elsewhere(record.identity.to_string()),
        recovery_delay: record.recovery_delay,
        devices: Vec::new(),
        published: Some(record.version.get()),
        created: clock::now().get(),
        walked: record.version.get(),
        aliases: std::collections::BTreeMap::new(),
    }
}

/// The device as the first one publishes it.
pub(super) fn device(id: u32, request: &Request) -> OwnDevice {
    OwnDevice {
        id,
        uses: request.uses.bits(),
        dh_key: request.dh.to_string(),
        signing_key: request.signing.to_string(),
        opaque: B64::default(),
        private: None,
    }
}
