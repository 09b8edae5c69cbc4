//! A consistent copy of a SQLite database while others read and write it, and what SQLite thinks of its own file.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::connection::Tx;
use crate::error::StoreError;
use crate::store::Store;
use crate::url::DatabaseUrl;

impl Store {
    /// Writes a copy of the whole database, as it is at one moment, to a file that does not exist yet. Only for SQLite:
    /// Postgres has tools of its own for this.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for Postgres or a path that is not text; [`StoreError::Query`] if the copy fails.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.to_str().ok_or(StoreError::BadUrl)?;
        self.database.pools().bare(|tx| match tx {
            Tx::Sqlite(conn) => {
                let copy = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(path);
                Ok(copy.execute(*conn).map(drop)?)
            }
            Tx::Postgres(_) => Err(StoreError::BadUrl),
        })
    }
}

impl Store {
    /// What SQLite finds wrong with its file (`PRAGMA integrity_check`); nothing on Postgres, which has tools of its own.
    ///
    /// # Errors
    /// [`StoreError::Query`] if the file cannot be read.
    pub fn sqlite_damage(&self) -> Result<Vec<String>, StoreError> {
        self.database.pools().bare(|tx| match tx {
            Tx::Sqlite(conn) => {
                let rows = diesel::sql_query("SELECT integrity_check AS line FROM pragma_integrity_check")
                    .load::<Line>(*conn)?;
                Ok(rows
                    .into_iter()
                    .map(|row| row.line)
                    .filter(|line| line != "ok")
                    .collect())
            }
            Tx::Postgres(_) => Ok(Vec::new()),
        })
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl DatabaseUrl {
    /// Whether anything is there already: a file, or a table of ours.
    ///
    /// # Errors
    /// [`StoreError`] if a Postgres database cannot be asked.
    pub fn in_use(&self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(path) => Ok(path.exists()),
            Self::Postgres(url) => {
                let mut conn = diesel::pg::PgConnection::establish(url)
                    .map_err(|error| StoreError::Unreachable(error.to_string()))?;
                let found =
                    diesel::sql_query("SELECT to_regclass('meta')::text AS name").load::<Name>(&mut conn)?;
                Ok(found.iter().any(|row| row.name.is_some()))
            }
        }
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Nullable<Text>)]
    name: Option<String>,
}
