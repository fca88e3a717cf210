//! Whole responses, from a real sign-in to the bytes that leave.

use claimbridge::{
    keys::{KeyPurpose, SignError, certificate::Certificate, signing},
    protocol::{
        assertion::{EncodeError, message_id},
        saml::{
            ASSERTION_NS, PROTOCOL_NS,
            response::{Envelope, SignedResponse, StatusEnvelope, encode_response, encode_status},
            status::Status,
        },
        xml::{
            XmlLimits, read,
            signature::{self, DSIG, Sha1, SignatureError},
        },
    },
    relying_party::{RelyingParty, ResponseSignature},
};

use super::saml_kit::{Agent, NOW, Seeded, assertion_key, entra, new_key};

const ACS: &str = "https://login.microsoftonline.com/login.srf";

fn envelope(response_signature: ResponseSignature) -> Envelope<'static> {
    let mut random = Seeded::new(1);
    Envelope {
        response_id: message_id(&mut random),
        assertion_id: message_id(&mut random),
        in_response_to: "_1e089e5c-a976-4881-af74-3b92c89e7e2c",
        acs: ACS,
        now: NOW,
        response_signature,
    }
}

fn respond(
    agent: &mut Agent,
    party: &RelyingParty,
    response_signature: ResponseSignature,
) -> (SignedResponse, Certificate) {
    let new = new_key();
    let claims = agent.sign_in(party, NOW);
    let response =
        encode_response(&claims, &envelope(response_signature), &assertion_key(&new)).unwrap();
    (response, Certificate::read(&new.certificate).unwrap())
}

/// One element a line, and the two values that differ with each key left out.
pub fn snapshot(xml: &str) -> String {
    let mut text = xml.replace("><", ">\n<");
    for name in ["ds:SignatureValue", "ds:X509Certificate"] {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut from = 0;
        while let Some(at) = text[from..].find(&open).map(|at| from + at + open.len()) {
            let end = at + text[at..].find(&close).unwrap();
            text.replace_range(at..end, "…");
            from = at;
        }
    }
    text
}

#[test]
fn a_response_to_entra_is_the_documented_one() {
    let (response, _) = respond(
        &mut Agent::of_contoso(),
        &entra(),
        ResponseSignature::AssertionOnly,
    );
    insta::assert_snapshot!(snapshot(&response.xml));
}

