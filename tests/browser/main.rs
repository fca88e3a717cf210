//! A person in a real browser: Chromium, the real binary, the demo. Run by `tests/run.sh`.
//!
//! Each test starts its own `claimbridge demo` and its own chromedriver on free ports
//! and ends both; nothing sleeps: what must appear is waited for. What is about time has
//! instead of the demo the same sites in this process, on a clock that the test moves
//! (`stopped_clock`). Pictures of every step are in `target/screenshots/`.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod device_code;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod external_mfa;
#[cfg(test)]
mod external_mfa_in_time;
#[cfg(test)]
mod inspector;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod sign_out;
#[cfg(test)]
mod stopped_clock;
#[cfg(test)]
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "the tests without a browser use more of it")]
mod support;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod window;
#[cfg(test)]
mod wsfed;

/// What only other tests name.
#[cfg(test)]
const _: Option<(support::Form, support::Page)> = None;

/// Each test has a SQLite file of its own.
#[cfg(test)]
#[expect(clippy::unused_async, reason = "where it is PostgreSQL, it waits")]
async fn fresh_database() -> support::FreshDatabase {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    support::FreshDatabase {
        url,
        folder: Some(folder),
        nodes: 1,
    }
}
