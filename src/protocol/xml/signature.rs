//! Enveloped XML signatures: what they say, and whether they hold.
//!
//! Always true: only keys that were handed in are trusted, never one that the
//! message brings (attack 13). A signature counts only if it is a child of the
//! element, has exactly one reference and that to this element, exactly the
//! transforms enveloped-signature and exclusive canonicalisation, and RSA with a
//! listed hash: so what was verified is what is read (attack 10). Every doubt is
//! an `Err`. No file, address or environment is read: a signature with any other
//! reference never reaches the library.
//!
//! <https://www.w3.org/TR/xmldsig-core1/>, SAML core §5.4.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bergshamra::{
    DsigContext, Key, KeyData, KeyUsage, KeysManager, VerifyResult,
    c14n::{C14nMode, canonicalize_doc},
    dsig::{
        sign::sign_document_node,
        verify::{verify_all_document, verify_document},
    },
    xml::nodeset::NodeSet,
};
use uppsala::{Document, NodeId};

use super::{ReadError, XmlDocument, XmlElement};
use crate::keys::{
    Signer,
    certificate::{Certificate, CertificateError, RsaHash},
};

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

/// A message with more signatures than this is refused.
const MAX_SIGNATURES: usize = 4;

/// Whether SHA-1 is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sha1 {
    /// Refused.
    Refused,
    /// Taken: for a party whose operator allowed it, and to show what a signature is worth.
    Allowed,
}

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

/// An element whose signature was verified. Only [`verify`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct SignedElement<'d> {
    element: XmlElement<'d>,
    signature: XmlElement<'d>,
}

impl<'d> SignedElement<'d> {
    /// The element that the signature covers.
    pub fn element(&self) -> XmlElement<'d> {
        self.element
    }

    /// The covered bytes: exclusive canonical form of the element without the
    /// signature and without comments.
    pub fn canonical(&self, document: &XmlDocument<'_>) -> Result<Vec<u8>, SignatureError> {
        canonical(document, self.element, Some(self.signature))
    }
}

/// The exclusive canonical form of `element`, without comments, and without
/// `left_out` (a signature inside it).
pub fn canonical(
    document: &XmlDocument<'_>,
    element: XmlElement<'_>,
    left_out: Option<XmlElement<'_>>,
) -> Result<Vec<u8>, SignatureError> {
    let tree = document.tree();
    let mut nodes = NodeSet::tree_without_comments(element.id(), tree);
    if let Some(left_out) = left_out {
        for node in tree.descendants(left_out.id()) {
            nodes.remove_id(node);
        }
        nodes.remove_id(left_out.id());
    }
    canonicalize_doc::<&str>(tree, C14nMode::Exclusive, Some(&nodes), &[])
        .map_err(|_| SignatureError::Shape("it has no canonical form"))
}

/// Verifies the enveloped signature of `element` with the keys of `certificates`
/// (any of them may have signed; the message's own certificates are not looked at).
pub fn verify<'d>(
    document: &'d XmlDocument<'_>,
    element: XmlElement<'d>,
    certificates: &[Certificate],
    sha1: Sha1,
) -> Result<SignedElement<'d>, SignatureError> {
    let signature = signature_of(element)?
        .ok_or_else(|| SignatureError::Missing(element.local_name().to_owned()))?;
    require_shape(element, signature, sha1)?;
    if certificates.is_empty() {
        return Err(SignatureError::NoKey);
    }
    let mut keys = KeysManager::new();
    for certificate in certificates {
        certificate.require_strong_rsa()?;
        let key = KeyData::from_spki_der(kryptering::KeyAlgorithm::Rsa, &certificate.public_key)
            .map_err(|_| CertificateError::Form)?;
        keys.add_key(Key::new(key, KeyUsage::Verify));
    }
    // `new`: trusted keys only, references only to ancestors, each digest checked.
    let context = DsigContext::new(keys);

    let all: Vec<XmlElement<'_>> = document
        .elements()
        .filter(|element| element.is(DSIG, "Signature"))
        .collect();
    if all.len() > MAX_SIGNATURES {
        return Err(SignatureError::TooMany);
    }
    let place = all
        .iter()
        .position(|other| *other == signature)
        .ok_or(SignatureError::Shape("it is not in the document"))?;
    let result = if place == 0 {
        verify_document(&context, document.tree()).map_err(|_| SignatureError::DoesNotVerify)?
    } else {
        // The library goes through all signatures: none may make it read elsewhere.
        for other in &all {
            let parent = other.parent().ok_or(SignatureError::Foreign)?;
            require_shape(parent, *other, Sha1::Allowed).map_err(|_| SignatureError::Foreign)?;
        }
        let mut results = verify_all_document(&context, document.tree())
            .map_err(|_| SignatureError::DoesNotVerify)?;
        if place >= results.len() {
            return Err(SignatureError::DoesNotVerify);
        }
        results.swap_remove(place)
    };
    match &result {
        VerifyResult::Valid {
            signature_node,
            references,
            ..
        } if *signature_node == signature.id()
            && result.all_reference_digests_verified()
            && references.len() == 1
            && references[0].resolved_node == Some(element.id()) =>
        {
            Ok(SignedElement { element, signature })
        }
        _ => Err(SignatureError::DoesNotVerify),
    }
}

