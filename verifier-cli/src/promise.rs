//! Checking a receipt: the operator's signed promise, and that it is about our record and nothing else.

use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{KeyVersion, Millis, Nonce};
use keyglass_protocol::receipt::{Receipt, SignedReceipt};
use keyglass_protocol::tree::{self, Freshness};

use crate::exit::Exit;
use crate::report::Failure;
use crate::state::KeptReceipt;

/// Reason of a receipt under another configuration than one that is known or in force.
pub(crate) const OTHER_CONFIGURATION: &str = "receipt-other-configuration";

/// Demands that a receipt promises exactly this record as this version of the label.
pub(crate) fn check(
    trust: &Trust,
    label: &Label,
    version: KeyVersion,
    kept: &KeptReceipt,
    now: Millis,
) -> Result<Receipt, Failure> {
    if kept.label != label.as_str() {
        return Err(refuse("receipt-other-label", "it is about another label"));
    }
    if kept.version != version.get() {
        return Err(refuse("receipt-other-version", "it is about another version"));
    }
    let receipt = open(trust, kept)?;
    let values = trust.document().values();
    if receipt.origin != values.origin {
        return Err(refuse("receipt-other-origin", "it is another directory's"));
    }
    if kept.id != receipt.id().to_string() {
        return Err(refuse("receipt-other-id", "its id is not the hash of its text"));
    }
    let leaf = tree::verify_vrf(
        trust.vrf(),
        label.as_bytes(),
        Freshness::Fresh,
        version,
        &kept.vrf_proof.0,
    )
    .map_err(|e| refuse(e.reason(), &format!("its VRF proof: {e}")))?;
    if leaf != receipt.leaf_label {
        return Err(refuse(
            "receipt-other-leaf",
            "its leaf is not the one of this label and version",
        ));
    }
    let nonce = Nonce::try_from(kept.nonce.0.as_slice()).map_err(|e| refuse(e.reason(), &e.to_string()))?;
    if tree::commitment(&kept.record.0, &nonce) != receipt.commitment {
        return Err(refuse(
            "receipt-commitment",
            "its commitment does not open to the record that was sent",
        ));
    }
    let delay = values.merge_delay_seconds.saturating_mul(1000);
    if receipt.deadline.since(receipt.accepted) > delay {
        return Err(refuse(
            "receipt-deadline",
            "its deadline is later than the configuration allows",
        ));
    }
    let skew = trust.bounds().clock_skew.saturating_mul(1000);
    if receipt.accepted.since(now) > skew {
        return Err(Failure::new(
            Exit::Policy,
            "clock-skew",
            "the receipt's time lies ahead of this device's clock",
        )
        .meaning("this device's clock is wrong, or the directory's is")
        .next("set the clock, then try again"));
    }
    Ok(receipt)
}

/// Demands that a receipt for a record that was `made` just before can become evidence if it is broken.
///
/// Evidence counts from the acceptance, under the configuration of those epochs: a receipt dated before the log began,
/// or under a configuration that is no longer in force, could be broken and never be proven so.
pub(crate) fn check_new(trust: &Trust, receipt: &Receipt, made: Millis) -> Result<(), Failure> {
    if receipt.config != trust.document().hash() {
        return Err(refuse(
            OTHER_CONFIGURATION,
            "it names a configuration that is not in force",
        ));
    }
    // The two clocks may differ by as much as is forgiven elsewhere.
    let tolerance = trust.bounds().heartbeat_age.saturating_mul(1000);
    if made.since(receipt.accepted) > tolerance {
        return Err(refuse(
            "receipt-too-old",
            "it is dated before the change was made; is the clock right?",
        ));
    }
    Ok(())
}

/// The signature, by the receipt key of the configuration that the receipt names.
fn open(trust: &Trust, kept: &KeptReceipt) -> Result<Receipt, Failure> {
    let mut refused = None;
    for (_, document) in trust.config().documents().iter().rev() {
        match SignedReceipt::open(kept.receipt.as_bytes(), &document.values().receipt_vkey) {
            Ok(signed) if signed.receipt().config == document.hash() => return Ok(signed.receipt().clone()),
            Ok(_) => {
                refused = Some(refuse(
                    OTHER_CONFIGURATION,
                    "it names a configuration that is not known",
                ));
            }
            Err(e) => {
                refused.get_or_insert_with(|| refuse(e.reason(), &e.to_string()));
            }
        }
    }
    Err(refused.unwrap_or_else(|| refuse(OTHER_CONFIGURATION, "no configuration is known")))
}

