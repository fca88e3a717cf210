//! [`PasswordClaims`] → a signed assertion of SAML 1.1 that says "by password" and no more.
//!
//! Always true: it is encoded from `&PasswordClaims` and nothing else, and the one method that
//! it can name is a constant of this file. Values are escaped exactly once (attack 12); the
//! signature is the last child, by a key for assertions only (attack 34).

use super::TOKEN_TYPES;
use crate::{
    base::clock::Timestamp,
    claims::active::PasswordClaims,
    keys::{KeyPurpose, SigningKey},
    protocol::{
        assertion::{EncodeError, Validity},
        wsfed::assertion::{IMMUTABLE_ID, UPN},
        xml::{
            signature,
            writing::{Escaped, EscapedText, push},
        },
    },
};

const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// By password (SAML 1.1 core §7.1.1): all that this door knows.
const METHOD: &str = "urn:oasis:names:tc:SAML:1.0:am:password";

/// A token as it goes out. It is put into an answer as it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedToken {
    /// The assertion.
    pub xml: String,
    /// Whom it is for.
    pub audience: String,
    /// From when until when it is valid.
    pub validity: Validity,
}

/// The assertion of `claims`, signed with `key`. `id`: new and unguessable
/// ([`crate::protocol::assertion::message_id`]).
pub fn encode_password_assertion(
    claims: &PasswordClaims,
    id: &str,
    now: Timestamp,
    key: &SigningKey,
) -> Result<SignedToken, EncodeError> {
    let signer = key.signer_for(KeyPurpose::Assertion)?;
    let validity = Validity::of(now);
    let mut xml = String::with_capacity(6 * 1024);
    push(
        &mut xml,
        format_args!(
            "<saml:Assertion xmlns:saml=\"{}\" MajorVersion=\"1\" MinorVersion=\"1\" AssertionID=\"{}\" Issuer=\"{}\" IssueInstant=\"{now}\">\
<saml:Conditions NotBefore=\"{}\" NotOnOrAfter=\"{}\"><saml:AudienceRestrictionCondition><saml:Audience>{}</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>",
            TOKEN_TYPES[0],
            Escaped(id),
            Escaped(claims.issuer()),
            validity.not_before,
            validity.not_on_or_after,
            EscapedText(claims.audience()),
        ),
    );
    xml.push_str("<saml:AttributeStatement>");
    push_subject(&mut xml, claims);
    for ((namespace, name), value) in [(UPN, claims.upn()), (IMMUTABLE_ID, claims.name_id())] {
        push(
            &mut xml,
            format_args!(
                "<saml:Attribute AttributeName=\"{name}\" AttributeNamespace=\"{namespace}\"><saml:AttributeValue>{}</saml:AttributeValue></saml:Attribute>",
                EscapedText(value)
            ),
        );
    }
    push(
        &mut xml,
        format_args!(
            "</saml:AttributeStatement><saml:AuthenticationStatement AuthenticationMethod=\"{METHOD}\" AuthenticationInstant=\"{}\">",
            claims.at()
        ),
    );
    push_subject(&mut xml, claims);
    xml.push_str("</saml:AuthenticationStatement>");
    xml.push_str(&signature::template(id, &key.certificate));
    xml.push_str("</saml:Assertion>");
    Ok(SignedToken {
        xml: signature::sign(&xml, signer)?,
        audience: claims.audience().to_owned(),
        validity,
    })
}

fn push_subject(xml: &mut String, claims: &PasswordClaims) {
    push(
        xml,
        format_args!(
            "<saml:Subject><saml:NameIdentifier Format=\"{UNSPECIFIED}\">{}</saml:NameIdentifier><saml:SubjectConfirmation><saml:ConfirmationMethod>{BEARER}</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>",
            EscapedText(claims.name_id())
        ),
    );
}
