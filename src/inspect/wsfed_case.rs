//! A WS-Federation answer under inspection: a RequestSecurityTokenResponse with a
//! SAML 1.1 assertion, or such an assertion by itself.
//!
//! Always true: as for SAML 2.0, all values are read from the tree that the
//! signature is verified on; "the assertion" is the first token of the first
//! response, which is what a careless reader would use.

use crate::protocol::xml::{XmlDocument, XmlElement};

use super::{
    context::Context,
    effort::Effort,
    reading::parse_xml,
    report::Encoding,
    signed::{SignatureCase, SignatureState, Signatures},
    xml_case::XmlCase,
};

/// The namespace of SAML 1.0 and 1.1 assertions.
pub(super) const SAML11: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
/// WS-Trust of February 2005 (what Entra and AD FS send) and 1.3.
pub(super) const TRUST: [&str; 2] = [
    "http://schemas.xmlsoap.org/ws/2005/02/trust",
    "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
];
/// SOAP 1.2 and 1.1: a WS-Trust answer is in an envelope, `wresult` is not.
pub(super) const SOAP: [&str; 2] = [
    "http://www.w3.org/2003/05/soap-envelope",
    "http://schemas.xmlsoap.org/soap/envelope/",
];

/// An answer, decoded.
pub(super) struct WsfedCase<'d> {
    pub(super) context: &'d Context,
    pub(super) xml: XmlCase<'d>,
    /// The wrappings that were taken off.
    pub(super) encoding: &'d [Encoding],
    /// The RequestSecurityTokenResponses; none if the assertion came alone.
    pub(super) responses: Vec<XmlElement<'d>>,
    /// What stands in their RequestedSecurityToken, or the assertion that came alone.
    pub(super) tokens: Vec<XmlElement<'d>>,
    pub(super) signatures: Signatures<'d>,
    pub(super) serialisation: Serialisation,
}

/// Whether the text between elements explains why a signature does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Serialisation {
    /// It does not, or the signature holds.
    Unexplained,
    /// Without white space between elements the signature would hold.
    Indented,
}

/// An attribute of the assertion: namespace, name, values.
pub(super) type Claim<'d> = (&'d str, &'d str, Vec<String>);

pub(super) fn is_trust(element: XmlElement<'_>, name: &str) -> bool {
    TRUST.contains(&element.namespace()) && element.local_name() == name
}

