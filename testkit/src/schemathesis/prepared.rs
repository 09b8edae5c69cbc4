//! The requests that need to know something: whose turn it is, what is signed, what the log is.

use anyhow::{Context as _, Result};
use keyglass_protocol::codec::base64_encode;
use keyglass_protocol::message::AuditList;
use keyglass_protocol::note::{Checkpoint, Note, SignatureLine, cosign};
use keyglass_protocol::quantity::{KeyVersion, LogHash, LogSize, Millis};
use keyglass_protocol::record::{AccountBody, AccountKind, Role};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::ask::{Ask, NEVER_ENDS, SPENT, everywhere};
use super::directory::{Directory, PHONE, token};
use super::reached::Description;
use crate::world::{AUDITOR, ORIGIN, Person};

/// What the tester's hooks read.
#[derive(Debug, Serialize)]
pub(super) struct Prepared {
    /// For every request without another one.
    token: String,
    spent: &'static str,
    never_ends: &'static str,
    asks: Vec<Ask>,
}

impl Prepared {
    fn from(asks: Vec<Ask>) -> Self {
        Self {
            token: token("alice-1", "account recovery import lookup", PHONE),
            spent: SPENT,
            never_ends: NEVER_ENDS,
            asks,
        }
    }

    /// Each operation once.
    pub(super) fn one_each(description: &Description) -> Self {
        Self::from(description.operations().map(Ask::of).collect())
    }

    /// Everything for a directory.
    pub(super) fn of(directory: &Directory, description: &Description) -> Result<Self> {
        let mut asks: Vec<Ask> = description.operations().flat_map(everywhere).collect();
        asks.extend(tagged(description));
        asks.extend(lookups());
        asks.extend(batches());
        asks.extend(accounts(&directory.alice));
        let handles = ["alice", "alice-too", "ghost"];
        asks.extend(aliases(
            &directory.alice,
            "putHandle",
            "handle",
            "handle",
            handles,
        ));
        let phones = [PHONE, "+14155550101", "+14155550111"];
        asks.extend(aliases(&directory.alice, "putPhone", "e164", "phone", phones));
        asks.extend(artefacts(directory)?);
        asks.extend(cosignatures(directory)?);
        Ok(Self::from(asks))
    }
}

/// 304 where there is a tag.
fn tagged(description: &Description) -> Vec<Ask> {
    let known = |operation: String| Ask::of(&operation).header("if-none-match", "*");
    description
        .operations_that_answer(304)
        .into_iter()
        .map(known)
        .collect()
}

/// Beyond what the description shows: 401, 403, 404, 406, 409.
fn lookups() -> Vec<Ask> {
    let mut asks = Vec::new();
    for (kind, parameter, absent) in [
        ("Account", "id", "nobody"),
        ("Handle", "handle", "nobody"),
        ("Phone", "e164", "+14155550199"),
    ] {
        for operation in [format!("lookup{kind}"), format!("{}History", kind.to_lowercase())] {
            let ask = || Ask::of(&operation);
            asks.push(ask().bearer("none"));
            asks.push(ask().path(parameter, absent));
            asks.push(ask().header("accept", "text/html"));
            asks.push(ask().query("since", 1001));
            if kind == "Phone" {
                asks.push(ask().bearer(&token("alice-1", "account", PHONE)));
            }
        }
    }
    asks
}

fn batches() -> Vec<Ask> {
    let ask = || Ask::of("lookupMany");
    let phones = || ask().body(json!({ "labels": [format!("phone:{PHONE}")] }));
    vec![
        phones().bearer("none"),
        phones().bearer(&token("alice-1", "account", PHONE)),
        ask().header("accept", "text/html"),
        ask().body(json!({ "labels": ["x".repeat(70_000)] })),
    ]
}

fn update(record: &[u8]) -> Value {
    json!({ "record": base64_encode(record) })
}

/// An update, and whose session submits it.
struct Update<'a> {
    ask: Ask,
    account: &'a str,
    /// The number that the session has verified.
    phone: &'a str,
}

impl Update<'_> {
    fn with_scope(&self, scope: &str) -> Ask {
        self.ask.clone().bearer(&token(self.account, scope, self.phone))
    }
}

/// 202 for `next`, 409 for `taken`, 422 for `broken`; and 401, 403, 406, 413.
fn updates(next: &Update<'_>, taken: &Update<'_>, broken: &Update<'_>) -> Vec<Ask> {
    vec![
        taken.ask.clone().bearer("none"),
        taken.with_scope("lookup"),
        taken.ask.clone().header("accept", "text/html"),
        taken.ask.clone().body(update(&[0; 30_000])),
        next.with_scope("account"),
        taken.with_scope("account"),
        broken.with_scope("account"),
    ]
}

