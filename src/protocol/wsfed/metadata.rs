//! Federation metadata (WS-Federation 1.2 §3.1), at the path at which AD FS has it: for
//! domains that speak WS-Federation Entra polls it and takes new certificates from it
//! (facts §2.5, §4.4).
//!
//! Always true: it is not signed, for the reason that `saml::metadata` gives (attack 10).

use super::{
    ADDRESSING_NS, ASSERTION_NS, FEDERATION_NS,
    assertion::{AUTHENTICATION_INSTANT, IMMUTABLE_ID, METHODS, MULTI_FACTOR_INSTANT, UPN},
};
use crate::{
    base::text::DomainName,
    protocol::{
        saml::metadata::{IdpMetadata, at_domain, open_entity, push_idp, push_keys},
        xml::writing::{EscapedText, push},
    },
};

/// What the metadata says.
#[derive(Clone, Debug)]
pub struct FederationMetadata<'a> {
    /// The `issuerUri` of the domain; our own address, if the document is for several.
    pub entity_id: &'a str,
    /// The domain, repeated in the addresses so that they fix the issuer.
    pub domain: Option<&'a DomainName>,
    /// Our WS-Federation address, without a query.
    pub passive_url: &'a str,
    /// Our address for programs that bring a password (WS-Trust); none while it is closed.
    pub active_url: Option<&'a str>,
    /// Our sign-on address of SAML, without a query.
    pub sso_url: &'a str,
    /// Our single-logout address of SAML, without a query.
    pub slo_url: &'a str,
    /// The certificate that signs now and, while a rollover runs, the next (DER).
    pub certificates: &'a [&'a [u8]],
}

/// The metadata document.
pub fn encode_metadata(metadata: &FederationMetadata<'_>) -> String {
    let address = at_domain(metadata.passive_url, metadata.domain);
    let mut xml = String::with_capacity(12 * 1024);
    open_entity(&mut xml, metadata.entity_id);
    push(
        &mut xml,
        format_args!(
            "<md:RoleDescriptor xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:fed=\"{FEDERATION_NS}\" xsi:type=\"fed:SecurityTokenServiceType\" protocolSupportEnumeration=\"{FEDERATION_NS}\">"
        ),
    );
    push_keys(&mut xml, metadata.certificates);
    push(
        &mut xml,
        format_args!(
            "<fed:TokenTypesOffered><fed:TokenType Uri=\"{ASSERTION_NS}\"/></fed:TokenTypesOffered><fed:ClaimTypesOffered>"
        ),
    );
    let names = [UPN, IMMUTABLE_ID]
        .into_iter()
        .chain(METHODS)
        .chain([AUTHENTICATION_INSTANT, MULTI_FACTOR_INSTANT]);
    for (namespace, name) in names {
        push(
            &mut xml,
            format_args!(
                "<auth:ClaimType xmlns:auth=\"http://docs.oasis-open.org/wsfed/authorization/200706\" Uri=\"{namespace}/{name}\" Optional=\"true\"><auth:DisplayName>{name}</auth:DisplayName></auth:ClaimType>"
            ),
        );
    }
    xml.push_str("</fed:ClaimTypesOffered>");
    // The schema wants an active endpoint too. While passwords of programs are not taken here,
    // it names the address at which people sign in, as other services do.
    for (endpoint, address) in [
        (
            "SecurityTokenServiceEndpoint",
            metadata.active_url.unwrap_or(&address),
        ),
        ("PassiveRequestorEndpoint", &address),
    ] {
        push(
            &mut xml,
            format_args!(
                "<fed:{endpoint}><wsa:EndpointReference xmlns:wsa=\"{ADDRESSING_NS}\"><wsa:Address>{}</wsa:Address></wsa:EndpointReference></fed:{endpoint}>",
                EscapedText(address)
            ),
        );
    }
    xml.push_str("</md:RoleDescriptor>");
    push_idp(
        &mut xml,
        &IdpMetadata {
            issuer: metadata.entity_id,
            domain: metadata.domain,
            sso_url: metadata.sso_url,
            slo_url: metadata.slo_url,
            certificates: metadata.certificates,
        },
    );
    xml.push_str("</md:EntityDescriptor>\n");
    xml
}
