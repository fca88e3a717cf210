//! Requests against their party: Entra's own forms, near misses, and attacks.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bergshamra::{DsigContext, Key, KeyData, KeyUsage, KeysManager};
use claimbridge::{
    base::{clock::Timestamp, text::DomainName},
    keys::{
        Signer as _,
        certificate::Certificate,
        signing::{NewKey, RsaSigner},
    },
    protocol::{
        saml::{
            authn_request::{
                Arrival, RequestError, RequestWindow, UnverifiedAuthnRequest, VerifiedAuthnRequest,
            },
            sp_metadata::parse_sp_metadata,
            status::Status,
        },
        xml::{
            XmlError,
            signature::{self, SignatureError},
        },
    },
    relying_party::{EntraCloud, RelyingParty, ReplyUrl, ReplyUrlError, RequestSignature, Sha1},
    signin::request::{Interaction, Reauthentication},
};
use flate2::{Compression, write::DeflateEncoder};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::saml_kit::{NOW, Seeded, new_key};

const UNSIGNED: &str = include_str!("../fixtures/entra/authn-request-unsigned.xml");
const SIGNED: &str = include_str!("../fixtures/entra/authn-request-signed.xml");
const METADATA: &[u8] = include_bytes!("../fixtures/entra/sp-metadata-global-2021.xml");
const SSO: &str = "https://idp.contoso.com/saml2/sso";
const SP: &str = "https://sp.example.com/saml";
const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";

fn at(now: Timestamp) -> Arrival<'static> {
    Arrival {
        sso_url: SSO,
        domain: None,
        now,
        window: RequestWindow::default(),
    }
}

fn party(certificates: Vec<Vec<u8>>) -> RelyingParty {
    let url = |index, path: &str| ReplyUrl {
        index,
        url: format!("https://sp.example.com/{path}"),
        preferred: index == 0,
    };
    let mut party = EntraCloud::global().relying_party(certificates);
    party.entity_id.0 = SP.to_owned();
    party.reply_urls = vec![url(0, "acs"), url(7, "acs?x=1&y=2")];
    party
}

/// A request of the party; `attributes` and `children` go into it.
fn request(attributes: &str, children: &str) -> String {
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_r1\" Version=\"2.0\" \
IssueInstant=\"2026-11-20T10:00:00Z\" {attributes}><saml:Issuer>{SP}</saml:Issuer>{children}\
</samlp:AuthnRequest>"
    )
}

fn post(xml: &str) -> Result<UnverifiedAuthnRequest, RequestError> {
    UnverifiedAuthnRequest::parse_post([
        ("SAMLRequest", BASE64.encode(xml).as_str()),
        ("RelayState", "state"),
    ])
}

fn verify(xml: &str, party: &RelyingParty) -> Result<VerifiedAuthnRequest, RequestError> {
    post(xml)?.verify(party, &at(NOW))
}

fn refused(xml: &str, party: &RelyingParty) -> RequestError {
    verify(xml, party).expect_err(xml)
}

/// The request with an enveloped RSA-SHA256 signature after its Issuer.
fn signed(attributes: &str, children: &str, key: &NewKey) -> String {
    let template = signature::template("_r1", &key.certificate);
    let xml = request(
        &format!("Destination=\"{SSO}\" {attributes}"),
        &format!("{template}{children}"),
    );
    let signer: Arc<dyn claimbridge::keys::Signer> =
        Arc::new(RsaSigner::from_pkcs8(&key.pkcs8).unwrap());
    signature::sign(&xml, &signer).unwrap()
}

/// `template` signed by bergshamra with any algorithm that it knows.
fn sign_with(key: KeyData, xml: &str) -> String {
    let mut keys = KeysManager::new();
    keys.add_key(Key::new(key, KeyUsage::Any));
    bergshamra::sign(&DsigContext::new_permissive(keys), xml).unwrap()
}

fn rsa(key: &NewKey) -> KeyData {
    KeyData::from_pkcs8_der(kryptering::KeyAlgorithm::Rsa, key.pkcs8.expose()).unwrap()
}

fn redirect_query(xml: &str, relay_state: Option<&str>) -> String {
    use std::io::Write as _;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(xml.as_bytes()).unwrap();
    let encode = |value: &str| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let message = encode(&BASE64.encode(encoder.finish().unwrap()));
    match relay_state {
        Some(state) => format!("SAMLRequest={message}&RelayState={}", encode(state)),
        None => format!("SAMLRequest={message}"),
    }
}

