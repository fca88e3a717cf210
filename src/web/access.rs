//! The map: every address, who may use it, and whether a GET may change something.
//!
//! Always true: the router is built from this table and from nothing else, so an
//! address that is not listed does not exist. A test asks each as nobody and as a
//! signed-in person.

use std::sync::Arc;

use axum::routing::{MethodRouter, any, get, post};

use super::{
    Web, account, assets, enrol, health, home, inspect, keys, models, not_me, oidc, own_methods,
    pass, saml, sign_in, sign_out, token, trust, wsfed,
};

/// Who gets an answer other than "start again" or a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// Anyone.
    Anyone,
    /// The browser that began the attempt, by its cookie.
    AttemptsBrowser,
    /// A person with a session.
    SignedIn,
}

/// What a GET may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Get {
    /// Nothing, or there is no GET.
    ChangesNothing,
    /// It begins or answers a sign-in or a sign-out, or the first look at the keys makes one: the
    /// protocol asks by GET.
    Protocol,
}

/// One row.
pub struct Route {
    /// The path, as axum writes it.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// What a GET does.
    pub get: Get,
    /// What answers.
    pub(super) handler: MethodRouter<Arc<Web>>,
}

/// The table.
pub fn routes() -> Vec<Route> {
    use Get::{ChangesNothing, Protocol};
    use Who::{Anyone, AttemptsBrowser, SignedIn};

    let row = |path, who, get, handler| Route {
        path,
        who,
        get,
        handler,
    };
    #[rustfmt::skip]
    let table = vec![
        row("/",                               Anyone,          ChangesNothing, get(home::home)),
        row("/saml2/sso",                      Anyone,          Protocol,       get(saml::sso_redirect).post(saml::sso_post)),
        row("/saml2/slo",                      Anyone,          Protocol,       get(sign_out::slo_redirect).post(sign_out::slo_post)),
        row("/saml2/metadata",                 Anyone,          ChangesNothing, get(saml::metadata)),
        row("/wsfed",                          Anyone,          Protocol,       get(wsfed::get).post(wsfed::post)),
        row("/{folder}/2007-06/{document}",    Anyone,          ChangesNothing, get(wsfed::metadata)),
        row("/trust/2005/usernamemixed",       Anyone,          ChangesNothing, any(trust::february_2005)),
        row("/trust/13/usernamemixed",         Anyone,          ChangesNothing, any(trust::v13)),
        row("/trust/mex",                      Anyone,          ChangesNothing, any(trust::mex)),
        row("/oidc/.well-known/openid-configuration", Anyone,   ChangesNothing, get(oidc::discovery)),
        row("/oidc/jwks",                      Anyone,          Protocol,       get(oidc::jwks)),
        row("/oidc/authorize",                 Anyone,          ChangesNothing, post(oidc::authorize).get(oidc::not_by_get)),
        row("/sign-in/{attempt}",              AttemptsBrowser, Protocol,       get(sign_in::page).post(sign_in::password)),
        row("/sign-in/{attempt}/key",          AttemptsBrowser, Protocol,       get(keys::key_page).post(keys::key)),
        row("/sign-in/{attempt}/key/ask",      AttemptsBrowser, ChangesNothing, post(keys::ask_key).get(sign_in::back)),
        row("/sign-in/{attempt}/passkey",      AttemptsBrowser, ChangesNothing, post(keys::passkey).get(sign_in::back)),
        row("/sign-in/{attempt}/passkey/ask",  AttemptsBrowser, ChangesNothing, post(keys::ask_passkey).get(sign_in::back)),
        row("/sign-in/{attempt}/new-key",      AttemptsBrowser, ChangesNothing, post(keys::new_key).get(sign_in::back)),
        row("/sign-in/{attempt}/new-key/ask",  AttemptsBrowser, ChangesNothing, post(keys::ask_new_key).get(sign_in::back)),
        row("/sign-in/{attempt}/code",         AttemptsBrowser, Protocol,       get(keys::code_page).post(sign_in::code)),
        row("/sign-in/{attempt}/token",        AttemptsBrowser, ChangesNothing, post(token::activate).get(sign_in::back)),
        row("/sign-in/{attempt}/resync",       AttemptsBrowser, Protocol,       get(token::resync_page).post(token::resync)),
        row("/sign-in/{attempt}/pass",         AttemptsBrowser, Protocol,       get(pass::form).post(pass::redeem)),
        row("/sign-in/{attempt}/cancel",       AttemptsBrowser, ChangesNothing, post(oidc::cancel).get(sign_in::back)),
        row("/sign-in/{attempt}/new-password", AttemptsBrowser, ChangesNothing, post(enrol::choose_password).get(sign_in::back)),
        row("/sign-in/{attempt}/choose",       AttemptsBrowser, ChangesNothing, post(enrol::choose_method).get(sign_in::back)),
        row("/sign-in/{attempt}/method",       AttemptsBrowser, ChangesNothing, post(enrol::confirm_method).get(sign_in::back)),
        row("/sign-in/{attempt}/added",        Anyone,          ChangesNothing, get(enrol::added)),
        row("/sign-in/{attempt}/key-added",    Anyone,          ChangesNothing, get(keys::added)),
        row("/sign-in/{attempt}/not-me",       AttemptsBrowser, ChangesNothing, post(not_me::begin_anew).get(sign_in::back)),
        row("/sign-in/{attempt}/notices",      AttemptsBrowser, ChangesNothing, post(sign_in::notices).get(sign_in::back)),
        row("/account",                        SignedIn,        Protocol,       get(account::account)),
        row("/account/add",                    SignedIn,        ChangesNothing, post(own_methods::add).get(account::back)),
        row("/account/methods/{id}/rename",    SignedIn,        ChangesNothing, post(own_methods::rename).get(account::back)),
        row("/account/methods/{id}/remove",    SignedIn,        ChangesNothing, post(own_methods::remove).get(account::back)),
        row("/account/password",               SignedIn,        Protocol,       get(own_methods::password_page).post(own_methods::change_password)),
        row("/account/recovery-codes",         SignedIn,        ChangesNothing, post(own_methods::recovery_codes).get(account::back)),
        row("/account/app-passwords",          SignedIn,        ChangesNothing, post(own_methods::add_app_password).get(account::back)),
        row("/account/app-passwords/{id}/revoke", SignedIn,     ChangesNothing, post(own_methods::revoke_app_password).get(account::back)),
        row("/account/sessions/{id}/end",      SignedIn,        ChangesNothing, post(own_methods::end_session).get(account::back)),
        row("/inspect",                        SignedIn,        Protocol,       inspect::routes()),
        row("/inspect/test",                   SignedIn,        ChangesNothing, post(inspect::test).get(inspect::back)),
        row("/inspect/response",               SignedIn,        ChangesNothing, post(inspect::response).get(inspect::back)),
        row("/sign-out",                       SignedIn,        ChangesNothing, get(sign_out::ask).post(sign_out::here)),
        row("/sign-out/everywhere",            SignedIn,        ChangesNothing, post(sign_out::everywhere)),
        row("/sign-out/{id}",                  Anyone,          Protocol,       get(sign_out::page).post(sign_out::go_on)),
        row("/assets/{file}",                  Anyone,          ChangesNothing, get(assets::serve)),
        row("/models/{aaguid}",                Anyone,          ChangesNothing, get(models::picture)),
        row("/healthz",                        Anyone,          ChangesNothing, get(health::healthz)),
        row(READY,                             Anyone,          ChangesNothing, get(health::readyz)),
    ];
    table
}

/// Whether this process can answer sign-ins.
pub const READY: &str = "/readyz";

/// Whether a path belongs to the endpoints that answer under any host name. At the public
/// address there is no `/metrics`.
pub fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | READY | super::metrics::PATH)
}
