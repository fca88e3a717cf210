//! Our own metadata, one entity per domain (SAML metadata §2.4.3).
//!
//! Always true: it is not signed. Signed metadata is public, and a signature of the
//! assertion key over public bytes is what forgers graft (attack 10, CVE-2024-6800);
//! who reads it trusts the TLS connection it came over. Entra never reads it (facts §1.2).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{PERSISTENT, POST_BINDING, PROTOCOL_NS, REDIRECT_BINDING};
use crate::{
    base::text::DomainName,
    protocol::xml::{
        signature::DSIG,
        writing::{Escaped, push},
    },
};

/// The namespace of metadata.
pub const METADATA_NS: &str = "urn:oasis:names:tc:SAML:2.0:metadata";

/// How long a reader may go by its copy: several times within the day that a rollover waits.
const CACHE_DURATION: &str = "PT6H";

/// What the metadata of a domain says.
#[derive(Clone, Debug)]
pub struct IdpMetadata<'a> {
    /// The `issuerUri`: our entity id for this domain.
    pub issuer: &'a str,
    /// The domain, repeated in the addresses so that they fix the issuer.
    pub domain: Option<&'a DomainName>,
    /// Our sign-on address, without a query.
    pub sso_url: &'a str,
    /// Our single-logout address, without a query.
    pub slo_url: &'a str,
    /// The certificate that signs now and, while a rollover runs, the next (DER).
    pub certificates: &'a [&'a [u8]],
}

/// The metadata document.
pub fn encode_metadata(metadata: &IdpMetadata<'_>) -> String {
    let mut xml = String::with_capacity(8 * 1024);
    open_entity(&mut xml, metadata.issuer);
    push_idp(&mut xml, metadata);
    xml.push_str("</md:EntityDescriptor>\n");
    xml
}

/// The beginning of an entity's document.
pub(in crate::protocol) fn open_entity(xml: &mut String, entity_id: &str) {
    push(
        xml,
        format_args!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{METADATA_NS}\" entityID=\"{}\" cacheDuration=\"{CACHE_DURATION}\">",
            Escaped(entity_id)
        ),
    );
}

/// The role of an identity provider of SAML 2.0.
pub(in crate::protocol) fn push_idp(xml: &mut String, metadata: &IdpMetadata<'_>) {
    push(
        xml,
        format_args!(
            "<md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" protocolSupportEnumeration=\"{PROTOCOL_NS}\">"
        ),
    );
    push_keys(xml, metadata.certificates);
    push_services(
        xml,
        "SingleLogoutService",
        &at_domain(metadata.slo_url, metadata.domain),
    );
    push(
        xml,
        format_args!("<md:NameIDFormat>{PERSISTENT}</md:NameIDFormat>"),
    );
    push_services(
        xml,
        "SingleSignOnService",
        &at_domain(metadata.sso_url, metadata.domain),
    );
    xml.push_str("</md:IDPSSODescriptor>");
}

/// One address over both bindings.
fn push_services(xml: &mut String, name: &str, address: &str) {
    for binding in [REDIRECT_BINDING, POST_BINDING] {
        push(
            xml,
            format_args!(
                "<md:{name} Binding=\"{binding}\" Location=\"{}\"/>",
                Escaped(address)
            ),
        );
    }
}

/// The certificates (DER) whose keys sign.
pub(in crate::protocol) fn push_keys(xml: &mut String, certificates: &[&[u8]]) {
    for der in certificates {
        push(
            xml,
            format_args!(
                "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
                BASE64.encode(der)
            ),
        );
    }
}

/// An address of ours that fixes the issuer, if a domain is given.
pub(in crate::protocol) fn at_domain(address: &str, domain: Option<&DomainName>) -> String {
    domain.map_or_else(
        || address.to_owned(),
        |domain| format!("{address}?domain={domain}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::xml::{XmlLimits, read};

    #[test]
    fn attack_10_metadata_names_issuer_addresses_and_keys_and_is_not_signed() {
        let domain: DomainName = "contoso.com".parse().unwrap();
        let text = encode_metadata(&IdpMetadata {
            issuer: "https://idp.example.com/contoso.com?a&b",
            domain: Some(&domain),
            sso_url: "https://idp.example.com/saml2/sso",
            slo_url: "https://idp.example.com/saml2/slo",
            certificates: &[b"now", b"next"],
        });
        let document = read(text.as_bytes(), &XmlLimits::METADATA).unwrap();
        let root = document.root();
        assert!(root.is(METADATA_NS, "EntityDescriptor"));
        assert_eq!(
            root.attribute("entityID"),
            Some("https://idp.example.com/contoso.com?a&b")
        );
        assert_eq!(root.attribute("cacheDuration"), Some("PT6H"));
        let locations: Vec<_> = document
            .elements()
            .filter_map(|element| {
                Some((
                    element.local_name(),
                    element.attribute("Binding")?.rsplit(':').next()?,
                    element.attribute("Location")?,
                ))
            })
            .collect();
        let sso = "https://idp.example.com/saml2/sso?domain=contoso.com";
        let slo = "https://idp.example.com/saml2/slo?domain=contoso.com";
        assert_eq!(
            locations,
            [
                ("SingleLogoutService", "HTTP-Redirect", slo),
                ("SingleLogoutService", "HTTP-POST", slo),
                ("SingleSignOnService", "HTTP-Redirect", sso),
                ("SingleSignOnService", "HTTP-POST", sso),
            ]
        );
        let certificates: Vec<_> = document
            .elements()
            .filter(|element| element.local_name() == "X509Certificate")
            .map(|element| element.text().unwrap())
            .collect();
        assert_eq!(certificates, ["bm93", "bmV4dA=="]);
        assert!(!document.elements().any(|e| e.is(DSIG, "Signature")));
        assert_eq!(root.attribute("ID"), None);
    }
}
