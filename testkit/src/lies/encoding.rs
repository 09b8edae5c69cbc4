//! Answers that say the same in another way, or nothing at all.

use keyglass_protocol::message::Answer;

use super::{Row, Scene};

/// Answers that say the same in another way, or nothing at all.
pub(super) const LIES: &[Row] = &[
    (
        "answer-cut-off",
        "half an answer",
        "bad-json",
        65,
        "account:alice",
        |s| s.send(|text| text.truncate(text.len() / 2)),
    ),
    (
        "answer-with-something-behind-it",
        "a second object behind the answer",
        "bad-json",
        65,
        "account:alice",
        |s| s.send(|text| text.push_str("{}")),
    ),
    (
        "answer-with-a-field-twice",
        "two checkpoints in one answer",
        "bad-json",
        65,
        "account:alice",
        |s| s.send(|text| text.insert_str(1, "\"checkpoint\":\"\",")),
    ),
    (
        "answer-with-base64-that-is-not-canonical",
        "a second spelling of the leaf",
        "bad-json",
        65,
        "account:alice",
        |s| {
            s.send(|text| {
                let at = text.find("\"leaf\":\"").unwrap() + 8;
                let end = at + text[at..].find('"').unwrap();
                // 164 bytes leave two characters of padding away from a multiple of three.
                let padded = text[at..end].trim_end_matches('=').len() + at;
                text.replace_range(padded..end, "");
            })
        },
    ),
    (
        "answer-in-another-language",
        "a page of a proxy in between",
        "bad-json",
        65,
        "account:alice",
        |s| s.send(|text| *text = "<html><body>Please log in</body></html>".to_owned()),
    ),
    (
        "answer-nested-without-end",
        "brackets that never close",
        "bad-json",
        65,
        "account:alice",
        |s| s.send(|text| *text = "[".repeat(1 << 20)),
    ),
];

impl Scene {
    /// The honest answer about alice, its text changed.
    fn send(&mut self, edit: impl FnOnce(&mut String)) -> Answer {
        let answer = self.honest("account:alice");
        let mut text = serde_json::to_string(&answer).unwrap();
        edit(&mut text);
        self.raw = Some(text.into_bytes());
        answer
    }
}
