//! The id_token about a second factor (facts §5.5; OpenID Connect Core §2).
//!
//! Always true: it is encoded from a [`SecondFactorAnswer`] and nothing else; it is signed by a
//! key for [`KeyPurpose::Oidc`] or not at all (attack 34); `aud` is a plain string, because that
//! is what Entra's documentation shows, and openidconnect would write an array.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::jwks::kid_of;
use crate::{
    base::clock::Timestamp,
    claims::second_factor::SecondFactorAnswer,
    keys::{KeyPurpose, SignError, SigningKey},
};

/// How long a token is good: as long as Entra waits for it.
pub const LIFETIME: Duration = Duration::from_mins(5);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// The key is for something else, or could not be used.
    #[error("the External MFA key could not be used")]
    Key(#[from] SignError),
    /// It could not be written.
    #[error("the id_token could not be written")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    nonce: &'a str,
    acr: &'static str,
    amr: [&'static str; 1],
    iat: i64,
    exp: i64,
}

/// The token that says `answer`, signed with `key`.
///
/// # Errors
/// See [`IdTokenError`].
pub fn encode_id_token(
    answer: &SecondFactorAnswer,
    key: &SigningKey,
    now: Timestamp,
) -> Result<String, IdTokenError> {
    let signer = key.signer_for(KeyPurpose::Oidc)?;
    let header = serde_json::to_vec(&Header {
        typ: "JWT",
        alg: "RS256",
        kid: &kid_of(&key.id),
    })?;
    let claims = serde_json::to_vec(&Claims {
        iss: answer.issuer(),
        aud: answer.audience(),
        sub: answer.subject(),
        nonce: answer.nonce(),
        acr: answer.acr(),
        amr: [answer.amr()],
        iat: now.as_secs(),
        exp: now.plus(LIFETIME).as_secs(),
    })?;
    let mut token = String::with_capacity(2048);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

#[cfg(test)]
mod tests;
