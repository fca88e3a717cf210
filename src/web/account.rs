//! `/account`: what a signed-in person sees and ends.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Redirect, Response},
};

use super::{
    Web,
    models::picture_path,
    navigation::is_navigation,
    pages::{
        Moment,
        account::{
            AccountPage, AppPasswordLine, AppPasswords, Making, Method, Removable, SessionLine,
            SignInLine,
        },
    },
    saml,
    sign_in::notice,
    visit::Visit,
};
use crate::app::{
    Error,
    account::{AccountView, FRESH, KnownSession},
    app_passwords::{AppPasswordView, UseOfAppPasswords},
    enrol::MethodKind,
    error::SupportCode,
    own_methods::{AttestationState, Picture},
};

/// The way to the account page.
pub(super) const ACCOUNT: &str = "/account";

/// The account of the person whose session this browser has; without one, a sign-in that
/// leads back here.
pub async fn account(State(web): State<Arc<Web>>, visit: Visit, headers: HeaderMap) -> Response {
    let view = match web.app.account(&visit.browser).await {
        Ok(view) => view,
        Err(error) => return web.fail(&error),
    };
    let (Some(view), Some(csrf)) = (view, visit.session_form(&web)) else {
        if !is_navigation(&headers) {
            return saml::embedded(&web);
        }
        return sign_in_first(&web, &visit, None).await;
    };
    let entra = &web.app.settings().entra;
    let AccountView {
        user,
        session,
        methods,
        kept,
        recovery_codes,
        app_passwords,
        use_of_app_passwords,
        password,
        changes,
        sign_ins,
        sessions,
    } = view;
    let app_passwords = self::app_passwords(use_of_app_passwords, app_passwords);
    let removable = methods.len() > kept;
    let wanted = (methods.len() < kept).then_some(kept);
    let page = AccountPage {
        frame: &web.frame,
        csrf,
        display_name: user.display_name,
        upn: user.upn.to_string(),
        recovery_codes,
        app_passwords,
        wanted,
        password: password.map(Moment),
        methods: methods
            .into_iter()
            .map(|method| Method {
                id: method.id.to_string(),
                name: method.name,
                kind: in_words(method.kind),
                model: method.model,
                picture: match (method.picture, method.attested) {
                    (Picture::OfModel, Some((model, _))) => Some(picture_path(&model)),
                    _ => None,
                },
                attested: method
                    .attested
                    .map(|(_, state)| attestation_in_words(state)),
                added: Moment(method.added),
                last_used: method.last_used.map(Moment),
            })
            .collect(),
        removable: if removable {
            Removable::Yes
        } else {
            Removable::Last(kept)
        },
        changes: changes.into_iter().map(notice).collect(),
        sign_ins: sign_ins
            .into_iter()
            .map(|sign_in| SignInLine {
                at: Moment(sign_in.at),
                to: match sign_in.to {
                    None => "these pages".to_owned(),
                    Some(party) if party == entra.entity_id.as_str() => entra.display_name.clone(),
                    Some(party) => party,
                },
                with: kinds(&sign_in.proofs),
            })
            .collect(),
        sessions: sessions
            .into_iter()
            .map(|KnownSession { row, told }| SessionLine {
                told: told.into_iter().map(|party| party.name).collect(),
                this_one: row.id == session.id,
                id: row.id.to_string(),
                since: Moment(row.created_at),
                last_used: Moment(row.last_used_at),
            })
            .collect(),
    };
    web.page(StatusCode::OK, &page)
}

fn app_passwords(of_use: UseOfAppPasswords, list: Vec<AppPasswordView>) -> Option<AppPasswords> {
    if of_use != UseOfAppPasswords::Open && list.is_empty() {
        return None;
    }
    let lines = list.into_iter().map(|password| AppPasswordLine {
        id: password.id.to_string(),
        label: password.label,
        since: Moment(password.created_at),
        last_used: password.last_used_at.map(Moment),
    });
    Some(AppPasswords {
        making: match of_use {
            UseOfAppPasswords::Open => Making::Offered,
            UseOfAppPasswords::Closed => Making::Closed,
            UseOfAppPasswords::NotOfThisDomain => Making::NotOfThisDomain,
        },
        list: lines.collect(),
    })
}

/// How far a key's model was proved.
fn attestation_in_words(state: AttestationState) -> &'static str {
    match state {
        AttestationState::Verified => "model verified",
        AttestationState::SelfAttested | AttestationState::None => "model not verified",
        AttestationState::Untrusted => "model not proved by a known maker",
    }
}

/// A form's address that was opened by hand: to the account page.
pub async fn back() -> Redirect {
    Redirect::to(ACCOUNT)
}

/// Where the proofs are not fresh: a sign-in, and back to the account page.
pub(super) async fn not_fresh(web: &Web, visit: &Visit, error: &Error) -> Response {
    if *error.code() == SupportCode::NOT_FRESH {
        return sign_in_first(web, visit, Some(FRESH)).await;
    }
    web.fail(error)
}

pub(super) async fn sign_in_first(web: &Web, visit: &Visit, max_age: Option<Duration>) -> Response {
    match web
        .app
        .begin_account(ACCOUNT, max_age, &visit.browser)
        .await
    {
        Ok(begun) => saml::to_attempt(web, &begun),
        Err(error) => web.fail(&error),
    }
}

/// What a method is, in words.
fn in_words(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::Totp => "Code generator",
        MethodKind::OathToken => "Hardware token",
        MethodKind::SecurityKey => "Security key",
    }
}

/// The kinds of proof in a receipt, in words.
fn kinds(proofs: &str) -> String {
    let words: Vec<&str> = proofs
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(|kind| match kind {
            "totp" => "code",
            "webauthn" | "webauthn-verified" => "security key",
            "application-password" => "an application password",
            "second-factor:totp" => "a code, as the second step at Microsoft",
            "second-factor:webauthn" | "second-factor:webauthn-verified" => {
                "a security key, as the second step at Microsoft"
            }
            "password-only" => "your password alone, in a program",
            kind => kind,
        })
        .collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::kinds;

    #[test]
    fn a_receipt_reads_as_words() {
        let proofs = "password crd_a 2026-11-20T10:00:00.000Z\ntotp crd_b 2026-11-20T10:00:09.000Z";
        assert_eq!(kinds(proofs), "password and code");
    }
}
