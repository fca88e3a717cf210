//! Our messages of single logout, judged by others: xmlsec1 and @node-saml/node-saml by POST,
//! openssl over the very octets of the query and @node-saml/node-saml by redirect. They accept
//! what we send, read what we meant, and refuse each changed copy.

use std::{
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
        saml::logout::outgoing::{
            LogoutRequest, LogoutResponse, LogoutStatus, Outgoing, encode_request, encode_response,
        },
    },
    relying_party::{LogoutBinding, SingleLogout},
};
use serde_json::{Value, json};

use super::{
    saml_kit::{Seeded, assertion_key, new_key},
    verdicts::{changed_in, directory_with, pem, run, xmlsec_accepts},
};

const CHANGES: usize = 60;
const PARTY: &str = "https://sp.example.com/sp";
const ISSUER: &str = "https://idp.contoso.com/contoso.com?a=1&b=2";
const NAME_ID: &str = "AbC+/dEf==";
const SESSION: &str = "_1e089e5c-a976-4881-af74-3b92c89e7e2c";
/// As odd as a party may send it.
const RELAY_STATE: &str = "a b+c%20d&e=f/é\"'<>~";

fn to(binding: LogoutBinding) -> SingleLogout {
    SingleLogout {
        binding,
        request_url: "https://sp.example.com/slo?a=b&c=d".to_owned(),
        response_url: None,
    }
}

/// Our request and our answer, at the real time: the verifiers look at their clock.
fn messages(binding: LogoutBinding, key: &SigningKey) -> [Outgoing; 2] {
    let now = SystemClock.now();
    let request = LogoutRequest {
        id: &message_id(&mut SystemRandom),
        issuer: ISSUER,
        name_id: NAME_ID,
        session_index: SESSION,
        now,
    };
    let response = LogoutResponse {
        id: message_id(&mut SystemRandom),
        in_response_to: "_of-the-party",
        issuer: ISSUER,
        status: LogoutStatus::Ended,
        now,
    };
    let to = to(binding);
    [
        encode_request(&request, &to, key).unwrap(),
        encode_response(&response, &to, Some(RELAY_STATE), key).unwrap(),
    ]
}

fn node_saml(directory: &Path, messages: &[Value]) -> Vec<Value> {
    let modules = std::env::var_os("CLAIMBRIDGE_NODE_SAML").map(PathBuf::from).expect(
        "CLAIMBRIDGE_NODE_SAML is not set; run tests/tools/verify-saml.sh, which installs @node-saml/node-saml",
    );
    let cases =
        json!({ "certificate": "certificate.pem", "audience": PARTY, "messages": messages });
    std::fs::write(directory.join("logout.json"), cases.to_string()).unwrap();
    let (ran, said) = run(
        Command::new("node")
            .current_dir(&modules)
            .arg("node-saml-logout.js")
            .arg(directory),
        "apt-get install nodejs npm",
    );
    assert!(ran, "{said}");
    let verdicts: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(verdicts.len(), messages.len(), "{said}");
    verdicts
}

/// What node-saml reads of a request is what we meant.
fn says_who(verdict: &Value) {
    let profile = &verdict["profile"];
    assert_eq!(profile["nameID"], NAME_ID, "{verdict}");
    assert_eq!(profile["sessionIndex"], SESSION, "{verdict}");
    assert_eq!(profile["issuer"], ISSUER, "{verdict}");
    assert_eq!(
        profile["nameIDFormat"], "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        "{verdict}"
    );
}

