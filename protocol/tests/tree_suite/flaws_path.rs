//! Flaws in the shape of a path, in membership and in non-membership. All hashes fit: the
//! operator built the tree like that.

use akd_core::{AzksValue, NodeLabel};

use super::case::Case;
use super::forge::*;
use super::message::{Kind, Msg, Val};
use super::vectors::{Flaw, flaw};

/// A user whose leaf stands deep, with room between its parent and grandparent, and whose
/// freshness is proven elsewhere.
fn deep() -> (User, Node, Vec<bool>) {
    (0..)
        .find_map(|i| {
            let user = User::new(&format!("account:{i}"), &[1]);
            let tree = Node::honest([user.leaves(), filler(24)].concat());
            let address = tree.find(&leaf_label(&user.label, Fresh, 1))?;
            let (parent, above) = (address.len().checked_sub(1)?, address.len().checked_sub(2)?);
            let bits = |n: usize| tree.clone().at(&address[..n]).label().label_len;
            let lead = tree.lead(&leaf_label(&user.label, Stale, 1));
            let apart = lead.first() != address.first();
            (apart && above >= 2 && bits(parent) >= bits(above) + 2).then_some((user, tree, address))
        })
        .unwrap()
}

pub fn flaws() -> Vec<Flaw> {
    [
        membership(),
        membership_ends(),
        membership_encoding(),
        absence(),
        absence_shape(),
    ]
    .concat()
}

fn membership() -> Vec<Flaw> {
    let (user, honest, address) = deep();
    let leaf = leaf_label(&user.label, Fresh, 1);
    let parent = &address[..address.len() - 1];
    let (side, bits) = (
        address[address.len() - 1],
        honest.clone().at(parent).label().label_len,
    );
    let edited = |edit: &dyn Fn(&mut Node)| {
        let mut tree = honest.clone();
        edit(tree.at(parent));
        user.lookup_case(&tree, 1, 3)
    };
    let set_sibling = |node: &mut Node, label: NodeLabel| {
        let sibling = Node::Leaf(label, AzksValue([5; 32]));
        let children = node.children();
        *(if side { &mut children.0 } else { &mut children.1 }) = sibling;
    };
    let not_prefix = edited(&|node| {
        node.relabel(flip(&prefix(&leaf, bits), bits - 1));
        set_sibling(node, flip(&flip(&leaf, bits - 1), bits));
    });
    let one_way = edited(&|node| {
        let children = node.children();
        let child = if side { &mut children.1 } else { &mut children.0 };
        let label = prefix(&child.label(), 200);
        let (left, right) = if bit(&leaf, 200) {
            (missing(), child.clone())
        } else {
            (child.clone(), missing())
        };
        *child = inner(label, left, right);
    });
    let own_parent = edited(&|node| {
        let children = node.children();
        let child = if side { &mut children.1 } else { &mut children.0 };
        let sibling = Node::Leaf(flip(&leaf, 255), AzksValue([5; 32]));
        *child = inner(leaf, child.clone(), sibling);
    });
    let swapped = edited(&|node| {
        let children = node.children();
        core::mem::swap(&mut children.0, &mut children.1);
    });
    let dirty = edited(&|node| {
        let mut label = node.label();
        label.label_val[31] |= 1;
        node.relabel(label);
    });
    let foreign = edited(&|node| set_sibling(node, flip(&flip(&leaf, bits - 1), bits)));
    let same_side = edited(&|node| set_sibling(node, flip(&leaf, 255)));
    vec![
        flaw(
            "path",
            "parent-not-prefix",
            "a parent whose label is no prefix of the leaf's",
            not_prefix,
        ),
        flaw(
            "path",
            "parent-not-prefix",
            "a parent with the label of the leaf",
            own_parent,
        )
        .named("parent-is-leaf"),
        flaw(
            "path",
            "direction-mismatch",
            "the leaf stands left although its bit says right",
            swapped,
        ),
        flaw(
            "path",
            "sibling-not-below-parent",
            "a sibling that does not extend the parent",
            foreign,
        ),
        flaw(
            "path",
            "siblings-on-same-side",
            "a sibling on the leaf's own side",
            same_side,
        ),
        flaw(
            "path",
            "empty-child-below-root",
            "a node below the root with one child only",
            one_way,
        ),
        flaw(
            "path",
            "bits-past-length",
            "a parent's label with a bit past its length",
            dirty,
        ),
    ]
}

