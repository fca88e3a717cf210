//! Signing out: at the tenant, and on to the identity provider (facts §2.4).
//!
//! Always true: the tenant's own state is gone before the browser leaves for the identity
//! provider, whatever becomes of it there; a clean-up is answered with an empty page, also
//! where no cookie came along.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Practice, PreferredProtocol,
    federation::FederatedDomain,
    pages, reading,
    site::{Forms, cookie, page},
    tenant::VISIT,
    visit::lock,
    wsfed::request::sign_out_address,
};

/// `/sign-out`: signs out here, then at the identity provider of the person's domain.
pub(super) async fn sign_out(
    State(practice): State<Arc<Practice>>,
    headers: HeaderMap,
) -> Response {
    let upn = practice.forget(&headers);
    let domain = {
        let directory = lock(&practice.directory);
        upn.map_or(Some(directory.first()), |upn| {
            directory.place_of(&upn.domain())
        })
        .and_then(|at| directory.federated(at))
    };
    match domain {
        Some(domain) if domain.preferred_protocol == PreferredProtocol::WsFed => {
            match domain.sign_out_url.as_deref() {
                Some(url) => Redirect::to(&sign_out_address(url)).into_response(),
                None => {
                    signed_out("The domain has no signOutUri: the identity provider was not told.")
                }
            }
        }
        _ => signed_out(
            "The identity provider was not told: close the browser, or sign out there as well.",
        ),
    }
}

/// `GET /login.srf`: with `wa=wsignoutcleanup1.0` the tenant's session ends; anything else
/// goes to the first page.
pub(super) async fn clean_up(
    State(practice): State<Arc<Practice>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if query.get("wa").map(String::as_str) != Some("wsignoutcleanup1.0") {
        return Redirect::to("/").into_response();
    }
    practice.forget(&headers);
    // The identity provider asks in a frame; there is nothing here to be tricked into.
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "").into_response()
}

/// `POST /login.srf` with a LogoutRequest of SAML 2.0: the tenant's session in this browser
/// ends, and the browser goes back with a LogoutResponse (facts §1.4).
pub(super) fn answer_logout(practice: &Practice, headers: &HeaderMap, field: &str) -> Response {
    let id = reading::decode_field(field).ok().and_then(|xml| {
        let document = reading::parse_plain(&xml).ok()?;
        let root = document.document_element()?;
        let is_request = xml.contains(":LogoutRequest") || xml.contains("<LogoutRequest");
        reading::attribute(&document, root, "ID").filter(|_| is_request)
    });
    let plain = |id: &String| {
        id.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let Some(id) = id.filter(plain) else {
        return (
            StatusCode::BAD_REQUEST,
            "AADSTS50061: this is no LogoutRequest.\n",
        )
            .into_response();
    };
    let upn = practice.forget(headers);
    let domain = {
        let directory = lock(&practice.directory);
        upn.map_or(Some(directory.first()), |upn| {
            directory.place_of(&upn.domain())
        })
        .and_then(|at| directory.federated(at))
    };
    let Some(target) = domain.and_then(|domain| slo_address(&domain)) else {
        return signed_out("The domain has no signOutUri: nobody was answered.");
    };
    let xml = format!(
        "<p:LogoutResponse xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{target}\" InResponseTo=\"{id}\"><a:Issuer xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">{}</a:Issuer><p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></p:Status></p:LogoutResponse>",
        practice.token(),
        practice.now(),
        practice.entity_id
    );
    let response = pages::Post {
        target: &target,
        fields: vec![("SAMLResponse", STANDARD.encode(&xml))],
        pretty: xml.clone(),
    };
    page(StatusCode::OK, &response, Forms::Unrestricted)
}

/// Where the domain's LogoutResponses go: its signOutUri, or where SAML's stands beside the
/// sign-in address.
fn slo_address(domain: &FederatedDomain) -> Option<String> {
    if let Some(url) = &domain.sign_out_url {
        return Some(url.clone());
    }
    let sign_in = url::Url::parse(&domain.sign_in_url).ok()?;
    sign_in.join("/saml2/slo").ok().map(String::from)
}

fn signed_out(words: &'static str) -> Response {
    page(StatusCode::OK, &pages::SignedOut { words }, Forms::Own)
}

impl Practice {
    /// Ends the session of this browser; whose it was.
    fn forget(&self, headers: &HeaderMap) -> Option<crate::base::text::Upn> {
        let visit = lock(&self.visits).by_cookie(cookie(headers, VISIT)?)?;
        let session = lock(&visit).session.take();
        session.map(|session| session.person.upn)
    }
}
