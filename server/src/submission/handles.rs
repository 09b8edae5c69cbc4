//! Which handles can be claimed: none that is reserved, none that can be mistaken for another.
//!
//! A handle's *skeleton* (UTS 39 section 4) is what it looks like: two handles with one skeleton can be mistaken for each
//! other. The skeleton of the first of them is stored under a keyed hash, and the others are refused.

use keyglass_protocol::label::Handle;
use keyglass_protocol::quantity::KeyVersion;
use keyglass_protocol::record::{AliasKind, AliasRecord};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection as _, skeleton};

use super::SubmitError;
use crate::settings::HandleSettings;

/// Names that speak for the service or for a machine (RFC 2142 and common practice), beside those in the settings.
const RESERVED: [&str; 31] = [
    "abuse",
    "account",
    "admin",
    "administrator",
    "api",
    "auditor",
    "billing",
    "contact",
    "daemon",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "keyglass",
    "localhost",
    "mailer-daemon",
    "moderator",
    "noreply",
    "no-reply",
    "official",
    "owner",
    "postmaster",
    "privacy",
    "root",
    "security",
    "service",
    "staff",
    "support",
    "system",
    "verify",
    "webmaster",
];

/// Demands that a handle may be claimed. Returns what it looks like, to be stored with its first version, and whether no
/// other may look so.
///
/// Only claims are refused: what the platform had before is imported, and a handle that exists may be handed on.
pub(crate) fn check(
    settings: &HandleSettings,
    handle: &Handle,
    record: &AliasRecord,
) -> Result<Option<(String, bool)>, SubmitError> {
    let claimed = record.kind == AliasKind::Claim;
    if claimed {
        check_reserved(settings, handle)?;
        check_scripts(handle)?;
    }
    let first = record.version == KeyVersion::FIRST;
    let unique = claimed && !settings.allow_confusable;
    Ok(first.then(|| (looks_like(handle.as_str()), unique)))
}

/// Neither a reserved name nor anything that looks like one.
fn check_reserved(settings: &HandleSettings, handle: &Handle) -> Result<(), SubmitError> {
    let shape = reads_like(handle.as_str());
    let configured = settings.reserved.iter().map(Handle::as_str);
    if RESERVED
        .into_iter()
        .chain(configured)
        .any(|name| reads_like(name) == shape)
    {
        Err(SubmitError::HandleReserved)
    } else {
        Ok(())
    }
}

/// UTS 39 section 5.2, level "highly restrictive": one script, or Latin with the scripts of Chinese, Japanese or Korean.
/// ASCII punctuation belongs to every script.
fn check_scripts(handle: &Handle) -> Result<(), SubmitError> {
    let letters: String = handle
        .as_str()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    if letters
        .as_str()
        .check_restriction_level(RestrictionLevel::HighlyRestrictive)
    {
        Ok(())
    } else {
        Err(SubmitError::HandleRestricted)
    }
}

/// The skeleton, in small letters: handles have no capitals, but some prototypes of small characters are capitals.
pub(super) fn looks_like(name: &str) -> String {
    let once: String = skeleton(name).collect();
    let small = once.to_lowercase();
    skeleton(&small).collect::<String>().to_lowercase()
}

/// The skeleton without separators, and with the digits and signs that people write for letters. Too coarse for names of
/// people, but nobody is called after the service.
fn reads_like(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '.' | '-' | '_'))
        .map(|c| match c {
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect();
    looks_like(&plain).replace('i', "l")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn handle(name: &str) -> Handle {
        Handle::parse(name).unwrap_or_else(|e| panic!("{name:?}: {e}"))
    }

    fn scripts(name: &str) -> bool {
        check_scripts(&handle(name)).is_ok()
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [
            ("paul", "pau1"),
            ("google", "g00gle"),
            ("modern", "modem"),
            ("oca", "оса"),
            ("paypal", "раураl"),
            ("scope", "ѕсоре"),
        ] {
            assert_eq!(looks_like(one), looks_like(other), "{one} {other}");
        }
        for (one, other) in [
            ("alice", "bob"),
            ("ann", "anna"),
            ("müller", "muller"),
            ("оса", "осы"),
        ] {
            assert_ne!(looks_like(one), looks_like(other), "{one} {other}");
        }
    }

    #[test]
    fn every_reserved_name_is_a_handle_and_refused_in_every_disguise() {
        let settings = HandleSettings {
            reserved: vec![handle("acme")],
            ..HandleSettings::default()
        };
        for name in RESERVED {
            assert!(check_reserved(&settings, &handle(name)).is_err(), "{name}");
        }
        for name in [
            "acme",
            "аcmе",
            "adm1n",
            "аdmіn",
            "ѕuрроrt",
            "keyg1ass",
            "ro0t",
            "key-glass",
            "sup.p0rt",
            "s3curity",
            "4dmin",
        ] {
            assert!(check_reserved(&settings, &handle(name)).is_err(), "{name}");
        }
        for name in ["alice", "admin2", "rooted", "академик", "hello"] {
            assert!(check_reserved(&settings, &handle(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn scripts_are_mixed_only_where_people_mix_them() {
        for name in [
            "alice",
            "al_ice-9",
            "алиса",
            "αλίκη",
            "אליס",
            "小明",
            "taro太郎",
            "иван.1",
        ] {
            assert!(scripts(name), "{name}");
        }
        for name in ["аlice", "αlice", "иvan", "алиса小"] {
            assert!(!scripts(name), "{name}");
        }
    }
}
