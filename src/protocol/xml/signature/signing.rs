//! Signing our own messages.
//!
//! Always true: the signature has the one shape that `verifying` accepts: one
//! reference to the element around it, both transforms, RSA-SHA256. What is
//! signed is text that we wrote ourselves, never a stranger's.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bergshamra::{DsigContext, KeysManager, dsig::sign::sign_document_node};
use uppsala::{Document, NodeId};

use super::{DSIG, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256, SignatureError};
use crate::keys::Signer;

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
