//! One fresh database per test, real SQLite and real Postgres (feature `test-util`).
//!
//! Postgres is the machine's own: one cluster per test process, started on first use in a temporary directory, reachable
//! by its unix socket only, and gone when the process is gone, however it ends. A missing Postgres fails
//! the test and says what to install.

mod cluster;
mod dump;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::connection::Pools;
use crate::error::StoreError;
use crate::keys::StoreKeys;
use crate::migrate::{migrate, revert_all};
use crate::sqlite::PageCache;
use crate::store::Store;
use crate::url::DatabaseUrl;
pub use cluster::{Cluster, give_to_unprivileged, postgres_programs};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary directory.
    Sqlite,
    /// A database of this process's cluster.
    Postgres,
}

/// A database that nobody else uses. Dropping it removes it.
pub struct TestDatabase {
    backend: Backend,
    url: DatabaseUrl,
    place: Place,
    /// Into how many parts [`Self::open`] splits the large tables.
    parts: Option<u16>,
}

enum Place {
    File(tempfile::TempDir),
    Shared { cluster: &'static Cluster, name: String },
    Own(Mutex<Option<Cluster>>),
}

/// Runs a test on a fresh SQLite database, on a fresh Postgres database, and on one whose large tables are split.
pub fn on_both(test: impl Fn(&TestDatabase)) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        test(&TestDatabase::new(backend));
    }
    test(&TestDatabase::partitioned());
}

/// Answers of a query with one text column named `line`, on any Postgres server.
///
/// # Errors
/// The server is not to be had or refuses.
pub fn lines_of(url: &str, sql: &str) -> Result<Vec<String>, String> {
    let mut conn = PgConnection::establish(url).map_err(|e| e.to_string())?;
    let lines: QueryResult<Vec<Line>> = diesel::sql_query(sql).load(&mut conn);
    Ok(lines
        .map_err(|e| e.to_string())?
        .into_iter()
        .map(|line| line.line)
        .collect())
}

/// Runs SQL on any Postgres server.
///
/// # Errors
/// As [`lines_of`].
pub fn execute_on(url: &str, sql: &str) -> Result<(), String> {
    let mut conn = PgConnection::establish(url).map_err(|e| e.to_string())?;
    conn.batch_execute(sql).map_err(|e| e.to_string())
}

fn shared_cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start().unwrap_or_else(|why| panic!("{why}")))
}

