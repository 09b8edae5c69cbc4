//! akd's own test-suite for storage implementations, on real databases.
#![allow(missing_docs, reason = "tests")]

use akd::storage::tests::run_test_cases_for_storage_impl;
use keyglass_schema::test_database::{Backend, TestDatabase};

async fn run(database: TestDatabase) {
    let manager = run_test_cases_for_storage_impl(database.open().tree()).await;
    drop(manager);
    // The suite really wrote: its users have versions and its tree two nodes.
    assert!(database.count("label_states") > 400);
    assert_eq!(database.count("nodes"), 2);
}

#[tokio::test]
async fn sqlite_passes_akds_suite() {
    run(TestDatabase::new(Backend::Sqlite)).await;
}

#[tokio::test]
async fn postgres_passes_akds_suite() {
    run(TestDatabase::new(Backend::Postgres)).await;
}

#[tokio::test]
async fn split_tables_pass_akds_suite() {
    run(TestDatabase::partitioned()).await;
}
