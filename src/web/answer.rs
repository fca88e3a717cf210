//! The answer on its way to the relying party.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};

use super::{Web, cookies::Cookie, edge, pages::outcome::AutoSubmitPage};
use crate::app::answer::{Answer, Destination};

/// The way to where the person was going, with the cookies of a new session if there is one.
pub fn send(web: &Web, answer: Answer) -> Response {
    let mut response = match answer.to {
        Destination::Here(path) => Redirect::to(&path).into_response(),
        Destination::Saml {
            action,
            saml_response,
            relay_state,
        } => {
            let mut fields = vec![("SAMLResponse", saml_response)];
            fields.extend(relay_state.map(|state| ("RelayState", state)));
            auto_submit(web, action, fields)
        }
        Destination::WsFed {
            action,
            wresult,
            wctx,
        } => {
            let mut fields = vec![("wa", "wsignin1.0".to_owned()), ("wresult", wresult)];
            fields.extend(wctx.map(|wctx| ("wctx", wctx)));
            auto_submit(web, action, fields)
        }
        Destination::ExternalMfa {
            action,
            id_token,
            state,
        } => auto_submit(web, action, with_state("id_token", id_token, state)),
        Destination::ExternalMfaError {
            action,
            error,
            state,
        } => auto_submit(web, action, with_state("error", error, state)),
    };
    let headers = response.headers_mut();
    let (scheme, settings) = (web.site.scheme, web.app.settings());
    if let Some(token) = answer.session {
        let cookie = Cookie::set_session(&token, scheme, settings.sessions);
        headers.append(header::SET_COOKIE, cookie);
    }
    if let Some(token) = answer.known {
        let cookie = Cookie::KnownBrowser.set(&token, scheme, settings.desk);
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

fn with_state(
    name: &'static str,
    value: String,
    state: Option<String>,
) -> Vec<(&'static str, String)> {
    let state = state.map(|state| ("state", state));
    std::iter::once((name, value)).chain(state).collect()
}

/// The auto-submit page. Its policy has no `form-action`, because the party redirects on
/// to places we cannot list.
fn auto_submit(web: &Web, action: String, fields: Vec<(&'static str, String)>) -> Response {
    let page = AutoSubmitPage {
        frame: &web.frame,
        heading: "One moment",
        going_to: host_of(&action),
        target: action,
        fields,
    };
    let mut response = web.page(StatusCode::OK, &page);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, edge::POLICY_FOR_LEAVING);
    response
}

/// The host that people will see in the address bar next.
pub(super) fn host_of(action: &str) -> String {
    url::Url::parse(action)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "the application".to_owned())
}