/// Exactly the shape that is accepted; see the head of this file.
fn require_shape(
    element: XmlElement<'_>,
    signature: XmlElement<'_>,
    sha1: Sha1,
) -> Result<(), SignatureError> {
    const SHAPE: fn(&'static str) -> SignatureError = SignatureError::Shape;
    let mut parts = signature.children();
    let info = parts
        .next()
        .filter(|part| part.is(DSIG, "SignedInfo"))
        .ok_or(SHAPE("SignedInfo does not come first"))?;
    let value = parts
        .next()
        .filter(|part| part.is(DSIG, "SignatureValue"))
        .ok_or(SHAPE("SignatureValue does not come second"))?;
    if parts.next().is_some_and(|part| !part.is(DSIG, "KeyInfo")) || parts.next().is_some() {
        return Err(SHAPE("something else than KeyInfo follows SignatureValue"));
    }
    require_base64(value)?;

    let references = info.children_named(DSIG, "Reference").count();
    if references != 1 {
        return Err(SignatureError::References(references));
    }
    let mut parts = info.children();
    let (Some(c14n), Some(method), Some(reference), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SHAPE("SignedInfo has other children"));
    };
    let in_order = c14n.is(DSIG, "CanonicalizationMethod")
        && method.is(DSIG, "SignatureMethod")
        && reference.is(DSIG, "Reference");
    if !in_order || c14n.children().next().is_some() || method.children().next().is_some() {
        return Err(SHAPE("SignedInfo has other children"));
    }
    if c14n.attribute("Algorithm") != Some(EXC_C14N) {
        return Err(SignatureError::Transforms);
    }
    require_hash(method.attribute("Algorithm"), rsa_hash, sha1)?;

    let wanted = ["ID", "AssertionID"]
        .iter()
        .find_map(|name| element.attribute(name))
        .filter(|id| is_plain_id(id))
        .ok_or(SHAPE("the signed element has no ID"))?;
    let uri = reference.attribute("URI").unwrap_or("");
    if uri.strip_prefix('#') != Some(wanted) {
        return Err(SignatureError::Elsewhere(uri.to_owned()));
    }

    let mut parts = reference.children();
    let (Some(transforms), Some(digest_method), Some(digest), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SHAPE("Reference has other children"));
    };
    if !transforms.is(DSIG, "Transforms")
        || !digest_method.is(DSIG, "DigestMethod")
        || !digest.is(DSIG, "DigestValue")
        || digest_method.children().next().is_some()
    {
        return Err(SHAPE("Reference has other children"));
    }
    require_base64(digest)?;
    require_hash(digest_method.attribute("Algorithm"), digest_hash, sha1)?;
    require_transforms(transforms)
}

