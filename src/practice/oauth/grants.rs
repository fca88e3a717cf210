//! What is handed out: codes, refresh tokens, and the tokens for them.
//!
//! Always true: the MFA fact and the instant are those of the sign-in that the
//! grant was made from. Nothing here looks at the switches of a visit.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Version, clients::Client, errors::OAuthError, scope::Scope};
use crate::{
    base::clock::Timestamp,
    practice::{
        Practice,
        token::{self, PARTNER_CENTER},
        visit::{AcceptedSignIn, lock},
    },
};

/// How long a code lasts.
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);
/// How long a refresh token lasts: Entra's default.
pub const REFRESH_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// What a person granted to an application by signing in.
#[derive(Clone, Debug)]
pub struct Grant {
    /// `client_id`.
    pub(super) client: String,
    /// What for.
    pub(super) scope: Scope,
    /// Who signed in, when, and how.
    pub(super) sign_in: AcceptedSignIn,
    /// Until when it can be used.
    pub(super) ends: Timestamp,
}

/// An authorization code's content.
#[derive(Clone, Debug)]
pub struct Code {
    /// What it is good for.
    pub(super) grant: Grant,
    /// Which endpoints it was asked from.
    pub(super) version: Version,
    /// The address that it was sent to.
    pub(super) redirect_uri: String,
    /// PKCE's `code_challenge`, S256.
    pub(super) challenge: Option<String>,
    /// For the id_token.
    pub(super) nonce: Option<String>,
}

/// The refresh token that goes with an answer.
pub(super) enum Refresh {
    /// A new one, where the scope asks for it.
    Begin,
    /// The one that was used.
    Same(String),
}

/// The answer of the token endpoint.
pub(super) fn tokens(
    practice: &Practice,
    version: Version,
    client: &Client,
    grant: &Grant,
    nonce: Option<&str>,
    refresh: Refresh,
) -> Result<Value, OAuthError> {
    let now = practice.now();
    let access_token = practice
        .tokens
        .mint_for(
            &grant.sign_in.person,
            grant.sign_in.amr,
            now,
            client.in_token(),
            grant.scope.access(),
        )
        .ok_or(OAuthError::Internal)?;
    let mut answer = match version {
        Version::V2 => json!({
            "token_type": "Bearer",
            "scope": grant.scope.granted(),
            "expires_in": token::LIFETIME_SECONDS,
            "ext_expires_in": token::LIFETIME_SECONDS,
        }),
        // The old endpoints say their numbers as strings.
        Version::V1 => json!({
            "token_type": "Bearer",
            "scope": "user_impersonation",
            "resource": PARTNER_CENTER,
            "expires_in": token::LIFETIME_SECONDS.to_string(),
            "ext_expires_in": token::LIFETIME_SECONDS.to_string(),
            "not_before": now.as_secs().to_string(),
            "expires_on": (now.as_secs() + token::LIFETIME_SECONDS).to_string(),
        }),
    };
    answer["access_token"] = json!(access_token);
    if grant.scope.openid() {
        let claims = id_token_claims(practice, version, client, &grant.sign_in, nonce);
        let id_token = practice.tokens.sign(&claims).ok_or(OAuthError::Internal)?;
        answer["id_token"] = json!(id_token);
    }
    let refresh_token = match refresh {
        Refresh::Same(same) => Some(same),
        Refresh::Begin if grant.scope.offline_access() => {
            let value = practice.secret_token();
            let kept = Grant {
                ends: now.plus(REFRESH_LIFETIME),
                ..grant.clone()
            };
            lock(&practice.oauth.refresh_tokens).put(value.clone(), kept);
            Some(value)
        }
        Refresh::Begin => None,
    };
    if let Some(value) = refresh_token {
        answer["refresh_token"] = json!(value);
    }
    Ok(answer)
}

fn without_nulls(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    answer
}

/// The id_token's claims, in the shape of either generation.
fn id_token_claims(
    practice: &Practice,
    version: Version,
    client: &Client,
    sign_in: &AcceptedSignIn,
    nonce: Option<&str>,
) -> Value {
    let now = practice.now();
    let person = &sign_in.person;
    let tenant = practice.tokens.tenant_id();
    let mut claims = json!({
        "aud": client.id(),
        "iat": now.as_secs(),
        "nbf": now.as_secs(),
        "exp": now.as_secs() + token::LIFETIME_SECONDS,
        "auth_time": sign_in.at.as_secs(),
        "sub": pairwise(client.id(), &person.object_id, tenant),
        "oid": person.object_id,
        "tid": tenant,
        "name": person.display_name,
        "nonce": nonce,
    });
    let upn = person.upn.as_str();
    let rest = match version {
        Version::V2 => json!({
            "iss": format!("{}/{tenant}/v2.0", practice.own_url),
            "preferred_username": upn,
            "ver": "2.0",
        }),
        Version::V1 => json!({
            "iss": practice.tokens.issuer(),
            "amr": sign_in.amr.values(),
            "unique_name": upn,
            "upn": upn,
            "ver": "1.0",
        }),
    };
    if let (Some(claims), Value::Object(rest)) = (claims.as_object_mut(), rest) {
        claims.extend(rest);
    }
    without_nulls(claims)
}

/// A person has another `sub` at each application (OpenID Connect Core §8.1).
pub(in crate::practice) fn pairwise(client: &str, object_id: &str, tenant: &str) -> String {
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        format!("{client} {object_id} {tenant}").as_bytes(),
    );
    URL_SAFE_NO_PAD.encode(digest)
}

impl Grant {
    /// Refuses what belongs to another application or is too old.
    pub(super) fn require_good_for(
        &self,
        client: &Client,
        what: &'static str,
        now: Timestamp,
    ) -> Result<(), OAuthError> {
        if self.client != client.id() {
            return Err(OAuthError::Grant(what));
        }
        if now >= self.ends {
            return Err(OAuthError::Expired);
        }
        Ok(())
    }
}
