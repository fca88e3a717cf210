//! CB-PC: an access token for Partner Center and its API (facts §6), and CB-JWT:
//! what is wrong with any token.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    context::{Consumer, UncheckedSignature},
    rule::{Ruling, quoted},
    token_case::{BadSignature, TokenCase, TokenOf, TokenSignature},
};

const GLOBAL: &str = "https://api.partnercenter.microsoft.com";
const CHINA: &str = "https://partner.partnercenterapi.microsoftonline.cn";
/// The API's address in each cloud that has one (facts §6.1).
const AUDIENCES: [&str; 2] = [GLOBAL, CHINA];
/// What comes before and behind the tenant in an issuer, version 1 then version 2 of each
/// cloud, and the API that takes its tokens: of the US government's cloud none is known.
const ISSUERS: [(&str, &str, Option<&str>); 5] = [
    ("https://sts.windows.net/", "/", Some(GLOBAL)),
    ("https://login.microsoftonline.com/", "/v2.0", Some(GLOBAL)),
    ("https://sts.chinacloudapi.cn/", "/", Some(CHINA)),
    (
        "https://login.partner.microsoftonline.cn/",
        "/v2.0",
        Some(CHINA),
    ),
    ("https://login.microsoftonline.us/", "/v2.0", None),
];

/// CB-JWT-002.
pub(super) fn repeated_claim(case: &TokenCase<'_>) -> Ruling {
    if case.repeated.is_empty() {
        return Ruling::Holds;
    }
    let names: Vec<_> = case.repeated.iter().map(|name| quoted(name)).collect();
    Ruling::broken(format!("More than once: {}.", names.join(", ")))
}

/// CB-JWT-003.
pub(super) fn bad_signature(case: &TokenCase<'_>) -> Ruling {
    match &case.signature {
        // External MFA has a rule of its own for the algorithm: CB-EAM-001.
        TokenSignature::Bad(BadSignature::Algorithm(_))
            if case.consumer == Consumer::EntraExternalMfa =>
        {
            Ruling::Holds
        }
        TokenSignature::Bad(bad) => Ruling::broken(bad.why()),
        _ => Ruling::Holds,
    }
}

fn of_user(case: &TokenCase<'_>) -> bool {
    case.of() == TokenOf::User
}

/// The values of `amr`, if it is an array of texts.
fn amr<'c>(case: &'c TokenCase<'_>) -> Result<Vec<&'c str>, String> {
    match case.claims.get("amr") {
        None => Err("There is no amr.".to_owned()),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| {
                value
                    .as_str()
                    .ok_or_else(|| format!("amr has {value} in it, which is no text."))
            })
            .collect(),
        Some(Value::String(text)) => {
            Err(format!("amr is the string {}, not an array.", quoted(text)))
        }
        Some(other) => Err(format!("amr is {other}, not an array of texts.")),
    }
}

/// CB-PC-001. An `amr` that cannot be read is CB-PC-007's.
pub(super) fn no_mfa(case: &TokenCase<'_>) -> Ruling {
    if !of_user(case) {
        return Ruling::Holds;
    }
    let Ok(values) = amr(case) else {
        return Ruling::Holds;
    };
    if values.contains(&"mfa") {
        return Ruling::Holds;
    }
    let shown: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    let near: Vec<_> = values
        .iter()
        .filter(|value| value.to_ascii_lowercase().contains("mfa"))
        .map(|value| quoted(value))
        .collect();
    let mut evidence = format!("amr is [{}].", shown.join(", "));
    if !near.is_empty() {
        let _ = write!(
            evidence,
            " {} merely contains the letters; Microsoft's old script Test-PartnerSecurityRequirement takes it, the API wants exactly mfa.",
            near.join(", ")
        );
    }
    Ruling::broken(evidence)
}

/// CB-PC-002.
pub(super) fn app_only(case: &TokenCase<'_>) -> Ruling {
    if of_user(case) {
        return Ruling::Holds;
    }
    Ruling::broken("The token names an application and no user: MFA does not apply to it.")
}

/// One text, bare or as the only one of an array.
fn one_audience(value: &Value) -> Option<&str> {
    match value {
        Value::String(audience) => Some(audience),
        Value::Array(values) if values.len() == 1 => values[0].as_str(),
        _ => None,
    }
}

/// CB-PC-003.
pub(super) fn audience(case: &TokenCase<'_>) -> Ruling {
    let found = match case.claims.get("aud") {
        Some(value) if one_audience(value).is_some() => one_audience(value).unwrap_or_default(),
        Some(other) => return Ruling::broken(format!("aud is {other}.")),
        None => return Ruling::broken("There is no aud."),
    };
    if AUDIENCES.contains(&found) {
        return Ruling::Holds;
    }
    let near = AUDIENCES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(found.trim().trim_end_matches('/')));
    Ruling::broken(match near {
        Some(known) => format!("aud is {}; exactly {known} is wanted.", quoted(found)),
        None => format!("aud is {}.", quoted(found)),
    })
}

