//! `/trust/…`: WS-Trust, for programs. While the door is closed there is nothing here.
//!
//! No cookie is read or set, no page of another site can send such a request (its media type
//! is none that a form has, and nothing here allows another origin), and a body is not read
//! further than a request may be long.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Web, pages::outcome::ErrorKind, peer::PeerAddress, visit::source};
use crate::{
    app::{error::SupportCode, trust::TrustOutcome},
    protocol::wstrust::{
        Version,
        fault::Fault,
        request::{LIMITS, UnverifiedTokenRequest, require_action},
    },
};

const SOAP: &str = "application/soap+xml";

/// WS-Trust of February 2005.
pub async fn february_2005(
    State(web): State<Arc<Web>>,
    peer: PeerAddress,
    request: Request,
) -> Response {
    answer(&web, peer, request, Version::February2005).await
}

/// WS-Trust 1.3.
pub async fn v13(State(web): State<Arc<Web>>, peer: PeerAddress, request: Request) -> Response {
    answer(&web, peer, request, Version::V13).await
}

/// Where the two are.
pub async fn mex(State(web): State<Arc<Web>>, method: Method) -> Response {
    match web.app.trust_description() {
        None => closed(&web),
        Some(_) if !matches!(method, Method::GET | Method::HEAD) => wrong_method(&web, "GET, HEAD"),
        Some(xml) => {
            let kind = HeaderValue::from_static("text/xml; charset=utf-8");
            ([(header::CONTENT_TYPE, kind)], xml).into_response()
        }
    }
}

async fn answer(web: &Web, peer: PeerAddress, request: Request, version: Version) -> Response {
    if !web.app.settings().active_door.is_open() {
        return closed(web);
    }
    if request.method() != Method::POST {
        return wrong_method(web, "POST");
    }
    let (parts, body) = request.into_parts();
    let request = match read(&parts.headers, body, version).await {
        Ok(bytes) => UnverifiedTokenRequest::parse(&bytes, version),
        Err(fault) => UnverifiedTokenRequest::refused(fault),
    };
    let Some(answer) = web.app.answer_trust(version, request, source(peer)).await else {
        return closed(web);
    };
    let status = match answer.outcome {
        TrustOutcome::Token => StatusCode::OK,
        // As AD FS answers, and SOAP 1.2's HTTP binding: clients read the fault, not the status.
        TrustOutcome::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        TrustOutcome::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let kind = HeaderValue::from_static("application/soap+xml; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], answer.xml).into_response()
}

/// The body, if it says that it is what it must be.
async fn read(
    headers: &HeaderMap,
    body: Body,
    version: Version,
) -> Result<axum::body::Bytes, Fault> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .ok_or(Fault::MediaType)?;
    let mut parts = kind.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case(SOAP))
    {
        return Err(Fault::MediaType);
    }
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "charset" if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") => {
                return Err(Fault::MediaType);
            }
            "action" => require_action(value, version)?,
            _ => {}
        }
    }
    if let Some(action) = headers.get("soapaction") {
        require_action(action.to_str().map_err(|_| Fault::Action)?, version)?;
    }
    to_bytes(body, LIMITS.bytes)
        .await
        .map_err(|_| Fault::TooLarge(LIMITS.bytes))
}

fn closed(web: &Web) -> Response {
    web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND)
}

fn wrong_method(web: &Web, allowed: &'static str) -> Response {
    let mut response = web.refuse(ErrorKind::Method, &SupportCode::WRONG_METHOD);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
