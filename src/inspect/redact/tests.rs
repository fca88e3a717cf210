use super::*;
use crate::{
    base::clock::Timestamp,
    inspect::{Context, inspect},
};

fn at(text: &str) -> Context {
    Context::at(Timestamp::parse_rfc3339(text).unwrap())
}

#[test]
fn nobody_is_named_in_a_redacted_report_of_a_token() {
    let claims = serde_json::json!({
        "aud": "https://api.partnercenter.microsoft.com",
        "iss": "https://sts.windows.net/8b7f0b1e-1111-4222-8333-444455556666/",
        "tid": "8b7f0b1e-1111-4222-8333-444455556666",
        "oid": "99999999-1111-4222-8333-444455556666",
        "upn": "maria.mueller@contoso.com", "name": "Maria Mueller",
        "family_name": "Mueller", "ipaddr": "203.0.113.9", "sub": "q-9XyLmnop",
        "amr": "pwd of maria.mueller@contoso.com", "scp": "user_impersonation",
        "nbf": 1, "exp": 2,
    });
    let report = inspect(claims.to_string().as_bytes(), &at("2026-11-20T10:00:00Z"));
    let text = redacted(&report).to_string();
    for secret in [
        "aria",
        "ueller",
        "203.0.113.9",
        "q-9XyLmnop",
        "4222-8333",
        "contoso",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for kept in [
        "CB-PC-005",
        "CB-PC-007",
        "api.partnercenter.microsoft.com",
        "[upn]",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
}

#[test]
fn nobody_is_named_in_a_redacted_report_of_a_trace() {
    let claims = br#"{"aud":"x","upn":"maria@contoso.com","name":"Maria Mueller","amr":"pwd"}"#;
    let token = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let jwt = format!("{}.{}.AAAA", token(br#"{"alg":"RS256"}"#), token(claims));
    let har = serde_json::json!({"log": {"version": "1.2", "entries": [{
        "startedDateTime": "2026-11-20T10:00:00Z",
        "request": {"method": "POST", "url": "https://login.example.com/token?u=maria@contoso.com", "headers": []},
        "response": {"status": 200, "headers": [], "content": {
            "mimeType": "application/json", "text": format!("{{\"access_token\":\"{jwt}\"}}")}},
    }]}});
    let report = inspect(har.to_string().as_bytes(), &at("2026-11-20T10:00:00Z"));
    assert_eq!(report.story.len(), 1, "{report:?}");
    let text = redacted(&report).to_string();
    assert!(text.contains("CB-PC-007"), "{text}");
    for secret in ["aria", "ueller"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn nobody_is_named_in_a_redacted_report_of_a_response() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/inspector/messages/good.xml"
    );
    let report = inspect(&std::fs::read(file).unwrap(), &at("2026-11-20T10:00:00Z"));
    let assertion = &report.decoded["assertion"];
    let name_id = assertion["name_id"][0].as_str().unwrap().to_owned();
    let upn = assertion["attributes"][0]["values"][0].as_str().unwrap();
    let plain = serde_json::to_string(&report).unwrap();
    let text = redacted(&report).to_string();
    for secret in [name_id.as_str(), upn] {
        assert!(plain.contains(secret) && !text.contains(secret), "{text}");
    }
    assert!(text.contains("http://schemas.microsoft.com/claims/multipleauthn"));
    assert!(text.contains("https://idp.contoso.com/contoso.com"));
}

fn claims(value: &Value) -> Report {
    inspect(value.to_string().as_bytes(), &at("2026-11-20T10:00:00Z"))
}

#[test]
fn the_names_are_in_order() {
    assert!(PERSONAL.is_sorted());
}

#[test]
fn attack_17_more_names_than_are_replaced_leave_the_message_out() {
    let of = |count: usize| -> Value {
        let emails: Vec<_> = (0..count).map(|number| format!("mail{number}")).collect();
        let groups: Vec<_> = (0..count).map(|number| format!("b-mail{number}")).collect();
        redacted(&claims(
            &serde_json::json!({"iss": "x", "emails": emails, "groups": groups}),
        ))
    };
    let few = of(500);
    assert_eq!(few["decoded"]["claims"]["groups"][499], "b-[emails]");
    assert!(!few.to_string().contains("mail4"), "{few}");
    let many = of(MAX_VALUES + 1);
    assert!(many["decoded"].is_null() && many["left_out"].is_string());
    assert!(!many.to_string().contains("mail4"), "{many}");
    assert!(many.to_string().contains("CB-PC-003"), "{many}");
}

#[test]
fn no_secret_is_in_a_report() {
    let long = format!("AQAB{}", "x1".repeat(300));
    for document in [
        // An entry of a cache of tokens: a claim name makes it claims.
        serde_json::json!({"tokenType": "Bearer", "accessToken": format!("opaque{long}"),
            "refreshToken": long, "oid": "99999999-1111-4222-8333-444455556666",
            "userId": "maria@contoso.com", "givenName": "Maria", "familyName": "Mueller"}),
        serde_json::json!({"issuer": "https://idp.contoso.com", "jwks_uri": "https://idp.contoso.com/keys",
            "client_secret": "opaque~8Q", "x": long}),
        serde_json::json!({"iss": "x", "aud": {"refresh_token": long}, "scp": [format!("opaque{long}")]}),
    ] {
        let report = claims(&document);
        let plain = serde_json::to_string(&report).unwrap();
        let text = redacted(&report).to_string();
        for secret in ["opaque", "AQABx1x1"] {
            assert!(!plain.contains(secret), "{secret} in {plain}");
        }
        for name in ["aria", "ueller", "opaque", "AQABx1x1"] {
            assert!(!text.contains(name), "{name} in {text}");
        }
    }
}

#[test]
fn short_names_and_pictures_of_attributes_stay_nowhere() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/inspector/messages/good.xml"
    );
    let text = std::fs::read_to_string(file).unwrap().replace(
        "</saml:AttributeStatement>",
        r#"<saml:Attribute Name="surname"><saml:AttributeValue>Kim</saml:AttributeValue><saml:AttributeValue>https://pictures.example/kim.png</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#,
    );
    assert!(text.contains("Kim"));
    let report = inspect(text.as_bytes(), &at("2026-11-20T10:00:00Z"));
    let text = redacted(&report).to_string();
    assert!(text.contains("[surname]"), "{text}");
    assert!(!text.to_lowercase().contains("kim"), "{text}");
    assert!(text.contains("http://schemas.microsoft.com/claims/multipleauthn"));
}

#[test]
fn what_evidence_cuts_or_escapes_is_replaced_too() {
    let long = format!("Maria{}Mueller", "~".repeat(90));
    let report = claims(&serde_json::json!({
        "iss": "x", "nonce": "n", "acr": "possession", "amr": ["otp"],
        "sub": long, "name": "Maria \"M\" Mueller", "aud": ["Maria \"M\" Mueller", 1],
    }));
    let plain = serde_json::to_string(&report).unwrap();
    assert!(plain.contains("Maria~"), "{plain}");
    let text = redacted(&report).to_string();
    assert!(!text.contains("Maria"), "{text}");
    // What came from the form.
    let mut context = at("2026-11-20T10:00:00Z");
    context.expect = Some(crate::inspect::Consumer::EntraExternalMfa);
    context.external_mfa.client_id = Some("c".to_owned());
    context.external_mfa.authorization = Some(crate::inspect::GivenAuthorization {
        nonce: Some("nonce-of-maria".to_owned()),
        ..Default::default()
    });
    let report = inspect(br#"{"aud":"c","nonce":"another"}"#, &context);
    let text = redacted_beside(&report, &["nonce-of-maria".to_owned()]).to_string();
    assert!(
        text.contains("CB-EAM-005") && !text.contains("maria"),
        "{text}"
    );
    let plain = serde_json::to_string(&report).unwrap();
    assert!(plain.contains("nonce-of-maria"));
}

#[test]
fn addresses_of_people_are_seen_however_they_are_written() {
    for (text, wanted) in [
        (
            "https://x/users/maria%40contoso.com",
            "https://x/users/[address]",
        ),
        ("maria_contoso.com#EXT#@fabrikam.com.", "[address]"),
        ("o'brien@contoso.com", "[address]"),
        ("id _1e089e5c-f976-48c3-bdb1-bb4ed5fbb11b", "id [id]"),
        ("https://x/y#z amr 100% a@", "https://x/y#z amr 100% a@"),
    ] {
        assert_eq!(masked(text), wanted);
    }
}
