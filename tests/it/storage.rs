//! The storage suite on SQLite: a fresh file each.

#[path = "../suite/mod.rs"]
mod suite;

use suite::database::Database;

async fn fresh() -> Database {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    Database::migrated(url, Some(folder)).await
}

suite::storage_suite!(super::fresh);
