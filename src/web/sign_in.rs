//! `/sign-in/{attempt}…`: the steps of a sign-in, as a person sees them.
//!
//! Each handler makes one call and comes back to [`show`], which asks the use case
//! what comes next. A step that went well answers 303 to the attempt's page, so that
//! reload and back button repeat nothing.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    Web, answer, cookies, enrol, keys, oidc,
    pages::{
        Moment,
        enrol::ConfirmState,
        keys::KeyState,
        outcome::StoppedPage,
        sign_in::{
            Happened, NoticeItem, NoticePage, PassState, PasswordPage, PasswordState, TotpPage,
            TotpState, Username,
        },
        token::TokenState,
        waiting_time,
    },
    pass, token,
    visit::{AttemptForm, AttemptVisit},
};
use crate::{
    app::{
        Error,
        enrol::MethodKind,
        error::SupportCode,
        prove::Guess,
        round_trips::Stopped,
        sign_in::{Ask, Next, NextStep, Notice, Proved},
    },
    base::{clock::Timestamp, secret::Secret},
};

pub(super) use crate::app::sign_in::SecondFactor;

/// What the last form led to, for the page that is shown again.
#[derive(Clone, Debug)]
pub enum Said {
    /// Nothing went wrong.
    Nothing,
    /// The password form: the name as it was typed.
    Password(String, PasswordState),
    /// The code form.
    Code(TotpState),
    /// The pass form: the name as it was typed.
    Pass(String, PassState),
    /// The form of a hardware token.
    Token(TokenState),
    /// The new password was refused, and why.
    NewPassword(String),
    /// The form that confirms a new method: its name as it was typed.
    Confirm(String, ConfirmState),
    /// This way to prove the second factor is wanted.
    Wants(SecondFactor),
    /// A key as the second factor.
    Key(KeyState),
    /// A key that names its person.
    Passkey(KeyState),
    /// A new key: its name as it was typed.
    NewKey(String, KeyState),
}

impl Said {
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Password(_, PasswordState::Wait(wait))
            | Self::Code(TotpState::Wait(wait))
            | Self::Pass(_, PassState::Wait(wait))
            | Self::Token(TokenState::Wait(wait))
            | Self::Confirm(_, ConfirmState::Wait(wait))
            | Self::Key(KeyState::Wait(wait))
            | Self::Passkey(KeyState::Wait(wait))
            | Self::NewKey(_, KeyState::Wait(wait)) => Some(*wait),
            _ => None,
        }
    }

    /// A page that refuses is not a 200: password managers then save nothing.
    pub(super) fn on(&self, mut page: Response) -> Response {
        if page.status() != StatusCode::OK {
            return page;
        }
        if let Some(wait) = self.wait() {
            *page.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            let seconds = HeaderValue::from(wait.as_secs() + 1);
            page.headers_mut().insert(header::RETRY_AFTER, seconds);
        } else if !matches!(self, Self::Nothing | Self::Wants(_)) {
            *page.status_mut() = StatusCode::FORBIDDEN;
        }
        page
    }
}

/// User name and password.
#[derive(Deserialize)]
pub struct PasswordForm {
    username: String,
    password: Secret<String>,
}

/// A one-time code.
#[derive(Deserialize)]
pub struct CodeForm {
    code: String,
}

/// What of the notices was shown.
#[derive(Deserialize)]
pub struct SeenForm {
    // Text: what is flattened into a form cannot be a number (serde_urlencoded).
    up_to: String,
}

