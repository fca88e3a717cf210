//! Traces of a browser: HAR and SAML-tracer, as a story of request, answer and next.

use claimbridge::inspect::{Context, Kind, Outcome, Report, TraceTime, inspect};
use serde_json::{Value, json};

use super::corpus::{entry, folder};

fn text(name: &str) -> String {
    String::from_utf8(entry(name).0).unwrap()
}

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

pub fn form(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// An entry of a HAR; `body` is posted.
pub fn exchange(at: &str, method: &str, url: &str, body: Option<&str>) -> Value {
    let mut entry = json!({
        "startedDateTime": at, "time": 12.5, "cache": {}, "timings": {"wait": 1},
        "request": {"method": method, "url": url, "httpVersion": "http/2.0", "headers": [], "cookies": []},
        "response": {"status": 200, "headers": [], "content": {"size": 0, "mimeType": "text/html"}},
    });
    if let Some(body) = body {
        entry["request"]["postData"] =
            json!({"mimeType": "application/x-www-form-urlencoded", "text": body});
    }
    entry
}

pub fn har(entries: &[Value]) -> Vec<u8> {
    json!({"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "pages": [], "entries": entries}})
        .to_string()
        .into_bytes()
}

const AT: &str = "2026-11-20T10:00:00.000Z";
const ACS: &str = "https://login.microsoftonline.com/login.srf";

/// A sign-in over SAML 2.0, from the request to Partner Center's answer.
fn sign_in() -> Vec<u8> {
    let request =
        std::fs::read_to_string(folder().join("../entra/authn-request-unsigned.xml")).unwrap();
    let asked = format!(
        "https://idp.contoso.com/saml2/sso?{}",
        form(&[("SAMLRequest", &base64(&request)), ("RelayState", "r")])
    );
    let answered = form(&[
        ("SAMLResponse", &base64(&text("good"))),
        ("RelayState", "r"),
    ]);
    let mut called = exchange(
        AT,
        "GET",
        "https://api.partnercenter.microsoft.com/v1/customers?size=1",
        None,
    );
    let token = text("pc-008-not-verified");
    called["request"]["headers"] =
        json!([{"name": "Authorization", "value": format!("Bearer {token}")}]);
    called["response"]["status"] = json!(401);
    called["response"]["headers"] = json!([{"name": "isMfaCompliant", "value": "false"}]);
    har(&[
        exchange(
            AT,
            "GET",
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=1",
            None,
        ),
        exchange(AT, "GET", &asked, None),
        exchange(AT, "GET", "https://idp.contoso.com/assets/logo.png", None),
        exchange(AT, "POST", ACS, Some(&answered)),
        called,
    ])
}

fn kinds(report: &Report) -> Vec<Kind> {
    report
        .story
        .iter()
        .map(|step| step.report.input.kind)
        .collect()
}

/// What the operator registered; the request, the time and the keys are left to the trace.
fn registered(name: &str) -> Context {
    let mut context = entry(name).1;
    context.request = None;
    context.external_mfa.authorization = None;
    context.at = claimbridge::base::clock::Timestamp::from_millis(0);
    context
}

#[test]
fn a_sign_in_is_told_in_order_and_judged_by_its_own_request_and_time() {
    let context = registered("good");
    let report = inspect(&sign_in(), &context);
    assert_eq!(report.input.kind, Kind::Har, "{:?}", report.input.problem);
    assert_eq!(
        kinds(&report),
        [Kind::Saml2AuthnRequest, Kind::Saml2Response, Kind::Jwt]
    );
    let answer = &report.story[1];
    assert_eq!(
        answer.report.findings.len(),
        0,
        "{:?}",
        answer.report.findings
    );
    assert_eq!(answer.address, ACS);
    assert_eq!(answer.place, "in the form");
    let says: Vec<_> = report.story.iter().map(|step| step.says.as_str()).collect();
    assert_eq!(
        says,
        [
            "idp.contoso.com is asked to sign a person in.",
            "The answer to step 1.",
            "The token is used at api.partnercenter.microsoft.com; it answers 401.",
        ]
    );
    let call = &report.story[2];
    assert_eq!(
        (call.status, call.is_mfa_compliant.as_deref()),
        (Some(401), Some("false"))
    );
    // How it ended: Entra took it, the API's token is of 2019.
    let outcomes: Vec<_> = report
        .verdicts
        .iter()
        .map(|verdict| (verdict.consumer.as_str(), verdict.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("entra-saml2", Outcome::Accepted),
            ("partner-center", Outcome::Rejected)
        ]
    );
    assert_eq!(report.exit_code(), 1);
    assert_eq!(report.decoded["exchanges"], 5);

    let asked = Context {
        trace_time: TraceTime::AskedAbout,
        ..context
    };
    let report = inspect(&sign_in(), &asked);
    assert!(
        report.story[1].report.broken().contains(&"CB-SAML-016"),
        "in 1970 it held not yet"
    );
}

#[test]
fn an_answer_to_another_request_is_seen() {
    let har = String::from_utf8(sign_in()).unwrap();
    let request =
        std::fs::read_to_string(folder().join("../entra/authn-request-unsigned.xml")).unwrap();
    let other = request.replace("_1e089e5c", "_00000000");
    let swap = |text: &str| form(&[("SAMLRequest", &base64(text))]);
    let har = har.replace(&swap(&request), &swap(&other));
    let report = inspect(har.as_bytes(), &registered("good"));
    assert_eq!(report.story[1].report.broken(), ["CB-SAML-017"]);
}

#[test]
fn a_redirect_loop_is_told_as_one() {
    let asked =
        "https://idp.contoso.com/wsfed?wa=wsignin1.0&wtrealm=urn:federation:MicrosoftOnline";
    let ask = |number: u8| exchange(AT, "GET", &format!("{asked}&wctx={number}"), None);
    let answered = form(&[
        ("wa", "wsignin1.0"),
        ("wresult", &text("wsfed-015-password")),
    ]);
    let answer = exchange(AT, "POST", ACS, Some(&answered));
    let out = exchange(
        AT,
        "GET",
        "https://idp.contoso.com/wsfed?wa=wsignout1.0",
        None,
    );
    let report = inspect(
        &har(&[ask(1), answer.clone(), ask(2), answer, out]),
        &registered("wsfed-good"),
    );
    let says: Vec<_> = report.story.iter().map(|step| step.says.as_str()).collect();
    assert_eq!(says.len(), 5, "{says:?}");
    assert!(
        says[2].contains("asked again: the answer in step 2 did not do"),
        "{says:?}"
    );
    assert_eq!(says[3], "The answer to step 3.");
    assert_eq!(says[4], "The person is signed out.");
}

#[test]
fn an_export_of_saml_tracer_is_read_in_both_its_forms() {
    let headers = |legacy: bool| {
        if legacy {
            json!([["Date", "Fri, 20 Nov 2026 10:00:00 GMT"]])
        } else {
            json!([{"name": "Date", "value": "Fri, 20 Nov 2026 10:00:00 GMT"}])
        }
    };
    for legacy in [false, true] {
        let export = json!({"requests": [
            {"method": "GET", "url": "https://login.microsoftonline.com/", "requestHeaders": [], "responseStatus": 200},
            {"method": "POST", "url": ACS, "protocol": "SAML-P", "requestId": "1",
             "post": [["SAMLResponse", base64(&text("good"))], ["RelayState", "r"]], "saml": "<x/>",
             "requestHeaders": [], "responseStatus": 302, "responseHeaders": headers(legacy)},
        ], "timestamp": AT});
        let report = inspect(export.to_string().as_bytes(), &registered("good"));
        assert_eq!(
            kinds(&report),
            [Kind::Saml2Response],
            "{:?}",
            report.input.problem
        );
        assert_eq!(
            report.verdicts[0].outcome,
            Outcome::Accepted,
            "{:?}",
            report.story[0].report.findings
        );
        assert!(report.input.because.contains("SAML-tracer"));
    }
}

#[test]
fn ws_federation_and_external_mfa_are_told_too() {
    let asked = "https://idp.contoso.com/wsfed?wa=wsignin1.0&wtrealm=urn:federation:MicrosoftOnline&wctx=x&wfresh=0";
    let answered = form(&[
        ("wa", "wsignin1.0"),
        ("wctx", "x"),
        ("wresult", &text("wsfed-good")),
    ]);
    let report = inspect(
        &har(&[
            exchange(AT, "GET", asked, None),
            exchange(AT, "POST", ACS, Some(&answered)),
        ]),
        &registered("wsfed-good"),
    );
    assert_eq!(kinds(&report), [Kind::WsfedRequest, Kind::WsfedRstr]);
    assert!(
        report.story[0].report.decoded["would_answer"]
            .as_str()
            .unwrap()
            .contains("proved again")
    );
    assert_eq!(
        report.exit_code(),
        0,
        "{:?}",
        report.story[1].report.findings
    );

    let form_of = |text: &str| {
        exchange(
            AT,
            "POST",
            "https://idp.contoso.com/oidc/authorize",
            Some(text),
        )
    };
    let asked = std::fs::read_to_string(folder().join("eam-request.txt")).unwrap();
    let answered = text("eam-good-form");
    let report = inspect(
        &har(&[
            form_of(&asked),
            exchange(
                AT,
                "POST",
                "https://login.microsoftonline.com/common/federation/externalauthprovider",
                Some(&answered),
            ),
        ]),
        &registered("eam-good"),
    );
    assert_eq!(kinds(&report), [Kind::ExternalMfaRequest, Kind::Jwt]);
    assert_eq!(
        report.exit_code(),
        0,
        "{:?}",
        report.story[1].report.findings
    );
}

#[test]
fn documents_in_answers_are_judged_with_their_heads() {
    let mut fetched = exchange(
        AT,
        "GET",
        "https://idp.contoso.com/oidc/.well-known/openid-configuration",
        None,
    );
    let discovery = text("eam-010-no-head");
    fetched["response"]["content"] = json!({"text": discovery, "mimeType": "application/json"});
    fetched["response"]["headers"] = json!([{"name": "content-length", "value": "700"}]);
    let mut context = registered("eam-010-no-head");
    context.external_mfa.issuer = None;
    context.external_mfa.discovery_url = None;
    let good = inspect(&har(&[fetched.clone()]), &context);
    assert_eq!(kinds(&good), [Kind::OidcDiscovery]);
    assert_eq!(good.exit_code(), 0, "{:?}", good.story[0].report.findings);
    fetched["response"]["headers"] = json!([{"name": "transfer-encoding", "value": "chunked"}]);
    fetched["request"]["url"] =
        json!("https://idp.contoso.com:443/oidc/.well-known/openid-configuration");
    let bad = inspect(&har(&[fetched]), &context);
    assert_eq!(bad.story[0].report.broken(), ["CB-EAM-004", "CB-EAM-010"]);
}

#[test]
fn a_trace_without_messages_and_a_damaged_one() {
    let report = inspect(
        &har(&[exchange(AT, "GET", "https://x/", None)]),
        &registered("good"),
    );
    assert_eq!(
        (report.input.kind, report.story.len(), report.exit_code()),
        (Kind::Har, 0, 0)
    );
    let mut damaged = sign_in();
    damaged.truncate(damaged.len() - 10);
    let report = inspect(&damaged, &registered("good"));
    assert_eq!(report.exit_code(), 2);
}

/// 50 MB, most of it pictures and scripts as real traces have them.
#[test]
fn attack_17_fifty_megabytes_stay_within_the_memory_that_was_promised() {
    let mut picture = exchange(AT, "GET", "https://aadcdn.example/script.js", None);
    picture["response"]["content"] =
        json!({"text": "x\n\"Zm9v\u{1F600}\" ".repeat(40_000), "mimeType": "text/javascript"});
    let picture = picture.to_string();
    let whole = String::from_utf8(sign_in()).unwrap();
    let (head, tail) = whole.split_once("\"entries\":[").unwrap();
    let mut big = String::with_capacity(54_000_000);
    big.push_str(head);
    big.push_str("\"entries\":[");
    while big.len() < 50_000_000 {
        big.push_str(&picture);
        big.push(',');
    }
    big.push_str(tail);
    assert!(big.len() <= 52_000_000);
    let context = registered("good");
    let mut kinds_seen = Vec::new();
    let cost = allocation_counter::measure(|| {
        let report = inspect(big.as_bytes(), &context);
        kinds_seen = kinds(&report);
    });
    assert_eq!(
        kinds_seen,
        [Kind::Saml2AuthnRequest, Kind::Saml2Response, Kind::Jwt]
    );
    // With the 50 MB of the input itself this stays far under 150 MiB.
    assert!(cost.bytes_max < 16 * 1024 * 1024, "{}", cost.bytes_max);
}

#[test]
fn an_answer_is_judged_by_the_request_that_it_names() {
    let context = registered("good");
    let request =
        std::fs::read_to_string(folder().join("../entra/authn-request-unsigned.xml")).unwrap();
    let asked = |request: &str| {
        format!(
            "https://idp.contoso.com/saml2/sso?{}",
            form(&[("SAMLRequest", &base64(request))])
        )
    };
    let (_, rest) = request.split_once(" ID=\"").unwrap();
    let (id, _) = rest.split_once('"').unwrap();
    // Another tab asks in between.
    let other = request.replace(id, "_another-tab");
    let answered = form(&[("SAMLResponse", &base64(&text("good")))]);
    let trace = har(&[
        exchange(AT, "GET", &asked(&request), None),
        exchange(AT, "GET", &asked(&other), None),
        exchange(AT, "POST", ACS, Some(&answered)),
    ]);
    let report = inspect(&trace, &context);
    assert_eq!(report.verdicts[0].outcome, Outcome::Accepted, "{report:?}");
    // An answer to none of them is still seen.
    let trace = har(&[
        exchange(AT, "GET", &asked(&other), None),
        exchange(AT, "GET", &asked(&other.replace("another", "third")), None),
        exchange(AT, "POST", ACS, Some(&answered)),
    ]);
    let report = inspect(&trace, &context);
    assert!(report.story[2].report.broken().contains(&"CB-SAML-017"));
}

#[test]
fn a_text_that_is_too_long_is_counted() {
    let long = format!("SAMLResponse={}", "A".repeat(1024 * 1024 + 1));
    let report = inspect(
        &har(&[exchange(AT, "POST", ACS, Some(&long))]),
        &registered("good"),
    );
    assert_eq!(report.decoded["left_out"], 1);
}
