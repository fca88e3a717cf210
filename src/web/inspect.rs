//! `/inspect`: the token inspector's page, and the test sign-in that ends in it.
//!
//! Always true: nothing is fetched; what is pasted is neither stored nor logged; few
//! messages are judged at once, whoever asks, and each within its limits; no way leads
//! from here to a token but a sign-in of the person who asks.

/// The page without an identity provider.
pub(super) mod alone;
/// What was pasted, and against what it is judged.
pub(super) mod form;
mod turns;

use std::{sync::Arc, time::Duration};

use axum::extract::FromRequest as _;
use axum::{
    extract::{DefaultBodyLimit, Form, Multipart, Request, State},
    handler::Handler as _,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Web,
    forms::{CsrfForm, Pressed},
    navigation::is_navigation,
    pages::{
        CsrfToken,
        inspect::{Given, InspectPage, Judged, TestSignIn},
        outcome::ErrorKind,
    },
    saml,
    visit::Visit,
};
use crate::{
    app::{
        error::SupportCode,
        test_sign_in::{INSPECTOR, OwnRegistration, Substitution},
    },
    inspect::{self, Context},
};

pub use turns::Turns;

/// What a browser may send: more than any token, as much as a short recording.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// How long sending a form may take: the largest one over a slow line.
const SENDING: Duration = Duration::from_secs(20);

/// Who may use the inspector's page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InspectorAccess {
    /// People with a session.
    SignedIn,
    /// Whoever reaches this server: the demo, on loopback.
    Anyone,
}

/// Why a form was not read.
pub(super) enum Unread {
    /// Over the limit.
    TooLarge,
    /// It took too long, or is no form.
    Form,
}

/// Reads a form in parts, within [`SENDING`].
pub(super) async fn read_form<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<form::Pasted, Unread> {
    let read = async {
        let parts = Multipart::from_request(request, state)
            .await
            .map_err(|_| Unread::Form)?;
        form::Pasted::read(parts)
            .await
            .map_err(|error| match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Unread::TooLarge,
                _ => Unread::Form,
            })
    };
    tokio::time::timeout(SENDING, read)
        .await
        .unwrap_or(Err(Unread::Form))
}

/// Judges off the threads that answer requests, and draws what the page shows of it there
/// too; the turn ends with both.
pub(super) async fn judge(
    turn: OwnedSemaphorePermit,
    bytes: Vec<u8>,
    context: Context,
    substitutions: Vec<Substitution>,
) -> Option<Judged> {
    let judged = tokio::task::spawn_blocking(move || {
        let report = inspect::inspect(&bytes, &context);
        let judged = Judged::of(report, &context, substitutions);
        drop(turn);
        judged
    });
    judged.await.ok()
}

/// `/inspect` as a row of the map.
pub(super) fn routes() -> MethodRouter<Arc<Web>> {
    get(page).post(pasted.layer(DefaultBodyLimit::max(BODY_LIMIT)))
}

/// Who asks, and what the inspector knows of the own registration.
struct Asker {
    /// Whose forms are counted together.
    who: String,
    guard: Guard,
    own: Option<OwnRegistration>,
    csrf: CsrfToken,
    test: TestSignIn,
}

/// Whether a form must bring the token of its page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Guard {
    /// That of the session that lives.
    OfSession,
    /// Nobody is signed in, and nobody need be: a form changes nothing that a token would
    /// guard. A cookie of a session that is over makes no difference.
    Nothing,
}

/// `None`: nobody is signed in, and somebody should be.
async fn asker(web: &Web, visit: &Visit) -> Result<Option<Asker>, Response> {
    let own = web.app.own_registration(&visit.browser).await;
    let own = own.map_err(|error| web.fail(&error))?;
    let csrf = visit.session_form(web);
    if let (Some((person, own)), Some(csrf)) = (own, csrf) {
        return Ok(Some(Asker {
            who: person.to_string(),
            guard: Guard::OfSession,
            own: Some(own),
            csrf,
            test: TestSignIn::Offered,
        }));
    }
    match web.inspector_access {
        InspectorAccess::SignedIn => Ok(None),
        InspectorAccess::Anyone => {
            let own = web.app.sole_registration().await;
            Ok(Some(Asker {
                who: visit.browser.source.clone(),
                guard: Guard::Nothing,
                own: own.map_err(|error| web.fail(&error))?,
                csrf: CsrfToken(String::new()),
                test: TestSignIn::Offered,
            }))
        }
    }
}

/// The empty form.
pub async fn page(State(web): State<Arc<Web>>, visit: Visit, headers: HeaderMap) -> Response {
    match asker(&web, &visit).await {
        Ok(Some(asker)) => {
            let given = form::at_first(asker.own.as_ref());
            show(&web, asker, StatusCode::OK, given, None, None)
        }
        Ok(None) if !is_navigation(&headers) => saml::embedded(&web),
        Ok(None) => match web.app.begin_account(INSPECTOR, None, &visit.browser).await {
            Ok(begun) => saml::to_attempt(&web, &begun),
            Err(error) => web.fail(&error),
        },
        Err(response) => response,
    }
}

