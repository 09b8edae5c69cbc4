//! Lies about the epoch: checkpoint, cosignatures, leaf, consistency.

use keyglass_protocol::message::{Answer, B64};
use keyglass_protocol::note::{Checkpoint, Note, Origin, cosign, sign_note};
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize};

use super::{Row, Scene};
use crate::world::{AUDITOR, ORIGIN};

pub(super) const LIES: &[Row] = &[
    (
        "log-signature-missing",
        "signature-missing",
        "account:alice",
        |s| s.keep_lines(|name| name != ORIGIN),
    ),
    (
        "log-signature-by-another-key",
        "signature-bad",
        "account:alice",
        |s| {
            let key = s.world.keys.receipt.clone();
            s.replace_line(ORIGIN, |text| sign_note(ORIGIN, &key, text))
        },
    ),
    (
        "checkpoint-of-another-origin",
        "origin-mismatch",
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
        "leaf-not-included",
        "account:alice",
        |s| {
            let note = s.world.sign_checkpoint(s.world.size(), LogHash::new([9; 32]));
            Scene::with_checkpoint(s.honest("account:alice"), &note)
        },
    ),
    (
        "checkpoint-of-a-smaller-size",
        "not-last-leaf",
        "account:alice",
        |s| {
            let note = s.world.checkpoint(LogSize::new(s.world.size().get() - 1));
            Scene::with_checkpoint(s.honest("account:alice"), &note)
        },
    ),
    (
        "older-leaf-passed-off-as-the-last",
        "not-last-leaf",
        "account:alice",
        |s| {
            let epoch = s.world.epoch_proof(Epoch::new(3), s.world.size());
            Answer {
                epoch,
                ..s.honest("account:alice")
            }
        },
    ),
    ("heartbeat-missing", "heartbeat-missing", "account:alice", |s| {
        s.keep_lines(|name| !name.ends_with("/heartbeat"))
    }),
    (
        "heartbeat-by-another-key",
        "signature-bad",
        "account:alice",
        |s| {
            let (key, name, time) = (
                s.world.keys.receipt.clone(),
                s.world.keys.heartbeat_name(),
                s.world.now.seconds(),
            );
            s.replace_line(&name.clone(), |text| cosign(&name, &key, text, time))
        },
    ),
    ("cosignature-missing", "quorum-not-met", "account:alice", |s| {
        s.keep_lines(|name| name != AUDITOR)
    }),
    (
        "cosignature-of-an-unknown-key",
        "quorum-not-met",
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.receipt.clone(), s.world.now.seconds());
            s.replace_line(AUDITOR, |text| cosign("auditor.test/b", &key, text, time))
        },
    ),
    (
        "cosignature-over-another-root",
        "signature-bad",
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.auditor.clone(), s.world.now.seconds());
            let other = Checkpoint {
                root: LogHash::new([9; 32]),
                ..s.head()
            }
            .to_text();
            s.replace_line(AUDITOR, |_| cosign(AUDITOR, &key, &other, time))
        },
    ),
    (
        "leaf-with-another-tree-root",
        "leaf-not-included",
        "account:alice",
        |s| s.alter_leaf(105),
    ),
    (
        "leaf-with-another-time",
        "leaf-not-included",
        "account:alice",
        |s| s.alter_leaf(19),
    ),
    (
        "leaf-states-another-epoch",
        "epoch-not-index",
        "account:alice",
        |s| {
            let last = s.world.epoch();
            let mut leaf = *s.world.leaf(last);
            leaf.epoch = Epoch::new(last.get() + 1);
            s.world.replace_leaf(last, leaf);
            s.honest("account:alice")
        },
    ),
    (
        "leaf-of-another-configuration",
        "configuration-changed",
        "account:alice",
        |s| {
            let last = s.world.epoch();
            let mut leaf = *s.world.leaf(last);
            leaf.config = ConfigHash::new([9; 32]);
            s.world.replace_leaf(last, leaf);
            s.honest("account:alice")
        },
    ),
    (
        "consistency-proof-missing",
        "consistency-missing",
        "account:alice",
        |s| Answer {
            consistency_proof: None,
            ..s.honest("account:alice")
        },
    ),
    (
        "consistency-proof-from-another-size",
        "consistency-other-size",
        "account:alice",
        |s| {
            let from = s.seen.size.get() + 1;
            Answer {
                consistency_proof: s.world.bare_answer(Some(from)).consistency_proof,
                ..s.honest("account:alice")
            }
        },
    ),
    (
        "consistency-proof-altered",
        "inconsistent",
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.consistency_proof.as_mut().unwrap().hashes[0] = B64(vec![9; 32]);
            answer
        },
    ),
    (
        "history-rewritten-before-the-seen-head",
        "inconsistent",
        "account:alice",
        |s| {
            let mut leaf = *s.world.leaf(Epoch::new(1));
            leaf.inserted += 1;
            s.world.replace_leaf(Epoch::new(1), leaf);
            s.honest("account:alice")
        },
    ),
    ("smaller-head-than-seen", "stale-head", "account:alice", |s| {
        s.seen.size = LogSize::new(s.world.size().get() + 1);
        Answer {
            consistency_proof: None,
            ..s.world.lookup(&s.alice.label(), Some(1), None)
        }
    }),
    ("fork-at-the-seen-size", "fork", "account:alice", |s| {
        s.seen.size = s.world.size();
        s.world.lookup(&s.alice.label(), Some(1), None)
    }),
    (
        "cosignature-from-the-future",
        "clock-skew",
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.auditor.clone(), s.world.now.plus(61_000).seconds());
            s.replace_line(AUDITOR, |text| cosign(AUDITOR, &key, text, time))
        },
    ),
    ("heartbeat-from-the-future", "clock-skew", "account:alice", |s| {
        let (key, name) = (s.world.keys.heartbeat.clone(), s.world.keys.heartbeat_name());
        let time = s.world.now.plus(61_000).seconds();
        s.replace_line(&name.clone(), |text| cosign(&name, &key, text, time))
    }),
    ("leaf-from-the-future", "clock-skew", "account:alice", |s| {
        let last = s.world.epoch();
        let mut leaf = *s.world.leaf(last);
        leaf.time = leaf.time.plus(61_000);
        s.world.replace_leaf(last, leaf);
        s.honest("account:alice")
    }),
];

