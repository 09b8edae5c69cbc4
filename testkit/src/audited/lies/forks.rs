//! Two logs under one name, other logs, and heads that are held back.

use keyglass_protocol::quantity::{LogHash, LogSize};

use super::{Lie, Scene, Verdict, Way, lie};
use crate::audited::{START, heartbeat, note};

const FORK: Verdict = Verdict::Proven("fork");

const fn fork(name: &'static str, reason: &'static str, tell: fn(&mut Scene)) -> Lie {
    lie(name, FORK, reason, tell)
}

const fn seen_by_others(
    name: &'static str,
    verdict: Verdict,
    reason: &'static str,
    tell: fn(&mut Scene),
) -> Lie {
    Lie {
        way: Way::Watch,
        ..lie(name, verdict, reason, tell)
    }
}

fn pending(s: &Scene, checkpoint: Vec<u8>) {
    s.world.source.put("/log/pending", checkpoint);
}

fn other_root(size: u64) -> Vec<u8> {
    note(10, LogSize::new(size), LogHash::new([3; 32]))
}

/// The second entry becomes another one, whose leaf is well-formed.
fn rewrite(s: &mut Scene) {
    s.world.entries[1][19] ^= 1;
}

pub(super) const LIES: &[Lie] = &[
    fork("two roots of one size", "two-roots-at-one-size", |s| {
        pending(s, other_root(2));
    }),
    fork(
        "another past of a smaller size",
        "another-root-at-its-size",
        |s| {
            pending(s, other_root(1));
        },
    ),
    fork(
        "another past under a larger head",
        "another-root-at-its-size",
        |s| {
            rewrite(s);
            s.publish();
        },
    ),
    seen_by_others(
        "readers are shown another log",
        FORK,
        "two-roots-at-one-size",
        |s| {
            s.world.source.put("/log/checkpoint", other_root(2));
        },
    ),
    seen_by_others(
        "readers are shown another past",
        FORK,
        "another-root-at-its-size",
        |s| {
            s.world.source.put("/log/checkpoint", other_root(1));
        },
    ),
    seen_by_others(
        "the operator stands by an old head after a new one",
        Verdict::Proven("freeze"),
        "heartbeat-on-older-head",
        |s| {
            // The auditor has seen the heartbeat of second 10 on the second head.
            let old = heartbeat(&s.world.first_checkpoint(), START / 1000 + 11, Vec::new());
            s.world.source.put("/log/checkpoint", old);
        },
    ),
    lie(
        "an old head is shown as the newest",
        Verdict::Refused,
        "stale-head",
        |s| {
            let first = s.world.first_checkpoint();
            pending(s, first);
        },
    ),
    lie(
        "a head that another key signed",
        Verdict::Refused,
        "signature-missing",
        |s| {
            pending(s, note(66, LogSize::new(2), LogHash::new([3; 32])));
        },
    ),
    lie(
        "a head of another log",
        Verdict::Refused,
        "origin-mismatch",
        |s| {
            let other = String::from_utf8(s.world.checkpoint(10)).unwrap();
            pending(s, other.replace("log.example/1", "other.example/1").into_bytes());
        },
    ),
    lie(
        "a signature over another head",
        Verdict::Refused,
        "signature-bad",
        |s| {
            let ours = String::from_utf8(s.world.checkpoint(10)).unwrap();
            pending(
                s,
                ours.replace("log.example/1\n2\n", "log.example/1\n3\n")
                    .into_bytes(),
            );
        },
    ),
    lie(
        "a head with an extension line",
        Verdict::Refused,
        "checkpoint-extension",
        |s| {
            let ours = String::from_utf8(s.world.checkpoint(10)).unwrap();
            pending(s, ours.replacen("\n\n", "\nextension\n\n", 1).into_bytes());
        },
    ),
    lie(
        "a checkpoint that is none",
        Verdict::Refused,
        "note-blank-line",
        |s| {
            pending(s, b"hello\n".to_vec());
        },
    ),
];