/// How a path begins and ends.
fn membership_ends() -> Vec<Flaw> {
    let (user, tree, _) = deep();
    let leaf = leaf_label(&user.label, Fresh, 1);
    let with = |edit: &dyn Fn(&mut akd_core::LookupProof)| {
        let mut proof = user.lookup(&tree, 1);
        edit(&mut proof);
        user.lookup_case(&tree, 1, 3).with_proof(lookup_bytes(&proof))
    };
    let mut other_root = user.lookup_case(&tree, 1, 3);
    other_root.head.root[0] ^= 1;

    let short = with(&|proof| proof.existence_proof.label = prefix(&leaf, 255));
    let another = with(&|proof| proof.existence_proof = tree.member(&filler(1)[0].0));

    let older = User::new("account:older", &[1, 2, 3]);
    let old_tree = Node::honest([older.leaves(), filler(4)].concat());
    let mut proof = older.lookup(&old_tree, 3);
    proof.marker_proof.sibling_proofs.clear();
    proof.marker_proof.hash_val = old_tree.value();
    let empty = older
        .lookup_case(&old_tree, 3, 3)
        .with_proof(lookup_bytes(&proof));

    let (one_sided, top) = one_sided();
    let not_at_root = one_sided.lookup_case(&top, 1, 3);

    let alone = User::new("account:alone", &[1]);
    let mut lonely = Node::honest(alone.leaves());
    let children = lonely.children();
    for child in [&mut children.0, &mut children.1] {
        if let Node::Missing(value) = child {
            *value = AzksValue([9; 32]);
        }
    }
    let filled = alone.lookup_case(&lonely, 1, 1);
    vec![
        flaw(
            "path",
            "root-mismatch",
            "the path leads to another root",
            other_root,
        ),
        flaw(
            "path",
            "leaf-label-length",
            "a leaf whose label has 255 bits",
            short,
        ),
        flaw("path", "label-mismatch", "the path of another leaf", another),
        flaw("path", "empty-path", "a leaf that claims to be the root", empty),
        flaw(
            "path",
            "path-not-at-root",
            "the topmost label has a bit",
            not_at_root,
        ),
        flaw(
            "path",
            "empty-child-value",
            "a missing child with a value of its own",
            filled,
        ),
    ]
}

/// A tree whose topmost node is not the root, with a user all of whose leaves are below it.
fn one_sided() -> (User, Node) {
    let user = (0..)
        .map(|i| User::new(&format!("account:{i}"), &[1]))
        .find(|user| {
            [Fresh, Stale]
                .iter()
                .all(|f| !bit(&leaf_label(&user.label, *f, 1), 0))
        })
        .unwrap();
    let leaves = [user.leaves(), filler(24)]
        .concat()
        .into_iter()
        .filter(|(label, _)| !bit(label, 0));
    let top = Node::honest(leaves.collect()).children().0.clone();
    assert_eq!(top.label().label_len, 1);
    (user, top)
}

