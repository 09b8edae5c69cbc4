//! Writes that the database refuses.

use keyglass_schema::test_database::{Backend, TestDatabase};

/// From now on every `event` on `table` fails.
pub fn break_writes(database: &TestDatabase, table: &str, event: &str) {
    match database.backend() {
        Backend::Sqlite => database.execute(&format!(
            "CREATE TRIGGER fault BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END"
        )),
        Backend::Postgres => database.execute(&format!(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fault'; END $$;
             CREATE TRIGGER fault BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
        )),
    }
}

/// Ends what [`break_writes`] began.
pub fn mend_writes(database: &TestDatabase, table: &str) {
    match database.backend() {
        Backend::Sqlite => database.execute("DROP TRIGGER fault"),
        Backend::Postgres => {
            database.execute(&format!("DROP TRIGGER fault ON {table}; DROP FUNCTION fault()"))
        }
    }
}
