//! What an honest operator's own signatures can be made to look like by leaving things out: never evidence.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use keyglass_protocol::config::{ConfigDocument, ConfigValues};
use keyglass_protocol::epoch::SignedEpoch;
use keyglass_protocol::evidence::{BadRecord, Claim, Evidence, SCHEMA};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64};
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::KeyVersion;
use keyglass_protocol::record::{AccountKind, IdentityKey, Role};
use keyglass_protocol::verify::{self, Pinned};
use keyglass_testkit::world::{Person, World};

fn verdict(w: &World, label: &Label, history: Answer, accounts: Vec<Answer>) -> String {
    let evidence = Evidence {
        schema: SCHEMA,
        claim: Claim::BadRecord(BadRecord {
            label: label.as_str().to_owned(),
            history: Box::new(history),
            accounts,
        }),
        config: B64(w.config.bytes().to_vec()),
    };
    match evidence.verify(&w.keys.log_vkey()) {
        Ok(finding) => format!("{finding:?}"),
        Err(refused) => refused.reason().to_owned(),
    }
}

/// Ann renews her key and then claims a handle; her history is shown as it was before.
fn renewed_and_claimed() -> (World, Label, Person, Answer) {
    let mut w = World::new(2);
    let mut ann = Person::new("ann", 40);
    w.publish(&[ann.entry()]);
    let before = w.history(&ann.label(), 1);
    ann.rotate(41);
    w.publish(&[ann.entry()]);
    let handle = Label::parse("handle:ann").unwrap();
    let claim = ann.claim("handle:ann", None);
    w.publish(&[(handle.clone(), claim.bytes().to_vec())]);
    (w, handle, ann, before)
}

#[test]
fn an_older_history_of_the_holder_shows_no_lie() {
    let (w, handle, ann, before) = renewed_and_claimed();
    let now = w.history(&ann.label(), 1);
    let history = w.history(&handle, 1);
    assert_eq!(
        verdict(&w, &handle, history.clone(), vec![now]),
        "no-contradiction"
    );
    assert_eq!(
        verdict(&w, &handle, history, vec![before]),
        "alias-account-unproven"
    );
}

#[test]
fn an_alias_is_not_authorised_by_an_older_history_of_its_holder() {
    let mut w = World::new(2);
    let mut ann = Person::new("ann", 40);
    w.publish(&[ann.entry()]);
    let handle = Label::parse("handle:ann").unwrap();
    let before = w.history(&ann.label(), 1);
    let thief = Person {
        id: ann.id.clone(),
        identity: ann.identity.clone(),
        newest: ann.newest.clone(),
    };
    ann.rotate(41);
    w.publish(&[ann.entry()]);
    // The key that Ann gave up still signs, with the operator's help.
    w.publish(&[(handle.clone(), thief.claim("handle:ann", None).bytes().to_vec())]);
    let trust = w.trust();
    let authorise = |account: &Answer| {
        let open = |a: &Answer| SignedEpoch::of_answer(a).unwrap().verify(&trust, w.now).unwrap();
        let label = ann.label();
        let held = verify::history(&open(account), &trust, &label, KeyVersion::FIRST, account).unwrap();
        let held = verify::authorise_account(&trust, &held, Pinned::Nothing).unwrap();
        let answer = w.history(&handle, 1);
        let history = verify::history(&open(&answer), &trust, &handle, KeyVersion::FIRST, &answer).unwrap();
        let accounts = BTreeMap::from([(ann.id.clone(), held)]);
        verify::authorise_alias(&trust, &history, Pinned::Nothing, &accounts).map(|_| ())
    };
    assert_eq!(
        authorise(&w.history(&ann.label(), 1)).unwrap_err().reason(),
        "alias-holder-key"
    );
    assert_eq!(authorise(&before).unwrap_err().reason(), "alias-account-unproven");
}

/// The platform's keys are those of the configuration that was in force in the record's epoch.
#[test]
fn a_renewed_recovery_key_does_not_make_old_notices_lies() {
    let mut w = World::new(2);
    let mut ann = Person::new("ann", 40);
    w.publish(&[ann.entry()]);
    let mut body = ann.next_body(AccountKind::Notice);
    body.announced = IdentityKey::from(&Person::new("x", 66).identity).announcement();
    ann.newest = body.sign(&[(Role::Recovery, &w.keys.recovery)]).unwrap();
    w.publish(&[ann.entry()]);
    let other = Person::new("y", 67);
    let recovery = VerifierKey::new_ed25519(
        "keyglass.test/world/recovery2",
        other.identity.verifying_key().as_bytes(),
    );
    w.config = ConfigDocument::create(&ConfigValues {
        recovery_vkey: Some(recovery.unwrap()),
        previous_config_sha256: Some(w.config.hash()),
        ..w.config.values().clone()
    })
    .unwrap();
    w.publish(&[Person::new("ben", 42).entry()]);
    let history = w.history(&ann.label(), 1);
    assert_eq!(verdict(&w, &ann.label(), history, Vec::new()), "no-recovery-key");
    // Under the new one they are.
    let mut ben = Person::new("ben", 42);
    let mut notice = ben.next_body(AccountKind::Notice);
    notice.announced = IdentityKey::from(&Person::new("x", 68).identity).announcement();
    ben.newest = notice.sign(&[(Role::Recovery, &w.keys.recovery)]).unwrap();
    w.publish(&[ben.entry()]);
    w.publish(&[Person::new("cat", 43).entry()]);
    let history = w.history(&ben.label(), 1);
    let proven = "Proven { reason: \"bad-record-signature\" }";
    assert_eq!(verdict(&w, &ben.label(), history, Vec::new()), proven);
}
