//! Each rule about what a method publishes keeps everybody here when its one thing is wrong.

use std::time::Duration;

use axum::http::StatusCode;
use claimbridge::practice::{Consent, ExternalMethod};
use serde_json::{Value, json};

use super::{
    super::world::{Browser, world},
    kit::{DISCOVERY, KEYS, PUBLISHED, Provider, STRANGER, Served, external_world, failed_before},
};

const START: &str = "/external-mfa/start?username=agent1%40contoso.com&first=password";

/// Tries it, and says what went wrong.
async fn told(provider: &Provider, method: ExternalMethod) -> (Value, String) {
    let world = world();
    world.practice.register_external_method(method);
    provider.reads();
    let mut browser = Browser::default();
    let page = browser.get(&world, START).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    assert!(page.body.contains("Nobody was sent"), "{}", page.body);
    (browser.last(&world).await, page.body)
}

/// Rule, Microsoft's number, and what spoils the document.
type Spoilt = (&'static str, &'static str, fn(&mut Value));

fn without(document: &mut Value, name: &str) {
    document.as_object_mut().unwrap().remove(name).unwrap();
}

fn extended(document: &mut Value, name: &str, by: &str) {
    document[name] = json!(format!("{}{by}", document[name].as_str().unwrap()));
}

const DOCUMENTS: &[Spoilt] = &[
    ("discovery-issuer", "50027", |one| {
        extended(one, "issuer", "/");
    }),
    ("discovery-issuer", "50027", |one| without(one, "issuer")),
    ("discovery-issuer", "50027", |one| {
        one["issuer"] = json!("https://login.example:443/oidc");
    }),
    ("discovery-fields", "50166", |one| {
        without(one, "response_types_supported");
    }),
    ("discovery-fields", "50166", |one| {
        without(one, "subject_types_supported");
    }),
    ("discovery-fields", "50166", |one| {
        without(one, "id_token_signing_alg_values_supported");
    }),
    ("discovery-fields", "50166", |one| {
        without(one, "scopes_supported");
    }),
    ("discovery-fields", "50166", |one| {
        one["response_types_supported"] = json!(["code"]);
    }),
    ("discovery-fields", "50166", |one| {
        one["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    }),
    ("discovery-fields", "50166", |one| {
        one["scopes_supported"] = json!(["profile"]);
    }),
    ("discovery-fields", "50166", |one| {
        one["claim_types_supported"] = json!(["aggregated"]);
    }),
    ("authorization-endpoint", "50166", |one| {
        without(one, "authorization_endpoint");
    }),
    ("authorization-endpoint", "50166", |one| {
        extended(one, "authorization_endpoint", "?a=b");
    }),
    ("authorization-endpoint", "50166", |one| {
        one["authorization_endpoint"] = json!("http://idp.contoso.com/authorize");
    }),
    ("jwks-uri", "50166", |one| without(one, "jwks_uri")),
    ("jwks-uri", "50166", |one| extended(one, "jwks_uri", "#x")),
    ("jwks-uri", "50166", |one| {
        one["jwks_uri"] = json!("http://idp.contoso.com/jwks");
    }),
];

#[tokio::test]
async fn each_rule_about_the_discovery_document_keeps_everybody_here() {
    let provider = Provider::start().await;
    for (at, (rule, aadsts, change)) in DOCUMENTS.iter().enumerate() {
        let mut document = provider.discovery();
        change(&mut document);
        provider.serves(DISCOVERY, Served::json(&document));
        let (last, page) = told(&provider, provider.method()).await;
        assert_eq!(failed_before(&last), [*rule], "{at}");
        assert_eq!(last["aadsts"], *aadsts, "{at}");
        assert!(page.contains(&format!("AADSTS{aadsts}")), "{at}: {page}");
        assert_eq!(provider.reads(), [DISCOVERY], "the keys are not asked for");
    }
}

const KEY_SETS: &[Spoilt] = &[
    ("keys", "50166", |set| set["keys"] = json!([])),
    ("keys", "50166", |set| without(set, "keys")),
    ("keys", "50166", |set| set["keys"][0]["kty"] = json!("EC")),
    ("keys", "50166", |set| set["keys"][0]["d"] = json!("AQAB")),
    ("keys", "50166", |set| set["keys"][0]["use"] = json!("enc")),
    ("keys", "50166", |set| {
        set["keys"][0]["alg"] = json!("RS512");
    }),
    ("key-ids", "50012", |set| {
        set["keys"][0]["kid"] = json!("signing key 1");
    }),
    ("key-ids", "50012", |set| set["keys"][0]["kid"] = json!("")),
    ("key-ids", "50012", |set| {
        let same = set["keys"][0].clone();
        set["keys"].as_array_mut().unwrap().push(same);
    }),
    ("x5c", "5001256", |set| without(&mut set["keys"][0], "x5c")),
    ("x5c", "5001256", |set| set["keys"][0]["x5c"] = json!([])),
    ("x5c", "5001256", |set| {
        set["keys"][0]["x5c"] = json!(["AAAA"]);
    }),
    ("x5c", "5001256", |set| {
        set["keys"][0]["x5c"] = STRANGER.jwk()["x5c"].clone();
    }),
    ("x5c", "5001256", |set| {
        set["keys"][0]["x5t"] = json!("AAAA");
    }),
    ("x5c", "5001256", |set| set["keys"][0]["e"] = json!("Aw")),
];

#[tokio::test]
async fn each_rule_about_the_keys_keeps_everybody_here() {
    let provider = Provider::start().await;
    for (at, (rule, aadsts, change)) in KEY_SETS.iter().enumerate() {
        let mut set = json!({ "keys": [PUBLISHED.jwk()] });
        change(&mut set);
        provider.serves(KEYS, Served::json(&set));
        let (last, _) = told(&provider, provider.method()).await;
        assert_eq!(failed_before(&last), [*rule], "{at}");
        assert_eq!(last["aadsts"], *aadsts, "{at}");
    }
}

#[tokio::test]
async fn a_document_in_chunks_or_of_another_kind_or_status_is_not_taken() {
    let provider = Provider::start().await;
    let good = Served::json(&provider.discovery());
    let doubled = good
        .body
        .replacen('{', "{\"issuer\":\"https://a.example\",", 1);
    for (at, page) in [
        Served {
            length: None,
            ..good.clone()
        },
        Served {
            length: Some((good.body.len() + 5).to_string()),
            ..good.clone()
        },
        Served {
            status: "500 Broken",
            ..good.clone()
        },
        Served {
            status: "302 Found",
            ..good.clone()
        },
        Served {
            kind: "text/html",
            ..good.clone()
        },
        Served {
            length: Some(doubled.len().to_string()),
            body: doubled,
            ..good.clone()
        },
        Served::json(&json!(["x".repeat(300_000)])),
        Served::json(&json!([])),
    ]
    .into_iter()
    .enumerate()
    {
        provider.serves(DISCOVERY, page.clone());
        let (last, _) = told(&provider, provider.method()).await;
        assert_eq!(failed_before(&last), ["discovery"], "{at}");
        assert_eq!(last["aadsts"], "50166", "{at}");
    }
    provider.serves(DISCOVERY, good);
    let keys = Served::json(&json!({ "keys": [PUBLISHED.jwk()] }));
    let chunked = Served {
        length: None,
        ..keys
    };
    provider.serves(KEYS, chunked);
    let (last, _) = told(&provider, provider.method()).await;
    assert_eq!(failed_before(&last), ["keys"]);
}

#[tokio::test]
async fn an_address_that_entra_does_not_take_is_never_asked() {
    let provider = Provider::start().await;
    let good = provider.discovery_url();
    for url in [
        good.replace("127.0.0.1", "idp.contoso.com"),
        good.replace("http://", "http://somebody@"),
        good.replace(
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/",
        ),
        good.replace("/.well-known/openid-configuration", ""),
        format!("{good}?a=b"),
        format!("{good}#a"),
        "no address".to_owned(),
        good.replace("http", "ftp"),
    ] {
        let method = ExternalMethod {
            discovery_url: url.clone(),
            ..provider.method()
        };
        let (last, _) = told(&provider, method).await;
        assert_eq!(failed_before(&last), ["discovery-url"], "{url}");
        assert_eq!(provider.reads(), Vec::<String>::new(), "{url}");
    }
}

#[tokio::test]
async fn an_application_without_consent_or_without_the_reply_url_sends_nobody() {
    let provider = Provider::start().await;
    let (last, page) = told(
        &provider,
        ExternalMethod {
            consent: Consent::Missing,
            ..provider.method()
        },
    )
    .await;
    assert_eq!(failed_before(&last), ["consent"]);
    assert!(page.contains("AADSTS900491"), "{page}");
    for reply_urls in [vec![], vec![format!("{}/", provider.endpoint())]] {
        let method = ExternalMethod {
            reply_urls,
            ..provider.method()
        };
        let (last, page) = told(&provider, method).await;
        assert_eq!(failed_before(&last), ["reply-url"]);
        assert!(page.contains("AADSTS50161"), "{page}");
    }
}

#[tokio::test]
async fn what_is_published_is_kept_for_24_hours_and_an_unknown_key_changes_nothing() {
    let (world, provider) = external_world().await;
    let mut browser = Browser::default();
    browser.asks(&world, "password").await;
    assert_eq!(provider.reads(), [DISCOVERY, KEYS]);

    // The provider changes its key at once: what nobody should do.
    provider.serves(KEYS, Served::json(&json!({ "keys": [STRANGER.jwk()] })));
    world
        .clock
        .advance(Duration::from_hours(24) - Duration::from_secs(1));
    let answer = browser
        .second_factor(&world, &provider, |token| {
            token.header["kid"] = json!(STRANGER.kid());
        })
        .await;
    assert!(answer.body.contains("AADSTS50012"), "{}", answer.body);
    assert_eq!(provider.reads(), Vec::<String>::new());

    world.clock.advance(Duration::from_secs(1));
    browser.asks(&world, "password").await;
    assert_eq!(provider.reads(), [DISCOVERY, KEYS]);

    // What could not be read is not kept.
    let other = Provider::start().await;
    let world = super::super::world::world();
    world.practice.register_external_method(other.method());
    other.serves(
        KEYS,
        Served {
            status: "503 Later",
            ..Served::json(&json!({}))
        },
    );
    let mut browser = Browser::default();
    browser.get(&world, START).await;
    other.serves(KEYS, Served::json(&json!({ "keys": [PUBLISHED.jwk()] })));
    browser.asks(&world, "password").await;
}
