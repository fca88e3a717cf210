//! A small identity provider of the tests' own: it shares no line with ours, and
//! it can be told to get any one thing wrong.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bergshamra::{DsigContext, Key, KeyData, KeyUsage, KeysManager};
use claimbridge::base::clock::Timestamp;
use std::{sync::LazyLock, time::Duration};

pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

/// A key pair with its certificate.
pub struct TestKey {
    pkcs8: Vec<u8>,
    pub certificate: Vec<u8>,
}

fn key(name: &str) -> TestKey {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = parameters.self_signed(&pair).unwrap().der().to_vec();
    TestKey {
        pkcs8: pair.serialize_der(),
        certificate,
    }
}

/// The key whose certificate the practice tenant has registered.
pub static REGISTERED: LazyLock<TestKey> = LazyLock::new(|| key("idp.contoso.com"));
/// A key that nobody has registered.
pub static STRANGER: LazyLock<TestKey> = LazyLock::new(|| key("idp.evil.example"));

/// What is signed.
#[derive(Clone, Copy, PartialEq)]
pub enum Signed {
    Assertion,
    ResponseOnly,
    Both,
    Nothing,
}

/// A response to be.
#[derive(Clone)]
pub struct Response {
    pub issuer: String,
    pub audience: String,
    pub recipient: String,
    pub in_response_to: String,
    pub name_id: String,
    pub name_id_format: String,
    pub email: String,
    pub class_reference: String,
    pub status: String,
    pub issued_at: Timestamp,
    pub signed_in_at: Timestamp,
    pub signed: Signed,
}

impl Response {
    pub fn signature(id: &str, key: &TestKey) -> String {
        format!(
            r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"##,
            STANDARD.encode(&key.certificate)
        )
    }

    /// The signed message as XML.
    pub fn xml(&self, key: &TestKey) -> String {
        let Self {
            issuer,
            audience,
            recipient,
            in_response_to,
            name_id,
            name_id_format,
            email,
            class_reference,
            status,
            ..
        } = self;
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let now = self.issued_at;
        let signed_in_at = self.signed_in_at;
        let (confirm_until, from, until) = (
            now.plus(minutes(5)),
            now.minus(minutes(5)),
            now.plus(minutes(55)),
        );
        let assertion_signature = match self.signed {
            Signed::Assertion | Signed::Both => Self::signature("_a1", key),
            Signed::ResponseOnly | Signed::Nothing => String::new(),
        };
        let assertion = format!(
            r#"<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="{now}"><Issuer>{issuer}</Issuer>{assertion_signature}<Subject><NameID Format="{name_id_format}">{name_id}</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData InResponseTo="{in_response_to}" NotOnOrAfter="{confirm_until}" Recipient="{recipient}"/></SubjectConfirmation></Subject><Conditions NotBefore="{from}" NotOnOrAfter="{until}"><AudienceRestriction><Audience>{audience}</Audience></AudienceRestriction></Conditions><AuthnStatement AuthnInstant="{signed_in_at}" SessionIndex="_a1"><AuthnContext><AuthnContextClassRef>{class_reference}</AuthnContextClassRef></AuthnContext></AuthnStatement><AttributeStatement><Attribute Name="IDPEmail"><AttributeValue>{email}</AttributeValue></Attribute><Attribute Name="http://schemas.microsoft.com/claims/authnmethodsreferences"><AttributeValue>{class_reference}</AttributeValue></Attribute></AttributeStatement></Assertion>"#
        );
        let response_signature = match self.signed {
            Signed::ResponseOnly | Signed::Both => Self::signature("_r1", key),
            Signed::Assertion | Signed::Nothing => String::new(),
        };
        let assertion = if status.ends_with(":Success") {
            if self.signed == Signed::Nothing || self.signed == Signed::ResponseOnly {
                assertion
            } else {
                sign(&assertion, key)
            }
        } else {
            String::new()
        };
        let response = format!(
            r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0" IssueInstant="{now}" Destination="{recipient}" InResponseTo="{in_response_to}"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{issuer}</Issuer>{response_signature}<samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>{assertion}</samlp:Response>"#
        );
        if response_signature.is_empty() {
            response
        } else {
            sign(&response, key)
        }
    }
}

/// Fills in the first signature of `template`.
pub fn sign(template: &str, key: &TestKey) -> String {
    let data = KeyData::from_pkcs8_der(kryptering::KeyAlgorithm::Rsa, &key.pkcs8).unwrap();
    let mut keys = KeysManager::new();
    keys.add_key(Key::new(data, KeyUsage::Any));
    bergshamra::sign(&DsigContext::new(keys), template).unwrap()
}
