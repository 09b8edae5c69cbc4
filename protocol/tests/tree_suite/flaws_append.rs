//! Flaws of append-only proofs. Unless the rule is about roots, both roots fit what akd computes.

use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
use akd_core::{AzksElement, AzksValue, NodeLabel, SingleAppendOnlyProof};

use super::case::{Ask, Case};
use super::forge::*;
use super::message::{Kind, Msg, Val};
use super::vectors::{Flaw, flaw};

const EPOCH: u64 = 5;

fn element(label: NodeLabel, byte: u8) -> AzksElement {
    AzksElement {
        label,
        value: AzksValue([byte; 32]),
    }
}

fn root_of(nodes: Vec<(NodeLabel, AzksValue)>) -> [u8; 32] {
    if nodes.is_empty() {
        return Akd::compute_root_hash_from_val(&Akd::empty_root_value());
    }
    Node::honest(nodes).root_hash()
}

pub fn case(unchanged: &[AzksElement], inserted: &[AzksElement]) -> Case {
    let old: Vec<_> = unchanged.iter().map(|node| (node.label, node.value)).collect();
    let new = inserted.iter().map(|node| {
        (
            node.label,
            AzksValue(Akd::hash_leaf_with_commitment(node.value, EPOCH).0),
        )
    });
    let mut head = User::head(&missing(), EPOCH);
    head.root = root_of(old.iter().copied().chain(new).collect());
    let proof = SingleAppendOnlyProof {
        inserted: inserted.to_vec(),
        unchanged_nodes: unchanged.to_vec(),
    };
    Case {
        head,
        label: String::new(),
        ask: Ask::AppendOnly {
            previous: root_of(old),
        },
        proof: append_only_bytes(&proof),
    }
}

/// A case whose roots do not matter, because akd's own tree does not exist for it.
fn rootless(unchanged: &[AzksElement], inserted: &[AzksElement]) -> Case {
    let proof = SingleAppendOnlyProof {
        inserted: inserted.to_vec(),
        unchanged_nodes: unchanged.to_vec(),
    };
    Case {
        head: User::head(&missing(), EPOCH),
        label: String::new(),
        ask: Ask::AppendOnly { previous: [0; 32] },
        proof: append_only_bytes(&proof),
    }
}

/// Clean nodes: subtrees of 3 bits and more on one side, leaves everywhere.
fn honest() -> (Vec<AzksElement>, Vec<AzksElement>) {
    let leaf = |i: u8| NodeLabel::new(Akd::hash(&[i]), 256);
    let unchanged = [
        element(prefix(&leaf(1), 7), 1),
        element(prefix(&leaf(2), 9), 2),
        element(leaf(3), 3),
    ];
    (unchanged.to_vec(), (4..8).map(|i| element(leaf(i), i)).collect())
}

pub fn flaws() -> Vec<Flaw> {
    let (unchanged, inserted) = honest();
    let base = case(&unchanged, &inserted);
    assert_eq!(base.verify(), Ok(()));
    [roots(&base), labels(&unchanged, &inserted), encoding(&base)].concat()
}

fn roots(base: &Case) -> Vec<Flaw> {
    let (unchanged, _) = honest();
    let mut other_root = base.clone();
    other_root.head.root[0] ^= 1;
    let mut other_previous = base.clone();
    other_previous.ask = Ask::AppendOnly {
        previous: base.head.root,
    };
    let mut other_epoch = base.clone();
    other_epoch.head.epoch += 1;
    let mut zero = base.clone();
    zero.head.epoch = 0;
    let mut replaced = base.clone();
    let mut changed = unchanged.clone();
    changed[1].value.0[0] ^= 1;
    replaced.proof = append_only_bytes(&SingleAppendOnlyProof {
        inserted: honest().1,
        unchanged_nodes: changed,
    });
    vec![
        flaw(
            "append-only",
            "root-mismatch",
            "the roots afterwards differ",
            other_root,
        ),
        flaw(
            "append-only",
            "root-mismatch",
            "the step into another epoch",
            other_epoch,
        )
        .named("other-epoch"),
        flaw(
            "append-only",
            "previous-root-mismatch",
            "the roots before differ",
            other_previous,
        ),
        flaw(
            "append-only",
            "previous-root-mismatch",
            "an unchanged node was changed",
            replaced,
        )
        .named("unchanged-was-changed"),
        flaw("append-only", "epoch-zero", "a step into epoch 0", zero),
        flaw(
            "append-only",
            "nothing-inserted",
            "nothing inserted, nothing unchanged",
            case(&[], &[]),
        )
        .named("empty-proof"),
        flaw(
            "append-only",
            "nothing-inserted",
            "only unchanged nodes",
            case(&unchanged, &[]),
        ),
    ]
}

