//! Checks whose removal no test can notice, each with the reason why it makes no difference.

use super::Mutant;

/// A check that may survive.
pub(super) struct Accepted {
    /// Path below the crate's `src`.
    pub(super) file: &'static str,
    /// The function that it stands in.
    pub(super) function: &'static str,
    /// What is done to it.
    pub(super) how: &'static str,
    /// The text of the check.
    pub(super) text: &'static str,
    /// Why its removal changes nothing.
    pub(super) why: &'static str,
}

/// Those of `auditor`. One that does not survive any more fails the run.
pub(super) const IN_AUDITOR: &[Accepted] = &[
    Accepted {
        file: "follower/advance.rs",
        function: "verify_up_to",
        how: "one part always holds",
        text: "checked.stop.is_none()",
        why: "what is good ends before the leaf that is refused, which is below the target; kept because a signature depends on it",
    },
    Accepted {
        file: "follower/start.rs",
        function: "check_last",
        how: "its outcome is ignored",
        text: "Err(Damage::NoTile.at(TILES).into())",
        why: "a subtree has a level below 64, so one of the eight turns returns; the line is there for the compiler",
    },
    Accepted {
        file: "oneshot.rs",
        function: "new",
        how: "one part never holds",
        text: "output.quiet",
        why: "lines of progress are for people who wait; no verdict depends on them",
    },
    Accepted {
        file: "oneshot.rs",
        function: "new",
        how: "one part never holds",
        text: "output.json",
        why: "lines of progress are for people who wait; no verdict depends on them",
    },
    Accepted {
        file: "oneshot.rs",
        function: "step",
        how: "one part always holds",
        text: "!self.quiet",
        why: "lines of progress are for people who wait; no verdict depends on them",
    },
    Accepted {
        file: "oneshot.rs",
        function: "step",
        how: "one part always holds",
        text: "last.elapsed() >= Duration::from_secs(1)",
        why: "lines of progress are for people who wait; no verdict depends on them",
    },
    Accepted {
        file: "step.rs",
        function: "verify_step",
        how: "never refuses",
        text: "second",
        why: "no proof is known that ours accepts and akd's refuses; that it is not asked about long ones spares memory",
    },
];

/// Those of `protocol`.
pub(super) const IN_PROTOCOL: &[Accepted] = &[
    Accepted {
        file: "call.rs",
        function: "write",
        how: "its outcome is ignored",
        text: "put_str8(out, self.account.label())?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "call.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, self.origin.as_str())?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "call.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "self.signer.write(&mut out)?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "call.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "self.peer.write(&mut out)?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "codec.rs",
        function: "base64_decode",
        how: "never refuses",
        text: "engine.encode(&bytes) == text",
        why: "the library's decoder refuses other spellings too; kept because it may not for ever",
    },
    Accepted {
        file: "epoch/standing.rs",
        function: "audited",
        how: "one part always holds",
        text: "self.audited",
        why: "without an auditor in the policy that is the shortfall; kept so that the line says what it means",
    },
    Accepted {
        file: "log/tile_path.rs",
        function: "write_index",
        how: "its outcome is ignored",
        text: "write_leading(f, rest)?",
        why: "only the formatter can fail",
    },
    Accepted {
        file: "log/tile_path.rs",
        function: "write_leading",
        how: "its outcome is ignored",
        text: "write_leading(f, index / 1000)?",
        why: "only the formatter can fail",
    },
    Accepted {
        file: "log/verify.rs",
        function: "verify_inclusion",
        how: "one part always holds",
        text: "at != 0",
        why: "at is 0 there only if last is, which was refused above; kept as RFC 9162 has it",
    },
    Accepted {
        file: "log/verify.rs",
        function: "replay",
        how: "one part always holds",
        text: "at != 0",
        why: "at is 0 there only if last is, which was refused above; kept as RFC 9162 has it",
    },
    Accepted {
        file: "note/key.rs",
        function: "from_str",
        how: "its outcome is ignored",
        text: "hex::decode_to_slice(id, &mut key_id).map_err(|_| NoteError::VkeyKeyId)?",
        why: "the next line compares the whole spelling and refuses with the same reason",
    },
    Accepted {
        file: "note/ml_dsa.rs",
        function: "ml_dsa_44_message",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, cosigner.as_str()).map_err(|_| NoteError::NameTooLong)?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "note/ml_dsa.rs",
        function: "ml_dsa_44_message",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, checkpoint.origin.as_str()).map_err(|_| NoteError::NameTooLong)?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "record/account.rs",
        function: "with_signatures",
        how: "its outcome is ignored",
        text: "signature::write(&mut bytes, signatures)?",
        why: "a record that cannot be written does not decode, which is tried next",
    },
    Accepted {
        file: "record/account.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, self.origin.as_str())?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "record/account.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, self.account.label())?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "record/alias.rs",
        function: "with_signatures",
        how: "its outcome is ignored",
        text: "signature::write(&mut bytes, signatures)?",
        why: "a record that cannot be written does not decode, which is tried next",
    },
    Accepted {
        file: "record/alias.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, self.origin.as_str())?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "record/alias.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: "put_str8(&mut out, self.alias.as_str())?",
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "record/alias.rs",
        function: "unsigned_bytes",
        how: "its outcome is ignored",
        text: r#"put_str8(&mut out, self.holder.as_ref().map_or("", |h| h.account.label()))?"#,
        why: "the type keeps the text short enough for its length byte",
    },
    Accepted {
        file: "tree/append_only.rs",
        function: "roots",
        how: "one part always holds",
        text: "!left.is_right()",
        why: "of two subtrees below the root, in the order of their labels, the first is the left one; kept so that the line says what it means",
    },
    Accepted {
        file: "tree/append_only.rs",
        function: "roots",
        how: "one part always holds",
        text: "right.is_right()",
        why: "two subtrees that both begin with 0 would have been folded into one; kept so that the line says what it means",
    },
    Accepted {
        file: "tree/many.rs",
        function: "lanes",
        how: "never refuses",
        text: "(!level.is_fallback())",
        why: "every processor here has vectors; without them the lanes are computed one by one, with the same results",
    },
    Accepted {
        file: "tree/markers.rs",
        function: "lookup_markers",
        how: "one part always holds",
        text: "*marker != version",
        why: "past markers never contain the version, and for version 1 it is the power",
    },
    Accepted {
        file: "tree/markers.rs",
        function: "past",
        how: "filters nothing",
        text: "since >> i & 1 == 1",
        why: "a clear bit gives the marker of the next set bit again, and equal neighbours are dropped",
    },
];

/// The entry that a check falls under.
pub(super) fn reason(known: &[Accepted], mutant: &Mutant) -> Option<usize> {
    known.iter().position(|a| {
        a.file == mutant.file && a.function == mutant.function && a.how == mutant.how && a.text == mutant.text
    })
}
