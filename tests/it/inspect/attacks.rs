//! The rows of the list of attacks that an inspector meets, beyond the corpus.

use std::time::Duration;

use claimbridge::inspect::{Consumer, Context, Kind, Outcome, Report, inspect};

use super::corpus::{entries, entry};

/// Of the door that the message goes to.
fn outcome(report: &Report) -> Outcome {
    report.verdicts[0].outcome
}

fn judged(part: &str) -> Vec<(String, Report)> {
    let chosen: Vec<_> = entries()
        .into_iter()
        .filter(|entry| entry.name.contains(part))
        .map(|found| {
            let (bytes, context) = entry(&found.name);
            (found.name, inspect(&bytes, &context))
        })
        .collect();
    assert!(!chosen.is_empty(), "{part}");
    chosen
}

#[test]
fn attack_10_every_wrapping_is_rejected_and_named() {
    let all = judged("attack-10");
    for variant in [
        "xsw-1", "xsw-2", "xsw-3", "xsw-4", "xsw-5", "xsw-6", "xsw-7", "xsw-8",
    ] {
        assert!(
            all.iter().any(|(name, _)| name.contains(variant)),
            "{variant}"
        );
    }
    for (name, report) in all {
        assert_eq!(outcome(&report), Outcome::Rejected, "{name}");
        assert!(report.broken().contains(&"CB-XML-004"), "{name}");
    }
}

#[test]
fn attack_10_no_wrapping_is_saved_by_trust_unsigned() {
    for found in entries() {
        if found.name.contains("attack-10") {
            let (bytes, mut context) = entry(&found.name);
            context.unchecked_signature = claimbridge::inspect::UncheckedSignature::TakenAsGood;
            context.certificates.clear();
            let report = inspect(&bytes, &context);
            assert_eq!(outcome(&report), Outcome::Rejected, "{}", found.name);
        }
    }
}

#[test]
fn attack_12_a_comment_or_cdata_in_an_identifying_text_is_rejected() {
    for (name, report) in judged("xml-003-") {
        let broken = !name.contains("not");
        assert_eq!(report.broken().contains(&"CB-XML-003"), broken, "{name}");
        assert_eq!(outcome(&report) == Outcome::Rejected, broken, "{name}");
    }
}

#[test]
fn attack_13_no_signature_error_is_taken_for_good() {
    for name in [
        "saml-008-hmac-with-certificate",
        "saml-005-embedded-key-value",
        "saml-005-another-certificate",
        "saml-005-certificate-damaged",
        "saml-005-no-value",
        "saml-009-no-reference",
        "saml-009-empty-signed-info",
        "saml-009-two-references",
        "saml-006-other",
    ] {
        let (bytes, mut context) = entry(name);
        assert_eq!(
            outcome(&inspect(&bytes, &context)),
            Outcome::Rejected,
            "{name}"
        );
        // And without a registered certificate it is never more than undecided.
        context.certificates.clear();
        let without = outcome(&inspect(&bytes, &context));
        assert!(
            matches!(without, Outcome::Rejected | Outcome::Undecided),
            "{name}: {without:?}"
        );
    }
}

/// Each byte of the signed assertion, changed one at a time: never accepted.
#[test]
fn attack_13_a_changed_byte_in_the_assertion_is_never_accepted() {
    let (bytes, context) = entry("good");
    let text = String::from_utf8(bytes).unwrap();
    let start = text.find("<saml:Assertion").unwrap();
    let end = text.find("</saml:Assertion>").unwrap();
    let mut judged = 0;
    for at in (start..end).step_by(7) {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let report = inspect(&changed, &context);
        judged += 1;
        let accepted = report
            .verdict(Consumer::EntraSaml2)
            .is_some_and(|verdict| verdict.outcome == Outcome::Accepted);
        // Line breaks in base64 text, and the prefix of a name within KeyInfo, mean nothing.
        let harmless = text.as_bytes()[at].is_ascii_whitespace();
        assert!(
            !accepted || harmless,
            "byte {at} of {}",
            &text[at..(at + 20).min(end)]
        );
    }
    assert!(judged > 300);
}

