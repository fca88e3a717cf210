//! The practice Partner Center's routes: its API, and a page for the browser.
//!
//! Always true: it learns the token by redeeming a handle once, behind the
//! scenes; it checks the token with the tenant's published keys like any other.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Practice, inspection, pages,
    partner_center::{self, PartnerCenterAnswer},
    shelf::Shelf,
    site::{self, Forms, cookie, page, set_cookie},
    token,
    visit::lock,
};

/// The cookie under which a browser's token is kept here.
const DESK: &str = "practice_partner_center";

/// Handles that are good once, and the tokens of browsers that redeemed one.
#[derive(Default)]
pub(super) struct Handles {
    handles: Mutex<Shelf<String>>,
    tokens: Mutex<Shelf<String>>,
}

impl Handles {
    /// Keeps a token until its handle comes.
    pub(super) fn keep(&self, handle: String, token: String) {
        lock(&self.handles).put(handle, token);
    }

    fn redeem(&self, handle: &str) -> Option<String> {
        lock(&self.handles).take(handle)
    }
}

type Center = State<Arc<Practice>>;

pub(super) fn router(practice: &Arc<Practice>) -> Router {
    let routes = Router::new()
        .route("/", get(desk))
        .route("/arrive", get(arrive))
        .route("/v1/customers", get(customers))
        .route("/v1/profiles/organization", get(organization_profile))
        .with_state(Arc::clone(practice));
    site::frame(routes, &practice.partner_center_url)
}

#[derive(Deserialize)]
struct Arrival {
    handle: String,
}

async fn arrive(State(practice): Center, Query(arrival): Query<Arrival>) -> Response {
    let to_desk = Redirect::to("/").into_response();
    match practice.handles.redeem(&arrival.handle) {
        Some(token) => {
            let desk = practice.token();
            lock(&practice.handles.tokens).put(desk.clone(), token);
            set_cookie(to_desk, DESK, &desk)
        }
        None => to_desk,
    }
}

fn judge(practice: &Practice, bearer: Option<&str>) -> PartnerCenterAnswer {
    partner_center::judge(
        bearer,
        &practice.tokens.jwks(),
        &practice.tokens.issuer(),
        practice.now(),
    )
}

async fn desk(State(practice): Center, headers: HeaderMap) -> Response {
    let token =
        cookie(&headers, DESK).and_then(|desk| lock(&practice.handles.tokens).get(desk).cloned());
    let answer = judge(&practice, token.as_deref());
    let jwks = practice.tokens.jwks();
    let shown = pages::PartnerCenterPage {
        answer: &answer,
        claims: token
            .as_deref()
            .and_then(|token| token::verify(token, &jwks).ok())
            .map(|claims| pages::pretty_json(&claims)),
        report: token
            .as_deref()
            .map(|token| inspection::of_token(token, &jwks, practice.now())),
        tenant_url: &practice.own_url,
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::UNAUTHORIZED);
    page(status, &shown, Forms::Own)
}

async fn customers(State(practice): Center, headers: HeaderMap) -> Response {
    api(
        &practice,
        &headers,
        &json!({ "totalCount": 0, "items": [], "attributes": { "objectType": "Collection" } }),
    )
}

async fn organization_profile(State(practice): Center, headers: HeaderMap) -> Response {
    let domain = practice.tenant_name();
    api(
        &practice,
        &headers,
        &json!({
            "id": practice.tokens.tenant_id(),
            "companyName": "Practice partner",
            "domain": domain,
            "culture": "en-US",
            "language": "en",
            "profileType": "organization_profile",
            "attributes": { "objectType": "OrganizationProfile" },
        }),
    )
}

/// One call of the API: the documented answer if the token is good, else 401.
fn api(practice: &Practice, headers: &HeaderMap, found: &Value) -> Response {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let answer = judge(practice, bearer);
    let mut response = if answer.status == 200 {
        site::json(StatusCode::OK, found)
    } else {
        let mut refused = site::json(
            StatusCode::UNAUTHORIZED,
            &json!({ "code": answer.code, "description": answer.reason }),
        );
        refused.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer error=\"invalid_token\""),
        );
        refused
    };
    // What a caller names a call by comes back; a caller that names none gets a name.
    for name in ["ms-correlationid", "ms-requestid"] {
        let value = match headers.get(name) {
            Some(given) => Some(given.clone()),
            None => HeaderValue::from_str(&practice.guid()).ok(),
        };
        if let Some(value) = value {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    // The documented self-test: a request header asks, a response header answers.
    let asks = headers
        .get("ValidateMfa")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if asks {
        response.headers_mut().insert(
            HeaderName::from_static("ismfacompliant"),
            HeaderValue::from_static(answer.mfa.as_str()),
        );
    }
    response
}