fn sign_query(query: &str, key: &NewKey) -> String {
    let to_sign = format!(
        "{query}&SigAlg={}",
        utf8_percent_encode(signature::RSA_SHA256, NON_ALPHANUMERIC)
    );
    let value = RsaSigner::from_pkcs8(&key.pkcs8)
        .unwrap()
        .sign(to_sign.as_bytes())
        .unwrap();
    let value = BASE64.encode(value);
    format!(
        "{to_sign}&Signature={}",
        utf8_percent_encode(&value, NON_ALPHANUMERIC)
    )
}

fn verify_redirect(
    query: &str,
    party: &RelyingParty,
) -> Result<VerifiedAuthnRequest, RequestError> {
    UnverifiedAuthnRequest::parse_redirect(query)?.verify(party, &at(NOW))
}

#[test]
fn entras_unsigned_request_is_taken() {
    let entra = EntraCloud::global().relying_party(Vec::new());
    let now = Timestamp::parse_rfc3339("2024-03-12T14:00:20Z").unwrap();
    let unverified = post(UNSIGNED).unwrap();
    assert_eq!(unverified.issuer(), "urn:federation:MicrosoftOnline");
    assert_eq!(unverified.id(), "_1e089e5c-a976-4881-af74-3b92c89e7e2c");
    let verified = unverified.verify(&entra, &at(now)).unwrap();
    assert_eq!(
        verified.request_id(),
        "_1e089e5c-a976-4881-af74-3b92c89e7e2c"
    );
    assert_eq!(
        verified.reply_url(),
        "https://login.microsoftonline.com/login.srf"
    );
    let asked = verified.into_sign_in_request(None);
    assert_eq!(asked.relay_state.as_deref(), Some("state"));
    assert_eq!(asked.reauthentication, Reauthentication::AsNeeded);
    assert_eq!(asked.interaction, Interaction::Allowed);
    // The same over the other binding.
    let query = redirect_query(UNSIGNED, Some("a&b=c"));
    let verified = UnverifiedAuthnRequest::parse_redirect(&query)
        .unwrap()
        .verify(&entra, &at(now))
        .unwrap();
    let asked = verified.into_sign_in_request(Some("agent1@contoso.com".to_owned()));
    assert_eq!(asked.relay_state.as_deref(), Some("a&b=c"));
    assert_eq!(asked.login_hint.as_deref(), Some("agent1@contoso.com"));
}

#[test]
fn entras_documented_signed_request_is_refused_and_the_reason_is_said() {
    // Its publisher edited it, and its key is not in the metadata (fixtures' README).
    let now = Timestamp::parse_rfc3339("2024-03-11T16:51:20Z").unwrap();
    let arrival = Arrival {
        sso_url: "https://fs.contoso.com/adfs/ls/",
        ..at(now)
    };
    let certificates = parse_sp_metadata(METADATA).unwrap().request_certificates;
    assert_eq!(certificates.len(), 2);
    let mut entra = EntraCloud::global().relying_party(certificates);
    let verify = |party: &RelyingParty| post(SIGNED).unwrap().verify(party, &arrival).unwrap_err();
    // No registered certificate has its X509SKI, whatever is allowed.
    assert!(matches!(verify(&entra), RequestError::UnknownKey));
    entra.sha1 = Sha1::AllowedInRequests;
    assert!(matches!(verify(&entra), RequestError::UnknownKey));
    // Without the X509SKI every certificate is tried: SHA-1 is refused, then the signature.
    let cut = |text: &str| {
        let (from, to) = (
            text.find("<KeyInfo>").unwrap(),
            text.find("</KeyInfo>").unwrap() + "</KeyInfo>".len(),
        );
        format!("{}{}", &text[..from], &text[to..])
    };
    let verify = |party: &RelyingParty| {
        post(&cut(SIGNED))
            .unwrap()
            .verify(party, &arrival)
            .unwrap_err()
    };
    assert!(matches!(
        verify(&entra),
        RequestError::Signature(SignatureError::DoesNotVerify)
    ));
    entra.sha1 = Sha1::Refused;
    assert!(matches!(
        verify(&entra),
        RequestError::Signature(SignatureError::Sha1)
    ));
}

#[test]
fn microsofts_own_metadata_signature_verifies_with_its_own_certificate() {
    // An rsa-sha1 signature by someone else, over a document we did not make.
    let document = claimbridge::protocol::xml::read(
        METADATA,
        &claimbridge::protocol::xml::XmlLimits::METADATA,
    )
    .unwrap();
    let root = document.root();
    let found = signature::signature_of(root).unwrap().unwrap();
    let own = Certificate::read(&signature::describe(found).certificates[0]).unwrap();
    let certificates = std::slice::from_ref(&own);
    assert!(signature::verify(&document, root, certificates, signature::Sha1::Allowed).is_ok());
    assert_eq!(
        signature::verify(&document, root, certificates, signature::Sha1::Refused).unwrap_err(),
        SignatureError::Sha1
    );
    let changed =
        String::from_utf8(METADATA.to_vec())
            .unwrap()
            .replacen("login.srf", "login.srg", 1);
    let document = claimbridge::protocol::xml::read(
        changed.as_bytes(),
        &claimbridge::protocol::xml::XmlLimits::METADATA,
    )
    .unwrap();
    assert_eq!(
        signature::verify(
            &document,
            document.root(),
            certificates,
            signature::Sha1::Allowed
        )
        .unwrap_err(),
        SignatureError::DoesNotVerify
    );
}

