//! With what the bundle's facts were made.

use serde::Serialize;

use crate::{
    base::clock::Timestamp,
    keys::{KeyPurpose, certificate::Certificate},
    storage::{DatabaseVersion, StoredKey},
};

/// This program and its version.
pub(super) const MADE_BY: &str = concat!("claimbridge ", env!("CARGO_PKG_VERSION"));

/// `versions.json`.
#[derive(Debug, Serialize)]
pub(super) struct Versions {
    pub claimbridge: &'static str,
    /// The commit it was built from, if whoever built it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<&'static str>,
    /// The oldest compiler that it is built with.
    pub rust_at_least: &'static str,
    pub database: Database,
    pub keys: Vec<Key>,
}

/// The database.
#[derive(Debug, Serialize)]
pub(super) struct Database {
    pub engine: &'static str,
    pub version: String,
    /// The last migration that was applied.
    pub schema: Option<String>,
}

/// A signing key: its public side.
#[derive(Debug, Serialize)]
pub(super) struct Key {
    pub id: String,
    pub purpose: KeyPurpose,
    pub created_at: Timestamp,
    pub subject: Option<String>,
    pub not_after: Option<Timestamp>,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` has it.
    pub fingerprint: Option<String>,
    /// SHA-1 of the certificate, as Entra and Windows show it.
    pub thumbprint: Option<String>,
}

impl Versions {
    pub fn new(database: DatabaseVersion, keys: &[StoredKey]) -> Self {
        Self {
            claimbridge: env!("CARGO_PKG_VERSION"),
            commit: option_env!("CLAIMBRIDGE_COMMIT"),
            rust_at_least: env!("CARGO_PKG_RUST_VERSION"),
            database: Database {
                engine: database.engine,
                version: database.version,
                schema: database.schema,
            },
            keys: keys.iter().map(key).collect(),
        }
    }
}

fn key(stored: &StoredKey) -> Key {
    let read = Certificate::read(&stored.certificate).ok();
    Key {
        id: stored.id.to_string(),
        purpose: stored.purpose,
        created_at: stored.created_at,
        subject: read.as_ref().map(|read| read.subject.clone()),
        not_after: read.as_ref().map(|read| read.not_after),
        fingerprint: read.as_ref().map(Certificate::fingerprint),
        thumbprint: read.as_ref().map(Certificate::thumbprint),
    }
}
