//! Whether the enveloped signature of an element holds.
//!
//! Always true: only keys that were handed in are trusted, never one that the
//! message brings (attack 13). A signature counts only if it is a child of the
//! element, has exactly one reference and that to this element, exactly the
//! transforms enveloped-signature and exclusive canonicalisation, and RSA with a
//! listed hash: so what was verified is what is read (attack 10). Every doubt is
//! an `Err`. No file, address or environment is read: a signature with any other
//! reference never reaches the library.

use bergshamra::{
    DsigContext, KeysManager, VerifyResult,
    c14n::{C14nMode, canonicalize_doc},
    dsig::verify::{verify_all_document, verify_document},
    xml::nodeset::NodeSet,
};
use uppsala::{Document, NodeId};

use super::{
    super::{XmlDocument, XmlElement},
    DSIG, ENVELOPED, EXC_C14N, SignatureError, base64_text, digest_hash, is_plain_id, rsa_hash,
    signature_of,
};
use crate::keys::certificate::{Certificate, RsaHash, RsaKey};

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
    canonical_without(document.tree(), element.id(), left_out.map(XmlElement::id))
}

pub(super) fn canonical_without(
    tree: &Document<'_>,
    element: NodeId,
    left_out: Option<NodeId>,
) -> Result<Vec<u8>, SignatureError> {
    let mut nodes = NodeSet::tree_without_comments(element, tree);
    if let Some(left_out) = left_out {
        for node in tree.descendants(left_out) {
            nodes.remove_id(node);
        }
        nodes.remove_id(left_out);
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
    let hash = require_shape(element, signature, sha1)?;
    if certificates.is_empty() {
        return Err(SignatureError::NoKey);
    }
    let keys = certificates
        .iter()
        .map(Certificate::rsa_key)
        .collect::<Result<_, _>>()?;
    // `new`: references only to ancestors, each digest checked. The library has no
    // key of its own and takes none from KeyInfo: it asks the verifier.
    let context = DsigContext::new(KeysManager::new())
        .with_hsm_verifier(Box::new(XmlVerifier { hash, keys }));

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
        verify_document(&context, document.tree()).ok()
    } else {
        // The library goes through all signatures: none may make it read elsewhere.
        for other in &all {
            let parent = other.parent().ok_or(SignatureError::Foreign)?;
            require_shape(parent, *other, Sha1::Allowed).map_err(|_| SignatureError::Foreign)?;
        }
        verify_all_document(&context, document.tree())
            .ok()
            .and_then(|results| results.into_iter().nth(place))
    };
    match result {
        Some(result) if covers(&result, signature.id(), element.id()) => {
            Ok(SignedElement { element, signature })
        }
        _ => Err(SignatureError::DoesNotVerify),
    }
}

/// Whether the library verified this very signature, and over this element alone. The
/// shape was asked for before; this looks at what was done.
fn covers(result: &VerifyResult, signature: NodeId, element: NodeId) -> bool {
    let VerifyResult::Valid {
        signature_node,
        references,
        ..
    } = result
    else {
        return false;
    };
    let [reference] = references.as_slice() else {
        return false;
    };
    *signature_node == signature
        && reference.digest_verified
        && reference.resolved_node == Some(element)
}

/// The keys that were handed in, behind the seam that the library has for hardware
/// modules: so a key that is read once serves many messages.
struct XmlVerifier {
    hash: RsaHash,
    keys: Vec<RsaKey>,
}

impl kryptering::Verifier for XmlVerifier {
    fn algorithm(&self) -> kryptering::SignatureAlgorithm {
        kryptering::SignatureAlgorithm::RsaPkcs1v15(match self.hash {
            RsaHash::Sha1 => kryptering::HashAlgorithm::Sha1,
            RsaHash::Sha256 => kryptering::HashAlgorithm::Sha256,
            RsaHash::Sha384 => kryptering::HashAlgorithm::Sha384,
            RsaHash::Sha512 => kryptering::HashAlgorithm::Sha512,
        })
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> kryptering::error::Result<bool> {
        let holds = |key: &RsaKey| key.verify(self.hash, data, signature).is_ok();
        Ok(self.keys.iter().any(holds))
    }
}

/// Exactly the shape that is accepted; see the head of this file. Returns the hash
/// of the signature method.
fn require_shape(
    element: XmlElement<'_>,
    signature: XmlElement<'_>,
    sha1: Sha1,
) -> Result<RsaHash, SignatureError> {
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
    let hash = require_hash(method.attribute("Algorithm"), rsa_hash, sha1)?;

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
    require_transforms(transforms)?;
    Ok(hash)
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

fn require_base64(element: XmlElement<'_>) -> Result<(), SignatureError> {
    element.text()?;
    match base64_text(element) {
        Some(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err(SignatureError::Shape("a value is not base64")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        super::{
            super::{XmlLimits, read},
            sign, template,
        },
        *,
    };
    use bergshamra::VerifiedReference;

    use crate::keys::{SignError, Signer};

    /// Signs with, and takes, anything.
    struct Anything;

    impl Signer for Anything {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
            Ok(b"anything".to_vec())
        }
    }

    impl kryptering::Verifier for Anything {
        fn algorithm(&self) -> kryptering::SignatureAlgorithm {
            kryptering::SignatureAlgorithm::RsaPkcs1v15(kryptering::HashAlgorithm::Sha256)
        }

        fn verify(&self, _: &[u8], _: &[u8]) -> kryptering::error::Result<bool> {
            Ok(true)
        }
    }

    #[test]
    fn attack_10_the_librarys_word_counts_for_one_signature_over_one_element() {
        let (outer, inner) = (
            template("_r", b"certificate"),
            template("_a", b"certificate"),
        );
        let signer: Arc<dyn Signer> = Arc::new(Anything);
        let xml = format!("<r ID=\"_r\">{outer}<a ID=\"_a\">{inner}</a></r>");
        let xml = sign(&xml, &signer).unwrap();
        let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
        let root = document.root();
        let child = root.only_child("", "a").unwrap();
        let signature = |of| signature_of(of).unwrap().unwrap().id();
        let context = DsigContext::new(KeysManager::new()).with_hsm_verifier(Box::new(Anything));
        let results = verify_all_document(&context, document.tree()).unwrap();
        assert!(covers(&results[0], signature(root), root.id()));
        assert!(covers(&results[1], signature(child), child.id()));

        assert!(!covers(&results[0], signature(child), root.id()));
        assert!(!covers(&results[0], signature(root), child.id()));
        let with = |change: fn(&mut Vec<VerifiedReference>)| {
            let mut result = results[0].clone();
            if let VerifyResult::Valid { references, .. } = &mut result {
                change(references);
            }
            covers(&result, signature(root), root.id())
        };
        assert!(with(|_| ()));
        assert!(!with(|references| references[0].digest_verified = false));
        assert!(!with(|references| references[0].resolved_node = None));
        assert!(!with(|references| references.push(references[0].clone())));
        assert!(!with(Vec::clear));
        let reason = String::new();
        let invalid = VerifyResult::Invalid { reason };
        assert!(!covers(&invalid, signature(root), root.id()));
    }
}