impl Scene {
    fn head(&self) -> Checkpoint {
        let note = self.world.checkpoint(self.world.size());
        Checkpoint::parse_text(note.text()).unwrap()
    }

    fn keep_lines(&self, keep: impl Fn(&str) -> bool) -> Answer {
        let note = self.world.checkpoint(self.world.size());
        let lines = note
            .signatures()
            .iter()
            .filter(|l| keep(&l.name))
            .cloned()
            .collect();
        Self::with_checkpoint(
            self.honest("account:alice"),
            &Note::new(note.text(), lines).unwrap(),
        )
    }

    fn replace_line(
        &self,
        name: &str,
        line: impl FnOnce(&str) -> keyglass_protocol::note::SignatureLine,
    ) -> Answer {
        let note = self.world.checkpoint(self.world.size());
        let mut lines: Vec<_> = note
            .signatures()
            .iter()
            .filter(|l| l.name != name)
            .cloned()
            .collect();
        let mut replaced = line(note.text());
        if let Some(old) = note.signatures().iter().find(|l| l.name == name)
            && replaced.name == old.name
        {
            // Under the name and id of the key it pretends to be.
            replaced.key_id = old.key_id;
        }
        lines.push(replaced);
        Self::with_checkpoint(
            self.honest("account:alice"),
            &Note::new(note.text(), lines).unwrap(),
        )
    }

    /// Signs any text with the log's, the heartbeat's and the auditor's key.
    fn sign_text(&self, text: String) -> Answer {
        let (keys, time) = (&self.world.keys, self.world.now.seconds());
        let lines = vec![
            sign_note(ORIGIN, &keys.log, &text),
            cosign(&keys.heartbeat_name(), &keys.heartbeat, &text, time),
            cosign(AUDITOR, &keys.auditor, &text, time),
        ];
        Self::with_checkpoint(self.honest("account:alice"), &Note::new(&text, lines).unwrap())
    }

    /// Changes one byte of the leaf in the answer, not in the log.
    fn alter_leaf(&self, at: usize) -> Answer {
        let mut answer = self.honest("account:alice");
        answer.epoch.leaf.0[at] ^= 1;
        answer
    }
}
