//! A JSON Web Key Set (RFC 7517) as far as RS256 verification needs it.

use serde::Deserialize;

/// The bytes are no key set.
#[derive(Debug, thiserror::Error)]
#[error("this is no JSON Web Key Set: a JSON object with an array \"keys\"")]
pub struct JwksError(#[source] serde_json::Error);

/// The public keys that tokens are verified with.
#[derive(Clone, Debug, Deserialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

/// One key. Members that are not needed are left unread.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jwk {
    /// The key type; `RSA` is the only one used.
    #[serde(default)]
    pub(super) kty: String,
    /// The key id.
    #[serde(default)]
    pub(super) kid: Option<String>,
    /// The modulus, base64url.
    #[serde(default)]
    pub(super) n: Option<String>,
    /// The exponent, base64url.
    #[serde(default)]
    pub(super) e: Option<String>,
}

impl Jwks {
    /// Reads a key set (RFC 7517 §5).
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        serde_json::from_slice(bytes).map_err(JwksError)
    }

    pub(super) fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}