fn membership_encoding() -> Vec<Flaw> {
    let (user, tree, _) = deep();
    let base = user.lookup_case(&tree, 1, 3);
    let edited = |edit: &dyn Fn(&mut Msg)| {
        let mut whole = Msg::parse(Kind::Lookup, &base.proof);
        for proof in [5, 7] {
            edit(whole.message(proof, 0));
        }
        base.with_proof(whole.encode())
    };
    let bytes = |message: &mut Msg, field, edit: &dyn Fn(&mut Vec<u8>)| match message.field(field, 0) {
        Val::Bytes(bytes) => edit(bytes),
        other => panic!("no bytes: {other:?}"),
    };
    let two = edited(&|m| {
        let step = m.message(3, 1);
        let sibling = step.fields[1].clone();
        step.fields.push(sibling);
    });
    let none = edited(&|m| drop(m.message(3, 1).fields.remove(1)));
    let direction = edited(&|m| match m.message(3, 1).field(3, 0) {
        Val::Varint(n) => *n += 16,
        other => panic!("{other:?}"),
    });
    let padded = edited(&|m| bytes(m.message(3, 1).message(1, 0), 1, &|b| b.push(0)));
    let long_value = edited(&|m| bytes(m.message(3, 1).message(1, 0), 1, &|b| b.resize(33, 1)));
    let long_len = edited(&|m| *m.message(3, 1).message(1, 0).field(2, 0) = Val::Varint(257));
    let short_hash = edited(&|m| bytes(m, 2, &|b| b.truncate(31)));
    let long_sibling = edited(&|m| bytes(m.message(3, 1).message(2, 0), 2, &|b| b.push(0)));
    vec![
        flaw("path", "sibling-count", "a level with two siblings", two).named("two-siblings"),
        flaw("path", "sibling-count", "a level without sibling", none).named("no-sibling"),
        flaw("path", "bad-direction", "a direction of 16 or 17", direction),
        flaw(
            "path",
            "label-not-minimal",
            "a label with a trailing zero byte",
            padded,
        ),
        flaw("path", "label-too-long", "a label of 33 bytes", long_value).named("label-of-33-bytes"),
        flaw("path", "label-too-long", "a label of 257 bits", long_len).named("label-of-257-bits"),
        flaw("path", "hash-length", "a leaf value of 31 bytes", short_hash).named("value-of-31-bytes"),
        flaw(
            "path",
            "hash-length",
            "a sibling's value of 33 bytes",
            long_sibling,
        )
        .named("value-of-33-bytes"),
    ]
}

const NOBODY: &str = "account:nobody";

fn nobody() -> (NodeLabel, Node, Vec<bool>) {
    let label = leaf_label(NOBODY, Fresh, 1);
    let tree = Node::honest(filler(24));
    let address = tree.lead(&label);
    assert!(address.len() > 1);
    (label, tree, address)
}

fn absence() -> Vec<Flaw> {
    let (label, tree, address) = nobody();
    let with = |edit: &dyn Fn(&mut akd_core::NonMembershipProof)| {
        let mut proof = tree.absent(&label);
        edit(&mut proof);
        absence_case(NOBODY, &tree, 3, &proof)
    };
    let mut away = vec![!address[0]];
    while !matches!(tree.clone().at(&away), Node::Inner(..)) {
        away.push(true);
    }
    let elsewhere = absence_case(NOBODY, &tree, 3, &tree.absent_at(&label, &away));
    let other_leaf = leaf_label("account:other", Fresh, 1);
    let other = absence_case(NOBODY, &tree, 3, &tree.absent(&other_leaf));
    let short = with(&|proof| proof.label = prefix(&label, 255));
    let prefix_label = with(&|proof| proof.longest_prefix_membership_proof.label = prefix(&label, 1));
    let prefix_hash = with(&|proof| proof.longest_prefix_children[0].value.0[0] ^= 1);
    let mut other_root = with(&|_| {});
    other_root.head.root[0] ^= 1;

    let user = User::new("account:there", &[1]);
    let theirs = leaf_label(&user.label, Fresh, 1);
    let with_user = Node::honest([user.leaves(), filler(24)].concat());
    let lead = with_user.lead(&theirs);
    let above = absence_case(
        &user.label,
        &with_user,
        3,
        &with_user.absent_at(&theirs, &lead[..lead.len() - 1]),
    );
    let itself = absence_case(&user.label, &with_user, 3, &with_user.absent(&theirs));

    let full = with(&|_| {});
    let mut zero_root = full.with_proof(Vec::new());
    zero_root.head.epoch = 0;
    let mut zero_proof = full.clone();
    zero_proof.head.epoch = 0;
    zero_proof.head.root = *keyglass_protocol::tree::empty_root().as_bytes();
    vec![
        flaw(
            "absence",
            "child-is-prefix",
            "the label continues below a child",
            above,
        )
        .named("child-is-prefix"),
        flaw(
            "absence",
            "child-is-prefix",
            "a child is the label itself",
            itself,
        )
        .named("child-is-label"),
        flaw(
            "absence",
            "prefix-not-of-label",
            "a place that the label does not lead to",
            elsewhere,
        ),
        flaw("absence", "label-mismatch", "the absence of another label", other),
        flaw(
            "absence",
            "leaf-label-length",
            "the absence of a label of 255 bits",
            short,
        ),
        flaw(
            "absence",
            "prefix-label-mismatch",
            "the path of another node",
            prefix_label,
        ),
        flaw(
            "absence",
            "prefix-hash-mismatch",
            "children that are not those of the prefix",
            prefix_hash,
        ),
        flaw(
            "absence",
            "root-mismatch",
            "the path leads to another root",
            other_root,
        ),
        flaw(
            "absence",
            "not-empty-tree",
            "epoch 0 with a root of its own",
            zero_root,
        )
        .named("epoch-0-root"),
        flaw("absence", "not-empty-tree", "epoch 0 with a proof", zero_proof).named("epoch-0-proof"),
    ]
}

