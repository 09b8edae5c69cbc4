//! `keyglass-auditor`: holds the operator of a directory to account.
//!
//! It follows the directory's newest signed checkpoint, verifies every step of the tree and of the epoch log, stores
//! what it verified, and only then cosigns. Its cosignature therefore means: *every audit proof up to this size was
//! verified*. What contradicts the directory's own signatures becomes a file that a stranger can check, and the
//! end of signing.
//!
//! Everything comes in from outside: settings, keys, the clock ([`clock::Clock`]) and where epochs come from
//! ([`source::EpochSource`], over HTTP or in memory). [`run::Auditor`] is the whole program; a
//! [`follower::Follower`] follows one log and does one round at a time, without ever sleeping.

pub mod alarm;
pub mod clock;
mod durable;
pub mod evidence_files;
pub mod follower;
pub mod http;
pub mod keys;
pub mod layout;
pub mod lock;
pub mod moments;
pub mod peers;
mod place;
pub mod published;
pub mod range;
pub mod refusal;
pub mod run;
pub mod settings;
pub mod shared;
pub mod source;
pub mod step;
pub mod steps;
mod window;
