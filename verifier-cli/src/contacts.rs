//! What an answer means for the people who are remembered: who must be compared again, and why.

use keyglass_protocol::record::{AccountRecord, AliasRecord};

use crate::exit::Exit;
use crate::report::Failure;
use crate::resolve::{Change, Known};
use crate::state::{Concern, Contact, Directory, Worry};

/// Takes note of what an authorised answer means for contacts; called wherever a label is pinned, so that no command
/// can step over a change.
pub(crate) fn notice(directory: &mut Directory, known: &Known, changes: &[Change], now: u64) {
    let alias = known.alias().map(|a| a.newest());
    for contact in directory.contacts.values_mut() {
        if let Some(alias) = alias.filter(|a| a.alias.as_str() == contact.label)
            && moved(contact, alias)
        {
            worry(contact, Worry::AccountChanged, alias.kind.as_str(), now);
        }
        let Some(account) = known.account() else { continue };
        if account.newest().label().as_str() != contact.account {
            continue;
        }
        let records = account.chain().records();
        let identity = account.newest().identity.to_string();
        let swapped = changes.iter().rev().find(|c| c.what == "identity");
        match (&contact.identity, swapped) {
            (Some(known), _) if *known != identity => {
                let by = records.iter().find(|(_, r)| r.identity.to_string() == identity);
                let why = swapped.map_or(by.map_or("owner", |(_, r)| r.kind.as_str()), |c| c.why);
                worry(contact, Worry::IdentityChanged, why, now);
            }
            // Swapped and swapped back.
            (_, Some(change)) => worry(contact, Worry::IdentityChanged, change.why, now),
            (None, None) => contact.identity = Some(identity),
            (Some(_), None) => {}
        }
    }
}

/// Whether a handle or number no longer names the contact's account.
fn moved(contact: &Contact, alias: &AliasRecord) -> bool {
    alias.holder.as_ref().map(|h| h.account.label()) != Some(contact.account.as_str())
}

/// The first concern stays until somebody looked at it.
fn worry(contact: &mut Contact, what: Worry, why: &str, now: u64) {
    let was_verified = contact.verified.take().is_some();
    match &mut contact.concern {
        Some(concern) => concern.was_verified |= was_verified,
        none => {
            *none = Some(Concern {
                what,
                why: why.to_owned(),
                at: now,
                was_verified,
            });
        }
    }
}

/// Takes note that a label's first record here does not continue the final one in the log before.
///
/// Returns the contacts that it concerns, and whether they counted as compared until then.
pub(crate) fn not_moved(directory: &mut Directory, label: &str, why: &str, now: u64) -> Vec<(String, bool)> {
    let mut concerned = Vec::new();
    for (name, contact) in &mut directory.contacts {
        if contact.label == label || contact.account == label {
            worry(contact, Worry::NotMoved, why, now);
            let was_verified = contact.concern.as_ref().is_some_and(|c| c.was_verified);
            concerned.push((name.clone(), was_verified));
        }
    }
    concerned
}

/// Takes note that a comparison did not agree; it stays until one agrees or the user removes it.
pub(crate) fn mismatch(contact: &mut Contact, how: &str, now: u64) {
    let was_verified = contact.verified.take().is_some();
    contact.concern = Some(Concern {
        what: Worry::Mismatch,
        why: how.to_owned(),
        at: now,
        was_verified,
    });
}

/// Takes the pinned account and identity as the contact's.
pub(crate) fn accept(directory: &mut Directory, name: &str) {
    let Some(contact) = directory.contacts.get_mut(name) else {
        return;
    };
    if let Some(alias) = directory.pins.get(&contact.label)
        && let Ok(alias) = AliasRecord::decode(&alias.record.0)
        && let Some(holder) = &alias.holder
    {
        contact.account = holder.account.label().to_owned();
    }
    let pin = directory.pins.get(&contact.account);
    contact.identity = pin
        .and_then(|p| AccountRecord::decode(&p.record.0).ok())
        .map(|r| r.identity.to_string());
    contact.concern = None;
}

/// In words: what must be looked at.
pub(crate) fn concern_words(concern: &Concern) -> String {
    let why = &concern.why;
    match concern.what {
        Worry::IdentityChanged => format!("the identity key changed ({why})"),
        Worry::AccountChanged => format!("the name points to another account ({why})"),
        Worry::NotMoved => format!("the record here does not continue the one in the log before ({why})"),
        Worry::Mismatch => format!("the safety number did not match when it was compared {why}"),
    }
}

/// Stable name of a concern.
pub(crate) fn concern_reason(concern: &Concern) -> &'static str {
    match concern.what {
        Worry::IdentityChanged => "contact-identity-changed",
        Worry::AccountChanged => "contact-account-changed",
        Worry::NotMoved => "contact-not-moved",
        Worry::Mismatch => "contact-mismatch",
    }
}

/// Why a contact may not be relied on, as a refusal.
pub(crate) fn refuse(name: &str, concern: &Concern) -> Failure {
    let exit = match concern.what {
        Worry::Mismatch => Exit::Invalid,
        Worry::IdentityChanged | Worry::AccountChanged | Worry::NotMoved => Exit::Alarm,
    };
    let meaning = match concern.what {
        Worry::Mismatch => {
            "somebody sits between you, or one of you compared with another person or an old code"
        }
        Worry::NotMoved => "the platform brought other keys here than those that counted, or made a mistake",
        _ if concern.was_verified => {
            "a new phone, a recovery by the platform, or somebody who takes this person's place"
        }
        _ => {
            "a new phone, a recovery by the platform, or somebody who takes this person's place; you never compared"
        }
    };
    let failed = format!("{name} must be compared again: {}", concern_words(concern));
    Failure::new(exit, concern_reason(concern), failed)
        .checked("the key that the directory shows now against the one that counted as theirs")
        .meaning(meaning)
        .next(format!(
            "meet or call them: keyglass contact verify {name:?}; or take the new key unseen: keyglass contact unverify {name:?}"
        ))
        .json("contact", name)
        .json("concern", concern_reason(concern))
        .json("concern_why", concern.why.clone())
        .json("was_verified", concern.was_verified)
}

/// The contact of this name, of this label, or whose account this is.
pub(crate) fn find<'d>(
    directory: &'d Directory,
    name: &str,
    label: &str,
) -> Option<(&'d String, &'d Contact)> {
    let contacts = &directory.contacts;
    contacts
        .get_key_value(name)
        .or_else(|| contacts.iter().find(|(_, c)| c.label == label))
        .or_else(|| contacts.iter().find(|(_, c)| c.account == label))
}
