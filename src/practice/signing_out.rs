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

use super::{
    Practice, PreferredProtocol, pages,
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
