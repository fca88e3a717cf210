//! What the inspector costs: a signed SAML response, at most 300 µs for the whole report;
//! a HAR of 50 MB, at most 2 s in 150 MiB.
//!
//! `cargo bench --bench inspect` prints criterion's numbers for the response, then reads the
//! HAR in a process of its own — so that the peak is that of judging alone, the file itself
//! included — and prints each with its target. They are targets, not tests: a busy machine
//! fails nothing. With `HAR_FILE` it reads that file instead.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot measure says why and ends"
)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use claimbridge::{
    base::clock::Timestamp,
    inspect::{Context, Outcome, given_request, inspect},
    keys::certificate::Certificate,
    relying_party::EntraCloud,
};
use criterion::Criterion;

const RESPONSE: &str = "SAML response with signature, whole report";
const SIZE: usize = 50_000_000;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read(folder.join(name)).expect("the fixture is there")
}

fn certificate(name: &str) -> Vec<u8> {
    let pem = String::from_utf8(fixture(name)).expect("PEM is text");
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    data_encoding::BASE64
        .decode(body.as_bytes())
        .expect("PEM is base64")
}

fn context() -> Context {
    let der = certificate("inspector/active.pem");
    let read = Certificate::read(&der).expect("the fixture is a certificate");
    Context {
        issuer: Some("https://idp.contoso.com/contoso.com".to_owned()),
        realm: "contoso.com".parse().ok(),
        cloud: Some(EntraCloud::global()),
        certificates: vec![der],
        known: vec![std::sync::Arc::new(read)],
        request: given_request(&fixture("entra/authn-request-unsigned.xml")),
        ..Context::at(Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").expect("an instant"))
    }
}

fn response(criterion: &mut Criterion) {
    let (bytes, context) = (fixture("inspector/messages/good.xml"), context());
    let report = inspect(&bytes, &context);
    assert_eq!(report.verdicts[0].outcome, Outcome::Accepted, "{report:?}");
    criterion.bench_function(RESPONSE, |bencher| {
        bencher.iter(|| inspect(&bytes, &context));
    });
}

/// A browser's trace: mostly pictures and scripts, now and then an answer with a token.
fn har() -> String {
    let picture = "iVBORw0KGgo".repeat(9_000);
    let saml = data_encoding::BASE64.encode(&fixture("inspector/messages/good.xml"));
    let posted: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLResponse", &saml)
        .append_pair("RelayState", "x")
        .finish();
    let mut text = String::with_capacity(SIZE + 200_000);
    text.push_str(r#"{"log":{"version":"1.2","entries":["#);
    for at in 0.. {
        let entry = if at % 50 == 7 {
            format!(
                r#"{{"startedDateTime":"2026-11-20T10:00:00.000Z","request":{{"method":"POST","url":"https://login.microsoftonline.com/login.srf","headers":[],"postData":{{"mimeType":"application/x-www-form-urlencoded","text":"{posted}"}}}},"response":{{"status":302,"headers":[],"content":{{"text":""}}}}}}"#
            )
        } else {
            format!(
                r#"{{"startedDateTime":"2026-11-20T10:00:00.000Z","request":{{"method":"GET","url":"https://portal.example.com/{at}.png","headers":[{{"name":"Accept","value":"*/*"}}]}},"response":{{"status":200,"headers":[],"content":{{"mimeType":"image/png","encoding":"base64","text":"{picture}"}}}}}}"#
            )
        };
        if at > 0 {
            text.push(',');
        }
        text.push_str(&entry);
        if text.len() >= SIZE {
            break;
        }
    }
    let _ = write!(text, "]}}}}");
    text
}

/// Reads and judges; prints seconds and the peak of memory.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the system's clock"
)]
fn judge(path: &Path) {
    let began = Instant::now();
    let bytes = fs::read(path).expect("the trace can be read");
    let report = inspect(&bytes, &context());
    let seconds = began.elapsed().as_secs_f64();
    let peak = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or_else(String::new, |kib| {
            format!(", {} MiB at most (target ≤ 150)", kib / 1024)
        });
    println!(
        "HAR of {} MB, {} messages: {seconds:.2} s (target ≤ 2){peak}",
        bytes.len() / 1_000_000,
        report.story.len()
    );
}

fn median(name: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let file = target
        .join("criterion")
        .join(name)
        .join("new/estimates.json");
    let estimates: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

fn main() {
    if let Some(path) = std::env::var_os("HAR_FILE") {
        return judge(Path::new(&path));
    }
    let mut criterion = Criterion::default().configure_from_args();
    response(&mut criterion);
    criterion.final_summary();
    let Some(nanoseconds) = median(RESPONSE) else {
        return; // `cargo test --benches` runs each once and measures nothing
    };
    println!(
        "{RESPONSE}: {:.0} µs (target ≤ 300 µs)",
        nanoseconds / 1000.0
    );
    let folder = tempfile::tempdir().expect("a folder for the trace");
    let path = folder.path().join("trace.har");
    fs::write(&path, har()).expect("the trace can be written");
    let status = Command::new(std::env::current_exe().expect("this program has a path"))
        .env("HAR_FILE", &path)
        .status()
        .expect("this program runs again");
    assert!(status.success());
}
