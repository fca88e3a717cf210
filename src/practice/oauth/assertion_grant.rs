//! `grant_type=urn:ietf:params:oauth:grant-type:saml1_1-bearer`: how a program that got a SAML
//! 1.1 token over WS-Trust hands it to Entra (facts §3).
//!
//! Always true: whatever the token says, what comes of it is a sign-in with a password and no
//! more: nobody saw the person, so `amr` never gets `mfa` here.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::{
    Version,
    clients::Client,
    errors::OAuthError,
    grants::{CODE_LIFETIME, Grant, Refresh, tokens},
    scope::Scope,
};
use crate::practice::{
    Practice,
    checks::{Check, CheckOutcome},
    graph::sign_ins::SignIn,
    judgement::{Arrival, Expectation, RelayStateEcho},
    token::Amr,
    visit::{AcceptedSignIn, lock},
    wsfed,
};

/// The grant's name.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:saml1_1-bearer";

/// MSAL writes base64url without padding; others pad it.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Tokens for a SAML 1.1 assertion of a federated domain.
pub(super) fn redeem(
    practice: &Practice,
    version: Version,
    client: &Client,
    assertion: &str,
    scope: Option<&str>,
) -> Result<Value, OAuthError> {
    let scope = match scope {
        Some(text) => Scope::parse(text, client.resource(), &practice.graph_url())?,
        None => return Err(OAuthError::Missing("scope")),
    };
    let xml = ENGINE
        .decode(assertion)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| refused(50_008, "It is not XML in base64url."))?;
    let grant = Grant {
        client: client.id().to_owned(),
        scope,
        sign_in: judge(practice, &xml)?,
        ends: practice.now().plus(CODE_LIFETIME),
    };
    tokens(practice, version, client, &grant, None, Refresh::Begin)
}

fn refused(aadsts: u32, why: &str) -> OAuthError {
    OAuthError::Assertion {
        aadsts,
        why: why.to_owned(),
    }
}

/// Whom the assertion signs in, with a password; it is written down as a sign-in.
pub(in crate::practice) fn judge(
    practice: &Practice,
    xml: &str,
) -> Result<AcceptedSignIn, OAuthError> {
    let now = practice.now();
    let judgement = {
        let directory = lock(&practice.directory);
        let issuer = wsfed::reading::claimed_issuer(xml);
        let domain = (0..directory.domains().len())
            .filter_map(|at| directory.federated(at))
            .find(|domain| issuer.as_ref() == Some(&domain.issuer_uri))
            .ok_or_else(|| refused(50_107, "No federated domain here has its issuer."))?;
        wsfed::bearer::judge(
            xml,
            &Expectation {
                now,
                entity_id: &practice.entity_id,
                reply_url: "",
                domain: &domain,
                users: &directory,
                request: None,
                relay_state: RelayStateEcho::Exact,
                arrival: Arrival::First,
            },
        )
    };
    let failed = judgement
        .checks
        .iter()
        .find(|check| check.outcome == CheckOutcome::Failed);
    lock(&practice.sign_ins).add(SignIn {
        id: practice.guid(),
        at: now,
        person: judgement.person.clone(),
        amr: judgement.person.as_ref().map(|_| Amr::Password),
        error_code: failed.map(number).unwrap_or_default(),
        failure: failed.map(|check| check.title.to_owned()),
    });
    match (judgement.person, judgement.authn_instant) {
        (Some(person), Some(at)) => Ok(AcceptedSignIn {
            person,
            amr: Amr::Password,
            at,
        }),
        _ => Err(failed.map_or_else(
            || refused(50_008, "It does not say when the person signed in."),
            |check| refused(number(check), &check.detail),
        )),
    }
}

fn number(check: &Check) -> u32 {
    check.aadsts.parse().unwrap_or_default()
}
