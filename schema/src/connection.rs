//! Pools of connections, and one transaction type over both databases.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as R2d2Error, Pool, PooledConnection};
use diesel::sqlite::SqliteConnection;

use crate::error::StoreError;
use crate::sqlite::{PageCache, Sqlite};
use crate::url::DatabaseUrl;

/// How long a call waits for a connection: for a free one, or for a database that is down.
pub(crate) const WAIT: Duration = Duration::from_secs(3);
/// Connections of one process.
pub(crate) const CONNECTIONS: u32 = 10;

/// Runs the same diesel expression on whichever database the transaction belongs to.
macro_rules! on_both {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::connection::Tx::Sqlite(c) => {
                let $conn: &mut diesel::sqlite::SqliteConnection = c;
                $body
            }
            $crate::connection::Tx::Postgres(c) => {
                let $conn: &mut diesel::pg::PgConnection = c;
                $body
            }
        }
    };
}
pub(crate) use on_both;

/// The first row of a query that is written for both databases.
///
/// Without `LIMIT ?` on SQLite, which reads rows one by one anyway: its planner looks at a limit's value, and so parses
/// the statement anew each time that one is bound. That was a tenth of an import, and two thirds of finding a record.
macro_rules! first {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::connection::Tx::Sqlite(conn) => {
                let conn: &mut diesel::sqlite::SqliteConnection = conn;
                $query.get_result(conn)
            }
            $crate::connection::Tx::Postgres(conn) => {
                let conn: &mut diesel::pg::PgConnection = conn;
                $query.first(conn)
            }
        }
    };
}
pub(crate) use first;

/// An open transaction; also a bare connection while migrating.
pub(crate) enum Tx<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// One SELECT: a snapshot by itself, so BEGIN and COMMIT would only cost two more round trips.
    Statement,
    /// One consistent snapshot, no writes (Postgres: REPEATABLE READ READ ONLY, so hot standbys serve it too).
    Read,
    /// Postgres: SERIALIZABLE; SQLite: BEGIN IMMEDIATE.
    Write,
}

type PostgresPool = Pool<ConnectionManager<PgConnection>>;

/// The connections of one store.
pub(crate) enum Pools {
    Sqlite(Sqlite),
    Postgres(PostgresPool),
}

/// Postgres itself refuses every write of such a session, on a primary as on a standby.
const READING: &str = "SET default_transaction_read_only = on";

/// What the connections of a store may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Everything.
    Writing,
    /// Reading only.
    Reading,
}

impl CustomizeConnection<PgConnection, R2d2Error> for Session {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), R2d2Error> {
        match self {
            Self::Writing => Ok(()),
            Self::Reading => conn.batch_execute(READING).map_err(R2d2Error::QueryError),
        }
    }
}

impl Pools {
    pub(crate) fn open(url: &DatabaseUrl, pages: PageCache) -> Result<Self, StoreError> {
        Self::open_for(url, pages, Session::Writing)
    }

    /// The connections of a process that only reads. SQLite has no such sessions: there nothing but reading is asked for.
    pub(crate) fn open_to_read(url: &DatabaseUrl) -> Result<Self, StoreError> {
        Self::open_for(url, PageCache::default(), Session::Reading)
    }

    fn open_for(url: &DatabaseUrl, pages: PageCache, session: Session) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let path = path.to_str().ok_or(StoreError::BadUrl)?;
                Sqlite::open(path, pages).map(Self::Sqlite)
            }
            DatabaseUrl::Postgres(url) => Pool::builder()
                .max_size(CONNECTIONS)
                .min_idle(Some(1))
                .connection_timeout(WAIT)
                .connection_customizer(Box::new(session))
                .build(ConnectionManager::new(url))
                .map(Self::Postgres)
                .map_err(|e| StoreError::Unreachable(e.to_string())),
        }
    }

    /// Whether a read would wait neither for a network nor for another read.
    pub(crate) fn reads_at_once(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.has_free_reader(),
            Self::Postgres(_) => false,
        }
    }

    /// A connection outside a transaction (migrations bring their own).
    pub(crate) fn bare<T>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.writing(|c| work(&mut Tx::Sqlite(c))),
            Self::Postgres(pool) => work(&mut Tx::Postgres(&mut *checkout(pool)?)),
        }
    }

    /// One attempt at a transaction: committed if `work` answers `Ok`, else rolled back.
    pub(crate) fn transaction<T>(
        &self,
        access: Access,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match (self, access) {
            (Self::Sqlite(sqlite), Access::Statement) => work(&mut Tx::Sqlite(&mut *sqlite.reader()?)),
            (Self::Postgres(pool), Access::Statement) => work(&mut Tx::Postgres(&mut *checkout(pool)?)),
            (Self::Sqlite(sqlite), Access::Read) => {
                diesel::Connection::transaction(&mut *sqlite.reader()?, |c| work(&mut Tx::Sqlite(c)))
            }
            (Self::Sqlite(sqlite), Access::Write) => {
                sqlite.writing(|c| c.immediate_transaction(|c| work(&mut Tx::Sqlite(c))))
            }
            (Self::Postgres(pool), Access::Read) => {
                let mut conn = checkout(pool)?;
                let mut transaction = conn.build_transaction().read_only().repeatable_read();
                transaction.run(|c| work(&mut Tx::Postgres(c)))
            }
            (Self::Postgres(pool), Access::Write) => {
                let mut conn = checkout(pool)?;
                let mut transaction = conn.build_transaction().serializable();
                transaction.run(|c| work(&mut Tx::Postgres(c)))
            }
        }
    }
}

pub(crate) fn checkout<C>(
    pool: &Pool<ConnectionManager<C>>,
) -> Result<PooledConnection<ConnectionManager<C>>, StoreError>
where
    C: diesel::r2d2::R2D2Connection + 'static,
{
    pool.get().map_err(|e| StoreError::Unreachable(e.to_string()))
}
