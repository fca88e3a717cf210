//! CB-WSFED-001…004, 010, 017, 020: form, parties and addresses.

use crate::{
    inspect::{
        identity::near_miss,
        report::{Encoding, Severity},
        rule::{Ruling, quoted},
        saml_case::ASSERTION as SAML2,
        wsfed_case::{SAML11, SOAP, Serialisation, TRUST, WsfedCase},
    },
    protocol::xml::{XmlElement, signature::DSIG},
    relying_party::EntraCloud,
};

const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
/// How WS-Trust names a SAML 1.1 token.
const TOKEN_TYPES: [&str; 2] = [
    SAML11,
    "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1",
];

/// CB-WSFED-001.
pub(in crate::inspect) fn not_one_token(case: &WsfedCase<'_>) -> Ruling {
    let root = case.xml.document.root();
    if root.is(SAML11, "Assertion") {
        return Ruling::Holds; // It came alone, without the form that it travels in.
    }
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let posted = case.encoding.iter().any(|one| {
        matches!(
            one,
            Encoding::Form | Encoding::HtmlForm | Encoding::RedirectUrl
        )
    });
    let base64 = case.encoding.iter().any(|one| {
        matches!(
            one,
            Encoding::Base64 | Encoding::Base64url | Encoding::Deflate
        )
    });
    if base64 && posted {
        errors.push("The value of wresult is base64.".to_owned());
    } else if base64 {
        warnings.push(
            "What was given is base64; if it was posted like that, Entra cannot read it."
                .to_owned(),
        );
    }
    if SOAP.contains(&root.namespace()) {
        errors.push("It stands in a SOAP envelope, which is for WS-Trust.".to_owned());
    }
    if case.responses.len() != 1 {
        errors.push(format!(
            "There are {} RequestSecurityTokenResponses.",
            case.responses.len()
        ));
    } else if case.tokens.len() != 1 {
        errors.push(format!(
            "RequestedSecurityToken holds {} tokens.",
            case.tokens.len()
        ));
    }
    for token in &case.tokens {
        if token.local_name() != "Assertion" {
            errors.push(format!(
                "RequestedSecurityToken holds a {}, not a plain assertion.",
                token.local_name()
            ));
        }
    }
    if errors.is_empty()
        && case
            .responses
            .iter()
            .any(|response| response.namespace() != TRUST[0])
    {
        warnings.push(format!(
            "It is WS-Trust 1.3; Entra and AD FS speak {}.",
            TRUST[0]
        ));
    }
    if errors.is_empty() {
        Ruling::broken_by(&warnings).with_severity(Severity::Warning)
    } else {
        Ruling::broken_by(&errors)
    }
}

/// CB-WSFED-002.
pub(in crate::inspect) fn wrong_version(case: &WsfedCase<'_>) -> Ruling {
    let mut evidence = Vec::new();
    for token in &case.tokens {
        if token.is(SAML2, "Assertion") {
            evidence.push("The token is a SAML 2.0 assertion.".to_owned());
        } else if token.is(SAML11, "Assertion") {
            let (major, minor) = (
                token.attribute("MajorVersion").unwrap_or(""),
                token.attribute("MinorVersion").unwrap_or(""),
            );
            if (major, minor) != ("1", "1") {
                evidence.push(format!(
                    "MajorVersion is {}, MinorVersion {}.",
                    quoted(major),
                    quoted(minor)
                ));
            }
        } else if token.local_name() == "Assertion" {
            // Nothing of it is read: without this finding it would be judged by what is absent.
            // What is called otherwise is CB-WSFED-001's.
            evidence.push(format!(
                "The token is a {} of {}, not a SAML 1.1 assertion.",
                token.local_name(),
                quoted(token.namespace())
            ));
        }
    }
    for found in case.token_types() {
        if !TOKEN_TYPES.contains(&found.trim()) {
            evidence.push(format!("TokenType is {}.", quoted(&found)));
        }
    }
    Ruling::broken_by(&evidence)
}

/// CB-WSFED-003.
pub(in crate::inspect) fn issuer(case: &WsfedCase<'_>) -> Ruling {
    let Some(assertion) = case.assertion() else {
        return Ruling::Holds;
    };
    let Some(found) = assertion
        .attribute("Issuer")
        .filter(|text| !text.is_empty())
    else {
        return Ruling::broken("The assertion has no Issuer.");
    };
    let Some(wanted) = &case.context.issuer else {
        return Ruling::undecided(
            format!(
                "Issuer is {}; the domain's issuerUri was not given.",
                quoted(found)
            ),
            &["--issuer"],
        );
    };
    if found == wanted {
        return Ruling::Holds;
    }
    Ruling::broken(format!(
        "Issuer is {}, registered is {}{}.",
        quoted(found),
        quoted(wanted),
        near_miss(found, wanted)
    ))
    .with_fix(format!(
        "Write Issuer=\"{wanted}\" on the assertion, or register what is sent: Update-MgDomainFederationConfiguration -IssuerUri …"
    ))
}