#[test]
fn attack_16_the_window_holds_to_the_second_under_every_skew() {
    // Conditions 09:55:00 to 10:55:00, confirmation until 10:04:30, signed in at 09:59:00.
    let (bytes, context) = entry("good");
    let begins =
        claimbridge::base::clock::Timestamp::parse_rfc3339("2026-11-20T09:55:00Z").unwrap();
    let ends = claimbridge::base::clock::Timestamp::parse_rfc3339("2026-11-20T10:04:30Z").unwrap();
    let signed_in =
        claimbridge::base::clock::Timestamp::parse_rfc3339("2026-11-20T09:59:00Z").unwrap();
    for skew in [0_u64, 1, 60, 300] {
        let skew = Duration::from_secs(skew);
        for offset in -600_i64..=600 {
            if offset % 30 != 0 && offset.abs() > 2 && (offset.abs() - 300).abs() > 1 {
                continue;
            }
            let shift = Duration::from_secs(offset.unsigned_abs());
            for bound in [begins, ends] {
                let at = if offset < 0 {
                    bound.minus(shift)
                } else {
                    bound.plus(shift)
                };
                let inside = at.plus(skew) >= begins && at.minus(skew) < ends;
                let not_future = signed_in <= at.plus(skew);
                let report = inspect(
                    &bytes,
                    &Context {
                        at,
                        skew,
                        ..context.clone()
                    },
                );
                let broken = report.broken();
                assert_eq!(!broken.contains(&"CB-SAML-016"), inside, "{at} ± {skew:?}");
                assert_eq!(
                    !broken.contains(&"CB-SAML-018"),
                    not_future,
                    "{at} ± {skew:?}"
                );
                assert_eq!(
                    outcome(&report) == Outcome::Accepted,
                    inside && not_future,
                    "{at} ± {skew:?}"
                );
            }
        }
    }
}

#[test]
fn attack_16_the_ends_of_time_do_not_panic() {
    use claimbridge::base::clock::Timestamp;
    for name in [
        "good",
        "pc-good",
        "saml-016-022-year-9999",
        "saml-016-negative",
    ] {
        let (bytes, context) = entry(name);
        for at in [i64::MIN, -1, 0, i64::MAX] {
            for skew in [Duration::ZERO, Duration::MAX] {
                let context = Context {
                    at: Timestamp::from_millis(at),
                    skew,
                    max_age: Some(Duration::ZERO),
                    ..context.clone()
                };
                let report = inspect(&bytes, &context);
                assert!(!report.verdicts.is_empty());
                assert!(serde_json::to_string(&report).is_ok());
            }
        }
    }
}