#[test]
fn a_signed_request_is_taken_and_its_values_are_those_signed() {
    let key = new_key();
    let mut sp = party(vec![new_key().certificate, key.certificate.clone()]);
    sp.request_signature = RequestSignature::Required;
    let xml = signed(
        "ForceAuthn=\"1\" AssertionConsumerServiceIndex=\"7\"",
        "",
        &key,
    );
    let verified = verify(&xml, &sp).unwrap();
    assert_eq!(verified.relying_party(), SP);
    assert_eq!(verified.reply_url(), "https://sp.example.com/acs?x=1&y=2");
    let asked = verified.into_sign_in_request(None);
    assert_eq!(asked.reauthentication, Reauthentication::Always);
    let query = sign_query(
        &redirect_query(
            &request(&format!("Destination=\"{SSO}\" IsPassive=\"true\""), ""),
            Some("s"),
        ),
        &key,
    );
    let asked = verify_redirect(&query, &sp)
        .unwrap()
        .into_sign_in_request(None);
    assert_eq!(asked.interaction, Interaction::Forbidden);

    // The key is chosen by X509SKI, as Entra names it.
    let named = |ski: &[u8]| {
        let (from, to) = (
            xml.find("<ds:X509Certificate>").unwrap(),
            xml.find("</ds:X509Certificate>").unwrap() + "</ds:X509Certificate>".len(),
        );
        format!(
            "{}<ds:X509SKI>{}</ds:X509SKI>{}",
            &xml[..from],
            BASE64.encode(ski),
            &xml[to..]
        )
    };
    let ski = Certificate::read(&key.certificate)
        .unwrap()
        .key_identifier
        .unwrap();
    assert!(verify(&named(&ski), &sp).is_ok());
    assert!(matches!(
        refused(&named(b"other"), &sp),
        RequestError::UnknownKey
    ));
}

#[test]
fn attack_13_only_a_registered_key_and_only_rsa() {
    let (key, stranger) = (new_key(), new_key());
    let sp = party(vec![key.certificate.clone()]);
    // The message brings the stranger's certificate, or claims to be of ours.
    let own = signed("", "", &stranger);
    assert!(matches!(
        refused(&own, &sp),
        RequestError::Signature(SignatureError::DoesNotVerify)
    ));
    let claims = own.replace(
        &BASE64.encode(&stranger.certificate),
        &BASE64.encode(&key.certificate),
    );
    assert!(matches!(
        refused(&claims, &sp),
        RequestError::Signature(SignatureError::DoesNotVerify)
    ));
    // Nobody's certificate is registered: a signature is never ignored.
    assert!(matches!(
        refused(&own, &party(Vec::new())),
        RequestError::Signature(SignatureError::NoKey)
    ));
    // HMAC with our public key as secret, and other families.
    let template = signature::template("_r1", &key.certificate);
    let destination = format!("Destination=\"{SSO}\"");
    let public = Certificate::read(&key.certificate).unwrap().public_key;
    for uri in [
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    ] {
        let xml = request(&destination, &template.replace(signature::RSA_SHA256, uri));
        let hmac = KeyData::from_symmetric_bytes(kryptering::KeyAlgorithm::Hmac, &public).unwrap();
        assert!(matches!(
            refused(&sign_with(hmac, &xml), &sp),
            RequestError::Signature(SignatureError::Algorithm(found)) if found == uri
        ));
    }
    for uri in [
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        "https://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "urn:none",
        "",
    ] {
        let xml = signed("", "", &key).replace(signature::RSA_SHA256, uri);
        assert!(
            matches!(
                refused(&xml, &sp),
                RequestError::Signature(SignatureError::Algorithm(_))
            ),
            "{uri}"
        );
    }
    // SHA-1 only where the operator allowed it for this party. (aws-lc makes no SHA-1
    // signatures; Microsoft's metadata, below, has one.)
    let sha1 = "http://www.w3.org/2000/09/xmldsig#sha1";
    let xml = sign_with(
        rsa(&key),
        &request(&destination, &template.replace(signature::SHA256, sha1)),
    );
    assert!(matches!(
        refused(&xml, &sp),
        RequestError::Signature(SignatureError::Sha1)
    ));
    let mut lenient = party(vec![key.certificate.clone()]);
    lenient.sha1 = Sha1::AllowedInRequests;
    assert!(verify(&xml, &lenient).is_ok());
    let named = signed("", "", &key).replace(signature::RSA_SHA256, RSA_SHA1);
    assert!(matches!(
        refused(&named, &sp),
        RequestError::Signature(SignatureError::Sha1)
    ));
    assert!(matches!(
        refused(&named, &lenient),
        RequestError::Signature(SignatureError::DoesNotVerify)
    ));
}

