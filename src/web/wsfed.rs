//! `/wsfed` and the federation metadata: where Entra sends people's browsers if a domain
//! speaks WS-Federation.
//!
//! Always true: what is asked for (`wa`) is decided before anything else, because only a
//! sign-in must be a navigation and only a clean-up may be framed. A sign-in is answered
//! with 303 to the attempt's page, also after POST, as SAML's is.

use std::sync::Arc;

use axum::{
    extract::{Path, RawForm, RawQuery, State, rejection::RawFormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Web,
    navigation::is_navigation,
    pages::outcome::ErrorKind,
    saml::{embedded, parameter, to_attempt},
    visit::Visit,
};
use crate::{
    app::error::SupportCode,
    protocol::wsfed::{
        parameters::{Action, ParameterError, Parameters},
        request::RequestError,
    },
};

/// Where AD FS has its metadata; Entra looks there too.
const METADATA: (&str, &str) = ("FederationMetadata", "FederationMetadata.xml");

/// By the address.
pub async fn get(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    answer(&web, &visit, &headers, Parameters::of(&query, "")).await
}

/// By a form; the address may fix the domain.
pub async fn post(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let form = match form {
        Ok(RawForm(bytes)) => bytes,
        Err(RawFormRejection::BytesRejection(rejection))
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE =>
        {
            return web.refuse(ErrorKind::TooLarge, &SupportCode::TOO_LARGE);
        }
        Err(_) => return web.refuse(ErrorKind::BadRequest, &SupportCode::INPUT),
    };
    let Ok(form) = std::str::from_utf8(&form) else {
        return web.refuse(ErrorKind::BadRequest, &SupportCode::INPUT);
    };
    let query = query.unwrap_or_default();
    let parameters = Parameters::of(&query, form);
    if let Ok(parameters) = &parameters
        && let Some(id) = parameters.client_request_id()
    {
        // Of a GET the edge has found it in the address.
        tracing::Span::current().record("client_request_id", id);
    }
    answer(&web, &visit, &headers, parameters).await
}

async fn answer(
    web: &Web,
    visit: &Visit,
    headers: &HeaderMap,
    parameters: Result<Parameters<'_>, ParameterError>,
) -> Response {
    let asked = parameters.and_then(|parameters| Ok((parameters, parameters.action()?)));
    match asked {
        Ok((parameters, Action::SignIn)) => sign_in(web, visit, headers, &parameters).await,
        Ok((_, Action::SignOut)) => sign_out(),
        Ok((_, Action::SignOutCleanup)) => clean_up(),
        Err(error) => web.fail(&web.app.refused(&RequestError::from(error))),
    }
}

async fn sign_in(
    web: &Web,
    visit: &Visit,
    headers: &HeaderMap,
    parameters: &Parameters<'_>,
) -> Response {
    if !is_navigation(headers) {
        return embedded(web);
    }
    match web.app.begin_wsfed(parameters, &visit.browser).await {
        Ok(begun) => to_attempt(web, &begun),
        Err(error) => web.fail(&error),
    }
}

/// Where Entra sends a browser that signs out there: asks whether to sign out here too.
fn sign_out() -> Response {
    Redirect::to("/sign-out").into_response()
}

/// A party of ours that clears up; nothing that we keep is another party's to clear.
fn clean_up() -> Response {
    StatusCode::OK.into_response()
}

/// What a relying party, and Entra's own look for new certificates, need to know of us; not
/// signed (attack 10). Clients write the path in any letter case.
pub async fn metadata(
    State(web): State<Arc<Web>>,
    Path((folder, document)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let is_metadata =
        folder.eq_ignore_ascii_case(METADATA.0) && document.eq_ignore_ascii_case(METADATA.1);
    if !is_metadata {
        return web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND);
    }
    let domain = parameter(&query.unwrap_or_default(), "domain");
    match web.app.federation_metadata(domain.as_deref()).await {
        Ok(xml) => (
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/samlmetadata+xml"),
            )],
            xml,
        )
            .into_response(),
        Err(error) => web.fail(&error),
    }
}
