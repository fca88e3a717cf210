//! The signatures of a message, verified, whichever version of SAML it is.
//!
//! Always true: a signature is verified by `protocol::xml::signature` alone, on the
//! tree that all values are read from (attack 11).

use std::sync::Arc;

use crate::{
    keys::certificate::{Certificate, CertificateError},
    protocol::xml::{
        XmlDocument, XmlElement,
        signature::{self, Sha1, SignatureError, SignatureParts},
    },
};

use super::{context::Context, effort::Effort};

/// A KeyInfo may bring a chain; more than this is not looked at.
const MAX_EMBEDDED: usize = 4;

/// The signatures of the elements that are used, in document order.
pub(super) struct Signatures<'d> {
    pub(super) context: &'d Context,
    /// The root of the message.
    pub(super) root: XmlElement<'d>,
    pub(super) list: Vec<SignatureCase<'d>>,
}

impl<'d> Signatures<'d> {
    /// Those that stand in `carriers`.
    pub(super) fn of(
        document: &'d XmlDocument<'d>,
        carriers: impl IntoIterator<Item = XmlElement<'d>>,
        context: &'d Context,
        effort: &Effort,
    ) -> Self {
        Self {
            context,
            root: document.root(),
            list: carriers
                .into_iter()
                .filter_map(|carrier| SignatureCase::of(document, carrier, context, effort))
                .collect(),
        }
    }

    /// The signature of `carrier`.
    pub(super) fn of_carrier(&self, carrier: XmlElement<'d>) -> Option<&SignatureCase<'d>> {
        self.list
            .iter()
            .find(|signature| signature.carrier == carrier)
    }
}

/// One signature and what became of it.
pub(super) struct SignatureCase<'d> {
    /// The element that carries it.
    pub(super) carrier: XmlElement<'d>,
    pub(super) parts: SignatureParts<'d>,
    pub(super) state: SignatureState,
}

/// What became of it.
pub(super) enum SignatureState {
    /// It holds with the key of this certificate.
    Holds(Arc<Certificate>),
    /// It does not hold, or was not fit to be verified.
    Fails(SignatureError),
    /// KeyInfo has no certificate and none was given.
    NoKey,
    /// Not looked at: too much was tried before.
    Unchecked,
}

impl<'d> SignatureCase<'d> {
    fn of(
        document: &'d XmlDocument<'d>,
        carrier: XmlElement<'d>,
        context: &Context,
        effort: &Effort,
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
        let state = check(document, carrier, &parts, context, effort);
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
    effort: &Effort,
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
        if !effort.may_verify(document.length()) {
            return SignatureState::Unchecked;
        }
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
