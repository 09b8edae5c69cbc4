//! Bringing a database to this program's schema, and refusing one that is newer.

use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{Pools, Tx};
use crate::error::StoreError;

/// Migrations for SQLite, in order.
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// Migrations for Postgres, in order.
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Migrations of an auditor's own database, in order.
const AUDITOR: EmbeddedMigrations = embed_migrations!("migrations/auditor");

diesel::table! {
    /// Where diesel notes what it has applied. Read by us, so that a session that may not write can ask.
    #[sql_name = "__diesel_schema_migrations"]
    applied (version) {
        version -> Text,
    }
}

/// Migrations of a guard's own database, in order.
const GUARD: EmbeddedMigrations = embed_migrations!("migrations/guard");

/// Advisory lock (Postgres) under which one process migrates at a time: "keyglass" in ASCII.
const LOCK: &str = "SELECT pg_advisory_lock(7738144409047544691)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(7738144409047544691)";

/// Applies what is missing.
pub(crate) fn migrate(pools: &Pools) -> Result<(), StoreError> {
    pools.bare(|tx| match tx {
        Tx::Sqlite(conn) => up(*conn, SQLITE),
        Tx::Postgres(conn) => up_alone(conn, POSTGRES),
    })
}

/// Demands that exactly this program's migrations were applied, and applies none.
pub(crate) fn demand_schema(pools: &Pools) -> Result<(), StoreError> {
    pools.bare(|tx| match tx {
        Tx::Sqlite(conn) => {
            let query = applied::table.select(applied::version);
            compare(&known::<diesel::sqlite::Sqlite>(&SQLITE)?, query.load(*conn))
        }
        Tx::Postgres(conn) => {
            let query = applied::table.select(applied::version);
            compare(&known::<diesel::pg::Pg>(&POSTGRES)?, query.load(*conn))
        }
    })
}

/// A database in which no migration was ever applied has no table of them.
fn compare(known: &[String], applied: diesel::QueryResult<Vec<String>>) -> Result<(), StoreError> {
    let applied = match applied {
        Err(diesel::result::Error::DatabaseError(_, _)) => Vec::new(),
        other => other?,
    };
    let missing = known.iter().find(|version| !applied.contains(version));
    if let Some(version) = missing {
        return Err(StoreError::OlderSchema {
            missing: version.clone(),
        });
    }
    match applied.into_iter().find(|version| !known.contains(version)) {
        Some(found) => Err(StoreError::NewerSchema { found }),
        None => Ok(()),
    }
}

fn known<B: diesel::backend::Backend>(ours: &EmbeddedMigrations) -> Result<Vec<String>, StoreError>
where
    EmbeddedMigrations: MigrationSource<B>,
{
    let migrations: Vec<Box<dyn Migration<B>>> = ours.migrations().map_err(failed)?;
    Ok(migrations
        .iter()
        .map(|m| m.name().version().to_string())
        .collect())
}

/// Applies what is missing to a guard's own database, which is always Postgres.
pub(crate) fn migrate_guard(pools: &Pools) -> Result<(), StoreError> {
    pools.bare(|tx| match tx {
        Tx::Sqlite(_) => Err(StoreError::BadUrl),
        Tx::Postgres(conn) => up_alone(conn, GUARD),
    })
}

fn up_alone(conn: &mut diesel::pg::PgConnection, ours: EmbeddedMigrations) -> Result<(), StoreError> {
    use diesel::connection::SimpleConnection as _;
    conn.batch_execute(LOCK)?;
    let done = up(conn, ours);
    conn.batch_execute(UNLOCK)?;
    done
}

/// Applies what is missing to an auditor's own database, which is always SQLite.
pub(crate) fn migrate_auditor(pools: &Pools) -> Result<(), StoreError> {
    pools.bare(|tx| match tx {
        Tx::Sqlite(conn) => up(*conn, AUDITOR),
        Tx::Postgres(_) => Err(StoreError::BadUrl),
    })
}

/// Undoes all migrations (tests: every migration can be reverted).
#[cfg(any(test, feature = "test-util"))]
pub(crate) fn revert_all(pools: &Pools) -> Result<(), StoreError> {
    pools.bare(|tx| match tx {
        Tx::Sqlite(conn) => conn.revert_all_migrations(SQLITE).map(drop).map_err(failed),
        Tx::Postgres(conn) => conn.revert_all_migrations(POSTGRES).map(drop).map_err(failed),
    })
}

fn up<B, C>(conn: &mut C, ours: EmbeddedMigrations) -> Result<(), StoreError>
where
    B: diesel::backend::Backend,
    C: MigrationHarness<B>,
    EmbeddedMigrations: MigrationSource<B>,
{
    refuse_newer(conn, &ours)?;
    conn.run_pending_migrations(ours).map(drop).map_err(failed)
}

fn refuse_newer<B, C>(conn: &mut C, ours: &EmbeddedMigrations) -> Result<(), StoreError>
where
    B: diesel::backend::Backend,
    C: MigrationHarness<B>,
    EmbeddedMigrations: MigrationSource<B>,
{
    let known: Vec<Box<dyn Migration<B>>> = ours.migrations().map_err(failed)?;
    let mut applied = conn.applied_migrations().map_err(failed)?;
    applied.sort();
    let unknown = applied
        .iter()
        .find(|version| !known.iter().any(|m| m.name().version() == **version));
    unknown.map_or(Ok(()), |version| {
        Err(StoreError::NewerSchema {
            found: version.to_string(),
        })
    })
}

fn failed(error: impl core::fmt::Display) -> StoreError {
    StoreError::Migration(error.to_string())
}
