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
    Web, edge,
    navigation::{is_a_window_s, is_navigation},
    pages::outcome::ErrorKind,
    saml::{embedded, parameter, to_attempt},
    sign_out,
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
    let parameters = Parameters::of(&query, "");
    answer(&web, &visit, &headers, (Came::ByAddress, parameters)).await
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
    answer(&web, &visit, &headers, (Came::ByForm, parameters)).await
}

/// How a message came. A form of another site brings no cookie of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Came {
    ByAddress,
    ByForm,
}

async fn answer(
    web: &Web,
    visit: &Visit,
    headers: &HeaderMap,
    (came, parameters): (Came, Result<Parameters<'_>, ParameterError>),
) -> Response {
    let asked = parameters.and_then(|parameters| Ok((parameters, parameters.action()?)));
    match asked {
        Ok((parameters, Action::SignIn)) => sign_in(web, visit, headers, &parameters).await,
        Ok((parameters, Action::SignOut)) => {
            end_session(web, visit, headers, (came, &parameters)).await
        }
        // A frame cannot ask anybody else; a window of its own can.
        Ok((parameters, Action::SignOutCleanup))
            if came == Came::ByAddress && is_a_window_s(headers) =>
        {
            to_sign_out(&parameters)
        }
        Ok((_, Action::SignOutCleanup)) if came == Came::ByAddress => clean_up(web, visit).await,
        Ok((_, Action::SignOutCleanup)) => {
            web.refuse(ErrorKind::Method, &SupportCode::WRONG_METHOD)
        }
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

/// Ends the session at once: there is nothing in such a request that could be checked, and
/// whoever sends a browser here could as well close it.
async fn end_session(
    web: &Web,
    visit: &Visit,
    headers: &HeaderMap,
    (came, parameters): (Came, &Parameters<'_>),
) -> Response {
    if !is_navigation(headers) {
        return sign_out::embedded(web);
    }
    if came == Came::ByForm {
        return to_sign_out(parameters);
    }
    let (realm, reply) = realm_and_reply(parameters);
    let begun = web
        .app
        .sign_out_by_ws(realm.as_deref(), reply.as_deref(), &visit.browser)
        .await;
    sign_out::begun(web, begun)
}

/// Both decide where the browser goes: what is there twice is not followed.
fn realm_and_reply(parameters: &Parameters<'_>) -> (Option<String>, Option<String>) {
    let value = |name| parameters.value(name).ok().flatten();
    (value("wtrealm"), value("wreply"))
}

/// The same by the address that brings the cookie, in a window.
fn to_sign_out(parameters: &Parameters<'_>) -> Response {
    let (realm, reply) = realm_and_reply(parameters);
    let mut query = url::form_urlencoded::Serializer::new("wa=wsignout1.0".to_owned());
    for (name, value) in [("wtrealm", &realm), ("wreply", &reply)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    Redirect::to(&format!("/wsfed?{}", query.finish())).into_response()
}

/// A party signs the person out and asks in a frame. Always the same empty page, the only
/// answer that may stand in a frame: it has nothing on it, and takes nothing.
async fn clean_up(web: &Web, visit: &Visit) -> Response {
    if let Err(error) = web.app.clean_up_by_ws(&visit.browser).await {
        tracing::warn!(
            code = error.code().code,
            "a session was not cleaned up: {error}"
        );
    }
    let headers = [
        (header::CONTENT_SECURITY_POLICY, edge::POLICY_IN_A_FRAME),
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
    ];
    (StatusCode::OK, headers, "").into_response()
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
