//! The one integration binary; `cargo test` needs nothing but Rust for it.
//!
//! Each module is one subject. `cfg(test)` on the `mod` lines tells clippy that
//! `unwrap` is a test's way to fail here.

#[cfg(test)]
mod any_message;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod external_mfa;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod inspect_page;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mds;
#[cfg(test)]
mod mds_kit;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod practice;
#[cfg(test)]
mod rollover;
#[cfg(test)]
mod saml_kit;
#[cfg(test)]
mod saml_metadata;
#[cfg(test)]
mod saml_reader;
#[cfg(test)]
mod saml_requests;
#[cfg(test)]
mod saml_responses;
#[cfg(test)]
mod saml_signatures;
#[cfg(test)]
mod session_model;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod sign_out;
#[cfg(test)]
mod soft_key;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tenant_kit;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod web;
#[cfg(test)]
mod webauthn;
#[cfg(test)]
mod wsfed;
#[cfg(test)]
mod wsfed_responses;

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
