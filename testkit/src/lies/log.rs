//! Lies about the epoch log: checkpoint and leaf.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::message::{Answer, B64};
use keyglass_protocol::note::{Checkpoint, Note, Origin, SignatureLine, cosign, sign_note};
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize, RootHash};

use super::{Row, Scene};
use crate::world::{AUDITOR, FIRST_TIME, ORIGIN, WITNESS, World};

/// Lies about the epoch log.
pub(super) const LIES: &[Row] = &[
    (
        "log-signature-missing",
        "a checkpoint that the log did not sign",
        "signature-missing",
        1,
        "account:alice",
        |s| s.keep_lines(|name| name != ORIGIN),
    ),
    (
        "log-signature-by-another-key",
        "another key under the log's name",
        "signature-bad",
        1,
        "account:alice",
        |s| {
            let key = s.world.keys.receipt.clone();
            s.replace_line(ORIGIN, |text| sign_note(ORIGIN, &key, text))
        },
    ),
    (
        "log-signature-malleable",
        "a second spelling of the log's signature",
        "signature-bad",
        1,
        "account:alice",
        |s| {
            let key = s.world.keys.log.clone();
            s.replace_line(ORIGIN, |text| {
                let mut line = sign_note(ORIGIN, &key, text);
                super::lookup::add_group_order_at(&mut line.signature, 32);
                line
            })
        },
    ),
    (
        "log-signature-good-and-bad",
        "a bad line of the log beside a good one",
        "signature-bad",
        1,
        "account:alice",
        |s| {
            let mut bad = sign_note(ORIGIN, &s.world.keys.log, "another text\n");
            bad.key_id = s.head_note().signatures()[0].key_id;
            s.with_lines(|lines| lines.push(bad))
        },
    ),
    (
        "answer-of-another-directory",
        "another operator's log under this one's name",
        "signature-missing",
        1,
        "account:alice",
        |s| {
            let mut other = World::at(77, FIRST_TIME);
            other.signed_at = Some(s.world.time());
            other.publish(&[s.alice.entry()]);
            other.lookup(&s.alice.label(), Some(1), None)
        },
    ),
    (
        "checkpoint-of-another-origin",
        "a checkpoint made for another log",
        "origin-mismatch",
        1,
        "account:alice",
        |s| {
            s.sign_text(
                Checkpoint {
                    origin: Origin::new("other.test/log").unwrap(),
                    ..s.head()
                }
                .to_text(),
            )
        },
    ),
    (
        "checkpoint-with-another-root",
        "a root that the leaf does not lead to",
        "leaf-not-included",
        1,
        "account:alice",
        |s| {
            let note = s.world.sign_checkpoint(s.world.size(), LogHash::new([9; 32]));
            Scene::with_checkpoint(s.honest("account:alice"), &note)
        },
    ),
    (
        "checkpoint-of-a-smaller-size",
        "a checkpoint from before the leaf",
        "not-last-leaf",
        1,
        "account:alice",
        |s| {
            let note = s.world.checkpoint(LogSize::new(s.world.size().get() - 1));
            Scene::with_checkpoint(s.honest("account:alice"), &note)
        },
    ),
    (
        "checkpoint-of-the-empty-log",
        "a checkpoint that proves nothing",
        "empty-log",
        1,
        "account:alice",
        |s| {
            let head = Checkpoint {
                size: LogSize::ZERO,
                ..s.head()
            };
            s.sign_text(head.to_text())
        },
    ),
    (
        "checkpoint-with-a-leading-zero",
        "a second spelling of the size",
        "checkpoint-size",
        1,
        "account:alice",
        |s| {
            let text = s.head().to_text().replacen("\n7\n", "\n07\n", 1);
            s.sign_text(text)
        },
    ),
    (
        "checkpoint-with-an-extension",
        "a line that nobody audits",
        "checkpoint-extension",
        1,
        "account:alice",
        |s| s.sign_text(format!("{}more\n", s.head().to_text())),
    ),
    (
        "checkpoint-with-carriage-returns",
        "a note with control characters",
        "note-control-character",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.checkpoint = answer.checkpoint.replacen('\n', "\r\n", 1);
            answer
        },
    ),
    (
        "older-leaf-passed-off-as-the-last",
        "an older epoch as the newest",
        "not-last-leaf",
        1,
        "account:alice",
        |s| {
            let epoch = s.world.epoch_proof(Epoch::new(3), s.world.size());
            Answer {
                epoch,
                ..s.honest("account:alice")
            }
        },
    ),
    (
        "older-leaf-under-the-last-index",
        "an older epoch with the newest one's number",
        "leaf-not-included",
        1,
        "account:alice",
        |s| {
            let mut epoch = s.world.epoch_proof(Epoch::new(3), s.world.size());
            epoch.index = s.world.epoch().get();
            Answer {
                epoch,
                ..s.honest("account:alice")
            }
        },
    ),
    (
        "leaf-with-another-tree-root",
        "the root of the tree, in the answer only",
        "leaf-not-included",
        1,
        "account:alice",
        |s| s.alter_leaf(83),
    ),
    (
        "leaf-with-another-time",
        "the time of the epoch, in the answer only",
        "leaf-not-included",
        1,
        "account:alice",
        |s| s.alter_leaf(19),
    ),
    (
        "leaf-cut-off",
        "a leaf of 163 bytes",
        "truncated",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.epoch.leaf.0.pop();
            answer
        },
    ),
    (
        "leaf-with-trailing-bytes",
        "a leaf of 165 bytes",
        "trailing-bytes",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.epoch.leaf.0.push(0);
            answer
        },
    ),
    (
        "leaf-states-another-epoch",
        "a leaf in the log that names another place",
        "epoch-not-index",
        1,
        "account:alice",
        |s| s.last_leaf(|leaf| leaf.epoch = Epoch::new(leaf.epoch.get() + 1)),
    ),
    (
        "leaf-that-inserts-nothing",
        "a leaf in the log without a change",
        "nothing-inserted",
        1,
        "account:alice",
        |s| s.last_leaf(|leaf| leaf.inserted = 0),
    ),
    (
        "leaf-without-an-audit-proof",
        "a leaf in the log that nobody can audit",
        "no-audit",
        1,
        "account:alice",
        |s| s.last_leaf(|leaf| leaf.audit_length = 0),
    ),
    (
        "leaf-of-another-tree",
        "a leaf in the log with a root that the proofs do not lead to",
        "root-mismatch",
        1,
        "account:alice",
        |s| s.last_leaf(|leaf| leaf.root = RootHash::new([9; 32])),
    ),
    (
        "inclusion-proof-too-short",
        "a path in the log that ends too early",
        "leaf-not-included",
        1,
        "account:alice",
        |s| s.edit_inclusion(|proof| drop(proof.pop())),
    ),
    (
        "inclusion-proof-too-long",
        "a path in the log that does not end",
        "leaf-not-included",
        1,
        "account:alice",
        |s| s.edit_inclusion(|proof| proof.push(B64(vec![9; 32]))),
    ),
    (
        "inclusion-proof-altered",
        "a hash on the path in the log",
        "leaf-not-included",
        1,
        "account:alice",
        |s| s.edit_inclusion(|proof| proof[0] = B64(vec![9; 32])),
    ),
];

