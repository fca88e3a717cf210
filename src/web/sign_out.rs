//! `/sign-out…` and `/saml2/slo`: signing out here, and at the parties of the session.
//!
//! A message of a party is answered with 303 to the sign-out's page, also after POST: the POST
//! came from another site and brought no `SameSite=Lax` cookie; the GET that follows does.
//! The session's cookie stays until the last page: it says whose sign-out this is, also to
//! whoever presses a button once more meanwhile.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, RawQuery, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};

use super::{
    Web,
    cookies::Cookie,
    edge,
    forms::{self, CsrfForm, Pressed},
    navigation::is_navigation,
    pages::{
        outcome::{AutoSubmitPage, ErrorKind},
        sign_out::{NotEndedPage, SignOutAskPage, SignOutPage, SignedOutPage, WayOut, in_words},
    },
    saml::parameter,
    visit::Visit,
};
use crate::{
    app::{
        Error,
        error::SupportCode,
        refused::Refused,
        sign_out::{Known, Onward, Scope, SignOutBegun, SignOutStep},
    },
    base::ids::SignOutId,
    protocol::saml::{
        binding::BindingError,
        logout::{LogoutError, UnverifiedLogout, outgoing::Outgoing},
    },
};

/// Asks whether to sign out, because GET changes nothing.
pub async fn ask(State(web): State<Arc<Web>>, visit: Visit) -> Response {
    match visit.session_form(&web) {
        Some(csrf) => {
            let frame = &web.frame;
            web.page(StatusCode::OK, &SignOutPage { frame, csrf })
        }
        None => signed_out(&web, Scope::Here),
    }
}

/// Ends this browser's session.
pub async fn here(State(web): State<Arc<Web>>, visit: Visit, form: CsrfForm<Pressed>) -> Response {
    if form
        .verify(&web.forms, visit.browser.session.as_ref())
        .is_err()
    {
        return web.stale_form();
    }
    begun(&web, web.app.sign_out(&visit.browser).await)
}

/// Ends all sessions of the person.
pub async fn everywhere(
    State(web): State<Arc<Web>>,
    visit: Visit,
    form: CsrfForm<Pressed>,
) -> Response {
    if form
        .verify(&web.forms, visit.browser.session.as_ref())
        .is_err()
    {
        return web.stale_form();
    }
    begun(&web, web.app.sign_out_everywhere(&visit.browser).await)
}

/// Single logout by HTTP-Redirect. Without a message in it the person is asked.
pub async fn slo_redirect(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if !is_navigation(&headers) {
        return embedded(&web);
    }
    let query = query.unwrap_or_default();
    let parsed = UnverifiedLogout::parse_redirect(&query);
    take(&web, &visit, &query, parsed).await
}

/// Single logout by HTTP-POST.
pub async fn slo_post(
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
    let parsed = UnverifiedLogout::parse_post(fields);
    take(&web, &visit, &query.unwrap_or_default(), parsed).await
}

async fn take(
    web: &Web,
    visit: &Visit,
    query: &str,
    parsed: Result<UnverifiedLogout, LogoutError>,
) -> Response {
    if matches!(parsed, Err(LogoutError::Binding(BindingError::Missing))) {
        return Redirect::to("/sign-out").into_response();
    }
    let domain = parameter(query, "domain");
    let taken = web
        .app
        .take_logout(parsed, domain.as_deref(), &visit.browser)
        .await;
    begun(web, taken)
}

