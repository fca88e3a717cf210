//! Who sent a message: only the party's registered certificates may have signed it (attack 13).
//!
//! Always true: what [`require_sender`] gives back is the canonical form of the very element
//! that the signature covered (of the root, where a party does not sign); a signature that is
//! there must hold, even where none is asked.

use super::binding::{Binding, Message, QuerySignature};
use crate::{
    keys::certificate::{Certificate, CertificateError, RsaHash},
    protocol::xml::{
        XmlDocument, XmlElement,
        signature::{self, SignatureError},
    },
    relying_party::{RelyingParty, RequestSignature, Sha1},
};

/// Why it is not shown who sent a message.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// A signature inside, where it belongs beside.
    #[error("it carries a signature inside, which a redirect does not")]
    Inside,
    /// The party must sign and did not.
    #[error("it is not signed, and its sender must sign")]
    Unsigned,
    /// Its signature does not hold.
    #[error("its signature was refused")]
    Signature(#[from] SignatureError),
    /// No registered certificate has the key identifier that the signature names.
    #[error(
        "it is signed with a key that is not registered for its sender; load the sender's current metadata"
    )]
    UnknownKey,
    /// A registered certificate cannot be read.
    #[error("a registered certificate of the sender cannot be read")]
    Certificate(#[from] CertificateError),
}

/// What of a message may be read.
#[derive(Debug)]
pub(super) struct Covered {
    /// The canonical bytes.
    pub(super) canonical: Vec<u8>,
    /// Whether a signature covers them.
    pub(super) is_signed: bool,
}

/// Checks the signature of a message against its party.
pub(super) fn require_sender(
    message: &Message,
    document: &XmlDocument<'_>,
    party: &RelyingParty,
) -> Result<Covered, SenderError> {
    let root = document.root();
    let inner = signature::signature_of(root)?;
    let is_signed = match (message.binding, inner, &message.signature) {
        (Binding::Redirect, Some(_), _) => return Err(SenderError::Inside),
        (Binding::Post, Some(inner), _) => {
            let certificates = named_certificates(inner, party)?;
            let sha1 = match party.sha1 {
                Sha1::Refused => signature::Sha1::Refused,
                Sha1::AllowedInRequests => signature::Sha1::Allowed,
            };
            let signed = signature::verify(document, root, &certificates, sha1)?;
            return Ok(Covered {
                canonical: signed.canonical(document)?,
                is_signed: true,
            });
        }
        (_, None, Some(beside)) => {
            verify_query(beside, party)?;
            true
        }
        (_, None, None) => false,
    };
    if !is_signed && party.request_signature == RequestSignature::Required {
        return Err(SenderError::Unsigned);
    }
    Ok(Covered {
        canonical: signature::canonical(document, root, None)?,
        is_signed,
    })
}

/// The party's certificates that may have made `signature`: those that its X509SKI
/// names (Entra sends nothing else), or all if it names none.
fn named_certificates(
    signature: XmlElement<'_>,
    party: &RelyingParty,
) -> Result<Vec<Certificate>, SenderError> {
    let named = signature::describe(signature).key_identifiers;
    let mut certificates = registered(party)?;
    if !named.is_empty() {
        certificates
            .retain(|certificate| named.iter().any(|id| certificate.has_key_identifier(id)));
        if certificates.is_empty() {
            return Err(SenderError::UnknownKey);
        }
    }
    Ok(certificates)
}

fn registered(party: &RelyingParty) -> Result<Vec<Certificate>, SenderError> {
    Ok(party
        .request_certificates
        .iter()
        .map(|der| Certificate::read(der))
        .collect::<Result<_, _>>()?)
}

/// The signature of a redirect, over the raw bytes of the query.
fn verify_query(signature: &QuerySignature, party: &RelyingParty) -> Result<(), SenderError> {
    let hash = signature::rsa_hash(&signature.algorithm)
        .ok_or_else(|| SignatureError::Algorithm(signature.algorithm.clone()))?;
    if hash == RsaHash::Sha1 && party.sha1 == Sha1::Refused {
        return Err(SignatureError::Sha1.into());
    }
    let certificates = registered(party)?;
    if certificates.is_empty() {
        return Err(SignatureError::NoKey.into());
    }
    for certificate in &certificates {
        certificate.require_strong_rsa()?;
        let verified = certificate.verify_rsa(hash, &signature.signed, &signature.signature);
        if verified.is_ok() {
            return Ok(());
        }
    }
    Err(SignatureError::DoesNotVerify.into())
}
