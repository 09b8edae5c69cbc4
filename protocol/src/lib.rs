//! What all parties of Keyglass agree on: bytes, signatures, proofs, verdicts.
//!
//! Keyglass is a key-transparency directory. A messaging platform hands out its users' public keys; whoever hands
//! out keys can hand out false ones. Here every key stands in an append-only Merkle directory, every state of
//! the directory is signed, independent auditors check every step before they cosign it, and every client checks
//! every answer. An operator can still lie, but not without leaving signed evidence that a stranger can check.
//!
//! This crate is the whole of what has to be right for that. It is pure: no clock, network, disk or randomness;
//! time and keys are handed in. The server, the auditor, the command line and a browser use the same code.
//!
//! # The protocol in prose
//!
//! **Labels.** Keys hang on labels ([`label`]): `account:<stable id>`, `handle:<name>`, `phone:<+E.164>`. An account
//! label carries an *account record*: identity key, whole device set, how to recover. A handle or phone carries an
//! *alias record* that points to an account. Only canonical forms exist.
//!
//! **Records** ([`record`]). A record states its origin (which directory), label, version and the hash of the
//! record before it, and is signed by the keys that its kind needs, so it can be replayed nowhere. A record's
//! bytes ARE the value in the tree.
//!
//! **The tree** ([`tree`]). The directory is akd 0.13 with `WhatsAppV1Configuration`: a Merkle Patricia tree with
//! 256-bit leaf labels. Version `v` of a label is inserted at the ECVRF output of (label, *fresh*, `v`), and when
//! `v + 1` comes, a marker at (label, *stale*, `v`). The leaf's value is `BLAKE3(commitment || u64 epoch)`, where
//! `commitment = BLAKE3(u64 len || value || u64 32 || nonce)`. Leaves are only ever added. Each state of the tree
//! is an *epoch*, numbered from 0, the empty tree.
//!
//! **The epoch log** ([`epoch`], [`log`], [`note`]). Every epoch is one leaf of an RFC 6962 log in C2SP formats; the
//! leaf's index is the epoch. The leaf binds the akd root before and after, the time, the configuration document
//! and the exact audit proof of the step. The checkpoint over the log is signed by the log's key and cosigned by
//! witnesses and auditors. An auditor's cosignature means that every audit proof up to this size was verified.
//!
//! **A lookup** ([`verify`]) is answered with a checkpoint, its last leaf and a proof in the tree at that leaf's
//! root; an absent label with a proof of absence. The verifier demands, in this order:
//!
//! 1. the log's signature, and that the leaf is the last one of the checkpoint and names the pinned configuration;
//! 2. that every head seen before is a prefix of this one;
//! 3. the quorum of its policy, containing an auditor, no older than an hour, and a heartbeat of the operator no
//!    older than five minutes ([`epoch::Standing`]);
//! 4. the akd proof, with every path checked bit by bit, and the *markers*: membership of (label, fresh, m) for
//!    every past marker version m, so that no version can be shown to a contact that the owner's own history
//!    does not show;
//! 5. the record: canonical, and made for this origin, label and version: it is now **in the log**;
//! 6. the history since the pinned record, or since version 1, each version carrying the signatures that its kind
//!    needs: it is now **authorised**. Only this is ever called verified.
//!
//! **Receipts** ([`record::receipt`]). An accepted update is answered with a signed promise: this pair of leaf label
//! and commitment enters the tree by this deadline. If it does not, the receipt is evidence.
//!
//! **Evidence** ([`evidence`]) is a file of signed statements that contradict each other or a rule. Missing data
//! is never evidence.
//!
//! **Safety numbers** ([`safety_number`]) are Signal's, over stable ids and identity keys of authorised records.
//!
//! # Bytes
//!
//! Integers are big-endian; `str8` is a u8 length and that many bytes, `bytes16` a u16 length and that many bytes.
//! Whatever does not encode again to the same bytes is refused.
//!
//! | leaf of the epoch log, 164 bytes | |
//! |---|---|
//! | 4 | `"KGE1"` |
//! | u64 | epoch |
//! | u64 | time, ms since 1970 |
//! | 32 | akd root before (zeros for epoch 0) |
//! | 32 | akd root |
//! | 32 | SHA-256 of the configuration document |
//! | u64 | entries in the audit proof's `inserted` |
//! | 32 | SHA-256 of the audit proof (zeros for epoch 0) |
//! | u64 | length of the audit proof |
//!
//! | account record, at most 16 KiB | |
//! |---|---|
//! | 4 | `"KGA1"` |
//! | u8 | kind: 1 created, 2 imported, 3 owner, 4 notice, 5 recovery, 6 closed |
//! | str8, str8 | origin, label |
//! | u64 | version |
//! | 32 | SHA-256 of the previous record (zeros for version 1) |
//! | 32 | identity key, Ed25519 |
//! | u32 | recovery delay, s |
//! | 32 | SHA-256 of the announced identity key (zeros but in a notice) |
//! | u8 n, n × | devices, ascending: u32 id, u8 uses (1 dm, 2 call), 32 X25519, 32 Ed25519, bytes16 opaque ≤ 1,024 |
//! | bytes16 | platform extension ≤ 4,096 |
//! | u8 n, n × | signatures, ascending: u8 role (1 identity, 2 previous identity, 3 import, 4 recovery), 64 |
//!
//! Signed is `"keyglass/account-record/v1\0"` and everything before the signature count.
//!
//! | alias record | |
//! |---|---|
//! | 4 | `"KGH1"` |
//! | u8 | kind: 1 claim, 2 release, 3 transfer, 4 reassign, 5 imported |
//! | str8, str8 | origin, label |
//! | u64 | version |
//! | 32 | SHA-256 of the previous record |
//! | str8 | label of the account (empty: released) |
//! | u64, 32 | the holder's account version and identity key (zeros when released) |
//! | u64, 32 | the previous holder's (zeros but in release and transfer) |
//! | u8 n, n × | signatures: u8 role (1 new holder, 2 previous holder, 3 import, 4 recovery), 64 |
//!
//! Signed is `"keyglass/alias-record/v1\0"` and everything before the signature count.
//!
//! A receipt is a signed note with the text `keyglass/receipt/v1`, origin, configuration hash, leaf label,
//! commitment, accepted ms, deadline ms, a line each. A call binding is `"KGC1"`, str8 origin, 16 call id, twice
//! (str8 label, u64 version, u32 device) of signer and peer, u8 kind, bytes16 key, u8 direction, u64 not after ms,
//! u64 epoch, 32 leaf hash, 64 signature over `"keyglass/call-binding/v1\0"` and the rest.

pub mod call;
pub mod codec;
pub mod config;
pub mod ed25519;
pub mod epoch;
pub mod error;
pub mod evidence;
pub mod label;
pub mod log;
pub mod message;
pub mod migration;
pub mod note;
pub mod problem;
pub mod quantity;
pub mod receipt;
pub mod record;
pub mod safety_number;
pub mod tree;
pub mod verify;
