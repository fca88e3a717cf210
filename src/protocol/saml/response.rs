//! A [`ClaimSet`] → a signed response (entra-federation-facts §1.3), or a status without one.
//!
//! Always true: an assertion is encoded from `&ClaimSet` and nothing else, so what
//! it claims was computed from proofs; every value is escaped exactly once, here
//! (attack 12); the assertion carries its own signature, by a key for assertions
//! only (attack 34). The text is written by hand because samael's writer escapes no
//! NameID and knows one class of attribute value only.

use std::time::Duration;

use super::{ASSERTION_NS, PERSISTENT, PROTOCOL_NS, status::Status};
use crate::{
    base::clock::Timestamp,
    claims::ClaimSet,
    keys::{KeyPurpose, SigningKey},
    protocol::{
        assertion::{EncodeError, Validity},
        xml::{
            signature,
            writing::{Escaped, EscapedText, push},
        },
    },
    relying_party::ResponseSignature,
};

/// How long the person's browser has to deliver the response.
pub const CONFIRMATION_LIFETIME: Duration = Duration::from_mins(5);

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// The names under which readers look for the methods; the values are the same.
const METHODS: [&str; 2] = [
    "http://schemas.microsoft.com/claims/authnmethodsreferences",
    "http://schemas.microsoft.com/claims/authenticationmethodsreferences",
];

/// What stands around the claims.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The response's id; new and unguessable: [`crate::protocol::assertion::message_id`].
    pub response_id: String,
    /// The assertion's id; new and unguessable: [`crate::protocol::assertion::message_id`].
    pub assertion_id: String,
    /// The id of the request that is answered.
    pub in_response_to: &'a str,
    /// Where it goes: a registered address.
    pub acs: &'a str,
    /// Now.
    pub now: Timestamp,
    /// Whether the response is signed beside the assertion.
    pub response_signature: ResponseSignature,
}

/// What stands around a status.
#[derive(Clone, Debug)]
pub struct StatusEnvelope<'a> {
    /// The response's id, as above.
    pub response_id: String,
    /// The id of the request that is answered.
    pub in_response_to: &'a str,
    /// Where it goes: a registered address.
    pub acs: &'a str,
    /// The issuer that speaks.
    pub issuer: &'a str,
    /// Now.
    pub now: Timestamp,
    /// A party that wants signed responses gets this one signed too.
    pub response_signature: ResponseSignature,
}

/// A response as it goes out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedResponse {
    /// The bytes that leave (before base64).
    pub xml: String,
    /// The assertion's id, for the receipt.
    pub assertion_id: String,
}

/// The response that takes `claims` to their audience, signed with `key`.
pub fn encode_response(
    claims: &ClaimSet,
    envelope: &Envelope<'_>,
    key: &SigningKey,
) -> Result<SignedResponse, EncodeError> {
    let signer = key.signer_for(KeyPurpose::Assertion)?;
    let mut xml = String::with_capacity(8 * 1024);
    open_response(
        &mut xml,
        &Opening {
            id: &envelope.response_id,
            in_response_to: envelope.in_response_to,
            acs: envelope.acs,
            issuer: claims.issuer(),
            now: envelope.now,
        },
    );
    if envelope.response_signature == ResponseSignature::AssertionAndResponse {
        xml.push_str(&signature::template(
            &envelope.response_id,
            &key.certificate,
        ));
    }
    push(
        &mut xml,
        format_args!("<samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\"/></samlp:Status>"),
    );
    push_assertion(&mut xml, claims, envelope, key);
    xml.push_str("</samlp:Response>");
    Ok(SignedResponse {
        xml: signature::sign(&xml, signer)?,
        assertion_id: envelope.assertion_id.clone(),
    })
}

/// An answer without assertion. It grants nothing, so it is signed only for parties
/// that want every response signed.
pub fn encode_status(
    status: Status,
    envelope: &StatusEnvelope<'_>,
    key: &SigningKey,
) -> Result<String, EncodeError> {
    let mut xml = String::with_capacity(4 * 1024);
    open_response(
        &mut xml,
        &Opening {
            id: &envelope.response_id,
            in_response_to: envelope.in_response_to,
            acs: envelope.acs,
            issuer: envelope.issuer,
            now: envelope.now,
        },
    );
    let is_signed = envelope.response_signature == ResponseSignature::AssertionAndResponse;
    if is_signed {
        xml.push_str(&signature::template(
            &envelope.response_id,
            &key.certificate,
        ));
    }
    push(
        &mut xml,
        format_args!(
            "<samlp:Status><samlp:StatusCode Value=\"{}\"><samlp:StatusCode Value=\"{}\"/></samlp:StatusCode></samlp:Status></samlp:Response>",
            status.top_level(),
            status.second_level()
        ),
    );
    if is_signed {
        let signer = key.signer_for(KeyPurpose::Assertion)?;
        Ok(signature::sign(&xml, signer)?)
    } else {
        Ok(xml)
    }
}