#[test]
fn a_party_may_have_the_response_signed_too() {
    let (response, certificate) = respond(
        &mut Agent::of_contoso(),
        &entra(),
        ResponseSignature::AssertionAndResponse,
    );
    let document = read(response.xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let root = document.root();
    // Its digest covers the assertion's signature, which differs with each key.
    let digest = document
        .elements()
        .find(|element| element.is(DSIG, "DigestValue"))
        .unwrap();
    let text = snapshot(&response.xml).replace(digest.text().unwrap(), "…");
    insta::assert_snapshot!(text);
    let assertion = root.only_child(ASSERTION_NS, "Assertion").unwrap();
    for element in [root, assertion] {
        let certificates = std::slice::from_ref(&certificate);
        let signed = signature::verify(&document, element, certificates, Sha1::Refused).unwrap();
        assert_eq!(signed.element(), element);
    }
}

#[test]
fn the_assertion_is_signed_by_the_key_that_it_names_and_by_no_other() {
    let (response, certificate) = respond(
        &mut Agent::of_contoso(),
        &entra(),
        ResponseSignature::AssertionOnly,
    );
    let document = read(response.xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let root = document.root();
    let assertion = root.only_child(ASSERTION_NS, "Assertion").unwrap();
    assert_eq!(
        assertion.attribute("ID"),
        Some(response.assertion_id.as_str())
    );
    let certificates = std::slice::from_ref(&certificate);
    assert!(signature::verify(&document, assertion, certificates, Sha1::Refused).is_ok());
    assert_eq!(
        signature::verify(&document, root, certificates, Sha1::Refused).unwrap_err(),
        SignatureError::Missing("Response".to_owned())
    );
    let other = Certificate::read(&new_key().certificate).unwrap();
    assert_eq!(
        signature::verify(&document, assertion, &[other], Sha1::Refused).unwrap_err(),
        SignatureError::DoesNotVerify
    );
    let parts = signature::describe(signature::signature_of(assertion).unwrap().unwrap());
    assert_eq!(parts.method, Some(signature::RSA_SHA256));
    assert_eq!(parts.certificates, [certificate.der]);
}

#[test]
fn attack_12_values_are_escaped_once_and_read_back_as_they_are() {
    let issuer = "https://idp.contoso.com/contoso.com?a=1&b='2'";
    let mut agent = Agent::new("o'neil!#x@contoso.com", "AbC+/dEf==", issuer);
    let mut party = entra();
    party.entity_id.0 = "https://sp.example.com/?x=<1>&y=\"2\"".to_owned();
    let (response, certificate) = respond(&mut agent, &party, ResponseSignature::AssertionOnly);
    let document = read(response.xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let assertion = document
        .root()
        .only_child(ASSERTION_NS, "Assertion")
        .unwrap();
    assert!(signature::verify(&document, assertion, &[certificate], Sha1::Refused).is_ok());
    let texts = |name: &str| -> Vec<String> {
        document
            .elements()
            .filter(|element| element.local_name() == name)
            .map(|element| element.text().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts("Issuer"), [issuer, issuer]);
    assert_eq!(texts("NameID"), ["AbC+/dEf=="]);
    assert_eq!(texts("Audience"), [party.entity_id.0.as_str()]);
    assert_eq!(texts("AttributeValue")[0], "o'neil!#x@contoso.com");
}

#[test]
fn the_claim_of_mfa_stands_where_entra_reads_it_and_with_one_value_per_method() {
    let (response, _) = respond(
        &mut Agent::of_contoso(),
        &entra(),
        ResponseSignature::AssertionOnly,
    );
    let document = read(response.xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let classes: Vec<_> = document
        .elements()
        .filter(|element| element.is(ASSERTION_NS, "AuthnContextClassRef"))
        .map(|element| element.text().unwrap())
        .collect();
    assert_eq!(
        classes,
        ["http://schemas.microsoft.com/claims/multipleauthn"]
    );
    for name in [
        "http://schemas.microsoft.com/claims/authnmethodsreferences",
        "http://schemas.microsoft.com/claims/authenticationmethodsreferences",
    ] {
        let attribute = document
            .elements()
            .find(|element| element.attribute("Name") == Some(name))
            .unwrap();
        let values: Vec<_> = attribute
            .children()
            .map(|value| value.text().unwrap())
            .collect();
        assert_eq!(
            values,
            [
                "http://schemas.microsoft.com/claims/multipleauthn",
                "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
                "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
            ]
        );
    }
}

#[test]
fn attack_34_a_key_for_something_else_signs_no_assertion() {
    let new = new_key();
    let claims = Agent::of_contoso().sign_in(&entra(), NOW);
    for purpose in [KeyPurpose::Oidc, KeyPurpose::Audit] {
        let id = claimbridge::base::ids::KeyId::random(&mut Seeded::new(2));
        let key = signing::load(id, purpose, &new.pkcs8, new.certificate.clone(), NOW).unwrap();
        let encoded = encode_response(&claims, &envelope(ResponseSignature::AssertionOnly), &key);
        assert!(matches!(
            encoded,
            Err(EncodeError::Key(SignError::WrongPurpose { .. }))
        ));
    }
}

#[test]
fn a_status_brings_no_assertion_and_is_signed_only_where_responses_are() {
    let new = new_key();
    let status = |response_signature| {
        encode_status(
            Status::NoPassive,
            &StatusEnvelope {
                response_id: message_id(&mut Seeded::new(1)),
                in_response_to: "_1",
                acs: ACS,
                issuer: "https://idp.contoso.com/contoso.com",
                now: NOW,
                response_signature,
            },
            &assertion_key(&new),
        )
        .unwrap()
    };
    let unsigned = status(ResponseSignature::AssertionOnly);
    insta::assert_snapshot!(snapshot(&unsigned));
    let signed = status(ResponseSignature::AssertionAndResponse);
    let document = read(signed.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    assert!(document.root().is(PROTOCOL_NS, "Response"));
    let certificate = Certificate::read(&new.certificate).unwrap();
    assert!(signature::verify(&document, document.root(), &[certificate], Sha1::Refused).is_ok());
    for xml in [unsigned, signed] {
        assert!(!xml.contains("Assertion "), "{xml}");
    }
}

#[test]
fn attack_10_ids_are_new_each_time_and_xml_names() {
    let mut random = Seeded::new(3);
    let ids: std::collections::HashSet<String> =
        (0..1000).map(|_| message_id(&mut random)).collect();
    assert_eq!(ids.len(), 1000);
    assert!(
        ids.iter()
            .all(|id| signature::is_plain_id(id) && id.len() == 27)
    );
}

#[test]
fn no_byte_of_the_assertion_can_be_changed() {
    let (response, certificate) = respond(
        &mut Agent::of_contoso(),
        &entra(),
        ResponseSignature::AssertionOnly,
    );
    refuses_each_changed_byte(&response.xml, certificate, ASSERTION_NS);
}

/// Four hundred bytes of the assertion in `xml` changed, each refused unless it says the same.
pub fn refuses_each_changed_byte(xml: &str, certificate: Certificate, namespace: &str) {
    let close = "</saml:Assertion>";
    let from = xml.find("<saml:Assertion").unwrap();
    let to = xml.find(close).unwrap() + close.len();
    // What the signature cannot cover is what carries it: KeyInfo is only a hint.
    let key_info = xml.find("<ds:KeyInfo").unwrap()
        ..xml.find("</ds:KeyInfo>").unwrap() + "</ds:KeyInfo>".len();
    let certificates = [certificate];
    let mut random = Seeded::new(4);
    let mut refused = 0;
    while refused < 400 {
        let at = from + random.below(to - from);
        if key_info.contains(&at) {
            continue;
        }
        let mut bytes = xml.to_owned().into_bytes();
        let new = b"abcXYZ019 <>&\"/=-_.:"[random.below(20)];
        if bytes[at] == new {
            continue;
        }
        bytes[at] = new;
        refused += 1;
        let Ok(document) = read(&bytes, &XmlLimits::MESSAGE) else {
            continue;
        };
        let Some(assertion) = document
            .elements()
            .find(|element| element.is(namespace, "Assertion"))
        else {
            continue;
        };
        let verified = signature::verify(&document, assertion, &certificates, Sha1::Refused);
        // White space inside base64, and a changed prefix of the signature's own
        // namespace, say the same: then what is read must be what was signed.
        if verified.is_ok() {
            let original = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
            let values = |document: &claimbridge::protocol::xml::XmlDocument<'_>| -> Vec<String> {
                document
                    .elements()
                    .filter(|element| element.namespace() != DSIG)
                    .map(|element| {
                        let attributes: Vec<_> = element.attributes().collect();
                        format!("{element:?} {attributes:?} {:?}", element.text())
                    })
                    .collect()
            };
            assert_eq!(
                values(&document),
                values(&original),
                "byte {at} {:?} → {:?}",
                char::from(xml.as_bytes()[at]),
                char::from(new)
            );
        }
    }
}