#[test]
fn attack_13_every_fault_of_a_signature_is_an_error() {
    let key = new_key();
    let sp = party(vec![key.certificate.clone()]);
    let good = signed("", "", &key);
    assert!(verify(&good, &sp).is_ok());
    let part = |from: &str, to: &str| {
        let at = good.find(from).unwrap();
        &good[at..at + good[at..].find(to).unwrap() + to.len()]
    };
    let signed_info = part("<ds:SignedInfo>", "</ds:SignedInfo>");
    let reference = part("<ds:Reference ", "</ds:Reference>");
    let value = part("<ds:SignatureValue>", "</ds:SignatureValue>");
    let digest = part("<ds:DigestValue>", "</ds:DigestValue>");
    let transforms = part("<ds:Transforms>", "</ds:Transforms>");
    let enveloped = part("<ds:Transform Algorithm=\"http://www.w3.org/2000", "/>");
    let c14n = part("<ds:Transform Algorithm=\"http://www.w3.org/2001", "/>");
    let xpath = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\">\
<ds:XPath>not(ancestor::saml:Issuer)</ds:XPath></ds:Transform>";
    let xslt = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>";
    for (old, new) in [
        (signed_info, String::new()),
        (signed_info, "<ds:SignedInfo/>".to_owned()),
        (signed_info, format!("{signed_info}{signed_info}")),
        (reference, String::new()),
        (reference, format!("{reference}{reference}")),
        (value, String::new()),
        (value, "<ds:SignatureValue/>".to_owned()),
        (value, "<ds:SignatureValue>!</ds:SignatureValue>".to_owned()),
        (
            value,
            "<ds:SignatureValue>YQ==</ds:SignatureValue>".to_owned(),
        ),
        (value, format!("{value}{value}")),
        (value, value.replace('>', "><!-- -->")),
        (digest, String::new()),
        (digest, "<ds:DigestValue/>".to_owned()),
        (digest, digest.replace("</", "<!-- --></")),
        (digest, "<ds:DigestValue>YQ==</ds:DigestValue>".to_owned()),
        (transforms, String::new()),
        (transforms, "<ds:Transforms/>".to_owned()),
        (enveloped, String::new()),
        (enveloped, format!("{enveloped}{xpath}")),
        (enveloped, format!("{enveloped}{xslt}")),
        (c14n, String::new()),
        (c14n, c14n.replace("c14n#", "c14n#WithComments")),
        (
            c14n,
            "<ds:Transform Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/>"
                .to_owned(),
        ),
        ("URI=\"#_r1\"", String::new()),
        ("URI=\"#_r1\"", "URI=\"\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"#_r2\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"#xpointer(/)\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"#xpointer(id('_r1'))\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"cid:x\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"Cargo.toml\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"file:///etc/passwd\"".to_owned()),
        ("URI=\"#_r1\"", "URI=\"http://127.0.0.1:1/\"".to_owned()),
        ("ID=\"_r1\"", "ID=\"xpointer(/)\"".to_owned()),
        (signature::SHA256, "urn:none".to_owned()),
        ("</ds:Signature>", "<ds:Object/></ds:Signature>".to_owned()),
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z".to_owned()),
    ] {
        let changed = good.replacen(old, &new, 1);
        assert_ne!(changed, good);
        let error = refused(&changed, &sp);
        assert!(!matches!(error, RequestError::Answerable(_)), "{changed}");
    }
    // Our own check says it first, so that the library never sees such a signature.
    let fault = |old: &str, new: &str| match refused(&good.replacen(old, new, 1), &sp) {
        RequestError::Signature(error) => error,
        error => panic!("{error}"),
    };
    assert_eq!(fault(reference, ""), SignatureError::References(0));
    assert_eq!(
        fault(reference, &format!("{reference}{reference}")),
        SignatureError::References(2)
    );
    for uri in [
        "",
        "#_r2",
        "#xpointer(/)",
        "cid:x",
        "Cargo.toml",
        "http://127.0.0.1:1/",
    ] {
        assert_eq!(
            fault("URI=\"#_r1\"", &format!("URI=\"{uri}\"")),
            SignatureError::Elsewhere(uri.to_owned())
        );
    }
    for (old, new) in [
        (enveloped, String::new()),
        (enveloped, format!("{enveloped}{xpath}")),
        (c14n, String::new()),
        (c14n, c14n.replace("c14n#", "c14n#WithComments")),
        (c14n, format!("{c14n}{c14n}")),
    ] {
        assert_eq!(fault(old, &new), SignatureError::Transforms);
    }
    for (old, new) in [
        (value, value.replace("</", " !</")),
        (digest, digest.replace("</", " !</")),
        (value, "<ds:SignatureValue/>".to_owned()),
        (digest, "<ds:DigestValue/>".to_owned()),
        ("</ds:Signature>", "<ds:Object/></ds:Signature>".to_owned()),
        ("</ds:Signature>", "<ds:KeyInfo/></ds:Signature>".to_owned()),
        (signed_info, format!("{signed_info}{signed_info}")),
    ] {
        assert!(
            matches!(fault(old, &new), SignatureError::Shape(_)),
            "{new}"
        );
    }
    // Two signatures in one element.
    let whole = part("<ds:Signature ", "</ds:Signature>");
    assert!(matches!(
        refused(&good.replacen(whole, &format!("{whole}{whole}"), 1), &sp),
        RequestError::Read(_)
    ));
    // Taken off altogether: refused where a signature is required, and only there.
    let bare = good.replacen(whole, "", 1);
    assert!(verify(&bare, &sp).is_ok());
    let mut strict = sp;
    strict.request_signature = RequestSignature::Required;
    assert!(matches!(refused(&bare, &strict), RequestError::Unsigned));
}

#[test]
fn attack_10_signature_wrapping_is_refused_in_all_its_forms() {
    let key = new_key();
    let mut sp = party(vec![key.certificate.clone()]);
    sp.request_signature = RequestSignature::Required;
    let good = signed("", "", &key);
    let at = good.find("<ds:Signature ").unwrap();
    let end = good.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let sig = &good[at..end];
    let original = format!("{}{}", &good[..at], &good[end..]);
    for evil_id in ["_r1", "_evil"] {
        let evil = |children: &str| {
            request(
                &format!("Destination=\"{SSO}\" ForceAuthn=\"true\""),
                children,
            )
            .replacen("ID=\"_r1\"", &format!("ID=\"{evil_id}\""), 1)
        };
        let in_object = sig.replace(
            "</ds:Signature>",
            &format!("<ds:Object>{original}</ds:Object></ds:Signature>"),
        );
        let in_signature = sig.replace("</ds:Signature>", &format!("{original}</ds:Signature>"));
        let extensions = |inner: &str| format!("<samlp:Extensions>{inner}</samlp:Extensions>");
        for (name, xml) in [
            (
                "XSW1: original in an Object of the signature",
                evil(&in_object),
            ),
            (
                "XSW2: original beside the signature",
                evil(&format!("{original}{sig}")),
            ),
            ("XSW3: signed original as a child", evil(&good)),
            (
                "XSW4: signed original in Extensions",
                evil(&extensions(&good)),
            ),
            (
                "XSW5: signature first, original last",
                evil(&format!("{sig}{original}")),
            ),
            ("XSW6: original in the signature", evil(&in_signature)),
            (
                "XSW7: original in Extensions, signature outside",
                evil(&format!("{sig}{}", extensions(&original))),
            ),
            (
                "XSW8: signature with Object in Extensions",
                evil(&extensions(&in_object)),
            ),
            ("signature only", evil(sig)),
            (
                "evil in Extensions of the original",
                good.replacen(
                    "</saml:Issuer>",
                    &format!("</saml:Issuer>{}", extensions(&evil(""))),
                    1,
                ),
            ),
        ] {
            assert!(verify(&xml, &sp).is_err(), "{name} with {evil_id}: {xml}");
        }
    }
}

#[test]
fn attack_14_the_signature_of_a_redirect_is_over_the_bytes_as_they_came() {
    let key = new_key();
    let mut sp = party(vec![new_key().certificate, key.certificate.clone()]);
    sp.request_signature = RequestSignature::Required;
    let xml = request(&format!("Destination=\"{SSO}\""), "");
    let unsigned = redirect_query(&xml, Some("a/b"));
    let good = sign_query(&unsigned, &key);
    assert!(verify_redirect(&good, &sp).is_ok());
    // The same values in another encoding are other bytes.
    let recoded = good.replacen("%2F", "%2f", 1);
    assert_ne!(recoded, good);
    assert!(matches!(
        verify_redirect(&recoded, &sp),
        Err(RequestError::Signature(SignatureError::DoesNotVerify))
    ));
    for changed in [
        good.replacen("RelayState=a", "RelayState=b", 1),
        good.replacen("&RelayState=a%2Fb", "", 1),
        good.replacen("&Signature=", "&Signature=AAAA", 1),
    ] {
        assert!(verify_redirect(&changed, &sp).is_err(), "{changed}");
    }
    // Another algorithm than the one that signed, SHA-1, HMAC.
    for (uri, sha1_refused) in [
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", false),
        (RSA_SHA1, true),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", false),
    ] {
        let encode = |uri: &str| utf8_percent_encode(uri, NON_ALPHANUMERIC).to_string();
        let changed = good.replacen(&encode(signature::RSA_SHA256), &encode(uri), 1);
        let error = verify_redirect(&changed, &sp).unwrap_err();
        assert_eq!(
            matches!(error, RequestError::Signature(SignatureError::Sha1)),
            sha1_refused,
            "{error}"
        );
    }
    assert!(matches!(
        verify_redirect(&unsigned, &sp),
        Err(RequestError::Unsigned)
    ));
    // A signature inside does not travel by redirect.
    let inside = redirect_query(&signed("", "", &key), None);
    assert!(matches!(
        verify_redirect(&inside, &sp),
        Err(RequestError::Form(_))
    ));
    // A signed message names its address.
    let nowhere = sign_query(&redirect_query(&request("", ""), None), &key);
    assert!(matches!(
        verify_redirect(&nowhere, &sp),
        Err(RequestError::Form(_))
    ));
}

#[test]
fn attack_15_the_answer_goes_only_where_the_party_registered() {
    let sp = party(Vec::new());
    let acs = |attributes: &str| verify(&request(attributes, ""), &sp);
    let url = |address: &str| acs(&format!("AssertionConsumerServiceURL=\"{address}\""));
    assert_eq!(acs("").unwrap().reply_url(), "https://sp.example.com/acs");
    assert_eq!(
        url("https://sp.example.com/acs?x=1&amp;y=2")
            .unwrap()
            .reply_url(),
        "https://sp.example.com/acs?x=1&y=2"
    );
    for near in [
        "https://sp.example.com/acs/",
        "https://sp.example.com/ACS",
        "https://SP.example.com/acs",
        "http://sp.example.com/acs",
        "https://sp.example.com:443/acs",
        "https://sp.example.com/acs?",
        "https://sp.example.com/acs#",
        "https://sp.example.com/./acs",
        "https://sp.example.com/acs?x=1",
        "https://sp.example.com.evil.com/acs",
        "https://sp.example.com@evil.com/acs",
        "https://evil.com/acs",
        " https://sp.example.com/acs",
        "",
    ] {
        assert!(
            matches!(
                url(near),
                Err(RequestError::ReplyUrl(ReplyUrlError::Unlisted))
            ),
            "{near}"
        );
    }
    for index in ["1", "70000"] {
        assert!(matches!(
            acs(&format!("AssertionConsumerServiceIndex=\"{index}\"")),
            Err(RequestError::ReplyUrl(ReplyUrlError::UnknownIndex))
        ));
    }
    assert!(matches!(
        acs(
            "AssertionConsumerServiceIndex=\"0\" AssertionConsumerServiceURL=\"https://sp.example.com/acs\""
        ),
        Err(RequestError::Form(_))
    ));
    // Looked up as another party than it says.
    let mut other = party(Vec::new());
    other.entity_id.0 = format!("{SP}/");
    assert!(matches!(
        refused(&request("", ""), &other),
        RequestError::OtherParty { .. }
    ));
}

#[test]
fn attack_16_a_request_counts_only_around_its_time() {
    let sp = party(Vec::new());
    let with = |instant: &str| {
        verify(
            &request("", "").replace("2026-11-20T10:00:00Z", instant),
            &sp,
        )
    };
    for instant in [
        "2026-11-20T09:50:00Z",
        "2026-11-20T10:05:00Z",
        "2026-11-20T10:05:00.000Z",
        "2026-11-20T11:00:00+01:00",
        "2026-11-20T09:59:59.999999999Z",
        "2026-11-20T09:59:60Z",
    ] {
        assert!(with(instant).is_ok(), "{instant}");
    }
    for instant in [
        "2026-11-20T09:49:59Z",
        "2026-11-20T09:49:59.999Z",
        "2026-11-20T10:05:00.001Z",
        "2026-11-20T10:05:01Z",
        "2025-11-20T10:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        assert!(
            matches!(with(instant), Err(RequestError::Time(_))),
            "{instant}"
        );
    }
    for instant in ["2026-11-20T10:00:00", "2026-11-20", "", "now"] {
        assert!(with(instant).is_err(), "{instant}");
    }
    // The window is the caller's.
    let arrival = Arrival {
        window: RequestWindow {
            ahead: Duration::ZERO,
            back: Duration::ZERO,
        },
        ..at(NOW)
    };
    assert!(
        post(&request("", ""))
            .unwrap()
            .verify(&sp, &arrival)
            .is_ok()
    );
    let later = Arrival {
        now: NOW.plus(Duration::from_millis(1)),
        ..arrival
    };
    assert!(post(&request("", "")).unwrap().verify(&sp, &later).is_err());
}

