//! Who an application is: ids, the secret, and what belongs to whom.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use super::{
    super::world::{Browser, World, call, world},
    kit::{self, CLI, Parameters, RETURN, asks, authorize, code, redeems, refreshes, refusal},
};

const TOKEN: &str = "/organizations/oauth2/v2.0/token";

struct Web {
    id: String,
    secret: String,
}

impl Web {
    fn of(world: &World) -> Self {
        let client = world.practice.oauth().clients().web();
        Self {
            id: client.id().to_owned(),
            secret: client.secret().unwrap().expose().clone(),
        }
    }

    fn asks(&self) -> Parameters {
        asks()
            .with("client_id", &self.id)
            .without("code_challenge")
            .without("code_challenge_method")
    }

    fn redeems(&self, code: &str) -> Parameters {
        redeems(code)
            .with("client_id", &self.id)
            .with("client_secret", &self.secret)
            .without("code_verifier")
    }
}

#[tokio::test]
async fn the_web_application_needs_its_secret() {
    let world = world();
    let web = Web::of(&world);
    let mut browser = Browser::default();
    let first = kit::signs_in(&mut browser, &world, &authorize(&web.asks())).await;
    let form = web.redeems(&kit::code_in(&first));
    let missing = kit::token(&world, &form.clone().without("client_secret")).await;
    assert_eq!(
        refusal(&missing),
        (401, "invalid_client".to_owned(), 7_000_218)
    );
    for wrong in ["", "wrong", &format!("{}x", web.secret)] {
        let refused = kit::token(&world, &form.clone().with("client_secret", wrong)).await;
        assert_eq!(
            refusal(&refused),
            (401, "invalid_client".to_owned(), 7_000_215)
        );
    }
    // No try with a wrong secret used up the code.
    let tokens = kit::tokens(&world, &form).await;
    let claims = kit::claims(&world, &tokens["access_token"]).await;
    assert_eq!(claims["appid"], web.id.as_str());
    assert_eq!(claims["appidacr"], "1");

    // The same in the header.
    let bare = |code: &str| {
        web.redeems(code)
            .without("client_id")
            .without("client_secret")
    };
    let next = kit::code_in(&browser.get(&world, &authorize(&web.asks())).await);
    let refused = kit::post_with_basic(&world, TOKEN, &bare(&next), &web.id, "wrong").await;
    assert_eq!(refusal(&refused).2, 7_000_215);
    let both = kit::post_with_basic(&world, TOKEN, &web.redeems(&next), &web.id, &web.secret).await;
    assert_eq!(refusal(&both).2, 9_002_313);
    let other = bare(&next).with("client_id", CLI);
    let other = kit::post_with_basic(&world, TOKEN, &other, &web.id, &web.secret).await;
    assert_eq!(refusal(&other).2, 9_002_313);
    let taken = kit::post_with_basic(&world, TOKEN, &bare(&next), &web.id, &web.secret).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.body);

    // Another start, another id and secret.
    let other = Web::of(&super::super::world::world());
    assert_ne!(other.id, web.id);
    assert_ne!(other.secret, web.secret);
}

#[tokio::test]
async fn the_web_application_may_use_pkce_and_its_own_address() {
    let world = world();
    let web = Web::of(&world);
    let address = "https://web.practice.example/signin-oidc";
    let asks = asks()
        .with("client_id", &web.id)
        .with("redirect_uri", address);
    let mut browser = Browser::default();
    let answer = kit::signs_in(&mut browser, &world, &authorize(&asks)).await;
    let location = answer.location().to_owned();
    let query = location.strip_prefix(&format!("{address}?code=")).unwrap();
    let code = percent_encoding::percent_decode_str(query.split('&').next().unwrap())
        .decode_utf8()
        .unwrap();
    let form = web
        .redeems(&code)
        .with("redirect_uri", address)
        .with("code_verifier", kit::VERIFIER);
    kit::tokens(&world, &form).await;
    // A verifier for a code that was asked for without a challenge is a mix-up.
    let plain = kit::code_in(&browser.get(&world, &authorize(&web.asks())).await);
    let form = web.redeems(&plain).with("code_verifier", kit::VERIFIER);
    assert_eq!(refusal(&kit::token(&world, &form).await).2, 501_481);
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let world = world();
    let form = redeems("x").with("client_secret", "anything");
    assert_eq!(
        refusal(&kit::token(&world, &form).await),
        (401, "invalid_client".to_owned(), 700_025)
    );
}

#[tokio::test]
async fn what_one_application_got_is_worth_nothing_to_another() {
    let world = world();
    let web = Web::of(&world);
    let mut browser = Browser::default();
    let stolen = code(&mut browser, &world).await;
    let thief = web
        .redeems(&stolen)
        .with("redirect_uri", RETURN)
        .with("code_verifier", kit::VERIFIER);
    assert_eq!(refusal(&kit::token(&world, &thief).await).2, 70000);
    // And it is used up.
    assert_eq!(
        refusal(&kit::token(&world, &redeems(&stolen)).await).2,
        70000
    );
    let own = kit::code_in(&browser.get(&world, &authorize(&asks())).await);
    let tokens = kit::tokens(&world, &redeems(&own)).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let thief = refreshes(refresh)
        .with("client_id", &web.id)
        .with("client_secret", &web.secret);
    assert_eq!(refusal(&kit::token(&world, &thief).await).2, 70000);
    kit::tokens(&world, &refreshes(refresh)).await;
    world.clock.advance(Duration::from_hours(90 * 24));
    assert_eq!(
        refusal(&kit::token(&world, &refreshes(refresh)).await),
        (400, "invalid_grant".to_owned(), 70008)
    );
}

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong_with_a_form() {
    let world = world();
    for (form, error, number) in [
        (
            redeems("x").without("grant_type"),
            "invalid_request",
            900_144,
        ),
        (
            redeems("x").with("grant_type", "password"),
            "unsupported_grant_type",
            70003,
        ),
        (redeems("x").without("code"), "invalid_request", 900_144),
        (
            redeems("x").without("client_id"),
            "invalid_request",
            900_144,
        ),
        (
            redeems("x").with("client_id", "x"),
            "unauthorized_client",
            700_016,
        ),
        (refreshes("x"), "invalid_grant", 70000),
        (
            refreshes("x").without("refresh_token"),
            "invalid_request",
            900_144,
        ),
    ] {
        let (status, said, aadsts) = refusal(&kit::token(&world, &form).await);
        assert_eq!((status, said.as_str(), aadsts), (400, error, number));
    }
    let large = redeems(&"x".repeat(100_000));
    assert_eq!(refusal(&kit::token(&world, &large).await).2, 9_002_313);
    let no_form = Request::post(TOKEN)
        .header(header::HOST, "127.0.0.1:8081")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(refusal(&call(&world.tenant, no_form).await).2, 9_002_313);
    // The old endpoint: another resource, and no device codes.
    let path = "/contoso.com/oauth2/token";
    let graph = redeems("x").with("resource", "https://graph.windows.net");
    assert_eq!(refusal(&kit::post(&world, path, &graph).await).2, 500_011);
    let device = redeems("x").with("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(refusal(&kit::post(&world, path, &device).await).2, 70003);
}
