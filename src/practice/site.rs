//! What both practice sites share: headers, cookies, the style sheet.
//!
//! Always true: a page has no inline script or style and may not be framed, and
//! a request for another host name than the configured one is turned away (a
//! rebound DNS name would otherwise read the demo user's codes).

use askama::Template;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};

const CONTENT_SECURITY_POLICY: HeaderName = header::CONTENT_SECURITY_POLICY;

/// Where a form of a page may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Forms {
    /// To this site.
    Own,
    /// Anywhere: Chromium applies `form-action` to every redirect that follows.
    Unrestricted,
}

/// Renders a page with its headers.
pub(super) fn page(status: StatusCode, template: &impl Template, forms: Forms) -> Response {
    let Ok(html) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let policy = match forms {
        Forms::Own => {
            "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
        }
        Forms::Unrestricted => {
            "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        }
    };
    let mut response = (status, Html(html)).into_response();
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        format!("{value}\n"),
    )
        .into_response()
}

/// The cookie of that name. Cookies know no ports: the two sites share a jar, so
/// each uses a name of its own.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// Adds a session cookie.
pub(super) fn set_cookie(mut response: Response, name: &str, value: &str) -> Response {
    if let Ok(cookie) =
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax"))
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Adds the style sheet, common headers and the check of the host name.
pub(super) fn frame(router: Router, own_url: &str) -> Router {
    let authority = own_url
        .split_once("://")
        .map_or(own_url, |(_, rest)| rest)
        .to_owned();
    router
        .route(
            "/practice.css",
            get(async || {
                (
                    [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
                    include_str!("assets/practice.css"),
                )
            }),
        )
        .route(
            "/submit.js",
            get(async || {
                (
                    [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
                    include_str!("assets/submit.js"),
                )
            }),
        )
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let authority = authority.clone();
            async move { guarded(&authority, request, next).await }
        }))
}

async fn guarded(authority: &str, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    if host != Some(authority) {
        return Response::builder()
            .status(StatusCode::MISDIRECTED_REQUEST)
            .body(Body::from(format!(
                "This practice site answers only as {authority}. Open http://{authority}/ instead.\n"
            )))
            .unwrap_or_default();
    }
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