#[test]
fn attack_15_a_destination_is_ours_or_absent() {
    let domain: DomainName = "contoso.com".parse().unwrap();
    let to = |destination: &str, domain: Option<&DomainName>| {
        let xml = request(&format!("Destination=\"{destination}\""), "");
        let arrival = Arrival { domain, ..at(NOW) };
        post(&xml).unwrap().verify(&party(Vec::new()), &arrival)
    };
    let with_query = format!("{SSO}?domain=contoso.com");
    assert!(to(SSO, None).is_ok());
    assert!(to(SSO, Some(&domain)).is_ok());
    let bound = to(&with_query, Some(&domain)).unwrap();
    assert_eq!(
        bound.into_sign_in_request(None).domain.as_deref(),
        Some("contoso.com")
    );
    for (destination, domain) in [
        (with_query.as_str(), None),
        (
            "https://idp.contoso.com/saml2/sso?domain=evil.com",
            Some(&domain),
        ),
        ("https://idp.contoso.com/saml2/sso/", None),
        ("https://other.contoso.com/saml2/sso", None),
        ("http://idp.contoso.com/saml2/sso", None),
    ] {
        assert!(
            matches!(to(destination, domain), Err(RequestError::Destination(_))),
            "{destination}"
        );
    }
}

#[test]
fn what_cannot_be_given_is_answered_with_a_status_to_the_registered_address() {
    let sp = party(Vec::new());
    let context = |comparison: &str, class: &str| {
        format!(
            "<samlp:RequestedAuthnContext{comparison}><saml:AuthnContextClassRef>{class}\
</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
        )
    };
    let smartcard = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI";
    let multi = "http://schemas.microsoft.com/claims/multipleauthn";
    let password = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    for (attributes, children, status) in [
        (
            "ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact\"",
            String::new(),
            Status::UnsupportedBinding,
        ),
        (
            "",
            "<saml:Subject><saml:NameID>x</saml:NameID></saml:Subject>".to_owned(),
            Status::RequestUnsupported,
        ),
        (
            "",
            "<samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\"/>"
                .to_owned(),
            Status::InvalidNameIdPolicy,
        ),
        ("", context("", smartcard), Status::NoAuthnContext),
        (
            "",
            context(" Comparison=\"better\"", multi),
            Status::NoAuthnContext,
        ),
        (
            "",
            context(" Comparison=\"maximum\"", password),
            Status::NoAuthnContext,
        ),
        (
            "",
            "<samlp:RequestedAuthnContext><saml:AuthnContextDeclRef>x</saml:AuthnContextDeclRef>\
</samlp:RequestedAuthnContext>"
                .to_owned(),
            Status::NoAuthnContext,
        ),
    ] {
        let error = refused(&request(attributes, &children), &sp);
        let RequestError::Answerable(refusal) = error else {
            panic!("{error}: {children}");
        };
        assert_eq!(refusal.status, status, "{children}");
        assert_eq!(refusal.request_id, "_r1");
        assert_eq!(refusal.reply_url, "https://sp.example.com/acs");
        assert_eq!(refusal.relay_state.as_deref(), Some("state"));
    }
    for children in [
        context("", multi),
        context("", password),
        context(" Comparison=\"minimum\"", password),
        "<saml:Conditions NotBefore=\"2026-11-20T10:00:00Z\"/>".to_owned(),
        "<samlp:NameIDPolicy AllowCreate=\"true\"/>".to_owned(),
        "<samlp:Scoping ProxyCount=\"0\"/>".to_owned(),
        "<samlp:Extensions><x:y xmlns:x=\"urn:x\"/></samlp:Extensions>".to_owned(),
    ] {
        assert!(verify(&request("", &children), &sp).is_ok(), "{children}");
    }
}

