//! What follows from a button, and what Partner Center makes of the token.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use std::time::Duration;

use super::{
    signer::REGISTERED,
    world::{Answer, Browser, World, call, world},
};

#[tokio::test]
async fn without_the_class_reference_entra_would_loop_and_partner_center_says_401() {
    let world = world();
    let mut browser = Browser::default();
    browser.sign_in(&world, &REGISTERED, |_| {}).await;
    browser.press(&world, "class-reference-dropped").await;
    let last = browser.last(&world).await;
    assert_eq!(last["outcome"], "accepted-without-mfa");
    assert_eq!(last["amr"], serde_json::json!(["pwd"]));
    assert_eq!(last["altered"], true);
    let page = browser.get(&world, "/result").await;
    assert!(page.body.contains("enforceMfaByFederatedIdp"));
    assert!(page.body.contains("redirect loop"));
    assert!(page.body.contains("Partner Center: 401"));
    // It is not handed on.
    assert_eq!(browser.get(&world, "/onward").await.location(), "/result");

    let refused = customers(&world, last["access_token"].as_str(), Some("true")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers["isMfaCompliant"], "false");
    assert_eq!(
        refused.headers[header::WWW_AUTHENTICATE],
        "Bearer error=\"invalid_token\""
    );
    assert!(refused.body.contains("\"900421\""));
    assert!(refused.body.contains("MFA required"));
}

#[tokio::test]
async fn validate_mfa_is_answered_both_ways_and_only_when_asked() {
    let world = world();
    let mut browser = Browser::default();
    browser.sign_in(&world, &REGISTERED, |_| {}).await;
    let last = browser.last(&world).await;
    let token = last["access_token"].as_str();
    let asked = customers(&world, token, Some("true")).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert_eq!(asked.headers["isMfaCompliant"], "true");
    let not_asked = customers(&world, token, None).await;
    assert_eq!(not_asked.status, StatusCode::OK);
    assert!(!not_asked.headers.contains_key("isMfaCompliant"));
    assert_eq!(
        customers(&world, None, Some("true")).await.headers["isMfaCompliant"],
        "false"
    );
}

#[tokio::test]
async fn partner_center_takes_no_token_but_the_tenants() {
    let world = world();
    let mut browser = Browser::default();
    browser.sign_in(&world, &REGISTERED, |_| {}).await;
    let last = browser.last(&world).await;
    let token = last["access_token"].as_str().unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let other = super::world::world();
    let stale = {
        world.clock.advance(Duration::from_hours(2));
        customers(&world, Some(token), None).await
    };
    assert_eq!(stale.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        customers(&other, Some(token), None).await.status,
        StatusCode::UNAUTHORIZED
    );
    world
        .clock
        .set(claimbridge::base::clock::Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap());
    for bad in [
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("{head}.{claims}x.{signature}"),
        format!("{head}.{claims}.{signature}.{signature}"),
        "x".to_owned(),
    ] {
        let answer = customers(&world, Some(&bad), None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad}");
    }
    assert_eq!(
        customers(&world, Some(token), None).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn two_browsers_do_not_disturb_each_other() {
    let world = world();
    let (mut one, mut other) = (Browser::default(), Browser::default());
    one.press(&world, "wrong-issuer").await;
    one.sign_in(&world, &REGISTERED, |_| {}).await;
    other.sign_in(&world, &REGISTERED, |_| {}).await;
    assert_eq!(one.last(&world).await["accepted"], false);
    assert_eq!(other.last(&world).await["accepted"], true);
    assert_eq!(other.last(&world).await["break"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_form_of_another_site_presses_no_button() {
    let world = world();
    let mut browser = Browser::default();
    browser.sign_in(&world, &REGISTERED, |_| {}).await;
    // A browser sends no Lax cookie with it, and what it does is another visit's.
    Browser::default()
        .post_from_elsewhere(&world, "/break", "break=expired")
        .await;
    assert_eq!(browser.last(&world).await["accepted"], true);
    assert_eq!(
        browser.press(&world, "nonsense").await.status,
        StatusCode::BAD_REQUEST
    );
}

async fn customers(world: &World, token: Option<&str>, validate_mfa: Option<&str>) -> Answer {
    let mut request = Request::get("/v1/customers").header(header::HOST, "127.0.0.1:8082");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(value) = validate_mfa {
        request = request.header("ValidateMfa", value);
    }
    call(&world.partner_center, request.body(Body::empty()).unwrap()).await
}
