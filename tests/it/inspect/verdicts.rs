//! What a verdict must not say: more than was seen.

use claimbridge::inspect::{
    Context, Jwks, Kind, Outcome, Report, UncheckedSignature, inspect, words,
};
use serde_json::json;

use super::corpus::{entry, folder};

fn outcome(report: &Report) -> Outcome {
    report.verdicts[0].outcome
}

#[test]
fn attack_13_a_key_of_another_type_verifies_nothing_and_accepts_nothing() {
    let (bytes, context) = entry("eam-good");
    assert_eq!(outcome(&inspect(&bytes, &context)), Outcome::Accepted);
    let set = std::fs::read_to_string(folder().join("eam-jwks.json")).unwrap();
    assert!(set.contains("\"kty\": \"RSA\""));
    // Whatever the signature is: it is not looked at.
    let token = String::from_utf8(bytes).unwrap();
    let (signed, _) = token.trim().rsplit_once('.').unwrap();
    let forged = format!("{signed}.AAAA");
    for kty in ["rsa", "EC", ""] {
        let other = set.replace("\"kty\": \"RSA\"", &format!("\"kty\": \"{kty}\""));
        for trust in [
            UncheckedSignature::Undecided,
            UncheckedSignature::TakenAsGood,
        ] {
            let context = Context {
                jwks: Some(Jwks::parse(other.as_bytes()).unwrap()),
                unchecked_signature: trust,
                ..context.clone()
            };
            for message in [token.trim(), &forged] {
                let report = inspect(message.as_bytes(), &context);
                assert_eq!(outcome(&report), Outcome::Rejected, "{kty}");
                assert!(report.broken().contains(&"CB-EAM-003"), "{kty}");
            }
        }
    }
}

#[test]
fn a_token_of_one_cloud_is_nothing_to_the_partner_center_of_another() {
    let tenant = "8b7f0b1e-1111-4222-8333-444455556666";
    let (global, china) = (
        "https://api.partnercenter.microsoft.com",
        "https://partner.partnercenterapi.microsoftonline.cn",
    );
    for (audience, issuer, fits) in [
        (global, format!("https://sts.windows.net/{tenant}/"), true),
        (
            global,
            format!("https://login.microsoftonline.com/{tenant}/v2.0"),
            true,
        ),
        (
            china,
            format!("https://sts.chinacloudapi.cn/{tenant}/"),
            true,
        ),
        (
            china,
            format!("https://login.partner.microsoftonline.cn/{tenant}/v2.0"),
            true,
        ),
        (
            global,
            format!("https://sts.chinacloudapi.cn/{tenant}/"),
            false,
        ),
        (
            global,
            format!("https://login.microsoftonline.us/{tenant}/v2.0"),
            false,
        ),
        (china, format!("https://sts.windows.net/{tenant}/"), false),
        (
            china,
            format!("https://login.microsoftonline.us/{tenant}/v2.0"),
            false,
        ),
    ] {
        for aud in [json!(audience), json!([audience])] {
            let claims = json!({"aud": aud, "iss": issuer, "tid": tenant, "amr": ["pwd", "mfa"],
                "scp": "user_impersonation", "nbf": 1, "exp": 4_000_000_000_u64});
            let (_, context) = entry("pc-good");
            let report = inspect(claims.to_string().as_bytes(), &context);
            assert_eq!(
                report.broken().contains(&"CB-PC-004"),
                !fits,
                "{audience} {issuer}"
            );
            assert_eq!(
                outcome(&report) == Outcome::Accepted,
                fits,
                "{audience} {issuer}"
            );
        }
    }
}

#[test]
fn a_document_is_no_sign_in_and_never_counted_as_mfa() {
    for name in ["eam-003-not-set", "eam-010-not-complete", "fed-good"] {
        let (bytes, context) = entry(name);
        let report = inspect(&bytes, &context);
        assert_eq!(outcome(&report), Outcome::Accepted, "{name}");
        for verdict in &report.verdicts {
            assert_eq!(verdict.mfa, None, "{name}");
            let sentence = words::sentence(verdict);
            assert!(sentence.ends_with("no rule is broken."), "{sentence}");
        }
    }
}

fn notes(name: &str, change: impl Fn(&mut Context)) -> String {
    let (bytes, mut context) = entry(name);
    change(&mut context);
    let report = inspect(&bytes, &context);
    assert_eq!(outcome(&report), Outcome::Accepted, "{name}");
    report.notes.join(" ")
}

#[test]
fn what_an_accepted_message_was_taken_to_be_is_said() {
    assert_eq!(notes("good", |_| ()), "");
    for name in ["good-assertion-alone", "wsfed-good-assertion-alone"] {
        let note = notes(name, |_| ());
        assert!(note.contains("assertion by itself"), "{name}: {note}");
    }
    // Conditions until 10:55:00, the confirmation until 10:04:30.
    let late = |context: &mut Context| {
        context.at =
            claimbridge::base::clock::Timestamp::parse_rfc3339("2026-11-20T10:05:00Z").unwrap();
    };
    let note = notes("good", late);
    assert!(
        note.contains("only within the skew of 300 s")
            && note.contains("NotOnOrAfter of SubjectConfirmationData"),
        "{note}"
    );
    // Whose domain it is was taken from the issuer's name.
    let note = notes("saml-015-not-by-host", |_| ());
    assert!(note.contains("root domain was not given"), "{note}");
    assert!(note.contains("contoso.com"), "{note}");
    let note = notes("saml-015-not-by-issuer", |_| ());
    assert!(note.contains("root domain was not given"), "{note}");
    let (_, context) = entry("pc-good");
    let seconds = context.at.as_millis() / 1000;
    let claims = json!({"aud": "https://api.partnercenter.microsoft.com",
        "iss": "https://sts.windows.net/8b7f0b1e-1111-4222-8333-444455556666/",
        "tid": "8b7f0b1e-1111-4222-8333-444455556666", "amr": ["pwd", "mfa"],
        "scp": "user_impersonation", "nbf": 1, "exp": seconds - 299});
    let report = inspect(claims.to_string().as_bytes(), &context);
    assert_eq!(outcome(&report), Outcome::Accepted);
    assert!(report.notes[0].contains("exp is"), "{:?}", report.notes);
}

#[test]
fn what_the_command_line_of_azure_prints_is_a_token() {
    let (bytes, context) = entry("pc-008-not-verified");
    let token = String::from_utf8(bytes).unwrap();
    let printed = json!({"accessToken": token.trim(), "expiresOn": "2026-11-20 10:00:00.000000",
        "subscription": "x", "tenant": "8b7f0b1e-1111-4222-8333-444455556666", "tokenType": "Bearer"});
    let report = inspect(printed.to_string().as_bytes(), &context);
    assert_eq!(report.input.kind, Kind::Jwt);
    assert!(
        !serde_json::to_string(&report)
            .unwrap()
            .contains(token.trim())
    );
}
