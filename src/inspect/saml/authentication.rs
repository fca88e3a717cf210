//! CB-SAML-016, 018…022: when and how the person signed in.

use std::time::Duration;

use crate::{
    inspect::{
        instant::{check_window, parse_saml_instant},
        report::Severity,
        rule::{Ruling, quoted},
        saml_case::SamlCase,
    },
    protocol::xml::XmlElement,
};

/// The one value that Entra takes for MFA in SAML 2.0 (facts §1.3).
const MULTIPLEAUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";
/// The longest useful life of an assertion.
const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// CB-SAML-016.
pub(in crate::inspect) fn window(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let mut evidence = Vec::new();
    for conditions in case.all(&["Conditions"]) {
        window_of(case, conditions, &mut evidence);
    }
    for data in case.confirmation_data() {
        match data {
            Some(data) if data.attribute("NotOnOrAfter").is_some() => {
                window_of(case, data, &mut evidence);
            }
            // Required of a bearer confirmation (SAML profiles §4.1.4.2).
            _ => evidence.push("SubjectConfirmationData has no NotOnOrAfter.".to_owned()),
        }
    }
    for element in case.response.into_iter().chain(case.assertion()) {
        let text = element.attribute("IssueInstant").unwrap_or("");
        if parse_saml_instant(text).is_none() {
            evidence.push(format!(
                "IssueInstant of the {} is {}, which is no instant in UTC.",
                element.local_name(),
                quoted(text)
            ));
        }
    }
    Ruling::broken_by(&evidence)
}

fn window_of(case: &SamlCase<'_>, element: XmlElement<'_>, evidence: &mut Vec<String>) {
    for name in ["NotBefore", "NotOnOrAfter"] {
        if let Some(text) = element.attribute(name) {
            evidence.extend(check_window(case.context, name, element.local_name(), text));
        }
    }
}

/// CB-SAML-018. Too old is a warning: Entra takes the assertion and asks again.
pub(in crate::inspect) fn authn_instant(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let statements = case.all(&["AuthnStatement"]);
    if statements.is_empty() {
        return Ruling::broken("There is no AuthnStatement.");
    }
    let (at, skew) = (case.context.at, case.context.skew);
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for statement in statements {
        let text = statement.attribute("AuthnInstant");
        let Some(instant) = text.and_then(parse_saml_instant) else {
            errors.push(match text {
                None => "AuthnStatement has no AuthnInstant.".to_owned(),
                Some(text) => format!(
                    "AuthnInstant is {}, which is no instant in UTC.",
                    quoted(text)
                ),
            });
            continue;
        };
        if instant > at.plus(skew) {
            errors.push(format!(
                "AuthnInstant is {instant}, after {at} ({} s of skew allowed).",
                skew.as_secs()
            ));
        }
        if let Some(max_age) = case.context.max_age
            && at.since(instant) > max_age
        {
            warnings.push(format!(
                "AuthnInstant is {instant}, {} s before {at}; {} s were asked for.",
                at.since(instant).as_secs(),
                max_age.as_secs()
            ));
        }
    }
    if errors.is_empty() {
        Ruling::broken_by(&warnings).with_severity(Severity::Warning)
    } else {
        Ruling::broken_by(&errors)
    }
}

fn says_mfa(case: &SamlCase<'_>) -> bool {
    case.class_references()
        .iter()
        .any(|reference| reference == MULTIPLEAUTHN)
}

/// CB-SAML-019. Several references are CB-SAML-021's unless none of them is right.
pub(in crate::inspect) fn class_reference(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() || says_mfa(case) {
        return Ruling::Holds;
    }
    let found = case.class_references();
    let shown: Vec<_> = found.iter().map(|reference| quoted(reference)).collect();
    Ruling::broken(if shown.is_empty() {
        "There is no AuthnContextClassRef.".to_owned()
    } else {
        format!("AuthnContextClassRef is {}.", shown.join(", "))
    })
}

/// CB-SAML-020.
pub(in crate::inspect) fn only_in_attributes(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() || says_mfa(case) {
        return Ruling::Holds;
    }
    let names: Vec<_> = case
        .attributes()
        .into_iter()
        .filter(|(_, values)| values.iter().any(|value| value.trim() == MULTIPLEAUTHN))
        .map(|(name, _)| quoted(name))
        .collect();
    if names.is_empty() {
        return Ruling::Holds;
    }
    Ruling::broken(format!(
        "The value stands in the attribute {}, and not in AuthnContextClassRef.",
        names.join(", ")
    ))
}

/// CB-SAML-021.
pub(in crate::inspect) fn several_statements(case: &SamlCase<'_>) -> Ruling {
    let statements = case.all(&["AuthnStatement"]).len();
    let references = case.class_references().len();
    if statements <= 1 && references <= 1 {
        return Ruling::Holds;
    }
    Ruling::broken(format!(
        "There are {statements} AuthnStatements with {references} class references."
    ))
}

/// CB-SAML-022.
pub(in crate::inspect) fn lifetime(case: &SamlCase<'_>) -> Ruling {
    let Some(assertion) = case.assertion() else {
        return Ruling::Holds;
    };
    let mut evidence = Vec::new();
    let instant =
        |element: XmlElement<'_>, name: &str| element.attribute(name).and_then(parse_saml_instant);
    let issued = instant(assertion, "IssueInstant");
    for conditions in case.all(&["Conditions"]) {
        if conditions.attribute("NotOnOrAfter").is_none() {
            evidence.push("Conditions has no NotOnOrAfter: the assertion never ends.".to_owned());
            continue;
        }
        // From the issue: a NotBefore a little earlier only allows for slow clocks.
        let begin = issued.max(instant(conditions, "NotBefore"));
        if let (Some(begin), Some(end)) = (begin, instant(conditions, "NotOnOrAfter"))
            && end.since(begin) > MAX_LIFETIME
        {
            evidence.push(format!(
                "It holds for {} s from {begin} to {end}.",
                end.since(begin).as_secs()
            ));
        }
    }
    if case.all(&["AuthnStatement"]).iter().any(|statement| {
        statement
            .attribute("SessionIndex")
            .is_none_or(str::is_empty)
    }) {
        evidence.push("AuthnStatement has no SessionIndex.".to_owned());
    }
    Ruling::broken_by(&evidence)
}
