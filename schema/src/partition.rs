//! Splitting the two large tables by hash, on Postgres: the tree's leaves by their epoch, the records by the hash of their
//! label. Statements stay as they are; each part has its own small index, and can be vacuumed and moved by itself.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::connection::Tx;
use crate::error::StoreError;
use crate::store::Store;

/// Most parts of one table.
pub const MAX_PARTS: u16 = 1024;

/// What is split, and by what. Both are part of the primary key, as Postgres demands.
const TABLES: [(&str, &str); 2] = [("leaves", "epoch"), ("label_states", "label_hash")];

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    partitioned: bool,
}

impl Store {
    /// Splits both tables into `parts` parts, 2 to 1024. What is in them is copied in the same transaction, which waits for
    /// everybody who uses them: do it before there is much.
    ///
    /// # Errors
    /// [`StoreError::PartitionsNeedPostgres`], [`StoreError::BadParts`], [`StoreError::AlreadyPartitioned`], or the database
    /// fails; then nothing was changed.
    pub fn partition(&self, parts: u16) -> Result<(), StoreError> {
        if !(2..=MAX_PARTS).contains(&parts) {
            return Err(StoreError::BadParts { parts });
        }
        self.database.write("partition", |tx| match tx {
            Tx::Sqlite(_) => Err(StoreError::PartitionsNeedPostgres),
            Tx::Postgres(conn) => {
                if is_partitioned(conn)? {
                    return Err(StoreError::AlreadyPartitioned);
                }
                for (table, key) in TABLES {
                    conn.batch_execute(&split(table, key, parts))?;
                }
                Ok(())
            }
        })
    }

    /// Whether the large tables are split.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn is_partitioned(&self) -> Result<bool, StoreError> {
        self.database.read_one("is_partitioned", |tx| match tx {
            Tx::Sqlite(_) => Ok(false),
            Tx::Postgres(conn) => is_partitioned(conn),
        })
    }
}

fn is_partitioned(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let sql = "SELECT relkind = 'p' AS partitioned FROM pg_class WHERE oid = 'label_states'::regclass";
    let found: Found = diesel::sql_query(sql).get_result(conn)?;
    Ok(found.partitioned)
}

/// The same table in parts, with the same columns, checks, key and comments.
fn split(table: &str, key: &str, parts: u16) -> String {
    let whole = format!("{table}_whole");
    let mut sql = format!(
        "ALTER TABLE {table} RENAME TO {whole}; \
         ALTER INDEX {table}_pkey RENAME TO {whole}_pkey; \
         CREATE TABLE {table} (LIKE {whole} INCLUDING ALL) PARTITION BY HASH ({key}); "
    );
    for part in 0..parts {
        sql.push_str(&format!(
            "CREATE TABLE {table}_{part} PARTITION OF {table} FOR VALUES WITH (MODULUS {parts}, REMAINDER {part}); "
        ));
    }
    sql.push_str(&format!(
        "INSERT INTO {table} SELECT * FROM {whole}; DROP TABLE {whole};"
    ));
    sql
}
