//! What this device remembers: pins, heads, authorised records, own accounts, receipts.
//!
//! One file, replaced as a whole under an exclusive lock, so that a crash leaves the old or the new memory and
//! never half of one. Private keys lie beside it, each in its own file.

#[cfg(test)]
mod faults;
mod files;
mod home;
mod keys;
mod model;
mod upgrade;

pub(crate) use files::write_new;
pub(crate) use home::Home;
pub(crate) use keys::{KeyFile, Purpose};
pub(crate) use model::{
    Concern, Contact, Directory, KeptReceipt, Means, OwnAccount, OwnDevice, Pending, Pin, PinnedConfig,
    RememberedHead, State, Verification, Worry,
};
