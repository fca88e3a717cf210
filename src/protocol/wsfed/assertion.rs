//! A [`ClaimSet`] → a signed assertion of SAML 1.1 (entra-federation-facts §2.3).
//!
//! Always true: an assertion that says MFA is encoded from `&ClaimSet` and nothing else;
//! every value is escaped exactly once (attack 12); the signature is the last child, as
//! Entra wants it, by a key for assertions only (attack 34). `insidecorporatenetwork` is
//! never claimed: we do not know.
//!
//! <https://docs.oasis-open.org/security/saml/v1.1/>

use super::ASSERTION_NS;
use crate::{
    base::clock::Timestamp,
    claims::{
        ClaimSet,
        authn_context::{PASSWORD, PASSWORD_SAML11},
    },
    keys::{KeyPurpose, SigningKey},
    protocol::{
        assertion::{EncodeError, Validity},
        xml::{
            signature,
            writing::{Escaped, EscapedText, push},
        },
    },
    session::Stay,
};

const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// An attribute's name: namespace and local name.
type Name = (&'static str, &'static str);

/// The attribute that a person is recognised by beside the ImmutableID.
pub const UPN: Name = ("http://schemas.xmlsoap.org/claims", "UPN");
/// The person's ImmutableID: the key by which Entra finds the person.
pub const IMMUTABLE_ID: Name = (
    "http://schemas.microsoft.com/LiveID/Federation/2008/05",
    "ImmutableID",
);
/// The names under which readers look for the methods, MFA among them; the values are the
/// same. Entra reads the first two, the third is the partner documentation's.
pub const METHODS: [Name; 3] = [
    (
        "http://schemas.microsoft.com/ws/2008/06/identity/claims",
        "authenticationmethod",
    ),
    (
        "http://schemas.microsoft.com/claims",
        "authnmethodsreferences",
    ),
    (
        "http://schemas.microsoft.com/claims",
        "authenticationmethodsreferences",
    ),
];
/// When the first factor was proved: what sign-in frequency counts from.
pub const AUTHENTICATION_INSTANT: Name = (
    "http://schemas.microsoft.com/ws/2008/06/identity/claims",
    "authenticationinstant",
);
/// When the second class of factor was proved.
pub const MULTI_FACTOR_INSTANT: Name = (
    "http://schemas.microsoft.com/ws/2017/04/identity/claims",
    "multifactorauthenticationinstant",
);

/// That the reader may keep the person signed in, too ("keep me signed in"). Never a proof.
pub const PERSISTENT: Name = ("http://schemas.microsoft.com/2014/03", "psso");

/// What stands around the claims.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The assertion's id; new and unguessable: [`crate::protocol::assertion::message_id`].
    pub assertion_id: String,
    /// Now.
    pub now: Timestamp,
    /// Whether the person stays signed in here: then the reader may keep its session too.
    pub stay: Stay,
}

/// An assertion as it goes out. It is put into an answer as it stands: written again by a
/// library it would not be what was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedAssertion {
    /// The text.
    pub xml: String,
    /// Whom it is for.
    pub audience: String,
    /// From when until when it is valid.
    pub validity: Validity,
}

/// What an assertion says. Made from claims alone, in this file.
struct Statement<'a> {
    issuer: &'a str,
    audience: &'a str,
    name_id: &'a str,
    upn: &'a str,
    method: &'a str,
    methods: Vec<&'a str>,
    first_factor_at: Timestamp,
    multi_factor_at: Option<Timestamp>,
}

impl<'a> Statement<'a> {
    fn of(claims: &'a ClaimSet) -> Self {
        Self {
            issuer: claims.issuer(),
            audience: claims.audience(),
            name_id: claims.name_id(),
            upn: claims.upn(),
            method: claims.class_ref(),
            methods: claims
                .method_references()
                .iter()
                .map(|method| in_saml11(method))
                .collect(),
            first_factor_at: claims.authn_instant(),
            multi_factor_at: Some(claims.multi_factor_instant()),
        }
    }
}

