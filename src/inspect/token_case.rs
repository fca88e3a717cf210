//! A token under inspection: its header, claims and what became of its signature.
//!
//! Always true: only RS256 (RSASSA-PKCS1-v1_5 with SHA-256) with an RSA key of
//! 2048 bits or more that was given is ever verified; the token's own header
//! chooses among the given keys and brings none (attack 13).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::base::clock::Timestamp;

use super::{
    context::{Consumer, Context},
    effort::{Effort, TOO_MANY},
    external_mfa,
    instant::parse_numeric_date,
    json,
    jwks::Jwks,
};

/// A decoded token.
pub(super) struct TokenCase<'c> {
    pub(super) context: &'c Context,
    /// Who would receive it: Partner Center an access token, Entra an answer to External MFA.
    pub(super) consumer: Consumer,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Map<String, Value>,
    /// Names that stand twice in header or claims.
    pub(super) repeated: Vec<String>,
    pub(super) signature: TokenSignature,
}

/// What became of the signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum TokenSignature {
    /// Bare claims have none.
    NoneToCheck,
    /// It holds, with a given key.
    Verified,
    /// It does not hold, and why.
    Bad(BadSignature),
    /// There is no key to check it with, and why.
    Unchecked(String),
}

/// Why a signature does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum BadSignature {
    /// The header says another algorithm than RS256, or none.
    Algorithm(String),
    /// Anything else.
    Other(String),
}

impl BadSignature {
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Algorithm(why) | Self::Other(why) => why,
        }
    }
}

/// Who would receive a token with these claims.
fn consumer_of(claims: &Map<String, Value>, context: &Context) -> Consumer {
    match context.expect {
        Some(expected @ (Consumer::EntraExternalMfa | Consumer::PartnerCenter)) => expected,
        _ if external_mfa::looks_like_answer(claims) => Consumer::EntraExternalMfa,
        _ => Consumer::PartnerCenter,
    }
}

/// Whether a token speaks for a user or for an application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenOf {
    /// A user, by way of an application ("App+User").
    User,
    /// An application alone.
    Application,
}

/// Why the parts of a token were not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// Not base64url.
    #[error("a part of the token is not base64url")]
    Encoding,
    /// Not JSON, or over the limits.
    #[error(transparent)]
    Json(#[from] json::JsonError),
    /// JSON, but no object.
    #[error("a part of the token is no JSON object")]
    NoObject,
}

impl<'c> TokenCase<'c> {
    /// From bare claims.
    pub(super) fn of_claims(
        claims: Map<String, Value>,
        repeated: Vec<String>,
        context: &'c Context,
    ) -> Self {
        Self {
            context,
            consumer: consumer_of(&claims, context),
            header: None,
            claims,
            repeated,
            signature: TokenSignature::NoneToCheck,
        }
    }

    /// From a compact token (RFC 7515 §7.1).
    pub(super) fn parse_token(
        token: &str,
        context: &'c Context,
        effort: &Effort,
    ) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Encoding)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Encoding)?;
        let (header, mut repeated) = object(header)?;
        let (claims, repeated_claims) = object(payload)?;
        repeated.extend(repeated_claims);
        let signature = check(&header, signed, signature, context.jwks.as_ref(), effort);
        Ok(Self {
            context,
            consumer: consumer_of(&claims, context),
            header: Some(header),
            claims,
            repeated,
            signature,
        })
    }

    /// A claim that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A claim that is an instant; `Err` if it is there and is none.
    pub(super) fn instant(&self, name: &str) -> Result<Option<Timestamp>, String> {
        match self.claims.get(name) {
            None => Ok(None),
            Some(value) => parse_numeric_date(value)
                .map(Some)
                .ok_or_else(|| format!("{name} is {value}, which is no NumericDate.")),
        }
    }

    /// Whom it speaks for. A user unless the token says positively that there
    /// is none: otherwise leaving claims out would switch the MFA rules off.
    pub(super) fn of(&self) -> TokenOf {
        const OF_A_USER: [&str; 8] = [
            "scp",
            "amr",
            "upn",
            "unique_name",
            "preferred_username",
            "email",
            "family_name",
            "given_name",
        ];
        if OF_A_USER.iter().any(|name| self.claims.contains_key(*name)) {
            return TokenOf::User;
        }
        let says_app = match self.text("idtyp") {
            Some(kind) => kind == "app",
            // Entra's own sign of an application: it is its own object.
            None => {
                self.text("oid").is_some()
                    && self.text("oid") == self.text("sub")
                    && (self.claims.contains_key("appid") || self.claims.contains_key("azp"))
            }
        };
        if says_app {
            TokenOf::Application
        } else {
            TokenOf::User
        }
    }
}

fn object(part: &str) -> Result<(Map<String, Value>, Vec<String>), TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Encoding)?;
    let json = json::parse_json(&bytes)?;
    match json.value {
        Value::Object(members) => Ok((members, json.repeated)),
        _ => Err(TokenError::NoObject),
    }
}

fn check(
    header: &Map<String, Value>,
    signed: &str,
    signature: &str,
    jwks: Option<&Jwks>,
    effort: &Effort,
) -> TokenSignature {
    match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => {}
        Some(other) => {
            return TokenSignature::Bad(BadSignature::Algorithm(format!(
                "The header says alg {other:?}, not RS256."
            )));
        }
        None => {
            return TokenSignature::Bad(BadSignature::Algorithm(
                "The header names no alg.".to_owned(),
            ));
        }
    }
    if header.contains_key("crit") {
        return bad("The header has crit: it asks for an extension that nobody here knows.");
    }
    let Some(bytes) = URL_SAFE_NO_PAD
        .decode(signature)
        .ok()
        .filter(|bytes| !bytes.is_empty())
    else {
        return bad("The signature is empty or not base64url.");
    };
    let Some(jwks) = jwks else {
        return TokenSignature::Unchecked("No keys were given.".to_owned());
    };
    let kid = header.get("kid").and_then(Value::as_str);
    let candidates: Vec<_> = jwks
        .keys()
        .iter()
        .filter(|key| key.kty == "RSA" && (kid.is_none() || key.kid.as_deref() == kid))
        .collect();
    if candidates.is_empty() {
        return TokenSignature::Unchecked(format!(
            "None of the given keys has the kid {}.",
            kid.unwrap_or("(none)")
        ));
    }
    for key in candidates {
        let Some((n, e)) = key.rsa() else {
            continue;
        };
        if !effort.may_verify(signed.len()) {
            return TokenSignature::Unchecked(TOO_MANY.to_owned());
        }
        let holds = RsaPublicKeyComponents { n, e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &bytes)
            .is_ok();
        if holds {
            return TokenSignature::Verified;
        }
    }
    bad("The signature does not hold with the given keys.")
}

fn bad(why: &str) -> TokenSignature {
    TokenSignature::Bad(BadSignature::Other(why.to_owned()))
}
