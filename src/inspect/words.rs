//! A report in words: what the command and the page say alike.

use serde_json::Value;

use super::{
    context::Consumer,
    report::{Basis, Encoding, Kind, Outcome, Verdict},
    rule::shown,
};

/// A verdict as one sentence.
pub fn sentence(verdict: &Verdict) -> String {
    let who = consumer(verdict.consumer);
    let because = verdict.because.join(", ");
    let basis = match verdict.basis {
        Basis::VerifiedSignature => "",
        Basis::ClaimsAlone => " (by claims alone)",
        Basis::AssumedSignature => " (if the signature were good)",
        Basis::Unverified => " (signature not verified)",
    };
    match verdict.outcome {
        // No sign-in: a document, or a configuration.
        Outcome::Accepted if verdict.mfa.is_none() => format!("{who}: no rule is broken."),
        Outcome::Accepted => format!("{who}: accepted, and counted as MFA{basis}."),
        Outcome::AcceptedWithoutMfa => {
            format!("{who}: accepted, but not counted as MFA{basis}, because of {because}.")
        }
        Outcome::Rejected => format!("{who}: rejected, because of {because}."),
        Outcome::Undecided => {
            format!("{who}: undecided, because of {because}; what would decide stands below.")
        }
        Outcome::NotApplicable if because.is_empty() => {
            format!("{who}: not applicable; it does not receive such a message.")
        }
        Outcome::NotApplicable => format!("{who}: not applicable, because of {because}."),
    }
}

/// Who receives it.
pub fn consumer(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::EntraSaml2 => "Entra ID (SAML 2.0)",
        Consumer::EntraWsfed => "Entra ID (WS-Federation)",
        Consumer::EntraExternalMfa => "Entra ID (External MFA)",
        Consumer::PartnerCenter => "Partner Center",
    }
}

/// What it is.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Jwt => "a token (JWT)",
        Kind::JwtClaims => "claims of a token",
        Kind::Saml2Response => "a SAML 2.0 response",
        Kind::Saml2Assertion => "a SAML 2.0 assertion",
        Kind::Saml2AuthnRequest => "a SAML 2.0 authentication request",
        Kind::Saml2Logout => "a SAML 2.0 sign-out message",
        Kind::Saml11Assertion => "a SAML 1.1 assertion",
        Kind::WsfedRstr => "a WS-Federation answer (RequestSecurityTokenResponse)",
        Kind::WsfedRequest => "a WS-Federation request",
        Kind::ExternalMfaRequest => "a request to an external authentication method",
        Kind::OidcDiscovery => "a discovery document",
        Kind::Jwks => "a key set",
        Kind::Har => "a browser's trace",
        Kind::FederationConfiguration => "the federation of a domain",
        Kind::Unknown => "nothing known",
    }
}

/// How it was wrapped: `, as base64 of deflate`; empty if it was not.
pub fn wrapped(encodings: &[Encoding]) -> String {
    let names: Vec<String> = encodings
        .iter()
        .filter_map(|encoding| serde_json::to_value(encoding).ok())
        .filter_map(|value| value.as_str().map(ToOwned::to_owned))
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", as {}", names.join(" of "))
    }
}

/// `AADSTS50008`; 401 and 900421 are the answers of the Partner Center API.
pub fn errors(codes: &[&str]) -> String {
    codes
        .iter()
        .map(|code| match *code {
            "401" => "HTTP 401".to_owned(),
            "900421" => "error 900421".to_owned(),
            code => format!("AADSTS{code}"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// The values of a decoded message with their paths; what is absent is left out.
pub fn lines(decoded: &Value) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    leaves("", decoded, &mut lines);
    lines
}

fn leaves(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                leaves(&below(&shown(name, 80)), member, lines);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in items.iter().enumerate() {
                leaves(&below(&(at + 1).to_string()), item, lines);
            }
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            if !items.is_empty() {
                lines.push((path.to_owned(), items.join(", ")));
            }
        }
        leaf => lines.push((path.to_owned(), plain(leaf))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text, 200),
        other => shown(&other.to_string(), 200),
    }
}