fn absence_shape() -> Vec<Flaw> {
    let (label, honest, address) = nobody();
    let edited = |edit: &dyn Fn(&mut Node)| {
        let mut tree = honest.clone();
        edit(tree.at(&address));
        absence_case(NOBODY, &tree, 3, &tree.absent_at(&label, &address))
    };
    let bits = honest.clone().at(&address).label().label_len;
    let other_side = |node: &mut Node, new: Node| {
        let children = node.children();
        *(if bit(&label, bits) {
            &mut children.0
        } else {
            &mut children.1
        }) = new;
    };
    let unrelated =
        edited(&|node| other_side(node, Node::Leaf(flip(&flip(&label, bits), 0), AzksValue([5; 32]))));
    let itself = edited(&|node| other_side(node, Node::Leaf(prefix(&label, bits), AzksValue([5; 32]))));
    let swapped = edited(&|node| {
        let children = node.children();
        core::mem::swap(&mut children.0, &mut children.1);
    });
    let half = edited(&|node| other_side(node, missing()));
    let three = extra_child(&honest, &label, 3);
    let one = extra_child(&honest, &label, 1);

    let nothing = inner(NodeLabel::root(), missing(), missing());
    let both = absence_case(NOBODY, &nothing, 3, &nothing.absent_at(&label, &[]));
    let far = filler(24)
        .into_iter()
        .find(|(leaf, _)| bit(leaf, 0) != bit(&label, 0))
        .unwrap();
    let mut filled = Node::honest(vec![far]);
    let children = filled.children();
    for child in [&mut children.0, &mut children.1] {
        if let Node::Missing(value) = child {
            *value = AzksValue([9; 32]);
        }
    }
    let filled = absence_case(NOBODY, &filled, 3, &filled.absent_at(&label, &[]));

    let (_, top) = one_sided();
    let absent = (0..)
        .map(|i| format!("account:absent{i}"))
        .find(|name| !bit(&leaf_label(name, Fresh, 1), 0));
    let absent = absent.unwrap();
    let not_at_root = absence_case(&absent, &top, 3, &top.absent(&leaf_label(&absent, Fresh, 1)));
    vec![
        flaw(
            "absence",
            "child-not-below-prefix",
            "a child with the label of its parent",
            itself,
        )
        .named("child-is-its-parent"),
        flaw(
            "absence",
            "child-not-below-prefix",
            "a child that does not extend the prefix",
            unrelated,
        ),
        flaw(
            "absence",
            "child-on-wrong-side",
            "left and right child swapped",
            swapped,
        ),
        flaw(
            "absence",
            "both-children-missing",
            "a tree without any leaf after epoch 0",
            both,
        ),
        flaw(
            "absence",
            "empty-child-below-root",
            "a node below the root lacks a child",
            half,
        ),
        flaw(
            "absence",
            "empty-child-value",
            "a missing child with a value of its own",
            filled,
        ),
        flaw(
            "absence",
            "path-not-at-root",
            "the topmost label has a bit",
            not_at_root,
        ),
        flaw("absence", "child-count", "three children", three).named("three-children"),
        flaw("absence", "child-count", "one child", one).named("one-child"),
    ]
}

fn extra_child(tree: &Node, label: &NodeLabel, count: usize) -> Case {
    let base = absence_case(NOBODY, tree, 3, &tree.absent(label));
    let mut whole = Msg::parse(Kind::NonMembership, &base.proof);
    let child = whole.field(3, 1).clone();
    whole.fields.retain(|(number, _)| *number != 3);
    whole.fields.extend((0..count).map(|_| (3, child.clone())));
    base.with_proof(whole.encode())
}
