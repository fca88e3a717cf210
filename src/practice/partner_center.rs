//! What Partner Center makes of an access token: 200, or the documented 401.
//!
//! Always true: `mfa` counts only as a whole value of an `amr` array in a token
//! that a key of the tenant signed, for this audience, now.

use serde_json::{Value, json};

use crate::base::clock::Timestamp;

use super::token::{self, PARTNER_CENTER};

/// The error code of today's API for a token without MFA (facts §6.2).
pub const MFA_REQUIRED: &str = "900421";

/// Partner Center's answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartnerCenterAnswer {
    /// 200 or 401.
    pub status: u16,
    /// The body's `code`.
    pub code: &'static str,
    /// What the header `isMfaCompliant` says.
    pub mfa: MfaCompliance,
    /// One sentence.
    pub reason: String,
}

/// `isMfaCompliant`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MfaCompliance {
    /// `true`.
    Compliant,
    /// `false`.
    NotCompliant,
}

impl MfaCompliance {
    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "true",
            Self::NotCompliant => "false",
        }
    }
}

impl PartnerCenterAnswer {
    /// As it stands in the practice tenant's `GET /last.json`.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "status": self.status,
            "code": self.code,
            "isMfaCompliant": self.mfa == MfaCompliance::Compliant,
            "reason": self.reason,
        })
    }
}

fn unauthorized(reason: impl Into<String>) -> PartnerCenterAnswer {
    PartnerCenterAnswer {
        status: 401,
        code: "401",
        mfa: MfaCompliance::NotCompliant,
        reason: reason.into(),
    }
}

/// Judges a bearer token with the tenant's keys.
pub fn judge(
    bearer: Option<&str>,
    jwks: &Value,
    issuer: &str,
    now: Timestamp,
) -> PartnerCenterAnswer {
    let Some(bearer) = bearer else {
        return unauthorized("The request carries no access token.");
    };
    let claims = match token::verify(bearer, jwks) {
        Ok(claims) => claims,
        Err(error) => return unauthorized(sentence(&error.to_string())),
    };
    let seconds = |name: &str| claims[name].as_i64();
    if claims["aud"] != PARTNER_CENTER {
        return unauthorized("The access token is for another audience.");
    }
    if claims["iss"] != issuer {
        return unauthorized("The access token is from another tenant.");
    }
    if claims["scp"] != "user_impersonation" {
        return unauthorized("The access token lacks the scope user_impersonation.");
    }
    let valid_now = seconds("nbf").is_some_and(|from| from <= now.as_secs())
        && seconds("exp").is_some_and(|until| now.as_secs() < until);
    if !valid_now {
        return unauthorized("The access token is not valid now.");
    }
    let mfa = claims["amr"]
        .as_array()
        .is_some_and(|values| values.iter().any(|value| value == "mfa"));
    if mfa {
        PartnerCenterAnswer {
            status: 200,
            code: "200",
            mfa: MfaCompliance::Compliant,
            reason: "The access token's amr contains mfa.".to_owned(),
        }
    } else {
        PartnerCenterAnswer {
            code: MFA_REQUIRED,
            ..unauthorized(format!(
                "Unauthorized - MFA required: the access token's amr is {}.",
                claims["amr"]
            ))
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}
