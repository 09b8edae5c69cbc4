//! `device`: which devices speak for the account.

use keyglass_protocol::message::B64;
use keyglass_protocol::record::{DeviceDhKey, DeviceSigningKey, DeviceUses};

use super::enrol::{self, Request};
use super::identity;
use crate::args::{self, DeviceUse};
use crate::context::{Context, Memory};
use crate::desk::Desk;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::state::{OwnAccount, OwnDevice};

/// `keyglass device …`.
pub(super) fn run(context: &Context, args: &args::Device) -> Outcome {
    match args {
        args::Device::Add {
            uses,
            dh_key,
            signing_key,
            request,
            publish,
        } => {
            let request = request.as_deref().map(Request::read).transpose()?;
            let asked = request.clone();
            let foreign = dh_key.as_deref().zip(signing_key.as_deref());
            let report = change(context, publish, |memory, account, own| {
                if let Some(request) = &asked {
                    request.demand(&memory.directory()?.origin, account)?;
                }
                let id = own
                    .devices
                    .iter()
                    .map(|d| d.id)
                    .max()
                    .unwrap_or_default()
                    .saturating_add(1);
                let device = match (&asked, foreign) {
                    (Some(request), _) => enrol::device(id, request),
                    (_, Some((dh, signing))) => foreign_device(id, uses_of(uses), dh, signing)?,
                    _ => own::new_device(&memory.home, id, uses_of(uses))?,
                };
                own.devices.push(device);
                Ok(format!("has a new device {id}"))
            })?;
            Ok(match request {
                Some(request) => report.line("check", request.check_digits()).note(
                    "the other device shows the same check digits, or it is not the one that you added: then keyglass device remove",
                ),
                None => report,
            })
        }
        args::Device::Enrol { account, uses } => enrol::enrol(context, account, uses_of(uses)),
        args::Device::Remove { id, publish } => change(context, publish, |_, _, own| {
            let before = own.devices.len();
            own.devices.retain(|d| d.id != *id);
            if own.devices.len() == before {
                return Err(
                    Failure::usage("no-such-device", format!("the account has no device {id}"))
                        .next("keyglass identity show lists the devices"),
                );
            }
            Ok(format!("no longer has device {id}"))
        }),
    }
}

/// Changes the devices: of a published account in the directory, else on this machine only.
fn change(
    context: &Context,
    args: &args::Publish,
    edit: impl FnOnce(&Memory, &str, &mut OwnAccount) -> Result<String, Failure>,
) -> Outcome {
    let mut memory = context.memory()?;
    let (id, own) = own::choose(memory.directory()?, args.which.account.as_deref())?;
    let label = own::label(&id)?;
    let unpublished = own.published.is_none() && !memory.directory()?.pending.contains_key(label.as_str());
    if unpublished {
        let mut own = own.clone();
        let what = edit(&memory, &id, &mut own)?;
        own::record_devices(&own.devices)?;
        memory.directory_mut()?.accounts.insert(id, own);
        memory.save()?;
        return Ok(
            Report::new("changed-locally", format!("{label} {what}, on this machine"))
                .line("next", "keyglass identity publish")
                .json("label", label.as_str()),
        );
    }
    drop(memory);
    let mut desk = Desk::open(context)?;
    let (id, mut own, newest) = identity::published(&mut desk, args.which.account.as_deref())?;
    let what = edit(&desk.memory, &id, &mut own)?;
    identity::send_devices(&mut desk, &id, own, &newest, &what, !args.no_wait)
}

fn uses_of(uses: &[DeviceUse]) -> DeviceUses {
    match (uses.contains(&DeviceUse::Dm), uses.contains(&DeviceUse::Call)) {
        (true, false) => DeviceUses::DM,
        (false, true) => DeviceUses::CALL,
        _ => DeviceUses::DM_AND_CALL,
    }
}

fn foreign_device(id: u32, uses: DeviceUses, dh: &str, signing: &str) -> Result<OwnDevice, Failure> {
    let bad = |name: &str, e: keyglass_protocol::record::RecordError| {
        Failure::malformed(e.reason(), format!("--{name}: {e}"))
    };
    let dh: DeviceDhKey = dh.parse().map_err(|e| bad("dh-key", e))?;
    let signing: DeviceSigningKey = signing.parse().map_err(|e| bad("signing-key", e))?;
    Ok(OwnDevice {
        id,
        uses: uses.bits(),
        dh_key: dh.to_string(),
        signing_key: signing.to_string(),
        opaque: B64::default(),
        private: None,
    })
}
