//! One evidence file of every kind, made by worlds whose operator broke that rule.

mod documents;

use akd::proto::specs::types::SingleAppendOnlyProof;
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::evidence::{
    BadAppend, BadLeaf, BadRecord, BrokenReceipt, Claim, EpochWithProof, Evidence, Fork, Freeze, ProvenLeaf,
    SCHEMA,
};
use keyglass_protocol::message::B64;
use keyglass_protocol::note::{Note, Origin};
use keyglass_protocol::quantity::{Commitment, Epoch, LeafLabel, LogHash, LogSize, RootHash};
use keyglass_protocol::receipt::Receipt;
use keyglass_protocol::record::{AccountKind, Role};
use protobuf::Message as _;

use self::documents::{
    ConfigFlaw, another_document, config_leaves, document_of_another_key, document_of_another_origin,
    first_document, later_document, leaf_after_the_last, no_document,
};
use crate::world::{Person, World, device};

/// An evidence file with what a stranger must find in it.
pub struct Case {
    /// Name of the file.
    pub name: &'static str,
    /// `proven` or `disputed`, or `refused` if the file shows nothing.
    pub finding: &'static str,
    /// The broken rule, or why the file shows nothing.
    pub reason: &'static str,
    /// The file.
    pub evidence: Evidence,
}

