//! Signing our own messages.
//!
//! Always true: the signature has the one shape that `verifying` accepts: one
//! reference to the element around it, both transforms, RSA-SHA256. What is
//! signed is text that we wrote ourselves, never a stranger's. It goes out as it
//! was written, with two values put in: the tree gives only the canonical form.

use std::{fmt::Write as _, sync::Arc};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use uppsala::Element;

use super::{
    DSIG, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256, SignatureError, is_plain_id,
    verifying::canonical_without,
};
use crate::keys::Signer;

/// The two spellings of a SignedInfo.
#[derive(Clone, Copy)]
enum Form {
    /// As it stands in the message.
    Written,
    /// As it is signed: the exclusive canonical form of the other.
    Canonical,
}

/// The SignedInfo over the element `id` with this digest (base64).
fn signed_info(id: &str, digest: &str, form: Form) -> String {
    let mut text = String::with_capacity(1024);
    // Writing to a String cannot fail.
    let algorithm = |text: &mut String, name: &str, uri: &str| {
        let _ = match form {
            Form::Written => write!(text, "<ds:{name} Algorithm=\"{uri}\"/>"),
            Form::Canonical => write!(text, "<ds:{name} Algorithm=\"{uri}\"></ds:{name}>"),
        };
    };
    match form {
        Form::Written => text.push_str("<ds:SignedInfo>"),
        Form::Canonical => {
            let _ = write!(text, "<ds:SignedInfo xmlns:ds=\"{DSIG}\">");
        }
    }
    algorithm(&mut text, "CanonicalizationMethod", EXC_C14N);
    algorithm(&mut text, "SignatureMethod", RSA_SHA256);
    let _ = write!(text, "<ds:Reference URI=\"#{id}\"><ds:Transforms>");
    algorithm(&mut text, "Transform", ENVELOPED);
    algorithm(&mut text, "Transform", EXC_C14N);
    text.push_str("</ds:Transforms>");
    algorithm(&mut text, "DigestMethod", SHA256);
    let _ = write!(
        text,
        "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    );
    text
}

/// The part of a signature that [`sign`] fills; values in base64.
fn values(id: &str, digest: &str, signature: &str) -> String {
    let mut text = signed_info(id, digest, Form::Written);
    for part in ["<ds:SignatureValue>", signature, "</ds:SignatureValue>"] {
        text.push_str(part);
    }
    text
}

/// The `ds:Signature` to put into an element before [`sign`]: RSA-SHA256, one
/// reference to `id`, the certificate (DER) in KeyInfo, values empty.
pub fn template(id: &str, certificate: &[u8]) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\">{}\
<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
</ds:Signature>",
        values(id, "", ""),
        BASE64.encode(certificate)
    )
}

/// Fills the signature templates of `xml` (our own text, innermost first) and
/// returns the signed text.
pub fn sign(xml: &str, signer: &Arc<dyn Signer>) -> Result<String, SignatureError> {
    let mut text = xml.to_owned();
    let mut unfilled = None;
    // The one around comes before the one inside and covers its values, so the
    // text is read again for each.
    while unfilled != Some(0) {
        let last = fill(&mut text, unfilled, signer)?;
        unfilled = Some(last);
    }
    Ok(text)
}

/// Fills the last of the first `unfilled` templates (`None`: of all), in document
/// order. Returns how many come before it.
fn fill(
    text: &mut String,
    unfilled: Option<usize>,
    signer: &Arc<dyn Signer>,
) -> Result<usize, SignatureError> {
    let failed = |why: &dyn std::fmt::Display| SignatureError::Signing(why.to_string());
    let document = uppsala::parse(text).map_err(|error| failed(&error))?;
    let signatures = document.get_elements_by_tag_name_ns(DSIG, "Signature");
    let Some(last) = unfilled.unwrap_or(signatures.len()).checked_sub(1) else {
        return Ok(0);
    };
    let signature = signatures[last];
    let covered = document
        .parent(signature)
        .and_then(|parent| Some((parent, own_id(document.element(parent)?)?)))
        .filter(|(_, id)| is_plain_id(id));
    let Some((parent, id)) = covered else {
        return Err(failed(&"the element around a template has no ID"));
    };
    let id = id.to_owned();
    let content = canonical_without(&document, parent, Some(signature))?;
    let digest = BASE64.encode(digest::digest(&digest::SHA256, &content));
    let value = signer
        .sign(signed_info(&id, &digest, Form::Canonical).as_bytes())
        .map_err(|error| failed(&error))?;

    let empty = values(&id, "", "");
    let at = text
        .rfind(&empty)
        .ok_or_else(|| failed(&"a template is not as it was made"))?;
    let filled = values(&id, &digest, &BASE64.encode(value));
    text.replace_range(at..at + empty.len(), &filled);
    Ok(last)
}

