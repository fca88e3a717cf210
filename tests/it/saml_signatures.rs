//! What is accepted as a signature, part by part: a fault is named before the library
//! sees the message, so that nothing rests on what the library does with it.

use std::sync::Arc;

use bergshamra::{DsigContext, Key, KeyData, KeyUsage, KeysManager};
use claimbridge::{
    keys::{
        Signer,
        certificate::Certificate,
        signing::{NewKey, RsaSigner},
    },
    protocol::xml::{
        XmlLimits, read,
        signature::{self, EXC_C14N, RSA_SHA256, SHA256, Sha1, SignatureError},
    },
};

use super::saml_kit::new_key;

const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";

/// An element with an empty signature.
fn element(id: &str, key: &NewKey, children: &str) -> String {
    let template = signature::template(id, &key.certificate);
    format!("<a ID=\"{id}\">{template}{children}</a>")
}

/// Our own signing: RSA-SHA256.
fn sign(xml: &str, key: &NewKey) -> String {
    let signer: Arc<dyn Signer> = Arc::new(RsaSigner::from_pkcs8(&key.pkcs8).unwrap());
    signature::sign(xml, &signer).unwrap()
}

/// The library's signing, of whatever the template says.
fn sign_as_it_says(xml: &str, key: &NewKey) -> String {
    let mut keys = KeysManager::new();
    let rsa = KeyData::from_pkcs8_der(kryptering::KeyAlgorithm::Rsa, key.pkcs8.expose()).unwrap();
    keys.add_key(Key::new(rsa, KeyUsage::Any));
    bergshamra::sign(&DsigContext::new_permissive(keys), xml).unwrap()
}

fn verify(xml: &str, key: &NewKey) -> Result<(), SignatureError> {
    let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let certificates = [Certificate::read(&key.certificate).unwrap()];
    signature::verify(&document, document.root(), &certificates, Sha1::Refused).map(|_| ())
}

/// From `from` to the end of the next `to`.
fn part<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let at = text.find(from).unwrap();
    &text[at..at + text[at..].find(to).unwrap() + to.len()]
}

#[test]
fn every_listed_hash_verifies() {
    let key = new_key();
    for (method, digest) in [
        (RSA_SHA256.to_owned(), SHA256.to_owned()),
        (format!("{MORE}rsa-sha384"), format!("{MORE}sha384")),
        (
            format!("{MORE}rsa-sha512"),
            "http://www.w3.org/2001/04/xmlenc#sha512".to_owned(),
        ),
    ] {
        let xml = element("_a", &key, "")
            .replace(RSA_SHA256, &method)
            .replace(SHA256, &digest);
        assert_eq!(verify(&sign_as_it_says(&xml, &key), &key), Ok(()), "{xml}");
    }
}

