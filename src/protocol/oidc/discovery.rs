//! The discovery document (OpenID Connect Discovery 1.0 §3; facts §5.2).
//!
//! Always true: `issuer` is the document's address without its suffix, character for character,
//! and the `iss` of every token; the endpoints are https without query wherever `public_url` is.

use openidconnect::{
    AuthUrl, EmptyAdditionalProviderMetadata, IssuerUrl, JsonWebKeySetUrl, ResponseTypes, Scope,
    core::{
        CoreClaimName, CoreClaimType, CoreJwsSigningAlgorithm, CoreProviderMetadata,
        CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
    },
    url::ParseError,
};

/// What follows the issuer in the document's address.
pub const SUFFIX: &str = "/.well-known/openid-configuration";

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The public address is none.
    #[error("the public address gives no endpoints")]
    Address(#[from] ParseError),
    /// It could not be written.
    #[error("the discovery document could not be written")]
    Json(#[from] serde_json::Error),
}

/// Our issuer at this door.
pub fn issuer(public_url: &str) -> String {
    format!("{public_url}/oidc")
}

/// The address that is registered with Entra.
pub fn discovery_url(public_url: &str) -> String {
    format!("{}{SUFFIX}", issuer(public_url))
}

/// Where Entra sends people: a reply URL of the application registration, too.
pub fn authorization_endpoint(public_url: &str) -> String {
    format!("{}/authorize", issuer(public_url))
}

/// Where the key list is.
pub fn jwks_uri(public_url: &str) -> String {
    format!("{}/jwks", issuer(public_url))
}

/// The document. `public_url` has no slash at its end.
///
/// # Errors
/// See [`DiscoveryError`].
pub fn encode_discovery(public_url: &str) -> Result<String, DiscoveryError> {
    let claims = ["acr", "amr", "aud", "exp", "iat", "iss", "nonce", "sub"];
    let metadata = CoreProviderMetadata::new(
        IssuerUrl::new(issuer(public_url))?,
        AuthUrl::new(authorization_endpoint(public_url))?,
        JsonWebKeySetUrl::new(jwks_uri(public_url))?,
        vec![ResponseTypes::new(vec![CoreResponseType::IdToken])],
        // The subject of an answer is the one that Entra's hint has.
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        EmptyAdditionalProviderMetadata {},
    )
    .set_scopes_supported(Some(vec![Scope::new("openid".to_owned())]))
    .set_response_modes_supported(Some(vec![CoreResponseMode::FormPost]))
    .set_claim_types_supported(Some(vec![CoreClaimType::Normal]))
    .set_claims_supported(Some(
        claims
            .map(|name| CoreClaimName::new(name.to_owned()))
            .to_vec(),
    ))
    .set_claims_parameter_supported(Some(true))
    // Left out, the second one would mean true (§3).
    .set_request_parameter_supported(Some(false))
    .set_request_uri_parameter_supported(Some(false));
    Ok(serde_json::to_string(&metadata)?)
}

#[cfg(test)]
mod tests;
