//! Whom a message speaks of, whichever protocol carries it: ImmutableID, UPN, issuer.

use crate::base::text::{DomainName, Upn};

use super::{
    context::Context,
    rule::{Ruling, quoted},
};

/// The longest ImmutableID (facts §1.3).
const MAX_IMMUTABLE_ID: usize = 64;

/// Why a text is no ImmutableID, if it is none (facts §1.3 and §4.3).
pub(super) fn immutable_id_problem(value: &str) -> Option<String> {
    let length = value.chars().count();
    if length == 0 {
        return Some("is empty".to_owned());
    }
    if length > MAX_IMMUTABLE_ID {
        return Some(format!(
            "has {length} characters, more than {MAX_IMMUTABLE_ID}"
        ));
    }
    if let Some(forbidden) = value.chars().find(|c| matches!(c, '$' | '_')) {
        return Some(format!(
            "has a {forbidden}, which no ImmutableID can have{}",
            if forbidden == '_' {
                " (base64url?)"
            } else {
                ""
            }
        ));
    }
    // A GUID in base64url has 22 characters; with a hyphen it can be nothing else.
    let is_base64url_guid = value.contains('-')
        && value.trim_end_matches('=').len() == 22
        && value
            .trim_end_matches('=')
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_base64url_guid {
        return Some("is base64url; ImmutableIDs are plain base64".to_owned());
    }
    value
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "+/=.-@".contains(*c)))
        .map(|other| {
            format!(
                "has the character {}, which an ImmutableID cannot have",
                quoted(&other.to_string())
            )
        })
}

/// The UPN of `name`'s values, if there is exactly one and it is one.
pub(super) fn one_upn(name: &str, values: &[String]) -> Result<Upn, String> {
    let [value] = values else {
        return Err(match values.len() {
            0 => format!("There is no attribute {name}."),
            several => format!("{name} has {several} values."),
        });
    };
    let upn: Upn = value
        .parse()
        .map_err(|error| format!("{name} is {}: {error}.", quoted(value)))?;
    if value.trim() != value {
        return Err(format!(
            "{name} is {}, with white space around it.",
            quoted(value)
        ));
    }
    Ok(upn)
}

/// Whether the issuer may speak for this person (facts §4.6).
pub(super) fn issuer_speaks_for(upn: &Upn, context: &Context) -> Ruling {
    let of = upn.domain();
    let issuer = context.issuer.as_deref();
    let realm = context
        .realm
        .clone()
        .or_else(|| issuer.and_then(domain_in_path));
    match realm {
        Some(realm) if of.is_within(&realm) => Ruling::Holds,
        Some(realm) => Ruling::broken(format!(
            "The UPN is of {of}, the issuer speaks for {realm}."
        )),
        None if issuer.is_some_and(|issuer| host_is_within(issuer, &of)) => Ruling::Holds,
        None => Ruling::undecided(
            format!("The UPN is of {of}; the issuer's domain was not given."),
            &["--domain"],
        ),
    }
}

/// The domain that the issuer's name stands for, where it decides about a person of `of`.
pub(super) fn guess(issuer: &str, of: &DomainName) -> Option<DomainName> {
    match domain_in_path(issuer) {
        Some(named) => Some(named).filter(|named| of.is_within(named)),
        None => host_is_within(issuer, of).then(|| of.clone()),
    }
}

/// The domain that a registered issuerUri names as its last step, the way one
/// identity provider tells its domains apart: `https://idp.example.com/contoso.com`.
fn domain_in_path(issuer: &str) -> Option<DomainName> {
    const FILES: [&str; 7] = ["svc", "aspx", "asmx", "html", "php", "xml", "jsp"];
    let url = url::Url::parse(issuer).ok()?;
    let last = url.path_segments()?.rfind(|segment| !segment.is_empty())?;
    let (_, ending) = last.rsplit_once('.')?;
    let is_name = ending.bytes().all(|byte| byte.is_ascii_alphabetic())
        && ending.len() >= 2
        && !FILES.contains(&ending);
    if is_name { last.parse().ok() } else { None }
}

/// Whether the registered issuerUri lives in the person's own domain
/// (`http://sts.contoso.com/adfs/services/trust` for a UPN of contoso.com).
fn host_is_within(issuer: &str, domain: &DomainName) -> bool {
    url::Url::parse(issuer)
        .ok()
        .and_then(|url| url.host_str()?.parse::<DomainName>().ok())
        .is_some_and(|host| host.is_within(domain))
}

/// Names what a near miss differs in.
pub(super) fn near_miss(found: &str, wanted: &str) -> &'static str {
    let without_scheme = |text: &str| {
        let text = text.to_owned();
        text.strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .map_or(text.clone(), ToOwned::to_owned)
    };
    if found.trim() == wanted {
        "; they differ in white space or a line break"
    } else if found.trim_end_matches('/') == wanted.trim_end_matches('/') {
        "; they differ in a slash at the end"
    } else if without_scheme(found) == without_scheme(wanted) {
        "; they differ in http and https"
    } else if found.eq_ignore_ascii_case(wanted) {
        "; they differ in letter case"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::{DomainName, domain_in_path, guess, host_is_within, immutable_id_problem};

    #[test]
    fn the_domain_that_an_issuer_names() {
        for (issuer, domain) in [
            ("https://idp.example.com/contoso.com", Some("contoso.com")),
            ("https://idp.example.com/contoso.com/", Some("contoso.com")),
            (
                "https://idp.example.com/x/eu.contoso.com",
                Some("eu.contoso.com"),
            ),
            ("http://sts.contoso.com/adfs/services/trust", None),
            ("http://sts.contoso.com/trust.svc", None),
            ("https://contoso.com", None),
            ("https://idp.example.com/v1.0", None),
            ("urn:contoso.com", None),
        ] {
            let found = domain_in_path(issuer);
            assert_eq!(found.as_ref().map(DomainName::as_str), domain, "{issuer}");
        }
        let contoso: DomainName = "contoso.com".parse().unwrap();
        assert!(host_is_within("http://sts.contoso.com/adfs", &contoso));
        assert!(!host_is_within("http://sts.evilcontoso.com/adfs", &contoso));
        assert!(!host_is_within("http://com/adfs", &contoso));
        let guessed = |issuer| guess(issuer, &contoso).map(|domain| domain.to_string());
        for issuer in [
            "http://sts.contoso.com/adfs",
            "https://idp.example/contoso.com",
        ] {
            assert_eq!(guessed(issuer).as_deref(), Some("contoso.com"));
        }
        assert_eq!(guessed("https://idp.contoso.com/fabrikam.com"), None);
    }

    #[test]
    fn what_an_immutable_id_can_be() {
        for good in [
            "ABCDEG1234567890",
            "a",
            "xyzzyABCDEFGHIJKLMNOPQ==",
            "a+b/c=",
            "a.2Bb",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "emp-1234",
            &"x".repeat(64),
        ] {
            assert_eq!(immutable_id_problem(good), None, "{good}");
        }
        for bad in [
            "",
            &"x".repeat(65),
            "a$b",
            "a_b",
            "xyzzyABCDEFGHIJKLM-OPQ",
            "xyzzyABCDEFGHIJKLM-OPQ==",
            "a b",
            " a",
            "a\n",
            "a&b",
            "é",
        ] {
            assert!(immutable_id_problem(bad).is_some(), "{bad}");
        }
    }
}
