//! Lies about who vouches for a head, and when.

use keyglass_protocol::message::Answer;
use keyglass_protocol::note::{Checkpoint, SignatureLine, cosign};
use keyglass_protocol::quantity::{LogHash, Millis, Seconds};

use super::{Row, Scene};
use crate::world::{AUDITOR, ORIGIN, WITNESS};

/// Lies about who vouches for a head, and when.
pub(super) const LIES: &[Row] = &[
    (
        "heartbeat-missing",
        "the operator does not say that this is the newest head",
        "heartbeat-missing",
        4,
        "account:alice",
        |s| s.keep_lines(|name| !name.ends_with("/heartbeat")),
    ),
    (
        "heartbeat-by-another-key",
        "another key under the heartbeat's name",
        "signature-bad",
        1,
        "account:alice",
        |s| {
            let (key, name, time) = (s.world.keys.receipt.clone(), s.heartbeat(), s.now());
            s.replace_line(&name.clone(), |text| cosign(&name, &key, text, time))
        },
    ),
    (
        "heartbeat-stale",
        "a heartbeat of ten minutes ago",
        "heartbeat-stale",
        4,
        "account:alice",
        |s| {
            let (key, name, time) = (s.world.keys.heartbeat.clone(), s.heartbeat(), s.before(600));
            s.replace_line(&name.clone(), |text| cosign(&name, &key, text, time))
        },
    ),
    (
        "heartbeat-from-the-future",
        "a heartbeat of the next ten minutes",
        "clock-skew",
        4,
        "account:alice",
        |s| {
            let (key, name, time) = (s.world.keys.heartbeat.clone(), s.heartbeat(), s.later());
            s.replace_line(&name.clone(), |text| cosign(&name, &key, text, time))
        },
    ),
    (
        "auditor-missing",
        "a head that no auditor cosigned",
        "quorum-not-met",
        4,
        "account:alice",
        |s| s.keep_lines(|name| name != AUDITOR),
    ),
    (
        "witness-missing",
        "a head that the witness of the quorum did not cosign",
        "quorum-not-met",
        4,
        "account:alice",
        |s| s.keep_lines(|name| name != WITNESS),
    ),
    (
        "auditor-twice-for-the-witness",
        "one cosigner counted twice",
        "quorum-not-met",
        4,
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.auditor.clone(), s.before(1));
            s.replace_line(WITNESS, |text| {
                let mut again = cosign(AUDITOR, &key, text, time);
                again.name = "another.test/name".to_owned();
                again
            })
        },
    ),
    (
        "cosignature-of-an-unknown-key",
        "a cosigner that the policy does not name",
        "quorum-not-met",
        4,
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.receipt.clone(), s.now());
            s.replace_line(AUDITOR, |text| cosign("auditor.test/b", &key, text, time))
        },
    ),
    (
        "cosignature-over-another-root",
        "a cosignature of another head",
        "signature-bad",
        1,
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.auditor.clone(), s.now());
            let head = Checkpoint::parse_text(s.head_note().text()).unwrap();
            let other = Checkpoint {
                root: LogHash::new([9; 32]),
                ..head
            };
            s.replace_line(AUDITOR, |_| cosign(AUDITOR, &key, &other.to_text(), time))
        },
    ),
    (
        "cosignature-by-another-key",
        "the witness's key under the auditor's name",
        "signature-bad",
        1,
        "account:alice",
        |s| {
            let (key, time) = (s.world.keys.witness.clone(), s.now());
            s.replace_line(AUDITOR, |text| cosign(AUDITOR, &key, text, time))
        },
    ),
    (
        "cosignature-with-another-time",
        "the time of a cosignature, made younger",
        "signature-bad",
        1,
        "account:alice",
        |s| s.edit_line(AUDITOR, |line| line.signature[7] ^= 1),
    ),
    (
        "cosignature-cut-off",
        "a timestamped signature that ends too early",
        "signature-length",
        1,
        "account:alice",
        |s| s.edit_line(AUDITOR, |line| line.signature.truncate(64)),
    ),
    (
        "cosignatures-stale",
        "cosignatures of two hours ago",
        "quorum-stale",
        4,
        "account:alice",
        |s| s.cosigned_at(&[AUDITOR, WITNESS], s.before(7200)),
    ),
    (
        "one-cosignature-stale",
        "a quorum of which half is two hours old",
        "quorum-stale",
        4,
        "account:alice",
        |s| s.cosigned_at(&[AUDITOR], s.before(7200)),
    ),
    (
        "cosignature-from-the-future",
        "a cosignature of the next ten minutes",
        "clock-skew",
        4,
        "account:alice",
        |s| s.cosigned_at(&[AUDITOR], s.later()),
    ),
    (
        "leaf-from-the-future",
        "an epoch of the next ten minutes",
        "clock-skew",
        4,
        "account:alice",
        |s| {
            let time = s.world.time().plus(600_000);
            s.last_leaf(|leaf| leaf.time = time)
        },
    ),
];

impl Scene {
    fn heartbeat(&self) -> String {
        self.world.keys.heartbeat_name()
    }

    fn now(&self) -> Seconds {
        self.world.time().seconds()
    }

    fn before(&self, seconds: u64) -> Seconds {
        Millis::new(self.world.time().get() - seconds * 1000).seconds()
    }

    fn later(&self) -> Seconds {
        self.world.time().plus(600_000).seconds()
    }

    fn edit_line(&self, name: &str, edit: impl FnOnce(&mut SignatureLine)) -> Answer {
        self.with_lines(|lines| edit(lines.iter_mut().find(|l| l.name == name).unwrap()))
    }

    /// Cosigns the head again at another time.
    fn cosigned_at(&self, names: &[&str], time: Seconds) -> Answer {
        let note = self.head_note();
        assert_eq!(note.signatures()[0].name, ORIGIN);
        self.with_lines(|lines| {
            for line in lines.iter_mut().filter(|l| names.contains(&l.name.as_str())) {
                let key = match line.name.as_str() {
                    AUDITOR => &self.world.keys.auditor,
                    _ => &self.world.keys.witness,
                };
                *line = cosign(&line.name, key, note.text(), time);
            }
        })
    }
}
