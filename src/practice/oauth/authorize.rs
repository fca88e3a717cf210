//! `/{tenant}/oauth2/…/authorize`: what an application asks for, the sign-in that
//! answers it, and the code that goes back.
//!
//! Always true: nothing is redirected to an address that is not the application's;
//! a code says of MFA what its sign-in brought, and `amr_values=mfa` yields none
//! without it.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    Onward, TenantName, Version, account,
    clients::Client,
    errors::{OAuthError, redirect},
    grants::{CODE_LIFETIME, Code, Grant},
    scope::{Resource, Scope, require_v1},
    visit_of,
};
use crate::practice::{
    Practice,
    asking::{self, Ask},
    request::Wish,
    site::set_cookie,
    tenant::VISIT,
    token::Amr,
    visit::{AcceptedSignIn, SharedVisit, lock},
};

type Tenant = State<Arc<Practice>>;
type Asking = Result<Query<AuthorizeQuery>, QueryRejection>;

/// No parameter that is kept is longer.
const LONGEST: usize = 2048;
/// 32 bytes of SHA-256 as base64url (RFC 7636 §4.2).
const CHALLENGE_LENGTH: usize = 43;

/// The parameters, as they come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthorizeQuery {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    response_mode: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    prompt: Option<String>,
    login_hint: Option<String>,
    domain_hint: Option<String>,
    amr_values: Option<String>,
}

/// What an application asked for, checked.
#[derive(Clone, Debug)]
pub struct Asked {
    version: Version,
    client: String,
    redirect_uri: String,
    scope: Scope,
    state: Option<String>,
    nonce: Option<String>,
    challenge: Option<String>,
    mfa: Mfa,
    domain: usize,
    hint: Option<String>,
}

/// What is asked about MFA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mfa {
    /// Nothing.
    AsItComes,
    /// `amr_values=mfa`; a sign-in without it is repeated once.
    RequiredAskAgain,
    /// The same, and it was repeated.
    RequiredNow,
}

/// `prompt`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Prompt {
    /// Not there, or about consent, which nobody is asked for here.
    Absent,
    /// Sign in afresh.
    Login,
    /// Show nothing.
    None,
    /// Let the person choose: the tenant's own session does not answer.
    SelectAccount,
}

pub(super) async fn of_v2(
    State(practice): Tenant,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    query: Asking,
) -> Response {
    authorize(&practice, Version::V2, &tenant, &headers, query)
}

pub(super) async fn of_v1(
    State(practice): Tenant,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    query: Asking,
) -> Response {
    authorize(&practice, Version::V1, &tenant, &headers, query)
}

fn authorize(
    practice: &Practice,
    version: Version,
    tenant: &str,
    headers: &HeaderMap,
    query: Asking,
) -> Response {
    let (tenant, query, client, redirect_uri) = match addressed(practice, tenant, query) {
        Ok(addressed) => addressed,
        Err(error) => return error.to_page(),
    };
    let checked = Asked::check(practice, version, tenant, &query, client, &redirect_uri)
        .and_then(|asked| Ok((asked, Prompt::parse(query.prompt.as_deref())?)));
    match checked {
        Ok((asked, prompt)) => answer(practice, headers, asked, prompt, &query),
        Err(error) => error.to_redirect(&redirect_uri, query.state.as_deref()),
    }
}

/// Whom the answer goes to. Without that there is only a page.
fn addressed<'a>(
    practice: &'a Practice,
    tenant: &str,
    query: Asking,
) -> Result<(TenantName, AuthorizeQuery, &'a Client, String), OAuthError> {
    let tenant = practice.tenant_named(tenant)?;
    let Query(query) = query.map_err(|_| OAuthError::Malformed)?;
    let client = practice.oauth.clients.by_id(query.client_id.as_deref())?;
    let redirect_uri = query.redirect_uri.clone().unwrap_or_default();
    if !client.may_answer_at(&redirect_uri) {
        return Err(OAuthError::RedirectUri(redirect_uri));
    }
    Ok((tenant, query, client, redirect_uri))
}

impl Prompt {
    fn parse(text: Option<&str>) -> Result<Self, OAuthError> {
        match text {
            None | Some("" | "consent" | "admin_consent") => Ok(Self::Absent),
            Some("login") => Ok(Self::Login),
            Some("none") => Ok(Self::None),
            Some("select_account") => Ok(Self::SelectAccount),
            Some(other) => Err(OAuthError::Value {
                name: "prompt",
                value: other.to_owned(),
            }),
        }
    }
}

impl Asked {
    fn check(
        practice: &Practice,
        version: Version,
        tenant: TenantName,
        query: &AuthorizeQuery,
        client: &Client,
        redirect_uri: &str,
    ) -> Result<Self, OAuthError> {
        match query.response_type.as_deref() {
            Some("code") => {}
            Some(other) => return Err(OAuthError::ResponseType(other.to_owned())),
            None => return Err(OAuthError::Missing("response_type")),
        }
        match query.response_mode.as_deref() {
            None | Some("query") => {}
            Some(other) => return Err(OAuthError::ResponseMode(other.to_owned())),
        }
        for (name, value) in [("state", &query.state), ("nonce", &query.nonce)] {
            if value.as_ref().is_some_and(|value| value.len() > LONGEST) {
                return Err(OAuthError::TooLong(name));
            }
        }
        let scope = match version {
            Version::V2 => {
                let text = query.scope.as_deref();
                let text = text.ok_or(OAuthError::Missing("scope"))?;
                Scope::parse_with_resource(text, client.resource(), &practice.graph_url())?
            }
            Version::V1 => {
                require_v1(client.resource(), query.resource.as_deref())?;
                Scope::of_v1()
            }
        };
        let mfa = match query.amr_values.as_deref() {
            None => Mfa::AsItComes,
            Some("mfa") => Mfa::RequiredAskAgain,
            Some(other) => {
                return Err(OAuthError::Value {
                    name: "amr_values",
                    value: other.to_owned(),
                });
            }
        };
        Ok(Self {
            version,
            client: client.id().to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            scope,
            state: query.state.clone(),
            nonce: query.nonce.clone(),
            challenge: challenge(client, query)?,
            mfa,
            domain: practice.domain_for(
                query.login_hint.as_deref(),
                query.domain_hint.as_deref(),
                tenant,
            ),
            hint: query.login_hint.clone(),
        })
    }
}

