//! Records that break the rules of their chain.

use keyglass_protocol::evidence::{BadRecord, Claim, Evidence};
use keyglass_protocol::record::{AccountKind, Role};

use super::{file, world};
use crate::world::{Person, device};

/// A version that its owner signed.
pub(super) fn record_by_its_owner() -> Evidence {
    let mut w = world();
    let mut ann = Person::new("ann", 40);
    ann.add_device(2, 41);
    w.publish(&[ann.entry()]);
    let claim = BadRecord {
        label: ann.label().as_str().to_owned(),
        history: Box::new(w.history(&ann.label(), 1)),
        accounts: Vec::new(),
    };
    file(&w, Claim::BadRecord(claim))
}

/// A device that the owner never added; or a notice, which the platform may publish and the owner may not want.
pub(super) fn bad_record(vouched: bool) -> Evidence {
    let mut w = world();
    let ann = Person::new("ann", 40);
    let record = if vouched {
        let mut body = ann.next_body(AccountKind::Notice);
        body.announced =
            keyglass_protocol::record::IdentityKey::from(&Person::new("x", 66).identity).announcement();
        body.sign(&[(Role::Recovery, &w.keys.recovery)]).unwrap()
    } else {
        let mut body = ann.next_body(AccountKind::Owner);
        body.devices.push(device(66, 66));
        body.sign(&[(Role::Identity, &w.keys.log)]).unwrap()
    };
    w.publish(&[(ann.label(), record.bytes().to_vec())]);
    let history = Box::new(w.history(&ann.label(), 1));
    let label = ann.label().as_str().to_owned();
    file(
        &w,
        Claim::BadRecord(BadRecord {
            label,
            history,
            accounts: Vec::new(),
        }),
    )
}

/// A true claim of a handle, and the history of its holder left out: a gap in the file, not a lie.
pub(super) fn unknown_holder() -> Evidence {
    let mut w = world();
    let alias = Person::new("ann", 40).claim("handle:ann", None);
    w.publish(&[(alias.label(), alias.bytes().to_vec())]);
    let history = Box::new(w.history(&alias.label(), 1));
    let label = alias.label().as_str().to_owned();
    file(
        &w,
        Claim::BadRecord(BadRecord {
            label,
            history,
            accounts: Vec::new(),
        }),
    )
}
