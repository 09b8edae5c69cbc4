//! Reading memories of every version that was ever written.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::model::{STATE_VERSION, State};
use crate::report::Failure;

/// Turns a memory of one version into the next.
type Step = fn(Value) -> Result<Value, String>;

/// The steps from version n to n + 1, beginning with version 1. Steps are added, never edited.
const STEPS: &[Step] = &[watched_contacts_and_accounts];

/// Reads a state file of any known version.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<State, Failure> {
    read_with(bytes, path, STEPS, STATE_VERSION)
}

fn read_with(bytes: &[u8], path: &Path, steps: &[Step], newest: u32) -> Result<State, Failure> {
    let damaged = |why: String| {
        Failure::internal(
            "state-damaged",
            format!("{} cannot be read: {why}", path.display()),
        )
        .meaning("the disk failed or somebody edited it; without it nothing seen before protects you")
        .next("restore it from a backup, or move it away and pin the directory again")
    };
    let mut value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut version = value
        .get("version")
        .and_then(Value::as_u64)
        .and_then(|v| u32::try_from(v).ok())
        .filter(|v| *v >= 1)
        .ok_or_else(|| damaged("it states no version".to_owned()))?;
    if version > newest {
        return Err(Failure::internal(
            "state-newer",
            format!("{} was written by a newer keyglass", path.display()),
        )
        .next("use that version; the memory is left as it is"));
    }
    while version < newest {
        let index = usize::try_from(version - 1).unwrap_or(usize::MAX);
        let step = steps
            .get(index)
            .ok_or_else(|| damaged(format!("no way leads on from version {version}")))?;
        value = step(value).map_err(damaged)?;
        version += 1;
        if let Some(object) = value.as_object_mut() {
            object.insert("version".to_owned(), version.into());
        }
    }
    serde_json::from_value(value).map_err(|e| damaged(e.to_string()))
}

/// 1 to 2: heads before the newest, records made here, what `monitor` walked, comparisons of safety numbers.
///
/// Whatever was published before counts as walked: version 1 kept own accounts only while the newest key was theirs.
fn watched_contacts_and_accounts(mut state: Value) -> Result<Value, String> {
    let directories = state
        .get_mut("directories")
        .and_then(Value::as_array_mut)
        .ok_or("it lists no directories")?;
    for directory in directories.iter_mut().filter_map(Value::as_object_mut) {
        directory.insert("older_heads".into(), json!([]));
        directory.insert("made".into(), json!([]));
        directory.insert("recoveries".into(), json!({}));
        for account in objects(directory.get_mut("accounts")) {
            watched_account(account);
        }
        for pending in objects(directory.get_mut("pending")) {
            let becomes = pending.get_mut("becomes").and_then(|b| b.get_mut(1));
            if let Some(account) = becomes.and_then(Value::as_object_mut) {
                watched_account(account);
            }
        }
        for contact in objects(directory.get_mut("contacts")) {
            for name in ["identity", "verified", "concern"] {
                contact.insert(name.into(), Value::Null);
            }
        }
    }
    Ok(state)
}

fn watched_account(account: &mut Map<String, Value>) {
    let walked = account
        .get("published")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    account.insert("walked".into(), walked.into());
    account.insert("aliases".into(), json!({}));
}

fn objects(map: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    map.and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::model::tests::sample;
    use super::*;

    fn reason(bytes: &[u8]) -> &'static str {
        read(bytes, Path::new("state.json")).unwrap_err().reason
    }

    #[test]
    fn versions_that_are_none() {
        assert_eq!(reason(br#"{"version": 3, "directories": []}"#), "state-newer");
        assert_eq!(reason(br#"{"version": 0, "directories": []}"#), "state-damaged");
        assert_eq!(reason(br#"{"directories": []}"#), "state-damaged");
        assert_eq!(
            reason(br#"{"version": 2, "directories": [], "more": 1}"#),
            "state-damaged"
        );
        assert_eq!(reason(b"{\"version\": 1"), "state-damaged");
    }

    #[test]
    fn an_older_memory_walks_every_step() {
        let steps: [Step; 1] = [|mut old| {
            let list = old
                .as_object_mut()
                .and_then(|o| o.remove("list"))
                .ok_or("no list")?;
            old.as_object_mut()
                .ok_or("no object")?
                .insert("directories".to_owned(), list);
            Ok(old)
        }];
        let mut old = serde_json::to_value(sample()).unwrap();
        let list = old.as_object_mut().unwrap().remove("directories").unwrap();
        old.as_object_mut().unwrap().insert("list".to_owned(), list);
        old.as_object_mut()
            .unwrap()
            .insert("version".to_owned(), 1.into());
        let bytes = serde_json::to_vec(&old).unwrap();
        let state = read_with(&bytes, Path::new("state.json"), &steps, 2).unwrap();
        assert_eq!(state.directories, sample().directories);
        assert_eq!(state.version, 2);
    }

    /// A memory as version 1 wrote it.
    const FIRST: &[u8] = include_bytes!("../../testdata/state-v1.json");

    #[test]
    fn the_first_version_is_read() {
        let state = read(FIRST, Path::new("state.json")).unwrap();
        let directory = state.directories.first().unwrap();
        let account = directory.accounts.get("carol").unwrap();
        assert_eq!((account.published, account.walked), (Some(3), 3));
        let (_, becomes) = directory
            .pending
            .get("account:carol")
            .unwrap()
            .becomes
            .clone()
            .unwrap();
        assert_eq!(becomes.walked, 3);
        let contact = directory.contacts.get("Bob").unwrap();
        assert_eq!((&contact.verified, &contact.concern), (&None, &None));
        assert!(directory.head.is_some() && directory.older_heads.is_empty());
    }

    #[test]
    fn every_version_has_its_step() {
        assert_eq!(STEPS.len() + 1, usize::try_from(STATE_VERSION).unwrap());
    }
}