#[test]
fn by_post_xmlsec1_and_node_saml_accept_both_messages_and_refuse_each_changed_byte() {
    let key = assertion_key(&new_key());
    let directory = directory_with(&pem(&key));
    let stranger = directory_with(&pem(&assertion_key(&new_key())));
    let mut random = Seeded::new(202);
    for (message, parameter, element) in messages(LogoutBinding::Post, &key)
        .into_iter()
        .zip(["SAMLRequest", "SAMLResponse"])
        .zip(["LogoutRequest", "LogoutResponse"])
        .map(|((message, parameter), element)| (message, parameter, element))
    {
        let Outgoing::Form { action, fields } = message else {
            panic!("{message:?}");
        };
        assert_eq!(action, "https://sp.example.com/slo?a=b&c=d");
        let value = |name: &str| {
            let field = fields.iter().find(|(given, _)| *given == name);
            field.map(|(_, value)| value.as_str())
        };
        assert_eq!(
            value("RelayState"),
            (parameter == "SAMLResponse").then_some(RELAY_STATE)
        );
        let good = String::from_utf8(BASE64.decode(value(parameter).unwrap()).unwrap()).unwrap();
        let (open, close) = (format!("<samlp:{element} "), format!("</samlp:{element}>"));
        let mut all = vec![good.clone()];
        all.extend((0..CHANGES).map(|_| changed_in(&good, (&open, &close), &mut random)));

        let signature = format!("/*[local-name()='{element}']/*[local-name()='Signature']");
        for (number, xml) in all.iter().enumerate() {
            std::fs::write(directory.path().join("message.xml"), xml).unwrap();
            let (accepted, said) = xmlsec_accepts(directory.path(), "message.xml", &signature);
            assert_eq!(accepted, number == 0, "xmlsec1 {number}: {said}\n{xml}");
        }
        let forms: Vec<Value> = all
            .iter()
            .map(|xml| json!({ "form": { parameter: BASE64.encode(xml) } }))
            .collect();
        let verdicts = node_saml(directory.path(), &forms);
        for (number, verdict) in verdicts.iter().enumerate() {
            assert_eq!(
                verdict["accepted"],
                number == 0,
                "{verdict}\n{}",
                all[number]
            );
        }
        assert_eq!(verdicts[0]["loggedOut"], true, "{}", verdicts[0]);
        if element == "LogoutRequest" {
            says_who(&verdicts[0]);
        }
        // Who knows another key refuses it.
        std::fs::write(stranger.path().join("message.xml"), &good).unwrap();
        assert!(!xmlsec_accepts(stranger.path(), "message.xml", &signature).0);
        assert_eq!(
            node_saml(stranger.path(), &forms[..1])[0]["accepted"],
            false
        );
    }
}

/// openssl's word on a signature over these octets.
fn openssl_accepts(directory: &Path, octets: &[u8], signature: &[u8]) -> bool {
    for (name, bytes) in [("octets", octets), ("signature", signature)] {
        std::fs::write(directory.join(name), bytes).unwrap();
    }
    let (made, public) = run(
        Command::new("openssl")
            .args(["x509", "-noout", "-pubkey", "-in"])
            .arg(directory.join("certificate.pem")),
        "apt-get install openssl",
    );
    assert!(made, "{public}");
    std::fs::write(directory.join("public.pem"), public).unwrap();
    let (accepted, _) = run(
        Command::new("openssl")
            .current_dir(directory)
            .args(["dgst", "-sha256", "-verify", "public.pem"])
            .args(["-signature", "signature", "octets"]),
        "apt-get install openssl",
    );
    accepted
}

#[test]
fn by_redirect_openssl_and_node_saml_accept_the_octets_that_are_sent_and_no_others() {
    let key = assertion_key(&new_key());
    let directory = directory_with(&pem(&key));
    let path = directory.path();
    let stranger = directory_with(&pem(&assertion_key(&new_key())));
    let mut random = Seeded::new(203);
    for (message, parameter) in messages(LogoutBinding::Redirect, &key)
        .into_iter()
        .zip(["SAMLRequest", "SAMLResponse"])
    {
        let Outgoing::Address(address) = message else {
            panic!("{message:?}");
        };
        let query = address
            .strip_prefix("https://sp.example.com/slo?a=b&c=d&")
            .unwrap();
        assert!(query.starts_with(&format!("{parameter}=")), "{query}");
        let (octets, signature) = query.split_once("&Signature=").unwrap();
        let signature = percent_encoding::percent_decode_str(signature)
            .decode_utf8()
            .unwrap();
        let bytes = BASE64.decode(signature.as_bytes()).unwrap();
        assert!(openssl_accepts(path, octets.as_bytes(), &bytes), "{octets}");
        assert!(!openssl_accepts(stranger.path(), octets.as_bytes(), &bytes));

        let mut queries = vec![query.to_owned()];
        for _ in 0..CHANGES {
            let mut changed = octets.to_owned().into_bytes();
            let at = random.below(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(!openssl_accepts(path, &changed, &bytes), "at {at}");
            let changed = String::from_utf8(changed).unwrap();
            queries.push(format!("{changed}{}", &query[octets.len()..]));
        }
        let cases: Vec<Value> = queries
            .iter()
            .map(|query| json!({ "query": query }))
            .collect();
        let verdicts = node_saml(path, &cases);
        for (verdict, query) in verdicts.iter().zip(&queries) {
            assert_eq!(
                verdict["accepted"],
                *query == queries[0],
                "{verdict}\n{query}"
            );
        }
        assert_eq!(verdicts[0]["loggedOut"], true, "{}", verdicts[0]);
        if parameter == "SAMLRequest" {
            says_who(&verdicts[0]);
        }
        assert_eq!(
            node_saml(stranger.path(), &cases[..1])[0]["accepted"],
            false
        );
    }
}
