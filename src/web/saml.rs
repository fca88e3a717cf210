//! `/saml2/sso`, `/saml2/metadata`: where Entra sends people's browsers.
//!
//! A request is answered with 303 to the attempt's page, also after POST: the POST
//! came from another site and brought no `SameSite=Lax` cookie; the GET that follows
//! brings the session's.

use std::sync::Arc;

use axum::{
    extract::{Form, RawQuery, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Web, answer,
    cookies::Cookie,
    forms,
    navigation::is_navigation,
    pages::outcome::ErrorKind,
    visit::{Visit, attempt_path},
};
use crate::{
    app::{
        Error,
        error::SupportCode,
        refused::Refused,
        saml::SamlBegun,
        sign_in::{Begun, Browser},
    },
    protocol::saml::authn_request::{RequestError, UnverifiedAuthnRequest},
};

/// A name to fill in for the person: parameters that Entra and others are seen to send.
const HINTS: [&str; 3] = ["login_hint", "username", "LoginHint"];

/// HTTP-Redirect.
pub async fn sso_redirect(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if !is_navigation(&headers) {
        return embedded(&web);
    }
    let query = query.unwrap_or_default();
    let parsed = UnverifiedAuthnRequest::parse_redirect(&query);
    begin(&web, &visit.browser, &query, parsed).await
}

/// HTTP-POST.
pub async fn sso_post(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    if !is_navigation(&headers) {
        return embedded(&web);
    }
    let fields = match form {
        Ok(Form(fields)) => fields,
        Err(rejection) => return forms::unreadable(&web, &rejection),
    };
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let parsed = UnverifiedAuthnRequest::parse_post(fields);
    begin(&web, &visit.browser, &query.unwrap_or_default(), parsed).await
}

pub(super) fn embedded(web: &Web) -> Response {
    web.app.count_refused(Refused::NotNavigated);
    web.refuse(ErrorKind::Refused, &SupportCode::NOT_NAVIGATED)
}

async fn begin(
    web: &Web,
    browser: &Browser,
    query: &str,
    parsed: Result<UnverifiedAuthnRequest, RequestError>,
) -> Response {
    let hint = HINTS.iter().find_map(|name| parameter(query, name));
    let domain = parameter(query, "domain");
    let begun = web
        .app
        .begin_saml(parsed, domain.as_deref(), hint, browser)
        .await;
    match begun {
        Ok(SamlBegun::Attempt(begun)) => to_attempt(web, &begun),
        Ok(SamlBegun::Answer(refused)) => answer::send(web, *refused),
        Err(error) => web.fail(&error),
    }
}

pub(super) fn to_attempt(web: &Web, begun: &Begun) -> Response {
    let mut response = Redirect::to(&attempt_path(&begun.attempt)).into_response();
    if let Some(binding) = &begun.binding {
        let cookie =
            Cookie::Attempt(&begun.attempt).set(binding, web.site.scheme, web.app.settings().desk);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The one value of a query parameter; a repeated one counts as none.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut values = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(given, _)| given == name)
        .map(|(_, value)| value.into_owned());
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() && value.len() <= 256 => Some(value),
        _ => None,
    }
}

/// What a service provider needs to know of us; not signed (attack 10).
pub async fn metadata(State(web): State<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let domain = parameter(&query, "domain");
    let document: Result<String, Error> = web.app.saml_metadata(domain.as_deref()).await;
    match document {
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

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn a_parameter_counts_only_if_it_is_there_once() {
        let read = |query| parameter(query, "domain");
        assert_eq!(
            read("domain=contoso.com&a=b").as_deref(),
            Some("contoso.com")
        );
        assert_eq!(read("domain=a.com&domain=b.com"), None);
        assert_eq!(read("domain="), None);
        assert_eq!(read("Domain=contoso.com"), None);
    }
}
