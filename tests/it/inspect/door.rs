//! What our own WS-Federation door really sends, under the inspector: the answer alone, as the
//! posted form, as the page that carries it, as a browser's trace; and copies of it with one
//! thing wrong, each by its rule.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use claimbridge::{
    base::clock::{Clock as _, SystemClock},
    inspect::{Consumer, Context, Kind, Outcome, Report, inspect},
    relying_party::EntraCloud,
};
use serde_json::json;
use std::time::Duration;

use super::traces::{exchange, form, har};
use crate::demo::{Demo, client::Client};

const ISSUED_FOR: &str = "urn:federation:MicrosoftOnline";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const CONTEXT: &str = "LoginOptions=3&estsrequest=rQQ+/==&x=%2B+%26 é";

/// One sign-in of a running demo, and what is registered about it.
struct Sent {
    /// The request's address.
    asked: String,
    /// The page that carries the answer.
    page: String,
    reply_url: String,
    wresult: String,
    context: Context,
}

impl Sent {
    fn by_the_door() -> Self {
        let demo = Demo::start();
        let mut client = Client::default();
        let idp = demo.url("idp");
        let asked = format!(
            "{idp}/wsfed?domain=contoso.com&{}",
            form(&[
                ("client-request-id", "1e089e5c-a976-4881-af74-3b92c89e7e2c"),
                ("wa", "wsignin1.0"),
                ("wtrealm", ISSUED_FOR),
                ("wctx", CONTEXT),
                ("cbcxt", ""),
                ("username", &demo.user(0, "upn")),
                ("mkt", ""),
                ("lc", ""),
                ("wfresh", "0"),
                ("wauth", "http://schemas.microsoft.com/claims/multipleauthn"),
            ])
        );
        let page = client.get(&asked);
        let second = demo.password(&mut client, &page);
        let mut code = second.form();
        let now = demo.code(&mut client);
        code.fill("one-time-code", &now);
        let page = client.submit(&second, &code);
        let answer = page.form();
        assert_eq!(answer.value("wctx"), Some(CONTEXT));
        let wresult = answer.value("wresult").unwrap().to_owned();
        let certificate = between(&wresult, "<ds:X509Certificate>", "</ds:X509Certificate>");
        let context = Context {
            expect: Some(Consumer::EntraWsfed),
            issuer: Some(format!("{idp}/contoso.com")),
            realm: Some("contoso.com".parse().unwrap()),
            cloud: Some(EntraCloud {
                name: "custom".to_owned(),
                entity_id: ISSUED_FOR.to_owned(),
                reply_url: answer.action.clone(),
                metadata_url: None,
            }),
            certificates: vec![STANDARD.decode(certificate).unwrap()],
            max_age: Some(Duration::from_mins(5)),
            ..Context::at(SystemClock.now())
        };
        Self {
            asked,
            page: page.body,
            reply_url: answer.action,
            wresult,
            context,
        }
    }
}

fn posted(wresult: &str) -> String {
    form(&[
        ("wa", "wsignin1.0"),
        ("wresult", wresult),
        ("wctx", CONTEXT),
    ])
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = &text[text.find(from).unwrap() + from.len()..];
    &rest[..rest.find(to).unwrap()]
}

fn accepted_with_mfa(report: &Report, what: &str) {
    assert_eq!(report.input.kind, Kind::WsfedRstr, "{what}");
    let verdict = report.verdict(Consumer::EntraWsfed).unwrap();
    assert_eq!(verdict.outcome, Outcome::Accepted, "{what}: {verdict:?}");
    assert_eq!(verdict.mfa, Some(true), "{what}");
    assert_eq!(report.broken(), Vec::<&str>::new(), "{what}");
}

#[test]
fn what_the_door_sends_is_accepted_in_each_form_and_each_altered_copy_breaks_its_rule() {
    let sent = Sent::by_the_door();
    let judge = |bytes: &str| inspect(bytes.as_bytes(), &sent.context);
    accepted_with_mfa(&judge(&sent.wresult), "the answer alone");
    accepted_with_mfa(&judge(&posted(&sent.wresult)), "the posted form");
    accepted_with_mfa(&judge(&sent.page), "the page");

    let request = judge(&sent.asked);
    assert_eq!(request.input.kind, Kind::WsfedRequest);

    // As a browser's developer tools write it down.
    let at = sent.context.at.to_string();
    let trace = har(&[
        exchange(&at, "GET", &sent.asked, None),
        exchange(&at, "POST", &sent.reply_url, Some(&posted(&sent.wresult))),
    ]);
    let report = inspect(&trace, &sent.context);
    let kinds: Vec<_> = report
        .story
        .iter()
        .map(|step| step.report.input.kind)
        .collect();
    assert_eq!(kinds, [Kind::WsfedRequest, Kind::WsfedRstr]);
    accepted_with_mfa(&report.story[1].report, "the trace");

    altered_copies(&sent);
    other_registrations(&sent);
}

