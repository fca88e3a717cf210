//! A SAML 2.0 response or assertion under inspection.
//!
//! Always true: all values are read from the tree that the signatures are
//! verified on (attack 11). "The assertion" is the first direct child of the
//! response, which is what a careless reader would use; whether a signature
//! covers exactly that one is for the rules to say.
//!
//! Where a list is kept (conditions, confirmations), a rule looks at every
//! member: readers differ on which one of several counts.

use std::sync::Arc;

use crate::{
    keys::certificate::{Certificate, CertificateError},
    protocol::xml::{
        XmlDocument, XmlElement,
        signature::{self, Sha1, SignatureError, SignatureParts},
    },
};

use super::{context::Context, xml_case::XmlCase};

pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// A KeyInfo may bring a chain; more than this is not looked at.
const MAX_EMBEDDED: usize = 4;

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
    pub(super) signatures: Vec<SignatureCase<'d>>,
}

/// One signature and what became of it.
pub(super) struct SignatureCase<'d> {
    /// The element that carries it.
    pub(super) carrier: XmlElement<'d>,
    pub(super) parts: SignatureParts<'d>,
    pub(super) state: SignatureState,
}

pub(super) enum SignatureState {
    /// It holds with the key of this certificate.
    Holds(Arc<Certificate>),
    /// It does not hold, or was not fit to be verified.
    Fails(SignatureError),
    /// KeyInfo has no certificate and none was given.
    NoKey,
}

impl<'d> SamlCase<'d> {
    /// From a document whose root is a Response or an Assertion.
    pub(super) fn of(document: &'d XmlDocument<'d>, context: &'d Context) -> Self {
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
        let signatures = response
            .into_iter()
            .chain(assertions.first().copied())
            .filter_map(|carrier| SignatureCase::of(document, carrier, context))
            .collect();
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
        let assertion = self.assertion()?;
        self.signatures
            .iter()
            .find(|signature| signature.carrier == assertion)
    }
}

impl<'d> SignatureCase<'d> {
    fn of(
        document: &'d XmlDocument<'d>,
        carrier: XmlElement<'d>,
        context: &Context,
    ) -> Option<Self> {
        let found = match signature::signature_of(carrier) {
            Ok(None) => return None,
            Ok(Some(found)) => found,
            Err(error) => {
                return Some(Self {
                    carrier,
                    parts: SignatureParts::default(),
                    state: SignatureState::Fails(error),
                });
            }
        };
        let parts = signature::describe(found);
        let state = check(document, carrier, &parts, context);
        Some(Self {
            carrier,
            parts,
            state,
        })
    }
}

/// The certificate that the message brings says which key to try, never which to
/// trust: CB-SAML-006 compares it with the registered ones.
fn check(
    document: &XmlDocument<'_>,
    carrier: XmlElement<'_>,
    parts: &SignatureParts<'_>,
    context: &Context,
) -> SignatureState {
    let candidates: &[Vec<u8>] = if parts.certificates.is_empty() {
        &context.certificates
    } else {
        &parts.certificates[..parts.certificates.len().min(MAX_EMBEDDED)]
    };
    let verify = |certificates: &[Certificate]| {
        signature::verify(document, carrier, certificates, Sha1::Allowed)
    };
    let mut first_error = None;
    for der in candidates {
        let outcome = read(der, context)
            .map_err(SignatureError::Certificate)
            .and_then(|certificate| {
                verify(std::slice::from_ref(&*certificate)).map(|_| certificate)
            });
        match outcome {
            Ok(certificate) => return SignatureState::Holds(certificate),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    let error = match first_error {
        Some(error) => error,
        // No key at all: a shape that no key would mend is said first.
        None => match verify(&[]) {
            Ok(_) => SignatureError::DoesNotVerify,
            Err(error) => error,
        },
    };
    match error {
        SignatureError::NoKey => SignatureState::NoKey,
        // An unusable certificate hides nothing: whether the shape is right comes first.
        SignatureError::Certificate(CertificateError::Form) => match verify(&[]) {
            Err(SignatureError::NoKey) | Ok(_) => {
                SignatureState::Fails(SignatureError::Certificate(CertificateError::Form))
            }
            Err(shape) => SignatureState::Fails(shape),
        },
        error => SignatureState::Fails(error),
    }
}

/// The certificate, taken from those that were read before if it is one of them.
fn read(der: &[u8], context: &Context) -> Result<Arc<Certificate>, CertificateError> {
    match context.known.iter().find(|known| known.der == der) {
        Some(known) => Ok(known.clone()),
        None => Certificate::read(der).map(Arc::new),
    }
}
