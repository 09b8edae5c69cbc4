//! Several machines on one: a Postgres primary with two streaming standbys, sequencers, replicas and an auditor, all of
//! them real processes on loopback ports, joined by links that can be cut.
//!
//! * [`Databases`] are the three Postgres servers, one of them the primary.
//! * A [`Link`] stands between any two parts and can be silent, refuse, or be slow.
//! * A [`Server`] is a `keyglass-server` with its settings file; it can be killed, stopped and woken.
//! * A [`Site`] puts them together.
//!
//! Everything ends and all files go when these are dropped.

mod auditor;
mod databases;
mod link;
pub mod measure;
mod readers;
mod server;
mod shell;
mod site;

use std::time::Duration;

pub use databases::{Commits, Databases, NODES};
pub use link::Link;
pub use readers::{Asking, Figures, Readers};
pub use server::Server;
pub use site::{Plan, Site};

/// How long anything of it may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
