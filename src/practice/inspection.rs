//! The inspector's opinion, with this tenant's registration as context.
//!
//! Always true: the inspector sees the same bytes and the same registration as
//! the tenant's own verifier, and neither listens to the other.

use crate::{
    base::clock::Timestamp,
    inspect::{
        Consumer, Context, ExternalMfa, GivenAuthorization, GivenRequest, Hint, Jwks, Report,
        inspect,
    },
    relying_party::cloud::EntraCloud,
};

use super::{
    external_mfa::{METHODS, metadata::Provider, request::Asked},
    federation::Protocol,
    judgement::Expectation,
    reading,
};

/// What the inspector says of a response.
pub fn of_response(protocol: Protocol, field: &str, expectation: &Expectation<'_>) -> Report {
    let context = Context {
        expect: Some(match protocol {
            Protocol::Saml2 => Consumer::EntraSaml2,
            Protocol::WsFed => Consumer::EntraWsfed,
        }),
        issuer: Some(expectation.domain.issuer_uri.clone()),
        realm: Some(expectation.domain.name.clone()),
        cloud: Some(EntraCloud {
            name: "custom".to_owned(),
            entity_id: expectation.entity_id.to_owned(),
            reply_url: expectation.reply_url.to_owned(),
            metadata_url: None,
        }),
        certificates: expectation.domain.certificates.clone(),
        request: expectation.request.map(|request| GivenRequest {
            id: request.id.clone(),
        }),
        ..Context::at(expectation.now)
    };
    match (protocol, reading::decode_field(field)) {
        (Protocol::Saml2, Ok(xml)) => inspect(xml.as_bytes(), &context),
        (Protocol::Saml2, Err(_)) | (Protocol::WsFed, _) => inspect(field.as_bytes(), &context),
    }
}

/// What the inspector says of an access token.
pub fn of_token(token: &str, jwks: &serde_json::Value, now: Timestamp) -> Report {
    let context = Context {
        expect: Some(Consumer::PartnerCenter),
        jwks: Jwks::parse(jwks.to_string().as_bytes()).ok(),
        ..Context::at(now)
    };
    inspect(token.as_bytes(), &context)
}

/// What the inspector says of an answer to External MFA.
pub fn of_id_token(token: &str, asked: &Asked, provider: &Provider, now: Timestamp) -> Report {
    let hint = Hint {
        sub: Some(asked.subject.clone()),
        issued_at: Some(asked.at),
    };
    let context = Context {
        expect: Some(Consumer::EntraExternalMfa),
        jwks: Jwks::parse(&provider.key_set).ok(),
        external_mfa: ExternalMfa {
            issuer: Some(provider.issuer.clone()),
            discovery_url: Some(provider.discovery_url.clone()),
            client_id: Some(asked.method.client_id.clone()),
            app_reply_urls: asked.method.reply_urls.clone(),
            authorization: Some(GivenAuthorization {
                client_id: Some(asked.method.client_id.clone()),
                nonce: Some(asked.nonce.clone()),
                acr: vec![asked.acr.to_owned()],
                amr: METHODS
                    .iter()
                    .map(|(method, _)| (*method).to_owned())
                    .collect(),
                hint: Some(hint.clone()),
            }),
            hint: Some(hint),
        },
        ..Context::at(now)
    };
    inspect(token.as_bytes(), &context)
}
