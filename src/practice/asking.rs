//! From a wish to a request: the browser goes to the domain's identity provider, in the
//! protocol that the domain's registration says.
//!
//! Always true: what was sent is remembered before the browser leaves; a domain without a
//! registration, or without `preferredAuthenticationProtocol`, sends nobody anywhere.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    FederatedDomain, Practice, PreferredProtocol,
    federation::Protocol,
    oauth::Onward,
    pages,
    request::{self, Binding, Wish},
    site::{Forms, page, set_cookie},
    tenant::VISIT,
    visit::{SentRequest, SharedVisit, lock},
    wsfed::request::{self as wsfed_request, SignIn},
};

/// A request to the identity provider, and what follows its answer.
pub(super) struct Ask {
    /// Which registered domain.
    pub(super) domain: usize,
    /// What is wanted of the sign-in.
    pub(super) wish: Wish,
    /// How it travels, if not as Entra does it.
    pub(super) binding: Option<Binding>,
    /// Whom the person said to be; goes along where the protocol has a place for it.
    pub(super) hint: Option<String>,
    /// What follows an accepted answer, where it is not Partner Center's page.
    pub(super) onward: Option<Onward>,
}

/// Why nobody was sent.
const MANAGED: &str = "The domain is managed now: nobody is sent to the identity provider, and Entra would ask for a password of its own.";
const NO_PROTOCOL: &str = "The domain is federated, but it has no preferredAuthenticationProtocol. In Entra a missing value breaks sign-in with AADSTS50107. Set it to saml or wsFed.";
const NO_PASSIVE: &str =
    "The domain speaks WS-Federation, which has no request that must not ask the person anything.";

/// Sends the browser of `visit`, whose cookie is `value`, to the identity provider.
pub(super) fn ask_identity_provider(
    practice: &Practice,
    value: &str,
    visit: &SharedVisit,
    ask: Ask,
) -> Response {
    let registered = lock(&practice.directory).federated(ask.domain);
    let Some(domain) = registered else {
        return not_sent(MANAGED);
    };
    let (sent, response) = match domain.preferred_protocol {
        PreferredProtocol::Saml => by_saml(practice, &domain, ask),
        PreferredProtocol::WsFed if ask.wish == Wish::Passive => return not_sent(NO_PASSIVE),
        PreferredProtocol::WsFed => by_wsfed(practice, &domain, ask),
        PreferredProtocol::Missing => return not_sent(NO_PROTOCOL),
    };
    lock(&practice.visits).remember_relay_state(sent.relay_state.clone(), value.to_owned());
    lock(visit).sent(sent);
    set_cookie(response, VISIT, value)
}

fn by_saml(practice: &Practice, domain: &FederatedDomain, ask: Ask) -> (SentRequest, Response) {
    let id = format!("_{}", practice.guid());
    let issued_at = practice.now();
    let relay_state = request::relay_state(&practice.random_bytes::<600>());
    let xml = request::encode(&id, issued_at, &practice.entity_id, ask.wish);
    let target = &domain.sign_in_url;
    let response = match ask.binding.unwrap_or(Binding::Post) {
        Binding::Post => form(
            target,
            vec![
                ("SAMLRequest", STANDARD.encode(&xml)),
                ("RelayState", relay_state.clone()),
            ],
            pages::pretty_xml(&xml),
        ),
        Binding::Redirect => match request::redirect_address(target, &xml, &relay_state) {
            Ok(address) => Redirect::to(&address).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    };
    let sent = SentRequest {
        id,
        protocol: Protocol::Saml2,
        relay_state,
        issued_at,
        freshness: ask.wish.freshness(),
        domain: ask.domain,
        message: xml,
        answered: false,
        onward: ask.onward,
    };
    (sent, response)
}

fn by_wsfed(practice: &Practice, domain: &FederatedDomain, ask: Ask) -> (SentRequest, Response) {
    let id = practice.guid();
    let context = wsfed_request::context(&practice.random_bytes::<1600>());
    let request = SignIn {
        sign_in_url: &domain.sign_in_url,
        realm: &practice.entity_id,
        context: &context,
        request_id: &id,
        username: ask.hint.as_deref().unwrap_or_default(),
        wish: ask.wish,
        prompt_login: domain.prompt_login,
    };
    let address = request.address();
    let response = match ask.binding.unwrap_or(Binding::Redirect) {
        Binding::Redirect => Redirect::to(&address).into_response(),
        Binding::Post => form(&domain.sign_in_url, request.parameters(), address.clone()),
    };
    let sent = SentRequest {
        id,
        protocol: Protocol::WsFed,
        relay_state: context,
        issued_at: practice.now(),
        freshness: ask.wish.freshness(),
        domain: ask.domain,
        message: address,
        answered: false,
        onward: ask.onward,
    };
    (sent, response)
}

fn form(target: &str, fields: Vec<(&'static str, String)>, pretty: String) -> Response {
    page(
        StatusCode::OK,
        &pages::Post {
            target,
            fields,
            pretty,
        },
        Forms::Unrestricted,
    )
}

fn not_sent(words: &'static str) -> Response {
    page(StatusCode::CONFLICT, &pages::NotSent { words }, Forms::Own)
}
