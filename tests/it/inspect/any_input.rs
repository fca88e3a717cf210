//! Any input at all: never a panic, always a verdict or a sentence about what it is not.

use claimbridge::inspect::{
    Basis, Context, Kind, Outcome, Report, given_authorization, given_hint, given_request, inspect,
    redact::redacted,
};
use proptest::prelude::*;

use super::corpus::{entries, entry};

/// The messages to start from, with what they are judged against; read once.
fn seeds() -> &'static [(Vec<u8>, Context)] {
    static SEEDS: std::sync::OnceLock<Vec<(Vec<u8>, Context)>> = std::sync::OnceLock::new();
    SEEDS.get_or_init(|| {
        entries()
            .iter()
            .map(|found| entry(&found.name))
            .filter(|(bytes, _)| bytes.len() < 32 * 1024)
            .collect()
    })
}

/// What must be so of every report.
fn sound(report: &Report) {
    let unknown = report.input.kind == Kind::Unknown;
    assert_eq!(unknown, report.input.problem.is_some());
    assert_eq!(unknown, report.exit_code() == 2);
    for verdict in &report.verdicts {
        if verdict.outcome == Outcome::Accepted && report.input.kind != Kind::Har {
            let needs_a_signature = !matches!(
                report.input.kind,
                Kind::OidcDiscovery | Kind::Jwks | Kind::FederationConfiguration
            );
            assert!(
                !needs_a_signature || verdict.basis != Basis::Unverified,
                "{report:?}"
            );
        }
    }
    for step in &report.story {
        assert!(step.report.input.kind != Kind::Har);
    }
    assert!(serde_json::to_string(report).is_ok());
    redacted(report);
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Replace(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
}

const PIECES: [&str; 18] = [
    "<",
    ">",
    "&",
    "\"",
    "%",
    "=",
    "{",
    "[",
    "]}",
    "\u{0}",
    "\u{feff}",
    "<!--",
    "-->",
    "wresult=",
    "SAMLResponse=",
    "-IssuerUri ",
    "\\u0000",
    "\u{202e}",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<usize>(), 1_usize..200).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<usize>(), proptest::sample::select(&PIECES[..]))
            .prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = bytes.len().max(1);
        match change {
            Change::Replace(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Change::Remove(at, count) => {
                let from = (at % length).min(bytes.len());
                let to = (from + count).min(bytes.len());
                bytes.drain(from..to);
            }
            Change::Repeat(at, count) => {
                let from = (at % length).min(bytes.len());
                let to = (from + count).min(bytes.len());
                let part = bytes[from..to].to_vec();
                bytes.splice(from..from, part);
            }
            Change::Insert(at, text) => {
                let from = (at % length).min(bytes.len());
                bytes.splice(from..from, text.bytes());
            }
        }
    }
    bytes
}

/// Beginnings that lead into each reader.
const FRONTS: &str = "(<|\\{|\\[|SAMLResponse=|wresult=|wa=wsignin1\\.0&|id_token_hint=|https://x/\\?SAMLRequest=|eyJhbGciOiJSUzI1NiJ9\\.|%3C|PHNhbWw|&lt;|<html><input |HTTP/1\\.1 200\r\n|\\{\"log\":\\{\"entries\":\\[|\\{\"requests\":\\[|\\{\"keys\":\\[|\\{\"issuer\":\"|\\{\"issuerUri\":\"|Update-MgDomainFederationConfiguration |IssuerUri : )";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_message_of_the_corpus(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
        other in any::<prop::sample::Index>(),
    ) {
        let (bytes, _) = seed.get(seeds());
        let (_, context) = other.get(seeds());
        let bytes = changed(bytes.clone(), &changes);
        sound(&inspect(&bytes, context));
        given_request(&bytes);
        given_authorization(&bytes);
        given_hint(&bytes);
    }

    #[test]
    fn any_text_behind_a_known_beginning(front in FRONTS, rest in "\\PC{0,120}") {
        let (_, context) = &seeds()[0];
        sound(&inspect(format!("{front}{rest}").as_bytes(), context));
    }

    #[test]
    fn commands_of_any_form(
        command in "(New|Update|Get|Set|Remove)-(MgDomainFederationConfiguration|MsolDomainFederationSettings)",
        words in prop::collection::vec("(-[A-Za-z]{1,12}|-IssuerUri|-SigningCertificate|-PromptLoginBehavior:|@\\{|\\}|@\\(|\\)|\\$[a-z]{1,5}|'|\"|`\n|#|,|=|:|[a-z]{1,8}|é)", 0..20),
    ) {
        let (_, context) = &seeds()[0];
        sound(&inspect(format!("{command} {}", words.join(" ")).as_bytes(), context));
    }
}

#[test]
fn every_message_of_the_corpus_is_sound_within_a_trace() {
    for (bytes, context) in seeds().iter().step_by(3) {
        let text = String::from_utf8_lossy(bytes);
        let body = if text.starts_with('<') && text.contains("RequestSecurityTokenResponse") {
            format!(
                "wresult={}",
                url::form_urlencoded::byte_serialize(bytes).collect::<String>()
            )
        } else {
            let base64 = data_encoding::BASE64.encode(bytes);
            format!(
                "SAMLResponse={}",
                url::form_urlencoded::byte_serialize(base64.as_bytes()).collect::<String>()
            )
        };
        let har = serde_json::json!({"log": {"entries": [
            {"request": {"method": "POST", "url": "https://x/", "postData": {"text": body}}},
        ]}});
        let report = inspect(har.to_string().as_bytes(), context);
        assert_eq!(report.story.len(), 1, "{body}");
        sound(&report);
    }
}

#[test]
fn what_it_is_not_is_said_with_what_it_looks_like() {
    let (_, context) = entry("good");
    for (input, part) in [
        ("-----BEGIN CERTIFICATE-----\nMIIC", "PEM file"),
        ("-----BEGIN PRIVATE KEY-----\nMIIC", "private key"),
        ("<html><body>Sorry</body></html>", "web page"),
        (
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"x\"/>",
            "metadata",
        ),
        ("{\"hello\":1}", "no claim"),
        ("[1]", "no message"),
        ("eyJhbGciOiJSU0EifQ.a2V5.aXY.dGV4dA.dGFn", "encrypted token"),
        ("{\"log\": 1, \"iss\"", "begins like JSON"),
        ("https://login.microsoftonline.com/", "has no SAMLResponse"),
        (
            "Get-MgDomainFederationConfiguration -DomainId contoso.com",
            "sets no property",
        ),
    ] {
        let report = inspect(input.as_bytes(), &context);
        let problem = report.input.problem.unwrap_or_default();
        assert!(problem.contains(part), "{input}: {problem}");
    }
}

/// What fuzzing found, and what it began with: each a file, replayed alone and in each wrapping.
#[test]
fn the_stored_inputs_of_the_fuzz_targets_are_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds");
    let (_, context) = entry("good");
    let mut replayed = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let base64 = data_encoding::BASE64.encode(&bytes);
        for input in [
            bytes.clone(),
            base64.clone().into_bytes(),
            format!("SAMLResponse={base64}").into_bytes(),
            [b"HTTP/1.1 200 OK\r\n\r\n", bytes.as_slice()].concat(),
        ] {
            sound(&inspect(&input, &context));
        }
        replayed += 1;
    }
    assert!(replayed >= 14);
}