impl Scene {
    fn head(&self) -> Checkpoint {
        Checkpoint::parse_text(self.head_note().text()).unwrap()
    }

    pub(super) fn head_note(&self) -> Note {
        self.world.checkpoint(self.world.size())
    }

    /// The honest answer about alice with other signature lines.
    pub(super) fn with_lines(&self, edit: impl FnOnce(&mut Vec<SignatureLine>)) -> Answer {
        let note = self.head_note();
        let mut lines = note.signatures().to_vec();
        edit(&mut lines);
        let note = Note::new(note.text(), lines).unwrap();
        Self::with_checkpoint(self.honest("account:alice"), &note)
    }

    pub(super) fn keep_lines(&self, keep: impl Fn(&str) -> bool) -> Answer {
        self.with_lines(|lines| lines.retain(|l| keep(&l.name)))
    }

    /// Another line in place of the one with this name, under its key id if it keeps the name.
    pub(super) fn replace_line(&self, name: &str, line: impl FnOnce(&str) -> SignatureLine) -> Answer {
        let note = self.head_note();
        self.with_lines(|lines| {
            let place = lines.iter().position(|l| l.name == name).unwrap();
            let mut replaced = line(note.text());
            if replaced.name == name {
                replaced.key_id = lines[place].key_id;
            }
            lines.remove(place);
            lines.push(replaced);
        })
    }

    /// Signs any text with every key.
    fn sign_text(&self, text: String) -> Answer {
        let (keys, time) = (&self.world.keys, self.world.time().seconds());
        let lines = vec![
            sign_note(ORIGIN, &keys.log, &text),
            cosign(&keys.heartbeat_name(), &keys.heartbeat, &text, time),
            cosign(AUDITOR, &keys.auditor, &text, time),
            cosign(WITNESS, &keys.witness, &text, time),
        ];
        Self::with_checkpoint(self.honest("account:alice"), &Note::new(&text, lines).unwrap())
    }

    /// Changes one byte of the leaf in the answer, not in the log.
    fn alter_leaf(&self, at: usize) -> Answer {
        let mut answer = self.honest("account:alice");
        answer.epoch.leaf.0[at] ^= 1;
        answer
    }

    /// Changes the last leaf in the log, and answers honestly.
    pub(super) fn last_leaf(&mut self, edit: impl FnOnce(&mut Leaf)) -> Answer {
        self.edit_last_leaf(edit);
        self.honest("account:alice")
    }

    fn edit_inclusion(&self, edit: impl FnOnce(&mut Vec<B64>)) -> Answer {
        let mut answer = self.honest("account:alice");
        edit(&mut answer.epoch.inclusion_proof);
        answer
    }
}