#[test]
fn attack_10_what_is_no_request_ends_on_a_page() {
    let sp = party(Vec::new());
    let good = request("", "");
    for (old, new) in [
        ("Version=\"2.0\"", "Version=\"1.1\""),
        ("Version=\"2.0\"", ""),
        ("ID=\"_r1\"", ""),
        ("ID=\"_r1\"", "ID=\"1\""),
        ("ID=\"_r1\"", "ID=\"_r 1\""),
        ("ID=\"_r1\"", "ID=\"_r1\" ForceAuthn=\"maybe\""),
        ("ID=\"_r1\"", "ID=\"_r1\" saml:ForceAuthn=\"true\""),
        (
            "ID=\"_r1\"",
            "ID=\"_r1\" ForceAuthn=\"false\" saml:ForceAuthn=\"true\"",
        ),
        (
            "<saml:Issuer>",
            "<samlp:Issuer>x</samlp:Issuer><saml:Issuer>",
        ),
        ("<saml:Issuer>", "<saml:Issuer>x</saml:Issuer><saml:Issuer>"),
        ("<saml:Issuer>", "<saml:Issuer><!-- -->"),
        (
            "<saml:Issuer>",
            "<saml:Issuer xmlns:x=\"urn:x\" x:Format=\"y\">",
        ),
        (
            "</saml:Issuer>",
            "</saml:Issuer><x:NameIDPolicy xmlns:x=\"urn:x\"/>",
        ),
        ("</saml:Issuer>", "</saml:Issuer><saml:Assertion/>"),
        (
            "</saml:Issuer>",
            "</saml:Issuer><samlp:NameIDPolicy/><samlp:NameIDPolicy/>",
        ),
        (
            "</saml:Issuer>",
            "</saml:Issuer><samlp:RequestedAuthnContext Comparison=\"none\"/>",
        ),
        (
            "</saml:Issuer>",
            "</saml:Issuer><samlp:RequestedAuthnContext><samlp:AuthnContextClassRef>x\
</samlp:AuthnContextClassRef></samlp:RequestedAuthnContext>",
        ),
        (
            "</saml:Issuer>",
            "</saml:Issuer><samlp:RequestedAuthnContext><saml:AuthnContextClassRef>x<!-- -->y\
</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>",
        ),
        ("</saml:Issuer>", "</saml:Issuer><saml:EncryptedAssertion/>"),
        (
            "</saml:Issuer>",
            "</saml:Issuer><saml:Subject><saml:EncryptedID/></saml:Subject><saml:EncryptedID/>",
        ),
        ("samlp:AuthnRequest", "samlp:LogoutRequest"),
        (
            "urn:oasis:names:tc:SAML:2.0:protocol",
            "urn:oasis:names:tc:SAML:1.0:protocol",
        ),
    ] {
        let changed = good.replace(old, new);
        assert_ne!(changed, good);
        let error = refused(&changed, &sp);
        assert!(!matches!(error, RequestError::Answerable(_)), "{changed}");
    }
    for no_issuer in [
        good.replace(&format!("<saml:Issuer>{SP}</saml:Issuer>"), ""),
        good.replace(SP, ""),
    ] {
        assert!(matches!(post(&no_issuer), Err(RequestError::NoIssuer)));
    }
    assert!(matches!(
        post(&format!("<!DOCTYPE x>{good}")),
        Err(RequestError::Xml(XmlError::Forbidden(_)))
    ));
    assert!(post(&good.replace("_r1", &format!("_{}", "a".repeat(255)))).is_ok());
    assert!(post(&good.replace("_r1", &format!("_{}", "a".repeat(256)))).is_err());
}

