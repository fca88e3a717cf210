//! Scopes: those of OpenID Connect, and the one resource, Partner Center's API.

use super::errors::OAuthError;
use crate::practice::token::PARTNER_CENTER;

const OPENID: &str = "openid";
const OFFLINE_ACCESS: &str = "offline_access";

/// What was asked for, each word once, in the order of the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Reads `scope` of the v2 endpoints. Every word must be known.
    pub(super) fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split_ascii_whitespace() {
            let known =
                matches!(word, OPENID | OFFLINE_ACCESS | "profile" | "email") || is_resource(word);
            if !known {
                return Err(OAuthError::Scope(word.to_owned()));
            }
            if !words.iter().any(|had| had == word) {
                words.push(word.to_owned());
            }
        }
        Ok(Self(words))
    }

    /// The same, with a scope of Partner Center's in it.
    pub(super) fn parse_with_resource(text: &str) -> Result<Self, OAuthError> {
        let scope = Self::parse(text)?;
        if scope.0.iter().any(|word| is_resource(word)) {
            Ok(scope)
        } else {
            Err(OAuthError::Scope(text.to_owned()))
        }
    }

    /// What the v1 endpoints always give: they know no scopes but `resource`.
    pub(super) fn of_v1() -> Self {
        Self(
            [OPENID, OFFLINE_ACCESS, "profile"]
                .map(str::to_owned)
                .to_vec(),
        )
    }

    /// Whether an id_token is wanted.
    pub(super) fn openid(&self) -> bool {
        self.0.iter().any(|word| word == OPENID)
    }

    /// Whether a refresh token is wanted.
    pub(super) fn offline_access(&self) -> bool {
        self.0.iter().any(|word| word == OFFLINE_ACCESS)
    }

    /// As the answer says it: without `offline_access`, with the permission by name.
    pub(super) fn granted(&self) -> String {
        let mut words: Vec<&str> = self
            .0
            .iter()
            .map(String::as_str)
            .filter(|word| *word != OFFLINE_ACCESS && !is_resource(word))
            .collect();
        let permission = format!("{PARTNER_CENTER}/user_impersonation");
        words.push(&permission);
        words.join(" ")
    }
}

fn is_resource(word: &str) -> bool {
    word.strip_prefix(PARTNER_CENTER)
        .is_some_and(|rest| rest == "/user_impersonation" || rest == "/.default")
}

/// Checks `resource` of the v1 endpoints.
pub(super) fn require_partner_center(resource: &str) -> Result<(), OAuthError> {
    if resource.strip_suffix('/').unwrap_or(resource) == PARTNER_CENTER {
        Ok(())
    } else {
        Err(OAuthError::Resource(resource.to_owned()))
    }
}
