//! What becomes of the MFA fact: single sign-on, refresh tokens, the switch that
//! ignores it, and `amr_values=mfa`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::world::{Browser, World, world},
    kit::{
        self, Parameters, RETURN, asks, authorize, authorize_v1, code, code_in, redeems, refreshes,
    },
};

const SWITCH: &str = "federated-mfa-ignored";

async fn amr(world: &World, tokens: &Value) -> Value {
    let claims = kit::claims(world, &tokens["access_token"]).await;
    claims["amr"].clone()
}

/// What the web application asks of the old endpoints.
fn web_asks(world: &World) -> Parameters {
    Parameters::of(&[
        ("client_id", world.practice.oauth().clients().web().id()),
        ("response_type", "code"),
        ("redirect_uri", RETURN),
        ("resource", "https://api.partnercenter.microsoft.com"),
        ("state", "s t&ate"),
        ("nonce", "n0nce"),
        ("amr_values", "mfa"),
    ])
}

async fn v1(world: &World, form: Parameters) -> Value {
    let client = world.practice.oauth().clients().web();
    let form = form
        .without("code_verifier")
        .with("client_id", client.id())
        .with("client_secret", client.secret().unwrap().expose())
        .with("resource", "https://api.partnercenter.microsoft.com");
    let answer = kit::post(world, "/contoso.com/oauth2/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    kit::json(&answer)
}

#[tokio::test]
async fn a_refresh_token_keeps_the_mfa_that_it_was_made_with() {
    let world = world();
    let mut browser = Browser::default();
    let with_mfa = kit::tokens(&world, &redeems(&code(&mut browser, &world).await)).await;
    browser.press(&world, SWITCH).await;
    let refresh = with_mfa["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        world.clock.advance(std::time::Duration::from_hours(24));
        let again = kit::tokens(&world, &refreshes(refresh)).await;
        assert_eq!(amr(&world, &again).await, json!(["pwd", "mfa"]));
        assert_eq!(
            kit::partner_center(&world, &again["access_token"]).await.0,
            200
        );
        let identity = kit::claims(&world, &again["id_token"]).await;
        let first = kit::claims(&world, &with_mfa["id_token"]).await;
        assert_eq!(identity["auth_time"], first["auth_time"]);
        assert_eq!(identity.get("nonce"), None);
    }
}

#[tokio::test]
async fn what_begins_while_federated_mfa_is_ignored_has_none() {
    let world = world();
    let mut browser = Browser::default();
    browser.press(&world, SWITCH).await;
    let fresh = kit::tokens(&world, &redeems(&code(&mut browser, &world).await)).await;
    assert_eq!(amr(&world, &fresh).await, json!(["pwd"]));
    assert_eq!(
        kit::partner_center(&world, &fresh["access_token"]).await,
        (401, "900421".to_owned(), "false".to_owned())
    );
    // Mended, that sign-in stays what it was, by single sign-on and by refresh token.
    browser.press(&world, "none").await;
    let refreshed = refreshes(fresh["refresh_token"].as_str().unwrap());
    let refreshed = kit::tokens(&world, &refreshed).await;
    assert_eq!(amr(&world, &refreshed).await, json!(["pwd"]));
    let at_once = code_in(&browser.get(&world, &authorize(&asks())).await);
    let at_once = kit::tokens(&world, &redeems(&at_once)).await;
    assert_eq!(amr(&world, &at_once).await, json!(["pwd"]));
    // A sign-in with MFA, and a code by single sign-on while the switch is on.
    let afresh = authorize(&asks().with("prompt", "login"));
    let good = code_in(&kit::signs_in(&mut browser, &world, &afresh).await);
    browser.press(&world, SWITCH).await;
    let begun_while_on = code_in(&browser.get(&world, &authorize(&asks())).await);
    let tokens = kit::tokens(&world, &redeems(&begun_while_on)).await;
    assert_eq!(amr(&world, &tokens).await, json!(["pwd"]));
    // The code from before is as good as it was.
    let tokens = kit::tokens(&world, &redeems(&good)).await;
    assert_eq!(amr(&world, &tokens).await, json!(["pwd", "mfa"]));
    // Another browser's switch is another's.
    let other = code(&mut Browser::default(), &world).await;
    let tokens = kit::tokens(&world, &redeems(&other)).await;
    assert_eq!(amr(&world, &tokens).await, json!(["pwd", "mfa"]));
}

#[tokio::test]
async fn the_secure_application_model_keeps_the_claim_through_the_refresh_token() {
    let world = world();
    let mut browser = Browser::default();
    let path = authorize_v1(&web_asks(&world));
    let code = code_in(&kit::signs_in(&mut browser, &world, &path).await);
    let first = v1(&world, redeems(&code)).await;
    assert_eq!(first["expires_in"], "3900");
    assert_eq!(first["resource"], "https://api.partnercenter.microsoft.com");
    let identity = kit::claims(&world, &first["id_token"]).await;
    let tenant = kit::tenant_id(&world).await;
    assert_eq!(
        identity["iss"],
        format!("https://sts.windows.net/{tenant}/")
    );
    assert_eq!(identity["aud"], world.practice.oauth().clients().web().id());
    assert_eq!(identity["nonce"], "n0nce");
    let refresh = refreshes(first["refresh_token"].as_str().unwrap()).with("scope", "openid");
    let second = v1(&world, refresh).await;
    let access = kit::claims(&world, &second["access_token"]).await;
    assert_eq!(access["amr"], json!(["pwd", "mfa"]));
    assert_eq!(access["appid"], identity["aud"]);
    assert_eq!(access["appidacr"], "1");
    assert_eq!(
        kit::partner_center(&world, &second["access_token"]).await,
        (200, String::new(), "true".to_owned())
    );
}

#[tokio::test]
async fn mfa_that_is_asked_for_is_asked_for_twice_and_then_missed() {
    let world = world();
    let mut browser = Browser::default();
    browser.press(&world, SWITCH).await;
    let path = authorize_v1(&web_asks(&world));
    let again = kit::signs_in(&mut browser, &world, &path).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.body);
    let carried = Browser::carried(again);
    let answer = kit::answers(&mut browser, &world, &carried).await;
    refused(&answer);
    // There is a sign-in now: one more try, and then the same.
    let answer = kit::signs_in(&mut browser, &world, &path).await;
    refused(&answer);
    let silent = authorize_v1(&web_asks(&world).with("prompt", "none"));
    refused(&browser.get(&world, &silent).await);
    // Without the switch the next try brings it.
    browser.press(&world, "none").await;
    let code = code_in(&kit::signs_in(&mut browser, &world, &path).await);
    let tokens = v1(&world, redeems(&code)).await;
    assert_eq!(amr(&world, &tokens).await, json!(["pwd", "mfa"]));
    // And from then on that sign-in answers.
    code_in(&browser.get(&world, &path).await);
    code_in(&browser.get(&world, &silent).await);
}

fn refused(answer: &super::super::world::Answer) {
    let returned = kit::returned(answer);
    assert_eq!(returned("error").as_deref(), Some("interaction_required"));
    let description = returned("error_description").unwrap();
    assert!(description.starts_with("AADSTS50076: "), "{description}");
    assert_eq!(returned("code"), None);
}

#[tokio::test]
async fn the_old_endpoints_know_only_partner_center() {
    let world = world();
    let asks = web_asks(&world);
    for (asks, error, number) in [
        (
            asks.clone().with("resource", "https://graph.windows.net"),
            "invalid_resource",
            500_011,
        ),
        (
            asks.clone().with("amr_values", "rsa"),
            "invalid_request",
            90023,
        ),
        // The public client needs PKCE here as well.
        (asks.with("client_id", kit::CLI), "invalid_request", 50147),
    ] {
        let answer = Browser::default().get(&world, &authorize_v1(&asks)).await;
        let returned = kit::returned(&answer);
        assert_eq!(returned("error").as_deref(), Some(error));
        let description = returned("error_description").unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{number}: ")),
            "{description}"
        );
    }
}