#[test]
fn attack_17_size_depth_and_bombs_keep_their_kind_and_are_rejected() {
    let (good, context) = entry("good");
    let text = String::from_utf8(good).unwrap();
    let padded = text.replace(
        "<samlp:Status>",
        &format!("{}<samlp:Status>", " ".repeat(300_000)),
    );
    let huge = text.replace(
        "<samlp:Status>",
        &format!("{}<samlp:Status>", " ".repeat(2_000_000)),
    );
    let deep = text.replace(
        "<samlp:Status>",
        &format!("{}{}<samlp:Status>", "<x>".repeat(40), "</x>".repeat(40)),
    );
    let very_deep = text.replace("<samlp:Status>", &"<x>".repeat(100_000));
    for (name, content) in [
        ("padded", padded),
        ("huge", huge),
        ("deep", deep),
        ("very deep", very_deep),
    ] {
        let report = inspect(content.as_bytes(), &context);
        assert_eq!(report.input.kind, Kind::Saml2Response, "{name}");
        assert_eq!(report.broken(), ["CB-XML-002"], "{name}");
        assert_eq!(outcome(&report), Outcome::Rejected, "{name}");
        assert_eq!(report.exit_code(), 1, "{name}");
    }
    let claims = format!("{{\"aud\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let report = inspect(claims.as_bytes(), &context);
    assert_eq!(report.broken(), ["CB-JWT-001"]);
}

#[test]
fn attack_18_dangerous_features_keep_their_kind_and_are_rejected() {
    for (name, report) in judged("xml-001-") {
        if name.contains("not") {
            continue;
        }
        assert_ne!(report.input.kind, Kind::Unknown, "{name}");
        assert_eq!(outcome(&report), Outcome::Rejected, "{name}");
    }
}

#[test]
fn whatever_comes_in_nothing_panics_and_nothing_known_is_exit_2() {
    let (good, context) = entry("good");
    for length in (0..good.len()).step_by(101) {
        let report = inspect(&good[..length], &context);
        assert!(report.exit_code() != 0, "cut at {length}");
    }
    for input in [
        &b""[..],
        b"\0",
        b"\xff\xff",
        b"<",
        b"<a/>",
        b"{",
        b"{}",
        b"[]",
        b"a.b.c",
        b"null",
    ] {
        let report = inspect(input, &context);
        assert_eq!(report.exit_code(), 2, "{input:?}");
        assert!(report.input.problem.is_some(), "{input:?}");
        assert!(report.verdicts.is_empty());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_panic_and_none_are_accepted(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        front in "(<|\\{|SAMLResponse=|https://x/\\?SAMLRequest=|eyJhbGciOiJSUzI1NiJ9\\.|%3C|PHNhbWw|)",
    ) {
        let (_, context) = entry_context();
        let input = [front.as_bytes(), &bytes].concat();
        let report = inspect(&input, &context);
        proptest::prop_assert!(report.exit_code() != 0);
    }
}

/// Read once: a property runs thousands of times.
fn entry_context() -> (Vec<u8>, Context) {
    static ENTRY: std::sync::OnceLock<(Vec<u8>, Context)> = std::sync::OnceLock::new();
    ENTRY.get_or_init(|| entry("good")).clone()
}

#[test]
fn attack_18_an_encrypted_assertion_is_not_taken_for_a_plain_one() {
    for (name, report) in judged("saml-002-encrypted") {
        assert_eq!(outcome(&report), Outcome::Rejected, "{name}");
        assert!(report.broken().contains(&"CB-SAML-002"), "{name}");
    }
}

/// A trace of tokens without a kid, each of which is tried with every key.
fn tokens_without_kid(count: usize) -> Vec<u8> {
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let entries: Vec<_> = (0..count)
        .map(|number| {
            let claims = format!("{{\"aud\":\"x\",\"exp\":{number}}}");
            let token = format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(&claims));
            let url = format!("https://x/{number}#access_token={token}");
            serde_json::json!({"request": {"method": "GET", "url": url}})
        })
        .collect();
    serde_json::json!({"log": {"entries": entries}})
        .to_string()
        .into_bytes()
}

#[test]
fn attack_17_keys_times_messages_are_not_all_tried() {
    use claimbridge::inspect::{Jwks, jwks::MAX_KEYS};
    let (_, mut context) = entry("pc-008-not-verified");
    let set = serde_json::to_value(
        serde_json::from_slice::<serde_json::Value>(
            &std::fs::read(super::corpus::folder().join("jwks.json")).unwrap(),
        )
        .unwrap(),
    )
    .unwrap();
    let keys = vec![set["keys"][0].clone(); MAX_KEYS];
    let set = serde_json::json!({ "keys": keys }).to_string();
    context.jwks = Some(Jwks::parse(set.as_bytes()).unwrap());
    let report = inspect(&tokens_without_kid(100), &context);
    assert_eq!(report.story.len(), 100);
    let bad = report
        .story
        .iter()
        .filter(|step| step.report.broken().contains(&"CB-JWT-003"))
        .count();
    // What was tried is bad; what was not tried is not said to be good.
    assert!((20..40).contains(&bad), "{bad}");
    for step in &report.story[bad..] {
        let finding = step
            .report
            .findings
            .iter()
            .find(|finding| finding.rule == "CB-PC-008")
            .unwrap();
        assert!(finding.evidence.contains("too many"), "{finding:?}");
        assert!(step.report.verdicts[0].outcome != Outcome::Accepted);
    }
}

#[test]
fn attack_17_a_trace_has_no_more_messages_than_are_counted() {
    let (_, context) = entry("good");
    let one = |number: usize| {
        serde_json::json!({"request": {"method": "GET", "url": format!("https://x/{number}?wa=wsignin1.0")},
            "response": {"headers": [{"name": "Location", "value": "https://y/#access_token=eyJ9.e30.x"}]}})
    };
    let entries: Vec<_> = (0..400).map(one).collect();
    let trace = serde_json::json!({"log": {"entries": entries}}).to_string();
    let report = inspect(trace.as_bytes(), &context);
    assert_eq!(report.decoded["left_out"], 300);
}
