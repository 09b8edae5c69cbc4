//! One evidence file of every kind, made by worlds whose operator broke that rule.

mod append;
mod documents;
mod fork;
mod freeze;
mod leaf;
mod receipt;
mod record;

use keyglass_protocol::evidence::{BadLeaf, Claim, Evidence, SCHEMA};
use keyglass_protocol::message::B64;
use keyglass_protocol::note::Note;
use keyglass_protocol::quantity::{Epoch, LogHash};

use self::append::{
    altered_audit_proof, another_length, bad_append, bad_count, leaf_outside_the_log, long_audit_proof,
    other_audit_proof,
};
use self::documents::{
    ConfigFlaw, another_document, config_leaves, document_of_another_key, document_of_another_origin,
    first_document, later_document, leaf_after_the_last, no_document,
};
use self::fork::{
    HeadsFlaw, fork, fork_by_a_stranger, fork_of_heads, fork_of_leaves, fork_of_leaves_at, fork_of_two_sizes,
    fork_same,
};
use self::freeze::{freeze, freeze_other_config, freeze_swapped};
use self::leaf::{bad_leaf, bad_leaf_epoch, first_root, leaves_apart};
use self::receipt::{Late, broken_receipt};
use self::record::{bad_record, record_by_its_owner, unknown_holder};
use crate::world::{Person, World};

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
