//! Promises that are worth nothing: each is signed by the receipt key, or looks like it.

use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutAnswer};
use keyglass_protocol::note::{Note, Origin, sign_note};
use keyglass_protocol::quantity::{Commitment, ConfigHash, KeyVersion, LeafLabel, Millis, Nonce};
use keyglass_protocol::receipt::{Receipt, SignedReceipt};
use keyglass_protocol::tree::{self, Freshness};

use crate::world::World;

/// Opens the commitment of every promise.
const NONCE: [u8; 32] = [5; 32];

/// One lie about an update that was sent.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptLie {
    /// Its name.
    pub name: &'static str,
    /// What is false.
    pub falsehood: &'static str,
    /// The reason with which `keyglass` must refuse it.
    pub reason: &'static str,
    /// What `keyglass` must exit with.
    pub exit: u8,
    /// The reason with which `protocol` refuses it by itself; empty: comparing is the client's part.
    pub library: &'static str,
    /// What is promised in place of the truth.
    pub promise: fn(&mut Receipt),
    /// What is changed around the signed promise.
    pub around: fn(&World, &mut PutAnswer),
}

/// Leaves the promise as it is.
fn true_promise(_: &mut Receipt) {}

/// Leaves what stands around the promise as it is.
fn as_it_is(_: &World, _: &mut PutAnswer) {}

/// All of them.
pub const RECEIPT_LIES: &[ReceiptLie] = &[
    ReceiptLie {
        name: "receipt-of-another-directory",
        falsehood: "a promise of another directory",
        reason: "receipt-other-origin",
        exit: 1,
        library: "",
        promise: |r| r.origin = Origin::new("other.test/log").unwrap(),
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-under-another-configuration",
        falsehood: "a promise under rules that are not in force",
        reason: "receipt-other-configuration",
        exit: 1,
        library: "",
        promise: |r| r.config = ConfigHash::new([9; 32]),
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-for-another-leaf",
        falsehood: "a promise about another place in the tree",
        reason: "receipt-other-leaf",
        exit: 1,
        library: "",
        promise: |r| r.leaf_label = LeafLabel::new([9; 32]),
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-for-another-record",
        falsehood: "a promise about another record",
        reason: "receipt-commitment",
        exit: 1,
        library: "receipt-other-record",
        promise: |r| r.commitment = Commitment::new([9; 32]),
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-due-too-late",
        falsehood: "a deadline later than the configuration allows",
        reason: "receipt-deadline",
        exit: 1,
        library: "",
        promise: |r| r.deadline = r.deadline.plus(1),
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-from-the-future",
        falsehood: "a promise that counts from later",
        reason: "clock-skew",
        exit: 4,
        library: "",
        promise: |r| {
            r.accepted = r.accepted.plus(600_000);
            r.deadline = r.accepted.plus(60_000);
        },
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-from-before-the-change",
        falsehood: "a promise that could never become evidence",
        reason: "receipt-too-old",
        exit: 1,
        library: "",
        promise: |r| {
            r.accepted = Millis::new(r.accepted.get() - 600_000);
            r.deadline = r.accepted.plus(60_000);
        },
        around: as_it_is,
    },
    ReceiptLie {
        name: "receipt-by-another-key",
        falsehood: "another key under the receipt key's name",
        reason: "signature-bad",
        exit: 1,
        library: "signature-bad",
        promise: true_promise,
        around: |w, answer| {
            let honest = Note::parse(answer.receipt.as_bytes()).unwrap();
            let mut line = sign_note(&w.keys.receipt_name(), &w.keys.import, honest.text());
            line.key_id = honest.signatures()[0].key_id;
            answer.receipt = text(&Note::new(honest.text(), vec![line]).unwrap());
        },
    },
    ReceiptLie {
        name: "receipt-by-the-log-key",
        falsehood: "a promise that the receipt key did not sign",
        reason: "signature-missing",
        exit: 1,
        library: "signature-missing",
        promise: true_promise,
        around: |w, answer| {
            let honest = Note::parse(answer.receipt.as_bytes()).unwrap();
            let line = sign_note(crate::world::ORIGIN, &w.keys.log, honest.text());
            answer.receipt = text(&Note::new(honest.text(), vec![line]).unwrap());
        },
    },
    ReceiptLie {
        name: "receipt-with-another-nonce",
        falsehood: "what opens the commitment",
        reason: "receipt-commitment",
        exit: 1,
        library: "receipt-other-record",
        promise: true_promise,
        around: |_, answer| answer.nonce = B64(vec![6; 32]),
    },
    ReceiptLie {
        name: "receipt-with-another-vrf-proof",
        falsehood: "the proof of where the leaf stands",
        reason: "vrf-mismatch",
        exit: 1,
        library: "vrf-mismatch",
        promise: true_promise,
        around: |_, answer| answer.vrf_proof.0[40] ^= 1,
    },
    ReceiptLie {
        name: "receipt-about-another-label",
        falsehood: "a promise to somebody else",
        reason: "receipt-other-label",
        exit: 1,
        library: "",
        promise: true_promise,
        around: |_, answer| answer.label = "account:alice".to_owned(),
    },
    ReceiptLie {
        name: "receipt-about-another-version",
        falsehood: "a promise about another version",
        reason: "receipt-other-version",
        exit: 1,
        library: "",
        promise: true_promise,
        around: |_, answer| answer.version = 2,
    },
    ReceiptLie {
        name: "receipt-under-another-id",
        falsehood: "a number under which nobody finds it again",
        reason: "receipt-other-id",
        exit: 1,
        library: "",
        promise: true_promise,
        around: |_, answer| answer.id = "00".repeat(32),
    },
];

