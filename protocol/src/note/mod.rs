//! Text formats of transparency logs: signed notes, checkpoints, cosignatures, policies, proof files.
//!
//! Sources (C2SP, c2sp.org): signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof and
//! the request body of tlog-witness. Every parser takes exactly the text that the printer gives, with
//! the exception of a policy, which people write by hand: there the printed form is the canonical one.
//!
//! What a signature proves is in the types: a [`Note`] is only text and lines, a [`SignedCheckpoint`]
//! carries a verified signature of the log.

mod add_checkpoint;
mod checkpoint;
mod cosignature;
mod error;
mod key;
mod line;
mod ml_dsa;
mod name;
mod policy;
mod policy_text;
mod proof_file;
mod signed;
mod text;

pub use add_checkpoint::{AddCheckpoint, MAX_ADD_CHECKPOINT_BYTES};
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use cosignature::{MAX_COSIGNATURE_TIME, cosign, cosignature_message};
pub use error::{NoteError, PolicyError, PolicyFlaw};
pub use key::{KeyId, KeyKind, VerifierKey};
pub use line::{SignatureLine, parse_lines};
pub use ml_dsa::{
    ML_DSA_44_PUBLIC_KEY_LEN, ML_DSA_44_SIGNATURE_LEN, MlDsa44Key, cosign_ml_dsa_44, ml_dsa_44_message,
};
pub use name::{MAX_NAME_BYTES, Origin};
pub use policy::{MAX_POLICY_BYTES, MAX_POLICY_ENTRIES, Policy, Threshold};
pub use proof_file::{MAX_TLOG_PROOF_BYTES, TlogProof};
pub use signed::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, sign_note};
pub use text::MAX_PROOF_HASHES;