/// Name, finding, reason, and how the file is made.
type Row = (&'static str, &'static str, &'static str, fn() -> Evidence);

/// All cases: first one per kind that is proven, then files that show nothing.
pub fn all() -> Vec<Case> {
    let cases: &[Row] = &[
        ("fork", "proven", "two-roots-at-one-size", || {
            fork(LogHash::new([9; 32]))
        }),
        (
            "fork_of_leaves",
            "proven",
            "two-leaves-at-one-index",
            fork_of_leaves,
        ),
        ("bad_append", "proven", "root-mismatch", || bad_append(true)),
        ("bad_append_count", "proven", "inserted-count", bad_count),
        ("bad_leaf_time", "proven", "time-not-later", || {
            bad_leaf(|leaf| leaf.time = crate::world::FIRST_TIME)
        }),
        ("bad_leaf_epoch", "proven", "epoch-not-index", bad_leaf_epoch),
        ("bad_record", "proven", "bad-record-signature", || {
            bad_record(false)
        }),
        ("disputed_record", "disputed", "platform-vouched-change", || {
            bad_record(true)
        }),
        (
            "record_of_an_unknown_holder",
            "refused",
            "alias-account-unproven",
            unknown_holder,
        ),
        ("broken_receipt", "proven", "not-included-by-deadline", || {
            broken_receipt(Late::Leaf)
        }),
        (
            "broken_receipt_heartbeat",
            "proven",
            "heartbeat-without-update",
            || broken_receipt(Late::Heartbeat),
        ),
        ("freeze", "proven", "heartbeat-on-older-head", || freeze(true)),
        ("fork_same_head_twice", "refused", "no-contradiction", fork_same),
        (
            "fork_by_a_stranger",
            "refused",
            "signature-bad",
            fork_by_a_stranger,
        ),
        (
            "fork_of_two_sizes",
            "refused",
            "no-contradiction",
            fork_of_two_sizes,
        ),
        (
            "fork_of_leaves_at_two_places",
            "refused",
            "no-contradiction",
            || fork_of_leaves_at(2, 3, None),
        ),
        ("fork_of_one_leaf", "refused", "no-contradiction", || {
            fork_of_leaves_at(2, 2, None)
        }),
        (
            "fork_of_leaves_first_unproven",
            "refused",
            "leaf-not-included",
            || fork_of_leaves_at(2, 2, Some(0)),
        ),
        (
            "fork_of_leaves_second_unproven",
            "refused",
            "leaf-not-included",
            || fork_of_leaves_at(2, 2, Some(1)),
        ),
        ("fork_of_heads", "proven", "another-root-at-its-size", || {
            fork_of_heads(HeadsFlaw::None)
        }),
        ("fork_of_heads_in_order", "refused", "no-contradiction", || {
            fork_of_heads(HeadsFlaw::Honest)
        }),
        ("fork_of_heads_unproven", "refused", "new-root-mismatch", || {
            fork_of_heads(HeadsFlaw::OtherLarger)
        }),
        ("fork_of_heads_swapped", "refused", "size-shrinks", || {
            fork_of_heads(HeadsFlaw::Swapped)
        }),
        ("fork_of_heads_by_a_stranger", "refused", "signature-bad", || {
            fork_of_heads(HeadsFlaw::Unsigned)
        }),
        ("append_in_order", "refused", "no-contradiction", || {
            bad_append(false)
        }),
        (
            "append_with_another_proof",
            "refused",
            "other-audit-proof",
            other_audit_proof,
        ),
        (
            "append_with_an_altered_proof",
            "refused",
            "other-audit-proof",
            altered_audit_proof,
        ),
        ("bad_leaf_config", "proven", "config-vrf-key-changed", || {
            config_leaves(ConfigFlaw::None)
        }),
        (
            "leaf_config_older_is_another",
            "refused",
            "other-configuration",
            || config_leaves(ConfigFlaw::Older),
        ),
        (
            "leaf_config_newer_is_another",
            "refused",
            "other-configuration",
            || config_leaves(ConfigFlaw::Newer),
        ),
        ("leaf_config_unchanged", "refused", "no-contradiction", || {
            config_leaves(ConfigFlaw::Unchanged)
        }),
        (
            "bad_leaf_after_the_last",
            "proven",
            "log-ended",
            leaf_after_the_last,
        ),
        (
            "bad_leaf_no_document",
            "proven",
            "config-missing-field",
            no_document,
        ),
        (
            "bad_leaf_document_of_another_origin",
            "proven",
            "config-origin-changed",
            document_of_another_origin,
        ),
        (
            "bad_leaf_document_of_another_key",
            "proven",
            "config-log-key-changed",
            document_of_another_key,
        ),
        ("bad_leaf_first_document", "proven", "config-not-a-first", || {
            later_document(0)
        }),
        ("leaf_later_document", "refused", "no-contradiction", || {
            later_document(2)
        }),
        (
            "leaf_another_document",
            "refused",
            "other-configuration",
            another_document,
        ),
        (
            "leaf_first_document",
            "refused",
            "no-contradiction",
            first_document,
        ),
        ("bad_leaf_first_root", "proven", "first-root", first_root),
        (
            "bad_leaf_long_audit_proof",
            "proven",
            "audit-proof-too-long",
            long_audit_proof,
        ),
        (
            "leaves_not_neighbours",
            "refused",
            "no-contradiction",
            leaves_apart,
        ),
        (
            "leaf_outside_the_log",
            "refused",
            "leaf-not-included",
            leaf_outside_the_log,
        ),
        (
            "append_with_another_length",
            "refused",
            "other-audit-proof",
            another_length,
        ),
        (
            "record_by_its_owner",
            "refused",
            "no-contradiction",
            record_by_its_owner,
        ),
        ("leaf_in_order", "refused", "no-contradiction", || {
            bad_leaf(|_| {})
        }),
        ("receipt_kept", "refused", "no-contradiction", || {
            broken_receipt(Late::Kept)
        }),
        ("receipt_with_a_gap", "refused", "epochs-missing", || {
            broken_receipt(Late::Gap)
        }),
        ("receipt_before_its_deadline", "refused", "epochs-missing", || {
            broken_receipt(Late::NotYet)
        }),
        ("receipt_with_a_later_start", "refused", "epochs-missing", || {
            broken_receipt(Late::Beheaded)
        }),
        (
            "receipt_with_another_audit_proof",
            "refused",
            "other-audit-proof",
            || broken_receipt(Late::OtherProof),
        ),
        ("receipt_short_of_the_head", "refused", "epochs-missing", || {
            broken_receipt(Late::Short)
        }),
        (
            "receipt_of_another_configuration",
            "refused",
            "other-configuration",
            || broken_receipt(Late::OtherConfig),
        ),
        (
            "receipt_of_another_origin",
            "refused",
            "other-configuration",
            || broken_receipt(Late::OtherOrigin),
        ),
        (
            "receipt_config_never_named",
            "refused",
            "other-configuration",
            || broken_receipt(Late::Unnamed),
        ),
        ("freeze_in_order", "refused", "no-contradiction", || freeze(false)),
        (
            "freeze_the_wrong_way_round",
            "refused",
            "no-contradiction",
            freeze_swapped,
        ),
        (
            "freeze_of_another_configuration",
            "refused",
            "other-configuration",
            freeze_other_config,
        ),
    ];
    cases
        .iter()
        .map(|(name, finding, reason, make)| Case {
            name,
            finding,
            reason,
            evidence: make(),
        })
        .collect()
}

fn file(world: &World, claim: Claim) -> Evidence {
    Evidence {
        schema: SCHEMA,
        claim,
        config: B64(world.config.bytes().to_vec()),
    }
}

/// Accuses the leaves of these epochs.
fn accuse_leaves(w: &World, epochs: &[Epoch], configs: Vec<B64>) -> Evidence {
    let items = BadLeaf {
        checkpoint: text(&w.checkpoint(w.size())),
        leaves: epochs
            .iter()
            .map(|epoch| w.epoch_proof(*epoch, w.size()))
            .collect(),
        configs,
    };
    file(w, Claim::BadLeaf(items))
}

fn text(note: &Note) -> String {
    String::from_utf8(note.to_bytes()).unwrap()
}

/// Three epochs with a person each.
fn world() -> World {
    let mut world = World::new(2);
    for (i, name) in ["ann", "ben", "cat"].iter().enumerate() {
        world.publish(&[Person::new(name, 40 + i as u8).entry()]);
    }
    world
}

fn fork(other: LogHash) -> Evidence {
    let w = world();
    let checkpoints = [
        text(&w.checkpoint(w.size())),
        text(&w.sign_checkpoint(w.size(), other)),
    ];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

fn fork_same() -> Evidence {
    let mut w = world();
    let first = text(&w.checkpoint(w.size()));
    w.now = w.now.plus(60_000);
    let checkpoints = [first, text(&w.checkpoint(w.size()))];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

fn fork_by_a_stranger() -> Evidence {
    let (w, mut stranger) = (world(), World::new(3));
    stranger.publish(&[Person::new("eve", 66).entry()]);
    let mut forged = text(&stranger.checkpoint(stranger.size()));
    // Under our log's key id, as a forger would write it.
    let ours = w.checkpoint(stranger.size());
    let theirs = Note::parse(forged.as_bytes()).unwrap();
    let mut line = theirs.signatures()[0].clone();
    line.key_id = ours.signatures()[0].key_id;
    forged = text(&Note::new(theirs.text(), vec![line]).unwrap());
    let checkpoints = [text(&ours), forged];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

fn fork_of_leaves() -> Evidence {
    let mut w = world();
    let at = Epoch::new(2);
    let leaf = |w: &World| ProvenLeaf {
        checkpoint: text(&w.checkpoint(w.size())),
        epoch: w.epoch_proof(at, w.size()),
    };
    let first = leaf(&w);
    let mut other = *w.leaf(at);
    other.inserted += 1;
    w.replace_leaf(at, other);
    let leaves = Box::new([first, leaf(&w)]);
    file(&w, Claim::Fork(Fork::Leaves { leaves }))
}

/// Two heads of different sizes, as every growing log has them.
fn fork_of_two_sizes() -> Evidence {
    let w = world();
    let checkpoints = [
        text(&w.checkpoint(LogSize::new(3))),
        text(&w.checkpoint(w.size())),
    ];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

/// True leaves of one log; `unproven` names one whose bytes are altered.
fn fork_of_leaves_at(first: u64, second: u64, unproven: Option<usize>) -> Evidence {
    let w = world();
    let leaf = |at| ProvenLeaf {
        checkpoint: text(&w.checkpoint(w.size())),
        epoch: w.epoch_proof(Epoch::new(at), w.size()),
    };
    let mut leaves = Box::new([leaf(first), leaf(second)]);
    if let Some(i) = unproven {
        leaves[i].epoch.leaf.0[20] ^= 1;
    }
    file(&w, Claim::Fork(Fork::Leaves { leaves }))
}

/// What is wrong with the file.
enum HeadsFlaw {
    None,
    Honest,
    OtherLarger,
    Swapped,
    Unsigned,
}

/// A head of size 2, and a larger one with a consistency proof from its own root at that size.
fn fork_of_heads(flaw: HeadsFlaw) -> Evidence {
    let w = world();
    let (two, all) = (LogSize::new(2), w.size());
    let root = keyglass_protocol::log::root(&w, two).unwrap();
    let proof = keyglass_protocol::log::consistency_proof(&w, two, all).unwrap();
    let signed = match flaw {
        HeadsFlaw::Honest => root,
        _ => LogHash::new([9; 32]),
    };
    let mut smaller = text(&w.sign_checkpoint(two, signed));
    let mut larger = text(&w.checkpoint(all));
    match flaw {
        HeadsFlaw::OtherLarger => larger = text(&w.sign_checkpoint(all, LogHash::new([8; 32]))),
        HeadsFlaw::Swapped => std::mem::swap(&mut smaller, &mut larger),
        HeadsFlaw::Unsigned => {
            let honest = w.sign_checkpoint(two, root);
            let note = Note::parse(smaller.as_bytes()).unwrap();
            smaller = text(&Note::new(note.text(), honest.signatures().to_vec()).unwrap());
        }
        HeadsFlaw::None | HeadsFlaw::Honest => {}
    }
    let b64 = |hash: &LogHash| B64(hash.as_bytes().to_vec());
    let heads = Fork::Heads {
        smaller,
        larger,
        root: b64(&root),
        consistency_proof: proof.iter().map(b64).collect(),
    };
    file(&w, Claim::Fork(heads))
}

fn append_claim(w: &World) -> Evidence {
    let at = w.epoch();
    let items = BadAppend {
        checkpoint: text(&w.checkpoint(w.size())),
        epoch: w.epoch_proof(at, w.size()),
        audit_proof: B64(w.audit_proof(at).to_vec()),
    };
    file(w, Claim::BadAppend(items))
}

fn bad_append(bad: bool) -> Evidence {
    let mut w = world();
    if bad {
        let mut proof = SingleAppendOnlyProof::parse_from_bytes(w.audit_proof(w.epoch())).unwrap();
        proof.inserted[0].value.as_mut().unwrap()[0] ^= 1;
        w.replace_audit(
            w.epoch(),
            proof.inserted.len() as u64,
            proof.write_to_bytes().unwrap(),
        );
    }
    append_claim(&w)
}

fn bad_count() -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(w.epoch());
    leaf.inserted += 1;
    w.replace_leaf(w.epoch(), leaf);
    append_claim(&w)
}

fn other_audit_proof() -> Evidence {
    let mut evidence = append_claim(&world());
    if let Claim::BadAppend(items) = &mut evidence.claim {
        items.audit_proof.0.push(0);
    }
    evidence
}

fn altered_audit_proof() -> Evidence {
    let mut evidence = append_claim(&world());
    if let Claim::BadAppend(items) = &mut evidence.claim {
        items.audit_proof.0[40] ^= 1;
    }
    evidence
}

/// A leaf that states another length than that of its proof.
fn another_length() -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(w.epoch());
    leaf.audit_length += 1;
    w.replace_leaf(w.epoch(), leaf);
    append_claim(&w)
}

/// A leaf that states another epoch than its index, and that the log does not have.
fn leaf_outside_the_log() -> Evidence {
    let mut evidence = bad_leaf_epoch();
    if let Claim::BadLeaf(items) = &mut evidence.claim {
        items.leaves[0].leaf.0[18] ^= 1;
    }
    evidence
}

/// A version that its owner signed.
fn record_by_its_owner() -> Evidence {
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

fn leaves_apart() -> Evidence {
    let w = world();
    let leaves = vec![
        w.epoch_proof(Epoch::new(1), w.size()),
        w.epoch_proof(Epoch::new(3), w.size()),
    ];
    let checkpoint = text(&w.checkpoint(w.size()));
    file(
        &w,
        Claim::BadLeaf(BadLeaf {
            checkpoint,
            leaves,
            configs: Vec::new(),
        }),
    )
}

fn bad_leaf(edit: impl FnOnce(&mut Leaf)) -> Evidence {
    let mut w = world();
    let at = w.epoch();
    let mut leaf = *w.leaf(at);
    edit(&mut leaf);
    w.replace_leaf(at, leaf);
    accuse_leaves(&w, &[Epoch::new(at.get() - 1), at], Vec::new())
}

/// The leaf of `epoch`, changed, by itself.
fn alone(epoch: Epoch, edit: impl FnOnce(&mut Leaf)) -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(epoch);
    edit(&mut leaf);
    w.replace_leaf(epoch, leaf);
    accuse_leaves(&w, &[epoch], Vec::new())
}

fn bad_leaf_epoch() -> Evidence {
    alone(world().epoch(), |leaf| leaf.epoch = Epoch::new(9))
}

/// Somebody was in the tree before the log began.
fn first_root() -> Evidence {
    alone(Epoch::ZERO, |leaf| leaf.root = RootHash::new([1; 32]))
}

/// An audit proof that nobody would read.
fn long_audit_proof() -> Evidence {
    alone(world().epoch(), |leaf| leaf.audit_length = 1 << 40)
}

/// A device that the owner never added; or a notice, which the platform may publish and the owner may not want.
fn bad_record(vouched: bool) -> Evidence {
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
fn unknown_holder() -> Evidence {
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

/// What became of the promise.
#[derive(Clone, Copy, PartialEq)]
enum Late {
    /// A leaf later than the deadline, without the update.
    Leaf,
    /// A heartbeat later than deadline and grace, without the update.
    Heartbeat,
    /// The update is there.
    Kept,
    /// An epoch is left out of the file.
    Gap,
    /// The deadline has not passed.
    NotYet,
    /// The file starts at a leaf that is later than the acceptance.
    Beheaded,
    /// An audit proof is not the one that its leaf states.
    OtherProof,
    /// The heartbeat is late, but the file ends before the head.
    Short,
    /// The receipt names another configuration.
    OtherConfig,
    /// The receipt is another directory's.
    OtherOrigin,
    /// No leaf in the file names the configuration.
    Unnamed,
}

fn broken_receipt(late: Late) -> Evidence {
    let mut w = world();
    let accepted = w.now.plus(500);
    if late == Late::Unnamed {
        rename_config(&mut w);
    }
    let mut receipt = Receipt {
        origin: w.config.values().origin.clone(),
        config: w.config.hash(),
        leaf_label: LeafLabel::new([1; 32]),
        commitment: Commitment::new([2; 32]),
        accepted,
        deadline: accepted.plus(60_000),
    };
    w.publish(&[Person::new("dan", 50).entry()]);
    if late == Late::Kept {
        let proof = SingleAppendOnlyProof::parse_from_bytes(w.audit_proof(w.epoch())).unwrap();
        receipt.leaf_label = LeafLabel::try_from(proof.inserted[0].label.label_val()).unwrap();
        receipt.commitment = Commitment::try_from(proof.inserted[0].value()).unwrap();
    }
    match late {
        Late::OtherConfig => receipt.config = World::new(3).config.hash(),
        Late::OtherOrigin => receipt.origin = Origin::new("other.test/log").unwrap(),
        _ => {}
    }
    match late {
        Late::Heartbeat | Late::Short => w.now = receipt.deadline.plus(661_000),
        Late::NotYet => {}
        _ => {
            w.now = receipt.deadline;
            w.publish(&[Person::new("eva", 51).entry()]);
        }
    }
    let mut epochs: Vec<EpochWithProof> = (4..w.size().get())
        .map(|e| EpochWithProof {
            epoch: w.epoch_proof(Epoch::new(e), w.size()),
            audit_proof: B64(w.audit_proof(Epoch::new(e)).to_vec()),
        })
        .collect();
    let mut before = w.epoch_proof(Epoch::new(3), w.size());
    match late {
        Late::Gap | Late::Short => drop(epochs.remove(0)),
        Late::Beheaded => {
            epochs.remove(0);
            before = w.epoch_proof(Epoch::new(4), w.size());
        }
        Late::OtherProof => epochs[0].audit_proof.0[40] ^= 1,
        _ => {}
    }
    let signed = receipt.sign(&w.keys.receipt_name(), &w.keys.receipt).unwrap();
    let items = BrokenReceipt {
        receipt: text(signed.note()),
        checkpoint: text(&w.checkpoint(w.size())),
        before,
        epochs,
    };
    file(&w, Claim::BrokenReceipt(items))
}

fn freeze(bad: bool) -> Evidence {
    let mut w = world();
    let smaller_size = LogSize::new(w.size().get() - 1);
    let mut smaller = text(&w.checkpoint(smaller_size));
    w.now = w.now.plus(60_000);
    let larger = text(&w.checkpoint(w.size()));
    if bad {
        w.now = w.now.plus(60_000);
        smaller = text(&w.checkpoint(smaller_size));
    }
    let epoch = w.epoch_proof(w.epoch(), w.size());
    file(
        &w,
        Claim::Freeze(Freeze {
            smaller,
            larger,
            epoch,
        }),
    )
}

/// All leaves name another configuration than the one that the file holds.
fn rename_config(w: &mut World) {
    let ours = w.config.clone();
    w.config = World::new(3).config;
    for at in 0..w.size().get() {
        let mut leaf = *w.leaf(Epoch::new(at));
        leaf.config = w.config.hash();
        w.replace_leaf(Epoch::new(at), leaf);
    }
    w.named = Some(w.config.hash());
    w.config = ours;
}

/// Heartbeats in order, and the file calls the larger head the smaller.
fn freeze_swapped() -> Evidence {
    let mut evidence = freeze(false);
    if let Claim::Freeze(items) = &mut evidence.claim {
        std::mem::swap(&mut items.smaller, &mut items.larger);
        let w = world();
        let size = LogSize::new(w.size().get() - 1);
        items.epoch = w.epoch_proof(size.last_epoch().unwrap(), size);
    }
    evidence
}

fn freeze_other_config() -> Evidence {
    let mut evidence = freeze(true);
    let mut values = world().config.values().clone();
    values.merge_delay_seconds += 1;
    evidence.config = B64(ConfigDocument::create(&values).unwrap().bytes().to_vec());
    evidence
}