/// Each copy has one thing wrong; a broken signature goes with what is signed.
fn altered_copies(sent: &Sent) {
    let good = &sent.wresult;
    let signature = format!(
        "<ds:Signature{}</ds:Signature>",
        between(good, "<ds:Signature", "</ds:Signature>")
    );
    let assertion = format!(
        "<saml:Assertion{}</saml:Assertion>",
        between(good, "<saml:Assertion", "</saml:Assertion>")
    );
    let id = between(good, "AssertionID=\"", "\"");
    let twice = format!("{assertion}{}", assertion.replace(id, "_other"));
    let mfa = "http://schemas.microsoft.com/claims/multipleauthn";
    let upn = between(good, "AttributeName=\"UPN\"", "</saml:Attribute>").to_owned();
    let sha1 = "2000/09/xmldsig#rsa-sha1";
    let enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
    let statement = "<saml:AttributeStatement>";
    let moved = format!("{signature}{statement}");
    let upn_elsewhere = upn.replace("/claims\"", "/claims/\"");
    let password = "urn:oasis:names:tc:SAML:1.0:am:password";
    let mut wrong = Vec::new();
    for (rule, altered) in [
        ("CB-XML-001", format!("<!DOCTYPE a>{good}")),
        ("CB-XML-003", good.replacen("agent1@", "agent1<!-- -->@", 1)),
        ("CB-WSFED-001", posted(&STANDARD.encode(good))),
        ("CB-WSFED-001", good.replace(&assertion, &twice)),
        (
            "CB-WSFED-002",
            good.replace("MinorVersion=\"1\"", "MinorVersion=\"0\""),
        ),
        (
            "CB-WSFED-003",
            good.replace("/contoso.com\"", "/contoso.com/\""),
        ),
        ("CB-WSFED-004", good.replace(&signature, "")),
        ("CB-WSFED-005", good.replacen("agent1@", "agent2@", 1)),
        (
            "CB-WSFED-007",
            good.replace("2001/04/xmldsig-more#rsa-sha256", sha1),
        ),
        ("CB-WSFED-009", good.replace(enveloped, EXCLUSIVE)),
        (
            "CB-WSFED-010",
            good.replace("Audience>urn:federation:M", "Audience>urn:federation:m"),
        ),
        ("CB-WSFED-011", good.replace(&upn, &upn_elsewhere)),
        (
            "CB-WSFED-012",
            good.replace("\"ImmutableID\"", "\"ImmutableId\""),
        ),
        ("CB-WSFED-015", good.replace(mfa, password)),
        (
            "CB-WSFED-017",
            good.replace(&signature, "").replacen(statement, &moved, 1),
        ),
        ("CB-WSFED-017", good.replace("><saml:", ">\n  <saml:")),
        (
            "CB-WSFED-018",
            good.replace("\"authenticationinstant\"", "\"authenticationInstant\""),
        ),
        (
            "CB-WSFED-020",
            good.replace("cm:bearer", "cm:sender-vouches"),
        ),
    ] {
        assert_ne!(&altered, good, "{rule}: nothing was altered");
        let report = inspect(altered.as_bytes(), &sent.context);
        let broken = report.broken();
        // A signature in another place holds: that alone is a warning.
        let outcome = match broken.as_slice() {
            ["CB-WSFED-017"] if altered.len() == good.len() => Outcome::Accepted,
            _ => Outcome::Rejected,
        };
        let verdict = report.verdict(Consumer::EntraWsfed).unwrap();
        if !broken.contains(&rule) || verdict.outcome != outcome {
            wrong.push(format!("{rule}: {broken:?}, {:?}", verdict.outcome));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The bytes are good, and what is registered is something else.
fn other_registrations(sent: &Sent) {
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let later = |by| sent.context.at.plus(by);
    let cases: [(&str, Context); 6] = [
        (
            "CB-WSFED-003",
            Context {
                issuer: Some("https://idp.contoso.com/".to_owned()),
                ..sent.context.clone()
            },
        ),
        (
            "CB-WSFED-006",
            Context {
                certificates: vec![other.cert.der().to_vec()],
                ..sent.context.clone()
            },
        ),
        (
            "CB-WSFED-010",
            Context {
                cloud: EntraCloud::presets().into_iter().nth(1),
                ..sent.context.clone()
            },
        ),
        (
            "CB-WSFED-013",
            Context {
                realm: Some("fabrikam.com".parse().unwrap()),
                ..sent.context.clone()
            },
        ),
        (
            "CB-WSFED-014",
            Context {
                at: later(Duration::from_hours(2)),
                max_age: None,
                ..sent.context.clone()
            },
        ),
        (
            "CB-WSFED-018",
            Context {
                at: later(Duration::from_mins(10)),
                ..sent.context.clone()
            },
        ),
    ];
    for (rule, context) in cases {
        let report = inspect(sent.wresult.as_bytes(), &context);
        assert_eq!(report.broken(), [rule], "{}", json!(report.findings));
    }
}
