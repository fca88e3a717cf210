//! Any XML message under inspection, and the rules that hold for all of them (CB-XML).

use crate::protocol::xml::{XmlDocument, XmlElement, signature::DSIG};

use super::{
    report::Severity,
    rule::{Ruling, quoted},
    saml_case::{ASSERTION, PROTOCOL},
    wsfed::authentication::MFA,
    wsfed_case::SAML11,
};

/// An XML message.
pub(super) struct XmlCase<'d> {
    pub(super) document: &'d XmlDocument<'d>,
    /// The elements that are used and may carry a signature, the outermost first.
    carriers: Vec<XmlElement<'d>>,
}

impl<'d> XmlCase<'d> {
    pub(super) fn of(document: &'d XmlDocument<'d>, carriers: Vec<XmlElement<'d>>) -> Self {
        Self { document, carriers }
    }
}

/// Texts that name a person, a party or what a person did.
const IDENTIFYING: [&str; 6] = [
    "Issuer",
    "NameID",
    "NameIdentifier",
    "Audience",
    "AttributeValue",
    "AuthnContextClassRef",
];

/// CB-XML-003.
pub(super) fn interrupted_text(case: &XmlCase<'_>) -> Ruling {
    let evidence: Vec<String> = case
        .document
        .interrupted()
        .filter(|element| IDENTIFYING.contains(&element.local_name()))
        .map(|element| {
            let by = if element.has_comment() {
                "a comment"
            } else {
                "a CDATA section"
            };
            format!(
                "{} has {by} in its text: {}.",
                element.local_name(),
                quoted(&element.joined_text())
            )
        })
        .collect();
    Ruling::broken_by(&evidence)
}

/// CB-XML-004 (two elements with one ID are seen by the reader, before there is a tree).
pub(super) fn wrapping(case: &XmlCase<'_>) -> Ruling {
    let mut evidence = Vec::new();
    let is_used = |element: &XmlElement<'_>| case.carriers.contains(element);
    for element in case.document.elements() {
        let stray = (element.is(ASSERTION, "Assertion")
            || element.is(SAML11, "Assertion")
            || element.is(PROTOCOL, "Response"))
            && !is_used(&element);
        if stray {
            evidence.push(format!(
                "A second {} stands inside {}, where it is not used but may be what is signed.",
                element.local_name(),
                parent_name(element)
            ));
        }
        if element.is(DSIG, "Signature") {
            evidence.extend(reference_problem(case, element, is_used));
        }
    }
    // The response is used whole; of the assertions, the first.
    let assertions: Vec<_> = case
        .carriers
        .iter()
        .filter(|carrier| carrier.local_name() == "Assertion")
        .collect();
    let is_signed =
        |element: &XmlElement<'_>| element.children_named(DSIG, "Signature").next().is_some();
    if let [first, others @ ..] = assertions.as_slice()
        && !is_signed(first)
        && others.iter().any(|other| is_signed(other))
    {
        evidence.push(
            "The first assertion is not signed, another one is: a careless reader verifies one and uses the other."
                .to_owned(),
        );
    }
    Ruling::broken_by(&evidence)
}

/// A signature must stand in the used element that its one reference names.
fn reference_problem(
    case: &XmlCase<'_>,
    signature: XmlElement<'_>,
    is_used: impl Fn(&XmlElement<'_>) -> bool,
) -> Option<String> {
    let parent = signature.parent()?;
    if !is_used(&parent) {
        return Some(format!(
            "A Signature stands inside {}, which is not what is used.",
            parent.local_name()
        ));
    }
    let mut references = signature
        .children_named(DSIG, "SignedInfo")
        .flat_map(|info| info.children_named(DSIG, "Reference"));
    let (Some(reference), None) = (references.next(), references.next()) else {
        return None; // CB-SAML-009
    };
    let uri = reference.attribute("URI").unwrap_or("");
    let target = if uri.is_empty() {
        Some(case.document.root())
    } else {
        uri.strip_prefix('#').and_then(|id| {
            case.document.elements().find(|element| {
                ["ID", "AssertionID"]
                    .iter()
                    .any(|name| element.attribute(name) == Some(id))
            })
        })
    };
    match target {
        Some(target) if target == parent => None,
        Some(target) => Some(format!(
            "The signature in {} refers to {}, which is a {} and not the {} that carries it.",
            parent.local_name(),
            quoted(uri),
            target.local_name(),
            parent.local_name()
        )),
        None => Some(format!(
            "The signature in {} refers to {}, and nothing in the message has that ID.",
            parent.local_name(),
            quoted(uri)
        )),
    }
}

fn parent_name(element: XmlElement<'_>) -> String {
    element
        .parent()
        .map_or_else(String::new, |parent| parent.local_name().to_owned())
}

/// Algorithms that have a name in signatures of the field, good or not.
const ALGORITHMS: [&str; 18] = [
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
    "http://www.w3.org/2006/12/xml-c14n11",
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    "http://www.w3.org/2000/09/xmldsig#sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

/// Claim names and values that carry the MFA claim (facts §2.3).
const CLAIMS: [&str; 7] = [
    "http://schemas.microsoft.com/claims/multipleauthn",
    "http://schemas.microsoft.com/claims/wiaormultiauthn",
    "http://schemas.microsoft.com/claims/authnmethodsreferences",
    "http://schemas.microsoft.com/claims/authenticationmethodsreferences",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/authenticationmethod",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/authenticationinstant",
    "http://schemas.microsoft.com/ws/2017/04/identity/claims/multifactorauthenticationinstant",
];

/// What of a URI is left when scheme, slash at the end and white space do not count.
fn core(text: &str) -> &str {
    let text = text.trim();
    let text = ["https://", "http://"]
        .iter()
        .find_map(|scheme| {
            text.get(..scheme.len())
                .filter(|front| front.eq_ignore_ascii_case(scheme))
                .map(|_| &text[scheme.len()..])
        })
        .unwrap_or(text);
    text.trim_end_matches('/')
}

/// The URI that `text` nearly is: other scheme, letter case, slash at the end or white space.
fn meant<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&text) {
        return None;
    }
    let wanted = core(text);
    known
        .iter()
        .copied()
        .find(|known| core(known).eq_ignore_ascii_case(wanted))
}

