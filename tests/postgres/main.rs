//! The storage suite on PostgreSQL: a fresh schema each.
//!
//! Run by `tests/run.sh`, which starts a server and sets `CLAIMBRIDGE_TEST_POSTGRES`.

#[cfg(test)]
#[path = "../suite/mod.rs"]
mod suite;

#[cfg(test)]
mod postgres {
    use claimbridge::base::random::{SystemRandom, random_token};
    use sqlx::{AnyPool, AssertSqlSafe};

    use super::suite::{self, database::Database};

    async fn fresh() -> Database {
        let server = std::env::var("CLAIMBRIDGE_TEST_POSTGRES").expect(
            "set CLAIMBRIDGE_TEST_POSTGRES to a database (postgres://…), as tests/run.sh does",
        );
        sqlx::any::install_default_drivers();
        let pool = AnyPool::connect(&server).await.unwrap();
        let schema = format!("t_{}", random_token(&mut SystemRandom));
        let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(create).execute(&pool).await.unwrap();
        pool.close().await;
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-c%20search_path%3D{schema}");
        Database::migrated(url, None).await
    }

    suite::storage_suite!(super::fresh);
}
