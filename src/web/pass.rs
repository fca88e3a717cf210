//! `/sign-in/{attempt}/pass`: temporary access passes and recovery codes.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;

use super::{
    Web, answer, oidc,
    pages::sign_in::{PassPage, PassState, Username},
    sign_in::{Said, on, show},
    visit::{AttemptForm, AttemptVisit},
};
use crate::{
    app::{
        prove::Guess,
        sign_in::{Ask, Next, NextStep},
    },
    base::secret::Secret,
};

/// A temporary access pass.
#[derive(Deserialize)]
pub struct PassForm {
    username: String,
    pass: Secret<String>,
}

/// The form for a person who got a pass instead of a password.
pub async fn form(State(web): State<Arc<Web>>, visit: AttemptVisit) -> Response {
    match web.app.proceed(&visit.id, &visit.browser).await {
        Ok(Next::Ask(ask))
            if ask.takes_passes
                && matches!(
                    ask.step,
                    NextStep::AskPassword | NextStep::ActivateToken | NextStep::AskSecondFactor
                ) =>
        {
            let visit = visit.waited_for(&web, ask.asked_until, oidc::way_back(ask.step));
            ask_pass(&web, &visit, &ask, &Said::Nothing)
        }
        // Further on already, or no pass would open anything: the page of the attempt knows.
        Ok(Next::Ask(_) | Next::Stop(..)) => on(&visit),
        Ok(Next::Answer(sent)) => answer::send(&web, *sent),
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

/// Redeems a pass.
pub async fn redeem(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<PassForm>,
) -> Response {
    let guess = web
        .app
        .submit_pass(&visit.id, &visit.browser, &form.username, &form.pass)
        .await;
    let state = match guess {
        Ok(Guess::Right) => return on(&visit),
        Ok(Guess::PasswordFirst) => PassState::PasswordFirst,
        Ok(Guess::Wait(until)) => PassState::Wait(web.until(until)),
        Ok(Guess::Wrong | Guess::UsedBefore | Guess::PasswordDead) => PassState::Wrong,
        Err(error) => return web.fail_at(&visit, &error).await,
    };
    show(&web, &visit, Said::Pass(form.username, state)).await
}

/// Where a pass is typed instead of what is asked, if one opens anything.
pub(super) fn instead(visit: &AttemptVisit, ask: &Ask) -> Option<String> {
    ask.takes_passes.then(|| format!("{}/pass", visit.path()))
}

/// The form for a pass or a recovery code.
pub(super) fn ask_pass(web: &Web, visit: &AttemptVisit, ask: &Ask, said: &Said) -> Response {
    let (typed, state) = match said {
        Said::Pass(typed, state) => (Some(typed.clone()), state.clone()),
        _ => (None, PassState::Fresh),
    };
    let username = if ask.step == NextStep::AskPassword {
        let typed = typed.or_else(|| ask.login_hint.clone());
        Username::Asked(typed.unwrap_or_default())
    } else {
        Username::Known(ask.upn.clone().unwrap_or_default())
    };
    let page = PassPage {
        frame: &visit.frame,
        action: format!("{}/pass", visit.path()),
        csrf: visit.form(web),
        username,
        codes: ask.recovery_codes,
        begin_anew: format!("{}/not-me", visit.path()),
        state,
    };
    web.page(StatusCode::OK, &page)
}