/// CB-WSFED-004.
pub(in crate::inspect) fn unsigned(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() || case.assertion_signature().is_some() {
        return Ruling::Holds;
    }
    Ruling::broken("The assertion has no signature.")
}

/// CB-WSFED-010. Each condition must name the cloud; AppliesTo, if it is there, too.
pub(in crate::inspect) fn audience(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let conditions: Vec<Vec<String>> = case
        .all(&["Conditions", "AudienceRestrictionCondition"])
        .into_iter()
        .map(|condition| {
            condition
                .children_named(SAML11, "Audience")
                .map(XmlElement::joined_text)
                .collect()
        })
        .collect();
    if conditions.is_empty() {
        return Ruling::broken("The assertion has no AudienceRestrictionCondition.");
    }
    let applies_to = case.applies_to();
    let shown = |texts: &[String]| {
        texts
            .iter()
            .map(|text| quoted(text))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some(cloud) = &case.context.cloud else {
        return Ruling::undecided(
            format!(
                "Audience is {}; the cloud was not given.",
                shown(&conditions.concat())
            ),
            &["--cloud", "--audience and --reply-url"],
        );
    };
    let other = |texts: &[String]| {
        EntraCloud::presets()
            .into_iter()
            .find(|other| texts.contains(&other.entity_id))
            .map_or_else(String::new, |other| {
                format!(", which is the cloud {}", other.name)
            })
    };
    let mut evidence: Vec<String> = conditions
        .iter()
        .filter(|texts| !texts.contains(&cloud.entity_id))
        .map(|texts| {
            format!(
                "Audience is {}{}; {} is wanted.",
                shown(texts),
                other(texts),
                quoted(&cloud.entity_id)
            )
        })
        .collect();
    for address in applies_to {
        if address != cloud.entity_id {
            evidence.push(format!(
                "AppliesTo is {}{}; {} is wanted.",
                quoted(&address),
                other(std::slice::from_ref(&address)),
                quoted(&cloud.entity_id)
            ));
        }
    }
    Ruling::broken_by(&evidence).with_fix(format!(
        "Write {} into Audience and AppliesTo.",
        cloud.entity_id
    ))
}

/// CB-WSFED-017.
pub(in crate::inspect) fn signature_place(case: &WsfedCase<'_>) -> Ruling {
    let Some(assertion) = case.assertion() else {
        return Ruling::Holds;
    };
    if case.serialisation == Serialisation::Indented {
        return Ruling::broken(
            "The signature does not hold as it stands, and holds once the white space between elements is taken out: the assertion was indented after signing.",
        )
        .with_severity(Severity::Error)
        .with_fix("Put the signed assertion into the answer as text, byte for byte; do not parse and write it again.");
    }
    let mut place = None;
    let mut last = 0;
    for (at, child) in assertion.children().enumerate() {
        if child.is(DSIG, "Signature") {
            place = Some(at);
        }
        last = at;
    }
    match place {
        Some(at) if at != last => {
            Ruling::broken(format!("Signature is child {} of {}.", at + 1, last + 1))
        }
        _ => Ruling::Holds,
    }
}

/// CB-WSFED-020.
pub(in crate::inspect) fn confirmation(case: &WsfedCase<'_>) -> Ruling {
    if case.assertion().is_none() {
        return Ruling::Holds;
    }
    let mut evidence = Vec::new();
    for statement in ["AttributeStatement", "AuthenticationStatement"] {
        for subject in case.all(&[statement, "Subject"]) {
            let methods: Vec<String> = subject
                .children_named(SAML11, "SubjectConfirmation")
                .flat_map(|confirmation| confirmation.children_named(SAML11, "ConfirmationMethod"))
                .map(XmlElement::joined_text)
                .collect();
            if !methods.iter().any(|method| method == BEARER) {
                let shown: Vec<_> = methods.iter().map(|method| quoted(method)).collect();
                evidence.push(format!(
                    "ConfirmationMethod in {statement} is {}.",
                    if shown.is_empty() {
                        "missing".to_owned()
                    } else {
                        shown.join(", ")
                    }
                ));
            }
        }
    }
    Ruling::broken_by(&evidence)
}
