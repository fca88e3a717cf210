//! `/sign-in/{attempt}/key…`, `…/passkey…`, `…/new-key…`: security keys.
//!
//! `…/ask` gives the question to the page's script as JSON; the answer comes back as a field of
//! an ordinary form, so that there is one way for forms and one check of where they come from.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{
    Web, edge,
    forms::Pressed,
    pages::keys::{KeyAddedPage, KeyEnrolPage, KeyPage, KeyState},
    pass,
    sign_in::{Said, SecondFactor, on, show},
    visit::{AttemptForm, AttemptVisit},
};
use crate::app::{
    Error,
    enrol::{Afterwards, MethodKind, NewKeyOutcome},
    error::SupportCode,
    security_keys::KeyAnswer,
    sign_in::Ask,
};

/// What the page's script put into the form.
#[derive(Deserialize)]
pub struct AnswerForm {
    answer: String,
}

/// The same, with the name of a new key.
#[derive(Deserialize)]
pub struct NewKeyForm {
    name: String,
    answer: String,
}

/// The key page, where another way would be shown first.
pub async fn key_page(State(web): State<Arc<Web>>, visit: AttemptVisit) -> Response {
    show(&web, &visit, Said::Wants(SecondFactor::Key)).await
}

/// The code page, where another way would be shown first.
pub async fn code_page(State(web): State<Arc<Web>>, visit: AttemptVisit) -> Response {
    show(&web, &visit, Said::Wants(SecondFactor::Code)).await
}

/// Asks a key of the person whose password was right.
pub async fn ask_key(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, .. }: AttemptForm<Pressed>,
) -> Response {
    let asked = web.app.ask_key(&visit.id, &visit.browser).await;
    question(&web, asked)
}

/// Checks a key's answer.
pub async fn key(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<AnswerForm>,
) -> Response {
    let answered = web
        .app
        .submit_key(&visit.id, &visit.browser, &form.answer)
        .await;
    after(&web, &visit, answered, Said::Key).await
}

/// Asks whatever key knows of us.
pub async fn ask_passkey(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, .. }: AttemptForm<Pressed>,
) -> Response {
    let asked = web.app.ask_passkey(&visit.id, &visit.browser).await;
    question(&web, asked)
}

/// Checks the answer of a key that names its person.
pub async fn passkey(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<AnswerForm>,
) -> Response {
    let answered = web
        .app
        .submit_passkey(&visit.id, &visit.browser, &form.answer)
        .await;
    after(&web, &visit, answered, Said::Passkey).await
}

/// On, or the page that asked once more.
async fn after(
    web: &Web,
    visit: &AttemptVisit,
    answered: Result<KeyAnswer, Error>,
    said: fn(KeyState) -> Said,
) -> Response {
    let state = match answered {
        Ok(KeyAnswer::Right) => return on(visit),
        Ok(KeyAnswer::Refused(problem)) => KeyState::Refused(problem),
        Ok(KeyAnswer::Wait(until)) => KeyState::Wait(web.until(until)),
        Err(error) => return web.fail_at(visit, &error).await,
    };
    show(web, visit, said(state)).await
}

/// Asks for a new key.
pub async fn ask_new_key(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, .. }: AttemptForm<Pressed>,
) -> Response {
    let asked = web.app.ask_new_key(&visit.id, &visit.browser).await;
    question(&web, asked)
}

/// Adds the key that answered.
pub async fn new_key(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<NewKeyForm>,
) -> Response {
    let confirmed = web
        .app
        .confirm_key(&visit.id, &visit.browser, &form.name, &form.answer)
        .await;
    let state = match confirmed {
        Ok(NewKeyOutcome::Added(Afterwards::SignIn)) => {
            return Redirect::to(&format!("{}/key-added", visit.path())).into_response();
        }
        Ok(NewKeyOutcome::Added(Afterwards::Account)) => return on(&visit),
        Ok(NewKeyOutcome::Refused(problem)) => KeyState::Refused(problem),
        Ok(NewKeyOutcome::Wait(until)) => KeyState::Wait(web.until(until)),
        Err(error) => return web.fail_at(&visit, &error).await,
    };
    show(&web, &visit, Said::NewKey(form.name, state)).await
}

/// Says that the key was added. It holds nothing of the person: anyone may see it.
pub async fn added(State(web): State<Arc<Web>>, visit: AttemptVisit) -> Response {
    let visit = visit.while_entra_waits(&web).await;
    let page = KeyAddedPage {
        frame: &visit.frame,
        next: visit.path(),
    };
    web.page(StatusCode::OK, &page)
}

/// The question, or what the script says instead. Where it has nothing to say, it goes to the
/// attempt's page, which does.
fn question(web: &Web, asked: Result<String, Error>) -> Response {
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    let error = match asked {
        Ok(options) => return (json, options).into_response(),
        Err(error) => error,
    };
    let code = error.code();
    let status = match web.fail(&error).status() {
        _ if *code == SupportCode::TOO_MANY_TRIES => StatusCode::TOO_MANY_REQUESTS,
        status => status,
    };
    let over = [
        &SupportCode::ATTEMPT_OVER,
        &SupportCode::ANSWERED,
        &SupportCode::OTHER_BROWSER,
    ];
    let says = (!over.contains(&code)).then_some(code.person);
    (
        status,
        json,
        serde_json::json!({ "says": says }).to_string(),
    )
        .into_response()
}

/// The page for a key as the second step.
pub(super) fn ask(web: &Web, visit: &AttemptVisit, ask: &Ask, state: KeyState) -> Response {
    let code_instead = ask.second_factors.contains(&SecondFactor::Code);
    let page = KeyPage {
        frame: &visit.frame,
        action: format!("{}/key", visit.path()),
        csrf: visit.form(web),
        upn: ask.upn.clone().unwrap_or_default(),
        code_instead: code_instead.then(|| format!("{}/code", visit.path())),
        pass_instead: pass::instead(visit, ask),
        not_me: format!("{}/not-me", visit.path()),
        state,
    };
    with_script(web.page(StatusCode::OK, &page))
}

/// The page that adds a key.
pub(super) fn ask_new(web: &Web, visit: &AttemptVisit, ask: &Ask, said: &Said) -> Response {
    let (name, state) = match said {
        Said::NewKey(name, state) => (name.clone(), state.clone()),
        _ => (String::new(), KeyState::Fresh),
    };
    let page = KeyEnrolPage {
        frame: &visit.frame,
        action: format!("{}/new-key", visit.path()),
        choose: format!("{}/choose", visit.path()),
        csrf: visit.form(web),
        name,
        others: ask
            .offered
            .iter()
            .copied()
            .filter(|kind| *kind != MethodKind::SecurityKey)
            .collect(),
        until: super::enrol::ends(web, ask),
        state,
    };
    with_script(web.page(StatusCode::OK, &page))
}

/// Lets the page's script fetch the question, from us only.
pub(super) fn with_script(mut page: Response) -> Response {
    let policy: HeaderValue = edge::POLICY_FOR_KEYS;
    page.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    page
}
