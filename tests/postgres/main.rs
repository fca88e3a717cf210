//! The storage suite on PostgreSQL: a fresh schema each.
//!
//! Run by `tests/run.sh`, which starts a server and sets `CLAIMBRIDGE_TEST_POSTGRES`.

#[cfg(test)]
#[path = "../suite/mod.rs"]
mod suite;

#[cfg(test)]
mod postgres {
    use super::suite::{self, database::Database};

    async fn fresh() -> Database {
        let server = std::env::var("CLAIMBRIDGE_TEST_POSTGRES").expect(
            "set CLAIMBRIDGE_TEST_POSTGRES to a database (postgres://…), as tests/run.sh does",
        );
        Database::empty_postgres(&server).await.migrated().await
    }

    suite::storage_suite!(super::fresh);
}
