//! The tenant's own sign-in, for people of domains that are not federated: the emergency
//! administrators, and everybody after a rollback.
//!
//! Always true: a name of a federated domain goes to its identity provider, whatever password
//! was typed; a sign-in here is one with a password only, and never says MFA.

use std::sync::Arc;

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::{Onward, go_on, visit_of};
use crate::{
    base::{secret::Secret, text::Upn},
    practice::{
        Practice,
        asking::{self, Ask},
        directory::Person,
        graph::sign_ins::SignIn,
        pages,
        request::Wish,
        site::{Forms, page, set_cookie},
        tenant::VISIT,
        token::Amr,
        visit::{AcceptedSignIn, SharedVisit, lock},
    },
};

/// A sign-in page that was shown.
#[derive(Clone, Debug)]
pub struct AskedHere {
    /// Stands in the form, so that no other page can send it.
    handle: String,
    onward: Onward,
    wish: Wish,
}

/// Shows the page.
pub(super) fn ask(
    practice: &Practice,
    value: &str,
    visit: &SharedVisit,
    onward: Onward,
    wish: Wish,
    hint: &str,
) -> Response {
    let handle = practice.token();
    lock(visit).asked_here = Some(AskedHere {
        handle: handle.clone(),
        onward,
        wish,
    });
    set_cookie(shown(StatusCode::OK, &handle, hint, None), VISIT, value)
}

fn shown(status: StatusCode, handle: &str, hint: &str, problem: Option<&'static str>) -> Response {
    page(
        status,
        &pages::Account {
            handle,
            hint,
            problem,
        },
        // It goes on to the application, or to the identity provider.
        Forms::Unrestricted,
    )
}

/// The fields.
#[derive(Debug, Deserialize)]
pub(super) struct AccountForm {
    #[serde(default)]
    handle: String,
    #[serde(default)]
    username: String,
    password: Option<Secret<String>>,
}

pub(super) async fn sign_in(
    State(practice): State<Arc<Practice>>,
    headers: HeaderMap,
    Form(form): Form<AccountForm>,
) -> Response {
    let (value, visit) = visit_of(&practice, &headers);
    let asked = lock(&visit)
        .asked_here
        .clone()
        .filter(|asked| asked.handle == form.handle);
    let Some(asked) = asked else {
        return Redirect::to("/").into_response();
    };
    let refused = |problem| {
        shown(
            StatusCode::BAD_REQUEST,
            &asked.handle,
            &form.username,
            Some(problem),
        )
    };
    let Ok(upn) = form.username.parse::<Upn>() else {
        return refused("Type a name in the form name@domain.");
    };
    let (federated, person) = {
        let directory = lock(&practice.directory);
        let federated = directory
            .place_of(&upn.domain())
            .filter(|at| directory.federated(*at).is_some());
        (federated, directory.by_upn(&upn))
    };
    if let Some(domain) = federated {
        lock(&visit).asked_here = None;
        return asking::ask_identity_provider(
            &practice,
            &value,
            &visit,
            Ask {
                domain,
                wish: asked.wish,
                binding: None,
                hint: Some(upn.to_string()),
                onward: Some(asked.onward),
            },
        );
    }
    let person = person.filter(|person| is_right(person, form.password.as_ref()));
    let now = practice.now();
    lock(&practice.sign_ins).add(SignIn {
        id: practice.guid(),
        at: now,
        person: person.as_ref().map(Person::as_user),
        amr: person.as_ref().map(|_| Amr::Password),
        error_code: if person.is_some() { 0 } else { 50_126 },
        failure: person
            .is_none()
            .then(|| "Invalid username or password.".to_owned()),
    });
    let Some(person) = person else {
        return refused("The account or the password is not right.");
    };
    let accepted = AcceptedSignIn {
        person: person.as_user(),
        amr: Amr::Password,
        at: now,
    };
    {
        let mut state = lock(&visit);
        state.asked_here = None;
        state.session = Some(accepted.clone());
    }
    go_on(&practice, &value, &visit, asked.onward, accepted)
}

fn is_right(person: &Person, given: Option<&Secret<String>>) -> bool {
    let (Some(right), Some(given)) = (&person.password, given) else {
        return false;
    };
    let same = right.expose().as_bytes().ct_eq(given.expose().as_bytes());
    person.enabled && bool::from(same)
}
