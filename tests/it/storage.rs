//! The storage suite on SQLite: a fresh file each.

#[path = "../suite/mod.rs"]
mod suite;

use suite::database::Database;

async fn fresh() -> Database {
    Database::empty_sqlite().migrated().await
}

suite::storage_suite!(super::fresh);