impl<'d> WsfedCase<'d> {
    /// From a document whose root is an RSTR, a collection of these, an envelope or an assertion.
    pub(super) fn of(
        document: &'d XmlDocument<'d>,
        bytes: &[u8],
        encoding: &'d [Encoding],
        context: &'d Context,
        effort: &Effort,
    ) -> Self {
        let root = document.root();
        let responses: Vec<_> = document
            .elements()
            .filter(|element| is_trust(*element, "RequestSecurityTokenResponse"))
            .collect();
        let tokens: Vec<_> = if root.is(SAML11, "Assertion") {
            vec![root]
        } else {
            responses
                .iter()
                .flat_map(|response| response.children())
                .filter(|child| is_trust(*child, "RequestedSecurityToken"))
                .flat_map(XmlElement::children)
                .collect()
        };
        let used = tokens
            .iter()
            .copied()
            .find(|token| token.is(SAML11, "Assertion"));
        let signatures = Signatures::of(document, used, context, effort);
        let fails = |signatures: &Signatures<'_>| {
            signatures
                .list
                .iter()
                .any(|one| matches!(one.state, SignatureState::Fails(_)))
        };
        let serialisation = if fails(&signatures) && holds_without_space(bytes, context, effort) {
            Serialisation::Indented
        } else {
            Serialisation::Unexplained
        };
        Self {
            context,
            xml: XmlCase::of(document, tokens.clone()),
            encoding,
            responses,
            tokens,
            signatures,
            serialisation,
        }
    }

    /// The SAML 1.1 assertion that is used.
    pub(super) fn assertion(&self) -> Option<XmlElement<'d>> {
        self.tokens
            .iter()
            .copied()
            .find(|token| token.is(SAML11, "Assertion"))
    }

    /// All elements at `path` below the assertion; each name is of the assertion namespace.
    pub(super) fn all(&self, path: &[&str]) -> Vec<XmlElement<'d>> {
        path.iter()
            .fold(self.assertion().into_iter().collect(), |level, name| {
                level
                    .into_iter()
                    .flat_map(|element: XmlElement<'d>| element.children_named(SAML11, name))
                    .collect()
            })
    }

    /// The attributes in order.
    pub(super) fn claims(&self) -> Vec<Claim<'d>> {
        self.all(&["AttributeStatement", "Attribute"])
            .into_iter()
            .map(|attribute| {
                (
                    attribute.attribute("AttributeNamespace").unwrap_or(""),
                    attribute.attribute("AttributeName").unwrap_or(""),
                    attribute
                        .children_named(SAML11, "AttributeValue")
                        .map(XmlElement::joined_text)
                        .collect(),
                )
            })
            .collect()
    }

    /// The values of one attribute; none if it is not there.
    pub(super) fn claim(&self, namespace: &str, name: &str) -> Vec<String> {
        self.claims()
            .into_iter()
            .filter(|(of, called, _)| *of == namespace && *called == name)
            .flat_map(|(_, _, values)| values)
            .collect()
    }

    /// The subjects' NameIdentifiers, of all statements.
    pub(super) fn name_identifiers(&self) -> Vec<XmlElement<'d>> {
        ["AttributeStatement", "AuthenticationStatement"]
            .into_iter()
            .flat_map(|statement| self.all(&[statement, "Subject", "NameIdentifier"]))
            .collect()
    }

    /// The signature of the used assertion.
    pub(super) fn assertion_signature(&self) -> Option<&SignatureCase<'d>> {
        self.signatures.of_carrier(self.assertion()?)
    }

    /// The texts below `AppliesTo/EndpointReference/Address`, of whatever version.
    pub(super) fn applies_to(&self) -> Vec<String> {
        self.responses
            .iter()
            .flat_map(|response| response.children())
            .filter(|child| child.local_name() == "AppliesTo")
            .flat_map(XmlElement::descendants)
            .filter(|element| element.local_name() == "Address")
            .map(XmlElement::joined_text)
            .collect()
    }

    /// The bounds of `Lifetime`: their names and texts.
    pub(super) fn lifetime(&self) -> Vec<(&'d str, String)> {
        self.responses
            .iter()
            .flat_map(|response| response.children())
            .filter(|child| is_trust(*child, "Lifetime"))
            .flat_map(XmlElement::children)
            .map(|bound| (bound.local_name(), bound.joined_text()))
            .collect()
    }

    /// The texts of `TokenType`.
    pub(super) fn token_types(&self) -> Vec<String> {
        self.responses
            .iter()
            .flat_map(|response| response.children())
            .filter(|child| is_trust(*child, "TokenType"))
            .map(XmlElement::joined_text)
            .collect()
    }
}

/// Whether the assertion's signature holds once the white space between elements is gone.
fn holds_without_space(bytes: &[u8], context: &Context, effort: &Effort) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut joined = String::with_capacity(text.len());
    for part in text.split_inclusive('>') {
        let inner = part.trim_start();
        joined.push_str(if inner.starts_with('<') { inner } else { part });
    }
    if joined.len() == text.len() {
        return false;
    }
    let Ok(document) = parse_xml(joined.as_bytes()) else {
        return false;
    };
    let Some(assertion) = document
        .elements()
        .find(|element| element.is(SAML11, "Assertion"))
    else {
        return false;
    };
    Signatures::of(&document, [assertion], context, effort)
        .list
        .iter()
        .any(|one| matches!(one.state, SignatureState::Holds(_)))
}
