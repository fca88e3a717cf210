//! Enveloped XML signatures: the terms, and what one says of itself.
//!
//! Always true: what is read here is unverified, for showing and for choosing a
//! key. Only [`verify`] says that a signature holds.
//!
//! Read next: [`verifying`] for what is accepted and why, [`signing`] for our own.
//!
//! <https://www.w3.org/TR/xmldsig-core1/>, SAML core §5.4.

/// Signing what we send.
pub mod signing;
/// Whether a signature holds.
pub mod verifying;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{ReadError, XmlElement};
use crate::keys::certificate::{CertificateError, RsaHash};

pub use signing::{sign, template};
pub use verifying::{Sha1, SignedElement, canonical, verify};

/// The namespace of XML signatures.
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Exclusive canonicalisation, without comments.
pub const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The enveloped-signature transform.
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// RSASSA-PKCS1-v1_5 with SHA-256.
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// SHA-256.
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// Why an element is not shown to be signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// It has no signature of its own.
    #[error("the element {0} is not signed")]
    Missing(String),
    /// Two signatures in one element, or too many in the message.
    #[error("there are more signatures than expected")]
    TooMany,
    /// Not the shape of an enveloped signature.
    #[error("the signature is not of the expected shape: {0}")]
    Shape(&'static str),
    /// A value in it could not be read.
    #[error("a value of the signature could not be read")]
    Read(#[from] ReadError),
    /// Not exactly one reference.
    #[error("the signature has {0} references instead of one")]
    References(usize),
    /// The reference is to something else than the element that carries the signature.
    #[error("the signature refers to {0:?}, not to the element that carries it")]
    Elsewhere(String),
    /// Transforms other than enveloped-signature and exclusive canonicalisation.
    #[error("the transforms are not exactly enveloped-signature and exclusive canonicalisation")]
    Transforms,
    /// An algorithm that is not on the list (HMAC, PSS, ECDSA, unknown).
    #[error("the algorithm {0:?} is not accepted")]
    Algorithm(String),
    /// SHA-1 where it is not allowed.
    #[error("the signature uses SHA-1")]
    Sha1,
    /// No key to verify with was given.
    #[error("no certificate is registered to verify the signature with")]
    NoKey,
    /// A registered certificate cannot be used.
    #[error("a registered certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// Another signature of the message is not of the expected shape, so nothing is verified.
    #[error("another signature of the message is not of the expected shape")]
    Foreign,
    /// Digest or signature value are wrong for every key that was given.
    #[error("the signature does not verify")]
    DoesNotVerify,
    /// The library failed while signing.
    #[error("the document could not be signed: {0}")]
    Signing(String),
}

/// What a signature says of itself, unverified: for showing, and for choosing a key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SignatureParts<'d> {
    /// CanonicalizationMethod.
    pub canonicalization: Option<&'d str>,
    /// SignatureMethod.
    pub method: Option<&'d str>,
    /// References in order.
    pub references: Vec<ReferenceParts<'d>>,
    /// X509Certificate values (DER) of KeyInfo; what is not base64 is left out.
    pub certificates: Vec<Vec<u8>>,
    /// X509SKI values of KeyInfo.
    pub key_identifiers: Vec<Vec<u8>>,
    /// KeyName values of KeyInfo.
    pub key_names: Vec<String>,
}

/// One reference of a signature.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReferenceParts<'d> {
    /// URI.
    pub uri: Option<&'d str>,
    /// Transforms in order.
    pub transforms: Vec<&'d str>,
    /// DigestMethod.
    pub digest_method: Option<&'d str>,
}

/// The signature that is a child of `element`, if there is one.
pub fn signature_of(element: XmlElement<'_>) -> Result<Option<XmlElement<'_>>, SignatureError> {
    element
        .optional_child(DSIG, "Signature")
        .map_err(|_| SignatureError::TooMany)
}

fn algorithm<'d>(parent: XmlElement<'d>, name: &str) -> Option<&'d str> {
    parent
        .optional_child(DSIG, name)
        .ok()?
        .and_then(|child| child.attribute("Algorithm"))
}

/// What `signature` says, leniently.
pub fn describe(signature: XmlElement<'_>) -> SignatureParts<'_> {
    let mut parts = SignatureParts::default();
    if let Some(info) = signature.children_named(DSIG, "SignedInfo").next() {
        parts.canonicalization = algorithm(info, "CanonicalizationMethod");
        parts.method = algorithm(info, "SignatureMethod");
        parts.references = info
            .children_named(DSIG, "Reference")
            .map(|reference| ReferenceParts {
                uri: reference.attribute("URI"),
                transforms: reference
                    .children_named(DSIG, "Transforms")
                    .flat_map(|list| list.children_named(DSIG, "Transform"))
                    .map(|transform| transform.attribute("Algorithm").unwrap_or(""))
                    .collect(),
                digest_method: algorithm(reference, "DigestMethod"),
            })
            .collect();
    }
    for key_info in signature.children_named(DSIG, "KeyInfo") {
        for element in key_info.descendants() {
            if element.namespace() != DSIG {
                continue;
            }
            match element.local_name() {
                "X509Certificate" => parts.certificates.extend(base64_text(element)),
                "X509SKI" => parts.key_identifiers.extend(base64_text(element)),
                "KeyName" => parts
                    .key_names
                    .push(element.joined_text().trim().to_owned()),
                _ => {}
            }
        }
    }
    parts
}

/// The hash of a signature method, if it is RSASSA-PKCS1-v1_5 (RFC 9231 §2.3).
pub fn rsa_hash(uri: &str) -> Option<RsaHash> {
    match uri {
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1" => Some(RsaHash::Sha1),
        RSA_SHA256 => Some(RsaHash::Sha256),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Some(RsaHash::Sha384),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Some(RsaHash::Sha512),
        _ => None,
    }
}

/// The hash of a digest method.
pub fn digest_hash(uri: &str) -> Option<RsaHash> {
    match uri {
        "http://www.w3.org/2000/09/xmldsig#sha1" => Some(RsaHash::Sha1),
        SHA256 => Some(RsaHash::Sha256),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Some(RsaHash::Sha384),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Some(RsaHash::Sha512),
        _ => None,
    }
}

/// An NCName of ASCII letters, so that `#id` can mean nothing but a bare name.
pub fn is_plain_id(id: &str) -> bool {
    id.len() <= 256
        && id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn base64_text(element: XmlElement<'_>) -> Option<Vec<u8>> {
    let text = element.text().ok()?.as_bytes();
    if !text.iter().any(u8::is_ascii_whitespace) {
        return BASE64.decode(text).ok();
    }
    let joined: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64.decode(joined).ok()
}
