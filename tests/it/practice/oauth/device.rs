//! Device codes: what the program polls, what the person sees.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::world::{Answer, Browser, TENANT, World, between, world},
    kit::{self, CLI, Parameters, SCOPE, refusal},
};

const CONFIRM: &str = "/devicelogin/confirm";

async fn begin(world: &World) -> Value {
    let form = Parameters::of(&[("client_id", CLI), ("scope", SCOPE)]);
    let answer = kit::post(world, "/organizations/oauth2/v2.0/devicecode", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    kit::json(&answer)
}

async fn poll(world: &World, device: &Value) -> Answer {
    let form = Parameters::of(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLI),
        ("device_code", device["device_code"].as_str().unwrap()),
    ]);
    kit::token(world, &form).await
}

async fn types(browser: &mut Browser, world: &World, code: &str) -> Answer {
    let form = Parameters::of(&[("code", code)]).encoded();
    browser.submit(world, "/devicelogin", &form).await
}

/// Types the code and signs in; the confirmation page.
async fn signs_in(browser: &mut Browser, world: &World, device: &Value) -> Answer {
    let post = types(browser, world, device["user_code"].as_str().unwrap()).await;
    assert_eq!(post.status, StatusCode::OK, "{}", post.body);
    let carried = Browser::carried(post);
    let onward = kit::answers(browser, world, &carried).await;
    assert_eq!(onward.location(), CONFIRM);
    let page = browser.get(world, CONFIRM).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    page
}

async fn says(browser: &mut Browser, world: &World, page: &Answer, says: &str) -> Answer {
    let handle = between(&page.body, "name=\"handle\" value=\"", "\"");
    let form = format!("handle={handle}&answer={says}");
    browser.submit(world, CONFIRM, &form).await
}

#[tokio::test]
async fn a_device_code_waits_for_the_persons_yes_and_is_good_once() {
    let world = world();
    let device = begin(&world).await;
    let user_code = device["user_code"].as_str().unwrap();
    assert_eq!(user_code.len(), 9);
    assert_eq!(device["verification_uri"], format!("{TENANT}/devicelogin"));
    assert_eq!(device["expires_in"], 900);
    assert_eq!(device["interval"], 1);
    assert!(device["message"].as_str().unwrap().contains(user_code));

    let pending = (400, "authorization_pending".to_owned(), 70016);
    assert_eq!(refusal(&poll(&world, &device).await), pending);
    assert_eq!(refusal(&poll(&world, &device).await).1, "slow_down");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&poll(&world, &device).await), pending);

    let mut browser = Browser::default();
    let page = browser.get(&world, "/devicelogin").await;
    assert!(page.body.contains("autocomplete=\"off\""), "{}", page.body);
    // As people type.
    let typed = format!(
        " {}-{} ",
        &user_code[..4].to_lowercase(),
        &user_code[4..].to_lowercase()
    );
    let post = types(&mut browser, &world, &typed).await;
    assert_eq!(post.status, StatusCode::OK, "{}", post.body);
    let carried = Browser::carried(post);
    let onward = kit::answers(&mut browser, &world, &carried).await;
    assert_eq!(onward.location(), CONFIRM);
    // Signed in is not yet a yes.
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&poll(&world, &device).await), pending);
    let page = browser.get(&world, CONFIRM).await;
    assert!(
        page.body
            .contains("Are you trying to sign in to Microsoft Azure CLI?"),
        "{}",
        page.body
    );
    assert!(page.body.contains("agent1@contoso.com"));
    let done = says(&mut browser, &world, &page, "continue").await;
    assert_eq!(done.status, StatusCode::OK);
    assert!(done.body.contains("You have signed in"), "{}", done.body);

    let answer = poll(&world, &device).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let tokens = kit::json(&answer);
    let claims = kit::claims(&world, &tokens["access_token"]).await;
    assert_eq!(claims["amr"], json!(["pwd", "mfa"]));
    assert!(tokens["refresh_token"].is_string());
    assert!(tokens["id_token"].is_string());
    assert_eq!(
        refusal(&poll(&world, &device).await).1,
        "bad_verification_code"
    );
    // The code was typed once; it is known no more.
    let again = types(&mut browser, &world, user_code).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.body.contains("role=\"alert\""), "{}", again.body);
}