/// The ID of an element of ours: of SAML 2.0, or an assertion of SAML 1.1.
fn own_id<'a>(element: &'a Element<'_>) -> Option<&'a str> {
    ["ID", "AssertionID"]
        .iter()
        .find_map(|name| element.get_attribute(name))
}

#[cfg(test)]
mod tests {
    use bergshamra::{DsigContext, KeysManager, dsig::sign::sign_document_node};

    use super::*;
    use crate::keys::SignError;

    /// Signs nothing, but gives another value for each message.
    struct Repeats;

    impl Signer for Repeats {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
            Ok(digest::digest(&digest::SHA512, message).as_ref().to_vec())
        }
    }

    struct ForLibrary;

    impl kryptering::Signer for ForLibrary {
        fn algorithm(&self) -> kryptering::SignatureAlgorithm {
            kryptering::SignatureAlgorithm::RsaPkcs1v15(kryptering::HashAlgorithm::Sha256)
        }

        fn sign(&self, data: &[u8]) -> kryptering::error::Result<Vec<u8>> {
            Ok(Repeats.sign(data).unwrap())
        }
    }

    /// What the library makes of the same templates, with its own reading of SignedInfo.
    fn signed_by_the_library(xml: &str) -> String {
        let mut document = uppsala::parse(xml).unwrap();
        let context = DsigContext::new(KeysManager::new()).with_hsm_signer(Box::new(ForLibrary));
        let signatures = document.get_elements_by_tag_name_ns(DSIG, "Signature");
        for signature in signatures.into_iter().rev() {
            sign_document_node(&context, &mut document, signature).unwrap();
        }
        document.to_xml()
    }

    #[test]
    fn every_byte_is_the_one_that_the_library_would_write() {
        let (outer, inner) = (template("_r", b"certificate"), template("_a", b"other"));
        for xml in [
            format!("<r ID=\"_r\">{outer}<b/></r>"),
            format!("<r><a xmlns=\"urn:a\" Version=\"2.0\" ID=\"_a\">{inner}<b c=\"x\"/></a></r>"),
            format!(
                "<p:r xmlns:p=\"urn:p\" ID=\"_r\"><p:i>o'neil &amp; \"x\" &lt;&#xD;\t\n</p:i>{outer}\
<q:a xmlns:q=\"urn:q\" z=\"1\" ID=\"_a\"><q:i v=\"'&quot;&lt;&#x9;&#xA;\">\u{e9}</q:i>{inner}<q:e/></q:a></p:r>"
            ),
        ] {
            let signer: Arc<dyn Signer> = Arc::new(Repeats);
            let ours = sign(&xml, &signer).unwrap();
            assert_eq!(ours, signed_by_the_library(&xml));
            assert!(!ours.contains("<ds:SignatureValue></ds:SignatureValue>"));
            assert!(!ours.contains("<ds:DigestValue></ds:DigestValue>"));
        }
    }

    #[test]
    fn what_is_no_template_of_ours_is_not_signed() {
        let signer: Arc<dyn Signer> = Arc::new(Repeats);
        let ours = template("_r", b"certificate");
        for xml in [
            format!("<r>{ours}</r>"),
            format!("<r ID=\"_other\">{ours}</r>"),
            format!("<r ID=\"a b\">{ours}</r>"),
            format!("<r ID=\"_r\">{}</r>", ours.replace(SHA256, "urn:none")),
            ours,
            "<r".to_owned(),
        ] {
            assert!(
                matches!(sign(&xml, &signer), Err(SignatureError::Signing(_))),
                "{xml}"
            );
        }
    }
}