/// CB-XML-005. In SAML 2.0 the class reference alone decides about MFA, so a slip
/// in an attribute, which Entra does not read, is a warning.
pub(super) fn mistyped_uri(case: &XmlCase<'_>) -> Ruling {
    let mut worst = Severity::Warning;
    // What a request asks for is nobody's claim.
    let is_claim = case
        .carriers
        .iter()
        .any(|carrier| carrier.local_name() != "AuthnRequest");
    let of_claim = if is_claim {
        Severity::Mfa
    } else {
        Severity::Warning
    };
    let (mut evidence, mut fixes) = (Vec::new(), Vec::new());
    let mut note = |place: String, text: &str, right: &str, severity: Severity| {
        evidence.push(format!("{place} is {}.", quoted(text)));
        fixes.push(format!("Write {right} in {place}."));
        worst = match (worst, severity) {
            (Severity::Error, _) | (_, Severity::Error) => Severity::Error,
            (Severity::Mfa, _) | (_, Severity::Mfa) => Severity::Mfa,
            _ => Severity::Warning,
        };
    };
    for element in case.document.elements() {
        let name = element.local_name();
        if element.namespace() == DSIG {
            if let Some(uri) = element.attribute("Algorithm")
                && let Some(right) = meant(uri, &ALGORITHMS)
            {
                note(format!("{name}/@Algorithm"), uri, right, Severity::Error);
            }
        } else if element.namespace() == SAML11 {
            for (place, text) in wsfed_texts(element) {
                if let Some(right) = meant(&text, &CLAIMS) {
                    // In WS-Federation attributes count: one right place is enough.
                    let severity = if says_mfa(case) {
                        Severity::Warning
                    } else {
                        Severity::Mfa
                    };
                    note(place, &text, right, severity);
                }
            }
        } else if element.namespace() == ASSERTION {
            match name {
                "AuthnContextClassRef" => {
                    let text = element.joined_text();
                    if let Some(right) = meant(&text, &CLAIMS) {
                        note(name.to_owned(), &text, right, of_claim);
                    }
                }
                "AttributeValue" => {
                    let text = element.joined_text();
                    if let Some(right) = meant(&text, &CLAIMS) {
                        note(name.to_owned(), &text, right, Severity::Warning);
                    }
                }
                "Attribute" => {
                    let text = element.attribute("Name").unwrap_or("");
                    if let Some(right) = meant(text, &CLAIMS) {
                        note(format!("{name}/@Name"), text, right, Severity::Warning);
                    }
                }
                _ => {}
            }
        }
    }
    Ruling::broken_by(&evidence)
        .with_severity(worst)
        .with_fix(fixes.join(" "))
}

/// The texts of a SAML 1.1 element that may be a claim's name or value, with their places.
fn wsfed_texts(element: XmlElement<'_>) -> Vec<(String, String)> {
    let name = element.local_name();
    let of = |attribute: &str| element.attribute(attribute).unwrap_or("").to_owned();
    match name {
        "AttributeValue" => vec![(name.to_owned(), element.joined_text())],
        "AuthenticationStatement" => vec![(
            format!("{name}/@AuthenticationMethod"),
            of("AuthenticationMethod"),
        )],
        "Attribute" => {
            let (namespace, called) = (of("AttributeNamespace"), of("AttributeName"));
            vec![(
                format!("{name}/@AttributeNamespace and @AttributeName"),
                format!("{namespace}/{called}"),
            )]
        }
        _ => Vec::new(),
    }
}

/// Whether an MFA value stands somewhere in the SAML 1.1 assertion, rightly written.
fn says_mfa(case: &XmlCase<'_>) -> bool {
    case.document
        .elements()
        .filter(|element| element.namespace() == SAML11 && element.local_name() != "Attribute")
        .flat_map(wsfed_texts)
        .any(|(_, text)| MFA.contains(&text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_named_and_the_right_uri_is_none() {
        for near in [
            "https://www.w3.org/2001/10/xml-exc-c14n#",
            "http://www.w3.org/2001/10/xml-exc-c14n#/",
            "http://www.w3.org/2001/10/XML-EXC-C14N#",
            " http://www.w3.org/2001/10/xml-exc-c14n#\n",
        ] {
            assert_eq!(
                meant(near, &ALGORITHMS),
                Some("http://www.w3.org/2001/10/xml-exc-c14n#"),
                "{near}"
            );
        }
        for known in ALGORITHMS {
            assert_eq!(meant(known, &ALGORITHMS), None, "{known}");
        }
        assert_eq!(meant("urn:other", &ALGORITHMS), None);
    }
}