/// CB-PC-004.
pub(super) fn issuer(case: &TokenCase<'_>) -> Ruling {
    let Some(issuer) = case.text("iss") else {
        return Ruling::broken("There is no iss.");
    };
    let known = ISSUERS.iter().find_map(|(front, back, api)| {
        let tenant = issuer.strip_prefix(front)?.strip_suffix(back)?;
        is_guid(tenant).then_some((tenant, *api))
    });
    let Some((tenant, api)) = known else {
        return Ruling::broken(format!("iss is {}.", quoted(issuer)));
    };
    // An audience that is none of an API is CB-PC-003's.
    if let Some(audience) = case.claims.get("aud").and_then(one_audience)
        && AUDIENCES.contains(&audience)
        && api != Some(audience)
    {
        return Ruling::broken(format!(
            "iss is {}, of another cloud than aud {}.",
            quoted(issuer),
            quoted(audience)
        ));
    }
    match case.text("tid") {
        Some(tid) if tid.eq_ignore_ascii_case(tenant) => Ruling::Holds,
        Some(tid) => Ruling::broken(format!(
            "iss names the tenant {tenant}, tid is {}.",
            quoted(tid)
        )),
        None => Ruling::broken(format!(
            "iss names the tenant {tenant}, but there is no tid."
        )),
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// CB-PC-005.
pub(super) fn window(case: &TokenCase<'_>) -> Ruling {
    let (at, skew) = (case.context.at, case.context.skew);
    let allowed = format!("{} s of skew allowed", skew.as_secs());
    let mut evidence = Vec::new();
    match case.instant("exp") {
        Err(why) => evidence.push(why),
        Ok(None) => evidence.push("There is no exp.".to_owned()),
        Ok(Some(exp)) if at.minus(skew) >= exp => {
            evidence.push(format!(
                "It expired at {exp}; asked about {at} ({allowed})."
            ));
        }
        Ok(Some(_)) => {}
    }
    match case.instant("nbf") {
        Err(why) => evidence.push(why),
        Ok(Some(nbf)) if at.plus(skew) < nbf => {
            evidence.push(format!(
                "It holds from {nbf}; asked about {at} ({allowed})."
            ));
        }
        Ok(_) => {}
    }
    Ruling::broken_by(&evidence)
}

/// CB-PC-006.
pub(super) fn scope(case: &TokenCase<'_>) -> Ruling {
    if !of_user(case) {
        return Ruling::Holds;
    }
    match case.claims.get("scp") {
        Some(Value::String(scopes)) if scopes.split(' ').any(|s| s == "user_impersonation") => {
            Ruling::Holds
        }
        Some(other) => Ruling::broken(format!("scp is {other}.")),
        None => Ruling::broken("There is no scp."),
    }
}

/// CB-PC-007.
pub(super) fn malformed_amr(case: &TokenCase<'_>) -> Ruling {
    if !of_user(case) {
        return Ruling::Holds;
    }
    match amr(case) {
        Ok(_) => Ruling::Holds,
        Err(why) => Ruling::broken(why),
    }
}

/// CB-PC-008.
pub(super) fn unchecked_signature(case: &TokenCase<'_>) -> Ruling {
    match (&case.signature, case.context.unchecked_signature) {
        (TokenSignature::Verified | TokenSignature::Bad(_), _) => Ruling::Holds,
        (TokenSignature::NoneToCheck, _) => Ruling::broken(
            "These are bare claims: they are judged as they stand, and nobody vouches for them.",
        ),
        (TokenSignature::Unchecked(why), UncheckedSignature::Undecided) => Ruling::undecided(
            format!("{why} The signature was not checked."),
            &["--jwks", "--trust-unsigned"],
        ),
        (TokenSignature::Unchecked(why), UncheckedSignature::TakenAsGood) => Ruling::broken(
            format!("{why} The signature was taken to be good, as you asked."),
        ),
    }
}

/// CB-PC-009.
pub(super) fn age(case: &TokenCase<'_>) -> Ruling {
    let (Some(max_age), true) = (case.context.max_age, of_user(case)) else {
        return Ruling::Holds;
    };
    let (name, instant) = match case.instant("auth_time") {
        Ok(None) => ("iat", case.instant("iat")),
        found => ("auth_time", found),
    };
    match instant {
        Err(why) => Ruling::broken(why),
        Ok(None) => Ruling::broken("There is neither auth_time nor iat."),
        Ok(Some(instant)) => {
            let age = case.context.at.since(instant);
            if age > max_age {
                Ruling::broken(format!(
                    "{name} is {instant}, {} s before {}; {} s were asked for.",
                    age.as_secs(),
                    case.context.at,
                    max_age.as_secs()
                ))
            } else {
                Ruling::Holds
            }
        }
    }
}
