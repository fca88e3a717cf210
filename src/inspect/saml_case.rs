//! A SAML 2.0 response or assertion under inspection.
//!
//! Always true: all values are read from the tree that the signatures are
//! verified on (attack 11). "The assertion" is the first direct child of the
//! response, which is what a careless reader would use; whether a signature
//! covers exactly that one is for the rules to say.
//!
//! Where a list is kept (conditions, confirmations), a rule looks at every
//! member: readers differ on which one of several counts.

use crate::protocol::xml::{XmlDocument, XmlElement};

use super::{
    context::Context,
    effort::Effort,
    signed::{SignatureCase, Signatures},
    xml_case::XmlCase,
};

pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// A response or assertion, decoded.
pub(super) struct SamlCase<'d> {
    pub(super) context: &'d Context,
    pub(super) xml: XmlCase<'d>,
    pub(super) response: Option<XmlElement<'d>>,
    /// Plain assertions directly in the response, or the assertion that came alone.
    pub(super) assertions: Vec<XmlElement<'d>>,
    /// How many encrypted assertions there are.
    pub(super) encrypted: usize,
    /// Those of the response and the used assertion, in document order.
    pub(super) signatures: Signatures<'d>,
}

impl<'d> SamlCase<'d> {
    /// From a document whose root is a Response or an Assertion.
    pub(super) fn of(document: &'d XmlDocument<'d>, context: &'d Context, effort: &Effort) -> Self {
        let root = document.root();
        let is_response = root.is(PROTOCOL, "Response");
        let assertions: Vec<_> = if is_response {
            root.children_named(ASSERTION, "Assertion").collect()
        } else {
            vec![root]
        };
        let encrypted = if is_response {
            root.children_named(ASSERTION, "EncryptedAssertion").count()
        } else {
            0
        };
        let response = is_response.then_some(root);
        let carriers: Vec<_> = response
            .into_iter()
            .chain(assertions.iter().copied())
            .collect();
        let signatures = Signatures::of(
            document,
            response.into_iter().chain(assertions.first().copied()),
            context,
            effort,
        );
        Self {
            context,
            xml: XmlCase::of(document, carriers),
            response,
            assertions,
            encrypted,
            signatures,
        }
    }

    /// The assertion that is used.
    pub(super) fn assertion(&self) -> Option<XmlElement<'d>> {
        self.assertions.first().copied()
    }

    /// All elements at `path` below the assertion; each name is of the assertion namespace.
    pub(super) fn all(&self, path: &[&str]) -> Vec<XmlElement<'d>> {
        path.iter()
            .fold(self.assertion().into_iter().collect(), |level, name| {
                level
                    .into_iter()
                    .flat_map(|element: XmlElement<'d>| element.children_named(ASSERTION, name))
                    .collect()
            })
    }

    /// The bearer confirmations' data; `None` for a confirmation without.
    pub(super) fn confirmation_data(&self) -> Vec<Option<XmlElement<'d>>> {
        self.all(&["Subject", "SubjectConfirmation"])
            .into_iter()
            .filter(|confirmation| confirmation.attribute("Method") == Some(BEARER))
            .map(|confirmation| {
                confirmation
                    .children_named(ASSERTION, "SubjectConfirmationData")
                    .next()
            })
            .collect()
    }

    /// The class references of all authentication statements.
    pub(super) fn class_references(&self) -> Vec<String> {
        self.all(&["AuthnStatement", "AuthnContext", "AuthnContextClassRef"])
            .into_iter()
            .map(XmlElement::joined_text)
            .collect()
    }

    /// Attributes: name, values.
    pub(super) fn attributes(&self) -> Vec<(&'d str, Vec<String>)> {
        self.all(&["AttributeStatement", "Attribute"])
            .into_iter()
            .map(|attribute| {
                let values = attribute
                    .children_named(ASSERTION, "AttributeValue")
                    .map(XmlElement::joined_text)
                    .collect();
                (attribute.attribute("Name").unwrap_or(""), values)
            })
            .collect()
    }

    /// The values of the attributes of that name.
    pub(super) fn attribute_values(&self, name: &str) -> Vec<String> {
        self.attributes()
            .into_iter()
            .filter(|(known, _)| *known == name)
            .flat_map(|(_, values)| values)
            .collect()
    }

    /// The signature of the used assertion.
    pub(super) fn assertion_signature(&self) -> Option<&SignatureCase<'d>> {
        self.signatures.of_carrier(self.assertion()?)
    }
}
