//! Lies about the step from one tree to the next.

use akd::{AzksElement, AzksValue, NodeLabel};
use keyglass_protocol::quantity::RootHash;

use super::{Lie, Scene, Verdict, lie};

const BAD_APPEND: Verdict = Verdict::Proven("bad-append");

const fn step(name: &'static str, reason: &'static str, tell: fn(&mut Scene)) -> Lie {
    lie(name, BAD_APPEND, reason, tell)
}

/// Changes the proof's bytes; the leaf states the result.
fn bytes(s: &mut Scene, change: impl FnOnce(&mut Vec<u8>)) {
    s.publish_with(|next| {
        change(&mut next.proof);
        next.seal();
    });
}

/// Changes the proof as akd sees it; the leaf states the result.
fn edit(s: &mut Scene, change: impl FnOnce(&mut akd::SingleAppendOnlyProof)) {
    s.publish_with(|next| next.edit(change));
}

/// The first element of the proof with another body, put before the others.
fn element(s: &mut Scene, body: impl FnOnce(&[u8]) -> Vec<u8>) {
    bytes(s, |proof| {
        // Field 1 (an inserted leaf), length-delimited, shorter than 128 bytes.
        assert_eq!(proof[0], 0x0a);
        let length = usize::from(proof[1]);
        let new = body(&proof[2..2 + length]);
        let mut out = vec![0x0a, u8::try_from(new.len()).unwrap()];
        out.extend(new);
        out.extend_from_slice(&proof[2 + length..]);
        *proof = out;
    });
}

pub(super) const LIES: &[Lie] = &[
    step("a leaf is removed from the tree", "previous-root-mismatch", |s| {
        edit(s, |p| {
            p.unchanged_nodes.pop().unwrap();
        });
    }),
    step("an old value is rewritten", "previous-root-mismatch", |s| {
        edit(s, |p| p.unchanged_nodes[0].value = AzksValue([9; 32]));
    }),
    step("the whole old tree is replaced", "previous-root-mismatch", |s| {
        edit(s, |p| p.unchanged_nodes.clear());
    }),
    step(
        "a new leaf is passed off as an old one",
        "previous-root-mismatch",
        |s| {
            s.publish_with(|next| {
                next.edit(|p| p.unchanged_nodes.push(p.inserted.pop().unwrap()));
                next.leaf.inserted -= 1;
            });
        },
    ),
    step(
        "the proof of another step is shown",
        "previous-root-mismatch",
        |s| {
            let old = s.world.newest;
            let path = format!("/log/audit/{}/{}/{}", old.epoch, old.previous_root, old.root);
            let replayed = s.world.source.file(&path).unwrap();
            bytes(s, |proof| *proof = replayed);
        },
    ),
    step("an inserted leaf is left out", "root-mismatch", |s| {
        edit(s, |p| {
            p.inserted.pop().unwrap();
        });
    }),
    step("another value is inserted", "root-mismatch", |s| {
        edit(s, |p| p.inserted[0].value = AzksValue([9; 32]));
    }),
    step("the new root is another", "root-mismatch", |s| {
        s.publish_with(|next| next.leaf.root = RootHash::new([5; 32]));
    }),
    step("a leaf is inserted twice", "duplicate-label", |s| {
        edit(s, |p| p.inserted.push(p.inserted[0]));
    }),
    step("an old subtree is named twice", "duplicate-label", |s| {
        edit(s, |p| p.unchanged_nodes.push(p.unchanged_nodes[0]));
    }),
    step(
        "an old subtree is shadowed by a new leaf",
        "label-is-prefix",
        |s| {
            edit(s, |p| {
                let below = p.inserted[0].label;
                let mut shell = below;
                shell.label_len = 1;
                shell.label_val = [below.label_val[0] & 0x80; 32];
                shell.label_val[1..].fill(0);
                p.unchanged_nodes = vec![AzksElement {
                    label: shell,
                    value: AzksValue([1; 32]),
                }];
            });
        },
    ),
    step(
        "an old subtree lies within another old one",
        "label-is-prefix",
        |s| {
            edit(s, |p| {
                let deep = p
                    .unchanged_nodes
                    .iter()
                    .max_by_key(|n| n.label.label_len)
                    .unwrap()
                    .label;
                let mut above = deep;
                above.label_len -= 1;
                let last = usize::try_from(above.label_len).unwrap();
                above.label_val[last / 8] &= !(0x80 >> (last % 8));
                p.unchanged_nodes.push(AzksElement {
                    label: above,
                    value: AzksValue([1; 32]),
                });
            });
        },
    ),
    step(
        "the old tree is passed off as unchanged as a whole",
        "unchanged-root",
        |s| {
            edit(s, |p| {
                p.unchanged_nodes = vec![AzksElement {
                    label: NodeLabel::root(),
                    value: AzksValue([1; 32]),
                }];
            });
        },
    ),
    step("a subtree is inserted whole", "leaf-label-length", |s| {
        edit(s, |p| p.inserted[0].label = NodeLabel::new([0; 32], 8));
    }),
    step("a label has bits past its length", "bits-past-length", |s| {
        edit(s, |p| {
            let shallow = p.unchanged_nodes.iter_mut().min_by_key(|n| n.label.label_len);
            shallow.unwrap().label.label_val[31] = 1;
        });
    }),
    step("a label is longer than any path", "label-too-long", |s| {
        edit(s, |p| p.unchanged_nodes[0].label.label_len = 257);
    }),
    step("nothing is inserted", "nothing-inserted", |s| {
        edit(s, |p| p.inserted.clear());
    }),
    step("more is said to be inserted", "inserted-count", |s| {
        s.publish_with(|next| next.leaf.inserted += 1);
    }),
    step("less is said to be inserted", "inserted-count", |s| {
        s.publish_with(|next| next.leaf.inserted -= 1);
    }),
    step("a value is too short", "hash-length", |s| {
        element(s, |body| {
            // The value is the element's last field: 32 bytes.
            let at = body.len() - 33;
            assert_eq!(body[at], 32);
            let mut short = body[..body.len() - 1].to_vec();
            short[at] = 31;
            short
        });
    }),
    step("an element has two values", "protobuf-duplicate-field", |s| {
        element(s, |body| {
            let mut twice = body.to_vec();
            twice.extend_from_slice(&body[body.len() - 34..]);
            twice
        });
    }),
    step("an element has no value", "protobuf-missing-field", |s| {
        element(s, |body| body[..body.len() - 34].to_vec());
    }),
    step(
        "a number is written longer than needed",
        "protobuf-varint-not-minimal",
        |s| {
            bytes(s, |proof| {
                let length = proof[1];
                proof.splice(1..2, [length | 0x80, 0]);
            });
        },
    ),
    step(
        "the proof has a field of its own",
        "protobuf-unknown-field",
        |s| {
            bytes(s, |proof| proof.extend([0x18, 1]));
        },
    ),
    step("the proof has bytes behind it", "protobuf-truncated", |s| {
        bytes(s, |proof| proof.push(0x0a));
    }),
    step("the proof is cut", "protobuf-truncated", |s| {
        bytes(s, |proof| {
            proof.pop().unwrap();
        });
    }),
    step("the proof is noise", "protobuf-bad-wire-type", |s| {
        bytes(s, |proof| proof.fill(0x0f));
    }),
];
