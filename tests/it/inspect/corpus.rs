//! Reads the corpus, and judges all of it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use claimbridge::{
    base::clock::Timestamp,
    inspect::{
        Context, ExternalMfa, Federation, Jwks, Kind, Known, Outcome, Report, Severity,
        UncheckedSignature, given_authorization, given_hint, given_request, inspect, pre_flight,
    },
    keys::certificate::Certificate,
    relying_party::EntraCloud,
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    file: String,
    options: Options,
    kind: String,
    encoding: Vec<String>,
    verdicts: BTreeMap<String, String>,
    pub(super) rules: Vec<String>,
    pub(super) undecided: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    at: String,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    cloud: Option<String>,
    #[serde(default)]
    audience: Option<String>,
    #[serde(default)]
    reply_url: Option<String>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    request: Option<String>,
    #[serde(default)]
    jwks: Option<String>,
    #[serde(default)]
    expect: Option<String>,
    #[serde(default)]
    max_age: Option<u64>,
    #[serde(default)]
    skew: Option<u64>,
    #[serde(default)]
    trust_unsigned: bool,
    #[serde(default)]
    discovery_url: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    app_reply_urls: Vec<String>,
    #[serde(default)]
    sign_in_url: Option<String>,
    #[serde(default)]
    sign_out_url: Option<String>,
    #[serde(default)]
    emergency_accounts: Option<bool>,
    #[serde(default)]
    security_defaults: Option<bool>,
    #[serde(default)]
    request_keys: Option<bool>,
}

fn known(answer: Option<bool>) -> Known {
    match answer {
        None => Known::Unknown,
        Some(true) => Known::Yes,
        Some(false) => Known::No,
    }
}

pub(super) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "inspector"]
        .iter()
        .collect()
}