/// The page of a sign-out: the next party, or the end.
pub async fn page(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse::<SignOutId>() else {
        return web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND);
    };
    if !is_navigation(&headers) {
        return embedded(&web);
    }
    let frame = &web.frame;
    match web.app.sign_out_step(&id, &visit.browser).await {
        Err(error) => web.fail(&error),
        Ok(SignOutStep::Over) => signed_out(&web, Scope::Here),
        Ok(SignOutStep::Answer(outgoing)) => send(&web, outgoing),
        Ok(SignOutStep::Page(id)) => Redirect::to(&path(&id)).into_response(),
        Ok(SignOutStep::Leave(onward)) => cookie_cleared(&web, leave(&web, onward)),
        Ok(SignOutStep::Ask {
            name,
            outgoing,
            turn,
            scope,
        }) => {
            let Some(csrf) = visit.session_form(&web) else {
                return signed_out(&web, Scope::Here);
            };
            let page = SignOutAskPage {
                frame,
                csrf,
                here: path(&id),
                name,
                turn,
                scope,
                way: way(outgoing),
            };
            let mut response = web.page(StatusCode::OK, &page);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, edge::POLICY_FOR_LEAVING);
            response
        }
        Ok(SignOutStep::Done {
            scope,
            known,
            frames,
            onward,
            goes_on,
        }) => {
            let policy = edge::policy_for_frames(&frames);
            let page = SignedOutPage {
                frame,
                scope,
                all_ended: known.iter().all(|(_, known)| *known == Known::Ended),
                parties: known
                    .into_iter()
                    .map(|(name, known)| (name, in_words(known)))
                    .collect(),
                frames,
                onward: onward.map(|onward| match onward {
                    Onward::Saml(outgoing) => way(outgoing),
                    Onward::WsFed(address) => WayOut::Address(address),
                }),
                goes_on,
            };
            let mut response = web.page(StatusCode::OK, &page);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            cookie_cleared(&web, response)
        }
    }
}

/// The person goes on without the party that is asked.
pub async fn go_on(
    State(web): State<Arc<Web>>,
    visit: Visit,
    Path(id): Path<String>,
    form: CsrfForm<Pressed>,
) -> Response {
    if form
        .verify(&web.forms, visit.browser.session.as_ref())
        .is_err()
    {
        return web.stale_form();
    }
    let Ok(id) = id.parse::<SignOutId>() else {
        return web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND);
    };
    match web.app.sign_out_without(&id, &visit.browser).await {
        Ok(()) => Redirect::to(&path(&id)).into_response(),
        Err(error) => web.fail(&error),
    }
}

/// Where a sign-out goes on.
pub(super) fn begun(web: &Web, begun: Result<SignOutBegun, Error>) -> Response {
    match begun {
        Ok(SignOutBegun::Page(id)) => Redirect::to(&path(&id)).into_response(),
        Ok(SignOutBegun::Over(scope)) => signed_out(web, scope),
        Ok(SignOutBegun::NotEnded) => not_ended(web),
        Ok(SignOutBegun::AskPerson) => Redirect::to("/sign-out").into_response(),
        Ok(SignOutBegun::Answer(outgoing)) => send(web, outgoing),
        Err(error) => web.fail(&error),
    }
}

pub(super) fn embedded(web: &Web) -> Response {
    web.app.count_refused(Refused::NotNavigated);
    web.refuse(ErrorKind::Refused, &SupportCode::SIGN_OUT_EMBEDDED)
}

fn path(id: &SignOutId) -> String {
    format!("/sign-out/{id}")
}

fn way(outgoing: Outgoing) -> WayOut {
    match outgoing {
        Outgoing::Form { action, fields } => WayOut::Form { action, fields },
        Outgoing::Address(address) => WayOut::Address(address),
    }
}

fn leave(web: &Web, onward: Onward) -> Response {
    match onward {
        Onward::Saml(outgoing) => send(web, outgoing),
        Onward::WsFed(address) => send(web, Outgoing::Address(address)),
    }
}

/// The browser takes an answer to its party.
fn send(web: &Web, outgoing: Outgoing) -> Response {
    let (action, fields) = match outgoing {
        Outgoing::Address(address) => return Redirect::to(&address).into_response(),
        Outgoing::Form { action, fields } => (action, fields),
    };
    let page = AutoSubmitPage {
        frame: &web.frame,
        heading: "One moment",
        going_to: super::answer::host_of(&action),
        target: action,
        fields,
    };
    let mut response = web.page(StatusCode::OK, &page);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, edge::POLICY_FOR_LEAVING);
    response
}

/// No other browser's session was ended, and the page must not sound as if one was.
fn not_ended(web: &Web) -> Response {
    let page = NotEndedPage { frame: &web.frame };
    cookie_cleared(web, web.page(StatusCode::CONFLICT, &page))
}

fn signed_out(web: &Web, scope: Scope) -> Response {
    let page = SignedOutPage {
        frame: &web.frame,
        scope,
        all_ended: false,
        parties: Vec::new(),
        frames: Vec::new(),
        onward: None,
        goes_on: false,
    };
    cookie_cleared(web, web.page(StatusCode::OK, &page))
}

pub(super) fn cookie_cleared(web: &Web, mut response: Response) -> Response {
    let cookie = Cookie::Session.clear(web.site.scheme);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
