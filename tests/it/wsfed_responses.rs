//! Whole answers over WS-Federation, from a real sign-in to the bytes that leave; and the
//! metadata.

use std::sync::Arc;

use claimbridge::{
    inspect::{Consumer, Context, Outcome, inspect, pre_flight},
    keys::{KeyPurpose, SignError, SigningKey, certificate::Certificate, signing},
    protocol::{
        assertion::EncodeError,
        wsfed::{
            ASSERTION_NS, FEDERATION_NS, TRUST_NS,
            assertion::{Envelope, encode_assertion},
            metadata::{FederationMetadata, encode_metadata},
            response::{around, encode_response},
        },
        xml::{
            XmlElement, XmlLimits, read,
            signature::{self, DSIG, Sha1},
        },
    },
    relying_party::{EntraCloud, RelyingParty},
    session::Stay,
};

use super::{
    saml_kit::{Agent, NOW, Seeded, assertion_key, entra, new_key},
    saml_responses::{refuses_each_changed_byte, snapshot},
};

const METADATA_NS: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";

fn envelope() -> Envelope {
    Envelope {
        assertion_id: "_mudaonqdfo4jqqqnbbr5zjzfha".to_owned(),
        now: NOW,
        stay: Stay::UntilClosed,
    }
}

fn answer(agent: &mut Agent, party: &RelyingParty) -> (String, Arc<SigningKey>) {
    let key = assertion_key(&new_key());
    let claims = agent.sign_in(party, NOW);
    (encode_response(&claims, &envelope(), &key).unwrap(), key)
}

fn certificate(key: &SigningKey) -> Certificate {
    Certificate::read(&key.certificate).unwrap()
}

/// What Entra would hold for the person's domain.
fn registered(key: &SigningKey) -> Context {
    let mut context = Context::at(NOW);
    context.expect = Some(Consumer::EntraWsfed);
    context.issuer = Some("https://idp.contoso.com/contoso.com".to_owned());
    context.realm = Some("contoso.com".parse().unwrap());
    context.cloud = Some(EntraCloud::global());
    context.certificates = vec![key.certificate.clone()];
    context
}

#[test]
fn an_answer_to_entra_is_the_documented_one() {
    let (xml, _) = answer(&mut Agent::of_contoso(), &entra());
    insta::assert_snapshot!(snapshot(&xml));
}

#[test]
fn entras_rules_accept_it_as_multi_factor_with_nothing_to_remark() {
    let (xml, key) = answer(&mut Agent::of_contoso(), &entra());
    let context = registered(&key);
    assert!(pre_flight(xml.as_bytes(), &context).is_ok());
    let report = inspect(xml.as_bytes(), &context);
    let verdict = report.verdict(Consumer::EntraWsfed).unwrap();
    assert_eq!(
        (verdict.outcome, verdict.mfa),
        (Outcome::Accepted, Some(true))
    );
    let findings: Vec<_> = report.findings.iter().map(|found| found.rule).collect();
    assert_eq!(findings, [""; 0]);
}

#[test]
fn the_pre_flight_stops_what_entra_would_refuse() {
    let (xml, key) = answer(&mut Agent::of_contoso(), &entra());
    let mut context = registered(&key);
    context.issuer = Some("https://idp.contoso.com/other.com".to_owned());
    assert!(pre_flight(xml.as_bytes(), &context).is_err());
    let context = registered(&assertion_key(&new_key()));
    assert!(pre_flight(xml.as_bytes(), &context).is_err());
}

#[test]
fn entra_is_told_to_keep_its_session_only_where_people_stay_signed_in_here() {
    let key = assertion_key(&new_key());
    let psso = |stay| {
        let claims = Agent::of_contoso().sign_in(&entra(), NOW);
        let envelope = Envelope { stay, ..envelope() };
        let xml = encode_response(&claims, &envelope, &key).unwrap();
        assert!(pre_flight(xml.as_bytes(), &registered(&key)).is_ok());
        let says = "<saml:Attribute AttributeName=\"psso\" \
            AttributeNamespace=\"http://schemas.microsoft.com/2014/03\">\
            <saml:AttributeValue>true</saml:AttributeValue></saml:Attribute>";
        (xml.matches(says).count(), xml.matches("psso").count())
    };
    assert_eq!(psso(Stay::UntilClosed), (0, 0));
    assert_eq!(psso(Stay::ForLifetime), (1, 1));
}

