//! Who calls, and what they may: the token of this tenant for Graph, its scopes or roles,
//! and for a person the role in the directory as it is now.

use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::errors::Refusal;
use crate::practice::{
    Practice,
    directory::Role,
    token::{self, GRAPH},
    visit::lock,
};

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    permissions: Vec<String>,
    /// The person; none for an application on its own.
    person: Option<(String, Role)>,
}

impl Caller {
    /// Reads the token (RFC 6750 §2.1).
    pub(super) fn of(practice: &Practice, headers: &HeaderMap) -> Result<Self, Refusal> {
        let empty = || Refusal::token("Access token is empty.");
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .ok_or_else(empty)?
            .1;
        let claims = token::verify(bearer, &practice.tokens.jwks())
            .map_err(|_| Refusal::token("Invalid signature or malformed access token."))?;
        if claims["aud"] != GRAPH {
            return Err(Refusal::token(
                "Access token validation failure. Invalid audience.",
            ));
        }
        if claims["tid"] != practice.tokens.tenant_id() {
            return Err(Refusal::token(
                "Access token validation failure. Invalid tenant.",
            ));
        }
        let now = practice.now().as_secs();
        let within = claims["nbf"].as_i64().is_some_and(|nbf| nbf <= now + 300)
            && claims["exp"].as_i64().is_some_and(|exp| now < exp);
        if !within {
            return Err(Refusal::token(
                "Lifetime validation failed, the token is expired.",
            ));
        }
        let list = |value: &Value| -> Vec<String> {
            match value {
                Value::String(text) => text.split(' ').map(str::to_owned).collect(),
                Value::Array(values) => values
                    .iter()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect(),
                _ => Vec::new(),
            }
        };
        if claims["idtyp"] == "app" {
            return Ok(Self {
                permissions: list(&claims["roles"]),
                person: None,
            });
        }
        let oid = claims["oid"].as_str().unwrap_or_default();
        let directory = lock(&practice.directory);
        let person = directory
            .number_by_object_id(oid)
            .and_then(|number| directory.person(number))
            .filter(|person| person.enabled)
            .ok_or_else(|| Refusal::token("The user account does not exist or is disabled."))?;
        Ok(Self {
            permissions: list(&claims["scp"]),
            person: Some((person.object_id, person.role)),
        })
    }

    /// The person's object id.
    pub(super) fn person(&self) -> Option<&str> {
        self.person.as_ref().map(|(id, _)| id.as_str())
    }

    /// One of these permissions, and for a person the administrator's role.
    pub(super) fn require(&self, any_of: &[&str]) -> Result<(), Refusal> {
        let role = self
            .person
            .as_ref()
            .is_none_or(|(_, role)| *role == Role::GlobalAdministrator);
        if role
            && self
                .permissions
                .iter()
                .any(|had| any_of.contains(&had.as_str()))
        {
            Ok(())
        } else {
            Err(Refusal::denied())
        }
    }

    /// The permission to read oneself, which needs no role.
    pub(super) fn require_self(&self) -> Result<&str, Refusal> {
        let readable = [
            "User.Read",
            "User.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
        ];
        match self.person() {
            Some(id)
                if self
                    .permissions
                    .iter()
                    .any(|had| readable.contains(&had.as_str())) =>
            {
                Ok(id)
            }
            Some(_) => Err(Refusal::denied()),
            None => Err(Refusal::bad(
                "/me request is only valid with delegated authentication flow.",
            )),
        }
    }
}
