//! `/sign-in/{attempt}/token` and `/sign-in/{attempt}/resync`: a hardware token is
//! activated, or brought back into step. The codes sign nobody in.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;

use super::{
    Web,
    pages::token::{TokenPage, TokenPurpose, TokenState},
    sign_in::{Said, on, show},
    visit::{AttemptForm, AttemptVisit},
};
use crate::{
    app::{
        Error,
        prove::Guess,
        sign_in::{Next, NextStep},
    },
    base::secret::Secret,
};

/// One code, or two that follow each other.
#[derive(Deserialize)]
pub struct CodesForm {
    code: Secret<String>,
    #[serde(default)]
    next: Option<Secret<String>>,
}

impl CodesForm {
    fn both(&self) -> [&str; 2] {
        let next = self.next.as_ref().map_or("", |next| next.expose().as_str());
        [self.code.expose(), next]
    }
}

/// Activates a token that an operator handed to the person.
pub async fn activate(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<CodesForm>,
) -> Response {
    let [code, next] = form.both();
    let guess = web
        .app
        .activate_own_token(&visit.id, &visit.browser, code, next)
        .await;
    match state_after(&web, guess) {
        Ok(None) => on(&visit),
        Ok(Some(state)) => show(&web, &visit, Said::Token(state)).await,
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// The form for a person whose token's codes are refused.
pub async fn resync_page(State(web): State<Arc<Web>>, visit: AttemptVisit) -> Response {
    match resync_form(&web, &visit, TokenState::Fresh).await {
        Ok(page) => page,
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// Brings the person's token back into step.
pub async fn resync(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<CodesForm>,
) -> Response {
    let guess = web
        .app
        .resync_own_token(&visit.id, &visit.browser, form.both())
        .await;
    let page = match state_after(&web, guess) {
        Ok(None) => return on(&visit),
        Ok(Some(state)) => {
            let said = Said::Token(state.clone());
            resync_form(&web, &visit, state)
                .await
                .map(|page| said.on(page))
        }
        Err(error) => Err(error),
    };
    match page {
        Ok(page) => page,
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// What the page says next; `None` if the codes were right.
fn state_after(web: &Web, guess: Result<Guess, Error>) -> Result<Option<TokenState>, Error> {
    Ok(match guess? {
        Guess::Right => None,
        // A password that has just died takes the attempt with it: its page says so.
        Guess::Wrong | Guess::UsedBefore | Guess::PasswordDead | Guess::PasswordFirst => {
            Some(TokenState::Wrong)
        }
        Guess::Wait(until) => Some(TokenState::Wait(web.until(until))),
    })
}

async fn resync_form(
    web: &Web,
    visit: &AttemptVisit,
    state: TokenState,
) -> Result<Response, Error> {
    let upn = match web.app.proceed(&visit.id, &visit.browser).await? {
        // There is no time for it while Entra waits.
        Next::Ask(ask)
            if ask.step == NextStep::AskSecondFactor
                && ask.tokens > 0
                && ask.asked_until.is_none() =>
        {
            ask.upn
        }
        _ => return Ok(on(visit)),
    };
    let page = TokenPage {
        frame: &visit.frame,
        action: format!("{}/resync", visit.path()),
        csrf: visit.form(web),
        upn: upn.unwrap_or_default(),
        purpose: TokenPurpose::Resync,
        instead: Some(visit.path()),
        state,
    };
    Ok(web.page(StatusCode::OK, &page))
}

/// The attempt's page where a token waits to be activated; `instead`: where a pass is typed.
pub(super) fn ask_activation(
    web: &Web,
    visit: &AttemptVisit,
    upn: String,
    instead: Option<String>,
    said: &Said,
) -> Response {
    let state = match said {
        Said::Token(state) => state.clone(),
        _ => TokenState::Fresh,
    };
    let page = TokenPage {
        frame: &visit.frame,
        action: format!("{}/token", visit.path()),
        csrf: visit.form(web),
        upn,
        purpose: TokenPurpose::Activate,
        instead,
        state,
    };
    web.page(StatusCode::OK, &page)
}
