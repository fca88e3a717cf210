//! `/{tenant}/oauth2/…/token`: codes, refresh tokens and device codes become tokens.
//!
//! Always true: a code is taken off its shelf before anything else about it is
//! checked, so that a second try, right or wrong, finds nothing.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::{
    TenantName, Version, assertion_grant,
    clients::{Client, Credentials},
    device,
    errors::OAuthError,
    grants::{Code, Grant, Refresh, tokens},
    scope::{Scope, is_graph_default, require_v1},
};
use crate::{
    base::secret::Secret,
    practice::{Practice, site, token::LIFETIME_SECONDS, visit::lock},
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

type Tenant = State<Arc<Practice>>;
type Asking = Result<Form<TokenForm>, FormRejection>;

/// The parameters, as they come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenForm {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret<String>>,
    code: Option<Secret<String>>,
    redirect_uri: Option<String>,
    code_verifier: Option<Secret<String>>,
    refresh_token: Option<Secret<String>>,
    device_code: Option<Secret<String>>,
    assertion: Option<Secret<String>>,
    scope: Option<String>,
    resource: Option<String>,
}

pub(super) async fn of_v2(
    State(practice): Tenant,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Asking,
) -> Response {
    answer(&practice, Version::V2, &tenant, &headers, form)
}

pub(super) async fn of_v1(
    State(practice): Tenant,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    form: Asking,
) -> Response {
    answer(&practice, Version::V1, &tenant, &headers, form)
}

fn answer(
    practice: &Practice,
    version: Version,
    tenant: &str,
    headers: &HeaderMap,
    form: Asking,
) -> Response {
    match redeem(practice, version, tenant, headers, form) {
        Ok(tokens) => site::json(StatusCode::OK, &tokens),
        Err(error) => error.to_json(practice),
    }
}

fn redeem(
    practice: &Practice,
    version: Version,
    tenant: &str,
    headers: &HeaderMap,
    form: Asking,
) -> Result<Value, OAuthError> {
    let tenant_name = practice.tenant_named(tenant)?;
    let Form(form) = form.map_err(|_| OAuthError::Malformed)?;
    let client = practice.oauth.clients.authenticate(
        headers,
        &Credentials {
            id: form.client_id.as_deref(),
            secret: form.client_secret.as_ref(),
        },
    )?;
    if version == Version::V1 {
        require_v1(client.resource(), form.resource.as_deref())?;
    }
    match form.grant_type.as_deref() {
        Some("authorization_code") => from_code(practice, version, client, &form),
        Some("refresh_token") => from_refresh_token(practice, version, client, &form),
        Some(DEVICE_CODE) if version == Version::V2 => {
            let value = given(form.device_code.as_ref(), "device_code")?;
            let grant = device::redeem(practice, client, value)?;
            tokens(practice, version, client, &grant, None, Refresh::Begin)
        }
        Some("client_credentials") if version == Version::V2 => {
            if tenant_name == TenantName::Any {
                return Err(OAuthError::UnknownTenant(tenant.to_owned()));
            }
            for_application(practice, client, form.scope.as_deref())
        }
        Some(assertion_grant::GRANT_TYPE) if version == Version::V2 => {
            let assertion = given(form.assertion.as_ref(), "assertion")?;
            assertion_grant::redeem(practice, version, client, assertion, form.scope.as_deref())
        }
        Some(other) => Err(OAuthError::GrantType(other.to_owned())),
        None => Err(OAuthError::Missing("grant_type")),
    }
}

/// An application on its own (RFC 6749 §4.4): what was consented to, as roles.
fn for_application(
    practice: &Practice,
    client: &Client,
    scope: Option<&str>,
) -> Result<Value, OAuthError> {
    let scope = scope.ok_or(OAuthError::Missing("scope"))?;
    if client.is_public() {
        return Err(OAuthError::SecretMissing);
    }
    if !is_graph_default(scope, &practice.graph_url()) {
        return Err(OAuthError::Scope(scope.to_owned()));
    }
    let token = practice
        .tokens
        .mint_for_application(client.in_token(), client.roles(), practice.now())
        .ok_or(OAuthError::Internal)?;
    Ok(json!({
        "token_type": "Bearer",
        "expires_in": LIFETIME_SECONDS,
        "ext_expires_in": LIFETIME_SECONDS,
        "access_token": token,
    }))
}

fn given<'a>(value: Option<&'a Secret<String>>, name: &'static str) -> Result<&'a str, OAuthError> {
    value
        .map(|value| value.expose().as_str())
        .ok_or(OAuthError::Missing(name))
}

fn from_code(
    practice: &Practice,
    version: Version,
    client: &Client,
    form: &TokenForm,
) -> Result<Value, OAuthError> {
    let value = given(form.code.as_ref(), "code")?;
    let redirect_uri = form
        .redirect_uri
        .as_ref()
        .ok_or(OAuthError::Missing("redirect_uri"))?;
    let code = lock(&practice.oauth.codes)
        .take(value)
        .ok_or(OAuthError::Grant("code"))?;
    code.grant
        .require_good_for(client, "code", practice.now())?;
    if code.version != version {
        return Err(OAuthError::Grant("code"));
    }
    if code.redirect_uri != *redirect_uri {
        return Err(OAuthError::OtherRedirectUri(redirect_uri.clone()));
    }
    require_verifier(&code, form.code_verifier.as_ref())?;
    let nonce = code.nonce.as_deref();
    tokens(
        practice,
        version,
        client,
        &code.grant,
        nonce,
        Refresh::Begin,
    )
}

/// PKCE (RFC 7636 §4.6). A verifier without a challenge is a mix-up as well.
fn require_verifier(code: &Code, verifier: Option<&Secret<String>>) -> Result<(), OAuthError> {
    let right = match (&code.challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let computed = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()));
            bool::from(computed.as_bytes().ct_eq(challenge.as_bytes()))
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    if right {
        Ok(())
    } else {
        Err(OAuthError::Verifier)
    }
}

fn from_refresh_token(
    practice: &Practice,
    version: Version,
    client: &Client,
    form: &TokenForm,
) -> Result<Value, OAuthError> {
    let value = given(form.refresh_token.as_ref(), "refresh_token")?;
    let kept: Grant = lock(&practice.oauth.refresh_tokens)
        .get(value)
        .cloned()
        .ok_or(OAuthError::Grant("refresh_token"))?;
    kept.require_good_for(client, "refresh_token", practice.now())?;
    let scope = match (version, form.scope.as_deref()) {
        (Version::V2, Some(text)) => {
            Scope::parse(text, client.resource(), &practice.graph_url())?.or_as(&kept.scope)
        }
        (Version::V2, None) => kept.scope.clone(),
        (Version::V1, _) => Scope::of_v1(),
    };
    let grant = Grant { scope, ..kept };
    let same = Refresh::Same(value.to_owned());
    tokens(practice, version, client, &grant, None, same)
}