#[test]
fn mfa_stands_in_every_place_with_one_value_per_method() {
    let (xml, _) = answer(&mut Agent::of_contoso(), &entra());
    let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let values = |name: &str| -> Vec<String> {
        let attribute = document
            .elements()
            .find(|element| element.attribute("AttributeName") == Some(name))
            .unwrap();
        attribute
            .children()
            .map(|value| value.text().unwrap().to_owned())
            .collect()
    };
    for name in [
        "authenticationmethod",
        "authnmethodsreferences",
        "authenticationmethodsreferences",
    ] {
        assert_eq!(
            values(name),
            [
                MULTIPLE_AUTHN,
                "urn:oasis:names:tc:SAML:1.0:am:password",
                "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
            ],
            "{name}"
        );
    }
    let statement = document
        .elements()
        .find(|element| element.is(ASSERTION_NS, "AuthenticationStatement"))
        .unwrap();
    assert_eq!(
        statement.attribute("AuthenticationMethod"),
        Some(MULTIPLE_AUTHN)
    );
    // The password was proved 20 seconds before the code: two instants, and neither is "now".
    let (first, second) = ("2026-11-20T09:59:40.000Z", "2026-11-20T10:00:00.000Z");
    assert_eq!(statement.attribute("AuthenticationInstant"), Some(first));
    assert_eq!(values("authenticationinstant"), [first]);
    assert_eq!(values("multifactorauthenticationinstant"), [second]);
    assert!(!xml.contains("insidecorporatenetwork"));
}

#[test]
fn the_signature_is_the_last_child_and_the_assertion_stands_alone() {
    let key = assertion_key(&new_key());
    let claims = Agent::of_contoso().sign_in(&entra(), NOW);
    let assertion = encode_assertion(&claims, &envelope(), &key).unwrap();
    let whole = around(&assertion);
    assert!(whole.contains(&assertion.xml), "it is put in as it is");
    for xml in [&assertion.xml, &whole] {
        let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
        let found = document
            .elements()
            .find(|element| element.is(ASSERTION_NS, "Assertion"))
            .unwrap();
        assert!(found.children().last().unwrap().is(DSIG, "Signature"));
        let signed =
            signature::verify(&document, found, &[certificate(&key)], Sha1::Refused).unwrap();
        assert_eq!(signed.element(), found);
        let other = certificate(&assertion_key(&new_key()));
        assert!(signature::verify(&document, found, &[other], Sha1::Refused).is_err());
        let parts = signature::describe(signature::signature_of(found).unwrap().unwrap());
        assert_eq!(parts.method, Some(signature::RSA_SHA256));
        assert_eq!(parts.certificates, std::slice::from_ref(&key.certificate));
        assert_eq!(parts.references.len(), 1);
        assert_eq!(
            parts.references[0].uri,
            Some("#_mudaonqdfo4jqqqnbbr5zjzfha")
        );
    }
}

