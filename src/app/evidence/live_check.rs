//! The result of a live check (`inspect live --json`) that the operator hands in: what
//! Test-PartnerSecurityRequirement shows, by our own command.
//!
//! Always true: a file is somebody's word, and the bundle says so; only the members named
//! here are carried over, cut to a length; a file in which anything looks like a
//! token is refused as a whole.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::inspect::rules;

/// How long the file may be.
pub const MAX_BYTES: usize = 1 << 20;
/// How long a text that is carried over may be.
const MAX_TEXT: usize = 200;
/// An unbroken run of letters of base64 that is longer may be a credential.
const LONGEST_RUN: usize = 200;

/// What stands at the head of the result: where it comes from.
pub const PROVENANCE: &str = "handed in as a file by the operator, not made by this command";

/// Why a file is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LiveCheckError {
    /// Too long, or not JSON.
    #[error("it is no result of `claimbridge inspect live --json`")]
    Form,
    /// It names no live check.
    #[error("it has no member \"live\": it is no result of `claimbridge inspect live --json`")]
    NotLive,
    /// A credential.
    #[error(
        "it holds something that looks like a token ({0}); take that out, and treat it as leaked"
    )]
    Token(String),
}

/// `live-check.json`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct LiveCheck {
    /// [`PROVENANCE`].
    pub provenance: &'static str,
    /// Who was asked: Microsoft, or something that stands in for it.
    pub authority: Option<String>,
    /// The tenant that was signed in to.
    pub tenant: Option<String>,
    /// When, as the file says.
    pub checked_at: Option<String>,
    /// Which flow: `authorization-code`, `device-code` …
    pub flow: Option<String>,
    /// Whether the check was answered with yes as a whole.
    pub passes: Option<bool>,
    /// Why there was no token: OAuth's error and Entra's codes. Their sentences may name people.
    pub refused: Option<String>,
    /// The access token's `amr`.
    pub amr: Vec<String>,
    /// Whether it holds `mfa`.
    pub mfa: Option<bool>,
    /// What Microsoft's script would answer: `pass` or `fail`.
    pub test_partner_security_requirement: Option<String>,
    /// Whether the claim survived the round of the Secure Application Model, if one was made.
    pub survived_secure_application_model: Option<bool>,
    /// What Partner Center's API answered.
    pub partner_center: Option<PartnerCenter>,
    /// The inspector's verdicts.
    pub verdicts: Vec<Verdict>,
    /// The rules that were broken or not decided, by id.
    pub findings: Vec<Finding>,
}

/// Partner Center's answer.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PartnerCenter {
    /// Which API was asked.
    pub url: Option<String>,
    /// The status of HTTP.
    pub status: Option<u64>,
    /// Its header `isMfaCompliant`.
    pub is_mfa_compliant: Option<String>,
}

/// One verdict.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// Who would receive the token.
    pub consumer: String,
    /// What it would do.
    pub outcome: String,
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// As the catalogue has it.
    pub title: &'static str,
    /// How much it matters.
    pub severity: Option<String>,
}

impl LiveCheck {
    /// Reads the file. Unknown members are left behind.
    pub fn parse(bytes: &[u8]) -> Result<Self, LiveCheckError> {
        if bytes.len() > MAX_BYTES {
            return Err(LiveCheckError::Form);
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|_| LiveCheckError::Form)?;
        if let Some(what) = token_in(&value) {
            return Err(LiveCheckError::Token(what));
        }
        let live = value
            .get("live")
            .filter(|live| live.is_object())
            .ok_or(LiveCheckError::NotLive)?;
        let list = |name: &str| {
            let items = value.get(name).and_then(Value::as_array);
            items.into_iter().flatten().take(100)
        };
        Ok(Self {
            provenance: PROVENANCE,
            authority: text(live, "authority"),
            tenant: text(live, "tenant"),
            checked_at: text(live, "checked_at"),
            flow: text(live, "flow"),
            passes: value.get("passes").and_then(Value::as_bool),
            refused: live.get("refused").and_then(refusal),
            amr: live
                .get("amr")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .take(20)
                .map(shortened)
                .collect(),
            mfa: live.get("mfa").and_then(Value::as_bool),
            test_partner_security_requirement: text(live, "test_partner_security_requirement"),
            survived_secure_application_model: live
                .get("secure_application_model")
                .and_then(|round| round.get("survived"))
                .and_then(Value::as_bool),
            partner_center: live
                .get("partner_center")
                .filter(|answer| answer.is_object())
                .map(|answer| PartnerCenter {
                    url: text(answer, "url"),
                    status: answer.get("status").and_then(Value::as_u64),
                    is_mfa_compliant: match answer.get("is_mfa_compliant") {
                        Some(Value::Bool(is)) => Some(is.to_string()),
                        _ => text(answer, "is_mfa_compliant"),
                    },
                }),
            verdicts: list("verdicts")
                .filter_map(|verdict| {
                    Some(Verdict {
                        consumer: text(verdict, "consumer")?,
                        outcome: text(verdict, "outcome")?,
                    })
                })
                .collect(),
            findings: list("findings")
                .filter_map(|finding| {
                    let rule = rules::by_id(finding.get("rule")?.as_str()?)?;
                    Some(Finding {
                        rule: rule.id,
                        title: rule.title,
                        severity: text(finding, "severity"),
                    })
                })
                .collect(),
        })
    }
}

fn refusal(refused: &Value) -> Option<String> {
    let mut says = text(refused, "error")?;
    let codes = refused.get("explained").and_then(Value::as_array);
    for code in codes.into_iter().flatten().take(5) {
        if let Some(code) = code.get("code").and_then(Value::as_u64) {
            let _ = write!(says, ", AADSTS{code}");
        }
    }
    Some(says)
}

fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(shortened)
}

fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_TEXT)
        .collect()
}

/// Members whose text is a credential, however short.
const CREDENTIALS: [&str; 9] = [
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "device_code",
    "code_verifier",
    "assertion",
    "password",
    "samlresponse",
];

/// What the live check says of a refresh token instead of showing it.
const SAYS_WHERE: [&str; 2] = ["in-the-file", "nowhere"];

/// Where something that looks like a credential stands in a value, if anywhere: a JWT, a
/// long run of base64, or the text of a member that is named like one.
pub(super) fn token_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            looks_like_token(text).then(|| "a long run of base64 or a JWT".to_owned())
        }
        Value::Array(items) => items.iter().find_map(token_in),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let named = CREDENTIALS.contains(&name.to_ascii_lowercase().as_str());
            match member {
                Value::String(text)
                    if named
                        && !text.is_empty()
                        && !text.starts_with('[')
                        && !SAYS_WHERE.contains(&text.as_str()) =>
                {
                    Some(format!("the member “{}”", shortened(name)))
                }
                member if looks_like_token(name) => {
                    token_in(member).or(Some("the name of a member".to_owned()))
                }
                member => token_in(member),
            }
        }),
        _ => None,
    }
}

fn looks_like_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.+/=~".contains(c);
    text.split(|c| !is_part(c)).any(|run| {
        let parts: Vec<&str> = run.split('.').collect();
        // A JWS has three parts, a JWE five; the first is a JSON object.
        let jwt = parts.len() >= 2
            && parts
                .windows(2)
                .any(|two| is_header(two[0]) && two[1].len() >= 8);
        // Addresses have slashes and dots often, base64 hardly ever so many.
        let base64 = run.split(['.', '/']).any(|part| part.len() >= 80) && run.len() >= LONGEST_RUN;
        jwt || base64
    })
}

fn is_header(part: &str) -> bool {
    part.len() >= 12
        && (part.starts_with("eyJ") || part.starts_with("ewo") || part.starts_with("ew0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_here_is_carried_over() {
        let file = br#"{"input": {"kind": "jwt"}, "decoded": {"upn": "maria@contoso.com"},
            "verdicts": [{"consumer": "partner-center", "outcome": "accepted", "mfa": true}],
            "findings": [{"rule": "CB-PC-001", "severity": "info", "evidence": "of maria"}, {"rule": "CB-XX-1"}],
            "live": {"tenant": "contoso.com", "checked_at": "2026-11-20T10:00:00Z", "flow": "device-code",
                     "amr": ["pwd", "mfa"], "mfa": true, "person": "maria@contoso.com",
                     "refused": {"error": "interaction_required", "description": "AADSTS50076: maria x",
                                 "explained": [{"code": 50076, "means": "x"}]},
                     "partner_center": {"status": 200, "is_mfa_compliant": true, "body": "x"}}}"#;
        let check = LiveCheck::parse(file).unwrap();
        let text = serde_json::to_string(&check).unwrap();
        assert!(!text.contains("maria"), "{text}");
        assert_eq!(
            check.refused.as_deref(),
            Some("interaction_required, AADSTS50076")
        );
        assert_eq!(check.passes, None);
        assert_eq!(check.amr, ["pwd", "mfa"]);
        assert_eq!(check.mfa, Some(true));
        assert_eq!(
            check
                .partner_center
                .as_ref()
                .unwrap()
                .is_mfa_compliant
                .as_deref(),
            Some("true")
        );
        assert_eq!(check.findings.len(), 1);
        assert_eq!(check.verdicts.len(), 1);
        let bare = LiveCheck::parse(br#"{"live": {}}"#).unwrap();
        assert_eq!((bare.tenant, bare.amr.len(), bare.mfa), (None, 0, None));
    }

    #[test]
    fn a_file_with_a_token_in_it_is_refused_wherever_it_stands() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJ1cG4iOiJtYXJpYSJ9.AAAA";
        let opaque = "0.AXQAq".to_owned() + &"Zz09_-".repeat(60);
        for (member, value) in [
            ("evidence", jwt.to_owned()),
            ("evidence", format!("Bearer {jwt}, it says")),
            ("note", opaque.clone()),
            ("access_token", "short".to_owned()),
            ("REFRESH_TOKEN", "short".to_owned()),
        ] {
            let file = serde_json::json!({"live": {"tenant": "x"}, "findings": [{member: value}]});
            let refused = LiveCheck::parse(file.to_string().as_bytes());
            assert!(
                matches!(refused, Err(LiveCheckError::Token(_))),
                "{member}: {refused:?}"
            );
        }
        let named = serde_json::json!({"live": {opaque: 1}});
        let refused = LiveCheck::parse(named.to_string().as_bytes());
        assert!(
            matches!(refused, Err(LiveCheckError::Token(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_no_live_check_is_refused() {
        for bytes in [&b""[..], b"PK", b"{", b"[]", b"{}", b"{\"live\": true}"] {
            assert!(LiveCheck::parse(bytes).is_err(), "{bytes:?}");
        }
        let long = format!("{{\"live\": {{}}, \"x\": \"{}\"}}", " ".repeat(MAX_BYTES));
        assert_eq!(LiveCheck::parse(long.as_bytes()), Err(LiveCheckError::Form));
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(LiveCheck::parse(deep.as_bytes()), Err(LiveCheckError::Form));
    }

    #[test]
    fn addresses_hashes_and_words_are_no_tokens() {
        for text in [
            "https://login.microsoftonline.com/8b7f0b1e-1111-4222-8333-444455556666/oauth2/v2.0/token",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            "http://schemas.microsoft.com/claims/multipleauthn",
        ] {
            assert!(!looks_like_token(text), "{text}");
        }
    }
}
