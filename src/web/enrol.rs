//! `/sign-in/{attempt}/…`: what follows an accepted temporary access pass.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::{
    Web,
    pages::{
        Moment,
        enrol::{
            ChooseMethodPage, ChoosePasswordPage, ConfirmState, EnrolDonePage, TotpEnrolPage,
            in_fours,
        },
        qr::Qr,
    },
    sign_in::{Said, on, show},
    visit::{AttemptForm, AttemptVisit},
};
use crate::{
    app::{
        Category, Error,
        enrol::{Afterwards, Confirm, MethodKind},
        new_password,
        prove::Guess,
        sign_in::Ask,
    },
    base::secret::Secret,
    session::Desk,
};

/// The proposed name of a new method.
const METHOD_NAME: &str = "Desktop program";

/// A new password, twice, because nobody sees it.
#[derive(Deserialize)]
pub struct NewPasswordForm {
    password: Secret<String>,
    again: Secret<String>,
}

/// A kind of method.
#[derive(Deserialize)]
pub struct MethodForm {
    kind: String,
}

/// A name and a first code.
#[derive(Deserialize)]
pub struct ConfirmForm {
    name: String,
    code: String,
}

/// Chooses a password.
pub async fn choose_password(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<NewPasswordForm>,
) -> Response {
    let (first, second) = (form.password.expose(), form.again.expose());
    if !bool::from(first.as_bytes().ct_eq(second.as_bytes())) {
        let said = Said::NewPassword("The two are not the same. Type it again.".to_owned());
        return show(&web, &visit, said).await;
    }
    let chosen = web
        .app
        .choose_password(&visit.id, &visit.browser, form.password)
        .await;
    match chosen {
        Ok(()) => on(&visit),
        Err(error) if error.category() == Category::Invalid => {
            let said = Said::NewPassword(format!("Choose another one: {}.", error.detail()));
            show(&web, &visit, said).await
        }
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// Chooses what to set up.
pub async fn choose_method(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<MethodForm>,
) -> Response {
    let Some(kind) = MethodKind::parse(&form.kind) else {
        return on(&visit);
    };
    match web.app.choose_method(&visit.id, &visit.browser, kind).await {
        Ok(()) => on(&visit),
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// Confirms a new code generator by one of its codes.
pub async fn confirm_method(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<ConfirmForm>,
) -> Response {
    let confirmed = web
        .app
        .confirm_totp(&visit.id, &visit.browser, &form.name, &form.code)
        .await;
    let state = match confirmed {
        Ok(Confirm::Added(Afterwards::SignIn)) => {
            return Redirect::to(&format!("{}/added", visit.path())).into_response();
        }
        Ok(Confirm::Added(Afterwards::Account)) => return on(&visit),
        Ok(Confirm::Refused(Guess::Wait(until))) => ConfirmState::Wait(web.until(until)),
        Ok(Confirm::Refused(_)) => ConfirmState::Wrong,
        Err(error) => return web.fail_at(&visit, &error).await,
    };
    show(&web, &visit, Said::Confirm(form.name, state)).await
}

/// Says that the method was added. It holds nothing of the person: anyone may see it.
pub async fn added(State(web): State<Arc<Web>>, visit: AttemptVisit) -> Response {
    let visit = visit.while_entra_waits(&web).await;
    let page = EnrolDonePage {
        frame: &visit.frame,
        next: visit.path(),
    };
    web.page(StatusCode::OK, &page)
}

/// The form for a password.
pub(super) fn ask_password(web: &Web, visit: &AttemptVisit, upn: String, said: &Said) -> Response {
    let problem = match said {
        Said::NewPassword(words) => Some(words.clone()),
        _ => None,
    };
    let page = ChoosePasswordPage {
        frame: &visit.frame,
        action: format!("{}/new-password", visit.path()),
        csrf: visit.form(web),
        upn,
        min_length: new_password::SHORTEST,
        problem,
    };
    web.page(StatusCode::OK, &page)
}

/// The kinds of method that the person may set up.
pub(super) fn ask_choice(web: &Web, visit: &AttemptVisit, ask: &Ask) -> Response {
    let page = ChooseMethodPage {
        frame: &visit.frame,
        action: format!("{}/choose", visit.path()),
        csrf: visit.form(web),
        offered: ask.offered.clone(),
        allowed: ask.allowed.clone(),
        until: ends(web, ask),
    };
    web.page(StatusCode::OK, &page)
}

/// Until when there is time to set something up.
pub(super) fn ends(web: &Web, ask: &Ask) -> Moment {
    Moment(ask.enrolment_ends.unwrap_or_else(|| web.app.now()))
}

/// The new secret and the form that confirms it.
pub(super) async fn ask_method(
    web: &Web,
    visit: &AttemptVisit,
    said: &Said,
) -> Result<Response, Error> {
    let new = web.app.new_totp_of(&visit.id, &visit.browser).await?;
    let qr = match web.app.settings().desk {
        Desk::Clean => None,
        Desk::Ordinary => {
            Some(Qr::draw(&new.url).map_err(|error| Error::internal(error.to_string()))?)
        }
    };
    let (name, state) = match said {
        Said::Confirm(name, state) => (name.as_str(), state.clone()),
        _ => (METHOD_NAME, ConfirmState::Fresh),
    };
    let page = TotpEnrolPage {
        frame: &visit.frame,
        action: format!("{}/method", visit.path()),
        csrf: visit.form(web),
        secret_in_fours: in_fours(&new.secret),
        otpauth: new.url.to_string(),
        qr,
        parameters: "SHA-1, 6 digits, a new code every 30 seconds".to_owned(),
        name: name.to_owned(),
        until: Moment(new.expires_at),
        state,
    };
    Ok(web.page(StatusCode::OK, &page))
}
