//! Two server processes behind one origin, on each database that they can share; and one
//! that is killed.
//!
//! Each test runs twice: on PostgreSQL, and on one SQLite file, which several servers on one
//! machine may share too (an old and a new version while one replaces the other). Both servers
//! start at once on a database that nobody has used.
//!
//! Run by `tests/run.sh`, which starts a server and sets `CLAIMBRIDGE_TEST_POSTGRES`.
//!
//! Read on in `cluster` (databases, processes), `proxy` (the one origin), `people` and
//! `books` (what must balance); the tests are in `sign_ins`, `races`, `keys`, `external_mfa`,
//! `hardware` (a signing key in a token) and `killed`.

/// One test a function and database.
#[cfg(test)]
macro_rules! on_both_databases {
    ($($test:ident)+) => {
        on_both_databases! { mod sqlite, Engine::Sqlite: $($test)+ }
        on_both_databases! { mod postgres, Engine::Postgres: $($test)+ }
    };
    (mod $module:ident, Engine::$engine:ident: $($test:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    super::$test(crate::cluster::Cluster::start(crate::cluster::Engine::$engine).await).await;
                }
            )+
        }
    };
}

#[cfg(test)]
mod books;
#[cfg(test)]
#[path = "../it/external_mfa/cloud.rs"]
#[expect(dead_code, reason = "the tests of that door use more of it")]
mod cloud;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod external_mfa;
#[cfg(test)]
mod hardware;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod people;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod races;
#[cfg(test)]
mod sign_ins;
#[cfg(test)]
#[path = "../it/soft_key.rs"]
#[expect(dead_code, reason = "the WebAuthn tests use more of it")]
mod soft_key;
#[cfg(test)]
mod support;
