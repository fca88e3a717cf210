//! CB-WSFED-014…016, 018, 019: when and how the person signed in.

use crate::inspect::{
    instant::{check_window, parse_saml_instant},
    rule::{Ruling, quoted},
    wsfed_case::WsfedCase,
};

/// The values that Entra takes for MFA in WS-Federation (facts §2.3).
pub(in crate::inspect) const MFA: [&str; 2] = [
    "http://schemas.microsoft.com/claims/multipleauthn",
    "http://schemas.microsoft.com/claims/wiaormultiauthn",
];
/// The attributes in which it takes them.
const PLACES: [(&str, &str); 2] = [
    (
        "http://schemas.microsoft.com/ws/2008/06/identity/claims",
        "authenticationmethod",
    ),
    (
        "http://schemas.microsoft.com/claims",
        "authnmethodsreferences",
    ),
];

/// CB-WSFED-014.
pub(in crate::inspect) fn window(case: &WsfedCase<'_>) -> Ruling {
    let Some(assertion) = case.assertion() else {
        return Ruling::Holds;
    };
    let mut evidence = Vec::new();
    let conditions = case.all(&["Conditions"]);
    for one in &conditions {
        for name in ["NotBefore", "NotOnOrAfter"] {
            if let Some(text) = one.attribute(name) {
                evidence.extend(check_window(case.context, name, "Conditions", text));
            }
        }
    }
    if !conditions
        .iter()
        .any(|one| one.attribute("NotOnOrAfter").is_some())
    {
        evidence.push("Conditions has no NotOnOrAfter: the assertion never ends.".to_owned());
    }
    for (name, text) in case.lifetime() {
        let bound = match name {
            "Created" => "NotBefore",
            "Expires" => "NotOnOrAfter",
            _ => continue,
        };
        evidence.extend(
            check_window(case.context, bound, "Lifetime", &text)
                .map(|sentence| sentence.replacen(bound, name, 1)),
        );
    }
    let issued = assertion.attribute("IssueInstant").unwrap_or("");
    if parse_saml_instant(issued).is_none() {
        evidence.push(format!(
            "IssueInstant is {}, which is no instant in UTC.",
            quoted(issued)
        ));
    }
    Ruling::broken_by(&evidence)
}

/// Where an MFA value stands: the three places that Entra reads.
pub(in crate::inspect) fn mfa_places(case: &WsfedCase<'_>) -> Vec<&'static str> {
    let mut places = Vec::new();
    if case
        .all(&["AuthenticationStatement"])
        .iter()
        .filter_map(|statement| statement.attribute("AuthenticationMethod"))
        .any(|method| MFA.contains(&method))
    {
        places.push("AuthenticationStatement/@AuthenticationMethod");
    }
    for (namespace, name) in PLACES {
        if case
            .claim(namespace, name)
            .iter()
            .any(|value| MFA.contains(&value.as_str()))
        {
            places.push(name);
        }
    }
    places
}

/// CB-WSFED-015.
pub(in crate::inspect) fn no_mfa(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() || !mfa_places(case).is_empty() {
        return Ruling::Holds;
    }
    let methods: Vec<_> = case
        .all(&["AuthenticationStatement"])
        .iter()
        .map(|statement| quoted(statement.attribute("AuthenticationMethod").unwrap_or("")))
        .collect();
    Ruling::broken(if methods.is_empty() {
        "There is no AuthenticationStatement, and no attribute that Entra reads says it.".to_owned()
    } else {
        format!(
            "AuthenticationMethod is {}, and no attribute that Entra reads says it.",
            methods.join(", ")
        )
    })
}

/// CB-WSFED-016.
pub(in crate::inspect) fn unread_name(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() || !mfa_places(case).is_empty() {
        return Ruling::Holds;
    }
    let names: Vec<_> = case
        .claims()
        .into_iter()
        .filter(|(_, _, values)| values.iter().any(|value| MFA.contains(&value.trim())))
        .map(|(namespace, name, _)| quoted(&format!("{namespace}/{name}")))
        .collect();
    if names.is_empty() {
        return Ruling::Holds;
    }
    Ruling::broken(format!("The value stands in {}.", names.join(", ")))
}

/// CB-WSFED-018.
pub(in crate::inspect) fn authentication_instant(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let values = case.claim(PLACES[0].0, "authenticationinstant");
    if values.is_empty() {
        return Ruling::broken("There is no attribute authenticationinstant.");
    }
    let (at, skew) = (case.context.at, case.context.skew);
    let mut evidence = Vec::new();
    for text in values {
        match parse_saml_instant(&text) {
            None => evidence.push(format!(
                "authenticationinstant is {}, which is no instant in UTC.",
                quoted(&text)
            )),
            Some(instant) if instant > at.plus(skew) => {
                evidence.push(format!("authenticationinstant is {instant}, after {at}."));
            }
            Some(instant) => {
                if let Some(max_age) = case.context.max_age
                    && at.since(instant) > max_age
                {
                    evidence.push(format!(
                        "authenticationinstant is {instant}, {} s before {at}; {} s were asked for.",
                        at.since(instant).as_secs(),
                        max_age.as_secs()
                    ));
                }
            }
        }
    }
    Ruling::broken_by(&evidence)
}

/// CB-WSFED-019.
pub(in crate::inspect) fn corporate_network(case: &WsfedCase<'_>) -> Ruling {
    let inside = case
        .claim(
            "http://schemas.microsoft.com/ws/2012/01",
            "insidecorporatenetwork",
        )
        .iter()
        .any(|value| value.trim().eq_ignore_ascii_case("true"));
    if inside {
        Ruling::broken("insidecorporatenetwork is true.")
    } else {
        Ruling::Holds
    }
}
