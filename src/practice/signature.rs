//! Is the assertion signed, is the signature intact, and whose key is it?
//!
//! Always true: the node that is handed on is the one that bergshamra resolved
//! while it verified, on the same document. A signature that stands anywhere
//! but in the one assertion, or in SAML 2.0's response around it, spoils the message.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bergshamra::{DsigContext, KeysManager, VerifyResult, dsig::verify, keys::loader};
use uppsala::{Document, NodeId};

use super::{
    checks::Checks,
    reading::{DSIG, attribute, below, only_child, text},
};

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// What was found out about the signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignatureFinding {
    /// The assertion itself carries no signature.
    Missing,
    /// It is there and does not hold; the text says why.
    Broken(String),
    /// It holds, for the key of the certificate in the message; that key is not registered.
    UnknownKey,
    /// It holds, and the key is registered.
    Registered,
}

impl SignatureFinding {
    /// Writes it down; whether what is signed may be read.
    pub(super) fn record(&self, checks: &mut Checks) -> bool {
        if *self == Self::Missing {
            checks.record(
                "signed",
                Err("It carries no signature of its own.".to_owned()),
            );
            return false;
        }
        checks.record("signed", Ok("It carries a signature.".to_owned()));
        if let Self::Broken(reason) = self {
            checks.record("signature", Err(format!("It does not hold: {reason}.")));
            return false;
        }
        checks.record(
            "signature",
            Ok("RSA with SHA-256; every byte counts.".to_owned()),
        );
        checks.record(
            "certificate",
            if *self == Self::Registered {
                Ok("It is the registered certificate's key.".to_owned())
            } else {
                Err("The certificate in the message is not registered here.".to_owned())
            },
        );
        true
    }
}

/// What must be signed.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// The one assertion.
    pub assertion: NodeId,
    /// What its id is called: `ID`, or `AssertionID` in SAML 1.1.
    pub id_attribute: &'static str,
    /// An element around it that may carry a further signature: SAML 2.0's Response.
    pub around: Option<NodeId>,
}

/// Checks the signature of the message's one assertion.
pub fn check(
    document: &Document<'_>,
    xml: &str,
    carrier: Carrier,
    registered: &[Vec<u8>],
) -> SignatureFinding {
    let assertion = carrier.assertion;
    let Some(signature) = only_child(document, assertion, DSIG, "Signature") else {
        return SignatureFinding::Missing;
    };
    let may_sign = |node: NodeId| {
        let parent = document.parent(node);
        parent.is_some() && parent == carrier.around
    };
    let strays = below(document, document.root(), DSIG, "Signature")
        .into_iter()
        .any(|node| node != signature && !may_sign(node));
    if strays {
        return SignatureFinding::Broken(
            "a further signature stands where none belongs".to_owned(),
        );
    }
    if let Err(reason) = require_profile(document, signature, carrier) {
        return SignatureFinding::Broken(reason);
    }
    match verify_with(document, xml, assertion, registered) {
        Ok(()) => SignatureFinding::Registered,
        Err(reason) => match presented_certificate(document, signature) {
            // Whoever made the message chose this certificate: it shows that the bytes
            // are unharmed and whose key to ask about, and never that they are genuine.
            Some(presented)
                if !registered.contains(&presented)
                    && verify_with(document, xml, assertion, std::slice::from_ref(&presented))
                        .is_ok() =>
            {
                SignatureFinding::UnknownKey
            }
            _ => SignatureFinding::Broken(reason),
        },
    }
}

/// RSA-SHA256, one reference to the assertion, enveloped and exclusive c14n (facts §1.3).
fn require_profile(
    document: &Document<'_>,
    signature: NodeId,
    carrier: Carrier,
) -> Result<(), String> {
    let unclear = |what: &str| format!("the signature has no single {what}");
    let info =
        only_child(document, signature, DSIG, "SignedInfo").ok_or_else(|| unclear("SignedInfo"))?;
    let algorithm = |node: NodeId, name: &str| {
        only_child(document, node, DSIG, name)
            .and_then(|found| attribute(document, found, "Algorithm"))
            .ok_or_else(|| unclear(name))
    };
    let reference =
        only_child(document, info, DSIG, "Reference").ok_or_else(|| unclear("Reference"))?;
    let transforms = only_child(document, reference, DSIG, "Transforms")
        .map(|node| below(document, node, DSIG, "Transform"))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|node| attribute(document, node, "Algorithm"))
        .collect::<Vec<_>>();
    let wanted_uri =
        attribute(document, carrier.assertion, carrier.id_attribute).map(|id| format!("#{id}"));
    if algorithm(info, "CanonicalizationMethod")? != EXCLUSIVE {
        Err("the canonicalisation is not exclusive c14n".to_owned())
    } else if algorithm(info, "SignatureMethod")? != RSA_SHA256 {
        Err("the signature method is not RSA with SHA-256".to_owned())
    } else if algorithm(reference, "DigestMethod")? != SHA256 {
        Err("the digest method is not SHA-256".to_owned())
    } else if transforms != [ENVELOPED, EXCLUSIVE] {
        Err("the transforms are not exactly enveloped-signature and exclusive c14n".to_owned())
    } else if wanted_uri.is_none() || attribute(document, reference, "URI") != wanted_uri {
        Err("the signature refers to something else than its assertion".to_owned())
    } else {
        Ok(())
    }
}

/// Every signature of the message verifies with one of `certificates`, and one
/// of them covers exactly `assertion`.
fn verify_with(
    document: &Document<'_>,
    xml: &str,
    assertion: NodeId,
    certificates: &[Vec<u8>],
) -> Result<(), String> {
    let mut keys = KeysManager::new();
    for certificate in certificates {
        if let Ok(key) = loader::load_x509_cert_der(certificate) {
            keys.add_key(key);
        }
    }
    let results =
        verify::verify_all_document_with_source(&DsigContext::new(keys), document, Some(xml))
            .map_err(|error| error.to_string())?;
    let mut covered = false;
    for result in &results {
        match result {
            VerifyResult::Valid {
                signature_node,
                references,
                ..
            } => {
                if let [only] = references.as_slice() {
                    covered |= only.digest_verified
                        && only.resolved_node == Some(assertion)
                        && document.parent(*signature_node) == Some(assertion);
                }
            }
            VerifyResult::Invalid { reason } => return Err(reason.clone()),
        }
    }
    if covered {
        Ok(())
    } else {
        Err("no signature covers the assertion".to_owned())
    }
}

/// The one certificate in the signature's KeyInfo, DER.
fn presented_certificate(document: &Document<'_>, signature: NodeId) -> Option<Vec<u8>> {
    let key_info = only_child(document, signature, DSIG, "KeyInfo")?;
    let data = only_child(document, key_info, DSIG, "X509Data")?;
    let certificate = text(
        document,
        only_child(document, data, DSIG, "X509Certificate")?,
    )?;
    let compact: String = certificate
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    STANDARD.decode(compact).ok()
}