#[test]
fn attack_12_an_issuer_with_a_comment_in_it_is_refused_signed_or_not() {
    let key = new_key();
    let sp = party(vec![key.certificate.clone()]);
    // Canonical form has no comments, so the signature still holds: our reader refuses.
    let commented = signed("", "", &key).replacen("example.com", "example<!-- -->.com", 1);
    assert!(matches!(post(&commented), Err(RequestError::Read(_))));
    let plain = request("", "").replacen("example.com", "<![CDATA[example]]>.com", 1);
    assert!(matches!(post(&plain), Err(RequestError::Read(_))));
    // Elsewhere a comment changes nothing that is read.
    let beside = signed("", "", &key).replacen("</saml:Issuer>", "</saml:Issuer><!-- x -->", 1);
    assert!(verify(&beside, &sp).is_ok());
}

#[test]
fn attack_13_a_changed_byte_verifies_nothing_else() {
    let key = new_key();
    let mut sp = party(vec![key.certificate.clone()]);
    sp.request_signature = RequestSignature::Required;
    let good = signed("ForceAuthn=\"true\"", "", &key);
    let mut expected = verify(&good, &sp).unwrap().into_sign_in_request(None);
    expected.relay_state = None;
    let mut random = Seeded::new(5);
    for _ in 0..300 {
        let mut bytes = good.clone().into_bytes();
        let place = random.below(bytes.len());
        bytes[place] = b"abcXYZ019 <>&\"/=-_.:"[random.below(20)];
        let Ok(unverified) =
            UnverifiedAuthnRequest::parse_post([("SAMLRequest", BASE64.encode(&bytes).as_str())])
        else {
            continue;
        };
        // What still verifies (a change in KeyInfo) says what it said.
        if let Ok(verified) = unverified.verify(&sp, &at(NOW)) {
            let changed = verified.into_sign_in_request(None);
            assert_eq!(changed, expected, "byte {place}");
        }
    }
}
