//! What `tests/it` runs on SQLite, on PostgreSQL: the storage suite, and sign-ins and the door of
//! External MFA over HTTP with two nodes, where a browser talks to the other node with every
//! request.
//!
//! Run by `tests/run.sh`, which starts a server and sets `CLAIMBRIDGE_TEST_POSTGRES`.

#[cfg(test)]
#[path = "../it/external_mfa/mod.rs"]
mod external_mfa;
#[cfg(test)]
#[path = "../it/mds_kit.rs"]
#[expect(dead_code, reason = "the tests that stay with SQLite use more of it")]
mod mds_kit;
#[cfg(test)]
mod races;
#[cfg(test)]
#[path = "../it/sign_in/mod.rs"]
mod sign_in;
#[cfg(test)]
#[path = "../it/soft_key.rs"]
#[expect(dead_code, reason = "the tests that stay with SQLite use more of it")]
mod soft_key;
#[cfg(test)]
#[path = "../suite/mod.rs"]
mod suite;
#[cfg(test)]
#[path = "../it/support/mod.rs"]
#[expect(
    dead_code,
    reason = "the subjects that stay with SQLite use more of it"
)]
mod support;

/// What only these subjects name.
#[cfg(test)]
const _: Option<(support::Form, support::Page)> = None;

/// Each test has a schema of its own.
#[cfg(test)]
async fn fresh_database() -> support::FreshDatabase {
    use claimbridge::base::random::{SystemRandom, random_token};

    let server = std::env::var("CLAIMBRIDGE_TEST_POSTGRES")
        .expect("set CLAIMBRIDGE_TEST_POSTGRES to a database (postgres://…), as tests/run.sh does");
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&server).await.unwrap();
    let schema = format!("t_{}", random_token(&mut SystemRandom));
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(create).execute(&pool).await.unwrap();
    pool.close().await;
    let separator = if server.contains('?') { '&' } else { '?' };
    support::FreshDatabase {
        url: format!("{server}{separator}options=-c%20search_path%3D{schema}"),
        folder: None,
        nodes: 2,
    }
}

#[cfg(test)]
mod storage {
    use super::suite::{self, database::Database};

    async fn fresh() -> Database {
        let fresh = super::fresh_database().await;
        Database::migrated(fresh.url, fresh.folder).await
    }

    suite::storage_suite!(super::fresh);
}