#[test]
fn attack_12_values_are_escaped_once_and_read_back_as_they_are() {
    let issuer = "https://idp.contoso.com/contoso.com?a=1&b='2'";
    let mut agent = Agent::new("o'neil!#x@contoso.com", "AbC+/dEf==", issuer);
    let mut party = entra();
    party.entity_id.0 = "https://rp.example.com/?x=<1>&y=\"2\"".to_owned();
    let (xml, key) = answer(&mut agent, &party);
    let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let assertion = document
        .elements()
        .find(|element| element.is(ASSERTION_NS, "Assertion"))
        .unwrap();
    let certificates = [certificate(&key)];
    assert!(signature::verify(&document, assertion, &certificates, Sha1::Refused).is_ok());
    assert_eq!(assertion.attribute("Issuer"), Some(issuer));
    let texts = |name: &str| -> Vec<String> {
        document
            .elements()
            .filter(|element| element.local_name() == name)
            .map(|element| element.text().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts("NameIdentifier"), ["AbC+/dEf==", "AbC+/dEf=="]);
    assert_eq!(texts("Audience"), [party.entity_id.0.as_str()]);
    assert_eq!(texts("Address"), [party.entity_id.0.as_str()]);
    assert_eq!(
        texts("AttributeValue")[..2],
        ["o'neil!#x@contoso.com", "AbC+/dEf=="]
    );
}

#[test]
fn no_byte_of_the_assertion_can_be_changed() {
    let (xml, key) = answer(&mut Agent::of_contoso(), &entra());
    refuses_each_changed_byte(&xml, certificate(&key), ASSERTION_NS);
}

#[test]
fn attack_34_a_key_for_something_else_signs_no_assertion() {
    let new = new_key();
    let claims = Agent::of_contoso().sign_in(&entra(), NOW);
    for purpose in [KeyPurpose::Oidc, KeyPurpose::Audit] {
        let id = claimbridge::base::ids::KeyId::random(&mut Seeded::new(2));
        let key = signing::load(id, purpose, &new.pkcs8, new.certificate.clone(), NOW).unwrap();
        assert!(matches!(
            encode_response(&claims, &envelope(), &key),
            Err(EncodeError::Key(SignError::WrongPurpose { .. }))
        ));
    }
}

#[test]
fn the_answer_is_of_ws_trust_2005_with_one_token() {
    let (xml, _) = answer(&mut Agent::of_contoso(), &entra());
    let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let root = document.root();
    assert!(root.is(TRUST_NS, "RequestSecurityTokenResponse"));
    let names: Vec<_> = root.children().map(XmlElement::local_name).collect();
    assert_eq!(
        names,
        [
            "Lifetime",
            "AppliesTo",
            "RequestedSecurityToken",
            "TokenType",
            "RequestType",
            "KeyType",
        ]
    );
    let token = root.only_child(TRUST_NS, "RequestedSecurityToken").unwrap();
    assert_eq!(token.children().count(), 1);
    // No line end or tab: a form gives back every byte of it.
    assert!(!xml.chars().any(char::is_control));
}

#[test]
fn attack_10_metadata_names_issuer_addresses_and_keys_of_both_roles_and_is_not_signed() {
    let domain = "contoso.com".parse().unwrap();
    let mut metadata = FederationMetadata {
        entity_id: "https://idp.example.com/contoso.com?a&b",
        domain: Some(&domain),
        passive_url: "https://idp.example.com/wsfed",
        active_url: None,
        sso_url: "https://idp.example.com/saml2/sso",
        slo_url: "https://idp.example.com/saml2/slo",
        certificates: &[b"now", b"next"],
    };
    let text = encode_metadata(&metadata);
    let document = read(text.as_bytes(), &XmlLimits::METADATA).unwrap();
    let root = document.root();
    assert!(root.is(METADATA_NS, "EntityDescriptor"));
    assert_eq!(
        root.attribute("entityID"),
        Some("https://idp.example.com/contoso.com?a&b")
    );
    assert!(!document.elements().any(|e| e.is(DSIG, "Signature")));
    let roles: Vec<_> = root.children().collect();
    assert_eq!(
        roles
            .iter()
            .map(|role| role.local_name())
            .collect::<Vec<_>>(),
        ["RoleDescriptor", "IDPSSODescriptor"]
    );
    for role in &roles {
        let certificates: Vec<_> = role
            .descendants()
            .filter(|element| element.is(DSIG, "X509Certificate"))
            .map(|element| element.text().unwrap())
            .collect();
        assert_eq!(certificates, ["bm93", "bmV4dA=="]);
    }
    assert_eq!(
        roles[0].attribute("protocolSupportEnumeration"),
        Some(FEDERATION_NS)
    );
    // `xsi:type` is a name with a prefix, which the reader must be able to resolve.
    assert!(text.contains(&format!("xmlns:fed=\"{FEDERATION_NS}\"")));
    assert!(text.contains("xsi:type=\"fed:SecurityTokenServiceType\""));
    let names: Vec<_> = roles[0].children().map(XmlElement::local_name).collect();
    assert_eq!(
        names,
        [
            "KeyDescriptor",
            "KeyDescriptor",
            "TokenTypesOffered",
            "ClaimTypesOffered",
            "SecurityTokenServiceEndpoint",
            "PassiveRequestorEndpoint",
        ]
    );
    let addresses: Vec<_> = document
        .elements()
        .filter(|element| element.local_name() == "Address")
        .map(|element| element.text().unwrap())
        .collect();
    assert_eq!(
        addresses,
        ["https://idp.example.com/wsfed?domain=contoso.com"; 2]
    );
    // The door for programs, while it is open.
    metadata.active_url = Some("https://idp.example.com/trust/2005/usernamemixed");
    let open = encode_metadata(&metadata);
    let asked = "<fed:SecurityTokenServiceEndpoint><wsa:EndpointReference xmlns:wsa=\"http://www.w3.org/2005/08/addressing\"><wsa:Address>https://idp.example.com/trust/2005/usernamemixed</wsa:Address>";
    assert!(open.contains(asked), "{open}");
    assert_eq!(open.matches("/trust/").count(), 1);
}