pub(super) fn entries() -> Vec<Entry> {
    let text = std::fs::read(folder().join("expectations.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The entry of that name: its bytes and context.
pub(super) fn entry(name: &str) -> (Vec<u8>, Context) {
    let entry = entries()
        .into_iter()
        .find(|entry| entry.name == name)
        .unwrap();
    (entry.bytes(), entry.context())
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        std::fs::read(folder().join("messages").join(&self.file)).unwrap()
    }

    fn context(&self) -> Context {
        let given = &self.options;
        let read = |name: &String| std::fs::read(folder().join(name)).unwrap();
        let custom = given.audience.clone().map(|entity_id| EntraCloud {
            name: "custom".to_owned(),
            entity_id,
            reply_url: given.reply_url.clone().unwrap(),
            metadata_url: None,
        });
        Context {
            expect: given.expect.as_ref().map(|text| text.parse().unwrap()),
            issuer: given.issuer.clone(),
            realm: given.domain.as_ref().map(|text| text.parse().unwrap()),
            cloud: given
                .cloud
                .as_ref()
                .map(|name| EntraCloud::by_name(name).unwrap())
                .or(custom),
            certificates: given
                .certificates
                .iter()
                .map(|name| der(&read(name)))
                .collect(),
            request: given
                .request
                .as_ref()
                .and_then(|name| given_request(&read(name))),
            jwks: given
                .jwks
                .as_ref()
                .map(|name| Jwks::parse(&read(name)).unwrap()),
            max_age: given.max_age.map(Duration::from_secs),
            skew: given.skew.map_or(
                claimbridge::inspect::context::DEFAULT_SKEW,
                Duration::from_secs,
            ),
            unchecked_signature: if given.trust_unsigned {
                UncheckedSignature::TakenAsGood
            } else {
                UncheckedSignature::Undecided
            },
            external_mfa: ExternalMfa {
                issuer: given
                    .discovery_url
                    .is_none()
                    .then(|| given.issuer.clone())
                    .flatten(),
                discovery_url: given.discovery_url.clone(),
                client_id: given.client_id.clone(),
                app_reply_urls: given.app_reply_urls.clone(),
                authorization: given
                    .request
                    .as_ref()
                    .and_then(|name| given_authorization(&read(name))),
                hint: given
                    .hint
                    .as_ref()
                    .map(|name| given_hint(&read(name)).unwrap()),
            },
            federation: Federation {
                sign_in_url: given.sign_in_url.clone(),
                sign_out_url: given.sign_out_url.clone(),
                request_keys: known(given.request_keys),
                emergency_accounts: known(given.emergency_accounts),
                security_defaults: known(given.security_defaults),
                others: Vec::new(),
            },
            ..Context::at(Timestamp::parse_rfc3339(&given.at).unwrap())
        }
    }
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text: String = std::str::from_utf8(pem)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    data_encoding::BASE64.decode(text.as_bytes()).unwrap()
}

fn of(report: &Report, undecided: bool) -> Vec<&str> {
    report
        .findings
        .iter()
        .filter(|finding| (finding.severity == Severity::Undecided) == undecided)
        .map(|finding| finding.rule)
        .collect()
}

/// What differs from the expectation, in words; nothing if all is as expected.
fn difference(entry: &Entry) -> Option<String> {
    let report = inspect(&entry.bytes(), &entry.context());
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: String, wanted: String| {
        if found != wanted {
            wrong.push(format!("{what}: {found}, wanted {wanted}"));
        }
    };
    compare(
        "kind",
        report.input.kind.as_str().to_owned(),
        entry.kind.clone(),
    );
    let encoding: Vec<String> =
        serde_json::from_value(serde_json::to_value(&report.input.encoding).unwrap()).unwrap();
    compare("encoding", encoding.join(" "), entry.encoding.join(" "));
    let sorted = |rules: Vec<&str>| {
        let mut rules = rules;
        rules.sort_unstable();
        rules.join(" ")
    };
    let strs = |rules: &[String]| sorted(rules.iter().map(String::as_str).collect());
    compare("rules", sorted(of(&report, false)), strs(&entry.rules));
    compare(
        "undecided",
        sorted(of(&report, true)),
        strs(&entry.undecided),
    );
    let verdicts: BTreeMap<String, String> = report
        .verdicts
        .iter()
        .map(|verdict| {
            (
                verdict.consumer.to_string(),
                verdict.outcome.as_str().to_owned(),
            )
        })
        .collect();
    compare(
        "verdicts",
        format!("{verdicts:?}"),
        format!("{:?}", entry.verdicts),
    );
    let fine = |outcome: &String| outcome == "accepted" || outcome == "not-applicable";
    compare(
        "exit code",
        report.exit_code().to_string(),
        match entry.kind.as_str() {
            "unknown" => 2,
            _ => u8::from(!entry.verdicts.values().all(fine)),
        }
        .to_string(),
    );
    for verdict in &report.verdicts {
        let is_sign_in = !matches!(
            report.input.kind,
            Kind::OidcDiscovery | Kind::Jwks | Kind::FederationConfiguration
        );
        let known =
            verdict.outcome != Outcome::Accepted || verdict.mfa == is_sign_in.then_some(true);
        compare("mfa", known.to_string(), true.to_string());
        let explained = matches!(verdict.outcome, Outcome::Accepted | Outcome::NotApplicable)
            || !verdict.because.is_empty();
        compare("because", explained.to_string(), true.to_string());
    }
    // The pre-flight says the same as the whole report, whichever certificates were
    // read before: having read one (other.pem is an attacker's) registers none.
    if entry.kind == "saml2-response" && entry.options.expect.is_none() {
        let mut context = entry.context();
        context.known = ["active.pem", "next.pem", "other.pem"]
            .map(|name| std::fs::read(folder().join(name)).unwrap())
            .iter()
            .map(|pem| Arc::new(Certificate::read(&der(pem)).unwrap()))
            .collect();
        let passes = pre_flight(&entry.bytes(), &context).is_ok();
        compare(
            "pre-flight",
            passes.to_string(),
            (entry.verdicts["entra-saml2"] == "accepted").to_string(),
        );
    }
    (!wrong.is_empty()).then(|| {
        let seen: Vec<_> = report
            .findings
            .iter()
            .map(|finding| format!("    {} {}", finding.rule, finding.evidence))
            .collect();
        format!(
            "{}\n  {}\n{}",
            entry.name,
            wrong.join("\n  "),
            seen.join("\n")
        )
    })
}

#[test]
fn every_message_of_the_corpus_is_judged_exactly() {
    let entries = entries();
    let wrong: Vec<String> = entries.iter().filter_map(difference).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        entries.len(),
        wrong.join("\n")
    );
}
