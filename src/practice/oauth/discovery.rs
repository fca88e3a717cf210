//! What a client reads first: the endpoints, and the keys.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use super::{TenantName, Version, errors::OAuthError};
use crate::practice::{Practice, site};

type Tenant = State<Arc<Practice>>;

pub(super) async fn of_v2(State(practice): Tenant, Path(tenant): Path<String>) -> Response {
    answer(&practice, document(&practice, Version::V2, &tenant))
}

pub(super) async fn of_v1(State(practice): Tenant, Path(tenant): Path<String>) -> Response {
    answer(&practice, document(&practice, Version::V1, &tenant))
}

pub(super) async fn keys(State(practice): Tenant, Path(tenant): Path<String>) -> Response {
    let keys = practice
        .tenant_named(&tenant)
        .map(|_| practice.tokens.jwks());
    answer(&practice, keys)
}

fn answer(practice: &Practice, found: Result<Value, OAuthError>) -> Response {
    match found {
        Ok(document) => site::json(StatusCode::OK, &document),
        Err(error) => error.to_json(practice),
    }
}

fn document(practice: &Practice, version: Version, tenant: &str) -> Result<Value, OAuthError> {
    let name = practice.tenant_named(tenant)?;
    let authority = &practice.own_url;
    // Entra's own oddity: where any tenant will do, the issuer is a template.
    let id = match name {
        TenantName::This(_) => practice.tokens.tenant_id(),
        TenantName::Any => "{tenantid}",
    };
    let (issuer, endpoints, keys) = match version {
        Version::V2 => (
            format!("{authority}/{id}/v2.0"),
            format!("{authority}/{tenant}/oauth2/v2.0"),
            format!("{authority}/{tenant}/discovery/v2.0/keys"),
        ),
        Version::V1 => (
            format!("https://sts.windows.net/{id}/"),
            format!("{authority}/{tenant}/oauth2"),
            format!("{authority}/{tenant}/discovery/keys"),
        ),
    };
    Ok(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{endpoints}/authorize"),
        "token_endpoint": format!("{endpoints}/token"),
        "device_authorization_endpoint": format!("{authority}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": keys,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nbf", "auth_time", "nonce", "name",
            "preferred_username", "oid", "tid", "ver"
        ],
        "request_uri_parameter_supported": false,
    }))
}