fn show(
    web: &Web,
    asker: Asker,
    status: StatusCode,
    given: Given,
    problem: Option<form::Unfit>,
    judged: Option<Judged>,
) -> Response {
    let page = InspectPage {
        frame: &web.frame,
        csrf: asker.csrf,
        given,
        problem: problem.map(|unfit| (unfit.field, unfit.words)),
        judged,
        own: asker.own.is_some(),
        test: asker.test,
    };
    web.page(status, &page)
}

/// Judges what was pasted or dropped.
async fn pasted(State(web): State<Arc<Web>>, visit: Visit, request: Request) -> Response {
    if is_foreign(&web, request.headers()) {
        return web.refuse(ErrorKind::Refused, &SupportCode::FORGED_FORM);
    }
    let asker = match asker(&web, &visit).await {
        Ok(Some(asker)) => asker,
        Ok(None) => return web.stale_form(),
        Err(response) => return response,
    };
    // Before the body is read: what waits takes no memory.
    let Some(sending) = web.inspector.sends(&asker.who) else {
        return web.refuse(ErrorKind::Unavailable, &SupportCode::UNAVAILABLE);
    };
    let pasted = match read_form(request, &web).await {
        Ok(pasted) => pasted,
        Err(Unread::TooLarge) => return web.refuse(ErrorKind::TooLarge, &SupportCode::TOO_LARGE),
        Err(Unread::Form) => return web.refuse(ErrorKind::BadRequest, &SupportCode::INPUT),
    };
    if asker.guard == Guard::OfSession {
        let form = CsrfForm::of(pasted.csrf.clone(), ());
        if form
            .verify(&web.forms, visit.browser.session.as_ref())
            .is_err()
        {
            return web.stale_form();
        }
    }
    let now = web.app.now();
    let context = form::context(&pasted.given, asker.own.as_ref(), now);
    let ready = context.and_then(|context| Ok((pasted.bytes()?.to_vec(), context)));
    let (bytes, context) = match ready {
        Ok(ready) => ready,
        Err(unfit) => {
            let status = StatusCode::BAD_REQUEST;
            return show(&web, asker, status, pasted.given, Some(unfit), None);
        }
    };
    let Some(turn) = web.inspector.take().await else {
        return web.refuse(ErrorKind::Unavailable, &SupportCode::UNAVAILABLE);
    };
    let judged = judge(turn, bytes, context, Vec::new()).await;
    drop(sending);
    shown(&web, asker, pasted.given, judged)
}

fn shown(web: &Web, asker: Asker, given: Given, judged: Option<Judged>) -> Response {
    match judged {
        Some(judged) => show(web, asker, StatusCode::OK, given, None, Some(judged)),
        None => web.refuse(ErrorKind::Internal, &SupportCode::INTERNAL),
    }
}

fn is_foreign(web: &Web, headers: &HeaderMap) -> bool {
    headers
        .get(header::ORIGIN)
        .is_some_and(|origin| !web.site.is_origin(origin))
}

/// Begins a test sign-in.
pub async fn test(State(web): State<Arc<Web>>, visit: Visit, form: CsrfForm<Pressed>) -> Response {
    let asker = match asker(&web, &visit).await {
        Ok(Some(asker)) => asker,
        Ok(None) => return web.stale_form(),
        Err(response) => return response,
    };
    let session = visit.browser.session.as_ref();
    if asker.guard == Guard::OfSession && form.verify(&web.forms, session).is_err() {
        return web.stale_form();
    }
    match web.app.begin_test_sign_in(&visit.browser).await {
        Ok(begun) => saml::to_attempt(&web, &begun),
        Err(error) => web.fail(&error),
    }
}

/// The answer of a test sign-in, as the browser brings it.
#[derive(Deserialize)]
pub struct TestAnswer {
    #[serde(rename = "SAMLResponse")]
    saml_response: String,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// Judges the answer of a test sign-in.
pub async fn response(State(web): State<Arc<Web>>, visit: Visit, request: Request) -> Response {
    if is_foreign(&web, request.headers()) {
        return web.refuse(ErrorKind::Refused, &SupportCode::FORGED_FORM);
    }
    let asker = match asker(&web, &visit).await {
        Ok(Some(asker)) => asker,
        Ok(None) => return web.stale_form(),
        Err(response) => return response,
    };
    let answer = match Form::<TestAnswer>::from_request(request, &web).await {
        Ok(Form(answer)) => answer,
        Err(rejection) => return super::forms::unreadable(&web, &rejection),
    };
    let Some(own) = &asker.own else {
        return web.stale_form();
    };
    let Some(turn) = web.inspector.take().await else {
        return web.refuse(ErrorKind::Unavailable, &SupportCode::UNAVAILABLE);
    };
    let (context, substitutions) = web.app.test_context(own, answer.relay_state);
    let given = form::at_first(asker.own.as_ref());
    let bytes = answer.saml_response.into_bytes();
    let judged = judge(turn, bytes, context, substitutions).await;
    shown(&web, asker, given, judged)
}

/// An address of the inspector that was opened by hand: to its page.
pub async fn back() -> impl IntoResponse {
    Redirect::to(INSPECTOR)
}