impl TestDatabase {
    /// An empty database without any table.
    ///
    /// # Panics
    /// If it cannot be made; without Postgres with a message that says what to install.
    pub fn new(backend: Backend) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        match backend {
            Backend::Sqlite => Self::sqlite(),
            Backend::Postgres => {
                let cluster = shared_cluster();
                let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                cluster.execute(&format!("CREATE DATABASE {name} TEMPLATE template0"));
                let url = DatabaseUrl::Postgres(cluster.url(&name));
                Self {
                    backend,
                    url,
                    place: Place::Shared { cluster, name },
                    parts: None,
                }
            }
        }
    }

    /// A Postgres database whose large tables are split when it is opened.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn partitioned() -> Self {
        let mut this = Self::new(Backend::Postgres);
        this.parts = Some(4);
        this
    }

    /// As [`Self::new`], but on a cluster of its own that [`Self::kill`] can stop.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn on_own_server(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite(),
            Backend::Postgres => {
                let cluster = Cluster::start().unwrap_or_else(|why| panic!("{why}"));
                let url = DatabaseUrl::Postgres(cluster.url("postgres"));
                Self {
                    backend,
                    url,
                    place: Place::Own(Mutex::new(Some(cluster))),
                    parts: None,
                }
            }
        }
    }

    fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let url = DatabaseUrl::sqlite(&dir.path().join("test.sqlite"));
        Self {
            backend: Backend::Sqlite,
            url,
            place: Place::File(dir),
            parts: None,
        }
    }

    /// Which one it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Where it is.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// The keys that [`Self::open`] uses.
    pub fn keys() -> StoreKeys {
        StoreKeys::from_secret(b"a secret for tests, thirty-two b")
    }

    /// Opens the store, migrating it.
    ///
    /// # Panics
    /// If that fails.
    pub fn open(&self) -> Store {
        let store = Store::open(&self.url, Self::keys())
            .unwrap_or_else(|e| panic!("cannot open {:?}: {e}", self.backend));
        if let Some(parts) = self.parts {
            match store.partition(parts) {
                Ok(()) | Err(StoreError::AlreadyPartitioned) => {}
                Err(e) => panic!("cannot split the tables: {e}"),
            }
        }
        store
    }

    /// Runs SQL past the store, to break things.
    ///
    /// # Panics
    /// If the database refuses.
    pub fn execute(&self, sql: &str) {
        let done = match &self.url {
            DatabaseUrl::Sqlite(_) => self.sqlite_connection().batch_execute(sql),
            DatabaseUrl::Postgres(_) => self.postgres_connection().batch_execute(sql),
        };
        done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// Rows of a table.
    ///
    /// # Panics
    /// If the database refuses.
    pub fn count(&self, table: &str) -> usize {
        self.lines(&format!("SELECT CAST(count(*) AS TEXT) AS line FROM {table}"))
            .first()
            .and_then(|line| line.parse().ok())
            .unwrap_or_else(|| panic!("no count of {table}"))
    }

    /// Answers of a query with one text column named `line`.
    ///
    /// # Panics
    /// If the database refuses.
    pub fn lines(&self, sql: &str) -> Vec<String> {
        let query = diesel::sql_query(sql);
        let lines: QueryResult<Vec<Line>> = match &self.url {
            DatabaseUrl::Sqlite(_) => query.load(&mut self.sqlite_connection()),
            DatabaseUrl::Postgres(_) => query.load(&mut self.postgres_connection()),
        };
        let lines = lines.unwrap_or_else(|e| panic!("{sql}: {e}"));
        lines.into_iter().map(|line| line.line).collect()
    }

    /// The schema as the database itself describes it, in a fixed order.
    pub fn schema(&self) -> Vec<String> {
        self.lines(dump::schema_query(self.backend))
    }

    /// `table.column` of every column.
    pub fn columns(&self) -> Vec<String> {
        self.lines(dump::columns_query(self.backend))
    }

    /// Applies all migrations.
    ///
    /// # Errors
    /// [`StoreError`] of the migration.
    pub fn migrate(&self) -> Result<(), StoreError> {
        migrate(&Pools::open(&self.url, PageCache::default())?)
    }

    /// Undoes all migrations.
    ///
    /// # Errors
    /// [`StoreError`] of the migration.
    pub fn revert_migrations(&self) -> Result<(), StoreError> {
        revert_all(&Pools::open(&self.url, PageCache::default())?)
    }

    /// The directory whose files a thief would take, written out as far as the database does.
    pub fn directory(&self) -> PathBuf {
        match &self.place {
            Place::File(dir) => dir.path().to_path_buf(),
            Place::Shared { cluster, .. } => {
                cluster.execute("CHECKPOINT");
                cluster.data_directory()
            }
            Place::Own(cluster) => {
                let cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
                let cluster = cluster
                    .as_ref()
                    .unwrap_or_else(|| panic!("the server was stopped"));
                cluster.execute("CHECKPOINT");
                cluster.data_directory()
            }
        }
    }

    /// Destroys the database under its open connections: stops the server, overwrites the file.
    ///
    /// # Panics
    /// On a Postgres database that shares its server.
    pub fn kill(&self) {
        match &self.place {
            Place::File(dir) => {
                for name in ["test.sqlite", "test.sqlite-wal", "test.sqlite-shm"] {
                    let garbage = vec![0xa5; 1 << 16];
                    std::fs::write(dir.path().join(name), garbage).unwrap_or_else(|e| panic!("{name}: {e}"));
                }
            }
            Place::Own(cluster) => drop(cluster.lock().unwrap_or_else(PoisonError::into_inner).take()),
            Place::Shared { .. } => panic!("only a database on its own server can be killed"),
        }
    }

    fn sqlite_connection(&self) -> SqliteConnection {
        let DatabaseUrl::Sqlite(path) = &self.url else {
            panic!("not SQLite")
        };
        let mut conn = SqliteConnection::establish(&path.to_string_lossy())
            .unwrap_or_else(|e| panic!("cannot connect: {e}"));
        conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;")
            .unwrap_or_else(|e| panic!("cannot set up: {e}"));
        conn
    }

    fn postgres_connection(&self) -> PgConnection {
        let DatabaseUrl::Postgres(url) = &self.url else {
            panic!("not Postgres")
        };
        PgConnection::establish(url).unwrap_or_else(|e| panic!("cannot connect: {e}"))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Shared { cluster, name } = &self.place {
            cluster.try_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}
