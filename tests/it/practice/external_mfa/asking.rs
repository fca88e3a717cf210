//! What the tenant sends is what Entra sends (facts §5.3, §5.4), and the page that begins it.

use axum::http::StatusCode;
use claimbridge::{base::clock::Clock as _, practice::token};
use serde_json::{Value, json};

use super::{
    super::world::{Browser, TENANT, world},
    kit::{AGENT, APPLICATION, CLIENT, REPLY_PATH, Round, external_world},
};

#[tokio::test]
async fn the_form_has_the_documented_fields_and_the_hint_its_documented_claims() {
    let (world, provider) = external_world().await;
    let mut browser = Browser::default();
    let round = browser.asks(&world, "password").await;
    assert_eq!(
        round.target,
        provider.endpoint(),
        "from the discovery document"
    );
    let names: Vec<&str> = round.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "scope",
            "response_type",
            "response_mode",
            "client_id",
            "redirect_uri",
            "nonce",
            "state",
            "id_token_hint",
            "claims",
            "client-request-id",
            "practice",
        ]
    );
    for (name, value) in [
        ("scope", "openid"),
        ("response_type", "id_token"),
        ("response_mode", "form_post"),
        ("client_id", CLIENT),
    ] {
        assert_eq!(round.value(name), value, "{name}");
    }
    assert_eq!(round.value("redirect_uri"), format!("{TENANT}{REPLY_PATH}"));
    let wanted: Value = serde_json::from_str(round.value("claims")).unwrap();
    assert_eq!(
        wanted,
        json!({"id_token":{"acr":{"essential":true,"values":["possessionorinherence"]},"amr":{"essential":true,"values":["face","fido","fpt","hwk","iris","otp","pop","retina","sc","sms","swk","tel","vbm"]}}}),
        "facts §5.3"
    );

    // The hint, by the keys that the tenant publishes for everybody.
    let discovery = browser
        .get(&world, "/common/v2.0/.well-known/openid-configuration")
        .await;
    let discovery: Value = serde_json::from_str(&discovery.body).unwrap();
    let keys = discovery["jwks_uri"].as_str().unwrap();
    let keys = browser
        .get(&world, keys.strip_prefix(TENANT).unwrap())
        .await;
    let keys: Value = serde_json::from_str(&keys.body).unwrap();
    assert_eq!(keys["keys"][0].get("alg"), None, "Entra's have none");
    let hint = token::verify(round.value("id_token_hint"), &keys).unwrap();
    let tenant = world.practice.tenant_id();
    assert_eq!(
        discovery["issuer"]
            .as_str()
            .unwrap()
            .replace("{tenantid}", tenant),
        hint["iss"]
    );
    let now = world.clock.now().as_secs();
    for (name, value) in [
        ("ver", json!("2.0")),
        ("tid", json!(tenant)),
        ("oid", json!("4988e250-5aee-482a-9136-6d269cb755c0")),
        ("aud", json!(APPLICATION)),
        ("preferred_username", json!("agent1@contoso.com")),
        ("iat", json!(now)),
        ("exp", json!(now - 1)),
    ] {
        assert_eq!(hint[name], value, "{name}");
    }
    assert_eq!(hint.get("amr"), None);

    // The same person is the same, and no two hints, nonces or states are alike.
    let again = browser.asks(&world, "password").await;
    assert_eq!(again.hint()["sub"], hint["sub"]);
    for name in ["id_token_hint", "nonce", "state", "client-request-id"] {
        assert_ne!(again.value(name), round.value(name), "{name}");
    }
    let other = browser
        .get(&world, "/external-mfa/start?username=boss%40fabrikam.com")
        .await;
    assert_ne!(Round::of(&other).hint()["sub"], hint["sub"], "pairwise");
}

#[tokio::test]
async fn the_page_offers_people_and_says_why_nobody_is_sent() {
    let nothing = world();
    let mut browser = Browser::default();
    let page = browser.get(&nothing, "/external-mfa").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("No external method is enabled"));
    let start = "/external-mfa/start?username=agent1%40contoso.com";
    let page = browser.get(&nothing, start).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    let home = browser.get(&nothing, "/").await;
    assert!(!home.body.contains("External MFA"), "{}", home.body);

    let (world, _provider) = external_world().await;
    let mut browser = Browser::default();
    let home = browser.get(&world, "/").await;
    assert!(
        home.body.contains("href=\"/external-mfa\""),
        "{}",
        home.body
    );
    let page = browser.get(&world, "/external-mfa").await;
    assert!(page.body.contains("<option value=\"agent1@contoso.com\""));
    assert!(
        !page.body.contains("<option value=\"emergency"),
        "{}",
        page.body
    );
    for wrong in [
        "/external-mfa/start?username=nobody%40contoso.com",
        "/external-mfa/start?username=x",
        "/external-mfa/start",
        "/external-mfa/start?username=agent1%40contoso.com&first=fingers",
    ] {
        let page = browser.get(&world, wrong).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{wrong}");
        assert!(page.body.contains("There is no such person"), "{wrong}");
    }
    world.practice.with_directory(|directory| {
        let number = directory.number_by_upn(&AGENT.parse().unwrap()).unwrap();
        directory.change(number, |person| person.enabled = false);
    });
    let page = browser.get(&world, start).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.body.contains("The account is disabled"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn every_page_is_strict_and_what_came_is_never_markup() {
    let (world, provider) = external_world().await;
    let mut browser = Browser::default();
    let mut pages = vec![
        browser.get(&world, "/external-mfa").await,
        browser
            .get(&world, "/external-mfa/start?username=agent1%40contoso.com")
            .await,
    ];
    let script = "<script src='//evil.example'></script>";
    pages.push(
        browser
            .second_factor(&world, &provider, |token| {
                token.claims["iss"] = json!(script);
                token.claims[script] = json!(script);
            })
            .await,
    );
    let round = browser.asks(&world, "password").await;
    let form = [
        ("error", script),
        ("error_description", script),
        ("state", round.value("state")),
    ];
    pages.push(browser.answers(&world, &form).await);
    for (at, page) in pages.iter().enumerate() {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{at}");
        // The form that goes to the method may be redirected on to anywhere.
        assert_eq!(policy.contains("form-action 'self'"), at != 1, "{at}");
        for inline in [
            "evil.example'>",
            "<style",
            " style=",
            " onclick=",
            "<script>",
        ] {
            assert!(!page.body.contains(inline), "{at}: {inline}");
        }
        assert_eq!(page.body.matches("<h1>").count(), 1, "{at}");
    }
}
