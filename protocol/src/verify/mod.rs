//! From an answer to a verdict.
//!
//! Two steps that must not be confused, and so have different types:
//!
//! * **in the log** ([`InLog`]): the proof is good at a verified epoch. The operator has committed to this value
//!   before everyone, but whether the owner wanted it is not known.
//! * **authorised** ([`AuthorisedAccount`], [`AuthorisedAlias`]): every version from the pinned one, or from
//!   version 1, is in the log and carries the signatures that its kind needs. Only this is ever called verified.
//!
//! Beside both stands the epoch's [`Standing`](crate::epoch::Standing): who vouches for it, and how lately.

mod authorise;
mod error;
mod history;
mod lookup;

pub use authorise::{
    AuthorisedAccount, AuthorisedAlias, Pinned, authorise_account, authorise_alias, unchanged_account,
    unchanged_alias,
};
pub use error::{Refusal, VerdictClass};
pub use history::{HistoryInLog, history};
pub use lookup::{Found, InLog, absence, lookup, lookup_steps};
