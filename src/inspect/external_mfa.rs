//! CB-EAM over an id_token that answers Entra's External MFA (facts §5.5).

use std::time::Duration;

use serde_json::Value;

use super::{
    context::{Context, UncheckedSignature},
    discovery::different_issuer,
    report::Severity,
    rule::{Ruling, quoted},
    token_case::{BadSignature, TokenCase, TokenSignature},
};

/// How long Entra waits for an answer (facts §5.5).
const PATIENCE: Duration = Duration::from_mins(5);

/// The sort of factor (facts §5.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum FactorType {
    Possession,
    Inherence,
}

impl FactorType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Possession => "possession",
            Self::Inherence => "inherence",
        }
    }
}

const POSSESSION: [&str; 8] = ["fido", "hwk", "otp", "pop", "sc", "sms", "swk", "tel"];
const INHERENCE: [&str; 5] = ["face", "fpt", "iris", "retina", "vbm"];
/// The values that `acr` may have.
const ACR: [&str; 7] = [
    "possessionorinherence",
    "knowledgeorpossession",
    "knowledgeorinherence",
    "knowledgeorpossessionorinherence",
    "knowledge",
    "possession",
    "inherence",
];

fn factor_type(amr: &str) -> Option<FactorType> {
    if POSSESSION.contains(&amr) {
        Some(FactorType::Possession)
    } else if INHERENCE.contains(&amr) {
        Some(FactorType::Inherence)
    } else {
        None
    }
}

/// Whether an `acr` value asks for factors of this type.
fn asks_for(acr: &str, of: FactorType) -> bool {
    acr.contains(of.as_str())
}

/// Whether the token looks like an answer to External MFA rather than an access token.
pub(super) fn looks_like_answer(claims: &serde_json::Map<String, Value>) -> bool {
    let of_access_token = ["scp", "tid", "oid", "appid", "azp", "roles"];
    let acr = claims.get("acr").and_then(Value::as_str);
    !of_access_token
        .iter()
        .any(|name| claims.contains_key(*name))
        && (claims.contains_key("nonce") || acr.is_some_and(|acr| ACR.contains(&acr)))
}

fn assumed(context: &Context) -> bool {
    context.unchecked_signature == UncheckedSignature::TakenAsGood
}

const SIGNED: &[&str] = &["the signed token", "--trust-unsigned"];

/// CB-EAM-001.
pub(super) fn algorithm(case: &TokenCase<'_>) -> Ruling {
    match (&case.header, &case.signature) {
        (None, _) if assumed(case.context) => Ruling::Holds,
        (None, _) => Ruling::undecided("These are bare claims without a header.", SIGNED),
        (Some(_), TokenSignature::Bad(BadSignature::Algorithm(why))) => Ruling::broken(why),
        (Some(_), _) => Ruling::Holds,
    }
}

/// CB-EAM-002.
pub(super) fn kid(case: &TokenCase<'_>) -> Ruling {
    let Some(header) = &case.header else {
        return if assumed(case.context) {
            Ruling::Holds
        } else {
            Ruling::undecided("These are bare claims without a kid.", SIGNED)
        };
    };
    let Some(kid) = header.get("kid").and_then(Value::as_str) else {
        return Ruling::broken("The header has no kid.");
    };
    let Some(jwks) = &case.context.jwks else {
        return if assumed(case.context) {
            Ruling::Holds
        } else {
            Ruling::undecided(
                format!("The kid is {}; the key set was not given.", quoted(kid)),
                &["--jwks", "--trust-unsigned"],
            )
        };
    };
    let known = || jwks.keys().iter().filter_map(|key| key.kid.as_deref());
    if known().any(|known| known == kid) {
        return Ruling::Holds;
    }
    let plain = |text: &str| {
        text.trim_end_matches('=')
            .replace('-', "+")
            .replace('_', "/")
            .to_lowercase()
    };
    if let Some(near) = known().find(|known| plain(known) == plain(kid)) {
        return Ruling::broken(format!(
            "The kid is {}, in the key set it is written {}.",
            quoted(kid),
            quoted(near)
        ));
    }
    let listed: Vec<_> = known().map(quoted).collect();
    Ruling::broken(format!(
        "The kid is {}, the key set has {}.",
        quoted(kid),
        if listed.is_empty() {
            "none".to_owned()
        } else {
            listed.join(", ")
        }
    ))
}

