//! Both verifiers accept our responses, and refuse each with one byte changed.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::{
    base::{
        clock::{Clock as _, SystemClock},
        random::SystemRandom,
    },
    keys::SigningKey,
    protocol::{
        assertion::message_id,
        saml::response::{Envelope, encode_response},
        wsfed,
    },
    relying_party::ResponseSignature,
};

use super::saml_kit::{Agent, Seeded, assertion_key, entra, new_key};

/// As the issue asks.
const CHANGES: usize = 200;
const ACS: &str = "https://login.microsoftonline.com/login.srf";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion";
const ASSERTION11: &str = "urn:oasis:names:tc:SAML:1.0:assertion:Assertion";
const RESPONSE: &str = "urn:oasis:names:tc:SAML:2.0:protocol:Response";
const LOGOUT_REQUEST: &str = "urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest";
const LOGOUT_RESPONSE: &str = "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse";

/// A response of a real sign-in, at the real time: the verifiers look at their clock.
fn response(agent: &mut Agent, response_signature: ResponseSignature) -> (String, String) {
    let now = SystemClock.now();
    let party = entra();
    let key: std::sync::Arc<SigningKey> = assertion_key(&new_key());
    let claims = agent.sign_in(&party, now);
    let envelope = Envelope {
        response_id: message_id(&mut SystemRandom),
        assertion_id: message_id(&mut SystemRandom),
        in_response_to: "_1e089e5c-a976-4881-af74-3b92c89e7e2c",
        acs: ACS,
        now,
        response_signature,
    };
    let xml = encode_response(&claims, &envelope, &key).unwrap().xml;
    (xml, pem(&key))
}

/// The same over WS-Federation, with an assertion of SAML 1.1.
fn wsfed_response(agent: &mut Agent) -> (String, String) {
    let now = SystemClock.now();
    let key: std::sync::Arc<SigningKey> = assertion_key(&new_key());
    let claims = agent.sign_in(&entra(), now);
    let envelope = wsfed::assertion::Envelope {
        assertion_id: message_id(&mut SystemRandom),
        now,
        stay: claimbridge::session::Stay::UntilClosed,
    };
    let xml = wsfed::response::encode_response(&claims, &envelope, &key).unwrap();
    (xml, pem(&key))
}

pub fn pem(key: &SigningKey) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        BASE64
            .encode(&key.certificate)
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    )
}

/// `xml` with one byte of the assertion changed, still well-formed, and another
/// document: not in KeyInfo (a hint that no signature covers), no white space, not
/// the unused bits of the last base64 character.
pub fn changed(xml: &str, random: &mut Seeded) -> String {
    changed_in(xml, ("<saml:Assertion ", "</saml:Assertion>"), random)
}

/// The same of another element.
pub fn changed_in(xml: &str, (open, close): (&str, &str), random: &mut Seeded) -> String {
    let element = between(xml, open, close);
    let key_info = between(xml, "<ds:KeyInfo>", "</ds:KeyInfo>");
    loop {
        let at = element.start + random.below(element.len());
        let new = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/#"
            [random.below(68)];
        let mut bytes = xml.to_owned().into_bytes();
        let is_last_of_base64 = bytes.get(at + 1) == Some(&b'=');
        if key_info.contains(&at) || is_last_of_base64 || bytes[at] == new || bytes[at] == b'=' {
            continue;
        }
        bytes[at] = new;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        // Judged by a parser that is neither ours nor the verifiers'.
        if roxmltree::Document::parse(&text).is_ok() {
            return text;
        }
    }
}

fn between(xml: &str, open: &str, close: &str) -> Range<usize> {
    let from = xml.rfind(open).unwrap();
    from..from + xml[from..].find(close).unwrap() + close.len()
}

pub fn run(command: &mut Command, install: &str) -> (bool, String) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; install it: {install}"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), said)
}

/// xmlsec1's word on the signature at `node` (an XPath), with our certificate only.
pub fn xmlsec_accepts(directory: &Path, file: &str, node: &str) -> (bool, String) {
    run(
        Command::new("xmlsec1")
            .args(["--verify", "--enabled-key-data", "rsa"])
            .args(["--enabled-reference-uris", "same-doc"])
            .args(["--id-attr:ID", ASSERTION, "--id-attr:ID", RESPONSE])
            .args(["--id-attr:AssertionID", ASSERTION11])
            .args([
                "--id-attr:ID",
                LOGOUT_REQUEST,
                "--id-attr:ID",
                LOGOUT_RESPONSE,
            ])
            .args(["--node-xpath", node])
            .arg("--pubkey-cert-pem")
            .arg(directory.join("certificate.pem"))
            .arg(directory.join(file)),
        "apt-get install xmlsec1",
    )
}

fn node_saml(
    directory: &Path,
    files: &[String],
    want_response_signed: bool,
) -> Vec<serde_json::Value> {
    let modules = std::env::var_os("CLAIMBRIDGE_NODE_SAML").map(PathBuf::from).expect(
        "CLAIMBRIDGE_NODE_SAML is not set; run tests/tools/verify-saml.sh, which installs @node-saml/node-saml",
    );
    let cases = serde_json::json!({
        "certificate": "certificate.pem",
        "audience": entra().entity_id.as_str(),
        "acs": ACS,
        "wantResponseSigned": want_response_signed,
        "files": files,
    });
    std::fs::write(directory.join("cases.json"), cases.to_string()).unwrap();
    let (ran, said) = run(
        Command::new("node")
            .current_dir(&modules)
            .arg("node-saml.js")
            .arg(directory),
        "apt-get install nodejs npm",
    );
    assert!(ran, "{said}");
    let verdicts: Vec<serde_json::Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(verdicts.len(), files.len(), "{said}");
    verdicts
}