#[tokio::test]
async fn a_person_who_is_signed_in_is_still_asked_and_may_say_no() {
    let world = world();
    let mut browser = Browser::default();
    kit::code(&mut browser, &world).await;
    let device = begin(&world).await;
    let onward = types(&mut browser, &world, device["user_code"].as_str().unwrap()).await;
    assert_eq!(onward.location(), CONFIRM);
    let page = browser.get(&world, CONFIRM).await;
    let no = says(&mut browser, &world, &page, "cancel").await;
    assert!(no.body.contains("Cancelled"), "{}", no.body);
    assert_eq!(
        refusal(&poll(&world, &device).await),
        (400, "authorization_declined".to_owned(), 70018)
    );
    assert_eq!(
        refusal(&poll(&world, &device).await).1,
        "bad_verification_code"
    );
}

#[tokio::test]
async fn only_the_browser_that_signed_in_can_say_yes() {
    let world = world();
    let mut browser = Browser::default();
    let device = begin(&world).await;
    let page = signs_in(&mut browser, &world, &device).await;
    let mut stranger = Browser::default();
    let away = says(&mut stranger, &world, &page, "continue").await;
    assert_eq!(away.location(), "/devicelogin");
    let form = "handle=guess&answer=continue";
    let away = browser.submit(&world, CONFIRM, form).await;
    assert_eq!(away.location(), "/devicelogin");
    assert_eq!(
        refusal(&poll(&world, &device).await).1,
        "authorization_pending"
    );
    assert_eq!(
        Browser::default().get(&world, CONFIRM).await.location(),
        "/devicelogin"
    );
    says(&mut browser, &world, &page, "continue").await;
    assert_eq!(poll(&world, &device).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_device_code_lasts_a_quarter_of_an_hour_and_belongs_to_its_client() {
    let world = world();
    let mut browser = Browser::default();
    let device = begin(&world).await;
    let page = signs_in(&mut browser, &world, &device).await;
    let clients = world.practice.oauth().clients();
    let others = Parameters::of(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", clients.web().id()),
        ("client_secret", clients.web().secret().unwrap().expose()),
        ("device_code", device["device_code"].as_str().unwrap()),
    ]);
    assert_eq!(
        refusal(&kit::token(&world, &others).await).1,
        "bad_verification_code"
    );
    world.clock.advance(Duration::from_mins(15));
    let late = says(&mut browser, &world, &page, "continue").await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "{}", late.body);
    let late = types(&mut browser, &world, device["user_code"].as_str().unwrap()).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "{}", late.body);
    assert_eq!(
        refusal(&poll(&world, &device).await),
        (400, "expired_token".to_owned(), 70019)
    );
    assert_eq!(
        refusal(&poll(&world, &device).await).1,
        "bad_verification_code"
    );
}

#[tokio::test]
async fn a_device_code_without_the_federated_mfa_is_refused_by_partner_center() {
    let world = world();
    let mut browser = Browser::default();
    browser.press(&world, "federated-mfa-ignored").await;
    let device = begin(&world).await;
    let page = signs_in(&mut browser, &world, &device).await;
    says(&mut browser, &world, &page, "continue").await;
    browser.press(&world, "none").await;
    let tokens = kit::json(&poll(&world, &device).await);
    assert_eq!(
        kit::partner_center(&world, &tokens["access_token"]).await,
        (401, "900421".to_owned(), "false".to_owned())
    );
}

#[tokio::test]
async fn a_refused_sign_in_leaves_the_device_code_waiting() {
    let world = world();
    let mut browser = Browser::default();
    browser.press(&world, "wrong-certificate").await;
    let device = begin(&world).await;
    let post = types(&mut browser, &world, device["user_code"].as_str().unwrap()).await;
    let carried = Browser::carried(post);
    let refused = kit::answers(&mut browser, &world, &carried).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        browser.get(&world, CONFIRM).await.location(),
        "/devicelogin"
    );
    assert_eq!(
        refusal(&poll(&world, &device).await).1,
        "authorization_pending"
    );
}

#[tokio::test]
async fn a_device_code_needs_a_client_and_a_scope() {
    let world = world();
    let path = "/organizations/oauth2/v2.0/devicecode";
    for (form, number) in [
        (Parameters::of(&[("scope", SCOPE)]), 900_144),
        (Parameters::of(&[("client_id", CLI)]), 900_144),
        (
            Parameters::of(&[("client_id", "x"), ("scope", SCOPE)]),
            700_016,
        ),
        (
            Parameters::of(&[("client_id", CLI), ("scope", "openid")]),
            70011,
        ),
    ] {
        assert_eq!(refusal(&kit::post(&world, path, &form).await).2, number);
    }
}