/// CB-EAM-003, for the key that the token names.
pub(super) fn certificate(case: &TokenCase<'_>) -> Ruling {
    let Some(jwks) = &case.context.jwks else {
        return if assumed(case.context) {
            Ruling::Holds
        } else {
            Ruling::undecided("The key set was not given.", &["--jwks"])
        };
    };
    let kid = case
        .header
        .as_ref()
        .and_then(|header| header.get("kid"))
        .and_then(Value::as_str);
    let is_meant = |key: &super::jwks::Jwk| kid.is_none() || key.kid.as_deref() == kid;
    let evidence: Vec<_> = jwks
        .keys()
        .iter()
        .filter(|key| is_meant(key))
        .filter_map(|key| key.type_problem().or_else(|| key.certificate_problem()))
        .collect();
    match &case.signature {
        // Nothing was verified, whatever the key looks like. That there is none is CB-EAM-002's.
        TokenSignature::Unchecked(why)
            if evidence.is_empty()
                && jwks.keys().iter().any(is_meant)
                && !assumed(case.context) =>
        {
            Ruling::undecided(
                format!("{why} The signature was not checked."),
                &[
                    "--jwks with the key that the token names",
                    "--trust-unsigned",
                ],
            )
        }
        _ => Ruling::broken_by(&evidence),
    }
}

/// CB-EAM-004.
pub(super) fn issuer(case: &TokenCase<'_>) -> Ruling {
    let Some(found) = case.text("iss") else {
        return Ruling::broken("There is no iss.");
    };
    match case.context.external_mfa.issuer() {
        None => Ruling::undecided(
            format!(
                "iss is {}; the provider's issuer was not given.",
                quoted(found)
            ),
            &["--issuer", "--discovery-url"],
        ),
        Some(wanted) if wanted == found => Ruling::Holds,
        Some(wanted) => Ruling::broken(different_issuer("iss", found, wanted)),
    }
}

/// CB-EAM-005. An audience in an array is taken by OpenID Connect, and Entra shows none (facts §10).
pub(super) fn parties(case: &TokenCase<'_>) -> Ruling {
    let known = &case.context.external_mfa;
    let (mut evidence, mut missing, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
    let audience = match case.claims.get("aud") {
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Array(values)) if values.len() == 1 => {
            doubts.push(
                "aud is an array; the documentation of External MFA shows a plain text.".to_owned(),
            );
            values[0].as_str()
        }
        _ => None,
    };
    match (audience, known.client_id()) {
        (None, _) => evidence.push("There is no aud with one value.".to_owned()),
        (Some(_), None) => missing.push("client id"),
        (Some(found), Some(wanted)) if found != wanted => evidence.push(format!(
            "aud is {}, the client id is {}.",
            quoted(found),
            quoted(wanted)
        )),
        _ => {}
    }
    let nonce = known
        .authorization
        .as_ref()
        .map(|given| given.nonce.as_deref());
    match (case.text("nonce"), nonce) {
        (None, _) => evidence.push("There is no nonce.".to_owned()),
        (Some(_), None) => missing.push("request"),
        (Some(found), Some(wanted)) if Some(found) != wanted => evidence.push(format!(
            "nonce is {}, in the request it is {}.",
            quoted(found),
            quoted(wanted.unwrap_or("missing"))
        )),
        _ => {}
    }
    let sub = known.hint().and_then(|hint| hint.sub.as_deref());
    match (case.text("sub"), sub) {
        (None, _) => evidence.push("There is no sub.".to_owned()),
        (Some(_), None) => missing.push("hint"),
        (Some(found), Some(wanted)) if found != wanted => evidence.push(format!(
            "sub is {}, in the hint it is {}.",
            quoted(found),
            quoted(wanted)
        )),
        _ => {}
    }
    if !evidence.is_empty() {
        return Ruling::broken_by(&evidence);
    }
    if !missing.is_empty() {
        return Ruling::undecided(
            format!("Not given: {}.", missing.join(", ")),
            &["--request", "--client-id and --hint"],
        );
    }
    Ruling::broken_by(&doubts).with_severity(Severity::Warning)
}

