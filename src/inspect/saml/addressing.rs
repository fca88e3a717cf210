//! CB-SAML-001…003, 010, 011, 017, 023: status, number, parties and addresses.

use std::fmt::Write as _;

use crate::{
    inspect::{
        identity::near_miss,
        report::Severity,
        rule::{Ruling, quoted},
        saml_case::{ASSERTION, PROTOCOL, SamlCase},
    },
    protocol::xml::XmlElement,
    relying_party::EntraCloud,
};

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const CLOUD: &[&str] = &["--cloud", "--audience and --reply-url"];

/// CB-SAML-001.
pub(in crate::inspect) fn status(case: &SamlCase<'_>) -> Ruling {
    let Some(response) = case.response else {
        return Ruling::Holds;
    };
    let statuses: Vec<_> = response.children_named(PROTOCOL, "Status").collect();
    let codes: Vec<_> = statuses
        .iter()
        .flat_map(|status| status.children_named(PROTOCOL, "StatusCode"))
        .map(|code| code.attribute("Value").unwrap_or(""))
        .collect();
    if codes == [SUCCESS] {
        return Ruling::Holds;
    }
    if codes.is_empty() {
        return Ruling::broken("The response has no Status.");
    }
    let message: Vec<String> = statuses
        .iter()
        .flat_map(|status| status.children_named(PROTOCOL, "StatusMessage"))
        .map(|message| quoted(&message.joined_text()))
        .collect();
    let nested: Vec<_> = statuses
        .iter()
        .flat_map(|status| status.descendants())
        .filter(|element| element.is(PROTOCOL, "StatusCode"))
        .map(|code| quoted(code.attribute("Value").unwrap_or("")))
        .collect();
    let mut evidence = format!("StatusCode is {}.", nested.join(" › "));
    if !message.is_empty() {
        let _ = write!(evidence, " StatusMessage is {}.", message.join(", "));
    }
    Ruling::broken(evidence)
}

/// CB-SAML-023 (SAML core §3.2.2, §2.3.3).
pub(in crate::inspect) fn version(case: &SamlCase<'_>) -> Ruling {
    let evidence: Vec<_> = case
        .response
        .into_iter()
        .chain(case.assertion())
        .filter(|element| element.attribute("Version") != Some("2.0"))
        .map(|element| match element.attribute("Version") {
            Some(other) => format!(
                "Version of the {} is {}.",
                element.local_name(),
                quoted(other)
            ),
            None => format!("The {} has no Version.", element.local_name()),
        })
        .collect();
    Ruling::broken_by(&evidence)
}

/// CB-SAML-002.
pub(in crate::inspect) fn not_one_assertion(case: &SamlCase<'_>) -> Ruling {
    match (case.assertions.len(), case.encrypted) {
        (1, 0) => Ruling::Holds,
        (plain, encrypted) => Ruling::broken(format!(
            "The response has {plain} plain and {encrypted} encrypted assertions."
        )),
    }
}

/// CB-SAML-003. Without a registered issuer two that differ from one another are still an error.
pub(in crate::inspect) fn issuer(case: &SamlCase<'_>) -> Ruling {
    let issuers = |element: Option<XmlElement<'_>>| -> Vec<String> {
        element
            .into_iter()
            .flat_map(|element| element.children_named(ASSERTION, "Issuer"))
            .map(XmlElement::joined_text)
            .collect()
    };
    let of_response = issuers(case.response);
    let of_assertion = issuers(case.assertion());
    let mut evidence = Vec::new();
    if case.assertion().is_some() && of_assertion.len() != 1 {
        evidence.push(format!("The assertion has {} issuers.", of_assertion.len()));
    }
    if of_response.len() > 1 {
        evidence.push(format!("The response has {} issuers.", of_response.len()));
    }
    let Some(wanted) = &case.context.issuer else {
        if let (Some(response), Some(assertion)) = (of_response.first(), of_assertion.first())
            && response != assertion
        {
            evidence.push(format!(
                "The response is of {}, the assertion of {}.",
                quoted(response),
                quoted(assertion)
            ));
        }
        if !evidence.is_empty() {
            return Ruling::broken_by(&evidence);
        }
        if of_response.is_empty() && of_assertion.is_empty() {
            return Ruling::Holds; // CB-SAML-002 says that there is no assertion.
        }
        return Ruling::undecided(
            format!(
                "Issuer is {}; the domain's issuerUri was not given.",
                quoted(
                    of_assertion
                        .first()
                        .or(of_response.first())
                        .map_or("", String::as_str)
                )
            ),
            &["--issuer"],
        );
    };
    for (place, found) in [("response", of_response), ("assertion", of_assertion)] {
        for issuer in found {
            if issuer != *wanted {
                evidence.push(format!(
                    "Issuer of the {place} is {}, registered is {}{}.",
                    quoted(&issuer),
                    quoted(wanted),
                    near_miss(&issuer, wanted)
                ));
            }
        }
    }
    Ruling::broken_by(&evidence).with_fix(format!(
        "Write exactly <Issuer>{wanted}</Issuer> in response and assertion, or register what is sent: Update-MgDomainFederationConfiguration -IssuerUri …"
    ))
}

