//! Discovery; authorization codes with PKCE, right and wrong.

use std::time::Duration;

use axum::http::StatusCode;
use claimbridge::base::clock::Clock as _;
use serde_json::json;

use super::{
    super::{
        signer::REGISTERED,
        world::{Browser, TENANT, good, world},
    },
    kit::{self, CLI, Parameters, VERIFIER, asks, authorize, authorize_at, code, redeems, refusal},
};

#[tokio::test]
async fn discovery_says_what_entras_says() {
    let world = world();
    let mut browser = Browser::default();
    let id = kit::tenant_id(&world).await;
    for (tenant, issuer) in [
        (id.as_str(), format!("{TENANT}/{id}/v2.0")),
        ("contoso.com", format!("{TENANT}/{id}/v2.0")),
        ("fabrikam.com", format!("{TENANT}/{id}/v2.0")),
        ("organizations", format!("{TENANT}/{{tenantid}}/v2.0")),
        ("common", format!("{TENANT}/{{tenantid}}/v2.0")),
    ] {
        let answer = browser
            .get(
                &world,
                &format!("/{tenant}/v2.0/.well-known/openid-configuration"),
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{tenant}");
        let document = kit::json(&answer);
        assert_eq!(document["issuer"], issuer);
        for (name, path) in [
            ("authorization_endpoint", "oauth2/v2.0/authorize"),
            ("token_endpoint", "oauth2/v2.0/token"),
            ("device_authorization_endpoint", "oauth2/v2.0/devicecode"),
            ("jwks_uri", "discovery/v2.0/keys"),
        ] {
            assert_eq!(document[name], format!("{TENANT}/{tenant}/{path}"));
        }
        assert_eq!(document["subject_types_supported"], json!(["pairwise"]));
        assert_eq!(
            document["id_token_signing_alg_values_supported"],
            json!(["RS256"])
        );
        let keys = browser
            .get(&world, &format!("/{tenant}/discovery/v2.0/keys"))
            .await;
        assert_eq!(keys.body, browser.get(&world, "/keys").await.body);
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_refused_everywhere() {
    let world = world();
    let mut browser = Browser::default();
    for path in [
        "/evil.example/v2.0/.well-known/openid-configuration",
        "/eu.contoso.com/v2.0/.well-known/openid-configuration",
        "/evil.example/discovery/v2.0/keys",
    ] {
        let answer = browser.get(&world, path).await;
        assert_eq!(
            refusal(&answer),
            (400, "invalid_request".to_owned(), 90002),
            "{path}"
        );
    }
    for path in ["token", "devicecode"] {
        let path = format!("/evil.example/oauth2/v2.0/{path}");
        let answer = kit::post(&world, &path, &redeems("x")).await;
        assert_eq!(refusal(&answer).2, 90002, "{path}");
    }
    let page = browser
        .get(&world, &authorize_at("evil.example", &asks()))
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains("AADSTS90002"), "{}", page.body);
}

#[tokio::test]
async fn a_code_with_pkce_becomes_tokens_that_partner_center_takes() {
    let world = world();
    let mut browser = Browser::default();
    let code = code(&mut browser, &world).await;
    world.clock.advance(Duration::from_secs(5));
    let tokens = kit::tokens(&world, &redeems(&code)).await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3900);
    assert_eq!(
        tokens["scope"],
        "openid profile https://api.partnercenter.microsoft.com/user_impersonation"
    );
    let access = kit::claims(&world, &tokens["access_token"]).await;
    assert_eq!(access["amr"], json!(["pwd", "mfa"]));
    assert_eq!(access["appid"], CLI);
    assert_eq!(access["appidacr"], "0");
    assert_eq!(access["upn"], "agent1@contoso.com");
    let identity = kit::claims(&world, &tokens["id_token"]).await;
    let tenant = kit::tenant_id(&world).await;
    assert_eq!(identity["iss"], format!("{TENANT}/{tenant}/v2.0"));
    assert_eq!(identity["aud"], CLI);
    assert_eq!(identity["nonce"], "n0nce");
    assert_eq!(identity["tid"], tenant.as_str());
    assert_eq!(identity["oid"], access["oid"]);
    assert_eq!(identity["preferred_username"], "agent1@contoso.com");
    assert_eq!(identity["ver"], "2.0");
    assert_eq!(
        identity["iat"].as_i64().unwrap() - identity["auth_time"].as_i64().unwrap(),
        5
    );
    assert_eq!(
        kit::partner_center(&world, &tokens["access_token"]).await,
        (200, String::new(), "true".to_owned())
    );
}

#[tokio::test]
async fn without_openid_and_offline_access_there_is_only_an_access_token() {
    let world = world();
    let asks = asks().with("scope", "https://api.partnercenter.microsoft.com/.default");
    let answer = kit::signs_in(&mut Browser::default(), &world, &authorize(&asks)).await;
    let tokens = kit::tokens(&world, &redeems(&kit::code_in(&answer))).await;
    assert!(tokens["access_token"].is_string());
    assert_eq!(tokens.get("id_token"), None);
    assert_eq!(tokens.get("refresh_token"), None);
}

/// Changes one thing about a request.
type Spoil = fn(Parameters) -> Parameters;

#[tokio::test]
async fn a_code_is_good_once_and_only_for_its_request() {
    let world = world();
    let mut browser = Browser::default();
    // Each spoils one thing; the code is gone then, right or wrong.
    let good = code(&mut browser, &world).await;
    kit::tokens(&world, &redeems(&good)).await;
    let twice = kit::token(&world, &redeems(&good)).await;
    assert_eq!(refusal(&twice), (400, "invalid_grant".to_owned(), 70000));
    let spoils: [(Spoil, u64); 5] = [
        (|form| form.with("code_verifier", "wrong"), 501_481),
        (|form| form.without("code_verifier"), 501_481),
        (
            |form| form.with("redirect_uri", "http://localhost:8401/"),
            500_112,
        ),
        (|form| form.without("redirect_uri"), 900_144),
        (|form| form.with("code", "x"), 70000),
    ];
    for (spoil, number) in spoils {
        let answer = browser.get(&world, &authorize(&asks())).await;
        let code = kit::code_in(&answer);
        let refused = kit::token(&world, &spoil(redeems(&code))).await;
        assert_eq!(refusal(&refused).2, number);
        let again = kit::token(&world, &redeems(&code)).await;
        let used_up = number != 900_144 && number != 70000;
        assert_eq!(
            again.status == StatusCode::BAD_REQUEST,
            used_up,
            "{number}: {}",
            again.body
        );
    }
    // Ten minutes, and then no more.
    let late = kit::code_in(&browser.get(&world, &authorize(&asks())).await);
    world.clock.advance(Duration::from_mins(10));
    let refused = kit::token(&world, &redeems(&late)).await;
    assert_eq!(refusal(&refused), (400, "invalid_grant".to_owned(), 70008));
    // A code of the new endpoints is none of the old ones.
    let v2 = kit::code_in(&browser.get(&world, &authorize(&asks())).await);
    let refused = kit::post(&world, "/contoso.com/oauth2/token", &redeems(&v2)).await;
    assert_eq!(refusal(&refused).2, 70000);
}

#[tokio::test]
async fn who_is_not_known_gets_a_page_and_never_a_redirect() {
    let world = world();
    for (asks, number) in [
        (
            asks().with("client_id", "11111111-0000-4000-8000-000000000000"),
            700_016,
        ),
        (asks().without("client_id"), 900_144),
        (asks().without("redirect_uri"), 50011),
        (asks().with("redirect_uri", "https://evil.example/"), 50011),
        (
            asks().with("redirect_uri", "http://localhost.evil.example/"),
            50011,
        ),
        (
            asks().with("redirect_uri", "http://localhost:8400/other"),
            50011,
        ),
        (
            asks().with("redirect_uri", "https://web.practice.example/signin-oidc"),
            50011,
        ),
    ] {
        let page = Browser::default().get(&world, &authorize(&asks)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(
            page.body.contains(&format!("AADSTS{number}: ")),
            "{number}: {}",
            page.body
        );
    }
    let twice = format!(
        "{}&redirect_uri=https%3A%2F%2Fevil.example",
        authorize(&asks())
    );
    let page = Browser::default().get(&world, &twice).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_else_is_wrong_goes_back_to_the_application() {
    let world = world();
    for (asks, error, number) in [
        (asks().without("code_challenge"), "invalid_request", 50147),
        (
            asks()
                .without("code_challenge")
                .without("code_challenge_method"),
            "invalid_request",
            50147,
        ),
        (
            asks()
                .with("code_challenge", VERIFIER)
                .with("code_challenge_method", "plain"),
            "invalid_request",
            501_491,
        ),
        (
            asks().without("code_challenge_method"),
            "invalid_request",
            501_491,
        ),
        (
            asks().with("code_challenge", "short"),
            "invalid_request",
            501_491,
        ),
        (
            asks().with("response_type", "token"),
            "unsupported_response_type",
            70005,
        ),
        (asks().without("response_type"), "invalid_request", 900_144),
        (
            asks().with("response_mode", "fragment"),
            "invalid_request",
            70007,
        ),
        (asks().with("scope", "openid"), "invalid_scope", 70011),
        (
            asks().with("scope", "openid https://graph.microsoft.com/.default"),
            "invalid_scope",
            70011,
        ),
        (asks().with("prompt", "sometimes"), "invalid_request", 90023),
        (
            asks().with("nonce", &"n".repeat(3000)),
            "invalid_request",
            90015,
        ),
        (asks().with("prompt", "none"), "login_required", 50058),
    ] {
        let answer = Browser::default().get(&world, &authorize(&asks)).await;
        let returned = kit::returned(&answer);
        assert_eq!(returned("error").as_deref(), Some(error), "{number}");
        let description = returned("error_description").unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{number}: ")),
            "{description}"
        );
        assert_eq!(returned("state").as_deref(), Some("s t&ate"));
        assert_eq!(returned("code"), None);
    }
}

#[tokio::test]
async fn a_sign_in_of_this_visit_answers_unless_a_fresh_one_is_asked_for() {
    let world = world();
    let mut browser = Browser::default();
    let first = browser.start(&world, &authorize(&asks())).await;
    assert!(!first.request.contains("ForceAuthn"), "{}", first.request);
    browser
        .bring(
            &world,
            &good(&world, &first).xml(&REGISTERED),
            &first.relay_state,
        )
        .await;
    for prompt in ["none", "consent"] {
        let answer = browser
            .get(&world, &authorize(&asks().with("prompt", prompt)))
            .await;
        kit::code_in(&answer);
    }
    let hinted = asks().with("login_hint", "AGENT1@contoso.com");
    kit::code_in(&browser.get(&world, &authorize(&hinted)).await);
    // Somebody else is meant.
    let other = asks().with("login_hint", "boss@fabrikam.com");
    let carried = browser.start(&world, &authorize(&other)).await;
    assert_eq!(
        carried.target,
        "http://localhost:8080/saml2/sso?domain=fabrikam.com"
    );
    // As Entra does for `prompt=login`.
    let forced = browser
        .start(&world, &authorize(&asks().with("prompt", "login")))
        .await;
    assert!(
        forced.request.contains(" ForceAuthn=\"true\""),
        "{}",
        forced.request
    );
    // An old sign-in does not answer that, and nothing goes back to the application.
    let mut old = good(&world, &forced);
    old.signed_in_at = world.clock.now().minus(Duration::from_mins(10));
    let refused = browser
        .bring(&world, &old.xml(&REGISTERED), &forced.relay_state)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("AADSTS50078"), "{}", refused.body);
    let choose = browser
        .start(&world, &authorize(&asks().with("prompt", "select_account")))
        .await;
    assert!(!choose.request.contains("ForceAuthn"), "{}", choose.request);
}

#[tokio::test]
async fn hints_and_the_address_choose_the_identity_provider() {
    let world = world();
    let id = kit::tenant_id(&world).await;
    let fabrikam = "http://localhost:8080/saml2/sso?domain=fabrikam.com";
    let contoso = "http://localhost:8080/saml2/sso?domain=contoso.com";
    for (tenant, asks, target) in [
        ("organizations", asks(), contoso),
        (id.as_str(), asks(), contoso),
        ("fabrikam.com", asks(), fabrikam),
        (
            "contoso.com",
            asks().with("domain_hint", "fabrikam.com"),
            fabrikam,
        ),
        (
            "fabrikam.com",
            asks().with("login_hint", "agent2@eu.contoso.com"),
            contoso,
        ),
        ("common", asks().with("login_hint", "nobody"), contoso),
    ] {
        let carried = Browser::default()
            .start(&world, &authorize_at(tenant, &asks))
            .await;
        assert_eq!(carried.target, target, "{tenant}");
    }
}

#[tokio::test]
async fn an_answer_yields_one_code_and_a_refused_one_none() {
    let world = world();
    let mut browser = Browser::default();
    let carried = browser.start(&world, &authorize(&asks())).await;
    let response = good(&world, &carried).xml(&REGISTERED);
    kit::code_in(&browser.bring(&world, &response, &carried.relay_state).await);
    let replay = browser.bring(&world, &response, &carried.relay_state).await;
    assert_eq!(replay.status, StatusCode::FORBIDDEN);
    let mut spoiled = browser;
    spoiled.press(&world, "wrong-issuer").await;
    let prompt = authorize(&asks().with("prompt", "login"));
    let refused = kit::signs_in(&mut spoiled, &world, &prompt).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("AADSTS50107"), "{}", refused.body);
}