struct Opening<'a> {
    id: &'a str,
    in_response_to: &'a str,
    acs: &'a str,
    issuer: &'a str,
    now: Timestamp,
}

/// The namespace of assertions is declared where it is used and nowhere above: the
/// assertion stands alone when it is cut out, and no byte of it is without effect.
fn open_response(xml: &mut String, opening: &Opening<'_>) {
    push(
        xml,
        format_args!(
            "<samlp:Response xmlns:samlp=\"{PROTOCOL_NS}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" InResponseTo=\"{}\"><saml:Issuer xmlns:saml=\"{ASSERTION_NS}\">{}</saml:Issuer>",
            Escaped(opening.id),
            opening.now,
            Escaped(opening.acs),
            Escaped(opening.in_response_to),
            EscapedText(opening.issuer),
        ),
    );
}

fn push_assertion(xml: &mut String, claims: &ClaimSet, envelope: &Envelope<'_>, key: &SigningKey) {
    let now = envelope.now;
    push(
        xml,
        format_args!(
            "<saml:Assertion xmlns:saml=\"{ASSERTION_NS}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{now}\"><saml:Issuer>{}</saml:Issuer>",
            Escaped(&envelope.assertion_id),
            EscapedText(claims.issuer()),
        ),
    );
    // The schema wants the signature between Issuer and Subject.
    xml.push_str(&signature::template(
        &envelope.assertion_id,
        &key.certificate,
    ));
    push(
        xml,
        format_args!(
            "<saml:Subject><saml:NameID Format=\"{PERSISTENT}\">{}</saml:NameID>\
<saml:SubjectConfirmation Method=\"{BEARER}\"><saml:SubjectConfirmationData InResponseTo=\"{}\" NotOnOrAfter=\"{}\" Recipient=\"{}\"/></saml:SubjectConfirmation></saml:Subject>",
            EscapedText(claims.name_id()),
            Escaped(envelope.in_response_to),
            now.plus(CONFIRMATION_LIFETIME),
            Escaped(envelope.acs),
        ),
    );
    let validity = Validity::of(now);
    push(
        xml,
        format_args!(
            "<saml:Conditions NotBefore=\"{}\" NotOnOrAfter=\"{}\"><saml:AudienceRestriction><saml:Audience>{}</saml:Audience></saml:AudienceRestriction></saml:Conditions>",
            validity.not_before,
            validity.not_on_or_after,
            EscapedText(claims.audience()),
        ),
    );
    push(
        xml,
        format_args!(
            "<saml:AuthnStatement AuthnInstant=\"{}\" SessionIndex=\"{}\"><saml:AuthnContext><saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>",
            claims.authn_instant(),
            Escaped(claims.session_index()),
            EscapedText(claims.class_ref()),
        ),
    );
    xml.push_str("<saml:AttributeStatement>");
    push_attribute(xml, "IDPEmail", &[claims.upn()]);
    for name in METHODS {
        push_attribute(xml, name, claims.method_references());
    }
    // What AD FS sends; read by other readers, harmless to Entra (facts §1.3).
    push_attribute(
        xml,
        "http://schemas.xmlsoap.org/claims/UPN",
        &[claims.upn()],
    );
    push_attribute(
        xml,
        "http://schemas.microsoft.com/LiveID/Federation/2008/05/ImmutableID",
        &[claims.name_id()],
    );
    xml.push_str("</saml:AttributeStatement></saml:Assertion>");
}

fn push_attribute(xml: &mut String, name: &str, values: &[&str]) {
    push(xml, format_args!("<saml:Attribute Name=\"{name}\">"));
    for value in values {
        push(
            xml,
            format_args!(
                "<saml:AttributeValue>{}</saml:AttributeValue>",
                EscapedText(value)
            ),
        );
    }
    xml.push_str("</saml:Attribute>");
}