/// CB-SAML-010. Each restriction must name the cloud (SAML core §2.5.1.4).
pub(in crate::inspect) fn audience(case: &SamlCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let restrictions: Vec<Vec<String>> = case
        .all(&["Conditions", "AudienceRestriction"])
        .into_iter()
        .map(|restriction| {
            restriction
                .children_named(ASSERTION, "Audience")
                .map(XmlElement::joined_text)
                .collect()
        })
        .collect();
    if restrictions.is_empty() {
        return Ruling::broken("The assertion has no AudienceRestriction.");
    }
    let shown = |audiences: &[String]| {
        audiences
            .iter()
            .map(|audience| quoted(audience))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some(cloud) = &case.context.cloud else {
        return Ruling::undecided(
            format!(
                "Audience is {}; the cloud was not given.",
                shown(&restrictions.concat())
            ),
            CLOUD,
        );
    };
    let evidence: Vec<_> = restrictions
        .iter()
        .filter(|audiences| !audiences.contains(&cloud.entity_id))
        .map(|audiences| {
            let other = EntraCloud::presets()
                .into_iter()
                .find(|other| audiences.contains(&other.entity_id))
                .map_or_else(String::new, |other| {
                    format!(", which is the cloud {}", other.name)
                });
            format!(
                "Audience is {}{other}; {} is wanted.",
                shown(audiences),
                quoted(&cloud.entity_id)
            )
        })
        .collect();
    Ruling::broken_by(&evidence)
        .with_fix(format!("Write <Audience>{}</Audience>.", cloud.entity_id))
}

/// CB-SAML-011.
pub(in crate::inspect) fn destination(case: &SamlCase<'_>) -> Ruling {
    let mut found: Vec<(&str, Option<&str>)> = Vec::new();
    if let Some(response) = case.response {
        let destination = response.attribute("Destination");
        // Required only where the response itself is signed (SAML bindings §3.5.5.2).
        let signed = case.signatures.of_carrier(response).is_some();
        if destination.is_some() || signed {
            found.push(("Destination", destination));
        }
    }
    if case.assertion().is_some() {
        let data = case.confirmation_data();
        if data.is_empty() {
            return Ruling::broken("The assertion has no bearer SubjectConfirmation.");
        }
        for data in data {
            found.push((
                "Recipient",
                data.and_then(|data| data.attribute("Recipient")),
            ));
        }
    }
    let mut evidence: Vec<String> = found
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| format!("There is no {name}."))
        .collect();
    let Some(cloud) = &case.context.cloud else {
        if !evidence.is_empty() {
            return Ruling::broken_by(&evidence);
        }
        return match found.first() {
            Some((name, value)) => Ruling::undecided(
                format!(
                    "{name} is {}; the cloud was not given.",
                    quoted(value.unwrap_or(""))
                ),
                CLOUD,
            ),
            None => Ruling::Holds,
        };
    };
    for (name, value) in found {
        if let Some(value) = value
            && value != cloud.reply_url
        {
            evidence.push(format!(
                "{name} is {}; {} is wanted.",
                quoted(value),
                cloud.reply_url
            ));
        }
    }
    Ruling::broken_by(&evidence).with_fix(format!(
        "Set Destination and Recipient to {}.",
        cloud.reply_url
    ))
}

/// CB-SAML-017.
pub(in crate::inspect) fn in_response_to(case: &SamlCase<'_>) -> Ruling {
    let mut found: Vec<(&str, Option<&str>)> = Vec::new();
    if let Some(response) = case.response {
        found.push(("Response", response.attribute("InResponseTo")));
    }
    for data in case.confirmation_data() {
        found.push((
            "SubjectConfirmationData",
            data.and_then(|data| data.attribute("InResponseTo")),
        ));
    }
    let mut evidence: Vec<String> = found
        .iter()
        .filter(|(_, id)| id.is_none_or(str::is_empty))
        .map(|(place, _)| format!("{place} has no InResponseTo."))
        .collect();
    let present = || {
        found
            .iter()
            .filter_map(|(place, id)| Some((*place, (*id)?)))
    };
    if let Some(request) = &case.context.request {
        for (place, id) in present() {
            if id != request.id && !id.is_empty() {
                evidence.push(format!(
                    "{place} answers {}, the request given is {}.",
                    quoted(id),
                    quoted(&request.id)
                ));
            }
        }
        return Ruling::broken_by(&evidence).with_severity(Severity::Error);
    }
    if let Some((_, first)) = present().next()
        && present().any(|(_, id)| id != first)
    {
        evidence.push("Response and SubjectConfirmationData answer different requests.".to_owned());
    }
    Ruling::broken_by(&evidence)
}