fn accounts(alice: &Person) -> Vec<Ask> {
    let put = |person: &'static str, record: &[u8]| Update {
        ask: Ask::of("putAccount").path("id", person).body(update(record)),
        account: person,
        phone: PHONE,
    };
    let (bob, ghost) = (Person::new("bob", 3), Person::new("ghost", 4));
    let first = Person::new(alice.id.as_str(), 1);
    // Not a kind with which an account begins.
    let owner = AccountBody {
        version: KeyVersion::FIRST,
        ..ghost.next_body(AccountKind::Owner)
    };
    let owner = owner.sign(&[(Role::Identity, &ghost.identity)]).unwrap();
    updates(
        &put("bob", bob.newest.bytes()),
        &put("alice-1", first.newest.bytes()),
        &put("ghost", owner.bytes()),
    )
}

/// Alice's alias is taken; another one is free; a third one is claimed for an account that does not exist.
fn aliases(alice: &Person, operation: &str, parameter: &str, kind: &str, names: [&str; 3]) -> Vec<Ask> {
    let put = |person: &Person, account, name| {
        let record = person.claim(&format!("{kind}:{name}"), None);
        Update {
            ask: Ask::of(operation)
                .path(parameter, name)
                .body(update(record.bytes())),
            account,
            phone: if kind == "phone" { name } else { PHONE },
        }
    };
    let [taken, free, haunted] = names;
    updates(
        &put(alice, "alice-1", free),
        &put(alice, "alice-1", taken),
        &put(&Person::new("ghost", 4), "ghost", haunted),
    )
}

/// What is found by a hash or a number.
fn artefacts(directory: &Directory) -> Result<Vec<Ask>> {
    let http = directory.http();
    let config = format!("{:x}", Sha256::digest(http.body("/v1/config")));
    let list: AuditList = serde_json::from_slice(&http.body("/log/audit"))?;
    let newest = list.epochs.first().context("there is no audit proof")?;
    let tile = |operation: &str| Ask::of(operation).path("index", "009");
    Ok(vec![
        Ask::of("auditProof")
            .path("epoch", newest.epoch)
            .path("previous", newest.previous_root.clone())
            .path("root", newest.root.clone()),
        Ask::of("configByHash").path("sha256", config.clone()),
        Ask::of("configByHash")
            .path("sha256", config)
            .header("if-none-match", "*"),
        Ask::of("receipt").path("id", directory.receipt.clone()),
        Ask::of("receipt").header("accept", "text/html"),
        tile("tile").path("level", 0),
        tile("partialTile").path("level", 0).path("width", 1),
        tile("entries"),
        tile("partialEntries").path("width", 1),
    ])
}

/// A checkpoint that is handed in: good, none, without a cosignature, foreign, too long, of another size, of a fork.
fn cosignatures(directory: &Directory) -> Result<Vec<Ask>> {
    let pending = directory.http().body("/log/pending");
    let (note, keys) = (Note::parse(&pending)?, directory.keys());
    let now = Millis::new(std::time::UNIX_EPOCH.elapsed()?.as_millis().try_into()?).seconds();
    let line = |text: &str| cosign(AUDITOR, &directory.cosigner, text, now);
    let hand_in = |text: &str, lines: Vec<SignatureLine>| -> Result<Ask> {
        let note = Note::new(text, lines)?.to_bytes();
        Ok(Ask::of("handInCosignature").body(String::from_utf8(note)?))
    };
    let signed = |size: LogSize| -> Result<Ask> {
        let text = Checkpoint {
            origin: keys.log.verifier().origin().clone(),
            size,
            root: LogHash::new([1; 32]),
        }
        .to_text();
        hand_in(&text, vec![keys.log.sign_text(&text)?, line(&text)])
    };
    let mut cosigned = note.signatures().to_vec();
    cosigned.push(line(note.text()));
    let foreign = note.text().replace(ORIGIN, "other.example");
    let size = Checkpoint::parse_text(note.text())?.size;
    Ok(vec![
        hand_in(note.text(), cosigned)?,
        Ask::of("handInCosignature").body("no note"),
        hand_in(note.text(), note.signatures().to_vec())?,
        hand_in(&foreign, note.signatures().to_vec())?,
        Ask::of("handInCosignature").body("x".repeat(1 << 20)),
        signed(LogSize::new(1))?,
        signed(size)?,
    ])
}
