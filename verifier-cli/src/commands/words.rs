//! What several commands say in the same way.

use keyglass_protocol::quantity::Millis;
use keyglass_protocol::record::{AccountRecord, Device};
use keyglass_protocol::verify::AuthorisedAccount;
use serde_json::{Value, json};

use crate::clock;
use crate::contacts;
use crate::report::Report;
use crate::resolve::Change;
use crate::state::Contact;

/// `1 dm+call, 2 dm`.
pub(super) fn devices(record: &AccountRecord) -> String {
    let list: Vec<_> = record
        .devices
        .iter()
        .map(|d| format!("{} {}", d.id, uses(d)))
        .collect();
    if list.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: {}", list.len(), list.join(", "))
    }
}

fn uses(device: &Device) -> &'static str {
    match (device.uses.dm(), device.uses.call()) {
        (true, true) => "dm+call",
        (true, false) => "dm",
        _ => "call",
    }
}

fn devices_json(record: &AccountRecord) -> Value {
    let device = |d: &Device| {
        json!({
            "id": d.id, "dm": d.uses.dm(), "call": d.uses.call(),
            "dh_key": d.dh_key.to_string(), "signing_key": d.signing_key.to_string(),
        })
    };
    record.devices.iter().map(device).collect()
}

/// Who vouched for the newest version, in words.
pub(super) fn vouched_by(account: &AuthorisedAccount) -> String {
    let newest = account.newest();
    let kind = newest.kind.as_str();
    let version = newest.version;
    if account.chain().is_imported() {
        return format!("version {version} ({kind}); IMPORTED: the owner has confirmed nothing yet");
    }
    format!("version {version} ({kind})")
}

/// Adds an account to a report.
pub(super) fn account(report: Report, account: &AuthorisedAccount) -> Report {
    let record = account.newest();
    let epoch = account.chain().records().last().map(|(e, _)| e.get());
    report
        .line("identity", record.identity.to_string())
        .line("devices", devices(record))
        .line("account", format!("{}, {}", record.label(), vouched_by(account)))
        .json("account", record.label().as_str())
        .json("version", record.version.get())
        .json("kind", record.kind.as_str())
        .json("imported", account.chain().is_imported())
        .json("identity_key", record.identity.to_string())
        .json("devices", devices_json(record))
        .json("record_epoch", epoch)
}

/// Adds what is known of a contact: who compared, when and how, or why that must be done again.
pub(super) fn contact(report: Report, contact: Option<(&String, &Contact)>) -> Report {
    let Some((name, contact)) = contact else {
        return report;
    };
    report
        .line("contact", format!("{name}: {}", standing(contact)))
        .json("contact", name.clone())
        .json("contact_verified", contact.verified.is_some())
        .json(
            "contact_concern",
            contact.concern.as_ref().map(contacts::concern_reason),
        )
}

/// Whether a contact was compared.
pub(super) fn standing(contact: &Contact) -> String {
    match (&contact.concern, &contact.verified) {
        (Some(concern), _) => {
            let when = clock::utc(Millis::new(concern.at));
            format!("NOT VERIFIED since {when}: {}", contacts::concern_words(concern))
        }
        (None, Some(verified)) => {
            format!(
                "verified {} on {}",
                verified.how.words(),
                clock::utc(Millis::new(verified.at))
            )
        }
        (None, None) => "never compared".to_owned(),
    }
}

/// Adds what changed since the last time.
pub(super) fn changes(mut report: Report, changes: &[Change], first: bool) -> Report {
    let list: Vec<Value> = changes
        .iter()
        .map(|c| json!({"what": c.what, "why": c.why}))
        .collect();
    report = report.json("changes", list).json("first_contact", first);
    if first {
        return report.line(
            "memory",
            "first contact: compare the safety number with the person",
        );
    }
    if changes.is_empty() {
        return report.line("memory", "unchanged since you looked last");
    }
    let words: Vec<_> = changes
        .iter()
        .map(|c| format!("{} ({})", c.what, c.why))
        .collect();
    report = report.line(
        "memory",
        format!("CHANGED since you looked last: {}", words.join(", ")),
    );
    if changes.iter().any(|c| matches!(c.what, "identity" | "account")) {
        report = report.note("the identity is not the one that you knew: compare the safety number again");
    }
    report
}
