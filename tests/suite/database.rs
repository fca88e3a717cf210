//! A fresh database, and hands that write into it without the store.

use std::{future::Future, sync::Arc, time::Duration};

use claimbridge::storage::Store;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use tokio::{
    sync::Barrier,
    task::{JoinHandle, JoinSet},
};

/// A database of one test.
pub struct Database {
    url: String,
    /// Kept until the test ends.
    _folder: Option<tempfile::TempDir>,
}

impl Database {
    /// The empty database at `url`, migrated; `folder` is kept as long as it is used.
    pub async fn migrated(url: String, folder: Option<tempfile::TempDir>) -> Self {
        let database = Self {
            url,
            _folder: folder,
        };
        database.node().await.migrate().await.unwrap();
        database
    }

    /// Another process that shares the database.
    pub async fn node(&self) -> Store {
        Store::connect(&self.url).await.unwrap()
    }

    /// Writes by hand, past the store (attack 38); how many rows.
    pub async fn by_hand(&self, statement: &str) -> u64 {
        let pool = AnyPool::connect(&self.url).await.unwrap();
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        done.rows_affected()
    }

    /// One number, past the store.
    pub async fn number(&self, statement: &str) -> i64 {
        let pool = AnyPool::connect(&self.url).await.unwrap();
        let row = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .fetch_one(&pool)
            .await
            .unwrap();
        pool.close().await;
        row.get(0)
    }

    /// How the database would run a query: the names of what it reads stand in it.
    pub async fn plan(&self, query: &str) -> String {
        let pool = AnyPool::connect(&self.url).await.unwrap();
        let (explain, column) = if self.url.starts_with("postgres") {
            ("EXPLAIN", 0)
        } else {
            ("EXPLAIN QUERY PLAN", 3)
        };
        let rows = sqlx::raw_sql(AssertSqlSafe(format!("{explain} {query}")))
            .fetch_all(&pool)
            .await
            .unwrap();
        pool.close().await;
        let lines = rows.iter().map(|row| row.get::<String, _>(column));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Runs `task` `count` times, all let go at one moment; every second one on the other
/// of two nodes. Answers in no order.
pub async fn race<T, F>(
    database: &Database,
    count: usize,
    task: impl Fn(Store, usize) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let nodes = [database.node().await, database.node().await];
    let start = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let running = task(nodes[number % 2].clone(), number);
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            start.wait().await;
            running.await
        });
    }
    tasks.join_all().await
}

/// How many of `answers` are `wanted`.
pub fn count<T: PartialEq>(answers: &[T], wanted: &T) -> usize {
    answers.iter().filter(|answer| *answer == wanted).count()
}

/// Asserts that `task` waits for a transaction that is open here. (If nothing held it up,
/// it would be done long before this ends.)
pub async fn assert_waits<T>(task: &mut JoinHandle<T>) {
    let early = tokio::time::timeout(Duration::from_millis(500), task).await;
    assert!(early.is_err(), "it did not wait");
}