pub const ASSERTION_SIGNATURE: &str = "//*[local-name()='Assertion']/*[local-name()='Signature']";
const RESPONSE_SIGNATURE: &str = "/*[local-name()='Response']/*[local-name()='Signature']";

pub fn directory_with(pem: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("certificate.pem"), pem).unwrap();
    directory
}

#[test]
fn both_verifiers_accept_our_response_and_refuse_each_changed_byte() {
    let mut agent = Agent::new(
        "o'neil#1@contoso.com",
        "AbC+/dEf==",
        "https://idp.contoso.com/contoso.com?a=1&b=2",
    );
    let (xml, pem) = response(&mut agent, ResponseSignature::AssertionOnly);
    let directory = directory_with(&pem);
    let path = directory.path();
    std::fs::write(path.join("good.xml"), &xml).unwrap();
    let mut random = Seeded::new(200);
    let mut files = vec!["good.xml".to_owned()];
    for number in 0..CHANGES {
        let name = format!("changed-{number}.xml");
        std::fs::write(path.join(&name), changed(&xml, &mut random)).unwrap();
        files.push(name);
    }

    for file in &files {
        let (accepted, said) = xmlsec_accepts(path, file, ASSERTION_SIGNATURE);
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        assert_eq!(
            accepted,
            file == "good.xml",
            "xmlsec1 {file}: {said}\n{text}"
        );
    }
    let verdicts = node_saml(path, &files, false);
    for verdict in &verdicts {
        let file = verdict["file"].as_str().unwrap();
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        assert_eq!(
            verdict["accepted"],
            file == "good.xml",
            "node-saml {verdict}\n{text}"
        );
    }
    // What another library reads is what we meant.
    assert_eq!(verdicts[0]["nameID"], "AbC+/dEf==");
    let attributes = &verdicts[0]["attributes"];
    assert_eq!(attributes["IDPEmail"], "o'neil#1@contoso.com");
    assert_eq!(
        attributes["http://schemas.microsoft.com/claims/authnmethodsreferences"],
        serde_json::json!([
            "http://schemas.microsoft.com/claims/multipleauthn",
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
        ])
    );
}

#[test]
fn both_verifiers_accept_a_response_that_is_signed_as_a_whole_too() {
    let (xml, pem) = response(
        &mut Agent::of_contoso(),
        ResponseSignature::AssertionAndResponse,
    );
    let directory = directory_with(&pem);
    std::fs::write(directory.path().join("good.xml"), &xml).unwrap();
    for signature in [ASSERTION_SIGNATURE, RESPONSE_SIGNATURE] {
        let (accepted, said) = xmlsec_accepts(directory.path(), "good.xml", signature);
        assert!(accepted, "{signature}: {said}");
    }
    let verdicts = node_saml(directory.path(), &["good.xml".to_owned()], true);
    assert_eq!(verdicts[0]["accepted"], true, "{}", verdicts[0]);
}

#[test]
fn another_key_is_refused_by_both() {
    let mut agent = Agent::of_contoso();
    let (xml, _) = response(&mut agent, ResponseSignature::AssertionOnly);
    let (_, other) = response(&mut agent, ResponseSignature::AssertionOnly);
    let directory = directory_with(&other);
    std::fs::write(directory.path().join("good.xml"), &xml).unwrap();
    assert!(!xmlsec_accepts(directory.path(), "good.xml", ASSERTION_SIGNATURE).0);
    let verdicts = node_saml(directory.path(), &["good.xml".to_owned()], false);
    assert_eq!(verdicts[0]["accepted"], false);
}

/// What Entra's door of WS-Federation gets: @node-saml knows no SAML 1.1.
#[test]
fn xmlsec1_accepts_our_saml11_assertion_and_refuses_each_changed_byte() {
    let mut agent = Agent::new(
        "o'neil#1@contoso.com",
        "AbC+/dEf==",
        "https://idp.contoso.com/contoso.com?a=1&b=2",
    );
    let (xml, pem) = wsfed_response(&mut agent);
    let directory = directory_with(&pem);
    let path = directory.path();
    std::fs::write(path.join("good.xml"), &xml).unwrap();
    let (accepted, said) = xmlsec_accepts(path, "good.xml", ASSERTION_SIGNATURE);
    assert!(accepted, "{said}");
    // Cut out of its answer, it stands alone.
    let alone = &xml[between(&xml, "<saml:Assertion ", "</saml:Assertion>")];
    std::fs::write(path.join("alone.xml"), alone).unwrap();
    let (accepted, said) = xmlsec_accepts(path, "alone.xml", ASSERTION_SIGNATURE);
    assert!(accepted, "{said}");
    let mut random = Seeded::new(201);
    for number in 0..CHANGES {
        let text = changed(&xml, &mut random);
        std::fs::write(path.join("changed.xml"), &text).unwrap();
        let (accepted, said) = xmlsec_accepts(path, "changed.xml", ASSERTION_SIGNATURE);
        assert!(!accepted, "change {number}: {said}\n{text}");
    }
    let (_, other) = wsfed_response(&mut agent);
    let directory = directory_with(&other);
    std::fs::write(directory.path().join("good.xml"), &xml).unwrap();
    assert!(!xmlsec_accepts(directory.path(), "good.xml", ASSERTION_SIGNATURE).0);
}
