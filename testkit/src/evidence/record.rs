//! Records that break the rules of their chain.

use keyglass_protocol::evidence::{BadRecord, Claim, Evidence};
use keyglass_protocol::label::Label;
use keyglass_protocol::record::{AccountKind, Role};

use super::{file, world};
use crate::world::{Person, World, device};

/// A version that its owner signed.
pub(super) fn record_by_its_owner() -> Evidence {
    let mut w = world();
    let mut ann = Person::new("ann", 40);
    ann.add_device(2, 41);
    w.publish(&[ann.entry()]);
    whole_history(&w, &ann.label())
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
    whole_history(&w, &ann.label())
}

/// A true claim of a handle, and the history of its holder left out: a gap in the file, not a lie.
pub(super) fn unknown_holder() -> Evidence {
    let mut w = world();
    let alias = Person::new("ann", 40).claim("handle:ann", None);
    w.publish(&[(alias.label(), alias.bytes().to_vec())]);
    whole_history(&w, &alias.label())
}

/// A file with all versions of a label, and of nobody else.
fn whole_history(w: &World, label: &Label) -> Evidence {
    let claim = BadRecord {
        label: label.as_str().to_owned(),
        history: Box::new(w.history(label, 1)),
        accounts: Vec::new(),
    };
    file(w, Claim::BadRecord(claim))
}
