//! Errors of notes, keys, checkpoints, cosignatures, policies and proof files.

use thiserror::Error;

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $reason:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* #[error($text)] $variant,)*
        }

        impl $name {
            /// Stable kebab-case name.
            pub fn reason(&self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }

            /// All variants, for tests that demand a vector for each.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

reasons! {
    /// A broken rule of a note, key, checkpoint, cosignature, proof file or witness request.
    NoteError {
        /// A key name or origin is empty.
        NameEmpty = "name-empty", "a key name is empty";
        /// A key name or origin contains a space, a plus sign or a control character.
        NameForbiddenCharacter = "name-forbidden-character",
            "a key name contains white space, a plus sign or a control character";
        /// The name of a known key is longer than 255 bytes.
        NameTooLong = "name-too-long", "a key name is longer than 255 bytes";
        /// A verifier key is not `<name>+<key id>+<base64>`.
        VkeyParts = "vkey-parts", "a verifier key is not <name>+<key id>+<base64>";
        /// The key ID of a verifier key is not 8 lower-case hex digits.
        VkeyKeyId = "vkey-key-id", "the key ID of a verifier key is not 8 lower-case hex digits";
        /// The key of a verifier key is not canonical base64.
        VkeyBase64 = "vkey-base64", "the key of a verifier key is not canonical base64";
        /// The signature type of a verifier key is none of those known here.
        VkeyType = "vkey-type", "the signature type of a verifier key is unknown";
        /// The key has another length than its type demands.
        VkeyLength = "vkey-length", "the public key has another length than its type demands";
        /// The key ID does not belong to the name and key.
        VkeyMismatch = "vkey-mismatch", "the key ID does not belong to the name and key";
        /// An Ed25519 key is no point of the curve.
        KeyNotAPoint = "key-not-a-point", "the Ed25519 key is not a point of the curve";
        /// An Ed25519 key is not the canonical encoding of its point.
        KeyNotCanonical = "key-not-canonical", "the Ed25519 key is not canonically encoded";
        /// An Ed25519 key is of low order: signatures under it say nothing.
        KeyLowOrder = "key-low-order", "the Ed25519 key is of low order";
        /// A key of this kind does not sign this.
        KeyKind = "key-kind", "a key of this kind does not sign this";
        /// The note is longer than the limit.
        NoteTooLarge = "note-too-large", "the note is too large";
        /// The note is not UTF-8.
        NoteNotUtf8 = "note-not-utf8", "the note is not UTF-8";
        /// The note contains a control character other than newline.
        NoteControlCharacter = "note-control-character", "the note contains a control character";
        /// No blank line between text and signatures.
        NoteBlankLine = "note-blank-line", "the note has no blank line before its signatures";
        /// The text of a note that is being made does not end with a newline.
        NoteText = "note-text", "the text of a note must end with a newline";
        /// No signature line.
        NoteUnsigned = "note-unsigned", "the note has no signature line";
        /// The last signature line does not end with a newline.
        NoteFinalNewline = "note-final-newline", "the note does not end with a newline";
        /// More signature lines than the limit.
        NoteTooManySignatures = "note-too-many-signatures", "the note has too many signature lines";
        /// A signature line does not begin with an em dash and a space.
        LinePrefix = "line-prefix", "a signature line does not begin with an em dash and a space";
        /// A signature line is not name, one space, base64.
        LineParts = "line-parts", "a signature line is not a name, one space and base64";
        /// A signature line's last field is not canonical base64.
        LineBase64 = "line-base64", "a signature is not canonical base64";
        /// A signature line is too short for a key ID and a signature.
        LineTooShort = "line-too-short", "a signature is too short to hold a key ID and a signature";
        /// The demanded key did not sign.
        SignatureMissing = "signature-missing", "the note is not signed by the expected key";
        /// A signature of a known key has the wrong length.
        SignatureLength = "signature-length", "a signature of a known key has the wrong length";
        /// A signature of a known key does not verify.
        SignatureBad = "signature-bad", "a signature of a known key does not verify";
        /// The timestamp of a cosignature is beyond 2^63 - 1.
        CosignatureTime = "cosignature-time", "the time of a cosignature is beyond 2^63 - 1";
        /// Fewer than three lines.
        CheckpointTruncated = "checkpoint-truncated", "the checkpoint has fewer than three lines";
        /// More than three lines.
        CheckpointExtension = "checkpoint-extension", "the checkpoint has extension lines";
        /// The size is not a canonical decimal number.
        CheckpointSize = "checkpoint-size", "the checkpoint's size is not a canonical decimal number";
        /// The root is not the canonical base64 of 32 bytes.
        CheckpointRoot = "checkpoint-root", "the checkpoint's root is not the base64 of 32 bytes";
        /// The origin is not the name of the log's key.
        OriginMismatch = "origin-mismatch", "the checkpoint's origin is not the name of the log's key";
        /// A proof hash is not the canonical base64 of 32 bytes.
        ProofHash = "proof-hash", "a line of the proof is not the base64 of 32 bytes";
        /// More proof hashes than a tree can need.
        ProofTooLong = "proof-too-long", "more than 63 lines of proof";
        /// The file or body is longer than the limit.
        FileTooLarge = "file-too-large", "the proof file or request is too large";
        /// No blank line before the checkpoint.
        FileBlankLine = "file-blank-line", "there is no blank line before the checkpoint";
        /// The lines before the checkpoint are not UTF-8.
        FileNotUtf8 = "file-not-utf8", "the lines before the checkpoint are not UTF-8";
        /// The first line is not that of a proof file.
        FileHeader = "file-header", "the first line is not c2sp.org/tlog-proof@v1";
        /// The extra data is empty or not canonical base64.
        FileExtra = "file-extra", "the extra data is empty or not canonical base64";
        /// The index line is missing or not canonical.
        FileIndex = "file-index", "the index line is missing or not canonical";
        /// The line with the old size is missing or not canonical.
        OldSize = "old-size", "the line with the old size is missing or not canonical";
    }
}

reasons! {
    /// A broken rule of a policy file, but for those of a verifier key.
    PolicyFlaw {
        /// Longer than the limit.
        TooLarge = "policy-too-large", "the policy is too large";
        /// A control character other than tab and newline.
        ControlCharacter = "policy-control-character", "the policy contains a control character";
        /// The last line does not end with a newline.
        FinalNewline = "policy-final-newline", "the policy does not end with a newline";
        /// A line begins with no known word.
        Keyword = "policy-keyword", "a line begins with none of log, witness, group, quorum";
        /// A line has too few or too many items.
        Items = "policy-items", "a line has too few or too many items";
        /// More logs, witnesses or groups than the limit.
        TooManyEntries = "policy-too-many-entries", "the policy has too many entries";
        /// A log's key cannot sign checkpoints, or a witness's key cannot cosign.
        KeyKind = "policy-key-kind", "a key is of a kind that cannot do its task";
        /// One public key twice.
        KeyTwice = "policy-key-twice", "one public key appears twice";
        /// Two keys with the same name and key ID.
        KeyAmbiguous = "policy-key-ambiguous", "two keys have the same name and key ID";
        /// The name `none` cannot be defined or be a member.
        NameReserved = "policy-name-reserved", "the name none is reserved";
        /// A name is defined twice.
        NameTwice = "policy-name-twice", "a name is defined twice";
        /// A name is used before it is defined.
        NameUndefined = "policy-name-undefined", "a name is used before it is defined";
        /// A name is a member twice.
        MemberTwice = "policy-member-twice", "a name is a member twice";
        /// A threshold is not `all`, `any` or a number from 1 to the number of members.
        Threshold = "policy-threshold", "a threshold is not all, any or a number from 1 to the members";
        /// No quorum line.
        QuorumMissing = "policy-quorum-missing", "the policy has no quorum line";
        /// More than one quorum line.
        QuorumTwice = "policy-quorum-twice", "the policy has more than one quorum line";
    }
}

/// Why a policy file is refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A rule of the policy file is broken.
    #[error("line {line}: {flaw}")]
    Flaw {
        /// Number of the line, from 1.
        line: usize,
        /// The broken rule.
        flaw: PolicyFlaw,
    },
    /// A verifier key is refused.
    #[error("line {line}: {key}")]
    Key {
        /// Number of the line, from 1.
        line: usize,
        /// The broken rule.
        key: NoteError,
    },
}

impl PolicyError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Flaw { flaw, .. } => flaw.reason(),
            Self::Key { key, .. } => key.reason(),
        }
    }
}