fn refuse(reason: &'static str, why: &str) -> Failure {
    Failure::new(Exit::Invalid, reason, format!("the directory's receipt is worthless: {why}"))
        .checked("the receipt: signature, origin, configuration, leaf, commitment to your record, deadline")
        .meaning("the directory is broken, or does not mean to publish what you sent")
        .next("the change is kept; try again, and do not rely on it until keyglass identity show says that it is in the log")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use keyglass_protocol::message::B64;
    use keyglass_protocol::note::Origin;
    use keyglass_protocol::quantity::ConfigHash;
    use keyglass_testkit::world::{Person, World};

    use super::*;

    const NONCE: [u8; 32] = [5; 32];

    /// A receipt for the first version of an account, changed before it is signed, and the answer that carries it.
    fn promise(world: &World, change: impl FnOnce(&mut Receipt)) -> (Label, KeptReceipt) {
        let carol = Person::new("carol", 5);
        let label = carol.label();
        let vrf_proof = world.vrf_proof(&label, 1);
        let trust = world.trust();
        let version = KeyVersion::FIRST;
        let leaf = tree::verify_vrf(
            trust.vrf(),
            label.as_bytes(),
            Freshness::Fresh,
            version,
            &vrf_proof,
        )
        .unwrap();
        let mut receipt = Receipt {
            origin: trust.document().values().origin.clone(),
            config: trust.document().hash(),
            leaf_label: leaf,
            commitment: tree::commitment(carol.newest.bytes(), &Nonce::new(NONCE)),
            accepted: world.now,
            deadline: world.now.plus(60_000),
        };
        change(&mut receipt);
        let signed = receipt
            .sign(&world.keys.receipt_name(), &world.keys.receipt)
            .unwrap();
        let kept = KeptReceipt {
            id: receipt.id().to_string(),
            label: label.as_str().to_owned(),
            version: 1,
            receipt: String::from_utf8(signed.note().to_bytes()).unwrap(),
            vrf_proof: B64(vrf_proof),
            nonce: B64(NONCE.to_vec()),
            record: B64(carol.newest.bytes().to_vec()),
            kept_in: None,
        };
        (label, kept)
    }

    fn judge(world: &World, (label, kept): &(Label, KeptReceipt)) -> Result<Receipt, &'static str> {
        check(&world.trust(), label, KeyVersion::FIRST, kept, world.now).map_err(|f| f.reason)
    }

    #[test]
    fn a_promise_about_our_record_is_taken() {
        let world = World::new(1);
        let receipt = judge(&world, &promise(&world, |_| {})).unwrap();
        assert_eq!(receipt.deadline, world.now.plus(60_000));
        // A byte-identical repeat gets the first receipt, which may be old.
        assert!(
            judge(
                &world,
                &promise(&world, |r| r.accepted = Millis::new(r.accepted.get() - 60_000))
            )
            .is_err()
        );
        let earlier = |r: &mut Receipt| {
            r.accepted = Millis::new(r.accepted.get() - 600_000);
            r.deadline = r.accepted.plus(60_000);
        };
        assert!(judge(&world, &promise(&world, earlier)).is_ok());
    }

    #[test]
    fn every_signed_promise_about_something_else_is_worthless() {
        let world = World::new(1);
        let refused = |change: fn(&mut Receipt)| judge(&world, &promise(&world, change)).unwrap_err();
        assert_eq!(
            refused(|r| r.origin = Origin::new("keys.example").unwrap()),
            "receipt-other-origin"
        );
        assert_eq!(
            refused(|r| r.config = ConfigHash::new([1; 32])),
            OTHER_CONFIGURATION
        );
        assert_eq!(
            refused(|r| r.leaf_label = Default::default()),
            "receipt-other-leaf"
        );
        assert_eq!(
            refused(|r| r.commitment = Default::default()),
            "receipt-commitment"
        );
        assert_eq!(refused(|r| r.deadline = r.deadline.plus(1)), "receipt-deadline");
        assert_eq!(
            refused(|r| {
                r.accepted = r.accepted.plus(61_000);
                r.deadline = r.accepted;
            }),
            "clock-skew"
        );
    }

    #[test]
    fn everything_beside_the_receipt_is_checked_against_it() {
        let world = World::new(1);
        let refused = |change: fn(&mut KeptReceipt)| {
            let (label, mut kept) = promise(&world, |_| {});
            change(&mut kept);
            judge(&world, &(label, kept)).unwrap_err()
        };
        assert_eq!(
            refused(|k| k.label = "account:alice".into()),
            "receipt-other-label"
        );
        assert_eq!(refused(|k| k.version = 2), "receipt-other-version");
        assert_eq!(refused(|k| k.id = "00".repeat(32)), "receipt-other-id");
        assert_eq!(refused(|k| k.nonce = B64(vec![6; 32])), "receipt-commitment");
        assert_eq!(refused(|k| k.nonce = B64(vec![5; 31])), "wrong-length");
        assert_eq!(
            refused(|k| k.record = B64(b"another".to_vec())),
            "receipt-commitment"
        );
        let other = World::new(2);
        let foreign = judge(&world, &promise(&other, |_| {})).unwrap_err();
        assert!(foreign.starts_with("signature"), "{foreign}");
    }

    #[test]
    fn a_receipt_that_could_never_become_evidence_is_worthless() {
        let world = World::new(2);
        let (trust, made) = (world.trust(), world.now);
        let mut receipt = judge(&world, &promise(&world, |_| {})).unwrap();
        receipt.accepted = Millis::new(made.get() - 300_000);
        assert!(check_new(&trust, &receipt, made).is_ok());
        receipt.accepted = Millis::new(made.get() - 300_001);
        let reason = |r: &Receipt| check_new(&trust, r, made).unwrap_err().reason;
        assert_eq!(reason(&receipt), "receipt-too-old");
        receipt.accepted = made;
        receipt.config = ConfigHash::new([3; 32]);
        assert_eq!(reason(&receipt), OTHER_CONFIGURATION);
    }
}
