//! `/oidc/…`: where Entra sends people's browsers for a second factor (External MFA), and what
//! it reads of us first (facts §5.2, §5.3).
//!
//! Always true: while no tenant is configured none of it is there; the two documents have a
//! length, the issuer stands in them as it is registered, and they are nobody's secret. A request
//! is answered with 303 to the attempt's page, as SAML's are, or with an error that goes to Entra.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Web, answer,
    forms::Pressed,
    navigation::is_navigation,
    pages::{external_mfa::NoAnswerPage, outcome::ErrorKind},
    saml, sign_in,
    visit::{AttemptForm, AttemptVisit, Visit},
};
use crate::app::{
    Category, Error,
    error::SupportCode,
    external_mfa::begin::ExternalMfaBegun,
    sign_in::{NextStep, NoAnswer},
};

/// What Entra, and any cache on the way, may keep of the documents. Entra keeps them for a day
/// whatever is said here (facts §5.2).
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// Entra's request. It comes by a form of another site, so no cookie of ours is with it and none
/// of ours is needed: what it says is signed.
pub async fn authorize(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_navigation(&headers) {
        return saml::embedded(&web);
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return web.refuse(ErrorKind::TooLarge, &SupportCode::TOO_LARGE);
        }
        Err(_) => return web.refuse(ErrorKind::BadRequest, &SupportCode::INPUT),
    };
    let Ok(body) = std::str::from_utf8(&body) else {
        return web.refuse(ErrorKind::BadRequest, &SupportCode::MALFORMED_REQUEST);
    };
    if !is_form(&headers) {
        return web.refuse(ErrorKind::BadRequest, &SupportCode::MALFORMED_REQUEST);
    }
    match web.app.begin_external_mfa(body, &visit.browser).await {
        Ok(ExternalMfaBegun::Attempt(begun)) => saml::to_attempt(&web, &begun),
        Ok(ExternalMfaBegun::Answer(answer)) => answer::send(&web, *answer),
        Err(error) => web.fail(&error),
    }
}

/// Somebody opened the address by hand, or reloads it.
pub async fn not_by_get(State(web): State<Arc<Web>>) -> Response {
    if let Err(error) = web.app.require_external_mfa().await {
        return web.fail(&error);
    }
    let mut response = web.refuse(ErrorKind::Method, &SupportCode::EXTERNAL_MFA_BY_GET);
    let allowed = HeaderValue::from_static("POST");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// The person gives up: Entra is told so, at the attempt's page.
pub async fn cancel(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, .. }: AttemptForm<Pressed>,
) -> Response {
    match web.app.cancel_external_mfa(&visit.id, &visit.browser).await {
        Ok(()) => sign_in::on(&visit),
        // Answered meanwhile, in another tab: by that.
        Err(error) if error.category() == Category::Conflict => sign_in::on(&visit),
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// What the button says while something can be done.
pub(super) const CANCEL: &str = "Cancel";

/// What the button says that ends it.
pub(super) fn way_back(step: NextStep) -> &'static str {
    match step {
        NextStep::CannotAnswer(_) => "Back to Microsoft",
        _ => CANCEL,
    }
}

/// The page on which there is nothing to ask.
pub(super) fn no_answer(
    web: &Web,
    visit: &AttemptVisit,
    why: NoAnswer,
    (here, at_entra): (Option<String>, Option<String>),
) -> Response {
    // Where an operator linked them, the two are not the same.
    let name = match why {
        NoAnswer::Stranger => at_entra,
        NoAnswer::NoFittingMethod | NoAnswer::NothingToSetUp => here,
    };
    let code = match why {
        NoAnswer::Stranger => &SupportCode::STRANGER,
        NoAnswer::NoFittingMethod | NoAnswer::NothingToSetUp => &SupportCode::NO_FITTING_METHOD,
    };
    let page = NoAnswerPage {
        frame: &visit.frame,
        why,
        name,
        support_code: code.code.to_owned(),
        reference: visit.id.to_string(),
        heading: NoAnswerPage::heading_of(why),
    };
    web.page(StatusCode::FORBIDDEN, &page)
}

/// What Entra reads of us first.
pub async fn discovery(State(web): State<Arc<Web>>) -> Response {
    document(&web, web.app.discovery_document().await)
}

/// The keys with which Entra verifies our tokens.
pub async fn jwks(State(web): State<Arc<Web>>) -> Response {
    document(&web, web.app.key_list().await)
}

/// A document of known length: hyper writes `Content-Length` of a body that is whole, which Entra
/// insists on.
fn document(web: &Web, document: Result<String, Error>) -> Response {
    let document = match document {
        Ok(document) => document,
        Err(error) => return web.fail(&error),
    };
    let length = HeaderValue::from(document.len());
    let json = HeaderValue::from_static("application/json");
    let headers = [
        (header::CONTENT_TYPE, json),
        (header::CONTENT_LENGTH, length),
        (header::CACHE_CONTROL, KEPT),
    ];
    (headers, document).into_response()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
