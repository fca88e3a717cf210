//! `/account/…`: changes to the own methods, password and sessions.
//!
//! Each needs proofs of the last five minutes; without them the way leads through a
//! sign-in, and back to the account page.

use std::{str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use subtle::ConstantTimeEq as _;

use super::{
    Web,
    account::{ACCOUNT, not_fresh, sign_in_first},
    forms::{CsrfForm, Pressed},
    navigation::is_navigation,
    pages::{
        account::{AppPasswordPage, ChangePasswordPage, PasswordChangedPage, RecoveryCodesPage},
        outcome::ErrorKind,
    },
    saml,
    visit::Visit,
};
use crate::{
    app::{
        Category, Error,
        account::{FRESH_TO_ADD, FreshSession},
        error::SupportCode,
        new_password,
    },
    base::{
        ids::{CredentialId, SessionId},
        secret::Secret,
    },
};

/// A method's new name.
#[derive(Deserialize)]
pub struct NameForm {
    name: String,
}

/// A new password, twice, because nobody sees it.
#[derive(Deserialize)]
pub struct PasswordForm {
    password: Secret<String>,
    again: Secret<String>,
}

/// The session of this browser, if its proofs are fresh; else where to go.
async fn fresh(web: &Web, visit: &Visit) -> Result<FreshSession, Response> {
    match web.app.require_fresh(&visit.browser).await {
        Ok(fresh) => Ok(fresh),
        Err(error) => Err(not_fresh(web, visit, &error).await),
    }
}

/// Back to the account page, or what went wrong.
fn back_after(web: &Web, done: Result<(), Error>) -> Response {
    match done {
        Ok(()) => Redirect::to(ACCOUNT).into_response(),
        Err(error) => web.fail(&error),
    }
}

/// A form of the account page, its token verified against the session's cookie, and the session
/// with its fresh proofs: a handler that takes one cannot forget to.
pub struct OwnForm<T> {
    visit: Visit,
    fresh: FreshSession,
    form: T,
}

impl<T: DeserializeOwned + Send> FromRequest<Arc<Web>> for OwnForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(visit) = Visit::from_request_parts(&mut parts, web).await;
        let request = Request::from_parts(parts, body);
        let form = CsrfForm::<T>::from_request(request, web).await?;
        let Ok(form) = form.verify(&web.forms, visit.browser.session.as_ref()) else {
            return Err(web.stale_form());
        };
        let fresh = fresh(web, &visit).await?;
        Ok(Self { visit, fresh, form })
    }
}

/// What an address names.
pub struct OwnId<I>(I);

impl<I: FromStr> FromRequestParts<Arc<Web>> for OwnId<I> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Response> {
        let named = Path::<String>::from_request_parts(parts, web).await;
        let id = named.ok().and_then(|Path(id)| id.parse().ok());
        id.map(Self)
            .ok_or_else(|| web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND))
    }
}

/// Adds a method.
pub async fn add(
    State(web): State<Arc<Web>>,
    OwnForm { fresh, visit, .. }: OwnForm<Pressed>,
) -> Response {
    match web.app.add_method(fresh, &visit.browser).await {
        Ok(begun) => saml::to_attempt(&web, &begun),
        Err(error) if *error.code() == SupportCode::NOT_FRESH => {
            sign_in_first(&web, &visit, Some(FRESH_TO_ADD)).await
        }
        Err(error) => web.fail(&error),
    }
}

/// Gives a method another name.
pub async fn rename(
    State(web): State<Arc<Web>>,
    OwnId(id): OwnId<CredentialId>,
    OwnForm { fresh, form, .. }: OwnForm<NameForm>,
) -> Response {
    back_after(&web, web.app.rename_method(&fresh, &id, &form.name).await)
}

/// Takes a method away.
pub async fn remove(
    State(web): State<Arc<Web>>,
    OwnId(id): OwnId<CredentialId>,
    OwnForm { fresh, .. }: OwnForm<Pressed>,
) -> Response {
    back_after(&web, web.app.remove_method(&fresh, &id).await)
}