/// The S256 challenge. `plain` would show the verifier to whoever sees the address.
fn challenge(client: &Client, query: &AuthorizeQuery) -> Result<Option<String>, OAuthError> {
    let Some(challenge) = &query.code_challenge else {
        return match &query.code_challenge_method {
            None if !client.is_public() => Ok(None),
            _ => Err(OAuthError::ChallengeMissing),
        };
    };
    let well_formed = challenge.len() == CHALLENGE_LENGTH
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if well_formed && query.code_challenge_method.as_deref() == Some("S256") {
        Ok(Some(challenge.clone()))
    } else {
        Err(OAuthError::Challenge)
    }
}

/// A code at once, where a sign-in of this visit will do; else on to the identity provider.
fn answer(
    practice: &Practice,
    headers: &HeaderMap,
    asked: Asked,
    prompt: Prompt,
    query: &AuthorizeQuery,
) -> Response {
    let (value, visit) = visit_of(practice, headers);
    let session = lock(&visit).session_of(query.login_hint.as_deref());
    let enough = |session: &AcceptedSignIn| asked.mfa == Mfa::AsItComes || session.amr.has_mfa();
    let wish = match prompt {
        Prompt::Login => Wish::FreshSignIn,
        Prompt::SelectAccount => Wish::Anything,
        Prompt::Absent | Prompt::None => match session {
            Some(session) if enough(&session) => {
                return set_cookie(with_code(practice, asked, session), VISIT, &value);
            }
            Some(_) if prompt == Prompt::None => {
                return refused(&asked, &OAuthError::MfaRequired);
            }
            None if prompt == Prompt::None => return refused(&asked, &OAuthError::NobodySignedIn),
            // It did not bring MFA: this is the second time that it is asked for.
            Some(_) => return ask_again(practice, &value, &visit, asked),
            None => Wish::Anything,
        },
    };
    sign_in(practice, &value, &visit, asked, wish)
}

fn refused(asked: &Asked, error: &OAuthError) -> Response {
    error.to_redirect(&asked.redirect_uri, asked.state.as_deref())
}

fn sign_in(
    practice: &Practice,
    value: &str,
    visit: &SharedVisit,
    asked: Asked,
    wish: Wish,
) -> Response {
    // The identity provider hears of `amr_values=mfa` (facts §6.4).
    let wish = match asked.mfa {
        Mfa::AsItComes => wish,
        Mfa::RequiredAskAgain | Mfa::RequiredNow => wish.with_mfa(),
    };
    let federated = lock(&practice.directory).federated(asked.domain).is_some();
    // An administrator's program asks for the account first: it may well be one of those
    // that no identity provider knows.
    let asks_account = asked.scope.resource() == Resource::Graph && asked.hint.is_none();
    if !federated || asks_account {
        let hint = asked.hint.clone().unwrap_or_default();
        let onward = Onward::Application(Box::new(asked));
        return account::ask(practice, value, visit, onward, wish, &hint);
    }
    asking::ask_identity_provider(
        practice,
        value,
        visit,
        Ask {
            domain: asked.domain,
            wish,
            binding: None,
            hint: asked.hint.clone(),
            onward: Some(Onward::Application(Box::new(asked))),
        },
    )
}

fn ask_again(practice: &Practice, value: &str, visit: &SharedVisit, asked: Asked) -> Response {
    let asked = Asked {
        mfa: Mfa::RequiredNow,
        ..asked
    };
    sign_in(practice, value, visit, asked, Wish::Anything)
}

/// On from an accepted answer of the identity provider.
pub(super) fn after_sign_in(
    practice: &Practice,
    value: &str,
    visit: &SharedVisit,
    asked: Asked,
    sign_in: AcceptedSignIn,
) -> Response {
    match (sign_in.amr, asked.mfa) {
        (Amr::PasswordAndMfa | Amr::CertificateAndMfa, _) | (Amr::Password, Mfa::AsItComes) => {
            set_cookie(with_code(practice, asked, sign_in), VISIT, value)
        }
        (Amr::Password, Mfa::RequiredAskAgain) => ask_again(practice, value, visit, asked),
        (Amr::Password, Mfa::RequiredNow) => {
            set_cookie(refused(&asked, &OAuthError::MfaRequired), VISIT, value)
        }
    }
}

/// Back to the application.
fn with_code(practice: &Practice, asked: Asked, sign_in: AcceptedSignIn) -> Response {
    let value = practice.secret_token();
    let answer = redirect(
        &asked.redirect_uri,
        &[
            ("code", Some(value.as_str())),
            ("state", asked.state.as_deref()),
        ],
    );
    let code = Code {
        grant: Grant {
            client: asked.client,
            scope: asked.scope,
            sign_in,
            ends: practice.now().plus(CODE_LIFETIME),
        },
        version: asked.version,
        redirect_uri: asked.redirect_uri,
        challenge: asked.challenge,
        nonce: asked.nonce,
    };
    lock(&practice.oauth.codes).put(value, code);
    answer
}
