use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;
use crate::{
    protocol::oidc::a_cloud::{
        AUTHORITY, CLIENT, CLOUD, NOW, OTHER_AUTHORITY, SUBJECT, claims, contoso, fabrikam,
        keys_of, with,
    },
    signin::second_factor::Acr,
};

const CLAIMS: &str = r#"{"id_token":{"acr":{"essential":true,"values":["possessionorinherence"]},"amr":{"essential":true,"values":["fido","hwk","otp"]}}}"#;
const STATE: &str = "H4sIAAAAAAAEAOv+WOt/==";

fn reply_url(authority: &str) -> String {
    format!("{authority}/common/federation/externalauthprovider")
}

type Fields = Vec<(&'static str, String)>;

/// As Entra posts it (facts §5.3).
fn fields() -> Fields {
    vec![
        ("scope", "openid".to_owned()),
        ("response_mode", "form_post".to_owned()),
        ("response_type", "id_token".to_owned()),
        ("client_id", CLIENT.to_owned()),
        ("redirect_uri", reply_url(AUTHORITY)),
        ("nonce", "AwABEgEAAAACAOz_BQD0".to_owned()),
        ("state", STATE.to_owned()),
        ("claims", CLAIMS.to_owned()),
        ("id_token_hint", CLOUD.hint(&claims())),
        (
            "client-request-id",
            "4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c".to_owned(),
        ),
        ("tomorrow", "x".to_owned()),
    ]
}

/// With another value of a field; without it, if there is none.
fn but(name: &'static str, value: Option<&str>) -> Fields {
    let mut fields = fields();
    fields.retain(|(known, _)| *known != name);
    fields.extend(value.map(|value| (name, value.to_owned())));
    fields
}

fn body(fields: &Fields) -> String {
    let encoded = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    encoded.collect::<Vec<_>>().join("&")
}

fn parse_body(body: &str) -> Result<AuthorizationRequest, RequestError> {
    AuthorizationRequest::parse(PostedRequest::read(body)?, &[contoso(), fabrikam()])
}

fn parse(fields: &Fields) -> Result<AuthorizationRequest, RequestError> {
    parse_body(&body(fields))
}

fn verify(fields: &Fields) -> Result<VerifiedAuthorizationRequest, RequestError> {
    let keys = keys_of(&contoso().cloud, &[CLOUD.jwk()]);
    parse(fields)?.verify(&[contoso(), fabrikam()], &keys, NOW)
}

/// The error that Entra gets, with the state; nothing else is in it.
fn answered(error: RequestError) -> String {
    match error {
        RequestError::Answer { answer, .. } => {
            assert_eq!(answer.action, reply_url(AUTHORITY));
            assert_eq!(answer.fields[1], ("state", STATE.to_owned()));
            assert_eq!((answer.fields.len(), answer.fields[0].0), (2, "error"));
            answer.fields[0].1.clone()
        }
        RequestError::Page(page) => panic!("a page: {page}"),
    }
}

#[test]
fn entras_request_is_understood() {
    let verified = verify(&fields()).unwrap();
    assert_eq!(verified.hint().subject(), SUBJECT);
    let error = verified.error(ErrorCode::AccessDenied);
    assert_eq!(error.fields[0].1, "access_denied");
    let asked = verified.into_second_factor_request();
    assert_eq!(asked.tenant, contoso().tenant);
    assert_eq!(asked.subject, SUBJECT);
    assert_eq!(asked.client_id, CLIENT);
    assert_eq!(asked.nonce, "AwABEgEAAAACAOz_BQD0");
    assert_eq!(asked.state.as_deref(), Some(STATE));
    assert_eq!(asked.reply_url, reply_url(AUTHORITY));
    assert_eq!(asked.acr, [Acr::PossessionOrInherence]);
    assert_eq!(asked.amr, ["fido", "hwk", "otp"]);
    assert_eq!(asked.shown_name.as_deref(), Some("agent1@contoso.com"));
    assert_eq!(asked.asked_at(), NOW);
    assert_eq!(
        asked.client_request_id.as_deref(),
        Some("4b6fbbbc-3d28-4ae6-8e6d-0b3ef9f1ba2c")
    );
}

#[test]
fn the_spellings_that_entra_has_used_are_taken() {
    let renamed = |mut fields: Fields| {
        for (name, _) in &mut fields {
            if *name == "redirect_uri" {
                *name = "redirect_url";
            }
        }
        fields
    };
    let mut both = fields();
    both.push(("redirect_url", reply_url(AUTHORITY)));
    for fields in [
        renamed(fields()),
        both,
        but("response_type", Some("Id_token")),
        but("response_type", Some("ID_TOKEN")),
        but("scope", Some("profile openid")),
        but("client-request-id", None),
        but("client-request-id", Some("<script>")),
    ] {
        assert!(verify(&fields).is_ok(), "{fields:?}");
    }
    // Without a state none goes back.
    let asked = verify(&but("state", None)).unwrap();
    assert_eq!(asked.error(ErrorCode::AccessDenied).fields.len(), 1);
    // Of what an attacker may write nothing is shown.
    let request = parse(&but("client-request-id", Some("<b>"))).unwrap();
    assert_eq!(request.client_request_id(), None);
}

#[test]
fn attack_30_without_a_known_address_there_is_a_page_and_no_answer() {
    let near = format!("{}/", reply_url(AUTHORITY));
    let long = "a".repeat(100_000);
    let mut two = fields();
    two.push(("redirect_url", reply_url(OTHER_AUTHORITY)));
    for fields in [
        but("redirect_uri", None),
        but("redirect_uri", Some("")),
        but("redirect_uri", Some("https://evil.example/")),
        but("redirect_uri", Some(&near)),
        but("redirect_uri", Some(&reply_url(OTHER_AUTHORITY))),
        but("redirect_uri", Some(&long)),
        but("client_id", None),
        but("client_id", Some("another")),
        but("client_id", Some("claimbridge-of-fabrikam")),
        but("state", Some(&long)),
        but("state", Some("a\nb")),
        two,
    ] {
        let error = parse(&fields).unwrap_err();
        assert!(matches!(error, RequestError::Page(_)), "{error:?}");
    }
    let plain = body(&fields());
    for body in [
        String::new(),
        format!("{plain}&redirect_uri=https%3A%2F%2Fevil.example"),
        format!("{plain}&redirect%5Furi=x"),
        format!("{plain}&client_id={CLIENT}"),
        format!("{plain}&state=y"),
        plain.replace("state=", "state=%ff"),
        format!("{plain}&x={}", "a".repeat(MAX_BODY)),
    ] {
        let error = parse_body(&body).unwrap_err();
        assert!(matches!(error, RequestError::Page(_)), "{error:?}");
    }
    // The tenant of the hint is answered elsewhere than the request says.
    let mut tenants = [contoso(), contoso()];
    tenants[1].tenant = fabrikam().tenant;
    tenants[1].cloud = fabrikam().cloud;
    let other = CLOUD.hint(&with(claims(), "tid", json!(tenants[1].tenant)));
    let text = body(&but("id_token_hint", Some(&other)));
    let posted = PostedRequest::read(&text).unwrap();
    assert_eq!(posted.client_id(), CLIENT);
    let request = AuthorizationRequest::parse(posted, &tenants).unwrap();
    let error = request.tenant(&tenants).unwrap_err();
    assert!(
        matches!(error, RequestError::Page(Unanswerable::OtherTenant(_))),
        "{error:?}"
    );
}

#[test]
fn what_is_wrong_otherwise_goes_back_with_the_state() {
    let hundred_kilobytes = format!(
        r#"{{"id_token":{{"acr":{{"values":["{}"]}}}}}}"#,
        "a".repeat(100_000)
    );
    let long_nonce = "n".repeat(MAX_NONCE + 1);
    for (name, value, wanted) in [
        ("response_type", Some("code"), "unsupported_response_type"),
        (
            "response_type",
            Some("id_token token"),
            "unsupported_response_type",
        ),
        ("response_type", None, "invalid_request"),
        ("response_mode", Some("query"), "invalid_request"),
        ("response_mode", Some("fragment"), "invalid_request"),
        ("response_mode", None, "invalid_request"),
        ("scope", Some("profile"), "invalid_scope"),
        ("scope", Some("openidx"), "invalid_scope"),
        ("scope", None, "invalid_request"),
        ("nonce", None, "invalid_request"),
        ("nonce", Some(""), "invalid_request"),
        ("nonce", Some(&long_nonce), "invalid_request"),
        ("claims", None, "invalid_request"),
        ("claims", Some("{"), "invalid_request"),
        ("claims", Some(&hundred_kilobytes), "invalid_request"),
        ("id_token_hint", None, "invalid_request"),
        ("id_token_hint", Some("a.b.c"), "invalid_request"),
        // Nobody verified what stands in a request object, and nothing is fetched (29, 31).
        ("request", Some("a.b.c"), "request_not_supported"),
        ("request", Some("a.b.c.d.e"), "request_not_supported"),
        (
            "request_uri",
            Some("http://169.254.169.254/"),
            "request_uri_not_supported",
        ),
    ] {
        let error = parse(&but(name, value)).unwrap_err();
        assert_eq!(answered(error), wanted, "{name} {value:.40?}");
    }
    let plain = body(&fields());
    for name in [
        "nonce",
        "claims",
        "id_token_hint",
        "scope",
        "response_type",
        "response_mode",
    ] {
        let error = parse_body(&format!("{plain}&{name}=x")).unwrap_err();
        assert_eq!(answered(error), "invalid_request", "{name}");
    }
}

#[test]
fn attack_23_a_hint_that_is_not_of_the_tenant_that_asks_goes_back_with_an_error() {
    for (name, value) in [
        ("tid", json!("99999999-0000-cccc-1111-dddd2222eeee")),
        // One of ours, that asks by another name.
        ("tid", json!(fabrikam().tenant)),
        ("aud", json!("99999999-0000-cccc-1111-dddd2222eeee")),
        ("iat", json!(NOW.as_secs() - 3600)),
    ] {
        let hint = CLOUD.hint(&with(claims(), name, value.clone()));
        let error = verify(&but("id_token_hint", Some(&hint))).map(|_| ());
        assert_eq!(
            answered(error.unwrap_err()),
            "invalid_request",
            "{name} {value}"
        );
    }
    let request = parse(&fields()).unwrap();
    let keys = keys_of(
        &contoso().cloud,
        &[with(CLOUD.jwk(), "kid", json!("another"))],
    );
    let error = request
        .verify(&[contoso()], &keys, NOW)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.unknown_key(),
        Some(crate::protocol::oidc::a_cloud::KID)
    );
    assert_eq!(answered(error), "invalid_request");
    let down = request.error(ErrorCode::TemporarilyUnavailable);
    assert_eq!(down.fields[0].1, "temporarily_unavailable");
}
