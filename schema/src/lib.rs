//! What a Keyglass directory stores, in SQLite or Postgres behind one API.
//!
//! * [`Store`] is the door: open it with a [`DatabaseUrl`] and [`StoreKeys`].
//! * Every call is one named transaction that may run twice and has no effect outside the database.
//! * Calls block. Only akd's storage trait ([`TreeStore`]) is asynchronous; it moves the work to tokio's threads for
//!   blocking calls.
//! * Time is handed in; no statement asks the database's clock, except those of the lease.
//! * Labels are found by a keyed hash; labels, records and receipts are sealed with a key that is not in the database.

pub mod auditor;
mod backup;
mod connection;
mod database;
mod error;
mod guard;
mod inspect;
mod instance;
mod keys;
mod lease;
mod log;
mod migrate;
mod number;
mod partition;
mod queue;
mod sqlite;
mod store;
mod tables;
#[cfg(any(test, feature = "test-util"))]
pub mod test_database;
mod tree;
mod url;

pub use error::StoreError;
pub use guard::{GuardRow, GuardStore};
pub use inspect::{Cursor, InspectedReceipt, InspectedState};
pub use instance::{Durability, Instance};
pub use keys::StoreKeys;
pub use lease::{Acquired, Fence, LeaseRow};
pub use log::Cosignature;
pub use partition::MAX_PARTS;
pub use queue::{
    Closing, Conditions, Conflict, Enqueued, Erasure, Frozen, GivenReceipt, Holder, NewUpdate, Noted,
    ReceiptRow, ReceiptStatus,
};
pub use sqlite::PageCache;
pub use store::{Store, Stored};
pub use tree::{AppendProof, Tree, TreeStore, wire};
pub use url::DatabaseUrl;