/// SAML 1.1 has a name of its own for a password.
fn in_saml11(method: &'static str) -> &'static str {
    match method {
        PASSWORD => PASSWORD_SAML11,
        other => other,
    }
}

/// The assertion of `claims` for their audience, signed with `key`.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode_assertion(
    claims: &ClaimSet,
    envelope: &Envelope,
    key: &SigningKey,
) -> Result<SignedAssertion, EncodeError> {
    encode(&Statement::of(claims), envelope, key)
}

fn encode(
    statement: &Statement<'_>,
    envelope: &Envelope,
    key: &SigningKey,
) -> Result<SignedAssertion, EncodeError> {
    let signer = key.signer_for(KeyPurpose::Assertion)?;
    let validity = Validity::of(envelope.now);
    let mut xml = String::with_capacity(8 * 1024);
    // The namespace is declared here and nowhere above: the assertion stands alone when it is
    // cut out, and no byte of it is without effect.
    push(
        &mut xml,
        format_args!(
            "<saml:Assertion xmlns:saml=\"{ASSERTION_NS}\" MajorVersion=\"1\" MinorVersion=\"1\" AssertionID=\"{}\" Issuer=\"{}\" IssueInstant=\"{}\">\
<saml:Conditions NotBefore=\"{}\" NotOnOrAfter=\"{}\"><saml:AudienceRestrictionCondition><saml:Audience>{}</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>\
<saml:AttributeStatement>",
            Escaped(&envelope.assertion_id),
            Escaped(statement.issuer),
            envelope.now,
            validity.not_before,
            validity.not_on_or_after,
            EscapedText(statement.audience),
        ),
    );
    push_subject(&mut xml, statement);
    push_attributes(&mut xml, statement);
    if envelope.stay == Stay::ForLifetime {
        push_attribute(&mut xml, PERSISTENT, &["true"]);
    }
    push(
        &mut xml,
        format_args!(
            "</saml:AttributeStatement><saml:AuthenticationStatement AuthenticationMethod=\"{}\" AuthenticationInstant=\"{}\">",
            Escaped(statement.method),
            statement.first_factor_at,
        ),
    );
    push_subject(&mut xml, statement);
    xml.push_str("</saml:AuthenticationStatement>");
    xml.push_str(&signature::template(
        &envelope.assertion_id,
        &key.certificate,
    ));
    xml.push_str("</saml:Assertion>");
    Ok(SignedAssertion {
        xml: signature::sign(&xml, signer)?,
        audience: statement.audience.to_owned(),
        validity,
    })
}

fn push_subject(xml: &mut String, statement: &Statement<'_>) {
    push(
        xml,
        format_args!(
            "<saml:Subject><saml:NameIdentifier Format=\"{UNSPECIFIED}\">{}</saml:NameIdentifier>\
<saml:SubjectConfirmation><saml:ConfirmationMethod>{BEARER}</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>",
            EscapedText(statement.name_id)
        ),
    );
}

fn push_attributes(xml: &mut String, statement: &Statement<'_>) {
    push_attribute(xml, UPN, &[statement.upn]);
    push_attribute(xml, IMMUTABLE_ID, &[statement.name_id]);
    for name in METHODS {
        push_attribute(xml, name, &statement.methods);
    }
    let first = statement.first_factor_at.to_string();
    push_attribute(xml, AUTHENTICATION_INSTANT, &[&first]);
    if let Some(second) = statement.multi_factor_at {
        push_attribute(xml, MULTI_FACTOR_INSTANT, &[&second.to_string()]);
    }
}

fn push_attribute(xml: &mut String, (namespace, name): Name, values: &[&str]) {
    push(
        xml,
        format_args!(
            "<saml:Attribute AttributeName=\"{name}\" AttributeNamespace=\"{namespace}\">"
        ),
    );
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
