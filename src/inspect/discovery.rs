//! CB-EAM-004, 010, 011 over a discovery document (facts §5.2).

use serde_json::{Map, Value};

use super::{
    context::Context,
    identity::near_miss,
    rule::{Ruling, quoted},
};

const SUFFIX: &str = "/.well-known/openid-configuration";

/// A discovery document under inspection.
pub(super) struct DiscoveryCase<'c> {
    pub(super) context: &'c Context,
    pub(super) members: Map<String, Value>,
    /// The header of the answer: none if the head was not given, empty if it has none.
    pub(super) content_length: Option<String>,
}

impl DiscoveryCase<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// The texts of an array.
    fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.members
            .get(name)?
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect()
    }
}

/// CB-EAM-004.
pub(super) fn issuer(case: &DiscoveryCase<'_>) -> Ruling {
    let Some(found) = case.text("issuer") else {
        return Ruling::Holds; // CB-EAM-010
    };
    let mut evidence = Vec::new();
    if !found.starts_with("https://") {
        evidence.push(format!("issuer is {}, which is not https.", quoted(found)));
    }
    if found.contains(['?', '#']) {
        evidence.push(format!(
            "issuer is {}, with a query or fragment.",
            quoted(found)
        ));
    }
    if let Some(url) = &case.context.external_mfa.discovery_url
        && !url.ends_with(SUFFIX)
    {
        evidence.push(format!(
            "The discovery URL {} does not end with {SUFFIX}.",
            quoted(url)
        ));
    }
    let Some(wanted) = case.context.external_mfa.issuer() else {
        if !evidence.is_empty() {
            return Ruling::broken_by(&evidence);
        }
        return Ruling::undecided(
            format!(
                "issuer is {}; the discovery URL was not given.",
                quoted(found)
            ),
            &["--discovery-url", "--issuer"],
        );
    };
    if found != wanted {
        evidence.push(different_issuer("issuer", found, wanted));
    }
    Ruling::broken_by(&evidence)
        .with_fix(format!("Write \"issuer\": \"{wanted}\", letter by letter what stands before {SUFFIX} in the discovery URL, and the same into iss."))
}

/// `name` is `found` instead of `wanted`, with what they differ in.
pub(super) fn different_issuer(name: &str, found: &str, wanted: &str) -> String {
    let port = |text: &str| text.replacen(":443", "", 1);
    let hint = if near_miss(found, wanted).is_empty() && port(found) == port(wanted) {
        "; they differ in :443"
    } else {
        near_miss(found, wanted)
    };
    format!(
        "{name} is {}, wanted is {}{hint}.",
        quoted(found),
        quoted(wanted)
    )
}

/// CB-EAM-010.
pub(super) fn incomplete(case: &DiscoveryCase<'_>) -> Ruling {
    let mut evidence = Vec::new();
    for name in ["issuer", "authorization_endpoint", "jwks_uri"] {
        if case.text(name).is_none_or(str::is_empty) {
            evidence.push(format!("There is no {name}."));
        }
    }
    for name in ["authorization_endpoint", "jwks_uri"] {
        if let Some(url) = case.text(name)
            && (!url.starts_with("https://") || url.contains(['?', '#']))
        {
            evidence.push(format!(
                "{name} is {}; https without query and fragment is wanted.",
                quoted(url)
            ));
        }
    }
    let wanted = [
        ("response_types_supported", Some("id_token")),
        ("scopes_supported", Some("openid")),
        ("subject_types_supported", None),
        ("id_token_signing_alg_values_supported", Some("RS256")),
    ];
    for (name, value) in wanted {
        match (case.list(name), value) {
            (None, _) => evidence.push(format!("There is no array {name}.")),
            (Some(list), None) if list.is_empty() => evidence.push(format!("{name} is empty.")),
            (Some(list), Some(value)) if !list.contains(&value) => {
                evidence.push(format!("{name} lists no {value}."));
            }
            _ => {}
        }
    }
    if let Some(list) = case.list("claim_types_supported")
        && !list.contains(&"normal")
    {
        evidence.push("claim_types_supported lists no normal.".to_owned());
    }
    match case.content_length.as_deref() {
        Some(length) if length.parse::<u64>().is_err() => {
            evidence.push("The answer has no valid Content-Length.".to_owned());
        }
        None if evidence.is_empty() => {
            return Ruling::undecided(
                "The head of the answer was not given, so it is unknown whether it has a Content-Length.",
                &["the whole answer as `curl -i` prints it"],
            );
        }
        _ => {}
    }
    Ruling::broken_by(&evidence)
}

/// CB-EAM-011.
pub(super) fn endpoint(case: &DiscoveryCase<'_>) -> Ruling {
    let Some(found) = case.text("authorization_endpoint") else {
        return Ruling::Holds; // CB-EAM-010
    };
    let given = &case.context.external_mfa.app_reply_urls;
    if given.is_empty() {
        return Ruling::undecided(
            format!(
                "authorization_endpoint is {}; the reply URLs of the app registration were not given.",
                quoted(found)
            ),
            &["--app-reply-url"],
        );
    }
    if given.iter().any(|url| url == found) {
        return Ruling::Holds;
    }
    let listed: Vec<_> = given.iter().map(|url| quoted(url)).collect();
    Ruling::broken(format!(
        "authorization_endpoint is {}, the reply URLs are {}.",
        quoted(found),
        listed.join(", ")
    ))
    .with_fix(format!(
        "Add {found} as a redirect URI (type Web) of the app registration."
    ))
}
