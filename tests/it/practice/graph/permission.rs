//! Who may what.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use claimbridge::practice::token;
use serde_json::json;

use super::{
    super::{
        oauth::kit as oauth,
        world::{Browser, World, world},
    },
    kit::{self, EVERYTHING, call_with, code},
};

const CONFIGURATION: &str = "/v1.0/domains/contoso.com/federationConfiguration";

async fn statuses(world: &World, token: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (method, path) in [
        (Method::GET, "/v1.0/domains"),
        (Method::GET, CONFIGURATION),
        (Method::GET, "/v1.0/users"),
        (
            Method::GET,
            "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
        ),
        (Method::GET, "/v1.0/auditLogs/signIns"),
        (Method::POST, CONFIGURATION),
        (Method::PATCH, "/v1.0/domains/contoso.com"),
        (Method::PATCH, "/v1.0/users/agent1@contoso.com"),
        (Method::GET, "/v1.0/me"),
    ] {
        let body = (method != Method::GET).then(|| json!({}));
        let (status, body) = call_with(world, token, method, path, body).await;
        if status == 403 {
            assert_eq!(code(&body), "Authorization_RequestDenied");
        }
        statuses.push(status);
    }
    statuses
}

#[tokio::test]
async fn each_call_needs_its_permission_and_a_person_the_role() {
    let world = world();
    let clients = world.practice.oauth().clients();
    let watch = kit::of_application(&world, clients.watch()).await;
    assert_eq!(
        statuses(&world, &watch).await,
        [200, 200, 200, 200, 200, 403, 403, 403, 400]
    );
    // Write permission for federations and people; 409: there is one already.
    let writer = kit::of_application(&world, clients.writer()).await;
    assert_eq!(
        statuses(&world, &writer).await,
        [200, 200, 200, 200, 403, 409, 403, 204, 400]
    );
    let web = kit::of_application(&world, clients.web()).await;
    assert_eq!(statuses(&world, &web).await[..8], [403; 8]);
    let administrator = kit::of_administrator(&world, EVERYTHING).await;
    assert_eq!(
        statuses(&world, &administrator).await,
        [200, 200, 200, 200, 200, 409, 204, 204, 200]
    );
    let reader = kit::of_administrator(&world, "openid User.Read").await;
    assert_eq!(
        statuses(&world, &reader).await,
        [403, 403, 403, 403, 403, 403, 403, 403, 200]
    );
}

#[tokio::test]
async fn a_person_without_the_role_may_nothing_but_see_who_they_are() {
    let world = world();
    let mut browser = Browser::default();
    let asks = kit::asks(EVERYTHING).with("login_hint", "agent1@contoso.com");
    let answer = oauth::signs_in(&mut browser, &world, &oauth::authorize(&asks)).await;
    let redeems = oauth::redeems(&oauth::code_in(&answer)).with("client_id", kit::TOOLS);
    let tokens = oauth::tokens(&world, &redeems).await;
    let token = tokens["access_token"].as_str().unwrap();
    let claims = oauth::claims(&world, &tokens["access_token"]).await;
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert!(
        claims["scp"]
            .as_str()
            .unwrap()
            .contains("User.ReadWrite.All")
    );
    assert_eq!(
        statuses(&world, token).await,
        [403, 403, 403, 403, 403, 403, 403, 403, 200]
    );
}

#[tokio::test]
async fn foreign_and_old_tokens_are_refused() {
    let world = world();
    let mut browser = Browser::default();
    let code_of_cli = oauth::code(&mut browser, &world).await;
    let partner_center = oauth::tokens(&world, &oauth::redeems(&code_of_cli)).await;
    let administrator = kit::of_administrator(&world, EVERYTHING).await;
    let elsewhere = super::super::world::world();
    let foreign = kit::of_administrator(&elsewhere, EVERYTHING).await;
    for token in [
        partner_center["access_token"].as_str().unwrap(),
        &foreign,
        "",
        "a.b.c",
    ] {
        let (status, body) = call_with(&world, token, Method::GET, "/v1.0/domains", None).await;
        assert_eq!((status, code(&body)), (401, "InvalidAuthenticationToken"));
    }
    let life = u64::try_from(token::LIFETIME_SECONDS).unwrap();
    world.clock.advance(Duration::from_secs(life));
    let (status, _) = call_with(&world, &administrator, Method::GET, "/v1.0/domains", None).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn the_tenants_own_page_takes_its_own_people_and_sends_on_the_others() {
    let world = world();
    let admin = &world.practice.emergency_administrators()[0];
    let mut browser = Browser::default();
    let ask = oauth::authorize(&kit::asks(EVERYTHING));
    let page = browser.get(&world, &ask).await;
    for (upn, password) in [
        (admin.upn.as_str(), "wrong"),
        (admin.upn.as_str(), ""),
        ("nobody@contoso.onmicrosoft.com", admin.password.expose()),
        ("no name", "x"),
    ] {
        let refused = kit::types(&mut browser, &world, &page, upn, password).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{upn}");
        assert!(refused.body.contains("role=\"alert\""));
    }
    // A federated name goes to its identity provider, whatever was typed.
    let on = kit::types(&mut browser, &world, &page, "agent1@contoso.com", "x").await;
    let answer = oauth::answers(&mut browser, &world, &Browser::carried(on)).await;
    oauth::code_in(&answer);
    // A form that was not shown to this browser.
    let strange = Browser::default()
        .submit(&world, "/account", "handle=x&username=a%40b.com&password=c")
        .await;
    assert_eq!(strange.location(), "/");
}

#[tokio::test]
async fn a_device_code_for_graph_asks_for_the_account() {
    let world = world();
    let form = oauth::Parameters::of(&[("client_id", kit::TOOLS), ("scope", EVERYTHING)]);
    let begun = oauth::post(&world, "/contoso.com/oauth2/v2.0/devicecode", &form).await;
    let begun = oauth::json(&begun);
    let mut browser = Browser::default();
    let typed = format!("code={}", begun["user_code"].as_str().unwrap());
    let page = browser.submit(&world, "/devicelogin", &typed).await;
    let admin = &world.practice.emergency_administrators()[1];
    let on = kit::types(
        &mut browser,
        &world,
        &page,
        admin.upn.as_str(),
        admin.password.expose(),
    )
    .await;
    assert_eq!(on.location(), "/devicelogin/confirm");
    let confirm = browser.get(&world, "/devicelogin/confirm").await;
    assert!(confirm.body.contains("Microsoft Graph Command Line Tools"));
    let handle = super::super::world::between(&confirm.body, "name=\"handle\" value=\"", "\"");
    let yes = format!("handle={}&answer=continue", kit::encoded(&handle));
    browser.submit(&world, "/devicelogin/confirm", &yes).await;
    let redeem = oauth::Parameters::of(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", kit::TOOLS),
        ("device_code", begun["device_code"].as_str().unwrap()),
    ]);
    let tokens = oauth::tokens(&world, &redeem).await;
    let claims = oauth::claims(&world, &tokens["access_token"]).await;
    assert_eq!(claims["upn"], admin.upn.as_str());
    assert_eq!(claims["amr"], json!(["pwd"]));
}