#[test]
fn a_list_of_prefixes_and_line_breaks_are_taken() {
    let key = new_key();
    let c14n = format!("<ds:Transform Algorithm=\"{EXC_C14N}\"/>");
    let listed = format!(
        "<ds:Transform Algorithm=\"{EXC_C14N}\"><ec:InclusiveNamespaces xmlns:ec=\"{EXC_C14N}\" \
PrefixList=\"ds\"/></ds:Transform>"
    );
    let xml = element("_a", &key, "").replace(&c14n, &listed);
    assert_eq!(verify(&sign_as_it_says(&xml, &key), &key), Ok(()));
    let xml = sign(&element("_a", &key, ""), &key);
    let value = part(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let broken = value.replace("==<", "\n=\n=\n<");
    assert_ne!(broken, value);
    assert_eq!(verify(&xml.replace(value, &broken), &key), Ok(()));
}

#[test]
fn attack_13_every_part_of_a_signature_stands_in_its_place() {
    let key = new_key();
    let good = sign(&element("_a", &key, ""), &key);
    assert_eq!(verify(&good, &key), Ok(()));
    let fault = |old: &str, new: &str| {
        let changed = good.replacen(old, new, 1);
        assert_ne!(changed, good, "{old}");
        verify(&changed, &key).expect_err(&changed)
    };
    let info = part(&good, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let value = part(&good, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let key_info = part(&good, "<ds:KeyInfo>", "</ds:KeyInfo>");
    let c14n = part(&good, "<ds:CanonicalizationMethod", "/>");
    let method = part(&good, "<ds:SignatureMethod", "/>");
    let reference = part(&good, "<ds:Reference", "</ds:Reference>");
    let transforms = part(&good, "<ds:Transforms>", "</ds:Transforms>");
    let digest_method = part(&good, "<ds:DigestMethod", "/>");
    let digest = part(&good, "<ds:DigestValue>", "</ds:DigestValue>");
    let filled = |empty: &str, name: &str| {
        let open = empty.replace("/>", ">");
        format!("{open}<ds:Parameter/></ds:{name}>")
    };
    let renamed = |part: &str, from: &str| part.replace(from, "Other");
    let other = "<ds:Other/>";
    for (old, new, said) in [
        (
            format!("{info}{value}"),
            format!("{value}{info}"),
            "SignedInfo does not come first",
        ),
        (
            value.to_owned(),
            renamed(value, "SignatureValue"),
            "SignatureValue does not come second",
        ),
        (
            key_info.to_owned(),
            other.to_owned(),
            "something else than KeyInfo follows SignatureValue",
        ),
        (
            key_info.to_owned(),
            format!("{key_info}{other}"),
            "something else than KeyInfo follows SignatureValue",
        ),
        (
            format!("{c14n}{method}"),
            format!("{method}{c14n}"),
            "SignedInfo has other children",
        ),
        (
            c14n.to_owned(),
            renamed(c14n, "CanonicalizationMethod"),
            "SignedInfo has other children",
        ),
        (
            method.to_owned(),
            renamed(method, "SignatureMethod"),
            "SignedInfo has other children",
        ),
        (
            format!("{method}{reference}"),
            format!("{reference}{method}"),
            "SignedInfo has other children",
        ),
        (
            reference.to_owned(),
            format!("{reference}{other}"),
            "SignedInfo has other children",
        ),
        (
            c14n.to_owned(),
            filled(c14n, "CanonicalizationMethod"),
            "SignedInfo has other children",
        ),
        (
            method.to_owned(),
            filled(method, "SignatureMethod"),
            "SignedInfo has other children",
        ),
        (
            " ID=\"_a\"".to_owned(),
            String::new(),
            "the signed element has no ID",
        ),
        (
            digest.to_owned(),
            format!("{digest}{other}"),
            "Reference has other children",
        ),
        (
            transforms.to_owned(),
            renamed(transforms, "Transforms"),
            "Reference has other children",
        ),
        (
            digest_method.to_owned(),
            renamed(digest_method, "DigestMethod"),
            "Reference has other children",
        ),
        (
            digest.to_owned(),
            renamed(digest, "DigestValue"),
            "Reference has other children",
        ),
        (
            digest_method.to_owned(),
            filled(digest_method, "DigestMethod"),
            "Reference has other children",
        ),
        (
            digest.to_owned(),
            "<ds:DigestValue/>".to_owned(),
            "a value is not base64",
        ),
        (
            value.to_owned(),
            "<ds:SignatureValue>!</ds:SignatureValue>".to_owned(),
            "a value is not base64",
        ),
    ] {
        assert_eq!(fault(&old, &new), SignatureError::Shape(said), "{new}");
    }
    // KeyInfo is a hint: without it the registered keys are tried.
    assert_eq!(verify(&good.replace(key_info, ""), &key), Ok(()));
}

#[test]
fn attack_13_the_transforms_are_two_and_in_order() {
    let key = new_key();
    let good = sign(&element("_a", &key, ""), &key);
    let enveloped = part(
        &good,
        "<ds:Transform Algorithm=\"http://www.w3.org/2000",
        "/>",
    );
    let c14n = part(
        &good,
        "<ds:Transform Algorithm=\"http://www.w3.org/2001",
        "/>",
    );
    let method = part(&good, "<ds:CanonicalizationMethod", "/>");
    let list = format!("<ec:InclusiveNamespaces xmlns:ec=\"{EXC_C14N}\" PrefixList=\"\"/>");
    let with = |empty: &str, children: &str| {
        format!("{}{children}</ds:Transform>", empty.replace("/>", ">"))
    };
    for (old, new) in [
        (format!("{enveloped}{c14n}"), format!("{c14n}{enveloped}")),
        (enveloped.to_owned(), c14n.to_owned()),
        (c14n.to_owned(), enveloped.to_owned()),
        (
            enveloped.to_owned(),
            enveloped.replace("Transform", "Other"),
        ),
        (c14n.to_owned(), c14n.replace("Transform", "Other")),
        (enveloped.to_owned(), with(enveloped, "<ds:XPath/>")),
        (c14n.to_owned(), with(c14n, "<ds:XPath/>")),
        (c14n.to_owned(), with(c14n, &format!("{list}{list}"))),
        (
            c14n.to_owned(),
            with(
                c14n,
                &list.replace("/>", "><ds:XPath/></ec:InclusiveNamespaces>"),
            ),
        ),
        (
            c14n.to_owned(),
            with(c14n, &list.replace(EXC_C14N, "urn:other")),
        ),
        (
            method.to_owned(),
            method.replace(EXC_C14N, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        ),
    ] {
        let changed = good.replacen(&old, &new, 1);
        assert_ne!(changed, good);
        assert_eq!(
            verify(&changed, &key),
            Err(SignatureError::Transforms),
            "{changed}"
        );
    }
}

#[test]
fn attack_10_other_signatures_of_a_message_are_few_and_well_shaped() {
    let key = new_key();
    let signed = |inner: usize| {
        let children: String = (0..inner)
            .map(|n| element(&format!("_b{n}"), &key, ""))
            .collect();
        sign(&element("_a", &key, &children), &key)
    };
    let four = signed(3);
    assert_eq!(verify(&four, &key), Ok(()));
    assert_eq!(verify(&signed(4), &key), Err(SignatureError::TooMany));

    // Each of the four holds, whichever is asked for.
    let last = |xml: &str| {
        let document = read(xml.as_bytes(), &XmlLimits::MESSAGE).unwrap();
        let certificates = [Certificate::read(&key.certificate).unwrap()];
        let element = document
            .elements()
            .find(|element| element.attribute("ID") == Some("_b2"))
            .unwrap();
        signature::verify(&document, element, &certificates, Sha1::Refused)
            .map(|signed| assert_eq!(signed.element(), element))
    };
    assert_eq!(last(&four), Ok(()));
    // One that stands before it must not make the library read elsewhere, or at all.
    let first_signature = part(&four, "<ds:Signature ", "</ds:Signature>");
    for changed in [
        four.replacen("URI=\"#_a\"", "URI=\"Cargo.toml\"", 1),
        four.replacen("URI=\"#_a\"", "URI=\"#_b2\"", 1),
        four.replacen("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>", 1),
        four.replacen(first_signature, &first_signature.replace("_a", ""), 1),
    ] {
        assert_ne!(changed, four);
        assert_eq!(last(&changed), Err(SignatureError::Foreign), "{changed}");
    }
}

#[test]
fn what_a_signature_says_of_itself_is_shown_as_it_stands() {
    let text = format!(
        "<a><ds:Signature xmlns:ds=\"{}\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"c\"/>\
<ds:SignatureMethod Algorithm=\"m\"/><ds:Reference URI=\"#r\"><ds:Transforms><ds:Transform \
Algorithm=\"t\"/><ds:Transform/></ds:Transforms><ds:DigestMethod Algorithm=\"d\"/></ds:Reference>\
<ds:Reference/></ds:SignedInfo><ds:KeyInfo><ds:KeyName> k </ds:KeyName><ds:X509Data>\
<ds:X509SKI>c2tp</ds:X509SKI><ds:X509Certificate>Y2Vy\ndA==</ds:X509Certificate>\
<ds:X509Certificate>!</ds:X509Certificate><X509Certificate>YQ==</X509Certificate></ds:X509Data>\
</ds:KeyInfo></ds:Signature></a>",
        signature::DSIG
    );
    let document = read(text.as_bytes(), &XmlLimits::MESSAGE).unwrap();
    let found = signature::signature_of(document.root()).unwrap().unwrap();
    let said = signature::describe(found);
    assert_eq!(said.canonicalization, Some("c"));
    assert_eq!(said.method, Some("m"));
    assert_eq!(said.references.len(), 2);
    assert_eq!(said.references[0].uri, Some("#r"));
    assert_eq!(said.references[0].transforms, ["t", ""]);
    assert_eq!(said.references[0].digest_method, Some("d"));
    assert_eq!(said.references[1], signature::ReferenceParts::default());
    assert_eq!(said.key_names, ["k"]);
    assert_eq!(said.key_identifiers, [b"ski"]);
    assert_eq!(said.certificates, [b"cert"]);
}

#[test]
fn attack_10_an_id_is_a_plain_name() {
    for good in ["_", "a", "Z9", "_a-b.c_d", &"a".repeat(256)] {
        assert!(signature::is_plain_id(good), "{good}");
    }
    for bad in [
        "",
        "1",
        "-a",
        ".a",
        "a b",
        "a:b",
        "é",
        "aé",
        "a#",
        "a'",
        &"a".repeat(257),
    ] {
        assert!(!signature::is_plain_id(bad), "{bad}");
    }
}
