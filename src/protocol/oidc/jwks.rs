//! The keys with which Entra verifies what we say (facts §5.2; RFC 7517).
//!
//! Always true: each key has its certificate in `x5c` and the certificate's SHA-1 in `x5t`, or
//! Entra takes none; a `kid` is one text in the list and in a token's header; and nothing of a
//! private key is within reach of this file.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Serialize;

use crate::{
    base::ids::KeyId,
    keys::certificate::{Certificate, CertificateError},
};

/// A key to publish.
#[derive(Clone, Copy, Debug)]
pub struct PublicKey<'a> {
    /// Its id.
    pub id: &'a KeyId,
    /// Its certificate, DER.
    pub certificate: &'a [u8],
}

#[derive(Serialize)]
struct Document {
    keys: Vec<Jwk>,
}

#[derive(Serialize)]
struct Jwk {
    kty: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    kid: String,
    x5t: String,
    n: String,
    e: String,
    x5c: [String; 1],
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// A certificate is no RSA one that is long enough.
    #[error("the certificate of {0} cannot be published")]
    Certificate(KeyId, #[source] CertificateError),
    /// It could not be written.
    #[error("the key list could not be written")]
    Json(#[from] serde_json::Error),
}

/// The name of a key in the list and in headers: base64 of its id. The id's letters are such that
/// base64 and base64url of it are one text without padding, whichever Entra means (facts §5.2).
pub fn kid_of(id: &KeyId) -> String {
    STANDARD.encode(id.as_str())
}

/// The list, in the order given: the key that signs first.
///
/// # Errors
/// See [`JwksError`].
pub fn encode_jwks<'a>(keys: impl IntoIterator<Item = PublicKey<'a>>) -> Result<String, JwksError> {
    let keys = keys.into_iter().map(jwk).collect::<Result<_, _>>()?;
    Ok(serde_json::to_string(&Document { keys })?)
}

fn jwk(key: PublicKey<'_>) -> Result<Jwk, JwksError> {
    let failed = |error| JwksError::Certificate(key.id.clone(), error);
    let certificate = Certificate::read(key.certificate).map_err(failed)?;
    let (modulus, exponent) = certificate.rsa_numbers().map_err(failed)?;
    Ok(Jwk {
        kty: "RSA",
        purpose: "sig",
        alg: "RS256",
        kid: kid_of(key.id),
        x5t: URL_SAFE_NO_PAD.encode(certificate.sha1()),
        n: URL_SAFE_NO_PAD.encode(modulus),
        e: URL_SAFE_NO_PAD.encode(exponent),
        x5c: [STANDARD.encode(key.certificate)],
    })
}

#[cfg(test)]
mod tests;
