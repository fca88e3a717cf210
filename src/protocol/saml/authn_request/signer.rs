//! Who may have signed a request: only the party's registered certificates (attack 13).

use super::{super::binding::QuerySignature, RequestError};
use crate::{
    keys::certificate::{Certificate, RsaHash},
    protocol::xml::{
        XmlElement,
        signature::{self, SignatureError},
    },
    relying_party::{RelyingParty, Sha1},
};

/// The party's certificates that may have made `signature`: those that its X509SKI
/// names (Entra sends nothing else), or all if it names none.
pub(super) fn named_certificates(
    signature: XmlElement<'_>,
    party: &RelyingParty,
) -> Result<Vec<Certificate>, RequestError> {
    let named = signature::describe(signature).key_identifiers;
    let mut certificates = registered(party)?;
    if !named.is_empty() {
        certificates
            .retain(|certificate| named.iter().any(|id| certificate.has_key_identifier(id)));
        if certificates.is_empty() {
            return Err(RequestError::UnknownKey);
        }
    }
    Ok(certificates)
}

fn registered(party: &RelyingParty) -> Result<Vec<Certificate>, RequestError> {
    Ok(party
        .request_certificates
        .iter()
        .map(|der| Certificate::read(der))
        .collect::<Result<_, _>>()?)
}

/// The signature of a redirect, over the raw bytes of the query.
pub(super) fn verify_query(
    signature: &QuerySignature,
    party: &RelyingParty,
) -> Result<(), RequestError> {
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
