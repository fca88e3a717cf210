//! Signing keys and their certificates, and what is sealed under the master key.
//!
//! Always true: private-key operations go through [`Signer`] (aws-lc, or a
//! PKCS#11 token); a key signs only for the purpose it was made for
//! (attack 34); nothing that is sealed can be moved to another row.

/// What a certificate says; RSA signatures of others.
pub mod certificate;
/// The audit key: ECDSA with P-256.
pub mod ecdsa;
/// Keys in a PKCS#11 token: what it is told, certificates that they sign.
pub mod hardware;
/// All keys of a purpose together.
pub mod mark;
/// Who may go where in a rollover, and what would break.
pub mod rollover;
/// The master key, its labels, sealing and tags.
pub mod sealing;
/// RSA keys, self-signed certificates, the cached signer.
pub mod signing;
/// How far a key is in its rollover, and who knows it.
pub mod state;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::base::{clock::Timestamp, ids::KeyId};
use certificate::Certificate;

/// What a key may be used for. A purpose is stored with the key and checked at each use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// SAML and WS-Federation assertions.
    Assertion,
    /// External MFA id_tokens.
    Oidc,
    /// What an auditor is handed: the manifest of an evidence bundle, the audit log's batches.
    Audit,
}

impl KeyPurpose {
    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Oidc => "oidc",
            Self::Audit => "audit",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Assertion, Self::Oidc, Self::Audit]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Signs with a private key that it does not show: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017
/// §8.2), but ECDSA with P-256 and SHA-256 for [`KeyPurpose::Audit`] (see [`ecdsa`]).
pub trait Signer: Send + Sync {
    /// The signature over `message` (hashed here): as long as the modulus, or in DER.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// Whether it could sign now. A key in memory always can.
    fn ready(&self) -> Result<(), SignError> {
        Ok(())
    }

    /// Where the private key is. With one in hardware, signing waits for a device: not on the
    /// async threads.
    fn custody(&self) -> state::Custody {
        state::Custody::Software
    }
}

/// The key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key is for something else.
    #[error("the key {key} is for {is}, not for {asked}")]
    WrongPurpose {
        /// Which key.
        key: KeyId,
        /// What it is for.
        is: KeyPurpose,
        /// What was asked.
        asked: KeyPurpose,
    },
    /// The module that holds the key failed.
    #[error("the private key could not be used: {0}")]
    Unavailable(String),
}

/// A key with its certificate.
#[derive(Clone)]
pub struct SigningKey {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The self-signed certificate, DER.
    pub certificate: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    signer: Arc<dyn Signer>,
    read: OnceLock<Option<Arc<Certificate>>>,
}

impl SigningKey {
    /// Puts a signer and its certificate together.
    pub fn new(
        id: KeyId,
        purpose: KeyPurpose,
        certificate: Vec<u8>,
        created_at: Timestamp,
        signer: Arc<dyn Signer>,
    ) -> Self {
        Self {
            id,
            purpose,
            certificate,
            created_at,
            signer,
            read: OnceLock::new(),
        }
    }

    /// The certificate, read at the first call; none if it cannot be.
    pub fn read_certificate(&self) -> Option<Arc<Certificate>> {
        self.read
            .get_or_init(|| Certificate::read(&self.certificate).ok().map(Arc::new))
            .clone()
    }

    /// The same key and certificate, but `signer` is asked for the signatures: one that keeps or
    /// repeats what the key's own one made.
    #[must_use]
    pub fn signing_by(&self, signer: Arc<dyn Signer>) -> Self {
        Self {
            signer,
            ..self.clone()
        }
    }

    /// Where the private key is.
    pub fn custody(&self) -> state::Custody {
        self.signer.custody()
    }

    /// Whether it could sign now.
    pub fn ready(&self) -> Result<(), SignError> {
        self.signer.ready()
    }

    /// The signer, if the key is for `purpose`.
    pub fn signer_for(&self, purpose: KeyPurpose) -> Result<&Arc<dyn Signer>, SignError> {
        if self.purpose == purpose {
            Ok(&self.signer)
        } else {
            Err(SignError::WrongPurpose {
                key: self.id.clone(),
                is: self.purpose,
                asked: purpose,
            })
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}
