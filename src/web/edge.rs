//! What every request passes: a name of its own, the host check, a time limit, and
//! the security headers of every answer.
//!
//! Always true: an answer without a content security policy does not leave; a
//! request for a name that is not ours reaches no handler but the health endpoints.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument as _;

use super::{Web, access, pages::outcome::ErrorKind, site::Scheme};
use crate::{
    app::error::SupportCode,
    base::random::{SystemRandom, random_token},
};

/// What a page may load and where its forms may go.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// The same, and the page's script may fetch from us: the question for a security key.
pub const POLICY_FOR_KEYS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// The same without `form-action`: for a form whose answer ends at another origin.
/// Chromium and Safari apply `form-action` to every redirect that follows, and
/// Entra redirects on to portals that we cannot list.
pub const POLICY_FOR_LEAVING: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
);

/// A page of ours that asks WS-Federation parties in frames: these addresses' origins and no
/// others. Where a person goes from there is another origin's, so there is no `form-action`.
pub fn policy_for_frames(addresses: &[String]) -> HeaderValue {
    let mut origins: Vec<String> = addresses
        .iter()
        .filter_map(|address| url::Url::parse(address).ok())
        .map(|address| address.origin().ascii_serialization())
        .collect();
    origins.sort();
    origins.dedup();
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; frame-src {}; frame-ancestors 'none'; base-uri 'none'",
        origins.join(" ")
    );
    if origins.is_empty() {
        return POLICY_FOR_LEAVING;
    }
    // An origin is ASCII without spaces: it cannot fail.
    HeaderValue::from_str(&policy).unwrap_or(POLICY_FOR_LEAVING)
}

/// An empty page that any party may put into a frame (`wsignoutcleanup1.0`).
pub const POLICY_IN_A_FRAME: HeaderValue =
    HeaderValue::from_static("default-src 'none'; form-action 'none'; base-uri 'none'; sandbox");

/// Two years. Without sub-domains: they are not ours to decide about.
const STAY_ON_TLS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// No request takes longer; the slowest part is a password hash.
const TIME_LIMIT: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The request that this task answers.
    static REQUEST: String;
}

/// The id of the request that is being answered, for error pages and logs.
pub fn request_id() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok()
}

/// The layer around all routes.
pub async fn edge(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let id = format!("req_{}", random_token(&mut SystemRandom));
    let span = tracing::info_span!(
        "request",
        id,
        method = %request.method(),
        path = request.uri().path(),
        client_request_id = client_request_id(&request),
    );
    REQUEST
        .scope(id, answer(web, request, next).instrument(span))
        .await
}

async fn answer(web: Arc<Web>, request: Request, next: Next) -> Response {
    let began = web.app.now();
    let mut response = if is_for_us(&web, &request) {
        match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => web.refuse(ErrorKind::Unavailable, &SupportCode::UNAVAILABLE),
        }
    } else {
        web.refuse(ErrorKind::WrongHost, &SupportCode::WRONG_HOST)
    };
    let took = web.app.now().since(began);
    tracing::info!(
        status = response.status().as_u16(),
        millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    protect(response.headers_mut(), web.site.scheme);
    response
}

fn is_for_us(web: &Web, request: &Request) -> bool {
    access::is_health(request.uri().path())
        || request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .is_some_and(|host| web.site.is_named_by(host))
}

/// Adds what is missing; a page that needs another policy has set it already.
pub(super) fn protect(headers: &mut HeaderMap, scheme: Scheme) {
    const SNIFF: HeaderName = header::X_CONTENT_TYPE_OPTIONS;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (SNIFF, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ] {
        headers.entry(name).or_insert(value);
    }
    if scheme == Scheme::Https {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(STAY_ON_TLS);
    }
}

/// Entra's name for the sign-in, from the header or the query, so that a line of our
/// log and one of theirs can be laid side by side. Only the form of a GUID is kept.
fn client_request_id(request: &Request) -> Option<String> {
    const NAME: &str = "client-request-id";
    let header = request
        .headers()
        .get(NAME)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let query = || {
        let query = request.uri().query()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == NAME)
            .map(|(_, value)| value.into_owned())
    };
    header.or_else(query).filter(|id| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}
