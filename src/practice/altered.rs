//! The one break that needs another message: a copy of the last SAML 2.0 response without
//! the class reference that means MFA.
//!
//! Always true: the copy is signed with the throw-away key and nothing else, so
//! it is worth something only where that key's certificate is registered: in this
//! tenant, while the button is pressed. Which parts change is all in this file.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bergshamra::dsig::sign::sign_document_node;
use uppsala::{Document, NodeId};

use super::{
    reading::{self, ASSERTION, DSIG},
    throw_away::ThrowAwayKey,
    verifier::MULTIPLE_AUTHN,
};

/// What the copy says instead; several identity providers send it (facts §9).
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified";

/// What is different in the copy, for the page.
pub const WHAT_CHANGED: &str = "ALTERED COPY, re-signed by the practice tenant with a throw-away key: the class reference says “unspecified”, the attribute values that named MFA are left out, and the signature and its certificate are new. The identity provider did not send this.";

/// Why a copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AlterationError {
    /// The message cannot be read.
    #[error("the last response cannot be read")]
    Reading(#[from] reading::ReadingError),
    /// There is no signed assertion in it.
    #[error("the last response holds no assertion to alter")]
    NoAssertion,
    /// The copy could not be signed.
    #[error("the altered copy could not be signed")]
    Signing(#[source] bergshamra::Error),
}

/// A copy of the form field without the class reference, signed with `key`.
pub fn without_class_reference(field: &str, key: &ThrowAwayKey) -> Result<String, AlterationError> {
    let xml = reading::decode_field(field)?;
    let mut document = reading::parse_plain(&xml)?;
    let root = document.root();
    let assertion = match reading::below(&document, root, ASSERTION, "Assertion").as_slice() {
        [only] => *only,
        _ => return Err(AlterationError::NoAssertion),
    };
    let id = reading::attribute(&document, assertion, "ID").ok_or(AlterationError::NoAssertion)?;
    for reference in reading::below(&document, assertion, ASSERTION, "AuthnContextClassRef") {
        replace_text(&mut document, reference, UNSPECIFIED);
    }
    for attribute in reading::below(&document, assertion, ASSERTION, "Attribute") {
        drop_mfa_values(&mut document, attribute);
    }
    // Every old signature goes: the response's no longer fits either.
    for signature in reading::below(&document, root, DSIG, "Signature") {
        document.detach(signature);
    }
    let signature = empty_signature(&mut document, &id, key)?;
    let issuer = reading::only_child(&document, assertion, ASSERTION, "Issuer")
        .ok_or(AlterationError::NoAssertion)?;
    document.insert_after(assertion, signature, issuer);
    sign_document_node(&key.signing_context(), &mut document, signature)
        .map_err(AlterationError::Signing)?;
    Ok(STANDARD.encode(document.to_xml()))
}

/// Signs `assertion`, whose id is `id`, with a signature at its end: where SAML 1.1 has it.
pub(super) fn sign_as_last_child(
    document: &mut Document<'_>,
    assertion: NodeId,
    id: &str,
    key: &ThrowAwayKey,
) -> Result<(), AlterationError> {
    let signature = empty_signature(document, id, key)?;
    document.append_child(assertion, signature);
    sign_document_node(&key.signing_context(), document, signature)
        .map_err(AlterationError::Signing)
}

/// A signature to be, not yet in the tree.
fn empty_signature(
    document: &mut Document<'_>,
    id: &str,
    key: &ThrowAwayKey,
) -> Result<NodeId, AlterationError> {
    let template = signature_template(id, key.certificate());
    let template = uppsala::parse(&template).map_err(|_| AlterationError::NoAssertion)?;
    template
        .document_element()
        .and_then(|element| document.import_subtree(&template, element))
        .ok_or(AlterationError::NoAssertion)
}

fn replace_text(document: &mut Document<'_>, element: NodeId, value: &str) {
    for child in document.children(element) {
        document.detach(child);
    }
    let text = document.create_text(value.to_owned());
    document.append_child(element, text);
}

/// Takes out an attribute that says `multipleauthn`: with it the copy would break a
/// second rule (the MFA value only in attributes), and a button breaks one thing.
fn drop_mfa_values(document: &mut Document<'_>, attribute: NodeId) {
    let values = reading::children(document, attribute, ASSERTION, "AttributeValue");
    let says_mfa = values
        .iter()
        .any(|value| reading::text(document, *value).as_deref() == Some(MULTIPLE_AUTHN));
    let statement = document.parent(attribute);
    if says_mfa {
        document.detach(attribute);
    }
    // An empty AttributeStatement is not in the schema.
    if let Some(statement) = statement
        && reading::children(document, statement, ASSERTION, "Attribute").is_empty()
    {
        document.detach(statement);
    }
}

fn signature_template(id: &str, certificate: &[u8]) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
         <ds:Reference URI=\"#{}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
         <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
         </ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
         <ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>\
         <ds:SignatureValue></ds:SignatureValue>\
         <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         </ds:Signature>",
        id.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;"),
        STANDARD.encode(certificate)
    )
}