fn require_transforms(transforms: XmlElement<'_>) -> Result<(), SignatureError> {
    let mut steps = transforms.children();
    let (Some(enveloped), Some(c14n), None) = (steps.next(), steps.next(), steps.next()) else {
        return Err(SignatureError::Transforms);
    };
    let named = |step: XmlElement<'_>, algorithm| {
        step.is(DSIG, "Transform") && step.attribute("Algorithm") == Some(algorithm)
    };
    // OpenSAML adds a list of prefixes to the canonicalisation; nothing else may stand there.
    let only_prefixes = c14n.children().all(|child| {
        child.is(EXC_C14N, "InclusiveNamespaces") && child.children().next().is_none()
    });
    if named(enveloped, ENVELOPED)
        && enveloped.children().next().is_none()
        && named(c14n, EXC_C14N)
        && only_prefixes
        && c14n.children().count() <= 1
    {
        Ok(())
    } else {
        Err(SignatureError::Transforms)
    }
}

fn require_hash(
    uri: Option<&str>,
    table: fn(&str) -> Option<RsaHash>,
    sha1: Sha1,
) -> Result<RsaHash, SignatureError> {
    let uri = uri.unwrap_or("");
    match table(uri) {
        None => Err(SignatureError::Algorithm(uri.to_owned())),
        Some(RsaHash::Sha1) if sha1 == Sha1::Refused => Err(SignatureError::Sha1),
        Some(hash) => Ok(hash),
    }
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

fn require_base64(element: XmlElement<'_>) -> Result<(), SignatureError> {
    element.text()?;
    match base64_text(element) {
        Some(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err(SignatureError::Shape("a value is not base64")),
    }
}

fn base64_text(element: XmlElement<'_>) -> Option<Vec<u8>> {
    let text: String = element
        .text()
        .ok()?
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    BASE64.decode(text).ok()
}

/// The `ds:Signature` to put into an element before [`sign`]: RSA-SHA256, one
/// reference to `id`, the certificate (DER) in KeyInfo, values empty.
pub fn template(id: &str, certificate: &[u8]) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo>\
<ds:CanonicalizationMethod Algorithm=\"{EXC_C14N}\"/>\
<ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"/>\
<ds:Reference URI=\"#{id}\"><ds:Transforms>\
<ds:Transform Algorithm=\"{ENVELOPED}\"/><ds:Transform Algorithm=\"{EXC_C14N}\"/>\
</ds:Transforms><ds:DigestMethod Algorithm=\"{SHA256}\"/><ds:DigestValue></ds:DigestValue>\
</ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>\
<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
</ds:Signature>",
        BASE64.encode(certificate)
    )
}

/// Fills the signature templates of `xml` (our own text, innermost first) and
/// returns the signed text.
pub fn sign(xml: &str, signer: &Arc<dyn Signer>) -> Result<String, SignatureError> {
    let failed = |error: &dyn std::fmt::Display| SignatureError::Signing(error.to_string());
    let mut document = uppsala::parse(xml).map_err(|error| failed(&error))?;
    let context =
        DsigContext::new(KeysManager::new()).with_hsm_signer(Box::new(XmlSigner(signer.clone())));
    for signature in signatures(&document).into_iter().rev() {
        sign_document_node(&context, &mut document, signature).map_err(|error| failed(&error))?;
    }
    Ok(document.to_xml())
}

/// In document order: a response's before its assertion's.
fn signatures(document: &Document<'_>) -> Vec<NodeId> {
    document.get_elements_by_tag_name_ns(DSIG, "Signature")
}

/// Our signer behind the seam that the library has for hardware modules, so that
/// the key is parsed once and may live elsewhere.
struct XmlSigner(Arc<dyn Signer>);

impl kryptering::Signer for XmlSigner {
    fn algorithm(&self) -> kryptering::SignatureAlgorithm {
        kryptering::SignatureAlgorithm::RsaPkcs1v15(kryptering::HashAlgorithm::Sha256)
    }

    fn sign(&self, data: &[u8]) -> kryptering::error::Result<Vec<u8>> {
        self.0
            .sign(data)
            .map_err(|error| kryptering::error::Error::Crypto(error.to_string()))
    }
}
