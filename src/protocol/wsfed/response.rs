//! The answer around the assertion: a RequestSecurityTokenResponse of WS-Trust 2005
//! (entra-federation-facts §2.3), which travels as `wresult`: XML, not base64.
//!
//! Always true: the signed assertion is put in as the text that was signed.

use super::{
    ADDRESSING_NS, ASSERTION_NS, TRUST_NS,
    assertion::{Envelope, SignedAssertion, encode_assertion},
};
use crate::{
    claims::ClaimSet,
    keys::SigningKey,
    protocol::{
        assertion::EncodeError,
        xml::writing::{EscapedText, push},
    },
};

const POLICY_NS: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
const UTILITY_NS: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const ISSUE: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue";
const BEARER_KEY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey";

/// The answer that takes `claims` to their audience, signed with `key`: the bytes that
/// leave (before HTML escaping).
///
/// # Errors
/// See [`EncodeError`].
pub fn encode_response(
    claims: &ClaimSet,
    envelope: &Envelope,
    key: &SigningKey,
) -> Result<String, EncodeError> {
    Ok(around(&encode_assertion(claims, envelope, key)?))
}

/// The answer around an assertion.
pub fn around(assertion: &SignedAssertion) -> String {
    let mut xml = String::with_capacity(assertion.xml.len() + 2 * 1024);
    push(
        &mut xml,
        format_args!(
            "<t:RequestSecurityTokenResponse xmlns:t=\"{TRUST_NS}\">\
<t:Lifetime><wsu:Created xmlns:wsu=\"{UTILITY_NS}\">{}</wsu:Created><wsu:Expires xmlns:wsu=\"{UTILITY_NS}\">{}</wsu:Expires></t:Lifetime>\
<wsp:AppliesTo xmlns:wsp=\"{POLICY_NS}\"><wsa:EndpointReference xmlns:wsa=\"{ADDRESSING_NS}\"><wsa:Address>{}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>\
<t:RequestedSecurityToken>",
            assertion.validity.not_before,
            assertion.validity.not_on_or_after,
            EscapedText(&assertion.audience),
        ),
    );
    xml.push_str(&assertion.xml);
    push(
        &mut xml,
        format_args!(
            "</t:RequestedSecurityToken><t:TokenType>{ASSERTION_NS}</t:TokenType>\
<t:RequestType>{ISSUE}</t:RequestType><t:KeyType>{BEARER_KEY}</t:KeyType></t:RequestSecurityTokenResponse>"
        ),
    );
    xml
}