fn text(note: &Note) -> String {
    String::from_utf8(note.to_bytes()).unwrap()
}

/// How a directory answers to an update.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// What is promised in place of the truth.
    pub promise: fn(&mut Receipt),
    /// What is changed around the signed promise.
    pub around: fn(&World, &mut PutAnswer),
}

impl Promise {
    /// An honest answer.
    pub const HONEST: Self = Self {
        promise: true_promise,
        around: as_it_is,
    };

    /// The lie's answer.
    pub const fn of(lie: &ReceiptLie) -> Self {
        Self {
            promise: lie.promise,
            around: lie.around,
        }
    }

    /// The answer to an update that was accepted at a time.
    pub fn make(
        &self,
        world: &World,
        label: &Label,
        version: KeyVersion,
        record: &[u8],
        accepted: Millis,
    ) -> PutAnswer {
        let trust = world.trust();
        let vrf_proof = world.vrf_proof(label, version.get());
        let leaf_label = tree::verify_vrf(
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
            leaf_label,
            commitment: tree::commitment(record, &Nonce::new(NONCE)),
            accepted,
            deadline: accepted.plus(trust.document().values().merge_delay_seconds * 1000),
        };
        (self.promise)(&mut receipt);
        let signed = receipt
            .sign(&world.keys.receipt_name(), &world.keys.receipt)
            .unwrap();
        let mut answer = PutAnswer {
            id: receipt.id().to_string(),
            receipt: text(signed.note()),
            vrf_proof: B64(vrf_proof),
            nonce: B64(NONCE.to_vec()),
            label: label.as_str().to_owned(),
            version: version.get(),
        };
        (self.around)(world, &mut answer);
        answer
    }
}

/// What `protocol` says by itself to the answer to an update; the rest is for the client to compare.
///
/// # Errors
/// The reason.
pub fn judge(
    world: &World,
    label: &Label,
    version: KeyVersion,
    record: &[u8],
    answer: &PutAnswer,
) -> Result<Receipt, &'static str> {
    let trust = world.trust();
    let key = &trust.document().values().receipt_vkey;
    let signed = SignedReceipt::open(answer.receipt.as_bytes(), key).map_err(|e| e.reason())?;
    tree::verify_vrf(
        trust.vrf(),
        label.as_bytes(),
        Freshness::Fresh,
        version,
        &answer.vrf_proof.0,
    )
    .map_err(|e| e.reason())?;
    let nonce = Nonce::try_from(answer.nonce.0.as_slice()).map_err(|e: FormatError| e.reason())?;
    signed
        .receipt()
        .check_opening(&nonce, record)
        .map_err(|e| e.reason())?;
    Ok(signed.receipt().clone())
}
