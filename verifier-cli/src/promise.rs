//! Checking a receipt: the operator's signed promise, and that it is about our record and nothing else.

use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{KeyVersion, Millis, Nonce};
use keyglass_protocol::receipt::{Receipt, SignedReceipt};
use keyglass_protocol::tree::{self, Freshness};

use crate::exit::Exit;
use crate::report::Failure;
use crate::state::KeptReceipt;

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

/// The signature, by the receipt key of the configuration that the receipt names.
fn open(trust: &Trust, kept: &KeptReceipt) -> Result<Receipt, Failure> {
    let mut refused = None;
    for (_, document) in trust.config().documents().iter().rev() {
        match SignedReceipt::open(kept.receipt.as_bytes(), &document.values().receipt_vkey) {
            Ok(signed) if signed.receipt().config == document.hash() => return Ok(signed.receipt().clone()),
            Ok(_) => {
                refused = Some(refuse(
                    "receipt-other-configuration",
                    "it names a configuration that is not known",
                ));
            }
            Err(e) => {
                refused.get_or_insert_with(|| refuse(e.reason(), &e.to_string()));
            }
        }
    }
    Err(refused.unwrap_or_else(|| refuse("receipt-other-configuration", "no configuration is known")))
}

fn refuse(reason: &'static str, why: &str) -> Failure {
    Failure::new(Exit::Invalid, reason, format!("the directory's receipt is worthless: {why}"))
        .checked("the receipt: signature, origin, configuration, leaf, commitment to your record, deadline")
        .meaning("the directory is broken, or does not mean to publish what you sent")
        .next("the change is kept; try again, and do not rely on it until keyglass identity show says that it is in the log")
}
