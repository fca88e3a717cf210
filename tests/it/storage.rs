//! The storage suite on SQLite: a fresh file each.

#[path = "../suite/mod.rs"]
mod suite;

use suite::database::Database;

async fn fresh() -> Database {
    let fresh = crate::fresh_database().await;
    Database::migrated(fresh.url, fresh.folder).await
}

suite::storage_suite!(super::fresh);