/// Makes ten recovery codes and shows them, this once.
pub async fn recovery_codes(
    State(web): State<Arc<Web>>,
    OwnForm { fresh, .. }: OwnForm<Pressed>,
) -> Response {
    match web.app.make_recovery_codes(&fresh).await {
        Ok(codes) => {
            let page = RecoveryCodesPage {
                frame: &web.frame,
                upn: fresh.upn().to_owned(),
                codes: codes.iter().map(|code| code.expose().clone()).collect(),
            };
            web.page(StatusCode::OK, &page)
        }
        Err(error) => web.fail(&error),
    }
}

/// Makes an application password and shows it, this once.
pub async fn add_app_password(
    State(web): State<Arc<Web>>,
    OwnForm { fresh, form, .. }: OwnForm<NameForm>,
) -> Response {
    match web.app.add_own_app_password(&fresh, &form.name).await {
        Ok(made) => {
            let page = AppPasswordPage {
                frame: &web.frame,
                upn: fresh.upn().to_owned(),
                label: made.label,
                value: made.value.expose().clone(),
            };
            web.page(StatusCode::OK, &page)
        }
        Err(error) => web.fail(&error),
    }
}

/// Revokes one of the own application passwords.
pub async fn revoke_app_password(
    State(web): State<Arc<Web>>,
    OwnId(id): OwnId<CredentialId>,
    OwnForm { fresh, .. }: OwnForm<Pressed>,
) -> Response {
    back_after(&web, web.app.revoke_own_app_password(&fresh, &id).await)
}

/// Ends one of the own sessions.
pub async fn end_session(
    State(web): State<Arc<Web>>,
    OwnId(id): OwnId<SessionId>,
    OwnForm { fresh, .. }: OwnForm<Pressed>,
) -> Response {
    back_after(&web, web.app.end_own_session(&fresh, &id).await)
}

/// The form for a new password.
pub async fn password_page(
    State(web): State<Arc<Web>>,
    visit: Visit,
    headers: HeaderMap,
) -> Response {
    if !is_navigation(&headers) {
        return saml::embedded(&web);
    }
    match fresh(&web, &visit).await {
        Ok(fresh) => ask_password(&web, &visit, &fresh, None),
        Err(response) => response,
    }
}

/// Changes the password.
pub async fn change_password(
    State(web): State<Arc<Web>>,
    OwnForm { fresh, form, visit }: OwnForm<PasswordForm>,
) -> Response {
    let (first, second) = (form.password.expose(), form.again.expose());
    if !bool::from(first.as_bytes().ct_eq(second.as_bytes())) {
        let problem = "The two are not the same. Type it again.".to_owned();
        return ask_password(&web, &visit, &fresh, Some(problem));
    }
    match web.app.change_password(&fresh, form.password).await {
        Ok(()) => {
            let frame = &web.frame;
            web.page(StatusCode::OK, &PasswordChangedPage { frame })
        }
        Err(error) if error.category() == Category::Invalid => {
            let problem = format!("Choose another one: {}.", error.detail());
            ask_password(&web, &visit, &fresh, Some(problem))
        }
        Err(error) => web.fail(&error),
    }
}

fn ask_password(
    web: &Web,
    visit: &Visit,
    fresh: &FreshSession,
    problem: Option<String>,
) -> Response {
    let Some(csrf) = visit.session_form(web) else {
        return Redirect::to(ACCOUNT).into_response();
    };
    let status = match problem {
        None => StatusCode::OK,
        Some(_) => StatusCode::FORBIDDEN,
    };
    let page = ChangePasswordPage {
        frame: &web.frame,
        csrf,
        upn: fresh.upn().to_owned(),
        min_length: new_password::SHORTEST,
        problem,
    };
    web.page(status, &page)
}