/// CB-EAM-006.
pub(super) fn acr(case: &TokenCase<'_>) -> Ruling {
    let found = match case.claims.get("acr") {
        Some(Value::String(text)) => text.as_str(),
        Some(other) => return Ruling::broken(format!("acr is {other}, not one text.")),
        None => return Ruling::broken("There is no acr."),
    };
    let Some(request) = &case.context.external_mfa.authorization else {
        return if ACR.contains(&found) {
            Ruling::undecided(
                format!("acr is {}; the request was not given.", quoted(found)),
                &["--request"],
            )
        } else {
            Ruling::broken(format!(
                "acr is {}, which Entra never asks for.",
                quoted(found)
            ))
        };
    };
    if request.acr.iter().any(|asked| asked == found) {
        return Ruling::Holds;
    }
    let asked: Vec<_> = request.acr.iter().map(|asked| quoted(asked)).collect();
    Ruling::broken(format!(
        "acr is {}, asked for: {}.",
        quoted(found),
        asked.join(", ")
    ))
    .with_fix(format!("Answer acr with exactly {}.", asked.join(" or ")))
}

/// The one value of `amr`.
fn one_amr<'c>(case: &'c TokenCase<'_>) -> Result<&'c str, String> {
    match case.claims.get("amr") {
        None => Err("There is no amr.".to_owned()),
        Some(Value::Array(values)) => match values.as_slice() {
            [Value::String(value)] => Ok(value),
            [other] => Err(format!("amr has {other} in it, which is no text.")),
            values => Err(format!("amr has {} values.", values.len())),
        },
        Some(other) => Err(format!("amr is {other}, which is no array.")),
    }
}

/// CB-EAM-007.
pub(super) fn amr(case: &TokenCase<'_>) -> Ruling {
    let value = match one_amr(case) {
        Ok(value) => value,
        Err(why) => return Ruling::broken(why),
    };
    let not_asked = case
        .context
        .external_mfa
        .authorization
        .as_ref()
        .is_some_and(|request| {
            !request.amr.is_empty() && !request.amr.iter().any(|asked| asked == value)
        });
    if factor_type(value).is_none() {
        Ruling::broken(format!(
            "amr is {}, which Entra does not know.",
            quoted(value)
        ))
    } else if not_asked {
        Ruling::broken(format!(
            "amr is {}, which was not asked for.",
            quoted(value)
        ))
    } else {
        Ruling::Holds
    }
}

/// CB-EAM-008. The request names the types that are left once the first factor is done.
pub(super) fn same_type(case: &TokenCase<'_>) -> Ruling {
    let Ok(value) = one_amr(case) else {
        return Ruling::Holds; // CB-EAM-007
    };
    let Some(of) = factor_type(value) else {
        return Ruling::Holds; // CB-EAM-007
    };
    let (asked, source): (Vec<&str>, _) = match &case.context.external_mfa.authorization {
        Some(request) => (
            request.acr.iter().map(String::as_str).collect(),
            "asked for",
        ),
        None => (
            case.text("acr")
                .filter(|acr| ACR.contains(acr))
                .into_iter()
                .collect(),
            "acr says",
        ),
    };
    if asked.is_empty() {
        return Ruling::Holds; // CB-EAM-006
    }
    if asked.iter().any(|acr| asks_for(acr, of)) {
        return match source {
            "asked for" => Ruling::Holds,
            _ => Ruling::undecided(
                "The first factor is unknown without the request.",
                &["--request"],
            ),
        };
    }
    Ruling::broken(format!(
        "amr is {}, a factor of {}; {source} {}.",
        quoted(value),
        of.as_str(),
        asked.join(", ")
    ))
}

/// CB-EAM-009.
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
    let issued = case.instant("iat");
    match &issued {
        Err(why) => evidence.push(why.clone()),
        Ok(None) => evidence.push("There is no iat.".to_owned()),
        Ok(Some(iat)) if *iat > at.plus(skew) => {
            evidence.push(format!("iat is {iat}; asked about {at} ({allowed})."));
        }
        Ok(Some(_)) => {}
    }
    let asked_at = case
        .context
        .external_mfa
        .hint()
        .and_then(|hint| hint.issued_at);
    match (issued, asked_at) {
        (Ok(Some(iat)), Some(asked)) if iat.since(asked) > PATIENCE => evidence.push(format!(
            "It was issued {} s after the hint; Entra waits {} s.",
            iat.since(asked).as_secs(),
            PATIENCE.as_secs()
        )),
        (_, None) if evidence.is_empty() => {
            return Ruling::undecided(
                "When Entra asked is unknown without the hint.",
                &["--hint", "--request"],
            );
        }
        _ => {}
    }
    Ruling::broken_by(&evidence)
}
