//! Which Postgres server this is, and what a commit on it survives.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::connection::Tx;
use crate::error::StoreError;
use crate::store::Store;

/// Hex digits of the timeline that this server writes to. Not the control file's: right after a promotion that one is old.
pub(crate) const TIMELINE: &str = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/// A Postgres server as it says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The system identifier: the same for a primary and all its standbys.
    pub system: String,
    /// The timeline that it writes to: a promotion begins a new one.
    pub timeline: u32,
    /// Its `cluster_name`; empty if it has none.
    pub name: String,
    /// What a commit survives.
    pub durability: Durability,
}

/// What a commit survives, by the server's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durability {
    /// Whether a commit reaches the server's own disk.
    pub fsync: bool,
    /// Whether a commit waits for any standby.
    pub synchronous: bool,
    /// The standbys that every commit waits for, all of them, sorted. Where a commit waits for one of several, none is here:
    /// each of them may lack it.
    pub complete_on: Vec<String>,
    /// `synchronous_commit` of our role. Writes that need more ask for `on` themselves.
    pub commit: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    system: String,
    #[diesel(sql_type = Text)]
    timeline: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    standbys: String,
    #[diesel(sql_type = Text)]
    fsync: String,
    #[diesel(sql_type = Text)]
    commit: String,
}

impl Store {
    /// The Postgres server behind this store.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] on SQLite; [`StoreError::Query`] also from a server that is in recovery.
    pub fn instance(&self) -> Result<Instance, StoreError> {
        self.database.pools().bare(|tx| match tx {
            Tx::Postgres(conn) => instance(conn),
            Tx::Sqlite(_) => Err(StoreError::BadUrl),
        })
    }
}

fn instance(conn: &mut PgConnection) -> Result<Instance, StoreError> {
    let row: Row = diesel::sql_query(format!(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system, {TIMELINE} AS timeline, \
         current_setting('cluster_name') AS name, current_setting('synchronous_standby_names') AS standbys, \
         current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit"
    ))
    .get_result(conn)?;
    let (synchronous, complete_on) = waited_for(&row.standbys);
    Ok(Instance {
        system: row.system,
        timeline: timeline(&row.timeline)?,
        name: row.name,
        durability: Durability {
            fsync: row.fsync == "on",
            synchronous,
            complete_on,
            commit: row.commit,
        },
    })
}

pub(crate) fn timeline(hex: &str) -> Result<u32, StoreError> {
    u32::from_str_radix(hex, 16).map_err(|_| StoreError::OutOfRange("timeline"))
}

/// What `synchronous_standby_names` says: whether a commit waits at all, and for whom it always waits.
fn waited_for(setting: &str) -> (bool, Vec<String>) {
    let setting = setting.trim();
    if setting.is_empty() {
        return (false, Vec::new());
    }
    let (count, list) = match setting.strip_suffix(')').and_then(|s| s.split_once('(')) {
        Some((head, list)) => {
            let number = head.split_whitespace().next_back().and_then(|n| n.parse().ok());
            (number.unwrap_or(1_usize), list)
        }
        None => (1, setting),
    };
    let mut names: Vec<String> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .collect();
    names.sort();
    names.dedup();
    if count < names.len() || names.iter().any(|name| name == "*" || name.is_empty()) {
        names.clear();
    }
    (true, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_standbys_that_every_commit_waits_for_are_complete() {
        for (setting, synchronous, complete) in [
            ("", false, ""),
            ("a", true, "a"),
            ("a, b", true, ""),
            ("*", true, ""),
            ("1 (a)", true, "a"),
            ("2 (b, a)", true, "a b"),
            ("FIRST 2 (a, \"b-1\")", true, "a b-1"),
            ("ANY 1 (a, b)", true, ""),
            ("any 2 (a,b)", true, "a b"),
            ("ANY 2 (a, b, c)", true, ""),
            ("2 (*)", true, ""),
            ("FIRST 2 (a, *)", true, ""),
            ("2 (a, a)", true, "a"),
        ] {
            let (waits, names) = waited_for(setting);
            assert_eq!(
                (waits, names.join(" ").as_str()),
                (synchronous, complete),
                "{setting}"
            );
        }
    }
}