fn labels(unchanged: &[AzksElement], inserted: &[AzksElement]) -> Vec<Flaw> {
    let with = |mut list: Vec<AzksElement>, extra: AzksElement| {
        list.push(extra);
        list
    };
    let twice = with(inserted.to_vec(), element(inserted[0].label, 9));
    let both = with(inserted.to_vec(), element(unchanged[2].label, 9));
    let unchanged_twice = with(unchanged.to_vec(), element(unchanged[0].label, 9));
    let under = NodeLabel::new(Akd::hash(&[1]), 256);
    let prefix_of_inserted = with(inserted.to_vec(), element(under, 9));
    let prefix_of_unchanged = with(unchanged.to_vec(), element(prefix(&under, 40), 9));
    let zeros = NodeLabel::new(prefix(&under, 40).label_val, 256);
    let same_bytes = [element(zeros, 9), element(prefix(&under, 40), 10)];
    let below_many = with(
        with(inserted.to_vec(), element(under, 9)),
        element(flip(&under, 200), 10),
    );
    let short = with(
        inserted.to_vec(),
        element(prefix(&NodeLabel::new(Akd::hash(&[20]), 256), 255), 9),
    );
    let mut dirty = unchanged.to_vec();
    dirty[0].label.label_val[31] |= 1;
    let placeholder = [element(Akd::empty_label(), 9)];
    let root = [element(NodeLabel::root(), 9)];
    vec![
        flaw(
            "append-only",
            "duplicate-label",
            "a label inserted twice",
            rootless(unchanged, &twice),
        )
        .named("inserted-twice"),
        flaw(
            "append-only",
            "duplicate-label",
            "an unchanged leaf inserted again",
            rootless(unchanged, &both),
        )
        .named("inserted-over-unchanged"),
        flaw(
            "append-only",
            "duplicate-label",
            "an unchanged node twice",
            rootless(&unchanged_twice, inserted),
        )
        .named("unchanged-twice"),
        flaw(
            "append-only",
            "label-is-prefix",
            "an unchanged node above an inserted leaf",
            rootless(unchanged, &prefix_of_inserted),
        )
        .named("unchanged-above-inserted"),
        flaw(
            "append-only",
            "label-is-prefix",
            "an unchanged node above an unchanged one",
            rootless(&prefix_of_unchanged, inserted),
        )
        .named("unchanged-above-unchanged"),
        flaw(
            "append-only",
            "label-is-prefix",
            "a prefix that is written with the same bytes, behind its leaf",
            rootless(&same_bytes, inserted),
        )
        .named("prefix-with-same-bytes"),
        flaw(
            "append-only",
            "label-is-prefix",
            "an unchanged node above two inserted leaves",
            rootless(unchanged, &below_many),
        )
        .named("unchanged-above-two"),
        flaw(
            "append-only",
            "leaf-label-length",
            "an inserted label of 255 bits",
            case(unchanged, &short),
        ),
        flaw(
            "append-only",
            "bits-past-length",
            "an unchanged label with a bit past its length",
            rootless(&dirty, inserted),
        ),
        flaw(
            "append-only",
            "bits-past-length",
            "the placeholder of a missing child",
            rootless(&placeholder, inserted),
        )
        .named("placeholder"),
        flaw(
            "append-only",
            "unchanged-root",
            "the root itself as unchanged",
            rootless(&root, inserted),
        ),
    ]
}

fn encoding(base: &Case) -> Vec<Flaw> {
    let edited = |edit: &dyn Fn(&mut Msg)| {
        let mut whole = Msg::parse(Kind::AppendOnly, &base.proof);
        edit(&mut whole);
        base.with_proof(whole.encode())
    };
    let short = edited(&|m| *m.message(1, 0).field(2, 0) = Val::Bytes(vec![4; 31]));
    let padded = edited(&|m| match m.message(2, 0).message(1, 0).field(1, 0) {
        Val::Bytes(bytes) => bytes.push(0),
        other => panic!("{other:?}"),
    });
    vec![
        flaw("append-only", "hash-length", "a commitment of 31 bytes", short),
        flaw(
            "append-only",
            "label-not-minimal",
            "a label with a trailing zero byte",
            padded,
        ),
    ]
}