/// The attempt's page, or the answer if nothing is left to ask.
pub async fn page(
    State(web): State<Arc<Web>>,
    visit: AttemptVisit,
    headers: HeaderMap,
) -> Response {
    let mut response = show(&web, &visit, Said::Nothing).await;
    for cookie in cookies::drop_surplus(&headers, &visit.id, web.site.scheme) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A form's address that was opened by hand or by reload: to the attempt's page.
pub async fn back(visit: AttemptVisit) -> Response {
    on(&visit)
}

/// Checks name and password.
pub async fn password(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<PasswordForm>,
) -> Response {
    let guess = web
        .app
        .submit_password(&visit.id, &visit.browser, &form.username, form.password)
        .await;
    let state = match guess {
        Ok(Guess::Right) => return on(&visit),
        Ok(Guess::PasswordDead) => PasswordState::Dead,
        Ok(Guess::Wait(until)) => PasswordState::Wait(web.until(until)),
        Ok(Guess::Wrong | Guess::UsedBefore | Guess::PasswordFirst) => PasswordState::Wrong,
        Err(error) => return web.fail_at(&visit, &error).await,
    };
    show(&web, &visit, Said::Password(form.username, state)).await
}

/// Checks a one-time code.
pub async fn code(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<CodeForm>,
) -> Response {
    let guess = web
        .app
        .submit_code(&visit.id, &visit.browser, &form.code)
        .await;
    let state = match guess {
        Ok(Guess::Right) => return on(&visit),
        Ok(Guess::UsedBefore) => TotpState::Used,
        Ok(Guess::Wait(until)) => TotpState::Wait(web.until(until)),
        Ok(Guess::Wrong | Guess::PasswordDead | Guess::PasswordFirst) => TotpState::Wrong,
        Err(error) => return web.fail_at(&visit, &error).await,
    };
    show(&web, &visit, Said::Code(state)).await
}

/// The person has read what was done to the account.
pub async fn notices(
    State(web): State<Arc<Web>>,
    AttemptForm { visit, form }: AttemptForm<SeenForm>,
) -> Response {
    // What is no number acknowledges nothing.
    let up_to = Timestamp::from_millis(form.up_to.parse().unwrap_or(0));
    let seen = web
        .app
        .acknowledge_notices(&visit.id, &visit.browser, up_to);
    match seen.await {
        Ok(()) => on(&visit),
        Err(error) => web.fail_at(&visit, &error).await,
    }
}

impl Web {
    /// The page for an error of a step. A step of an attempt that was answered a moment
    /// ago, in another tab perhaps, leads to that answer; of an outage Entra is told.
    pub(super) async fn fail_at(&self, visit: &AttemptVisit, error: &Error) -> Response {
        if *error.code() == SupportCode::ANSWERED {
            return on(visit);
        }
        let (id, browser) = (&visit.id, &visit.browser);
        match self.app.excuse_step(id, browser, error).await {
            Some(answer) => answer::send(self, answer),
            None => self.fail(error),
        }
    }
}

/// To the attempt's page.
pub(super) fn on(visit: &AttemptVisit) -> Response {
    Redirect::to(&visit.path()).into_response()
}

/// Asks what comes next, and shows it with what the last form led to.
pub(super) async fn show(web: &Web, visit: &AttemptVisit, said: Said) -> Response {
    let ask = match web.app.proceed(&visit.id, &visit.browser).await {
        Ok(Next::Ask(ask)) => ask,
        Ok(Next::Answer(sent)) => return answer::send(web, *sent),
        Ok(Next::Stop(party, stopped)) => return stop(web, visit, party, *stopped),
        Err(error) => return web.fail(&error),
    };
    let visit = &*visit.waited_for(web, ask.asked_until, oidc::way_back(ask.step));
    let page = match ask_for(web, visit, ask, &said).await {
        Ok(page) => page,
        Err(error) => return web.fail_at(visit, &error).await,
    };
    said.on(page)
}

/// The page on which a circle ends.
fn stop(web: &Web, visit: &AttemptVisit, going_to: String, stopped: Stopped) -> Response {
    let wait = stopped.again_at.since(stopped.now);
    let page = StoppedPage {
        frame: &web.frame,
        action: visit.path(),
        going_to,
        again_in: waiting_time(wait),
        now: Moment(stopped.now),
        stopped,
        support_code: SupportCode::LOOP.code.to_owned(),
    };
    let mut response = web.page(StatusCode::TOO_MANY_REQUESTS, &page);
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

async fn ask_for(
    web: &Web,
    visit: &AttemptVisit,
    ask: Ask,
    said: &Said,
) -> Result<Response, Error> {
    let frame = &*visit.frame;
    let csrf = visit.form(web);
    let upn = ask.upn.clone().unwrap_or_default();
    if let (NextStep::AskSecondFactor, Said::Pass(..)) = (ask.step, said) {
        return Ok(pass::ask_pass(web, visit, &ask, said));
    }
    Ok(match ask.step {
        NextStep::AskPassword => {
            // A person without a password is still asked for one; the pass form was
            // reached by its link and says by itself what went wrong.
            if let Said::Pass(..) = said {
                return Ok(pass::ask_pass(web, visit, &ask, said));
            }
            let (typed, state) = match said {
                Said::Password(typed, state) => (Some(typed.clone()), state.clone()),
                _ => (None, PasswordState::Fresh),
            };
            let username = match ask.upn {
                Some(upn) => Username::Known(upn),
                None => Username::Asked(typed.or(ask.login_hint).unwrap_or_default()),
            };
            // Where the name cannot be changed.
            let not_me =
                matches!(username, Username::Known(_)).then(|| format!("{}/not-me", visit.path()));
            let passkey_state = match said {
                Said::Passkey(state) => state.clone(),
                _ => KeyState::Fresh,
            };
            let page = PasswordPage {
                frame,
                action: visit.path(),
                csrf,
                going_to: Some(ask.party),
                username,
                passkey: (ask.takes_keys && ask.proved == Proved::Nothing)
                    .then(|| format!("{}/passkey", visit.path())),
                proved: ask.proved,
                passkey_state,
                pass_instead: format!("{}/pass", visit.path()),
                not_me,
                state,
            };
            keys::with_script(web.page(StatusCode::OK, &page))
        }
        NextStep::AskSecondFactor if wants(&ask, said) == SecondFactor::Key => {
            let state = match said {
                Said::Key(state) => state.clone(),
                _ => KeyState::Fresh,
            };
            keys::ask(web, visit, &ask, state)
        }
        NextStep::AskSecondFactor => {
            let state = match said {
                Said::Code(state) => state.clone(),
                _ => TotpState::Fresh,
            };
            let action = format!("{}/code", visit.path());
            let page = TotpPage {
                frame,
                action,
                csrf,
                upn,
                resync: (ask.tokens > 0 && frame.waiting.is_none())
                    .then(|| format!("{}/resync", visit.path())),
                key_instead: ask
                    .second_factors
                    .contains(&SecondFactor::Key)
                    .then(|| format!("{}/key", visit.path())),
                pass_instead: pass::instead(visit, &ask),
                not_me: format!("{}/not-me", visit.path()),
                state,
            };
            web.page(StatusCode::OK, &page)
        }
        NextStep::ActivateToken => {
            let by_pass = format!("{}/pass", visit.path());
            if let Said::Pass(..) = said {
                // Reached by its link, which the page of the token has.
                pass::ask_pass(web, visit, &ask, said)
            } else {
                token::ask_activation(web, visit, upn, Some(by_pass), said)
            }
        }
        NextStep::AskPass => pass::ask_pass(web, visit, &ask, said),
        NextStep::ShowNotices => {
            let page = NoticePage {
                frame,
                action: format!("{}/notices", visit.path()),
                csrf,
                upn,
                up_to: ask
                    .notices
                    .iter()
                    .map(|notice| notice.at.as_millis())
                    .max()
                    .unwrap_or(0),
                items: ask.notices.into_iter().map(notice).collect(),
            };
            web.page(StatusCode::OK, &page)
        }
        NextStep::ChoosePassword => enrol::ask_password(web, visit, upn, said),
        NextStep::ChooseMethod => enrol::ask_choice(web, visit, &ask),
        NextStep::Enrol(MethodKind::Totp) => enrol::ask_method(web, visit, said).await?,
        NextStep::Enrol(MethodKind::SecurityKey) => keys::ask_new(web, visit, &ask, said),
        NextStep::Enrol(MethodKind::OathToken) => {
            token::ask_activation(web, visit, upn, None, said)
        }
        NextStep::CannotAnswer(why) => oidc::no_answer(web, visit, why, (ask.upn, ask.login_hint)),
        NextStep::StopLoop | NextStep::Issue(_) | NextStep::Refuse(_) => {
            return Err(Error::internal("an answer came as a question"));
        }
    })
}

/// Which way is shown: the one that was wanted or tried, if the person has it, else the one
/// used last.
fn wants(ask: &Ask, said: &Said) -> SecondFactor {
    let wanted = match said {
        Said::Wants(wanted) => Some(*wanted),
        Said::Key(_) => Some(SecondFactor::Key),
        Said::Code(_) => Some(SecondFactor::Code),
        _ => None,
    };
    let has = |way: &SecondFactor| ask.second_factors.contains(way);
    wanted
        .filter(has)
        .or(ask.second_factors.first().copied())
        .unwrap_or(SecondFactor::Code)
}

pub(super) fn notice(notice: Notice) -> NoticeItem {
    let what = match notice.kind.as_str() {
        "pass-issued" => Happened::PassIssued,
        "pass-accepted" => Happened::PassUsed,
        "recovery-codes-made" => Happened::RecoveryCodesMade,
        "recovery-code-accepted" => Happened::RecoveryCodeUsed,
        "app-password-added" => Happened::AppPasswordAdded,
        "app-password-revoked" => Happened::AppPasswordRevoked,
        "password-set" => Happened::PasswordSet,
        "password-died" => Happened::PasswordDied,
        "reset" => Happened::MethodsReset,
        "method-added" => Happened::MethodAdded,
        "method-removed" => Happened::MethodRemoved,
        "key-counter" => Happened::KeyCounter,
        "external-account-linked" => Happened::AccountLinked,
        "external-account-unlinked" => Happened::AccountUnlinked,
        "immutable-id-set" => Happened::ImmutableIdSet,
        "token-assigned" => Happened::TokenAssigned,
        "token-returned" | "token-lost" | "token-retired" | "token-removed" => Happened::TokenTaken,
        "token-resynced" => Happened::TokenResynced,
        other => Happened::Other(other.to_owned()),
    };
    NoticeItem {
        what,
        at: Moment(notice.at),
        by: Some(notice.by),
    }
}

impl Web {
    /// How long it is until then.
    pub(super) fn until(&self, then: Timestamp) -> Duration {
        then.since(self.app.now())
    }
}
