//! Who an id_token says signed in.
//!
//! Always true: read only after signature, issuer, audience, lifetime and (where we sent
//! one) nonce were verified; `organizations` and `common` have an issuer with a hole for
//! the tenant, and the hole is filled with the tenant that the token names, as Microsoft
//! documents it, so that the comparison stays one of whole texts.

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    AdditionalClaims, ClientId, IdToken, IdTokenVerifier, IssuerUrl, Nonce,
    core::{
        CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    },
};
use serde::{Deserialize, Serialize};

use crate::{base::clock::Timestamp, outbound::graph::harmless};

use super::{EntraError, discovery::Provider};

/// What Entra adds to the standard claims.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct EntraClaims {
    tid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oid: Option<String>,
    /// Version 1's `preferred_username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upn: Option<String>,
}

impl AdditionalClaims for EntraClaims {}

/// Who signed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedInPerson {
    /// The tenant's GUID.
    pub tenant_id: String,
    /// The person's object id.
    pub object_id: Option<String>,
    /// The person's UPN, for reading.
    pub upn: Option<String>,
}

type Token = IdToken<
    EntraClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

pub(super) fn verify(
    token: &Token,
    provider: &Provider,
    client_id: &ClientId,
    nonce: Option<&Nonce>,
    now: Timestamp,
) -> Result<SignedInPerson, EntraError> {
    // The library quotes what the token says, before it looks at the signature.
    let wrong = |text: String| EntraError::IdToken(harmless(&text));
    let issuer = match provider.metadata.issuer().as_str() {
        open if open.contains(super::discovery::TENANT_HOLE) => {
            let tenant = named_tenant(&token.to_string())
                .ok_or_else(|| wrong("it names no tenant".to_owned()))?;
            IssuerUrl::new(open.replace(super::discovery::TENANT_HOLE, &tenant))
                .map_err(|error| wrong(error.to_string()))?
        }
        _ => provider.metadata.issuer().clone(),
    };
    let since_epoch = Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or_default());
    let instant = UNIX_EPOCH + since_epoch;
    let verifier: IdTokenVerifier<'_, CoreJsonWebKey> = IdTokenVerifier::new_public_client(
        client_id.clone(),
        issuer.clone(),
        provider.metadata.jwks().clone(),
    )
    .set_allowed_algs([CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256])
    .set_time_fn(move || instant.into());
    let wanted = nonce.cloned();
    let claims = token
        .claims(&verifier, move |found: Option<&Nonce>| {
            match (&wanted, found) {
                (None, _) => Ok(()),
                (Some(wanted), Some(found)) if wanted == found => Ok(()),
                (Some(_), _) => Err("the nonce is not that of the request".to_owned()),
            }
        })
        .map_err(|error| wrong(error.to_string()))?;
    let own = claims.additional_claims();
    // `https://login.…/{tid}/v2.0` or `https://sts.windows.net/{tid}/`.
    let names_it = issuer
        .as_str()
        .split('/')
        .any(|segment| segment.eq_ignore_ascii_case(&own.tid));
    if !is_guid(&own.tid) || !names_it {
        return Err(wrong("tid and iss name different tenants".to_owned()));
    }
    Ok(SignedInPerson {
        tenant_id: own.tid.clone(),
        object_id: own.oid.clone(),
        upn: own.upn.clone().or_else(|| {
            claims
                .preferred_username()
                .map(|name| name.as_str().to_owned())
        }),
    })
}

/// The tenant that an unverified token names: only to say which issuer it must prove.
fn named_tenant(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let tenant = claims["tid"].as_str()?;
    is_guid(tenant).then(|| tenant.to_owned())
}

/// The tenant of an issuer: the GUID in it, unless `asked` is another one.
pub(super) fn tenant_of(issuer: &str, asked: &str) -> Option<String> {
    let mut ids = issuer.split('/').filter(|segment| is_guid(segment));
    let id = ids.next().filter(|_| ids.next().is_none())?;
    (!is_guid(asked) || id.eq_ignore_ascii_case(asked)).then(|| id.to_owned())
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_a_hole_or_of_another_tenant_names_none() {
        const ID: &str = "2b7f1c9e-5a34-4d0e-9c5f-0d3a1e6b7c88";
        let v2 = format!("https://login.microsoftonline.com/{ID}/v2.0");
        let v1 = format!("https://sts.windows.net/{ID}/");
        for (issuer, asked, wanted) in [
            (v2.as_str(), "contoso.com", Some(ID)),
            (&v1, "contoso.com", Some(ID)),
            (&v2, ID, Some(ID)),
            (&v2, &ID.to_uppercase(), Some(ID)),
            (&v2, "3b7f1c9e-5a34-4d0e-9c5f-0d3a1e6b7c88", None),
            (
                "https://login.microsoftonline.com/{tenantid}/v2.0",
                "contoso.com",
                None,
            ),
            (
                "https://login.microsoftonline.com/{tenantid}/v2.0",
                ID,
                None,
            ),
            (
                "https://login.microsoftonline.com/contoso.com/v2.0",
                "contoso.com",
                None,
            ),
            (&format!("{v2}/{ID}"), "contoso.com", None),
        ] {
            assert_eq!(
                tenant_of(issuer, asked).as_deref(),
                wanted,
                "{issuer} {asked}"
            );
        }
    }
}
