//! Crashes at any step that touches the disk.

use std::cell::Cell;
use std::io;

use super::home::Home;
use super::keys::{KeyFile, Purpose};
use super::model::tests::sample;
use super::model::{Contact, State};
use super::write_new;

/// What the crash leaves of the step that it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nothing,
    Everything,
}

thread_local! {
    /// Steps left until the crash, and what that leaves; after it every step fails.
    static CRASH: Cell<Option<(u32, Leaves)>> = const { Cell::new(None) };
}

/// Takes a step, unless this process has crashed or does so now.
pub(super) fn step<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let crashed = || io::Error::other("crashed");
    match CRASH.get() {
        None => act(),
        Some((u32::MAX, _)) => Err(crashed()),
        Some((0, leaves)) => {
            CRASH.set(Some((u32::MAX, leaves)));
            if leaves == Leaves::Everything {
                act()?;
            }
            Err(crashed())
        }
        Some((left, leaves)) => {
            CRASH.set(Some((left - 1, leaves)));
            act()
        }
    }
}

/// Crashes an act at every step that it has, and lets `check` look at what is left on the disk.
fn at_every_step(prepare: impl Fn(&Home), act: impl Fn(&Home) -> bool, check: impl Fn(&Home, bool)) -> u32 {
    let mut tried = 0;
    for leaves in [Leaves::Nothing, Leaves::Everything] {
        for n in 0.. {
            let dir = tempfile::tempdir().expect("a directory");
            let open = || Home::open_at(&dir.path().join("home"), std::time::Duration::ZERO, &|| {});
            let home = open().expect("a home");
            prepare(&home);
            CRASH.set(Some((n, leaves)));
            let said_done = act(&home);
            let crashed = matches!(CRASH.take(), Some((u32::MAX, _)));
            drop(home);
            check(&open().expect("a home that opens again"), said_done);
            if !crashed {
                assert!(said_done, "it fails without a crash");
                break;
            }
            tried += 1;
        }
    }
    tried
}

fn other() -> State {
    let mut state = sample();
    let contact = Contact {
        label: "handle:bob".into(),
        account: "account:bob".into(),
        added: 1,
        identity: None,
        verified: None,
        concern: None,
    };
    state.directories.iter_mut().for_each(|d| {
        d.contacts.insert("Bob".into(), contact.clone());
    });
    state
}

#[test]
fn the_memory_is_the_old_or_the_new_one() {
    let tried = at_every_step(
        |home| home.save(&sample()).expect("saved"),
        |home| home.save(&other()).is_ok(),
        |home, said_done| {
            let found = home.load().expect("a memory that can be read");
            assert!(found == other() || (!said_done && found == sample()));
            // And it can be written again.
            home.save(&sample()).expect("saved after a crash");
        },
    );
    assert!(tried >= 10, "only {tried} crashes");
}

#[test]
fn an_account_in_the_memory_has_its_keys() {
    let tried = at_every_step(
        |home| home.save(&sample()).expect("saved"),
        |home| {
            let make = || -> Result<(), crate::report::Failure> {
                let identity = KeyFile::create(home, Purpose::Signing)?;
                let device = crate::own::new_device(home, 1, keyglass_protocol::record::DeviceUses::DM)?;
                let mut state = home.load()?;
                let own = super::model::OwnAccount {
                    identity,
                    recovery_delay: 0,
                    devices: vec![device],
                    published: None,
                    created: 1,
                    walked: 0,
                    aliases: std::collections::BTreeMap::new(),
                };
                state.directories.iter_mut().for_each(|d| {
                    d.accounts.insert("alice".into(), own.clone());
                });
                home.save(&state)
            };
            make().is_ok()
        },
        |home, said_done| {
            let state = home.load().expect("a memory that can be read");
            let accounts: Vec<_> = state
                .directories
                .iter()
                .flat_map(|d| d.accounts.values())
                .collect();
            assert!(!said_done || accounts.len() == 1);
            for own in accounts {
                own.identity
                    .open(home, Purpose::Signing)
                    .expect("the identity key");
                for (dh, signing) in own.devices.iter().filter_map(|d| d.private.as_ref()) {
                    dh.open(home, Purpose::Agreement).expect("the device's key");
                    signing.open(home, Purpose::Signing).expect("the device's key");
                }
            }
        },
    );
    assert!(tried >= 40, "only {tried} crashes");
}

#[test]
fn evidence_is_whole_or_not_there() {
    let content = vec![7; 100_000];
    let tried = at_every_step(
        |_| {},
        |home| {
            let path = home.directory("evidence").map(|d| d.join("fork.json"));
            path.is_ok_and(|p| write_new(&p, &content).is_ok())
        },
        |home, said_done| {
            let path = home.directory("evidence").expect("a directory").join("fork.json");
            match std::fs::read(&path) {
                Ok(found) => assert_eq!(found, content),
                Err(_) => assert!(!said_done),
            }
            // What exists is never replaced.
            let again = write_new(&path, b"other");
            assert_eq!(again.is_err(), std::fs::read(&path).expect("a file") == content);
        },
    );
    assert!(tried >= 8, "only {tried} crashes");
}
